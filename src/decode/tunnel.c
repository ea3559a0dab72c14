/* Tunnels: IP in IP, EtherIP, GRE and, over UDP, VXLAN, GENEVE, GTP-U and older kinds. */
#include "decode_internal.h"

static const char *const tunnel_names[] = {
    [SF_TUNNEL_IPIP] = "ipip",     [SF_TUNNEL_GRE] = "gre",     [SF_TUNNEL_VXLAN] = "vxlan",
    [SF_TUNNEL_GENEVE] = "geneve", [SF_TUNNEL_GTP_U] = "gtp_u", [SF_TUNNEL_OTHER] = "other",
};

const char *sf_tunnel_name(enum sf_tunnel_kind kind)
{
    return tunnel_names[kind];
}

/* Within IP, what is no tunnel after all is "not TCP". */
static enum sf_verdict need(const struct sf_walk *walk, uint32_t n)
{
    return sf_cut_need(&walk->rest, n, SF_VERDICT_NOT_TCP);
}

enum sf_verdict sf_decode_ipip(struct sf_walk *walk)
{
    if (!sf_walk_enter(walk, SF_TUNNEL_IPIP, 0, 0))
        return SF_VERDICT_NOT_TCP;
    return sf_decode_ip(walk);
}

/* RFC 3378 §3: version 3 in the first nibble. */
enum sf_verdict sf_decode_etherip(struct sf_walk *walk)
{
    enum sf_verdict verdict = need(walk, 2);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    if (walk->rest.at[0] >> 4 != 3 || !sf_walk_enter(walk, SF_TUNNEL_OTHER, 0, 0))
        return SF_VERDICT_NOT_TCP;
    sf_cut_skip(&walk->rest, 2);
    return sf_decode_ethernet(walk);
}

/* First octet of the GRE flags (RFC 2784, 2890); acknowledgement and version are in the second. */
enum {
    GRE_CHECKSUM = 0x80,
    GRE_ROUTING = 0x40,
    GRE_KEY = 0x20,
    GRE_SEQUENCE = 0x10,
    GRE_ACK = 0x80,
    GRE_VERSION = 0x07,
};

/* What a GRE header says, beside the octets passed. */
struct gre {
    uint16_t type;
    bool has_sequence;
    uint32_t key;
};

/* The mirrored frame names its session: the mirror's, not a network's, so not part of the key. */
static enum sf_verdict decode_erspan(struct sf_walk *walk, uint32_t header)
{
    enum sf_verdict verdict = need(walk, header);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint32_t session = header > 0 ? sf_be16(walk->rest.at + 2) & 0x03ffu : 0;
    if (!sf_walk_enter(walk, SF_TUNNEL_OTHER, session, 0))
        return SF_VERDICT_NOT_TCP;
    sf_cut_skip(&walk->rest, header);
    return sf_decode_ethernet(walk);
}

