/*
 * bowline.h: the peer-to-peer layer of a blockchain node, for C and C++.
 * Made from src/ffi by cbindgen; do not edit. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What holds for every function:
 *
 * Results. A function that can fail answers a bowline_result: BOWLINE_OK or a negative BOWLINE_E_* that never changes its
 *   number. Any function may answer BOWLINE_E_NULL (a pointer that must be given is NULL), BOWLINE_E_INVALID (a handle of
 *   another type, a value out of range), BOWLINE_E_PANIC (a bug, contained); those on a node or queue also BOWLINE_E_FORKED
 *   (called in a forked child), BOWLINE_E_FATAL (the node failed earlier). Its other results stand at @return, without BOWLINE_E_.
 * Outputs come last and are written only on success; pointers are set to NULL first. Where there is a bowline_error **err
 *   (it may be NULL), it is set to NULL on success and to a sentence about the case on every failure; free it.
 * Ownership. const X * is lent for the call. X **out is yours: free it with bowline_x_free, which takes NULL and, except for node
 *   and queue, may be called at any time, on any thread, even when the node is gone. Never free() what the library made.
 * Bytes are (pointer, length); (NULL, 0) is empty. Texts are NUL-terminated UTF-8.
 * Structs that begin with struct_size may grow: begin with their _INIT macro, or set it to sizeof. What is zero is at its default.
 * Threads. A node, queue, message, list, keypair or error may be used by any number of threads at once, a config by one.
 *   bowline_node_free and bowline_queue_free must be the last call on their object. Waits are bounded by timeout_ms, measured
 *   by a monotonic clock, and all end when bowline_node_stop is called.
 * Peers are numbers, not pointers: one that is gone is answered with BOWLINE_E_PEER_GONE, never followed.
 * Signals and forks. The library's threads have every signal blocked; no handler is installed; a broken connection never
 *   raises SIGPIPE. All descriptors are close-on-exec. A forked child may exec, exit, or make nodes of its own.
 */

#ifndef BOWLINE_H
#define BOWLINE_H

#include <stddef.h>
#include <stdint.h>

/** Version of this header; bowline_version() is the library's. */
#define BOWLINE_VERSION_MAJOR 0
#define BOWLINE_VERSION_MINOR 1
#define BOWLINE_VERSION_PATCH 0
/** MAJOR << 16 | MINOR << 8 | PATCH, for bowline_check_abi(). */
#define BOWLINE_VERSION_NUMBER 0x000100u

/** Before every function: empty, or what a platform needs. */
#ifndef BOWLINE_API
#define BOWLINE_API
#endif
#if defined(__GNUC__) || defined(__clang__)
#define BOWLINE_WARN_UNUSED __attribute__((warn_unused_result))
#else
#define BOWLINE_WARN_UNUSED
#endif

/** timeout_ms: wait without limit. */
#define BOWLINE_FOREVER INT64_C(-1)
/** timeout_ms: do not wait. */
#define BOWLINE_NOWAIT INT64_C(0)

/** The beginning of each struct that may grow. */
#define BOWLINE_CHANNEL_DESC_INIT { sizeof(bowline_channel_desc), 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, 0 }
#define BOWLINE_KEY_INFO_INIT { sizeof(bowline_key_info), 0, NULL, NULL, NULL, NULL, NULL }
#define BOWLINE_SEND_OPTS_INIT { sizeof(bowline_send_opts), 0, 0, 0, 0, 0, NULL }
#define BOWLINE_ADDR_INIT { 0, 0, 0, 0, { 0 } }
#define BOWLINE_PEER_INFO_INIT { \
    sizeof(bowline_peer_info), 0, 0, { { 0 } }, BOWLINE_ADDR_INIT, BOWLINE_ADDR_INIT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 } }
#define BOWLINE_METRICS_INIT { \
    sizeof(bowline_metrics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }


/**
 * The same call may succeed later.
 */
#define BOWLINE_RESULT_RETRYABLE 1

/**
 * The node, or the library, is broken: stop and report it.
 */
#define BOWLINE_RESULT_FATAL 2

/**
 * It is about one peer; others are not concerned.
 */
#define BOWLINE_RESULT_PEER 4

/**
 * A buffer of this size holds the text of every peer id: 64 hex digits and NUL.
 */
#define BOWLINE_PEER_ID_TEXT_MAX 65

/**
 * bowline_keypair_load: make the key and the file if there is none.
 */
#define BOWLINE_KEYPAIR_CREATE 1

/**
 * bowline_event.detail of BOWLINE_EV_PEER_CONNECTED: the peer dialed.
 */
#define BOWLINE_DIRECTION_INBOUND 0

/**
 * bowline_event.detail of BOWLINE_EV_PEER_CONNECTED: this node dialed.
 */
#define BOWLINE_DIRECTION_OUTBOUND 1

/**
 * bowline_peer_info.flags: the peer dialed this node.
 */
#define BOWLINE_PEER_INBOUND 1

/**
 * bowline_peer_info.flags: the operator trusts the peer.
 */
#define BOWLINE_PEER_TRUSTED 2

/**
 * bowline_peer_info.flags: the peer is one of discovery.persistent, dialed again whenever it is gone.
 */
#define BOWLINE_PEER_STATIC 4

/**
 * bowline_addr.family of an IPv4 address.
 */
#define BOWLINE_AF_IPV4 4

/**
 * bowline_addr.family of an IPv6 address.
 */
#define BOWLINE_AF_IPV6 6

/**
 * A buffer of this size holds the text of every address: two brackets, 39 characters, "%" and 10 digits, ":" and 5 digits, NUL.
 */
#define BOWLINE_ADDR_TEXT_MAX 64

/**
 * What a call answers: 0, or a negative number that never changes its meaning. -1 to -19: the caller; -20 to -39: flow; -40 to -69:
 * peers and the network; -70 to -89: the system; -90 to -99: never expected.
 */
