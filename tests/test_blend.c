/* SPDX-License-Identifier: Apache-2.0 */
/* The blend: its gradient, what it learns, when it gives way, and that it keeps. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "behaviour/event.h"
#include "evidence/blend_fit.h"
#include "evidence/counts.h"
#include "model/model.h"

enum {
    S = EVIDENCE_SOURCES,
    A = EVIDENCE_SEQUENCE,
    B = EVIDENCE_COVISITATION,
    C = EVIDENCE_POPULARITY,
    EACH = 40
};
static const uint32_t AB = 1U << A | 1U << B, ABC = 1U << A | 1U << B | 1U << C;

static struct pool *pool;

static int begin(void **state)
{
    (void)state;
    pool = pool_new(2);
    return pool ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    pool_free(pool);
    return 0;
}

/* ---- cases drawn from a known truth ---- */

/* The score of a candidate in the truth; x is context 3, standard normal. */
typedef float truth_fn(const float v[S], float novelty, float x);

/* One candidate of each case comes, with probability softmax(truth). */
static void draw(struct blend_cases *c, truth_fn *truth, uint32_t mask, size_t n,
                 uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed, 1);
    for (size_t i = 0; i < n; i++) {
        float value[(S + 1) * EACH] = {0}, context[BLEND_CONTEXTS] = {1.0F};
        double p[EACH], sum = 0;
        context[3] = rng_normal(&r);
        for (uint32_t j = 0; j < EACH; j++) {
            float v[S] = {0};
            for (int s = 0; s < S; s++)
                if (mask >> s & 1)
                    value[s * EACH + (int)j] = v[s] = rng_normal(&r);
            const float novelty = value[S * EACH + (int)j] =
                rng_below(&r, 4) ? 0.0F : 1.0F;
            p[j] = exp((double)truth(v, novelty, context[3]));
            sum += p[j];
        }
        double at = rng_double(&r) * sum;
        uint32_t target = 0;
        while (target + 1 < EACH && at >= p[target])
            at -= p[target++];
        assert_int_equal(
            blend_cases_add(c, context, value, EACH, target, (uint8_t)(i % 4)), 0);
    }
}

static float in_context(const float v[S], float novelty, float x)
{
    (void)novelty;
    return (1.0F + 0.8F * x) * v[A] + (0.7F - 0.5F * x) * v[B];
}

static float only_a(const float v[S], float novelty, float x)
{
    (void)novelty;
    (void)x;
    return 1.5F * v[A];
}

/* A source that says nothing below zero, and one that does not know what is new. */
static float bent(const float v[S], float novelty, float x)
{
    (void)x;
    return (v[A] > 0 ? 2.5F * v[A] : 0.0F) + (novelty > 0 ? 0.0F : 1.2F * v[B]);
}

static float slope_at(const struct blend *b, int s, float x, float score, float novelty)
{
    float context[BLEND_CONTEXTS] = {1.0F};
    struct blend_terms t;
    context[3] = x;
    blend_at(b, context, ABC, &t);
    return blend_slope(&t.term[s], score, novelty);
}

/* ---- the gradient ---- */

/* A blend whose every number is there, so that every path of the gradient is walked. */
static void scatter(struct blend *b, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed, 2);
    *b = (struct blend){.frame.covered = 1};
    for (int j = 1; j < BLEND_CONTEXTS; j++) {
        b->frame.mean[j] = 0.1F * rng_normal(&r);
        b->frame.spread[j] = j == 3 || j == 5 ? 0.8F : 0.0F;
    }
    for (int s = 0; s < S; s++) {
        struct blend_part *p = &b->part[s];
        p->centre = 0.2F * rng_normal(&r);
        p->scale = 0.5F + (float)rng_double(&r);
        for (int k = 0; k < BLEND_KNOTS; k++)
            p->knot[k] = -1.0F + 0.6F * (float)k + 0.05F;
        for (int i = 0; i < BLEND_BASES * BLEND_CONTEXTS; i++)
            p->w[i / BLEND_CONTEXTS][i % BLEND_CONTEXTS] = 0.3F * rng_normal(&r);
    }
}

