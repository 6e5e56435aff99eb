/* SPDX-License-Identifier: Apache-2.0 */
/* Co-visitation: finds what was planted, forgets, replays bit by bit, keeps its bound. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "behaviour/event.h"
#include "evidence/covisitation.h"
#include "evidence/sources.h"

#define DAY 86400000000LL

static const struct evidence_source *const source = &evidence_covisitation;

/* Observes the items of one user in order, a day's `step` apart. */
static void walk(void *state, const uint32_t *item, uint32_t n, int64_t from,
                 int64_t step)
{
    for (uint32_t i = 0; i < n; i++) {
        struct evidence_event e = {.item = item[i],
                                   .type = EVENT_VIEW,
                                   .ts_us = from + i * step,
                                   .recent = item,
                                   .n_recent = i};
        assert_int_equal(source->observe(state, &e), 0);
    }
}

static float score_of(void *state, const uint32_t *recent, uint32_t n, uint32_t item)
{
    struct evidence_query q = {.recent = recent, .n_recent = n, .n_items = 1 << 20};
    float out;
    source->score(state, &q, &item, 1, &out);
    assert_true(isfinite(out));
    return out;
}

static float led(void *state, uint32_t from, uint32_t to)
{
    return score_of(state, &from, 1, to);
}

/* Shoppers who stay in one of `clusters` groups of ten items. */
static void wander(void *state, uint64_t seed, uint32_t clusters, uint32_t shoppers,
                   bool clock)
{
    struct rng r;
    rng_init(&r, seed, 0);
    for (uint32_t u = 0; u < shoppers; u++) {
        uint32_t item[12], home = rng_below(&r, clusters);
        for (uint32_t i = 0; i < 12; i++)
            item[i] = home * 10 + rng_below(&r, 10);
        walk(state, item, 12, clock ? (int64_t)u * DAY : 0, clock ? DAY / 24 : 1);
    }
}

static void test_covisitation__finds_the_planted_neighbours(void **unused)
{
    (void)unused;
    struct evidence_options o = {0};
    void *s = source->create(&o);
    wander(s, 1, 50, 2000, false);
    for (uint32_t home = 0; home < 50; home++) {
        uint32_t recent[2] = {home * 10 + 3, home * 10 + 7}, item[10];
        struct evidence_query q = {.recent = recent, .n_recent = 2, .n_items = 500};
        assert_int_equal(source->candidates(s, &q, 10, item), 10);
        for (uint32_t i = 0; i < 10; i++)
            assert_int_equal(item[i] / 10, home);
    }
    source->destroy(s);
}

static void test_covisitation__near_and_forward_count_more(void **unused)
{
    (void)unused;
    struct evidence_options o = {0};
    void *s = source->create(&o);
    uint32_t path[5] = {1, 2, 3, 4, 5};
    walk(s, path, 5, 0, 1);
    assert_true(led(s, 1, 2) > led(s, 1, 3));
    assert_true(led(s, 1, 3) > led(s, 1, 5));
    assert_true(led(s, 1, 2) > led(s, 2, 1));
    assert_true(led(s, 2, 1) > led(s, 2, 99));
    source->destroy(s);
}

static void test_covisitation__newest_items_of_a_query_count_more(void **unused)
{
    (void)unused;
    struct evidence_options o = {0};
    void *s = source->create(&o);
    uint32_t one[2] = {1, 10}, other[2] = {2, 20}, query[2] = {1, 2};
    walk(s, one, 2, 0, 1);
    walk(s, other, 2, 0, 1);
    assert_true(score_of(s, query, 2, 20) > score_of(s, query, 2, 10));
    assert_true(score_of(s, query, 2, 10) > score_of(s, query, 2, 30));
    source->destroy(s);
}

static void test_covisitation__what_was_hated_leads_nowhere(void **unused)
{
    (void)unused;
    struct evidence_options o = {0};
    void *s = source->create(&o);
    uint32_t one[2] = {1, 10}, other[2] = {2, 20}, query[2] = {2, 1}, item[2] = {10, 20};
    walk(s, one, 2, 0, 1);
    walk(s, other, 2, 0, 1);
    float liking[2] = {1, 1}, score[3][2];
    struct evidence_query q = {
        .recent = query, .recent_liking = liking, .n_recent = 2, .n_items = 30};
    for (int i = 0; i < 3; i++) { /* 1 is the newest */
        liking[1] = 1 - (float)i;
        source->score(s, &q, item, 2, score[i]);
    }
    assert_true(score[0][0] > score[1][0] && score[1][0] > score[2][0]);
    assert_true(score[0][1] == score[1][1] && score[1][1] == score[2][1]);
    assert_true(score[2][1] > score[2][0]);
    assert_int_equal(source->candidates(s, &q, 2, item), 1);
    assert_int_equal(item[0], 20);
    source->destroy(s);
}

