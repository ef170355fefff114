#!/usr/bin/env bash
# tests/soak/run.sh BUILD_DIR - hours of everything at once: SOAK_S seconds (600) of bulk, short
# connections, kills, resets, floods and loss against mytcp-echo on a live TUN device and at the far
# end of a bad link, and of libmytcp as the client of the kernel. Every stream is compared, by byte or
# by SHA-256; a connection that does not move for 20 s is a failure. At the end nothing may be left
# of it: the counts of sockets, half-open and TIME-WAIT records and the bytes of memory are those of
# the start, and the processes are no larger in the second half than they were in the first.
set -u
here=$(cd "$(dirname "$0")" && pwd) || exit 1
build=$(cd "${1:?usage: tests/soak/run.sh BUILD_DIR}" && pwd) || exit 1
seconds=${SOAK_S:-600}
live=$build/tests/live

# ------------------------------------------------------------------ outside: a namespace, then a verdict

if [ "${2:-}" != inside ]; then
    for enter in "unshare -n -p --fork --mount-proc --kill-child" "unshare -rn -p --fork --mount-proc --kill-child"; do
        if $enter ip tuntap add dev probe0 mode tun 2>/dev/null; then
            trap 'exit 130' INT TERM
            work=$(mktemp -d) || exit 1
            trap 'rm -rf "$work"' EXIT
            work=$work timeout -k 5 $((seconds + 180)) $enter bash "$0" "$build" inside
            exit $?
        fi
    done
    echo "soak: no TUN device in a namespace here: nothing tested, 0 passed, 0 failed, 1 skipped"
    exit 1
fi

# ------------------------------------------------------------------ the servers

near=10.9.0.2 far=10.9.1.2 own=10.9.2.2
# What would hold records for minutes, shorter; the rest as it comes.
short=(--set msl_us=1000000 --set synack_retries=2 --set fin_wait2_us=5000000)

fail() {
    echo "soak: $*"
    exit 1
}

await() { # SECONDS COMMAND...
    local i=$(($1 * 10))
    shift
    until "$@" >/dev/null 2>&1; do
        i=$((i - 1))
        [ "$i" -gt 0 ] || return 1
        sleep 0.1
    done
}

ip link set lo up
cd "$work" || exit 1
"$build/mytcp-echo" --tun tun0 --ip $near --host 10.9.0.1/24 "${short[@]}" >near.log 2>&1 &
near_pid=$!
"$build/mytcp-link" --a tun1 --a-ip 10.9.1.1/24 --b "unix:$work/far.sock" --delay 5ms --jitter 2ms \
    --loss 1% --reorder 1%,2ms --dup 0.5% --rate 200mbit --queue 1000p >link.log 2>&1 &
await 5 test -S far.sock || fail "no link: $(cat link.log)"
"$build/mytcp-echo" --tun "unix:$work/far.sock" --ip $far "${short[@]}" >far.log 2>&1 &
far_pid=$!
"$live" serve 7:echo 19:chargen >kernel.log 2>&1 &
await 5 curl -s -m 1 "http://$near/" || fail "no server: $(cat near.log)"
await 5 curl -s -m 1 "http://$far/" || fail "no server behind the link: $(cat far.log link.log)"

# ------------------------------------------------------------------ the clients

sha_echo() { # HOST BYTES
    local before after
    head -c "$2" /dev/urandom >"$name.in"
    before=$(sha256sum <"$name.in")
    after=$(nc -N -w 20 "$1" 7 <"$name.in" | sha256sum)
    [ "$before" = "$after" ] || { echo "the echo of $2 bytes is not the same"; return 1; }
}

download() { # HOST BYTES
    local want got
    want=$("$live" numbers "$2" | sha256sum)
    got=$(curl -sS -m 100 -y 20 "http://$1/bytes/$2" | sha256sum)
    [ "$want" = "$got" ] || { echo "/bytes/$2 is not the same"; return 1; }
}

upload() { # HOST BYTES
    head -c "$2" /dev/zero | curl -sS -m 100 -y 20 -T - "http://$1/up" | grep -q "$2" ||
        { echo "$2 bytes of PUT were not counted"; return 1; }
}

kill_in_the_middle() { # HOST PORT
    nc "$1" "$2" </dev/zero >/dev/null &
    local pid=$!
    sleep "0.$((RANDOM % 5))$((RANDOM % 10))"
    kill -9 $pid
    wait $pid 2>/dev/null
    return 0
}

ours() { # COMMAND...
    "$live" --tun tun2 --ip $own --host 10.9.2.1/24 "$@"
}

long_lived() { # HOST: silent for the whole time, and then still there
    "$live" late "$1" 7 $((seconds * 1000 - 10000))
}

