// The packed kernels for Arm: with plain Advanced SIMD, with the dot-product instructions, and with those on matrices.
#if defined(__aarch64__)
#include "packed.h"

#include <arm_neon.h>

// Four tokens by sixteen rows: 16 integer accumulators of 32 registers; the float ones are touched once a group.
enum { MAX_TOKENS = 4 };

#define UNROLL _Pragma("clang loop unroll(full)")

static inline int8x16_t broadcast4(const int8_t *codes) {
    int32_t four;
    memcpy(&four, codes, 4);
    return vreinterpretq_s8_s32(vdupq_n_s32(four));
}

static inline void widen(const uint8_t *bytes, float32x4_t v[4]) {
    uint8x16_t all = vld1q_u8(bytes);
    uint16x8_t low = vmovl_u8(vget_low_u8(all)), high = vmovl_high_u8(all);
    v[0] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(low)));
    v[1] = vcvtq_f32_u32(vmovl_high_u16(low));
    v[2] = vcvtq_f32_u32(vmovl_u16(vget_low_u16(high)));
    v[3] = vcvtq_f32_u32(vmovl_high_u16(high));
}

static inline __attribute__((always_inline)) void halves(const uint8_t *at, float32x4_t v[4]) {
    UNROLL for (int h = 0; h < 4; h++) v[h] = vcvt_f32_f16(vreinterpret_f16_u8(vld1_u8(at + h * 8)));
}

static inline __attribute__((always_inline)) void e8m0(const uint8_t *bytes, float32x4_t v[4]) {
    uint8x16_t all = vld1q_u8(bytes);
    uint16x8_t half[2] = {vmovl_u8(vget_low_u8(all)), vmovl_high_u8(all)};
    UNROLL for (int h = 0; h < 4; h++) {
        uint32x4_t bits = h % 2 ? vmovl_high_u16(half[h / 2]) : vmovl_u16(vget_low_u16(half[h / 2]));
        v[h] = vreinterpretq_f32_u32(vmaxq_u32(vshlq_n_u32(bits, 23), vdupq_n_u32(1u << 22)));
    }
}

/// E4M3 numbers times 2⁻⁸: as float16 their exponents are 8 too small.
static inline __attribute__((always_inline)) void e4m3(const uint8_t *bytes, float32x4_t v[4]) {
    int8x16_t all = vreinterpretq_s8_u8(vld1q_u8(bytes));
    int16x8_t half[2] = {vshll_n_s8(vget_low_s8(all), 7), vshll_high_n_s8(all, 7)};
    UNROLL for (int h = 0; h < 2; h++) {
        uint16x8_t bits = vandq_u16(vreinterpretq_u16_s16(half[h]), vdupq_n_u16(0xbf80));
        const uint16x8_t magnitude = vdupq_n_u16(0x3f80);  // NaN has all of these
        bits = vorrq_u16(bits, vceqq_u16(vandq_u16(bits, magnitude), magnitude));
        v[2 * h] = vcvt_f32_f16(vreinterpret_f16_u16(vget_low_u16(bits)));
        v[2 * h + 1] = vcvt_f32_f16(vreinterpret_f16_u16(vget_high_u16(bits)));
    }
}

/// The scales of a group; and its minimums, which are whole numbers, products that are exact, or biases.
static inline __attribute__((always_inline)) void scales_at(const uint8_t *tile, size_t g, float32x4_t v[4], const int kind) {
    const uint8_t *at = scales_of(tile, g, kind);
    switch (kind) {
    case TSR_MXFP4: return e8m0(at, v);
    case TSR_NVFP4: return e4m3(at, v);
    case TSR_ROW_FACTORS: return widen(at, v);
    default: return halves(at, v);
    }
}
static inline __attribute__((always_inline)) void minimums_at(const uint8_t *tile, size_t g, float32x4_t v[4], const int kind) {
    if (kind == TSR_BIASES) return halves(minimums_of(tile, g, kind), v);
    widen(minimums_of(tile, g, kind), v);
    if (kind == TSR_ROW_FACTORS) return;
    float32x4_t scales[4];
    scales_at(tile, g, scales, kind);
    UNROLL for (int h = 0; h < 4; h++) v[h] = vmulq_f32(scales[h], v[h]);
}

