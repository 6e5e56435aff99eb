/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/segments_train.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "learn/held_out.h"

/* ---- users as points ---- */

static uint64_t newest_of(uint64_t start, uint64_t end)
{
    return end - start > SEGMENTS_WINDOW ? end - SEGMENTS_WINDOW : start;
}

int segments_item_weights(const struct history *h, uint32_t n_items, float **out)
{
    *out = calloc(n_items + (size_t)1, sizeof **out);
    if (!*out)
        return PENCHANT_ENOMEM;
    for (uint32_t u = 0; u < h->n_users; u++)
        for (uint64_t i = newest_of(h->start[u], h->start[u + 1]); i < h->start[u + 1];
             i++)
            if (h->item[i] < n_items)
                (*out)[h->item[i]] += 1;
    return PENCHANT_OK;
}

/* Which users: those with events, or of many those with the smallest hashes. */
static uint32_t choose_users(const struct history *h, uint32_t *user)
{
    uint32_t with = 0, n = 0;
    for (uint32_t u = 0; u < h->n_users; u++)
        with += h->start[u + 1] > h->start[u];
    const uint64_t bar = with > SEGMENTS_TRAIN_USERS
                             ? UINT64_MAX / with * SEGMENTS_TRAIN_USERS
                             : UINT64_MAX;
    for (uint32_t u = 0; u < h->n_users && n < SEGMENTS_TRAIN_USERS; u++)
        if (h->start[u + 1] > h->start[u] && rng_mix(u ^ 0x5e61U) <= bar)
            user[n++] = u;
    return n;
}

/* Cases lie in the order of users, as the rows do. */
static void choose_cases(struct segments_points *p, const struct lessons *l,
                         bool (*counts)(uint32_t user))
{
    size_t c = 0;
    for (uint32_t row = 0; row < p->data.n_users; row++) {
        while (c < l->n_cases && l->user[c] < p->user[row])
            c++;
        if (c == l->n_cases)
            return;
        if (l->user[c] != p->user[row] || (counts && !counts(p->user[row])))
            continue;
        p->case_user[p->data.n_cases] = row;
        p->case_item[p->data.n_cases++] = l->history.item[l->at[c]];
    }
}

static int make_points(struct segments_points *p, const struct lessons *l,
                       const struct segment_space *space, bool held_out)
{
    const struct history *h = &l->history;
    p->user = malloc((SEGMENTS_TRAIN_USERS + (size_t)1) * sizeof *p->user);
    if (!p->user)
        return PENCHANT_ENOMEM;
    const uint32_t n = choose_users(h, p->user);
    p->vector = calloc((size_t)n + 1, space->dim * sizeof *p->vector);
    p->start = malloc((n + (size_t)1) * sizeof *p->start);
    p->end = malloc((n + (size_t)1) * sizeof *p->end);
    p->case_user = malloc((n + (size_t)1) * sizeof *p->case_user);
    p->case_item = malloc((n + (size_t)1) * sizeof *p->case_item);
    if (!p->vector || !p->start || !p->end || !p->case_user || !p->case_item)
        return PENCHANT_ENOMEM;
    for (uint32_t row = 0; row < n; row++) {
        const uint32_t u = p->user[row];
        p->end[row] = held_out ? l->train_end[u] : h->start[u + 1];
        p->start[row] = h->start[u];
        const uint64_t from = newest_of(p->start[row], p->end[row]);
        segment_user_vector(space, h->item + from, h->type + from,
                            (uint32_t)(p->end[row] - from), NULL, NULL,
                            p->vector + (size_t)row * space->dim);
    }
    p->data = (struct segments_data){.vector = p->vector,
                                     .n_users = n,
                                     .dim = space->dim,
                                     .start = p->start,
                                     .end = p->end,
                                     .item = h->item,
                                     .n_items = h->n_items,
                                     .case_user = p->case_user,
                                     .case_item = p->case_item};
    return PENCHANT_OK;
}

