/* What an operator changes, asks and orders while a node runs. */
#include "nodes.h"

static void live_settings_change_and_others_do_not(void)
{
    bowline_node *node = a_node(1);
    bowline_error *err = NULL;
    char text[64];
    size_t needed = 0;
    CHECK_IS(bowline_node_set(node, "pool.min", "3", NULL), BOWLINE_E_STATE);
    CHECK_OK(bowline_node_get(node, "pool.max", text, sizeof text, &needed));
    CHECK_INT(needed, strlen(text) + 1);
    start(node);
    CHECK_ERR(bowline_node_set(node, "pool.min", "3", &err), err);
    CHECK_OK(bowline_node_get(node, "pool.min", text, sizeof text, NULL));
    CHECK_TEXT(text, "3");
    CHECK_IS(bowline_node_set(node, "pool.minimum", "3", &err), BOWLINE_E_NOT_FOUND);
    says(err, "did you mean pool.min");
    CHECK_IS(bowline_node_set(node, "pool.min", "many", &err), BOWLINE_E_INVALID);
    says(err, "a whole number");
    CHECK_IS(bowline_node_set(node, "pool.min", "60", &err), BOWLINE_E_INVALID);
    says(err, "pool.expected");
    CHECK_IS(bowline_node_set(node, "listen.addresses", "127.0.0.1:1", &err), BOWLINE_E_READ_ONLY);
    says(err, "listen.addresses");
    CHECK_IS(bowline_node_set(node, "pool.max", "16000", &err), BOWLINE_E_READ_ONLY);
    bowline_error_free(err);
    CHECK_IS(bowline_node_set(node, "pool.min", "\xff", NULL), BOWLINE_E_UTF8);
    CHECK_IS(bowline_node_get(node, "pool.minimum", text, sizeof text, NULL), BOWLINE_E_NOT_FOUND);
    CHECK_IS(bowline_node_get(node, "pool.min", text, 1, &needed), BOWLINE_E_BUFFER);
    CHECK_INT(needed, 2);
    CHECK_OK(bowline_node_get(node, "pool.min", text, sizeof text, NULL));
    CHECK_TEXT(text, "3");
    bowline_node_free(node);
}

static void a_paused_node_dials_on_request_alone(void)
{
    bowline_node *node = a_node(1);
    bowline_node *other = a_node(2);
    bowline_peer peer = 0;
    bowline_error *err = NULL;
    size_t links = 9;
    int is_stuck = 9;
    start(node);
    start(other);
    CHECK_INT(bowline_is_paused(node), 0);
    CHECK_OK(bowline_pause(node));
    CHECK_OK(bowline_pause(node));
    CHECK_INT(bowline_is_paused(node), 1);
    CHECK(bowline_connect_wait(other, address_text(node), 20000, &peer, NULL) != BOWLINE_OK);
    CHECK_ERR(bowline_connect_wait(node, address_text(other), 20000, &peer, &err), err);
    CHECK_OK(bowline_resume(node));
    CHECK_INT(bowline_is_paused(node), 0);
    CHECK_OK(bowline_maintain(node));
    CHECK_OK(bowline_maintain_wait(node, 20000, &links, &is_stuck));
    CHECK_INT(links, 1);
    CHECK_OK(bowline_maintain_wait(node, BOWLINE_FOREVER, NULL, NULL));
    CHECK_IS(bowline_maintain_wait(node, -5, NULL, NULL), BOWLINE_E_INVALID);
    bowline_node_free(node);
    bowline_node_free(other);
}

