/* One list, by which roles are judged and Zeek's rows are turned round. */
#include "synfin/port.h"

#include <stddef.h>

/* Sorted. */
static const uint16_t likely_server_ports[] = {
    21,   22,   25,   53,   79,   80,   81,   88,   135,  139,   143,  389,  443,
    445,  465,  502,  514,  563,  585,  587,  614,  631,  636,   989,  990,  992,
    993,  995,  1080, 1434, 1883, 2811, 3128, 3268, 3306, 3389,  5222, 5223, 5269,
    5432, 6379, 6666, 6667, 6668, 6669, 8000, 8080, 8888, 20000,
};

bool sf_port_is_likely_server(uint16_t port)
{
    size_t low = 0, high = sizeof likely_server_ports / sizeof likely_server_ports[0];
    size_t end = high;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (likely_server_ports[middle] < port)
            low = middle + 1;
        else
            high = middle;
    }
    return low < end && likely_server_ports[low] == port;
}
