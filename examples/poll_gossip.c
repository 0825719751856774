/*
 * poll_gossip: a node embedded in a program that has its own poll(2) loop, with descriptors, a timer and signals of its own. The messages have
 * a queue to themselves, so that the loop can serve them after what is more urgent. Ends with standard input, SIGINT or SIGTERM.
 *
 *   cc poll_gossip.c -lbowline -o poll_gossip
 *   ./poll_gossip <address to listen on> [<peer>...]
 */
#include "gossip.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#define REPORT_NS UINT64_C(60000000000)

static int signal_pipe[2];

/* All that a handler may do: the loop sees the byte. */
static void on_signal(int number)
{
    int kept = errno;
    char byte = (char)number;
    if (write(signal_pipe[1], &byte, 1) < 0) {
        /* It is full, so the loop wakes anyhow. */
    }
    errno = kept;
}

static void watch_signals(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = on_signal;
    if (pipe(signal_pipe) != 0 || fcntl(signal_pipe[1], F_SETFL, O_NONBLOCK) != 0 || sigaction(SIGINT, &action, NULL) != 0 ||
        sigaction(SIGTERM, &action, NULL) != 0) {
        perror("signals");
        exit(1);
    }
}

/* Takes what a queue has now, but at most so many that the other descriptors get their turn. */
static void take_events(gossip *own, bowline_queue *queue)
{
    bowline_event events[32];
    size_t count = 0;
    size_t at = 0;
    int32_t result = bowline_queue_poll_batch(queue, events, sizeof events[0], 32, &count, BOWLINE_NOWAIT);
    if (result != BOWLINE_OK) {
        gossip_end_unless_again(own, result);
        return;
    }
    for (at = 0; at < count; at++) {
        /* Both queues tell of peers; one is enough. */
        if (queue == bowline_node_main_queue(own->node) || events[at].kind == BOWLINE_EV_MESSAGE) {
            gossip_hear(own, &events[at]);
        }
    }
    bowline_events_release(events, sizeof events[0], count);
}

/* The program's own timer: returns when it is due next. */
static uint64_t report(const gossip *own, uint64_t due)
{
    bowline_metrics metrics = BOWLINE_METRICS_INIT;
    if (bowline_clock_ns() < due) {
        return due;
    }
    if (bowline_metrics_get(own->node, &metrics) == BOWLINE_OK) {
        fprintf(stderr, "%llu peers, %llu messages in, %llu out\n", (unsigned long long)(metrics.peers_in + metrics.peers_out),
                (unsigned long long)metrics.msgs_in, (unsigned long long)metrics.msgs_out);
    }
    return due + REPORT_NS;
}

static int wait_ms(uint64_t due)
{
    uint64_t now = bowline_clock_ns();
    return due <= now ? 0 : (int)((due - now) / 1000000 + 1);
}

/* Until standard input or a signal ends it. */
static void run(gossip *own, bowline_queue *messages)
{
    static gossip_lines lines;
    bowline_queue *others = bowline_node_main_queue(own->node);
    struct pollfd fds[4] = {{0, POLLIN, 0}, {0, POLLIN, 0}, {0, POLLIN, 0}, {0, POLLIN, 0}};
    uint64_t due = bowline_clock_ns() + REPORT_NS;
    ssize_t got = 0;
    fds[0].fd = signal_pipe[0];
    fds[1].fd = STDIN_FILENO;
    fds[2].fd = bowline_queue_fd(others);
    fds[3].fd = bowline_queue_fd(messages);
    for (;;) {
        if (poll(fds, 4, wait_ms(due)) < 0 && errno != EINTR) {
            perror("poll");
            return;
        }
        due = report(own, due);
        if (fds[0].revents != 0) {
            return;
        }
        if (fds[1].revents != 0) {
            got = read(STDIN_FILENO, lines.held + lines.len, sizeof lines.held - lines.len);
            if (got <= 0) {
                return;
            }
            lines.len += (size_t)got;
            gossip_say_lines(own, &lines);
        }
        if (fds[2].revents != 0) {
            take_events(own, others);
        }
        if (fds[3].revents != 0) {
            take_events(own, messages);
        }
    }
}

int main(int argc, char **argv)
{
    static gossip own;
    bowline_queue *messages = NULL;
    if (argc < 2) {
        fprintf(stderr, "usage: poll_gossip <address to listen on> [<peer>...]\n");
        return 1;
    }
    watch_signals();
    gossip_make(&own, argv[1]);
    gossip_check("queue", bowline_queue_new(own.node, "gossip", &messages), NULL);
    gossip_check("queue", bowline_queue_bind_channel(messages, GOSSIP), NULL);
    gossip_start(&own, argv + 2, argc - 2);
    run(&own, messages);
    bowline_node_stop(own.node, 1000);
    bowline_queue_free(messages);
    bowline_node_free(own.node);
    return 0;
}
