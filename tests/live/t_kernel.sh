# t_kernel.sh - kernels configured otherwise, as client of mytcp-echo and as server of mytcp-nc:
# options that they do not offer or that we do not know, buffers of a few bytes, listeners without
# room.

# both BYTES WORD...: both ends in both roles; of each connection ss shows +WORD and not -WORD
both() {
    local bytes=$1
    shift
    serve
    talk "$bytes" nc -N -w 20 "$ip" 7
    info_has "$@"
    stop
    kernel_server 7:echo
    talk "$bytes" "$nc_tool" --tun tun0 --ip "$ip" --host "$host/$net" "$host" 7
    info_has "$@"
    ended_well
}

# both_full BYTES [BUFFER]: both directions are filled before anything is read, in both roles
both_full() {
    serve
    "$live" echo-full "$ip" 7 "$@"
    stop
    kernel_server 8:echo
    ours echo-full "$host" 8 "$@"
    ended_well
}

# ---- options

no_timestamps() {
    with tcp_timestamps=0
    both 2000000 -ts +sack +wscale:
}

bare_timestamps() {
    with tcp_timestamps=2
    both 2000000 +ts +sack +wscale:
}

no_sack() {
    with tcp_sack=0
    both 2000000 +ts -sack +wscale:
}

no_scaling() {
    with tcp_window_scaling=0
    both 2000000 +ts +sack -wscale:
    both_full 40000000
}

nothing() {
    with tcp_timestamps=0 tcp_sack=0 tcp_window_scaling=0
    both 2000000 -ts -sack -wscale:
    both_full 40000000
}

no_scaling_under_loss() {
    with tcp_window_scaling=0 tcp_sack=0
    serve --lose 2% --set rcvbuf_bytes=200000 --set rcvbuf_max_bytes=200000 \
        --set sndbuf_bytes=200000 --set sndbuf_max_bytes=200000
    timeout 30 "$live" echo-full "$ip" 7 4000000 65536
}

# ecn HOW WORD-AS-CLIENT WORD-AS-SERVER
ecn() {
    with tcp_ecn="$1"
    serve
    talk 1000000 nc -N -w 20 "$ip" 7
    info_has "$2"
    stop
    kernel_server 7:echo
    talk 1000000 "$nc_tool" --set ecn=2 --tun tun0 --ip "$ip" --host "$host/$net" "$host" 7
    info_has "$3"
    ended_well
}
ecn_off() { ecn 0 -ecn -ecn; }
ecn_on() { ecn 1 +ecnseen +ecnseen; }
ecn_if_asked() { ecn 2 -ecn +ecnseen; }
ecn_accurate() { ecn 3 +ecn +ecn; } # RFC 9768 falls back to that of RFC 3168

# 7413-4.2a
fast_open() {
    have curl
    serve --pcap "$tmp/f.pcap"
    with tcp_fastopen=1 # a SYN asks for a cookie
    same "bytes" 100000 "$(curl --tcp-fastopen -sS -m 10 "http://$ip/bytes/100000" | wc -c)"
    with tcp_fastopen=5 # a SYN carries data, without a cookie: it comes again
    same "bytes" 100000 "$(curl --tcp-fastopen -sS -m 10 "http://$ip/bytes/100000" | wc -c)"
    same TcpExtTCPFastOpenActiveFail 1 "$(counter TcpExtTCPFastOpenActiveFail)"
    ended_well
    stop
    grep -aq $'\x22\x02\x01\x01' "$tmp/f.pcap" || fail "no SYN has asked for a cookie"
}

# ---- buffers and windows

tiny_buffers() { # the smallest that SO_RCVBUF and SO_SNDBUF allow
    with "tcp_rmem=2304 2304 2304" "tcp_wmem=4608 4608 4608"
    both 300000 -rcvmss:1448
    both_full 3000000
}

tiny_buffers_and_odd_windows() {
    with tcp_shrink_window=1 tcp_adv_win_scale=-2 tcp_workaround_signed_windows=1 \
        tcp_moderate_rcvbuf=0 "tcp_rmem=4096 4096 4096" "tcp_wmem=4096 4096 4096"
    both 300000
    both_full 3000000
}

