// Attention on codes, for the instruction set that the including file sets up: TABLE, LANES, NARROW, ROWS × VECS accumulators, and
// add_pairs, which adds the products of pairs of 16-bit codes.
#include "coded_rows.inc.h"

enum {
    MOST_QUERIES = 48,    // a multiple of every ROWS
    MOST_SUMS = 4096,
    SPARE = 16,           // vectors over queries may reach beyond
};

typedef struct {
    tsr_tile_layout layout;
    size_t queries;                                      // with those that fill the last group of ROWS
    _Alignas(64) int32_t codes[MOST_SUMS / 2];           // in pairs, the first of each of a group's rows, then the second, …
    _Alignas(64) float sums[MOST_SUMS];                  // Σ weight·value
    _Alignas(64) float scores[ROWS * KEYS];              // of a group of queries, in units of the query's scale
    _Alignas(64) int32_t weights[ROWS * KEYS / 2];       // in pairs
    float factors[MOST_QUERIES + SPARE];                 // from a score to an exponent of 2
    float peaks[MOST_QUERIES + SPARE];                   // the largest score so far
    float totals[MOST_QUERIES + SPARE];                  // Σ weight
} coded_scratch;
_Static_assert(sizeof(coded_scratch) <= 32768, "on the stack of every thread");

// out[r][v] = Σ_s a[r*a_stride + s*a_step]·b[s, v] over pairs.
INLINE void multiply_pairs(size_t vecs, const int32_t *a, size_t a_stride, size_t a_step, const int32_t *b, size_t b_stride,
                           size_t steps, wide_int out[ROWS][VECS]) {
    pair_sums sums[ROWS][VECS];
    memset(sums, 0, sizeof sums);
    for (size_t s = 0; s < steps; s++) {
        wide_int column[VECS];
#pragma clang loop unroll(full)
        for (size_t v = 0; v < vecs; v++) column[v] = load_int(b + s * b_stride + v * LANES);
#pragma clang loop unroll(full)
        for (size_t r = 0; r < ROWS; r++) {
            const wide_int pair = a[r * a_stride + s * a_step];
#pragma clang loop unroll(full)
            for (size_t v = 0; v < vecs; v++) sums[r][v] = add_pairs(sums[r][v], column[v], pair);
        }
    }
#pragma clang loop unroll(full)
    for (size_t r = 0; r < ROWS; r++)
#pragma clang loop unroll(full)
        for (size_t v = 0; v < vecs; v++) out[r][v] = total_of(sums[r][v]);
}

// The scores of a group of queries and a tile's keys.
INLINE void score_group(coded_scratch *s, size_t i, const char *tile, size_t keys) {
    const float *scales = (const float *)(tile + s->layout.key_scales);
    const size_t pairs = s->layout.pairs;
    for (size_t j = 0; j < keys; j += PANEL) {
        wide_int sums[ROWS][VECS];
        multiply_pairs(VECS, s->codes + i * pairs, 1, ROWS, (const int32_t *)tile + j * pairs, PANEL, pairs, sums);
#pragma clang loop unroll(full)
        for (size_t v = 0; v < VECS; v++) {
            const wide scale = load(scales + j + v * LANES);
#pragma clang loop unroll(full)
            for (size_t r = 0; r < ROWS; r++)
                store(s->scores + r * KEYS + j + v * LANES, __builtin_convertvector(sums[r][v], wide) * scale);
        }
    }
}

// The largest of a query's scores of a tile.
INLINE float peak_of(const float *scores, size_t keys) {
    wide highest = -__builtin_inff();
    size_t j = 0;
    for (; j + LANES <= keys; j += LANES) {
        const wide x = load(scores + j);
        highest = x > highest ? x : highest;
    }
    if (j < keys) {
        const wide x = first_lanes(keys - j) ? load(scores + j) : highest;
        highest = x > highest ? x : highest;
    }
    return __builtin_reduce_max(highest);
}

INLINE wide_int weight_bits(const float *scores, float peak, float factor) {
    const wide y = (load(scores) - peak) * factor;
    return (wide_int)(power(y, UNIT) + MAGIC);
}

