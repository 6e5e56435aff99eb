/* SPDX-License-Identifier: Apache-2.0 */
/* Repeats against a direct count over all trials of a log; what a shop's habits do. */
#include "evidence_fixture.h"

#include "behaviour/event.h"
#include "evidence/repeat.h"

static const struct evidence_source *const source = &evidence_repeat;

/* ---- directly from the log ---- */

enum { LEVELS = 5, ITEMS = 64 };

/* One item of a user's past at one moment. */
struct trial {
    int feature[LEVELS + 1]; /* rank, times, then what each further level adds */
    uint32_t item;
    bool hit;
    double hazard; /* before it was counted */
};

struct plain {
    struct trial *trial;
    uint32_t n;
    double gap_sum[ITEMS], all_gaps; /* log2 of seconds between purchases, by item */
    uint32_t gaps[ITEMS], n_gaps;
    bool clock;
};

static int class_of(uint32_t value, const uint32_t *last, int n)
{
    int c = 0;
    while (c < n && value > last[c])
        c++;
    return c;
}

static double seconds(int64_t us)
{
    return log2(1.0 + (us > 0 ? (double)us / 1e6 : 0.0));
}

/* The distinct items of the past, newest first, and how often each was had. */
static uint32_t distinct(const struct fixture_past *p, uint32_t *item, uint32_t *times,
                         uint32_t *newest, uint32_t *events)
{
    uint32_t n = 0;
    *events = 0;
    for (uint32_t i = p->n; i-- > 0 && p->n - i <= REPEAT_EVENTS;) {
        uint32_t j = 0;
        while (j < n && item[j] != p->item[i])
            j++;
        if (j == n && n == REPEAT_ITEMS)
            continue;
        if (j == n) {
            item[n] = p->item[i];
            times[n] = 0;
            newest[n++] = i;
        }
        times[j]++;
        (*events)++;
    }
    return n;
}

static int ratio(const struct plain *x, uint32_t item, uint32_t type, double since)
{
    if (!x->clock || type != EVENT_PURCHASE || x->n_gaps == 0)
        return 0;
    const double all = x->all_gaps / x->n_gaps, prior = (double)REPEAT_GAPS;
    const double gap = (x->gap_sum[item] + prior * all) / (x->gaps[item] + prior);
    const double half_octave = floor(2 * (since - gap) + 0.5) + 4;
    return 1 + (int)(half_octave < 0 ? 0 : half_octave > 6 ? 6 : half_octave);
}

/* The trials that a moment brings; returns how many. */
static uint32_t trials_of(const struct plain *x, const struct fixture_past *p,
                          int64_t now_us, struct trial *out)
{
    static const uint32_t ranks[] = {0, 1, 2, 3, 5, 8, 13, 20, 31};
    uint32_t item[REPEAT_ITEMS], times[REPEAT_ITEMS], newest[REPEAT_ITEMS], events;
    const uint32_t n = distinct(p, item, times, newest, &events);
    const uint32_t again = events - n;
    int habit = events < 2 ? 0 : events < 4 ? 1 : 2;
    if (again > 0)
        habit = (times[0] > 1 ? 6 : 0) + (8 * again < 2 * events   ? 3
                                          : 8 * again < 4 * events ? 4
                                                                   : 5);
    for (uint32_t r = 0; r < n; r++) {
        const uint32_t type = p->type[newest[r]];
        const double since = x->clock ? seconds(now_us - p->us[newest[r]]) : 0;
        out[r] = (struct trial){.item = item[r]};
        out[r].feature[0] = class_of(r, ranks, 9);
        out[r].feature[1] = times[r] > 4 ? 3 : times[r] > 2 ? 2 : (int)times[r] - 1;
        out[r].feature[2] = habit;
        out[r].feature[3] = type == EVENT_PURCHASE                     ? 1
                            : type == EVENT_CART || type == EVENT_WISH ? 2
                            : type == EVENT_REVIEW                     ? 3
                                                                       : 0;
        out[r].feature[4] = since > 23 ? 23 : (int)since;
        out[r].feature[5] = ratio(x, item[r], type, since);
    }
    return n;
}

