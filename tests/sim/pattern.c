#include <string.h>

#include "sim.h"

/* Eight bytes of a stream: a function of its key and their place. */
static void pattern_word(uint64_t key, uint64_t index, uint8_t out[8])
{
    uint64_t word = (key ^ index) * 0x9e3779b97f4a7c15u;
    word ^= word >> 32;
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(word >> (8 * i));
    }
}

void pattern_fill(uint64_t key, uint64_t offset, uint8_t *out, size_t len)
{
    uint8_t word[8];
    size_t done = 0;
    while (done < len && (offset + done) % 8 == 0 && len - done >= 8) {
        pattern_word(key, (offset + done) / 8, out + done);
        done += 8;
    }
    if (done == len) {
        return;
    }
    uint64_t skip = (offset + done) % 8;
    size_t n = (size_t)(8 - skip) < len - done ? (size_t)(8 - skip) : len - done;
    pattern_word(key, (offset + done) / 8, word);
    memcpy(out + done, word + skip, n);
    pattern_fill(key, offset + done + n, out + done + n, len - done - n);
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