static void test_covisitation__a_repeat_is_a_pair_too(void **unused)
{
    (void)unused;
    struct evidence_options o = {0};
    void *s = source->create(&o);
    uint32_t again[2] = {7, 7};
    walk(s, again, 2, 0, 1);
    assert_true(led(s, 7, 7) > led(s, 7, 8));
    source->destroy(s);
}

static void test_covisitation__a_purchase_counts_more(void **unused)
{
    (void)unused;
    struct evidence_options o = {0};
    void *s = source->create(&o);
    uint32_t before = 1;
    struct evidence_event e = {
        .item = 2, .type = EVENT_VIEW, .recent = &before, .n_recent = 1};
    assert_int_equal(source->observe(s, &e), 0);
    e.item = 3;
    e.type = EVENT_PURCHASE;
    assert_int_equal(source->observe(s, &e), 0);
    assert_true(led(s, 1, 3) > led(s, 1, 2));
    source->destroy(s);
}

static void test_covisitation__what_is_old_fades(void **unused)
{
    (void)unused;
    uint32_t old[2] = {1, 2}, new[2] = {1, 3};
    for (int clock = 0; clock < 2; clock++) {
        struct evidence_options o = {.has_clock = clock, .half_life_days = 10};
        void *s = source->create(&o);
        for (int i = 0; i < 4; i++)
            walk(s, old, 2, 0, 1);
        walk(s, new, 2, 400 * DAY, 1);
        assert_int_equal(led(s, 1, 3) > led(s, 1, 2), clock);
        source->destroy(s);
    }
}

/* Without a clock what happened since counts: a half-life is 2^20 events. */
static void test_covisitation__what_is_old_fades_without_a_clock_too(void **unused)
{
    (void)unused;
    const uint32_t old[2] = {1, 2}, new[2] = {1, 3};
    for (int crowded = 0; crowded < 2; crowded++) {
        struct evidence_options o = {.has_clock = false};
        void *s = source->create(&o);
        const struct evidence_event other = {.item = 9, .type = EVENT_VIEW};
        for (int i = 0; i < 4; i++)
            walk(s, old, 2, 0, 1);
        for (int i = 0; crowded && i < 1 << 20; i++)
            assert_int_equal(source->observe(s, &other), 0);
        for (int i = 0; i < 3; i++)
            walk(s, new, 2, 0, 1);
        assert_int_equal(led(s, 1, 3) > led(s, 1, 2), crowded);
        source->destroy(s);
    }
}

static void test_covisitation__decay_survives_centuries_and_wrong_clocks(void **unused)
{
    (void)unused;
    struct evidence_options o = {.has_clock = true, .half_life_days = 1};
    void *s = source->create(&o);
    uint32_t path[2] = {1, 2}, late[2] = {1, 3};
    for (int64_t year = 0; year < 300; year++)
        walk(s, path, 2, year * 365 * DAY, 1);
    walk(s, late, 2, -90000 * DAY, 1); /* far before everything */
    assert_true(led(s, 1, 2) > led(s, 1, 3));
    assert_true(led(s, 1, 2) > led(s, 1, 99) + 0.1F); /* not forgotten */
    struct evidence_options slow = {.has_clock = true, .half_life_days = 100};
    void *t = source->create(&slow);
    walk(t, path, 2, 0, 1);
    uint32_t wrong[2] = {8, 9};
    walk(t, wrong, 2, 3000000 * DAY, 1); /* one visitor from the year 10000 */
    for (int i = 0; i < 3; i++)
        walk(t, path, 2, DAY, 1);
    assert_true(led(t, 1, 2) > led(t, 1, 9));
    source->destroy(s);
    source->destroy(t);
}

/* Far more half-lives than the unit of counting can grow in one go. */
static void test_covisitation__what_is_ancient_is_forgotten(void **unused)
{
    (void)unused;
    struct evidence_options o = {.has_clock = true, .half_life_days = 1};
    void *s = source->create(&o);
    const uint32_t old[2] = {1, 2}, new[2] = {1, 3}, other[2] = {8, 9};
    for (int i = 0; i < 100; i++)
        walk(s, old, 2, 0, 1);
    for (int64_t day = 0; day < 1000; day += 5)
        walk(s, other, 2, day * DAY, 1);
    walk(s, new, 2, 1000 * DAY, 1);
    assert_true(led(s, 1, 3) > led(s, 1, 2));
    assert_float_equal(led(s, 1, 2), led(s, 1, 99), 1e-6);
    source->destroy(s);
}