static double hazard(const struct plain *x, const struct trial *t)
{
    double h = REPEAT_RARELY;
    for (int level = 0; level < LEVELS; level++) {
        double trials = 0, hits = 0;
        for (uint32_t i = 0; i < x->n; i++)
            if (memcmp(x->trial[i].feature, t->feature,
                       (size_t)(level + 2) * sizeof *t->feature) == 0) {
                trials++;
                hits += x->trial[i].hit;
            }
        h = (hits + REPEAT_LEVEL) / (trials + REPEAT_LEVEL / h);
    }
    return h;
}

static double propensity(const struct plain *x, uint32_t item)
{
    double hits = (double)REPEAT_OWN, expected = (double)REPEAT_OWN;
    for (uint32_t i = 0; i < x->n; i++)
        if (x->trial[i].item == item) {
            hits += x->trial[i].hit;
            expected += x->trial[i].hazard;
        }
    return hits / expected;
}

static void plain_observe(struct plain *x, const struct fixture_log *l, uint32_t at)
{
    struct fixture_past p;
    fixture_past_of(&p, l, l->user[at], at);
    struct trial *now = &x->trial[x->n];
    const uint32_t n = trials_of(x, &p, l->ts_us[at], now);
    for (uint32_t r = 0; r < n;
         r++) { /* the user's items are different buckets' trials */
        now[r].hit = now[r].item == l->item[at];
        now[r].hazard = hazard(x, &now[r]);
        x->n++;
    }
    if (!l->clock || l->type[at] != EVENT_PURCHASE)
        return;
    for (uint32_t i = p.n; i-- > 0;) /* the newest purchase of it */
        if (p.item[i] == l->item[at] && p.type[i] == EVENT_PURCHASE) {
            if (l->ts_us[at] - p.us[i] < EVENT_SESSION_GAP_US)
                return;
            const double gap = seconds(l->ts_us[at] - p.us[i]);
            x->gap_sum[l->item[at]] += gap;
            x->gaps[l->item[at]]++;
            x->all_gaps += gap;
            x->n_gaps++;
            return;
        }
}

static void plain_scores(const struct plain *x, const struct fixture_log *l,
                         uint32_t user, int64_t now_us, float *out)
{
    struct fixture_past p;
    struct trial t[REPEAT_ITEMS];
    double chance[REPEAT_ITEMS], sum = 0;
    fixture_past_of(&p, l, user, l->n);
    const uint32_t n = trials_of(x, &p, now_us, t);
    for (uint32_t r = 0; r < n; r++)
        sum += chance[r] = hazard(x, &t[r]) * propensity(x, t[r].item);
    const double scale = sum > (double)REPEAT_MOST ? (double)REPEAT_MOST / sum : 1;
    for (uint32_t i = 0; i < l->items; i++)
        out[i] = 0;
    for (uint32_t r = 0; r < n; r++)
        out[t[r].item] =
            (float)log(scale * chance[r] * (l->items - n) / (1 - scale * sum));
}

static void compare(const struct fixture_log *l)
{
    struct evidence_options o = {.has_clock = l->clock};
    struct plain x = {.clock = l->clock};
    void *s = source->create(&o);
    x.trial = calloc((l->n + 1) * REPEAT_ITEMS, sizeof *x.trial);
    fixture_observe(source, s, l, 0, l->n);
    for (uint32_t i = 0; i < l->n; i++)
        plain_observe(&x, l, i);
    for (uint32_t u = 0; u <= l->users; u++) {
        float fast[ITEMS], direct[ITEMS];
        struct fixture_past p;
        fixture_past_of(&p, l, u, l->n);
        const int64_t now = l->ts_us[l->n - 1] + u * FIXTURE_DAY;
        const struct evidence_query q = fixture_query(l, u, now, &p);
        fixture_scores(source, s, &q, fast);
        plain_scores(&x, l, u, now, direct);
        for (uint32_t i = 0; i < ITEMS; i++)
            assert_float_equal(fast[i], direct[i], 1e-3);
    }
    free(x.trial);
    source->destroy(s);
}

