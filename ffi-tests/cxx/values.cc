/* What needs no network: inputs, values, errors, configuration, keys, messages, and who owns what. */
#include "tap.hpp"

#include <atomic>
#include <netinet/in.h>
#include <set>
#include <thread>
#include <unordered_map>
#if __cplusplus >= 202002L
#include <span>
#endif

using namespace std::chrono_literals;

CASE(the_library_fits_the_header)
{
    MUST(bowline::check_abi());
    CHECK_INT(bowline::version(), BOWLINE_VERSION_NUMBER);
    CHECK_HAS(bowline::build_info(), bowline::version_string());
}

CASE(every_result_has_a_name)
{
    const auto table = bowline::result_table();
    CHECK(table.size() > 30);
    for (const bowline_result_info &row : table) {
        CHECK_TEXT(bowline::result_name(row.code), row.name);
        CHECK_TEXT(bowline::result_text(row.code), row.text);
    }
}

CASE(an_error_knows_what_may_be_done)
{
    const bowline::error full(BOWLINE_E_AGAIN, "no room");
    CHECK(full.retryable() && !full.fatal() && !full.about_peer());
    CHECK_TEXT(full.what(), "no room");
    CHECK_TEXT(full.name(), "BOWLINE_E_AGAIN");
    const bowline::error gone(BOWLINE_E_PEER_GONE, "");
    CHECK(!gone.retryable() && gone.about_peer());
    CHECK(bowline::error(BOWLINE_E_PANIC, "").fatal());
    CHECK(!bowline::error(static_cast<bowline_result>(-1000), "").fatal());
    const std::runtime_error &base = full;
    CHECK_TEXT(base.what(), "no room");
}

CASE(bytes_show_whatever_lies_in_one_piece)
{
    const std::string text("ab\0c", 4);
    const std::vector<std::uint8_t> numbers = {1, 2, 3};
    const std::array<std::byte, 2> raw = {std::byte{7}, std::byte{8}};
    const unsigned char array[] = {9, 10, 11, 12, 13};
    CHECK_INT(bowline::bytes(text).size(), 4);
    CHECK_INT(bowline::bytes(std::string_view("xyz")).size(), 3);
    CHECK_INT(bowline::bytes(numbers)[2], 3);
    CHECK_INT(bowline::bytes(raw)[1], 8);
    CHECK_INT(bowline::bytes(array).size(), 5);
    CHECK_INT(bowline::bytes("hello").size(), 5);
    CHECK_INT(bowline::bytes(static_cast<const char *>(nullptr)).size(), 0);
    CHECK(bowline::bytes().empty() && bowline::bytes("") == bowline::bytes());
    CHECK(bowline::bytes("abc") == bowline::bytes(std::string("abc")) && bowline::bytes("abc") != bowline::bytes("abd"));
    int sum = 0;
    for (const std::uint8_t byte : bowline::bytes(numbers)) {
        sum += byte;
    }
    CHECK_INT(sum, 6);
}

#if __cplusplus >= 202002L
CASE(bytes_and_spans_are_made_of_each_other)
{
    const std::vector<std::uint8_t> numbers = {1, 2, 3};
    const std::span<const std::uint8_t> span = bowline::bytes(numbers);
    CHECK(span.data() == numbers.data() && span.size() == 3);
    CHECK_INT(bowline::bytes(span).size(), 3);
    CHECK_INT(bowline::bytes(std::as_bytes(span)).size(), 3);
    const bowline::msg message = MUST(bowline::msg::copy(span));
    CHECK(bowline::bytes(std::span<const std::uint8_t>(message)) == bowline::bytes(numbers));
}
#endif

CASE(a_text_is_taken_from_anything)
{
    bowline::config config = MUST(bowline::config::make());
    const std::string whole = "pool.max";
    MUST(config.set("pool.max", "101"));
    MUST(config.set(whole, std::string("102")));
    CHECK(MUST(config.value(whole)) == "102");
    /* A part of a longer text is that part. */
    const std::string_view longer = "pool.max=1033";
    MUST(config.set(longer.substr(0, 8), longer.substr(9, 3)));
    CHECK(MUST(config.value("pool.max")) == "103");
}

CASE(a_text_with_a_nul_inside_is_refused_not_cut)
{
    bowline::config config = MUST(bowline::config::make());
    using namespace std::string_view_literals;
    FAILS(config.set("network.name", "good\0bad"sv), BOWLINE_E_UTF8);
    FAILS(config.set("pool.max\0x"sv, "100"), BOWLINE_E_UTF8);
    FAILS(config.set("network.name", std::string("good\0", 5)), BOWLINE_E_UTF8);
    FAILS(bowline::address::parse("127.0.0.1:1\0"sv), BOWLINE_E_UTF8);
}

