#!/bin/sh
# tools/demo.sh BUILD_DIR: in a network namespace of its own, the system's nc and curl talk to mytcp-echo on a
# TUN device, and each exchange is drawn as a ladder. Ends by itself; leaves nothing behind.
set -u
PATH=$PATH:/usr/sbin:/sbin
build=${1:-build}
tools=$(dirname "$0")
stack=10.9.0.2
host=10.9.0.1
limit_s=17

# ---- outside: into the namespace

give_up()
{
    echo "make demo: $1" >&2
    echo "    $2" >&2
    exit 1
}

enter()
{
    [ -e /dev/net/tun ] || give_up "there is no /dev/net/tun. As root:" \
        "modprobe tun; mkdir -p /dev/net; [ -e /dev/net/tun ] || mknod -m 666 /dev/net/tun c 10 200"
    { [ -r /dev/net/tun ] && [ -w /dev/net/tun ]; } || give_up \
        "/dev/net/tun is closed to you (Debian has it open to all: making a device takes more). As root:" \
        "chmod 666 /dev/net/tun"
    if unshare -rn true 2>/dev/null; then
        into=-rn
    elif unshare -n true 2>/dev/null; then
        into=-n
    elif [ "$(id -u)" = 0 ]; then
        give_up "not even root may make a network namespace here (a container?). Give it the right, as with:" \
            "docker run --cap-add SYS_ADMIN --cap-add NET_ADMIN --device /dev/net/tun ..."
    else
        give_up "you may not make a user namespace here. Run it as root:  sudo make demo;  or, as root, allow it:" \
            "sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 kernel.unprivileged_userns_clone=1 user.max_user_namespaces=10000"
    fi
    export MYTCP_DEMO_INSIDE=1
    exec timeout --foreground -k 2 "$limit_s" unshare "$into" sh "$0" "$build"
}

[ "${MYTCP_DEMO_INSIDE:-}" ] || enter

# ---- inside

work=$(mktemp -d)
server=
failed=0

stop_server()
{
    [ -z "$server" ] && return
    kill -TERM "$server" 2>/dev/null
    wait "$server"
    status=$?
    server=
    return $status
}

leave()
{
    stop_server
    rm -rf "$work"
}
trap leave EXIT
trap 'echo "make demo: stopped" >&2; exit 1' INT TERM HUP PIPE

fail()
{
    echo "  FAILED: $1"
    failed=$((failed + 1))
}

title()
{
    printf '\n%s\n%s\n\n' "$1" "$(echo "$1" | sed 's/./-/g')"
}

# start OPTION...: the server, with a TIME-WAIT of 4 s instead of 60
start_server()
{
    : >"$work/trace"
    seen=0
    "$build/mytcp-echo" --tun tun0 --ip $stack --host $host/24 --set msl_us=2000000 --trace "$@" \
        >"$work/trace" 2>"$work/errors" &
    server=$!
    for i in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        grep -q '^mytcp-echo:' "$work/trace" && break
        if ! kill -0 "$server" 2>/dev/null || [ "$i" = 20 ]; then
            cat "$work/errors" >&2
            echo "make demo: mytcp-echo did not start" >&2
            exit 1
        fi
        sleep 0.1
    done
    seen=$(wc -l <"$work/trace")
}

# The segments since the last ladder, as one.
ladder()
{
    sleep 0.3
    tail -n "+$((seen + 1))" "$work/trace" >"$work/new"
    seen=$((seen + $(wc -l <"$work/new")))
    awk -f "$tools/ladder.awk" "$work/new" | tee "$work/ladder"
    echo
}

# steps TEXT...: the ladder must show these, in this order (each an extended regular expression)
steps()
{
    from=1
    for step in "$@"; do
        at=$(tail -n "+$from" "$work/ladder" | grep -nE -m 1 -e "$step" | cut -d : -f 1)
        if [ -z "$at" ]; then
            fail "no step \"$step\" in the ladder"
            return
        fi
        from=$((from + at))
    done
}

# The pauses, here and below, keep apart what would else share a segment.
echo_once()
{
    { echo "hello, TCP"; sleep 0.2; } | nc -N -w 5 $stack 7 >"$work/answer" || fail "nc to echo"
    [ "$(cat "$work/answer")" = "hello, TCP" ] || fail "the echo is not what was sent"
}

last_ack='TIME-WAIT +---.*CLOSED$'

start_server
head -n 1 "$work/trace"

title "1. echo: three-way handshake, data, and the client closes first   (echo hello, TCP | nc -N $stack 7)"
echo_once
ladder
steps 'SYN-SENT .*SYN seq=0.* SYN-RECEIVED$' 'ESTABLISHED +<--.*SYN,ACK' \
    'ESTABLISHED +---.*ACK seq=1 .*ESTABLISHED$' '---.*len=11 ' '<--.*len=11 ' \
    'FIN-WAIT-1 +---.*FIN.*CLOSE-WAIT$' 'FIN-WAIT-2 +<-- ACK .*CLOSE-WAIT$' \
    'TIME-WAIT +<--.*FIN.*LAST-ACK$' "$last_ack"
echo "  The kernel's own word on its end (ss):"
ss -Htan "dst $stack" | sed 's/^/    /' | tee "$work/kernel"
grep -q TIME-WAIT "$work/kernel" || fail "the kernel's end is not in TIME-WAIT"

title "2. daytime: the server closes first, and it is libmytcp that waits   (nc $stack 13)"
sleep 0.3 | nc -w 5 $stack 13 | tee "$work/answer" | sed 's/^/  answer: /'
grep -qE '[0-9]+:[0-9]+:[0-9]+' "$work/answer" || fail "no time of day"
ladder
steps '<--.*FIN.*FIN-WAIT-1$' '---.*FIN-WAIT-2$' 'LAST-ACK +---.*FIN.*TIME-WAIT$' 'CLOSED +<-- ACK .*TIME-WAIT$'

title "3. HTTP: a connection's own view of itself   (curl http://$stack/)"
curl -sS -m 5 "http://$stack/" >"$work/answer" || fail "curl http://$stack/"
sed 's/^/  /' "$work/answer"
grep -q ESTABLISHED "$work/answer" || fail "the page does not show the connection"
size=$(curl -sS -m 5 "http://$stack/bytes/10000000" | wc -c)
[ "$size" = 10000000 ] || fail "curl got $size of 10000000 bytes"
echo "  and http://$stack/bytes/10000000 brought $size bytes"
stop_server || fail "mytcp-echo ended with status $?"

start_server --lose synack
title "4. The same with the first SYN-ACK lost (X): retransmission cures it   (mytcp-echo --lose synack)"
echo_once
ladder
steps 'SYN-SENT .*SYN seq=0.* SYN-RECEIVED$' 'SYN-SENT +X--.*SYN-RECEIVED$' 'ESTABLISHED +<--.*SYN-RECEIVED$' \
    'ESTABLISHED +---.*ESTABLISHED$' '<--.*len=11 ' "$last_ack"
stop_server || fail "mytcp-echo ended with status $?"

if [ "$failed" != 0 ]; then
    echo "$failed of the demonstration's expectations failed"
    exit 1
fi
echo "All exchanges went as they should."