static void test_covisitation__replay_gives_the_same_bits(void **unused)
{
    (void)unused;
    struct evidence_options o = {.has_clock = true, .half_life_days = 3};
    void *a = source->create(&o), *b = source->create(&o);
    wander(a, 5, 60, 1500, true);
    wander(b, 5, 60, 1500, true);
    uint32_t all[600];
    float x[600], y[600];
    for (uint32_t i = 0; i < 600; i++)
        all[i] = i;
    for (uint32_t i = 0; i < 600; i++) {
        struct evidence_query q = {.recent = all, .n_recent = i, .n_items = 600};
        source->score(a, &q, all, 600, x);
        source->score(b, &q, all, 600, y);
        assert_memory_equal(x, y, sizeof x);
    }
    source->destroy(a);
    source->destroy(b);
}

static void test_covisitation__memory_is_bounded_and_the_strong_stay(void **unused)
{
    (void)unused;
    enum { ITEMS = 3000, ROUNDS = 40 };
    struct evidence_options o = {0};
    void *s = source->create(&o);
    struct rng r;
    rng_init(&r, 9, 0);
    for (uint32_t i = 0; i < ROUNDS * 1000; i++) {
        /* item 0 is followed by anything, and every tenth time by one of five friends */
        uint32_t path[2] = {0, 1 + rng_below(&r, ITEMS - 1)};
        if (i % 10 == 0)
            path[1] = 1 + i / 10 % 5;
        walk(s, path, 2, 0, 1);
    }
    uint32_t hub = 0, item[ITEMS];
    struct evidence_query q = {.recent = &hub, .n_recent = 1, .n_items = ITEMS};
    size_t n = source->candidates(s, &q, ITEMS, item);
    assert_in_range(n, COVISITATION_NEIGHBOURS / 2, COVISITATION_NEIGHBOURS);
    bool friend[6] = {false};
    for (uint32_t i = 0; i < 5; i++)
        if (item[i] < 6)
            friend[item[i]] = true;
    for (uint32_t i = 1; i < 6; i++)
        assert_true(friend[i]);
    /* every row full would be ITEMS * 256 * 8 bytes; one row is, the others hold one pair
     */
    assert_in_range(covisitation_bytes(s), COVISITATION_NEIGHBOURS * 8,
                    COVISITATION_NEIGHBOURS * 8 + 4096 * (32 + 4 * 8) + 1024);
    source->destroy(s);
}

/* A full row drops a quarter: the lightest, of equally light ones the oldest. */
static void test_covisitation__a_full_row_keeps_the_heaviest(void **unused)
{
    (void)unused;
    enum { FULL = COVISITATION_NEIGHBOURS, LATE = FULL + 1, DROPPED = FULL / 4 };
    struct evidence_options o = {0};
    void *s = source->create(&o);
    for (uint32_t i = 1; i <= LATE; i++)
        for (uint32_t times = i > FULL / 2 && i < LATE ? 2 : 1; times > 0; times--) {
            const uint32_t path[2] = {0, i};
            walk(s, path, 2, 0, 1);
        }
    uint32_t hub = 0, item[2 * FULL];
    struct evidence_query q = {.recent = &hub, .n_recent = 1, .n_items = 2 * FULL};
    const size_t n = source->candidates(s, &q, 2 * FULL, item);
    assert_int_equal(n, LATE - DROPPED);
    for (size_t i = 0; i < n; i++)
        assert_in_range(item[i], DROPPED + 1, LATE);
    source->destroy(s);
}

static void test_covisitation__skipped_and_unknown_items_are_no_candidates(void **unused)
{
    (void)unused;
    struct evidence_options o = {0};
    void *s = source->create(&o);
    uint32_t path[4] = {1, 2, 3, 70}, item[8];
    walk(s, path, 4, 0, 1);
    uint64_t skip[2] = {1ULL << 2, 0};
    struct evidence_query q = {
        .recent = path, .n_recent = 1, .n_items = 70, .skip = skip};
    assert_int_equal(source->candidates(s, &q, 8, item),
                     1); /* not 2, and 70 is too new */
    assert_int_equal(item[0], 3);
    q.n_recent = 0;
    assert_int_equal(source->candidates(s, &q, 8, item), 0);
    uint32_t stranger = 5000000;
    q.recent = &stranger;
    q.n_recent = 1;
    assert_int_equal(source->candidates(s, &q, 8, item), 0);
    source->destroy(s);
}

