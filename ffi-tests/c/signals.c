/*
 * Signals: a storm of them upon threads that wait inside the library ends no wait early and loses nothing; no thread of the library
 * takes one; SIGPIPE with its default disposition never strikes.
 */
#include "hard.h"

#include <signal.h>
#include <sys/time.h>

static int handled_elsewhere = 0;
static int handled = 0;
static pthread_t known[16];
static size_t known_count = 0;

/* Counts, and asks whether the thread is one of ours. */
static void count_signal(int number)
{
    pthread_t self = pthread_self();
    int is_known = 0;
    size_t at = 0;
    (void)number;
    for (at = 0; at < known_count; at++) {
        is_known |= pthread_equal(self, known[at]) != 0;
    }
    __atomic_fetch_add(is_known ? &handled : &handled_elsewhere, 1, __ATOMIC_RELAXED);
}

/* A handler without SA_RESTART: system calls of the thread that it strikes end with EINTR. */
static void handle(int number)
{
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = count_signal;
    known[0] = pthread_self();
    known_count = 1;
    CHECK_INT(sigaction(number, &action, NULL), 0);
}

typedef struct {
    target to;
    pair both;
    uint64_t waited_ms;
    int32_t result;
    int32_t (*wait)(void *arg);
} waiting;

static void *wait_and_measure(void *arg)
{
    waiting *mine = arg;
    uint64_t before = bowline_clock_ns();
    mine->result = mine->wait(arg);
    mine->waited_ms = ms_since(before);
    return NULL;
}

/* Lets the wait run under signals, one each half a millisecond, until it ends by itself. */
static void wait_under_fire(waiting *mine)
{
    pthread_t waiter;
    int strokes = 0;
    struct timespec pause = {0, 500000};
    waiter = thread(wait_and_measure, mine);
    known[1] = waiter;
    known_count = 2;
    while (pthread_tryjoin_np(waiter, NULL) == EBUSY) {
        CHECK_INT(pthread_kill(waiter, SIGUSR1), 0);
        strokes++;
        nanosleep(&pause, NULL);
        CHECK(strokes < 100000);
    }
    known_count = 1;
    CHECK(strokes > 10 && __atomic_load_n(&handled, __ATOMIC_RELAXED) > 5);
    CHECK_INT(__atomic_load_n(&handled_elsewhere, __ATOMIC_RELAXED), 0);
}

static int32_t wait_in_poll(void *arg)
{
    waiting *mine = arg;
    bowline_event event;
    return bowline_queue_poll(mine->to.queue, &event, sizeof event, 600);
}

static void a_poll_is_not_cut_short(void)
{
    waiting mine = {.to = a_target(a_node(1)), .wait = wait_in_poll};
    handle(SIGUSR1);
    wait_under_fire(&mine);
    CHECK_IS(mine.result, BOWLINE_E_TIMEOUT);
    CHECK(mine.waited_ms >= 599 && mine.waited_ms < 1000 * bt_seconds(5));
    bowline_node_free(mine.to.node);
    bowline_msg_free(mine.to.msg);
}

static int32_t wait_for_an_answer(void *arg)
{
    waiting *mine = arg;
    bowline_event event;
    return bowline_request_wait(mine->both.asker, mine->both.to_server, CHANNEL, "?", 1, 600, &event, sizeof event, NULL);
}

static void a_request_is_not_cut_short(void)
{
    waiting mine = {.both = a_pair(), .wait = wait_for_an_answer};
    handle(SIGUSR1);
    wait_under_fire(&mine);
    CHECK_IS(mine.result, BOWLINE_E_TIMEOUT);
    CHECK(mine.waited_ms >= 599 && mine.waited_ms < 1000 * bt_seconds(5));
    end(mine.both);
}

static int32_t wait_for_room(void *arg)
{
    waiting *mine = arg;
    static const char bytes[100000];
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    int32_t result = BOWLINE_OK;
    opts.timeout_ms = 600;
    do {
        result = bowline_send(mine->both.asker, mine->both.to_server, CHANNEL, bytes, sizeof bytes, &opts);
    } while (result == BOWLINE_OK);
    return result;
}

static void a_send_is_not_cut_short(void)
{
    waiting mine = {.both = a_pair(), .wait = wait_for_room};
    handle(SIGUSR1);
    wait_under_fire(&mine);
    CHECK_IS(mine.result, BOWLINE_E_TIMEOUT);
    CHECK(mine.waited_ms >= 599 && mine.waited_ms < 1000 * bt_seconds(8));
    end(mine.both);
}

static int32_t wait_for_a_link(void *arg)
{
    waiting *mine = arg;
    bowline_peer peer = 0;
    return bowline_connect_wait(mine->to.node, mine->to.address, 600, &peer, NULL);
}

