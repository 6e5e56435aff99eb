/* SPDX-License-Identifier: Apache-2.0 */
/* The mixture of popularities against counts that are shrunk event by event. */
#include "evidence_fixture.h"

#include "behaviour/event.h"
#include "evidence/popularity.h"

static const struct evidence_source *const source = &evidence_popularity;

/* ---- directly ---- */

enum {
    ITEMS = 80,
    LIVES = POPULARITY_LIVES,
    EXPERTS = POPULARITY_EXPERTS,
    COUNTERS = LIVES + 1 + POPULARITY_PARTS
};

struct plain {
    double count[COUNTERS][ITEMS], half[COUNTERS]; /* microseconds or events; 0: never */
    int64_t newest[COUNTERS];
    bool begun[COUNTERS];
    double weight[POPULARITY_WHO][EXPERTS];
    uint32_t seen[POPULARITY_WHO];
    bool known[ITEMS], clock;
    uint32_t n_known;
    int64_t events;
};

static void plain_init(struct plain *x, bool clock, double days)
{
    static const double live[LIVES] = {1.0 / 30, 7.0 / 30, 1, 3};
    static const double events[LIVES] = {8192, 32768, 131072, 0};
    *x = (struct plain){.clock = clock};
    for (int c = 0; c < COUNTERS; c++)
        x->half[c] = clock       ? (c < LIVES ? live[c] : 1) * days * (double)FIXTURE_DAY
                     : c < LIVES ? events[c]
                                 : 131072;
    for (int w = 0; w < POPULARITY_WHO; w++)
        for (int e = 0; e < EXPERTS; e++)
            x->weight[w][e] = 1.0 / EXPERTS;
}

/* All counts fade to the moment of the event, and it counts 1. */
static void plain_add(struct plain *x, int c, uint32_t item, double weight, int64_t t)
{
    const double half = x->half[c];
    if (x->begun[c] && half > 0 && t > x->newest[c])
        for (uint32_t i = 0; i < ITEMS; i++)
            x->count[c][i] *= exp2(-(double)(t - x->newest[c]) / half);
    if (!x->begun[c] || t > x->newest[c])
        x->newest[c] = t;
    x->begun[c] = true;
    x->count[c][item] +=
        weight * (half > 0 ? exp2((double)(t - x->newest[c]) / half) : 1);
}

static double plain_share(const struct plain *x, int c, uint32_t item)
{
    double sum = 0;
    for (uint32_t i = 0; i < ITEMS; i++)
        sum += x->count[c][i];
    return sum > 0 ? x->count[c][item] / sum : 0;
}

/* 6 hours of a weekday or a day of the weekend; 1970-01-01 was a Thursday. */
static int plain_part(int64_t us)
{
    const int64_t day = us / FIXTURE_DAY, weekday = (day + 3) % 7;
    return (int)(us % FIXTURE_DAY / (FIXTURE_DAY / 4)) + (weekday >= 5 ? 4 : 0);
}

static int plain_who(const struct plain *x, const struct fixture_past *p, int64_t now)
{
    if (p->n == 0)
        return POPULARITY_NEWCOMER;
    return x->clock && now - p->us[p->n - 1] > EVENT_SESSION_GAP_US ? POPULARITY_RETURNING
                                                                    : POPULARITY_PRESENT;
}

static int counter_of(const struct plain *x, int e, int64_t now)
{
    if (e == POPULARITY_PART)
        return x->clock ? LIVES + 1 + plain_part(now) : -1;
    return e == POPULARITY_UNIFORM ? -1 : e;
}

/* What each expert says, weighted; returns the sum. */
static double plain_parts(const struct plain *x, int who, int64_t now, uint32_t n_items,
                          uint32_t item, double *part)
{
    double all = 0, sum = 0;
    for (int e = 0; e < EXPERTS; e++) {
        const int c = counter_of(x, e, now);
        part[e] = 0;
        if (e != POPULARITY_UNIFORM && (c < 0 || !x->begun[c]))
            continue; /* it takes no part */
        all += x->weight[who][e];
        part[e] = x->weight[who][e] * (c < 0 ? 1.0 / n_items : plain_share(x, c, item));
    }
    for (int e = 0; e < EXPERTS; e++)
        sum += part[e] /= all;
    return sum;
}

