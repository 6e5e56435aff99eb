/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <string.h>

static uint64_t fold(uint64_t a, uint64_t b)
{
    __extension__ const unsigned __int128 m = (unsigned __int128)a * b;
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

uint64_t hash_bytes(const void *bytes, size_t n)
{
    const unsigned char *p = bytes;
    uint64_t h = 0xA0761D6478BD642Fu ^ n;
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        h = fold(h ^ word, 0xE7037ED1A0B428DBu);
    }
    if (n) {
        uint64_t word = 0;
        memcpy(&word, p, n);
        h = fold(h ^ word, 0x8EBC6AF09C88C6E3u);
    }
    return fold(h, 0x589965CC75374CC3u);
}
