/* Nodes in several processes: links, messages, refusals, full queues, deaths. */
#include "nodes.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <time.h>

/* ---- the other process ---- */

typedef struct {
    pid_t pid;
    int to;   /* a byte tells it to go on */
    int from; /* it writes a line, then bytes as agreed */
    char address[200];
    char id[BOWLINE_PEER_ID_TEXT_MAX];
} other;

/* Runs `life` in a process of its own, and waits until its node listens. Call it before this process has a node. */
static other another(void (*life)(int in, int out))
{
    other child;
    int there[2];
    int back[2];
    char line[300] = "";
    size_t len = 0;
    memset(&child, 0, sizeof child);
    CHECK(pipe(there) == 0 && pipe(back) == 0);
    fflush(stdout);
    child.pid = fork();
    CHECK(child.pid >= 0);
    if (child.pid == 0) {
        close(there[1]);
        close(back[0]);
        alarm(bt_seconds(60));
        life(there[0], back[1]);
        _exit(0);
    }
    close(there[0]);
    close(back[1]);
    child.to = there[1];
    child.from = back[0];
    while (len < sizeof line - 1 && read(child.from, line + len, 1) == 1 && line[len] != '\n') {
        len++;
    }
    CHECK(sscanf(line, "%199s %64s", child.address, child.id) == 2);
    return child;
}

/* What the other process says first: where its node is. */
static void introduce(const bowline_node *node, int out)
{
    char line[300];
    char id[BOWLINE_PEER_ID_TEXT_MAX];
    bowline_peer_id bytes;
    int len = 0;
    CHECK_OK(bowline_node_id(node, &bytes));
    CHECK_OK(bowline_peer_id_format(&bytes, id, sizeof id, NULL));
    len = snprintf(line, sizeof line, "%s %s\n", address_text(node), id);
    CHECK_INT(write(out, line, (size_t)len), len);
}

static void tell(int out, char what)
{
    CHECK_INT(write(out, &what, 1), 1);
}

static char hear(int in)
{
    char what = 0;
    return read(in, &what, 1) == 1 ? what : 0;
}

static void end_well(other *child)
{
    int status = 0;
    close(child->to);
    close(child->from);
    CHECK(waitpid(child->pid, &status, 0) == child->pid);
    CHECK_INT(status, 0);
}

static bowline_peer linked(bowline_node *node, const other *child)
{
    char address[300];
    bowline_peer peer = 0;
    bowline_error *err = NULL;
    snprintf(address, sizeof address, "bowline://%s@%s", child->id, child->address);
    CHECK_ERR(bowline_connect_wait(node, address, BOWLINE_FOREVER, &peer, &err), err);
    CHECK(peer != 0);
    return peer;
}

/* ---- lives of the other process ---- */

/* Sends every message back on the same link, until the link is gone. */
static void echo(int in, int out)
{
    bowline_node *node = a_node(200);
    bowline_queue *queue = bowline_node_main_queue(node);
    int over = 0;
    start(node);
    introduce(node, out);
    while (!over) {
        bowline_event events[64];
        size_t count = 0;
        size_t at = 0;
        CHECK_OK(bowline_queue_poll_batch(queue, events, sizeof events[0], 64, &count, 30000));
        for (at = 0; at < count; at++) {
            if (events[at].kind == BOWLINE_EV_MESSAGE) {
                bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
                opts.timeout_ms = BOWLINE_FOREVER;
                CHECK_OK(bowline_send_msg(node, events[at].peer, events[at].channel, events[at].msg, &opts));
            }
            over |= events[at].kind == BOWLINE_EV_PEER_DISCONNECTED;
        }
        bowline_events_release(events, sizeof events[0], count);
    }
    bowline_node_free(node);
    (void)in;
}

/* Tells of each message with one byte, its first; ends when it is told to. */
static void report(int in, int out)
{
    bowline_node *node = a_node((uint8_t)(100 + getpid() % 100));
    struct pollfd watched[2];
    start(node);
    introduce(node, out);
    memset(watched, 0, sizeof watched);
    watched[0].fd = in;
    watched[1].fd = bowline_queue_fd(bowline_node_main_queue(node));
    watched[0].events = watched[1].events = POLLIN;
    while (poll(watched, 2, -1) > 0 && watched[0].revents == 0) {
        bowline_event event;
        CHECK_OK(bowline_queue_poll(bowline_node_main_queue(node), &event, sizeof event, 0));
        if (event.kind == BOWLINE_EV_MESSAGE) {
            tell(out, (char)event.data[0]);
        }
        bowline_events_release(&event, sizeof event, 1);
    }
    bowline_node_free(node);
}

