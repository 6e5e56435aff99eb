/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/shown.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

const float *shown_features(const struct actor_catalog *c, const struct actor_request *r,
                            uint32_t item, uint32_t *dim)
{
    if (r->candidates) {
        *dim = r->candidate_dim;
        return r->candidates + (size_t)item * r->candidate_dim;
    }
    *dim = c->features ? c->dim : 0;
    return c->features ? c->features + (size_t)item * c->dim : NULL;
}

uint32_t shown_choices(const struct actor_catalog *c, const struct actor_request *r)
{
    return r->candidates ? r->n_candidates : c->n;
}

void shown_best(double *score, uint32_t n, uint32_t k, uint32_t *item)
{
    for (uint32_t p = 0; p < k; p++) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < n; i++)
            if (score[i] > score[best])
                best = i;
        item[p] = best;
        score[best] = -INFINITY;
    }
}

void shown_keep(struct shown *s, const struct actor_catalog *c,
                const struct actor_request *r, const uint32_t *item)
{
    struct shown_list *l = &s->list[s->next];
    uint32_t dim;
    shown_features(c, r, 0, &dim);
    const size_t need = (size_t)r->n_context + (size_t)r->k * dim;
    s->filled[s->next] = false;
    if (need > l->room) {
        float *grown = realloc(l->context, need * sizeof(*grown));
        if (!grown)
            return;
        l->context = grown;
        l->room = need;
    }
    l->id = r->id;
    l->k = r->k;
    l->dim = dim;
    l->n_context = r->context ? r->n_context : 0;
    l->features = l->context + l->n_context;
    memcpy(l->item, item, r->k * sizeof(*item));
    if (l->n_context)
        memcpy(l->context, r->context, l->n_context * sizeof(float));
    for (uint32_t p = 0; p < r->k && dim; p++)
        memcpy(l->features + (size_t)p * dim, shown_features(c, r, item[p], &dim),
               dim * sizeof(float));
    s->filled[s->next] = true;
    s->next = (s->next + 1) % SHOWN_LISTS;
}

const struct shown_list *shown_take(struct shown *s, uint64_t id)
{
    for (uint32_t i = 0; i < SHOWN_LISTS; i++)
        if (s->filled[i] && s->list[i].id == id) {
            s->filled[i] = false;
            return &s->list[i];
        }
    return NULL;
}

void shown_release(struct shown *s)
{
    for (uint32_t i = 0; i < SHOWN_LISTS; i++)
        free(s->list[i].context);
    memset(s, 0, sizeof(*s));
}
