/* Each check is one line of the report: how bad it is, what was found, what it does to an analysis
 * and what helps. */
#include "doctor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "config.h"
#include "landlock.h"
#include "nic.h"
#include "pipeline.h"
#include "sandbox.h"
#include "synfin/buffer.h"
#include "synfin/capture.h"
#include "syscalls.h"

/* From WARNING on it spoils a capture. */
enum level { OK, NOTE, WARNING, PROBLEM };

static const char *const level_names[] = {
    [OK] = "ok", [NOTE] = "note", [WARNING] = "warning", [PROBLEM] = "problem"};

struct doctor {
    const char **interfaces; /* by -i; none: all that are up */
    size_t interface_count;
    bool is_json;
    struct sf_buffer out;
    const char *place; /* of the checks now made: an interface, or "system" */
    size_t checks, spoilers;
};

struct check {
    enum level level;
    const char *name;
    const char *value; /* in a word or two */
    const char *text;  /* what follows from it; NULL: nothing */
    const char *help;  /* a command, or NULL */
};

/* --- the report ------------------------------------------------------------------------------- */

enum { WIDTH = 80, INDENT = 25 };

/* Breaks at blanks; continued lines begin at INDENT, where the first one is. */
static void put_wrapped(struct sf_buffer *out, const char *text)
{
    size_t column = INDENT;
    while (*text != '\0') {
        size_t len = strcspn(text, " ");
        bool is_first = column == INDENT;
        if (!is_first && column + 1 + len > WIDTH) {
            sf_put_format(out, "\n%*s", INDENT, "");
            column = INDENT;
        } else if (!is_first) {
            sf_put_char(out, ' ');
            column++;
        }
        sf_put(out, text, len);
        column += len;
        text += len + strspn(text + len, " ");
    }
    sf_put_char(out, '\n');
}

static void put_text(struct sf_buffer *out, const struct check *check)
{
    char all[1024];
    bool has_text = check->text != NULL;
    snprintf(all, sizeof all, "%s%s%s", check->value, has_text ? ": " : "",
             has_text ? check->text : "");
    sf_put_format(out, "  %-8s %-13s ", level_names[check->level], check->name);
    put_wrapped(out, all);
    if (check->help != NULL)
        sf_put_format(out, "%*s%s\n", INDENT, "", check->help);
}

static void put_member(struct sf_buffer *out, const char *name, const char *value)
{
    sf_put_format(out, ",\"%s\":", name);
    if (value != NULL)
        sf_put_json_string(out, value);
    else
        sf_put_text(out, "null");
}

static void put_json(struct doctor *doctor, const struct check *check)
{
    struct sf_buffer *out = &doctor->out;
    sf_put_text(out, doctor->checks > 0 ? ",{\"on\":" : "{\"on\":");
    sf_put_json_string(out, doctor->place);
    put_member(out, "check", check->name);
    put_member(out, "level", level_names[check->level]);
    put_member(out, "found", check->value);
    put_member(out, "means", check->text);
    put_member(out, "help", check->help);
    sf_put_char(out, '}');
}

static void tell(struct doctor *doctor, const struct check *check)
{
    if (doctor->is_json)
        put_json(doctor, check);
    else
        put_text(&doctor->out, check);
    doctor->checks++;
    doctor->spoilers += check->level >= WARNING;
}

/* What the next checks are of; `text` is for a reader. */
static void begin_place(struct doctor *doctor, const char *place, const char *text)
{
    doctor->place = place;
    if (!doctor->is_json)
        sf_put_format(&doctor->out, "%s%s\n", doctor->checks > 0 ? "\n" : "", text);
}

/* --- the system ------------------------------------------------------------------------------- */

static const char *own_path(char out[256])
{
    ssize_t len = readlink("/proc/self/exe", out, 255);
    if (len <= 0)
        return "synfin";
    out[len] = '\0';
    return out;
}

