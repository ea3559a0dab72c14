/* One thread waits for the signals that every other thread blocks. */
#include "signals.h"

#include <signal.h>
#include <unistd.h>

static void add_unless_ignored(sigset_t *set, int signal_number)
{
    struct sigaction old;
    if (sigaction(signal_number, NULL, &old) == 0 && old.sa_handler != SIG_IGN)
        sigaddset(set, signal_number);
}

static void listen_to(sigset_t *set)
{
    sigemptyset(set);
    add_unless_ignored(set, SIGINT);
    add_unless_ignored(set, SIGTERM);
    add_unless_ignored(set, SIGHUP);
    sigaddset(set, SIGUSR1);
}

static void *wait_for_signals(void *argument)
{
    struct sf_signals *signals = argument;
    sigset_t set;
    listen_to(&set);
    for (;;) {
        int number;
        if (sigwait(&set, &number) != 0)
            continue;
        if (atomic_load(&signals->is_ending))
            return NULL;
        if (number == SIGUSR1) {
            atomic_store(&signals->want_line, true);
            continue;
        }
        if (number == SIGHUP && signals->reopens) {
            atomic_store(&signals->want_files, true);
            continue;
        }
        if (atomic_exchange(&signals->stop, true))
            _exit(128 + number);
        if (signals->capture != NULL)
            sf_capture_stop(signals->capture);
    }
    return NULL;
}

void sf_signals_start(struct sf_signals *signals, struct sf_capture *capture)
{
    sigset_t set;
    listen_to(&set);
    pthread_sigmask(SIG_BLOCK, &set, NULL);
    signals->capture = capture;
    atomic_init(&signals->stop, false);
    atomic_init(&signals->want_line, false);
    atomic_init(&signals->want_files, false);
    atomic_init(&signals->is_ending, false);
    signals->is_running = pthread_create(&signals->thread, NULL, wait_for_signals, signals) == 0;
    if (!signals->is_running)
        pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

void sf_signals_stop(struct sf_signals *signals)
{
    atomic_store(&signals->stop, true);
    sf_capture_stop(signals->capture);
}

void sf_signals_end(struct sf_signals *signals)
{
    if (!signals->is_running)
        return;
    atomic_store(&signals->is_ending, true);
    pthread_kill(signals->thread, SIGUSR1);
    pthread_join(signals->thread, NULL);
    signals->is_running = false;
}
