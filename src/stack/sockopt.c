/* Socket options (socket(7), tcp(7)): one table of integers, and the few that are structures. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/ip.h>
#include <string.h>
#include <sys/time.h>

#include "stack/stack.h"
#include "util/bytes.h"

enum { BUFFER_MIN = 256, MAXSEG_MIN = 88, MAXSEG_MAX = 32767 };
enum { KEEP_S_MAX = 32767, KEEP_COUNT_MAX = 127, LINGER2_MAX_S = 120 };

/* ---- the integers: each reads or writes one int ---- */

struct option {
    int level, name;
    int (*get)(const struct mytcp_stack *s, const struct sock *k);
    int (*set)(struct mytcp_stack *s, struct sock *k, int v); /* NULL: read-only. 0 or -errno */
};

#define FLAG_GET(fn, flag) \
    static int fn(const struct mytcp_stack *s, const struct sock *k) { (void)s; return !!(k->flags & (flag)); }
#define TCB_GET(fn, expression) \
    static int fn(const struct mytcp_stack *s, const struct sock *k) { (void)s; (void)k; return (int)(expression); }

static int clamp(int v, uint32_t low, uint32_t high)
{
    return v < 0 ? (int)high : (int)min_u32(max_u32((uint32_t)v, low), high);
}

static void set_flag(struct sock *k, uint16_t flag, int v)
{
    k->flags = (uint16_t)(v ? k->flags | flag : k->flags & ~flag);
}

static int seconds(int v, uint32_t max) { return v < 1 || (uint32_t)v > max ? -EINVAL : v; }

FLAG_GET(get_reuse, SOCK_REUSE)
FLAG_GET(get_oobinline, SOCK_OOBINLINE)
TCB_GET(get_keepalive, k->tcb.opt.keepalive)
TCB_GET(get_rcvbuf, k->tcb.opt.rcvbuf)
TCB_GET(get_sndbuf, k->tcb.opt.sndbuf)
TCB_GET(get_rcvlowat, k->cold && k->cold->rcvlowat ? k->cold->rcvlowat : 1)
TCB_GET(get_type, SOCK_STREAM)
TCB_GET(get_domain, AF_INET)
TCB_GET(get_protocol, IPPROTO_TCP)
TCB_GET(get_accepting, k->listener != NULL)
TCB_GET(get_nodelay, k->tcb.opt.nodelay)
TCB_GET(get_cork, k->tcb.opt.cork)
TCB_GET(get_keepidle, k->tcb.opt.keep_idle_s)
TCB_GET(get_keepintvl, k->tcb.opt.keep_intvl_s)
TCB_GET(get_keepcnt, k->tcb.opt.keep_probes)
TCB_GET(get_linger2, k->tcb.opt.fin_wait2_us ? (int)(k->tcb.opt.fin_wait2_us / 1000000) : -1)
TCB_GET(get_syncnt, k->tcb.opt.syn_count ? k->tcb.opt.syn_count : s->config.syn_retries)
TCB_GET(get_defer, k->cold ? k->cold->defer_accept_s : 0)
TCB_GET(get_clamp, k->tcb.opt.window_clamp)
TCB_GET(get_quickack, k->tcb.quick != 0)
TCB_GET(get_user_timeout, k->tcb.opt.user_timeout_ms)
TCB_GET(get_lowat, k->tcb.opt.notsent_lowat)
TCB_GET(get_tos, k->tcb.opt.tos)

static int get_maxseg(const struct mytcp_stack *s, const struct sock *k)
{
    const struct tcb *t = &k->tcb;
    if (t->state == ST_CLOSED || t->state == ST_LISTEN) return t->opt.maxseg ? t->opt.maxseg : 536;
    return (int)tcb_snd_mss(t, &s->env, tcb_option_bytes(t));
}

static int set_reuse(struct mytcp_stack *s, struct sock *k, int v)
{
    struct port *p = k->flags & SOCK_BOUND ? port_find(s, k->active.node.local_port) : NULL;
    bool strict = !v;
    if (p && k->active.node.strict != strict) {
        p->strict = strict ? p->strict + 1 : p->strict - 1;
        k->active.node.strict = strict;
    }
    set_flag(k, SOCK_REUSE, v);
    return 0;
}