static void test_blend__the_gradient_is_that_of_the_loss(void **state)
{
    (void)state;
    struct blend_cases c;
    struct blend b;
    double gradient[BLEND_PARAMS] = {0};
    blend_cases_init(&c);
    draw(&c, bent, ABC, 203, 5);
    const struct blend_part_of p = {.c = &c, .of = BLEND_WEIGHS, .flags = BLEND_WEIGHS};
    scatter(&b, 3);
    assert_true(blend_mean_loss(&b, &p, ABC, pool, gradient) > 0);
    size_t moved = 0;
    for (int i = 0; i < BLEND_PARAMS; i++) {
        const int s = i / (BLEND_BASES * BLEND_CONTEXTS), j = i % BLEND_CONTEXTS;
        float *w = &b.part[s].w[i / BLEND_CONTEXTS % BLEND_BASES][j];
        const float was = *w, step = 0.02F;
        *w = was + step;
        const double up = blend_mean_loss(&b, &p, ABC, pool, NULL);
        *w = was - step;
        const double down = blend_mean_loss(&b, &p, ABC, pool, NULL);
        *w = was;
        const double by_difference = (up - down) / (2 * (double)step);
        if (fabs(by_difference - gradient[i]) > 2e-3 * (0.05 + fabs(by_difference)))
            fail_msg("weight %d of source %d: %g, not %g", i, s, gradient[i],
                     by_difference);
        moved += fabs(gradient[i]) > 1e-3;
    }
    assert_in_range(moved, 30, 3 * BLEND_BASES * 3); /* three sources, three contexts */
    blend_cases_release(&c);
}

/* ---- what is learned ---- */

static void test_blend__finds_the_weights_of_a_truth_in_context(void **state)
{
    (void)state;
    struct blend_cases c;
    struct blend b, again;
    struct blend_report r;
    blend_cases_init(&c);
    draw(&c, in_context, ABC, 8000, 11);
    assert_int_equal(blend_fit(&b, &c, ABC, BLEND_ALL, pool, &r), 0);
    assert_true(r.in_context && !r.is_single);
    for (int x = -1; x <= 1; x++) {
        const float f = (float)x;
        assert_float_equal(slope_at(&b, A, f, 0.3F, 0), 1.0F + 0.8F * f, 0.25);
        assert_float_equal(slope_at(&b, B, f, 0.3F, 0), 0.7F - 0.5F * f, 0.25);
        assert_float_equal(slope_at(&b, C, f, 0.3F, 0), 0.0F, 0.25);
    }
    assert_true(r.blend.ndcg10 > r.alone[A].ndcg10 + 0.02);
    assert_true(r.alone[A].ndcg10 > r.alone[C].ndcg10);
    /* The probabilities are true ones. */
    assert_true(r.error < 0.01);
    assert_float_equal(r.temperature, 1, 0.15);
    /* The same bits again, and on one thread. */
    struct pool *one = pool_new(1);
    assert_int_equal(blend_fit(&again, &c, ABC, BLEND_ALL, one, &r), 0);
    assert_memory_equal(&b, &again, sizeof b);
    pool_free(one);
    blend_cases_release(&c);
}

static void test_blend__bends_and_knows_what_is_new(void **state)
{
    (void)state;
    struct blend_cases c;
    struct blend b;
    struct blend_report r;
    blend_cases_init(&c);
    draw(&c, bent, AB, 8000, 17);
    assert_int_equal(blend_fit(&b, &c, AB, BLEND_ALL, pool, &r), 0);
    assert_false(r.is_single);
    assert_true(slope_at(&b, A, 0, -1.0F, 0) < 0.6F); /* nothing is said down there */
    assert_true(slope_at(&b, A, 0, 1.0F, 0) > 1.8F);
    assert_float_equal(slope_at(&b, B, 0, 0.2F, 0), 1.2F, 0.3);
    assert_float_equal(slope_at(&b, B, 0, 0.2F, 1), 0.0F, 0.3);
    blend_cases_release(&c);
}

