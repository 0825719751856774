/*
 * bowline.hpp: bowline.h for C++17 and later, header only. SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * A member has the name of its C function without the prefix (bowline_connect_wait: node.connect_wait); what makes an object
 *   is a static member (bowline_msg_copy: msg::copy). bowline.h says what each does; here stands only what is different. get()
 *   is the C handle.
 *
 * Failures. Where exceptions are on, a call that can fail answers T and throws bowline::error. Where they are off
 *   (-fno-exceptions), or BOWLINE_HPP_NO_EXCEPTIONS is defined before the first include, the same call answers
 *   bowline::result<T>, which holds the T or the error. Below both are written fallible<T>. What belongs to the normal course
 *   is a value in either case: a poll that finds nothing, a stop that cut its draining short, a request that is over. The calls
 *   that begin with try_ answer the bare bowline_result.
 * Versions. The first object of a program (a config, a key, a network) is refused with BOWLINE_E_VERSION if the library that runs
 *   is not one for this header.
 * Ownership. Every owner can be moved and not copied, but for msg, whose copies share the bytes. One that was moved from, or
 *   made by its default constructor, is empty: calls on it fail with BOWLINE_E_NULL, and nothing else is done with it.
 * Inputs. bytes takes whatever lies in one piece; text takes char pointers, std::string and std::string_view; timeout takes
 *   any duration of <chrono>, rounded up to milliseconds. All three are lent for the call.
 * Threads. As in bowline.h: a node, queue, message, list or key may be used by any number of threads at once, as long as none
 *   of them moves, assigns or destroys the C++ object; a config, an event and an event_batch by one.
 * Memory. Where the program's memory is at its end std::bad_alloc leaves a call, or ends the program without exceptions.
 */
#ifndef BOWLINE_HPP
#define BOWLINE_HPP

#include "bowline.h"

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

/** 1 if calls throw, 0 if they answer bowline::result. */
#if defined(BOWLINE_HPP_NO_EXCEPTIONS) || !defined(__cpp_exceptions)
#define BOWLINE_HPP_THROWS 0
#else
#define BOWLINE_HPP_THROWS 1
#endif

