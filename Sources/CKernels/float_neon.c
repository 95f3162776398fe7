#if defined(__aarch64__)
#include <string.h>

#include "float_tables.h"

#define TABLE tsr_float_kernels_neon
#define LANES 4
#define NARROW 4
#define BLOCK_ROWS 6
#define BLOCK_VECS 2
#define HAS_F16_CONVERSION

#include "float_kernels.inc.h"
#endif
