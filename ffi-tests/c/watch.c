/* Being told: wake functions, events bound to queues, the log, what is counted. */
#include "nodes.h"

#include <pthread.h>
#include <semaphore.h>

static sem_t woken;

static void post(void *ctx)
{
    (void)ctx;
    sem_post(&woken);
}

static int posts(void)
{
    int value = 0;
    sem_getvalue(&woken, &value);
    return value;
}

static void drain(bowline_queue *queue)
{
    bowline_event event;
    while (bowline_queue_poll(queue, &event, sizeof event, BOWLINE_NOWAIT) == BOWLINE_OK) {
        release(&event);
    }
}

static void a_queue_wakes_once_until_it_is_drained(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    CHECK_INT(sem_init(&woken, 0, 0), 0);
    start(node);
    drain(queue);
    CHECK_OK(bowline_queue_set_wake(queue, post, NULL));
    CHECK_INT(posts(), 0);
    CHECK_OK(bowline_queue_wakeup(queue, 1));
    CHECK_OK(bowline_queue_wakeup(queue, 2));
    CHECK_INT(posts(), 1);
    drain(queue);
    CHECK_OK(bowline_queue_wakeup(queue, 3));
    CHECK_INT(posts(), 2);
    /* One that is set while something waits is called at once. */
    CHECK_OK(bowline_queue_set_wake(queue, post, NULL));
    CHECK_INT(posts(), 3);
    CHECK_OK(bowline_queue_set_wake(queue, NULL, NULL));
    drain(queue);
    CHECK_OK(bowline_queue_wakeup(queue, 4));
    CHECK_INT(posts(), 3);
    bowline_node_free(node);
}

static void the_stop_wakes(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    bowline_event event;
    CHECK_INT(sem_init(&woken, 0, 0), 0);
    start(node);
    drain(queue);
    CHECK_OK(bowline_queue_set_wake(queue, post, NULL));
    CHECK_OK(bowline_node_stop(node, 0));
    CHECK(posts() >= 1);
    drain(queue);
    CHECK_IS(bowline_queue_poll(queue, &event, sizeof event, BOWLINE_NOWAIT), BOWLINE_E_STOPPED);
    bowline_node_free(node);
}

static void messages_wake_from_the_librarys_threads(void)
{
    pair both = a_pair();
    bowline_queue *queue = bowline_node_main_queue(both.server);
    bowline_event event;
    int heard = 0;
    CHECK_INT(sem_init(&woken, 0, 0), 0);
    CHECK_OK(bowline_queue_set_wake(queue, post, NULL));
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "x", 1, NULL));
    while (heard == 0) {
        CHECK_INT(sem_wait(&woken), 0);
        while (bowline_queue_poll(queue, &event, sizeof event, BOWLINE_NOWAIT) == BOWLINE_OK) {
            heard += event.kind == BOWLINE_EV_MESSAGE;
            release(&event);
        }
    }
    end(both);
}

static void a_descriptor_and_a_wake_function_exclude_each_other(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    bowline_queue *other = NULL;
    CHECK_OK(bowline_queue_new(node, "other", &other));
    CHECK(bowline_queue_fd(queue) >= 0);
    CHECK_IS(bowline_queue_set_wake(queue, post, NULL), BOWLINE_E_STATE);
    CHECK_OK(bowline_queue_set_wake(other, post, NULL));
    CHECK_INT(bowline_queue_fd(other), -1);
    CHECK_OK(bowline_queue_set_wake(other, NULL, NULL));
    CHECK(bowline_queue_fd(other) >= 0);
    bowline_node_free(node);
    bowline_queue_free(other);
}

static bowline_node *caller = NULL;
static bowline_memnet *network = NULL;
static int32_t answers[6];

static void misbehave(void *ctx)
{
    bowline_event event;
    bowline_queue *queue = ctx;
    answers[0] = bowline_queue_poll(queue, &event, sizeof event, 1000);
    answers[1] = bowline_node_stop(caller, 0);
    answers[2] = bowline_queue_set_wake(queue, NULL, NULL);
    answers[3] = bowline_log_set(NULL, NULL);
    answers[4] = bowline_memnet_advance_to_event(network, 1);
    answers[5] = bowline_memnet_advance(network, 1);
}

