#!/usr/bin/env bash
# tests/bench/run.sh BUILD_DIR - libmytcp beside the kernel's own TCP and beside the bare device, each
# measured in every round of the same run; the table shows medians.
#
#   libmytcp   kernel end in one namespace, libmytcp on a TUN device of it
#   kernel     kernel at both ends, a veth pair between two namespaces
#   device     the same TUN device, the far end a responder that does no TCP work (ceiling.c)
#
# Clients run on core 0, servers on core 1. Each round has namespaces of its own, and so have the idle
# connections: none inherits the TIME-WAITs of another, among which a port is hard to find. Connections
# come from all ports above 1024.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
build=$(cd "${1:?usage: tests/bench/run.sh BUILD_DIR}" && pwd) || exit 1
bench=$build/tests/bench
rounds=${BENCH_ROUNDS:-5} bulk_s=${BENCH_BULK_S:-0.6} pong_s=0.5 rate_s=0.6
idle_count=${BENCH_IDLE:-10000}
cc=${BENCH_CC:-cubic}

# ------------------------------------------------------------------ one round, inside its namespace

kernel_ip=10.8.1.2 tun_host=10.8.2.1 tun_ip=10.8.2.2

fail() { echo "bench: $*" >&2; exit 1; }

settings() { # in the current namespace
    ip link set lo up
    echo "$cc" >/proc/sys/net/ipv4/tcp_congestion_control || fail "cannot set $cc"
    echo "1024 65535" >/proc/sys/net/ipv4/ip_local_port_range
    echo 4096 >/proc/sys/net/core/somaxconn 2>/dev/null
}

other='' server=''
cleanup() { # what runs of these two; the words must be split
    # shellcheck disable=SC2086
    [ -z "$server$other" ] || kill -9 $server $other 2>/dev/null
}

# The far namespace is that of a sleeping process; veth0 here, veth1 there.
veth_up() {
    unshare -n sleep 600 &
    other=$!
    disown
    local i
    for i in $(seq 100); do
        [ "$(readlink "/proc/$other/ns/net")" != "$(readlink /proc/self/ns/net)" ] && break
        sleep 0.01
    done
    ip link add veth0 type veth peer name veth1 || fail "no veth"
    ip link set veth1 netns "$other"
    ip addr add 10.8.1.1/24 dev veth0
    ip link set veth0 up
    there ip addr add "$kernel_ip/24" dev veth1
    there ip link set veth1 up
    there "$0" "$build" settings
}

there() { nsenter -t "$other" -n "$@"; }

# start COMMAND...: a server, until it says ready
start() {
    : >"$out" # here and now: what the last one said is not to be heard again
    "$@" >"$out" 2>"$out.err" &
    server=$!
    await ready
}

await() { # WORD
    local i
    for i in $(seq 500); do
        grep -q "$1" "$out" && return
        kill -0 "$server" 2>/dev/null || break
        sleep 0.01
    done
    fail "the server did not come up: $(cat "$out.err")"
}

stop() {
    kill -9 "$server" 2>/dev/null
    wait "$server" 2>/dev/null
    server=''
    local i
    for i in $(seq 100); do
        ip link show tun0 >/dev/null 2>&1 || return 0
        sleep 0.01
    done
}

device_up() {
    ip addr add "$tun_host/24" dev tun0
    ip link set tun0 up
}

on_tun=(--tun tun0 --ip "$tun_ip" --host "$tun_host/24" --set port_min=1024)

# serve SIDE ROLE [COUNT]: start a server of that side; its address in $to
serve() {
    local side=$1
    shift
    case $side in
    libmytcp) start "$bench" --core 1 "${on_tun[@]}" serve "$@" && to=$tun_ip ;;
    kernel) start nsenter -t "$other" -n "$bench" --core 1 serve "$@" && to=$kernel_ip ;;
    here) start "$bench" --core 1 serve "$@" && to=$tun_host ;; # for clients on the device
    device) start "$bench" --core 1 ceiling tun0 "$1" "$tun_ip" && device_up && to=$tun_ip ;;
    esac
}

client() { "$bench" --core 0 client "$@" || fail "client $*"; }

say() { # SIDE METRIC VALUE
    [ -n "$3" ] || fail "no $2 of $1"
    echo "$round $*"
}

# ROLE of the server is what it does: `sink` takes bytes in
bulk() { # SIDE METRIC ROLE
    serve "$1" "$3"
    say "$1" "$2" "$(client "${3%0}" "$to" "$bulk_s")"
    stop
}

