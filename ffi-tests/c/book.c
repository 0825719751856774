/* The address book through C: what goes in, what is shown, what is noted, what is exported, and what is refused. */
#include "nodes.h"

/* The entry of the book for an address; false if there is none. */
static int find(const bowline_node *node, const char *text, bowline_addr_info *found)
{
    bowline_list *list = NULL;
    bowline_addr addr;
    int is_there = 0;
    CHECK_OK(bowline_addr_parse(text, 0, &addr));
    CHECK_OK(bowline_addrbook_snapshot(node, &list));
    for (size_t i = 0; i < bowline_list_len(list) && !is_there; i++) {
        bowline_addr_info info = BOWLINE_ADDR_INFO_INIT;
        CHECK_OK(bowline_list_addr(list, i, &info));
        is_there = memcmp(&info.addr, &addr, sizeof addr) == 0;
        *found = info;
    }
    bowline_list_free(list);
    return is_there;
}

static void addresses_come_and_go(void)
{
    bowline_node *node = a_node(1);
    bowline_error *err = NULL;
    bowline_addr_info info = BOWLINE_ADDR_INFO_INIT;
    CHECK_IS(bowline_addrbook_add(node, "192.0.2.1:9732", NULL), BOWLINE_E_STATE);
    start(node);
    CHECK_ERR(bowline_addrbook_add(node, "192.0.2.1:9732", &err), err);
    CHECK(find(node, "192.0.2.1:9732", &info));
    CHECK(info.flags == 0 && info.proof == BOWLINE_PROOF_HEARD && info.last_seen_ns == 0);
    CHECK_TEXT(info.source, "own");
    CHECK_IS(bowline_addrbook_add(node, "192.0.2.1:9732", &err), BOWLINE_E_EXISTS);
    says(err, "known already");
    CHECK_IS(bowline_addrbook_add(node, address_text(node), &err), BOWLINE_E_SELF);
    says(err, "itself");
    CHECK_IS(bowline_addrbook_add(node, "192.0.2.1:0", &err), BOWLINE_E_INVALID);
    says(err, "no port");
    CHECK_IS(bowline_addrbook_add(node, "mconn://192.0.2.1:1", &err), BOWLINE_E_INVALID);
    says(err, "bowline");
    CHECK_IS(bowline_addrbook_add(node, "0.0.0.0:1", NULL), BOWLINE_E_INVALID);
    CHECK_IS(bowline_addrbook_add(node, "\xff", NULL), BOWLINE_E_UTF8);
    CHECK_OK(bowline_ban(node, "192.0.2.7", BOWLINE_FOREVER, NULL, NULL, NULL));
    CHECK_IS(bowline_addrbook_add(node, "192.0.2.7:1", &err), BOWLINE_E_BANNED);
    says(err, "lift the ban");
    CHECK_IS(bowline_addrbook_remove(node, "192.0.2.99:1", NULL), BOWLINE_E_NOT_FOUND);
    CHECK_IS(bowline_addrbook_remove(node, "a.example:1", NULL), BOWLINE_E_INVALID);
    bowline_node_free(node);
}