enum bowline_result
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * Success.
     */
    BOWLINE_OK = 0,
    /**
     * An argument has a value that is not allowed.
     */
    BOWLINE_E_INVALID = -1,
    /**
     * A pointer that must be given is NULL.
     */
    BOWLINE_E_NULL = -2,
    /**
     * The call does not fit the present state of the object.
     */
    BOWLINE_E_STATE = -3,
    /**
     * The struct_size or event_size is none that this library knows.
     */
    BOWLINE_E_STRUCT_SIZE = -4,
    /**
     * The buffer is too small.
     */
    BOWLINE_E_BUFFER = -5,
    /**
     * A text is not valid UTF-8.
     */
    BOWLINE_E_UTF8 = -6,
    /**
     * There is nothing of that name or number.
     */
    BOWLINE_E_NOT_FOUND = -7,
    /**
     * There is one of that name or number already.
     */
    BOWLINE_E_EXISTS = -8,
    /**
     * This version of the library cannot do that.
     */
    BOWLINE_E_UNSUPPORTED = -9,
    /**
     * The object belongs to the parent process.
     */
    BOWLINE_E_FORKED = -10,
    /**
     * The versions do not fit each other.
     */
    BOWLINE_E_VERSION = -11,
    /**
     * The setting cannot be changed while the node runs.
     */
    BOWLINE_E_READ_ONLY = -12,
    /**
     * Not now, and the call was told not to wait.
     */
    BOWLINE_E_AGAIN = -20,
    /**
     * The time is over.
     */
    BOWLINE_E_TIMEOUT = -21,
    /**
     * A queue has no room.
     */
    BOWLINE_E_QUEUE_FULL = -22,
    /**
     * Larger than allowed.
     */
    BOWLINE_E_TOO_BIG = -23,
    /**
     * Ended on request.
     */
    BOWLINE_E_CANCELED = -24,
    /**
     * Not sent before its deadline, and dropped.
     */
    BOWLINE_E_EXPIRED = -25,
    /**
     * The node has stopped.
     */
    BOWLINE_E_STOPPED = -26,
    /**
     * A limit is reached.
     */
    BOWLINE_E_LIMIT = -27,
    /**
     * Something was dropped for want of room.
     */
    BOWLINE_E_DROPPED = -28,
    /**
     * That peer is not connected any more.
     */
    BOWLINE_E_PEER_GONE = -40,
    /**
     * This node or the peer does not have the channel.
     */
    BOWLINE_E_NO_CHANNEL = -41,
    /**
     * That request is over.
     */
    BOWLINE_E_NO_REQUEST = -42,
    /**
     * The peer answered with an error.
     */
    BOWLINE_E_REMOTE = -43,
    /**
     * The connection was refused.
     */
    BOWLINE_E_REFUSED = -44,
    /**
     * The address cannot be reached.
     */
    BOWLINE_E_UNREACHABLE = -45,
    /**
     * The connection broke.
     */
    BOWLINE_E_RESET = -46,
    /**
     * The handshake failed.
     */
    BOWLINE_E_HANDSHAKE = -47,
    /**
     * The identity is another one, or is not valid.
     */
    BOWLINE_E_IDENTITY = -48,
    /**
     * The peer belongs to another network.
     */
    BOWLINE_E_NETWORK_ID = -49,
    /**
     * The peer broke the protocol.
     */
    BOWLINE_E_PROTOCOL = -50,
    /**
     * The peer or address is banned.
     */
    BOWLINE_E_BANNED = -51,
    /**
     * The peer or address is greylisted for a while.
     */
    BOWLINE_E_GREYLISTED = -52,
    /**
     * The address to listen on is in use.
     */
    BOWLINE_E_ADDR_IN_USE = -53,
    /**
     * The address to listen on is not one of this machine.
     */
    BOWLINE_E_ADDR_UNAVAILABLE = -54,
    /**
     * The peer is this node itself.
     */
    BOWLINE_E_SELF = -55,
    /**
     * There is a link with this peer already.
     */
    BOWLINE_E_DUPLICATE = -56,
    /**
     * The peer behaved badly.
     */
    BOWLINE_E_MISBEHAVED = -57,
    /**
     * The operating system reported an error.
     */
    BOWLINE_E_IO = -70,
    /**
     * Out of memory.
     */
    BOWLINE_E_NO_MEMORY = -71,
    /**
     * Out of file descriptors.
     */
    BOWLINE_E_NO_FILES = -72,
    /**
     * Permission is missing, or is wider than is safe.
     */
    BOWLINE_E_PERMISSION = -73,
    /**
     * The cryptography library failed.
     */
    BOWLINE_E_CRYPTO = -74,
    /**
     * The library panicked in this call: a bug of bowline.
     */
    BOWLINE_E_PANIC = -90,
    /**
     * The node failed earlier: see bowline_node_fatal_error.
     */
    BOWLINE_E_FATAL = -91,
    /**
     * A broken invariant: a bug of bowline.
     */
    BOWLINE_E_INTERNAL = -92,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum bowline_result bowline_result;
#else
typedef int32_t bowline_result;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A node's life, as bowline_node_state and BOWLINE_EV_NODE_STATE tell it.
 */
enum bowline_state
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * There is no node.
     */
    BOWLINE_STATE_INVALID = -1,
    /**
     * Made, not started.
     */
    BOWLINE_STATE_NEW = 0,
    /**
     * Started.
     */
    BOWLINE_STATE_RUNNING = 1,
    /**
     * bowline_node_stop was called.
     */
    BOWLINE_STATE_STOPPING = 2,
    /**
     * Stopped: it cannot be started again.
     */
    BOWLINE_STATE_STOPPED = 3,
    /**
     * Broken: bowline_node_fatal_error says why. Only stop and free make sense.
     */
    BOWLINE_STATE_FAILED = 4,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum bowline_state bowline_state;
#else
typedef int32_t bowline_state;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * What an event is. Members of bowline_event that are not named here are 0; new kinds may come, so skip those that you do not know.
 */
enum bowline_event_kind
#if defined(__cplusplus) || __STDC_VERSION__ >= 202311L
  : int32_t
