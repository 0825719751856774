/*
 * Many: a thousand lives of a node, eight threads in every call at once, a stop while they wait, what is held when everything is gone.
 */
#include "hard.h"

#include <malloc.h>

static int lives(void)
{
    return getenv("BT_TMO") == NULL ? 1000 : 50; /* slow tools see the same in fewer */
}

/* Makes and ends `count` nodes by `live`; nothing may be left: no descriptor, no thread, no memory beyond what the first ones took. */
static void nothing_is_left_of(void (*live)(int round))
{
    int fds = 0;
    long kb = 0;
    int round = 0;
    int count = lives();
    for (round = 0; round < count; round++) {
        live(round);
        if (round == count / 10) {
            CHECK_INT(settled("/proc/self/task", 1), 1);
            fds = entries("/proc/self/fd");
            malloc_trim(0);
            kb = resident_kb();
        }
    }
    CHECK_INT(settled("/proc/self/task", 1), 1);
    CHECK_INT(entries("/proc/self/fd"), fds);
    malloc_trim(0);
    printf("# %d lives: %ld KiB more after the first tenth\n", count, resident_kb() - kb);
    if (getenv("BT_TMO") == NULL) {
        CHECK(resident_kb() - kb < 2048); /* 2.3 KiB a life would be seen */
    }
}

static void start_and_stop(int round)
{
    bowline_node *node = a_node(1);
    bowline_queue *second = NULL;
    CHECK(bowline_queue_fd(bowline_node_main_queue(node)) >= 0);
    if (round % 3 == 0) {
        CHECK_OK(bowline_queue_new(node, "second", &second));
    }
    start(node);
    if (round % 2 == 0) {
        CHECK_OK(bowline_node_stop(node, 0));
    }
    bowline_node_free(node);
    bowline_queue_free(second);
}

static void a_thousand_lives_leave_nothing(void)
{
    nothing_is_left_of(start_and_stop);
}

static void make_and_free(int round)
{
    bowline_node *node = a_node((uint8_t)(round % 250 + 1));
    CHECK(bowline_queue_fd(bowline_node_main_queue(node)) >= 0);
    CHECK_OK(bowline_queue_wakeup(bowline_node_main_queue(node), 1));
    bowline_node_free(node);
}

static void a_thousand_nodes_that_never_start_leave_nothing(void)
{
    nothing_is_left_of(make_and_free);
}

static bowline_node *hub = NULL;

static void meet_and_part(int round)
{
    bowline_node *node = a_node((uint8_t)(round % 250 + 2));
    bowline_peer peer = 0;
    bowline_event event;
    start(node);
    CHECK_OK(bowline_connect_wait(node, address_text(hub), 20000, &peer, NULL));
    CHECK_OK(bowline_send(node, peer, CHANNEL, "hello", 5, NULL));
    event = await(hub, BOWLINE_EV_MESSAGE);
    bowline_events_release(&event, sizeof event, 1);
    bowline_node_free(node);
    event = await(hub, BOWLINE_EV_PEER_DISCONNECTED);
    bowline_events_release(&event, sizeof event, 1);
}

/* A hundred peers come and go on a node that stays: its descriptors and threads are those it had before the first. */
static void peers_that_come_and_go_leave_nothing(void)
{
    int fds = 0;
    int threads = 0;
    int round = 0;
    bowline_config *config = a_config();
    set(config, "accept.rate", "10000");
    hub = a_node_of(config, 1);
    start(hub);
    fds = entries("/proc/self/fd");
    threads = entries("/proc/self/task");
    for (round = 0; round < lives() / 10; round++) {
        meet_and_part(round);
    }
    CHECK_INT(settled("/proc/self/task", threads), threads);
    CHECK_INT(settled("/proc/self/fd", fds), fds);
    bowline_node_free(hub);
}

/* ---- eight threads wait while the node stops ---- */

typedef struct {
    pair both;
    int begun;
} crowd;

