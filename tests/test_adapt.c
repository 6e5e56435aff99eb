/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What feedback teaches at once: the rates of what was taken, what the joiner tells and in
 * which order, the layers behind a shop's lists, that replaying the log gives the same
 * lists, and that it pays in a closed loop when interests move.
 */
#include <math.h>
#include <string.h>

#include "engine/adapt.h"
#include "engine/adapt_rates.h"
#include "engine/feedback.h"
#include "lab/adapt_trial.h"
#include "shop_fixture.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define T0     INT64_C(1700000000000000)

/* ---- rates ---- */

static void test_adapt__lifts_are_0_until_something_was_shown(void **state)
{
    (void)state;
    struct adapt_rates r;
    struct adapt_lifts l;
    const struct adapt_shown s = {.user = 3, .item = 5, .kind = 2, .kind_hash = 77};
    assert_int_equal(adapt_rates_init(&r), 0);
    adapt_rates_lifts(&r, &s, &l);
    const struct adapt_lifts none = {0};
    assert_memory_equal(&l, &none, sizeof l);
    assert_int_equal(adapt_rates_show(&r, &s, .25), 0);
    adapt_rates_lifts(&r, &s, &l);
    assert_true(fabs((double)l.item - log(1 / 1.25)) < 1e-6);
    assert_true(fabs((double)l.kind - log(2 / 2.25)) < 1e-6);
    assert_true(fabs((double)l.user_item - log(.3 / .55)) < 1e-6);
    assert_true(fabs((double)l.user_kind_shown - log1p(2.5)) < 1e-6);
    assert_int_equal(adapt_rates_take(&r, &s), 0);
    adapt_rates_lifts(&r, &s, &l);
    assert_true(fabs((double)l.user_kind - log(1.3 / .55)) < 1e-6);
    const struct adapt_shown other = {.user = 4, .item = 6, .kind = 2, .kind_hash = 77};
    adapt_rates_lifts(&r, &other, &l);
    assert_true(l.kind > 0 && l.item == 0 && l.user_item == 0 && l.user_kind == 0);
    adapt_rates_erase_user(&r, 3);
    adapt_rates_lifts(&r, &s, &l);
    assert_true(l.user_item == 0 && l.user_kind == 0 && l.item > 0);
    adapt_rates_release(&r);
}

static void test_adapt__rates_forget(void **state)
{
    (void)state;
    struct adapt_rates r;
    struct adapt_lifts l;
    const struct adapt_shown s = {.user = 3, .item = 5, .kind = 2, .kind_hash = 77};
    assert_int_equal(adapt_rates_init(&r), 0);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(adapt_rates_show(&r, &s, .2), 0);
        assert_int_equal(adapt_rates_take(&r, &s), 0);
    }
    adapt_rates_lifts(&r, &s, &l);
    assert_true(l.user_item > 1 && l.item > 1);
    for (int i = 0; i < 60; i++)
        assert_int_equal(adapt_rates_show(&r, &s, .2), 0);
    adapt_rates_lifts(&r, &s, &l);
    assert_true(l.user_item < -1); /* 60 showings are a long time for one user's item.. */
    assert_true(l.item > -.5F);    /* ..and not for an item of everybody */
    adapt_rates_release(&r);
}

static void test_adapt__pairs_are_bounded_and_the_newest_stay(void **state)
{
    (void)state;
    struct adapt_rates r;
    struct adapt_lifts l;
    assert_int_equal(adapt_rates_init(&r), 0);
    struct adapt_shown s = {.kind = NAMES_NONE};
    for (s.user = 0; s.user < 3 * ADAPT_PAIRS; s.user++)
        assert_int_equal(adapt_rates_show(&r, &s, 1), 0);
    uint32_t there = 0;
    for (s.user = 0; s.user < 3 * ADAPT_PAIRS; s.user++) {
        adapt_rates_lifts(&r, &s, &l);
        there += l.user_item != 0;
    }
    assert_in_range(there, ADAPT_PAIRS * .99, ADAPT_PAIRS);
    s.user--;
    adapt_rates_lifts(&r, &s, &l);
    assert_true(l.user_item < 0);
    adapt_rates_release(&r);
}

/* ---- what the joiner tells ---- */

