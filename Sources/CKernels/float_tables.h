// The float kernels of each instruction set: float_kernels.inc.h, compiled once for each.
#pragma once

#include "floats.h"

extern const tsr_float_kernels tsr_float_kernels_scalar, tsr_float_kernels_avx2, tsr_float_kernels_avx512,
    tsr_float_kernels_neon;
