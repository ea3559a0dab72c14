/* Columns are counted, octets are written. */
#include "page.h"

#include "human.h"

void sf_page_put(struct sf_page *page, enum sf_style style, const char *text, size_t len)
{
    static const char *const codes[SF_STYLES] = {
        [SF_PLAIN] = NULL, [SF_BOLD] = "1",    [SF_DIM] = "2",
        [SF_RED] = "31",   [SF_YELLOW] = "33", [SF_REVERSE] = "7"};
    bool is_styled = page->color && codes[style] != NULL;
    if (is_styled)
        sf_put_format(page->out, "\033[%sm", codes[style]);
    sf_put(page->out, text, len);
    if (is_styled)
        sf_put_text(page->out, "\033[0m");
}

void sf_page_spaces(struct sf_page *page, size_t n)
{
    for (; n > 0; n--)
        sf_put_char(page->out, ' ');
}

size_t sf_page_octets(const char *text, size_t len, size_t columns)
{
    size_t at = 0;
    for (size_t seen = 0; at < len; at++) {
        if (((unsigned char)text[at] & 0xc0) == 0x80)
            continue;
        if (seen++ == columns)
            break;
    }
    return at;
}

const char *sf_page_ellipsis(const struct sf_page *page)
{
    return page->unicode ? "\xe2\x80\xa6" : "~";
}

/* Octets of the text that fit into `room` columns, broken at a blank where there is one. */
static size_t break_at(const char *text, size_t len, size_t room)
{
    size_t fits = sf_page_octets(text, len, room);
    if (fits == len)
        return len;
    size_t at = fits;
    while (at > 0 && text[at] != ' ')
        at--;
    return at > 0 ? at : fits;
}

void sf_page_wrap(struct sf_page *page, enum sf_style style, const char *text, size_t len,
                  size_t indent, unsigned lines)
{
    size_t room = page->width > indent + 8 ? page->width - indent : 8;
    size_t begin = page->out->len;
    for (unsigned line = 1;; line++) {
        bool is_last = line == lines;
        size_t part = break_at(text, len, room);
        if (is_last && part < len)
            part = break_at(text, len, room - 1);
        sf_page_put(page, style, text, part);
        if (is_last && part < len)
            sf_page_put(page, style, sf_page_ellipsis(page), strlen(sf_page_ellipsis(page)));
        sf_put_char(page->out, '\n');
        while (part < len && text[part] == ' ')
            part++;
        text += part;
        len -= part;
        if (is_last || len == 0)
            break;
        sf_page_spaces(page, indent);
    }
    for (size_t i = begin; i < page->out->len; i++)
        if (page->out->data[i] == SF_PAGE_JOINT)
            page->out->data[i] = ' ';
}

enum sf_style sf_page_severity_style(enum sf_severity severity)
{
    static const enum sf_style styles[] = {[SF_SEVERITY_OK] = SF_PLAIN,
                                           [SF_NOTE] = SF_PLAIN,
                                           [SF_WARNING] = SF_YELLOW,
                                           [SF_PROBLEM] = SF_RED};
    return styles[severity];
}

const char *sf_page_severity_mark(const struct sf_page *page, enum sf_severity severity)
{
    static const char *const unicode[] = {" ", "\xc2\xb7", "!", "\xe2\x9c\x97"};
    static const char *const ascii[] = {" ", "-", "!", "X"};
    return page->unicode ? unicode[severity] : ascii[severity];
}
