// Attention in tiles of keys with a running softmax. A tile's boundaries count from the first key that any
// query may see, and a query's numbers come only from its own row, so they don't depend on its neighbours.
//
// Rows of codes are multiplied as whole numbers: their scales meet the scores of keys, and the weights of values. Such keys are
// mixed, as their queries are here.
//
// Where `rows` is not NULL, key j and query i are those rows: they lie apart, and are brought together as tiles are packed.
enum {
    TILE_FLOATS = 8192,  // a tile: 64 keys up to head_dim 128, 32 beyond
    MAX_KEYS = 64,  // of a tile
    MAX_QUERIES = 48,
    SUM_FLOATS = 4096,
    DIRECT_QUERIES = 6,  // fewer read keys and values in place
};

typedef struct {
    size_t tile_keys;                              // a multiple of PANEL and of LANES
    size_t width;                                  // head_dim, up to whole vectors
    _Alignas(64) float tile[TILE_FLOATS];          // keys in panels, then values
    _Alignas(64) float weights[MAX_QUERIES * MAX_KEYS];  // scores, then e^(score - peak)
    _Alignas(64) float sums[SUM_FLOATS];           // Σ weight·value
    float key_scales[MAX_KEYS], value_scales[MAX_KEYS];  // of the tile's rows of codes
    wide totals[MAX_QUERIES];                      // Σ weight, lane by lane
    float peaks[MAX_QUERIES];                      // the largest score so far
} attention_scratch;
_Static_assert(sizeof(attention_scratch) <= 65536, "on the stack of every thread");

// Scores of `keys` keys, unscaled.
INLINE void score(tsr_float_type type, attention_scratch *s, const float *q, size_t q_stride, size_t queries,
                  const void *k, size_t k_stride, const int32_t *rows, size_t keys, size_t head_dim) {
    if (!rows && queries < DIRECT_QUERIES) {
        for (size_t i = 0; i < queries; i++)
            for (size_t j = 0; j < keys; j += NARROW) {
                const void *group = element(type, k, j * k_stride);
                const narrow scores =
                    direct_product(type, group, k_stride, keys - j, head_dim, q + i * q_stride);
                memcpy(s->weights + i * s->tile_keys + j, &scores, sizeof scores);
            }
        return;
    }
    for (size_t j = 0; j < keys; j += PANEL) {
        const void *panel = rows ? k : element(type, k, j * k_stride);
        pack_panel(type, panel, k_stride, rows ? rows + j : NULL, keys - j, head_dim, s->tile);
        panel_product(q, q_stride, queries, head_dim, s->tile, s->weights + j, s->tile_keys);
    }
}

// The scales of a tile's rows of codes.
INLINE void collect_scales(const void *codes, size_t stride, size_t keys, size_t head_dim, float *scales) {
    const char *scale = (const char *)codes + tsr_coded_row_scale(head_dim);
    for (size_t j = 0; j < keys; j++) memcpy(scales + j, scale + j * stride, sizeof *scales);
}

// Turns query i's first `visible` scores into weights and those up to `keys` into zeros.
INLINE void weigh(tsr_float_type type, attention_scratch *s, size_t i, size_t visible, size_t keys, float scale) {
    float *weights = s->weights + i * s->tile_keys;
    wide_int lane;
    for (size_t l = 0; l < LANES; l++) lane[l] = (int32_t)l;
    wide highest = -__builtin_inff();
    for (size_t j = 0; j < visible; j += LANES) {
        wide scaled = load(weights + j) * scale;
        if (type == TSR_I8) scaled *= load(s->key_scales + j);
        const wide seen = lane < (int32_t)(visible - j) ? scaled : (wide)-__builtin_inff();
        highest = seen > highest ? seen : highest;
        store(weights + j, seen);
    }
    const float peak = __builtin_reduce_max(highest);
    if (visible > 0 && peak > s->peaks[i]) {
        const wide shrink = exponential((wide)(s->peaks[i] - peak));
        for (size_t d = 0; d < s->width; d += LANES)
            store(s->sums + i * s->width + d, load(s->sums + i * s->width + d) * shrink);
        s->totals[i] *= shrink;
        s->peaks[i] = peak;
    }
    size_t j = 0;
    for (; j < visible; j += LANES) {
        const wide weight = exponential(load(weights + j) - s->peaks[i]);
        s->totals[i] += weight;
        if (type == TSR_I8) {
            const wide scaled = weight * load(s->value_scales + j);
            store(weights + j, lane < (int32_t)(visible - j) ? scaled : (wide)0);
        } else {
            store(weights + j, weight);
        }
    }
    for (; j < keys; j += LANES) store(weights + j, 0);
}

