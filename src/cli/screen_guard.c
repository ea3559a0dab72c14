/* The guard only waits for the end of a pipe: that comes with any death, SIGKILL too. */
#include "screen_guard.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <term.h>
#include <termios.h>
#include <unistd.h>

enum { NOBODY = 65534, WORDS = 256 };

struct manner {
    struct termios modes;
    char words[WORDS]; /* that leave the screen and show the cursor */
    size_t words_len;
};

static bool has_word(const char *capability)
{
    const char *word = tigetstr(capability);
    return word != NULL && word != (const char *)-1;
}

static void add_word(struct manner *manner, const char *capability)
{
    const char *word = tigetstr(capability);
    size_t len = has_word(capability) ? strlen(word) : 0;
    if (len > WORDS - manner->words_len)
        return;
    memcpy(manner->words + manner->words_len, word, len);
    manner->words_len += len;
}

/* What terminfo says of TERM. False when that is no terminal whose cursor can be put anywhere. */
static bool read_words(struct manner *manner)
{
    int problem;
    if (setupterm(NULL, STDOUT_FILENO, &problem) != 0)
        return false;
    bool is_fit = has_word("cup");
    add_word(manner, "sgr0");
    add_word(manner, "rmkx");
    add_word(manner, "rmcup");
    add_word(manner, "cnorm");
    del_curterm(cur_term);
    return is_fit;
}

static void write_all(int fd, const char *at, size_t len)
{
    while (len > 0) {
        ssize_t n = write(fd, at, len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        at += n;
        len -= (size_t)n;
    }
}

void sf_screen_guard_repeat(int said, int out)
{
    char text[4096];
    off_t at = 0;
    for (ssize_t n; (n = pread(said, text, sizeof text, at)) > 0; at += n)
        write_all(out, text, (size_t)n);
}

/* Needs no right but what it has open. */
static void give_up_rights(void)
{
    if (geteuid() != 0)
        return;
    if (setgroups(0, NULL) != 0 || setresgid(NOBODY, NOBODY, NOBODY) != 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) != 0)
        return; /* it does no harm with them either */
}

/* A session of its own: job control does not stop it, the terminal's signals do not reach it. */
static void guard(int alive, int said, const struct manner *manner)
{
    char end;
    sigset_t all;
    sigfillset(&all);
    sigprocmask(SIG_BLOCK, &all, NULL);
    setsid();
    give_up_rights();
    ssize_t n = read(alive, &end, 1);
    if (n > 0)
        _exit(0);
    tcsetattr(STDOUT_FILENO, TCSANOW, &manner->modes);
    write_all(STDOUT_FILENO, manner->words, manner->words_len);
    sf_screen_guard_repeat(said, STDERR_FILENO);
    _exit(0);
}

int sf_screen_guard_start(struct sf_screen_guard *out)
{
    struct manner manner = {0};
    int pipe_ends[2];
    if (tcgetattr(STDOUT_FILENO, &manner.modes) != 0 || !read_words(&manner))
        return -1;
    int said = memfd_create("synfin standard error", MFD_CLOEXEC);
    if (said < 0 || pipe2(pipe_ends, O_CLOEXEC) != 0) {
        if (said >= 0)
            close(said);
        return -1;
    }
    pid_t process = fork();
    if (process == 0) {
        close(pipe_ends[1]);
        guard(pipe_ends[0], said, &manner);
    }
    close(pipe_ends[0]);
    *out = (struct sf_screen_guard){process, pipe_ends[1], said};
    if (process > 0)
        return 0;
    close(pipe_ends[1]);
    close(said);
    *out = (struct sf_screen_guard){0};
    return -1;
}

int sf_screen_guard_said(const struct sf_screen_guard *guard)
{
    return guard->said;
}

void sf_screen_guard_end(struct sf_screen_guard *guard)
{
    if (guard->process <= 0)
        return;
    write_all(guard->alive, "e", 1);
    while (waitpid(guard->process, NULL, 0) < 0 && errno == EINTR)
        ;
    close(guard->alive);
    close(guard->said);
    *guard = (struct sf_screen_guard){0};
}
