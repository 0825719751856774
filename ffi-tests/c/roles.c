/* Roles and the options of sends: who can do a thing, what becomes of messages, how many links there are to be. */
#include "nodes.h"

#include <pthread.h>

static bowline_config *an_archive(uint64_t from)
{
    bowline_config *config = a_config();
    bowline_error *err = NULL;
    CHECK_ERR(bowline_config_add_capability(config, "archive", from, &err), err);
    CHECK_ERR(bowline_config_add_capability(config, "bootstrap", 0, &err), err);
    return config;
}

static void await_text(bowline_node *node, int32_t kind, const char *text)
{
    bowline_event event = await(node, kind);
    CHECK_INT(event.len, strlen(text));
    CHECK(memcmp(event.data, text, event.len) == 0);
    release(&event);
}

static void a_peer_is_chosen_for_what_it_can_do(void)
{
    pair both = a_pair_of(a_config(), an_archive(1000));
    bowline_peer chosen[4] = {0};
    bowline_peer to = 0;
    bowline_msg *msg = NULL;
    bowline_reach reach = BOWLINE_REACH_INIT;
    size_t count = 0;
    /* The published list of peers may come a moment after the event. */
    while (bowline_role_choose(both.asker, "archive", CHANNEL, chosen, 4, &count) == BOWLINE_E_NOT_FOUND) {
        usleep(1000);
    }
    CHECK(count == 1 && chosen[0] == both.to_server && chosen[1] == 0);
    CHECK_IS(bowline_role_choose(both.asker, "oracle", CHANNEL, chosen, 4, &count), BOWLINE_E_NOT_FOUND);
    CHECK_IS(bowline_role_choose(both.asker, "archive", 0x77, chosen, 4, &count), BOWLINE_E_NOT_FOUND);
    CHECK_IS(bowline_role_choose(both.server, "archive", CHANNEL, chosen, 4, &count), BOWLINE_E_NOT_FOUND);
    CHECK_OK(bowline_msg_copy("one", 3, &msg));
    CHECK_OK(bowline_role_send(both.asker, "archive", CHANNEL, msg, &to));
    bowline_msg_free(msg);
    CHECK(to == both.to_server);
    await_text(both.server, BOWLINE_EV_MESSAGE, "one");
    CHECK_OK(bowline_msg_copy("all", 3, &msg));
    CHECK_OK(bowline_role_broadcast(both.asker, "archive", CHANNEL, 0, msg, 0, NULL, &reach));
    CHECK(reach.queued == 1 && reach.full == 0 && reach.refused == 0);
    CHECK_IS(bowline_role_broadcast(both.asker, "archive", CHANNEL, 1, msg, both.to_server, NULL, &reach), BOWLINE_E_NOT_FOUND);
    bowline_msg_free(msg);
    await_text(both.server, BOWLINE_EV_MESSAGE, "all");
    end(both);
}

static void *answer_one(void *arg)
{
    bowline_node *node = arg;
    bowline_event event = await(node, BOWLINE_EV_REQUEST);
    CHECK_OK(bowline_respond(node, event.peer, event.channel, event.request, "here", 4, 1000));
    release(&event);
    event = await(node, BOWLINE_EV_REQUEST);
    CHECK_OK(bowline_respond_error(node, event.peer, event.channel, event.request, 7, "pruned", 1000));
    release(&event);
    return NULL;
}

static void a_role_is_asked(void)
{
    pair both = a_pair_of(a_config(), an_archive(1));
    pthread_t thread;
    bowline_event event;
    bowline_error *err = NULL;
    int32_t result = 0;
    CHECK_INT(pthread_create(&thread, NULL, answer_one, both.server), 0);
    do {
        bowline_error_free(err);
        result = bowline_role_request_wait(both.asker, "archive", CHANNEL, "block 1", 7, 20000, &event, sizeof event, &err);
    } while (result == BOWLINE_E_NOT_FOUND);
    CHECK_ERR(result, err);
    CHECK(event.peer == both.to_server && event.channel == CHANNEL && event.len == 4 && memcmp(event.data, "here", 4) == 0);
    release(&event);
    result = bowline_role_request_wait(both.asker, "archive", CHANNEL, "block 2", 7, 20000, &event, sizeof event, &err);
    CHECK_IS(result, BOWLINE_E_REMOTE);
    bowline_error_free(err);
    CHECK(event.detail == 7 && event.len == 6 && memcmp(event.data, "pruned", 7) == 0);
    release(&event);
    CHECK_INT(pthread_join(thread, NULL), 0);
    end(both);
}

