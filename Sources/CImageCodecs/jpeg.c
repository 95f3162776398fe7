#include "codecs.h"

#include <string.h>
#include <turbojpeg.h>

int tessera_jpeg_read_header(const uint8_t *bytes, size_t count, struct tessera_image *image, char *message) {
    tjhandle handle = tjInitDecompress();
    if (!handle) return tessera_image_fail(message, "no memory");
    // A file of tables only succeeds without telling a size.
    int width = 0, height = 0, subsampling = 0, colours = 0;
    int status = tjDecompressHeader3(handle, bytes, count, &width, &height, &subsampling, &colours);
    if (status == 0 && width == 0) {
        status = tessera_image_fail(message, "it holds no picture");
    } else if (status == 0) {
        image->width = width;
        image->height = height;
        image->orientation = 0;
        image->is_cmyk = colours == TJCS_CMYK || colours == TJCS_YCCK;
        image->channels = image->is_cmyk ? 4 : 3;
    } else {
        tessera_image_fail(message, tjGetErrorStr2(handle));
    }
    tjDestroy(handle);
    return status;
}

/// Whether a message is only of something odd that loses no pixels, as cameras and editors leave it. It is the text that
/// tells: after a warning the library calls a fatal error a warning, too.
static int is_harmless(const char *message) {
    return strstr(message, "extraneous bytes before marker") || strstr(message, "unknown JFIF revision")
        || strstr(message, "bad ICC marker") || strstr(message, "Unknown Adobe color transform");
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
        status = is_harmless(text) ? 0 : tessera_image_fail(message, text);
    }
    tjDestroy(handle);
    return status;
}
