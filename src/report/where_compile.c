/* From the text of an expression to nodes: words, grammar, and the agreement of types. */
#include <arpa/inet.h>
#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "synfin/near.h"
#include "where_internal.h"

enum { DEPTH_MAX = 64 }; /* of parentheses and nots */

enum token_kind { END, WORD, NUMBER, TEXT, SYMBOL };

struct token {
    enum token_kind kind;
    size_t at, len; /* in the text; of TEXT without its quotes */
};

struct parser {
    const char *text;
    struct token token; /* the one at hand */
    struct sf_where *where;
    unsigned depth;
    struct sf_error *err;
};

/* The sentence, the text around the place, and a caret under it. Returns -1. */
static int fail_at(struct parser *p, size_t at, const char *fmt, ...) SF_PRINTF(3, 4);

static int fail_at(struct parser *p, size_t at, const char *fmt, ...)
{
    enum { SHOWN = 70, BEFORE = 50 };
    char sentence[256];
    char shown[SHOWN + 1];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    size_t begin = at > BEFORE ? at - BEFORE : 0;
    snprintf(shown, sizeof shown, "%s", p->text + begin);
    for (char *c = shown; *c != '\0'; c++)
        if (iscntrl((unsigned char)*c))
            *c = ' ';
    return sf_fail(p->err, "%s\n  %s\n  %*s^", sentence, shown, (int)(at - begin), "");
}

static bool is_word_octet(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '.';
}

static int read_quoted(struct parser *p, size_t at)
{
    const char *close = strchr(p->text + at + 1, p->text[at]);
    if (close == NULL)
        return fail_at(p, at, "a quotation mark is not closed");
    p->token = (struct token){TEXT, at + 1, (size_t)(close - p->text) - at - 1};
    return 0;
}

/* Takes the next token to hand. */
static int advance(struct parser *p)
{
    static const char *const symbols[] = {"==", "!=", "<=", ">=", "&&", "||", "<",
                                          ">",  "~",  "(",  ")",  ",",  "!"};
    size_t at = p->token.at + p->token.len + (p->token.kind == TEXT);
    while (isspace((unsigned char)p->text[at]))
        at++;
    char c = p->text[at];
    if (c == '\0') {
        p->token = (struct token){END, at, 0};
        return 0;
    }
    if (c == '"' || c == '\'')
        return read_quoted(p, at);
    for (size_t i = 0; i < sizeof symbols / sizeof symbols[0]; i++)
        if (strncmp(p->text + at, symbols[i], strlen(symbols[i])) == 0) {
            p->token = (struct token){SYMBOL, at, strlen(symbols[i])};
            return 0;
        }
    size_t len = c == '-' || c == '+';
    while (is_word_octet(p->text[at + len]))
        len++;
    if (len == 0 || (len == 1 && !is_word_octet(c)))
        return fail_at(p, at, c == '=' ? "comparison is written ==" : "not understood");
    bool is_number = isdigit((unsigned char)c) || c == '-' || c == '+' || c == '.';
    p->token = (struct token){is_number ? NUMBER : WORD, at, len};
    return 0;
}

static bool is_token(const struct parser *p, enum token_kind kind, const char *text)
{
    return p->token.kind == kind && strlen(text) == p->token.len &&
           strncmp(p->text + p->token.at, text, p->token.len) == 0;
}

static bool is_either(const struct parser *p, const char *word, const char *symbol)
{
    return is_token(p, WORD, word) || is_token(p, SYMBOL, symbol);
}

static int expect(struct parser *p, const char *symbol)
{
    if (!is_token(p, SYMBOL, symbol))
        return fail_at(p, p->token.at, "%s is wanted here", symbol);
    return advance(p);
}

static int add_node(struct parser *p, struct sf_node node, size_t *out)
{
    if (p->where->node_count == SF_WHERE_NODES)
        return fail_at(p, p->token.at, "the expression is too long");
    *out = p->where->node_count;
    p->where->nodes[p->where->node_count++] = node;
    return 0;
}

