# Draws the lines of `mytcp-echo --trace` as a ladder, connection by connection: the peer on the left, the
# stack on the right. The stack's states are the ones it prints; the peer's are inferred from what it sends
# and gets, by the diagram of RFC 9293 3.3.2 as the peer must go through it.
#
#     mytcp-echo ... --trace | awk -f tools/ladder.awk

function is_state(word) {
    return word ~ /^(CLOSED|LISTEN|SYN-SENT|SYN-RECEIVED|ESTABLISHED|FIN-WAIT-1|FIN-WAIT-2|CLOSE-WAIT|CLOSING|LAST-ACK|TIME-WAIT)$/
}

function is_flags(word) {
    return word ~ /^(FIN|SYN|RST|PSH|ACK|URG|ECE|CWR)(,(FIN|SYN|RST|PSH|ACK|URG|ECE|CWR))*$/
}

# Takes a line of mytcp_trace_format() apart into: clock, out, peer, conn, flags, seq, ack, len, extra, after,
# lost. Numbers stay text: not every awk prints large ones whole.
function parse(line,    n, i, word, words) {
    clock = out = peer = conn = flags = extra = after = ""
    seq = ack = len = "0"
    lost = line ~ /\(lost\)$/
    gsub(/[][]/, " ", line)
    n = split(line, words, " ")
    for (i = 1; i <= n; i++) {
        word = words[i]
        if (i == 1)
            clock = word
        else if (word == "in" || word == "out")
            out = word
        else if (word ~ /^[0-9.]+:[0-9]+$/)
            peer = word
        else if (word ~ /^:[0-9]+$/)
            conn = peer " " word
        else if (flags == "" && is_flags(word))
            flags = word
        else if (word ~ /^seq=/)
            seq = substr(word, 5)
        else if (word ~ /^ack=/)
            ack = substr(word, 5)
        else if (word ~ /^len=/)
            len = substr(word, 5)
        else if (word ~ /^mss=/ || word == "again")
            extra = extra " " word
        else if (is_state(word))
            after = word
    }
    out = out == "out"
    return clock ~ /^[0-9]+\.[0-9]+$/ && conn != "" && flags != ""
}

# What the peer becomes by sending this segment.
function peer_sends(state) {
    if (flags ~ /RST/)
        return "CLOSED"
    if (flags ~ /SYN/)
        return state == "CLOSED" ? "SYN-SENT" : state
    if (flags ~ /FIN/) {
        peer_fin[conn] = seq + len + 1
        if (state == "ESTABLISHED")
            return "FIN-WAIT-1"
        if (state == "CLOSE-WAIT")
            return "LAST-ACK"
    }
    return state
}

# What the peer becomes when this segment of ours reaches it.
function peer_gets(state,    all_acked) {
    if (flags ~ /RST/)
        return "CLOSED"
    if (flags ~ /SYN/)
        return state == "SYN-SENT" ? "ESTABLISHED" : state
    all_acked = (conn in peer_fin) && ack + 0 >= peer_fin[conn]
    if (all_acked && state == "FIN-WAIT-1")
        state = "FIN-WAIT-2"
    else if (all_acked && state == "CLOSING")
        state = "TIME-WAIT"
    else if (all_acked && state == "LAST-ACK")
        state = "CLOSED"
    if (flags ~ /FIN/) {
        if (state == "ESTABLISHED")
            return "CLOSE-WAIT"
        if (state == "FIN-WAIT-1")
            return "CLOSING"
        if (state == "FIN-WAIT-2")
            return "TIME-WAIT"
    }
    return state
}

function arrow(text,    fill) {
    while (length(text fill) < 46)
        fill = fill "-"
    if (out)
        return (lost ? "X-- " : "<-- ") text " " fill "---"
    return "--- " text " " fill (lost ? "--X" : "-->")
}

function show(when, left, middle, right) {
    printf "  %9s  %-11s  %-54s  %s\n", when, left, middle, right
}

function start() {
    theirs[conn] = "CLOSED"
    ours[conn] = "LISTEN"
    begun[conn] = clock
    printf "  %9s  %-66s %s\n", "seconds", peer, "libmytcp" substr(conn, length(peer) + 2)
    show("", "CLOSED", "", "LISTEN")
}

# A new SYN after the end: the peer uses the port again.
function anew() {
    return !(conn in theirs) || (!out && flags == "SYN" && theirs[conn] ~ /^(CLOSED|TIME-WAIT)$/)
}

{
    if (!parse($0)) {
        print
        next
    }
    if (current != "" && current != conn)
        print ""
    if (anew()) {
        delete peer_fin[conn]
        start()
    } else if (current != "" && current != conn) {
        printf "  %9s  %-66s %s\n", "", peer, "libmytcp" substr(conn, length(peer) + 2)
    }
    current = conn

    if (after != "")
        ours[conn] = after
    if (!out)
        theirs[conn] = peer_sends(theirs[conn])
    else if (!lost)
        theirs[conn] = peer_gets(theirs[conn])
    text = flags " seq=" seq (flags ~ /ACK/ ? " ack=" ack : "") (len + 0 ? " len=" len : "") extra
    show(sprintf("%.6f", clock - begun[conn]), theirs[conn], arrow(text), ours[conn])
    fflush()
}
