/* SPDX-License-Identifier: Apache-2.0 */
/* What a shop's drawn lists say of other ways of drawing, against sums done here over the
   same lists as penchant_read_slates() tells them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "near.h"
#include "penchant.h"

static struct penchant_error err;

#define ok(call)                                                                         \
    do {                                                                                 \
        if ((call) != PENCHANT_OK)                                                       \
            fail_msg("%s: %s", #call, err.text);                                         \
    } while (0)

struct shop {
    struct penchant *p;
};

enum { ITEMS = 120, FEW = 40, USERS = 40, K = 4 };

static void act(struct penchant *p, const char *user, const char *item, const char *list)
{
    struct penchant_event e;
    penchant_event_default(&e);
    e.user_id = user;
    e.item_id = item;
    e.event = "view";
    e.recommendation_id = list;
    ok(penchant_add_events(p, &e, 1, NULL, &err));
}

static struct penchant_request request(const char *user)
{
    struct penchant_request r;
    penchant_request_default(&r);
    r.user_id = user;
    r.k = K;
    r.explore = 1;
    r.temperature = 1;
    r.kappa = 0.5;
    r.epsilon = 0.1;
    r.placement = "home";
    return r;
}

/* Items with larger numbers are clicked more, whatever the ranking thinks. */
static double liking(const char *item)
{
    return 0.1 + 0.5 * strtod(item + 1, NULL) / ITEMS;
}

static void shop_goes_on(struct penchant *p, unsigned items, unsigned lists)
{
    struct rng r;
    rng_init(&r, 5, 0);
    for (unsigned i = 0; i < items; i++) {
        char item[16];
        snprintf(item, sizeof(item), "i%u", i);
        for (unsigned n = 0; n < 1 + 60 / (i + 4); n++)
            act(p, "somebody", item, NULL);
    }
    for (unsigned u = 0; u < USERS; u++) { /* whom the shop does not know has no number */
        char user[16];
        snprintf(user, sizeof(user), "u%u", u);
        act(p, user, "i0", NULL);
    }
    for (unsigned l = 0; l < lists; l++) {
        char user[16];
        snprintf(user, sizeof(user), "u%u", l % USERS);
        struct penchant_request q = request(user);
        struct penchant_list *list = NULL;
        q.seed = 1 + l;
        ok(penchant_recommend(p, &q, &list, &err));
        for (size_t j = 0; j < list->n; j++) {
            if (rng_double(&r) < liking(list->items[j].item_id))
                act(p, user, list->items[j].item_id, list->recommendation_id);
        }
        penchant_list_free(list);
    }
}

static struct penchant_ope_options target(double explore)
{
    struct penchant_ope_options o;
    penchant_ope_options_default(&o);
    o.explore = explore;
    o.temperature = 1;
    o.kappa = 0.5;
    o.epsilon = 0.1;
    return o;
}

static double value(const struct penchant_ope *o, const char *name)
{
    for (size_t i = 0; i < o->n_estimates; i++)
        if (!strcmp(o->estimate[i].name, name))
            return o->estimate[i].value;
    fail_msg("no estimate is called %s", name);
    return 0;
}

static const struct penchant_ope_estimate *find(const struct penchant_ope *o,
                                                const char *name)
{
    for (size_t i = 0; i < o->n_estimates; i++)
        if (!strcmp(o->estimate[i].name, name))
            return &o->estimate[i];
    fail_msg("no estimate is called %s", name);
    return NULL;
}

/* ---- the lists once more ---- */

struct sums {
    size_t lists, slots;
    double logged, ranking, uniform; /* of W_k r_k */
};

static bool is_known(const struct penchant_slate *s)
{
    for (size_t j = 0; j < s->n; j++)
        if (!s->items[j].outcome)
            return false;
    return s->drawn;
}

/* In one of the first j slots. */
static bool is_shown(const struct penchant_slate *s, size_t j, const char *item)
{
    for (size_t i = 0; i < j; i++)
        if (!strcmp(s->items[i].item_id, item))
            return true;
    return false;
}

