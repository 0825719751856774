/*
 * Values at and beyond their bounds, for every function that takes such: sizes of structs, lengths, texts, waits; what stands in an
 * output after a failure.
 */
#include "hard.h"

#include <sys/mman.h>

/* ---- structs that grow ---- */

typedef union {
    uint32_t struct_size;
    bowline_channel_desc desc;
    bowline_key_info key;
    bowline_send_opts opts;
    bowline_peer_info peer;
    bowline_ban_info ban;
    bowline_addr_info addr;
    bowline_imported imported;
    bowline_metrics metrics;
    unsigned char bytes[8192];
} sized;

typedef struct {
    pair both;
    bowline_msg *msg;
    bowline_list *peers;
    bowline_list *bans;
    bowline_list *addrs;
    bowline_config *config;
    char *exported;
    uint16_t channel;
} world;

static world a_world(void)
{
    world all;
    memset(&all, 0, sizeof all);
    all.both = a_pair();
    all.config = a_config();
    all.channel = 0x100;
    CHECK_OK(bowline_msg_copy("x", 1, &all.msg));
    CHECK_OK(bowline_ban(all.both.asker, "192.0.2.7", BOWLINE_FOREVER, NULL, NULL, NULL));
    CHECK_OK(bowline_export(all.both.asker, &all.exported, NULL, NULL));
    CHECK_OK(bowline_peers_snapshot(all.both.asker, &all.peers));
    CHECK_OK(bowline_bans_snapshot(all.both.asker, &all.bans));
    CHECK_OK(bowline_addrbook_snapshot(all.both.asker, &all.addrs));
    return all;
}

static void free_world(world *all)
{
    end(all->both);
    bowline_config_free(all->config);
    bowline_msg_free(all->msg);
    bowline_string_free(all->exported);
    bowline_list_free(all->peers);
    bowline_list_free(all->bans);
    bowline_list_free(all->addrs);
}

/* Structs that are read. */
static int32_t in_add_channel(world *all, sized *it)
{
    it->desc.id = all->channel++;
    it->desc.name = "test";
    it->desc.priority = 1;
    return bowline_config_add_channel(all->config, &it->desc, NULL);
}

static int32_t in_send(world *all, sized *it)
{
    return bowline_send(all->both.asker, all->both.to_server, CHANNEL, "x", 1, &it->opts);
}

static int32_t in_send_msg(world *all, sized *it)
{
    return bowline_send_msg(all->both.asker, all->both.to_server, CHANNEL, all->msg, &it->opts);
}

static int32_t in_broadcast(world *all, sized *it)
{
    return bowline_broadcast(all->both.asker, CHANNEL, all->msg, 0, &it->opts, NULL);
}

/* Structs that are written. */
static int32_t out_key_info(world *all, sized *it)
{
    (void)all;
    return bowline_config_key_info(0, &it->key);
}

static int32_t out_peer_get(world *all, sized *it)
{
    return bowline_peer_get(all->both.asker, all->both.to_server, &it->peer);
}

static int32_t out_list_peer(world *all, sized *it)
{
    return bowline_list_peer(all->peers, 0, &it->peer);
}

static int32_t out_list_ban(world *all, sized *it)
{
    return bowline_list_ban(all->bans, 0, &it->ban);
}

static int32_t out_list_addr(world *all, sized *it)
{
    return bowline_list_addr(all->addrs, 0, &it->addr);
}

static int32_t out_import(world *all, sized *it)
{
    return bowline_import(all->both.asker, all->exported, strlen(all->exported), &it->imported, NULL);
}

static int32_t out_metrics(world *all, sized *it)
{
    return bowline_metrics_get(all->both.asker, &it->metrics);
}

typedef struct {
    const char *name;
    size_t size;
    int32_t (*make)(world *all, sized *it);
} growing;

