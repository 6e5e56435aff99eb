/* SPDX-License-Identifier: Apache-2.0 */
/* The shoppers' states against a plain list of each user's events. */
#include "interest/user_state.h"

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/rng.h"

static _Atomic int freed;

static void free_encoder(void *state)
{
    freed++;
    free(state);
}

static struct user_states *states_new(uint32_t recent, size_t cache)
{
    freed = 0;
    struct user_states *s = user_states_new(recent, cache, free_encoder);
    assert_non_null(s);
    return s;
}

static bool apply(struct user_states *s, uint32_t user, uint32_t item, uint32_t type,
                  int64_t ts)
{
    const struct event e = {.user = user, .item = item, .type = type, .ts_us = ts};
    bool cancelled;
    assert_int_equal(user_states_apply(s, &e, &cancelled), PENCHANT_OK);
    return cancelled;
}

/* ---- against a plain list ---- */

enum { RECENT = 256, EVENTS = 12000 };

struct plain {
    struct event e[EVENTS]; /* wanted ones in time order, equal times in log order */
    uint32_t n, all, bought[8];
    int64_t first, last;
};

static void plain_apply(struct plain *p, const struct event *e)
{
    p->first = !p->all || e->ts_us < p->first ? e->ts_us : p->first;
    p->last = !p->all || e->ts_us > p->last ? e->ts_us : p->last;
    p->all++;
    if (e->item == NAMES_NONE)
        return;
    if (e->type == EVENT_REFUND) {
        for (uint32_t i = p->n; i-- > 0;) {
            if (p->e[i].ts_us <= e->ts_us && p->e[i].item == e->item &&
                p->e[i].type == EVENT_PURCHASE) {
                memmove(p->e + i, p->e + i + 1, (--p->n - i) * sizeof(*p->e));
                p->bought[e->item]--;
                return;
            }
        }
        return;
    }
    p->bought[e->item] += e->type == EVENT_PURCHASE;
    if (!event_type_wanted(e->type))
        return;
    uint32_t at = p->n++;
    for (; at && p->e[at - 1].ts_us > e->ts_us; at--)
        p->e[at] = p->e[at - 1];
    p->e[at] = *e;
}

static void compare(struct user_states *s, uint32_t user, const struct plain *p)
{
    struct user_state *u = user_states_lock(s, user);
    if (!p->all) {
        assert_null(u);
        return;
    }
    assert_non_null(u);
    assert_int_equal(u->events, p->all);
    assert_int_equal(u->first_us, p->first);
    assert_int_equal(u->last_us, p->last);
    assert_int_equal(u->wanted, p->n);
    assert_int_equal(u->n_recent, p->n < RECENT ? p->n : RECENT);
    for (uint32_t i = 0; i < u->n_recent; i++) {
        const struct event *e = &p->e[p->n - u->n_recent + i];
        assert_int_equal(u->recent[i], e->item);
        assert_int_equal(u->recent_us[i], e->ts_us);
        assert_int_equal(u->recent_type[i], e->type);
    }
    for (uint32_t i = 0; i < 8; i++)
        assert_int_equal(user_state_bought(u, i), p->bought[i]);
    for (uint32_t i = 1; i < u->n_purchased; i++)
        assert_true(u->purchased[i - 1].item < u->purchased[i].item);
    user_states_unlock(s, user);
}

static void test_user_state__holds_the_newest_events_in_time_order(void **state)
{
    (void)state;
    static const uint32_t users[] = {0, 1, 63, 64, 129};
    struct user_states *s = states_new(RECENT, 0);
    struct plain *plain = calloc(5, sizeof(*plain));
    struct rng r;
    rng_init(&r, 3, 0);
    for (int i = 0; i < EVENTS; i++) {
        const uint32_t who = rng_below(&r, 5);
        struct event e = {.user = users[who],
                          .item = rng_below(&r, 20) ? rng_below(&r, 8) : NAMES_NONE,
                          .type = rng_below(&r, EVENT_KNOWN_TYPES + 2),
                          .ts_us = i / 3};
        if (e.type == EVENT_REFUND && plain[who].n > RECENT)
            e.type = EVENT_VIEW; /* a purchase before the window cannot be told apart */
        else if (plain[who].n < RECENT && rng_below(&r, 10) == 0)
            e.ts_us -= rng_below(&r, 400) %
                       (uint32_t)(i / 3 + 1); /* late, while all is in view */
        plain_apply(&plain[who], &e);
        assert_int_equal(user_states_apply(s, &e, NULL), PENCHANT_OK);
        if (i % 97 == 0)
            for (uint32_t u = 0; u < 5; u++)
                compare(s, users[u], &plain[u]);
    }
    assert_true(plain[0].n > 2 * RECENT); /* the window slid around more than once */
    for (uint32_t u = 0; u < 5; u++)
        compare(s, users[u], &plain[u]);
    assert_null(user_states_lock(s, 2));
    assert_null(user_states_lock(s, 4000000));
    user_states_free(s);
    free(plain);
}

