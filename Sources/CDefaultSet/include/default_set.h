#ifndef TESSERA_DEFAULT_SET_H
#define TESSERA_DEFAULT_SET_H

#include <stddef.h>

/* A file of a set that ships with the program, embedded from its folder. */
struct tessera_default_file {
    const char *name;
    const unsigned char *bytes;
    size_t count;
};

/* File number `index` of the calibration set, the folder `set`, in the order of the names; NULL when there are no more. */
const struct tessera_default_file *tessera_default_file(size_t index);

/* The same of the evaluation set, the folder `evaluation`. */
const struct tessera_default_file *tessera_evaluation_file(size_t index);

#endif