/* The socket that a capture needs, or -1. */
static int check_rights(struct doctor *doctor)
{
    char value[64], help[320], path[256];
    /* No protocol: it receives nothing. */
    int sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
    int cause = errno;
    bool is_root = geteuid() == 0;
    snprintf(value, sizeof value, is_root ? "root" : "user %u", (unsigned)geteuid());
    snprintf(help, sizeof help, "as root: setcap cap_net_raw+ep %s", own_path(path));
    struct check check = {.level = OK, .name = "rights", .value = value};
    if (sock >= 0) {
        check.text = is_root ? "may capture; once all is open it becomes nobody, or whom -Z names"
                             : "may capture (CAP_NET_RAW)";
    } else if (cause == EPERM) {
        check.level = PROBLEM;
        check.text = "may not capture: CAP_NET_RAW is missing";
        check.help = is_root ? NULL : help;
    } else {
        check.level = PROBLEM;
        check.text = strerror(cause);
    }
    tell(doctor, &check);
    return sock;
}

static void check_ring_version(struct doctor *doctor, int sock)
{
    int version = TPACKET_V3;
    if (sock < 0)
        return;
    bool is_there = setsockopt(sock, SOL_PACKET, PACKET_VERSION, &version, sizeof version) == 0;
    tell(doctor,
         &(struct check){.level = is_there ? OK : WARNING,
                         .name = "TPACKET_V3",
                         .value = is_there ? "there" : "missing",
                         .text = is_there ? "packets come in blocks through shared memory"
                                          : "each packet takes a whole slot of the buffer, and "
                                            "bursts are lost sooner"});
}

static void check_sandbox(struct doctor *doctor)
{
    char value[32];
    int version = sf_landlock_version();
    const char *obstacle = sf_sandbox_obstacle();
    snprintf(value, sizeof value, version > 0 ? "version %d" : "missing", version);
    tell(doctor, &(struct check){.level = version > 0 ? OK : NOTE,
                                 .name = "Landlock",
                                 .value = value,
                                 .text = version > 0 ? "only the inputs and the outputs' folders "
                                                       "can be opened while packets are read"
                                                     : "which files can be opened while packets "
                                                       "are read is left to users' rights"});
    bool is_there = sf_syscalls_can_be_limited();
    tell(doctor, &(struct check){.level = is_there ? OK : NOTE,
                                 .name = "seccomp",
                                 .value = is_there ? "there" : "missing",
                                 .text = is_there ? "no sockets, no other programs while packets "
                                                    "are read"
                                                  : "system calls are not limited"});
    if (obstacle != NULL)
        tell(doctor, &(struct check){.level = NOTE,
                                     .name = "sandbox",
                                     .value = obstacle,
                                     .text = "neither Landlock nor seccomp is used"});
}

static void check_system(struct doctor *doctor)
{
    struct utsname name;
    char text[256] = "system";
    if (uname(&name) == 0)
        snprintf(text, sizeof text, "%.60s %.80s, synfin %s", name.sysname, name.release,
                 SYNFIN_VERSION);
    begin_place(doctor, "system", text);
    int sock = check_rights(doctor);
    check_ring_version(doctor, sock);
    if (sock >= 0)
        close(sock);
    check_sandbox(doctor);
}

/* --- an interface ----------------------------------------------------------------------------- */

static void check_link(struct doctor *doctor, const struct sf_nic *nic)
{
    char value[64], help[64];
    snprintf(value, sizeof value, "up, MTU %" PRIu32, nic->mtu);
    snprintf(help, sizeof help, "ip link set %s up", nic->name);
    struct check check = {.level = OK, .name = "link", .value = value};
    if (!nic->is_up) {
        check = (struct check){PROBLEM, "link", "down", "no packet will come", help};
    } else if (!nic->has_carrier) {
        check = (struct check){PROBLEM, "link", "no carrier", "no packet will come", NULL};
    } else if (nic->is_loopback) {
        check.text = "segments never were on a wire: they are as large as the MTU lets them, and "
                     "each is seen once though it is sent and received here";
    }
    tell(doctor, &check);
}

