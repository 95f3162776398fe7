// The instruction set does not matter here: memory is the limit.
//
// The layouts and the order of operations are those of ggml-quants.c (llama.cpp) and of quants.py (Python's gguf 0.19), which
// agree. Elements of a block stand in planes: the low nibbles of all its bytes come before their high ones.
#include "include/blocks.h"

#include <math.h>
#include <stdbool.h>
#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))

enum { SMALL = 32, LARGE = 256 };

INLINE float float_of(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

INLINE uint16_t load16(const uint8_t *at) { return (uint16_t)(at[0] | at[1] << 8); }

/// The float16 at an address.
INLINE float half_at(const uint8_t *at) {
    const uint32_t half = load16(at), sign = (half & 0x8000) << 16, rest = half & 0x7fff;
    if (rest >= 0x7c00) return float_of(sign | 0x7f800000 | (rest & 0x3ff) << 13);
    if (rest >= 0x0400) return float_of(sign | (rest + (112 << 10)) << 13);
    const float small = (float)rest * 0x1p-24f;  // exact
    return sign ? -small : small;
}

// Blocks of 32.

INLINE bool scaled_nibbles(const uint8_t *block, float *out, int zero) {
    const float d = half_at(block);
    const uint8_t *q = block + 2;
    for (int i = 0; i < SMALL / 2; i++) {
        out[i] = d * (float)((q[i] & 15) - zero);
        out[i + SMALL / 2] = d * (float)((q[i] >> 4) - zero);
    }
    return isfinite(d);
}

INLINE bool q4_0(const uint8_t *block, float *out) { return scaled_nibbles(block, out, 8); }

INLINE bool q4_1(const uint8_t *block, float *out) {
    const float d = half_at(block), m = half_at(block + 2);
    const uint8_t *q = block + 4;
    for (int i = 0; i < SMALL / 2; i++) {
        out[i] = d * (float)(q[i] & 15) + m;
        out[i + SMALL / 2] = d * (float)(q[i] >> 4) + m;
    }
    return isfinite(d) && isfinite(m);
}

/// Code i of 32 that are nibbles with a fifth bit elsewhere.
INLINE int five_bits(const uint8_t *nibbles, uint32_t fifth, int i) {
    const int low = i < SMALL / 2 ? nibbles[i] & 15 : nibbles[i - SMALL / 2] >> 4;
    return low | (int)(fifth >> i & 1) << 4;
}

INLINE uint32_t load32(const uint8_t *at) { return load16(at) | (uint32_t)load16(at + 2) << 16; }

INLINE bool q5_0(const uint8_t *block, float *out) {
    const float d = half_at(block);
    const uint32_t fifth = load32(block + 2);
    for (int i = 0; i < SMALL; i++) out[i] = d * (float)(five_bits(block + 6, fifth, i) - 16);
    return isfinite(d);
}

INLINE bool q5_1(const uint8_t *block, float *out) {
    const float d = half_at(block), m = half_at(block + 2);
    const uint32_t fifth = load32(block + 4);
    for (int i = 0; i < SMALL; i++) out[i] = d * (float)five_bits(block + 8, fifth, i) + m;
    return isfinite(d) && isfinite(m);
}

INLINE bool q8_0(const uint8_t *block, float *out) {
    const float d = half_at(block);
    for (int i = 0; i < SMALL; i++) out[i] = (float)(int8_t)block[2 + i] * d;
    return isfinite(d);
}

static const int8_t nonlinear[16] = {-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};
/// Twice the values of e2m1, whose scale is halved instead.
static const int8_t twice_e2m1[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};

INLINE void looked_up(const uint8_t *q, const int8_t table[16], float d, float *out) {
    for (int i = 0; i < SMALL / 2; i++) {
        out[i] = d * (float)table[q[i] & 15];
        out[i + SMALL / 2] = d * (float)table[q[i] >> 4];
    }
}

INLINE bool iq4_nl(const uint8_t *block, float *out) {
    const float d = half_at(block);
    looked_up(block + 2, nonlinear, d, out);
    return isfinite(d);
}

INLINE bool mxfp4(const uint8_t *block, float *out) {
    // Half of 2^(e − 127); 255 is the NaN of e8m0 (OCP Microscaling Formats 1.0).
    const uint32_t e = block[0];
    looked_up(block + 1, twice_e2m1, float_of(e < 2 ? 0x00200000u << e : (e - 1) << 23), out);
    return e != 255;
}

// Blocks of 256.

/// Code i of 256 that are pairs of bits, in two halves of four planes of 32.
INLINE int two_bits(const uint8_t *q, int i) { return q[i / 128 * 32 + i % 32] >> i % 128 / 32 * 2 & 3; }

/// Code i of 256 that are nibbles, in four pairs of planes of 32.
INLINE int nibble(const uint8_t *q, int i) { return q[i / 64 * 32 + i % 32] >> i % 64 / 32 * 4 & 15; }

INLINE bool q2_k(const uint8_t *block, float *out) {
    const uint8_t *scales = block, *q = block + 16;
    const float d = half_at(block + 80), dmin = half_at(block + 82);
    for (int g = 0; g < LARGE / 16; g++) {
        const float scale = d * (float)(scales[g] & 15), minimum = dmin * (float)(scales[g] >> 4);
        for (int i = 16 * g; i < 16 * g + 16; i++) out[i] = scale * (float)two_bits(q, i) - minimum;
    }
    return isfinite(d) && isfinite(dmin);
}

INLINE bool q3_k(const uint8_t *block, float *out) {
    const uint8_t *high = block, *q = block + 32, *scales = block + 96;
    const float d = half_at(block + 108);
    for (int g = 0; g < LARGE / 16; g++) {
        const int low = scales[g % 8] >> g / 8 * 4 & 15, top = scales[8 + g % 4] >> g / 4 * 2 & 3;
        const float scale = d * (float)((low | top << 4) - 32);
        for (int i = 16 * g; i < 16 * g + 16; i++)
            out[i] = scale * (float)(two_bits(q, i) - (high[i % 32] >> i / 32 & 1 ? 0 : 4));
    }
    return isfinite(d);
}

/// The scale and the minimum of group g, of 6 bits each: those of the first four groups in the low bits of eight bytes, those of
/// the others in nibbles with their upper bits above the former.
INLINE void six_bits(const uint8_t *at, int g, int *scale, int *minimum) {
    if (g < 4) {
        *scale = at[g] & 63;
        *minimum = at[g + 4] & 63;
    } else {
        *scale = (at[g + 4] & 15) | (at[g - 4] >> 2 & 0x30);
        *minimum = at[g + 4] >> 4 | (at[g] >> 2 & 0x30);
    }
}

INLINE bool q4_k(const uint8_t *block, float *out) {
    const float d = half_at(block), dmin = half_at(block + 2);
    for (int g = 0; g < LARGE / 32; g++) {
        int scale, minimum;
        six_bits(block + 4, g, &scale, &minimum);
        const float s = d * (float)scale, m = dmin * (float)minimum;
        for (int i = 32 * g; i < 32 * g + 32; i++) out[i] = s * (float)nibble(block + 16, i) - m;
    }
    return isfinite(d) && isfinite(dmin);
}

INLINE bool q5_k(const uint8_t *block, float *out) {
    const float d = half_at(block), dmin = half_at(block + 2);
    const uint8_t *fifth = block + 16;
    for (int g = 0; g < LARGE / 32; g++) {
        int scale, minimum;
        six_bits(block + 4, g, &scale, &minimum);
        const float s = d * (float)scale, m = dmin * (float)minimum;
        for (int i = 32 * g; i < 32 * g + 32; i++)
            out[i] = s * (float)(nibble(block + 48, i) | (fifth[i % 32] >> g & 1) << 4) - m;
    }
    return isfinite(d) && isfinite(dmin);
}

INLINE bool q6_k(const uint8_t *block, float *out) {
    const uint8_t *low = block, *high = block + 128, *scales = block + 192;
    const float d = half_at(block + 208);
    for (int g = 0; g < LARGE / 16; g++) {
        const float scale = d * (float)(int8_t)scales[g];
        for (int i = 16 * g; i < 16 * g + 16; i++) {
            // Nibbles in two pairs of planes of 64.
            const int q = low[i / 128 * 64 + i % 64] >> i % 128 / 64 * 4 & 15;
            out[i] = scale * (float)((q | two_bits(high, i) << 4) - 32);
        }
    }
    return isfinite(d);
}

INLINE bool iq4_xs(const uint8_t *block, float *out) {
    const float d = half_at(block);
    const uint32_t high = load16(block + 2);
    for (int g = 0; g < LARGE / SMALL; g++) {
        const int scale = (block[4 + g / 2] >> g % 2 * 4 & 15) | (int)(high >> 2 * g & 3) << 4;
        looked_up(block + 8 + SMALL / 2 * g, nonlinear, d * (float)(scale - 32), out + SMALL * g);
    }
    return isfinite(d);
}

#define EACH(name, bytes, elements)                                                    \
    for (size_t i = 0; i < count; i++, blocks += (bytes), out += (elements))           \
        if (!name(blocks, out)) return i;                                              \
    return count;

size_t tsr_blocks_to_floats(tsr_block_kind kind, const uint8_t *blocks, size_t count, float *out) {
    switch (kind) {
        case TSR_BLOCK_Q4_0: EACH(q4_0, 18, SMALL)
        case TSR_BLOCK_Q4_1: EACH(q4_1, 20, SMALL)
        case TSR_BLOCK_Q5_0: EACH(q5_0, 22, SMALL)
        case TSR_BLOCK_Q5_1: EACH(q5_1, 24, SMALL)
        case TSR_BLOCK_Q8_0: EACH(q8_0, 34, SMALL)
        case TSR_BLOCK_Q2_K: EACH(q2_k, 84, LARGE)
        case TSR_BLOCK_Q3_K: EACH(q3_k, 110, LARGE)
        case TSR_BLOCK_Q4_K: EACH(q4_k, 144, LARGE)
        case TSR_BLOCK_Q5_K: EACH(q5_k, 176, LARGE)
        case TSR_BLOCK_Q6_K: EACH(q6_k, 210, LARGE)
        case TSR_BLOCK_IQ4_NL: EACH(iq4_nl, 18, SMALL)
        case TSR_BLOCK_IQ4_XS: EACH(iq4_xs, 136, LARGE)
        case TSR_BLOCK_MXFP4: EACH(mxfp4, 17, SMALL)
    }
    return 0;
}

/// Takes a block apart whose codes begin at `q`, of nibbles with a fifth bit in `fifth`.
INLINE void spread(const uint8_t *q, uint32_t fifth, uint8_t *codes) {
    for (int i = 0; i < SMALL; i++) codes[i * TSR_BLOCK_ROWS] = (uint8_t)five_bits(q, fifth, i);
}

void tsr_blocks_to_codes(tsr_block_kind kind, const uint8_t *rows, size_t pitch, size_t row_count, size_t count,
                         uint8_t *codes, uint16_t *scales, uint16_t *biases) {
    const bool is_wide = kind == TSR_BLOCK_Q8_0, has_bias = kind == TSR_BLOCK_Q4_1 || kind == TSR_BLOCK_Q5_1;
    const bool has_fifth = kind == TSR_BLOCK_Q5_0 || kind == TSR_BLOCK_Q5_1;
    const bool is_float = kind == TSR_BLOCK_MXFP4;
    const size_t head = is_float ? 1 : has_bias ? 4 : 2, bytes = head + (has_fifth ? 4 : 0) + (is_wide ? SMALL : SMALL / 2);
    for (size_t r = 0; r < row_count; r++) {
        const uint8_t *block = rows + r * pitch;
        for (size_t b = 0; b < count; b++, block += bytes) {
            scales[b * TSR_BLOCK_ROWS + r] = is_float ? block[0] : load16(block);
            if (has_bias) biases[b * TSR_BLOCK_ROWS + r] = load16(block + 2);
            uint8_t *out = codes + b * SMALL * TSR_BLOCK_ROWS + r;
            if (is_wide)
                for (int i = 0; i < SMALL; i++) out[i * TSR_BLOCK_ROWS] = block[head + i] ^ 0x80;
            else if (has_fifth) spread(block + head + 4, load32(block + head), out);
            else spread(block + head, 0, out);
        }
    }
}