static int add_operand(struct parser *p, struct sf_operand **out)
{
    if (p->where->operand_count == SF_WHERE_NODES)
        return fail_at(p, p->token.at, "the expression is too long");
    *out = &p->where->operands[p->where->operand_count++];
    **out = (struct sf_operand){.source = SF_FROM_LITERAL, .at = p->token.at};
    return 0;
}

static const struct {
    const char *name;
    long double factor;
    char kind;
} units[] = {
    {"", 1, '\0'},     {"ns", 1, 't'},    {"us", 1e3L, 't'},        {"ms", 1e6L, 't'},
    {"s", 1e9L, 't'},  {"m", 60e9L, 't'}, {"min", 60e9L, 't'},      {"h", 3600e9L, 't'},
    {"k", 1e3L, 's'},  {"M", 1e6L, 's'},  {"G", 1e9L, 's'},         {"kB", 1e3L, 's'},
    {"MB", 1e6L, 's'}, {"GB", 1e9L, 's'}, {"KiB", 1024, 's'},       {"MiB", 1048576, 's'},
    {"B", 1, 's'},     {"K", 1e3L, 's'},  {"GiB", 1073741824, 's'},
};

static int read_number(struct parser *p, struct sf_operand *operand)
{
    char word[64];
    char *unit;
    if (p->token.len >= sizeof word)
        return fail_at(p, p->token.at, "the number is too long");
    memcpy(word, p->text + p->token.at, p->token.len);
    word[p->token.len] = '\0';
    long double number = strtold(word, &unit);
    if (isnan(number))
        unit = word;
    operand->type = SF_VALUE_NUMBER;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (unit != word && strcmp(unit, units[i].name) == 0) {
            operand->number = number * units[i].factor;
            operand->unit = units[i].kind;
            return advance(p);
        }
    if (unit == word)
        return fail_at(p, p->token.at, "not a number");
    if (strspn(unit, "0123456789.") > 0 && strchr(unit, '.') != NULL)
        return fail_at(p, p->token.at, "text stands in quotation marks: \"%s\"", word);
    return fail_at(p, p->token.at + (size_t)(unit - word),
                   "unknown unit: ns us ms s m h for time, k M G KiB MiB GiB for size");
}

static int read_text(struct parser *p, struct sf_operand *operand)
{
    if (p->token.len >= sizeof operand->text)
        return fail_at(p, p->token.at, "the text is too long");
    operand->type = SF_VALUE_TEXT;
    memcpy(operand->text, p->text + p->token.at, p->token.len);
    operand->text[p->token.len] = '\0';
    return advance(p);
}

/* anomaly("name") counts it, has("name") is the same read as a claim. */
static int read_anomaly(struct parser *p, struct sf_operand *operand)
{
    if (advance(p) != 0 || expect(p, "(") != 0)
        return -1;
    if (p->token.kind != TEXT && p->token.kind != WORD)
        return fail_at(p, p->token.at, "the name of an anomaly is wanted here");
    const char *name = p->text + p->token.at;
    struct sf_near near = sf_near_begin(name, p->token.len);
    for (unsigned i = 0; i < SF_ANOMALY_COUNT; i++) {
        const char *candidate = sf_anomaly_name((enum sf_anomaly)i);
        sf_near_offer(&near, candidate);
        if (strlen(candidate) != p->token.len || strncmp(candidate, name, p->token.len) != 0)
            continue;
        operand->source = SF_FROM_ANOMALY_COUNT;
        operand->type = SF_VALUE_NUMBER;
        operand->anomaly = (enum sf_anomaly)i;
        return advance(p) != 0 ? -1 : expect(p, ")");
    }
    if (near.best != NULL)
        return fail_at(p, p->token.at, "unknown anomaly; did you mean \"%s\"?", near.best);
    return fail_at(p, p->token.at, "unknown anomaly (synfin anomalies lists them)");
}

