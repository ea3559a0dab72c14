/* Writes a script's packets as a pcap file.
 *
 * usage: seg2pcap [--transform NAME] [--nano] [--big] [--sll2] SCRIPT PCAP */
#include <stdio.h>
#include <string.h>

#include "wire.h"

struct format {
    bool is_nano, is_big;
    enum wire_link link;
};

static void write_field(FILE *file, const struct format *format, uint32_t value, unsigned octets)
{
    for (unsigned i = 0; i < octets; i++) {
        unsigned shift = format->is_big ? 8 * (octets - 1 - i) : 8 * i;
        fputc((int)(value >> shift & 0xff), file);
    }
}

static void write_words(FILE *file, const struct format *format, const uint32_t *words, size_t n)
{
    for (size_t i = 0; i < n; i++)
        write_field(file, format, words[i], 4);
}

/* draft-ietf-opsawg-pcap: magic tells byte order and unit of time; link types 1 and 276. */
static void write_header(FILE *file, const struct format *format)
{
    const uint32_t link = format->link == WIRE_SLL2 ? 276 : 1;
    write_field(file, format, format->is_nano ? 0xa1b23c4du : 0xa1b2c3d4u, 4);
    write_field(file, format, 2, 2);
    write_field(file, format, 4, 2);
    write_words(file, format, (const uint32_t[]){0, 0, 262144, link}, 4);
}

static void write_packet(FILE *file, const struct format *format, const struct wire_frame *frame,
                         sf_ns t_ns)
{
    const uint32_t part = (uint32_t)(t_ns % SF_SEC);
    const uint32_t words[] = {(uint32_t)(t_ns / SF_SEC), format->is_nano ? part : part / 1000,
                              frame->caplen, frame->length};
    write_words(file, format, words, 4);
    fwrite(frame->octets, 1, frame->caplen, file);
}

static int write_script(const struct script *script, const struct format *format, const char *path)
{
    static struct wire_frame frame; /* too large for the stack of some machines */
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    write_header(file, format);
    for (size_t i = 0; i < script->packet_count; i++) {
        wire_build(&frame, script, &script->packets[i], format->link);
        write_packet(file, format, &frame, script->packets[i].t_ns);
    }
    if (fclose(file) != 0) {
        perror(path);
        return 1;
    }
    return 0;
}

static int usage(void)
{
    fputs("usage: seg2pcap [--transform NAME] [--nano] [--big] [--sll2] SCRIPT PCAP\n", stderr);
    return 2;
}

int main(int argc, char **argv)
{
    struct format format = {0};
    const struct script_transform *transform = script_transform_find("plain");
    int i = 1;
    for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
        if (strcmp(argv[i], "--nano") == 0)
            format.is_nano = true;
        else if (strcmp(argv[i], "--big") == 0)
            format.is_big = true;
        else if (strcmp(argv[i], "--sll2") == 0)
            format.link = WIRE_SLL2;
        else if (strcmp(argv[i], "--transform") == 0 && i + 1 < argc)
            transform = script_transform_find(argv[++i]);
        else
            return usage();
    }
    if (i + 2 != argc || transform == NULL)
        return usage();
    struct script script;
    struct sf_error err;
    if (script_read(&script, argv[i], transform, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    int status = write_script(&script, &format, argv[i + 1]);
    script_dispose(&script);
    return status;
}