INLINE void blend_block(size_t rows, size_t vecs, attention_scratch *s, size_t i, size_t d, size_t keys) {
    wide sum[BLOCK_ROWS][BLOCK_VECS];
    float *sums = s->sums + i * s->width + d;
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (size_t v = 0; v < vecs; v++) sum[r][v] = load(sums + r * s->width + v * LANES);
    add_product(rows, vecs, sum, s->weights + i * s->tile_keys, s->tile_keys, 1, s->tile + d, s->width, keys);
#pragma clang loop unroll(full)
    for (size_t r = 0; r < rows; r++)
#pragma clang loop unroll(full)
        for (size_t v = 0; v < vecs; v++) store(sums + r * s->width + v * LANES, sum[r][v]);
}

INLINE void blend_rows(size_t rows, attention_scratch *s, size_t i, size_t keys) {
    size_t d = 0;
    for (; d + PANEL <= s->width; d += PANEL) blend_block(rows, BLOCK_VECS, s, i, d, keys);
    for (; d < s->width; d += LANES) blend_block(rows, 1, s, i, d, keys);
}

// One query's sums from d on, `vecs` narrow vectors or the `rest` floats of one, straight from the values:
// the same sums in the same order.
INLINE void blend_direct(tsr_float_type type, size_t vecs, attention_scratch *s, size_t i, size_t d,
                         const void *v, size_t v_stride, size_t keys, size_t rest) {
    const float *weights = s->weights + i * s->tile_keys;
    float *sums = s->sums + i * s->width + d;
    narrow sum[8];
#pragma clang loop unroll(full)
    for (size_t n = 0; n < vecs; n++) sum[n] = widened(TSR_F32, sums + n * NARROW);
    for (size_t j = 0; j < keys; j++) {
        const void *row = element(type, v, j * v_stride + d);
        const narrow weight = weights[j];
#pragma clang loop unroll(full)
        for (size_t n = 0; n < vecs; n++) {
            const void *value = element(type, row, n * NARROW);
            sum[n] += weight * (rest ? widened_first(type, value, rest) : widened(type, value));
        }
    }
    memcpy(sums, sum, vecs * sizeof *sum);
}

// sums += weights · values
INLINE void blend(tsr_float_type type, attention_scratch *s, size_t queries, const void *v, size_t v_stride,
                  const int32_t *rows, size_t keys, size_t head_dim) {
    if (!rows && queries < DIRECT_QUERIES) {
        for (size_t i = 0; i < queries; i++) {
            size_t d = 0;
            for (; d + 8 * NARROW <= head_dim; d += 8 * NARROW)
                blend_direct(type, 8, s, i, d, v, v_stride, keys, 0);
            for (; d + 2 * NARROW <= head_dim; d += 2 * NARROW)
                blend_direct(type, 2, s, i, d, v, v_stride, keys, 0);
            for (; d + NARROW <= head_dim; d += NARROW) blend_direct(type, 1, s, i, d, v, v_stride, keys, 0);
            if (d < head_dim) blend_direct(type, 1, s, i, d, v, v_stride, keys, head_dim - d);
        }
        return;
    }
    for (size_t j = 0; j < keys; j++) {
        const void *row = row_of(type, v, v_stride, rows, j);
        for (size_t d = 0; d < s->width; d += NARROW) {
            const narrow x = d + NARROW <= head_dim ? widened(type, element(type, row, d))
                             : d < head_dim         ? widened_first(type, element(type, row, d), head_dim - d)
                                                    : (narrow)0;
            memcpy(s->tile + j * s->width + d, &x, sizeof x);
        }
    }
    size_t i = 0;
    for (; i + BLOCK_ROWS <= queries; i += BLOCK_ROWS) blend_rows(BLOCK_ROWS, s, i, keys);
    for (; i < queries; i++) blend_rows(1, s, i, keys);
}

