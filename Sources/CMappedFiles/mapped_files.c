#include "mapped_files.h"

#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/// More files than any checkpoint has shards.
enum { PLACES = 4096 };

/// No memory begins at these.
enum { FREE = 0, TAKEN = 1 };

/// The handler may run at any moment in any thread: it reads `base` first, and the rest only where that is an address.
static struct {
    _Atomic uintptr_t base;
    size_t length;
    char *path;
} ranges[PLACES];

static struct {
    const char *before, *after;
    int status;
    struct sigaction previous;
} watch;

int tsr_mapped_add(const void *base, size_t length, const char *path) {
    char *copy = strdup(path);
    if (!copy) return -1;
    for (int place = 0; place < PLACES; place++) {
        uintptr_t expected = FREE;
        if (!atomic_compare_exchange_strong(&ranges[place].base, &expected, TAKEN)) continue;
        ranges[place].length = length;
        ranges[place].path = copy;
        atomic_store(&ranges[place].base, (uintptr_t)base);
        return place;
    }
    free(copy);
    return -1;
}

void tsr_mapped_remove(int place) {
    if (place < 0) return;
    atomic_store(&ranges[place].base, TAKEN);
    free(ranges[place].path);
    atomic_store(&ranges[place].base, FREE);
}

const char *tsr_mapped_path(const void *address) {
    for (int place = 0; place < PLACES; place++) {
        uintptr_t base = atomic_load(&ranges[place].base);
        if (base > TAKEN && (uintptr_t)address - base < ranges[place].length) return ranges[place].path;
    }
    return NULL;
}

/// Only what POSIX allows in a handler is called here.
static void say(const char *text) {
    size_t left = strlen(text);
    while (left > 0) {
        ssize_t count = write(STDERR_FILENO, text, left);
        if (count <= 0) return;
        text += count;
        left -= (size_t)count;
    }
}

static void explain(int number, siginfo_t *info, void *context) {
    (void)context;
    static atomic_flag said = ATOMIC_FLAG_INIT;
    const char *path = info->si_code > 0 ? tsr_mapped_path(info->si_addr) : NULL;
    if (!path) {
        // The instruction is run again, and meets what was there before.
        sigaction(number, &watch.previous, NULL);
        if (info->si_code <= 0) raise(number);
        return;
    }
    // One thread speaks for all that meet the same.
    while (atomic_flag_test_and_set(&said)) pause();
    say(watch.before);
    say(path);
    say(watch.after);
    _exit(watch.status);
}

void tsr_mapped_watch(const char *before, const char *after, int status) {
    watch.before = before;
    watch.after = after;
    watch.status = status;
    struct sigaction action = {.sa_sigaction = explain, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    sigaction(SIGBUS, &action, &watch.previous);
}
