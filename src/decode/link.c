/* Link types that come before an IP header, by LINKTYPE_ value: www.tcpdump.org/linktypes.html */
#include "decode_internal.h"

/* Whether n octets are there; otherwise the verdict of a cut or damaged link header. */
static enum sf_verdict need(const struct sf_walk *walk, uint32_t n)
{
    return sf_cut_need(&walk->rest, n, SF_VERDICT_MALFORMED_LINK);
}

/* Passes n octets, then Ethernet's types. */
static enum sf_verdict pass_to_type(struct sf_walk *walk, uint32_t n, uint16_t type)
{
    sf_cut_skip(&walk->rest, n);
    return type < SF_ETHERTYPE_MIN ? SF_VERDICT_NOT_IP : sf_decode_ethertype(walk, type);
}

/* AF_INET, and AF_INET6 as Linux, NetBSD, FreeBSD and Darwin number it. */
static bool is_ip_family(uint32_t family)
{
    static const uint8_t families[] = {2, 10, 24, 28, 30};
    for (size_t i = 0; i < sizeof(families); i++)
        if (families[i] == family)
            return true;
    return false;
}

/* The family is in the order of the capturing host, for LINKTYPE_LOOP in network order. Some
 * writers put an Ethernet type there. */
static enum sf_verdict decode_null(struct sf_walk *walk)
{
    enum { HEADER = 4 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint32_t family = sf_be32(walk->rest.at);
    if (family > 0xffff)
        family = sf_le32(walk->rest.at);
    sf_cut_skip(&walk->rest, HEADER);
    if (is_ip_family(family))
        return sf_decode_ip(walk);
    if (family >= SF_ETHERTYPE_MIN && family <= 0xffff)
        return sf_decode_ethertype(walk, (uint16_t)family);
    return SF_VERDICT_NOT_IP;
}

/* Types of ARPHRD under which the protocol field is not Ethernet's. */
static bool is_foreign_arphrd(uint16_t arphrd)
{
    return arphrd == 824 /* netlink */ || (arphrd >= 801 && arphrd <= 803) /* IEEE 802.11 */;
}

static enum sf_verdict decode_cooked(struct sf_walk *walk, uint32_t header, uint16_t arphrd,
                                     uint16_t protocol)
{
    enum { FRAME_802_2 = 4 }; /* ETH_P_802_2 of Linux */
    if (is_foreign_arphrd(arphrd))
        return SF_VERDICT_NOT_IP;
    if (protocol != FRAME_802_2)
        return pass_to_type(walk, header, protocol);
    sf_cut_skip(&walk->rest, header);
    return sf_decode_llc(walk);
}

static enum sf_verdict decode_sll(struct sf_walk *walk)
{
    enum { HEADER = 16 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    const uint8_t *at = walk->rest.at;
    return decode_cooked(walk, HEADER, sf_be16(at + 2), sf_be16(at + 14));
}

static enum sf_verdict decode_sll2(struct sf_walk *walk)
{
    enum { HEADER = 20 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    const uint8_t *at = walk->rest.at;
    walk->ifindex = (uint16_t)sf_be32(at + 4);
    return decode_cooked(walk, HEADER, sf_be16(at + 8), sf_be16(at));
}

/* Cisco HDLC: address, control, Ethernet type. PPP in its HDLC framing begins with FF 03. */
static enum sf_verdict decode_cisco_hdlc(struct sf_walk *walk)
{
    enum { HEADER = 4 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    if (walk->rest.at[0] == 0xff)
        return sf_decode_ppp(walk);
    return pass_to_type(walk, HEADER, sf_be16(walk->rest.at + 2));
}

/* PPP, or Cisco HDLC when it begins with 0F or 8F. */
static enum sf_verdict decode_serial(struct sf_walk *walk)
{
    const struct sf_cut *rest = &walk->rest;
    bool is_cisco = rest->cap > 0 && (rest->at[0] & 0x7f) == 0x0f;
    return is_cisco ? decode_cisco_hdlc(walk) : sf_decode_ppp(walk);
}

/* PPP after one octet that tells the direction. */
static enum sf_verdict decode_ppp_direction(struct sf_walk *walk)
{
    enum sf_verdict verdict = need(walk, 1);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    /* In place of the address FF stands the direction; the control octet follows or not. */
    sf_cut_skip(&walk->rest, 1);
    if (walk->rest.cap > 0 && walk->rest.at[0] == 0x03)
        sf_cut_skip(&walk->rest, 1);
    return sf_decode_ppp(walk);
}

/* One attribute of netfilter's log: its length counts the four octets of its header. Lengths are
 * in the capturing host's order, and only one order makes sense. False at the end. */
static bool nflog_attribute(struct sf_cut *rest, uint16_t *type, uint32_t *len)
{
    if (rest->cap < 4)
        return false;
    *len = sf_le16(rest->at);
    *type = sf_le16(rest->at + 2) & 0x3fff;
    if (*len < 4 || *len > rest->wire) {
        *len = sf_be16(rest->at);
        *type = sf_be16(rest->at + 2) & 0x3fff;
    }
    return *len >= 4 && *len <= rest->wire;
}

static enum sf_verdict decode_nflog(struct sf_walk *walk)
{
    enum { HEADER = 4, ATTRIBUTE_HEADER = 4, PAYLOAD = 9 };
    struct sf_cut *rest = &walk->rest;
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    if (!is_ip_family(rest->at[0]))
        return SF_VERDICT_NOT_IP;
    sf_cut_skip(rest, HEADER);

