// What the files of the packed kernels share.
#pragma once

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

/// Where the parts of a matrix's tiles lie.
typedef struct {
    size_t groups, group_bytes, codes_offset, bytes;
} tile_layout;

static inline tile_layout tile_layout_of(size_t columns, uint32_t bits, uint32_t group) {
    tile_layout l;
    l.groups = (columns + group - 1) / group;
    l.group_bytes = (size_t)TSR_TILE_ROWS * group * bits / 8;
    l.codes_offset = 128 + (l.groups * 32 + 63) / 64 * 64;
    l.bytes = l.codes_offset + l.groups * l.group_bytes;
    return l;
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

/// Tokens of the next block, so that blocks of at most `limit` are as even as they can be.
static inline size_t block_tokens(size_t remaining, size_t limit) {
    size_t blocks = (remaining + limit - 1) / limit;
    return (remaining + blocks - 1) / blocks;
}
