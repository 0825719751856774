/* Nodes on loopback: messages, requests, queues, lists, what an operator does, and that everything is given back. */
#include "started.hpp"

#include <array>
#include <csignal>
#include <fcntl.h>
#include <poll.h>

CASE(two_nodes_talk)
{
    bowline::node alice = started();
    bowline::node bob = started();
    const bowline_peer peer = connected(bob, alice);
    const bowline::event seen = next(alice, BOWLINE_EV_PEER_CONNECTED);
    CHECK(seen.is_inbound() && seen.peer() != 0 && seen.id() == MUST(bob.id()));
    CHECK(!next(bob, BOWLINE_EV_PEER_CONNECTED).is_inbound());
    MUST(bob.send(peer, CHANNEL, "hello"));
    MUST(bob.send(peer, CHANNEL, MUST(bowline::msg::copy(std::string("world"))), 1s));
    const bowline::event first = next(alice, BOWLINE_EV_MESSAGE);
    CHECK(first.text() == "hello" && first.channel() == CHANNEL && first.peer() == seen.peer());
    CHECK(first.time() > bowline::clock::time_point() && first.time() <= bowline::clock::now());
    CHECK(next(alice, BOWLINE_EV_MESSAGE).text() == "world");
    MUST(bob.disconnect(peer));
    const bowline::event gone = next(alice, BOWLINE_EV_PEER_DISCONNECTED);
    CHECK(gone.peer() == seen.peer() && gone.id() == MUST(bob.id()) && gone.close_reason() != 0);
    CHECK_HAS(gone.reason(), "goodbye");
}

CASE(a_batch_is_walked_and_released)
{
    bowline::node alice = started();
    bowline::node bob = started();
    const bowline_peer peer = connected(bob, alice);
    int heard = 0;
    for (int at = 0; at < 100; at++) {
        MUST(bob.send(peer, CHANNEL, std::to_string(at)));
    }
    bowline::event_batch batch(16);
    CHECK(batch.empty() && batch.capacity() == 16);
    while (heard < 100) {
        CHECK(MUST(alice.main_queue().poll(batch, 20s)) == bowline::polled::some);
        CHECK(!batch.empty() && batch.size() <= 16);
        for (const auto &event : batch) {
            if (event.kind() == BOWLINE_EV_MESSAGE) {
                CHECK(event.text() == std::to_string(heard));
                heard++;
            }
        }
    }
    bowline::event_batch other = std::move(batch);
    CHECK(batch.empty() && batch.capacity() == 0 && other.capacity() == 16);
    FAILS(alice.main_queue().poll(batch, bowline::nowait), BOWLINE_E_NULL);
    batch = std::move(other);
    CHECK(MUST(alice.main_queue().poll(batch, bowline::nowait)) == bowline::polled::none);
    CHECK(batch.empty());
}

CASE(many_messages_go_in_one_call)
{
    bowline::node alice = started();
    bowline::node bob = started();
    const bowline_peer peer = connected(bob, alice);
    const std::vector<std::string> words{"one", "", "three", std::string(70000, 'x')};
    std::size_t sent = 0;
    MUST(bob.send_batch(peer, CHANNEL, words, &sent));
    CHECK_INT(sent, words.size());
    const std::array<bowline::bytes, 2> pieces{bowline::bytes("four"), bowline::bytes("five")};
    MUST(bob.send_batch(peer, CHANNEL, pieces));
    for (const std::string &word : words) {
        CHECK(next(alice, BOWLINE_EV_MESSAGE).text() == word);
    }
    CHECK(next(alice, BOWLINE_EV_MESSAGE).text() == "four");
    CHECK(next(alice, BOWLINE_EV_MESSAGE).text() == "five");
    /* What an iterator makes is gone when it moves on. */
    static_assert(bowline::detail::stays<const std::string &> && bowline::detail::stays<std::string_view>);
    static_assert(bowline::detail::stays<bowline::bytes> && bowline::detail::stays<const char *>);
    static_assert(!bowline::detail::stays<std::string> && !bowline::detail::stays<std::array<std::uint8_t, 4>>);
    const std::vector<std::string> huge{"small", std::string((1u << 20) + 1, 'x')};
    FAILS(bob.send_batch(peer, CHANNEL, huge, &sent), BOWLINE_E_TOO_BIG);
    CHECK_INT(sent, 1);
}

