#ifndef TESSERA_DEFAULT_SET_H
#define TESSERA_DEFAULT_SET_H

#include <stddef.h>

/* A file of the calibration set that ships with the program, embedded from the folder `set`. */
struct tessera_default_file {
    const char *name;
    const unsigned char *bytes;
    size_t count;
};

/* File number `index`, in the order of the names; NULL when there are no more. */
const struct tessera_default_file *tessera_default_file(size_t index);

#endif
