/*
 * pcap_file.h - record packets in a classic pcap file (link type RAW: the packet starts with its
 * IPv4 header), as Wireshark and tcpdump open it.
 *
 * A super-segment is one packet in the file. Where checksum offload is in use, TCP checksums are
 * the partial ones that device and stack hand each other: Wireshark shows them as wrong unless its
 * checksum validation is off, which is its default.
 *
 * Records are buffered; flush when there is nothing else to do. After a failed write (a full disk)
 * the file stays as it is and nothing more is recorded.
 */
#ifndef MYTCP_LINUX_PCAP_FILE_H
#define MYTCP_LINUX_PCAP_FILE_H

#include <sys/uio.h>

struct pcap_file;

/* Create or truncate. NULL and errno on failure. */
struct pcap_file *pcap_file_open(const char *path);

void pcap_file_packet(struct pcap_file *file, const struct iovec *iov, int iovcnt);
void pcap_file_flush(struct pcap_file *file);

/* Flush and free; NULL does nothing. */
void pcap_file_close(struct pcap_file *file);

#endif