/* Polls nothing until it is told to; then tells how many messages there were, modulo 100. */
static void sleepy(int in, int out)
{
    bowline_node *node = a_node(202);
    bowline_event event;
    int count = 0;
    start(node);
    introduce(node, out);
    CHECK(hear(in) != 0);
    while (bowline_queue_poll(bowline_node_main_queue(node), &event, sizeof event, 10000) == BOWLINE_OK) {
        int last = event.kind == BOWLINE_EV_MESSAGE && event.len == 1;
        count += event.kind == BOWLINE_EV_MESSAGE;
        bowline_events_release(&event, sizeof event, 1);
        if (last) {
            break;
        }
    }
    tell(out, (char)(count % 100));
    (void)hear(in);
    bowline_node_free(node);
}

/* A node of another network. */
static void stranger(int in, int out)
{
    bowline_config *config = a_config();
    bowline_node *node = NULL;
    set(config, "network.name", "another-network");
    node = a_node_of(config, 203);
    start(node);
    introduce(node, out);
    (void)hear(in);
    bowline_node_free(node);
}

/* Tells how its link ended: the reason that the other side gave. */
static void bereaved(int in, int out)
{
    bowline_node *node = a_node(204);
    bowline_event event;
    start(node);
    introduce(node, out);
    event = await(node, BOWLINE_EV_PEER_CONNECTED);
    let_go(&event);
    tell(out, 'c'); /* had it not been polled, the end would not be told */
    event = await(node, BOWLINE_EV_PEER_DISCONNECTED);
    CHECK(event.len == 32 && strlen(bowline_reason_text(event.flags)) > 0 && event.flags != 0);
    tell(out, (char)event.detail);
    bowline_events_release(&event, sizeof event, 1);
    bowline_node_free(node);
    (void)in;
}

/* ---- tests ---- */

static void fill(bowline_msg *msg, size_t seed)
{
    uint8_t *bytes = bowline_msg_data_mut(msg);
    size_t len = bowline_msg_len(msg);
    size_t at = 0;
    for (at = 0; at < len; at++) {
        bytes[at] = (uint8_t)(seed + at * 7 + at / 256);
    }
}

static void two_processes_exchange_messages(void)
{
    static const size_t sizes[] = {0, 1, 17, 1000, 16384, 65536, 100000, 1 << 20, 5};
    enum { COUNT = 45 };
    other child = another(echo);
    bowline_node *node = a_node(1);
    bowline_queue *queue = bowline_node_main_queue(node);
    bowline_peer peer = 0;
    bowline_event event;
    struct pollfd watched;
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    size_t sent = 0;
    size_t received = 0;
    opts.timeout_ms = 10000;
    memset(&watched, 0, sizeof watched);
    start(node);
    peer = linked(node, &child);
    event = await(node, BOWLINE_EV_PEER_CONNECTED);
    let_go(&event);
    CHECK(event.peer == peer && event.detail == BOWLINE_DIRECTION_OUTBOUND && event.tag == 0);
    watched.fd = bowline_queue_fd(queue);
    watched.events = POLLIN;
    while (received < COUNT) {
        bowline_event events[16];
        size_t count = 0;
        size_t at = 0;
        if (sent < COUNT) {
            bowline_msg *msg = NULL;
            CHECK_OK(bowline_msg_new(sizes[sent % 9], &msg));
            fill(msg, sent);
            if (sent % 2 == 0) {
                CHECK_OK(bowline_send_msg(node, peer, CHANNEL, msg, &opts));
            } else {
                CHECK_OK(bowline_send(node, peer, CHANNEL, bowline_msg_data(msg), bowline_msg_len(msg), &opts));
            }
            bowline_msg_free(msg);
            sent++;
        }
        if (poll(&watched, 1, sent < COUNT ? 0 : 10000) == 0) {
            CHECK(sent < COUNT);
            continue;
        }
        CHECK_OK(bowline_queue_poll_batch(queue, events, sizeof events[0], 16, &count, BOWLINE_NOWAIT));
        CHECK(count > 0 && count <= 16);
        for (at = 0; at < count; at++) {
            bowline_msg *want = NULL;
            if (events[at].kind != BOWLINE_EV_MESSAGE) {
                continue;
            }
            CHECK(events[at].peer == peer && events[at].channel == CHANNEL && events[at].result == BOWLINE_OK);
            CHECK(events[at].time_ns != 0 && events[at].time_ns <= bowline_clock_ns());
            CHECK_OK(bowline_msg_new(sizes[received % 9], &want));
            fill(want, received);
            CHECK_INT(events[at].len, bowline_msg_len(want));
            CHECK(events[at].len == 0 || memcmp(events[at].data, bowline_msg_data(want), events[at].len) == 0);
            CHECK(events[at].msg != NULL && bowline_msg_data_mut(events[at].msg) == NULL);
            bowline_msg_free(want);
            received++;
        }
        bowline_events_release(events, sizeof events[0], count);
    }
    CHECK_OK(bowline_disconnect(node, peer, 0, 0));
    event = await(node, BOWLINE_EV_PEER_DISCONNECTED);
    CHECK(event.peer == peer && event.result == BOWLINE_E_CANCELED);
    bowline_events_release(&event, sizeof event, 1);
    CHECK_IS(bowline_send(node, peer, CHANNEL, "x", 1, NULL), BOWLINE_E_PEER_GONE);
    bowline_node_free(node);
    end_well(&child);
}

