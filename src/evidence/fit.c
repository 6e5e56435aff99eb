/* SPDX-License-Identifier: Apache-2.0 */
/* Coordinate search over ratios of weights, from the best single source. */
#include "evidence/fit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { N = EVIDENCE_SOURCES, CUT = 10, ROUNDS = 6, COARSE = 10, FINE = 3 };

void fit_cases_init(struct fit_cases *c)
{
    *c = (struct fit_cases){0};
}

void fit_cases_release(struct fit_cases *c)
{
    free(c->end);
    free(c->target);
    free(c->score);
    *c = (struct fit_cases){0};
}

/* ---- collecting cases ---- */

static int make_room(struct fit_cases *c, uint64_t n)
{
    if (c->n_kept == c->cap_kept) {
        uint64_t cap = c->cap_kept ? 2 * c->cap_kept : 256;
        uint64_t *end = reallocarray(c->end, cap, sizeof *end);
        if (!end)
            return PENCHANT_ENOMEM;
        c->end = end;
        uint32_t *target = reallocarray(c->target, cap, sizeof *target);
        if (!target)
            return PENCHANT_ENOMEM;
        c->target = target;
        c->cap_kept = cap;
    }
    if (c->n_rows + n > c->cap_rows) {
        uint64_t cap = c->cap_rows + c->cap_rows / 2 + n;
        float *score = reallocarray(c->score, cap, N * sizeof *score);
        if (!score)
            return PENCHANT_ENOMEM;
        c->score = score;
        c->cap_rows = cap;
    }
    return PENCHANT_OK;
}

int fit_cases_add(struct fit_cases *c, const float *score, uint32_t n, uint32_t target)
{
    if (n > FIT_MAX_CANDIDATES)
        return PENCHANT_ELIMIT;
    if (target < n) {
        int rc = make_room(c, n);
        if (rc)
            return rc;
        memcpy(c->score + c->n_rows * N, score, (size_t)n * N * sizeof *score);
        c->n_rows += n;
        c->end[c->n_kept] = c->n_rows;
        c->target[c->n_kept++] = target;
    }
    c->n++;
    return PENCHANT_OK;
}

int fit_cases_add_query(struct fit_cases *c, struct evidence *e, uint32_t mask,
                        const struct evidence_query *q, uint32_t k_each, uint32_t target)
{
    struct evidence_weights all;
    for (int s = 0; s < N; s++)
        all.w[s] = 1.0F;
    if (k_each == 0 || k_each > FIT_MAX_CANDIDATES / N)
        return PENCHANT_ELIMIT;
    int rc = PENCHANT_ENOMEM;
    uint32_t *item = malloc((size_t)N * k_each * sizeof *item);
    float *row = malloc((size_t)N * N * k_each * sizeof *row);
    float *one = malloc((size_t)N * k_each * sizeof *one);
    if (!item || !row || !one)
        goto out;
    uint32_t n = (uint32_t)evidence_candidates(e, &all, mask, q, k_each, item), at = 0;
    while (at < n && item[at] != target)
        at++;
    memset(row, 0, (size_t)n * N * sizeof *row);
    for (uint32_t s = 0; s < N && at < n; s++) {
        if (!(mask >> s & 1))
            continue;
        evidence_sources[s]->score(e->state[s], q, item, n, one);
        for (uint32_t i = 0; i < n; i++)
            row[i * N + s] = one[i];
    }
    rc = fit_cases_add(c, row, n, at);
out:
    free(item);
    free(row);
    free(one);
    return rc;
}

/* ---- searching ---- */

static float blend(const struct evidence_weights *w, const float *row)
{
    float sum = 0.0F;
    for (int s = 0; s < N; s++)
        sum += w->w[s] * row[s];
    return sum;
}

/* NDCG@10 of kept case i. */
static double case_ndcg10(const struct fit_cases *c, const struct evidence_weights *w,
                          uint64_t i)
{
    uint64_t row = i ? c->end[i - 1] : 0;
    const uint64_t target = row + c->target[i];
    const float mine = blend(w, c->score + target * N);
    uint32_t rank = 0;
    for (; row < c->end[i] && rank < CUT; row++)
        rank += row != target && !(blend(w, c->score + row * N) < mine);
    return rank < CUT ? 1.0 / log2(rank + 2.0) : 0.0;
}

double fit_ndcg10(const struct fit_cases *c, const struct evidence_weights *w)
{
    double sum = 0.0;
    for (uint64_t i = 0; i < c->n_kept; i++)
        sum += case_ndcg10(c, w, i);
    return c->n ? sum / (double)c->n : 0.0;
}

/* Whether w gains at least a standard error of the paired difference over `than`. What
   gains less is as likely to have found the noise of these cases. */
