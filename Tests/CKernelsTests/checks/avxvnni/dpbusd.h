// The one instruction of AVX-VNNI that the packed kernels use, in C, as Intel's manual defines it.
#pragma once

#include <immintrin.h>
#include <stdint.h>

static inline __m256i emulated_dpbusd(__m256i sum, __m256i a, __m256i b) {
    typedef int32_t lanes __attribute__((vector_size(32)));
    typedef uint8_t unsigned_bytes __attribute__((vector_size(32)));
    typedef int8_t signed_bytes __attribute__((vector_size(32)));
    lanes total = (lanes)sum;
    for (int i = 0; i < 32; i++) total[i / 4] += ((unsigned_bytes)a)[i] * ((signed_bytes)b)[i];
    return (__m256i)total;
}
#define _mm256_dpbusd_avx_epi32 emulated_dpbusd