static void peers_are_listed_and_found(void)
{
    other child = another(echo);
    bowline_node *node = a_node(1);
    bowline_peer peer = 0;
    bowline_peer found = 0;
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    bowline_peer_info entry = BOWLINE_PEER_INFO_INIT;
    bowline_metrics metrics = BOWLINE_METRICS_INIT;
    bowline_peer_id id;
    bowline_list *list = NULL;
    bowline_event event;
    uint64_t before = bowline_clock_ns();
    start(node);
    peer = linked(node, &child);
    event = await(node, BOWLINE_EV_PEER_CONNECTED);
    let_go(&event);
    CHECK_OK(bowline_send(node, peer, CHANNEL, "hello", 5, NULL));
    event = await(node, BOWLINE_EV_MESSAGE);
    bowline_events_release(&event, sizeof event, 1);

    CHECK_OK(bowline_peer_id_parse(child.id, &id));
    CHECK_OK(bowline_peer_find(node, &id, &found));
    CHECK(found == peer);
    CHECK_OK(bowline_peer_get(node, peer, &info));
    CHECK(info.struct_size == sizeof info && info.peer == peer && memcmp(&info.id, &id, sizeof id) == 0);
    CHECK_INT(info.flags, 0);
    CHECK_INT(info.msgs_out, 1);
    CHECK_INT(info.msgs_in, 1);
    while (info.bytes_in <= 5 || info.bytes_out <= 5) { /* the bytes are counted when the messages are handed on */
        CHECK_OK(bowline_peer_get(node, peer, &info));
    }
    CHECK(info.connected_ns > before && info.last_recv_ns >= before && info.last_recv_ns <= bowline_clock_ns());
    CHECK_HAS(info.agent, "bowline");
    {
        char text[BOWLINE_ADDR_TEXT_MAX];
        CHECK_OK(bowline_addr_format(&info.remote, text, sizeof text, NULL));
        CHECK_TEXT(text, child.address);
    }
    CHECK_OK(bowline_peers_snapshot(node, &list));
    CHECK_INT(bowline_list_len(list), 1);
    CHECK_OK(bowline_list_peer(list, 0, &entry));
    CHECK(entry.peer == peer && memcmp(&entry.id, &id, sizeof id) == 0);
    CHECK_IS(bowline_list_peer(list, 1, &entry), BOWLINE_E_NOT_FOUND);

    CHECK_OK(bowline_metrics_get(node, &metrics));
    CHECK(metrics.peers_out == 1 && metrics.peers_in == 0 && metrics.msgs_in == 1 && metrics.msgs_out == 1);
    CHECK(metrics.dials_total == 1 && metrics.dials_failed == 0 && metrics.panics == 0);

    /* The list is as it was, whatever happens to the node. */
    bowline_node_free(node);
    CHECK_OK(bowline_list_peer(list, 0, &entry));
    CHECK(entry.peer == peer);
    bowline_list_free(list);
    end_well(&child);
}

