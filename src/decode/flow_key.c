/* The canonical order of the two ends of a connection, the scope they live in, the keyed hash. */

#include <endian.h>
#include <string.h>

#include "decode_internal.h"
#include "synfin/hash.h"

void sf_walk_vlan(struct sf_walk *walk, uint16_t tci)
{
    if (walk->vlan_count < SF_VLAN_MAX)
        walk->vlan[walk->vlan_count++] = tci & 0x0fff;
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
    const uint64_t words[] = {addresses, ports_word(key, scope->tunnels), scope->ids, scope->vlans};
    return sf_hash_4(words, seed);
}

static uint64_t set_ipv6(struct sf_flow_key *key, const struct sf_ip *ip, enum sf_dir dir,
                         const struct scope_words *scope, uint64_t seed)
{
    const uint8_t *first = dir == SF_FROM_0 ? ip->src : ip->dst;
    const uint8_t *second = dir == SF_FROM_0 ? ip->dst : ip->src;
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

/* SF_FROM_0 when the sender is the smaller end. Computed, not branched on: which way a segment
 * goes cannot be predicted. */
static inline enum sf_dir order(const struct sf_ip *ip, uint16_t src_port, uint16_t dst_port)
{
    if (ip->version == 4) {
        uint64_t src = (uint64_t)sf_be32(ip->src) << 16 | src_port;
        uint64_t dst = (uint64_t)sf_be32(ip->dst) << 16 | dst_port;
        return (enum sf_dir)(src > dst);
    }
    int diff = memcmp(ip->src, ip->dst, 16);
    return (enum sf_dir)(diff > 0 || (diff == 0 && src_port > dst_port));
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
                             : set_ipv6(key, ip, dir, &scope, seed);
    return dir;
}

enum sf_dir sf_key_ipv4(const uint8_t *addresses, uint16_t src_port, uint16_t dst_port,
                        uint64_t seed, struct sf_flow_key *key, uint64_t *hash)
{
    uint32_t src = sf_be32(addresses), dst = sf_be32(addresses + 4);
    bool is_smaller = ((uint64_t)src << 16 | src_port) <= ((uint64_t)dst << 16 | dst_port);
    uint32_t first = is_smaller ? src : dst, second = is_smaller ? dst : src;
    *key = (struct sf_flow_key){.scope.ip_version = 4};
    key->port[0] = is_smaller ? src_port : dst_port;
    key->port[1] = is_smaller ? dst_port : src_port;
    uint32_t octets[] = {htobe32(first), htobe32(second)};
    memcpy(key->addr[0], &octets[0], 4);
    memcpy(key->addr[1], &octets[1], 4);
    const uint64_t words[] = {(uint64_t)first << 32 | second, ports_word(key, 0), 0, 0};
    *hash = sf_hash_4(words, seed);
    return is_smaller ? SF_FROM_0 : SF_FROM_1;
}
