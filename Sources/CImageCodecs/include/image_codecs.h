#pragma once

#include <stddef.h>
#include <stdint.h>

/// Pictures in memory, decoded by libjpeg-turbo, libpng, libwebp, libtiff, libheif and libavif, and the inner loops of resampling.
/// Nothing here believes a file: sizes are the caller's to check between the two steps.

enum tessera_image_format {
    TESSERA_IMAGE_JPEG,
    TESSERA_IMAGE_PNG,
    /// Of an animated one the first frame.
    TESSERA_IMAGE_WEBP,
    TESSERA_IMAGE_TIFF,
    TESSERA_IMAGE_HEIC,
    TESSERA_IMAGE_AVIF,
};

enum { TESSERA_IMAGE_MESSAGE_SIZE = 256 };

struct tessera_image {
    int32_t width;
    int32_t height;
    /// Bytes a pixel when decoded: 3 = red, green, blue; 4 = with alpha, or cyan, magenta, yellow, black.
    int32_t channels;
    /// Whether the four channels are CMYK, inverted as Adobe writes them.
    int32_t is_cmyk;
    /// Of TIFF and AVIF: how it is to be turned, by the numbers of Exif's tag; 0 where it does not say.
    int32_t orientation;
};

/// Reads the header. Returns 0, or -1 with a message.
int tessera_image_read_header(enum tessera_image_format format, const uint8_t *bytes, size_t count,
                              struct tessera_image *image, char message[TESSERA_IMAGE_MESSAGE_SIZE]);

/// Decodes into height * width * channels bytes, `image` being what the header said. Returns 0, or -1 with a message.
int tessera_image_decode(enum tessera_image_format format, const uint8_t *bytes, size_t count,
                         const struct tessera_image *image, uint8_t *pixels,
                         char message[TESSERA_IMAGE_MESSAGE_SIZE]);

/// Unfolds zlib's data into `room` bytes. Returns how many came out, or -1 for damaged data and more than there is room for.
long tessera_image_inflate(const uint8_t *bytes, size_t count, uint8_t *output, size_t room);

/// Lays red, green, blue, alpha over white: 3 bytes a pixel, rounded as Pillow's alpha_composite does.
void tessera_image_flatten(const uint8_t *rgba, size_t pixels, uint8_t *rgb);

/// Drops alpha: 3 bytes a pixel.
void tessera_image_drop_alpha(const uint8_t *rgba, size_t pixels, uint8_t *rgb);

/// Inverted cyan, magenta, yellow, black to red, green, blue, rounded as Pillow does.
void tessera_image_cmyk_to_rgb(const uint8_t *cmyk, size_t pixels, uint8_t *rgb);

/// The taps of one output row or column: `count` fixed-point weights for the inputs from `start`.
struct tessera_window {
    int32_t start;
    int32_t count;
    /// Index of the first weight.
    int32_t weights;
};

/// Resamples each of `rows` rows of 3-channel pixels from `in_width` to `out_width`; weights have `bits` fractional bits.
void tessera_resample_rows(const uint8_t *input, size_t rows, size_t in_width, uint8_t *output, size_t out_width,
                           const struct tessera_window *windows, const int32_t *weights, int bits);

/// Resamples columns: each of `out_height` rows of `stride` bytes is a weighted sum of input rows.
/// `sums` is room for `stride` numbers.
void tessera_resample_columns(const uint8_t *input, size_t stride, uint8_t *output, size_t out_height,
                              const struct tessera_window *windows, const int32_t *weights, int bits, int32_t *sums);