static int add_list(void *cookie, const struct penchant_slate *s)
{
    struct sums *sums = cookie;
    double ranking = 1, uniform = 1;
    if (!is_known(s))
        return 0;
    sums->lists++;
    for (size_t j = 0; j < s->n; j++) {
        const double r = s->items[j].reward + (j + 1 == s->n ? s->leave : 0);
        /* The best that is left is the first candidate that no earlier slot shows. */
        size_t best = 0;
        while (is_shown(s, j, s->candidates[best].item_id))
            best++;
        const bool is_best = !strcmp(s->candidates[best].item_id, s->items[j].item_id);
        ranking *= (is_best ? 1 : 0) / s->items[j].propensity;
        uniform *= 1 / (double)(s->pool - j) / s->items[j].propensity;
        sums->logged += r;
        sums->ranking += ranking * r;
        sums->uniform += uniform * r;
        sums->slots++;
    }
    return 0;
}

/* ---- tests ---- */

static void test_policy_ope__the_way_it_was_earns_what_it_did(void **state)
{
    struct shop *s = *state;
    struct penchant_ope found;
    shop_goes_on(s->p, ITEMS, 400);
    const struct penchant_ope_options same = target(1);
    ok(penchant_evaluate_policy(s->p, &same, &found, &err));
    struct sums sums = {0};
    ok(penchant_read_slates(s->p, add_list, &sums, &err));
    assert_int_equal(found.n, sums.lists);
    assert_int_equal(found.slots, sums.slots);
    assert_int_equal(found.clusters, USERS);
    assert_true(found.n > 250);
    assert_near(found.logged, sums.logged / (double)sums.lists, 1e-9);
    static const char *const all[] = {"sips", "iips", "rips", "snrips", "cascade-dr"};
    for (size_t i = 0; i < 5; i++) {
        const struct penchant_ope_estimate *e = find(&found, all[i]);
        assert_near(e->mean_weight, 1, 1e-4);
        assert_near(e->max_weight, 1, 1e-3);
        assert_near(e->ess, (double)found.n, 0.1);
        if (strcmp(all[i], "cascade-dr") != 0)
            assert_near(e->value, found.logged, 1e-3);
        assert_near(e->value, found.logged, 0.05);
    }
}

static void test_policy_ope__the_ranking_and_the_uniform_draw_are_told(void **state)
{
    struct shop *s = *state;
    struct penchant_ope ranking, uniform, drawn_never;
    shop_goes_on(s->p, ITEMS, 400);
    struct penchant_ope_options o;
    penchant_ope_options_default(&o);
    ok(penchant_evaluate_policy(s->p, &o, &ranking, &err));
    o.epsilon = 1; /* of a draw that does not happen */
    ok(penchant_evaluate_policy(s->p, &o, &drawn_never, &err));
    o.explore = 1;
    ok(penchant_evaluate_policy(s->p, &o, &uniform, &err));
    struct sums sums = {0};
    ok(penchant_read_slates(s->p, add_list, &sums, &err));
    const double n = (double)sums.lists;
    assert_near(value(&ranking, "rips"), sums.ranking / n, 1e-9);
    assert_near(value(&drawn_never, "rips"), sums.ranking / n, 1e-9);
    assert_near(value(&uniform, "rips"), sums.uniform / n, 1e-6 * sums.uniform);
    assert_true(fabs(sums.ranking - sums.logged) > 1e-3);
    /* Four draws that must all be the best ones: few lists say anything of the ranking. */
    assert_false(ranking.answered);
    assert_non_null(strstr(ranking.answer, "worth only"));
}

static void test_policy_ope__lists_are_chosen_by_placement_and_time(void **state)
{
    struct shop *s = *state;
    struct penchant_ope found;
    shop_goes_on(s->p, ITEMS, 120);
    struct penchant_ope_options o = target(1);
    ok(penchant_evaluate_policy(s->p, &o, &found, &err));
    const uint64_t all = found.n;
    o.placement = "home";
    ok(penchant_evaluate_policy(s->p, &o, &found, &err));
    assert_int_equal(found.n, all);
    o.placement = "cart";
    assert_int_equal(penchant_evaluate_policy(s->p, &o, &found, &err),
                     PENCHANT_ENOTFOUND);
    o.placement = NULL;
    o.since_us = INT64_MAX;
    assert_int_equal(penchant_evaluate_policy(s->p, &o, &found, &err),
                     PENCHANT_ENOTFOUND);
}

