/*
 * What contains a panic: behind every call, in every thread, under the pool's lock. Needs a library with the feature fault-injection,
 * which panics where it is told to.
 */
#include "hard.h"

/* In no header: only that library has them. */
void faults_next_call(void);
int faults_withdraw(void);
int faults_at(const char *place);

/* Every call with a live node, a link and a message. */
static void a_panic_in_a_call_is_its_result_alone(void)
{
    pair both = a_pair();
    target to = a_target(both.asker);
    size_t at = 0;
    bowline_event event;
    to.peer = both.to_server;
    for (at = 0; at < CALL_COUNT; at++) {
        int32_t result = BOWLINE_OK;
        faults_next_call();
        result = calls[at].make(&to);
        if (result != BOWLINE_E_PANIC || faults_withdraw()) {
            printf("# %s: %s\n", calls[at].name, bowline_result_name(result));
            CHECK(0);
        }
        if (strcmp(calls[at].name, "bowline_disconnect") != 0 && strcmp(calls[at].name, "bowline_pause") != 0) {
            must_be_documented(&calls[at], calls[at].make(&to)); /* the next call works */
        }
        CHECK_INT(bowline_node_state(to.node), BOWLINE_STATE_RUNNING);
    }
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, "alive", 5, NULL));
    do {
        event = await(both.server, BOWLINE_EV_MESSAGE);
        at = event.len == 5 && memcmp(event.data, "alive", 5) == 0;
        bowline_events_release(&event, sizeof event, 1);
    } while (at == 0);
    bowline_msg_free(to.msg);
    end(both);
}

static void a_panic_says_what_it_said(void)
{
    bowline_node *node = a_node(1);
    bowline_error *err = NULL;
    faults_next_call();
    CHECK_IS(bowline_node_start(node, &err), BOWLINE_E_PANIC);
    CHECK_IS(bowline_error_code(err), BOWLINE_E_PANIC);
    CHECK_HAS(bowline_error_text(err), "the library panicked: a fault was ordered in this call");
    bowline_error_free(err);
    start(node);
    bowline_node_free(node);
}

static char last_line[300];

static void keep(void *ctx, int32_t level, const char *part, const char *text)
{
    CHECK(ctx == last_line);
    snprintf(last_line, sizeof last_line, "%d %s: %s", level, part, text);
}

static void a_panic_is_in_the_log(void)
{
    bowline_node *node = a_node(1);
    bowline_error *err = NULL;
    static const char *const said = "1 bowline::ffi: the library panicked: a fault was ordered in this call";
    CHECK_OK(bowline_log_set(keep, last_line));
    CHECK_OK(bowline_log_filter("error", NULL));
    faults_next_call();
    CHECK_IS(bowline_node_start(node, &err), BOWLINE_E_PANIC);
    bowline_error_free(err);
    CHECK_TEXT(last_line, said);
    last_line[0] = 0;
    faults_next_call(); /* one without an error object */
    CHECK_IS(bowline_pause(node), BOWLINE_E_PANIC);
    CHECK_TEXT(last_line, said);
    last_line[0] = 0;
    faults_next_call(); /* and one without an answer */
    bowline_node_free(node);
    CHECK_TEXT(last_line, said);
    CHECK_OK(bowline_log_set(NULL, NULL));
    bowline_node_free(node);
}

static void a_panic_on_one_thread_is_no_others(void)
{
    bowline_node *node = a_node(1);
    bowline_peer_id id;
    faults_next_call();
    joined(thread((void *(*)(void *))bowline_node_main_queue, node)); /* another thread's call takes no order of ours */
    CHECK_IS(bowline_node_id(node, &id), BOWLINE_E_PANIC);
    CHECK_OK(bowline_node_id(node, &id));
    bowline_node_free(node);
}

