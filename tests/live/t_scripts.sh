# t_scripts.sh - the same scripts of segments and calls, played on Linux and on libmytcp, give the same
# traces. See tests/differ/README.md.

differ_scripts=$here/../differ

# scripts OPTIONS... FILE...: options of our side; $settings are more of the kernel's
scripts() {
    # What both do, but would do at other times or by other numbers: no memory of earlier connections
    # (tcp_no_metrics_save), each ACK at once (tcp_comp_sack_nr), no limit for an answer per socket
    # (tcp_invalid_ratelimit), no waiting for more to send (tcp_autocorking, tcp_tso_win_divisor), SYNs
    # backed off from the first (tcp_syn_linear_timeouts), no death by RST in TIME-WAIT (tcp_rfc1337),
    # room to send from the start (tcp_wmem).
    with tcp_no_metrics_save=1 tcp_comp_sack_nr=0 tcp_invalid_ratelimit=0 tcp_autocorking=0 \
        tcp_tso_win_divisor=255 tcp_syn_linear_timeouts=0 tcp_rfc1337=1 tcp_timestamps=1 \
        "tcp_wmem=4096 1048576 4194304" conf/all/rp_filter=0 "${settings[@]}"
    echo reno >/proc/sys/net/ipv4/tcp_congestion_control || skip "no Reno here"
    ip tuntap add dev tun0 mode tun
    ip addr add 10.9.0.1/16 dev tun0
    ip link set tun0 txqueuelen 10000 up
    local rc=0
    "$build/tests/differ" tun0 "$differ_scripts/decisions.tsv" --set congestion=0 \
        --set challenge_acks_per_s=255 --set mtu_probing=0 --set mss_min_bytes=48 \
        --set sndbuf_bytes=524288 "$@" || rc=$?
    [ $rc != 1 ] || judged_beside_this_kernel || skip "the differences are judged beside Linux $judged"
    return $rc
}

# Another version of Linux differs in other places.
judged_beside_this_kernel() {
    judged=$(sed -n '1s/.*Linux \([0-9]*\.[0-9]*\).*/\1/p' "$differ_scripts/decisions.tsv")
    case $(uname -r) in "$judged".*) return 0 ;; esac
    return 1
}

# quiet: without tail-loss probes, which have their own file
quiet() {
    settings=(tcp_early_retrans=0)
    local files=()
    for file in states random opening closing data recovery losses windows; do
        files+=("$differ_scripts/scripts/$file.txt")
    done
    scripts --set tail_loss_probe=0 "${files[@]}"
}
probes() {
    settings=(tcp_early_retrans=3)
    scripts --set max_ack_delay_us=200000 "$differ_scripts/scripts/probes.txt" # as long as Linux waits
}
ecn() {
    settings=(tcp_early_retrans=0 tcp_ecn=1)
    scripts --set tail_loss_probe=0 --set ecn=2 "$differ_scripts/scripts/ecn.txt"
}
cookies() {
    settings=(tcp_early_retrans=0 tcp_syncookies=2)
    scripts --set tail_loss_probe=0 --set syn_cookies=2 "$differ_scripts/scripts/cookies.txt"
}

it "segments in every state, by hand and by chance, do what they do to Linux" quiet 100
it "tail-loss probes go where those of Linux go" probes
it "ECN is asked for, granted and told as by Linux" ecn
it "SYN cookies come back as to Linux" cookies
