// Compares the float kernels of every instruction set of this processor with the scalar ones, and runs the pool.
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tessera_kernels.h"

enum { TOKENS = 23, ROWS = 37, COLUMNS = 1175, KEYS = 150, HEADS = 2, MAX_FLOATS = 65536 };

static int failures;

static void fill(float *x, size_t count) {
    for (size_t i = 0; i < count; i++) x[i] = (float)rand() / (float)RAND_MAX * 2 - 1;
}

static void expect_close(const char *what, const float *x, const float *reference, size_t count, float tolerance) {
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(x[i] - reference[i]) <= tolerance * (1 + fabsf(reference[i])))) {
            printf("%s[%zu]: %g, not %g\n", what, i, x[i], reference[i]);
            failures++;
            return;
        }
}

static void expect_same(const char *what, const void *x, const void *reference, size_t bytes) {
    if (memcmp(x, reference, bytes) == 0) return;
    printf("%s differs\n", what);
    failures++;
}

static const tsr_float_kernels *scalar, *vector;
static float x[MAX_FLOATS], w[MAX_FLOATS], factors[MAX_FLOATS], a[MAX_FLOATS], b[MAX_FLOATS];
static uint16_t halves[MAX_FLOATS], more_halves[MAX_FLOATS];

static void check_conversions(void) {
    for (size_t i = 0; i < MAX_FLOATS; i++) halves[i] = (uint16_t)(i & 0xfbff);  // every f16 that is finite
    for (tsr_float_type type = TSR_F16; type <= TSR_BF16; type++) {
        vector->to_f32(type, halves, MAX_FLOATS - 5, a);
        scalar->to_f32(type, halves, MAX_FLOATS - 5, b);
        expect_same("widened", a, b, (MAX_FLOATS - 5) * sizeof *a);
    }
    vector->to_f32(TSR_F16, halves, MAX_FLOATS, a);
    for (size_t i = 0; i < MAX_FLOATS; i++) a[i] *= 1 + (float)(i % 5) * 0x1p-12f;  // midpoints among them
    vector->f32_to_f16(a, MAX_FLOATS, halves);
    scalar->f32_to_f16(a, MAX_FLOATS, more_halves);
    expect_same("narrowed", halves, more_halves, sizeof halves);
    x[777] = INFINITY;
    size_t index = 0;
    if (!vector->first_nonfinite(TSR_F32, x, 1000, &index) || index != 777) failures++;
}

static void check_codes(void) {
    fill(x, 1000);
    for (size_t count = 1; count <= 1000; count += 37) {
        memset(a, 0, sizeof a);
        memset(b, 0, sizeof b);
        vector->code_row(x, count, a);
        scalar->code_row(x, count, b);
        expect_same("codes", a, b, sizeof a);
        memcpy(a, x, sizeof a);
        memcpy(b, x, sizeof b);
        vector->mix_row(a, count);
        scalar->mix_row(b, count);
        expect_same("mixed", a, b, count * sizeof *a);
    }
}

static void check_product(void) {
    fill(x, TOKENS * COLUMNS);
    fill(w, ROWS * COLUMNS);
    vector->f32_to_f16(w, ROWS * COLUMNS, halves);
    for (tsr_float_type type = TSR_F32; type <= TSR_F16; type++) {
        const void *stored = type == TSR_F32 ? (const void *)w : halves;
        vector->float_product(type, stored, COLUMNS, 0, ROWS, x, COLUMNS, 0, TOKENS, NULL, a, ROWS);
        scalar->float_product(type, stored, COLUMNS, 0, ROWS, x, COLUMNS, 0, TOKENS, NULL, b, ROWS);
        expect_close("product", a, b, TOKENS * ROWS, 1e-4f);
        for (size_t t = 0; t < TOKENS; t++)
            vector->float_product(type, stored, COLUMNS, 0, ROWS, x, COLUMNS, t, t + 1, NULL, b, ROWS);
        expect_same("product by token", b, a, TOKENS * ROWS * sizeof *a);
    }
}

