/*
 * How a queue is waited for: its descriptor under poll, select, epoll by level and by edge; wake-ups; several queues and pollers; a
 * poller that is slow.
 */
#include "hard.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/select.h>

static int is_readable(int fd, int timeout_ms)
{
    struct pollfd watched;
    memset(&watched, 0, sizeof watched);
    watched.fd = fd;
    watched.events = POLLIN;
    CHECK(poll(&watched, 1, timeout_ms) >= 0);
    CHECK(watched.revents == 0 || watched.revents == POLLIN);
    return watched.revents == POLLIN;
}

static int take(bowline_queue *queue)
{
    bowline_event event;
    int32_t result = bowline_queue_poll(queue, &event, sizeof event, BOWLINE_NOWAIT);
    if (result != BOWLINE_OK) {
        CHECK_IS(result, BOWLINE_E_AGAIN);
        return 0;
    }
    bowline_events_release(&event, sizeof event, 1);
    return 1;
}

static void take_all(bowline_queue *queue)
{
    while (take(queue)) {
    }
}

static void poll_sees_exactly_what_is_there(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    int fd = bowline_queue_fd(queue);
    int round = 0;
    start(node);
    await(node, BOWLINE_EV_NODE_STATE);
    take_all(queue);
    for (round = 1; round <= 200; round++) {
        int left = 0;
        CHECK_INT(is_readable(fd, 0), 0);
        for (left = 0; left < round % 7 + 1; left++) {
            CHECK_OK(bowline_queue_wakeup(queue, 1));
            CHECK_INT(is_readable(fd, 0), 1);
        }
        for (; left > 0; left--) {
            CHECK_INT(is_readable(fd, 0), 1);
            CHECK(take(queue));
        }
    }
    CHECK(!take(queue));
    bowline_node_free(node);
}

static void a_descriptor_asked_for_late_knows_what_came_before(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    CHECK_OK(bowline_queue_wakeup(queue, 1));
    CHECK_INT(is_readable(bowline_queue_fd(queue), 0), 1);
    CHECK(take(queue));
    CHECK_INT(is_readable(bowline_queue_fd(queue), 0), 0);
    bowline_node_free(node);
}

static int selected(int fd, long timeout_ms)
{
    struct timeval wait = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    fd_set set;
    FD_ZERO(&set);
    FD_SET(fd, &set);
    return select(fd + 1, &set, NULL, NULL, &wait);
}

static void select_sees_the_same(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    int fd = bowline_queue_fd(queue);
    CHECK(fd < FD_SETSIZE);
    CHECK_INT(selected(fd, 0), 0);
    CHECK_OK(bowline_queue_wakeup(queue, 1));
    CHECK_INT(selected(fd, 5000), 1);
    CHECK(take(queue));
    CHECK_INT(selected(fd, 0), 0);
    start(node);
    CHECK_INT(selected(fd, 5000), 1);
    bowline_node_free(node);
}

static int watched_by_epoll(int fd, uint32_t how)
{
    struct epoll_event event;
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN | how;
    CHECK(epoll >= 0);
    CHECK_INT(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event), 0);
    return epoll;
}

static int ready(int epoll, int timeout_ms)
{
    struct epoll_event event;
    int count = epoll_wait(epoll, &event, 1, timeout_ms);
    CHECK(count >= 0);
    CHECK(count == 0 || event.events == EPOLLIN);
    return count;
}

static void epoll_by_level_says_it_until_all_is_taken(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    int epoll = watched_by_epoll(bowline_queue_fd(queue), 0);
    CHECK_INT(ready(epoll, 0), 0);
    CHECK_OK(bowline_queue_wakeup(queue, 1));
    CHECK_OK(bowline_queue_wakeup(queue, 2));
    CHECK_INT(ready(epoll, 5000), 1);
    CHECK_INT(ready(epoll, 0), 1);
    CHECK(take(queue));
    CHECK_INT(ready(epoll, 0), 1);
    CHECK(take(queue));
    CHECK_INT(ready(epoll, 0), 0);
    close(epoll);
    bowline_node_free(node);
}

/* By edge: whoever takes until AGAIN after each edge misses nothing. */
static void epoll_by_edge_misses_nothing_if_all_is_taken(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    int epoll = watched_by_epoll(bowline_queue_fd(queue), EPOLLET);
    int round = 0;
    CHECK_INT(ready(epoll, 0), 0);
    for (round = 0; round < 100; round++) {
        CHECK_OK(bowline_queue_wakeup(queue, 1));
        CHECK_OK(bowline_queue_wakeup(queue, 2));
        CHECK_INT(ready(epoll, 5000), 1);
        CHECK(take(queue) && take(queue));
        CHECK(!take(queue));
    }
    CHECK_INT(ready(epoll, 0), 0);
    start(node);
    CHECK_INT(ready(epoll, 5000), 1);
    take_all(queue);
    CHECK_OK(bowline_node_stop(node, 0));
    CHECK_INT(ready(epoll, 5000), 1);
    close(epoll);
    bowline_node_free(node);
}

