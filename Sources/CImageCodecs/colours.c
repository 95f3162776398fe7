#include "image_codecs.h"

/// x / 255, rounded, for x up to 255 * 255.
static inline uint32_t divide_by_255(uint32_t x) {
    x += 128;
    return ((x >> 8) + x) >> 8;
}

void tessera_image_flatten(const uint8_t *rgba, size_t pixels, uint8_t *rgb) {
    for (size_t i = 0; i < pixels; i++) {
        uint32_t alpha = rgba[4 * i + 3];
        for (int c = 0; c < 3; c++) {
            // Pillow carries seven more bits, then drops them.
            uint32_t sum = (rgba[4 * i + c] * alpha + 255 * (255 - alpha) + 128) << 7;
            rgb[3 * i + c] = (uint8_t)((((sum >> 8) + sum) >> 8) >> 7);
        }
    }
}

void tessera_image_drop_alpha(const uint8_t *rgba, size_t pixels, uint8_t *rgb) {
    for (size_t i = 0; i < pixels; i++)
        for (int c = 0; c < 3; c++) rgb[3 * i + c] = rgba[4 * i + c];
}

void tessera_image_cmyk_to_rgb(const uint8_t *cmyk, size_t pixels, uint8_t *rgb) {
    for (size_t i = 0; i < pixels; i++) {
        uint32_t light = cmyk[4 * i + 3];
        for (int c = 0; c < 3; c++)
            rgb[3 * i + c] = (uint8_t)(light - divide_by_255((255u - cmyk[4 * i + c]) * light));
    }
}
