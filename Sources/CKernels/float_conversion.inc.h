// Conversions between float types, and the search for values that are not finite.
INLINE void widen_all(tsr_float_type type, const void *source, size_t count, float *out) {
    size_t i = 0;
    for (; i + NARROW <= count; i += NARROW) {
        const narrow x = widened(type, element(type, source, i));
        memcpy(out + i, &x, sizeof x);
    }
    const narrow rest = widened_first(type, element(type, source, i), count - i);
    memcpy(out + i, &rest, (count - i) * sizeof *out);
}

static void to_f32(tsr_float_type type, const void *source, size_t count, float *out) {
    switch (type) {
    case TSR_F32:
        return widen_all(TSR_F32, source, count, out);
    case TSR_F16:
        return widen_all(TSR_F16, source, count, out);
    case TSR_BF16:
        return widen_all(TSR_BF16, source, count, out);
    case TSR_F64:
        return widen_all(TSR_F64, source, count, out);
    case TSR_I8:
        return widen_all(TSR_I8, source, count, out);
    }
}

INLINE uint16_t f16_of(float x) {
    uint16_t half;
#if defined(HAS_F16_CONVERSION)
    const _Float16 value = (_Float16)x;
    memcpy(&half, &value, sizeof half);
#else
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t magnitude = bits & 0x7fffffff;
    float absolute;
    memcpy(&absolute, &magnitude, sizeof absolute);
    // One half has the unit 2^-24 in its last place, as f16 subnormals have: the sum rounds to it.
    const float shifted = absolute + 0.5f;
    uint32_t subnormal;
    memcpy(&subnormal, &shifted, sizeof subnormal);
    const uint32_t normal = (magnitude - 0x38000000 + 0xfff + (magnitude >> 13 & 1)) >> 13;
    const uint32_t result = magnitude > 0x7f800000    ? 0x7e00 | (magnitude >> 13 & 0x3ff)
                            : magnitude >= 0x477ff000 ? 0x7c00
                            : magnitude < 0x38800000  ? subnormal - 0x3f000000
                                                      : normal;
    half = (uint16_t)(result | (bits >> 16 & 0x8000));
#endif
    return half;
}

static void f32_to_f16(const float *x, size_t count, uint16_t *out) {
    for (size_t i = 0; i < count; i++) out[i] = f16_of(x[i]);
}

// Finds the first element whose bits below the sign reach `infinity`: a block at a time, then inside it.
#define DEFINE_SCAN(name, word, infinity)                                           \
    static int name(const word *x, size_t count, size_t *index) {                   \
        const word magnitude = (word) ~((word)1 << (8 * sizeof(word) - 1));         \
        enum { BLOCK = 1024 };                                                      \
        for (size_t begin = 0; begin < count; begin += BLOCK) {                     \
            const size_t end = lesser(begin + BLOCK, count);                        \
            word any = 0;                                                           \
            for (size_t i = begin; i < end; i++) any |= (x[i] & magnitude) >= infinity; \
            for (size_t i = begin; any && i < end; i++)                             \
                if ((x[i] & magnitude) >= infinity) return (*index = i, 1);         \
        }                                                                           \
        return 0;                                                                   \
    }
DEFINE_SCAN(scan_f32, uint32_t, 0x7f800000)
DEFINE_SCAN(scan_f16, uint16_t, 0x7c00)
DEFINE_SCAN(scan_bf16, uint16_t, 0x7f80)
DEFINE_SCAN(scan_f64, uint64_t, 0x7ff0000000000000)

static int first_nonfinite(tsr_float_type type, const void *x, size_t count, size_t *index) {
    switch (type) {
    case TSR_F32:
        return scan_f32(x, count, index);
    case TSR_F16:
        return scan_f16(x, count, index);
    case TSR_BF16:
        return scan_bf16(x, count, index);
    case TSR_F64:
        return scan_f64(x, count, index);
    case TSR_I8:
        break;
    }
    return 0;
}

static void code_row(const float *x, size_t count, void *row) {
    int8_t *codes = row;
    const size_t end = tsr_coded_row_scale(count);
    float *scale = (float *)(codes + end);
    memset(codes, 0, end);
    wide highest = 0;
    for (size_t i = 0; i < count; i += LANES) {
        const wide size = __builtin_elementwise_abs(load_first(x + i, count - i));
        highest = size > highest ? size : highest;
    }
    const float largest = __builtin_reduce_max(highest);
    size_t index;
    const int finite = !scan_f32((const uint32_t *)x, count, &index);
    if (!finite || largest < 0x1p-119f) {
        *scale = finite ? 0 : __builtin_nanf("");
        return;
    }
    const float inverse = 127 / largest;
    for (size_t i = 0; i < count; i++) codes[i] = (int8_t)__builtin_rintf(x[i] * inverse);
    *scale = largest / 127;
}
