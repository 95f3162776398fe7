#include "codecs.h"

#include <webp/decode.h>

static const char *text_of(VP8StatusCode status) {
    switch (status) {
    case VP8_STATUS_NOT_ENOUGH_DATA: return "the file is cut short";
    case VP8_STATUS_SUSPENDED: return "the file is cut short";
    case VP8_STATUS_OUT_OF_MEMORY: return "no memory";
    case VP8_STATUS_UNSUPPORTED_FEATURE: return "uses a feature that is not supported";
    default: return "the file is damaged";
    }
}

int tessera_webp_read_header(const uint8_t *bytes, size_t count, struct tessera_image *image, char *message) {
    WebPBitstreamFeatures features;
    VP8StatusCode status = WebPGetFeatures(bytes, count, &features);
    if (status != VP8_STATUS_OK) return tessera_image_fail(message, text_of(status));
    if (features.has_animation) return tessera_image_fail(message, "animated pictures are not supported");
    *image = (struct tessera_image){features.width, features.height, features.has_alpha ? 4 : 3, 0};
    return 0;
}

int tessera_webp_decode(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                        char *message) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return tessera_image_fail(message, "libwebp has another version");
    int stride = image->width * image->channels;
    config.output.colorspace = image->channels == 4 ? MODE_RGBA : MODE_RGB;
    config.output.is_external_memory = 1;
    config.output.u.RGBA.rgba = pixels;
    config.output.u.RGBA.stride = stride;
    config.output.u.RGBA.size = (size_t)stride * (size_t)image->height;
    VP8StatusCode status = WebPDecode(bytes, count, &config);
    WebPFreeDecBuffer(&config.output);
    return status == VP8_STATUS_OK ? 0 : tessera_image_fail(message, text_of(status));
}
