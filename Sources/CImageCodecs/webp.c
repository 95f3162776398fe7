#include "codecs.h"

#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

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
    *image = (struct tessera_image){
        .width = features.width, .height = features.height, .channels = features.has_alpha ? 4 : 3};
    return 0;
}

/// The first frame of an animated picture on its canvas.
static int decode_first_frame(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                              char *message) {
    WebPAnimDecoderOptions options;
    if (!WebPAnimDecoderOptionsInit(&options)) return tessera_image_fail(message, "libwebp has another version");
    options.color_mode = MODE_RGBA;
    WebPData data = {bytes, count};
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&data, &options);
    WebPAnimInfo info;
    uint8_t *frame = NULL;
    int time = 0;
    int status = -1;
    if (decoder && WebPAnimDecoderGetInfo(decoder, &info) && info.canvas_width == (uint32_t)image->width
        && info.canvas_height == (uint32_t)image->height && WebPAnimDecoderGetNext(decoder, &frame, &time)) {
        size_t area = (size_t)image->width * (size_t)image->height;
        if (image->channels == 4) memcpy(pixels, frame, 4 * area);
        else tessera_image_drop_alpha(frame, area, pixels);
        status = 0;
    }
    WebPAnimDecoderDelete(decoder);
    return status == 0 ? 0 : tessera_image_fail(message, "the file is damaged or cut short");
}

int tessera_webp_decode(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                        char *message) {
    WebPDecoderConfig config;
    if (!WebPInitDecoderConfig(&config)) return tessera_image_fail(message, "libwebp has another version");
    if (WebPGetFeatures(bytes, count, &config.input) == VP8_STATUS_OK && config.input.has_animation)
        return decode_first_frame(bytes, count, image, pixels, message);
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