CASE(a_text_that_is_not_there_is_refused)
{
    bowline::config config = MUST(bowline::config::make());
    FAILS(config.set(nullptr, "100"), BOWLINE_E_NULL);
    FAILS(config.value(nullptr), BOWLINE_E_NULL);
    FAILS(bowline::peer_id::parse(nullptr), BOWLINE_E_NULL);
}

CASE(durations_are_rounded_up)
{
    static_assert(bowline::timeout(1us).ms() == 1 && bowline::timeout(1500us).ms() == 2 && bowline::timeout(2ms).ms() == 2);
    static_assert(bowline::timeout(0ms).ms() == BOWLINE_NOWAIT && bowline::nowait.ms() == BOWLINE_NOWAIT);
    /* What is left of a deadline that is over, not for ever. */
    static_assert(bowline::timeout(-1ms).ms() == BOWLINE_NOWAIT && bowline::timeout(-3h).ms() == BOWLINE_NOWAIT);
    static_assert(bowline::forever.ms() == BOWLINE_FOREVER && bowline::timeout(std::chrono::hours::max()).ms() == BOWLINE_FOREVER);
    CHECK_INT(bowline::timeout(std::chrono::duration<double>(0.0101)).ms(), 11);
    CHECK_INT(bowline::timeout(std::chrono::duration<double>(1e300)).ms(), BOWLINE_FOREVER);
    CHECK_INT(bowline::timeout::of_ms(5).ms(), 5);
}

CASE(the_clock_goes_forward)
{
    const bowline::clock::time_point before = bowline::clock::now();
    const std::uint64_t raw = bowline_clock_ns();
    CHECK(before <= bowline::clock::at(raw) && bowline::clock::at(raw) <= bowline::clock::now());
}

CASE(a_peer_id_goes_through_text)
{
    const std::string digits = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
    const bowline::peer_id id = MUST(bowline::peer_id::parse(digits));
    CHECK_INT(id.bytes[15], 0xff);
    CHECK(id.to_string() == digits);
    FAILS(bowline::peer_id::parse("0011"), BOWLINE_E_INVALID);
    CHECK(bowline::peer_id().to_string() == std::string(64, '0'));
}

CASE(peer_ids_are_compared_and_are_keys)
{
    bowline::peer_id one;
    bowline::peer_id two;
    two.bytes[31] = 1;
    CHECK(one == bowline::peer_id() && one != two && one < two && !(two < one));
    std::unordered_map<bowline::peer_id, int> table = {{one, 1}, {two, 2}};
    const std::set<bowline::peer_id> tree = {two, one, two};
    CHECK_INT(table[two], 2);
    CHECK_INT(tree.size(), 2);
    CHECK(*tree.begin() == one);
}

CASE(an_address_goes_through_text)
{
    const bowline::address four = MUST(bowline::address::parse("192.0.2.1:9732"));
    CHECK_INT(four.port, 9732);
    CHECK(four.to_string() == "192.0.2.1:9732");
    const bowline::address six = MUST(bowline::address::parse("2001:db8::1", 99));
    CHECK(six.to_string() == "[2001:db8::1]:99");
    CHECK(four == MUST(bowline::address::parse(four.to_string())) && four != six);
    CHECK(bowline::address().to_string().empty());
    FAILS(bowline::address::parse("example.org:1"), BOWLINE_E_INVALID);
}

CASE(an_address_comes_from_a_socket)
{
    sockaddr_in raw = {};
    raw.sin_family = AF_INET;
    raw.sin_port = htons(7);
    raw.sin_addr.s_addr = htonl(0x7f000001);
    CHECK(MUST(bowline::address::from_sockaddr(&raw, sizeof raw)).to_string() == "127.0.0.1:7");
    raw.sin_family = AF_UNIX;
    FAILS(bowline::address::from_sockaddr(&raw, sizeof raw), BOWLINE_E_UNSUPPORTED);
}

CASE(an_unknown_key_is_named)
{
    bowline::config config = MUST(bowline::config::make());
    CHECK_HAS(FAILS(config.set("pool.maximum", "1"), BOWLINE_E_NOT_FOUND).text(), "pool.maximum");
    CHECK_HAS(FAILS(config.value("pool.maximum"), BOWLINE_E_NOT_FOUND).text(), "pool.maximum");
}

CASE(a_bad_value_is_named)
{
    bowline::config config = MUST(bowline::config::make());
    const bowline::error wrong = FAILS(config.set("pool.max", "many"), BOWLINE_E_INVALID);
    CHECK_HAS(wrong.text(), "pool.max");
    CHECK_HAS(wrong.text(), "many");
}

