// Where the parts of a tile and the codes of a group lie; `include/packed.h` says it in words.
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "include/packed.h"

enum { STEP_BYTES = 64 };

/// What comes before the codes of a tile: `head` bytes, then for each group two values a row, of so many bytes each.
typedef struct {
    size_t head, first, second;
} table_layout;

static inline table_layout table_of(tsr_packed_scales kind) {
    static const table_layout tables[TSR_PACKED_KINDS] = {
        [TSR_ROW_FACTORS] = {128, 1, 1}, [TSR_ZERO_POINTS] = {0, 2, 1}, [TSR_BIASES] = {0, 2, 2},
        [TSR_MXFP4] = {128, 1, 0},       [TSR_NVFP4] = {128, 1, 0},
    };
    return tables[kind];
}

/// Bytes that a group has in the table.
static inline size_t entry_bytes_of(tsr_packed_scales kind) {
    return TSR_TILE_ROWS * (table_of(kind).first + table_of(kind).second);
}

/// Bytes of all that comes before the codes.
static inline size_t table_bytes_of(tsr_packed_scales kind, size_t groups) {
    return table_of(kind).head + (groups * entry_bytes_of(kind) + 63) / 64 * 64;
}

/// Bytes of the codes of one group of a tile.
static inline size_t group_bytes_of(uint32_t bits, size_t group) { return 2 * group * bits; }

/// Bits of a code above its nibble; codes of 8 bits have no nibbles.
static inline uint32_t upper_bits_of(uint32_t bits) { return bits == 8 ? 0 : bits - 4; }

/// Where four columns of the sixteen rows of a group lie: a step of bytes or nibbles, and one of the bits above those.
typedef struct {
    size_t step;         // the offset of their bytes
    uint32_t shift;      // 0, or 4 for the high nibbles
    size_t upper;        // the offset of the bytes with the bits above
    uint32_t upper_shift;
} step_place;

/// The place of columns k to k + 3 of a group, k a multiple of 4.
static inline step_place place_of(uint32_t bits, size_t group, size_t k) {
    if (bits == 8) return (step_place){.step = k / 4 * STEP_BYTES};
    const size_t half = group / 2, high = k >= half, step = (high ? k - half : k) / 4;
    step_place place = {.step = step * STEP_BYTES, .shift = high ? 4 : 0};
    const uint32_t upper = upper_bits_of(bits);
    if (upper) {
        const size_t served = 4 / upper;  // steps whose upper bits share a byte
        place.upper = (half / 4 + step / served) * STEP_BYTES;
        place.upper_shift = (uint32_t)(step % served * 2 + high) * upper;
    }
    return place;
}

/// The 64 codes at a place, [row][4].
static inline void unpack_step(const uint8_t *group, step_place place, uint32_t bits, uint8_t codes[STEP_BYTES]) {
    const uint8_t *step = group + place.step, *above = group + place.upper;
    if (bits == 8) {
        memcpy(codes, step, STEP_BYTES);
        return;
    }
    const uint8_t mask = (uint8_t)((1u << upper_bits_of(bits)) - 1);
    for (int i = 0; i < STEP_BYTES; i++)
        codes[i] = (uint8_t)((step[i] >> place.shift & 15) | (above[i] >> place.upper_shift & mask) << 4);
}

/// Adds 64 codes, [row][4], to a group that is zero where they go.
static inline void pack_step(const uint8_t codes[STEP_BYTES], step_place place, uint32_t bits, uint8_t *group) {
    uint8_t *step = group + place.step, *above = group + place.upper;
    if (bits == 8) {
        memcpy(step, codes, STEP_BYTES);
        return;
    }
    for (int i = 0; i < STEP_BYTES; i++) step[i] |= (uint8_t)((codes[i] & 15) << place.shift);
    if (bits == 4) return;
    for (int i = 0; i < STEP_BYTES; i++) above[i] |= (uint8_t)(codes[i] >> 4 << place.upper_shift);
}

/// One code of a group.
static inline uint8_t code_at(const uint8_t *group, uint32_t bits, size_t size, size_t k, size_t row) {
    const step_place place = place_of(bits, size, k / 4 * 4);
    const size_t i = row * 4 + k % 4;
    if (bits == 8) return group[place.step + i];
    const uint8_t mask = (uint8_t)((1u << upper_bits_of(bits)) - 1);
    return (uint8_t)((group[place.step + i] >> place.shift & 15) | (group[place.upper + i] >> place.upper_shift & mask) << 4);
}