ping_pong() { # SIDE BYTES
    local us
    serve "$1" pong
    us=$(client pong "$to" "$pong_s" "$2") || exit 1
    say "$1" "pong$2-p50" "${us% *}"
    say "$1" "pong$2-p99" "${us#* }"
    stop
}

rate_passive() { # SIDE: the kernel connects to it
    serve "$1" "$([ "$1" = device ] && echo pong || echo rate)"
    say "$1" rate-passive "$(client rate "$to" "$rate_s")"
    stop
}

rate_active() { # SIDE: it connects to the kernel
    local value
    case $1 in
    kernel) return ;; # the same measurement as passive
    libmytcp)
        serve here rate
        value=$("$bench" --core 0 "${on_tun[@]}" client rate "$to" "$rate_s") || fail "rate"
        ;;
    device)
        serve here rate
        value=$( (for i in $(seq 100); do ip link show tun0 >/dev/null 2>&1 && break; sleep 0.01; done
            device_up; echo) | "$bench" --core 0 ceiling tun0 dial "$tun_ip" "$tun_host" "$rate_s" |
            tail -n 1) || fail "rate"
        ;;
    esac
    say "$1" rate-active "$value"
    stop
}

idle() { # SIDE: bytes a connection in the stack, resident in the process, in the kernel's slabs
    serve "$1" idle "$idle_count"
    "$bench" --core 0 client idle "$to" 0 "$idle_count" &
    local holder=$! words
    await idle
    words=$(tail -n 1 "$out")
    # shellcheck disable=SC2086 # words
    set -- "$1" $words
    say "$1" idle-stack "$3"
    say "$1" idle-resident "$4"
    say "$1" idle-slab "$5"
    stop
    kill -9 "$holder" 2>/dev/null
    wait "$holder" 2>/dev/null
}

begin() {
    out=$(mktemp) || exit 1
    trap 'cleanup; rm -f "$out" "$out.err"' EXIT
    ulimit -n "$(ulimit -Hn)"
    settings
    veth_up
}

one_round() {
    local sides=(libmytcp kernel device) side
    begin
    [ $((round % 2)) = 0 ] && sides=(kernel libmytcp device)
    for side in "${sides[@]}"; do bulk "$side" bulk-in sink; done
    bulk libmytcp bulk-in-place sink0
    for side in "${sides[@]}"; do bulk "$side" bulk-out source; done
    bulk libmytcp bulk-out-place source0
    for side in "${sides[@]}"; do ping_pong "$side" 1; done
    for side in "${sides[@]}"; do ping_pong "$side" 64; done
    for side in "${sides[@]}"; do rate_passive "$side"; done
    for side in "${sides[@]}"; do rate_active "$side"; done
}

one_idle() {
    begin
    idle "$1"
}

case ${2:-} in
settings) settings; exit ;;
round) round=$3; one_round; exit 0 ;;
idle) round=1; one_idle "$3"; exit 0 ;;
esac

# ------------------------------------------------------------------ all rounds, then the table

results=$(mktemp) || exit 1
trap 'rm -f "$results"' EXIT
trap 'exit 130' INT TERM
# bytes an idle connection needs two descriptors of the kernel's in one process each
limit=$(($(ulimit -Hn) - 100))
[ "$limit" -ge "$idle_count" ] || idle_count=$limit
export BENCH_IDLE=$idle_count
# As root without a user namespace, where every congestion control may be chosen.
enter="unshare -n --kill-child"
$enter ip tuntap add dev probe0 mode tun 2>/dev/null || enter="unshare -rn --kill-child"
$enter ip tuntap add dev probe0 mode tun || fail "no TUN device in a namespace here: nothing measured"
$enter sh -c "echo $cc >/proc/sys/net/ipv4/tcp_congestion_control" 2>/dev/null || cc=reno
export BENCH_CC=$cc
for round in $(seq "$rounds"); do
    printf 'round %d of %d\r' "$round" "$rounds" >&2
    $enter "$0" "$build" round "$round" >>"$results" || fail "round $round broke off"
done
printf '%20s\r' '' >&2
for side in kernel libmytcp; do
    $enter "$0" "$build" idle "$side" >>"$results" || fail "idle connections of $side broke off"
done
awk -v cc="$cc" -v rounds="$rounds" -v idle_count="$idle_count" -f "$here/table.awk" "$results"