static void test_blend__one_source_serves_where_the_others_are_noise(void **state)
{
    (void)state;
    int singles = 0;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct blend_cases c;
        struct blend b;
        struct blend_report r;
        blend_cases_init(&c);
        draw(&c, only_a, ABC, 200, seed);
        assert_int_equal(blend_fit(&b, &c, ABC, BLEND_ALL, pool, &r), 0);
        const struct blend_part_of choosing = {.c = &c, .of = BLEND_WEIGHS, .flags = 0};
        struct blend_worth w;
        assert_int_equal(blend_worth(&b, &choosing, ABC, &w), 0);
        assert_true(fabs(w.ndcg10 - r.blend.ndcg10) < 1e-9);
        for (int s = 0; s < S; s++) { /* never worse than any source alone */
            const struct blend_worth *one = &r.alone[s];
            assert_true(w.ndcg10 >= one->ndcg10 - 1e-9);
            assert_true(w.ndcg10 + w.mrr20 + w.hr20 >=
                        one->ndcg10 + one->mrr20 + one->hr20 - 1e-9);
        }
        if (r.is_single) {
            singles++;
            assert_true(b.part[A].w[0][0] > 0);
            assert_true(b.part[B].w[0][0] == 0 && b.part[C].w[0][0] == 0);
        }
        blend_cases_release(&c);
    }
    assert_in_range(singles, 2, 6);
}

/* The weighing half says A, the choosing half says B. */
static void test_blend__halves_serve_what_they_are_for(void **state)
{
    (void)state;
    struct blend_cases c;
    struct blend b;
    struct blend_report r;
    float context[BLEND_CONTEXTS] = {1.0F};
    blend_cases_init(&c);
    for (int i = 0; i < 400; i++) {
        float value[(S + 1) * 30] = {0};
        const bool weighs = i % 2;
        for (int j = 0; j < 30; j++) {
            value[A * 30 + j] = (float)(j + i % 7) / 10;
            value[B * 30 + j] = (float)(29 - j + i % 5) / 10;
        }
        const uint32_t target = weighs ? 29 : 0;
        assert_int_equal(
            blend_cases_add(&c, context, value, 30, target, weighs ? BLEND_WEIGHS : 0),
            0);
    }
    assert_int_equal(blend_fit(&b, &c, AB, BLEND_ALL, pool, &r), 0);
    assert_true(r.is_single); /* every weighting that was fitted is wrong there */
    assert_true(b.part[B].w[0][0] > 0 && b.part[A].w[0][0] == 0);
    /* A fold sees its own cases alone. */
    blend_cases_release(&c);
    draw(&c, only_a, AB, 2000, 2);
    for (uint64_t i = 0; i < c.n_kept; i++)
        if (c.c[i].flags & BLEND_ODD) { /* there the highest B comes */
            const float *v = blend_case_row(&c, &c.c[i], B);
            for (uint32_t j = 0; j < c.c[i].n; j++)
                if (v[j] > v[c.c[i].target])
                    c.c[i].target = j;
        }
    assert_int_equal(blend_fit(&b, &c, AB, BLEND_ODDS, pool, &r), 0);
    assert_true(r.alone[B].hr20 > 0.999 && slope_at(&b, B, 0, 2, 0) > 1);
    assert_int_equal(blend_fit(&b, &c, AB, BLEND_EVEN, pool, &r), 0);
    assert_true(r.alone[A].ndcg10 > r.alone[B].ndcg10);
    assert_true(slope_at(&b, A, 0, 0, 0) > 1);
    blend_cases_release(&c);
}

