/*
 * Nodes on the memory network, in virtual time: what a test of an application's own protocol relies on. Nothing here waits.
 */
#include "nodes.h"

#define MS UINT64_C(1000000)
#define SECOND (UINT64_C(1000) * MS)

static bowline_memnet *a_net(uint64_t seed)
{
    bowline_memnet *net = NULL;
    CHECK_OK(bowline_memnet_new(seed, &net));
    return net;
}

/* The address of a node by its number. */
static bowline_addr at(unsigned number)
{
    char text[40];
    bowline_addr addr;
    (void)snprintf(text, sizeof text, "10.0.0.%u:9732", number);
    CHECK_OK(bowline_addr_parse(text, 0, &addr));
    return addr;
}

/* A node of that number on the network, not started. */
static bowline_node *a_seat(bowline_memnet *net, unsigned number)
{
    char text[40];
    bowline_config *config = a_config();
    (void)snprintf(text, sizeof text, "10.0.0.%u:9732", number);
    set(config, "listen.addresses", text);
    CHECK_OK(bowline_config_use_memnet(config, net));
    return a_node_of(config, (uint8_t)number);
}

static bowline_node *a_member(bowline_memnet *net, unsigned number)
{
    bowline_node *node = a_seat(net, number);
    start(node);
    return node;
}

/* Takes the next event without waiting; 0 if there is none. */
static int next(bowline_node *node, bowline_event *event)
{
    bowline_result result = bowline_queue_poll(bowline_node_main_queue(node), event, sizeof *event, BOWLINE_NOWAIT);
    if (result == BOWLINE_E_AGAIN) {
        return 0;
    }
    CHECK_OK(result);
    return 1;
}

/* The next event of that kind, which must be there; others are released. */
static bowline_event take(bowline_node *node, int32_t kind)
{
    bowline_event event;
    for (;;) {
        CHECK(next(node, &event));
        if (event.kind == kind) {
            return event;
        }
        bowline_events_release(&event, sizeof event, 1);
    }
}

/* Whether there was an event of that kind; all are taken. */
static int had(bowline_node *node, int32_t kind)
{
    bowline_event event;
    int found = 0;
    while (next(node, &event)) {
        found |= event.kind == kind;
        bowline_events_release(&event, sizeof event, 1);
    }
    return found;
}

/* The peer of the next link that opened. */
static bowline_peer up(bowline_node *node)
{
    bowline_event event = take(node, BOWLINE_EV_PEER_CONNECTED);
    let_go(&event);
    return event.peer;
}

/* Connects two nodes, and gives the peer at the first. */
static bowline_peer linked(bowline_memnet *net, bowline_node *from, bowline_node *to)
{
    bowline_addr addr = address_of(to);
    CHECK_OK(bowline_connect(from, &addr, NULL, 0, 77));
    CHECK_OK(bowline_memnet_advance(net, SECOND));
    return up(from);
}

