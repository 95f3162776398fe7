// Codes of 4 or 8 bits in whatever order a checkpoint packs them: taken apart for sixteen rows, and made into floats.
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { TSR_CODE_ROWS = 16 };

/// Where the codes of at most 16 rows of a matrix lie. The code of row r and column k is in the word that begins at
/// `words` + row_offsets[r] + k / columns_per_word · column_stride, from bit row_bits[r] + column_bits[k % columns_per_word]
/// on. Words are little-endian, at any address.
typedef struct {
    const uint8_t *words;
    size_t word_bytes;  // 1 or 4
    size_t rows;
    size_t row_offsets[TSR_CODE_ROWS];
    uint8_t row_bits[TSR_CODE_ROWS];
    size_t column_stride, columns_per_word;
    uint8_t column_bits[8];
    uint8_t mask;  // 15 or 255
    uint8_t flip;  // XORed to each code
} tsr_packed_codes;

/// Unpacks the codes of `columns` columns to [column][16]; the places of missing rows are left alone.
void tsr_codes_unpack(const tsr_packed_codes *packed, size_t columns, uint8_t *codes);

/// out[r·stride + k] = (values[code] − zeros[r])·scales[r] of codes [columns][16], for `rows` rows; each operation is rounded.
void tsr_codes_to_floats(const uint8_t *codes, size_t columns, size_t rows, const float values[256], const float *scales,
                         const uint8_t *zeros, float *out, size_t stride);