static void a_broadcast_reaches_all_but_one(void)
{
    other children[3];
    bowline_peer peers[3];
    bowline_node *node = NULL;
    bowline_msg *msg = NULL;
    bowline_reach reach = BOWLINE_REACH_INIT;
    size_t at = 0;
    for (at = 0; at < 3; at++) {
        children[at] = another(report);
    }
    node = a_node(1);
    start(node);
    for (at = 0; at < 3; at++) {
        peers[at] = linked(node, &children[at]);
    }
    CHECK_OK(bowline_msg_copy("a", 1, &msg));
    CHECK_OK(bowline_broadcast(node, CHANNEL, msg, 0, NULL, &reach));
    bowline_msg_free(msg);
    CHECK_INT(reach.queued, 3);
    CHECK_OK(bowline_msg_copy("b", 1, &msg));
    CHECK_OK(bowline_broadcast(node, CHANNEL, msg, peers[1], NULL, &reach));
    bowline_msg_free(msg);
    CHECK_INT(reach.queued, 2);
    CHECK_OK(bowline_send(node, peers[1], CHANNEL, "c", 1, NULL));
    for (at = 0; at < 3; at++) {
        CHECK_INT(hear(children[at].from), 'a');
        CHECK_INT(hear(children[at].from), at == 1 ? 'c' : 'b');
        tell(children[at].to, 'e');
        end_well(&children[at]);
    }
    bowline_node_free(node);
}

static void dials_end_in_one_event_with_their_tag(void)
{
    other child = another(echo);
    bowline_node *node = a_node(1);
    bowline_addr addr;
    bowline_addr own;
    bowline_peer_id id;
    bowline_peer_id wrong;
    bowline_event event;
    char text[200];
    start(node);
    CHECK_OK(bowline_peer_id_parse(child.id, &id));
    CHECK_OK(bowline_addr_parse(child.address, 0, &addr));
    memset(&wrong, 0x55, sizeof wrong);

    CHECK_OK(bowline_connect(node, &addr, &wrong, 0, 41));
    event = await(node, BOWLINE_EV_DIAL_FAILED);
    CHECK_INT(event.tag, 41);
    CHECK_IS(event.result, BOWLINE_E_IDENTITY);
    CHECK_TEXT((const char *)event.data, child.address);
    CHECK(event.len == strlen(child.address) && event.flags != 0);
    bowline_events_release(&event, sizeof event, 1);

    CHECK_OK(bowline_addr_parse("127.0.0.1:1", 0, &own));
    CHECK_OK(bowline_connect(node, &own, NULL, 0, 42));
    event = await(node, BOWLINE_EV_DIAL_FAILED);
    CHECK_INT(event.tag, 42);
    CHECK_IS(event.result, BOWLINE_E_REFUSED);
    bowline_events_release(&event, sizeof event, 1);

    CHECK_OK(bowline_connect(node, &addr, &id, 0, UINT64_MAX));
    event = await(node, BOWLINE_EV_PEER_CONNECTED);
    let_go(&event);
    CHECK(event.tag == UINT64_MAX && event.peer != 0);
    CHECK_OK(bowline_send(node, event.peer, CHANNEL, "x", 1, NULL));
    event = await(node, BOWLINE_EV_MESSAGE); /* the other has seen the link, so it will see the end */
    bowline_events_release(&event, sizeof event, 1);
    CHECK_IS(bowline_connect(node, &addr, &id, 0, 44), BOWLINE_E_DUPLICATE);

    snprintf(text, sizeof text, "%s", address_text(node));
    CHECK_OK(bowline_addr_parse(text, 0, &own));
    CHECK_IS(bowline_connect(node, &own, NULL, 0, 45), BOWLINE_E_SELF);
    bowline_node_free(node);
    end_well(&child);
}