typedef struct {
    pair both;
    int count;
} load;

static void *send_some(void *arg)
{
    load *mine = arg;
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    int at = 0;
    opts.timeout_ms = 20000;
    for (at = 0; at < mine->count; at++) {
        uint32_t number = (uint32_t)at;
        CHECK_OK(bowline_send(mine->both.asker, mine->both.to_server, CHANNEL, &number, sizeof number, &opts));
        if (at % 97 == 0) {
            nap_ms(1);
        }
    }
    return NULL;
}

/* Messages of a peer, taken by an event loop that sleeps by edge alone: one edge missed, and it sleeps for ever. */
static void an_event_loop_by_edge_takes_a_stream(void)
{
    load mine = {a_pair(), 20000};
    bowline_queue *queue = bowline_node_main_queue(mine.both.server);
    int epoll = watched_by_epoll(bowline_queue_fd(queue), EPOLLET);
    pthread_t sender = thread(send_some, &mine);
    uint32_t next = 0;
    while (next < 20000) {
        bowline_event events[64];
        size_t count = 0;
        size_t at = 0;
        int32_t result = bowline_queue_poll_batch(queue, events, sizeof events[0], 64, &count, BOWLINE_NOWAIT);
        if (result == BOWLINE_E_AGAIN) {
            CHECK_INT(ready(epoll, 20000), 1);
            continue;
        }
        CHECK_OK(result);
        for (at = 0; at < count; at++) {
            if (events[at].kind == BOWLINE_EV_MESSAGE) {
                CHECK(events[at].len == sizeof next && memcmp(events[at].data, &next, sizeof next) == 0);
                next++;
            }
        }
        bowline_events_release(events, sizeof events[0], count);
    }
    joined(sender);
    close(epoll);
    end(mine.both);
}

static void one_shot_watchers_are_armed_again(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    int fd = bowline_queue_fd(queue);
    int epoll = watched_by_epoll(fd, EPOLLONESHOT);
    struct epoll_event event;
    memset(&event, 0, sizeof event);
    event.events = EPOLLIN | EPOLLONESHOT;
    CHECK_OK(bowline_queue_wakeup(queue, 1));
    CHECK_INT(ready(epoll, 5000), 1);
    CHECK_INT(ready(epoll, 0), 0);
    CHECK_INT(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event), 0);
    CHECK_INT(ready(epoll, 5000), 1);
    CHECK(take(queue));
    CHECK_INT(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &event), 0);
    CHECK_INT(ready(epoll, 0), 0);
    close(epoll);
    bowline_node_free(node);
}

static void each_queue_has_a_descriptor_of_its_own(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *main = bowline_node_main_queue(node);
    bowline_queue *second = NULL;
    int first_fd = bowline_queue_fd(main);
    int second_fd = 0;
    CHECK_OK(bowline_queue_new(node, "second", &second));
    second_fd = bowline_queue_fd(second);
    CHECK(second_fd >= 0 && second_fd != first_fd && bowline_queue_fd(second) == second_fd);
    CHECK_OK(bowline_queue_wakeup(second, 1));
    CHECK_INT(is_readable(first_fd, 0), 0);
    CHECK_INT(is_readable(second_fd, 0), 1);
    CHECK(!take(main) && take(second));
    CHECK_OK(bowline_queue_wakeup(main, 1));
    CHECK_INT(is_readable(first_fd, 0), 1);
    CHECK_INT(is_readable(second_fd, 0), 0);
    bowline_node_free(node);
    bowline_queue_free(second);
    /* Closed with its queue. */
    CHECK(fcntl(first_fd, F_GETFD) < 0 && fcntl(second_fd, F_GETFD) < 0);
}

static void another_poller_may_empty_it_again(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    int fd = bowline_queue_fd(queue);
    CHECK_OK(bowline_queue_wakeup(queue, 1));
    CHECK_INT(is_readable(fd, 0), 1);
    CHECK(take(queue)); /* the other one */
    CHECK(!take(queue));
    CHECK_INT(is_readable(fd, 0), 0);
    bowline_node_free(node);
}

