/*
 * tap.hpp: bt.h for C++, and one way of writing tests that holds for both forms of bowline.hpp, with exceptions and without. A case
 * registers itself; at its end nothing may have leaked, where a tool can tell.
 */
#ifndef TAP_HPP
#define TAP_HPP

#include "bowline.hpp"
#include "bowline.hpp" /* twice, as it comes about in programs */

#include "nodes.h"

#include <functional>
#include <vector>

#if defined(__SANITIZE_ADDRESS__)
#define TAP_FINDS_LEAKS 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define TAP_FINDS_LEAKS 1
#endif
#endif
#ifndef TAP_FINDS_LEAKS
#define TAP_FINDS_LEAKS 0
#endif
#if TAP_FINDS_LEAKS
#include <sanitizer/lsan_interface.h>
#endif

namespace tap {

inline std::vector<bt_test> &cases()
{
    static std::vector<bt_test> all;
    return all;
}

struct registered {
    registered(const char *name, void (*run)()) { cases().push_back(bt_test{name, run}); }
};

inline void no_leaks()
{
#if TAP_FINDS_LEAKS
    CHECK_INT(__lsan_do_recoverable_leak_check(), 0);
#endif
}

#if BOWLINE_HPP_THROWS

/* The value of a call that must succeed. */
#define MUST(call) (call)

/* The error of a call that must fail. */
template <class Call>
bowline::error failure_of(Call call)
{
    bowline::error failure(BOWLINE_OK, "");
    try {
        static_cast<void>(call());
    } catch (const bowline::error &thrown) {
        failure = thrown;
    }
    return failure;
}

#else

#define MUST(call) (call).value()

template <class Call>
bowline::error failure_of(Call call)
{
    const auto outcome = call();
    CHECK(!outcome.ok());
    return outcome.error();
}

#endif

/* A call that must fail, with the result that it must have; the error. */
#define FAILS(call, want) tap::fails([&] { return call; }, want, #call, __FILE__, __LINE__)

template <class Call>
bowline::error fails(Call call, bowline_result want, const char *what, const char *file, int line)
{
    bowline::error failure = failure_of(call);
    bt_is(failure.code(), want, what, file, line);
    CHECK_TEXT(failure.name(), bowline_result_name(want));
    CHECK(failure.text()[0] != '\0');
    return failure;
}

} // namespace tap

#define CASE(name)                                                                                                             \
    static void name##_body();                                                                                                 \
    static void name()                                                                                                         \
    {                                                                                                                          \
        name##_body();                                                                                                         \
        tap::no_leaks();                                                                                                       \
    }                                                                                                                          \
    static const tap::registered name##_registered(#name, name);                                                               \
    static void name##_body()

#endif
