// The instruction set every machine has, and the choice among them.
#define COMPARE_LOGITS tsr_compare_logits_baseline
#include "logits_body.h"

#if defined(__x86_64__)
void tsr_compare_logits_avx2(const float *, const float *, size_t, tsr_logit_pair *);
void tsr_compare_logits_avx512(const float *, const float *, size_t, tsr_logit_pair *);
#endif

void tsr_compare_logits_with(tsr_isa isa, const float *base, const float *other, size_t count, tsr_logit_pair *pair) {
    switch (isa) {
#if defined(__x86_64__)
    case TSR_ISA_AVX2:
    case TSR_ISA_AVXVNNI: return tsr_compare_logits_avx2(base, other, count, pair);
    case TSR_ISA_AVX512: return tsr_compare_logits_avx512(base, other, count, pair);
#endif
    default: tsr_compare_logits_baseline(base, other, count, pair);
    }
}

void tsr_compare_logits(const float *base, const float *other, size_t count, tsr_logit_pair *pair) {
    tsr_compare_logits_with(tsr_isa_in_use(), base, other, count, pair);
}
