# table.awk - medians of lines "ROUND SIDE METRIC VALUE" as the bench's table.

{ values[$2, $3, ++count[$2, $3]] = $4 + 0 }

function median(side, metric,    n, i, j, v, a) {
    n = count[side, metric]
    if (n == 0)
        return -1
    for (i = 1; i <= n; i++) {
        v = values[side, metric, i]
        for (j = i - 1; j >= 1 && a[j] > v; j--)
            a[j + 1] = a[j]
        a[j + 1] = v
    }
    return n % 2 ? a[(n + 1) / 2] : (a[n / 2] + a[n / 2 + 1]) / 2
}

function cell(v, format) { return v < 0 ? "-" : sprintf(format, v) }

# at_least: floor of the ratio to the kernel; at_most: its ceiling; neither: none
function row(name, format, ours, theirs, device, at_least, at_most,    ratio, verdict, goal) {
    ratio = theirs > 0 && ours >= 0 ? ours / theirs : -1
    goal = at_least > 0 ? ">= " at_least "x" : at_most > 0 ? "<= " at_most "x" : ""
    if (goal != "")
        verdict = ratio >= 0 && (at_least > 0 ? ratio >= at_least : ratio <= at_most) ? "ok" : "short"
    printf "%-46s %10s %10s %7s %9s %-6s %10s %8s\n", name, cell(ours, format), cell(theirs, format), \
        cell(ratio, "%.2fx"), goal, verdict, cell(device, format), \
        cell(device > 0 && ours >= 0 ? ours / device : -1, "%.2fx")
}

function same(name, format, metric, kernel_metric, device_metric, at_least, at_most) {
    row(name, format, median("libmytcp", metric), median("kernel", kernel_metric), \
        median("device", device_metric), at_least, at_most)
}

END {
    printf "Medians of %d rounds. Kernel ends: %s. libmytcp's end: one thread, blocking calls, or\n", rounds, cc
    print "in place: peek/consume and reserve/commit. MTU 1500, super-segments; both ends pinned."
    printf "%-46s %10s %10s %7s %9s %-6s %10s %8s\n", "", "libmytcp", "kernel", "ratio", "goal", "", \
        "device", "of it"
    same("bulk to libmytcp, Gbit/s", "%.2f", "bulk-in", "bulk-in", "bulk-in", 0.6, 0)
    same("  the same in place", "%.2f", "bulk-in-place", "bulk-in", "bulk-in", 0.6, 0)
    same("bulk from libmytcp, Gbit/s", "%.2f", "bulk-out", "bulk-out", "bulk-out", 0.6, 0)
    same("  the same in place", "%.2f", "bulk-out-place", "bulk-out", "bulk-out", 0.6, 0)
    same("ping-pong of 1 byte, p50 us", "%.2f", "pong1-p50", "pong1-p50", "pong1-p50", 0, 1.3)
    same("  p99", "%.2f", "pong1-p99", "pong1-p99", "pong1-p99", 0, 0)
    same("ping-pong of 64 bytes, p50 us", "%.2f", "pong64-p50", "pong64-p50", "pong64-p50", 0, 1.3)
    same("  p99", "%.2f", "pong64-p99", "pong64-p99", "pong64-p99", 0, 0)
    same("connect-echo-close, kernel -> libmytcp, 1/s", "%.0f", "rate-passive", "rate-passive", \
         "rate-passive", 0.8, 0)
    same("connect-echo-close, libmytcp -> kernel, 1/s", "%.0f", "rate-active", "rate-passive", \
         "rate-active", 0.8, 0)
    # Both runs have a kernel client; what the kernel's run holds more in slabs is its server's.
    stack = median("libmytcp", "idle-stack")
    kernel = median("kernel", "idle-slab") - median("libmytcp", "idle-slab")
    ratio = kernel > 0 && stack >= 0 ? stack / kernel : -1
    verdict = stack >= 0 && stack <= 1024 ? "ok" : "short"
    printf "%-46s %10s %10s %7s %9s %-6s\n", "bytes of an idle connection, of " idle_count, \
        cell(stack, "%.0f"), cell(kernel, "%.0f"), cell(ratio, "%.2fx"), "<= 1024 B", verdict
    printf "%-46s %10s\n", "  by the process's resident size", \
        cell(median("libmytcp", "idle-resident"), "%.0f")
}
