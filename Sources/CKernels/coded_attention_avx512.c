#if defined(__x86_64__)
#include <immintrin.h>

#define TABLE tsr_coded_attention_avx512
#define LANES 16
#define NARROW 8
#define ROWS 6
#define VECS 2

#pragma clang attribute push(__attribute__((target("fma,f16c,avx512f,avx512bw,avx512vl,avx512dq,avx512vnni"))), \
                             apply_to = function)
#include "coded_vector.inc.h"

typedef wide_int pair_sums;
INLINE pair_sums add_pairs(pair_sums sums, wide_int a, wide_int b) {
    return (wide_int)_mm512_dpwssd_epi32((__m512i)sums, (__m512i)a, (__m512i)b);
}
INLINE wide_int total_of(pair_sums sums) { return sums; }

#include "coded_attention.inc.h"
#pragma clang attribute pop
#endif
