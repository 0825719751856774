/*
 * bowline.h: the peer-to-peer layer of a blockchain node, for C and C++.
 * Made from src/ffi by cbindgen; do not edit. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * What holds for every function:
 *
 * Results. A function that can fail answers a bowline_result: BOWLINE_OK or a negative BOWLINE_E_* that never changes its
 *   number. Any function may answer BOWLINE_E_NULL (a pointer that must be given is NULL), BOWLINE_E_INVALID (a handle of
 *   another type, a value out of range), BOWLINE_E_PANIC (a bug, contained); those on a node, queue or memory network also
 *   BOWLINE_E_FORKED (called in a forked child), BOWLINE_E_FATAL (the node failed earlier), BOWLINE_E_STATE (called from a wake or
 *   log callback). Its other results stand at @return, without BOWLINE_E_.
 * Outputs come last and are written only on success; pointers are set to NULL first. Where there is a bowline_error **err
 *   (it may be NULL), it is set to NULL on success and to a sentence about the case on every failure; free it.
 * Ownership. const X * is lent for the call. X **out is yours: free it with bowline_x_free, which takes NULL and, except for node
 *   and queue, may be called at any time, on any thread, even when the node is gone. Never free() what the library made.
 * Bytes are (pointer, length); (NULL, 0) is empty. Texts are NUL-terminated UTF-8.
 * Structs that begin with struct_size may grow: begin with their _INIT macro, or set it to sizeof. What is zero is at its default.
 * Threads. A node, queue, message, list, keypair or error may be used by any number of threads at once, a config by one.
 *   bowline_node_free and bowline_queue_free must be the last call on their object. Waits are bounded by timeout_ms, or as the function says, measured
 *   by a monotonic clock, and all end when bowline_node_stop is called. On a memory network (bowline_memnet) nothing waits.
 * Moments (time_ns, since_ns, ...) are by the clock of bowline_clock_ns; 0 where there is none, 1 for one at or before its beginning.
 * Peers are numbers, not pointers: one that is gone is answered with BOWLINE_E_PEER_GONE, never followed.
 * Signals and forks. The library's threads have every signal blocked; no handler is installed; a broken connection never
 *   raises SIGPIPE. All descriptors are close-on-exec. A forked child may exec, exit and free; nodes it makes only if it was forked
 *   before the first node was made.
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
/** timeout_ms: do not wait. A call that needs another's answer says BOWLINE_E_TIMEOUT then. */
#define BOWLINE_NOWAIT INT64_C(0)

/** A bowline_peer that names this node's own application. */
#define BOWLINE_PEER_LOCAL UINT64_C(0x8000000000000000)

/** Bit of an event kind, for bowline_queue_bind_events. */
#define BOWLINE_EV_BIT(kind) (UINT64_C(1) << (kind))

/** The beginning of each struct that may grow. */
#define BOWLINE_CHANNEL_DESC_INIT { sizeof(bowline_channel_desc), 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0, 0 }
#define BOWLINE_KEY_INFO_INIT { sizeof(bowline_key_info), 0, NULL, NULL, NULL, NULL, NULL }
#define BOWLINE_SEND_OPTS_INIT { sizeof(bowline_send_opts), 0, 0, 0, 0, 0, NULL }
#define BOWLINE_ADDR_INIT { 0, 0, 0, 0, { 0 } }
#define BOWLINE_REACH_INIT { sizeof(bowline_reach), 0, 0, 0, 0 }
#define BOWLINE_ROLE_INFO_INIT { sizeof(bowline_role_info), 0, 0, 0, 0, 0, 0, { 0 } }
#define BOWLINE_PEER_INFO_INIT { \
    sizeof(bowline_peer_info), 0, 0, { { 0 } }, BOWLINE_ADDR_INIT, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, { 0 }, \
    BOWLINE_ADDR_INIT }
#define BOWLINE_CAUSE_INIT { sizeof(bowline_cause), 0, 0, { 0 } }
#define BOWLINE_CHANNEL_INFO_INIT { sizeof(bowline_channel_info), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0 }
#define BOWLINE_KNOWN_INFO_INIT { sizeof(bowline_known_info), 0, { { 0 } }, 0, 0, 0, 0, { 0 }, { 0 } }
#define BOWLINE_BAN_INFO_INIT { sizeof(bowline_ban_info), 0, 0, 0, 0, 0, { { 0 } }, BOWLINE_ADDR_INIT, 0, 0, { 0 } }
#define BOWLINE_ADDR_INFO_INIT { \
    sizeof(bowline_addr_info), 0, 0, 0, 0, 0, { { 0 } }, BOWLINE_ADDR_INIT, 0, 0, 0, 0, 0, 0, 0, { 0 } }
#define BOWLINE_IMPORTED_INIT { sizeof(bowline_imported), 0, 0, 0, 0, 0, 0, 0 }
#define BOWLINE_CHANNEL_METRICS_INIT { sizeof(bowline_channel_metrics), 0, 0, 0, 0, 0 }
#define BOWLINE_METRICS_INIT { \
    sizeof(bowline_metrics), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, \
    0, 0, 0, 0, 0, 0, 0 }


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
 * bowline_key_info.flags: bowline_node_set changes it while the node runs.
 */
#define BOWLINE_KEY_LIVE 1

/**
 * bowline_channel_desc.flags: when the send queue is full, the oldest messages give way; without it the newest is refused.
 */
#define BOWLINE_CHANNEL_DROP_OLDEST 1

/**
 * bowline_channel_desc.flags: a new message replaces those that wait: only the latest counts.
 */
#define BOWLINE_CHANNEL_CONFLATE 2

/**
 * bowline_channel_desc.flags: this node answers no requests on the channel.
 */
#define BOWLINE_CHANNEL_NO_REQUESTS 4

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
 * bowline_send_opts.flags: exactly one BOWLINE_EV_SEND_RESULT, with tag, tells in report_queue what became of the message.
 */
#define BOWLINE_SEND_REPORT 1

/**
 * bowline_send_opts.flags of a broadcast: to this node itself, too.
 */
#define BOWLINE_SEND_SELF 2

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
 * bowline_peer_info.flags: version is the highest version of the application's protocol that both sides announce.
 */
#define BOWLINE_PEER_HAS_VERSION 8

/**
 * bowline_known_info.flags: it does not want to be advertised.
 */
#define BOWLINE_KNOWN_PRIVATE 1

/**
 * bowline_ban_info.kind: an identity, in id.
 */
#define BOWLINE_SUBJECT_PEER 1

/**
 * bowline_ban_info.kind: the addresses of a prefix, in addr and prefix_len.
 */
#define BOWLINE_SUBJECT_NET 2

/**
 * bowline_ban_info.by: the operator, or the settings.
 */
#define BOWLINE_BY_OPERATOR 1

/**
 * bowline_ban_info.by: the peer's score.
 */
#define BOWLINE_BY_SCORE 2

/**
 * bowline_ban_info.by: it broke the protocol, and is on the greylist.
 */
#define BOWLINE_BY_FAULT 3

/**
 * bowline_standing: no list says anything.
 */
#define BOWLINE_STANDING_ORDINARY 0

/**
 * bowline_standing: the operator trusts it.
 */
#define BOWLINE_STANDING_TRUSTED 1

/**
 * bowline_standing: the greylist keeps it out for a while.
 */
#define BOWLINE_STANDING_GREYLISTED 2

/**
 * bowline_standing: banned.
 */
#define BOWLINE_STANDING_BANNED 3

/**
 * bowline_addr_info.flags: it is one of discovery.seeds.
 */
#define BOWLINE_ADDR_SEED 1

/**
 * bowline_addr_info.flags: it is persistent.
 */
#define BOWLINE_ADDR_PERSISTENT 2

/**
 * bowline_addr_info.flags: it has proven good over time.
 */
#define BOWLINE_ADDR_TRIED 4

/**
 * bowline_addr_info.state: may be dialed once its time has come.
 */
#define BOWLINE_ADDR_CANDIDATE 0

/**
 * bowline_addr_info.state: a dial is under way, which peer names.
 */
#define BOWLINE_ADDR_DIALING 1

/**
 * bowline_addr_info.state: persistent, and dialed again for ever.
 */
#define BOWLINE_ADDR_RECONNECTING 2

/**
 * bowline_addr_info.state: a link is open, which peer names.
 */
#define BOWLINE_ADDR_CONNECTED 3

/**
 * bowline_addr_info.state: given up until bad_until_ns.
 */
#define BOWLINE_ADDR_BAD 4

/**
 * bowline_addr_info.proof: somebody said so.
 */
#define BOWLINE_PROOF_HEARD 0

/**
 * bowline_addr_info.proof: the peer itself said so, on a link from that host.
 */
#define BOWLINE_PROOF_HOST 1

/**
 * bowline_addr_info.proof: this node dialed it, and a peer showed its key there.
 */
#define BOWLINE_PROOF_DIALED 2

/**
 * Level of a line: something is broken.
 */
#define BOWLINE_LOG_ERROR 1

/**
 * Level of a line: somebody should look at it.
 */
#define BOWLINE_LOG_WARN 2

/**
 * Level of a line: what has happened.
 */
#define BOWLINE_LOG_INFO 3

/**
 * Level of a line: for those who look for a mistake.
 */
#define BOWLINE_LOG_DEBUG 4

/**
 * Level of a line: everything.
 */
