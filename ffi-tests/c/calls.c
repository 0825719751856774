/* Requests: asked and answered, refused, taken back, too late, and what callers do wrong with them. */
#include "nodes.h"

#include <pthread.h>

static bowline_request start_one(pair both, const char *text, int64_t timeout_ms, uint64_t tag)
{
    bowline_msg *msg = NULL;
    bowline_request request = 0;
    CHECK_OK(bowline_msg_copy(text, strlen(text), &msg));
    CHECK_OK(bowline_request_start(both.asker, both.to_server, CHANNEL, msg, timeout_ms, tag, NULL, &request));
    bowline_msg_free(msg);
    return request;
}

static void *serve_three(void *arg)
{
    bowline_node *node = arg;
    for (int round = 0; round < 3; round++) {
        bowline_event asked = await(node, BOWLINE_EV_REQUEST);
        if (round < 2) {
            CHECK_OK(bowline_respond(node, asked.peer, asked.channel, asked.request, asked.data, asked.len, 1000));
            CHECK_IS(bowline_respond(node, asked.peer, asked.channel, asked.request, "again", 5, 0), BOWLINE_E_NO_REQUEST);
        } else {
            CHECK_OK(bowline_respond_error(node, asked.peer, asked.channel, asked.request, 42, "not here", 1000));
        }
        release(&asked);
    }
    return NULL;
}

static void who_waits_gets_the_answer(void)
{
    pair both = a_pair();
    pthread_t server;
    bowline_event event;
    bowline_error *err = NULL;
    CHECK(pthread_create(&server, NULL, serve_three, both.server) == 0);
    CHECK_ERR(bowline_request_wait(both.asker, both.to_server, CHANNEL, "who", 3, 20000, &event, sizeof event, &err), err);
    CHECK(event.kind == BOWLINE_EV_RESPONSE && event.len == 3 && memcmp(event.data, "who", 3) == 0);
    CHECK(event.peer == both.to_server && event.channel == CHANNEL);
    release(&event);
    CHECK_ERR(bowline_request_wait(both.asker, both.to_server, CHANNEL, NULL, 0, 20000, &event, sizeof event, &err), err);
    CHECK_INT(event.len, 0);
    release(&event);
    CHECK_IS(bowline_request_wait(both.asker, both.to_server, CHANNEL, "x", 1, 20000, &event, sizeof event, &err),
             BOWLINE_E_REMOTE);
    CHECK(event.detail == 42 && strcmp((const char *)event.data, "not here") == 0);
    CHECK(strstr(bowline_error_text(err), "not here") != NULL);
    bowline_error_free(err);
    release(&event);
    CHECK(pthread_join(server, NULL) == 0);
    end(both);
}

static void each_begun_request_ends_in_one_event(void)
{
    pair both = a_pair();
    bowline_event asked;
    bowline_event told;
    bowline_msg *answer = NULL;
    bowline_request canceled = 0;
    start_one(both, "one", 20000, 71);
    asked = await(both.server, BOWLINE_EV_REQUEST);
    CHECK(asked.len == 3 && asked.peer == both.to_asker);
    CHECK_OK(bowline_msg_copy("1", 1, &answer));
    CHECK_OK(bowline_respond_msg(both.server, asked.peer, asked.channel, asked.request, answer, 0));
    CHECK_IS(bowline_respond_msg(both.server, asked.peer, asked.channel, asked.request, answer, 0), BOWLINE_E_NO_REQUEST);
    bowline_msg_free(answer);
    release(&asked);
    told = await(both.asker, BOWLINE_EV_RESPONSE);
    CHECK(told.tag == 71 && told.result == BOWLINE_OK && told.len == 1 && told.data[0] == '1');
    release(&told);
    /* No time is no time. */
    start_one(both, "soon", 0, 70);
    told = await(both.asker, BOWLINE_EV_RESPONSE);
    CHECK(told.tag == 70 && told.result == BOWLINE_E_TIMEOUT);
    release(&told);
    /* Taken back. */
    canceled = start_one(both, "two", 20000, 72);
    CHECK_OK(bowline_request_cancel(both.asker, both.to_server, CHANNEL, canceled));
    CHECK_IS(bowline_request_cancel(both.asker, both.to_server, CHANNEL, canceled), BOWLINE_E_NO_REQUEST);
    told = await(both.asker, BOWLINE_EV_RESPONSE);
    CHECK(told.tag == 72 && told.result == BOWLINE_E_CANCELED && told.request == canceled);
    release(&told);
    /* Too late. */
    start_one(both, "three", 100, 73);
    told = await(both.asker, BOWLINE_EV_RESPONSE);
    CHECK(told.tag == 73 && told.result == BOWLINE_E_TIMEOUT);
    release(&told);
    /* The peer goes. */
    start_one(both, "four", 20000, 74);
    CHECK_OK(bowline_disconnect(both.server, both.to_asker, 0, 0));
    told = await(both.asker, BOWLINE_EV_RESPONSE);
    CHECK(told.tag == 74 && told.result == BOWLINE_E_PEER_GONE && told.flags != 0);
    release(&told);
    end(both);
}

