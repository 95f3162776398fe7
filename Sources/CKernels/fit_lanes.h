// Sixteen rows side by side: a vector holds one column of a tile, a lane a row.
//
// Comparisons and selections instead of min and max functions: those leave the sign of zero and NaN to the processor.
#pragma once

#include <string.h>

#include "include/fit.h"

#pragma STDC FP_CONTRACT OFF
// Every function over vectors is inlined within its file, so no two files need agree on how vectors are passed.
#pragma clang diagnostic ignored "-Wpsabi"

typedef float lanes __attribute__((ext_vector_type(16)));
typedef double wide_lanes __attribute__((ext_vector_type(16)));
typedef uint32_t word_lanes __attribute__((ext_vector_type(16)));
typedef uint16_t half_lanes __attribute__((ext_vector_type(16)));
typedef uint8_t byte_lanes __attribute__((ext_vector_type(16)));
typedef int32_t mask_lanes __attribute__((ext_vector_type(16)));

#define LANES_INLINE static inline __attribute__((always_inline))

/// As many rows as the inner loops take at a time: what they need of two or three candidates then stays in registers.
#ifndef FIT_SPAN
#define FIT_SPAN 8
#endif
typedef float span __attribute__((ext_vector_type(FIT_SPAN)));
enum { FIT_SPANS = TSR_FIT_ROWS / FIT_SPAN };

/// FIT_ROUND(x): to the nearest whole number, ties to even, of what is within ±2²².
/// FIT_FUSED(a, b, c): a·b + c, rounded once.
/// One instruction each, where the file that includes this says so with FIT_FUSES, and on Arm.
#if defined(FIT_FUSES) || defined(__aarch64__)
#define FIT_ROUND(x) __builtin_elementwise_roundeven(x)
#define FIT_FUSED(a, b, c) __builtin_elementwise_fma(a, b, c)
#else
#define FIT_ROUND(x) (((x) + 0x1.8p23f) - 0x1.8p23f)  // floats from 2²³ to 2²⁴ have no fraction
#define FIT_FUSED(a, b, c) fused_by_doubles(a, b, c)
typedef double double_span __attribute__((ext_vector_type(FIT_SPAN)));
typedef int64_t long_span __attribute__((ext_vector_type(FIT_SPAN)));

/// Products of floats are exact as doubles. A sum that is not is rounded to odd: to the neighbour whose last bit is set,
/// which tells the rounding to float on which side of a tie it lies.
LANES_INLINE span fused_by_doubles(span a, span b, span c) {
    const double_span product = __builtin_convertvector(a, double_span) * __builtin_convertvector(b, double_span);
    const double_span addend = __builtin_convertvector(c, double_span), sum = product + addend;
    const double_span of_addend = sum - product;
    const double_span rest = (product - (sum - of_addend)) + (addend - of_addend);
    const long_span bits = (long_span)sum, inexact = (rest > 0) | (rest < 0), even = (bits & 1) - 1;
    const long_span away = (rest > 0) == (sum > 0);
    const double_span odd = (double_span)(bits + (inexact & even & (away ? (long_span)1 : (long_span)-1)));
    return __builtin_convertvector(odd, span);
}
#endif

LANES_INLINE lanes splat(float x) { return (lanes)x; }
LANES_INLINE lanes lesser(lanes a, lanes b) { return a < b ? a : b; }
LANES_INLINE lanes greater(lanes a, lanes b) { return a > b ? a : b; }
LANES_INLINE lanes magnitude_of(lanes a) { return a < 0.0f ? -a : a; }
LANES_INLINE wide_lanes widen(lanes a) { return __builtin_convertvector(a, wide_lanes); }

/// 1 / x, and 0 where x is not positive.
LANES_INLINE lanes reciprocal(lanes x) { return x > 0.0f ? 1.0f / x : splat(0); }

/// The nearest code in 0...top, ties to even; NaN gives 0.
#define NEAREST_CODE(VECTOR)                                                                            \
    LANES_INLINE __attribute__((overloadable)) VECTOR nearest_code(VECTOR t, VECTOR top) {              \
        VECTOR q = t > 0.0f ? t : (VECTOR)0.0f;                                                         \
        q = q < top ? q : top;                                                                          \
        return FIT_ROUND(q);                                                                            \
    }
