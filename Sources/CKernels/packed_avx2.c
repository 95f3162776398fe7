// The packed kernels with AVX2: a step of a tile is two registers of eight rows each, a row one 32-bit lane.
#if defined(__x86_64__)
#include "packed.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

enum { MAX_TOKENS = 4 };

// Products of two nibble pairs are at most 3810: eight of them fit 16 bits.
enum { STEPS_IN_16_BITS = 4 };

#define UNROLL _Pragma("clang loop unroll(full)")

static inline __m256i broadcast4(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return _mm256_set1_epi32(four);
}

static inline __m256 widen(const uint8_t *bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)bytes)));
}

/// The scales of eight rows of a group, from row `first` on; and its minimums, which are whole numbers, or products that are
/// exact.
static inline __attribute__((always_inline)) __m256 scales_at(const uint8_t *tile, size_t g, int first, const int kind) {
    const uint8_t *at = scales_of(tile, g, kind);
    return kind == TSR_ZERO_POINTS ? _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(at + 2 * first))) : widen(at + first);
}
static inline __attribute__((always_inline)) __m256 minimums_at(const uint8_t *tile, size_t g, int first, const int kind) {
    __m256 whole = widen(minimums_of(tile, g, kind) + first);
    return kind == TSR_ZERO_POINTS ? _mm256_mul_ps(scales_at(tile, g, first, kind), whole) : whole;
}

static inline __m256i pairs_sum(__m256i v) { return _mm256_madd_epi16(v, _mm256_set1_epi16(1)); }

/// Σ q·c of an int4 group for rows 0–7 and 8–15.
static inline __attribute__((always_inline)) void dots4(const uint8_t *q, const int8_t *codes, size_t pitch, size_t group,
                                                        __m256i dot[2][MAX_TOKENS], const int tokens) {
    const __m256i nibble = _mm256_set1_epi8(15);
    const size_t steps = group / 8, half = group / 2;
    for (size_t begin = 0; begin < steps; begin += STEPS_IN_16_BITS) {
        __m256i part[2][MAX_TOKENS];
        UNROLL for (int h = 0; h < 2; h++)
            UNROLL for (int t = 0; t < tokens; t++) part[h][t] = _mm256_setzero_si256();
        size_t end = begin + STEPS_IN_16_BITS < steps ? begin + STEPS_IN_16_BITS : steps;
        for (size_t j = begin; j < end; j++) {
            __m256i low[2], high[2];
            UNROLL for (int h = 0; h < 2; h++) {
                __m256i step = _mm256_load_si256((const __m256i *)(q + j * 64 + h * 32));
                low[h] = _mm256_and_si256(step, nibble);
                high[h] = _mm256_and_si256(_mm256_srli_epi16(step, 4), nibble);
            }
            UNROLL for (int t = 0; t < tokens; t++) {
                const int8_t *c = codes + t * pitch + j * 4;
                __m256i first = broadcast4(c), second = broadcast4(c + half);
                UNROLL for (int h = 0; h < 2; h++) {
                    __m256i a = _mm256_maddubs_epi16(low[h], first), b = _mm256_maddubs_epi16(high[h], second);
                    part[h][t] = _mm256_add_epi16(part[h][t], _mm256_add_epi16(a, b));
                }
            }
        }
        UNROLL for (int h = 0; h < 2; h++)
            UNROLL for (int t = 0; t < tokens; t++) dot[h][t] = _mm256_add_epi32(dot[h][t], pairs_sum(part[h][t]));
    }
}

