// Attention on 16-bit codes: for what was computed of quantized weights, at twice the speed of floats and more.
//
// softmax(scale·q kᵀ) v, where
// - rows of q and k are codes of at most L = ⌊√(2³¹ / head_dim)⌋ − 1 times a scale: a row's largest magnitude / L, so that their products
//   are sums of whole numbers below 2³¹;
// - keys lie in tiles, counted from the first that is seen; a tile's weights are 2^(score − the tile's peak) times 5792, and its values
//   codes of at most 5792 with a scale for each column: 64 · 5792² is below 2³¹, too;
// - a query's sums of tiles are added in float32, scaled by 2^(tile's peak − the largest so far).
// Every sum of codes is exact and every float operation is rounded by itself, so that all instruction sets give the same bits; a query's
// depend on its own row and on the keys' tiles alone. Rows that are not finite make NaN of whatever sees them; magnitudes
// below 2⁻¹⁰⁰ count as nothing.
#pragma once

#include "floats.h"

/// Keys of a tile, and the bytes that it takes, a multiple of 64.
size_t tsr_code_tile_keys(size_t head_dim);
size_t tsr_code_tile_bytes(size_t head_dim);

/// Makes the tile of one key head's keys [first, first + keys), at most as many as a tile has; keys and values must be f32. `tile` is
/// aligned to 64 bytes.
void tsr_code_tile(const tsr_attention *a, size_t kv_head, size_t first, size_t keys, void *tile);

/// softmax(scale·q kᵀ) v for queries [q_begin, q_end) of one head; all see `keys` keys, whose tiles follow each other.
void tsr_attend_coded(const tsr_attention *a, size_t head, size_t q_begin, size_t q_end, const void *tiles, size_t keys);

/// The same for one head within a set of rows, which are its queries and its keys.
void tsr_attend_coded_rows(const tsr_attention *a, size_t head, const int32_t *rows, size_t count);

/// One instruction set's kernels, named as the functions above.
typedef struct {
    void (*code_tile)(const tsr_attention *, size_t, size_t, size_t, void *);
    void (*attend)(const tsr_attention *, size_t, size_t, size_t, const void *, size_t);
    void (*attend_rows)(const tsr_attention *, size_t, const int32_t *, size_t);
} tsr_coded_attention;

/// The kernels of `isa`, which must be available.
const tsr_coded_attention *tsr_coded_attention_for(tsr_isa isa);