static void a_callback_that_calls_the_library_is_told_so(void)
{
    bowline_queue *queue = NULL;
    size_t at = 0;
    caller = a_node(1);
    queue = bowline_node_main_queue(caller);
    start(caller);
    drain(queue);
    CHECK_OK(bowline_memnet_new(1, &network));
    CHECK_OK(bowline_queue_set_wake(queue, misbehave, queue));
    CHECK_OK(bowline_queue_wakeup(queue, 1));
    for (at = 0; at < 6; at++) {
        CHECK_IS(answers[at], BOWLINE_E_STATE);
    }
    bowline_memnet_free(network);
    CHECK_OK(bowline_node_stop(caller, 0));
    bowline_node_free(caller);
}

static void events_go_where_they_are_bound(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *news = NULL;
    bowline_event event;
    bowline_addr addr;
    CHECK_OK(bowline_queue_new(node, "news", &news));
    CHECK_OK(bowline_queue_bind_events(news, BOWLINE_EV_BIT(BOWLINE_EV_DIAL_FAILED) | BOWLINE_EV_BIT(BOWLINE_EV_ADDR_ADDED)));
    start(node);
    CHECK_IS(bowline_queue_bind_events(news, 0), BOWLINE_E_STATE);
    CHECK_OK(bowline_addr_parse("127.0.0.1:1", 0, &addr));
    CHECK_OK(bowline_connect(node, &addr, NULL, 0, 17));
    do {
        CHECK_OK(bowline_queue_poll(news, &event, sizeof event, 20000));
        CHECK(event.kind == BOWLINE_EV_NODE_STATE || event.kind == BOWLINE_EV_DIAL_FAILED || event.kind == BOWLINE_EV_ADDR_ADDED);
        release(event.kind == BOWLINE_EV_DIAL_FAILED ? &(bowline_event){0} : &event);
    } while (event.kind != BOWLINE_EV_DIAL_FAILED);
    CHECK(event.tag == 17);
    release(&event);
    while (bowline_queue_poll(bowline_node_main_queue(node), &event, sizeof event, BOWLINE_NOWAIT) == BOWLINE_OK) {
        CHECK(event.kind != BOWLINE_EV_DIAL_FAILED);
        release(&event);
    }
    bowline_node_free(node);
    bowline_queue_free(news);
}

static void an_address_that_is_added_is_told_where_it_is_bound(void)
{
    bowline_node *node = a_node(1);
    bowline_node *deaf = a_node(2);
    bowline_event event;
    CHECK_OK(bowline_queue_bind_events(bowline_node_main_queue(node), BOWLINE_EV_BIT(BOWLINE_EV_ADDR_ADDED)));
    start(node);
    start(deaf);
    CHECK_OK(bowline_addrbook_add(node, "192.0.2.7:9732", NULL));
    event = await(node, BOWLINE_EV_ADDR_ADDED);
    CHECK_HAS((const char *)event.data, "192.0.2.7:9732");
    release(&event);
    CHECK_IS(bowline_addrbook_add(node, "192.0.2.7:9732", NULL), BOWLINE_E_EXISTS);
    CHECK_OK(bowline_addrbook_add(deaf, "192.0.2.7:9732", NULL));
    CHECK_OK(bowline_queue_wakeup(bowline_node_main_queue(deaf), 1));
    do {
        CHECK_OK(bowline_queue_poll(bowline_node_main_queue(deaf), &event, sizeof event, 20000));
        CHECK(event.kind != BOWLINE_EV_ADDR_ADDED);
        release(&event);
    } while (event.kind == BOWLINE_EV_NODE_STATE);
    bowline_node_free(node);
    bowline_node_free(deaf);
}

static char lines[64][300];
static size_t lines_count = 0;
static pthread_mutex_t lines_lock = PTHREAD_MUTEX_INITIALIZER;

static void keep(void *ctx, int32_t level, const char *target, const char *text)
{
    pthread_mutex_lock(&lines_lock);
    if (lines_count < 64) {
        snprintf(lines[lines_count++], sizeof lines[0], "%s %d %s: %s", (const char *)ctx, level, target, text);
    }
    pthread_mutex_unlock(&lines_lock);
}

static void start_and_free(void)
{
    bowline_node *node = a_node(1);
    start(node);
    bowline_node_free(node);
}

