/* The canonical order of the two ends of a connection, the scope they live in, the keyed hash. */
#include "decode_internal.h"

#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

uint64_t sf_hash(const void *octets, size_t len, uint64_t seed)
{
    return XXH3_64bits_withSeed(octets, len, seed);
}

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

/* Whether the sender is the smaller end, so that it becomes end 0. */
static inline bool sender_first(const struct sf_ip *ip, uint16_t src_port, uint16_t dst_port)
{
    int order = memcmp(ip->src, ip->dst, ip->version == 4 ? 4 : 16);
    return order < 0 || (order == 0 && src_port <= dst_port);
}

enum sf_dir sf_walk_key(const struct sf_walk *walk, const struct sf_ip *ip, uint16_t src_port,
                        uint16_t dst_port, struct sf_flow_key *key, uint64_t *hash)
{
    enum sf_dir dir = sender_first(ip, src_port, dst_port) ? SF_FROM_0 : SF_FROM_1;
    enum sf_dir other = sf_dir_other(dir);

    if (ip->version == 4) {
        memset(key->addr, 0, sizeof(key->addr));
        memcpy(key->addr[dir], ip->src, 4);
        memcpy(key->addr[other], ip->dst, 4);
    } else {
        memcpy(key->addr[dir], ip->src, 16);
        memcpy(key->addr[other], ip->dst, 16);
    }
    key->port[dir] = src_port;
    key->port[other] = dst_port;
    key->scope = walk->scope;
    key->scope.ip_version = ip->version;
    if (walk->decoder->options.vlan_key)
        memcpy(key->scope.vlan, walk->vlan, sizeof(key->scope.vlan));
    *hash = XXH3_64bits_withSeed(key, sizeof(*key), walk->decoder->options.hash_seed);
    return dir;
}
