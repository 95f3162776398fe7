// Plain C for the baseline processor (SSE2, Armv8): the reference.
#include <string.h>

#include "float_tables.h"

#define TABLE tsr_float_kernels_scalar
#define LANES 4
#define NARROW 4
#define BLOCK_ROWS 4
#define BLOCK_VECS 2

#include "float_kernels.inc.h"