    uint16_t type;
    uint32_t len;
    while (nflog_attribute(rest, &type, &len)) {
        if (type == PAYLOAD) {
            sf_cut_resize(rest, len);
            sf_cut_skip(rest, ATTRIBUTE_HEADER);
            return sf_decode_ip(walk);
        }
        uint32_t padded = (len + 3) & ~3u;
        if (padded > rest->cap)
            break;
        sf_cut_skip(rest, padded);
    }
    return rest->cap < rest->wire ? SF_VERDICT_TRUNCATED : SF_VERDICT_NOT_IP;
}

/* FDDI: frame control, two addresses, LLC. Only LLC frames (01xxxxxx) carry data. */
static enum sf_verdict decode_fddi(struct sf_walk *walk)
{
    enum { HEADER = 13 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    bool is_llc = (walk->rest.at[0] & 0x70) == 0x50;
    sf_cut_skip(&walk->rest, HEADER);
    return is_llc ? sf_decode_llc(walk) : SF_VERDICT_NOT_IP;
}

/* Token Ring: access and frame control, two addresses, routing information when the first bit of
 * the source is set. */
static enum sf_verdict decode_token_ring(struct sf_walk *walk)
{
    enum { HEADER = 14, SOURCE = 8 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    bool is_llc = (walk->rest.at[1] & 0xc0) == 0x40;
    bool is_routed = (walk->rest.at[SOURCE] & 0x80) != 0;
    sf_cut_skip(&walk->rest, HEADER);
    if (!is_llc)
        return SF_VERDICT_NOT_IP;
    if (is_routed) {
        verdict = need(walk, 1);
        if (verdict != SF_VERDICT_OK)
            return verdict;
        uint32_t routing = walk->rest.at[0] & 0x1f;
        verdict = need(walk, routing);
        if (verdict != SF_VERDICT_OK)
            return verdict;
        sf_cut_skip(&walk->rest, routing);
    }
    return sf_decode_llc(walk);
}

/* Frame relay: an address whose last octet has bit 0 set, then RFC 2427 §3 or a type. */
static enum sf_verdict decode_frame_relay(struct sf_walk *walk)
{
    enum { UNNUMBERED = 0x03, NLPID_SNAP = 0x80, NLPID_IPV6 = 0x8e, NLPID_IP = 0xcc };
    struct sf_cut *rest = &walk->rest;
    enum sf_verdict verdict = need(walk, 4);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    sf_cut_skip(rest, (rest->at[1] & 1) != 0 ? 2 : 4);
    verdict = need(walk, 8);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    if (rest->at[0] != UNNUMBERED)
        return pass_to_type(walk, 2, sf_be16(rest->at));
    uint32_t pad = rest->at[1] == 0 ? 1 : 0;
    uint8_t nlpid = rest->at[1 + pad];
    if (nlpid == NLPID_IP || nlpid == NLPID_IPV6) {
        sf_cut_skip(rest, 2 + pad);
        return sf_decode_ip(walk);
    }
    bool is_type = nlpid == NLPID_SNAP && pad == 1 && (sf_be32(rest->at + 2) & 0xffffff) == 0;
    return is_type ? pass_to_type(walk, 8, sf_be16(rest->at + 6)) : SF_VERDICT_NOT_IP;
}

/* OpenBSD's log of its packet filter: its own length, the family, then much else; padded. */
static enum sf_verdict decode_pflog(struct sf_walk *walk)
{
    enum { HEADER_MIN = 45 };
    enum sf_verdict verdict = need(walk, 4);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint32_t len = (walk->rest.at[0] + 3u) & ~3u;
    uint8_t family = walk->rest.at[1];
    if (len < HEADER_MIN)
        return SF_VERDICT_MALFORMED_LINK;
    verdict = need(walk, len);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    sf_cut_skip(&walk->rest, len);
    return is_ip_family(family) ? sf_decode_ip(walk) : SF_VERDICT_NOT_IP;
}

/* OpenBSD's IPsec interface: family in host order, index, flags. */
static enum sf_verdict decode_enc(struct sf_walk *walk)
{
    enum { HEADER = 12 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint32_t family = sf_be32(walk->rest.at);
    if (family > 0xffff)
        family = sf_le32(walk->rest.at);
    sf_cut_skip(&walk->rest, HEADER);
    return is_ip_family(family) ? sf_decode_ip(walk) : SF_VERDICT_NOT_IP;
}

/* IP over InfiniBand: a 40-octet route header, or only its place, then RFC 4391 §6. */
static enum sf_verdict decode_infiniband(struct sf_walk *walk)
{
    enum { HEADER = 44 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    return pass_to_type(walk, HEADER, sf_be16(walk->rest.at + 40));
}

/* IP over IEEE 1394, as Darwin captures it: two 8-octet addresses and a type. */
static enum sf_verdict decode_firewire(struct sf_walk *walk)
{
    enum { HEADER = 18 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    return pass_to_type(walk, HEADER, sf_be16(walk->rest.at + 16));
}

/* Per-Packet Information: version, flags, length and link type, in little-endian order. */
static enum sf_verdict decode_ppi(struct sf_walk *walk)
{
    enum { HEADER = 8 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint32_t len = sf_le16(walk->rest.at + 2);
    uint32_t linktype = sf_le32(walk->rest.at + 4);
    if (len < HEADER)
        return SF_VERDICT_MALFORMED_LINK;
    verdict = need(walk, len);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    sf_cut_skip(&walk->rest, len);
    return sf_decode_link(walk, linktype);
}

static enum sf_verdict decode_erf_record(struct sf_walk *walk, uint8_t type)
{
    enum { HDLC = 1, IPV4 = 22, IPV6 = 23, ETHERNET_PAD = 2 };
    /* Ethernet in its colours: plain, coloured, DSM, hash. */
    static const uint8_t ethernet[] = {2, 11, 16, 20};
    if (type == HDLC)
        return decode_serial(walk);
    if (type == IPV4 || type == IPV6)
        return sf_decode_ip(walk);
    for (size_t i = 0; i < sizeof(ethernet); i++) {
        if (ethernet[i] != type)
            continue;
        enum sf_verdict verdict = need(walk, ETHERNET_PAD);
        if (verdict != SF_VERDICT_OK)
            return verdict;
        sf_cut_skip(&walk->rest, ETHERNET_PAD);
        return sf_decode_ethernet(walk);
    }
    return SF_VERDICT_UNSUPPORTED_LINK;
}

/* Endace's record: time, type, flags, lengths; extension headers while bit 7 is set. */
static enum sf_verdict decode_erf(struct sf_walk *walk)
{
    enum { HEADER = 16, TYPE = 8, EXTENSION = 8, MORE = 0x80 };
    enum sf_verdict verdict = need(walk, HEADER);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint8_t type = walk->rest.at[TYPE];
    bool more = (type & MORE) != 0;
    sf_cut_skip(&walk->rest, HEADER);
    while (more) {
        verdict = need(walk, EXTENSION);
        if (verdict != SF_VERDICT_OK)
            return verdict;
        more = (walk->rest.at[0] & MORE) != 0;
        sf_cut_skip(&walk->rest, EXTENSION);
    }
    return decode_erf_record(walk, type & 0x7f);
}

static const struct {
    uint16_t linktype;
    enum sf_verdict (*decode)(struct sf_walk *walk);
} links[] = {
    {0, decode_null},
    {1, sf_decode_ethernet},
    {6, decode_token_ring},
    {9, decode_serial},
    {10, decode_fddi},
    {12, sf_decode_ip}, /* DLT_RAW of most systems, 14 of OpenBSD, written by mistake */
    {14, sf_decode_ip},
    {50, decode_serial},
    {51, sf_decode_pppoe},
    {100, sf_decode_llc}, /* ATM, RFC 2684 §5 */
    {101, sf_decode_ip},
    {104, decode_cisco_hdlc},
    {105, sf_decode_wifi},
    {107, decode_frame_relay},
    {108, decode_null},
    {109, decode_enc},
    {113, decode_sll},
    {117, decode_pflog},
    {119, sf_decode_prism},
    {127, sf_decode_radiotap},
    {138, decode_firewire},
    {163, sf_decode_avs},
    {166, decode_ppp_direction},
    {192, decode_ppi},
    {197, decode_erf},
    {204, decode_ppp_direction},
    {228, sf_decode_ip},
    {229, sf_decode_ip},
    {239, decode_nflog},
    {242, decode_infiniband},
    {276, decode_sll2},
};

enum sf_verdict sf_decode_link(struct sf_walk *walk, uint32_t linktype)
{
    enum { ETHERNET = 1 };
    if (linktype == ETHERNET)
        return sf_decode_ethernet(walk);
    if (!sf_walk_descend(walk))
        return SF_VERDICT_MALFORMED_LINK;
    for (size_t i = 0; i < sizeof(links) / sizeof(links[0]); i++)
        if (links[i].linktype == linktype)
            return links[i].decode(walk);
    return SF_VERDICT_UNSUPPORTED_LINK;
}