static void failures_to_connect_have_their_own_results(void)
{
    other child = another(stranger);
    bowline_node *node = a_node(1);
    bowline_peer peer = 0;
    bowline_error *err = NULL;
    char address[300];
    start(node);
    CHECK_IS(bowline_connect_wait(node, child.address, 10000, &peer, &err), BOWLINE_E_NETWORK_ID);
    CHECK_HAS(bowline_error_text(err), "network");
    bowline_error_free(err);
    CHECK_IS(bowline_connect_wait(node, "127.0.0.1:1", 10000, &peer, &err), BOWLINE_E_REFUSED);
    CHECK_HAS(bowline_error_text(err), "refused");
    bowline_error_free(err);
    CHECK_IS(bowline_connect_wait(node, "name.invalid:9732", 10000, &peer, &err), BOWLINE_E_UNREACHABLE);
    CHECK_HAS(bowline_error_text(err), "name.invalid");
    bowline_error_free(err);
    CHECK_IS(bowline_connect_wait(node, address_text(node), 10000, &peer, NULL), BOWLINE_E_SELF);
    snprintf(address, sizeof address, "%064d@%s", 7, child.address);
    /* The network comes before the identity. */
    CHECK_IS(bowline_connect_wait(node, address, 10000, &peer, NULL), BOWLINE_E_NETWORK_ID);
    CHECK(peer == 0);
    CHECK_INT(bowline_node_state(node), BOWLINE_STATE_RUNNING);
    bowline_node_free(node);
    tell(child.to, 'e');
    end_well(&child);
}

static void what_does_not_fit_is_refused_and_harms_nobody(void)
{
    other child = another(echo);
    bowline_config *config = a_config();
    bowline_channel_desc small = a_channel(0x21);
    bowline_node *node = NULL;
    bowline_peer peer = 0;
    bowline_event event;
    bowline_msg *msg = NULL;
    bowline_error *err = NULL;
    small.max_message = 10;
    CHECK_ERR(bowline_config_add_channel(config, &small, &err), err);
    node = a_node_of(config, 1);
    start(node);
    peer = linked(node, &child);
    CHECK_IS(bowline_send(node, peer, 0x21, "x", 1, NULL), BOWLINE_E_NO_CHANNEL);
    CHECK_IS(bowline_send(node, peer, 0x99, "x", 1, NULL), BOWLINE_E_NO_CHANNEL);
    CHECK_IS(bowline_send(node, peer, 0, "x", 1, NULL), BOWLINE_E_NO_CHANNEL);
    CHECK_OK(bowline_msg_new((1 << 20) + 1, &msg));
    CHECK_IS(bowline_send_msg(node, peer, CHANNEL, msg, NULL), BOWLINE_E_TOO_BIG);
    CHECK_IS(bowline_broadcast(node, CHANNEL, msg, 0, NULL, NULL), BOWLINE_E_TOO_BIG);
    CHECK_IS(bowline_broadcast(node, 0x21, msg, 0, NULL, NULL), BOWLINE_E_TOO_BIG);
    bowline_msg_free(msg);
    CHECK_OK(bowline_send(node, peer, CHANNEL, "still here", 10, NULL));
    event = await(node, BOWLINE_EV_MESSAGE);
    CHECK_INT(event.len, 10);
    bowline_events_release(&event, sizeof event, 1);
    bowline_node_free(node);
    end_well(&child);
}

static void a_full_queue_says_so_and_nothing_is_lost(void)
{
    other child = another(sleepy);
    bowline_node *node = a_node(1);
    bowline_peer peer = 0;
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    bowline_msg *msg = NULL;
    int32_t result = BOWLINE_OK;
    int sent = 0;
    uint64_t before = 0;
    start(node);
    peer = linked(node, &child);
    CHECK_OK(bowline_msg_new(100000, &msg));
    opts.timeout_ms = 300;
    while ((result = bowline_send_msg(node, peer, CHANNEL, msg, &opts)) == BOWLINE_OK) {
        sent++;
        CHECK(sent < 10000);
    }
    CHECK_IS(result, BOWLINE_E_TIMEOUT);
    CHECK_IS(bowline_send_msg(node, peer, CHANNEL, msg, NULL), BOWLINE_E_AGAIN);
    before = bowline_clock_ns();
    CHECK_IS(bowline_send_msg(node, peer, CHANNEL, msg, &opts), BOWLINE_E_TIMEOUT);
    CHECK(bowline_clock_ns() - before >= 299000000);
    bowline_msg_free(msg);
    tell(child.to, 'g');
    opts.timeout_ms = BOWLINE_FOREVER;
    CHECK_OK(bowline_send(node, peer, CHANNEL, "!", 1, &opts));
    CHECK_INT(hear(child.from), (sent + 1) % 100);
    bowline_node_free(node);
    tell(child.to, 'e');
    end_well(&child);
}

typedef struct {
    bowline_node *node;
    bowline_peer peer;
} target;

