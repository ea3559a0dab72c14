/* Command line to struct sf_cli_options by one table; --help prints the same table. */
#include "options.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "synfin/near.h"
#include "synfin/sink.h"

enum kind {
    FLAG,    /* bool */
    UNFLAG,  /* bool, made false */
    WORD,    /* const char * */
    LIST,    /* struct sf_word_list */
    COUNT,   /* uint64_t */
    INT,     /* uint64_t that an int holds */
    SIZE,    /* uint64_t, octets, with k M G */
    SECONDS, /* sf_ns */
    WHEN,    /* enum sf_when */
    JSON,    /* -o json */
    IGNORED, /* accepted: always so */
};

static const struct option {
    char letter;       /* '\0': none */
    const char *name;  /* long name, or NULL */
    const char *value; /* placeholder in the help, NULL: takes none */
    enum kind kind;
    size_t offset;
    bool changes_results; /* named in the meta line */
    const char *text;     /* NULL: not in the help */
} options_table[] = {
#define AT(member) offsetof(struct sf_cli_options, member)
    {'r', "read", "FILE", LIST, AT(files), false, "read FILE; repeatable, - is standard input"},
    {'i', "interface", "IFACE", LIST, AT(interfaces), false, "capture live from IFACE"},
    {'o', "output", "OUT", LIST, AT(outputs), false, "FORMAT, FORMAT:FILE or FILE.EXT; repeatable"},
    {0, "json", NULL, JSON, 0, false, "short for -o json"},
    {0, "events", NULL, FLAG, AT(events), true, "with json: a line per event"},
    {0, "segments", NULL, FLAG, AT(segments), true, "with json: a line per TCP segment"},
    {0, "where", "EXPR", WORD, AT(where), true, "only connections for which EXPR holds"},
    {0, "fields", "A,B.C", WORD, AT(fields), true, "fields to print (see: synfin fields)"},
    {0, "sort", "FIELD", WORD, AT(sort), true, "order by FIELD, -FIELD: largest first"},
    {0, "top", "N", COUNT, AT(top), true, "only the first N; 0 is all (text: 50)"},
    {'f', "filter", "BPF", WORD, AT(filter_option), false, "capture filter"},
    {'F', NULL, "FILE", WORD, AT(filter_file), false, "read the capture filter from FILE"},
    {'w', "write", "FILE", WORD, AT(write_path), false,
     "write the selected connections' packets as pcap"},
    {'c', "count", "N", COUNT, AT(packet_limit), true, "stop after N packets"},
    {0, "duration", "S", SECONDS, AT(duration_ns), true, "stop after S seconds of packet time"},
    {'j', "jobs", "N", COUNT, AT(workers), false, "workers (all cores); prints the same for any N"},
    {0, "linger", "S", SECONDS, AT(linger_ns), true,
     "how long a closed connection takes segments (60)"},
    {0, "idle-timeout", "S", SECONDS, AT(idle_timeout_ns), true,
     "end a connection that is idle so long (never)"},
    {0, "max-memory", "SIZE", SIZE, AT(max_memory), true,
     "bound on the memory for connections (none)"},
    {0, "vlan-key", NULL, FLAG, AT(vlan_key), true,
     "same addresses in other VLANs are other hosts"},
    {0, "fail-on", "EXPR", WORD, AT(fail_on), false, "exit 4 when EXPR holds for a connection"},
    {0, "strict", NULL, FLAG, AT(strict), true, "stop at the first damaged input"},
    {0, "verify-checksums", NULL, FLAG, AT(verify_checksums), true,
     "leave segments with a wrong checksum out"},
    {'B', NULL, "MIB", INT, AT(buffer_mib), false, "live: capture buffer"},
    {'s', "snaplen", "LEN", INT, AT(snaplen), false, "live: octets to capture of each packet"},
    {'G', NULL, "S", SECONDS, AT(rotate_ns), false,
     "live: a new output file each S seconds (%H...)"},
    {'C', NULL, "MB", INT, AT(rotate_megabytes), false,
     "live: a new output file after MB megabytes"},
    {'W', NULL, "N", COUNT, AT(rotate_files), false,
     "with -C: N files in turn; with -G: end after N"},
    {0, "update-interval", "S", SECONDS, AT(update_interval_ns), true,
     "live json: a line for what is open so long, each S (60)"},
    {'Z', NULL, "USER", WORD, AT(user), false, "become USER once all is open (live: nobody)"},
    {0, "no-sandbox", NULL, FLAG, AT(no_sandbox), false, "neither Landlock nor seccomp"},
    {0, "promiscuous", NULL, FLAG, AT(promiscuous), false, "live: see other hosts' packets too"},
    {'D', "list-interfaces", NULL, FLAG, AT(list_interfaces), false, "list the interfaces"},
    {'l', NULL, NULL, FLAG, AT(line_flush), false, "write each line at once"},
    {'q', "quiet", NULL, FLAG, AT(quiet), false, "no warnings on standard error"},
    {0, "color", "WHEN", WHEN, AT(color), false, "auto, always or never"},
    {0, "progress", "WHEN", WHEN, AT(progress), false, "auto, always or never"},
    {'V', "version", NULL, FLAG, AT(want_version), false, "print the version"},
    {'h', "help", NULL, FLAG, AT(want_help), false, "print this page"},
    {'n', NULL, NULL, IGNORED, 0, false, NULL}, /* names are never resolved */
    {'p', NULL, NULL, UNFLAG, AT(promiscuous), false, NULL},
};

