// The packed kernels with AVX-512 VNNI: a step of a tile is one register, a row one 32-bit lane.
#if defined(__x86_64__)
#include "packed.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))), apply_to = function)

// Two tiles by six tokens: 12 float and 12 integer accumulators leave room for the operands of a step. Six rows of activations
// also stay within the ways of a first-level cache set when their pitch is a power of two.
enum { MAX_TILES = 2, MAX_TOKENS = 6 };

// Up to this many tokens a product is bound by memory: one tile at a time is one stream, which hardware prefetches best.
enum { STREAM_TOKENS = 3 };

#define UNROLL _Pragma("clang loop unroll(full)")

static inline __m512i broadcast4(const int8_t *codes) {
    int32_t four;
    __builtin_memcpy(&four, codes, 4);
    return _mm512_set1_epi32(four);
}

static inline __m512 widen(const uint8_t *bytes) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)bytes)));
}

static inline __m512 halves(const uint8_t *at) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)at)); }

static inline __m512 e8m0(const uint8_t *bytes) {
    __m512i bits = _mm512_slli_epi32(_mm512_cvtepu8_epi32(_mm_load_si128((const __m128i *)bytes)), 23);
    return _mm512_castsi512_ps(_mm512_max_epu32(bits, _mm512_set1_epi32(1 << 22)));
}

/// E4M3 numbers times 2⁻⁸: as float16 their exponents are 8 too small.
static inline __m512 e4m3(const uint8_t *bytes) {
    __m256i bits = _mm256_slli_epi16(_mm256_cvtepi8_epi16(_mm_load_si128((const __m128i *)bytes)), 7);
    bits = _mm256_and_si256(bits, _mm256_set1_epi16((int16_t)0xbf80));
    const __m256i magnitude = _mm256_set1_epi16(0x3f80);  // NaN has all of these
    return _mm512_cvtph_ps(_mm256_or_si256(bits, _mm256_cmpeq_epi16(_mm256_and_si256(bits, magnitude), magnitude)));
}

/// The scales of a group; and its minimums, which are whole numbers, products that are exact, or biases.
static inline __attribute__((always_inline)) __m512 scales_at(const uint8_t *tile, size_t g, const int kind) {
    const uint8_t *at = scales_of(tile, g, kind);
    switch (kind) {
    case TSR_MXFP4: return e8m0(at);
    case TSR_NVFP4: return e4m3(at);
    case TSR_ROW_FACTORS: return widen(at);
    default: return halves(at);
    }
}
static inline __attribute__((always_inline)) __m512 minimums_at(const uint8_t *tile, size_t g, const int kind) {
    const uint8_t *at = minimums_of(tile, g, kind);
    switch (kind) {
    case TSR_ZERO_POINTS: return _mm512_mul_ps(scales_at(tile, g, kind), widen(at));
    case TSR_BIASES: return halves(at);
    default: return widen(at);
    }
}

/// The operand of step j of a group, its low nibbles or its high ones with the bits above them.
static inline __attribute__((always_inline)) __m512i operand(const uint8_t *group, size_t half_steps, size_t j, const int high,
                                                             const int bits, const int kind) {
    __m512i step = _mm512_load_si512(group + j * 64);
    if (bits == 8) return step;
    if (high) step = _mm512_srli_epi16(step, 4);
    step = _mm512_and_si512(step, _mm512_set1_epi8(15));
    if (is_float4(kind)) {
        const __m128i values = _mm_setr_epi8(FLOAT4_CODES);
        return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(values), step);
    }
    if (bits == 4) return step;
    // Rotating brings them to bits 4 and 5 of their byte; what comes from other bytes is masked.
    static const uint64_t left[] = {4, 3, 2, 1, 0, 63, 62, 61};
    const int u = bits - 4;
    __m512i above = _mm512_load_si512(group + (half_steps + j * u / 4) * 64);
    above = _mm512_rolv_epi64(above, _mm512_set1_epi64((long long)left[j % (4 / u) * 2 * u + high * u]));
    return _mm512_or_si512(step, _mm512_and_si512(above, _mm512_set1_epi8(((1 << u) - 1) << 4)));
}

/// What a block works on.
typedef struct {
    const uint8_t *group;  // the codes of a group of the first tile
    size_t tile_bytes, half_steps, ahead, pitch;
} block_group;