static bool is_clearly_better(const struct fit_cases *c, const struct evidence_weights *w,
                              const struct evidence_weights *than)
{
    const double n = (double)c->n;
    double sum = 0.0, squares = 0.0;
    for (uint64_t i = 0; i < c->n_kept; i++) {
        const double gain = case_ndcg10(c, w, i) - case_ndcg10(c, than, i);
        sum += gain;
        squares += gain * gain;
    }
    const double variance_of_sum = n > 1 ? (squares - sum * sum / n) * n / (n - 1) : 0.0;
    return n > 1 && sum > 0 && sum * sum >= variance_of_sum;
}

/* Tries w[s] = value; keeps it when it is better. */
static bool try_value(const struct fit_cases *c, struct evidence_weights *w, int s,
                      float value, double *best)
{
    struct evidence_weights trial = *w;
    trial.w[s] = value;
    double ndcg = fit_ndcg10(c, &trial);
    if (!(ndcg > *best))
        return false;
    *best = ndcg;
    *w = trial;
    return true;
}

/* Half octaves from 1/32 to 32, and nothing at all. */
static bool search_coarsely(const struct fit_cases *c, struct evidence_weights *w, int s,
                            double *best)
{
    bool better = try_value(c, w, s, 0.0F, best);
    for (int step = -COARSE; step <= COARSE; step++)
        better |= try_value(c, w, s, exp2f(0.5F * (float)step), best);
    return better;
}

static void search_finely(const struct fit_cases *c, struct evidence_weights *w, int s,
                          double *best)
{
    float centre = w->w[s];
    for (int step = -FINE; step <= FINE && centre != 0; step++)
        try_value(c, w, s, centre * exp2f(0.125F * (float)step), best);
}

void evidence_fit(const struct fit_cases *c, uint32_t mask, struct evidence_weights *out,
                  struct fit_report *report)
{
    *out = (struct evidence_weights){0};
    *report = (struct fit_report){0};
    int anchor = -1;
    for (int s = 0; s < N; s++) {
        if (!(mask >> s & 1))
            continue;
        struct evidence_weights one = {0};
        one.w[s] = 1.0F;
        report->ndcg10[s] = fit_ndcg10(c, &one);
        if (anchor < 0 || report->ndcg10[s] > report->ndcg10[anchor])
            anchor = s;
    }
    if (anchor < 0)
        return;
    double best = report->ndcg10[anchor];
    for (int s = 0; s < N; s++)
        out->w[s] = s == anchor || (c->n == 0 && (mask >> s & 1)) ? 1.0F : 0.0F;
    const struct evidence_weights alone = *out;
    bool better = c->n_kept > 0;
    for (int round = 0; better && round < ROUNDS; round++) {
        better = false;
        for (int s = 0; s < N; s++)
            if (s != anchor && (mask >> s & 1))
                better |= search_coarsely(c, out, s, &best);
    }
    for (int s = 0; s < N; s++)
        if (s != anchor)
            search_finely(c, out, s, &best);
    if (!is_clearly_better(c, out, &alone))
        *out = alone;
    float top = 0.0F;
    for (int s = 0; s < N; s++)
        top = fmaxf(top, out->w[s]);
    for (int s = 0; s < N; s++)
        out->w[s] /= top;
    report->blend_ndcg10 = fit_ndcg10(c, out);
}

/* ---- notes ---- */

void evidence_weights_format(const struct evidence_weights *w, char *text, size_t n)
{
    size_t at = 0;
    if (n > 0)
        text[0] = '\0';
    for (int s = 0; s < N && at < n; s++) {
        int len = snprintf(text + at, n - at, "%s%s:%.9g", s ? "," : "",
                           evidence_sources[s]->name, (double)w->w[s]);
        at += len > 0 ? (size_t)len : 0;
    }
}

int evidence_weights_parse(const char *text, struct evidence_weights *w,
                           struct penchant_error *err)
{
    struct evidence_weights read = {0};
    for (const char *at = text;; at++) {
        size_t len = strcspn(at, ":,");
        char *end = NULL;
        float value = at[len] == ':' ? strtof(at + len + 1, &end) : NAN;
        if (len == 0 || !end || end == at + len + 1 || (*end != ',' && *end != '\0') ||
            !(value >= 0 && value <= 1e6F))
            return error_set(err, PENCHANT_EINVALID,
                             "\"%.60s\" is not a list of source:weight", text);
        for (int s = 0; s < N; s++)
            if (strlen(evidence_sources[s]->name) == len &&
                memcmp(evidence_sources[s]->name, at, len) == 0)
                read.w[s] = value;
        at = end;
        if (*at == '\0')
            break;
    }
    *w = read;
    return PENCHANT_OK;
}
