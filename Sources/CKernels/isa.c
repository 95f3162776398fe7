#include "isa.h"

#include <stdlib.h>
#include <string.h>
#if defined(__aarch64__)
#include <sys/auxv.h>
#elif defined(__x86_64__)
#include <cpuid.h>
#endif

static const char *const names[TSR_ISA_COUNT] = {"scalar", "avx2", "avxvnni", "avx512", "neon", "dotprod", "i8mm"};

const char *tsr_isa_name(tsr_isa isa) { return names[isa]; }

int tsr_isa_available(tsr_isa isa) {
    switch (isa) {
    case TSR_ISA_SCALAR:
        return 1;
#if defined(__x86_64__)
    case TSR_ISA_AVX2:
        return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case TSR_ISA_AVXVNNI: {
        unsigned a, b, c, d;
        return tsr_isa_available(TSR_ISA_AVX2) && __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & 1u << 4) != 0;
    }
    case TSR_ISA_AVX512:
        return tsr_isa_available(TSR_ISA_AVX2) && __builtin_cpu_supports("avx512f") &&
               __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl") &&
               __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vnni");
#elif defined(__aarch64__)
    case TSR_ISA_NEON:
        return 1;
    case TSR_ISA_DOTPROD:
        return (getauxval(AT_HWCAP) & (1u << 20)) != 0;  // HWCAP_ASIMDDP
    case TSR_ISA_I8MM:
        return tsr_isa_available(TSR_ISA_DOTPROD) && (getauxval(AT_HWCAP2) & (1u << 13)) != 0;  // HWCAP2_I8MM
#endif
    default:
        return 0;
    }
}

static tsr_isa chosen;
static const char *refused;

// Before main, so that every later read is of a constant.
__attribute__((constructor)) static void choose(void) {
#if defined(__x86_64__)
    __builtin_cpu_init();
#endif
    for (int isa = 0; isa < TSR_ISA_COUNT; isa++)
        if (tsr_isa_available(isa)) chosen = isa;
    const char *wish = getenv("TESSERA_ISA");
    if (!wish) return;
    for (int isa = 0; isa < TSR_ISA_COUNT; isa++)
        if (strcmp(wish, names[isa]) == 0 && tsr_isa_available(isa)) {
            chosen = isa;
            return;
        }
    // A copy: the program may change its environment.
    refused = strdup(wish);
}

tsr_isa tsr_isa_in_use(void) { return chosen; }

const char *tsr_isa_refused(void) { return refused; }
