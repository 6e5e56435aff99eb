/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant_lookalike: the seeds' vectors against those of other users, and everybody's
 * score. A user's features are the vector of interest/segments.h, the logarithm of how
 * many wanted events there were (in deviations of the background, times ACTIVITY, so that
 * it weighs like a direction), and a constant.
 *
 * Looked at for the fit are at most FIT_SEEDS seeds and FIT_BACKGROUND others, chosen by
 * a hash of their numbers: memory 4 * dim bytes each.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "engine/shop_segments.h"
#include "interest/lookalike.h"
#include "retrieval/best.h"

enum { FIT_SEEDS = 5000, FIT_BACKGROUND = 10000, FEATURES = 2 };
#define ACTIVITY 0.3F

struct search {
    struct penchant *p;
    struct snapshot *snapshot;
    struct segment_space space;
    uint8_t *is_seed; /* (n_users) */
    uint32_t n_users;
    uint32_t d;     /* features */
    float *rows;    /* (n_rows, d) of the fit */
    uint8_t *label; /* (n_rows) */
    uint32_t n_rows, cap;
    float mean, scale; /* of the activity */
    struct lookalike like;
};

void penchant_audience_options_default(struct penchant_audience_options *o)
{
    *o = (struct penchant_audience_options){.k = 100};
}

/* ---- one user ---- */

/* The features with the bare logarithm of the activity; false when nothing is known. */
static bool features(const struct search *s, uint32_t user, float *out)
{
    const struct user_state *u = user_states_lock(s->p->states, user);
    if (!u)
        return false;
    const bool known = segment_user_vector(&s->space, u->recent, u->recent_type,
                                           u->n_recent, NULL, NULL, out);
    out[s->space.dim] = (float)log1p((double)u->wanted);
    out[s->space.dim + 1] = 1;
    user_states_unlock(s->p->states, user);
    return known;
}

static void scale_activity(const struct search *s, float *row)
{
    row[s->space.dim] = ACTIVITY * (row[s->space.dim] - s->mean) * s->scale;
}

/* ---- the fit ---- */

static int find_seeds(struct search *s, const struct penchant_audience_options *o,
                      struct penchant_audience *out)
{
    s->n_users = s->p->users.n;
    s->is_seed = calloc(s->n_users + (size_t)1, sizeof *s->is_seed);
    if (!s->is_seed)
        return PENCHANT_ENOMEM;
    for (size_t i = 0; i < o->n_seeds; i++) {
        const uint32_t u = names_find(&s->p->users, o->seeds[i], strlen(o->seeds[i]));
        if (u == NAMES_NONE || u >= s->n_users)
            out->unknown++;
        else
            s->is_seed[u] = 1;
    }
    return PENCHANT_OK;
}

/* Those with the smallest hashes are taken, about `most` of n. */
static bool chosen(uint32_t user, uint32_t most, uint32_t n)
{
    return n <= most || rng_mix(user ^ 0xa0d1e9ceULL) < UINT64_MAX / n * most;
}

static int collect(struct search *s, uint32_t n_seeds)
{
    s->cap = 2 * (FIT_SEEDS + FIT_BACKGROUND); /* hashes choose about as many */
    s->cap = s->cap < s->n_users ? s->cap : s->n_users;
    s->rows = malloc(((size_t)s->cap + 1) * s->d * sizeof *s->rows);
    s->label = malloc(s->cap + (size_t)1);
    if (!s->rows || !s->label)
        return PENCHANT_ENOMEM;
    for (uint32_t u = 0; u < s->n_users && s->n_rows < s->cap; u++) {
        float *row = s->rows + (size_t)s->n_rows * s->d;
        if (s->is_seed[u] ? !chosen(u, FIT_SEEDS, n_seeds)
                          : !chosen(u, FIT_BACKGROUND, s->n_users))
            continue;
        if (features(s, u, row))
            s->label[s->n_rows++] = s->is_seed[u];
    }
    return PENCHANT_OK;
}

static void measure_activity(struct search *s)
{
    double sum = 0, square = 0, n = 0;
    for (uint32_t i = 0; i < s->n_rows; i++) {
        const double x = (double)s->rows[(size_t)i * s->d + s->space.dim];
        sum += s->label[i] ? 0 : x;
        square += s->label[i] ? 0 : x * x;
        n += !s->label[i];
    }
    s->mean = (float)(sum / n);
    const double variance = square / n - sum / n * (sum / n);
    s->scale = variance > 1e-9 ? (float)(1 / sqrt(variance)) : 0;
    for (uint32_t i = 0; i < s->n_rows; i++)
        scale_activity(s, s->rows + (size_t)i * s->d);
}

