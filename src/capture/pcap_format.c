/* The pcap format (draft-ietf-opsawg-pcap) and the variants that are found in archives. */
#include "capture_internal.h"

#define PCAP_FILE_HEADER   24
#define PCAP_RECORD_HEADER 16

/* Before version 2.3 the two lengths of a record stood in the other order; version 2.3 was written
 * by programs of both kinds. */
enum { LENGTHS_IN_ORDER, LENGTHS_SWAPPED, LENGTHS_UNCERTAIN };

static const struct variant {
    uint32_t magic;
    uint32_t header_len; /* octets before each packet's data */
    uint32_t fraction_ns;
} variants[] = {
    {0xa1b2c3d4, PCAP_RECORD_HEADER, 1000},
    {0xa1b23c4d, PCAP_RECORD_HEADER, 1},
    /* Kuznetzov's patched libpcap: interface, protocol and packet type follow the usual header */
    {0xa1b2cd34, PCAP_RECORD_HEADER + 8, 1000},
};

static const struct variant *variant_of(uint32_t magic)
{
    for (size_t i = 0; i < sizeof variants / sizeof variants[0]; i++) {
        if (variants[i].magic == magic)
            return &variants[i];
    }
    return NULL;
}

bool sf_pcap_knows(uint32_t magic)
{
    return variant_of(magic) != NULL || variant_of(__builtin_bswap32(magic)) != NULL;
}

static bool lengths_are_swapped(const struct sf_input *input, uint32_t caplen, uint32_t wirelen)
{
    return input->format.pcap.length_order == LENGTHS_SWAPPED ||
           (input->format.pcap.length_order == LENGTHS_UNCERTAIN && caplen > wirelen);
}

static enum sf_step next_packet(struct sf_input *input, struct sf_packet *out)
{
    struct sf_window *window = &input->window;
    const uint32_t header_len = input->format.pcap.header_len;
    input->record = sf_window_offset(window);
    enum sf_fill fill = sf_window_need(window, header_len);
    if (fill != SF_FILL_READY)
        return sf_input_stop(input, fill, "cut within a packet's header");

    uint32_t seconds = sf_input_u32(input, window->at);
    uint32_t fraction = sf_input_u32(input, window->at + 4);
    uint32_t caplen = sf_input_u32(input, window->at + 8);
    uint32_t wirelen = sf_input_u32(input, window->at + 12);
    if (lengths_are_swapped(input, caplen, wirelen)) {
        uint32_t swap = caplen;
        caplen = wirelen;
        wirelen = swap;
    }
    if (caplen > input->format.pcap.caplen_max)
        return sf_input_damage(input, "a packet of %u octets, more than the %u possible", caplen,
                               input->format.pcap.caplen_max);
    fill = sf_window_need(window, header_len + caplen);
    if (fill != SF_FILL_READY)
        return sf_input_stop(input, fill, "cut within a packet");

    const struct sf_interface *interface = input->interfaces;
    out->ts_ns = seconds * SF_SEC + (sf_ns)fraction * input->format.pcap.fraction_ns;
    out->caplen = caplen;
    out->wirelen = wirelen > caplen ? wirelen : caplen;
    out->linktype = interface->linktype;
    out->interface = interface->number;
    out->input = input->index;
    out->filtered = false;
    out->data = window->at + header_len;
    window->at += header_len + caplen;
    return SF_STEP_PACKET;
}

/* What next_packet() does, as long as nothing has to be fetched and nothing is odd. */
static inline size_t take_run(struct sf_input *input, struct sf_packet *batch, size_t capacity,
                              bool is_swapped)
{
    const uint8_t *at = input->window.at, *end = input->window.end;
    const uint32_t header_len = input->format.pcap.header_len;
    const uint32_t caplen_max = input->format.pcap.caplen_max;
    const uint32_t fraction_ns = input->format.pcap.fraction_ns;
    const uint16_t linktype = input->interfaces->linktype, interface = input->interfaces->number;
    const uint16_t index = input->index;
    size_t count = 0;
    for (; count < capacity && (size_t)(end - at) >= header_len; count++) {
        struct sf_packet *out = &batch[count];
        uint32_t caplen = sf_u32(at + 8, is_swapped), wirelen = sf_u32(at + 12, is_swapped);
        if (caplen > caplen_max || caplen > (size_t)(end - at) - header_len)
            break;
        out->ts_ns =
            sf_u32(at, is_swapped) * SF_SEC + (sf_ns)sf_u32(at + 4, is_swapped) * fraction_ns;
        out->caplen = caplen;
        out->wirelen = wirelen > caplen ? wirelen : caplen;
        out->linktype = linktype;
        out->interface = interface;
        out->input = index;
        out->filtered = false;
        out->data = at + header_len;
        at += header_len + caplen;
    }
    input->window.at = at;
    input->parsed += count;
    return count;
}

static size_t run(struct sf_input *input, struct sf_packet *batch, size_t capacity)
{
    return take_run(input, batch, capacity, false);
}

static size_t run_swapped(struct sf_input *input, struct sf_packet *batch, size_t capacity)
{
    return take_run(input, batch, capacity, true);
}

static uint8_t length_order_of(unsigned major, unsigned minor)
{
    if (major == 543) /* DG/UX tcpdump, as libpcap knows it */
        return LENGTHS_SWAPPED;
    if (major != 2 || minor > 3)
        return LENGTHS_IN_ORDER;
    return minor == 3 ? LENGTHS_UNCERTAIN : LENGTHS_SWAPPED;
}

int sf_pcap_open(struct sf_input *input, struct sf_error *err)
{
    struct sf_window *window = &input->window;
    if (sf_window_need(window, PCAP_FILE_HEADER) != SF_FILL_READY)
        return sf_fail(err, "%s",
                       window->fault.text[0] != '\0' ? window->fault.text
                                                     : "cut within the file header");
    const struct variant *variant = variant_of(sf_input_u32(input, window->at));
    if (variant == NULL) {
        input->is_swapped = true;
        variant = variant_of(sf_input_u32(input, window->at));
    }
    unsigned major = sf_input_u16(input, window->at + 4);
    unsigned minor = sf_input_u16(input, window->at + 6);
    if (major < 2)
        return sf_fail(err, "pcap version %u.%u is too old", major, minor);
    struct sf_interface *interface =
        sf_input_add_interface(input, sf_input_u32(input, window->at + 20));
    if (interface == NULL)
        return sf_fail(err, "out of memory");
    interface->snaplen = sf_input_u32(input, window->at + 16);
    input->format.pcap.header_len = variant->header_len;
    input->format.pcap.fraction_ns = variant->fraction_ns;
    input->format.pcap.caplen_max = sf_input_caplen_max(interface->snaplen);
    input->format.pcap.length_order = length_order_of(major, minor);
    input->next = next_packet;
    if (input->format.pcap.length_order == LENGTHS_IN_ORDER)
        input->run = input->is_swapped ? run_swapped : run;
    window->at += PCAP_FILE_HEADER;
    return 0;
}
