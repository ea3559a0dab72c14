/* One segment as xplot's drawing commands: white for what is sent, red for what is sent again,
 * green for the acknowledgement, yellow for the window, purple for SACK. */

#include "synfin/address.h"
#include "xplot.h"

/* A number further off than this belongs to no octet of the graph and would squeeze it into a line:
 * an ACK of an older connection, a RST of a host that knows none. Octets. */
static const int64_t FAR = 1 << 24;
/* The repeat that starts a fast retransmission: RFC 5681 §3.2. */
enum { REPEATS_MARKED = 3 };

/* --- the commands ----------------------------------------------------------------------------- */

/* " seconds.microseconds number": all the precision that xplot reads. */
static void put_place(struct sf_buffer *text, sf_ns t, int64_t y)
{
    bool before_1970 = t < 0;
    uint64_t us = (before_1970 ? 0 - (uint64_t)t : (uint64_t)t) / (uint64_t)SF_USEC;
    sf_put_text(text, before_1970 ? " -" : " ");
    sf_put_count(text, us / 1000000);
    sf_put_char(text, '.');
    for (uint64_t unit = 100000; unit > 0; unit /= 10)
        sf_put_char(text, (char)('0' + us / unit % 10));
    sf_put_char(text, ' ');
    sf_put_signed(text, y);
}

static void put_color(struct sf_buffer *text, const char *color)
{
    sf_put_text(text, color);
    sf_put_char(text, '\n');
}

/* `color` of this mark alone; NULL: the one that holds. */
static void put_mark(struct sf_buffer *text, const char *shape, sf_ns t, int64_t y,
                     const char *color)
{
    sf_put_text(text, shape);
    put_place(text, t, y);
    if (color != NULL) {
        sf_put_char(text, ' ');
        sf_put_text(text, color);
    }
    sf_put_char(text, '\n');
}

static void put_line(struct sf_buffer *text, sf_ns t, int64_t y, sf_ns to_t, int64_t to_y)
{
    sf_put_text(text, "line");
    put_place(text, t, y);
    put_place(text, to_t, to_y);
    sf_put_char(text, '\n');
}

/* Words above a place. */
static void put_words(struct sf_buffer *text, sf_ns t, int64_t y, const char *color,
                      const char *words)
{
    put_mark(text, "atext", t, y, color);
    sf_put_text(text, words);
    sf_put_char(text, '\n');
}

static void put_end(struct sf_buffer *text, const struct sf_flow_key *key, enum sf_dir dir)
{
    char address[SF_ADDRESS_TEXT];
    bool is_6 = key->scope.ip_version == 6;
    sf_address_text(address, key->addr[dir], key->scope.ip_version);
    sf_put_format(text, is_6 ? "[%s]:%u" : "%s:%u", address, key->port[dir]);
}

static void put_title(struct sf_buffer *text, const struct sf_segment_line *line, enum sf_dir dir)
{
    const struct sf_flow_key *key = &line->segment->key;
    sf_put_text(text, "timeval double\ntitle\n");
    put_end(text, key, dir);
    sf_put_text(text, "_==>_");
    put_end(text, key, sf_dir_other(dir));
    sf_put_text(text, " (time sequence graph, connection ");
    sf_put_count(text, line->judgement->conn);
    sf_put_text(text, ", relative sequence numbers)\n"
                      "xlabel\ntime\nylabel\nrelative sequence number\n");
}

/* --- what is sent ----------------------------------------------------------------------------- */

#define LABEL(name) (UINT32_C(1) << SF_LABEL_##name)

struct verdict {
    uint32_t labels;
    const char *words;       /* above the segment, NULL: none */
    const char *words_color; /* of them alone */
    const char *color;       /* of the segment */
};

/* The first that fits is written. */
static const struct verdict verdicts[] = {
    {LABEL(CAPTURE_DUPLICATE), "HD", "blue", "blue"},
    {LABEL(KEEP_ALIVE), "K", "magenta", "white"},
    {LABEL(ZERO_WINDOW_PROBE), "P", "magenta", "white"},
    {LABEL(SPURIOUS_RETRANSMISSION), "R spurious", "red", "red"},
    {LABEL(FAST_RETRANSMISSION), "R fast", "red", "red"},
    {LABEL(RETRANSMISSION), "R", "red", "red"},
    {LABEL(OUT_OF_ORDER), "O", "pink", "white"},
    {LABEL(TAP_REORDER), "O tap", "pink", "white"},
    {0, NULL, NULL, "white"},
};

static const struct verdict *verdict_of(uint32_t labels)
{
    const struct verdict *verdict = verdicts;
    while (verdict->labels != 0 && (verdict->labels & labels) == 0)
        verdict++;
    return verdict;
}