static void two_nodes_talk_without_threads_and_sockets(void)
{
    int threads = 0;
    int descriptors = 0;
    bowline_memnet *net = a_net(1);
    bowline_addr one = at(1);
    bowline_addr two = at(2);
    bowline_node *a = NULL;
    bowline_node *b = NULL;
    bowline_event event;
    bowline_peer peer = 0;
    uint64_t sent = 0;
    threads = entries("/proc/self/task");
    descriptors = entries("/proc/self/fd");
    a = a_member(net, 1);
    b = a_member(net, 2);
    CHECK_OK(bowline_memnet_link(net, &one, &two, 40000, 0, 0, 0));
    CHECK_OK(bowline_memnet_link(net, &two, &one, 3000, 0, 0, 0));
    peer = linked(net, a, b);
    CHECK(up(b) != 0);
    CHECK_INT(entries("/proc/self/task"), threads);
    CHECK_INT(entries("/proc/self/fd"), descriptors);
    sent = bowline_memnet_now(net);
    CHECK_INT(sent, SECOND);
    CHECK_OK(bowline_send(a, peer, CHANNEL, "hello", 5, NULL));
    CHECK_OK(bowline_memnet_advance(net, 40 * MS - 1));
    CHECK(!next(b, &event));
    CHECK_OK(bowline_memnet_advance(net, 1));
    event = take(b, BOWLINE_EV_MESSAGE);
    CHECK_INT(event.len, 5);
    CHECK(memcmp(event.data, "hello", 5) == 0);
    CHECK_INT(event.time_ns, sent + 40 * MS);
    CHECK_OK(bowline_send(b, event.peer, CHANNEL, "hi", 2, NULL));
    bowline_events_release(&event, sizeof event, 1);
    CHECK_OK(bowline_memnet_advance_to_event(net, SECOND));
    CHECK_INT(bowline_memnet_now(net), sent + 43 * MS);
    event = take(a, BOWLINE_EV_MESSAGE);
    bowline_events_release(&event, sizeof event, 1);
    CHECK_IS(bowline_memnet_advance_to_event(net, SECOND), BOWLINE_E_TIMEOUT);
    CHECK_INT(bowline_memnet_now(net), sent + 43 * MS + SECOND);
    CHECK_OK(bowline_node_stop(a, 1000));
    CHECK_INT(bowline_memnet_now(net), sent + 43 * MS + SECOND);
    CHECK_OK(bowline_memnet_advance(net, SECOND));
    CHECK(had(b, BOWLINE_EV_PEER_DISCONNECTED));
    bowline_node_free(a);
    bowline_node_free(b);
    bowline_memnet_free(net);
}

static void a_cut_link_goes_down_and_a_healed_one_comes_back(void)
{
    bowline_memnet *net = a_net(2);
    bowline_addr one = at(1);
    bowline_addr two = at(2);
    bowline_node *a = a_member(net, 1);
    bowline_node *b = a_member(net, 2);
    linked(net, a, b);
    CHECK_OK(bowline_memnet_cut(net, &one, &two, 1));
    CHECK_OK(bowline_memnet_advance(net, 20 * SECOND));
    CHECK(!had(a, BOWLINE_EV_PEER_DISCONNECTED));
    CHECK_OK(bowline_memnet_advance(net, 180 * SECOND));
    CHECK(had(a, BOWLINE_EV_PEER_DISCONNECTED) && had(b, BOWLINE_EV_PEER_DISCONNECTED));
    CHECK_OK(bowline_memnet_cut(net, &one, &two, 0));
    CHECK_OK(bowline_memnet_advance(net, 1800 * SECOND));
    CHECK(had(a, BOWLINE_EV_PEER_CONNECTED) && had(b, BOWLINE_EV_PEER_CONNECTED));
    /* All from all, and then not these two, which find each other. */
    CHECK_OK(bowline_memnet_cut(net, NULL, NULL, 1));
    CHECK_OK(bowline_memnet_advance(net, 200 * SECOND));
    CHECK(had(a, BOWLINE_EV_PEER_DISCONNECTED) && had(b, BOWLINE_EV_PEER_DISCONNECTED));
    CHECK_OK(bowline_memnet_cut(net, &one, &two, 0));
    CHECK_OK(bowline_memnet_advance(net, 1800 * SECOND));
    CHECK(had(a, BOWLINE_EV_PEER_CONNECTED) && had(b, BOWLINE_EV_PEER_CONNECTED));
    /* All again, and then nobody. */
    CHECK_OK(bowline_memnet_cut(net, NULL, NULL, 1));
    CHECK_OK(bowline_memnet_advance(net, 200 * SECOND));
    CHECK(had(a, BOWLINE_EV_PEER_DISCONNECTED) && had(b, BOWLINE_EV_PEER_DISCONNECTED));
    CHECK_OK(bowline_memnet_cut(net, NULL, NULL, 0));
    CHECK_OK(bowline_memnet_advance(net, 1800 * SECOND));
    CHECK(had(a, BOWLINE_EV_PEER_CONNECTED) && had(b, BOWLINE_EV_PEER_CONNECTED));
    /* A lost piece is a broken stream. */
    CHECK_OK(bowline_memnet_link(net, NULL, NULL, 1000, 0, 1000000, 0));
    CHECK_OK(bowline_memnet_advance(net, 200 * SECOND));
    CHECK(had(a, BOWLINE_EV_PEER_DISCONNECTED));
    bowline_node_free(a);
    bowline_node_free(b);
    bowline_memnet_free(net);
}

