/*
 * What holds for every packet that the stack sends, whatever the scenario: well-formed, DF and ID
 * 0, our own TTL and address, no longer than the MTU or a proper super-segment, checksums; and for
 * a known connection: ACK set after the first SYN, nothing acknowledged that was not sent, the
 * window's right edge never moved left, nothing sent beyond the window offered, options as
 * negotiated, TSval not going back, the payload being what the application wrote.
 */
#include "lib/wire.h"

static bool before(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static const char *check_ip(struct wire *w, const struct wire_packet *p)
{
    if (p->bytes[4] | p->bytes[5])
        return "IP ID is not 0"; /* 6864-4.1b, 9293-MAY-4 */
    if (p->bytes[6] != 0x40 || p->bytes[7] != 0)
        return "DF is not set, or it is a fragment"; /* 791-3.1c, 7323-5.7, 1191-3f */
    if (p->bytes[8] != w->config.ttl)
        return "TTL is not the configured one"; /* 9293-MUST-49 */
    if (p->src != w->our_addr)
        return "the source address is not ours"; /* 9293-MUST-45, 1122-3.2.1.3c */
    if (p->gso_size == 0)
        return p->len > w->mtu ? "longer than the MTU" : NULL; /* 1122-3.3.3a */
    uint32_t header = p->len - p->payload_len;
    if (p->protocol != 6 || p->len > w->config.gso_max_bytes)
        return "a super-segment that the device did not ask for";
    if (p->hdr_len != header || header + p->gso_size > w->mtu || p->payload_len <= p->gso_size)
        return "a super-segment with a wrong header length or piece size";
    return p->flags & (SYN | RST | URG) ? "a super-segment with SYN, RST or URG" : NULL;
}

static const char *check_csum(struct wire *w, const struct wire_packet *p)
{
    if (!p->needs_csum)
        return p->gso_size ? "a super-segment without needs_csum" : NULL;
    if (!w->config.tx_csum || p->protocol != 6)
        return "a partial checksum that the device did not ask for";
    return p->csum_start != 20 || p->csum_offset != 16 ? "csum_start or csum_offset" : NULL;
}

static const char *check_syn(struct wire_conn *c, const struct wire_packet *p)
{
    if (!c->iss_known) {
        c->iss = p->seq;
        c->iss_known = true;
    }
    if (p->seq != c->iss)
        return "a SYN with another ISS than before";
    if (!c->syn_in && (p->flags & ACK))
        return "a SYN-ACK without a SYN";
    c->syn_out = true;
    c->our_scale = p->wscale;
    c->our_ts = p->ts;
    c->our_sack = p->sackok;
    c->our_ecn = wire_ecn_setup(p->flags);
    if (c->syn_in && (p->flags & ACK) &&
        ((p->wscale && !c->peer_scale) || (p->ts && !c->peer_ts) || (p->sackok && !c->peer_sack)))
        return "a SYN-ACK with an option that the SYN did not offer"; /* 7323-2.2b */
    return NULL;
}

static const char *check_window(struct wire_conn *c, const struct wire_packet *p)
{
    uint32_t ack = p->ack - c->irs;
    bool scaled = c->our_scale && c->peer_scale && !(p->flags & SYN);
    uint32_t edge = ack + ((uint32_t)p->wnd << (scaled ? c->our_scale - 1 : 0));

    if (before(c->peer_end, ack))
        return "acknowledges what was never sent";
    if (before(ack, c->ack_high))
        return "the acknowledgment number goes back";
    c->ack_high = ack;
    if (c->peer_fin && ack == c->peer_fin_seq + 1)
        return NULL; /* behind the peer's FIN windows mean nothing */
    if (c->edge_known && before(edge, c->right_edge))
        return "the window's right edge moved left"; /* U7, 9293-SHLD-14 */
    c->right_edge = edge;
    c->edge_known = true;
    return NULL;
}

static const char *check_options(const struct wire_conn *c, const struct wire_packet *p)
{
    bool ts = c->our_ts && c->peer_ts;
    if (p->mss || p->wscale || p->sackok)
        return "an option of a SYN without SYN"; /* 2018-2, 7323-2.2c, 9293-MUST-65 */
    if (p->ts != ts)
        return ts ? "timestamps were negotiated but are missing"
                  : "timestamps were not negotiated"; /* 7323-3.2b */
    if (p->sacks && !(c->our_sack && c->peer_sack))
        return "SACK was not negotiated";
    for (int i = 0; i < p->sacks; i++)
        if (!before(p->sack[i].start, p->sack[i].end) ||
            before(c->irs + c->peer_end, p->sack[i].end))
            return "a SACK block that is empty or covers what was never sent";
    return NULL;
}

static const char *check_sequence(struct wire *w, struct wire_conn *c, const struct wire_packet *p)
{
    uint32_t seq = p->seq - c->iss,
             end = seq + p->payload_len + !!(p->flags & FIN) + !!(p->flags & SYN);

    if (before(seq + 1, c->una))
        return "a sequence number below SND.UNA - 1";
    if (before(c->snd_high, seq))
        return "a sequence number beyond SND.NXT";
    if (p->payload_len > 1 && before(c->peer_edge, seq + p->payload_len))
        return "data beyond the peer's window"; /* 7323-2.4c */
    if (before(c->snd_high, end))
        c->snd_high = end;
    for (uint32_t i = 0; !w->any_payload && i < p->payload_len; i++)
        if (p->payload[i] != wire_byte(true, (uint64_t)(seq - 1) + i))
            return "the payload is not what the application wrote";
    return NULL;
}

/* RFC 3168 6.1: marks are for new data, and for those who asked. */
static const char *check_ecn(const struct wire_conn *c, const struct wire_packet *p)
{
    unsigned field = p->bytes[1] & 3u;
    bool ecn = c->our_ecn && c->peer_ecn && !(p->flags & SYN);
    if (field != 0 && field != 2)
        return "an ECN field other than Not-ECT and ECT(0)"; /* 3168-6.1.2a */
    if (field && (!ecn || !p->payload_len))
        return "ECT on what is not data, or was not negotiated"; /* 3168-5.2a, 3168-6.1.1b, 3168-6.1.1c */
    if (field && before(p->seq - c->iss, c->snd_high))
        return "ECT on a retransmission or a window probe"; /* 3168-6.1.5a, 3168-6.1.6a */
    if (p->flags & SYN)
        return NULL;
    if (p->flags & (ECE | CWR) && !ecn)
        return "ECN was not negotiated";
    return p->flags & CWR && (!field || p->gso_size) ? "CWR on what is not one new packet" : NULL;
}

static const char *check_tcp(struct wire *w, struct wire_packet *p)
{
    struct wire_conn *c = wire_find(w, p->dst, p->dst_port, p->src_port, false);

    if (p->flags & RST)
        return p->flags & (SYN | FIN | PSH | URG | ECE | CWR) || p->payload_len
                   ? "a RST with another flag than ACK, or data"
                   : NULL;
    if (!c)
        return "a segment to nobody";
    if ((p->flags & SYN) && (p->flags & FIN))
        return "SYN with FIN";
    const char *wrong = p->flags & SYN ? check_syn(c, p)
                        : c->iss_known ? check_options(c, p)
                                       : "no SYN before";
    wrong = wrong ? wrong : check_ecn(c, p);
    if (wrong)
        return wrong;
    if (!(p->flags & ACK) && !(p->flags & SYN))
        return "no ACK flag"; /* 9293-GEN-6 */
    if (p->flags & ACK && (wrong = check_window(c, p)))
        return wrong;
    if (!(p->flags & ACK) && p->ack)
        return "an acknowledgment number without the flag";
    if (!(p->flags & URG) && p->urg)
        return "an urgent pointer without the flag";
    if (p->ts && c->tsval_high && before(p->tsval, c->tsval_high))
        return "TSval goes back"; /* 7323-5.4b */
    if (p->ts)
        c->tsval_high = c->tsval_seen = p->tsval;
    if (p->ts && !(p->flags & ACK) && p->tsecr)
        return "TSecr without ACK"; /* 7323-3.2a, 7323-3.2c */
    return check_sequence(w, c, p);
}

const char *wire_check_sent(struct wire *w, struct wire_packet *p)
{
    const char *wrong = NULL;
    if (!wire_parse(p, &wrong) || (wrong = check_ip(w, p)) || (wrong = check_csum(w, p)))
        return wrong;
    return p->protocol == 6 ? check_tcp(w, p) : p->protocol == 1 ? NULL : "an unexpected protocol";
}

void wire_format(char *text, size_t size, const struct wire_packet *p, const struct wire_conn *c,
                 bool out)
{
    static const char letters[] = "FSRPAUEW";
    char flags[9] = "";
    uint32_t seq_base = !c ? 0 : out ? (c->iss_known ? c->iss : 0) : c->irs;
    uint32_t ack_base = !c ? 0 : out ? c->irs : c->iss;
    size_t n = 0;

    if (p->protocol != 6) {
        snprintf(text, size, "protocol %d type %d code %d, %u bytes", p->protocol,
                 p->payload_len ? p->payload[0] : -1, p->payload_len > 1 ? p->payload[1] : -1,
                 p->len);
        return;
    }
    for (unsigned i = 0, k = 0; i < 8; i++)
        if (p->flags >> i & 1)
            flags[k++] = letters[i];
    if (!(p->flags & ACK))
        ack_base = 0;
    n = (size_t)snprintf(text, size, "%-4s seq %d len %u ack %d wnd %u", flags,
                         (int)(p->seq - seq_base), p->payload_len, (int)(p->ack - ack_base),
                         p->wnd);
    if (p->mss && n < size)
        n += (size_t)snprintf(text + n, size - n, " mss %u", p->mss);
    if (p->wscale && n < size)
        n += (size_t)snprintf(text + n, size - n, " wscale %d", p->wscale - 1);
    if (p->sackok && n < size)
        n += (size_t)snprintf(text + n, size - n, " sackok");
    if (p->ts && n < size)
        n += (size_t)snprintf(text + n, size - n, " ts %u/%u", p->tsval, p->tsecr);
    for (int i = 0; i < p->sacks && n < size; i++)
        n += (size_t)snprintf(text + n, size - n, " sack %d:%d", (int)(p->sack[i].start - ack_base),
                              (int)(p->sack[i].end - ack_base));
    if (p->gso_size && n < size)
        snprintf(text + n, size - n, " gso %u", p->gso_size);
}
