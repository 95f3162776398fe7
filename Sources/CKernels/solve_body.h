// Solving by second moments, for one instruction set; the file that includes this names the functions with SOLVE.
#pragma once

#include "fit_groups.h"
#include "include/solve.h"

LANES_INLINE lanes at(const float *panel, size_t pitch, size_t column) {
    lanes x;
    memcpy(&x, panel + column * pitch, sizeof(x));
    return x;
}

LANES_INLINE void put(float *panel, size_t pitch, size_t column, lanes x) {
    memcpy(panel + column * pitch, &x, sizeof(x));
}

LANES_INLINE lanes of_bytes(const uint8_t *bytes) {
    byte_lanes x;
    memcpy(&x, bytes, sizeof(x));
    return __builtin_convertvector(x, lanes);
}

LANES_INLINE void put_bytes(uint8_t *bytes, lanes x) {
    byte_lanes b = __builtin_convertvector(x, byte_lanes);
    memcpy(bytes, &b, sizeof(b));
}

LANES_INLINE lanes top_of(const tsr_solve_group *group) { return splat((float)((1u << group->bits) - 1)); }

/// The nearest integer, ties to even, of a magnitude below 2²².
LANES_INLINE lanes nearest(lanes x) {
    const float shift = 0x1.8p23f;
    return (x + shift) - shift;
}

void SOLVE(load)(const tsr_fit_rows *rows, size_t columns, const float *signs, float *scratch, float *panel,
                 size_t pitch, float *units) {
    lanes *w = (lanes *)scratch, peak = 0;
    load_columns(rows, columns, w);
    for (size_t k = 0; k < columns; k++) peak = greater(peak, magnitude_of(w[k]));
    word_lanes exponent = (word_lanes)peak >> 23;
    lanes unit = (lanes)((254 - exponent) << 23);
    unit = at(signs, 16, 0) < 0.0f ? -unit : unit;
    put(units, 16, 0, unit);
    for (size_t k = 0; k < columns; k++) put(panel, pitch, k, w[k] * unit);
}

void SOLVE(compensate)(const tsr_solve_group *group, const float *weights, const float *adjusted,
                       const float *importance, const float *feedback, size_t stride, float *errors) {
    size_t count = group->count, pitch = group->pitch;
    lanes w[FIT_GROUP_LIMIT], best[FIT_GROUP_LIMIT], squares[FIT_GROUP_LIMIT];
    lanes top = top_of(group), d = at(group->d, 16, 0), dm = at(group->dm, 16, 0);
    for (size_t k = 0; k < count; k++) w[k] = best[k] = at(adjusted, pitch, k);
    // What would be best if nothing here were rounded: each column makes up for those before it being so, too.
    fit_group fit = {.w = best, .weights = squares, .count = count, .low = splat(0), .high = splat(0)};
    for (size_t j = 0; j < count; j++) {
        const float *row = feedback + j * stride;
        lanes e = at(weights, pitch, j) - best[j];
        for (size_t k = j + 1; k < count; k++) best[k] += e * row[k];
        fit.low = lesser(best[j], fit.low);
        fit.high = greater(best[j], fit.high);
    }
    weigh_group(&fit, importance, 0);
    fit_affine map = {.scale = (fit.high - fit.low) / top, .minimum = -fit.low};
    if (group->bits < 8) map = search_group(&fit, top);
    fit_rounded rounded = round_group(&fit, map.scale, map.minimum, d, dm, top);
    put_bytes(group->scales, rounded.scale);
    put_bytes(group->minimums, rounded.minimum);
    lanes scale = d * rounded.scale, minimum = dm * rounded.minimum, inverse = reciprocal(scale);
    for (size_t j = 0; j < count; j++) {
        const float *row = feedback + j * stride;
        lanes q = nearest_code((w[j] + minimum) * inverse, top);
        put_bytes(group->codes + j * 16, q);
        lanes e = at(weights, pitch, j) - (scale * q - minimum);
        put(errors, pitch, j, e);
        for (size_t k = j + 1; k < count; k++) w[k] += e * row[k];
    }
}

