/* Lays packets out: Ethernet or cooked, one VLAN tag, IPv4 or IPv6, TCP or ICMP. */
#include "wire.h"

#include <string.h>

enum { ETHERNET_HEADER = 14 };

/* The ends' addresses end in these octets, the router's in the last. */
enum { LOW_CLIENT = 1, SERVER = 2, HIGH_CLIENT = 9, ROUTER = 254 };

static uint8_t host_of(const struct script *script, enum script_who who)
{
    if (who == SCRIPT_SERVER)
        return SERVER;
    return script->transform.swap ? HIGH_CLIENT : LOW_CLIENT;
}

/* 10.0.0.host or 2001:db8::host; returns the address's length. */
static unsigned write_address(uint8_t *out, bool ipv6, uint8_t host)
{
    static const uint8_t prefix4[3] = {10, 0, 0}, prefix6[4] = {0x20, 0x01, 0x0d, 0xb8};
    unsigned length = ipv6 ? 16 : 4;
    memset(out, 0, length);
    memcpy(out, ipv6 ? prefix6 : prefix4, ipv6 ? sizeof prefix6 : sizeof prefix4);
    out[length - 1] = host;
    return length;
}

static uint8_t *put16(uint8_t *at, unsigned value)
{
    *at++ = (uint8_t)(value >> 8);
    *at++ = (uint8_t)value;
    return at;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    return put16(put16(at, value >> 16), value & 0xffff);
}

static uint32_t add_up(uint32_t sum, const uint8_t *octets, size_t length)
{
    for (size_t i = 0; i + 1 < length; i += 2)
        sum += (uint32_t)octets[i] << 8 | octets[i + 1];
    return length % 2 ? sum + ((uint32_t)octets[length - 1] << 8) : sum;
}

static uint16_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static uint8_t *put_link(uint8_t *at, const struct script *script,
                         const struct script_packet *packet, enum wire_link link)
{
    const unsigned ethertype = script->transform.ipv6 ? 0x86dd : 0x0800;
    const unsigned vlan = packet->vlan != 0 ? packet->vlan : script->transform.vlan;
    if (link == WIRE_SLL2) {
        static const uint8_t rest[16] = {0, 0, 0, 2, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1};
        at = put16(at, ethertype);
        at = put16(at, 0);
        memcpy(at, rest, sizeof rest);
        return at + sizeof rest;
    }
    const uint8_t from = packet->who == SCRIPT_CLIENT ? 1 : 2;
    const uint8_t macs[12] = {2, 0, 0, 0, 0, (uint8_t)(3 - from), 2, 0, 0, 0, 0, from};
    memcpy(at, macs, sizeof macs);
    at += sizeof macs;
    if (vlan != 0)
        at = put16(put16(at, 0x8100), vlan);
    return put16(at, ethertype);
}

static uint8_t *put_ip(uint8_t *at, const struct script_packet *packet, bool ipv6, uint8_t protocol,
                       uint8_t from, uint8_t to, uint32_t payload)
{
    uint8_t *begin = at;
    if (ipv6) {
        at = put32(at, 0x60000000u | (uint32_t)packet->ecn << 20);
        at = put16(at, payload);
        *at++ = protocol;
        *at++ = packet->ttl;
        at += write_address(at, true, from);
        return at + write_address(at, true, to);
    }
    at = put16(at, 0x4500u | packet->ecn);
    at = put16(at, 20 + payload);
    at = put16(at, packet->ip_id);
    at = put16(at, 0x4000); /* don't fragment */
    *at++ = packet->ttl;
    *at++ = protocol;
    at = put16(at, 0);
    at += write_address(at, false, from);
    at += write_address(at, false, to);
    put16(begin + 10, fold(add_up(0, begin, 20)));
    return at;
}

/* Of the pseudo header; the addresses stand before the upper header in both versions. */
static uint32_t pseudo_sum(const uint8_t *upper, bool ipv6, uint8_t protocol, uint32_t length)
{
    const unsigned addresses = ipv6 ? 32 : 8;
    return add_up(protocol + length, upper - addresses, addresses);
}

