/* The page at "/": what this stack knows of the very connection that asks. */
#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "http.h"

struct text {
    char *to;
    size_t size, len;
};

__attribute__((format(printf, 2, 3))) static void add(struct text *text, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text->to + text->len, text->size - text->len, format, args);
    va_end(args);
    text->len += (size_t)n;
    if (text->len >= text->size)
        text->len = text->size - 1;
}

static const char *end_name(const struct sockaddr_in *addr, char *to, size_t size)
{
    char ip[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &addr->sin_addr, ip, sizeof ip);
    snprintf(to, size, "%s:%u", ip, ntohs(addr->sin_port));
    return to;
}

enum { ARROW_LEN = 50 };

/* "ESTABLISHED  --- ACK seq=1 ack=1 ------>  ESTABLISHED" */
static void add_step(struct text *text, const char *yours, bool to_me, const char *segment,
                     const char *mine)
{
    static const char line[] = "--------------------------------------------------";
    int fill = ARROW_LEN - (int)strlen(segment);
    add(text, "  %-11s  %s %s %.*s%s  %s\n", yours, to_me ? "---" : "<--", segment,
        fill > 0 ? fill : 0, line, to_me ? ">" : "-", mine);
}

static void add_handshake(struct text *text, const struct http *http,
                          const struct mytcp_conn_info *info)
{
    struct sockaddr_in peer = {0}, self = {0};
    socklen_t peer_len = sizeof peer, self_len = sizeof self;
    char you[32], me[32], segment[64];

    mytcp_getpeername(http->conn.stack, http->conn.fd, (struct sockaddr *)&peer, &peer_len);
    mytcp_getsockname(http->conn.stack, http->conn.fd, (struct sockaddr *)&self, &self_len);
    add(text, "The handshake of this connection\n\n  %-68s  %s\n  %-68s  %s\n",
        end_name(&peer, you, sizeof you), end_name(&self, me, sizeof me), "CLOSED", "LISTEN");
    snprintf(segment, sizeof segment, "SYN seq=%u", info->irs);
    add_step(text, "SYN-SENT", true, segment, "SYN-RECEIVED");
    snprintf(segment, sizeof segment, "SYN,ACK seq=%u ack=%u", info->iss, info->irs + 1);
    add_step(text, "ESTABLISHED", false, segment, "SYN-RECEIVED");
    snprintf(segment, sizeof segment, "ACK seq=%u ack=%u", info->irs + 1, info->iss + 1);
    add_step(text, "ESTABLISHED", true, segment, "ESTABLISHED");
    if (info->by_cookie)
        add(text, "\n  The SYN queue was full: the SYN-ACK's sequence number is a cookie.\n");
    add(text, "\n");
}

static const char *yes(bool it_is)
{
    return it_is ? "yes" : "no";
}

static void add_state(struct text *text, const struct mytcp_conn_info *info)
{
    add(text,
        "state                 %s, opened %s\n"
        "handshake             %u us from our SYN-ACK to its ACK, %u retransmitted\n"
        "their MSS             %u (we send at most %u)\n"
        "window scale          %s (theirs %u, ours %u)\n"
        "timestamps            %s\n"
        "selective ACK         %s\n\n",
        mytcp_state_name(info->state), info->passive ? "by them" : "by us", info->handshake_us,
        info->syn_retransmits, info->peer_mss, info->snd_mss, yes(info->wscale_ok),
        info->snd_wscale, info->rcv_wscale, yes(info->timestamps_ok), yes(info->sack_ok));
    add(text,
        "SND.UNA               %u (relative %u)\n"
        "SND.NXT               %u (relative %u)\n"
        "SND.WND               %u\n"
        "RCV.NXT               %u (relative %u)\n"
        "RCV.WND               %u\n\n",
        info->snd_una, info->snd_una - info->iss, info->snd_nxt, info->snd_nxt - info->iss,
        info->snd_wnd, info->rcv_nxt, info->rcv_nxt - info->irs, info->rcv_wnd);
}

static double ms(uint64_t us)
{
    return (double)us / 1000;
}

static void add_pace(struct text *text, const struct mytcp_conn_info *info)
{
    static const char *const states[] = {"open", "disorder", "CWR", "recovery", "loss"};
    add(text,
        "round trip            %u us, varying by %u us, %u us at least\n"
        "retransmission after  %u us (backed off %u times)\n"
        "congestion window     %u bytes, slow start below %u, %s\n"
        "pacing rate           ",
        info->srtt_us, info->rttvar_us, info->min_rtt_us, info->rto_us, info->backoff, info->cwnd,
        info->ssthresh, states[info->ca_state]);
    if (info->pacing_Bps)
        add(text, "%llu bytes/s\n", (unsigned long long)info->pacing_Bps);
    else
        add(text, "none\n");
    add(text,
        "delivery rate         %llu bytes/s%s\n\n"
        "busy sending          %.3f ms, limited by\n"
        "  the application     %.3f ms\n"
        "  the peer's window   %.3f ms\n"
        "  the send buffer     %.3f ms\n"
        "  the network         %.3f ms\n\n",
        (unsigned long long)info->delivery_Bps,
        info->delivery_app_limited ? " (limited by the application)" : "", ms(info->busy_us),
        ms(info->limited_application_us), ms(info->limited_window_us), ms(info->limited_buffer_us),
        ms(info->limited_network_us));
}

static void add_counters(struct text *text, const struct http *http,
                         const struct mytcp_conn_info *info)
{
    add(text,
        "bytes received        %llu in %llu segments\n"
        "bytes sent            %llu in %llu segments\n"
        "  acknowledged        %llu\n"
        "  retransmitted       %llu\n"
        "segments sent again   %u by fast recovery, %u by timeout, %u tail-loss probes\n"
        "window probes         %u\n"
        "memory held           %u bytes\n"
        "requests              %llu\n",
        (unsigned long long)info->bytes_received, (unsigned long long)info->segments_received,
        (unsigned long long)info->bytes_sent, (unsigned long long)info->segments_sent,
        (unsigned long long)info->bytes_acked, (unsigned long long)info->bytes_retransmitted,
        info->again_fast, info->again_rto, info->again_tail, info->window_probes,
        info->memory_bytes, (unsigned long long)http->requests);
}

size_t page_write(const struct http *http, char *to, size_t size)
{
    struct text text = {.to = to, .size = size};
    struct mytcp_conn_info info;

    to[0] = '\0';
    if (mytcp_conn_info_get(http->conn.stack, http->conn.fd, &info) < 0) {
        add(&text, "no information\n");
        return text.len;
    }
    add_handshake(&text, http, &info);
    add_state(&text, &info);
    add_pace(&text, &info);
    add_counters(&text, http, &info);
    return text.len;
}
