/* mytcp_check finds what is broken: each invariant of the stack is broken in turn, and mended. */
#include "stack/stack.h" /* before cmocka.h, which has a macro of the name fail */

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A stack with a connection that opens: its SYN waits for its retransmission. */
static int make(void **state)
{
    struct mytcp_config config;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(80), .sin_addr.s_addr = htonl(0x0a000002)};
    struct mytcp_tx tx;
    mytcp_config_init(&config);
    config.addr.s_addr = htonl(0x0a000001);
    memset(config.entropy, 7, sizeof(config.entropy));
    mytcp_stack *s = mytcp_create(&config, 1000000);
    assert_non_null(s);
    int fd = mytcp_socket(s, AF_INET, SOCK_STREAM, 0);
    assert_int_equal(mytcp_connect(s, fd, (struct sockaddr *)&to, sizeof(to)), -1);
    assert_int_equal(mytcp_output(s, &tx, 1000000), 1);
    assert_int_equal(mytcp_output(s, &tx, 1000000), 0);
    *state = s;
    return 0;
}

static int unmake(void **state)
{
    assert_null(mytcp_check(*state));
    mytcp_destroy(*state);
    return 0;
}

static struct sock *the_connection(mytcp_stack *s) { return s->fds[0][0].sock; }

static void a_whole_stack_has_nothing_to_complain_of(void **state) { assert_null(mytcp_check(*state)); }

static void a_connection_that_is_broken_in_itself_is_found(void **state)
{
    struct sock *k = the_connection(*state);
    k->tcb.fin_rcvd = true;
    assert_string_equal(mytcp_check(*state), "tcb: FIN received before SYN");
    k->tcb.fin_rcvd = false;
}

static void a_mark_that_nobody_will_look_at_is_found(void **state)
{
    struct sock *k = the_connection(*state);
    k->tcb.mark |= MARK_LOOK;
    assert_string_equal(mytcp_check(*state), "stack: a mark, but not in the output queue");
    k->tcb.mark = 0;
}

static void a_deadline_that_would_be_missed_is_found(void **state)
{
    mytcp_stack *s = *state;
    struct sock *k = the_connection(s);
    uint64_t deadline_us = k->active.timer.deadline_us;
    wheel_cancel(&s->wheel, &k->active.timer);
    assert_string_equal(mytcp_check(s), "stack: a deadline without a timer");
    wheel_set(&s->wheel, &k->active.timer, deadline_us + 1);
    assert_string_equal(mytcp_check(s), "stack: a deadline without a timer");
    wheel_set(&s->wheel, &k->active.timer, deadline_us - 1); /* early is allowed */
    assert_null(mytcp_check(s));
}

static void counters_that_went_astray_are_found(void **state)
{
    mytcp_stack *s = *state;
    s->half_count++;
    assert_string_equal(mytcp_check(s), "stack: half-open connections miscounted");
    s->half_count--;
    s->tw_count++;
    assert_string_equal(mytcp_check(s), "stack: TIME-WAIT records miscounted");
    s->tw_count--;
}

static void memory_that_went_astray_is_found(void **state)
{
    mytcp_stack *s = *state;
    size_t limit = s->mem.limit;
    s->mem.limit = s->mem.used - 1;
    assert_string_equal(mytcp_check(s), "stack: more memory in use than the ceiling allows");
    s->mem.limit = limit;
    s->mem.by_kind[MEM_CONN]++;
    assert_string_equal(mytcp_check(s), "stack: memory miscounted");
    s->mem.by_kind[MEM_CONN]--;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_whole_stack_has_nothing_to_complain_of, make, unmake),
        cmocka_unit_test_setup_teardown(a_connection_that_is_broken_in_itself_is_found, make, unmake),
        cmocka_unit_test_setup_teardown(a_mark_that_nobody_will_look_at_is_found, make, unmake),
        cmocka_unit_test_setup_teardown(a_deadline_that_would_be_missed_is_found, make, unmake),
        cmocka_unit_test_setup_teardown(counters_that_went_astray_are_found, make, unmake),
        cmocka_unit_test_setup_teardown(memory_that_went_astray_is_found, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
