/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sequence model: one causal gated attention block with switches, stacked (DESIGN
 * section 4). SASRec (Kang and McAuley 2018) and HSTU (Zhai et al. 2024) are settings of
 * it.
 *
 *   item vector  e_i  = E[i] + sum over its attributes of A[attribute] / sqrt(count)
 *                with content c_i + E[i] + .., |E[i]| <= MODEL_DELTA (item_content.h)
 *   token        x_t  = sqrt(d) e_item + T[type] + G[gap bucket] + P[t]
 *   block        a    = LN(x);  [U,V,Q,K] = f(a W_in),  f = SiLU (gated) or identity
 *                A_ts = act(Q_t.K_s / sqrt(dh) + b_pos[t-s] + b_time[bucket(t'_t - t_s)])
 *                x    = x + (U * LN(A V)) W_out  (gated)  or  x + (A V) W_out
 *                x    = x + relu(LN(x) W_1) W_2  (with a feed-forward)
 *   output       h_t  = LN(x_t);  score(i) = h_t . e_i  or  cos(h_t, e_i) / temperature
 *
 * act is a causal softmax, or SiLU / max_length. t'_t is the time of the event to be
 * predicted at position t: the next one's, or now. All parameters live in one slab of
 * floats; a tensor is an offset into it, so that the optimiser, the checkpoint and the
 * sum over threads are one loop each.
 *
 * A model is immutable once it is shared; functions that take it const may run in
 * parallel.
 */
#ifndef MODEL_MODEL_H
#define MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

enum { MODEL_MAX_BLOCKS = 16, MODEL_TIME_BUCKETS = 64, MODEL_MAX_CONTENT = 4096 };
enum model_attention { MODEL_SOFTMAX, MODEL_SILU };

struct model_config {
    uint32_t dim, blocks, heads, max_length;
    uint32_t ffn_dim; /* 0: no feed-forward */
    enum model_attention attention;
    bool gated;         /* U and the norm of A V */
    bool bias_position; /* relative, per block */
    bool bias_time;     /* per block; needs a clock */
    bool position;      /* absolute, from the start of the window */
    bool gap;           /* time since the event before; needs a clock */
    bool normalise;     /* cosine scores over a temperature */
    float temperature;
    uint32_t n_items, n_attributes, n_types; /* n_types 0: the token has no type */
    uint32_t content; /* dim of the content space (item_content.h); 0: no content */
};

/* Where a tensor lies in the slab; rows x cols floats, row-major. */
struct model_tensor {
    char name[32];
    size_t offset;
    uint32_t rows, cols;
};

struct model_block {
    struct model_tensor norm1;          /* (2, d) scale, shift */
    struct model_tensor in;             /* (d, 3d) [V,Q,K], gated (d, 4d) [U,V,Q,K] */
    struct model_tensor norm_attention; /* (2, d), gated */
    struct model_tensor out;            /* (d, d) */
    struct model_tensor bias_position;  /* (1, max_length) [max_length - 1 - (t - s)] */
    struct model_tensor bias_time;      /* (1, MODEL_TIME_BUCKETS) */
    struct model_tensor norm2, ffn1, ffn2; /* (2, d), (d, ffn_dim), (ffn_dim, d) */
};

struct model {
    struct model_config config;
    struct model_tensor item;                      /* (n_items, d) last in the slab */
    struct model_tensor attribute;                 /* (n_attributes, d) */
    struct model_tensor type, gap, position, norm; /* (n_types, d) (TIME_BUCKETS, d) .. */
    struct model_block block[MODEL_MAX_BLOCKS];
    size_t n_params;
    float *param; /* (n_params) 64-byte aligned; an absent tensor has rows 0 */
    /* The attributes of each item (CSR), owned: item i has attr[attr_start[i]..). */
    uint32_t *attr_start; /* (n_items + 1), or NULL without attributes */
    uint32_t *attr;
    char **attribute_name; /* (n_attributes) kept in the checkpoint; may be NULL */
    /* What the items say of themselves, frozen and owned; NULL without content. */
    float *content;     /* (n_items, d) each of length 1, or zero: nothing is known */
    float *content_map; /* (config.content, d) from the content space */
};

/* The parameters of the item table alone are the item vectors. */
static inline bool model_items_plain(const struct model *m)
{
    return !m->attr_start && !m->content;
}

/*
 * Lays out and allocates a model with zero parameters. attr_start and attr (may be NULL)
 * are copied. PENCHANT_EINVALID for a configuration that makes no sense (dim % heads,
 * ..).
 */
int model_new(struct model **out, const struct model_config *config,
              const uint32_t *attr_start, const uint32_t *attr,
              struct penchant_error *err);
void model_free(struct model *m);

/* Copies the attributes' names in, (n_attributes); PENCHANT_ENOMEM. */
int model_name_attributes(struct model *m, char *const *name);

/* A copy with its own slab; NULL when out of memory. */
struct model *model_clone(const struct model *m);

/* Random initial values: normal 0.02 for tables and weights, norms at identity. With
   content (which is set first) 0 for attributes and for E of the items that have it, so that
   what no event names says nothing. */
void model_initialise(struct model *m, uint64_t seed);

/* Every tensor that is present, in slab order; calls fn until it answers non-zero. */
int model_each_tensor(const struct model *m,
                      int (*fn)(void *arg, const struct model_tensor *t), void *arg);

static inline float *model_at(const struct model *m, const struct model_tensor *t)
{
    return t->rows ? m->param + t->offset : NULL;
}

/*
 * The item vectors as scores use them (n_items, d): attributes added; with `normalise`
 * scaled to length 1 / temperature, so that a score is a plain product with the unit
 * vector h / |h|.
 */
void model_item_vectors(const struct model *m, float *out);

/*
 * The bucket of a time difference in seconds: 0 for less than one (and for unknown ones),
 * then two to an octave (split at 1.5 times a power of two), [0, MODEL_TIME_BUCKETS).
 */
static inline uint32_t model_time_bucket(float seconds)
{
    union {
        float f;
        uint32_t bits;
    } u = {.f = seconds};
    if (!(seconds >= 1.0f))
        return 0;
    const uint32_t bucket = (u.bits >> 22) - (127u << 1) + 1;
    return bucket < MODEL_TIME_BUCKETS ? bucket : MODEL_TIME_BUCKETS - 1;
}

/* 1 / sqrt(count): what each of an item's attributes counts. */
float model_attribute_weight(uint32_t count);

/* 1 / |x|, finite also for zero. */
float model_unit_scale(const float *x, size_t d);

/* Adds what n attributes of an item give to its vector out (d). */
void model_add_attributes(const struct model *m, const uint32_t *attr, uint32_t n,
                          float *out);

/* Item i's vector without normalisation into out (d). */
void model_item_vector(const struct model *m, uint32_t i, float *out);

/* Makes such a vector x (d) what scores use: with normalisation 1 / temperature long. */
void model_scale_scored(const struct model *m, float *x);

#endif