CASE(numbers_set_counts_sizes_and_switches)
{
    bowline::config config = MUST(bowline::config::make());
    MUST(config.set("pool.max", 321));
    MUST(config.set("network.allow_private", true));
    MUST(config.set("stop.drain", 1500u));
    CHECK(MUST(config.value("pool.max")) == "321");
    CHECK(MUST(config.value("network.allow_private")) == "true");
    CHECK(MUST(config.value("stop.drain")) == "1500ms");
    FAILS(config.set("pool.max", -1), BOWLINE_E_INVALID);
    CHECK_HAS(FAILS(config.set("pool.max", UINT64_MAX), BOWLINE_E_INVALID).text(), "18446744073709551615");
}

CASE(a_long_setting_is_read_whole)
{
    bowline::config config = MUST(bowline::config::make());
    std::string seeds;
    for (int at = 1; at < 50; at++) {
        seeds += (seeds.empty() ? "" : ",") + std::string("192.0.2.") + std::to_string(at) + ":9732";
    }
    MUST(config.set("discovery.seeds", seeds));
    const std::string found = MUST(config.value("discovery.seeds"));
    CHECK(found.size() >= seeds.size());
    CHECK_HAS(found.c_str(), "192.0.2.49:9732");
    MUST(config.set("discovery.seeds", found));
    CHECK(MUST(config.value("discovery.seeds")) == found);
}

CASE(a_dump_has_every_key)
{
    const bowline::config config = MUST(bowline::config::make());
    const std::string dump = MUST(config.dump());
    const auto keys = MUST(bowline::config_keys());
    CHECK(keys.size() > 50);
    for (const bowline::key_info &key : keys) {
        CHECK(dump.find(std::string(key.name) + " = ") != std::string::npos);
        CHECK(key.doc[0] != '\0');
    }
}

CASE(a_channel_is_declared_once)
{
    bowline::config config = MUST(bowline::config::make());
    MUST(config.add_channel(0x20, std::string("blocks")));
    FAILS(config.add_channel(0x20, "again"), BOWLINE_E_EXISTS);
    bowline::channel_desc desc;
    desc.max_message = 100;
    MUST(config.add_channel(0x21, std::string_view("blocks and more").substr(7, 3), desc));
    desc.id = 3;
    FAILS(config.add_channel(desc), BOWLINE_E_NULL);
    FAILS(config.add_channel(3, "low", desc), BOWLINE_E_INVALID);
}

CASE(a_seed_makes_the_same_key)
{
    const std::array<std::uint8_t, 32> seed = {1, 2, 3};
    const bowline::keypair one = MUST(bowline::keypair::from_seed(seed));
    const bowline::keypair two = MUST(bowline::keypair::from_seed(seed));
    CHECK(MUST(one.id()) == MUST(two.id()));
    CHECK(MUST(one.id()) != MUST(MUST(bowline::keypair::generate(0)).id()));
}

CASE(a_key_goes_through_a_file)
{
    char folder[] = "/tmp/bowline-cxx-XXXXXX";
    CHECK(mkdtemp(folder) != nullptr);
    const std::string path = std::string(folder) + "/key";
    CHECK_HAS(FAILS(bowline::keypair::load(path), BOWLINE_E_NOT_FOUND).text(), path.c_str());
    const bowline::keypair made = MUST(bowline::keypair::load(path, BOWLINE_KEYPAIR_CREATE));
    FAILS(made.save(path), BOWLINE_E_EXISTS);
    CHECK(MUST(MUST(bowline::keypair::load(path)).id()) == MUST(made.id()));
    CHECK_INT(unlink(path.c_str()), 0);
    CHECK_INT(rmdir(folder), 0);
}

CASE(a_search_goes_on_where_it_was)
{
    bowline::keypair key;
    CHECK(!MUST(key.search(40, 1ms)));
    CHECK(key);
    const bowline::peer_id id = MUST(key.id());
    CHECK(!MUST(key.search(40, 1ms)));
    CHECK(MUST(key.search(1, bowline::forever)));
    CHECK(MUST(key.id()) == id);
    FAILS(key.search(41, 1ms), BOWLINE_E_INVALID);
    CHECK(MUST(key.id()) == id);
}

