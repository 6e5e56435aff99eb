/* SPDX-License-Identifier: Apache-2.0 */
/* A new folder in $TMPDIR (or /tmp), and its end with all that is in it. */
#ifndef LAB_TEMP_DIR_H
#define LAB_TEMP_DIR_H

#include "base/status.h"

enum { TEMP_DIR_SIZE = 128 };

/* On failure dir is "". */
int temp_dir_make(char dir[TEMP_DIR_SIZE], struct penchant_error *err);
void temp_dir_remove(const char *dir); /* "" is fine */

#endif