/// The scale and minimum, in 8-bit steps, at which Δ H Δᵀ is least for the codes as they are: `y` is the gradient.
static inline void move_scale(const tsr_solve_group *group, const lanes *q, const float *moments, size_t stride,
                              lanes *y, lanes *moved) {
    size_t count = group->count;
    lanes d = at(group->d, 16, 0), dm = at(group->dm, 16, 0);
    // ŵ moves by δs·q − δm: the loss by −2(a·δs + b·δm) + A·δs² + 2B·δs·δm + C·δm².
    lanes a = 0, b = 0, A = 0, B = 0;
    float C = 0;
    for (size_t j = 0; j < count; j++) {
        const float *row = moments + j * stride;
        lanes hq = 0;
        float h1 = 0;
        for (size_t k = 0; k < count; k++) {
            hq += row[k] * q[k];
            h1 += row[k];
        }
        a += y[j] * q[j];
        b -= y[j];
        A += hq * q[j];
        B -= hq;
        C += h1;
    }
    lanes per_d = reciprocal(d), per_dm = reciprocal(dm), limit = splat(255);
    lanes determinant = A * C - B * B, usable = reciprocal(determinant);
    lanes ds = (a * C - b * B) * usable;
    lanes sc0 = of_bytes(group->scales), mn0 = of_bytes(group->minimums), centre = sc0 + ds * per_d;
    lanes best_s = 0, best_m = 0, best_sc = sc0, best_mn = mn0, least = 0, per_c = reciprocal(splat(C));
    for (int i = -1; i <= 1; i++) {
        lanes sc = nearest_code(centre + (float)i, limit), s = d * (sc - sc0);
        lanes mn = nearest_code(mn0 + (b - B * s) * per_c * per_dm, limit), m = dm * (mn - mn0);
        lanes loss = A * s * s + 2.0f * B * s * m + C * m * m - 2.0f * (a * s + b * m);
        mask_lanes better = (loss < least) & (sc > 0.0f);
        least = better ? loss : least;
        best_s = better ? s : best_s;
        best_m = better ? m : best_m;
        best_sc = better ? sc : best_sc;
        best_mn = better ? mn : best_mn;
    }
    put_bytes(group->scales, best_sc);
    put_bytes(group->minimums, best_mn);
    for (size_t j = 0; j < count; j++) {
        lanes t = best_s * q[j] - best_m;
        moved[j] += t;
        for (size_t k = 0; k < count; k++) y[k] -= t * moments[j * stride + k];
    }
}

void SOLVE(descend)(const tsr_solve_group *group, const float *gradient, const float *moments, size_t stride,
                    float *change) {
    size_t count = group->count, pitch = group->pitch;
    lanes y[FIT_GROUP_LIMIT], q[FIT_GROUP_LIMIT], moved[FIT_GROUP_LIMIT];
    lanes top = top_of(group), scale = at(group->d, 16, 0) * of_bytes(group->scales), inverse = reciprocal(scale);
    for (size_t k = 0; k < count; k++) {
        y[k] = at(gradient, pitch, k);
        q[k] = of_bytes(group->codes + k * 16);
        moved[k] = 0;
    }
    for (size_t j = 0; j < count; j++) {
        const float *row = moments + j * stride;
        lanes steps = y[j] * inverse * (row[j] > 0 ? 1 / row[j] : 0);
        lanes moves = nearest(lesser(greater(steps, -q[j]), top - q[j]));
        q[j] += moves;
        lanes t = scale * moves;
        moved[j] = t;
        for (size_t k = 0; k < count; k++) y[k] -= t * row[k];
    }
    move_scale(group, q, moments, stride, y, moved);
    for (size_t k = 0; k < count; k++) {
        put_bytes(group->codes + k * 16, q[k]);
        put(change, pitch, k, moved[k]);
    }
}

void SOLVE(decode)(const tsr_solve_group *group, float *panel) {
    lanes scale = at(group->d, 16, 0) * of_bytes(group->scales);
    lanes minimum = at(group->dm, 16, 0) * of_bytes(group->minimums);
    for (size_t k = 0; k < group->count; k++)
        put(panel, group->pitch, k, scale * of_bytes(group->codes + k * 16) - minimum);
}
