/* Nodes on the memory network, in virtual time. Nothing here waits. */
#include "started.hpp"

namespace {

bowline::address at(int number)
{
    return MUST(bowline::address::parse("10.0.0." + std::to_string(number) + ":9732"));
}

/* A node of that number on the network. The configuration does not outlive this call. */
bowline::node member(const bowline::memnet &net, int number)
{
    bowline::config config = a_plan();
    MUST(config.set("listen.addresses", at(number).to_string()));
    MUST(config.use_memnet(net));
    std::array<std::uint8_t, 32> seed{};
    seed.fill(static_cast<std::uint8_t>(number));
    bowline::node node = MUST(bowline::node::make(config, MUST(bowline::keypair::from_seed(seed))));
    MUST(node.start());
    return node;
}

/* The event of that kind, which must be there; others are dropped. */
bowline::event take(const bowline::node &node, bowline_event_kind kind)
{
    bowline::event event;
    do {
        CHECK(MUST(node.main_queue().poll(event, bowline::nowait)) == bowline::polled::some);
    } while (event.kind() != kind);
    return event;
}

/* Whether there was an event of that kind; all are taken. */
bool had(const bowline::node &node, bowline_event_kind kind)
{
    bowline::event event;
    bool found = false;
    while (MUST(node.main_queue().poll(event, bowline::nowait)) == bowline::polled::some) {
        found = found || event.kind() == kind;
    }
    return found;
}

bowline_peer linked(bowline::memnet &net, bowline::node &from, int to)
{
    MUST(from.connect(at(to)));
    MUST(net.advance(1s));
    return take(from, BOWLINE_EV_PEER_CONNECTED).peer();
}

} // namespace

CASE(messages_take_the_latency_to_the_nanosecond)
{
    const int threads = entries("/proc/self/task");
    bowline::memnet net = MUST(bowline::memnet::make(1));
    CHECK(net.now() == bowline::clock::at(0));
    bowline::node a = member(net, 1);
    bowline::node b = member(net, 2);
    MUST(net.link(at(1), at(2), {40ms}));
    MUST(net.link(at(2), at(1), {3ms, 0us, 0, 1000000}));
    const bowline_peer peer = linked(net, a, 2);
    const bowline_peer back = take(b, BOWLINE_EV_PEER_CONNECTED).peer();
    CHECK_INT(entries("/proc/self/task"), threads);
    const bowline::clock::time_point sent = net.now();
    CHECK(sent == bowline::clock::at(1000000000));
    MUST(a.send(peer, CHANNEL, "hello"));
    MUST(net.advance(40ms - 1ns));
    CHECK(!had(b, BOWLINE_EV_MESSAGE));
    MUST(net.advance(1ns));
    const bowline::event hello = take(b, BOWLINE_EV_MESSAGE);
    CHECK(hello.text() == "hello" && hello.time() == sent + 40ms && hello.time() == net.now());
    MUST(b.send(back, CHANNEL, "hi"));
    CHECK(MUST(net.advance_to_event(1s)));
    const bowline::event hi = take(a, BOWLINE_EV_MESSAGE);
    CHECK(hi.text() == "hi" && hi.time() == net.now());
    CHECK(hi.time() - sent >= 43ms && hi.time() - sent < 44ms); /* bytes take time on this way */
    const bowline::clock::time_point then = net.now();
    CHECK(!MUST(net.advance_to_event(1s)));
    CHECK(net.now() == then + 1s);
    MUST(a.stop());
    CHECK(net.now() == then + 1s);
}

CASE(a_cut_link_goes_down_and_a_healed_one_comes_back)
{
    bowline::memnet net = MUST(bowline::memnet::make(2));
    bowline::node a = member(net, 1);
    bowline::node b = member(net, 2);
    linked(net, a, 2);
    const auto is_lost = [&] { return had(a, BOWLINE_EV_PEER_DISCONNECTED) && had(b, BOWLINE_EV_PEER_DISCONNECTED); };
    const auto is_back = [&] { return had(a, BOWLINE_EV_PEER_CONNECTED) && had(b, BOWLINE_EV_PEER_CONNECTED); };
    MUST(net.cut(at(1), at(2)));
    MUST(net.advance(20s));
    CHECK(!had(a, BOWLINE_EV_PEER_DISCONNECTED));
    MUST(net.advance(3min));
    CHECK(is_lost());
    MUST(net.heal(at(1), at(2)));
    MUST(net.advance(30min));
    CHECK(is_back());
    MUST(net.cut());
    MUST(net.advance(200s));
    CHECK(is_lost());
    MUST(net.heal());
    MUST(net.advance(30min));
    CHECK(is_back());
    bowline::memnet::way lossy;
    lossy.loss_ppm = 1000000;
    MUST(net.link(lossy));
    MUST(net.advance(200s));
    CHECK(is_lost());
}

