/* Life of a node: start and stop, what it leaves behind, what it refuses to start with, waiting calls, signals. */
#include "nodes.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <time.h>

static void fifty_lives_leave_nothing_behind(void)
{
    int fds = 0;
    int threads = 0;
    int round = 0;
    for (round = 0; round < 51; round++) {
        bowline_node *node = a_node(1);
        bowline_event event;
        CHECK(bowline_queue_fd(bowline_node_main_queue(node)) >= 0);
        start(node);
        CHECK_INT(bowline_node_state(node), BOWLINE_STATE_RUNNING);
        event = await(node, BOWLINE_EV_NODE_STATE);
        CHECK_INT(event.detail, BOWLINE_STATE_RUNNING);
        CHECK_OK(bowline_node_stop(node, 0));
        bowline_node_free(node);
        if (round == 0) {
            /* The first life may leave what a process keeps for ever, such as descriptors of the C library. */
            fds = entries("/proc/self/fd");
            threads = settled("/proc/self/task", 1);
        }
    }
    CHECK_INT(threads, 1);
    CHECK_INT(entries("/proc/self/fd"), fds);
    CHECK_INT(settled("/proc/self/task", threads), threads);
}

static void free_stops_what_still_runs(void)
{
    bowline_node *node = a_node(1);
    start(node);
    CHECK(entries("/proc/self/task") > 1);
    bowline_node_free(node);
    CHECK_INT(settled("/proc/self/task", 1), 1);
}

/* Descriptors that a program started by this one would inherit. */
static int inheritable(void)
{
    int count = 0;
    int fd = 0;
    for (fd = 0; fd < 1024; fd++) {
        int flags = fcntl(fd, F_GETFD);
        count += flags >= 0 && (flags & FD_CLOEXEC) == 0;
    }
    return count;
}

static void no_descriptor_reaches_another_program(void)
{
    int before = inheritable();
    bowline_node *node = a_node(1);
    bowline_node *other = a_node(2);
    bowline_peer peer = 0;
    CHECK(bowline_queue_fd(bowline_node_main_queue(node)) >= 0);
    start(node);
    start(other);
    CHECK_OK(bowline_connect_wait(other, address_text(node), 10000, &peer, NULL));
    CHECK_INT(inheritable(), before);
    bowline_node_free(node);
    bowline_node_free(other);
}

static void an_occupied_port_is_named(void)
{
    bowline_node *first = a_node(1);
    bowline_node *second = NULL;
    bowline_config *config = a_config();
    bowline_error *err = NULL;
    start(first);
    set(config, "listen.addresses", address_text(first));
    second = a_node_of(config, 2);
    CHECK_IS(bowline_node_start(second, &err), BOWLINE_E_ADDR_IN_USE);
    CHECK_HAS(bowline_error_text(err), address_text(first));
    bowline_error_free(err);
    /* The first does not notice; the second may try again once the port is free. */
    CHECK_INT(bowline_node_state(first), BOWLINE_STATE_RUNNING);
    CHECK_INT(bowline_node_state(second), BOWLINE_STATE_NEW);
    bowline_node_free(first);
    start(second);
    bowline_node_free(second);
}

static void an_address_of_another_machine_is_named(void)
{
    bowline_config *config = a_config();
    bowline_node *node = NULL;
    set(config, "listen.addresses", "192.0.2.1:0");
    node = a_node_of(config, 1);
    CHECK_IS(bowline_node_start(node, NULL), BOWLINE_E_ADDR_UNAVAILABLE);
    bowline_node_free(node);
}

static void refused(bowline_config *config, uint32_t pow_bits, int32_t want, const char *says)
{
    bowline_keypair *key = NULL;
    bowline_node *node = NULL;
    bowline_error *err = NULL;
    CHECK_OK(bowline_keypair_generate(pow_bits, BOWLINE_FOREVER, &key));
    CHECK_IS(bowline_node_new(config, key, &node, &err), want);
    CHECK(node == NULL);
    CHECK_HAS(bowline_error_text(err), says);
    bowline_error_free(err);
    bowline_keypair_free(key);
    bowline_config_free(config);
}

