/* Bans, trust and the greylist: what they do to links, what the lists show, and what callers do wrong with them. */
#include "nodes.h"

static const char *id_text(const bowline_node *node)
{
    static char text[BOWLINE_PEER_ID_TEXT_MAX];
    bowline_peer_id id;
    CHECK_OK(bowline_node_id(node, &id));
    CHECK_OK(bowline_peer_id_format(&id, text, sizeof text, NULL));
    return text;
}

static uint32_t standing(const bowline_node *node, const bowline_peer_id *id, const bowline_addr *addr)
{
    uint32_t found = 99;
    CHECK_OK(bowline_standing(node, id, addr, &found));
    return found;
}

static bowline_ban_info only_entry(bowline_list *list)
{
    bowline_ban_info info = BOWLINE_BAN_INFO_INIT;
    bowline_peer_info peer = BOWLINE_PEER_INFO_INIT;
    CHECK_INT(bowline_list_len(list), 1);
    CHECK_IS(bowline_list_ban(list, 1, &info), BOWLINE_E_NOT_FOUND);
    CHECK_IS(bowline_list_peer(list, 0, &peer), BOWLINE_E_INVALID);
    CHECK_OK(bowline_list_ban(list, 0, &info));
    bowline_list_free(list);
    return info;
}

static size_t length(bowline_result (*snapshot)(const bowline_node *, bowline_list **), const bowline_node *node)
{
    bowline_list *list = NULL;
    size_t len = 0;
    CHECK_OK(snapshot(node, &list));
    len = bowline_list_len(list);
    bowline_list_free(list);
    return len;
}

static void a_ban_ends_the_link_and_keeps_the_peer_out(void)
{
    bowline_node *node = a_node(1);
    bowline_node *other = a_node(2);
    bowline_peer peer = 0;
    bowline_peer_id id;
    bowline_list *list = NULL;
    bowline_ban_info info;
    bowline_ban_info wrong = BOWLINE_BAN_INFO_INIT;
    bowline_error *err = NULL;
    bowline_event event;
    char address[200];
    size_t closed = 0;
    start(node);
    start(other);
    CHECK_OK(bowline_node_id(other, &id));
    snprintf(address, sizeof address, "%s", address_text(other));
    CHECK_ERR(bowline_connect_wait(node, address, 20000, &peer, &err), err);
    CHECK_INT(standing(node, &id, NULL), BOWLINE_STANDING_ORDINARY);
    CHECK_ERR(bowline_ban(node, id_text(other), 3600000, "for the \x1b test", &closed, &err), err);
    CHECK_INT(closed, 1);
    CHECK_INT(standing(node, &id, NULL), BOWLINE_STANDING_BANNED);
    /* Until it has seen the end of its link, it has one there. */
    event = await(other, BOWLINE_EV_PEER_CONNECTED);
    release(&event);
    event = await(other, BOWLINE_EV_PEER_DISCONNECTED);
    release(&event);
    CHECK(bowline_connect_wait(other, address_text(node), 20000, &peer, NULL) != BOWLINE_OK);
    CHECK_OK(bowline_bans_snapshot(node, &list));
    info = only_entry(list);
    CHECK(info.kind == BOWLINE_SUBJECT_PEER && info.by == BOWLINE_BY_OPERATOR && info.prefix_len == 0);
    CHECK(memcmp(&info.id, &id, sizeof id) == 0 && info.addr.family == 0);
    CHECK(info.since_ns != 0 && info.until_ns - info.since_ns == UINT64_C(3600000000000));
    CHECK_HAS(info.why, "for the ");
    CHECK(strchr(info.why, '\x1b') == NULL);
    /* Trust cannot stand beside it. */
    CHECK_IS(bowline_trust(node, id_text(other), BOWLINE_FOREVER, &err), BOWLINE_E_BANNED);
    CHECK_HAS(bowline_error_text(err), "lift the ban");
    bowline_error_free(err);
    CHECK_OK(bowline_peers_snapshot(node, &list));
    CHECK_IS(bowline_list_ban(list, 0, &wrong), BOWLINE_E_INVALID);
    bowline_list_free(list);
    CHECK_ERR(bowline_unban(node, id_text(other), &err), err);
    CHECK_IS(bowline_unban(node, id_text(other), &err), BOWLINE_E_NOT_FOUND);
    bowline_error_free(err);
    CHECK_INT(standing(node, &id, NULL), BOWLINE_STANDING_ORDINARY);
    CHECK_ERR(bowline_connect_wait(node, address, 20000, &peer, &err), err);
    bowline_node_free(node);
    bowline_node_free(other);
}

