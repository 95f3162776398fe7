#include "image_codecs.h"

#include <zlib.h>

long tessera_image_inflate(const uint8_t *bytes, size_t count, uint8_t *output, size_t room) {
    uLongf length = (uLongf)room;
    return uncompress(output, &length, bytes, (uLong)count) == Z_OK ? (long)length : -1;
}
