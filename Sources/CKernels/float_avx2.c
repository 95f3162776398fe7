#if defined(__x86_64__)
#include <string.h>

#include "float_tables.h"

#define TABLE tsr_float_kernels_avx2
#define LANES 8
#define NARROW 8
#define BLOCK_ROWS 6
#define BLOCK_VECS 2
#define HAS_F16_CONVERSION

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "float_kernels.inc.h"
#pragma clang attribute pop
#endif
