#if defined(__x86_64__)
#include <immintrin.h>

#define TABLE tsr_coded_attention_avx2
#define LANES 8
#define NARROW 8
#define ROWS 6
#define VECS 2

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c"))), apply_to = function)
#include "coded_vector.inc.h"

typedef wide_int pair_sums;
INLINE pair_sums add_pairs(pair_sums sums, wide_int a, wide_int b) {
    return sums + (wide_int)_mm256_madd_epi16((__m256i)a, (__m256i)b);
}
INLINE wide_int total_of(pair_sums sums) { return sums; }

#include "coded_attention.inc.h"
#pragma clang attribute pop
#endif
