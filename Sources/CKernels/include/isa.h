// Instruction sets the kernels are written for, and which one is in use.
#pragma once

typedef enum {
    TSR_ISA_SCALAR = 0,   // plain C; the reference
    TSR_ISA_AVX2 = 1,     // AVX2 + FMA + F16C
    TSR_ISA_AVXVNNI = 2,  // the same with the dot products of AVX-VNNI, which only the packed kernels use
    TSR_ISA_AVX512 = 3,   // AVX-512 F/BW/VL/DQ + VNNI
    TSR_ISA_NEON = 4,     // Armv8 Advanced SIMD
    TSR_ISA_DOTPROD = 5,  // Armv8.2 with the dot-product instructions
    TSR_ISA_I8MM = 6,     // the same with the matrix instructions, which only the packed kernels use
} tsr_isa;

/// The best set that this processor has, or the one that TESSERA_ISA names (scalar, avx2, avxvnni, avx512, neon, dotprod, i8mm).
tsr_isa tsr_isa_in_use(void);

/// What TESSERA_ISA says when that is no set that this processor has: callers must not go on. NULL otherwise.
const char *tsr_isa_refused(void);

enum { TSR_ISA_COUNT = 7 };

/// Whether this processor can run kernels of that set.
int tsr_isa_available(tsr_isa isa);

/// "scalar", "avx2", "avxvnni", "avx512", "neon", "dotprod" or "i8mm".
const char *tsr_isa_name(tsr_isa isa);
