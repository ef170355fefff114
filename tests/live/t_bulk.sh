# t_bulk.sh - a hundred megabytes each way, both ways at once; every byte checked.

mb100=100000000

upload_is_counted() {
    have curl
    serve
    random $mb100 >"$tmp/f.in"
    curl -sS -m 25 -T "$tmp/f.in" "http://$ip/upload" | grep -q $mb100 || fail "wrong count"
    nc -N -w 20 "$ip" 9 <"$tmp/f.in"
    kernel_is_content
    still_serves
}

download_has_the_checksum() {
    have curl
    serve
    local want
    want=$("$live" numbers $mb100 | sum)
    same "sha256 of a download" "$want" "$(curl -sS -m 25 "http://$ip/bytes/$mb100" | sum)"
    same "sha256 of the next" "$want" "$(curl -sS -m 25 "http://$ip/bytes/$mb100" | sum)"
    kernel_is_content
}

chargen_has_the_pattern() {
    serve
    "$live" chargen "$ip" 19 $mb100
    kernel_is_content
}

echo_has_the_checksum() {
    serve
    random $mb100 >"$tmp/f.in"
    same "sha256 of the echo" "$(sum <"$tmp/f.in")" "$(nc -N -w 20 "$ip" 7 <"$tmp/f.in" | sum)"
    kernel_is_content
}

through_nc_to_us() {
    random $mb100 >"$tmp/f.in"
    background sh -c "$nc_tool --tun tun0 --ip $ip --host $host/$net -l 5000 \
        </dev/null >$tmp/f.out 2>$tmp/server.log"
    until_true 5 device_up || fail "mytcp-nc does not come up: $(cat "$tmp/server.log")"
    nc -N -w 20 "$ip" 5000 <"$tmp/f.in"
    until_true 5 cmp -s "$tmp/f.in" "$tmp/f.out" || fail "$(wc -c <"$tmp/f.out") bytes came, not the same"
    kernel_is_content
}

through_nc_from_us() {
    random $mb100 >"$tmp/f.in"
    background sh -c "nc -l 5000 </dev/null >$tmp/f.out"
    until_true 5 sh -c "ss -Htln | grep -q :5000"
    "$nc_tool" --tun tun0 --ip "$ip" --host "$host/$net" "$host" 5000 <"$tmp/f.in" ||
        fail "mytcp-nc failed"
    until_true 5 cmp -s "$tmp/f.in" "$tmp/f.out" || fail "$(wc -c <"$tmp/f.out") bytes came, not the same"
    kernel_is_content
}

both_full() {
    serve
    timeout 20 "$live" echo-full "$ip" 7 $mb100
    kernel_is_content
    still_serves
}

both_full_with_small_buffers() {
    serve
    timeout 20 "$live" echo-full "$ip" 7 30000000 8192
    still_serves
}

both_full_with_us_as_client() {
    kernel_server 7:echo
    timeout 25 "$live" --tun tun0 --ip "$ip" --host "$host/$net" echo-full "$host" 7 $mb100
    kernel_is_content
}

both_full_with_us_as_client_small() {
    kernel_server 7:echo
    timeout 25 "$live" --tun tun0 --ip "$ip" --host "$host/$net" echo-full "$host" 7 30000000 8192
}

both_full_without_offload() {
    library --no-offload --thread serve 7:echo 9:discard 19:chargen
    timeout 20 "$live" echo-full "$ip" 7 20000000
    "$live" chargen "$ip" 19 20000000
    kernel_is_content
}

active_without_offload() {
    kernel_server 7:echo
    timeout 25 "$live" --tun tun0 --ip "$ip" --host "$host/$net" --no-offload \
        echo-full "$host" 7 60000000
    kernel_is_content
}

it "100 MB by PUT and to discard arrive whole" upload_is_counted
it "100 MB from /bytes have the right checksum" download_has_the_checksum
it "100 MB of chargen have the pattern" chargen_has_the_pattern
it "100 MB through the echo come back with the same checksum" echo_has_the_checksum
it "100 MB from nc to mytcp-nc -l arrive with every byte" through_nc_to_us
it "100 MB from mytcp-nc to nc -l arrive with every byte" through_nc_from_us
it "a bulk echo whose both directions were full loses no byte" both_full
it "a bulk echo with small buffers loses no byte when both directions were full" \
    both_full_with_small_buffers
it "a bulk echo by a libmytcp client with both directions full loses no byte" \
    both_full_with_us_as_client
it "a bulk echo by a libmytcp client with small buffers loses no byte" both_full_with_us_as_client_small
it "without offloads the bulk echo loses no byte" both_full_without_offload
it "without offloads the libmytcp client's bulk echo loses no byte" active_without_offload
