// Which memory shows which file, so that a fault in it can be told in words.
#ifndef TESSERA_MAPPED_FILES_H
#define TESSERA_MAPPED_FILES_H

#include <stddef.h>

/// Notes that the `length` bytes at `base` show the file at `path`, which is copied. Returns what `tsr_mapped_remove` takes;
/// -1 where no more can be noted, which costs no more than the words. Any thread may call it.
int tsr_mapped_add(const void *base, size_t length, const char *path);

/// Forgets it, before it is unmapped.
void tsr_mapped_remove(int place);

/// The file that the memory at `address` shows, as long as that stays mapped; NULL for other memory.
const char *tsr_mapped_path(const void *address);

/// From now on a page of such a file that is not there any more ends the process with `status`, and with `before`, the path
/// and `after` on stderr; other faults end it as they did. The texts must stay where they are.
void tsr_mapped_watch(const char *before, const char *after, int status);

#endif
