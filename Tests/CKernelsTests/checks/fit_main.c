// Compares fitting and solving of group codes on every instruction set of this processor with the plain forms: the same bytes.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tessera_kernels.h"

enum { COLUMNS = 203, MAX_TILE = 1 << 16 };

static float weights[TSR_FIT_ROWS * COLUMNS], importance[COLUMNS];

static float uniform(void) { return (float)rand() / (float)RAND_MAX * 2 - 1; }

/// Fits sixteen rows; whether there was anything to fit.
static bool fit(tsr_isa isa, const tsr_fit_format *format, tsr_fit_solver solver, uint8_t *tile, tsr_fit_error *error) {
    const tsr_fit_weighting weighting = {importance, 0.5f};
    const tsr_fit_rows rows = {weights, COLUMNS * sizeof *weights, TSR_FIT_ROWS, TSR_FIT_F32};
    void *scratch = aligned_alloc(64, (tsr_fit_scratch_bytes(format) + 63) / 64 * 64);
    memset(tile, 0, MAX_TILE);
    memset(error, 0, sizeof *error);
    const bool fits = tsr_fit_tile_with(isa, format, solver, &weighting, &rows, scratch, tile, error);
    free(scratch);
    return fits;
}

static int check(tsr_isa isa, uint32_t bits, uint32_t group, tsr_fit_solver solver) {
    static _Alignas(64) uint8_t tile[MAX_TILE], expected[MAX_TILE];
    const tsr_fit_format format = {COLUMNS, bits, group};
    tsr_fit_error error, expected_error;
    const bool fits = fit(TSR_ISA_SCALAR, &format, solver, expected, &expected_error);
    if (fits && fit(isa, &format, solver, tile, &error) && !memcmp(tile, expected, sizeof tile) &&
        !memcmp(&error, &expected_error, sizeof error))
        return 0;
    printf("%s differs: int%u, group %u, solver %d\n", tsr_isa_name(isa), bits, group, (int)solver);
    return 1;
}

int main(void) {
    static const struct { uint32_t bits, group; } formats[] = {{4, 16}, {4, 32}, {4, 128}, {5, 32}, {5, 128},
                                                               {6, 64}, {8, 16},  {8, 128}};
    for (size_t i = 0; i < sizeof weights / sizeof *weights; i++) {
        // Rows of zeros, of outliers, of one sign.
        const size_t row = i / COLUMNS;
        weights[i] = row == 3 ? 0 : row == 5 && i % 17 == 0 ? 1000 * uniform() : row == 7 ? 1 + uniform() : uniform();
    }
    for (size_t k = 0; k < COLUMNS; k++) importance[k] = (float)(k % 11);
    int failures = 0;
    for (int isa = TSR_ISA_SCALAR + 1; isa < TSR_ISA_COUNT; isa++) {
        if (!tsr_isa_available(isa)) continue;
        int differing = 0;
        for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
            for (tsr_fit_solver solver = TSR_FIT_NEAREST; solver <= TSR_FIT_SEARCH; solver++)
                differing += check(isa, formats[f].bits, formats[f].group, solver);
        printf("fit %s: %s\n", tsr_isa_name(isa), differing ? "failed" : "the bytes of plain C");
        failures += differing;
    }
    return failures != 0;
}
