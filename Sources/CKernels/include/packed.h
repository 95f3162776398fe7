// Matrices of packed int4 and int8 groups, activations of int8 groups, and their product.
//
// A weight is w[n,k] = s·q − m with an unsigned code q of 4 or 8 bits. One (s, m) serves a row n and a group of G
// consecutive k. There are two kinds:
//   row factors:  s = d[n]·sc[n,g] and m = dm[n]·mn[n,g] with 8-bit unsigned sc and mn and float32 d and dm;
//   zero points:  s is a float16 and m = s·z with an 8-bit unsigned z.
// G is a multiple of 8 for int4 and of 4 for int8, at most 512: Σ q·c below then is exact in a float32. The columns are
// padded to whole groups with code 0, the rows to whole tiles with d = dm = 0 or s = z = 0.
//
// A matrix is ceil(rows / 16) tiles. A tile holds 16 rows and is contiguous, every part of it 64-byte aligned:
//   1. row factors: float32 d[16], float32 dm[16]; per group uint8 sc[16], uint8 mn[16]; zeros up to a multiple of 64;
//      zero points: per group float16 s[16], uint8 z[16]; zeros up to a multiple of 64 bytes;
//   2. per group its codes, in steps of 64 bytes.
//      int8: G/4 steps; byte r·4 + i of step j is the code of row r at k = 4j + i.
//      int4: G/8 steps; byte r·4 + i of step j holds row r at k = 4j + i in its low nibble, at k = G/2 + 4j + i in its
//      high one.
//
// An activation is x[t,k] = scale[t,g]·c, c a signed code of at most ±127; sum[t,g] = scale[t,g]·Σ c over the group. So
//   y[t,n] = d[n]·Σg sc[n,g]·(scale[t,g]·Σ q·c) − dm[n]·Σg mn[n,g]·sum[t,g] + bias[n], or
//   y[t,n] = Σg s[n,g]·(scale[t,g]·Σ q·c) − Σg (s·z)[n,g]·sum[t,g] + bias[n].
//
// Every instruction set performs the same float operations in the same order for an element of y: an element has the same bits
// whatever the instruction set, the tiles, the tokens or the threads of a call.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "isa.h"

enum { TSR_TILE_ROWS = 16, TSR_TILE_ALIGNMENT = 64, TSR_GROUP_LIMIT = 512 };

/// Where the scale and the minimum of a group come from.
typedef enum {
    TSR_ROW_FACTORS = 0,
    TSR_ZERO_POINTS = 1,
} tsr_packed_scales;

/// A packed matrix; `tiles` is 64-byte aligned.
typedef struct {
    const uint8_t *tiles;
    size_t rows, columns;
    uint32_t bits, group;
    tsr_packed_scales scales;
} tsr_packed;

/// Quantized activations: codes [tokens][padded_columns], scales and sums [tokens][groups].
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

/// The floats of one row, w->columns of them.
void tsr_packed_row(const tsr_packed *w, size_t row, float *out);

/// The same with a given instruction set, which must be available.
void tsr_quantize_rows_with(tsr_isa isa, const float *x, size_t x_stride, size_t tokens, size_t columns, uint32_t group,
                            int8_t *codes, float *scales, float *sums);
void tsr_packed_product_with(tsr_isa isa, const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                             size_t token_begin, size_t token_end, const float *bias, float *y, size_t y_stride);
