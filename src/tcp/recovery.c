#include "tcp/recovery.h"

#include <string.h>

#include "util/bytes.h"

struct sack_board {
    uint32_t bytes; /* in all ranges */
    uint16_t count, cap;
    struct sack_block range[]; /* ascending, neither touching nor overlapping */
};

static size_t board_size(uint32_t cap)
{
    return sizeof(struct sack_board) + cap * sizeof(struct sack_block);
}

void recovery_init(struct recovery *r, seq_t iss)
{
    *r = (struct recovery){.recover = iss, .rtx_next = iss, .lost_end = iss};
}

void recovery_free(struct recovery *r, struct mem *mem)
{
    if (r->board) mem_free(mem, MEM_SEND, r->board, board_size(r->board->cap));
    r->board = NULL;
}

/* The first range whose end is at or after `s`. */
static uint32_t board_find(const struct sack_board *b, seq_t s)
{
    uint32_t low = 0, high = b->count;
    while (low < high) {
        uint32_t middle = (low + high) / 2;
        if (seq_lt(b->range[middle].end, s)) low = middle + 1;
        else high = middle;
    }
    return low;
}

/* Room for one more range; false if there is no memory or the bound is reached. */
static bool board_grow(struct recovery *r, struct mem *mem)
{
    struct sack_board *old = r->board;
    if (old && old->count < old->cap) return true;
    uint32_t cap = old ? old->cap * 2u : 4;
    if (cap > RECOVERY_RANGES_MAX) return false;
    struct sack_board *b = mem_alloc(mem, MEM_SEND, board_size(cap));
    if (!b) return false;
    b->cap = (uint16_t)cap;
    b->count = old ? old->count : 0;
    b->bytes = old ? old->bytes : 0;
    if (old) memcpy(b->range, old->range, old->count * sizeof(old->range[0]));
    recovery_free(r, mem);
    r->board = b;
    return true;
}

/* Add [start, end), merging what it touches. True if any byte of it is new. */
static bool board_add(struct recovery *r, struct mem *mem, struct sack_block block)
{
    if (!r->board && !board_grow(r, mem)) return false;
    uint32_t first = board_find(r->board, block.start), last = first;
    struct sack_block merged = block;
    uint32_t known = 0;
    while (last < r->board->count && seq_leq(r->board->range[last].start, block.end)) {
        struct sack_block *x = &r->board->range[last++];
        merged.start = seq_min(merged.start, x->start);
        merged.end = seq_max(merged.end, x->end);
        known += seq_len(x->start, x->end);
    }
    if (first == last && !board_grow(r, mem)) return false;
    struct sack_board *b = r->board;
    uint32_t added = seq_len(merged.start, merged.end) - known;
    memmove(&b->range[first + 1], &b->range[last], (b->count - last) * sizeof(b->range[0]));
    b->range[first] = merged;
    b->count = (uint16_t)(b->count + 1 - (last - first));
    b->bytes += added;
    return added > 0;
}

bool recovery_sack(struct recovery *r, struct mem *mem, seq_t una, seq_t nxt,
                   const struct sack_block *blocks, unsigned count)
{
    bool news = false;
    for (unsigned i = 0; i < count; i++) {
        struct sack_block s = blocks[i];
        if (seq_leq(s.start, una) || seq_geq(s.start, nxt)) continue;
        if (seq_leq(s.end, s.start) || seq_gt(s.end, nxt)) continue;
        news |= board_add(r, mem, s);
    }
    return news;
}

void recovery_dupack(struct recovery *r, seq_t una, seq_t nxt, uint32_t mss)
{
    if (r->dupacks < UINT16_MAX) r->dupacks++;
    /* After a timeout they echo what was in flight before it: no reason to send more. */
    if (r->mode == RECOVERY_RTO) return;
    /* Forged duplicates inflate no further than what was in flight when the episode began. */
    uint32_t flight = seq_len(una, r->mode == RECOVERY_FAST ? r->recover : nxt);
    r->dup_bytes = max_u32(r->dup_bytes, min_u32(r->dup_bytes + mss, flight > mss ? flight - mss : 0));
}

