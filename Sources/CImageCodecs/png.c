#include "codecs.h"

#include <png.h>
#include <setjmp.h>
#include <string.h>

/// What is being read; libpng calls back with it.
struct source {
    const uint8_t *bytes;
    size_t count;
    size_t position;
    char *message;
};

static void read_bytes(png_structp png, png_bytep output, size_t count) {
    struct source *source = png_get_io_ptr(png);
    if (count > source->count - source->position) png_error(png, "the file is cut short");
    memcpy(output, source->bytes + source->position, count);
    source->position += count;
}

static void on_error(png_structp png, png_const_charp text) {
    struct source *source = png_get_error_ptr(png);
    tessera_image_fail(source->message, text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
    (void)png;
    (void)text;
}

/// Asks for 8-bit RGB or RGBA: palettes and narrow grey expanded, transparency as alpha, of 16 bits the upper 8.
/// Sample values are taken as they are, without gamma.
static void set_transforms(png_structp png, png_infop info) {
    png_set_expand(png);
    png_set_strip_16(png);
    png_set_gray_to_rgb(png);
    png_set_interlace_handling(png);
    png_read_update_info(png, info);
}

/// Chunks without a bearing on pixels, each name ended by a zero.
static const png_byte unused[] = "iCCP\0zTXt\0iTXt\0tEXt\0sPLT\0eXIf\0hIST";

/// Reads the header, and the pixels too unless `pixels` is NULL. Nothing between here and the end of the function may
/// own memory but libpng, which an error jumps back to release.
static int read_png(struct source *source, struct tessera_image *image, uint8_t *pixels) {
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, source, on_error, on_warning);
    png_infop volatile info = png ? png_create_info_struct(png) : NULL;
    if (!info) {
        png_destroy_read_struct(&png, NULL, NULL);
        return tessera_image_fail(source->message, "no memory");
    }
    if (setjmp(png_jmpbuf(png))) {
        png_infop gone = info;
        png_destroy_read_struct(&png, &gone, NULL);
        return -1;
    }
    png_set_read_fn(png, source, read_bytes);
    png_set_user_limits(png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    // What says nothing of the pixels is passed over: texts and profiles unfold to any size.
    png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, unused, sizeof unused / 5);
    png_set_chunk_malloc_max(png, 8 << 20);
    png_set_chunk_cache_max(png, 128);
    png_read_info(png, info);
    set_transforms(png, info);
    struct tessera_image found = {(int32_t)png_get_image_width(png, info), (int32_t)png_get_image_height(png, info),
                                  png_get_channels(png, info), 0, 0};
    if (!pixels) {
        *image = found;
    } else {
        size_t stride = (size_t)found.width * (size_t)found.channels;
        if (memcmp(&found, image, sizeof found) != 0 || png_get_rowbytes(png, info) != stride)
            png_error(png, "the header changed");
        int passes = png_get_interlace_type(png, info) == PNG_INTERLACE_ADAM7 ? 7 : 1;
        for (int pass = 0; pass < passes; pass++)
            for (int32_t y = 0; y < found.height; y++) png_read_row(png, pixels + (size_t)y * stride, NULL);
    }
    png_infop done = info;
    png_destroy_read_struct(&png, &done, NULL);
    return 0;
}

int tessera_png_read_header(const uint8_t *bytes, size_t count, struct tessera_image *image, char *message) {
    struct source source = {bytes, count, 0, message};
    return read_png(&source, image, NULL);
}

int tessera_png_decode(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                       char *message) {
    struct source source = {bytes, count, 0, message};
    struct tessera_image expected = *image;
    return read_png(&source, &expected, pixels);
}