static void the_log_goes_to_the_callers_function(void)
{
    static char name[] = "mine";
    bowline_error *err = NULL;
    size_t before = 0;
    start_and_free(); /* silent */
    CHECK_IS(bowline_log_filter("info", &err), BOWLINE_E_STATE);
    bowline_error_free(err);
    CHECK_OK(bowline_log_set(keep, name));
    start_and_free();
    CHECK(lines_count > 0);
    CHECK_HAS(lines[0], "mine 3 bowline::");
    CHECK_HAS(lines[0], "store.path");
    /* Nothing below the level, nothing of other parts. */
    CHECK_OK(bowline_log_filter("error", NULL));
    before = lines_count;
    start_and_free();
    CHECK_INT(lines_count, before);
    CHECK_OK(bowline_log_filter("off,bowline::nowhere=trace", NULL));
    start_and_free();
    CHECK_INT(lines_count, before);
    CHECK_IS(bowline_log_filter("bowline=loud", &err), BOWLINE_E_INVALID);
    CHECK_HAS(bowline_error_text(err), "loud");
    bowline_error_free(err);
    CHECK_OK(bowline_log_filter("trace", NULL));
    CHECK_OK(bowline_log_set(NULL, NULL));
    start_and_free();
    CHECK_INT(lines_count, before);
}

static void a_filter_that_says_no_level_is_refused(void)
{
    static const char *const odd[][2] = {
        {"loud", "'loud'"},           {"info,loud", "'loud'"},        {"bowline=loud", "'loud'"}, {"bowline::node=", "''"},
        {"bowlines::node", "'bow"},   {"warn, bowline=3", "'3'"},     {"bowline=info=warn", "'info=warn'"},
        {"tracer/and a word", "'tr"}, {"info/one/two", "too many"},
    };
    static const char *const good[] = {"off",          "WARN", " info , bowline::node = debug", "bowline", "warn,bowline::node",
                                       "mio=trace",    "",     "info/loud"};
    static char name[] = "filtered";
    size_t at = 0;
    CHECK_OK(bowline_log_set(keep, name));
    CHECK_OK(bowline_log_filter("info", NULL));
    for (at = 0; at < sizeof odd / sizeof odd[0]; at++) {
        bowline_error *err = NULL;
        CHECK_IS(bowline_log_filter(odd[at][0], &err), BOWLINE_E_INVALID);
        CHECK_HAS(bowline_error_text(err), odd[at][1]);
        bowline_error_free(err);
    }
    /* What was refused changed nothing. */
    lines_count = 0;
    start_and_free();
    CHECK(lines_count > 0);
    for (at = 0; at < sizeof good / sizeof good[0]; at++) {
        CHECK_OK(bowline_log_filter(good[at], NULL));
    }
    CHECK_OK(bowline_log_filter("bowline", NULL));
    lines_count = 0;
    start_and_free();
    CHECK(lines_count > 0);
    CHECK_OK(bowline_log_set(NULL, NULL));
}

static bowline_queue *spare = NULL;

static void free_what_must_not_be_freed(void *ctx)
{
    bowline_node_free(ctx);
    bowline_queue_free(spare);
}

static void keep_and_free(void *ctx, int32_t level, const char *target, const char *text)
{
    keep(ctx, level, target, text);
    bowline_node_free(caller);
}

/* It cannot say so, so the log does; the node lives. */
static void a_callback_that_frees_frees_nothing(void)
{
    static char name[] = "free";
    bowline_queue *queue = NULL;
    caller = a_node(1);
    queue = bowline_node_main_queue(caller);
    CHECK_OK(bowline_queue_new(caller, "spare", &spare));
    start(caller);
    drain(queue);
    CHECK_OK(bowline_log_set(keep, name));
    CHECK_OK(bowline_log_filter("error", NULL));
    CHECK_OK(bowline_queue_set_wake(queue, free_what_must_not_be_freed, caller));
    lines_count = 0;
    CHECK_OK(bowline_queue_wakeup(queue, 1));
    CHECK_INT(lines_count, 1);
    CHECK_HAS(lines[0], "free 1 bowline::ffi: ");
    CHECK_HAS(lines[0], "was called by a callback");
    CHECK_OK(bowline_queue_set_wake(queue, NULL, NULL));
    CHECK_INT(bowline_node_state(caller), BOWLINE_STATE_RUNNING);
    CHECK_OK(bowline_queue_wakeup(spare, 1));
    /* A log function as well. */
    CHECK_OK(bowline_log_set(keep_and_free, name));
    CHECK_OK(bowline_log_filter("info", NULL));
    lines_count = 0;
    start_and_free();
    CHECK_OK(bowline_log_set(NULL, NULL));
    while (lines_count > 0 && strstr(lines[lines_count - 1], "bowline_node_free was called by a callback") == NULL) {
        lines_count--;
    }
    CHECK(lines_count > 0);
    CHECK_INT(bowline_node_state(caller), BOWLINE_STATE_RUNNING);
    bowline_node_free(caller);
    bowline_queue_free(spare);
}

