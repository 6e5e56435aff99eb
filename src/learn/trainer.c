/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trainer_run: epochs of steps. A step is a batch of windows, packed into groups; group i
 * goes to thread i % threads, each thread sums its gradient, the sums are added in thread
 * order, and one AdamW step follows: so a run repeats bit for bit.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/timing.h"
#include "learn/loss.h"
#include "learn/optimiser.h"
#include "learn/validate.h"
#include "learn/windows.h"
#include "model/item_content.h"

enum { GROUP_TOKENS = 1024 };

/* What one thread needs for itself. */
struct worker {
    struct network *net;
    struct batch batch;
    struct loss_scratch scratch;
    struct gradient gradient;
    float *dh; /* (group, d) */
};

/* Windows [first, end) of the epoch's plan, at most `group` tokens. */
struct group {
    uint32_t first, end;
};

struct trainer {
    const struct train_data *data;
    const struct train_options *o;
    struct model *model, *best;
    struct pool *pool;
    struct loss_tables tables;
    struct optimiser optimiser;
    struct validation validation;
    struct windows windows;
    struct worker *worker; /* (threads) */
    uint32_t group_tokens;
    struct group *group; /* of the present step */
    uint32_t n_groups, cap_groups;
    uint32_t *events; /* items of all training events, for draws by frequency */
    float *frequency;
    uint32_t
        *seen; /* (n_items) with content: items of training events, then the others */
    float weight, rate_factor;
    double best_ndcg, step_seconds, loss;
    int64_t began_ns;
    uint32_t stale; /* validations since the best one */
    struct penchant_train_report *report;
    bool stop;
};

/* ---- life ---------------------------------------------------------------------- */

static int sort_out_unseen(struct trainer *t)
{
    const uint32_t n = t->model->config.n_items;
    uint32_t first = 0, end = n;
    t->seen = malloc(n * sizeof(*t->seen));
    if (!t->seen)
        return PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < n; i++)
        t->seen[t->frequency[i] > 0 ? first++ : --end] = i;
    t->tables.seen = t->seen;
    t->tables.n_seen = first;
    t->tables.unseen = t->seen + first;
    t->tables.n_unseen = n - first;
    return PENCHANT_OK;
}

static int count_events(struct trainer *t)
{
    const struct history *h = t->data->history;
    uint64_t n = 0;
    t->events = malloc((h->n + 1) * sizeof(*t->events));
    t->frequency = calloc(h->n_items, sizeof(*t->frequency));
    if (!t->events || !t->frequency)
        return PENCHANT_ENOMEM;
    for (uint32_t u = 0; u < h->n_users; u++)
        for (uint64_t e = h->start[u]; e < t->data->train_end[u]; e++)
            t->events[n++] = h->item[e];
    for (uint64_t i = 0; i < n; i++)
        t->frequency[t->events[i]] += 1.0f / (float)n;
    t->tables.events = t->events;
    t->tables.n_events = n;
    t->tables.frequency = t->frequency;
    return t->model->content ? sort_out_unseen(t) : PENCHANT_OK;
}

