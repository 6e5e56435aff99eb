/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/protocol_run.h"

#include <stdlib.h>
#include <string.h>

#include "learn/train.h"
#include "model/item_content.h"

/* ---- one case ------------------------------------------------------------------- */

static void bench_release(struct bench *b)
{
    free(b->seen_bits);
    free(b->seen);
    free(b->score);
    free(b->sum);
}

static int bench_init(struct bench *b, size_t n_items)
{
    *b = (struct bench){0};
    b->seen_bits = calloc(n_items / 64 + 1, sizeof(*b->seen_bits));
    b->seen = malloc((n_items + 1) * sizeof(*b->seen));
    b->score = malloc((2 * n_items + 1) * sizeof(*b->score));
    b->sum = malloc((n_items + 1) * sizeof(*b->sum));
    return b->seen_bits && b->seen && b->score && b->sum ? 0 : PENCHANT_ENOMEM;
}

/* The newest known items before the case. */
static uint32_t take_recent(struct bench *b, const struct history *h, uint64_t first,
                            uint64_t at, uint32_t known)
{
    uint32_t n = 0;
    for (uint64_t i = at; i-- > first && n < RECENT_MAX;)
        n += h->item[i] < known;
    uint32_t to = n;
    for (uint64_t i = at; to > 0 && i-- > first;)
        if (h->item[i] < known) {
            b->recent[--to] = h->item[i];
            b->recent_type[to] = h->type[i];
            b->recent_us[to] = h->ts_us[i];
        }
    return n;
}

static void take_seen(struct bench *b, const struct history *h, uint64_t first,
                      uint64_t at)
{
    for (uint64_t i = first; i < at; i++) {
        const uint32_t item = h->item[i];
        const uint64_t bit = 1ULL << item % 64;
        if (b->seen_bits[item / 64] & bit)
            continue;
        b->seen_bits[item / 64] |= bit;
        b->seen[b->n_seen++] = item;
    }
}

struct evidence_query run_put_case(const struct run *r, struct bench *b, size_t c)
{
    const struct history *h = &r->p->data->history;
    const uint64_t at = r->cases->at[c], first = h->start[r->cases->user[c]];
    if (r->p->exclude_seen)
        take_seen(b, h, first, at);
    struct evidence_query q = {
        .user = r->cases->user[c],
        .recent = b->recent,
        .recent_type = b->recent_type,
        .recent_us = b->recent_us,
        .n_recent = take_recent(b, h, first, at, r->known),
        .now_us = h->ts_us[at],
        .skip = r->p->exclude_seen ? b->seen_bits : NULL,
        .n_items = r->known,
        .content = r->content.n ? &r->content : NULL,
    };
    const struct model *m = r->model;
    if (m && q.n_recent) {
        q.dim = m->config.dim;
        q.vector = r->vectors + c * q.dim;
        q.item_vectors = r->item_vectors;
        q.index = r->index;
        q.n_indexed = r->known < m->config.n_items ? r->known : m->config.n_items;
        q.newcomers = r->newcomers.n ? &r->newcomers : NULL;
    }
    return q;
}

void run_forget_case(struct bench *b)
{
    for (uint32_t i = 0; i < b->n_seen; i++)
        b->seen_bits[b->seen[i] / 64] = 0;
    b->n_seen = 0;
}

/* ---- observing ------------------------------------------------------------------ */

struct evidence_event run_event(const struct run *r, uint64_t at, uint32_t user)
{
    const struct history *h = &r->p->data->history;
    const uint64_t n = at - h->start[user];
    const uint32_t n_recent = n < RECENT_MAX ? (uint32_t)n : RECENT_MAX;
    return (struct evidence_event){
        .user = user,
        .item = h->item[at],
        .type = h->type[at],
        .ts_us = h->ts_us[at],
        .recent = h->item + at - n_recent,
        .recent_us = h->ts_us + at - n_recent,
        .recent_type = h->type + at - n_recent,
        .n_recent = n_recent,
    };
}

int run_observe_stage(struct run *r, enum protocol_stage stage,
                      struct penchant_error *err)
{
    struct places order;
    int status = protocol_order(r->p, stage, &order, err);
    if (status)
        return status;
    for (size_t i = 0; i < order.n && !status; i++) {
        const struct evidence_event e = run_event(r, order.at[i], order.user[i]);
        if (evidence_observe(&r->evidence, &e))
            status = error_memory(err);
    }
    places_release(&order);
    return status;
}

/* ---- choosing cases and what the model makes of them ---------------------------- */

