/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Content vectors: what the items say of themselves, made comparable. A space is fitted
 * once on a catalogue and then fixed, so that the vector of a new item or of a query is a
 * function of its text and imported vectors alone.
 *
 * Text (behaviour/text.h) is weighted by tf-idf, v = sign(c) log(1 + |c|) log(1 + n / df),
 * brought to length 1, and projected by a randomised PCA (pca.h); every imported modality
 * is brought to length 1, centred and projected by PCA too. Each is whitened softly
 * (eigenvalue^-1/4), brought to length 1, multiplied by sqrt(weight), and all are
 * concatenated and brought to length 1; a missing modality is zero. So c_i . c_j is the
 * weighted mean of the modalities' cosines.
 *
 * Fitted on at most CONTENT_FIT_ITEMS items, evenly spread over those that say anything.
 * Memory of a space: 4 bytes for each of the text's at most CONTENT_MAX_COLUMNS features
 * and each dimension (25 MB at most; a shop of 10,000 items takes about 10 MB), the same
 * for each number of an imported vector (1.6 MB a modality at most), and 1.5 MB. Fitting
 * takes up to 16 bytes a feature of the items fitted on beside it, about 150 MB for titles
 * of usual length, and 4 bytes a number of the imported vectors fitted on, one modality
 * after the other (130 MB for vectors of 1,000 numbers).
 *
 * A space is immutable; its functions may run in parallel.
 */
#ifndef MODEL_CONTENT_H
#define MODEL_CONTENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "base/status.h"
#include "model/checkpoint.h"

enum {
    CONTENT_MAX_MODALITIES = 8,
    CONTENT_MAX_DIM = 4096, /* of an imported vector */
    CONTENT_TEXT_DIM = 96,  /* what text, and each modality, is projected to at most */
    CONTENT_FIT_ITEMS = 1 << 15,
    CONTENT_MAX_COLUMNS = 1 << 16
};

/* The text of an item; NULL: unknown. Categories are separated by '|'. */
struct content_text {
    const char *title, *category, *brand;
    double price; /* NaN: unknown */
};

/* Vectors that were imported under one name. */
struct content_modality {
    char name[32];
    uint32_t dim;         /* 1..CONTENT_MAX_DIM */
    float weight;         /* above 0; the text's own weight is 1 */
    const float *vectors; /* (n_items, dim) borrowed */
    const uint64_t *has;  /* bitmap: which items have one; NULL: all */
};

struct content_space;

/*
 * Fits a space on n items: text[i] of each, and the modalities' vectors. NULL text: none.
 * *out is NULL (and PENCHANT_OK) when no item says anything, or all say the same.
 * PENCHANT_EINVALID for a modality that breaks its limits or has a number that is not
 * finite (err->index: which modality).
 */
int content_fit(struct content_space **out, const struct content_text *text, uint32_t n,
                const struct content_modality *modality, size_t n_modalities,
                uint64_t seed, struct pool *pool, struct penchant_error *err);
void content_free(struct content_space *s);

uint32_t content_dim(const struct content_space *s);
/* Which place in `imported` below belongs to a modality; -1: it was not there. */
int content_modality_index(const struct content_space *s, const char *name);
/* And how many numbers its vectors have there. */
uint32_t content_modality_dim(const struct content_space *s, int index);

/*
 * The vector of an item into out (dim): length 1, or all zero when nothing is known.
 * text may be NULL. imported[j]: its vector in modality j as imported, or NULL; imported
 * may be NULL.
 */
void content_item(const struct content_space *s, const struct content_text *text,
                  const float *const *imported, float *out);

/* The vector of a query or a review: the text part alone. False and all zero when none of
   its words is known. */
bool content_words(const struct content_space *s, const char *text, float *out);

/* The items' vectors (n, dim) by several threads; the modalities are matched by name. */
void content_items(const struct content_space *s, const struct content_text *text,
                   uint32_t n, const struct content_modality *modality,
                   size_t n_modalities, struct pool *pool, float *out);

/* To and from a checkpoint: tensors "content.*", at most CONTENT_EXTRAS of them. The
   extras borrow from the space. *out NULL: the checkpoint has none. Damage is
   PENCHANT_ECORRUPT. */
enum { CONTENT_EXTRAS = 4 + 3 * CONTENT_MAX_MODALITIES };
size_t content_extras(const struct content_space *s, struct checkpoint_extra *extra);
int content_load(struct content_space **out, const char *path,
                 struct penchant_error *err);

#endif
