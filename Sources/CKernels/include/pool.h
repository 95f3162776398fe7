// A thread pool of low fork-join latency. One run at a time; a task must not run the pool itself.
#pragma once

#include <stddef.h>

typedef struct tsr_pool tsr_pool;

/// `threads` counts the caller: 1 has no workers. NULL on failure; at most 256.
tsr_pool *tsr_pool_create(unsigned threads);
void tsr_pool_destroy(tsr_pool *pool);
unsigned tsr_pool_threads(const tsr_pool *pool);

/// `worker` is in 0..<threads; the caller is 0.
typedef void (*tsr_task)(void *context, size_t begin, size_t end, unsigned worker);

/// Calls `task` over [0, count) in chunks of `grain`, claimed as threads come free; the caller takes part.
/// Returns when all is done. No chunk starts at anything but a multiple of `grain`.
void tsr_pool_run(tsr_pool *pool, size_t count, size_t grain, tsr_task task, void *context);
