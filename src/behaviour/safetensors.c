/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/safetensors.h"

#include <string.h>

uint64_t safetensors_header(const unsigned char first[SAFETENSORS_LENGTH], uint64_t size)
{
    uint64_t n = 0;
    for (int i = 0; i < SAFETENSORS_LENGTH; i++)
        n |= (uint64_t)first[i] << (8 * i);
    return size >= SAFETENSORS_LENGTH && n >= 2 && n <= size - SAFETENSORS_LENGTH ? n : 0;
}

int safetensors_parse(json_t **out, const char *text, size_t len,
                      struct penchant_error *err)
{
    json_error_t why;
    *out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &why);
    if (!*out)
        return error_set(err, PENCHANT_EINVALID, "the header: %.200s at byte %d",
                         why.text, SAFETENSORS_LENGTH + why.position);
    if (!json_is_object(*out)) {
        json_decref(*out);
        *out = NULL;
        return error_set(err, PENCHANT_EINVALID, "the header is not a JSON object");
    }
    json_object_del(*out, "__metadata__");
    return PENCHANT_OK;
}

static int refuse(const char *name, const char *what, struct penchant_error *err)
{
    return error_set(err, PENCHANT_EINVALID, "tensor \"%.100s\" %s", name, what);
}

static int read_kind(enum floats_kind *kind, const json_t *json)
{
    static const struct {
        const char *name;
        enum floats_kind kind;
    } known[] = {{"F16", FLOATS_F16},
                 {"BF16", FLOATS_BF16},
                 {"F32", FLOATS_F32},
                 {"F64", FLOATS_F64}};
    const char *name = json_string_value(json);
    for (size_t i = 0; name && i < sizeof(known) / sizeof(*known); i++) {
        if (strcmp(name, known[i].name) == 0) {
            *kind = known[i].kind;
            return PENCHANT_OK;
        }
    }
    return PENCHANT_EINVALID;
}

/* A whole number from 0 on. */
static int read_size(uint64_t *out, const json_t *json)
{
    const json_int_t v = json_integer_value(json);
    *out = (uint64_t)v;
    return json_is_integer(json) && v >= 0 ? PENCHANT_OK : PENCHANT_EINVALID;
}

static int read_shape(struct safetensor *out, const json_t *json)
{
    const size_t n = json_array_size(json);
    if (n != 1 && n != 2)
        return PENCHANT_EINVALID;
    out->dims = (uint32_t)n;
    out->shape[0] = 1;
    for (size_t i = 0; i < n; i++)
        if (read_size(&out->shape[2 - n + i], json_array_get(json, i)))
            return PENCHANT_EINVALID;
    return PENCHANT_OK;
}

int safetensors_tensor(struct safetensor *out, const char *name, const json_t *json,
                       uint64_t room, struct penchant_error *err)
{
    const json_t *offsets = json_object_get(json, "data_offsets");
    uint64_t end, n;
    *out = (struct safetensor){0};
    if (read_kind(&out->kind, json_object_get(json, "dtype")))
        return refuse(name, "is not of type F16, BF16, F32 or F64", err);
    if (read_shape(out, json_object_get(json, "shape")))
        return refuse(name, "does not have one or two dimensions", err);
    if (json_array_size(offsets) != 2 ||
        read_size(&out->at, json_array_get(offsets, 0)) ||
        read_size(&end, json_array_get(offsets, 1)) || out->at > end || end > room)
        return refuse(name, "lies outside of the file", err);
    out->bytes = end - out->at;
    if (__builtin_mul_overflow(out->shape[0], out->shape[1], &n) ||
        __builtin_mul_overflow(n, floats_size(out->kind), &n) || n != out->bytes)
        return refuse(name, "has another size than its shape says", err);
    return PENCHANT_OK;
}