/* A log of everything that a small network's queues say: each number of each event, and the bytes of messages. */
static size_t log_of(uint64_t seed, char *log, size_t cap, uint64_t *fingerprint)
{
    enum { COUNT = 4 };
    static const uint64_t END = UINT64_C(200) * SECOND;
    bowline_memnet *net = a_net(seed);
    bowline_node *nodes[COUNT];
    size_t len = 0;
    unsigned i = 0;
    for (i = 0; i < COUNT; i++) {
        bowline_addr first = at(1);
        nodes[i] = a_member(net, i + 1);
        if (i > 0) {
            CHECK_OK(bowline_connect(nodes[i], &first, NULL, 0, i));
        }
    }
    CHECK_OK(bowline_memnet_link(net, NULL, NULL, 25000, 15000, 10000, 500000));
    while (bowline_memnet_now(net) < END) {
        bowline_result result = bowline_memnet_advance_to_event(net, END - bowline_memnet_now(net));
        if (result == BOWLINE_E_TIMEOUT) {
            break;
        }
        CHECK_OK(result);
        for (i = 0; i < COUNT; i++) {
            bowline_event event;
            while (next(nodes[i], &event)) {
                int wrote = 0;
                wrote = snprintf(log + len, cap - len, "%llu %u: %d %d %llu %llu %llu %llu %u %u %.*s %s\n",
                                 (unsigned long long)bowline_memnet_now(net), i, event.kind, event.result,
                                 (unsigned long long)event.peer, (unsigned long long)event.request,
                                 (unsigned long long)event.tag, (unsigned long long)event.time_ns, event.channel, event.detail,
                                 (int)event.len, event.data == NULL ? "" : (const char *)event.data,
                                 event.flags == 0 ? "" : bowline_reason_text(event.flags));
                CHECK(wrote > 0 && len + (size_t)wrote < cap);
                len += (size_t)wrote;
                if (event.kind == BOWLINE_EV_PEER_CONNECTED) {
                    /* A link that a loss ends in the moment in which it opens is gone when its event is polled. */
                    bowline_result sent = bowline_send(nodes[i], event.peer, CHANNEL, "greetings", 9, NULL);
                    CHECK(sent == BOWLINE_OK || sent == BOWLINE_E_PEER_GONE);
                }
                bowline_events_release(&event, sizeof event, 1);
            }
        }
    }
    CHECK_OK(bowline_memnet_fingerprint(net, fingerprint));
    for (i = 0; i < COUNT; i++) {
        bowline_node_free(nodes[i]);
    }
    bowline_memnet_free(net);
    return len;
}

static void a_seed_gives_the_same_events_again_and_another_gives_others(void)
{
    static char logs[3][1 << 20];
    uint64_t prints[3] = {0, 0, 0};
    size_t len = log_of(17, logs[0], sizeof logs[0], &prints[0]);
    CHECK_HAS(logs[0], "greetings");
    CHECK_HAS(logs[0], "connection reset");
    CHECK_INT(log_of(17, logs[1], sizeof logs[1], &prints[1]), len);
    CHECK(memcmp(logs[0], logs[1], len) == 0 && prints[0] == prints[1]);
    (void)log_of(18, logs[2], sizeof logs[2], &prints[2]);
    CHECK(strcmp(logs[0], logs[2]) != 0 && prints[0] != prints[2]);
}

