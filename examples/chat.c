/*
 * chat: one thread reads what you type, another prints what arrives. The blocking way to use bowline.
 *
 *   cc chat.c -lbowline -lpthread -o chat
 *   ./chat 127.0.0.1:7001                          (prints its address with its id)
 *   ./chat 127.0.0.1:0 <what the first one printed>
 */
#include <bowline.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHAT 0x20

static void give_up(const char *what, int32_t result, bowline_error *err)
{
    fprintf(stderr, "%s: %s\n", what, err != NULL ? bowline_error_text(err) : bowline_result_text(result));
    exit(1);
}

static void set(bowline_config *config, const char *key, const char *value)
{
    bowline_error *err = NULL;
    int32_t result = bowline_config_set(config, key, value, &err);
    if (result != BOWLINE_OK) {
        give_up(key, result, err);
    }
}

static void *print_what_arrives(void *arg)
{
    bowline_node *node = arg;
    bowline_event event;
    while (bowline_queue_poll(bowline_node_main_queue(node), &event, sizeof event, BOWLINE_FOREVER) == BOWLINE_OK) {
        switch (event.kind) {
        case BOWLINE_EV_PEER_CONNECTED:
            printf("* peer %llu is here\n", (unsigned long long)event.peer);
            break;
        case BOWLINE_EV_PEER_DISCONNECTED:
            printf("* peer %llu is gone: %s\n", (unsigned long long)event.peer, bowline_reason_text(event.flags));
            break;
        case BOWLINE_EV_MESSAGE:
            printf("%llu: %.*s\n", (unsigned long long)event.peer, (int)event.len, (const char *)event.data);
            break;
        default: /* kinds that a newer library may add */
            break;
        }
        fflush(stdout);
        bowline_events_release(&event, sizeof event, 1);
    }
    return NULL; /* BOWLINE_E_STOPPED: bowline_node_stop was called */
}

int main(int argc, char **argv)
{
    bowline_config *config = NULL;
    bowline_keypair *key = NULL;
    bowline_node *node = NULL;
    bowline_error *err = NULL;
    bowline_channel_desc chat = BOWLINE_CHANNEL_DESC_INIT;
    bowline_addr at;
    bowline_peer_id id;
    bowline_peer peer = 0;
    size_t count = 0;
    char at_text[BOWLINE_ADDR_TEXT_MAX];
    char id_text[BOWLINE_PEER_ID_TEXT_MAX];
    char line[1000];
    pthread_t printer;
    int32_t result = bowline_check_abi(BOWLINE_VERSION_NUMBER);

    if (result != BOWLINE_OK || argc < 2) {
        give_up("usage: chat <address to listen on> [<peer to connect to>]", result, NULL);
    }
    /* A private network of people who know each other: no proof of work, no seeds. */
    if ((result = bowline_config_new(&config)) != BOWLINE_OK) {
        give_up("config", result, NULL);
    }
    set(config, "network.name", "chat-example");
    set(config, "network.pow_bits", "0");
    set(config, "network.allow_private", "true");
    set(config, "discovery.bootstrap", "true");
    set(config, "listen.addresses", argv[1]);
    chat.id = CHAT;
    chat.name = "chat";
    if ((result = bowline_config_add_channel(config, &chat, &err)) != BOWLINE_OK) {
        give_up("channel", result, err);
    }
    if ((result = bowline_keypair_generate(0, BOWLINE_FOREVER, &key)) != BOWLINE_OK) {
        give_up("key", result, NULL);
    }
    if ((result = bowline_node_new(config, key, &node, &err)) != BOWLINE_OK || (result = bowline_node_start(node, &err)) != BOWLINE_OK) {
        give_up("node", result, err);
    }
    bowline_keypair_free(key);
    bowline_config_free(config);

    if (bowline_node_listen_addrs(node, &at, 1, &count) != BOWLINE_OK || bowline_node_id(node, &id) != BOWLINE_OK ||
        bowline_addr_format(&at, at_text, sizeof at_text, NULL) != BOWLINE_OK ||
        bowline_peer_id_format(&id, id_text, sizeof id_text, NULL) != BOWLINE_OK) {
        give_up("address", BOWLINE_E_INTERNAL, NULL);
    }
    printf("bowline://%s@%s\n", id_text, at_text);
    fflush(stdout);
    pthread_create(&printer, NULL, print_what_arrives, node);

    if (argc > 2 && (result = bowline_connect_wait(node, argv[2], 10000, &peer, &err)) != BOWLINE_OK) {
        give_up(argv[2], result, err);
    }
    while (fgets(line, sizeof line, stdin) != NULL) {
        bowline_msg *msg = NULL;
        size_t len = strcspn(line, "\n");
        if (bowline_msg_copy(line, len, &msg) == BOWLINE_OK) {
            bowline_broadcast(node, CHAT, msg, 0, NULL, NULL);
            bowline_msg_free(msg); /* the queues have references of their own */
        }
    }
    bowline_node_stop(node, 1000); /* sends what is queued; the printer's poll ends with BOWLINE_E_STOPPED */
    pthread_join(printer, NULL);
    bowline_node_free(node);
    return 0;
}
