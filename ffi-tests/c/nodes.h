/* nodes.h: nodes for tests: on loopback, without proof of work, with one channel. Needs bt.h. */
#ifndef NODES_H
#define NODES_H

#include "bt.h"

#include <dirent.h>

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

#endif
