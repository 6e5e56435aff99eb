/* SPDX-License-Identifier: Apache-2.0 */
/* What a log earns, and the states and transitions that are made of it. */
#include "model_fixture.h"

#include "behaviour/history.h"
#include "engine/value_log.h"
#include "learn/windows.h"
#include "near.h"

#define MINUTE INT64_C(60000000)
#define START  (EVENT_CLOCK_MIN_US + 1000 * MINUTE)

struct log {
    struct value_log v;
    struct history_builder builder;
    struct history h;
    struct catalog c;
    struct value_rewards r;
};

static void log_begin_with(struct log *l, uint32_t items, const struct rewards *rewards)
{
    struct names types = {0};
    value_log_init(&l->v, rewards);
    history_builder_init(&l->builder);
    catalog_init(&l->c);
    assert_int_equal(event_types_init(&types), 0);
    for (uint32_t i = 0; i < types.n; i++)
        value_log_type(&l->v, i, names_text(&types, i));
    names_release(&types);
    for (uint32_t i = 0; i < items; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%u", i);
        catalog_intern(&l->c, id);
    }
}

static void log_begin(struct log *l, uint32_t items)
{
    log_begin_with(l, items, NULL);
}

static void log_add(struct log *l, uint32_t user, uint32_t item, uint32_t type,
                    int64_t minute, double value)
{
    const struct event e = {.user = user,
                            .item = item,
                            .type = type,
                            .ts_us = START + minute * MINUTE,
                            .value = value};
    assert_int_equal(value_log_observe(&l->v, &e), 0);
    if (event_wanted(type, value))
        assert_int_equal(history_builder_add(&l->builder, user, item, type, e.ts_us), 0);
}

static void log_end(struct log *l, uint32_t users)
{
    assert_int_equal(history_builder_finish(&l->builder, users, l->c.ids.n, &l->h, NULL),
                     0);
    assert_int_equal(value_rewards_make(&l->r, &l->v, &l->h, &l->c), 0);
}

static void log_release(struct log *l)
{
    value_rewards_release(&l->r);
    value_log_release(&l->v);
    history_builder_release(&l->builder);
    history_release(&l->h);
    catalog_release(&l->c);
}

static double earned(const struct log *l, uint64_t e, enum critic_objective o)
{
    return (double)l->r.reward[e * CRITIC_OBJECTIVES + (uint64_t)o];
}

static void test_value_log__events_earn_for_their_objective(void **state)
{
    (void)state;
    struct log l;
    log_begin(&l, 4);
    log_add(&l, 0, 0, EVENT_VIEW, 0, NAN);
    log_add(&l, 0, 1, EVENT_WISH, 1, NAN);
    log_add(&l, 0, 1, EVENT_CART, 2, NAN);
    log_add(&l, 0, 1, EVENT_PURCHASE, 3, 20);
    log_add(&l, 0, 2, EVENT_PURCHASE, 4, 20);
    log_add(&l, 0, 3, EVENT_PURCHASE, 5, 2000);
    log_add(&l, 0, 3, EVENT_REVIEW, 6, 5);
    log_end(&l, 1);
    const double median = reward_prices_median(&l.v.prices);
    assert_near(20, median, 1);
    assert_near(0.2, earned(&l, 0, CRITIC_ENGAGEMENT), 1e-6);
    assert_near(0.3, earned(&l, 1, CRITIC_ENGAGEMENT), 1e-6);
    assert_near(0, earned(&l, 1, CRITIC_PURCHASE), 0);
    assert_near(0.5, earned(&l, 2, CRITIC_PURCHASE), 1e-6);
    assert_near(0, earned(&l, 2, CRITIC_ENGAGEMENT), 0);
    assert_near(1 + log1p(20 / median) / 2, earned(&l, 3, CRITIC_PURCHASE), 1e-5);
    assert_near(2, earned(&l, 5, CRITIC_PURCHASE), 1e-6); /* at the most */
    assert_near(0, earned(&l, 6, CRITIC_PURCHASE) + earned(&l, 6, CRITIC_ENGAGEMENT), 0);
    for (uint64_t e = 0; e < l.h.n; e++)
        assert_near(1, earned(&l, e, CRITIC_STAYING), 0);
    log_release(&l);
}

