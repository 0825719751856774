/*
 * A soup of calls: make, bind, start, link, send, ask, answer, ban, stop, free, in an order that a seed draws. Every answer must be one
 * that the header names, nothing may hang or die, and at the end everything is freed. A seed draws the same as long
 * as the same events come in time.
 *
 *   SOUP_SEED=n   that seed alone
 *   SOUP_SEEDS=n  seeds 1 to n instead of those of the test
 */
#include "hard.h"

enum { NODES = 3, QUEUES = 2, MSGS = 8, EVENTS = 16, STEPS = 300 };

/* What there is to call with; NULL where nothing is at the moment. */
typedef struct {
    uint64_t state;
    bowline_node *nodes[NODES];
    bowline_queue *queues[NODES][QUEUES];
    bowline_msg *msgs[MSGS];
    bowline_event events[EVENTS];
    bowline_peer peers[NODES];
    bowline_request requests[NODES];
    bowline_list *list;
    bowline_error *err;
    size_t made;
} soup;

static size_t draw(soup *pot, size_t below)
{
    return (size_t)(drawn(&pot->state) % below);
}

/* Any answer that the header names will do. */
static int32_t answered(soup *pot, const char *name, int32_t result)
{
    pot->made++;
    if (!is_documented(name, result)) {
        printf("# %s answered %s, which its comment does not name\n", name, bowline_result_name(result));
        fflush(stdout);
        _exit(1);
    }
    return result;
}

#define ANSWER(name, arguments) answered(pot, "bowline_" #name, bowline_##name arguments)

static void make_node(soup *pot, size_t at)
{
    bowline_config *config = NULL;
    bowline_channel_desc desc = a_channel(0x21);
    if (pot->nodes[at] != NULL) {
        return;
    }
    config = a_config();
    set(config, "accept.rate", "10000");
    desc.max_message = 100;
    desc.recv_queue_msgs = 4;
    CHECK_OK(bowline_config_add_channel(config, &desc, NULL));
    if (draw(pot, 4) == 0) {
        (void)ANSWER(config_set, (config, "pool.max", draw(pot, 2) == 0 ? "60" : "nonsense", NULL));
    }
    pot->nodes[at] = a_node_of(config, (uint8_t)(1 + at + NODES * draw(pot, 3)));
}

static void free_node(soup *pot, size_t at)
{
    size_t queue = 0;
    int before = (int)draw(pot, 2);
    for (queue = 0; queue < QUEUES && before; queue++) {
        if (bowline_node_state(pot->nodes[at]) != BOWLINE_STATE_RUNNING) {
            bowline_queue_free(pot->queues[at][queue]);
            pot->queues[at][queue] = NULL;
        }
    }
    bowline_node_free(pot->nodes[at]);
    pot->nodes[at] = NULL;
    for (queue = 0; queue < QUEUES; queue++) {
        bowline_queue_free(pot->queues[at][queue]);
        pot->queues[at][queue] = NULL;
    }
}

static void dial(soup *pot, size_t from, size_t to)
{
    bowline_addr addr;
    size_t count = 0;
    char text[BOWLINE_ADDR_TEXT_MAX];
    bowline_peer peer = 0;
    if (answered(pot, "bowline_node_listen_addrs", bowline_node_listen_addrs(pot->nodes[to], &addr, 1, &count)) != BOWLINE_OK ||
        count == 0) {
        return;
    }
    if (draw(pot, 3) == 0) {
        (void)ANSWER(connect, (pot->nodes[from], &addr, NULL, 0, draw(pot, 9)));
        return;
    }
    CHECK_OK(bowline_addr_format(&addr, text, sizeof text, NULL));
    if (ANSWER(connect_wait, (pot->nodes[from], text, 2000, &peer, &pot->err)) == BOWLINE_OK) {
        pot->peers[from] = peer;
    }
    bowline_error_free(pot->err);
}

