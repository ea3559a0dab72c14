/* Which ports tell a server. */
#ifndef SYNFIN_PORT_H
#define SYNFIN_PORT_H

#include <stdbool.h>
#include <stdint.h>

/* True for the ports on which servers of well-known services wait: Zeek's likely_server_ports, as
 * the protocol scripts that it loads by default fill it. */
bool sf_port_is_likely_server(uint16_t port);

#endif