static void a_dial_is_not_cut_short(void)
{
    waiting mine = {.to = a_target(a_node(1)), .wait = wait_for_a_link};
    int silent = a_silent_listener(mine.to.address, sizeof mine.to.address);
    handle(SIGUSR1);
    start(mine.to.node);
    wait_under_fire(&mine);
    CHECK_IS(mine.result, BOWLINE_E_TIMEOUT);
    CHECK(mine.waited_ms >= 599 && mine.waited_ms < 1000 * bt_seconds(5));
    close(silent);
    bowline_node_free(mine.to.node);
    bowline_msg_free(mine.to.msg);
}

static int32_t wait_for_the_stop(void *arg)
{
    waiting *mine = arg;
    return bowline_node_stop(mine->both.asker, 600);
}

static void a_stop_that_drains_is_not_cut_short(void)
{
    static const char bytes[100000];
    waiting mine = {.both = a_pair(), .wait = wait_for_the_stop};
    handle(SIGUSR1);
    while (bowline_send(mine.both.asker, mine.both.to_server, CHANNEL, bytes, sizeof bytes, NULL) == BOWLINE_OK) {
        nap_ms(5); /* until nothing fits on the way any more: the far side polls nothing */
    }
    nap_ms(100);
    while (bowline_send(mine.both.asker, mine.both.to_server, CHANNEL, bytes, sizeof bytes, NULL) == BOWLINE_OK) {
    }
    wait_under_fire(&mine);
    CHECK_IS(mine.result, BOWLINE_E_TIMEOUT);
    CHECK(mine.waited_ms >= 590 && mine.waited_ms < 1000 * bt_seconds(6));
    CHECK_INT(bowline_node_state(mine.both.asker), BOWLINE_STATE_STOPPED);
    end(mine.both);
}

static int32_t wait_for_proof_of_work(void *arg)
{
    bowline_keypair *key = NULL;
    int32_t result = bowline_keypair_generate(40, 400, &key);
    (void)arg;
    bowline_keypair_free(key);
    return result;
}

static void a_search_for_a_key_is_not_cut_short(void)
{
    waiting mine = {.wait = wait_for_proof_of_work};
    handle(SIGUSR1);
    wait_under_fire(&mine);
    CHECK_IS(mine.result, BOWLINE_E_TIMEOUT);
    CHECK(mine.waited_ms >= 390 && mine.waited_ms < 1000 * bt_seconds(5));
}

/* SIGALRM by a timer, as profilers and old programs have it, upon the whole process. */
static void a_timer_upon_the_process_harms_nothing(void)
{
    pair both = a_pair();
    struct itimerval often = {{0, 500}, {0, 500}};
    struct itimerval never = {{0, 0}, {0, 0}};
    int round = 0;
    handle(SIGVTALRM);
    handle(SIGPROF);
    handle(SIGUSR2);
    CHECK_INT(setitimer(ITIMER_VIRTUAL, &often, NULL), 0);
    CHECK_INT(setitimer(ITIMER_PROF, &often, NULL), 0);
    for (round = 0; round < 2000; round++) {
        bowline_event event;
        bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
        opts.timeout_ms = 5000;
        CHECK_INT(kill(getpid(), SIGUSR2), 0);
        CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, &round, sizeof round, &opts));
        event = await(both.server, BOWLINE_EV_MESSAGE);
        CHECK(event.len == sizeof round && memcmp(event.data, &round, sizeof round) == 0);
        bowline_events_release(&event, sizeof event, 1);
    }
    CHECK_INT(setitimer(ITIMER_VIRTUAL, &never, NULL), 0);
    CHECK_INT(setitimer(ITIMER_PROF, &never, NULL), 0);
    CHECK(__atomic_load_n(&handled, __ATOMIC_RELAXED) >= 1000);
    CHECK_INT(__atomic_load_n(&handled_elsewhere, __ATOMIC_RELAXED), 0);
    end(both);
}

/* The application blocks a signal everywhere: it stays pending, no thread of the library takes it instead. */
static void a_blocked_signal_stays_pending(void)
{
    pair both = a_pair();
    sigset_t mine;
    sigset_t pending;
    struct timespec none = {0, 0};
    bowline_event event;
    handle(SIGUSR1);
    sigemptyset(&mine);
    sigemptyset(&pending);
    sigaddset(&mine, SIGUSR1);
    CHECK_INT(pthread_sigmask(SIG_BLOCK, &mine, NULL), 0);
    CHECK_INT(kill(getpid(), SIGUSR1), 0);
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "x", 1, NULL));
    event = await(both.server, BOWLINE_EV_MESSAGE);
    bowline_events_release(&event, sizeof event, 1);
    nap_ms(50);
    CHECK_INT(sigpending(&pending), 0);
    CHECK(sigismember(&pending, SIGUSR1) == 1);
    CHECK_INT(sigtimedwait(&mine, NULL, &none), SIGUSR1);
    CHECK_INT(handled + handled_elsewhere, 0);
    end(both);
}

