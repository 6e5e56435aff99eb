/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels for avx2; an empty row on other machines. */
#include "kernels/kernels.h"

#if defined(__AVX2__) && defined(__FMA__)
#define KERNELS_TABLE kernels_avx2
#define KERNELS_NAME  "avx2"
#include "kernels/kernels_body.h"
#else
const struct kernels kernels_avx2 = {.name = NULL};
#endif