#endif // defined(__cplusplus) || __STDC_VERSION__ >= 202311L
 {
    /**
     * A message: peer, channel, data, len, msg, time_ns.
     */
    BOWLINE_EV_MESSAGE = 1,
    /**
     * A request of a peer: as a message, and request, which is the peer's own number for it. This version has no call to answer it; the
     * peer's deadline ends it.
     */
    BOWLINE_EV_REQUEST = 2,
    /**
     * What became of a request: peer, channel, request, tag, result: BOWLINE_OK with the answer in data, len, msg; BOWLINE_E_REMOTE with
     * the peer's number in detail and its text in data; BOWLINE_E_TIMEOUT, BOWLINE_E_CANCELED, BOWLINE_E_PEER_GONE with flags = code of
     * the close reason. This version has no call to ask.
     */
    BOWLINE_EV_RESPONSE = 3,
    /**
     * What became of a message: peer, tag, result: BOWLINE_OK if it was handed to the kernel, BOWLINE_E_EXPIRED, BOWLINE_E_CANCELED,
     * BOWLINE_E_DROPPED if it gave way to a newer one, BOWLINE_E_PEER_GONE with flags = code of the close reason.
     */
    BOWLINE_EV_SEND_RESULT = 4,
    /**
     * A link opened: peer, detail = BOWLINE_DIRECTION_*, tag of bowline_connect if that is what opened it. It comes before every
     * message of the peer. A link that has closed before anybody polled this event is told of whole all the same, unless too many such
     * links wait (see bowline_queue): then the oldest leaves no event at all.
     */
    BOWLINE_EV_PEER_CONNECTED = 5,
    /**
     * A link closed: peer, result, flags = code of the close reason, detail = code that the peer gave or 0, data = the reason as text.
     * It comes after every message of the peer, and in any case if PEER_CONNECTED was polled.
     */
    BOWLINE_EV_PEER_DISCONNECTED = 6,
    /**
     * A dial of bowline_connect ended without a link: tag, result, flags = code of the close reason, data = the address as text.
     */
    BOWLINE_EV_DIAL_FAILED = 7,
    /**
     * A link was refused by this node: result, flags = code of the close reason, data = the address as text.
     */
    BOWLINE_EV_PEER_REFUSED = 8,
    /**
     * A peer was put on the greylist: result, flags = code of the close reason, data = the address as text, empty for a peer without a
     * link.
     */
    BOWLINE_EV_PEER_GREYLISTED = 9,
    /**
     * A peer was banned for its score: result, flags = code of the close reason, data = the peer id in hex, a blank, and the last cause.
     */
    BOWLINE_EV_PEER_BANNED = 10,
    /**
     * The node's state changed: detail = bowline_state.
     */
    BOWLINE_EV_NODE_STATE = 11,
    /**
     * The node failed: result, data = why. Stop and free it.
     */
    BOWLINE_EV_FATAL = 12,
    /**
     * Somebody called bowline_queue_wakeup: tag.
     */
    BOWLINE_EV_WAKEUP = 14,
    /**
     * A peer's score is low: result, flags, data as for BOWLINE_EV_PEER_BANNED.
     */
    BOWLINE_EV_PEER_WARNED = 16,
    /**
     * Too few links lead to peers with a capability that pool.roles names, and nobody else with it can be dialed now: detail = links that
     * there are, tag = links that are wanted, data = the capability. Not again within 10 minutes.
     */
    BOWLINE_EV_ROLE_SHORT = 19,
    /**
     * Messages of a channel have waited for channel.stall_after: peer, channel, tag = nanoseconds that the oldest has waited at least,
     * detail = BOWLINE_DIRECTION_INBOUND if nobody polls them, BOWLINE_DIRECTION_OUTBOUND if the peer does not take them, data = how
     * many they are, as text. Once for each time that it happens, and not again within a minute.
     */
    BOWLINE_EV_CHANNEL_STALLED = 17,
    /**
     * A channel of which CHANNEL_STALLED was told goes on: peer, channel, detail, tag = nanoseconds that it lasted. When the link closes
     * instead, PEER_DISCONNECTED is all that comes.
     */
    BOWLINE_EV_CHANNEL_RESUMED = 18,
    /**
     * Links are above their bounds, and only those of trusted and persistent peers remain: detail = links that there are, tag = links
     * that there should be. Once until they are in bounds again.
     */
    BOWLINE_EV_SURPLUS = 20,
    /**
     * Outbound links lead to so few groups of addresses that one party may hold them all: detail = groups. Once until there are 4 again.
     */
    BOWLINE_EV_FEW_GROUPS = 21,
    /**
     * Address book, lists and scores could not be saved: data = why, as text. It is tried again each maintenance.period, and told again
     * only after it has succeeded.
     */
    BOWLINE_EV_STORE_FAILED = 22,
    /**
     * The file of store.path was damaged and was put aside; address book, lists and scores have begun anew: data = where it is now, and
     * what was wrong with it, as text.
     */
    BOWLINE_EV_STORE_SET_ASIDE = 23,
    /**
     * Some rows of the store could not be read, and are missing; all others were: tag = how many, data = one of them and what is wrong
     * with it, as text.
     */
    BOWLINE_EV_STORE_ROWS_UNREAD = 24,
};
#ifndef __cplusplus
#if __STDC_VERSION__ >= 202311L
typedef enum bowline_event_kind bowline_event_kind;
#else
typedef int32_t bowline_event_kind;
#endif // __STDC_VERSION__ >= 202311L
#endif // __cplusplus

/**
 * A node to be: settings and channels. Free it with bowline_config_free; a node keeps a copy of its own.
 */
typedef struct bowline_config bowline_config;

/**
 * A failure in a full sentence. Immutable; free it with bowline_error_free.
 */
typedef struct bowline_error bowline_error;

/**
 * A secret key with its proof of work. The key is wiped when it is freed with bowline_keypair_free.
 */
typedef struct bowline_keypair bowline_keypair;

/**
 * An immutable list. Free it with bowline_list_free.
 */
typedef struct bowline_list bowline_list;

/**
 * A message: bytes that several owners may share. Free it with bowline_msg_free.
 */
typedef struct bowline_msg bowline_msg;

/**
 * A node. Make it with bowline_node_new, free it with bowline_node_free.
 */
typedef struct bowline_node bowline_node;

/**
 * An event queue. Any number of threads may poll it; each event goes to one of them.
 *
 * It is bounded however slowly it is polled. Messages of a connected peer wait up to the channel's receive queue, then the peer must wait.
 * What peers that are gone have left waits too: of 1,024 links, 16 MiB of messages, or one link's if those alone are more. Then the
 * oldest link whose PEER_CONNECTED was not polled leaves no event; if there is none, the oldest loses its messages and keeps its
 * PEER_DISCONNECTED, and no more of these wait than twice the open links and 1,024 together. bowline_metrics.msgs_dropped_in counts the
 * messages. While the node stops nothing is dropped.
 */
typedef struct bowline_queue bowline_queue;

/**
 * A row of the result table.
 */
typedef struct bowline_result_info {
    /**
     * The result.
     */
    bowline_result code;
    /**
     * BOWLINE_RESULT_* bits.
     */
    uint32_t flags;
    /**
     * Its name: "BOWLINE_E_TIMEOUT". Static.
     */
    const char *name;
    /**
     * What it means. Static.
     */
    const char *text;
} bowline_result_info;

/**
 * What a key of the configuration is.
 */
typedef struct bowline_key_info {
    /**
     * sizeof(bowline_key_info).
     */
    uint32_t struct_size;
    /**
     * 0: this version has no flags. A node keeps the values that it was made with.
     */
    uint32_t flags;
    /**
     * The key: "pool.max". This and the other texts are static.
     */
    const char *name;
    /**
     * How a value is written: "count", "auto-count", "size", "duration", "switch", "text", "choice", "ip", "address",
     * "addresses", "sockets" or "quotas".
     */
    const char *value_type;
    /**
     * The value while none is set.
     */
    const char *default_value;
    /**
     * What is allowed, such as "1 to 16384 links"; "" if everything of its type is.
     */
    const char *limits;
    /**
     * What it does.
     */
    const char *doc;
} bowline_key_info;

/**
 * A channel id, as on the wire. Applications use 0x10 and above.
 */
typedef uint16_t bowline_channel;

/**
 * A channel: one of the independent lanes of every link, with its own queues. Peers exchange messages on the channels that both have.
 * Begin with BOWLINE_CHANNEL_DESC_INIT; what is 0 is at its default, except the priority, which has none.
 */
typedef struct bowline_channel_desc {
    /**
     * sizeof(bowline_channel_desc).
     */
    uint32_t struct_size;
    /**
     * Id on the wire, 0x10 or more; both sides use the same.
     */
    bowline_channel id;
    /**
     * Weight 1 to 255 for a link's bytes when several channels have something to send; higher is more.
     */
    uint8_t priority;
    /**
     * 0; others are BOWLINE_E_UNSUPPORTED in this version.
     */
    uint8_t flags;
    /**
     * Largest message in bytes, in either direction; a larger one is refused here and is a protocol fault of a peer. 0: 1 MiB.
     */
    uint32_t max_message;
    /**
     * Messages that one peer may send per second, of any kind; it waits rather than that it is closed. 0: no limit.
     */
    uint32_t rate_msgs_per_s;
    /**
     * Of these, so many may come at once, at least 4. 0: what a second brings.
     */
    uint32_t rate_burst;
    /**
     * Messages that may wait to be sent on one link. 0: 16,384.
     */
    uint32_t send_queue_msgs;
    /**
     * Messages of one peer that may wait to be polled, at least 4; small ones then cost more of recv_queue_bytes. 0: 32,768.
     */
    uint32_t recv_queue_msgs;
    /**
     * The most bytes that the channel may put into one record of a link while other channels wait, at least 64. 0: by priority alone.
     */
    uint32_t turn_bytes;
    /**
     * Bytes of messages that may wait to be sent on one link. 0: 256 KiB.
     */
    uint64_t send_queue_bytes;
    /**
     * Bytes of messages of one peer that may wait to be polled; the peer waits then. 0: 2 MiB.
     */
    uint64_t recv_queue_bytes;
    /**
     * Label for logs and metrics: 1 to 32 printable ASCII characters without spaces. Copied.
     */
    const char *name;
    /**
     * Bytes that one peer may send per second, headers included, from 1,024 on; it waits. 0: no limit.
     */
    uint64_t rate_bytes_per_s;
    /**
     * Of these, so many may come at once, at least 1,024; no more are ever under way. 0: what a second brings.
     */
    uint32_t rate_bytes_burst;
    /**
     * 0.
     */
    uint32_t reserved;
} bowline_channel_desc;