int segments_points_init(struct segments_points *p, const struct lessons *l,
                         const struct segment_space *space, bool held_out,
                         bool (*counts)(uint32_t user), struct penchant_error *err)
{
    *p = (struct segments_points){0};
    if (make_points(p, l, space, held_out) != PENCHANT_OK) {
        segments_points_release(p);
        return error_memory(err);
    }
    if (held_out)
        choose_cases(p, l, counts);
    return PENCHANT_OK;
}

void segments_points_release(struct segments_points *p)
{
    free(p->user);
    free(p->vector);
    free(p->start);
    free(p->end);
    free(p->case_user);
    free(p->case_item);
    *p = (struct segments_points){0};
}

/* ---- training ---- */

static int choose(struct segments_trained *t, const struct lessons *l,
                  const struct segment_space *space, uint64_t seed, struct pool *pool,
                  uint32_t *best, struct penchant_error *err)
{
    struct segments_points points;
    int rc = segments_points_init(&points, l, space, true, held_out_chooses, err);
    if (rc)
        return rc;
    rc = segments_choose(&points.data, seed, pool, t->choice, &t->n_choices, best);
    segments_points_release(&points);
    return rc ? error_memory(err) : PENCHANT_OK;
}

/* Those that are served know the held-out events too. */
static int find(struct segments_trained *t, const struct lessons *l,
                const struct segment_space *space, uint32_t n, uint64_t seed,
                struct pool *pool, struct penchant_error *err)
{
    struct segments_points points;
    int rc = segments_points_init(&points, l, space, false, NULL, err);
    if (rc)
        return rc;
    rc = segments_find(&t->found, &points.data, n, seed, pool);
    segments_points_release(&points);
    return rc ? error_memory(err) : PENCHANT_OK;
}

int segments_train(struct segments_trained *out, const struct lessons *l,
                   const float *item_vectors, uint32_t n_items, uint32_t dim,
                   uint64_t seed, uint32_t threads, struct penchant_error *err)
{
    struct segment_space space = {0};
    float *weight = NULL;
    uint32_t n = 0;
    *out = (struct segments_trained){.dim = dim};
    struct pool *pool = pool_new(threads);
    int rc = pool && !segments_item_weights(&l->history, n_items, &weight)
                 ? PENCHANT_OK
                 : error_memory(err);
    if (!rc)
        rc = segment_space_init(&space, item_vectors, n_items, dim, err);
    if (!rc) {
        segment_space_centre(&space, weight);
        rc = choose(out, l, &space, seed, pool, &n, err);
    }
    if (!rc)
        rc = find(out, l, &space, n, seed, pool, err);
    out->mean = space.mean;
    space.mean = NULL;
    segment_space_release(&space);
    free(weight);
    pool_free(pool);
    if (rc)
        segments_trained_release(out);
    return rc;
}

void segments_trained_release(struct segments_trained *t)
{
    free(t->found.centre);
    free(t->mean);
    *t = (struct segments_trained){0};
}

size_t segments_extras(struct segments_trained *t,
                       struct checkpoint_extra extra[SEGMENTS_EXTRAS])
{
    if (t->found.n == 0)
        return 0;
    for (uint32_t i = 0; i < t->n_choices; i++) {
        t->choices[i][0] = (float)t->choice[i].n;
        t->choices[i][1] = (float)t->choice[i].gain;
        t->choices[i][2] = (float)t->choice[i].error;
        t->choices[i][3] = (float)t->choice[i].prior;
    }
    extra[0] = (struct checkpoint_extra){EXTRA_SEGMENT_CENTRES, t->found.n, t->dim,
                                         t->found.centre};
    extra[1] =
        (struct checkpoint_extra){EXTRA_SEGMENT_UPDATES, 1, t->found.n, t->found.updates};
    extra[2] = (struct checkpoint_extra){EXTRA_SEGMENT_MEAN, 1, t->dim, t->mean};
    extra[3] = (struct checkpoint_extra){EXTRA_SEGMENT_CHOICES, t->n_choices, 4,
                                         &t->choices[0][0]};
    return SEGMENTS_EXTRAS;
}
