// What the files of the packed kernels share.
#pragma once

#include "code_layout.h"
#include "include/packed.h"

#include <float.h>
#include <string.h>

typedef void packed_product(const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                            size_t token_begin, size_t token_end, const float *bias, float *y, size_t y_stride);

/// Quantizes `count` floats into a group of `group` codes.
typedef void packed_quantize(const float *x, size_t count, size_t group, int8_t *codes, float *scale, float *sum);

packed_product tsr_packed_product_scalar;
packed_quantize tsr_packed_quantize_scalar;
#if defined(__x86_64__)
packed_product tsr_packed_product_avx2, tsr_packed_product_avx512;
packed_quantize tsr_packed_quantize_avx2, tsr_packed_quantize_avx512;
#elif defined(__aarch64__)
packed_product tsr_packed_product_neon, tsr_packed_product_dotprod;
packed_quantize tsr_packed_quantize_neon;
#endif

// The scales and minimums of a group, before its codes: FACTOR_BYTES for the row factors, then so many a group.
enum { FACTOR_BYTES = 128, FACTORED_BYTES = 32, ZERO_POINT_BYTES = 48 };

/// Where the parts of a matrix's tiles lie.
typedef struct {
    size_t groups, group_bytes, codes_offset, bytes;
} tile_layout;

static inline tile_layout tile_layout_of(size_t columns, uint32_t bits, uint32_t group, tsr_packed_scales scales) {
    tile_layout l;
    l.groups = (columns + group - 1) / group;
    l.group_bytes = group_bytes_of(bits, group);
    l.codes_offset = scales == TSR_ZERO_POINTS ? (l.groups * ZERO_POINT_BYTES + 63) / 64 * 64
                                               : FACTOR_BYTES + (l.groups * FACTORED_BYTES + 63) / 64 * 64;
    l.bytes = l.codes_offset + l.groups * l.group_bytes;
    return l;
}

/// The scales of a group of a tile that begins at `tile`, and what follows them: minimums or zero points.
static inline const uint8_t *scales_of(const uint8_t *tile, size_t group, tsr_packed_scales scales) {
    return scales == TSR_ZERO_POINTS ? tile + group * ZERO_POINT_BYTES : tile + FACTOR_BYTES + group * FACTORED_BYTES;
}
static inline const uint8_t *minimums_of(const uint8_t *tile, size_t group, tsr_packed_scales scales) {
    return scales_of(tile, group, scales) + (scales == TSR_ZERO_POINTS ? 32 : 16);
}

/// A float16 in plain C.
static inline float float_of_half(const uint8_t *at) {
    uint16_t half;
    memcpy(&half, at, sizeof half);
    // The exponents differ by 112; multiplying also normalises denormals. All ones stay all ones.
    uint32_t magnitude = (half & 0x7fffu) << 13;
    float value;
    memcpy(&value, &magnitude, sizeof value);
    value *= 0x1p112f;
    memcpy(&magnitude, &value, sizeof magnitude);
    magnitude |= ((half & 0x7c00u) == 0x7c00u ? 0x7f800000u : 0) | (half & 0x8000u) << 16;
    memcpy(&value, &magnitude, sizeof value);
    return value;
}

/// absmax / 127, from the bits of absmax. Magnitudes are compared as integers: NaN is the largest, then infinity.
static inline float scale_of(uint32_t absmax_bits) {
    float absmax;
    memcpy(&absmax, &absmax_bits, sizeof absmax);
    return absmax / 127;
}

/// Whether values are divided by this scale; where not, all codes of the group are 0.
static inline int usable(float scale) { return scale > 0 && scale <= FLT_MAX; }
static inline float divisor_of(float scale) { return usable(scale) ? scale : 1; }

/// Writes the rows that exist of a tile's 16 values, with their bias.
static inline void store_rows(const float v[16], const tsr_packed *w, size_t tile, const float *bias, float *y) {
    const size_t row = tile * TSR_TILE_ROWS, rows = w->rows - row < TSR_TILE_ROWS ? w->rows - row : TSR_TILE_ROWS;
    for (size_t r = 0; r < rows; r++) y[row + r] = bias ? v[r] + bias[row + r] : v[r];
}

/// The groups of activations that meet a group of weights: `count` of them from `first` on. The last group of a row may have fewer.
typedef struct {
    size_t first, count;
} activation_span;

static inline activation_span span_of(size_t g, uint32_t group, const tsr_activations *x) {
    const size_t full = group / tsr_activation_group(group), first = g * full;
    return (activation_span){first, x->groups - first < full ? x->groups - first : full};
}

/// Σ of the sums of a token's groups within a span.
static inline float sum_of(const float *sums, activation_span span) {
    float sum = sums[span.first];
    for (size_t i = 1; i < span.count; i++) sum += sums[span.first + i];
    return sum;
}

/// Tokens of the next block, so that blocks of at most `limit` are as even as they can be.
static inline size_t block_tokens(size_t remaining, size_t limit) {
    size_t blocks = (remaining + limit - 1) / limit;
    return (remaining + blocks - 1) / blocks;
}
