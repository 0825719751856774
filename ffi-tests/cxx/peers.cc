/* What peers can do, say and have earned, and what became of messages to them. */
#include "started.hpp"

namespace {

/* A node that says something of itself. */
bowline::node telling()
{
    bowline::config config = a_plan();
    MUST(config.add_capability("archive", 7));
    MUST(config.add_version(3));
    MUST(config.set_metadata("height 42"));
    MUST(config.set_agent(std::string("cxx-tests/1")));
    bowline::node node = made(config);
    MUST(node.start());
    return node;
}

} // namespace

CASE(a_peer_says_what_it_is)
{
    bowline::node alice = telling();
    bowline::node bob = telling();
    const bowline_peer peer = connected(bob, alice);
    CHECK(MUST(bob.peer_capability(peer, "archive")) == std::optional<std::uint64_t>(7));
    CHECK(!MUST(bob.peer_capability(peer, "light")));
    const bowline::text_list able = MUST(bob.peer_capabilities(peer));
    CHECK(able.size() == 1 && able[0] == "archive=7");
    CHECK(bowline::bytes(MUST(bob.peer_metadata(peer))) == bowline::bytes("height 42"));
    CHECK(!MUST(bob.peer_listens(peer)).empty());
    const bowline::peer_info info = MUST(bob.peer_get(peer));
    CHECK_HAS(static_cast<const char *>(info.agent), "cxx-tests/1");
    CHECK((info.flags & BOWLINE_PEER_HAS_VERSION) != 0 && info.version == 3);
    MUST(bob.peer_set_tag(peer, 99));
    CHECK_INT(MUST(bob.peer_get(peer)).user_tag, 99);
    FAILS(bob.peer_set_tag(peer + 1000, 1), BOWLINE_E_PEER_GONE);
    FAILS(bob.peer_metadata(peer + 1000), BOWLINE_E_PEER_GONE);
}

CASE(what_a_node_says_of_itself_is_checked)
{
    bowline::config config = a_plan();
    MUST(config.add_version(1));
    FAILS(config.add_version(1), BOWLINE_E_EXISTS);
    FAILS(config.add_capability(""), BOWLINE_E_INVALID);
    FAILS(config.set_metadata(std::vector<std::uint8_t>(5000)), BOWLINE_E_TOO_BIG);
}

CASE(a_message_finds_those_who_can)
{
    bowline::node archive = telling();
    bowline::node bob = started();
    const bowline_peer peer = connected(bob, archive);
    const auto chosen = MUST(bob.role_choose("archive", CHANNEL));
    CHECK(chosen.size() == 1 && chosen[0] == peer);
    CHECK(MUST(bob.role_choose("light", CHANNEL)).empty());
    const bowline::msg message = MUST(bowline::msg::copy("to the archive"));
    CHECK(MUST(bob.role_send("archive", CHANNEL, message)) == peer);
    FAILS(bob.role_send("light", CHANNEL, message), BOWLINE_E_NOT_FOUND);
    CHECK_INT(MUST(bob.role_broadcast("archive", CHANNEL, message)).queued, 1);
    CHECK(next(archive, BOWLINE_EV_MESSAGE).text() == "to the archive");
    std::thread application([&] {
        const bowline::event asked = next(archive, BOWLINE_EV_REQUEST);
        MUST(archive.respond(asked.request(), "block"));
    });
    const bowline::event answer = MUST(bob.role_request_wait("archive", CHANNEL, "block?", 20s));
    application.join();
    CHECK(answer.text() == "block" && answer.peer() == peer);
    FAILS(bob.role_request_wait("light", CHANNEL, "block?", 20s), BOWLINE_E_NOT_FOUND);
}

CASE(quotas_of_roles_can_be_walked)
{
    bowline::node node = started();
    MUST(node.role_quota_set("archive", 2, 0));
    FAILS(node.role_quota_set("archive", 2, 50), BOWLINE_E_INVALID);
    const bowline::role_list roles = MUST(node.roles_snapshot());
    CHECK(roles.size() == 1 && roles[0].count == 2);
    CHECK_TEXT(static_cast<const char *>(roles[0].capability), "archive");
}

CASE(a_score_has_causes)
{
    bowline::node alice = started();
    bowline::node bob = started();
    const bowline_peer peer = connected(bob, alice);
    const bowline::peer_id id = MUST(alice.id());
    CHECK(!MUST(bob.score(MUST(MUST(bowline::keypair::generate(0)).id()))));
    MUST(bob.peer_report(peer, 50, std::string_view("a good block")));
    MUST(bob.report(id, 10));
    MUST(bob.peer_useful(peer));
    const auto score = MUST(bob.score(id));
    CHECK(score && score->points > 50 && score->points <= 60 && score->causes.size() == 2);
    CHECK(score->causes[0].delta == 50);
    CHECK_TEXT(static_cast<const char *>(score->causes[0].why), "a good block");
    FAILS(bob.peer_report(peer + 1000, 1), BOWLINE_E_PEER_GONE);
}

