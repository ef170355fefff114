/* The wire programs run again in other ways (shifts.sh): what must not differ, and the device that
 * cuts super-segments up. */
#include "lib/wire.h"

/* What a segment says, whatever the initial numbers and the clock: FNV-1a over it. */
void wire_trace(struct wire *w, const struct wire_packet *p, const struct wire_conn *c, bool out)
{
    bool known = c && p->protocol == 6;
    uint32_t seq = known ? p->seq - (out ? c->iss : c->irs) : 0;
    uint32_t ack = known && p->flags & ACK ? p->ack - (out ? c->irs : c->iss) : 0;
    const uint32_t says[] = {out, p->protocol, p->flags, seq, ack, p->payload_len, p->wnd, p->mss,
                             (uint32_t)p->sacks};
    for (unsigned i = 0; i < sizeof(says) / sizeof(*says); i++)
        w->trace = (w->trace ^ says[i]) * UINT64_C(0x100000001b3);
}

void wire_trace_end(const struct wire *w)
{
    const char *path = getenv("WIRE_TRACE");
    FILE *file = path ? fopen(path, "a") : NULL;
    if (!file)
        return;
    fprintf(file, "%u packets in, trace %016llx\n", w->packets_in, (unsigned long long)w->trace);
    fclose(file);
}

bool wire_next_piece(struct wire *w, struct wire_packet *p)
{
    const struct wire_packet *c = &w->cut;
    if (w->cut_at >= c->payload_len)
        return false;
    uint32_t header = c->len - c->payload_len, left = c->payload_len - w->cut_at;
    uint32_t n = left < c->gso_size ? left : c->gso_size, seq = c->seq + w->cut_at;
    *p = (struct wire_packet){.len = header + n};
    memcpy(p->bytes, c->bytes, header);
    memcpy(p->bytes + header, c->payload + w->cut_at, n);
    p->bytes[2] = (uint8_t)(p->len >> 8);
    p->bytes[3] = (uint8_t)p->len;
    for (int i = 0; i < 4; i++)
        p->bytes[24 + i] = (uint8_t)(seq >> (24 - 8 * i));
    if (n < left)
        p->bytes[33] &= (uint8_t)~(FIN | PSH);
    if (w->cut_at)
        p->bytes[33] &= (uint8_t)~CWR;
    wire_fix_ip_checksum(p);
    wire_fix_tcp_checksum(p);
    w->cut_at += n;
    const char *why;
    assert_true(wire_parse(p, &why));
    wire_trace(w, p, wire_find(w, p->dst, p->dst_port, p->src_port, false), true);
    return true;
}

void wire_cut(struct wire *w, struct wire_packet *p)
{
    w->cut = *p;
    w->cut.payload = w->cut.bytes + (p->payload - p->bytes);
    w->cut_at = 0;
    wire_next_piece(w, p);
}