static void a_panic_while_freeing_frees_nothing(void)
{
    bowline_node *node = a_node(1);
    bowline_msg *msg = NULL;
    bowline_queue *queue = NULL;
    CHECK_OK(bowline_msg_copy("x", 1, &msg));
    CHECK_OK(bowline_queue_new(node, "q", &queue));
    start(node);
    faults_next_call();
    bowline_node_free(node);
    faults_next_call();
    bowline_queue_free(queue);
    faults_next_call();
    bowline_msg_free(msg);
    CHECK(!faults_withdraw());
    CHECK_INT(bowline_node_state(node), BOWLINE_STATE_RUNNING);
    CHECK(bowline_msg_len(msg) == 1 && bowline_queue_fd(queue) >= 0);
    bowline_node_free(node);
    bowline_queue_free(queue);
    bowline_msg_free(msg);
}

/* After the stop a call says STOPPED, after a failure FATAL; what reads goes on reading. */
static int32_t after_a_failure(const call *made)
{
    int is_asked = strcmp(made->name, "bowline_node_fatal_error") == 0;
    return is_asked || made->after == BOWLINE_E_STOPPED ? BOWLINE_E_FATAL : made->after;
}

/* What a failed node must be like, whatever failed in it. */
static void must_have_failed(pair *both, const char *place)
{
    bowline_node *node = both->asker;
    target to = a_target(node);
    bowline_event event;
    bowline_error *err = NULL;
    int32_t result = BOWLINE_OK;
    int is_told = 0;
    int ups = 0;
    int downs = 0;
    CHECK_INT(bowline_node_state(node), BOWLINE_STATE_FAILED);
    nap_ms(300); /* a reactor that lives tells of the ends of links a moment later */
    while ((result = bowline_queue_poll(to.queue, &event, sizeof event, 5000)) == BOWLINE_OK) {
        if (event.kind == BOWLINE_EV_FATAL) {
            CHECK_IS(event.result, BOWLINE_E_FATAL);
            CHECK_HAS((const char *)event.data, place);
            is_told++;
        }
        ups += event.kind == BOWLINE_EV_PEER_CONNECTED;
        downs += event.kind == BOWLINE_EV_PEER_DISCONNECTED;
        bowline_events_release(&event, sizeof event, 1);
    }
    CHECK_IS(result, BOWLINE_E_FATAL);
    CHECK_INT(is_told, 1);
    /* The first beginning may have been polled before; the reactor tells of ends, unless it was the one that failed. */
    CHECK(downs <= ups + 1);
    CHECK_IS(bowline_node_fatal_error(node, &err), BOWLINE_E_FATAL);
    CHECK_HAS(bowline_error_text(err), place);
    bowline_error_free(err);
    make_all(&to, after_a_failure, "after a failure");
    to.timeout_ms = BOWLINE_FOREVER;
    make_all(&to, after_a_failure, "after a failure, for ever");
    result = bowline_node_stop(node, 1000);
    CHECK_IS(result, BOWLINE_E_FATAL);
    /* The other node has lost a peer, no more. */
    event = await(both->server, BOWLINE_EV_PEER_DISCONNECTED);
    bowline_events_release(&event, sizeof event, 1);
    CHECK_INT(bowline_node_state(both->server), BOWLINE_STATE_RUNNING);
    bowline_msg_free(to.msg);
    end(*both);
}

/* Waits until one of them has failed, and turns them round if it is the other: both have such threads. */
static pair failed_first(pair both)
{
    pair turned = {both.server, both.asker, both.to_asker, both.to_server};
    while (bowline_node_state(both.asker) != BOWLINE_STATE_FAILED && bowline_node_state(both.server) != BOWLINE_STATE_FAILED) {
        nap_ms(5);
    }
    return bowline_node_state(both.server) == BOWLINE_STATE_FAILED ? turned : both;
}

/* Every thread wakes up for something. */
static void rouse(const pair *both)
{
    bowline_peer peer = 0;
    char address[BOWLINE_ADDR_TEXT_MAX];
    (void)bowline_maintain(both->asker);
    (void)bowline_send(both->asker, both->to_server, CHANNEL, "x", 1, NULL);
    (void)bowline_discover_wait(both->asker, both->to_server, 200, &(bowline_list *){NULL}, NULL);
    (void)bowline_ask_addresses(both->asker, 0, NULL, NULL);
    (void)bowline_save(both->asker, 200, NULL);
    snprintf(address, sizeof address, "%s", address_text(both->server));
    (void)bowline_disconnect(both->asker, both->to_server, 0, 0);
    (void)bowline_connect_wait(both->asker, address, 200, &peer, NULL);
}