static int set_oobinline(struct mytcp_stack *s, struct sock *k, int v)
{
    (void)s;
    set_flag(k, SOCK_OOBINLINE, v); /* data is in line either way (RFC 6093) */
    return 0;
}

static int set_keepalive(struct mytcp_stack *s, struct sock *k, int v)
{
    bool timer_is_ours = k->tcb.opt.keepalive;
    k->tcb.opt.keepalive = v != 0;
    if (v) tcb_arm_keepalive(&k->tcb, &s->env);
    else if (timer_is_ours) k->tcb.keep_at_us = TIME_NEVER;
    return 0;
}

static int set_rcvbuf(struct mytcp_stack *s, struct sock *k, int v)
{
    k->tcb.opt.rcvbuf = (uint32_t)clamp(v, BUFFER_MIN, s->config.rcvbuf_max_bytes);
    k->tcb.opt.rcvbuf_fixed = true;
    tcp_user_received(&k->tcb, &s->env); /* more room may be worth telling */
    return 0;
}

static int set_sndbuf(struct mytcp_stack *s, struct sock *k, int v)
{
    k->tcb.opt.sndbuf = (uint32_t)clamp(v, BUFFER_MIN, s->config.sndbuf_max_bytes);
    k->tcb.opt.sndbuf_fixed = true;
    k->tcb.event |= EVENT_WRITABLE;
    return 0;
}

static int set_rcvlowat(struct mytcp_stack *s, struct sock *k, int v)
{
    if (!sock_cold(s, k)) return -ENOBUFS;
    k->cold->rcvlowat = (uint32_t)clamp(v, 1, s->config.rcvbuf_max_bytes);
    k->tcb.event |= EVENT_READABLE; /* what is there may be enough now */
    return 0;
}

static int set_nodelay(struct mytcp_stack *s, struct sock *k, int v)
{
    (void)s;
    k->tcb.opt.nodelay = v != 0;
    if (v) k->tcb.mark |= MARK_LOOK;
    return 0;
}

static int set_cork(struct mytcp_stack *s, struct sock *k, int v)
{
    (void)s;
    k->tcb.opt.cork = v != 0;
    if (!v) {
        k->tcb.more = false;
        k->tcb.mark |= MARK_LOOK;
    }
    return 0;
}

static int set_maxseg(struct mytcp_stack *s, struct sock *k, int v)
{
    (void)s;
    if (v && (v < MAXSEG_MIN || v > MAXSEG_MAX)) return -EINVAL;
    k->tcb.opt.maxseg = (uint16_t)v;
    return 0;
}

static int set_keepidle(struct mytcp_stack *s, struct sock *k, int v)
{
    if (seconds(v, KEEP_S_MAX) < 0) return -EINVAL;
    k->tcb.opt.keep_idle_s = (uint16_t)v;
    tcb_arm_keepalive(&k->tcb, &s->env);
    return 0;
}

static int set_keepintvl(struct mytcp_stack *s, struct sock *k, int v)
{
    (void)s;
    if (seconds(v, KEEP_S_MAX) < 0) return -EINVAL;
    k->tcb.opt.keep_intvl_s = (uint16_t)v;
    return 0;
}

static int set_keepcnt(struct mytcp_stack *s, struct sock *k, int v)
{
    (void)s;
    if (seconds(v, KEEP_COUNT_MAX) < 0) return -EINVAL;
    k->tcb.opt.keep_probes = (uint8_t)v;
    return 0;
}

/* As Linux: 0 is the default, negative leaves FIN-WAIT-2 to nobody. */
static int set_linger2(struct mytcp_stack *s, struct sock *k, int v)
{
    uint32_t us = v < 0 ? 0 : (uint32_t)clamp(v, 0, LINGER2_MAX_S) * 1000000u;
    k->tcb.opt.fin_wait2_us = v ? us : s->config.fin_wait2_us;
    return 0;
}

static int set_syncnt(struct mytcp_stack *s, struct sock *k, int v)
{
    (void)s;
    if (seconds(v, KEEP_COUNT_MAX) < 0) return -EINVAL;
    k->tcb.opt.syn_count = (uint8_t)v;
    return 0;
}

