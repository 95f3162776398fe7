// Weights in blocks, as GGUF files hold them: so many elements beside each other in a row, with scales of their own.
#pragma once

#include <stddef.h>
#include <stdint.h>

/// The kinds of blocks, by the numbers that GGUF gives them.
typedef enum {
    TSR_BLOCK_Q4_0 = 2,
    TSR_BLOCK_Q4_1 = 3,
    TSR_BLOCK_Q5_0 = 6,
    TSR_BLOCK_Q5_1 = 7,
    TSR_BLOCK_Q8_0 = 8,
    TSR_BLOCK_Q2_K = 10,
    TSR_BLOCK_Q3_K = 11,
    TSR_BLOCK_Q4_K = 12,
    TSR_BLOCK_Q5_K = 13,
    TSR_BLOCK_Q6_K = 14,
    TSR_BLOCK_IQ4_NL = 20,
    TSR_BLOCK_IQ4_XS = 23,
    TSR_BLOCK_MXFP4 = 39,
} tsr_block_kind;

/// Unpacks `count` blocks, one behind the other at any address, to the floats that they stand for. Each operation is rounded,
/// in the order of ggml's own: the floats are the same bit for bit.
///
/// Returns `count`, or the number of the first block with a scale that is NaN or infinite; what follows is left alone then.
size_t tsr_blocks_to_floats(tsr_block_kind kind, const uint8_t *blocks, size_t count, float *out);

enum { TSR_BLOCK_ROWS = 16 };

/// Takes the blocks of at most 16 rows apart, `count` of each, for the kinds whose blocks are 32 codes with one scale: Q4_0,
/// Q4_1, Q5_0, Q5_1, Q8_0, MXFP4. w = scale·(code − zero) + bias, where zero is 8, 16 or 128 and there is no bias, or zero is 0;
/// codes of MXFP4 are 4-bit floats, and its scales bytes of exponents.
///
/// Codes go to [column][16], scales and biases, which are float16, to [block][16]; the places of missing rows are left alone,
/// and so are the biases of a kind that has none. Row r begins at `rows` + r·`pitch`.
void tsr_blocks_to_codes(tsr_block_kind kind, const uint8_t *rows, size_t pitch, size_t row_count, size_t count,
                         uint8_t *codes, uint16_t *scales, uint16_t *biases);