static enum sf_value_type value_type(enum sf_field_type type)
{
    static const enum sf_value_type types[] = {
        [SF_FIELD_COUNT] = SF_VALUE_NUMBER,    [SF_FIELD_REAL] = SF_VALUE_NUMBER,
        [SF_FIELD_TIME] = SF_VALUE_TIME,       [SF_FIELD_DURATION] = SF_VALUE_SPAN,
        [SF_FIELD_NAME] = SF_VALUE_TEXT,       [SF_FIELD_TEXT] = SF_VALUE_TEXT,
        [SF_FIELD_CLAIM] = SF_VALUE_CLAIM,     [SF_FIELD_SEVERITY] = SF_VALUE_SEVERITY,
        [SF_FIELD_VLANS] = SF_VALUE_NUMBER,    [SF_FIELD_TUNNELS] = SF_VALUE_TEXT,
        [SF_FIELD_TIMELINE] = SF_VALUE_NUMBER, [SF_FIELD_ANOMALIES] = SF_VALUE_NUMBER,
    };
    return types[type];
}

static bool is_value_of(const struct sf_field *field, const char *word, size_t len)
{
    for (const char *at = field->values; at != NULL && *at != '\0';) {
        size_t value = strcspn(at, " ");
        if (value == len && strncmp(at, word, len) == 0)
            return true;
        at += value + (at[value] == ' ');
    }
    return false;
}

static int fail_word(struct parser *p)
{
    size_t count;
    const struct sf_field *fields = sf_fields(&count);
    const char *word = p->text + p->token.at;
    struct sf_near near = sf_near_begin(word, p->token.len);
    for (size_t i = 0; i < count; i++) {
        sf_near_offer(&near, fields[i].path);
        if (is_value_of(&fields[i], word, p->token.len))
            return fail_at(p, p->token.at, "text stands in quotation marks: \"%.*s\"",
                           (int)p->token.len, word);
    }
    if (near.best != NULL)
        return fail_at(p, p->token.at, "unknown field; did you mean %s?", near.best);
    return fail_at(p, p->token.at, "unknown field (synfin fields lists them)");
}

static int read_word(struct parser *p, struct sf_operand *operand)
{
    char path[64];
    if (is_token(p, WORD, "null"))
        return advance(p);
    if (is_token(p, WORD, "has") || is_token(p, WORD, "anomaly"))
        return read_anomaly(p, operand);
    if (is_token(p, WORD, "true") || is_token(p, WORD, "false")) {
        operand->type = SF_VALUE_CLAIM;
        operand->number = is_token(p, WORD, "true");
        return advance(p);
    }
    if (p->token.len >= sizeof path)
        return fail_word(p);
    memcpy(path, p->text + p->token.at, p->token.len);
    path[p->token.len] = '\0';
    operand->field = sf_field_find(path);
    if (operand->field == NULL)
        return fail_word(p);
    operand->source = SF_FROM_FIELD;
    operand->type = value_type(operand->field->type);
    return advance(p);
}

static int read_operand(struct parser *p, struct sf_operand **out)
{
    if (add_operand(p, out) != 0)
        return -1;
    switch (p->token.kind) {
    case WORD: return read_word(p, *out);
    case NUMBER: return read_number(p, *out);
    case TEXT: return read_text(p, *out);
    case END:
    case SYMBOL: break;
    }
    return fail_at(p, p->token.at, "a field or a value is wanted here");
}

/* "2026-11-21", with "T06:28:02", with ".123456789", with "Z": UTC always. */
static bool parse_time(const char *text, long double *out)
{
    int year, month, day, hour = 0, minute = 0, used = 0;
    double second = 0;
    if (sscanf(text, "%4d-%2d-%2d%n", &year, &month, &day, &used) != 3 || month < 1 || month > 12 ||
        day < 1 || day > 31)
        return false;
    text += used;
    if (*text == 'T' || *text == ' ') {
        if (sscanf(text + 1, "%2d:%2d%n", &hour, &minute, &used) != 2)
            return false;
        text += 1 + used;
        if (*text == ':' && sscanf(text + 1, "%12lf%n", &second, &used) == 1)
            text += 1 + used;
        if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || !(second >= 0 && second < 61))
            return false;
    }
    if (strcmp(text, "") != 0 && strcmp(text, "Z") != 0)
        return false;
    /* Days by the calendar that begins in March: RFC 3339 has no other. */
    long y = year - (month <= 2), m = (month + 9) % 12;
    long days = 365 * y + y / 4 - y / 100 + y / 400 + (m * 306 + 5) / 10 + day - 1 - 719468;
    long double seconds = 86400.0L * (long double)days + hour * 3600 + minute * 60;
    *out = seconds * 1e9L + roundl((long double)second * 1e9L);
    return true;
}

