/*
 * epoll_gossip: a node in an epoll loop, without threads of its own. The loop waits for the queue's descriptor as for any other.
 *
 *   cc epoll_gossip.c -lbowline -o epoll_gossip
 *   ./epoll_gossip <address to listen on> [<peer>...]
 */
#include "gossip.h"
#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

static void watch(int poller, int fd)
{
    struct epoll_event wish;
    memset(&wish, 0, sizeof wish);
    wish.events = EPOLLIN; /* level-triggered, as the queue's descriptor is */
    wish.data.fd = fd;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, fd, &wish) != 0) {
        perror("epoll_ctl");
        exit(1);
    }
}

static void take_events(gossip *own, bowline_queue *queue)
{
    bowline_event events[64];
    size_t count = 0;
    size_t at = 0;
    /* More than 64 waiting? The descriptor stays readable. */
    int32_t result = bowline_queue_poll_batch(queue, events, sizeof events[0], 64, &count, BOWLINE_NOWAIT);
    if (result != BOWLINE_OK) {
        gossip_end_unless_again(own, result);
        return;
    }
    for (at = 0; at < count; at++) {
        gossip_hear(own, &events[at]);
    }
    bowline_events_release(events, sizeof events[0], count);
}

/* 0 at the end of standard input. */
static int take_input(gossip *own, gossip_lines *lines)
{
    ssize_t got = read(STDIN_FILENO, lines->held + lines->len, sizeof lines->held - lines->len);
    if (got < 0 && errno == EINTR) {
        return 1;
    }
    lines->len += got > 0 ? (size_t)got : 0;
    gossip_say_lines(own, lines);
    return got > 0;
}

int main(int argc, char **argv)
{
    static gossip own;
    static gossip_lines lines;
    bowline_queue *queue = NULL;
    int poller = epoll_create1(EPOLL_CLOEXEC);
    int going = 1;
    if (argc < 2 || poller < 0) {
        fprintf(stderr, "usage: epoll_gossip <address to listen on> [<peer>...]\n");
        return 1;
    }
    gossip_make(&own, argv[1]);
    gossip_start(&own, argv + 2, argc - 2);
    queue = bowline_node_main_queue(own.node);
    watch(poller, bowline_queue_fd(queue));
    watch(poller, STDIN_FILENO);
    while (going) {
        struct epoll_event ready;
        if (epoll_wait(poller, &ready, 1, -1) < 1) {
            continue;
        }
        if (ready.data.fd == STDIN_FILENO) {
            going = take_input(&own, &lines);
        } else {
            take_events(&own, queue);
        }
    }
    bowline_node_stop(own.node, 1000);
    bowline_node_free(own.node);
    close(poller);
    return 0;
}