static void plain_observe(struct plain *x, const struct fixture_log *l, uint32_t at)
{
    struct fixture_past p;
    double part[EXPERTS], total = 0;
    const uint32_t item = l->item[at];
    fixture_past_of(&p, l, l->user[at], at);
    const int who = plain_who(x, &p, l->ts_us[at]);
    const double sum = plain_parts(x, who, l->ts_us[at], x->n_known + 1, item, part);
    const double rate = fmax(0.0005, 1.0 / (x->seen[who]++ + 20));
    double *w = x->weight[who];
    for (int e = 0; e < EXPERTS; e++) {
        w[e] = fmax((1 - rate) * w[e] + rate * part[e] / sum, 1e-4);
        total += w[e];
    }
    for (int e = 0; e < EXPERTS; e++)
        w[e] /= total;
    const double weight = l->type[at] == EVENT_PURCHASE ? 3 : 1;
    const int64_t t = x->clock ? l->ts_us[at] : x->events++;
    for (int c = 0; c < LIVES; c++)
        plain_add(x, c, item, weight, t);
    if (who != POPULARITY_PRESENT)
        plain_add(x, LIVES, item, weight, t);
    if (x->clock)
        plain_add(x, LIVES + 1 + plain_part(t), item, weight, t);
    x->n_known += !x->known[item];
    x->known[item] = true;
}

static void test_popularity__agrees_with_a_direct_computation(void **unused)
{
    (void)unused;
    enum { EVENTS = 3000 };
    for (int clock = 0; clock < 2; clock++) {
        struct evidence_options o = {.has_clock = clock, .half_life_days = 3};
        static struct plain x;
        struct fixture_log l;
        void *s = source->create(&o);
        double weight[POPULARITY_WHO][EXPERTS];
        plain_init(&x, clock, 3);
        fixture_wander(&l, EVENTS, 150, ITEMS, clock, 3 + (uint64_t)clock);
        for (uint32_t i = EVENTS / 2; clock && i < EVENTS; i++)
            l.ts_us[i] -= i % 50 ? 0 : 3 * FIXTURE_MINUTE; /* some come in late */
        for (uint32_t until = 500; until <= EVENTS; until += 500) {
            fixture_observe(source, s, &l, until - 500, until);
            for (uint32_t i = until - 500; i < until; i++)
                plain_observe(&x, &l, i);
            popularity_weights(s, weight);
            for (int w = 0; w < POPULARITY_WHO; w++)
                for (int e = 0; e < EXPERTS; e++)
                    assert_float_equal(weight[w][e], x.weight[w][e], 1e-6);
            for (uint32_t u = 0; u <= 4; u++) {
                struct fixture_past p = {0};
                float score[ITEMS];
                const int64_t now = l.ts_us[until - 1] + u * 5 * 60 * FIXTURE_MINUTE;
                if (u)
                    fixture_past_of(&p, &l, u, until);
                const struct evidence_query q = fixture_query(&l, u, now, &p);
                fixture_scores(source, s, &q, score);
                for (uint32_t i = 0; i < ITEMS; i++) {
                    double part[EXPERTS];
                    const double sum =
                        plain_parts(&x, plain_who(&x, &p, now), now, ITEMS, i, part);
                    assert_float_equal(score[i], log(sum), 1e-4);
                }
            }
        }
        fixture_log_release(&l);
        source->destroy(s);
    }
}

/* ---- what the words say ---- */

static void see(void *state, uint32_t item, int64_t ts_us, bool newcomer)
{
    const uint32_t before = 0;
    const struct evidence_event e = {.item = item,
                                     .ts_us = ts_us,
                                     .recent = &before,
                                     .recent_us = &ts_us,
                                     .n_recent = newcomer ? 0 : 1};
    assert_int_equal(source->observe(state, &e), 0);
}

static float score_of(void *state, uint32_t item, int64_t now_us, bool newcomer)
{
    const uint32_t before = 0;
    const struct evidence_query q = {.recent = &before,
                                     .recent_us = &now_us,
                                     .n_recent = newcomer ? 0 : 1,
                                     .now_us = now_us,
                                     .n_items = 1000};
    float out;
    source->score(state, &q, &item, 1, &out);
    return out;
}

