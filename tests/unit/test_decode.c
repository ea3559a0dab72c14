/* The decoder, octet by octet: every link type and tunnel, every cut, options, fragments, ICMP. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "chance.h"
#include "guard.h"
#include "synfin/bytes.h"
#include "synfin/decode.h"

#define LENGTH(array) (sizeof(array) / sizeof((array)[0]))

/* The segment that every frame below carries: 192.0.2.1:40000 > 198.51.100.2:80, or 2001:db8::1
 * and ::2, with timestamps, four octets of payload and right checksums. */
#define TCP_OCTETS(checksum)                                                                       \
    "9c400050 01020304 05060708 80180102 " checksum "0000 0101080a 00000011 00000022 61626364"
#define T4 "45020038 12344000 40063c53 c0000201 c6336402" TCP_OCTETS("17da")
#define T6                                                                                         \
    "60200000 0024063f 20010db8 00000000 00000000 00000001 20010db8 00000000 00000000 "            \
    "00000002" TCP_OCTETS("a89c")
#define MACS  "020000000001 020000000002"
#define SNAP4 "aaaa03 000000 0800"

enum { FRAME_MAX = 4096, LAYERS_MAX = 8, RAW = 101 };

struct frame {
    uint8_t data[FRAME_MAX];
    size_t len;
};

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c == '\0' ? NULL : strchr(digits, c);
    return at == NULL ? -1 : (int)(at - digits);
}

static size_t hex_octets(const char *hex, uint8_t *out)
{
    size_t digits = 0;
    for (; *hex != '\0'; hex++) {
        int digit = hex_digit(*hex);
        if (digit < 0)
            continue;
        out[digits / 2] = (uint8_t)(digits % 2 == 0 ? digit << 4 : out[digits / 2] | digit);
        digits++;
    }
    assert_int_equal(digits % 2, 0);
    return digits / 2;
}

static void prepend(struct frame *frame, const uint8_t *octets, size_t len)
{
    assert_true(frame->len + len <= sizeof(frame->data));
    memmove(frame->data + len, frame->data, frame->len);
    memcpy(frame->data, octets, len);
    frame->len += len;
}

static void put16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
}

/* Puts a layer before what the frame holds: hex, or "ip4 PROTOCOL", "ip6 NEXT", "udp PORT" with
 * the right lengths. */
static void prepend_layer(struct frame *frame, const char *layer)
{
    uint8_t octets[FRAME_MAX];
    unsigned value;
    if (sscanf(layer, "ip4 %u", &value) == 1) {
        hex_octets("45000000 00070000 20000000 0a000001 0a000002", octets);
        put16(octets + 2, frame->len + 20);
        octets[9] = (uint8_t)value;
        prepend(frame, octets, 20);
    } else if (sscanf(layer, "ip6 %u", &value) == 1) {
        memset(octets, 0, 40);
        octets[0] = 0x60;
        put16(octets + 4, frame->len);
        octets[6] = (uint8_t)value;
        octets[23] = 3;
        octets[39] = 4;
        prepend(frame, octets, 40);
    } else if (sscanf(layer, "udp %u", &value) == 1) {
        put16(octets, 50000);
        put16(octets + 2, value);
        put16(octets + 4, frame->len + 8);
        put16(octets + 6, 0);
        prepend(frame, octets, 8);
    } else {
        prepend(frame, octets, hex_octets(layer, octets));
    }
}

static struct frame frame_of(const char *const layers[LAYERS_MAX])
{
    struct frame frame = {.len = 0};
    int n = 0;
    while (n < LAYERS_MAX && layers[n] != NULL)
        n++;
    while (n-- > 0)
        prepend_layer(&frame, layers[n]);
    return frame;
}

static struct sf_packet packet_of(const uint8_t *data, size_t caplen, size_t wirelen,
                                  uint16_t linktype)
{
    return (struct sf_packet){
        .number = 7,
        .ts_ns = 1000 * SF_SEC,
        .caplen = (uint32_t)caplen,
        .wirelen = (uint32_t)wirelen,
        .linktype = linktype,
        .interface = 3,
        .data = data,
    };
}

static struct sf_decoder *new_decoder(void)
{
    struct sf_decoder *decoder = sf_decoder_new(&(struct sf_decode_options){.hash_seed = 42});
    assert_non_null(decoder);
    return decoder;
}

static enum sf_verdict decode_frame(struct sf_decoder *decoder, const struct frame *frame,
                                    uint16_t linktype, struct sf_decoded *out)
{
    struct sf_packet packet = packet_of(frame->data, frame->len, frame->len, linktype);
    return sf_decode(decoder, &packet, out);
}

/* links and tunnels: the same segment, however it is wrapped */

struct wrapped {
    const char *name;
    uint16_t linktype;
    const char *layers[LAYERS_MAX];
    int version;
    uint16_t vlan[SF_VLAN_MAX];
    uint16_t ifindex;
    uint8_t kind[SF_TUNNEL_MAX];
    uint32_t id[SF_TUNNEL_MAX], key_id[SF_TUNNEL_MAX];
    uint8_t tunnels;
};

