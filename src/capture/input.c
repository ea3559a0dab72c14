/* One input: a file or standard input, its format, its interfaces, and how it ended. */
#include "capture_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What libpcap and Wireshark take for the longest packet of nearly every link type. */
static const uint32_t usual_caplen_max = 262144;

static const struct {
    const char *name;
    bool (*knows)(uint32_t magic);
    int (*open)(struct sf_input *input, struct sf_error *err);
} formats[] = {
    {"pcap", sf_pcap_knows, sf_pcap_open},
    {"pcapng", sf_pcapng_knows, sf_pcapng_open},
};

/* Reads the magic number and hands over to the format that knows it. */
static int open_format(struct sf_input *input, struct sf_error *err)
{
    struct sf_window *window = &input->window;
    if (sf_window_need(window, SF_MAGIC_LEN) != SF_FILL_READY) {
        if (window->fault.text[0] != '\0')
            return sf_fail(err, "%s", window->fault.text);
        size_t len = (size_t)(window->end - window->at);
        return len == 0 ? sf_fail(err, "not a capture (empty)")
                        : sf_fail(err, "not a capture (%zu octets)", len);
    }
    uint32_t magic = sf_input_u32(input, window->at);
    for (size_t i = 0; i < sizeof formats / sizeof formats[0]; i++) {
        if (!formats[i].knows(magic))
            continue;
        input->report->format = formats[i].name;
        return formats[i].open(input, err);
    }
    const uint8_t *p = window->at;
    return sf_fail(err, "not a capture (magic 0x%02x%02x%02x%02x)", p[0], p[1], p[2], p[3]);
}

/* `fd` may be the -1 of an open() that failed. */
static int open_descriptor(struct sf_input *input, int fd, uint64_t size_max, struct sf_error *err)
{
    if (fd < 0)
        return sf_fail(err, "%s", strerror(errno));
    if (sf_window_open(&input->window, fd, size_max, &input->context->stop, err) != 0)
        return -1;
    input->report->compression = sf_window_compression(&input->window);
    input->is_open = true;
    return open_format(input, err);
}

static int open_whole(struct sf_input *input, int fd, uint64_t size_max, struct sf_error *err)
{
    if (open_descriptor(input, fd, size_max, &input->report->error) == 0)
        return 0;
    sf_fail_prefix(&input->report->error, input->name);
    input->report->unreadable = true;
    sf_input_close(input);
    return sf_fail(err, "%s", input->report->error.text);
}

int sf_input_open(struct sf_input *input, const char *path, struct sf_error *err)
{
    bool is_stdin = strcmp(path, "-") == 0;
    input->name = is_stdin ? "standard input" : path;
    int fd = is_stdin ? fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3) : open(path, O_RDONLY | O_CLOEXEC);
    return open_whole(input, fd, UINT64_MAX, err);
}

int sf_input_open_twin(struct sf_input *input, const struct sf_input *like, struct sf_error *err)
{
    input->name = like->name;
    if (like->report->unreadable) {
        *input->report = *like->report;
        return sf_fail(err, "%s", like->report->error.text);
    }
    int fd = fcntl(like->window.fd, F_DUPFD_CLOEXEC, 3);
    return open_whole(input, fd, like->window.file_size, err);
}

/* LINKTYPE_ for raw IP is 101; 12 and 14 are the DLT_RAW of some systems' own headers, which old
 * programs wrote into files. */
static uint16_t linktype_of(uint32_t in_file)
{
    uint16_t linktype = in_file & 0xffffu; /* above: FCS length and reserved bits */
    return linktype == 12 || linktype == 14 ? 101 : linktype;
}

static void learn_filter(struct sf_input *input, uint16_t linktype)
{
    struct sf_error why;
    struct sf_error *told = &input->report->error;
    if (sf_filter_learn(input->context->filter, linktype, &why) || told->text[0] != '\0')
        return;
    sf_fail(told, "%s: packets of link type %u are left out: %.300s", input->name, linktype,
            why.text);
}

struct sf_interface *sf_input_add_interface(struct sf_input *input, uint32_t linktype)
{
    if (input->interface_count == input->interface_capacity) {
        size_t capacity = input->interface_capacity * 2 + 1;
        void *larger = realloc(input->interfaces, capacity * sizeof *input->interfaces);
        if (larger == NULL)
            return NULL;
        input->interfaces = larger;
        input->interface_capacity = capacity;
    }
    uint32_t number = input->context->interface_count;
    if (number < UINT16_MAX) /* the 65536th and later ones share a number */
        input->context->interface_count++;
    struct sf_interface *interface = &input->interfaces[input->interface_count++];
    *interface =
        (struct sf_interface){.linktype = linktype_of(linktype), .number = (uint16_t)number};
    sf_clock_init(&interface->clock, SF_TSRESOL_USEC, 0);
    if (input->context->filter != NULL)
        learn_filter(input, interface->linktype);
    return interface;
}

static void end(struct sf_input *input)
{
    input->is_open = false;
    sf_window_end(&input->window);
}

enum sf_step sf_input_damage(struct sf_input *input, const char *fmt, ...)
{
    end(input);
    if (input->context->stop) /* the user ended the reading, nothing is wrong with the file */
        return SF_STEP_END;
    char what[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    input->report->damaged = true;
    sf_fail(&input->report->error, "%.160s: %s (packet %llu, byte %llu)", input->name, what,
            (unsigned long long)input->parsed + 1, (unsigned long long)input->record);
    return SF_STEP_END;
}

enum sf_step sf_input_stop(struct sf_input *input, enum sf_fill fill, const char *what)
{
    const struct sf_window *window = &input->window;
    if (fill == SF_FILL_LATER)
        return SF_STEP_LATER;
    if (window->fault.text[0] != '\0')
        return sf_input_damage(input, "%.200s", window->fault.text);
    if (window->at != window->end)
        return sf_input_damage(input, "%s", what);
    end(input);
    return SF_STEP_END;
}

uint32_t sf_input_caplen_max(uint32_t snaplen)
{
    if (snaplen < usual_caplen_max)
        return usual_caplen_max;
    return snaplen < SF_BLOCK_MAX / 2 ? snaplen : SF_BLOCK_MAX / 2;
}

uint64_t sf_input_dropped(const struct sf_input *input)
{
    uint64_t dropped = input->dropped;
    for (size_t i = 0; i < input->interface_count; i++)
        dropped += input->interfaces[i].dropped;
    return dropped;
}

void sf_input_close(struct sf_input *input)
{
    sf_window_close(&input->window);
    free(input->interfaces);
    input->interfaces = NULL;
    input->interface_count = 0;
    input->interface_capacity = 0;
    input->is_open = false;
}
