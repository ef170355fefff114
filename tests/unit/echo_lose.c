/* mytcp-echo's --lose: which segments of one scripted connection it takes, and what it tells of them. */
#include "../../tools/mytcp-echo/lose.c" /* a program's part: it is in no library */

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { F = TH_FIN, S = TH_SYN, A = TH_ACK, R = TH_RST };

static bool pass(struct lose *lose, bool out, unsigned flags, uint32_t seq, uint32_t ack, size_t len)
{
    uint8_t packet[20 + 20 + 8] = {0x45, [9] = IPPROTO_TCP, [32] = 0x50};
    uint16_t local = htons(7), peer = htons(4000);
    memcpy(packet + (out ? 16 : 12), "\x0a\x09\x00\x01", 4);
    memcpy(packet + 20 + (out ? 0 : 2), &local, 2);
    memcpy(packet + 20 + (out ? 2 : 0), &peer, 2);
    seq = htonl(seq);
    ack = htonl(ack);
    memcpy(packet + 24, &seq, 4);
    memcpy(packet + 28, &ack, 4);
    packet[33] = (uint8_t)flags;
    struct iovec iov[] = {{packet, 24}, {packet + 24, 16}, {packet + 40, len}};
    return lose_filter(lose, out, iov, len ? 3 : 2);
}

static const struct step {
    bool out;
    unsigned flags;
    uint32_t seq, ack;
    size_t len;
    const char *name;
} script[] = {
    {false, S, UINT32_MAX, 0, 0, "syn"},   {false, S, UINT32_MAX, 0, 0, "syn again"},
    {true, S | A, 100, 0, 0, "synack"},    {true, S | A, 100, 0, 0, "synack again"},
    {false, A, 0, 101, 0, "ack"},          {false, A, 0, 101, 0, "ack again"},
    {false, A, 0, 101, 5, "data"},         {true, A, 101, 5, 0, "ack of data"},
    {true, A | F, 101, 5, 3, "fin"},       {false, A, 5, 104, 0, "ack short of fin"},
    {false, A, 5, 105, 0, "ack of fin"},   {false, A | F, 5, 105, 0, "second fin"},
    {true, A, 105, 6, 0, "last ack"},      {false, A | F, 5, 105, 0, "second fin again"},
    {true, A, 105, 6, 0, "last ack again"},
};

/* What of the script is lost, joined by commas. */
static const char *lost_of(const char *what, char *names, size_t size)
{
    struct lose lose = {0};
    assert_true(lose_parse(&lose, what));
    names[0] = '\0';
    for (size_t i = 0; i < sizeof script / sizeof *script; i++) {
        const struct step *s = &script[i];
        if (!pass(&lose, s->out, s->flags, s->seq, s->ack, s->len)) {
            if (names[0])
                strncat(names, ",", size - strlen(names) - 1);
            strncat(names, s->name, size - strlen(names) - 1);
        }
    }
    return names;
}

static void each_word_loses_just_its_segment(void **state)
{
    char names[256];
    (void)state;
    assert_string_equal(lost_of("syn", names, sizeof names), "syn");
    assert_string_equal(lost_of("synack", names, sizeof names), "synack");
    assert_string_equal(lost_of("ack", names, sizeof names), "ack");
    assert_string_equal(lost_of("fin", names, sizeof names), "fin");
    assert_string_equal(lost_of("lastack", names, sizeof names), "last ack");
}

static void a_number_loses_the_first_n_and_nothing_else(void **state)
{
    char names[256];
    (void)state;
    assert_string_equal(lost_of("syn:2", names, sizeof names), "syn,syn again");
    assert_string_equal(lost_of("ack:9", names, sizeof names), "ack,ack again");
    assert_string_equal(lost_of("lastack:9", names, sizeof names), "last ack,last ack again");
    assert_string_equal(lost_of("fin:0", names, sizeof names), "");
}

static void a_percentage_is_kept_and_is_the_same_each_time(void **state)
{
    unsigned counts[2] = {0};
    (void)state;
    for (int run = 0; run < 2; run++) {
        struct lose lose = {0};
        assert_true(lose_parse(&lose, "5%"));
        for (uint32_t i = 0; i < 100000; i++)
            counts[run] += !pass(&lose, i & 1, A, i, 1, 0);
    }
    assert_in_range(counts[0], 4700, 5300);
    assert_int_equal(counts[0], counts[1]);
}

static void what_is_lost_is_told_once(void **state)
{
    struct lose lose = {.keep_told = true};
    (void)state;
    assert_true(lose_parse(&lose, "ack"));
    for (size_t i = 0; i < 6; i++)
        pass(&lose, script[i].out, script[i].flags, script[i].seq, script[i].ack, script[i].len);
    const struct lost *lost = lose_tell(&lose);
    assert_non_null(lost);
    assert_int_equal(lost->seq, 0);
    assert_int_equal(lost->ack, 101);
    assert_int_equal(lost->peer_port, 4000);
    assert_false(lost->out);
    lose_told(&lose);
    assert_null(lose_tell(&lose));
}

static void words_that_mean_nothing_are_refused(void **state)
{
    static const char *const wrong[] = {"",   "syn:",  "syn:x", "syn:-1", "5",    "101%",
                                        "-1%", "nan%", "syn5",  "%",      "5%:2", "fin:99999999999"};
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct lose lose = {0};
        assert_false(lose_parse(&lose, wrong[i]));
    }
}

static void what_is_not_tcp_passes(void **state)
{
    struct lose lose = {0};
    uint8_t bytes[60] = {0x4f, [9] = IPPROTO_TCP, [13] = 0xff};
    (void)state;
    assert_true(lose_parse(&lose, "syn:1000"));
    for (size_t len = 0; len <= sizeof bytes; len++) {
        struct iovec iov = {bytes, len};
        assert_true(lose_filter(&lose, false, &iov, 1));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_word_loses_just_its_segment),
        cmocka_unit_test(a_number_loses_the_first_n_and_nothing_else),
        cmocka_unit_test(a_percentage_is_kept_and_is_the_same_each_time),
        cmocka_unit_test(what_is_lost_is_told_once),
        cmocka_unit_test(words_that_mean_nothing_are_refused),
        cmocka_unit_test(what_is_not_tcp_passes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