# worker NAME COMMAND...: again and again until the time is over; counts, and keeps what went wrong
worker() {
    local name=$1 runs=0 bad=0
    shift
    while [ ! -e over ]; do
        runs=$((runs + 1))
        "$@" >"$name.out" 2>&1 || {
            [ -e over ] && [ "$1" = ours ] && break
            bad=$((bad + 1))
            echo "$name, run $runs: $(tail -n 3 "$name.out")" >>wrong
        }
        echo "$runs $bad" >"$name.runs"
    done
}

stats() { curl -sS -m 10 "http://$1/stats"; }
# What must come back to where it was. The page's own connection is in it, each time.
records() {
    stats "$1" | awk '{v[$1] = $2}
        END {
            printf "sockets %d half_open %d time_wait %d memory_bytes %d beside the cache\n", v["sockets"],
                v["half_open"], v["time_wait"], v["memory_bytes"] - v["memory_cached_bytes"]
        }'
}
back_to() { [ "$(records "$2")" = "$(cat "$1")" ]; }

resident() { awk '/^VmRSS/ {print $2}' "/proc/$1/status"; } # KiB

for server in near far; do
    await 10 sh -c "curl -s http://${!server}/stats | grep -q 'time_wait 0'"
    sleep 0.5 # the last page's connection
    records "${!server}" >"$server.before"
    grep -q 'sockets 6' "$server.before" || fail "/stats of $server: $(cat "$server.before")"
done

workers=() pids=()
go() {
    workers+=("$1")
    worker "$@" &
    pids+=($!)
}
: >wrong
go echo-near sha_echo $near 30000000
go echo-far sha_echo $far 3000000
go chargen-near "$live" chargen $near 19 100000000
go chargen-far "$live" chargen $far 19 2000000
go download-near download $near 20000000
go download-far download $far 1000000
go upload-far upload $far 2000000
go both-full-near "$live" echo-full $near 7 30000000 65536
go short-near "$live" many $near 7 200 700
go short-far "$live" many $far 7 20 3000
go half-far "$live" half $far 7 300000
go kill-near kill_in_the_middle $near 19
go kill-echo-near kill_in_the_middle $near 7
go kill-far kill_in_the_middle $far 7
go reset-near "$live" reset $near 7
go flood-near "$live" flood $near 7 500 5
go ours-many ours many 10.9.2.1 7 100 5000
long_lived $near >long.out 2>&1 &
long_pid=$!

# ------------------------------------------------------------------ watch, end, judge

end=$((SECONDS + seconds))
while [ $SECONDS -lt $end ]; do
    sleep 5
    kill -0 $near_pid && kill -0 $far_pid || fail "a server is gone: $(tail near.log far.log)"
    echo "$(resident $near_pid) $(resident $far_pid)" >>resident
    [ -t 1 ] && printf '%d s left, %d wrong \r' $((end - SECONDS)) "$(wc -l <wrong)"
done
: >over
passed=0 failed=0
judge() { # SENTENCE STATUS [TEXT]
    if [ "$2" = 0 ]; then
        passed=$((passed + 1))
        echo "ok - $1${3:+: $3}"
    else
        failed=$((failed + 1))
        echo "not ok - $1${3:+: $3}"
    fi
}

wait "${pids[@]}" # each ends its last run
wait $long_pid
judge "a connection silent for all the time is still there" $? "$(tail -n 1 long.out)"
for name in "${workers[@]}"; do
    read -r runs bad <"$name.runs"
    judge "$name" "$bad" "$runs runs, $bad failed"
done
for server in near far; do
    await 40 back_to "$server.before" "${!server}"
    judge "nothing is left in the stack of $server" $? \
        "$(records "${!server}"), before $(cat "$server.before")"
done
# The first tenth is warming up.
awk '{near[NR] = $1; far[NR] = $2}
    function peak(a, from, to,   i, m) { for (i = from; i <= to; i++) if (a[i] > m) m = a[i]; return m }
    END {
        from = int(NR / 10) + 1; half = int(NR / 2)
        a = peak(near, from, half); b = peak(near, half + 1, NR)
        c = peak(far, from, half); d = peak(far, half + 1, NR)
        printf "near %d then %d KiB, far %d then %d KiB", a, b, c, d
        exit !(b <= a * 1.05 + 2048 && d <= c * 1.05 + 2048)
    }' resident >resident.out
judge "the servers do not grow" $? "$(cat resident.out)"
for server in near far; do
    stats "${!server}" | sed "s/^/# $server: /"
done
head -n 50 wrong | sed 's/^/# /'
echo "$passed passed, $failed failed"
[ $failed = 0 ]