static void prefixes_and_addresses_have_their_entries(void)
{
    bowline_node *node = a_node(1);
    bowline_addr inside;
    bowline_addr outside;
    bowline_list *list = NULL;
    bowline_ban_info info;
    bowline_error *err = NULL;
    CHECK_OK(bowline_addr_parse("192.0.2.77", 0, &inside));
    CHECK_OK(bowline_addr_parse("192.0.3.1", 0, &outside));
    start(node);
    CHECK_ERR(bowline_ban(node, "192.0.2.0/24", BOWLINE_FOREVER, NULL, NULL, &err), err);
    CHECK_INT(standing(node, NULL, &inside), BOWLINE_STANDING_BANNED);
    CHECK_INT(standing(node, NULL, &outside), BOWLINE_STANDING_ORDINARY);
    CHECK_INT(standing(node, NULL, NULL), BOWLINE_STANDING_ORDINARY);
    CHECK_OK(bowline_bans_snapshot(node, &list));
    info = only_entry(list);
    CHECK(info.kind == BOWLINE_SUBJECT_NET && info.prefix_len == 24 && info.addr.family == BOWLINE_AF_IPV4);
    CHECK(info.addr.ip[0] == 192 && info.addr.ip[3] == 0 && info.until_ns == 0 && info.why[0] == 0);
    /* What lies within is not lifted by itself, and not trusted. */
    CHECK_IS(bowline_unban(node, "192.0.2.77", NULL), BOWLINE_E_NOT_FOUND);
    CHECK_IS(bowline_trust(node, "192.0.2.77", BOWLINE_FOREVER, NULL), BOWLINE_E_BANNED);
    CHECK_OK(bowline_trust(node, "2001:db8::/32", 60000, NULL));
    CHECK_OK(bowline_trusted_snapshot(node, &list));
    info = only_entry(list);
    CHECK(info.prefix_len == 32 && info.addr.family == BOWLINE_AF_IPV6 && info.until_ns > info.since_ns);
    CHECK_OK(bowline_untrust(node, "2001:db8::/32", NULL));
    CHECK_IS(bowline_untrust(node, "2001:db8::/32", NULL), BOWLINE_E_NOT_FOUND);
    bowline_node_free(node);
}

static void the_greylist_is_shown_and_emptied(void)
{
    bowline_node *node = a_node(1);
    size_t removed = 7;
    start(node);
    CHECK_INT(length(bowline_greylist_snapshot, node), 0);
    CHECK_OK(bowline_greylist_flush(node, &removed));
    CHECK_INT(removed, 0);
    CHECK_OK(bowline_greylist_flush(node, NULL));
    CHECK_IS(bowline_forgive(node, "192.0.2.1", NULL), BOWLINE_E_NOT_FOUND);
    CHECK_IS(bowline_forgive(node, "192.0.2.0/24", NULL), BOWLINE_E_INVALID);
    bowline_node_free(node);
}

static void wrong_targets_and_times_are_refused_by_name(void)
{
    static const char *const targets[] = {"", "nobody", "192.0.2.1/33", "300.0.0.1", "::1/129", "ab", "192.0.2.1:80"};
    bowline_node *node = a_node(1);
    bowline_error *err = NULL;
    start(node);
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++) {
        CHECK_IS(bowline_ban(node, targets[i], BOWLINE_FOREVER, NULL, NULL, &err), BOWLINE_E_INVALID);
        CHECK_HAS(bowline_error_text(err), "neither a peer id");
        bowline_error_free(err);
        CHECK_IS(bowline_trust(node, targets[i], BOWLINE_FOREVER, NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_unban(node, targets[i], NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_untrust(node, targets[i], NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_forgive(node, targets[i], NULL), BOWLINE_E_INVALID);
    }
    CHECK_IS(bowline_ban(node, "\xff", BOWLINE_FOREVER, NULL, NULL, NULL), BOWLINE_E_UTF8);
    CHECK_IS(bowline_ban(node, "192.0.2.1", BOWLINE_FOREVER, "\xff", NULL, NULL), BOWLINE_E_UTF8);
    CHECK_IS(bowline_ban(node, "192.0.2.1", 0, NULL, NULL, &err), BOWLINE_E_INVALID);
    CHECK_HAS(bowline_error_text(err), "ends at once");
    bowline_error_free(err);
    CHECK_IS(bowline_ban(node, "192.0.2.1", -2, NULL, NULL, NULL), BOWLINE_E_INVALID);
    CHECK_IS(bowline_ban(node, id_text(node), BOWLINE_FOREVER, NULL, NULL, &err), BOWLINE_E_INVALID);
    CHECK_HAS(bowline_error_text(err), "itself");
    bowline_error_free(err);
    CHECK_INT(length(bowline_bans_snapshot, node), 0);
    CHECK_INT(length(bowline_trusted_snapshot, node), 0);
    bowline_node_free(node);
}

static void lists_outlive_their_node(void)
{
    bowline_node *node = a_node(1);
    bowline_list *list = NULL;
    start(node);
    CHECK_OK(bowline_ban(node, "192.0.2.1", BOWLINE_FOREVER, "why", NULL, NULL));
    CHECK_OK(bowline_bans_snapshot(node, &list));
    bowline_node_free(node);
    CHECK_TEXT(only_entry(list).why, "why");
}

static const bt_test tests[] = {
    BT(a_ban_ends_the_link_and_keeps_the_peer_out),
    BT(prefixes_and_addresses_have_their_entries),
    BT(the_greylist_is_shown_and_emptied),
    BT(wrong_targets_and_times_are_refused_by_name),
    BT(lists_outlive_their_node),
};
BT_MAIN(tests)
