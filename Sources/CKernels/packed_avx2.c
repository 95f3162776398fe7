// The packed kernels with AVX2: a step of a tile is two registers of eight rows each, a row one 32-bit lane.
#if defined(__x86_64__)
#include "packed.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

// Four tokens at a time of codes are fastest; of 4-bit floats, which take more unpacking, six.
enum { MAX_TOKENS = 6, CODE_TOKENS = 4 };

#define UNROLL _Pragma("clang loop unroll(full)")

static inline __m256i broadcast4(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return _mm256_set1_epi32(four);
}

static inline __m256 widen(const uint8_t *bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)bytes)));
}

static inline __m256 halves(const uint8_t *at) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)at)); }

static inline __m256 e8m0(const uint8_t *bytes) {
    __m256i bits = _mm256_slli_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)bytes)), 23);
    return _mm256_castsi256_ps(_mm256_max_epu32(bits, _mm256_set1_epi32(1 << 22)));
}

/// E4M3 numbers times 2⁻⁸: as float16 their exponents are 8 too small.
static inline __m256 e4m3(const uint8_t *bytes) {
    __m128i bits = _mm_slli_epi16(_mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)bytes)), 7);
    bits = _mm_and_si128(bits, _mm_set1_epi16((int16_t)0xbf80));
    const __m128i magnitude = _mm_set1_epi16(0x3f80);  // NaN has all of these
    return _mm256_cvtph_ps(_mm_or_si128(bits, _mm_cmpeq_epi16(_mm_and_si128(bits, magnitude), magnitude)));
}

/// The scales of eight rows of a group, from row `first` on; and its minimums, which are whole numbers, products that are
/// exact, or biases.
static inline __attribute__((always_inline)) __m256 scales_at(const uint8_t *tile, size_t g, int first, const int kind) {
    const uint8_t *at = scales_of(tile, g, kind);
    switch (kind) {
    case TSR_MXFP4: return e8m0(at + first);
    case TSR_NVFP4: return e4m3(at + first);
    case TSR_ROW_FACTORS: return widen(at + first);
    default: return halves(at + 2 * first);
    }
}
static inline __attribute__((always_inline)) __m256 minimums_at(const uint8_t *tile, size_t g, int first, const int kind) {
    const uint8_t *at = minimums_of(tile, g, kind);
    switch (kind) {
    case TSR_ZERO_POINTS: return _mm256_mul_ps(scales_at(tile, g, first, kind), widen(at + first));
    case TSR_BIASES: return halves(at + 2 * first);
    default: return widen(at + first);
    }
}

static inline __m256i pairs_sum(__m256i v) { return _mm256_madd_epi16(v, _mm256_set1_epi16(1)); }

/// Four steps of a group that share their upper bits: the operand of step i of them for eight rows, its low nibbles or its
/// high ones.
static inline __attribute__((always_inline)) __m256i operand(const uint8_t *steps, const uint8_t *upper, const int i,
                                                             const int high, const int bits, const int kind) {
    __m256i step = _mm256_load_si256((const __m256i *)(steps + i * 64));
    if (high) step = _mm256_srli_epi16(step, 4);
    step = _mm256_and_si256(step, _mm256_set1_epi8(15));
    if (is_float4(kind)) {
        const __m128i values = _mm_setr_epi8(FLOAT4_CODES);
        return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(values), step);
    }
    if (bits == 4) return step;
    const int u = bits - 4, from = 2 * u * (i % (4 / u)) + high * u;
    __m256i above = _mm256_load_si256((const __m256i *)(upper + i * u / 4 * 64));
    above = from < 4 ? _mm256_slli_epi16(above, 4 - from) : _mm256_srli_epi16(above, from - 4);
    return _mm256_or_si256(step, _mm256_and_si256(above, _mm256_set1_epi8(((1 << u) - 1) << 4)));
}

static inline __attribute__((always_inline)) void widen_sums(__m256i part[2][MAX_TOKENS], __m256i dot[2][MAX_TOKENS],
                                                             const int tokens) {
    UNROLL for (int h = 0; h < 2; h++)
        UNROLL for (int t = 0; t < tokens; t++) {
            dot[h][t] = _mm256_add_epi32(dot[h][t], pairs_sum(part[h][t]));
            part[h][t] = _mm256_setzero_si256();
        }
}

