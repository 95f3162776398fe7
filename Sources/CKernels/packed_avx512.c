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

/// The scales of a group; and its minimums, which are whole numbers, or products that are exact.
static inline __attribute__((always_inline)) __m512 scales_at(const uint8_t *tile, size_t g, const int kind) {
    const uint8_t *at = scales_of(tile, g, kind);
    return kind == TSR_ZERO_POINTS ? _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)at)) : widen(at);
}
static inline __attribute__((always_inline)) __m512 minimums_at(const uint8_t *tile, size_t g, const int kind) {
    __m512 whole = widen(minimums_of(tile, g, kind));
    return kind == TSR_ZERO_POINTS ? _mm512_mul_ps(scales_at(tile, g, kind), whole) : whole;
}

/// The product of `tiles` tiles and `tokens` tokens, both constants of the caller: all accumulators are registers.
/// The codes `ahead` bytes farther on are prefetched; with 0 that is a line already here.
static inline __attribute__((always_inline)) void block(const tsr_packed *w, size_t tile, const tsr_activations *x,
                                                        size_t token, const float *bias, float *y, size_t y_stride,
                                                        size_t ahead, const int tiles, const int tokens, const int bits,
                                                        const int kind) {
    const tile_layout l = tile_layout_of(w->columns, bits, w->group, kind);
    const uint8_t *first = w->tiles + tile * l.bytes;
    const size_t steps = l.group_bytes / 64, half = w->group / 2;
    const int8_t *codes = x->codes + token * x->padded_columns;
    const float *scales = x->scales + token * x->groups, *sums = x->sums + token * x->groups;
    const __m512i nibble = _mm512_set1_epi8(15);

    // The minimums come first: they pull in the scales too, so that the tile is read from its first byte to its last.
    __m512 minimum[MAX_TILES][MAX_TOKENS];
    UNROLL for (int i = 0; i < tiles; i++)
        UNROLL for (int t = 0; t < tokens; t++) minimum[i][t] = _mm512_setzero_ps();
    for (size_t g = 0; g < l.groups; g++) {
        UNROLL for (int i = 0; i < tiles; i++) {
            __m512 factor = minimums_at(first + i * l.bytes, g, kind);
            UNROLL for (int t = 0; t < tokens; t++)
                minimum[i][t] = _mm512_fmadd_ps(factor, _mm512_set1_ps(sums[t * x->groups + g]), minimum[i][t]);
        }
    }

    __m512 total[MAX_TILES][MAX_TOKENS];
    UNROLL for (int i = 0; i < tiles; i++)
        UNROLL for (int t = 0; t < tokens; t++) total[i][t] = _mm512_setzero_ps();

    const uint8_t *q = first + l.codes_offset;
    for (size_t g = 0; g < l.groups; g++) {
        __m512i dot[MAX_TILES][MAX_TOKENS];
        UNROLL for (int i = 0; i < tiles; i++)
            UNROLL for (int t = 0; t < tokens; t++) dot[i][t] = _mm512_setzero_si512();
        for (size_t j = 0; j < steps; j++, q += 64, codes += 4) {
            __m512i low[MAX_TILES], high[MAX_TILES];
            UNROLL for (int i = 0; i < tiles; i++) {
                __m512i step = _mm512_load_si512(q + i * l.bytes);
                _mm_prefetch((const char *)q + i * l.bytes + ahead, _MM_HINT_T1);
                low[i] = bits == 4 ? _mm512_and_si512(step, nibble) : step;
                high[i] = _mm512_and_si512(_mm512_srli_epi16(step, 4), nibble);
            }
            UNROLL for (int t = 0; t < tokens; t++) {
                __m512i c = broadcast4(codes + t * x->padded_columns);
                UNROLL for (int i = 0; i < tiles; i++) dot[i][t] = _mm512_dpbusd_epi32(dot[i][t], low[i], c);
            }
            if (bits == 4) UNROLL for (int t = 0; t < tokens; t++) {
                __m512i c = broadcast4(codes + half + t * x->padded_columns);
                UNROLL for (int i = 0; i < tiles; i++) dot[i][t] = _mm512_dpbusd_epi32(dot[i][t], high[i], c);
            }
        }
        if (bits == 4) codes += half;
        UNROLL for (int i = 0; i < tiles; i++) {
            __m512 scale = scales_at(first + i * l.bytes, g, kind);
            UNROLL for (int t = 0; t < tokens; t++) {
                __m512 scaled = _mm512_mul_ps(_mm512_cvtepi32_ps(dot[i][t]), scale);
                total[i][t] = _mm512_fmadd_ps(scaled, _mm512_set1_ps(scales[t * x->groups + g]), total[i][t]);
            }
        }
    }

    UNROLL for (int i = 0; i < tiles; i++) {
        size_t row = (tile + i) * TSR_TILE_ROWS;
        __mmask16 rows = w->rows - row < TSR_TILE_ROWS ? (1u << (w->rows - row)) - 1 : 0xffff;
        __m512 d = _mm512_load_ps(first + i * l.bytes), dm = _mm512_load_ps(first + i * l.bytes + 64);
        UNROLL for (int t = 0; t < tokens; t++) {
            __m512 v = kind == TSR_ZERO_POINTS ? _mm512_sub_ps(total[i][t], minimum[i][t])
                                               : _mm512_fnmadd_ps(dm, minimum[i][t], _mm512_mul_ps(d, total[i][t]));
            if (bias) v = _mm512_add_ps(v, _mm512_maskz_loadu_ps(rows, bias + row));
            _mm512_mask_storeu_ps(y + (token + t) * y_stride + row, rows, v);
        }
    }
}