/* Looks into what came, and answers it or not. */
static void receive(soup *pot, bowline_node *node, bowline_queue *queue, size_t at)
{
    bowline_event *event = &pot->events[draw(pot, EVENTS)];
    size_t mine = (size_t)(event - pot->events);
    bowline_events_release(event, sizeof *event, 1);
    if (ANSWER(queue_poll, (queue, event, sizeof *event, (int64_t)draw(pot, 3))) != BOWLINE_OK) {
        memset(&pot->events[mine], 0, sizeof pot->events[mine]);
        return;
    }
    if (event->kind == BOWLINE_EV_PEER_CONNECTED) {
        pot->peers[at] = event->peer;
    }
    if (event->kind == BOWLINE_EV_REQUEST) {
        switch (draw(pot, 4)) {
        case 0:
            (void)ANSWER(respond, (node, event->peer, event->channel, event->request, event->data, event->len, 0));
            break;
        case 1:
            (void)ANSWER(respond_msg, (node, event->peer, event->channel, event->request, event->msg, 5));
            break;
        case 2:
            (void)ANSWER(respond_error, (node, event->peer, event->channel, event->request, 7, "no", 0));
            break;
        default:
            break;
        }
    }
    if (draw(pot, 3) == 0 && event->msg != NULL) { /* keeps the message */
        size_t slot = draw(pot, MSGS);
        bowline_msg_free(pot->msgs[slot]);
        pot->msgs[slot] = event->msg;
        event->msg = NULL;
    }
}

static void ask(soup *pot, bowline_node *node, size_t at)
{
    bowline_peer peer = draw(pot, 4) == 0 ? BOWLINE_PEER_LOCAL : pot->peers[at];
    uint16_t channel = draw(pot, 3) == 0 ? 0x21 : CHANNEL;
    bowline_msg *msg = pot->msgs[draw(pot, MSGS)];
    bowline_event event;
    memset(&event, 0, sizeof event);
    switch (draw(pot, 4)) {
    case 0:
        (void)ANSWER(request_wait, (node, peer, channel, "?", 1, (int64_t)draw(pot, 5), &event, sizeof event, NULL));
        bowline_events_release(&event, sizeof event, 1);
        break;
    case 1:
        (void)ANSWER(request_cancel, (node, peer, channel, pot->requests[at]));
        break;
    default:
        (void)ANSWER(request_start, (node, peer, channel, msg, (int64_t)draw(pot, 50), 3, pot->queues[at][draw(pot, QUEUES)],
                                     &pot->requests[at]));
        break;
    }
}

static void speak(soup *pot, bowline_node *node, size_t at)
{
    static const char bytes[200];
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    uint16_t channel = (uint16_t[]){CHANNEL, CHANNEL, 0x21, 0x99}[draw(pot, 4)];
    bowline_msg *msg = pot->msgs[draw(pot, MSGS)];
    bowline_reach reach = BOWLINE_REACH_INIT;
    opts.timeout_ms = (int64_t)draw(pot, 3);
    switch (draw(pot, 3)) {
    case 0:
        (void)ANSWER(send, (node, pot->peers[at], channel, bytes, draw(pot, sizeof bytes), &opts));
        break;
    case 1:
        (void)ANSWER(send_msg, (node, pot->peers[at], channel, msg, &opts));
        break;
    default:
        opts.timeout_ms = 0;
        (void)ANSWER(broadcast, (node, channel, msg, draw(pot, 2) * pot->peers[at], &opts, &reach));
        break;
    }
}

static void handle_messages(soup *pot)
{
    size_t at = draw(pot, MSGS);
    bowline_msg_free(pot->msgs[at]);
    pot->msgs[at] = NULL;
    switch (draw(pot, 3)) {
    case 0:
        (void)ANSWER(msg_new, (draw(pot, 5000), &pot->msgs[at]));
        break;
    case 1:
        (void)ANSWER(msg_copy, ("some bytes", draw(pot, 11), &pot->msgs[at]));
        break;
    default:
        pot->msgs[at] = bowline_msg_ref(pot->msgs[draw(pot, MSGS)]);
        break;
    }
    if (bowline_msg_data_mut(pot->msgs[at]) != NULL) {
        memset(bowline_msg_data_mut(pot->msgs[at]), 1, bowline_msg_len(pot->msgs[at]));
    }
}

