/* SPDX-License-Identifier: Apache-2.0 */
/* Decay, the sequence source, and the table as a whole. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "evidence/decay.h"
#include "evidence/blend.h"
#include "evidence/sources.h"
#include "evidence/sums.h"
#include "evidence/tally.h"

#define DAY 86400000000LL

/* ---- decay and tally ---- */

static void test_decay__a_half_life_halves(void **unused)
{
    (void)unused;
    struct decay d;
    int shift;
    decay_init(&d, true, 10);
    double old = decay_unit(&d, 100 * DAY, &shift);
    double new = decay_unit(&d, 130 * DAY, &shift);
    assert_true(fabs(new / old - 8.0) < 1e-9);
    assert_true(decay_present(&d) == new);
    assert_true(fabs(decay_unit(&d, 120 * DAY, &shift) / old - 4.0) < 1e-9); /* late */
    assert_true(decay_present(&d) == new);
    decay_init(&d, false, 10);
    assert_true(decay_unit(&d, 0, &shift) == decay_unit(&d, 1000 * DAY, &shift));
}

static void test_decay__moving_the_origin_changes_no_ratio(void **unused)
{
    (void)unused;
    struct decay d;
    int shift = 0, shifts = 0;
    decay_init(&d, true, 1);
    double count = 0;
    for (int64_t day = 0; day < 240; day += 3) { /* one event every three half-lives */
        double unit = decay_unit(&d, day * DAY, &shift);
        count = ldexp(count, -shift) + unit;
        shifts += shift > 0;
        assert_true(unit <= ldexp(1.0, DECAY_MAX_UNIT));
        double sum = (1 - exp2(-3.0 * (double)(day / 3 + 1))) / (1 - exp2(-3.0));
        assert_true(fabs(count / decay_present(&d) - sum) < 1e-9);
    }
    assert_in_range(shifts, 5, 20);
}

static void test_tally__sums_and_keeps_its_bound(void **unused)
{
    (void)unused;
    enum { MAX = 1000 };
    struct tally t;
    assert_int_equal(tally_init(&t, MAX), 0);
    for (uint32_t i = 0; i < MAX; i++) {
        assert_true(tally_add(&t, (uint32_t)rng_mix(i), 1.0F));
        assert_false(tally_add(&t, (uint32_t)rng_mix(i), (float)i));
    }
    assert_false(tally_add(&t, 5, 1.0F)); /* full */
    for (uint32_t i = 0; i < MAX; i++)
        assert_true(tally_sum(&t, (uint32_t)rng_mix(i)) == 1.0F + (float)i);
    assert_true(tally_sum(&t, 5) == 0.0F);
    tally_release(&t);
}

/* ---- sequence ---- */

static void test_sequence__ranks_by_the_dot_product(void **unused)
{
    (void)unused;
    enum { ITEMS = 500, DIM = 12 };
    static float rows[ITEMS * DIM];
    float query[DIM], score[ITEMS + 2];
    struct rng r;
    rng_init(&r, 4, 0);
    for (size_t i = 0; i < ITEMS * DIM; i++)
        rows[i] = rng_normal(&r);
    for (size_t i = 0; i < DIM; i++)
        query[i] = rng_normal(&r);
    struct evidence_query q = {.vector = query,
                               .item_vectors = rows,
                               .dim = DIM,
                               .n_indexed = ITEMS,
                               .n_items = ITEMS + 2};
    struct topk_index *index = NULL;
    assert_int_equal(topk_index_new(&index, rows, ITEMS, DIM, NULL), 0);
    q.index = index;
    uint32_t all[ITEMS + 2], item[20];
    for (uint32_t i = 0; i < ITEMS + 2; i++)
        all[i] = i;
    evidence_sequence.score(NULL, &q, all, ITEMS + 2, score);
    assert_int_equal(evidence_sequence.candidates(NULL, &q, 20, item), 20);
    for (uint32_t i = 0; i < 20; i++) {
        uint32_t better = 0;
        for (uint32_t j = 0; j < ITEMS; j++)
            better += score[j] > score[item[i]];
        assert_int_equal(better, i);
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        float sum = 0;
        for (uint32_t j = 0; j < DIM; j++)
            sum += query[j] * rows[i * DIM + j];
        assert_float_equal(score[i], sum, 1e-4);
    }
    /* Items without a vector: finite, alike, neither first nor last, in pieces the same. */
    assert_true(score[ITEMS] == score[ITEMS + 1]);
    assert_true(score[ITEMS] < score[item[0]]);
    uint32_t below = 0;
    for (uint32_t j = 0; j < ITEMS; j++)
        below += score[j] < score[ITEMS];
    assert_in_range(below, 100, 400);
    float alone;
    evidence_sequence.score(NULL, &q, &all[ITEMS], 1, &alone);
    assert_true(alone == score[ITEMS]);
    q.vector = NULL;
    assert_int_equal(evidence_sequence.candidates(NULL, &q, 20, item), 0);
    evidence_sequence.score(NULL, &q, all, 3, score);
    assert_true(score[0] == 0 && score[1] == 0 && score[2] == 0);
    topk_index_free(index);
}

/* ---- the table ---- */

static void test_evidence__names_become_masks(void **unused)
{
    (void)unused;
    uint32_t mask;
    struct penchant_error err = {0};
    assert_int_equal(evidence_parse("all", &mask, &err), 0);
    assert_int_equal(mask, (1 << EVIDENCE_SOURCES) - 1);
    assert_int_equal(evidence_parse("popularity,sequence", &mask, &err), 0);
    assert_int_equal(mask, 1 << EVIDENCE_POPULARITY | 1 << EVIDENCE_SEQUENCE);
    static const char *const bad[] = {"",
                                      "sequences",
                                      "seq",
                                      "sequence,",
                                      ",sequence",
                                      "all,sequence",
                                      "sequence covisitation"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(evidence_parse(bad[i], &mask, &err), PENCHANT_EINVALID);
        assert_string_equal(err.field, "sources");
    }
}