CASE(a_batch_without_room_is_refused)
{
    bowline::node node = made();
    bowline::event_batch none(0);
    FAILS(node.main_queue().poll(none, bowline::nowait), BOWLINE_E_INVALID);
}

CASE(a_message_outlives_its_event_and_node)
{
    bowline::msg shared;
    bowline::msg taken;
    {
        bowline::node alice = started();
        bowline::node bob = started();
        const bowline_peer peer = connected(bob, alice);
        MUST(bob.send(peer, CHANNEL, "one"));
        MUST(bob.send(peer, CHANNEL, "two"));
        bowline::event event = next(alice, BOWLINE_EV_MESSAGE);
        shared = event.message();
        CHECK(event.text() == "one" && shared.data() == event.data().data());
        event = next(alice, BOWLINE_EV_MESSAGE);
        bowline::event moved = std::move(event);
        CHECK(event.kind() == 0 && event.data().empty() && moved.text() == "two");
        taken = moved.take();
        CHECK(moved.data().empty() && !moved.take() && moved.kind() == BOWLINE_EV_MESSAGE);
        CHECK(taken.data_mut() == nullptr);
    }
    CHECK(shared.text() == "one" && taken.text() == "two");
}

CASE(a_broadcast_spares_one)
{
    bowline::node hub = started();
    bowline::node one = started();
    bowline::node two = started();
    const bowline_peer spared = connected(hub, one);
    connected(hub, two);
    CHECK_INT(MUST(hub.broadcast(CHANNEL, "to all")).queued, 2);
    CHECK_INT(MUST(hub.broadcast(CHANNEL, MUST(bowline::msg::copy("to two")), spared)).queued, 1);
    CHECK_INT(MUST(hub.broadcast(CHANNEL, "again to all")).queued, 2);
    CHECK(next(one, BOWLINE_EV_MESSAGE).text() == "to all");
    CHECK(next(one, BOWLINE_EV_MESSAGE).text() == "again to all");
    CHECK(next(two, BOWLINE_EV_MESSAGE).text() == "to all");
    CHECK(next(two, BOWLINE_EV_MESSAGE).text() == "to two");
    FAILS(hub.broadcast(0x99, "no such channel"), BOWLINE_E_NO_CHANNEL);
}

CASE(requests_are_answered)
{
    bowline::node alice = started();
    bowline::node bob = started();
    const bowline_peer peer = connected(bob, alice);
    std::thread application([&] {
        bowline::event asked = next(alice, BOWLINE_EV_REQUEST);
        CHECK(asked.text() == "six by seven?");
        MUST(alice.respond(asked.request(), "42", 1s));
        CHECK_IS(alice.try_respond(asked.request(), "43"), BOWLINE_E_NO_REQUEST);
        FAILS(alice.respond(asked.request(), MUST(bowline::msg::copy("44"))), BOWLINE_E_NO_REQUEST);
        asked = next(alice, BOWLINE_EV_REQUEST);
        CHECK_IS(alice.try_respond(asked.request(), asked.message()), BOWLINE_OK);
    });
    const bowline::event answer = MUST(bob.request_wait(peer, CHANNEL, "six by seven?", 20s));
    CHECK(answer.kind() == BOWLINE_EV_RESPONSE && answer.result() == BOWLINE_OK && answer.text() == "42");
    CHECK(MUST(bob.request_wait(peer, CHANNEL, "echo", 20s)).text() == "echo");
    application.join();
}

CASE(a_refusal_has_a_number_and_a_text)
{
    bowline::node alice = started();
    bowline::node bob = started();
    const bowline_peer peer = connected(bob, alice);
    std::thread application([&] {
        const bowline::event asked = next(alice, BOWLINE_EV_REQUEST);
        MUST(alice.respond_error(asked.request(), 77, std::string("no block of that name")));
    });
    const bowline::error refused = FAILS(bob.request_wait(peer, CHANNEL, "block?", 20s), BOWLINE_E_REMOTE);
    application.join();
    CHECK_INT(refused.remote_code(), 77);
    CHECK_HAS(refused.text(), "no block of that name");
    CHECK(refused.about_peer());
}

