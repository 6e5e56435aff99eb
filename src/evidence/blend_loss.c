/* SPDX-License-Identifier: Apache-2.0 */
#include "evidence/blend_loss.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

enum { CHUNKS = 32, LANES = 8, BINS = 15 };

#define LEAST_PROBABILITY 0.01

bool blend_takes(const struct blend_part_of *p, const struct blend_case *one)
{
    return (one->flags & p->of) == p->flags;
}

uint64_t blend_count(const struct blend_part_of *p)
{
    uint64_t n = 0;
    for (uint8_t f = 0; f < 4; f++)
        n += (f & p->of) == p->flags ? p->c->n[f] : 0;
    return n;
}

static void score_case(const struct blend_terms *t, const struct blend_cases *c,
                       const struct blend_case *one, float *score)
{
    const float *novelty = blend_case_row(c, one, EVIDENCE_SOURCES);
    memset(score, 0, one->n * sizeof *score);
    for (int s = 0; s < EVIDENCE_SOURCES; s++)
        if (t->mask >> s & 1)
            blend_add(&t->term[s], blend_case_row(c, one, s), novelty, one->n, score);
}

/* ---- gradients ---- */

/* Adds the gradient by the bases of one source: g[i] is that by score i. Sums are kept in
   LANES lanes, so that they are made side by side and always in the same order. */
static void add_bases(const struct blend_term *t, const float *score,
                      const float *novelty, const float *g, size_t n, bool line,
                      float out[BLEND_BASES])
{
    float sum[BLEND_BASES][LANES] = {{0}};
    for (size_t first = 0; first < n; first += LANES) {
        float v[LANES] = {0}, r[LANES] = {0}, fresh[LANES] = {0};
        const size_t m = n - first < LANES ? n - first : LANES;
        memcpy(v, score + first, m * sizeof *v);
        memcpy(r, g + first, m * sizeof *r);
        memcpy(fresh, novelty + first, m * sizeof *fresh);
        for (int j = 0; j < LANES; j++) {
            const float z = (v[j] - t->centre) * t->by;
            sum[0][j] += r[j] * z;
            sum[BLEND_BASES - 1][j] += r[j] * fresh[j] * (line ? z : 1.0F);
        }
        for (int k = 0; k < BLEND_KNOTS; k++)
            for (int j = 0; j < LANES; j++)
                sum[k + 1][j] +=
                    r[j] * (v[j] > t->knot[k] ? v[j] - t->knot[k] : 0.0F) * t->by;
    }
    for (int b = 0; b < BLEND_BASES; b++)
        for (int j = 0; j < LANES; j++)
            out[b] += sum[b][j];
}

struct summing {
    const struct blend *b;
    const struct blend_part_of *p;
    uint32_t mask;
    double loss[CHUNKS];
    uint64_t n[CHUNKS];
    double *gradient; /* (CHUNKS, BLEND_PARAMS), or NULL */
    float *score;     /* (CHUNKS, longest) */
    size_t longest;
};

static void scaled_context(const struct blend_frame *f, const struct blend_case *one,
                           double x[BLEND_CONTEXTS])
{
    float scaled[BLEND_CONTEXTS];
    blend_scale_context(f, one->context, scaled);
    for (int j = 0; j < BLEND_CONTEXTS; j++)
        x[j] = (double)scaled[j];
}

/* score holds probabilities; becomes the gradient by the scores. */
static void add_gradient(const struct summing *w, const struct blend_terms *t,
                         const struct blend_case *one, float *score, double *gradient)
{
    double x[BLEND_CONTEXTS];
    const float *novelty = blend_case_row(w->p->c, one, EVIDENCE_SOURCES);
    scaled_context(&w->b->frame, one, x);
    score[one->target] -= 1.0F;
    for (int s = 0; s < EVIDENCE_SOURCES; s++) {
        float base[BLEND_BASES] = {0};
        if (!(w->mask >> s & 1))
            continue;
        add_bases(&t->term[s], blend_case_row(w->p->c, one, s), novelty, score, one->n,
                  s != EVIDENCE_POPULARITY, base);
        double *g = gradient + (size_t)s * BLEND_BASES * BLEND_CONTEXTS;
        for (int b = 0; b < BLEND_BASES; b++)
            for (int j = 0; j < BLEND_CONTEXTS; j++)
                g[b * BLEND_CONTEXTS + j] += (double)base[b] * x[j];
    }
}