static void a_request_is_late_by_the_networks_time(void)
{
    bowline_memnet *net = a_net(3);
    bowline_node *a = a_member(net, 1);
    bowline_node *b = a_member(net, 2);
    bowline_peer peer = linked(net, a, b);
    bowline_msg *question = NULL;
    bowline_event event;
    CHECK_OK(bowline_msg_copy("?", 1, &question));
    CHECK_OK(bowline_request_start(a, peer, CHANNEL, question, 60000, 5, NULL, NULL));
    bowline_msg_free(question);
    CHECK_OK(bowline_memnet_advance(net, 59 * SECOND));
    CHECK(had(b, BOWLINE_EV_REQUEST));
    CHECK(!had(a, BOWLINE_EV_RESPONSE));
    CHECK_OK(bowline_memnet_advance(net, SECOND));
    event = take(a, BOWLINE_EV_RESPONSE);
    CHECK_INT(event.tag, 5);
    CHECK_INT(event.result, BOWLINE_E_TIMEOUT);
    bowline_node_free(a);
    bowline_node_free(b);
    bowline_memnet_free(net);
}

static void calls_that_would_wait_say_so(void)
{
    bowline_memnet *net = a_net(4);
    bowline_node *a = a_member(net, 1);
    bowline_node *b = a_member(net, 2);
    bowline_peer peer = linked(net, a, b);
    bowline_queue *queue = bowline_node_main_queue(a);
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    bowline_event event;
    bowline_error *err = NULL;
    size_t count = 0;
    size_t links = 0;
    CHECK_IS(bowline_queue_poll(queue, &event, sizeof event, 1), BOWLINE_E_STATE);
    CHECK_IS(bowline_queue_poll_batch(queue, &event, sizeof event, 1, &count, BOWLINE_FOREVER), BOWLINE_E_STATE);
    opts.timeout_ms = 1;
    CHECK_IS(bowline_send(a, peer, CHANNEL, "x", 1, &opts), BOWLINE_E_STATE);
    opts.timeout_ms = 0;
    CHECK_OK(bowline_send(a, peer, CHANNEL, "x", 1, &opts));
    CHECK_IS(bowline_request_wait(a, peer, CHANNEL, "x", 1, 1000, &event, sizeof event, &err), BOWLINE_E_STATE);
    CHECK_HAS(bowline_error_text(err), "stands still");
    bowline_error_free(err);
    CHECK_IS(bowline_connect_wait(a, "10.0.0.2:9732", 1000, &peer, &err), BOWLINE_E_STATE);
    CHECK_HAS(bowline_error_text(err), "stands still");
    bowline_error_free(err);
    CHECK_IS(bowline_maintain_wait(a, 1000, &links, NULL), BOWLINE_E_STATE);
    CHECK_INT(bowline_memnet_now(net), SECOND);
    bowline_node_free(a);
    bowline_node_free(b);
    bowline_memnet_free(net);
}

static void what_is_freed_first_does_not_matter(void)
{
    bowline_memnet *net = a_net(5);
    bowline_memnet *other = a_net(5);
    bowline_config *config = a_config();
    bowline_node *a = a_member(net, 1);
    bowline_node *b = a_member(net, 2);
    bowline_node *idle = a_seat(net, 3);
    bowline_node *alone = a_member(other, 2);
    bowline_peer peer = linked(net, a, b);
    CHECK_OK(bowline_config_use_memnet(config, other));
    /* Networks share nothing. */
    CHECK_INT(bowline_memnet_now(other), 0);
    CHECK(!had(alone, BOWLINE_EV_PEER_CONNECTED));
    bowline_node_free(b);
    CHECK_OK(bowline_memnet_advance(net, SECOND));
    CHECK(had(a, BOWLINE_EV_PEER_DISCONNECTED));
    bowline_memnet_free(net);
    CHECK_IS(bowline_send(a, peer, CHANNEL, "x", 1, NULL), BOWLINE_E_PEER_GONE);
    bowline_memnet_free(other);
    bowline_config_free(config);
    CHECK_OK(bowline_node_stop(alone, 0));
    bowline_node_free(idle);
    bowline_node_free(a);
    bowline_node_free(alone);
}

