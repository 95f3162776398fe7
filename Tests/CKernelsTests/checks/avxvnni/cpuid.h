// It stands in for the compiler's header: a processor that has AVX-VNNI.
#pragma once

static inline int __get_cpuid_count(unsigned leaf, unsigned subleaf, unsigned *a, unsigned *b, unsigned *c, unsigned *d) {
    *a = leaf == 7 && subleaf == 1 ? 1u << 4 : 0;
    *b = *c = *d = 0;
    return 1;
}
