/* A file descriptor as plain octets. Compression is told by the first octets, never by the name,
 * and several members or frames in a row are one stream, as the compressors themselves hold. */
#include "capture_internal.h"

#include "config.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#if SYNFIN_ZSTD
#include <zstd.h>
#endif
#if SYNFIN_LZ4
#include <lz4frame.h>
#endif

enum { INPUT_CAPACITY = 128 * 1024 };

struct codec {
    const char *name;
    uint8_t magic[SF_MAGIC_LEN];
    uint8_t mask[SF_MAGIC_LEN];
    /* NULL when this build cannot read it. */
    int (*open)(struct sf_stream *stream);
    /* Moves stream->in_at and returns the octets put into out, or -1 with the library's word. */
    ssize_t (*decode)(struct sf_stream *stream, uint8_t *out, size_t len, const char **why);
    void (*close)(struct sf_stream *stream);
};

struct sf_stream {
    int fd;
    const struct codec *codec; /* NULL: octets as they are */
    const atomic_bool *stop;
    uint64_t consumed;
    size_t in_at;
    size_t in_end;
    bool is_at_eof;
    bool is_between_frames; /* the data may end here */
    /* Octets up to the end of the next block, as its library says; 0: it begins. */
    size_t next_input;
    bool may_hold_more; /* the library filled what it was given: it may have more of the block */
    union {
        z_stream zlib;
        void *context;
    } state;
    uint8_t in[INPUT_CAPACITY];
};

static int gzip_open(struct sf_stream *stream)
{
    const int gzip_only = 16 + MAX_WBITS; /* zlib.h, inflateInit2 */
    return inflateInit2(&stream->state.zlib, gzip_only) == Z_OK ? 0 : -1;
}

/* gzip(1) ignores zeros after the last member: tapes are padded with them. */
static void gzip_skip_padding(struct sf_stream *stream)
{
    while (stream->in_at < stream->in_end && stream->in[stream->in_at] == 0)
        stream->in_at++;
}

static ssize_t gzip_decode(struct sf_stream *stream, uint8_t *out, size_t len, const char **why)
{
    z_stream *z = &stream->state.zlib;
    if (stream->is_between_frames) {
        gzip_skip_padding(stream);
        if (stream->in_at == stream->in_end)
            return 0;
        inflateReset(z);
    }
    z->next_in = stream->in + stream->in_at;
    z->avail_in = (uInt)(stream->in_end - stream->in_at);
    z->next_out = out;
    z->avail_out = len > INT32_MAX ? INT32_MAX : (uInt)len;
    int rc = inflate(z, Z_NO_FLUSH);
    stream->in_at = stream->in_end - z->avail_in;
    stream->is_between_frames = rc == Z_STREAM_END;
    if (rc == Z_OK || rc == Z_STREAM_END || rc == Z_BUF_ERROR)
        return z->next_out - out;
    *why = z->msg != NULL ? z->msg : zError(rc);
    return z->next_out != out ? z->next_out - out : -1;
}

static void gzip_close(struct sf_stream *stream)
{
    inflateEnd(&stream->state.zlib);
}

/* What its library wants next, without the header of the block behind: that one may be damaged. */
static size_t without_header(size_t wanted, size_t header)
{
    return wanted > header ? wanted - header : wanted;
}

/* On damage zstd and lz4 tell nothing of what the same call made before it: they are given a block
 * at a time, so that all before the damaged one is there, however many octets were asked for. */
static size_t input_for_block(const struct sf_stream *stream, size_t first)
{
    size_t held = stream->may_hold_more ? 0 : stream->in_end - stream->in_at;
    size_t wanted = stream->next_input > 0 ? stream->next_input : first;
    return held < wanted ? held : wanted;
}

#if SYNFIN_ZSTD
static int zstd_open(struct sf_stream *stream)
{
    stream->state.context = ZSTD_createDStream();
    return stream->state.context != NULL ? 0 : -1;
}

