/*
 * hard.h: every call that takes a node or a queue, each as a function of one shape, so that tests can make them all: in a forked
 * child, before the start, after the stop, from many threads, in any order. What a call gives out it frees itself. Needs nodes.h.
 */
#ifndef HARD_H
#define HARD_H

#include "documented.h" /* made from the header's @return */
#include "nodes.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/socket.h>
#include <time.h>

/* What the calls are made with. */
typedef struct {
    bowline_node *node;
    bowline_queue *queue;
    bowline_msg *msg;
    bowline_peer peer;
    bowline_request request;
    bowline_addr addr;
    bowline_peer_id id;
    char address[BOWLINE_ADDR_TEXT_MAX];
    int64_t timeout_ms;
} target;

/* One call: its documented results before the start and after the stop, and itself. */
typedef struct {
    const char *name;
    int32_t before;
    int32_t after;
    int32_t (*make)(const target *to);
} call;

static inline int32_t of_list(int32_t result, bowline_list *const *list)
{
    CHECK((result == BOWLINE_OK) == (*list != NULL));
    bowline_list_free(*list);
    return result;
}

static inline int32_t of_event(int32_t result, bowline_event *event)
{
    if (result == BOWLINE_OK || event->kind != 0) {
        bowline_events_release(event, sizeof *event, 1);
    }
    return result;
}

