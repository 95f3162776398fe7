// Checks every instruction set of this processor against plain C on random matrices: the same bits, in any partition.
#include "packed.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t state = 1;
static uint32_t next(void) { return state = state * 1664525u + 1013904223u, state >> 8; }
static float uniform(void) { return (float)(next() & 0xffff) / 32768 - 1; }

static void *allocate(size_t bytes) {
    void *p = aligned_alloc(64, (bytes + 64) / 64 * 64);
    if (!p) exit(2);
    return p;
}

static int check(size_t rows, size_t columns, size_t tokens, uint32_t bits, uint32_t group, tsr_packed_scales scales_kind,
                 int extreme) {
    const uint32_t together = tsr_activation_group(group);
    const size_t groups = (columns + together - 1) / together, padded = groups * together, tiles = (rows + 15) / 16;
    const size_t tile_bytes = tsr_packed_tile_bytes(columns, bits, group, scales_kind);
    uint8_t *w = allocate(tiles * tile_bytes);
    for (size_t i = 0; i < tiles * tile_bytes; i++) w[i] = !extreme ? (uint8_t)next() : scales_kind >= TSR_MXFP4 ? 0x77 : 255;
    for (size_t t = 0; t < tiles; t++) {
        uint8_t *tile = w + t * tile_bytes;
        const int has_factors = scales_kind != TSR_ZERO_POINTS && scales_kind != TSR_BIASES;
        if (has_factors)
            for (int r = 0; r < 32; r++) ((float *)tile)[r] = uniform() + (r < 16 ? 0 : 1.5f);
        // Finite numbers, some of them denormal: float16 ones, and those of 8 bits.
        for (size_t g = 0; g < (columns + group - 1) / group; g++)
            for (int r = 0; r < 16; r++) {
                uint8_t *table = tile + (has_factors ? 128 : 0);
                const int mask = r % 5 ? 0x3f : 0x03;
                if (scales_kind == TSR_ZERO_POINTS) table[g * 48 + r * 2 + 1] &= 0x80 | mask;
                if (scales_kind == TSR_BIASES) table[g * 64 + r * 2 + 1] &= 0x80 | mask, table[g * 64 + r * 2 + 33] &= 0xbf;
                if (scales_kind == TSR_MXFP4) table[g * 16 + r] = r % 5 ? 120 + table[g * 16 + r] % 16 : g % 2;
                if (scales_kind == TSR_NVFP4) table[g * 16 + r] &= r % 5 ? 0xfe : 0x87;
            }
    }
    float *x = allocate(tokens * columns * sizeof(float)), *bias = allocate(rows * sizeof(float));
    for (size_t i = 0; i < tokens * columns; i++) x[i] = extreme ? (i / columns % 2 ? -3.0f : 3.0f) : uniform();
    for (size_t i = 0; i < rows; i++) bias[i] = uniform();

    const size_t sides = tokens * groups * sizeof(float), outputs = tokens * rows * sizeof(float);
    int8_t *codes = allocate(tokens * padded), *other_codes = allocate(tokens * padded);
    float *scales = allocate(sides), *sums = allocate(sides), *other_scales = allocate(sides), *other_sums = allocate(sides);
    float *y = allocate(outputs), *other = allocate(outputs);
    const tsr_packed matrix = {w, rows, columns, bits, group, scales_kind};
    const tsr_activations a = {codes, scales, sums, tokens, padded, groups};
    tsr_quantize_rows_with(TSR_ISA_SCALAR, x, columns, tokens, columns, together, codes, scales, sums);
    tsr_packed_product_with(TSR_ISA_SCALAR, &matrix, 0, tiles, &a, 0, tokens, bias, y, rows);

    int failures = 0;
    for (int isa = TSR_ISA_SCALAR; isa < TSR_ISA_COUNT; isa++) {
        if (!tsr_isa_available(isa)) continue;
        tsr_quantize_rows_with(isa, x, columns, tokens, columns, together, other_codes, other_scales, other_sums);
        int same = !memcmp(codes, other_codes, tokens * padded) && !memcmp(scales, other_scales, sides) &&
                   !memcmp(sums, other_sums, sides);
        tsr_packed_product_with(isa, &matrix, 0, tiles, &a, 0, tokens, bias, other, rows);
        same &= !memcmp(y, other, outputs);
        memset(other, 0, outputs);
        for (size_t tile = 0; tile < tiles; tile++)
            for (size_t t = 0; t < tokens; t++)
                tsr_packed_product_with(isa, &matrix, tile, tile + 1, &a, t, t + 1, bias, other, rows);
        same &= !memcmp(y, other, outputs);
        if (!same) {
            printf("%s differs: int%u, group %u, kind %d, %zux%zu, %zu tokens\n", tsr_isa_name(isa), bits, group,
                   (int)scales_kind, rows, columns, tokens);
            failures++;
        }
    }
    void *all[] = {w, x, bias, codes, other_codes, scales, sums, other_scales, other_sums, y, other};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
    return failures;
}

int main(void) {
    static const struct { uint32_t bits, group; } formats[] = {
        {4, 8},  {4, 16},  {4, 32}, {4, 64}, {4, 128}, {4, 512}, {5, 32}, {5, 64}, {5, 128}, {5, 512},
        {6, 32}, {6, 64}, {6, 128}, {6, 512}, {8, 4}, {8, 32}, {8, 64}, {8, 128}, {8, 512}};
    static const size_t rows[] = {1, 15, 17, 50}, columns[] = {4, 31, 33, 1176}, tokens[] = {1, 2, 3, 5, 13};
    int failures = 0;
    for (size_t f = 0; f < sizeof formats / sizeof *formats; f++)
        for (int n = 0; n < 4; n++)
            for (int k = 0; k < 4; k++)
                for (int t = 0; t < 5; t++)
                    for (tsr_packed_scales s = TSR_ROW_FACTORS; s <= TSR_NVFP4; s++) {
                        // 4-bit floats have groups of one size.
                        const uint32_t only = s == TSR_MXFP4 ? 32 : s == TSR_NVFP4 ? 16 : 0;
                        if (only && (formats[f].bits != 4 || formats[f].group != only)) continue;
                        failures += check(rows[n], columns[k], tokens[t], formats[f].bits, formats[f].group, s,
                                          (n + k + t) % 3 == 0);
                    }
    for (int isa = TSR_ISA_SCALAR; isa < TSR_ISA_COUNT; isa++)
        if (tsr_isa_available(isa)) printf("packed %s: %s\n", tsr_isa_name(isa), failures ? "failed" : "the bits of plain C");
    return failures ? 1 : 0;
}
