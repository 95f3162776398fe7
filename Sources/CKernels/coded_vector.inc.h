// Vectors for attention on codes. Every operation is rounded by itself, so that all instruction sets give the same bits.
#include <string.h>

#include "coded_attention.h"
#include "float_vector.inc.h"

#pragma clang fp contract(off)

typedef uint32_t wide_bits __attribute__((ext_vector_type(LANES)));

enum {
    MAGIC_BITS = 0x4b400000,   // 1.5·2²³: added, it rounds to a whole number, left in the low bits, two's complement
    LARGEST_FINITE = 0x7f7fffff,
    UNIT = 5792,               // codes of weights and values: 64·UNIT² < 2³¹
};
#define MAGIC 0x1.8p23f

INLINE wide_int load_int(const void *p) {
    wide_int x;
    memcpy(&x, p, sizeof x);
    return x;
}

INLINE void store_int(void *p, wide_int x) { memcpy(p, &x, sizeof x); }

INLINE wide_int magnitude_bits(wide x) { return (wide_int)x & 0x7fffffff; }

INLINE wide_int greater_int(wide_int a, wide_int b) { return a > b ? a : b; }

INLINE wide_int first_lanes(size_t count) {
    wide_int lane;
#pragma clang loop unroll(full)
    for (size_t l = 0; l < LANES; l++) lane[l] = (int32_t)l;
    return lane < (int32_t)count;
}

// unit·2^y for y ≤ 0, and y below −126 taken for it; relative error 3e-6, none at 0.
INLINE wide power(wide y, float unit) {
    y = y < -126 ? (wide)-126 : y;
    const wide shifted = y + MAGIC;
    const wide f = y - (shifted - MAGIC);
    // The minimax polynomial of 2^f over |f| ≤ ½ that is 1 at 0.
    wide p = f * (unit * 0x1.3a02ccp-7f) + unit * 0x1.c9fc46p-5f;
    p = p * f + unit * 0x1.ec0378p-3f;
    p = p * f + unit * 0x1.62e12cp-1f;
    p = p * f + unit;
    return (wide)((wide_bits)p + ((wide_bits)shifted << 23));
}