/* draft-foschiano-erspan-03 §4.3: 12 octets and an optional subheader of 8. */
static enum sf_verdict decode_erspan_3(struct sf_walk *walk)
{
    enum { HEADER = 12, SUBHEADER = 8, HAS_SUBHEADER = 1 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    bool has_subheader = (walk->rest.at[HEADER - 1] & HAS_SUBHEADER) != 0;
    return decode_erspan(walk, HEADER + (has_subheader ? SUBHEADER : 0));
}

/* The key as far as it names a network. NVGRE's last octet is entropy of the flow and may differ
 * between the directions (RFC 7637 §3.2); its network ids begin at 0x1000. */
static uint32_t gre_key_id(const struct gre *gre)
{
    enum { NVGRE_MIN = 0x1000 };
    bool is_nvgre = gre->type == SF_ETHERTYPE_BRIDGED && gre->key >> 8 >= NVGRE_MIN;
    return is_nvgre ? gre->key >> 8 : gre->key;
}

/* Web cache redirection: four octets more before the IP packet in its second version. */
static enum sf_verdict decode_wccp(struct sf_walk *walk)
{
    enum sf_verdict verdict = need(walk, 4);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    if (walk->rest.at[0] >> 4 != 4)
        sf_cut_skip(&walk->rest, 4);
    return sf_decode_ip(walk);
}

/* Types by which Aruba's access points tunnel IEEE 802.11 frames. */
static bool is_aruba(uint16_t type)
{
    return (type >= 0x8200 && type <= 0x83f0 && (type & 0x0f) == 0) || type == 0x9000;
}

static enum sf_verdict decode_gre_payload(struct sf_walk *walk, const struct gre *gre)
{
    enum { WCCP = 0x883e, ERSPAN = 0x88be, ERSPAN_3 = 0x22eb, ERSPAN_2_HEADER = 8 };
    /* The first ERSPAN has no header, the second numbers its packets. */
    if (gre->type == ERSPAN)
        return decode_erspan(walk, gre->has_sequence ? ERSPAN_2_HEADER : 0);
    if (gre->type == ERSPAN_3)
        return decode_erspan_3(walk);
    if (!sf_walk_enter(walk, SF_TUNNEL_GRE, gre->key, gre_key_id(gre)))
        return SF_VERDICT_NOT_TCP;
    if (gre->type == WCCP)
        return decode_wccp(walk);
    if (is_aruba(gre->type))
        return sf_decode_wifi(walk);
    if (gre->type < SF_ETHERTYPE_MIN)
        return SF_VERDICT_NOT_TCP;
    return sf_decode_ethertype(walk, gre->type);
}

/* RFC 2637 §4.1: the key holds payload length and call, which each direction numbers its own
 * way; without a sequence number there is no payload. */
static enum sf_verdict decode_gre_pptp(struct sf_walk *walk, const uint8_t *flags)
{
    uint32_t header = 8;
    header += (flags[0] & GRE_SEQUENCE) != 0 ? 4 : 0;
    header += (flags[1] & GRE_ACK) != 0 ? 4 : 0;
    enum sf_verdict verdict = need(walk, header);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    bool has_payload = (flags[0] & GRE_SEQUENCE) != 0 && sf_be16(flags + 2) == SF_ETHERTYPE_PPP;
    uint32_t call = sf_be16(flags + 6);
    if (!has_payload || !sf_walk_enter(walk, SF_TUNNEL_GRE, call, 0))
        return SF_VERDICT_NOT_TCP;
    sf_cut_skip(&walk->rest, header);
    sf_cut_trim(&walk->rest, sf_be16(flags + 4));
    return sf_decode_ppp(walk);
}

/* MikroTik's Ethernet over IP: flags, type, length, tunnel id in little-endian order. */
static enum sf_verdict decode_gre_eoip(struct sf_walk *walk)
{
    enum { HEADER = 8 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint16_t len = sf_be16(walk->rest.at + 4);
    uint32_t id = sf_le16(walk->rest.at + 6);
    if (!sf_walk_enter(walk, SF_TUNNEL_GRE, id, id))
        return SF_VERDICT_NOT_TCP;
    sf_cut_skip(&walk->rest, HEADER);
    sf_cut_trim(&walk->rest, len);
    return sf_decode_ethernet(walk);
}

/* RFC 2784 §2, RFC 2890 §2. Source routes (RFC 1701) are nowhere used and not read. */
static enum sf_verdict decode_gre(struct sf_walk *walk)
{
    enum { HEADER_MIN = 4, EOIP = 0x20016400 };
    enum sf_verdict verdict = need(walk, HEADER_MIN);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    const uint8_t *flags = walk->rest.at;
    if (sf_be32(flags) == EOIP)
        return decode_gre_eoip(walk);
    if ((flags[1] & GRE_VERSION) == 1)
        return decode_gre_pptp(walk, flags);
    if ((flags[1] & GRE_VERSION) != 0 || (flags[0] & GRE_ROUTING) != 0)
        return SF_VERDICT_NOT_TCP;

