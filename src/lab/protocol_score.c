/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/protocol_score.h"

#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "evidence/fit.h"
#include "learn/train.h"

enum {
    RECENT_MAX = 256,     /* of a user's items that the counting sources are shown */
    FIT_CASES = 20000,    /* more tell the weights nothing */
    FIT_CANDIDATES = 100, /* of each source in a case */
    CHUNK = 1024          /* cases between two looks at the progress */
};

static const uint32_t COUNTING = 1U << EVIDENCE_COVISITATION | 1U << EVIDENCE_POPULARITY;

/* ---- one case ------------------------------------------------------------------- */

/* What one thread needs to put a case. */
struct bench {
    uint32_t recent[RECENT_MAX];
    uint8_t recent_type[RECENT_MAX];
    int64_t recent_us[RECENT_MAX];
    uint64_t *seen_bits; /* of items; all zero between cases */
    uint32_t *seen;      /* (n_seen) distinct */
    uint32_t n_seen;
    float *score; /* (n_items) of one source */
    float *sum;   /* (n_items) weighted over the sources */
};

struct run {
    const struct protocol *p;
    const struct score_options *o;
    struct evidence evidence;
    struct pool *pool;
    struct bench *bench; /* (threads) */
    uint32_t threads;
    float *item_vectors; /* (model's n_items, dim), or NULL */
    struct topk_index
        *index;      /* over those of the known items, while weights are fitted */
    uint32_t *items; /* 0, 1, .. */
    uint32_t known;  /* items that can be in a list now */
    /* The cases being scored. */
    const struct places *cases;
    float *vectors;                       /* (cases.n, dim) */
    size_t chunk;                         /* the first case of the present chunk */
    struct evidence_weights weights[2];   /* of users with an even and an odd number */
    uint32_t *rank[EVIDENCE_SOURCES + 1]; /* (cases.n); the last is the sum's */
};

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
    b->score = malloc((n_items + 1) * sizeof(*b->score));
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

/* Puts case c; what it points to is the bench's until forget_case(). */
static struct evidence_query put_case(const struct run *r, struct bench *b, size_t c)
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
    };
    const struct model *m = r->o->model;
    if (m && q.n_recent) {
        q.dim = m->config.dim;
        q.vector = r->vectors + c * q.dim;
        q.item_vectors = r->item_vectors;
        q.index = r->index;
        q.n_indexed = r->known < m->config.n_items ? r->known : m->config.n_items;
    }
    return q;
}

static void forget_case(struct bench *b)
{
    for (uint32_t i = 0; i < b->n_seen; i++)
        b->seen_bits[b->seen[i] / 64] = 0;
    b->n_seen = 0;
}

/* ---- observing ------------------------------------------------------------------ */

static int observe_stage(struct run *r, enum protocol_stage stage,
                         struct penchant_error *err)
{
    const struct history *h = &r->p->data->history;
    struct places order;
    int status = protocol_order(r->p, stage, &order, err);
    if (status)
        return status;
    for (size_t i = 0; i < order.n && !status; i++) {
        const uint64_t at = order.at[i], first = h->start[order.user[i]];
        const uint64_t n = at - first;
        const uint32_t n_recent = n < RECENT_MAX ? (uint32_t)n : RECENT_MAX;
        const struct evidence_event e = {
            .user = order.user[i],
            .item = h->item[at],
            .type = h->type[at],
            .ts_us = h->ts_us[at],
            .recent = h->item + at - n_recent,
            .recent_us = h->ts_us + at - n_recent,
            .n_recent = n_recent,
        };
        if (evidence_observe(&r->evidence, &e))
            status = error_memory(err);
    }
    places_release(&order);
    return status;
}

/* ---- choosing cases and what the model makes of them ---------------------------- */

static int begin_cases(struct run *r, const struct places *cases,
                       enum protocol_stage stage, struct penchant_error *err)
{
    const struct model *m = r->o->model;
    r->cases = cases;
    r->known = protocol_known(r->p, stage);
    free(r->vectors);
    r->vectors = NULL;
    if (!m)
        return PENCHANT_OK;
    r->vectors = calloc(cases->n + 1, m->config.dim * sizeof(*r->vectors));
    if (!r->vectors ||
        train_vectors(m, &r->p->data->history, cases->at, cases->n, r->pool, r->vectors))
        return error_memory(err);
    return PENCHANT_OK;
}

/* Every so manyth case, so that at most FIT_CASES remain. */
static void thin(struct places *cases)
{
    const size_t step = (cases->n + FIT_CASES - 1) / FIT_CASES;
    size_t n = 0;
    for (size_t i = 0; step > 1 && i < cases->n; i += step, n++) {
        cases->at[n] = cases->at[i];
        cases->user[n] = cases->user[i];
    }
    if (step > 1)
        cases->n = n;
}

