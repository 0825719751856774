/* world.h: one of each object, and rows of wrong calls with their results, for the misuse tests. Needs nodes.h. */
#ifndef WORLD_H
#define WORLD_H

#include "nodes.h"

/* All that calls need; each row leaves one thing out. */
typedef struct {
    bowline_config *config;
    bowline_keypair *key;
    bowline_node *node;
    bowline_queue *queue;
    bowline_msg *msg;
    bowline_list *list;
    bowline_addr addr;
    bowline_peer_id id;
    bowline_memnet *net;
} world;

static inline world a_world(void)
{
    static const uint8_t seed[32] = {9};
    world all;
    memset(&all, 0, sizeof all);
    all.config = a_config();
    CHECK_OK(bowline_keypair_from_seed(seed, &all.key));
    CHECK_OK(bowline_keypair_id(all.key, &all.id));
    CHECK_OK(bowline_node_new(all.config, all.key, &all.node, NULL));
    all.queue = bowline_node_main_queue(all.node);
    CHECK_OK(bowline_msg_copy("x", 1, &all.msg));
    CHECK_OK(bowline_peers_snapshot(all.node, &all.list));
    CHECK_OK(bowline_addr_parse("127.0.0.1:1", 0, &all.addr));
    CHECK_OK(bowline_memnet_new(1, &all.net));
    return all;
}

static int rows = 0;

/* A call and its result. */
#define ROW(call, want)                                                                                                        \
    do {                                                                                                                       \
        CHECK_IS((call), (want));                                                                                              \
        rows++;                                                                                                                \
    } while (0)
/* A call that answers with something else than a result. */
#define FACT(fact)                                                                                                             \
    do {                                                                                                                       \
        CHECK(fact);                                                                                                           \
        rows++;                                                                                                                \
    } while (0)
/* A call that answers nothing: it must come back. */
#define VOID(call)                                                                                                             \
    do {                                                                                                                       \
        call;                                                                                                                  \
        rows++;                                                                                                                \
    } while (0)

#endif
