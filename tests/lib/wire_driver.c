#include "lib/wire_driver.h"

#include <fcntl.h>

struct wire_driver wire_driver;

static void lock(void *ctx)
{
    struct wire_driver *d = ctx;
    assert_false(d->locked); /* it is not recursive */
    d->locked = true;
}

static void unlock(void *ctx)
{
    struct wire_driver *d = ctx;
    assert_true(d->locked);
    d->locked = false;
}

static uint64_t now(void *ctx)
{
    struct wire_driver *d = ctx;
    return d->w->now_us;
}

static void kick(void *ctx)
{
    struct wire_driver *d = ctx;
    assert_true(d->locked);
    d->kicks++;
}

void wire_interrupted(struct wire *w)
{
    (void)w;
    errno = EINTR;
}

void wire_broken(struct wire *w)
{
    (void)w;
    errno = 0;
}

static int wait(void *ctx, uint64_t deadline_us)
{
    struct wire_driver *d = ctx;
    assert_true(d->locked);
    d->waits++;
    if (!*d->next) {
        assert_int_not_equal(deadline_us, MYTCP_NEVER_US); /* it would wait for ever */
        d->w->now_us = deadline_us;
        return 0;
    }
    wire_step *step = *d->next++;
    unlock(d); /* as a driver may, meanwhile */
    step(d->w);
    lock(d);
    return step == wire_interrupted || step == wire_broken ? -1 : 0;
}

void wire_attach(struct wire *w, wire_step *const *steps)
{
    static const struct mytcp_driver calls = {.ctx = &wire_driver,
                                              .lock = lock,
                                              .unlock = unlock,
                                              .now_us = now,
                                              .wait = wait,
                                              .kick = kick};
    wire_driver = (struct wire_driver){.w = w, .next = steps};
    assert_int_equal(mytcp_attach(w->stack, &calls), 0);
    if (w->fd >= 0)
        assert_int_equal(mytcp_fcntl(w->stack, w->fd, F_SETFL, 0), 0);
    if (w->listener >= 0)
        assert_int_equal(mytcp_fcntl(w->stack, w->listener, F_SETFL, 0), 0);
}

void wire_patience(struct wire *w, int fd, int name, unsigned ms)
{
    struct timeval t = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    assert_int_equal(mytcp_setsockopt(w->stack, fd, SOL_SOCKET, name, &t, sizeof(t)), 0);
}
