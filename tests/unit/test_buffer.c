/* Values as text: every length and sign, and strings with what must be escaped at every place. */
#include "synfin/buffer.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static void expect(struct sf_buffer *buffer, const char *wanted)
{
    sf_put_char(buffer, '\0');
    assert_string_equal(buffer->data, wanted);
    sf_buffer_clear(buffer);
}

/* By printf and without the zeros at the end. */
static void print_seconds(char out[64], sf_ns ns)
{
    uint64_t n = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
    int len = snprintf(out, 64, "%s%" PRIu64 ".%09" PRIu64, ns < 0 ? "-" : "", n / 1000000000,
                       n % 1000000000);
    while (out[len - 1] == '0')
        len--;
    out[len - (out[len - 1] == '.')] = '\0';
}

static void numbers_are_exact(void **state)
{
    (void)state;
    struct sf_buffer buffer = {0};
    uint64_t n = 1;
    for (int i = 0; i < 2000; i++, n = n * 6364136223846793005u + 1442695040888963407u) {
        uint64_t number = n >> i % 64;
        char wanted[64];
        snprintf(wanted, sizeof wanted, "%" PRIu64 " %" PRId64, number, (int64_t)number);
        sf_put_count(&buffer, number);
        sf_put_char(&buffer, ' ');
        sf_put_signed(&buffer, (int64_t)number);
        expect(&buffer, wanted);
        for (uint64_t step = 1; step <= 1000000000; step *= 10) {
            sf_ns ns = (sf_ns)(number / step * step);
            print_seconds(wanted, ns);
            sf_put_seconds(&buffer, ns);
            expect(&buffer, wanted);
        }
    }
    sf_buffer_dispose(&buffer);
}

static void reals_have_three_decimals(void **state)
{
    (void)state;
    static const struct {
        double x;
        const char *text;
    } cases[] = {
        {0, "0"},
        {-0.0001, "0"},
        {0.0005, "0.001"},
        {-1.5, "-1.5"},
        {1.05, "1.05"},
        {1.005001, "1.005"},
        {123.456, "123.456"},
        {828, "828"},
        {2744.4984, "2744.498"},
        {999999999999.9, "999999999999.9"},
        {1e15, "1000000000000000"},
        {-2.5e20, "-2.5e+20"},
    };
    struct sf_buffer buffer = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        sf_put_real(&buffer, cases[i].x);
        expect(&buffer, cases[i].text);
    }
    sf_buffer_dispose(&buffer);
}

static void times_are_those_of_rfc3339(void **state)
{
    (void)state;
    struct sf_buffer buffer = {0};
    sf_ns t = -5 * 86400 * SF_SEC;
    for (int i = 0; i < 5000; i++, t += i % 7 * 1234567890123LL + 1) {
        char wanted[SF_TIME_TEXT];
        sf_time_rfc3339(wanted, t);
        sf_put_time(&buffer, t);
        expect(&buffer, wanted);
    }
    sf_buffer_dispose(&buffer);
}

/* Among plain octets, eight of which are looked at together. */
static void strings_are_escaped_anywhere(void **state)
{
    (void)state;
    static const struct {
        const char *octets, *escaped;
    } cases[] = {
        {"\"", "\\\""},
        {"\\", "\\\\"},
        {"\n", "\\n"},
        {"\x01", "\\u0001"},
        {"\x1f", "\\u001f"},
        {"\x7f", "\\u007f"},
        {"\x80", "\xef\xbf\xbd"},
        {"\xff", "\xef\xbf\xbd"},
        {" ", " "},
        {"~!#[]^", "~!#[]^"},
        {"\xc3\xa9", "\xc3\xa9"},
        {"\xe2\x82\xac", "\xe2\x82\xac"},
        {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
        {"\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"},
        {"", ""},
    };
    struct sf_buffer buffer = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (int before = 0; before < 20; before++)
            for (int after = 0; after < 20; after++) {
                char text[64], wanted[64];
                snprintf(text, sizeof text, "%.*s%s%.*s", before, "abcdefghijklmnopqrst",
                         cases[i].octets, after, "ABCDEFGHIJKLMNOPQRST");
                snprintf(wanted, sizeof wanted, "\"%.*s%s%.*s\"", before, "abcdefghijklmnopqrst",
                         cases[i].escaped, after, "ABCDEFGHIJKLMNOPQRST");
                sf_put_json_string(&buffer, text);
                expect(&buffer, wanted);
            }
    sf_buffer_dispose(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_exact),
        cmocka_unit_test(reals_have_three_decimals),
        cmocka_unit_test(times_are_those_of_rfc3339),
        cmocka_unit_test(strings_are_escaped_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