CASE(a_request_without_answer_ends_in_time)
{
    bowline::node alice = started();
    bowline::node bob = started();
    const bowline_peer peer = connected(bob, alice);
    const bowline::error late = FAILS(bob.request_wait(peer, CHANNEL, "anybody?", 50ms), BOWLINE_E_TIMEOUT);
    CHECK(late.retryable() && late.remote_code() == 0);
    FAILS(bob.request_wait(peer + 1000, CHANNEL, "anybody?", 50ms), BOWLINE_E_PEER_GONE);
}

CASE(a_request_can_be_started_and_taken_back)
{
    bowline::node alice = made();
    bowline::queue answers = MUST(bowline::queue::make(alice, "answers"));
    MUST(alice.start());
    bowline::node bob = started();
    const bowline_peer peer = connected(alice, bob);
    const bowline::msg first_question = MUST(bowline::msg::copy("never mind"));
    const bowline::request_ref first = MUST(alice.request_start(peer, CHANNEL, first_question, 20s, 7, answers));
    CHECK(MUST(alice.request_cancel(first)));
    const bowline::event over = next(answers, BOWLINE_EV_RESPONSE);
    CHECK(over.result() == BOWLINE_E_CANCELED && over.tag() == 7 && over.request().number == first.number);
    CHECK(!MUST(alice.request_cancel(first)));
    MUST(alice.request_start(peer, CHANNEL, MUST(bowline::msg::copy("well?")), 20s, 8, answers));
    bowline::event asked = next(bob, BOWLINE_EV_REQUEST);
    while (asked.text() != "well?") {
        asked = next(bob, BOWLINE_EV_REQUEST);
    }
    MUST(bob.respond(asked.request(), "so"));
    const bowline::event answer = next(answers, BOWLINE_EV_RESPONSE);
    CHECK(answer.tag() == 8 && answer.text() == "so");
}

CASE(nothing_to_poll_is_no_error)
{
    bowline::node node = started();
    bowline::event event = next(node, BOWLINE_EV_NODE_STATE);
    CHECK_INT(event.state(), BOWLINE_STATE_RUNNING);
    CHECK(MUST(node.main_queue().poll(event, bowline::nowait)) == bowline::polled::none);
    CHECK_INT(event.kind(), 0);
    CHECK(MUST(node.main_queue().poll(event, 1ms)) == bowline::polled::none);
    CHECK(MUST(node.stop(100ms)));
    CHECK(MUST(node.stop()));
    CHECK_INT(node.state(), BOWLINE_STATE_STOPPED);
    bowline::event_batch rest;
    while (MUST(node.main_queue().poll(rest)) == bowline::polled::some) {
    }
    CHECK(MUST(node.main_queue().poll(rest)) == bowline::polled::stopped && rest.empty());
    CHECK(MUST(node.main_queue().poll(event)) == bowline::polled::stopped);
    CHECK(!node.fatal_error());
    FAILS(node.pause(), BOWLINE_E_STOPPED);
    FAILS(node.start(), BOWLINE_E_STATE);
}

CASE(a_poller_is_woken)
{
    bowline::node node = started();
    const bowline::queue_ref queue = node.main_queue();
    std::thread waker([queue] { MUST(queue.wakeup(99)); });
    CHECK_INT(next(queue, BOWLINE_EV_WAKEUP).tag(), 99);
    waker.join();
}

CASE(the_descriptor_is_readable_while_something_waits)
{
    bowline::node node = started();
    const bowline::queue_ref queue = node.main_queue();
    pollfd look = {queue.fd(), POLLIN, 0};
    next(node, BOWLINE_EV_NODE_STATE);
    CHECK_INT(poll(&look, 1, 0), 0);
    MUST(queue.wakeup());
    CHECK_INT(poll(&look, 1, 5000), 1);
    next(node, BOWLINE_EV_WAKEUP);
    CHECK_INT(poll(&look, 1, 0), 0);
}

