#include "linux/driver.h"

#include "linux/turn.h"

#include <errno.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

void driver_init(struct mytcp_tun *tun)
{
    struct driver_thread *thread = &tun->thread;
    pthread_condattr_t monotonic;
    thread->wake_fd = -1;
    /* none of these can fail on Linux: they fill in memory */
    (void)pthread_condattr_init(&monotonic);
    (void)pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&thread->moved, &monotonic);
    (void)pthread_condattr_destroy(&monotonic);
    (void)pthread_mutex_init(&thread->gate, NULL);
    (void)pthread_mutex_init(&thread->mutex, NULL);
}

void driver_free(struct mytcp_tun *tun)
{
    struct driver_thread *thread = &tun->thread;
    (void)pthread_cond_destroy(&thread->moved);
    (void)pthread_mutex_destroy(&thread->gate);
    (void)pthread_mutex_destroy(&thread->mutex);
    if (thread->wake_fd >= 0) {
        (void)close(thread->wake_fd);
    }
}

/* ---- the stack's side ---- */

void driver_lock(void *ctx)
{
    struct driver_thread *thread = &((struct mytcp_tun *)ctx)->thread;
    if (thread->started_once) {
        (void)pthread_mutex_lock(&thread->gate);
        (void)pthread_mutex_lock(&thread->mutex);
        (void)pthread_mutex_unlock(&thread->gate);
    }
}

static void wake_thread(struct driver_thread *thread)
{
    const uint64_t one = 1;
    (void)!write(thread->wake_fd, &one, sizeof one); /* full means awake already */
}

/* A call may have set an earlier deadline than the one that the thread sleeps for. */
static void rouse(struct mytcp_tun *tun)
{
    struct driver_thread *thread = &tun->thread;
    if (thread->sleeps_until_us != 0 && turn_deadline_us(tun) < thread->sleeps_until_us) {
        thread->sleeps_until_us = 0;
        wake_thread(thread);
    }
}

void driver_unlock(void *ctx)
{
    struct mytcp_tun *tun = ctx;
    if (!tun->thread.started_once) {
        return;
    }
    rouse(tun);
    (void)pthread_mutex_unlock(&tun->thread.mutex);
}

static uint64_t driver_now_us(void *ctx)
{
    (void)ctx;
    return mytcp_tun_now_us();
}

static int wait_for_thread(struct mytcp_tun *tun, uint64_t deadline_us)
{
    struct driver_thread *thread = &tun->thread;
    if (tun->gone_errno != 0) {
        errno = tun->gone_errno;
        return -1;
    }
    rouse(tun); /* there may be something to send, that the call waits for an answer to */
    thread->waiters++;
    if (deadline_us == MYTCP_NEVER_US) {
        (void)pthread_cond_wait(&thread->moved, &thread->mutex);
    } else {
        const struct timespec until = {.tv_sec = (time_t)(deadline_us / 1000000u),
                                       .tv_nsec = (long)(deadline_us % 1000000u) * 1000};
        (void)pthread_cond_timedwait(&thread->moved, &thread->mutex, &until);
    }
    thread->waiters--;
    return 0;
}

int driver_wait(void *ctx, uint64_t deadline_us)
{
    struct mytcp_tun *tun = ctx;
    if (tun->thread.running) {
        return wait_for_thread(tun, deadline_us);
    }
    uint64_t max_wait_us = MYTCP_NEVER_US;
    if (deadline_us != MYTCP_NEVER_US) {
        uint64_t now_us = mytcp_tun_now_us();
        max_wait_us = deadline_us > now_us ? deadline_us - now_us : 0;
    }
    return turn_run(tun, max_wait_us) < 0 ? -1 : 0;
}

static void tell_waiters(struct driver_thread *thread)
{
    if (thread->waiters > 0) {
        (void)pthread_cond_broadcast(&thread->moved);
    }
}

static void driver_kick(void *ctx)
{
    struct mytcp_tun *tun = ctx;
    (void)turn_output(tun, mytcp_tun_now_us());
    tell_waiters(&tun->thread); /* one thread's shutdown() ends another's recv() */
}

struct mytcp_driver driver_ops(struct mytcp_tun *tun)
{
    return (struct mytcp_driver){.ctx = tun,
                                 .lock = driver_lock,
                                 .unlock = driver_unlock,
                                 .now_us = driver_now_us,
                                 .wait = driver_wait,
                                 .kick = driver_kick};
}

/* ---- the thread ---- */

static void sleep_unlocked(struct mytcp_tun *tun, uint64_t now_us)
{
    struct driver_thread *thread = &tun->thread;
    uint64_t until_us = turn_deadline_us(tun);
    struct pollfd fds[2] = {turn_pollfd(tun, now_us), {.fd = thread->wake_fd, .events = POLLIN}};
    if (until_us <= now_us) {
        return;
    }
    thread->sleeps_until_us = until_us;
    (void)pthread_mutex_unlock(&thread->mutex);
    int ready = patience_wait(&tun->patience, fds, 2, now_us, until_us);
    if (ready > 0 && fds[1].revents != 0) {
        uint64_t count;
        (void)!read(thread->wake_fd, &count, sizeof count);
    }
    driver_lock(tun);
    thread->sleeps_until_us = 0;
}

static void *run_thread(void *ctx)
{
    struct mytcp_tun *tun = ctx;
    struct driver_thread *thread = &tun->thread;
    driver_lock(tun);
    while (!thread->stopping) {
        uint64_t now_us = mytcp_tun_now_us();
        bool due = turn_deadline_us(tun) <= now_us;
        int moved = turn_pass(tun, now_us);
        if (moved != 0 || due) { /* a timer may end something and no packet tells of it */
            tell_waiters(thread);
        }
        if (moved < 0) {
            break;
        }
        if (moved == 0) {
            sleep_unlocked(tun, now_us);
        } else {
            (void)pthread_mutex_unlock(&thread->mutex);
            driver_lock(tun);
        }
    }
    (void)pthread_mutex_unlock(&thread->mutex);
    return NULL;
}

/* Signals are for the application's threads: the new one blocks them all. Returns 0 or an errno. */
static int create_thread(struct mytcp_tun *tun)
{
    sigset_t all, old;
    if (tun->thread.wake_fd < 0) {
        tun->thread.wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    }
    if (tun->thread.wake_fd < 0) {
        return errno;
    }
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &old);
    int err = pthread_create(&tun->thread.id, NULL, run_thread, tun);
    (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
    return err;
}

int mytcp_tun_start(mytcp_tun *tun)
{
    if (tun == NULL || tun->thread.running) {
        errno = tun == NULL ? EINVAL : EBUSY;
        return -1;
    }
    tun->thread.started_once = true;
    tun->thread.stopping = false;
    tun->thread.running = true;
    int err = create_thread(tun);
    if (err != 0) {
        tun->thread.running = false;
        errno = err;
        return -1;
    }
    return 0;
}

/* Calls that wait meanwhile go on by turning the loop themselves. */
int mytcp_tun_stop(mytcp_tun *tun)
{
    if (tun == NULL) {
        errno = EINVAL;
        return -1;
    }
    if (!tun->thread.running) {
        return 0;
    }
    driver_lock(tun);
    tun->thread.stopping = true;
    wake_thread(&tun->thread);
    driver_unlock(tun);
    (void)pthread_join(tun->thread.id, NULL);
    driver_lock(tun);
    tun->thread.running = false;
    tell_waiters(&tun->thread);
    driver_unlock(tun);
    return 0;
}
