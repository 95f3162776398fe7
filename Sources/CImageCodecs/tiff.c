#include "codecs.h"

#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

/// A file in memory; libtiff calls back with it.
struct source {
    const uint8_t *bytes;
    size_t count;
    size_t position;
};

static tmsize_t read_bytes(thandle_t handle, void *output, tmsize_t count) {
    struct source *source = handle;
    size_t left = source->position < source->count ? source->count - source->position : 0;
    size_t taken = (size_t)count < left ? (size_t)count : left;
    memcpy(output, source->bytes + source->position, taken);
    source->position += taken;
    return (tmsize_t)taken;
}

static tmsize_t write_bytes(thandle_t handle, void *input, tmsize_t count) {
    (void)handle, (void)input, (void)count;
    return -1;
}

static toff_t seek(thandle_t handle, toff_t offset, int whence) {
    struct source *source = handle;
    if (whence == SEEK_CUR) offset += source->position;
    if (whence == SEEK_END) offset += source->count;
    source->position = (size_t)offset;
    return offset;
}

static int close_file(thandle_t handle) {
    (void)handle;
    return 0;
}

static toff_t size_of(thandle_t handle) { return ((struct source *)handle)->count; }

/// The first thing that went wrong.
static int on_error(TIFF *tiff, void *message, const char *module, const char *format, va_list values) {
    (void)tiff, (void)module;
    char *text = message;
    if (!text[0]) vsnprintf(text, TESSERA_IMAGE_MESSAGE_SIZE, format, values);
    return 1;
}

static int on_warning(TIFF *tiff, void *message, const char *module, const char *format, va_list values) {
    (void)tiff, (void)message, (void)module, (void)format, (void)values;
    return 1;
}

static TIFF *open_tiff(struct source *source, char *message) {
    message[0] = 0;
    TIFFOpenOptions *options = TIFFOpenOptionsAlloc();
    if (!options) return NULL;
    // A strip or tile is never longer than a picture may be.
    TIFFOpenOptionsSetMaxSingleMemAlloc(options, (tmsize_t)1 << 31);
    TIFFOpenOptionsSetErrorHandlerExtR(options, on_error, message);
    TIFFOpenOptionsSetWarningHandlerExtR(options, on_warning, NULL);
    // Without mapping, and nothing read before it is asked for.
    TIFF *tiff = TIFFClientOpenExt("picture", "rmO", source, read_bytes, write_bytes, seek, close_file, size_of, NULL,
                                   NULL, options);
    TIFFOpenOptionsFree(options);
    return tiff;
}

/// How samples become pixels.
struct layout {
    uint32_t width, height;
    uint16_t bits, samples, photometric, planar, extras, extra;
    int tiled;
    const uint16_t *map[3];
};

/// Whether the fourth (or, of grey, second) sample is alpha. RGB with four samples and no word about the last has alpha
/// to Pillow, too; 999 is CorelDRAW's.
static int has_alpha(const struct layout *layout) {
    int colours = layout->photometric == PHOTOMETRIC_RGB ? 3 : 1;
    if (layout->photometric > PHOTOMETRIC_RGB || layout->samples <= colours) return 0;
    if (layout->extras == 0) return colours == 3 && layout->samples == 4;
    return layout->extra != EXTRASAMPLE_UNSPECIFIED;
}