/**
 * Who a peer is: its 32-byte public key.
 */
typedef struct bowline_peer_id {
    /**
     * The key.
     */
    uint8_t bytes[32];
} bowline_peer_id;

/**
 * An IP address with its port. All zeros is no address.
 */
typedef struct bowline_addr {
    /**
     * BOWLINE_AF_IPV4 or BOWLINE_AF_IPV6; 0 is no address.
     */
    uint8_t family;
    /**
     * Zero.
     */
    uint8_t reserved;
    /**
     * Port, in the byte order of this machine.
     */
    uint16_t port;
    /**
     * Interface of a link-local IPv6 address, else zero.
     */
    uint32_t scope;
    /**
     * 4 bytes and zeros, or 16 bytes.
     */
    uint8_t ip[16];
} bowline_addr;

/**
 * A number that names an open link with a peer. Unique for the life of the node, so a stale one is found out. 0 names none.
 */
typedef uint64_t bowline_peer;

/**
 * A number that names a request of a peer. 0 names none.
 */
typedef uint64_t bowline_request;

/**
 * An event, filled by bowline_queue_poll. Release it with bowline_events_release, or take its msg out by setting that to NULL.
 */
typedef struct bowline_event {
    /**
     * A bowline_event_kind.
     */
    int32_t kind;
    /**
     * A bowline_result.
     */
    int32_t result;
    /**
     * The link.
     */
    bowline_peer peer;
    /**
     * The request.
     */
    bowline_request request;
    /**
     * The number that the caller gave.
     */
    uint64_t tag;
    /**
     * When it happened, by the clock of bowline_clock_ns; 0 where that is not known.
     */
    uint64_t time_ns;
    /**
     * The channel.
     */
    uint16_t channel;
    /**
     * See the kind.
     */
    uint16_t flags;
    /**
     * See the kind.
     */
    uint32_t detail;
    /**
     * Bytes of msg, or a static text. Texts end with a NUL that len does not count.
     */
    const uint8_t *data;
    /**
     * How many.
     */
    size_t len;
    /**
     * What data lives in; NULL if it needs no freeing. Owned by the event.
     */
    struct bowline_msg *msg;
} bowline_event;

/**
 * How a caller's own memory is given back: once, on any thread. It may only free; it must not call bowline_*, throw or block.
 */
typedef void (*bowline_free_fn)(void *data, size_t len, void *ctx);

/**
 * How a message is sent. Begin with BOWLINE_SEND_OPTS_INIT; NULL in its place means the same.
 */
typedef struct bowline_send_opts {
    /**
     * sizeof(bowline_send_opts).
     */
    uint32_t struct_size;
    /**
     * 0; others are BOWLINE_E_UNSUPPORTED in this version.
     */
    uint32_t flags;
    /**
     * How long the call may wait for room in the send queue; 0: not at all.
     */
    int64_t timeout_ms;
    /**
     * Must be 0: a deadline for a queued message is BOWLINE_E_UNSUPPORTED in this version.
     */
    uint32_t ttl_ms;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Must be 0: it belongs to reports, which are BOWLINE_E_UNSUPPORTED in this version.
     */
    uint64_t tag;
    /**
     * Must be NULL, as tag.
     */
    struct bowline_queue *report_queue;
} bowline_send_opts;

/**
 * A connected peer at a moment. Begin with BOWLINE_PEER_INFO_INIT. What this version does not measure is 0, as said at the member.
 */
typedef struct bowline_peer_info {
    /**
     * sizeof(bowline_peer_info).
     */
    uint32_t struct_size;
    /**
     * BOWLINE_PEER_* bits.
     */
    uint32_t flags;
    /**
     * Its link.
     */
    bowline_peer peer;
    /**
     * Who it is.
     */
    struct bowline_peer_id id;
    /**
     * The other end of its connection.
     */
    struct bowline_addr remote;
    /**
     * This end of its connection; not known in this version.
     */
    struct bowline_addr local;
    /**
     * How well it behaved; not kept in this version.
     */
    int32_t score;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * When the link opened, by the clock of bowline_clock_ns.
     */
    uint64_t connected_ns;
    /**
     * When something last arrived, by the clock of bowline_clock_ns.
     */
    uint64_t last_recv_ns;
    /**
     * When something was last sent, by the clock of bowline_clock_ns.
     */
    uint64_t last_send_ns;
    /**
     * Smoothed round-trip time in microseconds; 0 before the first measurement.
     */
    uint64_t rtt_us;
    /**
     * Bytes read from its connection.
     */
    uint64_t bytes_in;
    /**
     * Bytes written to its connection.
     */
    uint64_t bytes_out;
    /**
     * Messages received.
     */
    uint64_t msgs_in;
    /**
     * Messages sent.
     */
    uint64_t msgs_out;
    /**
     * Bytes that wait to be sent; not measured in this version.
     */
    uint64_t send_queue_bytes;
    /**
     * The application's own number; not kept in this version.
     */
    uint64_t user_tag;
    /**
     * Name and version of its software, as it says: printable ASCII, cut, NUL-terminated.
     */
    char agent[64];
} bowline_peer_info;

/**
 * What a node has counted so far. Each number is exact; together they are of no single instant. Begin with BOWLINE_METRICS_INIT.
 * What this version does not count is 0, as said at the member.
 */
