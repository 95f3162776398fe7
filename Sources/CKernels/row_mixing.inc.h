// Walsh–Hadamard transforms by sums and differences, which are the same on every instruction set.

// Pairs that are at least a vector apart.
INLINE void mix_vectors(float *low, float *high, size_t count) {
    for (size_t i = 0; i < count; i += NARROW) {
        narrow a, b;
        memcpy(&a, low + i, sizeof a);
        memcpy(&b, high + i, sizeof b);
        const narrow sum = a + b, difference = a - b;
        memcpy(low + i, &sum, sizeof sum);
        memcpy(high + i, &difference, sizeof difference);
    }
}

static void mix_row(float *x, size_t count) {
    const size_t run = tsr_mixed_run(count);
    for (size_t half = 1; half < run; half *= 2)
        for (size_t i = 0; i < count; i += 2 * half) {
            if (half >= NARROW) {
                mix_vectors(x + i, x + i + half, half);
                continue;
            }
            for (size_t j = i; j < i + half; j++) {
                const float low = x[j], high = x[j + half];
                x[j] = low + high;
                x[j + half] = low - high;
            }
        }
}