CASE(a_queue_of_ones_own_gets_its_channel)
{
    bowline::config plan = a_plan();
    MUST(plan.add_channel(0x30, "other"));
    bowline::node alice = made(plan);
    bowline::queue own = MUST(bowline::queue::make(alice, std::string("other")));
    MUST(own.bind_channel(0x30));
    FAILS(own.bind_channel(0x31), BOWLINE_E_NO_CHANNEL);
    MUST(alice.start());
    FAILS(bowline::queue::make(alice, "late"), BOWLINE_E_STATE);
    bowline::node bob = made(plan);
    MUST(bob.start());
    const bowline_peer peer = connected(bob, alice);
    MUST(bob.send(peer, 0x30, "for the other"));
    MUST(bob.send(peer, CHANNEL, "for the main one"));
    bowline::queue moved = std::move(own);
    CHECK(!own && moved);
    CHECK(next(moved, BOWLINE_EV_MESSAGE).text() == "for the other");
    CHECK(next(alice, BOWLINE_EV_MESSAGE).text() == "for the main one");
}

CASE(who_is_connected_can_be_walked)
{
    bowline::peer_list list;
    bowline::peer_id id;
    {
        bowline::node alice = started();
        bowline::node bob = started();
        const bowline_peer peer = connected(bob, alice);
        id = MUST(alice.id());
        list = MUST(bob.peers_snapshot());
        CHECK(MUST(bob.peer_find(id)) == std::optional<bowline_peer>(peer));
        CHECK(!MUST(bob.peer_find(bowline::peer_id())));
        CHECK(bowline::peer_id(MUST(bob.peer_get(peer)).id) == id);
        FAILS(bob.peer_get(peer + 1000), BOWLINE_E_PEER_GONE);
    }
    CHECK_INT(list.size(), 1);
    int rows = 0;
    for (const auto &row : list) {
        CHECK(bowline::peer_id(row.id) == id);
        rows++;
    }
    CHECK_INT(rows, 1);
    CHECK_INT(list[0].flags & BOWLINE_PEER_INBOUND, 0);
    CHECK(bowline::peer_id(list.begin()->id) == id);
    FAILS(list.at(1), BOWLINE_E_NOT_FOUND);
    CHECK_INT(std::distance(list.begin(), list.end()), 1);
}

CASE(lists_of_access_control)
{
    bowline::node node = started();
    const std::string who(64, 'a');
    CHECK_INT(MUST(node.ban(who, 1h, "spam")), 0);
    MUST(node.ban(std::string_view("192.0.2.0/24")));
    const bowline::ban_list bans = MUST(node.bans_snapshot());
    CHECK_INT(bans.size(), 2);
    int named = 0;
    for (const auto &ban : bans) {
        named += ban.kind == BOWLINE_SUBJECT_PEER && bowline::peer_id(ban.id).to_string() == who && std::strcmp(ban.why, "spam") == 0;
    }
    CHECK_INT(named, 1);
    const bowline::peer_id id = MUST(bowline::peer_id::parse(who));
    const bowline::address inside = MUST(bowline::address::parse("192.0.2.9:1"));
    CHECK_INT(MUST(node.standing(id)), BOWLINE_STANDING_BANNED);
    CHECK_INT(MUST(node.standing(inside)), BOWLINE_STANDING_BANNED);
    CHECK_INT(MUST(node.standing(bowline::peer_id(), inside)), BOWLINE_STANDING_BANNED);
    MUST(node.unban("192.0.2.0/24"));
    CHECK_HAS(FAILS(node.unban("192.0.2.0/24"), BOWLINE_E_NOT_FOUND).text(), "192.0.2.0/24");
    CHECK_HAS(FAILS(node.ban("nobody"), BOWLINE_E_INVALID).text(), "nobody");
    MUST(node.trust("198.51.100.1", 30min));
    CHECK_INT(MUST(node.trusted_snapshot()).size(), 1);
    MUST(node.untrust("198.51.100.1"));
    CHECK(MUST(node.trusted_snapshot()).empty() && MUST(node.greylist_snapshot()).empty());
    FAILS(node.forgive("198.51.100.1"), BOWLINE_E_NOT_FOUND);
    CHECK_INT(MUST(node.greylist_flush()), 0);
}

