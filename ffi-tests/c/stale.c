/*
 * Handles and numbers at the wrong place or time: of another type, of another node, of what is over; every call before the start and
 * after the stop; objects that several nodes are made from; nodes that know nothing of each other.
 */
#include "hard.h"

/* ---- handles of another type ---- */

enum { CONFIG, KEYPAIR, NODE, QUEUE, MSG, LIST, ERROR, KINDS };
static const char *const kind_names[KINDS] = {"config", "keypair", "node", "queue", "msg", "list", "error"};

typedef struct {
    void *handles[KINDS];
} zoo;

static zoo a_zoo(void)
{
    zoo all;
    bowline_keypair *key = NULL;
    bowline_msg *msg = NULL;
    bowline_list *list = NULL;
    bowline_error *err = NULL;
    bowline_queue *queue = NULL;
    bowline_node *node = a_node(1);
    CHECK_OK(bowline_keypair_generate(0, 0, &key));
    CHECK_OK(bowline_msg_copy("x", 1, &msg));
    CHECK_OK(bowline_peers_snapshot(node, &list));
    CHECK_OK(bowline_queue_new(node, "q", &queue));
    CHECK_IS(bowline_node_set(node, "pool.max", "1", &err), BOWLINE_E_STATE);
    all.handles[CONFIG] = a_config();
    all.handles[KEYPAIR] = key;
    all.handles[NODE] = node;
    all.handles[QUEUE] = queue;
    all.handles[MSG] = msg;
    all.handles[LIST] = list;
    all.handles[ERROR] = err;
    return all;
}

/* What a call of that kind answers to a handle. */
static int32_t ask(int kind, void *handle)
{
    bowline_peer_id id;
    bowline_event event;
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    switch (kind) {
    case CONFIG:
        return bowline_config_set(handle, "pool.max", "60", NULL);
    case KEYPAIR:
        return bowline_keypair_id(handle, &id);
    case NODE:
        return bowline_node_id(handle, &id);
    case QUEUE:
        return bowline_queue_poll(handle, &event, sizeof event, 0) == BOWLINE_E_AGAIN ? BOWLINE_OK : BOWLINE_E_INVALID;
    case MSG:
        return bowline_msg_len(handle) == 1 && bowline_msg_data(handle) != NULL ? BOWLINE_OK : BOWLINE_E_INVALID;
    case LIST:
        return bowline_list_peer(handle, 0, &info) == BOWLINE_E_NOT_FOUND ? BOWLINE_OK : BOWLINE_E_INVALID;
    default:
        return bowline_error_code(handle) == BOWLINE_E_STATE ? BOWLINE_OK : BOWLINE_E_INVALID;
    }
}

static void free_as(int kind, void *handle)
{
    switch (kind) {
    case CONFIG:
        bowline_config_free(handle);
        break;
    case KEYPAIR:
        bowline_keypair_free(handle);
        break;
    case NODE:
        bowline_node_free(handle);
        break;
    case QUEUE:
        bowline_queue_free(handle);
        break;
    case MSG:
        bowline_msg_free(handle);
        break;
    case LIST:
        bowline_list_free(handle);
        break;
    default:
        bowline_error_free(handle);
        break;
    }
}

static void free_zoo(zoo *all)
{
    int kind = 0;
    for (kind = KINDS - 1; kind >= 0; kind--) {
        free_as(kind, all->handles[kind]);
    }
}

static void every_pair_of_types_is_told_apart(void)
{
    zoo all = a_zoo();
    int wanted = 0;
    int given = 0;
    for (wanted = 0; wanted < KINDS; wanted++) {
        for (given = 0; given < KINDS; given++) {
            int32_t result = ask(wanted, all.handles[given]);
            if (result != (wanted == given ? BOWLINE_OK : BOWLINE_E_INVALID)) {
                printf("# a %s where a %s is due: %s\n", kind_names[given], kind_names[wanted], bowline_result_name(result));
                CHECK(0);
            }
        }
    }
    free_zoo(&all);
}

