/* The history: a letter for what happened, upper case when it was the originator's doing. */
#include <string.h>

#include "view_internal.h"

static void add_letter(struct sf_views *views, struct sf_view_slot *slot, char letter)
{
    struct sf_zeek_conn *conn = &slot->zeek;
    unsigned at = conn->history_len;
    if (at >= SF_ZEEK_HISTORY - 1)
        return;
    if (at < SF_ZEEK_HISTORY_INLINE) {
        conn->history[at] = letter;
    } else {
        struct sf_view_rare *rare = sf_view_take_rare(views, slot);
        if (rare == NULL)
            return;
        rare->history[at - SF_ZEEK_HISTORY_INLINE] = letter;
    }
    conn->history_len++;
}

void sf_zeek_history(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                     char letter)
{
    bool is_originator = slot->zeek.originator == dir;
    add_letter(views, slot, is_originator ? letter : (char)(letter - 'A' + 'a'));
}

void sf_zeek_scaled_history(struct sf_views *views, struct sf_view_slot *slot, enum sf_dir dir,
                            char letter, uint32_t *count)
{
    uint32_t rest = ++*count;
    while (rest % 10 == 0)
        rest /= 10;
    if (rest == 1)
        sf_zeek_history(views, slot, dir, letter);
}

void sf_zeek_flip(struct sf_views *views, struct sf_view_slot *slot)
{
    slot->zeek.originator = !slot->zeek.originator;
    slot->zeek.is_partial = false;
    add_letter(views, slot, '^');
}

void sf_zeek_history_text(const struct sf_view_slot *slot, char out[SF_ZEEK_HISTORY])
{
    memset(out, 0, SF_ZEEK_HISTORY);
    memcpy(out, slot->zeek.history, SF_ZEEK_HISTORY_INLINE);
    if (slot->zeek.history_len > SF_ZEEK_HISTORY_INLINE)
        memcpy(out + SF_ZEEK_HISTORY_INLINE, slot->rare->history, sizeof slot->rare->history - 1);
}
