/* The only file that knows curses. Curses is touched by the drawing thread alone, between start and
 * close; a terminal that does not take what is drawn holds up that thread and not the capture. */
#include "screen.h"

#include <curses.h>
#include <fcntl.h>
#include <langinfo.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "screen_guard.h"

enum { KEYS_WAIT_MS = 50, PAIR_RED = 1, PAIR_YELLOW = 2, NARROWEST = 20, CONTROL_L = 12 };

static const sf_ns LOOK_EVERY = 250 * SF_MSEC;
static const sf_ns LOOK_SOON = 50 * SF_MSEC;
static const sf_ns NOTICE_SHOWN = 10 * SF_SEC;

/* What a look finds. */
struct scene {
    struct sf_panel_view view;
    struct sf_buffer story;
};

struct sf_screen {
    const struct sf_cli_options *options;
    struct sf_sink_options terminal; /* color, unicode */
    struct sf_screen_guard guard;
    struct sf_signals *signals;
    pthread_t thread;
    bool is_running;
    atomic_bool is_ending, is_look_wanted;
    int said;           /* what standard error was sent to meanwhile, or -1 */
    int standard_error; /* where it went before, or -1 */

    /* The capture's thread. */
    struct sf_board *board;
    struct scene *seen;
    sf_ns looked_ns;

    pthread_mutex_t lock; /* of the two below */
    struct scene *handed; /* from that thread to the other */
    bool is_news;         /* it is not fetched yet */
    struct sf_panel_wish wish;

    /* The drawing thread. */
    SCREEN *curses;
    struct scene *shown;
    struct sf_panel panel;
    struct sf_buffer lines;
    off_t said_read;
    sf_ns said_ns;
};

static sf_ns machine_time(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (sf_ns)now.tv_sec * SF_SEC + now.tv_nsec;
}

/* --- whether there is a screen ---------------------------------------------------------------- */

static bool is_foreground_terminal(int fd)
{
    return isatty(fd) && tcgetpgrp(fd) == getpgrp();
}

static bool is_fit(const struct sf_cli_options *options)
{
    return options->interfaces.count > 0 && options->outputs.count == 0 &&
           options->fields == NULL && is_foreground_terminal(STDIN_FILENO) &&
           is_foreground_terminal(STDOUT_FILENO);
}

static bool wants_color(const struct sf_cli_options *options)
{
    const char *no_color = getenv("NO_COLOR");
    bool is_refused = no_color != NULL && no_color[0] != '\0' && options->color == SF_WHEN_AUTO;
    return options->color != SF_WHEN_NEVER && !is_refused;
}

static struct scene *scene_new(const struct sf_cli_options *options)
{
    struct scene *scene = calloc(1, sizeof *scene);
    if (scene == NULL)
        return NULL;
    scene->view.source = options->interfaces.words[0];
    scene->view.begin_ns = scene->view.now_ns = machine_time(CLOCK_REALTIME);
    return scene;
}

static void scene_free(struct scene *scene)
{
    if (scene != NULL)
        sf_buffer_dispose(&scene->story);
    free(scene);
}

struct sf_screen *sf_screen_open(const struct sf_cli_options *options)
{
    if (!is_fit(options))
        return NULL;
    struct sf_screen *screen = calloc(1, sizeof *screen);
    if (screen == NULL)
        return NULL;
    pthread_mutex_init(&screen->lock, NULL);
    screen->options = options;
    screen->said = screen->standard_error = -1;
    screen->terminal.color = wants_color(options);
    screen->terminal.unicode = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    screen->board = sf_board_new(machine_time(CLOCK_REALTIME));
    screen->seen = scene_new(options);
    screen->handed = scene_new(options);
    screen->shown = scene_new(options);
    if (screen->board != NULL && screen->seen != NULL && screen->handed != NULL &&
        screen->shown != NULL && sf_screen_guard_start(&screen->guard) == 0)
        return screen;
    sf_screen_close(screen);
    return NULL;
}

struct sf_board *sf_screen_board(struct sf_screen *screen)
{
    return screen->board;
}

/* --- the capture's side ----------------------------------------------------------------------- */

static void swap(struct scene **a, struct scene **b)
{
    struct scene *held = *a;
    *a = *b;
    *b = held;
}

void sf_screen_moment(struct sf_screen *screen, struct sf_tracker *tracker, uint64_t packets,
                      uint64_t tcp_packets, uint64_t dropped)
{
    sf_ns since = machine_time(CLOCK_MONOTONIC) - screen->looked_ns;
    if (since < LOOK_SOON || (since < LOOK_EVERY && !atomic_load(&screen->is_look_wanted)))
        return;
    screen->looked_ns += since;
    atomic_store(&screen->is_look_wanted, false);
    struct sf_board_totals totals = {packets, tcp_packets, dropped, machine_time(CLOCK_REALTIME)};
    pthread_mutex_lock(&screen->lock);
    struct sf_panel_wish wish = screen->wish;
    pthread_mutex_unlock(&screen->lock);
    sf_board_look(screen->board, tracker, &totals, &wish, &screen->terminal, &screen->seen->view,
                  &screen->seen->story);
    pthread_mutex_lock(&screen->lock);
    swap(&screen->seen, &screen->handed);
    screen->is_news = true;
    pthread_mutex_unlock(&screen->lock);
}

