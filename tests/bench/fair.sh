#!/usr/bin/env bash
# tests/bench/fair.sh BUILD_DIR - libmytcp beside the kernel's CUBIC in one bottleneck: Jain's index of
# the flows' goodput after convergence. The sender's namespace forwards what libmytcp's TUN device gives it
# into the link, which its own kernel sends into as well; the receiver is the kernel beyond the link. ACKs take up
# to a packet's time longer or shorter, at random: otherwise the rhythm of arrivals decides who meets a full queue
# (Floyd and Jacobson, "Traffic Phase Effects in Packet-Switched Gateways"). Beside them, for comparison, as many
# flows of the kernel alone.
#
#   BENCH_FAIR_S=N      measured for so long (default 60), after
#   BENCH_FAIR_WARM=N   seconds of convergence (default 30)
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
build=$(cd "${1:?usage: tests/bench/fair.sh BUILD_DIR}" && pwd) || exit 1
bench=$build/tests/bench link=$build/mytcp-link
near=10.7.0.1 far_ip=10.7.0.2 gate=10.8.0.1 stack=10.8.0.2 rate=20
seconds=${BENCH_FAIR_S:-60} warm=${BENCH_FAIR_WARM:-30}

fail() { echo "bench-fair: $*" >&2; exit 1; }

await() { # FILE WORD
    for _ in $(seq 500); do
        grep -qs "$2" "$1" && return
        sleep 0.01
    done
    fail "not ready: $(cat "$1")"
}

far_is_apart() { [ "$(readlink "/proc/$far/ns/net")" != "$(readlink /proc/self/ns/net)" ]; }

# one RTT_MS FLOWS WHOSE: mixed, half of them libmytcp's, half the kernel's; or all the kernel's. Prints a line
# "SIDE MBIT" for each
one() {
    local rtt=$1 flows=$2 whose=$3 i queue=$((rate * 125 * $1)) pids=()
    [ "$queue" -lt 30000 ] && queue=30000
    ip link set lo up
    unshare -n sleep 600 >/dev/null 2>&1 &
    far=$!
    for i in $(seq 200); do far_is_apart && break; sleep 0.01; done
    nsenter -t "$far" -n ip link set lo up
    "$link" --a la --a-ip $near/24 --b "lb@$far" --b-ip $far_ip/24 --realtime --delay "$(awk "BEGIN{print $rtt/2}")ms" \
        --rate "${rate}mbit" --queue "$queue" --ba --jitter 0.6ms >"$work/link.out" 2>&1 &
    await "$work/link.out" joined
    echo 1 >/proc/sys/net/ipv4/ip_forward || fail "no forwarding here"
    nsenter -t "$far" -n ip route add 10.8.0.0/24 via $near || fail "no route"
    "$bench" --tun mt0 --ip $stack --host $gate/24 serve path >"$work/stack.out" 2>&1 &
    "$bench" serve path cubic >"$work/kernel.out" 2>&1 &
    await "$work/stack.out" ready
    await "$work/kernel.out" ready
    for i in $(seq "$flows"); do
        local to=$stack side=libmytcp
        [ "$whose" = kernel ] || [ $((i % 2)) = 0 ] && to=$near side=kernel
        (nsenter -t "$far" -n timeout 300 "$bench" client path-bulk $to "$seconds" "$warm" |
            sed "s/^/$side /") &
        pids+=($!)
        sleep 0.2
    done
    wait "${pids[@]}"
}

work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
if [ "${2:-}" = one ]; then
    one "$3" "$4" "$5"
    exit
fi
enter="unshare -n -p -f --mount-proc --kill-child"
$enter ip tuntap add dev probe0 mode tun 2>/dev/null || enter="unshare -r ${enter#unshare }"
$enter ip tuntap add dev probe0 mode tun || fail "no TUN device in a namespace here"
echo "Flows of libmytcp and of the kernel (cubic) in one bottleneck of $rate Mbit/s, a queue of one"
echo "bandwidth-delay product; Mbit/s in the $seconds s after the first $warm."
for rtt in 20 100; do
    for flows in 2 4; do for whose in kernel mixed; do
        # shellcheck disable=SC2086 # words
        $enter "$here/fair.sh" "$build" one $rtt $flows $whose >"$work/values" || fail "$rtt ms, $flows flows"
        awk -v rtt=$rtt '{ sum += $2; squares += $2 * $2; list = list sprintf("  %s %.2f", $1, $2) }
            END { printf "%4d ms  %d flows  Jain %.3f %s\n", rtt, NR, sum * sum / (NR * squares), list }' \
            "$work/values"
    done; done
done
