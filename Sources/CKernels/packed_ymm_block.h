// The product on 256 bits. Included once per instruction set, with PRODUCT, the name of the function, and NAME, which adds the
// set's suffix, defined. The set says how codes meet activations:
//   NAME(byte_dots)(q, columns, codes, pitch, dot, tokens) adds Σ q·c over `columns` bytes to `dot`;
//   NAME(step_dots)(steps, upper, codes, pitch, part, dot, scales, i, high, tokens, bits, float4) adds that over a step of nibbles,
//   the low or the high ones, and the bits above them, to `part` or to both; it is the i-th of up to four from `steps` on;
//   NAME(joins)(bits) says that of sums of such codes all reach `dot` through `part`;
//   NAME(join)(part, dot, scales, tokens) adds `part` to `dot`, times whole scales of the rows unless they are null;
//   NAME(form)(bits) is how many bytes a code of activations takes, and NAME(convert)(codes, columns, out) brings them there.

/// Adds Σ q·c over `count` steps of nibbles, the low or the high ones, and the bits above them, in part to `part`. Where `count`
/// is a constant of the caller the steps are unrolled.
INLINE void NAME(half_dots)(const uint8_t *steps, const uint8_t *upper, size_t count, const uint8_t *codes, size_t pitch,
                            __m256i part[2][MAX_TOKENS], __m256i dot[2][MAX_TOKENS], const uint8_t *scales, const int high,
                            const int tokens, const int bits, const int float4, const int size) {
    if (size == ANY_SMALL) {
        for (size_t j = 0; j < count; j++)
            NAME(step_dots)(steps + j * STEP_BYTES, upper, codes + j * 4, pitch, part, dot, scales, 0, high, tokens, bits, float4);
        return;
    }
    UNROLL for (size_t j = 0; j < count; j++) {
        const size_t i = j % 4, first = j - i;
        NAME(step_dots)(steps + first * STEP_BYTES, upper + first * (size_t)(bits - 4) * 16, codes + j * 4, pitch, part, dot,
                        scales, i, high, tokens, bits, float4);
    }
}

/// Adds Σ q·c over a group of activations, the i-th of a group of weights, to `dot`; times the rows' whole scales unless they are
/// null, which those of bytes are.
INLINE void NAME(dots)(const uint8_t *q, size_t group, size_t i, const uint8_t *codes, size_t pitch, __m256i dot[2][MAX_TOKENS],
                       const uint8_t *scales, const int tokens, const int bits, const int float4, const int size) {
    const size_t columns = size == WIDE ? TSR_ACTIVATION_LIMIT : size == ANY_SMALL ? group : (size_t)size;
    if (bits == 8) return NAME(byte_dots)(q + i * columns * TSR_TILE_ROWS, columns, codes, pitch, dot, tokens);
    const size_t half = size == WIDE || size == ANY_SMALL ? group / 2 : (size_t)size / 2, above = (size_t)(bits - 4) * 16;
    const uint8_t *upper = q + half / 4 * STEP_BYTES;
    __m256i part[2][MAX_TOKENS];
    UNROLL for (int h = 0; h < 2; h++)
        UNROLL for (int t = 0; t < tokens; t++) part[h][t] = _mm256_setzero_si256();
    if (size == WIDE) {
        // All of them are low nibbles, or high ones.
        const size_t k = i * columns, step = (k < half ? k : k - half) / 4;
        q += step * STEP_BYTES, upper += step * above;
        if (k < half) NAME(half_dots)(q, upper, columns / 4, codes, pitch, part, dot, scales, 0, tokens, bits, float4, size);
        else NAME(half_dots)(q, upper, columns / 4, codes, pitch, part, dot, scales, 1, tokens, bits, float4, size);
    } else {
        NAME(half_dots)(q, upper, half / 4, codes, pitch, part, dot, scales, 0, tokens, bits, float4, size);
        NAME(half_dots)(q, upper, half / 4, codes + NAME(form)(bits) * half, pitch, part, dot, scales, 1, tokens, bits, float4,
                        size);
    }
    if (bits == 4) NAME(join)(part, dot, scales, tokens);
}

