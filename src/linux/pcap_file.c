#include "linux/pcap_file.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define PCAP_MAGIC_US 0xa1b2c3d4u /* in the writer's byte order; times in microseconds */
#define PCAP_SNAPLEN_BYTES 262144u
#define LINKTYPE_RAW 101u
#define BUFFER_BYTES (1u << 18)

struct pcap_file {
    FILE *stream;
    bool dirty; /* something is not flushed */
};

static void put_file_header(FILE *stream)
{
    const struct {
        uint32_t magic;
        uint16_t version_major, version_minor;
        uint32_t time_zone, time_accuracy, snaplen_bytes, link_type;
    } header = {PCAP_MAGIC_US, 2, 4, 0, 0, PCAP_SNAPLEN_BYTES, LINKTYPE_RAW};
    (void)fwrite(&header, sizeof header, 1, stream);
}

struct pcap_file *pcap_file_open(const char *path)
{
    struct pcap_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        return NULL;
    }
    file->stream = fopen(path, "we");
    if (file->stream == NULL) {
        free(file);
        return NULL;
    }
    (void)setvbuf(file->stream, NULL, _IOFBF, BUFFER_BYTES);
    put_file_header(file->stream);
    file->dirty = true;
    return file;
}

void pcap_file_packet(struct pcap_file *file, const struct iovec *iov, int iovcnt)
{
    if (ferror(file->stream)) {
        return;
    }
    size_t len_bytes = 0;
    for (int i = 0; i < iovcnt; i++) {
        len_bytes += iov[i].iov_len;
    }
    struct timespec now; /* the wall clock: it is for a human reader, the stack never sees it */
    (void)clock_gettime(CLOCK_REALTIME, &now);
    const uint32_t record[4] = {(uint32_t)now.tv_sec, (uint32_t)(now.tv_nsec / 1000),
                                (uint32_t)len_bytes, (uint32_t)len_bytes};
    (void)fwrite(record, sizeof record, 1, file->stream);
    for (int i = 0; i < iovcnt; i++) {
        (void)fwrite(iov[i].iov_base, 1, iov[i].iov_len, file->stream);
    }
    file->dirty = true;
}

void pcap_file_flush(struct pcap_file *file)
{
    if (file->dirty) {
        (void)fflush(file->stream);
        file->dirty = false;
    }
}

void pcap_file_close(struct pcap_file *file)
{
    if (file != NULL) {
        (void)fclose(file->stream);
        free(file);
    }
}
