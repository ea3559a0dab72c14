/* When an end's stream is over, and the connection with it. */
#include "view_internal.h"

/* The end asks to close: at once, or later when octets are still expected. */
static void close_end(struct sf_zeek_conn *conn, enum sf_dir dir, bool is_pending)
{
    struct sf_zeek_end *end = &conn->end[dir];
    const struct sf_zeek_end *peer = &conn->end[sf_dir_other(dir)];
    conn->close_deferred = is_pending;
    if (is_pending || end->did_close)
        return;
    end->did_close = true;
    bool is_complete =
        end->state == SF_ZEEK_RESET || peer->did_close || peer->state == SF_ZEEK_INACTIVE;
    if (!is_complete || conn->is_complete)
        return;
    conn->is_complete = true;
    conn->due_ns = conn->last_ns + SF_ZEEK_CLOSE_DELAY;
}

void sf_zeek_end_stream(struct sf_zeek_conn *conn, enum sf_dir dir, bool wants_close,
                        bool is_pending)
{
    struct sf_zeek_end *end = &conn->end[dir];
    if (!end->did_eof && !is_pending) {
        end->did_eof = true;
        if (conn->close_deferred)
            close_end(conn, dir, false);
    }
    if (wants_close)
        close_end(conn, dir, is_pending);
}
