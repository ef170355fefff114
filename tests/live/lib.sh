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

# talk BYTES CLIENT...: a client, of either stack, sends bytes through an echo and gets the same
# back; $info is then how the kernel sees the connection. Only after that it closes.
feed="cat" # FILE: how the bytes come to the client
talk() {
    local bytes=$1
    shift
    random "$bytes" >"$tmp/f.sent"
    : >"$tmp/f.back"
    rm -f "$tmp/f.hold"
    mkfifo "$tmp/f.hold"
    { $feed "$tmp/f.sent"; read -r _ <"$tmp/f.hold"; } |
        "$@" >"$tmp/f.back" 2>"$tmp/f.said" &
    local talk=$!
    until_true 25 all_is_back ||
        fail "$(wc -c <"$tmp/f.back") of $bytes bytes came back: $(cat "$tmp/f.said")"
    info=$($where ss -Htino state established)
    echo >"$tmp/f.hold"
    wait $talk || fail "the client ended with status $?: $(cat "$tmp/f.said")"
    same "sha256 of the echo" "$(sum <"$tmp/f.sent")" "$(sum <"$tmp/f.back")"
}
all_is_back() { [ "$(wc -c <"$tmp/f.back")" -ge "$(wc -c <"$tmp/f.sent")" ]; }

# info_has WORD...: $info has each word +WORD and none of -WORD.
info_has() {
    local word
    for word in "$@"; do
        case "$word $info " in
        +*" ${word#?}"*) ;;
        +*) fail "no ${word#?} in: $info" ;;
        -*" ${word#?}"*) fail "${word#?} in: $info" ;;
        esac
    done
}

# kernel_server PORT:KIND...: on the kernel's stack
kernel_server() {
    : >"$tmp/f.kernel"
    # shellcheck disable=SC2086 # none, or one word
    background $where "$live" serve "$@" >"$tmp/f.kernel" 2>&1
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
where= # the kernel's end: here, or `there`
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

# near_serves: mytcp-echo is the near end of the link, which was joined as unix:$tmp/f.socket
near_serves() {
    background "$echo_server" --tun "unix:$tmp/f.socket" --ip "$a" >"$tmp/server.log" 2>&1
    server=$pid
    until_true 5 grep -q 'echo 7' "$tmp/server.log" || fail "$(cat "$tmp/server.log")"
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
    local setting
    for setting in "$@"; do
        set_to "${setting%%=*}" "${setting#*=}" || skip "this kernel does not take $setting"
    done
}
set_to() { # NAME VALUE
    # shellcheck disable=SC2016 # the inner shell's
    $where sh -c 'test -w "$1" && echo "$2" >"$1"' sh "/proc/sys/net/ipv4/$1" "$2" 2>/dev/null
}

# counter NAME: the kernel's, as nstat gives it
counter() { $where nstat -asz "$1" | awk -v n="$1" '$1 == n {print $2}'; }

# The kernel has found nothing wrong with what it was sent. It counts a SYN,ACK that came again, which
# a lost third ACK rightly brings, as a challenge and as an error.
kernel_is_content() {
    same TcpInErrs "$(counter TcpExtTCPSYNChallenge)" "$(counter TcpInErrs)"
    same TcpInCsumErrors 0 "$(counter TcpInCsumErrors)"
    same IpInHdrErrors 0 "$(counter IpInHdrErrors)"
}

# ended_well [STATE]: every connection has ended as it should; what is left is in TIME-WAIT or STATE
all_closed() {
    # shellcheck disable=SC2086 # words
    [ -z "$($where ss -Htan state connected exclude time-wait $1)" ]
}
ended_well() {
    until_true 5 all_closed "${1:+exclude $1}" || fail "not closed: $($where ss -Htan)"
    # A FIN that the kernel sends twice is acknowledged twice, and the second ACK finds nobody. So does
    # one that a link has doubled.
    [ "$where" = there ] || at_most TcpOutRsts "$(counter TcpRetransSegs)" "$(counter TcpOutRsts)"
    same "connections that broke off" 0 "$(
        $where nstat -asz TcpEstabResets TcpAttemptFails 'TcpExtTCPAbort*' |
            awk '/^Tcp/ {n += $2} END {print n}'
    )"
    kernel_is_content
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