/* Each entry: name, result before the start, result after the stop, body. */
#define CALLS(X)                                                                                                               \
    X(node_fatal_error, OK, OK, return bowline_node_fatal_error(to->node, NULL);)                                              \
    X(node_id, OK, OK, bowline_peer_id id; return bowline_node_id(to->node, &id);)                                             \
    X(node_listen_addrs, OK, OK, bowline_addr addrs[8]; size_t n = 0; return bowline_node_listen_addrs(to->node, addrs, 8, &n);) \
    X(queue_new, OK, E_STATE, bowline_queue *q = NULL; int32_t r = bowline_queue_new(to->node, "q", &q);                       \
      bowline_queue_free(q); return r;)                                                                                        \
    X(queue_bind_channel, OK, E_STATE, return bowline_queue_bind_channel(to->queue, CHANNEL);)                                 \
    X(queue_poll, E_AGAIN, E_STOPPED, bowline_event e; memset(&e, 0, sizeof e);                                                \
      return of_event(bowline_queue_poll(to->queue, &e, sizeof e, 0), &e);)                                                    \
    X(queue_poll_batch, E_AGAIN, E_STOPPED, bowline_event e[4]; size_t n = 9; int32_t r =                                      \
      bowline_queue_poll_batch(to->queue, e, sizeof e[0], 4, &n, 0);                                                           \
      CHECK(r == BOWLINE_OK ? n >= 1 && n <= 4 : n == 0 || n == 9); if (r == BOWLINE_OK) {                                     \
      bowline_events_release(e, sizeof e[0], n); } return r;)                                                                  \
    X(send, E_STATE, E_STOPPED, return bowline_send(to->node, to->peer, CHANNEL, "bytes", 5, NULL);)                           \
    X(send_msg, E_STATE, E_STOPPED, return bowline_send_msg(to->node, to->peer, CHANNEL, to->msg, NULL);)                      \
    X(send_batch, E_STATE, E_STOPPED, bowline_slice s[2] = {{"one", 3}, {"two", 3}};                                           \
      return bowline_send_batch(to->node, to->peer, CHANNEL, s, 2, NULL, NULL);)                                               \
    X(broadcast, E_STATE, E_STOPPED, return bowline_broadcast(to->node, CHANNEL, to->msg, 0, NULL, NULL);)                        \
    X(request_wait, E_STATE, E_STOPPED, bowline_event e; memset(&e, 0, sizeof e);                                              \
      return of_event(bowline_request_wait(to->node, to->peer, CHANNEL, "?", 1, to->timeout_ms, &e, sizeof e, NULL), &e);)     \
    X(request_start, E_STATE, E_STOPPED, bowline_request r = 0;                                                                \
      return bowline_request_start(to->node, to->peer, CHANNEL, to->msg, to->timeout_ms, 7, NULL, &r);)                        \
    X(request_cancel, E_STATE, E_STOPPED, return bowline_request_cancel(to->node, to->peer, CHANNEL, to->request);)            \
    X(respond, E_STATE, E_STOPPED, return bowline_respond(to->node, to->peer, CHANNEL, to->request, "!", 1, 0);)               \
    X(respond_msg, E_STATE, E_STOPPED, return bowline_respond_msg(to->node, to->peer, CHANNEL, to->request, to->msg, 0);)      \
    X(respond_error, E_STATE, E_STOPPED, return bowline_respond_error(to->node, to->peer, CHANNEL, to->request, 3, "no", 0);)  \
    X(connect, E_STATE, E_STOPPED, return bowline_connect(to->node, &to->addr, NULL, 0, 9);)                                   \
    X(connect_wait, E_STATE, E_STOPPED, bowline_peer p = 0;                                                                    \
      return bowline_connect_wait(to->node, to->address, to->timeout_ms, &p, NULL);)                                           \
    X(disconnect, E_STATE, E_STOPPED, return bowline_disconnect(to->node, to->peer, 0, 0);)                                    \
    X(peer_get, E_PEER_GONE, E_PEER_GONE, bowline_peer_info i = BOWLINE_PEER_INFO_INIT;                                        \
      return bowline_peer_get(to->node, to->peer, &i);)                                                                        \
    X(peer_find, E_NOT_FOUND, E_NOT_FOUND, bowline_peer p = 0; return bowline_peer_find(to->node, &to->id, &p);)               \
    X(peers_snapshot, OK, OK, bowline_list *l = NULL; return of_list(bowline_peers_snapshot(to->node, &l), &l);)               \
    X(ban, E_STATE, E_STOPPED, size_t n = 0; return bowline_ban(to->node, "192.0.2.7", 1000, "test", &n, NULL);)               \
    X(unban, E_STATE, E_STOPPED, return bowline_unban(to->node, "192.0.2.7", NULL);)                                           \
    X(trust, E_STATE, E_STOPPED, return bowline_trust(to->node, "192.0.2.8", 1000, NULL);)                                     \
    X(untrust, E_STATE, E_STOPPED, return bowline_untrust(to->node, "192.0.2.8", NULL);)                                       \
    X(forgive, E_STATE, E_STOPPED, return bowline_forgive(to->node, "192.0.2.9", NULL);)                                       \
    X(greylist_flush, E_STATE, E_STOPPED, size_t n = 0; return bowline_greylist_flush(to->node, &n);)                          \
    X(standing, OK, OK, uint32_t s = 0; return bowline_standing(to->node, &to->id, &to->addr, &s);)                            \
    X(bans_snapshot, OK, OK, bowline_list *l = NULL; return of_list(bowline_bans_snapshot(to->node, &l), &l);)                 \
    X(trusted_snapshot, OK, OK, bowline_list *l = NULL; return of_list(bowline_trusted_snapshot(to->node, &l), &l);)           \
    X(greylist_snapshot, OK, OK, bowline_list *l = NULL; return of_list(bowline_greylist_snapshot(to->node, &l), &l);)         \
    X(node_set, E_STATE, E_STOPPED, return bowline_node_set(to->node, "accept.rate", "900", NULL);)                            \
    X(node_get, OK, OK, char t[64]; return bowline_node_get(to->node, "pool.max", t, sizeof t, NULL);)                         \
    X(maintain, E_STATE, E_STOPPED, return bowline_maintain(to->node);)                                                        \
    X(maintain_wait, E_STATE, E_STOPPED, size_t n = 0; int s = 0;                                                              \
      return bowline_maintain_wait(to->node, to->timeout_ms, &n, &s);)                                                         \
    X(pause, E_STATE, E_STOPPED, return bowline_pause(to->node);)                                                              \
    X(resume, E_STATE, E_STOPPED, return bowline_resume(to->node);)                                                            \
    X(dial_seeds, E_STATE, E_STOPPED, size_t n = 0; return bowline_dial_seeds(to->node, &n);)                                  \
    X(persistent_add, E_STATE, E_STOPPED, return bowline_persistent_add(to->node, "127.0.0.1:9", NULL);)                       \
    X(persistent_remove, E_STATE, E_STOPPED, return bowline_persistent_remove(to->node, "127.0.0.1:9", NULL);)                 \
    X(ask_addresses, E_STATE, E_STOPPED, bowline_peer p = 0; return bowline_ask_addresses(to->node, 0, &p, NULL);)             \
    X(set_bandwidth, E_STATE, E_STOPPED, return bowline_set_bandwidth(to->node, 0, 0, NULL);)                                  \
    X(set_peer_bandwidth, E_STATE, E_STOPPED, return bowline_set_peer_bandwidth(to->node, to->peer, 0, 0, NULL);)              \
    X(set_weight, E_STATE, E_STOPPED, return bowline_set_weight(to->node, to->peer, 1, NULL);)                                 \
    X(listen_add, E_STATE, E_STOPPED, bowline_addr at = to->addr; at.port = 0; bowline_addr bound;                             \
      int32_t r = bowline_listen_add(to->node, &at, &bound, NULL);                                                             \
      if (r == BOWLINE_OK) { (void)bowline_listen_remove(to->node, &bound); } return r;)                                       \
    X(listen_remove, E_STATE, E_STOPPED, return bowline_listen_remove(to->node, &to->addr);)                                   \
    X(save, E_STATE, E_STOPPED, return bowline_save(to->node, to->timeout_ms, NULL);)                                          \
    X(addrbook_add, E_STATE, E_STOPPED, return bowline_addrbook_add(to->node, "127.0.0.7:9", NULL);)                             \
    X(addrbook_remove, E_STATE, E_STOPPED, return bowline_addrbook_remove(to->node, "127.0.0.7:9", NULL);)                     \
    X(addrbook_snapshot, OK, OK, bowline_list *l = NULL; return of_list(bowline_addrbook_snapshot(to->node, &l), &l);)         \
    X(healthy_snapshot, OK, OK, bowline_list *l = NULL; return of_list(bowline_healthy_snapshot(to->node, 1, &l), &l);)        \
    X(discover_wait, E_STATE, E_STOPPED, bowline_list *l = NULL;                                                               \
      return of_list(bowline_discover_wait(to->node, to->peer, to->timeout_ms, &l, NULL), &l);)                                \
    X(addr_note, E_STATE, E_STOPPED, return bowline_addr_note(to->node, "127.0.0.7:9", "n", 1, NULL);)                         \
    X(peer_note, E_STATE, E_STOPPED, return bowline_peer_note(to->node, &to->id, "n", 1, NULL);)                               \
    X(export, E_STATE, E_STOPPED, char *t = NULL; size_t n = 0; int32_t r = bowline_export(to->node, &t, &n, NULL);            \
      CHECK((r == BOWLINE_OK) == (t != NULL)); bowline_string_free(t); return r;)                                              \
    X(import, E_STATE, E_STOPPED, return bowline_import(to->node, NULL, 0, NULL, NULL);)                                       \
    X(metrics_get, OK, OK, bowline_metrics m = BOWLINE_METRICS_INIT; return bowline_metrics_get(to->node, &m);)                \
    X(queue_set_wake, OK, OK, return bowline_queue_set_wake(to->queue, NULL, NULL);)                                           \
    X(queue_bind_events, OK, E_STATE, return bowline_queue_bind_events(to->queue, 0);)                                         \
    X(send_cancel, E_STATE, E_STOPPED, return bowline_send_cancel(to->node, to->peer, 7);)                                     \
    X(flush, E_STATE, E_STOPPED, return bowline_flush(to->node, to->peer, to->timeout_ms);)                                    \
    X(role_choose, E_STATE, E_STOPPED, bowline_peer p[4]; size_t n = 0;                                                        \
      return bowline_role_choose(to->node, "archive", CHANNEL, p, 4, &n);)                                                     \
    X(role_send, E_STATE, E_STOPPED, return bowline_role_send(to->node, "archive", CHANNEL, to->msg, NULL);)                   \
    X(role_broadcast, E_STATE, E_STOPPED,                                                                                      \
      return bowline_role_broadcast(to->node, "archive", CHANNEL, 2, to->msg, 0, NULL, NULL);)                                 \
    X(role_request_wait, E_STATE, E_STOPPED, bowline_event e; memset(&e, 0, sizeof e);                                         \
      return of_event(bowline_role_request_wait(to->node, "archive", CHANNEL, "?", 1, to->timeout_ms, &e, sizeof e, NULL), &e);) \
    X(role_quota_set, E_STATE, E_STOPPED, return bowline_role_quota_set(to->node, "archive", 1, 0, NULL);)                     \
    X(roles_snapshot, OK, OK, bowline_list *l = NULL; return of_list(bowline_roles_snapshot(to->node, &l), &l);)               \
    X(group_add, E_STATE, E_STOPPED, return bowline_group_add(to->node, 7, to->peer);)                                         \
    X(group_remove, E_STATE, E_STOPPED, return bowline_group_remove(to->node, 7, to->peer);)                                   \
    X(group_peers, OK, OK, bowline_peer p[4]; size_t n = 0; return bowline_group_peers(to->node, 7, p, 4, &n);)                \
    X(group_send, E_STATE, E_STOPPED, return bowline_group_send(to->node, 7, CHANNEL, to->msg, 0, NULL, NULL);)                \
    X(peer_report, E_STATE, E_STOPPED, return bowline_peer_report(to->node, to->peer, 1, "test");)                             \
    X(report, E_STATE, E_STOPPED, return bowline_report(to->node, &to->id, 1, "test");)                                        \
    X(score, E_STATE, E_STOPPED, bowline_list *l = NULL; int32_t s = 0; return of_list(bowline_score(to->node, &to->id, &s, &l), &l);) \
    X(peer_useful, E_STATE, E_STOPPED, return bowline_peer_useful(to->node, to->peer);)                                        \
    X(peer_capability, E_PEER_GONE, E_PEER_GONE, uint64_t v = 0;                                                               \
      return bowline_peer_capability(to->node, to->peer, "archive", &v);)                                                      \
    X(peer_capabilities, E_PEER_GONE, E_PEER_GONE, bowline_list *l = NULL;                                                     \
      return of_list(bowline_peer_capabilities(to->node, to->peer, &l), &l);)                                                  \
    X(peer_listens, E_PEER_GONE, E_PEER_GONE, bowline_list *l = NULL;                                                          \
      return of_list(bowline_peer_listens(to->node, to->peer, &l), &l);)                                                       \
    X(peer_metadata, E_PEER_GONE, E_PEER_GONE, char b[16]; return bowline_peer_metadata(to->node, to->peer, b, sizeof b, NULL);) \
    X(peer_channels, E_STATE, E_STOPPED, bowline_list *l = NULL;                                                               \
      return of_list(bowline_peer_channels(to->node, to->peer, &l), &l);)                                                      \
    X(peer_set_tag, E_PEER_GONE, E_PEER_GONE, return bowline_peer_set_tag(to->node, to->peer, 4);)                             \
    X(known_snapshot, OK, OK, bowline_list *l = NULL; return of_list(bowline_known_snapshot(to->node, &l), &l);)               \
    X(metrics_channel, OK, OK, bowline_channel_metrics m = BOWLINE_CHANNEL_METRICS_INIT;                                       \
      return bowline_metrics_channel(to->node, CHANNEL, &m);)                                                                  \
    X(metrics_text, OK, OK, char *t = NULL; int32_t r = bowline_metrics_text(to->node, &t); bowline_string_free(t); return r;) \
    X(metrics_ends, OK, OK, uint64_t n = 0; return bowline_metrics_ends(to->node, 1, &n);)                                     \
    X(node_memory_max, OK, OK, uint64_t n = 0; return bowline_node_memory_max(to->node, &n);)                                  \
    X(queue_wakeup, OK, E_STOPPED, return bowline_queue_wakeup(to->queue, 5);)