static void sum_chunk(void *arg, uint32_t chunk)
{
    struct summing *w = arg;
    const struct blend_cases *c = w->p->c;
    float *score = w->score + chunk * w->longest;
    double *gradient = w->gradient ? w->gradient + (size_t)chunk * BLEND_PARAMS : NULL;
    for (uint64_t i = chunk; i < c->n_kept; i += CHUNKS) {
        const struct blend_case *one = &c->c[i];
        struct blend_terms t;
        float top;
        if (!blend_takes(w->p, one))
            continue;
        blend_at(w->b, one->context, w->mask, &t);
        score_case(&t, c, one, score);
        const double mine = (double)score[one->target];
        const float sum = kernels_get()->exp_row(score, &top, one->n);
        w->loss[chunk] += log((double)sum) + (double)top - mine;
        w->n[chunk]++;
        if (!gradient)
            continue;
        kernels_get()->scale(score, 1.0F / sum, one->n);
        add_gradient(w, &t, one, score, gradient);
    }
}

static size_t longest_case(const struct blend_cases *c)
{
    size_t n = 1;
    for (uint64_t i = 0; i < c->n_kept; i++)
        n = c->c[i].n > n ? c->c[i].n : n;
    return n;
}

double blend_mean_loss(const struct blend *b, const struct blend_part_of *p,
                       uint32_t mask, struct pool *pool, double *gradient)
{
    struct summing w = {.b = b, .p = p, .mask = mask, .longest = longest_case(p->c)};
    double loss = 0;
    uint64_t n = 0;
    w.score = malloc(CHUNKS * w.longest * sizeof *w.score);
    if (gradient)
        w.gradient = calloc((size_t)CHUNKS * BLEND_PARAMS, sizeof *w.gradient);
    const bool ready = w.score && (w.gradient || !gradient);
    if (ready)
        pool_run(pool, sum_chunk, &w, CHUNKS);
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
        loss += w.loss[chunk];
        n += w.n[chunk];
    }
    for (size_t i = 0; gradient && n && i < (size_t)CHUNKS * BLEND_PARAMS; i++)
        gradient[i % BLEND_PARAMS] += w.gradient[i] / (double)n;
    free(w.score);
    free(w.gradient);
    if (!ready)
        return -1;
    return n ? loss / (double)n : 0;
}

/* ---- what it is worth ---- */

int blend_worth(const struct blend *b, const struct blend_part_of *p, uint32_t mask,
                struct blend_worth *out)
{
    const struct blend_cases *c = p->c;
    const double n = (double)blend_count(p);
    struct blend_worth worth = {0};
    float *score = malloc(longest_case(c) * sizeof *score);
    if (!score)
        return PENCHANT_ENOMEM;
    for (uint64_t i = 0; i < c->n_kept; i++) {
        const struct blend_case *one = &c->c[i];
        struct blend_terms t;
        if (!blend_takes(p, one))
            continue;
        blend_at(b, one->context, mask, &t);
        score_case(&t, c, one, score);
        const size_t rank =
            one->n - 1 - kernels_get()->count_below(score, score[one->target], one->n);
        worth.ndcg10 += rank < 10 ? 1 / log2((double)rank + 2) / n : 0;
        worth.mrr20 += rank < 20 ? 1 / ((double)rank + 1) / n : 0;
        worth.hr20 += rank < 20 ? 1 / n : 0;
    }
    free(score);
    *out = worth;
    return PENCHANT_OK;
}

double blend_calibration_error(const struct blend *b, const struct blend_part_of *p,
                               uint32_t mask)
{
    double said[BINS] = {0}, came[BINS] = {0}, total = 0, error = 0;
    float *score = malloc(longest_case(p->c) * sizeof *score);
    if (!score)
        return -1;
    for (uint64_t i = 0; i < p->c->n_kept; i++) {
        const struct blend_case *one = &p->c->c[i];
        struct blend_terms t;
        if (!blend_takes(p, one))
            continue;
        blend_at(b, one->context, mask, &t);
        score_case(&t, p->c, one, score);
        kernels_get()->softmax_row(score, one->n);
        for (uint32_t j = 0; j < one->n; j++) {
            const double chance = (double)score[j];
            const int bin = chance < 1 ? (int)(chance * BINS) : BINS - 1;
            if (chance < LEAST_PROBABILITY)
                continue;
            said[bin] += chance;
            came[bin] += j == one->target;
            total++;
        }
    }
    free(score);
    for (int i = 0; i < BINS; i++)
        error += total > 0 ? fabs(said[i] - came[i]) / total : 0;
    return error;
}
