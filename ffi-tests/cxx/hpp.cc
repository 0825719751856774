/* The C++ header alone, and twice; each template that calls are made of is used. */
#include "bowline.hpp"
#include "bowline.hpp"

#include <optional>
#include <string>
#include <type_traits>
#include <vector>

// Without exceptions the result of a bool or an optional is no condition: it would ask whether the call succeeded.
template <class T>
constexpr bool is_clear = std::is_same_v<bowline::fallible<T>, T> || !std::is_constructible_v<bool, bowline::fallible<T>>;
static_assert(is_clear<bool> && is_clear<std::size_t> && is_clear<std::optional<int>>, "a condition that means two things");

// A letter is no number, and neither is it a setting.
template <class Value, class = void>
struct can_set : std::false_type {
};
template <class Value>
struct can_set<Value, std::void_t<decltype(std::declval<bowline::config &>().set("key", std::declval<Value>()))>> : std::true_type {
};
static_assert(can_set<int>::value && can_set<bool>::value && can_set<std::uint8_t>::value && can_set<const char *>::value);
static_assert(!can_set<char>::value && !can_set<wchar_t>::value && !can_set<char16_t>::value, "'x' would be set as 120");

// What C++17 asks of an input iterator: a member of a row by an arrow, too.
using rows = bowline::peer_list::iterator;
static_assert(std::is_same_v<decltype(std::declval<rows>()->peer), bowline_peer>);
static_assert(std::is_same_v<std::iterator_traits<rows>::pointer, decltype(std::declval<rows>().operator->())>);

#if __cplusplus >= 202002L
#include <span>
static_assert(std::is_convertible_v<bowline::bytes, std::span<const std::uint8_t>>);
static_assert(std::is_convertible_v<std::span<const std::byte>, bowline::bytes>);
#endif

extern int hpp_is_used(bowline::node &node);
int hpp_is_used(bowline::node &node)
{
    const auto set = [](bowline::config &config) {
        static_cast<void>(config.set("pool.max", 100));
        static_cast<void>(config.set(std::string("pool.max"), std::string_view("100")));
    };
    bowline::config config;
    set(config);
    bowline::event_batch batch;
    static_cast<void>(node.main_queue().poll(batch, std::chrono::seconds(1)));
    for (auto &event : batch) {
        static_cast<void>(node.send(event.peer(), event.channel(), event.data()));
    }
    static_cast<void>(node.broadcast(0x20, std::vector<std::uint8_t>{1, 2}));
    static_cast<void>(bowline::msg::wrap(std::string("taken over")));
    static_cast<void>(node.peers_snapshot());
    static_cast<void>(bowline::text_list().begin());
    return static_cast<int>(std::hash<bowline::peer_id>()(bowline::peer_id()));
}