static void freeing_as_another_type_frees_nothing(void)
{
    zoo all = a_zoo();
    int wanted = 0;
    int given = 0;
    for (wanted = 0; wanted < KINDS; wanted++) {
        for (given = 0; given < KINDS; given++) {
            if (wanted != given) {
                free_as(wanted, all.handles[given]);
            }
        }
    }
    for (given = 0; given < KINDS; given++) {
        CHECK_OK(ask(given, all.handles[given]));
    }
    free_zoo(&all);
}

static int32_t invalid(const call *made)
{
    (void)made;
    return BOWLINE_E_INVALID;
}

static void every_call_refuses_what_is_no_node(void)
{
    zoo all = a_zoo();
    target to = a_target(all.handles[NODE]);
    int kind = 0;
    for (kind = 0; kind < KINDS; kind++) {
        if (kind != NODE && kind != QUEUE) {
            to.node = all.handles[kind];
            to.queue = all.handles[kind];
            make_all(&to, invalid, kind_names[kind]);
        }
    }
    bowline_msg_free(to.msg);
    free_zoo(&all);
}

static int32_t of_null(const call *made)
{
    (void)made;
    return BOWLINE_E_NULL;
}

static void every_call_refuses_null_by_name(void)
{
    bowline_node *node = a_node(1);
    target to = a_target(node);
    to.node = NULL;
    to.queue = NULL;
    make_all(&to, of_null, "with NULL");
    bowline_msg_free(to.msg);
    bowline_node_free(node);
}

/* Bytes that are no object at all. */
static void memory_that_is_no_object_is_refused(void)
{
    static uint64_t words[64];
    bowline_node *node = a_node(1);
    target to = a_target(node);
    size_t at = 0;
    for (at = 0; at < 3; at++) {
        memset(words, at == 0 ? 0 : at == 1 ? 0xff : 0x62, sizeof words);
        to.node = (void *)words;
        to.queue = (void *)words;
        make_all(&to, invalid, "with bytes that are no object");
    }
    CHECK_INT(bowline_node_state((void *)words), BOWLINE_STATE_INVALID);
    CHECK_INT(bowline_queue_fd((void *)words), -1);
    CHECK(bowline_node_main_queue((void *)words) == NULL && bowline_msg_ref((void *)words) == NULL);
    bowline_msg_free(to.msg);
    bowline_node_free(node);
}

static int32_t before_the_start(const call *made)
{
    return made->before;
}

static void every_call_before_the_start_answers_as_documented(void)
{
    target to = a_target(a_node(1));
    make_all(&to, before_the_start, "before the start");
    CHECK_INT(bowline_node_state(to.node), BOWLINE_STATE_NEW);
    bowline_node_free(to.node);
    bowline_msg_free(to.msg);
}

static int32_t after_the_stop(const call *made)
{
    return made->after;
}

static void every_call_after_the_stop_answers_as_documented(void)
{
    target to = a_target(a_node(1));
    bowline_event event;
    start(to.node);
    CHECK_OK(bowline_node_stop(to.node, 0));
    while (bowline_queue_poll(to.queue, &event, sizeof event, 0) == BOWLINE_OK) {
        bowline_events_release(&event, sizeof event, 1);
    }
    make_all(&to, after_the_stop, "after the stop");
    to.timeout_ms = BOWLINE_FOREVER; /* nothing waits any more */
    make_all(&to, after_the_stop, "after the stop, for ever");
    bowline_node_free(to.node);
    bowline_msg_free(to.msg);
}

static void every_call_on_a_node_stopped_before_its_start_comes_back(void)
{
    target to = a_target(a_node(1));
    size_t at = 0;
    CHECK_OK(bowline_node_stop(to.node, BOWLINE_FOREVER));
    to.timeout_ms = BOWLINE_FOREVER;
    for (at = 0; at < CALL_COUNT; at++) {
        must_be_documented(&calls[at], calls[at].make(&to));
    }
    CHECK_IS(bowline_node_start(to.node, NULL), BOWLINE_E_STATE);
    bowline_node_free(to.node);
    bowline_msg_free(to.msg);
}