static void test_user_state__an_event_older_than_the_window_is_only_counted(void **state)
{
    (void)state;
    struct user_states *s = states_new(0, 0);
    for (int i = 0; i < 300; i++)
        apply(s, 7, (uint32_t)i, EVENT_VIEW, 1000 + i);
    apply(s, 7, 999, EVENT_VIEW, 5);
    const struct user_state *u = user_states_peek(s, 7);
    assert_int_equal(u->n_recent, USER_STATES_RECENT_MIN);
    assert_int_equal(u->recent[0], 300 - USER_STATES_RECENT_MIN);
    assert_int_equal(u->wanted, 301);
    assert_int_equal(u->first_us, 5);
    assert_int_equal(user_state_position(u, 1299), USER_STATES_RECENT_MIN);
    assert_int_equal(user_state_position(u, 1298), USER_STATES_RECENT_MIN - 1);
    assert_int_equal(user_state_position(u, 0), 0);
    assert_int_equal(user_state_position(NULL, 0), 0);
    user_states_free(s);
}

static void test_user_state__what_purchases_cost_is_added_up(void **state)
{
    (void)state;
    struct user_states *s = states_new(0, 0);
    struct event e = {.item = 4, .type = EVENT_PURCHASE, .value = 10, .quantity = 2};
    assert_int_equal(user_states_apply(s, &e, NULL), PENCHANT_OK);
    e.quantity = NAN;
    e.value = 5;
    assert_int_equal(user_states_apply(s, &e, NULL), PENCHANT_OK);
    const struct user_state *u = user_states_peek(s, 0);
    assert_int_equal(u->purchased[0].count, 2);
    assert_true(fabsf(u->purchased[0].spent - 25) < 1e-4F);
    e.type = EVENT_REFUND;
    assert_int_equal(user_states_apply(s, &e, NULL), PENCHANT_OK);
    assert_true(fabsf(u->purchased[0].spent - 12.5F) < 1e-4F); /* which one is not kept */
    e.type = EVENT_PURCHASE;
    e.item = 5;
    e.value = NAN;
    assert_int_equal(user_states_apply(s, &e, NULL), PENCHANT_OK);
    assert_true(u->purchased[1].spent == 0); /* not told */
    user_states_free(s);
}

static void test_user_state__a_refund_cancels_one_purchase(void **state)
{
    (void)state;
    struct user_states *s = states_new(0, 0);
    apply(s, 1, 5, EVENT_PURCHASE, 10);
    apply(s, 1, 6, EVENT_PURCHASE, 11);
    apply(s, 1, 5, EVENT_PURCHASE, 12);
    assert_false(apply(s, 1, 9, EVENT_REFUND, 13));
    assert_true(apply(s, 1, 5, EVENT_REFUND, 14));
    const struct user_state *u = user_states_peek(s, 1);
    assert_int_equal(user_state_bought(u, 5), 1);
    assert_int_equal(u->n_recent, 2);
    assert_int_equal(u->recent_us[0], 10); /* the newest one went */
    assert_true(apply(s, 1, 5, EVENT_REFUND, 15));
    assert_false(apply(s, 1, 5, EVENT_REFUND, 16));
    assert_int_equal(user_state_bought(user_states_peek(s, 1), 5), 0);
    assert_int_equal(user_state_bought(user_states_peek(s, 1), 6), 1);
    user_states_free(s);
}

static void test_user_state__erasure_brings_it_back_to_nothing(void **state)
{
    (void)state;
    struct user_states *s = states_new(0, 1 << 20);
    uint64_t n, bytes;
    apply(s, 3, 1, EVENT_PURCHASE, 1);
    user_states_lock(s, 3);
    assert_true(user_states_cache(s, 3, malloc(8), 1, 1, 8));
    user_states_unlock(s, 3);
    user_states_erase(s, 3);
    user_states_erase(s, 3);
    user_states_erase(s, 100000);
    assert_int_equal(freed, 1);
    assert_null(user_states_peek(s, 3));
    user_states_cache_stats(s, &n, &bytes);
    assert_int_equal(n, 0);
    assert_int_equal(bytes, 0);
    apply(s, 3, 1, EVENT_VIEW, 1);
    assert_int_equal(user_states_peek(s, 3)->events, 1);
    user_states_free(s);
}

/* ---- cached encoder states ---- */

static void cache(struct user_states *s, uint32_t user, size_t bytes)
{
    assert_non_null(user_states_lock(s, user));
    assert_true(user_states_cache(s, user, malloc(8), 1, 1, bytes));
    user_states_unlock(s, user);
}