static void persistent_peers_come_and_go(void)
{
    bowline_node *node = a_node(1);
    bowline_node *other = a_node(2);
    bowline_error *err = NULL;
    bowline_event event;
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    char address[200];
    size_t dialed = 7;
    start(node);
    start(other);
    snprintf(address, sizeof address, "%s", address_text(other));
    CHECK_ERR(bowline_persistent_add(node, address, &err), err);
    CHECK_IS(bowline_persistent_add(node, address, NULL), BOWLINE_E_EXISTS);
    event = await(node, BOWLINE_EV_PEER_CONNECTED);
    let_go(&event);
    /* All of it is known as soon as the event is. */
    CHECK_OK(bowline_peer_get(node, event.peer, &info));
    CHECK_INT(info.flags, BOWLINE_PEER_STATIC);
    CHECK_OK(bowline_persistent_remove(node, address, NULL));
    CHECK_IS(bowline_persistent_remove(node, address, NULL), BOWLINE_E_NOT_FOUND);
    CHECK_IS(bowline_persistent_add(node, "nowhere", &err), BOWLINE_E_INVALID);
    says(err, "no port");
    CHECK_IS(bowline_persistent_add(node, "0.0.0.0:1", &err), BOWLINE_E_INVALID);
    says(err, "no node can be");
    CHECK_IS(bowline_persistent_add(node, address_text(node), &err), BOWLINE_E_STATE);
    says(err, "itself");
    CHECK_OK(bowline_dial_seeds(node, &dialed));
    CHECK_INT(dialed, 0);
    CHECK_OK(bowline_dial_seeds(node, NULL));
    bowline_node_free(node);
    bowline_node_free(other);
}

static void links_are_asked_and_bounded(void)
{
    bowline_node *node = a_node(1);
    bowline_node *other = a_node(2);
    bowline_peer peer = 0;
    bowline_error *err = NULL;
    start(node);
    start(other);
    CHECK_ERR(bowline_connect_wait(node, address_text(other), 20000, &peer, &err), err);
    CHECK_IS(bowline_ask_addresses(node, 12345, NULL, NULL), BOWLINE_E_PEER_GONE);
    CHECK_ERR(bowline_set_peer_bandwidth(node, peer, 100000, 0, &err), err);
    CHECK_IS(bowline_set_peer_bandwidth(node, peer, 1, 0, &err), BOWLINE_E_INVALID);
    says(err, "too slow");
    CHECK_IS(bowline_set_peer_bandwidth(node, 12345, 0, 0, NULL), BOWLINE_E_PEER_GONE);
    CHECK_ERR(bowline_set_weight(node, peer, 1, &err), err);
    CHECK_IS(bowline_set_weight(node, peer, 0, &err), BOWLINE_E_INVALID);
    bowline_error_free(err);
    CHECK_IS(bowline_set_weight(node, 12345, 1, NULL), BOWLINE_E_PEER_GONE);
    CHECK_ERR(bowline_set_bandwidth(node, 10000000, 10000000, &err), err);
    CHECK_IS(bowline_set_bandwidth(node, 1, 0, &err), BOWLINE_E_INVALID);
    says(err, "too slow");
    CHECK_OK(bowline_save(node, 5000, NULL));
    bowline_node_free(node);
    bowline_node_free(other);
}

static bowline_addr loopback(uint16_t port)
{
    bowline_addr addr;
    CHECK_OK(bowline_addr_parse("127.0.0.1", port, &addr));
    return addr;
}

