# paths.awk - lines "NUMBER bulk|responses SIDE VALUE" and "NUMBER path RTT LOSS RATE QUEUE REORDER"
# as rows of the table: the row `number`, the `head`, or the `sum` over all.

$2 == "path" {
    seen[++paths] = $1
    name[$1] = sprintf("%5s %5s %6s %5s %4s", $3, $4, $5, $6, $7)
    next
}
{ values[$1, $2, $3, ++count[$1, $2, $3]] = $4 + 0 }

# The value that this share of the measurements does not exceed; -1 without any.
function at(path, kind, side, share,    n, i, j, v, sorted) {
    n = count[path, kind, side]
    if (n == 0)
        return -1
    for (i = 1; i <= n; i++) {
        v = values[path, kind, side, i]
        for (j = i - 1; j >= 1 && sorted[j] > v; j--)
            sorted[j + 1] = sorted[j]
        sorted[j + 1] = v
    }
    i = int(n * share + 0.999999)
    return sorted[i < 1 ? 1 : i]
}

function cell(v, format) { return v < 0 ? "-" : sprintf(format, v) }
function ratio(v, kernel) { return v < 0 || kernel <= 0 ? -1 : v / kernel }

function row(p,    k, s, r, kt, st, rt) {
    k = at(p, "bulk", "kernel", 0.5)
    s = at(p, "bulk", "sends", 0.5)
    r = at(p, "bulk", "receives", 0.5)
    kt = at(p, "responses", "kernel", 0.99)
    st = at(p, "responses", "sends", 0.99); rt = at(p, "responses", "receives", 0.99)
    printf "%3d %s | %8s %8s %6s %8s %6s | %7s %7s %6s %7s %6s\n", p, name[p], cell(k, "%.2f"), \
        cell(s, "%.2f"), cell(ratio(s, k), "%.2fx"), cell(r, "%.2f"), cell(ratio(r, k), "%.2fx"), \
        cell(kt, "%.0f"), cell(st, "%.0f"), cell(ratio(st, kt), "%.2fx"), cell(rt, "%.0f"), \
        cell(ratio(rt, kt), "%.2fx")
}

function to_kernel(p, kind, side, share) {
    return ratio(at(p, kind, side, share), at(p, kind, "kernel", share))
}

function count_side(side, what,    i, x, good, bad, slow) {
    for (i = 1; i <= paths; i++) {
        x = to_kernel(seen[i], "bulk", side, 0.5)
        good += x >= 1
        bad += x < 0.9
        slow += to_kernel(seen[i], "responses", side, 0.99) > 1
    }
    printf "libmytcp %s: goodput at least the kernel's in %d of %d paths, below 0.9x in %d;", what, \
        good, paths, bad
    printf " p99 of responses worse in %d\n", slow
}

END {
    if (head) {
        format = "%3s %5s %5s %6s %5s %4s | %8s %8s %6s %8s %6s | %7s %7s %6s %7s %6s\n"
        printf format, "", "RTT", "loss", "rate", "queue", "re-", "goodput", "libmytcp", "", \
            "libmytcp", "", "p99", "libmytcp", "", "libmytcp", ""
        printf format, "", "ms", "%", "Mbit/s", "BDP", "ord", "kernel", "sends", "", "receives", \
            "", "kernel", "sends", "", "receives", ""
    } else if (sum) {
        count_side("sends", "sends")
        count_side("receives", "receives")
    } else
        row(number)
}
