/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists that are drawn, through the public interface: without being asked nothing
 * changes; what is drawn is logged so that its propensities can be told again, and comes
 * back with what it earned, at once, after a restart, and from the whole log.
 */
#include <math.h>
#include <string.h>

#include "engine/engine.h"
#include "policy/explore.h"
#include "shop_fixture.h"

enum { ITEMS = 300, USERS = 20 };

static void act(struct penchant *p, const char *user, const char *item, const char *type,
                const char *list)
{
    struct penchant_event e;
    penchant_event_default(&e);
    e.user_id = user;
    e.item_id = item;
    e.event = type;
    e.recommendation_id = list;
    ok(penchant_add_events(p, &e, 1, NULL, &err));
}

/* The first items are seen more often. */
static void fill(struct penchant *p)
{
    enum { MOST = 4 * ITEMS };
    struct penchant_event *e = calloc(MOST, sizeof *e);
    char(*text)[2][16] = calloc(MOST, sizeof *text);
    size_t n = 0;
    for (uint32_t i = 0; i < ITEMS; i++)
        for (uint32_t j = 0; j < 1 + ITEMS / (i + 20) && n < MOST; j++, n++) {
            snprintf(text[n][0], 16, "u%u", (i + j) % USERS);
            snprintf(text[n][1], 16, "i%u", i);
            penchant_event_default(&e[n]);
            e[n].user_id = text[n][0];
            e[n].item_id = text[n][1];
            e[n].event = "view";
        }
    ok(penchant_add_events(p, e, n, NULL, &err));
    free(e);
    free(text);
}

static struct penchant_list *ask(struct penchant *p, const struct penchant_request *r)
{
    struct penchant_list *list = NULL;
    ok(penchant_recommend(p, r, &list, &err));
    return list;
}

static struct penchant_request request(size_t k)
{
    struct penchant_request r;
    penchant_request_default(&r);
    r.user_id = "u1";
    r.k = k;
    return r;
}

static bool same_items(const struct penchant_list *a, const struct penchant_list *b)
{
    bool same = a->n == b->n;
    for (size_t i = 0; same && i < a->n; i++)
        same = !strcmp(a->items[i].item_id, b->items[i].item_id) &&
               a->items[i].score == b->items[i].score;
    return same;
}

/* ---- drawing ---- */

static void test_draw__without_being_asked_it_is_the_ranking(void **state)
{
    struct shop *s = *state;
    fill(s->p);
    for (size_t k = 1; k <= ITEMS; k = 3 * k + 1) {
        struct penchant_request r = request(k);
        struct penchant_list *plain = ask(s->p, &r);
        r.explore = 0;
        r.epsilon = 1;
        struct penchant_list *off = ask(s->p, &r);
        r.explore = 1;
        r.temperature = 0;
        r.epsilon = 0;
        struct penchant_list *certain = ask(s->p, &r);
        assert_false(plain->drawn || off->drawn);
        assert_true(certain->drawn);
        assert_true(same_items(plain, off));
        assert_true(same_items(plain, certain));
        for (size_t i = 0; i < plain->n; i++) {
            assert_true(plain->items[i].propensity == 1);
            assert_true(certain->items[i].propensity == 1);
        }
        penchant_list_free(plain);
        penchant_list_free(off);
        penchant_list_free(certain);
    }
}

static void test_draw__a_seed_draws_the_same_again(void **state)
{
    struct shop *s = *state;
    fill(s->p);
    struct penchant_request r = request(10);
    r.explore = 1;
    r.temperature = 1;
    int others = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        r.seed = seed;
        struct penchant_list *a = ask(s->p, &r), *b = ask(s->p, &r);
        r.seed = 0;
        struct penchant_list *any = ask(s->p, &r);
        assert_true(same_items(a, b));
        for (size_t i = 0; i < a->n; i++)
            assert_true(a->items[i].propensity == b->items[i].propensity);
        others += !same_items(a, any);
        penchant_list_free(a);
        penchant_list_free(b);
        penchant_list_free(any);
    }
    assert_true(others >= 18);
}