// Codes of a query's weights, zero from `keys` on up to whole vectors, and their sum.
INLINE float weigh(const float *scores, size_t keys, float peak, float factor, int16_t *codes) {
    wide_bits total = 0;
    size_t j = 0;
    for (; j + 2 * LANES <= keys; j += 2 * LANES) {
        const wide_int one = weight_bits(scores + j, peak, factor), two = weight_bits(scores + j + LANES, peak, factor);
        total += (wide_bits)one + (wide_bits)two - 2u * MAGIC_BITS;
        store_shorts_twice(codes + j, one, two);
    }
    for (; j + LANES <= keys; j += LANES) {
        const wide_int bits = weight_bits(scores + j, peak, factor);
        total += (wide_bits)bits - MAGIC_BITS;
        store_shorts(codes + j, bits);
    }
    if (j < keys) {
        const wide_int bits = first_lanes(keys - j) ? weight_bits(scores + j, peak, factor) : (wide_int)MAGIC_BITS;
        total += (wide_bits)bits - MAGIC_BITS;
        store_shorts(codes + j, bits);
    }
    return (float)(int32_t)__builtin_reduce_add(total);
}

// sums = sums · shrink + weights · values · grow, for columns from d on.
INLINE void blend_columns(size_t vecs, coded_scratch *s, size_t i, size_t d, const char *tile, size_t keys,
                          const float *shrink, const float *grow) {
    const int32_t *values = (const int32_t *)(tile + s->layout.values) + d;
    const float *scales = (const float *)(tile + s->layout.value_scales) + d;
    const size_t width = s->layout.width;
    wide_int products[ROWS][VECS];
    multiply_pairs(vecs, s->weights, KEYS / 2, 1, values, width, (keys + 1) / 2, products);
#pragma clang loop unroll(full)
    for (size_t v = 0; v < vecs; v++) {
        const wide scale = load(scales + v * LANES);
#pragma clang loop unroll(full)
        for (size_t r = 0; r < ROWS; r++) {
            float *sums = s->sums + (i + r) * width + d + v * LANES;
            store(sums, load(sums) * shrink[r] + __builtin_convertvector(products[r][v], wide) * (scale * grow[r]));
        }
    }
}

// What a tile adds to a group of queries.
INLINE void attend_group(coded_scratch *s, size_t i, const char *tile, size_t keys) {
    _Alignas(64) float peaks[SPARE] = {0}, counts[SPARE] = {0}, shrink[SPARE], grow[SPARE];
    const float doubt = *(const float *)(tile + s->layout.doubt);
    score_group(s, i, tile, keys);
    for (size_t r = 0; r < ROWS; r++) {
        peaks[r] = peak_of(s->scores + r * KEYS, keys);
        counts[r] = weigh(s->scores + r * KEYS, keys, peaks[r], s->factors[i + r],
                          (int16_t *)(s->weights + r * KEYS / 2));
    }
    for (size_t r = 0; r < ROWS; r += LANES) {
        const wide factor = load(s->factors + i + r), before = load(s->peaks + i + r), own = load(peaks + r);
        const wide peak = own > before ? own : before;
        const wide less = power((before - peak) * factor, 1), more = power((own - peak) * factor, 1);
        const wide total = load(s->totals + i + r) * less + load(counts + r) * more;
        store(shrink + r, less);
        store(grow + r, more);
        // A peak that is not finite makes NaN of the total.
        store_first(s->totals + i + r, total + (own * 0 + doubt), ROWS - r);
        store_first(s->peaks + i + r, peak, ROWS - r);
    }
    size_t d = 0;
    for (; d + PANEL <= s->layout.width; d += PANEL) blend_columns(VECS, s, i, d, tile, keys, shrink, grow);
    for (; d < s->layout.width; d += LANES) blend_columns(1, s, i, d, tile, keys, shrink, grow);
}

INLINE size_t row_number(const int32_t *rows, size_t i) { return rows ? (size_t)rows[i] : i; }

