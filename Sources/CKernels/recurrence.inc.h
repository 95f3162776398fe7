// The gated delta rule, and what makes its inputs.

enum {
    CHANNELS_TOGETHER = 256,
    TOKENS_TOGETHER = 32,  // whose keys and queries stay in a near cache for all blocks of a head
};

// Token t's inputs of the channels from c on; those before the first token are the tail's.
INLINE const float *inputs(const tsr_convolution *v, ptrdiff_t t, size_t c) {
    return t < 0 ? v->tail + (size_t)(t + (ptrdiff_t)v->width - 1) * v->channels + c
                 : v->x + (size_t)t * v->x_stride + c;
}

INLINE void convolve_token(const tsr_convolution *v, size_t width, float (*weights)[CHANNELS_TOGETHER], size_t t,
                           size_t c, size_t count) {
    const float *rows[TSR_CONVOLUTION_WIDTH];
    float *y = v->y + t * v->y_stride + c;
    for (size_t j = 0; j < width; j++) rows[j] = inputs(v, (ptrdiff_t)(t + j) - (ptrdiff_t)(width - 1), c);
    for (size_t i = 0; i < count; i += LANES) {
        wide sum = 0;
        for (size_t j = 0; j < width; j++) sum += load(weights[j] + i) * load_first(rows[j] + i, count - i);
        store_first(y + i, sum, count - i);
    }
}

// Tokens go from the last to the first, as y may be x.
INLINE void convolve(const tsr_convolution *v, size_t width, size_t c, size_t count) {
    _Alignas(64) float weights[TSR_CONVOLUTION_WIDTH][CHANNELS_TOGETHER];
    float tail[TSR_CONVOLUTION_WIDTH][CHANNELS_TOGETHER];
    for (size_t i = 0; i < count; i++)
        for (size_t j = 0; j < width; j++) weights[j][i] = v->weights[(c + i) * width + j];
    for (size_t j = 0; j + 1 < width; j++)
        memcpy(tail[j], inputs(v, (ptrdiff_t)(v->tokens + j) - (ptrdiff_t)(width - 1), c), count * sizeof **tail);
    for (size_t t = v->tokens; t-- > 0;) convolve_token(v, width, weights, t, c, count);
    for (size_t j = 0; j + 1 < width; j++) memcpy(v->tail + j * v->channels + c, tail[j], count * sizeof **tail);
}

static void causal_convolution(const tsr_convolution *v, size_t begin, size_t end) {
    for (size_t c = begin; c < end; c += CHANNELS_TOGETHER) {
        const size_t count = lesser(CHANNELS_TOGETHER, end - c);
        if (v->width == 4)
            convolve(v, 4, c, count);
        else
            convolve(v, v->width, c, count);
    }
}

static void unit_heads(const float *x, size_t x_stride, float scale, float epsilon, size_t rows, size_t heads,
                       size_t head_dim, float *y, size_t y_stride) {
    for (size_t row = 0; row < rows; row++)
        for (size_t head = 0; head < heads; head++) {
            const float *from = x + row * x_stride + head * head_dim;
            float *to = y + row * y_stride + head * head_dim;
            wide squares = 0;
            for (size_t i = 0; i < head_dim; i += LANES) {
                const wide part = load_first(from + i, head_dim - i);
                squares += part * part;
            }
            const wide factor = scale / __builtin_sqrtf(sum_of(squares) + epsilon);
            for (size_t i = 0; i < head_dim; i += LANES)
                store_first(to + i, load_first(from + i, head_dim - i) * factor, head_dim - i);
        }
}

// log(1 + e^x) = max(x, 0) + log(1 + u) with u = e^-|x|, which does not overflow. log(1 + u) = 2 artanh(s), s = u/(2 + u) ≤ 1/3:
// s times a minimax polynomial in s², relative error 8e-9.
INLINE wide softplus(wide x) {
    const wide u = exponential(-magnitude(x)), s = u / (2 + u), z = s * s;
    wide p = z * 0x1.208bd0p-2f + 0x1.1e510ap-2f;
    p = p * z + 0x1.99dae6p-2f;
    p = p * z + 0x1.5554e0p-1f;
    p = p * z + 2.0f;
    return p * s + (x > 0 ? x : (wide)0);
}

static void delta_gates(const float *a, size_t a_stride, const float *b, size_t b_stride, const float *log_rate,
                        const float *bias, size_t rows, size_t heads, float *decay, float *beta,
                        size_t gate_stride) {
    for (size_t row = 0; row < rows; row++)
        for (size_t i = 0; i < heads; i += LANES) {
            const size_t n = heads - i, gate = row * gate_stride + i;
            const wide opening = load_first(b + row * b_stride + i, n);
            const wide time = softplus(load_first(a + row * a_stride + i, n) + load_first(bias + i, n));
            store_first(decay + gate, exponential(-exponential(load_first(log_rate + i, n)) * time), n);
            store_first(beta + gate, times_sigmoid(1, opening), n);
        }
}

// A block of state, and sums over its rows: as many of them as hide an addition's latency.
enum { BLOCK_VECTORS = TSR_DELTA_COLUMNS / LANES, PARTS = BLOCK_VECTORS < 4 ? 4 / BLOCK_VECTORS : 1 };

typedef struct {
    wide vectors[BLOCK_VECTORS];
} block_row;

typedef struct {
    block_row parts[PARTS];
} block_sum;

// A product that stays one, so that the sum it goes into rounds alike wherever that is compiled.
INLINE wide rounded_product(wide a, wide b) {
#pragma clang fp contract(off)
    return a * b;
}