static void test_draw__filters_hold_and_no_item_comes_twice(void **state)
{
    struct shop *s = *state;
    fill(s->p);
    static const char *const exclude[] = {"i0", "i1", "i2", "i3"};
    struct penchant_request r = request(200);
    r.explore = 1;
    r.epsilon = 0.5;
    r.exclude = exclude;
    r.n_exclude = 4;
    struct penchant_list *list = ask(s->p, &r);
    assert_int_equal(list->n, 200);
    bool seen[ITEMS] = {false};
    for (size_t i = 0; i < list->n; i++) {
        const size_t item = strtoul(list->items[i].item_id + 1, NULL, 10);
        assert_true(item > 3 && item < ITEMS && !seen[item]);
        assert_true(list->items[i].propensity > 0 && list->items[i].propensity < 1);
        seen[item] = true;
    }
    penchant_list_free(list);
}

static void test_draw__an_explanation_is_of_what_was_drawn(void **state)
{
    struct shop *s = *state;
    fill(s->p);
    struct penchant_request r = request(10);
    r.explore = 1;
    r.temperature = 2;
    r.explain = true;
    struct penchant_list *list = ask(s->p, &r);
    for (size_t i = 0; i < list->n; i++) {
        double sum = 0;
        for (size_t j = 0; j < list->items[i].n_evidence; j++)
            sum += list->items[i].evidence[j].contribution;
        assert_true(fabs(sum - list->items[i].score) < 1e-4);
    }
    penchant_list_free(list);
}

static void test_draw__bad_options_are_named(void **state)
{
    struct shop *s = *state;
    struct penchant_list *list;
    struct penchant_request r = request(10);
    r.explore = 1.5;
    assert_int_equal(penchant_recommend(s->p, &r, &list, &err), PENCHANT_EINVALID);
    assert_string_equal(err.field, "explore");
    r.explore = 1;
    r.temperature = -1;
    assert_int_equal(penchant_recommend(s->p, &r, &list, &err), PENCHANT_EINVALID);
    assert_string_equal(err.field, "temperature");
}

/* ---- the log ---- */

static struct penchant_slate *get(struct penchant *p, const char *id)
{
    struct penchant_slate *slate = NULL;
    ok(penchant_get_slate(p, id, &slate, &err));
    return slate;
}

/* The propensities of the list told again from what the log keeps of it. */
static void propensities_can_be_told(const struct penchant_slate *s)
{
    double total = 0, taken = 0, before = 0;
    assert_true(s->drawn && s->n_candidates <= 50 + s->n && s->pool >= s->n_candidates);
    for (size_t i = 0; i < s->n_candidates; i++) {
        const double logit = s->candidates[i].score / s->temperature +
                             s->kappa * s->candidates[i].uncertainty;
        total += exp(logit - s->log_normaliser);
        assert_true(i == 0 || i >= 50 || s->candidates[i].score <= before);
        before = s->candidates[i].score;
    }
    assert_true(total < 1 + 1e-9 && (s->n_candidates < s->pool || total > 1 - 1e-9));
    for (size_t j = 0; j < s->n; j++) {
        size_t i = 0;
        while (i < s->n_candidates &&
               strcmp(s->candidates[i].item_id, s->items[j].item_id) != 0)
            i++;
        assert_true(i < s->n_candidates);
        const double logit = s->candidates[i].score / s->temperature +
                             s->kappa * s->candidates[i].uncertainty;
        const double w = exp(logit - s->log_normaliser);
        const double p =
            (1 - s->epsilon) * w / (1 - taken) + s->epsilon / (double)(s->pool - j);
        if (!(fabs(p - s->items[j].propensity) < 1e-5 * p))
            fail_msg("place %zu: %.9g, want %.9g", j, s->items[j].propensity, p);
        taken += w;
    }
}

