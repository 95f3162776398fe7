#pragma once

#include "image_codecs.h"

/// Copies a message for the caller and returns -1.
int tessera_image_fail(char *message, const char *text);

int tessera_jpeg_read_header(const uint8_t *bytes, size_t count, struct tessera_image *image, char *message);
int tessera_jpeg_decode(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                        char *message);
int tessera_png_read_header(const uint8_t *bytes, size_t count, struct tessera_image *image, char *message);
int tessera_png_decode(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                       char *message);
int tessera_webp_read_header(const uint8_t *bytes, size_t count, struct tessera_image *image, char *message);
int tessera_webp_decode(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                        char *message);
int tessera_tiff_read_header(const uint8_t *bytes, size_t count, struct tessera_image *image, char *message);
int tessera_tiff_decode(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                        char *message);
int tessera_heic_read_header(const uint8_t *bytes, size_t count, struct tessera_image *image, char *message);
int tessera_heic_decode(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                        char *message);
int tessera_avif_read_header(const uint8_t *bytes, size_t count, struct tessera_image *image, char *message);
int tessera_avif_decode(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                        char *message);
