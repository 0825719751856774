/* What needs no node: version, results, addresses, ids, keys, messages, configuration. */
#include "bt.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <arpa/inet.h>

static void versions_agree(void)
{
    char text[32];
    snprintf(text, sizeof text, "%d.%d.%d", BOWLINE_VERSION_MAJOR, BOWLINE_VERSION_MINOR, BOWLINE_VERSION_PATCH);
    CHECK_TEXT(bowline_version_string(), text);
    CHECK_INT(bowline_version(), BOWLINE_VERSION_NUMBER);
    CHECK_INT(BOWLINE_VERSION_NUMBER, BOWLINE_VERSION_MAJOR << 16 | BOWLINE_VERSION_MINOR << 8 | BOWLINE_VERSION_PATCH);
    CHECK_OK(bowline_check_abi(BOWLINE_VERSION_NUMBER));
    CHECK_OK(bowline_check_abi(BOWLINE_VERSION_NUMBER | 0xff));
    CHECK_IS(bowline_check_abi(BOWLINE_VERSION_NUMBER + 0x100), BOWLINE_E_VERSION);
    CHECK_IS(bowline_check_abi(BOWLINE_VERSION_NUMBER + 0x10000), BOWLINE_E_VERSION);
    CHECK_IS(bowline_check_abi(0xffffffff), BOWLINE_E_VERSION);
    CHECK_HAS(bowline_build_info(), text);
    CHECK_HAS(bowline_build_info(), "libsodium");
}

static void the_clock_is_the_monotonic_one(void)
{
    struct timespec now;
    uint64_t before = 0;
    uint64_t between = bowline_clock_ns();
    clock_gettime(CLOCK_MONOTONIC, &now);
    before = between;
    between = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
    CHECK(before <= between && between <= bowline_clock_ns());
}

static void every_result_has_a_name_and_a_text(void)
{
    const bowline_result_info *rows = NULL;
    size_t count = bowline_result_table(&rows);
    size_t at = 0;
    CHECK(count > 40 && bowline_result_table(NULL) == count);
    CHECK_INT(rows[0].code, BOWLINE_OK);
    for (at = 0; at < count; at++) {
        CHECK_TEXT(bowline_result_name(rows[at].code), rows[at].name);
        CHECK_TEXT(bowline_result_text(rows[at].code), rows[at].text);
        CHECK(rows[at].text[0] != 0);
        CHECK(at == 0 || rows[at].code < rows[at - 1].code);
    }
    CHECK_TEXT(bowline_result_name(-21), "BOWLINE_E_TIMEOUT");
    CHECK_TEXT(bowline_result_name(12345), "BOWLINE_E_UNKNOWN");
    CHECK_HAS(bowline_result_text(INT32_MIN), "does not know");
}

static void addresses_go_through_text_and_back(void)
{
    bowline_addr addr;
    bowline_addr again;
    char text[BOWLINE_ADDR_TEXT_MAX];
    size_t needed = 0;
    CHECK_OK(bowline_addr_parse("[2001:db8::1]:9732", 0, &addr));
    CHECK_INT(addr.family, BOWLINE_AF_IPV6);
    CHECK_INT(addr.port, 9732);
    CHECK_OK(bowline_addr_format(&addr, text, sizeof text, &needed));
    CHECK_TEXT(text, "[2001:db8::1]:9732");
    CHECK_INT(needed, strlen(text) + 1);
    CHECK_OK(bowline_addr_parse(text, 0, &again));
    CHECK(memcmp(&addr, &again, sizeof addr) == 0);

    CHECK_OK(bowline_addr_parse("192.0.2.7", 80, &addr));
    CHECK(addr.family == BOWLINE_AF_IPV4 && addr.port == 80 && addr.ip[3] == 7);
    CHECK_OK(bowline_addr_parse("::ffff:192.0.2.7", 80, &again));
    CHECK(memcmp(&addr, &again, sizeof addr) == 0);

    CHECK_IS(bowline_addr_parse("seed.example:80", 0, &again), BOWLINE_E_INVALID);
    CHECK_IS(bowline_addr_parse("192.0.2.7:99999", 0, &again), BOWLINE_E_INVALID);
    CHECK_IS(bowline_addr_parse("\xff\xfe", 0, &again), BOWLINE_E_UTF8);
    CHECK(memcmp(&addr, &again, sizeof addr) == 0);
}

