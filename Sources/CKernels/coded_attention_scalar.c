// Plain C for the baseline processor: the reference.
#define TABLE tsr_coded_attention_scalar
#define LANES 4
#define NARROW 4
#define ROWS 4
#define VECS 2

#include "coded_vector.inc.h"

typedef wide_int pair_sums;
INLINE wide_int low_of(wide_int pairs) { return (wide_int)((wide_bits)pairs << 16) >> 16; }
INLINE pair_sums add_pairs(pair_sums sums, wide_int a, wide_int b) {
    return sums + low_of(a) * low_of(b) + (a >> 16) * (b >> 16);
}
INLINE wide_int total_of(pair_sums sums) { return sums; }

#include "coded_attention.inc.h"
