/*
 * face.c: what benches/faces/rust.rs measures, through the C face. It is started by the benchmark:
 *
 *   face-c --child c receive|send throughput|trip SIZE NUMBER WARM_UP_MS SPAN_MS [ADDRESS]
 *
 * The receiver prints where it listens; both print one line of figures: messages, bytes, wall and CPU time, median and 99th percentile.
 */
#include "bowline.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum {
    CHANNEL = 0x10,
    BATCH = 256,        /* events taken at once */
    PATIENCE_MS = 10000 /* nothing here waits longer; the other end is gone then */
};

typedef struct {
    int is_receiver, is_trip;
    size_t size, number; /* number: how many trips at once; 0: single messages, 1: message objects, or how many in a call */
    uint64_t warm_up, span;
    const char *to;
} task;

typedef struct {
    uint64_t messages, bytes, wall, cpu, p50, p99;
} figures;

static void die(const char *what)
{
    fprintf(stderr, "faces, c: %s\n", what);
    exit(1);
}

static void must(bowline_result result, const char *what)
{
    if (result != BOWLINE_OK) {
        fprintf(stderr, "%s: ", what);
        die(bowline_result_text(result));
    }
}

static uint64_t now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static uint64_t cpu_time(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return (uint64_t)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000000u +
           (uint64_t)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1000u;
}

static bowline_node *start(void)
{
    static const char *const SETTINGS[][2] = {
        {"network.name", "bench"},
        {"network.pow_bits", "0"},
        {"network.allow_private", "true"},
        {"listen.addresses", "127.0.0.1:0"},
        {"discovery.bootstrap", "true"},
    };
    bowline_channel_desc desc = BOWLINE_CHANNEL_DESC_INIT;
    bowline_config *config = NULL;
    bowline_keypair *key = NULL;
    bowline_node *node = NULL;
    must(bowline_config_new(&config), "config");
    for (size_t at = 0; at < sizeof SETTINGS / sizeof *SETTINGS; at++) {
        must(bowline_config_set(config, SETTINGS[at][0], SETTINGS[at][1], NULL), SETTINGS[at][0]);
    }
    desc.id = CHANNEL;
    desc.name = "bench";
    must(bowline_config_add_channel(config, &desc, NULL), "channel");
    must(bowline_keypair_generate(0, BOWLINE_FOREVER, &key), "key");
    must(bowline_node_new(config, key, &node, NULL), "node");
    bowline_keypair_free(key);
    bowline_config_free(config);
    must(bowline_node_start(node, NULL), "start");
    return node;
}

static void say_address(bowline_node *node)
{
    bowline_addr addr;
    char text[BOWLINE_ADDR_TEXT_MAX];
    size_t count = 0;
    must(bowline_node_listen_addrs(node, &addr, 1, &count), "address");
    must(bowline_addr_format(&addr, text, sizeof text, NULL), "address");
    printf("%s\n", text);
    fflush(stdout);
}

static volatile uint8_t touched;

static figures count_messages(const task *task, bowline_node *node)
{
    static bowline_event events[BATCH];
    bowline_queue *queue = bowline_node_main_queue(node);
    figures seen = {0};
    uint64_t first = 0, begun = 0, cpu = 0;
    for (;;) {
        uint64_t messages = 0, bytes = 0, at = 0;
        size_t count = 0;
        must(bowline_queue_poll_batch(queue, events, sizeof *events, BATCH, &count, PATIENCE_MS), "poll");
        for (size_t each = 0; each < count; each++) {
            if (events[each].kind == BOWLINE_EV_MESSAGE) {
                touched = events[each].data[0];
                messages++;
                bytes += events[each].len;
            } else if (events[each].kind == BOWLINE_EV_PEER_DISCONNECTED) {
                die("the link closed before the measurement ended");
            }
        }
        bowline_events_release(events, sizeof *events, count);
        if (messages == 0) {
            continue;
        }
        at = now();
        first = first == 0 ? at : first;
        if (begun == 0) {
            if (at - first >= task->warm_up) {
                begun = at;
                cpu = cpu_time();
            }
            continue;
        }
        seen.messages += messages;
        seen.bytes += bytes;
        if (at - begun >= task->span) {
            seen.wall = now() - begun;
            seen.cpu = cpu_time() - cpu;
            return seen;
        }
    }
}