static void a_buffer_too_small_is_left_alone(void)
{
    bowline_addr addr;
    char text[8] = "before";
    size_t needed = 0;
    CHECK_OK(bowline_addr_parse("192.0.2.7:80", 0, &addr));
    CHECK_IS(bowline_addr_format(&addr, text, sizeof text, &needed), BOWLINE_E_BUFFER);
    CHECK_INT(needed, 13);
    CHECK_TEXT(text, "before");
    needed = 0;
    CHECK_IS(bowline_addr_format(&addr, NULL, 0, &needed), BOWLINE_E_BUFFER);
    CHECK_INT(needed, 13);
    CHECK_IS(bowline_addr_format(&addr, NULL, 13, &needed), BOWLINE_E_NULL);
}

static void addresses_that_are_none_are_refused(void)
{
    bowline_addr addr;
    bowline_addr bad;
    char text[BOWLINE_ADDR_TEXT_MAX];
    memset(&addr, 0, sizeof addr);
    CHECK_IS(bowline_addr_format(&addr, text, sizeof text, NULL), BOWLINE_E_INVALID);
    CHECK_OK(bowline_addr_parse("192.0.2.7:80", 0, &addr));
    bad = addr;
    bad.reserved = 1;
    CHECK_IS(bowline_addr_format(&bad, text, sizeof text, NULL), BOWLINE_E_INVALID);
    bad = addr;
    bad.ip[15] = 1;
    CHECK_IS(bowline_addr_format(&bad, text, sizeof text, NULL), BOWLINE_E_INVALID);
    bad = addr;
    bad.scope = 1;
    CHECK_IS(bowline_addr_format(&bad, text, sizeof text, NULL), BOWLINE_E_INVALID);
    bad = addr;
    bad.family = 255;
    CHECK_IS(bowline_addr_format(&bad, text, sizeof text, NULL), BOWLINE_E_INVALID);
}

static void socket_addresses_are_read(void)
{
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
    struct sockaddr other;
    bowline_addr addr;
    memset(&v4, 0, sizeof v4);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(9732);
    inet_pton(AF_INET, "192.0.2.7", &v4.sin_addr);
    CHECK_OK(bowline_addr_from_sockaddr(&v4, sizeof v4, &addr));
    CHECK(addr.family == BOWLINE_AF_IPV4 && addr.port == 9732 && addr.ip[0] == 192);
    memset(&v6, 0, sizeof v6);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(1);
    v6.sin6_scope_id = 3;
    inet_pton(AF_INET6, "fe80::1", &v6.sin6_addr);
    CHECK_OK(bowline_addr_from_sockaddr(&v6, sizeof v6, &addr));
    CHECK(addr.family == BOWLINE_AF_IPV6 && addr.scope == 3 && addr.ip[15] == 1);
    memset(&other, 0, sizeof other);
    other.sa_family = AF_UNIX;
    CHECK_IS(bowline_addr_from_sockaddr(&other, sizeof other, &addr), BOWLINE_E_UNSUPPORTED);
    CHECK_IS(bowline_addr_from_sockaddr(&v4, 1, &addr), BOWLINE_E_INVALID);
    CHECK_IS(bowline_addr_from_sockaddr(&v4, sizeof v4 - 1, &addr), BOWLINE_E_INVALID);
    CHECK_IS(bowline_addr_from_sockaddr(&v6, sizeof v4, &addr), BOWLINE_E_INVALID);
    CHECK_IS(bowline_addr_from_sockaddr(&v4, SIZE_MAX, &addr), BOWLINE_E_INVALID);
}