static int set_defer(struct mytcp_stack *s, struct sock *k, int v)
{
    if (!sock_cold(s, k)) return -ENOBUFS;
    k->cold->defer_accept_s = (uint32_t)clamp(v < 0 ? 0 : v, 0, 255);
    if (k->listener) k->listener->defer_accept_s = k->cold->defer_accept_s;
    return 0;
}

static int set_clamp(struct mytcp_stack *s, struct sock *k, int v)
{
    (void)s;
    if (!v && k->tcb.state != ST_CLOSED) return -EINVAL;
    k->tcb.opt.window_clamp = v ? (uint32_t)clamp(v < 0 ? 0 : v, BUFFER_MIN / 2, INT32_MAX) : 0;
    return 0;
}

static int set_quickack(struct mytcp_stack *s, struct sock *k, int v)
{
    (void)s;
    k->tcb.quick = v ? 16 : 0;
    if (v && k->tcb.delack_at_us != TIME_NEVER) k->tcb.mark |= MARK_ACK;
    return 0;
}

static int set_user_timeout(struct mytcp_stack *s, struct sock *k, int v)
{
    (void)s;
    if (v < 0) return -EINVAL;
    k->tcb.opt.user_timeout_ms = (uint32_t)v;
    return 0;
}

static int set_lowat(struct mytcp_stack *s, struct sock *k, int v)
{
    k->tcb.opt.notsent_lowat = v ? (uint32_t)v : s->config.notsent_lowat_bytes;
    k->tcb.event |= EVENT_WRITABLE;
    return 0;
}

static int set_tos(struct mytcp_stack *s, struct sock *k, int v)
{
    (void)s;
    k->tcb.opt.tos = (uint8_t)(v & ~IPTOS_ECN_MASK); /* TCP's own are the ECN bits */
    return 0;
}

static const struct option options[] = {
    {SOL_SOCKET, SO_REUSEADDR, get_reuse, set_reuse},
    {SOL_SOCKET, SO_KEEPALIVE, get_keepalive, set_keepalive},
    {SOL_SOCKET, SO_OOBINLINE, get_oobinline, set_oobinline},
    {SOL_SOCKET, SO_RCVBUF, get_rcvbuf, set_rcvbuf},
    {SOL_SOCKET, SO_SNDBUF, get_sndbuf, set_sndbuf},
    {SOL_SOCKET, SO_RCVLOWAT, get_rcvlowat, set_rcvlowat},
    {SOL_SOCKET, SO_TYPE, get_type, NULL},
    {SOL_SOCKET, SO_DOMAIN, get_domain, NULL},
    {SOL_SOCKET, SO_PROTOCOL, get_protocol, NULL},
    {SOL_SOCKET, SO_ACCEPTCONN, get_accepting, NULL},
    {IPPROTO_TCP, TCP_NODELAY, get_nodelay, set_nodelay},
    {IPPROTO_TCP, TCP_CORK, get_cork, set_cork},
    {IPPROTO_TCP, TCP_MAXSEG, get_maxseg, set_maxseg},
    {IPPROTO_TCP, TCP_KEEPIDLE, get_keepidle, set_keepidle},
    {IPPROTO_TCP, TCP_KEEPINTVL, get_keepintvl, set_keepintvl},
    {IPPROTO_TCP, TCP_KEEPCNT, get_keepcnt, set_keepcnt},
    {IPPROTO_TCP, TCP_SYNCNT, get_syncnt, set_syncnt},
    {IPPROTO_TCP, TCP_LINGER2, get_linger2, set_linger2},
    {IPPROTO_TCP, TCP_DEFER_ACCEPT, get_defer, set_defer},
    {IPPROTO_TCP, TCP_WINDOW_CLAMP, get_clamp, set_clamp},
    {IPPROTO_TCP, TCP_QUICKACK, get_quickack, set_quickack},
    {IPPROTO_TCP, TCP_USER_TIMEOUT, get_user_timeout, set_user_timeout},
    {IPPROTO_TCP, TCP_NOTSENT_LOWAT, get_lowat, set_lowat},
    {IPPROTO_IP, IP_TOS, get_tos, set_tos},
};