#define CALL_FUNCTION(name, before, after, ...)                                                                                \
    static int32_t call_##name(const target *to)                                                                               \
    {                                                                                                                          \
        __VA_ARGS__                                                                                                            \
    }
#define CALL_ROW(name, before, after, ...) {"bowline_" #name, BOWLINE_##before, BOWLINE_##after, call_##name},
CALLS(CALL_FUNCTION)
static const call calls[] = {CALLS(CALL_ROW)};
#define CALL_COUNT (sizeof calls / sizeof calls[0])

/* Whether the header names this result of a function. */
static inline int is_documented(const char *name, int32_t result)
{
    size_t at = 0;
    const char *code = bowline_result_name(result);
    for (at = 0; at < sizeof documented / sizeof documented[0]; at++) {
        if (strcmp(documented[at].name, name) == 0) {
            char word[64];
            snprintf(word, sizeof word, " %s ", code);
            return strstr(documented[at].results, word) != NULL;
        }
    }
    printf("# %s stands in no header\n", name);
    return 0;
}

static inline void must_be_documented(const call *made, int32_t result)
{
    if (!is_documented(made->name, result)) {
        printf("# %s answered %s, which its comment does not name\n", made->name, bowline_result_name(result));
        fflush(stdout);
        _exit(1);
    }
}