static void fails_with(const char *place)
{
    bowline_config *config = a_config();
    char path[] = "/tmp/bowline-panics-XXXXXX";
    char store[64];
    pair both;
    CHECK(mkdtemp(path) != NULL);
    snprintf(store, sizeof store, "%s/book", path);
    set(config, "store.path", store);
    both = linked_pair(a_node_of(config, 1), a_node(2));
    CHECK_INT(faults_at(place), 1);
    rouse(&both);
    both = failed_first(both);
    must_have_failed(&both, place);
    unlink(store);
    rmdir(path);
}

static void a_panic_in_the_reactor_fails_the_node_alone(void)
{
    fails_with("bwl-reactor");
}

static void a_panic_in_welcome_fails_the_node_alone(void)
{
    fails_with("bwl-welcome");
}

static void a_panic_in_maintenance_fails_the_node_alone(void)
{
    fails_with("bwl-maintain");
}

static void a_panic_in_exchange_fails_the_node_alone(void)
{
    fails_with("bwl-exchange");
}

static void a_panic_in_the_storekeeper_fails_the_node_alone(void)
{
    fails_with("bwl-store");
}

/* Every call that changes the pool without a worker, whatever it changes there. */
static int32_t to_ban(const target *to)
{
    return bowline_ban(to->node, "192.0.2.7", BOWLINE_FOREVER, NULL, NULL, NULL);
}

static int32_t to_connect(const target *to)
{
    return bowline_connect(to->node, &to->addr, NULL, 0, 9);
}

static int32_t to_connect_and_wait(const target *to)
{
    bowline_peer peer = 0;
    return bowline_connect_wait(to->node, to->address, 1000, &peer, NULL);
}

static int32_t to_set_a_quota(const target *to)
{
    return bowline_role_quota_set(to->node, "archive", 1, 0, NULL);
}

static int32_t to_note_of_an_address(const target *to)
{
    return bowline_addr_note(to->node, "127.0.0.7:9", "n", 1, NULL);
}

static int32_t to_note_of_a_peer(const target *to)
{
    return bowline_peer_note(to->node, &to->id, "n", 1, NULL);
}

static int32_t to_praise(const target *to)
{
    return bowline_peer_useful(to->node, to->peer);
}

static int32_t to_pause(const target *to)
{
    return bowline_pause(to->node);
}

static int32_t to_resume(const target *to)
{
    return bowline_resume(to->node);
}

/* It ends all the same, and says how it is. */
static int32_t to_stop(const target *to)
{
    return bowline_node_stop(to->node, 1000);
}

/* Here it is a worker that panics. */
static int32_t to_maintain(const target *to)
{
    return bowline_maintain(to->node);
}

static const struct {
    const char *name;
    const char *place;
    int32_t result;
    int32_t (*make)(const target *to);
} of_the_pool[] = {
    {"ban", "pool", BOWLINE_E_PANIC, to_ban},
    {"connect", "pool", BOWLINE_E_PANIC, to_connect},
    {"connect_wait", "pool", BOWLINE_E_PANIC, to_connect_and_wait},
    {"role_quota_set", "pool", BOWLINE_E_PANIC, to_set_a_quota},
    {"addr_note", "pool", BOWLINE_E_PANIC, to_note_of_an_address},
    {"peer_note", "pool", BOWLINE_E_PANIC, to_note_of_a_peer},
    {"peer_useful", "pool", BOWLINE_E_PANIC, to_praise},
    {"pause", "pool", BOWLINE_E_PANIC, to_pause},
    {"resume", "pool", BOWLINE_E_PANIC, to_resume},
    {"node_stop", "pool", BOWLINE_E_FATAL, to_stop},
    {"maintain", "bwl-pool", BOWLINE_OK, to_maintain},
};

