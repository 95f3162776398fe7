#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#define FIT_ROUND(x) __builtin_elementwise_roundeven(x)
#define FIT_TILE tsr_fit_tile_avx2
#include "fit_body.h"
#pragma clang attribute pop
#endif