/* "SYN", "R SYN": a segment without octets says which control bit it carries. */
static void put_control(struct sf_buffer *text, sf_ns t, int64_t y, const struct verdict *verdict,
                        const char *name)
{
    put_mark(text, "atext", t, y, NULL);
    if (verdict->words != NULL) {
        sf_put_text(text, verdict->words);
        sf_put_char(text, ' ');
    }
    sf_put_text(text, name);
    sf_put_char(text, '\n');
}

static void draw_syn(struct sf_buffer *text, sf_ns t, int64_t begin, int64_t end,
                     const struct verdict *verdict)
{
    put_color(text, verdict->words != NULL ? verdict->color : "orange");
    put_mark(text, "diamond", t, begin, NULL);
    put_control(text, t, end, verdict, "SYN");
    put_mark(text, "uarrow", t, end, NULL);
    put_line(text, t, begin, t, end);
}

static void draw_fin(struct sf_buffer *text, sf_ns t, int64_t begin, int64_t end,
                     const struct verdict *verdict)
{
    put_color(text, verdict->words != NULL ? verdict->color : "orange");
    put_mark(text, "darrow", t, begin, NULL);
    put_line(text, t, begin, t, end);
    put_mark(text, "box", t, end, NULL);
    put_control(text, t, end, verdict, "FIN");
}

/* Data, or a bare ACK: then both arrows meet. */
static void draw_octets(struct sf_buffer *text, sf_ns t, int64_t begin, int64_t end, bool pushes,
                        const struct verdict *verdict)
{
    if (verdict->words != NULL)
        put_words(text, t, end, verdict->words_color, verdict->words);
    put_color(text, verdict->color);
    put_mark(text, "darrow", t, begin, NULL);
    if (pushes && end != begin) {
        put_mark(text, "diamond", t, end, "white");
        put_mark(text, "dot", t, end, "white");
    } else {
        put_mark(text, "uarrow", t, end, NULL);
    }
    if (end != begin)
        put_line(text, t, begin, t, end);
}

/* ECN as RFC 3168 has it; on a SYN, CWR only offers it. */
static void draw_signals(struct sf_buffer *text, const struct sf_segment *seg, int64_t end)
{
    if (seg->flags & SF_TH_URG)
        put_words(text, seg->ts_ns, end, "red", "U");
    if ((seg->flags & SF_TH_CWR) && !(seg->flags & SF_TH_SYN))
        put_words(text, seg->ts_ns, end, "yellow", "CWR");
    if (seg->ip_ecn == 3)
        put_words(text, seg->ts_ns, end, "pink", "CE");
}

static void draw_sent(struct sf_graph *graph, const struct sf_segment_line *line)
{
    const struct sf_segment *seg = line->segment;
    struct sf_buffer *text = &graph->text;
    sf_ns t = seg->ts_ns;
    /* A SYN that may open another connection is judged by the numbers of the one before. */
    int64_t begin = seg->flags & SF_TH_SYN ? 0 : line->judgement->seq;
    int64_t end = begin + sf_segment_seq_len(seg);
    const struct verdict *verdict = verdict_of(line->judgement->labels);
    if (seg->flags & SF_TH_SYN)
        draw_syn(text, t, begin, end, verdict);
    else if (seg->flags & SF_TH_FIN)
        draw_fin(text, t, begin, end, verdict);
    else
        draw_octets(text, t, begin, end, seg->flags & SF_TH_PSH, verdict);
    draw_signals(text, seg, end);
    graph->has_octets = graph->has_octets || end != begin;
    if (!graph->has_high || end > graph->high)
        graph->high = end;
    graph->has_high = true;
}

/* --- what is answered ------------------------------------------------------------------------- */

static bool is_far(const struct sf_graph *graph, int64_t y)
{
    return (graph->has_high && y > graph->high + FAR) ||
           (graph->has_acks && y < graph->ack - FAR) ||
           (graph->has_high && !graph->has_acks && y < graph->high - FAR);
}

static void draw_step(struct sf_buffer *text, const char *tick, sf_ns from_t, int64_t from, sf_ns t,
                      int64_t to)
{
    put_line(text, from_t, from, t, from);
    if (to != from)
        put_line(text, t, from, t, to);
    else
        put_mark(text, tick, t, to, NULL);
}

/* The first block reports octets that came twice: RFC 2883 §4. */
static bool is_dsack(const struct sf_segment *seg)
{
    const struct sf_sack_block *block = seg->options.sack;
    if (!sf_seq_before(seg->ack, block[0].end))
        return true;
    return seg->options.sack_count > 1 && !sf_seq_before(block[0].begin, block[1].begin) &&
           !sf_seq_before(block[1].end, block[0].end);
}