static void what_cannot_work_is_refused_before_the_start(void)
{
    bowline_config *config = a_config();
    set(config, "discovery.bootstrap", "false");
    refused(config, 0, BOWLINE_E_INVALID, "discovery.seeds");
    config = a_config();
    set(config, "network.name", "");
    refused(config, 0, BOWLINE_E_INVALID, "network.name");
    config = a_config();
    set(config, "pool.min", "60");
    refused(config, 0, BOWLINE_E_INVALID, "pool.min");
    config = a_config();
    set(config, "network.pow_bits", "30");
    refused(config, 0, BOWLINE_E_IDENTITY, "30");
    /* With its proof of work the same is accepted. */
    config = a_config();
    set(config, "network.pow_bits", "10");
    {
        bowline_keypair *key = NULL;
        bowline_node *node = NULL;
        CHECK_OK(bowline_keypair_generate(10, BOWLINE_FOREVER, &key));
        CHECK_OK(bowline_node_new(config, key, &node, NULL));
        bowline_keypair_free(key);
        bowline_node_free(node);
        bowline_config_free(config);
    }
}

static void *poll_for_ever(void *queue)
{
    bowline_event event;
    int32_t result = BOWLINE_OK;
    while ((result = bowline_queue_poll(queue, &event, sizeof event, BOWLINE_FOREVER)) == BOWLINE_OK) {
        bowline_events_release(&event, sizeof event, 1);
    }
    return result == BOWLINE_E_STOPPED ? queue : NULL;
}

static void stop_ends_all_who_wait(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    pthread_t threads[8];
    size_t at = 0;
    start(node);
    for (at = 0; at < 8; at++) {
        CHECK_INT(pthread_create(&threads[at], NULL, poll_for_ever, queue), 0);
    }
    CHECK_OK(bowline_queue_wakeup(queue, 1));
    CHECK_OK(bowline_node_stop(node, 0));
    for (at = 0; at < 8; at++) {
        void *result = NULL;
        CHECK_INT(pthread_join(threads[at], &result), 0);
        CHECK(result == queue);
    }
    bowline_node_free(node);
}

static void the_descriptor_says_what_the_queue_has(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    struct pollfd watched;
    bowline_event event;
    memset(&watched, 0, sizeof watched);
    watched.fd = bowline_queue_fd(queue);
    watched.events = POLLIN;
    CHECK(watched.fd >= 0 && bowline_queue_fd(queue) == watched.fd);
    CHECK_INT(poll(&watched, 1, 0), 0);
    CHECK_OK(bowline_queue_wakeup(queue, 1));
    CHECK_OK(bowline_queue_wakeup(queue, 2));
    CHECK_INT(poll(&watched, 1, 0), 1);
    CHECK_OK(bowline_queue_poll(queue, &event, sizeof event, 0));
    CHECK(event.kind == BOWLINE_EV_WAKEUP && event.tag == 1);
    CHECK_INT(poll(&watched, 1, 0), 1); /* level-triggered: there is more */
    CHECK_OK(bowline_queue_poll(queue, &event, sizeof event, 0));
    CHECK_INT(event.tag, 2);
    CHECK_INT(poll(&watched, 1, 0), 0);
    CHECK_IS(bowline_queue_poll(queue, &event, sizeof event, 0), BOWLINE_E_AGAIN);
    start(node);
    CHECK_INT(poll(&watched, 1, 5000), 1);
    event = await(node, BOWLINE_EV_NODE_STATE);
    CHECK_INT(event.detail, BOWLINE_STATE_RUNNING);
    CHECK_OK(bowline_node_stop(node, 0));
    while (bowline_queue_poll(queue, &event, sizeof event, 0) == BOWLINE_OK) {
    }
    CHECK_INT(poll(&watched, 1, 0), 1); /* stopped: for ever readable */
    bowline_node_free(node);
}

static void timeouts_are_kept(void)
{
    bowline_node *node = a_node(1);
    bowline_event event;
    uint64_t before = bowline_clock_ns();
    uint64_t taken = 0;
    CHECK_IS(bowline_queue_poll(bowline_node_main_queue(node), &event, sizeof event, 200), BOWLINE_E_TIMEOUT);
    taken = (bowline_clock_ns() - before) / 1000000;
    CHECK(taken >= 199 && taken < 5000);
    bowline_node_free(node);
}

static void objects_outlive_the_node(void)
{
    bowline_node *node = a_node(1);
    bowline_list *list = NULL;
    bowline_msg *msg = NULL;
    bowline_error *err = NULL;
    bowline_queue *queue = NULL;
    bowline_event event;
    CHECK_OK(bowline_queue_new(node, "other", &queue));
    start(node);
    CHECK_OK(bowline_peers_snapshot(node, &list));
    CHECK_OK(bowline_msg_copy("bytes", 5, &msg));
    CHECK_OK(bowline_broadcast(node, CHANNEL, msg, 0, NULL, NULL));
    CHECK_IS(bowline_node_start(node, &err), BOWLINE_E_STATE);
    bowline_node_free(node);
    CHECK_INT(bowline_list_len(list), 0);
    CHECK(memcmp(bowline_msg_data(msg), "bytes", 5) == 0);
    CHECK(strlen(bowline_error_text(err)) > 10);
    while (bowline_queue_poll(queue, &event, sizeof event, 0) == BOWLINE_OK) {
        bowline_events_release(&event, sizeof event, 1);
    }
    CHECK_IS(bowline_queue_poll(queue, &event, sizeof event, 0), BOWLINE_E_STOPPED);
    bowline_list_free(list);
    bowline_msg_free(msg);
    bowline_error_free(err);
    bowline_queue_free(queue);
}

