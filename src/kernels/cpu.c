/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/cpu.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static const char *const level_names[] = {"plain", "avx2", "avx512", "avx512-all"};

static enum cpu_level detect(void)
{
#if defined(__x86_64__)
    /* libgcc's check includes whether the system saves the wide registers. */
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma"))
        return CPU_PLAIN;
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return CPU_AVX2;
    if (!__builtin_cpu_supports("avx512vnni") || !__builtin_cpu_supports("avx512bf16"))
        return CPU_AVX512;
    return CPU_AVX512_ALL;
#else
    return CPU_PLAIN;
#endif
}

static enum cpu_level asked(void)
{
    const char *name = getenv("PENCHANT_CPU");
    for (int i = 0; name && i < CPU_AVX512_ALL; i++)
        if (strcmp(name, level_names[i]) == 0)
            return (enum cpu_level)i;
    return CPU_AVX512_ALL;
}

static _Atomic int found = -1, limit = -1;

enum cpu_level cpu_level(void)
{
    if (atomic_load(&found) < 0) {
        atomic_store(&limit, (int)asked());
        atomic_store(&found, (int)detect());
    }
    const int have = atomic_load(&found), most = atomic_load(&limit);
    return (enum cpu_level)(have < most ? have : most);
}

void cpu_limit(enum cpu_level highest)
{
    cpu_level();
    atomic_store(&limit, (int)highest);
}

const char *cpu_level_name(enum cpu_level level)
{
    return level_names[level];
}