/* ---- numbers of what is over ---- */

static void peers_of_another_node_are_none_here(void)
{
    pair both = a_pair();
    target to = a_target(a_node(3));
    size_t at = 0;
    start(to.node);
    to.peer = both.to_server;
    for (at = 0; at < CALL_COUNT; at++) {
        must_be_documented(&calls[at], calls[at].make(&to));
    }
    CHECK_IS(bowline_send(to.node, both.to_server, CHANNEL, "x", 1, NULL), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_disconnect(to.node, both.to_server, 0, 0), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_set_weight(to.node, both.to_server, 1, NULL), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_set_peer_bandwidth(to.node, both.to_server, 0, 0, NULL), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_ask_addresses(to.node, both.to_server, NULL, NULL), BOWLINE_E_PEER_GONE);
    /* And there it lives on. */
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "x", 1, NULL));
    bowline_node_free(to.node);
    bowline_msg_free(to.msg);
    end(both);
}

static void a_peer_number_is_never_used_again(void)
{
    bowline_config *config = a_config();
    pair both;
    bowline_peer seen[20];
    size_t at = 0;
    set(config, "accept.rate", "10000");
    both = linked_pair(a_node(1), a_node_of(config, 2));
    for (at = 0; at < 20; at++) {
        char address[BOWLINE_ADDR_TEXT_MAX];
        bowline_event event;
        size_t other = 0;
        seen[at] = both.to_server;
        for (other = 0; other < at; other++) {
            CHECK(seen[other] != seen[at]);
            CHECK_IS(bowline_send(both.asker, seen[other], CHANNEL, "x", 1, NULL), BOWLINE_E_PEER_GONE);
        }
        CHECK_OK(bowline_disconnect(both.asker, both.to_server, 0, 0));
        event = await(both.server, BOWLINE_EV_PEER_DISCONNECTED);
        bowline_events_release(&event, sizeof event, 1);
        snprintf(address, sizeof address, "%s", address_text(both.server));
        CHECK_OK(bowline_connect_wait(both.asker, address, 20000, &both.to_server, NULL));
    }
    end(both);
}

static void what_concerns_a_peer_that_went_says_so(void)
{
    pair both = a_pair();
    target to = a_target(both.asker);
    bowline_event event;
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    bowline_list *list = NULL;
    to.peer = both.to_server;
    bowline_node_free(both.server);
    event = await(both.asker, BOWLINE_EV_PEER_DISCONNECTED);
    bowline_events_release(&event, sizeof event, 1);
    CHECK_IS(bowline_send(to.node, to.peer, CHANNEL, "x", 1, NULL), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_send_msg(to.node, to.peer, CHANNEL, to.msg, NULL), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_request_wait(to.node, to.peer, CHANNEL, "x", 1, 1000, &event, sizeof event, NULL), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_request_start(to.node, to.peer, CHANNEL, to.msg, 1000, 0, NULL, NULL), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_respond(to.node, to.peer, CHANNEL, 1, "x", 1, 0), BOWLINE_E_NO_REQUEST);
    CHECK_IS(bowline_disconnect(to.node, to.peer, 0, 0), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_peer_get(to.node, to.peer, &info), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_set_weight(to.node, to.peer, 1, NULL), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_set_peer_bandwidth(to.node, to.peer, 0, 0, NULL), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_discover_wait(to.node, to.peer, 1000, &list, NULL), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_ask_addresses(to.node, to.peer, NULL, NULL), BOWLINE_E_PEER_GONE);
    bowline_node_free(both.asker);
    bowline_msg_free(to.msg);
}

