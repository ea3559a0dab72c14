/* Keys to wishes; nothing is computed here but what is selected and how far it is scrolled. */
#include "synfin/panel.h"

#include <stdio.h>
#include <string.h>

#include "panel_internal.h"
#include "synfin/where.h"

const char *sf_panel_sort_name(enum sf_panel_sort sort)
{
    static const char *const names[SF_PANEL_SORTS] = {
        [SF_PANEL_BY_SEVERITY] = "severity", [SF_PANEL_BY_RESENT] = "retransmissions",
        [SF_PANEL_BY_RTT] = "round trip",    [SF_PANEL_BY_BYTES] = "bytes",
        [SF_PANEL_BY_AGE] = "oldest",        [SF_PANEL_BY_START] = "newest",
    };
    return names[sort];
}

/* --- moving ----------------------------------------------------------------------------------- */

/* Where the key leads from `at` among `count` places, a page of which is seen. */
static size_t moved(int key, size_t at, size_t count, size_t page)
{
    size_t last = count > 0 ? count - 1 : 0;
    size_t step = page > 1 ? page - 1 : 1;
    switch (key) {
    case SF_KEY_UP: return at > 0 ? at - 1 : 0;
    case SF_KEY_DOWN: return at < last ? at + 1 : last;
    case SF_KEY_PAGE_UP: return at > step ? at - step : 0;
    case SF_KEY_PAGE_DOWN: return at + step < last ? at + step : last;
    case SF_KEY_HOME: return 0;
    case SF_KEY_END: return last;
    default: return at;
    }
}

static void move_row(struct sf_panel *panel, const struct sf_panel_view *view, int key)
{
    size_t at = moved(key, panel->row_at, view->row_count, sf_panel_table_rows(panel));
    panel->row_at = at;
    panel->selected_id = at < view->row_count ? view->rows[at].id : 0;
}

/* --- the line in which an expression is written ----------------------------------------------- */

/* "unknown field: foo == 1": the sentence, and the text from where its caret stands. */
static void keep_error(struct sf_panel *panel, const char *text)
{
    int len = (int)strcspn(text, "\n");
    const char *shown = text[len] == '\n' ? text + len + 1 : "";
    size_t shown_len = strcspn(shown, "\n");
    size_t caret = shown[shown_len] == '\n' ? strcspn(shown + shown_len + 1, "^") : shown_len;
    bool has_place = caret < shown_len;
    snprintf(panel->error, sizeof panel->error, "%.*s%s%.*s", len, text, has_place ? ": " : "",
             has_place ? (int)(shown_len - caret) : 0, shown + caret);
}

static void take_expression(struct sf_panel *panel)
{
    struct sf_error err;
    struct sf_where *where = NULL;
    panel->error[0] = '\0';
    if (panel->edit[0] != '\0' && (where = sf_where_compile(panel->edit, &err)) == NULL) {
        keep_error(panel, err.text);
        return;
    }
    sf_where_free(where);
    memcpy(panel->wish.filter, panel->edit, sizeof panel->wish.filter);
    panel->mode = SF_PANEL_TABLE;
    panel->row_at = 0;
    panel->selected_id = 0;
}

static void edit_key(struct sf_panel *panel, int key)
{
    size_t len = strlen(panel->edit);
    if (key == SF_KEY_ENTER) {
        take_expression(panel);
    } else if (key == SF_KEY_ESCAPE) {
        panel->mode = SF_PANEL_TABLE;
        panel->error[0] = '\0';
    } else if (key == SF_KEY_BACKSPACE && len > 0) {
        panel->edit[len - 1] = '\0';
    } else if (key >= ' ' && key <= '~' && len + 1 < sizeof panel->edit) {
        panel->edit[len] = (char)key;
        panel->edit[len + 1] = '\0';
    }
}

/* --- the table, the anomalies, the ladder ----------------------------------------------------- */

static void open_story(struct sf_panel *panel, const struct sf_panel_view *view)
{
    uint64_t id = panel->selected_id;
    if (panel->is_in_news)
        id = panel->news_top < view->news_count ? view->news[panel->news_top].conn : 0;
    else if (id == 0 && view->row_count > 0)
        id = view->rows[0].id;
    if (id == 0)
        return;
    panel->wish.story_id = id;
    panel->story_top = 0;
    panel->mode = SF_PANEL_STORY;
}

static void table_key(struct sf_panel *panel, const struct sf_panel_view *view, int key)
{
    switch (key) {
    case 's':
        panel->wish.sort = (enum sf_panel_sort)((panel->wish.sort + 1) % SF_PANEL_SORTS);
        panel->row_at = 0;
        panel->selected_id = 0;
        break;
    case 'a':
        panel->wish.least =
            panel->wish.least == SF_PROBLEM ? SF_NOTE : (enum sf_severity)(panel->wish.least + 1);
        panel->news_top = 0;
        break;
    case '/':
        panel->mode = SF_PANEL_EDIT;
        memcpy(panel->edit, panel->wish.filter, sizeof panel->edit);
        break;
    case SF_KEY_TAB: panel->is_in_news = !panel->is_in_news; break;
    case SF_KEY_ENTER: open_story(panel, view); break;
    case SF_KEY_ESCAPE:
        panel->is_in_news = false;
        panel->news_top = 0;
        break;
    default:
        if (panel->is_in_news)
            panel->news_top =
                moved(key, panel->news_top, view->news_count, sf_panel_news_rows(panel));
        else
            move_row(panel, view, key);
    }
}

/* Lines of the story are counted when it is drawn: too far is put right there. */
static void story_key(struct sf_panel *panel, int key)
{
    if (key == SF_KEY_ESCAPE || key == SF_KEY_ENTER || key == SF_KEY_BACKSPACE) {
        panel->mode = SF_PANEL_TABLE;
        panel->wish.story_id = 0;
        return;
    }
    panel->story_top = moved(key, panel->story_top, SIZE_MAX, panel->height - 1);
}

bool sf_panel_key(struct sf_panel *panel, const struct sf_panel_view *view, int key)
{
    if (panel->mode == SF_PANEL_EDIT) {
        edit_key(panel, key);
        return false;
    }
    if (panel->mode == SF_PANEL_HELP) {
        panel->mode = SF_PANEL_TABLE;
        return false;
    }
    bool is_in_story = panel->mode == SF_PANEL_STORY;
    switch (key) {
    case 'q':
        if (!is_in_story)
            return true;
        story_key(panel, SF_KEY_ESCAPE);
        return false;
    case 'p': panel->is_paused = !panel->is_paused; return false;
    case 'h':
    case '?':
        if (!is_in_story)
            panel->mode = SF_PANEL_HELP;
        return false;
    default: break;
    }
    if (is_in_story)
        story_key(panel, key);
    else
        table_key(panel, view, key);
    return false;
}
