#include <endian.h>
#include <string.h>

#include "sim.h"

/* Eight bytes of a stream: a function of its key and their place. */
static uint64_t pattern_word(uint64_t key, uint64_t index)
{
    uint64_t word = (key ^ index) * 0x9e3779b97f4a7c15u;
    return htole64(word ^ word >> 32);
}

static size_t pattern_part(uint64_t key, uint64_t offset, uint8_t *out, size_t len)
{
    uint64_t word = pattern_word(key, offset / 8);
    size_t skip = (size_t)(offset % 8), n = 8 - skip < len ? 8 - skip : len;
    memcpy(out, (const uint8_t *)&word + skip, n);
    return n;
}

void pattern_fill(uint64_t key, uint64_t offset, uint8_t *out, size_t len)
{
    size_t done = offset % 8 != 0 ? pattern_part(key, offset, out, len) : 0;
    for (; len - done >= 8; done += 8) {
        uint64_t word = pattern_word(key, (offset + done) / 8);
        memcpy(out + done, &word, sizeof(word));
    }
    if (done != len) {
        pattern_part(key, offset + done, out + done, len - done);
    }
}

size_t pattern_check(struct world *w, uint64_t key, uint64_t offset, const uint8_t *data,
                     size_t len)
{
    pattern_fill(key, offset, w->expected, len);
    if (memcmp(w->expected, data, len) == 0) {
        return len;
    }
    size_t i = 0;
    while (w->expected[i] == data[i]) {
        i++;
    }
    return i;
}
