#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define FIT_FUSES
#define FIT_TILE tsr_fit_tile_avx2
#include "fit_body.h"
#pragma clang attribute pop
#endif
