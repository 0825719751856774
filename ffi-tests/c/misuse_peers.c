/*
 * What callers do wrong with peers, roles, scores and what a node says of itself: as misuse.c.
 */
#include "world.h"

static void null_where_an_object_is_due(void)
{
    world all = a_world();
    bowline_peer peer = 0;
    bowline_list *list = NULL;
    bowline_event event;
    bowline_reach reach = BOWLINE_REACH_INIT;
    bowline_role_info role = BOWLINE_ROLE_INFO_INIT;
    bowline_channel_info channel = BOWLINE_CHANNEL_INFO_INIT;
    bowline_cause cause = BOWLINE_CAUSE_INIT;
    bowline_known_info known = BOWLINE_KNOWN_INFO_INIT;
    bowline_channel_metrics through = BOWLINE_CHANNEL_METRICS_INIT;
    bowline_addr bound = {0};
    char *text = NULL;
    char bytes[16];
    size_t size = 0;
    int32_t score = 0;
    uint64_t value = 0;

    /* B */
    FACT(strcmp(bowline_reason_text(0), "unknown reason") == 0 && strcmp(bowline_reason_text(UINT32_MAX), "unknown reason") == 0);
    FACT(strcmp(bowline_reason_text(13), "unknown reason") != 0);
    /* C */
    ROW(bowline_config_add_capability(NULL, "archive", 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_config_add_capability(all.config, NULL, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_config_add_capability((bowline_config *)all.msg, "archive", 1, NULL), BOWLINE_E_INVALID);
    ROW(bowline_config_add_version(NULL, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_config_set_metadata(NULL, "x", 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_config_set_metadata(all.config, NULL, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_config_set_metadata(all.config, NULL, 0, NULL), BOWLINE_OK);
    ROW(bowline_config_set_metadata(all.config, "x", SIZE_MAX, NULL), BOWLINE_E_INVALID);
    ROW(bowline_config_set_agent(NULL, "me", NULL), BOWLINE_E_NULL);
    ROW(bowline_config_set_agent(all.config, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_config_set_agent(all.config, "\xff", NULL), BOWLINE_E_UTF8);
    /* I */
    ROW(bowline_send_cancel(NULL, 1, 1), BOWLINE_E_NULL);
    ROW(bowline_send_cancel(all.node, 1, 1), BOWLINE_E_STATE);
    /* J */
    ROW(bowline_role_choose(NULL, "archive", CHANNEL, &peer, 1, &size), BOWLINE_E_NULL);
    ROW(bowline_role_choose(all.node, NULL, CHANNEL, &peer, 1, &size), BOWLINE_E_NULL);
    ROW(bowline_role_choose(all.node, "archive", CHANNEL, NULL, 1, &size), BOWLINE_E_NULL);
    ROW(bowline_role_choose(all.node, "archive", CHANNEL, &peer, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_role_choose(all.node, "archive", CHANNEL, &peer, 0, &size), BOWLINE_E_INVALID);
    ROW(bowline_role_choose(all.node, "archive", CHANNEL, &peer, 1, &size), BOWLINE_E_STATE);
    ROW(bowline_role_send(NULL, "archive", CHANNEL, all.msg, &peer), BOWLINE_E_NULL);
    ROW(bowline_role_send(all.node, NULL, CHANNEL, all.msg, &peer), BOWLINE_E_NULL);
    ROW(bowline_role_send(all.node, "archive", CHANNEL, NULL, &peer), BOWLINE_E_NULL);
    ROW(bowline_role_send(all.node, "archive", CHANNEL, all.msg, NULL), BOWLINE_E_STATE);
    ROW(bowline_role_broadcast(NULL, "archive", CHANNEL, 0, all.msg, 0, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_role_broadcast(all.node, NULL, CHANNEL, 0, all.msg, 0, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_role_broadcast(all.node, "archive", CHANNEL, 0, NULL, 0, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_role_broadcast(all.node, "archive", CHANNEL, 0, all.msg, 0, NULL, &reach), BOWLINE_E_STATE);
    ROW(bowline_role_request_wait(NULL, "archive", CHANNEL, "x", 1, 0, &event, sizeof event, NULL), BOWLINE_E_NULL);
    ROW(bowline_role_request_wait(all.node, NULL, CHANNEL, "x", 1, 0, &event, sizeof event, NULL), BOWLINE_E_NULL);
    ROW(bowline_role_request_wait(all.node, "archive", CHANNEL, NULL, 1, 0, &event, sizeof event, NULL), BOWLINE_E_NULL);
    ROW(bowline_role_request_wait(all.node, "archive", CHANNEL, "x", 1, 0, NULL, sizeof event, NULL), BOWLINE_E_NULL);
    ROW(bowline_role_request_wait(all.node, "archive", CHANNEL, "x", 1, 0, &event, 8, NULL), BOWLINE_E_STRUCT_SIZE);
    ROW(bowline_role_request_wait(all.node, "archive", CHANNEL, "x", 1, 0, &event, sizeof event, NULL), BOWLINE_E_STATE);
    ROW(bowline_role_quota_set(NULL, "archive", 1, 0, NULL), BOWLINE_E_NULL);
    ROW(bowline_role_quota_set(all.node, NULL, 1, 0, NULL), BOWLINE_E_NULL);
    ROW(bowline_role_quota_set(all.node, "archive", 1, 1, NULL), BOWLINE_E_INVALID);
    ROW(bowline_role_quota_set(all.node, "archive", 1, 0, NULL), BOWLINE_E_STATE);
    ROW(bowline_roles_snapshot(NULL, &list), BOWLINE_E_NULL);
    ROW(bowline_roles_snapshot(all.node, NULL), BOWLINE_E_NULL);
    ROW(bowline_group_add(NULL, 1, 1), BOWLINE_E_NULL);
    ROW(bowline_group_add(all.node, 1, 1), BOWLINE_E_STATE);
    ROW(bowline_group_remove(NULL, 1, 0), BOWLINE_E_NULL);
    ROW(bowline_group_remove(all.node, 1, 0), BOWLINE_E_STATE);
    ROW(bowline_group_peers(NULL, 1, &peer, 1, &size), BOWLINE_E_NULL);
    ROW(bowline_group_peers(all.node, 1, NULL, 0, NULL), BOWLINE_E_NULL);
    ROW(bowline_group_peers(all.node, 1, NULL, 0, &size), BOWLINE_OK);
    ROW(bowline_group_send(NULL, 1, CHANNEL, all.msg, 0, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_group_send(all.node, 1, CHANNEL, NULL, 0, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_group_send(all.node, 1, CHANNEL, all.msg, 0, NULL, &reach), BOWLINE_E_STATE);
    ROW(bowline_flush(NULL, 0, 0), BOWLINE_E_NULL);
    ROW(bowline_flush(all.node, 0, 0), BOWLINE_E_STATE);
    ROW(bowline_node_memory_max(NULL, &value), BOWLINE_E_NULL);
    ROW(bowline_node_memory_max(all.node, NULL), BOWLINE_E_NULL);
    ROW(bowline_node_memory_max(all.node, &value), BOWLINE_OK);
    FACT(value > 1000000);
    /* L */
    ROW(bowline_peer_report(NULL, 1, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_peer_report(all.node, 1, 1, NULL), BOWLINE_E_STATE);
    ROW(bowline_report(NULL, &all.id, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_report(all.node, NULL, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_report(all.node, &all.id, 1, "\xff"), BOWLINE_E_UTF8);
    ROW(bowline_score(NULL, &all.id, &score, NULL), BOWLINE_E_NULL);
    ROW(bowline_score(all.node, NULL, &score, NULL), BOWLINE_E_NULL);
    ROW(bowline_score(all.node, &all.id, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_score(all.node, &all.id, &score, &list), BOWLINE_E_STATE);
    FACT(list == NULL);
    ROW(bowline_peer_useful(NULL, 1), BOWLINE_E_NULL);
    ROW(bowline_peer_useful(all.node, 1), BOWLINE_E_STATE);
    ROW(bowline_peer_capability(NULL, 1, "archive", &value), BOWLINE_E_NULL);
    ROW(bowline_peer_capability(all.node, 1, NULL, &value), BOWLINE_E_NULL);
    ROW(bowline_peer_capability(all.node, 1, "archive", NULL), BOWLINE_E_PEER_GONE);
    ROW(bowline_peer_capabilities(NULL, 1, &list), BOWLINE_E_NULL);
    ROW(bowline_peer_capabilities(all.node, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_peer_capabilities(all.node, 1, &list), BOWLINE_E_PEER_GONE);
    ROW(bowline_peer_listens(NULL, 1, &list), BOWLINE_E_NULL);
    ROW(bowline_peer_listens(all.node, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_peer_listens(all.node, 1, &list), BOWLINE_E_PEER_GONE);
    ROW(bowline_peer_metadata(NULL, 1, bytes, sizeof bytes, &size), BOWLINE_E_NULL);
    ROW(bowline_peer_metadata(all.node, 1, NULL, 0, NULL), BOWLINE_E_PEER_GONE);
    ROW(bowline_peer_channels(NULL, 1, &list), BOWLINE_E_NULL);
    ROW(bowline_peer_channels(all.node, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_peer_channels(all.node, 1, &list), BOWLINE_E_STATE);
    ROW(bowline_peer_set_tag(NULL, 1, 1), BOWLINE_E_NULL);
    ROW(bowline_peer_set_tag(all.node, 1, 1), BOWLINE_E_PEER_GONE);
    ROW(bowline_known_snapshot(NULL, &list), BOWLINE_E_NULL);
    ROW(bowline_known_snapshot(all.node, NULL), BOWLINE_E_NULL);
    /* O */
    ROW(bowline_listen_add(NULL, &all.addr, &bound, NULL), BOWLINE_E_NULL);
    ROW(bowline_listen_add(all.node, NULL, &bound, NULL), BOWLINE_E_NULL);
    ROW(bowline_listen_add(all.node, &all.addr, NULL, NULL), BOWLINE_E_STATE);
    ROW(bowline_listen_add(all.node, &bound, &bound, NULL), BOWLINE_E_INVALID);
    ROW(bowline_listen_add((bowline_node *)all.queue, &all.addr, NULL, NULL), BOWLINE_E_INVALID);
    ROW(bowline_listen_remove(NULL, &all.addr), BOWLINE_E_NULL);
    ROW(bowline_listen_remove(all.node, NULL), BOWLINE_E_NULL);
    ROW(bowline_listen_remove(all.node, &all.addr), BOWLINE_E_STATE);
    ROW(bowline_listen_remove(all.node, &bound), BOWLINE_E_INVALID);
    /* M: all.list is one of peers */
    ROW(bowline_list_role(NULL, 0, &role), BOWLINE_E_NULL);
    ROW(bowline_list_role(all.list, 0, NULL), BOWLINE_E_NULL);
    ROW(bowline_list_role(all.list, 0, &role), BOWLINE_E_INVALID);
    ROW(bowline_list_channel(NULL, 0, &channel), BOWLINE_E_NULL);
    ROW(bowline_list_channel(all.list, 0, NULL), BOWLINE_E_NULL);
    ROW(bowline_list_channel(all.list, 0, &channel), BOWLINE_E_INVALID);
    ROW(bowline_list_cause(NULL, 0, &cause), BOWLINE_E_NULL);
    ROW(bowline_list_cause(all.list, 0, NULL), BOWLINE_E_NULL);
    ROW(bowline_list_cause(all.list, 0, &cause), BOWLINE_E_INVALID);
    ROW(bowline_list_known(NULL, 0, &known), BOWLINE_E_NULL);
    ROW(bowline_list_known(all.list, 0, NULL), BOWLINE_E_NULL);
    ROW(bowline_list_known(all.list, 0, &known), BOWLINE_E_INVALID);
    ROW(bowline_list_note(NULL, 0, bytes, sizeof bytes, &size), BOWLINE_E_NULL);
    ROW(bowline_list_note(all.list, 0, bytes, sizeof bytes, &size), BOWLINE_E_INVALID);
    /* F, Q, R */
    ROW(bowline_queue_set_wake(NULL, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_queue_set_wake((bowline_queue *)all.node, NULL, NULL), BOWLINE_E_INVALID);
    ROW(bowline_queue_set_wake(all.queue, NULL, NULL), BOWLINE_OK);
    ROW(bowline_queue_bind_events(NULL, 0), BOWLINE_E_NULL);
    ROW(bowline_queue_bind_events(all.queue, BOWLINE_EV_BIT(BOWLINE_EV_MESSAGE)), BOWLINE_E_INVALID);
    ROW(bowline_queue_bind_events(all.queue, UINT64_MAX), BOWLINE_E_INVALID);
    ROW(bowline_metrics_channel(NULL, CHANNEL, &through), BOWLINE_E_NULL);
    ROW(bowline_metrics_channel(all.node, CHANNEL, NULL), BOWLINE_E_NULL);
    ROW(bowline_metrics_channel(all.node, 0x77, &through), BOWLINE_E_NO_CHANNEL);
    through.struct_size = 39;
    ROW(bowline_metrics_channel(all.node, CHANNEL, &through), BOWLINE_E_STRUCT_SIZE);
    ROW(bowline_metrics_text(NULL, &text), BOWLINE_E_NULL);
    ROW(bowline_metrics_text(all.node, NULL), BOWLINE_E_NULL);
    ROW(bowline_metrics_ends(NULL, 1, &value), BOWLINE_E_NULL);
    ROW(bowline_metrics_ends(all.node, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_metrics_ends(all.node, 0, &value), BOWLINE_E_INVALID);
    ROW(bowline_metrics_ends(all.node, UINT32_MAX, &value), BOWLINE_E_INVALID);
    ROW(bowline_log_filter(NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_log_filter("info", NULL), BOWLINE_E_STATE);
    ROW(bowline_log_filter("\xff", NULL), BOWLINE_E_UTF8);
    ROW(bowline_log_set(NULL, NULL), BOWLINE_OK);
    printf("# %d rows\n", rows);
}

static void wrong_sizes_are_refused(void)
{
    static const uint32_t sizes[] = {0, 1, 15, 4097, UINT32_MAX};
    world all = a_world();
    bowline_list *roles = NULL;
    size_t at = 0;
    start(all.node);
    CHECK_OK(bowline_role_quota_set(all.node, "archive", 1, 0, NULL));
    CHECK_OK(bowline_roles_snapshot(all.node, &roles));
    for (at = 0; at < sizeof sizes / sizeof sizes[0]; at++) {
        bowline_reach reach = BOWLINE_REACH_INIT;
        bowline_role_info role = BOWLINE_ROLE_INFO_INIT;
        bowline_channel_info channel = BOWLINE_CHANNEL_INFO_INIT;
        bowline_cause cause = BOWLINE_CAUSE_INIT;
        bowline_known_info known = BOWLINE_KNOWN_INFO_INIT;
        reach.struct_size = sizes[at];
        role.struct_size = sizes[at];
        channel.struct_size = sizes[at];
        cause.struct_size = sizes[at];
        known.struct_size = sizes[at];
        ROW(bowline_broadcast(all.node, CHANNEL, all.msg, 0, NULL, &reach), BOWLINE_E_STRUCT_SIZE);
        ROW(bowline_role_broadcast(all.node, "archive", CHANNEL, 0, all.msg, 0, NULL, &reach), BOWLINE_E_STRUCT_SIZE);
        ROW(bowline_list_role(roles, 0, &role), BOWLINE_E_STRUCT_SIZE);
        ROW(bowline_list_channel(roles, 0, &channel), BOWLINE_E_STRUCT_SIZE);
        ROW(bowline_list_cause(roles, 0, &cause), BOWLINE_E_STRUCT_SIZE);
        ROW(bowline_list_known(roles, 0, &known), BOWLINE_E_STRUCT_SIZE);
    }
    bowline_list_free(roles);
    printf("# %d rows\n", rows);
}

static void a_config_says_what_it_cannot_announce(void)
{
    world all = a_world();
    bowline_error *err = NULL;
    uint32_t at = 0;
    char name[8];
    static const char much[5000];
    ROW(bowline_config_add_capability(all.config, "", 1, &err), BOWLINE_E_INVALID);
    CHECK_HAS(bowline_error_text(err), "no name of 1 to 32");
    bowline_error_free(err);
    ROW(bowline_config_add_capability(all.config, "archive", 1, NULL), BOWLINE_OK);
    ROW(bowline_config_add_capability(all.config, "archive", 2, &err), BOWLINE_E_INVALID);
    CHECK_HAS(bowline_error_text(err), "'archive' is announced twice");
    bowline_error_free(err);
    for (at = 1; at < 32; at++) {
        snprintf(name, sizeof name, "c%u", at);
        ROW(bowline_config_add_capability(all.config, name, at, NULL), BOWLINE_OK);
    }
    ROW(bowline_config_add_capability(all.config, "more", 1, &err), BOWLINE_E_INVALID);
    CHECK_HAS(bowline_error_text(err), "at most 32");
    bowline_error_free(err);
    for (at = 0; at < 32; at++) {
        ROW(bowline_config_add_version(all.config, at, NULL), BOWLINE_OK);
    }
    ROW(bowline_config_add_version(all.config, 31, &err), BOWLINE_E_EXISTS);
    CHECK_HAS(bowline_error_text(err), "version 31");
    bowline_error_free(err);
    ROW(bowline_config_add_version(all.config, 32, &err), BOWLINE_E_LIMIT);
    CHECK_HAS(bowline_error_text(err), "at most 32");
    bowline_error_free(err);
    ROW(bowline_config_set_metadata(all.config, much, 4096, NULL), BOWLINE_OK);
    ROW(bowline_config_set_metadata(all.config, much, 4097, &err), BOWLINE_E_TOO_BIG);
    CHECK_HAS(bowline_error_text(err), "at most 4096");
    bowline_error_free(err);
    printf("# %d rows\n", rows);
}

static void peers_that_are_gone_are_not_found(void)
{
    static const bowline_peer stale[] = {0, 1, 12345678901234567u, UINT64_MAX};
    world all = a_world();
    bowline_list *list = NULL;
    uint64_t value = 0;
    char bytes[16];
    size_t size = 0;
    size_t at = 0;
    start(all.node);
    for (at = 0; at < sizeof stale / sizeof stale[0]; at++) {
        ROW(bowline_peer_report(all.node, stale[at], 1, NULL), BOWLINE_E_PEER_GONE);
        ROW(bowline_peer_useful(all.node, stale[at]), BOWLINE_E_PEER_GONE);
        ROW(bowline_peer_capability(all.node, stale[at], "archive", &value), BOWLINE_E_PEER_GONE);
        ROW(bowline_peer_capabilities(all.node, stale[at], &list), BOWLINE_E_PEER_GONE);
        ROW(bowline_peer_listens(all.node, stale[at], &list), BOWLINE_E_PEER_GONE);
        ROW(bowline_peer_metadata(all.node, stale[at], bytes, sizeof bytes, &size), BOWLINE_E_PEER_GONE);
        ROW(bowline_peer_channels(all.node, stale[at], &list), BOWLINE_E_PEER_GONE);
        ROW(bowline_peer_set_tag(all.node, stale[at], 1), BOWLINE_E_PEER_GONE);
        ROW(bowline_send_cancel(all.node, stale[at], 1), BOWLINE_OK);
        ROW(bowline_group_add(all.node, 1, stale[at]), BOWLINE_E_PEER_GONE);
        ROW(bowline_group_remove(all.node, 1, stale[at]), BOWLINE_E_NOT_FOUND);
        ROW(bowline_flush(all.node, stale[at], 1), stale[at] == 0 ? BOWLINE_OK : BOWLINE_E_PEER_GONE);
        FACT(list == NULL);
    }
    ROW(bowline_report(all.node, &all.id, 1, NULL), BOWLINE_E_INVALID); /* of itself */
    printf("# %d rows\n", rows);
}

static void nobody_can_do_what_nobody_announces(void)
{
    world all = a_world();
    bowline_peer peer = 77;
    bowline_event event;
    bowline_reach reach = BOWLINE_REACH_INIT;
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    bowline_error *err = NULL;
    size_t count = 77;
    start(all.node);
    ROW(bowline_role_choose(all.node, "archive", CHANNEL, &peer, 1, &count), BOWLINE_E_NOT_FOUND);
    ROW(bowline_role_send(all.node, "archive", CHANNEL, all.msg, &peer), BOWLINE_E_NOT_FOUND);
    ROW(bowline_role_broadcast(all.node, "archive", CHANNEL, 2, all.msg, 0, NULL, &reach), BOWLINE_E_NOT_FOUND);
    FACT(peer == 77 && count == 77 && reach.queued == 0);
    ROW(bowline_role_request_wait(all.node, "archive", CHANNEL, "x", 1, 1000, &event, sizeof event, &err), BOWLINE_E_NOT_FOUND);
    CHECK_HAS(bowline_error_text(err), "archive");
    bowline_error_free(err);
    opts.flags = BOWLINE_SEND_SELF; /* this node hears it in any case */
    ROW(bowline_role_broadcast(all.node, "archive", CHANNEL, 2, all.msg, 0, &opts, &reach), BOWLINE_OK);
    FACT(reach.queued == 1);
    ROW(bowline_role_quota_set(all.node, "", 1, 0, NULL), BOWLINE_E_INVALID);
    ROW(bowline_role_quota_set(all.node, "archive", 0, 101, &err), BOWLINE_E_INVALID);
    CHECK_HAS(bowline_error_text(err), "100 %");
    bowline_error_free(err);
    ROW(bowline_role_quota_set(all.node, "archive", UINT32_MAX, 0, NULL), BOWLINE_E_INVALID);
    printf("# %d rows\n", rows);
}

static void after_the_stop_they_say_so(void)
{
    world all = a_world();
    bowline_peer peer = 0;
    bowline_event event;
    size_t size = 0;
    int32_t score = 0;
    bowline_list *list = NULL;
    start(all.node);
    CHECK_OK(bowline_node_stop(all.node, 0));
    ROW(bowline_send_cancel(all.node, 1, 1), BOWLINE_E_STOPPED);
    ROW(bowline_group_add(all.node, 1, 1), BOWLINE_E_STOPPED);
    ROW(bowline_group_remove(all.node, 1, 1), BOWLINE_E_STOPPED);
    ROW(bowline_group_send(all.node, 1, CHANNEL, all.msg, 0, NULL, NULL), BOWLINE_E_STOPPED);
    ROW(bowline_flush(all.node, 0, -1), BOWLINE_E_STOPPED);
    ROW(bowline_role_choose(all.node, "archive", CHANNEL, &peer, 1, &size), BOWLINE_E_STOPPED);
    ROW(bowline_role_send(all.node, "archive", CHANNEL, all.msg, &peer), BOWLINE_E_STOPPED);
    ROW(bowline_role_broadcast(all.node, "archive", CHANNEL, 0, all.msg, 0, NULL, NULL), BOWLINE_E_STOPPED);
    ROW(bowline_role_request_wait(all.node, "archive", CHANNEL, "x", 1, 0, &event, sizeof event, NULL), BOWLINE_E_STOPPED);
    ROW(bowline_role_quota_set(all.node, "archive", 1, 0, NULL), BOWLINE_E_STOPPED);
    ROW(bowline_peer_report(all.node, 1, 1, NULL), BOWLINE_E_STOPPED);
    ROW(bowline_report(all.node, &all.id, 1, NULL), BOWLINE_E_STOPPED);
    ROW(bowline_score(all.node, &all.id, &score, NULL), BOWLINE_E_STOPPED);
    ROW(bowline_peer_useful(all.node, 1), BOWLINE_E_STOPPED);
    ROW(bowline_peer_channels(all.node, 1, &list), BOWLINE_E_STOPPED);
    ROW(bowline_peer_set_tag(all.node, 1, 1), BOWLINE_E_PEER_GONE);
    ROW(bowline_roles_snapshot(all.node, &list), BOWLINE_OK);
    bowline_list_free(list);
    ROW(bowline_known_snapshot(all.node, &list), BOWLINE_OK);
    bowline_list_free(list);
    printf("# %d rows\n", rows);
}

static const bt_test tests[] = {
    BT(null_where_an_object_is_due),         BT(wrong_sizes_are_refused),
    BT(a_config_says_what_it_cannot_announce), BT(peers_that_are_gone_are_not_found),
    BT(nobody_can_do_what_nobody_announces), BT(after_the_stop_they_say_so),
};
BT_MAIN(tests)