static void what_cannot_be_is_refused(void)
{
    bowline_memnet *net = a_net(6);
    bowline_addr one = at(1);
    bowline_addr two = at(2);
    bowline_addr nobody = at(77);
    bowline_addr odd = at(1);
    bowline_node *a = a_member(net, 1);
    /* Made is enough to be known. */
    bowline_node *b = a_seat(net, 2);
    bowline_node *twin = a_seat(net, 1);
    bowline_error *err = NULL;
    odd.family = 9;
    CHECK_OK(bowline_memnet_link(net, &one, &two, 1, 0, 0, 0));
    CHECK_IS(bowline_memnet_link(net, &one, &nobody, 1, 0, 0, 0), BOWLINE_E_NOT_FOUND);
    CHECK_IS(bowline_memnet_cut(net, &nobody, &one, 1), BOWLINE_E_NOT_FOUND);
    CHECK_IS(bowline_memnet_link(net, &one, NULL, 1, 0, 0, 0), BOWLINE_E_INVALID);
    CHECK_IS(bowline_memnet_cut(net, NULL, &one, 1), BOWLINE_E_INVALID);
    CHECK_IS(bowline_memnet_cut(net, &one, &one, 1), BOWLINE_E_INVALID);
    CHECK_IS(bowline_memnet_cut(net, &odd, &two, 1), BOWLINE_E_INVALID);
    CHECK_IS(bowline_memnet_cut(net, &one, &two, 2), BOWLINE_E_INVALID);
    CHECK_IS(bowline_memnet_link(net, &one, &two, UINT64_C(3600000001), 0, 0, 0), BOWLINE_E_INVALID);
    CHECK_IS(bowline_memnet_link(net, NULL, NULL, 1, UINT64_MAX, 0, 0), BOWLINE_E_INVALID);
    CHECK_IS(bowline_memnet_link(net, NULL, NULL, 1, 0, 1000001, 0), BOWLINE_E_INVALID);
    CHECK_IS(bowline_memnet_name(net, "seed.example", &odd), BOWLINE_E_INVALID);
    CHECK_IS(bowline_memnet_advance(net, UINT64_MAX), BOWLINE_E_STATE);
    CHECK_INT(bowline_memnet_now(net), 0);
    /* One address, one node. */
    CHECK_IS(bowline_node_start(twin, &err), BOWLINE_E_ADDR_IN_USE);
    bowline_error_free(err);
    CHECK_OK(bowline_node_stop(a, 0));
    start(twin);
    CHECK_OK(bowline_memnet_advance(net, 0));
    bowline_node_free(twin);
    bowline_node_free(a);
    bowline_node_free(b);
    bowline_memnet_free(net);
}

static void names_lead_where_the_network_says(void)
{
    bowline_memnet *net = a_net(7);
    bowline_config *config = a_config();
    bowline_addr one = at(1);
    bowline_node *seed = a_member(net, 1);
    bowline_node *node = NULL;
    set(config, "listen.addresses", "10.0.0.2:9732");
    set(config, "discovery.seeds", "seed.example:9732");
    CHECK_OK(bowline_config_use_memnet(config, net));
    CHECK_OK(bowline_memnet_name(net, "Seed.Example", &one));
    node = a_node_of(config, 2);
    start(node);
    CHECK_OK(bowline_memnet_advance(net, 120 * SECOND));
    CHECK(had(node, BOWLINE_EV_PEER_CONNECTED));
    bowline_node_free(node);
    bowline_node_free(seed);
    bowline_memnet_free(net);
}

