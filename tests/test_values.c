/* SPDX-License-Identifier: Apache-2.0 */
/* The values that explain shows are those of the critic in the model's file, in the state
   that the model's own forward pass gives. */
#include "shop_fixture.h"

#include <math.h>
#include <string.h>

#include "behaviour/event.h"
#include "learn/critic.h"
#include "learn/train.h"
#include "model/checkpoint.h"
#include "near.h"

enum { USERS = 200, ITEMS = 15, EACH = 16, DIM = 8 };
#define MINUTE INT64_C(60000000)
#define START  INT64_C(1700000000000000)

/* The j-th event of user u, from numbers alone. */
static int item_of(int u, int j)
{
    return (u * 7 + j * (1 + u % 3)) % ITEMS;
}

static bool is_bought(int u, int j)
{
    return u % 2 && j % 3 == 2;
}

static int64_t time_of(int u, int j)
{
    return START + ((int64_t)u * 100 + (int64_t)j * 3 + j / 5 * 500) * MINUTE;
}

static void fill(struct penchant *p)
{
    static struct penchant_event e[EACH];
    for (int u = 0; u < USERS; u++) {
        char user[16], item[EACH][16];
        snprintf(user, sizeof user, "u%d", u);
        for (int j = 0; j < EACH; j++) {
            penchant_event_default(&e[j]);
            snprintf(item[j], sizeof item[j], "i%d", item_of(u, j));
            e[j].user_id = user;
            e[j].item_id = item[j];
            e[j].event = is_bought(u, j) ? "purchase" : "view";
            e[j].timestamp_us = time_of(u, j);
            if (is_bought(u, j))
                e[j].value = 5 + item_of(u, j);
        }
        ok(penchant_add_events(p, e, EACH, NULL, &err));
    }
}

static void train(const struct shop *s)
{
    struct penchant_train_options o;
    struct penchant_train_report report;
    penchant_train_options_default(&o);
    o.dir = s->dir;
    o.preset = "sasrec";
    o.content = "off";
    o.dim = DIM;
    o.blocks = o.heads = 1;
    o.max_length = 32;
    o.max_epochs = 2;
    ok(penchant_train(&o, &report, &err));
    for (int v = 0; v < PENCHANT_VALUES; v++)
        assert_null(report.value[v].reason);
}

/* The values of all items to user u at now_us, from the model's file alone. */
static void expect(const struct shop *s, int u, int64_t now_us,
                   double out[PENCHANT_VALUES][ITEMS], uint32_t number[ITEMS])
{
    char path[128];
    uint32_t item[EACH + 1], seen = 0;
    int of[ITEMS];
    uint8_t type[EACH + 1];
    int64_t ts[EACH + 1];
    uint64_t start[] = {0, EACH + 1};
    struct model *m = NULL;
    struct critic *c = NULL;
    snprintf(path, sizeof path, "%s/model/model.safetensors", s->dir);
    ok(checkpoint_load(&m, path, &err));
    ok(critic_load(&c, path, DIM, &err));
    assert_non_null(c);
    /* Items are numbered by first appearance. */
    memset(of, -1, sizeof of);
    for (int w = 0; w < USERS && seen < ITEMS; w++)
        for (int j = 0; j < EACH; j++)
            if (of[item_of(w, j)] < 0)
                of[item_of(w, j)] = (int)seen++;
    assert_int_equal(seen, ITEMS);
    for (int j = 0; j <= EACH; j++) {
        const int at = j < EACH ? j : 0; /* the last one is what is asked for */
        item[j] = (uint32_t)of[item_of(u, at)];
        type[j] = is_bought(u, at) ? EVENT_PURCHASE : EVENT_VIEW;
        ts[j] = j < EACH ? time_of(u, j) : now_us;
    }
    const struct history h = {.n_users = 1,
                              .n_items = ITEMS,
                              .n = EACH + 1,
                              .start = start,
                              .item = item,
                              .type = type,
                              .ts_us = ts,
                              .has_clock = true};
    const uint64_t asked = EACH;
    float query[DIM], facts[CRITIC_FACTS], x[DIM + CRITIC_FACTS + 1];
    float vectors[ITEMS * DIM], value[PENCHANT_VALUES * ITEMS];
    const float *row[ITEMS];
    struct pool *pool = pool_new(1);
    assert_int_equal(train_vectors(m, &h, &asked, 1, pool, query), PENCHANT_OK);
    pool_free(pool);
    critic_facts(type, ts, EACH, EACH, now_us, true, facts);
    critic_input(&c->form, query, facts, x);
    model_item_vectors(m, vectors);
    for (int i = 0; i < ITEMS; i++) {
        row[i] = vectors + (size_t)i * DIM;
        number[i] = (uint32_t)of[i];
    }
    assert_int_equal(critic_values(c, x, row, ITEMS, value), PENCHANT_OK);
    for (int v = 0; v < PENCHANT_VALUES; v++)
        for (int i = 0; i < ITEMS; i++)
            out[v][i] = (double)value[v * ITEMS + i];
    critic_free(c);
    model_free(m);
}

static void test_values__explain_shows_the_critic_s_in_this_state(void **state)
{
    const struct shop *s = *state;
    fill(s->p);
    train(s);
    struct penchant *p = open_shop(s, true); /* which has the model */
    double expected[PENCHANT_VALUES][ITEMS], spread = 0;
    uint32_t number[ITEMS];
    const int users[] = {0, 1, 77, 150};
    for (size_t i = 0; i < sizeof users / sizeof *users; i++) {
        const int64_t now = time_of(users[i], EACH) + (int64_t)i * 7 * MINUTE;
        struct penchant_request r;
        struct penchant_list *list = NULL;
        char user[16];
        snprintf(user, sizeof user, "u%d", users[i]);
        expect(s, users[i], now, expected, number);
        penchant_request_default(&r);
        r.user_id = user;
        r.k = ITEMS;
        r.explain = true;
        r.now_us = now;
        ok(penchant_recommend(p, &r, &list, &err));
        assert_int_equal(list->n, ITEMS);
        for (size_t k = 0; k < list->n; k++) {
            const uint32_t n = number[strtoul(list->items[k].item_id + 1, NULL, 10)];
            for (int v = 0; v < PENCHANT_VALUES; v++)
                assert_near(expected[v][n], list->items[k].value[v], 1e-4);
            spread = fmax(spread, fabs(expected[0][n] - expected[0][0]));
        }
        penchant_list_free(list);
        r.explain = false;
        ok(penchant_recommend(p, &r, &list, &err));
        assert_true(isnan(list->items[0].value[0]));
        penchant_list_free(list);
    }
    assert_true(spread > 1e-3); /* items do differ */
    penchant_close(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(
            test_values__explain_shows_the_critic_s_in_this_state, shop_set_up,
            shop_tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
