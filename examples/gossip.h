/*
 * gossip.h: what the gossip nodes in C have in common: gossip.c waits in threads, epoll_gossip.c and poll_gossip.c in loops of their own. Those
 * in C++ (gossip.cc) and Rust (gossip.rs) speak with them.
 *
 * A message is a line of text, and its name is its contents: a node prints and passes on what it has not heard before. Call these functions
 * from one thread at a time.
 */
#ifndef GOSSIP_H
#define GOSSIP_H

#include <bowline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define GOSSIP 0x21
#define LINE_MAX_BYTES 1000
#define REMEMBERED 1024u /* messages, so that none goes round for ever */

typedef struct {
    bowline_node *node;
    uint64_t seen[REMEMBERED]; /* hashes */
    size_t seen_count;
} gossip;

static inline void gossip_check(const char *what, int32_t result, bowline_error *err)
{
    if (result != BOWLINE_OK) {
        fprintf(stderr, "%s: %s\n", what, err != NULL ? bowline_error_text(err) : bowline_result_text(result));
        exit(1);
    }
}

/* A poll without events. When the node has failed its descriptors stay readable: a loop that went on would turn for ever. */
static inline void gossip_end_unless_again(const gossip *own, int32_t result)
{
    bowline_error *err = NULL;
    if (result != BOWLINE_E_AGAIN) {
        (void)bowline_node_fatal_error(own->node, &err);
        gossip_check("the node has ended", result, err);
    }
}

/* Makes the node that will listen at an address. It is not started yet, so that queues can be bound. */
static inline void gossip_make(gossip *own, const char *listen)
{
    /* A network of nodes that know each other: no proof of work, private addresses, several on one machine. */
    static const char *const settings[][2] = {{"network.name", "gossip-example"},
                                              {"network.pow_bits", "0"},
                                              {"network.allow_private", "true"},
                                              {"accept.ip_burst", "100"},
                                              {"discovery.bootstrap", "true"}};
    bowline_config *config = NULL;
    bowline_keypair *key = NULL;
    bowline_error *err = NULL;
    bowline_channel_desc channel = BOWLINE_CHANNEL_DESC_INIT;
    size_t at = 0;
    memset(own, 0, sizeof *own);
    gossip_check("version", bowline_check_abi(BOWLINE_VERSION_NUMBER), NULL);
    gossip_check("config", bowline_config_new(&config), NULL);
    for (at = 0; at < sizeof settings / sizeof settings[0]; at++) {
        gossip_check(settings[at][0], bowline_config_set(config, settings[at][0], settings[at][1], &err), err);
    }
    gossip_check(listen, bowline_config_set(config, "listen.addresses", listen, &err), err);
    channel.id = GOSSIP;
    channel.name = "gossip";
    gossip_check("channel", bowline_config_add_channel(config, &channel, &err), err);
    gossip_check("key", bowline_keypair_generate(0, BOWLINE_FOREVER, &key), NULL);
    gossip_check("node", bowline_node_new(config, key, &own->node, &err), err);
    bowline_keypair_free(key);
    bowline_config_free(config);
}

/* Starts the node, prints what others may pass as a peer, and keeps links with the peers that are named, whenever they are there. */
static inline void gossip_start(gossip *own, char **peers, int count)
{
    bowline_error *err = NULL;
    bowline_addr addr;
    bowline_peer_id id;
    size_t addrs = 0;
    char at_text[BOWLINE_ADDR_TEXT_MAX];
    char id_text[BOWLINE_PEER_ID_TEXT_MAX];
    int at = 0;
    gossip_check("start", bowline_node_start(own->node, &err), err);
    gossip_check("address", bowline_node_listen_addrs(own->node, &addr, 1, &addrs), NULL);
    gossip_check("address", bowline_addr_format(&addr, at_text, sizeof at_text, NULL), NULL);
    gossip_check("id", bowline_node_id(own->node, &id), NULL);
    gossip_check("id", bowline_peer_id_format(&id, id_text, sizeof id_text, NULL), NULL);
    printf("bowline://%s@%s\n", id_text, at_text);
    fflush(stdout);
    for (at = 0; at < count; at++) {
        gossip_check(peers[at], bowline_persistent_add(own->node, peers[at], &err), err);
    }
}

static inline int gossip_is_new(gossip *own, const void *data, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a: good enough to tell lines apart in an example */
    size_t at = 0;
    for (at = 0; at < len; at++) {
        hash = (hash ^ ((const uint8_t *)data)[at]) * 0x100000001b3u;
    }
    for (at = 0; at < own->seen_count && at < REMEMBERED; at++) {
        if (own->seen[at] == hash) {
            return 0;
        }
    }
    own->seen[own->seen_count++ % REMEMBERED] = hash;
    return 1;
}

/* What others send must not steer the terminal. */
static inline void gossip_print(const char *text, size_t len)
{
    size_t at = 0;
    for (at = 0; at < len; at++) {
        putchar((unsigned char)text[at] < 0x20 || text[at] == 0x7f ? '?' : text[at]);
    }
    putchar('\n');
}

/* Prints what an event tells, and passes on what is new. */
static inline void gossip_hear(gossip *own, const bowline_event *event)
{
    switch (event->kind) {
    case BOWLINE_EV_PEER_CONNECTED:
        printf("* peer %llu is here\n", (unsigned long long)event->peer);
        break;
    case BOWLINE_EV_PEER_DISCONNECTED:
        printf("* peer %llu is gone: %s\n", (unsigned long long)event->peer, bowline_reason_text(event->flags));
        break;
    case BOWLINE_EV_MESSAGE:
        if (gossip_is_new(own, event->data, event->len)) {
            gossip_print((const char *)event->data, event->len);
            /* As it is, without a copy, to all but the one it came from. Who is slow misses it. */
            bowline_broadcast(own->node, GOSSIP, event->msg, event->peer, NULL, NULL);
        }
        break;
    default: /* kinds that a newer library may add */
        break;
    }
    fflush(stdout);
}

/* Tells everybody a line. */
static inline void gossip_say(gossip *own, const char *line, size_t len)
{
    bowline_msg *msg = NULL;
    if (gossip_is_new(own, line, len) && bowline_msg_copy(line, len, &msg) == BOWLINE_OK) {
        bowline_broadcast(own->node, GOSSIP, msg, 0, NULL, NULL);
        bowline_msg_free(msg); /* the queues have references of their own */
    }
}

/* What was read of standard input and not said yet. */
typedef struct {
    char held[LINE_MAX_BYTES];
    size_t len;
} gossip_lines;

/* Says each whole line, and keeps the rest. */
static inline void gossip_say_lines(gossip *own, gossip_lines *lines)
{
    for (;;) {
        char *end = memchr(lines->held, '\n', lines->len);
        size_t len = end != NULL ? (size_t)(end - lines->held) : lines->len;
        size_t used = end != NULL ? len + 1 : len;
        if (end == NULL && lines->len < sizeof lines->held) {
            return; /* the rest of the line is still to come */
        }
        gossip_say(own, lines->held, len);
        memmove(lines->held, lines->held + used, lines->len - used);
        lines->len -= used;
    }
}

#endif
