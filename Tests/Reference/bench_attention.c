// Speed of attention on one core: pictures in one segment, in windows, and decoding over a cache, in floats and on 16-bit codes.
// From the root of the repository:
//   clang -O3 -ISources/CKernels/include Tests/Reference/bench_attention.c \
//       Sources/CKernels/{isa,floats,float_*,coded_attention*}.c -lm -o bench_attention
//   ./bench_attention [rounds]          TESSERA_ISA chooses the kernels
// Times are of the thread's processor, so that a shared machine disturbs them little; each is the best of the rounds, in which the
// forms take turns.
#include "coded_attention.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static int rounds = 5;

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *allocate(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) exit(1);
    return memset(p, 0, bytes);
}

static float *noise(size_t count, float size) {
    float *x = allocate(count * sizeof *x);
    for (size_t i = 0; i < count; i++) {
        float sum = 0;
        for (int n = 0; n < 6; n++) sum += (float)rand() / (float)RAND_MAX - 0.5f;
        x[i] = sum * 1.41f * size;
    }
    return x;
}

static double least(double *times) {
    double best = times[0];
    for (int i = 1; i < rounds; i++) best = times[i] < best ? times[i] : best;
    return best;
}

/// The distance of y from x, relative to x.
static double distance(const float *x, const float *y, size_t count) {
    double error = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        error += (double)(x[i] - y[i]) * (x[i] - y[i]);
        size += (double)x[i] * x[i];
    }
    return sqrt(error / size);
}

/// One head over `rows` rows: all of them, or in windows of `window`.
static void picture(size_t rows, size_t head_dim, size_t window) {
    const size_t tile = tsr_code_tile_keys(head_dim), bytes = tsr_code_tile_bytes(head_dim);
    float *y[2] = {allocate(rows * head_dim * 4), allocate(rows * head_dim * 4)};
    tsr_attention call = {.q = noise(rows * head_dim, 2), .k = noise(rows * head_dim, 1), .v = noise(rows * head_dim, 1),
                          .q_stride = head_dim, .k_row_stride = head_dim, .v_row_stride = head_dim, .y_stride = head_dim,
                          .heads = 1, .kv_heads = 1, .head_dim = head_dim, .scale = 1 / sqrtf((float)head_dim)};
    int32_t *numbers = allocate(rows * sizeof *numbers);
    for (size_t i = 0; i < rows; i++) numbers[i] = (int32_t)i;
    char *tiles = allocate((rows + tile - 1) / tile * bytes);
    double floats[99], codes[99], making[99];
    for (int round = 0; round < rounds; round++) {
        call.y = y[0];
        double begin = now();
        if (window)
            for (size_t i = 0; i < rows; i += window) tsr_attend_rows(&call, 0, numbers + i, window);
        else
            for (size_t i = 0; i < rows; i += 48) tsr_attend(&call, 0, i, i + 48 < rows ? i + 48 : rows, -1, 0, rows);
        floats[round] = now() - begin;
        call.y = y[1];
        begin = now();
        if (window)
            for (size_t i = 0; i < rows; i += window) tsr_attend_coded_rows(&call, 0, numbers + i, window);
        else
            for (size_t i = 0; i < rows; i += tile)
                tsr_code_tile(&call, 0, i, rows - i < tile ? rows - i : tile, tiles + i / tile * bytes);
        making[round] = window ? 0 : now() - begin;
        if (!window) tsr_attend_coded(&call, 0, 0, rows, tiles, rows);
        codes[round] = now() - begin;
    }
    const double work = 2e-9 * (double)rows * (double)(window ? window : rows) * (double)head_dim;
    printf("%5zu rows of %3zu %-14s %7.2f ms %5.1f GMAC/s   codes %7.2f ms %5.1f GMAC/s (tiles %.2f ms)  %.2fx  apart %.1e\n", rows,
           head_dim, window ? "in windows" : "", 1e3 * least(floats), work / least(floats), 1e3 * least(codes),
           work / least(codes), 1e3 * least(making), least(floats) / least(codes), distance(y[0], y[1], rows * head_dim));
}

/// One token over a cache of `keys` tokens and so many layers that they come from memory, as types of the cache in turn.
static void decoding(size_t keys, size_t heads, size_t kv_heads, size_t head_dim) {
    enum { LAYERS = 8, TYPES = 3 };
    static const tsr_float_type types[TYPES] = {TSR_F32, TSR_F16, TSR_I8};
    const size_t rows = keys * kv_heads * LAYERS * 2, row_floats = heads * head_dim;
    float *source = noise(head_dim * 997, 1), *y[TYPES];
    char *cache[TYPES];
    size_t width[TYPES] = {4 * head_dim, 2 * head_dim, tsr_coded_row_scale(head_dim) + 4};
    for (int t = 0; t < TYPES; t++) {
        cache[t] = allocate(rows * width[t]);
        y[t] = allocate(row_floats * sizeof(float));
        for (size_t i = 0; i < rows; i++) {
            const float *row = source + i % 997 * head_dim;
            char *target = cache[t] + i * width[t];
            if (types[t] == TSR_F32) memcpy(target, row, width[t]);
            if (types[t] == TSR_F16) tsr_f32_to_f16(row, head_dim, (uint16_t *)target);
            if (types[t] == TSR_I8) tsr_code_row(row, head_dim, target);
        }
    }
    tsr_attention call = {.q = noise(row_floats, 2), .q_stride = row_floats, .y_stride = row_floats, .heads = heads,
                          .kv_heads = kv_heads, .head_dim = head_dim, .scale = 1 / sqrtf((float)head_dim)};
    double times[TYPES][99];
    for (int round = 0; round < rounds; round++)
        for (int t = 0; t < TYPES; t++) {
            const size_t stride = width[t] / tsr_float_width(types[t]);
            call.cache_type = types[t];
            call.y = y[t];
            call.k_row_stride = call.v_row_stride = stride;
            call.k_head_stride = call.v_head_stride = stride * keys;
            const double begin = now();
            for (size_t layer = 0; layer < LAYERS; layer++) {
                call.k = cache[t] + layer * 2 * kv_heads * keys * width[t];
                call.v = (const char *)call.k + kv_heads * keys * width[t];
                for (size_t head = 0; head < heads; head++)
                    tsr_attend(&call, head, 0, 1, (ptrdiff_t)keys - 1, 0, 0);
            }
            times[t][round] = (now() - begin) / LAYERS;
        }
    printf("1 token after %5zu, %zu/%zu heads of %3zu: a layer in f32 %6.3f ms, f16 %6.3f ms, i8 %6.3f ms (apart %.1e, %.1e)\n",
           keys, heads, kv_heads, head_dim, 1e3 * least(times[0]), 1e3 * least(times[1]), 1e3 * least(times[2]),
           distance(y[0], y[1], row_floats), distance(y[0], y[2], row_floats));
    for (int t = 0; t < TYPES; t++) free(cache[t]);
}

int main(int count, char **arguments) {
    if (count > 1) rounds = atoi(arguments[1]);
    if (rounds < 1 || rounds > 99) return 2;
    printf("%s, one core\n", tsr_isa_name(tsr_isa_in_use()));
    decoding(512, 12, 2, 128);
    decoding(4096, 12, 2, 128);
    decoding(4096, 16, 8, 128);
    decoding(4096, 9, 3, 64);
    picture(1024, 80, 0);
    picture(5184, 80, 0);
    picture(5184, 80, 64);
    picture(5184, 64, 0);
    picture(1024, 72, 0);
    picture(1024, 128, 0);
    return 0;
}