static void *use_up(void *queue)
{
    bowline_event event;
    int32_t result = BOWLINE_OK;
    while ((result = bowline_queue_poll(queue, &event, sizeof event, BOWLINE_FOREVER)) == BOWLINE_OK) {
        bowline_events_release(&event, sizeof event, 1);
    }
    CHECK_IS(result, BOWLINE_E_STOPPED);
    CHECK_IS(bowline_queue_wakeup(queue, 1), BOWLINE_E_STOPPED);
    bowline_queue_free(queue);
    return NULL;
}

static void a_queue_outlives_its_node(void)
{
    bowline_queue *waiting = NULL;
    bowline_queue *full = NULL;
    bowline_queue *idle = NULL;
    bowline_node *node = a_node(1);
    bowline_node *never_started = a_node(2);
    bowline_msg *msg = NULL;
    bowline_event event;
    pthread_t poller;
    struct pollfd watched;
    int main_fds[2];
    CHECK_OK(bowline_queue_new(node, "waiting", &waiting));
    CHECK_OK(bowline_queue_new(node, "full", &full));
    CHECK_OK(bowline_queue_new(never_started, "idle", &idle));
    CHECK_OK(bowline_queue_bind_channel(full, CHANNEL));
    start(node);
    /* One waits in it while the node goes; another still has a message. */
    CHECK_INT(pthread_create(&poller, NULL, use_up, waiting), 0);
    CHECK_OK(bowline_send(node, BOWLINE_PEER_LOCAL, CHANNEL, "left behind", 11, NULL));
    main_fds[0] = bowline_queue_fd(bowline_node_main_queue(node));
    main_fds[1] = bowline_queue_fd(bowline_node_main_queue(never_started));
    CHECK(fcntl(main_fds[0], F_GETFD) >= 0 && fcntl(main_fds[1], F_GETFD) >= 0);
    bowline_node_free(node);
    bowline_node_free(never_started);
    /* Their main queues went with them. */
    CHECK(fcntl(main_fds[0], F_GETFD) < 0 && fcntl(main_fds[1], F_GETFD) < 0);
    CHECK_INT(pthread_join(poller, NULL), 0);
    do {
        CHECK_OK(bowline_queue_poll(full, &event, sizeof event, BOWLINE_FOREVER));
        msg = event.kind == BOWLINE_EV_MESSAGE ? bowline_msg_ref(event.msg) : NULL;
        release(&event);
    } while (msg == NULL);
    CHECK_OK(bowline_queue_set_wake(idle, NULL, NULL));
    CHECK_IS(bowline_queue_bind_channel(idle, CHANNEL), BOWLINE_E_STATE);
    memset(&watched, 0, sizeof watched);
    watched.fd = bowline_queue_fd(idle);
    watched.events = POLLIN;
    CHECK_INT(poll(&watched, 1, 0), 1);
    (void)use_up(full);
    (void)use_up(idle);
    CHECK(memcmp(bowline_msg_data(msg), "left behind", 11) == 0);
    bowline_msg_free(msg);
}

/* Reads "SigBlk: <hex>" of each thread but the main one; how many have a name of the library's. */
static int threads_with_all_signals_blocked(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry = NULL;
    int named = 0;
    CHECK(dir != NULL);
    while ((entry = readdir(dir)) != NULL) {
        char path[300];
        char line[256];
        char name[64] = "";
        FILE *status = NULL;
        if (entry->d_name[0] == '.' || atoi(entry->d_name) == (int)getpid()) {
            continue;
        }
        snprintf(path, sizeof path, "/proc/self/task/%s/status", entry->d_name);
        status = fopen(path, "r");
        if (status == NULL) {
            continue; /* it has ended meanwhile */
        }
        while (fgets(line, sizeof line, status) != NULL) {
            unsigned long long blocked = 0;
            /* A thread that has just begun still has the name of its maker. */
            if (sscanf(line, "Name: %63s", name) == 1) {
                named += strncmp(name, "bwl-", 4) == 0;
            }
            if (sscanf(line, "SigBlk: %llx", &blocked) == 1) {
                /* KILL (9) and STOP (19) cannot be blocked, the C library keeps 32 and 33 for itself. */
                unsigned long long all = ~0ULL & ~(1ULL << 8) & ~(1ULL << 18) & ~(3ULL << 31);
                if (getenv("BT_TMO") != NULL) {
                    all &= ~(1ULL << 63) & ~0x400005d8ULL; /* valgrind keeps 64, ILL, TRAP, BUS, FPE, SEGV and SYS */
                }
                if ((blocked & all) != all) {
                    printf("# %s blocks %llx\n", name, blocked);
                }
                CHECK((blocked & all) == all);
            }
        }
        fclose(status);
    }
    closedir(dir);
    return named;
}