/// Σ q·c of an int8 group. A pair of u8 × s8 products overflows 16 bits, but |q − 128| × (c with the sign of q − 128) does not;
/// 128·Σ c makes up for the shift.
static inline __attribute__((always_inline)) void dots8(const uint8_t *q, const int8_t *codes, size_t pitch, size_t group,
                                                        __m256i dot[2][MAX_TOKENS], const int tokens) {
    const __m256i shift = _mm256_set1_epi8(-128);
    __m256i sum[MAX_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) sum[t] = _mm256_setzero_si256();
    for (size_t j = 0; j < group / 4; j++) {
        __m256i centred[2], magnitude[2];
        UNROLL for (int h = 0; h < 2; h++) {
            __m256i step = _mm256_load_si256((const __m256i *)(q + j * 64 + h * 32));
            centred[h] = _mm256_xor_si256(step, shift);
            magnitude[h] = _mm256_abs_epi8(centred[h]);
        }
        UNROLL for (int t = 0; t < tokens; t++) {
            __m256i c = broadcast4(codes + t * pitch + j * 4);
            sum[t] = _mm256_add_epi16(sum[t], _mm256_maddubs_epi16(_mm256_set1_epi8(1), c));
            UNROLL for (int h = 0; h < 2; h++) {
                __m256i two = _mm256_maddubs_epi16(magnitude[h], _mm256_sign_epi8(c, centred[h]));
                dot[h][t] = _mm256_add_epi32(dot[h][t], pairs_sum(two));
            }
        }
    }
    UNROLL for (int t = 0; t < tokens; t++) {
        __m256i correction = _mm256_slli_epi32(pairs_sum(sum[t]), 7);
        UNROLL for (int h = 0; h < 2; h++) dot[h][t] = _mm256_add_epi32(dot[h][t], correction);
    }
}

/// The product of a tile and `tokens` tokens, a constant of the caller.
static inline __attribute__((always_inline)) void block(const tsr_packed *w, const tile_layout *l, size_t tile,
                                                        const tsr_activations *x, size_t token, const float *bias, float *y,
                                                        size_t y_stride, const int tokens, const int bits, const int kind) {
    const uint8_t *first = w->tiles + tile * l->bytes;
    const int8_t *codes = x->codes + token * x->padded_columns;
    const float *scales = x->scales + token * x->groups, *sums = x->sums + token * x->groups;
    __m256 minimum[2][MAX_TOKENS], total[2][MAX_TOKENS];
    UNROLL for (int h = 0; h < 2; h++)
        UNROLL for (int t = 0; t < tokens; t++) minimum[h][t] = total[h][t] = _mm256_setzero_ps();

    // The minimums come first: they pull in the scales too, so that the tile is read from its first byte to its last.
    for (size_t g = 0; g < l->groups; g++)
        UNROLL for (int h = 0; h < 2; h++) {
            __m256 factor = minimums_at(first, g, h * 8, kind);
            UNROLL for (int t = 0; t < tokens; t++)
                minimum[h][t] = _mm256_fmadd_ps(factor, _mm256_set1_ps(sums[t * x->groups + g]), minimum[h][t]);
        }

    for (size_t g = 0; g < l->groups; g++) {
        __m256i dot[2][MAX_TOKENS];
        UNROLL for (int h = 0; h < 2; h++)
            UNROLL for (int t = 0; t < tokens; t++) dot[h][t] = _mm256_setzero_si256();
        const uint8_t *q = first + l->codes_offset + g * l->group_bytes;
        const int8_t *c = codes + g * w->group;
        if (bits == 4) dots4(q, c, x->padded_columns, w->group, dot, tokens);
        else dots8(q, c, x->padded_columns, w->group, dot, tokens);
        UNROLL for (int h = 0; h < 2; h++) {
            __m256 scale = scales_at(first, g, h * 8, kind);
            UNROLL for (int t = 0; t < tokens; t++) {
                __m256 scaled = _mm256_mul_ps(_mm256_cvtepi32_ps(dot[h][t]), scale);
                total[h][t] = _mm256_fmadd_ps(scaled, _mm256_set1_ps(scales[t * x->groups + g]), total[h][t]);
            }
        }
    }

    UNROLL for (int t = 0; t < tokens; t++) {
        float v[16];
        UNROLL for (int h = 0; h < 2; h++) {
            __m256 sum;
            if (kind == TSR_ZERO_POINTS) {
                sum = _mm256_sub_ps(total[h][t], minimum[h][t]);
            } else {
                __m256 d = _mm256_load_ps((const float *)first + h * 8), dm = _mm256_load_ps((const float *)first + 16 + h * 8);
                sum = _mm256_fnmadd_ps(dm, minimum[h][t], _mm256_mul_ps(d, total[h][t]));
            }
            _mm256_storeu_ps(v + h * 8, sum);
        }
        store_rows(v, w, tile, bias, y + (token + t) * y_stride);
    }
}

