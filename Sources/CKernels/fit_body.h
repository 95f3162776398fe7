// Fitting a tile, for one instruction set; the file that includes this names the function with FIT_TILE.
#pragma once

#include "fit_groups.h"
#include "fit_layout.h"

/// What is chosen for the groups of sixteen rows.
typedef struct {
    lanes d, dm, loss;
    lanes *scales, *minimums;
} fit_plan;

/// Where a tile is worked on.
typedef struct {
    const tsr_fit_format *format;
    const tsr_fit_weighting *weighting;
    size_t groups;
    lanes top;
    lanes unit;            // what rows are multiplied by: a power of two, negative where that fits better
    lanes *w, *weights;    // [columns]
    lanes *low, *high;     // [groups] the range of each group
    lanes *scale, *minimum;  // [groups] as fitted, before they are rounded to 8 bits
    fit_plan nearest, searched;
    uint8_t *codes;
} fit_tile;

static inline fit_tile fit_tile_in(void *scratch, const tsr_fit_format *format, const tsr_fit_weighting *weighting) {
    fit_tile t = {.format = format, .weighting = weighting, .groups = tsr_fit_groups(format)};
    t.top = splat((float)((1u << format->bits) - 1));
    t.w = scratch;
    t.weights = t.w + format->columns;
    lanes *next = t.weights + format->columns;
    lanes **tables[] = {&t.low, &t.high, &t.scale, &t.minimum, &t.nearest.scales, &t.nearest.minimums,
                        &t.searched.scales, &t.searched.minimums};
    for (int i = 0; i < FIT_TABLES; i++, next += t.groups) *tables[i] = next;
    t.codes = (uint8_t *)next;
    return t;
}

static inline size_t group_count(const fit_tile *t, size_t g) {
    size_t left = t->format->columns - g * t->format->group;
    return left < t->format->group ? left : t->format->group;
}

/// The ends of each group; false when a weight is not finite or too large to scale.
static inline bool find_ranges(fit_tile *t) {
    mask_lanes usable = -1;
    for (size_t g = 0; g < t->groups; g++) {
        const lanes *w = t->w + g * t->format->group;
        lanes low = w[0], high = w[0];
        for (size_t k = 0, count = group_count(t, g); k < count; k++) {
            usable &= magnitude_of(w[k]) < 0x1p126f;
            low = lesser(w[k], low);
            high = greater(w[k], high);
        }
        t->low[g] = low;
        t->high[g] = high;
    }
    for (int r = 0; r < 16; r++)
        if (!usable[r]) return false;
    return true;
}

/// Brings the greatest magnitude of each row into [1, 2), so that no square overflows or vanishes, and turns rows
/// round whose groups lie above zero more than below: minimums are not negative, so only the lower side has an offset.
static inline void normalise(fit_tile *t) {
    lanes peak = 0, above = 0, below = 0;
    for (size_t g = 0; g < t->groups; g++) {
        peak = greater(peak, greater(-t->low[g], t->high[g]));
        above += greater(t->low[g], splat(0));
        below += greater(-t->high[g], splat(0));
    }
    word_lanes exponent = (word_lanes)peak >> 23;
    lanes unit = (lanes)((254 - exponent) << 23);
    mask_lanes turned = above > below;
    t->unit = turned ? -unit : unit;
    for (size_t g = 0; g < t->groups; g++) {
        lanes a = t->low[g] * t->unit, b = t->high[g] * t->unit;
        t->low[g] = lesser(lesser(a, b), splat(0));
        t->high[g] = greater(a, b);
    }
    for (size_t k = 0; k < t->format->columns; k++) t->w[k] *= t->unit;
}

static inline void take_group(const fit_tile *t, size_t g, fit_group *group) {
    group->w = t->w + g * t->format->group;
    group->weights = t->weights + g * t->format->group;
    group->count = group_count(t, g);
    group->low = t->low[g];
    group->high = t->high[g];
}

static inline void weigh(const fit_tile *t) {
    const float *importance = t->weighting->importance;
    fit_group group;
    for (size_t g = 0; g < t->groups; g++) {
        take_group(t, g, &group);
        weigh_group(&group, importance ? importance + g * t->format->group : NULL, t->weighting->magnitude);
    }
}

/// Scales and minimums from the ranges alone.
static inline void fit_ranges(fit_tile *t) {
    for (size_t g = 0; g < t->groups; g++) {
        t->scale[g] = (t->high[g] - t->low[g]) / t->top;
        t->minimum[g] = 0.0f - t->low[g];
    }
}

static inline void fit_by_search(fit_tile *t) {
    fit_group group;
    for (size_t g = 0; g < t->groups; g++) {
        take_group(t, g, &group);
        fit_affine best = search_group(&group, t->top);
        t->scale[g] = best.scale;
        t->minimum[g] = best.minimum;
    }
}

/// The row factors that the greatest scale and minimum need.
static inline void set_factors(const fit_tile *t, fit_plan *plan) {
    lanes scale = 0, minimum = 0;
    for (size_t g = 0; g < t->groups; g++) {
        scale = greater(scale, t->scale[g]);
        minimum = greater(minimum, t->minimum[g]);
    }
    plan->d = scale / 255.0f;
    plan->dm = minimum / 255.0f;
    plan->loss = 0;
}

