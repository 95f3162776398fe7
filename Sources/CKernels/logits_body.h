// Rows of logits as distributions, for one instruction set; the file that includes this names the functions with LOGITS(name).
#include <math.h>

#include "fit_lanes.h"
#include "include/logits.h"

#define INLINE LANES_INLINE
typedef lanes wide;
typedef mask_lanes wide_int;
#include "exponential.inc.h"

/// Sixteen logits, of which the first `count` exist; the others are of impossible tokens.
LANES_INLINE lanes load_logits(const float *from, size_t count) {
    lanes x = splat(-INFINITY);
    if (count >= 16) memcpy(&x, from, sizeof x);
    else memcpy(&x, from, count * sizeof *from);
    return x;
}

LANES_INLINE double sum_of_lanes(wide_lanes x) {
    for (size_t half = 8; half > 0; half /= 2)
        for (size_t i = 0; i < half; i++) x[i] += x[i + half];
    return x[0];
}

LANES_INLINE int any_lane(mask_lanes x) {
    int any = 0;
    for (size_t i = 0; i < 16; i++) any |= x[i];
    return any != 0;
}

typedef struct {
    lanes highest;
    mask_lanes place, nan;
} logit_peaks;

LANES_INLINE void note_peaks(logit_peaks *peaks, lanes x, mask_lanes place) {
    peaks->place = x > peaks->highest ? place : peaks->place;
    peaks->highest = greater(x, peaks->highest);
    peaks->nan |= x != x;
}

/// The largest logit, and the first place that has it; NaN for a row that is no distribution.
LANES_INLINE float peak_of(const logit_peaks *peaks, size_t *place) {
    size_t best = 0;
    for (size_t i = 1; i < 16; i++) {
        const float x = peaks->highest[i], highest = peaks->highest[best];
        if (x > highest || (x == highest && peaks->place[i] < peaks->place[best])) best = i;
    }
    *place = (size_t)peaks->place[best];
    const float highest = peaks->highest[best];
    return isfinite(highest) && !any_lane(peaks->nan) ? highest : NAN;
}

/// The first look at both rows: their peaks, and whether a token is impossible in one alone.
LANES_INLINE void look_for_peaks(const float *const rows[2], size_t count, logit_peaks peaks[2], int only[2]) {
    mask_lanes place = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, only_base = 0, only_other = 0;
    for (int i = 0; i < 2; i++) peaks[i] = (logit_peaks){splat(-INFINITY), place, 0};
    for (size_t i = 0; i < count; i += 16, place += 16) {
        const lanes a = load_logits(rows[0] + i, count - i), b = load_logits(rows[1] + i, count - i);
        note_peaks(&peaks[0], a, place);
        note_peaks(&peaks[1], b, place);
        const mask_lanes no_a = a == -INFINITY, no_b = b == -INFINITY;
        only_base |= no_a & ~no_b;
        only_other |= no_b & ~no_a;
    }
    only[0] = any_lane(only_base);
    only[1] = any_lane(only_other);
}

LANES_INLINE double sum_of_exponentials(const float *row, size_t count, float peak) {
    wide_lanes sum = 0;
    for (size_t i = 0; i < count; i += 16) sum += widen(exponential(load_logits(row + i, count - i) - peak));
    return sum_of_lanes(sum);
}

/// KL(p ‖ q) is Σ p·f(x), f(x) = e⁻ˣ − 1 + x, x = ln(p / q), as Σ q − p is nothing; KL(q ‖ p) is Σ q·f(−x). No term is
/// negative, and an error of the normalizers in x does not count at first order, however small the divergence is.
LANES_INLINE void sum_divergences(const float *const rows[2], size_t count, const float peaks[2], const double sums[2],
                                  tsr_logit_pair *pair) {
    const float shift = (float)(pair->normalizer[0] - pair->normalizer[1]);
    const float scale_p = (float)(1 / sums[0]), scale_q = (float)(1 / sums[1]);
    wide_lanes forward = 0, reverse = 0;
    for (size_t i = 0; i < count; i += 16) {
        const lanes a = load_logits(rows[0] + i, count - i), b = load_logits(rows[1] + i, count - i);
        const lanes p = exponential(a - peaks[0]) * scale_p, q = exponential(b - peaks[1]) * scale_q;
        const lanes distance = (a - b) - shift;
        const lanes x = distance == distance ? distance : splat(0);  // impossible in both
        // Near 0 the first terms of f's series, even and odd; the next is x⁹/9!.
        const lanes y = x * x;
        const lanes even = y * (y * (y * (1 / 40320.0f) + 1 / 720.0f) + 1 / 24.0f) + 0.5f;
        const lanes odd = x * (y * (y * (1 / 5040.0f) + 1 / 120.0f) + 1 / 6.0f);
        const mask_lanes near = magnitude_of(x) < 0.5f;
        const lanes px = p > 0.0f ? p * x : splat(0), qx = q > 0.0f ? q * x : splat(0);
        forward += widen(near ? p * y * (even - odd) : px + (q - p));
        reverse += widen(near ? q * y * (even + odd) : (p - q) - qx);
    }
    // Where probabilities vanish, terms may be below 0 by what a float cannot hold.
    pair->divergence = fmax(0, sum_of_lanes(forward));
    pair->reverse = fmax(0, sum_of_lanes(reverse));
}

void LOGITS(tsr_compare_logits)(const float *base, const float *other, size_t count, tsr_logit_pair *pair) {
    const float *const rows[2] = {base, other};
    logit_peaks found[2];
    float peaks[2];
    double sums[2];
    look_for_peaks(rows, count, found, pair->only);
    for (int i = 0; i < 2; i++) {
        peaks[i] = peak_of(&found[i], &pair->top[i]);
        sums[i] = isnan(peaks[i]) ? NAN : sum_of_exponentials(rows[i], count, peaks[i]);
        pair->normalizer[i] = peaks[i] + log(sums[i]);
    }
    pair->divergence = pair->reverse = NAN;
    if (!isnan(peaks[0]) && !isnan(peaks[1])) sum_divergences(rows, count, peaks, sums, pair);
}

float LOGITS(tsr_logit_peak)(const float *logits, size_t count, size_t *place) {
    logit_peaks peaks = {splat(-INFINITY), {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, 0};
    mask_lanes places = peaks.place;
    for (size_t i = 0; i < count; i += 16, places += 16) note_peaks(&peaks, load_logits(logits + i, count - i), places);
    return peak_of(&peaks, place);
}

void LOGITS(tsr_logit_weights)(const float *logits, size_t count, float peak, float factor, float *weights) {
    for (size_t i = 0; i < count; i += 16) {
        const lanes weight = exponential((load_logits(logits + i, count - i) - peak) * factor);
        memcpy(weights + i, &weight, count - i < 16 ? (count - i) * sizeof *weights : sizeof weight);
    }
}
