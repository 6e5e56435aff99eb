/* SPDX-License-Identifier: Apache-2.0 */
/* Experiments through the public interface: who is in which arm, what an arm changes, that
   all of it survives a restart, what became of it, and lists that the shop shows. */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "engine/experiments.h"
#include "evaluate/sequential.h"
#include "shop_fixture.h"

#include "near.h"

enum { ITEMS = 30, USERS = 400 };

static void fill(struct penchant *p)
{
    enum { MOST = ITEMS + USERS };
    struct penchant_event *e = calloc(MOST, sizeof(*e));
    char(*text)[2][16] = calloc(MOST, sizeof(*text));
    for (unsigned i = 0; i < MOST; i++) {
        snprintf(text[i][0], 16, "u%u", i % USERS);
        snprintf(text[i][1], 16, "i%u", i < ITEMS ? i : i % 3);
        penchant_event_default(&e[i]);
        e[i].user_id = text[i][0];
        e[i].item_id = text[i][1];
        e[i].event = "view";
    }
    ok(penchant_add_events(p, e, MOST, NULL, &err));
    free(e);
    free(text);
}

static struct penchant_experiment two_arms(const char *name)
{
    struct penchant_experiment e = {.name = name, .n_arms = 2};
    for (int i = 0; i < 2; i++) {
        penchant_arm_default(&e.arm[i]);
        e.arm[i].share = 0.5;
    }
    e.arm[0].name = "as-is";
    e.arm[1].name = "popular";
    e.arm[1].sources = "popularity";
    return e;
}

static struct penchant_list *ask(struct penchant *p, const char *user)
{
    struct penchant_request r;
    struct penchant_list *list = NULL;
    penchant_request_default(&r);
    r.user_id = user;
    r.k = 3;
    ok(penchant_recommend(p, &r, &list, &err));
    return list;
}

/* The name of the user's arm, "" for none; among the experiments that the list tells. */
static void arm_of(struct penchant *p, const char *user, const char *experiment,
                   char out[16])
{
    struct penchant_list *list = ask(p, user);
    out[0] = 0;
    for (size_t i = 0; i < list->n_assigned; i++)
        if (!strcmp(list->assigned[i].experiment, experiment))
            snprintf(out, 16, "%s", list->assigned[i].arm);
    penchant_list_free(list);
}

/* ---- assignment ---- */

static void test_experiments__shares_hold_and_experiments_are_independent(void **state)
{
    (void)state;
    struct penchant_experiment a = two_arms("a"), b = two_arms("b");
    unsigned count[3][3] = {{0}};
    a.arm[0].share = 0.2;
    a.arm[1].share = 0.3;
    enum { N = 40000 };
    for (unsigned u = 0; u < N; u++) {
        char user[16];
        snprintf(user, sizeof(user), "user-%u", u);
        const int in_a = experiment_arm(&a, user), in_b = experiment_arm(&b, user);
        assert_int_equal(in_a, experiment_arm(&a, user));
        assert_true(in_b >= 0);
        count[in_a + 1][in_b + 1]++;
    }
    const double share[3] = {0.5, 0.2, 0.3};
    for (int i = 0; i < 3; i++)
        for (int j = 1; j < 3; j++) {
            const double p = share[i] * 0.5;
            assert_near(count[i][j], N * p, 4 * sqrt(N * p * (1 - p)));
        }
}

