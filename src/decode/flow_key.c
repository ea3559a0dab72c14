/* The canonical order of the two ends of a connection, the scope they live in, the keyed hash. */

#include <endian.h>
#include <string.h>

#include "decode_internal.h"

void sf_walk_vlan(struct sf_walk *walk, uint16_t tci)
{
    if (walk->vlan_count < SF_VLAN_MAX)
        walk->vlan[walk->vlan_count++] = tci & SF_VLAN_ID;
}

bool sf_walk_enter(struct sf_walk *walk, enum sf_tunnel_kind kind, uint32_t id, uint32_t key_id)
{
    enum { TUNNELS_MAX = 8, LAST = SF_TUNNEL_MAX - 1 };
    struct sf_scope *scope = &walk->scope;
    unsigned n = scope->tunnels;
    if (n == TUNNELS_MAX)
        return false;
    scope->tunnels++;
    if (n < SF_TUNNEL_MAX) {
        scope->tunnel_kind[n] = (uint8_t)kind;
        scope->tunnel_id[n] = key_id;
        walk->tunnel_id[n] = id;
        return true;
    }
    /* An odd multiplier loses nothing and makes the order of the ids count. */
    scope->tunnel_id[LAST] = scope->tunnel_id[LAST] * 2654435761u + (key_id ^ (uint32_t)kind << 28);
    return true;
}

/* The octets of the scope that make up the key, apart from the IP version, as words. */
struct scope_words {
    uint32_t tunnels;
    uint64_t ids;
    uint32_t vlans;
};

static inline struct scope_words scope_words(const struct sf_walk *walk)
{
    struct scope_words words = {0, 0, 0};
    memcpy(&words.tunnels, &walk->scope, sizeof(words.tunnels));
    memcpy(&words.ids, walk->scope.tunnel_id, sizeof(words.ids));
    if (walk->decoder->options.vlan_key)
        memcpy(&words.vlans, walk->vlan, sizeof(words.vlans));
    return words;
}

static inline uint64_t ports_word(const struct sf_flow_key *key, uint32_t low)
{
    return (uint64_t)key->port[0] << 48 | (uint64_t)key->port[1] << 32 | low;
}

/* The key is hashed as whole words from registers: reading back as words what was just stored in
 * pieces stalls for longer than the hash takes. */
static uint64_t set_ipv4(struct sf_flow_key *key, const struct sf_ip *ip, enum sf_dir dir,
                         const struct scope_words *scope, uint64_t seed)
{
    memset(key->addr, 0, sizeof(key->addr));
    memcpy(key->addr[dir], ip->src, 4);
    memcpy(key->addr[sf_dir_other(dir)], ip->dst, 4);
    uint32_t src = sf_be32(ip->src), dst = sf_be32(ip->dst);
    uint64_t addresses = dir == SF_FROM_0 ? (uint64_t)src << 32 | dst : (uint64_t)dst << 32 | src;
    return sf_key_hash_ipv4(addresses, ports_word(key, scope->tunnels), scope->ids, scope->vlans,
                            seed);
}

static inline uint64_t set_ipv6(struct sf_flow_key *key, const uint8_t *src, const uint8_t *dst,
                                enum sf_dir dir, const struct scope_words *scope, uint64_t seed)
{
    const uint8_t *first = dir == SF_FROM_0 ? src : dst;
    const uint8_t *second = dir == SF_FROM_0 ? dst : src;
    uint64_t words[7];
    memcpy(&words[0], first, 16);
    memcpy(&words[2], second, 16);
    memcpy(key->addr[0], first, 16);
    memcpy(key->addr[1], second, 16);
    words[4] = ports_word(key, scope->tunnels);
    words[5] = scope->ids;
    words[6] = scope->vlans;
    return sf_hash_7(words, seed);
}

static inline bool is_larger_ipv6(const uint8_t *src, const uint8_t *dst, uint16_t src_port,
                                  uint16_t dst_port)
{
    uint64_t words[2][2];
    memcpy(words[0], src, sizeof words[0]);
    memcpy(words[1], dst, sizeof words[1]);
    unsigned at = words[0][0] == words[1][0]; /* which half differs, if any */
    uint64_t a = be64toh(words[0][at]), b = be64toh(words[1][at]);
    return a > b || (a == b && src_port > dst_port);
}

/* SF_FROM_0 when the sender is the smaller end. Computed, not branched on: which way a segment
 * goes cannot be predicted. */
static inline enum sf_dir order(const struct sf_ip *ip, uint16_t src_port, uint16_t dst_port)
{
    if (ip->version == 6)
        return (enum sf_dir)is_larger_ipv6(ip->src, ip->dst, src_port, dst_port);
    uint64_t src = (uint64_t)sf_be32(ip->src) << 16 | src_port;
    uint64_t dst = (uint64_t)sf_be32(ip->dst) << 16 | dst_port;
    return (enum sf_dir)(src > dst);
}

enum sf_dir sf_walk_key(const struct sf_walk *walk, const struct sf_ip *ip, uint16_t src_port,
                        uint16_t dst_port, struct sf_flow_key *key, uint64_t *hash)
{
    const struct scope_words scope = scope_words(walk);
    uint64_t seed = walk->decoder->options.hash_seed;
    enum sf_dir dir = order(ip, src_port, dst_port);

    key->port[0] = dir == SF_FROM_0 ? src_port : dst_port;
    key->port[1] = dir == SF_FROM_0 ? dst_port : src_port;
    key->scope = walk->scope;
    key->scope.ip_version = ip->version;
    memcpy(key->scope.vlan, &scope.vlans, sizeof(key->scope.vlan));
    *hash = ip->version == 4 ? set_ipv4(key, ip, dir, &scope, seed)
                             : set_ipv6(key, ip->src, ip->dst, dir, &scope, seed);
    return dir;
}

enum sf_dir sf_key_ipv6(const uint8_t *addresses, uint16_t src_port, uint16_t dst_port,
                        uint64_t seed, struct sf_flow_key *key, uint64_t *hash)
{
    const struct scope_words scope = {0, 0, 0};
    const uint8_t *src = addresses, *dst = addresses + 16;
    enum sf_dir dir = (enum sf_dir)is_larger_ipv6(src, dst, src_port, dst_port);
    key->port[0] = dir == SF_FROM_0 ? src_port : dst_port;
    key->port[1] = dir == SF_FROM_0 ? dst_port : src_port;
    key->scope = (struct sf_scope){.ip_version = 6};
    *hash = set_ipv6(key, src, dst, dir, &scope, seed);
    return dir;
}