enum { OPTIONS = sizeof options_table / sizeof options_table[0] };

static const struct option *find_letter(char letter)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (options_table[i].letter == letter)
            return &options_table[i];
    return NULL;
}

static const struct option *find_name(const char *name, size_t len)
{
    for (size_t i = 0; i < OPTIONS; i++)
        if (options_table[i].name != NULL && strlen(options_table[i].name) == len &&
            strncmp(options_table[i].name, name, len) == 0)
            return &options_table[i];
    return NULL;
}

static int add_word(struct sf_word_list *list, const char *word, struct sf_error *err)
{
    const char **words = realloc(list->words, (list->count + 1) * sizeof *words);
    if (words == NULL)
        return sf_fail(err, "out of memory");
    list->words = words;
    words[list->count++] = word;
    return 0;
}

/* A number and what follows it; negative numbers are none. */
static bool read_number(const char *text, double *number, const char **rest)
{
    char *end;
    errno = 0;
    *number = strtod(text, &end);
    *rest = end;
    return end != text && errno == 0 && *number >= 0 && *number < 1e18;
}

static int read_count(const char *text, uint64_t *out)
{
    char *end;
    if (text[0] < '0' || text[0] > '9')
        return -1;
    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (*end != '\0' || errno != 0)
        return -1;
    *out = n;
    return 0;
}

static int read_scaled(const char *text, const char *const *units, const double *factors,
                       double *out)
{
    double number;
    const char *rest;
    if (!read_number(text, &number, &rest))
        return -1;
    for (size_t i = 0; units[i] != NULL; i++)
        if (strcasecmp(rest, units[i]) == 0) {
            *out = number * factors[i];
            return *out < 9e18 ? 0 : -1;
        }
    return -1;
}

static int read_size(const char *text, uint64_t *out)
{
    static const char *const units[] = {"",   "k",   "M",   "G",   "kB", "MB",
                                        "GB", "KiB", "MiB", "GiB", NULL};
    static const double factors[] = {1,   1024, 1 << 20, 1 << 30, 1e3,
                                     1e6, 1e9,  1024,    1 << 20, 1 << 30};
    double octets;
    if (read_scaled(text, units, factors, &octets) != 0)
        return -1;
    *out = (uint64_t)octets;
    return 0;
}

static int read_seconds(const char *text, sf_ns *out)
{
    static const char *const units[] = {"", "s", "ms", "us", "m", "h", NULL};
    static const double factors[] = {1e9, 1e9, 1e6, 1e3, 60e9, 3600e9};
    double ns;
    if (read_scaled(text, units, factors, &ns) != 0)
        return -1;
    *out = (sf_ns)ns;
    return 0;
}

