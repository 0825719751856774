/*
 * gossip: a node in C++. One thread reads what you type, another prints what arrives and passes it on. It speaks with the gossip nodes in C
 * and Rust: a message
 * is a line of text, and its name is its contents.
 *
 *   c++ -std=c++17 gossip.cc -lbowline -lpthread -o gossip
 *   ./gossip 127.0.0.1:0                          (prints its address with its id)
 *   ./gossip 127.0.0.1:0 <what others printed>...
 */
#include <bowline.hpp>
#include <algorithm>
#include <deque>
#include <iostream>
#include <mutex>
#include <set>
#include <thread>

namespace {

constexpr bowline_channel gossip_channel = 0x21;
constexpr std::size_t remembered = 1024; /* messages, so that none goes round for ever */

bowline::node make_node(const char *listen)
{
    /* A network of nodes that know each other: no proof of work, private addresses, several on one machine. */
    bowline::config config = bowline::config::make();
    config.set("network.name", "gossip-example");
    config.set("network.pow_bits", 0);
    config.set("network.allow_private", true);
    config.set("accept.ip_burst", 100);
    config.set("discovery.bootstrap", true);
    config.set("listen.addresses", listen);
    config.add_channel(gossip_channel, "gossip");
    return bowline::node::make(config, bowline::keypair::generate(0));
}

class gossip {
  public:
    gossip(const char *listen, char **first_peer, char **end) : node_(make_node(listen))
    {
        node_.start();
        std::cout << "bowline://" << node_.id().to_string() << '@' << node_.listen_addrs().at(0).to_string() << std::endl;
        std::for_each(first_peer, end, [this](const char *peer) { node_.persistent_add(peer); });
        hearer_ = std::thread([this] { hear(); });
    }
    gossip(const gossip &) = delete;
    gossip &operator=(const gossip &) = delete;
    /* Sends what is queued and ends the other thread. By the C function, which does not throw. */
    ~gossip()
    {
        bowline_node_stop(node_.get(), 1000);
        hearer_.join();
    }

    void say(const std::string &line)
    {
        if (is_new(line)) {
            node_.broadcast(gossip_channel, line);
        }
    }

  private:
    /* Nothing may be thrown out of a thread. */
    void hear() noexcept
    {
        try {
            hear_all();
        } catch (const bowline::error &failure) {
            /* That the node stops while something is passed on is no failure. */
            if (failure.code() != BOWLINE_E_STOPPED) {
                std::cerr << failure.what() << std::endl;
            }
        }
    }

    /* Prints what arrives and passes it on, until the node stops. */
    void hear_all()
    {
        bowline::event_batch batch;
        while (node_.main_queue().poll(batch) != bowline::polled::stopped) {
            for (const auto &event : batch) {
                if (event.kind() == BOWLINE_EV_PEER_CONNECTED) {
                    std::cout << "* peer " << event.peer() << " is here" << std::endl;
                } else if (event.kind() == BOWLINE_EV_PEER_DISCONNECTED) {
                    std::cout << "* peer " << event.peer() << " is gone: " << event.reason() << std::endl;
                } else if (event.kind() == BOWLINE_EV_MESSAGE) {
                    pass_on(event);
                }
            }
        }
    }

    void pass_on(const bowline::event &event)
    {
        std::string text(event.text());
        if (!is_new(text)) {
            return;
        }
        /* What others send must not steer the terminal. */
        const auto steers = [](char character) { return static_cast<unsigned char>(character) < 0x20 || character == 0x7f; };
        std::replace_if(text.begin(), text.end(), steers, '?');
        std::cout << text << std::endl;
        /* As it is, without a copy, to all but the one it came from. Who is slow misses it. */
        node_.broadcast(gossip_channel, event.message(), event.peer());
    }

    bool is_new(const std::string &line)
    {
        const std::lock_guard<std::mutex> turn(mutex_);
        if (!seen_.insert(line).second) {
            return false;
        }
        order_.push_back(line);
        if (order_.size() > remembered) {
            seen_.erase(order_.front());
            order_.pop_front();
        }
        return true;
    }

    bowline::node node_;
    std::mutex mutex_; /* of what was seen; the node itself needs none */
    std::set<std::string> seen_;
    std::deque<std::string> order_;
    std::thread hearer_;
};

} // namespace

int main(int argc, char **argv)
{
    if (argc < 2) {
        std::cerr << "usage: gossip <address to listen on> [<peer>...]" << std::endl;
        return 1;
    }
    try {
        bowline::check_abi();
        gossip own(argv[1], argv + 2, argv + argc);
        std::string line;
        while (std::getline(std::cin, line)) {
            own.say(line);
        }
    } catch (const bowline::error &failure) {
        std::cerr << failure.what() << std::endl;
        return 1;
    }
    return 0;
}