static void *in_poll(void *arg)
{
    crowd *mine = arg;
    int32_t result = BOWLINE_OK;
    __atomic_fetch_add(&mine->begun, 1, __ATOMIC_RELAXED);
    do {
        bowline_event event;
        result = bowline_queue_poll(bowline_node_main_queue(mine->both.asker), &event, sizeof event, BOWLINE_FOREVER);
        if (result == BOWLINE_OK) {
            bowline_events_release(&event, sizeof event, 1);
        }
    } while (result == BOWLINE_OK);
    CHECK_IS(result, BOWLINE_E_STOPPED);
    return NULL;
}

static void *in_request(void *arg)
{
    crowd *mine = arg;
    bowline_event event;
    __atomic_fetch_add(&mine->begun, 1, __ATOMIC_RELAXED);
    CHECK_IS(bowline_request_wait(mine->both.asker, mine->both.to_server, CHANNEL, "?", 1, BOWLINE_FOREVER, &event, sizeof event, NULL),
             BOWLINE_E_STOPPED);
    return NULL;
}

static void *in_connect(void *arg)
{
    crowd *mine = arg;
    bowline_peer peer = 0;
    char silent[BOWLINE_ADDR_TEXT_MAX];
    int listener = a_silent_listener(silent, sizeof silent);
    __atomic_fetch_add(&mine->begun, 1, __ATOMIC_RELAXED);
    CHECK_IS(bowline_connect_wait(mine->both.asker, silent, BOWLINE_FOREVER, &peer, NULL), BOWLINE_E_STOPPED);
    close(listener);
    return NULL;
}

static void *in_send(void *arg)
{
    crowd *mine = arg;
    static const char bytes[60000];
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    int32_t result = BOWLINE_OK;
    opts.timeout_ms = BOWLINE_FOREVER;
    __atomic_fetch_add(&mine->begun, 1, __ATOMIC_RELAXED);
    do {
        result = bowline_send(mine->both.asker, mine->both.to_server, CHANNEL, bytes, sizeof bytes, &opts);
    } while (result == BOWLINE_OK);
    CHECK_IS(result, BOWLINE_E_STOPPED);
    return NULL;
}

static void ended_by_a_stop(void *(*const *lives_of)(void *), size_t kinds)
{
    crowd all = {a_pair(), 0};
    pthread_t threads[8];
    uint64_t before = 0;
    size_t at = 0;
    int32_t result = BOWLINE_OK;
    for (at = 0; at < 8; at++) {
        threads[at] = thread(lives_of[at % kinds], &all);
    }
    while (__atomic_load_n(&all.begun, __ATOMIC_RELAXED) < 8) {
        nap_ms(1);
    }
    nap_ms(200);
    before = bowline_clock_ns();
    result = bowline_node_stop(all.both.asker, 50);
    CHECK(result == BOWLINE_OK || result == BOWLINE_E_TIMEOUT);
    for (at = 0; at < 8; at++) {
        joined(threads[at]);
    }
    CHECK(ms_since(before) < 6000);
    end(all.both);
}

static void a_stop_ends_eight_polls(void)
{
    ended_by_a_stop((void *(*const[])(void *)){in_poll}, 1);
}

static void a_stop_ends_eight_requests(void)
{
    ended_by_a_stop((void *(*const[])(void *)){in_request}, 1);
}

static void a_stop_ends_eight_dials(void)
{
    ended_by_a_stop((void *(*const[])(void *)){in_connect}, 1);
}

static void a_stop_ends_eight_sends(void)
{
    ended_by_a_stop((void *(*const[])(void *)){in_send}, 1);
}

static void a_stop_ends_eight_of_all_kinds(void)
{
    ended_by_a_stop((void *(*const[])(void *)){in_poll, in_request, in_send, in_connect}, 4);
}

static void *stop_it(void *arg)
{
    int32_t result = bowline_node_stop(arg, 100);
    CHECK(result == BOWLINE_OK || result == BOWLINE_E_TIMEOUT);
    CHECK_INT(bowline_node_state(arg), BOWLINE_STATE_STOPPED);
    return NULL;
}

static void eight_stops_at_once_all_return(void)
{
    bowline_node *node = a_node(1);
    pthread_t threads[8];
    size_t at = 0;
    start(node);
    for (at = 0; at < 8; at++) {
        threads[at] = thread(stop_it, node);
    }
    for (at = 0; at < 8; at++) {
        joined(threads[at]);
    }
    bowline_node_free(node);
}

