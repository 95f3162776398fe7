// The packed kernels in plain C: the reference of the others, to the bit, and the fallback.
#include "packed.h"

#pragma STDC FP_CONTRACT OFF

/// a·b + c rounded once, without a fused instruction: the product is exact in a double, the sum is rounded to odd, and a
/// double rounded to odd rounds to the same float as the exact value does (Boldo and Melquiond, 2008).
static inline float fused(float a, float b, float c) {
    double product = (double)a * b, sum = product + c, added = sum - product;
    double error = (product - (sum - added)) + (c - added);
    int64_t bits;
    memcpy(&bits, &sum, sizeof bits);
    if ((error < 0 || error > 0) && !(bits & 1)) bits += (error > 0) == (sum > 0) ? 1 : -1;
    memcpy(&sum, &bits, sizeof sum);
    return (float)sum;
}

/// Σ q·c over `count` columns from k on of a group, for the 16 rows of a tile; `values` are what codes count as, or null.
static void dots_of(const uint8_t *q, const int8_t *c, uint32_t bits, uint32_t group, size_t k, size_t count,
                    const uint8_t *values, int32_t dots[16]) {
    for (int r = 0; r < 16; r++) dots[r] = 0;
    for (const size_t end = k + count; k < end; k += 4, c += 4) {
        uint8_t codes[STEP_BYTES];
        unpack_step(q, place_of(bits, group, k), bits, codes);
        for (int r = 0; r < 16; r++)
            for (int i = 0; i < 4; i++) {
                const uint8_t code = codes[r * 4 + i];
                dots[r] += (values ? values[code] : code) * c[i];
            }
    }
}

/// The scale of a row in a group; and its minimum, or bias.
static float scale_at(const uint8_t *scales, int row, tsr_packed_scales kind) {
    switch (kind) {
    case TSR_ROW_FACTORS: return scales[row];
    case TSR_ZERO_POINTS:
    case TSR_BIASES: return float_of_half(scales + 2 * row);
    case TSR_MXFP4: return float_of_e8m0(scales[row]);
    case TSR_NVFP4: return half_of_e4m3(scales[row]);
    }
    return 0;
}
static float minimum_at(const uint8_t *minimums, int row, float scale, tsr_packed_scales kind) {
    switch (kind) {
    case TSR_ZERO_POINTS: return scale * (float)minimums[row];
    case TSR_BIASES: return float_of_half(minimums + 2 * row);
    default: return minimums[row];
    }
}

static void tile_token(const tsr_packed *w, const tile_layout *l, const uint8_t *tile, const tsr_activations *x, size_t token,
                       float v[16]) {
    const int8_t *codes = x->codes + token * x->padded_columns;
    const float *scales = x->scales + token * x->groups, *sums = x->sums + token * x->groups;
    const float *d = (const float *)tile, *dm = d + 16;
    static const uint8_t float4_codes[16] = {FLOAT4_CODES};
    const int float4 = is_float4(w->scales);
    const uint32_t columns = tsr_activation_group(w->group);
    float minimum[16] = {0}, total[16] = {0};
    int32_t dots[16];
    for (size_t g = 0; g < l->groups; g++) {
        const uint8_t *sc = scales_of(tile, g, w->scales), *mn = minimums_of(tile, g, w->scales);
        const uint8_t *q = tile + l->codes_offset + g * l->group_bytes;
        const activation_span span = span_of(g, w->group, x);
        const float sum = sum_of(sums, span);
        float scale[16];
        for (int r = 0; r < 16; r++) scale[r] = scale_at(sc, r, w->scales);
        for (size_t i = 0; i < span.count; i++) {
            const size_t h = span.first + i;
            dots_of(q, codes + h * columns, w->bits, w->group, i * columns, columns, float4 ? float4_codes : NULL, dots);
            for (int r = 0; r < 16; r++) {
                const float dot = (float)dots[r], s = scale[r];
                total[r] = float4 ? fused(fused(dot, scales[h], -FLOAT4_ZERO * sum), s, total[r])
                                  : fused(dot * s, scales[h], total[r]);
            }
        }
        for (int r = 0; r < 16 && !float4; r++)
            minimum[r] = fused(minimum_at(mn, r, scale[r], w->scales), sum, minimum[r]);
    }
    for (int r = 0; r < 16; r++) {
        switch (w->scales) {
        case TSR_ROW_FACTORS: v[r] = fused(-dm[r], minimum[r], d[r] * total[r]); break;
        case TSR_ZERO_POINTS: v[r] = total[r] - minimum[r]; break;
        case TSR_BIASES: v[r] = total[r] + minimum[r]; break;
        case TSR_MXFP4:
        case TSR_NVFP4: {
            const float factor = d[r] / dm[r] * float4_unit(w->scales);
            v[r] = factor * total[r];
        }
        }
    }
}

void tsr_packed_product_scalar(const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                               size_t token_begin, size_t token_end, const float *bias, float *y, size_t y_stride) {
    const tile_layout l = tile_layout_of(w->columns, w->bits, w->group, w->scales);
    for (size_t tile = tile_begin; tile < tile_end; tile++)
        for (size_t t = token_begin; t < token_end; t++) {
            float v[16];
            tile_token(w, &l, w->tiles + tile * l.bytes, x, t, v);
            store_rows(v, w, tile, bias, y + t * y_stride);
        }
}

void tsr_packed_quantize_scalar(const float *x, size_t count, size_t group, int8_t *codes, float *scale, float *sum) {
    uint32_t largest = 0;
    for (size_t k = 0; k < count; k++) {
        uint32_t bits;
        memcpy(&bits, x + k, sizeof bits);
        bits &= 0x7fffffff;
        if (bits > largest) largest = bits;
    }
    *scale = scale_of(largest);
    const int finite = usable(*scale);
    int32_t total = 0;
    for (size_t k = 0; k < group; k++) {
        float v = finite && k < count ? x[k] / *scale : 0;
        v = v > 127 ? 127 : v < -127 ? -127 : v;
        codes[k] = (int8_t)((v + 0x1.8p23f) - 0x1.8p23f);  // rounds to nearest even
        total += codes[k];
    }
    *sum = *scale * (float)total;
}
