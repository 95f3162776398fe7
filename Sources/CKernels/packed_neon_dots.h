// Sums of products with Advanced SIMD, included once per instruction set with NAME, which adds the set's suffix, defined.
// NAME(dot4)(sum, q, c) adds q[4r]·c[4r] + … + q[4r+3]·c[4r+3] to lane r of sum.

/// Adds Σ q·c over `count` steps of nibbles from `first` on, the low or the high ones, and of the bits above them; codes are
/// valid as signed bytes.
static inline __attribute__((always_inline)) void NAME(half_dots)(const uint8_t *group, size_t half_steps, size_t first,
                                                                  size_t count, const int8_t *codes, size_t pitch,
                                                                  int32x4_t dot[4][MAX_TOKENS], const int high,
                                                                  const int tokens, const int bits, const int kind) {
    // Upper bits lie at constant places within four steps.
    const int run = bits == 4 ? 1 : 4;
    for (size_t j = first; j < first + count; j += run, codes += 4 * run) {
        const uint8_t *steps = group + j * 64, *upper = group + half_steps * 64 + j * (size_t)(bits - 4) * 16;
        UNROLL for (int k = 0; k < run; k++) {
            int8x16_t q[4];
            UNROLL for (int h = 0; h < 4; h++) q[h] = operand(steps + h * 16, upper + h * 16, k, high, bits, kind);
            UNROLL for (int t = 0; t < tokens; t++) {
                int8x16_t c = broadcast4(codes + t * pitch + 4 * k);
                UNROLL for (int h = 0; h < 4; h++) dot[h][t] = NAME(dot4)(dot[h][t], q[h], c);
            }
        }
    }
}

/// Σ q·c over `columns` columns from k on of a group with nibbles.
static inline __attribute__((always_inline)) void NAME(nibble_dots)(const uint8_t *q, size_t group, size_t k, size_t columns,
                                                                    const int8_t *codes, size_t pitch,
                                                                    int32x4_t dot[4][MAX_TOKENS], const int tokens,
                                                                    const int bits, const int kind) {
    const size_t half = group / 2, steps = half / 4;
    const size_t low = k < half ? (half - k < columns ? half - k : columns) : 0, from = k < half ? 0 : k - half;
    NAME(half_dots)(q, steps, k / 4, low / 4, codes, pitch, dot, 0, tokens, bits, kind);
    NAME(half_dots)(q, steps, from / 4, (columns - low) / 4, codes + low, pitch, dot, 1, tokens, bits, kind);
}

/// Σ q·c over `columns` bytes as Σ (q − 128)·c + 128·Σ c: signed instructions serve.
static inline __attribute__((always_inline)) void NAME(byte_dots)(const uint8_t *q, size_t columns, const int8_t *codes,
                                                                  size_t pitch, int32x4_t dot[4][MAX_TOKENS],
                                                                  const int tokens) {
    int32x4_t sum[MAX_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) sum[t] = vdupq_n_s32(0);
    for (size_t j = 0; j < columns / 4; j++) {
        int8x16_t centred[4];
        UNROLL for (int h = 0; h < 4; h++)
            centred[h] = vreinterpretq_s8_u8(veorq_u8(vld1q_u8(q + j * 64 + h * 16), vdupq_n_u8(128)));
        UNROLL for (int t = 0; t < tokens; t++) {
            int8x16_t c = broadcast4(codes + t * pitch + j * 4);
            sum[t] = NAME(dot4)(sum[t], vdupq_n_s8(1), c);
            UNROLL for (int h = 0; h < 4; h++) dot[h][t] = NAME(dot4)(dot[h][t], centred[h], c);
        }
    }
    UNROLL for (int h = 0; h < 4; h++)
        UNROLL for (int t = 0; t < tokens; t++) dot[h][t] = vaddq_s32(dot[h][t], vshlq_n_s32(sum[t], 7));
}