/* A search that goes on leaves the key to others: who asks for what needs the whole key is told that somebody searches. */
CASE(a_key_is_used_while_it_is_searched_for)
{
    bowline::keypair key = MUST(bowline::keypair::generate(0));
    const bowline::peer_id id = MUST(key.id());
    std::atomic<bool> ends{false};
    std::thread searcher([&] {
        CHECK(!MUST(key.search(40, 500ms)));
        ends = true;
    });
    int during = 0;
    while (!ends) {
        CHECK(MUST(key.id()) == id);
        CHECK(key);
        during++;
    }
    searcher.join();
    CHECK(during > 0);
    std::thread first([&] { CHECK(!MUST(key.search(40, 500ms))); });
    std::this_thread::sleep_for(100ms);
    FAILS(key.search(40, 1ms), BOWLINE_E_STATE);
    first.join();
    CHECK(MUST(key.id()) == id);
}

CASE(copies_of_a_message_share_its_bytes)
{
    bowline::msg one = MUST(bowline::msg::make(3));
    CHECK(one.data_mut() != nullptr);
    std::memcpy(one.data_mut(), "abc", 3);
    bowline::msg two = one;
    CHECK(two.data() == one.data() && two.text() == "abc" && one.data_mut() == nullptr);
    bowline::msg three;
    CHECK(!three && three.size() == 0 && three.data_mut() == nullptr);
    three = two;
    one = bowline::msg();
    two = std::move(three);
    CHECK(!one && !three && two.text() == "abc");
    /* The only one that is left may write again. */
    CHECK(two.data_mut() != nullptr);
    bowline::msg &same = two;
    two = same;
    CHECK(two.text() == "abc");
}

CASE(an_empty_message_is_a_message)
{
    const bowline::msg empty = MUST(bowline::msg::copy({}));
    CHECK(empty && empty.empty() && empty.text().empty());
}

CASE(a_message_beyond_bounds_is_refused)
{
    FAILS(bowline::msg::make(SIZE_MAX / 2), BOWLINE_E_TOO_BIG);
}

/* A container that says when it goes, and when it is copied. */
struct counted {
    counted(int *ends, const char *text) : held(text), ends_(ends) {}
    counted(counted &&other) noexcept : held(std::move(other.held)), ends_(std::exchange(other.ends_, nullptr)) {}
    counted &operator=(counted &&) = delete;
    ~counted()
    {
        if (ends_ != nullptr) {
            ++*ends_;
        }
    }
    const char *data() const { return held.data(); }
    std::size_t size() const { return held.size(); }

    std::string held;

  private:
    int *ends_;
};

CASE(a_container_is_taken_over_and_freed_once)
{
    int ends = 0;
    {
        bowline::msg message = MUST(bowline::msg::wrap(counted(&ends, "ab")));
        CHECK(message.text() == "ab");
        const bowline::msg other = message;
        message = bowline::msg();
        CHECK_INT(ends, 0);
        CHECK(other.text() == "ab");
    }
    CHECK_INT(ends, 1);
    std::vector<std::uint8_t> big(100000, 7);
    const std::uint8_t *where = big.data();
    const bowline::msg message = MUST(bowline::msg::wrap(std::move(big)));
    CHECK(message.data() == where && message.size() == 100000);
}

static void count_free(void *, std::size_t, void *ctx)
{
    ++*static_cast<int *>(ctx);
}

CASE(memory_of_ones_own_is_given_back_once)
{
    static const char text[] = "static";
    int frees = 0;
    {
        const bowline::msg message = MUST(bowline::msg::wrap(bowline::bytes(text, 6), count_free, &frees));
        const bowline::msg other = message;
        CHECK(other.data() == static_cast<const void *>(text));
    }
    CHECK_INT(frees, 1);
    FAILS(bowline::msg::wrap(bowline::bytes(text, 6), nullptr, &frees), BOWLINE_E_NULL);
    CHECK_INT(frees, 1);
}

CASE(what_was_moved_from_says_so)
{
    bowline::config config = MUST(bowline::config::make());
    bowline::config other = std::move(config);
    CHECK(!config && other);
    FAILS(config.set("pool.max", "1"), BOWLINE_E_NULL);
    FAILS(config.dump(), BOWLINE_E_NULL);
    bowline::keypair key = MUST(bowline::keypair::generate(0));
    bowline::keypair kept = std::move(key);
    FAILS(key.id(), BOWLINE_E_NULL);
    FAILS(bowline::node::make(config, kept), BOWLINE_E_NULL);
    FAILS(bowline::node::make(other, key), BOWLINE_E_NULL);
}