static void test_policy_ope__what_was_not_drawn_says_nothing(void **state)
{
    struct shop *s = *state;
    struct penchant_ope found;
    struct penchant_request r = request("u1");
    r.explore = 0;
    act(s->p, "u2", "i1", NULL);
    for (int i = 0; i < 3; i++) {
        struct penchant_list *list = NULL;
        ok(penchant_recommend(s->p, &r, &list, &err));
        act(s->p, "u1", "i1", list->recommendation_id);
        penchant_list_free(list);
    }
    struct penchant_ope_options o = target(0);
    assert_int_equal(penchant_evaluate_policy(s->p, &o, &found, &err),
                     PENCHANT_ENOTFOUND);
    o.explore = 2;
    assert_int_equal(penchant_evaluate_policy(s->p, &o, &found, &err), PENCHANT_EINVALID);
    assert_string_equal(err.field, "explore");
}

/* A uniform draw shows every candidate equally often in every slot, so that what it earns
   is known: clicks at .2, and of the others .02 times the chance of having been examined. */
struct truth {
    double earned;
    size_t lists;
};

static int add_truth(void *cookie, const struct penchant_slate *s)
{
    struct truth *t = cookie;
    double click = 0;
    if (!is_known(s))
        return 0;
    assert_int_equal(s->n_candidates, s->pool);
    for (size_t i = 0; i < s->n_candidates; i++)
        click += liking(s->candidates[i].item_id) / (double)s->n_candidates;
    for (size_t j = 0; j < s->n; j++)
        t->earned += click * 0.2 - (1 - click) * 0.02 * pow((double)(1 + j), -0.6);
    t->lists++;
    return 0;
}

static void test_policy_ope__finds_what_a_uniform_draw_earns(void **state)
{
    struct shop *s = *state;
    struct penchant_ope found;
    shop_goes_on(s->p, FEW, 2000);
    struct penchant_ope_options o = target(1);
    o.epsilon = 1;
    ok(penchant_evaluate_policy(s->p, &o, &found, &err));
    struct truth t = {0};
    ok(penchant_read_slates(s->p, add_truth, &t, &err));
    const double truth = t.earned / (double)t.lists;
    static const char *const all[] = {"rips", "snrips", "cascade-dr"};
    for (size_t i = 0; i < 3; i++) {
        const struct penchant_ope_estimate *e = find(&found, all[i]);
        if (!(e->low < truth && truth < e->high))
            fail_msg("%s: %g [%g, %g] misses %g", all[i], e->value, e->low, e->high,
                     truth);
        assert_near(e->mean_weight, 1, 0.2);
        assert_true(e->ess > 50);
    }
    /* Not because anything would do. */
    assert_true(found.logged_low > truth || found.logged_high < truth);
}

/* In memory: nothing here is about the disk. */
static int set_up(void **state)
{
    struct shop *s = calloc(1, sizeof(*s));
    struct penchant_options o;
    penchant_options_default(&o);
    o.store = "memory";
    *state = s;
    return penchant_open(&s->p, &o, &err);
}

static int tear_down(void **state)
{
    struct shop *s = *state;
    penchant_close(&s->p);
    free(s);
    return 0;
}

int main(void)
{
#define in_a_shop(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        in_a_shop(test_policy_ope__the_way_it_was_earns_what_it_did),
        in_a_shop(test_policy_ope__the_ranking_and_the_uniform_draw_are_told),
        in_a_shop(test_policy_ope__lists_are_chosen_by_placement_and_time),
        in_a_shop(test_policy_ope__what_was_not_drawn_says_nothing),
        in_a_shop(test_policy_ope__finds_what_a_uniform_draw_earns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
