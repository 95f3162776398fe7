#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("fma,avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)
#define FIT_FUSES
#define SOLVE(name) tsr_solve_##name##_avx512
#include "solve_body.h"
#pragma clang attribute pop
#endif