static int fit(struct search *s, struct penchant_error *err)
{
    uint32_t given = 0, seeds = 0;
    for (uint32_t u = 0; u < s->n_users; u++)
        given += s->is_seed[u];
    if (collect(s, given))
        return error_memory(err);
    for (uint32_t i = 0; i < s->n_rows; i++)
        seeds += s->label[i];
    if (seeds == 0)
        return error_field(err, PENCHANT_EINVALID, 0, "user_ids",
                           "nothing is known of any of the users given");
    if (seeds == s->n_rows)
        return error_field(err, PENCHANT_EINVALID, 0, "user_ids",
                           "there are no other users to compare with");
    measure_activity(s);
    return lookalike_fit(&s->like, s->rows, s->label, s->n_rows, s->d) ? error_memory(err)
                                                                       : PENCHANT_OK;
}

/* ---- the audience ---- */

static int score_all(struct search *s, const struct penchant_audience_options *o,
                     struct best *best, struct penchant_audience *out)
{
    float *row = malloc(s->d * sizeof *row);
    if (!row)
        return PENCHANT_ENOMEM;
    for (uint32_t u = 0; u < s->n_users; u++) {
        const bool known = features(s, u, row);
        out->seeds += s->is_seed[u] && known;
        out->blank += s->is_seed[u] && !known;
        if (!known || s->is_seed[u])
            continue;
        scale_activity(s, row);
        const double score = lookalike_score(&s->like, row);
        if (score >= o->threshold)
            best_offer(best, score, u);
    }
    free(row);
    return PENCHANT_OK;
}

/* Names under p->lock; a user who was erased meanwhile has none and is left out. */
static int list(struct search *s, struct best *best, struct penchant_audience *out)
{
    best_sort(best);
    out->users = malloc((best->n + (size_t)1) * sizeof *out->users);
    if (!out->users)
        return PENCHANT_ENOMEM;
    pthread_rwlock_rdlock(&s->p->lock);
    for (uint32_t i = 0; i < best->n; i++) {
        const char *id = names_text(&s->p->users, best->hit[i].row);
        const uint8_t segment = engine_segment_of(s->p, best->hit[i].row);
        if (*id)
            out->users[out->n++] = (struct penchant_audience_user){
                id, best->hit[i].score, segment == SEGMENT_NONE ? -1 : segment};
    }
    pthread_rwlock_unlock(&s->p->lock);
    return PENCHANT_OK;
}

static int search(struct search *s, const struct penchant_audience_options *o,
                  struct penchant_audience *out, struct penchant_error *err)
{
    int rc = engine_segments_space(s->p, &s->space, &s->snapshot, err);
    if (rc)
        return rc;
    s->d = s->space.dim + FEATURES;
    pthread_rwlock_rdlock(&s->p->lock);
    rc = find_seeds(s, o, out);
    pthread_rwlock_unlock(&s->p->lock);
    if (rc)
        return error_memory(err);
    if ((rc = fit(s, err)) != PENCHANT_OK)
        return rc;
    struct best best = {.k = (uint32_t)o->k};
    best.hit = malloc(best.k * sizeof *best.hit);
    rc = best.hit ? score_all(s, o, &best, out) : PENCHANT_ENOMEM;
    if (!rc)
        rc = list(s, &best, out);
    free(best.hit);
    return rc ? error_memory(err) : PENCHANT_OK;
}

static int check(const struct penchant_audience_options *o, struct penchant_error *err)
{
    if (o->n_seeds == 0 || o->n_seeds > PENCHANT_MAX_SEEDS)
        return error_field(err, PENCHANT_EINVALID, 0, "user_ids",
                           "there must be 1 to %d users", PENCHANT_MAX_SEEDS);
    for (size_t i = 0; i < o->n_seeds; i++)
        if (!o->seeds[i])
            return error_field(err, PENCHANT_EINVALID, i, "user_ids",
                               "a user id is missing");
    if (o->k == 0 || o->k > PENCHANT_MAX_AUDIENCE)
        return error_field(err, PENCHANT_EINVALID, 0, "k", "k must be from 1 to %d",
                           PENCHANT_MAX_AUDIENCE);
    if (!(o->threshold >= 0 && o->threshold <= 1))
        return error_field(err, PENCHANT_EINVALID, 0, "threshold",
                           "threshold must be from 0 to 1");
    return PENCHANT_OK;
}

int penchant_lookalike(struct penchant *p, const struct penchant_audience_options *o,
                       struct penchant_audience **out, struct penchant_error *err)
{
    struct search s = {.p = p};
    *out = NULL;
    int rc = check(o, err);
    if (rc)
        return rc;
    struct penchant_audience *audience = calloc(1, sizeof *audience);
    rc = audience ? search(&s, o, audience, err) : error_memory(err);
    lookalike_release(&s.like);
    segment_space_release(&s.space);
    engine_snapshot_release(p, s.snapshot);
    free(s.is_seed);
    free(s.rows);
    free(s.label);
    if (rc)
        penchant_audience_free(audience);
    else
        *out = audience;
    return rc;
}

void penchant_audience_free(struct penchant_audience *audience)
{
    if (audience)
        free(audience->users);
    free(audience);
}
