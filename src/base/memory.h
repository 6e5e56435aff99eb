/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for large arrays that are read all over: aligned, on large pages where the
   system gives them, so that a far row costs one miss and not two. Free with free(). */
#ifndef BASE_MEMORY_H
#define BASE_MEMORY_H

#include <stddef.h>

/* n floats, zeroed; NULL when out of memory. */
float *memory_floats(size_t n);

#endif
