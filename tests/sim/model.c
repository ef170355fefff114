/*
 * What a path should carry: the window laws of the standards, round by round, on a fluid link.
 *
 * A round sends one window, in whole segments (in pairs, if it has more than a dozen), and lasts the round trip or the time
 * the link needs for the window, whatever
 * is longer. The window begins at 10 (RFC 6928) and doubles until a loss (RFC 5681 3.1). A loss comes when
 * the window exceeds what path and queue hold; in slow start when half of it exceeds the queue, since two packets go
 * for each ACK, and ACKs come at the rate of the link; and with each 1/p-th packet, as in the derivation of the
 * response functions: the mean of what chance does. Reno then halves and adds one a round (whence
 * sqrt(3/2p)); CUBIC goes to 0.7 and follows the larger of RFC 9438's cubic and its Reno-friendly line
 * (whence 1.054 (RTT/p)^0.75). The round after a loss sends it again, and the window does not grow in it.
 * Where ACKs are delayed, half the rounds that do not fill the link leave an odd segment behind, whose ACK
 * waits for the delayed-ACK time or for the next round. There is no timeout and no other delay: lost ACKs and bursts
 * within a round cost nothing. Nor does reordering by itself. But a packet that comes late behind a
 * retransmission that filled a hole is older than TS.Recent, and PAWS drops it (RFC 7323 5.3): one more loss, when
 * the mean of their number has added up to one.
 *
 * BBR doubles in the same way until the path is full, and from then on has the rate of the link,
 * less its margin of 1 % (draft-ietf-ccwg-bbr 5.6.2). With loss below 2 % it cruises for 63 rounds,
 * 2.5 s, or as many rounds as the path holds packets (5.3.3.8), and each of them is bounded by the
 * best that the one before it delivered (5.5.10.3): of its windows the luckiest loses less than the
 * mean by about a standard deviation.
 */
#include <math.h>
#include <string.h>

#include "path.h"

struct sender {
    bool cubic;
    double w, ssthresh;             /* packets */
    double w_max, prior, k_s, epoch_s, friendly;
};

static const double C = 0.4, BETA = 0.7, ALPHA = 3 * (1 - 0.7) / (1 + 0.7), FIRST_WINDOW = 10;
static const double DELAYED_ACK_S = 0.04, TICK_MS = 1, PAIRS_FROM = 14;

static void reduce(struct sender *s)
{
    if (!s->cubic) {
        s->w = s->ssthresh = s->w / 2 < 2 ? 2 : s->w / 2;
        return;
    }
    s->prior = s->w;
    s->w_max = s->w < s->w_max ? s->w * (1 + BETA) / 2 : s->w;
    s->w = s->ssthresh = s->w * BETA < 2 ? 2 : s->w * BETA;
    s->k_s = cbrt((s->w_max > s->w ? s->w_max - s->w : 0) / C);
    s->friendly = s->w;
}

static void grow(struct sender *s, double now_s, double round_s)
{
    if (s->w < s->ssthresh) {
        s->w = 2 * s->w > s->ssthresh ? s->ssthresh : 2 * s->w;
        return;
    }
    if (!s->cubic) {
        s->w += 1;
        return;
    }
    double t = now_s + round_s - s->epoch_s - s->k_s;
    double target = C * t * t * t + s->w_max;
    s->friendly += s->friendly < s->prior ? ALPHA : 1; /* RFC 9438 4.3 */
    target = target > 1.5 * s->w ? 1.5 * s->w : target;
    target = target < s->friendly ? s->friendly : target;
    s->w = target > s->w ? target : s->w;
}

/* What BBR has of the link's rate once it has found it. */
static double bbr_share(double held, double rtt_s, double loss)
{
    double rounds = fmin(fmin(63, held), 2.5 / rtt_s), lost = loss * held;
    double kept = 1 - fmax(0, lost - sqrt(lost)) / held;
    double cruise = kept < 1 ? (1 - pow(kept, rounds)) / (1 - kept) / rounds : 1;
    return 0.99 * (1 - loss) * cruise * (1 - 0.1 * 2 / (rounds + 5)); /* DOWN, at 0.9: two rounds of a cycle */
}

static double bbr_kbit(const struct path *p, double rate, double held, double rtt_s)
{
    double left = (double)p->bytes / PATH_PAYLOAD_BYTES, now_s = 1.5 * rtt_s;
    double share = bbr_share(held, rtt_s, p->loss_pct / 100);
    for (double w = FIRST_WINDOW; w < held && left > w; w *= 2) {
        left -= w;
        now_s += rtt_s;
    }
    return (double)p->bytes * 8e-3 / (now_s + left / (rate * share) + rtt_s / 2);
}

/* Packets that PAWS drops in a round that sends `again` packets again, spread over it. */
static double paws_drops(const struct path *p, double carried, double round_s, double again)
{
    double late_ms = p->reorder ? path_late_ms(p) : 0, overtaken = again * carried * late_ms / 1e3 / round_s;
    double older = late_ms < TICK_MS ? late_ms / TICK_MS : 1; /* by a tick of the clock at least */
    return PATH_REORDER_SHARE * older * (overtaken < carried ? overtaken : carried);
}

double model_kbit(const struct path *p)
{
    double rate = p->rate_mbit * 1e6 / 8 / PATH_WIRE_BYTES; /* packets/s */
    double rtt_s = p->rtt_ms / 1e3 + 1 / rate, held = rate * rtt_s;
    if (strcmp(p->cc, "bbr") == 0) return bbr_kbit(p, rate, held, rtt_s);
    double room = held + path_queue_bytes(p) / PATH_WIRE_BYTES;
    double ack_s = p->bare ? 0 : (DELAYED_ACK_S < rtt_s / 2 ? DELAYED_ACK_S : rtt_s / 2) / 2;
    double left = (double)p->bytes / PATH_PAYLOAD_BYTES, since = 0, again = 0, paws = 0, loss = p->loss_pct / 100, events = path_loss_events(p);
    double now_s = 1.5 * rtt_s; /* the handshake, until the server has the ACK */
    struct sender s = {.cubic = strcmp(p->cc, "cubic") == 0, .w = FIRST_WINDOW, .ssthresh = 1e12};
    bool recovering = false;
    while (left > s.w) {
        double carried = floor(s.w < room ? s.w : room);
        carried -= s.w >= PAIRS_FROM ? fmod(carried, 2) : 0;
        double round_s = carried > held ? carried / rate : rtt_s + ack_s;
        left -= carried * (1 - loss);
        since += carried;
        paws += recovering ? paws_drops(p, carried, round_s, again) : 0;
        double over = s.w > room ? s.w - room : s.w < s.ssthresh ? s.w / 2 - (room - held) : 0;
        if (over > 0 && s.w <= room) {
            s.w = fmin(2 * s.w, room); /* so far it has grown when that is seen */
        }
        bool lost = events > 0 && since >= 1 / events;
        since -= lost ? 1 / events : 0; /* chance does not wait for a queue to overflow */
        if (over > 0 || paws >= 1 || lost) {
            again = over > 0 ? over + 1 : 1;
            paws = paws >= 1 ? 0 : paws;
            reduce(&s);
            recovering = true;
        } else if (!recovering) {
            grow(&s, now_s, round_s);
        } else {
            recovering = false;
            s.epoch_s = now_s + round_s; /* RFC 9438 4.2: congestion avoidance begins */
        }
        now_s += round_s;
    }
    now_s += left / rate + rtt_s / 2;
    return (double)p->bytes * 8e-3 / now_s;
}