// Codes of up to s->queries queries from `begin` on, and nothing summed yet.
INLINE void begin_queries(const tsr_attention *a, coded_scratch *s, size_t head, const int32_t *rows, size_t begin,
                          size_t count) {
    const float limit = code_limit(a->head_dim), unit = a->scale * 0x1.715476p0f / limit;  // log₂ e
    s->queries = round_up(count, ROWS);
    memset(s->sums, 0, s->queries * s->layout.width * sizeof *s->sums);
    for (size_t i = 0; i < s->queries; i++) {
        int32_t codes[128] = {0};
        float largest = 0;
        if (i < count)
            largest = code_row(a->q + row_number(rows, begin + i) * a->q_stride + head * a->head_dim, a->head_dim, limit,
                               (int16_t *)codes);
        int32_t *pairs = s->codes + i / ROWS * ROWS * s->layout.pairs + i % ROWS;
        for (size_t p = 0; p < s->layout.pairs; p++) pairs[p * ROWS] = codes[p];
        const int is_finite = largest - largest == 0;
        s->factors[i] = is_finite ? largest * unit : 0;
        s->totals[i] = is_finite ? 0 : __builtin_nanf("");
        s->peaks[i] = -0x1p126f;  // finite, so that what it is multiplied by may be 0
    }
}

INLINE void end_queries(const tsr_attention *a, const coded_scratch *s, size_t head, const int32_t *rows, size_t begin,
                        size_t count) {
    for (size_t i = 0; i < count; i++) {
        const float total = s->totals[i], share = total == 0 ? 0 : 1 / total;
        float *y = a->y + row_number(rows, begin + i) * a->y_stride + head * a->head_dim;
        for (size_t d = 0; d < a->head_dim; d++) y[d] = s->sums[i * s->layout.width + d] * share;
    }
}

// Sets a scratch up for heads of `head_dim` and gives how many queries it holds.
INLINE size_t prepare(coded_scratch *s, size_t head_dim) {
    s->layout = tsr_tile_layout_for(head_dim);
    return lesser(MOST_QUERIES, MOST_SUMS / s->layout.width / ROWS * ROWS);
}

static void attend_tile(coded_scratch *s, const char *tile, size_t keys) {
    for (size_t i = 0; i < s->queries; i += ROWS) attend_group(s, i, tile, keys);
}

static void attend(const tsr_attention *a, size_t head, size_t q_begin, size_t q_end, const void *tiles, size_t keys) {
    coded_scratch s;
    const size_t most = prepare(&s, a->head_dim);
    for (size_t begin = q_begin; begin < q_end; begin += most) {
        const size_t count = lesser(most, q_end - begin);
        begin_queries(a, &s, head, NULL, begin, count);
        for (size_t first = 0; first < keys; first += s.layout.keys)
            attend_tile(&s, (const char *)tiles + first / s.layout.keys * s.layout.bytes, lesser(s.layout.keys, keys - first));
        end_queries(a, &s, head, NULL, begin, count);
    }
}

static void attend_rows(const tsr_attention *a, size_t head, const int32_t *rows, size_t count) {
    coded_scratch s;
    _Alignas(64) char tile[MOST_TILE_BYTES];
    const size_t most = prepare(&s, a->head_dim), kv_head = head * a->kv_heads / a->heads;
    // A window of one tile, as they are, is coded once.
    if (count <= s.layout.keys) make_tile(a, kv_head, rows, 0, count, tile);
    for (size_t begin = 0; begin < count; begin += most) {
        const size_t queries = lesser(most, count - begin);
        begin_queries(a, &s, head, rows, begin, queries);
        for (size_t first = 0; first < count; first += s.layout.keys) {
            const size_t keys = lesser(s.layout.keys, count - first);
            if (count > s.layout.keys) make_tile(a, kv_head, rows, first, keys, tile);
            attend_tile(&s, tile, keys);
        }
        end_queries(a, &s, head, rows, begin, queries);
    }
}

const tsr_coded_attention TABLE = {.code_tile = code_tile, .attend = attend, .attend_rows = attend_rows};
