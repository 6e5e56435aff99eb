/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/step.h"

#include <math.h>
#include <stdlib.h>

#include "model/network.h"

enum { GROUP_TOKENS = 1024 };

/* What one thread needs for itself. */
struct step_worker {
    struct network *net;
    struct batch batch;
    struct loss_scratch scratch;
    struct gradient gradient;
    float *dh; /* (group, d) */
};

/* Windows [first, end) of the epoch's plan, at most group_tokens positions. */
struct step_group {
    uint32_t first, end;
};

/* ---- life ---------------------------------------------------------------------- */

static int sort_out_unseen(struct stepper *s)
{
    const uint32_t n = s->model->config.n_items;
    uint32_t first = 0, end = n;
    s->seen = malloc(n * sizeof(*s->seen));
    if (!s->seen)
        return PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        s->seen[s->frequency[i] > 0 ? first++ : --end] = i;
    s->tables.seen = s->seen;
    s->tables.n_seen = first;
    s->tables.unseen = s->seen + first;
    s->tables.n_unseen = n - first;
    return PENCHANT_OK;
}

static int count_events(struct stepper *s)
{
    const struct history *h = s->data->history;
    uint64_t n = 0;
    s->events = malloc((h->n + 1) * sizeof(*s->events));
    s->frequency = calloc(h->n_items, sizeof(*s->frequency));
    if (!s->events || !s->frequency)
        return PENCHANT_ENOMEM;
    for (uint32_t u = 0; u < h->n_users; u++)
        for (uint64_t e = h->start[u]; e < s->data->train_end[u]; e++)
            s->events[n++] = h->item[e];
    for (uint64_t i = 0; i < n; i++)
        s->frequency[s->events[i]] += 1.0f / (float)n;
    s->tables.events = s->events;
    s->tables.n_events = n;
    s->tables.frequency = s->frequency;
    return s->model->content ? sort_out_unseen(s) : PENCHANT_OK;
}