/// Adds Σ q·c of step j: of its low nibbles (or bytes) with `codes`, and of its high ones, where `halves` has them, with
/// `high_codes`. The codes `ahead` bytes farther on are prefetched; with 0 that is a line already here.
static inline __attribute__((always_inline)) void step_dots(__m512i dot[MAX_TILES][MAX_TOKENS], const block_group *b, size_t j,
                                                            const int8_t *codes, const int8_t *high_codes, const int halves,
                                                            const int tiles, const int tokens, const int bits,
                                                            const int kind) {
    __m512i low[MAX_TILES], high[MAX_TILES];
    UNROLL for (int i = 0; i < tiles; i++) {
        const uint8_t *group = b->group + i * b->tile_bytes;
        if (halves & 1) _mm_prefetch((const char *)group + j * 64 + b->ahead, _MM_HINT_T1);
        if (halves & 1) low[i] = operand(group, b->half_steps, j, 0, bits, kind);
        if (halves & 2) high[i] = operand(group, b->half_steps, j, 1, bits, kind);
    }
    if (halves & 1) UNROLL for (int t = 0; t < tokens; t++) {
        __m512i c = broadcast4(codes + t * b->pitch);
        UNROLL for (int i = 0; i < tiles; i++) dot[i][t] = _mm512_dpbusd_epi32(dot[i][t], low[i], c);
    }
    if (halves & 2) UNROLL for (int t = 0; t < tokens; t++) {
        __m512i c = broadcast4(high_codes + t * b->pitch);
        UNROLL for (int i = 0; i < tiles; i++) dot[i][t] = _mm512_dpbusd_epi32(dot[i][t], high[i], c);
    }
}

/// The same over `count` steps from `first` on. What reads memory as fast as it comes is unrolled, which large blocks have no
/// registers for.
static inline __attribute__((always_inline)) void dots_of(__m512i dot[MAX_TILES][MAX_TOKENS], const block_group *b,
                                                          size_t first, size_t count, const int8_t *codes,
                                                          const int8_t *high_codes, const int halves, const int tiles,
                                                          const int tokens, const int bits, const int kind) {
    if (tiles * tokens <= STREAM_TOKENS) {
        _Pragma("clang loop unroll_count(8)") for (size_t j = 0; j < count; j++)
            step_dots(dot, b, first + j, codes + 4 * j, high_codes + 4 * j, halves, tiles, tokens, bits, kind);
    } else {
        _Pragma("clang loop unroll(disable)") for (size_t j = 0; j < count; j++)
            step_dots(dot, b, first + j, codes + 4 * j, high_codes + 4 * j, halves, tiles, tokens, bits, kind);
    }
}

/// What the sums of sixteen rows come to; `d` and `dm` mean something where rows have factors.
static inline __attribute__((always_inline)) __m512 result(__m512 total, __m512 minimum, __m512 d, __m512 dm, const int kind) {
    switch (kind) {
    case TSR_ROW_FACTORS: return _mm512_fnmadd_ps(dm, minimum, _mm512_mul_ps(d, total));
    case TSR_ZERO_POINTS: return _mm512_sub_ps(total, minimum);
    case TSR_BIASES: return _mm512_add_ps(total, minimum);
    default: return _mm512_mul_ps(_mm512_mul_ps(_mm512_div_ps(d, dm), _mm512_set1_ps(float4_unit(kind))), total);
    }
}

