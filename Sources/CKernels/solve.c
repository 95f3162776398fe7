// The instruction set every machine has, and the choice among them.
#define SOLVE(name) tsr_solve_##name##_baseline
#include "solve_body.h"

#if defined(__x86_64__)
#define DECLARE(isa)                                                                                                \
    void tsr_solve_load_##isa(const tsr_fit_rows *, size_t, const float *, float *, float *, size_t, float *);      \
    void tsr_solve_compensate_##isa(const tsr_solve_group *, const float *, const float *, const float *,           \
                                    const float *, size_t, float *);                                                \
    void tsr_solve_descend_##isa(const tsr_solve_group *, const float *, const float *, size_t, float *);           \
    void tsr_solve_decode_##isa(const tsr_solve_group *, float *);
DECLARE(avx2)
DECLARE(avx512)
#define CHOOSE(name, ...)                                                             \
    switch (tsr_isa_in_use()) {                                                       \
    case TSR_ISA_AVX512: tsr_solve_##name##_avx512(__VA_ARGS__); break;               \
    case TSR_ISA_AVX2:                                                                \
    case TSR_ISA_AVXVNNI: tsr_solve_##name##_avx2(__VA_ARGS__); break;                \
    default: tsr_solve_##name##_baseline(__VA_ARGS__);                                \
    }
#else
#define CHOOSE(name, ...) tsr_solve_##name##_baseline(__VA_ARGS__)
#endif

void tsr_solve_load(const tsr_fit_rows *rows, size_t columns, const float *signs, float *scratch, float *panel,
                    size_t pitch, float *units) {
    CHOOSE(load, rows, columns, signs, scratch, panel, pitch, units);
}

void tsr_solve_compensate(const tsr_solve_group *group, const float *weights, const float *adjusted,
                          const float *importance, const float *feedback, size_t stride, float *errors) {
    CHOOSE(compensate, group, weights, adjusted, importance, feedback, stride, errors);
}

void tsr_solve_descend(const tsr_solve_group *group, const float *gradient, const float *moments, size_t stride,
                       float *change) {
    CHOOSE(descend, group, gradient, moments, stride, change);
}

void tsr_solve_decode(const tsr_solve_group *group, float *panel) { CHOOSE(decode, group, panel); }
