#include "coded_attention.h"

const tsr_coded_attention *tsr_coded_attention_for(tsr_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case TSR_ISA_AVX2:
    case TSR_ISA_AVXVNNI:
        return &tsr_coded_attention_avx2;
    case TSR_ISA_AVX512:
        return &tsr_coded_attention_avx512;
#elif defined(__aarch64__)
    case TSR_ISA_NEON:
    case TSR_ISA_DOTPROD:
    case TSR_ISA_I8MM:
        return &tsr_coded_attention_neon;
#endif
    default:
        return &tsr_coded_attention_scalar;
    }
}

static const tsr_coded_attention *kernels(void) { return tsr_coded_attention_for(tsr_isa_in_use()); }

size_t tsr_code_tile_keys(size_t head_dim) { return tsr_tile_layout_for(head_dim).keys; }

size_t tsr_code_tile_bytes(size_t head_dim) { return tsr_tile_layout_for(head_dim).bytes; }

void tsr_code_tile(const tsr_attention *a, size_t kv_head, size_t first, size_t keys, void *tile) {
    kernels()->code_tile(a, kv_head, first, keys, tile);
}

void tsr_attend_coded(const tsr_attention *a, size_t head, size_t q_begin, size_t q_end, const void *tiles, size_t keys) {
    kernels()->attend(a, head, q_begin, q_end, tiles, keys);
}

void tsr_attend_coded_rows(const tsr_attention *a, size_t head, const int32_t *rows, size_t count) {
    kernels()->attend_rows(a, head, rows, count);
}
