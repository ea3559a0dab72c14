/* Ethernet and what is dispatched like it: types, LLC/SNAP, VLAN tags, MPLS, PPPoE, PPP. */
#include "decode_internal.h"

enum { ETHERNET_HEADER = 14 };

enum sf_verdict sf_decode_ethernet(struct sf_walk *walk)
{
    enum sf_verdict verdict = sf_cut_need(&walk->rest, ETHERNET_HEADER, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint16_t type = sf_be16(walk->rest.at + 12);
    sf_cut_skip(&walk->rest, ETHERNET_HEADER);
    if (type == SF_ETHERTYPE_IPV4 || type == SF_ETHERTYPE_IPV6)
        return sf_decode_ip(walk);
    return sf_decode_ethertype(walk, type);
}

/* Passes `skip` octets whose last two are the next type. */
static enum sf_verdict decode_tag(struct sf_walk *walk, uint32_t skip)
{
    enum sf_verdict verdict = sf_cut_need(&walk->rest, skip, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint16_t type = sf_be16(walk->rest.at + skip - 2);
    sf_cut_skip(&walk->rest, skip);
    return sf_decode_ethertype(walk, type);
}

/* Passes `skip` octets that stand before a whole Ethernet frame. */
static enum sf_verdict decode_wrapped(struct sf_walk *walk, uint32_t skip)
{
    enum sf_verdict verdict = sf_cut_need(&walk->rest, skip, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    sf_cut_skip(&walk->rest, skip);
    return sf_decode_ethernet(walk);
}

static enum sf_verdict decode_vlan(struct sf_walk *walk)
{
    if (walk->rest.cap >= 2)
        sf_walk_vlan(walk, sf_be16(walk->rest.at));
    return decode_tag(walk, 4);
}

/* Cisco VN-Tag: four octets and the next type. */
static enum sf_verdict decode_vn_tag(struct sf_walk *walk)
{
    return decode_tag(walk, 6);
}

/* IEEE 802.1BR E-Tag: six octets and the next type. */
static enum sf_verdict decode_e_tag(struct sf_walk *walk)
{
    return decode_tag(walk, 8);
}

/* Cisco MetaData: version, length, option, tag; then the next type. */
static enum sf_verdict decode_metadata(struct sf_walk *walk)
{
    return decode_tag(walk, 8);
}

/* Cisco FabricPath: a tag, then the frame it carries. */
static enum sf_verdict decode_fabric_path(struct sf_walk *walk)
{
    return decode_wrapped(walk, 2);
}

/* IEEE 802.1ah: a service tag, then the customer's frame. */
static enum sf_verdict decode_backbone(struct sf_walk *walk)
{
    return decode_wrapped(walk, 4);
}

/* Network service header: RFC 8300 §2.2. Its length counts words of four octets. */
static enum sf_verdict decode_nsh(struct sf_walk *walk)
{
    enum { IPV4 = 1, IPV6 = 2, ETHERNET = 3, BASE = 8 };
    enum sf_verdict verdict = sf_cut_need(&walk->rest, BASE, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint8_t next = walk->rest.at[3];
    uint32_t len = (walk->rest.at[1] & 0x3fu) * 4;
    if (len < BASE)
        return SF_VERDICT_MALFORMED_LINK;
    verdict = sf_cut_need(&walk->rest, len, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    sf_cut_skip(&walk->rest, len);
    if (next == IPV4 || next == IPV6)
        return sf_decode_ip(walk);
    return next == ETHERNET ? sf_decode_ethernet(walk) : SF_VERDICT_NOT_IP;
}

static const struct {
    uint16_t type;
    enum sf_verdict (*decode)(struct sf_walk *walk);
} types[] = {
    {SF_ETHERTYPE_IPV4, sf_decode_ip},
    {SF_ETHERTYPE_IPV6, sf_decode_ip},
    {SF_ETHERTYPE_VLAN, decode_vlan},
    {0x88a8, decode_vlan}, /* IEEE 802.1ad; the next three were used before it */
    {0x9100, decode_vlan},
    {0x9200, decode_vlan},
    {0x9300, decode_vlan},
    {SF_ETHERTYPE_MPLS, sf_decode_mpls},
    {0x8848, sf_decode_mpls}, /* RFC 5332: upstream-assigned labels */
    {0x8864, sf_decode_pppoe},
    {SF_ETHERTYPE_PPP, sf_decode_ppp},
    {SF_ETHERTYPE_BRIDGED, sf_decode_ethernet},
    {0x8870, sf_decode_llc}, /* jumbo frames: the type stands for a length too long for it */
    {0x8903, decode_fabric_path},
    {0x8909, decode_metadata},
    {0x8926, decode_vn_tag},
    {0x893f, decode_e_tag},
    {0x88e7, decode_backbone},
    {0x894f, decode_nsh},
};

enum sf_verdict sf_decode_ethertype(struct sf_walk *walk, uint16_t type)
{
    if (!sf_walk_descend(walk))
        return SF_VERDICT_MALFORMED_LINK;
    if (type < SF_ETHERTYPE_MIN) {
        sf_cut_trim(&walk->rest, type);
        return sf_decode_llc(walk);
    }
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++)
        if (types[i].type == type)
            return types[i].decode(walk);
    return SF_VERDICT_NOT_IP;
}

/* RFC 1042: SNAP with organisation 0 holds an Ethernet type, 0000F8 likewise (IEEE 802.1H);
 * 0080C2 is a bridged frame (RFC 2684 §5.2), 00000C Cisco's own numbers. */
static enum sf_verdict decode_snap(struct sf_walk *walk)
{
    enum { SNAP = 8, ENCAPSULATED = 0x0000f8, BRIDGED = 0x0080c2 };
    enum sf_verdict verdict = sf_cut_need(&walk->rest, SNAP, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint32_t organisation = sf_be32(walk->rest.at + 2) & 0x00ffffff;
    uint16_t type = sf_be16(walk->rest.at + 6);
    sf_cut_skip(&walk->rest, SNAP);
    if (organisation == 0 || organisation == ENCAPSULATED)
        return type < SF_ETHERTYPE_MIN ? SF_VERDICT_NOT_IP : sf_decode_ethertype(walk, type);
    if (organisation == BRIDGED && (type == 1 || type == 7))
        return decode_wrapped(walk, 2);
    return SF_VERDICT_NOT_IP;
}

enum sf_verdict sf_decode_llc(struct sf_walk *walk)
{
    enum { SAP_IP = 0x06, SAP_SNAP = 0xaa, SAP_OSI = 0xfe, UNNUMBERED = 0x03, NLPID_IP = 0xcc };
    enum { LLC = 3, NLPID_IPV6 = 0x8e };
    enum sf_verdict verdict = sf_cut_need(&walk->rest, LLC, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    const uint8_t *llc = walk->rest.at;
    if ((llc[0] | 1) == (SAP_SNAP | 1) && llc[2] == UNNUMBERED)
        return decode_snap(walk);
    if (llc[2] != UNNUMBERED)
        return SF_VERDICT_NOT_IP;
    if (llc[0] == SAP_IP) {
        sf_cut_skip(&walk->rest, LLC);
        return sf_decode_ip(walk);
    }
    bool is_nlpid = llc[0] == SAP_OSI && walk->rest.cap > LLC;
    if (is_nlpid && (llc[3] == NLPID_IP || llc[3] == NLPID_IPV6)) {
        sf_cut_skip(&walk->rest, LLC + 1);
        return sf_decode_ip(walk);
    }
    return SF_VERDICT_NOT_IP;
}

/* An Ethernet frame in MPLS: after a control word when its first nibble is 0 (RFC 4448 §4.6). */
static enum sf_verdict decode_pseudowire(struct sf_walk *walk)
{
    enum { CONTROL_WORD = 4 };
    uint8_t nibble = walk->rest.at[0] >> 4;
    if (nibble == 1 || !sf_walk_descend(walk)) /* 1: an associated channel, RFC 4385 §5 */
        return SF_VERDICT_NOT_IP;
    enum sf_verdict verdict = decode_wrapped(walk, nibble == 0 ? CONTROL_WORD : 0);
    return verdict == SF_VERDICT_MALFORMED_LINK ? SF_VERDICT_NOT_IP : verdict;
}

/* RFC 3032 §2.1. What follows the last label is told by its first nibble: RFC 4928 §3. */
enum sf_verdict sf_decode_mpls(struct sf_walk *walk)
{
    enum { LABEL = 4, BOTTOM = 1 };
    bool bottom = false;
    while (!bottom) {
        enum sf_verdict verdict = sf_cut_need(&walk->rest, LABEL, SF_VERDICT_MALFORMED_LINK);
        if (verdict != SF_VERDICT_OK)
            return verdict;
        bottom = (walk->rest.at[2] & BOTTOM) != 0;
        sf_cut_skip(&walk->rest, LABEL);
    }
    enum sf_verdict verdict = sf_cut_need(&walk->rest, 1, SF_VERDICT_NOT_IP);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint8_t nibble = walk->rest.at[0] >> 4;
    return nibble == 4 || nibble == 6 ? sf_decode_ip(walk) : decode_pseudowire(walk);
}

/* RFC 2516 §4: code 0 is the session's data. */
enum sf_verdict sf_decode_pppoe(struct sf_walk *walk)
{
    enum { HEADER = 6 };
    enum sf_verdict verdict = sf_cut_need(&walk->rest, HEADER, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint8_t code = walk->rest.at[1];
    uint16_t len = sf_be16(walk->rest.at + 4);
    sf_cut_skip(&walk->rest, HEADER);
    sf_cut_trim(&walk->rest, len);
    return code == 0 ? sf_decode_ppp(walk) : SF_VERDICT_NOT_IP;
}

static enum sf_verdict decode_ppp_protocol(struct sf_walk *walk, uint16_t protocol)
{
    enum { IPV4 = 0x0021, IPV6 = 0x0057, MPLS = 0x0281 };
    if (protocol == IPV4 || protocol == IPV6)
        return sf_decode_ip(walk);
    return protocol == MPLS ? sf_decode_mpls(walk) : SF_VERDICT_NOT_IP;
}

/* RFC 1661 §2, with or without the address and control octets FF 03 (RFC 1662 §3.1). An odd first
 * octet is a protocol compressed to one octet (RFC 1661 §6.5). */
enum sf_verdict sf_decode_ppp(struct sf_walk *walk)
{
    struct sf_cut *rest = &walk->rest;
    if (rest->cap >= 2 && rest->at[0] == 0xff && rest->at[1] == 0x03)
        sf_cut_skip(rest, 2);
    uint32_t len = rest->cap > 0 && (rest->at[0] & 1) != 0 ? 1 : 2;
    enum sf_verdict verdict = sf_cut_need(rest, len, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint16_t protocol = len == 1 ? rest->at[0] : sf_be16(rest->at);
    sf_cut_skip(rest, len);
    return decode_ppp_protocol(walk, protocol);
}