static bool parse_network(const char *text, struct sf_network *out)
{
    char address[SF_WHERE_TEXT];
    size_t len = strcspn(text, "/");
    memcpy(address, text, len);
    address[len] = '\0';
    out->family = strchr(address, ':') != NULL ? AF_INET6 : AF_INET;
    unsigned most = out->family == AF_INET6 ? 128 : 32;
    char *end = NULL;
    unsigned long bits = text[len] == '/' ? strtoul(text + len + 1, &end, 10) : most;
    if (bits > most || (end != NULL && (*end != '\0' || end == text + len + 1)))
        return false;
    out->bits = (unsigned)bits;
    return inet_pton(out->family, address, out->address) == 1;
}

static int settle_name(struct parser *p, const struct sf_operand *literal,
                       const struct sf_field *field)
{
    if (field->values == NULL || is_value_of(field, literal->text, strlen(literal->text)))
        return 0;
    char name[SF_WHERE_TEXT];
    struct sf_near near = sf_near_begin(literal->text, strlen(literal->text));
    char best[SF_WHERE_TEXT] = "";
    for (const char *at = field->values; *at != '\0';) {
        size_t len = strcspn(at, " ");
        memcpy(name, at, len);
        name[len] = '\0';
        near.best = NULL;
        sf_near_offer(&near, name);
        if (near.best != NULL)
            memcpy(best, name, len + 1);
        at += len + (at[len] == ' ');
    }
    if (best[0] != '\0')
        return fail_at(p, literal->at, "%s is never that; did you mean \"%s\"?", field->path, best);
    return fail_at(p, literal->at, "%s is one of: %s", field->path, field->values);
}

static int settle_severity(struct parser *p, struct sf_operand *literal,
                           const struct sf_field *field)
{
    if (settle_name(p, literal, field) != 0)
        return -1;
    literal->type = SF_VALUE_SEVERITY;
    for (unsigned rank = SF_SEVERITY_OK; rank <= SF_PROBLEM; rank++)
        if (strcmp(sf_severity_name((enum sf_severity)rank), literal->text) == 0)
            literal->number = rank;
    return 0;
}

static bool is_address(const struct sf_field *field)
{
    size_t len = strlen(field->path);
    return len > 3 && strcmp(field->path + len - 3, ".ip") == 0;
}

/* A quoted text beside a field becomes what the field is. */
static int settle_text(struct parser *p, struct sf_operand *literal, const struct sf_operand *other,
                       enum sf_comparison comparison)
{
    if (other->type == SF_VALUE_TIME) {
        if (!parse_time(literal->text, &literal->number))
            return fail_at(p, literal->at, "a time looks like \"2026-11-21T06:28:02Z\"");
        literal->type = SF_VALUE_TIME;
        return 0;
    }
    if (other->source != SF_FROM_FIELD)
        return 0;
    if (other->type == SF_VALUE_SEVERITY)
        return settle_severity(p, literal, other->field);
    if (comparison != SF_MATCHES && is_address(other->field)) {
        if (!parse_network(literal->text, &literal->network))
            return fail_at(p, literal->at, "neither an address nor a network like \"10.0.0.0/8\"");
        literal->type = SF_VALUE_NETWORK;
        return 0;
    }
    return comparison == SF_MATCHES || other->type != SF_VALUE_TEXT
               ? 0
               : settle_name(p, literal, other->field);
}

/* 0.001 has no exact double: times 1e9 it is nearly, and means, 1000000. */
static long double near_whole(long double x)
{
    long double whole = roundl(x);
    return fabsl(x - whole) < 1e-3L ? whole : x;
}

