// Compares attention on 16-bit codes of every instruction set of this processor with plain C's, bit for bit, and that with attention
// in floats.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tessera_kernels.h"

enum { ROWS = 150, MOST = 256 };

static float q[ROWS * MOST], k[ROWS * MOST], v[ROWS * MOST], y[ROWS * MOST], expected[ROWS * MOST];
static int32_t rows[ROWS];

static void fill(float *x, size_t count, float size) {
    for (size_t i = 0; i < count; i++) x[i] = ((float)rand() / (float)RAND_MAX * 2 - 1) * size;
}

static void attend(tsr_isa isa, const tsr_attention *call, size_t keys, int windows) {
    const tsr_coded_attention *kernels = tsr_coded_attention_for(isa);
    if (windows) return kernels->attend_rows(call, 0, rows, keys);
    const size_t tile = tsr_code_tile_keys(call->head_dim), bytes = tsr_code_tile_bytes(call->head_dim);
    char *tiles = aligned_alloc(64, ROWS / 32 * bytes + bytes);
    memset(tiles, 0xab, ROWS / 32 * bytes + bytes);
    for (size_t i = 0; i < keys; i += tile)
        kernels->code_tile(call, 0, i, keys - i < tile ? keys - i : tile, tiles + i / tile * bytes);
    kernels->attend(call, 0, 0, ROWS, tiles, keys);
    free(tiles);
}

static int check(tsr_isa isa, size_t head_dim, size_t keys, int windows, float strange) {
    tsr_attention call = {.q = q, .k = k, .v = v, .q_stride = head_dim, .k_row_stride = head_dim, .v_row_stride = head_dim,
                          .y_stride = head_dim, .heads = 1, .kv_heads = 1, .head_dim = head_dim,
                          .scale = 1 / sqrtf((float)head_dim)};
    fill(q, ROWS * head_dim, 2);
    fill(k, ROWS * head_dim, 2);
    fill(v, ROWS * head_dim, 1);
    v[keys / 2 * head_dim + head_dim / 2] = strange;
    call.y = y;
    attend(isa, &call, keys, windows);
    call.y = expected;
    attend(TSR_ISA_SCALAR, &call, keys, windows);
    const size_t count = (windows ? keys : ROWS) * head_dim;
    if (memcmp(y, expected, count * sizeof *y) != 0) {
        // NaN may have either sign.
        for (size_t i = 0; i < count; i++)
            if (y[i] != expected[i] && !(isnan(y[i]) && isnan(expected[i])))
                return printf("%zu keys of %zu, [%zu]: %g, not %g\n", keys, head_dim, i, y[i], expected[i]);
    }
    for (size_t i = 0; i < ROWS; i += 48) tsr_attend(&call, 0, i, i + 48 < ROWS ? i + 48 : ROWS, -1, 0, keys);
    for (size_t i = 0; i < count; i++)
        if (fabsf(y[i] - expected[i]) > 2e-3f || isnan(y[i]) != isnan(expected[i]))
            return printf("%zu keys of %zu, [%zu]: %g, in floats %g\n", keys, head_dim, i, y[i], expected[i]);
    return 0;
}

int main(void) {
    int all = 0;
    for (size_t i = 0; i < ROWS; i++) rows[i] = (int32_t)i;
    for (int isa = TSR_ISA_SCALAR; isa < TSR_ISA_COUNT; isa++) {
        if (!tsr_isa_available(isa)) continue;
        int failures = 0;
        const size_t widths[] = {64, 72, 80, 128, 256, 129, 5, 1, 18};
        for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
            for (size_t keys = 1; keys <= ROWS; keys = keys * 2 + 1)
                for (int windows = 0; windows < 2; windows++)
                    failures += check(isa, widths[i], keys, windows, keys == 63 ? NAN : 1) != 0;
        printf("coded %s: %s\n", tsr_isa_name(isa), failures ? "failed" : "as plain C");
        all += failures;
    }
    return all != 0;
}