static void test_popularity__newcomers_get_what_newcomers_begin_with(void **unused)
{
    (void)unused;
    struct evidence_options o = {0};
    void *s = source->create(&o);
    for (uint32_t i = 0; i < 4000; i++) {
        see(s, 10 + i % 5, i, true); /* begins with one of five, goes on with others */
        see(s, 20 + i % 5, i, false);
        see(s, 20 + i % 7, i, false);
    }
    assert_true(score_of(s, 11, 0, true) > score_of(s, 21, 0, true) + 1);
    assert_true(score_of(s, 21, 0, false) > score_of(s, 11, 0, false));
    source->destroy(s);
}

static void test_popularity__follows_fast_fashions_and_slow_ones(void **unused)
{
    (void)unused;
    double fast[POPULARITY_WHO][EXPERTS], slow[POPULARITY_WHO][EXPERTS];
    for (int fashion = 0; fashion < 2; fashion++) {
        struct evidence_options o = {.has_clock = true, .half_life_days = 30};
        void *s = source->create(&o);
        struct rng r;
        rng_init(&r, 2, 0);
        for (uint32_t i = 0; i < 20000; i++) { /* 100 events a day; new items each day */
            const uint32_t day = fashion ? i / 100 : 0;
            see(s, day * 7 % 900 + rng_below(&r, 1 + rng_below(&r, 20)),
                i * (FIXTURE_DAY / 100), false);
        }
        popularity_weights(s, fashion ? fast : slow);
        source->destroy(s);
    }
    const int who = POPULARITY_PRESENT;
    assert_true(fast[who][0] > 0.8);
    assert_true(slow[who][0] < 0.25);
    assert_true(slow[who][0] < slow[who][LIVES - 1]);
}

static void test_popularity__knows_the_part_of_the_day(void **unused)
{
    (void)unused;
    enum { NIGHT = 5, NOON = 6 };
    const int64_t sixth = FIXTURE_DAY / 6, begin = 19000 * FIXTURE_DAY;
    struct evidence_options o = {.has_clock = true, .half_life_days = 30};
    void *s = source->create(&o);
    for (int64_t i = 0; i < 6000; i++) {
        const int64_t at = begin + i * sixth; /* 0, 4, 8, .. o'clock */
        see(s, i % 6 == 0 || i % 6 == 1 ? NIGHT : i % 6 == 3 ? NOON : 7, at, false);
    }
    const int64_t day = begin + 1000 * FIXTURE_DAY;
    assert_true(score_of(s, NIGHT, day + sixth / 2, false) >
                score_of(s, NOON, day + sixth / 2, false) + 1);
    assert_true(score_of(s, NOON, day + 3 * sixth, false) >
                score_of(s, NIGHT, day + 3 * sixth, false) + 1);
    source->destroy(s);
}

static void test_popularity__scores_are_probabilities(void **unused)
{
    (void)unused;
    for (int clock = 0; clock < 2; clock++) {
        struct evidence_options o = {.has_clock = clock, .half_life_days = 3};
        struct fixture_log l;
        struct fixture_past p = {0};
        void *s = source->create(&o);
        float score[ITEMS];
        fixture_wander(&l, 2000, 40, ITEMS, clock, 4);
        for (uint32_t until = 0; until <= 2000; until += 1000) {
            double sum = 0;
            if (until)
                fixture_observe(source, s, &l, until - 1000, until);
            const struct evidence_query q = fixture_query(&l, 1, l.ts_us[1999], &p);
            fixture_scores(source, s, &q, score);
            for (uint32_t i = 0; i < ITEMS; i++)
                sum += exp((double)score[i]);
            assert_float_equal(sum, 1, 1e-4);
        }
        fixture_log_release(&l);
        source->destroy(s);
    }
}

