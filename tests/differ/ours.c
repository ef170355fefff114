/* ours.c - a script played on libmytcp, in virtual time. */
#include "differ/differ.h"

#include <string.h>

/* A packet that leaves is one for the trace. */
static void listen_until_quiet(struct play *p, uint64_t now_us)
{
    uint8_t packet[PACKET_SIZE];
    struct mytcp_tx tx;
    while (mytcp_output(p->stack, &tx, now_us) == 1) {
        size_t len = 0;
        for (int i = 0; i < tx.iovcnt && len + tx.iov[i].iov_len <= sizeof packet; i++) {
            memcpy(packet + len, tx.iov[i].iov_base, tx.iov[i].iov_len);
            len += tx.iov[i].iov_len;
        }
        play_heard(p, packet, len);
    }
}

/* Until the step's time is over, a deadline after the other. */
static void wait_out(struct play *p, uint64_t from_us)
{
    for (uint64_t at_us = from_us; at_us < p->now_us;) {
        listen_until_quiet(p, at_us);
        uint64_t deadline_us = mytcp_next_deadline(p->stack);
        at_us = deadline_us <= at_us ? at_us + 1 : deadline_us;
    }
    listen_until_quiet(p, p->now_us);
}

void ours_play(struct play *p, const struct script *script, const struct mytcp_config *given)
{
    struct mytcp_config config = *given;
    config.addr = p->self;
    memset(config.entropy, 0x5a, sizeof config.entropy);
    play_begin(p, script);
    p->stack = mytcp_create(&config, 0);
    if (p->stack == NULL) {
        fatal("no stack");
    }
    for (uint64_t from_us = 0; play_act(p); from_us = p->now_us) {
        wait_out(p, from_us);
        play_observe(p);
        const char *broken = mytcp_check(p->stack);
        if (broken != NULL) {
            fatal("%s: step %u: %s", script->name, p->step, broken);
        }
    }
    mytcp_destroy(p->stack);
    p->stack = NULL;
}
