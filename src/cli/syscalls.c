/* The only file that knows libseccomp. */
#include "syscalls.h"

#include "config.h"

#if !SYNFIN_SECCOMP

bool sf_syscalls_can_be_limited(void)
{
    return false;
}

int sf_syscalls_limit(struct sf_error *err)
{
    (void)err;
    return 0;
}

#else

#include <errno.h>
#include <linux/sched.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <termios.h>
#include <unistd.h>

/* By name: a call that this machine's kernel interface does not have is passed over. */
static const char *const allowed[] = {
    /* files: which ones is for Landlock to say */
    "open", "openat", "openat2", "close", "close_range", "dup", "dup2", "dup3", "read", "readv",
    "pread64", "preadv", "write", "writev", "pwrite64", "pwritev", "lseek", "_llseek", "fstat",
    "fstat64", "stat", "stat64", "lstat", "lstat64", "newfstatat", "fstatat64", "statx", "fstatfs",
    "fstatfs64", "statfs", "access", "faccessat", "faccessat2", "getcwd", "readlink", "readlinkat",
    "getdents", "getdents64", "fcntl", "fcntl64", "fsync", "fdatasync", "ftruncate", "ftruncate64",
    "fallocate", "fadvise64", "fadvise64_64", "arm_fadvise64_64", "flock", "rename", "renameat",
    "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat", "umask",
    /* the end of a child that was begun before */
    "wait4", "waitid",
    /* memory */
    "brk", "mremap", "munmap", "madvise", "mincore", "membarrier",
    /* threads */
    "exit", "exit_group", "futex", "futex_time64", "set_robust_list", "get_robust_list", "rseq",
    "sched_yield", "sched_getaffinity", "set_tid_address", "gettid", "getpid", "getppid",
    "restart_syscall", "getuid", "geteuid", "getgid", "getegid", "getuid32", "geteuid32",
    "getgid32", "getegid32", "getrusage", "times", "sysinfo", "uname", "getcpu",
    /* signals of its own */
    "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigreturn", "rt_sigtimedwait",
    "rt_sigtimedwait_time64", "rt_sigpending", "rt_sigsuspend", "sigaltstack", "pause",
    /* waiting and time */
    "poll", "ppoll", "ppoll_time64", "select", "_newselect", "pselect6", "pselect6_time64",
    "epoll_wait", "epoll_pwait", "epoll_pwait2", "epoll_ctl", "eventfd2", "clock_gettime",
    "clock_gettime64", "clock_getres", "clock_getres_time64", "gettimeofday", "time",
    "clock_nanosleep", "clock_nanosleep_time64", "nanosleep", "timerfd_create", "timerfd_settime",
    "timerfd_settime64", "timerfd_gettime", "setitimer", "alarm",
    /* the packet sockets that are open already: packets, counts, what became of the interface */
    "recvfrom", "recvmsg", "recv", "getsockopt", "getsockname",
    /* chance */
    "getrandom"};

/* Nothing that is linked here makes these, also not by accident. */
static const char *const deadly[] = {
    /* other programs and processes */
    "execve", "execveat", "fork", "vfork", "ptrace", "process_vm_readv", "process_vm_writev",
    "pidfd_getfd", "userfaultfd",
    /* other views of files and networks */
    "mount", "pivot_root", "chroot", "setns", "unshare", "open_by_handle_at",
    /* the kernel's code */
    "init_module", "finit_module", "kexec_load", "kexec_file_load", "bpf"};

/* Terminals are measured and set, never fed (TIOCSTI); interfaces are asked whether they are up. */
static const uint64_t requests[] = {TCGETS,     TCSETS,       TCSETSW,      TCSETSF,
                                    TIOCGWINSZ, TIOCGPGRP,    FIONREAD,     FIONBIO,
                                    FIOCLEX,    SIOCGIFFLAGS, SIOCGIFINDEX, SIOCGIFNAME};

/* Where machines differ (clone(2), mmap(2)). s390 takes the stack first, all others the flags. The
 * arguments of its mmap(), and of the one of i386 that mmap2() took the place of, lie in memory,
 * where no filter sees them. */
#if defined(__s390__)
enum { CLONE_FLAGS = 1, MMAP_PROT_MASK = 0 };
#else
enum { CLONE_FLAGS = 0, MMAP_PROT_MASK = PROT_EXEC };
#endif

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static int add_named(scmp_filter_ctx filter, uint32_t action, const char *const *names,
                     size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int number = seccomp_syscall_resolve_name(names[i]);
        if (number == __NR_SCMP_ERROR) /* other negative ones are shares of socketcall() */
            continue;
        int result = seccomp_rule_add(filter, action, number, 0);
        if (result != 0)
            return result;
    }
    return 0;
}

static int add_requests(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < COUNT(requests); i++) {
        /* The request is 32 bits wide; what stands above them is not looked at by the kernel. */
        int result = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(ioctl), 1,
                                      SCMP_A1(SCMP_CMP_MASKED_EQ, UINT32_MAX, requests[i]));
        if (result != 0)
            return result;
    }
    return 0;
}

/* No memory becomes code, no thread becomes a process, no signal goes elsewhere. */
static int add_conditional(scmp_filter_ctx filter)
{
    const struct {
        int number;
        struct scmp_arg_cmp only;
    } rules[] = {
#if !defined(__i386__)
        {SCMP_SYS(mmap), SCMP_A2(SCMP_CMP_MASKED_EQ, MMAP_PROT_MASK, 0)},
#endif
        {SCMP_SYS(mmap2), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {SCMP_SYS(mprotect), SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0)},
        {SCMP_SYS(clone), SCMP_CMP(CLONE_FLAGS, SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD)},
        {SCMP_SYS(kill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0)},
        {SCMP_SYS(tgkill), SCMP_A0(SCMP_CMP_EQ, (scmp_datum_t)getpid(), 0)},
        {SCMP_SYS(prctl), SCMP_A0(SCMP_CMP_EQ, PR_SET_NAME, 0)},
        {SCMP_SYS(prlimit64), SCMP_A2(SCMP_CMP_EQ, 0, 0)}, /* asks, does not set */
    };
    for (size_t i = 0; i < COUNT(rules); i++) {
        int result =
            seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, rules[i].number, 1, &rules[i].only);
        if (result != 0)
            return result;
    }
    /* Its flags lie in memory, where no filter sees them; the C library then uses clone(). */
    return seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
}

static int fill(scmp_filter_ctx filter)
{
    enum { BINARY_TREE = 2 };
    int result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    /* Old kernels have no log, old libraries no tree: neither is needed. */
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, BINARY_TREE);
    if (result == 0)
        result = add_named(filter, SCMP_ACT_ALLOW, allowed, COUNT(allowed));
    if (result == 0)
        result = add_named(filter, SCMP_ACT_KILL_PROCESS, deadly, COUNT(deadly));
    if (result == 0)
        result = add_requests(filter);
    if (result == 0)
        result = add_conditional(filter);
    return result != 0 ? result : seccomp_load(filter);
}

bool sf_syscalls_can_be_limited(void)
{
    /* Since Linux 4.14: ending all threads at once, not one of them. */
    uint32_t action = SECCOMP_RET_KILL_PROCESS;
    return syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0U, &action) == 0;
}

int sf_syscalls_limit(struct sf_error *err)
{
    if (!sf_syscalls_can_be_limited())
        return 0;
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return sf_fail(err, "seccomp: out of memory");
    int result = fill(filter);
    seccomp_release(filter);
    return result == 0 ? 0 : sf_fail(err, "seccomp: %s", strerror(-result));
}

#endif