/// Adds what a group of activations gives to the sums of a tile: (Σ q·c · weight) · scale, or (Σ q·c · scale + least) · weight where
/// codes are 4-bit floats. Sums that were `joined` are times their weights already.
INLINE void NAME(add_scaled)(tile_sums *sums, const __m256i dot[2][MAX_TOKENS], const __m256 weight[2], const float *scales,
                             const float *least, size_t pitch, const int joined, const int tokens, const int float4) {
    UNROLL for (int t = 0; t < tokens; t++) {
        const __m256 scale = _mm256_set1_ps(scales[t * pitch]);
        const __m256 bound = _mm256_set1_ps(float4 ? -FLOAT4_ZERO * least[t * pitch] : 0);
        UNROLL for (int h = 0; h < 2; h++) {
            __m256 value = _mm256_cvtepi32_ps(dot[h][t]);
            if (float4) value = _mm256_fmadd_ps(value, scale, bound);
            else if (!joined) value = _mm256_mul_ps(value, weight[h]);
            sums->total[h][t] = _mm256_fmadd_ps(value, float4 ? weight[h] : scale, sums->total[h][t]);
        }
        ORDERED;
    }
}

/// Adds what the minimums of the groups [first, last) of a tile give to its sums.
INLINE void NAME(add_minimums)(const tsr_packed *w, const uint8_t *tile, size_t first, size_t last, const token_block *x,
                               tile_sums *sums, const int tokens, const int whole, const int size) {
    const tsr_packed_scales kind = whole ? TSR_ROW_FACTORS : w->scales;
    const size_t full = size == WIDE ? w->group / TSR_ACTIVATION_LIMIT : 1;
    __m256 minimum[2][MAX_TOKENS];
    UNROLL for (int h = 0; h < 2; h++)
        UNROLL for (int t = 0; t < tokens; t++) minimum[h][t] = sums->minimum[h][t];
    for (size_t g = first; g < last; g++) {
        const size_t begin = (g - first) * full, count = x->groups - begin < full ? x->groups - begin : full;
        if (tokens <= STREAM_TOKENS) _mm_prefetch((const char *)minimums_of(tile, g, kind) + AHEAD_BYTES, _MM_HINT_T0);
        const __m256 factor[2] = {minimums_at(tile, g, 0, kind), minimums_at(tile, g, 8, kind)};
        UNROLL for (int t = 0; t < tokens; t++) {
            const __m256 sum = _mm256_set1_ps(sum_of(x->sums + t * x->side_pitch, (activation_span){begin, count}));
            UNROLL for (int h = 0; h < 2; h++) minimum[h][t] = _mm256_fmadd_ps(factor[h], sum, minimum[h][t]);
        }
    }
    UNROLL for (int h = 0; h < 2; h++)
        UNROLL for (int t = 0; t < tokens; t++) sums->minimum[h][t] = minimum[h][t];
}

