// Norms, activations, rotary positions, sums.
static void rms_norm(const float *x, size_t x_stride, const float *weight, float epsilon, size_t rows,
                     size_t columns, float *y, size_t y_stride) {
    for (size_t row = 0; row < rows; row++, x += x_stride, y += y_stride) {
        wide squares = 0, more_squares = 0;
        for (size_t i = 0; i < columns; i += 2 * LANES) {
            const wide a = load_first(x + i, columns - i);
            squares += a * a;
            if (i + LANES >= columns) break;
            const wide b = load_first(x + i + LANES, columns - i - LANES);
            more_squares += b * b;
        }
        const float mean = sum_of(squares + more_squares) / (float)columns;
        const wide factor = 1 / __builtin_sqrtf(mean + epsilon);
        for (size_t i = 0; i < columns; i += LANES)
            store_first(y + i, load_first(x + i, columns - i) * factor * load_first(weight + i, columns - i),
                        columns - i);
    }
}

static void layer_norm(const float *x, size_t x_stride, const float *weight, const float *bias, float epsilon,
                       size_t rows, size_t columns, float *y, size_t y_stride) {
    const size_t whole = columns / LANES * LANES;
    for (size_t row = 0; row < rows; row++, x += x_stride, y += y_stride) {
        wide sums = 0, squares = 0;
        for (size_t i = 0; i < columns; i += LANES) sums += load_first(x + i, columns - i);
        const float mean = sum_of(sums) / (float)columns;
        for (size_t i = 0; i < whole; i += LANES) {
            const wide distance = load(x + i) - mean;
            squares += distance * distance;
        }
        float rest = 0;
        for (size_t i = whole; i < columns; i++) rest += (x[i] - mean) * (x[i] - mean);
        const float variance = (sum_of(squares) + rest) / (float)columns;
        const wide factor = 1 / __builtin_sqrtf(variance + epsilon);
        for (size_t i = 0; i < columns; i += LANES) {
            const wide normal = (load_first(x + i, columns - i) - mean) * factor;
            const wide scaled = normal * load_first(weight + i, columns - i);
            store_first(y + i, scaled + load_first(bias + i, columns - i), columns - i);
        }
    }
}

INLINE wide magnitude(wide x) { return (wide)((wide_int)x & 0x7fffffff); }

// x·σ(c): with e^-|c| neither end overflows, and both keep their relative error.
INLINE wide times_sigmoid(wide x, wide c) {
    const wide e = exponential(-magnitude(c));
    return x * (c < 0 ? e : (wide)1) / (1 + e);
}

// x·Φ(x). For t = |x|, Φ(-t) = e^(-t²/2)·R(t); R is z times a minimax polynomial in z = 1/(1 + 0.35 t)
// over t ≤ 15, relative error 4e-8.
INLINE wide gelu_erf(wide x) {
    const wide t = magnitude(x), z = 1 / (1 + 0.35f * t);
    wide p = z * -0x1.ddd1cap-6f + 0x1.270902p-3f;
    p = p * z - 0x1.060acap-2f;
    p = p * z + 0x1.466f06p-3f;
    p = p * z - 0x1.7d238ep-6f;
    p = p * z + 0x1.b06eccp-4f;
    p = p * z + 0x1.eac3c0p-4f;
    p = p * z + 0x1.1e7130p-3f;
    p = p * z + 0x1.1df1c0p-3f;
    const wide below = exponential(t * t * -0.5f) * (p * z);
    return x * (x < 0 ? below : 1 - below);
}

INLINE wide activated(tsr_activation kind, wide x) {
    switch (kind) {
    case TSR_SILU:
        return times_sigmoid(x, x);
    case TSR_QUICK_GELU:
        return times_sigmoid(x, 1.702f * x);
    case TSR_GELU_ERF:
        return gelu_erf(x);
    case TSR_GELU_TANH:  // (1 + tanh u)/2 = σ(2u)
        return times_sigmoid(x, x * (x * x * 0.0713548162726f + 1.59576912161f));
    case TSR_SIGMOID:
        return times_sigmoid(1, x);
    }
}

// y = act(x)·factor, or act(x) without one.
INLINE void activate_all(tsr_activation kind, const float *x, const float *factor, size_t count, float *y) {
    for (size_t i = 0; i < count; i += LANES) {
        const wide value = activated(kind, load_first(x + i, count - i));
        store_first(y + i, factor ? value * load_first(factor + i, count - i) : value, count - i);
    }
}

INLINE void activate_by(tsr_activation kind, const float *x, const float *factor, size_t count, float *y) {
    switch (kind) {
    case TSR_SILU:
        return activate_all(TSR_SILU, x, factor, count, y);
    case TSR_QUICK_GELU:
        return activate_all(TSR_QUICK_GELU, x, factor, count, y);
    case TSR_GELU_ERF:
        return activate_all(TSR_GELU_ERF, x, factor, count, y);
    case TSR_GELU_TANH:
        return activate_all(TSR_GELU_TANH, x, factor, count, y);
    case TSR_SIGMOID:
        return activate_all(TSR_SIGMOID, x, factor, count, y);
    }
}

static void activate(tsr_activation kind, const float *x, size_t count, float *y) {
    activate_by(kind, x, NULL, count, y);
}

static void gated_product(tsr_activation kind, const float *gate, const float *up, size_t count, float *y) {
    activate_by(kind, gate, up, count, y);
}

static void add(const float *a, const float *b, size_t count, float *y) {
    for (size_t i = 0; i < count; i += LANES)
        store_first(y + i, load_first(a + i, count - i) + load_first(b + i, count - i), count - i);
}

static void gate_rows(const float *gate, size_t gate_stride, const float *x, size_t x_stride, size_t rows,
                      size_t columns, float *y, size_t y_stride) {
    for (size_t row = 0; row < rows; row++, x += x_stride, y += y_stride) {
        const wide factor = times_sigmoid(1, gate[row * gate_stride]);
        for (size_t i = 0; i < columns; i += LANES)
            store_first(y + i, load_first(x + i, columns - i) * factor, columns - i);
    }
}

static void rotary(float *x, size_t x_stride, size_t rows, size_t heads, size_t head_width, size_t rotated,
                   const float *cosine, const float *sine) {
    const size_t half = rotated / 2;
    for (size_t row = 0; row < rows; row++, cosine += half, sine += half)
        for (size_t head = 0; head < heads; head++) {
            float *low = x + row * x_stride + head * head_width, *high = low + half;
            for (size_t i = 0; i < half; i += LANES) {
                const wide a = load_first(low + i, half - i), b = load_first(high + i, half - i);
                const wide c = load_first(cosine + i, half - i), s = load_first(sine + i, half - i);
                store_first(low + i, a * c - b * s, half - i);
                store_first(high + i, b * c + a * s, half - i);
            }
        }
}
