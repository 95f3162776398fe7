// The instruction set every machine has, and the choice among them.
#define LOGITS(name) name##_baseline
#include "logits_body.h"

typedef struct {
    void (*compare)(const float *, const float *, size_t, tsr_logit_pair *);
    float (*peak)(const float *, size_t, size_t *);
    void (*weights)(const float *, size_t, float, float, float *);
} logit_kernels;

#define KERNELS(isa)                                                                                        \
    void tsr_compare_logits_##isa(const float *, const float *, size_t, tsr_logit_pair *);                  \
    float tsr_logit_peak_##isa(const float *, size_t, size_t *);                                            \
    void tsr_logit_weights_##isa(const float *, size_t, float, float, float *);                             \
    static const logit_kernels isa##_kernels = {tsr_compare_logits_##isa, tsr_logit_peak_##isa, tsr_logit_weights_##isa};

KERNELS(baseline)
#if defined(__x86_64__)
KERNELS(avx2)
KERNELS(avx512)
#endif

static const logit_kernels *kernels_for(tsr_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case TSR_ISA_AVX2:
    case TSR_ISA_AVXVNNI: return &avx2_kernels;
    case TSR_ISA_AVX512: return &avx512_kernels;
#endif
    default: return &baseline_kernels;
    }
}

void tsr_compare_logits_with(tsr_isa isa, const float *base, const float *other, size_t count, tsr_logit_pair *pair) {
    kernels_for(isa)->compare(base, other, count, pair);
}

float tsr_logit_peak_with(tsr_isa isa, const float *logits, size_t count, size_t *place) {
    return kernels_for(isa)->peak(logits, count, place);
}

void tsr_logit_weights_with(tsr_isa isa, const float *logits, size_t count, float peak, float factor, float *weights) {
    kernels_for(isa)->weights(logits, count, peak, factor, weights);
}

void tsr_compare_logits(const float *base, const float *other, size_t count, tsr_logit_pair *pair) {
    tsr_compare_logits_with(tsr_isa_in_use(), base, other, count, pair);
}

float tsr_logit_peak(const float *logits, size_t count, size_t *place) {
    return tsr_logit_peak_with(tsr_isa_in_use(), logits, count, place);
}

void tsr_logit_weights(const float *logits, size_t count, float peak, float factor, float *weights) {
    tsr_logit_weights_with(tsr_isa_in_use(), logits, count, peak, factor, weights);
}
