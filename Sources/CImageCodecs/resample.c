#include "image_codecs.h"

static inline uint8_t rounded(int32_t sum, int bits) {
    int32_t value = sum >> bits;
    return value < 0 ? 0 : value > 255 ? 255 : (uint8_t)value;
}

void tessera_resample_rows(const uint8_t *input, size_t rows, size_t in_width, uint8_t *output, size_t out_width,
                           const struct tessera_window *windows, const int32_t *weights, int bits) {
    const int32_t half = (int32_t)1 << (bits - 1);
    for (size_t row = 0; row < rows; row++, input += 3 * in_width) {
        for (size_t x = 0; x < out_width; x++, output += 3) {
            const uint8_t *pixel = input + 3 * (size_t)windows[x].start;
            const int32_t *weight = weights + windows[x].weights;
            int32_t red = half, green = half, blue = half;
            for (int32_t k = 0; k < windows[x].count; k++, pixel += 3) {
                red += pixel[0] * weight[k];
                green += pixel[1] * weight[k];
                blue += pixel[2] * weight[k];
            }
            output[0] = rounded(red, bits);
            output[1] = rounded(green, bits);
            output[2] = rounded(blue, bits);
        }
    }
}

void tessera_resample_columns(const uint8_t *input, size_t stride, uint8_t *output, size_t out_height,
                              const struct tessera_window *windows, const int32_t *weights, int bits,
                              int32_t *sums) {
    for (size_t y = 0; y < out_height; y++, output += stride) {
        const int32_t *weight = weights + windows[y].weights;
        for (size_t i = 0; i < stride; i++) sums[i] = (int32_t)1 << (bits - 1);
        for (int32_t k = 0; k < windows[y].count; k++) {
            const uint8_t *row = input + (size_t)(windows[y].start + k) * stride;
            for (size_t i = 0; i < stride; i++) sums[i] += row[i] * weight[k];
        }
        for (size_t i = 0; i < stride; i++) output[i] = rounded(sums[i], bits);
    }
}