static void test_repeat__agrees_with_a_direct_count(void **unused)
{
    (void)unused;
    enum { EVENTS = 700 };
    for (int clock = 0; clock < 2; clock++) {
        struct fixture_log l;
        fixture_wander(&l, EVENTS, 12, ITEMS, clock, 31 + (uint64_t)clock);
        for (uint32_t i = 0; i < EVENTS; i++) {
            l.ts_us[i] *= clock ? 7 : 1; /* days between purchases, not minutes */
            l.type[i] = i % 7 == 0 ? EVENT_CART : i % 11 == 0 ? EVENT_REVIEW : l.type[i];
            if (i % 5 != 4)
                continue;
            l.user[i] = l.user[i - 1]; /* one more of it, in the same basket */
            l.item[i] = l.item[i - 1];
            l.type[i] = l.type[i - 1];
            l.ts_us[i] = l.ts_us[i - 1] + 1;
        }
        compare(&l);
        fixture_log_release(&l);
    }
}

/* A past with more items, and more events, than are looked at. */
static void test_repeat__agrees_for_a_long_past(void **unused)
{
    (void)unused;
    struct fixture_log l;
    struct rng r;
    rng_init(&r, 12, 0);
    fixture_log_init(&l, 200, 1, ITEMS, false);
    for (uint32_t i = 0; i < 200; i++)
        fixture_log_add(&l, 0, rng_below(&r, i < 120 ? ITEMS : 40), EVENT_VIEW, i);
    compare(&l);
    fixture_log_release(&l);
}

/* ---- habits ---- */

/* As many as the past has: the items whose score is not the 0 of all others. */
static uint32_t not_others(const float *score, uint32_t n)
{
    uint32_t past = 0;
    for (uint32_t i = 0; i < n; i++)
        past += score[i] < 0 || score[i] > 0;
    return past;
}

/* In proportion to probabilities; when the catalogue grows those of the past stay. */
static void test_repeat__scores_are_log_odds_over_any_other_item(void **unused)
{
    (void)unused;
    enum { EVENTS = 4000, MANY = 300, MORE = 4 * MANY };
    struct evidence_options o = {.has_clock = true};
    struct fixture_log l;
    void *s = source->create(&o);
    float score[MANY], grown[MANY];
    uint32_t all[MANY], known = 0;
    for (uint32_t i = 0; i < MANY; i++)
        all[i] = i;
    fixture_wander(&l, EVENTS, 30, MANY, true, 4);
    fixture_observe(source, s, &l, 0, EVENTS);
    for (uint32_t u = 0; u <= l.users; u++) {
        struct fixture_past p;
        fixture_past_of(&p, &l, u, EVENTS);
        struct evidence_query q = fixture_query(&l, u, l.ts_us[EVENTS - 1], &p);
        fixture_scores(source, s, &q, score);
        q.n_items = MORE;
        source->score(s, &q, all, MANY, grown);
        const uint32_t past = not_others(score, MANY);
        known += past;
        assert_int_equal(not_others(grown, MANY), past);
        assert_true(past <= REPEAT_ITEMS);
        for (uint32_t i = 0; i < MANY; i++) {
            const float moved = logf((float)(MORE - past) / (float)(MANY - past));
            if (score[i] < 0 || score[i] > 0)
                assert_float_equal(grown[i], score[i] + moved, 1e-4);
        }
    }
    assert_true(known > l.users);
    fixture_log_release(&l);
    source->destroy(s);
}

/* A library where nobody reads a book twice and a grocery where everybody comes back. */
static void test_repeat__the_past_is_far_below_or_far_above(void **unused)
{
    (void)unused;
    enum { USERS = 40, EACH = 30, MANY = 200 };
    for (int grocery = 0; grocery < 2; grocery++) {
        struct evidence_options o = {0};
        struct fixture_log l;
        struct fixture_past p;
        float score[MANY];
        void *s = source->create(&o);
        fixture_log_init(&l, USERS * EACH, USERS, MANY, false);
        for (uint32_t i = 0; i < USERS * EACH; i++) {
            const uint32_t nth = grocery ? (uint32_t)(rng_mix(i) >> 62) : i / USERS;
            fixture_log_add(&l, i % USERS, (i % USERS * 5 + nth) % MANY, EVENT_PURCHASE,
                            i);
        }
        fixture_observe(source, s, &l, 0, l.n);
        fixture_past_of(&p, &l, 3, l.n);
        const struct evidence_query q = fixture_query(&l, 3, l.n, &p);
        fixture_scores(source, s, &q, score);
        const float had = score[3 * 5], other = score[3 * 5 + 60];
        assert_true(grocery ? had > other + 3 : had < other - 1);
        fixture_log_release(&l);
        source->destroy(s);
    }
}