#define V4    .version = 4
#define V6    .version = 6
#define ETH4  MACS "0800"
#define VXLAN "08000000 00002a00"
#define TUNNEL(k, tunnel, key)                                                                     \
    .kind = {SF_TUNNEL_##k}, .id = {tunnel}, .key_id = {key}, .tunnels = 1

static const struct wrapped wrapped[] = {
    {"ethernet", 1, {ETH4, T4}, V4},
    {"ethernet, IPv6", 1, {MACS "86dd", T6}, V6},
    {"ethernet, LLC and SNAP", 1, {MACS "0040" SNAP4, T4}, V4},
    {"ethernet, LLC with IP's number", 1, {MACS "003b 060603", T4}, V4},
    {"ethernet, padded beyond IP", 1, {ETH4, T4, "0000000000000000"}, V4},
    {"VLAN", 1, {MACS "8100 2005 0800", T4}, V4, .vlan = {5}},
    {"VLAN in VLAN", 1, {MACS "88a8 0064 8100 0fff 86dd", T6}, V6, .vlan = {100, 4095}},
    {"three VLANs", 1, {MACS "9100 0001 9200 0002 8100 0003 0800", T4}, V4, .vlan = {1, 2}},
    {"VLAN with LLC", 1, {MACS "8100 0005 0040" SNAP4, T4}, V4, .vlan = {5}},
    {"MPLS", 1, {MACS "8847 00010040 00020140", T4}, V4},
    {"MPLS, IPv6", 1, {MACS "8848 00020140", T6}, V6},
    {"MPLS, Ethernet with control word", 1, {MACS "8847 00020140 00000000", ETH4, T4}, V4},
    {"MPLS, Ethernet without", 1, {MACS "8847 00020140", "a20000000001 020000000002 0800", T4}, V4},
    {"PPPoE", 1, {MACS "8864 1100 0001 003a 0021", T4}, V4},
    {"FabricPath", 1, {MACS "8903 0000", ETH4, T4}, V4},
    {"MAC in MAC", 1, {MACS "88e7 00000001", ETH4, T4}, V4},
    {"VN-Tag", 1, {MACS "8926 00000000 0800", T4}, V4},
    {"NSH", 1, {MACS "894f 0fc2 0101 00000100", T4}, V4},
    {"null, little-endian", 0, {"02000000", T4}, V4},
    {"null, big-endian", 0, {"0000001e", T6}, V6},
    {"null, FreeBSD's IPv6", 0, {"1c000000", T6}, V6},
    {"null, OpenBSD's IPv6", 0, {"18000000", T6}, V6},
    {"loop", 108, {"00000002", T4}, V4},
    {"raw", RAW, {T4}, V4},
    {"raw, IPv6", RAW, {T6}, V6},
    {"raw, DLT 12", 12, {T4}, V4},
    {"raw, DLT 14", 14, {T6}, V6},
    {"IPv4", 228, {T4}, V4},
    {"IPv6", 229, {T6}, V6},
    {"PPP", 9, {"ff03 0021", T4}, V4},
    {"PPP without address", 9, {"0057", T6}, V6},
    {"PPP, protocol compressed", 9, {"ff03 21", T4}, V4},
    {"PPP, MPLS", 9, {"0281 00020140", T4}, V4},
    {"PPP in HDLC framing", 50, {"ff03 0021", T4}, V4},
    {"PPP in HDLC framing, Cisco's", 50, {"0f00 0800", T4}, V4},
    {"PPPoE link", 51, {"1100 0001 003a 0021", T4}, V4},
    {"PPP with direction", 204, {"01 0021", T4}, V4},
    {"Cisco HDLC", 104, {"8f00 86dd", T6}, V6},
    {"cooked", 113, {"0000 0001 0006 0200000000010000 0800", T4}, V4},
    {"cooked, VLAN", 113, {"0000 0001 0006 0200000000010000 8100 0007 0800", T4}, V4, .vlan = {7}},
    {"cooked, 802.2", 113, {"0000 0001 0006 0200000000010000 0004" SNAP4, T4}, V4},
    {"cooked 2", 276, {"86dd 0000 00000107 0001 00 06 0200000000010000", T6}, V6, .ifindex = 0x107},
    {"netfilter log", 239, {"02000000 0500 0a00 41000000 3c00 0900", T4}, V4},
    {"netfilter log, big-endian", 239, {"0a000000 0005 000a 41000000 0050 0009", T6}, V6},
    {"token ring", 6, {"1040 020000000001 020000000002" SNAP4, T4}, V4},
    {"token ring, routed", 6, {"1040 020000000001 820000000002 0600 00010002" SNAP4, T4}, V4},
    {"FDDI", 10, {"50 020000000001 020000000002" SNAP4, T4}, V4},
    {"ATM", 100, {SNAP4, T4}, V4},
    {"frame relay", 107, {"1841 03cc", T4}, V4},
    {"frame relay, SNAP", 107, {"1841 0300 80 000000 0800", T4}, V4},
    {"frame relay, Cisco's", 107, {"1841 0800", T4}, V4},
    {"packet filter log",
     117,
     {"3d020000 00000000000000000000000000000000 00000000000000000000000000000000"
      "00000000 00000000 00000000 00000000 00000000 00000000 01000000",
      T4},
     V4},
    {"OpenBSD's IPsec", 109, {"02000000 00000000 00000000", T4}, V4},
    {"IEEE 1394", 138, {"0000000000000000 0000000000000000 0800", T4}, V4},
    {"InfiniBand",
     242,
     {"0000000000000000000000000000000000000000 0000000000000000000000000000000000000000"
      "0800 0000",
      T4},
     V4},
    {"802.11", 105, {"0801 0000" MACS "020000000003 1000" SNAP4, T4}, V4},
    {"802.11, QoS", 105, {"8802 0000" MACS "020000000003 1000 0000" SNAP4, T4}, V4},
    {"802.11, four addresses",
     105,
     {"8803 0000" MACS "020000000003 1000 020000000004 0000" SNAP4, T4},
     V4},
    {"802.11, aggregate",
     105,
     {"8802 0000" MACS "020000000003 1000 8000" MACS "0040" SNAP4, T4},
     V4},
    {"radiotap", 127, {"0000 0800 00000000 0801 0000" MACS "020000000003 1000" SNAP4, T4}, V4},
    {"radiotap, padded",
     127,
     {"0000 1100 03000000 0000000000000000 20"
      "8802 0000" MACS "020000000003 1000 0000 0000" SNAP4,
      T4},
     V4},
    {"prism", 119, {"44000000 0c000000 00000000 0801 0000" MACS "020000000003 1000" SNAP4, T4}, V4},
    {"AVS", 163, {"80211001 0000000c 00000000 0801 0000" MACS "020000000003 1000" SNAP4, T4}, V4},
    {"PPI", 192, {"0000 0800 69000000 0801 0000" MACS "020000000003 1000" SNAP4, T4}, V4},
    {"ERF",
     197,
     {"0000000000000000 82 00 0058 0000 0046 8000000000000000 0000000000000000 0000", ETH4, T4},
     V4},

    {"IPv4 in IPv4", RAW, {"ip4 4", T4}, V4, TUNNEL(IPIP, 0, 0)},
    {"IPv6 in IPv4", RAW, {"ip4 41", T6}, V6, TUNNEL(IPIP, 0, 0)},
    {"IPv4 in IPv6", RAW, {"ip6 4", T4}, V4, TUNNEL(IPIP, 0, 0)},
    {"GRE", RAW, {"ip4 47", "0000 0800", T4}, V4, TUNNEL(GRE, 0, 0)},
    {"GRE, checksum, key, sequence",
     RAW,
     {"ip4 47", "b000 86dd 00000000 000000aa 00000001", T6},
     V6,
     TUNNEL(GRE, 0xaa, 0xaa)},
    {"GRE, bridged", RAW, {"ip4 47", "2000 6558 00000005", ETH4, T4}, V4, TUNNEL(GRE, 5, 5)},
    {"NVGRE", RAW, {"ip4 47", "2000 6558 00123407", ETH4, T4}, V4, TUNNEL(GRE, 0x123407, 0x1234)},
    {"ERSPAN", RAW, {"ip4 47", "0000 88be", ETH4, T4}, V4, TUNNEL(OTHER, 0, 0)},
    {"ERSPAN 2",
     RAW,
     {"ip4 47", "1000 88be 00000001 10000064 00000000", ETH4, T4},
     V4,
     TUNNEL(OTHER, 100, 0)},
    {"ERSPAN 3",
     RAW,
     {"ip4 47", "1000 22eb 00000001 20000064 00000000 00000000", ETH4, T4},
     V4,
     TUNNEL(OTHER, 100, 0)},
    {"PPTP",
     RAW,
     {"ip4 47", "3081 880b 003c 0009 00000001 00000002 ff030021", T4},
     V4,
     TUNNEL(GRE, 9, 0)},
    {"EoIP", RAW, {"ip4 47", "2001 6400 0046 1900", ETH4, T4}, V4, TUNNEL(GRE, 25, 25)},
    {"WCCP", RAW, {"ip4 47", "0000 883e 00000000", T4}, V4, TUNNEL(GRE, 0, 0)},
    {"EtherIP", RAW, {"ip4 97", "3000", ETH4, T4}, V4, TUNNEL(OTHER, 0, 0)},
    {"MPLS in IP", RAW, {"ip4 137", "00020140", T4}, V4},
    {"AH in IPv4",
     RAW,
     {"ip4 51", "0404 0000 00000001 00000001 000000000000000000000000", T4},
     V4,
     TUNNEL(IPIP, 0, 0)},
    {"AH in IPv6",
     RAW,
     {"ip6 51", "0404 0000 00000001 00000001 000000000000000000000000", T4},
     V4,
     TUNNEL(IPIP, 0, 0)},
    {"VXLAN", RAW, {"ip4 17", "udp 4789", VXLAN, ETH4, T4}, V4, TUNNEL(VXLAN, 42, 42)},
    {"VXLAN on Linux's port",
     RAW,
     {"ip4 17", "udp 8472", VXLAN, ETH4, T4},
     V4,
     TUNNEL(VXLAN, 42, 42)},
    {"VXLAN, VLANs outside and inside",
     1,
     {MACS "8100 0003 0800", "ip4 17", "udp 4789", VXLAN, MACS "8100 0004 0800", T4},
     V4,
     .vlan = {3, 4},
     TUNNEL(VXLAN, 42, 42)},
    {"VXLAN-GPE", RAW, {"ip4 17", "udp 4790", "0c000001 00002a00", T4}, V4, TUNNEL(VXLAN, 42, 42)},
    {"GENEVE",
     RAW,
     {"ip6 17", "udp 6081", "01006558 00002b00 00000000", ETH4, T4},
     V4,
     TUNNEL(GENEVE, 43, 43)},
    {"GTP-U", RAW, {"ip4 17", "udp 2152", "30ff 0038 000000cc", T4}, V4, TUNNEL(GTP_U, 0xcc, 0)},
    {"GTP-U with extension headers",
     RAW,
     {"ip4 17", "udp 2152", "36ff 005c 000000cc 0001 00 85 01000085 02000000 00000000", T6},
     V6,
     TUNNEL(GTP_U, 0xcc, 0)},
    {"Teredo",
     RAW,
     {"ip4 17", "udp 3544", "0001 0000 0000000000000000 00 0000 0000 00000000", T6},
     V6,
     TUNNEL(OTHER, 0, 0)},
    {"L2TP",
     RAW,
     {"ip4 17", "udp 1701", "4002 0048 0001 0002 ff03 0021", T4},
     V4,
     TUNNEL(OTHER, 2, 0)},
    {"MPLS in UDP", RAW, {"ip4 17", "udp 6635", "00020140", T4}, V4, TUNNEL(OTHER, 0, 0)},
    {"AYIYA", RAW, {"ip4 17", "udp 5072", "0000 0129 00000000 00", T6}, V6, TUNNEL(OTHER, 0, 0)},
    {"CAPWAP",
     RAW,
     {"ip4 17", "udp 5247", "00100300 00000000 0108 0000" MACS "020000000003 7630" SNAP4, T4},
     V4,
     TUNNEL(OTHER, 0, 0)},
    {"GRE in GTP-U",
     RAW,
     {"ip4 17", "udp 2152", "30ff 0054 000000cc", "ip4 47", "2000 0800 00000007", T4},
     V4,
     .kind = {SF_TUNNEL_GTP_U, SF_TUNNEL_GRE},
     .id = {0xcc, 7},
     .key_id = {0, 7},
     .tunnels = 2},
};

static void expect_tcp(const struct sf_segment *seg, int version)
{
    assert_int_equal(seg->packet, 7);
    assert_int_equal(seg->ts_ns, 1000 * SF_SEC);
    assert_int_equal(seg->interface % 16, 3);
    assert_int_equal(seg->seq.n, 0x01020304);
    assert_int_equal(seg->ack.n, 0x05060708);
    assert_int_equal(seg->flags, SF_TH_ACK | SF_TH_PSH);
    assert_int_equal(seg->window, 0x0102);
    assert_int_equal(seg->urgent, 0);
    assert_int_equal(seg->checksum, version == 4 ? 0x17da : 0xa89c);
    assert_int_equal(seg->payload_len, 4);
    assert_int_equal(seg->payload_cap, 4);
    assert_int_equal(seg->tcp_header_len, 32);
    assert_int_equal(seg->options.present, SF_OPT_HAS_TIMESTAMPS);
    assert_int_equal(seg->options.ts_val, 0x11);
    assert_int_equal(seg->options.ts_ecr, 0x22);
}

static void expect_ip(const struct sf_segment *seg, int version)
{
    assert_int_equal(seg->ip_bytes, version == 4 ? 56 : 76);
    assert_int_equal(seg->ip_cap, seg->ip_bytes);
    assert_int_equal(seg->tcp_offset, version == 4 ? 20 : 40);
    assert_int_equal(seg->ip[0] >> 4, version);
    assert_int_equal(sf_be16(seg->ip + seg->tcp_offset), 40000);
    assert_int_equal(seg->ip_id, version == 4 ? 0x1234 : 0);
    assert_int_equal(seg->ttl, version == 4 ? 64 : 63);
    assert_int_equal(seg->ip_ecn, 2);
    assert_false(seg->from_fragments);
    assert_false(seg->length_guessed);
}

static void expect_key(const struct sf_segment *seg, const struct wrapped *row)
{
    static const uint8_t ends4[2][16] = {{192, 0, 2, 1}, {198, 51, 100, 2}};
    static const uint8_t ends6[2][16] = {{0x20, 1, 0x0d, 0xb8, [15] = 1},
                                         {0x20, 1, 0x0d, 0xb8, [15] = 2}};
    struct sf_flow_key key = {.port = {40000, 80}};
    memcpy(key.addr, row->version == 4 ? ends4 : ends6, sizeof(key.addr));
    key.scope.ip_version = (uint8_t)row->version;
    key.scope.tunnels = row->tunnels;
    memcpy(key.scope.tunnel_kind, row->kind, sizeof(row->kind));
    memcpy(key.scope.tunnel_id, row->key_id, sizeof(row->key_id));
    assert_memory_equal(&seg->key, &key, sizeof(key));
    assert_int_equal(seg->dir, SF_FROM_0);
}

static void expect_place(const struct sf_segment *seg, const struct wrapped *row)
{
    assert_int_equal(seg->interface / 16, row->ifindex);
    assert_int_equal(seg->vlan_count, !!row->vlan[0] + !!row->vlan[1]);
    assert_memory_equal(seg->vlan, row->vlan, sizeof(seg->vlan));
    assert_int_equal(seg->tunnel_count, row->tunnels);
    for (int i = 0; i < SF_TUNNEL_MAX; i++) {
        assert_int_equal(seg->tunnel[i].kind, row->kind[i]);
        assert_int_equal(seg->tunnel[i].id, row->id[i]);
    }
}

static void wrapped_segments_are_found(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    for (size_t i = 0; i < LENGTH(wrapped); i++) {
        const struct wrapped *row = &wrapped[i];
        struct frame frame = frame_of(row->layers);
        struct sf_decoded out;
        enum sf_verdict verdict = decode_frame(decoder, &frame, row->linktype, &out);
        if (verdict != SF_VERDICT_OK)
            fail_msg("%s: %s", row->name, sf_verdict_name(verdict));
        print_message("%s\n", row->name);
        assert_false(out.has_quote);
        expect_tcp(&out.segment, row->version);
        expect_ip(&out.segment, row->version);
        expect_key(&out.segment, row);
        expect_place(&out.segment, row);
        bool known;
        assert_true(sf_segment_checksum_ok(&out.segment, &known));
        assert_true(known);
    }
    sf_decoder_free(decoder);
}

/* A capture cut after n octets: the segment is there exactly when its header is. */
static void expect_prefix(const char *name, size_t n, size_t header_end, enum sf_verdict verdict,
                          const struct sf_segment *seg)
{
    if (n >= header_end) {
        if (verdict != SF_VERDICT_OK || seg->payload_len != 4)
            fail_msg("%s, %zu octets: %s", name, n, sf_verdict_name(verdict));
        return;
    }
    bool sane = verdict == SF_VERDICT_TRUNCATED || verdict == SF_VERDICT_NOT_TCP ||
                verdict == SF_VERDICT_NOT_IP;
    if (!sane)
        fail_msg("%s, %zu octets: %s", name, n, sf_verdict_name(verdict));
}

static void every_prefix_is_safe(void **state)
{
    (void)state;
    struct guard guard = guard_open(FRAME_MAX);
    struct sf_decoder *decoder = new_decoder();
    for (size_t i = 0; i < LENGTH(wrapped); i++) {
        struct frame frame = frame_of(wrapped[i].layers);
        struct sf_decoded out;
        assert_int_equal(decode_frame(decoder, &frame, wrapped[i].linktype, &out), SF_VERDICT_OK);
        size_t end = (size_t)(out.segment.ip - frame.data) + out.segment.tcp_offset + 20;
        for (size_t n = 0; n <= frame.len; n++) {
            const uint8_t *at = guard_put(&guard, frame.data, n);
            struct sf_packet packet = packet_of(at, n, frame.len, wrapped[i].linktype);
            expect_prefix(wrapped[i].name, n, end, sf_decode(decoder, &packet, &out), &out.segment);
            packet.wirelen = (uint32_t)n; /* the frame itself was that short */
            enum sf_verdict verdict = sf_decode(decoder, &packet, &out);
            assert_true(verdict != SF_VERDICT_OK || n >= end);
        }
    }
    sf_decoder_free(decoder);
    guard_close(&guard);
}

/* Any single octet of any frame changed to a few values: whatever the verdict, no harm. */
static void every_octet_may_be_wrong(void **state)
{
    (void)state;
    static const uint8_t values[] = {0x00, 0x01, 0x0f, 0x7f, 0x80, 0xf0, 0xff};
    struct guard guard = guard_open(FRAME_MAX);
    struct sf_decoder *decoder = new_decoder();
    for (size_t i = 0; i < LENGTH(wrapped); i++) {
        struct frame frame = frame_of(wrapped[i].layers);
        for (size_t n = 0; n < frame.len * LENGTH(values); n++) {
            struct frame bad = frame;
            bad.data[n / LENGTH(values)] = values[n % LENGTH(values)];
            const uint8_t *at = guard_put(&guard, bad.data, bad.len);
            struct sf_packet packet = packet_of(at, bad.len, bad.len, wrapped[i].linktype);
            struct sf_decoded out;
            assert_true(sf_decode(decoder, &packet, &out) < SF_VERDICT_COUNT);
        }
    }
    sf_decoder_free(decoder);
    guard_close(&guard);
}

/* The usual packet is read in one go, anything else by a walk over its headers: the same datagram
 * in Ethernet and on its own must give the same segment, whatever octet of it is changed and
 * wherever it is cut. */
struct in_one_go {
    const char *layers[LAYERS_MAX];
    size_t link; /* octets before IP */
    uint16_t vlan;
};

static const struct in_one_go in_one_go[] = {
    {{MACS "0800", T4}, 14, 0},
    {{MACS "86dd", T6}, 14, 0},
    {{MACS "8100 2005 0800", T4}, 18, 5},
    {{MACS "8100 0fff 86dd", T6}, 18, 4095},
};

static void expect_same_both_ways(struct sf_decoder *decoder, const struct in_one_go *usual,
                                  const struct frame *frame, size_t caplen, size_t wirelen)
{
    struct sf_decoded one, other;
    memset(&one, 0, sizeof one);
    memset(&other, 0, sizeof other);
    struct sf_packet packet = packet_of(frame->data, caplen, wirelen, 1);
    enum sf_verdict verdict = sf_decode(decoder, &packet, &one);
    packet = packet_of(frame->data + usual->link, caplen - usual->link, wirelen - usual->link, RAW);
    assert_int_equal(sf_decode(decoder, &packet, &other), verdict);
    if (verdict != SF_VERDICT_OK)
        return;
    assert_int_equal(one.segment.vlan_count, usual->vlan != 0);
    assert_int_equal(one.segment.vlan[0], usual->vlan);
    one.segment.vlan_count = 0;
    one.segment.vlan[0] = 0;
    assert_memory_equal(&one.segment, &other.segment, sizeof one.segment);
}

static void expect_same_however_changed(struct sf_decoder *decoder, const struct in_one_go *usual)
{
    static const uint8_t values[] = {0x00, 0x01, 0x0f, 0x50, 0x80, 0xf0, 0xff};
    const struct frame frame = frame_of(usual->layers);
    for (size_t cut = usual->link; cut <= frame.len; cut++) {
        expect_same_both_ways(decoder, usual, &frame, cut, frame.len);
        expect_same_both_ways(decoder, usual, &frame, cut, cut);
        expect_same_both_ways(decoder, usual, &frame, cut, frame.len + 6); /* padding */
    }
    for (size_t n = (usual->link + 1) * LENGTH(values); n < frame.len * LENGTH(values); n++) {
        struct frame changed = frame;
        changed.data[n / LENGTH(values)] = values[n % LENGTH(values)];
        expect_same_both_ways(decoder, usual, &changed, frame.len, frame.len);
        expect_same_both_ways(decoder, usual, &changed, frame.len - 4, frame.len);
    }
}

static void in_one_go_or_by_steps(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    for (size_t i = 0; i < LENGTH(in_one_go); i++)
        expect_same_however_changed(decoder, &in_one_go[i]);
    sf_decoder_free(decoder);
}

/* verdicts */

static const struct {
    const char *why;
    uint16_t linktype;
    enum sf_verdict verdict;
    const char *layers[LAYERS_MAX];
} verdicts[] = {
    {"ARP", 1, SF_VERDICT_NOT_IP, {MACS "0806 0001"}},
    {"spanning tree", 1, SF_VERDICT_NOT_IP, {MACS "0026 424203"}},
    {"PPPoE's discovery", 1, SF_VERDICT_NOT_IP, {MACS "8863 1109 0000 0004 01010000"}},
    {"an associated channel in MPLS", 1, SF_VERDICT_NOT_IP, {MACS "8847 00020140 10000021"}},
    {"PPP's link control", 9, SF_VERDICT_NOT_IP, {"ff03 c021 0101 0004"}},
    {"another address family", 0, SF_VERDICT_NOT_IP, {"07000000 00000000"}},
    {"protected", 105, SF_VERDICT_NOT_IP, {"0841 0000" MACS "020000000003 1000" SNAP4, T4}},
    {"a beacon", 105, SF_VERDICT_NOT_IP, {"8000 0000" MACS "020000000003 1000"}},
    {"a frame without data", 105, SF_VERDICT_NOT_IP, {"4801 0000" MACS "020000000003 1000"}},
    {"netlink", 113, SF_VERDICT_NOT_IP, {"0004 0338 0000 0000000000000000 0800", T4}},
    {"no payload in the log", 239, SF_VERDICT_NOT_IP, {"02000000 0500 0a00 41000000"}},
    {"USB", 189, SF_VERDICT_UNSUPPORTED_LINK, {T4}},
    {"an unknown link in PPI", 192, SF_VERDICT_UNSUPPORTED_LINK, {"0000 0800 ff000000", T4}},
    {"UDP", RAW, SF_VERDICT_NOT_TCP, {"ip4 17", "udp 53", "0000"}},
    {"no next header", RAW, SF_VERDICT_NOT_TCP, {"ip6 59"}},
    {"ESP", RAW, SF_VERDICT_NOT_TCP, {"ip4 50", "0000000000000000"}},
    {"VXLAN without an id",
     RAW,
     SF_VERDICT_NOT_TCP,
     {"ip4 17", "udp 4789", "00000000 00002a00", ETH4, T4}},
    {"no VXLAN at all", RAW, SF_VERDICT_NOT_TCP, {"ip4 17", "udp 4789", "ffffffff ffffffff 00"}},
    {"damaged IP on a tunnel's port",
     RAW,
     SF_VERDICT_NOT_TCP,
     {"ip4 17", "udp 2152", "30ff 0004 00000000 41000000"}},
    {"GTP-U's echo",
     RAW,
     SF_VERDICT_NOT_TCP,
     {"ip4 17", "udp 2152", "3201 0004 00000000 00000000"}},
    {"a GTP-U extension of no length",
     RAW,
     SF_VERDICT_NOT_TCP,
     {"ip4 17", "udp 2152", "34ff 0008 00000000 00000085 00000000"}},
    {"GRE with source routes", RAW, SF_VERDICT_NOT_TCP, {"ip4 47", "4000 0800 00000000", T4}},
    {"PPTP acknowledgement", RAW, SF_VERDICT_NOT_TCP, {"ip4 47", "2081 880b 0000 0009 00000002"}},
    {"IP version 5",
     RAW,
     SF_VERDICT_MALFORMED_IP,
     {"55000014 00000000 00000000 00000000 00000000"}},
    {"IP header of 16 octets",
     RAW,
     SF_VERDICT_MALFORMED_IP,
     {"44000014 00000000 00060000 00000000 00000000"}},
    {"total length below the header",
     RAW,
     SF_VERDICT_MALFORMED_IP,
     {"46000014 00000000 00060000 00000000 00000000 00000000"}},
    {"IPv6 header cut on the wire", RAW, SF_VERDICT_MALFORMED_IP, {"60000000 00000600"}},
    {"an extension header beyond the end",
     RAW,
     SF_VERDICT_MALFORMED_IP,
     {"ip6 0", "06ff 0000 00000000"}},
    {"TCP header of 16 octets",
     RAW,
     SF_VERDICT_MALFORMED_TCP,
     {"ip4 6", "9c400050 01020304 05060708 40180102 00000000"}},
    {"TCP header beyond IP's end",
     RAW,
     SF_VERDICT_MALFORMED_TCP,
     {"ip4 6", "9c400050 01020304 05060708 60180102 00000000"}},
    {"19 octets of TCP",
     RAW,
     SF_VERDICT_MALFORMED_TCP,
     {"ip4 6", "9c400050 01020304 05060708 50180102 000000"}},
    {"Ethernet header cut on the wire", 1, SF_VERDICT_MALFORMED_LINK, {MACS "08"}},
    {"a VLAN tag cut on the wire", 1, SF_VERDICT_MALFORMED_LINK, {MACS "8100 00"}},
    {"radiotap of 4 octets", 127, SF_VERDICT_MALFORMED_LINK, {"0000 0400 00000000 0000"}},
    {"nothing", 1, SF_VERDICT_MALFORMED_LINK, {""}},
};

static void what_is_no_segment_has_its_reason(void **state)
{
    (void)state;
    struct guard guard = guard_open(FRAME_MAX);
    struct sf_decoder *decoder = new_decoder();
    for (size_t i = 0; i < LENGTH(verdicts); i++) {
        struct frame frame = frame_of(verdicts[i].layers);
        const uint8_t *at = guard_put(&guard, frame.data, frame.len);
        struct sf_packet packet = packet_of(at, frame.len, frame.len, verdicts[i].linktype);
        struct sf_decoded out;
        enum sf_verdict verdict = sf_decode(decoder, &packet, &out);
        if (verdict != verdicts[i].verdict)
            fail_msg("%s: %s", verdicts[i].why, sf_verdict_name(verdict));
        packet.filtered = true;
        assert_int_equal(sf_decode(decoder, &packet, &out), SF_VERDICT_FILTERED);
    }
    sf_decoder_free(decoder);
    guard_close(&guard);
}

/* Layers upon layers, as only an attacker sends them: an end is put to it. */
static void nesting_is_bounded(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    struct sf_decoded out;
    struct frame frame = frame_of((const char *const[LAYERS_MAX]){T4});
    for (int n = 1; n <= 100; n++) {
        prepend_layer(&frame, "ip4 4");
        enum sf_verdict verdict = decode_frame(decoder, &frame, RAW, &out);
        assert_int_equal(verdict, n <= 8 ? SF_VERDICT_OK : SF_VERDICT_NOT_TCP);
        if (verdict == SF_VERDICT_OK)
            assert_int_equal(out.segment.key.scope.tunnels, n);
    }
    struct frame tags = frame_of((const char *const[LAYERS_MAX]){T4});
    prepend_layer(&tags, "0800");
    for (int n = 0; n < 900; n++)
        prepend_layer(&tags, "81000001");
    prepend_layer(&tags, MACS);
    assert_int_equal(decode_frame(decoder, &tags, 1, &out), SF_VERDICT_MALFORMED_LINK);
    sf_decoder_free(decoder);
}

/* options */

static const struct {
    const char *why;
    const char *hex; /* padded to words with end-of-list */
    unsigned present;
} option_lists[] = {
    {"none", "", 0},
    {"MSS", "020405b4", SF_OPT_HAS_MSS},
    {"a SYN's of Linux", "020405b4 0402 080a 00000011 00000000 01 030307",
     SF_OPT_HAS_MSS | SF_OPT_HAS_SACK_PERMITTED | SF_OPT_HAS_TIMESTAMPS | SF_OPT_HAS_WSCALE},
    {"timestamps in the usual place", "0101080a 00000011 00000022", SF_OPT_HAS_TIMESTAMPS},
    {"timestamps first", "080a 00000011 00000022 0101", SF_OPT_HAS_TIMESTAMPS},
    {"one SACK block", "0101 050a 00000001 00000002", SF_OPT_HAS_SACK},
    {"four SACK blocks",
     "0101 0522 00000001 00000002 00000003 00000004 00000005 00000006 00000007 00000008",
     SF_OPT_HAS_SACK},
    {"fast open's request", "2202", SF_OPT_HAS_FAST_OPEN},
    {"fast open's cookie", "220a 0102030405060708", SF_OPT_HAS_FAST_OPEN},
    {"fast open as experiment", "fe04f989", SF_OPT_HAS_FAST_OPEN},
    {"fast open as experiment with cookie", "fe0cf989 0102030405060708", SF_OPT_HAS_FAST_OPEN},
    {"another experiment", "fe041234", 0},
    {"a cookie of an odd length is ignored", "2207 0102030405", 0},
    {"MPTCP", "1e0c 0081 0000000000000000", SF_OPT_HAS_MPTCP},
    {"MD5", "1312 00000000000000000000000000000000", SF_OPT_HAS_MD5},
    {"authentication", "1d10 0001 000000000000000000000000", SF_OPT_HAS_MD5},
    {"unknown ones are skipped", "4d04ffff 020405b4", SF_OPT_HAS_MSS},
    {"after the end nothing counts", "00 020405b4", 0},
    {"length 0", "020405b4 0300", SF_OPT_HAS_MSS | SF_OPT_MALFORMED},
    {"length 1", "0301", SF_OPT_MALFORMED},
    {"an unknown option of length 1", "4d01 020405b4", SF_OPT_MALFORMED},
    {"MSS of three octets", "020305", SF_OPT_MALFORMED},
    {"window scale of four", "03040707", SF_OPT_MALFORMED},
    {"timestamps of eight", "0808 00000011 0000", SF_OPT_MALFORMED},
    {"SACK without a block", "0502", SF_OPT_MALFORMED},
    {"SACK of a block and a half", "050e 00000001 00000002 00000003", SF_OPT_MALFORMED},
    {"beyond the header", "01010109", SF_OPT_MALFORMED},
    {"beyond the header with a length", "0101 02ff", SF_OPT_MALFORMED},
};

/* A raw IPv4 packet with a SYN that has these options. */
static struct frame syn_with_options(const char *hex)
{
    struct frame frame = {.len = 0};
    uint8_t tcp[60];
    hex_octets("9c400050 01020304 00000000 00020102 00000000", tcp);
    size_t len = hex_octets(hex, tcp + 20);
    for (; len % 4 != 0; len++)
        tcp[20 + len] = 0;
    tcp[12] = (uint8_t)((20 + len) / 4 << 4);
    prepend(&frame, tcp, 20 + len);
    prepend_layer(&frame, "ip4 6");
    return frame;
}

static void option_lists_are_read(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    struct guard guard = guard_open(FRAME_MAX);
    for (size_t i = 0; i < LENGTH(option_lists); i++) {
        struct frame frame = syn_with_options(option_lists[i].hex);
        const uint8_t *at = guard_put(&guard, frame.data, frame.len);
        struct sf_packet packet = packet_of(at, frame.len, frame.len, RAW);
        struct sf_decoded out;
        assert_int_equal(sf_decode(decoder, &packet, &out), SF_VERDICT_OK);
        if (out.segment.options.present != option_lists[i].present)
            fail_msg("%s: %#x", option_lists[i].why, out.segment.options.present);
        assert_int_equal(out.segment.payload_len, 0);
    }
    guard_close(&guard);
    sf_decoder_free(decoder);
}

static void option_values_are_read(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    struct sf_decoded out;
    const struct sf_tcp_options *options = &out.segment.options;

    struct frame frame = syn_with_options("020405b4 03030f 080a 80000001 7fffffff 2206 01020304");
    assert_int_equal(decode_frame(decoder, &frame, RAW, &out), SF_VERDICT_OK);
    assert_int_equal(options->mss, 1460);
    assert_int_equal(options->wscale, 15);
    assert_int_equal(options->ts_val, 0x80000001);
    assert_int_equal(options->ts_ecr, 0x7fffffff);
    assert_int_equal(options->fast_open_len, 4);

    frame = syn_with_options("0512 fffffff0 00000010 00000020 00000030");
    assert_int_equal(decode_frame(decoder, &frame, RAW, &out), SF_VERDICT_OK);
    assert_int_equal(options->sack_count, 2);
    assert_int_equal(options->sack[0].begin.n, 0xfffffff0);
    assert_int_equal(options->sack[0].end.n, 0x10);
    assert_int_equal(options->sack[1].begin.n, 0x20);
    assert_int_equal(options->sack[1].end.n, 0x30);
    sf_decoder_free(decoder);
}

/* MSS, SACK permitted, timestamps, NOP, window scale, cut after each octet. */
static void options_may_be_cut(void **state)
{
    (void)state;
    static const struct {
        size_t captured;
        unsigned present;
    } cuts[] = {
        {0, 0},
        {3, 0},
        {4, SF_OPT_HAS_MSS},
        {6, SF_OPT_HAS_MSS | SF_OPT_HAS_SACK_PERMITTED},
        {15, SF_OPT_HAS_MSS | SF_OPT_HAS_SACK_PERMITTED},
        {16, SF_OPT_HAS_MSS | SF_OPT_HAS_SACK_PERMITTED | SF_OPT_HAS_TIMESTAMPS},
        {19, SF_OPT_HAS_MSS | SF_OPT_HAS_SACK_PERMITTED | SF_OPT_HAS_TIMESTAMPS},
    };
    struct sf_decoder *decoder = new_decoder();
    struct guard guard = guard_open(FRAME_MAX);
    struct frame frame = syn_with_options("020405b4 0402 080a 00000011 00000000 01 030307");
    for (size_t i = 0; i < LENGTH(cuts); i++) {
        size_t n = 40 + cuts[i].captured;
        struct sf_packet packet = packet_of(guard_put(&guard, frame.data, n), n, frame.len, RAW);
        struct sf_decoded out;
        assert_int_equal(sf_decode(decoder, &packet, &out), SF_VERDICT_OK);
        assert_int_equal(out.segment.options.present, cuts[i].present | SF_OPT_TRUNCATED);
        bool known;
        sf_segment_checksum_ok(&out.segment, &known);
        assert_false(known);
    }
    guard_close(&guard);
    sf_decoder_free(decoder);
}

/* fragments */

enum { SEGMENT_LEN = 92, PARTS_MAX = 16, BIG_BLOCKS_MAX = 8000 };

/* A TCP segment of 92 octets, 60 of them payload. */
static void make_segment(uint8_t segment[SEGMENT_LEN])
{
    hex_octets(TCP_OCTETS("17da"), segment);
    memset(segment + 32, 'x', SEGMENT_LEN - 32);
}

/* The fragment [begin, end) of the segment, in IPv4 or IPv6. */
static struct frame fragment_of(int version, uint16_t id, size_t begin, size_t end, bool more)
{
    uint8_t segment[SEGMENT_LEN], header[8] = {6, [6] = (uint8_t)(id >> 8), [7] = (uint8_t)id};
    struct frame frame = {.len = 0};
    make_segment(segment);
    prepend(&frame, segment + begin, end - begin);
    if (version == 4) {
        prepend_layer(&frame, "ip4 6");
        put16(frame.data + 4, id);
        put16(frame.data + 6, begin / 8 | (more ? 0x2000 : 0));
    } else {
        put16(header + 2, begin | more);
        prepend(&frame, header, sizeof(header));
        prepend_layer(&frame, "ip6 44");
    }
    return frame;
}

static enum sf_verdict add_fragment(struct sf_decoder *decoder, struct guard *guard, int version,
                                    size_t begin, size_t end, bool more, struct sf_decoded *out)
{
    struct frame frame = fragment_of(version, 99, begin, end, more);
    const uint8_t *at = guard_put(guard, frame.data, frame.len);
    struct sf_packet packet = packet_of(at, frame.len, frame.len, RAW);
    return sf_decode(decoder, &packet, out);
}

static void expect_whole(const struct sf_segment *seg, int version)
{
    assert_true(seg->from_fragments);
    assert_int_equal(seg->payload_len, 60);
    assert_int_equal(seg->payload_cap, 60);
    assert_int_equal(seg->ip_bytes, (version == 4 ? 20 : 40) + SEGMENT_LEN);
    assert_int_equal(seg->ip_id, 99);
    assert_int_equal(seg->seq.n, 0x01020304);
    assert_int_equal(seg->options.present, SF_OPT_HAS_TIMESTAMPS);
    assert_int_equal(seg->options.ts_ecr, 0x22);
    assert_int_equal(seg->key.port[seg->dir], 40000);
    bool known;
    sf_segment_checksum_ok(seg, &known);
    assert_false(known);
}

static void fragments_come_in_any_order(void **state)
{
    (void)state;
    /* The first one is tiny: it ends within the TCP header. */
    static const size_t edges[] = {0, 8, 48, SEGMENT_LEN};
    static const int orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                     {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
    struct guard guard = guard_open(FRAME_MAX);
    struct sf_decoder *decoder = new_decoder();
    for (size_t i = 0; i < 2 * LENGTH(orders); i++) {
        int version = i % 2 == 0 ? 4 : 6;
        struct sf_decoded out;
        for (int n = 0; n < 3; n++) {
            int part = orders[i / 2][n];
            enum sf_verdict verdict = add_fragment(decoder, &guard, version, edges[part],
                                                   edges[part + 1], part < 2, &out);
            assert_int_equal(verdict, n < 2 ? SF_VERDICT_FRAGMENT : SF_VERDICT_OK);
        }
        expect_whole(&out.segment, version);
    }
    sf_decoder_free(decoder);
    guard_close(&guard);
}

struct part {
    size_t begin, end;
    bool more;
    enum sf_verdict verdict;
};

static const struct {
    const char *why;
    struct part parts[PARTS_MAX];
} overlaps[] = {
    {"one comes twice",
     {{0, 48, true, SF_VERDICT_FRAGMENT},
      {0, 48, true, SF_VERDICT_FRAGMENT},
      {48, 92, false, SF_VERDICT_OK}}},
    {"they overlap",
     {{0, 48, true, SF_VERDICT_FRAGMENT},
      {24, 64, true, SF_VERDICT_FRAGMENT},
      {56, 92, false, SF_VERDICT_OK}}},
    {"one within another",
     {{0, 88, true, SF_VERDICT_FRAGMENT},
      {8, 16, true, SF_VERDICT_FRAGMENT},
      {88, 92, false, SF_VERDICT_OK}}},
    {"a second end, before the first, is not believed",
     {{40, 92, false, SF_VERDICT_FRAGMENT},
      {16, 40, false, SF_VERDICT_FRAGMENT},
      {0, 40, true, SF_VERDICT_OK}}},
    {"an end below what came is not believed",
     {{40, 80, true, SF_VERDICT_FRAGMENT},
      {8, 24, false, SF_VERDICT_FRAGMENT},
      {0, 40, true, SF_VERDICT_FRAGMENT},
      {80, 92, false, SF_VERDICT_OK}}},
    {"an odd length is cut to a multiple of eight",
     {{0, 45, true, SF_VERDICT_FRAGMENT}, {40, 92, false, SF_VERDICT_OK}}},
};

static void fragments_may_overlap(void **state)
{
    (void)state;
    struct guard guard = guard_open(FRAME_MAX);
    for (size_t i = 0; i < 2 * LENGTH(overlaps); i++) {
        int version = i % 2 == 0 ? 4 : 6;
        struct sf_decoder *decoder = new_decoder();
        struct sf_decoded out;
        const struct part *part = overlaps[i / 2].parts;
        for (; part->end != 0; part++) {
            enum sf_verdict verdict =
                add_fragment(decoder, &guard, version, part->begin, part->end, part->more, &out);
            if (verdict != part->verdict)
                fail_msg("%s: [%zu, %zu) is %s", overlaps[i / 2].why, part->begin, part->end,
                         sf_verdict_name(verdict));
        }
        expect_whole(&out.segment, version);
        sf_decoder_free(decoder);
    }
    guard_close(&guard);
}

static void an_atomic_fragment_is_whole(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    struct frame frame = fragment_of(6, 99, 0, SEGMENT_LEN, false);
    struct sf_decoded out;
    assert_int_equal(decode_frame(decoder, &frame, RAW, &out), SF_VERDICT_OK);
    assert_false(out.segment.from_fragments);
    assert_int_equal(out.segment.payload_len, 60);
    assert_int_equal(out.segment.ip_id, 99);
    assert_int_equal(out.segment.tcp_offset, 48);
    sf_decoder_free(decoder);
}

static void fragments_wait_30_seconds(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    struct frame first = fragment_of(4, 99, 0, 48, true);
    struct frame last = fragment_of(4, 99, 48, SEGMENT_LEN, false);
    for (int seconds = 30; seconds <= 31; seconds++) {
        struct sf_packet packet = packet_of(first.data, first.len, first.len, RAW);
        struct sf_decoded out;
        assert_int_equal(sf_decode(decoder, &packet, &out), SF_VERDICT_FRAGMENT);
        packet = packet_of(last.data, last.len, last.len, RAW);
        packet.ts_ns += seconds * SF_SEC;
        assert_int_equal(sf_decode(decoder, &packet, &out),
                         seconds == 30 ? SF_VERDICT_OK : SF_VERDICT_FRAGMENT);
    }
    sf_decoder_free(decoder);
}

/* Captured octets of all fragments count; without those of the header there is no segment. */
static void fragments_may_be_cut(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    struct guard guard = guard_open(FRAME_MAX);
    struct frame first = fragment_of(4, 99, 0, 48, true);
    struct frame last = fragment_of(4, 99, 48, SEGMENT_LEN, false);
    struct sf_decoded out;
    for (size_t cap = 0; cap <= 48; cap++) {
        size_t n = 20 + cap;
        struct sf_packet packet = packet_of(guard_put(&guard, first.data, n), n, first.len, RAW);
        assert_int_equal(sf_decode(decoder, &packet, &out), SF_VERDICT_FRAGMENT);
        packet = packet_of(guard_put(&guard, last.data, 30), 30, last.len, RAW);
        enum sf_verdict verdict = sf_decode(decoder, &packet, &out);
        assert_int_equal(verdict, cap < 20 ? SF_VERDICT_TRUNCATED : SF_VERDICT_OK);
        if (verdict != SF_VERDICT_OK)
            continue;
        assert_int_equal(out.segment.payload_len, 60);
        assert_int_equal(out.segment.payload_cap, cap < 22 ? 0 : cap + 10 - 32);
        assert_int_equal(!sf_segment_has(&out.segment, SF_OPT_TRUNCATED), cap >= 32);
    }
    sf_decoder_free(decoder);
    guard_close(&guard);
}

/* Which blocks of 8 octets have come; how many octets of each were captured when it first did. */
struct big_datagram {
    bool came[BIG_BLOCKS_MAX];
    size_t blocks, missing, captured;
};

/* Adds `len` octets from block `begin` on, `cap` of them captured, to it and to the decoder. */
static enum sf_verdict add_big(struct sf_decoder *decoder, struct big_datagram *big, size_t begin,
                               size_t len, size_t cap, struct sf_decoded *out)
{
    static uint8_t data[20 + 8 * BIG_BLOCKS_MAX];
    struct frame first = fragment_of(4, 99, 0, 48, true);
    memset(data, 'y', sizeof data);
    memcpy(data, first.data, begin == 0 ? first.len : 20);
    put16(data + 2, 20 + len);
    put16(data + 6, begin | (begin + (len + 7) / 8 < big->blocks ? 0x2000 : 0));
    for (size_t done = 0; done < len; done += 8) {
        if (big->came[begin + done / 8])
            continue;
        big->came[begin + done / 8] = true;
        big->missing--;
        big->captured += cap < done ? 0 : cap - done < 8 ? cap - done : 8;
    }
    struct sf_packet packet = packet_of(data, 20 + cap, 20 + len, RAW);
    return sf_decode(decoder, &packet, out);
}

static void large_fragments_overlap_anyhow(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    uint64_t random = 1;
    for (size_t round = 0; round < 300; round++) {
        static struct big_datagram big;
        size_t blocks = 7 + chance_next(&random) % (BIG_BLOCKS_MAX - 7), odd = round % 8;
        big = (struct big_datagram){.blocks = blocks, .missing = blocks};
        struct sf_decoded out;
        enum sf_verdict verdict = add_big(decoder, &big, 0, 48, 48, &out);
        while (big.missing > 0) {
            assert_int_equal(verdict, SF_VERDICT_FRAGMENT);
            size_t begin = chance_next(&random) % blocks;
            size_t end = begin + 1 + chance_next(&random) % (blocks - begin);
            size_t len = (end - begin) * 8 - (end == blocks ? odd : 0);
            verdict = add_big(decoder, &big, begin, len, chance_next(&random) % (len + 1), &out);
        }
        assert_int_equal(verdict, SF_VERDICT_OK);
        assert_int_equal(out.segment.payload_len, blocks * 8 - odd - 32);
        assert_int_equal(out.segment.payload_cap, big.captured - 32);
        assert_int_equal(out.segment.seq.n, 0x01020304);
    }
    sf_decoder_free(decoder);
}

/* More datagrams than there is room for: those that were begun last are put together, whatever the
 * hash. */
static void a_flood_of_fragments_is_bounded(void **state)
{
    (void)state;
    enum { BEGUN = 20000, KEPT = 1024 };
    static const struct {
        unsigned id;
        enum sf_verdict verdict;
    } rows[] = {{BEGUN - 1, SF_VERDICT_OK},
                {BEGUN - KEPT, SF_VERDICT_OK},
                {BEGUN - KEPT / 2, SF_VERDICT_OK},
                {BEGUN - KEPT - 1, SF_VERDICT_FRAGMENT},
                {0, SF_VERDICT_FRAGMENT}};
    for (uint64_t seed = 0; seed < 5; seed++) {
        struct sf_decoder *decoder = sf_decoder_new(&(struct sf_decode_options){.hash_seed = seed});
        struct sf_decoded out;
        for (unsigned id = 0; id < BEGUN; id++) {
            struct frame first = fragment_of(4, (uint16_t)id, 0, 48, true);
            assert_int_equal(decode_frame(decoder, &first, RAW, &out), SF_VERDICT_FRAGMENT);
        }
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
            struct frame last = fragment_of(4, (uint16_t)rows[i].id, 48, SEGMENT_LEN, false);
            assert_int_equal(decode_frame(decoder, &last, RAW, &out), rows[i].verdict);
        }
        sf_decoder_free(decoder);
    }
}

/* VXLAN's packet in two fragments: the segment within is found. */
static void a_tunnel_may_be_fragmented(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    struct frame whole = frame_of((const char *const[LAYERS_MAX]){"udp 4789", VXLAN, ETH4, T4});
    struct frame first = {.len = 0}, last = {.len = 0};
    prepend(&first, whole.data, 24);
    prepend(&last, whole.data + 24, whole.len - 24);
    prepend_layer(&first, "ip4 17");
    prepend_layer(&last, "ip4 17");
    put16(first.data + 6, 0x2000);
    put16(last.data + 6, 3);
    struct sf_decoded out;
    assert_int_equal(decode_frame(decoder, &first, RAW, &out), SF_VERDICT_FRAGMENT);
    assert_int_equal(decode_frame(decoder, &last, RAW, &out), SF_VERDICT_OK);
    expect_tcp(&out.segment, 4);
    assert_true(out.segment.from_fragments);
    assert_int_equal(out.segment.tunnel[0].id, 42);
    assert_int_equal(out.segment.ip_bytes, 56);
    sf_decoder_free(decoder);
}

/* ICMP */

static const struct {
    const char *why;
    const char *layers[LAYERS_MAX];
    int version; /* of the quoted segment; 0: none */
    bool has_seq;
    uint8_t type, code;
} quotes[] = {
    {"port unreachable", {"ip4 1", "03030000 00000000", T4}, 4, true, 3, 3},
    {"time exceeded", {"ip4 1", "0b000000 00000000", T4}, 4, true, 11, 0},
    {"IPv6, too big", {"ip6 58", "02000000 00000500", T6}, 6, true, 2, 0},
    {"eight octets of TCP",
     {"ip4 1", "03010000 00000000 45020038 12344000 40063c53 c0000201 c6336402 9c400050 01020304"},
     4,
     true,
     3,
     1},
    {"the ports only",
     {"ip4 1", "03010000 00000000 45020038 12344000 40063c53 c0000201 c6336402 9c400050"},
     4,
     false,
     3,
     1},
    {"less than the ports",
     {"ip4 1", "03010000 00000000 45020038 12344000 40063c53 c0000201 c6336402 9c40"},
     0,
     false,
     0,
     0},
    {"a later fragment",
     {"ip4 1", "03010000 00000000 45020038 12340005 40063c53 c0000201 c6336402 9c400050 01020304"},
     0,
     false,
     0,
     0},
    {"a quoted UDP packet", {"ip4 1", "03030000 00000000", "ip4 17", "udp 53"}, 0, false, 0, 0},
    {"an echo request that looks so", {"ip4 1", "08000000 00000000", T4}, 0, false, 0, 0},
    {"an IPv6 echo request", {"ip6 58", "80000000 00000000", T6}, 0, false, 0, 0},
};

static void expect_quote(const struct sf_icmp_quote *quote, size_t i)
{
    bool is_v4 = quotes[i].version == 4;
    struct sf_decoder *decoder = new_decoder();
    struct frame quoted = frame_of((const char *const[LAYERS_MAX]){is_v4 ? T4 : T6});
    struct sf_decoded whole;
    assert_int_equal(decode_frame(decoder, &quoted, RAW, &whole), SF_VERDICT_OK);
    assert_memory_equal(&quote->key, &whole.segment.key, sizeof(quote->key));
    assert_int_equal(quote->hash, whole.segment.hash);
    assert_int_equal(quote->dir, whole.segment.dir);
    assert_int_equal(quote->has_seq, quotes[i].has_seq);
    assert_int_equal(quote->seq.n, quotes[i].has_seq ? 0x01020304 : 0);
    assert_int_equal(quote->packet, 7);
    assert_int_equal(quote->ts_ns, 1000 * SF_SEC);
    assert_int_equal(quote->type, quotes[i].type);
    assert_int_equal(quote->code, quotes[i].code);
    assert_int_equal(quote->ip_version, quotes[i].version);
    assert_int_equal(quote->sender[is_v4 ? 3 : 15], is_v4 ? 1 : 3);
    sf_decoder_free(decoder);
}

static void icmp_errors_quote_a_segment(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    for (size_t i = 0; i < LENGTH(quotes); i++) {
        struct frame frame = frame_of(quotes[i].layers);
        struct sf_decoded out;
        assert_int_equal(decode_frame(decoder, &frame, RAW, &out), SF_VERDICT_NOT_TCP);
        if (out.has_quote != (quotes[i].version != 0))
            fail_msg("%s", quotes[i].why);
        if (out.has_quote)
            expect_quote(&out.quote, i);
    }
    sf_decoder_free(decoder);
}

static void every_cut_of_a_quote_is_safe(void **state)
{
    (void)state;
    struct guard guard = guard_open(FRAME_MAX);
    struct sf_decoder *decoder = new_decoder();
    struct frame frame =
        frame_of((const char *const[LAYERS_MAX]){"ip6 58", "01040000 00000000", T6});
    for (size_t n = 0; n <= frame.len; n++) {
        struct sf_packet packet = packet_of(guard_put(&guard, frame.data, n), n, frame.len, RAW);
        struct sf_decoded out;
        enum sf_verdict verdict = sf_decode(decoder, &packet, &out);
        assert_int_equal(verdict, n < 40 ? SF_VERDICT_TRUNCATED : SF_VERDICT_NOT_TCP);
        assert_int_equal(out.has_quote, n >= 40 + 8 + 40 + 4);
    }
    sf_decoder_free(decoder);
    guard_close(&guard);
}

/* shares: every connection is of one, told by the key's place whether or not there is a key */

enum { SHARES = 3 };

static void expect_one_share(struct sf_decoder *const decoders[SHARES], const struct frame *frame,
                             uint16_t linktype)
{
    struct sf_decoder *decoder = new_decoder();
    struct sf_decoded all, decoded;
    memset(&all, 0, sizeof all);
    memset(&decoded, 0, sizeof decoded);
    enum sf_verdict verdict = decode_frame(decoder, frame, linktype, &all);
    sf_decoder_free(decoder);
    assert_false(all.is_of_others);
    unsigned place = verdict == SF_VERDICT_OK ? sf_flow_key_place(&all.segment.key)
                     : all.has_quote          ? sf_flow_key_place(&all.quote.key)
                                              : 0;
    for (unsigned share = 0; share < SHARES; share++) {
        bool is_own = share == place * SHARES / SF_PLACES;
        bool is_any = verdict == SF_VERDICT_OK || all.has_quote;
        assert_int_equal(decode_frame(decoders[share], frame, linktype, &decoded), verdict);
        assert_int_equal(decoded.is_of_others, is_any && !is_own);
        if (verdict == SF_VERDICT_OK && is_own)
            assert_memory_equal(&decoded.segment, &all.segment, sizeof all.segment);
    }
}

static void each_is_of_one_share(void **state)
{
    (void)state;
    struct sf_decoder *decoders[SHARES];
    for (unsigned share = 0; share < SHARES; share++) {
        const struct sf_decode_options options = {
            .hash_seed = 42, .share = share, .shares = SHARES};
        decoders[share] = sf_decoder_new(&options);
        assert_non_null(decoders[share]);
    }
    for (size_t i = 0; i < LENGTH(wrapped); i++) {
        const struct frame frame = frame_of(wrapped[i].layers);
        expect_one_share(decoders, &frame, wrapped[i].linktype);
    }
    for (size_t i = 0; i < LENGTH(quotes); i++) {
        const struct frame frame = frame_of(quotes[i].layers);
        expect_one_share(decoders, &frame, RAW);
    }
    const struct frame frame = frame_of(in_one_go[0].layers);
    for (size_t at = 0; at < frame.len; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct frame changed = frame;
            changed.data[at] ^= (uint8_t)(1u << bit);
            expect_one_share(decoders, &changed, 1);
        }
    for (unsigned share = 0; share < SHARES; share++)
        sf_decoder_free(decoders[share]);
}

/* keys */

/* Swaps the ends of the innermost packet of the frame, whose IP header is `from_end` before it. */
static void swap_ends(struct frame *frame, size_t from_end, int version)
{
    uint8_t *ip = frame->data + frame->len - from_end;
    size_t size = version == 4 ? 4 : 16, at = version == 4 ? 12 : 8, ports = version == 4 ? 20 : 40;
    uint8_t tmp[16];
    memcpy(tmp, ip + at, size);
    memcpy(ip + at, ip + at + size, size);
    memcpy(ip + at + size, tmp, size);
    memcpy(tmp, ip + ports, 2);
    memcpy(ip + ports, ip + ports + 2, 2);
    memcpy(ip + ports + 2, tmp, 2);
}

static void both_directions_have_one_key(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    for (int version = 4; version <= 6; version += 2) {
        struct frame frame = frame_of((const char *const[LAYERS_MAX]){version == 4 ? T4 : T6});
        struct sf_decoded there, back;
        memset(&there, 0x00, sizeof(there));
        memset(&back, 0xff, sizeof(back)); /* what stood there before must not show in the key */
        assert_int_equal(decode_frame(decoder, &frame, RAW, &there), SF_VERDICT_OK);
        swap_ends(&frame, frame.len, version);
        assert_int_equal(decode_frame(decoder, &frame, RAW, &back), SF_VERDICT_OK);
        assert_memory_equal(&there.segment.key, &back.segment.key, sizeof(struct sf_flow_key));
        assert_int_equal(there.segment.hash, back.segment.hash);
        assert_int_equal(there.segment.dir, SF_FROM_0);
        assert_int_equal(back.segment.dir, SF_FROM_1);
    }
    sf_decoder_free(decoder);
}

static void the_port_decides_between_equal_addresses(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    struct frame frame = frame_of((const char *const[LAYERS_MAX]){T4});
    memcpy(frame.data + 16, frame.data + 12, 4);
    struct sf_decoded out;
    assert_int_equal(decode_frame(decoder, &frame, RAW, &out), SF_VERDICT_OK);
    assert_int_equal(out.segment.dir, SF_FROM_1);
    assert_int_equal(out.segment.key.port[0], 80);
    memcpy(frame.data + 22, frame.data + 20, 2); /* a packet from an end to itself */
    assert_int_equal(decode_frame(decoder, &frame, RAW, &out), SF_VERDICT_OK);
    assert_int_equal(out.segment.dir, SF_FROM_0);
    sf_decoder_free(decoder);
}

static struct sf_segment segment_of(bool vlan_key, uint64_t seed,
                                    const char *const layers[LAYERS_MAX])
{
    struct sf_decoder *decoder =
        sf_decoder_new(&(struct sf_decode_options){.vlan_key = vlan_key, .hash_seed = seed});
    assert_non_null(decoder);
    struct frame frame = frame_of(layers);
    struct sf_decoded out;
    assert_int_equal(decode_frame(decoder, &frame, 1, &out), SF_VERDICT_OK);
    sf_decoder_free(decoder);
    return out.segment;
}

#define VLAN_5 ((const char *const[LAYERS_MAX]){MACS "8100 0005 0800", T4})
#define VLAN_6 ((const char *const[LAYERS_MAX]){MACS "8100 0006 0800", T4})

static void vlans_are_in_the_key_when_asked(void **state)
{
    (void)state;
    struct sf_segment a = segment_of(false, 1, VLAN_5), b = segment_of(false, 1, VLAN_6);
    assert_int_equal(a.hash, b.hash);
    assert_memory_equal(&a.key, &b.key, sizeof(a.key));
    a = segment_of(true, 1, VLAN_5);
    b = segment_of(true, 1, VLAN_6);
    assert_int_equal(a.key.scope.vlan[0], 5);
    assert_int_equal(b.key.scope.vlan[0], 6);
    assert_int_not_equal(a.hash, b.hash);
}

static void the_hash_depends_on_the_seed_only(void **state)
{
    (void)state;
    struct sf_segment a = segment_of(false, 1, VLAN_5), b = segment_of(false, 2, VLAN_5);
    assert_memory_equal(&a.key, &b.key, sizeof(a.key));
    assert_int_not_equal(a.hash, b.hash);
}

/* Three tunnels deep: the third id is not lost. */
static void deep_tunnels_are_told_apart(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    struct sf_decoded a, b;
    struct frame frame = frame_of((const char *const[LAYERS_MAX]){
        "ip4 4", "ip4 47", "2000 0800 00000007", "ip4 47", "2000 0800 00000008", T4});
    assert_int_equal(decode_frame(decoder, &frame, RAW, &a), SF_VERDICT_OK);
    frame.data[frame.len - 56 - 1] = 9;
    assert_int_equal(decode_frame(decoder, &frame, RAW, &b), SF_VERDICT_OK);
    assert_int_equal(a.segment.tunnel_count, SF_TUNNEL_MAX);
    assert_int_equal(a.segment.key.scope.tunnels, 3);
    assert_int_equal(a.segment.tunnel[1].id, 7);
    assert_memory_not_equal(&a.segment.key, &b.segment.key, sizeof(a.segment.key));
    assert_int_not_equal(a.segment.hash, b.segment.hash);
    sf_decoder_free(decoder);
}

/* lengths, addresses, checksums */

static void lengths_are_those_on_the_wire(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    struct sf_decoded out;
    struct frame frame = frame_of((const char *const[LAYERS_MAX]){ETH4, T4});
    struct sf_packet packet = packet_of(frame.data, frame.len - 3, frame.len, 1);
    assert_int_equal(sf_decode(decoder, &packet, &out), SF_VERDICT_OK);
    assert_int_equal(out.segment.payload_len, 4);
    assert_int_equal(out.segment.payload_cap, 1);

    put16(frame.data + 16, 1500); /* longer than its frame: IP is believed */
    assert_int_equal(decode_frame(decoder, &frame, 1, &out), SF_VERDICT_OK);
    assert_int_equal(out.segment.payload_len, 1500 - 52);
    assert_int_equal(out.segment.payload_cap, 4);
    assert_int_equal(out.segment.ip_bytes, 1500);

    put16(frame.data + 16, 0);
    packet = packet_of(frame.data, frame.len, 70014, 1);
    assert_int_equal(sf_decode(decoder, &packet, &out), SF_VERDICT_OK);
    assert_true(out.segment.length_guessed);
    assert_int_equal(out.segment.payload_len, 70000 - 52);
    assert_int_equal(out.segment.payload_cap, 4);
    sf_decoder_free(decoder);
}

static void ipv6_lengths(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    struct sf_decoded out;
    struct frame frame = frame_of((const char *const[LAYERS_MAX]){T6});
    put16(frame.data + 4, 0);
    assert_int_equal(decode_frame(decoder, &frame, RAW, &out), SF_VERDICT_OK);
    assert_true(out.segment.length_guessed);
    assert_int_equal(out.segment.payload_len, 4);

    /* RFC 2675 §2: a jumbogram of 70000 octets, cut by the snapshot length. */
    struct frame jumbo = frame_of(
        (const char *const[LAYERS_MAX]){"ip6 0", "0600 c204 00011170", TCP_OCTETS("0000")});
    put16(jumbo.data + 4, 0);
    struct sf_packet packet = packet_of(jumbo.data, jumbo.len, 70040, RAW);
    assert_int_equal(sf_decode(decoder, &packet, &out), SF_VERDICT_OK);
    assert_false(out.segment.length_guessed);
    assert_int_equal(out.segment.payload_len, 70000 - 8 - 32);
    assert_int_equal(out.segment.ip_bytes, 70040);
    assert_int_equal(out.segment.tcp_offset, 48);
    sf_decoder_free(decoder);
}

/* The key and the checksum take the address where the route ends. */
static void routes_lead_to_the_last_address(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        const char *layers[LAYERS_MAX];
        uint8_t last; /* octet of the destination */
    } rows[] = {
        {"type 0, one stop left",
         {"ip6 43", "0602 0001 00000000 fc000000 00000000 00000000 00000009", TCP_OCTETS("0000")},
         9},
        {"type 0, none left",
         {"ip6 43", "0602 0000 00000000 fc000000 00000000 00000000 00000009", TCP_OCTETS("0000")},
         4},
        {"segment routing",
         {"ip6 43",
          "0604 0401 01000000 fc000000 00000000 00000000 00000008 fc000000 00000000 00000000 "
          "00000009",
          TCP_OCTETS("0000")},
         8},
        {"mobile",
         {"ip6 43", "0602 0201 00000000 fc000000 00000000 00000000 00000009", TCP_OCTETS("0000")},
         9},
        {"after a destination header", {"ip6 60", "0600 0104 00000000", TCP_OCTETS("0000")}, 4},
    };
    struct sf_decoder *decoder = new_decoder();
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct frame frame = frame_of(rows[i].layers);
        struct sf_decoded out;
        if (decode_frame(decoder, &frame, RAW, &out) != SF_VERDICT_OK)
            fail_msg("%s", rows[i].why);
        assert_int_equal(out.segment.key.addr[sf_dir_other(out.segment.dir)][15], rows[i].last);
    }
    sf_decoder_free(decoder);
}