#define BOWLINE_LOG_TRACE 5

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
     * This process was forked off the one that it belongs to, or that had nodes.
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
     * A request of a peer: as a message, and request, its number. Answer it once, with bowline_respond, by peer, channel and number; or the
     * peer's deadline ends it.
     */
    BOWLINE_EV_REQUEST = 2,
    /**
     * What became of a request: peer, channel, request, tag, result: BOWLINE_OK with the answer in data, len, msg; BOWLINE_E_REMOTE with
     * the peer's number in detail and its text in data; BOWLINE_E_TIMEOUT, BOWLINE_E_CANCELED, BOWLINE_E_STOPPED if this node stops,
     * BOWLINE_E_PEER_GONE with flags = code of the close reason. Exactly one for each bowline_request_start that returned BOWLINE_OK.
     */
    BOWLINE_EV_RESPONSE = 3,
    /**
     * What became of a message: peer, tag, result: BOWLINE_OK if it was handed to the kernel, BOWLINE_E_EXPIRED, BOWLINE_E_CANCELED,
     * BOWLINE_E_DROPPED if it gave way to a newer one, BOWLINE_E_PEER_GONE with flags = code of the close reason.
     */
    BOWLINE_EV_SEND_RESULT = 4,
    /**
     * A link opened: peer, detail = BOWLINE_DIRECTION_*, tag of bowline_connect if that is what opened it, data = the 32 bytes of the peer's
     * id. It comes before every
     * message of the peer. A link that has closed before anybody polled this event is told of whole all the same, unless too many such
     * links wait (see bowline_queue): then the oldest leaves no event at all.
     */
    BOWLINE_EV_PEER_CONNECTED = 5,
    /**
     * A link closed: peer, result, flags = code of the close reason (bowline_reason_text has it for people), detail = code that the peer
     * gave or 0, data = the 32 bytes of the peer's id, tag = messages that were queued to it and never sent, request = their bytes.
     * It comes after every message of the peer, and in any case if PEER_CONNECTED was polled.
     */
    BOWLINE_EV_PEER_DISCONNECTED = 6,
    /**
     * A dial of bowline_connect ended without a link: tag, result, flags = code of the close reason, data = the address as text.
     */
    BOWLINE_EV_DIAL_FAILED = 7,
    /**
     * A link was refused by this node: result, flags = code of the close reason, data = "<peer id>@<address>", the id as 64 hex digits; the
     * address alone if it was not known yet who came.
     */
    BOWLINE_EV_PEER_REFUSED = 8,
    /**
     * A peer was put on the greylist: result, flags = code of the close reason, data as for BOWLINE_EV_PEER_REFUSED; the id alone for a
     * peer without a link.
     */
    BOWLINE_EV_PEER_GREYLISTED = 9,
    /**
     * A peer was banned for its score: result, flags = code of the close reason, detail = its score, of type int32_t, data = the peer id in
     * hex, a blank, and the last cause.
     */
    BOWLINE_EV_PEER_BANNED = 10,
    /**
     * The node's state changed: detail = bowline_state.
     */
    BOWLINE_EV_NODE_STATE = 11,
    /**
     * The node failed: result, data = why. Stop and free it. Its links have ended, though not each PEER_DISCONNECTED may be told.
     */
    BOWLINE_EV_FATAL = 12,
    /**
     * Somebody called bowline_queue_wakeup: tag.
     */
    BOWLINE_EV_WAKEUP = 14,
    /**
     * A round of maintenance has ended after bowline_maintain_wait gave it up: tag = the round's number, detail = links that there are,
     * flags = 1 if they could not be brought into bounds, else 0.
     */
    BOWLINE_EV_ROUND_ENDED = 15,
    /**
     * A peer's score is low: result, flags, detail, data as for BOWLINE_EV_PEER_BANNED.
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
     * An address has come into the book: data = the address as text, as bowline_addrbook_add takes it. Told only in a queue to which bowline_queue_bind_events
     * binds it: there may be thousands at once.
     */
    BOWLINE_EV_ADDR_ADDED = 13,
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
 * A network in memory with a time of its own, for tests. Nodes whose configuration says bowline_config_use_memnet are on it: whole nodes, of
 * the same code as on sockets, but without threads and descriptors. Nothing happens on it unless bowline_memnet_advance or
 * bowline_memnet_advance_to_event is called, on the thread that calls it; time stands still in between. The same seed and the same calls give
 * the same events, to the last byte, where keys come from bowline_keypair_from_seed.
 *
 * Each node has an IP address of its own, that of its first listen.addresses, or one of 10.0.0.0/8 if it names none, and others that it names,
 * which are no other node's; in most tests network.allow_private is "true". A network has room for 65,536 nodes: those that are freed give
 * theirs back when it is full, and their addresses and links are forgotten then.
 *
 * A call that would wait says BOWLINE_E_STATE on such a node, whatever is there already: poll, send, respond with BOWLINE_NOWAIT, use
 * bowline_connect and bowline_request_start, not bowline_connect_wait, bowline_request_wait and bowline_maintain_wait. bowline_node_stop takes no time:
 * it sends what the streams take in this moment. Moments in events and elsewhere are those of bowline_memnet_now.
 *
 * Any thread may call; of two at once one waits for the other. What the network runs, such as a wake function, must not call these functions
 * nor start or stop its nodes: BOWLINE_E_STATE.
 */
typedef struct bowline_memnet bowline_memnet;

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
     * BOWLINE_KEY_LIVE, or 0: then a node keeps the value that it was made with.
     */
    uint32_t flags;
    /**
     * The key: "pool.max". This and the other texts are static.
     */
    const char *name;
    /**
     * How a value is written: "count", "auto-count", "size", "duration", "switch", "text", "choice", "ip", "address",
     * "addresses", "sockets", "quotas" or "subjects".
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
     * BOWLINE_CHANNEL_* bits.
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
     * Requests of one peer that may wait for the application's answer. 0: 64, or none with BOWLINE_CHANNEL_NO_REQUESTS.
     */
    uint32_t requests;
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
     * When it happened, by the clock of bowline_clock_ns, or by bowline_memnet_now; 0 where that is not known.
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
 * What tells an event loop that a queue has something.
 */
typedef void (*bowline_wake_fn)(void *ctx);

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
     * BOWLINE_SEND_* bits.
     */
    uint32_t flags;
    /**
     * How long the call may wait for room in the send queue; 0: not at all. 0 for a broadcast.
     */
    int64_t timeout_ms;
    /**
     * How long the message may wait to be sent: if its first byte has not left by then, it is taken out of the queue. 0: for ever.
     */
    uint32_t ttl_ms;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * With BOWLINE_SEND_REPORT: comes with the event, and bowline_send_cancel takes the message back by it. Else 0.
     */
    uint64_t tag;
    /**
     * With BOWLINE_SEND_REPORT: the queue that is told; NULL is the main one. Else NULL.
     */
    struct bowline_queue *report_queue;
} bowline_send_opts;

/**
 * Bytes of the caller's: one message of a batch. It will not grow.
 */
typedef struct bowline_slice {
    /**
     * The bytes; NULL if there are none.
     */
    const void *data;
    /**
     * How many.
     */
    size_t len;
} bowline_slice;

/**
 * What became of a broadcast. Begin with BOWLINE_REACH_INIT.
 */
typedef struct bowline_reach {
    /**
     * sizeof(bowline_reach).
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Peers that have the message in their queue.
     */
    uint64_t queued;
    /**
     * Peers whose queue was full: they do not get it.
     */
    uint64_t full;
    /**
     * Peers that closed meanwhile, or take smaller messages only.
     */
    uint64_t refused;
} bowline_reach;

/**
 * A number that names a group of peers: the application's choice.
 */
typedef uint32_t bowline_group;

/**
 * A connected peer at a moment. Begin with BOWLINE_PEER_INFO_INIT.
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
     * What it has earned, from -1,000 to 1,000, when the list of peers was made: bowline_score has it now.
     */
    int32_t score;
    /**
     * With BOWLINE_PEER_HAS_VERSION; else 0.
     */
    uint32_t version;
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
     * Bytes a second that it may be sent; 0: no limit of its own.
     */
    uint64_t rate_up;
    /**
     * Bytes a second that it may send; 0: no limit of its own.
     */
    uint64_t rate_down;
    /**
     * Its share of what all links move together, beside others of weight 1.
     */
    uint64_t weight;
    /**
     * The application's own number, of bowline_peer_set_tag.
     */
    uint64_t user_tag;
    /**
     * Name and version of its software, as it says: printable ASCII, cut, NUL-terminated.
     */
    char agent[64];
    /**
     * Where it can be dialed, as far as known; zeros if not. bowline_peer_listens has all that it says.
     */
    struct bowline_addr listen;
} bowline_peer_info;

/**
 * An entry of the list of bans, of the trusted, or of the greylist. Begin with BOWLINE_BAN_INFO_INIT.
 */
typedef struct bowline_ban_info {
    /**
     * sizeof(bowline_ban_info).
     */
    uint32_t struct_size;
    /**
     * BOWLINE_SUBJECT_*.
     */
    uint32_t kind;
    /**
     * BOWLINE_BY_*.
     */
    uint32_t by;
    /**
     * Leading bits of addr that count; 0 for an identity.
     */
    uint32_t prefix_len;
    /**
     * How often it was greylisted, while each time was within a week of the last; 0 on the other lists.
     */
    uint32_t offences;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Who; zeros for a prefix.
     */
    struct bowline_peer_id id;
    /**
     * The first address of the prefix, with port 0.
     */
    struct bowline_addr addr;
    /**
     * When it was put there, by the clock of bowline_clock_ns; 0 on the greylist.
     */
    uint64_t since_ns;
    /**
     * When it ends by itself, by the clock of bowline_clock_ns; 0: never.
     */
    uint64_t until_ns;
    /**
     * Why, as the operator said: printable ASCII, cut, NUL-terminated.
     */
    char why[72];
} bowline_ban_info;

/**
 * A known address. Begin with BOWLINE_ADDR_INFO_INIT. Moments are by the clock of bowline_clock_ns; 0: never.
 */
typedef struct bowline_addr_info {
    /**
     * sizeof(bowline_addr_info).
     */
    uint32_t struct_size;
    /**
     * BOWLINE_ADDR_SEED, _PERSISTENT, _TRIED.
     */
    uint32_t flags;
    /**
     * BOWLINE_ADDR_CANDIDATE, _DIALING, _RECONNECTING, _CONNECTED, _BAD.
     */
    uint32_t state;
    /**
     * BOWLINE_PROOF_*.
     */
    uint32_t proof;
    /**
     * Failures in a row.
     */
    uint32_t attempts;
    /**
     * Code of the close reason of the last failure; 0 if there was none.
     */
    uint32_t failure;
    /**
     * Who answers there, or is said to; zeros if nobody is known.
     */
    struct bowline_peer_id id;
    /**
     * Where.
     */
    struct bowline_addr addr;
    /**
     * The dial or link; 0 if there is none.
     */
    bowline_peer peer;
    /**
     * It is not dialed for links before; 0: it may be at once.
     */
    uint64_t next_dial_ns;
    /**
     * When somebody told of it last.
     */
    uint64_t last_heard_ns;
    /**
     * When it was dialed last.
     */
    uint64_t last_dialed_ns;
    /**
     * When a peer was met there last.
     */
    uint64_t last_seen_ns;
    /**
     * When it failed last.
     */
    uint64_t failed_ns;
    /**
     * Until when it is given up.
     */
    uint64_t bad_until_ns;
    /**
     * Who told of it: "own" for the operator or the application, else the group of addresses of the peer that did, such as "192.0.0.0/16".
     */
    char source[32];
} bowline_addr_info;

/**
 * An identity that was linked once. Begin with BOWLINE_KNOWN_INFO_INIT. Moments are by the clock of bowline_clock_ns; 0: never.
 */
typedef struct bowline_known_info {
    /**
     * sizeof(bowline_known_info).
     */
    uint32_t struct_size;
    /**
     * BOWLINE_KNOWN_*.
     */
    uint32_t flags;
    /**
     * Who.
     */
    struct bowline_peer_id id;
    /**
     * Links with it that are open or about to open.
     */
    uint32_t links;
    /**
     * Its score.
     */
    int32_t score;
    /**
     * When it came first.
     */
    uint64_t first_seen_ns;
    /**
     * When it came or went last; while it has a link, when that was admitted.
     */
    uint64_t last_seen_ns;
    /**
     * When its links, or dials that had met it, failed: the last four, the oldest first.
     */
    uint64_t failed_ns[4];
    /**
     * Codes of the close reasons of these.
     */
    uint32_t failures[4];
} bowline_known_info;