/* Tea is bought every two weeks and coffee every four, by different people; all of them
   look at this and that in between. So the same past says another thing every week. */
static void test_repeat__what_is_due_comes_first(void **unused)
{
    (void)unused;
    enum { TEA = 1, COFFEE = 2, USERS = 80, WEEKS = 40 };
    struct evidence_options o = {.has_clock = true};
    struct fixture_log l;
    struct rng r;
    float coffee[5], tea[5], score[ITEMS];
    void *s = source->create(&o);
    rng_init(&r, 6, 0);
    fixture_log_init(&l, 5 * USERS * WEEKS, USERS, ITEMS, true);
    for (uint32_t w = 0; w < WEEKS; w++)
        for (uint32_t u = 0; u < USERS; u++) {
            const int64_t at = (10000 + 7 * w) * FIXTURE_DAY + u * FIXTURE_MINUTE;
            if ((w + u / 2) % (u % 2 ? 2 : 4) == 0)
                fixture_log_add(&l, u, u % 2 ? TEA : COFFEE, EVENT_PURCHASE, at);
            for (uint32_t i = rng_below(&r, 4); i-- > 0;)
                fixture_log_add(&l, u, 10 + rng_below(&r, 40), EVENT_VIEW, at + 1 + i);
        }
    fixture_observe(source, s, &l, 0, l.n);
    for (uint32_t week = 1; week < 5; week++) /* since both were bought in week 35 */
        for (uint32_t u = 2; u < 4; u++) {
            const int64_t now = (10000 + 7 * (35 + week)) * FIXTURE_DAY;
            uint32_t at = 0;
            while (l.ts_us[at] < now)
                at++;
            struct fixture_past p;
            fixture_past_of(&p, &l, u, at);
            const struct evidence_query q = fixture_query(&l, u, now, &p);
            fixture_scores(source, s, &q, score);
            *(u == 3 ? &tea[week] : &coffee[week]) = score[u == 3 ? TEA : COFFEE];
        }
    assert_true(tea[2] > tea[1] + 1);
    for (int week = 1; week < 4; week++)
        assert_true(coffee[4] > coffee[week] + 1);
    assert_true(tea[2] > coffee[2] + 1); /* after the same time, another item */
    fixture_log_release(&l);
    source->destroy(s);
}

/* Everybody comes back to item 7 and to nothing else. */
static void test_repeat__items_have_a_propensity_of_their_own(void **unused)
{
    (void)unused;
    enum { MANY = 100, USERS = 200 };
    struct evidence_options o = {0};
    struct fixture_log l;
    struct fixture_past p;
    float score[MANY];
    void *s = source->create(&o);
    fixture_log_init(&l, 4 * USERS + 2, USERS + 1, MANY, false);
    for (uint32_t u = 0; u < USERS; u++) {
        const bool seven = u % 2;
        fixture_log_add(&l, u, seven ? 7 : 20 + u % 30, EVENT_VIEW, 0);
        fixture_log_add(&l, u, 60 + u % 40, EVENT_VIEW, 1);
        fixture_log_add(&l, u, seven ? 7 : 50 + u % 10, EVENT_VIEW, 2);
    }
    fixture_log_add(&l, USERS, 7, EVENT_VIEW, 0);
    fixture_log_add(&l, USERS, 30, EVENT_VIEW, 1);
    fixture_observe(source, s, &l, 0, l.n);
    fixture_past_of(&p, &l, USERS, l.n);
    const struct evidence_query q = fixture_query(&l, USERS, 2, &p);
    fixture_scores(source, s, &q, score);
    assert_true(score[7] > score[30] + 0.5F);
    fixture_log_release(&l);
    source->destroy(s);
}