    bool has_key = (flags[0] & GRE_KEY) != 0;
    struct gre gre = {sf_be16(flags + 2), (flags[0] & GRE_SEQUENCE) != 0, 0};
    uint32_t key_at = HEADER_MIN + ((flags[0] & GRE_CHECKSUM) != 0 ? 4 : 0);
    uint32_t header = key_at + (has_key ? 4 : 0) + (gre.has_sequence ? 4 : 0);
    verdict = need(walk, header);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    if (has_key)
        gre.key = sf_be32(flags + key_at);
    sf_cut_skip(&walk->rest, header);
    return decode_gre_payload(walk, &gre);
}

/* The packet is IP; what it carries may have none. */
enum sf_verdict sf_decode_gre(struct sf_walk *walk)
{
    enum sf_verdict verdict = decode_gre(walk);
    return verdict == SF_VERDICT_NOT_IP ? SF_VERDICT_NOT_TCP : verdict;
}

/* RFC 7348 §5: bit 0x08 says that the network id is valid. */
static enum sf_verdict decode_vxlan(struct sf_walk *walk)
{
    enum { HEADER = 8, HAS_ID = 0x08 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint32_t id = sf_be32(walk->rest.at + 4) >> 8;
    bool has_id = (walk->rest.at[0] & HAS_ID) != 0;
    if (!has_id || !sf_walk_enter(walk, SF_TUNNEL_VXLAN, id, id))
        return SF_VERDICT_NOT_TCP;
    sf_cut_skip(&walk->rest, HEADER);
    return sf_decode_ethernet(walk);
}

/* draft-ietf-nvo3-vxlan-gpe-13 §3: as VXLAN, with the next protocol. */
static enum sf_verdict decode_vxlan_gpe(struct sf_walk *walk)
{
    enum { HEADER = 8, HAS_ID = 0x08, IPV4 = 1, IPV6 = 2, ETHERNET = 3 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint32_t id = sf_be32(walk->rest.at + 4) >> 8;
    uint8_t next = walk->rest.at[3];
    bool has_id = (walk->rest.at[0] & HAS_ID) != 0;
    if (!has_id || !sf_walk_enter(walk, SF_TUNNEL_VXLAN, id, id))
        return SF_VERDICT_NOT_TCP;
    sf_cut_skip(&walk->rest, HEADER);
    if (next == IPV4 || next == IPV6)
        return sf_decode_ip(walk);
    return next == ETHERNET ? sf_decode_ethernet(walk) : SF_VERDICT_NOT_TCP;
}

/* RFC 8926 §3.4: option length in words of four octets, the type of what follows, network id. */
static enum sf_verdict decode_geneve(struct sf_walk *walk)
{
    enum { HEADER = 8 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    const uint8_t *at = walk->rest.at;
    uint32_t header = HEADER + (at[0] & 0x3fu) * 4;
    verdict = need(walk, header);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint16_t type = sf_be16(at + 2);
    uint32_t id = sf_be32(at + 4) >> 8;
    bool is_geneve = at[0] >> 6 == 0 && type >= SF_ETHERTYPE_MIN;
    if (!is_geneve || !sf_walk_enter(walk, SF_TUNNEL_GENEVE, id, id))
        return SF_VERDICT_NOT_TCP;
    sf_cut_skip(&walk->rest, header);
    return sf_decode_ethertype(walk, type);
}

/* Passes GTP-U's extension headers, each counted in words of four octets with the type of the
 * next in its last octet: 3GPP TS 29.281 §5.2.1. */
static enum sf_verdict pass_gtp_extensions(struct sf_walk *walk, uint8_t next)
{
    while (next != 0) {
        enum sf_verdict verdict = need(walk, 4);
        if (verdict != SF_VERDICT_OK)
            return verdict;
        uint32_t len = walk->rest.at[0] * 4u;
        if (len == 0)
            return SF_VERDICT_NOT_TCP;
        verdict = need(walk, len);
        if (verdict != SF_VERDICT_OK)
            return verdict;
        next = walk->rest.at[len - 1];
        sf_cut_skip(&walk->rest, len);
    }
    return SF_VERDICT_OK;
}

static enum sf_verdict decode_gtp_payload(struct sf_walk *walk)
{
    enum sf_verdict verdict = need(walk, 1);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint8_t version = walk->rest.at[0] >> 4;
    return version == 4 || version == 6 ? sf_decode_ip(walk) : SF_VERDICT_NOT_TCP;
}

/* 3GPP TS 29.281 §5.1: version 1, type 255 carries a packet. */
static enum sf_verdict decode_gtp(struct sf_walk *walk)
{
    enum { HEADER = 8, OPTIONAL = 4, VERSION_1 = 0x30, G_PDU = 255 };
    enum { HAS_EXTENSION = 0x04, HAS_OPTIONAL = 0x07 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    const uint8_t *at = walk->rest.at;
    uint32_t teid = sf_be32(at + 4);
    if ((at[0] & 0xf0) != VERSION_1 || at[1] != G_PDU ||
        !sf_walk_enter(walk, SF_TUNNEL_GTP_U, teid, 0))
        return SF_VERDICT_NOT_TCP;
    sf_cut_skip(&walk->rest, HEADER);
    sf_cut_trim(&walk->rest, sf_be16(at + 2));
    if ((at[0] & HAS_OPTIONAL) == 0)
        return decode_gtp_payload(walk);