static void *send_for_ever(void *arg)
{
    const target *to = arg;
    static const char bytes[50000];
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    int32_t result = BOWLINE_OK;
    opts.timeout_ms = BOWLINE_FOREVER;
    while ((result = bowline_send(to->node, to->peer, CHANNEL, bytes, sizeof bytes, &opts)) == BOWLINE_OK) {
    }
    return result == BOWLINE_E_STOPPED ? arg : NULL;
}

static void a_stop_ends_those_who_wait_to_send(void)
{
    other child = another(sleepy);
    target to = {a_node(1), 0};
    pthread_t threads[4];
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    uint64_t before = 0;
    size_t at = 0;
    start(to.node);
    to.peer = linked(to.node, &child);
    for (at = 0; at < 4; at++) {
        CHECK_INT(pthread_create(&threads[at], NULL, send_for_ever, &to), 0);
    }
    opts.timeout_ms = 200; /* the queue stays full: they all wait */
    while (bowline_send(to.node, to.peer, CHANNEL, "x", 1, &opts) == BOWLINE_OK) {
    }
    before = bowline_clock_ns();
    CHECK_IS(bowline_node_stop(to.node, 100), BOWLINE_E_TIMEOUT);
    CHECK_INT(bowline_node_state(to.node), BOWLINE_STATE_STOPPED);
    for (at = 0; at < 4; at++) {
        void *result = NULL;
        CHECK_INT(pthread_join(threads[at], &result), 0);
        CHECK(result == &to);
    }
    CHECK(bowline_clock_ns() - before < 5000000000u);
    bowline_node_free(to.node);
    kill(child.pid, SIGKILL);
    waitpid(child.pid, NULL, 0);
}

static void a_dead_peer_raises_no_sigpipe(void)
{
    other child = another(sleepy);
    bowline_node *node = a_node(1);
    bowline_peer peer = 0;
    bowline_event event;
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    static const char bytes[60000];
    int32_t result = BOWLINE_OK;
    int status = 0;
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    start(node);
    peer = linked(node, &child);
    event = await(node, BOWLINE_EV_PEER_CONNECTED);
    let_go(&event);
    opts.timeout_ms = 100;
    while (bowline_send(node, peer, CHANNEL, bytes, sizeof bytes, &opts) == BOWLINE_OK) {
    }
    CHECK_INT(kill(child.pid, SIGKILL), 0);
    CHECK(waitpid(child.pid, &status, 0) == child.pid);
    opts.timeout_ms = BOWLINE_FOREVER;
    while ((result = bowline_send(node, peer, CHANNEL, bytes, sizeof bytes, &opts)) == BOWLINE_OK) {
    }
    CHECK_IS(result, BOWLINE_E_PEER_GONE);
    event = await(node, BOWLINE_EV_PEER_DISCONNECTED);
    CHECK_IS(event.result, BOWLINE_E_RESET);
    bowline_events_release(&event, sizeof event, 1);
    CHECK_INT(bowline_node_state(node), BOWLINE_STATE_RUNNING);
    bowline_node_free(node);
}

static void a_link_that_came_and_went_is_told_whole(void)
{
    other child = another(bereaved);
    bowline_node *node = a_node(1);
    bowline_peer peer = 0;
    bowline_event event;
    bowline_peer_info info = BOWLINE_PEER_INFO_INIT;
    int begun = 0;
    int ended = 0;
    start(node);
    peer = linked(node, &child);
    CHECK_INT(hear(child.from), 'c');
    CHECK_OK(bowline_disconnect(node, peer, 0, 0));
    CHECK_INT(hear(child.from), 2);
    while (bowline_peer_get(node, peer, &info) == BOWLINE_OK) {
    }
    /* It came and went before anybody polled. */
    while (bowline_queue_poll(bowline_node_main_queue(node), &event, sizeof event, 200) == BOWLINE_OK) {
        begun += event.kind == BOWLINE_EV_PEER_CONNECTED;
        ended += event.kind == BOWLINE_EV_PEER_DISCONNECTED;
        CHECK(begun >= ended);
        bowline_events_release(&event, sizeof event, 1);
    }
    CHECK_INT(begun, 1);
    CHECK_INT(ended, 1);
    bowline_node_free(node);
    end_well(&child);
}

