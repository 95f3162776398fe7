#include "codecs.h"

#include <avif/avif.h>

/// Opens a file, whose pixels are decoded for the header's size alone.
static avifDecoder *open_picture(const uint8_t *bytes, size_t count, char *message) {
    avifDecoder *decoder = avifDecoderCreate();
    if (!decoder) {
        tessera_image_fail(message, "no memory");
        return NULL;
    }
    // The caller's own limits come later; what writers leave out of the standard's boxes is no reason to refuse.
    decoder->imageSizeLimit = AVIF_DEFAULT_IMAGE_SIZE_LIMIT;
    decoder->imageDimensionLimit = 65535;
    decoder->strictFlags = AVIF_STRICT_DISABLED;
    decoder->ignoreExif = decoder->ignoreXMP = AVIF_TRUE;
    avifResult result = avifDecoderSetIOMemory(decoder, bytes, count);
    if (result == AVIF_RESULT_OK) result = avifDecoderParse(decoder);
    if (result == AVIF_RESULT_OK) return decoder;
    tessera_image_fail(message, avifResultToString(result));
    avifDecoderDestroy(decoder);
    return NULL;
}

/// How the file's properties turn the picture (by quarters to the left, then mirrored), by the numbers of Exif's tag.
static int orientation(const avifImage *image) {
    static const int plain[4] = {1, 8, 3, 6}, upside_down[4] = {4, 5, 2, 7}, mirrored[4] = {2, 7, 4, 5};
    int angle = image->transformFlags & AVIF_TRANSFORM_IROT ? image->irot.angle & 3 : 0;
    if (!(image->transformFlags & AVIF_TRANSFORM_IMIR)) return plain[angle];
#if AVIF_VERSION_MAJOR > 0
    return image->imir.axis == 0 ? upside_down[angle] : mirrored[angle];
#else
    return image->imir.mode == 0 ? upside_down[angle] : mirrored[angle];
#endif
}

int tessera_avif_read_header(const uint8_t *bytes, size_t count, struct tessera_image *image, char *message) {
    avifDecoder *decoder = open_picture(bytes, count, message);
    if (!decoder) return -1;
    *image = (struct tessera_image){.width = (int32_t)decoder->image->width, .height = (int32_t)decoder->image->height,
                                    .channels = decoder->alphaPresent ? 4 : 3,
                                    .orientation = orientation(decoder->image)};
    avifDecoderDestroy(decoder);
    return 0;
}

int tessera_avif_decode(const uint8_t *bytes, size_t count, const struct tessera_image *image, uint8_t *pixels,
                        char *message) {
    avifDecoder *decoder = open_picture(bytes, count, message);
    if (!decoder) return -1;
    avifResult result = avifDecoderNextImage(decoder);
    const char *text = avifResultToString(result);
    if (result == AVIF_RESULT_OK && (decoder->image->width != (uint32_t)image->width
                                     || decoder->image->height != (uint32_t)image->height)) {
        result = AVIF_RESULT_UNKNOWN_ERROR;
        text = "its size is not what its header says";
    }
    if (result == AVIF_RESULT_OK) {
        avifRGBImage rgb;
        avifRGBImageSetDefaults(&rgb, decoder->image);
        rgb.depth = 8;
        rgb.format = image->channels == 4 ? AVIF_RGB_FORMAT_RGBA : AVIF_RGB_FORMAT_RGB;
        rgb.pixels = pixels;
        rgb.rowBytes = (uint32_t)image->width * (uint32_t)image->channels;
        result = avifImageYUVToRGB(decoder->image, &rgb);
        text = avifResultToString(result);
    }
    avifDecoderDestroy(decoder);
    return result == AVIF_RESULT_OK ? 0 : tessera_image_fail(message, text);
}