/// The product of `tiles` tiles and `tokens` tokens, both constants of the caller: accumulators are registers. `wide` groups meet
/// several groups of activations.
static inline __attribute__((always_inline)) void block(const tsr_packed *w, size_t tile, const tsr_activations *x,
                                                        size_t token, const float *bias, float *y, size_t y_stride,
                                                        size_t ahead, const int tiles, const int tokens, const int bits,
                                                        const int kind, const int wide) {
    const tile_layout l = tile_layout_of(w->columns, bits, w->group, kind);
    const uint8_t *first = w->tiles + tile * l.bytes;
    // Upper bits need groups of 32 at least.
    const size_t columns = wide || bits == 5 || bits == 6 ? TSR_ACTIVATION_LIMIT : group_of(w, kind);
    const size_t half = !wide && (bits == 5 || bits == 6) ? TSR_ACTIVATION_LIMIT / 2 : group_of(w, kind) / 2;
    const int8_t *codes = x->codes + token * x->padded_columns;
    const float *scales = x->scales + token * x->groups, *sums = x->sums + token * x->groups;

    // The minimums come first: they pull in the scales too, so that the tile is read from its first byte to its last.
    __m512 minimum[MAX_TILES][MAX_TOKENS];
    UNROLL for (int i = 0; i < tiles; i++)
        UNROLL for (int t = 0; t < tokens; t++) minimum[i][t] = _mm512_setzero_ps();
    if (!is_float4(kind)) for (size_t g = 0; g < l.groups; g++) {
        const activation_span span = wide ? span_of(g, w->group, x) : (activation_span){g, 1};
        __m512 sum[MAX_TOKENS];
        UNROLL for (int t = 0; t < tokens; t++) sum[t] = _mm512_set1_ps(sum_of(sums + t * x->groups, span));
        UNROLL for (int i = 0; i < tiles; i++) {
            __m512 factor = minimums_at(first + i * l.bytes, g, kind);
            UNROLL for (int t = 0; t < tokens; t++) minimum[i][t] = _mm512_fmadd_ps(factor, sum[t], minimum[i][t]);
        }
    }

    __m512 total[MAX_TILES][MAX_TOKENS];
    UNROLL for (int i = 0; i < tiles; i++)
        UNROLL for (int t = 0; t < tokens; t++) total[i][t] = _mm512_setzero_ps();

    block_group b = {first + l.codes_offset, l.bytes, half / 4, ahead, x->padded_columns};
    for (size_t g = 0; g < l.groups; g++, b.group += l.group_bytes) {
        const activation_span span = wide ? span_of(g, w->group, x) : (activation_span){g, 1};
        for (size_t h = 0; h < span.count; h++) {
            const size_t k = h * columns;
            const int8_t *c = codes + span.first * columns + k;
            __m512i dot[MAX_TILES][MAX_TOKENS];
            UNROLL for (int i = 0; i < tiles; i++)
                UNROLL for (int t = 0; t < tokens; t++) dot[i][t] = _mm512_setzero_si512();
            if (bits == 8) dots_of(dot, &b, k / 4, columns / 4, c, c, 1, tiles, tokens, bits, kind);
            else if (!wide) dots_of(dot, &b, 0, half / 4, c, c + half, 3, tiles, tokens, bits, kind);
            else if (k < half) dots_of(dot, &b, k / 4, columns / 4, c, c, 1, tiles, tokens, bits, kind);
            else dots_of(dot, &b, (k - half) / 4, columns / 4, c, c, 2, tiles, tokens, bits, kind);
            __m512 weight[MAX_TILES];
            UNROLL for (int i = 0; i < tiles; i++) weight[i] = scales_at(first + i * l.bytes, g, kind);
            UNROLL for (int t = 0; t < tokens; t++) {
                __m512 scale = _mm512_set1_ps(scales[t * x->groups + span.first + h]), least;
                if (is_float4(kind)) least = _mm512_set1_ps(-FLOAT4_ZERO * sums[t * x->groups + g]);
                UNROLL for (int i = 0; i < tiles; i++) {
                    __m512 value = _mm512_cvtepi32_ps(dot[i][t]);
                    if (is_float4(kind))
                        total[i][t] = _mm512_fmadd_ps(_mm512_fmadd_ps(value, scale, least), weight[i], total[i][t]);
                    else total[i][t] = _mm512_fmadd_ps(_mm512_mul_ps(value, weight[i]), scale, total[i][t]);
                }
            }
        }
    }

    UNROLL for (int i = 0; i < tiles; i++) {
        size_t row = (tile + i) * TSR_TILE_ROWS;
        __mmask16 rows = w->rows - row < TSR_TILE_ROWS ? (1u << (w->rows - row)) - 1 : 0xffff;
        __m512 d = _mm512_load_ps(first + i * l.bytes), dm = _mm512_load_ps(first + i * l.bytes + 64);
        UNROLL for (int t = 0; t < tokens; t++) {
            __m512 v = result(total[i][t], minimum[i][t], d, dm, kind);
            if (bias) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(rows, bias + row));
            _mm512_mask_storeu_ps(y + (token + t) * y_stride + row, rows, v);
        }
    }
}

typedef void block_function(const tsr_packed *w, size_t tile, const tsr_activations *x, size_t token, const float *bias,
                            float *y, size_t y_stride, size_t ahead);

#define BLOCK(bits, kind, wide, tiles, tokens)                                                                             \
    static void block_##bits##_##kind##_##wide##_##tiles##_##tokens(const tsr_packed *w, size_t tile,                      \
                                                                    const tsr_activations *x, size_t token,                \
                                                                    const float *bias, float *y, size_t y_stride,          \
                                                                    size_t ahead) {                                        \
        block(w, tile, x, token, bias, y, y_stride, ahead, tiles, tokens, bits, kind, wide);                               \
    }
#define NAME(bits, kind, wide, tiles, tokens) block_##bits##_##kind##_##wide##_##tiles##_##tokens,
#define EACH_TOKENS(X, bits, kind, wide, tiles)                                                                            \
    X(bits, kind, wide, tiles, 1) X(bits, kind, wide, tiles, 2) X(bits, kind, wide, tiles, 3)                              \
    X(bits, kind, wide, tiles, 4) X(bits, kind, wide, tiles, 5) X(bits, kind, wide, tiles, 6)
