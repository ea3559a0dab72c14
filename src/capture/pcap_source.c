/* The only file that knows libpcap: BPF filters, and packets from live interfaces. */
#include "capture_internal.h"

#include <errno.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <pcap.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#define SNAPLEN_OFFLINE 262144

/* Where the numbers in files and those in libpcap's interface differ (pcap/dlt.h). */
static const struct {
    uint16_t linktype;
    int dlt;
} differing[] = {
    {100, DLT_ATM_RFC1483}, {101, DLT_RAW},    {102, DLT_SLIP_BSDOS},
    {103, DLT_PPP_BSDOS},   {104, DLT_C_HDLC}, {106, DLT_ATM_CLIP},
};

enum { DIFFERING = sizeof differing / sizeof differing[0] };

static int dlt_of(uint16_t linktype)
{
    for (size_t i = 0; i < DIFFERING; i++) {
        if (differing[i].linktype == linktype)
            return differing[i].dlt;
    }
    return linktype;
}

static uint16_t linktype_of(int dlt)
{
    for (size_t i = 0; i < DIFFERING; i++) {
        if (differing[i].dlt == dlt)
            return differing[i].linktype;
    }
    return (uint16_t)dlt;
}

/* --- filters --- */

struct program {
    uint16_t linktype;
    bool fits;
    struct bpf_program code;
};

struct sf_filter {
    char *text;
    struct program *programs; /* one for each link type learned, the first one first */
    size_t count;
    size_t capacity;
    struct sf_error first_error; /* why it does not fit the first */
};

int sf_filter_open(struct sf_filter **out, const char *text, struct sf_error *err)
{
    struct sf_filter *filter = calloc(1, sizeof *filter);
    char *copy = strdup(text);
    if (filter == NULL || copy == NULL) {
        free(filter);
        free(copy);
        return sf_fail(err, "out of memory");
    }
    filter->text = copy;
    *out = filter;
    return 0;
}

static struct program *program_of(const struct sf_filter *filter, uint16_t linktype)
{
    for (size_t i = 0; i < filter->count; i++) {
        if (filter->programs[i].linktype == linktype)
            return &filter->programs[i];
    }
    return NULL;
}

static bool compile(const char *text, struct program *program, struct sf_error *err)
{
    pcap_t *dead = pcap_open_dead(dlt_of(program->linktype), SNAPLEN_OFFLINE);
    if (dead == NULL) {
        sf_fail(err, "filter '%.200s': out of memory", text);
        return false;
    }
    bool fits = pcap_compile(dead, &program->code, text, 1, PCAP_NETMASK_UNKNOWN) == 0;
    if (!fits)
        sf_fail(err, "filter '%.200s': %s", text, pcap_geterr(dead));
    pcap_close(dead);
    return fits;
}

static struct program *add_program(struct sf_filter *filter, uint16_t linktype)
{
    if (filter->count == filter->capacity) {
        size_t capacity = filter->capacity * 2 + 1;
        void *larger = realloc(filter->programs, capacity * sizeof *filter->programs);
        if (larger == NULL)
            return NULL;
        filter->programs = larger;
        filter->capacity = capacity;
    }
    filter->programs[filter->count] = (struct program){.linktype = linktype};
    return &filter->programs[filter->count++];
}

bool sf_filter_learn(struct sf_filter *filter, uint16_t linktype, struct sf_error *err)
{
    struct program *known = program_of(filter, linktype);
    if (known != NULL && known->fits)
        return true;
    bool is_first = filter->count == 0;
    struct program *program = known != NULL ? known : add_program(filter, linktype);
    if (program == NULL) {
        sf_fail(err, "out of memory");
        return false;
    }
    program->fits = compile(filter->text, program, err);
    if (is_first && !program->fits && err != NULL)
        filter->first_error = *err;
    return program->fits;
}