/// Rounds scales and minimums to 8 bits.
static inline void round_nearest(const fit_tile *t, fit_plan *plan) {
    set_factors(t, plan);
    lanes per_d = reciprocal(plan->d), per_dm = reciprocal(plan->dm), limit = splat(255);
    for (size_t g = 0; g < t->groups; g++) {
        plan->scales[g] = nearest_code(t->scale[g] * per_d, limit);
        plan->minimums[g] = nearest_code(t->minimum[g] * per_dm, limit);
    }
}

/// Rounds scales and minimums to those 8-bit neighbours that together lose least; measures what `other` loses, too.
static inline void round_by_search(const fit_tile *t, fit_plan *plan, fit_plan *other) {
    set_factors(t, plan);
    fit_group group;
    for (size_t g = 0; g < t->groups; g++) {
        take_group(t, g, &group);
        fit_rounded best = round_group(&group, t->scale[g], t->minimum[g], plan->d, plan->dm, t->top);
        plan->scales[g] = best.scale;
        plan->minimums[g] = best.minimum;
        plan->loss += best.loss;
        other->loss += group_loss(&group, other->d * other->scales[g], other->dm * other->minimums[g], t->top);
    }
}

/// Takes over the rows in which `other` loses less.
static inline void adopt_better(const fit_tile *t, fit_plan *plan, const fit_plan *other) {
    mask_lanes better = other->loss < plan->loss;
    plan->d = better ? other->d : plan->d;
    plan->dm = better ? other->dm : plan->dm;
    for (size_t g = 0; g < t->groups; g++) {
        plan->scales[g] = better ? other->scales[g] : plan->scales[g];
        plan->minimums[g] = better ? other->minimums[g] : plan->minimums[g];
    }
}

/// The final codes, and how far they are from the weights.
static inline void encode(const fit_tile *t, const fit_plan *plan, tsr_fit_error *result) {
    wide_lanes error = 0, energy = 0;
    lanes worst = 0;
    size_t size = t->format->group;
    for (size_t g = 0; g < t->groups; g++) {
        const lanes *w = t->w + g * size;
        size_t count = group_count(t, g);
        lanes scale = plan->d * plan->scales[g], minimum = plan->dm * plan->minimums[g];
        lanes inverse = reciprocal(scale), group_error = 0, group_energy = 0;
        byte_lanes *codes = (byte_lanes *)t->codes + g * size;
        for (size_t k = 0; k < count; k++) {
            lanes q = nearest_code((w[k] + minimum) * inverse, t->top);
            lanes e = (scale * q - minimum) - w[k];
            codes[k] = __builtin_convertvector(q, byte_lanes);
            group_error += e * e;
            group_energy += w[k] * w[k];
        }
        memset(codes + count, 0, (size - count) * sizeof(*codes));
        error += widen(group_error);
        energy += widen(group_energy);
        worst = greater(worst, group_error * reciprocal(group_energy));
    }
    wide_lanes back = 1.0 / (widen(t->unit) * widen(t->unit));
    error *= back;
    energy *= back;
    *result = (tsr_fit_error){0, 0, 0};
    for (int r = 0; r < 16; r++) {
        result->error += error[r];
        result->energy += energy[r];
        result->worst = worst[r] > result->worst ? worst[r] : result->worst;
    }
}

static inline void write_tile(const fit_tile *t, fit_plan *plan, uint8_t *tile) {
    // Rows were multiplied by a power of two: dividing the factors undoes it exactly.
    lanes d = plan->d / t->unit, dm = plan->dm / t->unit;
    tsr_fit_parts parts = {
        .d = (float *)&d,
        .dm = (float *)&dm,
        .codes = t->codes,
        // Bytes replace the floats they come from, front to back.
        .scales = (uint8_t *)plan->scales,
        .minimums = (uint8_t *)plan->minimums,
    };
    for (size_t g = 0; g < t->groups; g++) {
        byte_lanes scales = __builtin_convertvector(plan->scales[g], byte_lanes);
        byte_lanes minimums = __builtin_convertvector(plan->minimums[g], byte_lanes);
        memcpy(parts.scales + g * 16, &scales, 16);
        memcpy(parts.minimums + g * 16, &minimums, 16);
    }
    tsr_fit_pack(t->format, &parts, tile);
}

fit_tile_function FIT_TILE;
bool FIT_TILE(const tsr_fit_format *format, tsr_fit_solver solver, const tsr_fit_weighting *weighting,
              const tsr_fit_rows *rows, void *scratch, uint8_t *tile, tsr_fit_error *error) {
    fit_tile t = fit_tile_in(scratch, format, weighting);
    load_columns(rows, format->columns, t.w);
    if (!find_ranges(&t)) return false;
    normalise(&t);
    fit_ranges(&t);
    round_nearest(&t, &t.nearest);
    if (solver == TSR_FIT_SEARCH) {
        weigh(&t);
        // At 8 bits moving the ends of the range gains nothing: only the rounding of scale and minimum is searched.
        if (format->bits < 8) fit_by_search(&t);
        round_by_search(&t, &t.searched, &t.nearest);
        adopt_better(&t, &t.nearest, &t.searched);
    }
    encode(&t, &t.nearest, error);
    write_tile(&t, &t.nearest, tile);
    return true;
}