/* Who listens at an address more is met there; who listens no longer keeps its links and frees the port. */
static void a_node_listens_at_more_addresses_and_at_fewer(void)
{
    bowline_node *node = a_node(1);
    bowline_node *other = a_node(2);
    bowline_node *third = a_node(3);
    bowline_addr any = loopback(0);
    bowline_addr far = any;
    bowline_addr bound = {0};
    bowline_addr all[8];
    bowline_event event;
    bowline_peer peer = 0;
    bowline_error *err = NULL;
    char text[BOWLINE_ADDR_TEXT_MAX];
    size_t count = 0;
    start(node);
    start(other);
    start(third);
    CHECK_ERR(bowline_listen_add(node, &any, &bound, &err), err);
    CHECK(bound.port != 0);
    CHECK_OK(bowline_node_listen_addrs(node, all, 8, &count));
    CHECK_INT(count, 2);
    CHECK(memcmp(&all[1], &bound, sizeof bound) == 0);
    CHECK_OK(bowline_addr_format(&bound, text, sizeof text, NULL));
    CHECK_ERR(bowline_connect_wait(other, text, 20000, &peer, &err), err);
    CHECK_IS(bowline_listen_add(third, &bound, NULL, &err), BOWLINE_E_ADDR_IN_USE);
    says(err, text);
    far.ip[0] = 192; /* not of this machine */
    far.ip[2] = 2;
    CHECK_IS(bowline_listen_add(node, &far, NULL, NULL), BOWLINE_E_ADDR_UNAVAILABLE);
    CHECK_OK(bowline_listen_remove(node, &bound));
    CHECK_IS(bowline_listen_remove(node, &bound), BOWLINE_E_NOT_FOUND);
    CHECK_OK(bowline_listen_add(third, &bound, NULL, NULL));
    CHECK_OK(bowline_send(other, peer, CHANNEL, "still", 5, NULL));
    event = await(node, BOWLINE_EV_MESSAGE);
    CHECK(event.len == 5 && memcmp(event.data, "still", 5) == 0);
    let_go(&event);
    CHECK_OK(bowline_node_listen_addrs(node, all, 8, &count));
    CHECK_INT(count, 1);
    /* 8 are the most. */
    for (; count < 8; count++) {
        CHECK_OK(bowline_listen_add(node, &any, NULL, NULL));
    }
    CHECK_IS(bowline_listen_add(node, &any, NULL, &err), BOWLINE_E_LIMIT);
    says(err, "8 addresses");
    bowline_node_free(node);
    bowline_node_free(other);
    bowline_node_free(third);
}

static void before_the_start_and_after_the_stop_they_say_so(void)
{
    bowline_node *node = a_node(1);
    bowline_addr somewhere = loopback(1);
    for (int round = 0; round < 2; round++) {
        bowline_result want = round == 0 ? BOWLINE_E_STATE : BOWLINE_E_STOPPED;
        CHECK_IS(bowline_maintain(node), want);
        CHECK_IS(bowline_maintain_wait(node, 10, NULL, NULL), want);
        CHECK_IS(bowline_pause(node), want);
        CHECK_IS(bowline_resume(node), want);
        CHECK_IS(bowline_dial_seeds(node, NULL), want);
        CHECK_IS(bowline_persistent_add(node, "127.0.0.1:1", NULL), want);
        CHECK_IS(bowline_persistent_remove(node, "127.0.0.1:1", NULL), want);
        CHECK_IS(bowline_ask_addresses(node, 0, NULL, NULL), want);
        CHECK_IS(bowline_set_bandwidth(node, 0, 0, NULL), want);
        CHECK_IS(bowline_listen_add(node, &somewhere, NULL, NULL), want);
        CHECK_IS(bowline_listen_remove(node, &somewhere), want);
        CHECK_IS(bowline_save(node, 10, NULL), want);
        CHECK_IS(bowline_ban(node, "192.0.2.1", BOWLINE_FOREVER, NULL, NULL, NULL), want);
        CHECK_IS(bowline_trust(node, "192.0.2.1", BOWLINE_FOREVER, NULL), want);
        CHECK_IS(bowline_greylist_flush(node, NULL), want);
        if (round == 0) {
            start(node);
            CHECK_OK(bowline_node_stop(node, 0));
        }
    }
    bowline_node_free(node);
}

static const bt_test tests[] = {
    BT(live_settings_change_and_others_do_not),
    BT(a_paused_node_dials_on_request_alone),
    BT(persistent_peers_come_and_go),
    BT(links_are_asked_and_bounded),
    BT(a_node_listens_at_more_addresses_and_at_fewer),
    BT(before_the_start_and_after_the_stop_they_say_so),
};
BT_MAIN(tests)