/**
 * How many links lead to peers with a capability, and how many there should be. Begin with BOWLINE_ROLE_INFO_INIT.
 */
typedef struct bowline_role_info {
    /**
     * sizeof(bowline_role_info).
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * The quota as so many links; 0 if it is a share.
     */
    uint32_t count;
    /**
     * The quota as so many of a hundred of all links; 0 if it is a number.
     */
    uint32_t percent;
    /**
     * Links that there should be now.
     */
    uint64_t wanted;
    /**
     * Links that there are, open or about to be.
     */
    uint64_t linked;
    /**
     * Dials under way to addresses whose peers are said to have the capability.
     */
    uint64_t dialing;
    /**
     * The capability, NUL-terminated.
     */
    char capability[40];
} bowline_role_info;

/**
 * How a channel of a peer stands. Begin with BOWLINE_CHANNEL_INFO_INIT.
 */
typedef struct bowline_channel_info {
    /**
     * sizeof(bowline_channel_info).
     */
    uint32_t struct_size;
    /**
     * The channel.
     */
    bowline_channel channel;
    /**
     * 1 if the peer has it, too; else 0.
     */
    uint16_t is_shared;
    /**
     * This node's messages that wait to be sent.
     */
    uint64_t out_msgs;
    /**
     * Their bytes.
     */
    uint64_t out_bytes;
    /**
     * How long the oldest of them has waited at least, nanoseconds.
     */
    uint64_t out_age_ns;
    /**
     * The peer's messages that wait to be polled.
     */
    uint64_t in_msgs;
    /**
     * Their bytes.
     */
    uint64_t in_bytes;
    /**
     * How long the oldest of them has waited at least, nanoseconds.
     */
    uint64_t in_age_ns;
    /**
     * Messages of the peer of which a part has come: 0 or 1.
     */
    uint64_t unfinished;
    /**
     * Bytes that this node may send before the peer grants more.
     */
    uint64_t credit_out;
    /**
     * Bytes that the peer may send before this node grants more.
     */
    uint64_t credit_in;
    /**
     * This node's messages that were not taken because the send queue was full.
     */
    uint64_t refused;
    /**
     * This node's messages that gave way to newer ones.
     */
    uint64_t displaced;
    /**
     * This node's messages whose ttl_ms was over before they were sent.
     */
    uint64_t expired;
    /**
     * This node's messages that were taken back.
     */
    uint64_t canceled;
} bowline_channel_info;

/**
 * One thing that has moved a peer's score. Begin with BOWLINE_CAUSE_INIT.
 */
typedef struct bowline_cause {
    /**
     * sizeof(bowline_cause).
     */
    uint32_t struct_size;
    /**
     * By how much, in points.
     */
    int32_t delta;
    /**
     * When, by the clock of bowline_clock_ns.
     */
    uint64_t time_ns;
    /**
     * Why: printable ASCII, cut, NUL-terminated.
     */
    char why[72];
} bowline_cause;

/**
 * How much of an import was news. Begin with BOWLINE_IMPORTED_INIT.
 */
typedef struct bowline_imported {
    /**
     * sizeof(bowline_imported).
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * New addresses.
     */
    uint64_t addrs;
    /**
     * New identities.
     */
    uint64_t peers;
    /**
     * New entries of lists.
     */
    uint64_t lists;
    /**
     * New scores.
     */
    uint64_t scores;
    /**
     * Rows that have found no place: nobody who is known goes for them.
     */
    uint64_t without_place;
    /**
     * Entries of lists of whose subject the opposite is said here, which stands.
     */
    uint64_t contradicted;
} bowline_imported;

/**
 * What a node has counted so far. Each number is exact; together they are of no single instant. Begin with BOWLINE_METRICS_INIT.
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
     * Nanoseconds since the node was made.
     */
    uint64_t uptime_ns;
    /**
     * Open links that peers dialed.
     */
    uint64_t peers_in;
    /**
     * Open links that this node dialed.
     */
    uint64_t peers_out;
    /**
     * Addresses known.
     */
    uint64_t addrs_known;
    /**
     * Bans in force, by the operator or for a score.
     */
    uint64_t bans;
    /**
     * Entries on the greylist, those included whose time is over and that are only remembered.
     */
    uint64_t greylisted;
    /**
     * Dials begun.
     */
    uint64_t dials_total;
    /**
     * Dials that ended without a link.
     */
    uint64_t dials_failed;
    /**
     * Connections accepted by the listeners.
     */
    uint64_t accepts_total;
    /**
     * Arrivals that were refused or failed before they opened.
     */
    uint64_t accepts_refused;
    /**
     * Connections closed at the door, before anything was made for them: banned, greylisted, or not trusted where only the trusted are let in.
     */
    uint64_t accepts_shut;
    /**
     * Bytes read from sockets.
     */
    uint64_t bytes_in;
    /**
     * Bytes written to sockets.
     */
    uint64_t bytes_out;
    /**
     * Application messages received.
     */
    uint64_t msgs_in;
    /**
     * Application messages taken from callers and sealed.
     */
    uint64_t msgs_out;
    /**
     * Bytes of application messages received.
     */
    uint64_t payload_in;
    /**
     * Bytes of application messages sent.
     */
    uint64_t payload_out;
    /**
     * Messages that were queued when their link closed.
     */
    uint64_t msgs_unsent;
    /**
     * Messages whose time to live was over before they were sent.
     */
    uint64_t msgs_expired;
    /**
     * Messages that their senders took back.
     */
    uint64_t msgs_canceled;
    /**
     * Messages that gave way to newer ones in a full queue.
     */
    uint64_t msgs_displaced;
    /**
     * Messages that were not taken for sending because their channel's queue was full, at once or until their wait was over.
     */
    uint64_t msgs_refused;
    /**
     * Messages of peers of which a part had come when their link ended.
     */
    uint64_t msgs_unfinished;
    /**
     * Messages of the node's own channels that were dropped: too many waited for a peer, or their link had ended.
     */
    uint64_t controls_dropped;
    /**
     * Times that a channel of a link began to stall; also those that were not told.
     */
    uint64_t stalls;
    /**
     * Messages that a typed channel made nothing of; C has no such channels.
     */
    uint64_t msgs_malformed;
    /**
     * Requests without an answer by their deadline.
     */
    uint64_t requests_timeout;
    /**
     * Answers that nobody waited for any more.
     */
    uint64_t answers_late;
    /**
     * Messages of peers that are gone, dropped because nobody polled them and too many waited (see bowline_queue).
     */
    uint64_t msgs_dropped_in;
    /**
     * Events that belong to no open link, dropped because nobody polled.
     */
    uint64_t events_dropped;
    /**
     * Requests of peers for addresses that were answered.
     */
    uint64_t pex_answered;
    /**
     * Panics contained while handling a peer's message.
     */
    uint64_t panics;
    /**
     * Times a connection could not be accepted for want of descriptors.
     */
    uint64_t accepts_no_files;
    /**
     * Bytes a second that all links together may send; 0: no limit.
     */
    uint64_t rate_up;
    /**
     * Bytes a second that all links together may receive; 0: no limit.
     */
    uint64_t rate_down;
    /**
     * Turns of the event loop.
     */
    uint64_t turns;
    /**
     * Times that the event loop was woken out of sleep.
     */
    uint64_t wakes;
} bowline_metrics;

/**
 * What went through a channel so far, on all links together. Begin with BOWLINE_CHANNEL_METRICS_INIT.
 */
typedef struct bowline_channel_metrics {
    /**
     * sizeof(bowline_channel_metrics).
     */
    uint32_t struct_size;
    /**
     * 0.
     */
    uint32_t reserved;
    /**
     * Messages received.
     */
    uint64_t msgs_in;
    /**
     * Their bytes.
     */
    uint64_t bytes_in;
    /**
     * Messages taken for sending and sealed.
     */
    uint64_t msgs_out;
    /**
     * Their bytes.
     */
    uint64_t bytes_out;
} bowline_channel_metrics;

/**
 * Takes a line of the log. level is BOWLINE_LOG_*, target the part of the library ("bowline::node"), text the line; both end with the call.
 */
typedef void (*bowline_log_fn)(void *ctx, int32_t level, const char *target, const char *text);

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
 * What the code of a close reason means, as events carry it in flags.
 *
 * @param reason  the code
 * @return A static text, never NULL: "unknown reason" for what is none.
 * @threads any
 * @since 0.1
 */
BOWLINE_API const char *bowline_reason_text(uint32_t reason);

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
 * Announces that the node can do a thing. Peers learn of it when they connect, others through them; bowline_role_choose and its like find
 * those who can. Announce first what others look for: in the lists of addresses that nodes exchange, long ones are cut.
 *
 * @param config      the configuration
 * @param capability  a name of 1 to 32 printable ASCII characters; at most 32 of them
 * @param value       says whatever the application likes
 * @param err         may be NULL
 * @return BOWLINE_OK, INVALID for what is no name, is announced already, or is one too many; NULL, UTF8.
 * @threads the owner
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_config_add_capability(struct bowline_config *config,
                                             const char *capability,
                                             uint64_t value,
                                             struct bowline_error **err);

/**
 * Announces a version of the application's own protocol. The highest that both sides announce is bowline_peer_info.version; the setting
 * network.require_version refuses peers that share none.
 *
 * @param config   the configuration
 * @param version  any number; at most 32 of them, each once
 * @param err      may be NULL
 * @return BOWLINE_OK, EXISTS, LIMIT, NULL.
 * @threads the owner
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_config_add_version(struct bowline_config *config,
                                          uint32_t version,
                                          struct bowline_error **err);

/**
 * Sets bytes of the application's that every peer gets when it connects: bowline_peer_metadata reads them there.
 *
 * @param config  the configuration
 * @param data    the bytes, which are copied; (NULL, 0) is none
 * @param len     how many, at most 4,096
 * @param err     may be NULL
 * @return BOWLINE_OK, NULL, TOO_BIG.
 * @threads the owner
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_config_set_metadata(struct bowline_config *config,
                                           const void *data,
                                           size_t len,
                                           struct bowline_error **err);

/**
 * Sets what the node calls its software, for people: bowline_peer_info.agent there.
 *
 * @param config  the configuration
 * @param agent   name and version; at most 64 bytes go out
 * @param err     may be NULL
 * @return BOWLINE_OK, NULL, UTF8.
 * @threads the owner
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_config_set_agent(struct bowline_config *config,
                                        const char *agent,
                                        struct bowline_error **err);

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
 * @return BOWLINE_OK, CRYPTO, FORKED in a child of a process that had made nodes, or for a memory network of the parent's, IDENTITY if the proof of work is less than
 *         network.pow_bits, INVALID, LIMIT if its memory network has 65,536 nodes, NULL, STATE if another thread searches for the key's
 *         proof of work, or from within a callback.
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
 * Starts a node: binds the listeners, starts the threads, and returns when it is live: after some milliseconds, and as long as its
 * store takes to be read. A node starts once.
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
 * waits returns BOWLINE_E_STOPPED. It ends within 5 s in any case; calling it again does nothing. On a memory network no time passes: what
 * the streams take in this moment is sent.
 *
 * @param node      the node
 * @param drain_ms  how long queued messages may take to leave; never longer than the key stop.drain says, nor is BOWLINE_FOREVER
 * @return BOWLINE_OK, STATE from within a memory network that is being advanced, TIMEOUT if the draining was cut short (the node has
 *         stopped all the same).
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_node_stop(struct bowline_node *node,
                                 int64_t drain_ms);

/**
 * Frees a node, and stops it first if need be, without draining: within 5 s in any case. Messages, lists and errors that came from it
 * stay valid, and so do queues of bowline_queue_new: a poll there hands out what was left, and then says BOWLINE_E_STOPPED. In a forked
 * child it frees nothing but the handle; from within a callback it frees nothing, and the log has a line about that.
 *
 * @param node  may be NULL
 * @threads one; no other call on the node or its main queue may be under way or follow
 * @since 0.1
 */