static void test_draw__the_log_tells_the_propensities_again(void **state)
{
    struct shop *s = *state;
    fill(s->p);
    struct penchant_request r = request(10);
    r.explore = 1;
    for (uint64_t seed = 1; seed <= 6; seed++) {
        r.temperature = (double)seed / 2;
        r.kappa = seed % 2 ? 2 : 0;
        r.epsilon = 0.1;
        r.seed = seed;
        struct penchant_list *list = ask(s->p, &r);
        struct penchant_slate *slate = get(s->p, list->recommendation_id);
        propensities_can_be_told(slate);
        assert_in_range(slate->pool, 61, 200); /* more than are kept */
        assert_true(slate->share == 1 && slate->epsilon == 0.1);
        assert_string_equal(slate->user_id, "u1");
        assert_int_equal(slate->n, list->n);
        for (size_t i = 0; i < list->n; i++) {
            assert_string_equal(slate->items[i].item_id, list->items[i].item_id);
            assert_true(slate->items[i].propensity == list->items[i].propensity);
        }
        penchant_slate_free(slate);
        penchant_list_free(list);
    }
}

static int keep_choice(void *cookie, const struct store_slate *slate)
{
    struct buf *out = cookie;
    const struct store_choice *c = slate->choice;
    buf_printf(out, "%s %g %g %u %u %u %g %g %g %g", slate->id, c->share,
               c->log_normaliser, c->pool, c->item[0], c->item[1], (double)c->score[0],
               (double)c->score[1], (double)c->uncertainty[0], (double)c->uncertainty[1]);
    return 1;
}

static int scan_choice(struct penchant *p, void *arg, struct penchant_error *e)
{
    return p->store->ops->scan_slates(p->store, 0, keep_choice, arg, e);
}

/* All of a list is copied when it is handed in: the writer gets to it later. */
static void test_draw__a_choice_is_copied_for_the_writer(void **state)
{
    struct shop *s = *state;
    uint32_t item[] = {3, 4};
    float score[] = {1.5F, 0.5F}, uncertainty[] = {0.25F, 0.125F}, p[] = {0.5F, 1};
    struct store_choice c = {.share = 1,
                             .log_normaliser = 2,
                             .pool = 9,
                             .n = 2,
                             .item = item,
                             .score = score,
                             .uncertainty = uncertainty};
    const struct store_slate slate = {.id = "one",
                                      .user = NAMES_NONE,
                                      .n = 2,
                                      .items = item,
                                      .propensities = p,
                                      .choice = &c};
    struct buf out;
    buf_init(&out, 1000);
    assert_true(engine_submit_slate(s->p, &slate));
    for (int i = 0; i < 2; i++) {
        item[i] = 77;
        score[i] = uncertainty[i] = 77;
    }
    c = (struct store_choice){0};
    penchant_close(&s->p);
    s->p = open_shop(s, false);
    assert_int_equal(engine_with_store(s->p, scan_choice, &out, &err), 1);
    assert_string_equal(out.data, "one 1 2 9 3 4 1.5 0.5 0.25 0.125");
    buf_release(&out);
}

static void test_draw__a_ranking_is_a_list_without_choice(void **state)
{
    struct shop *s = *state;
    fill(s->p);
    struct penchant_request r = request(4);
    r.placement = "home";
    struct penchant_list *list = ask(s->p, &r);
    struct penchant_slate *slate = get(s->p, list->recommendation_id);
    assert_false(slate->drawn);
    assert_int_equal(slate->n_candidates, 0);
    assert_string_equal(slate->placement, "home");
    assert_true(slate->open && slate->reward == 0 && slate->leave == 0);
    for (size_t i = 0; i < 4; i++) {
        assert_true(slate->items[i].propensity == 1);
        assert_null(slate->items[i].outcome);
    }
    penchant_slate_free(slate);
    penchant_list_free(list);
}

/* ---- rewards ---- */

static void near(double got, double want)
{
    if (!(fabs(got - want) < 1e-6))
        fail_msg("got %.9g, want %.9g", got, want);
}

