/* What is known of peers: what they say of themselves, what they have earned, how their channels stand, who was ever here. */
#include "nodes.h"

static bowline_config *a_talker(void)
{
    bowline_config *config = a_config();
    static const uint8_t bytes[] = {0, 1, 0, 255};
    CHECK_OK(bowline_config_add_capability(config, "archive", 1000, NULL));
    CHECK_OK(bowline_config_add_capability(config, "light", 2, NULL));
    CHECK_OK(bowline_config_add_version(config, 3, NULL));
    CHECK_OK(bowline_config_add_version(config, 5, NULL));
    CHECK_OK(bowline_config_set_metadata(config, bytes, sizeof bytes, NULL));
    CHECK_OK(bowline_config_set_agent(config, "talker/1.2", NULL));
    return config;
}

static bowline_config *of_version(uint32_t version)
{
    bowline_config *config = a_config();
    CHECK_OK(bowline_config_add_version(config, version, NULL));
    return config;
}

static void a_peer_is_what_it_says(void)
{
    pair both = a_pair_of(of_version(3), a_talker());
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    bowline_list *list = NULL;
    uint8_t bytes[4] = {9, 9, 9, 9};
    char text[100];
    size_t size = 0;
    uint64_t value = 0;
    CHECK_OK(bowline_peer_get(both.asker, both.to_server, &info));
    CHECK(strcmp(info.agent, "talker/1.2") == 0 && (info.flags & BOWLINE_PEER_HAS_VERSION) != 0 && info.version == 3);
    CHECK(info.weight > 0 && info.rate_up == 0 && info.user_tag == 0);
    CHECK_OK(bowline_peer_capability(both.asker, both.to_server, "archive", &value));
    CHECK_INT(value, 1000);
    CHECK_OK(bowline_peer_capability(both.asker, both.to_server, "light", NULL));
    CHECK_IS(bowline_peer_capability(both.asker, both.to_server, "arch", &value), BOWLINE_E_NOT_FOUND);
    CHECK_OK(bowline_peer_capabilities(both.asker, both.to_server, &list));
    CHECK_INT(bowline_list_len(list), 2);
    CHECK_OK(bowline_list_text(list, 0, text, sizeof text, NULL));
    CHECK(strcmp(text, "archive=1000") == 0);
    bowline_list_free(list);
    CHECK_OK(bowline_peer_listens(both.asker, both.to_server, &list));
    CHECK_INT(bowline_list_len(list), 1);
    bowline_list_free(list);
    CHECK_IS(bowline_peer_metadata(both.asker, both.to_server, bytes, 3, &size), BOWLINE_E_BUFFER);
    CHECK(size == 4 && bytes[0] == 9);
    CHECK_OK(bowline_peer_metadata(both.asker, both.to_server, bytes, 4, &size));
    CHECK(size == 4 && bytes[0] == 0 && bytes[1] == 1 && bytes[3] == 255);
    /* The other way round there is none of all that. */
    CHECK_OK(bowline_peer_metadata(both.server, both.to_asker, NULL, 0, &size));
    CHECK_INT(size, 0);
    CHECK_OK(bowline_peer_capabilities(both.server, both.to_asker, &list));
    CHECK_INT(bowline_list_len(list), 0);
    bowline_list_free(list);
    end(both);
}

static void no_common_version_is_said(void)
{
    pair both = a_pair_of(of_version(7), a_talker());
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    CHECK_OK(bowline_peer_get(both.asker, both.to_server, &info));
    CHECK((info.flags & BOWLINE_PEER_HAS_VERSION) == 0 && info.version == 0);
    end(both);
}

static void peers_that_share_no_version_can_be_refused(void)
{
    bowline_config *strict = of_version(7);
    bowline_node *node = NULL;
    bowline_node *other = a_node_of(a_talker(), 2);
    bowline_peer_id id;
    char text[65];
    bowline_peer peer = 0;
    bowline_event event;
    set(strict, "network.require_version", "true");
    node = a_node_of(strict, 1);
    start(node);
    start(other);
    CHECK(bowline_connect_wait(other, address_text(node), 20000, &peer, NULL) != BOWLINE_OK);
    event = await(node, BOWLINE_EV_PEER_REFUSED);
    CHECK_INT(event.result, BOWLINE_E_HANDSHAKE);
    CHECK_OK(bowline_node_id(other, &id));
    CHECK_OK(bowline_peer_id_format(&id, text, sizeof text, NULL));
    CHECK(event.len > 65 && memcmp(event.data, text, 64) == 0 && event.data[64] == '@');
    release(&event);
    bowline_node_free(node);
    bowline_node_free(other);
}