/* RFC 6275 §6.3: the home address stands for the source. */
static void a_mobile_host_is_known_by_its_home_address(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    struct frame frame = frame_of((const char *const[LAYERS_MAX]){
        "ip6 60", "0602 0102 0000 c910 fc000000 00000000 00000000 00000007", TCP_OCTETS("0000")});
    struct sf_decoded out;
    assert_int_equal(decode_frame(decoder, &frame, RAW, &out), SF_VERDICT_OK);
    assert_int_equal(out.segment.key.addr[out.segment.dir][15], 7);
    assert_int_equal(out.segment.tcp_offset, 64);
    sf_decoder_free(decoder);
}

static void a_source_route_leads_to_the_last_address(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    struct frame frame = frame_of((const char *const[LAYERS_MAX]){
        "48000044 00010000 40060000 c0000201 0a000002 01 83 0b 04 01010101 c6336402",
        TCP_OCTETS("0000")});
    struct sf_decoded out;
    assert_int_equal(decode_frame(decoder, &frame, RAW, &out), SF_VERDICT_OK);
    assert_memory_equal(out.segment.key.addr[1], "\xc6\x33\x64\x02", 4);
    assert_int_equal(out.segment.tcp_offset, 32);
    frame.data[23] = 12; /* the pointer beyond the list: the route is travelled */
    assert_int_equal(decode_frame(decoder, &frame, RAW, &out), SF_VERDICT_OK);
    assert_memory_equal(out.segment.key.addr[0], "\x0a\x00\x00\x02", 4);
    sf_decoder_free(decoder);
}