static int read_layout(TIFF *tiff, struct layout *layout, struct tessera_image *image, char *message) {
    uint16_t format = SAMPLEFORMAT_UINT, compression = 0, orientation = 0;
    const uint16_t *kinds = NULL;
    *layout = (struct layout){.tiled = TIFFIsTiled(tiff)};
    TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &layout->width);
    TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &layout->height);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &layout->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &layout->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &layout->planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &format);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &compression);
    if (TIFFGetField(tiff, TIFFTAG_EXTRASAMPLES, &layout->extras, &kinds) && layout->extras && kinds)
        layout->extra = kinds[0];
    TIFFGetField(tiff, TIFFTAG_ORIENTATION, &orientation);
    if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &layout->photometric)) layout->photometric = PHOTOMETRIC_MINISWHITE;
    if (layout->photometric == PHOTOMETRIC_YCBCR && compression == COMPRESSION_JPEG) {
        TIFFSetField(tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
        layout->photometric = PHOTOMETRIC_RGB;
    }
    uint16_t bits = layout->bits;
    int is_known = 0;
    switch (layout->photometric) {
    case PHOTOMETRIC_MINISWHITE:
    case PHOTOMETRIC_MINISBLACK:
        is_known = layout->samples >= 1 && (bits == 1 || bits == 2 || bits == 4 || bits == 8 || bits == 16);
        break;
    case PHOTOMETRIC_PALETTE:
        is_known = layout->samples >= 1 && (bits == 1 || bits == 2 || bits == 4 || bits == 8)
                && TIFFGetField(tiff, TIFFTAG_COLORMAP, &layout->map[0], &layout->map[1], &layout->map[2]);
        break;
    case PHOTOMETRIC_RGB: is_known = layout->samples >= 3 && (bits == 8 || bits == 16); break;
    case PHOTOMETRIC_SEPARATED: is_known = layout->samples >= 4 && (bits == 8 || bits == 16); break;
    }
    if (!is_known || format > SAMPLEFORMAT_INT || layout->samples > 16 || layout->width > INT32_MAX
        || layout->height > INT32_MAX)
        return tessera_image_fail(message, "its samples are of a kind that is not supported");
    int is_cmyk = layout->photometric == PHOTOMETRIC_SEPARATED;
    *image = (struct tessera_image){.width = (int32_t)layout->width, .height = (int32_t)layout->height,
                                    .channels = is_cmyk || has_alpha(layout) ? 4 : 3, .is_cmyk = is_cmyk,
                                    .orientation = orientation};
    return 0;
}

/// Sample `index` of a row, as a level or an index of the palette. Of 16 bits the upper eight count.
static uint8_t sample(const struct layout *layout, const uint8_t *row, size_t index) {
    if (layout->bits == 8) return row[index];
    if (layout->bits == 16) {
        uint16_t value;
        memcpy(&value, row + 2 * index, 2);
        return (uint8_t)(value >> 8);
    }
    unsigned bits = layout->bits, place = (unsigned)(index * bits % 8);
    unsigned value = (unsigned)row[index * bits / 8] >> (8 - bits - place) & ((1u << bits) - 1);
    return layout->photometric == PHOTOMETRIC_PALETTE ? (uint8_t)value : (uint8_t)(value * 255 / ((1u << bits) - 1));
}

/// Puts `count` samples of one row where they belong: `first` is the number of the first sample of a pixel that the row
/// holds, `step` how many it holds of each.
static void put_row(const struct layout *layout, const struct tessera_image *image, const uint8_t *row, uint8_t *pixels,
                    size_t count, unsigned first, unsigned step) {
    int colours = layout->photometric == PHOTOMETRIC_RGB ? 3 : layout->photometric == PHOTOMETRIC_SEPARATED ? 4 : 1;
    int channels = image->channels;
    for (size_t x = 0; x < count; x++) {
        uint8_t *pixel = pixels + x * (size_t)channels;
        for (unsigned s = 0; s < step; s++) {
            int number = (int)(first + s);
            if (number > colours || (number == colours && (channels == 3 || image->is_cmyk))) break;
            uint8_t level = sample(layout, row, x * step + s);
            if (number == colours) {
                pixel[3] = level;
            } else if (layout->photometric == PHOTOMETRIC_PALETTE) {
                for (int c = 0; c < 3; c++) pixel[c] = (uint8_t)(layout->map[c][level] >> 8);
            } else if (colours == 1) {
                if (layout->photometric == PHOTOMETRIC_MINISWHITE) level = (uint8_t)(255 - level);
                memset(pixel, level, 3);
            } else {
                // Inverted, as Adobe writes such pictures.
                pixel[number] = image->is_cmyk ? (uint8_t)(255 - level) : level;
            }
        }
    }
}

/// Divides by alpha what was multiplied by it, as Pillow does.
static void divide_by_alpha(uint8_t *pixels, size_t count) {
    for (uint8_t *pixel = pixels; count--; pixel += 4) {
        if (pixel[3] == 0 || pixel[3] == 255) continue;
        for (int c = 0; c < 3; c++) {
            int level = 255 * pixel[c] / pixel[3];
            pixel[c] = (uint8_t)(level > 255 ? 255 : level);
        }
    }
}

