# t_talk.sh - nc, curl and ping talk to mytcp-echo; its services, its options, its end.

echoes_a_line() {
    serve
    same "echo" "hello" "$(echo hello | nc -N -w 5 "$ip" 7)"
    kernel_is_content
    stop
}

tells_the_time() {
    serve
    local line
    line=$(nc -w 5 "$ip" 13 </dev/null)
    same "lines" 1 "$(printf '%s\n' "$line" | wc -l)"
    [[ $line =~ [0-9]:[0-9][0-9] ]] || fail "no time in: $line"
    still_serves
}

chargen_has_the_pattern() {
    serve
    "$live" chargen "$ip" 19 3000000
    still_serves
}

page_shows_the_connection() {
    have curl
    serve
    curl -sS -m 10 "http://$ip/" >"$tmp/f.page"
    grep -q ESTABLISHED "$tmp/f.page" || fail "no state in the page: $(head -c 2000 "$tmp/f.page")"
    grep -qi 'handshake' "$tmp/f.page" || fail "no handshake: $(head -c 2000 "$tmp/f.page")"
    kernel_is_content
}

stats_are_told() {
    have curl
    serve
    curl -sS -m 10 "http://$ip/bytes/1000" >/dev/null
    nc -w 1 "$ip" 4 </dev/null || true # nobody there: answered by RST
    curl -sS -m 10 "http://$ip/stats" >"$tmp/f.stats"
    same "connections opened" "opened_passive 2" "$(grep opened_passive "$tmp/f.stats")"
    same "RSTs" "reset_out 1" "$(grep reset_out "$tmp/f.stats")"
}

keep_alive_reuses_one_connection() {
    have curl
    serve
    local connects
    connects=$(curl -sS -m 10 -o /dev/null -o /dev/null -o /dev/null -w '%{num_connects}\n' \
        "http://$ip/bytes/10" "http://$ip/bytes/100000" "http://$ip/")
    same "connections made by three requests" "1 0 0" "$(paste -sd ' ' <<<"$connects")"
}

head_has_no_body() {
    have curl
    serve
    curl -sS -m 10 -I "http://$ip/bytes/12345" | tr -d '\r' >"$tmp/f.head"
    grep -q '^HTTP/1.1 200' "$tmp/f.head" || fail "$(cat "$tmp/f.head")"
    grep -qi '^content-length: 12345$' "$tmp/f.head" || fail "$(cat "$tmp/f.head")"
    same "bytes after HEAD and its GET" 12345 "$(curl -sS -m 10 -I "http://$ip/bytes/12345" \
        -o /dev/null --next -sS -m 10 "http://$ip/bytes/12345" | wc -c)"
}

pipelined_requests_are_answered_in_order() {
    serve
    printf 'GET /bytes/3 HTTP/1.1\r\nHost: a\r\n\r\nHEAD /bytes/4 HTTP/1.1\r\nHost: a\r\n\r\n%s' \
        "$(printf 'GET /bytes/5 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n.')" |
        head -c -1 | nc -w 5 "$ip" 80 | tr -d '\r' >"$tmp/f.answers"
    same "lengths in order" "3 4 5" \
        "$(grep -ai '^content-length:' "$tmp/f.answers" | cut -d ' ' -f 2 | paste -sd ' ')"
    same "answers" 3 "$(grep -ac 'HTTP/1.1 200' "$tmp/f.answers")"
}

wrong_requests_get_an_error_status() {
    have curl
    serve
    same "unknown page" 404 "$(curl -sS -m 10 -o /dev/null -w '%{http_code}' "http://$ip/nothing")"
    local line
    line=$(printf 'nonsense\r\n\r\n' | nc -N -w 5 "$ip" 80 | head -n 1)
    [[ $line == "HTTP/1.1 400"* ]] || fail "to nonsense: $line"
    still_serves
}

put_and_post_are_counted() {
    have curl
    serve
    random 1234567 >"$tmp/f.body"
    curl -sS -m 10 -T "$tmp/f.body" "http://$ip/upload" | grep -q 1234567 || fail "PUT not counted"
    curl -sS -m 10 --data-binary "@$tmp/f.body" "http://$ip/upload" | grep -q 1234567 ||
        fail "POST not counted"
    curl -sS -m 10 -H 'Transfer-Encoding: chunked' -T "$tmp/f.body" "http://$ip/upload" |
        grep -q 1234567 || fail "chunked PUT not counted"
}

options_are_negotiated() {
    serve
    local info
    { sleep 1; echo x; } | nc -N -w 5 "$ip" 7 >/dev/null &
    until_true 3 sh -c "ss -Htin dst $ip | grep -q wscale" || fail "no connection: $(ss -tin)"
    info=$(ss -Htino dst "$ip")
    for word in wscale: sack ts; do
        [[ " $info" == *" $word"* ]] || fail "no $word in: $info"
    done
    wait $!
    kernel_is_content
}

answers_ping() {
    serve
    "$live" ping "$ip" 5 56
    "$live" ping "$ip" 2 1400
    "$live" ping "$ip" 2 1472
    if command -v ping >/dev/null; then
        ping -c 2 -i 0.2 -W 2 "$ip" >/dev/null || fail "ping had no answer"
    fi
}