CASE(an_address_book)
{
    bowline::node alice = started();
    /* It shall not dial what the book has. */
    MUST(alice.pause());
    MUST(alice.addrbook_add("192.0.2.7:9732"));
    FAILS(alice.addrbook_add("192.0.2.7:9732"), BOWLINE_E_EXISTS);
    MUST(alice.addr_note("192.0.2.7:9732", "from the paper"));
    const bowline::addr_list book = MUST(alice.addrbook_snapshot());
    CHECK_INT(book.size(), 1);
    CHECK(bowline::address(book[0].addr).to_string() == "192.0.2.7:9732");
    const std::string rows = MUST(alice.export_book());
    CHECK(rows.find("192.0.2.7") != std::string::npos);
    MUST(alice.addrbook_remove("192.0.2.7:9732"));
    FAILS(alice.addrbook_remove("192.0.2.7:9732"), BOWLINE_E_NOT_FOUND);
    CHECK_INT(MUST(alice.import_book(rows)).addrs, 1);
    CHECK_HAS(FAILS(alice.import_book("{no json"), BOWLINE_E_INVALID).text(), "1");
    FAILS(alice.peer_note(bowline::peer_id(), "unknown"), BOWLINE_E_NOT_FOUND);
}

CASE(healthy_addresses_are_texts)
{
    bowline::node alice = started();
    bowline::node bob = started();
    const bowline_peer peer = connected(bob, alice);
    for (const std::string &text : MUST(bob.healthy_snapshot(true))) {
        CHECK(text.find(':') != std::string::npos);
    }
    const bowline::text_list told = MUST(bob.discover_wait(peer, 10s));
    for (const std::string &text : told) {
        CHECK(!text.empty());
    }
    MUST(bob.peer_note(MUST(alice.id()), bowline::bytes("x", 1)));
    FAILS(bob.discover_wait(peer + 1000, 1s), BOWLINE_E_PEER_GONE);
}

CASE(an_operator_turns_the_knobs)
{
    bowline::node node = started();
    MUST(node.set("pool.max", "77"));
    CHECK(MUST(node.value("pool.max")) == "77");
    FAILS(node.set("network.name", "other"), BOWLINE_E_READ_ONLY);
    FAILS(node.value("no.key"), BOWLINE_E_NOT_FOUND);
    CHECK(!node.is_paused());
    MUST(node.pause());
    CHECK(node.is_paused());
    MUST(node.resume());
    CHECK(!node.is_paused());
    MUST(node.maintain());
    CHECK_INT(MUST(node.maintain_wait(20s)).links, 0);
    CHECK_INT(MUST(node.dial_seeds()), 0);
    MUST(node.set_bandwidth(1 << 20, 0));
    MUST(node.save(10s));
    FAILS(node.ask_addresses(), BOWLINE_E_INVALID);
    FAILS(node.set_weight(1000, 1), BOWLINE_E_PEER_GONE);
    FAILS(node.set_peer_bandwidth(1000, 0, 0), BOWLINE_E_PEER_GONE);
    CHECK_INT(MUST(node.metrics_get()).peers_in, 0);
}

CASE(persistent_peers_are_kept)
{
    bowline::node alice = started();
    bowline::node bob = started();
    MUST(bob.persistent_add(where(alice)));
    const bowline::event up = next(bob, BOWLINE_EV_PEER_CONNECTED);
    CHECK((MUST(bob.peer_get(up.peer())).flags & BOWLINE_PEER_STATIC) != 0);
    FAILS(bob.persistent_add(where(alice)), BOWLINE_E_EXISTS);
    MUST(bob.persistent_remove(where(alice)));
    FAILS(bob.persistent_remove(where(alice)), BOWLINE_E_NOT_FOUND);
}

