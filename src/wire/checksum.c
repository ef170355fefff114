#include "wire/checksum.h"

#include <string.h>

#include "util/bytes.h"

/* Ones' complement addition: the carry comes in again at the other end. 2^64 - 1 is a multiple of
 * 2^16 - 1, so words of 64 bits may be summed in place of words of 16. */
static inline uint64_t add(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

static inline uint64_t load(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, sizeof word);
    return word;
}

static inline uint16_t fold(uint64_t sum)
{
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)sum;
}

/* The last 0 to 7 bytes, padded with a zero to whole 16-bit words. */
static uint64_t sum_rest(const uint8_t *p, size_t len)
{
    uint64_t sum = 0;
    if (len & 4) {
        uint32_t word;
        memcpy(&word, p, sizeof word);
        sum += word;
        p += 4;
    }
    if (len & 2) {
        uint16_t word;
        memcpy(&word, p, sizeof word);
        sum += word;
        p += 2;
    }
    if (len & 1) {
        uint16_t word;
        memcpy(&word, (const uint8_t[2]){*p, 0}, sizeof word);
        sum += word;
    }
    return sum;
}

/* Four sums side by side, since each addition of one has to wait for its last carry. */
static uint64_t sum_bytes(const uint8_t *p, size_t len)
{
    uint64_t a = 0, b = 0, c = 0, d = 0;
    for (; len >= 64; p += 64, len -= 64) {
        a = add(add(a, load(p)), load(p + 32));
        b = add(add(b, load(p + 8)), load(p + 40));
        c = add(add(c, load(p + 16)), load(p + 48));
        d = add(add(d, load(p + 24)), load(p + 56));
    }
    for (; len >= 8; p += 8, len -= 8)
        a = add(a, load(p));
    return add(add(add(a, b), add(c, d)), sum_rest(p, len));
}

void checksum_add(struct checksum *c, const void *data, size_t len)
{
    if (len == 0)
        return;
    uint16_t sum = fold(sum_bytes(data, len));
    if (c->len % 2) /* its bytes stand in the other halves of the words */
        sum = (uint16_t)(sum << 8 | sum >> 8);
    c->sum += sum;
    c->len += len;
}

void checksum_add_pseudo(struct checksum *c, ip4_addr src, ip4_addr dst, uint8_t protocol,
                         uint32_t len)
{
    uint8_t pseudo[12];
    store_be32(pseudo, src.v);
    store_be32(pseudo + 4, dst.v);
    store_be32(pseudo + 8, (uint32_t)protocol << 16 | (len & 0xffff));
    checksum_add(c, pseudo, sizeof pseudo);
}

uint16_t checksum_fold(const struct checksum *c)
{
    uint16_t sum = fold(c->sum);
    uint8_t bytes[2];
    memcpy(bytes, &sum, sizeof sum);
    return load_be16(bytes);
}