static ssize_t zstd_decode(struct sf_stream *stream, uint8_t *out, size_t len, const char **why)
{
    enum { FIRST = 5 }; /* ZSTD_initDStream() says so */
    size_t end = stream->in_at + input_for_block(stream, FIRST);
    ZSTD_inBuffer in = {stream->in, end, stream->in_at};
    ZSTD_outBuffer made = {out, len, 0};
    if (stream->is_between_frames && in.pos == in.size)
        return 0; /* a call without input would begin a new frame */
    size_t rc = ZSTD_decompressStream(stream->state.context, &made, &in);
    stream->in_at = in.pos;
    stream->is_between_frames = rc == 0;
    if (ZSTD_isError(rc)) {
        *why = ZSTD_getErrorName(rc);
        return -1;
    }
    stream->next_input = without_header(rc, 3);
    stream->may_hold_more = rc != 0 && made.pos == len;
    return (ssize_t)made.pos;
}

static void zstd_close(struct sf_stream *stream)
{
    ZSTD_freeDStream(stream->state.context);
}
#else
#define zstd_open   NULL
#define zstd_decode NULL
#define zstd_close  NULL
#endif

#if SYNFIN_LZ4
static int lz4_open(struct sf_stream *stream)
{
    LZ4F_dctx *context;
    if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
        return -1;
    stream->state.context = context;
    return 0;
}

static ssize_t lz4_decode(struct sf_stream *stream, uint8_t *out, size_t len, const char **why)
{
    size_t made = len;
    size_t taken = input_for_block(stream, LZ4F_HEADER_SIZE_MIN);
    if (stream->is_between_frames && taken == 0)
        return 0; /* a call without input would begin a new frame */
    size_t rc = LZ4F_decompress(stream->state.context, out, &made, stream->in + stream->in_at,
                                &taken, NULL);
    if (LZ4F_isError(rc)) {
        *why = LZ4F_getErrorName(rc);
        return -1;
    }
    stream->in_at += taken;
    stream->next_input = without_header(rc, 4);
    stream->may_hold_more = rc != 0 && made == len;
    stream->is_between_frames = rc == 0;
    return (ssize_t)made;
}

static void lz4_close(struct sf_stream *stream)
{
    LZ4F_freeDecompressionContext(stream->state.context);
}
#else
#define lz4_open   NULL
#define lz4_decode NULL
#define lz4_close  NULL
#endif

static const struct codec codecs[] = {
    /* RFC 1952 §2.3.1 */
    {"gzip", {0x1f, 0x8b, 0, 0}, {0xff, 0xff, 0, 0}, gzip_open, gzip_decode, gzip_close},
    /* RFC 8878 §3.1.1 */
    {"zstd",
     {0x28, 0xb5, 0x2f, 0xfd},
     {0xff, 0xff, 0xff, 0xff},
     zstd_open,
     zstd_decode,
     zstd_close},
    /* Skippable frames, RFC 8878 §3.1.2: pzstd begins with one */
    {"zstd",
     {0x50, 0x2a, 0x4d, 0x18},
     {0xf0, 0xff, 0xff, 0xff},
     zstd_open,
     zstd_decode,
     zstd_close},
    /* LZ4 frame format 1.6.1 */
    {"lz4", {0x04, 0x22, 0x4d, 0x18}, {0xff, 0xff, 0xff, 0xff}, lz4_open, lz4_decode, lz4_close},
};

static bool begins_so(const struct codec *codec, const uint8_t magic[SF_MAGIC_LEN])
{
    for (size_t i = 0; i < SF_MAGIC_LEN; i++) {
        if ((magic[i] & codec->mask[i]) != codec->magic[i])
            return false;
    }
    return true;
}

static const struct codec *codec_of(const uint8_t *octets, size_t len)
{
    uint8_t magic[SF_MAGIC_LEN] = {0};
    memcpy(magic, octets, len < SF_MAGIC_LEN ? len : SF_MAGIC_LEN);
    for (size_t i = 0; i < sizeof codecs / sizeof codecs[0]; i++) {
        if (begins_so(&codecs[i], magic))
            return &codecs[i];
    }
    return NULL;
}

const char *sf_stream_compression(const uint8_t magic[SF_MAGIC_LEN], size_t len)
{
    const struct codec *codec = codec_of(magic, len);
    return codec != NULL ? codec->name : NULL;
}

/* Waits until a pipe has something or has ended: a thread of its own takes the signals, so that
 * none interrupts a read(). */
static void wait_for_input(const struct sf_stream *stream)
{
    enum { LOOK_MS = 100 };
    struct pollfd input = {.fd = stream->fd, .events = POLLIN};
    while (!*stream->stop && poll(&input, 1, LOOK_MS) == 0)
        continue;
}

