#if defined(__x86_64__)
#include <string.h>

#include "float_tables.h"

#define TABLE tsr_float_kernels_avx512
#define LANES 16
#define NARROW 8
#define BLOCK_ROWS 6
#define BLOCK_VECS 2
#define HAS_F16_CONVERSION

#pragma clang attribute push(__attribute__((target("fma,f16c,avx512f,avx512bw,avx512vl,avx512dq"))), \
                             apply_to = function)
#include "float_kernels.inc.h"
#pragma clang attribute pop
#endif
