/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a safetensors file: 8 bytes of length, a JSON object that gives every
 * tensor's type, shape and place, then the numbers. Memory: the header, of at most
 * SAFETENSORS_HEADER_MAX bytes, and its JSON.
 */
#ifndef BEHAVIOUR_SAFETENSORS_H
#define BEHAVIOUR_SAFETENSORS_H

#include <jansson.h>
#include <stdint.h>

#include "base/status.h"
#include "behaviour/floats.h"

enum { SAFETENSORS_HEADER_MAX = 1 << 26, SAFETENSORS_LENGTH = 8 };

/* How long the header is by the first 8 bytes of a file of `size` bytes; 0 when it cannot
   be: those are no safetensors. */
uint64_t safetensors_header(const unsigned char first[SAFETENSORS_LENGTH], uint64_t size);

/* The header's text as JSON, without its metadata; the caller's to json_decref(). */
int safetensors_parse(json_t **out, const char *text, size_t len,
                      struct penchant_error *err);

struct safetensor {
    enum floats_kind kind;
    uint32_t dims;      /* 1 or 2 */
    uint64_t shape[2];  /* rows and columns; rows 1 of a tensor of one dimension */
    uint64_t at, bytes; /* place among the numbers */
};

/*
 * One tensor of the header. PENCHANT_EINVALID when it is not of floating point numbers, has
 * other than one or two dimensions, or lies outside the `room` bytes after the header.
 */
int safetensors_tensor(struct safetensor *out, const char *name, const json_t *json,
                       uint64_t room, struct penchant_error *err);

#endif
