#include "codecs.h"

#include <libheif/heif.h>
#include <string.h>

/// The primary picture of a file.
struct picture {
    struct heif_context *context;
    struct heif_image_handle *handle;
};

static int fail(char *message, struct heif_error error) {
    return tessera_image_fail(message, error.message ? error.message : "it cannot be decoded");
}

static void close_picture(struct picture *picture) {
    if (picture->handle) heif_image_handle_release(picture->handle);
    if (picture->context) heif_context_free(picture->context);
}

static int open_picture(const uint8_t *bytes, size_t count, struct picture *picture, char *message) {
    *picture = (struct picture){heif_context_alloc(), NULL};
    if (!picture->context) return tessera_image_fail(message, "no memory");
    // Of any tile, too: more no picture may have on a side.
    heif_context_set_maximum_image_size_limit(picture->context, 65535);
    struct heif_error error = heif_context_read_from_memory_without_copy(picture->context, bytes, count, NULL);
    if (error.code == heif_error_Ok)
        error = heif_context_get_primary_image_handle(picture->context, &picture->handle);
    return error.code == heif_error_Ok ? 0 : fail(message, error);
}

int tessera_heic_read_header(const uint8_t *bytes, size_t count, struct tessera_image *image, char *message) {
    struct picture picture;
    int status = open_picture(bytes, count, &picture, message);
    if (status == 0)
        *image = (struct tessera_image){.width = heif_image_handle_get_width(picture.handle),
                                        .height = heif_image_handle_get_height(picture.handle),
                                        .channels = heif_image_handle_has_alpha_channel(picture.handle) ? 4 : 3};
    close_picture(&picture);
    return status;
}

/// Copies pixels that are red, green and blue already.
static int copy_rgb(struct heif_image *decoded, const struct tessera_image *image, uint8_t *pixels) {
    int stride = 0;
    const uint8_t *plane = heif_image_get_plane_readonly(decoded, heif_channel_interleaved, &stride);
    size_t row = (size_t)image->width * (size_t)image->channels;
    if (!plane || stride < 0 || (size_t)stride < row) return -1;
    for (int y = 0; y < image->height; y++) memcpy(pixels + (size_t)y * row, plane + (size_t)y * (size_t)stride, row);
    return 0;
}

int tessera_heic_decode(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                        char *message) {
    struct picture picture;
    struct heif_image *decoded = NULL;
    int status = open_picture(bytes, count, &picture, message);
    if (status == 0) {
        struct heif_error error = heif_decode_image(
            picture.handle, &decoded, heif_colorspace_RGB,
            image->channels == 4 ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB, NULL);
        if (error.code != heif_error_Ok)
            status = fail(message, error);
        else if (heif_image_get_width(decoded, heif_channel_interleaved) != image->width
                 || heif_image_get_height(decoded, heif_channel_interleaved) != image->height
                 || copy_rgb(decoded, image, pixels) != 0)
            status = tessera_image_fail(message, "its size is not what its header says");
    }
    if (decoded) heif_image_release(decoded);
    close_picture(&picture);
    return status;
}