static int settle_number(struct parser *p, struct sf_operand *literal,
                         const struct sf_operand *other)
{
    if (other->type == SF_VALUE_SPAN && literal->unit != 's') {
        literal->number = near_whole(literal->number * (literal->unit == 't' ? 1.0L : 1e9L));
        literal->type = SF_VALUE_SPAN;
        return 0;
    }
    if (other->source == SF_FROM_FIELD && other->field->type == SF_FIELD_REAL)
        literal->number = (double)literal->number; /* as the field is */
    if (other->type == SF_VALUE_NUMBER && literal->unit == 't')
        return fail_at(p, literal->at, "a time is compared with what is no time");
    if (other->type == SF_VALUE_SPAN)
        return fail_at(p, literal->at, "a size is compared with a time");
    return 0;
}

static int settle(struct parser *p, struct sf_operand *literal, const struct sf_operand *other,
                  enum sf_comparison comparison)
{
    if (literal->source != SF_FROM_LITERAL)
        return 0;
    if (literal->type == SF_VALUE_TEXT)
        return settle_text(p, literal, other, comparison);
    return literal->type == SF_VALUE_NUMBER ? settle_number(p, literal, other) : 0;
}

static const char *type_words(enum sf_value_type type)
{
    static const char *const words[] = {
        [SF_VALUE_NULL] = "null",           [SF_VALUE_NUMBER] = "a number",
        [SF_VALUE_SPAN] = "a duration",     [SF_VALUE_TIME] = "a time",
        [SF_VALUE_TEXT] = "a text",         [SF_VALUE_CLAIM] = "true or false",
        [SF_VALUE_SEVERITY] = "a severity", [SF_VALUE_NETWORK] = "a network",
    };
    return words[type];
}

static bool has_order(enum sf_value_type type)
{
    return type == SF_VALUE_NUMBER || type == SF_VALUE_SPAN || type == SF_VALUE_TIME ||
           type == SF_VALUE_SEVERITY;
}

static int check_types(struct parser *p, const struct sf_operand *left,
                       const struct sf_operand *right, enum sf_comparison comparison, size_t at)
{
    bool is_equality = comparison == SF_EQ || comparison == SF_NE;
    if (left->type == SF_VALUE_NULL || right->type == SF_VALUE_NULL)
        return is_equality ? 0 : fail_at(p, at, "null is only compared by == and !=");
    bool is_text = left->type == SF_VALUE_TEXT &&
                   (right->type == SF_VALUE_TEXT || right->type == SF_VALUE_NETWORK);
    if (left->type != right->type && !is_text)
        return fail_at(p, right->at, "%s is compared with %s", type_words(left->type),
                       type_words(right->type));
    if (comparison == SF_MATCHES)
        return is_text && right->source == SF_FROM_LITERAL
                   ? 0
                   : fail_at(p, at, "~ compares a text with a quoted pattern");
    if (!is_equality && !has_order(left->type))
        return fail_at(p, at, "%s has no order: only == != ~", type_words(left->type));
    return 0;
}

static int add_comparison(struct parser *p, struct sf_operand *left, struct sf_operand *right,
                          enum sf_comparison comparison, size_t at, size_t *out)
{
    /* Of a list: what it becomes is of this comparison alone. */
    if (left->source == SF_FROM_LITERAL) {
        struct sf_operand *copy = NULL;
        if (add_operand(p, &copy) != 0)
            return -1;
        *copy = *left;
        left = copy;
    }
    if (settle(p, left, right, comparison) != 0 || settle(p, right, left, comparison) != 0)
        return -1;
    /* A network stands on the right. */
    if (left->type == SF_VALUE_NETWORK) {
        struct sf_operand *held = left;
        left = right;
        right = held;
    }
    if (check_types(p, left, right, comparison, at) != 0)
        return -1;
    struct sf_node node = {.kind = SF_NODE_COMPARE,
                           .comparison = comparison,
                           .left = (size_t)(left - p->where->operands),
                           .right = (size_t)(right - p->where->operands)};
    return add_node(p, node, out);
}

