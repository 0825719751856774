/* nodes.h: nodes for tests: on loopback, without proof of work, with one channel. Needs bt.h. */
#ifndef NODES_H
#define NODES_H

#include "bt.h"

#include <dirent.h>
#include <errno.h>
#include <time.h>

#define CHANNEL 0x20

static inline void set(bowline_config *config, const char *key, const char *value)
{
    bowline_error *err = NULL;
    CHECK_ERR(bowline_config_set(config, key, value, &err), err);
}

static inline bowline_channel_desc a_channel(uint16_t id)
{
    bowline_channel_desc desc = BOWLINE_CHANNEL_DESC_INIT;
    desc.id = id;
    desc.name = "test";
    return desc;
}

/* A configuration with which a node can be made and started; more can be set. */
static inline bowline_config *a_config(void)
{
    bowline_config *config = NULL;
    bowline_channel_desc desc = a_channel(CHANNEL);
    CHECK_OK(bowline_config_new(&config));
    set(config, "network.name", "ffi-tests");
    set(config, "network.pow_bits", "0");
    set(config, "network.allow_private", "true");
    set(config, "listen.addresses", "127.0.0.1:0");
    set(config, "discovery.bootstrap", "true");
    set(config, "accept.ip_burst", "1000");
    if (getenv("BT_TMO") != NULL) { /* slow tools */
        set(config, "handshake.timeout", "1min");
        set(config, "handshake.first_timeout", "1min");
    }
    CHECK_OK(bowline_config_add_channel(config, &desc, NULL));
    return config;
}

/* A node of that configuration, which is freed. The seed makes its identity. */
static inline bowline_node *a_node_of(bowline_config *config, uint8_t seed)
{
    uint8_t bytes[32];
    bowline_keypair *key = NULL;
    bowline_node *node = NULL;
    bowline_error *err = NULL;
    memset(bytes, seed, sizeof bytes);
    CHECK_OK(bowline_keypair_from_seed(bytes, &key));
    CHECK_ERR(bowline_node_new(config, key, &node, &err), err);
    bowline_keypair_free(key);
    bowline_config_free(config);
    return node;
}

static inline bowline_node *a_node(uint8_t seed)
{
    return a_node_of(a_config(), seed);
}

static inline void start(bowline_node *node)
{
    bowline_error *err = NULL;
    CHECK_ERR(bowline_node_start(node, &err), err);
}

static inline bowline_addr address_of(const bowline_node *node)
{
    bowline_addr addr;
    size_t count = 0;
    CHECK_OK(bowline_node_listen_addrs(node, &addr, 1, &count));
    CHECK_INT(count, 1);
    return addr;
}

/* The text of a node's address, in a static buffer. */
static inline const char *address_text(const bowline_node *node)
{
    static char text[BOWLINE_ADDR_TEXT_MAX];
    bowline_addr addr = address_of(node);
    CHECK_OK(bowline_addr_format(&addr, text, sizeof text, NULL));
    return text;
}

/* The next event of that kind; others are released. */
static inline bowline_event await(bowline_node *node, int32_t kind)
{
    for (;;) {
        bowline_event event;
        CHECK_OK(bowline_queue_poll(bowline_node_main_queue(node), &event, sizeof event, 20000));
        if (event.kind == kind) {
            return event;
        }
        bowline_events_release(&event, sizeof event, 1);
    }
}

/* Frees the bytes of an event whose numbers are still read. */
static inline void let_go(bowline_event *event)
{
    bowline_msg_free(event->msg);
    event->msg = NULL;
    event->data = NULL;
}

/* Two nodes of this process with a link. */
typedef struct {
    bowline_node *asker;
    bowline_node *server;
    bowline_peer to_server;
    bowline_peer to_asker;
} pair;

/* Starts both and joins them. */
static inline pair linked_pair(bowline_node *asker, bowline_node *server)
{
    pair both;
    char address[200];
    bowline_event event;
    bowline_error *err = NULL;
    both.asker = asker;
    both.server = server;
    start(asker);
    start(server);
    snprintf(address, sizeof address, "%s", address_text(server));
    CHECK_ERR(bowline_connect_wait(asker, address, 20000, &both.to_server, &err), err);
    event = await(server, BOWLINE_EV_PEER_CONNECTED);
    both.to_asker = event.peer;
    let_go(&event);
    return both;
}

/* Of these configurations, which are freed. */
static inline pair a_pair_of(bowline_config *asker, bowline_config *server)
{
    return linked_pair(a_node_of(asker, 1), a_node_of(server, 2));
}

static inline pair a_pair(void)
{
    return a_pair_of(a_config(), a_config());
}

static inline void end(pair both)
{
    bowline_node_free(both.asker);
    bowline_node_free(both.server);
}

static inline void release(bowline_event *event)
{
    bowline_events_release(event, sizeof *event, 1);
}

/* That is in the text of an error, which is freed. */
static inline void says(bowline_error *err, const char *part)
{
    CHECK_HAS(bowline_error_text(err), part);
    bowline_error_free(err);
}

/* Kilobytes of memory that this process has. */
static inline long resident_kb(void)
{
    char line[256];
    long kb = 0;
    FILE *status = fopen("/proc/self/status", "r");
    CHECK(status != NULL);
    while (fgets(line, sizeof line, status) != NULL) {
        (void)sscanf(line, "VmRSS: %ld", &kb);
    }
    fclose(status);
    return kb;
}

/* Entries of a folder such as /proc/self/fd, without the descriptor that reads it. */
static inline int entries(const char *folder)
{
    int count = 0;
    DIR *dir = opendir(folder);
    struct dirent *entry = NULL;
    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        count += entry->d_name[0] != '.';
    }
    closedir(dir);
    return count - (strstr(folder, "/fd") != NULL);
}

static inline void nap_ms(long ms)
{
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&pause, &pause) != 0 && errno == EINTR) {
    }
}

/* Entries of a folder, after a while in which they may come down to `want`: the system shows a thread a little longer than it lives. */
static inline int settled(const char *folder, int want)
{
    int round = 0;
    while (entries(folder) != want && round++ < 500) {
        nap_ms(10);
    }
    return entries(folder);
}

#endif
