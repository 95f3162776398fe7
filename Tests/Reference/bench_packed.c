// Speed of the packed kernels on one core: of every format beside groups of 32 codes of 4 bits, at many tokens and at one; with
// AVX2 after what its two forms of products can give on registers, and where there is AVX-512 VNNI against the int8 dot-product peak
// and a plain read measured in the same run.
// From the root of the repository (x86-64):
//   clang -O3 -ISources/CKernels/include Tests/Reference/bench_packed.c Sources/CKernels/{isa,packed*}.c -o bench_packed
//   ./bench_packed [K [N [tokens]]]          TESSERA_ISA chooses the kernels
// Times are of the thread's processor, so that a shared machine disturbs them little; each is the best of several, and a ratio the
// median of those of runs that follow each other.
#include "packed.h"

#include <immintrin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define AVX512 __attribute__((target("avx512f,avx512vnni"), noinline))

// The first is what the others are compared with.
static const struct { uint32_t bits, group; tsr_packed_scales scales; } formats[] = {
    {4, 32, TSR_ROW_FACTORS}, {4, 16, TSR_ROW_FACTORS}, {4, 64, TSR_ROW_FACTORS}, {4, 128, TSR_ROW_FACTORS},
    {4, 128, TSR_ZERO_POINTS}, {4, 32, TSR_BIASES}, {4, 64, TSR_BIASES}, {4, 32, TSR_MXFP4}, {4, 16, TSR_NVFP4},
    {5, 32, TSR_ROW_FACTORS}, {5, 64, TSR_ROW_FACTORS}, {5, 128, TSR_ROW_FACTORS}, {5, 32, TSR_ZERO_POINTS},
    {5, 32, TSR_BIASES}, {6, 32, TSR_ROW_FACTORS}, {6, 64, TSR_ROW_FACTORS}, {6, 128, TSR_ROW_FACTORS},
    {6, 64, TSR_BIASES}, {8, 32, TSR_ROW_FACTORS}, {8, 16, TSR_ROW_FACTORS}, {8, 64, TSR_ROW_FACTORS},
    {8, 128, TSR_ROW_FACTORS}, {8, 128, TSR_ZERO_POINTS}, {8, 64, TSR_BIASES},
};
static const char *const kinds[] = {
    [TSR_ROW_FACTORS] = "", [TSR_ZERO_POINTS] = " f16", [TSR_BIASES] = " f16b", [TSR_MXFP4] = " mxfp4", [TSR_NVFP4] = " nvfp4"};
enum { FORMATS = sizeof formats / sizeof *formats, ROUNDS = 7, PAIRS = 21, READ_BYTES = 300000000 };

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void *allocate(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p) exit(1);
    return memset(p, 0x35, bytes);
}

/// 10⁹ multiply-adds a second of vpdpbusd on registers.
AVX512 static double peak(void) {
    double best = 1e9;
    for (int round = 0; round < ROUNDS; round++) {
        double begin = now();
        for (int i = 0; i < 500000; i++)
#define DOT(n) "vpdpbusd %%zmm30, %%zmm31, %%zmm" #n "\n"
            __asm__ volatile(DOT(0) DOT(1) DOT(2) DOT(3) DOT(4) DOT(5) DOT(6) DOT(7)::
                                 : "zmm0", "zmm1", "zmm2", "zmm3", "zmm4", "zmm5", "zmm6", "zmm7");
        double time = now() - begin;
        if (time < best) best = time;
    }
    return 500000.0 * 8 * 64 / best * 1e-9;
}

