// What the layers of a gated delta rule compute between their projections. f32 arithmetic.
//
// A result never depends on how a sequence's tokens, or channels and columns, are split over calls: each element is summed in
// one order. Strides count elements. Instruction sets differ in the last bits.
#pragma once

#include <stddef.h>

enum {
    TSR_CONVOLUTION_WIDTH = 16,  // at most
    TSR_DELTA_COLUMNS = 32,      // of a block of state
};

typedef struct {
    const float *weights;  // [channels, width], the oldest token's first
    size_t width;          // from 1 to TSR_CONVOLUTION_WIDTH
    float *tail;           // [width - 1, channels]: the inputs before the first token, then those before what follows the last
    const float *x;        // [tokens, channels]
    size_t x_stride;
    float *y;              // [tokens, channels]; may be x
    size_t y_stride;
    size_t channels, tokens;
} tsr_convolution;

/// y[t, c] = Σ_j weights[c, j]·x[t - (width - 1) + j, c] for channels c in [begin, end): each channel for itself.
void tsr_causal_convolution(const tsr_convolution *c, size_t begin, size_t end);

/// y = scale·x / sqrt(Σ x² + epsilon), head by head of each row; y may be x.
void tsr_unit_heads(const float *x, size_t x_stride, float scale, float epsilon, size_t rows, size_t heads,
                    size_t head_dim, float *y, size_t y_stride);

/// decay = e^(-e^log_rate·softplus(a + bias)) and beta = σ(b). log_rate and bias are [heads], all else is [rows, heads];
/// decay may be a, and beta b.
void tsr_delta_gates(const float *a, size_t a_stride, const float *b, size_t b_stride, const float *log_rate,
                     const float *bias, size_t rows, size_t heads, float *decay, float *beta,
                     size_t gate_stride);

typedef struct {
    const float *q, *k;  // [tokens, key_heads·key_dim]
    size_t q_stride, k_stride;
    const float *v;      // [tokens, value_heads·value_dim]
    size_t v_stride;
    const float *decay, *beta;  // [tokens, value_heads]
    size_t gate_stride;
    float *state;        // [value_heads, blocks, key_dim, TSR_DELTA_COLUMNS], columns beyond value_dim being zero
    float *y;            // [tokens, value_heads·value_dim]
    size_t y_stride;
    size_t tokens, key_heads, value_heads, key_dim, value_dim;
} tsr_delta_layer;

/// Blocks of TSR_DELTA_COLUMNS that a value head's columns take.
size_t tsr_delta_blocks(size_t value_dim);

/// Token by token, for each value head's matrix S of key_dim × value_dim:
/// S ← decay·S; S ← S + k (beta·(v - Sᵀk))ᵀ; y = Sᵀq. A key head serves value_heads/key_heads value heads in a row.
/// Does blocks [begin, end) of the value_heads·tsr_delta_blocks(value_dim) that there are: each for itself.
void tsr_delta_rule(const tsr_delta_layer *layer, size_t begin, size_t end);