/* Sends until the receiver has seen enough and closes. */
static figures pour(const task *task, bowline_node *node, bowline_peer peer)
{
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    uint8_t *message = malloc(task->size);
    bowline_slice *batch = calloc(task->number + 1, sizeof *batch);
    figures sent = {0};
    const uint64_t begun = now(), cpu = cpu_time();
    bowline_result result = BOWLINE_OK;
    if (message == NULL || batch == NULL) {
        die("no memory");
    }
    memset(message, 0x5a, task->size);
    for (size_t at = 0; at < task->number; at++) {
        batch[at].data = message;
        batch[at].len = task->size;
    }
    opts.timeout_ms = PATIENCE_MS;
    for (;;) {
        size_t queued = 1;
        if (task->number > 1) {
            result = bowline_send_batch(node, peer, CHANNEL, batch, task->number, &opts, &queued);
        } else if (task->number == 1) {
            bowline_msg *msg = NULL;
            must(bowline_msg_copy(message, task->size, &msg), "message");
            result = bowline_send_msg(node, peer, CHANNEL, msg, &opts);
            bowline_msg_free(msg);
        } else {
            result = bowline_send(node, peer, CHANNEL, message, task->size, &opts);
        }
        if (result != BOWLINE_OK) {
            break;
        }
        sent.messages += queued;
    }
    free(batch);
    free(message);
    sent.bytes = sent.messages * task->size;
    sent.wall = now() - begun;
    sent.cpu = cpu_time() - cpu;
    return sent;
}

static figures answer(const task *task, bowline_node *node)
{
    static bowline_event events[BATCH];
    bowline_queue *queue = bowline_node_main_queue(node);
    uint8_t *bytes = malloc(task->size);
    int is_over = bytes == NULL;
    figures none = {0};
    if (bytes != NULL) {
        memset(bytes, 0x5a, task->size);
    }
    while (!is_over) {
        size_t count = 0;
        must(bowline_queue_poll_batch(queue, events, sizeof *events, BATCH, &count, PATIENCE_MS), "poll");
        for (size_t at = 0; at < count; at++) {
            const bowline_event *event = &events[at];
            if (event->kind == BOWLINE_EV_REQUEST) {
                /* One that the asker does not wait for any more is no fault. */
                (void)bowline_respond(node, event->peer, event->channel, event->request, bytes, task->size, PATIENCE_MS);
            }
            is_over |= event->kind == BOWLINE_EV_PEER_DISCONNECTED;
        }
        bowline_events_release(events, sizeof *events, count);
    }
    free(bytes);
    return none;
}

/* Round-trip times from the end of the warm-up to the end of the span. */
typedef struct {
    uint64_t first, since;
    uint64_t *times;
    size_t count, room;
} trips;

