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

/// Σ q·c of a group for the 16 rows of a tile.
static void group_dots(const uint8_t *q, const int8_t *c, uint32_t bits, uint32_t group, int32_t dots[16]) {
    for (int r = 0; r < 16; r++) dots[r] = 0;
    const size_t half = group / 2;
    if (bits == 8) {
        for (size_t k = 0; k < group; k += 4, q += 64)
            for (int r = 0; r < 16; r++)
                for (int i = 0; i < 4; i++) dots[r] += q[r * 4 + i] * c[k + i];
    } else {
        for (size_t k = 0; k < half; k += 4, q += 64)
            for (int r = 0; r < 16; r++)
                for (int i = 0; i < 4; i++) {
                    uint8_t two = q[r * 4 + i];
                    dots[r] += (two & 15) * c[k + i] + (two >> 4) * c[half + k + i];
                }
    }
}

static void tile_token(const tsr_packed *w, const tile_layout *l, const uint8_t *tile, const int8_t *codes, const float *scales,
                       const float *sums, float v[16]) {
    const float *d = (const float *)tile, *dm = d + 16;
    const int zero_points = w->scales == TSR_ZERO_POINTS;
    float minimum[16] = {0}, total[16] = {0};
    int32_t dots[16];
    for (size_t g = 0; g < l->groups; g++) {
        const uint8_t *sc = scales_of(tile, g, w->scales), *mn = minimums_of(tile, g, w->scales);
        group_dots(tile + l->codes_offset + g * l->group_bytes, codes + g * w->group, w->bits, w->group, dots);
        for (int r = 0; r < 16; r++) {
            float s = zero_points ? float_of_half(sc + 2 * r) : (float)sc[r];
            float m = zero_points ? s * (float)mn[r] : (float)mn[r];
            minimum[r] = fused(m, sums[g], minimum[r]);
            total[r] = fused((float)dots[r] * s, scales[g], total[r]);
        }
    }
    for (int r = 0; r < 16; r++)
        v[r] = zero_points ? total[r] - minimum[r] : fused(-dm[r], minimum[r], d[r] * total[r]);
}

void tsr_packed_product_scalar(const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                               size_t token_begin, size_t token_end, const float *bias, float *y, size_t y_stride) {
    const tile_layout l = tile_layout_of(w->columns, w->bits, w->group, w->scales);
    for (size_t tile = tile_begin; tile < tile_end; tile++)
        for (size_t t = token_begin; t < token_end; t++) {
            float v[16];
            tile_token(w, &l, w->tiles + tile * l.bytes, x->codes + t * x->padded_columns, x->scales + t * x->groups,
                       x->sums + t * x->groups, v);
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