static void requests_of_another_node_are_none_here(void)
{
    pair both = a_pair();
    bowline_node *third = a_node(3);
    bowline_msg *msg = NULL;
    bowline_event asked;
    bowline_request request = 0;
    start(third);
    CHECK_OK(bowline_msg_copy("?", 1, &msg));
    CHECK_OK(bowline_request_start(both.asker, both.to_server, CHANNEL, msg, 20000, 1, NULL, &request));
    asked = await(both.server, BOWLINE_EV_REQUEST);
    CHECK_IS(bowline_respond(third, asked.peer, asked.channel, asked.request, "x", 1, 0), BOWLINE_E_NO_REQUEST);
    CHECK_IS(bowline_respond_msg(third, asked.peer, asked.channel, asked.request, msg, 0), BOWLINE_E_NO_REQUEST);
    CHECK_IS(bowline_respond_error(third, asked.peer, asked.channel, asked.request, 1, "x", 0), BOWLINE_E_NO_REQUEST);
    CHECK_IS(bowline_request_cancel(third, both.to_server, CHANNEL, request), BOWLINE_E_NO_REQUEST);
    /* Nor on another channel, nor for who was asked. */
    CHECK_IS(bowline_respond(both.server, asked.peer, 0x77, asked.request, "x", 1, 0), BOWLINE_E_NO_REQUEST);
    CHECK_IS(bowline_respond(both.asker, both.to_server, CHANNEL, asked.request, "x", 1, 0), BOWLINE_E_NO_REQUEST);
    CHECK_OK(bowline_respond(both.server, asked.peer, asked.channel, asked.request, "x", 1, 0));
    bowline_events_release(&asked, sizeof asked, 1);
    asked = await(both.asker, BOWLINE_EV_RESPONSE);
    CHECK_IS(asked.result, BOWLINE_OK);
    bowline_events_release(&asked, sizeof asked, 1);
    bowline_msg_free(msg);
    bowline_node_free(third);
    end(both);
}

static void a_request_dies_with_its_link(void)
{
    pair both = a_pair();
    bowline_msg *msg = NULL;
    bowline_event event;
    bowline_event asked;
    CHECK_OK(bowline_msg_copy("?", 1, &msg));
    CHECK_OK(bowline_request_start(both.asker, both.to_server, CHANNEL, msg, 20000, 1, NULL, NULL));
    asked = await(both.server, BOWLINE_EV_REQUEST);
    CHECK_OK(bowline_disconnect(both.server, both.to_asker, 0, 0));
    event = await(both.asker, BOWLINE_EV_RESPONSE);
    CHECK_IS(event.result, BOWLINE_E_PEER_GONE);
    bowline_events_release(&event, sizeof event, 1);
    event = await(both.server, BOWLINE_EV_PEER_DISCONNECTED);
    bowline_events_release(&event, sizeof event, 1);
    CHECK_IS(bowline_respond(both.server, asked.peer, asked.channel, asked.request, "x", 1, 0), BOWLINE_E_NO_REQUEST);
    CHECK_INT(asked.data[0], '?');
    bowline_events_release(&asked, sizeof asked, 1);
    bowline_msg_free(msg);
    end(both);
}

static void a_queue_of_another_node_gets_nothing(void)
{
    pair both = a_pair();
    bowline_node *third = a_node(3);
    bowline_queue *own = NULL;
    bowline_msg *msg = NULL;
    bowline_event event;
    CHECK_OK(bowline_queue_new(third, "own", &own));
    CHECK_OK(bowline_msg_copy("?", 1, &msg));
    CHECK_IS(bowline_request_start(both.asker, both.to_server, CHANNEL, msg, 100, 1, own, NULL), BOWLINE_E_INVALID);
    CHECK_IS(bowline_request_start(both.asker, both.to_server, CHANNEL, msg, 100, 1, bowline_node_main_queue(third), NULL),
             BOWLINE_E_INVALID);
    CHECK_IS(bowline_queue_poll(own, &event, sizeof event, 0), BOWLINE_E_AGAIN);
    bowline_msg_free(msg);
    bowline_node_free(third);
    bowline_queue_free(own);
    end(both);
}

/* ---- lists of every kind read as every other ---- */

enum { PEERS, BANS, ADDRS, TEXTS, LIST_KINDS };

