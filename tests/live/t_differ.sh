# t_differ.sh - the same calls on the kernel's sockets and on libmytcp's give the same answers.

# The kernel's side talks to itself over loopback, by addresses of a subnet as wide as ours. Its buffers
# count memory, of which half is payload; ours, which count payload, are to be as large.
differ() { # PART
    ip addr add 10.9.1.2/24 broadcast + dev lo
    ip addr add 10.9.1.1/24 broadcast + dev lo
    ip link set lo mtu 1500
    with "tcp_rmem=4096 131072 33554432" tcp_syn_retries=7 tcp_tw_reuse=1
    local cc=1 # both begin with the same algorithm
    grep -q cubic /proc/sys/net/ipv4/tcp_congestion_control || cc=0
    timeout -k 5 "${DIFFER_LIMIT_S:-55}" "$live" --tun tun0 --ip "$ip" --host "$host/$net" \
        --set congestion=$cc --set rcvbuf_max_bytes=16777216 \
        differ "$1" "$ip" "$host" 10.9.1.2 10.9.1.1
}

calls() { differ calls; }
messages() { differ messages; }
options() { differ options; }
names() { differ names; }
stories() { differ stories; }

it "every call in every state gives what Linux gives" calls 60
it "every form of send and recv in every state gives what Linux gives" messages 60
it "every option with every kind of value is as on Linux" options 60
it "sockets, names and ports are had and refused as on Linux" names 60
it "errors, half-closes and second connections follow Linux" stories 60