static void test_value_log__a_shop_has_its_own_table(void **state)
{
    (void)state;
    struct log l;
    struct rewards rewards;
    rewards_default(&rewards);
    assert_int_equal(rewards_set(&rewards, "review", "3 purchase", NULL), 0);
    assert_int_equal(rewards_set(&rewards, "view", "0.7 staying", NULL), 0);
    log_begin_with(&l, 2, &rewards);
    log_add(&l, 0, 0, EVENT_VIEW, 0, NAN);
    log_add(&l, 0, 1, EVENT_REVIEW, 1, 5);
    log_end(&l, 1);
    assert_near(1.7, earned(&l, 0, CRITIC_STAYING), 1e-6);
    assert_near(0, earned(&l, 0, CRITIC_ENGAGEMENT), 0);
    assert_near(3, earned(&l, 1, CRITIC_PURCHASE), 1e-6);
    log_release(&l);
}

static void test_value_log__visits_and_histories_end(void **state)
{
    (void)state;
    struct log l;
    log_begin(&l, 4);
    log_add(&l, 0, 0, EVENT_VIEW, 0, NAN);
    log_add(&l, 0, 1, EVENT_VIEW, 29, NAN);
    log_add(&l, 0, 2, EVENT_VIEW, 60, NAN);
    log_add(&l, 1, 2, EVENT_VIEW, 61, NAN);
    log_end(&l, 2);
    assert_true(l.h.has_clock);
    assert_int_equal(l.r.ends[0], 0);
    assert_int_equal(l.r.ends[1], 1 << CRITIC_STAYING);
    assert_int_equal(l.r.ends[2], 7);
    assert_int_equal(l.r.ends[3], 7);
    log_release(&l);
}

static void test_value_log__dislikes_stand_beside_the_way(void **state)
{
    (void)state;
    struct log l;
    log_begin(&l, 5);
    log_add(&l, 1, 4, EVENT_DISLIKE, 0, NAN); /* before anything is known of the user */
    log_add(&l, 0, 0, EVENT_VIEW, 0, NAN);
    log_add(&l, 1, 1, EVENT_VIEW, 1, NAN);
    log_add(&l, 1, 2, EVENT_VIEW, 5, NAN);
    log_add(&l, 1, 3, EVENT_REVIEW, 6, 1); /* a bad review is one too */
    log_add(&l, 0, 3, EVENT_DISLIKE, 3, NAN);
    log_end(&l, 2);
    assert_int_equal(l.h.n, 3);
    assert_int_equal(l.r.n_asides, 2);
    assert_int_equal(l.r.aside[0].after, 0);
    assert_int_equal(l.r.aside[1].after, 2);
    assert_int_equal(l.r.aside[1].item, 3);
    assert_near(-1, (double)l.r.aside[0].reward[CRITIC_ENGAGEMENT], 1e-6);
    assert_near(0, (double)l.r.aside[0].reward[CRITIC_PURCHASE], 0);
    log_release(&l);
}

static void test_value_log__it_speaks_with_types_or_purchases(void **state)
{
    (void)state;
    uint8_t looks[] = {EVENT_VIEW, EVENT_VIEW}, buys[] = {EVENT_PURCHASE, EVENT_PURCHASE},
            both[] = {EVENT_VIEW, EVENT_CART};
    struct history h = {.n = 2, .type = looks};
    assert_false(value_log_speaks(&h));
    h.type = buys;
    assert_true(value_log_speaks(&h));
    h.type = both;
    assert_true(value_log_speaks(&h));
}

/* ---- states and transitions ---- */

enum { USERS = 60, ITEMS = 12, WINDOW = 5 };