bool sf_filter_is_sound(struct sf_filter *filter, struct sf_error *err)
{
    const uint16_t ethernet = 1;
    struct sf_error why;
    if (filter->count == 0)
        sf_filter_learn(filter, ethernet, &why);
    bool is_sound = filter->count > 0 && filter->programs[0].fits;
    if (!is_sound)
        sf_fail(err, "%s", filter->first_error.text);
    return is_sound;
}

static bool keeps(const struct program *program, const struct sf_packet *packet)
{
    struct pcap_pkthdr header = {.caplen = packet->caplen, .len = packet->wirelen};
    return program != NULL && program->fits &&
           pcap_offline_filter(&program->code, &header, packet->data) != 0;
}

size_t sf_filter_apply(struct sf_filter *filter, struct sf_packet *batch, size_t count)
{
    const struct program *program = NULL;
    size_t filtered = 0;
    for (size_t i = 0; i < count; i++) {
        if (program == NULL || program->linktype != batch[i].linktype)
            program = program_of(filter, batch[i].linktype);
        batch[i].filtered = !keeps(program, &batch[i]);
        filtered += batch[i].filtered;
    }
    return filtered;
}

void sf_filter_close(struct sf_filter *filter)
{
    for (size_t i = 0; i < filter->count; i++) {
        if (filter->programs[i].fits)
            pcap_freecode(&filter->programs[i].code);
    }
    free(filter->programs);
    free(filter->text);
    free(filter);
}

/* --- live interfaces --- */

struct sf_ring {
    pcap_t *pcap;
    const char *name;
    sf_ns fraction_ns; /* nanoseconds in a unit of its fractions of a second */
    uint16_t linktype;
    uint32_t ring_drops, card_drops; /* last values of counters that wrap at 32 bits */
    uint64_t dropped;
    bool is_shared; /* with other rings, each of which gets a part of the packets */
    uint16_t group; /* of the rings that share, by the kernel's number */
    sf_ns begin_ns; /* packets before the first that is not older are passed over */
};

/* libpcap's messages name the interface now and then. */
static int fail_interface(struct sf_error *err, const char *name, const char *what)
{
    size_t len = strlen(name);
    if (strncmp(what, name, len) == 0 && strncmp(what + len, ": ", 2) == 0)
        return sf_fail(err, "%s", what);
    return sf_fail(err, "%s: %s", name, what);
}

static void set_up(pcap_t *pcap, const struct sf_capture_options *options)
{
    uint32_t mib = options->buffer_mib != 0 ? options->buffer_mib : SF_BUFFER_MIB_DEFAULT;
    pcap_set_snaplen(pcap, (int)sf_live_snaplen(options));
    pcap_set_timeout(pcap, SF_RING_TIMEOUT_MS);
    pcap_set_buffer_size(pcap, mib < 2047 ? (int)(mib << 20) : INT32_MAX);
    pcap_set_promisc(pcap, options->promiscuous);
    pcap_set_tstamp_precision(pcap, PCAP_TSTAMP_PRECISION_NANO);
}

static int activate(pcap_t *pcap, const char *name, struct sf_error *err)
{
    int rc = pcap_activate(pcap);
    if (rc < 0) {
        const char *detail = pcap_geterr(pcap);
        return fail_interface(err, name, detail[0] != '\0' ? detail : pcap_statustostr(rc));
    }
    char text[PCAP_ERRBUF_SIZE];
    if (pcap_setnonblock(pcap, 1, text) != 0)
        return fail_interface(err, name, text);
    if (strcmp(name, "any") == 0) /* cooked v2 tells the interface, v1 does not */
        pcap_set_datalink(pcap, DLT_LINUX_SLL2);
    return 0;
}

