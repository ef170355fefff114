#!/usr/bin/env bash
# tests/sim/run.sh BUILD_DIR - the whole of the simulator: every path beside the model and the golden table,
# fairness, relations, every allocation failing, then 100,000 runs with faults. The last line is `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 1
sim=${1:?usage: tests/sim/run.sh BUILD_DIR}/tests/sim-fast jobs=$(nproc)

log=$(mktemp) || exit 1
trap 'rm -f "$log"' EXIT
trap 'exit 130' INT TERM
passed=0 failed=0
run() {
    local rc=0 not_ok
    "$sim" "$@" >"$log" || rc=$?
    grep -v '^ok' "$log"
    passed=$((passed + $(grep -c '^ok' "$log")))
    not_ok=$(grep -c '^not ok' "$log")
    [ "$rc" != 0 ] && [ "$not_ok" = 0 ] && not_ok=1
    failed=$((failed + not_ok))
}
run paths --jobs "$jobs"
run fair
run relations 50
run shrink
run scarce 720 --jobs "$jobs"
run --times 88 --jobs "$jobs"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" != 0 ]