static const struct {
    const char *name, *word; /* for ethtool -K; NULL: no harm in it */
    enum level level;        /* when it is on */
    const char *text;
} offloads[SF_OFFLOAD_COUNT] = {
    [SF_OFFLOAD_GRO] = {"GRO", "gro", WARNING,
                        "several segments of the wire arrive as one that is larger than the MSS: "
                        "sizes, numbers and times of segments are what the host saw"},
    [SF_OFFLOAD_LRO] = {"LRO", "lro", WARNING,
                        "the card joins segments, and what told them apart is lost: sizes, "
                        "numbers, flags and times are not those of the wire"},
    [SF_OFFLOAD_GSO] = {"GSO", "gso", WARNING,
                        "what this host sends is seen before the kernel cuts it: one packet may "
                        "stand for dozens on the wire"},
    [SF_OFFLOAD_TSO] = {"TSO", "tso", WARNING,
                        "what this host sends is seen before the card cuts it: one packet may "
                        "stand for dozens on the wire"},
    [SF_OFFLOAD_RX_CHECKSUM] = {"rx checksums", NULL, OK,
                                "the card checks them; what is captured is not changed"},
    [SF_OFFLOAD_TX_CHECKSUM] = {"tx checksums", NULL, NOTE,
                                "what this host sends is seen before the card fills them in: "
                                "bad_checksum is noted; do not use --verify-checksums"},
    [SF_OFFLOAD_RX_VLAN] = {"rx VLAN", NULL, OK,
                            "the card takes the tag off, libpcap puts it back"},
    [SF_OFFLOAD_TX_VLAN] = {"tx VLAN", NULL, OK,
                            "the card puts the tag on; libpcap shows it all the same"},
};

static void check_offloads(struct doctor *doctor, const struct sf_nic *nic)
{
    for (unsigned i = 0; i < SF_OFFLOAD_COUNT; i++) {
        char help[64];
        bool is_moot = nic->is_loopback && i != SF_OFFLOAD_TX_CHECKSUM; /* there is no wire */
        if (nic->offloads[i] == SF_SWITCH_UNKNOWN || is_moot)
            continue;
        struct check check = {.level = OK, .name = offloads[i].name, .value = "off"};
        if (nic->offloads[i] == SF_SWITCH_ON) {
            check.value = "on";
            check.level = offloads[i].level;
            check.text = offloads[i].text;
        }
        if (check.level >= WARNING) {
            snprintf(help, sizeof help, "ethtool -K %s %s off", nic->name, offloads[i].word);
            check.help = help;
        }
        tell(doctor, &check);
    }
}

static void check_ring(struct doctor *doctor, const struct sf_nic *nic)
{
    char value[64], help[64];
    if (nic->ring == 0)
        return;
    bool is_small = nic->ring < nic->ring_max;
    snprintf(value, sizeof value, "%" PRIu32 " of %" PRIu32 " slots", nic->ring, nic->ring_max);
    snprintf(help, sizeof help, "ethtool -G %s rx %" PRIu32, nic->name, nic->ring_max);
    tell(doctor, &(struct check){.level = is_small ? NOTE : OK,
                                 .name = "card's ring",
                                 .value = value,
                                 .text = is_small ? "a longer burst is lost before the kernel "
                                                    "sees it; a larger ring bears more"
                                                  : NULL,
                                 .help = is_small ? help : NULL});
}