static const growing read_structs[] = {
    {"config_add_channel", sizeof(bowline_channel_desc), in_add_channel},
    {"send", sizeof(bowline_send_opts), in_send},
    {"send_msg", sizeof(bowline_send_opts), in_send_msg},
    {"broadcast", sizeof(bowline_send_opts), in_broadcast},
};
static const growing written_structs[] = {
    {"config_key_info", sizeof(bowline_key_info), out_key_info}, {"peer_get", sizeof(bowline_peer_info), out_peer_get},
    {"list_peer", sizeof(bowline_peer_info), out_list_peer},     {"list_ban", sizeof(bowline_ban_info), out_list_ban},
    {"list_addr", sizeof(bowline_addr_info), out_list_addr},     {"import", sizeof(bowline_imported), out_import},
    {"metrics_get", sizeof(bowline_metrics), out_metrics},
};
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static void expect(const growing *one, world *all, sized *it, size_t size, int32_t want)
{
    int32_t result = BOWLINE_OK;
    it->struct_size = (uint32_t)size;
    result = one->make(all, it);
    if (result != want) {
        printf("# %s with struct_size %zu: %s, not %s\n", one->name, size, bowline_result_name(result), bowline_result_name(want));
        CHECK(0);
    }
}

static void structs_that_are_read_have_their_sizes(void)
{
    world all = a_world();
    size_t at = 0;
    for (at = 0; at < COUNT(read_structs); at++) {
        const growing *one = &read_structs[at];
        sized it;
        memset(&it, 0, sizeof it);
        expect(one, &all, &it, 0, BOWLINE_E_STRUCT_SIZE);
        expect(one, &all, &it, 3, BOWLINE_E_STRUCT_SIZE);
        expect(one, &all, &it, 4097, BOWLINE_E_STRUCT_SIZE);
        expect(one, &all, &it, UINT32_MAX, BOWLINE_E_STRUCT_SIZE);
        expect(one, &all, &it, one->size, BOWLINE_OK);
        expect(one, &all, &it, one->size + 8, BOWLINE_OK);
        expect(one, &all, &it, 4096, BOWLINE_OK);
        it.bytes[one->size] = 1; /* a member that is not known here is set */
        expect(one, &all, &it, one->size, BOWLINE_OK);
        expect(one, &all, &it, one->size + 1, BOWLINE_E_STRUCT_SIZE);
        expect(one, &all, &it, 4096, BOWLINE_E_STRUCT_SIZE);
    }
    free_world(&all);
}

static void structs_that_are_written_have_their_sizes(void)
{
    world all = a_world();
    size_t at = 0;
    for (at = 0; at < COUNT(written_structs); at++) {
        const growing *one = &written_structs[at];
        sized it;
        size_t wrong[] = {0, 3, 4, 4097, UINT32_MAX};
        size_t round = 0;
        for (round = 0; round < COUNT(wrong); round++) {
            memset(&it, 0xa5, sizeof it);
            expect(one, &all, &it, wrong[round], BOWLINE_E_STRUCT_SIZE);
            CHECK(it.bytes[4] == 0xa5 && it.bytes[one->size - 1] == 0xa5); /* nothing was written */
        }
        memset(&it, 0xa5, sizeof it);
        expect(one, &all, &it, one->size, BOWLINE_OK);
        CHECK(it.struct_size == one->size && it.bytes[one->size] == 0xa5);
        memset(&it, 0xa5, sizeof it);
        expect(one, &all, &it, one->size + 16, BOWLINE_OK);
        CHECK(it.struct_size == one->size + 16);
        CHECK(it.bytes[one->size] == 0 && it.bytes[one->size + 15] == 0 && it.bytes[one->size + 16] == 0xa5);
    }
    free_world(&all);
}

/* ---- lengths ---- */

