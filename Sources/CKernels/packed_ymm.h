// What the packed kernels on 256 bits share: a step of a tile is two registers of eight rows each, a row one 32-bit lane.
#pragma once

#include "packed.h"

#include <immintrin.h>

#define UNROLL _Pragma("clang loop unroll(full)")
#define INLINE static inline __attribute__((always_inline))

// Twelve integer accumulators, two operands of weights, one of activations and a product are all sixteen registers.
enum { MAX_TOKENS = 6 };

// Up to this many tokens a product is bound by memory: what lies so many bytes ahead is fetched.
enum { STREAM_TOKENS = 3, AHEAD_BYTES = 4096 };

// Tiles that meet a block of tokens one after another, so that what was made for the block serves all of them.
enum { SPAN_TILES = 16 };

// Scratch for the activations of a block in another form.
enum { SCRATCH_BYTES = 12288 };

/// Sizes of groups that a block is compiled for: 16 and 32 stand for themselves.
enum { ANY_SMALL = 0, WIDE = 64 };

/// A block of tokens, from the first group of activations of a panel of columns on. A row of codes begins `pitch` bytes after the
/// one before, a row of scales and sums `side_pitch` floats.
typedef struct {
    const uint8_t *codes;
    size_t pitch;
    const float *scales, *sums;
    size_t side_pitch;
    size_t groups;  // of activations, to the end of the row
} token_block;

/// The sums of the sixteen rows of a tile over the groups so far.
typedef struct {
    __m256 total[2][MAX_TOKENS], minimum[2][MAX_TOKENS];
} tile_sums;

/// Keeps the compiler from moving a value's computation across that of others: left alone it hoists loads until it spills.
#define HERE(value) __asm__ volatile("" : "+x"(value))
#define ORDERED __asm__ volatile("" ::: "memory")

INLINE __m256i broadcast4(const uint8_t *codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return _mm256_set1_epi32(four);
}

INLINE __m256 widen(const uint8_t *bytes) {
    return _mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)bytes)));
}

INLINE __m256 halves(const uint8_t *at) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)at)); }

INLINE __m256 e8m0(const uint8_t *bytes) {
    __m256i bits = _mm256_slli_epi32(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)bytes)), 23);
    return _mm256_castsi256_ps(_mm256_max_epu32(bits, _mm256_set1_epi32(1 << 22)));
}

/// E4M3 numbers times 2⁻⁸: as float16 their exponents are 8 too small.
INLINE __m256 e4m3(const uint8_t *bytes) {
    __m128i bits = _mm_slli_epi16(_mm_cvtepi8_epi16(_mm_loadl_epi64((const __m128i *)bytes)), 7);
    bits = _mm_and_si128(bits, _mm_set1_epi16((int16_t)0xbf80));
    const __m128i magnitude = _mm_set1_epi16(0x3f80);  // NaN has all of these
    return _mm256_cvtph_ps(_mm_or_si128(bits, _mm_cmpeq_epi16(_mm_and_si128(bits, magnitude), magnitude)));
}

/// The scales of eight rows of a group, from row `first` on; and its minimums, which are whole numbers, products that are
/// exact, or biases.
INLINE __m256 scales_at(const uint8_t *tile, size_t g, int first, tsr_packed_scales kind) {
    const uint8_t *at = scales_of(tile, g, kind);
    switch (kind) {
    case TSR_MXFP4: return e8m0(at + first);
    case TSR_NVFP4: return e4m3(at + first);
    case TSR_ROW_FACTORS: return widen(at + first);
    default: return halves(at + 2 * first);
    }
}
INLINE __m256 minimums_at(const uint8_t *tile, size_t g, int first, tsr_packed_scales kind) {
    const uint8_t *at = minimums_of(tile, g, kind);
    switch (kind) {
    case TSR_ZERO_POINTS: return _mm256_mul_ps(scales_at(tile, g, first, kind), widen(at + first));
    case TSR_BIASES: return halves(at + 2 * first);
    default: return widen(at + first);
    }
}

/// Four steps of a group that share their upper bits: the operand of step i of them for eight rows, its low nibbles or its
/// high ones.
INLINE __m256i operand(const uint8_t *steps, const uint8_t *upper, const int i, const int high, const int bits,
                       const int float4) {
    __m256i step = _mm256_load_si256((const __m256i *)(steps + i * STEP_BYTES));
    if (high) step = _mm256_srli_epi16(step, 4);
    step = _mm256_and_si256(step, _mm256_set1_epi8(15));
    if (float4) {
        const __m128i values = _mm_setr_epi8(FLOAT4_CODES);
        return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(values), step);
    }
    if (bits == 4) return step;
    const int u = bits - 4, from = 2 * u * (i % (4 / u)) + high * u;
    __m256i above = _mm256_load_si256((const __m256i *)(upper + i * u / 4 * STEP_BYTES));
    above = from < 4 ? _mm256_slli_epi16(above, 4 - from) : _mm256_srli_epi16(above, from - 4);
    return _mm256_or_si256(step, _mm256_and_si256(above, _mm256_set1_epi8(((1 << u) - 1) << 4)));
}

/// What the sums of eight rows come to; `d` and `dm` mean something where rows have factors.
INLINE __m256 result(__m256 total, __m256 minimum, __m256 d, __m256 dm, tsr_packed_scales kind) {
    switch (kind) {
    case TSR_ROW_FACTORS: return _mm256_fnmadd_ps(dm, minimum, _mm256_mul_ps(d, total));
    case TSR_ZERO_POINTS: return _mm256_sub_ps(total, minimum);
    case TSR_BIASES: return _mm256_add_ps(total, minimum);
    default: return _mm256_mul_ps(_mm256_mul_ps(_mm256_div_ps(d, dm), _mm256_set1_ps(float4_unit(kind))), total);
    }
}
