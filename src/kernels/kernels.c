/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/kernels.h"

#include "kernels/cpu.h"

const struct kernels *kernels_get(void)
{
    const enum cpu_level level = cpu_level();
    if (level >= CPU_AVX512 && kernels_avx512.name)
        return &kernels_avx512;
    if (level >= CPU_AVX2 && kernels_avx2.name)
        return &kernels_avx2;
    return &kernels_plain;
}

const struct kernels_bf16 *kernels_bf16_get(void)
{
    return cpu_level() >= CPU_AVX512_ALL && kernels_avx512bf16.gemm ? &kernels_avx512bf16
                                                                    : NULL;
}
