#include "device.h"

#include "join.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *program(void)
{
    return program_invocation_short_name;
}

void device_init(struct device *device)
{
    memset(device, 0, sizeof *device);
    mytcp_config_init(&device->config);
    device->options.fd = -1;
}

bool device_address(const char *text, struct in_addr *addr)
{
    return inet_pton(AF_INET, text, addr) == 1;
}

static bool number(const char *text, unsigned long low, unsigned long high, uint32_t *out)
{
    char *end;
    if (*text < '0' || *text > '9')
        return false;
    errno = 0;
    unsigned long n = strtoul(text, &end, 10);
    if (errno || *end || n < low || n > high)
        return false;
    *out = (uint32_t)n;
    return true;
}

static int bad(const char *option, const char *value, const char *wanted)
{
    fprintf(stderr, "%s: --%s %s: %s\n", program(), option, value, wanted);
    return -1;
}

/* A.B.C.D/P: the host's own address on the device; P is the subnet of both ends. */
static int take_host(struct device *device, const char *value)
{
    char text[INET_ADDRSTRLEN];
    const char *slash = strchr(value, '/');
    size_t len = slash ? (size_t)(slash - value) : sizeof text;
    uint32_t prefix_len;

    if (len < sizeof text) {
        memcpy(text, value, len);
        text[len] = '\0';
        if (device_address(text, &device->options.host) && number(slash + 1, 1, 31, &prefix_len)) {
            device->options.host_prefix_len = prefix_len;
            device->config.prefix_len = prefix_len;
            return 1;
        }
    }
    return bad("host", value, "not an address with its prefix length, as in 10.9.0.1/24");
}

static int take_setting(struct device *device, const char *value)
{
    char name[64];
    const char *equals = strchr(value, '=');
    size_t len = equals ? (size_t)(equals - value) : sizeof name;

    if (len >= sizeof name)
        return bad("set", value, "not of the form NAME=VALUE");
    memcpy(name, value, len);
    name[len] = '\0';
    if (mytcp_config_set(&device->config, name, equals + 1) == 0)
        return 1;
    return bad("set", value,
               errno == ENOENT   ? "no such setting; --help lists them"
               : errno == ERANGE ? "out of range"
                                 : "not a valid value");
}

int device_option(struct device *device, int option, const char *value)
{
    switch (option) {
    case 't':
        device->options.name = value;
        return 1;
    case 'i':
        if (device_address(value, &device->config.addr))
            return 1;
        return bad("ip", value, "not an IPv4 address");
    case 'o':
        return take_host(device, value);
    case 'm':
        if (number(value, 68, 65535, &device->options.mtu_bytes))
            return 1;
        return bad("mtu", value, "not a number from 68 to 65535");
    case 'p':
        device->options.pcap_path = value;
        return 1;
    case 's':
        return take_setting(device, value);
    default:
        return 0;
    }
}

mytcp_tun *device_open(struct device *device)
{
    char why[256] = "";
    const char *name = device->options.name;
    if (name && join_is(name)) {
        device->options.fd = join_open(name);
        device->options.fd_vnet_hdr = true;
        if (device->options.fd < 0) {
            fprintf(stderr, "%s: cannot join %s: %s\n", program(), name, strerror(errno));
            return NULL;
        }
    }
    mytcp_tun *tun = mytcp_tun_open(&device->options, &device->config, why, sizeof why);
    if (!tun)
        fprintf(stderr, "%s: %s\n", program(), why[0] ? why : strerror(errno));
    return tun;
}

void device_help(FILE *to)
{
    fputs("  --tun NAME           the TUN device: made if there is none of that name; or\n"
          "                       unix:PATH, the end of a mytcp-link that listens there\n"
          "  --ip A.B.C.D         the stack's address\n"
          "  --host A.B.C.D/P     the host's address on the device, set along with the link up;\n"
          "                       without it the device must be configured already\n"
          "  --mtu N              68..65535 (default: the device's)\n"
          "  --pcap FILE          record every packet, for Wireshark or tcpdump\n"
          "  --set NAME=VALUE     change a setting, as often as needed; the names are below\n",
          to);
}

void device_help_settings(FILE *to)
{
    fputs("\nSettings (include/mytcp.h explains each):\n", to);
    size_t column = 0;
    const char *name;
    for (unsigned i = 0; (name = mytcp_config_name(i)) != NULL; i++) {
        if (column + strlen(name) + 1 > 90) {
            fputc('\n', to);
            column = 0;
        }
        column += (size_t)fprintf(to, column ? " %s" : "  %s", name);
    }
    fputc('\n', to);
}
