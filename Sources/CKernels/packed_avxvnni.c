// The packed kernels with AVX-VNNI: one instruction multiplies four codes of eight rows and adds them up.
#if defined(__x86_64__)
#include "packed.h"

#include <immintrin.h>

#pragma clang attribute push(__attribute__((target("avx2,fma,f16c,avxvnni"))), apply_to = function)

#include "packed_ymm.h"

INLINE void add_dots(__m256i dot[2][MAX_TOKENS], const __m256i q[2], const uint8_t *codes, size_t pitch, const int tokens) {
    UNROLL for (int t = 0; t < tokens; t++) {
        const __m256i c = broadcast4(codes + t * pitch);
        UNROLL for (int h = 0; h < 2; h++) {
            dot[h][t] = _mm256_dpbusd_avx_epi32(dot[h][t], q[h], c);
            HERE(dot[h][t]);
        }
    }
}

INLINE void step_dots_avxvnni(const uint8_t *steps, const uint8_t *upper, const uint8_t *codes, size_t pitch,
                              __m256i part[2][MAX_TOKENS], __m256i dot[2][MAX_TOKENS], const uint8_t *scales, const int i,
                              const int high, const int tokens, const int bits, const int float4) {
    (void)part, (void)scales;
    const __m256i q[2] = {operand(steps, upper, i, high, bits, float4), operand(steps + 32, upper + 32, i, high, bits, float4)};
    add_dots(dot, q, codes, pitch, tokens);
}

INLINE int joins_avxvnni(const int bits) { return (void)bits, 0; }
INLINE void join_avxvnni(__m256i part[2][MAX_TOKENS], __m256i dot[2][MAX_TOKENS], const uint8_t *scales, const int tokens) {
    (void)part, (void)dot, (void)scales, (void)tokens;
}

INLINE void byte_dots_avxvnni(const uint8_t *q, size_t columns, const uint8_t *codes, size_t pitch, __m256i dot[2][MAX_TOKENS],
                              const int tokens) {
    for (size_t j = 0; j < columns / 4; j++, q += STEP_BYTES, codes += 4) {
        const __m256i step[2] = {_mm256_load_si256((const __m256i *)q), _mm256_load_si256((const __m256i *)(q + 32))};
        add_dots(dot, step, codes, pitch, tokens);
    }
}

/// Activations are taken as they are.
INLINE int form_avxvnni(const int bits) { return (void)bits, 1; }
INLINE void convert_avxvnni(const int8_t *codes, size_t columns, uint8_t *out) { memcpy(out, codes, columns); }

#define NAME(function) function##_avxvnni
#define PRODUCT tsr_packed_product_avxvnni
#include "packed_ymm_block.h"
#undef PRODUCT
#undef NAME

#pragma clang attribute pop
#endif