static int earlier(const void *left, const void *right)
{
    const uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* True once the span is over. */
static int trip_ended(trips *trips, const task *task, uint64_t begun)
{
    const uint64_t at = now();
    if (at - trips->first < task->warm_up) {
        return 0;
    }
    trips->since = trips->since == 0 ? at : trips->since;
    if (trips->count == trips->room) {
        trips->room = trips->room == 0 ? 65536 : 2 * trips->room;
        trips->times = realloc(trips->times, trips->room * sizeof *trips->times);
        if (trips->times == NULL) {
            die("no memory");
        }
    }
    trips->times[trips->count++] = at - begun;
    return at - trips->since >= task->span;
}

static figures trips_figures(trips *trips)
{
    figures seen = {0};
    seen.wall = now() - trips->since;
    qsort(trips->times, trips->count, sizeof *trips->times, earlier);
    seen.messages = trips->count;
    seen.p50 = trips->times[trips->count / 2];
    seen.p99 = trips->times[trips->count - 1 - trips->count / 100];
    free(trips->times);
    return seen;
}

static figures ask(const task *task, bowline_node *node, bowline_peer peer)
{
    uint8_t *question = calloc(1, task->size);
    trips trips = {.first = now()};
    uint64_t begun = 0;
    do {
        bowline_event event;
        begun = now();
        must(bowline_request_wait(node, peer, CHANNEL, question, task->size, PATIENCE_MS, &event, sizeof event, NULL), "request");
        touched = event.data[0];
        bowline_events_release(&event, sizeof event, 1);
    } while (!trip_ended(&trips, task, begun));
    free(question);
    return trips_figures(&trips);
}

static uint64_t start_one(const task *task, bowline_node *node, bowline_peer peer, const uint8_t *question, uint64_t place)
{
    bowline_msg *msg = NULL;
    must(bowline_msg_copy(question, task->size, &msg), "message");
    must(bowline_request_start(node, peer, CHANNEL, msg, PATIENCE_MS, place, NULL, NULL), "request");
    bowline_msg_free(msg);
    return now();
}

/* So many requests wait all the time: each answer brings the next one. The tag is a place, which knows when its request began. */
static figures ask_many(const task *task, bowline_node *node, bowline_peer peer)
{
    static bowline_event events[BATCH];
    bowline_queue *queue = bowline_node_main_queue(node);
    uint8_t *question = calloc(1, task->size);
    uint64_t *begun = calloc(task->number, sizeof *begun);
    trips trips = {.first = now()};
    int is_over = 0;
    for (size_t place = 0; place < task->number; place++) {
        begun[place] = start_one(task, node, peer, question, place);
    }
    while (!is_over) {
        size_t count = 0;
        must(bowline_queue_poll_batch(queue, events, sizeof *events, BATCH, &count, PATIENCE_MS), "poll");
        for (size_t at = 0; at < count && !is_over; at++) {
            if (events[at].kind == BOWLINE_EV_RESPONSE) {
                must(events[at].result, "answer");
                touched = events[at].data[0];
                is_over = trip_ended(&trips, task, begun[events[at].tag]);
                begun[events[at].tag] = start_one(task, node, peer, question, events[at].tag);
            }
        }
        bowline_events_release(events, sizeof *events, count);
    }
    free(question);
    free(begun);
    return trips_figures(&trips);
}

int main(int argc, char **argv)
{
    task task = {0};
    figures seen = {0};
    bowline_node *node = NULL;
    if (argc < 9) {
        die("started by cargo bench --bench faces");
    }
    task.is_receiver = strcmp(argv[3], "receive") == 0;
    task.is_trip = strcmp(argv[4], "trip") == 0;
    task.size = strtoul(argv[5], NULL, 10);
    task.number = strtoul(argv[6], NULL, 10);
    task.warm_up = strtoul(argv[7], NULL, 10) * 1000000u;
    task.span = strtoul(argv[8], NULL, 10) * 1000000u;
    task.to = argc > 9 ? argv[9] : "";
    node = start();
    if (task.is_receiver) {
        say_address(node);
        seen = task.is_trip ? answer(&task, node) : count_messages(&task, node);
    } else {
        bowline_peer peer = 0;
        must(bowline_connect_wait(node, task.to, PATIENCE_MS, &peer, NULL), "connect");
        seen = !task.is_trip ? pour(&task, node, peer) : task.number == 1 ? ask(&task, node, peer) : ask_many(&task, node, peer);
    }
    printf("%llu %llu %llu %llu %llu %llu\n", (unsigned long long)seen.messages, (unsigned long long)seen.bytes,
           (unsigned long long)seen.wall, (unsigned long long)seen.cpu, (unsigned long long)seen.p50, (unsigned long long)seen.p99);
    fflush(stdout);
    /* A drain would only wait for messages that nobody counts any more. */
    bowline_node_free(node);
    return 0;
}