CASE(an_empty_object_answers_every_call)
{
    bowline::node node;
    bowline::event_batch batch;
    CHECK_INT(node.state(), BOWLINE_STATE_INVALID);
    CHECK(!node.main_queue() && !node.is_paused() && node.main_queue().fd() == -1);
    CHECK(node.fatal_error() && node.fatal_error()->code() == BOWLINE_E_NULL);
    FAILS(node.start(), BOWLINE_E_NULL);
    FAILS(node.stop(), BOWLINE_E_NULL);
    FAILS(node.send(1, 0x20, "text"), BOWLINE_E_NULL);
    FAILS(node.send(1, 0x20, bowline::msg()), BOWLINE_E_NULL);
    FAILS(node.main_queue().poll(batch), BOWLINE_E_NULL);
    FAILS(node.peers_snapshot(), BOWLINE_E_NULL);
    FAILS(bowline::queue::make(node, "own"), BOWLINE_E_NULL);
    CHECK_INT(bowline::peer_list().size(), 0);
    FAILS(bowline::peer_list().at(0), BOWLINE_E_NULL);
    CHECK(!bowline::event().take() && !bowline::event().message());
}

CASE(a_handle_can_be_handed_over)
{
    bowline::config config = MUST(bowline::config::make());
    bowline_config *raw = config.release();
    CHECK(!config && raw != nullptr);
    config.reset(raw);
    CHECK(config.get() == raw);
    bowline::config &same = config;
    config = std::move(same);
    CHECK(config.get() == raw);
    bowline_config_free(config.release());
    bowline::error_handle err;
    CHECK_IS(bowline_config_set(MUST(bowline::config::make()).get(), "no.key", "1", err.out()), BOWLINE_E_NOT_FOUND);
    CHECK(err && err.get() != nullptr);
    CHECK_IS(err.code(), BOWLINE_E_NOT_FOUND);
    CHECK_HAS(err.text(), "no.key");
}

CASE(owners_move_and_do_not_copy)
{
    static_assert(!std::is_copy_constructible_v<bowline::node> && std::is_nothrow_move_constructible_v<bowline::node>);
    static_assert(!std::is_copy_assignable_v<bowline::config> && std::is_nothrow_move_assignable_v<bowline::config>);
    static_assert(!std::is_copy_constructible_v<bowline::keypair> && !std::is_copy_constructible_v<bowline::peer_list>);
    static_assert(!std::is_copy_constructible_v<bowline::queue> && std::is_nothrow_move_constructible_v<bowline::queue>);
    static_assert(!std::is_copy_constructible_v<bowline::event> && std::is_nothrow_move_constructible_v<bowline::event>);
    static_assert(!std::is_copy_constructible_v<bowline::event_batch> && std::is_nothrow_move_assignable_v<bowline::event_batch>);
    static_assert(std::is_nothrow_copy_constructible_v<bowline::msg> && std::is_copy_constructible_v<bowline::queue_ref>);
    static_assert(sizeof(bowline::node) == sizeof(void *) && sizeof(bowline::msg) == sizeof(void *));
    static_assert(std::is_convertible_v<bowline::queue &, bowline::queue_ref>);
}

#if BOWLINE_HPP_THROWS

CASE(errors_are_thrown)
{
    bool caught = false;
    try {
        static_cast<void>(bowline::peer_id::parse("no id"));
    } catch (const std::runtime_error &failure) {
        caught = std::strstr(failure.what(), "peer_id::parse") != nullptr;
    }
    CHECK(caught);
}

#else

CASE(a_result_has_a_value_or_an_error)
{
    auto good = bowline::address::parse("127.0.0.1:1");
    CHECK(good && good.ok() && good.code() == BOWLINE_OK && good.text()[0] == '\0');
    CHECK(good->port == 1 && (*good).port == 1 && good.value().port == 1);
    const auto bad = bowline::address::parse("127.0.0.1.1:1");
    CHECK(!bad && bad.code() == BOWLINE_E_INVALID);
    CHECK_TEXT(bad.text(), bad.error().text());
    CHECK_INT(bowline::address::parse("no").value_or(bowline::address()).family, 0);
    bowline::config config = bowline::config::make().value();
    config.set("no.key", "1").ignore();
    CHECK(!config.set("no.key", "1"));
    CHECK(config.set("pool.max", "100").ok());
}

/* How a child ends that runs `what`. */
static int end_of(const std::function<void()> &what)
{
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
        std::freopen("/dev/null", "w", stderr);
        what();
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

CASE(the_value_of_a_failure_ends_the_program)
{
    CHECK_INT(end_of([] { static_cast<void>(bowline::address::parse("no").value()); }), SIGABRT);
    CHECK_INT(end_of([] { static_cast<void>(bowline::address::parse("127.0.0.1:1").error()); }), SIGABRT);
    CHECK_INT(end_of([] { bowline::check_abi().value(); }), 0);
}

#endif