#define EACH_TILES(X, bits, kind, wide) EACH_TOKENS(X, bits, kind, wide, 1) EACH_TOKENS(X, bits, kind, wide, 2)
#define BLOCKS(bits, kind) EACH_TILES(BLOCK, bits, kind, 0) EACH_TILES(BLOCK, bits, kind, 1)
#define NAMES(bits, kind) [bits] = {{EACH_TILES(NAME, bits, kind, 0)}, {EACH_TILES(NAME, bits, kind, 1)}}
#define ALL_BITS(kind) {NAMES(4, kind), NAMES(5, kind), NAMES(6, kind), NAMES(8, kind)}
BLOCKS(4, TSR_ROW_FACTORS) BLOCKS(5, TSR_ROW_FACTORS) BLOCKS(6, TSR_ROW_FACTORS) BLOCKS(8, TSR_ROW_FACTORS)
BLOCKS(4, TSR_ZERO_POINTS) BLOCKS(5, TSR_ZERO_POINTS) BLOCKS(6, TSR_ZERO_POINTS) BLOCKS(8, TSR_ZERO_POINTS)
BLOCKS(4, TSR_BIASES) BLOCKS(5, TSR_BIASES) BLOCKS(6, TSR_BIASES) BLOCKS(8, TSR_BIASES)
EACH_TILES(BLOCK, 4, TSR_MXFP4, 0) EACH_TILES(BLOCK, 4, TSR_NVFP4, 0)

// By kind, bits, whether groups are wide, then tiles and tokens.
static block_function *const blocks[TSR_PACKED_KINDS][9][2][MAX_TILES * MAX_TOKENS] = {
    [TSR_ROW_FACTORS] = ALL_BITS(TSR_ROW_FACTORS),
    [TSR_ZERO_POINTS] = ALL_BITS(TSR_ZERO_POINTS),
    [TSR_BIASES] = ALL_BITS(TSR_BIASES),
    [TSR_MXFP4] = {[4] = {{EACH_TILES(NAME, 4, TSR_MXFP4, 0)}}},
    [TSR_NVFP4] = {[4] = {{EACH_TILES(NAME, 4, TSR_NVFP4, 0)}}},
};

void tsr_packed_product_avx512(const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                               size_t token_begin, size_t token_end, const float *bias, float *y, size_t y_stride) {
    const size_t tile_bytes = tile_layout_of(w->columns, w->bits, w->group, w->scales).bytes;
    const int stream = token_end <= token_begin + STREAM_TOKENS;
    block_function *const *const kernels = blocks[w->scales][w->bits][w->group > TSR_ACTIVATION_LIMIT];
    for (size_t tile = tile_begin, tiles; tile < tile_end; tile += tiles) {
        tiles = stream || tile_end - tile == 1 ? 1 : 2;
        for (size_t token = token_begin, tokens; token < token_end; token += tokens) {
            tokens = block_tokens(token_end - token, MAX_TOKENS);
            // The last block of tokens fetches the next tiles: their first block would wait for memory.
            int last = !stream && token + tokens == token_end && tile + tiles < tile_end;
            const size_t ahead = last ? tiles * tile_bytes : 0;
            kernels[(tiles - 1) * MAX_TOKENS + tokens - 1](w, tile, x, token, bias, y, y_stride, ahead);
        }
    }
}

void tsr_packed_quantize_avx512(const float *x, size_t count, size_t group, int8_t *codes, float *scale, float *sum) {
    __m512i largest = _mm512_setzero_si512();
    for (size_t k = 0; k < count; k += 16) {
        __mmask16 some = count - k < 16 ? (1u << (count - k)) - 1 : 0xffff;
        __m512i bits = _mm512_castps_si512(_mm512_maskz_loadu_ps(some, x + k));
        largest = _mm512_max_epu32(largest, _mm512_and_si512(bits, _mm512_set1_epi32(0x7fffffff)));
    }
    *scale = scale_of(_mm512_reduce_max_epu32(largest));
    const __m512 divisor = _mm512_set1_ps(divisor_of(*scale));
    const __mmask16 finite = usable(*scale) ? 0xffff : 0;
    __m512i total = _mm512_setzero_si512();
    for (size_t k = 0; k < group; k += 16) {
        size_t left = count > k ? count - k : 0;
        __mmask16 some = left < 16 ? (1u << left) - 1 : 0xffff;
        __mmask16 stored = group - k < 16 ? (1u << (group - k)) - 1 : 0xffff;
        __m512 v = _mm512_div_ps(_mm512_maskz_loadu_ps(some & finite, x + k), divisor);
        __m512i c = _mm512_cvtps_epi32(v);
        c = _mm512_max_epi32(_mm512_min_epi32(c, _mm512_set1_epi32(127)), _mm512_set1_epi32(-127));
        total = _mm512_add_epi32(total, c);
        _mm512_mask_cvtepi32_storeu_epi8(codes + k, stored, c);
    }
    *sum = *scale * (float)_mm512_reduce_add_epi32(total);
}

#pragma clang attribute pop
#endif