static void test_experiments__an_arm_changes_what_a_request_leaves_open(void **state)
{
    struct shop *s = *state;
    const struct penchant_experiment e = two_arms("sources");
    fill(s->p);
    struct penchant_list *before[USERS];
    struct penchant_request r;
    for (unsigned u = 0; u < USERS; u++) {
        char user[16];
        snprintf(user, sizeof(user), "u%u", u);
        before[u] = ask(s->p, user);
        assert_int_equal(before[u]->n_assigned, 0);
    }
    ok(penchant_start_experiment(s->p, &e, &err));
    unsigned arms[2] = {0}, differ = 0;
    for (unsigned u = 0; u < USERS; u++) {
        char user[16];
        snprintf(user, sizeof(user), "u%u", u);
        struct penchant_list *list = ask(s->p, user), *popular = NULL, *asked = NULL;
        assert_int_equal(list->n_assigned, 1);
        assert_string_equal(list->assigned[0].experiment, "sources");
        const int arm = experiment_arm(&e, user);
        assert_string_equal(list->assigned[0].arm, e.arm[arm].name);
        arms[arm]++;
        penchant_request_default(&r);
        r.user_id = user;
        r.k = 3;
        r.sources = "popularity,repeat"; /* said: no arm changes it */
        ok(penchant_recommend(s->p, &r, &asked, &err));
        r.sources = "popularity";
        ok(penchant_recommend(s->p, &r, &popular, &err));
        differ += asked->items[0].score != popular->items[0].score;
        const struct penchant_list *want = arm ? popular : before[u];
        for (size_t i = 0; i < list->n; i++) {
            assert_string_equal(list->items[i].item_id, want->items[i].item_id);
            assert_true(list->items[i].score == want->items[i].score);
        }
        penchant_list_free(before[u]);
        penchant_list_free(list);
        penchant_list_free(popular);
        penchant_list_free(asked);
    }
    assert_true(differ > 0);
    assert_in_range(arms[0], USERS * 4 / 10, USERS * 6 / 10);
    struct penchant_list *nobody = ask(s->p, NULL);
    assert_int_equal(nobody->n_assigned, 0);
    penchant_list_free(nobody);
}

static void test_experiments__an_arm_may_explore(void **state)
{
    struct shop *s = *state;
    struct penchant_experiment e = two_arms("explore");
    fill(s->p);
    e.arm[1].sources = NULL;
    e.arm[1].explore = 1;
    e.arm[1].temperature = 2;
    ok(penchant_start_experiment(s->p, &e, &err));
    unsigned drawn = 0;
    for (unsigned u = 0; u < 40; u++) {
        char user[16];
        snprintf(user, sizeof(user), "u%u", u);
        struct penchant_list *list = ask(s->p, user);
        assert_int_equal(list->drawn, experiment_arm(&e, user) == 1);
        drawn += list->drawn;
        penchant_list_free(list);
    }
    assert_in_range(drawn, 8, 32);
}

/* ---- the store ---- */

static void test_experiments__survive_a_restart(void **state)
{
    struct shop *s = *state;
    struct penchant_experiment e = two_arms("b.second"), f = two_arms("a_first");
    struct penchant_experiments *all = NULL;
    char before[16], after[16];
    fill(s->p);
    e.arm[1].temperature = 0.1;
    e.arm[0].shop = true;
    ok(penchant_start_experiment(s->p, &e, &err));
    ok(penchant_start_experiment(s->p, &f, &err));
    ok(penchant_stop_experiment(s->p, "a_first", &err));
    arm_of(s->p, "u7", "b.second", before);
    penchant_close(&s->p);
    s->p = open_shop(s, false);
    arm_of(s->p, "u7", "b.second", after);
    assert_string_equal(before, after);
    arm_of(s->p, "u7", "a_first", after);
    assert_string_equal(after, "");
    ok(penchant_get_experiments(s->p, &all, &err));
    assert_int_equal(all->n, 2);
    assert_string_equal(all->experiment[0].name, "a_first");
    assert_false(all->experiment[0].running);
    assert_true(all->experiment[0].stopped_us >= all->experiment[0].started_us);
    const struct penchant_experiment *g = &all->experiment[1];
    assert_true(g->running && g->arm[0].shop && !g->arm[1].shop);
    assert_true(g->started_us > 0 && g->stopped_us == 0);
    assert_string_equal(g->arm[1].sources, "popularity");
    assert_null(g->arm[0].sources);
    assert_true(g->arm[1].temperature == 0.1 && isnan(g->arm[1].explore));
    assert_true(g->arm[0].share == 0.5);
    penchant_experiments_free(all);
    ok(penchant_delete_experiment(s->p, "b.second", &err));
    penchant_close(&s->p);
    s->p = open_shop(s, false);
    ok(penchant_get_experiments(s->p, &all, &err));
    assert_int_equal(all->n, 1);
    penchant_experiments_free(all);
    /* The name is free again. */
    ok(penchant_start_experiment(s->p, &e, &err));
}

