# t_pmtu.sh - a router between libmytcp and the far kernel that passes on packets of up to 1280 bytes, all links
# being of 1500: whether it says so or not, what is large arrives.

flight=2000000

# This kernel is the router, with the stack on tun0. Only what goes to the far end is too large ever.
narrow_way() {
    join la --a-ip "$a/24" --delay 2ms
    ip route replace "${b%.*}.0/24" dev la src "$a" mtu lock 1280
    echo 1 >/proc/sys/net/ipv4/ip_forward
    there ip route add default via "$a"
}

# What this kernel itself has to say by ICMP does not leave it.
silent() { ip rule add iif lo ipproto icmp blackhole; }

download() { # LIMIT-MS
    have curl
    local start
    serve
    start=$(now_ms)
    same "bytes" $flight "$(there curl -sS -m 20 "http://$ip/bytes/$flight" | wc -c)"
    at_most "ms" "$1" $(($(now_ms) - start))
    at_least IpFragFails 1 "$(counter IpFragFails)"
    still_serves
}

upload() { # LIMIT-MS
    local start
    background there sh -c "nc -l 5000 </dev/null >$tmp/f.out"
    until_true 5 there sh -c "ss -Htln | grep -q :5000"
    random $flight >"$tmp/f.in"
    start=$(now_ms)
    timeout 20 "$nc_tool" --tun tun0 --ip "$ip" --host "$host/$net" "$b" 5000 <"$tmp/f.in" || fail "status $?"
    at_most "ms" "$1" $(($(now_ms) - start))
    until_true 5 cmp -s "$tmp/f.in" "$tmp/f.out" || fail "$(wc -c <"$tmp/f.out") bytes came, not the same"
    at_least IpFragFails 1 "$(counter IpFragFails)"
}

# G233, 4821-7.7: two timeouts, of 200 and 400 ms and the round trip, find that it is the size
download_in_silence() {
    narrow_way
    silent
    download 2500
    same IcmpOutMsgs 0 "$(counter IcmpOutMsgs)"
}

# G233, 4821-7.7
upload_in_silence() {
    narrow_way
    silent
    upload 2500
    same IcmpOutMsgs 0 "$(counter IcmpOutMsgs)"
}

# 1191-3a: a word from the router spares them
download_told() {
    narrow_way
    download 500
    at_least IcmpOutDestUnreachs 1 "$(counter IcmpOutDestUnreachs)"
}

# 1191-3a
upload_told() {
    narrow_way
    upload 500
    at_least IcmpOutDestUnreachs 1 "$(counter IcmpOutDestUnreachs)"
}

it "a download by curl finds that a silent router loses what is large" download_in_silence
it "an upload to a kernel finds that a silent router loses what is large" upload_in_silence
it "a download by curl heeds a router's word at once" download_told
it "an upload to a kernel heeds a router's word at once" upload_told