int run_begin_cases(struct run *r, const struct places *cases, enum protocol_stage stage,
                    struct penchant_error *err)
{
    const struct model *m = r->model;
    r->cases = cases;
    r->known = protocol_known(r->p, stage);
    free(r->vectors);
    r->vectors = NULL;
    if (!m)
        return PENCHANT_OK;
    if (r->fresh && r->known > m->config.n_items)
        r->newcomers = (struct evidence_content){
            .vectors = r->fresh, .n = r->known - m->config.n_items, .dim = m->config.dim};
    r->vectors = calloc(cases->n + 1, m->config.dim * sizeof(*r->vectors));
    if (!r->vectors ||
        train_vectors(m, &r->p->data->history, cases->at, cases->n, r->pool, r->vectors))
        return error_memory(err);
    return PENCHANT_OK;
}

void places_thin(struct places *cases, size_t most)
{
    const size_t step = (cases->n + most - 1) / most;
    size_t n = 0;
    for (size_t i = 0; step > 1 && i < cases->n; i += step, n++) {
        cases->at[n] = cases->at[i];
        cases->user[n] = cases->user[i];
    }
    if (step > 1)
        cases->n = n;
}

/* Vectors of the items that the model was not given. */
static int place_newcomers(struct run *r)
{
    const struct dataset *d = r->p->data;
    const struct model *m = r->model;
    const uint32_t first = m->config.n_items, n = d->history.n_items;
    const size_t dim = m->config.dim;
    if (!m->content || n <= first || !d->content)
        return PENCHANT_OK;
    float *token = malloc(dim * sizeof(*token));
    free(r->fresh);
    r->fresh = calloc(n - first, dim * sizeof(*r->fresh));
    for (uint32_t i = first; token && r->fresh && i < n; i++) {
        const uint32_t at = d->attr_start ? d->attr_start[i] : 0;
        const uint32_t n_attr = m->attr_start ? d->attr_start[i + 1] - at : 0;
        item_content_new_item(m, d->content + (size_t)i * d->content_dim, d->attr + at,
                              n_attr, token, r->fresh + (i - first) * dim);
    }
    const bool done = token && r->fresh;
    free(token);
    return done ? PENCHANT_OK : PENCHANT_ENOMEM;
}

/* ---- life ----------------------------------------------------------------------- */

int run_evidence_init(struct run *r, struct penchant_error *err)
{
    const struct evidence_options o = {.has_clock = r->p->data->history.has_clock,
                                       .half_life_days = EVIDENCE_HALF_LIFE_DAYS};
    return evidence_init(&r->evidence, &o) ? error_memory(err) : PENCHANT_OK;
}

int run_init(struct run *r, const struct protocol *p, const struct score_options *o,
             struct penchant_error *err)
{
    const uint32_t n = p->data->history.n_items;
    *r = (struct run){.p = p, .o = o, .pool = pool_new(o->threads)};
    if (!r->pool)
        return error_memory(err);
    r->threads = pool_threads(r->pool);
    r->bench = calloc(r->threads, sizeof(*r->bench));
    r->items = malloc(((size_t)n + 1) * sizeof(*r->items));
    if (!r->bench || !r->items)
        return error_memory(err);
    for (uint32_t i = 0; i < r->threads; i++)
        if (bench_init(&r->bench[i], n))
            return error_memory(err);
    for (uint32_t i = 0; i < n; i++)
        r->items[i] = i;
    r->model = o->model;
    if (o->model) {
        const struct model_config *c = &o->model->config;
        r->item_vectors = malloc((size_t)c->n_items * c->dim * sizeof(*r->item_vectors));
        if (!r->item_vectors)
            return error_memory(err);
        model_item_vectors(o->model, r->item_vectors);
        if (place_newcomers(r))
            return error_memory(err);
    }
    const int status = run_evidence_init(r, err);
    return status ? status : run_content_init(r, err);
}

int run_serve(struct run *r, struct penchant_error *err)
{
    if (!r->o->served)
        return PENCHANT_OK;
    r->model = r->o->served;
    model_item_vectors(r->model, r->item_vectors);
    return place_newcomers(r) ? error_memory(err) : PENCHANT_OK;
}

void run_release(struct run *r)
{
    evidence_release(&r->evidence);
    run_content_release(r);
    for (uint32_t i = 0; r->bench && i < r->threads; i++)
        bench_release(&r->bench[i]);
    for (uint32_t s = 0; s <= EVIDENCE_SOURCES; s++)
        free(r->rank[s]);
    free(r->bench);
    free(r->items);
    free(r->item_vectors);
    free(r->fresh);
    free(r->vectors);
    pool_free(r->pool);
}
