// Fitting one group of each of sixteen rows.
#pragma once

#include "fit_lanes.h"

enum { FIT_GROUP_LIMIT = 128 };

/// A group: its weights and how much each counts.
typedef struct {
    const lanes *w;
    lanes weights[FIT_GROUP_LIMIT];
    size_t count;
    lanes low, high;  // the range that codes must cover: low ≤ 0, for minimums are not negative
} fit_group;

/// The least seen so far: w ≈ scale·q − minimum.
typedef struct {
    lanes loss, scale, minimum;
} fit_affine;

/// Fills in how much the weights of a group count; see `tsr_fit_weighting`. `importance` starts at the group.
static inline void weigh_group(fit_group *g, const float *importance, float magnitude) {
    float most = 0;
    for (size_t k = 0; importance && k < g->count; k++) most = importance[k] > most ? importance[k] : most;
    lanes energy = 0;
    for (size_t k = 0; k < g->count; k++) energy += g->w[k] * g->w[k];
    lanes slope = magnitude * (float)g->count * reciprocal(energy);
    for (size_t k = 0; k < g->count; k++) {
        // Relative to the group's most important column; where all are 0, all count alike.
        float relative = most > 0 ? importance[k] / most : 1;
        g->weights[k] = relative * __builtin_elementwise_sqrt(1.0f + slope * g->w[k] * g->w[k]);
    }
}

/// The weighted squared error of the nearest codes.
static inline lanes group_loss(const fit_group *g, lanes scale, lanes minimum, lanes top) {
    lanes loss = 0, inverse = reciprocal(scale);
    for (size_t k = 0; k < g->count; k++) {
        lanes q = nearest_code((g->w[k] + minimum) * inverse, top);
        lanes error = (scale * q - minimum) - g->w[k];
        loss += g->weights[k] * error * error;
    }
    return loss;
}

/// What least squares needs of a group, about its weighted mean: that keeps the sums free of cancellation.
typedef struct {
    lanes centred[FIT_GROUP_LIMIT];
    lanes mean, weight, energy;
} fit_moments;

static inline void group_moments(const fit_group *g, fit_moments *t) {
    lanes weight = 0, sum = 0, energy = 0;
    for (size_t k = 0; k < g->count; k++) {
        weight += g->weights[k];
        sum += g->weights[k] * g->w[k];
    }
    lanes mean = sum * reciprocal(weight);
    for (size_t k = 0; k < g->count; k++) {
        lanes y = g->w[k] - mean;
        t->centred[k] = y;
        energy += g->weights[k] * y * y;
    }
    t->mean = mean;
    t->weight = weight;
    t->energy = energy;
}

/// Codes by (w − start)·inverse, then the scale and minimum of least weighted squares for those codes:
/// scale = cov(q, w) / var(q), minimum = scale·mean(q) − mean(w), the loss left var(w) − scale·cov(q, w).
static inline void refit(const fit_group *g, const fit_moments *t, lanes start, lanes inverse, lanes top,
                         fit_affine *best) {
    lanes q1 = 0, q2 = 0, qy = 0, from = start - t->mean;
    for (size_t k = 0; k < g->count; k++) {
        lanes q = nearest_code((t->centred[k] - from) * inverse, top);
        lanes wq = g->weights[k] * q;
        q1 += wq;
        q2 += wq * q;
        qy += wq * t->centred[k];
    }
    lanes mean = q1 * reciprocal(t->weight);
    lanes scale = qy * reciprocal(q2 - q1 * mean);
    lanes minimum = scale * mean - t->mean;
    lanes loss = t->energy - scale * qy;
    // A minimum may not be negative: then the best line through the origin.
    lanes qw = qy + t->mean * q1;
    lanes slope = qw * reciprocal(q2);
    lanes origin = t->energy + t->mean * t->mean * t->weight - slope * qw;
    scale = minimum < 0.0f ? slope : scale;
    loss = minimum < 0.0f ? origin : loss;
    minimum = greater(minimum, splat(0));
    mask_lanes better = (loss < best->loss) & (scale > 0.0f);
    best->loss = better ? loss : best->loss;
    best->scale = better ? scale : best->scale;
    best->minimum = better ? minimum : best->minimum;
}

/// The affine map of a group by search. Each end of the range is placed from a whole code inside the ends of the code
/// book to half a code beyond it, where it is clipped; every pair is refitted, and the best is refitted once more.
static inline fit_affine search_group(const fit_group *g, lanes top) {
    static const float moves[] = {-1, -0.625f, -0.25f, 0.125f, 0.5f};
    const int count = sizeof(moves) / sizeof(moves[0]);
    fit_moments t;
    group_moments(g, &t);
    lanes range = g->high - g->low, per_range = reciprocal(range);
    fit_affine best = {splat(__builtin_inff()), range / top, -g->low};
    for (int i = 0; i < count; i++)
        for (int j = 0; j < count; j++) {
            // The low end has code −moves[i], the high end code top + moves[j].
            lanes inverse = (top + (moves[i] + moves[j])) * per_range;
            refit(g, &t, g->low + moves[i] * reciprocal(inverse), inverse, top, &best);
        }
    refit(g, &t, -best.minimum, reciprocal(best.scale), top, &best);
    return best;
}

/// An 8-bit scale and minimum, as floats, and what they lose.
typedef struct {
    lanes scale, minimum, loss;
} fit_rounded;

/// Rounds the affine map of a group to those 8-bit neighbours, times the row's factors, that together lose least.
static inline fit_rounded round_group(const fit_group *g, lanes scale, lanes minimum, lanes d, lanes dm, lanes top) {
    lanes per_d = reciprocal(d), per_dm = reciprocal(dm), limit = splat(255);
    fit_rounded best = {splat(0), splat(0), splat(__builtin_inff())};
    // With another minimum the scale that keeps the high end in place.
    lanes high = scale * top - minimum;
    for (int i = -1; i <= 1; i++) {
        lanes mn = nearest_code(minimum * per_dm + (float)i, limit), offset = dm * mn;
        lanes centre = (high + offset) / top * per_d;
        for (int j = -1; j <= 1; j++) {
            lanes sc = nearest_code(centre + (float)j, limit);
            lanes loss = group_loss(g, d * sc, offset, top);
            mask_lanes better = loss < best.loss;
            best.loss = better ? loss : best.loss;
            best.scale = better ? sc : best.scale;
            best.minimum = better ? mn : best.minimum;
        }
    }
    return best;
}