typedef struct bowline_metrics {
    /**
     * sizeof(bowline_metrics).
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Open links that peers dialed.
     */
    uint64_t peers_in;
    /**
     * Open links that this node dialed.
     */
    uint64_t peers_out;
    /**
     * Dials begun.
     */
    uint64_t dials_total;
    /**
     * Dials that ended without a link.
     */
    uint64_t dials_failed;
    /**
     * Connections accepted.
     */
    uint64_t accepts_total;
    /**
     * Accepted connections that were refused or failed before they opened.
     */
    uint64_t accepts_refused;
    /**
     * Bytes read from connections.
     */
    uint64_t bytes_in;
    /**
     * Bytes written to connections.
     */
    uint64_t bytes_out;
    /**
     * Messages received.
     */
    uint64_t msgs_in;
    /**
     * Messages taken for sending and sealed.
     */
    uint64_t msgs_out;
    /**
     * Messages of peers that are gone, dropped because nobody polled them and too many waited (see bowline_queue).
     */
    uint64_t msgs_dropped_in;
    /**
     * Messages whose time to live was over before they were sent.
     */
    uint64_t msgs_expired;
    /**
     * Messages above their channel's limit; not counted in this version.
     */
    uint64_t msgs_too_big;
    /**
     * Requests under way; there are none in this version.
     */
    uint64_t requests_pending;
    /**
     * Requests without an answer in time; there are none in this version.
     */
    uint64_t requests_timeout;
    /**
     * Bans in force; there are none in this version.
     */
    uint64_t bans;
    /**
     * Entries on the greylist; not counted in this version.
     */
    uint64_t greylisted;
    /**
     * Panics contained while a peer's message was handled.
     */
    uint64_t panics;
    /**
     * Nanoseconds since the node was made.
     */
    uint64_t uptime_ns;
    /**
     * Addresses known.
     */
    uint64_t addrs_known;
    /**
     * Messages that were still queued when their link closed.
     */
    uint64_t msgs_unsent;
    /**
     * Events about dials and refusals that were dropped because nobody polled.
     */
    uint64_t events_dropped;
    /**
     * Messages that were not taken for sending because their channel's queue was full, at once or until the wait was over.
     */
    uint64_t msgs_refused;
    /**
     * Messages that gave way to newer ones in a full queue.
     */
    uint64_t msgs_displaced;
    /**
     * Messages that their senders took back.
     */
    uint64_t msgs_canceled;
    /**
     * Messages of peers of which a part had come when their link closed.
     */
    uint64_t msgs_unfinished;
    /**
     * Times that a channel of a link began to stall; also those that were not told.
     */
    uint64_t stalls;
} bowline_metrics;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * The version of the library that runs: major << 16 | minor << 8 | patch. The header's own is BOWLINE_VERSION_NUMBER.
 *
 * @return The number; cannot fail.
 * @threads any
 * @since 0.1
 */
BOWLINE_API uint32_t bowline_version(void);

/**
 * The version of the library that runs, as text: "0.1.0".
 *
 * @return A static text; cannot fail.
 * @threads any
 * @since 0.1
 */
BOWLINE_API const char *bowline_version_string(void);

/**
 * How the library was built: version, features, libsodium, compiler, target. For bug reports; the form may change.
 *
 * @return A static text; cannot fail.
 * @threads any
 * @since 0.1
 */
BOWLINE_API const char *bowline_build_info(void);

/**
 * Whether a program that was compiled with some header may use this library. Call it once with BOWLINE_VERSION_NUMBER. While the
 * major version is 0 the minor one must be the same too.
 *
 * @param header_version  BOWLINE_VERSION_NUMBER as the program was compiled with
 * @return BOWLINE_OK, or BOWLINE_E_VERSION if header and library do not belong together.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_check_abi(uint32_t header_version);

/**
 * The clock that bowline_event.time_ns and bowline_peer_info count with: nanoseconds, monotonic, from no particular moment.
 *
 * @return The present moment; cannot fail. Signal-safe.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
uint64_t bowline_clock_ns(void);

/**
 * What a result means, for people: half a sentence.
 *
 * @param result  any number
 * @return A static text, never NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API const char *bowline_result_text(int32_t result);

/**
 * The name of a result: "BOWLINE_E_TIMEOUT"; "BOWLINE_E_UNKNOWN" for numbers that are none.
 *
 * @param result  any number
 * @return A static text, never NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API const char *bowline_result_name(int32_t result);

/**
 * Every result that there is, for those who generate bindings or documents.
 *
 * @param out  the first row of a static array; may be NULL to ask for the count only
 * @return How many rows there are.
 * @threads any
 * @since 0.1
 */
BOWLINE_API size_t bowline_result_table(const struct bowline_result_info **out);

/**
 * The result that came with an error object.
 *
 * @param error  may be NULL
 * @return The result; BOWLINE_OK for NULL; BOWLINE_E_INVALID for what is no error object.
 * @threads any
 * @since 0.1
 */
BOWLINE_API bowline_result bowline_error_code(const struct bowline_error *error);

/**
 * What went wrong, with the names and numbers of the case, and what to do.
 *
 * @param error  may be NULL
 * @return A text that lives as long as the error object; "" for NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API const char *bowline_error_text(const struct bowline_error *error);

/**
 * Frees an error object.
 *
 * @param error  may be NULL
 * @threads any, once
 * @since 0.1
 */
BOWLINE_API void bowline_error_free(struct bowline_error *error);

/**
 * Makes a configuration in which every key is at its default.
 *
 * @param out  the configuration
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API BOWLINE_WARN_UNUSED bowline_result bowline_config_new(struct bowline_config **out);

/**
 * Frees a configuration. Nodes made from it are not concerned.
 *
 * @param config  may be NULL
 * @threads the owner, once
 * @since 0.1
 */
BOWLINE_API void bowline_config_free(struct bowline_config *config);

/**
 * Sets a key. The value is checked at once, alone; bowline_node_new checks them together.
 *
 * @param config  the configuration
 * @param key     such as "pool.max"; bowline_config_key_info lists them
 * @param value   such as "100", "8MiB", "30s", "true" or "192.0.2.1:9732,[::1]:9732"
 * @param err     may be NULL
 * @return BOWLINE_OK, INVALID value, NOT_FOUND key, NULL, UTF8.
 * @threads the owner
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_config_set(struct bowline_config *config,
                                  const char *key,
                                  const char *value,
                                  struct bowline_error **err);

/**
 * Sets a key to a number: a count, bytes of a size, milliseconds of a duration, or 0 and 1 for a switch.
 *
 * @param config  the configuration
 * @param key     such as "pool.max"
 * @param value   the number
 * @param err     may be NULL
 * @return BOWLINE_OK, INVALID value or a key that takes no number, NOT_FOUND key, NULL, UTF8.
 * @threads the owner
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_config_set_int(struct bowline_config *config,
                                      const char *key,
                                      int64_t value,
                                      struct bowline_error **err);

/**
 * Reads a key: the canonical text of its value, which bowline_config_set reads back.
 *
 * @param config  the configuration
 * @param key     such as "pool.max"
 * @param buf     where to
 * @param cap     bytes there
 * @param needed  may be NULL; the bytes that the text takes with its NUL, also when they are not there
 * @return BOWLINE_OK, BUFFER, NOT_FOUND, NULL, UTF8.
 * @threads the owner
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_config_get(const struct bowline_config *config,
                                  const char *key,
                                  char *buf,
                                  size_t cap,
                                  size_t *needed);

/**
 * Every key with its value, one "key = value" in a line, defaults included.
 *
 * @param config  the configuration
 * @param out     the text; free it with bowline_string_free
 * @return BOWLINE_OK, NULL.
 * @threads the owner
 * @since 0.1
 */
BOWLINE_API BOWLINE_WARN_UNUSED bowline_result bowline_config_dump(const struct bowline_config *config, char **out);

/**
 * What the key number `index` is. Counting up from 0 until BOWLINE_E_NOT_FOUND lists them all, in the manual's order.
 *
 * @param index  0 and up
 * @param out    begin with BOWLINE_KEY_INFO_INIT
 * @return BOWLINE_OK, NOT_FOUND, NULL, STRUCT_SIZE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API BOWLINE_WARN_UNUSED bowline_result bowline_config_key_info(size_t index, struct bowline_key_info *out);

/**
 * Declares a channel. All of a node's channels are declared before it starts, because the handshake announces them.
 *
 * @param config  the configuration
 * @param desc    begin with BOWLINE_CHANNEL_DESC_INIT
 * @param err     may be NULL
 * @return BOWLINE_OK, EXISTS, INVALID, NULL, STRUCT_SIZE, UNSUPPORTED, UTF8.
 * @threads the owner
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_config_add_channel(struct bowline_config *config,
                                          const struct bowline_channel_desc *desc,
                                          struct bowline_error **err);

/**
 * Frees a text that the library made.
 *
 * @param text  may be NULL
 * @threads any, once
 * @since 0.1
 */