static void test_experiments__bad_ones_are_refused_and_change_nothing(void **state)
{
    struct shop *s = *state;
    struct penchant_experiment e;
    struct penchant_experiments *all = NULL;
#define REFUSED(change, status, of)                                                      \
    do {                                                                                 \
        e = two_arms("fine");                                                            \
        change;                                                                          \
        assert_int_equal(penchant_start_experiment(s->p, &e, &err), status);             \
        assert_string_equal(err.field, of);                                              \
    } while (0)
    REFUSED(e.name = NULL, PENCHANT_EINVALID, "name");
    REFUSED(e.name = "Not Fine", PENCHANT_EINVALID, "name");
    REFUSED(e.n_arms = 1, PENCHANT_EINVALID, "arms");
    REFUSED(e.arm[1].name = "as-is", PENCHANT_EINVALID, "name");
    REFUSED(e.arm[1].share = 0, PENCHANT_EINVALID, "share");
    REFUSED(e.arm[1].share = NAN, PENCHANT_EINVALID, "share");
    REFUSED(e.arm[1].share = 0.6, PENCHANT_EINVALID, "arms");
    REFUSED(e.arm[1].sources = "astrology", PENCHANT_EINVALID, "sources");
    REFUSED(e.arm[1].explore = 2, PENCHANT_EINVALID, "explore");
    REFUSED(e.arm[1].temperature = -1, PENCHANT_EINVALID, "temperature");
    ok(penchant_get_experiments(s->p, &all, &err));
    assert_int_equal(all->n, 0);
    penchant_experiments_free(all);
    e = two_arms("fine");
    ok(penchant_start_experiment(s->p, &e, &err));
    assert_int_equal(penchant_start_experiment(s->p, &e, &err), PENCHANT_EINVALID);
    assert_int_equal(penchant_stop_experiment(s->p, "none", &err), PENCHANT_ENOTFOUND);
    assert_int_equal(penchant_delete_experiment(s->p, "none", &err), PENCHANT_ENOTFOUND);
    for (unsigned i = 1; i < PENCHANT_MAX_EXPERIMENTS; i++) {
        char name[16];
        snprintf(name, sizeof(name), "e%u", i);
        e.name = name;
        ok(penchant_start_experiment(s->p, &e, &err));
    }
    e.name = "one-more";
    assert_int_equal(penchant_start_experiment(s->p, &e, &err), PENCHANT_ELIMIT);
    struct penchant *reader = open_shop(s, true);
    ok(penchant_get_experiments(reader, &all, &err));
    assert_int_equal(all->n, PENCHANT_MAX_EXPERIMENTS);
    penchant_experiments_free(all);
    assert_int_equal(penchant_stop_experiment(reader, "fine", &err), PENCHANT_EREADONLY);
    penchant_close(&reader);
}

/* ---- what became of it ---- */

/* Clicks that are added together: every commit waits for the disk. */
struct clicks {
    struct penchant_event event[USERS];
    char user[USERS][16], item[USERS][16], list[USERS][PENCHANT_RECOMMENDATION_ID + 1];
    size_t n;
};

static void click(struct clicks *c, const char *user, const char *item, const char *list)
{
    struct penchant_event *e = &c->event[c->n];
    snprintf(c->user[c->n], sizeof(c->user[0]), "%s", user);
    snprintf(c->item[c->n], sizeof(c->item[0]), "%s", item);
    snprintf(c->list[c->n], sizeof(c->list[0]), "%s", list);
    penchant_event_default(e);
    e->user_id = c->user[c->n];
    e->item_id = c->item[c->n];
    e->recommendation_id = c->list[c->n++];
    e->event = "view";
}

static void add_clicks(struct penchant *p, struct clicks *c)
{
    ok(penchant_add_events(p, c->event, c->n, NULL, &err));
    c->n = 0;
}

/* Everybody asks `rounds` times; in the second arm the first item is clicked more often.
   What is summed by hand goes into `clicked`. */