static int read_when(const char *text, enum sf_when *out)
{
    static const char *const names[] = {"auto", "always", "never"};
    for (unsigned i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *out = (enum sf_when)i;
            return 0;
        }
    return -1;
}

static const char *spelled(const struct option *option, char out[32])
{
    if (option->name != NULL)
        snprintf(out, 32, "--%s", option->name);
    else
        snprintf(out, 32, "-%c", option->letter);
    return out;
}

static int fail_value(const struct option *option, const char *value, const char *wanted,
                      struct sf_error *err)
{
    char name[32];
    return sf_fail(err, "%s %s: %s is wanted", spelled(option, name), value, wanted);
}

/* What the meta line says of an option: "name=value", "name=" for a flag. */
static int note_given(struct sf_cli_options *options, const struct option *option,
                      const char *value, struct sf_error *err)
{
    char *text;
    if (!option->changes_results)
        return 0;
    if (asprintf(&text, "%s=%s", option->name, value == NULL ? "" : value) < 0)
        return sf_fail(err, "out of memory");
    if (add_word(&options->given, text, err) == 0)
        return 0;
    free(text);
    return -1;
}

static int apply(struct sf_cli_options *options, const struct option *option, const char *value,
                 struct sf_error *err)
{
    void *at = (char *)options + option->offset;
    switch (option->kind) {
    case FLAG:
    case UNFLAG: *(bool *)at = option->kind == FLAG; break;
    case WORD: *(const char **)at = value; break;
    case LIST:
        if (add_word(at, value, err) != 0)
            return -1;
        break;
    case COUNT:
        if (read_count(value, at) != 0)
            return fail_value(option, value, "a whole number", err);
        break;
    case INT:
        if (read_count(value, at) != 0 || *(uint64_t *)at > INT_MAX)
            return fail_value(option, value, "a whole number below 2147483648", err);
        break;
    case SIZE:
        if (read_size(value, at) != 0)
            return fail_value(option, value, "a size like 512M", err);
        break;
    case SECONDS:
        if (read_seconds(value, at) != 0)
            return fail_value(option, value, "a number of seconds", err);
        break;
    case WHEN:
        if (read_when(value, at) != 0)
            return fail_value(option, value, "auto, always or never", err);
        break;
    case JSON:
        if (add_word(&options->outputs, "json", err) != 0)
            return -1;
        break;
    case IGNORED: break;
    }
    if (option->offset == AT(top))
        options->has_top = true;
    return note_given(options, option, value, err);
}

/* The words of the command line as they are taken one by one. */
struct reading {
    struct sf_cli_options *options;
    char **words;
    int count, at;
    struct sf_word_list free_words; /* neither option nor value */
    bool options_over;              /* after "--" */
};

static int take_value(struct reading *r, const struct option *option, const char *attached,
                      struct sf_error *err)
{
    char name[32];
    if (option->value == NULL && attached != NULL)
        return sf_fail(err, "%s takes no value", spelled(option, name));
    if (option->value == NULL)
        return apply(r->options, option, NULL, err);
    if (attached == NULL && r->at == r->count)
        return sf_fail(err, "%s needs a value: %s", spelled(option, name), option->value);
    return apply(r->options, option, attached != NULL ? attached : r->words[r->at++], err);
}

static int take_long(struct reading *r, const char *word, struct sf_error *err)
{
    size_t len = strcspn(word, "=");
    const struct option *option = find_name(word, len);
    if (option != NULL)
        return take_value(r, option, word[len] == '=' ? word + len + 1 : NULL, err);
    struct sf_near near = sf_near_begin(word, len);
    for (size_t i = 0; i < OPTIONS; i++)
        if (options_table[i].name != NULL)
            sf_near_offer(&near, options_table[i].name);
    if (near.best != NULL)
        return sf_fail(err, "unknown option --%.*s; did you mean --%s?", (int)len, word, near.best);
    return sf_fail(err, "unknown option --%.*s (synfin --help lists them)", (int)len, word);
}

