#include "linux/turn.h"

#include "linux/host_config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BATCH_MAX 64           /* packets read in a turn, so that answers are not held up */
#define BATCH_BYTES_MAX 524288 /* and bytes: eight super-segments */
#define OUTPUT_MAX 1024        /* packets written in a turn; the rest is due at once */
#define PACKET_MAX_BYTES 65535
#define RETRY_US 1000          /* a device that took no packet is asked again */
#define PAUSE_MIN_US 10000
#define PAUSE_MAX_US 100000
#define MTU_CHECK_US 1000000

static bool is_fatal(int err)
{
    return err == EBADFD || err == EBADF || err == ENODEV;
}

static void note_error(struct mytcp_tun *tun, uint64_t *counter, int err)
{
    (*counter)++;
    tun->stats.last_errno = err;
    if (is_fatal(err)) {
        tun->gone_errno = err;
    }
}

/* ---- out ---- */

/* Copy the packet, to try again when the device is ready. */
static void hold(struct mytcp_tun *tun, const struct mytcp_tx *tx, uint64_t now_us)
{
    struct held_packet *held = &tun->held;
    if (held->bytes == NULL) {
        held->bytes = malloc(PACKET_MAX_BYTES);
    }
    if (held->bytes == NULL || tx->len_bytes > PACKET_MAX_BYTES) {
        return; /* lost, which TCP repairs */
    }
    size_t at = 0;
    for (int i = 0; i < tx->iovcnt; i++) {
        memcpy(held->bytes + at, tx->iov[i].iov_base, tx->iov[i].iov_len);
        at += tx->iov[i].iov_len;
    }
    held->tx = *tx;
    held->tx.iov[0] = (struct iovec){held->bytes, at};
    held->tx.iovcnt = 1;
    held->retry_us = now_us + RETRY_US;
}

/* Returns 1 if it went out, 0 if it is lost, -1 with EAGAIN if the device takes none now. */
static int write_packet(struct mytcp_tun *tun, const struct mytcp_tx *tx)
{
    tun->stats.writes++;
    if (tun_device_write(&tun->device, tx) == 0) {
        if (tun->pcap != NULL) {
            pcap_file_packet(tun->pcap, tx->iov, tx->iovcnt);
        }
        return 1;
    }
    if (errno == EAGAIN) {
        tun->stats.write_retries++;
        errno = EAGAIN;
        return -1;
    }
    note_error(tun, &tun->stats.write_errors, errno);
    return 0;
}

/* True if nothing is held any more. */
static bool send_held(struct mytcp_tun *tun, uint64_t now_us)
{
    if (tun->held.tx.len_bytes > 0) {
        if (write_packet(tun, &tun->held.tx) < 0) {
            tun->held.retry_us = now_us + RETRY_US;
            return false;
        }
        tun->held.tx.len_bytes = 0;
    }
    return true;
}

int turn_output(struct mytcp_tun *tun, uint64_t now_us)
{
    struct mytcp_tx tx;
    int moved = 0;
    if (!send_held(tun, now_us)) {
        return 0;
    }
    while (moved < OUTPUT_MAX && tun->gone_errno == 0 &&
           mytcp_output(tun->stack, &tx, now_us) > 0) {
        moved++;
        if (tun->filter != NULL && !tun->filter(tun->filter_ctx, true, tx.iov, tx.iovcnt)) {
            tun->stats.filtered_out++;
        } else if (write_packet(tun, &tx) < 0) {
            hold(tun, &tx, now_us);
            break;
        }
    }
    return moved;
}

/* ---- in ---- */

/* Has the other end of a descriptor that is no TUN been closed? */
static bool hung_up(const struct tun_device *device)
{
    struct pollfd fd = {.fd = device->fd};
    return !device->tun && poll(&fd, 1, 0) > 0 && (fd.revents & POLLHUP) != 0;
}

/* A read gave no packet. True if there may be more to read. */
static bool read_failed(struct mytcp_tun *tun, ssize_t got, int err, uint64_t now_us)
{
    if (got == TUN_DEVICE_SHORT && hung_up(&tun->device)) {
        err = ENODEV;
    } else if (got == TUN_DEVICE_SHORT) {
        tun->stats.dropped_short++;
        return true;
    } else if (err == EAGAIN) {
        tun->read_pause_us = 0;
        return false;
    }
    note_error(tun, &tun->stats.read_errors, err);
    uint32_t pause_us = tun->read_pause_us * 2;
    pause_us = pause_us < PAUSE_MIN_US ? PAUSE_MIN_US : pause_us;
    tun->read_pause_us = pause_us > PAUSE_MAX_US ? PAUSE_MAX_US : pause_us;
    tun->read_pause_until_us = now_us + tun->read_pause_us;
    return false;
}