static void quotas_are_set_and_shown(void)
{
    pair both = a_pair_of(a_config(), an_archive(1));
    bowline_list *list = NULL;
    bowline_role_info info = BOWLINE_ROLE_INFO_INIT;
    bowline_error *err = NULL;
    CHECK_OK(bowline_roles_snapshot(both.asker, &list));
    CHECK_INT(bowline_list_len(list), 0);
    bowline_list_free(list);
    CHECK_ERR(bowline_role_quota_set(both.asker, "archive", 2, 0, &err), err);
    CHECK_ERR(bowline_role_quota_set(both.asker, "light", 0, 10, &err), err);
    CHECK_OK(bowline_roles_snapshot(both.asker, &list));
    CHECK_INT(bowline_list_len(list), 2);
    CHECK_OK(bowline_list_role(list, 0, &info));
    CHECK(strcmp(info.capability, "archive") == 0 && info.count == 2 && info.percent == 0 && info.wanted == 2 && info.linked == 1);
    CHECK_OK(bowline_list_role(list, 1, &info));
    CHECK(strcmp(info.capability, "light") == 0 && info.count == 0 && info.percent == 10 && info.linked == 0);
    CHECK_IS(bowline_list_role(list, 2, &info), BOWLINE_E_NOT_FOUND);
    bowline_list_free(list);
    CHECK_ERR(bowline_role_quota_set(both.asker, "archive", 0, 0, &err), err);
    CHECK_OK(bowline_roles_snapshot(both.asker, &list));
    CHECK_INT(bowline_list_len(list), 1);
    bowline_list_free(list);
    end(both);
}

static void a_report_tells_what_became_of_a_message(void)
{
    pair both = a_pair();
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    bowline_event event;
    bowline_msg *msg = NULL;
    opts.flags = BOWLINE_SEND_REPORT;
    opts.tag = 41;
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "x", 1, &opts));
    event = await(both.asker, BOWLINE_EV_SEND_RESULT);
    CHECK(event.tag == 41 && event.result == BOWLINE_OK && event.peer == both.to_server);
    opts.tag = 0; /* a tag like any other */
    opts.timeout_ms = BOWLINE_FOREVER;
    CHECK_OK(bowline_msg_copy("y", 1, &msg));
    CHECK_OK(bowline_send_msg(both.asker, both.to_server, CHANNEL, msg, &opts));
    bowline_msg_free(msg);
    event = await(both.asker, BOWLINE_EV_SEND_RESULT);
    CHECK(event.tag == 0 && event.result == BOWLINE_OK);
    end(both);
}

static void a_report_goes_to_the_queue_that_was_named(void)
{
    bowline_node *node = a_node(1);
    bowline_node *other = a_node(2);
    bowline_queue *reports = NULL;
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    bowline_peer peer = 0;
    bowline_event event;
    CHECK_OK(bowline_queue_new(node, "reports", &reports));
    start(node);
    start(other);
    CHECK_OK(bowline_connect_wait(node, address_text(other), 20000, &peer, NULL));
    opts.flags = BOWLINE_SEND_REPORT;
    opts.tag = 9;
    opts.report_queue = reports;
    CHECK_OK(bowline_send(node, peer, CHANNEL, "x", 1, &opts));
    do {
        CHECK_OK(bowline_queue_poll(reports, &event, sizeof event, 20000));
    } while (event.kind == BOWLINE_EV_NODE_STATE);
    CHECK(event.kind == BOWLINE_EV_SEND_RESULT && event.tag == 9);
    opts.report_queue = bowline_node_main_queue(other); /* not of this node */
    CHECK_IS(bowline_send(node, peer, CHANNEL, "x", 1, &opts), BOWLINE_E_INVALID);
    bowline_node_free(node);
    bowline_queue_free(reports);
    bowline_node_free(other);
}

/* Fills the send queue of a peer that polls nothing, until a message waits for good. */
static size_t fill(pair both)
{
    static const char bytes[60000];
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    size_t sent = 0;
    opts.timeout_ms = 300;
    while (bowline_send(both.asker, both.to_server, CHANNEL, bytes, sizeof bytes, &opts) == BOWLINE_OK) {
        sent++;
    }
    return sent;
}

static bowline_config *a_deep_config(void)
{
    bowline_config *config = NULL;
    bowline_channel_desc desc = a_channel(CHANNEL);
    CHECK_OK(bowline_config_new(&config));
    set(config, "network.name", "ffi-tests");
    set(config, "network.pow_bits", "0");
    set(config, "network.allow_private", "true");
    set(config, "listen.addresses", "127.0.0.1:0");
    set(config, "discovery.bootstrap", "true");
    desc.flags = BOWLINE_CHANNEL_DROP_OLDEST;
    desc.send_queue_bytes = 100000;
    desc.recv_queue_bytes = 100000;
    CHECK_OK(bowline_config_add_channel(config, &desc, NULL));
    return config;
}

