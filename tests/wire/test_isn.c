/* Initial sequence numbers and ephemeral ports (RFC 6528, RFC 6056). */
#include "lib/wire.h"

static struct wire_packet p;

/* The ISS of a SYN-ACK to the current peer now; nothing is left of it. */
static uint32_t iss_now(struct wire *w)
{
    wire_reincarnate(w, w->irs);
    IN(w, .flags = SYN, .mss = 1460);
    uint32_t iss = OUT(w, .flags = SYN | ACK, .ack = 1)->seq;
    IN(w, .flags = RST, .seq = 1);
    QUIET(w);
    return iss;
}

/* 9293-SHLD-1, 6528-1, 9293-MUST-8: one each 4 us, for the same 4-tuple */
SCENARIO(the_number_of_a_tuple_moves_by_one_each_4_us)
{
    static const uint64_t steps_us[] = {4, 40, 1000, 1000000, 3600 * SEC, 20000 * SEC};
    wire_listen(w, 4);
    uint32_t before = iss_now(w);
    for (unsigned i = 0; i < sizeof(steps_us) / sizeof(*steps_us); i++) {
        w->now_us += steps_us[i];
        uint32_t now = iss_now(w);
        assert_int_equal(now - before, (uint32_t)(steps_us[i] / 4));
        before = now;
    }
}

/* 9293-SHLD-1, 6528-2, 9293-MUST-9, 6528-1, B08: no constant offset between tuples, and another
 * secret is another
 * function */
SCENARIO(other_tuples_and_other_secrets_have_unrelated_numbers)
{
    enum { N = 64 };
    uint32_t iss[2][N];
    for (int secret = 0; secret < 2; secret++) {
        w->config.entropy[secret ? 31 : 0] ^= 0x40;
        wire_listen(w, 4);
        for (unsigned i = 0; i < N; i++) {
            w->peer_port = (uint16_t)(1000 + i);
            iss[secret][i] = iss_now(w);
        }
        wire_stop(w);
    }
    for (unsigned s = 0; s < 2; s++)
        for (unsigned i = 0; i < N; i++)
            for (unsigned k = i + 1; k < N; k++) {
                assert_int_not_equal(iss[s][i], iss[s][k]);
                if (k + 1 < N && i + 1 < N) /* the distance says nothing about the next one */
                    assert_int_not_equal(iss[s][k] - iss[s][i], iss[s][k + 1] - iss[s][i + 1]);
            }
    for (unsigned i = 0; i < N; i++)
        assert_int_not_equal(iss[0][i], iss[1][i]);
}

/* 6056-1, B09 */
SCENARIO(ephemeral_ports_are_spread_over_the_range)
{
    enum { N = 100 };
    uint16_t ports[N];
    unsigned ascending = 0, halves = 0;
    wire_start(w);
    for (unsigned i = 0; i < N; i++) {
        struct sockaddr_in to = wire_sockaddr(w->peer_addr, 80), name;
        socklen_t len = sizeof(name);
        int fd = mytcp_socket(w->stack, AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        FAILS(w, mytcp_connect(w->stack, fd, (struct sockaddr *)&to, sizeof(to)), EINPROGRESS);
        assert_int_equal(mytcp_getsockname(w->stack, fd, (struct sockaddr *)&name, &len), 0);
        ports[i] = ntohs(name.sin_port);
        assert_in_range(ports[i], w->config.port_min, w->config.port_max);
        for (unsigned k = 0; k < i; k++)
            assert_int_not_equal(ports[i], ports[k]);
        ascending += i && ports[i] == ports[i - 1] + 1;
        halves += ports[i] > (w->config.port_min + w->config.port_max) / 2;
        w->peer_port = 80;
        w->our_port = ports[i];
        wire_conn(w);
        while (wire_poll(w, &p))
            continue;
    }
    assert_in_range(ascending, 0, 5);
    assert_in_range(halves, 25, 75);
}

WIRE_MAIN(WIRE_TEST(the_number_of_a_tuple_moves_by_one_each_4_us),
          WIRE_TEST(other_tuples_and_other_secrets_have_unrelated_numbers),
          WIRE_TEST(ephemeral_ports_are_spread_over_the_range))
