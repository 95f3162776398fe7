#if defined(__aarch64__)
#include <arm_neon.h>

#define TABLE tsr_coded_attention_neon
#define LANES 4
#define NARROW 4
#define ROWS 6
#define VECS 2

#include "coded_vector.inc.h"

// Products are added where they are; pairs only at the end.
typedef struct {
    int32x4_t low, high;
} pair_sums;
INLINE pair_sums add_pairs(pair_sums sums, wide_int a, wide_int b) {
    const int16x8_t x = (int16x8_t)a, y = (int16x8_t)b;
    sums.low = vmlal_s16(sums.low, vget_low_s16(x), vget_low_s16(y));
    sums.high = vmlal_high_s16(sums.high, x, y);
    return sums;
}
INLINE wide_int total_of(pair_sums sums) { return (wide_int)vpaddq_s32(sums.low, sums.high); }

#include "coded_attention.inc.h"
#endif