static void test_draw__what_follows_a_list_is_its_reward(void **state)
{
    struct shop *s = *state;
    fill(s->p);
    struct penchant_request r = request(3);
    struct penchant_list *list = ask(s->p, &r);
    act(s->p, "u1", list->items[1].item_id, "view", list->recommendation_id);
    act(s->p, "u1", list->items[1].item_id, "cart", NULL);
    act(s->p, "u1", list->items[2].item_id, "dislike", NULL);
    struct penchant_slate *slate = get(s->p, list->recommendation_id);
    assert_string_equal(slate->items[0].outcome, "ignored");
    assert_string_equal(slate->items[1].outcome, "cart");
    assert_string_equal(slate->items[2].outcome, "dislike");
    near(slate->items[1].rewards[PENCHANT_REWARD_ENGAGEMENT], 0.2);
    near(slate->items[1].rewards[PENCHANT_REWARD_PURCHASE], 0.5);
    near(slate->items[1].reward, 0.7);
    near(slate->reward, -0.02 + 0.7 - 1);
    penchant_slate_free(slate);
    assert_int_equal(penchant_get_slate(s->p, "no such list", &slate, &err),
                     PENCHANT_ENOTFOUND);
    assert_null(slate);
    penchant_list_free(list);
}

static void test_draw__an_erased_users_lists_are_gone(void **state)
{
    struct shop *s = *state;
    fill(s->p);
    struct penchant_request r = request(3);
    struct penchant_list *list = ask(s->p, &r);
    struct penchant_slate *slate = get(s->p, list->recommendation_id);
    penchant_slate_free(slate);
    ok(penchant_delete_user(s->p, "u1", &err));
    assert_int_equal(penchant_get_slate(s->p, list->recommendation_id, &slate, &err),
                     PENCHANT_ENOTFOUND);
    assert_non_null(strstr(err.text, "among the newest")); /* the joiner forgot it too */
    penchant_list_free(list);
}

/* Everything that a reading tells, as a text. */
static int tell(void *cookie, const struct penchant_slate *s)
{
    struct buf *out = cookie;
    buf_printf(out, "%s %s %d %d %.9g %.9g", s->recommendation_id,
               s->user_id ? s->user_id : "-", s->drawn, s->open, s->reward,
               s->log_normaliser);
    for (size_t i = 0; i < s->n; i++)
        buf_printf(out, " %s:%.9g:%.9g:%s", s->items[i].item_id, s->items[i].propensity,
                   s->items[i].reward, s->items[i].outcome ? s->items[i].outcome : "-");
    for (size_t i = 0; i < s->n_candidates; i++)
        buf_printf(out, " %s=%.9g", s->candidates[i].item_id, s->candidates[i].score);
    buf_putc(out, '\n');
    return 0;
}

static char *read_all(struct penchant *p)
{
    struct buf out;
    buf_init(&out, 1 << 24);
    ok(penchant_read_slates(p, tell, &out, &err));
    char *text = strdup(out.data);
    buf_release(&out);
    return text;
}

enum { LISTS = 40 };

/* Lists of users who click, buy and give back; their ids. */
static void shop_a_while(struct penchant *p,
                         char id[LISTS][PENCHANT_RECOMMENDATION_ID + 1])
{
    char user[16];
    for (uint32_t i = 0; i < LISTS; i++) {
        struct penchant_request r = request(1 + i % 5);
        snprintf(user, sizeof user, "u%u", i % 7);
        r.user_id = i % 7 ? user : NULL;
        r.explore = i % 3 ? 1 : 0;
        r.seed = i + 1;
        struct penchant_list *list = ask(p, &r);
        memcpy(id[i], list->recommendation_id, sizeof id[i]);
        const char *item = list->items[i % list->n].item_id;
        act(p, user, item, i % 2 ? "view" : "purchase", i % 4 ? NULL : id[i]);
        if (i % 6 == 0)
            act(p, user, item, "refund", NULL);
        if (i % 5 == 0)
            act(p, user, list->items[0].item_id, "wish", id[i / 2]);
        penchant_list_free(list);
    }
}

