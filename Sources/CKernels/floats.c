#include "floats.h"

#include "float_tables.h"

const tsr_float_kernels *tsr_float_kernels_for(tsr_isa isa) {
    switch (isa) {
#if defined(__x86_64__)
    case TSR_ISA_AVX2:
    case TSR_ISA_AVXVNNI:
        return &tsr_float_kernels_avx2;
    case TSR_ISA_AVX512:
        return &tsr_float_kernels_avx512;
#elif defined(__aarch64__)
    case TSR_ISA_NEON:
    case TSR_ISA_DOTPROD:
    case TSR_ISA_I8MM:
        return &tsr_float_kernels_neon;
#endif
    default:
        return &tsr_float_kernels_scalar;
    }
}

static const tsr_float_kernels *kernels(void) { return tsr_float_kernels_for(tsr_isa_in_use()); }

size_t tsr_float_width(tsr_float_type type) {
    return type == TSR_F64 ? 8 : type == TSR_F32 ? 4 : type == TSR_I8 ? 1 : 2;
}

size_t tsr_coded_row_scale(size_t count) { return (count + 3) / 4 * 4; }

void tsr_to_f32(tsr_float_type type, const void *source, size_t count, float *out) {
    kernels()->to_f32(type, source, count, out);
}

void tsr_f32_to_f16(const float *x, size_t count, uint16_t *out) { kernels()->f32_to_f16(x, count, out); }

void tsr_code_row(const float *x, size_t count, void *row) { kernels()->code_row(x, count, row); }

size_t tsr_mixed_run(size_t count) { return count & -count; }

void tsr_mix_row(float *x, size_t count) { kernels()->mix_row(x, count); }

int tsr_first_nonfinite(tsr_float_type type, const void *x, size_t count, size_t *index) {
    return kernels()->first_nonfinite(type, x, count, index);
}

void tsr_float_product(tsr_float_type type, const void *w, size_t columns, size_t row_begin, size_t row_end,
                       const float *x, size_t x_stride, size_t token_begin, size_t token_end,
                       const float *bias, float *y, size_t y_stride) {
    kernels()->float_product(type, w, columns, row_begin, row_end, x, x_stride, token_begin, token_end, bias,
                             y, y_stride);
}

void tsr_rms_norm(const float *x, size_t x_stride, const float *weight, float epsilon, size_t rows,
                  size_t columns, float *y, size_t y_stride) {
    kernels()->rms_norm(x, x_stride, weight, epsilon, rows, columns, y, y_stride);
}

void tsr_layer_norm(const float *x, size_t x_stride, const float *weight, const float *bias, float epsilon,
                    size_t rows, size_t columns, float *y, size_t y_stride) {
    kernels()->layer_norm(x, x_stride, weight, bias, epsilon, rows, columns, y, y_stride);
}

void tsr_activate(tsr_activation kind, const float *x, size_t count, float *y) {
    kernels()->activate(kind, x, count, y);
}

void tsr_gated_product(tsr_activation kind, const float *gate, const float *up, size_t count, float *y) {
    kernels()->gated_product(kind, gate, up, count, y);
}

void tsr_add(const float *a, const float *b, size_t count, float *y) { kernels()->add(a, b, count, y); }

void tsr_gate_rows(const float *gate, size_t gate_stride, const float *x, size_t x_stride, size_t rows,
                   size_t columns, float *y, size_t y_stride) {
    kernels()->gate_rows(gate, gate_stride, x, x_stride, rows, columns, y, y_stride);
}

void tsr_rotary(float *x, size_t x_stride, size_t rows, size_t heads, size_t head_width, size_t rotated,
                const float *cosine, const float *sine) {
    kernels()->rotary(x, x_stride, rows, heads, head_width, rotated, cosine, sine);
}

size_t tsr_attention_queries(size_t head_dim) { return kernels()->attention_queries(head_dim); }

void tsr_attend(const tsr_attention *a, size_t head, size_t q_begin, size_t q_end, ptrdiff_t causal,
                size_t key_begin, size_t key_end) {
    kernels()->attend(a, head, q_begin, q_end, causal, key_begin, key_end);
}

void tsr_attend_rows(const tsr_attention *a, size_t head, const int32_t *rows, size_t count) {
    kernels()->attend_rows(a, head, rows, count);
}
