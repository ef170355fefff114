#!/bin/sh
# tests/matrix/matrix.sh [check]: each requirement of the RFCs and each known attack with the tests that answer
# it or the reason why it is not followed, and how many there are of each. `check` prints what is wrong only.
# It fails if a MUST or MUST NOT has neither, if a comment names an id that is no row or stands at no test, or if
# a test that is named is not run.
#
#     requirements.tsv   the rules, by RFC and level
#     attacks.tsv        attacks and other stacks' bugs
#     deviations.tsv     `differs`: we do otherwise, knowingly; `n/a`: it is about something that is not there
set -u
cd "$(dirname "$0")/../.." || exit 1
export LC_ALL=C
show=1
[ "${1:-}" = check ] && show=0
here=tests/matrix
exec awk -v verbose=$show -v totals=$show -f $here/matrix.awk \
    $here/requirements.tsv $here/attacks.tsv $here/deviations.tsv \
    tests/unit/*.c tests/wire/test_*.c tests/lib/*.c tests/sim/*.c tests/fuzz/*.c tests/fuzz/lib/*.c \
    tests/live/*.c tests/live/t_*.sh tests/check.sh