NEAREST_CODE(lanes)
#if FIT_SPAN != 16
NEAREST_CODE(span)
#endif

LANES_INLINE lanes floats_of_halves(half_lanes h) {
    word_lanes bits = __builtin_convertvector(h, word_lanes);
    word_lanes rest = (bits & 0x7fff) << 13;
    // The exponents differ by 112; multiplying also normalises denormals. All ones stay all ones.
    lanes scaled = (lanes)rest * 0x1p112f;
    word_lanes special = (word_lanes)((bits & 0x7c00) == 0x7c00) & 0x7f800000;
    return (lanes)((word_lanes)scaled | special | (bits & 0x8000) << 16);
}

/// Sixteen consecutive elements of a row, of which the first `count` exist; the others are 0.
LANES_INLINE lanes load_elements(const void *from, tsr_fit_type type, size_t count) {
    switch (type) {
    case TSR_FIT_F64: {
        wide_lanes x = 0;
        memcpy(&x, from, count * 8);
        return __builtin_convertvector(x, lanes);
    }
    case TSR_FIT_F32: {
        lanes x = 0;
        memcpy(&x, from, count * 4);
        return x;
    }
    case TSR_FIT_F16: {
        half_lanes x = 0;
        memcpy(&x, from, count * 2);
        return floats_of_halves(x);
    }
    default: {
        half_lanes x = 0;
        memcpy(&x, from, count * 2);
        return (lanes)(__builtin_convertvector(x, word_lanes) << 16);
    }
    }
}

#define SWAP_BLOCKS(STEP, ...)                                                     \
    for (int i = 0; i < 16; i++)                                                   \
        if (!(i & STEP)) {                                                         \
            lanes a = m[i], b = m[i + STEP];                                       \
            m[i] = __builtin_shufflevector(a, b, __VA_ARGS__);                     \
            m[i + STEP] = __builtin_shufflevector(b, a, SWAPPED_##STEP);           \
        }
#define SWAPPED_8 24, 25, 26, 27, 28, 29, 30, 31, 8, 9, 10, 11, 12, 13, 14, 15
#define SWAPPED_4 20, 21, 22, 23, 4, 5, 6, 7, 28, 29, 30, 31, 12, 13, 14, 15
#define SWAPPED_2 18, 19, 2, 3, 22, 23, 6, 7, 26, 27, 10, 11, 30, 31, 14, 15
#define SWAPPED_1 17, 1, 19, 3, 21, 5, 23, 7, 25, 9, 27, 11, 29, 13, 31, 15

/// Transposes 16 × 16: swaps the off-diagonal blocks of 8, then of 4, 2 and 1.
LANES_INLINE void transpose(lanes m[16]) {
    SWAP_BLOCKS(8, 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18, 19, 20, 21, 22, 23)
    SWAP_BLOCKS(4, 0, 1, 2, 3, 16, 17, 18, 19, 8, 9, 10, 11, 24, 25, 26, 27)
    SWAP_BLOCKS(2, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29)
    SWAP_BLOCKS(1, 0, 16, 2, 18, 4, 20, 6, 22, 8, 24, 10, 26, 12, 28, 14, 30)
}

/// The columns of up to 16 rows.
static inline void load_columns(const tsr_fit_rows *rows, size_t columns, lanes *w) {
    size_t width = rows->type == TSR_FIT_F64 ? 8 : rows->type == TSR_FIT_F32 ? 4 : 2;
    for (size_t k = 0; k < columns; k += 16) {
        size_t count = columns - k < 16 ? columns - k : 16;
        lanes block[16];
        for (uint32_t r = 0; r < 16; r++) {
            block[r] = 0;
            if (r >= rows->count) continue;
            const char *from = (const char *)rows->data + r * rows->stride + k * width;
            // A count known when compiling makes whole blocks plain loads.
            if (count == 16) block[r] = load_elements(from, rows->type, 16);
            else block[r] = load_elements(from, rows->type, count);
        }
        transpose(block);
        memcpy(w + k, block, count * sizeof(lanes));
    }
}