INLINE void add_row(block_row *sum, float factor, const block_row *row) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < BLOCK_VECTORS; i++) sum->vectors[i] += factor * row->vectors[i];
}

INLINE block_row total(const block_sum *sum) {
    block_row result = sum->parts[0];
#pragma clang loop unroll(full)
    for (size_t p = 1; p < PARTS; p++)
#pragma clang loop unroll(full)
        for (size_t i = 0; i < BLOCK_VECTORS; i++) result.vectors[i] += sum->parts[p].vectors[i];
    return result;
}

INLINE block_row load_row(const float *row, size_t count) {
    block_row result;
#pragma clang loop unroll(full)
    for (size_t i = 0; i < BLOCK_VECTORS; i++)
        result.vectors[i] = load_first(row + i * LANES, count > i * LANES ? count - i * LANES : 0);
    return result;
}

INLINE void store_row(float *row, const block_row *x, size_t count) {
#pragma clang loop unroll(full)
    for (size_t i = 0; i < BLOCK_VECTORS; i++)
        store_first(row + i * LANES, x->vectors[i], count > i * LANES ? count - i * LANES : 0);
}

// Rows of a block, and what a token has for each; `next_k` is the next token's.
typedef struct {
    float *state;
    const float *k, *q, *next_k;
    float decay;
    block_row delta;
} token_update;

// s ← decay·s + k·delta, and s to the token's result and to what the next token recalls: a row is loaded once for each token.
INLINE void update_row(const token_update *u, size_t i, int is_last, block_row *result, block_row *recalled) {
    block_row s = load_row(u->state + i * TSR_DELTA_COLUMNS, TSR_DELTA_COLUMNS);
#pragma clang loop unroll(full)
    for (size_t n = 0; n < BLOCK_VECTORS; n++) s.vectors[n] = rounded_product(s.vectors[n], u->decay);
    add_row(&s, u->k[i], &u->delta);
    store_row(u->state + i * TSR_DELTA_COLUMNS, &s, TSR_DELTA_COLUMNS);
    add_row(result, u->q[i], &s);
    if (!is_last) add_row(recalled, u->next_k[i], &s);
}

INLINE block_row update(const token_update *u, size_t rows, int is_last, block_row *recalled) {
    block_sum result = {0}, next = {0};
    size_t i = 0;
    for (; i + PARTS <= rows; i += PARTS)
#pragma clang loop unroll(full)
        for (size_t p = 0; p < PARTS; p++) update_row(u, i + p, is_last, &result.parts[p], &next.parts[p]);
    for (; i < rows; i++) update_row(u, i, is_last, &result.parts[0], &next.parts[0]);
    *recalled = total(&next);
    return total(&result);
}

// Sᵀk, summed as `update` sums it.
INLINE block_row recall(const float *state, const float *k, size_t rows) {
    block_sum sum = {0};
    size_t i = 0;
    for (; i + PARTS <= rows; i += PARTS)
#pragma clang loop unroll(full)
        for (size_t p = 0; p < PARTS; p++) {
            const block_row s = load_row(state + (i + p) * TSR_DELTA_COLUMNS, TSR_DELTA_COLUMNS);
            add_row(&sum.parts[p], k[i + p], &s);
        }
    for (; i < rows; i++) {
        const block_row s = load_row(state + i * TSR_DELTA_COLUMNS, TSR_DELTA_COLUMNS);
        add_row(&sum.parts[0], k[i], &s);
    }
    return total(&sum);
}

// Tokens [begin, end) of a block, whose state stays in the nearest cache. (In chunks, by products of matrices, bits would depend
// on where the chunks begin.)
INLINE void walk(const tsr_delta_layer *l, size_t head, size_t column, size_t begin, size_t end, float *state) {
    const size_t key = head * l->key_heads / l->value_heads * l->key_dim;
    const size_t value = head * l->value_dim + column, columns = lesser(TSR_DELTA_COLUMNS, l->value_dim - column);
    token_update u = {.state = state};
    block_row recalled = recall(state, l->k + begin * l->k_stride + key, l->key_dim);
    for (size_t t = begin; t < end; t++) {
        const float beta = l->beta[t * l->gate_stride + head];
        u.k = l->k + t * l->k_stride + key;
        u.q = l->q + t * l->q_stride + key;
        u.decay = l->decay[t * l->gate_stride + head];
        u.delta = load_row(l->v + t * l->v_stride + value, columns);
#pragma clang loop unroll(full)
        for (size_t i = 0; i < BLOCK_VECTORS; i++)
            u.delta.vectors[i] = beta * (u.delta.vectors[i] - u.decay * recalled.vectors[i]);
        // In two forms, neither of which asks row by row.
        const int is_last = t + 1 == end;
        u.next_k = is_last ? NULL : u.k + l->k_stride;
        const block_row result =
            is_last ? update(&u, l->key_dim, 1, &recalled) : update(&u, l->key_dim, 0, &recalled);
        store_row(l->y + t * l->y_stride + value, &result, columns);
    }
}

static void delta_rule(const tsr_delta_layer *l, size_t begin, size_t end) {
    const size_t blocks = tsr_delta_blocks(l->value_dim);
    while (begin < end) {
        const size_t head = begin / blocks, head_end = lesser((head + 1) * blocks, end);
        for (size_t t = 0; t < l->tokens; t += TOKENS_TOGETHER)
            for (size_t block = begin; block < head_end; block++)
                walk(l, head, block % blocks * TSR_DELTA_COLUMNS, t, lesser(t + TOKENS_TOGETHER, l->tokens),
                     l->state + block * l->key_dim * TSR_DELTA_COLUMNS);
        begin = head_end;
    }
}
