# t_settings.sh - a kernel's settings over a link with loss or duplicates, with the kernel as client
# of mytcp-echo and as server of mytcp-nc: what its TCP can be set to, what its routes can say, its
# congestion controls.

# link OPTIONS...: the kernel is at the far end of a link
link() {
    join "unix:$tmp/f.socket" --delay 1ms "$@"
    where=there
    kernel_server 7:echo
}
kernel_talks() { talk "$1" nsenter -t "$far" -n nc -N -w 20 "$a" 7; } # BYTES
we_talk() { talk "$1" "$nc_tool" --tun "unix:$tmp/f.socket" --ip "$a" "$b" 7; }

# both BYTES WORD...: in both roles; of each connection ss shows +WORD and not -WORD
both() {
    near_serves
    kernel_talks "$1"
    info_has "${@:2}"
    stop
    we_talk "$1"
    info_has "${@:2}"
}

# The last of all packets is our ACK. If it is lost, nobody is left to send it again.
all_well() { ended_well last-ack; }

nothing_under_loss() {
    link --loss 1%
    with tcp_timestamps=0 tcp_sack=0 tcp_window_scaling=0 tcp_dsack=0 tcp_ecn=0
    both 500000 -ts -sack -wscale: -ecn
    at_least TcpRetransSegs 1 "$(counter TcpRetransSegs)"
    all_well
}

dsack() { # ON
    link --dup 5%
    with tcp_dsack="$1"
    both 1000000 +sack
    all_well
}
dsack_told() { # by the kernel, and by us
    dsack 1
    at_least TcpExtTCPDSACKOldSent 1 "$(counter TcpExtTCPDSACKOldSent)"
    at_least TcpExtTCPDSACKRecv 1 "$(counter TcpExtTCPDSACKRecv)"
}
dsack_off() {
    dsack 0
    same TcpExtTCPDSACKOldSent 0 "$(counter TcpExtTCPDSACKOldSent)"
}

# route ATTRIBUTE...: of the kernel's route to us
route() { there ip route replace "${b%.*}.0/24" dev lb src "$b" "$@"; }

routed() { # WORD ATTRIBUTE...
    echo "with ${*:2}"
    route "${@:2}"
    both 300000 "$1"
}

route_attributes() {
    link
    routed +advmss:76 advmss 88 # and the timestamp's 12 bytes
    routed +rcvmss:524 advmss 536
    routed +mss:548 mtu lock 600
    routed +wscale:10,0 window 3000
    routed +ts initcwnd 1
    routed +ts initrwnd 1
    routed +ts quickack 1
    routed +rto:10 rto_min 1000ms
    all_well
}

congestion_controls() {
    local all cc
    all=$(cat /proc/sys/net/ipv4/tcp_available_congestion_control)
    link --loss 1%
    for cc in $all; do
        route congctl "$cc"
        both 1000000 "+$cc"
    done
    echo "# $all"
    at_least TcpRetransSegs 1 "$(counter TcpRetransSegs)"
    all_well
}

settings="tcp_abort_on_overflow=1 tcp_adv_win_scale=-2 tcp_adv_win_scale=3 tcp_app_win=0
    tcp_autocorking=0 tcp_backlog_ack_defer=0 tcp_comp_sack_nr=0 tcp_early_retrans=0
    tcp_fastopen=3 tcp_frto=0 tcp_frto=1 tcp_limit_output_bytes=4096 tcp_min_snd_mss=1000
    tcp_min_tso_segs=16 tcp_moderate_rcvbuf=0 tcp_mtu_probing=1 tcp_mtu_probing=2
    tcp_no_metrics_save=1 tcp_notsent_lowat=4096 tcp_pacing_ss_ratio=1000 tcp_recovery=0
    tcp_recovery=7 tcp_reordering=1 tcp_retrans_collapse=0 tcp_rto_min_us=5000
    tcp_shrink_window=1 tcp_slow_start_after_idle=0 tcp_thin_linear_timeouts=1
    tcp_tso_rtt_log=0 tcp_tso_win_divisor=0 tcp_tso_win_divisor=30
    tcp_workaround_signed_windows=1"

# each_setting COMMAND...: once with each that this kernel takes
each_setting() {
    local setting name before count=0
    for setting in $settings; do
        name=${setting%%=*}
        before=$(there cat "/proc/sys/net/ipv4/$name" 2>/dev/null) || continue
        set_to "$name" "${setting#*=}" || continue
        echo "with $setting"
        "$@"
        set_to "$name" "$before"
        count=$((count + 1))
    done
    echo "# $count settings"
    at_least "settings" 10 "$count"
    at_least TcpRetransSegs 1 "$(counter TcpRetransSegs)"
    all_well
}

each_as_client() {
    link --loss 1%
    near_serves
    each_setting kernel_talks 100000
}

each_as_server() {
    link --loss 1%
    each_setting we_talk 100000
}

it "a kernel without any option talks both ways at 1 % loss" nothing_under_loss 60
it "duplicates are told by D-SACK, by the kernel and by us" dsack_told
it "a kernel without D-SACK takes duplicates and says nothing" dsack_off
it "a kernel whose route limits its segments and windows talks both ways" route_attributes 60
it "a kernel talks both ways by each congestion control it has, at 1 % loss" congestion_controls 60
it "a kernel's client talks to us with each of its settings, at 1 % loss" each_as_client 60
it "a kernel's server talks to our client with each of its settings, at 1 % loss" each_as_server 60