BOWLINE_API
void bowline_node_free(struct bowline_node *node);

/**
 * What a node is doing.
 *
 * @param node  may be NULL
 * @return A bowline_state; BOWLINE_STATE_INVALID for NULL and for what is no node of this process, and in a callback.
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
 * The addresses that a node listens on now, with the ports that the system chose where 0 was asked for: those of the configuration, as
 * bowline_listen_add and bowline_listen_remove have changed them. A node that has stopped says where it did.
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
 * The most memory that the node takes with its settings and channels, in bytes, whatever peers and callers do. The log names the parts.
 *
 * @param node  the node
 * @param out   bytes
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_node_memory_max(const struct bowline_node *node,
                                       uint64_t *out);

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
 * @return The queue; NULL for NULL and for what is no node. In a forked child calls on it say BOWLINE_E_FORKED, as those on the node.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
struct bowline_queue *bowline_node_main_queue(struct bowline_node *node);

/**
 * Frees a queue of bowline_queue_new; does nothing to a main queue. Free it when the node has stopped, or after bowline_node_free, as you
 * like: what arrives on its channels before would have no reader. From within a callback it frees nothing, and the log has a line about that.
 *
 * @param queue  may be NULL
 * @threads one; no other call on the queue may be under way or follow; calls on its node may
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
 * @return BOWLINE_OK, AGAIN if there is none and timeout_ms is 0, FATAL, STATE if timeout_ms is not 0 on a memory network, STOPPED when
 *         the node has stopped and all was taken, STRUCT_SIZE, TIMEOUT.
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
 * @return The descriptor; -1 for NULL, if the system has none left, while a wake function is set, in a callback and in a forked child.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
int bowline_queue_fd(struct bowline_queue *queue);

/**
 * Has a function called whenever the queue, having been empty, is so no longer, and when the node has stopped; at once, before this returns,
 * if that is so now. It is for event loops without descriptors. Whoever is woken polls until the answer is BOWLINE_E_AGAIN, or there will be
 * no other call.
 *
 * @param queue  the queue
 * @param wake   called on any thread, with ctx: it may only signal an event loop. It must not call bowline_*, block, throw or jump out.
 *               NULL removes it and waits for a call that is under way
 * @param ctx    may be NULL; it must live until wake is removed or the node is freed
 * @return BOWLINE_OK, NULL, STATE if bowline_queue_fd is in use, or from within a callback.
 * @threads any; not from a callback
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_queue_set_wake(struct bowline_queue *queue,
                                      bowline_wake_fn wake,
                                      void *ctx);

/**
 * Sends events of these kinds to this queue instead of the main one, each kind to one queue. They are those that belong to no link's
 * story: DIAL_FAILED, PEER_REFUSED, PEER_GREYLISTED, PEER_BANNED, PEER_WARNED, ADDR_ADDED (told only if it is bound), ROUND_ENDED,
 * CHANNEL_STALLED, CHANNEL_RESUMED, ROLE_SHORT, SURPLUS, FEW_GROUPS and the three of the store. Every queue hears of NODE_STATE and FATAL;
 * SEND_RESULT and RESPONSE go where the call said. Only before the node is started; a later binding replaces an earlier one.
 *
 * @param queue  the queue
 * @param mask   bits BOWLINE_EV_BIT(kind), or-ed together
 * @return BOWLINE_OK, INVALID for a bit of another kind, NULL, STATE if the node was started.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_queue_bind_events(struct bowline_queue *queue,
                                         uint64_t mask);

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
 * @param opts     may be NULL: then it does not wait. It waits for room in the queue for as long as their timeout_ms says
 * @return BOWLINE_OK, AGAIN if the queue is full and the call may not wait, INVALID, LIMIT if tens of thousands of reports wait in the
 *         queue that is to be told, NO_CHANNEL, PEER_GONE, STATE if the node is not started, STOPPED, STRUCT_SIZE, TIMEOUT if the queue
 *         stayed full, TOO_BIG, UNSUPPORTED. After a failure nothing is reported.
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
 * Sends copies of many messages to a peer, in their order: one call for what comes by the dozen. The caller's memory is free again on return.
 *
 * @param node      the node
 * @param peer      the peer
 * @param channel   a channel that both sides have
 * @param messages  an array; may be NULL if count is 0
 * @param count     messages there
 * @param opts      may be NULL; only timeout_ms can be set: how long to wait for room for all of them
 * @param sent      may be NULL; how many were queued, from the first: all of them after BOWLINE_OK, those before the one that was refused
 *                  after any other result
 * @return As bowline_send, of the first message that was not queued.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_send_batch(struct bowline_node *node,
                                  bowline_peer peer,
                                  bowline_channel channel,
                                  const struct bowline_slice *messages,
                                  size_t count,
                                  const struct bowline_send_opts *opts,
                                  size_t *sent);

/**
 * Sends a message to a peer without copying its bytes. It takes a reference of its own: free yours, whether the call succeeds or not.
 * From now on the message cannot be written.
 *
 * @param node     the node
 * @param peer     the peer
 * @param channel  a channel that both sides have
 * @param msg      the message
 * @param opts     may be NULL: then it does not wait. It waits for room in the queue for as long as their timeout_ms says
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
 * Takes back every message that was sent to a peer with BOWLINE_SEND_REPORT and that tag, and of which no byte was sent: its report says
 * BOWLINE_E_CANCELED. Of one that is too late the report says what it would have said anyway.
 *
 * @param node  the node
 * @param peer  the peer
 * @param tag   as in the options
 * @return BOWLINE_OK, also if there is none; STATE if the node is not started, STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_send_cancel(struct bowline_node *node,
                                   bowline_peer peer,
                                   uint64_t tag);

/**
 * Waits until nothing waits to be sent to a peer, or to any, and the system has every byte: that the peer has them is not said. What others
 * send meanwhile is waited for, too.
 *
 * @param node        the node
 * @param peer        the peer; 0: all that are connected now, of which those that close meanwhile are passed over
 * @param timeout_ms  how long to wait
 * @return BOWLINE_OK, INVALID, PEER_GONE if it is not connected or closes meanwhile, STATE if the node is not started, STOPPED, TIMEOUT.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_flush(struct bowline_node *node,
                             bowline_peer peer,
                             int64_t timeout_ms);

/**
 * Sends a message to every peer that has the channel. Peers whose queue is full do not get it: nobody is waited for.
 *
 * @param node     the node
 * @param channel  a channel of the node
 * @param msg      the message; as for bowline_send_msg
 * @param except   a peer that shall not get it (who it came from), or 0
 * @param opts     may be NULL; only the flag BOWLINE_SEND_SELF can be set
 * @param reach    may be NULL; begin with BOWLINE_REACH_INIT: how many got it
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
                                 struct bowline_reach *reach);

/**
 * Peers that can do a thing, in the order in which to try them. The best by score and latency come early more often than others, not
 * always, so that not everybody's work lands on the same few.
 *
 * @param node        the node
 * @param capability  what they announce
 * @param channel     a channel that they take
 * @param out         where to
 * @param cap         peers that fit there; as many are chosen, if there are so many
 * @param count       how many were chosen
 * @return BOWLINE_OK, INVALID if cap is 0, NOT_FOUND if nobody linked can do it, STATE if the node is not started, STOPPED, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_role_choose(const struct bowline_node *node,
                                   const char *capability,
                                   bowline_channel channel,
                                   bowline_peer *out,
                                   size_t cap,
                                   size_t *count);

/**
 * Sends a message to one peer that can do a thing, without waiting; if its queue is full or its link has closed meanwhile, to another.
 *
 * @param node        the node
 * @param capability  what the peer announces
 * @param channel     a channel that it takes
 * @param msg         the message; as for bowline_send_msg
 * @param to          may be NULL; whom it was queued for
 * @return As bowline_send, if nobody took it of the last that was tried; NOT_FOUND if nobody linked can do it, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_role_send(struct bowline_node *node,
                                 const char *capability,
                                 bowline_channel channel,
                                 struct bowline_msg *msg,
                                 bowline_peer *to);

/**
 * Sends a message to peers that can do a thing: to all of them, or to some. As with bowline_broadcast, nobody is waited for.
 *
 * @param node        the node
 * @param capability  what they announce
 * @param channel     a channel that they take
 * @param most        to so many at most; 0: to all
 * @param msg         the message; as for bowline_send_msg
 * @param except      a peer that shall not get it, or 0
 * @param opts        may be NULL; only the flag BOWLINE_SEND_SELF can be set
 * @param reach       may be NULL; begin with BOWLINE_REACH_INIT: how many got it
 * @return As bowline_broadcast; NOT_FOUND if nobody linked can do it (never with BOWLINE_SEND_SELF), UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_role_broadcast(struct bowline_node *node,
                                      const char *capability,
                                      bowline_channel channel,
                                      size_t most,
                                      struct bowline_msg *msg,
                                      bowline_peer except,
                                      const struct bowline_send_opts *opts,
                                      struct bowline_reach *reach);

/**
 * Asks one peer that can do a thing, and waits for the answer. A peer that fails is not replaced by another: whether to ask twice is the
 * caller's choice.
 *
 * @param node        the node
 * @param capability  what the peer announces
 * @param channel     a channel that it takes
 * @param data        the request; (NULL, 0) is an empty one
 * @param len         bytes
 * @param timeout_ms  how long to wait for the answer
 * @param response    as of bowline_request_wait; its peer says who was asked
 * @param event_size  sizeof(bowline_event)
 * @param err         may be NULL
 * @return As bowline_request_wait; NOT_FOUND if nobody linked can do it; UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_role_request_wait(struct bowline_node *node,
                                         const char *capability,
                                         bowline_channel channel,
                                         const void *data,
                                         size_t len,
                                         int64_t timeout_ms,
                                         struct bowline_event *response,
                                         size_t event_size,
                                         struct bowline_error **err);

/**
 * Keeps at least so many links at peers with a capability from now on. Maintenance sees to it at once; bowline_roles_snapshot says how far it
 * has come. It holds until the node stops; a start begins with the setting pool.roles.
 *
 * @param node        the node
 * @param capability  a name of 1 to 32 printable ASCII characters
 * @param count       so many links; or 0
 * @param percent     so many of a hundred of all links; or 0. Both 0: no quota any more
 * @param err         may be NULL
 * @return BOWLINE_OK, INVALID for a name, a number or a sum of quotas that cannot be, or if both are given: nothing is changed then. STATE if
 *         the node is not started, STOPPED, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_role_quota_set(struct bowline_node *node,
                                      const char *capability,
                                      uint32_t count,
                                      uint32_t percent,
                                      struct bowline_error **err);

/**
 * The quotas, each with how it stands, as a list that does not change any more: read it with bowline_list_role.
 *
 * @param node  the node
 * @param out   the list; free it with bowline_list_free
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_roles_snapshot(const struct bowline_node *node,
                                      struct bowline_list **out);

/**
 * Puts a peer into a group, which begins with its first peer. It leaves when its link closes. A peer may be in any number of groups.
 *
 * @param node   the node
 * @param group  any number
 * @param peer   the peer
 * @return BOWLINE_OK, also if it is there already; LIMIT if all 65,536 places of all groups are taken, PEER_GONE, STATE if the node is not
 *         started, STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_group_add(struct bowline_node *node,
                                 bowline_group group,
                                 bowline_peer peer);

/**
 * Takes a peer out of a group, or all peers.
 *
 * @param node   the node
 * @param group  the group
 * @param peer   the peer; 0: all
 * @return BOWLINE_OK, NOT_FOUND if the peer is not in it (one whose link has closed has left), or nobody; STATE if the node is not started,
 *         STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_group_remove(struct bowline_node *node,
                                    bowline_group group,
                                    bowline_peer peer);

/**
 * The peers of a group whose links are open.
 *
 * @param node   the node
 * @param group  the group
 * @param out    where to; may be NULL if cap is 0
 * @param cap    peers that fit there
 * @param count  how many there are, also if they do not fit
 * @return BOWLINE_OK, BUFFER, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_group_peers(const struct bowline_node *node,
                                   bowline_group group,
                                   bowline_peer *out,
                                   size_t cap,
                                   size_t *count);

/**
 * Sends a message to the peers of a group that have the channel. As with bowline_broadcast, nobody is waited for.
 *
 * @param node     the node
 * @param group    the group
 * @param channel  a channel of the node
 * @param msg      the message; as for bowline_send_msg
 * @param except   a peer that shall not get it, or 0
 * @param opts     may be NULL; only the flag BOWLINE_SEND_SELF can be set
 * @param reach    may be NULL; begin with BOWLINE_REACH_INIT: how many got it
 * @return As bowline_broadcast; BOWLINE_OK also for a group without peers.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_group_send(struct bowline_node *node,
                                  bowline_group group,
                                  bowline_channel channel,
                                  struct bowline_msg *msg,
                                  bowline_peer except,
                                  const struct bowline_send_opts *opts,
                                  struct bowline_reach *reach);

/**
 * Asks a peer and waits for the answer. Any number of threads may wait, and answers may come in any order.
 *
 * @param node        the node
 * @param peer        the peer; BOWLINE_PEER_LOCAL asks this node's own application
 * @param channel     a channel that both sides have
 * @param data        the request; (NULL, 0) is an empty one
 * @param len         bytes
 * @param timeout_ms  how long to wait for the answer
 * @param response    a BOWLINE_EV_RESPONSE, filled if the result is OK or REMOTE; release it with bowline_events_release
 * @param event_size  sizeof(bowline_event)
 * @param err         may be NULL
 * @return BOWLINE_OK, AGAIN if the send queue is full and timeout_ms is 0, CANCELED, INVALID, LIMIT if the peer lets no more wait, NO_CHANNEL, PEER_GONE, REMOTE if the peer refused (its number
 *         is in response->detail, its text in response->data), STATE if the node is not started, STOPPED, STRUCT_SIZE, TIMEOUT, TOO_BIG.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_request_wait(struct bowline_node *node,
                                    bowline_peer peer,
                                    bowline_channel channel,
                                    const void *data,
                                    size_t len,
                                    int64_t timeout_ms,
                                    struct bowline_event *response,
                                    size_t event_size,
                                    struct bowline_error **err);

/**
 * Begins a request. Exactly one BOWLINE_EV_RESPONSE with the tag follows if this returns BOWLINE_OK, at the latest when the time is over;
 * none follows a failure.
 *
 * @param node        the node
 * @param peer        the peer; BOWLINE_PEER_LOCAL asks this node's own application
 * @param channel     a channel that both sides have
 * @param msg         the request; it takes a reference of its own
 * @param timeout_ms  how long the answer may take; with 0 it is too late at once
 * @param tag         comes with the event
 * @param queue       where the event goes; NULL: the main queue
 * @param out         may be NULL; the request's number, for bowline_request_cancel
 * @return BOWLINE_OK, AGAIN if the send queue is full, INVALID (also for a queue of another node), LIMIT, NO_CHANNEL, PEER_GONE, STATE if
 *         the node is not started, STOPPED, TOO_BIG.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_request_start(struct bowline_node *node,
                                     bowline_peer peer,
                                     bowline_channel channel,
                                     struct bowline_msg *msg,
                                     int64_t timeout_ms,
                                     uint64_t tag,
                                     struct bowline_queue *queue,
                                     bowline_request *out);

/**
 * Takes a request back: its event comes at once, with BOWLINE_E_CANCELED, and the peer is told that no answer is wanted.
 *
 * @param node     the node
 * @param peer     whom it was sent to
 * @param channel  its channel
 * @param request  its number, from bowline_request_start
 * @return BOWLINE_OK, NO_REQUEST if it is over already, STATE if the node is not started, STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_request_cancel(struct bowline_node *node,
                                      bowline_peer peer,
                                      bowline_channel channel,
                                      bowline_request request);

/**
 * Answers a request of a peer, once, with a copy of some bytes.
 *
 * @param node        the node
 * @param peer        who asked, from BOWLINE_EV_REQUEST
 * @param channel     the channel, from the event
 * @param request     the number, from the event
 * @param data        the answer; (NULL, 0) is an empty one
 * @param len         bytes
 * @param timeout_ms  how long to wait for room in the send queue
 * @return BOWLINE_OK, AGAIN or TIMEOUT if there was no room (it may be answered again then), NO_REQUEST if it was answered before, or taken
 *         back, or the link has closed, STATE if the node is not started, STOPPED, TOO_BIG.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_respond(struct bowline_node *node,
                               bowline_peer peer,
                               bowline_channel channel,
                               bowline_request request,
                               const void *data,
                               size_t len,
                               int64_t timeout_ms);

/**
 * Answers a request of a peer, once, without copying the bytes.
 *
 * @param node        the node
 * @param peer        who asked, from BOWLINE_EV_REQUEST
 * @param channel     the channel, from the event
 * @param request     the number, from the event
 * @param msg         the answer; it takes a reference of its own
 * @param timeout_ms  how long to wait for room in the send queue
 * @return As bowline_respond.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_respond_msg(struct bowline_node *node,
                                   bowline_peer peer,
                                   bowline_channel channel,
                                   bowline_request request,
                                   struct bowline_msg *msg,
                                   int64_t timeout_ms);

/**
 * Answers a request of a peer, once, with why it is not served: it sees BOWLINE_E_REMOTE, the number and the text.
 *
 * @param node        the node
 * @param peer        who asked, from BOWLINE_EV_REQUEST
 * @param channel     the channel, from the event
 * @param request     the number, from the event
 * @param app_code    a number of the application's own, below 0xffffff00
 * @param text        for people; at most 256 bytes of it are sent
 * @param timeout_ms  how long to wait for room in the send queue
 * @return As bowline_respond; INVALID for a number that is bowline's own, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_respond_error(struct bowline_node *node,
                                     bowline_peer peer,
                                     bowline_channel channel,
                                     bowline_request request,
                                     uint32_t app_code,
                                     const char *text,
                                     int64_t timeout_ms);

/**
 * Starts to connect to a peer. It ends in one event: BOWLINE_EV_PEER_CONNECTED or BOWLINE_EV_DIAL_FAILED, with the tag.
 *
 * @param node    the node
 * @param addr    where to
 * @param expect  may be NULL; who must answer there
 * @param flags   0; others are UNSUPPORTED in this version (for peers to stay connected with: discovery.persistent)
 * @param tag     comes with the event
 * @return BOWLINE_OK, BANNED, DUPLICATE, GREYLISTED, INVALID, LIMIT, REFUSED if only the trusted are dialed (pool.trusted_only), SELF, STATE
 *         if the node is not started or paused, STOPPED, UNSUPPORTED.
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
 *         RESET, SELF, STATE if the node is not started or paused, STOPPED, TIMEOUT, UNREACHABLE, UTF8; CANCELED if another call's dial was
 *         joined and given up; else the result that docs/c-guide.md lists for the close reason.
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
 * Reports what a connected peer has earned: its score moves by delta and fades from there. Crossing a threshold of the settings has its
 * consequence before this returns (a warning, the greylist, a ban), and an event tells of it.
 *
 * @param node   the node
 * @param peer   the peer
 * @param delta  points, at most 1,000 either way
 * @param why    may be NULL; for people, kept to 64 characters
 * @return BOWLINE_OK, INVALID for this node itself, PEER_GONE (then bowline_report, by its id), STATE if the node is not started, STOPPED,
 *         UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_peer_report(struct bowline_node *node,
                                   bowline_peer peer,
                                   int32_t delta,
                                   const char *why);

/**
 * As bowline_peer_report, of an identity, connected or not.
 *
 * @param node   the node
 * @param id     who
 * @param delta  points, at most 1,000 either way
 * @param why    may be NULL; for people, kept to 64 characters
 * @return BOWLINE_OK, INVALID for this node itself, STATE if the node is not started, STOPPED, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_report(struct bowline_node *node,
                              const struct bowline_peer_id *id,
                              int32_t delta,
                              const char *why);

/**
 * The score of an identity now, connected or not.
 *
 * @param node    the node
 * @param id      who
 * @param score   from -1,000 to 1,000
 * @param causes  may be NULL; what has moved it last, the oldest first: read it with bowline_list_cause, free it with bowline_list_free.
 *                Causes do not outlive a restart, the score does
 * @return BOWLINE_OK, NOT_FOUND if nothing is remembered of it, as of a stranger: a score of 0. STATE if the node is not started, STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_score(const struct bowline_node *node,
                             const struct bowline_peer_id *id,
                             int32_t *score,
                             struct bowline_list **causes);

/**
 * Says that a peer has just been useful: it brought a block or a transaction that was new. Who was useful lately is kept when links must go.
 *
 * @param node  the node
 * @param peer  the peer
 * @return BOWLINE_OK, PEER_GONE, STATE if the node is not started, STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_peer_useful(struct bowline_node *node,
                                   bowline_peer peer);

/**
 * Whether a peer says that it can do a thing, and the number that it gives with it.
 *
 * @param node        the node
 * @param peer        the peer
 * @param capability  a name
 * @param value       may be NULL; the number
 * @return BOWLINE_OK, NOT_FOUND if it does not say so, PEER_GONE, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_peer_capability(const struct bowline_node *node,
                                       bowline_peer peer,
                                       const char *capability,
                                       uint64_t *value);

/**
 * What a peer says that it can do, as a list of texts "name=number".
 *
 * @param node  the node
 * @param peer  the peer
 * @param out   the list: read it with bowline_list_text, free it with bowline_list_free
 * @return BOWLINE_OK, NULL, PEER_GONE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_peer_capabilities(const struct bowline_node *node,
                                         bowline_peer peer,
                                         struct bowline_list **out);

/**
 * Where a peer says that it can be dialed, as a list of texts: its own word, in which 0.0.0.0 stands for the address it is seen at.
 *
 * @param node  the node
 * @param peer  the peer
 * @param out   the list: read it with bowline_list_text, free it with bowline_list_free
 * @return BOWLINE_OK, NULL, PEER_GONE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_peer_listens(const struct bowline_node *node,
                                    bowline_peer peer,
                                    struct bowline_list **out);

/**
 * The application's own bytes that a peer has given with bowline_config_set_metadata.
 *
 * @param node    the node
 * @param peer    the peer
 * @param buf     where to; may be NULL if cap is 0
 * @param cap     bytes there; 4,096 are always enough
 * @param needed  may be NULL; how many there are, also if they do not fit
 * @return BOWLINE_OK, BUFFER, PEER_GONE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_peer_metadata(const struct bowline_node *node,
                                     bowline_peer peer,
                                     void *buf,
                                     size_t cap,
                                     size_t *needed);

/**
 * How the channels of a peer stand, as a list that does not change any more: read it with bowline_list_channel. The event-loop thread is
 * asked, which answers within milliseconds, at most 5 s.
 *
 * @param node  the node
 * @param peer  the peer
 * @param out   the list; free it with bowline_list_free
 * @return BOWLINE_OK, NULL, PEER_GONE, STATE if the node is not started, STOPPED, TIMEOUT after 5 s.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_peer_channels(const struct bowline_node *node,
                                     bowline_peer peer,
                                     struct bowline_list **out);

/**
 * Keeps a number of the application's with a connected peer: bowline_peer_info.user_tag. It goes with the link.
 *
 * @param node  the node
 * @param peer  the peer
 * @param tag   any number; a new link has 0
 * @return BOWLINE_OK, PEER_GONE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API bowline_result bowline_peer_set_tag(struct bowline_node *node, bowline_peer peer, uint64_t tag);

/**
 * Every identity that was linked once, until it is forgotten, as a list that does not change any more: read it with bowline_list_known, and
 * the notes of bowline_peer_note with bowline_list_note. Empty before the start.
 *
 * @param node  the node
 * @param out   the list; free it with bowline_list_free
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_known_snapshot(const struct bowline_node *node,
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
 * An entry of a list of bans, of the trusted, or of the greylist.
 *
 * @param list   the list
 * @param index  0 and up
 * @param out    begin with BOWLINE_BAN_INFO_INIT
 * @return BOWLINE_OK, INVALID if it is no such list, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_list_ban(const struct bowline_list *list,
                                size_t index,
                                struct bowline_ban_info *out);

/**
 * An entry of a list of known addresses.
 *
 * @param list   the list
 * @param index  0 and up
 * @param out    begin with BOWLINE_ADDR_INFO_INIT
 * @return BOWLINE_OK, INVALID if it is no such list, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_list_addr(const struct bowline_list *list,
                                 size_t index,
                                 struct bowline_addr_info *out);

/**
 * An entry of a list of identities.
 *
 * @param list   the list
 * @param index  0 and up
 * @param out    begin with BOWLINE_KNOWN_INFO_INIT
 * @return BOWLINE_OK, INVALID if it is no such list, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_list_known(const struct bowline_list *list,
                                  size_t index,
                                  struct bowline_known_info *out);

/**
 * An entry of a list of role quotas.
 *
 * @param list   the list
 * @param index  0 and up
 * @param out    begin with BOWLINE_ROLE_INFO_INIT
 * @return BOWLINE_OK, INVALID if it is no such list, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_list_role(const struct bowline_list *list,
                                 size_t index,
                                 struct bowline_role_info *out);

/**
 * An entry of a list of channels.
 *
 * @param list   the list
 * @param index  0 and up
 * @param out    begin with BOWLINE_CHANNEL_INFO_INIT
 * @return BOWLINE_OK, INVALID if it is no such list, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_list_channel(const struct bowline_list *list,
                                    size_t index,
                                    struct bowline_channel_info *out);

/**
 * An entry of a list of causes of a score.
 *
 * @param list   the list
 * @param index  0 and up
 * @param out    begin with BOWLINE_CAUSE_INIT
 * @return BOWLINE_OK, INVALID if it is no such list, NOT_FOUND beyond the end, NULL, STRUCT_SIZE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_list_cause(const struct bowline_list *list,
                                  size_t index,
                                  struct bowline_cause *out);

/**
 * What the application has noted of an entry of a list of known addresses or identities, with bowline_addr_note or bowline_peer_note.
 *
 * @param list    the list
 * @param index   0 and up
 * @param buf     where to; may be NULL if cap is 0
 * @param cap     bytes there; 256 are always enough
 * @param needed  may be NULL; how many there are, also if they do not fit; 0 if nothing was noted
 * @return BOWLINE_OK, BUFFER, INVALID if it is no such list, NOT_FOUND beyond the end, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_list_note(const struct bowline_list *list,
                                 size_t index,
                                 void *buf,
                                 size_t cap,
                                 size_t *needed);

/**
 * An entry of a list of texts.
 *
 * @param list    the list
 * @param index   0 and up
 * @param buf     where to; may be NULL if cap is 0
 * @param cap     bytes there
 * @param needed  may be NULL; the bytes that the text needs with its NUL, also if it does not fit
 * @return BOWLINE_OK, BUFFER, INVALID if it is no such list, NOT_FOUND beyond the end, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_list_text(const struct bowline_list *list,
                                 size_t index,
                                 char *buf,
                                 size_t cap,
                                 size_t *needed);

/**
 * Frees a list. Also when the node is gone.
 *
 * @param list  may be NULL
 * @threads any, once
 * @since 0.1
 */