/* "-nr" FILE, "-rFILE", "-c10". */
static int take_letters(struct reading *r, const char *letters, struct sf_error *err)
{
    for (; *letters != '\0'; letters++) {
        const struct option *option = find_letter(*letters);
        if (option == NULL)
            return sf_fail(err, "unknown option -%c (synfin --help lists them)", *letters);
        if (option->value != NULL)
            return take_value(r, option, letters[1] != '\0' ? letters + 1 : NULL, err);
        if (take_value(r, option, NULL, err) != 0)
            return -1;
    }
    return 0;
}

static int take_word(struct reading *r, struct sf_error *err)
{
    const char *word = r->words[r->at++];
    if (r->options_over || word[0] != '-' || word[1] == '\0')
        return add_word(&r->free_words, word, err);
    if (strcmp(word, "--") == 0) {
        r->options_over = true;
        return 0;
    }
    return word[1] == '-' ? take_long(r, word + 2, err) : take_letters(r, word + 1, err);
}

static int join_filter(struct sf_cli_options *options, const struct sf_word_list *words,
                       struct sf_error *err)
{
    size_t len = 1;
    for (size_t i = 0; i < words->count; i++)
        len += strlen(words->words[i]) + 1;
    options->filter = calloc(1, len);
    if (options->filter == NULL)
        return sf_fail(err, "out of memory");
    for (size_t i = 0; i < words->count; i++) {
        if (i > 0)
            strcat(options->filter, " ");
        strcat(options->filter, words->words[i]);
    }
    return 0;
}

/* tcpdump's -F: '#' begins a comment. */
static int read_filter_file(struct sf_cli_options *options, struct sf_error *err)
{
    FILE *file = fopen(options->filter_file, "r");
    if (file == NULL)
        return sf_fail(err, "%s: %s", options->filter_file, strerror(errno));
    char text[65536];
    size_t len = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[len] = '\0';
    for (char *c = text; (c = strchr(c, '#')) != NULL;)
        while (*c != '\0' && *c != '\n')
            *c++ = ' ';
    options->filter = strdup(text);
    return options->filter == NULL ? sf_fail(err, "out of memory") : 0;
}

static int settle_filter(struct sf_cli_options *options, const struct sf_word_list *words,
                         struct sf_error *err)
{
    int given =
        (options->filter_option != NULL) + (options->filter_file != NULL) + (words->count > 0);
    if (given > 1)
        return sf_fail(err, "more than one capture filter: %s",
                       words->count > 0 ? words->words[0] : options->filter_option);
    if (options->filter_file != NULL)
        return read_filter_file(options, err);
    if (options->filter_option != NULL) {
        struct sf_word_list one = {&options->filter_option, 1};
        return join_filter(options, &one, err);
    }
    return words->count > 0 ? join_filter(options, words, err) : 0;
}

/* `synfin FILE tcp port 80`: who writes so means a filter and has no file of that name. */
static int check_is_no_filter(const char *word, struct sf_error *err)
{
    static const char *const begins_filter[] = {
        "tcp", "ip",        "ip6",  "host", "port", "net",     "src",
        "dst", "portrange", "vlan", "not",  "less", "greater",
    };
    for (size_t i = 0; i < sizeof begins_filter / sizeof begins_filter[0]; i++)
        if (strcmp(word, begins_filter[i]) == 0 && access(word, F_OK) != 0)
            return sf_fail(err, "a filter beside files is written -f '%s ...'", word);
    return 0;
}

/* With -r or -i the free words are a filter, as tcpdump's; else they are files. */
static int settle_words(struct reading *r, struct sf_error *err)
{
    struct sf_cli_options *options = r->options;
    static const struct sf_word_list none = {0};
    if (options->files.count > 0 && options->interfaces.count > 0)
        return sf_fail(err, "-r and -i exclude each other");
    if (options->files.count > 0 || options->interfaces.count > 0)
        return settle_filter(options, &r->free_words, err);
    for (size_t i = 0; i < r->free_words.count; i++)
        if ((i > 0 && check_is_no_filter(r->free_words.words[i], err) != 0) ||
            add_word(&options->files, r->free_words.words[i], err) != 0)
            return -1;
    return settle_filter(options, &none, err);
}