static void test_blend__probabilities_are_cooled_for_the_choosing_half(void **state)
{
    (void)state;
    struct blend_cases c;
    struct blend b;
    struct blend_report r;
    float context[BLEND_CONTEXTS] = {1.0F};
    struct rng rng;
    rng_init(&rng, 4, 4);
    blend_cases_init(&c);
    for (int i = 0; i < 4000; i++) { /* ten candidates; the best comes half of the time */
        float value[(S + 1) * 10] = {0};
        const uint32_t best = rng_below(&rng, 10);
        value[A * 10 + (int)best] = 1;
        uint32_t target = best;
        if (rng_below(&rng, 2))
            while (target == best)
                target = rng_below(&rng, 10);
        assert_int_equal(blend_cases_add(&c, context, value, 10,
                                         rng_below(&rng, 5) ? target : 10,
                                         (uint8_t)(i % 2)),
                         0);
    }
    assert_int_equal(blend_fit(&b, &c, 1U << A, BLEND_ALL, pool, &r), 0);
    struct blend_terms t;
    blend_at(&b, context, 1U << A, &t);
    const float v[10] = {1}, novelty[10] = {0};
    float score[10] = {0};
    double sum = 0;
    blend_add(&t.term[A], v, novelty, 10, score);
    for (int j = 0; j < 10; j++)
        sum += exp((double)score[j]);
    assert_float_equal((float)(exp((double)score[0]) / sum), 0.5, 0.03);
    assert_float_equal(t.covered, 0.8, 0.03);
    assert_true(r.is_single && r.error < 0.02);
    blend_cases_release(&c);
}

static void test_blend__sources_may_be_missing_or_constant(void **state)
{
    (void)state;
    struct blend_cases c;
    struct blend b;
    struct blend_report r;
    const uint32_t with_search = AB | 1U << EVIDENCE_SEARCH;
    blend_cases_init(&c);
    draw(&c, in_context, AB, 1000, 8);
    for (uint64_t i = 0; i < c.n_kept; i++) /* a constant is no evidence */
        for (uint32_t j = 0; j < c.c[i].n; j++)
            ((float *)(uintptr_t)blend_case_row(&c, &c.c[i], EVIDENCE_SEARCH))[j] = 3;
    assert_int_equal(blend_fit(&b, &c, with_search | 1U << C, BLEND_ALL, pool, &r), 0);
    assert_true(b.part[EVIDENCE_SEARCH].w[0][0] ==
                evidence_sources[EVIDENCE_SEARCH]->unfitted);
    assert_true(b.part[C].w[0][0] == 0 && b.part[A].w[0][0] > 0);
    for (uint64_t i = 0; i < c.n_kept;
         i++) /* and rounding is none: no n(i) makes it one */
        for (uint32_t j = 0; j < c.c[i].n; j++)
            ((float *)(uintptr_t)blend_case_row(&c, &c.c[i], C))[j] =
                -9 - 1e-3F * (float)(i % 3);
    assert_int_equal(blend_fit(&b, &c, AB | 1U << C, BLEND_ALL, pool, &r), 0);
    for (int k = 0; k < BLEND_BASES; k++)
        assert_true(b.part[C].w[k][0] == 0);
    const struct evidence_weights none = {.w = {0}}; /* ties are against the target */
    const struct blend_part_of every = {.c = &c};
    blend_constant(&b, &none);
    struct blend_worth w;
    assert_int_equal(blend_worth(&b, &every, AB, &w), 0);
    assert_true(w.hr20 == 0);
    assert_int_equal(blend_fit(&b, &c, 1U << B, BLEND_ALL, pool, &r), 0); /* the mask */
    assert_true(r.is_single && b.part[A].w[0][0] == 0 && b.part[B].w[0][0] > 0);
    blend_cases_release(&c);
    blend_cases_init(&c); /* without cases: all alike */
    assert_int_equal(blend_fit(&b, &c, AB, BLEND_ALL, pool, &r), 0);
    assert_true(b.part[A].w[0][0] == 1 && b.part[B].w[0][0] == 1 &&
                b.part[C].w[0][0] == 0);
    const float context[BLEND_CONTEXTS] = {1.0F};
    assert_int_equal(blend_cases_add(&c, context, NULL, BLEND_MOST_CANDIDATES + 1, 0, 0),
                     PENCHANT_ELIMIT);
    assert_int_equal(blend_cases_add(&c, context, NULL, 9, 9, 0), 0); /* only misses */
    assert_int_equal(blend_fit(&b, &c, AB, BLEND_ALL, pool, &r), 0);
    assert_true(b.part[A].w[0][0] == 1 && b.part[B].w[0][0] == 1);
    blend_cases_release(&c);
}

