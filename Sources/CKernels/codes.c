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

/// The bits of byte `index` of a line of words and of the one after it, the latter only where `both`.
INLINE unsigned bytes_of(const uint8_t *line, size_t stride, size_t index, int both) {
    const unsigned low = line[index / 4 * stride + index % 4];
    return both ? low | (unsigned)line[(index + 1) / 4 * stride + (index + 1) % 4] << 8 : low;
}

INLINE uint8_t streamed(const uint8_t *line, size_t stride, size_t index, unsigned bits) {
    const size_t bit = index * bits;
    const unsigned shift = bit % 8;
    return (uint8_t)(bytes_of(line, stride, bit / 8, shift + bits > 8) >> shift & ((1u << bits) - 1));
}

INLINE uint8_t planar(const uint8_t *line, size_t stride, size_t index, unsigned bits) {
    const uint8_t *block = line + index / 32 * bits * stride;
    unsigned code = 0, have = 0;
    while (have < bits) {
        const unsigned left = bits - have, width = left >= 4 ? left / 8 * 4 + 4 : left >= 2 ? 2 : 1;
        const size_t bit = index % 32 * width;
        code |= (bytes_of(block + have * stride, stride, bit / 8, 0) >> bit % 8 & ((1u << width) - 1)) << have;
        have += width;
    }
    return (uint8_t)code;
}

uint8_t tsr_code_in_line(const uint8_t *line, size_t stride, size_t index, unsigned bits, tsr_code_order order) {
    return order == TSR_CODE_PLANES ? planar(line, stride, index, bits) : streamed(line, stride, index, bits);
}

void tsr_codes_unpack_line(const uint8_t *line, size_t stride, size_t count, unsigned bits, tsr_code_order order, uint8_t *codes) {
    if (order == TSR_CODE_PLANES)
        for (size_t k = 0; k < count; k++) codes[k * TSR_CODE_ROWS] = planar(line, stride, k, bits);
    else
        for (size_t k = 0; k < count; k++) codes[k * TSR_CODE_ROWS] = streamed(line, stride, k, bits);
}

void tsr_codes_to_floats(const uint8_t *codes, size_t columns, size_t rows, const float values[256], const float *scales,
                         const uint8_t *zeros, float *out, size_t stride) {
    for (size_t r = 0; r < rows; r++, codes++, out += stride) {
        const float scale = scales[r], zero = zeros[r];
        for (size_t k = 0; k < columns; k++) out[k] = (values[codes[k * TSR_CODE_ROWS]] - zero) * scale;
    }
}

void tsr_codes_to_biased_floats(const uint8_t *codes, size_t columns, size_t rows, const float values[256], const float *scales,
                                const float *biases, float *out, size_t stride) {
    for (size_t r = 0; r < rows; r++, codes++, out += stride) {
        const float scale = scales[r], bias = biases[r];
        for (size_t k = 0; k < columns; k++) out[k] = values[codes[k * TSR_CODE_ROWS]] * scale + bias;
    }
}

void tsr_nibbles_to_floats(const uint8_t *bytes, size_t first, size_t count, const float values[16], float scale, float *out) {
    float scaled[16];
    for (size_t i = 0; i < 16; i++) scaled[i] = values[i] * scale;
    for (size_t i = first; i < first + count; i++) *out++ = scaled[i % 2 ? bytes[i / 2] & 15 : bytes[i / 2] >> 4];
}
