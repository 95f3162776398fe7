// Fitting group codes to rows of floats, and packing them into tiles.
//
// w[n,k] ≈ d[n]·sc[n,g]·q[n,k] − dm[n]·mn[n,g], g = k / group, with unsigned q of 4, 5, 6 or 8 bits and 8-bit unsigned sc and mn.
// A tile and its codes are as `packed.h` says. Columns past the last are codes 0.
//
// Results have the same bits on every instruction set: a row is one lane of a vector, so nothing is ever summed across
// lanes, and products and sums are fused only where all sets do so.
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "isa.h"
#include "packed.h"

enum { TSR_FIT_ROWS = 16 };

/// A kind of group codes for rows of `columns` weights.
typedef struct {
    size_t columns;
    uint32_t bits;   // 4, 5, 6 or 8
    uint32_t group;  // a multiple of 8, at most 128
} tsr_fit_format;

/// How scales, minimums and codes are chosen.
typedef enum {
    TSR_FIT_NEAREST,  // the range of each group, codes to nearest
    TSR_FIT_SEARCH,   // the scale and minimum of least weighted squared error
} tsr_fit_solver;

/// The element types of rows.
typedef enum { TSR_FIT_F64, TSR_FIT_F32, TSR_FIT_F16, TSR_FIT_BF16 } tsr_fit_type;

/// At most 16 rows of a matrix, `stride` bytes apart; missing rows count as zeros.
typedef struct {
    const void *data;
    size_t stride;
    uint32_t count;
    tsr_fit_type type;
} tsr_fit_rows;

/// What is minimised: Σ importance[k]·√(1 + magnitude·w²/mean w²)·(w − ŵ)², the mean over the group.
typedef struct {
    const float *importance;  // of each column, finite and not negative; null for equal
    float magnitude;          // 0: all magnitudes count alike
} tsr_fit_weighting;

/// How far codes are from the weights.
typedef struct {
    double error;   // Σ (w − ŵ)²
    double energy;  // Σ w²
    double worst;   // the greatest Σ (w − ŵ)² / Σ w² of a group of one row
} tsr_fit_error;

/// A tile taken apart: `d` and `dm` are [16], `codes` [groups·group][16], `scales` and `minimums` [groups][16].
typedef struct {
    float *d, *dm;
    uint8_t *codes, *scales, *minimums;
} tsr_fit_parts;

/// Groups that a row has.
size_t tsr_fit_groups(const tsr_fit_format *format);
/// Bytes of a tile.
size_t tsr_fit_tile_bytes(const tsr_fit_format *format);
/// Writes all bytes of a tile.
void tsr_fit_pack(const tsr_fit_format *format, const tsr_fit_parts *parts, uint8_t *tile);
/// Reads a tile into `parts`.
void tsr_fit_unpack(const tsr_fit_format *format, const uint8_t *tile, tsr_fit_parts *parts);

/// A tile of any kind of `packed.h`, taken apart: `factors` and `divisors` are [16], `scales` and what the kind has beside them,
/// minimums, zero points or biases, [groups][16] and of its types, `codes` [groups·group][16]. What the kind lacks is not read.
typedef struct {
    const float *factors, *divisors;
    const void *scales, *minimums;
    const uint8_t *codes;
} tsr_published_parts;
/// Writes all bytes of such a tile.
void tsr_published_pack(const tsr_fit_format *format, tsr_packed_scales kind, const tsr_published_parts *parts, uint8_t *tile);

/// One row of a tile as floats: (d·sc)·q − dm·mn, each operation rounded.
void tsr_fit_row(const tsr_fit_format *format, const uint8_t *tile, size_t row, float *out);

/// Bytes of working memory that `tsr_fit_tile` needs, 64-byte aligned.
size_t tsr_fit_scratch_bytes(const tsr_fit_format *format);

/// Fits a tile to rows. False, with nothing written, when a weight is not finite or not below 2¹²⁶.
bool tsr_fit_tile(const tsr_fit_format *format, tsr_fit_solver solver, const tsr_fit_weighting *weighting,
                  const tsr_fit_rows *rows, void *scratch, uint8_t *tile, tsr_fit_error *error);

/// The same with a given instruction set, which must be available.
bool tsr_fit_tile_with(tsr_isa isa, const tsr_fit_format *format, tsr_fit_solver solver,
                       const tsr_fit_weighting *weighting, const tsr_fit_rows *rows, void *scratch, uint8_t *tile,
                       tsr_fit_error *error);