static char *read_by_id(struct penchant *p,
                        char id[LISTS][PENCHANT_RECOMMENDATION_ID + 1])
{
    struct buf out;
    buf_init(&out, 1 << 24);
    for (uint32_t i = 0; i < LISTS; i++) {
        struct penchant_slate *slate = get(p, id[i]);
        tell(&out, slate);
        penchant_slate_free(slate);
    }
    char *text = strdup(out.data);
    buf_release(&out);
    return text;
}

static void test_draw__live_restarted_and_read_through_is_the_same(void **state)
{
    struct shop *s = *state;
    char id[LISTS][PENCHANT_RECOMMENDATION_ID + 1];
    fill(s->p);
    shop_a_while(s->p, id);
    char *live = read_by_id(s->p, id), *whole = read_all(s->p);
    assert_string_equal(live, whole);
    assert_non_null(strstr(live, ":purchase"));
    penchant_close(&s->p);
    s->p = open_shop(s, false);
    char *again = read_by_id(s->p, id);
    assert_string_equal(again, live);
    struct shop reader = *s;
    reader.p = open_shop(s, true);
    char *beside = read_all(reader.p), *by_id = read_by_id(reader.p, id);
    assert_string_equal(beside, live);
    assert_string_equal(by_id, live);
    penchant_close(&reader.p);
    free(live);
    free(whole);
    free(again);
    free(beside);
    free(by_id);
}

static int stop_at_third(void *cookie, const struct penchant_slate *s)
{
    (void)s;
    return ++*(int *)cookie == 3 ? 42 : 0;
}

static void test_draw__a_reading_ends_when_told(void **state)
{
    struct shop *s = *state;
    char id[LISTS][PENCHANT_RECOMMENDATION_ID + 1];
    int n = 0;
    ok(penchant_read_slates(s->p, stop_at_third, &n, &err));
    assert_int_equal(n, 0);
    fill(s->p);
    shop_a_while(s->p, id);
    assert_int_equal(penchant_read_slates(s->p, stop_at_third, &n, &err), 42);
    assert_int_equal(n, 3);
}

struct order {
    uint32_t n, clicked;
    bool in_order;
};

static int count(void *cookie, const struct penchant_slate *s)
{
    struct order *o = cookie;
    char id[16];
    snprintf(id, sizeof id, "s%u", o->n++);
    o->in_order = o->in_order && !strcmp(id, s->recommendation_id);
    o->clicked += s->items[0].outcome && !strcmp(s->items[0].outcome, "view");
    return 0;
}

/* More lists than the reader has room for at once: the oldest are told on the way. */
static void test_draw__a_long_log_is_read_in_order(void **state)
{
    enum { MANY = 140000, BATCH = 35000, CLICK = 7000 };
    struct shop *s = *state;
    struct penchant_status_report report;
    uint32_t item = 0, clicks = 0;
    char id[16];
    fill(s->p);
    for (uint32_t i = 0; i < MANY;) {
        for (const uint32_t end = i + BATCH; i < end; i++) {
            snprintf(id, sizeof id, "s%u", i);
            const struct store_slate slate = {.id = id,
                                              .ts_us = engine_now(s->p),
                                              .user = NAMES_NONE,
                                              .n = 1,
                                              .items = &item};
            assert_true(engine_submit_slate(s->p, &slate));
        }
        for (uint32_t j = 0; j < BATCH / CLICK; j++, clicks++) {
            snprintf(id, sizeof id, "s%u", i - BATCH + j * CLICK);
            act(s->p, "u1", "i0", "view", id);
        }
        ok(penchant_status(s->p, &report, &err));
        assert_int_equal(report.slates, i);
    }
    struct order o = {.in_order = true};
    ok(penchant_read_slates(s->p, count, &o, &err));
    assert_true(o.in_order);
    assert_int_equal(o.n, MANY);
    assert_int_equal(o.clicked, clicks);
    struct penchant_slate *slate;
    assert_int_equal(penchant_get_slate(s->p, "s0", &slate, &err), PENCHANT_ENOTFOUND);
    ok(penchant_get_slate(s->p, "s139999", &slate, &err));
    penchant_slate_free(slate);
}

