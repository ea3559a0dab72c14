/* ethtool's ioctls (linux/ethtool.h), none of which needs rights, and /sys/class/net. */
#include "nic.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/ethtool.h>
#include <linux/net_tstamp.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* Each is asked by a command of its own, or is one bit of ETHTOOL_GFLAGS. */
static const struct {
    uint32_t command, bit;
} offloads[SF_OFFLOAD_COUNT] = {
    [SF_OFFLOAD_GRO] = {ETHTOOL_GGRO, 1},
    [SF_OFFLOAD_LRO] = {ETHTOOL_GFLAGS, ETH_FLAG_LRO},
    [SF_OFFLOAD_GSO] = {ETHTOOL_GGSO, 1},
    [SF_OFFLOAD_TSO] = {ETHTOOL_GTSO, 1},
    [SF_OFFLOAD_RX_CHECKSUM] = {ETHTOOL_GRXCSUM, 1},
    [SF_OFFLOAD_TX_CHECKSUM] = {ETHTOOL_GTXCSUM, 1},
    [SF_OFFLOAD_RX_VLAN] = {ETHTOOL_GFLAGS, ETH_FLAG_RXVLAN},
    [SF_OFFLOAD_TX_VLAN] = {ETHTOOL_GFLAGS, ETH_FLAG_TXVLAN},
};

static const char *const counter_names[SF_NIC_COUNTERS] = {
    [SF_NIC_PACKETS] = "rx_packets",
    [SF_NIC_MISSED] = "rx_missed_errors",
    [SF_NIC_FIFO] = "rx_fifo_errors",
    [SF_NIC_DROPPED] = "rx_dropped",
};

static struct ifreq request_for(const struct sf_nic *nic)
{
    struct ifreq request = {0};
    memcpy(request.ifr_name, nic->name, sizeof nic->name);
    return request;
}

/* `answer` begins with the command. */
static bool ask(int sock, const struct sf_nic *nic, void *answer)
{
    struct ifreq request = request_for(nic);
    request.ifr_data = answer;
    return ioctl(sock, SIOCETHTOOL, &request) == 0;
}

static void read_offloads(struct sf_nic *nic, int sock)
{
    for (unsigned i = 0; i < SF_OFFLOAD_COUNT; i++) {
        struct ethtool_value value = {.cmd = offloads[i].command};
        if (!ask(sock, nic, &value))
            continue;
        nic->offloads[i] = (value.data & offloads[i].bit) != 0 ? SF_SWITCH_ON : SF_SWITCH_OFF;
    }
}

static void read_device(struct sf_nic *nic, int sock)
{
    struct ethtool_drvinfo driver = {.cmd = ETHTOOL_GDRVINFO};
    struct ethtool_ringparam ring = {.cmd = ETHTOOL_GRINGPARAM};
    struct ethtool_ts_info stamps = {.cmd = ETHTOOL_GET_TS_INFO};
    if (ask(sock, nic, &driver))
        snprintf(nic->driver, sizeof nic->driver, "%s", driver.driver);
    if (ask(sock, nic, &ring)) {
        nic->ring = ring.rx_pending;
        nic->ring_max = ring.rx_max_pending;
    }
    nic->has_clock =
        ask(sock, nic, &stamps) && (stamps.so_timestamping & SOF_TIMESTAMPING_RX_HARDWARE) != 0;
}

static bool read_link(struct sf_nic *nic, int sock, int *ifindex)
{
    struct ifreq request = request_for(nic);
    if (ioctl(sock, SIOCGIFINDEX, &request) != 0)
        return false;
    *ifindex = request.ifr_ifindex;
    if (ioctl(sock, SIOCGIFFLAGS, &request) != 0)
        return false;
    nic->is_up = (request.ifr_flags & IFF_UP) != 0;
    nic->has_carrier = (request.ifr_flags & IFF_RUNNING) != 0;
    nic->is_loopback = (request.ifr_flags & IFF_LOOPBACK) != 0;
    if (ioctl(sock, SIOCGIFMTU, &request) == 0)
        nic->mtu = (uint32_t)request.ifr_mtu;
    return true;
}

static bool read_number(const struct sf_nic *nic, const char *name, uint64_t *out)
{
    char path[128];
    int64_t number;
    snprintf(path, sizeof path, "/sys/class/net/%s/%s", nic->name, name);
    FILE *file = fopen(path, "r");
    if (file == NULL)
        return false;
    bool is_read = fscanf(file, "%" SCNd64, &number) == 1 && number >= 0;
    fclose(file);
    if (is_read)
        *out = (uint64_t)number;
    return is_read;
}

static unsigned count_queues(const struct sf_nic *nic)
{
    char path[128];
    unsigned count = 0;
    snprintf(path, sizeof path, "/sys/class/net/%s/queues", nic->name);
    DIR *folder = opendir(path);
    if (folder == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;)
        count += strncmp(entry->d_name, "rx-", 3) == 0;
    closedir(folder);
    return count;
}

/* /sys may show another network namespace than the sockets see, with the same names in it. */
static void read_sys(struct sf_nic *nic, int ifindex)
{
    uint64_t index;
    if (!read_number(nic, "ifindex", &index) || index != (uint64_t)ifindex)
        return;
    read_number(nic, "speed", &nic->megabits);
    nic->rx_queues = count_queues(nic);
    nic->has_counters = true;
    for (unsigned i = 0; i < SF_NIC_COUNTERS; i++) {
        char name[64];
        snprintf(name, sizeof name, "statistics/%s", counter_names[i]);
        nic->has_counters = read_number(nic, name, &nic->counters[i]) && nic->has_counters;
    }
}

int sf_nic_read(struct sf_nic *nic, const char *name, struct sf_error *err)
{
    int ifindex = 0;
    *nic = (struct sf_nic){0};
    if (strlen(name) >= sizeof nic->name)
        return sf_fail(err, "%s: %s", name, strerror(ENODEV));
    strcpy(nic->name, name);
    int sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (sock < 0)
        return sf_fail(err, "socket: %s", strerror(errno));
    int result = 0;
    if (!read_link(nic, sock, &ifindex))
        result = sf_fail(err, "%s: %s", name, strerror(errno));
    if (result == 0) {
        read_offloads(nic, sock);
        read_device(nic, sock);
        read_sys(nic, ifindex);
    }
    close(sock);
    return result;
}
