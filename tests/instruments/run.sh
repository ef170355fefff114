#!/usr/bin/env bash
# tests/instruments/run.sh BUILD_DIR [PART...] - what ASan and UBSan do not see, by three instruments:
#
#   msan       MemorySanitizer over the simulator, which reads every byte of every packet: none is
#              uninitialised
#   valgrind   the unit and wire tests, built plainly, without an error and without a leak
#   tsan       ThreadSanitizer over the driver thread, with calls from many threads, as server and client
#
# The last line is `N passed, N failed`.
set -u
cd "$(dirname "$0")/../.." || exit 1
build=${1:?usage: tests/instruments/run.sh BUILD_DIR [PART...]}/instruments
shift
parts=("$@")
[ ${#parts[@]} -gt 0 ] || parts=(msan valgrind tsan)
make=${MAKE:-make} jobs=$(nproc) plain="-O1 -g -fno-omit-frame-pointer"
passed=0 failed=0

# verdict NAME STATUS LOG
verdict() {
    if [ "$2" = 0 ]; then
        passed=$((passed + 1))
        echo "ok   $1"
    else
        failed=$((failed + 1))
        echo "FAIL $1"
        tail -n 60 "$3" | sed 's/^/     /'
    fi
}

msan() {
    local b=$build/msan
    $make -s -j"$jobs" B="$b" CC="${CLANG:-clang}" SAN="$plain -fsanitize=memory" "$b/tests/sim" || exit 1
    timeout 1800 "$b/tests/sim" --jobs "$jobs" >"$b/log" 2>&1
    verdict "msan: no uninitialised byte goes out: $(tail -n 1 "$b/log")" $? "$b/log"
}

memory_checked() { # TEST
    timeout 1800 valgrind -q --error-exitcode=9 --leak-check=full --errors-for-leak-kinds=definite "$1" \
        >"$1.log" 2>&1
    echo $? >"$1.rc"
}
export -f memory_checked

valgrind_part() {
    local b=$build/valgrind test tests=()
    for test in tests/unit/*.c tests/wire/test_*.c; do
        tests+=("$b/${test%.c}")
    done
    $make -s -j"$jobs" B="$b" SAN="$plain" "${tests[@]}" || exit 1
    printf '%s\n' "${tests[@]}" | xargs -P "$jobs" -I{} bash -c 'memory_checked {}'
    for test in "${tests[@]}"; do
        verdict "valgrind: ${test#"$b/"}" "$(cat "$test.rc")" "$test.log"
    done
}

# in a namespace: server, then client, with threads on both sides
tsan_inside() {
    local live=$1 log=$2 server
    ip link set lo up
    "$live" --tun tun0 --ip 10.9.0.2 --host 10.9.0.1/24 --thread \
        serve 7:echo 9:discard 19:chargen 21:reset >"$log" 2>&1 &
    server=$!
    for _ in $(seq 100); do
        grep -q ready "$log" && break
        sleep 0.1
    done
    timeout 100 "$live" threads 10.9.0.2 7 16 200000 &&
        timeout 100 "$live" many 10.9.0.2 7 100 3000 &&
        timeout 100 "$live" chargen 10.9.0.2 19 3000000 &&
        timeout 100 "$live" echo-full 10.9.0.2 7 10000000 65536 &&
        timeout 100 "$live" reset 10.9.0.2 7 || return 1
    kill -TERM $server
    wait $server || return 1
    "$live" serve 7:echo >>"$log" 2>&1 &
    sleep 1
    timeout 100 "$live" --tun tun1 --ip 10.9.1.2 --host 10.9.1.1/24 --thread threads 10.9.1.1 7 16 200000
}
export -f tsan_inside

tsan() {
    local b=$build/tsan rc
    $make -s -j"$jobs" B="$b" OPT="$plain -fsanitize=thread" CC="${CC:-gcc} -fsanitize=thread" \
        "$b/tests/live" || exit 1
    TSAN_OPTIONS="log_path=$b/races" timeout 600 unshare -rn -p --fork --kill-child \
        bash -c "tsan_inside '$b/tests/live' '$b/server.log'" >"$b/log" 2>&1
    rc=$?
    cat "$b"/races.* >>"$b/log" 2>/dev/null && rc=1
    rm -f "$b"/races.*
    verdict "tsan: no data race with a driver thread and 16 callers" $rc "$b/log"
}

for part in "${parts[@]}"; do
    case $part in
    msan) msan ;;
    valgrind) valgrind_part ;;
    tsan) tsan ;;
    esac
done
echo "$passed passed, $failed failed"
[ $failed = 0 ]
