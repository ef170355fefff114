#!/usr/bin/env bash
# tests/bench/paths.sh BUILD_DIR - libmytcp's loss recovery and congestion control beside the
# kernel's, over paths of mytcp-link: the same link, the same seeds, the sides in turning order.
#
#   kernel    kernel sends to kernel (its settings as they come but for congestion control)
#   sends     libmytcp sends to the kernel
#   receives  the kernel sends to libmytcp
#
# Goodput is what arrived in BENCH_PATHS_S seconds after the request, slow start and all, the median
# over the seeds; a response is 30 kB on a new connection, timed from the request to its last byte,
# the 99th percentile over all seeds.
#
#   BENCH_PATHS_CC=NAME     congestion control of all sides; default cubic
#   BENCH_PATHS_QUICK=1     a few paths, one seed, short
#   BENCH_PATHS=3-7,12      these lines of the list only
#   BENCH_PATHS_SEEDS=N     default 3
#   BENCH_PATHS_S=N         default 8
#   BENCH_PATHS_RESPONSES=N of each seed; default 200, 0: none
#   BENCH_PATHS_KERNEL_MAX=N  bytes, the limit of the kernel's buffers (tcp_rmem, tcp_wmem); default: as it comes
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
build=$(cd "${1:?usage: tests/bench/paths.sh BUILD_DIR}" && pwd) || exit 1
bench=$build/tests/bench link=$build/mytcp-link
a=10.7.0.1 b=10.7.0.2

fail() { echo "bench-paths: $*" >&2; exit 1; }

# ms of round trip, % of loss each way, Mbit/s, bandwidth-delay products of queue, reordering of 1 %
list() {
    sed 's/#.*//' <<'END' | awk 'NF == 5'
1    0    1000  2.0   no   # 1
1    0    100   0.5   yes
1    0.1  1000  0.5   no
1    0.1  100   2.0   yes
1    1    100   2.0   no   # 5
1    1    1000  0.5   yes
1    3    10    2.0   no
1    3    1000  2.0   yes
20   0    1000  0.2   no
20   0    100   1.0   yes  # 10
20   0.1  1000  1.0   no
20   0.1  10    0.5   yes
20   1    100   1.0   no
20   1    1000  0.2   yes
20   3    10    1.0   no   # 15
20   3    100   0.2   yes
100  0    10    1.0   no
100  0    1000  0.2   yes
100  0.1  100   0.2   no
100  0.1  1000  1.0   yes  # 20
100  1    10    1.0   no
100  1    100   0.2   yes
100  3    10    0.2   no
100  3    100   1.0   yes
300  0    100   1.0   no   # 25
300  0    10    0.2   yes
300  0.1  10    0.2   no
300  0.1  100   1.0   yes
300  1    10    1.0   no
300  1    100   0.2   yes  # 30
300  3    10    1.0   no
300  3    100   1.0   yes
20   0    10    5.0   no   # a queue as home routers have it
100  0    1000  1.0   no
200  0    1000  1.0   no   # 35: 25 MB a round trip, and no buffer was tuned
END
}

# ------------------------------------------------------- one measurement, in its namespaces

# shape RTT LOSS RATE QUEUE REORDER: the words for mytcp-link
shape() {
    awk -v rtt="$1" -v loss="$2" -v rate="$3" -v bdp="$4" -v reorder="$5" 'BEGIN {
        queue = rate * 125 * rtt * bdp
        if (queue < 30000) queue = 30000
        late = rtt / 10
        if (late < 0.2) late = 0.2
        if (late > 5) late = 5
        printf "--delay %gms --rate %gmbit --queue %d", rtt / 2, rate, queue
        if (loss > 0) printf " --loss %s%%", loss
        if (reorder == "yes") printf " --reorder 1%%,%gms", late
    }'
}

await() { # FILE WORD
    local i
    for i in $(seq 500); do
        grep -qs "$2" "$1" && return
        sleep 0.01
    done
    fail "not ready: $(cat "$1")"
}

# the kernel's own limits on its buffers, in this namespace
kernel_max() {
    local name
    [ -n "${BENCH_PATHS_KERNEL_MAX:-}" ] || return 0
    for name in tcp_rmem tcp_wmem; do
        echo "4096 131072 $BENCH_PATHS_KERNEL_MAX" >"/proc/sys/net/ipv4/$name" || fail "cannot set $name"
    done
}