static void live(struct penchant *p, const struct penchant_experiment *e, unsigned rounds,
                 const double chance[2], unsigned clicked[2])
{
    static struct clicks c;
    struct rng r;
    rng_init(&r, 8, 0);
    for (unsigned round = 0; round < rounds; round++) {
        for (unsigned u = 0; u < USERS; u++) {
            char user[16];
            snprintf(user, sizeof(user), "u%u", u);
            const int arm = experiment_arm(e, user);
            struct penchant_list *list = ask(p, user);
            if (rng_double(&r) < chance[arm]) {
                click(&c, user, list->items[0].item_id, list->recommendation_id);
                clicked[arm]++;
            }
            penchant_list_free(list);
        }
        add_clicks(p, &c);
    }
}

static void test_experiments__results_are_those_of_the_lists(void **state)
{
    struct shop *s = *state;
    const struct penchant_experiment e = two_arms("clicks");
    struct penchant_experiment_result found;
    unsigned clicked[2] = {0}, users[2] = {0};
    fill(s->p);
    penchant_list_free(ask(s->p, "u1")); /* before it: not counted */
    ok(penchant_start_experiment(s->p, &e, &err));
    live(s->p, &e, 3, (const double[2]){0.2, 0.6}, clicked);
    for (unsigned u = 0; u < USERS; u++) {
        char user[16];
        snprintf(user, sizeof(user), "u%u", u);
        users[experiment_arm(&e, user)]++;
    }
    ok(penchant_get_experiment_result(s->p, "clicks", &found, &err));
    assert_int_equal(found.arm[0].lists + found.arm[1].lists + found.open, 3 * USERS);
    for (int i = 0; i < 2; i++) {
        const struct penchant_arm_result *a = &found.arm[i];
        assert_int_equal(a->users, users[i]);
        assert_int_equal(a->clicked, clicked[i]);
        assert_true(a->lists >= 2 * users[i]); /* the last round may be open */
        assert_true(a->reward.low < a->reward.value && a->reward.value < a->reward.high);
    }
    assert_near(found.arm[1].gain.value,
                found.arm[1].reward.value - found.arm[0].reward.value, 1e-12);
    assert_true(found.arm[1].gain.low > 0 && found.arm[1].gain.p < 0.05);
    assert_true(isnan(found.arm[0].gain.value));
    assert_string_equal(found.answer,
                        strstr(found.answer, "popular earns more than as-is")
                            ? found.answer
                            : "popular earns more than as-is ..");
    /* What comes after its end does not count. */
    ok(penchant_stop_experiment(s->p, "clicks", &err));
    const uint64_t lists = found.arm[1].lists + found.arm[0].lists + found.open;
    live(s->p, &e, 1, (const double[2]){1, 1}, clicked);
    ok(penchant_get_experiment_result(s->p, "clicks", &found, &err));
    assert_int_equal(found.arm[1].lists + found.arm[0].lists + found.open, lists);
    assert_int_equal(penchant_get_experiment_result(s->p, "none", &found, &err),
                     PENCHANT_ENOTFOUND);
}

static void test_experiments__alike_arms_are_not_told_apart(void **state)
{
    struct shop *s = *state;
    const struct penchant_experiment e = two_arms("alike");
    struct penchant_experiment_result found;
    unsigned clicked[2] = {0};
    fill(s->p);
    ok(penchant_start_experiment(s->p, &e, &err));
    live(s->p, &e, 2, (const double[2]){0.4, 0.4}, clicked);
    ok(penchant_get_experiment_result(s->p, "alike", &found, &err));
    assert_true(found.arm[1].gain.low < 0 && found.arm[1].gain.high > 0);
    assert_non_null(strstr(found.answer, "No difference"));
}

/* ---- the shop's own lists ---- */