BOWLINE_API void bowline_string_free(char *text);

/**
 * Makes a key from the system's randomness and searches for its proof of work: 26 bits cost minutes, 16 a moment, 0 nothing. If the
 * time is over first, *out holds the key and what was tried so far; call again with it to go on. The same way a ready key gets
 * a better proof of work.
 *
 * @param pow_bits    leading zero bits to reach, 0 to 40; a network asks for its setting network.pow_bits
 * @param timeout_ms  how long to search; BOWLINE_FOREVER: until it is found
 * @param out         NULL in it before the first call; then the key
 * @return BOWLINE_OK, CRYPTO, INVALID, NULL, STATE if another thread searches, TIMEOUT.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_keypair_generate(uint32_t pow_bits,
                                        int64_t timeout_ms,
                                        struct bowline_keypair **out);

/**
 * Makes the key that belongs to a seed, always the same: for tests, and for wallets that derive keys. It has no proof of work yet;
 * bowline_keypair_generate adds it.
 *
 * @param seed  32 secret bytes that nobody can guess
 * @param out   the key
 * @return BOWLINE_OK, CRYPTO, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_keypair_from_seed(const uint8_t *seed,
                                         struct bowline_keypair **out);

/**
 * Loads a key from its file and verifies it again. A file that others than its owner may access is refused.
 *
 * @param path   the file
 * @param flags  0 or BOWLINE_KEYPAIR_CREATE: if there is no file, make a key without proof of work and save it with mode 0600. For
 *               a key with proof of work: bowline_keypair_generate, then bowline_keypair_save
 * @param out    the key
 * @param err    may be NULL
 * @return BOWLINE_OK, CRYPTO, INVALID contents, IO, NOT_FOUND, NULL, PERMISSION, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_keypair_load(const char *path,
                                    uint32_t flags,
                                    struct bowline_keypair **out,
                                    struct bowline_error **err);

/**
 * Saves a key to a new file with mode 0600, so that it is there whole or not at all. An existing file is never touched.
 *
 * @param keypair  the key
 * @param path     the file
 * @param err      may be NULL
 * @return BOWLINE_OK, EXISTS, IO, NULL, PERMISSION, STATE if another thread searches, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_keypair_save(const struct bowline_keypair *keypair,
                                    const char *path,
                                    struct bowline_error **err);

/**
 * The public identity of a key, which its proof of work does not change.
 *
 * @param keypair  the key
 * @param out      the id
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_keypair_id(const struct bowline_keypair *keypair,
                                  struct bowline_peer_id *out);

/**
 * Frees a key and wipes it. A node that uses it keeps its own copy.
 *
 * @param keypair  may be NULL
 * @threads any, once
 * @since 0.1
 */
BOWLINE_API void bowline_keypair_free(struct bowline_keypair *keypair);

/**
 * Reads a peer id: 64 hex digits.
 *
 * @param text  the id
 * @param out   its bytes
 * @return BOWLINE_OK, INVALID, NULL, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API BOWLINE_WARN_UNUSED bowline_result bowline_peer_id_parse(const char *text, struct bowline_peer_id *out);

/**
 * Writes a peer id as 64 lower-case hex digits.
 *
 * @param id      the id
 * @param buf     where to; BOWLINE_PEER_ID_TEXT_MAX bytes are always enough
 * @param cap     bytes there
 * @param needed  may be NULL; the bytes that the text takes with its NUL, also when they are not there
 * @return BOWLINE_OK, BUFFER, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_peer_id_format(const struct bowline_peer_id *id,
                                      char *buf,
                                      size_t cap,
                                      size_t *needed);

/**
 * Makes a node and checks its whole configuration. No thread is started and no socket opened: bind queues now.
 *
 * @param config   the configuration; the node keeps a copy
 * @param keypair  who the node is; the node keeps a copy
 * @param out      the node
 * @param err      may be NULL
 * @return BOWLINE_OK, CRYPTO, IDENTITY if the proof of work is less than network.pow_bits, INVALID, NULL, STATE if another thread
 *         searches for the key's proof of work.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_node_new(const struct bowline_config *config,
                                const struct bowline_keypair *keypair,
                                struct bowline_node **out,
                                struct bowline_error **err);

/**
 * Starts a node: binds the listeners, starts the threads, and returns when it is live. A node starts once.
 *
 * @param node  the node
 * @param err   may be NULL
 * @return BOWLINE_OK, ADDR_IN_USE, ADDR_UNAVAILABLE, IO, NO_FILES, PERMISSION, STATE if it was started before.
 * @threads any, once
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_node_start(struct bowline_node *node,
                                  struct bowline_error **err);

/**
 * Stops a node: refuses new work, sends what is queued for up to drain_ms, says goodbye to its peers, joins its threads. Every call that
 * waits returns BOWLINE_E_STOPPED. It ends within 5 s in any case; calling it again does nothing.
 *
 * @param node      the node
 * @param drain_ms  how long queued messages may take to leave; never longer than the key stop.drain says, nor is BOWLINE_FOREVER
 * @return BOWLINE_OK, TIMEOUT if the draining was cut short (the node has stopped all the same).
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_node_stop(struct bowline_node *node,
                                 int64_t drain_ms);

/**
 * Frees a node, and stops it first if need be. Messages, lists and errors that came from it stay valid. In a forked child it frees
 * nothing but the handle.
 *
 * @param node  may be NULL
 * @threads one; no other call on the node or its queues may be under way or follow
 * @since 0.1
 */
BOWLINE_API
void bowline_node_free(struct bowline_node *node);

/**
 * What a node is doing.
 *
 * @param node  may be NULL
 * @return A bowline_state; BOWLINE_STATE_INVALID for NULL and for what is no node of this process.
 * @threads any
 * @since 0.1
 */
BOWLINE_API int32_t bowline_node_state(const struct bowline_node *node);

/**
 * Why a node failed: the first cause, such as the text of a panic.
 *
 * @param node  the node
 * @param err   may be NULL
 * @return BOWLINE_OK if it did not fail, else BOWLINE_E_FATAL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API bowline_result bowline_node_fatal_error(const struct bowline_node *node, struct bowline_error **err);

/**
 * A node's own identity.
 *
 * @param node  the node
 * @param out   the id
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_node_id(const struct bowline_node *node,
                               struct bowline_peer_id *out);

/**
 * The addresses that a node listens on, with the ports that the system chose where the configuration says 0.
 *
 * @param node   the node
 * @param out    an array; may be NULL if cap is 0
 * @param cap    addresses that fit there
 * @param count  how many there are, also when they do not fit; 0 before the node is started
 * @return BOWLINE_OK, BUFFER if cap is too small (nothing is written to out then), NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_node_listen_addrs(const struct bowline_node *node,
                                         struct bowline_addr *out,
                                         size_t cap,
                                         size_t *count);

/**
 * Makes another queue, for the channels that are bound to it. Only before the node is started.
 *
 * @param node  the node
 * @param name  a label for people
 * @param out   the queue; free it with bowline_queue_free
 * @return BOWLINE_OK, LIMIT if there are 64, NULL, STATE if the node was started, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_queue_new(struct bowline_node *node,
                                 const char *name,
                                 struct bowline_queue **out);

/**
 * The queue that gets everything that is bound to no other. It belongs to the node and lives until bowline_node_free.
 *
 * @param node  may be NULL
 * @return The queue; NULL for NULL and for what is no node of this process.
 * @threads any
 * @since 0.1
 */
