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
            const span w = part_of(&g->w[k], part), weight = part_of(&g->weights[k], part), above = w + offset;
            for (int i = 0; i < count; i++) {
                span q = nearest_code(above * inverse[i], limit);
                span error = (scale[i] * q - offset) - w;
                loss[i] += weight * error * error;
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

/// The sums of `count` candidates, two at most.
LANES_INLINE void sum_codes(const fit_group *g, const fit_moments *t, const fit_candidate *candidates, int count,
                            lanes top, fit_sums *sums) {
    for (int part = 0; part < FIT_SPANS; part++) {
        span from[2], inverse[2], q1[2], q2[2], qy[2];
        for (int i = 0; i < count; i++) {
            from[i] = part_of(&candidates[i].start, part) - part_of(&t->mean, part);
            inverse[i] = part_of(&candidates[i].inverse, part);
            q1[i] = q2[i] = qy[i] = 0;
        }
        const span limit = part_of(&top, part);
        for (size_t k = 0; k < g->count; k++) {
            const span y = part_of(&t->centred[k], part), weight = part_of(&g->weights[k], part);
            for (int i = 0; i < count; i++) {
                span q = nearest_code((y - from[i]) * inverse[i], limit);
                span wq = weight * q;
                q1[i] += wq;
                q2[i] += wq * q;
                qy[i] += wq * y;
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
                        lanes top, fit_affine *best) {
    fit_sums sums[2];
    sum_codes(g, t, candidates, count, top, sums);
    for (int i = 0; i < count; i++) take_better(t, &sums[i], best);
}

/// The affine map of a group by search. Each end of the range is placed from a whole code inside the ends of the code
/// book to half a code beyond it, where it is clipped; every pair is refitted, and the best is refitted once more.
static inline fit_affine search_group(const fit_group *g, lanes top) {
    enum { MOVES = 5 };
    static const float moves[MOVES] = {-1, -0.625f, -0.25f, 0.125f, 0.5f};  // equally far apart
    fit_moments t;
    group_moments(g, &t);
    lanes range = g->high - g->low, per_range = reciprocal(range);
    // The low end has code −moves[i], the high end code top + moves[j]: how far apart they are depends on i + j.
    lanes inverses[2 * MOVES - 1], steps[2 * MOVES - 1];
    for (int sum = 0; sum < 2 * MOVES - 1; sum++) {
        inverses[sum] = (top + (moves[sum / 2] + moves[sum - sum / 2])) * per_range;
        steps[sum] = reciprocal(inverses[sum]);
    }
    fit_candidate candidates[MOVES * MOVES];
    for (int i = 0; i < MOVES; i++)
        for (int j = 0; j < MOVES; j++)
            candidates[i * MOVES + j] = (fit_candidate){g->low + moves[i] * steps[i + j], inverses[i + j]};
    fit_affine best = {splat(__builtin_inff()), range / top, -g->low};
    int next = 0;
    for (; next + 2 <= MOVES * MOVES; next += 2) refit(g, &t, candidates + next, 2, top, &best);
    refit(g, &t, candidates + next, 1, top, &best);
    const fit_candidate last = {-best.minimum, reciprocal(best.scale)};
    refit(g, &t, &last, 1, top, &best);
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
        lanes codes[3], scales[3], losses[3];
        for (int j = 0; j < 3; j++) {
            codes[j] = nearest_code(centre + (float)(j - 1), limit);
            scales[j] = d * codes[j];
        }
        group_losses(g, scales, 3, offset, top, losses);
        for (int j = 0; j < 3; j++) {
            mask_lanes better = losses[j] < best.loss;
            best.loss = better ? losses[j] : best.loss;
            best.scale = better ? codes[j] : best.scale;
            best.minimum = better ? mn : best.minimum;
        }
    }
    return best;
}