static void a_panic_of_whoever_changes_the_pool_fails_the_node(void)
{
    size_t at = 0;
    for (at = 0; at < sizeof of_the_pool / sizeof of_the_pool[0]; at++) {
        pair both = a_pair();
        target to = a_target(both.asker);
        int32_t result = BOWLINE_OK;
        char says[100];
        to.peer = both.to_server;
        CHECK_INT(faults_at(of_the_pool[at].place), 1);
        result = of_the_pool[at].make(&to);
        if (result != of_the_pool[at].result) {
            printf("# %s: %s\n", of_the_pool[at].name, bowline_result_name(result));
            CHECK(0);
        }
        bowline_msg_free(to.msg);
        both = failed_first(both);
        snprintf(says, sizeof says, "work on the pool panicked: a fault was ordered in %s", of_the_pool[at].place);
        must_have_failed(&both, says);
    }
}

static void a_panic_under_the_pools_lock_says_what_it_said(void)
{
    pair both = a_pair();
    bowline_error *err = NULL;
    CHECK_INT(faults_at("pool"), 1);
    CHECK_IS(bowline_ban(both.asker, "192.0.2.7", BOWLINE_FOREVER, NULL, NULL, &err), BOWLINE_E_PANIC);
    CHECK_HAS(bowline_error_text(err), "ordered in pool");
    bowline_error_free(err);
    end(both);
}

typedef struct {
    pair both;
    int32_t result;
} waiter;

static void *wait_for_events(void *arg)
{
    waiter *mine = arg;
    do {
        bowline_event event;
        mine->result = bowline_queue_poll(bowline_node_main_queue(mine->both.asker), &event, sizeof event, BOWLINE_FOREVER);
        if (mine->result == BOWLINE_OK) {
            bowline_events_release(&event, sizeof event, 1);
        }
    } while (mine->result == BOWLINE_OK);
    return NULL;
}

static void *wait_for_an_answer(void *arg)
{
    waiter *mine = arg;
    bowline_event event;
    mine->result =
        bowline_request_wait(mine->both.asker, mine->both.to_server, CHANNEL, "?", 1, BOWLINE_FOREVER, &event, sizeof event, NULL);
    return NULL;
}

static void a_failure_releases_those_who_wait(void)
{
    waiter polls = {a_pair(), BOWLINE_OK};
    waiter asks = {polls.both, BOWLINE_OK};
    pthread_t threads[2];
    threads[0] = thread(wait_for_events, &polls);
    threads[1] = thread(wait_for_an_answer, &asks);
    nap_ms(200); /* until they wait; those who come later are told, too */
    while (bowline_node_state(polls.both.asker) != BOWLINE_STATE_FAILED) { /* the other's thread may have come first */
        CHECK_INT(faults_at("bwl-maintain"), 1);
        (void)bowline_maintain(polls.both.asker);
        nap_ms(5);
    }
    CHECK_INT(faults_at("nowhere"), 0); /* what was ordered last is withdrawn */
    joined(threads[0]);
    joined(threads[1]);
    CHECK_IS(polls.result, BOWLINE_E_FATAL);
    CHECK(asks.result == BOWLINE_E_FATAL || asks.result == BOWLINE_E_PEER_GONE);
    end(polls.both);
}

static const bt_test tests[] = {
    BT(a_panic_in_a_call_is_its_result_alone),
    BT(a_panic_says_what_it_said),
    BT(a_panic_is_in_the_log),
    BT(a_panic_on_one_thread_is_no_others),
    BT(a_panic_while_freeing_frees_nothing),
    BT(a_panic_in_the_reactor_fails_the_node_alone),
    BT(a_panic_in_welcome_fails_the_node_alone),
    BT(a_panic_in_maintenance_fails_the_node_alone),
    BT(a_panic_in_exchange_fails_the_node_alone),
    BT(a_panic_in_the_storekeeper_fails_the_node_alone),
    BT(a_panic_of_whoever_changes_the_pool_fails_the_node),
    BT(a_panic_under_the_pools_lock_says_what_it_said),
    BT(a_failure_releases_those_who_wait),
};
BT_MAIN(tests)
