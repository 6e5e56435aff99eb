/* SPDX-License-Identifier: Apache-2.0 */
/* A 64-bit hash of bytes (wyhash-like multiply and fold); fixed for ever, it is stored. */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *bytes, size_t n);

#endif
