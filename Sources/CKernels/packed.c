#include "packed.h"

#include <math.h>

// A float row is the same on every processor only if s·q − m is rounded twice everywhere.
#pragma STDC FP_CONTRACT OFF

static packed_product *const products[] = {
    [TSR_ISA_SCALAR] = tsr_packed_product_scalar,
#if defined(__x86_64__)
    [TSR_ISA_AVX2] = tsr_packed_product_avx2,
    [TSR_ISA_AVXVNNI] = tsr_packed_product_avxvnni,
    [TSR_ISA_AVX512] = tsr_packed_product_avx512,
#elif defined(__aarch64__)
    [TSR_ISA_NEON] = tsr_packed_product_neon,
    [TSR_ISA_DOTPROD] = tsr_packed_product_dotprod,
    [TSR_ISA_I8MM] = tsr_packed_product_i8mm,
#endif
};

static packed_quantize *const quantizes[] = {
    [TSR_ISA_SCALAR] = tsr_packed_quantize_scalar,
#if defined(__x86_64__)
    [TSR_ISA_AVX2] = tsr_packed_quantize_avx2,
    [TSR_ISA_AVXVNNI] = tsr_packed_quantize_avx2,
    [TSR_ISA_AVX512] = tsr_packed_quantize_avx512,
#elif defined(__aarch64__)
    [TSR_ISA_NEON] = tsr_packed_quantize_neon,
    [TSR_ISA_DOTPROD] = tsr_packed_quantize_neon,
    [TSR_ISA_I8MM] = tsr_packed_quantize_neon,
#endif
};

size_t tsr_packed_tile_bytes(size_t columns, uint32_t bits, uint32_t group, tsr_packed_scales scales) {
    return tile_layout_of(columns, bits, group, scales).bytes;
}

void tsr_quantize_rows_with(tsr_isa isa, const float *x, size_t x_stride, size_t tokens, size_t columns, uint32_t group,
                            int8_t *codes, float *scales, float *sums) {
    packed_quantize *quantize = quantizes[isa];
    for (size_t t = 0; t < tokens; t++, x += x_stride)
        for (size_t k = 0; k < columns; k += group, codes += group)
            quantize(x + k, columns - k < group ? columns - k : group, group, codes, scales++, sums++);
}

void tsr_quantize_rows(const float *x, size_t x_stride, size_t tokens, size_t columns, uint32_t group, int8_t *codes,
                       float *scales, float *sums) {
    tsr_quantize_rows_with(tsr_isa_in_use(), x, x_stride, tokens, columns, group, codes, scales, sums);
}

void tsr_packed_product_with(tsr_isa isa, const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                             size_t token_begin, size_t token_end, const float *bias, float *y, size_t y_stride) {
    products[isa](w, tile_begin, tile_end, x, token_begin, token_end, bias, y, y_stride);
}

void tsr_packed_product(const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                        size_t token_begin, size_t token_end, const float *bias, float *y, size_t y_stride) {
    tsr_packed_product_with(tsr_isa_in_use(), w, tile_begin, tile_end, x, token_begin, token_end, bias, y, y_stride);
}

/// With its sign, zeros' too.
static float float_of_e2m1(uint8_t code) {
    static const uint8_t doubled[8] = {0, 1, 2, 3, 4, 6, 8, 12};
    const float value = 0.5f * (float)doubled[code & 7];
    return code & 8 ? -value : value;
}

float tsr_float4_scale(tsr_packed_scales kind, uint8_t byte, float d, float v) {
    const float e = kind == TSR_NVFP4 ? 256 * half_of_e4m3(byte) : byte == 255 ? NAN : float_of_e8m0(byte);
    const float product = e * d;
    return product / v;
}

void tsr_packed_row(const tsr_packed *w, size_t row, float *out) {
    const tile_layout l = tile_layout_of(w->columns, w->bits, w->group, w->scales);
    const uint8_t *tile = w->tiles + row / TSR_TILE_ROWS * l.bytes;
    const float *factors = (const float *)tile;
    const size_t r = row % TSR_TILE_ROWS;
    for (size_t k = 0; k < w->columns; k++) {
        size_t g = k / w->group;
        uint8_t q = code_at(tile + l.codes_offset + g * l.group_bytes, w->bits, w->group, k % w->group, r);
        const uint8_t *scales = scales_of(tile, g, w->scales), *minimums = minimums_of(tile, g, w->scales);
        switch (w->scales) {
        case TSR_ROW_FACTORS: {
            float s = factors[r] * (float)scales[r], m = factors[16 + r] * (float)minimums[r];
            out[k] = s * (float)q - m;
            break;
        }
        case TSR_ZERO_POINTS: out[k] = float_of_half(scales + 2 * r) * (float)(q - minimums[r]); break;
        case TSR_BIASES: {
            float scaled = float_of_half(scales + 2 * r) * (float)q;
            out[k] = scaled + float_of_half(minimums + 2 * r);
            break;
        }
        case TSR_MXFP4:
        case TSR_NVFP4: out[k] = float_of_e2m1(q) * tsr_float4_scale(w->scales, scales[r], factors[r], factors[16 + r]); break;
        }
    }
}