/* ---- weights -------------------------------------------------------------------- */

static const uint32_t EVERYONE = 2;

/* Fits on the cases of users whose number is `fold` modulo 2, or of all. */
static int fit_fold(struct run *r, uint32_t fold, struct evidence_weights *out,
                    struct penchant_error *err)
{
    const struct history *h = &r->p->data->history;
    struct bench *b = &r->bench[0];
    struct fit_report report;
    struct fit_cases fit;
    int status = PENCHANT_OK;
    fit_cases_init(&fit);
    for (size_t c = 0; c < r->cases->n && !status; c++) {
        if (fold != EVERYONE && r->cases->user[c] % 2 != fold)
            continue;
        const struct evidence_query q = put_case(r, b, c);
        status = fit_cases_add_query(&fit, &r->evidence, r->o->mask, &q, FIT_CANDIDATES,
                                     h->item[r->cases->at[c]]);
        forget_case(b);
    }
    if (status)
        error_set(err, status, "the weights cannot be fitted: %s",
                  penchant_status_text(status));
    else
        evidence_fit(&fit, r->o->mask, out, &report);
    fit_cases_release(&fit);
    return status;
}

static int fit_weights(struct run *r, struct protocol_scores *out,
                       struct penchant_error *err)
{
    const struct model *m = r->o->model;
    struct places cases;
    if ((r->o->mask & (r->o->mask - 1)) == 0) {
        for (uint32_t s = 0; s < EVIDENCE_SOURCES; s++)
            out->weights.w[s] = (float)(r->o->mask >> s & 1);
        r->weights[0] = r->weights[1] = out->weights;
        return PENCHANT_OK;
    }
    int status = protocol_cases(r->p, STAGE_VALIDATION, &cases, err);
    if (status)
        return status;
    thin(&cases);
    status = begin_cases(r, &cases, STAGE_VALIDATION, err);
    if (!status && m) {
        const uint32_t n = r->known < m->config.n_items ? r->known : m->config.n_items;
        status = topk_index_new(&r->index, r->item_vectors, n, m->config.dim, err);
    }
    if (!status)
        status = fit_fold(r, EVERYONE, &out->weights, err);
    r->weights[0] = r->weights[1] = out->weights;
    for (uint32_t fold = 0; fold < 2 && !status && r->p->o.report == STAGE_VALIDATION;
         fold++)
        status = fit_fold(r, fold, &r->weights[1 - fold], err);
    topk_index_free(r->index);
    r->index = NULL;
    r->cases = NULL;
    places_release(&cases);
    return status;
}

/* ---- ranks ---------------------------------------------------------------------- */

static void rank_case(struct run *r, struct bench *b, size_t c)
{
    const struct history *h = &r->p->data->history;
    const uint32_t target = h->item[r->cases->at[c]];
    const struct evidence_query q = put_case(r, b, c);
    const struct evidence_weights *w = &r->weights[r->cases->user[c] % 2];
    const uint32_t scored = r->o->mask | COUNTING;
    memset(b->sum, 0, r->known * sizeof(*b->sum));
    for (uint32_t s = 0; s < EVIDENCE_SOURCES; s++) {
        if (!(scored >> s & 1))
            continue;
        evidence_sources[s]->score(r->evidence.state[s], &q, r->items, r->known,
                                   b->score);
        r->rank[s][c] = metrics_rank(b->score, r->known, target, b->seen, b->n_seen);
        if (r->o->mask >> s & 1)
            for (uint32_t i = 0; i < r->known; i++)
                b->sum[i] += w->w[s] * b->score[i];
    }
    r->rank[EVIDENCE_SOURCES][c] =
        metrics_rank(b->sum, r->known, target, b->seen, b->n_seen);
    forget_case(b);
}

static void rank_share(void *arg, uint32_t thread)
{
    struct run *r = arg;
    const size_t end =
        r->cases->n - r->chunk < CHUNK ? r->cases->n : r->chunk + (size_t)CHUNK;
    for (size_t c = r->chunk + thread; c < end; c += r->threads)
        rank_case(r, &r->bench[thread], c);
}

static int keep_ranks(const struct run *r, const uint32_t *rank, struct metrics *m)
{
    int status = PENCHANT_OK;
    for (size_t c = 0; c < r->cases->n && !status; c++)
        status = c && r->cases->user[c] == r->cases->user[c - 1]
                     ? metrics_add_again(m, rank[c])
                     : metrics_add(m, rank[c]);
    return status;
}

