#!/bin/sh
# tests/matrix/matrix.sh [check | readme]: each requirement of the RFCs and each known attack with the tests that
# answer it or the reason why it is not followed, and how many there are of each. `check` prints what is wrong
# only; `readme` writes the totals into README.md.
# It fails if a MUST or MUST NOT has neither test nor reason, if a comment names an id that is no row or stands at
# no test, if a test that is named is not run, or if README.md has other totals.
#
#     requirements.tsv   the rules, by RFC and level
#     attacks.tsv        attacks and other stacks' bugs
#     deviations.tsv     `differs`: we do otherwise, knowingly; `n/a`: it is about something that is not there
set -u
cd "$(dirname "$0")/../.." || exit 1
export LC_ALL=C
here=tests/matrix
begin='<!-- what `tests\/matrix\/matrix.sh readme` writes -->'
end='<!-- to here -->'

run() # MODE
{
    awk -v mode="$1" -f $here/matrix.awk \
        $here/requirements.tsv $here/attacks.tsv $here/deviations.tsv \
        tests/unit/*.c tests/wire/test_*.c tests/lib/*.c tests/sim/*.c tests/fuzz/*.c tests/fuzz/lib/*.c \
        tests/event/main.c tests/costs/main.c \
        tests/live/*.c tests/live/t_*.sh tests/check.sh
}

table=$(run readme)
case ${1:-show} in
readme)
    printf '%s\n' "$table" | sed -i -e "/^$begin\$/,/^$end\$/{/^$begin\$/r /dev/stdin" -e "/^|/d}" README.md
    ;;
*)
    run "${1:-show}"
    status=$?
    [ "$(sed -n "/^$begin\$/,/^$end\$/{/^|/p}" README.md)" = "$table" ] && exit $status
    echo "error: README.md has other totals; tests/matrix/matrix.sh readme writes them"
    exit 1
    ;;
esac
