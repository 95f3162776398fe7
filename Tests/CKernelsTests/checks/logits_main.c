// Compares rows of logits on every instruction set of this processor with the plain form: the same bits.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tessera_kernels.h"

enum { COLUMNS = 3001 };

static float base[COLUMNS], other[COLUMNS];

static int check(tsr_isa isa, size_t count) {
    tsr_logit_pair pair, expected;
    memset(&pair, 0, sizeof pair);
    memset(&expected, 0, sizeof expected);
    tsr_compare_logits_with(TSR_ISA_SCALAR, base, other, count, &expected);
    tsr_compare_logits_with(isa, base, other, count, &pair);
    return memcmp(&pair, &expected, sizeof pair) != 0;
}

int main(void) {
    for (size_t i = 0; i < COLUMNS; i++) {
        base[i] = (float)rand() / (float)RAND_MAX * 20;
        other[i] = base[i] + (float)rand() / (float)RAND_MAX;
    }
    base[7] = other[7] = -INFINITY;
    int failures = 0;
    for (int isa = TSR_ISA_SCALAR + 1; isa < TSR_ISA_COUNT; isa++) {
        if (!tsr_isa_available(isa)) continue;
        int differing = 0;
        for (size_t count = 1; count <= COLUMNS; count += count < 70 ? 1 : 733) differing += check(isa, count);
        printf("logits %s: %s\n", tsr_isa_name(isa), differing ? "failed" : "the bits of plain C");
        failures += differing;
    }
    return failures != 0;
}
