#include "pool.h"

#include <linux/futex.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

// The state word: how many workers are inside the job, whether it takes more, and which job it is.
// A worker enters by adding 1 while the job is open, so one that comes late never touches a job's fields,
// and one that sleeps is not waited for.
enum { INSIDE = 0xff, OPEN = 0x100, STOP = 0x200, JOB = 0x400 };
enum { WAKE_WORKERS = 1, WAKE_CALLER = 2 };
enum { SPINS = 1500 };  // some 30 µs: longer than the gaps between the steps of a plan

typedef struct {
    pthread_t thread;
    unsigned index;
    tsr_pool *pool;
} worker;

struct tsr_pool {
    _Alignas(64) _Atomic uint32_t state;
    _Atomic uint32_t sleepers;
    _Atomic uint32_t caller_sleeps;
    _Alignas(64) _Atomic size_t next;
    _Alignas(64) size_t count;
    size_t grain;
    tsr_task task;
    void *context;
    unsigned threads;
    worker workers[];
};

static void pause_briefly(void) {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("isb");  // `yield` is a no-op on most cores
#endif
}

static void sleep_while(_Atomic uint32_t *word, uint32_t value, uint32_t who) {
    syscall(SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, value, NULL, NULL, who);
}

static void wake(_Atomic uint32_t *word, uint32_t who) {
    syscall(SYS_futex, word, FUTEX_WAKE_BITSET_PRIVATE, INT32_MAX, NULL, NULL, who);
}

static void take_chunks(tsr_pool *pool, unsigned index) {
    const size_t count = pool->count, grain = pool->grain;
    for (;;) {
        const size_t begin = atomic_fetch_add(&pool->next, grain);
        if (begin >= count) return;
        pool->task(pool->context, begin, count - begin < grain ? count : begin + grain, index);
    }
}

static uint32_t job_of(uint32_t state) { return state / JOB; }

// Waits for a job other than `last` and enters it: its state, or one with STOP.
static uint32_t enter_next(tsr_pool *pool, uint32_t last) {
    for (unsigned spins = 0;; spins++) {
        uint32_t state = atomic_load(&pool->state);
        if (state & STOP) return state;
        if ((state & OPEN) && job_of(state) != last) {
            if (atomic_compare_exchange_strong(&pool->state, &state, state + 1)) return state;
        } else if (spins < SPINS) {
            pause_briefly();
        } else {
            // Counted before the kernel compares the word: a caller that misses the count changed the word.
            atomic_fetch_add(&pool->sleepers, 1);
            sleep_while(&pool->state, state, WAKE_WORKERS);
            atomic_fetch_sub(&pool->sleepers, 1);
            spins = 0;
        }
    }
}

static void leave(tsr_pool *pool) {
    const uint32_t state = atomic_fetch_sub(&pool->state, 1) - 1;
    if (!(state & (OPEN | INSIDE)) && atomic_load(&pool->caller_sleeps)) wake(&pool->state, WAKE_CALLER);
}

static void *work(void *argument) {
    const worker *self = argument;
    tsr_pool *pool = self->pool;
    for (uint32_t last = 0;;) {
        const uint32_t state = enter_next(pool, last);
        if (state & STOP) return NULL;
        last = job_of(state);
        take_chunks(pool, self->index);
        leave(pool);
    }
}

static void close_job(tsr_pool *pool) {
    uint32_t state = atomic_fetch_and(&pool->state, ~(uint32_t)OPEN) & ~(uint32_t)OPEN;
    for (unsigned spins = 0; state & INSIDE; spins++, state = atomic_load(&pool->state)) {
        if (spins < SPINS) {
            pause_briefly();
        } else {
            atomic_store(&pool->caller_sleeps, 1);
            state = atomic_load(&pool->state);
            if (state & INSIDE) sleep_while(&pool->state, state, WAKE_CALLER);
            atomic_store(&pool->caller_sleeps, 0);
        }
    }
}

void tsr_pool_run(tsr_pool *pool, size_t count, size_t grain, tsr_task task, void *context) {
    if (count == 0) return;
    if (grain == 0) grain = 1;
    if (count <= grain || pool->threads == 1) {
        for (size_t begin = 0; begin < count; begin += grain)
            task(context, begin, count - begin < grain ? count : begin + grain, 0);
        return;
    }
    pool->count = count;
    pool->grain = grain;
    pool->task = task;
    pool->context = context;
    atomic_store(&pool->next, 0);
    atomic_store(&pool->state, (atomic_load(&pool->state) + JOB) | OPEN);  // nobody is inside: no race
    if (atomic_load(&pool->sleepers)) wake(&pool->state, WAKE_WORKERS);
    take_chunks(pool, 0);
    close_job(pool);
}

tsr_pool *tsr_pool_create(unsigned threads) {
    if (threads == 0 || threads > INSIDE + 1) return NULL;
    size_t size = sizeof(tsr_pool) + (threads - 1) * sizeof(worker);
    tsr_pool *pool = aligned_alloc(_Alignof(tsr_pool), (size + 63) / 64 * 64);
    if (!pool) return NULL;
    atomic_init(&pool->state, 0);
    atomic_init(&pool->sleepers, 0);
    atomic_init(&pool->caller_sleeps, 0);
    atomic_init(&pool->next, 0);
    for (pool->threads = 1; pool->threads < threads; pool->threads++) {
        worker *each = &pool->workers[pool->threads - 1];
        *each = (worker){.index = pool->threads, .pool = pool};
        if (pthread_create(&each->thread, NULL, work, each) != 0) {
            tsr_pool_destroy(pool);
            return NULL;
        }
    }
    return pool;
}

void tsr_pool_destroy(tsr_pool *pool) {
    if (!pool) return;
    atomic_fetch_or(&pool->state, STOP);
    wake(&pool->state, WAKE_WORKERS);
    for (unsigned i = 1; i < pool->threads; i++) pthread_join(pool->workers[i - 1].thread, NULL);
    free(pool);
}

unsigned tsr_pool_threads(const tsr_pool *pool) { return pool->threads; }
