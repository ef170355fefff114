# t_kernel.sh - kernels configured otherwise: without timestamps, SACK, window scaling; small buffers.

talks() { # NO-WORD: which ss must not show
    serve
    { sleep 0.7; echo x; } | nc -N -w 5 "$ip" 7 >/dev/null &
    local talk=$! info
    until_true 3 sh -c "ss -Htin state established dst $ip | grep -q cwnd" || fail "no connection"
    info=$(ss -Htino dst "$ip")
    for word in $1; do
        [[ " $info " != *" $word"* ]] || fail "$word in: $info"
    done
    wait $talk
    timeout 20 "$live" echo-full "$ip" 7 20000000
    "$live" chargen "$ip" 19 5000000
    kernel_is_content
    still_serves
}

talks_actively() {
    kernel_server 7:echo
    timeout 20 "$live" --tun tun0 --ip "$ip" --host "$host/$net" echo-full "$host" 7 20000000
    kernel_is_content
}

no_timestamps() { with tcp_timestamps=0; talks "ts "; }
no_sack() { with tcp_sack=0; talks "sack"; }
no_scaling() { with tcp_window_scaling=0; talks "wscale:"; }
nothing() { with tcp_timestamps=0 tcp_sack=0 tcp_window_scaling=0; talks "ts sack wscale:"; }
nothing_actively() { with tcp_timestamps=0 tcp_sack=0 tcp_window_scaling=0; talks_actively; }
no_scaling_under_loss() {
    with tcp_window_scaling=0 tcp_sack=0
    serve --lose 2% --set rcvbuf_bytes=200000 --set rcvbuf_max_bytes=200000 \
        --set sndbuf_bytes=200000 --set sndbuf_max_bytes=200000
    timeout 30 "$live" echo-full "$ip" 7 4000000 65536
}
ecn() { with tcp_ecn=1; talks ""; }
small_buffers() {
    with "tcp_rmem=4096 8192 16384" "tcp_wmem=4096 8192 16384"
    talks ""
}
congestion() {
    with tcp_congestion_control=reno
    talks ""
}

it "a kernel without timestamps talks both ways" no_timestamps
it "a kernel without SACK talks both ways" no_sack
it "a kernel without window scaling talks both ways" no_scaling
it "a kernel without any of these options talks both ways" nothing
it "a kernel server without any of these options talks to our client" nothing_actively
it "without SACK and scaling 2 % loss is cured both ways" no_scaling_under_loss 45
it "a kernel that offers ECN talks both ways" ecn
it "a kernel with small buffers talks both ways" small_buffers
it "a kernel with Reno talks both ways" congestion