/* RFC 6675 IsLost: bytes below the returned point have DupThresh ranges, or more than
 * (DupThresh - 1) * MSS SACKed bytes above them. */
static seq_t board_lost_end(const struct sack_board *b, seq_t una, uint32_t mss)
{
    uint32_t above = 0;
    for (uint32_t i = b->count, ranges = 1; i-- > 0; ranges++) {
        above += seq_len(b->range[i].start, b->range[i].end);
        if (ranges >= RECOVERY_DUPTHRESH || above > (RECOVERY_DUPTHRESH - 1) * mss)
            return b->range[i].start;
    }
    return una;
}

bool recovery_detect(struct recovery *r, seq_t una, seq_t nxt, uint32_t mss, bool sack_ok)
{
    bool lost = r->dupacks >= RECOVERY_DUPTHRESH;
    if (sack_ok && r->board) {
        seq_t end = board_lost_end(r->board, una, mss);
        lost = lost || seq_gt(end, una);
        if (r->mode == RECOVERY_FAST) r->lost_end = seq_max(r->lost_end, end);
    }
    /* RFC 6582 3.2 step 2, RFC 6675 5: not again for what was in flight when the last episode began.
     * Right at its end only SACK tells a new loss from echoes of the old one. */
    bool past = sack_ok ? seq_geq(una, r->recover) : seq_gt(una, r->recover);
    return lost && r->mode == RECOVERY_NONE && past && seq_lt(una, nxt);
}

void recovery_enter_fast(struct recovery *r, seq_t una, seq_t nxt, uint32_t mss, bool sack_ok)
{
    r->mode = RECOVERY_FAST;
    r->recover = nxt;
    r->rtx_next = una;
    r->lost_end = seq_min(seq_add(una, mss), nxt);
    if (sack_ok && r->board) {
        r->lost_end = seq_max(r->lost_end, board_lost_end(r->board, una, mss));
        r->dup_bytes = 0;
    }
    r->force = true;
}

void recovery_enter_rto(struct recovery *r, struct mem *mem, seq_t una, seq_t nxt)
{
    if (r->board && seq_leq(r->board->range[0].start, una)) recovery_free(r, mem);
    r->mode = RECOVERY_RTO;
    r->recover = nxt;
    r->rtx_next = una;
    r->lost_end = nxt;
    r->dupacks = 0;
    r->dup_bytes = 0;
    r->force = true;
}

static void board_trim(struct recovery *r, struct mem *mem, seq_t una)
{
    struct sack_board *b = r->board;
    uint32_t gone = 0;
    while (gone < b->count && seq_leq(b->range[gone].end, una)) {
        b->bytes -= seq_len(b->range[gone].start, b->range[gone].end);
        gone++;
    }
    b->count = (uint16_t)(b->count - gone);
    memmove(b->range, b->range + gone, b->count * sizeof(b->range[0]));
    if (!b->count) recovery_free(r, mem);
    else if (seq_lt(b->range[0].start, una)) { /* acknowledged inside of a range: it was not all there */
        b->bytes -= seq_len(b->range[0].start, una);
        b->range[0].start = una;
    }
}

