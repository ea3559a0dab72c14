/* The pcapng format (draft-ietf-opsawg-pcapng): sections, each with its own byte order and
 * interfaces, of blocks; blocks that hold no packets for us are stepped over. */
#include "capture_internal.h"

#include "synfin/bytes.h"

enum {
    BLOCK_INTERFACE = 1,
    BLOCK_OLD_PACKET = 2,
    BLOCK_SIMPLE_PACKET = 3,
    BLOCK_STATISTICS = 5,
    BLOCK_PACKET = 6,
};

#define BLOCK_SECTION    0x0a0d0d0au /* the same in both byte orders */
#define BYTE_ORDER_MAGIC 0x1a2b3c4du

/* Octets of a block before its body, and of the length repeated after it. */
#define BLOCK_HEADER  8
#define BLOCK_TRAILER 4

/* Octets of a packet block's body before the data. */
#define PACKET_HEADER 20

enum { OPTION_END = 0, IF_TSRESOL = 9, IF_TSOFFSET = 14, ISB_IFDROP = 5, ISB_OSDROP = 7 };

/* A block that is wholly in the window. */
struct block {
    uint32_t type;
    uint32_t body_len;
    const uint8_t *body;
};

/* What handling a block came to. */
enum outcome { HANDLED, HAS_PACKET, DAMAGED };

bool sf_pcapng_knows(uint32_t magic)
{
    return magic == BLOCK_SECTION;
}

struct option {
    unsigned code;
    unsigned len;
    const uint8_t *value;
};

/* Takes the next option from [*at, end); false at the end or when it is cut. */
static bool next_option(const struct sf_input *input, struct sf_reader *r, struct option *option)
{
    struct sf_reader value;
    if (sf_reader_left(r) < 4)
        return false;
    option->code = sf_input_u16(input, r->at);
    option->len = sf_input_u16(input, r->at + 2);
    sf_read_skip(r, 4);
    if (option->code == OPTION_END || !sf_read_slice(r, option->len, &value))
        return false;
    option->value = value.at;
    size_t padding = -option->len & 3u;
    if (!sf_read_skip(r, padding))
        r->at = r->end;
    return true;
}

static enum outcome damage(struct sf_input *input, const char *what)
{
    sf_input_damage(input, "%s", what);
    return DAMAGED;
}

/* Each section begins anew: byte order, interfaces. Its own byte order is settled already, since
 * the block's length could not be read without. */
static enum outcome read_section(struct sf_input *input, const struct block *block)
{
    if (block->body_len < 16)
        return damage(input, "a section header that is too short");
    if (sf_input_u16(input, block->body + 4) != 1)
        return damage(input, "a section of an unknown pcapng version");
    input->dropped = sf_input_dropped(input);
    input->interface_count = 0;
    return HANDLED;
}

static enum outcome read_interface(struct sf_input *input, const struct block *block)
{
    if (block->body_len < 8)
        return damage(input, "an interface description that is too short");
    struct sf_interface *interface =
        sf_input_add_interface(input, sf_input_u16(input, block->body));
    if (interface == NULL)
        return damage(input, "out of memory");
    interface->snaplen = sf_input_u32(input, block->body + 4);
    uint8_t resolution = SF_TSRESOL_USEC;
    int64_t offset_s = 0;
    struct sf_reader r = sf_reader_of(block->body + 8, block->body_len - 8);
    struct option option;
    while (next_option(input, &r, &option)) {
        if (option.code == IF_TSRESOL && option.len == 1)
            resolution = option.value[0];
        if (option.code == IF_TSOFFSET && option.len == 8)
            offset_s = (int64_t)sf_input_u64(input, option.value);
    }
    sf_clock_init(&interface->clock, resolution, offset_s);
    return HANDLED;
}

static enum outcome read_statistics(struct sf_input *input, const struct block *block)
{
    if (block->body_len < 12)
        return damage(input, "interface statistics that are too short");
    uint32_t index = sf_input_u32(input, block->body);
    if (index >= input->interface_count)
        return damage(input, "statistics of an interface that was not described");
    uint64_t dropped = 0;
    struct sf_reader r = sf_reader_of(block->body + 12, block->body_len - 12);
    struct option option;
    while (next_option(input, &r, &option)) {
        if ((option.code != ISB_IFDROP && option.code != ISB_OSDROP) || option.len != 8)
            continue;
        dropped += sf_input_u64(input, option.value);
        input->tells_dropped = true;
    }
    input->interfaces[index].dropped = dropped; /* counts since the start of the capture */
    return HANDLED;
}

/* The fields of a packet block, wherever its type keeps them. */
struct packet_fields {
    uint32_t index; /* of the interface */
    uint32_t caplen;
    uint32_t wirelen;
    uint32_t header_len; /* octets of the body before the data */
};

