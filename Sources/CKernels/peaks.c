#include "include/peaks.h"

#include <string.h>
#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

// Enough sums to hide the latency of any of these instructions, and few enough for the registers of every set.
enum { SUMS = 12 };

/// One round for each sum: OPERATION makes the sum anew of itself, `x` and `y`. The compiler must take every sum for unknown, so
/// that it neither moves a multiplication out of the loop nor leaves one out.
#define ROUNDS(type, zero, x, y, place, operation)                      \
    type sums[SUMS];                                                    \
    for (int i = 0; i < SUMS; i++) sums[i] = zero;                      \
    for (size_t round = 0; round < rounds; round++) {                   \
        _Pragma("unroll") for (int i = 0; i < SUMS; i++) {              \
            type sum = sums[i];                                         \
            __asm__ volatile("" : "+" place(x), "+" place(y), "+" place(sum)); \
            sums[i] = operation;                                        \
        }                                                               \
    }                                                                   \
    for (int i = 0; i < SUMS; i++) __asm__ volatile("" ::place(sums[i]))

// Plain C has no densest instruction: one product at a time, as the reference kernels are written.
static uint64_t integer_scalar(size_t rounds) {
    int32_t x = 3, y = 5;
    ROUNDS(int32_t, 0, x, y, "r", sum + x * y);
    return (uint64_t)rounds * SUMS;
}

static uint64_t float_scalar(size_t rounds) {
#if defined(__x86_64__)
#define FLOAT_PLACE "x"
#else
#define FLOAT_PLACE "w"
#endif
    float x = 0.5f, y = 0.25f;
    ROUNDS(float, 0.0f, x, y, FLOAT_PLACE, sum + x * y);
    return (uint64_t)rounds * SUMS;
}

#if defined(__x86_64__)
#define AVX2 __attribute__((target("avx2,fma")))
#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512vnni")))

AVX2 static uint64_t integer_avx2(size_t rounds) {
    __m256i x = _mm256_set1_epi8(3), y = _mm256_set1_epi8(1);
    ROUNDS(__m256i, _mm256_setzero_si256(), x, y, "x", _mm256_add_epi16(sum, _mm256_maddubs_epi16(x, y)));
    return (uint64_t)rounds * SUMS * 32;
}

__attribute__((target("avx2,avxvnni"))) static uint64_t integer_avxvnni(size_t rounds) {
    __m256i x = _mm256_set1_epi8(3), y = _mm256_set1_epi8(1);
    ROUNDS(__m256i, _mm256_setzero_si256(), x, y, "x", _mm256_dpbusd_avx_epi32(sum, x, y));
    return (uint64_t)rounds * SUMS * 32;
}

AVX2 static uint64_t float_avx2(size_t rounds) {
    __m256 x = _mm256_set1_ps(0.5f), y = _mm256_set1_ps(0.25f);
    ROUNDS(__m256, _mm256_setzero_ps(), x, y, "x", _mm256_fmadd_ps(x, y, sum));
    return (uint64_t)rounds * SUMS * 8;
}

AVX512 static uint64_t integer_avx512(size_t rounds) {
    __m512i x = _mm512_set1_epi8(3), y = _mm512_set1_epi8(1);
    ROUNDS(__m512i, _mm512_setzero_si512(), x, y, "v", _mm512_dpbusd_epi32(sum, x, y));
    return (uint64_t)rounds * SUMS * 64;
}

AVX512 static uint64_t float_avx512(size_t rounds) {
    __m512 x = _mm512_set1_ps(0.5f), y = _mm512_set1_ps(0.25f);
    ROUNDS(__m512, _mm512_setzero_ps(), x, y, "v", _mm512_fmadd_ps(x, y, sum));
    return (uint64_t)rounds * SUMS * 16;
}
#elif defined(__aarch64__)
static uint64_t integer_neon(size_t rounds) {
    int8x16_t x = vdupq_n_s8(3), y = vdupq_n_s8(1);
    ROUNDS(int16x8_t, vdupq_n_s16(0), x, y, "w",
           vmlal_high_s8(vmlal_s8(sum, vget_low_s8(x), vget_low_s8(y)), x, y));
    return (uint64_t)rounds * SUMS * 16;
}

__attribute__((target("dotprod"))) static uint64_t integer_dotprod(size_t rounds) {
    int8x16_t x = vdupq_n_s8(3), y = vdupq_n_s8(1);
    ROUNDS(int32x4_t, vdupq_n_s32(0), x, y, "w", vdotq_s32(sum, x, y));
    return (uint64_t)rounds * SUMS * 16;
}

__attribute__((target("i8mm"))) static uint64_t integer_i8mm(size_t rounds) {
    int8x16_t x = vdupq_n_s8(3), y = vdupq_n_s8(1);
    ROUNDS(int32x4_t, vdupq_n_s32(0), x, y, "w", vmmlaq_s32(sum, x, y));
    return (uint64_t)rounds * SUMS * 32;
}

static uint64_t float_neon(size_t rounds) {
    float32x4_t x = vdupq_n_f32(0.5f), y = vdupq_n_f32(0.25f);
    ROUNDS(float32x4_t, vdupq_n_f32(0), x, y, "w", vfmaq_f32(sum, x, y));
    return (uint64_t)rounds * SUMS * 4;
}
#endif

uint64_t tsr_integer_peak(tsr_isa isa, size_t rounds) {
    switch (isa) {
#if defined(__x86_64__)
    case TSR_ISA_AVX2: return integer_avx2(rounds);
    case TSR_ISA_AVXVNNI: return integer_avxvnni(rounds);
    case TSR_ISA_AVX512: return integer_avx512(rounds);
#elif defined(__aarch64__)
    case TSR_ISA_NEON: return integer_neon(rounds);
    case TSR_ISA_DOTPROD: return integer_dotprod(rounds);
    case TSR_ISA_I8MM: return integer_i8mm(rounds);
#endif
    default: return integer_scalar(rounds);
    }
}

uint64_t tsr_float_peak(tsr_isa isa, size_t rounds) {
    switch (isa) {
#if defined(__x86_64__)
    case TSR_ISA_AVX2:
    case TSR_ISA_AVXVNNI: return float_avx2(rounds);
    case TSR_ISA_AVX512: return float_avx512(rounds);
#elif defined(__aarch64__)
    case TSR_ISA_NEON:
    case TSR_ISA_DOTPROD:
    case TSR_ISA_I8MM: return float_neon(rounds);
#endif
    default: return float_scalar(rounds);
    }
}

uint64_t tsr_read_peak(const void *bytes, size_t count) {
    typedef uint64_t words __attribute__((vector_size(64)));
    words sums[4] = {0};
    const char *at = bytes;
    for (size_t i = 0; i + 256 <= count; i += 256)
        for (int j = 0; j < 4; j++) {
            words read;
            memcpy(&read, at + i + j * 64, sizeof read);
            sums[j] += read;
        }
    const words all = sums[0] + sums[1] + sums[2] + sums[3];
    uint64_t sum = 0;
    for (int i = 0; i < 8; i++) sum += all[i];
    return sum;
}
