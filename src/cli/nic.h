/* What an interface says of itself: link, offloads, rings, counters. */
#ifndef SYNFIN_CLI_NIC_H
#define SYNFIN_CLI_NIC_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "synfin/error.h"

enum sf_offload {
    SF_OFFLOAD_GRO,
    SF_OFFLOAD_LRO,
    SF_OFFLOAD_GSO,
    SF_OFFLOAD_TSO,
    SF_OFFLOAD_RX_CHECKSUM,
    SF_OFFLOAD_TX_CHECKSUM,
    SF_OFFLOAD_RX_VLAN,
    SF_OFFLOAD_TX_VLAN,
    SF_OFFLOAD_COUNT
};

enum sf_switch { SF_SWITCH_UNKNOWN, SF_SWITCH_OFF, SF_SWITCH_ON };

enum sf_nic_counter {
    SF_NIC_PACKETS, /* received */
    SF_NIC_MISSED,  /* by the device: its ring was full */
    SF_NIC_FIFO,    /* by the device: its memory was full */
    SF_NIC_DROPPED, /* by the kernel: no room, or nobody wanted them */
    SF_NIC_COUNTERS
};

struct sf_nic {
    char name[IF_NAMESIZE];
    char driver[32]; /* empty: not told */
    bool is_up, has_carrier, is_loopback;
    uint32_t mtu;
    enum sf_switch offloads[SF_OFFLOAD_COUNT];
    uint32_t ring, ring_max; /* slots for received packets; 0: not told */
    unsigned rx_queues;      /* 0: not told */
    uint64_t megabits;       /* a second; 0: not told */
    bool has_clock;          /* the device can stamp what it receives */
    bool has_counters;       /* the next are told */
    uint64_t counters[SF_NIC_COUNTERS];
};

/* Asks the kernel. What the driver does not tell stays unknown. 0, or -1 with *err: there is no
 * such interface. */
int sf_nic_read(struct sf_nic *nic, const char *name, struct sf_error *err);

#endif
