// Fitting one group of each of sixteen rows.
#pragma once

#include "fit_lanes.h"

enum { FIT_GROUP_LIMIT = 128 };

/// A group: its weights and how much each counts.
typedef struct {
    const lanes *w;
    lanes *weights;
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

/// One part of sixteen rows.
LANES_INLINE span part_of(const lanes *rows, int part) { return ((const span *)rows)[part]; }

/// The weighted squared errors of the nearest codes by each of `count` scales, three at most, with the same minimum.
LANES_INLINE void group_losses(const fit_group *g, const lanes *scales, int count, lanes minimum, lanes top,
                               lanes *losses) {
    lanes inverses[3];
    for (int i = 0; i < count; i++) inverses[i] = reciprocal(scales[i]);
    for (int part = 0; part < FIT_SPANS; part++) {
        span scale[3], inverse[3], loss[3];
        for (int i = 0; i < count; i++) {
            scale[i] = part_of(&scales[i], part);
            inverse[i] = part_of(&inverses[i], part);
            loss[i] = 0;
        }
        const span offset = part_of(&minimum, part), limit = part_of(&top, part);
        for (size_t k = 0; k < g->count; k++) {
            const span weight = part_of(&g->weights[k], part), above = part_of(&g->w[k], part) + offset;
            for (int i = 0; i < count; i++) {
                const span q = nearest_code(above * inverse[i], limit);
                const span error = FIT_FUSED(scale[i], q, -above);
                loss[i] = FIT_FUSED(weight * error, error, loss[i]);
            }
        }
        for (int i = 0; i < count; i++) ((span *)&losses[i])[part] = loss[i];
    }
}

/// The same of one scale.
static inline lanes group_loss(const fit_group *g, lanes scale, lanes minimum, lanes top) {
    lanes loss;
    group_losses(g, &scale, 1, minimum, top, &loss);
    return loss;
}

/// What least squares needs of a group, about its weighted mean: that keeps the sums free of cancellation.
typedef struct {
    lanes centred[FIT_GROUP_LIMIT];
    lanes mean, weight, per_weight, energy;
} fit_moments;

static inline void group_moments(const fit_group *g, fit_moments *t) {
    lanes weight = 0, sum = 0, energy = 0;
    for (size_t k = 0; k < g->count; k++) {
        weight += g->weights[k];
        sum += g->weights[k] * g->w[k];
    }
    t->per_weight = reciprocal(weight);
    lanes mean = sum * t->per_weight;
    for (size_t k = 0; k < g->count; k++) {
        lanes y = g->w[k] - mean;
        t->centred[k] = y;
        energy += g->weights[k] * y * y;
    }
    t->mean = mean;
    t->weight = weight;
    t->energy = energy;
}

/// A way to choose codes: those nearest to (w − start)·inverse.
typedef struct {
    lanes start, inverse;
} fit_candidate;

/// Sums over the codes of a group, each weighed.
typedef struct {
    lanes q1, q2, qy;
} fit_sums;

/// The sums of `count` candidates, two at most, by codes as they are rounded or, `clipped`, in 0...top.
LANES_INLINE void sum_codes(const fit_group *g, const fit_moments *t, const fit_candidate *candidates, int count,
                            bool clipped, lanes top, fit_sums *sums) {
    for (int part = 0; part < FIT_SPANS; part++) {
        span inverse[2], offset[2], q1[2], q2[2], qy[2];
        for (int i = 0; i < count; i++) {
            inverse[i] = part_of(&candidates[i].inverse, part);
            offset[i] = (part_of(&t->mean, part) - part_of(&candidates[i].start, part)) * inverse[i];
            q1[i] = q2[i] = qy[i] = 0;
        }
        const span limit = part_of(&top, part);
        for (size_t k = 0; k < g->count; k++) {
            const span y = part_of(&t->centred[k], part), weight = part_of(&g->weights[k], part);
            for (int i = 0; i < count; i++) {
                const span place = FIT_FUSED(y, inverse[i], offset[i]);
                const span q = clipped ? nearest_code(place, limit) : FIT_ROUND(place), wq = weight * q;
                q1[i] += wq;
                q2[i] = FIT_FUSED(wq, q, q2[i]);
                qy[i] = FIT_FUSED(wq, y, qy[i]);
            }
        }
        for (int i = 0; i < count; i++) {
            ((span *)&sums[i].q1)[part] = q1[i];
            ((span *)&sums[i].q2)[part] = q2[i];
            ((span *)&sums[i].qy)[part] = qy[i];
        }
    }
}

/// The scale and minimum of least weighted squares for codes of these sums:
/// scale = cov(q, w) / var(q), minimum = scale·mean(q) − mean(w), the loss left var(w) − scale·cov(q, w).
LANES_INLINE void take_better(const fit_moments *t, const fit_sums *sums, fit_affine *best) {
    const lanes q1 = sums->q1, q2 = sums->q2, qy = sums->qy;
    lanes mean = q1 * t->per_weight;
    lanes scale = qy * reciprocal(q2 - q1 * mean);
    lanes minimum = scale * mean - t->mean;
    lanes loss = t->energy - scale * qy;
    const mask_lanes beyond = minimum < 0.0f;
    if (__builtin_reduce_or(beyond)) {
        // A minimum may not be negative: then the best line through the origin.
        lanes qw = qy + t->mean * q1;
        lanes slope = qw * reciprocal(q2);
        lanes origin = t->energy + t->mean * t->mean * t->weight - slope * qw;
        scale = beyond ? slope : scale;
        loss = beyond ? origin : loss;
    }
    minimum = greater(minimum, splat(0));
    mask_lanes better = (loss < best->loss) & (scale > 0.0f);
    best->loss = better ? loss : best->loss;
    best->scale = better ? scale : best->scale;
    best->minimum = better ? minimum : best->minimum;
}

/// Refits `count` candidates, two at most, in their order.
LANES_INLINE void refit(const fit_group *g, const fit_moments *t, const fit_candidate *candidates, int count,
                        bool clipped, lanes top, fit_affine *best) {
    fit_sums sums[2];
    sum_codes(g, t, candidates, count, clipped, top, sums);
    for (int i = 0; i < count; i++) take_better(t, &sums[i], best);
}

/// Where the ends of a range are tried: the low end at code −low, the high end at code top + high, never so far out that a
/// code would have to be clipped. Of the 121 pairs on a finer grid those that, chosen one after the other, left the least
/// error in groups of normal, heavy-tailed and trained weights; a regular grid needs 25 for the same.
static const struct {
    float low, high;
} placements[] = {
    {-1.1875f, -0.8125f}, {-1, -1},           {-1, 0.125f},       {-0.8125f, -1.1875f}, {-0.8125f, -0.25f},
    {-0.25f, -0.8125f},   {-0.25f, 0.125f},   {-0.25f, 0.48f},    {-0.0625f, -0.25f},   {-0.0625f, 0.125f},
    {-0.0625f, 0.48f},    {0.125f, -1},       {0.125f, 0.125f},   {0.3125f, -0.0625f},  {0.3125f, 0.48f},
    {0.48f, -0.25f},      {0.48f, -0.0625f},  {0.48f, 0.3125f},
};
enum { PLACEMENTS = sizeof placements / sizeof *placements };

/// The affine map of a group by search: every placement is refitted, and the best is refitted once more.
static inline fit_affine search_group(const fit_group *g, lanes top) {
    fit_moments t;
    group_moments(g, &t);
    const lanes range = g->high - g->low, per_range = reciprocal(range);
    fit_affine best = {splat(__builtin_inff()), range / top, -g->low};
    for (int i = 0; i < PLACEMENTS; i += 2) {
        fit_candidate pair[2];
        for (int j = 0; j < 2; j++) {
            const float low = placements[i + j].low, steps = top[0] + (low + placements[i + j].high);
            pair[j] = (fit_candidate){g->low + low / steps * range, steps * per_range};
        }
        refit(g, &t, pair, 2, false, top, &best);
    }
    const fit_candidate last = {-best.minimum, reciprocal(best.scale)};
    refit(g, &t, &last, 1, true, top, &best);
    return best;
}

/// An 8-bit scale and minimum, as floats, and what they lose.
typedef struct {
    lanes scale, minimum, loss;
} fit_rounded;

/// Takes over which of `count` scales, three at most, loses least with a minimum.
LANES_INLINE void take_scales(const fit_group *g, const lanes *codes, int count, lanes d, lanes minimum, lanes dm, lanes top,
                              fit_rounded *best) {
    lanes scales[3], losses[3];
    for (int i = 0; i < count; i++) scales[i] = d * codes[i];
    group_losses(g, scales, count, dm * minimum, top, losses);
    for (int i = 0; i < count; i++) {
        mask_lanes better = losses[i] < best->loss;
        best->loss = better ? losses[i] : best->loss;
        best->scale = better ? codes[i] : best->scale;
        best->minimum = better ? minimum : best->minimum;
    }
}

/// Rounds the affine map of a group to those 8-bit neighbours, times the row's factors, that together lose least.
static inline fit_rounded round_group(const fit_group *g, lanes scale, lanes minimum, lanes d, lanes dm, lanes top) {
    const lanes per_d = reciprocal(d), per_dm = reciprocal(dm), limit = splat(255);
    fit_rounded best = {splat(0), splat(0), splat(__builtin_inff())};
    // With another minimum the scale that keeps the high end in place.
    const lanes high = scale * top - minimum;
    for (int i = -1; i <= 1; i++) {
        const lanes mn = nearest_code(minimum * per_dm + (float)i, limit);
        const lanes centre = (high + dm * mn) / top * per_d, nearest = nearest_code(centre, limit);
        const lanes towards = centre < nearest ? splat(-1) : splat(1);
        const lanes codes[3] = {nearest, nearest_code(nearest + towards, limit), nearest_code(nearest - towards, limit)};
        // The finer the codes, the more of them a step of the scale moves: to 5 bits the two nearest scales are enough.
        if (top[0] < 32) take_scales(g, codes, 2, d, mn, dm, top, &best);
        else take_scales(g, codes, 3, d, mn, dm, top, &best);
    }
    return best;
}
