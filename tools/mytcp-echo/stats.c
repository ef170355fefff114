/* The page at "/stats": what the stack has counted, a line "name value" each. */
#include <stddef.h>
#include <stdio.h>

#include "http.h"

#define FIELD(name)                                                                                \
    {                                                                                              \
        #name, offsetof(struct mytcp_stats, name)                                                  \
    }

static const struct {
    const char *name;
    size_t offset;
} fields[] = {
    FIELD(sockets),
    FIELD(half_open),
    FIELD(time_wait),
    FIELD(memory_bytes),
    FIELD(memory_peak_bytes),
    FIELD(memory_cached_bytes),
    FIELD(memory_refused),
    FIELD(packets_in),
    FIELD(packets_out),
    FIELD(bytes_in),
    FIELD(bytes_out),
    FIELD(segments_in),
    FIELD(segments_out),
    FIELD(opened_active),
    FIELD(opened_passive),
    FIELD(failed),
    FIELD(reset_in),
    FIELD(reset_out),
    FIELD(retransmitted_segments),
    FIELD(retransmitted_bytes),
    FIELD(rto_expired),
    FIELD(fast_recoveries),
    FIELD(challenge_acks),
    FIELD(challenge_acks_limited),
    FIELD(syn_cookies_sent),
    FIELD(syn_cookies_ok),
    FIELD(time_wait_recycled),
    FIELD(time_wait_reused),
};

size_t stats_write(const struct http *http, char *to, size_t size)
{
    struct mytcp_stats stats;
    size_t len = 0;

    to[0] = '\0';
    if (mytcp_stats_get(http->conn.stack, &stats) < 0)
        return 0;
    for (size_t i = 0; i < sizeof fields / sizeof fields[0] && len < size; i++) {
        const uint64_t *value = (const uint64_t *)((const char *)&stats + fields[i].offset);
        len += (size_t)snprintf(to + len, size - len, "%s %llu\n", fields[i].name,
                                (unsigned long long)*value);
    }
    for (unsigned i = 1; i < MYTCP_DROPS_MAX && len < size; i++)
        if (stats.drops[i] != 0)
            len += (size_t)snprintf(to + len, size - len, "drop %s %llu\n", mytcp_drop_name(i),
                                    (unsigned long long)stats.drops[i]);
    return len < size ? len : size - 1;
}
