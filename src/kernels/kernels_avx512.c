/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels for avx512; an empty row on other machines. */
#include "kernels/kernels.h"

#if defined(__AVX512F__)
#define KERNELS_TABLE kernels_avx512
#define KERNELS_NAME  "avx512"
#include "kernels/kernels_body.h"
#else
const struct kernels kernels_avx512 = {.name = NULL};
#endif