static void what_waits_expires_or_is_taken_back(void)
{
    pair both = a_pair();
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    bowline_event event;
    static const char bytes[60000];
    bowline_metrics metrics = BOWLINE_METRICS_INIT;
    CHECK(fill(both) > 0);
    opts.flags = BOWLINE_SEND_REPORT;
    opts.timeout_ms = 0;
    opts.ttl_ms = 1;
    opts.tag = 5;
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "x", 1, &opts));
    event = await(both.asker, BOWLINE_EV_SEND_RESULT);
    CHECK(event.tag == 5 && event.result == BOWLINE_E_EXPIRED);
    opts.ttl_ms = 0;
    opts.tag = 6;
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "x", 1, &opts));
    CHECK_OK(bowline_send_cancel(both.asker, both.to_server, 6));
    event = await(both.asker, BOWLINE_EV_SEND_RESULT);
    CHECK(event.tag == 6 && event.result == BOWLINE_E_CANCELED);
    CHECK_OK(bowline_metrics_get(both.asker, &metrics));
    CHECK(metrics.msgs_expired == 1 && metrics.msgs_canceled == 1);
    /* What still waits when the link closes is told, too. */
    opts.tag = 7;
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "x", 1, &opts));
    CHECK_OK(bowline_disconnect(both.asker, both.to_server, 0, 0));
    event = await(both.asker, BOWLINE_EV_SEND_RESULT);
    CHECK(event.tag == 7 && event.result == BOWLINE_E_PEER_GONE && event.flags != 0);
    event = await(both.asker, BOWLINE_EV_PEER_DISCONNECTED);
    CHECK(event.tag >= 1 && event.request >= 1);
    CHECK_HAS(bowline_reason_text(event.flags), "request");
    release(&event);
    CHECK_IS(bowline_send(both.asker, both.to_server, CHANNEL, bytes, 1, &opts), BOWLINE_E_PEER_GONE);
    end(both);
}

static void the_oldest_gives_way_where_the_channel_says_so(void)
{
    pair both = a_pair_of(a_deep_config(), a_deep_config());
    static const char bytes[30000];
    bowline_metrics metrics = BOWLINE_METRICS_INIT;
    size_t at = 0;
    for (at = 0; at < 5000; at++) { /* never full */
        CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, bytes, sizeof bytes, NULL));
        CHECK_OK(bowline_metrics_get(both.asker, &metrics));
        if (metrics.msgs_displaced > 10) {
            break;
        }
    }
    CHECK(metrics.msgs_displaced > 10 && metrics.msgs_refused == 0);
    end(both);
}

static void a_broadcast_may_include_this_node(void)
{
    pair both = a_pair();
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    bowline_reach reach = BOWLINE_REACH_INIT;
    bowline_msg *msg = NULL;
    opts.flags = BOWLINE_SEND_SELF;
    CHECK_OK(bowline_msg_copy("news", 4, &msg));
    CHECK_OK(bowline_broadcast(both.asker, CHANNEL, msg, 0, &opts, &reach));
    bowline_msg_free(msg);
    CHECK_INT(reach.queued, 2);
    await_text(both.server, BOWLINE_EV_MESSAGE, "news");
    await_text(both.asker, BOWLINE_EV_MESSAGE, "news");
    end(both);
}

