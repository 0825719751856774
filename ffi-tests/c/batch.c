/*
 * bowline_send_batch: what is queued arrives whole and in order; what is not is counted from its place on.
 */
#include "nodes.h"

#include <pthread.h>

enum { MANY = 3000, LONG_BYTES = 100000 };

static uint8_t long_bytes[LONG_BYTES];

/* Message `at` of a batch: the number, and so many bytes as it says. */
static bowline_slice numbered(uint32_t *number, uint32_t at)
{
    bowline_slice slice = {number, sizeof *number};
    *number = at;
    return slice;
}

/* The next `count` messages, whose numbers go on from `first`. */
static void await_numbers(bowline_node *node, uint32_t first, size_t count)
{
    size_t at = 0;
    for (at = 0; at < count; at++) {
        bowline_event event = await(node, BOWLINE_EV_MESSAGE);
        uint32_t number = 0;
        CHECK(event.len >= sizeof number);
        memcpy(&number, event.data, sizeof number);
        CHECK_INT(number, first + at);
        release(&event);
    }
}

static void a_batch_arrives_in_order_and_may_be_followed(void)
{
    pair both = a_pair();
    static uint32_t numbers[MANY + 1];
    static bowline_slice slices[MANY];
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    size_t at = 0;
    size_t sent = 0;
    opts.timeout_ms = 20000;
    for (at = 0; at < MANY; at++) {
        slices[at] = numbered(&numbers[at], (uint32_t)at);
    }
    CHECK_OK(bowline_send_batch(both.asker, both.to_server, CHANNEL, slices, MANY, &opts, &sent));
    CHECK_INT(sent, MANY);
    /* The memory was free again on return. */
    memset(numbers, 0xff, sizeof numbers);
    numbers[0] = MANY;
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, numbers, sizeof numbers[0], &opts));
    await_numbers(both.server, 0, MANY + 1);
    end(both);
}

static void messages_of_all_sizes_keep_their_bounds(void)
{
    pair both = a_pair();
    static const size_t SIZES[] = {0, 1, 70000, 0, 32768, 3, LONG_BYTES, 0};
    bowline_slice slices[sizeof SIZES / sizeof *SIZES];
    size_t at = 0;
    for (at = 0; at < LONG_BYTES; at++) {
        long_bytes[at] = (uint8_t)(at * 7);
    }
    for (at = 0; at < sizeof SIZES / sizeof *SIZES; at++) {
        bowline_slice slice = {SIZES[at] == 0 ? NULL : long_bytes, SIZES[at]};
        slices[at] = slice;
    }
    CHECK_OK(bowline_send_batch(both.asker, both.to_server, CHANNEL, slices, at, NULL, NULL));
    for (at = 0; at < sizeof SIZES / sizeof *SIZES; at++) {
        bowline_event event = await(both.server, BOWLINE_EV_MESSAGE);
        CHECK_INT(event.len, SIZES[at]);
        CHECK(memcmp(event.data, long_bytes, event.len) == 0);
        release(&event);
    }
    end(both);
}

/* A peer whose program takes nothing: sooner or later there is no room. */
static void a_full_queue_says_how_many_it_took(void)
{
    pair both = a_pair();
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    static uint8_t bodies[8][LONG_BYTES];
    bowline_slice slices[8];
    uint32_t taken = 0;
    uint32_t at = 0;
    size_t sent = 0;
    uint64_t before = 0;
    int32_t result = BOWLINE_OK;
    for (;;) {
        for (at = 0; at < 8; at++) {
            uint32_t number = taken + at;
            bowline_slice slice = {bodies[at], sizeof bodies[at]};
            memcpy(bodies[at], &number, sizeof number);
            slices[at] = slice;
        }
        sent = 99;
        opts.timeout_ms = 300;
        before = bowline_clock_ns();
        result = bowline_send_batch(both.asker, both.to_server, CHANNEL, slices, 8, &opts, &sent);
        taken += (uint32_t)sent;
        if (result != BOWLINE_OK) {
            break;
        }
        CHECK_INT(sent, 8);
        CHECK(taken < 10000);
    }
    CHECK_IS(result, BOWLINE_E_TIMEOUT);
    CHECK(sent < 8);
    CHECK(bowline_clock_ns() - before >= 299000000);
    /* On a slow machine something may have moved on meanwhile. */
    do {
        for (at = 0; at < 8; at++) {
            uint32_t number = taken + at;
            memcpy(bodies[at], &number, sizeof number);
        }
        sent = 99;
        result = bowline_send_batch(both.asker, both.to_server, CHANNEL, slices, 8, NULL, &sent);
        CHECK(sent <= 8);
        taken += (uint32_t)sent;
    } while (sent > 0);
    CHECK_IS(result, BOWLINE_E_AGAIN);
    /* What was counted comes, and nothing else. */
    await_numbers(both.server, 0, taken);
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, &taken, sizeof taken, NULL));
    await_numbers(both.server, taken, 1);
    end(both);
}

static void *reads_all(void *arg)
{
    await_numbers(arg, 0, MANY);
    return NULL;
}

