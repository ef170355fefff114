/* Fuzz target: packets through the driver's end of a device. The virtio-net header before each is
 * what belongs there, or has bits turned; the packet is right, nearly right, or any bytes. */
#include <string.h>

#include "fuzz/lib/device.h"
#include "fuzz/lib/packet.h"

enum { STEPS_MAX = 60 };

/* A header's fields are numbers of 1 or 2 bytes; one of them is another. */
static void spoil_header(struct world *w, struct input *in)
{
    static const uint8_t places[] = {0, 1, 2, 4, 6, 8};
    uint8_t at = places[take8(in) % sizeof(places)];
    w->device->spoil[at] = take8(in);
    if (at > 1)
        w->device->spoil[at + 1] = take8(in);
    w->spoilt = true; /* the device vouches for what it does not know */
}

static void send_raw(struct world *w, struct input *in, bool mend)
{
    size_t n = take8(in);
    const uint8_t *bytes = take_bytes(in, &n);
    packet_send_raw(w, bytes, n, mend);
}

static void send_nearly_right(struct world *w, struct peer *p, struct input *in, uint8_t what)
{
    struct packet k = packet_next(w, p, what & 16 ? take_size(in, 8) : 0, 0);
    for (unsigned i = 0; i < (what >> 6); i++)
        packet_spoil(w, &k, p, in);
    packet_send(w, &k);
}

static void step(struct world *w, struct input *in)
{
    uint8_t what = take8(in);
    struct peer *p = &w->peer[take8(in) % PEERS];
    memset(w->device->spoil, 0, sizeof(w->device->spoil));
    if (what & 8)
        spoil_header(w, in);
    switch (what % 8) {
    case 0:
    case 1:
        send_nearly_right(w, p, in, what);
        break;
    case 2:
        send_raw(w, in, what & 16);
        break;
    case 3: /* super-segments go out */
        if (w->ends)
            world_send(w, &w->end[take8(in) % w->ends], take_size(in, 9), 0);
        break;
    case 4:
        if (w->ends)
            world_remember(w, mytcp_accept(w->stack, w->end[0].fd, NULL, NULL, SOCK_NONBLOCK));
        break;
    default:
        packet_answer(w, p, what & 16 ? take_size(in, 8) : 0, what & 64 ? 1 : 0);
    }
    world_drain(w);
    world_check(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world world;
    static struct device device;
    struct input in = {data, len};
    uint8_t how = take8(&in);
    world = (struct world){.device = &device};
    device = (struct device){0};
    device_open(&device, how & 1);
    world_config(&world);
    world.config.tx_csum = how >> 1 & 1;
    world.config.gso_max_bytes = how & 1 && how & 2 ? 65535 : 0;
    CHECK(world_start(&world), "no stack");
    world_listen(&world, LISTEN_PORT, 5);
    for (unsigned i = 0; i < STEPS_MAX && in.left; i++)
        step(&world, &in);
    world_stop(&world);
    device_close(&device);
    return 0;
}
