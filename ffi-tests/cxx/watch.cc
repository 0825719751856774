/* What watches a node: wake functions, queues for events, the log, counters. */
#include "started.hpp"

#include <mutex>

CASE(a_wake_function_is_called_and_removed)
{
    bowline::node node = started();
    const bowline::queue_ref queue = node.main_queue();
    std::atomic<int> calls{0};
    auto wake = [&calls] { calls++; };
    MUST(queue.set_wake(wake));
    const int before = calls;
    CHECK(before > 0); /* the node's state waits */
    bowline::event_batch batch;
    while (MUST(queue.poll(batch, bowline::nowait)) == bowline::polled::some) {
    }
    MUST(queue.wakeup());
    for (int round = 0; calls == before && round < 1000; round++) {
        std::this_thread::sleep_for(5ms);
    }
    CHECK(calls > before);
    MUST(queue.remove_wake());
    while (MUST(queue.poll(batch, bowline::nowait)) == bowline::polled::some) {
    }
    const int after = calls;
    MUST(queue.wakeup());
    CHECK_INT(calls, after);
    CHECK(queue.fd() >= 0);
    FAILS(queue.set_wake(wake), BOWLINE_E_STATE);
}

CASE(kinds_of_events_get_a_queue)
{
    bowline::node node = made();
    bowline::queue own = MUST(bowline::queue::make(node, "failures"));
    MUST(own.bind_events({BOWLINE_EV_DIAL_FAILED, BOWLINE_EV_PEER_REFUSED}));
    FAILS(own.bind_events({BOWLINE_EV_MESSAGE}), BOWLINE_E_INVALID);
    FAILS(own.bind_events({static_cast<bowline_event_kind>(-5)}), BOWLINE_E_INVALID);
    MUST(node.start());
    std::string nobody;
    {
        nobody = where(started());
    }
    MUST(node.connect(MUST(bowline::address::parse(nobody)), 5));
    CHECK_INT(next(own, BOWLINE_EV_DIAL_FAILED).tag(), 5);
}

CASE(the_log_is_written_until_it_is_removed)
{
    std::mutex turn;
    std::string lines;
    int levels = 0;
    auto write = [&](std::int32_t level, std::string_view target, std::string_view line) {
        const std::lock_guard<std::mutex> mine(turn);
        levels |= 1 << level;
        lines.append(target).append(": ").append(line).append("\n");
    };
    FAILS(bowline::log_filter("info"), BOWLINE_E_STATE);
    MUST(bowline::log_set(write));
    MUST(bowline::log_filter("debug"));
    CHECK_HAS(FAILS(bowline::log_filter("bowline=loud"), BOWLINE_E_INVALID).text(), "loud");
    {
        bowline::node alice = started();
        bowline::node bob = started();
        connected(bob, alice);
    }
    MUST(bowline::log_remove());
    CHECK(levels != 0);
    CHECK_HAS(lines.c_str(), "bowline");
    const std::size_t size = lines.size();
    started();
    CHECK_INT(lines.size(), size);
}

CASE(counters_are_read_in_every_form)
{
    bowline::node alice = started();
    bowline::node bob = started();
    const bowline_peer peer = connected(bob, alice);
    MUST(bob.send(peer, CHANNEL, "12345"));
    CHECK(next(alice, BOWLINE_EV_MESSAGE).text() == "12345");
    CHECK_INT(MUST(alice.metrics_channel(CHANNEL)).msgs_in, 1);
    CHECK_INT(MUST(alice.metrics_get()).msgs_in, 1);
    FAILS(alice.metrics_channel(0x99), BOWLINE_E_NO_CHANNEL);
    CHECK_HAS(MUST(alice.metrics_text()).c_str(), "# EOF");
    CHECK_INT(MUST(alice.metrics_ends(2)), 0);
    FAILS(alice.metrics_ends(60000), BOWLINE_E_INVALID);
    CHECK(MUST(alice.memory_max()) > 1000000);
    CHECK_TEXT(bowline::reason_text(2), "closed on request");
}