BOWLINE_API struct bowline_queue *bowline_node_main_queue(struct bowline_node *node);

/**
 * Frees a queue of bowline_queue_new; does nothing to a main queue. Free it when the node has stopped: what arrives on its channels
 * before would have no reader.
 *
 * @param queue  may be NULL
 * @threads one; no other call on the queue may be under way or follow
 * @since 0.1
 */
BOWLINE_API
void bowline_queue_free(struct bowline_queue *queue);

/**
 * Sends the messages of a channel to this queue instead of the main one. It also gets PEER_CONNECTED and PEER_DISCONNECTED of the peers
 * that have the channel. Only before the node is started; a later binding replaces an earlier one.
 *
 * @param queue    the queue
 * @param channel  a channel of the node's configuration
 * @return BOWLINE_OK, NO_CHANNEL, NULL, STATE if the node was started.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_queue_bind_channel(struct bowline_queue *queue,
                                          bowline_channel channel);

/**
 * Takes the next event.
 *
 * @param queue       the queue
 * @param out         the event; release it with bowline_events_release
 * @param event_size  sizeof(bowline_event)
 * @param timeout_ms  how long to wait for one
 * @return BOWLINE_OK, AGAIN if there is none and timeout_ms is 0, FATAL, STOPPED when the node has stopped and all was taken,
 *         STRUCT_SIZE, TIMEOUT.
 * @threads any, any number
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_queue_poll(struct bowline_queue *queue,
                                  struct bowline_event *out,
                                  size_t event_size,
                                  int64_t timeout_ms);

/**
 * Waits for the first event and takes those that are there: one call for many messages.
 *
 * @param queue       the queue
 * @param out         an array; release it with bowline_events_release
 * @param event_size  sizeof(bowline_event)
 * @param cap         events that fit there, at least 1
 * @param count       how many were taken; 0 after a failure
 * @param timeout_ms  how long to wait for the first one
 * @return As bowline_queue_poll; INVALID if cap is 0.
 * @threads any, any number
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_queue_poll_batch(struct bowline_queue *queue,
                                        struct bowline_event *out,
                                        size_t event_size,
                                        size_t cap,
                                        size_t *count,
                                        int64_t timeout_ms);

/**
 * Frees the msg of each event that still has one, and zeroes the events.
 *
 * @param events      an array that was polled; may be NULL if count is 0
 * @param event_size  sizeof(bowline_event), as in the poll
 * @param count       events there
 * @threads any; the owner of the array
 * @since 0.1
 */
BOWLINE_API void bowline_events_release(struct bowline_event *events, size_t event_size, size_t count);

/**
 * A descriptor that is readable exactly while the queue is not empty, or the node has stopped: level-triggered, for poll, select, epoll and
 * what stands on them. Another poller can empty the queue again: then polling says BOWLINE_E_AGAIN. It is made by the first call and
 * closed with the queue. Only poll it: never read, write or close it.
 *
 * @param queue  may be NULL
 * @return The descriptor; -1 for NULL, or if the system has none left.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
int bowline_queue_fd(struct bowline_queue *queue);

/**
 * Wakes one poller now, with an event BOWLINE_EV_WAKEUP.
 *
 * @param queue  the queue
 * @param tag    comes with the event
 * @return BOWLINE_OK, LIMIT if thousands wait already, NULL, STOPPED.
 * @threads any; not from a signal handler
 * @since 0.1
 */
BOWLINE_API bowline_result bowline_queue_wakeup(struct bowline_queue *queue, uint64_t tag);

/**
 * Makes a message of zeros, to be filled in place through bowline_msg_data_mut.
 *
 * @param len  bytes
 * @param out  the message, with one reference
 * @return BOWLINE_OK, NULL, TOO_BIG, NO_MEMORY.
 * @threads any
 * @since 0.1
 */
BOWLINE_API BOWLINE_WARN_UNUSED bowline_result bowline_msg_new(size_t len, struct bowline_msg **out);

/**
 * Makes a message of a copy.
 *
 * @param data  the bytes; (NULL, 0) makes an empty message
 * @param len   how many
 * @param out   the message, with one reference; it can still be written
 * @return BOWLINE_OK, INVALID, NULL, TOO_BIG, NO_MEMORY.
 * @threads any
 * @since 0.1
 */
BOWLINE_API BOWLINE_WARN_UNUSED bowline_result bowline_msg_copy(const void *data, size_t len, struct bowline_msg **out);

/**
 * Makes a message over the caller's own memory, without a copy. The memory must not change until it is given back. Not for memory
 * that a garbage collector moves or frees (Go).
 *
 * @param data     the bytes; (NULL, 0) makes an empty message
 * @param len      how many
 * @param free_fn  gives the memory back: called once, on any thread, when the last reference is gone; not called if this call fails
 * @param ctx      handed to free_fn
 * @param out      the message, with one reference; it cannot be written
 * @return BOWLINE_OK, INVALID, NULL, TOO_BIG.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_msg_wrap(const void *data,
                                size_t len,
                                bowline_free_fn free_fn,
                                void *ctx,
                                struct bowline_msg **out);

/**
 * The bytes of a message. They stay where they are until the last reference is freed.
 *
 * @param msg  may be NULL
 * @return The bytes; NULL for NULL. Of an empty message the pointer means nothing.
 * @threads any holder of a reference
 * @since 0.1
 */
BOWLINE_API const uint8_t *bowline_msg_data(const struct bowline_msg *msg);

/**
 * The bytes of a message for writing: only its single owner may, and only before it was sent for the first time.
 *
 * @param msg  may be NULL
 * @return The bytes; NULL if there are several references, if the message was sent or received, or wraps the caller's memory.
 * @threads the owner
 * @since 0.1
 */
BOWLINE_API
uint8_t *bowline_msg_data_mut(struct bowline_msg *msg);

/**
 * How many bytes a message has.
 *
 * @param msg  may be NULL
 * @return Bytes; 0 for NULL.
 * @threads any holder of a reference
 * @since 0.1
 */
BOWLINE_API size_t bowline_msg_len(const struct bowline_msg *msg);

/**
 * Adds a reference, for another owner who will free it.
 *
 * @param msg  may be NULL
 * @return msg; NULL for NULL.
 * @threads any holder of a reference
 * @since 0.1
 */
BOWLINE_API struct bowline_msg *bowline_msg_ref(struct bowline_msg *msg);

/**
 * Drops a reference; the last one frees the message. Also when the node that it came from is gone.
 *
 * @param msg  may be NULL
 * @threads any holder of a reference, once for each reference
 * @since 0.1
 */
BOWLINE_API void bowline_msg_free(struct bowline_msg *msg);

