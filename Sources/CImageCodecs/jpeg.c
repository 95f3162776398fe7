#include "codecs.h"

#include <string.h>
#include <turbojpeg.h>

int tessera_jpeg_read_header(const uint8_t *bytes, size_t count, struct tessera_image *image, char *message) {
    tjhandle handle = tjInitDecompress();
    if (!handle) return tessera_image_fail(message, "no memory");
    int width, height, subsampling, colours;
    int status = tjDecompressHeader3(handle, bytes, count, &width, &height, &subsampling, &colours);
    if (status == 0) {
        image->width = width;
        image->height = height;
        image->is_cmyk = colours == TJCS_CMYK || colours == TJCS_YCCK;
        image->channels = image->is_cmyk ? 4 : 3;
    } else {
        tessera_image_fail(message, tjGetErrorStr2(handle));
    }
    tjDestroy(handle);
    return status;
}

/// Whether a warning means that pixels are missing or wrong. Others (stray bytes, odd markers) are common and harmless.
static int is_damage(const char *warning) {
    return strstr(warning, "remature end") || strstr(warning, "bad Huffman") || strstr(warning, "bad data")
        || strstr(warning, "inconsistent");
}

int tessera_jpeg_decode(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                        char *message) {
    tjhandle handle = tjInitDecompress();
    if (!handle) return tessera_image_fail(message, "no memory");
    // The accurate transform is what other loaders use; a limit on scans stops files made to take forever.
    int status = tjDecompress2(handle, bytes, count, pixels, image->width, 0, image->height,
                               image->is_cmyk ? TJPF_CMYK : TJPF_RGB, TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS);
    if (status != 0) {
        const char *text = tjGetErrorStr2(handle);
        if (tjGetErrorCode(handle) == TJERR_WARNING && !is_damage(text)) status = 0;
        else tessera_image_fail(message, text);
    }
    tjDestroy(handle);
    return status;
}