static int started = 0;

static void *start_it(void *arg)
{
    int32_t result = bowline_node_start(arg, NULL);
    CHECK(result == BOWLINE_OK || result == BOWLINE_E_STATE);
    __atomic_fetch_add(&started, result == BOWLINE_OK, __ATOMIC_RELAXED);
    return NULL;
}

static void of_eight_starts_at_once_one_succeeds(void)
{
    int round = 0;
    for (round = 0; round < 20; round++) {
        bowline_node *node = a_node(1);
        pthread_t threads[8];
        size_t at = 0;
        started = 0;
        for (at = 0; at < 8; at++) {
            threads[at] = thread(start_it, node);
        }
        for (at = 0; at < 8; at++) {
            joined(threads[at]);
        }
        CHECK_INT(started, 1);
        CHECK_INT(bowline_node_state(node), BOWLINE_STATE_RUNNING);
        bowline_node_free(node);
    }
}

/* ---- every function from eight threads at once ---- */

typedef struct {
    target to;
    uint64_t seed;
    uint64_t until_ns;
    uint64_t made;
} caller;

static void *call_everything(void *arg)
{
    caller *mine = arg;
    uint64_t state = mine->seed;
    while (bowline_clock_ns() < mine->until_ns) {
        const call *one = &calls[drawn(&state) % CALL_COUNT];
        must_be_documented(one, one->make(&mine->to));
        mine->made++;
    }
    return NULL;
}

static void every_function_may_be_called_by_eight_threads_at_once(void)
{
    pair both = a_pair();
    caller callers[8];
    pthread_t threads[8];
    uint64_t made = 0;
    size_t at = 0;
    memset(callers, 0, sizeof callers);
    for (at = 0; at < 8; at++) {
        callers[at].to = a_target(at % 4 == 3 ? both.server : both.asker);
        callers[at].to.peer = at % 4 == 3 ? both.to_asker : both.to_server;
        callers[at].to.timeout_ms = (int64_t)at;
        callers[at].seed = 1234567 + at;
        callers[at].until_ns = bowline_clock_ns() + UINT64_C(3000000000);
        threads[at] = thread(call_everything, &callers[at]);
    }
    for (at = 0; at < 8; at++) {
        joined(threads[at]);
        made += callers[at].made;
        bowline_msg_free(callers[at].to.msg);
    }
    printf("# %llu calls\n", (unsigned long long)made);
    CHECK(made > 1000 / bt_seconds(1));
    CHECK_INT(bowline_node_state(both.asker), BOWLINE_STATE_RUNNING);
    CHECK_INT(bowline_node_state(both.server), BOWLINE_STATE_RUNNING);
    end(both);
}

/* References of one message, made and dropped by eight threads. */
static void *share(void *arg)
{
    bowline_msg *msg = arg;
    int round = 0;
    for (round = 0; round < 20000; round++) {
        bowline_msg *mine = bowline_msg_ref(msg);
        CHECK(mine == msg && bowline_msg_len(mine) == 6 && bowline_msg_data(mine)[0] == 's');
        bowline_msg_free(mine);
    }
    bowline_msg_free(msg);
    return NULL;
}

static int given_back = 0;

static void give_back(void *data, size_t len, void *ctx)
{
    CHECK(len == 6 && ctx == data);
    given_back++;
}

static void a_message_is_shared_by_eight_threads_and_given_back_once(void)
{
    static char bytes[6] = {'s', 'h', 'a', 'r', 'e', 'd'};
    bowline_msg *msg = NULL;
    pthread_t threads[8];
    size_t at = 0;
    CHECK_OK(bowline_msg_wrap(bytes, sizeof bytes, give_back, bytes, &msg));
    for (at = 0; at < 8; at++) {
        threads[at] = thread(share, bowline_msg_ref(msg));
    }
    bowline_msg_free(msg);
    for (at = 0; at < 8; at++) {
        joined(threads[at]);
    }
    CHECK_INT(given_back, 1);
}

/* ---- what is held when everything is gone ---- */