udp_is_unreachable() {
    serve
    "$live" udp "$ip" 9999
}

refuses_where_nobody_listens() {
    serve
    local start
    start=$(now_ms)
    "$live" refused "$ip" 81 ECONNREFUSED
    at_most "milliseconds to be refused" 500 $(($(now_ms) - start))
    same TcpRetransSegs 0 "$(counter TcpRetransSegs)"
}

writes_a_capture() {
    serve --pcap "$tmp/f.pcap"
    same "echo" "captured" "$(echo captured | nc -N -w 5 "$ip" 7)"
    stop
    local magic
    magic=$(head -c 4 "$tmp/f.pcap" | od -An -tx1 | tr -d ' ')
    case $magic in
    d4c3b2a1 | a1b2c3d4 | 4d3cb2a1 | a1b23c4d) ;;
    *) fail "not a capture file: $magic" ;;
    esac
    grep -aq captured "$tmp/f.pcap" || fail "the payload is not in the capture"
    command -v tcpdump >/dev/null || return 0
    if ! tcpdump -nr "$tmp/f.pcap" >"$tmp/f.dump" 2>"$tmp/f.err"; then
        grep -q "Couldn't change to" "$tmp/f.err" && return 0 # no other user in a user namespace
        fail "$(cat "$tmp/f.err")"
    fi
    grep -q 'Flags \[S\.\]' "$tmp/f.dump" || fail "no SYN-ACK in: $(cat "$tmp/f.dump")"
    at_least "FINs in the capture" 2 "$(grep -c 'Flags \[F' "$tmp/f.dump")"
}

traces_each_segment() {
    serve --trace
    same "echo" "traced" "$(echo traced | nc -N -w 5 "$ip" 7)"
    stop
    for word in SYN-RECEIVED ESTABLISHED LAST-ACK; do
        grep -q "$word" "$tmp/server.log" || fail "no $word in: $(cat "$tmp/server.log")"
    done
}

ends_on_sigterm() {
    serve
    same "echo" "before" "$(echo before | nc -N -w 5 "$ip" 7)"
    stop
    ! device_up || fail "tun0 is still there"
}

ends_on_sigterm_in_the_middle() {
    serve
    background sh -c "nc -w 5 $ip 19 >/dev/null </dev/null"
    sleep 0.3
    stop
}

starts_again_on_the_same_name() {
    for _ in 1 2 3; do
        serve
        same "echo" "again" "$(echo again | nc -N -w 5 "$ip" 7)"
        stop
    done
}

wrong_options_are_refused() {
    local words rc
    for words in "" "--tun tun0" "--tun tun0 --ip 1.2.3 --host $host/24" \
        "--tun name-longer-than-fifteen --ip $ip --host $host/24" \
        "--tun tun0 --ip $ip --host $host/24 --mtu 20" "--tun tun0 --ip $ip --host $host/24 --lose x" \
        "--tun tun0 --ip 224.0.0.1 --host $host/24" "--bogus"; do
        # shellcheck disable=SC2086 # words
        rc=0
        timeout 3 "$echo_server" $words >"$tmp/f.said" 2>&1 || rc=$?
        [ $rc != 0 ] || fail "accepted: $words"
        [ $rc -lt 124 ] || fail "ended with status $rc: $words"
        [ -s "$tmp/f.said" ] || fail "said nothing about: $words"
    done
    "$echo_server" --help | grep -q -- --lose || fail "--help does not help"
}

a_taken_name_is_said() {
    serve
    if timeout 3 "$echo_server" --tun tun0 --ip 10.9.1.2 --host 10.9.1.1/24 >"$tmp/f.said" 2>&1; then
        fail "opened a device twice"
    fi
    grep -q tun0 "$tmp/f.said" || fail "no clear message: $(cat "$tmp/f.said")"
    still_serves
}

it "nc gets its line back from the echo service" echoes_a_line
it "daytime gives one line and the server closes" tells_the_time
it "chargen sends the pattern of RFC 864" chargen_has_the_pattern
it "the page at / shows the state of the connection that fetched it" page_shows_the_connection
it "the page at /stats shows what the stack has counted" stats_are_told
it "three HTTP requests use one kept-alive connection" keep_alive_reuses_one_connection
it "HEAD has the length of the body and not the body" head_has_no_body
it "pipelined requests are answered in order" pipelined_requests_are_answered_in_order
it "wrong HTTP requests get an error status" wrong_requests_get_an_error_status
it "the bytes of PUT and POST are counted" put_and_post_are_counted
it "the kernel agrees on window scaling, SACK and timestamps" options_are_negotiated
it "ICMP echo requests are answered" answers_ping
it "a UDP datagram is answered by port unreachable" udp_is_unreachable
it "a port without a listener refuses at once" refuses_where_nobody_listens
it "--pcap writes what tcpdump reads" writes_a_capture
it "--trace shows each state" traces_each_segment
it "SIGTERM ends mytcp-echo cleanly" ends_on_sigterm
it "SIGTERM ends mytcp-echo in the middle of a transfer" ends_on_sigterm_in_the_middle
it "the same device name can be opened again at once" starts_again_on_the_same_name
it "wrong options are refused with a message" wrong_options_are_refused
it "a device name in use is refused with a message" a_taken_name_is_said