static void a_stopped_nodes_last_events_are_events(void)
{
    bowline_memnet *net = a_net(1);
    bowline_node *node = a_member(net, 1);
    bowline_queue *queue = bowline_node_main_queue(node);
    bowline_event event;
    CHECK_OK(bowline_node_stop(node, 0));
    CHECK_OK(bowline_memnet_advance_to_event(net, SECOND));
    CHECK_INT(bowline_memnet_now(net), 0);
    while (bowline_queue_poll(queue, &event, sizeof event, BOWLINE_NOWAIT) == BOWLINE_OK) {
        bowline_events_release(&event, sizeof event, 1);
    }
    CHECK_IS(bowline_memnet_advance_to_event(net, SECOND), BOWLINE_E_TIMEOUT);
    CHECK_INT(bowline_memnet_now(net), SECOND);
    bowline_node_free(node);
    /* What nobody can poll any more is none, also while another queue keeps the node. */
    bowline_node_free(a_member(net, 2));
    CHECK_IS(bowline_memnet_advance_to_event(net, SECOND), BOWLINE_E_TIMEOUT);
    node = a_seat(net, 3);
    CHECK_OK(bowline_queue_new(node, "second", &queue));
    start(node);
    bowline_node_free(node);
    CHECK_OK(bowline_memnet_advance_to_event(net, SECOND));
    while (bowline_queue_poll(queue, &event, sizeof event, BOWLINE_NOWAIT) == BOWLINE_OK) {
        bowline_events_release(&event, sizeof event, 1);
    }
    CHECK_IS(bowline_memnet_advance_to_event(net, SECOND), BOWLINE_E_TIMEOUT);
    bowline_queue_free(queue);
    bowline_memnet_free(net);
}

static void another_nodes_address_is_refused_by_name(void)
{
    bowline_memnet *net = a_net(1);
    bowline_node *first = a_member(net, 1);
    bowline_node *second = NULL;
    bowline_config *config = a_config();
    bowline_keypair *key = NULL;
    bowline_error *err = NULL;
    set(config, "listen.addresses", "10.0.0.2:9732,10.0.0.1:9733");
    CHECK_OK(bowline_config_use_memnet(config, net));
    CHECK_OK(bowline_keypair_generate(0, 0, &key));
    CHECK_IS(bowline_node_new(config, key, &second, &err), BOWLINE_E_INVALID);
    CHECK_HAS(bowline_error_text(err), "10.0.0.1 is the address of another node");
    bowline_error_free(err);
    bowline_node_free(first);
    CHECK_OK(bowline_node_new(config, key, &second, NULL));
    start(second);
    bowline_node_free(second);
    bowline_config_free(config);
    bowline_keypair_free(key);
    bowline_memnet_free(net);
}

/* On the network's own addresses, and of nobody else's. */
static void a_node_listens_at_more_addresses(void)
{
    bowline_memnet *net = a_net(1);
    bowline_node *a = a_member(net, 1);
    bowline_node *b = a_member(net, 2);
    bowline_addr any = at(1);
    bowline_addr others = at(2);
    bowline_addr bound;
    any.port = 0;
    others.port = 1;
    CHECK_OK(bowline_listen_add(a, &any, &bound, NULL));
    CHECK(bound.port != 0);
    CHECK_IS(bowline_listen_add(a, &bound, NULL, NULL), BOWLINE_E_ADDR_IN_USE);
    CHECK_IS(bowline_listen_add(a, &others, NULL, NULL), BOWLINE_E_ADDR_UNAVAILABLE);
    CHECK_OK(bowline_connect(b, &bound, NULL, 0, 1));
    CHECK_OK(bowline_memnet_advance(net, SECOND));
    CHECK_OK(bowline_listen_remove(a, &bound));
    CHECK_IS(bowline_listen_remove(a, &bound), BOWLINE_E_NOT_FOUND);
    CHECK(had(b, BOWLINE_EV_PEER_CONNECTED));
    CHECK_OK(bowline_memnet_advance(net, SECOND));
    CHECK(!had(b, BOWLINE_EV_PEER_DISCONNECTED));
    bowline_node_free(a);
    bowline_node_free(b);
    bowline_memnet_free(net);
}

static const bt_test tests[] = {
    BT(two_nodes_talk_without_threads_and_sockets),
    BT(a_cut_link_goes_down_and_a_healed_one_comes_back),
    BT(a_seed_gives_the_same_events_again_and_another_gives_others),
    BT(a_request_is_late_by_the_networks_time),
    BT(calls_that_would_wait_say_so),
    BT(what_is_freed_first_does_not_matter),
    BT(what_cannot_be_is_refused),
    BT(a_stopped_nodes_last_events_are_events),
    BT(another_nodes_address_is_refused_by_name),
    BT(names_lead_where_the_network_says),
    BT(a_node_listens_at_more_addresses),
};
BT_MAIN(tests)