static void check_elementwise(void) {
    fill(x, TOKENS * 75);
    fill(w, 75);
    fill(factors, TOKENS * 75);
    vector->rms_norm(x, 75, w, 1e-6f, TOKENS, 75, a, 75);
    scalar->rms_norm(x, 75, w, 1e-6f, TOKENS, 75, b, 75);
    expect_close("rms_norm", a, b, TOKENS * 75, 1e-6f);
    vector->layer_norm(x, 75, w, factors, 1e-6f, TOKENS, 75, a, 75);
    scalar->layer_norm(x, 75, w, factors, 1e-6f, TOKENS, 75, b, 75);
    expect_close("layer_norm", a, b, TOKENS * 75, 1e-6f);
    for (tsr_activation kind = TSR_SILU; kind <= TSR_SIGMOID; kind++) {
        for (size_t i = 0; i < 5001; i++) x[i] = ((float)i - 2500) * 0.04f;
        vector->gated_product(kind, x, factors, TOKENS * 75, a);
        scalar->gated_product(kind, x, factors, TOKENS * 75, b);
        expect_close("gated_product", a, b, TOKENS * 75, 2e-6f);
        vector->activate(kind, x, 5001, a);
        scalar->activate(kind, x, 5001, b);
        expect_close("activate", a, b, 5001, 2e-6f);
    }
    fill(a, TOKENS * 160);
    memcpy(b, a, sizeof a);
    vector->rotary(a, 160, TOKENS, 2, 80, 72, x, factors);
    scalar->rotary(b, 160, TOKENS, 2, 80, 72, x, factors);
    expect_close("rotary", a, b, TOKENS * 160, 1e-5f);
    vector->gate_rows(x, 3, factors, 75, TOKENS, 73, a, 75);
    scalar->gate_rows(x, 3, factors, 75, TOKENS, 73, b, 75);
    expect_close("gate_rows", a, b, TOKENS * 75, 2e-6f);
}

// Rows of `cache` are `row` elements apart.
static void check_attention_over(tsr_float_type type, const void *cache, size_t row, size_t head_dim, ptrdiff_t causal) {
    const size_t width = HEADS * head_dim;
    fill(x, TOKENS * width);
    tsr_attention call = {.q = x, .q_stride = width, .cache_type = type, .k = cache, .v = cache,
                          .k_row_stride = HEADS * row, .v_row_stride = HEADS * row, .k_head_stride = row,
                          .v_head_stride = row, .y_stride = width, .heads = HEADS, .kv_heads = HEADS,
                          .head_dim = head_dim, .scale = 0.3f};
    for (size_t head = 0; head < HEADS; head++) {
        call.y = a;
        vector->attend(&call, head, 0, TOKENS, causal, 0, KEYS);
        call.y = b;
        scalar->attend(&call, head, 0, TOKENS, causal, 0, KEYS);
    }
    expect_close("attend", a, b, TOKENS * width, 1e-5f);
    for (size_t head = 0; head < HEADS; head++)
        for (size_t t = 0; t < TOKENS; t++) {
            call.y = b;
            vector->attend(&call, head, t, t + 1, causal, 0, KEYS);
        }
    expect_same("attend by query", b, a, TOKENS * width * sizeof *a);
}

static void check_attention(size_t head_dim, ptrdiff_t causal) {
    fill(w, KEYS * HEADS * head_dim);
    scalar->f32_to_f16(w, KEYS * HEADS * head_dim, halves);
    check_attention_over(TSR_F16, halves, head_dim, head_dim, causal);
}

static void check_coded_cache(size_t head_dim, ptrdiff_t causal) {
    const size_t row = tsr_coded_row_scale(head_dim) + 4;
    fill(w, KEYS * HEADS * head_dim);
    for (size_t i = 0; i < KEYS * HEADS; i++) scalar->code_row(w + i * head_dim, head_dim, (char *)halves + i * row);
    check_attention_over(TSR_I8, halves, row, head_dim, causal);
}

static void count_visits(void *context, size_t begin, size_t end, unsigned worker) {
    (void)worker;
    for (size_t i = begin; i < end; i++) ((uint8_t *)context)[i]++;
}

static void check_pool(void) {
    tsr_pool *pool = tsr_pool_create(3);
    for (int run = 0; run < 200; run++) {
        uint8_t visits[100] = {0}, once[100];
        memset(once, 1, sizeof once);
        tsr_pool_run(pool, 100, 7, count_visits, visits);
        expect_same("visits", visits, once, sizeof once);
    }
    tsr_pool_destroy(pool);
}

int main(void) {
    scalar = tsr_float_kernels_for(TSR_ISA_SCALAR);
    for (int isa = TSR_ISA_SCALAR + 1; isa < TSR_ISA_COUNT; isa++) {
        if (!tsr_isa_available(isa)) continue;
        vector = tsr_float_kernels_for(isa);
        const int before = failures;
        check_conversions();
        check_codes();
        check_product();
        check_elementwise();
        check_attention(80, -1);
        check_attention(72, KEYS - TOKENS);
        check_attention(128, 0);
        check_coded_cache(80, -1);
        check_coded_cache(128, 0);
        printf("float %s: %s\n", tsr_isa_name(isa), failures > before ? "failed" : "as plain C");
    }
    check_pool();
    return failures != 0;
}
