/* SPDX-License-Identifier: Apache-2.0 */
/* The kernels in plain C: the reference, and what runs where nothing better does. */
#undef __AVX512F__
#undef __AVX2__
#define KERNELS_TABLE kernels_plain
#define KERNELS_NAME  "plain"
#include "kernels/kernels_body.h"
