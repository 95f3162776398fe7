// The packed kernels with AVX2.
#if defined(__x86_64__)
#include "packed.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)

#include "packed_ymm.h"

/// Adds products of sixteen rows' operands and a token's four codes, or pairs of codes.
INLINE void add_bytes(__m256i part[2][MAX_TOKENS], const __m256i q[2], const uint8_t *codes, const int t) {
    const __m256i c = broadcast4(codes);
    __m256i low = _mm256_maddubs_epi16(q[0], c), high = _mm256_maddubs_epi16(q[1], c);
    HERE(low);
    HERE(high);
    part[0][t] = _mm256_add_epi16(part[0][t], low);
    part[1][t] = _mm256_add_epi16(part[1][t], high);
    HERE(part[0][t]);
    HERE(part[1][t]);
}
INLINE void add_words(__m256i dot[2][MAX_TOKENS], const __m256i q[2], const uint8_t *codes, const int t) {
    const __m256i c = broadcast4(codes);
    __m256i low = _mm256_madd_epi16(q[0], c), high = _mm256_madd_epi16(q[1], c);
    HERE(low);
    HERE(high);
    dot[0][t] = _mm256_add_epi32(dot[0][t], low);
    dot[1][t] = _mm256_add_epi32(dot[1][t], high);
    HERE(dot[0][t]);
    HERE(dot[1][t]);
}

/// Sums of up to 32 products of codes of 6 bits and a scale of 8 fit 32 bits.
INLINE int joins_avx2(const int bits) { return bits < 8; }

INLINE void join_avx2(__m256i part[2][MAX_TOKENS], __m256i dot[2][MAX_TOKENS], const uint8_t *scales, const int tokens) {
    UNROLL for (int h = 0; h < 2; h++) {
        __m256i factor = _mm256_set1_epi16(1);
        if (scales) {
            const __m256i rows = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(scales + 8 * h)));
            factor = _mm256_or_si256(rows, _mm256_slli_epi32(rows, 16));
        }
        UNROLL for (int t = 0; t < tokens; t++) {
            dot[h][t] = _mm256_add_epi32(dot[h][t], _mm256_madd_epi16(part[h][t], factor));
            part[h][t] = _mm256_setzero_si256();
        }
    }
}

/// Two products of codes of b bits add up to at most 254·(2^b − 1): of those 16 bits hold eight sums at 4 bits, four at 5, two at
/// 6, and five of 4-bit floats, which count up to 24. So at 5 and 6 bits none are left in `part` after four steps.
INLINE void step_dots_avx2(const uint8_t *steps, const uint8_t *upper, const uint8_t *codes, size_t pitch,
                           __m256i part[2][MAX_TOKENS], __m256i dot[2][MAX_TOKENS], const uint8_t *scales, const int i,
                           const int high, const int tokens, const int bits, const int float4) {
    const __m256i q[2] = {operand(steps, upper, i, high, bits, float4), operand(steps + 32, upper + 32, i, high, bits, float4)};
    UNROLL for (int t = 0; t < tokens; t++) add_bytes(part, q, codes + t * pitch, t);
    if ((i == 3 && (bits > 4 || float4)) || (i == 1 && bits == 6)) join_avx2(part, dot, scales, tokens);
}

/// A pair of u8 × s8 products overflows 16 bits. Of codes and activations of 16 bits it does not overflow 32: those of columns 0
/// and 2 of a step are pairs, and those of 1 and 3.
INLINE void byte_dots_avx2(const uint8_t *q, size_t columns, const uint8_t *codes, size_t pitch, __m256i dot[2][MAX_TOKENS],
                           const int tokens) {
    for (size_t j = 0; j < columns / 4; j++, q += STEP_BYTES, codes += 8) {
        const __m256i *step = (const __m256i *)q, even = _mm256_set1_epi16(255);
        const __m256i first[2] = {_mm256_and_si256(even, step[0]), _mm256_and_si256(even, step[1])};
        UNROLL for (int t = 0; t < tokens; t++) add_words(dot, first, codes + t * pitch, t);
        const __m256i second[2] = {_mm256_srli_epi16(step[0], 8), _mm256_srli_epi16(step[1], 8)};
        UNROLL for (int t = 0; t < tokens; t++) add_words(dot, second, codes + t * pitch + 4, t);
    }
}