CASE(a_node_listens_at_one_address_more)
{
    bowline::node alice = started();
    bowline::node bob = started();
    bowline::address any = MUST(alice.listen_addrs()).at(0);
    any.port = 0;
    const bowline::address bound = MUST(alice.listen_add(any));
    CHECK(MUST(alice.listen_addrs()).at(1) == bound);
    FAILS(bob.listen_add(bound), BOWLINE_E_ADDR_IN_USE);
    const bowline_peer peer = MUST(bob.connect_wait(bound.to_string(), 20s));
    MUST(alice.listen_remove(bound));
    FAILS(alice.listen_remove(bound), BOWLINE_E_NOT_FOUND);
    CHECK(MUST(bob.listen_add(bound)) == bound);
    CHECK(MUST(bob.peer_get(peer)).peer == peer);
}

CASE(a_dial_that_fails_is_told)
{
    bowline::node node = started();
    /* A port that was free a moment ago. */
    std::string nobody;
    {
        nobody = where(started());
    }
    CHECK(FAILS(node.connect_wait(nobody, 10s), BOWLINE_E_REFUSED).retryable());
    MUST(node.connect(MUST(bowline::address::parse(nobody)), 5));
    bowline::event failed = next(node, BOWLINE_EV_DIAL_FAILED);
    while (failed.tag() != 5) {
        failed = next(node, BOWLINE_EV_DIAL_FAILED);
    }
    CHECK(failed.text() == nobody && failed.close_reason() != 0);
    CHECK_HAS(FAILS(node.connect_wait("no address", 1s), BOWLINE_E_INVALID).text(), "no address");
}

CASE(another_identity_is_refused)
{
    bowline::node alice = started();
    bowline::node bob = started();
    const bowline::peer_id other = MUST(MUST(bowline::keypair::generate(0)).id());
    MUST(bob.connect(MUST(alice.listen_addrs()).at(0), 6, &other));
    CHECK_INT(next(bob, BOWLINE_EV_DIAL_FAILED).tag(), 6);
}

CASE(a_try_never_throws)
{
    bowline::node node = started();
    static_assert(noexcept(node.try_send(1, 1, bowline::bytes())));
    static_assert(noexcept(node.try_respond(bowline::request_ref(), bowline::bytes())));
    CHECK_IS(node.try_send(12345, CHANNEL, "text"), BOWLINE_E_PEER_GONE);
    CHECK_IS(node.try_send(12345, CHANNEL, MUST(bowline::msg::copy("text"))), BOWLINE_E_PEER_GONE);
    CHECK(FAILS(node.send(12345, CHANNEL, "text"), BOWLINE_E_PEER_GONE).about_peer());
    FAILS(node.disconnect(12345), BOWLINE_E_PEER_GONE);
}

CASE(an_occupied_port_is_named)
{
    bowline::node first = started();
    bowline::config plan = a_plan();
    MUST(plan.set("listen.addresses", where(first)));
    bowline::node second = made(plan);
    CHECK_HAS(FAILS(second.start(), BOWLINE_E_ADDR_IN_USE).text(), where(first).c_str());
    CHECK(MUST(second.listen_addrs()).empty());
}

CASE(settings_that_do_not_agree_make_no_node)
{
    bowline::config plan = a_plan();
    MUST(plan.set("pool.max", 10));
    MUST(plan.set("pool.min", 50));
    CHECK_HAS(FAILS(bowline::node::make(plan, MUST(bowline::keypair::generate(0))), BOWLINE_E_INVALID).text(), "pool.");
}

CASE(a_node_can_be_moved_and_replaced)
{
    bowline::node node = started();
    const std::string at = where(node);
    bowline::node moved = std::move(node);
    CHECK(!node && moved && where(moved) == at);
    moved = started();
    CHECK(where(moved) != at);
    /* The first one has gone with its port. */
    FAILS(moved.connect_wait(at, 5s), BOWLINE_E_REFUSED);
    moved.reset();
    CHECK_INT(moved.state(), BOWLINE_STATE_INVALID);
}

