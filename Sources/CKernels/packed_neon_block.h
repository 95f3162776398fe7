// The product with Advanced SIMD: a step of a tile is four registers of four rows each, a row one 32-bit lane.
// Included once per instruction set, with PRODUCT, the name of the function, and NAME, which adds the set's suffix, defined.
// NAME(byte_dots) and NAME(nibble_dots) add Σ q·c over a group of activations to dot[4][tokens].

/// The product of a tile and `tokens` tokens, a constant of the caller.
static inline __attribute__((always_inline)) void NAME(block)(const tsr_packed *w, const tile_layout *l, size_t tile,
                                                              const tsr_activations *x, size_t token, const float *bias,
                                                              float *y, size_t y_stride, const int tokens, const int bits,
                                                              const int kind) {
    const uint8_t *first = w->tiles + tile * l->bytes;
    const size_t group = group_of(w, kind), columns = tsr_activation_group((uint32_t)group);
    const int8_t *codes = x->codes + token * x->padded_columns;
    const float *scales = x->scales + token * x->groups, *sums = x->sums + token * x->groups;
    float32x4_t minimum[4][MAX_TOKENS], total[4][MAX_TOKENS];
    UNROLL for (int h = 0; h < 4; h++)
        UNROLL for (int t = 0; t < tokens; t++) minimum[h][t] = total[h][t] = vdupq_n_f32(0);

    if (!is_float4(kind)) for (size_t g = 0; g < l->groups; g++) {
        const activation_span span = span_of(g, w->group, x);
        float32x4_t factor[4];
        minimums_at(first, g, factor, kind);
        UNROLL for (int t = 0; t < tokens; t++) {
            const float sum = sum_of(sums + t * x->groups, span);
            UNROLL for (int h = 0; h < 4; h++) minimum[h][t] = vfmaq_n_f32(minimum[h][t], factor[h], sum);
        }
    }

    for (size_t g = 0; g < l->groups; g++) {
        const uint8_t *q = first + l->codes_offset + g * l->group_bytes;
        const activation_span span = is_float4(kind) ? (activation_span){g, 1} : span_of(g, w->group, x);
        float32x4_t weight[4];
        scales_at(first, g, weight, kind);
        for (size_t i = 0; i < span.count; i++) {
            const int8_t *c = codes + (span.first + i) * columns;
            int32x4_t dot[4][MAX_TOKENS];
            UNROLL for (int h = 0; h < 4; h++)
                UNROLL for (int t = 0; t < tokens; t++) dot[h][t] = vdupq_n_s32(0);
            if (bits == 8) NAME(byte_dots)(q + i * columns * TSR_TILE_ROWS, columns, c, x->padded_columns, dot, tokens);
            else NAME(nibble_dots)(q, group, i * columns, columns, c, x->padded_columns, dot, tokens, bits, kind);
            UNROLL for (int t = 0; t < tokens; t++) {
                const float scale = scales[t * x->groups + span.first + i];
                const float32x4_t least = vdupq_n_f32(is_float4(kind) ? -FLOAT4_ZERO * sums[t * x->groups + g] : 0);
                UNROLL for (int h = 0; h < 4; h++) {
                    const float32x4_t value = vcvtq_f32_s32(dot[h][t]);
                    if (is_float4(kind)) total[h][t] = vfmaq_f32(total[h][t], vfmaq_n_f32(least, value, scale), weight[h]);
                    else total[h][t] = vfmaq_n_f32(total[h][t], vmulq_f32(value, weight[h]), scale);
                }
            }
        }
    }

    UNROLL for (int t = 0; t < tokens; t++) {
        float v[16];
        UNROLL for (int h = 0; h < 4; h++) {
            const float32x4_t d = vld1q_f32((const float *)first + h * 4), dm = vld1q_f32((const float *)first + 16 + h * 4);
            vst1q_f32(v + h * 4, result(total[h][t], minimum[h][t], d, dm, kind));
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
    EACH_FORMAT(w, OF)
#undef OF
}
