/* Lays one packet out: Ethernet, IPv4 or IPv6, TCP with the options its kind usually has. */
#include "traffic.h"

#include <string.h>

enum { ETHERNET = 14, IPV4 = 20, IPV6 = 40, TCP = 20, PROTOCOL_TCP = 6 };

static uint8_t *put16(uint8_t *at, uint32_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static uint8_t *put32(uint8_t *at, uint32_t value)
{
    return put16(put16(at, value >> 16), value);
}

static uint32_t add_up(uint32_t sum, const uint8_t *octets, size_t len)
{
    for (size_t i = 0; i < len; i += 2)
        sum += (uint32_t)octets[i] << 8 | octets[i + 1];
    return sum;
}

static uint32_t fold(uint32_t sum)
{
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return ~sum & 0xffff;
}

/* Locally administered addresses made of the end. */
static uint8_t *put_ethernet(uint8_t *at, const struct conn *conn, unsigned from)
{
    at = put32(put16(at, 0x0200), !from);
    at = put32(put16(at, 0x0200), from);
    return put16(at, conn->is_ipv6 ? 0x86dd : 0x0800);
}

/* 2001:db8::host */
static uint8_t *put_address6(uint8_t *at, uint32_t host)
{
    static const uint8_t prefix[12] = {0x20, 0x01, 0x0d, 0xb8};
    memcpy(at, prefix, sizeof prefix);
    return put32(at + sizeof prefix, host);
}

static uint8_t ttl_of(unsigned from)
{
    return from == CLIENT ? 64 : 57;
}

static uint8_t *put_ipv4(uint8_t *ip, struct conn *conn, unsigned from, uint32_t tcp_len)
{
    uint8_t *at = put16(ip, 0x4500);
    at = put16(at, IPV4 + tcp_len);
    at = put16(at, conn->ip_id[from]++);
    at = put16(at, 0x4000); /* DF */
    at = put16(at, (uint32_t)ttl_of(from) << 8 | PROTOCOL_TCP);
    at = put16(at, 0);
    at = put32(at, conn->host[from]);
    at = put32(at, conn->host[!from]);
    put16(ip + 10, fold(add_up(0, ip, IPV4)));
    return at;
}

static uint8_t *put_ipv6(uint8_t *at, const struct conn *conn, unsigned from, uint32_t tcp_len)
{
    at = put32(at, 0x60000000);
    at = put16(at, tcp_len);
    at = put16(at, PROTOCOL_TCP << 8 | ttl_of(from));
    at = put_address6(at, conn->host[from]);
    return put_address6(at, conn->host[!from]);
}

uint32_t frame_clock(const struct conn *conn, unsigned end)
{
    return (uint32_t)(conn->time_us / 1000) + (uint32_t)rng_mix(conn->host[end]);
}

static uint8_t *put_timestamps(uint8_t *at, struct conn *conn, const struct step *step)
{
    uint32_t now = frame_clock(conn, step->from);
    at = put16(at, 0x080a);
    at = put32(at, now);
    at = put32(at, step->flags & ACK ? conn->ts_recent[!step->from] : 0);
    conn->ts_recent[step->from] = now;
    return at;
}

static uint8_t *put_options(uint8_t *at, struct conn *conn, const struct step *step)
{
    if (step->flags & SYN) {
        at = put32(at, 0x020405b4); /* MSS 1460 */
        if (conn->is_plain)
            return at;
        at = put16(at, 0x0402); /* SACK permitted */
        at = put_timestamps(at, conn, step);
        return put32(at, 0x01030307); /* window scale 7 */
    }
    if (conn->is_plain || step->flags & RST)
        return at;
    at = put_timestamps(put16(at, 0x0101), conn, step);
    if (step->sack_from == step->sack_to)
        return at;
    uint32_t isn = conn->isn[!step->from];
    at = put32(at, 0x0101050a);
    return put32(put32(at, isn + step->sack_from), isn + step->sack_to);
}

static uint32_t window_of(const struct step *step)
{
    if (step->flags & RST)
        return 0;
    return step->flags & SYN ? 64240 : 65535;
}

/* Returns the header's length; fills all but the checksum. */
static uint32_t put_tcp(uint8_t *tcp, struct conn *conn, const struct step *step)
{
    unsigned from = step->from;
    bool acks = step->flags & ACK;
    uint8_t *at = put16(tcp, conn->port[from]);
    at = put16(at, conn->port[!from]);
    at = put32(at, conn->isn[from] + step->seq);
    at = put32(at, acks ? conn->isn[!from] + step->ack : 0);
    at = put16(at, step->flags);
    at = put16(at, window_of(step));
    at = put32(at, 0);
    at = put_options(at, conn, step);
    uint32_t header = (uint32_t)(at - tcp);
    tcp[12] = (uint8_t)(header / 4 << 4);
    return header;
}

size_t frame_write(uint8_t *out, struct conn *conn, const struct step *step)
{
    uint8_t *ip = put_ethernet(out, conn, step->from);
    uint8_t *tcp = ip + (conn->is_ipv6 ? IPV6 : IPV4);
    uint32_t header = put_tcp(tcp, conn, step);
    uint32_t tcp_len = header + step->len;
    if (conn->is_ipv6)
        put_ipv6(ip, conn, step->from, tcp_len);
    else
        put_ipv4(ip, conn, step->from, tcp_len);
    size_t addresses = conn->is_ipv6 ? 32 : 8;
    uint32_t sum = add_up(PROTOCOL_TCP + tcp_len, tcp - addresses, addresses + header);
    put16(tcp + 16, fold(sum));
    return (size_t)(tcp - out) + header;
}