struct told {
    struct feedback *f;
    struct feedback_told all[64];
    size_t n;
    uint64_t seq, slates;
};

static int take_told(void *cookie, const struct feedback_told *t)
{
    struct told *x = cookie;
    if (x->n < 64)
        x->all[x->n] = *t;
    x->n++;
    return 0;
}

static struct told *told_new(void)
{
    struct told *x = calloc(1, sizeof *x);
    struct rewards rewards;
    rewards_default(&rewards);
    x->f = feedback_new(&rewards, 64, 256);
    feedback_watch(x->f, take_told, x);
    return x;
}

static void told_free(struct told *x)
{
    feedback_free(x->f);
    free(x);
}

static void show(struct told *x, const char *id, uint32_t user, int64_t ts)
{
    const uint32_t items[] = {10, 11, 12};
    const struct store_slate s = {.seq = ++x->slates,
                                  .id = id,
                                  .after_event = x->seq,
                                  .ts_us = ts,
                                  .user = user,
                                  .n = 3,
                                  .items = items};
    assert_int_equal(feedback_slate(x->f, &s), 0);
}

static void happen(struct told *x, uint32_t user, uint32_t type, const char *name,
                   uint32_t item, int64_t ts)
{
    const struct event e = {.seq = ++x->seq,
                            .ts_us = ts,
                            .user = user,
                            .item = item,
                            .type = type,
                            .value = NAN,
                            .quantity = NAN};
    assert_int_equal(feedback_event(x->f, &e, name), 0);
}

static void is(const struct told *x, size_t i, enum feedback_what what, uint64_t slate,
               uint32_t position)
{
    assert_true(i < x->n);
    assert_int_equal(x->all[i].what, what);
    assert_int_equal(x->all[i].slate, slate);
    assert_int_equal(x->all[i].position, position);
    assert_int_equal(x->all[i].item, 10 + position);
}

static void test_adapt__a_click_settles_its_list_and_a_purchase_comes_later(void **state)
{
    (void)state;
    struct told *x = told_new();
    show(x, "a", 1, T0);
    happen(x, 1, EVENT_VIEW, "view", 11, T0 + SECOND);
    assert_int_equal(x->n, 3);
    is(x, 0, FEEDBACK_TOLD_TAKEN, 1, 1);
    is(x, 1, FEEDBACK_TOLD_IGNORED, 1, 0);
    is(x, 2, FEEDBACK_TOLD_IGNORED, 1, 2);
    assert_true(x->all[0].seen == 1 && x->all[1].seen == 1);
    assert_true(fabs(x->all[2].seen - pow(3, -.6)) < 1e-9);
    happen(x, 1, EVENT_VIEW, "view", 11, T0 + 2 * SECOND);
    happen(x, 1, EVENT_CART, "cart", 11, T0 + 3 * SECOND);
    assert_int_equal(x->n, 3); /* a place is taken once */
    happen(x, 1, EVENT_PURCHASE, "purchase", 11, T0 + MINUTE);
    assert_int_equal(x->n, 4);
    is(x, 3, FEEDBACK_TOLD_BOUGHT, 1, 1);
    happen(x, 1, EVENT_PURCHASE, "purchase", 12, T0 + 2 * MINUTE); /* was ignored */
    assert_int_equal(x->n, 6);
    is(x, 4, FEEDBACK_TOLD_TAKEN, 1, 2);
    is(x, 5, FEEDBACK_TOLD_BOUGHT, 1, 2);
    told_free(x);
}

static void test_adapt__what_is_passed_over_is_told_once(void **state)
{
    (void)state;
    struct told *x = told_new();
    show(x, "a", 1, T0);
    show(x, "b", 1, T0 + SECOND);
    happen(x, 2, EVENT_VIEW, "view", 40, T0 + 2 * SECOND);
    assert_int_equal(x->n, 0); /* somebody else's */
    happen(x, 1, EVENT_SEARCH, "search", NAMES_NONE, T0 + 3 * SECOND);
    assert_int_equal(x->n, 6);
    is(x, 0, FEEDBACK_TOLD_IGNORED, 2, 0); /* the newest list first */
    is(x, 3, FEEDBACK_TOLD_IGNORED, 1, 0);
    happen(x, 1, EVENT_VIEW, "view", 40, T0 + 4 * SECOND);
    assert_int_equal(x->n, 6);
    told_free(x);
}

