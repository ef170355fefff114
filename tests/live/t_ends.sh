# t_ends.sh - half-closes, resets, peers that die, devices that go down, many connections at once.

half_close_of_the_client() {
    serve
    "$live" half "$ip" 7 1000000
    kernel_is_content
    same TcpEstabResets 0 "$(counter TcpEstabResets)"
}

half_close_of_the_server() { # the server has closed its direction; the client's still flows
    serve
    { sleep 0.3; echo more; sleep 0.2; } | nc -N -w 5 "$ip" 13 >"$tmp/f.out"
    [ -s "$tmp/f.out" ] || fail "no line"
    same TcpEstabResets 0 "$(counter TcpEstabResets)"
    still_serves
}

established() { ss -Htn state established dst "$ip" | wc -l; }
established_are() { [ "$(established)" = "$1" ]; }

client_is_killed() {
    serve
    background nc "$ip" 7 </dev/null >/dev/null
    until_true 3 established_are 1 || fail "no connection: $(ss -tan)"
    kill -9 "$pid"
    until_true 3 established_are 0 || fail "still established: $(ss -tan)"
    until_true 3 sh -c "[ -z \"\$(ss -Htn state fin-wait-1 state fin-wait-2 dst $ip)\" ]" ||
        fail "the server has not closed: $(ss -tan)"
    still_serves
}

client_is_killed_in_full_flow() {
    serve
    background nc "$ip" 19 </dev/null >/dev/null
    local reader=$pid
    background nc "$ip" 9 </dev/zero
    until_true 3 established_are 2 || fail "$(ss -tan)"
    sleep 0.3
    kill -9 "$reader" "$pid"
    sleep 0.2
    still_serves
    kernel_is_content
}

client_resets() {
    serve
    local before
    before=$(counter TcpOutRsts)
    "$live" reset "$ip" 7
    "$live" reset "$ip" 80
    # one each, and one more for each segment that was on its way already
    at_least "resets that the kernel sent" $((before + 2)) "$(counter TcpOutRsts)"
    still_serves
}

client_resets_in_full_flow() {
    serve
    for _ in 1 2 3; do
        timeout -s KILL 0.3 nc "$ip" 19 >/dev/null </dev/null || true
        "$live" reset "$ip" 19
    done
    still_serves
}

we_reset() { # unread data is thrown away by close(): RFC 2525 2.17
    library --thread serve 7:echo 5000:reset
    "$live" await-reset "$ip" 5000
    at_least TcpEstabResets 1 "$(counter TcpEstabResets)"
    still_serves
}

thousand_connections() {
    serve
    ulimit -n 4096 2>/dev/null || [ "$(ulimit -n)" -ge 1100 ] || skip "too few file descriptors"
    timeout 25 "$live" many "$ip" 7 1000 20000
    kernel_is_content
    still_serves
}

thousand_connections_from_us() {
    ulimit -n 4096 2>/dev/null || [ "$(ulimit -n)" -ge 1100 ] || skip "too few file descriptors"
    kernel_server 7:echo
    timeout 25 "$live" --tun tun0 --ip "$ip" --host "$host/$net" many "$host" 7 1000 20000
    kernel_is_content
}

connection_after_connection() { # ports come again while their TIME-WAITs still stand
    serve
    with tcp_tw_reuse=1 "ip_local_port_range=40000 40063"
    local i
    for i in $(seq 80); do
        same "daytime, connection $i" 1 "$(nc -d -w 5 "$ip" 13 | wc -l)"
    done
    kernel_is_content
}

device_goes_down_and_up() {
    serve
    { echo one; sleep 2.5; echo two; } | nc -N -w 10 "$ip" 7 >"$tmp/f.out" &
    local talk=$!
    until_true 3 test -s "$tmp/f.out" || fail "nothing comes back"
    ip link set tun0 down
    sleep 0.6
    ip link set tun0 up
    wait $talk
    same "echo across a pause of the device" "one two" "$(paste -sd ' ' "$tmp/f.out")"
    still_serves
}

device_goes_down_in_full_flow() {
    serve
    random 30000000 >"$tmp/f.in"
    split -b 1000000 "$tmp/f.in" "$tmp/f.part."
    for part in "$tmp"/f.part.*; do
        cat "$part"
        sleep 0.03
    done | nc -N -w 20 "$ip" 7 >"$tmp/f.out" &
    local talk=$! i
    until_true 5 test -s "$tmp/f.out" || fail "nothing comes back"
    for i in 1 2 3; do
        ip link set tun0 down
        sleep 0.1
        ip link set tun0 up
        sleep 0.1
    done
    wait $talk || fail "nc failed"
    cmp "$tmp/f.in" "$tmp/f.out" || fail "wrong bytes"
    still_serves
}

device_vanishes() {
    serve
    ip link delete tun0
    local rc=0
    until_true 5 sh -c "! kill -0 $server" || fail "mytcp-echo does not notice"
    wait "$server" || rc=$?
    at_least "exit status" 1 "$rc"
    at_most "exit status" 127 "$rc"
}

mtu_changes() {
    serve
    random 5000000 >"$tmp/f.in"
    ip link set tun0 mtu 600
    same "sha256 at 600" "$(sum <"$tmp/f.in")" "$(nc -N -w 20 "$ip" 7 <"$tmp/f.in" | sum)"
    nc -N -w 20 "$ip" 7 <"$tmp/f.in" >"$tmp/f.out" &
    local talk=$!
    ip link set tun0 mtu 1400
    sleep 0.05
    ip link set tun0 mtu 800
    wait $talk
    cmp "$tmp/f.in" "$tmp/f.out" || fail "wrong bytes"
    kernel_is_content
}

peer_falls_silent() { # the kernel's end drops everything: our user timeout must end it
    kernel_server 5000:hold
    ours stuck "$host" 5000 ETIMEDOUT >"$tmp/f.out" 2>&1 &
    local talk=$!
    until_true 5 grep -q connected "$tmp/f.out" || fail "$(cat "$tmp/f.out")"
    ip route add blackhole "$ip/32" # its answers no longer leave
    wait $talk || fail "$(cat "$tmp/f.out")"
}

it "a client that has shut down its sending still gets all of the echo" half_close_of_the_client
it "a server that has closed its sending still takes the client's bytes" half_close_of_the_server
it "kill -9 of an idle client closes its connection" client_is_killed
it "kill -9 of clients in full flow leaves the server well" client_is_killed_in_full_flow
it "a client's RST leaves the server well" client_resets
it "RSTs in full flow leave the server well" client_resets_in_full_flow
it "SO_LINGER zero on our side resets the kernel's end" we_reset
it "a thousand connections at once each get their bytes" thousand_connections
it "a libmytcp client's thousand connections at once each get their bytes" thousand_connections_from_us
it "ports are used again while their TIME-WAIT stands" connection_after_connection
it "a connection outlives its device going down and up" device_goes_down_and_up
it "a bulk echo outlives its device going down and up" device_goes_down_in_full_flow
it "a device that is taken away ends mytcp-echo with an error" device_vanishes
it "the device's MTU may change while bytes flow" mtu_changes
it "a peer that falls silent ends in ETIMEDOUT" peer_falls_silent