far_is_apart() { [ "$(readlink "/proc/$far/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }

# one SIDE SEED KIND PATH...: prints what the client prints
one() {
    local side=$1 seed=$2 kind=$3 end=la client=() server=() cc=("$congestion") ends i to=$a
    shift 3
    local rate=$3
    [ "$side" = kernel ] || end=unix:$work/link
    ip link set lo up
    unshare -n sleep 600 >/dev/null 2>&1 &
    far=$!
    for i in $(seq 200); do far_is_apart && break; sleep 0.01; done
    nsenter -t "$far" -n ip link set lo up
    kernel_max
    nsenter -t "$far" -n "$0" "$build" kernel-max
    # the sender is always the link's end a, for its chances to be the same
    ends=(--a "$end" --b "lb@$far" --b-ip "$b/24")
    [ "$side" = kernel ] && ends+=(--a-ip "$a/24")
    [ "$side" = receives ] && ends=(--a "lb@$far" --a-ip "$b/24" --b "$end")
    # shellcheck disable=SC2046 # words
    "$link" "${ends[@]}" --realtime --seed "$seed" $(shape "$@") >"$work/link.out" 2>&1 &
    local link_pid=$!
    await "$work/link.out" joined
    case $side in
    kernel) server=("$bench") client=(nsenter -t "$far" -n "$bench") ;;
    sends) server=("$bench" --tun "$end" --ip "$a") client=(nsenter -t "$far" -n "$bench") ;;
    receives)
        server=(nsenter -t "$far" -n "$bench") client=("$bench" --tun "$end" --ip "$a") to=$b
        ;;
    esac
    "${server[@]}" serve path "${cc[@]}" >"$work/server.out" 2>&1 &
    await "$work/server.out" ready
    if [ "$kind" = bulk ]; then
        timeout 120 "${client[@]}" client path-bulk "$to" "$seconds"
    else
        timeout 300 "${client[@]}" client path-responses "$to" "$responses" 30000 \
            "$(awk -v rate="$rate" 'BEGIN { s = 0.75 / rate; print s < 0.02 ? 0.02 : s }')"
    fi || fail "$side $kind: no result"
    if [ -n "${BENCH_PATHS_LINK:-}" ]; then # what the link has seen
        kill "$link_pid"
        wait "$link_pid"
        cat "$work/link.out" >&2
    fi
}

# ------------------------------------------------------------------ all of them, then the table

chosen() { # NUMBER: among BENCH_PATHS?
    local part
    [ -n "$paths" ] || return 0
    for part in ${paths//,/ }; do
        [ "$1" -ge "${part%-*}" ] && [ "$1" -le "${part#*-}" ] && return 0
    done
    return 1
}

measure() { # SIDE SEED KIND: lines "NUMBER KIND SIDE VALUE" to the results
    # shellcheck disable=SC2086 # words
    $enter "$0" "$build" one "$1" "$2" "$3" "$seconds" "$responses" $path >"$work/value" ||
        { echo "bench-paths: path $number ($path): $1 $3, seed $2: failed" >&2; return; }
    sed "s/^/$number $3 $1 /" "$work/value" >>"$results"
}

one_path() {
    local seed sides kind side
    for seed in $(seq "$seeds"); do
        sides="kernel sends receives"
        [ $((seed % 2)) = 0 ] && sides="receives sends kernel"
        for kind in bulk $([ "$responses" -gt 0 ] && echo responses); do
            for side in $sides; do
                printf '%60s\rpath %d: seed %d, %s, %s' '' "$number" "$seed" "$kind" "$side" >&2
                measure "$side" "$seed" "$kind"
                printf '\r' >&2
            done
        done
    done
    printf '%60s\r' '' >&2
    echo "$number path $path" >>"$results"
    awk -v number="$number" -f "$here/paths.awk" "$results"
}

congestion=${BENCH_PATHS_CC:-cubic}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
case ${2:-} in
kernel-max) kernel_max; exit ;;
one)
    side=$3 seed=$4 kind=$5 seconds=$6 responses=$7
    shift 7
    one "$side" "$seed" "$kind" "$@"
    exit
    ;;
esac

paths=${BENCH_PATHS:-} seeds=${BENCH_PATHS_SEEDS:-3} seconds=${BENCH_PATHS_S:-8}
responses=${BENCH_PATHS_RESPONSES:-200}
if [ -n "${BENCH_PATHS_QUICK:-}" ]; then
    : "${paths:=1,5,10,13,17,19,23,27,30}"
    seeds=${BENCH_PATHS_SEEDS:-1} seconds=${BENCH_PATHS_S:-5} responses=${BENCH_PATHS_RESPONSES:-100}
fi
results=$work/results
: >"$results"
enter="unshare -n -p -f --mount-proc --kill-child"
$enter ip tuntap add dev probe0 mode tun 2>/dev/null || enter="unshare -r ${enter#unshare }"
$enter ip tuntap add dev probe0 mode tun || fail "no TUN device in a namespace here"

echo "Congestion control: $congestion. Goodput in Mbit/s over $seconds s, medians of $seeds seeds; 30 kB responses,"
echo "99th percentile in ms of $((responses * seeds)). Ratios to the kernel's: more goodput is better, less time."
awk -f "$here/paths.awk" -v head=1 /dev/null
number=0
while read -r path; do
    number=$((number + 1))
    chosen "$number" || continue
    one_path </dev/null
done < <(list)
awk -f "$here/paths.awk" -v sum=1 "$results"
