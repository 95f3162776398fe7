// Figures of the columns of a matrix, for calibration: how large the elements of groups of them are.
#pragma once

#include <stddef.h>

/// What elements there are.
typedef struct {
    float least, greatest;
    double fourth;  // Σ x⁴
} tsr_spread;

/// Adds `rows` rows of `columns` elements, `stride` floats from row to row, to what is known of them: to `narrow` the square of
/// max |x| of each 16 columns, to `wide` of each 32; the last may be of fewer.
void tsr_add_columns(const float *x, size_t stride, size_t rows, size_t columns, double *narrow, double *wide,
                     tsr_spread *spread);