static void checksums_are_verified_when_asked(void **state)
{
    (void)state;
    struct sf_decoder *asked =
        sf_decoder_new(&(struct sf_decode_options){.verify_checksums = true});
    struct sf_decoder *plain = new_decoder();
    for (int version = 4; version <= 6; version += 2) {
        struct frame frame = frame_of((const char *const[LAYERS_MAX]){version == 4 ? T4 : T6});
        struct sf_decoded out;
        bool known;
        assert_int_equal(decode_frame(asked, &frame, RAW, &out), SF_VERDICT_OK);
        frame.data[frame.len - 1] ^= 1;
        assert_int_equal(decode_frame(asked, &frame, RAW, &out), SF_VERDICT_BAD_CHECKSUM);
        assert_int_equal(decode_frame(plain, &frame, RAW, &out), SF_VERDICT_OK);
        assert_false(sf_segment_checksum_ok(&out.segment, &known));
        assert_true(known);
        /* not wholly captured: nothing can be said */
        struct sf_packet packet = packet_of(frame.data, frame.len - 1, frame.len, RAW);
        assert_int_equal(sf_decode(asked, &packet, &out), SF_VERDICT_OK);
        frame.data[frame.len - 1] ^= 1;
        frame.data[version == 4 ? 8 : 7] ^= 1; /* TTL: in IPv4's header checksum, nowhere else */
        assert_int_equal(decode_frame(asked, &frame, RAW, &out),
                         version == 4 ? SF_VERDICT_BAD_CHECKSUM : SF_VERDICT_OK);
    }
    sf_decoder_free(asked);
    sf_decoder_free(plain);
}

