// From floats to codes: rows of queries, and tiles of keys and values.
enum {
    PANEL = LANES * VECS,
    KEYS = 64,                // the largest tile
    MOST_TILE_BYTES = 36864,  // of head_dim 128; those of 256 have half the keys
};

// 16 bits of each lane.
INLINE void store_shorts(int16_t *p, wide_int x) {
    typedef int16_t shorts __attribute__((ext_vector_type(LANES)));
    const shorts narrowed = __builtin_convertvector(x, shorts);
    memcpy(p, &narrowed, sizeof narrowed);
}

INLINE void store_shorts_twice(int16_t *p, wide_int x, wide_int y) {
    typedef int32_t ints __attribute__((ext_vector_type(2 * LANES)));
    typedef int16_t shorts __attribute__((ext_vector_type(2 * LANES)));
    ints both;
    both.lo = x;
    both.hi = y;
    const shorts narrowed = __builtin_convertvector(both, shorts);
    memcpy(p, &narrowed, sizeof narrowed);
}

// The largest code of queries and keys: twice its square, head_dim / 2 times, is below 2³¹.
INLINE float code_limit(size_t head_dim) {
    return (float)((int32_t)__builtin_sqrtf(0x1p31f / (float)((head_dim + 1) / 2 * 2)) - 1);
}

// What magnitudes, of which these bits are the largest, are multiplied by to become codes; 0 where they count as nothing.
INLINE wide inverse_of(wide_int largest, float limit) {
    const wide value = (wide)largest;
    const wide_int counts = largest <= LARGEST_FINITE & value >= 0x1p-100f;
    return counts ? limit / value : (wide)0;
}

// Codes of a row up to whole vectors, in 16-bit lanes. Gives its largest magnitude: 0 where all count as nothing, and what is not finite
// where one is not.
INLINE float code_row(const float *x, size_t count, float limit, int16_t *codes) {
    const size_t whole = count / LANES * LANES;
    const wide rest = load_first(x + whole, count - whole);
    wide_int largest = magnitude_bits(rest);
    for (size_t d = 0; d < whole; d += LANES) largest = greater_int(largest, magnitude_bits(load(x + d)));
    const wide_int all = __builtin_reduce_max(largest);
    const wide inverse = inverse_of(all, limit);
    const int is_nothing = inverse[0] == 0;
    if (is_nothing) {
        memset(codes, 0, round_up(count, 16) * sizeof *codes);
        return all[0] <= LARGEST_FINITE ? 0 : ((wide)all)[0];
    }
    for (size_t d = 0; d < whole; d += LANES) store_shorts(codes + d, (wide_int)(load(x + d) * inverse + MAGIC));
    for (size_t d = whole; d < round_up(count, 16); d += LANES)
        store_shorts(codes + d, (wide_int)((d == whole ? rest : (wide)0) * inverse + MAGIC));
    return ((wide)all)[0];
}

// Keys: panels of transposed pairs, and a scale for each. Keys beyond `count` are zero. Gives NaN when one is not finite, else 0.
INLINE float make_keys(const tsr_attention *a, const float *k, const int32_t *rows, size_t first, size_t count,
                       const tsr_tile_layout *l, int32_t *panels, float *scales) {
    const float limit = code_limit(a->head_dim);
    int is_finite = 1;
    for (size_t j = 0; j < round_up(count, PANEL); j += NARROW) {
        _Alignas(64) int16_t codes[NARROW][256];
        for (size_t r = 0; r < NARROW; r++) {
            float largest = 0;
            if (j + r < count) {
                const size_t row = rows ? (size_t)rows[first + j + r] : first + j + r;
                largest = code_row(k + row * a->k_row_stride, a->head_dim, limit, codes[r]);
            } else {
                memset(codes[r], 0, l->width * sizeof *codes[r]);
            }
            const int is_number = largest - largest == 0;
            is_finite &= is_number;
            scales[j + r] = is_number ? largest / limit : 0;
        }
        int32_t *panel = panels + j / PANEL * PANEL * l->pairs + j % PANEL;
        for (size_t p = 0; p < l->pairs; p += NARROW) {
            narrow block[NARROW];
#pragma clang loop unroll(full)
            for (size_t r = 0; r < NARROW; r++) memcpy(&block[r], codes[r] + 2 * p, sizeof block[r]);
            transpose(block);
            for (size_t n = 0; n < lesser(NARROW, l->pairs - p); n++)
                memcpy(panel + (p + n) * PANEL, &block[n], sizeof block[n]);
        }
    }
    return is_finite ? 0 : __builtin_nanf("");
}

// A vector of columns from d on, of which `columns` are there.
INLINE void make_columns(const float *const *row, size_t count, size_t d, size_t columns, size_t width, int32_t *pairs,
                         float *scales) {
    wide_int largest = 0;
    for (size_t j = 0; j < count; j++) largest = greater_int(largest, magnitude_bits(load_first(row[j] + d, columns)));
    const wide inverse = inverse_of(largest, UNIT);
    const wide scale = inverse > 0 ? (wide)largest / UNIT : (wide)0;
    store(scales + d, largest <= LARGEST_FINITE ? scale : (wide)__builtin_nanf(""));
    for (size_t j = 0; j < count; j += 2) {
        const wide x = load_first(row[j] + d, columns), y = j + 1 < count ? load_first(row[j + 1] + d, columns) : (wide)0;
        const wide_bits low = (wide_bits)(x * inverse + MAGIC), high = (wide_bits)(y * inverse + MAGIC);
        const wide_bits both = (low & 0xffff) | high << 16;
        store_int(pairs + j / 2 * width + d, inverse > 0 ? (wide_int)both : (wide_int)0);
    }
}

// Values: of each pair of rows the pairs of all columns, and a scale for each column, NaN where one is not finite.
INLINE void make_values(const tsr_attention *a, const float *v, const int32_t *rows, size_t first, size_t count,
                        const tsr_tile_layout *l, int32_t *pairs, float *scales) {
    const float *row[KEYS];
    for (size_t j = 0; j < count; j++) row[j] = v + (rows ? (size_t)rows[first + j] : first + j) * a->v_row_stride;
    for (size_t d = 0; d < l->width; d += LANES) {
        if (d + LANES <= a->head_dim)
            make_columns(row, count, d, LANES, l->width, pairs, scales);
        else
            make_columns(row, count, d, d < a->head_dim ? a->head_dim - d : 0, l->width, pairs, scales);
    }
}

INLINE void make_tile(const tsr_attention *a, size_t kv_head, const int32_t *rows, size_t first, size_t keys, char *tile) {
    const tsr_tile_layout l = tsr_tile_layout_for(a->head_dim);
    const float *k = (const float *)a->k + kv_head * a->k_head_stride, *v = (const float *)a->v + kv_head * a->v_head_stride;
    *(float *)(tile + l.doubt) = make_keys(a, k, rows, first, keys, &l, (int32_t *)tile, (float *)(tile + l.key_scales));
    make_values(a, v, rows, first, keys, &l, (int32_t *)(tile + l.values), (float *)(tile + l.value_scales));
}

static void code_tile(const tsr_attention *a, size_t kv_head, size_t first, size_t keys, void *tile) {
    make_tile(a, kv_head, NULL, first, keys, tile);
}
