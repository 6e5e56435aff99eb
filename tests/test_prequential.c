/* SPDX-License-Identifier: Apache-2.0 */
/* Test, then train: the walk against a slow direct computation, and what it must show. */
#include "lab/prequential.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/rng.h"

enum { COUNTING = 1 << EVIDENCE_COVISITATION | 1 << EVIDENCE_POPULARITY };

struct experiment {
    char path[64];
    struct dataset data;
    struct protocol split;
    struct prequential_scores scores;
};

static void experiment_init(struct experiment *x, const struct buf *log)
{
    struct penchant_error err = {0};
    const struct protocol_options o = {
        .kind = PROTOCOL_PREQUENTIAL, .report = STAGE_TEST, .test_share = .5, .seed = 1};
    const struct score_options s = {.mask = COUNTING, .threads = 2};
    memset(x, 0, sizeof *x);
    snprintf(x->path, sizeof x->path, "/tmp/penchant-prequential-XXXXXX");
    const int fd = mkstemp(x->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, log->data, log->len), (ssize_t)log->len);
    close(fd);
    const struct dataset_options d = {.events = {x->path}};
    if (dataset_read(&x->data, &d, &err) ||
        protocol_init(&x->split, &x->data, &o, &err) ||
        prequential_score(&x->scores, &x->split, &s, &err))
        fail_msg("%s", err.text);
}

static void experiment_release(struct experiment *x)
{
    prequential_scores_release(&x->scores);
    protocol_release(&x->split);
    dataset_release(&x->data);
    unlink(x->path);
}

/* Shoppers walk around rings of items; from `turn` on in other rings, which nobody had
   been to. One event a minute. */
static void walk_log(struct buf *log, int events, int turn)
{
    struct rng rng;
    rng_init(&rng, 7, 1);
    buf_init(log, 1 << 22);
    buf_puts(log, "user_id,item_id,event,timestamp\n");
    int at[40] = {0};
    for (int i = 0; i < events; i++) {
        const int user = (int)rng_below(&rng, i < turn ? 30 : 40);
        const int ring = user % 3 + (i < turn ? 0 : 3);
        at[user] = rng_below(&rng, 6) ? at[user] + 1 : (int)rng_below(&rng, 12);
        buf_printf(log, "u%d,r%d-%d,%s,%d\n", user, ring, at[user] % 12,
                   rng_below(&rng, 5) ? "view" : "purchase", 1700000000 + 60 * i);
    }
}

/* ---- against a direct computation ---- */

/* The rank of the target: seen[] items only, equal scores against it. */
static uint32_t direct_rank(struct evidence *e, const struct blend *b,
                            const struct evidence_query *q, const bool *seen,
                            uint32_t target)
{
    uint32_t rank = 0;
    float mine, score, scratch[2];
    struct blend_terms t;
    if (!seen[target])
        return METRICS_MISS;
    blend_for(b, e, q, COUNTING, &t);
    blend_score(&t, e, q, &target, 1, &mine, scratch);
    for (uint32_t i = 0; i < q->n_items; i++) {
        blend_score(&t, e, q, &i, 1, &score, scratch);
        rank += i != target && seen[i] && !(score < mine);
    }
    return rank;
}

static void observe_one(struct evidence *e, const struct history *h, uint32_t user,
                        uint64_t at)
{
    const uint64_t n = at - h->start[user];
    const struct evidence_event event = {.user = user,
                                         .item = h->item[at],
                                         .type = h->type[at],
                                         .ts_us = h->ts_us[at],
                                         .recent = h->item + h->start[user],
                                         .recent_us = h->ts_us + h->start[user],
                                         .n_recent = (uint32_t)n};
    assert_int_equal(evidence_observe(e, &event), 0);
}

struct direct {
    struct evidence live, still;
    bool *seen, *seen_before; /* (items) */
    uint32_t *rank[SHOPS];
    struct places events;
};

static void direct_init(struct direct *d, const struct experiment *x)
{
    const struct history *h = &x->data.history;
    const struct evidence_options o = {.has_clock = true,
                                       .half_life_days = EVIDENCE_HALF_LIFE_DAYS};
    assert_int_equal(evidence_init(&d->live, &o), 0);
    assert_int_equal(evidence_init(&d->still, &o), 0);
    d->seen = calloc(h->n_items, sizeof *d->seen);
    d->seen_before = calloc(h->n_items, sizeof *d->seen_before);
    for (enum protocol_stage stage = STAGE_FIT; stage <= STAGE_VALIDATION; stage++) {
        struct places order;
        assert_int_equal(protocol_order(&x->split, stage, &order, NULL), 0);
        for (size_t i = 0; i < order.n; i++) {
            observe_one(&d->live, h, order.user[i], order.at[i]);
            observe_one(&d->still, h, order.user[i], order.at[i]);
            d->seen[h->item[order.at[i]]] = d->seen_before[h->item[order.at[i]]] = true;
        }
        places_release(&order);
    }
    assert_int_equal(protocol_order(&x->split, STAGE_TEST, &d->events, NULL), 0);
    for (int shop = 0; shop < SHOPS; shop++)
        d->rank[shop] = calloc(d->events.n, sizeof *d->rank[shop]);
}