/**
 * Sends a copy of some bytes to a peer: queues them, for the network to take. The caller's memory is free again on return.
 *
 * @param node     the node
 * @param peer     the peer
 * @param channel  a channel that both sides have
 * @param data     the bytes; (NULL, 0) sends an empty message
 * @param len      how many
 * @param opts     may be NULL
 * @return BOWLINE_OK, AGAIN if the queue is full and the call may not wait, NO_CHANNEL, PEER_GONE, STATE if the node is not started,
 *         STOPPED, STRUCT_SIZE, TIMEOUT if the queue stayed full, TOO_BIG, UNSUPPORTED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_send(struct bowline_node *node,
                            bowline_peer peer,
                            bowline_channel channel,
                            const void *data,
                            size_t len,
                            const struct bowline_send_opts *opts);

/**
 * Sends a message to a peer without copying its bytes. It takes a reference of its own: free yours, whether the call succeeds or not.
 * From now on the message cannot be written.
 *
 * @param node     the node
 * @param peer     the peer
 * @param channel  a channel that both sides have
 * @param msg      the message
 * @param opts     may be NULL
 * @return As bowline_send.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_send_msg(struct bowline_node *node,
                                bowline_peer peer,
                                bowline_channel channel,
                                struct bowline_msg *msg,
                                const struct bowline_send_opts *opts);

/**
 * Sends a message to every peer that has the channel. Peers whose queue is full do not get it: nobody is waited for.
 *
 * @param node     the node
 * @param channel  a channel of the node
 * @param msg      the message; as for bowline_send_msg
 * @param except   a peer that shall not get it (who it came from), or 0
 * @param opts     may be NULL; its timeout_ms must be 0
 * @param queued   may be NULL; how many peers it was queued for
 * @return BOWLINE_OK (also if no peer was there), INVALID, NO_CHANNEL, STATE if the node is not started, STOPPED, STRUCT_SIZE, TOO_BIG,
 *         UNSUPPORTED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_broadcast(struct bowline_node *node,
                                 bowline_channel channel,
                                 struct bowline_msg *msg,
                                 bowline_peer except,
                                 const struct bowline_send_opts *opts,
                                 size_t *queued);

/**
 * Starts to connect to a peer. It ends in one event: BOWLINE_EV_PEER_CONNECTED or BOWLINE_EV_DIAL_FAILED, with the tag.
 *
 * @param node    the node
 * @param addr    where to
 * @param expect  may be NULL; who must answer there
 * @param flags   0; others are UNSUPPORTED in this version (for peers to stay connected with: discovery.persistent)
 * @param tag     comes with the event
 * @return BOWLINE_OK, BANNED, DUPLICATE, GREYLISTED, INVALID, LIMIT, SELF, STATE if the node is not started, STOPPED, UNSUPPORTED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_connect(struct bowline_node *node,
                               const struct bowline_addr *addr,
                               const struct bowline_peer_id *expect,
                               uint32_t flags,
                               uint64_t tag);

/**
 * Connects to a peer and waits until the link is open. Resolves names.
 *
 * @param node        the node
 * @param address     "[bowline://][<peer id>@]host:port"
 * @param timeout_ms  how long to wait; BOWLINE_FOREVER is bounded by 3 s for a name, and by the setting dial.timeout for each address
 * @param out         the link; its BOWLINE_EV_PEER_CONNECTED comes, too
 * @param err         may be NULL
 * @return BOWLINE_OK, or why there is no link: BANNED, DUPLICATE, GREYLISTED, HANDSHAKE, IDENTITY, INVALID, LIMIT, NETWORK_ID, REFUSED,
 *         RESET, SELF, STATE if the node is not started, STOPPED, TIMEOUT, UNREACHABLE, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_connect_wait(struct bowline_node *node,
                                    const char *address,
                                    int64_t timeout_ms,
                                    bowline_peer *out,
                                    struct bowline_error **err);

/**
 * Ends the link with a peer, which hears the reason. BOWLINE_EV_PEER_DISCONNECTED follows.
 *
 * @param node    the node
 * @param peer    the peer
 * @param reason  0: closed on request; or the code of a close reason, which docs/c-guide.md lists
 * @param flags   0; others are UNSUPPORTED in this version
 * @return BOWLINE_OK, INVALID, PEER_GONE, STATE if the node is not started, STOPPED, UNSUPPORTED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_disconnect(struct bowline_node *node,
                                  bowline_peer peer,
                                  uint32_t reason,
                                  uint32_t flags);

/**
 * What is known of a connected peer now.
 *
 * @param node  the node
 * @param peer  the peer
 * @param out   begin with BOWLINE_PEER_INFO_INIT
 * @return BOWLINE_OK, NULL, PEER_GONE, STRUCT_SIZE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_peer_get(const struct bowline_node *node,
                                bowline_peer peer,
                                struct bowline_peer_info *out);

/**
 * The open link with a peer.
 *
 * @param node  the node
 * @param id    who
 * @param out   the link
 * @return BOWLINE_OK, NOT_FOUND, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_peer_find(const struct bowline_node *node,
                                 const struct bowline_peer_id *id,
                                 bowline_peer *out);

/**
 * Who is connected, as a list that does not change any more.
 *
 * @param node  the node
 * @param out   the list; free it with bowline_list_free
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_peers_snapshot(const struct bowline_node *node,
                                      struct bowline_list **out);

/**
 * How many entries a list has.
 *
 * @param list  may be NULL
 * @return Entries; 0 for NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API size_t bowline_list_len(const struct bowline_list *list);

/**
 * An entry of a list of peers.
 *
 * @param list   the list
 * @param index  0 and up
 * @param out    begin with BOWLINE_PEER_INFO_INIT
 * @return BOWLINE_OK, INVALID if it is no list of peers, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_list_peer(const struct bowline_list *list,
                                 size_t index,
                                 struct bowline_peer_info *out);

/**
 * Frees a list. Also when the node is gone.
 *
 * @param list  may be NULL
 * @threads any, once
 * @since 0.1
 */
BOWLINE_API void bowline_list_free(struct bowline_list *list);

/**
 * What a node has counted so far.
 *
 * @param node  the node
 * @param out   begin with BOWLINE_METRICS_INIT
 * @return BOWLINE_OK, NULL, STRUCT_SIZE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_metrics_get(const struct bowline_node *node,
                                   struct bowline_metrics *out);

/**
 * Reads a numeric address: "192.0.2.1:9732", "[2001:db8::1]:9732", or either without a port. Never resolves a name.
 *
 * @param text          the address
 * @param default_port  the port if the text has none
 * @param out           the address
 * @return BOWLINE_OK, INVALID, NULL, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_addr_parse(const char *text,
                                  uint16_t default_port,
                                  struct bowline_addr *out);

/**
 * Writes an address as text, with its port.
 *
 * @param addr    the address
 * @param buf     where to; BOWLINE_ADDR_TEXT_MAX bytes are always enough
 * @param cap     bytes there
 * @param needed  may be NULL; the bytes that the text takes with its NUL, also when they are not there
 * @return BOWLINE_OK, BUFFER, INVALID, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_addr_format(const struct bowline_addr *addr,
                                   char *buf,
                                   size_t cap,
                                   size_t *needed);

/**
 * Takes the address out of a struct sockaddr_in or sockaddr_in6.
 *
 * @param sa      the socket address
 * @param sa_len  its length in bytes, as accept(2) and getaddrinfo(3) give it
 * @param out     the address
 * @return BOWLINE_OK, INVALID if the length does not fit the family, NULL, UNSUPPORTED family.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_addr_from_sockaddr(const void *sa,
                                          size_t sa_len,
                                          struct bowline_addr *out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BOWLINE_H */