static void peer_ids_go_through_text_and_back(void)
{
    bowline_peer_id id;
    bowline_peer_id again;
    char text[BOWLINE_PEER_ID_TEXT_MAX];
    memset(&id, 0xab, sizeof id);
    CHECK_OK(bowline_peer_id_format(&id, text, sizeof text, NULL));
    CHECK_INT(strlen(text), 64);
    CHECK_OK(bowline_peer_id_parse(text, &again));
    CHECK(memcmp(&id, &again, sizeof id) == 0);
    CHECK_OK(bowline_peer_id_parse("ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB", &again));
    CHECK(memcmp(&id, &again, sizeof id) == 0);
    CHECK_IS(bowline_peer_id_parse("abab", &again), BOWLINE_E_INVALID);
    CHECK_IS(bowline_peer_id_parse("", &again), BOWLINE_E_INVALID);
    CHECK_IS(bowline_peer_id_format(&id, text, 64, NULL), BOWLINE_E_BUFFER);
}

static void keys_are_made_resumed_and_derived(void)
{
    static const uint8_t seed[32] = {1, 2, 3};
    bowline_keypair *key = NULL;
    bowline_keypair *twin = NULL;
    bowline_peer_id id;
    bowline_peer_id again;
    int32_t result = BOWLINE_OK;
    int calls = 0;
    CHECK_OK(bowline_keypair_generate(0, BOWLINE_NOWAIT, &key));
    bowline_keypair_free(key);

    key = NULL;
    do {
        result = bowline_keypair_generate(18, BOWLINE_NOWAIT, &key);
        CHECK(key != NULL);
        if (calls++ == 0) {
            CHECK_OK(bowline_keypair_id(key, &id));
        }
    } while (result == BOWLINE_E_TIMEOUT);
    CHECK_IS(result, BOWLINE_OK);
    CHECK_OK(bowline_keypair_id(key, &again));
    CHECK(memcmp(&id, &again, sizeof id) == 0);
    CHECK_OK(bowline_keypair_generate(18, BOWLINE_NOWAIT, &key));
    bowline_keypair_free(key);

    CHECK_OK(bowline_keypair_from_seed(seed, &key));
    CHECK_OK(bowline_keypair_from_seed(seed, &twin));
    CHECK_OK(bowline_keypair_id(key, &id));
    CHECK_OK(bowline_keypair_id(twin, &again));
    CHECK(memcmp(&id, &again, sizeof id) == 0);
    bowline_keypair_free(key);
    bowline_keypair_free(twin);

    key = NULL;
    CHECK_IS(bowline_keypair_generate(41, BOWLINE_NOWAIT, &key), BOWLINE_E_INVALID);
    CHECK_IS(bowline_keypair_generate(0, -2, &key), BOWLINE_E_INVALID);
    CHECK(key == NULL);
}

static void identity_files_are_kept_safe(void)
{
    char folder[] = "/tmp/bowline-ffi-XXXXXX";
    char path[64];
    struct stat about;
    FILE *file = NULL;
    bowline_keypair *key = NULL;
    bowline_error *err = NULL;
    bowline_peer_id id;
    bowline_peer_id again;
    CHECK(mkdtemp(folder) != NULL);
    snprintf(path, sizeof path, "%s/identity", folder);

    CHECK_IS(bowline_keypair_load(path, 0, &key, &err), BOWLINE_E_NOT_FOUND);
    CHECK_INT(bowline_error_code(err), BOWLINE_E_NOT_FOUND);
    CHECK_HAS(bowline_error_text(err), path);
    bowline_error_free(err);

    CHECK_OK(bowline_keypair_load(path, BOWLINE_KEYPAIR_CREATE, &key, &err));
    CHECK(err == NULL && stat(path, &about) == 0);
    CHECK_INT(about.st_mode & 0777, 0600);
    CHECK_OK(bowline_keypair_id(key, &id));
    CHECK_IS(bowline_keypair_save(key, path, &err), BOWLINE_E_EXISTS);
    bowline_error_free(err);
    bowline_keypair_free(key);
    CHECK_OK(bowline_keypair_load(path, BOWLINE_KEYPAIR_CREATE, &key, NULL));
    CHECK_OK(bowline_keypair_id(key, &again));
    CHECK(memcmp(&id, &again, sizeof id) == 0);
    bowline_keypair_free(key);

    CHECK_INT(chmod(path, 0640), 0);
    CHECK_IS(bowline_keypair_load(path, BOWLINE_KEYPAIR_CREATE, &key, &err), BOWLINE_E_PERMISSION);
    CHECK(key == NULL);
    CHECK_HAS(bowline_error_text(err), "0640");
    bowline_error_free(err);
    CHECK_INT(chmod(path, 0), 0);
    if (geteuid() != 0) { /* root reads everything */
        CHECK_IS(bowline_keypair_load(path, 0, &key, NULL), BOWLINE_E_PERMISSION);
    }
    CHECK_INT(chmod(path, 0600), 0);
    file = fopen(path, "w");
    CHECK(file != NULL && fputs("nonsense\n", file) >= 0 && fclose(file) == 0);
    CHECK_IS(bowline_keypair_load(path, 0, &key, NULL), BOWLINE_E_INVALID);
    CHECK_IS(bowline_keypair_load(folder, 0, &key, NULL), BOWLINE_E_INVALID);
    CHECK_IS(bowline_keypair_load(path, 2, &key, NULL), BOWLINE_E_INVALID);
    CHECK_IS(bowline_keypair_load("/nonexistent/folder/identity", BOWLINE_KEYPAIR_CREATE, &key, NULL), BOWLINE_E_IO);
    CHECK_IS(bowline_keypair_load("\xff", 0, &key, NULL), BOWLINE_E_UTF8);
    unlink(path);
    rmdir(folder);
}