static void no_handler_is_installed_and_no_mask_changed(void)
{
    struct sigaction before[65];
    sigset_t mask_before;
    sigset_t mask_after;
    pair both;
    int number = 0;
    memset(before, 0, sizeof before);
    memset(&mask_before, 0, sizeof mask_before);
    memset(&mask_after, 0, sizeof mask_after);
    for (number = 1; number < 65; number++) {
        (void)sigaction(number, NULL, &before[number]);
    }
    CHECK_INT(pthread_sigmask(SIG_SETMASK, NULL, &mask_before), 0);
    both = a_pair();
    CHECK_OK(bowline_node_stop(both.asker, 100));
    for (number = 1; number < 65; number++) {
        struct sigaction after;
        memset(&after, 0, sizeof after);
        if (sigaction(number, NULL, &after) == 0) {
            CHECK(after.sa_handler == before[number].sa_handler && after.sa_flags == before[number].sa_flags);
        }
    }
    CHECK_INT(pthread_sigmask(SIG_SETMASK, NULL, &mask_after), 0);
    CHECK(memcmp(&mask_before, &mask_after, sizeof mask_before) == 0);
    end(both);
}

/* A relay in front of a node, which can reset the connection in the middle of what flows. */
typedef struct {
    int listener;
    struct sockaddr_in to;
    int reset_after; /* bytes from the dialer */
} relay;

static void copy_some(int from, int to, int *left)
{
    char bytes[65536];
    ssize_t len = recv(from, bytes, sizeof bytes, MSG_DONTWAIT);
    if (len > 0) {
        ssize_t at = 0;
        while (at < len) {
            ssize_t sent = send(to, bytes + at, (size_t)(len - at), MSG_NOSIGNAL);
            if (sent <= 0) {
                return;
            }
            at += sent;
        }
        *left -= (int)len;
    }
}

static void *relay_and_reset(void *arg)
{
    relay *mine = arg;
    struct linger now = {1, 0};
    int left = mine->reset_after;
    int back = 1 << 30;
    int from = accept4(mine->listener, NULL, NULL, SOCK_CLOEXEC);
    int to = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(from >= 0 && to >= 0 && connect(to, (const void *)&mine->to, sizeof mine->to) == 0);
    while (left > 0) {
        copy_some(from, to, &left);
        copy_some(to, from, &back);
    }
    CHECK_INT(setsockopt(from, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    CHECK_INT(setsockopt(to, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(from);
    close(to);
    return NULL;
}

static void a_reset_under_load_raises_no_sigpipe(void)
{
    static const char bytes[60000];
    static const int amounts[] = {900, 5000, 200000, 1000000, 2000000};
    bowline_node *near = a_node(1);
    bowline_node *far = a_node(2);
    bowline_addr addr;
    size_t round = 0;
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    start(near);
    start(far);
    addr = address_of(far);
    for (round = 0; round < sizeof amounts / sizeof amounts[0]; round++) {
        char text[BOWLINE_ADDR_TEXT_MAX];
        bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
        bowline_peer peer = 0;
        bowline_event event;
        pthread_t middle;
        relay mine;
        int32_t result = BOWLINE_OK;
        memset(&mine, 0, sizeof mine);
        mine.listener = a_silent_listener(text, sizeof text);
        mine.to.sin_family = AF_INET;
        mine.to.sin_port = htons(addr.port);
        memcpy(&mine.to.sin_addr, addr.ip, 4);
        mine.reset_after = amounts[round];
        middle = thread(relay_and_reset, &mine);
        CHECK_OK(bowline_connect_wait(near, text, 20000, &peer, NULL));
        opts.timeout_ms = 20;
        while ((result = bowline_send(near, peer, CHANNEL, bytes, sizeof bytes, &opts)) != BOWLINE_E_PEER_GONE) {
            CHECK(result == BOWLINE_OK || result == BOWLINE_E_TIMEOUT);
            /* The far side takes what comes, so that it flows. */
            while (bowline_queue_poll(bowline_node_main_queue(far), &event, sizeof event, 0) == BOWLINE_OK) {
                bowline_events_release(&event, sizeof event, 1);
            }
        }
        event = await(near, BOWLINE_EV_PEER_DISCONNECTED);
        CHECK(event.peer == peer && event.result != BOWLINE_OK);
        bowline_events_release(&event, sizeof event, 1);
        joined(middle);
        close(mine.listener);
        CHECK_INT(bowline_node_state(near), BOWLINE_STATE_RUNNING);
        CHECK_INT(bowline_node_state(far), BOWLINE_STATE_RUNNING);
    }
    bowline_node_free(near);
    bowline_node_free(far);
}

static const bt_test tests[] = {
    BT(a_poll_is_not_cut_short),
    BT(a_request_is_not_cut_short),
    BT(a_send_is_not_cut_short),
    BT(a_dial_is_not_cut_short),
    BT(a_stop_that_drains_is_not_cut_short),
    BT(a_search_for_a_key_is_not_cut_short),
    BT(a_timer_upon_the_process_harms_nothing),
    BT(a_blocked_signal_stays_pending),
    BT(no_handler_is_installed_and_no_mask_changed),
    BT(a_reset_under_load_raises_no_sigpipe),
};
BT_MAIN(tests)