/// Adds the groups [first, last) of a tile to its sums; `x` begins at the first.
INLINE void NAME(block)(const tsr_packed *w, const tile_layout *l, const uint8_t *tile, size_t first, size_t last,
                        const token_block *x, tile_sums *sums, const int tokens, const int bits, const int float4,
                        const int whole, const int size) {
    const tsr_packed_scales kind = whole ? TSR_ROW_FACTORS : w->scales;
    const int joined = whole && NAME(joins)(bits);
    const size_t columns = size == WIDE ? TSR_ACTIVATION_LIMIT : size == ANY_SMALL ? w->group : (size_t)size;
    const size_t full = size == WIDE ? w->group / TSR_ACTIVATION_LIMIT : 1;  // groups of activations in one of weights

    // The minimums come first: they pull in the scales too, so that the tile is read from its first byte to its last.
    if (!float4) NAME(add_minimums)(w, tile, first, last, x, sums, tokens, whole, size);

    const uint8_t *q = tile + l->codes_offset + first * l->group_bytes;
    for (size_t g = first; g < last; g++, q += l->group_bytes) {
        const size_t begin = (g - first) * full, count = x->groups - begin < full ? x->groups - begin : full;
        if (tokens <= STREAM_TOKENS)
            for (size_t i = 0; i < l->group_bytes; i += 64) _mm_prefetch((const char *)q + i + AHEAD_BYTES, _MM_HINT_T0);
        const uint8_t *scales = joined ? scales_of(tile, g, kind) : NULL;
        for (size_t i = 0; i < count; i++) {
            __m256i dot[2][MAX_TOKENS];
            UNROLL for (int h = 0; h < 2; h++)
                UNROLL for (int t = 0; t < tokens; t++) dot[h][t] = _mm256_setzero_si256();
            NAME(dots)(q, w->group, i, x->codes + (begin + i) * columns * NAME(form)(bits), x->pitch, dot, scales, tokens, bits,
                       float4, size);
            const __m256 weight[2] = {scales_at(tile, g, 0, kind), scales_at(tile, g, 8, kind)};
            NAME(add_scaled)(sums, dot, weight, x->scales + begin + i, x->sums + begin + i, x->side_pitch, joined, tokens, float4);
            if (size != WIDE) break;
        }
    }
}

/// The product of at most SPAN_TILES tiles and a block of tokens, a constant of the caller, in panels of columns whose
/// activations fit the scratch.
INLINE void NAME(span)(const tsr_packed *w, const tile_layout *l, size_t tile_begin, size_t tile_end, const tsr_activations *x,
                       size_t token, const float *bias, float *y, size_t y_stride, const int tokens, const int bits,
                       const int float4, const int whole, const int size) {
    const size_t columns = tsr_activation_group(w->group), full = w->group / columns;
    _Alignas(32) uint8_t scratch[SCRATCH_BYTES];
    const int form = NAME(form)(bits);
    const size_t panel = form == 1 ? l->groups : SCRATCH_BYTES / ((size_t)form * tokens) / w->group;
    tile_sums sums[SPAN_TILES];
    for (size_t i = 0; i < tile_end - tile_begin; i++)
        UNROLL for (int h = 0; h < 2; h++)
            UNROLL for (int t = 0; t < tokens; t++) sums[i].total[h][t] = sums[i].minimum[h][t] = _mm256_setzero_ps();
    for (size_t first = 0, last; first < l->groups; first = last) {
        last = l->groups - first < panel ? l->groups : first + panel;
        const size_t begin = first * full, end = last * full < x->groups ? last * full : x->groups;
        const int8_t *codes = x->codes + token * x->padded_columns + begin * columns;
        token_block b = {(const uint8_t *)codes, x->padded_columns, x->scales + token * x->groups + begin,
                         x->sums + token * x->groups + begin, x->groups, x->groups - begin};
        if (form > 1) {
            b.codes = scratch, b.pitch = form * (end - begin) * columns;
            for (int t = 0; t < tokens; t++)
                NAME(convert)(codes + t * x->padded_columns, (end - begin) * columns, scratch + t * b.pitch);
        }
        for (size_t tile = tile_begin; tile < tile_end; tile++)
            NAME(block)(w, l, w->tiles + tile * l->bytes, first, last, &b, sums + (tile - tile_begin), tokens, bits, float4,
                        whole, size);
    }
    for (size_t tile = tile_begin; tile < tile_end; tile++) {
        const float *factors = (const float *)(w->tiles + tile * l->bytes);
        const tile_sums *s = sums + (tile - tile_begin);
        UNROLL for (int t = 0; t < tokens; t++) {
            float v[TSR_TILE_ROWS];
            UNROLL for (int h = 0; h < 2; h++) {
                const __m256 d = _mm256_load_ps(factors + h * 8), dm = _mm256_load_ps(factors + 16 + h * 8);
                _mm256_storeu_ps(v + h * 8, result(s->total[h][t], s->minimum[h][t], d, dm, w->scales));
            }
            store_rows(v, w, tile, bias, y + (token + t) * y_stride);
        }
    }
}