INLINE int form_avx2(const int bits) { return bits == 8 ? 2 : 1; }

/// Activations as pairs of 16 bits: of four columns 0 and 2, then 1 and 3. `columns` is a multiple of 4.
static void convert_avx2(const int8_t *codes, size_t columns, uint8_t *out) {
    size_t k = 0;
    const __m128i order = _mm_setr_epi8(0, 2, 1, 3, 4, 6, 5, 7, 8, 10, 9, 11, 12, 14, 13, 15);
    for (; k + 16 <= columns; k += 16) {
        const __m128i sixteen = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(codes + k)), order);
        _mm256_storeu_si256((__m256i *)(out + 2 * k), _mm256_cvtepi8_epi16(sixteen));
    }
    for (; k < columns; k += 4) {
        const int16_t four[] = {codes[k], codes[k + 2], codes[k + 1], codes[k + 3]};
        memcpy(out + 2 * k, four, sizeof four);
    }
}

#define NAME(function) function##_avx2
#define PRODUCT tsr_packed_product_avx2
#include "packed_ymm_block.h"
#undef PRODUCT
#undef NAME

static inline __m256i lanes_below(size_t count) {
    const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(count < 8 ? (int)count : 8), lane);
}

INLINE __m128i highest(__m256i v) {
    __m128i most = _mm_max_epu32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    most = _mm_max_epu32(most, _mm_shuffle_epi32(most, 0x4e));
    return _mm_max_epu32(most, _mm_shuffle_epi32(most, 0xb1));
}

/// A whole group of 32. Values are at most 190 scales, so that saturating to a byte is all the bounding that is left to do.
INLINE void quantize_32(const float *x, int8_t *codes, float *scale, float *sum) {
    const __m256i magnitude = _mm256_set1_epi32(0x7fffffff);
    __m256i largest = _mm256_setzero_si256(), c[4];
    UNROLL for (int i = 0; i < 4; i++)
        largest = _mm256_max_epu32(largest, _mm256_and_si256(_mm256_loadu_si256((const __m256i *)(x + i * 8)), magnitude));
    *scale = scale_of((uint32_t)_mm_cvtsi128_si32(highest(largest)));
    if (!usable(*scale)) {
        memset(codes, 0, 32);
        *sum = *scale * 0;
        return;
    }
    UNROLL for (int i = 0; i < 4; i++)
        c[i] = _mm256_cvtps_epi32(_mm256_div_ps(_mm256_loadu_ps(x + i * 8), _mm256_set1_ps(*scale)));
    __m256i all = _mm256_packs_epi16(_mm256_packs_epi32(c[0], c[1]), _mm256_packs_epi32(c[2], c[3]));
    all = _mm256_permutevar8x32_epi32(all, _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7));
    all = _mm256_max_epi8(all, _mm256_set1_epi8(-127));
    _mm256_storeu_si256((__m256i *)codes, all);
    // As bytes from 1 to 255 they are added up in four parts.
    const __m256i parts = _mm256_sad_epu8(_mm256_xor_si256(all, _mm256_set1_epi8(-128)), _mm256_setzero_si256());
    const __m128i two = _mm_add_epi64(_mm256_castsi256_si128(parts), _mm256_extracti128_si256(parts, 1));
    *sum = *scale * (float)(_mm_cvtsi128_si32(_mm_add_epi64(two, _mm_unpackhi_epi64(two, two))) - 32 * 128);
}

void tsr_packed_quantize_avx2(const float *x, size_t count, size_t group, int8_t *codes, float *scale, float *sum) {
    if (count == 32 && group == 32) return quantize_32(x, codes, scale, sum);
    __m256i largest = _mm256_setzero_si256();
    for (size_t k = 0; k < count; k += 8) {
        __m256i bits = _mm256_castps_si256(_mm256_maskload_ps(x + k, lanes_below(count - k)));
        largest = _mm256_max_epu32(largest, _mm256_and_si256(bits, _mm256_set1_epi32(0x7fffffff)));
    }
    *scale = scale_of((uint32_t)_mm_cvtsi128_si32(highest(largest)));

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