namespace bowline {
/* Files of either kind may be linked into one program: their functions have different names. */
#if BOWLINE_HPP_THROWS
inline namespace throwing {
#else
inline namespace returning {
#endif

/* ---- Failures ---- */

/** The C library's error object, for calls of C functions: pass out(). Owner; any thread; never blocks. */
class error_handle {
  public:
    error_handle() noexcept = default;
    error_handle(const error_handle &) = delete;
    error_handle &operator=(const error_handle &) = delete;
    ~error_handle() { bowline_error_free(raw_); }

    /** Where a C function puts its error. What was there is freed. */
    bowline_error **out() noexcept
    {
        bowline_error_free(raw_);
        raw_ = nullptr;
        return &raw_;
    }
    bowline_error *get() const noexcept { return raw_; }
    explicit operator bool() const noexcept { return raw_ != nullptr; }
    bowline_result code() const noexcept { return bowline_error_code(raw_); }
    const char *text() const noexcept { return bowline_error_text(raw_); }

  private:
    bowline_error *raw_ = nullptr;
};

/** A failure: its result and a sentence about the case. A value; it owns its text and knows nothing of the node. Never blocks. */
class error : public std::runtime_error {
  public:
    error(bowline_result code, const std::string &sentence, std::uint32_t remote_code = 0)
        : std::runtime_error(sentence), code_(code), remote_code_(remote_code)
    {
    }

    bowline_result code() const noexcept { return code_; }
    /** "BOWLINE_E_TIMEOUT". */
    const char *name() const noexcept { return bowline_result_name(code_); }
    /** The sentence, as what(). */
    const char *text() const noexcept { return what(); }
    /** The same call may succeed later. */
    bool retryable() const noexcept { return (flags() & BOWLINE_RESULT_RETRYABLE) != 0; }
    /** The node, or the library, is broken. */
    bool fatal() const noexcept { return (flags() & BOWLINE_RESULT_FATAL) != 0; }
    /** It concerns one peer and no other. */
    bool about_peer() const noexcept { return (flags() & BOWLINE_RESULT_PEER) != 0; }
    /** With BOWLINE_E_REMOTE: the number that the peer's application gave. */
    std::uint32_t remote_code() const noexcept { return remote_code_; }

  private:
    std::uint32_t flags() const noexcept
    {
        const bowline_result_info *rows = nullptr;
        const std::size_t count = bowline_result_table(&rows);
        for (std::size_t at = 0; at < count; at++) {
            if (rows[at].code == code_) {
                return rows[at].flags;
            }
        }
        return 0;
    }

    bowline_result code_;
    std::uint32_t remote_code_;
};

namespace detail {

/** The end of a mistake: asking for a value that is not there, or for an entry beyond the end. */
[[noreturn]] inline void raise(const error &failure)
{
#if BOWLINE_HPP_THROWS
    throw failure;
#else
    std::fprintf(stderr, "bowline: %s: %s\n", failure.name(), failure.text());
    std::abort();
#endif
}

} // namespace detail

#if BOWLINE_HPP_THROWS

template <class T>
using fallible = T;

#else

namespace detail {

/** What can be asked in an `if` itself. */
template <class T>
struct is_answer : std::is_arithmetic<T> {};
template <class T>
struct is_answer<std::optional<T>> : std::true_type {};

} // namespace detail

/**
 * What a call answers where it may not throw: a value, or an error. Asking for the value that is not there ends the program.
 * A value itself: it owns what it holds; one thread; never blocks.
 */
template <class T>
class [[nodiscard]] result {
  public:
    using value_type = T;

    result(T value) : held_(std::in_place_index<0>, std::move(value)) {}
    result(bowline::error failure) : held_(std::in_place_index<1>, std::move(failure)) {}

    bool ok() const noexcept { return held_.index() == 0; }
    /** As ok(). Not where the value could be asked itself, as a bool or a number: `if (node.stop(…))` would mean two things. */
    template <class U = T, std::enable_if_t<!detail::is_answer<U>::value, int> = 0>
    explicit operator bool() const noexcept
    {
        return ok();
    }
    bowline_result code() const noexcept { return ok() ? BOWLINE_OK : std::get_if<1>(&held_)->code(); }
    /** The error's sentence, "" if there is none. */
    const char *text() const noexcept { return ok() ? "" : std::get_if<1>(&held_)->text(); }
    /** Only after a failure. */
    const bowline::error &error() const
    {
        if (ok()) {
            detail::raise(bowline::error(BOWLINE_E_STATE, "the call succeeded, so there is no error"));
        }
        return *std::get_if<1>(&held_);
    }

    T &value() & { return *checked(); }
    const T &value() const & { return *const_cast<result *>(this)->checked(); }
    T value() && { return std::move(*checked()); }
    T value_or(T other) && { return ok() ? std::move(*std::get_if<0>(&held_)) : std::move(other); }
    T &operator*() & { return value(); }
    const T &operator*() const & { return value(); }
    T operator*() && { return std::move(*this).value(); }
    T *operator->() { return checked(); }
    const T *operator->() const { return &value(); }
    /** Says that the outcome does not matter. */
    void ignore() const noexcept {}

  private:
    T *checked()
    {
        if (!ok()) {
            detail::raise(*std::get_if<1>(&held_));
        }
        return std::get_if<0>(&held_);
    }

    std::variant<T, bowline::error> held_;
};

/** As result<T>, for calls that answer nothing. */
template <>
class [[nodiscard]] result<void> {
  public:
    using value_type = void;

    result() = default;
    result(bowline::error failure) : failure_(std::move(failure)) {}

    bool ok() const noexcept { return !failure_.has_value(); }
    explicit operator bool() const noexcept { return ok(); }
    bowline_result code() const noexcept { return ok() ? BOWLINE_OK : failure_->code(); }
    const char *text() const noexcept { return ok() ? "" : failure_->text(); }
    const bowline::error &error() const
    {
        if (ok()) {
            detail::raise(bowline::error(BOWLINE_E_STATE, "the call succeeded, so there is no error"));
        }
        return *failure_;
    }
    void value() const
    {
        if (!ok()) {
            detail::raise(*failure_);
        }
    }
    void ignore() const noexcept {}

  private:
    std::optional<bowline::error> failure_;
};

template <class T>
using fallible = result<T>;

#endif

namespace detail {

/** What the error of a failed call says: the C library's sentence, or the name of the call and what the result means. */
inline error told(bowline_result code, const char *call)
{
    return error(code, std::string(call) + ": " + bowline_result_text(code));
}
inline error told(bowline_result code, const error_handle &from)
{
    return error(code, from ? from.text() : bowline_result_text(code));
}

/** A call's answer, by its result. */
template <class T, class From>
fallible<T> give(bowline_result code, const From &from, T value)
{
    if (code == BOWLINE_OK) {
        return fallible<T>(std::move(value));
    }
#if BOWLINE_HPP_THROWS
    raise(told(code, from));
#else
    return fallible<T>(told(code, from));
#endif
}

/** As `give`, for calls that answer nothing. */
template <class From>
fallible<void> done(bowline_result code, const From &from)
{
#if BOWLINE_HPP_THROWS
    if (code != BOWLINE_OK) {
        raise(told(code, from));
    }
#else
    return code == BOWLINE_OK ? fallible<void>() : fallible<void>(told(code, from));
#endif
}

/**
 * What makes the first objects of a program, if the library that runs fits this header: members below have its structs and
 * calls compiled in.
 */
template <class Make>
bowline_result made(Make make)
{
    static const bowline_result fits = bowline_check_abi(BOWLINE_VERSION_NUMBER);
    return fits == BOWLINE_OK ? make() : fits;
}

/** A text that a C function writes into a buffer: `call` takes the buffer, its size and where to put the size needed. */
template <class Call>
bowline_result read_text(std::string &to, Call call)
{
    std::size_t needed = 128;
    bowline_result code = BOWLINE_E_BUFFER;
    while (code == BOWLINE_E_BUFFER) {
        /* A string has room for the NUL behind its end. */
        to.resize(needed - 1);
        code = call(to.data(), to.size() + 1, &needed);
    }
    to.resize(code == BOWLINE_OK ? needed - 1 : 0);
    return code;
}

/** The same for bytes, addresses and the like, which have no NUL. */
template <class Item, class Call>
bowline_result read_all(std::vector<Item> &to, Call call)
{
    std::size_t needed = 16;
    bowline_result code = BOWLINE_E_BUFFER;
    while (code == BOWLINE_E_BUFFER) {
        to.resize(needed);
        code = call(to.data(), to.size(), &needed);
    }
    to.resize(code == BOWLINE_OK ? needed : 0);
    return code;
}

/** Owner of a C handle: as std::unique_ptr. */
template <class T, void (*Free)(T *)>
class owner {
  public:
    owner() noexcept = default;
    /** Takes over what a C function has made. */
    explicit owner(T *raw) noexcept : raw_(raw) {}
    owner(owner &&other) noexcept : raw_(other.release()) {}
    owner &operator=(owner &&other) noexcept
    {
        reset(other.release());
        return *this;
    }
    owner(const owner &) = delete;
    owner &operator=(const owner &) = delete;
    ~owner() { reset(); }

    T *get() const noexcept { return raw_; }
    explicit operator bool() const noexcept { return raw_ != nullptr; }
    /** Hands the C handle over: whoever has it frees it. */
    [[nodiscard]] T *release() noexcept { return std::exchange(raw_, nullptr); }
    /** Frees what is held, and takes over another. */
    void reset(T *raw = nullptr) noexcept
    {
        T *old = std::exchange(raw_, raw);
        if (old != nullptr) {
            Free(old);
        }
    }

  private:
    T *raw_ = nullptr;
};

using owned_text = owner<char, bowline_string_free>;

template <class T>
struct is_byte
    : std::bool_constant<sizeof(T) == 1 && std::is_trivially_copyable_v<T> && (std::is_integral_v<T> || std::is_enum_v<T>)> {
};

/** True for integers that are no characters: 'x' is a text of one letter, and not 120. */
template <class T>
struct is_number : std::bool_constant<std::is_integral_v<T> && !std::is_same_v<T, char> && !std::is_same_v<T, wchar_t> &&
                                      !std::is_same_v<T, char16_t> && !std::is_same_v<T, char32_t>> {
};

/** True for containers whose bytes lie in one piece: data() and size(). */
template <class T, class = void>
struct is_piece : std::false_type {
};
template <class T>
struct is_piece<T, std::void_t<decltype(std::declval<const T &>().data()), decltype(std::declval<const T &>().size())>>
    : is_byte<std::remove_cv_t<std::remove_pointer_t<decltype(std::declval<const T &>().data())>>> {
};

} // namespace detail

/* ---- Inputs ---- */

/**
 * A view of bytes: of a std::string, std::vector<std::uint8_t>, std::array<std::byte, n>, msg, std::span and the like. A
 * std::span<const std::uint8_t> can be made of it. Owns nothing, so it must not outlive what it shows; a value; never blocks.
 */
class bytes {
  public:
    using value_type = std::uint8_t;
    using const_iterator = const std::uint8_t *;
    using iterator = const_iterator;

    constexpr bytes() noexcept = default;
    bytes(const void *data, std::size_t size) noexcept : data_(static_cast<const std::uint8_t *>(data)), size_(size) {}
    /** A text without its NUL. */
    bytes(const char *text) noexcept : bytes(text, text == nullptr ? 0 : std::strlen(text)) {}
    /** An array, but not one of char: that is a text, or should say its length. */
    template <class Byte, std::size_t count, std::enable_if_t<detail::is_byte<Byte>::value && !std::is_same_v<Byte, char>, int> = 0>
    bytes(const Byte (&array)[count]) noexcept : bytes(static_cast<const void *>(array), count)
    {
    }
    template <class Piece, std::enable_if_t<detail::is_piece<Piece>::value, int> = 0>
    bytes(const Piece &piece) noexcept : bytes(piece.data(), piece.size())
    {
    }

    constexpr const std::uint8_t *data() const noexcept { return data_; }
    constexpr std::size_t size() const noexcept { return size_; }
    constexpr bool empty() const noexcept { return size_ == 0; }
    constexpr const_iterator begin() const noexcept { return data_; }
    constexpr const_iterator end() const noexcept { return data_ + size_; }
    constexpr std::uint8_t operator[](std::size_t at) const noexcept { return data_[at]; }
    /** The same bytes as characters. */
    std::string_view text() const noexcept { return {reinterpret_cast<const char *>(data_), size_}; }
    friend bool operator==(bytes one, bytes other) noexcept { return one.text() == other.text(); }
    friend bool operator!=(bytes one, bytes other) noexcept { return !(one == other); }

  private:
    const std::uint8_t *data_ = nullptr;
    std::size_t size_ = 0;
};

namespace detail {

/** True for what an iterator shows if its bytes are not the iterator's own, as far as a type says that. */
template <class Item>
inline constexpr bool stays = std::is_lvalue_reference_v<Item> || std::is_pointer_v<Item> ||
                              std::is_same_v<std::remove_cv_t<Item>, bytes> || std::is_same_v<std::remove_cv_t<Item>, std::string_view>;

} // namespace detail

/**
 * A text that is lent to a call: UTF-8, without a NUL inside (such a text is refused with BOWLINE_E_UTF8, not cut). A
 * string_view is copied, because C needs the NUL at its end. Only for parameters.
 */
class text {
  public:
    text(const char *raw) noexcept : raw_(raw) {}
    text(const std::string &whole) noexcept : raw_(has_nul(whole) ? refused : whole.c_str()) {}
    text(std::string_view part) : held_(part), raw_(has_nul(part) ? refused : held_.c_str()) {}
    text(const text &) = delete;
    text &operator=(const text &) = delete;

    const char *c_str() const noexcept { return raw_; }

  private:
    /** No UTF-8, so every call refuses it. */
    static constexpr const char *refused = "\xff";

    static bool has_nul(std::string_view whole) noexcept { return whole.find('\0') != std::string_view::npos; }

    std::string held_;
    const char *raw_;
};

/** How long a call may wait: a duration of <chrono>, rounded up to milliseconds; a negative one is no wait. A value. */
class timeout {
  public:
    template <class Rep, class Period>
    constexpr timeout(std::chrono::duration<Rep, Period> lasts) noexcept : ms_(rounded(lasts))
    {
    }
    /** As C has it: milliseconds, BOWLINE_FOREVER or BOWLINE_NOWAIT. */
    static constexpr timeout of_ms(std::int64_t ms) noexcept { return timeout(ms); }

    constexpr std::int64_t ms() const noexcept { return ms_; }

  private:
    explicit constexpr timeout(std::int64_t ms) noexcept : ms_(ms) {}

    template <class Rep, class Period>
    static constexpr std::int64_t rounded(std::chrono::duration<Rep, Period> lasts) noexcept
    {
        using std::chrono::milliseconds;
        if (!(lasts > lasts.zero())) {
            return BOWLINE_NOWAIT;
        }
        /* 291 million years: what is longer does not fit into C's number. */
        constexpr std::chrono::duration<double> most{9.2e15};
        return std::chrono::duration<double>(lasts) < most ? std::chrono::ceil<milliseconds>(lasts).count() : BOWLINE_FOREVER;
    }

    std::int64_t ms_;
};

/** Wait without limit. */
inline constexpr timeout forever = timeout::of_ms(BOWLINE_FOREVER);
/** Do not wait. */
inline constexpr timeout nowait = timeout::of_ms(BOWLINE_NOWAIT);

/** The clock of bowline_clock_ns, as <chrono> wants it: monotonic, from no particular moment. Any thread; never blocks. */
struct clock {
    using duration = std::chrono::nanoseconds;
    using rep = duration::rep;
    using period = duration::period;
    using time_point = std::chrono::time_point<clock>;
    static constexpr bool is_steady = true;

    static time_point now() noexcept { return at(bowline_clock_ns()); }
    /** A moment as C has it, such as bowline_peer_info.connected_ns. */
    static time_point at(std::uint64_t ns) noexcept { return time_point(duration(static_cast<rep>(ns))); }
};

/* ---- Version and results ---- */

inline std::uint32_t version() noexcept { return bowline_version(); }
inline const char *version_string() noexcept { return bowline_version_string(); }
inline const char *build_info() noexcept { return bowline_build_info(); }
/** Whether the library that runs fits the header of this program. */
inline fallible<void> check_abi()
{
    return detail::done(bowline_check_abi(BOWLINE_VERSION_NUMBER), "check_abi");
}
inline const char *result_text(std::int32_t code) noexcept { return bowline_result_text(code); }
inline const char *result_name(std::int32_t code) noexcept { return bowline_result_name(code); }
/** What the code of a close reason means. */
inline const char *reason_text(std::uint32_t reason) noexcept { return bowline_reason_text(reason); }
/** Every result that there is. */
inline std::vector<bowline_result_info> result_table()
{
    const bowline_result_info *rows = nullptr;
    const std::size_t count = bowline_result_table(&rows);
    return std::vector<bowline_result_info>(rows, rows + count);
}

/* ---- Identities and addresses ---- */

/** Who a peer is. A value, which can be compared and be a key. Never blocks. */
struct peer_id : bowline_peer_id {
    peer_id() noexcept : bowline_peer_id{} {}
    peer_id(const bowline_peer_id &raw) noexcept : bowline_peer_id(raw) {}

    static fallible<peer_id> parse(const text &digits)
    {
        peer_id id;
        const bowline_result code = bowline_peer_id_parse(digits.c_str(), &id);
        return detail::give(code, "peer_id::parse", id);
    }
    /** 64 hex digits. */
    std::string to_string() const
    {
        char digits[BOWLINE_PEER_ID_TEXT_MAX];
        return bowline_peer_id_format(this, digits, sizeof digits, nullptr) == BOWLINE_OK ? digits : "";
    }

    friend bool operator==(const peer_id &one, const peer_id &other) noexcept { return one.compare(other) == 0; }
    friend bool operator!=(const peer_id &one, const peer_id &other) noexcept { return one.compare(other) != 0; }
    friend bool operator<(const peer_id &one, const peer_id &other) noexcept { return one.compare(other) < 0; }

  private:
    int compare(const peer_id &other) const noexcept
    {
        return std::memcmp(static_cast<const std::uint8_t *>(bytes), static_cast<const std::uint8_t *>(other.bytes), 32);
    }
};

/** An IP address with its port; without a family it is none. A value, which can be compared. Never blocks. */
struct address : bowline_addr {
    address() noexcept : bowline_addr BOWLINE_ADDR_INIT {}
    address(const bowline_addr &raw) noexcept : bowline_addr(raw) {}

    static fallible<address> parse(const text &numbers, std::uint16_t default_port = 0)
    {
        address parsed;
        const bowline_result code = bowline_addr_parse(numbers.c_str(), default_port, &parsed);
        return detail::give(code, "address::parse", parsed);
    }
    /** Of a sockaddr_in or sockaddr_in6. */
    static fallible<address> from_sockaddr(const void *sa, std::size_t size)
    {
        address taken;
        const bowline_result code = bowline_addr_from_sockaddr(sa, size, &taken);
        return detail::give(code, "address::from_sockaddr", taken);
    }
    /** "192.0.2.1:9732"; "" for no address. */
    std::string to_string() const
    {
        char numbers[BOWLINE_ADDR_TEXT_MAX];
        return bowline_addr_format(this, numbers, sizeof numbers, nullptr) == BOWLINE_OK ? numbers : "";
    }

    friend bool operator==(const address &one, const address &other) noexcept
    {
        return one.family == other.family && one.port == other.port && one.scope == other.scope &&
               std::memcmp(static_cast<const std::uint8_t *>(one.ip), static_cast<const std::uint8_t *>(other.ip), 16) == 0;
    }
    friend bool operator!=(const address &one, const address &other) noexcept { return !(one == other); }
};

/* Rows of lists and other structs that may grow: begun as C wants it. Values; what they point to is static. */

struct peer_info : bowline_peer_info {
    peer_info() noexcept : bowline_peer_info BOWLINE_PEER_INFO_INIT {}
};
struct ban_info : bowline_ban_info {
    ban_info() noexcept : bowline_ban_info BOWLINE_BAN_INFO_INIT {}
};
struct addr_info : bowline_addr_info {
    addr_info() noexcept : bowline_addr_info BOWLINE_ADDR_INFO_INIT {}
};
struct key_info : bowline_key_info {
    key_info() noexcept : bowline_key_info BOWLINE_KEY_INFO_INIT {}
};
struct imported : bowline_imported {
    imported() noexcept : bowline_imported BOWLINE_IMPORTED_INIT {}
};
struct reach : bowline_reach {
    reach() noexcept : bowline_reach BOWLINE_REACH_INIT {}
};
struct role_info : bowline_role_info {
    role_info() noexcept : bowline_role_info BOWLINE_ROLE_INFO_INIT {}
};
struct cause : bowline_cause {
    cause() noexcept : bowline_cause BOWLINE_CAUSE_INIT {}
};
struct channel_info : bowline_channel_info {
    channel_info() noexcept : bowline_channel_info BOWLINE_CHANNEL_INFO_INIT {}
};
struct known_info : bowline_known_info {
    known_info() noexcept : bowline_known_info BOWLINE_KNOWN_INFO_INIT {}
};
struct channel_metrics : bowline_channel_metrics {
    channel_metrics() noexcept : bowline_channel_metrics BOWLINE_CHANNEL_METRICS_INIT {}
};
struct metrics : bowline_metrics {
    metrics() noexcept : bowline_metrics BOWLINE_METRICS_INIT {}
};
struct channel_desc : bowline_channel_desc {
    channel_desc() noexcept : bowline_channel_desc BOWLINE_CHANNEL_DESC_INIT {}
};
struct send_opts : bowline_send_opts {
    send_opts() noexcept : bowline_send_opts BOWLINE_SEND_OPTS_INIT {}
    /** How long the call may wait for room in the send queue. */
    send_opts(timeout wait) noexcept : send_opts() { timeout_ms = wait.ms(); }
    template <class Rep, class Period>
    send_opts(std::chrono::duration<Rep, Period> wait) noexcept : send_opts(timeout(wait))
    {
    }
    /** ttl_ms: the message is dropped if it has not begun to leave by then. */
    send_opts &expires(timeout after) noexcept
    {
        const std::int64_t ms = after.ms();
        /* For C 0 is for ever. */
        const std::int64_t bounded = ms == BOWLINE_NOWAIT ? 1 : ms < UINT32_MAX ? ms : UINT32_MAX;
        ttl_ms = ms == BOWLINE_FOREVER ? 0 : static_cast<std::uint32_t>(bounded);
        return *this;
    }
    /** BOWLINE_SEND_REPORT: a SEND_RESULT with the tag follows, in a queue's get(), or in the main queue. */
    send_opts &reports(std::uint64_t with_tag, bowline_queue *to = nullptr) noexcept
    {
        flags |= BOWLINE_SEND_REPORT;
        tag = with_tag;
        report_queue = to;
        return *this;
    }
    /** BOWLINE_SEND_SELF: a broadcast goes to this node, too. */
    send_opts &with_self() noexcept
    {
        flags |= BOWLINE_SEND_SELF;
        return *this;
    }
};

/* ---- Memory network ---- */

/**
 * A network in memory with a time of its own, on which nodes of configurations with use_memnet live. Owner; any thread, one at a
 * time. Everything happens in advance and advance_to_event, on the calling thread; nothing waits. An event's time() is its time.
 */
class memnet : public detail::owner<bowline_memnet, bowline_memnet_free> {
  public:
    using owner::owner;

    /** How it goes from one address to another: the parameters of bowline_memnet_link. A value. */
    struct way {
        std::chrono::microseconds latency{1000};
        std::chrono::microseconds jitter{0};
        std::uint32_t loss_ppm = 0;
        std::uint64_t bytes_per_s = 0;
    };

    static fallible<memnet> make(std::uint64_t seed)
    {
        bowline_memnet *raw = nullptr;
        const bowline_result code = detail::made([&] { return bowline_memnet_new(seed, &raw); });
        return detail::give(code, "memnet::make", memnet(raw));
    }
    fallible<void> link(const bowline_addr &from, const bowline_addr &to, const way &goes) { return set_way(&from, &to, goes); }
    /** Every way. */
    fallible<void> link(const way &goes) { return set_way(nullptr, nullptr, goes); }
    fallible<void> cut(const bowline_addr &one, const bowline_addr &other) { return set_cut(&one, &other, 1, "memnet::cut"); }
    /** Everybody from everybody. */
    fallible<void> cut() { return set_cut(nullptr, nullptr, 1, "memnet::cut"); }
    /** bowline_memnet_cut with 0: they reach each other again. */
    fallible<void> heal(const bowline_addr &one, const bowline_addr &other) { return set_cut(&one, &other, 0, "memnet::heal"); }
    /** Ends every cut. */
    fallible<void> heal() { return set_cut(nullptr, nullptr, 0, "memnet::heal"); }
    fallible<void> name(const text &host, const bowline_addr &leads_to)
    {
        return detail::done(bowline_memnet_name(get(), host.c_str(), &leads_to), "memnet::name");
    }
    /** A negative time is refused. */
    fallible<void> advance(std::chrono::nanoseconds far)
    {
        return detail::done(bowline_memnet_advance(get(), count(far)), "memnet::advance");
    }
    /** Whether a queue has an event; false if there is none and all that time has passed. */
    fallible<bool> advance_to_event(std::chrono::nanoseconds far)
    {
        const bowline_result code = bowline_memnet_advance_to_event(get(), count(far));
        const bool is_some = code == BOWLINE_OK;
        return detail::give(code == BOWLINE_E_TIMEOUT ? BOWLINE_OK : code, "memnet::advance_to_event", is_some);
    }
    /** The network's time: no moment of the machine's, but to be compared with time() of its nodes' events. */
    clock::time_point now() const noexcept { return clock::at(bowline_memnet_now(get())); }
    fallible<std::uint64_t> fingerprint() const
    {
        std::uint64_t all = 0;
        const bowline_result code = bowline_memnet_fingerprint(get(), &all);
        return detail::give(code, "memnet::fingerprint", all);
    }

  private:
    /** What is negative is more than C takes. */
    template <class Rep, class Period>
    static constexpr std::uint64_t count(std::chrono::duration<Rep, Period> lasts) noexcept
    {
        return static_cast<std::uint64_t>(lasts.count());
    }
    fallible<void> set_way(const bowline_addr *from, const bowline_addr *to, const way &goes)
    {
        const std::uint64_t latency = count(goes.latency);
        const std::uint64_t jitter = count(goes.jitter);
        const bowline_result code = bowline_memnet_link(get(), from, to, latency, jitter, goes.loss_ppm, goes.bytes_per_s);
        return detail::done(code, "memnet::link");
    }
    fallible<void> set_cut(const bowline_addr *one, const bowline_addr *other, std::uint32_t is_cut, const char *call)
    {
        return detail::done(bowline_memnet_cut(get(), one, other, is_cut), call);
    }
};

/* ---- Configuration and keys ---- */

/** A node to be: settings and channels. Owner; one thread at a time; never blocks. A node keeps a copy of its own. */
class config : public detail::owner<bowline_config, bowline_config_free> {
  public:
    using owner::owner;

    static fallible<config> make()
    {
        bowline_config *raw = nullptr;
        const bowline_result code = detail::made([&] { return bowline_config_new(&raw); });
        return detail::give(code, "config::make", config(raw));
    }
    fallible<void> set(const text &key, const text &value)
    {
        error_handle err;
        return detail::done(bowline_config_set(get(), key.c_str(), value.c_str(), err.out()), err);
    }
    /** bowline_config_set_int: for counts, sizes in bytes, durations in milliseconds, and switches. */
    template <class Number, std::enable_if_t<detail::is_number<Number>::value, int> = 0>
    fallible<void> set(const text &key, Number value)
    {
        error_handle err;
        /* Numbers above C's go as text, so that they are refused by their own name. */
        const bool fits = !std::is_unsigned_v<Number> || static_cast<std::uint64_t>(value) <= INT64_MAX;
        return fits ? detail::done(bowline_config_set_int(get(), key.c_str(), static_cast<std::int64_t>(value), err.out()), err)
                    : set(key, std::to_string(value));
    }
    /** bowline_config_get: a setting's text. */
    fallible<std::string> value(const text &key) const
    {
        std::string found;
        const auto call = [&](char *to, std::size_t size, std::size_t *needed) {
            return bowline_config_get(get(), key.c_str(), to, size, needed);
        };
        const bowline_result code = detail::read_text(found, call);
        return detail::give(code, key.c_str() == nullptr ? "config::value" : key.c_str(), std::move(found));
    }
    fallible<std::string> dump() const
    {
        char *raw = nullptr;
        const bowline_result code = bowline_config_dump(get(), &raw);
        const detail::owned_text held(raw);
        return detail::give(code, "config::dump", std::string(raw == nullptr ? "" : raw));
    }
    fallible<void> add_channel(const bowline_channel_desc &desc)
    {
        error_handle err;
        return detail::done(bowline_config_add_channel(get(), &desc, err.out()), err);
    }
    /** The same with id and name, and the rest of `desc`. */
    fallible<void> add_channel(bowline_channel id, const text &name, bowline_channel_desc desc = channel_desc())
    {
        desc.id = id;
        desc.name = name.c_str();
        return add_channel(desc);
    }
    fallible<void> add_capability(const text &capability, std::uint64_t value = 0)
    {
        error_handle err;
        return detail::done(bowline_config_add_capability(get(), capability.c_str(), value, err.out()), err);
    }
    fallible<void> add_version(std::uint32_t version)
    {
        error_handle err;
        return detail::done(bowline_config_add_version(get(), version, err.out()), err);
    }
    fallible<void> set_metadata(bytes data)
    {
        error_handle err;
        return detail::done(bowline_config_set_metadata(get(), data.data(), data.size(), err.out()), err);
    }
    fallible<void> set_agent(const text &agent)
    {
        error_handle err;
        return detail::done(bowline_config_set_agent(get(), agent.c_str(), err.out()), err);
    }
    /** Its nodes live on this network, which the configuration keeps. */
    fallible<void> use_memnet(const memnet &net)
    {
        return detail::done(bowline_config_use_memnet(get(), net.get()), "config::use_memnet");
    }
};

/** bowline_config_key_info for every key, in the manual's order. */
inline fallible<std::vector<key_info>> config_keys()
{
    std::vector<key_info> keys;
    key_info key;
    bowline_result code = bowline_config_key_info(0, &key);
    while (code == BOWLINE_OK) {
        keys.push_back(key);
        key = key_info();
        code = bowline_config_key_info(keys.size(), &key);
    }
    return detail::give(code == BOWLINE_E_NOT_FOUND ? BOWLINE_OK : code, "config_keys", std::move(keys));
}

/** A secret key with its proof of work; wiped when it is freed. Owner; any thread; blocks only where a search or a file says so. */
class keypair : public detail::owner<bowline_keypair, bowline_keypair_free> {
  public:
    using owner::owner;

    /** A new key; blocks until its proof of work is found. */
    static fallible<keypair> generate(std::uint32_t pow_bits)
    {
        bowline_keypair *raw = nullptr;
        const bowline_result code = detail::made([&] { return bowline_keypair_generate(pow_bits, BOWLINE_FOREVER, &raw); });
        return detail::give(code, "keypair::generate", keypair(raw));
    }
    /**
     * bowline_keypair_generate for some time: makes the key if this is empty, which is for one thread, and goes on where it was.
     * False if the time is over first.
     */
    fallible<bool> search(std::uint32_t pow_bits, timeout wait)
    {
        /* A key that there is stays where it is: others may use it meanwhile. */
        bowline_keypair *raw = get();
        const bowline_result code = detail::made([&] { return bowline_keypair_generate(pow_bits, wait.ms(), &raw); });
        if (get() == nullptr) {
            reset(raw);
        }
        return detail::give(code == BOWLINE_E_TIMEOUT ? BOWLINE_OK : code, "keypair::search", code == BOWLINE_OK);
    }
    static fallible<keypair> from_seed(const std::array<std::uint8_t, 32> &seed)
    {
        bowline_keypair *raw = nullptr;
        const bowline_result code = detail::made([&] { return bowline_keypair_from_seed(seed.data(), &raw); });
        return detail::give(code, "keypair::from_seed", keypair(raw));
    }
    /** `flags`: 0 or BOWLINE_KEYPAIR_CREATE. */
    static fallible<keypair> load(const text &path, std::uint32_t flags = 0)
    {
        error_handle err;
        bowline_keypair *raw = nullptr;
        const bowline_result code = detail::made([&] { return bowline_keypair_load(path.c_str(), flags, &raw, err.out()); });
        return detail::give(code, err, keypair(raw));
    }
    fallible<void> save(const text &path) const
    {
        error_handle err;
        return detail::done(bowline_keypair_save(get(), path.c_str(), err.out()), err);
    }
    fallible<peer_id> id() const
    {
        peer_id who;
        const bowline_result code = bowline_keypair_id(get(), &who);
        return detail::give(code, "keypair::id", who);
    }
};

/* ---- Messages ---- */

/**
 * A message. A copy shares the bytes (bowline_msg_ref); the last one frees them, on any thread, even when the node is gone.
 * Any thread; never blocks.
 */
class msg {
  public:
    msg() noexcept = default;
    explicit msg(bowline_msg *raw) noexcept : held_(raw) {}
    msg(msg &&) noexcept = default;
    msg &operator=(msg &&) noexcept = default;
    msg(const msg &other) noexcept : held_(bowline_msg_ref(other.get())) {}
    msg &operator=(const msg &other) noexcept
    {
        held_.reset(bowline_msg_ref(other.get()));
        return *this;
    }
    ~msg() = default;

    /** Zeros, to be filled through data_mut(). */
    static fallible<msg> make(std::size_t size)
    {
        bowline_msg *raw = nullptr;
        const bowline_result code = bowline_msg_new(size, &raw);
        return detail::give(code, "msg::make", msg(raw));
    }
    static fallible<msg> copy(bytes data)
    {
        bowline_msg *raw = nullptr;
        const bowline_result code = bowline_msg_copy(data.data(), data.size(), &raw);
        return detail::give(code, "msg::copy", msg(raw));
    }
    /** Takes a std::string, std::vector<std::uint8_t> and the like over, without copying its bytes. */
    template <class Piece, std::enable_if_t<detail::is_piece<Piece>::value && !std::is_reference_v<Piece>, int> = 0>
    static fallible<msg> wrap(Piece &&piece)
    {
        static_assert(!std::is_trivially_destructible_v<Piece>,
                      "this only shows bytes that lie elsewhere: give what owns them, or use msg::copy");
        auto kept = std::make_unique<Piece>(std::move(piece));
        bowline_msg *raw = nullptr;
        const bowline_result code = bowline_msg_wrap(kept->data(), kept->size(), drop<Piece>, kept.get(), &raw);
        if (code == BOWLINE_OK) {
            static_cast<void>(kept.release());
        }
        return detail::give(code, "msg::wrap", msg(raw));
    }
    /** Over memory that `free_fn` gives back: once, on any thread. It must not throw. */
    static fallible<msg> wrap(bytes data, bowline_free_fn free_fn, void *ctx)
    {
        bowline_msg *raw = nullptr;
        const bowline_result code = bowline_msg_wrap(data.data(), data.size(), free_fn, ctx, &raw);
        return detail::give(code, "msg::wrap", msg(raw));
    }

    const std::uint8_t *data() const noexcept { return bowline_msg_data(get()); }
    std::size_t size() const noexcept { return bowline_msg_len(get()); }
    bool empty() const noexcept { return size() == 0; }
    const std::uint8_t *begin() const noexcept { return data(); }
    const std::uint8_t *end() const noexcept { return data() + size(); }
    std::string_view text() const noexcept { return bytes(*this).text(); }
    /** For writing; nullptr if this is not the only owner, or the message was sent, received or wrapped. */
    std::uint8_t *data_mut() noexcept { return bowline_msg_data_mut(get()); }

    bowline_msg *get() const noexcept { return held_.get(); }
    explicit operator bool() const noexcept { return get() != nullptr; }
    [[nodiscard]] bowline_msg *release() noexcept { return held_.release(); }

  private:
    template <class Piece>
    static void drop(void *, std::size_t, void *kept) noexcept
    {
        delete static_cast<Piece *>(kept);
    }

    detail::owner<bowline_msg, bowline_msg_free> held_;
};

/* ---- Events ---- */

/** Which request: of a peer's that is to be answered, or of this node's that may be taken back. A value. */
struct request_ref {
    bowline_peer peer = 0;
    bowline_channel channel = 0;
    bowline_request number = 0;
};

/**
 * What happened. Owns its message: data() and text() are valid as long as the event, or until take(). One thread; never
 * blocks. The members that a kind has stand at bowline_event_kind; others are 0.
 */
class event {
  public:
    event() noexcept = default;
    event(event &&other) noexcept : raw_(std::exchange(other.raw_, bowline_event{})) {}
    event &operator=(event &&other) noexcept
    {
        if (this != &other) {
            release();
            raw_ = std::exchange(other.raw_, bowline_event{});
        }
        return *this;
    }
    event(const event &) = delete;
    event &operator=(const event &) = delete;
    ~event() { release(); }

    /** Kinds that this header does not know may come: skip them. 0: there is no event. */
    bowline_event_kind kind() const noexcept { return static_cast<bowline_event_kind>(raw_.kind); }
    bowline_result result() const noexcept { return static_cast<bowline_result>(raw_.result); }
    bowline_peer peer() const noexcept { return raw_.peer; }
    bowline_channel channel() const noexcept { return raw_.channel; }
    /** What respond takes: peer, channel and number of the request. */
    request_ref request() const noexcept { return {raw_.peer, raw_.channel, raw_.request}; }
    std::uint64_t tag() const noexcept { return raw_.tag; }
    clock::time_point time() const noexcept { return clock::at(raw_.time_ns); }
    std::uint32_t detail() const noexcept { return raw_.detail; }
    /** Code of the close reason, of the kinds that have one. */
    std::uint16_t close_reason() const noexcept { return raw_.flags; }
    /** The same for people. */
    const char *reason() const noexcept { return bowline_reason_text(raw_.flags); }
    /** Of PEER_WARNED and PEER_BANNED: the peer's score. */
    std::int32_t score() const noexcept { return static_cast<std::int32_t>(raw_.detail); }
    /** Of ROUND_ENDED: whether links could not be brought into bounds. */
    bool is_stuck() const noexcept { return raw_.flags != 0; }
    /** Of PEER_CONNECTED: whether the peer dialed. */
    bool is_inbound() const noexcept { return raw_.detail == BOWLINE_DIRECTION_INBOUND; }
    /** Of PEER_CONNECTED and PEER_DISCONNECTED: who it is. */
    peer_id id() const noexcept
    {
        peer_id who;
        if (raw_.len == sizeof who.bytes) {
            std::memcpy(static_cast<std::uint8_t *>(who.bytes), raw_.data, sizeof who.bytes);
        }
        return who;
    }
    /** Of NODE_STATE. */
    bowline_state state() const noexcept { return static_cast<bowline_state>(raw_.detail); }
    bytes data() const noexcept { return bytes(raw_.data, raw_.len); }
    /** data() as characters. */
    std::string_view text() const noexcept { return data().text(); }

    /** The message, which the event goes on sharing. Empty if there is none. */
    msg message() const noexcept { return msg(bowline_msg_ref(raw_.msg)); }
    /** Takes the message out. The event has no data then. */
    msg take() noexcept
    {
        msg taken(std::exchange(raw_.msg, nullptr));
        if (taken) {
            raw_.data = nullptr;
            raw_.len = 0;
        }
        return taken;
    }

    const bowline_event *get() const noexcept { return &raw_; }
    /** For C functions that fill it; first release() what it has. */
    bowline_event *get() noexcept { return &raw_; }
    /** Frees what it has. */
    void release() noexcept
    {
        if (raw_.kind != 0 || raw_.msg != nullptr) {
            bowline_events_release(&raw_, sizeof raw_, 1);
        }
    }

  private:
    bowline_event raw_ = {};
};

/* Batches hand an array of these to C as an array of bowline_event. */
static_assert(sizeof(event) == sizeof(bowline_event) && std::is_standard_layout_v<event>, "an event is its bowline_event");

/**
 * Room for events, which a poll fills: `for (auto &event : batch)`. Releases them when it goes out of scope, however that
 * comes about, and before each poll. Owner; one thread; never blocks by itself.
 */
class event_batch {
  public:
    explicit event_batch(std::size_t capacity = 64) : events_(new event[capacity]), capacity_(capacity) {}
    event_batch(event_batch &&other) noexcept
        : events_(std::move(other.events_)), capacity_(std::exchange(other.capacity_, 0)), size_(std::exchange(other.size_, 0))
    {
    }
    event_batch &operator=(event_batch &&other) noexcept
    {
        events_ = std::move(other.events_);
        capacity_ = std::exchange(other.capacity_, 0);
        size_ = std::exchange(other.size_, 0);
        return *this;
    }
    event_batch(const event_batch &) = delete;
    event_batch &operator=(const event_batch &) = delete;
    ~event_batch() { release(); }

    std::size_t size() const noexcept { return size_; }
    bool empty() const noexcept { return size_ == 0; }
    std::size_t capacity() const noexcept { return capacity_; }
    event *begin() noexcept { return events_.get(); }
    event *end() noexcept { return events_.get() + size_; }
    const event *begin() const noexcept { return events_.get(); }
    const event *end() const noexcept { return events_.get() + size_; }
    event &operator[](std::size_t at) noexcept { return events_[at]; }
    const event &operator[](std::size_t at) const noexcept { return events_[at]; }

    /** The first of capacity() places; nullptr after a move. */
    bowline_event *get() noexcept { return events_ == nullptr ? nullptr : events_[0].get(); }
    /** Frees what was polled. */
    void release() noexcept
    {
        bowline_events_release(get(), sizeof(event), std::exchange(size_, 0));
    }

  private:
    friend class queue_ref;

    std::unique_ptr<event[]> events_;
    std::size_t capacity_ = 0;
    std::size_t size_ = 0;
};

/** How a poll ended. */
enum class polled {
    /** There is an event, or more. */
    some,
    /** There is none yet: the time is over, or there was none to wait. */
    none,
    /** The node has stopped, and everything was taken: there will be no more. */
    stopped,
};

/* ---- Queues ---- */

/**
 * A queue that belongs to somebody else: a node's main queue, or a bowline::queue. Copies name the same queue. Any number of
 * threads may poll it; each event goes to one of them. poll blocks up to its timeout, and ends when the node stops; nothing
 * else blocks.
 */
class queue_ref {
  public:
    queue_ref() noexcept = default;
    explicit queue_ref(bowline_queue *raw) noexcept : raw_(raw) {}

    fallible<void> bind_channel(bowline_channel channel) const
    {
        return detail::done(bowline_queue_bind_channel(raw_, channel), "queue::bind_channel");
    }
    /** bowline_queue_poll_batch: waits for the first event and takes those that are there. What the batch had is released. */
    fallible<polled> poll(event_batch &to, timeout wait = forever) const
    {
        to.release();
        return ended(bowline_queue_poll_batch(raw_, to.get(), sizeof(event), to.capacity(), &to.size_, wait.ms()));
    }
    /** The next event. What `to` had is released. */
    fallible<polled> poll(event &to, timeout wait = forever) const
    {
        to.release();
        return ended(bowline_queue_poll(raw_, to.get(), sizeof(bowline_event), wait.ms()));
    }
    /** Kinds that belong to no link's story. */
    fallible<void> bind_events(std::initializer_list<bowline_event_kind> kinds) const
    {
        std::uint64_t mask = 0;
        for (const bowline_event_kind kind : kinds) {
            /* What is no kind is refused by C, with all others. */
            mask |= kind >= 0 && kind < 64 ? BOWLINE_EV_BIT(kind) : UINT64_MAX;
        }
        return detail::done(bowline_queue_bind_events(raw_, mask), "queue::bind_events");
    }
    int fd() const noexcept { return bowline_queue_fd(raw_); }
    /**
     * Has `wake()` called whenever the queue has something again, on any thread: it may only signal an event loop. What it
     * throws ends the program. It is lent until remove_wake(), or until the node is freed.
     */
    template <class Wake>
    fallible<void> set_wake(Wake &wake) const
    {
        return detail::done(bowline_queue_set_wake(raw_, call_wake<Wake>, &wake), "queue::set_wake");
    }
    /** Waits for a call that is under way. */
    fallible<void> remove_wake() const
    {
        return detail::done(bowline_queue_set_wake(raw_, nullptr, nullptr), "queue::remove_wake");
    }
    fallible<void> wakeup(std::uint64_t tag = 0) const { return detail::done(bowline_queue_wakeup(raw_, tag), "queue::wakeup"); }

    bowline_queue *get() const noexcept { return raw_; }
    explicit operator bool() const noexcept { return raw_ != nullptr; }

  protected:
    bowline_queue *raw_ = nullptr;

  private:
    template <class Wake>
    static void call_wake(void *wake) noexcept
    {
        (*static_cast<Wake *>(wake))();
    }
    static fallible<polled> ended(bowline_result code)
    {
        switch (code) {
        case BOWLINE_E_AGAIN:
        case BOWLINE_E_TIMEOUT:
            return polled::none;
        case BOWLINE_E_STOPPED:
            return polled::stopped;
        default:
            return detail::give(code, "queue::poll", polled::some);
        }
    }
};

/* ---- Lists ---- */

namespace detail {

inline bowline_result read_row(const bowline_list *from, std::size_t at, peer_info &to) { return bowline_list_peer(from, at, &to); }
inline bowline_result read_row(const bowline_list *from, std::size_t at, ban_info &to) { return bowline_list_ban(from, at, &to); }
inline bowline_result read_row(const bowline_list *from, std::size_t at, addr_info &to) { return bowline_list_addr(from, at, &to); }
inline bowline_result read_row(const bowline_list *from, std::size_t at, known_info &to)
{
    return bowline_list_known(from, at, &to);
}
inline bowline_result read_row(const bowline_list *from, std::size_t at, role_info &to) { return bowline_list_role(from, at, &to); }
inline bowline_result read_row(const bowline_list *from, std::size_t at, cause &to) { return bowline_list_cause(from, at, &to); }
inline bowline_result read_row(const bowline_list *from, std::size_t at, channel_info &to)
{
    return bowline_list_channel(from, at, &to);
}
inline bowline_result read_row(const bowline_list *from, std::size_t at, std::string &to)
{
    return read_text(to, [&](char *buf, std::size_t cap, std::size_t *needed) {
        return bowline_list_text(from, at, buf, cap, needed);
    });
}

} // namespace detail

/**
 * A list that does not change any more: `for (const auto &row : list)`. Rows are copies. Owner; any thread, even when the
 * node is gone; never blocks.
 */
template <class Row>
class list : public detail::owner<bowline_list, bowline_list_free> {
  public:
    using value_type = Row;

    class iterator {
      public:
        using iterator_category = std::input_iterator_tag;
        using value_type = Row;
        using difference_type = std::ptrdiff_t;
        using reference = Row;
        /** Holds the row for as long as a member is looked at. */
        struct pointer {
            Row row;
            const Row *operator->() const noexcept { return &row; }
        };

        iterator() noexcept = default;
        iterator(const list *from, std::size_t at) noexcept : from_(from), at_(at) {}
        Row operator*() const { return (*from_)[at_]; }
        pointer operator->() const { return pointer{**this}; }
        iterator &operator++() noexcept
        {
            at_++;
            return *this;
        }
        iterator operator++(int) noexcept { return iterator(from_, at_++); }
        friend bool operator==(iterator one, iterator other) noexcept { return one.at_ == other.at_; }
        friend bool operator!=(iterator one, iterator other) noexcept { return one.at_ != other.at_; }

      private:
        const list *from_ = nullptr;
        std::size_t at_ = 0;
    };
    using const_iterator = iterator;

    list() noexcept = default;
    explicit list(bowline_list *raw) noexcept : owner(raw) {}

    std::size_t size() const noexcept { return bowline_list_len(get()); }
    bool empty() const noexcept { return size() == 0; }
    iterator begin() const noexcept { return iterator(this, 0); }
    iterator end() const noexcept { return iterator(this, size()); }
    /** A row, or why there is none: BOWLINE_E_NOT_FOUND beyond the end. */
    fallible<Row> at(std::size_t index) const
    {
        Row row;
        const bowline_result code = detail::read_row(get(), index, row);
        return detail::give(code, "list::at", std::move(row));
    }
    /** Of addresses and known identities: what the application has noted of that row. */
    fallible<std::vector<std::uint8_t>> note(std::size_t index) const
    {
        std::vector<std::uint8_t> found;
        const auto call = [&](void *to, std::size_t size, std::size_t *needed) {
            return bowline_list_note(get(), index, to, size, needed);
        };
        const bowline_result code = detail::read_all(found, call);
        return detail::give(code, "list::note", std::move(found));
    }
    /** A row that is there; the end of the program, without exceptions, if it is not. */
    Row operator[](std::size_t index) const
    {
        Row row;
        const bowline_result code = detail::read_row(get(), index, row);
        if (code != BOWLINE_OK) {
            detail::raise(detail::told(code, "list"));
        }
        return row;
    }
};

using peer_list = list<peer_info>;
using ban_list = list<ban_info>;
using addr_list = list<addr_info>;
using text_list = list<std::string>;
using known_list = list<known_info>;
using role_list = list<role_info>;
using cause_list = list<cause>;
using channel_list = list<channel_info>;

/* ---- Node ---- */

/** An identity's score, and what has moved it last, the oldest first. */
struct scored {
    std::int32_t points = 0;
    cause_list causes;
};

/** How a round of maintenance ended. */
struct maintained {
    /** Links that there are. */
    std::size_t links = 0;
    /** They could not be brought into bounds. */
    bool is_stuck = false;
};

/**
 * A node. Owner: it is stopped and freed at the end of its scope, which must be the last call on it and its queues; what came
 * from it lives on. Any thread may call any member at the same time. Calls with a timeout block up to it, stop() and the
 * destructor up to 5 s, start() for the time of binding sockets; those that say so in bowline.h wait for an answer of the
 * node's own thread; all others do not block.
 */
class node : public detail::owner<bowline_node, bowline_node_free> {
  public:
    using owner::owner;

    static fallible<node> make(const config &from, const keypair &who)
    {
        error_handle err;
        bowline_node *raw = nullptr;
        const bowline_result code = bowline_node_new(from.get(), who.get(), &raw, err.out());
        return detail::give(code, err, node(raw));
    }
    fallible<void> start()
    {
        error_handle err;
        return detail::done(bowline_node_start(get(), err.out()), err);
    }
    /** False if the draining was cut short; the node has stopped all the same. */
    fallible<bool> stop(timeout drain = nowait)
    {
        const bowline_result code = bowline_node_stop(get(), drain.ms());
        return detail::give(code == BOWLINE_E_TIMEOUT ? BOWLINE_OK : code, "node::stop", code == BOWLINE_OK);
    }
    bowline_state state() const noexcept { return static_cast<bowline_state>(bowline_node_state(get())); }
    /** Why the node failed; nothing if it did not. */
    std::optional<error> fatal_error() const
    {
        error_handle err;
        const bowline_result code = bowline_node_fatal_error(get(), err.out());
        return code == BOWLINE_OK ? std::nullopt : std::optional<error>(detail::told(code, err));
    }
    fallible<peer_id> id() const
    {
        peer_id own;
        const bowline_result code = bowline_node_id(get(), &own);
        return detail::give(code, "node::id", own);
    }
    fallible<std::vector<address>> listen_addrs() const
    {
        std::vector<bowline_addr> raw;
        const bowline_result code = detail::read_all(raw, [this](bowline_addr *to, std::size_t cap, std::size_t *count) {
            return bowline_node_listen_addrs(get(), to, cap, count);
        });
        return detail::give(code, "node::listen_addrs", std::vector<address>(raw.begin(), raw.end()));
    }
    /** The most memory that it takes, in bytes. */
    fallible<std::uint64_t> memory_max() const
    {
        std::uint64_t most = 0;
        const bowline_result code = bowline_node_memory_max(get(), &most);
        return detail::give(code, "node::memory_max", most);
    }
    /** Goes with the node. */
    queue_ref main_queue() const noexcept { return queue_ref(bowline_node_main_queue(get())); }

    /* Messages. Bytes are copied, a msg is shared. */

    fallible<void> send(bowline_peer peer, bowline_channel channel, bytes data, const send_opts &opts = {})
    {
        return detail::done(try_send(peer, channel, data, opts), "node::send");
    }
    fallible<void> send(bowline_peer peer, bowline_channel channel, const msg &message, const send_opts &opts = {})
    {
        return detail::done(try_send(peer, channel, message, opts), "node::send");
    }
    /** As send: for those to whom a full queue, or a peer that is gone, is nothing special. */
    bowline_result try_send(bowline_peer peer, bowline_channel channel, bytes data, const send_opts &opts = {}) noexcept
    {
        return bowline_send(get(), peer, channel, data.data(), data.size(), &opts);
    }
    bowline_result try_send(bowline_peer peer, bowline_channel channel, const msg &message, const send_opts &opts = {}) noexcept
    {
        return bowline_send_msg(get(), peer, channel, message.get(), &opts);
    }
    /**
     * Copies of many messages, in their order, at one go: pieces of bytes in a vector, an array or whatever has a begin() and an
     * end(). They stay until this returns: pieces that an iterator makes on the way are no good, but for bytes and std::string_view. Of the options only timeout_ms. sent may be nullptr: how many were queued, also if this fails.
     */
    template <class Pieces>
    fallible<void> send_batch(bowline_peer peer, bowline_channel channel, const Pieces &messages, std::size_t *sent = nullptr,
                              const send_opts &opts = {})
    {
        static_assert(detail::stays<decltype(*std::begin(messages))>,
                      "these pieces end before they are sent: put them into a vector first");
        std::vector<bowline_slice> slices;
        for (const auto &message : messages) {
            const bytes piece(message);
            slices.push_back({piece.data(), piece.size()});
        }
        const bowline_result code = bowline_send_batch(get(), peer, channel, slices.data(), slices.size(), &opts, sent);
        return detail::done(code, "node::send_batch");
    }
    /** How many peers got it, and why others did not. */
    fallible<reach> broadcast(bowline_channel channel, const msg &message, bowline_peer except = 0, const send_opts &opts = {})
    {
        reach got;
        const bowline_result code = bowline_broadcast(get(), channel, message.get(), except, &opts, &got);
        return detail::give(code, "node::broadcast", got);
    }
    fallible<reach> broadcast(bowline_channel channel, bytes data, bowline_peer except = 0, const send_opts &opts = {})
    {
        bowline_msg *raw = nullptr;
        bowline_result code = bowline_msg_copy(data.data(), data.size(), &raw);
        const msg copied(raw);
        reach got;
        code = code == BOWLINE_OK ? bowline_broadcast(get(), channel, raw, except, &opts, &got) : code;
        return detail::give(code, "node::broadcast", got);
    }
    /** Takes back what was sent with that tag and has not begun to leave. */
    fallible<void> send_cancel(bowline_peer peer, std::uint64_t tag)
    {
        return detail::done(bowline_send_cancel(get(), peer, tag), "node::send_cancel");
    }

    /* Roles: peers that can do a thing. */

    /** At most `most`, in the order in which to try them; none if nobody linked can do it. */
    fallible<std::vector<bowline_peer>> role_choose(const text &capability, bowline_channel channel, std::size_t most = 8) const
    {
        std::vector<bowline_peer> chosen(most);
        std::size_t count = 0;
        const bowline_result code = bowline_role_choose(get(), capability.c_str(), channel, chosen.data(), chosen.size(), &count);
        chosen.resize(code == BOWLINE_OK ? count : 0);
        return detail::give(code == BOWLINE_E_NOT_FOUND ? BOWLINE_OK : code, "node::role_choose", std::move(chosen));
    }
    /** Whom it was queued for. */
    fallible<bowline_peer> role_send(const text &capability, bowline_channel channel, const msg &message)
    {
        bowline_peer to = 0;
        const bowline_result code = bowline_role_send(get(), capability.c_str(), channel, message.get(), &to);
        return detail::give(code, "node::role_send", to);
    }
    /** To so many at most; 0: to all. */
    fallible<reach> role_broadcast(const text &capability, bowline_channel channel, const msg &message, std::size_t most = 0,
                                   bowline_peer except = 0, const send_opts &opts = {})
    {
        reach got;
        const bowline_result code =
            bowline_role_broadcast(get(), capability.c_str(), channel, most, message.get(), except, &opts, &got);
        return detail::give(code, "node::role_broadcast", got);
    }
    /** As request_wait; the event's peer() says who was asked. */
    fallible<event> role_request_wait(const text &capability, bowline_channel channel, bytes data, timeout wait)
    {
        error_handle err;
        event answer;
        const bowline_result code =
            bowline_role_request_wait(get(), capability.c_str(), channel, data.data(), data.size(), wait.ms(), answer.get(),
                                      sizeof(bowline_event), err.out());
        return answered(code, err, std::move(answer));
    }
    /** One of them is 0; both: no quota any more. */
    fallible<void> role_quota_set(const text &capability, std::uint32_t count, std::uint32_t percent)
    {
        error_handle err;
        return detail::done(bowline_role_quota_set(get(), capability.c_str(), count, percent, err.out()), err);
    }
    fallible<role_list> roles_snapshot() const { return snapshot<role_info>(bowline_roles_snapshot, "node::roles_snapshot"); }

    /** False if the time is over first. 0: of all peers. */
    fallible<bool> flush(bowline_peer peer, timeout wait)
    {
        const bowline_result code = bowline_flush(get(), peer, wait.ms());
        return detail::give(code == BOWLINE_E_TIMEOUT ? BOWLINE_OK : code, "node::flush", code == BOWLINE_OK);
    }

    /* Groups of peers. */

    fallible<void> group_add(bowline_group group, bowline_peer peer)
    {
        return detail::done(bowline_group_add(get(), group, peer), "node::group_add");
    }
    /** False if it is not in it; 0: all peers. */
    fallible<bool> group_remove(bowline_group group, bowline_peer peer)
    {
        const bowline_result code = bowline_group_remove(get(), group, peer);
        return detail::give(code == BOWLINE_E_NOT_FOUND ? BOWLINE_OK : code, "node::group_remove", code == BOWLINE_OK);
    }
    fallible<std::vector<bowline_peer>> group_peers(bowline_group group) const
    {
        std::vector<bowline_peer> peers;
        const bowline_result code = detail::read_all(peers, [&](bowline_peer *to, std::size_t cap, std::size_t *count) {
            return bowline_group_peers(get(), group, to, cap, count);
        });
        return detail::give(code, "node::group_peers", std::move(peers));
    }
    fallible<reach> group_send(bowline_group group, bowline_channel channel, const msg &message, bowline_peer except = 0,
                               const send_opts &opts = {})
    {
        reach got;
        const bowline_result code = bowline_group_send(get(), group, channel, message.get(), except, &opts, &got);
        return detail::give(code, "node::group_send", got);
    }

    /* Requests. */

    /** The answer's bytes are the event's data. If the peer refused: an error with BOWLINE_E_REMOTE and its remote_code(). */
    fallible<event> request_wait(bowline_peer peer, bowline_channel channel, bytes data, timeout wait)
    {
        error_handle err;
        event answer;
        const bowline_result code = bowline_request_wait(get(), peer, channel, data.data(), data.size(), wait.ms(), answer.get(),
                                                         sizeof(bowline_event), err.out());
        return answered(code, err, std::move(answer));
    }
    /** An event with the tag follows, in `to`, or in the main queue. */
    fallible<request_ref> request_start(bowline_peer peer, bowline_channel channel, const msg &message, timeout wait,
                                        std::uint64_t tag = 0, queue_ref to = {})
    {
        bowline_request number = 0;
        const bowline_result code =
            bowline_request_start(get(), peer, channel, message.get(), wait.ms(), tag, to.get(), &number);
        return detail::give(code, "node::request_start", request_ref{peer, channel, number});
    }
    /** False if it is over already. */
    fallible<bool> request_cancel(request_ref which)
    {
        const bowline_result code = bowline_request_cancel(get(), which.peer, which.channel, which.number);
        return detail::give(code == BOWLINE_E_NO_REQUEST ? BOWLINE_OK : code, "node::request_cancel", code == BOWLINE_OK);
    }
    /** `which`: event.request(). */
    fallible<void> respond(request_ref which, bytes data, timeout wait = nowait)
    {
        return detail::done(try_respond(which, data, wait), "node::respond");
    }
    fallible<void> respond(request_ref which, const msg &message, timeout wait = nowait)
    {
        return detail::done(try_respond(which, message, wait), "node::respond");
    }
    bowline_result try_respond(request_ref which, bytes data, timeout wait = nowait) noexcept
    {
        return bowline_respond(get(), which.peer, which.channel, which.number, data.data(), data.size(), wait.ms());
    }
    bowline_result try_respond(request_ref which, const msg &message, timeout wait = nowait) noexcept
    {
        return bowline_respond_msg(get(), which.peer, which.channel, which.number, message.get(), wait.ms());
    }
    fallible<void> respond_error(request_ref which, std::uint32_t app_code, const text &why, timeout wait = nowait)
    {
        const bowline_result code =
            bowline_respond_error(get(), which.peer, which.channel, which.number, app_code, why.c_str(), wait.ms());
        return detail::done(code, "node::respond_error");
    }

    /* Peers. */

    fallible<void> connect(const bowline_addr &where, std::uint64_t tag = 0, const bowline_peer_id *expect = nullptr,
                           std::uint32_t flags = 0)
    {
        return detail::done(bowline_connect(get(), &where, expect, flags, tag), "node::connect");
    }
    fallible<bowline_peer> connect_wait(const text &where, timeout wait)
    {
        error_handle err;
        bowline_peer peer = 0;
        const bowline_result code = bowline_connect_wait(get(), where.c_str(), wait.ms(), &peer, err.out());
        return detail::give(code, err, peer);
    }
    fallible<void> disconnect(bowline_peer peer, std::uint32_t reason = 0, std::uint32_t flags = 0)
    {
        return detail::done(bowline_disconnect(get(), peer, reason, flags), "node::disconnect");
    }
    fallible<peer_info> peer_get(bowline_peer peer) const
    {
        peer_info info;
        const bowline_result code = bowline_peer_get(get(), peer, &info);
        return detail::give(code, "node::peer_get", info);
    }
    /** Nothing if there is no link with it. */
    fallible<std::optional<bowline_peer>> peer_find(const bowline_peer_id &who) const
    {
        bowline_peer peer = 0;
        const bowline_result code = bowline_peer_find(get(), &who, &peer);
        const auto found = code == BOWLINE_OK ? std::optional<bowline_peer>(peer) : std::nullopt;
        return detail::give(code == BOWLINE_E_NOT_FOUND ? BOWLINE_OK : code, "node::peer_find", found);
    }
    fallible<void> peer_set_tag(bowline_peer peer, std::uint64_t tag)
    {
        return detail::done(bowline_peer_set_tag(get(), peer, tag), "node::peer_set_tag");
    }
    /** The number that the peer gives with it; nothing if it does not say that it can. */
    fallible<std::optional<std::uint64_t>> peer_capability(bowline_peer peer, const text &capability) const
    {
        std::uint64_t value = 0;
        const bowline_result code = bowline_peer_capability(get(), peer, capability.c_str(), &value);
        const auto found = code == BOWLINE_OK ? std::optional<std::uint64_t>(value) : std::nullopt;
        return detail::give(code == BOWLINE_E_NOT_FOUND ? BOWLINE_OK : code, "node::peer_capability", found);
    }
    /** Texts "name=number". */
    fallible<text_list> peer_capabilities(bowline_peer peer) const
    {
        bowline_list *raw = nullptr;
        const bowline_result code = bowline_peer_capabilities(get(), peer, &raw);
        return detail::give(code, "node::peer_capabilities", text_list(raw));
    }
    fallible<text_list> peer_listens(bowline_peer peer) const
    {
        bowline_list *raw = nullptr;
        const bowline_result code = bowline_peer_listens(get(), peer, &raw);
        return detail::give(code, "node::peer_listens", text_list(raw));
    }
    fallible<std::vector<std::uint8_t>> peer_metadata(bowline_peer peer) const
    {
        std::vector<std::uint8_t> found;
        const auto call = [&](void *to, std::size_t size, std::size_t *needed) {
            return bowline_peer_metadata(get(), peer, to, size, needed);
        };
        const bowline_result code = detail::read_all(found, call);
        return detail::give(code, "node::peer_metadata", std::move(found));
    }
    fallible<channel_list> peer_channels(bowline_peer peer) const
    {
        bowline_list *raw = nullptr;
        const bowline_result code = bowline_peer_channels(get(), peer, &raw);
        return detail::give(code, "node::peer_channels", channel_list(raw));
    }
    fallible<known_list> known_snapshot() const { return snapshot<known_info>(bowline_known_snapshot, "node::known_snapshot"); }
    fallible<peer_list> peers_snapshot() const { return snapshot<peer_info>(bowline_peers_snapshot, "node::peers_snapshot"); }

    /* What peers have earned. */

    fallible<void> peer_report(bowline_peer peer, std::int32_t delta, const text &why = nullptr)
    {
        return detail::done(bowline_peer_report(get(), peer, delta, why.c_str()), "node::peer_report");
    }
    fallible<void> report(const bowline_peer_id &who, std::int32_t delta, const text &why = nullptr)
    {
        return detail::done(bowline_report(get(), &who, delta, why.c_str()), "node::report");
    }
    fallible<void> peer_useful(bowline_peer peer) { return detail::done(bowline_peer_useful(get(), peer), "node::peer_useful"); }
    /** Nothing of a stranger, who counts as 0. */
    fallible<std::optional<scored>> score(const bowline_peer_id &who) const
    {
        std::int32_t points = 0;
        bowline_list *raw = nullptr;
        const bowline_result code = bowline_score(get(), &who, &points, &raw);
        std::optional<scored> found;
        if (code == BOWLINE_OK) {
            found = scored{points, cause_list(raw)};
        }
        return detail::give(code == BOWLINE_E_NOT_FOUND ? BOWLINE_OK : code, "node::score", std::move(found));
    }

    /* Who may come. A target is a peer id, an address or a prefix. */

    /** How many links, dials and handshakes it ended. */
    fallible<std::size_t> ban(const text &target, timeout lasts = forever, const text &why = nullptr)
    {
        error_handle err;
        std::size_t closed = 0;
        const bowline_result code = bowline_ban(get(), target.c_str(), lasts.ms(), why.c_str(), &closed, err.out());
        return detail::give(code, err, closed);
    }
    fallible<void> unban(const text &target)
    {
        error_handle err;
        return detail::done(bowline_unban(get(), target.c_str(), err.out()), err);
    }
    fallible<void> trust(const text &target, timeout lasts = forever)
    {
        error_handle err;
        return detail::done(bowline_trust(get(), target.c_str(), lasts.ms(), err.out()), err);
    }
    fallible<void> untrust(const text &target)
    {
        error_handle err;
        return detail::done(bowline_untrust(get(), target.c_str(), err.out()), err);
    }
    fallible<void> forgive(const text &target)
    {
        error_handle err;
        return detail::done(bowline_forgive(get(), target.c_str(), err.out()), err);
    }
    /** How many it kept out. */
    fallible<std::size_t> greylist_flush()
    {
        std::size_t removed = 0;
        const bowline_result code = bowline_greylist_flush(get(), &removed);
        return detail::give(code, "node::greylist_flush", removed);
    }
    /** BOWLINE_STANDING_* of an identity, an address, or an identity at an address. */
    fallible<std::uint32_t> standing(const bowline_peer_id &who) const { return standing_of(&who, nullptr); }
    fallible<std::uint32_t> standing(const bowline_addr &where) const { return standing_of(nullptr, &where); }
    fallible<std::uint32_t> standing(const bowline_peer_id &who, const bowline_addr &where) const
    {
        return standing_of(&who, &where);
    }
    fallible<ban_list> bans_snapshot() const { return snapshot<ban_info>(bowline_bans_snapshot, "node::bans_snapshot"); }
    fallible<ban_list> trusted_snapshot() const { return snapshot<ban_info>(bowline_trusted_snapshot, "node::trusted_snapshot"); }
    fallible<ban_list> greylist_snapshot() const
    {
        return snapshot<ban_info>(bowline_greylist_snapshot, "node::greylist_snapshot");
    }

    /* What an operator does. */

    /** bowline_node_set: a live setting. */
    fallible<void> set(const text &key, const text &value)
    {
        error_handle err;
        return detail::done(bowline_node_set(get(), key.c_str(), value.c_str(), err.out()), err);
    }
    /** bowline_node_get: a setting's text. */
    fallible<std::string> value(const text &key) const
    {
        std::string found;
        const auto call = [&](char *to, std::size_t size, std::size_t *needed) {
            return bowline_node_get(get(), key.c_str(), to, size, needed);
        };
        const bowline_result code = detail::read_text(found, call);
        return detail::give(code, key.c_str() == nullptr ? "node::value" : key.c_str(), std::move(found));
    }
    fallible<void> maintain() { return detail::done(bowline_maintain(get()), "node::maintain"); }
    fallible<maintained> maintain_wait(timeout wait)
    {
        maintained round;
        int is_stuck = 0;
        const bowline_result code = bowline_maintain_wait(get(), wait.ms(), &round.links, &is_stuck);
        round.is_stuck = is_stuck != 0;
        return detail::give(code, "node::maintain_wait", round);
    }
    fallible<void> pause() { return detail::done(bowline_pause(get()), "node::pause"); }
    fallible<void> resume() { return detail::done(bowline_resume(get()), "node::resume"); }
    bool is_paused() const noexcept { return bowline_is_paused(get()) != 0; }
    /** How many dials have begun. */
    fallible<std::size_t> dial_seeds()
    {
        std::size_t dialed = 0;
        const bowline_result code = bowline_dial_seeds(get(), &dialed);
        return detail::give(code, "node::dial_seeds", dialed);
    }
    fallible<void> persistent_add(const text &where)
    {
        error_handle err;
        return detail::done(bowline_persistent_add(get(), where.c_str(), err.out()), err);
    }
    fallible<void> persistent_remove(const text &where)
    {
        error_handle err;
        return detail::done(bowline_persistent_remove(get(), where.c_str(), err.out()), err);
    }
    /** Who was asked. */
    fallible<bowline_peer> ask_addresses(bowline_peer peer = 0)
    {
        error_handle err;
        bowline_peer asked = 0;
        const bowline_result code = bowline_ask_addresses(get(), peer, &asked, err.out());
        return detail::give(code, err, asked);
    }
    /** Listens there, too, and says where that is: port 0 lets the system choose. */
    fallible<address> listen_add(const bowline_addr &where)
    {
        error_handle err;
        address bound;
        const bowline_result code = bowline_listen_add(get(), &where, &bound, err.out());
        return detail::give(code, err, bound);
    }
    /** Links stay. */
    fallible<void> listen_remove(const bowline_addr &bound)
    {
        return detail::done(bowline_listen_remove(get(), &bound), "node::listen_remove");
    }
    fallible<void> set_bandwidth(std::uint64_t up, std::uint64_t down)
    {
        error_handle err;
        return detail::done(bowline_set_bandwidth(get(), up, down, err.out()), err);
    }
    fallible<void> set_peer_bandwidth(bowline_peer peer, std::uint64_t up, std::uint64_t down)
    {
        error_handle err;
        return detail::done(bowline_set_peer_bandwidth(get(), peer, up, down, err.out()), err);
    }
    fallible<void> set_weight(bowline_peer peer, std::uint32_t weight)
    {
        error_handle err;
        return detail::done(bowline_set_weight(get(), peer, weight, err.out()), err);
    }
    fallible<void> save(timeout wait)
    {
        error_handle err;
        return detail::done(bowline_save(get(), wait.ms(), err.out()), err);
    }
    fallible<metrics> metrics_get() const
    {
        metrics counted;
        const bowline_result code = bowline_metrics_get(get(), &counted);
        return detail::give(code, "node::metrics_get", counted);
    }
    fallible<channel_metrics> metrics_channel(bowline_channel channel) const
    {
        channel_metrics counted;
        const bowline_result code = bowline_metrics_channel(get(), channel, &counted);
        return detail::give(code, "node::metrics_channel", counted);
    }
    /** OpenMetrics, for Prometheus. */
    fallible<std::string> metrics_text() const
    {
        char *raw = nullptr;
        const bowline_result code = bowline_metrics_text(get(), &raw);
        const detail::owned_text held(raw);
        return detail::give(code, "node::metrics_text", std::string(raw == nullptr ? "" : raw));
    }
    fallible<std::uint64_t> metrics_ends(std::uint32_t reason) const
    {
        std::uint64_t count = 0;
        const bowline_result code = bowline_metrics_ends(get(), reason, &count);
        return detail::give(code, "node::metrics_ends", count);
    }

    /* The address book. */

    fallible<void> addrbook_add(const text &where)
    {
        error_handle err;
        return detail::done(bowline_addrbook_add(get(), where.c_str(), err.out()), err);
    }
    fallible<void> addrbook_remove(const text &where)
    {
        error_handle err;
        return detail::done(bowline_addrbook_remove(get(), where.c_str(), err.out()), err);
    }
    fallible<addr_list> addrbook_snapshot() const
    {
        return snapshot<addr_info>(bowline_addrbook_snapshot, "node::addrbook_snapshot");
    }
    fallible<text_list> healthy_snapshot(bool with_self = false) const
    {
        bowline_list *raw = nullptr;
        const bowline_result code = bowline_healthy_snapshot(get(), with_self ? 1 : 0, &raw);
        return detail::give(code, "node::healthy_snapshot", text_list(raw));
    }
    fallible<text_list> discover_wait(bowline_peer peer, timeout wait)
    {
        error_handle err;
        bowline_list *raw = nullptr;
        const bowline_result code = bowline_discover_wait(get(), peer, wait.ms(), &raw, err.out());
        return detail::give(code, err, text_list(raw));
    }
    fallible<void> addr_note(const text &where, bytes note)
    {
        error_handle err;
        return detail::done(bowline_addr_note(get(), where.c_str(), note.data(), note.size(), err.out()), err);
    }
    fallible<void> peer_note(const bowline_peer_id &who, bytes note)
    {
        error_handle err;
        return detail::done(bowline_peer_note(get(), &who, note.data(), note.size(), err.out()), err);
    }
    /** bowline_export, whose name C++ keeps for itself. */
    fallible<std::string> export_book() const
    {
        error_handle err;
        char *raw = nullptr;
        std::size_t size = 0;
        const bowline_result code = bowline_export(get(), &raw, &size, err.out());
        const detail::owned_text held(raw);
        return detail::give(code, err, raw == nullptr ? std::string() : std::string(raw, size));
    }
    /** bowline_import. */
    fallible<imported> import_book(bytes lines)
    {
        error_handle err;
        imported news;
        const bowline_result code = bowline_import(get(), lines.data(), lines.size(), &news, err.out());
        return detail::give(code, err, news);
    }

  private:
    template <class Row>
    fallible<list<Row>> snapshot(bowline_result (*call)(const bowline_node *, bowline_list **), const char *name) const
    {
        bowline_list *raw = nullptr;
        const bowline_result code = call(get(), &raw);
        return detail::give(code, name, list<Row>(raw));
    }
    static fallible<event> answered(bowline_result code, const error_handle &err, event answer)
    {
        if (code == BOWLINE_E_REMOTE) {
            const error refused(code, err.text(), answer.detail());
#if BOWLINE_HPP_THROWS
            detail::raise(refused);
#else
            return refused;
#endif
        }
        return detail::give(code, err, std::move(answer));
    }
    fallible<std::uint32_t> standing_of(const bowline_peer_id *who, const bowline_addr *where) const
    {
        std::uint32_t found = 0;
        const bowline_result code = bowline_standing(get(), who, where, &found);
        return detail::give(code, "node::standing", found);
    }
};

/**
 * A queue of one's own, for the channels that are bound to it. Owner: it may go before its node or after it, where a poll says
 * stopped; its end must be the last call on it. Otherwise as queue_ref.
 */
class queue : public queue_ref {
  public:
    queue() noexcept = default;
    explicit queue(bowline_queue *raw) noexcept : queue_ref(raw) {}
    queue(queue &&other) noexcept : queue_ref(other.release()) {}
    queue &operator=(queue &&other) noexcept
    {
        reset(other.release());
        return *this;
    }
    queue(const queue &) = delete;
    queue &operator=(const queue &) = delete;
    ~queue() { reset(); }

    /** Only before the node is started. */
    static fallible<queue> make(const node &of, const text &name)
    {
        bowline_queue *raw = nullptr;
        const bowline_result code = bowline_queue_new(of.get(), name.c_str(), &raw);
        return detail::give(code, "queue::make", queue(raw));
    }

    [[nodiscard]] bowline_queue *release() noexcept { return std::exchange(raw_, nullptr); }
    void reset(bowline_queue *raw = nullptr) noexcept
    {
        bowline_queue *old = std::exchange(raw_, raw);
        if (old != nullptr) {
            bowline_queue_free(old);
        }
    }
};

/* ---- Log ---- */

namespace detail {

template <class Write>
void call_log(void *write, std::int32_t level, const char *target, const char *line) noexcept
{
    (*static_cast<Write *>(write))(level, std::string_view(target), std::string_view(line));
}

} // namespace detail

/**
 * Has `write(level, target, line)` called for each line of the log, of all nodes of the process, on any thread, on several at
 * once: it may only write the line somewhere. What it throws ends the program. It is lent until log_remove().
 */
template <class Write>
fallible<void> log_set(Write &write)
{
    return detail::done(bowline_log_set(detail::call_log<Write>, &write), "log_set");
}
/** Waits for calls that are under way. */
inline fallible<void> log_remove()
{
    return detail::done(bowline_log_set(nullptr, nullptr), "log_remove");
}
inline fallible<void> log_filter(const text &spec)
{
    error_handle err;
    return detail::done(bowline_log_filter(spec.c_str(), err.out()), err);
}

} // inline namespace
} // namespace bowline

template <>
struct std::hash<bowline::peer_id> {
    std::size_t operator()(const bowline::peer_id &id) const noexcept
    {
        const auto *bytes = static_cast<const std::uint8_t *>(id.bytes);
        return std::hash<std::string_view>()(std::string_view(reinterpret_cast<const char *>(bytes), 32));
    }
};

#endif /* BOWLINE_HPP */