/* ---- queries ---- */

static void see(struct evidence *e, const uint32_t *path, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const struct evidence_event event = {
            .item = path[i], .recent = path, .n_recent = i};
        assert_int_equal(evidence_observe(e, &event), 0);
    }
}

static void test_blend__the_context_is_what_is_known_of_the_query(void **state)
{
    (void)state;
    struct evidence e;
    const struct evidence_options o = {0};
    assert_int_equal(evidence_init(&e, &o), 0);
    see(&e, (const uint32_t[]){1, 2, 2, 3, 3, 3}, 6);
    const int64_t hour = INT64_C(3600000000);
    const uint32_t item[6] = {1, 2, 1, 2, 5, 2};
    const uint8_t type[6] = {0, 0, 0, 0, 0, EVENT_PURCHASE};
    const int64_t us[6] = {0, hour, 3 * hour, 3 * hour + 1, 3 * hour + 2, 3 * hour + 3};
    float x[BLEND_CONTEXTS];
    struct evidence_query q = {.recent = item,
                               .recent_type = type,
                               .recent_us = us,
                               .n_recent = 6,
                               .now_us = 5 * hour + 3,
                               .n_items = 9};
    blend_context(&e, &q, x);
    const double expected[BLEND_CONTEXTS] = {1, log(7), log(5), log(3), 3.0 / 6, 1,
                                             1, 0,      log(3), 0,      1,       0};
    for (int j = 0; j < BLEND_CONTEXTS; j++)
        assert_float_equal(x[j], expected[j], 1e-5);
    q.n_recent = 0;
    q.asked_weight = 0.5F;
    blend_context(&e, &q, x);
    assert_true(x[0] == 1 && x[1] == 0 && x[2] == 0 && x[11] == 0.5F);
    /* Far off the average nothing more is concluded. */
    struct blend_frame f = {.mean = {0, 1}, .spread = {0, 2}};
    const float far[BLEND_CONTEXTS] = {1, 100, 100};
    blend_scale_context(&f, far, x);
    assert_true(x[0] == 1 && x[1] == 3 && x[2] == 0);
    /* Items that nobody named are all new. */
    float novelty[3];
    counts_novelty(e.counts, (const uint32_t[]){3, 1, 700000}, 3, novelty);
    assert_float_equal(novelty[0], 0.25, 1e-6);
    assert_float_equal(novelty[1], 0.5, 1e-6);
    assert_true(novelty[2] == 1);
    evidence_release(&e);
}