CASE(many_threads_use_one_node)
{
    bowline::node alice = started();
    bowline::node bob = started();
    const bowline_peer peer = connected(bob, alice);
    std::atomic<int> heard{0};
    std::vector<std::thread> threads;
    for (int reader = 0; reader < 2; reader++) {
        threads.emplace_back([&] {
            bowline::event_batch batch(8);
            while (MUST(alice.main_queue().poll(batch)) == bowline::polled::some) {
                for (const auto &event : batch) {
                    heard += event.kind() == BOWLINE_EV_MESSAGE;
                }
            }
        });
    }
    for (int writer = 0; writer < 4; writer++) {
        threads.emplace_back([&] {
            for (int at = 0; at < 200; at++) {
                MUST(bob.send(peer, CHANNEL, "from a thread", 20s));
            }
        });
    }
    for (int round = 0; heard < 800 && round < 2000; round++) {
        std::this_thread::sleep_for(10ms);
    }
    CHECK_INT(heard, 800);
    MUST(alice.stop());
    for (std::thread &thread : threads) {
        thread.join();
    }
}

CASE(a_forked_child_may_not_use_the_node)
{
    bowline::node node = started();
    const bowline::queue_ref queue = node.main_queue();
    int status = 0;
    const pid_t child = fork();
    if (child == 0) {
        bowline::event event;
        FAILS(queue.poll(event, bowline::nowait), BOWLINE_E_FORKED);
        FAILS(node.start(), BOWLINE_E_FORKED);
        CHECK_INT(node.state(), BOWLINE_STATE_INVALID);
        _exit(7);
    }
    CHECK(waitpid(child, &status, 0) == child);
    CHECK_INT(WEXITSTATUS(status), 7);
    CHECK_INT(node.state(), BOWLINE_STATE_RUNNING);
}

CASE(everything_is_given_back)
{
    int fds = 0;
    for (int life = 0; life < 10; life++) {
        {
            bowline::node alice = made();
            bowline::queue own = MUST(bowline::queue::make(alice, "own"));
            CHECK(own.fd() >= 0 && alice.main_queue().fd() >= 0);
            MUST(alice.start());
            bowline::node bob = started();
            const bowline_peer peer = connected(bob, alice);
            MUST(bob.send(peer, CHANNEL, "nobody reads this"));
            bowline::event_batch batch;
            CHECK(MUST(alice.main_queue().poll(batch, 20s)) == bowline::polled::some);
            const bowline::peer_list list = MUST(alice.peers_snapshot());
            const bowline::error ignored = FAILS(bob.unban("192.0.2.1"), BOWLINE_E_NOT_FOUND);
        }
        if (life == 0) {
            /* The first life may leave what a process keeps for ever. */
            fds = entries("/proc/self/fd");
        }
    }
    CHECK_INT(entries("/proc/self/fd"), fds);
    for (int round = 0; entries("/proc/self/task") != 1 && round < 500; round++) {
        std::this_thread::sleep_for(10ms);
    }
    CHECK_INT(entries("/proc/self/task"), 1);
}

static void count_free(void *, std::size_t, void *ctx)
{
    ++*static_cast<std::atomic<int> *>(ctx);
}

/* Reads until it finds something wrong, and leaves in the middle of a batch. */
static void leaves_early(bowline::node &node)
{
    bowline::event_batch batch;
    bowline::msg kept;
    for (;;) {
        CHECK(MUST(node.main_queue().poll(batch, 20s)) == bowline::polled::some);
        for (auto &event : batch) {
            if (event.kind() == BOWLINE_EV_REQUEST) {
                kept = event.message();
#if BOWLINE_HPP_THROWS
                throw std::logic_error("a request? nobody told me");
#else
                return;
#endif
            }
        }
    }
}

CASE(a_consumer_that_leaves_early_leaks_nothing)
{
    static const char text[] = "question";
    std::atomic<int> frees{0};
    {
        bowline::node node = started();
        for (int at = 0; at < 5; at++) {
            const bowline::msg question = MUST(bowline::msg::wrap(bowline::bytes(text, 8), count_free, &frees));
            MUST(node.request_start(BOWLINE_PEER_LOCAL, CHANNEL, question, 10s));
        }
#if BOWLINE_HPP_THROWS
        bool thrown = false;
        try {
            leaves_early(node);
        } catch (const std::logic_error &) {
            thrown = true;
        }
        CHECK(thrown);
#else
        leaves_early(node);
#endif
    }
    CHECK_INT(frees, 5);
}