static int set_filter(pcap_t *pcap, const char *text, bool *filter_bad, struct sf_error *err)
{
    struct bpf_program code;
    if (text == NULL || text[0] == '\0')
        return 0;
    if (pcap_compile(pcap, &code, text, 1, PCAP_NETMASK_UNKNOWN) != 0) {
        *filter_bad = true;
        return sf_fail(err, "filter '%.200s': %s", text, pcap_geterr(pcap));
    }
    int rc = pcap_setfilter(pcap, &code);
    if (rc != 0)
        sf_fail(err, "filter '%.200s': %s", text, pcap_geterr(pcap));
    pcap_freecode(&code);
    return rc;
}

static pcap_t *open_pcap(const char *name, const struct sf_capture_options *options,
                         bool *filter_bad, struct sf_error *err)
{
    char text[PCAP_ERRBUF_SIZE];
    pcap_t *pcap = pcap_create(name, text);
    if (pcap == NULL) {
        fail_interface(err, name, text);
        return NULL;
    }
    set_up(pcap, options);
    if (activate(pcap, name, err) == 0 && set_filter(pcap, options->filter, filter_bad, err) == 0)
        return pcap;
    pcap_close(pcap);
    return NULL;
}

int sf_ring_open(struct sf_ring **out, const char *name, const struct sf_capture_options *options,
                 bool *filter_bad, struct sf_error *err)
{
    struct sf_ring *ring = calloc(1, sizeof *ring);
    if (ring == NULL)
        return sf_fail(err, "out of memory");
    ring->pcap = open_pcap(name, options, filter_bad, err);
    if (ring->pcap == NULL) {
        free(ring);
        return -1;
    }
    ring->name = name;
    ring->linktype = linktype_of(pcap_datalink(ring->pcap));
    bool is_nano = pcap_get_tstamp_precision(ring->pcap) == PCAP_TSTAMP_PRECISION_NANO;
    ring->fraction_ns = is_nano ? 1 : SF_USEC;
    ring->begin_ns = INT64_MIN;
    *out = ring;
    return 0;
}

/* The kernel deals packets by a hash of both addresses and ports that is the same for both
 * directions; IPv4 fragments are put together before (packet(7), PACKET_FANOUT). */
static int join_group(struct sf_ring *ring, uint16_t group, uint16_t flags, struct sf_error *err)
{
    int fd = pcap_fileno(ring->pcap);
    uint16_t mode = PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_DEFRAG | flags;
    int wanted = (int)(group | (uint32_t)mode << 16), given = 0;
    socklen_t len = sizeof given;
    if (setsockopt(fd, SOL_PACKET, PACKET_FANOUT, &wanted, sizeof wanted) != 0 ||
        getsockopt(fd, SOL_PACKET, PACKET_FANOUT, &given, &len) != 0)
        return sf_fail(err, "%s: its packets cannot be shared out to workers: %s", ring->name,
                       strerror(errno));
    ring->group = (uint16_t)given;
    ring->is_shared = true;
    return 0;
}

int sf_ring_join(struct sf_ring *ring, struct sf_ring *first, struct sf_error *err)
{
    /* a number that no other program's group has */
    if (!first->is_shared && join_group(first, 0, PACKET_FANOUT_FLAG_UNIQUEID, err) != 0)
        return -1;
    return join_group(ring, first->group, 0, err);
}

bool sf_ring_is_shared(const struct sf_ring *ring)
{
    return ring->is_shared;
}

void sf_ring_begin(struct sf_ring *ring, sf_ns begin_ns)
{
    ring->begin_ns = begin_ns;
}

int sf_ring_fd(const struct sf_ring *ring)
{
    return pcap_get_selectable_fd(ring->pcap);
}

struct taking {
    struct sf_ring *ring;
    struct sf_queue *queue;
};

