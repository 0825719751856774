/*
 * epoll_gossip: a node inside a program's own event loop. What a peer says is passed on once to all others; what you type is told to
 * all. The loop waits for the queue's descriptor as for any other.
 *
 *   ./epoll_gossip <address to listen on> [<peer to connect to>...]
 */
#include <bowline.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define GOSSIP 0x21
#define HEARD_MAX 1024 /* messages remembered, so that none goes round for ever */

static uint64_t heard[HEARD_MAX];
static size_t heard_count = 0;

static int is_new(const uint8_t *data, size_t len)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a: good enough to tell messages apart in an example */
    size_t at = 0;
    for (at = 0; at < len; at++) {
        hash = (hash ^ data[at]) * 0x100000001b3u;
    }
    for (at = 0; at < heard_count && at < HEARD_MAX; at++) {
        if (heard[at] == hash) {
            return 0;
        }
    }
    heard[heard_count++ % HEARD_MAX] = hash;
    return 1;
}

static void check(const char *what, int32_t result, bowline_error *err)
{
    if (result != BOWLINE_OK) {
        fprintf(stderr, "%s: %s\n", what, err != NULL ? bowline_error_text(err) : bowline_result_text(result));
        exit(1);
    }
}

static void handle(bowline_node *node, const bowline_event *event)
{
    if (event->kind == BOWLINE_EV_MESSAGE && is_new(event->data, event->len)) {
        printf("%.*s\n", (int)event->len, (const char *)event->data);
        /* The message goes on as it is, without a copy, to all but the one it came from. */
        bowline_broadcast(node, GOSSIP, event->msg, event->peer, NULL, NULL);
    } else if (event->kind == BOWLINE_EV_DIAL_FAILED) {
        fprintf(stderr, "%s: %s\n", (const char *)event->data, bowline_result_text(event->result));
    }
    fflush(stdout);
}

static void tell(bowline_node *node, const char *line, size_t len)
{
    bowline_msg *msg = NULL;
    if (is_new((const uint8_t *)line, len) && bowline_msg_copy(line, len, &msg) == BOWLINE_OK) {
        bowline_broadcast(node, GOSSIP, msg, 0, NULL, NULL);
        bowline_msg_free(msg);
    }
}

static bowline_node *a_node(const char *listen)
{
    static const char *const settings[][2] = {{"network.name", "gossip-example"},
                                              {"network.pow_bits", "0"},
                                              {"network.allow_private", "true"},
                                              {"discovery.bootstrap", "true"}};
    bowline_config *config = NULL;
    bowline_keypair *key = NULL;
    bowline_node *node = NULL;
    bowline_error *err = NULL;
    bowline_channel_desc gossip = BOWLINE_CHANNEL_DESC_INIT;
    size_t at = 0;
    check("config", bowline_config_new(&config), NULL);
    for (at = 0; at < sizeof settings / sizeof settings[0]; at++) {
        check(settings[at][0], bowline_config_set(config, settings[at][0], settings[at][1], &err), err);
    }
    check(listen, bowline_config_set(config, "listen.addresses", listen, &err), err);
    gossip.id = GOSSIP;
    gossip.name = "gossip";
    check("channel", bowline_config_add_channel(config, &gossip, &err), err);
    check("key", bowline_keypair_generate(0, BOWLINE_FOREVER, &key), NULL);
    check("node", bowline_node_new(config, key, &node, &err), err);
    check(listen, bowline_node_start(node, &err), err);
    bowline_keypair_free(key);
    bowline_config_free(config);
    return node;
}

int main(int argc, char **argv)
{
    bowline_node *node = NULL;
    bowline_queue *queue = NULL;
    bowline_addr addr;
    size_t count = 0;
    char text[BOWLINE_ADDR_TEXT_MAX];
    struct epoll_event wish;
    int poller = epoll_create1(EPOLL_CLOEXEC);
    int at = 0;
    int going = 1;

    if (argc < 2 || poller < 0) {
        fprintf(stderr, "usage: epoll_gossip <address to listen on> [<peer to connect to>...]\n");
        return 1;
    }
    check("version", bowline_check_abi(BOWLINE_VERSION_NUMBER), NULL);
    node = a_node(argv[1]);
    queue = bowline_node_main_queue(node);
    check("address", bowline_node_listen_addrs(node, &addr, 1, &count), NULL);
    check("address", bowline_addr_format(&addr, text, sizeof text, NULL), NULL);
    printf("%s\n", text);
    fflush(stdout);
    for (at = 2; at < argc; at++) {
        check(argv[at], bowline_addr_parse(argv[at], 0, &addr), NULL);
        check(argv[at], bowline_connect(node, &addr, NULL, 0, (uint64_t)at), NULL);
    }

    memset(&wish, 0, sizeof wish);
    wish.events = EPOLLIN;
    wish.data.fd = bowline_queue_fd(queue);
    epoll_ctl(poller, EPOLL_CTL_ADD, wish.data.fd, &wish);
    wish.data.fd = STDIN_FILENO;
    epoll_ctl(poller, EPOLL_CTL_ADD, STDIN_FILENO, &wish);
    while (going) {
        struct epoll_event ready;
        if (epoll_wait(poller, &ready, 1, -1) < 1) {
            continue;
        }
        if (ready.data.fd == STDIN_FILENO) {
            char line[1000];
            ssize_t len = read(STDIN_FILENO, line, sizeof line);
            going = len > 0;
            if (len > 1) {
                tell(node, line, (size_t)len - 1); /* without the line's end */
            }
        } else {
            bowline_event events[64];
            /* More than 64 waiting? The descriptor stays readable. */
            if (bowline_queue_poll_batch(queue, events, sizeof events[0], 64, &count, BOWLINE_NOWAIT) == BOWLINE_OK) {
                size_t i = 0;
                for (i = 0; i < count; i++) {
                    handle(node, &events[i]);
                }
                bowline_events_release(events, sizeof events[0], count);
            }
        }
    }
    bowline_node_stop(node, 1000);
    bowline_node_free(node);
    close(poller);
    return 0;
}