/* Octets depend on their sequence numbers only: what is sent again is the same. */
static uint8_t content_at(uint32_t seq)
{
    return (uint8_t)('a' + (seq * 2654435761u >> 24) % 26);
}

static uint32_t tcp_header_length(const struct script_packet *packet)
{
    return 20u + packet->option_len;
}

static uint8_t *put_tcp_header(uint8_t *at, const struct script_packet *packet)
{
    at = put16(at, packet->port[packet->who]);
    at = put16(at, packet->port[!packet->who]);
    at = put32(at, packet->seq);
    at = put32(at, packet->ack);
    at = put16(at, (tcp_header_length(packet) / 4) << 12 | packet->flags);
    at = put16(at, packet->window);
    at = put16(at, 0);
    at = put16(at, packet->urgent);
    memcpy(at, packet->option, packet->option_len);
    return at + packet->option_len;
}

static uint8_t *put_tcp(uint8_t *at, const struct script *script,
                        const struct script_packet *packet)
{
    const uint32_t length = tcp_header_length(packet) + packet->payload_len;
    const bool ipv6 = script->transform.ipv6;
    uint8_t *begin = put_ip(at, packet, ipv6, 6, host_of(script, packet->who),
                            host_of(script, (enum script_who) !packet->who), length);
    at = put_tcp_header(begin, packet);
    for (uint32_t i = 0; i < packet->payload_len; i++)
        *at++ = content_at(packet->seq + i);
    uint16_t checksum = fold(add_up(pseudo_sum(begin, ipv6, 6, length), begin, length));
    put16(begin + 16, packet->has_bad_checksum ? checksum ^ 0x5555u : checksum);
    return at;
}

/* ICMPv6's numbers for the ICMPv4 errors that scripts use: RFC 4443 §3, RFC 792. */
static void icmp_numbers(const struct script *script, const struct script_packet *packet,
                         uint8_t *type, uint8_t *code)
{
    static const struct {
        uint8_t from[2], to[2];
    } translated[] = {
        {{3, 0}, {1, 0}},  {{3, 1}, {1, 3}},  {{3, 3}, {1, 4}},
        {{3, 13}, {1, 1}}, {{11, 0}, {3, 0}}, {{3, 4}, {2, 0}},
    };
    *type = packet->icmp_type;
    *code = packet->icmp_code;
    for (size_t i = 0; script->transform.ipv6 && i < sizeof translated / sizeof *translated; i++)
        if (translated[i].from[0] == packet->icmp_type &&
            translated[i].from[1] == packet->icmp_code) {
            *type = translated[i].to[0];
            *code = translated[i].to[1];
            return;
        }
}

/* Quotes the IP header and eight octets, as RFC 792 asks for at least. */
static uint8_t *put_icmp(uint8_t *at, const struct script *script,
                         const struct script_packet *packet)
{
    const struct script_packet *quoted = &script->packets[packet->quoted];
    const bool ipv6 = script->transform.ipv6;
    const uint32_t length = 8 + (ipv6 ? 40u : 20u) + 8;
    uint8_t *begin =
        put_ip(at, packet, ipv6, ipv6 ? 58 : 1, ROUTER, host_of(script, packet->who), length);
    uint8_t type, code;
    icmp_numbers(script, packet, &type, &code);
    memset(begin, 0, 8);
    begin[0] = type;
    begin[1] = code;
    uint8_t header[60];
    put_tcp_header(header, quoted);
    at = put_ip(begin + 8, quoted, ipv6, 6, host_of(script, quoted->who),
                host_of(script, (enum script_who) !quoted->who),
                tcp_header_length(quoted) + quoted->payload_len);
    memcpy(at, header, 8);
    at += 8;
    put16(begin + 2, fold(add_up(ipv6 ? pseudo_sum(begin, true, 58, length) : 0, begin, length)));
    return at;
}