static void a_wakeup_ends_one_wait_with_its_tag(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    uint64_t tag = 0;
    start(node);
    await(node, BOWLINE_EV_NODE_STATE);
    for (tag = 1; tag <= 1000; tag++) {
        CHECK_OK(bowline_queue_wakeup(queue, tag));
    }
    for (tag = 1; tag <= 1000; tag++) {
        bowline_event event;
        CHECK_OK(bowline_queue_poll(queue, &event, sizeof event, 5000));
        CHECK(event.kind == BOWLINE_EV_WAKEUP && event.tag == tag && event.msg == NULL);
    }
    bowline_node_free(node);
}

static void wakeups_have_a_bound_that_is_told(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    int32_t result = BOWLINE_OK;
    int count = 0;
    int taken = 0;
    while ((result = bowline_queue_wakeup(queue, 1)) == BOWLINE_OK) {
        count++;
        CHECK(count < 1000000);
    }
    CHECK_IS(result, BOWLINE_E_LIMIT);
    CHECK(count >= 1000);
    while (take(queue)) {
        taken++;
    }
    CHECK_INT(taken, count);
    CHECK_OK(bowline_queue_wakeup(queue, 1));
    bowline_node_free(node);
}

enum { POLLERS = 8, EVENTS = 4000 };
typedef struct {
    bowline_queue *queue;
    unsigned char seen[EVENTS];
} shared_polling;

static void *take_a_share(void *arg)
{
    shared_polling *mine = arg;
    for (;;) {
        bowline_event events[5];
        size_t count = 0;
        size_t at = 0;
        int32_t result = bowline_queue_poll_batch(mine->queue, events, sizeof events[0], 5, &count, BOWLINE_FOREVER);
        if (result == BOWLINE_E_STOPPED) {
            return NULL;
        }
        CHECK_OK(result);
        CHECK(count >= 1 && count <= 5);
        for (at = 0; at < count; at++) {
            if (events[at].kind == BOWLINE_EV_WAKEUP) {
                __atomic_fetch_add(&mine->seen[events[at].tag], 1, __ATOMIC_RELAXED);
            }
        }
    }
}

static void each_event_goes_to_one_of_many_pollers(void)
{
    static shared_polling mine;
    bowline_node *node = a_node(1);
    pthread_t threads[POLLERS];
    size_t at = 0;
    mine.queue = bowline_node_main_queue(node);
    start(node);
    for (at = 0; at < POLLERS; at++) {
        threads[at] = thread(take_a_share, &mine);
    }
    for (at = 0; at < EVENTS; at++) {
        int32_t result = BOWLINE_OK;
        while ((result = bowline_queue_wakeup(mine.queue, at)) == BOWLINE_E_LIMIT) {
            nap_ms(1);
        }
        CHECK_OK(result);
    }
    CHECK_OK(bowline_node_stop(node, 0)); /* what is there is handed out first */
    for (at = 0; at < POLLERS; at++) {
        joined(threads[at]);
    }
    for (at = 0; at < EVENTS; at++) {
        CHECK_INT(mine.seen[at], 1);
    }
    bowline_node_free(node);
}

static void a_batch_is_never_more_than_asked_for(void)
{
    static bowline_event events[1000];
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    size_t caps[] = {1, 2, 3, 64, 1000, 1000};
    size_t want[] = {1, 2, 3, 64, 430, 0};
    size_t at = 0;
    for (at = 0; at < 500; at++) {
        CHECK_OK(bowline_queue_wakeup(queue, at));
    }
    for (at = 0; at < 6; at++) {
        size_t count = 77;
        int32_t result = bowline_queue_poll_batch(queue, events, sizeof events[0], caps[at], &count, BOWLINE_NOWAIT);
        CHECK_IS(result, want[at] > 0 ? BOWLINE_OK : BOWLINE_E_AGAIN);
        CHECK_INT(count, want[at]);
    }
    bowline_node_free(node);
}

enum { LARGE = 100000 };

static void *send_large_ones(void *arg)
{
    load *mine = arg;
    static unsigned char bytes[LARGE];
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    int at = 0;
    opts.timeout_ms = BOWLINE_FOREVER;
    for (at = 0; at < mine->count; at++) {
        memset(bytes, at % 251, sizeof bytes);
        memcpy(bytes, &at, sizeof at);
        CHECK_OK(bowline_send(mine->both.asker, mine->both.to_server, CHANNEL, bytes, sizeof bytes, &opts));
    }
    return NULL;
}