/* What four nodes hear in some minutes, and the fingerprint. */
static std::string story(std::uint64_t seed)
{
    bowline::memnet net = MUST(bowline::memnet::make(seed));
    std::vector<bowline::node> nodes;
    std::string log;
    for (int number = 1; number <= 4; number++) {
        nodes.push_back(member(net, number));
        if (number > 1) {
            MUST(nodes.back().connect(at(1)));
        }
    }
    MUST(net.link({25ms, 15ms, 10000, 500000}));
    const bowline::clock::time_point end = net.now() + 200s;
    while (MUST(net.advance_to_event(end - net.now()))) {
        for (bowline::node &node : nodes) {
            bowline::event event;
            while (MUST(node.main_queue().poll(event, bowline::nowait)) == bowline::polled::some) {
                log += std::to_string(event.time().time_since_epoch().count()) + " " + std::to_string(event.kind());
                log += " " + std::to_string(event.peer()) + " " + std::string(event.text()) + "\n";
                if (event.kind() == BOWLINE_EV_PEER_CONNECTED) {
                    /* A link that a loss ends in the moment in which it opens is gone when its event is polled. */
                    const bowline_result sent = node.try_send(event.peer(), CHANNEL, "greetings");
                    CHECK(sent == BOWLINE_OK || sent == BOWLINE_E_PEER_GONE);
                }
            }
        }
    }
    return log + std::to_string(MUST(net.fingerprint()));
}

CASE(a_seed_gives_the_same_again_and_another_does_not)
{
    const std::string first = story(17);
    CHECK(first.find("greetings") != std::string::npos);
    CHECK(story(17) == first);
    CHECK(story(18) != first);
}

CASE(calls_that_would_wait_say_so_in_virtual_time)
{
    bowline::memnet net = MUST(bowline::memnet::make(4));
    bowline::node a = member(net, 1);
    bowline::node b = member(net, 2);
    const bowline_peer peer = linked(net, a, 2);
    bowline::event event;
    bowline::event_batch batch;
    FAILS(a.main_queue().poll(event, 1s), BOWLINE_E_STATE);
    FAILS(a.main_queue().poll(batch), BOWLINE_E_STATE);
    FAILS(a.send(peer, CHANNEL, "x", 1s), BOWLINE_E_STATE);
    MUST(a.send(peer, CHANNEL, "x"));
    CHECK_HAS(FAILS(a.request_wait(peer, CHANNEL, "x", 1s), BOWLINE_E_STATE).text(), "stands still");
    FAILS(a.connect_wait("10.0.0.2:9732", 1s), BOWLINE_E_STATE);
    FAILS(a.maintain_wait(1s), BOWLINE_E_STATE);
    CHECK(net.now() == bowline::clock::at(1000000000));
}

CASE(a_network_outlives_its_handle)
{
    bowline::memnet net = MUST(bowline::memnet::make(5));
    bowline::node a = member(net, 1);
    const bowline::node b = member(net, 2);
    const bowline_peer peer = linked(net, a, 2);
    bowline::memnet taken = std::move(net);
    FAILS(net.advance(1s), BOWLINE_E_NULL);
    CHECK(net.now() == bowline::clock::at(0));
    taken.reset();
    MUST(a.send(peer, CHANNEL, "under way for ever"));
}

CASE(a_network_refuses_what_cannot_be)
{
    bowline::memnet net = MUST(bowline::memnet::make(6));
    bowline::config config = a_plan();
    MUST(config.set("listen.addresses", at(2).to_string()));
    MUST(config.set("discovery.seeds", "seed.example:9732"));
    MUST(config.use_memnet(net));
    FAILS(config.use_memnet(bowline::memnet()), BOWLINE_E_NULL);
    bowline::node seed = member(net, 1);
    bowline::node node = made(config);
    FAILS(net.link(at(1), at(77), {1ms}), BOWLINE_E_NOT_FOUND);
    FAILS(net.link(at(1), at(2), {-1us}), BOWLINE_E_INVALID);
    FAILS(net.link({1ms, 2h}), BOWLINE_E_INVALID);
    FAILS(net.cut(at(1), at(1)), BOWLINE_E_INVALID);
    FAILS(net.heal(at(77), at(1)), BOWLINE_E_NOT_FOUND);
    FAILS(net.name("seed.example", bowline::address()), BOWLINE_E_INVALID);
    FAILS(net.advance(-1ns), BOWLINE_E_STATE);
    FAILS(net.advance_to_event(-1ns), BOWLINE_E_STATE);
    CHECK(net.now() == bowline::clock::at(0));
    MUST(net.name("Seed.Example", at(1)));
    MUST(node.start());
    MUST(net.advance(2min));
    CHECK(had(node, BOWLINE_EV_PEER_CONNECTED));
}
