/* Counts the packets of a capture by libpcap's pcap_loop(): what reading alone costs. */
#include <inttypes.h>
#include <pcap.h>
#include <stdint.h>
#include <stdio.h>

static void count(u_char *counter, const struct pcap_pkthdr *header, const u_char *data)
{
    (void)header;
    (void)data;
    ++*(uint64_t *)(void *)counter;
}

int main(int argc, char **argv)
{
    char error[PCAP_ERRBUF_SIZE];
    uint64_t packets = 0;
    if (argc != 2) {
        fputs("usage: pcap_loop FILE\n", stderr);
        return 2;
    }
    pcap_t *pcap = pcap_open_offline(argv[1], error);
    if (pcap == NULL || pcap_loop(pcap, -1, count, (u_char *)(void *)&packets) != 0) {
        fprintf(stderr, "pcap_loop: %s\n", pcap == NULL ? error : pcap_geterr(pcap));
        return 1;
    }
    pcap_close(pcap);
    printf("%" PRIu64 " packets\n", packets);
    return 0;
}
