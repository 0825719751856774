/*
 * gossip: a node that waits in threads. One reads what you type, another prints what arrives and passes it on.
 *
 *   cc gossip.c -lbowline -lpthread -o gossip
 *   ./gossip 127.0.0.1:0                          (prints its address with its id)
 *   ./gossip 127.0.0.1:0 <what others printed>...
 */
#include "gossip.h"
#include <pthread.h>

static gossip own;
static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER; /* of `own`; the node itself needs none */

static void *hear(void *unused)
{
    bowline_event event;
    (void)unused;
    while (bowline_queue_poll(bowline_node_main_queue(own.node), &event, sizeof event, BOWLINE_FOREVER) == BOWLINE_OK) {
        pthread_mutex_lock(&turn);
        gossip_hear(&own, &event);
        pthread_mutex_unlock(&turn);
        bowline_events_release(&event, sizeof event, 1);
    }
    return NULL; /* BOWLINE_E_STOPPED: bowline_node_stop was called */
}

int main(int argc, char **argv)
{
    pthread_t hearer;
    char line[LINE_MAX_BYTES];
    if (argc < 2) {
        fprintf(stderr, "usage: gossip <address to listen on> [<peer>...]\n");
        return 1;
    }
    gossip_make(&own, argv[1]);
    gossip_start(&own, argv + 2, argc - 2);
    if (pthread_create(&hearer, NULL, hear, NULL) != 0) {
        gossip_check("thread", BOWLINE_E_LIMIT, NULL);
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        pthread_mutex_lock(&turn);
        gossip_say(&own, line, strcspn(line, "\n"));
        pthread_mutex_unlock(&turn);
    }
    bowline_node_stop(own.node, 1000); /* sends what is queued; the poll ends */
    pthread_join(hearer, NULL);
    bowline_node_free(own.node);
    return 0;
}