static void test_experiments__the_shops_own_list_is_what_was_shown(void **state)
{
    struct shop *s = *state;
    struct penchant_request r;
    struct penchant_list *list = NULL, *plain;
    struct penchant_slate *slate = NULL;
    fill(s->p);
    plain = ask(s->p, "u1");
    const char *shown[] = {"i29", plain->items[1].item_id};
    penchant_request_default(&r);
    r.user_id = "u1";
    r.k = 3;
    r.explore = 1; /* nothing is drawn that is not shown */
    r.shown = shown;
    r.n_shown = 2;
    ok(penchant_recommend(s->p, &r, &list, &err));
    assert_false(list->drawn);
    assert_int_equal(list->n, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(list->items[i].item_id, plain->items[i].item_id);
    ok(penchant_get_slate(s->p, list->recommendation_id, &slate, &err));
    assert_true(slate->shop && !slate->drawn);
    assert_int_equal(slate->n, 2);
    assert_string_equal(slate->items[0].item_id, "i29");
    assert_true(slate->items[0].propensity == 1);
    assert_int_equal(slate->n_candidates, 3);
    assert_string_equal(slate->candidates[0].item_id, plain->items[0].item_id);
    penchant_slate_free(slate);
    penchant_list_free(list);
    const char *unknown[] = {"i1", "never"}, *twice[] = {"i1", "i2", "i1"};
    r.shown = unknown;
    assert_int_equal(penchant_recommend(s->p, &r, &list, &err), PENCHANT_EINVALID);
    assert_string_equal(err.field, "shown");
    assert_int_equal(err.index, 1);
    r.shown = twice;
    r.n_shown = 3;
    assert_int_equal(penchant_recommend(s->p, &r, &list, &err), PENCHANT_EINVALID);
    assert_int_equal(err.index, 2);
    penchant_list_free(plain);
}

/* The shop shows three items of its own; those that the engine would show too are clicked
   more often. */
static void test_experiments__an_apprentice_sees_what_it_would_have_earned(void **state)
{
    struct shop *s = *state;
    struct penchant_experiment e = two_arms("apprentice");
    struct penchant_experiment_result found;
    static struct clicks c;
    struct rng rng;
    uint64_t agreed = 0, other = 0;
    fill(s->p);
    e.arm[0].share = 0.9;
    e.arm[1].share = 0.1;
    e.arm[0].shop = true;
    ok(penchant_start_experiment(s->p, &e, &err));
    rng_init(&rng, 3, 0);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned u = 0; u < USERS; u++) {
            char user[16], text[2][16];
            struct penchant_request r;
            struct penchant_list *list = NULL, *own;
            snprintf(user, sizeof(user), "u%u", u);
            if (experiment_arm(&e, user) != 0)
                continue;
            own = ask(s->p, user);
            assert_true(own->assigned[0].shop);
            snprintf(text[0], 16, "%s", own->items[0].item_id);
            snprintf(text[1], 16, "i%u", 10 + u % 20);
            const char *shown[] = {text[0], text[1]};
            bool same = false;
            for (size_t i = 0; i < own->n; i++)
                same |= !strcmp(own->items[i].item_id, text[1]);
            penchant_list_free(own);
            if (same)
                continue;
            penchant_request_default(&r);
            r.user_id = user;
            r.k = 3;
            r.shown = shown;
            r.n_shown = 2;
            ok(penchant_recommend(s->p, &r, &list, &err));
            agreed++;
            other++;
            const double luck = rng_double(&rng);
            if (luck < 0.6)
                click(&c, user, shown[luck < 0.5 ? 0 : 1], list->recommendation_id);
            penchant_list_free(list);
        }
        add_clicks(s->p, &c);
    }
    ok(penchant_get_experiment_result(s->p, "apprentice", &found, &err));
    const struct penchant_arm_result *a = &found.arm[0];
    /* The last list of a user may be open. */
    assert_true(a->agreed_places <= agreed && a->agreed_places > agreed / 2);
    assert_int_equal(a->agreed_places, a->other_places);
    assert_true(a->agreed_gain.low > 0);
    assert_near(a->agreed_gain.value, a->agreed.value - a->others.value, 1e-12);
    assert_int_equal(found.arm[1].agreed_places, 0);
}

int main(void)
{
#define in_a_shop(name) cmocka_unit_test_setup_teardown(name, shop_set_up, shop_tear_down)
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_experiments__shares_hold_and_experiments_are_independent),
        in_a_shop(test_experiments__an_arm_changes_what_a_request_leaves_open),
        in_a_shop(test_experiments__an_arm_may_explore),
        in_a_shop(test_experiments__survive_a_restart),
        in_a_shop(test_experiments__bad_ones_are_refused_and_change_nothing),
        in_a_shop(test_experiments__results_are_those_of_the_lists),
        in_a_shop(test_experiments__alike_arms_are_not_told_apart),
        in_a_shop(test_experiments__the_shops_own_list_is_what_was_shown),
        in_a_shop(test_experiments__an_apprentice_sees_what_it_would_have_earned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
