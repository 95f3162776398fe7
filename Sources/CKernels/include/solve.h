// Choosing group codes by second moments: the inner loops of GPTQ and of coordinate descent.
//
// A panel is [columns][pitch] floats: a column is `pitch` rows of a matrix side by side, a multiple of 16. Each function works
// on sixteen rows of one group of columns; what happens to the other columns is up to the caller. Rows are scaled so that
// d and dm are not negative. Nothing is fused, so results have the same bits on every instruction set.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "fit.h"
#include "isa.h"

/// One group of sixteen rows: w ≈ d·scale·code − dm·minimum.
typedef struct {
    size_t count;          // columns, at most 128
    size_t pitch;          // floats from one column of a panel to the next
    uint32_t bits;         // of a code
    const float *d, *dm;   // [16], not negative
    uint8_t *scales;       // [16]
    uint8_t *minimums;     // [16]
    uint8_t *codes;        // [count][16]
} tsr_solve_group;

/// Loads up to 16 rows into a panel, each times a power of two that brings its greatest magnitude into [1, 2), its sign
/// that of `signs`; `units` [16] are what rows were multiplied by. `scratch` holds `columns`·16 floats, 64-byte aligned.
void tsr_solve_load(const tsr_fit_rows *rows, size_t columns, const float *signs, float *scratch, float *panel,
                    size_t pitch, float *units);

/// Rounds one group, handing errors on. Its scales and minimums are searched for on its columns as they would be best after what is
/// rounded by now: each adjusted for all before it, those of the group, unrounded, included, and weighing `importance`. Then column by
/// column the code nearest to the adjusted column is taken, and its error δ = w − ŵ is handed on: column k after j in the group grows
/// by δ·F[j,k].
/// `weights` are the group's columns of a panel, `adjusted` the same with what was handed on to them so far; `errors`
/// [count][pitch] receives the δ. `feedback` is F[first, first], `stride` floats from row to row.
void tsr_solve_compensate(const tsr_solve_group *group, const float *weights, const float *adjusted,
                          const float *importance, const float *feedback, size_t stride, float *errors);

/// Coordinate descent on one group: each code, then scale and minimum together, moves to where Δ H Δᵀ is least while all
/// else stays. `gradient` are the group's columns of Δ H, Δ = w − ŵ; `moments` is H[first, first], `stride` floats from row
/// to row. `change` [count][pitch] receives what ŵ grew by.
void tsr_solve_descend(const tsr_solve_group *group, const float *gradient, const float *moments, size_t stride,
                       float *change);

/// ŵ of one group into the group's columns of a panel.
void tsr_solve_decode(const tsr_solve_group *group, float *panel);