/// The same of a product of AVX2 and the addition of what it gives, on twelve sums.
#define PAIR_PEAK(name, product, add, bytes)                                                                             \
    __attribute__((target("avx2"), noinline)) static double name(void) {                                                 \
        double best = 1e9;                                                                                               \
        for (int round = 0; round < ROUNDS; round++) {                                                                   \
            double begin = now();                                                                                        \
            for (int i = 0; i < 1000000; i++)                                                                            \
                __asm__ volatile(PAIRS_OF(product, add)::                                                                \
                                     : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9",   \
                                       "xmm10", "xmm11", "xmm14", "xmm15");                                              \
            double time = now() - begin;                                                                                 \
            if (time < best) best = time;                                                                                \
        }                                                                                                                \
        return 1e6 * 12 * bytes / best * 1e-9;                                                                           \
    }
#define PAIR(product, add, n) product " %%ymm12, %%ymm13, %%ymm14\n" product " %%ymm12, %%ymm13, %%ymm15\n" \
                              add " %%ymm14, %%ymm" #n ", %%ymm" #n "\n"
#define OTHER(add, n) add " %%ymm15, %%ymm" #n ", %%ymm" #n "\n"
#define PAIRS_OF(product, add)                                                                                   \
    PAIR(product, add, 0) OTHER(add, 1) PAIR(product, add, 2) OTHER(add, 3) PAIR(product, add, 4) OTHER(add, 5) \
    PAIR(product, add, 6) OTHER(add, 7) PAIR(product, add, 8) OTHER(add, 9) PAIR(product, add, 10) OTHER(add, 11)
PAIR_PEAK(byte_peak, "vpmaddubsw", "vpaddw", 32)
PAIR_PEAK(word_peak, "vpmaddwd", "vpaddd", 16)

/// Seconds of a sum over a buffer.
AVX512 static double read_seconds(const uint8_t *p, size_t bytes) {
    double begin = now();
    __m512i sum[4] = {0};
    for (size_t i = 0; i + 256 <= bytes; i += 256)
        for (int j = 0; j < 4; j++) sum[j] = _mm512_add_epi32(sum[j], _mm512_load_si512(p + i + j * 64));
    volatile int kept = _mm512_reduce_add_epi32(
        _mm512_add_epi32(_mm512_add_epi32(sum[0], sum[1]), _mm512_add_epi32(sum[2], sum[3])));
    (void)kept;
    return now() - begin;
}

typedef struct {
    tsr_packed w;
    tsr_activations x;
    size_t tiles, bytes;
    float *y;
} problem;

static problem make(size_t columns, size_t rows, size_t tokens, int format) {
    const uint32_t bits = formats[format].bits, group = formats[format].group;
    const tsr_packed_scales scales = formats[format].scales;
    const uint32_t together = tsr_activation_group(group);
    const size_t groups = (columns + together - 1) / together;
    const size_t tile_bytes = tsr_packed_tile_bytes(columns, bits, group, scales);
    problem p = {.tiles = (rows + 15) / 16};
    p.bytes = p.tiles * tile_bytes;
    p.w = (tsr_packed){allocate(p.bytes), rows, columns, bits, group, scales};
    float *sides = allocate(2 * tokens * groups * sizeof(float)), *x = allocate(tokens * columns * sizeof(float));
    int8_t *codes = allocate(tokens * groups * together);
    for (size_t i = 0; i < tokens * columns; i++) x[i] = (float)rand() / (float)RAND_MAX - 0.5f;
    tsr_quantize_rows(x, columns, tokens, columns, together, codes, sides, sides + tokens * groups);
    free(x);
    p.x = (tsr_activations){codes, sides, sides + tokens * groups, tokens, groups * together, groups};
    p.y = allocate(rows * tokens * sizeof(float));
    return p;
}

static void discard(problem *p) {
    free((void *)p->w.tiles);
    free((void *)p->x.codes);
    free((void *)p->x.scales);
    free(p->y);
}

static double product_seconds(problem *p) {
    double begin = now();
    tsr_packed_product(&p->w, 0, p->tiles, &p->x, 0, p->x.tokens, NULL, p->y, p->w.rows);
    return now() - begin;
}

static int compare(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/// Every format in turn, over and over: what disturbs one disturbs its neighbours.
static void compare_formats(size_t columns, size_t rows, size_t tokens, double limit) {
    static double times[FORMATS][PAIRS];
    problem problems[FORMATS];
    for (int f = 0; f < FORMATS; f++) problems[f] = make(columns, rows, tokens, f);
    for (int round = 0; round < PAIRS; round++)
        for (int f = 0; f < FORMATS; f++) times[f][round] = product_seconds(&problems[f]);
    for (int f = 0; f < FORMATS; f++) {
        double ratios[PAIRS], best = 1e9;
        for (int round = 0; round < PAIRS; round++) {
            ratios[round] = times[0][round] / times[f][round];
            if (times[f][round] < best) best = times[f][round];
        }
        qsort(ratios, PAIRS, sizeof *ratios, compare);
        const tsr_packed *w = &problems[f].w;
        const double rate = (double)columns * (double)rows * (double)tokens / best * 1e-9;
        printf("%zu tokens, int%u group %3u%-6s  %6.1f GMAC/s, %.2f of the first", tokens, w->bits, w->group, kinds[w->scales],
               rate, ratios[PAIRS / 2]);
        if (limit > 0) printf(", %5.1f %% of peak", 100 * rate / limit);
        printf("\n");
    }
    for (int f = 0; f < FORMATS; f++) discard(&problems[f]);
}

int main(int count, char **arguments) {
    size_t sizes[] = {1536, 8960, 128};
    for (int i = 1; i < count && i < 4; i++) sizes[i - 1] = strtoul(arguments[i], NULL, 10);
    const size_t columns = sizes[0], rows = sizes[1], tokens = sizes[2];
    const double limit = tsr_isa_available(TSR_ISA_AVX512) ? peak() : 0;
    printf("%s, K %zu, N %zu", tsr_isa_name(tsr_isa_in_use()), columns, rows);
    if (limit > 0) printf("; vpdpbusd peak %.1f GMAC/s", limit);
    if (tsr_isa_available(TSR_ISA_AVX2))
        printf("; vpmaddubsw and vpaddw %.1f GMAC/s, vpmaddwd and vpaddd %.1f", byte_peak(), word_peak());
    printf("\n");
    compare_formats(columns, rows, tokens, limit);
    compare_formats(columns, rows, 1, 0);
    if (limit == 0) return 0;
    for (size_t few = 1; few <= 7; few++)
        for (int f = 0; f < FORMATS; f++) {
            size_t many = READ_BYTES / tsr_packed_tile_bytes(columns, formats[f].bits, formats[f].group, formats[f].scales);
            problem p = make(columns, many * TSR_TILE_ROWS, few, f);
            double best = 1e9, plain = 1e9;
            for (int round = 0; round < ROUNDS; round++) {
                double time = product_seconds(&p), read = read_seconds(p.w.tiles, p.bytes);
                if (time < best) best = time;
                if (read < plain) plain = read;
            }
            printf("%zu tokens, int%u group %3u%-6s  %5.1f GB/s, plain read %5.1f  %4.0f %%\n", few, p.w.bits, p.w.group,
                   kinds[p.w.scales], (double)p.bytes / best * 1e-9, (double)p.bytes / plain * 1e-9, 100 * plain / best);
            discard(&p);
        }
}