/* With more items than the lists hold, and so many forbidden that they do not do. */
static void test_popularity__candidates_are_exact(void **unused)
{
    (void)unused;
    enum { MANY = 7000 };
    struct evidence_options o = {.has_clock = true, .half_life_days = 3};
    void *s = source->create(&o);
    struct rng r;
    rng_init(&r, 3, 0);
    for (uint32_t i = 0; i < 60000; i++) {
        const uint32_t draw = rng_below(&r, 1 + rng_below(&r, MANY));
        see(s, (draw + i / 6000 * 100) % MANY, i * (FIXTURE_DAY / 3000), i % 5 == 0);
    }
    uint64_t *skip = calloc(MANY / 64 + 1, sizeof *skip);
    float *score = malloc(MANY * sizeof *score);
    uint32_t *item = malloc(MANY * sizeof *item);
    for (int forbidden = 0; forbidden < 3; forbidden++) {
        for (uint32_t i = 0; i < MANY; i++)
            if (forbidden == 2 ? i % 7 : forbidden && i % 2)
                skip[i / 64] |= 1ULL << (i % 64);
        for (int newcomer = 0; newcomer < 2; newcomer++) {
            const int64_t now = 21 * FIXTURE_DAY;
            const uint32_t before = 0;
            const struct evidence_query q = {.recent = &before,
                                             .recent_us = &now,
                                             .n_recent = newcomer ? 0 : 1,
                                             .now_us = now,
                                             .skip = skip,
                                             .n_items = MANY};
            fixture_scores(source, s, &q, score);
            for (uint32_t k = 1; k < MANY; k *= 5) {
                const size_t n = source->candidates(s, &q, k, item);
                uint32_t better = 0, allowed = 0;
                for (uint32_t i = 0; i < MANY; i++) {
                    allowed += !evidence_skips(&q, i);
                    better += !evidence_skips(&q, i) && score[i] > score[item[n - 1]];
                }
                assert_true(n == k || (k > allowed / 2 && n <= allowed));
                assert_true(better < n);
                for (size_t i = 0; i < n; i++) {
                    assert_false(evidence_skips(&q, item[i]));
                    assert_true(i == 0 || score[item[i - 1]] >= score[item[i]]);
                }
            }
        }
    }
    free(skip);
    free(score);
    free(item);
    source->destroy(s);
}

static void test_popularity__plain_candidates_are_exact_too(void **unused)
{
    (void)unused;
    struct fixture_log l;
    struct fixture_past p = {0};
    struct evidence_options o = {.has_clock = true, .half_life_days = 3};
    void *s = source->create(&o);
    fixture_wander(&l, 5000, 40, 300, true, 2);
    fixture_observe(source, s, &l, 0, l.n);
    struct evidence_query q = fixture_query(&l, 3, l.ts_us[l.n - 1], &p);
    fixture_candidates_are_best(source, s, &q, 1);
    q.by_count = true;
    fixture_candidates_are_best(source, s, &q, 2);
    fixture_log_release(&l);
    source->destroy(s);
}

/* ---- the plain count ---- */

static void come(void *state, uint32_t item, uint32_t type, int64_t ts_us)
{
    struct evidence_event e = {.item = item, .type = type, .ts_us = ts_us};
    assert_int_equal(source->observe(state, &e), 0);
}

static void test_popularity__a_purchase_counts_more_and_the_old_fades(void **unused)
{
    (void)unused;
    struct evidence_options o = {.has_clock = true, .half_life_days = 10};
    void *s = source->create(&o);
    struct evidence_query q = {.n_items = 10, .by_count = true};
    uint32_t item[10];
    for (int i = 0; i < 5; i++)
        come(s, 1, EVENT_VIEW, FIXTURE_DAY);
    for (int i = 0; i < 2; i++)
        come(s, 2, EVENT_PURCHASE, FIXTURE_DAY);
    come(s, 3, EVENT_CART, FIXTURE_DAY);
    come(s, 4, EVENT_VIEW, FIXTURE_DAY);
    assert_int_equal(source->candidates(s, &q, 10, item), 4);
    const uint32_t then[4] = {2, 1, 3, 4};
    assert_memory_equal(item, then, sizeof then);
    float before[2], after[2];
    source->score(s, &q, then, 2, before);
    assert_true(before[0] > before[1]);
    come(s, 4, EVENT_VIEW,
         41 * FIXTURE_DAY); /* four half-lives on, one new view passes 6/16 */
    assert_int_equal(source->candidates(s, &q, 10, item), 4);
    assert_int_equal(item[0], 4);
    source->score(s, &q, then, 2, after);
    assert_float_equal(after[0] - after[1], logf((6 / 16.0F + .5F) / (5 / 16.0F + .5F)),
                       1e-5);
    source->destroy(s);
}