static void *start_some(void *arg)
{
    (void)arg;
    for (int round = 0; round < 10; round++) {
        start_and_free();
    }
    return NULL;
}

static void the_log_is_set_and_removed_while_nodes_run(void)
{
    static char name[] = "busy";
    pthread_t threads[4];
    size_t at = 0;
    for (at = 0; at < 4; at++) {
        CHECK_INT(pthread_create(&threads[at], NULL, start_some, NULL), 0);
    }
    for (at = 0; at < 200; at++) {
        CHECK_OK(bowline_log_set(keep, name));
        CHECK_OK(bowline_log_filter(at % 2 == 0 ? "trace" : "warn", NULL));
        CHECK_OK(bowline_log_set(NULL, NULL));
    }
    for (at = 0; at < 4; at++) {
        CHECK_INT(pthread_join(threads[at], NULL), 0);
    }
}

static void channels_and_ends_are_counted(void)
{
    pair both = a_pair();
    bowline_channel_metrics out = BOWLINE_CHANNEL_METRICS_INIT;
    bowline_channel_metrics in = BOWLINE_CHANNEL_METRICS_INIT;
    bowline_event event;
    uint64_t count = 77;
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "hello", 5, NULL));
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, NULL, 0, NULL));
    event = await(both.server, BOWLINE_EV_MESSAGE);
    release(&event);
    event = await(both.server, BOWLINE_EV_MESSAGE);
    release(&event);
    CHECK_OK(bowline_metrics_channel(both.asker, CHANNEL, &out));
    CHECK_OK(bowline_metrics_channel(both.server, CHANNEL, &in));
    CHECK(out.msgs_out == 2 && out.bytes_out == 5 && out.msgs_in == 0);
    CHECK(in.msgs_in == 2 && in.bytes_in == 5 && in.msgs_out == 0);
    CHECK_OK(bowline_metrics_ends(both.asker, 1, &count));
    CHECK_OK(bowline_disconnect(both.asker, both.to_server, 0, 0));
    event = await(both.asker, BOWLINE_EV_PEER_DISCONNECTED);
    CHECK_OK(bowline_metrics_ends(both.asker, event.flags, &count));
    while (count == 0) { /* a worker counts it a moment later */
        CHECK_OK(bowline_metrics_ends(both.asker, event.flags, &count));
    }
    CHECK_INT(count, 1);
    release(&event);
    end(both);
}

static void the_counters_are_shown_as_text(void)
{
    pair both = a_pair();
    bowline_event event;
    char *text = NULL;
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "hello", 5, NULL));
    event = await(both.server, BOWLINE_EV_MESSAGE);
    release(&event);
    CHECK_OK(bowline_metrics_text(both.server, &text));
    CHECK_HAS(text, "# TYPE bowline_links_in gauge\nbowline_links_in 1\n");
    CHECK_HAS(text, "# TYPE bowline_messages_in counter\nbowline_messages_in_total 1\n");
    CHECK_HAS(text, "bowline_channel_bytes_in_total{channel=\"0x20\",name=\"test\"} 5\n");
    CHECK_HAS(text, "# HELP bowline_dials Dials begun\n");
    CHECK(strlen(text) > 6 && strcmp(text + strlen(text) - 6, "# EOF\n") == 0);
    bowline_string_free(text);
    end(both);
    both.server = a_node(3); /* before the start, too */
    CHECK_OK(bowline_metrics_text(both.server, &text));
    bowline_string_free(text);
    bowline_node_free(both.server);
}

static const bt_test tests[] = {
    BT(a_queue_wakes_once_until_it_is_drained),
    BT(the_stop_wakes),
    BT(messages_wake_from_the_librarys_threads),
    BT(a_descriptor_and_a_wake_function_exclude_each_other),
    BT(a_callback_that_calls_the_library_is_told_so),
    BT(events_go_where_they_are_bound),
    BT(an_address_that_is_added_is_told_where_it_is_bound),
    BT(the_log_goes_to_the_callers_function),
    BT(a_filter_that_says_no_level_is_refused),
    BT(a_callback_that_frees_frees_nothing),
    BT(the_log_is_set_and_removed_while_nodes_run),
    BT(channels_and_ends_are_counted),
    BT(the_counters_are_shown_as_text),
};
BT_MAIN(tests)