static int given_back = 0;

static void give_back(void *data, size_t len, void *ctx)
{
    (void)data;
    given_back += (int)len;
    *(int *)ctx += 1;
}

static void messages_are_counted_references(void)
{
    static char memory[] = "mine";
    bowline_msg *msg = NULL;
    int calls = 0;
    CHECK_OK(bowline_msg_new(4, &msg));
    CHECK(bowline_msg_len(msg) == 4 && bowline_msg_data(msg)[3] == 0);
    memcpy(bowline_msg_data_mut(msg), "abcd", 4);
    CHECK(bowline_msg_ref(msg) == msg && bowline_msg_data_mut(msg) == NULL);
    bowline_msg_free(msg);
    CHECK(bowline_msg_data_mut(msg) != NULL && memcmp(bowline_msg_data(msg), "abcd", 4) == 0);
    bowline_msg_free(msg);

    CHECK_OK(bowline_msg_copy(NULL, 0, &msg));
    CHECK_INT(bowline_msg_len(msg), 0);
    bowline_msg_free(msg);

    CHECK_OK(bowline_msg_wrap(memory, 4, give_back, &calls, &msg));
    CHECK(bowline_msg_data(msg) == (const uint8_t *)memory && bowline_msg_data_mut(msg) == NULL);
    bowline_msg_ref(msg);
    bowline_msg_free(msg);
    CHECK_INT(calls, 0);
    bowline_msg_free(msg);
    CHECK(calls == 1 && given_back == 4);

    CHECK_IS(bowline_msg_new(SIZE_MAX, &msg), BOWLINE_E_TOO_BIG);
    CHECK(msg == NULL);
    CHECK_IS(bowline_msg_copy(memory, SIZE_MAX, &msg), BOWLINE_E_INVALID);
    CHECK_IS(bowline_msg_wrap(memory, (size_t)200 << 20, give_back, &calls, &msg), BOWLINE_E_TOO_BIG);
    CHECK_INT(calls, 1);
}

