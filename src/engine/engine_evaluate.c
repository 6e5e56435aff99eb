/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant_evaluate: the exam of engine/lessons.h, taken by the blend and by every source
 * alone. Ranks are taken among the union of all sources' EACH best, which is what a list
 * is made from; a source's own best EACH are all in it, so ranks that count are exact.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/lessons.h"
#include "engine/values_train.h"
#include "evaluate/metrics.h"

enum { EACH = 200, ROOM = EVIDENCE_SOURCES * EACH, ALL = (1 << EVIDENCE_SOURCES) - 1 };

struct evaluating {
    const struct snapshot *s;
    const struct snapshot *present; /* the model in use, which has the values */
    struct lessons lessons;
    uint32_t mask;
    struct metrics blend, alone[EVIDENCE_SOURCES];
};

/* Where the target stands; a miss when it is no candidate at all. */
static uint32_t rank_of(const float *score, uint32_t n, uint32_t target)
{
    return target < n ? metrics_rank(score, n, target, NULL, 0) : METRICS_MISS;
}

static int answer(struct evaluating *v, const struct evidence_query *q, uint32_t target)
{
    struct evidence *e = &v->lessons.evidence;
    struct blend_terms terms;
    uint32_t item[ROOM];
    float score[2 * ROOM], sum[ROOM];
    const uint32_t n = (uint32_t)evidence_candidates(e, ALL, q, EACH, item);
    uint32_t at = 0;
    while (at < n && item[at] != target)
        at++;
    int rc = PENCHANT_OK;
    for (int s = 0; !rc && s < EVIDENCE_SOURCES; s++) {
        evidence_sources[s]->score(e->state[s], q, item, n, score);
        rc = metrics_add(&v->alone[s], rank_of(score, n, at));
    }
    blend_for(&v->s->blend, e, q, v->mask, &terms);
    blend_score(&terms, e, q, item, n, sum, score);
    return rc ? rc : metrics_add(&v->blend, rank_of(sum, n, at));
}

static int examine(struct evaluating *v, struct penchant_error *err)
{
    const struct lessons *l = &v->lessons;
    struct exam exam;
    if (v->s->n_items > l->history.n_items)
        return error_set(err, PENCHANT_EINVALID, "the model was made for another shop");
    int rc = exam_init(&exam, l, v->s, 2, err);
    if (rc)
        return rc;
    uint64_t *skip = calloc(l->history.n_items / 64 + 1, sizeof *skip);
    rc = skip ? PENCHANT_OK : PENCHANT_ENOMEM;
    for (size_t c = 0; !rc && c < l->n_cases; c++) {
        const struct evidence_query q = exam_question(&exam, c, skip);
        rc = answer(v, &q, exam_answer(&exam, c));
        exam_forget(&exam, c, skip);
    }
    free(skip);
    exam_release(&exam);
    return rc ? error_memory(err) : PENCHANT_OK;
}

/* With the store to itself: the log as it was when the model was trained. */
static int read_lessons(struct penchant *p, void *arg, struct penchant_error *err)
{
    struct evaluating *v = arg;
    return lessons_read(&v->lessons, p->store, v->s->trained_seq, err);
}

/* In the space of the model's checkpoint. */
static int describe(struct penchant *p, struct evaluating *v, struct penchant_error *err)
{
    char path[ENGINE_PATH_MAX];
    const int rc = engine_path(p, SNAPSHOT_FILE, path, err);
    return rc ? rc : lessons_describe(&v->lessons, path, 2, err);
}

static void report_outlook(const struct outlook_model *m, int output,
                           struct penchant_outlook_quality *out)
{
    const bool whole = output == OUTLOOK_OUTPUTS;
    const struct outlook_figures *f = &m->figures[output];
    *out = (struct penchant_outlook_quality){.n = (uint64_t)f->n,
                                             .rate = whole ? NAN : (double)f->rate,
                                             .log_loss = (double)f->log_loss,
                                             .base_log_loss = (double)f->base,
                                             .rf_log_loss = (double)f->recency,
                                             .gain = (double)f->gain,
                                             .error = (double)f->gain_error,
                                             .auc = whole ? NAN : (double)f->auc,
                                             .ece = whole ? NAN : (double)f->ece};
    snprintf(out->name, sizeof(out->name), "%s", whole ? "next" : outlook_names[output]);
    if (whole) /* as leaving is, which can be told whenever anything can */
        output = OUTLOOK_NEXT_LEAVE;
    out->reason = outlook_reason(m->why[output]);
}

static void report(const struct evaluating *v, struct penchant_evaluation *out)
{
    int best = -1;
    double top = 0;
    *out = (struct penchant_evaluation){.cases = v->lessons.n_cases,
                                        .seen_excluded = !v->lessons.repeats};
    metrics_quality(&v->blend, "model", &out->quality[out->n++]);
    for (int s = 0; s < EVIDENCE_SOURCES; s++) {
        if (!(v->mask >> s & 1))
            continue;
        const double ndcg = metrics_ndcg(&v->alone[s], 10).value;
        if (best < 0 || ndcg > top) {
            best = s;
            top = ndcg;
        }
        metrics_quality(&v->alone[s], evidence_sources[s]->name, &out->quality[out->n++]);
    }
    const struct metrics *alone = &v->alone[best];
    snprintf(out->best_single, sizeof out->best_single, "%s",
             evidence_sources[best]->name);
    out->over_ndcg10 = metrics_difference(&v->blend, alone, METRICS_NDCG, 10);
    out->over_mrr20 = metrics_difference(&v->blend, alone, METRICS_MRR, 20);
    out->over_hr20 = metrics_difference(&v->blend, alone, METRICS_HR, 20);
    report_outlook(&v->s->outlook, OUTLOOK_OUTPUTS, &out->outlook[0]);
    for (int o = 0; o < OUTLOOK_OUTPUTS; o++)
        report_outlook(&v->s->outlook, o, &out->outlook[1 + o]);
    values_quality(v->present->critic, out->value);
}

int penchant_evaluate(struct penchant *p, const char *sources,
                      struct penchant_evaluation *out, struct penchant_error *err)
{
    uint32_t mask;
    const int bad = evidence_parse(sources ? sources : "all", &mask, err);
    if (bad)
        return bad;
    engine_snapshot_refresh(p); /* the watcher may be a second late */
    struct snapshot *s = engine_snapshot_acquire(p);
    if (!s)
        return error_set(err, PENCHANT_ENOMODEL, "no model has been trained");
    struct snapshot *judged = NULL;
    int rc = engine_snapshot_judged(p, s, &judged, err);
    struct evaluating v = {.s = judged ? judged : s, .present = s, .mask = mask};
    metrics_init(&v.blend);
    for (int i = 0; i < EVIDENCE_SOURCES; i++)
        metrics_init(&v.alone[i]);
    if (!rc)
        rc = engine_with_store(p, read_lessons, &v, err);
    if (!rc)
        rc = describe(p, &v, err);
    if (!rc)
        rc = examine(&v, err);
    if (!rc)
        report(&v, out);
    metrics_release(&v.blend);
    for (int i = 0; i < EVIDENCE_SOURCES; i++)
        metrics_release(&v.alone[i]);
    lessons_release(&v.lessons);
    engine_snapshot_release(p, judged);
    engine_snapshot_release(p, s);
    return rc;
}
