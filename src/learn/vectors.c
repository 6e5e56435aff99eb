/* SPDX-License-Identifier: Apache-2.0 */
/* train_vectors: query vectors of many prefixes at once. */
#include <stdlib.h>
#include <string.h>

#include "learn/windows.h"

/*
 * Cases are taken in runs: neighbouring cases of one user whose prefixes all fit a window
 * share one pass, since the model is causal. Each run is one sequence of the events
 * [first, end) whose items the model knows, or none.
 */
struct run {
    uint64_t first, end;
    size_t case_first, cases;
    uint32_t tokens; /* once it is in a batch */
};

struct job {
    const struct model *m;
    const struct history *h;
    const uint64_t *at;
    float *out;
    const float *vectors;
    struct run *run;
    size_t n_runs;
    uint32_t threads;
    struct network **net; /* (threads) */
    struct batch *batch;  /* (threads) */
};

static uint32_t user_of(const struct history *h, uint64_t event)
{
    uint32_t low = 0, high = h->n_users;
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (h->start[middle] <= event)
            low = middle;
        else
            high = middle;
    }
    return low;
}

static bool is_known(const struct job *j, uint64_t event)
{
    return j->h->item[event] < j->m->config.n_items;
}

/*
 * Whether the prefix [start, end) may go on where the run ends. An item unknown to the
 * model is passed over, so the position before it sees the time of another event than the
 * case of that item does: there a run ends.
 */
static bool goes_on(const struct job *j, const struct run *run, uint64_t start,
                    uint64_t end)
{
    if (run->first != start || run->end == start || end <= run->end ||
        end - start > j->m->config.max_length)
        return false;
    for (uint64_t i = run->end; i < end; i++)
        if (!is_known(j, i))
            return false;
    return true;
}

static int plan(struct job *j, size_t n_cases)
{
    const uint32_t length = j->m->config.max_length;
    j->run = malloc((n_cases + 1) * sizeof(*j->run));
    if (!j->run)
        return PENCHANT_ENOMEM;
    for (size_t c = 0; c < n_cases; c++) {
        const uint64_t start = j->h->start[user_of(j->h, j->at[c])], end = j->at[c];
        struct run *last = j->n_runs ? &j->run[j->n_runs - 1] : NULL;
        if (last && goes_on(j, last, start, end)) {
            last->end = end;
            last->cases++;
            continue;
        }
        const uint64_t first = end - start > length ? end - length : start;
        j->run[j->n_runs++] =
            (struct run){.first = first, .end = end, .case_first = c, .cases = 1};
    }
    return PENCHANT_OK;
}

/* Hands out the rows h (tokens, d) of a run. */
static void hand_out(const struct job *j, const struct run *run, const float *h)
{
    const size_t d = j->m->config.dim;
    uint64_t at = run->first;
    size_t tokens = 0;
    for (size_t c = run->case_first; c < run->case_first + run->cases; c++) {
        for (; at < j->at[c]; at++)
            tokens += is_known(j, at);
        if (tokens)
            memcpy(j->out + c * d, h + (tokens - 1) * d, d * sizeof(float));
    }
}

static void flush(struct job *j, uint32_t thread, size_t from, size_t to)
{
    struct batch *b = &j->batch[thread];
    const struct network_pass p = {.model = j->m, .batch = b, .vectors = j->vectors};
    if (!b->n)
        return;
    const float *h = network_forward(j->net[thread], &p);
    for (size_t r = from; r < to; r++) {
        if (j->run[r].tokens)
            hand_out(j, &j->run[r], h);
        h += (size_t)j->run[r].tokens * j->m->config.dim;
    }
    batch_clear(b);
}

static void work(void *arg, uint32_t thread)
{
    struct job *j = arg;
    struct batch *b = &j->batch[thread];
    const size_t first = j->n_runs * thread / j->threads;
    const size_t end = j->n_runs * (thread + 1) / j->threads;
    size_t from = first;
    batch_clear(b);
    for (size_t r = first; r < end; r++) {
        struct run *run = &j->run[r];
        if (b->n + (run->end - run->first) > b->cap ||
            b->n_sequences == b->cap_sequences) {
            flush(j, thread, from, r);
            from = r;
        }
        run->tokens =
            windows_fill_prefix(b, j->h, run->first, run->end, j->m->config.n_items);
    }
    flush(j, thread, from, end);
}

static int prepare(struct job *j, float **made)
{
    const struct model_config *c = &j->m->config;
    const uint32_t cap = c->max_length > 1024 ? c->max_length : 1024;
    j->net = calloc(j->threads, sizeof(*j->net));
    j->batch = calloc(j->threads, sizeof(*j->batch));
    if (!j->net || !j->batch)
        return PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < j->threads; i++) {
        j->net[i] = network_new(j->m, cap);
        if (!j->net[i] || batch_init(&j->batch[i], cap, cap) != PENCHANT_OK)
            return PENCHANT_ENOMEM;
    }
    j->vectors = model_at(j->m, &j->m->item);
    if (model_items_plain(j->m))
        return PENCHANT_OK;
    j->vectors = *made = malloc((size_t)c->n_items * c->dim * sizeof(float));
    for (uint32_t i = 0; *made && i < c->n_items; i++)
        model_item_vector(j->m, i, *made + (size_t)i * c->dim);
    return *made ? PENCHANT_OK : PENCHANT_ENOMEM;
}

int train_vectors(const struct model *m, const struct history *h, const uint64_t *at,
                  size_t n_cases, struct pool *pool, float *out)
{
    struct job j = {.m = m, .h = h, .at = at, .out = out, .threads = pool_threads(pool)};
    float *made = NULL;
    int status = plan(&j, n_cases);
    if (status == PENCHANT_OK)
        status = prepare(&j, &made);
    if (status == PENCHANT_OK) {
        memset(out, 0, n_cases * m->config.dim * sizeof(float));
        pool_run(pool, work, &j, j.threads);
        for (size_t c = 0; m->config.normalise && c < n_cases; c++) {
            float *row = out + c * m->config.dim;
            kernels_get()->scale(row, model_unit_scale(row, m->config.dim),
                                 m->config.dim);
        }
    }
    for (uint32_t i = 0; j.net && j.batch && i < j.threads; i++) {
        network_free(j.net[i]);
        batch_release(&j.batch[i]);
    }
    free(j.net);
    free(j.batch);
    free(made);
    free(j.run);
    return status;
}
