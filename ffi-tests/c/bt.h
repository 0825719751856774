/*
 * bt.h: the smallest test frame that suits a library with threads. Each test runs in a child process of its own, under an
 * alarm, so that one that hangs or dies is one failed line. Prints TAP.
 *
 *   BT_NOFORK=1   run in this process (for gdb and valgrind)
 *   BT_ONLY=name  run that test only
 *   BT_SKIP=names do not run these tests
 *   BT_TMO=n      n times as long before the alarm (for slow tools)
 *   BT_LEAKS=1    with AddressSanitizer: a test that leaves memory behind fails
 */
#ifndef BT_H
#define BT_H

#include "bowline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    const char *name;
    void (*run)(void);
} bt_test;

#define BT(test) {#test, test}

/* A fact; the test ends where it is not true. */
#define CHECK(fact)                                                                                                            \
    do {                                                                                                                       \
        if (!(fact)) {                                                                                                         \
            printf("# %s:%d: not true: %s\n", __FILE__, __LINE__, #fact);                                                      \
            fflush(stdout);                                                                                                    \
            _exit(1);                                                                                                          \
        }                                                                                                                      \
    } while (0)

#define CHECK_INT(have, want) bt_int((long long)(have), (long long)(want), #have, __FILE__, __LINE__)
#define CHECK_TEXT(have, want) bt_text((have), (want), #have, __FILE__, __LINE__)
/* A text that must contain another. */
#define CHECK_HAS(have, part) bt_has((have), (part), #have, __FILE__, __LINE__)
/* A call and the result it must have. */
#define CHECK_IS(call, want) bt_is((call), (want), #call, __FILE__, __LINE__)
#define CHECK_OK(call) CHECK_IS(call, BOWLINE_OK)

static inline void bt_int(long long have, long long want, const char *what, const char *file, int line)
{
    if (have != want) {
        printf("# %s:%d: %s is %lld, not %lld\n", file, line, what, have, want);
        fflush(stdout);
        _exit(1);
    }
}

static inline void bt_text(const char *have, const char *want, const char *what, const char *file, int line)
{
    if (have == NULL || strcmp(have, want) != 0) {
        printf("# %s:%d: %s is \"%s\", not \"%s\"\n", file, line, what, have == NULL ? "(null)" : have, want);
        fflush(stdout);
        _exit(1);
    }
}

static inline void bt_has(const char *have, const char *part, const char *what, const char *file, int line)
{
    if (have == NULL || strstr(have, part) == NULL) {
        printf("# %s:%d: %s is \"%s\", without \"%s\"\n", file, line, what, have == NULL ? "(null)" : have, part);
        fflush(stdout);
        _exit(1);
    }
}

static inline void bt_is(int32_t have, int32_t want, const char *call, const char *file, int line)
{
    if (have != want) {
        printf("# %s:%d: %s is %s, not %s\n", file, line, call, bowline_result_name(have), bowline_result_name(want));
        fflush(stdout);
        _exit(1);
    }
}

/* A call that may fail, with its error: prints the sentence and ends the test if it did. */
#define CHECK_ERR(call, err)                                                                                                   \
    do {                                                                                                                       \
        int32_t bt_result = (call);                                                                                            \
        if (bt_result != BOWLINE_OK) {                                                                                         \
            printf("# %s:%d: %s: %s\n", __FILE__, __LINE__, #call, bowline_error_text(err));                                   \
            fflush(stdout);                                                                                                    \
            _exit(1);                                                                                                          \
        }                                                                                                                      \
    } while (0)

static inline unsigned bt_seconds(unsigned seconds)
{
    const char *times = getenv("BT_TMO");
    long factor = times == NULL ? 1 : strtol(times, NULL, 10);
    return seconds * (unsigned)(factor < 1 ? 1 : factor);
}

#ifdef __SANITIZE_ADDRESS__
#define BT_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BT_SANITIZED 1
#endif
#endif
#ifdef BT_SANITIZED
#ifdef __cplusplus
extern "C"
#endif
int __lsan_do_recoverable_leak_check(void);
#endif

/* Ends the process if it has lost memory; _exit looks for none. */
static inline void bt_leaks(void)
{
#ifdef BT_SANITIZED
    if (getenv("BT_LEAKS") != NULL && __lsan_do_recoverable_leak_check() != 0) {
        printf("# memory is left behind\n");
        fflush(stdout);
        _exit(1);
    }
#endif
}

/* Runs a test in a child; 0 if it ended well. */
static inline int bt_run(const bt_test *test)
{
    int status = 0;
    pid_t child = 0;
    if (getenv("BT_NOFORK") != NULL) {
        test->run();
        return 0;
    }
    child = fork();
    if (child == 0) {
        alarm(bt_seconds(60));
        test->run();
        bt_leaks();
        fflush(stdout);
        _exit(0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
    }
    if (WIFSIGNALED(status)) {
        printf("# ended by signal %d%s\n", WTERMSIG(status), WTERMSIG(status) == 14 ? " (it took too long)" : "");
    }
    return status;
}

static inline int bt_main(const bt_test *tests, size_t count)
{
    const char *only = getenv("BT_ONLY");
    const char *skip = getenv("BT_SKIP");
    size_t failed = 0;
    size_t at = 0;
    printf("1..%zu\n", count);
    for (at = 0; at < count; at++) {
        int status = 0;
        if ((only != NULL && strcmp(only, tests[at].name) != 0) || (skip != NULL && strstr(skip, tests[at].name) != NULL)) {
            printf("ok %zu - %s # SKIP\n", at + 1, tests[at].name);
            continue;
        }
        fflush(stdout);
        status = bt_run(&tests[at]);
        failed += status != 0;
        printf("%s %zu - %s\n", status == 0 ? "ok" : "not ok", at + 1, tests[at].name);
    }
    fflush(stdout);
    return failed == 0 ? 0 : 1;
}

#define BT_MAIN(tests)                                                                                                         \
    int main(void)                                                                                                             \
    {                                                                                                                          \
        return bt_main((tests), sizeof(tests) / sizeof((tests)[0]));                                                           \
    }

#endif
