/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What this processor (and the operating system) lets us use; read once. Kernels are
 * chosen from it at run time. cpu_limit() lowers the level, so that tests and benchmarks
 * can force the slower paths; PENCHANT_CPU=plain|avx2|avx512 in the environment does the
 * same at start.
 */
#ifndef KERNELS_CPU_H
#define KERNELS_CPU_H

enum cpu_level {
    CPU_PLAIN,
    CPU_AVX2,      /* AVX2 and FMA */
    CPU_AVX512,    /* F, BW, DQ, VL */
    CPU_AVX512_ALL /* the above with VNNI and BF16 */
};

enum cpu_level cpu_level(void);
void cpu_limit(enum cpu_level highest); /* CPU_AVX512_ALL takes the limit off */
const char *cpu_level_name(enum cpu_level level);

#endif
