#include "stack/pmtu.h"

#include <string.h>

/* The position of dst, or p->count. */
static uint32_t find(const struct pmtu *p, ip4_addr dst)
{
    uint32_t i = 0;
    while (i < p->count && p->entries[i].dst.v != dst.v)
        i++;
    return i;
}

const struct pmtu_entry *pmtu_get(const struct pmtu *p, ip4_addr dst, uint64_t now_us)
{
    uint32_t i = find(p, dst);
    return i < p->count && now_us < p->entries[i].expires_us ? &p->entries[i] : NULL;
}

void pmtu_set(struct pmtu *p, struct mem *mem, struct pmtu_entry entry)
{
    if (!p->entries)
        p->entries = mem_alloc(mem, MEM_TABLE, PMTU_ENTRIES * sizeof *p->entries);
    if (!p->entries)
        return;
    uint32_t i = find(p, entry.dst);
    if (i == p->count) {
        if (p->count < PMTU_ENTRIES)
            p->count++;
        else
            i--; /* the last one, set longest ago */
    }
    memmove(&p->entries[1], &p->entries[0], i * sizeof *p->entries);
    p->entries[0] = entry;
}

void pmtu_free(struct pmtu *p, struct mem *mem)
{
    mem_free(mem, MEM_TABLE, p->entries, PMTU_ENTRIES * sizeof *p->entries);
    *p = (struct pmtu){0};
}
