/* started.hpp: nodes that run, meet, and say what happened to them. Needs tap.hpp. */
#ifndef STARTED_HPP
#define STARTED_HPP

#include "tap.hpp"

#include <atomic>
#include <thread>

using namespace std::chrono_literals;

/* A configuration with which a node can be made and started. */
inline bowline::config a_plan()
{
    bowline::config config = MUST(bowline::config::make());
    MUST(config.set("network.name", "cxx-tests"));
    MUST(config.set("network.pow_bits", 0));
    MUST(config.set("network.allow_private", true));
    MUST(config.set("listen.addresses", "127.0.0.1:0"));
    MUST(config.set("discovery.bootstrap", true));
    MUST(config.set("accept.ip_burst", 1000));
    MUST(config.add_channel(CHANNEL, "test"));
    return config;
}

inline bowline::node made(const bowline::config &config = a_plan())
{
    return MUST(bowline::node::make(config, MUST(bowline::keypair::generate(0))));
}

inline bowline::node started()
{
    bowline::node node = made();
    MUST(node.start());
    return node;
}

inline std::string where(const bowline::node &node)
{
    return MUST(node.listen_addrs()).at(0).to_string();
}

inline bowline_peer connected(bowline::node &from, const bowline::node &to)
{
    return MUST(from.connect_wait(where(to), 10s));
}

/* The next event of a kind; others are dropped. */
inline bowline::event next(bowline::queue_ref queue, bowline_event_kind kind)
{
    bowline::event event;
    do {
        CHECK(MUST(queue.poll(event, 20s)) == bowline::polled::some);
    } while (event.kind() != kind);
    return event;
}

inline bowline::event next(const bowline::node &node, bowline_event_kind kind)
{
    return next(node.main_queue(), kind);
}

#endif
