#include "stats.h"

#include <inttypes.h>
#include <string.h>

static void item(FILE *to, const char *what, uint64_t n)
{
    if (n > 0)
        fprintf(to, ", %" PRIu64 " %s", n, what);
}

static void print_way(FILE *to, const struct way *way, const char *name)
{
    const struct way_stats *s = &way->stats;

    fprintf(to, "%s  in  %" PRIu64 " packets, %" PRIu64 " bytes (%" PRIu64 " reads)", name,
            s->packets_in, s->bytes_in, s->frames_in);
    item(to, "lost", s->lost);
    item(to, "dropped by the queue", s->dropped_queue);
    item(to, "dropped for want of memory", s->dropped_memory);
    item(to, "marked", s->marked);
    item(to, "reordered", s->reordered);
    item(to, "duplicated", s->duplicated);
    item(to, "reads not understood", s->frames_bad);
    fprintf(to, "\n        out %" PRIu64 " packets, %" PRIu64 " bytes (%" PRIu64 " writes)",
            s->packets_out, s->bytes_out, s->bursts_out);
    item(to, "not taken", s->dropped_end);
    item(to, "under way", way->heap.count);
    fprintf(to, "\n        queue at most %" PRIu64 " bytes; late by at most %" PRIu64
                " us (99 %%: %" PRIu64 " us, half: %" PRIu64 " us)\n",
            way->queue.bytes_peak, s->late_max_ns / 1000, way_late_ns(s, 0.99) / 1000,
            way_late_ns(s, 0.5) / 1000);
}

void stats_print(FILE *to, const struct way ways[2], const struct end ends[2])
{
    print_way(to, &ways[0], "a -> b");
    print_way(to, &ways[1], "b -> a");
    for (int i = 0; i < 2; i++)
        if (ends[i].write_errors > 0)
            fprintf(to, "%s: %" PRIu64 " writes failed, the last with: %s\n", ends[i].name,
                    ends[i].write_errors, strerror(ends[i].last_errno));
    fflush(to);
}
