/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a content space, for its fitting, its use and its file. */
#ifndef MODEL_CONTENT_SPACE_H
#define MODEL_CONTENT_SPACE_H

#include "behaviour/text.h"
#include "model/content.h"

#define CONTENT_NO_COLUMN UINT32_MAX

enum { CONTENT_NAME = sizeof(((struct content_modality *)0)->name) };
/* What a checkpoint tells of a part: in, out, weight, the name's bytes; the space's head
   is the version and the number of modalities. */
enum { CONTENT_ABOUT = 3 + CONTENT_NAME, CONTENT_VERSION = 1 };

/* One modality: z = x projection - offset, brought to length sqrt(weight). */
struct content_part {
    char name[CONTENT_NAME]; /* "" for the text */
    uint32_t in, out;        /* out 0: it tells no items apart */
    float weight;
    float *projection;   /* (in + 1, out) whitened; the last row is the offset */
    const float *offset; /* (out) that row */
    float about[CONTENT_ABOUT];
};

struct content_space {
    uint32_t dim; /* sum of all `out` */
    struct content_part text;
    uint32_t n_modalities;
    struct content_part modality[CONTENT_MAX_MODALITIES];
    float *column_of;  /* (text.in, 2) bucket and idf of each column, buckets ascending */
    uint32_t *columns; /* (TEXT_BUCKETS) column of a bucket or CONTENT_NO_COLUMN */
    float head[2];     /* see CONTENT_ABOUT */
};

/* A text feature that the space knows, weighted by tf-idf. */
struct content_features {
    uint32_t n;
    uint32_t column[TEXT_MAX_FEATURES]; /* ascending */
    float value[TEXT_MAX_FEATURES];     /* of length 1 together, unless n is 0 */
};

/* The features of an item's text before any weighting. */
void content_text_features(const struct content_text *text, struct text_features *f);

/* tf-idf of the features that have a column; arguments as in the space. */
void content_weigh_features(const struct text_features *f, const uint32_t *columns,
                            const float *column_of, struct content_features *out);

/* Whether item i has a vector in an imported modality. */
static inline bool content_modality_has(const struct content_modality *m, uint32_t i)
{
    return !m->has || (m->has[i / 64] >> i % 64 & 1);
}

/* Fills `columns` from column_of; false when out of memory. */
bool content_index_columns(struct content_space *s);

/* Fills what extras tell of each part. */
void content_describe(struct content_space *s);

/* Brings x to length `length`; false where it has none, or numbers that are not finite. */
bool content_scale(float *x, uint32_t n, float length);

#endif
