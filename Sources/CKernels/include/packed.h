// Matrices of packed groups of 4, 5, 6 or 8 bits, activations of int8 groups, and their product.
//
// A weight is w[n,k] = s·q − m with an unsigned code q. One (s, m) serves a row n and a group of G consecutive k. These are the
// kinds:
//   row factors:  s = d[n]·sc[n,g] and m = dm[n]·mn[n,g] with 8-bit unsigned sc and mn and float32 d and dm;
//   zero points:  s is a float16 and m = s·z with an 8-bit unsigned z;
//   biases:       s and −m are float16;
//   4-bit floats: w = E2M1[q]·s with s = (e[n,g]·d[n]) / v[n], e a float of 8 bits, d and v float32; q has 4 bits, and E2M1 is 0,
//                 ½, 1, 1½, 2, 3, 4, 6, then the same with a minus. MXFP4: G = 32, e = 2^(byte − 127), 255 is NaN. NVFP4: G = 16,
//                 e is E4M3 without infinities, NaN in the last place of either sign.
// G is at most 512: Σ q·c below then is exact in a float32. Up to 32 it is a multiple of 4 at 8 bits, of 8 at 4 bits, and 32 at
// 5 and 6; above it is a multiple of 32 at 8 bits and of 64 at the others. The columns are padded to whole groups with code 0,
// the rows to whole tiles with zeros.
//
// A matrix is ceil(rows / 16) tiles. A tile holds 16 rows and is contiguous, every part of it 64-byte aligned:
//   1. row factors: float32 d[16], float32 dm[16]; per group uint8 sc[16], uint8 mn[16]; zeros up to a multiple of 64;
//      zero points: per group float16 s[16], uint8 z[16]; zeros up to a multiple of 64 bytes;
//      biases: per group float16 s[16], float16 b[16];
//      4-bit floats: float32 d[16], float32 v[16]; per group uint8 e[16]; zeros up to a multiple of 64 bytes;
//   2. per group its codes, in steps of 64 bytes.
//      8 bits: G/4 steps; byte r·4 + i of step j is the code of row r at k = 4j + i.
//      4 bits: G/8 steps; byte r·4 + i of step j holds row r at k = 4j + i in its low nibble, at k = G/2 + 4j + i in its
//      high one.
//      4 + u bits: the low four as those of 4 bits, then u·G/32 steps with the others. Byte r·4 + i of one of those has the upper
//      bits of the bytes r·4 + i of 4/u steps of nibbles, from its lowest bit on: u bits for the low nibble of the first, u for
//      its high nibble, u for the low nibble of the second, and so on.
//
// An activation is x[t,k] = scale[t,h]·c, c a signed code of at most ±127, in groups h of A = min(G, 32) columns: what outliers do to
// their neighbours does not grow with the groups of the weights. sum[t,h] = scale[t,h]·Σ c over the group. With Σh over the
// groups of activations in a group of weights,
//   y[t,n] = d[n]·Σg sc[n,g]·(Σh scale[t,h]·Σ q·c) − dm[n]·Σg mn[n,g]·(Σh sum[t,h]) + bias[n], or
//   y[t,n] = Σg s[n,g]·(Σh scale[t,h]·Σ q·c) − Σg m[n,g]·(Σh sum[t,h]) + bias[n], or, with u = 2·E2M1[q] + 12, a whole number,
//   y[t,n] = d[n]/v[n]/2·Σg e[n,g]·(scale[t,g]·Σ u·c − 12·sum[t,g]) + bias[n].
//
// Every instruction set performs the same float operations in the same order for an element of y: an element has the same bits
// whatever the instruction set, the tiles, the tokens or the threads of a call.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "isa.h"

enum { TSR_TILE_ROWS = 16, TSR_TILE_ALIGNMENT = 64, TSR_GROUP_LIMIT = 512, TSR_ACTIVATION_LIMIT = 32 };

/// Columns that share a scale in the activations that meet weights in groups of `group`.
static inline uint32_t tsr_activation_group(uint32_t group) {
    return group < TSR_ACTIVATION_LIMIT ? group : TSR_ACTIVATION_LIMIT;
}

/// Where the scale and the minimum of a group come from.
typedef enum {
    TSR_ROW_FACTORS = 0,
    TSR_ZERO_POINTS = 1,
    TSR_BIASES = 2,
    TSR_MXFP4 = 3,
    TSR_NVFP4 = 4,
} tsr_packed_scales;

enum { TSR_PACKED_KINDS = 5 };

/// A packed matrix; `tiles` is 64-byte aligned.
typedef struct {
    const uint8_t *tiles;
    size_t rows, columns;
    uint32_t bits, group;
    tsr_packed_scales scales;
} tsr_packed;

/// Quantized activations in groups of `tsr_activation_group` of the weights': codes [tokens][padded_columns], padded to whole
/// groups, scales and sums [tokens][groups].
typedef struct {
    const int8_t *codes;
    const float *scales, *sums;
    size_t tokens, padded_columns, groups;
} tsr_activations;

/// Bytes of one tile.
size_t tsr_packed_tile_bytes(size_t columns, uint32_t bits, uint32_t group, tsr_packed_scales scales);

/// Quantizes rows of floats, `x_stride` floats apart: scale = absmax / 127, code = x / scale rounded to nearest even.
/// Where a group holds an infinity or a NaN its scale and sum are not finite either, and its codes are 0.
void tsr_quantize_rows(const float *x, size_t x_stride, size_t tokens, size_t columns, uint32_t group, int8_t *codes,
                       float *scales, float *sums);

/// y[t·y_stride + n] for the tokens [token_begin, token_end) and the rows below w->rows of the tiles [tile_begin, tile_end).
/// `bias` holds a float per row, or is null.
void tsr_packed_product(const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                        size_t token_begin, size_t token_end, const float *bias, float *y, size_t y_stride);

/// The floats of one row, w->columns of them: (d·sc)·q − dm·mn, s·(q − z), s·q + b or E2M1[q]·((e·d)/v), each operation rounded.
void tsr_packed_row(const tsr_packed *w, size_t row, float *out);

/// The scale of a group of 4-bit floats: (e·d)/v, each operation rounded. `kind` is TSR_MXFP4 or TSR_NVFP4.
float tsr_float4_scale(tsr_packed_scales kind, uint8_t byte, float d, float v);

/// The same with a given instruction set, which must be available.
void tsr_quantize_rows_with(tsr_isa isa, const float *x, size_t x_stride, size_t tokens, size_t columns, uint32_t group,
                            int8_t *codes, float *scales, float *sums);
void tsr_packed_product_with(tsr_isa isa, const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                             size_t token_begin, size_t token_end, const float *bias, float *y, size_t y_stride);