static int worker_init(struct step_worker *w, const struct stepper *s)
{
    const uint32_t d = s->model->config.dim;
    w->net = network_new(s->model, s->group_tokens);
    w->dh = malloc((size_t)s->group_tokens * d * sizeof(*w->dh));
    if (!w->net || !w->dh ||
        batch_init(&w->batch, s->group_tokens, s->group_tokens) != PENCHANT_OK ||
        loss_scratch_init(&w->scratch, &s->tables) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    return gradient_init(&w->gradient, s->model, s->o->loss != TRAIN_SAMPLED);
}

void stepper_release(struct stepper *s)
{
    for (uint32_t i = 0; s->worker && i < s->o->threads; i++) {
        struct step_worker *w = &s->worker[i];
        network_free(w->net);
        batch_release(&w->batch);
        loss_scratch_release(&w->scratch);
        gradient_release(&w->gradient);
        free(w->dh);
    }
    free(s->worker);
    free(s->group);
    free(s->events);
    free(s->frequency);
    free(s->seen);
    loss_tables_release(&s->tables);
    pool_free(s->pool);
    *s = (struct stepper){0};
}

int stepper_init(struct stepper *s, const struct train_data *data,
                 const struct train_options *o, struct model *m,
                 struct penchant_error *err)
{
    *s = (struct stepper){.data = data, .o = o, .model = m};
    s->group_tokens =
        o->model.max_length > GROUP_TOKENS ? o->model.max_length : GROUP_TOKENS;
    s->pool = pool_new(o->threads);
    s->worker = calloc(o->threads, sizeof(*s->worker));
    int status = s->pool && s->worker ? PENCHANT_OK : PENCHANT_ENOMEM;
    if (!status)
        status = loss_tables_init(&s->tables, m, o);
    if (!status)
        status = count_events(s);
    for (uint32_t i = 0; i < o->threads && !status; i++)
        status = worker_init(&s->worker[i], s);
    if (!status && s->tables.n_events)
        return PENCHANT_OK;
    stepper_release(s);
    return status ? error_memory(err)
                  : error_set(err, PENCHANT_EINVALID, "there is nothing to learn from");
}

/* ---- one step ------------------------------------------------------------------ */

static void run_group(void *arg, uint32_t i)
{
    struct stepper *s = arg;
    struct step_worker *w = &s->worker[i % s->o->threads];
    const struct step_group *group = &s->group[i];
    struct rng rng;
    rng_init(&rng, s->o->seed, 16 + s->number * 65536 + i);
    batch_clear(&w->batch);
    for (uint32_t k = group->first; k < group->end; k++)
        windows_fill(&w->batch, s->data->history, &s->windows->window[k]);
    const struct network_pass p = {.model = s->model,
                                   .batch = &w->batch,
                                   .vectors = loss_token_vectors(&s->tables),
                                   .dropout = s->o->dropout,
                                   .seed = (uint32_t)rng_u64(&rng)};
    const struct loss_rows rows = {.h = network_forward(w->net, &p),
                                   .target = w->batch.target,
                                   .n = w->batch.n,
                                   .weight = s->weight,
                                   .rng = &rng};
    loss_run(&s->tables, &w->scratch, &rows, w->dh, &w->gradient);
    network_backward(w->net, &p, w->dh, w->gradient.dense);
    const size_t d = s->model->config.dim;
    for (uint32_t k = 0; k < w->batch.n; k++)
        w->gradient.k->add(gradient_row(&w->gradient, w->batch.item[k]), w->dh + k * d,
                           d);
}

static void merge_part(void *arg, uint32_t part)
{
    struct stepper *s = arg;
    for (uint32_t i = 1; i < s->o->threads; i++)
        gradient_merge(&s->worker[0].gradient, &s->worker[i].gradient, part,
                       s->o->threads);
}

static void clear_part(void *arg, uint32_t i)
{
    struct stepper *s = arg;
    gradient_clear(&s->worker[i].gradient);
}

static int add_group(struct stepper *s, uint32_t first, uint32_t end)
{
    if (s->n_groups == s->cap_groups) {
        const uint32_t cap = s->cap_groups ? 2 * s->cap_groups : 64;
        struct step_group *group = realloc(s->group, cap * sizeof(*group));
        if (!group)
            return PENCHANT_ENOMEM;
        s->group = group;
        s->cap_groups = cap;
    }
    s->group[s->n_groups++] = (struct step_group){first, end};
    return PENCHANT_OK;
}

/* Packs windows from `first` on into a step's groups. */
static int plan_step(struct stepper *s, uint32_t first, struct step_result *r)
{
    const struct windows *w = s->windows;
    uint32_t at = first;
    s->n_groups = 0;
    r->tokens = 0;
    while (at < w->n && r->tokens < s->o->batch_tokens) {
        const uint32_t from = at;
        uint32_t n = 0;
        while (at < w->n && r->tokens + n < s->o->batch_tokens &&
               n + w->window[at].n <= s->group_tokens)
            n += w->window[at++].n;
        if (add_group(s, from, at) != PENCHANT_OK)
            return PENCHANT_ENOMEM;
        r->tokens += n;
    }
    r->end = at;
    return PENCHANT_OK;
}

int stepper_step(struct stepper *s, const struct windows *w, uint32_t first,
                 struct optimiser *optimiser, float rate, struct step_result *r,
                 struct penchant_error *err)
{
    struct gradient *g = &s->worker[0].gradient;
    s->windows = w;
    s->number = optimiser->step;
    if (plan_step(s, first, r) != PENCHANT_OK)
        return error_memory(err);
    s->weight = 1.0f / (float)r->tokens;
    loss_tables_update(&s->tables, s->pool);
    pool_run(s->pool, clear_part, s, s->o->threads);
    pool_run(s->pool, run_group, s, s->n_groups);
    pool_run(s->pool, merge_part, s, s->o->threads);
    if (g->failed)
        return error_memory(err);
    gradient_finish(g, s->model);
    optimiser_update(optimiser, s->model, g, rate, s->pool);
    r->loss = g->loss / (double)g->targets;
    return isfinite(r->loss) ? PENCHANT_OK
                             : error_set(err, PENCHANT_EINVALID,
                                         "training diverged; try a lower learning rate");
}
