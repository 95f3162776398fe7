// The product with Advanced SIMD: a step of a tile is four registers of four rows each, a row one 32-bit lane.
// Included once per instruction set, with PRODUCT, the name of the function, and NAME, which adds the set's suffix, defined.
// NAME(dot4)(sum, q, c) adds q[4r]·c[4r] + … + q[4r+3]·c[4r+3] to lane r of sum.

/// Σ of an int4 group; its codes are valid as signed bytes.
static inline __attribute__((always_inline)) void NAME(dots4)(const uint8_t *q, const int8_t *codes, size_t pitch, size_t group,
                                                              int32x4_t dot[4][MAX_TOKENS], const int tokens) {
    const size_t half = group / 2;
    for (size_t j = 0; j < group / 8; j++) {
        int8x16_t low[4], high[4];
        UNROLL for (int h = 0; h < 4; h++) {
            uint8x16_t step = vld1q_u8(q + j * 64 + h * 16);
            low[h] = vreinterpretq_s8_u8(vandq_u8(step, vdupq_n_u8(15)));
            high[h] = vreinterpretq_s8_u8(vshrq_n_u8(step, 4));
        }
        UNROLL for (int t = 0; t < tokens; t++) {
            int8x16_t first = broadcast4(codes + t * pitch + j * 4), second = broadcast4(codes + t * pitch + half + j * 4);
            UNROLL for (int h = 0; h < 4; h++) dot[h][t] = NAME(dot4)(NAME(dot4)(dot[h][t], low[h], first), high[h], second);
        }
    }
}

/// Σ of an int8 group as Σ (q − 128)·c + 128·Σ c: signed instructions serve.
static inline __attribute__((always_inline)) void NAME(dots8)(const uint8_t *q, const int8_t *codes, size_t pitch, size_t group,
                                                              int32x4_t dot[4][MAX_TOKENS], const int tokens) {
    int32x4_t sum[MAX_TOKENS];
    UNROLL for (int t = 0; t < tokens; t++) sum[t] = vdupq_n_s32(0);
    for (size_t j = 0; j < group / 4; j++) {
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

/// The product of a tile and `tokens` tokens, a constant of the caller.
static inline __attribute__((always_inline)) void NAME(block)(const tsr_packed *w, const tile_layout *l, size_t tile,
                                                              const tsr_activations *x, size_t token, const float *bias,
                                                              float *y, size_t y_stride, const int tokens, const int bits,
                                                              const int kind) {
    const uint8_t *first = w->tiles + tile * l->bytes;
    const int8_t *codes = x->codes + token * x->padded_columns;
    const float *scales = x->scales + token * x->groups, *sums = x->sums + token * x->groups;
    float32x4_t minimum[4][MAX_TOKENS], total[4][MAX_TOKENS];
    UNROLL for (int h = 0; h < 4; h++)
        UNROLL for (int t = 0; t < tokens; t++) minimum[h][t] = total[h][t] = vdupq_n_f32(0);

    for (size_t g = 0; g < l->groups; g++) {
        float32x4_t factor[4];
        minimums_at(first, g, factor, kind);
        UNROLL for (int h = 0; h < 4; h++)
            UNROLL for (int t = 0; t < tokens; t++)
                minimum[h][t] = vfmaq_n_f32(minimum[h][t], factor[h], sums[t * x->groups + g]);
    }

    for (size_t g = 0; g < l->groups; g++) {
        int32x4_t dot[4][MAX_TOKENS];
        UNROLL for (int h = 0; h < 4; h++)
            UNROLL for (int t = 0; t < tokens; t++) dot[h][t] = vdupq_n_s32(0);
        const uint8_t *q = first + l->codes_offset + g * l->group_bytes;
        const int8_t *c = codes + g * w->group;
        if (bits == 4) NAME(dots4)(q, c, x->padded_columns, w->group, dot, tokens);
        else NAME(dots8)(q, c, x->padded_columns, w->group, dot, tokens);
        float32x4_t scale[4];
        scales_at(first, g, scale, kind);
        UNROLL for (int h = 0; h < 4; h++)
            UNROLL for (int t = 0; t < tokens; t++) {
                float32x4_t scaled = vmulq_f32(vcvtq_f32_s32(dot[h][t]), scale[h]);
                total[h][t] = vfmaq_n_f32(total[h][t], scaled, scales[t * x->groups + g]);
            }
    }

    UNROLL for (int t = 0; t < tokens; t++) {
        float v[16];
        UNROLL for (int h = 0; h < 4; h++) {
            float32x4_t sum;
            if (kind == TSR_ZERO_POINTS) {
                sum = vsubq_f32(total[h][t], minimum[h][t]);
            } else {
                float32x4_t d = vld1q_f32((const float *)first + h * 4), dm = vld1q_f32((const float *)first + 16 + h * 4);
                sum = vfmsq_f32(vmulq_f32(d, total[h][t]), dm, minimum[h][t]);
            }
            vst1q_f32(v + h * 4, sum);
        }
        store_rows(v, w, tile, bias, y + (token + t) * y_stride);
    }
}

/// The whole product; the kind of weights is a constant of the caller.
static inline __attribute__((always_inline)) void NAME(product)(const tsr_packed *w, size_t tile_begin, size_t tile_end,
                                                                const tsr_activations *x, size_t token_begin,
                                                                size_t token_end, const float *bias, float *y,
                                                                size_t y_stride, const int bits, const int kind) {
    const tile_layout l = tile_layout_of(w->columns, bits, w->group, kind);
    for (size_t tile = tile_begin; tile < tile_end; tile++)
        for (size_t token = token_begin, tokens; token < token_end; token += tokens) {
            tokens = block_tokens(token_end - token, MAX_TOKENS);
#define CASE(n) \
    case n: NAME(block)(w, &l, tile, x, token, bias, y, y_stride, n, bits, kind); break;
            switch (tokens) { CASE(1) CASE(2) CASE(3) CASE(4) }
#undef CASE
        }
}

void PRODUCT(const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x, size_t token_begin,
             size_t token_end, const float *bias, float *y, size_t y_stride) {
#define OF(bits, kind) NAME(product)(w, tile_begin, tile_end, x, token_begin, token_end, bias, y, y_stride, bits, kind)
    switch (w->scales) {
    case TSR_ROW_FACTORS: return w->bits == 4 ? OF(4, TSR_ROW_FACTORS) : OF(8, TSR_ROW_FACTORS);
    case TSR_ZERO_POINTS: return w->bits == 4 ? OF(4, TSR_ZERO_POINTS) : OF(8, TSR_ZERO_POINTS);
    }
#undef OF
}