static void count_targets(const struct run *r, struct protocol_scores *out)
{
    const struct history *h = &r->p->data->history;
    out->cases = r->cases->n;
    for (size_t c = 0; c < r->cases->n; c++) {
        const uint64_t at = r->cases->at[c];
        out->unknown_targets += h->item[at] >= r->known;
        if (!r->p->exclude_seen)
            continue;
        uint64_t i = h->start[r->cases->user[c]];
        while (i < at && h->item[i] != h->item[at])
            i++;
        out->seen_targets += i < at;
    }
}

static int rank_cases(struct run *r, struct protocol_scores *out,
                      struct penchant_error *err)
{
    const size_t n = r->cases->n;
    for (uint32_t s = 0; s <= EVIDENCE_SOURCES; s++) {
        r->rank[s] = malloc((n + 1) * sizeof(*r->rank[s]));
        if (!r->rank[s])
            return error_memory(err);
    }
    for (r->chunk = 0; r->chunk < n; r->chunk += CHUNK) {
        pool_run(r->pool, rank_share, r, r->threads);
        const size_t done = n - r->chunk < CHUNK ? n : r->chunk + CHUNK;
        if (r->o->progress && r->o->progress(r->o->cookie, "evaluate", done, n, NULL))
            return error_set(err, PENCHANT_EINTERRUPTED, "stopped while evaluating");
    }
    count_targets(r, out);
    out->scored = r->o->mask | COUNTING;
    int status = keep_ranks(r, r->rank[EVIDENCE_SOURCES], &out->sum);
    for (uint32_t s = 0; s < EVIDENCE_SOURCES && !status; s++)
        if (out->scored >> s & 1)
            status = keep_ranks(r, r->rank[s], &out->alone[s]);
    return status ? error_memory(err) : PENCHANT_OK;
}

/* ---- the whole ------------------------------------------------------------------ */

static int run_init(struct run *r, const struct protocol *p,
                    const struct score_options *o, struct penchant_error *err)
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
    if (o->model) {
        const struct model_config *c = &o->model->config;
        r->item_vectors = malloc((size_t)c->n_items * c->dim * sizeof(*r->item_vectors));
        if (!r->item_vectors)
            return error_memory(err);
        model_item_vectors(o->model, r->item_vectors);
    }
    const struct evidence_options counts = {.has_clock = p->data->history.has_clock,
                                            .half_life_days = EVIDENCE_HALF_LIFE_DAYS};
    return evidence_init(&r->evidence, &counts) ? error_memory(err) : PENCHANT_OK;
}

static void run_release(struct run *r)
{
    evidence_release(&r->evidence);
    for (uint32_t i = 0; r->bench && i < r->threads; i++)
        bench_release(&r->bench[i]);
    for (uint32_t s = 0; s <= EVIDENCE_SOURCES; s++)
        free(r->rank[s]);
    free(r->bench);
    free(r->items);
    free(r->item_vectors);
    free(r->vectors);
    pool_free(r->pool);
}

int protocol_score(struct protocol_scores *out, const struct protocol *p,
                   const struct score_options *o, struct penchant_error *err)
{
    struct run r;
    struct places cases = {0};
    *out = (struct protocol_scores){0};
    int status = run_init(&r, p, o, err);
    if (!status)
        status = observe_stage(&r, STAGE_FIT, err);
    if (!status)
        status = fit_weights(&r, out, err);
    if (!status && p->o.report == STAGE_TEST)
        status = observe_stage(&r, STAGE_VALIDATION, err);
    if (!status)
        status = protocol_cases(p, p->o.report, &cases, err);
    if (!status)
        status = begin_cases(&r, &cases, p->o.report, err);
    if (!status)
        status = rank_cases(&r, out, err);
    places_release(&cases);
    run_release(&r);
    if (status)
        protocol_scores_release(out);
    return status;
}

void protocol_scores_release(struct protocol_scores *s)
{
    metrics_release(&s->sum);
    for (uint32_t i = 0; i < EVIDENCE_SOURCES; i++)
        metrics_release(&s->alone[i]);
    *s = (struct protocol_scores){0};
}

enum evidence_id protocol_scores_best(const struct protocol_scores *s, uint32_t mask,
                                      enum metrics_kind kind, uint32_t at)
{
    int best = -1;
    double top = 0;
    for (int i = 0; i < EVIDENCE_SOURCES; i++) {
        if (!(mask & s->scored & 1U << i))
            continue;
        const double value = metrics_of(&s->alone[i], kind, at).value;
        if (best < 0 || value > top) {
            best = i;
            top = value;
        }
    }
    return best < 0 ? EVIDENCE_POPULARITY : (enum evidence_id)best;
}
