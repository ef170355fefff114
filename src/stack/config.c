/* The configuration: defaults, names, checks. One table says all of it. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "stack/stack.h"
#include "util/bytes.h"

struct setting {
    const char *name;
    size_t offset;
    uint64_t standard, min, max;
    bool wide; /* 64 bits */
};

#define MS 1000u
#define S 1000000u
#define U32(field, standard, min, max) \
    {#field, offsetof(struct mytcp_config, field), standard, min, max, false}
#define U64(field, standard, min, max) \
    {#field, offsetof(struct mytcp_config, field), standard, min, max, true}

static const struct setting settings[] = {
    U32(prefix_len, 24, 0, 32),
    U64(memory_limit_bytes, 256u << 20, 1u << 18, UINT64_MAX),
    U32(mtu_bytes, 1500, 68, 65535),
    U32(gso_max_bytes, 0, 0, 65535),
    U32(tx_csum, 0, 0, 1),
    U32(sockets_max, 1u << FD_INDEX_BITS, 1, 1u << FD_INDEX_BITS),
    U32(somaxconn, 4096, 1, 1u << 20),
    U32(syn_queue_max, 1024, 1, 1u << 20),
    U32(syn_cookies, 1, 0, 2),
    U32(time_wait_max, 65536, 1, 1u << 24),
    U32(trace_entries, 0, 0, 1u << 20),
    U32(rcvbuf_bytes, 128u << 10, 256, 1u << 29),
    U32(rcvbuf_max_bytes, 64u << 20, 256, 1u << 29),
    U32(sndbuf_bytes, 64u << 10, 256, 1u << 29),
    U32(sndbuf_max_bytes, 64u << 20, 256, 1u << 29),
    U32(notsent_lowat_bytes, 0, 0, UINT32_MAX),
    U32(ooo_ranges_max, 32768, 1, 1u << 20),
    U32(timestamps, 1, 0, 1),
    U32(window_scaling, 1, 0, 1),
    U32(sack, 1, 0, 1),
    U32(ecn, 1, 0, 2),
    U32(msl_us, 30 * S, 1 * MS, 120 * S),
    U32(time_wait_reuse_us, 1 * S, 0, 240 * S),
    U32(rto_initial_us, 1 * S, 1 * MS, 60 * S),
    U32(rto_min_us, 200 * MS, 1 * MS, 60 * S),
    U32(rto_max_us, 120 * S, 60 * S, 600 * S),
    U32(syn_retries, 7, 0, 30),
    U32(synack_retries, 5, 0, 30),
    U32(data_retries, 15, 1, 100),
    U32(orphan_retries, 8, 1, 100),
    U32(user_timeout_us, 0, 0, UINT32_MAX),
    U32(delayed_ack_us, 40 * MS, 0, 500 * MS),
    U32(quick_acks, 16, 0, 255),
    U32(ack_every_segments, 2, 1, 64),
    U32(keepalive_idle_s, 7200, 1, 32767),
    U32(keepalive_intvl_s, 75, 1, 32767),
    U32(keepalive_probes, 9, 1, 127),
    U32(fin_wait2_us, 60 * S, 1 * MS, 3600u * S),
    U32(timestamp_clock_us, 1 * MS, 1, 1 * S),
    U32(congestion, 1, 0, 2),
    U32(initial_window_segments, 10, 1, 1000),
    U32(burst_min_segments, 2, 1, 64),
    U32(mss_min_bytes, 88, 8, 1460),
    U32(push_each_burst, 1, 0, 1),
    U32(tail_loss_probe, 1, 0, 1),
    U32(max_ack_delay_us, 50 * MS, 0, 500 * MS),
    U32(pacing, 0, 0, 1),
    U32(challenge_acks_per_s, 10, 0, 255),
    U32(rsts_per_s, 10000, 0, 100000000),
    U32(icmp_per_s, 1000, 0, 100000000),
    U32(ttl, 64, 1, 255),
    U32(reass_max_bytes, 256u << 10, 0, 1u << 30),
    U32(reass_timeout_us, 15 * S, 1 * S, 120 * S),
    U32(pmtu_min_bytes, 552, 68, 1500),
    U32(pmtu_timeout_us, 600 * S, 300 * S, UINT32_MAX),
    U32(mtu_probing, 1, 0, 2),
    U32(mtu_base_bytes, 1024, 68, 65535),
    U32(mtu_black_hole_timeouts, 2, 1, 15),
    U32(port_min, 16384, 1, 65535),
    U32(port_max, 65535, 1, 65535),
};

enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

static uint64_t get(const struct mytcp_config *c, const struct setting *t)
{
    const char *at = (const char *)c + t->offset;
    uint32_t narrow;
    uint64_t value;
    if (t->wide) {
        memcpy(&value, at, sizeof(value));
        return value;
    }
    memcpy(&narrow, at, sizeof(narrow));
    return narrow;
}

static void put(struct mytcp_config *c, const struct setting *t, uint64_t value)
{
    char *at = (char *)c + t->offset;
    uint32_t narrow = (uint32_t)value;
    if (t->wide) memcpy(at, &value, sizeof(value));
    else memcpy(at, &narrow, sizeof(narrow));
}

void mytcp_config_init(struct mytcp_config *config)
{
    memset(config, 0, sizeof(*config));
    for (unsigned i = 0; i < SETTINGS; i++) put(config, &settings[i], settings[i].standard);
}

const char *mytcp_config_name(unsigned i) { return i < SETTINGS ? settings[i].name : NULL; }

static int parse_number(const char *text, uint64_t *value)
{
    *value = 0;
    if (!*text) return EINVAL;
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return EINVAL;
        uint64_t digit = (uint64_t)(*text - '0');
        if (*value > (UINT64_MAX - digit) / 10) return ERANGE;
        *value = *value * 10 + digit;
    }
    return 0;
}

int mytcp_config_set(struct mytcp_config *config, const char *name, const char *value)
{
    if (!config || !name || !value) return fail(EINVAL);
    if (!strcmp(name, "addr")) return inet_pton(AF_INET, value, &config->addr) == 1 ? 0 : fail(EINVAL);
    for (unsigned i = 0; i < SETTINGS; i++) {
        const struct setting *t = &settings[i];
        if (strcmp(name, t->name)) continue;
        uint64_t number;
        int error = parse_number(value, &number);
        if (!error && (number < t->min || number > t->max)) error = ERANGE;
        if (error) return fail(error);
        put(config, t, number);
        return 0;
    }
    return fail(ENOENT);
}

int config_check(const struct mytcp_config *c)
{
    for (unsigned i = 0; i < SETTINGS; i++) {
        uint64_t value = get(c, &settings[i]);
        if (value < settings[i].min || value > settings[i].max) return EINVAL;
    }
    ip4_addr addr = {load_be32((const uint8_t *)&c->addr)};
    if (!ip4_is_unicast(addr) || ip4_is_broadcast_of(addr, addr, c->prefix_len)) return EINVAL;
    if (c->port_min > c->port_max) return EINVAL;
    if (!c->alloc != !c->release) return EINVAL;
    uint8_t any = 0;
    for (size_t i = 0; i < sizeof(c->entropy); i++) any |= c->entropy[i];
    return any ? 0 : EINVAL;
}

void config_params(struct tcp_params *p, const struct mytcp_config *c)
{
    *p = (struct tcp_params){
        .msl_us = c->msl_us,
        .rto_initial_us = c->rto_initial_us,
        .rto_min_us = c->rto_min_us,
        .rto_max_us = c->rto_max_us,
        .syn_retries = c->syn_retries,
        .synack_retries = c->synack_retries,
        .data_retries = c->data_retries,
        .orphan_retries = c->orphan_retries,
        .delayed_ack_us = c->delayed_ack_us,
        .quick_acks = c->quick_acks,
        .ack_every_segments = c->ack_every_segments,
        .timestamp_clock_us = c->timestamp_clock_us,
        .initial_window_segments = c->initial_window_segments,
        .burst_min_segments = c->burst_min_segments,
        .congestion = c->congestion,
        .mss_min_bytes = c->mss_min_bytes,
        .mtu_probing = c->mtu_probing,
        .mtu_base_bytes = c->mtu_base_bytes,
        .mtu_black_hole_timeouts = c->mtu_black_hole_timeouts,
        .pmtu_min_bytes = c->pmtu_min_bytes,
        .pmtu_timeout_us = c->pmtu_timeout_us < UINT32_MAX ? c->pmtu_timeout_us : UINT64_MAX,
        .challenge_acks_per_s = c->challenge_acks_per_s,
        .ooo_ranges_max = c->ooo_ranges_max,
        .rcvbuf_max_bytes = max_u32(c->rcvbuf_max_bytes, c->rcvbuf_bytes),
        .sndbuf_max_bytes = c->sndbuf_max_bytes,
        .timestamps = c->timestamps,
        .window_scaling = c->window_scaling,
        .sack = c->sack,
        .ecn = c->ecn,
        .push_each_burst = c->push_each_burst,
        .tail_loss_probe = c->tail_loss_probe,
        .max_ack_delay_us = c->max_ack_delay_us,
        .pacing = c->pacing,
    };
}

void config_options(struct tcp_options *o, const struct mytcp_config *c)
{
    *o = (struct tcp_options){
        .rcvbuf = c->rcvbuf_bytes,
        .sndbuf = c->sndbuf_bytes,
        .notsent_lowat = c->notsent_lowat_bytes,
        .user_timeout_ms = c->user_timeout_us / 1000 + !!(c->user_timeout_us % 1000),
        .fin_wait2_us = c->fin_wait2_us,
        .keep_idle_s = (uint16_t)c->keepalive_idle_s,
        .keep_intvl_s = (uint16_t)c->keepalive_intvl_s,
        .keep_probes = (uint8_t)c->keepalive_probes,
    };
}
