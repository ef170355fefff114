# t_mtu.sh - the device's MTU, from the least to the largest, with the kernel as client and as
# server, with offloads and without; and changed while bytes flow.

# at_mtu MTU BYTES WORD...: a kernel's client, then ours; ss shows the words
at_mtu() {
    local mtu=$1 bytes=$2
    shift 2
    serve --mtu "$mtu"
    same "MTU of tun0" "$mtu" "$(ip -o link show tun0 | sed 's/.* mtu \([0-9]*\) .*/\1/')"
    talk "$bytes" nc -N -w 20 "$ip" 7
    info_has "$@"
    timeout 20 "$live" echo-full "$ip" 7 40000000
    stop
    kernel_server 7:echo
    talk "$bytes" "$nc_tool" --mtu "$mtu" --tun tun0 --ip "$ip" --host "$host/$net" "$host" 7
    info_has "$@"
    ended_well
}

# MTU BYTES: of the segments 12 bytes are the timestamp's
full_size() { at_mtu "$1" "$2" "+mss:$(($1 - 52))" "+rcvmss:$(($1 - 52))"; }

# MTU BYTES
without_offload() {
    library --no-offload --mtu "$1" --set rcvbuf_bytes=200000 --set rcvbuf_max_bytes=200000 \
        --set sndbuf_bytes=200000 --set sndbuf_max_bytes=200000 --thread serve 7:echo
    timeout 20 "$live" echo-full "$ip" 7 5000000 65536
    stop
    kernel_server 7:echo
    ours --no-offload --mtu "$1" many "$host" 7 3 "$2"
    ended_well
}

mtu_576() { full_size 576 2000000; }
mtu_577() { full_size 577 2000000; }
mtu_1280() { full_size 1280 2000000; }
mtu_1492() { full_size 1492 2000000; }
mtu_9000() { full_size 9000 4000000; }
mtu_65535() { at_mtu 65535 4000000 +mss:65483; }
mtu_576_plain() { without_offload 576 1000000; }
mtu_577_plain() { without_offload 577 1000000; }
mtu_1492_plain() { without_offload 1492 1000000; }
mtu_1500_plain() { without_offload 1500 1000000; }
mtu_9000_plain() { without_offload 9000 2000000; }
mtu_65535_plain() { without_offload 65535 2000000; }

# G086, G238: two hundred windows each way, all smaller than a segment may be. If each waited for a
# delayed ACK or a probe, that would take too long for `talk`.
small_windows() {
    local small=(--mtu 65535 --set rcvbuf_bytes=20000 --set rcvbuf_max_bytes=20000
        --set sndbuf_bytes=20000 --set sndbuf_max_bytes=20000)
    with "tcp_rmem=4096 8192 16384" "tcp_wmem=4096 8192 16384"
    serve "${small[@]}"
    talk 4000000 nc -N -w 20 "$ip" 7
    stop
    kernel_server 7:echo
    talk 4000000 "$nc_tool" "${small[@]}" --tun tun0 --ip "$ip" --host "$host/$net" "$host" 7
    ended_well
}

# Linux sends segments of 48 bytes at least, in packets of 88: in fragments, where 68 is the most.
# We send what fits.
in_fragments() {
    serve --mtu 68
    talk 100000 nc -N -w 20 "$ip" 7
    stop
    kernel_server 7:echo
    talk 100000 "$nc_tool" --mtu 68 --tun tun0 --ip "$ip" --host "$host/$net" "$host" 7
    ours --no-offload --mtu 68 many "$host" 7 3 30000
    at_least IpFragCreates 1000 "$(counter IpFragCreates)"
    same IpReasmReqds 0 "$(counter IpReasmReqds)"
    ended_well
}

# The device has another MTU while what came before still flows. Twice it stays so for longer than
# we take to see it.
changing() { # FILE
    {
        head -c 2000000
        ip link set tun0 mtu 576
        head -c 2000000
        sleep 1.1
        for mtu in 9000 65535 800 1492; do
            head -c 2000000
            ip link set tun0 mtu $mtu
            sleep 0.1
        done
        head -c 2000000
        ip link set tun0 mtu 577
        sleep 1.1
        cat
    } <"$1"
}

# V07
changes_for_the_server() {
    serve
    feed=changing
    talk 16000000 nc -N -w 20 "$ip" 7
    info_has +mss:525 +rcvmss:525
    ended_well
}

# V07
changes_for_the_client() {
    kernel_server 7:echo
    feed=changing
    talk 16000000 "$nc_tool" --tun tun0 --ip "$ip" --host "$host/$net" "$host" 7
    info_has +mss:525 +rcvmss:525
    ended_well
}

it "an MTU of 576 carries an echo both ways in full-sized segments" mtu_576
it "an MTU of 577 carries an echo both ways in full-sized segments" mtu_577
it "an MTU of 1280 carries an echo both ways in full-sized segments" mtu_1280
it "an MTU of 1492 carries an echo both ways in full-sized segments" mtu_1492
it "an MTU of 9000 carries an echo both ways in full-sized segments" mtu_9000
it "an MTU of 65535 carries an echo both ways" mtu_65535
it "an MTU of 576 without offloads carries echoes both ways" mtu_576_plain
it "an MTU of 577 without offloads carries echoes both ways" mtu_577_plain
it "an MTU of 1492 without offloads carries echoes both ways" mtu_1492_plain
it "an MTU of 1500 without offloads carries echoes both ways" mtu_1500_plain
it "an MTU of 9000 without offloads carries echoes both ways" mtu_9000_plain
it "an MTU of 65535 without offloads carries echoes both ways" mtu_65535_plain
it "at an MTU of 65535 windows smaller than a segment do not stall" small_windows
it "at an MTU of 68 what the kernel sends in fragments arrives whole" in_fragments
it "the MTU may change in the middle of an echo by a kernel's client" changes_for_the_server
it "the MTU may change in the middle of an echo by our client" changes_for_the_client
