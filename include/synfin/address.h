/* IP addresses as text. */
#ifndef SYNFIN_ADDRESS_H
#define SYNFIN_ADDRESS_H

#include <stdint.h>

/* Octets of the longest text with its NUL. */
#define SF_ADDRESS_TEXT 48

/* Writes the address, four octets of version 4 or sixteen of version 6, as inet_ntop() does (RFC
 * 5952 §4, and a dotted end where IPv4 is embedded: RFC 4291 §2.5.5) and returns `out`. */
const char *sf_address_text(char out[SF_ADDRESS_TEXT], const uint8_t *addr, unsigned ip_version);

#endif
