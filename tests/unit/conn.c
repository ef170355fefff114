/* The table of connections. */
#include "stack/stack.h" /* before cmocka.h, which has a macro of the name fail */

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static mytcp_stack *stack_of(uint8_t entropy)
{
    struct mytcp_config config;
    mytcp_config_init(&config);
    config.addr.s_addr = htonl(0x0a000001);
    memset(config.entropy, entropy, sizeof(config.entropy));
    mytcp_stack *s = mytcp_create(&config, 0);
    assert_non_null(s);
    return s;
}

/* R17: where a connection hangs is the stack's secret: peers that collide here do so nowhere else */
static void the_place_of_a_connection_follows_from_the_stacks_entropy(void **state)
{
    (void)state;
    mytcp_stack *a = stack_of(7), *b = stack_of(8), *same = stack_of(7);
    struct node n = {.local = {0x0a000001}, .peer = {0x0a000002}, .local_port = 80};
    for (n.peer_port = 1; n.peer_port <= 100; n.peer_port++) {
        assert_int_not_equal(node_hash(a, &n.link), node_hash(b, &n.link));
        assert_int_equal(node_hash(a, &n.link), node_hash(same, &n.link));
    }
    mytcp_destroy(a);
    mytcp_destroy(b);
    mytcp_destroy(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_place_of_a_connection_follows_from_the_stacks_entropy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
