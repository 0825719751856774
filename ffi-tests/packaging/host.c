/*
 * A program that contains bowline beside what the library contains too: a libsodium, here one that counts and refuses, and the
 * runtime of another Rust library. Nobody may call the other's. hello.c is the program of docs/c-guide.md: two nodes that meet.
 */
#define main hello
#include "hello.c"
#undef main

static int inits, pairs;

int sodium_init(void);
int crypto_box_keypair(unsigned char *pk, unsigned char *sk);
int crypto_scalarmult(unsigned char *q, const unsigned char *n, const unsigned char *p);
void randombytes_buf(void *buf, size_t size);
void sodium_memzero(void *pnt, size_t len);
uint32_t second_catches(uint32_t panics);

int sodium_init(void)
{
    return ++inits;
}

int crypto_box_keypair(unsigned char *pk, unsigned char *sk)
{
    (void)pk;
    (void)sk;
    return ++pairs;
}

int crypto_scalarmult(unsigned char *q, const unsigned char *n, const unsigned char *p)
{
    (void)q;
    (void)n;
    (void)p;
    abort();
}

void randombytes_buf(void *buf, size_t size)
{
    (void)buf;
    (void)size;
    abort();
}

void sodium_memzero(void *pnt, size_t len)
{
    (void)pnt;
    (void)len;
    abort();
}

int main(void)
{
    if (second_catches(3) != 3 || hello() != 0) {
        return 1;
    }
    if (inits != 0 || pairs != 0) {
        printf("the library called the program's libsodium\n");
        return 1;
    }
    if (sodium_init() != 1 || crypto_box_keypair(NULL, NULL) != 1 || second_catches(2) != 2) {
        return 1;
    }
    printf("beside each other\n");
    return 0;
}