static void impossible_lengths_are_refused(void)
{
    pair both = a_pair();
    bowline_node *near = both.asker;
    bowline_msg *msg = NULL;
    bowline_event event;
    bowline_peer_id id;
    size_t lengths[] = {SIZE_MAX, SIZE_MAX / 2 + 1};
    size_t at = 0;
    CHECK_OK(bowline_node_id(near, &id));
    for (at = 0; at < COUNT(lengths); at++) {
        size_t len = lengths[at];
        int32_t result = bowline_msg_new(len, &msg);
        CHECK(result == BOWLINE_E_TOO_BIG || result == BOWLINE_E_INVALID || result == BOWLINE_E_NO_MEMORY);
        result = bowline_msg_copy("x", len, &msg);
        CHECK(result == BOWLINE_E_TOO_BIG || result == BOWLINE_E_INVALID);
        CHECK(msg == NULL);
        CHECK_IS(bowline_send(near, both.to_server, CHANNEL, "x", len, NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_request_wait(near, both.to_server, CHANNEL, "x", len, 0, &event, sizeof event, NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_respond(near, both.to_server, CHANNEL, 1, "x", len, 0), BOWLINE_E_INVALID);
        CHECK_IS(bowline_addr_note(near, "127.0.0.7:9", "x", len, NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_peer_note(near, &id, "x", len, NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_import(near, "x", len, NULL, NULL), BOWLINE_E_INVALID);
    }
    end(both);
}

/* Bytes that are there, as far as anybody can see, but that no memory has room for a copy of. */
static void what_is_longer_than_any_message_is_not_copied(void)
{
    const size_t len = (size_t)1 << 40;
    const uint64_t local = BOWLINE_PEER_LOCAL;
    void *data = mmap(NULL, len, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    bowline_slice slice;
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    bowline_event event;
    pair both = a_pair();
    if (data == MAP_FAILED) {
        puts("# the system shows nobody so many bytes");
        end(both);
        return;
    }
    slice.data = data;
    slice.len = len;
    CHECK_IS(bowline_send(both.asker, both.to_server, CHANNEL, data, len, NULL), BOWLINE_E_TOO_BIG);
    CHECK_IS(bowline_send(both.asker, local, CHANNEL, data, len, NULL), BOWLINE_E_TOO_BIG);
    CHECK_IS(bowline_send_batch(both.asker, both.to_server, CHANNEL, &slice, 1, NULL, NULL), BOWLINE_E_TOO_BIG);
    CHECK_IS(bowline_send_batch(both.asker, local, CHANNEL, &slice, 1, NULL, NULL), BOWLINE_E_TOO_BIG);
    opts.ttl_ms = 1000;
    CHECK_IS(bowline_send(both.asker, both.to_server, CHANNEL, data, len, &opts), BOWLINE_E_TOO_BIG);
    CHECK_IS(bowline_request_wait(both.asker, both.to_server, CHANNEL, data, len, 0, &event, sizeof event, NULL), BOWLINE_E_TOO_BIG);
    CHECK_IS(bowline_role_request_wait(both.asker, "archive", CHANNEL, data, len, 0, &event, sizeof event, NULL), BOWLINE_E_TOO_BIG);
    CHECK_IS(bowline_respond(both.asker, both.to_server, CHANNEL, 1, data, len, 0), BOWLINE_E_TOO_BIG);
    munmap(data, len);
    end(both);
}

static void nothing_of_no_length_is_empty_everywhere(void)
{
    pair both = a_pair();
    bowline_msg *msg = NULL;
    bowline_event event;
    CHECK_OK(bowline_msg_copy(NULL, 0, &msg));
    CHECK_INT(bowline_msg_len(msg), 0);
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, NULL, 0, NULL));
    CHECK_OK(bowline_send_msg(both.asker, both.to_server, CHANNEL, msg, NULL));
    event = await(both.server, BOWLINE_EV_MESSAGE);
    CHECK_INT(event.len, 0);
    bowline_events_release(&event, sizeof event, 1);
    event = await(both.server, BOWLINE_EV_MESSAGE);
    CHECK_INT(event.len, 0);
    bowline_events_release(&event, sizeof event, 1);
    CHECK_OK(bowline_request_start(both.asker, both.to_server, CHANNEL, msg, 20000, 1, NULL, NULL));
    event = await(both.server, BOWLINE_EV_REQUEST);
    CHECK_INT(event.len, 0);
    CHECK_OK(bowline_respond(both.server, event.peer, event.channel, event.request, NULL, 0, 0));
    bowline_events_release(&event, sizeof event, 1);
    event = await(both.asker, BOWLINE_EV_RESPONSE);
    CHECK(event.result == BOWLINE_OK && event.len == 0);
    bowline_events_release(&event, sizeof event, 1);
    bowline_msg_free(msg);
    end(both);
}

/* ---- texts ---- */

static size_t text_calls(bowline_node *node, bowline_config *config, const char *text, int32_t *results)
{
    bowline_peer peer = 0;
    bowline_queue *queue = NULL;
    bowline_keypair *key = NULL;
    bowline_addr addr;
    bowline_peer_id id;
    char buf[16];
    size_t n = 0;
    results[n++] = bowline_config_set(config, text, "1", NULL);
    results[n++] = bowline_config_set(config, "network.name", text, NULL);
    results[n++] = bowline_config_set_int(config, text, 1, NULL);
    results[n++] = bowline_config_get(config, text, buf, sizeof buf, NULL);
    results[n++] = bowline_keypair_load(text, 0, &key, NULL);
    results[n++] = bowline_peer_id_parse(text, &id);
    results[n++] = bowline_addr_parse(text, 1, &addr);
    results[n++] = bowline_connect_wait(node, text, 0, &peer, NULL);
    results[n++] = bowline_respond_error(node, 1, CHANNEL, 1, 1, text, 0);
    results[n++] = bowline_ban(node, text, 1, NULL, NULL, NULL);
    results[n++] = bowline_unban(node, text, NULL);
    results[n++] = bowline_trust(node, text, 1, NULL);
    results[n++] = bowline_untrust(node, text, NULL);
    results[n++] = bowline_forgive(node, text, NULL);
    results[n++] = bowline_node_set(node, text, "1", NULL);
    results[n++] = bowline_node_set(node, "pool.max", text, NULL);
    results[n++] = bowline_node_get(node, text, buf, sizeof buf, NULL);
    results[n++] = bowline_persistent_add(node, text, NULL);
    results[n++] = bowline_persistent_remove(node, text, NULL);
    results[n++] = bowline_addrbook_add(node, text, NULL);
    results[n++] = bowline_addrbook_remove(node, text, NULL);
    results[n++] = bowline_addr_note(node, text, "x", 1, NULL);
    CHECK(queue == NULL && key == NULL && peer == 0);
    return n;
}

static void what_is_no_utf8_is_refused_by_name(void)
{
    static const char *const texts[] = {"\xff", "pool.\xc3", "192.0.2.1\x80", "\xed\xa0\x80", "\xf8\x88\x80\x80\x80", "a\xc0\x80"};
    bowline_node *node = a_node(1);
    bowline_config *config = a_config();
    int32_t results[40];
    size_t at = 0;
    start(node);
    for (at = 0; at < COUNT(texts); at++) {
        size_t count = text_calls(node, config, texts[at], results);
        while (count > 0) {
            count--;
            if (results[count] != BOWLINE_E_UTF8) {
                printf("# text %zu, call %zu\n", at, count);
            }
            CHECK_IS(results[count], BOWLINE_E_UTF8);
        }
    }
    bowline_config_free(config);
    bowline_node_free(node);
}

static void texts_of_any_length_and_kind_are_refused_and_harm_nobody(void)
{
    bowline_node *node = a_node(1);
    bowline_config *config = a_config();
    char *large = malloc((1 << 20) + 1);
    const char *texts[] = {"", " ", "\n", "%s%n%x", "../../../etc/passwd", "[::", "::1]:1", "a:b:c:d", "bowline://@:0", "0/0/0", large};
    int32_t results[40];
    size_t at = 0;
    CHECK(large != NULL);
    memset(large, 'a', 1 << 20);
    large[1 << 20] = 0;
    start(node);
    for (at = 0; at < COUNT(texts); at++) {
        size_t count = text_calls(node, config, texts[at], results);
        while (count > 0) {
            count--;
            /* A name of a network may be nearly anything; a text that goes with a refusal, too. */
            CHECK(results[count] != BOWLINE_E_PANIC && (results[count] != BOWLINE_OK || count == 1));
        }
    }
    CHECK_INT(bowline_node_state(node), BOWLINE_STATE_RUNNING);
    free(large);
    bowline_config_free(config);
    bowline_node_free(node);
}

/* ---- waits ---- */

static void waits_that_are_no_time_are_refused(void)
{
    pair both = a_pair();
    int64_t wrong[] = {-2, -1000, INT64_MIN};
    bowline_keypair *key = NULL;
    bowline_msg *msg = NULL;
    size_t at = 0;
    CHECK_OK(bowline_msg_copy("x", 1, &msg));
    for (at = 0; at < COUNT(wrong); at++) {
        int64_t ms = wrong[at];
        bowline_event event;
        bowline_list *list = NULL;
        bowline_peer peer = 0;
        size_t count = 0;
        bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
        bowline_queue *queue = bowline_node_main_queue(both.asker);
        opts.timeout_ms = ms;
        CHECK_IS(bowline_keypair_generate(0, ms, &key), BOWLINE_E_INVALID);
        CHECK_IS(bowline_queue_poll(queue, &event, sizeof event, ms), BOWLINE_E_INVALID);
        CHECK_IS(bowline_queue_poll_batch(queue, &event, sizeof event, 1, &count, ms), BOWLINE_E_INVALID);
        CHECK_IS(bowline_send(both.asker, both.to_server, CHANNEL, "x", 1, &opts), BOWLINE_E_INVALID);
        CHECK_IS(bowline_send_msg(both.asker, both.to_server, CHANNEL, msg, &opts), BOWLINE_E_INVALID);
        CHECK_IS(bowline_request_wait(both.asker, both.to_server, CHANNEL, "x", 1, ms, &event, sizeof event, NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_request_start(both.asker, both.to_server, CHANNEL, msg, ms, 1, NULL, NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_respond(both.asker, both.to_server, CHANNEL, 1, "x", 1, ms), BOWLINE_E_INVALID);
        CHECK_IS(bowline_respond_msg(both.asker, both.to_server, CHANNEL, 1, msg, ms), BOWLINE_E_INVALID);
        CHECK_IS(bowline_respond_error(both.asker, both.to_server, CHANNEL, 1, 1, "x", ms), BOWLINE_E_INVALID);
        CHECK_IS(bowline_connect_wait(both.asker, "127.0.0.1:1", ms, &peer, NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_ban(both.asker, "192.0.2.7", ms, NULL, NULL, NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_trust(both.asker, "192.0.2.7", ms, NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_maintain_wait(both.asker, ms, NULL, NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_save(both.asker, ms, NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_discover_wait(both.asker, both.to_server, ms, &list, NULL), BOWLINE_E_INVALID);
        CHECK_IS(bowline_node_stop(both.asker, ms), BOWLINE_E_INVALID);
    }
    CHECK_INT(bowline_node_state(both.asker), BOWLINE_STATE_RUNNING);
    bowline_msg_free(msg);
    end(both);
}

/* ---- outputs after a failure ---- */

#define JUNK ((void *)(uintptr_t)0xa5a5a5a5a5a5a5a0)

static void pointers_that_are_given_out_are_null_after_a_failure(void)
{
    bowline_node *node = a_node(1);
    bowline_config *config = a_config();
    bowline_msg *msg = JUNK;
    bowline_node *other = JUNK;
    bowline_queue *queue = JUNK;
    bowline_keypair *key = JUNK;
    bowline_list *list = JUNK;
    bowline_error *err = JUNK;
    char *text = JUNK;
    CHECK_IS(bowline_msg_copy(NULL, 1, &msg), BOWLINE_E_NULL);
    CHECK(msg == NULL);
    CHECK_IS(bowline_node_new(config, NULL, &other, &err), BOWLINE_E_NULL);
    CHECK(other == NULL && bowline_error_code(err) == BOWLINE_E_NULL);
    bowline_error_free(err);
    CHECK_IS(bowline_queue_new(NULL, "q", &queue), BOWLINE_E_NULL);
    CHECK(queue == NULL);
    CHECK_IS(bowline_keypair_load("/nowhere/at/all", 0, &key, NULL), BOWLINE_E_NOT_FOUND);
    CHECK(key == NULL);
    CHECK_IS(bowline_discover_wait(node, 1, 0, &list, NULL), BOWLINE_E_STATE);
    CHECK(list == NULL);
    CHECK_IS(bowline_export(node, &text, NULL, NULL), BOWLINE_E_STATE);
    CHECK(text == NULL);
    err = JUNK;
    CHECK_OK(bowline_config_set(config, "pool.max", "60", &err));
    CHECK(err == NULL); /* and after a success */
    bowline_config_free(config);
    bowline_node_free(node);
}

static void every_failure_with_an_error_says_the_same_twice(void)
{
    bowline_node *node = a_node(1);
    target to = a_target(node);
    bowline_config *config = a_config();
    bowline_error *errs[12] = {NULL};
    int32_t results[12];
    size_t count = 0;
    results[count] = bowline_config_set(config, "no.such", "1", &errs[count]), count++;
    results[count] = bowline_config_set_int(config, "network.name", 1, &errs[count]), count++;
    results[count] = bowline_request_wait(node, 1, CHANNEL, "x", 1, 0, &(bowline_event){0}, sizeof(bowline_event), &errs[count]), count++;
    results[count] = bowline_connect_wait(node, "127.0.0.1:1", 0, &to.peer, &errs[count]), count++;
    results[count] = bowline_ban(node, "192.0.2.1", 1, NULL, NULL, &errs[count]), count++;
    results[count] = bowline_node_set(node, "pool.max", "1", &errs[count]), count++;
    results[count] = bowline_persistent_add(node, "127.0.0.1:1", &errs[count]), count++;
    results[count] = bowline_set_bandwidth(node, 0, 0, &errs[count]), count++;
    results[count] = bowline_save(node, 0, &errs[count]), count++;
    results[count] = bowline_addrbook_add(node, "192.0.2.1:1", &errs[count]), count++;
    results[count] = bowline_import(node, "x", 1, NULL, &errs[count]), count++;
    while (count > 0) {
        count--;
        CHECK(results[count] != BOWLINE_OK);
        CHECK_IS(bowline_error_code(errs[count]), results[count]);
        CHECK(strlen(bowline_error_text(errs[count])) > 5);
        bowline_error_free(errs[count]);
    }
    bowline_config_free(config);
    bowline_msg_free(to.msg);
    bowline_node_free(node);
}

static const bt_test tests[] = {
    BT(structs_that_are_read_have_their_sizes),
    BT(structs_that_are_written_have_their_sizes),
    BT(impossible_lengths_are_refused),
    BT(what_is_longer_than_any_message_is_not_copied),
    BT(nothing_of_no_length_is_empty_everywhere),
    BT(what_is_no_utf8_is_refused_by_name),
    BT(texts_of_any_length_and_kind_are_refused_and_harm_nobody),
    BT(waits_that_are_no_time_are_refused),
    BT(pointers_that_are_given_out_are_null_after_a_failure),
    BT(every_failure_with_an_error_says_the_same_twice),
};
BT_MAIN(tests)
