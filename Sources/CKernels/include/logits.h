// Rows of logits as distributions: which token each finds most likely, and how far two are from each other.
//
// Nothing is fused and lanes are summed in one order, so results have the same bits on every instruction set.
#pragma once

#include <stddef.h>

#include "isa.h"

/// A row is a distribution if its largest logit is finite and none is NaN. A logit of −∞ is a probability of 0.
typedef struct {
    double normalizer[2];  // ln Σ e^logit of base and other; NaN of a row that is no distribution
    size_t top[2];         // the first of each row's largest logits; of no meaning without a distribution
    double divergence;     // KL(base ‖ other) in nats; of no meaning unless both are distributions
    double reverse;        // KL(other ‖ base)
    int only[2];           // whether a token is impossible (−∞) in that row alone
} tsr_logit_pair;

/// Compares `count` logits of two rows. Divergences are 0 where both rows have the same bits, and never negative.
void tsr_compare_logits(const float *base, const float *other, size_t count, tsr_logit_pair *pair);

/// The largest logit of a row and the first place that has it; NaN for a row that is no distribution.
float tsr_logit_peak(const float *logits, size_t count, size_t *place);

/// weights[i] = e^((logits[i] − peak)·factor) of a row that is a distribution and has that peak; factor > 0.
void tsr_logit_weights(const float *logits, size_t count, float peak, float factor, float *weights);

/// The same with the kernel of `isa`, which must be available.
void tsr_compare_logits_with(tsr_isa isa, const float *base, const float *other, size_t count, tsr_logit_pair *pair);
float tsr_logit_peak_with(tsr_isa isa, const float *logits, size_t count, size_t *place);
void tsr_logit_weights_with(tsr_isa isa, const float *logits, size_t count, float peak, float factor, float *weights);
