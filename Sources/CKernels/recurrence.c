#include "recurrence.h"

#include "floats.h"

static const tsr_float_kernels *kernels(void) { return tsr_float_kernels_for(tsr_isa_in_use()); }

void tsr_causal_convolution(const tsr_convolution *c, size_t begin, size_t end) {
    kernels()->causal_convolution(c, begin, end);
}

void tsr_unit_heads(const float *x, size_t x_stride, float scale, float epsilon, size_t rows, size_t heads,
                    size_t head_dim, float *y, size_t y_stride) {
    kernels()->unit_heads(x, x_stride, scale, epsilon, rows, heads, head_dim, y, y_stride);
}

void tsr_delta_gates(const float *a, size_t a_stride, const float *b, size_t b_stride, const float *log_rate,
                     const float *bias, size_t rows, size_t heads, float *decay, float *beta,
                     size_t gate_stride) {
    kernels()->delta_gates(a, a_stride, b, b_stride, log_rate, bias, rows, heads, decay, beta, gate_stride);
}

size_t tsr_delta_blocks(size_t value_dim) { return (value_dim + TSR_DELTA_COLUMNS - 1) / TSR_DELTA_COLUMNS; }

void tsr_delta_rule(const tsr_delta_layer *layer, size_t begin, size_t end) {
    kernels()->delta_rule(layer, begin, end);
}
