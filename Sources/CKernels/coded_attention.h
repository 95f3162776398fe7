// Attention on 16-bit codes of each instruction set: coded_attention.inc.h, compiled once for each.
#pragma once

#include "include/coded_attention.h"

extern const tsr_coded_attention tsr_coded_attention_scalar, tsr_coded_attention_avx2, tsr_coded_attention_avx512,
    tsr_coded_attention_neon;

// A tile, as one instruction set reads it: keys, their scales, values, their scales, and 0, or NaN where a key is not finite.
// A pair is two codes in 32 bits. Keys lie in panels: of each pair of columns those of PANEL keys. Of each pair
// of values' rows there are those of all columns.
typedef struct {
    size_t keys, pairs, width;  // of a tile; of a row; columns of values, up to whole vectors of every instruction set
    size_t key_scales, values, value_scales, doubt, bytes;
} tsr_tile_layout;

static inline tsr_tile_layout tsr_tile_layout_for(size_t head_dim) {
    tsr_tile_layout l = {.keys = head_dim <= 128 ? 64 : 32, .pairs = (head_dim + 1) / 2, .width = (head_dim + 15) / 16 * 16};
    l.key_scales = l.keys * l.pairs * 4;
    l.values = l.key_scales + l.keys * 4;
    l.value_scales = l.values + l.keys / 2 * l.width * 4;
    l.doubt = l.value_scales + l.width * 4;
    l.bytes = l.doubt + 64;
    return l;
}