/* From 1933 to 2116: what lies beyond is a damaged stamp, and spans between stamps always fit. */
static sf_ns believable(sf_ns t)
{
    const sf_ns first = -((sf_ns)1 << 60), last = (sf_ns)1 << 62;
    return t < first ? first : t > last ? last : t;
}

/* All but where its data is. */
static inline void fill(struct sf_packet *out, const struct sf_input *input,
                        const struct sf_interface *interface, const struct packet_fields *fields)
{
    out->ts_ns = believable(input->last_ns);
    out->caplen = fields->caplen;
    out->wirelen = fields->wirelen > fields->caplen ? fields->wirelen : fields->caplen;
    out->linktype = interface->linktype;
    out->interface = interface->number;
    out->input = input->index;
    out->filtered = false;
}

static enum outcome deliver(struct sf_input *input, const struct block *block,
                            const struct packet_fields *fields, struct sf_packet *out)
{
    const struct sf_interface *interface = &input->interfaces[fields->index];
    if (fields->caplen > block->body_len - fields->header_len)
        return damage(input, "a packet that is longer than its block");
    if (fields->caplen > sf_input_caplen_max(interface->snaplen)) {
        sf_input_damage(input, "a packet of %u octets, more than the %u possible", fields->caplen,
                        sf_input_caplen_max(interface->snaplen));
        return DAMAGED;
    }
    fill(out, input, interface, fields);
    out->data = block->body + fields->header_len;
    return HAS_PACKET;
}

/* Packet Block (obsolete) and Enhanced Packet Block differ in the width of the interface index. */
static enum outcome read_packet(struct sf_input *input, const struct block *block,
                                struct sf_packet *out)
{
    if (block->body_len < PACKET_HEADER)
        return damage(input, "a packet block that is too short");
    struct packet_fields fields = {
        .index = block->type == BLOCK_PACKET ? sf_input_u32(input, block->body)
                                             : sf_input_u16(input, block->body),
        .caplen = sf_input_u32(input, block->body + 12),
        .wirelen = sf_input_u32(input, block->body + 16),
        .header_len = PACKET_HEADER,
    };
    if (fields.index >= input->interface_count)
        return damage(input, "a packet of an interface that was not described");
    uint64_t ticks =
        (uint64_t)sf_input_u32(input, block->body + 4) << 32 | sf_input_u32(input, block->body + 8);
    input->last_ns = sf_clock_ns(&input->interfaces[fields.index].clock, ticks);
    return deliver(input, block, &fields, out);
}

/* It has no time of its own: it is given that of the packet before it in the input. */
static enum outcome read_simple_packet(struct sf_input *input, const struct block *block,
                                       struct sf_packet *out)
{
    if (block->body_len < 4)
        return damage(input, "a packet block that is too short");
    if (input->interface_count == 0)
        return damage(input, "a packet of an interface that was not described");
    uint32_t snaplen = input->interfaces[0].snaplen;
    struct packet_fields fields = {.wirelen = sf_input_u32(input, block->body), .header_len = 4};
    fields.caplen = fields.wirelen;
    if (snaplen != 0 && fields.caplen > snaplen)
        fields.caplen = snaplen;
    if (snaplen == 0 && fields.caplen > block->body_len - 4)
        fields.caplen = block->body_len - 4;
    return deliver(input, block, &fields, out);
}

static enum outcome read_block(struct sf_input *input, const struct block *block,
                               struct sf_packet *out)
{
    switch (block->type) {
    case BLOCK_PACKET:
    case BLOCK_OLD_PACKET: return read_packet(input, block, out);
    case BLOCK_SIMPLE_PACKET: return read_simple_packet(input, block, out);
    case BLOCK_INTERFACE: return read_interface(input, block);
    case BLOCK_STATISTICS: return read_statistics(input, block);
    case BLOCK_SECTION: return read_section(input, block);
    default: return HANDLED; /* a number from the file, not an enum: most have no packets */
    }
}

/* A section header tells its byte order behind its length. */
static enum sf_fill settle_byte_order(struct sf_input *input, bool *is_known)
{
    struct sf_window *window = &input->window;
    enum sf_fill fill = sf_window_need(window, BLOCK_HEADER + 4);
    if (fill != SF_FILL_READY)
        return fill;
    input->is_swapped = false;
    uint32_t magic = sf_input_u32(input, window->at + BLOCK_HEADER);
    input->is_swapped = magic == __builtin_bswap32(BYTE_ORDER_MAGIC);
    *is_known = input->is_swapped || magic == BYTE_ORDER_MAGIC;
    return fill;
}