static void test_adapt__nothing_but_a_passed_window_settles_a_stranger(void **state)
{
    (void)state;
    struct told *x = told_new();
    show(x, "a", NAMES_NONE, T0);
    happen(x, 2, EVENT_VIEW, "view", 40, T0 + 29 * MINUTE);
    assert_int_equal(x->n, 0);
    happen(x, 2, EVENT_VIEW, "view", 40, T0 + 30 * MINUTE);
    assert_int_equal(x->n, 3);
    told_free(x);
}

static void test_adapt__what_was_not_seen_teaches_nothing(void **state)
{
    (void)state;
    struct told *x = told_new();
    show(x, "a", 1, T0);
    happen(x, 1, EVENT_IMPRESSION, "impression", 10, T0 + SECOND);
    assert_int_equal(x->n, 0);
    happen(x, 1, EVENT_VIEW, "view", 40, T0 + 2 * SECOND);
    assert_int_equal(x->n, 1);
    is(x, 0, FEEDBACK_TOLD_IGNORED, 1, 0);
    assert_true(x->all[0].seen == 1);
    happen(x, 1, EVENT_DISLIKE, "dislike", 12, T0 + 3 * SECOND);
    assert_int_equal(x->n, 2);
    is(x, 1, FEEDBACK_TOLD_REFUSED, 1, 2);
    told_free(x);
}

/* ---- the layers ---- */

/* Two items, both in view; the phi of taken ones has a feature that the others lack. */
static void test_adapt__the_layer_learns_and_forgets_what_is_too_old(void **state)
{
    (void)state;
    struct catalog c;
    struct rewards rewards;
    catalog_init(&c);
    rewards_default(&rewards);
    const uint32_t items[] = {catalog_intern(&c, "a"), catalog_intern(&c, "b")};
    struct adapt *a = adapt_new(&rewards, &c);
    float phi[2 * ADAPT_DIM] = {0};
    phi[ADAPT_ONE] = phi[ADAPT_DIM + ADAPT_ONE] = 4;
    phi[ADAPT_NOVELTY] = 1;
    const float score[] = {0, 0}, novelty[] = {1, 0};
    const float parts[2 * EVIDENCE_SOURCES] = {0};
    const struct adapt_candidates both = {.item = items,
                                          .n = 2,
                                          .score = score,
                                          .parts = parts,
                                          .novelty = novelty,
                                          .log_sum = log(2)};
    struct adapt_view v = {
        .adapt = a, .correct = true, .user = NAMES_NONE, .log_price = NAN};
    assert_int_equal(adapt_view_fill(&v, &both), 0);
    assert_true(v.correction[0] == 0 && v.correction[1] == 0);
    struct store_slate s = {.n = 2, .items = items, .features = phi};
    for (uint64_t n = 1; n <= 50; n++) {
        s.seq = n;
        s.n_features = 2 * ADAPT_DIM;
        assert_int_equal(adapt_slate(a, &s), 0);
        struct feedback_told t = {.slate = n,
                                  .user = NAMES_NONE,
                                  .item = items[0],
                                  .what = FEEDBACK_TOLD_TAKEN,
                                  .seen = 1};
        assert_int_equal(adapt_told(a, &t), 0);
        t.position = 1;
        t.item = items[1];
        t.what = FEEDBACK_TOLD_IGNORED;
        assert_int_equal(adapt_told(a, &t), 0);
    }
    assert_int_equal(adapt_settled(a), 100);
    assert_int_equal(adapt_view_fill(&v, &both), 0);
    assert_true(v.correction[0] > .5F && v.correction[0] <= ADAPT_MOST);
    assert_true(v.correction[1] < v.correction[0] - .5F);
    double unsure[2];
    const struct topk_hit hit[] = {{.row = items[0]}, {.row = items[1]}};
    adapt_view_unsure(&v, hit, 2, unsure);
    assert_true(unsure[0] > 0 && unsure[0] < 2 && unsure[1] > 0);
    /* Of other widths, of places that are not kept, of lists too old: nothing. */
    struct feedback_told t = {.slate = 51, .user = 0, .item = items[0], .seen = 1};
    s.seq = 51;
    s.n_features = 2 * ADAPT_DIM - 1;
    assert_int_equal(adapt_slate(a, &s), 0);
    assert_int_equal(adapt_told(a, &t), 0);
    t.slate = 50;
    t.position = 2;
    assert_int_equal(adapt_told(a, &t), 0);
    s.seq = 50 + ADAPT_LISTS;
    s.n_features = 2 * ADAPT_DIM;
    assert_int_equal(adapt_slate(a, &s), 0);
    t.position = 0;
    assert_int_equal(adapt_told(a, &t), 0);
    assert_int_equal(adapt_settled(a), 100);
    adapt_view_release(&v);
    adapt_free(a);
    catalog_release(&c);
}