/* Blocks are numbered where there are several: the first tells of the segment that came last. */
static void draw_sack(struct sf_buffer *text, const struct sf_segment *seg, int64_t ack)
{
    if (!sf_segment_has(seg, SF_OPT_HAS_SACK) || seg->options.sack_count == 0)
        return;
    int64_t first_end = ack;
    put_color(text, "purple");
    for (uint8_t i = 0; i < seg->options.sack_count; i++) {
        const struct sf_sack_block *block = &seg->options.sack[i];
        int64_t begin = ack + sf_seq_distance(seg->ack, block->begin);
        int64_t end = ack + sf_seq_distance(seg->ack, block->end);
        put_line(text, seg->ts_ns, begin, seg->ts_ns, end);
        put_mark(text, "htick", seg->ts_ns, begin, NULL);
        put_mark(text, "htick", seg->ts_ns, end, NULL);
        if (i == 0)
            first_end = end;
        if (seg->options.sack_count > 1) {
            put_mark(text, "rtext", seg->ts_ns, end, NULL);
            sf_put_count(text, i + 1u);
            sf_put_char(text, '\n');
        }
    }
    put_words(text, seg->ts_ns, first_end, NULL, is_dsack(seg) ? "DS" : "S");
}

/* An acknowledgement that goes back came out of order: it moves neither line. */
static void draw_lines(struct sf_graph *graph, const struct sf_segment_line *line, int64_t ack)
{
    struct sf_buffer *text = &graph->text;
    sf_ns t = line->segment->ts_ns;
    int64_t edge = ack + (int64_t)line->judgement->window;
    if (graph->has_acks) {
        put_color(text, "green");
        if (ack < graph->ack) {
            put_mark(text, "dtick", t, ack, NULL);
            return;
        }
        draw_step(text, "dtick", graph->ack_ns, graph->ack, t, ack);
        if (ack != graph->ack)
            graph->repeats = 0;
        graph->repeats += (line->judgement->labels & LABEL(DUPLICATE_ACK)) != 0;
        if (graph->repeats == REPEATS_MARKED && line->judgement->labels & LABEL(DUPLICATE_ACK))
            put_words(text, t, ack, NULL, "3");
        put_color(text, "yellow");
        draw_step(text, "utick", graph->ack_ns, graph->edge, t, edge);
    }
    graph->has_acks = true;
    graph->ack_ns = t;
    graph->ack = ack;
    graph->edge = edge;
}

static void draw_answer(struct sf_graph *graph, const struct sf_segment_line *line)
{
    const struct sf_segment *seg = line->segment;
    int64_t ack = line->judgement->ack;
    uint32_t labels = line->judgement->labels;
    bool is_copy = labels & LABEL(CAPTURE_DUPLICATE);
    if (!(seg->flags & SF_TH_ACK) || is_copy || is_far(graph, ack))
        return;
    if (labels & LABEL(ZERO_WINDOW))
        put_words(&graph->text, seg->ts_ns, ack, "magenta", "Z");
    draw_lines(graph, line, ack);
    draw_sack(&graph->text, seg, ack);
}

/* A RST's number is often not of its stream: then the words stand at what was sent last. */
static void draw_reset(struct sf_graph *sent, struct sf_graph *answered,
                       const struct sf_segment_line *line)
{
    sf_ns t = line->segment->ts_ns;
    int64_t y = line->judgement->seq;
    if (!sent->has_high || is_far(sent, y))
        y = sent->has_high ? sent->high : 0;
    put_color(&sent->text, "white");
    put_mark(&sent->text, "darrow", t, y, NULL);
    put_mark(&sent->text, "uarrow", t, y, NULL);
    put_words(&sent->text, t, y, "magenta", "RST_OUT");
    int64_t to = answered->has_acks ? answered->ack : answered->has_high ? answered->high : 0;
    put_words(&answered->text, t, to, "magenta", "RST_IN");
}

void sf_plot_draw(struct sf_plot *plot, const struct sf_segment_line *line)
{
    enum sf_dir dir = line->segment->dir;
    struct sf_graph *sent = &plot->graph[dir], *answered = &plot->graph[sf_dir_other(dir)];
    for (int i = 0; i < SF_DIR_COUNT; i++) {
        if (!plot->graph[i].has_title)
            put_title(&plot->graph[i].text, line, (enum sf_dir)i);
        plot->graph[i].has_title = true;
    }
    if (line->segment->flags & SF_TH_RST) {
        draw_reset(sent, answered, line);
        return;
    }
    draw_sent(sent, line);
    draw_answer(answered, line);
}