static bool is_cached(struct user_states *s, uint32_t user)
{
    return user_states_peek(s, user)->encoder != NULL;
}

static void test_user_state__the_least_recently_used_cache_goes_first(void **state)
{
    (void)state;
    struct user_states *s = states_new(0, 64 * 10000); /* 10000 a shard */
    uint64_t n, bytes;
    for (uint32_t i = 0; i < 5; i++)
        apply(s, i * 64, 1, EVENT_VIEW, 1); /* one shard */
    apply(s, 1, 1, EVENT_VIEW, 1);          /* another one */
    cache(s, 1, 9000);
    cache(s, 0, 4000);
    cache(s, 64, 4000);
    user_states_lock(s, 0);
    user_states_cache_used(s, 0, 1);
    user_states_unlock(s, 0);
    cache(s, 128, 4000);
    assert_true(is_cached(s, 0));
    assert_false(is_cached(s, 64));
    assert_true(is_cached(s, 128));
    cache(s, 128, 100); /* replaces */
    assert_int_equal(freed, 2);
    cache(s, 192, 20000); /* larger than the bound: alone */
    assert_false(is_cached(s, 0));
    assert_false(is_cached(s, 128));
    assert_true(is_cached(s, 192));
    assert_true(is_cached(s, 1));
    user_states_cache_stats(s, &n, &bytes);
    assert_int_equal(n, 2);
    assert_true(bytes >= 29000 && bytes < 29000 + 2 * 200);
    user_states_cache_clear(s);
    assert_int_equal(freed, 6);
    user_states_cache_stats(s, &n, &bytes);
    assert_int_equal(n + bytes, 0);
    user_states_free(s);
}

static void test_user_state__a_cache_goes_when_the_past_changes(void **state)
{
    (void)state;
    struct user_states *s = states_new(0, 1 << 20);
    apply(s, 1, 1, EVENT_PURCHASE, 10);
    apply(s, 1, 2, EVENT_VIEW, 20);
    cache(s, 1, 8);
    apply(s, 1, 3, EVENT_VIEW, 20); /* the last in time: what is cached stays good */
    apply(s, 1, 3, EVENT_IMPRESSION, 5);
    apply(s, 1, 9, EVENT_REFUND, 30);
    assert_true(is_cached(s, 1));
    apply(s, 1, 3, EVENT_VIEW, 15);
    assert_false(is_cached(s, 1));
    cache(s, 1, 8);
    apply(s, 1, 1, EVENT_REFUND, 30);
    assert_false(is_cached(s, 1));
    assert_int_equal(freed, 2);
    user_states_free(s);
}

static void *read_states(void *arg)
{
    struct user_states *s = arg;
    uint64_t sum = 0;
    for (int i = 0; i < 20000; i++) {
        const uint32_t user = (uint32_t)i % 256;
        struct user_state *u = user_states_lock(s, user);
        if (!u)
            continue;
        for (uint32_t k = 0; k < u->n_recent; k++)
            sum += u->recent[k] == user % 251;
        assert_int_equal(u->n_recent < 256 ? u->n_recent : u->wanted, u->wanted);
        if (!u->encoder)
            user_states_cache(s, user, malloc(8), 1, u->wanted, 5000);
        else
            user_states_cache_used(s, user, u->wanted);
        user_states_unlock(s, user);
    }
    return (void *)(uintptr_t)(sum + 1);
}

static void test_user_state__may_be_read_while_events_come(void **state)
{
    (void)state;
    struct user_states *s = states_new(0, 64 * 20000);
    pthread_t reader[2];
    for (int i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&reader[i], NULL, read_states, s), 0);
    for (int i = 0; i < 40000; i++)
        apply(s, (uint32_t)i % 256, (uint32_t)i % 256 % 251, EVENT_VIEW, i);
    for (int i = 0; i < 2; i++)
        pthread_join(reader[i], NULL);
    for (uint32_t user = 0; user < 256; user++)
        assert_int_equal(user_states_peek(s, user)->events, 40000 / 256 + (user < 64));
    user_states_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_user_state__holds_the_newest_events_in_time_order),
        cmocka_unit_test(test_user_state__an_event_older_than_the_window_is_only_counted),
        cmocka_unit_test(test_user_state__what_purchases_cost_is_added_up),
        cmocka_unit_test(test_user_state__a_refund_cancels_one_purchase),
        cmocka_unit_test(test_user_state__erasure_brings_it_back_to_nothing),
        cmocka_unit_test(test_user_state__the_least_recently_used_cache_goes_first),
        cmocka_unit_test(test_user_state__a_cache_goes_when_the_past_changes),
        cmocka_unit_test(test_user_state__may_be_read_while_events_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
