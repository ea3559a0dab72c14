/* IP fragments put together as far as the TCP header needs: the head's octets and what came. */
#include "decode_internal.h"
#include "synfin/hash.h"

#include <stdlib.h>
#include <string.h>

/* Bounds: the 1024 datagrams begun last, of each its head and a bit for every 8 octets; about 1.6
 * MiB. Which those are depends on no hash: the same input is read alike each time. */
enum { PLACES = 1024, BLOCK = 8, BLOCKS = 65536 / BLOCK, HEAD_BLOCKS = SF_DATAGRAM_HEAD / 8 };

/* How long a datagram waits for its fragments: RFC 791 §3.2 says 15 s at first, Linux waits 30. */
static const sf_ns FRAGMENT_LIFE_NS = 30 * SF_SEC;

/* Compared and hashed as octets: no padding. */
struct datagram_key {
    uint8_t src[16], dst[16];
    struct sf_scope scope;
    uint32_t id;
    uint32_t protocol; /* of IPv4; IPv6 counts ids for all: RFC 8200 §4.5 */
};
_Static_assert(sizeof(struct datagram_key) == 56, "datagram_key is hashed as octets: no padding");

struct datagram {
    bool used;
    uint16_t bucket, next; /* the next one in that bucket, as a place from 1 on; 0: none */
    bool ce;               /* a fragment came with Congestion Experienced: RFC 3168 §5.3 */
    sf_ns first_ns;
    struct datagram_key key;
    struct sf_ip ip;     /* of the first fragment, while header_len is not 0 */
    uint32_t header_len; /* 0 until the first fragment came */
    uint32_t total;      /* octets of the payload; 0 until the last fragment came */
    uint32_t end;        /* highest octet seen */
    uint32_t blocks;     /* of 8 octets, that came */
    uint32_t captured;   /* octets */
    uint8_t header[SF_IP_HEADER_MAX];
    uint8_t head[SF_DATAGRAM_HEAD];
    uint8_t head_cap[HEAD_BLOCKS]; /* octets captured of each block */
    uint64_t came[BLOCKS / 64];
};

struct sf_fragments {
    uint16_t buckets[PLACES]; /* the first of each, as a place from 1 on; 0: none */
    size_t begun;
    struct datagram datagrams[PLACES];
};

void sf_fragments_free(struct sf_fragments *fragments)
{
    free(fragments);
}

static struct datagram_key key_of(const struct sf_walk *walk)
{
    const struct sf_ip *ip = &walk->ip;
    struct datagram_key key = {.scope = walk->scope, .id = ip->id};
    size_t addr_len = ip->version == 4 ? 4 : 16;
    memcpy(key.src, ip->src, addr_len);
    memcpy(key.dst, ip->dst, addr_len);
    key.scope.ip_version = ip->version;
    key.protocol = ip->version == 4 ? ip->protocol : 0;
    return key;
}

static bool is_expired(const struct datagram *datagram, sf_ns now)
{
    sf_ns age = now - datagram->first_ns;
    return age > FRAGMENT_LIFE_NS || age < -FRAGMENT_LIFE_NS;
}

static void unchain(struct sf_fragments *fragments, struct datagram *datagram)
{
    uint16_t place = (uint16_t)(datagram - fragments->datagrams + 1);
    uint16_t *at = &fragments->buckets[datagram->bucket];
    while (*at != place)
        at = &fragments->datagrams[*at - 1].next;
    *at = datagram->next;
}

/* In the place of the one that was begun longest ago. */
static struct datagram *begin(struct sf_fragments *fragments, const struct datagram_key *key,
                              uint16_t bucket, sf_ns now)
{
    size_t place = fragments->begun % PLACES;
    struct datagram *datagram = &fragments->datagrams[place];
    if (fragments->begun++ >= PLACES)
        unchain(fragments, datagram);
    *datagram = (struct datagram){.used = true,
                                  .bucket = bucket,
                                  .next = fragments->buckets[bucket],
                                  .first_ns = now,
                                  .key = *key};
    fragments->buckets[bucket] = (uint16_t)(place + 1);
    return datagram;
}

/* The datagram of `key`, begun when it is new. */
static struct datagram *find(struct sf_decoder *decoder, const struct datagram_key *key, sf_ns now)
{
    struct sf_fragments *fragments = decoder->fragments;
    uint64_t hash = sf_hash(key, sizeof(*key), decoder->options.hash_seed);
    uint16_t bucket = (uint16_t)(hash % PLACES);
    for (uint16_t place = fragments->buckets[bucket]; place != 0;) {
        struct datagram *at = &fragments->datagrams[place - 1];
        if (at->used && !is_expired(at, now) && memcmp(&at->key, key, sizeof(*key)) == 0)
            return at;
        place = at->next;
    }
    return begin(fragments, key, bucket, now);
}

static bool has_come(const struct datagram *datagram, uint32_t block)
{
    return (datagram->came[block / 64] >> block % 64 & 1) != 0;
}

/* Notes the blocks [begin, end); how many of them had not come. A fragment of thousands costs no
 * step for each. */
static uint32_t add_blocks(struct datagram *datagram, uint32_t begin, uint32_t end)
{
    if (begin == end)
        return 0;
    uint32_t added = 0, last = (end - 1) / 64;
    uint64_t mask = UINT64_MAX << begin % 64, last_mask = UINT64_MAX >> (63 - (end - 1) % 64);
    for (uint32_t word = begin / 64; word <= last; word++, mask = UINT64_MAX) {
        if (word == last)
            mask &= last_mask;
        uint64_t missing = mask & ~datagram->came[word];
        datagram->came[word] |= missing;
        if (missing != 0)
            added += missing == UINT64_MAX ? 64 : (uint32_t)__builtin_popcountll(missing);
    }
    datagram->blocks += added;
    return added;
}