static void what_is_held_outlives_both_nodes(void)
{
    pair both = a_pair();
    bowline_event events[100];
    bowline_msg *msgs[100];
    bowline_list *peers = NULL;
    bowline_list *known = NULL;
    bowline_error *err = NULL;
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    bowline_addr_info addr = BOWLINE_ADDR_INFO_INIT;
    char *exported = NULL;
    size_t at = 0;
    for (at = 0; at < 100; at++) {
        unsigned char bytes[1000];
        memset(bytes, (int)at, sizeof bytes);
        CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, bytes, sizeof bytes, NULL));
        events[at] = await(both.server, BOWLINE_EV_MESSAGE);
        msgs[at] = bowline_msg_ref(events[at].msg);
    }
    CHECK_OK(bowline_peers_snapshot(both.asker, &peers));
    CHECK_OK(bowline_addrbook_snapshot(both.asker, &known));
    CHECK_OK(bowline_export(both.asker, &exported, NULL, NULL));
    CHECK(bowline_node_start(both.asker, &err) == BOWLINE_E_STATE);
    end(both);
    bowline_node_free(a_node(9)); /* others come and go meanwhile */
    for (at = 0; at < 100; at++) {
        CHECK(events[at].len == 1000 && events[at].data[0] == at && events[at].data[999] == at);
        CHECK(bowline_msg_data(msgs[at]) == events[at].data);
        bowline_events_release(&events[at], sizeof events[at], 1);
        CHECK(bowline_msg_data(msgs[at])[500] == at);
        bowline_msg_free(msgs[at]);
    }
    CHECK_OK(bowline_list_peer(peers, 0, &info));
    CHECK_OK(bowline_list_addr(known, 0, &addr));
    CHECK(strlen(bowline_error_text(err)) > 10 && strlen(exported) > 10);
    bowline_list_free(peers);
    bowline_list_free(known);
    bowline_error_free(err);
    bowline_string_free(exported);
}

static void what_nobody_polled_is_freed_with_the_node(void)
{
    pair both = a_pair();
    bowline_msg *msg = NULL;
    bowline_metrics metrics = BOWLINE_METRICS_INIT;
    int at = 0;
    CHECK_OK(bowline_msg_copy("shared", 6, &msg));
    for (at = 0; at < 1000; at++) {
        CHECK_OK(bowline_send_msg(both.asker, both.to_server, CHANNEL, msg, NULL));
        CHECK_OK(bowline_queue_wakeup(bowline_node_main_queue(both.server), 1));
    }
    while (metrics.msgs_in < 1000) {
        CHECK_OK(bowline_metrics_get(both.server, &metrics));
    }
    end(both);
    CHECK(bowline_msg_data(msg)[0] == 's');
    bowline_msg_free(msg);
}

static void wrapped_memory_comes_back_although_the_node_goes(void)
{
    static char bytes[6] = {'s', 'h', 'a', 'r', 'e', 'd'};
    pair both = a_pair();
    bowline_msg *msg = NULL;
    given_back = 0;
    CHECK_OK(bowline_msg_wrap(bytes, sizeof bytes, give_back, bytes, &msg));
    CHECK_OK(bowline_send_msg(both.asker, both.to_server, CHANNEL, msg, NULL));
    CHECK_OK(bowline_request_start(both.asker, both.to_server, CHANNEL, msg, 20000, 1, NULL, NULL));
    bowline_msg_free(msg);
    end(both);
    CHECK_INT(given_back, 1);
}

static const bt_test tests[] = {
    BT(a_thousand_lives_leave_nothing),
    BT(a_thousand_nodes_that_never_start_leave_nothing),
    BT(peers_that_come_and_go_leave_nothing),
    BT(a_stop_ends_eight_polls),
    BT(a_stop_ends_eight_requests),
    BT(a_stop_ends_eight_dials),
    BT(a_stop_ends_eight_sends),
    BT(a_stop_ends_eight_of_all_kinds),
    BT(eight_stops_at_once_all_return),
    BT(of_eight_starts_at_once_one_succeeds),
    BT(every_function_may_be_called_by_eight_threads_at_once),
    BT(a_message_is_shared_by_eight_threads_and_given_back_once),
    BT(what_is_held_outlives_both_nodes),
    BT(what_nobody_polled_is_freed_with_the_node),
    BT(wrapped_memory_comes_back_although_the_node_goes),
};
BT_MAIN(tests)
