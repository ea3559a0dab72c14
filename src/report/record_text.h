/* What several pages for people say of a record in the same words. */
#ifndef SYNFIN_REPORT_RECORD_TEXT_H
#define SYNFIN_REPORT_RECORD_TEXT_H

#include "synfin/buffer.h"
#include "synfin/record.h"

/* "10.0.0.1:80", "[2001:db8::1]:80". */
void sf_put_socket(struct sf_buffer *buffer, const char *ip, uint64_t port);
void sf_put_end(struct sf_buffer *buffer, const struct sf_record_end *end);

/* The handshake's round trip; else the median of the server's data, else of the client's; or
 * SF_NS_UNKNOWN. */
sf_ns sf_typical_rtt(const struct sf_record *record);

/* "packet 7", "packets 7-12 (3)". */
void sf_put_anomaly_packets(struct sf_buffer *buffer, const struct sf_anomaly_entry *entry);

#endif
