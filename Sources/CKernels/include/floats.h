// Float kernels: conversion, products, norms, activations, rotary positions, attention. f32 arithmetic.
//
// Strides count elements. A result never depends on how rows, tokens or queries are split over calls:
// each element is summed in one order, whatever its neighbours. Instruction sets differ in the last bits.
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "isa.h"
#include "recurrence.h"

typedef enum {
    TSR_F32 = 0,
    TSR_F16 = 1,
    TSR_BF16 = 2,
    TSR_F64 = 3,
    TSR_I8 = 4,  // whole numbers; what they are codes of is the caller's
} tsr_float_type;

/// Bytes of one element: 4, 2, 2, 8, 1.
size_t tsr_float_width(tsr_float_type type);

/// Widens to f32, exactly (f64 rounds to nearest even).
void tsr_to_f32(tsr_float_type type, const void *source, size_t count, float *out);

/// Rounds to f16, nearest even; beyond 65504 to infinity.
void tsr_f32_to_f16(const float *x, size_t count, uint16_t *out);

/// Where the scale of a row of `count` codes is, in bytes after the first of them; the row ends behind it.
size_t tsr_coded_row_scale(size_t count);

/// Rounds a row to codes from -127 to 127 of one f32 scale, its largest magnitude / 127, which follows them:
/// x ≈ code·scale, to the same bits on every instruction set. Where the largest is below 2^-119 all is zero;
/// a row that is not finite has a NaN for a scale.
void tsr_code_row(const float *x, size_t count, void *row);

/// Elements of a run that tsr_mix_row mixes: the largest power of 2 that divides `count`.
size_t tsr_mixed_run(size_t count);

/// Mixes a row in place, so that an element that stands out is shared by its whole run: Walsh–Hadamard transforms of runs of
/// tsr_mixed_run(count) elements, unscaled. The product of two mixed rows is as many times that of the rows.
void tsr_mix_row(float *x, size_t count);

/// 1 and the index of the first NaN or infinity, or 0.
int tsr_first_nonfinite(tsr_float_type type, const void *x, size_t count, size_t *index);

/// y[t*y_stride + n] = bias[n] + Σ_k w[n*columns + k]·x[t*x_stride + k] for rows n in [row_begin, row_end)
/// and tokens t in [token_begin, token_end); bias may be NULL.
void tsr_float_product(tsr_float_type type, const void *w, size_t columns, size_t row_begin, size_t row_end,
                       const float *x, size_t x_stride, size_t token_begin, size_t token_end,
                       const float *bias, float *y, size_t y_stride);

/// y = x / sqrt(mean(x²) + epsilon) · weight, row by row; y may be x.
void tsr_rms_norm(const float *x, size_t x_stride, const float *weight, float epsilon, size_t rows,
                  size_t columns, float *y, size_t y_stride);

/// y = (x - mean(x)) / sqrt(variance(x) + epsilon) · weight + bias, row by row; y may be x.
void tsr_layer_norm(const float *x, size_t x_stride, const float *weight, const float *bias, float epsilon,
                    size_t rows, size_t columns, float *y, size_t y_stride);

typedef enum {
    TSR_SILU = 0,        // x·σ(x)
    TSR_QUICK_GELU = 1,  // x·σ(1.702 x)
    TSR_GELU_ERF = 2,    // x·(1 + erf(x/√2))/2
    TSR_GELU_TANH = 3,   // x·(1 + tanh(√(2/π)(x + 0.044715 x³)))/2
    TSR_SIGMOID = 4,     // σ(x)
} tsr_activation;

/// y = act(x); y may be x.
void tsr_activate(tsr_activation kind, const float *x, size_t count, float *y);

/// y = act(gate)·up; y may be gate.
void tsr_gated_product(tsr_activation kind, const float *gate, const float *up, size_t count, float *y);

/// y = a + b; y may be either.
void tsr_add(const float *a, const float *b, size_t count, float *y);