static void library_threads_never_see_a_signal(void)
{
    bowline_node *node = a_node(1);
    bowline_peer peer = 0;
    sigset_t before;
    sigset_t after;
    memset(&before, 0, sizeof before);
    memset(&after, 0, sizeof after);
    pthread_sigmask(SIG_SETMASK, NULL, &before);
    start(node);
    /* The resolver's thread, too. */
    CHECK(bowline_connect_wait(node, "name.invalid:1", 0, &peer, NULL) != BOWLINE_OK);
    while (threads_with_all_signals_blocked() < 4) { /* some may not have named themselves yet */
    }
    pthread_sigmask(SIG_SETMASK, NULL, &after);
    CHECK(memcmp(&before, &after, sizeof before) == 0);
    bowline_node_free(node);
}

static volatile sig_atomic_t handled = 0;

static void count_signal(int number)
{
    (void)number;
    handled++;
}

static void a_storm_of_signals_harms_nobody(void)
{
    struct sigaction action;
    bowline_node *node = a_node(1);
    int round = 0;
    memset(&action, 0, sizeof action);
    action.sa_handler = count_signal;
    CHECK_INT(sigaction(SIGUSR1, &action, NULL), 0);
    start(node);
    for (round = 0; round < 1000; round++) {
        CHECK_INT(kill(getpid(), SIGUSR1), 0);
    }
    CHECK(handled > 0 && bowline_node_state(node) == BOWLINE_STATE_RUNNING);
    CHECK_OK(bowline_node_stop(node, 0));
    bowline_node_free(node);
}

/* A connection that says garbage and then resets instead of closing. */
static void garbage_and_reset(const bowline_addr *to, size_t len)
{
    static const char garbage[4096] = "GET / HTTP/1.1\r\n\r\n";
    struct linger now = {1, 0};
    struct sockaddr_in at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_port = htons(to->port);
    memcpy(&at.sin_addr, to->ip, 4);
    CHECK(fd >= 0 && connect(fd, (const void *)&at, sizeof at) == 0);
    CHECK(len == 0 || send(fd, garbage, len, MSG_NOSIGNAL) > 0);
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
    close(fd);
}

static void connections_that_reset_kill_nobody(void)
{
    static const size_t lengths[] = {0, 1, 100, 160, 161, 4096};
    bowline_node *node = a_node(1);
    bowline_addr addr;
    bowline_metrics metrics = BOWLINE_METRICS_INIT;
    size_t at = 0;
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    start(node);
    addr = address_of(node);
    for (at = 0; at < 60; at++) {
        garbage_and_reset(&addr, lengths[at % 6]);
    }
    for (at = 0; at < 200 && metrics.accepts_refused < 60; at++) {
        struct timespec pause = {0, 50000000};
        nanosleep(&pause, NULL);
        CHECK_OK(bowline_metrics_get(node, &metrics));
    }
    /* Each was accepted, and refused. */
    CHECK_INT(metrics.accepts_total, 60);
    CHECK_INT(metrics.accepts_refused, 60);
    CHECK(metrics.peers_in == 0 && metrics.panics == 0);
    CHECK_INT(bowline_node_state(node), BOWLINE_STATE_RUNNING);
    CHECK_OK(bowline_node_stop(node, 0));
    bowline_node_free(node);
}

static const bt_test tests[] = {
    BT(fifty_lives_leave_nothing_behind),
    BT(free_stops_what_still_runs),
    BT(no_descriptor_reaches_another_program),
    BT(an_occupied_port_is_named),
    BT(an_address_of_another_machine_is_named),
    BT(what_cannot_work_is_refused_before_the_start),
    BT(stop_ends_all_who_wait),
    BT(the_descriptor_says_what_the_queue_has),
    BT(timeouts_are_kept),
    BT(objects_outlive_the_node),
    BT(a_queue_outlives_its_node),
    BT(library_threads_never_see_a_signal),
    BT(a_storm_of_signals_harms_nobody),
    BT(connections_that_reset_kill_nobody),
};
BT_MAIN(tests)
