/* SPDX-License-Identifier: Apache-2.0 */
/* User vectors, and segments that follow them. How segments are found: segments_fit.c. */
#include "interest/segments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "behaviour/event.h"
#include "kernels/kernels.h"

/* ---- where items lie ---- */

static float length_scale(const float *x, uint32_t dim)
{
    const float square = kernels_get()->dot(x, x, dim);
    return square > 1e-24F && isfinite(square) ? 1.0F / sqrtf(square) : 0.0F;
}

int segment_space_init(struct segment_space *s, const float *vectors, uint32_t n_items,
                       uint32_t dim, struct penchant_error *err)
{
    *s = (struct segment_space){.vectors = vectors, .n_items = n_items, .dim = dim};
    if (dim == 0 || dim > SEGMENTS_MAX_DIM)
        return error_set(err, PENCHANT_ELIMIT,
                         "segments need item vectors of 1 to %d numbers, not %u",
                         SEGMENTS_MAX_DIM, dim);
    s->scale = malloc((n_items + (size_t)1) * sizeof *s->scale);
    s->mean = calloc(dim, sizeof *s->mean);
    if (!s->scale || !s->mean) {
        segment_space_release(s);
        return error_memory(err);
    }
    for (uint32_t i = 0; i < n_items; i++)
        s->scale[i] = length_scale(vectors + (size_t)i * dim, dim);
    return PENCHANT_OK;
}

int segment_space_copy(struct segment_space *out, const struct segment_space *s,
                       struct penchant_error *err)
{
    *out = *s;
    out->scale = malloc((s->n_items + (size_t)1) * sizeof *out->scale);
    out->mean = malloc(s->dim * sizeof *out->mean);
    if (!out->scale || !out->mean) {
        segment_space_release(out);
        return error_memory(err);
    }
    memcpy(out->scale, s->scale, s->n_items * sizeof *s->scale);
    memcpy(out->mean, s->mean, s->dim * sizeof *s->mean);
    return PENCHANT_OK;
}

void segment_space_release(struct segment_space *s)
{
    free(s->scale);
    free(s->mean);
    *s = (struct segment_space){0};
}

void segment_space_centre(struct segment_space *s, const float *weight)
{
    double total = 0;
    memset(s->mean, 0, s->dim * sizeof *s->mean);
    for (uint32_t i = 0; i < s->n_items; i++)
        total += s->scale[i] > 0 ? (double)weight[i] : 0;
    for (uint32_t i = 0; total > 0 && i < s->n_items; i++)
        if (weight[i] > 0 && s->scale[i] > 0)
            kernels_get()->add_scaled(s->mean, s->vectors + (size_t)i * s->dim,
                                      (float)((double)weight[i] / total) * s->scale[i],
                                      s->dim);
}

/* ---- where a user is ---- */

bool segment_user_vector(const struct segment_space *s, const uint32_t *item,
                         const uint8_t *type, uint32_t n,
                         bool (*skip)(const void *cookie, uint32_t item),
                         const void *cookie, float *out)
{
    static const float fade = 0.957603281F; /* 2^(-1 / SEGMENTS_HALF_LIFE) */
    const struct kernels *k = kernels_get();
    float weight = 1.0F, total = 0.0F;
    memset(out, 0, s->dim * sizeof *out);
    const uint32_t oldest = n > SEGMENTS_WINDOW ? n - SEGMENTS_WINDOW : 0;
    for (uint32_t i = n; i-- > oldest; weight *= fade) {
        if (item[i] >= s->n_items || !(s->scale[item[i]] > 0) ||
            (skip && skip(cookie, item[i])))
            continue;
        const float w = weight * event_type_weight(type[i]);
        k->add_scaled(out, s->vectors + (size_t)item[i] * s->dim, w * s->scale[item[i]],
                      s->dim);
        total += w;
    }
    if (total > 0)
        k->add_scaled(out, s->mean, -total, s->dim);
    const float scale = length_scale(out, s->dim);
    k->scale(out, scale, s->dim);
    return scale > 0;
}

/* ---- segments ---- */

int segments_init(struct segments *s, const float *centre, const float *updates,
                  uint32_t n, uint32_t dim, struct penchant_error *err)
{
    *s = (struct segments){.n = n, .dim = dim};
    if (n == 0 || n > SEGMENTS_MAX || dim == 0 || dim > SEGMENTS_MAX_DIM)
        return error_set(err, PENCHANT_ECORRUPT, "there cannot be %u segments", n);
    s->centre = malloc((size_t)n * dim * sizeof *s->centre);
    s->updates = malloc(n * sizeof *s->updates);
    s->size = calloc(n, sizeof *s->size);
    if (!s->centre || !s->updates || !s->size) {
        segments_release(s);
        return error_memory(err);
    }
    memcpy(s->centre, centre, (size_t)n * dim * sizeof *centre);
    for (uint32_t k = 0; k < n; k++) {
        float *c = s->centre + (size_t)k * dim;
        const float scale = length_scale(c, dim);
        s->updates[k] = (double)updates[k];
        if (!(scale > 0) || !(updates[k] >= 0) || !isfinite(updates[k])) {
            segments_release(s);
            return error_set(err, PENCHANT_ECORRUPT, "segment %u has no centre", k);
        }
        kernels_get()->scale(c, scale, dim);
    }
    return PENCHANT_OK;
}