static void check_drops(struct doctor *doctor, const struct sf_nic *nic)
{
    char value[96];
    if (!nic->has_counters)
        return;
    uint64_t missed = nic->counters[SF_NIC_MISSED] + nic->counters[SF_NIC_FIFO];
    snprintf(value, sizeof value, "%" PRIu64 " of %" PRIu64 " packets", missed,
             nic->counters[SF_NIC_PACKETS]);
    tell(doctor, &(struct check){.level = missed > 0 ? WARNING : OK,
                                 .name = "card's drops",
                                 .value = value,
                                 .text = missed > 0 ? "since the driver was loaded the card had no "
                                                      "room for them: no capture has seen them"
                                                    : NULL});
    uint64_t dropped = nic->counters[SF_NIC_DROPPED];
    snprintf(value, sizeof value, "%" PRIu64, dropped);
    tell(doctor,
         &(struct check){.level = dropped > 0 ? NOTE : OK,
                         .name = "kernel drops",
                         .value = value,
                         .text = dropped > 0 ? "among them packets that nobody here wanted, "
                                               "which a capture sees all the same"
                                             : NULL});
}

static void check_queues(struct doctor *doctor, const struct sf_nic *nic)
{
    char value[32];
    if (nic->rx_queues == 0)
        return;
    snprintf(value, sizeof value, "%u", nic->rx_queues);
    tell(doctor, &(struct check){.level = nic->rx_queues > 1 ? NOTE : OK,
                                 .name = "rx queues",
                                 .value = value,
                                 .text = nic->rx_queues > 1
                                             ? "the two directions of a connection may come by "
                                               "different ones and change places by microseconds "
                                               "(anomaly tap_reorder)"
                                             : NULL});
}

static void check_stamps(struct doctor *doctor, const struct sf_nic *nic)
{
    tell(doctor,
         &(struct check){.level = OK,
                         .name = "time stamps",
                         .value = "the kernel's",
                         .text = nic->has_clock
                                     ? "taken when it meets the packet, microseconds late under "
                                       "load; the card's own clock is not used"
                                     : "taken when it meets the packet, microseconds late under "
                                       "load; the card has no clock of its own"});
}

/* A frame of 60 octets takes 84 of the wire (preamble, FCS, gap: IEEE 802.3) and 152 of the buffer
 * (struct tpacket3_hdr, struct sockaddr_ll, alignment: packet_mmap). */
static void check_buffer(struct doctor *doctor, const struct sf_nic *nic)
{
    enum { WIRE_BITS = 84 * 8, SLOT_OCTETS = 152, MIB = 1 << 20 };
    char value[64], text[160];
    uint64_t packets = (uint64_t)SF_BUFFER_MIB_DEFAULT * MIB / SLOT_OCTETS;
    snprintf(value, sizeof value, "%d MiB (-B)", SF_BUFFER_MIB_DEFAULT);
    if (nic->megabits == 0 || nic->is_loopback)
        snprintf(text, sizeof text, "about %" PRIu64 " of the shortest packets", packets);
    else {
        uint64_t rate = nic->megabits * 1000000 / WIRE_BITS;
        snprintf(text, sizeof text,
                 "%" PRIu64 " ms of the shortest packets at %" PRIu64
                 " Mbit/s; to bear a whole second of them: -B %" PRIu64,
                 packets * 1000 / rate, nic->megabits, rate * SLOT_OCTETS / MIB + 1);
    }
    tell(doctor, &(struct check){.level = OK, .name = "buffer", .value = value, .text = text});
}

static int check_interface(struct doctor *doctor, const char *name, struct sf_error *err)
{
    struct sf_nic nic;
    char text[96];
    if (sf_nic_read(&nic, name, err) != 0)
        return -1;
    snprintf(text, sizeof text, "%s%s%s", name, nic.driver[0] != '\0' ? ", driver " : "",
             nic.driver);
    begin_place(doctor, name, text);
    check_link(doctor, &nic);
    check_offloads(doctor, &nic);
    check_ring(doctor, &nic);
    check_drops(doctor, &nic);
    check_queues(doctor, &nic);
    check_stamps(doctor, &nic);
    check_buffer(doctor, &nic);
    return 0;
}