static void the_event_of_a_link_says_who(void)
{
    bowline_node *node = a_node(1);
    bowline_node *other = a_node(2);
    bowline_peer peer = 0;
    bowline_peer_id id;
    bowline_event event;
    start(node);
    start(other);
    CHECK_OK(bowline_connect_wait(node, address_text(other), 20000, &peer, NULL));
    event = await(node, BOWLINE_EV_PEER_CONNECTED);
    CHECK_OK(bowline_node_id(other, &id));
    CHECK(event.peer == peer && event.len == sizeof id && memcmp(event.data, &id, sizeof id) == 0);
    release(&event);
    bowline_node_free(node);
    bowline_node_free(other);
}

static void a_number_can_be_kept_with_a_peer(void)
{
    pair both = a_pair();
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    bowline_list *list = NULL;
    CHECK_OK(bowline_peer_set_tag(both.asker, both.to_server, UINT64_MAX));
    CHECK_OK(bowline_peer_get(both.asker, both.to_server, &info));
    CHECK(info.user_tag == UINT64_MAX);
    do {
        bowline_list_free(list);
        CHECK_OK(bowline_peers_snapshot(both.asker, &list));
    } while (bowline_list_len(list) == 0);
    CHECK_OK(bowline_peer_set_tag(both.asker, both.to_server, 4));
    CHECK_OK(bowline_list_peer(list, 0, &info)); /* a list does not change */
    CHECK(info.user_tag == UINT64_MAX);
    bowline_list_free(list);
    CHECK_OK(bowline_peer_get(both.asker, both.to_server, &info));
    CHECK_INT(info.user_tag, 4);
    end(both);
}

static void reports_move_a_score_and_say_why(void)
{
    pair both = a_pair();
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    bowline_cause cause = BOWLINE_CAUSE_INIT;
    bowline_list *causes = NULL;
    int32_t score = 77;
    CHECK_OK(bowline_peer_get(both.asker, both.to_server, &info));
    CHECK_IS(bowline_score(both.asker, &info.id, &score, &causes), BOWLINE_E_NOT_FOUND);
    CHECK(score == 77 && causes == NULL);
    CHECK_OK(bowline_peer_report(both.asker, both.to_server, 30, "a block before \x1b anybody else"));
    CHECK_OK(bowline_report(both.asker, &info.id, -10, NULL));
    CHECK_OK(bowline_score(both.asker, &info.id, &score, &causes));
    CHECK(score == 20 || score == 19); /* it fades from the first moment on */
    CHECK_INT(bowline_list_len(causes), 2);
    CHECK_OK(bowline_list_cause(causes, 0, &cause));
    CHECK(cause.delta == 30 && strncmp(cause.why, "a block before", 14) == 0 && strchr(cause.why, '\x1b') == NULL);
    CHECK(cause.time_ns != 0 && cause.time_ns <= bowline_clock_ns());
    CHECK_OK(bowline_list_cause(causes, 1, &cause));
    CHECK(cause.delta == -10 && cause.why[0] == 0);
    CHECK_IS(bowline_list_cause(causes, 2, &cause), BOWLINE_E_NOT_FOUND);
    bowline_list_free(causes);
    CHECK_OK(bowline_score(both.asker, &info.id, &score, NULL));
    CHECK_OK(bowline_peer_useful(both.asker, both.to_server));
    end(both);
}

static void a_score_that_is_low_enough_bans(void)
{
    pair both = a_pair();
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    uint32_t standing = 99;
    bowline_addr server;
    bowline_event event;
    size_t at = 0;
    CHECK_OK(bowline_peer_get(both.asker, both.to_server, &info));
    server = address_of(both.server);
    CHECK(memcmp(&info.listen, &server, sizeof server) == 0);
    for (at = 0; at < 10; at++) {
        CHECK_OK(bowline_report(both.asker, &info.id, -1000, "forged blocks"));
    }
    CHECK_OK(bowline_standing(both.asker, &info.id, NULL, &standing));
    CHECK_INT(standing, BOWLINE_STANDING_BANNED);
    event = await(both.asker, BOWLINE_EV_PEER_BANNED);
    CHECK_HAS((const char *)event.data, "forged blocks");
    CHECK((int32_t)event.detail < -100 && (int32_t)event.detail >= -1000);
    release(&event);
    event = await(both.asker, BOWLINE_EV_PEER_DISCONNECTED);
    CHECK(event.len == sizeof info.id.bytes && memcmp(event.data, info.id.bytes, sizeof info.id.bytes) == 0);
    release(&event);
    CHECK_IS(bowline_peer_report(both.asker, both.to_server, 1, NULL), BOWLINE_E_PEER_GONE);
    CHECK_OK(bowline_report(both.asker, &info.id, 1, NULL)); /* by identity it goes on */
    end(both);
}

