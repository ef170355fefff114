#include "tcp/isn.h"

#include <string.h>

#include "util/bytes.h"

static uint64_t hash_tuple(const struct siphash_key *key, const struct isn_tuple *t)
{
    uint32_t ports = (uint32_t)t->local_port << 16 | t->peer_port;
    return siphash_3u32(key, t->local.v, t->peer.v, ports);
}

static struct siphash_key derive(const uint8_t entropy[32], uint8_t purpose)
{
    struct siphash_key a = siphash_key_load(entropy);
    uint8_t message[17];
    memcpy(message, entropy + 16, 16);
    message[16] = purpose;
    uint64_t k0 = siphash(&a, message, sizeof(message));
    message[16] = (uint8_t)(purpose | 0x80);
    return (struct siphash_key){k0, siphash(&a, message, sizeof(message))};
}

void isn_keys_init(struct isn_keys *k, const uint8_t entropy[32])
{
    k->isn = derive(entropy, 1);
    k->ts = derive(entropy, 2);
    k->cookie = derive(entropy, 3);
    k->port = derive(entropy, 4);
}

seq_t isn_generate(const struct isn_keys *k, const struct isn_tuple *tuple, uint64_t now_us)
{
    return seq_of((uint32_t)hash_tuple(&k->isn, tuple) + (uint32_t)(now_us / 4));
}

uint32_t isn_ts_offset(const struct isn_keys *k, const struct isn_tuple *tuple)
{
    return (uint32_t)hash_tuple(&k->ts, tuple);
}

uint32_t isn_port_start(const struct isn_keys *k, const struct isn_tuple *tuple, uint64_t count)
{
    return (uint32_t)siphash_3u32(&k->port, tuple->peer.v, tuple->peer_port, (uint32_t)count);
}

enum { COOKIE_STEP_US = COOKIE_LIFE_US / COOKIE_AGE_MAX, COOKIE_MSS_COUNT = 8 };

static const uint16_t cookie_mss[COOKIE_MSS_COUNT] = {88, 536, 1220, 1300, 1360, 1440, 1460, 8960};

static uint32_t cookie_mac(const struct isn_keys *k, const struct isn_tuple *tuple, seq_t irs,
                           uint32_t low)
{
    uint8_t m[20];
    store_be32(m, tuple->local.v);
    store_be32(m + 4, tuple->peer.v);
    store_be16(m + 8, tuple->local_port);
    store_be16(m + 10, tuple->peer_port);
    store_be32(m + 12, irs.v);
    store_be32(m + 16, low);
    return (uint32_t)siphash(&k->cookie, m, sizeof(m)) & 0xffffff;
}

/* The 8 low bits (clock and MSS) are authenticated with the full clock, so that they cannot be replayed
 * half an hour later when the 5 bits come around. */
static seq_t cookie_at(const struct isn_keys *k, const struct isn_tuple *tuple, seq_t irs, uint32_t clock,
                       uint32_t mss_index)
{
    uint32_t low = (clock & 31) << 3 | mss_index;
    return seq_of(cookie_mac(k, tuple, irs, clock << 3 | mss_index) << 8 | low);
}

seq_t cookie_make(const struct isn_keys *k, const struct isn_tuple *tuple, seq_t irs, uint16_t peer_mss,
                  uint64_t now_us)
{
    uint32_t index = COOKIE_MSS_COUNT - 1;
    while (index && cookie_mss[index] > peer_mss) index--;
    return cookie_at(k, tuple, irs, (uint32_t)(now_us / COOKIE_STEP_US), index);
}

bool cookie_check(const struct isn_keys *k, const struct isn_tuple *tuple, seq_t irs, seq_t iss,
                  uint64_t now_us, uint16_t *peer_mss)
{
    uint32_t now = (uint32_t)(now_us / COOKIE_STEP_US), index = iss.v & 7;
    uint32_t age = (now - (iss.v >> 3)) & 31;
    if (age >= COOKIE_AGE_MAX) return false;
    *peer_mss = cookie_mss[index];
    return seq_eq(cookie_at(k, tuple, irs, now - age, index), iss);
}

enum { COOKIE_TS_BITS = 6, COOKIE_TS_SACK = 0x10, COOKIE_TS_ECN = 0x20, COOKIE_TS_NO_WSCALE = 0x0f };

uint32_t cookie_tsval(uint32_t tsval, const struct half_open *h)
{
    uint32_t options = h->wscale_ok ? h->snd_wscale : COOKIE_TS_NO_WSCALE;
    if (h->sack_ok) options |= COOKIE_TS_SACK;
    if (h->ecn_ok) options |= COOKIE_TS_ECN;
    uint32_t mixed = (tsval & ~((1u << COOKIE_TS_BITS) - 1)) | options;
    return seq_gt(seq_of(mixed), seq_of(tsval)) ? mixed - (1u << COOKIE_TS_BITS) : mixed;
}

void cookie_options(struct half_open *h, uint32_t tsecr)
{
    uint8_t scale = tsecr & 0x0f;
    h->wscale_ok = scale != COOKIE_TS_NO_WSCALE;
    h->snd_wscale = h->wscale_ok ? scale : 0;
    h->sack_ok = tsecr & COOKIE_TS_SACK;
    h->ecn_ok = tsecr & COOKIE_TS_ECN;
}