/* Keeps what is captured of the head's blocks. What came first stands. */
static void keep_head(struct datagram *datagram, uint32_t offset, const struct sf_cut *part)
{
    for (uint32_t done = 0; done < part->cap && offset + done < SF_DATAGRAM_HEAD; done += BLOCK) {
        uint32_t block = (offset + done) / BLOCK, left = part->cap - done;
        if (has_come(datagram, block))
            continue;
        datagram->head_cap[block] = (uint8_t)(left < BLOCK ? left : BLOCK);
        memcpy(datagram->head + block * BLOCK, part->at + done, datagram->head_cap[block]);
    }
}

/* Of a block in part captured no octets count when it had come. */
static void add_octets(struct datagram *datagram, uint32_t offset, const struct sf_cut *part)
{
    uint32_t begin = offset / BLOCK, whole = part->cap / BLOCK, odd = part->cap % BLOCK;
    keep_head(datagram, offset, part);
    datagram->captured += BLOCK * add_blocks(datagram, begin, begin + whole);
    if (odd > 0)
        datagram->captured += odd * add_blocks(datagram, begin + whole, begin + whole + 1);
    add_blocks(datagram, begin + whole, begin + (part->wire + BLOCK - 1) / BLOCK);
    if (offset + part->wire > datagram->end)
        datagram->end = offset + part->wire;
}

/* The header of the first fragment is the datagram's, and so are its addresses and TTL. */
static void add_header(struct datagram *datagram, const struct sf_walk *walk)
{
    const struct sf_ip *ip = &walk->ip;
    uint32_t len = ip->version == 4 ? (ip->at[0] & 0x0fu) * 4 : 40;
    memcpy(datagram->header, ip->at, len);
    datagram->header_len = len;
    datagram->ip = *ip;
}

/* False when the fragment contradicts those that came: then it is not used. */
static bool is_consistent(const struct datagram *datagram, const struct sf_ip *ip, uint32_t len)
{
    /* Where the total length is 0 the frame's counts, and that may be anything. */
    if (len == 0 || len > BLOCKS * BLOCK - ip->offset)
        return false;
    uint32_t end = ip->offset + len;
    if (datagram->total != 0 && end > datagram->total)
        return false;
    if (ip->more_fragments)
        return true;
    return datagram->end <= end && (datagram->total == 0 || datagram->total == end);
}

static bool is_complete(const struct datagram *datagram)
{
    uint32_t needed = (datagram->total + BLOCK - 1) / BLOCK;
    return datagram->total != 0 && datagram->header_len != 0 && datagram->blocks == needed;
}

/* Octets from the datagram's beginning that were captured without a gap, as far as kept. */
static uint32_t head_captured(const struct datagram *datagram)
{
    uint32_t cap = 0;
    for (uint32_t i = 0; i < HEAD_BLOCKS; i++) {
        cap += datagram->head_cap[i];
        if (datagram->head_cap[i] < BLOCK)
            break;
    }
    return cap < datagram->total ? cap : datagram->total;
}

/* Copies the datagram's head into the decoder and makes it what the walk goes on with. */
static void rebuild(struct sf_walk *walk, struct datagram *datagram)
{
    struct sf_decoder *decoder = walk->decoder;
    uint32_t header_len = datagram->header_len;
    uint32_t cap = head_captured(datagram);
    memcpy(decoder->rebuilt, datagram->header, header_len);
    memcpy(decoder->rebuilt + header_len, datagram->head, cap);
    memcpy(decoder->rebuilt_src, datagram->key.src, sizeof(decoder->rebuilt_src));
    memcpy(decoder->rebuilt_dst, datagram->key.dst, sizeof(decoder->rebuilt_dst));

    struct sf_ip *ip = &walk->ip;
    *ip = datagram->ip;
    ip->at = decoder->rebuilt;
    ip->src = decoder->rebuilt_src;
    ip->dst = decoder->rebuilt_dst;
    ip->bytes = header_len + datagram->total;
    ip->cap = header_len + cap;
    ip->is_fragment = false;
    ip->more_fragments = false;
    if (datagram->ce)
        ip->ecn = 3;
    walk->rest = (struct sf_cut){decoder->rebuilt + header_len, cap, datagram->total};
    walk->from_fragments = true;
    walk->ip.beyond_frame = 0;
    walk->datagram_bytes = datagram->total;
    walk->datagram_captured = datagram->captured;
    datagram->used = false;
}

enum sf_verdict sf_fragment_add(struct sf_walk *walk)
{
    struct sf_decoder *decoder = walk->decoder;
    if (decoder->fragments == NULL)
        decoder->fragments = calloc(1, sizeof(*decoder->fragments));
    if (decoder->fragments == NULL)
        return SF_VERDICT_FRAGMENT;

    struct sf_ip *ip = &walk->ip;
    struct datagram_key key = key_of(walk);
    struct datagram *datagram = find(decoder, &key, walk->packet->ts_ns);
    /* All but the last end on a multiple of 8 octets (RFC 791 §3.2): the odd rest is not used. */
    if (ip->more_fragments)
        sf_cut_resize(&walk->rest, walk->rest.wire & ~7u);
    if (!is_consistent(datagram, ip, walk->rest.wire))
        return SF_VERDICT_FRAGMENT;

    add_octets(datagram, ip->offset, &walk->rest);
    if (ip->offset == 0 && datagram->header_len == 0)
        add_header(datagram, walk);
    if (!ip->more_fragments)
        datagram->total = ip->offset + walk->rest.wire;
    datagram->ce |= ip->ecn == 3;
    if (!is_complete(datagram))
        return SF_VERDICT_FRAGMENT;
    rebuild(walk, datagram);
    return SF_VERDICT_OK;
}
