#include "lose.h"

#include <errno.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <string.h>

enum { HEADERS_MAX = 60 + 20, LOSE_MAX = 1000000000 };

static bool parse_percent(struct lose *lose, const char *text)
{
    char *end;
    double percent = strtod(text, &end);
    if (strchr("0123456789.", text[0]) == NULL || end == text || strcmp(end, "%") ||
        !(percent >= 0 && percent <= 100))
        return false;
    lose->what = LOSE_PERCENT;
    lose->threshold = (uint32_t)(percent / 100 * (double)UINT32_MAX);
    return true;
}

bool lose_parse(struct lose *lose, const char *text)
{
    static const char *const names[] = {"syn", "synack", "ack", "fin", "lastack"};
    size_t len = strcspn(text, ":");

    lose->left = 1;
    if (text[len]) {
        char *end;
        errno = 0;
        unsigned long n = strtoul(text + len + 1, &end, 10);
        if (errno || *end || text[len + 1] < '0' || text[len + 1] > '9' || n > LOSE_MAX)
            return false;
        lose->left = (uint32_t)n;
    }
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++)
        if (strlen(names[i]) == len && !memcmp(names[i], text, len)) {
            lose->what = (enum lose_what)(LOSE_SYN + i);
            return true;
        }
    return parse_percent(lose, text);
}

/* splitmix64: always the same sequence, so that a run can be repeated */
static uint32_t random_next(struct lose *lose)
{
    uint64_t z = lose->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (uint32_t)(z >> 32);
}

static uint32_t get16(const uint8_t *p)
{
    return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
    return get16(p) << 16 | get16(p + 2);
}

/* Take an IPv4 packet apart as far as needed. Returns whether it is a TCP segment. */
static bool segment_of(struct lost *segment, bool out, const struct iovec *iov, int iovcnt)
{
    uint8_t head[HEADERS_MAX] = {0};
    size_t total = 0;
    for (int i = 0; i < iovcnt; i++) {
        if (total < sizeof head)
            memcpy(head + total, iov[i].iov_base,
                   iov[i].iov_len < sizeof head - total ? iov[i].iov_len : sizeof head - total);
        total += iov[i].iov_len;
    }
    size_t ip_len = (head[0] & 15u) * 4;
    const uint8_t *tcp = head + ip_len;
    if (head[0] >> 4 != 4 || ip_len < 20 || head[9] != IPPROTO_TCP || (get16(head + 6) & 0x1fff) ||
        total < ip_len + 20)
        return false;
    size_t header_len = ip_len + (tcp[12] >> 4) * 4u;
    if (header_len > total)
        return false;

    memset(segment, 0, sizeof *segment);
    segment->out = out;
    memcpy(&segment->peer, head + (out ? 16 : 12), 4);
    segment->peer_port = (uint16_t)get16(tcp + (out ? 2 : 0));
    segment->local_port = (uint16_t)get16(tcp + (out ? 0 : 2));
    segment->flags = tcp[13];
    segment->seq = get32(tcp + 4);
    segment->ack = get32(tcp + 8);
    segment->len_bytes = (uint32_t)(total - header_len);
    return true;
}

static struct lose_conn *conn_of(struct lose *lose, const struct lost *segment)
{
    for (unsigned i = 0; i < LOSE_CONNS; i++) {
        struct lose_conn *conn = &lose->conns[i];
        if (conn->peer.s_addr == segment->peer.s_addr && conn->peer_port == segment->peer_port &&
            conn->local_port == segment->local_port)
            return conn;
    }
    struct lose_conn *conn = &lose->conns[lose->next_conn++ % LOSE_CONNS];
    *conn = (struct lose_conn){
        .peer = segment->peer, .peer_port = segment->peer_port, .local_port = segment->local_port};
    return conn;
}

static void conn_note(struct lose_conn *conn, const struct lost *segment)
{
    unsigned from = segment->out;

    if (segment->flags & TH_SYN) {
        if (conn->syn_seen[from] &&
            conn->isn[from] != segment->seq) { /* the ports are used again */
            memset(conn->syn_seen, 0, sizeof conn->syn_seen);
            memset(conn->fin_seen, 0, sizeof conn->fin_seen);
        }
        conn->syn_seen[from] = true;
        conn->isn[from] = segment->seq;
    }
    if (segment->flags & TH_FIN) {
        if (!conn->fin_seen[from])
            conn->fin_last = segment->out;
        conn->fin_seen[from] = true;
        conn->fin_end[from] = segment->seq + segment->len_bytes + 1;
    }
}

static bool is_third_ack(const struct lose_conn *conn, const struct lost *segment)
{
    return !segment->out && segment->len_bytes == 0 &&
           (segment->flags & (TH_SYN | TH_FIN | TH_RST | TH_ACK)) == TH_ACK && conn->syn_seen[1] &&
           conn->syn_seen[0] && segment->seq == conn->isn[0] + 1 &&
           segment->ack == conn->isn[1] + 1;
}

static bool is_last_ack(const struct lose_conn *conn, const struct lost *segment)
{
    return conn->fin_seen[0] && conn->fin_seen[1] && segment->out != conn->fin_last &&
           (segment->flags & (TH_SYN | TH_RST | TH_ACK)) == TH_ACK &&
           segment->ack == conn->fin_end[conn->fin_last];
}

static bool matches(const struct lose *lose, const struct lose_conn *conn,
                    const struct lost *segment)
{
    switch (lose->what) {
    case LOSE_SYN:
        return !segment->out && (segment->flags & (TH_SYN | TH_ACK)) == TH_SYN;
    case LOSE_SYNACK:
        return segment->out && (segment->flags & (TH_SYN | TH_ACK)) == (TH_SYN | TH_ACK);
    case LOSE_ACK:
        return is_third_ack(conn, segment);
    case LOSE_FIN:
        return segment->out && (segment->flags & TH_FIN);
    case LOSE_LASTACK:
        return is_last_ack(conn, segment);
    default:
        return false;
    }
}

static void tell_later(struct lose *lose, const struct lost *segment)
{
    if (!lose->keep_told || lose->told_count == LOSE_TOLD)
        return;
    lose->told[(lose->told_first + lose->told_count++) % LOSE_TOLD] = *segment;
}

const struct lost *lose_tell(const struct lose *lose)
{
    return lose->told_count ? &lose->told[lose->told_first] : NULL;
}

void lose_told(struct lose *lose)
{
    lose->told_first = (lose->told_first + 1) % LOSE_TOLD;
    lose->told_count--;
}

bool lose_filter(void *ctx, bool out, const struct iovec *iov, int iovcnt)
{
    struct lose *lose = ctx;
    struct lost segment;
    bool drop = lose->what == LOSE_PERCENT && random_next(lose) < lose->threshold;

    if (!segment_of(&segment, out, iov, iovcnt))
        return !drop;
    struct lose_conn *conn = conn_of(lose, &segment);
    conn_note(conn, &segment);
    if (lose->what != LOSE_PERCENT && lose->left > 0 && matches(lose, conn, &segment)) {
        lose->left--;
        drop = true;
    }
    if (drop)
        tell_later(lose, &segment);
    return !drop;
}
