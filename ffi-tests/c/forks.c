/*
 * A process that forks, at five points of a node's life: in the child every call on the parent's node and queue is refused by name,
 * frees come back, no node is made, exec inherits nothing; the parent goes on as if nothing had been. A child of a process without nodes
 * makes its own.
 */
#include "hard.h"

#include <semaphore.h>
#include <sys/resource.h>

static int32_t forked(const call *made)
{
    (void)made;
    return BOWLINE_E_FORKED;
}

/* A whole life of a node that this process has made itself. */
static void a_life_of_its_own(uint8_t seed)
{
    bowline_node *own = a_node(seed);
    bowline_event event;
    start(own);
    event = await(own, BOWLINE_EV_NODE_STATE);
    CHECK_INT(event.detail, BOWLINE_STATE_RUNNING);
    CHECK_OK(bowline_node_stop(own, 0));
    bowline_node_free(own);
}

/* The parent had nodes: their locks' waiting threads are known to the child, and are not there. */
static void makes_no_node(void)
{
    bowline_config *config = a_config();
    bowline_keypair *key = NULL;
    bowline_node *own = NULL;
    bowline_error *err = NULL;
    CHECK_OK(bowline_keypair_generate(0, 0, &key));
    CHECK_IS(bowline_node_new(config, key, &own, &err), BOWLINE_E_FORKED);
    CHECK(own == NULL);
    says(err, "fork before the first node is made");
    bowline_keypair_free(key);
    bowline_config_free(config);
}

/* What a child may do with what it has inherited. It does not come back. */
static void live_as_child(const target *to)
{
    bowline_error *err = NULL;
    alarm(bt_seconds(30));
    make_all(to, forked, "in the child");
    CHECK_IS(bowline_node_start(to->node, &err), BOWLINE_E_FORKED);
    CHECK_HAS(bowline_error_text(err), "parent process");
    bowline_error_free(err);
    CHECK_IS(bowline_node_stop(to->node, BOWLINE_FOREVER), BOWLINE_E_FORKED);
    CHECK_INT(bowline_node_state(to->node), BOWLINE_STATE_INVALID);
    CHECK_INT(bowline_queue_fd(to->queue), -1);
    CHECK(bowline_node_main_queue(to->node) != NULL); /* its calls say FORKED */
    CHECK_INT(bowline_is_paused(to->node), 0);
    /* Messages belong to no node. */
    CHECK(bowline_msg_len(to->msg) == 6 && memcmp(bowline_msg_data(to->msg), "shared", 6) == 0);
    bowline_msg_free(bowline_msg_ref(to->msg));
    bowline_node_free(to->node);
    makes_no_node();
    fflush(stdout);
    _exit(0);
}

static pid_t split(void)
{
    pid_t child = 0;
    fflush(stdout);
    child = fork();
    CHECK(child >= 0);
    return child;
}

static void must_end_well(pid_t child)
{
    int status = 0;
    while (waitpid(child, &status, 0) != child) {
        CHECK_INT(errno, EINTR);
    }
    CHECK_INT(status, 0);
}

static void before_any_node_child_and_parent_are_alike(void)
{
    pid_t child = split();
    if (child == 0) {
        alarm(bt_seconds(30));
        a_life_of_its_own(3);
        _exit(0);
    }
    a_life_of_its_own(4);
    must_end_well(child);
}

static void between_new_and_start_the_node_is_the_parents(void)
{
    target to = a_target(a_node(1));
    pid_t child = 0;
    CHECK(bowline_queue_fd(to.queue) >= 0);
    child = split();
    if (child == 0) {
        live_as_child(&to);
    }
    must_end_well(child);
    CHECK_INT(bowline_node_state(to.node), BOWLINE_STATE_NEW);
    start(to.node);
    CHECK_INT(await(to.node, BOWLINE_EV_NODE_STATE).detail, BOWLINE_STATE_RUNNING);
    CHECK_OK(bowline_node_stop(to.node, 0));
    bowline_node_free(to.node);
}

static void while_it_runs_the_link_does_not_notice(void)
{
    pair both = a_pair();
    target to = a_target(both.asker);
    pid_t child = 0;
    bowline_event event;
    to.peer = both.to_server;
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "before", 6, NULL));
    child = split();
    if (child == 0) {
        live_as_child(&to);
    }
    must_end_well(child);
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "after", 5, NULL));
    event = await(both.server, BOWLINE_EV_MESSAGE);
    CHECK(event.len == 6 && memcmp(event.data, "before", 6) == 0);
    bowline_events_release(&event, sizeof event, 1);
    event = await(both.server, BOWLINE_EV_MESSAGE);
    CHECK(event.len == 5 && memcmp(event.data, "after", 5) == 0);
    bowline_events_release(&event, sizeof event, 1);
    CHECK_INT(bowline_node_state(both.asker), BOWLINE_STATE_RUNNING);
    end(both);
    bowline_msg_free(to.msg);
}

