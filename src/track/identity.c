/* Names of a connection that are the same on every machine: uid and Community ID. */
#include <assert.h>
#include <nettle/sha1.h>
#include <string.h>

#include "synfin/hash.h"
#include "track_internal.h"

enum { TCP_PROTOCOL = 6 };

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char base64_url[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* RFC 4648: three octets are four digits, two are three and '='. Each returns where the text goes
 * on. */
static char *encode_three(char *out, const uint8_t *data, const char *alphabet)
{
    uint32_t v = (uint32_t)data[0] << 16 | (uint32_t)data[1] << 8 | data[2];
    out[0] = alphabet[v >> 18];
    out[1] = alphabet[v >> 12 & 63];
    out[2] = alphabet[v >> 6 & 63];
    out[3] = alphabet[v & 63];
    return out + 4;
}

static char *encode_two(char *out, const uint8_t *data, const char *alphabet)
{
    const uint8_t padded[3] = {data[0], data[1], 0};
    out = encode_three(out, padded, alphabet);
    out[-1] = '=';
    return out;
}

static void put_be16(uint8_t *out, uint16_t v)
{
    out[0] = (uint8_t)(v >> 8);
    out[1] = (uint8_t)v;
}

static void put_be32(uint8_t *out, uint32_t v)
{
    out[0] = (uint8_t)(v >> 24);
    out[1] = (uint8_t)(v >> 16);
    out[2] = (uint8_t)(v >> 8);
    out[3] = (uint8_t)v;
}

static void put_be64(uint8_t *out, uint64_t v)
{
    put_be32(out, (uint32_t)(v >> 32));
    put_be32(out + 4, (uint32_t)v);
}

/* SHA-1 of a message that fits one block with its padding (FIPS 180-4 §5.1.1 and §5.3.1). */
static void sha1(const uint8_t *data, size_t len, uint8_t digest[SHA1_DIGEST_SIZE])
{
    assert(len <= SHA1_BLOCK_SIZE - 9);
    uint8_t block[SHA1_BLOCK_SIZE] = {0};
    memcpy(block, data, len);
    block[len] = 0x80;
    put_be64(block + SHA1_BLOCK_SIZE - 8, (uint64_t)len * 8);
    uint32_t state[] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};
    nettle_sha1_compress(state, block);
    for (int i = 0; i < SHA1_DIGEST_SIZE / 4; i++)
        put_be32(digest + 4 * i, state[i]);
}

/* Community ID v1, seed 0: seed, both addresses, protocol, padding, both ports, the smaller end
 * first, which is the order of the key. */
void sf_record_community_id(const struct sf_flow_key *key, char out[40])
{
    uint8_t input[2 + 16 + 16 + 1 + 1 + 2 + 2] = {0};
    size_t len = key->scope.ip_version == 4 ? 4 : 16, n = 2;
    for (int i = 0; i < SF_DIR_COUNT; i++, n += len)
        memcpy(input + n, key->addr[i], len);
    input[n] = TCP_PROTOCOL;
    put_be16(input + n + 2, key->port[0]);
    put_be16(input + n + 4, key->port[1]);
    uint8_t digest[SHA1_DIGEST_SIZE];
    sha1(input, n + 6, digest);
    *out++ = '1';
    *out++ = ':';
    for (int i = 0; i < 18; i += 3)
        out = encode_three(out, digest + i, base64);
    *encode_two(out, digest + 18, base64) = '\0';
}

/* One number for where the key lives: IP version and tunnels. */
static uint64_t scope_number(const struct sf_scope *scope)
{
    uint64_t n = scope->ip_version;
    for (unsigned i = 0; i < SF_TUNNEL_MAX; i++)
        n = (n << 4 | scope->tunnel_kind[i]) ^ (uint64_t)scope->tunnel_id[i] << (28 * i);
    return n;
}

/* From the key, the first ISN (0 where none was seen) and the time of the first packet. */
void sf_record_uid(const struct sf_flow *flow, char out[24])
{
    uint8_t input[16 + 16 + 4 + 8 + 8];
    size_t len = flow->key.scope.ip_version == 4 ? 4 : 16, n = 0;
    for (int i = 0; i < SF_DIR_COUNT; i++, n += len)
        memcpy(input + n, flow->key.addr[i], len);
    put_be16(input + n, flow->key.port[0]);
    put_be16(input + n + 2, flow->key.port[1]);
    put_be64(input + n + 4, scope_number(&flow->key.scope));
    const struct sf_endpoint *client = &flow->ep[flow->client];
    const struct sf_endpoint *server = &flow->ep[1 - flow->client];
    uint32_t isn = client->has_iss ? client->base.n : server->has_iss ? server->base.n : 0;
    put_be64(input + n + 12, (uint64_t)flow->first_ns ^ (uint64_t)isn << 32);
    uint8_t digest[SF_DIGEST];
    sf_hash_digest(input, n + 20, digest);
    for (int i = 0; i < 12; i += 3)
        out = encode_three(out, digest + i, base64_url);
    *out = '\0';
}
