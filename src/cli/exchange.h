/* Between live workers, each with its part of the packets: numbers and ids that all count together,
 * and mail, in the order of time, for what the kernel did not or could not deal to the worker that
 * has the connection. Every function may be called by any thread, but for those of an own mailbox.
 */
#ifndef SYNFIN_CLI_EXCHANGE_H
#define SYNFIN_CLI_EXCHANGE_H

#include "intake.h"

enum sf_mail_kind {
    SF_MAIL_OWNED, /* a segment for this worker, not yet counted or numbered */
    SF_MAIL_KNOWN, /* a segment for whoever has its connection */
    SF_MAIL_QUOTE, /* the same of an ICMP error */
};

struct sf_mail {
    enum sf_mail_kind kind;
    sf_ns ts_ns;
    union {
        struct sf_segment segment;
        struct sf_icmp_quote quote;
    };
};

struct sf_exchange;

/* NULL with *err. */
struct sf_exchange *sf_exchange_new(unsigned workers, struct sf_error *err);
void sf_exchange_free(struct sf_exchange *exchange);

struct sf_intake_common *sf_exchange_common(struct sf_exchange *exchange);
/* The last id that was given. */
_Atomic uint64_t *sf_exchange_ids(struct sf_exchange *exchange);

/* Packets that were dropped: all together. Adds what the caller's rings dropped since. */
uint64_t sf_exchange_drop(struct sf_exchange *exchange, uint64_t dropped);

/* A descriptor that says when to look into a mailbox earlier than a ring's timeout would. */
int sf_exchange_wake_fd(const struct sf_exchange *exchange, unsigned worker);

/* Copies the mail into the mailbox. Of a packet at most SF_MAIL_OCTETS go with it. 0, or -1 with
 * *err. */
enum { SF_MAIL_OCTETS = 256 };
int sf_exchange_post(struct sf_exchange *exchange, unsigned to, const struct sf_mail *mail,
                     struct sf_error *err);

/* The worker has posted all that was stamped until then. INT64_MAX: it will post nothing more. */
void sf_exchange_reach(struct sf_exchange *exchange, unsigned worker, sf_ns until_ns);

/* What all have reached. */
sf_ns sf_exchange_all_reached(const struct sf_exchange *exchange);

/* Some mail waits to be taken. */
bool sf_exchange_is_busy(const struct sf_exchange *exchange);

/* So much of it that who is ahead of others should wait for them. */
bool sf_exchange_is_full(const struct sf_exchange *exchange);

/* The next of the own mail that was stamped until `until_ns` (what all had reached before the
 * call), or that a clock set back meanwhile left in the future; valid until the next call. NULL:
 * none. */
const struct sf_mail *sf_exchange_take(struct sf_exchange *exchange, unsigned worker,
                                       sf_ns until_ns, sf_ns now_ns);

#endif
