// Codes of up to 8 bits in whatever order a checkpoint packs them: taken apart for sixteen rows, and made into floats.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { TSR_CODE_ROWS = 16 };

/// Where the codes of at most 16 rows of a matrix lie when no code is in two words. The code of row r and column k is in the
/// word that begins at `words` + row_offsets[r] + k / columns_per_word · column_stride, from bit row_bits[r] +
/// column_bits[k % columns_per_word] on. Words are little-endian, at any address.
typedef struct {
    const uint8_t *words;
    size_t word_bytes;  // 1 or 4
    size_t rows;
    size_t row_offsets[TSR_CODE_ROWS];
    uint8_t row_bits[TSR_CODE_ROWS];
    size_t column_stride, columns_per_word;
    uint8_t column_bits[16];
    uint8_t mask;  // 2^bits − 1
    uint8_t flip;  // XORed to each code
} tsr_packed_codes;

/// Unpacks the codes of `columns` columns to [column][16]; the places of missing rows are left alone.
void tsr_codes_unpack(const tsr_packed_codes *packed, size_t columns, uint8_t *codes);

/// How codes follow each other in a line of 32-bit words.
typedef enum {
    TSR_CODE_STREAM = 0,  // code i from bit i·bits on: some are in two words
    TSR_CODE_PLANES = 1,  // of each 32 codes in `bits` words first the low bits, in planes of 4, 2 and 1 bits
} tsr_code_order;

/// Code `index` of the line of words, `stride` bytes from one to the next, that begins at `line`; its bytes are all that is read.
uint8_t tsr_code_in_line(const uint8_t *line, size_t stride, size_t index, unsigned bits, tsr_code_order order);

/// Unpacks `count` codes of such a line to every 16th place of `codes`.
void tsr_codes_unpack_line(const uint8_t *line, size_t stride, size_t count, unsigned bits, tsr_code_order order, uint8_t *codes);

/// out[r·stride + k] = (values[code] − zeros[r])·scales[r] of codes [columns][16], for `rows` rows; each operation is rounded.
void tsr_codes_to_floats(const uint8_t *codes, size_t columns, size_t rows, const float values[256], const float *scales,
                         const uint8_t *zeros, float *out, size_t stride);

/// out[r·stride + k] = values[code]·scales[r] + biases[r], as above.
void tsr_codes_to_biased_floats(const uint8_t *codes, size_t columns, size_t rows, const float values[256], const float *scales,
                                const float *biases, float *out, size_t stride);

/// out[i] = values[code]·scale of `count` 4-bit codes from code `first` of `bytes` on, the even ones in the high nibbles.
void tsr_nibbles_to_floats(const uint8_t *bytes, size_t first, size_t count, const float values[16], float scale, float *out);