static void random_log(struct log *l)
{
    struct rng rng;
    rng_init(&rng, 7, 0);
    log_begin(l, ITEMS);
    for (uint32_t u = 0; u < USERS; u++) {
        int64_t minute = 0;
        for (uint32_t n = rng_below(&rng, 16); n > 0; n--) {
            static const uint32_t types[] = {EVENT_VIEW, EVENT_CART, EVENT_PURCHASE};
            minute += rng_below(&rng, 4) ? 2 : 50;
            log_add(l, u, rng_below(&rng, ITEMS), types[rng_below(&rng, 3)], minute, 5);
            if (rng_below(&rng, 5) == 0)
                log_add(l, u, rng_below(&rng, ITEMS), EVENT_DISLIKE, minute + 1, NAN);
        }
    }
    log_end(l, USERS);
}

static struct critic_log log_of(const struct log *l)
{
    return (struct critic_log){.history = &l->h,
                               .reward = l->r.reward,
                               .ends = l->r.ends,
                               .aside = l->r.aside,
                               .n_asides = l->r.n_asides};
}

static struct model *make_model(uint32_t max_length)
{
    const struct model_config c = {.dim = 8,
                                   .blocks = 1,
                                   .heads = 2,
                                   .max_length = max_length,
                                   .ffn_dim = 8,
                                   .position = true,
                                   .n_items = ITEMS};
    struct model *m = NULL;
    assert_int_equal(model_new(&m, &c, NULL, NULL, NULL), PENCHANT_OK);
    model_initialise(m, 3);
    return m;
}

static struct critic_data make_data(const struct log *l, const struct model *m,
                                    uint32_t threads)
{
    const struct critic_log log = log_of(l);
    struct critic_data d;
    struct pool *pool = pool_new(threads);
    assert_int_equal(critic_data_make(&d, m, &log, pool, NULL), PENCHANT_OK);
    pool_free(pool);
    return d;
}

/* By the definition: all that a user chose from transition i on, the discount falling with
   each choice. */
static double return_of(const struct critic_data *d, size_t i,
                        double (*reward)[CRITIC_OBJECTIVES], const uint8_t *ends, int o)
{
    double sum = 0, discount = 1;
    for (size_t j = i; j < d->n && d->at[j].user == d->at[i].user; j++) {
        sum += discount * reward[j][o];
        if (ends[j] >> o & 1)
            break;
        discount *= (double)critic_discounts[o];
    }
    return sum;
}

/* Every event but a user's first is chosen once and every dislike in its place, what came
   after is as defined, and the rewards ahead with the return from where they lead give the
   same. */
static void check_transitions(const struct log *l, const struct critic_data *d)
{
    double(*reward)[CRITIC_OBJECTIVES] = calloc(d->n, sizeof *reward);
    uint8_t *ends = calloc(d->n, 1);
    size_t at = 0, users = 0, asides = 0, bootstrapped = 0;
    while (at < d->n) {
        const uint32_t u = d->at[at].user;
        assert_int_equal(critic_held_out(u), at >= d->n_train);
        users++;
        for (uint64_t e = l->h.start[u]; e + 1 < l->h.start[u + 1]; e++) {
            for (size_t a = 0; a < l->r.n_asides; a++) {
                if (l->r.aside[a].after != e)
                    continue;
                assert_int_equal(d->at[at].item, l->r.aside[a].item);
                for (int o = 0; o < CRITIC_OBJECTIVES; o++)
                    reward[at][o] = (double)l->r.aside[a].reward[o];
                assert_int_equal(d->at[at].state, d->at[at + 1].state);
                asides++;
                at++;
            }
            assert_int_equal(d->at[at].user, u);
            assert_int_equal(d->at[at].item, l->h.item[e + 1]);
            for (int o = 0; o < CRITIC_OBJECTIVES; o++)
                reward[at][o] = earned(l, e + 1, (enum critic_objective)o);
            ends[at++] = l->r.ends[e + 1];
        }
    }
    for (size_t i = 0; i < d->n; i++) {
        const struct critic_transition *t = &d->at[i];
        for (int o = 0; o < CRITIC_OBJECTIVES; o++) {
            const double after = return_of(d, i, reward, ends, o);
            assert_near(after, (double)t->after[o], 1e-4);
            if (t->discount[o] == 0) {
                assert_near(after, (double)t->reward[o], 1e-4);
                continue;
            }
            /* How many choices ahead, by the discount. */
            const size_t ahead = (size_t)lround(log((double)t->discount[o]) /
                                                log((double)critic_discounts[o]));
            assert_in_range(ahead, 1, CRITIC_AHEAD);
            assert_near(after,
                        (double)t->reward[o] +
                            (double)t->discount[o] * (double)d->at[i + ahead].after[o],
                        1e-4);
            bootstrapped++;
            if (d->at[i + ahead].state !=
                t->next) /* the same moment in the next window */
                for (uint32_t j = 8; j < d->inputs; j++)
                    assert_true(d->state[(size_t)t->next * d->inputs + j] ==
                                d->state[(size_t)d->at[i + ahead].state * d->inputs + j]);
        }
    }
    size_t expected = 0;
    for (uint32_t u = 0; u < USERS; u++)
        expected += l->h.start[u + 1] > l->h.start[u] + 1;
    assert_int_equal(users, expected);
    assert_true(asides > 10 && bootstrapped > d->n);
    free(reward);
    free(ends);
}