/* A batch that is larger than every queue on its way goes through while somebody reads. */
static void a_batch_waits_for_its_reader(void)
{
    pair both = a_pair();
    pthread_t reader;
    static uint8_t bodies[MANY][1500];
    static bowline_slice slices[MANY];
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    uint32_t at = 0;
    size_t sent = 0;
    for (at = 0; at < MANY; at++) {
        bowline_slice slice = {bodies[at], sizeof bodies[at]};
        memcpy(bodies[at], &at, sizeof at);
        slices[at] = slice;
    }
    CHECK(pthread_create(&reader, NULL, reads_all, both.server) == 0);
    opts.timeout_ms = BOWLINE_FOREVER;
    CHECK_OK(bowline_send_batch(both.asker, both.to_server, CHANNEL, slices, MANY, &opts, &sent));
    CHECK_INT(sent, MANY);
    CHECK(pthread_join(reader, NULL) == 0);
    end(both);
}

static void what_is_too_big_ends_the_batch_at_its_place(void)
{
    pair both = a_pair();
    static uint8_t huge[(1 << 20) + 1];
    uint32_t numbers[4];
    size_t sent = 99;
    uint32_t at = 0;
    bowline_slice slices[4];
    for (at = 0; at < 4; at++) {
        slices[at] = numbered(&numbers[at], at);
    }
    slices[2].data = huge;
    slices[2].len = sizeof huge;
    CHECK_IS(bowline_send_batch(both.asker, both.to_server, CHANNEL, slices, 4, NULL, &sent), BOWLINE_E_TOO_BIG);
    CHECK_INT(sent, 2);
    numbers[2] = 2;
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, &numbers[2], sizeof numbers[2], NULL));
    await_numbers(both.server, 0, 3);
    end(both);
}

static void a_batch_to_oneself_arrives(void)
{
    bowline_node *node = a_node(1);
    uint32_t numbers[100];
    bowline_slice slices[100];
    uint32_t at = 0;
    size_t sent = 0;
    start(node);
    for (at = 0; at < 100; at++) {
        slices[at] = numbered(&numbers[at], at);
    }
    CHECK_OK(bowline_send_batch(node, BOWLINE_PEER_LOCAL, CHANNEL, slices, 100, NULL, &sent));
    CHECK_INT(sent, 100);
    await_numbers(node, 0, 100);
    bowline_node_free(node);
}

static void what_is_wrong_is_said_and_nothing_is_sent(void)
{
    pair both = a_pair();
    bowline_send_opts opts = BOWLINE_SEND_OPTS_INIT;
    bowline_slice slices[3] = {{"\0\0\0\0", 4}, {NULL, 5}, {"x", 1}};
    uint32_t number = 0;
    size_t sent = 99;
    CHECK_IS(bowline_send_batch(both.asker, both.to_server, CHANNEL, slices, 3, NULL, &sent), BOWLINE_E_NULL);
    CHECK_INT(sent, 0);
    slices[1].data = "x";
    slices[1].len = SIZE_MAX;
    CHECK_IS(bowline_send_batch(both.asker, both.to_server, CHANNEL, slices, 3, NULL, &sent), BOWLINE_E_INVALID);
    CHECK_IS(bowline_send_batch(both.asker, both.to_server, CHANNEL, slices, SIZE_MAX, NULL, &sent), BOWLINE_E_INVALID);
    CHECK_IS(bowline_send_batch(both.asker, both.to_server, CHANNEL, NULL, 1, NULL, &sent), BOWLINE_E_NULL);
    CHECK_IS(bowline_send_batch(both.asker, both.to_server, 0x99, slices, 1, NULL, &sent), BOWLINE_E_NO_CHANNEL);
    CHECK_IS(bowline_send_batch(both.asker, both.to_server + 1, CHANNEL, slices, 1, NULL, &sent), BOWLINE_E_PEER_GONE);
    opts.ttl_ms = 5;
    CHECK_IS(bowline_send_batch(both.asker, both.to_server, CHANNEL, slices, 1, &opts, &sent), BOWLINE_E_INVALID);
    opts.ttl_ms = 0;
    opts.flags = BOWLINE_SEND_REPORT;
    CHECK_IS(bowline_send_batch(both.asker, both.to_server, CHANNEL, slices, 1, &opts, &sent), BOWLINE_E_INVALID);
    opts.flags = BOWLINE_SEND_SELF;
    CHECK_IS(bowline_send_batch(both.asker, both.to_server, CHANNEL, slices, 1, &opts, &sent), BOWLINE_E_INVALID);
    CHECK_INT(sent, 0);
    CHECK_OK(bowline_send_batch(both.asker, both.to_server, CHANNEL, NULL, 0, NULL, &sent));
    CHECK_OK(bowline_send(both.asker, both.to_server, CHANNEL, &number, sizeof number, NULL));
    await_numbers(both.server, 0, 1);
    end(both);
}

static const bt_test tests[] = {
    BT(a_batch_arrives_in_order_and_may_be_followed),
    BT(messages_of_all_sizes_keep_their_bounds),
    BT(a_full_queue_says_how_many_it_took),
    BT(a_batch_waits_for_its_reader),
    BT(what_is_too_big_ends_the_batch_at_its_place),
    BT(a_batch_to_oneself_arrives),
    BT(what_is_wrong_is_said_and_nothing_is_sent),
};
BT_MAIN(tests)