static int32_t read_as(int kind, const bowline_list *list, size_t index)
{
    bowline_peer_info peer = BOWLINE_PEER_INFO_INIT;
    bowline_ban_info ban = BOWLINE_BAN_INFO_INIT;
    bowline_addr_info addr = BOWLINE_ADDR_INFO_INIT;
    char text[500];
    switch (kind) {
    case PEERS:
        return bowline_list_peer(list, index, &peer);
    case BANS:
        return bowline_list_ban(list, index, &ban);
    case ADDRS:
        return bowline_list_addr(list, index, &addr);
    default:
        return bowline_list_text(list, index, text, sizeof text, NULL);
    }
}

static void a_list_is_read_as_what_it_is(void)
{
    pair both = a_pair();
    bowline_list *lists[LIST_KINDS] = {NULL, NULL, NULL, NULL};
    int kind = 0;
    int as = 0;
    CHECK_OK(bowline_ban(both.asker, "192.0.2.7", BOWLINE_FOREVER, NULL, NULL, NULL));
    CHECK_OK(bowline_peers_snapshot(both.asker, &lists[PEERS]));
    CHECK_OK(bowline_bans_snapshot(both.asker, &lists[BANS]));
    CHECK_OK(bowline_addrbook_snapshot(both.asker, &lists[ADDRS]));
    CHECK_OK(bowline_healthy_snapshot(both.asker, 1, &lists[TEXTS]));
    end(both);
    for (kind = 0; kind < LIST_KINDS; kind++) {
        CHECK(bowline_list_len(lists[kind]) >= 1);
        for (as = 0; as < LIST_KINDS; as++) {
            CHECK_IS(read_as(as, lists[kind], 0), as == kind ? BOWLINE_OK : BOWLINE_E_INVALID);
            CHECK_IS(read_as(as, lists[kind], bowline_list_len(lists[kind])), as == kind ? BOWLINE_E_NOT_FOUND : BOWLINE_E_INVALID);
            CHECK_IS(read_as(as, lists[kind], SIZE_MAX), as == kind ? BOWLINE_E_NOT_FOUND : BOWLINE_E_INVALID);
        }
        bowline_list_free(lists[kind]);
    }
}

/* ---- what several nodes are made from, and what they share ---- */

static void one_configuration_and_one_key_make_many_nodes(void)
{
    bowline_config *config = a_config();
    bowline_keypair *key = NULL;
    bowline_node *nodes[4];
    char text[32];
    size_t at = 0;
    CHECK_OK(bowline_keypair_generate(0, 0, &key));
    for (at = 0; at < 4; at++) {
        CHECK_OK(bowline_node_new(config, key, &nodes[at], NULL));
        set(config, "pool.max", at == 0 ? "61" : "62");
    }
    bowline_config_free(config);
    bowline_keypair_free(key);
    for (at = 0; at < 4; at++) {
        start(nodes[at]);
        CHECK_OK(bowline_node_get(nodes[at], "pool.max", text, sizeof text, NULL));
        CHECK_TEXT(text, at == 0 ? "100" : at == 1 ? "61" : "62"); /* as it was when the node was made */
    }
    for (at = 0; at < 4; at++) {
        bowline_node_free(nodes[at]);
    }
}

