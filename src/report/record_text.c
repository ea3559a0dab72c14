/* Ends, round trips and packet numbers in words. */
#include "record_text.h"

#include <inttypes.h>

void sf_put_socket(struct sf_buffer *buffer, const char *ip, uint64_t port)
{
    bool is_ip6 = strchr(ip, ':') != NULL;
    sf_put_text(buffer, is_ip6 ? "[" : "");
    sf_put_plain(buffer, ip);
    sf_put_text(buffer, is_ip6 ? "]:" : ":");
    sf_put_count(buffer, port);
}

void sf_put_end(struct sf_buffer *buffer, const struct sf_record_end *end)
{
    sf_put_socket(buffer, end->ip, end->port);
}

sf_ns sf_typical_rtt(const struct sf_record *record)
{
    if (sf_ns_known(record->open_rtt_ns))
        return record->open_rtt_ns;
    if (sf_ns_known(record->end[SF_SERVER].rtt.p50_ns))
        return record->end[SF_SERVER].rtt.p50_ns;
    return record->end[SF_CLIENT].rtt.p50_ns;
}

void sf_put_anomaly_packets(struct sf_buffer *buffer, const struct sf_anomaly_entry *entry)
{
    if (entry->first_packet == entry->last_packet)
        sf_put_format(buffer, "packet %" PRIu64, entry->first_packet);
    else
        sf_put_format(buffer, "packets %" PRIu64 "-%" PRIu64, entry->first_packet,
                      entry->last_packet);
    if (entry->count > 1)
        sf_put_format(buffer, " (%" PRIu64 ")", entry->count);
}