/* read() that survives signals until the capture is stopped; a stop looks like the end. */
static ssize_t read_some(struct sf_stream *stream, uint8_t *buf, size_t len, struct sf_error *err)
{
    ssize_t got;
    do {
        wait_for_input(stream);
        got = *stream->stop ? 0 : read(stream->fd, buf, len);
    } while (got < 0 && errno == EINTR);
    if (got < 0)
        return sf_fail(err, "%s", strerror(errno));
    stream->consumed += (uint64_t)got;
    return got;
}

static int refill(struct sf_stream *stream, struct sf_error *err)
{
    ssize_t got = read_some(stream, stream->in, sizeof stream->in, err);
    if (got < 0)
        return -1;
    stream->in_at = 0;
    stream->in_end = (size_t)got;
    stream->is_at_eof = got == 0;
    return 0;
}

/* Enough octets to tell the magic: a pipe may give them one by one. */
static int read_magic(struct sf_stream *stream, struct sf_error *err)
{
    while (stream->in_end < SF_MAGIC_LEN) {
        ssize_t got =
            read_some(stream, stream->in + stream->in_end, sizeof stream->in - stream->in_end, err);
        if (got < 0)
            return -1;
        if (got == 0)
            break;
        stream->in_end += (size_t)got;
    }
    return 0;
}

static int choose_codec(struct sf_stream *stream, struct sf_error *err)
{
    if (read_magic(stream, err) != 0)
        return -1;
    const struct codec *codec = codec_of(stream->in, stream->in_end);
    if (codec == NULL)
        return 0;
    if (codec->open == NULL)
        return sf_fail(err, "%s-compressed, which this build cannot read", codec->name);
    if (codec->open(stream) != 0)
        return sf_fail(err, "cannot begin to decompress %s", codec->name);
    stream->codec = codec;
    return 0;
}

int sf_stream_open(struct sf_stream **out, int fd, const atomic_bool *stop, struct sf_error *err)
{
    struct sf_stream *stream = calloc(1, sizeof *stream);
    if (stream == NULL) {
        close(fd);
        return sf_fail(err, "%s", strerror(ENOMEM));
    }
    stream->fd = fd;
    stream->stop = stop;
    if (choose_codec(stream, err) != 0) {
        sf_stream_close(stream);
        return -1;
    }
    *out = stream;
    return 0;
}

const char *sf_stream_format(const struct sf_stream *stream)
{
    return stream->codec != NULL ? stream->codec->name : NULL;
}

static ssize_t read_plain(struct sf_stream *stream, uint8_t *buf, size_t len, struct sf_error *err)
{
    size_t held = stream->in_end - stream->in_at;
    if (held == 0)
        return read_some(stream, buf, len, err);
    if (held > len)
        held = len;
    memcpy(buf, stream->in + stream->in_at, held);
    stream->in_at += held;
    return (ssize_t)held;
}

ssize_t sf_stream_read(struct sf_stream *stream, uint8_t *buf, size_t len, struct sf_error *err)
{
    const struct codec *codec = stream->codec;
    if (codec == NULL)
        return read_plain(stream, buf, len, err);
    for (;;) {
        bool was_held = stream->may_hold_more; /* then no input is taken */
        if (!was_held && stream->in_at == stream->in_end && !stream->is_at_eof &&
            refill(stream, err) != 0)
            return -1;
        size_t before = stream->in_at;
        const char *why = "no progress";
        ssize_t made = codec->decode(stream, buf, len, &why);
        if (made > 0)
            return made;
        bool is_stuck = !was_held && stream->in_at == before && before < stream->in_end;
        if (made < 0 || is_stuck)
            return sf_fail(err, "damaged %s data (%s)", codec->name, why);
        if (!was_held && stream->is_at_eof && stream->in_at == stream->in_end)
            return stream->is_between_frames ? 0 : sf_fail(err, "%s data cut short", codec->name);
    }
}

uint64_t sf_stream_consumed(const struct sf_stream *stream)
{
    return stream->consumed;
}

void sf_stream_close(struct sf_stream *stream)
{
    if (stream == NULL)
        return;
    if (stream->codec != NULL)
        stream->codec->close(stream);
    close(stream->fd);
    free(stream);
}
