// The instruction set does not matter here: memory is the limit.
#include "include/codes.h"

#include <string.h>

#pragma STDC FP_CONTRACT OFF

#define INLINE static inline __attribute__((always_inline))

INLINE uint32_t load(const uint8_t *at, size_t word_bytes) {
    uint32_t word = 0;
    memcpy(&word, at, word_bytes);
    return word;
}

/// With the number of rows and the kind of words constants of the caller.
INLINE void unpack(const tsr_packed_codes *p, size_t columns, uint8_t *codes, size_t rows, size_t word_bytes) {
    const uint8_t *start = p->words, mask = p->mask, flip = p->flip;
    for (size_t k = 0; k < columns; k += p->columns_per_word, start += p->column_stride) {
        uint32_t words[TSR_CODE_ROWS];
        for (size_t r = 0; r < rows; r++) words[r] = load(start + p->row_offsets[r], word_bytes) >> p->row_bits[r];
        const size_t count = columns - k < p->columns_per_word ? columns - k : p->columns_per_word;
        for (size_t i = 0; i < count; i++, codes += TSR_CODE_ROWS)
            for (size_t r = 0; r < rows; r++) codes[r] = (uint8_t)(words[r] >> p->column_bits[i] & mask) ^ flip;
    }
}

void tsr_codes_unpack(const tsr_packed_codes *packed, size_t columns, uint8_t *codes) {
    if (packed->word_bytes == 1) unpack(packed, columns, codes, packed->rows, 1);
    else if (packed->rows == TSR_CODE_ROWS) unpack(packed, columns, codes, TSR_CODE_ROWS, 4);
    else unpack(packed, columns, codes, packed->rows, 4);
}

void tsr_codes_to_floats(const uint8_t *codes, size_t columns, size_t rows, const float values[256], const float *scales,
                         const uint8_t *zeros, float *out, size_t stride) {
    for (size_t r = 0; r < rows; r++, codes++, out += stride) {
        const float scale = scales[r], zero = zeros[r];
        for (size_t k = 0; k < columns; k++) out[k] = (values[codes[k * TSR_CODE_ROWS]] - zero) * scale;
    }
}