/* ---- real reviews ---- */

struct log_of_users {
    uint32_t *item; /* (n) user by user */
    size_t *start;  /* (users + 1) */
    size_t n, users;
};

/* user_id,item_id,..; a user's lines stand together and in order. */
static bool read_log(struct log_of_users *l, const char *path)
{
    enum { MOST = 300000 };
    char line[256], user[64] = "";
    FILE *f = fopen(path, "r");
    if (!f || !fgets(line, sizeof line, f))
        return false;
    *l = (struct log_of_users){.item = calloc(MOST, sizeof *l->item),
                               .start = calloc(MOST, sizeof *l->start)};
    while (l->n < MOST && fgets(line, sizeof line, f)) {
        const size_t len = strcspn(line, ",");
        assert_in_range(len, 1, sizeof user - 1);
        line[len] = '\0';
        if (strcmp(line, user) != 0)
            l->start[l->users++] = l->n;
        memcpy(user, line, len + 1);
        l->item[l->n++] = (uint32_t)strtoul(line + len + 1, NULL, 10);
    }
    l->start[l->users] = l->n;
    fclose(f);
    return true;
}

/* Predicts the last but one event of every user from those before it, what the user had
   before left out; the share of hits among the first ten. */
static double hit_rate(void *state, const struct log_of_users *l)
{
    enum { ITEMS = 1 << 16 };
    static uint64_t skip[ITEMS / 64];
    size_t cases = 0, hits = 0;
    for (size_t u = 0; u < l->users; u++) {
        const size_t first = l->start[u], end = l->start[u + 1];
        if (end - first < 3)
            continue;
        const uint32_t *item = l->item + first, n = (uint32_t)(end - first - 2);
        for (uint32_t i = 0; i < n; i++)
            skip[item[i] / 64] |= 1ULL << (item[i] % 64);
        struct evidence_query q = {
            .recent = item, .n_recent = n, .n_items = ITEMS, .skip = skip};
        uint32_t best[10];
        const size_t got = source->candidates(state, &q, 10, best);
        for (size_t i = 0; i < got; i++)
            hits += best[i] == item[n];
        cases++;
        memset(skip, 0, sizeof skip);
    }
    return (double)hits / (double)cases;
}

/* Plain counting of what was reviewed together reaches about 0.08 here. */
static void test_covisitation__foresees_real_reviews(void **unused)
{
    (void)unused;
    const char *data = getenv("PENCHANT_DATA");
    char path[512];
    struct log_of_users l;
    snprintf(path, sizeof path, "%s/beauty/events.csv", data ? data : "../shared/data");
    if (!read_log(&l, path)) {
        printf("SKIP test_covisitation__foresees_real_reviews: there is no %s\n", path);
        return;
    }
    struct evidence_options o = {0};
    void *s = source->create(&o);
    for (size_t u = 0; u < l.users; u++) {
        const size_t n = l.start[u + 1] - l.start[u];
        if (n >= 3)
            walk(s, l.item + l.start[u], (uint32_t)n - 2, 0, 1);
    }
    assert_true(hit_rate(s, &l) > 0.095);
    source->destroy(s);
    free(l.item);
    free(l.start);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_covisitation__finds_the_planted_neighbours),
        cmocka_unit_test(test_covisitation__near_and_forward_count_more),
        cmocka_unit_test(test_covisitation__newest_items_of_a_query_count_more),
        cmocka_unit_test(test_covisitation__what_was_hated_leads_nowhere),
        cmocka_unit_test(test_covisitation__a_repeat_is_a_pair_too),
        cmocka_unit_test(test_covisitation__a_purchase_counts_more),
        cmocka_unit_test(test_covisitation__what_is_old_fades),
        cmocka_unit_test(test_covisitation__what_is_old_fades_without_a_clock_too),
        cmocka_unit_test(test_covisitation__decay_survives_centuries_and_wrong_clocks),
        cmocka_unit_test(test_covisitation__what_is_ancient_is_forgotten),
        cmocka_unit_test(test_covisitation__replay_gives_the_same_bits),
        cmocka_unit_test(test_covisitation__memory_is_bounded_and_the_strong_stay),
        cmocka_unit_test(test_covisitation__a_full_row_keeps_the_heaviest),
        cmocka_unit_test(test_covisitation__skipped_and_unknown_items_are_no_candidates),
        cmocka_unit_test(test_covisitation__foresees_real_reviews),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
