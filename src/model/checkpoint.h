/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checkpoints are safetensors files (8-byte little-endian header length, JSON header, F32
 * data); the configuration and a caller's notes stand as strings in __metadata__. Item
 * and type numbers are the shop's; attributes are stored by name.
 */
#ifndef MODEL_CHECKPOINT_H
#define MODEL_CHECKPOINT_H

#include "model/model.h"

/* Facts beside the model: what produced it, evidence weights, validation result. */
struct checkpoint_note {
    const char *name, *value;
};

/* A matrix that another layer keeps beside the parameters ("blend.weights"). */
struct checkpoint_extra {
    char name[48];
    uint32_t rows, cols;
    const float *data; /* (rows, cols) borrowed */
};

/* Replaces `path` durably (the old file or the new one after a crash). */
int checkpoint_save(const char *path, const struct model *m,
                    const struct checkpoint_note *note, size_t n_notes,
                    const struct checkpoint_extra *extra, size_t n_extras,
                    struct penchant_error *err);

/* Reads one of them: *data is the caller's to free, its numbers are finite.
   PENCHANT_ENOTFOUND when the checkpoint has none of that name. */
int checkpoint_extra(const char *path, const char *name, float **data, uint32_t *rows,
                     uint32_t *cols, struct penchant_error *err);

/* PENCHANT_ENOTFOUND when there is no file; ECORRUPT or EVERSION with the reason. */
int checkpoint_load(struct model **out, const char *path, struct penchant_error *err);

/* Copies one note of a checkpoint into text[n]; "" when it is missing. */
int checkpoint_note(const char *path, const char *name, char *text, size_t n,
                    struct penchant_error *err);

#endif
