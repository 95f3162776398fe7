// Sums of products with the matrix instructions of Arm (i8mm): two rows by two tokens by eight columns. Two steps of a tile, zipped,
// have eight columns of two rows next to each other.

/// What the two rows of a register come to with two tokens: [row][token].
typedef struct {
    int32x4_t of[8][MAX_TOKENS / 2];
} row_pairs;

/// Eight codes of a token, or four and zeros.
static inline int8x8_t codes_at(const int8_t *codes, const int whole) {
    int64_t eight = 0;
    memcpy(&eight, codes, whole ? 8 : 4);
    return vcreate_s8((uint64_t)eight);
}

/// Adds the products of two steps, or of one where not `whole`.
static inline __attribute__((always_inline)) void add_steps(row_pairs *sums, const uint8x16_t first[4], const uint8x16_t second[4],
                                                            const int8_t *codes, size_t pitch, const int tokens,
                                                            const int whole) {
    uint8x16_t rows[8];
    UNROLL for (int h = 0; h < 4; h++) {
        const uint32x4_t a = vreinterpretq_u32_u8(first[h]), b = vreinterpretq_u32_u8(second[h]);
        rows[2 * h] = vreinterpretq_u8_u32(vzip1q_u32(a, b));
        rows[2 * h + 1] = vreinterpretq_u8_u32(vzip2q_u32(a, b));
    }
    UNROLL for (int t = 0; t < tokens; t += 2) {
        const int8x8_t one = codes_at(codes + t * pitch, whole);
        const int8x8_t other = t + 1 < tokens ? codes_at(codes + (t + 1) * pitch, whole) : one;
        const int8x16_t c = vcombine_s8(one, other);
        UNROLL for (int i = 0; i < 8; i++) sums->of[i][t / 2] = vusmmlaq_s32(sums->of[i][t / 2], rows[i], c);
    }
}

static inline __attribute__((always_inline)) void half_pairs(const uint8_t *group, size_t half_steps, size_t first, size_t count,
                                                             const int8_t *codes, size_t pitch, row_pairs *sums,
                                                             const int high, const int tokens, const int bits,
                                                             const int kind) {
    // Upper bits lie at constant places within four steps.
    const size_t run = bits == 4 ? 2 : 4;
    for (size_t j = 0; j < count; j += run) {
        const uint8_t *steps = group + (first + j) * STEP_BYTES;
        const uint8_t *upper = group + half_steps * STEP_BYTES + (first + j) * (size_t)(bits - 4) * 16;
        UNROLL for (size_t k = 0; k < run; k += 2) {
            uint8x16_t one[4], other[4];
            const int whole = bits > 4 || j + 1 < count;
            UNROLL for (int h = 0; h < 4; h++) {
                one[h] = vreinterpretq_u8_s8(operand(steps + h * 16, upper + h * 16, (int)k, high, bits, kind));
                if (whole)
                    other[h] = vreinterpretq_u8_s8(operand(steps + h * 16, upper + h * 16, (int)k + 1, high, bits, kind));
                else other[h] = vdupq_n_u8(0);
            }
            add_steps(sums, one, other, codes + (j + k) * 4, pitch, tokens, whole);
        }
    }
}

static inline __attribute__((always_inline)) void clear_pairs(row_pairs *sums, const int tokens) {
    UNROLL for (int i = 0; i < 8; i++)
        UNROLL for (int t = 0; t < tokens; t += 2) sums->of[i][t / 2] = vdupq_n_s32(0);
}

/// Adds the sums to those of each token.
static inline __attribute__((always_inline)) void part_pairs(const row_pairs *sums, int32x4_t dot[4][MAX_TOKENS],
                                                             const int tokens) {
    UNROLL for (int h = 0; h < 4; h++)
        UNROLL for (int t = 0; t < tokens; t++) {
            const int32x4_t a = sums->of[2 * h][t / 2], b = sums->of[2 * h + 1][t / 2];
            dot[h][t] = vaddq_s32(dot[h][t], t % 2 ? vuzp2q_s32(a, b) : vuzp1q_s32(a, b));
        }
}

/// Σ q·c over `columns` columns from k on of a group with nibbles.
static inline __attribute__((always_inline)) void nibble_dots_i8mm(const uint8_t *q, size_t group, size_t k, size_t columns,
                                                                   const int8_t *codes, size_t pitch,
                                                                   int32x4_t dot[4][MAX_TOKENS], const int tokens,
                                                                   const int bits, const int kind) {
    const size_t half = group / 2, steps = half / 4;
    const size_t low = k < half ? (half - k < columns ? half - k : columns) : 0, from = k < half ? 0 : k - half;
    row_pairs sums;
    clear_pairs(&sums, tokens);
    half_pairs(q, steps, k / 4, low / 4, codes, pitch, &sums, 0, tokens, bits, kind);
    half_pairs(q, steps, from / 4, (columns - low) / 4, codes + low, pitch, &sums, 1, tokens, bits, kind);
    part_pairs(&sums, dot, tokens);
}

/// Σ q·c over `columns` bytes.
static inline __attribute__((always_inline)) void byte_dots_i8mm(const uint8_t *q, size_t columns, const int8_t *codes,
                                                                 size_t pitch, int32x4_t dot[4][MAX_TOKENS],
                                                                 const int tokens) {
    row_pairs sums;
    clear_pairs(&sums, tokens);
    for (size_t j = 0; j < columns / 4; j += 2, q += 2 * STEP_BYTES) {
        const int whole = j + 1 < columns / 4;
        uint8x16_t one[4], other[4];
        UNROLL for (int h = 0; h < 4; h++) {
            one[h] = vld1q_u8(q + h * 16);
            other[h] = whole ? vld1q_u8(q + STEP_BYTES + h * 16) : vdupq_n_u8(0);
        }
        add_steps(&sums, one, other, codes + j * 4, pitch, tokens, whole);
    }
    part_pairs(&sums, dot, tokens);
}