static void a_link_stands_in_the_book(void)
{
    bowline_node *node = a_node(1);
    bowline_node *other = a_node(2);
    bowline_peer peer = 0;
    bowline_peer_id id;
    bowline_error *err = NULL;
    bowline_addr_info info = BOWLINE_ADDR_INFO_INIT;
    bowline_list *list = NULL;
    char address[BOWLINE_ADDR_TEXT_MAX];
    char text[512];
    size_t needed = 0;
    start(node);
    start(other);
    CHECK_OK(bowline_node_id(other, &id));
    snprintf(address, sizeof address, "%s", address_text(other));
    CHECK_ERR(bowline_connect_wait(node, address, 20000, &peer, &err), err);
    CHECK(find(node, address, &info));
    CHECK(info.state == BOWLINE_ADDR_CONNECTED && info.peer == peer && info.proof == BOWLINE_PROOF_DIALED);
    CHECK(memcmp(&info.id, &id, sizeof id) == 0 && info.last_dialed_ns != 0 && info.attempts == 0 && info.failure == 0);
    CHECK_IS(bowline_addrbook_remove(node, address, &err), BOWLINE_E_STATE);
    says(err, "uses this address");
    /* Notes are bounded and belong to what is known. */
    CHECK_ERR(bowline_addr_note(node, address, "note", 4, &err), err);
    CHECK_ERR(bowline_peer_note(node, &id, "note", 4, &err), err);
    CHECK_OK(bowline_peer_note(node, &id, NULL, 0, NULL));
    CHECK_IS(bowline_addr_note(node, address, text, 257, &err), BOWLINE_E_TOO_BIG);
    bowline_error_free(err);
    CHECK_IS(bowline_peer_note(node, &id, text, 257, NULL), BOWLINE_E_TOO_BIG);
    CHECK_IS(bowline_addr_note(node, "192.0.2.200:1", "x", 1, NULL), BOWLINE_E_NOT_FOUND);
    memset(&id, 7, sizeof id);
    CHECK_IS(bowline_peer_note(node, &id, "x", 1, NULL), BOWLINE_E_NOT_FOUND);
    /* Who is asked tells what it knows. */
    CHECK_ERR(bowline_discover_wait(node, peer, 20000, &list, &err), err);
    bowline_list_free(list);
    CHECK_IS(bowline_discover_wait(node, 12345, 1000, &list, NULL), BOWLINE_E_PEER_GONE);
    CHECK(list == NULL);
    /* This node is among its own healthy ones, if it is asked to be. */
    CHECK_OK(bowline_healthy_snapshot(node, 1, &list));
    CHECK(bowline_list_len(list) >= 1);
    CHECK_OK(bowline_list_text(list, bowline_list_len(list) - 1, text, sizeof text, &needed));
    CHECK_HAS(text, address_text(node));
    CHECK_IS(bowline_list_text(list, 0, text, 3, &needed), BOWLINE_E_BUFFER);
    CHECK(needed > 3);
    CHECK_IS(bowline_list_text(list, 1000, text, sizeof text, NULL), BOWLINE_E_NOT_FOUND);
    CHECK_IS(bowline_list_addr(list, 0, &info), BOWLINE_E_INVALID);
    bowline_list_free(list);
    CHECK_OK(bowline_addrbook_snapshot(node, &list));
    CHECK_IS(bowline_list_text(list, 0, text, sizeof text, NULL), BOWLINE_E_INVALID);
    bowline_list_free(list);
    bowline_node_free(node);
    bowline_node_free(other);
}

static void an_export_is_taken_in_elsewhere(void)
{
    bowline_node *node = a_node(1);
    bowline_node *other = a_node(2);
    bowline_error *err = NULL;
    bowline_imported imported = BOWLINE_IMPORTED_INIT;
    bowline_addr_info info = BOWLINE_ADDR_INFO_INIT;
    char *text = NULL;
    size_t len = 0;
    start(node);
    start(other);
    CHECK_OK(bowline_addrbook_add(node, "192.0.2.1:9732", NULL));
    CHECK_OK(bowline_ban(node, "198.51.100.0/24", BOWLINE_FOREVER, "why", NULL, NULL));
    CHECK_ERR(bowline_export(node, &text, &len, &err), err);
    CHECK(len == strlen(text));
    CHECK_HAS(text, "192.0.2.1");
    CHECK_ERR(bowline_import(other, text, len, &imported, &err), err);
    CHECK(imported.addrs == 1 && imported.lists == 1 && imported.without_place == 0 && imported.contradicted == 0);
    CHECK(find(other, "192.0.2.1:9732", &info));
    CHECK_OK(bowline_import(other, text, len, NULL, NULL));
    bowline_string_free(text);
    CHECK_IS(bowline_import(other, "nonsense\n", 9, &imported, &err), BOWLINE_E_INVALID);
    says(err, "line 1");
    CHECK_IS(bowline_import(other, NULL, 0, NULL, NULL), BOWLINE_E_INVALID);
    imported.struct_size = 3;
    CHECK_IS(bowline_import(other, "x", 1, &imported, NULL), BOWLINE_E_STRUCT_SIZE);
    bowline_node_free(node);
    bowline_node_free(other);
}

static const bt_test tests[] = {
    BT(addresses_come_and_go),
    BT(a_link_stands_in_the_book),
    BT(an_export_is_taken_in_elsewhere),
};
BT_MAIN(tests)
