/* SPDX-License-Identifier: Apache-2.0 */
/* A blend in a checkpoint: one row a source under the source's name, and the frame. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "evidence/blend.h"

enum {
    PART_FLOATS = sizeof(struct blend_part) / sizeof(float),
    FRAME_FLOATS = sizeof(struct blend_frame) / sizeof(float)
};

#define FRAME "blend.frame.2" /* 2: repeat is 0 for what is not of the history */

size_t blend_extras(const struct blend *b, struct checkpoint_extra *extra)
{
    extra[0] = (struct checkpoint_extra){
        .name = FRAME, .rows = 1, .cols = FRAME_FLOATS, .data = b->frame.mean};
    for (int s = 0; s < EVIDENCE_SOURCES; s++) {
        extra[s + 1] = (struct checkpoint_extra){
            .rows = 1, .cols = PART_FLOATS, .data = &b->part[s].centre};
        snprintf(extra[s + 1].name, sizeof extra->name, "blend.%s",
                 evidence_sources[s]->name);
    }
    return BLEND_EXTRAS;
}

/* Reads one row of n floats into `out`. */
static int read_row(const char *path, const char *name, float *out, uint32_t n,
                    struct penchant_error *err)
{
    float *data = NULL;
    uint32_t rows, cols;
    int rc = checkpoint_extra(path, name, &data, &rows, &cols, err);
    if (rc)
        return rc;
    if (rows != 1 || cols != n)
        rc = error_set(err, PENCHANT_ENOTFOUND, "%s: %s is of another version", path,
                       name);
    for (uint32_t i = 0; !rc && i < n; i++)
        if (!isfinite(data[i]))
            rc = error_set(err, PENCHANT_ECORRUPT, "%s: %s holds no number at %u", path,
                           name, i);
    if (!rc)
        memcpy(out, data, n * sizeof *out);
    free(data);
    return rc;
}

static int check_frame(const struct blend_frame *f, const char *path,
                       struct penchant_error *err)
{
    bool good = f->covered >= 0 && f->covered <= 1;
    for (int j = 0; j < BLEND_CONTEXTS; j++)
        good = good && f->spread[j] >= 0;
    return good ? PENCHANT_OK
                : error_set(err, PENCHANT_ECORRUPT, "%s: " FRAME " makes no sense", path);
}

static int read_part(struct blend_part *p, int s, const char *path,
                     struct penchant_error *err)
{
    char name[sizeof((struct checkpoint_extra *)0)->name];
    struct penchant_error missing;
    snprintf(name, sizeof name, "blend.%s", evidence_sources[s]->name);
    int rc = read_row(path, name, &p->centre, PART_FLOATS, &missing);
    if (rc == PENCHANT_ENOTFOUND) { /* a source that this checkpoint is older than */
        *p = (struct blend_part){.scale = 1.0F};
        p->w[0][0] = evidence_sources[s]->unfitted;
        return PENCHANT_OK;
    }
    if (!rc && !(p->scale > 0))
        return error_set(err, PENCHANT_ECORRUPT, "%s: %s makes no sense", path, name);
    return rc ? error_set(err, rc, "%s", missing.text) : PENCHANT_OK;
}

int blend_load(struct blend *b, const char *path, struct penchant_error *err)
{
    struct blend read = {0};
    int rc = read_row(path, FRAME, read.frame.mean, FRAME_FLOATS, err);
    if (!rc)
        rc = check_frame(&read.frame, path, err);
    for (int s = 0; !rc && s < EVIDENCE_SOURCES; s++)
        rc = read_part(&read.part[s], s, path, err);
    if (!rc)
        *b = read;
    return rc;
}
