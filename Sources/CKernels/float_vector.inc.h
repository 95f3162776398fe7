// Vectors of the instruction set: `wide`, LANES floats, computes; `narrow`, NARROW floats (as many or half),
// widens, transposes, and splits a sum over k into NARROW partial sums.
#define INLINE static inline __attribute__((always_inline))

// On for every product added to an accumulator, so that all paths to one sum round alike.
#pragma clang fp contract(fast)

typedef float wide __attribute__((ext_vector_type(LANES)));
typedef int32_t wide_int __attribute__((ext_vector_type(LANES)));
typedef float narrow __attribute__((ext_vector_type(NARROW)));
typedef uint32_t narrow_bits __attribute__((ext_vector_type(NARROW)));
typedef uint16_t narrow_short __attribute__((ext_vector_type(NARROW)));
typedef int8_t narrow_code __attribute__((ext_vector_type(NARROW)));
typedef double narrow_double __attribute__((ext_vector_type(NARROW)));
#if defined(HAS_F16_CONVERSION)
typedef _Float16 narrow_half __attribute__((ext_vector_type(NARROW)));
#endif

INLINE size_t lesser(size_t a, size_t b) { return a < b ? a : b; }
INLINE size_t round_up(size_t n, size_t multiple) { return (n + multiple - 1) / multiple * multiple; }

INLINE wide load(const float *p) {
    wide x;
    memcpy(&x, p, sizeof x);
    return x;
}

INLINE void store(float *p, wide x) { memcpy(p, &x, sizeof x); }

// The first n lanes, all if n is more; the others are zero.
INLINE wide load_first(const float *p, size_t n) {
    if (n >= LANES) return load(p);
    wide x = 0;
    memcpy(&x, p, n * sizeof *p);
    return x;
}

INLINE void store_first(float *p, wide x, size_t n) {
    if (n >= LANES) return store(p, x);
    memcpy(p, &x, n * sizeof *p);
}

INLINE float sum_of(wide x) {
#pragma clang loop unroll(full)
    for (size_t half = LANES / 2; half > 0; half /= 2)
#pragma clang loop unroll(full)
        for (size_t i = 0; i < half; i++) x[i] += x[i + half];
    return x[0];
}

INLINE narrow f16_to_narrow(narrow_short h) {
#if defined(HAS_F16_CONVERSION)
    narrow_half half;
    memcpy(&half, &h, sizeof half);
    return __builtin_convertvector(half, narrow);
#else
    // Exponent and mantissa in f32's place, rebased by 2^(127-15): right for subnormals too.
    const narrow_bits bits = __builtin_convertvector(h, narrow_bits), magnitude = bits & 0x7fff;
    const narrow rebased = (narrow)(magnitude << 13) * 0x1p112f;
    const narrow_bits infinite = (narrow_bits)(magnitude >= 0x7c00) & 0x7f800000;
    return (narrow)((narrow_bits)rebased | infinite | (bits & 0x8000) << 16);
#endif
}

// NARROW elements of any type as f32, exactly (f64 rounds).
INLINE narrow widened(tsr_float_type type, const void *p) {
    narrow x;
    narrow_short bits;
    narrow_code codes;
    narrow_double doubles;
    switch (type) {
    case TSR_F32:
        memcpy(&x, p, sizeof x);
        return x;
    case TSR_F16:
        memcpy(&bits, p, sizeof bits);
        return f16_to_narrow(bits);
    case TSR_BF16:
        memcpy(&bits, p, sizeof bits);
        return (narrow)(__builtin_convertvector(bits, narrow_bits) << 16);
    case TSR_I8:
        memcpy(&codes, p, sizeof codes);
        return __builtin_convertvector(codes, narrow);
    default:
        memcpy(&doubles, p, sizeof doubles);
        return __builtin_convertvector(doubles, narrow);
    }
}

INLINE size_t width_of(tsr_float_type type) {
    return type == TSR_F64 ? 8 : type == TSR_F32 ? 4 : type == TSR_I8 ? 1 : 2;
}

INLINE const void *element(tsr_float_type type, const void *p, size_t i) {
    return (const char *)p + i * width_of(type);
}

INLINE narrow widened_first(tsr_float_type type, const void *p, size_t n) {
    double buffer[NARROW] = {0};
    memcpy(buffer, p, n * width_of(type));
    return widened(type, buffer);
}

// Transposes a NARROW × NARROW block.
INLINE void transpose(narrow r[NARROW]) {
    narrow pairs[NARROW], fours[NARROW];
#if NARROW == 8
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 8; i += 4) {
        pairs[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 8, 1, 9, 4, 12, 5, 13);
        pairs[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 10, 3, 11, 6, 14, 7, 15);
        pairs[i + 2] = __builtin_shufflevector(r[i + 2], r[i + 3], 0, 8, 1, 9, 4, 12, 5, 13);
        pairs[i + 3] = __builtin_shufflevector(r[i + 2], r[i + 3], 2, 10, 3, 11, 6, 14, 7, 15);
#pragma clang loop unroll(full)
        for (size_t j = 0; j < 2; j++) {
            fours[i + 2 * j] =
                __builtin_shufflevector(pairs[i + j], pairs[i + j + 2], 0, 1, 8, 9, 4, 5, 12, 13);
            fours[i + 2 * j + 1] =
                __builtin_shufflevector(pairs[i + j], pairs[i + j + 2], 2, 3, 10, 11, 6, 7, 14, 15);
        }
    }
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 4; i++) {
        r[i] = __builtin_shufflevector(fours[i], fours[i + 4], 0, 1, 2, 3, 8, 9, 10, 11);
        r[i + 4] = __builtin_shufflevector(fours[i], fours[i + 4], 4, 5, 6, 7, 12, 13, 14, 15);
    }
#else
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 4; i += 2) {
        pairs[i] = __builtin_shufflevector(r[i], r[i + 1], 0, 4, 1, 5);
        pairs[i + 1] = __builtin_shufflevector(r[i], r[i + 1], 2, 6, 3, 7);
    }
#pragma clang loop unroll(full)
    for (size_t i = 0; i < 2; i++) {
        fours[2 * i] = __builtin_shufflevector(pairs[i], pairs[i + 2], 0, 1, 4, 5);
        fours[2 * i + 1] = __builtin_shufflevector(pairs[i], pairs[i + 2], 2, 3, 6, 7);
    }
    memcpy(r, fours, sizeof fours);
#endif
}

#include "exponential.inc.h"