/// Reads strips or tiles one by one into `buffer`, and puts their rows into place.
static int read_blocks(TIFF *tiff, const struct layout *layout, const struct tessera_image *image, uint8_t *buffer,
                       tmsize_t room, uint8_t *pixels) {
    uint32_t width = layout->width, height = layout->height, across = width, down = height;
    if (layout->tiled) {
        if (!TIFFGetField(tiff, TIFFTAG_TILEWIDTH, &across) || !TIFFGetField(tiff, TIFFTAG_TILELENGTH, &down)) return -1;
    } else {
        TIFFGetFieldDefaulted(tiff, TIFFTAG_ROWSPERSTRIP, &down);
    }
    if (across == 0 || down == 0) return -1;
    unsigned planes = layout->planar == PLANARCONFIG_SEPARATE ? layout->samples : 1;
    unsigned step = layout->planar == PLANARCONFIG_SEPARATE ? 1 : layout->samples;
    size_t stride = ((size_t)across * step * layout->bits + 7) / 8;
    for (unsigned plane = 0; plane < planes; plane++)
        for (uint64_t y = 0; y < height; y += down)
            for (uint64_t x = 0; x < width; x += across) {
                uint32_t rows = height - y < down ? (uint32_t)(height - y) : down;
                uint32_t columns = width - x < across ? (uint32_t)(width - x) : across;
                tmsize_t count =
                    layout->tiled
                        ? TIFFReadEncodedTile(tiff, TIFFComputeTile(tiff, (uint32_t)x, (uint32_t)y, 0, (uint16_t)plane),
                                              buffer, room)
                        : TIFFReadEncodedStrip(tiff, TIFFComputeStrip(tiff, (uint32_t)y, (uint16_t)plane), buffer, room);
                if (count < 0 || (size_t)count < stride * rows) return -1;
                for (uint32_t row = 0; row < rows; row++) {
                    size_t start = ((size_t)(y + row) * width + x) * (size_t)image->channels;
                    put_row(layout, image, buffer + row * stride, pixels + start, columns, plane, step);
                }
            }
    return 0;
}

int tessera_tiff_read_header(const uint8_t *bytes, size_t count, struct tessera_image *image, char *message) {
    struct source source = {bytes, count, 0};
    TIFF *tiff = open_tiff(&source, message);
    if (!tiff) return message[0] ? -1 : tessera_image_fail(message, "it is no TIFF file");
    struct layout layout;
    int status = read_layout(tiff, &layout, image, message);
    TIFFClose(tiff);
    return status;
}

int tessera_tiff_decode(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                        char *message) {
    struct source source = {bytes, count, 0};
    TIFF *tiff = open_tiff(&source, message);
    if (!tiff) return message[0] ? -1 : tessera_image_fail(message, "it is no TIFF file");
    struct layout layout;
    struct tessera_image found;
    int status = read_layout(tiff, &layout, &found, message);
    size_t area = (size_t)image->width * (size_t)image->height;
    if (status == 0 && memcmp(&found, image, sizeof found) != 0) status = tessera_image_fail(message, "the header changed");
    if (status == 0) {
        // Beside the picture there is room for one block, which is about as large at most: tiles are padded.
        tmsize_t room = layout.tiled ? TIFFTileSize(tiff) : TIFFStripSize(tiff);
        size_t most = (area + (1 << 20)) * layout.samples * 4;
        uint8_t *buffer = room > 0 && (size_t)room <= most ? malloc((size_t)room) : NULL;
        if (!buffer) {
            status = tessera_image_fail(message, "its strips or tiles are out of range");
        } else {
            memset(pixels, 255, area * (size_t)image->channels);
            status = read_blocks(tiff, &layout, image, buffer, room, pixels);
            if (status != 0 && !message[0]) tessera_image_fail(message, "the file is cut short");
            if (status == 0 && has_alpha(&layout) && layout.extra == EXTRASAMPLE_ASSOCALPHA)
                divide_by_alpha(pixels, area);
            free(buffer);
        }
    }
    TIFFClose(tiff);
    return status;
}
