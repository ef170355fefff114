# t_library.sh - programs of libmytcp's own against the kernel: active opens, threads, event loops.

connects_and_is_refused() {
    kernel_server 7:echo
    ours refused "$host" 81 ECONNREFUSED
    same "ms of an echo" 0 "$(($(ours late "$host" 7 0) / 200))"
}

connect_times_out() {
    # a neighbour that the host does not answer for: packets to it vanish
    background "$live" --tun tun0 --ip "$ip" --host "$host/$net" refused 10.9.0.77 7 ETIMEDOUT 2000
    wait "$pid" || fail "see above"
}

kernel_times_out() {
    serve --lose syn:100
    "$live" refused "$ip" 7 ETIMEDOUT 1500
}

nc_of_ours_talks_to_the_kernel() {
    kernel_server 7:echo 5000:after
    same "echo" "to the kernel" "$(echo "to the kernel" |
        "$nc_tool" --tun tun0 --ip "$ip" --host "$host/$net" "$host" 7)"
    same "bytes after our half-close" "after" "$(echo x |
        "$nc_tool" --tun tun0 --ip "$ip" --host "$host/$net" "$host" 5000)"
}

nc_of_ours_tells_why() {
    local rc=0
    "$nc_tool" --tun tun0 --ip "$ip" --host "$host/$net" "$host" 81 </dev/null 2>"$tmp/f.err" || rc=$?
    same "exit status" 1 "$rc"
    grep -qi refused "$tmp/f.err" || fail "$(cat "$tmp/f.err")"
}

nc_of_ours_listens() {
    background sh -c "echo from us | $nc_tool --tun tun0 --ip $ip --host $host/$net -l 5000 \
        >$tmp/f.out 2>$tmp/server.log"
    until_true 5 device_up || fail "$(cat "$tmp/server.log")"
    sleep 0.1
    same "what nc hears" "from us" "$(echo to us | nc -N -w 5 "$ip" 5000)"
    until_true 3 sh -c "! kill -0 $pid" || fail "mytcp-nc does not end"
    same "what mytcp-nc hears" "to us" "$(cat "$tmp/f.out")"
}

threads_as_client() {
    kernel_server 7:echo
    timeout 20 "$live" --tun tun0 --ip "$ip" --host "$host/$net" --thread threads "$host" 7 16 800000
    kernel_is_content
}

threads_as_server() {
    library --thread serve 7:echo 9:discard 19:chargen
    timeout 20 "$live" threads "$ip" 7 16 800000
    "$live" chargen "$ip" 19 10000000
    timeout 20 "$live" echo-full "$ip" 7 50000000
    timeout 20 "$live" many "$ip" 7 200 20000
    kernel_is_content
    stop
}

loop_of_someone_else() {
    library loop 7
    same "echo" "looped" "$(echo looped | nc -N -w 5 "$ip" 7)"
    timeout 20 "$live" threads "$ip" 7 16 800000
    timeout 20 "$live" echo-full "$ip" 7 50000000
    timeout 20 "$live" many "$ip" 7 200 20000
    kernel_is_content
    stop
}

kernel_resets_us() {
    kernel_server 5000:reset
    ours await-reset "$host" 5000
}

we_reset_the_kernel() {
    kernel_server 7:echo
    ours reset "$host" 7
    at_least "resets that the kernel took" 1 "$(counter TcpEstabResets)"
}

it "connect is answered, and refused where nobody listens" connects_and_is_refused
it "connect to nobody times out by its user timeout" connect_times_out
it "the kernel's connect times out when all its SYNs are lost" kernel_times_out
it "mytcp-nc talks to the kernel and hears it after its own half-close" nc_of_ours_talks_to_the_kernel
it "mytcp-nc says why it could not connect" nc_of_ours_tells_why
it "mytcp-nc -l talks to nc" nc_of_ours_listens
it "sixteen threads with blocking calls share one driver as clients" threads_as_client
it "threads with blocking calls share one driver as a server" threads_as_server
it "an application's own epoll drives the stack" loop_of_someone_else
it "a reset by the kernel is ECONNRESET" kernel_resets_us
it "SO_LINGER zero on our client's side resets the kernel's end" we_reset_the_kernel
