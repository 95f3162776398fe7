// The instruction set every machine has, and the choice among them.
#define FIT_TILE tsr_fit_tile_baseline
#include "fit_body.h"

size_t tsr_fit_scratch_bytes(const tsr_fit_format *format) {
    size_t groups = tsr_fit_groups(format);
    return (2 * format->columns + FIT_TABLES * groups) * sizeof(lanes) + groups * format->group * TSR_FIT_ROWS;
}

bool tsr_fit_tile_with(tsr_isa isa, const tsr_fit_format *format, tsr_fit_solver solver,
                       const tsr_fit_weighting *weighting, const tsr_fit_rows *rows, void *scratch, uint8_t *tile,
                       tsr_fit_error *error) {
    fit_tile_function *function = tsr_fit_tile_baseline;  // on Arm that has Advanced SIMD already
    switch (isa) {
#if defined(__x86_64__)
    case TSR_ISA_AVX2:
    case TSR_ISA_AVXVNNI: function = tsr_fit_tile_avx2; break;
    case TSR_ISA_AVX512: function = tsr_fit_tile_avx512; break;
#endif
    default: break;
    }
    return function(format, solver, weighting, rows, scratch, tile, error);
}

bool tsr_fit_tile(const tsr_fit_format *format, tsr_fit_solver solver, const tsr_fit_weighting *weighting,
                  const tsr_fit_rows *rows, void *scratch, uint8_t *tile, tsr_fit_error *error) {
    return tsr_fit_tile_with(tsr_isa_in_use(), format, solver, weighting, rows, scratch, tile, error);
}