/* A target that leads to nobody: its peer and request are gone, its address refuses. */
static inline target a_target(bowline_node *node)
{
    target to;
    memset(&to, 0, sizeof to);
    to.node = node;
    to.queue = bowline_node_main_queue(node);
    to.peer = 1;
    to.request = 1;
    snprintf(to.address, sizeof to.address, "127.0.0.1:1");
    CHECK_OK(bowline_addr_parse(to.address, 0, &to.addr));
    CHECK_OK(bowline_msg_copy("shared", 6, &to.msg));
    return to;
}

/* Makes every call and checks what `want` says of each. */
static inline size_t make_all(const target *to, int32_t (*want)(const call *made), const char *when)
{
    size_t at = 0;
    for (at = 0; at < CALL_COUNT; at++) {
        int32_t result = calls[at].make(to);
        if (result != want(&calls[at])) {
            printf("# %s %s: %s, not %s\n", calls[at].name, when, bowline_result_name(result),
                   bowline_result_name(want(&calls[at])));
            fflush(stdout);
            _exit(1);
        }
    }
    printf("# %zu calls %s\n", CALL_COUNT, when);
    return CALL_COUNT;
}

static inline uint64_t ms_since(uint64_t before)
{
    return (bowline_clock_ns() - before) / 1000000;
}

static inline pthread_t thread(void *(*body)(void *), void *arg)
{
    pthread_t made;
    CHECK_INT(pthread_create(&made, NULL, body, arg), 0);
    return made;
}

static inline void *joined(pthread_t thread)
{
    void *result = NULL;
    CHECK_INT(pthread_join(thread, &result), 0);
    return result;
}

/* An address that takes connections and never says anything. */
static inline int a_silent_listener(char *text, size_t cap)
{
    struct sockaddr_in at;
    socklen_t len = sizeof at;
    bowline_addr addr;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    memset(&at, 0, sizeof at);
    at.sin_family = AF_INET;
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(fd >= 0 && bind(fd, (const void *)&at, sizeof at) == 0 && listen(fd, 5) == 0);
    CHECK_INT(getsockname(fd, (void *)&at, &len), 0);
    CHECK_OK(bowline_addr_from_sockaddr(&at, len, &addr));
    CHECK_OK(bowline_addr_format(&addr, text, cap, NULL));
    return fd;
}

/* xorshift64*: the same seed, the same story. */
static inline uint64_t drawn(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

#endif
