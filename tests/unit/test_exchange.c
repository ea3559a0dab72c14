/* Mail between live workers comes in the order of time, once all have read as far. */
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "exchange.h"

enum { WORKERS = 3, LATE = 1000 * 1000 * 1000 };

static struct sf_exchange *exchange_of_three(void)
{
    struct sf_error err;
    struct sf_exchange *exchange = sf_exchange_new(WORKERS, &err);
    assert_non_null(exchange);
    return exchange;
}

static void post(struct sf_exchange *exchange, unsigned to, sf_ns ts_ns, uint64_t packet)
{
    struct sf_error err;
    struct sf_mail mail = {.kind = SF_MAIL_QUOTE, .ts_ns = ts_ns, .quote = {.packet = packet}};
    assert_int_equal(sf_exchange_post(exchange, to, &mail, &err), 0);
}

static void all_reach(struct sf_exchange *exchange, sf_ns until_ns)
{
    for (unsigned i = 0; i < WORKERS; i++)
        sf_exchange_reach(exchange, i, until_ns);
}

/* The packet of the next mail; 0: there is none that may be taken. */
static uint64_t take(struct sf_exchange *exchange, unsigned worker)
{
    sf_ns until_ns = sf_exchange_all_reached(exchange);
    const struct sf_mail *mail = sf_exchange_take(exchange, worker, until_ns, until_ns);
    return mail == NULL ? 0 : mail->quote.packet;
}

static void mail_comes_in_the_order_of_time(void **state)
{
    (void)state;
    struct sf_exchange *exchange = exchange_of_three();
    static const sf_ns times[] = {50, 10, 40, 20, 30, 20, 60};
    static const uint64_t order[] = {2, 4, 6, 5, 3, 1, 7};
    enum { COUNT = sizeof times / sizeof times[0] };
    for (unsigned i = 0; i < COUNT; i++)
        post(exchange, 1, times[i], i + 1);
    assert_int_equal(take(exchange, 1), 0); /* nobody has read anything */
    all_reach(exchange, 100);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(take(exchange, 1), order[i]);
    assert_int_equal(take(exchange, 1), 0);
    assert_int_equal(take(exchange, 0), 0); /* it was another's */
    sf_exchange_free(exchange);
}

static void mail_waits_for_the_slowest(void **state)
{
    (void)state;
    struct sf_exchange *exchange = exchange_of_three();
    post(exchange, 0, 20, 1);
    all_reach(exchange, 30);
    sf_exchange_reach(exchange, 2, 19);
    assert_int_equal(take(exchange, 0), 0);
    assert_true(sf_exchange_is_busy(exchange));
    post(exchange, 0, 19, 2); /* of the slowest */
    sf_exchange_reach(exchange, 2, INT64_MAX);
    assert_int_equal(take(exchange, 0), 2);
    assert_int_equal(take(exchange, 0), 1);
    assert_false(sf_exchange_is_busy(exchange));
    sf_exchange_free(exchange);
}

static void a_clock_set_back_holds_no_mail(void **state)
{
    (void)state;
    struct sf_exchange *exchange = exchange_of_three();
    all_reach(exchange, 0);
    post(exchange, 0, LATE - 1, 1);
    assert_int_equal(take(exchange, 0), 0);
    post(exchange, 1, LATE, 2);
    assert_int_equal(take(exchange, 1), 2);
    sf_exchange_free(exchange);
}

static void octets_come_along(void **state)
{
    (void)state;
    struct sf_exchange *exchange = exchange_of_three();
    struct sf_error err;
    uint8_t packet[SF_MAIL_OCTETS + 100];
    for (size_t i = 0; i < sizeof packet; i++)
        packet[i] = (uint8_t)i;
    struct sf_mail mail = {.kind = SF_MAIL_OWNED, .segment = {.ip = packet, .ip_cap = 40}};
    assert_int_equal(sf_exchange_post(exchange, 0, &mail, &err), 0);
    mail.segment.ip_cap = sizeof packet;
    assert_int_equal(sf_exchange_post(exchange, 0, &mail, &err), 0);
    memset(packet, 0, sizeof packet); /* it was borrowed */
    all_reach(exchange, 1);
    static const uint32_t lengths[] = {40, SF_MAIL_OCTETS};
    for (unsigned k = 0; k < 2; k++) {
        const struct sf_mail *got = sf_exchange_take(exchange, 0, 1, 1);
        assert_non_null(got);
        assert_int_equal(got->segment.ip_cap, lengths[k]);
        for (uint32_t i = 0; i < lengths[k]; i++)
            assert_int_equal(got->segment.ip[i], (uint8_t)i);
    }
    sf_exchange_free(exchange);
}

static void first_mail_wakes_all(void **state)
{
    (void)state;
    struct sf_exchange *exchange = exchange_of_three();
    post(exchange, 1, 5, 1);
    for (unsigned i = 0; i < WORKERS; i++) {
        struct pollfd fd = {.fd = sf_exchange_wake_fd(exchange, i), .events = POLLIN};
        assert_int_equal(poll(&fd, 1, 0), 1);
    }
    sf_exchange_free(exchange);
}

static void much_mail_is_full(void **state)
{
    (void)state;
    struct sf_exchange *exchange = exchange_of_three();
    uint64_t count = 0;
    for (; !sf_exchange_is_full(exchange); count++)
        post(exchange, 2, (sf_ns)(count * 7919 % 1000), count);
    all_reach(exchange, 1000);
    sf_ns before = 0;
    for (uint64_t i = 0; i < count; i++) {
        const struct sf_mail *mail = sf_exchange_take(exchange, 2, 1000, 1000);
        assert_non_null(mail);
        assert_true(mail->ts_ns >= before);
        before = mail->ts_ns;
    }
    assert_false(sf_exchange_is_busy(exchange));
    sf_exchange_free(exchange);
}

static void drops_are_counted_together(void **state)
{
    (void)state;
    struct sf_exchange *exchange = exchange_of_three();
    assert_int_equal(sf_exchange_drop(exchange, 3), 3);
    assert_int_equal(sf_exchange_drop(exchange, 0), 3);
    assert_int_equal(sf_exchange_drop(exchange, 4), 7);
    sf_exchange_free(exchange);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mail_comes_in_the_order_of_time),
        cmocka_unit_test(mail_waits_for_the_slowest),
        cmocka_unit_test(a_clock_set_back_holds_no_mail),
        cmocka_unit_test(octets_come_along),
        cmocka_unit_test(first_mail_wakes_all),
        cmocka_unit_test(much_mail_is_full),
        cmocka_unit_test(drops_are_counted_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