/* Threads that are somewhere inside the library, under its locks too, at the moment of the fork. */
typedef struct {
    const target *to;
    int is_over;
} busy;

static void *poll_all_the_time(void *arg)
{
    busy *mine = arg;
    while (!__atomic_load_n(&mine->is_over, __ATOMIC_ACQUIRE)) {
        bowline_event event;
        int32_t result = bowline_queue_poll(mine->to->queue, &event, sizeof event, 20);
        CHECK(result == BOWLINE_OK || result == BOWLINE_E_TIMEOUT);
        if (result == BOWLINE_OK) {
            bowline_events_release(&event, sizeof event, 1);
        }
    }
    return NULL;
}

static void *call_all_the_time(void *arg)
{
    busy *mine = arg;
    while (!__atomic_load_n(&mine->is_over, __ATOMIC_ACQUIRE)) {
        bowline_list *list = NULL;
        CHECK_OK(bowline_peers_snapshot(mine->to->node, &list));
        bowline_list_free(list);
        CHECK_OK(bowline_ban(mine->to->node, "192.0.2.7", 1000, NULL, NULL, NULL));
        CHECK_OK(bowline_queue_wakeup(mine->to->queue, 1));
    }
    return NULL;
}

static void while_others_are_inside_no_lock_holds_the_child(void)
{
    target to = a_target(a_node(1));
    busy shared = {&to, 0};
    pthread_t threads[4];
    size_t at = 0;
    start(to.node);
    for (at = 0; at < 4; at++) {
        threads[at] = thread(at < 2 ? poll_all_the_time : call_all_the_time, &shared);
    }
    for (at = 0; at < 20; at++) {
        pid_t child = split();
        if (child == 0) {
            live_as_child(&to);
        }
        must_end_well(child);
    }
    __atomic_store_n(&shared.is_over, 1, __ATOMIC_RELEASE);
    for (at = 0; at < 4; at++) {
        joined(threads[at]);
    }
    CHECK_INT(bowline_node_state(to.node), BOWLINE_STATE_RUNNING);
    CHECK_OK(bowline_node_stop(to.node, 0));
    bowline_node_free(to.node);
    bowline_msg_free(to.msg);
}

static void *wait_for_ever(void *arg)
{
    const target *to = arg;
    for (;;) {
        bowline_event event;
        int32_t result = bowline_queue_poll(to->queue, &event, sizeof event, BOWLINE_FOREVER);
        if (result != BOWLINE_OK) {
            return result == BOWLINE_E_STOPPED ? arg : NULL;
        }
        bowline_events_release(&event, sizeof event, 1);
    }
}

static void while_another_waits_in_poll_it_goes_on_waiting(void)
{
    target to = a_target(a_node(1));
    pthread_t waiter;
    pid_t child = 0;
    start(to.node);
    waiter = thread(wait_for_ever, &to);
    nap_ms(50);
    child = split();
    if (child == 0) {
        live_as_child(&to);
    }
    must_end_well(child);
    CHECK_INT(bowline_node_state(to.node), BOWLINE_STATE_RUNNING);
    CHECK_OK(bowline_node_stop(to.node, 0));
    CHECK(joined(waiter) == &to);
    bowline_node_free(to.node);
    bowline_msg_free(to.msg);
}

static void after_the_stop_it_is_still_the_parents(void)
{
    target to = a_target(a_node(1));
    pid_t child = 0;
    start(to.node);
    CHECK_OK(bowline_node_stop(to.node, 0));
    child = split();
    if (child == 0) {
        live_as_child(&to);
    }
    must_end_well(child);
    CHECK_INT(bowline_node_state(to.node), BOWLINE_STATE_STOPPED);
    bowline_node_free(to.node);
    bowline_msg_free(to.msg);
}