/* --- drawing ---------------------------------------------------------------------------------- */

static int attribute_of(int sgr)
{
    switch (sgr) {
    case 1: return (int)A_BOLD;
    case 2: return (int)A_DIM;
    case 7: return (int)A_REVERSE;
    case 31: return COLOR_PAIR(PAIR_RED);
    case 33: return COLOR_PAIR(PAIR_YELLOW);
    default: return (int)A_NORMAL;
    }
}

/* A line of text with SGR sequences "ESC [ N m". */
static void draw_line(int y, const char *at, size_t len)
{
    const char *end = at + len;
    move(y, 0);
    attrset((int)A_NORMAL);
    while (at < end) {
        const char *escape = memchr(at, '\033', (size_t)(end - at));
        size_t part = (size_t)((escape != NULL ? escape : end) - at);
        if (part > 0)
            addnstr(at, (int)part);
        if (escape == NULL)
            break;
        char *after;
        attrset(attribute_of((int)strtol(escape + 2, &after, 10)));
        at = after + 1;
    }
    attrset((int)A_NORMAL);
    if (getcury(stdscr) == y)
        clrtoeol();
}

static void draw(struct sf_screen *screen)
{
    struct sf_buffer *lines = &screen->lines;
    sf_buffer_clear(lines);
    sf_panel_draw(&screen->panel, &screen->shown->view, &screen->shown->story, lines);
    sf_put_char(lines, '\0');
    if (lines->failed)
        return;
    erase();
    const char *at = lines->data;
    for (int y = 0; y < LINES; y++) {
        size_t len = strcspn(at, "\n");
        draw_line(y, at, len);
        if (at[len] == '\0')
            break;
        at += len + 1;
    }
    refresh();
}

static void start_colors(const struct sf_screen *screen)
{
    if (!screen->terminal.color || !has_colors())
        return;
    start_color();
    use_default_colors();
    init_pair(PAIR_RED, COLOR_RED, -1);
    init_pair(PAIR_YELLOW, COLOR_YELLOW, -1);
}

static void take_size(struct sf_screen *screen)
{
    struct winsize size = {0};
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0 && size.ws_col > 0 &&
        (size.ws_row != LINES || size.ws_col != COLS))
        resizeterm(size.ws_row, size.ws_col);
    screen->panel.height = (unsigned)LINES;
    screen->panel.width = (unsigned)(COLS > NARROWEST ? COLS : NARROWEST);
    screen->panel.wish.width = screen->panel.width;
}

/* --- keys ------------------------------------------------------------------------------------- */

static int translate(int key)
{
    static const struct {
        int curses, key;
    } keys[] = {
        {KEY_UP, SF_KEY_UP},
        {KEY_DOWN, SF_KEY_DOWN},
        {KEY_PPAGE, SF_KEY_PAGE_UP},
        {KEY_NPAGE, SF_KEY_PAGE_DOWN},
        {KEY_HOME, SF_KEY_HOME},
        {KEY_END, SF_KEY_END},
        {KEY_ENTER, SF_KEY_ENTER},
        {'\r', SF_KEY_ENTER},
        {'\n', SF_KEY_ENTER},
        {'\033', SF_KEY_ESCAPE},
        {KEY_BACKSPACE, SF_KEY_BACKSPACE},
        {127, SF_KEY_BACKSPACE},
        {'\b', SF_KEY_BACKSPACE},
        {'\t', SF_KEY_TAB},
    };
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (keys[i].curses == key)
            return keys[i].key;
    return key < 128 ? key : 0;
}

static void share_wish(struct sf_screen *screen)
{
    pthread_mutex_lock(&screen->lock);
    bool is_other = memcmp(&screen->wish, &screen->panel.wish, sizeof screen->wish) != 0;
    screen->wish = screen->panel.wish;
    pthread_mutex_unlock(&screen->lock);
    if (is_other)
        atomic_store(&screen->is_look_wanted, true);
}

/* Whether something may have changed on the screen. */
static bool take_keys(struct sf_screen *screen)
{
    bool is_any = false;
    for (int key; (key = getch()) != ERR; is_any = true)
        if (key == CONTROL_L)
            clearok(curscr, TRUE);
        else if (sf_panel_key(&screen->panel, &screen->shown->view, translate(key)))
            sf_signals_stop(screen->signals);
    return is_any;
}

/* A paused screen changes only to what was asked for since. */
static bool fetch(struct sf_screen *screen)
{
    const struct sf_panel_wish *wish = &screen->panel.wish;
    pthread_mutex_lock(&screen->lock);
    bool is_answer = memcmp(&screen->handed->view.wish, wish, sizeof *wish) == 0 &&
                     memcmp(&screen->shown->view.wish, wish, sizeof *wish) != 0;
    bool is_taken = screen->is_news && (!screen->panel.is_paused || is_answer);
    if (is_taken) {
        swap(&screen->handed, &screen->shown);
        screen->is_news = false;
    }
    pthread_mutex_unlock(&screen->lock);
    return is_taken;
}