static void test_blend__speaks_with_the_sources_that_are_there(void **state)
{
    (void)state;
    struct evidence e;
    const struct evidence_options o = {0};
    assert_int_equal(evidence_init(&e, &o), 0);
    const uint32_t path[3] = {1, 2, 3}, all = (1U << S) - 1;
    see(&e, path, 3);
    const float vector[1] = {1};
    struct blend b;
    struct blend_terms t;
    const struct evidence_weights w = {.w = {[A] = 2.0F, [B] = 1.0F, [C] = -0.5F}};
    struct evidence_query q = {
        .recent = path, .n_recent = 2, .n_items = 9, .vector = vector, .dim = 1};
    blend_constant(&b, &w);
    blend_for(&b, &e, &q, all, &t); /* all is there: a correction holds */
    assert_int_equal(t.mask, ABC);
    assert_float_equal(blend_slope(&t.term[C], 0, 0), -0.5, 1e-6);
    q.vector = NULL; /* not beside half of what it corrects */
    blend_for(&b, &e, &q, all, &t);
    assert_int_equal(t.mask, 1U << B | 1U << C);
    assert_in_range(blend_slope(&t.term[C], 0, 0) * 1e6F, 1, 10000);
    blend_for(&b, &e, &q, 1U << C, &t); /* alone it counts as it is */
    assert_true(t.mask == 1U << C && blend_slope(&t.term[C], 0, 0) == 1);
    q.n_recent = 0; /* nobody is known: what is popular */
    blend_for(&b, &e, &q, all, &t);
    assert_true(t.mask == 1U << C && blend_slope(&t.term[C], 0, 0) == 1);
    q.n_recent = 2; /* sources that the blend leaves out, asked for alone */
    blend_for(&b, &e, &q, 1U << EVIDENCE_NEIGHBOURS, &t);
    assert_int_equal(t.mask, 1U << EVIDENCE_NEIGHBOURS);
    assert_true(blend_slope(&t.term[EVIDENCE_NEIGHBOURS], 0, 0) == 1);
    /* Who has only said no to something: content knows what is like it. */
    const struct evidence_content content = {.dim = 1};
    const uint32_t about = 1U << EVIDENCE_CONTENT;
    q.n_recent = 0;
    q.content = &content;
    blend_for(&b, &e, &q, about, &t);
    assert_int_equal(t.mask & about, 0);
    q.disliked = path;
    q.n_disliked = 1;
    blend_for(&b, &e, &q, about, &t);
    assert_int_equal(t.mask & about, about);
    /* Where its word has a weight, a new item has a favour, and nothing else changes. */
    const struct evidence_weights some = {.w = {[EVIDENCE_CONTENT] = 2.0F}};
    struct blend heard;
    blend_constant(&heard, &some);
    blend_for(&heard, &e, &q, about, &t);
    float plain[2] = {0}, score[2] = {0};
    const float v[2] = {0.5F, 0.5F}, novelty[2] = {0, 1};
    struct blend_terms unfavoured;
    const float context[BLEND_CONTEXTS] = {1.0F};
    blend_at(&heard, context, about, &unfavoured);
    blend_add(&unfavoured.term[EVIDENCE_CONTENT], v, novelty, 2, plain);
    blend_add(&t.term[EVIDENCE_CONTENT], v, novelty, 2, score);
    assert_float_equal(score[0], plain[0], 1e-6);
    assert_float_equal(score[1] - plain[1], BLEND_NEW_FAVOUR, 1e-6);
    q.n_disliked = 0;
    q.content = NULL;
    q.n_recent = 2;
    /* Without a model nothing depends on one. */
    blend_default(&b);
    blend_for(&b, &e, &q, all, &t);
    assert_true((t.mask & AB) == 1U << B && t.mask >> C & 1);
    evidence_release(&e);
}

static void test_blend__cases_come_from_queries(void **state)
{
    (void)state;
    struct evidence e;
    const struct evidence_options o = {0};
    assert_int_equal(evidence_init(&e, &o), 0);
    const uint32_t path[4] = {1, 2, 3, 2};
    see(&e, path, 4);
    struct blend_cases c;
    blend_cases_init(&c);
    uint64_t skip[1] = {1U << 3};
    const uint32_t mask = 1U << B | 1U << C;
    const struct evidence_query q = {
        .recent = path, .n_recent = 1, .n_items = 20, .skip = skip};
    assert_int_equal(blend_cases_add_query(&c, &e, mask, &q, 10, 2, BLEND_WEIGHS), 0);
    assert_int_equal(blend_cases_add_query(&c, &e, mask, &q, 10, 3, 0), 0);  /* skipped */
    assert_int_equal(blend_cases_add_query(&c, &e, mask, &q, 10, 15, 0), 0); /* unknown */
    assert_int_equal(blend_cases_add_query(&c, &e, mask, &q, 0, 2, 0), PENCHANT_ELIMIT);
    assert_true(c.n_kept == 1 && c.n[BLEND_WEIGHS] == 1 && c.n[0] == 2);
    const struct blend_case *one = &c.c[0];
    assert_true(one->n == 2 && one->flags == BLEND_WEIGHS);
    float direct[2];
    uint32_t item[2] = {2, 1};
    if (one->target == 1) {
        item[0] = 1;
        item[1] = 2;
    }
    evidence_sources[B]->score(e.state[B], &q, item, 2, direct);
    assert_memory_equal(direct, blend_case_row(&c, one, B), sizeof direct);
    evidence_sources[C]->score(e.state[C], &q, item, 2, direct);
    assert_memory_equal(direct, blend_case_row(&c, one, C), sizeof direct);
    assert_float_equal(blend_case_row(&c, one, S)[one->target], 1.0 / 3, 1e-6);
    assert_float_equal(one->context[1], log(2), 1e-6);
    blend_cases_release(&c);
    evidence_release(&e);
}