/// Adds Σ q·c over `count` steps of nibbles from `first` on, the low or the high ones, and of the bits above them, for rows 0–7
/// and 8–15. Two products of codes of b bits add up to at most 254·(2^b − 1): of those 16 bits hold eight sums at 4 bits, four at
/// 5, two at 6. So `part` takes all eight steps of a group of activations at 4 bits; but of 4-bit floats, which count up to 24,
/// only four.
static inline __attribute__((always_inline)) void half_dots(const uint8_t *group, size_t half_steps, size_t first,
                                                            size_t count, const int8_t *codes, size_t pitch,
                                                            __m256i part[2][MAX_TOKENS], __m256i dot[2][MAX_TOKENS],
                                                            const int high, const int tokens, const int bits,
                                                            const int kind) {
    // Upper bits lie at constant places within four steps.
    const int run = bits == 4 ? 1 : 4;
    for (size_t j = first; j < first + count; j += run, codes += 4 * run) {
        const uint8_t *steps = group + j * 64, *upper = group + half_steps * 64 + j * (size_t)(bits - 4) * 16;
        UNROLL for (int k = 0; k < run; k++) {
            __m256i q[2];
            UNROLL for (int h = 0; h < 2; h++) q[h] = operand(steps + h * 32, upper + h * 32, k, high, bits, kind);
            UNROLL for (int t = 0; t < tokens; t++) {
                __m256i c = broadcast4(codes + t * pitch + 4 * k);
                UNROLL for (int h = 0; h < 2; h++) part[h][t] = _mm256_add_epi16(part[h][t], _mm256_maddubs_epi16(q[h], c));
            }
            if (bits == 6 && k == 1) widen_sums(part, dot, tokens);
        }
        if (bits > 4) widen_sums(part, dot, tokens);
    }
}

/// Σ q·c over `columns` columns from k on of a group with nibbles.
static inline __attribute__((always_inline)) void nibble_dots(const uint8_t *q, size_t group, size_t k, size_t columns,
                                                              const int8_t *codes, size_t pitch, __m256i dot[2][MAX_TOKENS],
                                                              const int tokens, const int bits, const int kind) {
    const size_t half = group / 2, steps = half / 4;
    const size_t low = k < half ? (half - k < columns ? half - k : columns) : 0, from = k < half ? 0 : k - half;
    __m256i part[2][MAX_TOKENS];
    UNROLL for (int h = 0; h < 2; h++)
        UNROLL for (int t = 0; t < tokens; t++) part[h][t] = _mm256_setzero_si256();
    half_dots(q, steps, k / 4, low / 4, codes, pitch, part, dot, 0, tokens, bits, kind);
    if (kind == TSR_MXFP4) widen_sums(part, dot, tokens);
    half_dots(q, steps, from / 4, (columns - low) / 4, codes + low, pitch, part, dot, 1, tokens, bits, kind);
    if (bits == 4) widen_sums(part, dot, tokens);
}

