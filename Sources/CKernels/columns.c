// Sixteen elements at a time, in portable vectors: it is quick enough on every instruction set.
#include "include/columns.h"

#include <string.h>

typedef float sixteen __attribute__((vector_size(64)));
typedef float four __attribute__((vector_size(16)));
typedef double four_doubles __attribute__((vector_size(32)));

/// What was seen of elements at each of sixteen places, and of fourth powers at each of four.
typedef struct {
    sixteen least, greatest;
    four_doubles fourth;
} seen;

static inline void add_fourth_powers(seen *seen, const float *x) {
    for (int k = 0; k < 16; k += 4) {
        four values;
        memcpy(&values, x + k, sizeof(values));
        // In double precision: squares may be beyond float32.
        four_doubles square = __builtin_convertvector(values, four_doubles);
        square *= square;
        seen->fourth += square * square;
    }
}

/// The greatest magnitude of sixteen elements.
static inline float add_sixteen(seen *seen, const float *x) {
    sixteen values;
    memcpy(&values, x, sizeof(values));
    seen->least = __builtin_elementwise_min(seen->least, values);
    seen->greatest = __builtin_elementwise_max(seen->greatest, values);
    return __builtin_reduce_max(__builtin_elementwise_abs(values));
}

/// The same of fewer elements.
static float add_some(seen *seen, const float *x, size_t count) {
    float group[16];
    for (size_t k = 0; k < 16; k++) group[k] = k < count ? x[k] : 0;
    add_fourth_powers(seen, group);
    for (size_t k = count; k < 16; k++) group[k] = x[0];
    return add_sixteen(seen, group);
}

void tsr_add_columns(const float *x, size_t stride, size_t rows, size_t columns, double *narrow, double *wide,
                     tsr_spread *spread) {
    seen seen = {0};
    seen.least += spread->least;
    seen.greatest += spread->greatest;
    for (size_t row = 0; row < rows; row++, x += stride) {
        for (size_t first = 0; first < columns; first += 32) {
            float pair = 0;
            for (size_t part = first; part < columns && part < first + 32; part += 16) {
                float peak;
                if (columns - part < 16) {
                    peak = add_some(&seen, x + part, columns - part);
                } else {
                    peak = add_sixteen(&seen, x + part);
                    add_fourth_powers(&seen, x + part);
                }
                narrow[part / 16] += (double)peak * peak;
                pair = peak > pair ? peak : pair;
            }
            wide[first / 32] += (double)pair * pair;
        }
    }
    for (size_t k = 0; k < 16; k++) {
        spread->least = seen.least[k] < spread->least ? seen.least[k] : spread->least;
        spread->greatest = seen.greatest[k] > spread->greatest ? seen.greatest[k] : spread->greatest;
    }
    for (size_t k = 0; k < 4; k++) spread->fourth += seen.fourth[k];
}