/// The whole product; the kind of weights is a constant of the caller.
static inline __attribute__((always_inline)) void product(const tsr_packed *w, size_t tile_begin, size_t tile_end,
                                                          const tsr_activations *x, size_t token_begin, size_t token_end,
                                                          const float *bias, float *y, size_t y_stride, const int bits,
                                                          const int kind) {
    const tile_layout l = tile_layout_of(w->columns, bits, w->group, kind);
    for (size_t tile = tile_begin; tile < tile_end; tile++)
        for (size_t token = token_begin, tokens; token < token_end; token += tokens) {
            tokens = block_tokens(token_end - token, MAX_TOKENS);
#define CASE(n) \
    case n: block(w, &l, tile, x, token, bias, y, y_stride, n, bits, kind); break;
            switch (tokens) { CASE(1) CASE(2) CASE(3) CASE(4) }
#undef CASE
        }
}

void tsr_packed_product_avx2(const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                             size_t token_begin, size_t token_end, const float *bias, float *y, size_t y_stride) {
#define PRODUCT(bits, kind) product(w, tile_begin, tile_end, x, token_begin, token_end, bias, y, y_stride, bits, kind)
    switch (w->scales) {
    case TSR_ROW_FACTORS: return w->bits == 4 ? PRODUCT(4, TSR_ROW_FACTORS) : PRODUCT(8, TSR_ROW_FACTORS);
    case TSR_ZERO_POINTS: return w->bits == 4 ? PRODUCT(4, TSR_ZERO_POINTS) : PRODUCT(8, TSR_ZERO_POINTS);
    }
#undef PRODUCT
}

static inline __m256i lanes_below(size_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count < 8 ? (int)count : 8), lane);
}

void tsr_packed_quantize_avx2(const float *x, size_t count, size_t group, int8_t *codes, float *scale, float *sum) {
    __m256i largest = _mm256_setzero_si256();
    for (size_t k = 0; k < count; k += 8) {
        __m256i bits = _mm256_castps_si256(_mm256_maskload_ps(x + k, lanes_below(count - k)));
        largest = _mm256_max_epu32(largest, _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)));
    }
    uint32_t lanes[8], most = 0;
    _mm256_storeu_si256((__m256i *)lanes, largest);
    for (int i = 0; i < 8; i++) most = lanes[i] > most ? lanes[i] : most;
    *scale = scale_of(most);

    const __m256 divisor = _mm256_set1_ps(divisor_of(*scale));
    if (!usable(*scale)) count = 0;
    __m256i total = _mm256_setzero_si256();
    for (size_t k = 0; k < group; k += 8) {
        __m256 v = _mm256_maskload_ps(x + k, lanes_below(count > k ? count - k : 0));
        __m256i c = _mm256_cvtps_epi32(_mm256_div_ps(v, divisor));
        c = _mm256_max_epi32(_mm256_min_epi32(c, _mm256_set1_epi32(127)), _mm256_set1_epi32(-127));
        total = _mm256_add_epi32(total, c);
        __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(c), _mm256_extracti128_si256(c, 1));
        int64_t eight = _mm_cvtsi128_si64(_mm_packs_epi16(words, words));
        memcpy(codes + k, &eight, group - k < 8 ? group - k : 8);
    }
    int32_t parts[8], all = 0;
    _mm256_storeu_si256((__m256i *)parts, total);
    for (int i = 0; i < 8; i++) all += parts[i];
    *sum = *scale * (float)all;
}

#pragma clang attribute pop
#endif