/// Σ q·c over `columns` bytes. A pair of u8 × s8 products overflows 16 bits, but |q − 128| × (c with the sign of q − 128) does
/// not; 128·Σ c makes up for the shift.
static inline __attribute__((always_inline)) void byte_dots(const uint8_t *q, size_t columns, const int8_t *codes, size_t pitch,
                                                            __m256i dot[2][MAX_TOKENS], const int tokens) {
    const __m256i shift = _mm256_set1_epi8(-128);
    __m256i sum[MAX_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) sum[t] = _mm256_setzero_si256();
    for (size_t j = 0; j < columns / 4; j++) {
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

/// What the sums of eight rows come to; `d` and `dm` mean something where rows have factors.
static inline __attribute__((always_inline)) __m256 result(__m256 total, __m256 minimum, __m256 d, __m256 dm, const int kind) {
    switch (kind) {
    case TSR_ROW_FACTORS: return _mm256_fnmadd_ps(dm, minimum, _mm256_mul_ps(d, total));
    case TSR_ZERO_POINTS: return _mm256_sub_ps(total, minimum);
    case TSR_BIASES: return _mm256_add_ps(total, minimum);
    default: return _mm256_mul_ps(_mm256_mul_ps(_mm256_div_ps(d, dm), _mm256_set1_ps(float4_unit(kind))), total);
    }
}

/// The product of a tile and `tokens` tokens, a constant of the caller.
static inline __attribute__((always_inline)) void block(const tsr_packed *w, const tile_layout *l, size_t tile,
                                                        const tsr_activations *x, size_t token, const float *bias, float *y,
                                                        size_t y_stride, const int tokens, const int bits, const int kind) {
    const uint8_t *first = w->tiles + tile * l->bytes;
    const size_t group = group_of(w, kind), columns = tsr_activation_group((uint32_t)group);
    const int8_t *codes = x->codes + token * x->padded_columns;
    const float *scales = x->scales + token * x->groups, *sums = x->sums + token * x->groups;
    __m256 minimum[2][MAX_TOKENS], total[2][MAX_TOKENS];
    UNROLL for (int h = 0; h < 2; h++)
        UNROLL for (int t = 0; t < tokens; t++) minimum[h][t] = total[h][t] = _mm256_setzero_ps();

    // The minimums come first: they pull in the scales too, so that the tile is read from its first byte to its last.
    if (!is_float4(kind)) for (size_t g = 0; g < l->groups; g++) {
        const activation_span span = span_of(g, w->group, x);
        __m256 sum[MAX_TOKENS];
        UNROLL for (int t = 0; t < tokens; t++) sum[t] = _mm256_set1_ps(sum_of(sums + t * x->groups, span));
        UNROLL for (int h = 0; h < 2; h++) {
            __m256 factor = minimums_at(first, g, h * 8, kind);
            UNROLL for (int t = 0; t < tokens; t++) minimum[h][t] = _mm256_fmadd_ps(factor, sum[t], minimum[h][t]);
        }
    }

    for (size_t g = 0; g < l->groups; g++) {
        const uint8_t *q = first + l->codes_offset + g * l->group_bytes;
        const activation_span span = is_float4(kind) ? (activation_span){g, 1} : span_of(g, w->group, x);
        __m256 scaled[2][MAX_TOKENS];
        UNROLL for (int t = 0; t < tokens; t++) {
            const float minimum = is_float4(kind) ? -FLOAT4_ZERO * sums[t * x->groups + g] : 0;
            UNROLL for (int h = 0; h < 2; h++) scaled[h][t] = _mm256_set1_ps(minimum);
        }
        for (size_t i = 0; i < span.count; i++) {
            const int8_t *c = codes + (span.first + i) * columns;
            __m256i dot[2][MAX_TOKENS];
            UNROLL for (int h = 0; h < 2; h++)
                UNROLL for (int t = 0; t < tokens; t++) dot[h][t] = _mm256_setzero_si256();
            if (bits == 8) byte_dots(q + i * columns * TSR_TILE_ROWS, columns, c, x->padded_columns, dot, tokens);
            else nibble_dots(q, group, i * columns, columns, c, x->padded_columns, dot, tokens, bits, kind);
            UNROLL for (int t = 0; t < tokens; t++) {
                __m256 scale = _mm256_set1_ps(scales[t * x->groups + span.first + i]);
                UNROLL for (int h = 0; h < 2; h++)
                    scaled[h][t] = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot[h][t]), scale, scaled[h][t]);
            }
        }
        UNROLL for (int h = 0; h < 2; h++) {
            __m256 scale = scales_at(first, g, h * 8, kind);
            UNROLL for (int t = 0; t < tokens; t++) total[h][t] = _mm256_fmadd_ps(scaled[h][t], scale, total[h][t]);
        }
    }

    UNROLL for (int t = 0; t < tokens; t++) {
        float v[16];
        UNROLL for (int h = 0; h < 2; h++) {
            const __m256 d = _mm256_load_ps((const float *)first + h * 8), dm = _mm256_load_ps((const float *)first + 16 + h * 8);
            _mm256_storeu_ps(v + h * 8, result(total[h][t], minimum[h][t], d, dm, kind));
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
            const int limit = is_float4(kind) ? MAX_TOKENS : CODE_TOKENS;
            tokens = block_tokens(token_end - token, (size_t)limit);
#define CASE(n) \
    case n: if (n <= limit) block(w, &l, tile, x, token, bias, y, y_stride, n, bits, kind); break;
            switch (tokens) { CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) }
#undef CASE
        }
}

void tsr_packed_product_avx2(const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                             size_t token_begin, size_t token_end, const float *bias, float *y, size_t y_stride) {
#define PRODUCT(bits, kind) product(w, tile_begin, tile_end, x, token_begin, token_end, bias, y, y_stride, bits, kind)
    EACH_FORMAT(w, PRODUCT)
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
