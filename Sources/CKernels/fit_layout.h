// What the files of the fitting share.
#pragma once

#include "include/fit.h"

enum { FIT_TABLES = 8 };  // tables of a vector per group in the working memory

typedef bool fit_tile_function(const tsr_fit_format *format, tsr_fit_solver solver, const tsr_fit_weighting *weighting,
                               const tsr_fit_rows *rows, void *scratch, uint8_t *tile, tsr_fit_error *error);

fit_tile_function tsr_fit_tile_baseline;
#if defined(__x86_64__)
fit_tile_function tsr_fit_tile_avx2, tsr_fit_tile_avx512;
#endif