/* Brings the next block wholly into the window. */
static enum sf_step next_block(struct sf_input *input, struct block *block)
{
    struct sf_window *window = &input->window;
    bool is_order_known = true;
    input->record = sf_window_offset(window);
    enum sf_fill fill = sf_window_need(window, BLOCK_HEADER);
    if (fill != SF_FILL_READY)
        return sf_input_stop(input, fill, "cut within a block's header");
    block->type = sf_input_u32(input, window->at);
    if (block->type == BLOCK_SECTION)
        fill = settle_byte_order(input, &is_order_known);
    if (fill != SF_FILL_READY)
        return sf_input_stop(input, fill, "cut within a section header");
    if (!is_order_known)
        return sf_input_damage(input, "a section of no known byte order");
    uint32_t len = sf_input_u32(input, window->at + 4);
    if (len < BLOCK_HEADER + BLOCK_TRAILER || len % 4 != 0 || len > SF_BLOCK_MAX)
        return sf_input_damage(input, "a block of %u octets, which cannot be", len);
    fill = sf_window_need(window, len);
    if (fill != SF_FILL_READY)
        return sf_input_stop(input, fill, "cut within a block");
    if (sf_input_u32(input, window->at + len - BLOCK_TRAILER) != len)
        return sf_input_damage(input, "a block whose two lengths differ");
    block->body = window->at + BLOCK_HEADER;
    block->body_len = len - BLOCK_HEADER - BLOCK_TRAILER;
    window->at += len;
    return SF_STEP_PACKET;
}

static enum sf_step next_packet(struct sf_input *input, struct sf_packet *out)
{
    for (;;) {
        struct block block;
        enum sf_step step = next_block(input, &block);
        if (step != SF_STEP_PACKET)
            return step;
        enum outcome outcome = read_block(input, &block, out);
        if (outcome != HANDLED)
            return outcome == HAS_PACKET ? SF_STEP_PACKET : SF_STEP_END;
    }
}

/* An Enhanced Packet Block in this machine's byte order that is wholly in the window and in which
 * nothing is odd; else false, and next_packet() has to look at it. */
static inline bool take_usual(struct sf_input *input, struct sf_packet *out)
{
    enum { DATA = BLOCK_HEADER + PACKET_HEADER, LEAST = DATA + BLOCK_TRAILER };
    const uint8_t *at = input->window.at;
    size_t have = (size_t)(input->window.end - at);
    if (have < LEAST || sf_u32(at, false) != BLOCK_PACKET)
        return false;
    uint32_t len = sf_u32(at + 4, false), index = sf_u32(at + 8, false);
    struct packet_fields fields = {.caplen = sf_u32(at + 20, false),
                                   .wirelen = sf_u32(at + 24, false)};
    if (len < LEAST || len % 4 != 0 || len > have ||
        sf_u32(at + len - BLOCK_TRAILER, false) != len || index >= input->interface_count ||
        fields.caplen > len - LEAST)
        return false;
    const struct sf_interface *interface = &input->interfaces[index];
    if (fields.caplen > sf_input_caplen_max(interface->snaplen))
        return false;
    uint64_t ticks = (uint64_t)sf_u32(at + 12, false) << 32 | sf_u32(at + 16, false);
    input->last_ns = sf_clock_ns(&interface->clock, ticks);
    fill(out, input, interface, &fields);
    out->data = at + DATA;
    input->window.at = at + len;
    return true;
}

static size_t run(struct sf_input *input, struct sf_packet *batch, size_t capacity)
{
    size_t count = 0;
    if (input->is_swapped) /* until the next section, which is next_packet()'s */
        return 0;
    while (count < capacity && take_usual(input, &batch[count]))
        count++;
    input->parsed += count;
    return count;
}

/* Reads on to the first interface, so that a filter can be tried before any packet is; what is
 * not at its place stays in the window for next_packet(). */
static void find_interface(struct sf_input *input)
{
    struct sf_window *window = &input->window;
    while (input->interface_count == 0 && sf_window_need(window, BLOCK_HEADER) == SF_FILL_READY) {
        if (sf_input_u32(input, window->at) != BLOCK_INTERFACE)
            return;
        struct block block;
        if (next_block(input, &block) != SF_STEP_PACKET)
            return;
        read_block(input, &block, NULL);
    }
}

int sf_pcapng_open(struct sf_input *input, struct sf_error *err)
{
    struct block block = {0};
    struct sf_input_report *report = input->report;
    input->next = next_packet;
    input->run = run;
    if (next_block(input, &block) != SF_STEP_PACKET || read_section(input, &block) != HANDLED) {
        report->damaged = false;
        return sf_fail(err, "not a pcapng file: cut or damaged within the first section header");
    }
    find_interface(input);
    return 0;
}
