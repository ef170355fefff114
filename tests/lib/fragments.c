#include "lib/fragments.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/exact.h"
#include "util/bytes.h"
#include "wire/checksum.h"

uint8_t fragments_content[65536 + 2000];

int fragments_set_up(void **state)
{
    struct fragments *w = calloc(1, sizeof *w);
    if (!w)
        return -1;
    uint32_t seed = 1;
    for (size_t i = 0; i < sizeof fragments_content; i++)
        fragments_content[i] = (uint8_t)(random_next(&seed) >> 8);
    fragments_content[12] = 0x50; /* a TCP header's data offset */
    mem_init(&w->mem, NULL, NULL, NULL, 1 << 20);
    reass_init(&w->reass, &w->mem, MAX_BYTES, TIMEOUT);
    w->now_us = T0;
    w->src = A;
    w->dst = B;
    w->id = 7;
    w->protocol = IP4_PROTO_UDP;
    w->bytes = fragments_content;
    *state = w;
    return 0;
}

int fragments_tear_down(void **state)
{
    struct fragments *w = *state;
    reass_free(&w->reass);
    int bad = w->mem.used != 0 || w->reass.used_bytes != 0 || w->reass.count != 0;
    free(w);
    return bad;
}

enum drop_reason give(struct fragments *w, unsigned offset, unsigned len, bool more)
{
    unsigned header_len = IP4_HEADER_LEN + w->options_len;
    uint8_t *packet = malloc(header_len + len);
    assert_non_null(packet);
    memset(packet, 1, header_len);
    ip4_build(packet, w->src, w->dst, w->protocol, 64, w->tos, (uint16_t)(header_len + len));
    packet[0] = (uint8_t)(4 << 4 | header_len / 4);
    store_be16(packet + 4, w->id);
    store_be16(packet + 6, (uint16_t)(offset / 8 | (more ? 0x2000u : 0)));
    store_be16(packet + 10, 0);
    struct checksum c = checksum_start();
    checksum_add(&c, packet, header_len);
    store_be16(packet + 10, checksum_field(&c));
    if (len)
        memcpy(packet + header_len, w->bytes + (w->bytes == fragments_content ? offset : 0), len);

    struct ip4_header h;
    assert_int_equal(ip4_parse(&h, packet, header_len + len), DROP_NONE);
    enum drop_reason why =
        reass_input(&w->reass, &h, packet, w->now_us, &w->datagram, &w->len, &w->complete);
    memset(packet, 0xdd, header_len + len);
    free(packet);
    assert_int_equal(w->mem.used, w->reass.used_bytes);
    assert_int_equal(w->mem.by_kind[MEM_REASS], w->reass.used_bytes);
    assert_true(w->reass.used_bytes <= w->reass.max_bytes);
    assert_true(w->reass.count <= REASS_DATAGRAMS);
    if (why)
        assert_false(w->complete);
    return why;
}

void assert_waits(struct fragments *w, unsigned offset, unsigned len, bool more)
{
    assert_int_equal(give(w, offset, len, more), DROP_NONE);
    assert_false(w->complete);
}

void assert_whole(struct fragments *w, size_t payload_len)
{
    struct ip4_header h;
    assert_true(w->complete);
    assert_int_equal(w->len, IP4_HEADER_LEN + payload_len);
    assert_int_equal(ip4_parse(&h, w->datagram, w->len), DROP_NONE);
    assert_int_equal(h.header_len, IP4_HEADER_LEN);
    assert_int_equal(h.total_len, w->len);
    assert_int_equal(h.src.v, w->src.v);
    assert_int_equal(h.dst.v, w->dst.v);
    assert_int_equal(h.id, w->id);
    assert_int_equal(h.protocol, w->protocol);
    assert_false(h.more_fragments);
    assert_int_equal(h.frag_offset, 0);
    assert_memory_equal(w->datagram + IP4_HEADER_LEN, fragments_content, payload_len);
}

void assert_completes(struct fragments *w, unsigned offset, unsigned len, bool more, size_t whole)
{
    assert_int_equal(give(w, offset, len, more), DROP_NONE);
    assert_whole(w, whole);
}