/// y = σ(gate)·x, with one gate for each row; y may be x.
void tsr_gate_rows(const float *gate, size_t gate_stride, const float *x, size_t x_stride, size_t rows,
                   size_t columns, float *y, size_t y_stride);

/// Rotates in place, of each head's head_width elements, the first `rotated`: the pairs (i, i + rotated/2).
/// Cosine and sine are [rows, rotated/2].
void tsr_rotary(float *x, size_t x_stride, size_t rows, size_t heads, size_t head_width, size_t rotated,
                const float *cosine, const float *sine);

typedef struct {
    const float *q;             // [queries, heads·head_dim]
    size_t q_stride;
    tsr_float_type cache_type;  // TSR_F32, TSR_F16, or TSR_I8: rows that tsr_code_row made, of keys after tsr_mix_row
    const void *k, *v;          // key j of kv head h at k + j*k_row_stride + h*k_head_stride
    size_t k_row_stride, v_row_stride, k_head_stride, v_head_stride;
    float *y;                   // [queries, heads·head_dim]
    size_t y_stride;
    size_t heads, kv_heads, head_dim;  // head_dim ≤ 256
    float scale;
} tsr_attention;

/// Queries of one head that are best attended for together.
size_t tsr_attention_queries(size_t head_dim);

/// softmax(scale·q kᵀ) v for queries [q_begin, q_end) of one head.
/// causal ≥ 0: query i sees keys [0, causal + i + 1), causal being the positions cached before query 0;
/// causal < 0: every query sees keys [key_begin, key_end).
void tsr_attend(const tsr_attention *a, size_t head, size_t q_begin, size_t q_end, ptrdiff_t causal,
                size_t key_begin, size_t key_end);

/// The same for one head within a set of rows, which are its queries and its keys; these are f32.
void tsr_attend_rows(const tsr_attention *a, size_t head, const int32_t *rows, size_t count);

/// One instruction set's kernels, named as the functions above and in recurrence.h.
typedef struct {
    void (*to_f32)(tsr_float_type, const void *, size_t, float *);
    void (*f32_to_f16)(const float *, size_t, uint16_t *);
    void (*code_row)(const float *, size_t, void *);
    void (*mix_row)(float *, size_t);
    int (*first_nonfinite)(tsr_float_type, const void *, size_t, size_t *);
    void (*float_product)(tsr_float_type, const void *, size_t, size_t, size_t, const float *, size_t, size_t,
                          size_t, const float *, float *, size_t);
    void (*rms_norm)(const float *, size_t, const float *, float, size_t, size_t, float *, size_t);
    void (*layer_norm)(const float *, size_t, const float *, const float *, float, size_t, size_t, float *,
                       size_t);
    void (*activate)(tsr_activation, const float *, size_t, float *);
    void (*gated_product)(tsr_activation, const float *, const float *, size_t, float *);
    void (*add)(const float *, const float *, size_t, float *);
    void (*gate_rows)(const float *, size_t, const float *, size_t, size_t, size_t, float *, size_t);
    void (*rotary)(float *, size_t, size_t, size_t, size_t, size_t, const float *, const float *);
    size_t (*attention_queries)(size_t);
    void (*attend)(const tsr_attention *, size_t, size_t, size_t, ptrdiff_t, size_t, size_t);
    void (*attend_rows)(const tsr_attention *, size_t, const int32_t *, size_t);
    void (*causal_convolution)(const tsr_convolution *, size_t, size_t);
    void (*unit_heads)(const float *, size_t, float, float, size_t, size_t, size_t, float *, size_t);
    void (*delta_gates)(const float *, size_t, const float *, size_t, const float *, const float *, size_t, size_t,
                        float *, float *, size_t);
    void (*delta_rule)(const tsr_delta_layer *, size_t, size_t);
} tsr_float_kernels;

/// The kernels of `isa`, which must be available.
const tsr_float_kernels *tsr_float_kernels_for(tsr_isa isa);