# Once the kernel's window was 1152 octets and is 462 for ever, less than half of the largest, and who sends waits for
# the override time, as the kernel does (RFC 9293 3.8.6.2.1): 462 octets in 200 ms.
tiny_buffers_at_both_ends() {
    local tiny=(--set rcvbuf_bytes=1000 --set rcvbuf_max_bytes=1000
        --set sndbuf_bytes=1000 --set sndbuf_max_bytes=1000)
    with "tcp_rmem=4096 4096 4096" "tcp_wmem=4096 4096 4096"
    serve "${tiny[@]}"
    "$live" echo-full "$ip" 7 30000 1
    stop
    kernel_server 7:echo
    ours "${tiny[@]}" many "$host" 7 2 10000
    ended_well
}

# ---- a listener that has its reasons

cookies() { # a SYN,ACK with a cookie has the options in its timestamp, or has none
    with tcp_syncookies=2
    both 1000000 +ts +sack +wscale:
    with tcp_timestamps=0
    talk 1000000 "$nc_tool" --tun tun0 --ip "$ip" --host "$host/$net" "$host" 7
    info_has -ts -sack -wscale:
    same TcpExtSyncookiesRecv 2 "$(counter TcpExtSyncookiesRecv)"
    ended_well
}

# crowd ABORT: two connections come at once when the kernel's server, which is stopped, has room for
# one
crowd() {
    with tcp_abort_on_overflow="$1" tcp_syncookies=0
    echo 2 >/proc/sys/net/core/somaxconn
    set -m # so that `wait` tells when it has stopped
    kernel_server 7:echo
    local stopped=$pid
    kill -STOP "$stopped"
    wait "$stopped" || true
    set +m
    exec 5<>/dev/tcp/127.0.0.1/7 6<>/dev/tcp/127.0.0.1/7
    background ours many "$host" 7 2 1000 2>"$tmp/f.said"
    until_true 5 overflowed || fail "there was room for both: $(ss -Htan)"
    kill -CONT "$stopped"
    exec 5>&- 6>&-
}
overflowed() { [ "$(counter TcpExtListenOverflows)" -gt 0 ]; }

crowd_waits() { # our ends are open already; what one sends is not answered until there is room
    crowd 0
    wait "$pid" || fail "$(cat "$tmp/f.said")"
    ended_well
}

crowd_is_reset() {
    crowd 1
    until_true 5 grep -q 'Connection reset by peer' "$tmp/f.said" ||
        fail "no reset: $(cat "$tmp/f.said")"
    at_least TcpOutRsts 1 "$(counter TcpOutRsts)"
}

it "a kernel without timestamps talks both ways" no_timestamps
it "a kernel whose timestamps are its clock talks both ways" bare_timestamps
it "a kernel without SACK talks both ways" no_sack
it "a kernel without window scaling talks both ways" no_scaling
it "a kernel without any of these options talks both ways" nothing
it "without SACK and scaling 2 % loss is cured when both directions are full" \
    no_scaling_under_loss 45
it "ECN is not agreed with a kernel that does not want it" ecn_off
it "ECN is agreed with a kernel that asks" ecn_on
it "ECN is agreed with a kernel that does not ask if we do" ecn_if_asked
it "with a kernel that asks for accurate ECN the classic is agreed" ecn_accurate
it "a kernel's SYN with a fast-open option, or with data, opens a connection" fast_open
it "a kernel with tiny buffers talks both ways" tiny_buffers
it "a kernel with tiny buffers that shrinks its window talks both ways" tiny_buffers_and_odd_windows
it "tiny buffers at both ends carry every byte" tiny_buffers_at_both_ends 60
it "a kernel's SYN cookies open connections, with options and without" cookies
it "connections that a kernel has no room for come to it once there is room" crowd_waits
it "connections that a kernel has no room for are reset if it says so" crowd_is_reset
