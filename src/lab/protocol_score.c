/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/protocol_score.h"

#include <stdlib.h>
#include <string.h>

#include "evidence/counts.h"
#include "lab/protocol_run.h"

/* What is reported alone beside the sources asked for: the plainest of counting. */
static uint32_t scored(const struct run *r)
{
    return r->o->mask | 1U << EVIDENCE_COVISITATION | 1U << EVIDENCE_POPULARITY;
}

/* ---- ranks ---------------------------------------------------------------------- */

static void rank_case(struct run *r, struct bench *b, size_t c)
{
    const struct history *h = &r->p->data->history;
    const uint32_t target = h->item[r->cases->at[c]];
    const struct evidence_query q = run_put_case(r, b, c);
    struct blend_terms terms;
    float *novelty = b->score + r->known;
    blend_for(&r->blend[r->cases->user[c] % 2], &r->evidence, &q, r->o->mask, &terms);
    memset(b->sum, 0, r->known * sizeof(*b->sum));
    counts_novelty(r->evidence.counts, r->items, r->known, novelty);
    for (uint32_t s = 0; s < EVIDENCE_SOURCES; s++) {
        if (!(scored(r) >> s & 1))
            continue;
        evidence_sources[s]->score(r->evidence.state[s], &q, r->items, r->known,
                                   b->score);
        r->rank[s][c] = metrics_rank(b->score, r->known, target, b->seen, b->n_seen);
        if (terms.mask >> s & 1)
            blend_add(&terms.term[s], b->score, novelty, r->known, b->sum);
    }
    r->rank[EVIDENCE_SOURCES][c] =
        metrics_rank(b->sum, r->known, target, b->seen, b->n_seen);
    run_forget_case(b);
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

/* Hidden items and the others apart; every user has one case. */
static int part_ranks(const struct run *r, uint32_t source, struct protocol_scores *out)
{
    const uint32_t *item = r->p->data->history.item;
    int status = PENCHANT_OK;
    for (size_t c = 0; c < r->cases->n && !status; c++)
        status = metrics_add(item[r->cases->at[c]] < r->p->n_warm ? &out->warm[source]
                                                                  : &out->cold[source],
                             r->rank[source][c]);
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
    out->scored = scored(r);
    int status = keep_ranks(r, r->rank[EVIDENCE_SOURCES], &out->sum);
    for (uint32_t s = 0; s < EVIDENCE_SOURCES && !status; s++)
        if (out->scored >> s & 1)
            status = keep_ranks(r, r->rank[s], &out->alone[s]);
    for (uint32_t s = 0; s <= EVIDENCE_SOURCES && !status; s++)
        if (r->p->o.kind == PROTOCOL_COLD_ITEMS &&
            (s == EVIDENCE_SOURCES || out->scored >> s & 1))
            status = part_ranks(r, s, out);
    return status ? error_memory(err) : PENCHANT_OK;
}

/* ---- the whole ------------------------------------------------------------------ */

int protocol_score(struct protocol_scores *out, const struct protocol *p,
                   const struct score_options *o, struct penchant_error *err)
{
    struct run r;
    struct places cases = {0};
    *out = (struct protocol_scores){0};
    int status = run_init(&r, p, o, err);
    if (!status)
        status = run_observe_stage(&r, STAGE_FIT, err);
    if (!status)
        status = run_fit_blend(&r, &out->blend, &out->fitted, err);
    if (!status && p->o.report == STAGE_TEST)
        status = run_observe_stage(&r, STAGE_VALIDATION, err);
    if (!status && p->o.report == STAGE_TEST)
        status = run_serve(&r, err);
    if (!status)
        status = protocol_cases(p, p->o.report, &cases, err);
    if (!status)
        status = run_begin_cases(&r, &cases, p->o.report, err);
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
    for (uint32_t i = 0; i <= EVIDENCE_SOURCES; i++) {
        metrics_release(&s->warm[i]);
        metrics_release(&s->cold[i]);
    }
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