static int parse_list(struct parser *p, struct sf_operand *left, size_t *out)
{
    size_t at = p->token.at;
    if (advance(p) != 0 || expect(p, "(") != 0)
        return -1;
    for (bool is_first = true;; is_first = false) {
        struct sf_operand *right;
        size_t item, before = *out;
        if (read_operand(p, &right) != 0 || add_comparison(p, left, right, SF_EQ, at, &item) != 0)
            return -1;
        *out = item;
        if (!is_first &&
            add_node(p, (struct sf_node){.kind = SF_NODE_OR, .left = before, .right = item}, out) !=
                0)
            return -1;
        if (!is_token(p, SYMBOL, ","))
            return expect(p, ")");
        if (advance(p) != 0)
            return -1;
    }
}

static bool find_comparison(const struct parser *p, enum sf_comparison *out)
{
    static const char *const symbols[] = {
        [SF_EQ] = "==", [SF_NE] = "!=", [SF_LT] = "<",     [SF_LE] = "<=",
        [SF_GT] = ">",  [SF_GE] = ">=", [SF_MATCHES] = "~"};
    for (unsigned i = 0; i < sizeof symbols / sizeof symbols[0]; i++)
        if (is_token(p, SYMBOL, symbols[i])) {
            *out = (enum sf_comparison)i;
            return true;
        }
    return false;
}

static int parse_comparison(struct parser *p, size_t *out)
{
    struct sf_operand *left, *right;
    enum sf_comparison comparison;
    if (read_operand(p, &left) != 0)
        return -1;
    size_t at = p->token.at;
    if (is_token(p, WORD, "in"))
        return parse_list(p, left, out);
    if (!find_comparison(p, &comparison)) {
        bool is_claim = left->source != SF_FROM_LITERAL || left->type == SF_VALUE_CLAIM;
        if (!is_claim)
            return fail_at(p, at, "a comparison is wanted here");
        struct sf_node node = {.kind = SF_NODE_TRUTH, .left = (size_t)(left - p->where->operands)};
        return add_node(p, node, out);
    }
    if (advance(p) != 0 || read_operand(p, &right) != 0)
        return -1;
    return add_comparison(p, left, right, comparison, at, out);
}

static int parse_or(struct parser *p, size_t *out);

static int parse_not(struct parser *p, size_t *out)
{
    int result;
    if (++p->depth > DEPTH_MAX)
        return fail_at(p, p->token.at, "nested too deeply");
    if (is_either(p, "not", "!")) {
        size_t inner = 0;
        result = advance(p) != 0 || parse_not(p, &inner) != 0 ? -1 : 0;
        if (result == 0)
            result = add_node(p, (struct sf_node){.kind = SF_NODE_NOT, .left = inner}, out);
    } else if (is_token(p, SYMBOL, "(")) {
        result = advance(p) != 0 || parse_or(p, out) != 0 ? -1 : expect(p, ")");
    } else {
        result = parse_comparison(p, out);
    }
    p->depth--;
    return result;
}

static int parse_and(struct parser *p, size_t *out)
{
    if (parse_not(p, out) != 0)
        return -1;
    while (is_either(p, "and", "&&")) {
        struct sf_node node = {.kind = SF_NODE_AND, .left = *out};
        if (advance(p) != 0 || parse_not(p, &node.right) != 0 || add_node(p, node, out) != 0)
            return -1;
    }
    return 0;
}

static int parse_or(struct parser *p, size_t *out)
{
    if (parse_and(p, out) != 0)
        return -1;
    while (is_either(p, "or", "||")) {
        struct sf_node node = {.kind = SF_NODE_OR, .left = *out};
        if (advance(p) != 0 || parse_and(p, &node.right) != 0 || add_node(p, node, out) != 0)
            return -1;
    }
    return 0;
}

static int compile(struct parser *p)
{
    if (advance(p) != 0 || parse_or(p, &p->where->root) != 0)
        return -1;
    if (p->token.kind != END)
        return fail_at(p, p->token.at, "\"and\" or \"or\" is wanted here");
    return 0;
}

struct sf_where *sf_where_compile(const char *text, struct sf_error *err)
{
    struct sf_where *where = calloc(1, sizeof *where);
    if (where == NULL) {
        sf_fail(err, "out of memory");
        return NULL;
    }
    struct parser p = {.text = text, .where = where, .err = err};
    p.token.kind = SYMBOL;
    if (compile(&p) == 0)
        return where;
    sf_where_free(where);
    return NULL;
}