static void two_nodes_share_nothing(void)
{
    bowline_node *one = a_node(1);
    bowline_node *two = a_node(2);
    bowline_list *list = NULL;
    bowline_event event;
    char text[32];
    bowline_metrics metrics = BOWLINE_METRICS_INIT;
    bowline_peer peer = 0;
    start(one);
    start(two);
    CHECK_OK(bowline_ban(one, "192.0.2.7", BOWLINE_FOREVER, NULL, NULL, NULL));
    CHECK_OK(bowline_bans_snapshot(two, &list));
    CHECK_INT(bowline_list_len(list), 0);
    bowline_list_free(list);
    CHECK_OK(bowline_addrbook_add(one, "127.0.0.7:9", NULL));
    CHECK_OK(bowline_addrbook_snapshot(two, &list));
    CHECK_INT(bowline_list_len(list), 0);
    bowline_list_free(list);
    CHECK_OK(bowline_node_set(one, "accept.rate", "77", NULL));
    CHECK_OK(bowline_node_get(two, "accept.rate", text, sizeof text, NULL));
    CHECK(strcmp(text, "77") != 0);
    CHECK_OK(bowline_pause(one));
    CHECK(bowline_is_paused(one) == 1 && bowline_is_paused(two) == 0);
    await(two, BOWLINE_EV_NODE_STATE);
    CHECK_OK(bowline_queue_wakeup(bowline_node_main_queue(one), 1));
    CHECK_IS(bowline_queue_poll(bowline_node_main_queue(two), &event, sizeof event, 0), BOWLINE_E_AGAIN);
    CHECK(bowline_connect_wait(one, "127.0.0.1:1", 1000, &peer, NULL) != BOWLINE_OK);
    CHECK_OK(bowline_metrics_get(two, &metrics));
    CHECK_INT(metrics.dials_total, 0);
    CHECK_OK(bowline_node_stop(one, 0));
    CHECK_INT(bowline_node_state(two), BOWLINE_STATE_RUNNING);
    CHECK(bowline_connect_wait(two, "127.0.0.1:1", 1000, &peer, NULL) == BOWLINE_E_REFUSED);
    bowline_node_free(one);
    CHECK_INT(bowline_node_state(two), BOWLINE_STATE_RUNNING);
    bowline_node_free(two);
}

static void sixty_four_queues_and_no_more(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queues[70];
    bowline_queue *last = (void *)queues;
    size_t count = 0;
    size_t at = 0;
    int32_t result = BOWLINE_OK;
    while ((result = bowline_queue_new(node, "many", &last)) == BOWLINE_OK) {
        CHECK(count < 64);
        queues[count++] = last;
    }
    CHECK_IS(result, BOWLINE_E_LIMIT);
    CHECK(last == NULL && count >= 63);
    CHECK_OK(bowline_queue_bind_channel(queues[0], CHANNEL));
    CHECK_OK(bowline_queue_bind_channel(queues[count - 1], CHANNEL)); /* the later one counts */
    start(node);
    for (at = 0; at < count; at++) {
        CHECK_OK(bowline_queue_wakeup(queues[at], at));
    }
    CHECK_OK(bowline_node_stop(node, 0));
    for (at = 0; at < count; at++) {
        bowline_event event;
        do {
            CHECK_OK(bowline_queue_poll(queues[at], &event, sizeof event, 0));
        } while (event.kind != BOWLINE_EV_WAKEUP);
        CHECK_INT(event.tag, at);
        bowline_queue_free(queues[at]);
    }
    bowline_node_free(node);
}

static void a_main_queue_is_not_freed_by_hand(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *main = bowline_node_main_queue(node);
    bowline_queue_free(main);
    bowline_queue_free(main);
    CHECK_OK(bowline_queue_wakeup(main, 4));
    CHECK_INT(await(node, BOWLINE_EV_WAKEUP).tag, 4);
    bowline_node_free(node);
}

static const bt_test tests[] = {
    BT(every_pair_of_types_is_told_apart),
    BT(freeing_as_another_type_frees_nothing),
    BT(every_call_refuses_what_is_no_node),
    BT(every_call_refuses_null_by_name),
    BT(memory_that_is_no_object_is_refused),
    BT(every_call_before_the_start_answers_as_documented),
    BT(every_call_after_the_stop_answers_as_documented),
    BT(every_call_on_a_node_stopped_before_its_start_comes_back),
    BT(peers_of_another_node_are_none_here),
    BT(a_peer_number_is_never_used_again),
    BT(what_concerns_a_peer_that_went_says_so),
    BT(requests_of_another_node_are_none_here),
    BT(a_request_dies_with_its_link),
    BT(a_queue_of_another_node_gets_nothing),
    BT(a_list_is_read_as_what_it_is),
    BT(one_configuration_and_one_key_make_many_nodes),
    BT(two_nodes_share_nothing),
    BT(sixty_four_queues_and_no_more),
    BT(a_main_queue_is_not_freed_by_hand),
};
BT_MAIN(tests)
