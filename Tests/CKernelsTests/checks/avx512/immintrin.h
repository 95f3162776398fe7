// The AVX-512 instructions that the packed kernels use, in C, as Intel's manual defines them: it stands in for the compiler's
// header, so that these kernels run where the processor lacks the instructions.
#pragma once

#include <stdint.h>
#include <string.h>

typedef long long __m128i __attribute__((vector_size(16)));
typedef long long __m256i __attribute__((vector_size(32)));
typedef long long __m512i __attribute__((vector_size(64)));
typedef float __m512 __attribute__((vector_size(64)));
typedef uint16_t __mmask16;

typedef int8_t bytes64 __attribute__((vector_size(64)));
typedef uint8_t ubytes64 __attribute__((vector_size(64)));
typedef uint8_t ubytes16 __attribute__((vector_size(16)));
typedef uint16_t words32 __attribute__((vector_size(64)));
typedef int32_t lanes16 __attribute__((vector_size(64)));
typedef uint32_t ulanes16 __attribute__((vector_size(64)));
typedef uint64_t longs8 __attribute__((vector_size(64)));
typedef int8_t bytes16 __attribute__((vector_size(16)));
typedef int16_t words16 __attribute__((vector_size(32)));
typedef uint16_t uwords16 __attribute__((vector_size(32)));
typedef _Float16 halves16 __attribute__((vector_size(32)));

#define EMULATED static inline __attribute__((always_inline))

// What is loaded as aligned must be: the processor ends the program otherwise.
EMULATED void must_be_aligned(const void *p, uintptr_t bytes) {
    if ((uintptr_t)p % bytes != 0) __builtin_trap();
}

EMULATED __m512i _mm512_setzero_si512(void) { return (__m512i){0}; }
EMULATED __m512 _mm512_setzero_ps(void) { return (__m512){0}; }
EMULATED __m512i _mm512_set1_epi8(int x) { return (__m512i)((bytes64){0} + (int8_t)x); }
EMULATED __m512i _mm512_set1_epi32(int x) { return (__m512i)((lanes16){0} + x); }
EMULATED __m512i _mm512_set1_epi64(long long x) { return (__m512i){0} + x; }
EMULATED __m512 _mm512_set1_ps(float x) {
    __m512 r;
    for (int i = 0; i < 16; i++) r[i] = x;
    return r;
}

EMULATED __m128i _mm_load_si128(const __m128i *p) {
    must_be_aligned(p, 16);
    return *p;
}
EMULATED __m256i _mm256_loadu_si256(const __m256i *p) {
    __m256i r;
    memcpy(&r, p, sizeof r);
    return r;
}
EMULATED __m512i _mm512_load_si512(const void *p) {
    must_be_aligned(p, 64);
    return *(const __m512i *)p;
}
EMULATED __m512 _mm512_load_ps(const void *p) {
    must_be_aligned(p, 64);
    return *(const __m512 *)p;
}
EMULATED __m512 _mm512_maskz_loadu_ps(__mmask16 mask, const float *p) {
    __m512 r;
    for (int i = 0; i < 16; i++) r[i] = mask >> i & 1 ? p[i] : 0;
    return r;
}
EMULATED void _mm512_mask_storeu_ps(float *p, __mmask16 mask, __m512 x) {
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1) p[i] = x[i];
}
EMULATED void _mm512_mask_cvtepi32_storeu_epi8(void *p, __mmask16 mask, __m512i x) {
    for (int i = 0; i < 16; i++)
        if (mask >> i & 1) ((int8_t *)p)[i] = (int8_t)((lanes16)x)[i];
}
EMULATED __m128i _mm_setr_epi8(char a, char b, char c, char d, char e, char f, char g, char h, char i, char j, char k, char l,
                               char m, char n, char o, char p) {
    return (__m128i)(ubytes16){(uint8_t)a, (uint8_t)b, (uint8_t)c, (uint8_t)d, (uint8_t)e, (uint8_t)f, (uint8_t)g, (uint8_t)h,
                               (uint8_t)i, (uint8_t)j, (uint8_t)k, (uint8_t)l, (uint8_t)m, (uint8_t)n, (uint8_t)o, (uint8_t)p};
}
EMULATED __m512i _mm512_broadcast_i32x4(__m128i a) { return (__m512i){a[0], a[1], a[0], a[1], a[0], a[1], a[0], a[1]}; }
#define _MM_HINT_T1 2
EMULATED void _mm_prefetch(const void *p, int hint) { (void)p, (void)hint; }

EMULATED __m512 _mm512_add_ps(__m512 a, __m512 b) { return a + b; }
EMULATED __m512 _mm512_sub_ps(__m512 a, __m512 b) { return a - b; }
EMULATED __m512 _mm512_mul_ps(__m512 a, __m512 b) { return a * b; }
EMULATED __m512 _mm512_div_ps(__m512 a, __m512 b) { return a / b; }
EMULATED __m512 _mm512_fmadd_ps(__m512 a, __m512 b, __m512 c) { return __builtin_elementwise_fma(a, b, c); }
EMULATED __m512 _mm512_fnmadd_ps(__m512 a, __m512 b, __m512 c) { return __builtin_elementwise_fma(-a, b, c); }

