/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the agent share: agent.c runs the operations, agent_read.c reads what
   they carry and judges it, agent_open.c remembers recommendations until their feedback. */
#ifndef LAB_AGENT_STATE_H
#define LAB_AGENT_STATE_H

#include <jansson.h>

#include "base/names.h"
#include "lab/agent.h"

/* A recommendation whose feedback may come; the table forgets the oldest of a bucket. */
struct agent_open {
    uint64_t key; /* of the stream's id; 0: empty */
    uint64_t id;  /* the actor's */
    uint32_t user, k;
};

struct agent {
    const struct actor_ops *ops;
    uint64_t seed, next_id;
    uint32_t slate;
    void *state; /* of the actor, from the first line that needs it */
    struct actor_catalog catalog;
    float *features;        /* (n, dim) of the catalogue */
    uint32_t candidate_dim; /* of requests, fixed by the first that brings any */
    uint32_t n_context;
    struct names users;
    struct agent_open *open; /* (AGENT_MOST_OPEN) */
    float *row;              /* (cap) numbers of the present line */
    size_t row_cap;
    double last_ts;
};

/* The stream's id, an integer or a string, as a key; 0 when it is neither. */
uint64_t agent_key(const json_t *id);
void agent_open_add(struct agent *a, uint64_t key, const struct agent_open *o);
/* Takes it out; false: unknown. */
bool agent_open_take(struct agent *a, uint64_t key, struct agent_open *out);

/* Each reads one member and answers 0, or PENCHANT_EINVALID naming it. */
int agent_read_count(const json_t *line, const char *name, uint32_t low, uint32_t high,
                     uint32_t fallback, uint32_t *out, struct penchant_error *err);
int agent_read_user(struct agent *a, const json_t *line, uint32_t *out,
                    struct penchant_error *err);
int agent_read_ts(struct agent *a, const json_t *line, double *out,
                  struct penchant_error *err);
/* Items of the catalogue into out[ACTOR_MOST_SLATE]. */
int agent_read_items(const struct agent *a, const json_t *line, uint32_t *out,
                     uint32_t *n, struct penchant_error *err);
int agent_read_rewards(const json_t *line, float *out, uint32_t *n,
                       struct penchant_error *err);
/* Numbers of `values` at offset `at` of the line's buffer. */
int agent_read_floats(struct agent *a, const json_t *values, const char *name, size_t at,
                      struct penchant_error *err);
/* Rows of equal length; *dim: 0 takes the first row's, else it is demanded. */
int agent_read_rows(struct agent *a, const json_t *rows, const char *name, uint32_t *n,
                    uint32_t *dim, struct penchant_error *err);

#endif
