#include "bytes.h"

#include <netinet/in.h>

uint64_t sum_of(const void *data, size_t len)
{
    const uint8_t *p = data;
    uint64_t low = 0, high = 0, word;
    for (; len >= 8; len -= 8, p += 8) {
        memcpy(&word, p, 8);
        low += word & UINT32_MAX;
        high += word >> 32;
    }
    if (len > 0) {
        word = 0;
        memcpy(&word, p, len);
        low += word & UINT32_MAX;
        high += word >> 32;
    }
    return low + high;
}

uint64_t sum_of_pseudo(const uint8_t *ip, uint32_t len)
{
    uint8_t rest[4] = {0, ip[9], (uint8_t)(len >> 8), (uint8_t)len};
    return sum_of(ip + 12, 8) + sum_of(rest, sizeof rest);
}

uint16_t sum_fold(uint64_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

void sum_store(uint8_t *field, uint64_t sum)
{
    uint16_t folded = sum_fold(sum);
    memcpy(field, &folded, 2);
}

void sum_store_complement(uint8_t *field, uint64_t sum)
{
    sum_store(field, (uint16_t)~sum_fold(sum));
}

void ip_checksum(uint8_t *ip, size_t ip_len)
{
    put16(ip + 10, 0);
    sum_store_complement(ip + 10, sum_of(ip, ip_len));
}