void segments_release(struct segments *s)
{
    free(s->centre);
    free(s->updates);
    free(s->size);
    free(s->member);
    *s = (struct segments){0};
}

uint32_t segments_nearest(const struct segments *s, const float *z, float *cosine)
{
    uint32_t best = 0;
    *cosine = -2.0F;
    for (uint32_t k = 0; k < s->n; k++) {
        const float c = kernels_get()->dot(s->centre + (size_t)k * s->dim, z, s->dim);
        if (c > *cosine) {
            best = k;
            *cosine = c;
        }
    }
    return best;
}

/* The record of a user, made when there is none; NULL: no memory. */
static struct segment_member *member_of(struct segments *s, uint32_t user)
{
    if (user >= s->cap) {
        size_t cap = s->cap + (size_t)s->cap / 2;
        cap = cap > user ? cap : (size_t)user + 1;
        cap = cap < 64 ? 64 : cap;
        struct segment_member *grown = reallocarray(s->member, cap, sizeof *grown);
        if (!grown || cap > UINT32_MAX) {
            s->member = grown ? grown : s->member;
            return NULL;
        }
        for (size_t u = s->cap; u < cap; u++)
            grown[u] = (struct segment_member){SEGMENT_NONE, SEGMENT_NONE, 0};
        s->member = grown;
        s->cap = (uint32_t)cap;
    }
    return &s->member[user];
}

static void put(struct segments *s, struct segment_member *m, uint32_t segment)
{
    if (m->segment != SEGMENT_NONE)
        s->size[m->segment]--;
    s->size[segment]++;
    *m = (struct segment_member){(uint8_t)segment, SEGMENT_NONE, 0};
}

int segments_place(struct segments *s, uint32_t user, const float *z)
{
    float cosine;
    struct segment_member *m = member_of(s, user);
    if (!m)
        return PENCHANT_ENOMEM;
    put(s, m, segments_nearest(s, z, &cosine));
    return PENCHANT_OK;
}

static void move_centre(struct segments *s, uint32_t segment, const float *z)
{
    const struct kernels *k = kernels_get();
    float *c = s->centre + (size_t)segment * s->dim;
    const double rate = fmax(1.0 / ++s->updates[segment], SEGMENTS_RATE_FLOOR);
    k->scale(c, (float)(1.0 - rate), s->dim);
    k->add_scaled(c, z, (float)rate, s->dim);
    const float scale = length_scale(c, s->dim);
    if (scale > 0)
        k->scale(c, scale, s->dim);
    else
        memcpy(c, z, s->dim * sizeof *c); /* it was the very opposite */
}

/* Whether another segment has been nearer for long enough. */
static bool ready_to_move(struct segment_member *m, uint32_t nearest, float gain)
{
    if (nearest == m->segment || !(gain > SEGMENTS_MARGIN)) {
        m->candidate = SEGMENT_NONE;
        m->streak = 0;
        return false;
    }
    m->streak = nearest == m->candidate ? (uint8_t)(m->streak + 1) : 1;
    m->candidate = (uint8_t)nearest;
    return m->streak >= SEGMENTS_PATIENCE;
}

int segments_update(struct segments *s, uint32_t user, const float *z)
{
    float best;
    struct segment_member *m = member_of(s, user);
    if (!m)
        return PENCHANT_ENOMEM;
    const uint32_t nearest = segments_nearest(s, z, &best);
    if (m->segment == SEGMENT_NONE) {
        put(s, m, nearest);
    } else {
        const float *own = s->centre + (size_t)m->segment * s->dim;
        if (ready_to_move(m, nearest, best - kernels_get()->dot(own, z, s->dim))) {
            put(s, m, nearest);
            s->changes++;
        }
    }
    move_centre(s, m->segment, z);
    return PENCHANT_OK;
}

uint8_t segments_of(const struct segments *s, uint32_t user)
{
    return user < s->cap ? s->member[user].segment : SEGMENT_NONE;
}

void segments_erase(struct segments *s, uint32_t user)
{
    if (segments_of(s, user) == SEGMENT_NONE)
        return;
    s->size[s->member[user].segment]--;
    s->member[user] = (struct segment_member){SEGMENT_NONE, SEGMENT_NONE, 0};
}