/* ---- bounds ---- */

static void test_repeat__candidates_are_the_past_and_the_best_of_it(void **unused)
{
    (void)unused;
    struct fixture_log l;
    struct fixture_past p;
    struct evidence_options o = {.has_clock = true};
    void *s = source->create(&o);
    fixture_wander(&l, 6000, 20, 150, true, 2);
    fixture_observe(source, s, &l, 0, l.n);
    for (uint32_t u = 0; u < 5; u++) {
        uint32_t item[150];
        fixture_past_of(&p, &l, u, l.n);
        struct evidence_query q = fixture_query(&l, u, l.ts_us[l.n - 1], &p);
        fixture_candidates_are_best(source, s, &q, u);
        const size_t n = source->candidates(s, &q, 150, item);
        assert_in_range(n, 10, REPEAT_ITEMS);
        for (size_t i = 0; i < n; i++) {
            uint32_t j = 0;
            while (j < p.n && p.item[j] != item[i])
                j++;
            assert_true(j < p.n);
        }
        q.n_items = 1; /* all of them are too new */
        assert_in_range(source->candidates(s, &q, 150, item), 0, 1);
        q.n_recent = 0;
        assert_int_equal(source->candidates(s, &q, 150, item), 0);
    }
    fixture_log_release(&l);
    source->destroy(s);
}

static void test_repeat__memory_is_bounded(void **unused)
{
    (void)unused;
    enum { MANY = 5000 };
    struct evidence_options o = {.has_clock = true};
    void *s = source->create(&o);
    struct fixture_log l;
    const size_t empty = repeat_bytes(s);
    fixture_wander(&l, 20000, 500, MANY, true, 2);
    fixture_observe(source, s, &l, 0, l.n);
    assert_in_range(repeat_bytes(s), empty + MANY * 16, empty + 2 * 8192 * 16);
    assert_true(empty < (size_t)4 << 20);
    fixture_log_release(&l);
    source->destroy(s);
}

static void test_repeat__types_may_be_unknown(void **unused)
{
    (void)unused;
    struct evidence_options o = {.has_clock = true};
    void *s = source->create(&o);
    const uint32_t recent = 3;
    const int64_t us = 5;
    const struct evidence_event e = {.item = 3,
                                     .type = EVENT_PURCHASE,
                                     .ts_us = 9,
                                     .recent = &recent,
                                     .recent_us = &us,
                                     .n_recent = 1};
    const struct evidence_query q = {
        .recent = &recent, .recent_us = &us, .n_recent = 1, .now_us = 12, .n_items = 9};
    float before, after;
    source->score(s, &q, &recent, 1, &before);
    for (int i = 0; i < 20; i++)
        assert_int_equal(source->observe(s, &e), 0);
    source->score(s, &q, &recent, 1, &after);
    assert_true(after > before + 2);
    source->destroy(s);
}

static void test_repeat__replay_gives_the_same_bits(void **unused)
{
    (void)unused;
    fixture_replays(source, false);
    fixture_replays(source, true);
}

static void test_repeat__several_threads_may_ask(void **unused)
{
    (void)unused;
    fixture_threads(source);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repeat__agrees_with_a_direct_count),
        cmocka_unit_test(test_repeat__agrees_for_a_long_past),
        cmocka_unit_test(test_repeat__scores_are_log_odds_over_any_other_item),
        cmocka_unit_test(test_repeat__the_past_is_far_below_or_far_above),
        cmocka_unit_test(test_repeat__what_is_due_comes_first),
        cmocka_unit_test(test_repeat__items_have_a_propensity_of_their_own),
        cmocka_unit_test(test_repeat__candidates_are_the_past_and_the_best_of_it),
        cmocka_unit_test(test_repeat__memory_is_bounded),
        cmocka_unit_test(test_repeat__types_may_be_unknown),
        cmocka_unit_test(test_repeat__replay_gives_the_same_bits),
        cmocka_unit_test(test_repeat__several_threads_may_ask),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