typedef void block_function(const tsr_packed *w, size_t tile, const tsr_activations *x, size_t token, const float *bias,
                            float *y, size_t y_stride, size_t ahead);

#define BLOCK(bits, kind, tiles, tokens)                                                                                   \
    static void block_##bits##_##kind##_##tiles##_##tokens(const tsr_packed *w, size_t tile, const tsr_activations *x,     \
                                                           size_t token, const float *bias, float *y, size_t y_stride,     \
                                                           size_t ahead) {                                                 \
        block(w, tile, x, token, bias, y, y_stride, ahead, tiles, tokens, bits, kind);                                     \
    }
#define NAME(bits, kind, tiles, tokens) block_##bits##_##kind##_##tiles##_##tokens,
#define EACH_TOKENS(X, bits, kind, tiles)                                                                                  \
    X(bits, kind, tiles, 1) X(bits, kind, tiles, 2) X(bits, kind, tiles, 3) X(bits, kind, tiles, 4) X(bits, kind, tiles, 5) \
    X(bits, kind, tiles, 6)
#define BLOCKS(bits, kind) EACH_TOKENS(BLOCK, bits, kind, 1) EACH_TOKENS(BLOCK, bits, kind, 2)
#define NAMES(bits, kind) {{EACH_TOKENS(NAME, bits, kind, 1)}, {EACH_TOKENS(NAME, bits, kind, 2)}}
BLOCKS(4, TSR_ROW_FACTORS)
BLOCKS(8, TSR_ROW_FACTORS)
BLOCKS(4, TSR_ZERO_POINTS)
BLOCKS(8, TSR_ZERO_POINTS)

static block_function *const blocks[2][2][MAX_TILES][MAX_TOKENS] = {
    [TSR_ROW_FACTORS] = {NAMES(4, TSR_ROW_FACTORS), NAMES(8, TSR_ROW_FACTORS)},
    [TSR_ZERO_POINTS] = {NAMES(4, TSR_ZERO_POINTS), NAMES(8, TSR_ZERO_POINTS)},
};

void tsr_packed_product_avx512(const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                               size_t token_begin, size_t token_end, const float *bias, float *y, size_t y_stride) {
    const size_t tile_bytes = tile_layout_of(w->columns, w->bits, w->group, w->scales).bytes;
    const int stream = token_end <= token_begin + STREAM_TOKENS;
    for (size_t tile = tile_begin, tiles; tile < tile_end; tile += tiles) {
        tiles = stream || tile_end - tile == 1 ? 1 : 2;
        for (size_t token = token_begin, tokens; token < token_end; token += tokens) {
            tokens = block_tokens(token_end - token, MAX_TOKENS);
            // The last block of tokens fetches the next tiles: their first block would wait for memory.
            int last = !stream && token + tokens == token_end && tile + tiles < tile_end;
            const size_t ahead = last ? tiles * tile_bytes : 0;
            blocks[w->scales][w->bits == 8][tiles - 1][tokens - 1](w, tile, x, token, bias, y, y_stride, ahead);
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