static void test_evidence__candidates_are_a_union_and_scores_a_weighted_sum(void **unused)
{
    (void)unused;
    struct evidence e;
    struct evidence_options o = {0};
    assert_int_equal(evidence_init(&e, &o), 0);
    const uint32_t path[6] = {1, 2, 3, 9, 9, 9};
    for (uint32_t i = 0; i < 6; i++) {
        struct evidence_event event = {.item = path[i], .recent = path, .n_recent = i};
        assert_int_equal(evidence_observe(&e, &event), 0);
    }
    struct evidence_query q = {.recent = path, .n_recent = 1, .n_items = 20};
    struct evidence_weights w = {.w = {[EVIDENCE_SEQUENCE] = 1.0F,
                                       [EVIDENCE_COVISITATION] = 2.0F,
                                       [EVIDENCE_POPULARITY] = 0.5F}};
    uint32_t item[EVIDENCE_SOURCES * 8], mask = (1 << EVIDENCE_SOURCES) - 1;
    size_t n = evidence_candidates(&e, mask, &q, 8, item);
    assert_int_equal(n, 4); /* 1 is popular, 2, 3 and 9 are both */
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_int_not_equal(item[i], item[j]);
    float out[24], scratch[48], co[24], pop[24];
    struct blend_terms terms;
    blend_plain(&w, &terms);
    blend_score(&terms, &e, &q, item, n, out, scratch);
    evidence_covisitation.score(e.state[EVIDENCE_COVISITATION], &q, item, n, co);
    evidence_popularity.score(e.state[EVIDENCE_POPULARITY], &q, item, n, pop);
    for (size_t i = 0; i < n; i++)
        assert_float_equal(out[i], 2.0F * co[i] + 0.5F * pop[i], 1e-5);
    terms.mask = 1 << EVIDENCE_POPULARITY;
    blend_score(&terms, &e, &q, item, n, out, scratch);
    for (size_t i = 0; i < n; i++)
        assert_float_equal(out[i], 0.5F * pop[i], 1e-6);
    w.w[EVIDENCE_POPULARITY] = 0; /* a source without weight brings nobody */
    blend_plain(&w, &terms);
    assert_int_equal(evidence_candidates(&e, terms.mask, &q, 8, item), 3);
    evidence_release(&e);
}

/* What is kept for a query says the same as what is added up anew, also when an event
   comes between its candidates and its scores; another query sees the event. */
static void test_evidence__sums_are_kept_for_a_query(void **unused)
{
    (void)unused;
    enum { USERS = 60, EACH = 30, ITEMS = 40 };
    struct evidence e;
    struct evidence_options o = {0};
    uint32_t path[USERS][EACH], item[2][EVIDENCE_SOURCES * 8];
    struct rng rng;
    rng_init(&rng, 7, 0);
    assert_int_equal(evidence_init(&e, &o), 0);
    for (uint32_t u = 0; u < USERS; u++)
        for (uint32_t i = 0; i < EACH; i++) {
            path[u][i] = rng_below(&rng, 1 + rng_below(&rng, ITEMS));
            const struct evidence_event event = {
                .user = u, .item = path[u][i], .recent = path[u], .n_recent = i};
            assert_int_equal(evidence_observe(&e, &event), 0);
        }
    const enum evidence_id kept[] = {EVIDENCE_COVISITATION, EVIDENCE_NEIGHBOURS};
    for (int s = 0; s < 2; s++) {
        const struct evidence_source *source = evidence_sources[kept[s]];
        void *state = e.state[kept[s]];
        struct evidence_sums sums = {0};
        struct evidence_query q = {
            .user = 3, .recent = path[3], .n_recent = EACH, .n_items = ITEMS};
        float score[3][8];
        const size_t n = source->candidates(state, &q, 8, item[0]);
        source->score(state, &q, item[0], n, score[0]);
        q.sums = &sums;
        assert_int_equal(source->candidates(state, &q, 8, item[1]), n);
        assert_int_equal(n, 8);
        assert_memory_equal(item[0], item[1], n * sizeof item[0][0]);
        const uint32_t come[2] = {path[3][EACH - 1], item[0][7]};
        for (uint32_t i = 0; i < 2; i++) {
            const struct evidence_event event = {
                .user = USERS, .item = come[i], .recent = come, .n_recent = i};
            assert_int_equal(evidence_observe(&e, &event), 0);
        }
        source->score(state, &q, item[1], n, score[1]);
        assert_memory_equal(score[0], score[1], n * sizeof score[0][0]);
        evidence_sums_release(&sums);
        source->score(state, &q, item[1], n, score[2]);
        assert_true(memcmp(score[0], score[2], n * sizeof score[0][0]) != 0);
        evidence_sums_release(&sums);
    }
    evidence_release(&e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decay__a_half_life_halves),
        cmocka_unit_test(test_decay__moving_the_origin_changes_no_ratio),
        cmocka_unit_test(test_tally__sums_and_keeps_its_bound),
        cmocka_unit_test(test_sequence__ranks_by_the_dot_product),
        cmocka_unit_test(test_evidence__names_become_masks),
        cmocka_unit_test(test_evidence__candidates_are_a_union_and_scores_a_weighted_sum),
        cmocka_unit_test(test_evidence__sums_are_kept_for_a_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