    verdict = need(walk, OPTIONAL);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    sf_cut_skip(&walk->rest, OPTIONAL);
    if ((at[0] & HAS_EXTENSION) != 0)
        verdict = pass_gtp_extensions(walk, at[HEADER + OPTIONAL - 1]);
    return verdict == SF_VERDICT_OK ? decode_gtp_payload(walk) : verdict;
}

/* RFC 4380 §5.1.1: authentication and origin may stand before the IPv6 packet. */
static enum sf_verdict decode_teredo(struct sf_walk *walk)
{
    enum { AUTHENTICATION = 1, ORIGIN = 0, FIXED = 13, ORIGIN_LEN = 8 };
    struct sf_cut *rest = &walk->rest;
    if (rest->cap >= 4 && sf_be16(rest->at) == AUTHENTICATION) {
        uint32_t len = (uint32_t)FIXED + rest->at[2] + rest->at[3];
        enum sf_verdict verdict = need(walk, len);
        if (verdict != SF_VERDICT_OK)
            return verdict;
        sf_cut_skip(rest, len);
    }
    if (rest->cap >= ORIGIN_LEN && sf_be16(rest->at) == ORIGIN)
        sf_cut_skip(rest, ORIGIN_LEN);
    enum sf_verdict verdict = need(walk, 1);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    if (rest->at[0] >> 4 != 6 || !sf_walk_enter(walk, SF_TUNNEL_OTHER, 0, 0))
        return SF_VERDICT_NOT_TCP;
    return sf_decode_ip(walk);
}

/* RFC 2661 §3.1: data messages of version 2. Each direction has its own ids. */
static enum sf_verdict decode_l2tp(struct sf_walk *walk)
{
    enum { CONTROL = 0x80, HAS_LENGTH = 0x40, HAS_SEQUENCE = 0x08, HAS_OFFSET = 0x02 };
    struct sf_cut *rest = &walk->rest;
    enum sf_verdict verdict = need(walk, 6);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint8_t flags = rest->at[0];
    if ((flags & CONTROL) != 0 || (rest->at[1] & 0x0f) != 2)
        return SF_VERDICT_NOT_TCP;
    uint32_t ids_at = (flags & HAS_LENGTH) != 0 ? 4 : 2;
    uint32_t header = ids_at + 4 + ((flags & HAS_SEQUENCE) != 0 ? 4 : 0);
    verdict = need(walk, header + 2);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint32_t session = sf_be16(rest->at + ids_at + 2);
    if ((flags & HAS_OFFSET) != 0)
        header += 2u + sf_be16(rest->at + header);
    verdict = need(walk, header);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    if (!sf_walk_enter(walk, SF_TUNNEL_OTHER, session, 0))
        return SF_VERDICT_NOT_TCP;
    sf_cut_skip(rest, header);
    return sf_decode_ppp(walk);
}

/* AYIYA (draft-massar-v6ops-ayiya-02 §3): identity of 2^n octets, signature in words of four. */
static enum sf_verdict decode_ayiya(struct sf_walk *walk)
{
    enum { FIXED = 8, FORWARD = 1 };
    enum sf_verdict verdict = need(walk, FIXED);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    const uint8_t *at = walk->rest.at;
    uint32_t header = FIXED + (1u << (at[0] >> 4)) + (at[1] >> 4) * 4u;
    bool carries_ip =
        (at[2] & 0x0f) == FORWARD && (at[3] == SF_IPPROTO_IPIP || at[3] == SF_IPPROTO_IPV6);
    verdict = need(walk, header);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    if (!carries_ip || !sf_walk_enter(walk, SF_TUNNEL_OTHER, 0, 0))
        return SF_VERDICT_NOT_TCP;
    sf_cut_skip(&walk->rest, header);
    return sf_decode_ip(walk);
}

/* RFC 5415 §4.3: header length in words of four octets, then an IEEE 802.3 or 802.11 frame. */
static enum sf_verdict decode_capwap(struct sf_walk *walk)
{
    enum { FIXED = 8, NATIVE = 0x01, FRAGMENT = 0x80 };
    enum sf_verdict verdict = need(walk, FIXED);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    const uint8_t *at = walk->rest.at;
    uint32_t header = (at[1] >> 3) * 4u;
    bool is_whole = at[0] == 0 && (at[3] & FRAGMENT) == 0 && header >= FIXED;
    verdict = need(walk, header);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    if (!is_whole || !sf_walk_enter(walk, SF_TUNNEL_OTHER, 0, 0))
        return SF_VERDICT_NOT_TCP;
    sf_cut_skip(&walk->rest, header);
    return (at[2] & NATIVE) != 0 ? sf_decode_capwap_wifi(walk) : sf_decode_ethernet(walk);
}

/* RFC 7510 §3. */
static enum sf_verdict decode_mpls(struct sf_walk *walk)
{
    return sf_walk_enter(walk, SF_TUNNEL_OTHER, 0, 0) ? sf_decode_mpls(walk) : SF_VERDICT_NOT_TCP;
}

/* either: the port may also be the sender's; else the sender's is only entropy. */
static const struct {
    uint16_t port;
    bool either;
    enum sf_verdict (*decode)(struct sf_walk *walk);
} ports[] = {
    {1701, true, decode_l2tp},   {2152, true, decode_gtp},        {3544, true, decode_teredo},
    {4789, false, decode_vxlan}, {4790, false, decode_vxlan_gpe}, {5072, true, decode_ayiya},
    {5247, true, decode_capwap}, {6081, false, decode_geneve},    {6635, false, decode_mpls},
    {8472, false, decode_vxlan}, /* Linux before the port was assigned
                                  */
};

/* A port is a guess: what does not read as the tunnel is no error. */
static enum sf_verdict as_guessed(enum sf_verdict verdict)
{
    bool is_wrong_guess = verdict == SF_VERDICT_NOT_IP || verdict == SF_VERDICT_MALFORMED_LINK ||
                          verdict == SF_VERDICT_MALFORMED_IP || verdict == SF_VERDICT_MALFORMED_TCP;
    return is_wrong_guess ? SF_VERDICT_NOT_TCP : verdict;
}

enum sf_verdict sf_decode_udp(struct sf_walk *walk)
{
    enum { HEADER = 8 };
    struct sf_cut *rest = &walk->rest;
    if (rest->cap < HEADER)
        return SF_VERDICT_NOT_TCP;
    uint16_t src = sf_be16(rest->at);
    uint16_t dst = sf_be16(rest->at + 2);
    uint16_t len = sf_be16(rest->at + 4);
    sf_cut_skip(rest, HEADER);
    if (len >= HEADER)
        sf_cut_trim(rest, len - HEADER);
    for (size_t i = 0; i < sizeof(ports) / sizeof(ports[0]); i++)
        if (ports[i].port == dst || (ports[i].either && ports[i].port == src))
            return as_guessed(ports[i].decode(walk));
    return SF_VERDICT_NOT_TCP;
}