static void this_node_asks_itself(void)
{
    pair both = a_pair();
    bowline_msg *msg = NULL;
    bowline_event asked;
    bowline_event told;
    CHECK_OK(bowline_msg_copy("me", 2, &msg));
    CHECK_OK(bowline_request_start(both.asker, BOWLINE_PEER_LOCAL, CHANNEL, msg, 20000, 5, NULL, NULL));
    bowline_msg_free(msg);
    asked = await(both.asker, BOWLINE_EV_REQUEST);
    CHECK(asked.peer == BOWLINE_PEER_LOCAL && asked.len == 2);
    CHECK_OK(bowline_respond(both.asker, asked.peer, asked.channel, asked.request, "I", 1, 0));
    release(&asked);
    told = await(both.asker, BOWLINE_EV_RESPONSE);
    CHECK(told.tag == 5 && told.result == BOWLINE_OK && told.len == 1);
    release(&told);
    end(both);
}

static void *stop_soon(void *arg)
{
    usleep(200000);
    CHECK_OK(bowline_node_stop(arg, 0));
    return NULL;
}

static void a_stop_releases_who_waits(void)
{
    pair both = a_pair();
    pthread_t stopper;
    bowline_event event;
    CHECK(pthread_create(&stopper, NULL, stop_soon, both.asker) == 0);
    CHECK_IS(bowline_request_wait(both.asker, both.to_server, CHANNEL, "x", 1, BOWLINE_FOREVER, &event, sizeof event, NULL),
             BOWLINE_E_STOPPED);
    CHECK(event.msg == NULL && event.kind == 0);
    CHECK(pthread_join(stopper, NULL) == 0);
    CHECK_IS(bowline_request_wait(both.asker, both.to_server, CHANNEL, "x", 1, 1, &event, sizeof event, NULL), BOWLINE_E_STOPPED);
    end(both);
}

static void wrong_requests_are_refused_by_name(void)
{
    pair both = a_pair();
    bowline_node *other = a_node(3);
    bowline_queue *foreign = bowline_node_main_queue(other);
    bowline_event event;
    bowline_msg *msg = NULL;
    static const char large[2 << 20];
    CHECK_OK(bowline_msg_copy("x", 1, &msg));
    CHECK_IS(bowline_request_wait(both.asker, 999, CHANNEL, "x", 1, 10, &event, sizeof event, NULL), BOWLINE_E_PEER_GONE);
    CHECK_IS(bowline_request_wait(both.asker, both.to_server, 0x7777, "x", 1, 10, &event, sizeof event, NULL),
             BOWLINE_E_NO_CHANNEL);
    CHECK_IS(bowline_request_wait(both.asker, both.to_server, CHANNEL, large, sizeof large, 10, &event, sizeof event, NULL),
             BOWLINE_E_TOO_BIG);
    CHECK_IS(bowline_request_wait(both.asker, both.to_server, CHANNEL, "x", 1, -2, &event, sizeof event, NULL), BOWLINE_E_INVALID);
    CHECK_IS(bowline_request_wait(both.asker, both.to_server, CHANNEL, "x", 1, 10, &event, 8, NULL), BOWLINE_E_STRUCT_SIZE);
    CHECK_IS(bowline_request_wait(other, both.to_server, CHANNEL, "x", 1, 10, &event, sizeof event, NULL), BOWLINE_E_STATE);
    CHECK_IS(bowline_request_start(both.asker, both.to_server, CHANNEL, msg, 10, 0, foreign, NULL), BOWLINE_E_INVALID);
    CHECK_IS(bowline_request_cancel(both.asker, both.to_server, CHANNEL, 12345), BOWLINE_E_NO_REQUEST);
    CHECK_IS(bowline_request_cancel(both.asker, both.to_server, CHANNEL, UINT64_MAX), BOWLINE_E_NO_REQUEST);
    CHECK_IS(bowline_respond(both.asker, both.to_server, CHANNEL, 12345, "x", 1, 0), BOWLINE_E_NO_REQUEST);
    CHECK_IS(bowline_respond(both.asker, both.to_server, CHANNEL, UINT64_MAX, "x", 1, 0), BOWLINE_E_NO_REQUEST);
    CHECK_IS(bowline_respond_error(both.asker, both.to_server, CHANNEL, 1, 0xffffff00u, "x", 0), BOWLINE_E_INVALID);
    CHECK_IS(bowline_respond_error(both.asker, both.to_server, CHANNEL, 1, 1, "\xff", 0), BOWLINE_E_UTF8);
    bowline_msg_free(msg);
    bowline_node_free(other);
    end(both);
}

static const bt_test tests[] = {
    BT(who_waits_gets_the_answer),
    BT(each_begun_request_ends_in_one_event),
    BT(this_node_asks_itself),
    BT(a_stop_releases_who_waits),
    BT(wrong_requests_are_refused_by_name),
};
BT_MAIN(tests)