BOWLINE_API void bowline_list_free(struct bowline_list *list);

/**
 * Bans a peer, an address or a prefix. It beats trust, and ends it for the same subject. Links are closed at once, and nobody is told why. An
 * entry for the same subject is replaced. With a store it is saved before the call returns, or a second has passed.
 *
 * @param node     the node
 * @param target   a peer id of 64 hex digits, an address, or a prefix such as "192.0.2.0/24" or "2001:db8::/32"
 * @param lasts_ms how long; BOWLINE_FOREVER until it is lifted
 * @param why      may be NULL; for people, kept to 64 characters
 * @param closed   may be NULL; how many links, dials and handshakes it ended
 * @param err      may be NULL
 * @return BOWLINE_OK, INVALID (also for this node itself, and for no time), LIMIT if the list is full, STATE if the node is not started,
 *         STOPPED, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_ban(struct bowline_node *node,
                           const char *target,
                           int64_t lasts_ms,
                           const char *why,
                           size_t *closed,
                           struct bowline_error **err);

/**
 * Lifts a ban, of the operator or for a score. Other bans that hold the same address stay. With a store it is saved before the call returns, or a second has passed.
 *
 * @param node    the node
 * @param target  exactly what was banned
 * @param err     may be NULL
 * @return BOWLINE_OK, INVALID, NOT_FOUND if exactly that is not banned, STATE if the node is not started, STOPPED, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_unban(struct bowline_node *node,
                             const char *target,
                             struct bowline_error **err);

/**
 * Trusts a peer, an address or a prefix: it is not greylisted, not dropped, and gets a place where there is none.
 * With a store it is saved before the call returns, or a second has passed.
 *
 * @param node     the node
 * @param target   as for bowline_ban
 * @param lasts_ms how long; BOWLINE_FOREVER until it is taken back
 * @param err      may be NULL
 * @return BOWLINE_OK, BANNED if it, or a prefix around it, is banned, INVALID, LIMIT if the list is full, STATE if the node is not started,
 *         STOPPED, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_trust(struct bowline_node *node,
                             const char *target,
                             int64_t lasts_ms,
                             struct bowline_error **err);

/**
 * Trusts no longer. Where only trusted peers are let in (pool.trusted_only), links that were there for it are closed.
 * With a store it is saved before the call returns, or a second has passed.
 *
 * @param node    the node
 * @param target  exactly what was trusted
 * @param err     may be NULL
 * @return BOWLINE_OK, INVALID, NOT_FOUND if exactly that is not trusted, STATE if the node is not started, STOPPED, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_untrust(struct bowline_node *node,
                               const char *target,
                               struct bowline_error **err);

/**
 * Takes one off the greylist and forgets its offences. With a store it is saved before the call returns, or a second has passed.
 *
 * @param node    the node
 * @param target  a peer id, or an address
 * @param err     may be NULL
 * @return BOWLINE_OK, INVALID (also for a prefix), NOT_FOUND if it was not there, STATE if the node is not started, STOPPED, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_forgive(struct bowline_node *node,
                               const char *target,
                               struct bowline_error **err);

/**
 * Empties the greylist and forgets all offences. Bans stay. With a store it is saved before the call returns, or a second has passed.
 *
 * @param node     the node
 * @param removed  may be NULL; how many it kept out
 * @return BOWLINE_OK, STATE if the node is not started, STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_greylist_flush(struct bowline_node *node,
                                      size_t *removed);

/**
 * What the lists say of an identity, an address, or an identity at an address.
 *
 * @param node  the node
 * @param id    may be NULL
 * @param addr  may be NULL; its port does not matter
 * @param out   BOWLINE_STANDING_*; ORDINARY before the start
 * @return BOWLINE_OK, INVALID, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_standing(const struct bowline_node *node,
                                const struct bowline_peer_id *id,
                                const struct bowline_addr *addr,
                                uint32_t *out);

/**
 * Every ban, of the operator and for scores, as a list that does not change any more.
 *
 * @param node  the node
 * @param out   the list, for bowline_list_ban; free it with bowline_list_free
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_bans_snapshot(const struct bowline_node *node,
                                     struct bowline_list **out);

/**
 * Whom the node trusts, as a list that does not change any more.
 *
 * @param node  the node
 * @param out   the list, for bowline_list_ban; free it with bowline_list_free
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_trusted_snapshot(const struct bowline_node *node,
                                        struct bowline_list **out);

/**
 * Whom the greylist keeps out now, as a list that does not change any more.
 *
 * @param node  the node
 * @param out   the list, for bowline_list_ban; free it with bowline_list_free
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_greylist_snapshot(const struct bowline_node *node,
                                         struct bowline_list **out);

/**
 * Changes a setting of a running node, until it stops: of those that bowline_config_key_info marks as live.
 *
 * @param node   the node
 * @param key    its name
 * @param value  as for bowline_config_set
 * @param err    may be NULL
 * @return BOWLINE_OK, INVALID (also if it does not agree with the other settings), NOT_FOUND key, READ_ONLY if it is not live, or would need
 *         more memory or descriptors than the node was started with, STATE if the node is not started, STOPPED, UTF8. Nothing is changed
 *         after a failure.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_node_set(struct bowline_node *node,
                                const char *key,
                                const char *value,
                                struct bowline_error **err);

/**
 * What a setting says now, as text.
 *
 * @param node    the node
 * @param key     its name
 * @param buf     where to; may be NULL if cap is 0
 * @param cap     bytes there
 * @param needed  may be NULL; the bytes that the text needs with its NUL, also if it does not fit
 * @return BOWLINE_OK, BUFFER, NOT_FOUND, NULL, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_node_get(const struct bowline_node *node,
                                const char *key,
                                char *buf,
                                size_t cap,
                                size_t *needed);

/**
 * Asks for a round of maintenance now: links are brought into their bounds, lists and scores expire. Does not wait for it.
 *
 * @param node  the node
 * @return BOWLINE_OK, STATE if the node is not started, STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_maintain(struct bowline_node *node);

/**
 * Asks for a round of maintenance and waits for its end: until links are in bounds, or nothing more can be done now.
 *
 * @param node        the node
 * @param timeout_ms  how long to wait; of a round that ends later BOWLINE_EV_ROUND_ENDED tells
 * @param links       may be NULL; the links at its end
 * @param is_stuck    may be NULL; 1 if they could not be brought into bounds: nobody is left to dial now, or only protected links to drop
 * @return BOWLINE_OK, AGAIN if 64 orders wait already, STATE if the node is not started, STOPPED, TIMEOUT.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_maintain_wait(struct bowline_node *node,
                                     int64_t timeout_ms,
                                     size_t *links,
                                     int *is_stuck);

/**
 * From now on the node neither dials, but on request, nor lets anybody in from other than trusted addresses. Links go on.
 *
 * @param node  the node
 * @return BOWLINE_OK (also if it is paused already), STATE if the node is not started, STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_pause(struct bowline_node *node);

/**
 * Ends a pause: what is missing is dialed at once.
 *
 * @param node  the node
 * @return BOWLINE_OK (also if it is not paused), STATE if the node is not started, STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API bowline_result bowline_resume(struct bowline_node *node);

/**
 * Whether a node is paused.
 *
 * @param node  may be NULL
 * @return 1 between bowline_pause and bowline_resume, else 0; 0 for NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API int bowline_is_paused(const struct bowline_node *node);

/**
 * Dials the seeds that are not linked now, as many as there are places for, whatever else is known. Maintenance is asked, which answers
 * within milliseconds, at most 5 s.
 *
 * @param node    the node
 * @param dialed  may be NULL; how many dials have begun
 * @return BOWLINE_OK, AGAIN if 64 orders wait already, STATE if the node is not started, STOPPED, TIMEOUT after 5 s.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_dial_seeds(struct bowline_node *node,
                                  size_t *dialed);

/**
 * Keeps a link with the peer at an address from now on, as with one of discovery.persistent: it is dialed at once and for ever, and has a
 * place beyond pool.max. It is not saved. Maintenance is asked, which answers within milliseconds, at most 5 s.
 *
 * @param node     the node
 * @param address  "[bowline://][<peer id>@]host:port"
 * @param err      may be NULL
 * @return BOWLINE_OK, AGAIN if 64 orders wait already, EXISTS if it is one already, INVALID, STATE if it is this node itself, banned,
 *         configured with another identity, one too many, or the node is not started, STOPPED, TIMEOUT after 5 s, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_persistent_add(struct bowline_node *node,
                                      const char *address,
                                      struct bowline_error **err);

/**
 * Ends what bowline_persistent_add or the setting began for an address. A link that there is stays, as any other. Maintenance
 * is asked, which answers within milliseconds, at most 5 s.
 *
 * @param node     the node
 * @param address  as it was given
 * @param err      may be NULL
 * @return BOWLINE_OK, AGAIN if 64 orders wait already, INVALID, NOT_FOUND if it was not persistent, STATE if the node is not started,
 *         STOPPED, TIMEOUT after 5 s, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_persistent_remove(struct bowline_node *node,
                                         const char *address,
                                         struct bowline_error **err);

/**
 * Asks a peer for addresses now. What it tells goes into the address book. Waits until the peer is asked, for milliseconds, at most 5 s; not
 * for what it tells.
 *
 * @param node   the node
 * @param peer   whom; 0: one of those that may be asked, by chance
 * @param asked  may be NULL; who was asked
 * @param err    may be NULL
 * @return BOWLINE_OK, AGAIN if 64 orders wait already, INVALID if nobody, or not this peer, may be asked now, PEER_GONE, STATE if the node is
 *         not started, STOPPED, TIMEOUT after 5 s.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_ask_addresses(struct bowline_node *node,
                                     bowline_peer peer,
                                     bowline_peer *asked,
                                     struct bowline_error **err);

/**
 * Bounds what all links together may send and receive, at once.
 *
 * @param node  the node
 * @param up    bytes a second; 0: no bound
 * @param down  bytes a second; 0: no bound
 * @param err   may be NULL
 * @return BOWLINE_OK, INVALID, STATE if the node is not started, STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_set_bandwidth(struct bowline_node *node,
                                     uint64_t up,
                                     uint64_t down,
                                     struct bowline_error **err);

/**
 * Bounds what a link may send and receive as long as it lives, instead of bandwidth.peer_up and bandwidth.peer_down.
 *
 * @param node  the node
 * @param peer  the peer
 * @param up    bytes a second; 0: no bound of its own
 * @param down  bytes a second; 0: no bound of its own
 * @param err   may be NULL
 * @return BOWLINE_OK, INVALID, PEER_GONE, STATE if the node is not started, STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_set_peer_bandwidth(struct bowline_node *node,
                                          bowline_peer peer,
                                          uint64_t up,
                                          uint64_t down,
                                          struct bowline_error **err);

/**
 * Gives a link so many times the share of a link of weight 1, as long as it lives, instead of what its peer's score has earned.
 *
 * @param node    the node
 * @param peer    the peer
 * @param weight  1 to bandwidth.weight_max
 * @param err     may be NULL
 * @return BOWLINE_OK, INVALID, PEER_GONE, STATE if the node is not started, STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_set_weight(struct bowline_node *node,
                                  bowline_peer peer,
                                  uint32_t weight,
                                  struct bowline_error **err);

/**
 * Listens at one address more, until the node stops. Peers that connect from now on are told of it as of listen.addresses, which stays what
 * it was; links that there are notice nothing. Takes a turn of the node's reactor, at most 5 s.
 *
 * @param node   the node
 * @param addr   where; port 0 lets the system choose
 * @param bound  may be NULL; where that is, as bowline_node_listen_addrs has it from now on
 * @param err    may be NULL
 * @return BOWLINE_OK, ADDR_IN_USE, ADDR_UNAVAILABLE, INVALID, IO if the system has another reason, LIMIT if it listens at 8 or peers could
 *         not be told of one more, NO_FILES, NO_MEMORY, PERMISSION, STATE if the node is not started, STOPPED, TIMEOUT after 5 s: it does
 *         not listen there then.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_listen_add(struct bowline_node *node,
                                  const struct bowline_addr *addr,
                                  struct bowline_addr *bound,
                                  struct bowline_error **err);

/**
 * Listens no longer at an address, whether bowline_listen_add or listen.addresses began it. Links stay; who has connected there and was not
 * accepted yet is turned away. When this returns, the port is free for who binds with SO_REUSEADDR, and for everybody once those links
 * are gone. Takes a turn of the node's reactor, at most 5 s.
 *
 * @param node   the node
 * @param bound  the address as bowline_node_listen_addrs has it
 * @return BOWLINE_OK, INVALID, NOT_FOUND if the node does not listen there, STATE if it is not started, STOPPED, TIMEOUT after 5 s.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_listen_remove(struct bowline_node *node,
                                     const struct bowline_addr *bound);

/**
 * Saves the address book, lists and scores now, and waits until that is on the disk.
 *
 * @param node        the node
 * @param timeout_ms  how long to wait
 * @param err         may be NULL
 * @return BOWLINE_OK (also for a node that keeps nothing), AGAIN if 64 others wait for a save already, IO if it could not be written, STATE
 *         if the node is not started, STOPPED, TIMEOUT.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_save(struct bowline_node *node,
                            int64_t timeout_ms,
                            struct bowline_error **err);

/**
 * Adds an address to the book: maintenance dials it when it needs links. For a link now call bowline_connect, for ever
 * bowline_persistent_add. Waits for a name only, at most 3 s.
 *
 * @param node     the node
 * @param address  "[bowline://][<peer id>@]host:port"; of a name, all that it resolves to are added now
 * @param err      may be NULL
 * @return BOWLINE_OK, BANNED, EXISTS if it is known, INVALID (also if it is no address to dial), LIMIT if the book has no place for it, SELF,
 *         STATE if the node is not started, STOPPED, UNREACHABLE for a name that does not resolve within 3 s, UTF8. Nothing is changed after
 *         a failure.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_addrbook_add(struct bowline_node *node,
                                    const char *address,
                                    struct bowline_error **err);

/**
 * Forgets an address. Whoever knows it may tell of it again: ban it where that must not be.
 *
 * @param node     the node
 * @param address  as text; no name
 * @param err      may be NULL
 * @return BOWLINE_OK, INVALID, NOT_FOUND if it is not known, STATE while a link or dial uses it, if it is a seed or persistent, or the node is
 *         not started, STOPPED, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_addrbook_remove(struct bowline_node *node,
                                       const char *address,
                                       struct bowline_error **err);

/**
 * Every known address, as a list that does not change any more.
 *
 * @param node  the node
 * @param out   the list, for bowline_list_addr; free it with bowline_list_free
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_addrbook_snapshot(const struct bowline_node *node,
                                         struct bowline_list **out);

/**
 * The addresses that are known to be healthy: a link or dial has proven each, lately, and its peer may be told of.
 *
 * @param node       the node
 * @param with_self  not 0: and then the addresses of this node itself
 * @param out        the list, for bowline_list_text; free it with bowline_list_free
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_healthy_snapshot(const struct bowline_node *node,
                                        uint32_t with_self,
                                        struct bowline_list **out);

/**
 * Asks a peer which peers it knows to be healthy, and waits for all that it tells. They go into the address book, too.
 *
 * @param node        the node
 * @param peer        whom
 * @param timeout_ms  how long to wait
 * @param out         the list, for bowline_list_text; free it with bowline_list_free
 * @param err         may be NULL
 * @return BOWLINE_OK, AGAIN if 64 orders wait already, INVALID when the peer refuses, or it or this node is private, PEER_GONE, STATE if the
 *         node is not started, STOPPED, TIMEOUT.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_discover_wait(struct bowline_node *node,
                                     bowline_peer peer,
                                     int64_t timeout_ms,
                                     struct bowline_list **out,
                                     struct bowline_error **err);

/**
 * Notes at most 256 bytes of a known address, in the place of what was noted before. They are forgotten with the address.
 *
 * @param node     the node
 * @param address  as text; no name
 * @param data     the bytes; (NULL, 0) takes the note away
 * @param len      how many
 * @param err      may be NULL
 * @return BOWLINE_OK, INVALID, NOT_FOUND if it is not known, STATE if the node is not started, STOPPED, TOO_BIG, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_addr_note(struct bowline_node *node,
                                 const char *address,
                                 const void *data,
                                 size_t len,
                                 struct bowline_error **err);

/**
 * Notes at most 256 bytes of a known identity, in the place of what was noted before. While there are some it is not forgotten with time.
 *
 * @param node  the node
 * @param id    who
 * @param data  the bytes; (NULL, 0) takes the note away
 * @param len   how many
 * @param err   may be NULL
 * @return BOWLINE_OK, INVALID, NOT_FOUND if it never had a link or is forgotten, STATE if the node is not started, STOPPED, TOO_BIG.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_peer_note(struct bowline_node *node,
                                 const struct bowline_peer_id *id,
                                 const void *data,
                                 size_t len,
                                 struct bowline_error **err);

/**
 * Known addresses and peers, lists and scores, as lines of JSON. The identity is not among them. docs/operators.md describes the rows.
 * It takes a time that grows with the rows (100,000 are in the order of a second), and holds nobody up meanwhile.
 *
 * @param node  the node
 * @param out   the text; free it with bowline_string_free
 * @param len   may be NULL; its bytes without the NUL
 * @param err   may be NULL
 * @return BOWLINE_OK, STATE if the node is not started, STOPPED.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_export(const struct bowline_node *node,
                              char **out,
                              size_t *len,
                              struct bowline_error **err);

/**
 * Takes in what bowline_export wrote, here or elsewhere. What is known already stays as it is; what is wrong with any line keeps all of it
 * out. It is believed as if this node had seen it itself: take in only what a node of yours has written. Takes about a second for 100,000
 * rows, and holds nobody up for long meanwhile.
 *
 * @param node  the node
 * @param data  the lines
 * @param len   bytes
 * @param out   may be NULL; begin with BOWLINE_IMPORTED_INIT
 * @param err   may be NULL
 * @return BOWLINE_OK, INVALID with the number of the wrong line in err, STATE if the node is not started, STOPPED, STRUCT_SIZE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_import(struct bowline_node *node,
                              const void *data,
                              size_t len,
                              struct bowline_imported *out,
                              struct bowline_error **err);

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
 * What went through a channel so far.
 *
 * @param node     the node
 * @param channel  a channel of the node
 * @param out      begin with BOWLINE_CHANNEL_METRICS_INIT
 * @return BOWLINE_OK, NO_CHANNEL, NULL, STRUCT_SIZE.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_metrics_channel(const struct bowline_node *node,
                                       bowline_channel channel,
                                       struct bowline_channel_metrics *out);

/**
 * All counters as OpenMetrics text, as Prometheus reads it ("application/openmetrics-text; version=1.0.0; charset=utf-8"): of the node, of
 * its channels, and of ended connections by reason. Some kilobytes. bowline serves no HTTP: do that where the application does.
 *
 * @param node  the node
 * @param out   the text; free it with bowline_string_free
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_metrics_text(const struct bowline_node *node,
                                    char **out);

/**
 * How often connections and dials have ended for a reason since the start, those included that never became links and are told of nowhere
 * else.
 *
 * @param node    the node
 * @param reason  code of a close reason, which docs/c-guide.md lists
 * @param out     how often
 * @return BOWLINE_OK, INVALID if there is no such reason, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_metrics_ends(const struct bowline_node *node,
                                    uint32_t reason,
                                    uint64_t *out);

/**
 * Has the lines of the log written by a function of the caller's: of all nodes of the process. Without one they go nowhere. Which lines, says
 * bowline_log_filter; before that, those of BOWLINE_LOG_INFO and above.
 *
 * @param write  called on any thread, on several at once: it may only write the line somewhere. It must not call bowline_*, throw or jump
 *               out, and what it blocks for the network waits for. NULL removes it and waits for calls that are under way
 * @param ctx    comes with each call; may be NULL; it must live until write is removed
 * @return BOWLINE_OK, EXISTS if this program, written in Rust, has a logger of its own, STATE from within a callback.
 * @threads any; not from a callback
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_log_set(bowline_log_fn write,
                               void *ctx);

/**
 * Says which lines of the log are written.
 *
 * @param spec  a level (off, error, warn, info, debug, trace), or parts with a level each: "warn,bowline::node=debug".
 *              A part of bowline's own without one has all its lines written
 * @param err   may be NULL
 * @return BOWLINE_OK, INVALID, NULL, STATE before bowline_log_set or from within a callback, UTF8.
 * @threads any; not from a callback
 * @since 0.1
 */