static void what_belongs_to_no_node_works_in_a_child(void)
{
    target to = a_target(a_node(1));
    bowline_list *list = NULL;
    bowline_error *err = NULL;
    bowline_keypair *key = NULL;
    bowline_config *config = a_config();
    pid_t child = 0;
    start(to.node);
    CHECK_OK(bowline_trust(to.node, "192.0.2.8", BOWLINE_FOREVER, NULL));
    CHECK_OK(bowline_trusted_snapshot(to.node, &list));
    CHECK_IS(bowline_node_start(to.node, &err), BOWLINE_E_STATE);
    CHECK_OK(bowline_keypair_generate(0, 0, &key));
    child = split();
    if (child == 0) {
        bowline_ban_info ban = BOWLINE_BAN_INFO_INIT;
        bowline_peer_id id;
        alarm(bt_seconds(30));
        CHECK_INT(bowline_list_len(list), 1);
        CHECK_OK(bowline_list_ban(list, 0, &ban));
        CHECK_HAS(bowline_error_text(err), "started already");
        CHECK_OK(bowline_keypair_id(key, &id));
        set(config, "pool.max", "60");
        makes_no_node();
        bowline_list_free(list);
        bowline_error_free(err);
        bowline_keypair_free(key);
        bowline_config_free(config);
        fflush(stdout);
        _exit(0);
    }
    must_end_well(child);
    CHECK_INT(bowline_list_len(list), 1);
    bowline_list_free(list);
    bowline_error_free(err);
    bowline_keypair_free(key);
    bowline_config_free(config);
    bowline_node_free(to.node);
    bowline_msg_free(to.msg);
}

static void a_network_of_the_parents_is_refused_to_new_nodes_in_the_child(void)
{
    bowline_config *config = a_config();
    bowline_keypair *key = NULL;
    bowline_memnet *net = NULL;
    pid_t child = 0;
    CHECK_OK(bowline_memnet_new(1, &net));
    CHECK_OK(bowline_config_use_memnet(config, net));
    CHECK_OK(bowline_keypair_generate(0, 0, &key));
    child = split();
    if (child == 0) {
        bowline_node *own = NULL;
        bowline_error *err = NULL;
        alarm(bt_seconds(30));
        CHECK_IS(bowline_node_new(config, key, &own, &err), BOWLINE_E_FORKED);
        CHECK_HAS(bowline_error_text(err), "parent process");
        bowline_error_free(err);
        CHECK_IS(bowline_config_use_memnet(config, net), BOWLINE_E_FORKED);
        /* A network of its own takes its place. */
        CHECK_OK(bowline_memnet_new(1, &net));
        CHECK_OK(bowline_config_use_memnet(config, net));
        CHECK_OK(bowline_node_new(config, key, &own, NULL));
        start(own);
        bowline_node_free(own);
        _exit(0);
    }
    must_end_well(child);
    bowline_config_free(config);
    bowline_keypair_free(key);
    bowline_memnet_free(net);
}

static int lines_written = 0;
static sem_t line_begins;
static sem_t line_may_end;

static void count_line(void *ctx, int32_t level, const char *part, const char *text)
{
    (void)level;
    (void)part;
    (void)text;
    __atomic_fetch_add((int *)ctx, 1, __ATOMIC_RELAXED);
}

static void write_slowly(void *ctx, int32_t level, const char *part, const char *text)
{
    count_line(ctx, level, part, text);
    sem_post(&line_begins);
    sem_wait(&line_may_end);
}

static void *write_a_line(void *arg)
{
    (void)arg;
    bowline_node_free(a_node(9));
    a_life_of_its_own(9);
    return NULL;
}

static void *remove_the_log(void *arg)
{
    (void)arg;
    CHECK_OK(bowline_log_set(NULL, NULL));
    return NULL;
}

static void a_child_writes_to_the_parents_log(void)
{
    pid_t child = 0;
    CHECK_OK(bowline_log_set(count_line, &lines_written));
    child = split();
    if (child == 0) {
        alarm(bt_seconds(30));
        a_life_of_its_own(78);
        CHECK(lines_written > 0);
        CHECK_OK(bowline_log_set(NULL, NULL));
        lines_written = 0;
        a_life_of_its_own(79);
        CHECK_INT(lines_written, 0);
        _exit(0);
    }
    must_end_well(child);
    CHECK_OK(bowline_log_set(NULL, NULL));
}

/* Whoever held the log's locks at the fork is not in the child. */
static void in_the_midst_of_a_line_the_child_sets_its_log(void)
{
    pthread_t threads[2];
    size_t round = 0;
    CHECK_INT(sem_init(&line_begins, 0, 0), 0);
    CHECK_INT(sem_init(&line_may_end, 0, 0), 0);
    CHECK_OK(bowline_log_set(write_slowly, &lines_written));
    threads[0] = thread(write_a_line, NULL);
    CHECK_INT(sem_wait(&line_begins), 0);
    for (round = 0; round < 2; round++) {
        pid_t child = split();
        if (child == 0) {
            alarm(bt_seconds(30));
            CHECK_OK(bowline_log_set(count_line, &lines_written));
            CHECK_OK(bowline_log_filter("info", NULL));
            makes_no_node();
            CHECK_OK(bowline_log_set(NULL, NULL));
            _exit(0);
        }
        must_end_well(child);
        if (round == 0) { /* now somebody waits for the end of the line, too */
            threads[1] = thread(remove_the_log, NULL);
            nap_ms(100);
        }
    }
    for (round = 0; round < 1000; round++) {
        sem_post(&line_may_end);
    }
    joined(threads[0]);
    joined(threads[1]);
}