// `q` is the first of the queries, which may have been brought together.
INLINE void attend_block(tsr_float_type type, const tsr_attention *a, attention_scratch *s, size_t head,
                         const float *q, size_t q_stride, const int32_t *rows, size_t q_begin, size_t queries,
                         ptrdiff_t causal, size_t key_begin, size_t key_end) {
    const size_t kv_head = head * a->kv_heads / a->heads, head_dim = a->head_dim;
    const void *k = element(type, a->k, kv_head * a->k_head_stride);
    const void *v = element(type, a->v, kv_head * a->v_head_stride);
    memset(s->sums, 0, queries * s->width * sizeof *s->sums);
    if (type == TSR_I8) {
        memset(s->key_scales, 0, sizeof s->key_scales);
        memset(s->value_scales, 0, sizeof s->value_scales);
    }
    for (size_t i = 0; i < queries; i++) {
        s->totals[i] = 0;
        s->peaks[i] = -__builtin_inff();
    }
    for (size_t tile = key_begin; tile < key_end; tile += s->tile_keys) {
        const size_t keys = lesser(s->tile_keys, key_end - tile), first = rows ? 0 : tile;
        const int32_t *tile_rows = rows ? rows + tile : NULL;
        const void *tile_k = element(type, k, first * a->k_row_stride);
        const void *tile_v = element(type, v, first * a->v_row_stride);
        if (type == TSR_I8) {
            collect_scales(tile_k, a->k_row_stride, keys, head_dim, s->key_scales);
            collect_scales(tile_v, a->v_row_stride, keys, head_dim, s->value_scales);
        }
        score(type, s, q, q_stride, queries, tile_k, a->k_row_stride, tile_rows, keys, head_dim);
        for (size_t i = 0; i < queries; i++) {
            const size_t end = causal < 0 ? key_end : (size_t)causal + q_begin + i + 1;
            weigh(type, s, i, end > tile ? lesser(keys, end - tile) : 0, keys, a->scale);
        }
        blend(type, s, queries, tile_v, a->v_row_stride, tile_rows, keys, head_dim);
    }
    for (size_t i = 0; i < queries; i++) {
        const float total = sum_of(s->totals[i]), share = total > 0 ? 1 / total : 0;
        const size_t row = rows ? (size_t)rows[q_begin + i] : q_begin + i;
        float *y = a->y + row * a->y_stride + head * head_dim;
        for (size_t d = 0; d < head_dim; d++) y[d] = s->sums[i * s->width + d] * share;
    }
}

// How many queries a scratch holds: whole blocks of them.
static size_t attention_queries(size_t head_dim) {
    return lesser(MAX_QUERIES, SUM_FLOATS / round_up(head_dim, LANES) / BLOCK_ROWS * BLOCK_ROWS);
}

// Sets a scratch up for heads of `head_dim` and gives how many queries it holds.
INLINE size_t prepare(attention_scratch *s, size_t head_dim) {
    s->tile_keys = head_dim <= 128 ? 64 : 32;
    s->width = round_up(head_dim, LANES);
    return attention_queries(head_dim);
}

// The queries as keys of codes want them: mixed, and made smaller by what mixing makes products larger.
INLINE void mix_queries(const float *q, size_t q_stride, size_t queries, size_t head_dim, float *mixed) {
    const float share = 1 / (float)tsr_mixed_run(head_dim);
    for (size_t i = 0; i < queries; i++) {
        float *row = mixed + i * head_dim;
        for (size_t d = 0; d < head_dim; d++) row[d] = q[i * q_stride + d] * share;
        mix_row(row, head_dim);
    }
}

static void attend(const tsr_attention *a, size_t head, size_t q_begin, size_t q_end, ptrdiff_t causal,
                   size_t key_begin, size_t key_end) {
    attention_scratch s;
    // 16 KB beside the scratch, for a block of queries.
    _Alignas(64) float mixed[SUM_FLOATS];
    const size_t most = prepare(&s, a->head_dim);
    while (q_begin < q_end) {
        const size_t queries = lesser(most, q_end - q_begin);
        const size_t begin = causal < 0 ? key_begin : 0;
        const size_t end = causal < 0 ? key_end : (size_t)causal + q_begin + queries;
        const float *q = a->q + q_begin * a->q_stride + head * a->head_dim;
        if (a->cache_type == TSR_F16)
            attend_block(TSR_F16, a, &s, head, q, a->q_stride, NULL, q_begin, queries, causal, begin, end);
        else if (a->cache_type == TSR_I8) {
            mix_queries(q, a->q_stride, queries, a->head_dim, mixed);
            attend_block(TSR_I8, a, &s, head, mixed, a->head_dim, NULL, q_begin, queries, causal, begin, end);
        } else
            attend_block(TSR_F32, a, &s, head, q, a->q_stride, NULL, q_begin, queries, causal, begin, end);
        q_begin += queries;
    }
}

static void attend_rows(const tsr_attention *a, size_t head, const int32_t *rows, size_t count) {
    attention_scratch s;
    // 16 KB beside the scratch, however many rows there are.
    _Alignas(64) float q[SUM_FLOATS];
    const size_t most = prepare(&s, a->head_dim), head_dim = a->head_dim;
    for (size_t begin = 0; begin < count; begin += most) {
        const size_t queries = lesser(most, count - begin);
        for (size_t i = 0; i < queries; i++)
            memcpy(q + i * head_dim, a->q + (size_t)rows[begin + i] * a->q_stride + head * head_dim,
                   head_dim * sizeof *q);
        attend_block(TSR_F32, a, &s, head, q, head_dim, rows, begin, queries, -1, 0, count);
    }
}