static void direct_walk(struct direct *d, const struct experiment *x)
{
    const struct history *h = &x->data.history;
    for (size_t i = 0; i < d->events.n; i++) {
        const uint32_t user = d->events.user[i];
        const uint64_t at = d->events.at[i], first = h->start[user];
        uint64_t split = first; /* the user's first event after it */
        while (x->split.stage[split] != STAGE_TEST)
            split++;
        struct evidence_query q = {.user = user,
                                   .recent = h->item + first,
                                   .recent_type = h->type + first,
                                   .recent_us = h->ts_us + first,
                                   .n_recent = (uint32_t)(at - first),
                                   .now_us = h->ts_us[at],
                                   .n_items = h->n_items};
        d->rank[SHOP_LIVE][i] =
            direct_rank(&d->live, &x->scores.blend, &q, d->seen, h->item[at]);
        /* What the frozen shop does not know is in no history of its users. */
        struct evidence_query old = q;
        uint32_t known[256], n = 0;
        for (uint64_t j = first; j < at; j++)
            if (d->seen_before[h->item[j]])
                known[n++] = h->item[j];
        old.recent = known;
        old.n_recent = n;
        old.recent_us = NULL;
        old.recent_type = NULL;
        int64_t us[256];
        uint8_t type[256];
        n = 0;
        for (uint64_t j = first; j < at; j++)
            if (d->seen_before[h->item[j]]) {
                us[n] = h->ts_us[j];
                type[n++] = h->type[j];
            }
        old.recent_us = us;
        old.recent_type = type;
        old.n_items = 0;
        while (old.n_items < h->n_items && d->seen_before[old.n_items])
            old.n_items++;
        d->rank[SHOP_FROZEN_COUNTS][i] =
            direct_rank(&d->still, &x->scores.blend, &old, d->seen_before, h->item[at]);
        q.n_recent = (uint32_t)(split - first);
        d->rank[SHOP_FROZEN_STATE][i] =
            direct_rank(&d->live, &x->scores.blend, &q, d->seen, h->item[at]);
        observe_one(&d->live, h, user, at);
        d->seen[h->item[at]] = true;
    }
}

static void direct_release(struct direct *d)
{
    evidence_release(&d->live);
    evidence_release(&d->still);
    free(d->seen);
    free(d->seen_before);
    places_release(&d->events);
    for (int shop = 0; shop < SHOPS; shop++)
        free(d->rank[shop]);
}

static int compare_ranks(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The walk's ranks stand user by user; sorted they must be the direct ones. */
static void test_prequential__equals_a_direct_computation(void **state)
{
    (void)state;
    struct experiment x;
    struct direct d = {0};
    struct buf log;
    walk_log(&log, 1200, 800);
    experiment_init(&x, &log);
    direct_init(&d, &x);
    direct_walk(&d, &x);
    assert_int_equal(x.scores.cases, 600);
    assert_int_equal(d.events.n, 600);
    size_t misses = 0;
    for (size_t i = 0; i < 600; i++)
        misses += d.rank[SHOP_LIVE][i] == METRICS_MISS;
    assert_true(misses > 20);
    assert_int_equal(x.scores.unknown_targets, misses);
    for (int shop = 0; shop < SHOPS; shop++) {
        const struct metrics *m = &x.scores.shop[shop];
        assert_int_equal(m->n, 600);
        qsort(m->rank, 600, sizeof *m->rank, compare_ranks);
        qsort(d.rank[shop], 600, sizeof *d.rank[shop], compare_ranks);
        for (size_t i = 0; i < 600; i++)
            if (m->rank[i] != d.rank[shop][i])
                fail_msg("%s: sorted rank %zu is %u, not %u", prequential_names[shop], i,
                         m->rank[i], d.rank[shop][i]);
    }
    direct_release(&d);
    experiment_release(&x);
    buf_release(&log);
}

/* ---- what it must show ---- */

static void test_prequential__live_wins_once_the_world_has_changed(void **state)
{
    (void)state;
    struct experiment x;
    struct buf log;
    walk_log(&log, 6000, 4200);
    experiment_init(&x, &log);
    const struct prequential_scores *s = &x.scores;
    for (int frozen = SHOP_FROZEN_COUNTS; frozen < SHOPS; frozen++) {
        const struct penchant_metric d =
            metrics_difference(&s->shop[SHOP_LIVE], &s->shop[frozen], METRICS_NDCG, 10);
        assert_true(d.low > 0);
        assert_true(d.low <= d.value && d.value <= d.high);
    }
    /* The turn comes after two fifths of what follows the split. */
    const struct metrics *late = s->part[9];
    assert_true(metrics_ndcg(&late[SHOP_FROZEN_COUNTS], 10).value < 0.01);
    assert_true(metrics_ndcg(&late[SHOP_LIVE], 10).value > 0.3);
    assert_true(metrics_ndcg(&s->part[0][SHOP_FROZEN_COUNTS], 10).value > 0.3);
    assert_true(s->new_users > 0);
    experiment_release(&x);
    buf_release(&log);
}

static void test_prequential__the_parts_are_the_whole(void **state)
{
    (void)state;
    struct experiment x;
    struct buf log;
    walk_log(&log, 3000, 2000);
    experiment_init(&x, &log);
    for (int shop = 0; shop < SHOPS; shop++) {
        double hits = 0;
        size_t n = 0;
        for (int i = 0; i < PREQUENTIAL_PARTS; i++) {
            const struct metrics *m = &x.scores.part[i][shop];
            hits += metrics_hr(m, 10).value * (double)m->n;
            n += m->n;
        }
        assert_int_equal(n, x.scores.cases);
        assert_true(fabs(hits / (double)n - metrics_hr(&x.scores.shop[shop], 10).value) <
                    1e-9);
    }
    experiment_release(&x);
    buf_release(&log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prequential__equals_a_direct_computation),
        cmocka_unit_test(test_prequential__live_wins_once_the_world_has_changed),
        cmocka_unit_test(test_prequential__the_parts_are_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