static int note_filter(struct sf_cli_options *options, struct sf_error *err)
{
    static const struct option filter = {.name = "filter", .changes_results = true};
    return options->filter == NULL ? 0 : note_given(options, &filter, options->filter, err);
}

int sf_options_parse(struct sf_cli_options *options, int count, char **words, struct sf_error *err)
{
    *options = (struct sf_cli_options){.linger_ns = 60 * SF_SEC, .update_interval_ns = 60 * SF_SEC};
    struct reading r = {.options = options, .words = words, .count = count};
    int result = 0;
    while (result == 0 && r.at < count)
        result = take_word(&r, err);
    if (result == 0)
        result = settle_words(&r, err);
    if (result == 0)
        result = note_filter(options, err);
    free(r.free_words.words);
    return result;
}

void sf_options_dispose(struct sf_cli_options *options)
{
    for (size_t i = 0; i < options->given.count; i++)
        free((char *)(uintptr_t)options->given.words[i]);
    free(options->given.words);
    free(options->files.words);
    free(options->interfaces.words);
    free(options->outputs.words);
    free(options->filter);
    *options = (struct sf_cli_options){0};
}

static void help_option(FILE *out, const struct option *option)
{
    char left[40];
    char letter[8] = "    ";
    if (option->letter != '\0')
        snprintf(letter, sizeof letter, "-%c%s", option->letter, option->name != NULL ? ", " : "");
    snprintf(left, sizeof left, "%s%s%s%s%s", letter, option->name != NULL ? "--" : "",
             option->name != NULL ? option->name : "", option->value != NULL ? " " : "",
             option->value != NULL ? option->value : "");
    fprintf(out, "  %-25s %s\n", left, option->text);
}

void sf_options_help(FILE *out)
{
    fputs("usage: synfin [options] FILE ...              captures; - is standard input\n"
          "       synfin [options] -r FILE ... [BPF]     the same in tcpdump's way\n"
          "       synfin [options] -i IFACE [BPF]        live\n"
          "       synfin explain FILE ... [--conn ID | --where EXPR]   a life as a ladder\n"
          "       synfin fields | anomalies [NAME] | schema\n"
          "       synfin doctor [-i IFACE] [--json]      what could spoil a capture here\n"
          "\n"
          "Reads TCP packets and tells the life of every connection.\n"
          "\n",
          out);
    for (size_t i = 0; i < OPTIONS; i++)
        if (options_table[i].text != NULL)
            help_option(out, &options_table[i]);
    fputs("\nOutputs:\n", out);
    for (const struct sf_sink_format *format = sf_sink_formats(); format->name != NULL; format++)
        fprintf(out, "  %-25s %s\n", format->name, format->text);
    fputs("\nEXPR compares fields (synfin fields) by == != < <= > >=, by ~ (contains, or a\n"
          "pattern with * ?) or by in (A, B), joined by and, or, not and parentheses; text\n"
          "stands in quotation marks, times may carry ns us ms s m h, sizes k M G KiB MiB:\n"
          "  close.how == \"reset\" and client.unique_bytes > 1M\n"
          "  severity >= \"warning\" and server.ip == \"10.0.0.0/8\"\n"
          "  open.rtt > 200ms or has(\"zero_window\") or anomaly(\"retransmission\") > 10\n",
          out);
    fputs("\nExit: 0 all read, 1 nothing usable or output failed, 2 usage, 3 input was\n"
          "damaged or packets were dropped, 4 --fail-on matched.\n",
          out);
}

size_t sf_packets_left(const struct sf_cli_options *options, uint64_t taken, size_t most)
{
    uint64_t limit = options->packet_limit;
    if (limit == 0)
        return most;
    return taken >= limit ? 0 : limit - taken < most ? (size_t)(limit - taken) : most;
}

bool sf_when_holds(enum sf_when when, FILE *stream)
{
    switch (when) {
    case SF_WHEN_ALWAYS: return true;
    case SF_WHEN_NEVER: return false;
    case SF_WHEN_AUTO: break;
    }
    return isatty(fileno(stream)) != 0;
}
