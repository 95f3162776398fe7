// Tiles of packed codes, apart and together. The instruction set does not matter: memory is the limit.
#include "code_layout.h"
#include "include/fit.h"

enum { FACTOR_BYTES = TSR_FIT_ROWS * sizeof(float) };  // of d, and of dm

size_t tsr_fit_groups(const tsr_fit_format *format) { return (format->columns + format->group - 1) / format->group; }

static size_t table_bytes(const tsr_fit_format *format) {
    return (tsr_fit_groups(format) * 2 * TSR_FIT_ROWS + 63) / 64 * 64;
}

static size_t group_bytes(const tsr_fit_format *format) { return group_bytes_of(format->bits, format->group); }

size_t tsr_fit_tile_bytes(const tsr_fit_format *format) {
    return 2 * FACTOR_BYTES + table_bytes(format) + tsr_fit_groups(format) * group_bytes(format);
}

typedef uint8_t code_lanes __attribute__((ext_vector_type(16)));

/// Four columns of codes, [4][16], to a step, [16][4]: bytes of two columns side by side, then pairs of these.
static inline void gather_step(const uint8_t *codes, uint8_t *step) {
    code_lanes column[4];
    memcpy(column, codes, STEP_BYTES);
#define LOW_BYTES 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define HIGH_BYTES 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#define LOW_PAIRS 0, 1, 16, 17, 2, 3, 18, 19, 4, 5, 20, 21, 6, 7, 22, 23
#define HIGH_PAIRS 8, 9, 24, 25, 10, 11, 26, 27, 12, 13, 28, 29, 14, 15, 30, 31
    const code_lanes low = __builtin_shufflevector(column[0], column[1], LOW_BYTES);
    const code_lanes low_next = __builtin_shufflevector(column[2], column[3], LOW_BYTES);
    const code_lanes high = __builtin_shufflevector(column[0], column[1], HIGH_BYTES);
    const code_lanes high_next = __builtin_shufflevector(column[2], column[3], HIGH_BYTES);
    column[0] = __builtin_shufflevector(low, low_next, LOW_PAIRS);
    column[1] = __builtin_shufflevector(low, low_next, HIGH_PAIRS);
    column[2] = __builtin_shufflevector(high, high_next, LOW_PAIRS);
    column[3] = __builtin_shufflevector(high, high_next, HIGH_PAIRS);
    memcpy(step, column, STEP_BYTES);
}

static inline void scatter_step(const uint8_t *step, uint8_t *codes) {
    for (int r = 0; r < TSR_FIT_ROWS; r++)
        for (int i = 0; i < 4; i++) codes[i * TSR_FIT_ROWS + r] = step[r * 4 + i];
}

static void pack_group(const tsr_fit_format *format, const uint8_t *codes, uint8_t *to) {
    memset(to, 0, group_bytes(format));
    for (size_t k = 0; k < format->group; k += 4, codes += STEP_BYTES) {
        uint8_t step[STEP_BYTES];
        gather_step(codes, step);
        pack_step(step, place_of(format->bits, format->group, k), format->bits, to);
    }
}

static void unpack_group(const tsr_fit_format *format, const uint8_t *from, uint8_t *codes) {
    for (size_t k = 0; k < format->group; k += 4, codes += STEP_BYTES) {
        uint8_t step[STEP_BYTES];
        unpack_step(from, place_of(format->bits, format->group, k), format->bits, step);
        scatter_step(step, codes);
    }
}

void tsr_fit_pack(const tsr_fit_format *format, const tsr_fit_parts *parts, uint8_t *tile) {
    size_t groups = tsr_fit_groups(format);
    memcpy(tile, parts->d, FACTOR_BYTES);
    memcpy(tile + FACTOR_BYTES, parts->dm, FACTOR_BYTES);
    uint8_t *table = tile + 2 * FACTOR_BYTES, *codes = table + table_bytes(format);
    memset(table, 0, table_bytes(format));
    for (size_t g = 0; g < groups; g++) {
        memcpy(table + g * 32, parts->scales + g * 16, 16);
        memcpy(table + g * 32 + 16, parts->minimums + g * 16, 16);
        pack_group(format, parts->codes + g * format->group * TSR_FIT_ROWS, codes + g * group_bytes(format));
    }
}

void tsr_published_pack(const tsr_fit_format *format, tsr_packed_scales kind, const tsr_published_parts *parts, uint8_t *tile) {
    const size_t groups = tsr_fit_groups(format), entry = entry_bytes_of(kind), total = table_bytes_of(kind, groups);
    const table_layout table = table_of(kind);
    const size_t scale_bytes = TSR_FIT_ROWS * table.first, minimum_bytes = TSR_FIT_ROWS * table.second;
    memset(tile, 0, total);
    if (table.head) {
        memcpy(tile, parts->factors, FACTOR_BYTES);
        memcpy(tile + FACTOR_BYTES, parts->divisors, FACTOR_BYTES);
    }
    for (size_t g = 0; g < groups; g++) {
        uint8_t *at = tile + table.head + g * entry;
        memcpy(at, (const uint8_t *)parts->scales + g * scale_bytes, scale_bytes);
        if (minimum_bytes) memcpy(at + scale_bytes, (const uint8_t *)parts->minimums + g * minimum_bytes, minimum_bytes);
        pack_group(format, parts->codes + g * format->group * TSR_FIT_ROWS, tile + total + g * group_bytes(format));
    }
}

void tsr_fit_unpack(const tsr_fit_format *format, const uint8_t *tile, tsr_fit_parts *parts) {
    size_t groups = tsr_fit_groups(format);
    memcpy(parts->d, tile, FACTOR_BYTES);
    memcpy(parts->dm, tile + FACTOR_BYTES, FACTOR_BYTES);
    const uint8_t *table = tile + 2 * FACTOR_BYTES, *codes = table + table_bytes(format);
    for (size_t g = 0; g < groups; g++) {
        memcpy(parts->scales + g * 16, table + g * 32, 16);
        memcpy(parts->minimums + g * 16, table + g * 32 + 16, 16);
        unpack_group(format, codes + g * group_bytes(format), parts->codes + g * format->group * TSR_FIT_ROWS);
    }
}

void tsr_fit_row(const tsr_fit_format *format, const uint8_t *tile, size_t row, float *out) {
#pragma STDC FP_CONTRACT OFF
    float factors[2 * TSR_FIT_ROWS];
    memcpy(factors, tile, sizeof factors);
    const uint8_t *table = tile + 2 * FACTOR_BYTES, *codes = table + table_bytes(format);
    for (size_t k = 0; k < format->columns; k++) {
        size_t g = k / format->group;
        uint8_t q = code_at(codes + g * group_bytes(format), format->bits, format->group, k % format->group, row);
        float scale = factors[row] * table[g * 32 + row];
        float minimum = factors[TSR_FIT_ROWS + row] * table[g * 32 + 16 + row];
        out[k] = scale * q - minimum;
    }
}