static void settings_are_checked_when_they_are_set(void)
{
    bowline_config *config = NULL;
    bowline_error *err = NULL;
    char text[64];
    size_t needed = 0;
    CHECK_OK(bowline_config_new(&config));
    CHECK_OK(bowline_config_set(config, "pool.max", "70", &err));
    CHECK(err == NULL);
    CHECK_OK(bowline_config_get(config, "pool.max", text, sizeof text, &needed));
    CHECK_TEXT(text, "70");
    CHECK_INT(needed, 3);
    CHECK_IS(bowline_config_get(config, "pool.max", text, 2, &needed), BOWLINE_E_BUFFER);

    CHECK_IS(bowline_config_set(config, "pool.maks", "70", &err), BOWLINE_E_NOT_FOUND);
    CHECK_HAS(bowline_error_text(err), "pool.max");
    bowline_error_free(err);
    CHECK_IS(bowline_config_set(config, "pool.max", "0", &err), BOWLINE_E_INVALID);
    CHECK_HAS(bowline_error_text(err), "16384");
    bowline_error_free(err);
    CHECK_IS(bowline_config_set(config, "pool.max", "many", &err), BOWLINE_E_INVALID);
    bowline_error_free(err);
    CHECK_IS(bowline_config_set(config, "pool.max", "\xc3", NULL), BOWLINE_E_UTF8);
    CHECK_IS(bowline_config_get(config, "pool.maks", text, sizeof text, NULL), BOWLINE_E_NOT_FOUND);
    CHECK_OK(bowline_config_get(config, "pool.max", text, sizeof text, NULL));
    CHECK_TEXT(text, "70");

    CHECK_OK(bowline_config_set_int(config, "pool.max", 80, NULL));
    CHECK_OK(bowline_config_set_int(config, "dial.timeout", 1500, NULL));
    CHECK_OK(bowline_config_set_int(config, "memory.messages_max", 64 << 20, NULL));
    CHECK_OK(bowline_config_set_int(config, "network.allow_private", 1, NULL));
    CHECK_OK(bowline_config_get(config, "dial.timeout", text, sizeof text, NULL));
    CHECK_TEXT(text, "1500ms");
    CHECK_OK(bowline_config_get(config, "memory.messages_max", text, sizeof text, NULL));
    CHECK_TEXT(text, "64MiB");
    CHECK_IS(bowline_config_set_int(config, "pool.max", -1, NULL), BOWLINE_E_INVALID);
    CHECK_IS(bowline_config_set_int(config, "pool.max", INT64_MAX, NULL), BOWLINE_E_INVALID);
    CHECK_IS(bowline_config_set_int(config, "dial.timeout", INT64_MIN, NULL), BOWLINE_E_INVALID);
    CHECK_IS(bowline_config_set_int(config, "network.name", 1, NULL), BOWLINE_E_INVALID);
    CHECK_IS(bowline_config_set_int(config, "no.such", 1, NULL), BOWLINE_E_NOT_FOUND);
    bowline_config_free(config);
}

static void every_key_is_described_and_dumped(void)
{
    bowline_config *config = NULL;
    char *dump = NULL;
    size_t count = 0;
    bowline_key_info info = BOWLINE_KEY_INFO_INIT;
    CHECK_OK(bowline_config_new(&config));
    CHECK_OK(bowline_config_dump(config, &dump));
    for (count = 0; bowline_config_key_info(count, &info) == BOWLINE_OK; count++) {
        char line[128];
        CHECK(info.name[0] != 0 && info.value_type[0] != 0 && info.doc[0] != 0 && info.limits != NULL);
        CHECK_OK(bowline_config_set(config, info.name, info.default_value, NULL));
        snprintf(line, sizeof line, "%s = ", info.name);
        CHECK_HAS(dump, line);
    }
    CHECK(count > 40);
    CHECK_IS(bowline_config_key_info(count, &info), BOWLINE_E_NOT_FOUND);
    CHECK_IS(bowline_config_key_info(SIZE_MAX, &info), BOWLINE_E_NOT_FOUND);
    bowline_string_free(dump);
    bowline_config_free(config);
}

static bowline_channel_desc described(uint16_t id)
{
    bowline_channel_desc desc = BOWLINE_CHANNEL_DESC_INIT;
    desc.id = id;
    desc.name = "blocks";
    return desc;
}