CASE(known_identities_and_their_notes)
{
    bowline::node alice = started();
    bowline::node bob = started();
    connected(bob, alice);
    const bowline::peer_id id = MUST(alice.id());
    MUST(bob.peer_note(id, "met in a test"));
    const bowline::known_list known = MUST(bob.known_snapshot());
    CHECK(known.size() == 1 && bowline::peer_id(known[0].id) == id);
    CHECK(bowline::bytes(MUST(known.note(0))) == bowline::bytes("met in a test"));
    FAILS(known.note(1), BOWLINE_E_NOT_FOUND);
    MUST(bob.pause());
    MUST(bob.addrbook_add("192.0.2.7:9732"));
    MUST(bob.addr_note("192.0.2.7:9732", std::string(200, 'n')));
    const bowline::addr_list book = MUST(bob.addrbook_snapshot());
    std::size_t noted = 0;
    for (std::size_t at = 0; at < book.size(); at++) {
        noted += MUST(book.note(at)).size();
    }
    CHECK_INT(noted, 200);
    FAILS(MUST(bob.peers_snapshot()).note(0), BOWLINE_E_INVALID);
}

CASE(channels_of_a_peer_can_be_walked)
{
    bowline::node alice = started();
    bowline::node bob = started();
    const bowline_peer peer = connected(bob, alice);
    int found = 0;
    for (const auto &channel : MUST(bob.peer_channels(peer))) {
        found += channel.channel == CHANNEL && channel.is_shared == 1;
    }
    CHECK_INT(found, 1);
    FAILS(bob.peer_channels(peer + 1000), BOWLINE_E_PEER_GONE);
}

CASE(what_became_of_a_message_is_told)
{
    bowline::node alice = started();
    bowline::node bob = started();
    const bowline_peer peer = connected(bob, alice);
    MUST(bob.send(peer, CHANNEL, "with a receipt", bowline::send_opts(1s).expires(20s).reports(11)));
    const bowline::event told = next(bob, BOWLINE_EV_SEND_RESULT);
    CHECK(told.tag() == 11 && told.result() == BOWLINE_OK);
    MUST(bob.send_cancel(peer, 12));
}

CASE(options_say_what_is_meant)
{
    CHECK_INT(bowline::send_opts().expires(bowline::forever).ttl_ms, 0);
    CHECK_INT(bowline::send_opts().expires(0s).ttl_ms, 1);
    CHECK_INT(bowline::send_opts().expires(std::chrono::hours(24 * 365)).ttl_ms, UINT32_MAX);
    CHECK_INT(bowline::send_opts(3s).timeout_ms, 3000);
    CHECK_INT(bowline::send_opts().with_self().flags, BOWLINE_SEND_SELF);
    bowline::node node = started();
    CHECK_INT(MUST(node.broadcast(CHANNEL, "to myself", 0, bowline::send_opts().with_self())).queued, 1);
    const bowline::event heard = next(node, BOWLINE_EV_MESSAGE);
    CHECK(heard.text() == "to myself" && heard.peer() == BOWLINE_PEER_LOCAL);
}

CASE(groups_of_peers_get_a_message)
{
    bowline::node hub = started();
    bowline::node one = started();
    bowline::node two = started();
    const bowline_peer first = connected(hub, one);
    connected(hub, two);
    MUST(hub.group_add(5, first));
    const auto peers = MUST(hub.group_peers(5));
    CHECK(peers.size() == 1 && peers[0] == first);
    CHECK_INT(MUST(hub.group_send(5, CHANNEL, MUST(bowline::msg::copy("to the group")))).queued, 1);
    CHECK(MUST(hub.flush(first, 20s)) && MUST(hub.flush(0, 20s)));
    CHECK(next(one, BOWLINE_EV_MESSAGE).text() == "to the group");
    CHECK(MUST(hub.group_remove(5, first)) && !MUST(hub.group_remove(5, first)));
    CHECK(MUST(hub.group_peers(5)).empty());
    FAILS(hub.group_add(5, first + 1000), BOWLINE_E_PEER_GONE);
    FAILS(hub.flush(first + 1000, 1s), BOWLINE_E_PEER_GONE);
}
