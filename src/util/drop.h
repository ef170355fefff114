/* Why a packet was not taken. Every dropped packet counts one of these, exactly once. */
#ifndef UTIL_DROP_H
#define UTIL_DROP_H

#define DROP_REASONS(X)                                                                            \
    /* device and IPv4 */                                                                          \
    X(SHORT, "short")                     /* shorter than an IPv4 header */                        \
    X(VNET_HEADER, "vnet_header")         /* a virtio-net header that contradicts the packet */    \
    X(IP_VERSION, "ip_version")                                                                    \
    X(IP_HEADER_LEN, "ip_header_len")                                                              \
    X(IP_LEN, "ip_len")                   /* total length beyond the packet, or below the header */ \
    X(IP_CHECKSUM, "ip_checksum")                                                                  \
    X(IP_SOURCE, "ip_source")             /* not a unicast address, or our own */                  \
    X(IP_DEST, "ip_dest")                 /* not ours */                                           \
    X(IP_OPTIONS, "ip_options")           /* malformed, or a source route */                       \
    X(IP_PROTOCOL, "ip_protocol")                                                                  \
    X(FRAG_BAD, "frag_bad")               /* impossible offset or length, tiny first fragment */   \
    X(FRAG_OVERLAP, "frag_overlap")                                                                \
    X(FRAG_TIMEOUT, "frag_timeout")                                                                \
    X(FRAG_LIMIT, "frag_limit")                                                                    \
    /* ICMP, UDP */                                                                                \
    X(ICMP_BAD, "icmp_bad")               /* short, or bad checksum */                             \
    X(ICMP_IGNORED, "icmp_ignored")       /* a type that needs no action */                        \
    X(ICMP_UNMATCHED, "icmp_unmatched")   /* quotes nothing that is in flight */                   \
    X(ICMP_LIMITED, "icmp_limited")       /* an echo or an error that the limit leaves unanswered */ \
    X(UDP_PORT, "udp_port")                                                                        \
    /* TCP parsing */                                                                              \
    X(TCP_SHORT, "tcp_short")                                                                      \
    X(TCP_OFFSET, "tcp_offset")                                                                    \
    X(TCP_CHECKSUM, "tcp_checksum")                                                                \
    X(TCP_OPTIONS, "tcp_options")         /* malformed options in a SYN */                         \
    X(TCP_PORT, "tcp_port")               /* port 0 */                                             \
    X(TCP_GSO, "tcp_gso")                 /* a super-segment that cannot be one (SYN, RST, ...) */ \
    /* TCP, no connection */                                                                       \
    X(NO_CONNECTION, "no_connection")     /* answered by a RST, or a RST itself */                 \
    X(LISTEN_RST, "listen_rst")                                                                    \
    X(LISTEN_ACK, "listen_ack")           /* answered by a RST */                                  \
    X(LISTEN_FLAGS, "listen_flags")       /* neither SYN nor ACK nor RST; SYN with FIN */          \
    X(LISTEN_BACKLOG, "listen_backlog")   /* accept queue full */                                  \
    X(SYN_QUEUE, "syn_queue")             /* full, and no cookies */                               \
    X(COOKIE_BAD, "cookie_bad")                                                                    \
    /* TCP, a connection */                                                                        \
    X(SYN_SENT_ACK, "syn_sent_ack")       /* ACK of something never sent */                        \
    X(SYN_SENT_RST, "syn_sent_rst")       /* RST without a good ACK */                             \
    X(SYN_SENT_FLAGS, "syn_sent_flags")                                                            \
    X(SEQ_OLD, "seq_old")                 /* wholly before the window */                           \
    X(SEQ_BEYOND, "seq_beyond")           /* beyond the window */                                  \
    X(PAWS, "paws")                                                                                \
    X(NO_TIMESTAMP, "no_timestamp")       /* negotiated, but missing */                            \
    X(RST_CHALLENGED, "rst_challenged")   /* RFC 5961 3 */                                         \
    X(RST_IGNORED, "rst_ignored")         /* out of window, or in TIME-WAIT */                     \
    X(SYN_CHALLENGED, "syn_challenged")   /* RFC 5961 4 */                                         \
    X(NO_ACK_FLAG, "no_ack_flag")                                                                  \
    X(ACK_UNSENT, "ack_unsent")           /* beyond SND.NXT */                                     \
    X(ACK_TOO_OLD, "ack_too_old")         /* RFC 5961 5 */                                         \
    X(ACK_SYN_RCVD, "ack_syn_rcvd")       /* unacceptable in SYN-RECEIVED: answered by a RST */    \
    X(DATA_AFTER_CLOSE, "data_after_close")                                                        \
    X(DATA_AFTER_FIN, "data_after_fin")                                                            \
    X(OOO_LIMIT, "ooo_limit")             /* no room in the out-of-order queue */                  \
    X(TIME_WAIT, "time_wait")             /* a segment that TIME-WAIT only acknowledges */         \
    /* our own limits */                                                                           \
    X(REPLY_LIMIT, "reply_limit")         /* its answer found no room or exceeded a limit */       \
    X(NO_MEMORY, "no_memory")

enum drop_reason {
    DROP_NONE = 0,
#define X(name, text) DROP_##name,
    DROP_REASONS(X)
#undef X
    DROP_COUNT
};

#endif