static void a_group_is_sent_to_as_one(void)
{
    bowline_node *node = a_node(1);
    bowline_node *others[3];
    bowline_peer peers[3];
    bowline_peer members[3] = {0};
    bowline_reach reach = BOWLINE_REACH_INIT;
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    bowline_msg *msg = NULL;
    bowline_event event;
    size_t count = 0;
    size_t at = 0;
    start(node);
    for (at = 0; at < 3; at++) {
        others[at] = a_node((uint8_t)(at + 2));
        start(others[at]);
        CHECK_OK(bowline_connect_wait(node, address_text(others[at]), 20000, &peers[at], NULL));
    }
    CHECK_OK(bowline_group_add(node, 7, peers[0]));
    CHECK_OK(bowline_group_add(node, 7, peers[1]));
    CHECK_OK(bowline_group_add(node, 7, peers[1])); /* twice is once */
    CHECK_OK(bowline_group_add(node, 8, peers[2]));
    CHECK_IS(bowline_group_peers(node, 7, members, 1, &count), BOWLINE_E_BUFFER);
    CHECK_INT(count, 2);
    CHECK_OK(bowline_group_peers(node, 7, members, 3, &count));
    CHECK(count == 2 && members[0] == peers[0] && members[1] == peers[1] && members[2] == 0);
    CHECK_OK(bowline_msg_copy("votes", 5, &msg));
    CHECK_OK(bowline_group_send(node, 7, CHANNEL, msg, 0, NULL, &reach));
    CHECK_INT(reach.queued, 2);
    CHECK_OK(bowline_group_send(node, 7, CHANNEL, msg, peers[0], NULL, &reach));
    CHECK_INT(reach.queued, 1);
    opts.flags = BOWLINE_SEND_SELF;
    CHECK_OK(bowline_group_send(node, 99, CHANNEL, msg, 0, &opts, &reach));
    CHECK_INT(reach.queued, 1);
    CHECK_IS(bowline_group_send(node, 7, 0x99, msg, 0, NULL, NULL), BOWLINE_E_NO_CHANNEL);
    bowline_msg_free(msg);
    await_text(others[0], BOWLINE_EV_MESSAGE, "votes");
    await_text(others[1], BOWLINE_EV_MESSAGE, "votes");
    await_text(others[1], BOWLINE_EV_MESSAGE, "votes");
    /* A peer that is gone is in no group. */
    CHECK_OK(bowline_disconnect(node, peers[0], 0, 0));
    event = await(node, BOWLINE_EV_PEER_DISCONNECTED);
    release(&event);
    CHECK_OK(bowline_group_peers(node, 7, members, 3, &count));
    CHECK(count == 1 && members[0] == peers[1]);
    CHECK_OK(bowline_group_remove(node, 7, peers[1]));
    CHECK_IS(bowline_group_remove(node, 7, peers[1]), BOWLINE_E_NOT_FOUND);
    CHECK_OK(bowline_group_remove(node, 8, 0));
    CHECK_OK(bowline_group_peers(node, 8, NULL, 0, &count));
    CHECK_INT(count, 0);
    bowline_node_free(node);
    for (at = 0; at < 3; at++) {
        bowline_node_free(others[at]);
    }
}

static void a_flush_waits_until_everything_is_sent(void)
{
    pair both = a_pair();
    static const char bytes[50000];
    bowline_event event;
    long before = 0;
    size_t at = 0;
    for (at = 0; at < 4; at++) {
        CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, bytes, sizeof bytes, NULL));
    }
    CHECK_OK(bowline_flush(both.asker, both.to_server, 20000));
    CHECK_OK(bowline_flush(both.asker, 0, 20000));
    for (at = 0; at < 4; at++) {
        event = await(both.server, BOWLINE_EV_MESSAGE);
        release(&event);
    }
    /* A peer that takes nothing more keeps it waiting; the end of its link ends that. */
    CHECK(fill(both) > 0);
    CHECK_IS(bowline_flush(both.asker, both.to_server, 100), BOWLINE_E_TIMEOUT);
    CHECK_IS(bowline_flush(both.asker, 0, 0), BOWLINE_E_TIMEOUT);
    /* Those who have given up leave nothing behind. */
    for (at = 0; at < 6000; at++) {
        before = at == 1000 ? resident_kb() : before;
        CHECK_IS(bowline_flush(both.asker, both.to_server, 0), BOWLINE_E_TIMEOUT);
    }
    if (getenv("BT_TMO") == NULL) { /* slow tools keep what is freed */
        CHECK(resident_kb() - before < 800); /* 5,000 of 300 bytes would be 1,500 */
    }
    end(both);
}

static void *flush_for_ever(void *arg)
{
    const pair *both = arg;
    return bowline_flush(both->asker, both->to_server, BOWLINE_FOREVER) == BOWLINE_E_PEER_GONE ? arg : NULL;
}

static void a_flush_ends_with_its_link(void)
{
    pair both = a_pair();
    pthread_t thread;
    void *result = NULL;
    CHECK(fill(both) > 0);
    CHECK_INT(pthread_create(&thread, NULL, flush_for_ever, &both), 0);
    usleep(50000);
    bowline_node_free(both.server);
    CHECK_INT(pthread_join(thread, &result), 0);
    CHECK(result == &both);
    bowline_node_free(both.asker);
}

static const bt_test tests[] = {
    BT(a_peer_is_chosen_for_what_it_can_do),
    BT(a_role_is_asked),
    BT(quotas_are_set_and_shown),
    BT(a_report_tells_what_became_of_a_message),
    BT(a_report_goes_to_the_queue_that_was_named),
    BT(what_waits_expires_or_is_taken_back),
    BT(the_oldest_gives_way_where_the_channel_says_so),
    BT(a_broadcast_may_include_this_node),
    BT(a_group_is_sent_to_as_one),
    BT(a_flush_waits_until_everything_is_sent),
    BT(a_flush_ends_with_its_link),
};
BT_MAIN(tests)
