/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/temp_dir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

int temp_dir_make(char dir[TEMP_DIR_SIZE], struct penchant_error *err)
{
    const char *tmp = getenv("TMPDIR");
    const int n =
        snprintf(dir, TEMP_DIR_SIZE, "%s/penchant-XXXXXX", tmp && tmp[0] ? tmp : "/tmp");
    if (n > 0 && n < TEMP_DIR_SIZE && mkdtemp(dir))
        return PENCHANT_OK;
    dir[0] = 0;
    return error_set(err, PENCHANT_EIO, "no temporary folder can be made");
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
    (void)st;
    (void)kind;
    (void)at;
    return remove(path);
}

void temp_dir_remove(const char *dir)
{
    if (dir[0])
        nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
