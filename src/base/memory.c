/* SPDX-License-Identifier: Apache-2.0 */
#include "base/memory.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { LARGE_PAGE = 2 * 1024 * 1024, LARGE = 8 * LARGE_PAGE, LINE = 64 };

float *memory_floats(size_t n)
{
    if (n > (SIZE_MAX - LARGE_PAGE) / sizeof(float))
        return NULL;
    const size_t align = n * sizeof(float) >= LARGE ? LARGE_PAGE : LINE;
    const size_t bytes = (n * sizeof(float) + align - 1) / align * align;
    float *p = aligned_alloc(align, bytes ? bytes : align);
    if (!p)
        return NULL;
    if (align == LARGE_PAGE)
        madvise(p, bytes, MADV_HUGEPAGE); /* a wish; nothing depends on it */
    memset(p, 0, bytes);
    return p;
}