static void a_goodbye_carries_its_reason(void)
{
    other child = another(bereaved);
    bowline_node *node = a_node(1);
    bowline_peer peer = 0;
    start(node);
    peer = linked(node, &child);
    CHECK_INT(hear(child.from), 'c');
    CHECK_OK(bowline_disconnect(node, peer, 3, 0));
    CHECK_INT(hear(child.from), 3);
    bowline_node_free(node);
    end_well(&child);
}

static void a_stop_sends_what_is_queued_and_says_goodbye(void)
{
    other child = another(report);
    other mourner = another(bereaved);
    bowline_node *node = a_node(1);
    bowline_peer peer = 0;
    char what = 0;
    start(node);
    peer = linked(node, &child);
    CHECK(linked(node, &mourner) != 0);
    CHECK_INT(hear(mourner.from), 'c');
    /* A link that ends before its beginning was polled is not told at all, so the other must have seen it. */
    CHECK_OK(bowline_send(node, peer, CHANNEL, "0", 1, NULL));
    CHECK_INT(hear(child.from), '0');
    for (what = 'a'; what <= 'z'; what++) {
        CHECK_OK(bowline_send(node, peer, CHANNEL, &what, 1, NULL));
    }
    CHECK_OK(bowline_node_stop(node, 4000));
    CHECK_IS(bowline_send(node, peer, CHANNEL, "x", 1, NULL), BOWLINE_E_STOPPED);
    for (what = 'a'; what <= 'z'; what++) {
        CHECK_INT(hear(child.from), what);
    }
    CHECK_INT(hear(mourner.from), 1); /* the close reason Stopped */
    bowline_node_free(node);
    tell(child.to, 'e');
    end_well(&child);
    end_well(&mourner);
}

static void a_bound_channel_has_a_queue_of_its_own(void)
{
    other child = another(echo);
    bowline_node *node = a_node(1);
    bowline_queue *own = NULL;
    bowline_peer peer = 0;
    bowline_event event;
    bowline_msg *kept = NULL;
    CHECK_OK(bowline_queue_new(node, "mine", &own));
    CHECK_OK(bowline_queue_bind_channel(own, CHANNEL));
    start(node);
    peer = linked(node, &child);
    CHECK_OK(bowline_send(node, peer, CHANNEL, "for me", 6, NULL));
    do {
        CHECK_OK(bowline_queue_poll(own, &event, sizeof event, 10000));
    } while (event.kind == BOWLINE_EV_NODE_STATE);
    CHECK(event.kind == BOWLINE_EV_PEER_CONNECTED && event.peer == peer);
    let_go(&event);
    CHECK_OK(bowline_queue_poll(own, &event, sizeof event, 10000));
    CHECK(event.kind == BOWLINE_EV_MESSAGE && event.len == 6);
    bowline_events_release(&event, sizeof event, 1);
    event = await(node, BOWLINE_EV_PEER_CONNECTED);
    let_go(&event);
    CHECK(event.peer == peer);

    /* The message is taken out of its event and read when everything else is gone. */
    CHECK_OK(bowline_send(node, peer, CHANNEL, "to keep", 7, NULL));
    CHECK_OK(bowline_queue_poll(own, &event, sizeof event, 10000));
    kept = event.msg;
    event.msg = NULL;
    bowline_events_release(&event, sizeof event, 1);
    CHECK(event.data == NULL && event.kind == 0);
    bowline_node_free(node);
    bowline_queue_free(own);
    CHECK(bowline_msg_len(kept) == 7 && memcmp(bowline_msg_data(kept), "to keep", 7) == 0);
    bowline_msg_free(kept);
    end_well(&child);
}

static const bt_test tests[] = {
    BT(two_processes_exchange_messages),
    BT(peers_are_listed_and_found),
    BT(a_broadcast_reaches_all_but_one),
    BT(dials_end_in_one_event_with_their_tag),
    BT(failures_to_connect_have_their_own_results),
    BT(what_does_not_fit_is_refused_and_harms_nobody),
    BT(a_full_queue_says_so_and_nothing_is_lost),
    BT(a_stop_ends_those_who_wait_to_send),
    BT(a_dead_peer_raises_no_sigpipe),
    BT(a_link_that_came_and_went_is_told_whole),
    BT(a_goodbye_carries_its_reason),
    BT(a_stop_sends_what_is_queued_and_says_goodbye),
    BT(a_bound_channel_has_a_queue_of_its_own),
};
BT_MAIN(tests)