/// The whole product of a kind of codes, of whole scales or others, and a size of groups, constants of the caller.
INLINE void NAME(product)(const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x, size_t token_begin,
                          size_t token_end, const float *bias, float *y, size_t y_stride, const int bits, const int float4,
                          const int whole, const int size) {
    const tile_layout l = tile_layout_of(w->columns, bits, w->group, w->scales);
    for (size_t tile = tile_begin, end; tile < tile_end; tile = end) {
        end = tile_end - tile < SPAN_TILES ? tile_end : tile + SPAN_TILES;
        for (size_t token = token_begin, tokens; token < token_end; token += tokens) {
            const size_t left = token_end - token;
            tokens = left >= MAX_TOKENS ? MAX_TOKENS : left == 5 ? 3 : left;
#define CASE(n) \
    case n: NAME(span)(w, &l, tile, end, x, token, bias, y, y_stride, n, bits, float4, whole, size); break;
            switch (tokens) { CASE(1) CASE(2) CASE(3) CASE(4) CASE(6) }
#undef CASE
        }
    }
}

#define FORM(bits, float4, size)                                                                                               \
    static void NAME(product_##bits##_##float4##_##size)(const tsr_packed *w, size_t tile_begin, size_t tile_end,              \
                                                         const tsr_activations *x, size_t token_begin, size_t token_end,       \
                                                         const float *bias, float *y, size_t y_stride) {                       \
        if (!float4 && w->scales == TSR_ROW_FACTORS)                                                                           \
            NAME(product)(w, tile_begin, tile_end, x, token_begin, token_end, bias, y, y_stride, bits, float4, 1, size);       \
        else NAME(product)(w, tile_begin, tile_end, x, token_begin, token_end, bias, y, y_stride, bits, float4, 0, size);      \
    }
FORM(4, 0, ANY_SMALL) FORM(4, 0, 16) FORM(4, 0, 32) FORM(4, 0, WIDE)
FORM(4, 1, 16) FORM(4, 1, 32)
FORM(5, 0, 32) FORM(5, 0, WIDE)
FORM(6, 0, 32) FORM(6, 0, WIDE)
FORM(8, 0, ANY_SMALL) FORM(8, 0, 32) FORM(8, 0, WIDE)
#undef FORM

static packed_product *NAME(product_of)(const tsr_packed *w) {
    if (is_float4(w->scales)) return w->scales == TSR_NVFP4 ? NAME(product_4_1_16) : NAME(product_4_1_32);
    const int wide = w->group > TSR_ACTIVATION_LIMIT;
    switch (w->bits) {
    case 5: return wide ? NAME(product_5_0_WIDE) : NAME(product_5_0_32);
    case 6: return wide ? NAME(product_6_0_WIDE) : NAME(product_6_0_32);
    case 8: return wide ? NAME(product_8_0_WIDE) : w->group == 32 ? NAME(product_8_0_32) : NAME(product_8_0_ANY_SMALL);
    }
    if (wide) return NAME(product_4_0_WIDE);
    return w->group == 32 ? NAME(product_4_0_32) : w->group == 16 ? NAME(product_4_0_16) : NAME(product_4_0_ANY_SMALL);
}

void PRODUCT(const tsr_packed *w, size_t tile_begin, size_t tile_end, const tsr_activations *x, size_t token_begin,
             size_t token_end, const float *bias, float *y, size_t y_stride) {
    NAME(product_of)(w)(w, tile_begin, tile_end, x, token_begin, token_end, bias, y, y_stride);
}