/* Options that are no int. */
static bool is_wide(int level, int name)
{
    return level == SOL_SOCKET && (name == SO_LINGER || name == SO_RCVTIMEO || name == SO_SNDTIMEO ||
                                   name == SO_MAX_PACING_RATE);
}

static bool is_congestion(int level, int name)
{
    return level == IPPROTO_TCP && name == TCP_CONGESTION;
}

static bool is_ours(int level)
{
    return level == SOL_SOCKET || level == IPPROTO_TCP || level == IPPROTO_IP;
}

static const struct option *find_option(int level, int name)
{
    for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
        if (options[i].level == level && options[i].name == name) return &options[i];
    return NULL;
}

/* ---- the structures ---- */

static int set_linger(struct sock *k, const void *value, socklen_t len)
{
    struct linger l;
    if (len < sizeof(l)) return -EINVAL;
    memcpy(&l, value, sizeof(l));
    set_flag(k, SOCK_LINGER, l.l_onoff);
    if (l.l_onoff) k->linger_s = (uint16_t)clamp(l.l_linger, 0, UINT16_MAX);
    return 0;
}

static int set_timeout(struct mytcp_stack *s, struct sock *k, int name, const void *value, socklen_t len)
{
    struct timeval t;
    if (len < sizeof(t)) return -EINVAL;
    memcpy(&t, value, sizeof(t));
    if (t.tv_usec < 0 || t.tv_usec >= 1000000) return -EDOM;
    if (!sock_cold(s, k)) return -ENOBUFS;
    uint64_t us = (uint64_t)t.tv_usec;
    if (t.tv_sec < 0) us = 1; /* at once, as on Linux */
    else if ((uint64_t)t.tv_sec > UINT32_MAX) us = 0; /* over a century: none */
    else us += (uint64_t)t.tv_sec * 1000000;
    *(name == SO_RCVTIMEO ? &k->cold->rcvtimeo_us : &k->cold->sndtimeo_us) = us;
    return 0;
}

/* An unsigned int or a 64-bit one, as on Linux; all ones: no limit. */
static int set_max_pacing(struct sock *k, const void *value, socklen_t len)
{
    uint32_t narrow;
    uint64_t wide;
    memcpy(&narrow, value, sizeof(narrow));
    wide = narrow;
    if (len >= sizeof(wide)) memcpy(&wide, value, sizeof(wide));
    k->tcb.opt.max_pacing_Bps = wide < UINT32_MAX ? (uint32_t)wide : 0;
    return 0;
}

static int set_wide(struct mytcp_stack *s, struct sock *k, int name, const void *value, socklen_t len)
{
    if (name == SO_LINGER) return set_linger(k, value, len);
    if (name == SO_MAX_PACING_RATE) return set_max_pacing(k, value, len);
    return set_timeout(s, k, name, value, len);
}

static int set_congestion(struct mytcp_stack *s, struct sock *k, const void *value, socklen_t len)
{
    char name[CC_NAME_MAX] = "";
    if (!len) return -EINVAL;
    if (!value) return -EFAULT;
    memcpy(name, value, min_u32(len, CC_NAME_MAX - 1));
    const struct cc_algorithm *algorithm = *name ? cc_find(name) : NULL;
    if (!algorithm) return -ENOENT;
    cc_switch(&k->tcb.cc, algorithm, &s->mem);
    return 0;
}

/* The value as an int; for IPv4 also as a byte or nothing, as on Linux. */
static int read_int(int level, const void *value, socklen_t len, int *v)
{
    bool small = level == IPPROTO_IP && len < sizeof(*v);
    if (len < sizeof(*v) && !small) return -EINVAL;
    if (len && !value) return -EFAULT;
    *v = 0;
    if (!small) memcpy(v, value, sizeof(*v));
    else if (len) *v = *(const uint8_t *)value;
    return 0;
}

static int do_setsockopt(struct mytcp_stack *s, int fd, int level, int name, const void *value, socklen_t len)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    const struct option *o = find_option(level, name);
    int v;
    if ((int)len < 0) return -EINVAL;
    if (!is_ours(level)) return -ENOPROTOOPT;
    if (is_congestion(level, name)) return set_congestion(s, k, value, len);
    int error = read_int(level, value, len, &v);
    if (error) return error;
    if (is_wide(level, name)) return set_wide(s, k, name, value, len);
    if (!o || !o->set) return -ENOPROTOOPT;
    error = o->set(s, k, v);
    if (!error) sock_settle(s, k);
    return error;
}