bool recovery_ack(struct recovery *r, struct mem *mem, seq_t una, seq_t nxt, uint32_t acked,
                  uint32_t mss, bool sack_ok)
{
    if (r->board) board_trim(r, mem, una);
    r->dupacks = 0;
    if (r->mode == RECOVERY_NONE || seq_geq(una, r->recover)) {
        bool ended = r->mode != RECOVERY_NONE;
        r->mode = RECOVERY_NONE;
        r->rtx_next = r->lost_end = una;
        /* keep recover just below una: far-away values would wrap around in comparisons */
        if (!ended) r->recover = seq_sub(una, 1);
        r->dup_bytes = 0;
        r->force = false;
        return ended;
    }
    r->rtx_next = seq_max(r->rtx_next, una);
    r->lost_end = seq_max(r->lost_end, una);
    if (r->mode == RECOVERY_FAST && !sack_ok) { /* partial ACK: the next hole starts here (RFC 6582 5) */
        r->rtx_next = una;
        r->lost_end = seq_min(seq_add(una, mss), nxt);
        uint32_t deflate = acked > mss ? acked - mss : 0;
        r->dup_bytes -= min_u32(r->dup_bytes, deflate);
        r->force = true;
    } else if (r->mode == RECOVERY_FAST && seq_eq(r->lost_end, una) && seq_eq(r->rtx_next, una)) {
        r->lost_end = seq_min(seq_add(una, mss), nxt); /* likewise when SACK says nothing of it */
    }
    return false;
}

/* Unsacked bytes in [from, to). */
static uint32_t board_unsacked(const struct sack_board *b, seq_t from, seq_t to)
{
    if (seq_geq(from, to)) return 0;
    uint32_t bytes = seq_len(from, to);
    if (!b) return bytes;
    for (uint32_t i = board_find(b, from); i < b->count && seq_lt(b->range[i].start, to); i++) {
        seq_t start = seq_max(b->range[i].start, from), end = seq_min(b->range[i].end, to);
        if (seq_lt(start, end)) bytes -= seq_len(start, end);
    }
    return bytes;
}

uint32_t recovery_sacked(const struct recovery *r) { return r->board ? r->board->bytes : 0; }

uint32_t recovery_pipe(const struct recovery *r, seq_t una, seq_t nxt)
{
    uint32_t flight = seq_len(una, nxt);
    if (r->mode == RECOVERY_NONE && !r->board && !r->dup_bytes) return flight;
    uint32_t gone = recovery_sacked(r) + r->dup_bytes;
    if (r->mode != RECOVERY_NONE)
        gone += board_unsacked(r->board, seq_max(una, r->rtx_next), r->lost_end);
    return flight > gone ? flight - gone : 0;
}

bool recovery_next(const struct recovery *r, seq_t una, seq_t *start, uint32_t *len)
{
    if (r->mode == RECOVERY_NONE) return false;
    seq_t s = seq_max(una, r->rtx_next), end = r->lost_end;
    if (r->board) {
        uint32_t i = board_find(r->board, s);
        /* ranges do not touch, so one step is enough */
        if (i < r->board->count && seq_leq(r->board->range[i].start, s)) s = r->board->range[i++].end;
        if (i < r->board->count) end = seq_min(end, r->board->range[i].start);
    }
    if (seq_geq(s, end)) return false;
    *start = s;
    *len = seq_len(s, end);
    return true;
}

void recovery_sent(struct recovery *r, seq_t end)
{
    r->rtx_next = seq_max(r->rtx_next, end);
    r->force = false;
}

const char *recovery_check(const struct recovery *r, seq_t una, seq_t nxt)
{
    if (r->mode != RECOVERY_NONE && (seq_lt(r->lost_end, una) || seq_gt(r->lost_end, nxt)))
        return "recovery: lost_end outside of [una, nxt]";
    if (!r->board) return NULL;
    const struct sack_board *b = r->board;
    uint32_t bytes = 0;
    if (!b->count || b->count > b->cap) return "recovery: an empty or overfull scoreboard";
    for (uint32_t i = 0; i < b->count; i++) {
        if (seq_geq(b->range[i].start, b->range[i].end)) return "recovery: an empty SACK range";
        if (i && seq_leq(b->range[i].start, b->range[i - 1].end)) return "recovery: SACK ranges touch";
        bytes += seq_len(b->range[i].start, b->range[i].end);
    }
    if (seq_lt(b->range[0].start, una) || seq_gt(b->range[b->count - 1].end, nxt))
        return "recovery: SACK ranges outside of [una, nxt]";
    return bytes == b->bytes ? NULL : "recovery: SACKed bytes miscounted";
}
