# Draws the lines of `mytcp-echo --trace` as a ladder, connection by connection: the peer on the left, the
# stack on the right. The stack's states are the ones it prints; the peer's are inferred from what it sends
# and gets, by the diagram of RFC 9293 3.3.2 as the peer must go through it.
#
#     mytcp-echo ... --trace | awk -f tools/ladder.awk

function is_state(word) {
    return word ~ /^(CLOSED|LISTEN|SYN-SENT|SYN-RECEIVED|ESTABLISHED|FIN-WAIT-1|FIN-WAIT-2|CLOSE-WAIT|CLOSING|LAST-ACK|TIME-WAIT)$/
}

function is_flags(word) {
    return word ~ /^(FIN|SYN|RST|PSH|ACK|URG|ECE|CWR)([,|+](FIN|SYN|RST|PSH|ACK|URG|ECE|CWR))*$/
}

# Takes a line apart into: out, peer, flags, seq, ack, len, extra, after, lost, clock.
function parse(line,    n, i, word, words) {
    out = -1; peer = ""; flags = ""; seq = 0; ack = 0; len = 0; extra = ""; after = ""; clock = ""
    lost = line ~ /\(lost\)$/
    n = split(line, words, " ")
    for (i = 1; i <= n; i++) {
        word = words[i]
        if (clock == "" && word ~ /^[0-9]+\.[0-9]+$/)
            clock = word
        else if (out < 0 && (word == "<" || word == "in" || word == "<-"))
            out = 0
        else if (out < 0 && (word == ">" || word == "out" || word == "->"))
            out = 1
        else if (peer == "" && word ~ /^[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+:[0-9]+$/)
            peer = word
        else if (flags == "" && is_flags(word))
            flags = word
        else if (word ~ /^seq=/)
            seq = substr(word, 5) + 0
        else if (word ~ /^ack=/)
            ack = substr(word, 5) + 0
        else if (word ~ /^len=/)
            len = substr(word, 5) + 0
        else if (word ~ /^mss=/)
            extra = extra " " word
        else if (is_state(word))
            after = word
    }
    return out >= 0 && peer != "" && flags != ""
}

# What the peer becomes by sending this segment.
function peer_sends(state) {
    if (flags ~ /RST/)
        return "CLOSED"
    if (flags ~ /SYN/)
        return state == "CLOSED" ? "SYN-SENT" : state
    if (flags ~ /FIN/) {
        peer_fin[peer] = seq + len + 1
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
    all_acked = (peer in peer_fin) && ack >= peer_fin[peer]
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

function dashes(n,    text) {
    text = ""
    while (n-- > 0)
        text = text "-"
    return text
}

function arrow(text,    fill) {
    fill = dashes(46 - length(text))
    if (out)
        return (lost ? "X-- " : "<-- ") text " " fill "---"
    return "--- " text " " fill (lost ? "--X" : "-->")
}

function show(when, left, middle, right) {
    printf "  %9s  %-12s  %-54s  %s\n", when, left, middle, right
}

function start() {
    theirs[peer] = "CLOSED"
    ours[peer] = "LISTEN"
    begun[peer] = clock
    show("seconds", peer, "", "libmytcp")
    show("", "CLOSED", "", "LISTEN")
}

# A new SYN after the end: the peer uses the port again.
function anew() {
    return !(peer in theirs) || (!out && flags == "SYN" && theirs[peer] ~ /^(CLOSED|TIME-WAIT)$/)
}

{
    if (!parse($0)) {
        print
        next
    }
    if (current != "" && current != peer)
        print ""
    if (anew()) {
        delete peer_fin[peer]
        start()
    } else if (current != "" && current != peer) {
        show("", peer, "", "")
    }
    current = peer

    if (after != "")
        ours[peer] = after
    if (!out)
        theirs[peer] = peer_sends(theirs[peer])
    else if (!lost)
        theirs[peer] = peer_gets(theirs[peer])
    text = flags " seq=" seq (flags ~ /ACK/ ? " ack=" ack : "") (len ? " len=" len : "") extra
    show(clock == "" ? "" : sprintf("%.6f", clock - begun[peer]), theirs[peer], arrow(text), ours[peer])
    fflush()
}
