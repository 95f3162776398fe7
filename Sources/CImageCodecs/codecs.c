#include "codecs.h"

#include <stdio.h>

int tessera_image_fail(char *message, const char *text) {
    snprintf(message, TESSERA_IMAGE_MESSAGE_SIZE, "%s", text);
    return -1;
}

int tessera_image_read_header(enum tessera_image_format format, const uint8_t *bytes, size_t count,
                              struct tessera_image *image, char message[TESSERA_IMAGE_MESSAGE_SIZE]) {
    switch (format) {
    case TESSERA_IMAGE_JPEG: return tessera_jpeg_read_header(bytes, count, image, message);
    case TESSERA_IMAGE_PNG: return tessera_png_read_header(bytes, count, image, message);
    case TESSERA_IMAGE_WEBP: return tessera_webp_read_header(bytes, count, image, message);
    case TESSERA_IMAGE_TIFF: return tessera_tiff_read_header(bytes, count, image, message);
    case TESSERA_IMAGE_HEIC: return tessera_heic_read_header(bytes, count, image, message);
    case TESSERA_IMAGE_AVIF: return tessera_avif_read_header(bytes, count, image, message);
    }
    return tessera_image_fail(message, "unknown format");
}

int tessera_image_decode(enum tessera_image_format format, const uint8_t *bytes, size_t count,
                         const struct tessera_image *image, uint8_t *pixels,
                         char message[TESSERA_IMAGE_MESSAGE_SIZE]) {
    switch (format) {
    case TESSERA_IMAGE_JPEG: return tessera_jpeg_decode(bytes, count, image, pixels, message);
    case TESSERA_IMAGE_PNG: return tessera_png_decode(bytes, count, image, pixels, message);
    case TESSERA_IMAGE_WEBP: return tessera_webp_decode(bytes, count, image, pixels, message);
    case TESSERA_IMAGE_TIFF: return tessera_tiff_decode(bytes, count, image, pixels, message);
    case TESSERA_IMAGE_HEIC: return tessera_heic_decode(bytes, count, image, pixels, message);
    case TESSERA_IMAGE_AVIF: return tessera_avif_decode(bytes, count, image, pixels, message);
    }
    return tessera_image_fail(message, "unknown format");
}
