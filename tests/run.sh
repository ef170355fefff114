#!/usr/bin/env bash
# tests/run.sh BUILD_DIR - run every test and count. Unit and wire programs two at a time, the wire programs
# again with shifted sequence numbers and with super-segments, then the fuzz targets over their corpora, the event
# table, the simulator, and the live tests; each speaks TAP. The last line is `N passed, N failed`.
set -u
cd "$(dirname "$0")/.." || exit 1
build=${1:?usage: tests/run.sh BUILD_DIR}
limit_s=${TEST_TIMEOUT_S:-180} # of one unit or wire program
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
export CMOCKA_MESSAGE_OUTPUT=TAP

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM

# run_one NAME LIMIT_S COMMAND...: output, exit status and milliseconds to $work/NAME.*
run_one() {
    local name=$1 limit=$2 file=$work/${1//\//_} start
    shift 2
    start=$(date +%s%N)
    timeout -k 10 "$limit" "$@" >"$file.out" 2>&1 </dev/null
    echo $? >"$file.rc"
    echo $((($(date +%s%N) - start) / 1000000)) >"$file.ms"
}
export -f run_one
export work build limit_s

# A program that ended badly without having said `not ok`, or that has said nothing, is one failure.
judge() {
    local name=$1 file=$work/${1//\//_} rc ms ok not_ok skip planned
    rc=$(cat "$file.rc") ms=$(cat "$file.ms")
    skip=$(grep -aciE '^(not )?ok\b.*# skip' "$file.out")
    ok=$(grep -aiv '# skip' "$file.out" | grep -acE '^ok\b')
    not_ok=$(grep -aiv '# skip' "$file.out" | grep -acE '^not ok\b')
    planned=$(grep -aE '^1\.\.[0-9]+' "$file.out" | awk -F'[.][.]' '{n += $2} END {print n + 0}')
    local complaint=
    if [ "$not_ok" = 0 ]; then
        if [ "$rc" = 124 ] || [ "$rc" = 137 ]; then
            complaint="not finished in time"
        elif [ "$rc" != 0 ]; then
            complaint="exit status $rc"
        elif [ $((ok + skip)) = 0 ]; then
            complaint="ran no test"
        elif [ $((ok + skip)) -lt "$planned" ]; then
            complaint="$((ok + skip)) of $planned planned tests ran"
        fi
    fi
    [ -n "$complaint" ] && not_ok=1
    passed=$((passed + ok)) failed=$((failed + not_ok)) skipped=$((skipped + skip))
    printf '%-44s %4d passed %3d failed' "$name" "$ok" "$not_ok"
    [ "$skip" != 0 ] && printf ' %3d skipped' "$skip"
    printf '  %d.%03d s\n' $((ms / 1000)) $((ms % 1000))
    if [ "$not_ok" != 0 ]; then
        [ -n "$complaint" ] && echo "    $complaint"
        show_failure "$file.out" "$complaint"
    fi
    grep -aiE '^(not )?ok\b.*# skip' "$file.out" | sed "s|^|    $name: |" >>"$work/skips"
}

# All of a broken program's last words; of the others, what is not a passed test.
show_failure() {
    if [ -n "$2" ]; then
        tail -n 60 "$1" | sed 's/^/    /'
    else
        grep -avE '^(ok\b|1\.\.[0-9])' "$1" | head -n 300 | sed 's/^/    /'
    fi
}

passed=0 failed=0 skipped=0
: >"$work/skips"
shopt -s nullglob
names=()
for source in tests/unit/*.c tests/wire/test_*.c; do
    names+=("${source%.c}")
done
[ ${#names[@]} -gt 0 ] && printf '%s\n' "${names[@]}" |
    xargs -P 2 -I{} bash -c 'run_one {} "$limit_s" "$build/{}"' 2>/dev/null
for name in "${names[@]}"; do
    judge "$name"
done

run_one tests/wire/shifts 600 tests/wire/shifts.sh "$build"
judge tests/wire/shifts

for source in tests/fuzz/*.c; do # each replays its corpus
    name=${source%.c}
    run_one "$name" "$limit_s" "$build/$name" "tests/fuzz/corpus/${name##*/}"
    judge "$name"
done
run_one tests/steps 300 "$build/tests/steps" 100000
judge tests/steps
run_one tests/event 300 "$build/tests/event"
judge tests/event
run_one tests/sim 300 "$build/tests/sim" --jobs "$(nproc)"
judge tests/sim
run_one tests/sim/paths 300 "$build/tests/sim-fast" paths --quick --jobs "$(nproc)"
judge tests/sim/paths
run_one tests/sim/relations 300 "$build/tests/sim-fast" relations 5
judge tests/sim/relations
run_one tests/sim/shrink 300 "$build/tests/sim-fast" shrink
judge tests/sim/shrink
run_one tests/sim/scarce 300 "$build/tests/sim" scarce 96 --jobs "$(nproc)"
judge tests/sim/scarce
run_one tests/live 300 tests/live/run.sh "$build"
judge tests/live

if [ -s "$work/skips" ]; then
    echo "skipped:"
    cat "$work/skips"
fi
summary="$passed passed, $failed failed"
[ "$skipped" != 0 ] && summary="$summary, $skipped skipped"
echo "$summary"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