static void the_channels_of_a_peer_are_shown(void)
{
    pair both = a_pair();
    bowline_list *list = NULL;
    bowline_channel_info info = BOWLINE_CHANNEL_INFO_INIT;
    bowline_event event;
    size_t at = 0;
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "hello", 5, NULL));
    do { /* until the message waits at the other side */
        bowline_list_free(list);
        CHECK_OK(bowline_peer_channels(both.server, both.to_asker, &list));
        for (at = 0; at < bowline_list_len(list); at++) {
            CHECK_OK(bowline_list_channel(list, at, &info));
            if (info.channel == CHANNEL) {
                break;
            }
        }
        CHECK(info.channel == CHANNEL && info.is_shared == 1 && info.credit_in > 0 && info.credit_out > 0);
    } while (info.in_msgs == 0);
    CHECK(info.in_msgs == 1 && info.in_bytes == 5 && info.out_msgs == 0);
    bowline_list_free(list);
    event = await(both.server, BOWLINE_EV_MESSAGE);
    release(&event);
    end(both);
}

static void who_was_here_is_remembered_with_notes(void)
{
    pair both = a_pair();
    bowline_peer_info peer = BOWLINE_PEER_INFO_INIT;
    bowline_known_info info = BOWLINE_KNOWN_INFO_INIT;
    bowline_list *list = NULL;
    char note[16];
    size_t size = 77;
    CHECK_OK(bowline_peer_get(both.asker, both.to_server, &peer));
    CHECK_OK(bowline_known_snapshot(both.asker, &list));
    CHECK_INT(bowline_list_len(list), 1);
    CHECK_OK(bowline_list_note(list, 0, NULL, 0, &size));
    CHECK_INT(size, 0);
    bowline_list_free(list);
    CHECK_OK(bowline_peer_note(both.asker, &peer.id, "runs\0this", 9, NULL));
    CHECK_OK(bowline_known_snapshot(both.asker, &list));
    CHECK_OK(bowline_list_known(list, 0, &info));
    CHECK(memcmp(&info.id, &peer.id, sizeof info.id) == 0 && info.links == 1 && info.first_seen_ns != 0 && info.failures[0] == 0);
    CHECK_IS(bowline_list_known(list, 1, &info), BOWLINE_E_NOT_FOUND);
    CHECK_IS(bowline_list_note(list, 0, note, 8, &size), BOWLINE_E_BUFFER);
    CHECK_OK(bowline_list_note(list, 0, note, sizeof note, &size));
    CHECK(size == 9 && memcmp(note, "runs\0this", 9) == 0);
    CHECK_IS(bowline_list_note(list, 1, note, sizeof note, &size), BOWLINE_E_NOT_FOUND);
    bowline_node_free(both.server);
    bowline_node_free(both.asker);
    CHECK_OK(bowline_list_known(list, 0, &info)); /* lists outlive their node */
    bowline_list_free(list);
}

static void notes_of_addresses_are_read_back(void)
{
    bowline_node *node = a_node(1);
    bowline_list *list = NULL;
    bowline_error *err = NULL;
    char note[256];
    size_t size = 0;
    start(node);
    CHECK_ERR(bowline_addrbook_add(node, "192.0.2.1:9732", &err), err);
    CHECK_ERR(bowline_addr_note(node, "192.0.2.1:9732", "slow", 4, &err), err);
    CHECK_OK(bowline_addrbook_snapshot(node, &list));
    CHECK_INT(bowline_list_len(list), 1);
    CHECK_OK(bowline_list_note(list, 0, note, sizeof note, &size));
    CHECK(size == 4 && memcmp(note, "slow", 4) == 0);
    bowline_list_free(list);
    bowline_node_free(node);
}

static const bt_test tests[] = {
    BT(a_peer_is_what_it_says),
    BT(no_common_version_is_said),
    BT(peers_that_share_no_version_can_be_refused),
    BT(the_event_of_a_link_says_who),
    BT(a_number_can_be_kept_with_a_peer),
    BT(reports_move_a_score_and_say_why),
    BT(a_score_that_is_low_enough_bans),
    BT(the_channels_of_a_peer_are_shown),
    BT(who_was_here_is_remembered_with_notes),
    BT(notes_of_addresses_are_read_back),
};
BT_MAIN(tests)