BOWLINE_API bowline_result bowline_log_filter(const char *spec, struct bowline_error **err);

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

/**
 * Makes an empty network at time 0, on which every way takes 1 ms.
 *
 * @param seed  whatever is drawn, is drawn from it
 * @param out   the network
 * @return BOWLINE_OK, NULL.
 * @threads any
 * @since 0.1
 */
BOWLINE_API BOWLINE_WARN_UNUSED bowline_result bowline_memnet_new(uint64_t seed, struct bowline_memnet **out);

/**
 * Frees the handle of a network. Its nodes, and configurations that name it, keep the network; without a handle its time stands still.
 *
 * @param net  may be NULL
 * @threads any, once
 * @since 0.1
 */
BOWLINE_API
void bowline_memnet_free(struct bowline_memnet *net);

/**
 * Puts nodes of this configuration on a memory network. The configuration keeps the network.
 *
 * @param config  the configuration
 * @param net     the network
 * @return BOWLINE_OK, NULL.
 * @threads the owner of the configuration
 * @since 0.1
 */
BOWLINE_API
BOWLINE_WARN_UNUSED
bowline_result bowline_config_use_memnet(struct bowline_config *config,
                                         struct bowline_memnet *net);

/**
 * Says how it goes from one address to another from now on, for streams that there are and those to come; the other direction stays as it
 * is. Of addresses only the IP counts.
 *
 * @param net          the network
 * @param from         an address that a node of this network has been made with; NULL for both: every way, whatever was said before
 * @param to           another
 * @param latency_us   how long a piece of a stream is under way, at most an hour
 * @param jitter_us    up to so much longer, drawn evenly; order is kept; at most an hour
 * @param loss_ppm     of a million pieces so many are lost for good: their stream is reset, at both ends. Of as many first packets of dials
 *                     as many are sent again, a second later
 * @param bytes_per_s  bytes that each stream carries in a second; 0: no limit
 * @return BOWLINE_OK, INVALID, also for one address without the other or the same twice, NOT_FOUND if no node has been made with it, NULL,
 *         STATE from within.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_memnet_link(struct bowline_memnet *net,
                                   const struct bowline_addr *from,
                                   const struct bowline_addr *to,
                                   uint64_t latency_us,
                                   uint64_t jitter_us,
                                   uint32_t loss_ppm,
                                   uint64_t bytes_per_s);

/**
 * Cuts two addresses off from each other, in both directions, or lets them reach each other again. Nobody is told: a stream outlives a cut of
 * less than 30 s, and what waited is sent again; after that its ends find out, and dials meet silence. What is said of two holds for them,
 * whatever was said of all, until something is said of all again.
 *
 * @param net    the network
 * @param a      an address that a node of this network has been made with; NULL for both: every node from every other, or an end to every cut
 * @param b      another
 * @param cut    1 or 0
 * @return BOWLINE_OK, INVALID, also for one address without the other or the same twice, NOT_FOUND if no node has been made with it, NULL,
 *         STATE from within.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_memnet_cut(struct bowline_memnet *net,
                                  const struct bowline_addr *a,
                                  const struct bowline_addr *b,
                                  uint32_t cut);

/**
 * Says what a name leads to from now on. On a memory network no name is looked up anywhere else.
 *
 * @param net   the network
 * @param name  such as "seed.example", in capitals or not
 * @param addr  its only address; of it only the IP counts
 * @return BOWLINE_OK, INVALID, NULL, UTF8.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_memnet_name(struct bowline_memnet *net,
                                   const char *name,
                                   const struct bowline_addr *addr);

/**
 * Lets everything happen that is due within so many nanoseconds, on the calling thread, and moves time that far. 0 lets happen what is due
 * now. What other threads send meanwhile is seen sooner or later: for a run that can be repeated, one thread makes all calls.
 *
 * @param net  the network
 * @param ns   how far
 * @return BOWLINE_OK, NULL, STATE from within, and beyond two centuries.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_memnet_advance(struct bowline_memnet *net,
                                      uint64_t ns);

/**
 * As bowline_memnet_advance, but no further than to the moment at which a queue of any node has an event to be polled; not at all if one has
 * already, be its node stopped or failed. Poll all queues with BOWLINE_NOWAIT after it, and call it again.
 *
 * @param net  the network
 * @param ns   how far at most
 * @return BOWLINE_OK if there is an event, NULL, STATE as bowline_memnet_advance, TIMEOUT if there is none and time was moved that far.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_memnet_advance_to_event(struct bowline_memnet *net,
                                               uint64_t ns);

/**
 * Virtual time that has passed.
 *
 * @param net  may be NULL
 * @return Nanoseconds since bowline_memnet_new; 0 for what is no network of this process, and from within a callback.
 * @threads any
 * @since 0.1
 */
BOWLINE_API uint64_t bowline_memnet_now(const struct bowline_memnet *net);

/**
 * A number over everything that has happened on a network: two runs in which all was the same have the same, others almost surely not.
 *
 * @param net  the network
 * @param out  the number
 * @return BOWLINE_OK, NULL, STATE from within.
 * @threads any
 * @since 0.1
 */
BOWLINE_API
bowline_result bowline_memnet_fingerprint(struct bowline_memnet *net,
                                          uint64_t *out);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* BOWLINE_H */