void wire_build(struct wire_frame *out, const struct script *script,
                const struct script_packet *packet, enum wire_link link)
{
    uint8_t *ip = put_link(out->octets, script, packet, link);
    uint8_t *end = packet->is_icmp ? put_icmp(ip, script, packet) : put_tcp(ip, script, packet);
    uint32_t snaplen = packet->snaplen != 0 ? packet->snaplen : script->transform.snaplen;
    out->length = (uint32_t)(end - out->octets);
    out->ip = (uint32_t)(ip - out->octets);
    /* The same part of the IP packet, whatever stands before it. */
    if (snaplen != 0)
        snaplen += out->ip - ETHERNET_HEADER;
    out->caplen = snaplen != 0 && snaplen < out->length ? snaplen : out->length;
    out->tcp = script->transform.ipv6 ? 40 : 20;
}

/* FNV-1a: any hash of the key will do, as long as both directions agree. */
static uint64_t hash_key(const struct sf_flow_key *key)
{
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; i < sizeof *key; i++)
        hash = (hash ^ ((const uint8_t *)key)[i]) * 1099511628211u;
    return hash;
}

static enum sf_dir set_key(struct sf_flow_key *key, const struct script *script,
                           const struct script_packet *packet)
{
    uint8_t end[SCRIPT_WHO_COUNT][18] = {{0}};
    *key = (struct sf_flow_key){.scope = {.ip_version = script->transform.ipv6 ? 6 : 4}};
    for (int who = 0; who < SCRIPT_WHO_COUNT; who++) {
        write_address(end[who], script->transform.ipv6, host_of(script, (enum script_who)who));
        put16(end[who] + 16, packet->port[who]);
    }
    int first = memcmp(end[SCRIPT_CLIENT], end[SCRIPT_SERVER], sizeof end[0]) > 0;
    for (int i = 0; i < SF_DIR_COUNT; i++) {
        int who = i == 0 ? first : !first;
        memcpy(key->addr[i], end[who], 16);
        key->port[i] = packet->port[who];
    }
    return (int)packet->who == first ? SF_FROM_0 : SF_FROM_1;
}

void wire_segment(struct sf_segment *out, const struct wire_frame *frame,
                  const struct script *script, const struct script_packet *packet, uint64_t number)
{
    const unsigned vlan = packet->vlan != 0 ? packet->vlan : script->transform.vlan;
    const uint32_t header = frame->tcp + tcp_header_length(packet);
    const uint32_t captured = frame->caplen - frame->ip;
    *out = (struct sf_segment){
        .packet = number,
        .ts_ns = packet->t_ns,
        .seq = sf_seq_of(packet->seq),
        .ack = sf_seq_of(packet->ack),
        .flags = packet->flags,
        .window = packet->window,
        .urgent = packet->urgent,
        .checksum = (uint16_t)(frame->octets[frame->ip + frame->tcp + 16] << 8 |
                               frame->octets[frame->ip + frame->tcp + 17]),
        .payload_len = packet->payload_len,
        .payload_cap = captured > header ? captured - header : 0,
        .ip_bytes = header + packet->payload_len,
        .ip_id = script->transform.ipv6 ? 0 : packet->ip_id,
        .ttl = packet->ttl,
        .ip_ecn = packet->ecn,
        .tcp_header_len = (uint8_t)tcp_header_length(packet),
        .vlan_count = vlan != 0,
        .vlan = {(uint16_t)vlan},
        .options = packet->options,
        .ip = frame->octets + frame->ip,
        .ip_cap = captured,
        .tcp_offset = frame->tcp,
    };
    out->dir = set_key(&out->key, script, packet);
    out->hash = hash_key(&out->key);
}

void wire_quote(struct sf_icmp_quote *out, const struct script *script,
                const struct script_packet *packet, uint64_t number)
{
    const struct script_packet *quoted = &script->packets[packet->quoted];
    *out = (struct sf_icmp_quote){
        .seq = sf_seq_of(quoted->seq),
        .has_seq = true,
        .packet = number,
        .ts_ns = packet->t_ns,
        .ip_version = script->transform.ipv6 ? 6 : 4,
    };
    icmp_numbers(script, packet, &out->type, &out->code);
    out->dir = set_key(&out->key, script, quoted);
    out->hash = hash_key(&out->key);
    write_address(out->sender, script->transform.ipv6, ROUTER);
}
