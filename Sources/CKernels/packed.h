// What the files of the packed kernels share.
#pragma once

#include "code_layout.h"

#include <float.h>
#include <string.h>

typedef void packed_product(const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                            size_t token_begin, size_t token_end, const float *bias, float *y, size_t y_stride);

/// Quantizes `count` floats into a group of `group` codes.
typedef void packed_quantize(const float *x, size_t count, size_t group, int8_t *codes, float *scale, float *sum);

packed_product tsr_packed_product_scalar;
packed_quantize tsr_packed_quantize_scalar;
#if defined(__x86_64__)
packed_product tsr_packed_product_avx2, tsr_packed_product_avxvnni, tsr_packed_product_avx512;
packed_quantize tsr_packed_quantize_avx2, tsr_packed_quantize_avx512;
#elif defined(__aarch64__)
packed_product tsr_packed_product_neon, tsr_packed_product_dotprod, tsr_packed_product_i8mm;
packed_quantize tsr_packed_quantize_neon;
#endif

/// Where the parts of a matrix's tiles lie.
typedef struct {
    size_t groups, group_bytes, codes_offset, bytes;
} tile_layout;

static inline tile_layout tile_layout_of(size_t columns, uint32_t bits, uint32_t group, tsr_packed_scales scales) {
    tile_layout l;
    l.groups = (columns + group - 1) / group;
    l.group_bytes = group_bytes_of(bits, group);
    l.codes_offset = table_bytes_of(scales, l.groups);
    l.bytes = l.codes_offset + l.groups * l.group_bytes;
    return l;
}

/// The scales of a group of a tile that begins at `tile`, and what follows them: minimums, zero points or biases.
static inline const uint8_t *scales_of(const uint8_t *tile, size_t group, tsr_packed_scales scales) {
    return tile + table_of(scales).head + group * entry_bytes_of(scales);
}
static inline const uint8_t *minimums_of(const uint8_t *tile, size_t group, tsr_packed_scales scales) {
    return scales_of(tile, group, scales) + TSR_TILE_ROWS * table_of(scales).first;
}

/// Whether codes are 4-bit floats. Their minimum is 12 scales, which goes into each group's sum.
static inline int is_float4(tsr_packed_scales scales) { return scales == TSR_MXFP4 || scales == TSR_NVFP4; }

/// 2·E2M1 + 12 of each code.
#define FLOAT4_CODES 12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0
enum { FLOAT4_ZERO = 12 };

/// Columns of a group: a constant where the kind is one and has groups of one size.
static inline size_t group_of(const tsr_packed *w, tsr_packed_scales kind) {
    return kind == TSR_MXFP4 ? 32 : kind == TSR_NVFP4 ? 16 : w->group;
}

/// Returns PRODUCT(bits, kind) of those of a matrix, both as constants.
#define EACH_FORMAT(w, PRODUCT)                                           \
    switch ((w)->scales) {                                                \
    case TSR_ROW_FACTORS: EACH_BITS(w, PRODUCT, TSR_ROW_FACTORS) break;   \
    case TSR_ZERO_POINTS: EACH_BITS(w, PRODUCT, TSR_ZERO_POINTS) break;   \
    case TSR_BIASES: EACH_BITS(w, PRODUCT, TSR_BIASES) break;             \
    case TSR_MXFP4: return PRODUCT(4, TSR_MXFP4);                         \
    case TSR_NVFP4: return PRODUCT(4, TSR_NVFP4);                         \
    }
#define EACH_BITS(w, PRODUCT, kind)            \
    switch ((w)->bits) {                       \
    case 4: return PRODUCT(4, kind);           \
    case 5: return PRODUCT(5, kind);           \
    case 6: return PRODUCT(6, kind);           \
    case 8: return PRODUCT(8, kind);           \
    }

/// What the kernels' 8-bit scales are multiplied by: they take those of NVFP4 for float16 numbers, 256 times too small, and twice
/// the codes of both.
static inline float float4_unit(tsr_packed_scales scales) { return scales == TSR_NVFP4 ? 128 : 0.5f; }

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

/// 2^(byte − 127) as the kernels take it: infinite for the byte that is NaN.
static inline float float_of_e8m0(uint8_t byte) {
    const uint32_t bits = byte ? (uint32_t)byte << 23 : 1u << 22;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/// The float16 with the bits of an E4M3 number, which is 2⁻⁸ of it; NaN stays NaN.
static inline float half_of_e4m3(uint8_t byte) {
    const uint16_t bits = (uint16_t)((byte & 0x80) << 8 | (byte & 0x7f) << 7 | ((byte & 0x7f) == 0x7f ? 0x7c00 : 0));
    uint8_t half[2];
    memcpy(half, &bits, sizeof half);
    return float_of_half(half);
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
static inline void store_rows(const float v[TSR_TILE_ROWS], const tsr_packed *w, size_t tile, const float *bias, float *y) {
    const size_t row = tile * TSR_TILE_ROWS, rows = w->rows - row;
    y += row;
    if (bias)
        for (size_t r = 0; r < TSR_TILE_ROWS && r < rows; r++) y[r] = v[r] + bias[row + r];
    else if (rows < TSR_TILE_ROWS) memcpy(y, v, rows * sizeof *v);
    else memcpy(y, v, TSR_TILE_ROWS * sizeof *v);  // a few moves, not a call
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