static void channels_are_checked_and_nothing_is_ignored(void)
{
    bowline_config *config = NULL;
    bowline_error *err = NULL;
    bowline_channel_desc desc = described(0x10);
    CHECK_OK(bowline_config_new(&config));
    CHECK_OK(bowline_config_add_channel(config, &desc, &err));
    CHECK_IS(bowline_config_add_channel(config, &desc, &err), BOWLINE_E_EXISTS);
    bowline_error_free(err);
    desc = described(0x11);
    desc.flags = 8;
    CHECK_IS(bowline_config_add_channel(config, &desc, NULL), BOWLINE_E_UNSUPPORTED);
    desc.flags = BOWLINE_CHANNEL_DROP_OLDEST | BOWLINE_CHANNEL_CONFLATE;
    CHECK_IS(bowline_config_add_channel(config, &desc, NULL), BOWLINE_E_UNSUPPORTED);
    desc.flags = BOWLINE_CHANNEL_NO_REQUESTS;
    desc.requests = 1;
    CHECK_IS(bowline_config_add_channel(config, &desc, NULL), BOWLINE_E_INVALID);
    desc = described(0x11);
    desc.rate_bytes_per_s = 1023;
    CHECK_IS(bowline_config_add_channel(config, &desc, &err), BOWLINE_E_INVALID);
    CHECK_HAS(bowline_error_text(err), "a limit of 1023 bytes a second; 1024 to ");
    bowline_error_free(err);
    desc = described(0x11);
    desc.rate_burst = 20;
    CHECK_IS(bowline_config_add_channel(config, &desc, &err), BOWLINE_E_INVALID);
    CHECK_HAS(bowline_error_text(err), "a burst of messages without a limit");
    bowline_error_free(err);
    desc = described(0x13);
    desc.rate_msgs_per_s = 1;
    desc.rate_burst = 20;
    desc.rate_bytes_per_s = 1 << 20;
    desc.rate_bytes_burst = 4096;
    CHECK_OK(bowline_config_add_channel(config, &desc, NULL));
    desc = described(0x11);
    desc.recv_queue_msgs = 3;
    CHECK_IS(bowline_config_add_channel(config, &desc, NULL), BOWLINE_E_INVALID);
    desc = described(0x11);
    desc.turn_bytes = 63;
    CHECK_IS(bowline_config_add_channel(config, &desc, &err), BOWLINE_E_INVALID);
    CHECK_HAS(bowline_error_text(err), "bytes per turn");
    bowline_error_free(err);
    desc = described(0x11);
    desc.priority = 0;
    CHECK_IS(bowline_config_add_channel(config, &desc, NULL), BOWLINE_E_INVALID);
    desc = described(0x11);
    desc.max_message = UINT32_MAX;
    CHECK_IS(bowline_config_add_channel(config, &desc, NULL), BOWLINE_E_INVALID);
    desc = described(0x11);
    desc.send_queue_bytes = UINT64_MAX;
    CHECK_IS(bowline_config_add_channel(config, &desc, NULL), BOWLINE_E_INVALID);
    desc = described(0x0f);
    CHECK_IS(bowline_config_add_channel(config, &desc, NULL), BOWLINE_E_INVALID);
    desc = described(0x11);
    desc.name = NULL;
    CHECK_IS(bowline_config_add_channel(config, &desc, NULL), BOWLINE_E_NULL);
    desc = described(0x11);
    desc.name = "\xff";
    CHECK_IS(bowline_config_add_channel(config, &desc, NULL), BOWLINE_E_UTF8);
    desc = described(0x11);
    desc.name = "a name with spaces";
    CHECK_IS(bowline_config_add_channel(config, &desc, NULL), BOWLINE_E_INVALID);
    bowline_config_free(config);
}

static const bt_test tests[] = {
    BT(versions_agree),
    BT(the_clock_is_the_monotonic_one),
    BT(every_result_has_a_name_and_a_text),
    BT(addresses_go_through_text_and_back),
    BT(a_buffer_too_small_is_left_alone),
    BT(addresses_that_are_none_are_refused),
    BT(socket_addresses_are_read),
    BT(peer_ids_go_through_text_and_back),
    BT(keys_are_made_resumed_and_derived),
    BT(identity_files_are_kept_safe),
    BT(messages_are_counted_references),
    BT(settings_are_checked_when_they_are_set),
    BT(every_key_is_described_and_dumped),
    BT(channels_are_checked_and_nothing_is_ignored),
};
BT_MAIN(tests)
