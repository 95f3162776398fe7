#if defined(__x86_64__)
#pragma clang attribute push(__attribute__((target("fma,avx512f,avx512bw,avx512vl,avx512dq"))), apply_to = function)
#define FIT_SPAN 16
#define FIT_FUSES
#define FIT_TILE tsr_fit_tile_avx512
#include "fit_body.h"
#pragma clang attribute pop
#endif