/// Four steps of a group that share their upper bits: the operand of step i of them for four rows, its low nibbles or its
/// high ones.
static inline __attribute__((always_inline)) int8x16_t operand(const uint8_t *steps, const uint8_t *upper, const int i,
                                                               const int high, const int bits, const int kind) {
    static const uint8_t float4_codes[16] = {FLOAT4_CODES};
    uint8x16_t step = vld1q_u8(steps + i * 64);
    step = high ? vshrq_n_u8(step, 4) : vandq_u8(step, vdupq_n_u8(15));
    if (is_float4(kind)) step = vqtbl1q_u8(vld1q_u8(float4_codes), step);
    if (bits > 4) {
        const int u = bits - 4, from = 2 * u * (i % (4 / u)) + high * u;
        uint8x16_t above = vshlq_u8(vld1q_u8(upper + i * u / 4 * 64), vdupq_n_s8((int8_t)(4 - from)));
        step = vorrq_u8(step, vandq_u8(above, vdupq_n_u8((uint8_t)(((1 << u) - 1) << 4))));
    }
    return vreinterpretq_s8_u8(step);
}

/// What the sums of four rows come to; `d` and `dm` mean something where rows have factors.
static inline __attribute__((always_inline)) float32x4_t result(float32x4_t total, float32x4_t minimum, float32x4_t d,
                                                                float32x4_t dm, const int kind) {
    switch (kind) {
    case TSR_ROW_FACTORS: return vfmsq_f32(vmulq_f32(d, total), dm, minimum);
    case TSR_ZERO_POINTS: return vsubq_f32(total, minimum);
    case TSR_BIASES: return vaddq_f32(total, minimum);
    default: return vmulq_f32(vmulq_n_f32(vdivq_f32(d, dm), float4_unit(kind)), total);
    }
}

/// Two products add up to at most 128·127·2, which fits 16 bits.
static inline int32x4_t dot4_neon(int32x4_t sum, int8x16_t q, int8x16_t c) {
    int16x8_t low = vmull_s8(vget_low_s8(q), vget_low_s8(c)), high = vmull_high_s8(q, c);
    return vpadalq_s16(sum, vpaddq_s16(low, high));
}

#define NAME(function) function##_neon
#define PRODUCT tsr_packed_product_neon
#include "packed_neon_dots.h"
#include "packed_neon_block.h"
#undef PRODUCT
#undef NAME

#pragma clang attribute push(__attribute__((target("dotprod"))), apply_to = function)

static inline int32x4_t dot4_dotprod(int32x4_t sum, int8x16_t q, int8x16_t c) { return vdotq_s32(sum, q, c); }

#define NAME(function) function##_dotprod
#define PRODUCT tsr_packed_product_dotprod
#include "packed_neon_dots.h"
#include "packed_neon_block.h"
#undef PRODUCT
#undef NAME

#pragma clang attribute pop
#pragma clang attribute push(__attribute__((target("i8mm"))), apply_to = function)

#define NAME(function) function##_i8mm
#define PRODUCT tsr_packed_product_i8mm
#include "packed_neon_matrix.h"
#include "packed_neon_block.h"
#undef PRODUCT
#undef NAME

#pragma clang attribute pop

void tsr_packed_quantize_neon(const float *x, size_t count, size_t group, int8_t *codes, float *scale, float *sum) {
    // Whole vectors only: the rest of a short group goes through a padded copy of its last four values.
    const size_t whole = count / 4 * 4;
    float rest[4] = {0};
    memcpy(rest, x + whole, (count - whole) * sizeof(float));

    const uint32x4_t magnitude = vdupq_n_u32(0x7fffffff);
    uint32x4_t largest = vandq_u32(vreinterpretq_u32_f32(vld1q_f32(rest)), magnitude);
    for (size_t k = 0; k < whole; k += 4)
        largest = vmaxq_u32(largest, vandq_u32(vreinterpretq_u32_f32(vld1q_f32(x + k)), magnitude));
    *scale = scale_of(vmaxvq_u32(largest));

    const int finite = usable(*scale);
    const float32x4_t divisor = vdupq_n_f32(divisor_of(*scale));
    int32x4_t total = vdupq_n_s32(0);
    for (size_t k = 0; k < group; k += 4) {
        float32x4_t v = vdupq_n_f32(0);
        if (finite && k < count) v = vld1q_f32(k < whole ? x + k : rest);
        int32x4_t c = vcvtnq_s32_f32(vdivq_f32(v, divisor));
        c = vmaxq_s32(vminq_s32(c, vdupq_n_s32(127)), vdupq_n_s32(-127));
        total = vaddq_s32(total, c);
        int16x4_t words = vmovn_s32(c);
        int32_t four = vget_lane_s32(vreinterpret_s32_s8(vmovn_s16(vcombine_s16(words, words))), 0);
        memcpy(codes + k, &four, 4);
    }
    *sum = *scale * (float)vaddvq_s32(total);
}
#endif