static void a_slow_consumer_makes_the_peer_wait_and_loses_nothing(void)
{
    load mine = {a_pair(), 1000}; /* 100 MB, of which a few fit on the way */
    bowline_metrics metrics = BOWLINE_METRICS_INIT;
    pthread_t sender;
    long before = resident_kb();
    uint64_t sent = 0;
    int next = 0;
    sender = thread(send_large_ones, &mine);
    do { /* until nothing moves any more */
        sent = metrics.msgs_out;
        nap_ms(300);
        CHECK_OK(bowline_metrics_get(mine.both.asker, &metrics));
    } while (metrics.msgs_out == 0 || metrics.msgs_out != sent);
    CHECK(sent > 0 && sent < 200);
    printf("# %llu messages were on the way, %ld KiB more memory\n", (unsigned long long)sent, resident_kb() - before);
    CHECK(resident_kb() - before < 40000);
    /* Other things go on meanwhile: a round of pings, and wake-ups. */
    CHECK_OK(bowline_queue_wakeup(bowline_node_main_queue(mine.both.asker), 1));
    CHECK_INT(bowline_node_state(mine.both.server), BOWLINE_STATE_RUNNING);
    while (next < mine.count) {
        bowline_event event = await(mine.both.server, BOWLINE_EV_MESSAGE);
        int number = 0;
        CHECK_INT(event.len, LARGE);
        memcpy(&number, event.data, sizeof number);
        CHECK_INT(number, next);
        CHECK(event.data[LARGE - 1] == next % 251 && event.data[LARGE / 2] == next % 251);
        bowline_events_release(&event, sizeof event, 1);
        next++;
    }
    joined(sender);
    CHECK(getenv("BT_TMO") != NULL || resident_kb() - before < 40000); /* tools keep what was freed */
    end(mine.both);
}

static void a_slow_consumer_of_one_channel_holds_up_no_other(void)
{
    bowline_config *first = a_config();
    bowline_config *second = a_config();
    bowline_channel_desc other = a_channel(0x21);
    bowline_queue *slow = NULL;
    bowline_node *far = NULL;
    load mine;
    pthread_t sender;
    bowline_event event;
    int round = 0;
    CHECK_OK(bowline_config_add_channel(first, &other, NULL));
    CHECK_OK(bowline_config_add_channel(second, &other, NULL));
    far = a_node_of(second, 2);
    CHECK_OK(bowline_queue_new(far, "slow", &slow));
    CHECK_OK(bowline_queue_bind_channel(slow, CHANNEL));
    mine.both = linked_pair(a_node_of(first, 1), far);
    mine.count = 100;
    sender = thread(send_large_ones, &mine);
    nap_ms(300);
    for (round = 0; round < 50; round++) {
        CHECK_OK(bowline_send(mine.both.asker, mine.both.to_server, 0x21, "quick", 5, NULL));
        event = await(far, BOWLINE_EV_MESSAGE);
        CHECK(event.channel == 0x21 && event.len == 5);
        bowline_events_release(&event, sizeof event, 1);
    }
    for (round = 0; round < 100;) {
        CHECK_OK(bowline_queue_poll(slow, &event, sizeof event, 20000));
        round += event.kind == BOWLINE_EV_MESSAGE;
        bowline_events_release(&event, sizeof event, 1);
    }
    joined(sender);
    end(mine.both);
    bowline_queue_free(slow);
}

static void the_clock_goes_on_and_stamps_events(void)
{
    pair both = a_pair();
    uint64_t before = bowline_clock_ns();
    uint64_t last = before;
    int round = 0;
    for (round = 0; round < 100; round++) {
        bowline_event event;
        CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "x", 1, NULL));
        event = await(both.server, BOWLINE_EV_MESSAGE);
        CHECK(event.time_ns >= last && event.time_ns <= bowline_clock_ns());
        last = event.time_ns;
        bowline_events_release(&event, sizeof event, 1);
    }
    CHECK(last > before);
    end(both);
}

static const bt_test tests[] = {
    BT(poll_sees_exactly_what_is_there),
    BT(a_descriptor_asked_for_late_knows_what_came_before),
    BT(select_sees_the_same),
    BT(epoll_by_level_says_it_until_all_is_taken),
    BT(epoll_by_edge_misses_nothing_if_all_is_taken),
    BT(an_event_loop_by_edge_takes_a_stream),
    BT(one_shot_watchers_are_armed_again),
    BT(each_queue_has_a_descriptor_of_its_own),
    BT(another_poller_may_empty_it_again),
    BT(a_wakeup_ends_one_wait_with_its_tag),
    BT(wakeups_have_a_bound_that_is_told),
    BT(each_event_goes_to_one_of_many_pollers),
    BT(a_batch_is_never_more_than_asked_for),
    BT(a_slow_consumer_makes_the_peer_wait_and_loses_nothing),
    BT(a_slow_consumer_of_one_channel_holds_up_no_other),
    BT(the_clock_goes_on_and_stamps_events),
};
BT_MAIN(tests)
