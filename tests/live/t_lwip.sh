# t_lwip.sh - lwIP as the other end, on a TUN device of its own; the kernel routes between the two.

lwip=$build/tests/lwip lwip_ip=10.9.3.2

# beside_lwip: tun1 is there for lwIP to open, and packets pass between tun0 and tun1
beside_lwip() {
    [ -x "$lwip" ] || skip "no lwIP here (liblwip-dev)"
    with ip_forward=1
    ip tuntap add dev tun1 mode tun
    ip addr add 10.9.3.1/24 dev tun1
    ip link set tun1 up mtu 1500
}

# lossy PERCENT: of what is routed, either way
lossy() {
    have nft
    nft add table ip t
    nft add chain ip t f '{ type filter hook forward priority 0; }'
    nft add rule ip t f numgen random mod 100 "<" "$1" drop
}

lwip_server() {
    : >"$tmp/f.lwip"
    background "$lwip" tun1 $lwip_ip serve >"$tmp/f.lwip" 2>&1
    until_true 5 grep -q ready "$tmp/f.lwip" || fail "no server: $(cat "$tmp/f.lwip")"
}

lwip_connects() {
    beside_lwip
    serve
    timeout 25 "$lwip" tun1 $lwip_ip echo "$ip" 20000000
    timeout 25 "$lwip" tun1 $lwip_ip read "$ip" 20000000
    still_serves
}

we_connect() {
    beside_lwip
    lwip_server
    timeout 25 "$live" --tun tun0 --ip "$ip" --host "$host/$net" half $lwip_ip 7 60000
    timeout 25 "$live" --tun tun0 --ip "$ip" --host "$host/$net" many $lwip_ip 7 50 20000
    timeout 25 "$live" --tun tun0 --ip "$ip" --host "$host/$net" chargen $lwip_ip 19 20000000
}

lwip_connects_with_loss() {
    beside_lwip
    lossy 2
    serve
    timeout 55 "$lwip" tun1 $lwip_ip echo "$ip" 200000
    timeout 25 "$lwip" tun1 $lwip_ip read "$ip" 2000000
    still_serves
}

we_connect_with_loss() {
    beside_lwip
    lossy 2
    lwip_server
    timeout 55 "$live" --tun tun0 --ip "$ip" --host "$host/$net" many $lwip_ip 7 5 30000
    timeout 25 "$live" --tun tun0 --ip "$ip" --host "$host/$net" chargen $lwip_ip 19 200000
}

it "lwIP as the client gets every byte of echo and chargen" lwip_connects 60
it "lwIP as the server gives every byte back, also after our end of sending" we_connect 90
it "2 % loss between lwIP's client and us are cured both ways" lwip_connects_with_loss 90
it "2 % loss between us and lwIP's server are cured both ways" we_connect_with_loss 90
