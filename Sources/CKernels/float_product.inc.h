// Products of f32 rows with rows of any float type, and the two forms that they take.
//
// Both give a·w as the same sum in the same order: a partial sum over k ≡ 0 (mod NARROW) in ascending k, one
// over k ≡ 1, …, then the partial sums in turn. The direct form holds the partial sums in the lanes of a vector
// for each row of w and reads w as it lies, at memory speed. The panel form copies PANEL rows of w transposed,
// so that lanes run along rows; it pays when several rows of a use the copy.
enum { PANEL = LANES * BLOCK_VECS };

// A panel holds its k in the order of summation: slots for k ≡ 0, then for k ≡ 1, …
INLINE size_t panel_steps(size_t depth) { return (depth + NARROW - 1) / NARROW; }

// Row i of w, or row numbers[i].
INLINE const void *row_of(tsr_float_type type, const void *w, size_t row_stride, const int32_t *numbers, size_t i) {
    return element(type, w, (numbers ? (size_t)numbers[i] : i) * row_stride);
}

// Rows beyond `rows` repeat the last; columns beyond `depth` are zero.
INLINE void pack_panel(tsr_float_type type, const void *w, size_t row_stride, const int32_t *numbers, size_t rows,
                       size_t depth, float *panel) {
    const size_t steps = panel_steps(depth), whole = depth / NARROW;
    for (size_t group = 0; group < PANEL; group += NARROW) {
        const void *row[NARROW];
        for (size_t r = 0; r < NARROW; r++)
            row[r] = row_of(type, w, row_stride, numbers, lesser(group + r, rows - 1));
        for (size_t step = 0; step < steps; step++) {
            narrow block[NARROW];
#pragma clang loop unroll(full)
            for (size_t r = 0; r < NARROW; r++) {
                const void *p = element(type, row[r], step * NARROW);
                block[r] = step < whole ? widened(type, p) : widened_first(type, p, depth % NARROW);
            }
            transpose(block);
#pragma clang loop unroll(full)
            for (size_t part = 0; part < NARROW; part++)
                memcpy(panel + (part * steps + step) * PANEL + group, &block[part], sizeof block[part]);
        }
    }
}

// sum[r][v] += Σ_s a[r*a_stride + s*a_step] · b[s*b_stride + v*LANES], one s after the other.
INLINE void add_product(size_t rows, size_t vecs, wide sum[BLOCK_ROWS][BLOCK_VECS], const float *a,
                        size_t a_stride, size_t a_step, const float *b, size_t b_stride, size_t steps) {
    for (size_t s = 0; s < steps; s++) {
        wide column[BLOCK_VECS];
#pragma clang loop unroll(full)
        for (size_t v = 0; v < vecs; v++) column[v] = load(b + s * b_stride + v * LANES);
#pragma clang loop unroll(full)
        for (size_t r = 0; r < rows; r++) {
            const wide x = a[r * a_stride + s * a_step];
#pragma clang loop unroll(full)
            for (size_t v = 0; v < vecs; v++) sum[r][v] += x * column[v];
        }
    }
}

INLINE void panel_rows(size_t rows, const float *a, size_t a_stride, size_t depth, const float *panel,
                       float *out, size_t out_stride) {
    const size_t steps = panel_steps(depth);
    wide total[BLOCK_ROWS][BLOCK_VECS] = {0};
    for (size_t part = 0; part < lesser(NARROW, depth); part++) {
        wide partial[BLOCK_ROWS][BLOCK_VECS] = {0};
        add_product(rows, BLOCK_VECS, partial, a + part, a_stride, NARROW, panel + part * steps * PANEL,
                    PANEL, panel_steps(depth - part));
#pragma clang loop unroll(full)
        for (size_t r = 0; r < rows; r++)
#pragma clang loop unroll(full)
            for (size_t v = 0; v < BLOCK_VECS; v++) total[r][v] += partial[r][v];
    }
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (size_t v = 0; v < BLOCK_VECS; v++) store(out + r * out_stride + v * LANES, total[r][v]);
}

// out[r*out_stride + n] = a[r]·w[n] for the PANEL rows n of the panel.
static void panel_product(const float *a, size_t a_stride, size_t rows, size_t depth, const float *panel,
                          float *out, size_t out_stride) {
    size_t r = 0;
    for (; r + BLOCK_ROWS <= rows; r += BLOCK_ROWS)
        panel_rows(BLOCK_ROWS, a + r * a_stride, a_stride, depth, panel, out + r * out_stride, out_stride);
    for (; r < rows; r++)
        panel_rows(1, a + r * a_stride, a_stride, depth, panel, out + r * out_stride, out_stride);
}

