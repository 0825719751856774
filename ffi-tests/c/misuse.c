/*
 * What callers do wrong: every pointer NULL in turn, wrong sizes, wrong handles, calls at the wrong time and in a forked child.
 * misuse_peers.c has the functions on peers and roles. The Rust side checks that both together name every function of the header.
 */
#include "world.h"

static void free_nothing(void *data, size_t len, void *ctx)
{
    (void)data;
    (void)len;
    (void)ctx;
}

static void null_where_an_object_is_due(void)
{
    world all = a_world();
    char text[100];
    size_t size = 0;
    char *made = NULL;
    bowline_msg *msg = NULL;
    bowline_node *node = NULL;
    bowline_keypair *key = NULL;
    bowline_queue *queue = NULL;
    bowline_list *list = NULL;
    bowline_peer peer = 0;
    bowline_event event;
    bowline_error *err = NULL;
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    bowline_key_info key_info = BOWLINE_KEY_INFO_INIT;
    bowline_ban_info ban = BOWLINE_BAN_INFO_INIT;
    uint32_t standing = 0;
    bowline_addr_info known = BOWLINE_ADDR_INFO_INIT;
    bowline_metrics metrics = BOWLINE_METRICS_INIT;
    bowline_channel_desc desc = a_channel(0x21);
    const bowline_result_info *table = NULL;
    uint64_t number = 0;

    /* A */
    FACT(bowline_version() != 0 && bowline_version_string() != NULL && bowline_build_info() != NULL);
    ROW(bowline_check_abi(0x00ffffff), BOWLINE_E_VERSION);
    FACT(bowline_clock_ns() != 0);
    /* B */
    FACT(bowline_result_text(7) != NULL && bowline_result_name(7) != NULL && bowline_result_table(&table) > 0);
    FACT(bowline_result_table(NULL) > 0);
    ROW(bowline_error_code(NULL), BOWLINE_OK);
    FACT(bowline_error_text(NULL)[0] == 0);
    VOID(bowline_error_free(NULL));
    /* C */
    ROW(bowline_config_new(NULL), BOWLINE_E_NULL);
    VOID(bowline_config_free(NULL));
    ROW(bowline_config_set(NULL, "pool.max", "1", &err), BOWLINE_E_NULL);
    ROW(bowline_error_code(err), BOWLINE_E_NULL);
    bowline_error_free(err);
    ROW(bowline_config_set(all.config, NULL, "1", NULL), BOWLINE_E_NULL);
    ROW(bowline_config_set(all.config, "pool.max", NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_config_set_int(NULL, "pool.max", 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_config_set_int(all.config, NULL, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_config_get(NULL, "pool.max", text, sizeof text, &size), BOWLINE_E_NULL);
    ROW(bowline_config_get(all.config, NULL, text, sizeof text, &size), BOWLINE_E_NULL);
    ROW(bowline_config_get(all.config, "pool.max", NULL, sizeof text, &size), BOWLINE_E_NULL);
    ROW(bowline_config_get(all.config, "pool.max", text, sizeof text, NULL), BOWLINE_OK);
    ROW(bowline_config_dump(NULL, &made), BOWLINE_E_NULL);
    ROW(bowline_config_dump(all.config, NULL), BOWLINE_E_NULL);
    ROW(bowline_config_key_info(0, NULL), BOWLINE_E_NULL);
    ROW(bowline_config_key_info(0, &key_info), BOWLINE_OK);
    ROW(bowline_config_add_channel(NULL, &desc, NULL), BOWLINE_E_NULL);
    ROW(bowline_config_add_channel(all.config, NULL, NULL), BOWLINE_E_NULL);
    VOID(bowline_string_free(NULL));
    /* D */
    ROW(bowline_keypair_generate(0, 0, NULL), BOWLINE_E_NULL);
    ROW(bowline_keypair_from_seed(NULL, &key), BOWLINE_E_NULL);
    ROW(bowline_keypair_from_seed((const uint8_t *)"01234567890123456789012345678901", NULL), BOWLINE_E_NULL);
    ROW(bowline_keypair_load(NULL, 0, &key, NULL), BOWLINE_E_NULL);
    ROW(bowline_keypair_load("/nowhere", 0, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_keypair_save(NULL, "/nowhere", NULL), BOWLINE_E_NULL);
    ROW(bowline_keypair_save(all.key, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_keypair_id(NULL, &all.id), BOWLINE_E_NULL);
    ROW(bowline_keypair_id(all.key, NULL), BOWLINE_E_NULL);
    VOID(bowline_keypair_free(NULL));
    ROW(bowline_peer_id_parse(NULL, &all.id), BOWLINE_E_NULL);
    ROW(bowline_peer_id_parse("00", NULL), BOWLINE_E_NULL);
    ROW(bowline_peer_id_format(NULL, text, sizeof text, &size), BOWLINE_E_NULL);
    ROW(bowline_peer_id_format(&all.id, NULL, sizeof text, &size), BOWLINE_E_NULL);
    ROW(bowline_peer_id_format(&all.id, text, sizeof text, NULL), BOWLINE_OK);
    /* E */
    ROW(bowline_node_new(NULL, all.key, &node, NULL), BOWLINE_E_NULL);
    ROW(bowline_node_new(all.config, NULL, &node, NULL), BOWLINE_E_NULL);
    ROW(bowline_node_new(all.config, all.key, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_node_start(NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_node_stop(NULL, 0), BOWLINE_E_NULL);
    VOID(bowline_node_free(NULL));
    FACT(bowline_node_state(NULL) == BOWLINE_STATE_INVALID);
    ROW(bowline_node_fatal_error(NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_node_fatal_error(all.node, NULL), BOWLINE_OK);
    ROW(bowline_node_id(NULL, &all.id), BOWLINE_E_NULL);
    ROW(bowline_node_id(all.node, NULL), BOWLINE_E_NULL);
    ROW(bowline_node_listen_addrs(NULL, &all.addr, 1, &size), BOWLINE_E_NULL);
    ROW(bowline_node_listen_addrs(all.node, NULL, 1, &size), BOWLINE_E_NULL);
    ROW(bowline_node_listen_addrs(all.node, &all.addr, 1, NULL), BOWLINE_E_NULL);
    /* F */
    ROW(bowline_queue_new(NULL, "q", &queue), BOWLINE_E_NULL);
    ROW(bowline_queue_new(all.node, NULL, &queue), BOWLINE_E_NULL);
    ROW(bowline_queue_new(all.node, "q", NULL), BOWLINE_E_NULL);
    FACT(bowline_node_main_queue(NULL) == NULL);
    VOID(bowline_queue_free(NULL));
    ROW(bowline_queue_bind_channel(NULL, CHANNEL), BOWLINE_E_NULL);
    ROW(bowline_queue_poll(NULL, &event, sizeof event, 0), BOWLINE_E_NULL);
    ROW(bowline_queue_poll(all.queue, NULL, sizeof event, 0), BOWLINE_E_NULL);
    ROW(bowline_queue_poll_batch(NULL, &event, sizeof event, 1, &size, 0), BOWLINE_E_NULL);
    ROW(bowline_queue_poll_batch(all.queue, NULL, sizeof event, 1, &size, 0), BOWLINE_E_NULL);
    ROW(bowline_queue_poll_batch(all.queue, &event, sizeof event, 1, NULL, 0), BOWLINE_E_NULL);
    VOID(bowline_events_release(NULL, sizeof event, 0));
    VOID(bowline_events_release(NULL, sizeof event, 7));
    FACT(bowline_queue_fd(NULL) == -1);
    ROW(bowline_queue_wakeup(NULL, 1), BOWLINE_E_NULL);
    /* G */
    ROW(bowline_msg_new(1, NULL), BOWLINE_E_NULL);
    ROW(bowline_msg_copy(NULL, 1, &msg), BOWLINE_E_NULL);
    ROW(bowline_msg_copy("x", 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_msg_wrap(NULL, 1, free_nothing, NULL, &msg), BOWLINE_E_NULL);
    ROW(bowline_msg_wrap("x", 1, NULL, NULL, &msg), BOWLINE_E_NULL);
    ROW(bowline_msg_wrap("x", 1, free_nothing, NULL, NULL), BOWLINE_E_NULL);
    FACT(bowline_msg_data(NULL) == NULL && bowline_msg_data_mut(NULL) == NULL && bowline_msg_len(NULL) == 0);
    FACT(bowline_msg_ref(NULL) == NULL);
    VOID(bowline_msg_free(NULL));
    /* I */
    ROW(bowline_send(NULL, 1, CHANNEL, "x", 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_send(all.node, 1, CHANNEL, NULL, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_send_batch(NULL, 1, CHANNEL, NULL, 0, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_send_batch(all.node, 1, CHANNEL, NULL, 1, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_send_msg(NULL, 1, CHANNEL, all.msg, NULL), BOWLINE_E_NULL);
    ROW(bowline_send_msg(all.node, 1, CHANNEL, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_broadcast(NULL, CHANNEL, all.msg, 0, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_broadcast(all.node, CHANNEL, NULL, 0, NULL, NULL), BOWLINE_E_NULL);
    /* K */
    ROW(bowline_request_wait(NULL, 1, CHANNEL, "x", 1, 0, &event, sizeof event, NULL), BOWLINE_E_NULL);
    ROW(bowline_request_wait(all.node, 1, CHANNEL, NULL, 1, 0, &event, sizeof event, NULL), BOWLINE_E_NULL);
    ROW(bowline_request_wait(all.node, 1, CHANNEL, "x", 1, 0, NULL, sizeof event, NULL), BOWLINE_E_NULL);
    ROW(bowline_request_start(NULL, 1, CHANNEL, all.msg, 0, 0, NULL, &peer), BOWLINE_E_NULL);
    ROW(bowline_request_start(all.node, 1, CHANNEL, NULL, 0, 0, NULL, &peer), BOWLINE_E_NULL);
    ROW(bowline_request_cancel(NULL, 1, CHANNEL, 1), BOWLINE_E_NULL);
    ROW(bowline_respond(NULL, 1, CHANNEL, 1, "x", 1, 0), BOWLINE_E_NULL);
    ROW(bowline_respond(all.node, 1, CHANNEL, 1, NULL, 1, 0), BOWLINE_E_NULL);
    ROW(bowline_respond_msg(NULL, 1, CHANNEL, 1, all.msg, 0), BOWLINE_E_NULL);
    ROW(bowline_respond_msg(all.node, 1, CHANNEL, 1, NULL, 0), BOWLINE_E_NULL);
    ROW(bowline_respond_error(NULL, 1, CHANNEL, 1, 1, "x", 0), BOWLINE_E_NULL);
    ROW(bowline_respond_error(all.node, 1, CHANNEL, 1, 1, NULL, 0), BOWLINE_E_NULL);
    /* L */
    ROW(bowline_connect(NULL, &all.addr, NULL, 0, 0), BOWLINE_E_NULL);
    ROW(bowline_connect(all.node, NULL, NULL, 0, 0), BOWLINE_E_NULL);
    ROW(bowline_connect_wait(NULL, "127.0.0.1:1", 0, &peer, NULL), BOWLINE_E_NULL);
    ROW(bowline_connect_wait(all.node, NULL, 0, &peer, NULL), BOWLINE_E_NULL);
    ROW(bowline_connect_wait(all.node, "127.0.0.1:1", 0, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_disconnect(NULL, 1, 0, 0), BOWLINE_E_NULL);
    ROW(bowline_peer_get(NULL, 1, &info), BOWLINE_E_NULL);
    ROW(bowline_peer_get(all.node, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_peer_find(NULL, &all.id, &peer), BOWLINE_E_NULL);
    ROW(bowline_peer_find(all.node, NULL, &peer), BOWLINE_E_NULL);
    ROW(bowline_peer_find(all.node, &all.id, NULL), BOWLINE_E_NULL);
    ROW(bowline_peers_snapshot(NULL, &list), BOWLINE_E_NULL);
    ROW(bowline_peers_snapshot(all.node, NULL), BOWLINE_E_NULL);
    /* M */
    FACT(bowline_list_len(NULL) == 0);
    ROW(bowline_list_peer(NULL, 0, &info), BOWLINE_E_NULL);
    ROW(bowline_list_peer(all.list, 0, NULL), BOWLINE_E_NULL);
    VOID(bowline_list_free(NULL));
    /* N */
    ROW(bowline_ban(NULL, "192.0.2.1", 1, NULL, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_ban(all.node, NULL, 1, NULL, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_unban(NULL, "192.0.2.1", NULL), BOWLINE_E_NULL);
    ROW(bowline_unban(all.node, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_trust(NULL, "192.0.2.1", 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_trust(all.node, NULL, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_untrust(NULL, "192.0.2.1", NULL), BOWLINE_E_NULL);
    ROW(bowline_untrust(all.node, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_forgive(NULL, "192.0.2.1", NULL), BOWLINE_E_NULL);
    ROW(bowline_forgive(all.node, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_greylist_flush(NULL, &size), BOWLINE_E_NULL);
    ROW(bowline_standing(NULL, &all.id, &all.addr, &standing), BOWLINE_E_NULL);
    ROW(bowline_standing(all.node, &all.id, &all.addr, NULL), BOWLINE_E_NULL);
    ROW(bowline_bans_snapshot(NULL, &list), BOWLINE_E_NULL);
    ROW(bowline_bans_snapshot(all.node, NULL), BOWLINE_E_NULL);
    ROW(bowline_trusted_snapshot(NULL, &list), BOWLINE_E_NULL);
    ROW(bowline_trusted_snapshot(all.node, NULL), BOWLINE_E_NULL);
    ROW(bowline_greylist_snapshot(NULL, &list), BOWLINE_E_NULL);
    ROW(bowline_greylist_snapshot(all.node, NULL), BOWLINE_E_NULL);
    ROW(bowline_list_ban(NULL, 0, &ban), BOWLINE_E_NULL);
    ROW(bowline_list_ban(all.list, 0, NULL), BOWLINE_E_NULL);
    /* O */
    ROW(bowline_node_set(NULL, "pool.max", "1", NULL), BOWLINE_E_NULL);
    ROW(bowline_node_set(all.node, NULL, "1", NULL), BOWLINE_E_NULL);
    ROW(bowline_node_set(all.node, "pool.max", NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_node_get(NULL, "pool.max", text, sizeof text, &size), BOWLINE_E_NULL);
    ROW(bowline_node_get(all.node, NULL, text, sizeof text, &size), BOWLINE_E_NULL);
    ROW(bowline_node_get(all.node, "pool.max", NULL, sizeof text, &size), BOWLINE_E_NULL);
    ROW(bowline_maintain(NULL), BOWLINE_E_NULL);
    ROW(bowline_maintain_wait(NULL, 0, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_pause(NULL), BOWLINE_E_NULL);
    ROW(bowline_resume(NULL), BOWLINE_E_NULL);
    FACT(bowline_is_paused(NULL) == 0);
    ROW(bowline_dial_seeds(NULL, &size), BOWLINE_E_NULL);
    ROW(bowline_persistent_add(NULL, "127.0.0.1:1", NULL), BOWLINE_E_NULL);
    ROW(bowline_persistent_add(all.node, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_persistent_remove(NULL, "127.0.0.1:1", NULL), BOWLINE_E_NULL);
    ROW(bowline_persistent_remove(all.node, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_ask_addresses(NULL, 0, &peer, NULL), BOWLINE_E_NULL);
    ROW(bowline_set_bandwidth(NULL, 0, 0, NULL), BOWLINE_E_NULL);
    ROW(bowline_set_peer_bandwidth(NULL, 1, 0, 0, NULL), BOWLINE_E_NULL);
    ROW(bowline_set_weight(NULL, 1, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_save(NULL, 0, NULL), BOWLINE_E_NULL);
    /* P */
    ROW(bowline_addrbook_add(NULL, "192.0.2.1:1", NULL), BOWLINE_E_NULL);
    ROW(bowline_addrbook_add(all.node, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_addrbook_remove(NULL, "192.0.2.1:1", NULL), BOWLINE_E_NULL);
    ROW(bowline_addrbook_remove(all.node, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_addrbook_snapshot(NULL, &list), BOWLINE_E_NULL);
    ROW(bowline_addrbook_snapshot(all.node, NULL), BOWLINE_E_NULL);
    ROW(bowline_healthy_snapshot(NULL, 0, &list), BOWLINE_E_NULL);
    ROW(bowline_healthy_snapshot(all.node, 0, NULL), BOWLINE_E_NULL);
    ROW(bowline_discover_wait(NULL, 1, 0, &list, NULL), BOWLINE_E_NULL);
    ROW(bowline_discover_wait(all.node, 1, 0, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_addr_note(NULL, "192.0.2.1:1", "x", 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_addr_note(all.node, NULL, "x", 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_addr_note(all.node, "192.0.2.1:1", NULL, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_peer_note(NULL, &all.id, "x", 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_peer_note(all.node, NULL, "x", 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_peer_note(all.node, &all.id, NULL, 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_export(NULL, &made, &size, NULL), BOWLINE_E_NULL);
    ROW(bowline_export(all.node, NULL, &size, NULL), BOWLINE_E_NULL);
    ROW(bowline_import(NULL, "x", 1, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_import(all.node, NULL, 1, NULL, NULL), BOWLINE_E_NULL);
    ROW(bowline_list_addr(NULL, 0, &known), BOWLINE_E_NULL);
    ROW(bowline_list_addr(all.list, 0, NULL), BOWLINE_E_NULL);
    ROW(bowline_list_text(NULL, 0, text, sizeof text, &size), BOWLINE_E_NULL);
    /* Q */
    ROW(bowline_metrics_get(NULL, &metrics), BOWLINE_E_NULL);
    ROW(bowline_metrics_get(all.node, NULL), BOWLINE_E_NULL);
    /* S */
    ROW(bowline_addr_parse(NULL, 1, &all.addr), BOWLINE_E_NULL);
    ROW(bowline_addr_parse("127.0.0.1", 1, NULL), BOWLINE_E_NULL);
    ROW(bowline_addr_format(NULL, text, sizeof text, &size), BOWLINE_E_NULL);
    ROW(bowline_addr_format(&all.addr, NULL, sizeof text, &size), BOWLINE_E_NULL);
    ROW(bowline_addr_format(&all.addr, text, sizeof text, NULL), BOWLINE_OK);
    ROW(bowline_addr_from_sockaddr(NULL, 16, &all.addr), BOWLINE_E_NULL);
    ROW(bowline_addr_from_sockaddr(text, 16, NULL), BOWLINE_E_NULL);
    /* T */
    ROW(bowline_memnet_new(1, NULL), BOWLINE_E_NULL);
    VOID(bowline_memnet_free(NULL));
    ROW(bowline_config_use_memnet(NULL, all.net), BOWLINE_E_NULL);
    ROW(bowline_config_use_memnet(all.config, NULL), BOWLINE_E_NULL);
    ROW(bowline_memnet_link(NULL, NULL, NULL, 1, 0, 0, 0), BOWLINE_E_NULL);
    ROW(bowline_memnet_cut(NULL, NULL, NULL, 1), BOWLINE_E_NULL);
    ROW(bowline_memnet_name(NULL, "seed.example", &all.addr), BOWLINE_E_NULL);
    ROW(bowline_memnet_name(all.net, NULL, &all.addr), BOWLINE_E_NULL);
    ROW(bowline_memnet_name(all.net, "seed.example", NULL), BOWLINE_E_NULL);
    ROW(bowline_memnet_advance(NULL, 1), BOWLINE_E_NULL);
    ROW(bowline_memnet_advance_to_event(NULL, 1), BOWLINE_E_NULL);
    FACT(bowline_memnet_now(NULL) == 0);
    ROW(bowline_memnet_fingerprint(NULL, &number), BOWLINE_E_NULL);
    ROW(bowline_memnet_fingerprint(all.net, NULL), BOWLINE_E_NULL);
    /* Nothing was made by the calls that failed. */
    FACT(made == NULL && msg == NULL && node == NULL && key == NULL && queue == NULL && list == NULL && peer == 0);
    printf("# %d rows\n", rows);
}

static void handles_of_another_type_are_refused(void)
{
    world all = a_world();
    void *config = all.config;
    void *msg = all.msg;
    void *odd = (char *)(void *)all.node + 1;
    bowline_peer_id id;
    bowline_event event;
    ROW(bowline_node_start(config, NULL), BOWLINE_E_INVALID);
    ROW(bowline_node_stop(msg, 0), BOWLINE_E_INVALID);
    ROW(bowline_node_stop(odd, 0), BOWLINE_E_INVALID);
    FACT(bowline_node_state(msg) == BOWLINE_STATE_INVALID);
    ROW(bowline_queue_poll(config, &event, sizeof event, 0), BOWLINE_E_INVALID);
    FACT(bowline_queue_fd(msg) == -1);
    ROW(bowline_keypair_id(msg, &id), BOWLINE_E_INVALID);
    ROW(bowline_send_msg(all.node, 1, CHANNEL, config, NULL), BOWLINE_E_INVALID);
    ROW(bowline_broadcast(all.node, CHANNEL, (bowline_msg *)(void *)all.key, 0, NULL, NULL), BOWLINE_E_INVALID);
    ROW(bowline_config_set(msg, "pool.max", "1", NULL), BOWLINE_E_INVALID);
    ROW(bowline_config_use_memnet(all.config, msg), BOWLINE_E_INVALID);
    ROW(bowline_memnet_advance(config, 1), BOWLINE_E_INVALID);
    FACT(bowline_list_len(config) == 0 && bowline_msg_len(config) == 0 && bowline_msg_ref(config) == NULL);
    ROW(bowline_error_code(config), BOWLINE_E_INVALID);
    /* Freeing as the wrong type does nothing. */
    VOID(bowline_msg_free(config));
    VOID(bowline_list_free(msg));
    VOID(bowline_node_free(config));
    VOID(bowline_config_free(msg));
    ROW(bowline_config_set(all.config, "pool.max", "60", NULL), BOWLINE_OK);
    FACT(bowline_msg_len(all.msg) == 1);
    printf("# %d rows\n", rows);
}

/* A buffer that begins like a struct and goes on with junk. */
typedef union {
    uint32_t struct_size;
    bowline_peer_info info;
    bowline_metrics metrics;
    bowline_key_info key_info;
    bowline_channel_desc desc;
    bowline_send_opts opts;
    unsigned char bytes[8192];
} sized;

static int32_t call_with(int which, world *all, sized *it)
{
    switch (which) {
    case 0:
        return bowline_config_add_channel(all->config, &it->desc, NULL);
    case 1:
        return bowline_send(all->node, 1, CHANNEL, "x", 1, &it->opts);
    case 2:
        return bowline_metrics_get(all->node, &it->metrics);
    case 3:
        return bowline_config_key_info(0, &it->key_info);
    case 4:
        return bowline_list_peer(all->list, 0, &it->info);
    default:
        return bowline_peer_get(all->node, 1, &it->info);
    }
}

static void wrong_struct_sizes_are_refused(void)
{
    static const uint32_t first[] = {sizeof(bowline_channel_desc), sizeof(bowline_send_opts), sizeof(bowline_metrics),
                                     sizeof(bowline_key_info),     sizeof(bowline_peer_info), sizeof(bowline_peer_info)};
    world all = a_world();
    int which = 0;
    start(all.node);
    for (which = 0; which < 6; which++) {
        sized it;
        uint32_t wrong[] = {0, 1, 4, 0, 4097, 0x7fffffff, 0xffffffff};
        size_t at = 0;
        wrong[3] = first[which] - 1;
        for (at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
            memset(&it, 0xa5, sizeof it);
            it.struct_size = wrong[at];
            ROW(call_with(which, &all, &it), BOWLINE_E_STRUCT_SIZE);
            FACT(it.bytes[first[which]] == 0xa5 && it.bytes[4] == 0xa5);
        }
    }
    printf("# %d rows\n", rows);
}

static void larger_structs_are_filled_and_checked(void)
{
    world all = a_world();
    sized it;
    memset(&it, 0xa5, sizeof it);
    it.struct_size = 4096;
    ROW(bowline_metrics_get(all.node, &it.metrics), BOWLINE_OK);
    FACT(it.struct_size == 4096 && it.metrics.uptime_ns != 0 && it.metrics.reserved == 0);
    FACT(it.bytes[sizeof(bowline_metrics)] == 0 && it.bytes[4095] == 0 && it.bytes[4096] == 0xa5);

    memset(&it, 0, sizeof it);
    it.desc = a_channel(0x30);
    it.struct_size = 4096;
    ROW(bowline_config_add_channel(all.config, &it.desc, NULL), BOWLINE_OK);
    it.desc.id = 0x31;
    it.bytes[4095] = 1; /* a member that this library does not know is set */
    ROW(bowline_config_add_channel(all.config, &it.desc, NULL), BOWLINE_E_STRUCT_SIZE);
    it.bytes[4096] = 1;
    it.bytes[4095] = 0;
    ROW(bowline_config_add_channel(all.config, &it.desc, NULL), BOWLINE_OK);
    printf("# %d rows\n", rows);
}

static void wrong_event_sizes_are_refused(void)
{
    static const size_t wrong[] = {0, 1, sizeof(bowline_event) - 8, sizeof(bowline_event) + 1, sizeof(bowline_event) + 4, 8192, SIZE_MAX};
    world all = a_world();
    uint64_t room[1024];
    bowline_event *events = (void *)room;
    size_t count = 0;
    size_t at = 0;
    CHECK_OK(bowline_queue_wakeup(all.queue, 5));
    memset(room, 0xa5, sizeof room);
    for (at = 0; at < sizeof wrong / sizeof wrong[0]; at++) {
        ROW(bowline_queue_poll(all.queue, events, wrong[at], 0), BOWLINE_E_STRUCT_SIZE);
        ROW(bowline_queue_poll_batch(all.queue, events, wrong[at], 1, &count, 0), BOWLINE_E_STRUCT_SIZE);
        VOID(bowline_events_release(events, wrong[at], 1));
        FACT(count == 0 && room[0] == 0xa5a5a5a5a5a5a5a5);
    }
    ROW(bowline_queue_poll_batch(all.queue, events, sizeof *events, 0, &count, 0), BOWLINE_E_INVALID);
    ROW(bowline_queue_poll(all.queue, (void *)((char *)room + 1), sizeof *events, 0), BOWLINE_E_INVALID);
    /* A newer program's larger events: the rest is zeroed, the stride is its own. */
    CHECK_OK(bowline_queue_wakeup(all.queue, 6));
    ROW(bowline_queue_poll_batch(all.queue, events, 128, 2, &count, 0), BOWLINE_OK);
    FACT(count == 2 && events[0].tag == 5 && ((bowline_event *)(void *)(room + 16))->tag == 6);
    FACT(room[15] == 0 && room[31] == 0 && room[32] == 0xa5a5a5a5a5a5a5a5);
    VOID(bowline_events_release(events, 128, 2));
    FACT(events[0].tag == 0 && room[16] == 0);
    printf("# %d rows\n", rows);
}

static void options_that_make_no_sense_are_refused(void)
{
    world all = a_world();
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    bowline_reach reach = BOWLINE_REACH_INIT;
    start(all.node);
    opts.flags = 4;
    ROW(bowline_send(all.node, 1, CHANNEL, "x", 1, &opts), BOWLINE_E_UNSUPPORTED);
    ROW(bowline_send_msg(all.node, 1, CHANNEL, all.msg, &opts), BOWLINE_E_UNSUPPORTED);
    ROW(bowline_broadcast(all.node, CHANNEL, all.msg, 0, &opts, &reach), BOWLINE_E_UNSUPPORTED);
    opts.flags = 0;
    opts.ttl_ms = 1;
    ROW(bowline_broadcast(all.node, CHANNEL, all.msg, 0, &opts, &reach), BOWLINE_E_INVALID);
    opts.ttl_ms = 0;
    opts.tag = 1; /* without the flag that makes it mean something */
    ROW(bowline_send(all.node, 1, CHANNEL, "x", 1, &opts), BOWLINE_E_INVALID);
    opts.tag = 0;
    opts.report_queue = all.queue;
    ROW(bowline_send(all.node, 1, CHANNEL, "x", 1, &opts), BOWLINE_E_INVALID);
    opts.flags = BOWLINE_SEND_REPORT;
    ROW(bowline_broadcast(all.node, CHANNEL, all.msg, 0, &opts, &reach), BOWLINE_E_INVALID);
    opts.report_queue = (bowline_queue *)all.msg;
    ROW(bowline_send(all.node, 1, CHANNEL, "x", 1, &opts), BOWLINE_E_INVALID);
    opts.report_queue = NULL;
    opts.flags = BOWLINE_SEND_SELF;
    ROW(bowline_send(all.node, 1, CHANNEL, "x", 1, &opts), BOWLINE_E_INVALID);
    opts.flags = 0;
    opts.reserved = 1;
    ROW(bowline_send(all.node, 1, CHANNEL, "x", 1, &opts), BOWLINE_E_INVALID);
    opts.reserved = 0;
    opts.timeout_ms = -2;
    ROW(bowline_send(all.node, 1, CHANNEL, "x", 1, &opts), BOWLINE_E_INVALID);
    opts.timeout_ms = 1;
    ROW(bowline_broadcast(all.node, CHANNEL, all.msg, 0, &opts, &reach), BOWLINE_E_INVALID);
    ROW(bowline_connect(all.node, &all.addr, NULL, 1, 0), BOWLINE_E_UNSUPPORTED);
    ROW(bowline_disconnect(all.node, 1, 0, 1), BOWLINE_E_UNSUPPORTED);
    printf("# %d rows\n", rows);
}

static void values_out_of_range_are_refused(void)
{
    world all = a_world();
    bowline_event event;
    bowline_peer peer = 0;
    bowline_addr addr = all.addr;
    size_t size = 0;
    start(all.node);
    ROW(bowline_queue_poll(all.queue, &event, sizeof event, -2), BOWLINE_E_INVALID);
    ROW(bowline_queue_poll(all.queue, &event, sizeof event, INT64_MIN), BOWLINE_E_INVALID);
    ROW(bowline_node_stop(all.node, -2), BOWLINE_E_INVALID);
    ROW(bowline_connect_wait(all.node, "127.0.0.1:1", -2, &peer, NULL), BOWLINE_E_INVALID);
    ROW(bowline_connect_wait(all.node, "", 0, &peer, NULL), BOWLINE_E_INVALID);
    ROW(bowline_connect_wait(all.node, "no port", 0, &peer, NULL), BOWLINE_E_INVALID);
    ROW(bowline_connect_wait(all.node, "http://127.0.0.1:1", 0, &peer, NULL), BOWLINE_E_INVALID);
    ROW(bowline_connect_wait(all.node, "\xff", 0, &peer, NULL), BOWLINE_E_UTF8);
    addr.port = 0;
    ROW(bowline_connect(all.node, &addr, NULL, 0, 0), BOWLINE_E_INVALID);
    addr.family = 0;
    ROW(bowline_connect(all.node, &addr, NULL, 0, 0), BOWLINE_E_INVALID);
    ROW(bowline_disconnect(all.node, 1, 9999, 0), BOWLINE_E_INVALID);
    ROW(bowline_disconnect(all.node, 1, 0xffffffff, 0), BOWLINE_E_INVALID);
    ROW(bowline_send(all.node, 1, CHANNEL, "x", SIZE_MAX, NULL), BOWLINE_E_INVALID);
    ROW(bowline_queue_bind_channel(all.queue, 0x99), BOWLINE_E_NO_CHANNEL);
    ROW(bowline_node_listen_addrs(all.node, NULL, 0, &size), BOWLINE_E_BUFFER);
    FACT(size == 1 && peer == 0);
    printf("# %d rows\n", rows);
}

static void the_longest_waits_do_not_overflow(void)
{
    world all = a_world();
    bowline_event event;
    bowline_peer peer = 0;
    bowline_keypair *key = NULL;
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    opts.timeout_ms = INT64_MAX;
    start(all.node);
    CHECK_OK(bowline_queue_wakeup(all.queue, 1));
    ROW(bowline_queue_poll(all.queue, &event, sizeof event, INT64_MAX), BOWLINE_OK);
    ROW(bowline_connect_wait(all.node, "127.0.0.1:1", INT64_MAX, &peer, NULL), BOWLINE_E_REFUSED);
    ROW(bowline_connect_wait(all.node, "127.0.0.1:1", BOWLINE_FOREVER, &peer, NULL), BOWLINE_E_REFUSED);
    ROW(bowline_send(all.node, 1, CHANNEL, "x", 1, &opts), BOWLINE_E_PEER_GONE);
    ROW(bowline_keypair_generate(4, INT64_MAX, &key), BOWLINE_OK);
    ROW(bowline_node_stop(all.node, INT64_MAX), BOWLINE_OK);
    printf("# %d rows\n", rows);
}

static void peers_that_are_gone_are_not_found(void)
{
    static const bowline_peer stale[] = {0, 1, 12345678901234567u, UINT64_MAX};
    world all = a_world();
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    bowline_peer peer = 0;
    bowline_reach reach = BOWLINE_REACH_INIT;
    size_t at = 0;
    start(all.node);
    for (at = 0; at < sizeof stale / sizeof stale[0]; at++) {
        ROW(bowline_send(all.node, stale[at], CHANNEL, "x", 1, NULL), BOWLINE_E_PEER_GONE);
        ROW(bowline_send(all.node, stale[at], CHANNEL, NULL, 0, NULL), BOWLINE_E_PEER_GONE);
        ROW(bowline_send_msg(all.node, stale[at], CHANNEL, all.msg, NULL), BOWLINE_E_PEER_GONE);
        ROW(bowline_peer_get(all.node, stale[at], &info), BOWLINE_E_PEER_GONE);
        ROW(bowline_disconnect(all.node, stale[at], 0, 0), BOWLINE_E_PEER_GONE);
    }
    ROW(bowline_peer_find(all.node, &all.id, &peer), BOWLINE_E_NOT_FOUND);
    ROW(bowline_list_peer(all.list, 0, &info), BOWLINE_E_NOT_FOUND);
    ROW(bowline_list_peer(all.list, SIZE_MAX, &info), BOWLINE_E_NOT_FOUND);
    ROW(bowline_broadcast(all.node, CHANNEL, all.msg, UINT64_MAX, NULL, &reach), BOWLINE_OK);
    FACT(reach.queued == 0 && bowline_list_len(all.list) == 0);
    ROW(bowline_broadcast(all.node, 0x99, all.msg, 0, NULL, NULL), BOWLINE_E_NO_CHANNEL);
    ROW(bowline_broadcast(all.node, 0, all.msg, 0, NULL, NULL), BOWLINE_E_NO_CHANNEL);
    printf("# %d rows\n", rows);
}

static void calls_before_the_start_say_so(void)
{
    world all = a_world();
    bowline_event event;
    bowline_peer peer = 0;
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    bowline_queue *queue = NULL;
    size_t size = 7;
    FACT(bowline_node_state(all.node) == BOWLINE_STATE_NEW);
    ROW(bowline_send(all.node, 1, CHANNEL, "x", 1, NULL), BOWLINE_E_STATE);
    ROW(bowline_send_msg(all.node, 1, CHANNEL, all.msg, NULL), BOWLINE_E_STATE);
    ROW(bowline_broadcast(all.node, CHANNEL, all.msg, 0, NULL, NULL), BOWLINE_E_STATE);
    ROW(bowline_connect(all.node, &all.addr, NULL, 0, 0), BOWLINE_E_STATE);
    ROW(bowline_connect_wait(all.node, "127.0.0.1:1", 0, &peer, NULL), BOWLINE_E_STATE);
    ROW(bowline_disconnect(all.node, 1, 0, 0), BOWLINE_E_STATE);
    ROW(bowline_peer_get(all.node, 1, &info), BOWLINE_E_PEER_GONE);
    ROW(bowline_queue_poll(all.queue, &event, sizeof event, 0), BOWLINE_E_AGAIN);
    ROW(bowline_queue_poll(all.queue, &event, sizeof event, 1), BOWLINE_E_TIMEOUT);
    ROW(bowline_node_listen_addrs(all.node, NULL, 0, &size), BOWLINE_OK);
    FACT(size == 0);
    ROW(bowline_queue_new(all.node, "q", &queue), BOWLINE_OK);
    ROW(bowline_queue_bind_channel(queue, CHANNEL), BOWLINE_OK);
    ROW(bowline_node_stop(all.node, 0), BOWLINE_OK);
    ROW(bowline_node_start(all.node, NULL), BOWLINE_E_STATE);
    bowline_queue_free(queue);
    bowline_node_free(all.node);
    printf("# %d rows\n", rows);
}

static void calls_after_the_stop_say_so(void)
{
    world all = a_world();
    bowline_event event;
    bowline_peer peer = 0;
    bowline_queue *queue = NULL;
    bowline_error *err = NULL;
    int32_t result = BOWLINE_OK;
    start(all.node);
    ROW(bowline_node_start(all.node, &err), BOWLINE_E_STATE);
    CHECK_HAS(bowline_error_text(err), "started already");
    bowline_error_free(err);
    ROW(bowline_queue_new(all.node, "late", &queue), BOWLINE_E_STATE);
    ROW(bowline_queue_bind_channel(all.queue, CHANNEL), BOWLINE_E_STATE);
    ROW(bowline_node_stop(all.node, 100), BOWLINE_OK);
    ROW(bowline_node_stop(all.node, 100), BOWLINE_OK);
    FACT(bowline_node_state(all.node) == BOWLINE_STATE_STOPPED);
    ROW(bowline_send(all.node, 1, CHANNEL, "x", 1, NULL), BOWLINE_E_STOPPED);
    ROW(bowline_send_msg(all.node, 1, CHANNEL, all.msg, NULL), BOWLINE_E_STOPPED);
    ROW(bowline_broadcast(all.node, CHANNEL, all.msg, 0, NULL, NULL), BOWLINE_E_STOPPED);
    ROW(bowline_connect(all.node, &all.addr, NULL, 0, 0), BOWLINE_E_STOPPED);
    ROW(bowline_connect_wait(all.node, "127.0.0.1:1", 0, &peer, NULL), BOWLINE_E_STOPPED);
    ROW(bowline_disconnect(all.node, 1, 0, 0), BOWLINE_E_STOPPED);
    ROW(bowline_node_start(all.node, NULL), BOWLINE_E_STATE);
    ROW(bowline_queue_wakeup(all.queue, 1), BOWLINE_E_STOPPED);
    while ((result = bowline_queue_poll(all.queue, &event, sizeof event, BOWLINE_FOREVER)) == BOWLINE_OK) {
        bowline_events_release(&event, sizeof event, 1);
    }
    ROW(result, BOWLINE_E_STOPPED);
    ROW(bowline_node_fatal_error(all.node, NULL), BOWLINE_OK);
    printf("# %d rows\n", rows);
}

static void a_forked_child_is_refused_and_lives(void)
{
    world all = a_world();
    int status = 0;
    pid_t child = 0;
    start(all.node);
    child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        bowline_event event;
        bowline_peer peer = 0;
        bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
        bowline_metrics metrics = BOWLINE_METRICS_INIT;
        bowline_list *list = NULL;
        bowline_error *err = NULL;
        bowline_node *own = NULL;
        alarm(20);
        ROW(bowline_node_start(all.node, &err), BOWLINE_E_FORKED);
        CHECK_HAS(bowline_error_text(err), "forked child");
        ROW(bowline_node_stop(all.node, 0), BOWLINE_E_FORKED);
        ROW(bowline_queue_poll(all.queue, &event, sizeof event, BOWLINE_FOREVER), BOWLINE_E_FORKED);
        ROW(bowline_queue_wakeup(all.queue, 1), BOWLINE_E_FORKED);
        ROW(bowline_send(all.node, 1, CHANNEL, "x", 1, NULL), BOWLINE_E_FORKED);
        ROW(bowline_send_msg(all.node, 1, CHANNEL, all.msg, NULL), BOWLINE_E_FORKED);
        ROW(bowline_broadcast(all.node, CHANNEL, all.msg, 0, NULL, NULL), BOWLINE_E_FORKED);
        ROW(bowline_connect(all.node, &all.addr, NULL, 0, 0), BOWLINE_E_FORKED);
        ROW(bowline_connect_wait(all.node, "127.0.0.1:1", 0, &peer, NULL), BOWLINE_E_FORKED);
        ROW(bowline_disconnect(all.node, 1, 0, 0), BOWLINE_E_FORKED);
        ROW(bowline_peer_get(all.node, 1, &info), BOWLINE_E_FORKED);
        ROW(bowline_peers_snapshot(all.node, &list), BOWLINE_E_FORKED);
        ROW(bowline_metrics_get(all.node, &metrics), BOWLINE_E_FORKED);
        ROW(bowline_memnet_advance(all.net, 1), BOWLINE_E_FORKED);
        VOID(bowline_memnet_free(all.net));
        FACT(bowline_queue_fd(all.queue) == -1 && bowline_node_state(all.node) == BOWLINE_STATE_INVALID);
        FACT(bowline_node_main_queue(all.node) == all.queue);
        ROW(bowline_queue_poll(bowline_node_main_queue(all.node), &event, sizeof event, 0), BOWLINE_E_FORKED);
        VOID(bowline_node_free(all.node));
        /* What belongs to no node works, but no node can be made. */
        FACT(bowline_msg_len(all.msg) == 1);
        ROW(bowline_node_new(all.config, all.key, &own, NULL), BOWLINE_E_FORKED);
        printf("# %d rows\n", rows);
        fflush(stdout);
        _exit(0);
    }
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    /* The parent's node did not notice. */
    FACT(bowline_node_state(all.node) == BOWLINE_STATE_RUNNING);
    ROW(bowline_node_stop(all.node, 0), BOWLINE_OK);
}

static const bt_test tests[] = {
    BT(null_where_an_object_is_due),
    BT(handles_of_another_type_are_refused),
    BT(wrong_struct_sizes_are_refused),
    BT(larger_structs_are_filled_and_checked),
    BT(wrong_event_sizes_are_refused),
    BT(options_that_make_no_sense_are_refused),
    BT(values_out_of_range_are_refused),
    BT(the_longest_waits_do_not_overflow),
    BT(peers_that_are_gone_are_not_found),
    BT(calls_before_the_start_say_so),
    BT(calls_after_the_stop_say_so),
    BT(a_forked_child_is_refused_and_lives),
};
BT_MAIN(tests)
