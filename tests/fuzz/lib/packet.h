/* Packets of the peers: the next right one, deviations from it, and their way into the stack. */
#ifndef FUZZ_LIB_PACKET_H
#define FUZZ_LIB_PACKET_H

#include "fuzz/lib/world.h"

struct packet {
    uint32_t src, dst;
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window, urgent;
    uint8_t options[40], options_len;
    uint32_t len; /* of the payload */
    /* IPv4 */
    uint8_t protocol, tos, ip_options[40], ip_options_len;
    uint16_t id, fragment; /* as on the wire */
    uint16_t split;        /* payload bytes of a first fragment; 0: sent whole */
    /* what is wrong with the bytes */
    uint16_t ip_checksum_off, tcp_checksum_off;
    int32_t cut; /* bytes cut off the end; negative: padding */
    uint16_t flip_at;
    uint8_t flip;
    /* virtio-net */
    uint16_t gso_size, csum_start, csum_offset;
    uint8_t gso_type;
    bool needs_csum, csum_valid;
    bool lent; /* goes in by mytcp_input_buffer */
};

/* What an honest peer sends next: a SYN, or the answer to what it saw last with `len` bytes. */
struct packet packet_next(const struct world *w, const struct peer *p, uint32_t len, uint8_t flags);
/* Change it in a way that the input chooses. */
void packet_spoil(struct world *w, struct packet *k, const struct peer *p, struct input *in);
/* Build it and give it to the stack. */
void packet_send(struct world *w, const struct packet *k);
/* Bytes as they are, with the checksums put right if `mend`. */
void packet_send_raw(struct world *w, const uint8_t *bytes, size_t len, bool mend);
/* An ICMP message that quotes the last packet to that peer. */
void packet_send_icmp(struct world *w, const struct peer *p, struct input *in);
/* packet_next with packet_send, and the peer remembers what it has sent. */
void packet_answer(struct world *w, struct peer *p, uint32_t len, uint8_t flags);
/* As if something before the last segment were lost: its duplicate ACK, with SACK if `sack`. */
void packet_answer_loss(struct world *w, struct peer *p, bool sack);

#endif