/* ---- the configuration ---- */

static void configure(const struct shop *s, const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/penchant.conf", s->dir);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void test_draw__a_shop_may_be_configured_to_explore(void **state)
{
    struct shop *s = *state;
    fill(s->p);
    penchant_close(&s->p);
    configure(s, "[explore]\nshare = 1\ntemperature = 1.5\nepsilon = 0.3\n"
                 "[rewards]\nview = 0.25\n[examination]\ndecay = 0\n");
    s->p = open_shop(s, false);
    struct penchant_request r = request(3);
    struct penchant_list *list = ask(s->p, &r);
    assert_true(list->drawn);
    act(s->p, "u1", list->items[1].item_id, "view", list->recommendation_id);
    struct penchant_slate *slate = get(s->p, list->recommendation_id);
    assert_true(slate->temperature == 1.5 && slate->epsilon == 0.3 && slate->kappa == 0);
    near(slate->items[1].reward, 0.25);
    near(slate->items[2].reward, -0.02);
    penchant_slate_free(slate);
    penchant_list_free(list);
    r.explore = 0;
    list = ask(s->p, &r);
    assert_false(list->drawn);
    penchant_list_free(list);
}

static void test_draw__a_bad_configuration_is_told_and_nothing_opens(void **state)
{
    static const char *const bad[][2] = {
        {"[explore]\nshare = 2\n", "penchant.conf:2: explore must be between 0 and 1"},
        {"[explore]\n\nheat = 2\n", "penchant.conf:3: [explore] has no \"heat\""},
        {"[explore]\ntemperature = hot\n",
         "penchant.conf:2: temperature must be a number"},
        {"[examination]\ndecay = -1\n", "penchant.conf:2: decay must be"},
        {"[examination]\nview = 1\n", "penchant.conf:2: [examination] has no \"view\""},
        {"[rewards]\nview = 1\nview = x\n", "penchant.conf:3: view: a rule begins"},
        {"[colours]\nview = 1\n", "penchant.conf:2: there is no section [colours]"},
    };
    struct shop *s = *state;
    penchant_close(&s->p);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct penchant_options o;
        configure(s, bad[i][0]);
        penchant_options_default(&o);
        o.dir = s->dir;
        assert_int_equal(penchant_open(&s->p, &o, &err), PENCHANT_EINVALID);
        assert_null(s->p);
        if (!strstr(err.text, bad[i][1]))
            fail_msg("\"%s\" does not say \"%s\"", err.text, bad[i][1]);
    }
    configure(s, "# nothing\n");
    s->p = open_shop(s, false);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, shop_set_up, shop_tear_down)
    const struct CMUnitTest tests[] = {
        T(test_draw__without_being_asked_it_is_the_ranking),
        T(test_draw__a_seed_draws_the_same_again),
        T(test_draw__filters_hold_and_no_item_comes_twice),
        T(test_draw__an_explanation_is_of_what_was_drawn),
        T(test_draw__bad_options_are_named),
        T(test_draw__the_log_tells_the_propensities_again),
        T(test_draw__a_choice_is_copied_for_the_writer),
        T(test_draw__a_ranking_is_a_list_without_choice),
        T(test_draw__what_follows_a_list_is_its_reward),
        T(test_draw__an_erased_users_lists_are_gone),
        T(test_draw__live_restarted_and_read_through_is_the_same),
        T(test_draw__a_reading_ends_when_told),
        T(test_draw__a_long_log_is_read_in_order),
        T(test_draw__a_shop_may_be_configured_to_explore),
        T(test_draw__a_bad_configuration_is_told_and_nothing_opens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
