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
    default:
        memcpy(&doubles, p, sizeof doubles);
        return __builtin_convertvector(doubles, narrow);
    }
}

INLINE size_t width_of(tsr_float_type type) { return type == TSR_F64 ? 8 : type == TSR_F32 ? 4 : 2; }

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

// e^x: relative error below 2e-7, zero below FLT_MIN, infinite beyond FLT_MAX, NaN of any NaN. With n = round(x/ln 2) and
// r = x - n·ln 2, e^x = 2^n·e^r; the polynomial is e^r's minimax on |r| ≤ ln(2)/2, error 3e-9.
INLINE wide exponential(wide x) {
    const float magic = 0x1.8p23f;  // added and taken away, it rounds to an integer, left in the low bits
    const wide shifted = x * 0x1.715476p0f + magic;
    const wide n = shifted - magic;
    wide r = x - n * 0x1.62e400p-1f;  // ln 2, its first 15 bits: n times that is exact
    r = r - n * 0x1.7f7d1cp-20f;
    wide p = r * 0x1.6a23e4p-10f + 0x1.123a20p-7f;
    p = p * r + 0x1.5558f2p-5f;
    p = p * r + 0x1.555492p-3f;
    p = p * r + 0x1.fffffcp-2f;
    p = p * r + 1.0f;
    p = p * r + 1.0f;
    const wide_int scaled = (wide_int)p + ((wide_int)shifted << 23);
    const wide result = x < -0x1.5d589ep6f ? (wide)0 : (wide)scaled;
    return x <= 0x1.62e42ep6f ? result : x * __builtin_inff();
}