static int worker_init(struct worker *w, const struct trainer *t)
{
    const uint32_t d = t->model->config.dim;
    w->net = network_new(t->model, t->group_tokens);
    w->dh = malloc((size_t)t->group_tokens * d * sizeof(*w->dh));
    if (!w->net || !w->dh ||
        batch_init(&w->batch, t->group_tokens, t->group_tokens) != PENCHANT_OK ||
        loss_scratch_init(&w->scratch, &t->tables) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    return gradient_init(&w->gradient, t->model, t->o->loss != TRAIN_SAMPLED);
}

static void trainer_release(struct trainer *t)
{
    for (uint32_t i = 0; t->worker && i < t->o->threads; i++) {
        struct worker *w = &t->worker[i];
        network_free(w->net);
        batch_release(&w->batch);
        loss_scratch_release(&w->scratch);
        gradient_release(&w->gradient);
        free(w->dh);
    }
    free(t->worker);
    free(t->group);
    free(t->events);
    free(t->frequency);
    free(t->seen);
    windows_release(&t->windows);
    validation_release(&t->validation);
    optimiser_release(&t->optimiser);
    loss_tables_release(&t->tables);
    pool_free(t->pool);
    model_free(t->model);
    model_free(t->best);
}

/* The parameters of an earlier run, and what its items said. */
static void take_up(struct model *m, const struct model *from)
{
    const size_t row = m->config.dim * sizeof(float);
    memcpy(m->param, from->param, from->n_params * sizeof(float));
    if (!m->content)
        return;
    memcpy(m->content, from->content, m->config.n_items * row);
    memcpy(m->content_map, from->content_map, m->config.content * row);
}

static int make_model(struct trainer *t, struct penchant_error *err)
{
    const struct train_data *data = t->data;
    const int status =
        model_new(&t->model, &t->o->model, data->attr_start, data->attr, err);
    if (status != PENCHANT_OK)
        return status;
    if (t->model->config.n_attributes && data->attribute_name &&
        model_name_attributes(t->model, data->attribute_name) != PENCHANT_OK)
        return error_memory(err);
    const struct model *from = t->o->resume_from;
    if (from && (from->n_params != t->model->n_params ||
                 from->config.content != t->model->config.content))
        return error_set(err, PENCHANT_EINVALID,
                         "the checkpoint to go on from has another shape");
    if (!from && t->model->content && item_content_fit(t->model, data->content, err))
        return err->status;
    if (from)
        take_up(t->model, from);
    else
        model_initialise(t->model, t->o->seed);
    t->best = model_clone(t->model);
    return t->best ? PENCHANT_OK : error_memory(err);
}

static int trainer_init(struct trainer *t, struct penchant_error *err)
{
    int status = make_model(t, err);
    if (status != PENCHANT_OK)
        return status;
    t->group_tokens =
        t->o->model.max_length > GROUP_TOKENS ? t->o->model.max_length : GROUP_TOKENS;
    t->rate_factor = 1;
    t->best_ndcg = -1;
    t->pool = pool_new(t->o->threads);
    t->worker = calloc(t->o->threads, sizeof(*t->worker));
    if (!t->pool || !t->worker || loss_tables_init(&t->tables, t->model, t->o) ||
        count_events(t) || optimiser_init(&t->optimiser, t->model, t->o->weight_decay) ||
        validation_init(&t->validation, t->data))
        return error_memory(err);
    for (uint32_t i = 0; i < t->o->threads; i++)
        if (worker_init(&t->worker[i], t) != PENCHANT_OK)
            return error_memory(err);
    if (t->tables.n_events == 0)
        return error_set(err, PENCHANT_EINVALID, "there is nothing to learn from");
    return PENCHANT_OK;
}

static double seconds_since(int64_t began_ns)
{
    return (double)(timing_steady_ns() - began_ns) * 1e-9;
}

/* ---- one step ------------------------------------------------------------------ */

static void run_group(void *arg, uint32_t i)
{
    struct trainer *t = arg;
    struct worker *w = &t->worker[i % t->o->threads];
    const struct group *group = &t->group[i];
    const uint64_t number = t->optimiser.step * 65536 + i;
    struct rng rng;
    rng_init(&rng, t->o->seed, 16 + number);
    batch_clear(&w->batch);
    for (uint32_t k = group->first; k < group->end; k++)
        windows_fill(&w->batch, t->data->history, &t->windows.window[k]);
    const struct network_pass p = {.model = t->model,
                                   .batch = &w->batch,
                                   .vectors = loss_token_vectors(&t->tables),
                                   .dropout = t->o->dropout,
                                   .seed = (uint32_t)rng_u64(&rng)};
    const struct loss_rows rows = {.h = network_forward(w->net, &p),
                                   .target = w->batch.target,
                                   .n = w->batch.n,
                                   .weight = t->weight,
                                   .rng = &rng};
    loss_run(&t->tables, &w->scratch, &rows, w->dh, &w->gradient);
    network_backward(w->net, &p, w->dh, w->gradient.dense);
    const size_t d = t->model->config.dim;
    for (uint32_t k = 0; k < w->batch.n; k++)
        w->gradient.k->add(gradient_row(&w->gradient, w->batch.item[k]), w->dh + k * d,
                           d);
}

static void merge_part(void *arg, uint32_t part)
{
    struct trainer *t = arg;
    for (uint32_t i = 1; i < t->o->threads; i++)
        gradient_merge(&t->worker[0].gradient, &t->worker[i].gradient, part,
                       t->o->threads);
}

static void clear_part(void *arg, uint32_t i)
{
    struct trainer *t = arg;
    gradient_clear(&t->worker[i].gradient);
}

static int add_group(struct trainer *t, uint32_t first, uint32_t end)
{
    if (t->n_groups == t->cap_groups) {
        const uint32_t cap = t->cap_groups ? 2 * t->cap_groups : 64;
        struct group *group = realloc(t->group, cap * sizeof(*group));
        if (!group)
            return PENCHANT_ENOMEM;
        t->group = group;
        t->cap_groups = cap;
    }
    t->group[t->n_groups++] = (struct group){first, end};
    return PENCHANT_OK;
}

/* Packs windows from `first` on into a step's groups; *tokens says how many they hold. */
static int plan_step(struct trainer *t, uint32_t first, uint32_t *end, uint64_t *tokens)
{
    uint32_t at = first;
    t->n_groups = 0;
    *tokens = 0;
    while (at < t->windows.n && *tokens < t->o->batch_tokens) {
        const uint32_t from = at;
        uint32_t n = 0;
        while (at < t->windows.n && *tokens + n < t->o->batch_tokens &&
               n + t->windows.window[at].n <= t->group_tokens)
            n += t->windows.window[at++].n;
        if (add_group(t, from, at) != PENCHANT_OK)
            return PENCHANT_ENOMEM;
        *tokens += n;
    }
    *end = at;
    return PENCHANT_OK;
}

static float rate_of(const struct trainer *t)
{
    const float warm = (float)(t->optimiser.step + 1) / (float)(t->o->warmup_steps + 1);
    return t->o->learning_rate * t->rate_factor * (warm < 1 ? warm : 1);
}

static int step(struct trainer *t, uint32_t first, uint32_t *end,
                struct penchant_error *err)
{
    const int64_t began = timing_steady_ns();
    struct gradient *g = &t->worker[0].gradient;
    uint64_t tokens;
    if (plan_step(t, first, end, &tokens) != PENCHANT_OK)
        return error_memory(err);
    t->weight = 1.0f / (float)tokens;
    loss_tables_update(&t->tables, t->pool);
    pool_run(t->pool, clear_part, t, t->o->threads);
    pool_run(t->pool, run_group, t, t->n_groups);
    pool_run(t->pool, merge_part, t, t->o->threads);
    if (g->failed)
        return error_memory(err);
    gradient_finish(g, t->model);
    optimiser_update(&t->optimiser, t->model, g, rate_of(t), t->pool);
    t->loss = g->loss / (double)g->targets;
    if (!isfinite(t->loss))
        return error_set(err, PENCHANT_EINVALID,
                         "training diverged; try a lower learning rate");
    t->report->tokens += tokens;
    t->report->steps++;
    t->step_seconds += seconds_since(began);
    return PENCHANT_OK;
}

/* ---- epochs -------------------------------------------------------------------- */

static void fill_report(struct trainer *t)
{
    struct penchant_train_report *r = t->report;
    r->seconds = seconds_since(t->began_ns);
    r->tokens_per_s = t->step_seconds > 0 ? (double)r->tokens / t->step_seconds : 0;
    r->best_ndcg10 = t->best_ndcg > 0 ? t->best_ndcg : 0;
}

static int validate(struct trainer *t, struct penchant_error *err)
{
    double ndcg = 0;
    if (validation_ndcg10(&t->validation, t->model, t->pool, &ndcg) != PENCHANT_OK)
        return error_memory(err);
    /* With nothing held out the last epoch is the best; patience still ends it. */
    const bool blind = t->validation.n == 0;
    if (ndcg <= t->best_ndcg && !blind) {
        t->stale++;
        if (t->stale % 4 == 0)
            t->rate_factor *= 0.5f;
        return PENCHANT_OK;
    }
    t->stale = blind ? t->stale + 1 : 0;
    t->best_ndcg = ndcg;
    t->report->best_epoch = t->report->epochs;
    memcpy(t->best->param, t->model->param, t->model->n_params * sizeof(float));
    fill_report(t);
    return t->o->on_best ? t->o->on_best(t->o->cookie, t->best, t->report) : PENCHANT_OK;
}

static bool out_of_time(const struct trainer *t)
{
    return t->o->minutes > 0 && seconds_since(t->began_ns) >= t->o->minutes * 60;
}

/* Progress counts the time when time is the bound, else the epochs. */
static void show(struct trainer *t, uint32_t at)
{
    char detail[96];
    uint64_t done = t->report->epochs * (uint64_t)t->windows.n + at;
    uint64_t total = t->o->max_epochs * (uint64_t)t->windows.n;
    fill_report(t);
    if (t->o->minutes > 0) {
        total = (uint64_t)(t->o->minutes * 60000);
        done = (uint64_t)(t->report->seconds * 1000);
        done = done < total ? done : total;
    }
    snprintf(detail, sizeof(detail), "epoch %u loss %.4f best NDCG@10 %.4f %.0f tokens/s",
             t->report->epochs + 1, t->loss, t->report->best_ndcg10,
             t->report->tokens_per_s);
    const char *what = t->o->what ? t->o->what : "train";
    if (t->o->progress && t->o->progress(t->o->cookie, what, done, total, detail) != 0)
        t->stop = t->report->stopped = true;
}

static int epoch(struct trainer *t, struct penchant_error *err)
{
    struct rng rng;
    const int64_t began = timing_steady_ns();
    rng_init(&rng, t->o->seed, 2 + (uint64_t)t->report->epochs * 65537);
    if (windows_plan(&t->windows, t->data, t->o->model.max_length, &rng) != PENCHANT_OK)
        return error_memory(err);
    if (t->windows.n == 0)
        return error_set(err, PENCHANT_EINVALID, "no user has two events to learn from");
    t->step_seconds += seconds_since(began); /* making batches is part of the steps */
    for (uint32_t at = 0; at < t->windows.n && !t->stop;) {
        const int status = step(t, at, &at, err);
        if (status != PENCHANT_OK)
            return status;
        show(t, at);
        t->stop |= out_of_time(t);
    }
    t->report->epochs++;
    const int status = validate(t, err);
    t->stop |= t->stale >= t->o->patience ||
               (t->o->max_epochs && t->report->epochs >= t->o->max_epochs);
    return status;
}

static void start_report(const struct trainer *t)
{
    static const char *const loss_name[] = {"full", "sampled", "gbce"};
    const struct train_options *o = t->o;
    *t->report = (struct penchant_train_report){
        .dim = o->model.dim,
        .blocks = o->model.blocks,
        .heads = o->model.heads,
        .negatives = o->loss == TRAIN_FULL ? 0 : o->negatives,
        .max_length = o->model.max_length,
        .seed = o->seed,
        .dropout = (double)o->dropout,
    };
    snprintf(t->report->preset, sizeof(t->report->preset), "%s", o->preset);
    snprintf(t->report->loss, sizeof(t->report->loss), "%s", loss_name[o->loss]);
}

int trainer_run(struct model **best, const struct train_data *data,
                const struct train_options *o, struct penchant_train_report *report,
                struct penchant_error *err)
{
    struct trainer t = {.data = data, .o = o, .report = report};
    *best = NULL;
    t.began_ns = timing_steady_ns();
    start_report(&t);
    windows_init(&t.windows);
    int status = trainer_init(&t, err);
    if (status == PENCHANT_OK && o->resume_from)
        status = validate(&t, err); /* so that what comes out is never worse */
    while (status == PENCHANT_OK && !t.stop)
        status = epoch(&t, err);
    if (status == PENCHANT_OK) {
        fill_report(&t);
        *best = t.best;
        t.best = NULL;
    }
    trainer_release(&t);
    return status;
}
