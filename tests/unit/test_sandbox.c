/* What a process may still do after sf_sandbox_enter(): each attempt in a child of its own. */
#include "sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <pthread.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "landlock.h"
#include "syscalls.h"

/* A folder with in.pcap, other.pcap and out/, in which a run reads the first and writes out/x.json;
 * the process works there. */
struct scene {
    char folder[64];
    int terminal, other_end, socket;
};

static void make_file(const char *name, const char *text)
{
    FILE *file = fopen(name, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_scene(void **state)
{
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    strcpy(scene->folder, "/tmp/synfin-sandbox-XXXXXX");
    assert_non_null(mkdtemp(scene->folder));
    assert_int_equal(chdir(scene->folder), 0);
    assert_int_equal(mkdir("out", 0777), 0);
    make_file("in.pcap", "in");
    make_file("other.pcap", "other");
    make_file("out/old", "old");
    assert_int_equal(symlink("../other.pcap", "out/way_out"), 0);
    assert_int_equal(openpty(&scene->terminal, &scene->other_end, NULL, NULL, NULL), 0);
    scene->socket = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_true(scene->socket >= 0);
    *state = scene;
    return 0;
}

static int clear_scene(void **state)
{
    struct scene *scene = *state;
    char command[128];
    snprintf(command, sizeof command, "rm -r %s", scene->folder);
    assert_int_equal(chdir("/"), 0);
    assert_int_equal(system(command), 0);
    close(scene->terminal);
    close(scene->other_end);
    close(scene->socket);
    free(scene);
    return 0;
}

/* --- attempts: 0, or the error's number ------------------------------------------------------- */

static int opened(int fd)
{
    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int answer(int result)
{
    return result < 0 ? errno : 0;
}

static int read_input(const struct scene *scene)
{
    (void)scene;
    return opened(open("in.pcap", O_RDONLY));
}

static int make_and_rename(const struct scene *scene)
{
    (void)scene;
    int fd = open("out/x.json.part", O_WRONLY | O_CREAT | O_TRUNC, 0666);
    if (fd < 0 || write(fd, "x", 1) != 1 || ftruncate(fd, 0) != 0)
        return errno;
    close(fd);
    return answer(rename("out/x.json.part", "out/old"));
}

static int remove_output(const struct scene *scene)
{
    (void)scene;
    return answer(unlink("out/old"));
}

static int make_folder(const struct scene *scene)
{
    (void)scene;
    return answer(mkdir("out/more", 0777));
}

static int wait_and_ask(const struct scene *scene)
{
    (void)scene;
    uint64_t seed;
    struct timespec shortly = {0, 1000};
    if (poll(NULL, 0, 1) < 0 || nanosleep(&shortly, NULL) != 0)
        return errno;
    return answer((int)getrandom(&seed, sizeof seed, 0));
}

static int use_memory(const struct scene *scene)
{
    (void)scene;
    size_t size = 64 << 20;
    char *memory = malloc(size);
    if (memory == NULL)
        return errno;
    memset(memory, 1, size);
    char *larger = realloc(memory, 2 * size);
    free(larger != NULL ? larger : memory);
    return larger == NULL ? errno : 0;
}

static int set_terminal(const struct scene *scene)
{
    struct termios modes;
    if (tcgetattr(scene->terminal, &modes) != 0)
        return errno;
    modes.c_lflag &= ~(tcflag_t)ECHO;
    return answer(tcsetattr(scene->terminal, TCSADRAIN, &modes));
}

static int feed_terminal(const struct scene *scene)
{
    return answer(ioctl(scene->terminal, TIOCSTI, "x"));
}

static int ask_socket(const struct scene *scene)
{
    int type;
    socklen_t size = sizeof type;
    return answer(getsockopt(scene->socket, SOL_SOCKET, SO_TYPE, &type, &size));
}

static int read_other(const struct scene *scene)
{
    (void)scene;
    return opened(open("other.pcap", O_RDONLY));
}

static int read_passwords(const struct scene *scene)
{
    (void)scene;
    return opened(open("/etc/passwd", O_RDONLY));
}

static int list_folder(const struct scene *scene)
{
    (void)scene;
    return opened(open(".", O_RDONLY | O_DIRECTORY));
}

static int write_input(const struct scene *scene)
{
    (void)scene;
    return opened(open("in.pcap", O_WRONLY));
}

static int make_elsewhere(const struct scene *scene)
{
    (void)scene;
    return opened(open("new", O_WRONLY | O_CREAT, 0666));
}

static int move_elsewhere(const struct scene *scene)
{
    (void)scene;
    return answer(rename("out/old", "old"));
}

static int follow_link(const struct scene *scene)
{
    (void)scene;
    return opened(open("out/way_out", O_WRONLY));
}

static int make_link(const struct scene *scene)
{
    (void)scene;
    return answer(symlink("/etc/passwd", "out/another"));
}

static int make_socket(const struct scene *scene)
{
    (void)scene;
    return opened(socket(AF_INET, SOCK_STREAM, 0));
}

static int make_packet_socket(const struct scene *scene)
{
    (void)scene;
    return opened(socket(AF_PACKET, SOCK_RAW, 0));
}

static int make_process(const struct scene *scene)
{
    (void)scene;
    pid_t child = fork();
    if (child == 0)
        _exit(0);
    return answer(child);
}

static int run_program(const struct scene *scene)
{
    (void)scene;
    return answer(execl("/bin/true", "true", (char *)NULL));
}

static int trace_parent(const struct scene *scene)
{
    (void)scene;
    return answer((int)ptrace(PTRACE_ATTACH, getppid(), NULL, NULL));
}

static int signal_parent(const struct scene *scene)
{
    (void)scene;
    return answer(kill(getppid(), 0));
}

static int signal_itself(const struct scene *scene)
{
    (void)scene;
    return answer(kill(getpid(), 0));
}

static int make_code(const struct scene *scene)
{
    (void)scene;
    void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return page == MAP_FAILED ? EINVAL : answer(mprotect(page, 4096, PROT_READ | PROT_EXEC));
}

#if defined(__i386__)
/* By the call whose arguments lie in memory. */
static int make_code_as_of_old(const struct scene *scene)
{
    (void)scene;
    const uint32_t words[] = {0,          4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS,
                              UINT32_MAX, 0};
    return syscall(SYS_mmap, words, 0, 0) == -1 ? errno : 0;
}
#endif

static int become_root(const struct scene *scene)
{
    (void)scene;
    return answer(setuid(0));
}

static int change_mode(const struct scene *scene)
{
    (void)scene;
    return answer(chmod("out/old", 04777));
}

enum guard { NOTHING, LANDLOCK, SECCOMP };

enum { KILLED = -1 };

static const struct {
    const char *what;
    int (*attempt)(const struct scene *scene);
    int error; /* 0: it works */
    enum guard guard;
} attempts[] = {
    {"read the input again", read_input, 0, NOTHING},
    {"write an output and give it its name", make_and_rename, 0, NOTHING},
    {"remove an old output", remove_output, 0, NOTHING},
    {"make a folder for outputs", make_folder, 0, NOTHING},
    {"wait, ask for time and chance", wait_and_ask, 0, NOTHING},
    {"use memory", use_memory, 0, NOTHING},
    {"set the terminal", set_terminal, 0, NOTHING},
    {"ask a socket that is open", ask_socket, 0, NOTHING},
    {"signal itself", signal_itself, 0, NOTHING},
    {"read a file beside the input", read_other, EACCES, LANDLOCK},
    {"read the users", read_passwords, EACCES, LANDLOCK},
    {"list the folder of the input", list_folder, EACCES, LANDLOCK},
    {"write the input", write_input, EACCES, LANDLOCK},
    {"make a file beside the outputs' folder", make_elsewhere, EACCES, LANDLOCK},
    {"move an output out of its folder", move_elsewhere, EACCES, LANDLOCK},
    {"write through a link in the folder", follow_link, EACCES, LANDLOCK},
    {"make a link", make_link, EPERM, SECCOMP},
    {"make a socket", make_socket, EPERM, SECCOMP},
    {"capture on another device", make_packet_socket, EPERM, SECCOMP},
    {"feed the terminal", feed_terminal, EPERM, SECCOMP},
    {"make a process", make_process, EPERM, SECCOMP},
    {"run a program", run_program, KILLED, SECCOMP},
    {"trace its parent", trace_parent, KILLED, SECCOMP},
    {"signal its parent", signal_parent, EPERM, SECCOMP},
    {"make memory executable", make_code, EPERM, SECCOMP},
#if defined(__i386__)
    {"make code as of old", make_code_as_of_old, EPERM, SECCOMP},
#endif
    {"become root", become_root, EPERM, SECCOMP},
    {"let others run an output", change_mode, EPERM, SECCOMP},
};

enum { ATTEMPTS = sizeof attempts / sizeof attempts[0] };

static bool is_guarded(enum guard guard)
{
    switch (guard) {
    case NOTHING: return true;
    case LANDLOCK: return sf_landlock_version() > 0;
    case SECCOMP: return sf_syscalls_can_be_limited();
    }
    return false;
}

/* --- children --------------------------------------------------------------------------------- */

enum { ENTERING_FAILED = 200 };

static void enter_or_exit(bool no_sandbox)
{
    const char *input = "in.pcap", *output = "json:out/x.json";
    struct sf_cli_options options = {
        .files = {&input, 1}, .outputs = {&output, 1}, .no_sandbox = no_sandbox};
    struct sf_sandbox sandbox;
    struct sf_error err;
    if (sf_sandbox_begin(&sandbox, &options, &err) == 0 && sf_sandbox_check(&sandbox, &err) == 0 &&
        sf_sandbox_enter(&sandbox, &err) == 0)
        return;
    fprintf(stderr, "%s\n", err.text);
    _exit(ENTERING_FAILED);
}

struct trial {
    const struct scene *scene;
    size_t n;
    bool is_early; /* the thread waits for the sandbox to be entered */
    pthread_barrier_t entered;
    int result;
};

static void *try_in_thread(void *argument)
{
    struct trial *trial = argument;
    if (trial->is_early)
        pthread_barrier_wait(&trial->entered);
    trial->result = attempts[trial->n].attempt(trial->scene);
    return NULL;
}

enum where { IN_MAIN, IN_LATER_THREAD, IN_EARLIER_THREAD };

static int try_in_child(const struct scene *scene, size_t n, enum where where)
{
    struct trial trial = {.scene = scene, .n = n, .is_early = where == IN_EARLIER_THREAD};
    pthread_t thread;
    if (where == IN_EARLIER_THREAD) {
        pthread_barrier_init(&trial.entered, NULL, 2);
        pthread_create(&thread, NULL, try_in_thread, &trial);
    }
    enter_or_exit(false);
    if (where == IN_MAIN)
        return attempts[n].attempt(scene);
    if (where == IN_LATER_THREAD && pthread_create(&thread, NULL, try_in_thread, &trial) != 0)
        return ENTERING_FAILED;
    if (where == IN_EARLIER_THREAD)
        pthread_barrier_wait(&trial.entered);
    pthread_join(thread, NULL);
    return trial.result;
}

/* What the attempt gave: 0, an error's number, or KILLED. */
static int outcome_of(const struct scene *scene, size_t n, enum where where)
{
    int status;
    pid_t child = fork();
    if (child == 0)
        _exit(try_in_child(scene, n, where));
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFSIGNALED(status))
        return WTERMSIG(status) == SIGSYS ? KILLED : 1000 + WTERMSIG(status);
    return WEXITSTATUS(status);
}

static void skip_where_impossible(void)
{
    const char *obstacle = sf_sandbox_obstacle();
    if (obstacle == NULL)
        return;
    print_message("skipped: %s\n", obstacle);
    skip();
}

static void try_all(const struct scene *scene, enum where where)
{
    for (size_t n = 0; n < ATTEMPTS; n++) {
        /* Landlock belongs to a thread: that is why it is entered before any other is begun. */
        bool is_out_of_reach = where == IN_EARLIER_THREAD && attempts[n].guard != SECCOMP;
        if (is_out_of_reach || !is_guarded(attempts[n].guard))
            continue;
        int outcome = outcome_of(scene, n, where);
        make_file("out/old", "old");
        rmdir("out/more");
        if (outcome != attempts[n].error)
            fail_msg("%s: %d (%s), not %d", attempts[n].what, outcome, strerror(outcome),
                     attempts[n].error);
    }
}

static void limits_the_main_thread(void **state)
{
    skip_where_impossible();
    try_all(*state, IN_MAIN);
}

static void limits_threads_begun_later(void **state)
{
    skip_where_impossible();
    try_all(*state, IN_LATER_THREAD);
}

static void limits_system_calls_of_threads_begun_before(void **state)
{
    skip_where_impossible();
    try_all(*state, IN_EARLIER_THREAD);
}

static void no_sandbox_is_none(void **state)
{
    (void)state;
    int status;
    pid_t child = fork();
    if (child == 0) {
        enter_or_exit(true);
        _exit(opened(open("other.pcap", O_RDONLY)) | opened(socket(AF_INET, SOCK_STREAM, 0)));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

/* --- rights ----------------------------------------------------------------------------------- */

static void users_are_chosen(void **state)
{
    (void)state;
    struct sf_rights rights;
    struct sf_error err;
    assert_int_equal(sf_rights_choose(&rights, NULL, false, &err), 0);
    assert_string_equal(rights.name, "");
    assert_int_equal(sf_rights_choose(&rights, "no-such-user", false, &err), -1);
    assert_string_equal(err.text, "-Z no-such-user: no such user");
    if (geteuid() == 0) {
        assert_int_equal(sf_rights_choose(&rights, NULL, true, &err), 0);
        assert_string_equal(rights.name, "nobody");
        assert_int_equal(sf_rights_choose(&rights, "root", true, &err), 0);
        assert_string_equal(rights.name, "");
    } else {
        assert_int_equal(sf_rights_choose(&rights, "root", true, &err), -1);
        assert_string_equal(err.text, "-Z root: only root can become another user");
    }
}

static bool has_no_capabilities(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[2] = {0};
    if (syscall(SYS_capget, &header, sets) != 0)
        return false;
    for (int i = 0; i < 2; i++)
        if ((sets[i].effective | sets[i].permitted | sets[i].inheritable) != 0)
            return false;
    return true;
}

/* The number of the first step that went wrong, 0 for none. */
static int become_nobody(void)
{
    struct sf_rights rights;
    struct sf_error err;
    struct stat st;
    if (sf_rights_choose(&rights, "nobody", false, &err) != 0)
        return 1;
    if (sf_rights_borrow(&rights, &err) != 0 || geteuid() != rights.uid)
        return 2;
    if (open("mine", O_WRONLY | O_CREAT, 0666) >= 0)
        return 3; /* root's folder */
    if (opened(open("out/nobodys", O_WRONLY | O_CREAT, 0666)) != 0)
        return 4;
    sf_rights_give_back(&rights);
    if (geteuid() != 0 || stat("out/nobodys", &st) != 0 || st.st_uid != rights.uid)
        return 5;
    if (sf_rights_drop(&rights, &err) != 0)
        return 6;
    if (getuid() != rights.uid || getegid() != rights.gid || getgroups(0, NULL) > 1)
        return 7;
    if (seteuid(0) == 0 || !has_no_capabilities())
        return 8;
    return 0;
}

static void root_becomes_another_user_for_good(void **state)
{
    (void)state;
    int status;
    if (geteuid() != 0) {
        print_message("skipped: needs root\n");
        skip();
    }
    assert_int_equal(chmod(".", 0755), 0);
    assert_int_equal(chmod("out", 0777), 0);
    pid_t child = fork();
    if (child == 0)
        _exit(become_nobody());
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_true(WIFEXITED(status));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_the_main_thread),
        cmocka_unit_test(limits_threads_begun_later),
        cmocka_unit_test(limits_system_calls_of_threads_begun_before),
        cmocka_unit_test(no_sandbox_is_none),
        cmocka_unit_test(users_are_chosen),
        cmocka_unit_test(root_becomes_another_user_for_good),
    };
    return cmocka_run_group_tests(tests, set_scene, clear_scene);
}
