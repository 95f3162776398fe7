#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define FIT_FUSES
#define SOLVE(name) tsr_solve_##name##_avx2
#include "solve_body.h"
#pragma clang attribute pop
#endif