// Lane n is a·w[n], for NARROW rows n of w; those beyond `rows` repeat the last.
INLINE narrow direct_product(tsr_float_type type, const void *w, size_t row_stride, size_t rows, size_t depth,
                             const float *a) {
    const void *row[NARROW];
    for (size_t r = 0; r < NARROW; r++) row[r] = element(type, w, lesser(r, rows - 1) * row_stride);
    narrow partial[NARROW] = {0};
    size_t k = 0;
    for (; k + NARROW <= depth; k += NARROW) {
        const narrow x = widened(TSR_F32, a + k);
#pragma clang loop unroll(full)
        for (size_t r = 0; r < NARROW; r++) partial[r] += x * widened(type, element(type, row[r], k));
    }
    if (k < depth) {
        const narrow x = widened_first(TSR_F32, a + k, depth - k);
#pragma clang loop unroll(full)
        for (size_t r = 0; r < NARROW; r++)
            partial[r] += x * widened_first(type, element(type, row[r], k), depth - k);
    }
    transpose(partial);
    narrow total = 0;
#pragma clang loop unroll(full)
    for (size_t part = 0; part < NARROW; part++) total += partial[part];
    return total;
}

// A product's k is summed in blocks of DEPTH, so that a block of x and a panel stay in the caches.
// Fewer tokens than DIRECT_TOKENS take the direct form.
enum { DEPTH = 512, DIRECT_TOKENS = 10 };

// y = (first ? bias : y) + sums, `rows` of them.
INLINE void accumulate(float *y, const float *sums, size_t rows, int first, const float *bias) {
    if (!first)
        for (size_t n = 0; n < rows; n++) y[n] += sums[n];
    else if (bias)
        for (size_t n = 0; n < rows; n++) y[n] = bias[n] + sums[n];
    else
        for (size_t n = 0; n < rows; n++) y[n] = sums[n];
}

INLINE void product_of(tsr_float_type type, const void *w, size_t columns, size_t row_begin, size_t row_end,
                       const float *x, size_t x_stride, size_t tokens, const float *bias, float *y,
                       size_t y_stride) {
    const int direct = tokens < DIRECT_TOKENS;
    const size_t height = direct ? NARROW : PANEL;
    _Alignas(64) float panel[DEPTH * PANEL], sums[BLOCK_ROWS * PANEL];
    for (size_t n = row_begin; n < row_end; n += height) {
        const size_t rows = lesser(height, row_end - n);
        const float *row_bias = bias ? bias + n : NULL;
        for (size_t k = 0; k == 0 || k < columns; k += DEPTH) {
            const size_t depth = lesser(DEPTH, columns - k);
            const void *block = element(type, w, n * columns + k);
            if (!direct) pack_panel(type, block, columns, NULL, rows, depth, panel);
            const size_t group = direct ? 1 : BLOCK_ROWS;
            for (size_t t = 0; t < tokens; t += group) {
                const size_t count = lesser(group, tokens - t);
                const float *a = x + t * x_stride + k;
                if (direct) {
                    const narrow lanes = direct_product(type, block, columns, rows, depth, a);
                    memcpy(sums, &lanes, sizeof lanes);
                } else {
                    panel_product(a, x_stride, count, depth, panel, sums, PANEL);
                }
                for (size_t i = 0; i < count; i++)
                    accumulate(y + (t + i) * y_stride + n, sums + i * PANEL, rows, k == 0, row_bias);
            }
        }
    }
}

static void float_product(tsr_float_type type, const void *w, size_t columns, size_t row_begin,
                          size_t row_end, const float *x, size_t x_stride, size_t token_begin,
                          size_t token_end, const float *bias, float *y, size_t y_stride) {
    const size_t tokens = token_end - token_begin;
    x += token_begin * x_stride;
    y += token_begin * y_stride;
    switch (type) {
    case TSR_F32:
        return product_of(TSR_F32, w, columns, row_begin, row_end, x, x_stride, tokens, bias, y, y_stride);
    case TSR_F16:
        return product_of(TSR_F16, w, columns, row_begin, row_end, x, x_stride, tokens, bias, y, y_stride);
    case TSR_BF16:
        return product_of(TSR_BF16, w, columns, row_begin, row_end, x, x_stride, tokens, bias, y, y_stride);
    case TSR_F64:
        return product_of(TSR_F64, w, columns, row_begin, row_end, x, x_stride, tokens, bias, y, y_stride);
    case TSR_I8:
        return product_of(TSR_I8, w, columns, row_begin, row_end, x, x_stride, tokens, bias, y, y_stride);
    }
}
