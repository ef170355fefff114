# t_link.sh - mytcp-link: the kernel in two namespaces, and the kernel and libmytcp, over a link that
# delays, loses and turns round; every byte compared.

kernels() { join la --a-ip "$a/24" "$@"; }

with_library() { # mytcp-echo is the near end
    join "unix:$tmp/f.socket" "$@"
    near_serves
}

link_ends() { # SIGTERM ends it with status 0 and its numbers
    local rc=0
    kill -TERM "$link"
    wait "$link" || rc=$?
    same "exit status of mytcp-link" 0 "$rc"
    grep -q '^a -> b  in  [1-9]' "$tmp/f.link" || fail "no numbers: $(cat "$tmp/f.link")"
}

# to_kernel BYTES: from this kernel to the far one
to_kernel() {
    random "$1" >"$tmp/f.in"
    background there sh -c "nc -l 5000 </dev/null >$tmp/f.out"
    until_true 5 there sh -c "ss -Htln | grep -q :5000"
    nc -N -w 25 "$b" 5000 <"$tmp/f.in"
    until_true 5 cmp -s "$tmp/f.in" "$tmp/f.out" || fail "$(wc -c <"$tmp/f.out") bytes came, not the same"
}

# echo_from BYTES: from the far kernel to mytcp-echo and back
echo_from() {
    random "$1" >"$tmp/f.in"
    same "sha256 of the echo" "$(sum <"$tmp/f.in")" \
        "$(there nc -N -w 25 "$a" 7 <"$tmp/f.in" | sum)"
}

both_content() {
    kernel_is_content
    same "the far kernel's TcpInErrs" 0 "$(there nstat -asz TcpInErrs | awk '$1 == "TcpInErrs" {print $2}')"
}

kernels_clear() {
    kernels
    to_kernel 100000000
    both_content
    link_ends
    grep -Eq 'lost|dropped|not taken|failed' "$tmp/f.link" && fail "$(cat "$tmp/f.link")"
    return 0
}

kernels_two_percent() {
    kernels --delay 2ms --loss 2%
    to_kernel 10000000
    at_least TcpRetransSegs 50 "$(counter TcpRetransSegs)"
    both_content
    link_ends
}

kernels_unmerged() {
    kernels --delay 1ms --gather 0 --rate 200mbit --loss 0.1%
    to_kernel 10000000
    both_content
}

kernels_delay() {
    kernels --delay 50ms
    background there "$live" serve 7:echo
    until_true 5 there sh -c "ss -Htln | grep -q :7"
    local ms
    ms=$("$live" late "$b" 7 0)
    at_least "ms of a connect and an echo at 100 ms RTT" 200 "$ms"
    at_most "ms of a connect and an echo at 100 ms RTT" 280 "$ms"
}

kernels_rate() { # 20 Mbit/s: 5,000,000 bytes take 2 s, and their headers some more
    kernels --delay 5ms --rate 20mbit --queue 100k
    local start
    start=$(now_ms)
    to_kernel 5000000
    at_least "ms at 20 Mbit/s" 2000 $(($(now_ms) - start))
    at_most "ms at 20 Mbit/s" 3500 $(($(now_ms) - start))
}

kernels_ecn() { # a kernel that asks for ECN is marked and loses nothing
    with tcp_ecn=1
    kernels --delay 5ms --rate 50mbit --queue 1m --ecn 60k
    to_kernel 5000000
    link_ends
    grep -q 'marked' "$tmp/f.link" || fail "nothing marked: $(cat "$tmp/f.link")"
    same TcpRetransSegs 0 "$(counter TcpRetransSegs)"
}

library_clear() {
    with_library
    echo_from 50000000
    both_content
    link_ends
}

library_two_percent() {
    with_library --delay 2ms --loss 2%
    echo_from 4000000
    both_content
    link_ends
}

library_everything() {
    with_library --delay 3ms --jitter 1ms --loss gemodel:0.5%,30% --every 500 --reorder 1%,2ms \
        --dup 0.5% --rate 50mbit --queue 64k
    echo_from 500000
    both_content
    link_ends
}

library_comes_again() {
    with_library --delay 1ms
    echo_from 10000
    stop
    near_serves
    echo_from 10000
}

it "between two kernels a hundred megabytes pass, and the link drops nothing" kernels_clear
it "between two kernels 2 % of wire packets are lost and no byte" kernels_two_percent 60
it "each wire packet by itself, not merged, is as good" kernels_unmerged
it "a delay of 50 ms makes a round trip of 100 ms" kernels_delay
it "a rate of 20 Mbit/s is kept" kernels_rate
it "a long queue marks where ECN is on" kernels_ecn
it "mytcp-echo is an end by itself, without a TUN device" library_clear
it "at 2 % loss mytcp-echo loses no byte" library_two_percent 60
it "with bursts of loss, jitter, reordering, duplicates and a small queue no byte is lost" \
    library_everything 60
it "a stack that goes may come again" library_comes_again