/* The last line that was said on standard error, for a while. */
static bool take_notice(struct sf_screen *screen)
{
    char text[sizeof screen->panel.notice * 2];
    char *notice = screen->panel.notice;
    sf_ns now = machine_time(CLOCK_MONOTONIC);
    ssize_t n =
        screen->said < 0 ? 0 : pread(screen->said, text, sizeof text - 1, screen->said_read);
    if (n <= 0) {
        bool is_old = notice[0] != '\0' && now - screen->said_ns > NOTICE_SHOWN;
        if (is_old)
            notice[0] = '\0';
        return is_old;
    }
    screen->said_read += n;
    screen->said_ns = now;
    while (n > 0 && text[n - 1] == '\n')
        n--;
    text[n] = '\0';
    const char *last = strrchr(text, '\n');
    last = last != NULL ? last + 1 : text;
    size_t len = strnlen(last, sizeof screen->panel.notice - 1);
    memcpy(notice, last, len);
    notice[len] = '\0';
    return true;
}

/* False when the terminal is gone. */
static bool wait_for_keys(void)
{
    struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
    int ready = poll(&in, 1, KEYS_WAIT_MS);
    return ready <= 0 || (in.revents & (POLLHUP | POLLERR | POLLNVAL)) == 0;
}

static void *run(void *argument)
{
    struct sf_screen *screen = argument;
    sigset_t job_control;
    sigemptyset(&job_control);
    sigaddset(&job_control, SIGTSTP);
    pthread_sigmask(SIG_UNBLOCK, &job_control, NULL);
    while (!atomic_load(&screen->is_ending)) {
        unsigned width = screen->panel.width, height = screen->panel.height;
        bool is_changed = take_keys(screen);
        take_size(screen);
        share_wish(screen);
        is_changed = fetch(screen) || is_changed;
        is_changed = take_notice(screen) || is_changed;
        if (is_changed || width != screen->panel.width || height != screen->panel.height)
            draw(screen);
        if (wait_for_keys())
            continue;
        sf_signals_stop(screen->signals);
        return NULL;
    }
    return NULL;
}

/* --- taking the terminal and giving it back --------------------------------------------------- */

/* So that nothing is written into the screen. Where it is no terminal, it stays as it is. */
static void hold_standard_error(struct sf_screen *screen)
{
    if (!isatty(STDERR_FILENO))
        return;
    screen->said = sf_screen_guard_said(&screen->guard);
    screen->standard_error = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    fflush(stderr);
    if (screen->said >= 0 && screen->standard_error >= 0)
        dup2(screen->said, STDERR_FILENO);
}

static void release_standard_error(struct sf_screen *screen)
{
    if (screen->standard_error < 0)
        return;
    fflush(stderr);
    dup2(screen->standard_error, STDERR_FILENO);
    close(screen->standard_error);
    screen->standard_error = -1;
    sf_screen_guard_repeat(screen->said, STDERR_FILENO);
}

static void block(int how)
{
    sigset_t job_control;
    sigemptyset(&job_control);
    sigaddset(&job_control, SIGTSTP);
    pthread_sigmask(how, &job_control, NULL);
}

int sf_screen_take(struct sf_screen *screen)
{
    tzset();
    screen->curses = newterm(NULL, stdout, stdin);
    if (screen->curses == NULL)
        return -1;
    set_escdelay(25);
    cbreak();
    noecho();
    nodelay(stdscr, TRUE);
    keypad(stdscr, TRUE);
    curs_set(0);
    start_colors(screen);
    screen->panel.color = screen->terminal.color;
    screen->panel.unicode = screen->terminal.unicode;
    screen->panel.wish.least = SF_WARNING;
    take_size(screen);
    screen->wish = screen->panel.wish;
    hold_standard_error(screen);
    draw(screen);
    return 0;
}

int sf_screen_start(struct sf_screen *screen, struct sf_signals *signals)
{
    screen->signals = signals;
    block(SIG_BLOCK); /* curses answers it, in the thread that draws */
    screen->is_running = pthread_create(&screen->thread, NULL, run, screen) == 0;
    return screen->is_running ? 0 : -1;
}

void sf_screen_close(struct sf_screen *screen)
{
    if (screen == NULL)
        return;
    atomic_store(&screen->is_ending, true);
    if (screen->is_running) {
        pthread_join(screen->thread, NULL);
        block(SIG_UNBLOCK);
    }
    if (screen->curses != NULL) {
        endwin();
        delscreen(screen->curses);
    }
    release_standard_error(screen);
    sf_screen_guard_end(&screen->guard);
    scene_free(screen->seen);
    scene_free(screen->handed);
    scene_free(screen->shown);
    sf_board_free(screen->board);
    sf_buffer_dispose(&screen->lines);
    pthread_mutex_destroy(&screen->lock);
    free(screen);
}
