# t_loss.sh - mytcp-echo loses one packet, or some, by --lose; the cure is watched from the kernel's
# side, by its counters and by the clock.

syn_lost() {
    serve --lose syn
    local ms
    ms=$("$live" late "$ip" 7 0)
    at_least "ms to connect" 900 "$ms"
    at_most "ms to connect" 2500 "$ms"
    same TcpExtTCPSynRetrans 1 "$(counter TcpExtTCPSynRetrans)"
    same TcpRetransSegs 1 "$(counter TcpRetransSegs)"
    still_serves
}

syns_lost() {
    serve --lose syn:2
    # 1 s and 2 s, or 1 s and 1 s: Linux backs off after tcp_syn_linear_timeouts only
    at_least "ms to connect" 1900 "$("$live" late "$ip" 7 0)"
    same TcpExtTCPSynRetrans 2 "$(counter TcpExtTCPSynRetrans)"
}

synack_lost() {
    serve --lose synack
    local ms
    ms=$("$live" late "$ip" 7 0)
    at_least "ms to connect" 900 "$ms"
    at_most "ms to connect" 2500 "$ms"
    at_most TcpExtTCPSynRetrans 1 "$(counter TcpExtTCPSynRetrans)"
    same TcpEstabResets 0 "$(counter TcpEstabResets)"
    same TcpAttemptFails 0 "$(counter TcpAttemptFails)"
    still_serves
}

ack_lost_nobody_has_data() {
    serve --lose ack
    local ms
    ms=$("$live" late "$ip" 7 2500)
    at_most "ms after SYN-ACK came again" 500 "$ms"
    same TcpRetransSegs 0 "$(counter TcpRetransSegs)"
    at_least "the kernel saw the SYN-ACK again: TcpExtTCPSYNChallenge or TcpExtTCPChallengeACK" 1 \
        $(($(counter TcpExtTCPSYNChallenge) + $(counter TcpExtTCPChallengeACK) +
            $(counter TcpExtTCPACKSkippedChallenge)))
    kernel_is_content
    same TcpEstabResets 0 "$(counter TcpEstabResets)"
}

ack_lost_client_has_data() {
    serve --lose ack
    at_most "ms for connect and echo" 500 "$("$live" late "$ip" 7 0)"
    same TcpRetransSegs 0 "$(counter TcpRetransSegs)"
}

ack_lost_server_has_data() {
    serve --lose ack
    local start
    start=$(now_ms)
    [ -n "$(nc -d -w 5 "$ip" 13)" ] || fail "no line"
    at_least "ms until daytime speaks" 700 $(($(now_ms) - start))
    at_most "ms until daytime speaks" 2500 $(($(now_ms) - start))
    same TcpEstabResets 0 "$(counter TcpEstabResets)"
    still_serves
}

fin_lost() {
    serve --lose fin
    same "echo" "last words" "$(echo "last words" | nc -N -w 8 "$ip" 7)"
    same TcpEstabResets 0 "$(counter TcpEstabResets)"
    still_serves
}

fin_of_ours_lost() { # daytime closes first: the FIN that is lost is ours
    serve --lose fin
    [ -n "$(nc -w 8 "$ip" 13 </dev/null)" ] || fail "no line"
    same TcpEstabResets 0 "$(counter TcpEstabResets)"
    still_serves
}

last_ack_lost() {
    serve --lose lastack
    same "echo" "last words" "$(echo "last words" | nc -N -w 8 "$ip" 7)"
    until_true 8 sh -c "[ -z \"\$(ss -Htn state last-ack state closing state fin-wait-1)\" ]" ||
        fail "an end hangs: $(ss -tan)"
    same TcpEstabResets 0 "$(counter TcpEstabResets)"
    still_serves
}

last_ack_of_ours_lost() { # the server closes first and answers the FIN from TIME-WAIT, again
    serve --lose lastack
    [ -n "$(nc -w 8 "$ip" 13 </dev/null)" ] || fail "no line"
    until_true 8 sh -c "[ -z \"\$(ss -Htn state last-ack state closing state fin-wait-1)\" ]" ||
        fail "an end hangs: $(ss -tan)"
    still_serves
}

both_ways_at() { # PERCENT BYTES
    have curl
    serve --lose "$1"
    random "$2" >"$tmp/f.in"
    same "bytes downloaded at $1" "$2" "$(curl -sS -m 25 "http://$ip/bytes/$2" | wc -c)"
    curl -sS -m 25 -T "$tmp/f.in" "http://$ip/upload" | grep -q "$2" || fail "upload at $1"
    same "sha256 of the echo at $1" "$(sum <"$tmp/f.in")" \
        "$(nc -N -w 25 "$ip" 7 <"$tmp/f.in" | sum)"
    at_least TcpRetransSegs 1 "$(counter TcpRetransSegs)"
    kernel_is_content
}

one_percent() { both_ways_at 1% 10000000; }
five_percent() { both_ways_at 5% 3000000; }

pattern_at_five_percent() {
    serve --lose 5% --set rcvbuf_bytes=200000 --set rcvbuf_max_bytes=200000 \
        --set sndbuf_bytes=200000 --set sndbuf_max_bytes=200000
    "$live" chargen "$ip" 19 3000000
    timeout 40 "$live" echo-full "$ip" 7 6000000 65536
    kernel_is_content
}

many_at_five_percent() {
    serve --lose 5%
    timeout 40 "$live" many "$ip" 7 100 20000
}

nothing_lost_nothing_resent() {
    serve
    for _ in 1 2 3 4 5; do
        "$live" late "$ip" 7 0 >/dev/null
        nc -d -w 5 "$ip" 13 >/dev/null
    done
    same TcpRetransSegs 0 "$(counter TcpRetransSegs)"
    same TcpExtTCPSynRetrans 0 "$(counter TcpExtTCPSynRetrans)"
    same TcpExtTCPTimeouts 0 "$(counter TcpExtTCPTimeouts)"
    same TcpEstabResets 0 "$(counter TcpEstabResets)"
    same TcpOutRsts 0 "$(counter TcpOutRsts)"
    kernel_is_content
}

it "a lost SYN is sent again after a second, once" syn_lost
it "two lost SYNs are sent again and again" syns_lost
it "a lost SYN-ACK is cured by a retransmission" synack_lost
it "a lost third ACK with no data anywhere brings the SYN-ACK again" ack_lost_nobody_has_data
it "a lost third ACK is made good by the client's data" ack_lost_client_has_data
it "a server with data waits for the ACK of its SYN-ACK" ack_lost_server_has_data
it "the server's lost FIN, sent second, is sent again" fin_lost
it "the server's lost FIN, sent first, is sent again" fin_of_ours_lost
it "a lost last ACK of the client's is cured by the FIN again" last_ack_lost
it "a lost last ACK of the server's is sent again from TIME-WAIT" last_ack_of_ours_lost
it "at 1 % loss curl and nc get every byte both ways" one_percent 60
it "at 5 % loss curl and nc get every byte both ways" five_percent 60
it "at 5 % loss both directions full lose no byte" pattern_at_five_percent 60
it "at 5 % loss a hundred connections get their bytes" many_at_five_percent 60
it "without loss nothing is sent twice and nothing is reset" nothing_lost_nothing_resent