int mytcp_setsockopt(mytcp_stack *s, int fd, int level, int name, const void *value, socklen_t len)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_setsockopt(s, fd, level, name, value, len));
}

static int give(void *value, socklen_t *len, const void *data, size_t size)
{
    size_t n = *len < size ? *len : size;
    if (n && !value) return -EFAULT;
    if (n) memcpy(value, data, n);
    *len = (socklen_t)n;
    return 0;
}

static int get_error(struct sock *k)
{
    int error = k->error;
    k->error = 0;
    if (!error && k->tcb.soft_error) { /* advice, told once too */
        error = k->tcb.error;
        k->tcb.soft_error = false;
        k->tcb.error = 0;
    }
    return error;
}

static int get_timeout(uint64_t us, void *value, socklen_t *len)
{
    struct timeval t = {.tv_sec = (time_t)(us / 1000000), .tv_usec = (suseconds_t)(us % 1000000)};
    return give(value, len, &t, sizeof(t));
}

static int get_max_pacing(const struct sock *k, void *value, socklen_t *len)
{
    uint32_t Bps = k->tcb.opt.max_pacing_Bps, narrow = Bps ? Bps : UINT32_MAX;
    uint64_t wide = Bps ? Bps : UINT64_MAX;
    return *len >= sizeof(wide) ? give(value, len, &wide, sizeof(wide))
                                : give(value, len, &narrow, sizeof(narrow));
}

static int get_wide(struct mytcp_stack *s, struct sock *k, int level, int name, void *value, socklen_t *len)
{
    if (level == SOL_SOCKET && name == SO_LINGER) {
        struct linger l = {.l_onoff = !!(k->flags & SOCK_LINGER), .l_linger = k->linger_s};
        return give(value, len, &l, sizeof(l));
    }
    if (level == SOL_SOCKET && name == SO_RCVTIMEO)
        return get_timeout(k->cold ? k->cold->rcvtimeo_us : 0, value, len);
    if (level == SOL_SOCKET && name == SO_SNDTIMEO)
        return get_timeout(k->cold ? k->cold->sndtimeo_us : 0, value, len);
    if (level == SOL_SOCKET && name == SO_MAX_PACING_RATE) return get_max_pacing(k, value, len);
    if (level == IPPROTO_TCP && name == TCP_CONGESTION) {
        char text[CC_NAME_MAX] = "";
        strncpy(text, k->tcb.cc.algorithm->name, sizeof(text) - 1);
        return give(value, len, text, sizeof(text));
    }
    if (level == IPPROTO_TCP && name == TCP_INFO) {
        union tcp_info_whole info;
        sock_tcp_info(s, k, &info);
        return give(value, len, &info, TCP_INFO_BYTES);
    }
    return -ENOPROTOOPT;
}

static int do_getsockopt(struct mytcp_stack *s, int fd, int level, int name, void *value, socklen_t *len)
{
    struct sock *k = fd_sock(s, fd);
    if (!k) return -EBADF;
    if (!is_ours(level)) return -EOPNOTSUPP;
    if (!len) return -EFAULT;
    if ((int)*len < 0) return -EINVAL;
    const struct option *o = find_option(level, name);
    int v;
    if (o) v = o->get(s, k);
    else if (level == SOL_SOCKET && name == SO_ERROR) v = get_error(k);
    else return get_wide(s, k, level, name, value, len);
    uint8_t byte = (uint8_t)v;
    bool small = level == IPPROTO_IP && *len && *len < sizeof(v);
    return small ? give(value, len, &byte, 1) : give(value, len, &v, sizeof(v));
}

int mytcp_getsockopt(mytcp_stack *s, int fd, int level, int name, void *value, socklen_t *len)
{
    if (!s) return fail(EINVAL);
    stack_enter(s);
    return (int)stack_leave(s, do_getsockopt(s, fd, level, name, value, len));
}