EMULATED __m512i _mm512_and_si512(__m512i a, __m512i b) { return a & b; }
EMULATED __m512i _mm512_or_si512(__m512i a, __m512i b) { return a | b; }
EMULATED __m512i _mm512_srli_epi16(__m512i a, unsigned n) { return (__m512i)((words32)a >> (uint16_t)n); }
EMULATED __m512i _mm512_rolv_epi64(__m512i a, __m512i n) {
    const longs8 x = (longs8)a, left = (longs8)n & 63;
    return (__m512i)(x << left | x >> (-left & 63));
}
EMULATED __m512i _mm512_slli_epi32(__m512i a, unsigned n) { return (__m512i)((ulanes16)a << n); }
/// Of each 16 bytes: those of `a` that `b` names, or zero.
EMULATED __m512i _mm512_shuffle_epi8(__m512i a, __m512i b) {
    ubytes64 r;
    for (int i = 0; i < 64; i++) r[i] = ((ubytes64)b)[i] & 128 ? 0 : ((ubytes64)a)[i / 16 * 16 + (((ubytes64)b)[i] & 15)];
    return (__m512i)r;
}
EMULATED __m256i _mm256_set1_epi16(short x) { return (__m256i)((words16){0} + x); }
EMULATED __m256i _mm256_and_si256(__m256i a, __m256i b) { return a & b; }
EMULATED __m256i _mm256_or_si256(__m256i a, __m256i b) { return a | b; }
EMULATED __m256i _mm256_slli_epi16(__m256i a, unsigned n) { return (__m256i)((uwords16)a << (uint16_t)n); }
EMULATED __m256i _mm256_cmpeq_epi16(__m256i a, __m256i b) { return (__m256i)((words16)a == (words16)b); }
EMULATED __m512i _mm512_add_epi32(__m512i a, __m512i b) { return (__m512i)((ulanes16)a + (ulanes16)b); }
EMULATED __m512i _mm512_min_epi32(__m512i a, __m512i b) {
    return (__m512i)__builtin_elementwise_min((lanes16)a, (lanes16)b);
}
EMULATED __m512i _mm512_max_epi32(__m512i a, __m512i b) {
    return (__m512i)__builtin_elementwise_max((lanes16)a, (lanes16)b);
}
EMULATED __m512i _mm512_max_epu32(__m512i a, __m512i b) {
    return (__m512i)__builtin_elementwise_max((ulanes16)a, (ulanes16)b);
}
EMULATED unsigned _mm512_reduce_max_epu32(__m512i a) { return __builtin_reduce_max((ulanes16)a); }
EMULATED int _mm512_reduce_add_epi32(__m512i a) { return (int)__builtin_reduce_add((ulanes16)a); }

/// Of each lane: adds the products of its four unsigned bytes of `b` and its four signed bytes of `c`.
EMULATED __m512i _mm512_dpbusd_epi32(__m512i a, __m512i b, __m512i c) {
    ulanes16 sums = (ulanes16)a;
    for (int i = 0; i < 64; i++) sums[i / 4] += (uint32_t)(((ubytes64)b)[i] * ((bytes64)c)[i]);
    return (__m512i)sums;
}

EMULATED __m512i _mm512_dpwssd_epi32(__m512i a, __m512i b, __m512i c) {
    const lanes16 x = (lanes16)b, y = (lanes16)c;
    const lanes16 low = ((lanes16)((ulanes16)x << 16) >> 16) * ((lanes16)((ulanes16)y << 16) >> 16);
    return (__m512i)((ulanes16)a + (ulanes16)low + (ulanes16)((x >> 16) * (y >> 16)));
}
EMULATED __m512i _mm512_cvtepu8_epi32(__m128i a) { return (__m512i)__builtin_convertvector((ubytes16)a, lanes16); }
EMULATED __m512 _mm512_cvtepi32_ps(__m512i a) { return __builtin_convertvector((lanes16)a, __m512); }
EMULATED __m512 _mm512_cvtph_ps(__m256i a) { return __builtin_convertvector((halves16)a, __m512); }
EMULATED __m256i _mm256_cvtepi8_epi16(__m128i a) { return (__m256i)__builtin_convertvector((bytes16)a, words16); }
EMULATED __m512 _mm512_castsi512_ps(__m512i a) { return (__m512)a; }
EMULATED __m512i _mm512_castps_si512(__m512 a) { return (__m512i)a; }
EMULATED __m512i _mm512_cvtps_epi32(__m512 a) {
    lanes16 r;
    for (int i = 0; i < 16; i++) {
        const float whole = __builtin_rintf(a[i]);
        r[i] = whole >= -0x1p31f && whole < 0x1p31f ? (int32_t)whole : INT32_MIN;
    }
    return (__m512i)r;
}