static void a_queue_of_the_parents_is_freed_in_the_child(void)
{
    bowline_node *node = a_node(1);
    bowline_queue *queue = NULL;
    pid_t child = 0;
    bowline_event event;
    CHECK_OK(bowline_queue_new(node, "second", &queue));
    start(node);
    child = split();
    if (child == 0) {
        alarm(bt_seconds(30));
        bowline_queue_free(queue);
        bowline_node_free(node);
        _exit(0);
    }
    must_end_well(child);
    CHECK_OK(bowline_queue_wakeup(queue, 3));
    do {
        CHECK_OK(bowline_queue_poll(queue, &event, sizeof event, 5000));
    } while (event.kind != BOWLINE_EV_WAKEUP);
    bowline_node_free(node);
    bowline_queue_free(queue);
}

static void a_grandchild_is_told_apart_too(void)
{
    pid_t child = split();
    if (child == 0) {
        target to = a_target(a_node(5));
        pid_t grandchild = 0;
        alarm(bt_seconds(40));
        start(to.node);
        grandchild = split();
        if (grandchild == 0) {
            live_as_child(&to);
        }
        must_end_well(grandchild);
        CHECK_OK(bowline_node_stop(to.node, 0));
        bowline_node_free(to.node);
        bowline_msg_free(to.msg);
        _exit(0);
    }
    must_end_well(child);
    /* This one is nobody's child, and has nodes, too. */
    a_life_of_its_own(6);
}

/* What a program sees that is started by this process: as many lines as it has descriptors. */
static int seen_by_another_program(void)
{
    int back[2];
    char bytes[4096];
    int lines = 0;
    pid_t child = 0;
    CHECK_INT(pipe(back), 0);
    child = split();
    if (child == 0) {
        dup2(back[1], 1);
        close(back[0]);
        close(back[1]);
        execl("/bin/ls", "ls", "/proc/self/fd", (char *)NULL);
        _exit(9);
    }
    close(back[1]);
    for (;;) {
        ssize_t len = read(back[0], bytes, sizeof bytes);
        ssize_t at = 0;
        if (len < 0 && errno == EINTR) {
            continue;
        }
        if (len <= 0) {
            break;
        }
        for (at = 0; at < len; at++) {
            lines += bytes[at] == '\n';
        }
    }
    close(back[0]);
    must_end_well(child);
    return lines;
}

static void exec_inherits_no_descriptor(void)
{
    int before = seen_by_another_program();
    bowline_queue *second = NULL;
    bowline_node *near = a_node(1);
    pair both;
    CHECK_OK(bowline_queue_new(near, "second", &second));
    CHECK_INT(seen_by_another_program(), before);
    both = linked_pair(near, a_node(2));
    CHECK(bowline_queue_fd(bowline_node_main_queue(near)) >= 0 && bowline_queue_fd(second) >= 0);
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "x", 1, NULL));
    CHECK_INT(seen_by_another_program(), before);
    CHECK_OK(bowline_node_stop(near, 0));
    CHECK_INT(seen_by_another_program(), before);
    end(both);
    bowline_queue_free(second);
}

static const bt_test tests[] = {
    BT(before_any_node_child_and_parent_are_alike),
    BT(between_new_and_start_the_node_is_the_parents),
    BT(while_it_runs_the_link_does_not_notice),
    BT(while_others_are_inside_no_lock_holds_the_child),
    BT(while_another_waits_in_poll_it_goes_on_waiting),
    BT(after_the_stop_it_is_still_the_parents),
    BT(what_belongs_to_no_node_works_in_a_child),
    BT(a_network_of_the_parents_is_refused_to_new_nodes_in_the_child),
    BT(a_child_writes_to_the_parents_log),
    BT(in_the_midst_of_a_line_the_child_sets_its_log),
    BT(a_queue_of_the_parents_is_freed_in_the_child),
    BT(a_grandchild_is_told_apart_too),
    BT(exec_inherits_no_descriptor),
};
BT_MAIN(tests)