static void take_in(struct mytcp_tun *tun, const struct mytcp_packet *packet, uint64_t now_us)
{
    const struct iovec whole = {packet->data, packet->len_bytes};
    if (tun->pcap != NULL) {
        pcap_file_packet(tun->pcap, &whole, 1);
    }
    if (tun->filter != NULL && !tun->filter(tun->filter_ctx, false, &whole, 1)) {
        tun->stats.filtered_in++;
        return;
    }
    (void)mytcp_input(tun->stack, packet, now_us); /* a drop is the stack's to count */
}

/*
 * Read a batch. It starts with one packet after each time that the device ran dry and doubles while
 * there is more: a lone request is answered before the device is asked again, a flood is taken in
 * with few turns.
 */
static int turn_input(struct mytcp_tun *tun, uint64_t now_us)
{
    struct mytcp_packet packet;
    size_t bytes = 0;
    uint32_t count = 0;
    bool more = true;
    while (more && count < tun->batch && bytes < BATCH_BYTES_MAX) {
        size_t size_bytes = 0;
        void *buffer = mytcp_input_buffer(tun->stack, &size_bytes);
        ssize_t got = tun_device_read(&tun->device, buffer, size_bytes, &packet);
        tun->stats.reads++;
        if (got < 0) {
            more = read_failed(tun, got, errno, now_us);
            count += more;
            continue;
        }
        count++;
        bytes += packet.len_bytes;
        tun->read_pause_us = 0;
        /* The turn's time may lie long before the packet's arrival, if the process had to wait for a
         * processor in between: a round trip must not seem shorter than it was. */
        take_in(tun, &packet, mytcp_tun_now_us());
    }
    if (!more) {
        tun->batch = 1;
    } else if (tun->batch < BATCH_MAX) {
        tun->batch *= 2;
    }
    return (int)count;
}

/* ---- the turn ---- */

/* The device's MTU may be changed at any time, by anybody. */
static void follow_mtu(struct mytcp_tun *tun, uint64_t now_us)
{
    if (tun->control_fd < 0 || now_us - tun->mtu_checked_us < MTU_CHECK_US) {
        return;
    }
    tun->mtu_checked_us = now_us;
    uint32_t mtu_bytes = host_config_mtu(tun->control_fd, tun->device.name);
    if (mtu_bytes != 0 && mtu_bytes != tun->mtu_bytes &&
        mytcp_set_mtu(tun->stack, mtu_bytes) == 0) {
        tun->mtu_bytes = mtu_bytes;
    }
}

int turn_pass(struct mytcp_tun *tun, uint64_t now_us)
{
    int moved = 0;
    follow_mtu(tun, now_us);
    if (now_us >= tun->read_pause_until_us && tun->gone_errno == 0) {
        moved = turn_input(tun, now_us);
    }
    if (tun->gone_errno == 0) {
        moved += turn_output(tun, now_us);
    }
    if (moved == 0 && tun->pcap != NULL) {
        pcap_file_flush(tun->pcap);
    }
    if (tun->gone_errno != 0) {
        errno = tun->gone_errno;
        return -1;
    }
    return moved;
}

uint64_t turn_deadline_us(struct mytcp_tun *tun)
{
    uint64_t deadline_us = tun->held.tx.len_bytes > 0 ? tun->held.retry_us
                                                      : mytcp_next_deadline(tun->stack);
    if (tun->read_pause_us != 0 && tun->read_pause_until_us < deadline_us) {
        deadline_us = tun->read_pause_until_us;
    }
    return deadline_us;
}

struct pollfd turn_pollfd(const struct mytcp_tun *tun, uint64_t now_us)
{
    struct pollfd fd = {.fd = tun->device.fd, .events = POLLIN};
    if (tun->held.tx.len_bytes > 0) {
        fd.events |= POLLOUT;
    }
    if (now_us < tun->read_pause_until_us) {
        fd.fd = -1; /* a device in error is "ready" all the time */
    }
    return fd;
}

int turn_run(struct mytcp_tun *tun, uint64_t max_wait_us)
{
    uint64_t now_us = mytcp_tun_now_us();
    int moved = turn_pass(tun, now_us);
    if (moved != 0 || max_wait_us == 0) {
        return moved;
    }
    uint64_t until_us = turn_deadline_us(tun);
    if (max_wait_us < MYTCP_NEVER_US - now_us && now_us + max_wait_us < until_us) {
        until_us = now_us + max_wait_us;
    }
    struct pollfd fd = turn_pollfd(tun, now_us);
    if (patience_wait(&tun->patience, &fd, 1, now_us, until_us) < 0) {
        return -1;
    }
    return turn_pass(tun, mytcp_tun_now_us());
}