/* ---- a shop ---- */

/* Opens the fixture's shop anew, with that line in its configuration. */
static void configure(struct shop *s, const char *line)
{
    char path[128];
    penchant_close(&s->p);
    snprintf(path, sizeof path, "%s/penchant.conf", s->dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(f, "[learning]\n%s\n", line);
    assert_int_equal(fclose(f), 0);
    s->p = open_shop(s, false);
}

static struct penchant_list *list_of(const struct shop *s, const char *user, bool adapt,
                                     double explore)
{
    struct penchant_request r;
    struct penchant_list *list;
    penchant_request_default(&r);
    r.user_id = user;
    r.k = 8;
    r.adapt = adapt;
    r.explore = explore;
    r.temperature = 1;
    r.kappa = 1;
    r.seed = 5;
    ok(penchant_recommend(s->p, &r, &list, &err));
    return list;
}

static void add(const struct shop *s, const char *user, const char *item,
                const char *event, const char *id)
{
    struct penchant_event e;
    penchant_event_default(&e);
    e.user_id = user;
    e.item_id = item;
    e.event = event;
    e.recommendation_id = id;
    ok(penchant_add_events(s->p, &e, 1, NULL, &err));
}

static void fill(const struct shop *s)
{
    static const char *const kind[] = {"red", "blue", "green"};
    for (int i = 0; i < 30; i++) {
        char id[16], user[16];
        struct penchant_item item;
        snprintf(id, sizeof id, "i%d", i);
        snprintf(user, sizeof user, "u%d", i % 6);
        penchant_item_default(&item);
        item.item_id = id;
        item.category = kind[i % 3];
        item.price = 5 + i;
        ok(penchant_put_item(s->p, &item, NULL, &err));
        add(s, user, id, "view", NULL);
        add(s, user, "i3", "view", NULL);
    }
}

/* So many lists; of each the one that stands third is taken, and sometimes bought. */
static void play(const struct shop *s, int lists)
{
    for (int n = 0; n < lists; n++) {
        char user[16];
        snprintf(user, sizeof user, "u%d", n % 6);
        struct penchant_list *list = list_of(s, user, true, n % 2);
        assert_true(list->n == 8);
        add(s, user, list->items[2].item_id, "view", list->recommendation_id);
        if (n % 5 == 0)
            add(s, user, list->items[2].item_id, "purchase", list->recommendation_id);
        penchant_list_free(list);
    }
}

static void same_lists(const struct penchant_list *a, const struct penchant_list *b)
{
    assert_int_equal(a->n, b->n);
    for (size_t i = 0; i < a->n; i++) {
        assert_string_equal(a->items[i].item_id, b->items[i].item_id);
        assert_true(a->items[i].score == b->items[i].score);
        assert_true(a->items[i].propensity == b->items[i].propensity);
    }
}

static void test_adapt__a_replayed_log_gives_the_same_bits(void **state)
{
    struct shop *s = *state;
    struct penchant_adaptation before, after;
    configure(s, "adapt = on");
    fill(s);
    play(s, 120);
    for (int round = 0; round < 2; round++) {
        struct penchant_list *a = list_of(s, "u2", true, 0);
        struct penchant_list *drawn = list_of(s, "u3", true, 1);
        struct penchant_list *plain = list_of(s, "u2", false, 0);
        ok(penchant_get_adaptation(s->p, &before, &err));
        assert_true(before.on && before.settled > 8 * 120);
        assert_true(before.share_fast > 0 && before.share_fast < 1);
        penchant_close(&s->p);
        s->p = open_shop(s, round == 1);
        struct penchant_list *b = list_of(s, "u2", true, 0);
        struct penchant_list *drawn_b = list_of(s, "u3", true, 1);
        ok(penchant_get_adaptation(s->p, &after, &err));
        assert_int_equal(after.settled, before.settled);
        assert_int_equal(after.changes, before.changes);
        assert_true(after.share_fast == before.share_fast);
        same_lists(b, a);
        same_lists(drawn_b, drawn);
        bool differs = false;
        for (size_t i = 0; i < a->n; i++)
            differs |= a->items[i].score != plain->items[i].score;
        assert_true(differs);
        penchant_list_free(a);
        penchant_list_free(b);
        penchant_list_free(drawn);
        penchant_list_free(drawn_b);
        penchant_list_free(plain);
    }
}

static void test_adapt__before_feedback_lists_are_as_without(void **state)
{
    struct shop *s = *state;
    fill(s);
    struct penchant_list *off = list_of(s, "u2", true, 0);
    struct penchant_adaptation none;
    ok(penchant_get_adaptation(s->p, &none, &err));
    assert_true(!none.on && isnan(none.share_fast) && none.settled == 0);
    configure(s, "adapt = on");
    struct penchant_list *on = list_of(s, "u2", true, 0);
    same_lists(on, off);
    penchant_list_free(off);
    penchant_list_free(on);
}

static void test_adapt__turned_on_late_it_learns_from_then_on(void **state)
{
    struct shop *s = *state;
    struct penchant_adaptation a;
    fill(s);
    play(s, 20);
    configure(s, "adapt = on");
    ok(penchant_get_adaptation(s->p, &a, &err));
    assert_int_equal(a.settled, 0); /* those lists were logged without features */
    play(s, 20);
    ok(penchant_get_adaptation(s->p, &a, &err));
    assert_true(a.settled >= 160);
    assert_true(a.to_layer.n > 0 && a.to_layer.seconds > 0);
}

/* ---- does it pay ---- */

/* Interests move: what has learned from feedback earns more than its frozen copy, by the
   paired differences of seeds, 90 % of Student's t. */
static void test_adapt__it_pays_when_interests_move(void **state)
{
    enum { SEEDS = 16 };
    static const double t90 = 1.753; /* 15 degrees of freedom */
    (void)state;
    double sum = 0, square = 0;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        const struct adapt_trial_options o = {
            .items = 400, .shoppers = 120, .days = 30, .visits = 600, .seed = seed};
        struct adapt_trial learning, frozen;
        ok(adapt_trial_run(&o, true, &learning, &err));
        ok(adapt_trial_run(&o, false, &frozen, &err));
        assert_true(learning.settled > 20000);
        const double d = learning.after - frozen.after;
        print_message("seed %d: reward per hundred impressions: learning %.3f, frozen "
                      "%.3f\n",
                      (int)seed, learning.after, frozen.after);
        sum += d;
        square += d * d;
    }
    const double mean = sum / SEEDS;
    const double error = sqrt((square / SEEDS - mean * mean) / (SEEDS - 1));
    print_message("learning - frozen: %.3f +- %.3f\n", mean, t90 * error);
    assert_true(mean - t90 * error > 0);
}

int main(void)
{
#define SHOP(name) cmocka_unit_test_setup_teardown(name, shop_set_up, shop_tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_adapt__lifts_are_0_until_something_was_shown),
        cmocka_unit_test(test_adapt__rates_forget),
        cmocka_unit_test(test_adapt__pairs_are_bounded_and_the_newest_stay),
        cmocka_unit_test(test_adapt__a_click_settles_its_list_and_a_purchase_comes_later),
        cmocka_unit_test(test_adapt__what_is_passed_over_is_told_once),
        cmocka_unit_test(test_adapt__nothing_but_a_passed_window_settles_a_stranger),
        cmocka_unit_test(test_adapt__what_was_not_seen_teaches_nothing),
        cmocka_unit_test(test_adapt__the_layer_learns_and_forgets_what_is_too_old),
        SHOP(test_adapt__a_replayed_log_gives_the_same_bits),
        SHOP(test_adapt__before_feedback_lists_are_as_without),
        SHOP(test_adapt__turned_on_late_it_learns_from_then_on),
        cmocka_unit_test(test_adapt__it_pays_when_interests_move),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
