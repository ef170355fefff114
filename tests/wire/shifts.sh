#!/usr/bin/env bash
# tests/wire/shifts.sh BUILD_DIR - the wire programs again where nothing may differ: with initial sequence
# numbers around 0, 2^31 and 2^32, ours and the peer's, in all 64 pairs; and with super-segments, which are cut up
# as a device would. Each test must pass, and what goes in and out (flags, relative numbers, lengths, windows)
# must be the same. Speaks TAP, a line for each of these ways. The few slow programs go with 8 of the pairs.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:?usage: tests/wire/shifts.sh BUILD_DIR}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1} CMOCKA_MESSAGE_OUTPUT=TAP
numbers=(0 1 0x7ffffffe 0x7fffffff 0x80000000 0x80000001 0xfffff830 0xffffffff)
slow=" attack_flood attack_states autotune memory pmtu_search sack_attacks sws "
cookies="-x syn_cookies -x review" # cookies are numbers of their own
elsewhere="-x pmtu -x pmtu_search -x tail_loss_probe" # they cut the records of super-segments at other places

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
export build work slow cookies

# run NAME SKIP UNLIKE WHAT: all programs but those in SKIP, their traces to $work/NAME; they are as in base, UNLIKE
# apart.
run() {
    local name=$1 skip=$2 unlike=$3 what=$4 program source bad=
    mkdir "$work/$name"
    for source in tests/wire/test_*.c; do
        program=${source#tests/wire/test_} program=${program%.c}
        [[ $skip == *" $program "* ]] && continue
        WIRE_TRACE=$work/$name/$program "$build/${source%.c}" >"$work/$name.out" 2>&1 </dev/null && continue
        bad+=" $program fails;"
        grep -a -B40 -A3 '^not ok' "$work/$name.out" >&2
    done
    # shellcheck disable=SC2086
    bad+=$(diff -rq $unlike "$work/base" "$work/$name" |
        sed -n "s|^Files $work/base/\\(.*\\) and .*| \\1 differs;|p" | tr -d '\n')
    [ -z "$bad" ] && echo "ok - $what" || echo "not ok - $what #$bad"
}
export -f run

one_pair() {
    local skip=$slow
    [ "$1" = "$2" ] && skip=
    WIRE_ISS=$1 WIRE_IRS=$2 run "$1-$2" "$skip" "$cookies" "our numbers from $1, the peer's from $2"
}
export -f one_pair

echo 1..66
run base "" "" "as ever"
WIRE_GSO=1 run super " pmtu_probes " "$elsewhere" "super-segments"
for iss in "${numbers[@]}"; do
    for irs in "${numbers[@]}"; do
        echo "$iss $irs"
    done
done | xargs -P 2 -n 2 bash -c 'one_pair "$0" "$1"'