/* Without -i: what -i any would listen to, the loopback left out. */
static int check_all_up(struct doctor *doctor, struct sf_error *err)
{
    struct if_nameindex *list = if_nameindex();
    if (list == NULL)
        return sf_fail(err, "the interfaces: %s", strerror(errno));
    int result = 0;
    for (const struct if_nameindex *i = list; result == 0 && i->if_name != NULL; i++) {
        struct sf_nic nic;
        if (sf_nic_read(&nic, i->if_name, err) == 0 && nic.is_up && !nic.is_loopback)
            result = check_interface(doctor, i->if_name, err);
    }
    if_freenameindex(list);
    return result;
}

static int check_interfaces(struct doctor *doctor, struct sf_error *err)
{
    if (doctor->interface_count == 0)
        return check_all_up(doctor, err);
    for (size_t i = 0; i < doctor->interface_count; i++) {
        const char *name = doctor->interfaces[i];
        int result = strcmp(name, "any") == 0 ? check_all_up(doctor, err)
                                              : check_interface(doctor, name, err);
        if (result != 0)
            return -1;
    }
    return 0;
}

/* --- the command ------------------------------------------------------------------------------ */

static int take_words(struct doctor *doctor, int count, char **words)
{
    for (int i = 0; i < count; i++) {
        const char *word = words[i];
        bool is_interface = strcmp(word, "-i") == 0 || strcmp(word, "--interface") == 0;
        if (strcmp(word, "--json") == 0)
            doctor->is_json = true;
        else if (is_interface && i + 1 < count)
            doctor->interfaces[doctor->interface_count++] = words[++i];
        else if (!is_interface && strncmp(word, "-i", 2) == 0)
            doctor->interfaces[doctor->interface_count++] = word + 2;
        else
            return -1;
    }
    return 0;
}

static void put_end(struct doctor *doctor)
{
    size_t n = doctor->spoilers;
    if (doctor->is_json)
        sf_put_format(&doctor->out, "],\"spoilers\":%zu}\n", n);
    else if (n == 0)
        sf_put_text(&doctor->out, "\nNothing here spoils a capture.\n");
    else
        sf_put_format(&doctor->out, "\n%zu thing%s here spoil%s a capture.\n", n, n > 1 ? "s" : "",
                      n > 1 ? "" : "s");
}

static int examine(struct doctor *doctor, struct sf_error *err)
{
    if (doctor->is_json)
        sf_put_text(&doctor->out,
                    "{\"type\":\"doctor\",\"version\":\"" SYNFIN_VERSION "\",\"checks\":[");
    check_system(doctor);
    if (check_interfaces(doctor, err) != 0)
        return -1;
    put_end(doctor);
    if (sf_buffer_check(&doctor->out, err) != 0)
        return -1;
    fwrite(doctor->out.data, 1, doctor->out.len, stdout);
    if (fflush(stdout) != 0 && errno != EPIPE)
        return sf_fail(err, "standard output: %s", strerror(errno));
    return 0;
}

int sf_doctor_run(int count, char **words)
{
    struct sf_error err;
    struct doctor doctor = {.interfaces = calloc((size_t)count + 1, sizeof *doctor.interfaces)};
    enum sf_status status = SF_STATUS_OK;
    if (doctor.interfaces == NULL)
        sf_fail(&err, "out of memory");
    if (doctor.interfaces == NULL)
        status = sf_fail_run(&err);
    else if (take_words(&doctor, count, words) != 0) {
        sf_fail(&err, "usage: synfin doctor [-i IFACE ...] [--json]");
        status = sf_fail_usage(&err);
    } else if (examine(&doctor, &err) != 0)
        status = sf_fail_run(&err);
    else if (doctor.spoilers > 0)
        status = SF_STATUS_PARTIAL;
    sf_buffer_dispose(&doctor.out);
    free(doctor.interfaces);
    return (int)status;
}
