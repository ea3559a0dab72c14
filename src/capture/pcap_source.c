/* The only file that knows libpcap: BPF filters, and packets from live interfaces. */
#include "capture_internal.h"

#include <errno.h>
#include <pcap.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define SNAPLEN_OFFLINE    262144
#define SNAPLEN_DEFAULT    256 /* headers and options of any tunnelled TCP segment */
#define BUFFER_DEFAULT_MIB 64
#define TIMEOUT_MS         100

/* Room for the packets of one batch; when it is full the batch is given out as it is. */
static const size_t arena_min = (size_t)1 << 20;

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

struct handle {
    pcap_t *pcap; /* NULL: not opened, or failed since */
    struct sf_input_report *report;
    sf_ns fraction_ns; /* nanoseconds in a unit of its fractions of a second */
    uint16_t linktype;
    uint16_t number;
    uint32_t dropped_before; /* last value of the kernel's 32-bit counters */
    uint64_t dropped;
};

struct sf_live {
    struct handle *handles;
    struct pollfd *fds;
    size_t count;
    uint32_t snaplen;
    uint8_t *arena;
    size_t arena_len;
    size_t arena_used;
    bool has_failed; /* no interface is left */
    /* where take_packet() puts the next one */
    struct sf_packet *batch;
    size_t batch_count;
    const struct handle *current;
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
    uint32_t mib = options->buffer_mib != 0 ? options->buffer_mib : BUFFER_DEFAULT_MIB;
    uint32_t snaplen = options->snaplen != 0 ? options->snaplen : SNAPLEN_DEFAULT;
    pcap_set_snaplen(pcap, (int)snaplen);
    pcap_set_timeout(pcap, TIMEOUT_MS);
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

/* The kernel applies the filter: what it turns down is never counted here. */
static int open_interface(struct handle *handle, const struct sf_capture_options *options,
                          bool *filter_bad, struct sf_error *err)
{
    char text[PCAP_ERRBUF_SIZE];
    const char *name = handle->report->name;
    pcap_t *pcap = pcap_create(name, text);
    if (pcap == NULL)
        return fail_interface(err, name, text);
    set_up(pcap, options);
    if (activate(pcap, name, err) != 0 || set_filter(pcap, options->filter, filter_bad, err) != 0) {
        pcap_close(pcap);
        return -1;
    }
    handle->pcap = pcap;
    handle->linktype = linktype_of(pcap_datalink(pcap));
    bool is_nano = pcap_get_tstamp_precision(pcap) == PCAP_TSTAMP_PRECISION_NANO;
    handle->fraction_ns = is_nano ? 1 : SF_USEC;
    return 0;
}

static int open_interfaces(struct sf_live *live, const struct sf_capture_options *options,
                           struct sf_input_report *reports, bool *filter_bad, struct sf_error *err)
{
    size_t usable = 0;
    for (size_t i = 0; i < live->count; i++) {
        struct handle *handle = &live->handles[i];
        *handle = (struct handle){.report = &reports[i], .number = (uint16_t)i};
        reports[i].format = "live";
        live->fds[i].fd = -1;
        if (open_interface(handle, options, filter_bad, &reports[i].error) == 0) {
            live->fds[i] = (struct pollfd){pcap_get_selectable_fd(handle->pcap), POLLIN, 0};
            usable++;
            continue;
        }
        reports[i].unreadable = true;
        if (*filter_bad || options->strict || i == 0)
            sf_fail(err, "%s", reports[i].error.text);
        if (*filter_bad || options->strict)
            return -1;
    }
    return usable > 0 ? 0 : -1;
}

int sf_live_open(struct sf_live **out, const struct sf_capture_options *options,
                 struct sf_input_report *reports, bool *filter_bad, struct sf_error *err)
{
    struct sf_live *live = calloc(1, sizeof *live);
    if (live == NULL)
        return sf_fail(err, "out of memory");
    live->count = options->interface_count;
    live->snaplen = options->snaplen != 0 ? options->snaplen : SNAPLEN_DEFAULT;
    live->arena_len = live->snaplen > arena_min ? live->snaplen : arena_min;
    live->handles = calloc(live->count, sizeof *live->handles);
    live->fds = calloc(live->count, sizeof *live->fds);
    live->arena = malloc(live->arena_len);
    int rc = live->handles == NULL || live->fds == NULL || live->arena == NULL
                 ? sf_fail(err, "out of memory")
                 : open_interfaces(live, options, reports, filter_bad, err);
    if (rc != 0) {
        sf_live_close(live);
        return -1;
    }
    *out = live;
    return 0;
}

/* The batch in order of time; packets of one interface never change places. */
static void insert_in_time(struct sf_packet *batch, size_t at)
{
    struct sf_packet packet = batch[at];
    while (at > 0 && batch[at - 1].ts_ns > packet.ts_ns &&
           batch[at - 1].interface != packet.interface) {
        batch[at] = batch[at - 1];
        at--;
    }
    batch[at] = packet;
}

/* libpcap's ring is given back to the kernel when its callback returns: packets are copied. */
static void take_packet(u_char *user, const struct pcap_pkthdr *header, const u_char *data)
{
    struct sf_live *live = (struct sf_live *)(void *)user;
    const struct handle *handle = live->current;
    uint32_t caplen = header->caplen < live->snaplen ? header->caplen : live->snaplen;
    uint8_t *copy = live->arena + live->arena_used;
    memcpy(copy, data, caplen);
    live->arena_used += caplen;
    live->batch[live->batch_count] = (struct sf_packet){
        .ts_ns =
            (sf_ns)header->ts.tv_sec * SF_SEC + (sf_ns)header->ts.tv_usec * handle->fraction_ns,
        .caplen = caplen,
        .wirelen = header->len > caplen ? header->len : caplen,
        .linktype = handle->linktype,
        .interface = handle->number,
        .data = copy,
    };
    insert_in_time(live->batch, live->batch_count++);
}

static uint64_t update_dropped(struct handle *handle)
{
    struct pcap_stat stat;
    if (handle->pcap != NULL && pcap_stats(handle->pcap, &stat) == 0) {
        uint32_t now = stat.ps_drop + stat.ps_ifdrop; /* wraps: only differences count */
        handle->dropped += (uint32_t)(now - handle->dropped_before);
        handle->dropped_before = now;
    }
    return handle->dropped;
}

static void lose_interface(struct sf_live *live, size_t index)
{
    struct handle *handle = &live->handles[index];
    struct sf_input_report *report = handle->report;
    report->damaged = true;
    sf_fail(&report->error, "%s: %.200s (after packet %llu)", report->name,
            pcap_geterr(handle->pcap), (unsigned long long)report->packets);
    update_dropped(handle);
    pcap_close(handle->pcap);
    handle->pcap = NULL;
    live->fds[index].fd = -1; /* poll() skips it */
}

static void drain_interface(struct sf_live *live, size_t index, size_t capacity)
{
    struct handle *handle = &live->handles[index];
    size_t room = (live->arena_len - live->arena_used) / live->snaplen;
    if (capacity > room)
        capacity = room;
    if (handle->pcap == NULL || capacity == 0)
        return;
    size_t before = live->batch_count;
    live->current = handle;
    int rc = pcap_dispatch(handle->pcap, (int)capacity, take_packet, (u_char *)live);
    handle->report->packets += live->batch_count - before;
    if (rc == PCAP_ERROR)
        lose_interface(live, index);
}

static void drain_all(struct sf_live *live, size_t capacity)
{
    size_t share = capacity / live->count > 0 ? capacity / live->count : 1;
    live->has_failed = true;
    for (size_t i = 0; i < live->count; i++) {
        size_t left = capacity - live->batch_count;
        if (share > INT32_MAX)
            share = INT32_MAX;
        drain_interface(live, i, share < left ? share : left);
        live->has_failed = live->has_failed && live->handles[i].pcap == NULL;
    }
}

size_t sf_live_next(struct sf_live *live, struct sf_packet *batch, size_t capacity)
{
    live->arena_used = 0;
    live->batch = batch;
    live->batch_count = 0;
    drain_all(live, capacity); /* what the ring still holds needs no waiting */
    if (live->batch_count > 0 || live->has_failed)
        return live->batch_count;
    if (poll(live->fds, (nfds_t)live->count, TIMEOUT_MS) > 0)
        drain_all(live, capacity);
    return live->batch_count;
}

bool sf_live_has_failed(const struct sf_live *live)
{
    return live->has_failed;
}

uint64_t sf_live_dropped(struct sf_live *live)
{
    uint64_t dropped = 0;
    for (size_t i = 0; i < live->count; i++)
        dropped += update_dropped(&live->handles[i]);
    return dropped;
}

void sf_live_close(struct sf_live *live)
{
    for (size_t i = 0; live->handles != NULL && i < live->count; i++) {
        if (live->handles[i].pcap != NULL)
            pcap_close(live->handles[i].pcap);
    }
    free(live->handles);
    free(live->fds);
    free(live->arena);
    free(live);
}