static void test_value_log__transitions_tell_what_came(void **state)
{
    (void)state;
    struct log l;
    random_log(&l);
    const uint32_t windows[] = {2, 3, WINDOW, 64};
    for (size_t i = 0; i < 4; i++) {
        struct model *m = make_model(windows[i]);
        struct critic_data d = make_data(&l, m, 2), one = make_data(&l, m, 1);
        check_transitions(&l, &d);
        assert_int_equal(d.n_states, one.n_states);
        assert_memory_equal(d.state, one.state, d.n_states * d.inputs * sizeof *d.state);
        assert_memory_equal(d.item, one.item, ITEMS * d.dim * sizeof *d.item);
        critic_data_release(&d);
        critic_data_release(&one);
        model_free(m);
    }
    log_release(&l);
}

/* A state is the model's output on the events before the choice, and the facts of them. */
static void test_value_log__states_are_what_the_model_sees(void **state)
{
    (void)state;
    struct log l;
    random_log(&l);
    struct model *m = make_model(64);
    struct critic_data d = make_data(&l, m, 1);
    const struct critic_form form = critic_form_of(8);
    struct network *net = network_new(m, 64);
    struct batch b;
    float x[64], facts[CRITIC_FACTS];
    assert_int_equal(batch_init(&b, 64, 64), PENCHANT_OK);
    for (size_t i = 0; i < d.n;) {
        const uint32_t u = d.at[i].user;
        const uint64_t start = l.h.start[u];
        for (uint64_t e = start + 1; e < l.h.start[u + 1]; e++, i++) {
            while (d.at[i].item != l.h.item[e] || (i + 1 < d.n && d.at[i + 1].user == u &&
                                                   d.at[i + 1].state == d.at[i].state))
                i++; /* what was said no to */
            batch_clear(&b);
            windows_fill_prefix(&b, &l.h, start, e, ITEMS);
            const struct network_pass p = {
                .model = m, .batch = &b, .vectors = model_at(m, &m->item)};
            const float *h = network_forward(net, &p) + (e - start - 1) * 8;
            critic_facts(l.h.type + start, l.h.ts_us + start, e - start, e - start,
                         l.h.ts_us[e], true, facts);
            critic_input(&form, h, facts, x);
            for (uint32_t j = 0; j < form.inputs; j++)
                assert_near((double)x[j],
                            (double)d.state[(size_t)d.at[i].state * d.inputs + j], 1e-5);
        }
        assert_true(i == d.n || d.at[i].user != u);
    }
    batch_release(&b);
    network_free(net);
    critic_data_release(&d);
    model_free(m);
    log_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_value_log__events_earn_for_their_objective),
        cmocka_unit_test(test_value_log__a_shop_has_its_own_table),
        cmocka_unit_test(test_value_log__visits_and_histories_end),
        cmocka_unit_test(test_value_log__dislikes_stand_beside_the_way),
        cmocka_unit_test(test_value_log__it_speaks_with_types_or_purchases),
        cmocka_unit_test(test_value_log__transitions_tell_what_came),
        cmocka_unit_test(test_value_log__states_are_what_the_model_sees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