/* The ring's memory is given back to the kernel when its callback returns: packets are copied. */
static void take_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *data)
{
    const struct taking *taking = (const struct taking *)(const void *)user;
    struct sf_queue *queue = taking->queue;
    sf_ns ts_ns =
        (sf_ns)header->ts.tv_sec * SF_SEC + (sf_ns)header->ts.tv_usec * taking->ring->fraction_ns;
    if (ts_ns < taking->ring->begin_ns)
        return;
    taking->ring->begin_ns = INT64_MIN; /* the clock may be set back later */
    uint32_t caplen = header->caplen < queue->snaplen ? header->caplen : queue->snaplen;
    uint8_t *copy = queue->arena + queue->count * queue->snaplen;
    memcpy(copy, data, caplen);
    queue->packets[queue->count++] = (struct sf_packet){
        .ts_ns = ts_ns,
        .caplen = caplen,
        .wirelen = header->len > caplen ? header->len : caplen,
        .linktype = taking->ring->linktype,
        .interface = queue->number,
        .input = queue->number,
        .data = copy,
    };
}

int sf_ring_drain(struct sf_ring *ring, struct sf_queue *queue, struct sf_error *err)
{
    struct taking taking = {ring, queue};
    int room = SF_QUEUE_PACKETS - (int)queue->count;
    if (pcap_dispatch(ring->pcap, room, take_packet, (u_char *)&taking) != PCAP_ERROR)
        return 0;
    return fail_interface(err, ring->name, pcap_geterr(ring->pcap));
}

/* Adds what a counter that wraps has counted since. A step of more than half its range is one back:
 * the counter began anew, and what it lost meanwhile is not known. */
static void add_drops(uint64_t *total, uint32_t *before, uint32_t now)
{
    uint32_t drops = now - *before;
    *before = now;
    if (drops < UINT32_C(1) << 31)
        *total += drops;
}

uint64_t sf_ring_dropped(struct sf_ring *ring)
{
    struct pcap_stat stat;
    if (pcap_stats(ring->pcap, &stat) == 0) {
        add_drops(&ring->dropped, &ring->ring_drops, stat.ps_drop);
        add_drops(&ring->dropped, &ring->card_drops, stat.ps_ifdrop);
    }
    return ring->dropped;
}

bool sf_ring_is_up(const struct sf_ring *ring)
{
    struct ifreq request = {0};
    size_t len = strlen(ring->name);
    if (len >= sizeof request.ifr_name || strcmp(ring->name, "any") == 0)
        return true;
    memcpy(request.ifr_name, ring->name, len);
    return ioctl(pcap_fileno(ring->pcap), SIOCGIFFLAGS, &request) != 0 ||
           (request.ifr_flags & IFF_UP) != 0;
}

void sf_ring_close(struct sf_ring *ring)
{
    if (ring == NULL)
        return;
    pcap_close(ring->pcap);
    free(ring);
}

static void print_interface(const pcap_if_t *interface, unsigned number, FILE *out)
{
    static const struct {
        bpf_u_int32 flag;
        const char *name;
    } names[] = {{PCAP_IF_UP, "Up"},
                 {PCAP_IF_RUNNING, "Running"},
                 {PCAP_IF_LOOPBACK, "Loopback"},
                 {PCAP_IF_WIRELESS, "Wireless"}};
    const char *separator = " [";
    fprintf(out, "%u.%s", number, interface->name);
    if (interface->description != NULL)
        fprintf(out, " (%s)", interface->description);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!(interface->flags & names[i].flag))
            continue;
        fprintf(out, "%s%s", separator, names[i].name);
        separator = ", ";
    }
    fputs(strcmp(separator, ", ") == 0 ? "]\n" : "\n", out);
}

int sf_capture_list_interfaces(FILE *out, struct sf_error *err)
{
    char text[PCAP_ERRBUF_SIZE];
    pcap_if_t *list;
    if (pcap_findalldevs(&list, text) != 0)
        return sf_fail(err, "%s", text);
    unsigned number = 0;
    for (const pcap_if_t *interface = list; interface != NULL; interface = interface->next)
        print_interface(interface, ++number, out);
    pcap_freealldevs(list);
    return 0;
}