/* The sum as RFC 1071 §1 words it, over one octet more each time; those behind the header are such
 * that every addition carries. */
static void checksums_of_any_length(void **state)
{
    (void)state;
    struct sf_decoder *decoder = new_decoder();
    for (size_t payload = 0; payload <= 40; payload++) {
        struct frame frame = frame_of((const char *const[LAYERS_MAX]){T4});
        frame.len -= 4;
        memset(frame.data + frame.len, 0xff, payload);
        frame.len += payload;
        put16(frame.data + 2, frame.len);
        put16(frame.data + 36, 0);
        uint32_t sum = 6 + (uint32_t)frame.len - 20;
        for (size_t i = 12; i < frame.len; i++)
            sum += i % 2 == 0 ? (uint32_t)frame.data[i] << 8 : frame.data[i];
        while (sum > 0xffff)
            sum = (sum & 0xffff) + (sum >> 16);
        put16(frame.data + 36, ~sum & 0xffff);
        struct sf_decoded out;
        bool known;
        assert_int_equal(decode_frame(decoder, &frame, RAW, &out), SF_VERDICT_OK);
        assert_true(sf_segment_checksum_ok(&out.segment, &known));
        assert_true(known);
    }
    sf_decoder_free(decoder);
}

static void everything_has_a_name(void **state)
{
    (void)state;
    assert_string_equal(sf_verdict_name(SF_VERDICT_MALFORMED_TCP), "malformed_tcp");
    assert_string_equal(sf_verdict_text(SF_VERDICT_FILTERED), "turned down by the capture filter");
    assert_null(sf_tunnel_name(SF_TUNNEL_NONE));
    assert_string_equal(sf_tunnel_name(SF_TUNNEL_GTP_U), "gtp_u");
    assert_string_equal(sf_tunnel_name(SF_TUNNEL_OTHER), "other");
    sf_decoder_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrapped_segments_are_found),
        cmocka_unit_test(every_prefix_is_safe),
        cmocka_unit_test(every_octet_may_be_wrong),
        cmocka_unit_test(in_one_go_or_by_steps),
        cmocka_unit_test(each_is_of_one_share),
        cmocka_unit_test(what_is_no_segment_has_its_reason),
        cmocka_unit_test(nesting_is_bounded),
        cmocka_unit_test(option_lists_are_read),
        cmocka_unit_test(option_values_are_read),
        cmocka_unit_test(options_may_be_cut),
        cmocka_unit_test(fragments_come_in_any_order),
        cmocka_unit_test(fragments_may_overlap),
        cmocka_unit_test(an_atomic_fragment_is_whole),
        cmocka_unit_test(fragments_wait_30_seconds),
        cmocka_unit_test(fragments_may_be_cut),
        cmocka_unit_test(large_fragments_overlap_anyhow),
        cmocka_unit_test(a_flood_of_fragments_is_bounded),
        cmocka_unit_test(a_tunnel_may_be_fragmented),
        cmocka_unit_test(icmp_errors_quote_a_segment),
        cmocka_unit_test(every_cut_of_a_quote_is_safe),
        cmocka_unit_test(both_directions_have_one_key),
        cmocka_unit_test(the_port_decides_between_equal_addresses),
        cmocka_unit_test(vlans_are_in_the_key_when_asked),
        cmocka_unit_test(the_hash_depends_on_the_seed_only),
        cmocka_unit_test(deep_tunnels_are_told_apart),
        cmocka_unit_test(lengths_are_those_on_the_wire),
        cmocka_unit_test(ipv6_lengths),
        cmocka_unit_test(routes_lead_to_the_last_address),
        cmocka_unit_test(a_mobile_host_is_known_by_its_home_address),
        cmocka_unit_test(a_source_route_leads_to_the_last_address),
        cmocka_unit_test(checksums_are_verified_when_asked),
        cmocka_unit_test(checksums_of_any_length),
        cmocka_unit_test(everything_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