/* The kept list equals a full sort at every moment, past its length too. */
static void test_popularity__the_list_is_exact(void **unused)
{
    (void)unused;
    enum { CATALOGUE = 6000 };
    struct evidence_options o = {.has_clock = true, .half_life_days = 1};
    void *s = source->create(&o);
    struct rng r;
    rng_init(&r, 3, 0);
    uint32_t *item = malloc(CATALOGUE * sizeof *item), all[2];
    uint64_t *skip = calloc(CATALOGUE / 64 + 1, sizeof *skip);
    float score[2];
    for (uint32_t i = 0; i < 120000; i++) {
        uint32_t draw = rng_below(&r, CATALOGUE);
        come(s, rng_below(&r, draw + 1), EVENT_VIEW, i * (FIXTURE_DAY / 1000));
        if (i % 30000 != 29999)
            continue;
        for (int skipping = 0; skipping < 2; skipping++) {
            for (uint32_t b = 0; skipping && b < CATALOGUE; b += 2 + rng_below(&r, 2))
                skip[b / 64] |= 1ULL << (b % 64);
            struct evidence_query q = {
                .n_items = CATALOGUE, .by_count = true, .skip = skipping ? skip : NULL};
            size_t n = source->candidates(s, &q, CATALOGUE, item);
            assert_true(n > 2048);
            size_t few = source->candidates(s, &q, 1000, item);
            assert_int_equal(few, 1000);
            uint32_t *full = malloc(CATALOGUE * sizeof *full);
            assert_int_equal(source->candidates(s, &q, CATALOGUE, full), n);
            assert_memory_equal(item, full, 1000 * sizeof *item);
            for (size_t j = 1; j < n; j++) {
                all[0] = full[j - 1];
                all[1] = full[j];
                source->score(s, &q, all, 2, score);
                assert_true(score[0] >= score[1]);
                assert_false(evidence_skips(&q, full[j]));
            }
            free(full);
        }
        memset(skip, 0, (CATALOGUE / 64 + 1) * sizeof *skip);
    }
    free(item);
    free(skip);
    source->destroy(s);
}

/* ---- bounds, bits, threads ---- */

static void test_popularity__memory_is_bounded(void **unused)
{
    (void)unused;
    for (int clock = 0; clock < 2; clock++) {
        struct evidence_options o = {.has_clock = clock, .half_life_days = 3};
        void *s = source->create(&o);
        for (uint32_t i = 0; i < 50000; i++)
            see(s, i * 7 % 4096, i * FIXTURE_DAY / 9, i % 3 == 0);
        assert_in_range(popularity_bytes(s), 40 * 4096,
                        (clock ? 104 : 40) * 4096 + (120 << 10));
        source->destroy(s);
    }
}

static void test_popularity__replay_gives_the_same_bits(void **unused)
{
    (void)unused;
    fixture_replays(source, false);
    fixture_replays(source, true);
}

static void test_popularity__several_threads_may_ask(void **unused)
{
    (void)unused;
    fixture_threads(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_popularity__agrees_with_a_direct_computation),
        cmocka_unit_test(test_popularity__newcomers_get_what_newcomers_begin_with),
        cmocka_unit_test(test_popularity__follows_fast_fashions_and_slow_ones),
        cmocka_unit_test(test_popularity__knows_the_part_of_the_day),
        cmocka_unit_test(test_popularity__scores_are_probabilities),
        cmocka_unit_test(test_popularity__candidates_are_exact),
        cmocka_unit_test(test_popularity__plain_candidates_are_exact_too),
        cmocka_unit_test(test_popularity__a_purchase_counts_more_and_the_old_fades),
        cmocka_unit_test(test_popularity__the_list_is_exact),
        cmocka_unit_test(test_popularity__memory_is_bounded),
        cmocka_unit_test(test_popularity__replay_gives_the_same_bits),
        cmocka_unit_test(test_popularity__several_threads_may_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