static void make_and_bind_queue(soup *pot, bowline_node *node, size_t at)
{
    bowline_queue **queue = &pot->queues[at][draw(pot, QUEUES)];
    if (*queue == NULL && node != NULL) {
        (void)ANSWER(queue_new, (node, "soup", queue));
    }
    (void)ANSWER(queue_bind_channel, (*queue, draw(pot, 5) == 0 ? 0x99 : CHANNEL));
    (void)bowline_queue_fd(*queue);
}

/* One of all the calls that take a node. */
static void call_any(soup *pot, bowline_node *node, size_t at)
{
    const call *one = &calls[draw(pot, CALL_COUNT)];
    target to;
    memset(&to, 0, sizeof to);
    to.node = node;
    to.queue = draw(pot, 2) == 0 ? bowline_node_main_queue(node) : pot->queues[at][0];
    to.msg = pot->msgs[draw(pot, MSGS)];
    to.peer = pot->peers[at];
    to.request = pot->requests[at];
    to.timeout_ms = (int64_t)draw(pot, 4);
    snprintf(to.address, sizeof to.address, "127.0.0.1:1");
    CHECK_OK(bowline_addr_parse(to.address, 0, &to.addr));
    pot->made++;
    must_be_documented(one, one->make(&to));
}

static void stir(soup *pot)
{
    size_t at = draw(pot, NODES);
    bowline_node *node = pot->nodes[at];
    switch (draw(pot, 24)) {
    case 0:
        make_node(pot, at);
        break;
    case 1:
        make_and_bind_queue(pot, node, at);
        break;
    case 2:
    case 3:
        (void)ANSWER(node_start, (node, NULL));
        break;
    case 4:
        if (draw(pot, 4) == 0) {
            (void)ANSWER(node_stop, (node, (int64_t)draw(pot, 20)));
        }
        break;
    case 5:
        if (draw(pot, 4) == 0) {
            free_node(pot, at);
        }
        break;
    case 6:
    case 7:
    case 8:
        dial(pot, at, draw(pot, NODES));
        break;
    case 9:
    case 10:
    case 11:
        receive(pot, node, draw(pot, 2) == 0 ? bowline_node_main_queue(node) : pot->queues[at][draw(pot, QUEUES)], at);
        break;
    case 12:
    case 13:
        ask(pot, node, at);
        break;
    case 14:
    case 15:
    case 16:
        speak(pot, node, at);
        break;
    case 17:
    case 18:
        handle_messages(pot);
        break;
    default:
        call_any(pot, node, at);
        break;
    }
}

static void cook(uint64_t seed)
{
    static soup it;
    size_t at = 0;
    memset(&it, 0, sizeof it);
    it.state = seed * UINT64_C(0x9e3779b97f4a7c15) + 1;
    for (at = 0; at < NODES; at++) {
        make_node(&it, at);
    }
    for (at = 0; at < STEPS; at++) {
        stir(&it);
    }
    for (at = 0; at < MSGS; at++) {
        bowline_msg_free(it.msgs[at]);
    }
    for (at = 0; at < NODES; at++) {
        free_node(&it, at);
    }
    bowline_events_release(it.events, sizeof it.events[0], EVENTS);
}

/* Each seed in a process of its own, so that the one that fails is known and the rest go on. */
static void soups_of_many_seeds_are_digested(void)
{
    const char *only = getenv("SOUP_SEED");
    const char *many = getenv("SOUP_SEEDS");
    uint64_t first = only == NULL ? 1 : strtoull(only, NULL, 10);
    uint64_t last = only != NULL ? first : many != NULL ? strtoull(many, NULL, 10) : 40;
    uint64_t seed = 0;
    int failed = 0;
    alarm(0); /* each has its own */
    if (getenv("BT_NOFORK") != NULL) {
        cook(first);
        return;
    }
    for (seed = first; seed <= last; seed++) {
        int status = 0;
        pid_t child = 0;
        fflush(stdout);
        child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(bt_seconds(60));
            cook(seed);
            bt_leaks();
            fflush(stdout);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        if (status != 0) {
            printf("# replay: SOUP_SEED=%llu (status %d)\n", (unsigned long long)seed, status);
            failed++;
        }
    }
    CHECK_INT(failed, 0);
}

static const bt_test tests[] = {
    BT(soups_of_many_seeds_are_digested),
};
BT_MAIN(tests)
