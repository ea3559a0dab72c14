/* IEEE 802.11 data frames and the capture headers that stand before them. */
#include "decode_internal.h"

/* Bits of the frame control field, in the order of its two octets. */
enum {
    VERSION_MASK = 0x03,
    TYPE_MASK = 0x0c,
    TYPE_DATA = 0x08,
    SUBTYPE_NO_DATA = 0x40,
    SUBTYPE_QOS = 0x80,
    TO_DS = 0x01,
    FROM_DS = 0x02,
    MORE_FRAGMENTS = 0x04,
    PROTECTED = 0x40,
    ORDER = 0x80,
};

/* Octets of the MAC header: IEEE 802.11-2016 §9.2.3. */
static uint32_t mac_header_len(const uint8_t *control)
{
    uint32_t len = 24;
    if ((control[1] & (TO_DS | FROM_DS)) == (TO_DS | FROM_DS))
        len += 6;
    if ((control[0] & SUBTYPE_QOS) != 0)
        len += (control[1] & ORDER) != 0 ? 6 : 2;
    return len;
}

/* The first frame of an aggregate (A-MSDU) stands for all: destination, source, length. */
static enum sf_verdict decode_aggregate(struct sf_walk *walk)
{
    enum { SUBFRAME_HEADER = 14 };
    enum sf_verdict verdict = sf_cut_need(&walk->rest, SUBFRAME_HEADER, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint16_t len = sf_be16(walk->rest.at + 12);
    sf_cut_skip(&walk->rest, SUBFRAME_HEADER);
    sf_cut_trim(&walk->rest, len);
    return sf_decode_llc(walk);
}

/* How capturing changed the MAC header. */
enum frame_form {
    FORM_PLAIN,
    FORM_PADDED,  /* to a multiple of four octets */
    FORM_SWAPPED, /* the octets of frame and sequence control, perhaps */
};

static bool is_data(uint8_t control)
{
    return (control & (VERSION_MASK | TYPE_MASK)) == TYPE_DATA;
}

static enum sf_verdict decode_frame(struct sf_walk *walk, enum frame_form form)
{
    struct sf_cut *rest = &walk->rest;
    enum sf_verdict verdict = sf_cut_need(rest, 2, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    bool swap = form == FORM_SWAPPED && !is_data(rest->at[0]);
    const uint8_t control[2] = {rest->at[swap], rest->at[!swap]};
    if (!is_data(control[0]) || (control[0] & SUBTYPE_NO_DATA) != 0)
        return SF_VERDICT_NOT_IP;
    uint32_t len = mac_header_len(control);
    uint32_t padded = form == FORM_PADDED ? (len + 3) / 4 * 4 : len;
    verdict = sf_cut_need(rest, padded, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;

    bool is_later_fragment = (rest->at[22 + swap] & 0x0f) != 0;
    if ((control[1] & PROTECTED) != 0 || is_later_fragment)
        return SF_VERDICT_NOT_IP;
    bool is_qos = (control[0] & SUBTYPE_QOS) != 0;
    uint32_t qos_at = len - ((control[1] & ORDER) != 0 ? 6 : 2);
    bool is_aggregate = is_qos && (rest->at[qos_at] & 0x80) != 0;
    sf_cut_skip(rest, padded);
    return is_aggregate ? decode_aggregate(walk) : sf_decode_llc(walk);
}

enum sf_verdict sf_decode_wifi(struct sf_walk *walk)
{
    return decode_frame(walk, FORM_PLAIN);
}

/* Cisco's access points send the two control fields' octets the other way round. */
enum sf_verdict sf_decode_capwap_wifi(struct sf_walk *walk)
{
    return decode_frame(walk, FORM_SWAPPED);
}

/* Whether the radiotap header, `len` octets at `at`, says that the MAC header is padded: bit 0x20
 * of the flags field, which only the 8-octet TSFT may precede (radiotap.org). */
static bool radiotap_says_padded(const uint8_t *at, uint32_t len)
{
    enum { TSFT = 1, FLAGS = 2, PADDED = 0x20 };
    uint32_t present = sf_le32(at + 4);
    uint32_t field = 8;
    for (uint32_t word = present; (word & 0x80000000u) != 0; field += 4) {
        if (len < field + 4)
            return false;
        word = sf_le32(at + field);
    }
    if ((present & TSFT) != 0)
        field = (field + 7) / 8 * 8 + 8;
    return (present & FLAGS) != 0 && field < len && (at[field] & PADDED) != 0;
}

enum sf_verdict sf_decode_radiotap(struct sf_walk *walk)
{
    enum { HEADER_MIN = 8 };
    struct sf_cut *rest = &walk->rest;
    enum sf_verdict verdict = sf_cut_need(rest, HEADER_MIN, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint32_t len = sf_le16(rest->at + 2);
    if (rest->at[0] != 0 || len < HEADER_MIN)
        return SF_VERDICT_MALFORMED_LINK;
    verdict = sf_cut_need(rest, len, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    bool pad = radiotap_says_padded(rest->at, len);
    sf_cut_skip(rest, len);
    return decode_frame(walk, pad ? FORM_PADDED : FORM_PLAIN);
}

/* Passes a header whose octets are counted in its second word. */
static enum sf_verdict decode_counted(struct sf_walk *walk, bool little_endian)
{
    struct sf_cut *rest = &walk->rest;
    enum sf_verdict verdict = sf_cut_need(rest, 8, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    uint32_t len = little_endian ? sf_le32(rest->at + 4) : sf_be32(rest->at + 4);
    if (len < 8)
        return SF_VERDICT_MALFORMED_LINK;
    verdict = sf_cut_need(rest, len, SF_VERDICT_MALFORMED_LINK);
    if (verdict != SF_VERDICT_OK)
        return verdict;
    sf_cut_skip(rest, len);
    return decode_frame(walk, FORM_PLAIN);
}

enum sf_verdict sf_decode_avs(struct sf_walk *walk)
{
    return decode_counted(walk, false);
}

/* Prism headers are in the capturing host's order, and some are AVS headers after all. */
enum sf_verdict sf_decode_prism(struct sf_walk *walk)
{
    enum { AVS_MAGIC = 0x80211000 >> 8 };
    const struct sf_cut *rest = &walk->rest;
    if (rest->cap >= 8 && sf_be32(rest->at) >> 8 == AVS_MAGIC)
        return sf_decode_avs(walk);
    bool little_endian = rest->cap < 8 || sf_le32(rest->at + 4) < 0x10000;
    return decode_counted(walk, little_endian);
}
