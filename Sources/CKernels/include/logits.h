// Two rows of logits as distributions: how far they are from each other, which token each finds most likely.
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

/// The same with the kernel of `isa`, which must be available.
void tsr_compare_logits_with(tsr_isa isa, const float *base, const float *other, size_t count, tsr_logit_pair *pair);