/* ---- keeping ---- */

static struct model *small_model(void)
{
    const struct model_config config = {.dim = 8,
                                        .blocks = 1,
                                        .heads = 1,
                                        .max_length = 4,
                                        .ffn_dim = 8,
                                        .attention = MODEL_SOFTMAX,
                                        .n_items = 3,
                                        .n_types = 1};
    struct model *m = NULL;
    assert_int_equal(model_new(&m, &config, NULL, NULL, NULL), 0);
    model_initialise(m, 1);
    return m;
}

static void test_blend__survives_a_checkpoint(void **state)
{
    (void)state;
    char path[] = "/tmp/test_blend.XXXXXX";
    const int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    struct model *m = small_model();
    struct blend b, back;
    struct penchant_error err = {0};
    struct checkpoint_extra extra[BLEND_EXTRAS];
    scatter(&b, 9);
    b.frame.covered = 0.75F;
    const size_t n = blend_extras(&b, extra);
    assert_int_equal(n, BLEND_EXTRAS);
    assert_int_equal(checkpoint_save(path, m, NULL, 0, extra, n, &err), 0);
    assert_int_equal(blend_load(&back, path, &err), 0);
    assert_memory_equal(&b, &back, sizeof b);
    /* One that is older than the last source; a search counts all the same. */
    assert_int_equal(checkpoint_save(path, m, NULL, 0, extra, 1 + 1 + A, &err), 0);
    assert_int_equal(blend_load(&back, path, &err), 0);
    assert_memory_equal(&b.part[A], &back.part[A], sizeof b.part[A]);
    for (int s = 0; s < S; s++)
        assert_true(s <= A || (back.part[s].scale == 1 &&
                               back.part[s].w[0][0] == evidence_sources[s]->unfitted));
    assert_int_equal(checkpoint_save(path, m, NULL, 0, NULL, 0, &err), 0);
    assert_int_equal(blend_load(&back, path, &err), PENCHANT_ENOTFOUND);
    extra[0].cols--; /* of another version */
    assert_int_equal(checkpoint_save(path, m, NULL, 0, extra, n, &err), 0);
    assert_int_equal(blend_load(&back, path, &err), PENCHANT_ENOTFOUND);
    extra[0].cols++;
    struct blend bad = b;
    float *const spoilt[] = {&bad.part[B].scale, &bad.part[C].w[2][3], &bad.frame.covered,
                             &bad.frame.spread[4]};
    const float with[] = {0.0F, NAN, 1.5F, -1.0F};
    const struct blend before = back;
    for (size_t i = 0; i < 4; i++) {
        bad = b;
        *spoilt[i] = with[i];
        blend_extras(&bad, extra);
        assert_int_equal(checkpoint_save(path, m, NULL, 0, extra, n, &err), 0);
        assert_int_equal(blend_load(&back, path, &err), PENCHANT_ECORRUPT);
        assert_memory_equal(&before, &back, sizeof back); /* nothing is changed */
    }
    model_free(m);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blend__the_gradient_is_that_of_the_loss),
        cmocka_unit_test(test_blend__finds_the_weights_of_a_truth_in_context),
        cmocka_unit_test(test_blend__bends_and_knows_what_is_new),
        cmocka_unit_test(test_blend__one_source_serves_where_the_others_are_noise),
        cmocka_unit_test(test_blend__halves_serve_what_they_are_for),
        cmocka_unit_test(test_blend__probabilities_are_cooled_for_the_choosing_half),
        cmocka_unit_test(test_blend__sources_may_be_missing_or_constant),
        cmocka_unit_test(test_blend__the_context_is_what_is_known_of_the_query),
        cmocka_unit_test(test_blend__speaks_with_the_sources_that_are_there),
        cmocka_unit_test(test_blend__cases_come_from_queries),
        cmocka_unit_test(test_blend__survives_a_checkpoint),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
