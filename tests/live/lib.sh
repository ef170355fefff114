# lib.sh GROUP [FUNCTION] - run a group of live tests, or one function of it. A group is a list of
# functions and of lines `it "sentence" function [LIMIT_S]`. Each function runs in network and process
# namespaces of its own, so that counters start at zero and what it started ends with it; it fails by
# `fail`.
set -u
group=$1 host=10.9.0.1 ip=10.9.0.2 net=24
# shellcheck disable=SC2034 # the groups use them
live=$build/tests/live echo_server=$build/mytcp-echo nc_tool=$build/mytcp-nc
# shellcheck disable=SC2034
link_tool=$build/mytcp-link a=10.7.0.1 b=10.7.0.2 # the near and the far end

# it SENTENCE FUNCTION [LIMIT_S]
it() {
    local rc start=$EPOCHREALTIME dir
    dir=$(mktemp -d) || exit 1
    tmp=$dir timeout -k 5 "${3:-30}" unshare -n -p --kill-child \
        bash "$here/lib.sh" "$group" "$2" >"$dir/out" 2>&1
    rc=$?
    case $rc in
    0)
        echo "ok - $group: $1"
        grep '^# ' "$dir/out" # what it has counted
        ;;
    77) echo "ok - $group: $1 # SKIP $(tail -n 1 "$dir/out")" ;;
    *)
        echo "not ok - $group: $1"
        [ $rc = 124 ] && echo "# not finished in ${3:-30} s"
        tail -n 40 "$dir/out" | sed 's/^/# /'
        [ -s "$dir/server.log" ] && tail -n 10 "$dir/server.log" | sed 's/^/# server: /'
        ;;
    esac
    if [ -n "${LIVE_TIMES:-}" ]; then
        echo "$start $EPOCHREALTIME" | awk '{printf "#   %.2f s\n", $2 - $1}'
    fi
    rm -rf "$dir"
}

background() { # COMMAND...: its pid in $pid; it ends with the test at the latest
    "$@" &
    pid=$!
}

fail() { echo "$*"; exit 1; }
skip() { echo "$*"; exit 77; }
have() { command -v "$1" >/dev/null 2>&1 || skip "no $1 here"; }
same() { [ "$2" = "$3" ] || fail "$1: expected '$2', got '$3'"; }
at_least() { [ "$3" -ge "$2" ] || fail "$1: expected at least $2, got $3"; }
at_most() { [ "$3" -le "$2" ] || fail "$1: expected at most $2, got $3"; }
sum() { sha256sum | cut -d ' ' -f 1; }
random() { head -c "$1" /dev/urandom; } # BYTES
now_ms() { echo $((${EPOCHREALTIME/./} / 1000)); }

# until_true SECONDS COMMAND...: try every 50 ms
until_true() {
    local i=$(($1 * 20))
    shift
    while ! "$@" >/dev/null 2>&1; do
        i=$((i - 1))
        [ "$i" -gt 0 ] || return 1
        sleep 0.05
    done
}

device_up() { ip -o link show tun0 2>/dev/null | grep -q 'LOWER_UP'; }

said_or_gone() { grep -q "$1" "$tmp/server.log" || ! kill -0 "$server"; }
server_says() { # WORD
    until_true 5 said_or_gone "$1" || fail "the server is not ready: $(cat "$tmp/server.log")"
    kill -0 "$server" || fail "the server has ended: $(cat "$tmp/server.log")"
    device_up || fail "tun0 is not up"
}

# serve [OPTIONS]: mytcp-echo on tun0; $server is its pid
serve() {
    : >"$tmp/server.log" # before it is looked into
    background "$echo_server" --tun tun0 --ip "$ip" --host "$host/$net" "$@" \
        >"$tmp/server.log" 2>&1
    server=$pid
    server_says 'echo 7'
}

# library OPTIONS...: the live helper as a server on libmytcp
library() {
    : >"$tmp/server.log"
    background "$live" --tun tun0 --ip "$ip" --host "$host/$net" "$@" >"$tmp/server.log" 2>&1
    server=$pid
    server_says ready
}

# ours OPTIONS... COMMAND...: the live helper on libmytcp as a client
ours() { "$live" --tun tun0 --ip "$ip" --host "$host/$net" "$@"; }

# kernel_server PORT:KIND...: on the kernel's stack
kernel_server() {
    : >"$tmp/f.kernel"
    background "$live" serve "$@" >"$tmp/f.kernel" 2>&1
    until_true 5 grep -q ready "$tmp/f.kernel" || fail "no server: $(cat "$tmp/f.kernel")"
}

# The far namespace is that of a sleeping process. It tells its number itself: /proc here still shows
# the numbers outside the test's own process namespace.
far_up() {
    # shellcheck disable=SC2016 # the inner shell's
    background unshare -n sh -c 'read -r n rest </proc/self/stat
        echo "$n $(readlink /proc/self/ns/net)" >"$1"
        exec sleep 100' sh "$tmp/f.far"
    until_true 5 test -s "$tmp/f.far" || fail "no second namespace"
    read -r far name <"$tmp/f.far"
    same "the far namespace" "$name" "$(there readlink /proc/self/ns/net)"
    there ip link set lo up
}
there() { nsenter -t "$far" -n "$@"; }

# join END-A OPTIONS...: a link from END-A to the far kernel; its words to f.link
join() {
    local end=$1
    shift
    far_up
    background "$link_tool" --a "$end" --b "lb@$far" --b-ip "$b/24" --seed 1 "$@" >"$tmp/f.link" 2>&1
    link=$pid
    until_true 5 grep -q 'are joined' "$tmp/f.link" || fail "no link: $(cat "$tmp/f.link")"
}

# stop: SIGTERM must end the server with status 0
stop() {
    local rc=0
    kill -TERM "$server"
    wait "$server" || rc=$?
    same "exit status of the server after SIGTERM" 0 "$rc"
}

# The server must be as well as ever; every test ends so.
still_serves() {
    kill -0 "$server" 2>/dev/null || fail "the server is gone: $(cat "$tmp/server.log")"
    same "echo afterwards" "still here" "$(echo "still here" | nc -N -w 5 "$ip" 7)"
}

with() { # NAME=VALUE...: sysctls below net.ipv4
    local setting file
    for setting in "$@"; do
        file=/proc/sys/net/ipv4/${setting%%=*}
        [ -w "$file" ] || skip "cannot set $file"
        echo "${setting#*=}" >"$file"
    done
}

# counter NAME: the kernel's, as nstat gives it
counter() { nstat -asz "$1" | awk -v n="$1" '$1 == n {print $2}'; }

# The kernel has found nothing wrong with what it was sent. It counts a SYN,ACK that came again, which
# a lost third ACK rightly brings, as a challenge and as an error.
kernel_is_content() {
    same TcpInErrs "$(counter TcpExtTCPSYNChallenge)" "$(counter TcpInErrs)"
    same TcpInCsumErrors 0 "$(counter TcpInCsumErrors)"
    same IpInHdrErrors 0 "$(counter IpInHdrErrors)"
}

if [ $# = 1 ]; then
    # shellcheck disable=SC1090
    . "$here/t_$group.sh"
    echo "# end of group $group"
else
    it() { :; }
    ip link set lo up
    for cc in cubic reno; do # a user namespace may not choose every one
        { echo $cc >/proc/sys/net/ipv4/tcp_congestion_control; } 2>/dev/null && break
    done
    # shellcheck disable=SC1090
    . "$here/t_$group.sh"
    set -e
    "$2"
fi
