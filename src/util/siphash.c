#include "util/siphash.h"

struct state {
    uint64_t v0, v1, v2, v3;
};

static uint64_t rotl(uint64_t x, unsigned bits) { return x << bits | x >> (64 - bits); }

/* `count` bytes, at most 8, as a little-endian number. */
static uint64_t load_le(const uint8_t *p, size_t count)
{
    uint64_t v = 0;
    for (size_t i = 0; i < count; i++)
        v |= (uint64_t)p[i] << (8 * i);
    return v;
}

static void sip_rounds(struct state *s, int count)
{
    while (count-- > 0) {
        s->v0 += s->v1;
        s->v2 += s->v3;
        s->v1 = rotl(s->v1, 13) ^ s->v0;
        s->v3 = rotl(s->v3, 16) ^ s->v2;
        s->v0 = rotl(s->v0, 32);
        s->v2 += s->v1;
        s->v0 += s->v3;
        s->v1 = rotl(s->v1, 17) ^ s->v2;
        s->v3 = rotl(s->v3, 21) ^ s->v0;
        s->v2 = rotl(s->v2, 32);
    }
}

/* The paper's initial constants: "somepseudorandomlygeneratedbytes". */
static struct state begin(const struct siphash_key *key)
{
    return (struct state){
        key->k0 ^ UINT64_C(0x736f6d6570736575),
        key->k1 ^ UINT64_C(0x646f72616e646f6d),
        key->k0 ^ UINT64_C(0x6c7967656e657261),
        key->k1 ^ UINT64_C(0x7465646279746573),
    };
}

static void compress(struct state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_rounds(s, 2);
    s->v0 ^= word;
}

/* The last word holds the bytes left over and, on top, the length modulo 256. */
static uint64_t finish(struct state *s, uint64_t rest, size_t len)
{
    compress(s, rest | (uint64_t)(len & 0xff) << 56);
    s->v2 ^= 0xff;
    sip_rounds(s, 4);
    return s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
}

struct siphash_key siphash_key_load(const uint8_t bytes[16])
{
    return (struct siphash_key){load_le(bytes, 8), load_le(bytes + 8, 8)};
}

uint64_t siphash(const struct siphash_key *key, const void *data, size_t len)
{
    const uint8_t *p = data;
    size_t left = len;
    struct state s = begin(key);
    for (; left >= 8; p += 8, left -= 8)
        compress(&s, load_le(p, 8));
    return finish(&s, load_le(p, left), len);
}

uint64_t siphash_3u32(const struct siphash_key *key, uint32_t a, uint32_t b, uint32_t c)
{
    struct state s = begin(key);
    compress(&s, (uint64_t)b << 32 | a);
    return finish(&s, c, 12);
}
