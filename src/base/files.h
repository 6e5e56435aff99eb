/* SPDX-License-Identifier: Apache-2.0 */
/* Files as a whole: folders, durable replacement, the lock of a shop. */
#ifndef BASE_FILES_H
#define BASE_FILES_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

/* Makes a folder and the missing ones above it. */
int files_make_dir(const char *path, struct penchant_error *err);

/*
 * Replaces `path` so that a crash leaves the old file or the new one: writes beside it,
 * syncs, renames, syncs the folder. `write` gets an open descriptor.
 */
int files_replace(const char *path, int (*write)(void *arg, int fd), void *arg,
                  struct penchant_error *err);

/* write(2) until all is written; 0 or -1 with errno. */
int files_write_all(int fd, const void *bytes, size_t n);

/* Takes the lock file (flock); *fd stays open until files_unlock. ELOCKED if taken. */
int files_lock(const char *path, int *fd, struct penchant_error *err);
void files_unlock(int fd);

#endif
