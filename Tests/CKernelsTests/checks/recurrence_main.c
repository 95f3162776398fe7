// Compares the recurrence of every instruction set of this processor with that in plain C, and with itself token by token.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tessera_kernels.h"

enum { TOKENS = 37, CHANNELS = 275, HEADS = 6, MAX_FLOATS = 65536 };

static int failures;
static const tsr_float_kernels *scalar, *vector;
static float x[MAX_FLOATS], w[MAX_FLOATS], gates[MAX_FLOATS], a[MAX_FLOATS], b[MAX_FLOATS], state[3][MAX_FLOATS];

static void fill(float *p, size_t count) {
    for (size_t i = 0; i < count; i++) p[i] = (float)rand() / (float)RAND_MAX * 2 - 1;
}

static void expect_close(const char *what, const float *p, const float *reference, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(p[i] - reference[i]) <= 4e-6f * (1 + fabsf(reference[i])))) {
            printf("%s[%zu]: %g, not %g\n", what, i, p[i], reference[i]);
            failures++;
            return;
        }
}

static void expect_same(const char *what, const float *p, const float *reference, size_t count) {
    if (memcmp(p, reference, count * sizeof *p) == 0) return;
    printf("%s differs\n", what);
    failures++;
}

static void convolve(const tsr_float_kernels *kernels, size_t width, size_t step, float *tail, float *y) {
    for (size_t t = 0; t < TOKENS; t += step) {
        const tsr_convolution call = {.weights = w, .width = width, .tail = tail, .x = x + t * CHANNELS,
                                      .x_stride = CHANNELS, .y = y + t * CHANNELS, .y_stride = CHANNELS,
                                      .channels = CHANNELS, .tokens = TOKENS - t < step ? TOKENS - t : step};
        kernels->causal_convolution(&call, 0, CHANNELS);
    }
}

static void check_convolution(size_t width) {
    const size_t tail = (width - 1) * CHANNELS;
    fill(x, TOKENS * CHANNELS);
    fill(w, width * CHANNELS);
    memset(state, 0, sizeof state);
    convolve(vector, width, TOKENS, state[0], a);
    convolve(scalar, width, TOKENS, state[1], b);
    expect_close("convolution", a, b, TOKENS * CHANNELS);
    expect_same("tail", state[0], state[1], tail);
    convolve(vector, width, 1, state[2], b);
    expect_same("convolution by token", b, a, TOKENS * CHANNELS);
    expect_same("tail by token", state[2], state[0], tail);
}

static void check_inputs(void) {
    fill(x, TOKENS * CHANNELS);
    fill(w, 2 * CHANNELS);
    vector->unit_heads(x, CHANNELS, 0.3f, 1e-6f, TOKENS, 5, 53, a, CHANNELS);
    scalar->unit_heads(x, CHANNELS, 0.3f, 1e-6f, TOKENS, 5, 53, b, CHANNELS);
    expect_close("unit_heads", a, b, TOKENS * CHANNELS);
    for (size_t i = 0; i < TOKENS * CHANNELS; i++) x[i] *= 100;
    vector->delta_gates(x, CHANNELS, x + 40, CHANNELS, w, w + CHANNELS, TOKENS, 37, a, a + 37, CHANNELS);
    scalar->delta_gates(x, CHANNELS, x + 40, CHANNELS, w, w + CHANNELS, TOKENS, 37, b, b + 37, CHANNELS);
    expect_close("delta_gates", a, b, TOKENS * CHANNELS);
}

static void recall(const tsr_float_kernels *kernels, size_t key_dim, size_t value_dim, size_t step, float *s, float *y) {
    const size_t keys = HEADS / 3 * key_dim, values = HEADS * value_dim;
    for (size_t t = 0; t < TOKENS; t += step) {
        const tsr_delta_layer call = {.q = x + t * 2 * keys, .k = x + t * 2 * keys + keys, .q_stride = 2 * keys,
                                      .k_stride = 2 * keys, .v = w + t * values, .v_stride = values,
                                      .decay = gates + t * 2 * HEADS, .beta = gates + t * 2 * HEADS + HEADS,
                                      .gate_stride = 2 * HEADS, .state = s, .y = y + t * values,
                                      .y_stride = values, .tokens = TOKENS - t < step ? TOKENS - t : step,
                                      .key_heads = HEADS / 3, .value_heads = HEADS, .key_dim = key_dim,
                                      .value_dim = value_dim};
        kernels->delta_rule(&call, 0, HEADS * tsr_delta_blocks(value_dim));
    }
}

static void check_delta_rule(size_t key_dim, size_t value_dim) {
    const size_t values = TOKENS * HEADS * value_dim;
    const size_t states = HEADS * tsr_delta_blocks(value_dim) * key_dim * TSR_DELTA_COLUMNS;
    fill(x, TOKENS * 2 * HEADS / 3 * key_dim);
    scalar->unit_heads(x, 2 * HEADS / 3 * key_dim, 1, 1e-6f, TOKENS, 2 * HEADS / 3, key_dim, x, 2 * HEADS / 3 * key_dim);
    fill(w, values);
    fill(gates, TOKENS * 2 * HEADS);
    for (size_t i = 0; i < TOKENS * 2 * HEADS; i++) gates[i] = fabsf(gates[i]);
    memset(state, 0, sizeof state);
    recall(vector, key_dim, value_dim, TOKENS, state[0], a);
    recall(scalar, key_dim, value_dim, TOKENS, state[1], b);
    expect_close("delta_rule", a, b, values);
    expect_close("state", state[0], state[1], states);
    recall(vector, key_dim, value_dim, 1, state[2], b);
    expect_same("delta_rule by token", b, a, values);
    expect_same("state by token", state[2], state[0], states);
}

int main(void) {
    scalar = tsr_float_kernels_for(TSR_ISA_SCALAR);
    for (int isa = TSR_ISA_SCALAR + 1; isa < TSR_ISA_COUNT; isa++) {
        if (!tsr_isa_available(isa)) continue;
        vector = tsr_float_kernels_for(isa);
        const int before = failures;
        check_convolution(1);
        check_convolution(4);
        check_convolution(16);
        check_inputs();
        check_delta_rule(1, 1);
        check_delta_rule(20, 40);
        check_delta_rule(128, 64);
        printf("recurrence %s: %s\n", tsr_isa_name(isa), failures > before ? "failed" : "as plain C");
    }
    return failures != 0;
}
