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
 * A failure in a full sentence. Immutable; free it with bowline_error_free.
 */
typedef struct bowline_error bowline_error;

/**
 * A message: bytes that several owners may share. Free it with bowline_msg_free.
 */
typedef struct bowline_msg bowline_msg;

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
 * How a caller's own memory is given back: once, on any thread. It may only free; it must not call bowline_*, throw or block.
 */
typedef void (*bowline_free_fn)(void *data, size_t len, void *ctx);

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
