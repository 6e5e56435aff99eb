/* SPDX-License-Identifier: Apache-2.0 */
/* Critics: the loss against numbers of another implementation and finite differences, the
   fixed points of small chains against dynamic programming, what is kept and refused. */
#include "model_fixture.h"

#include <unistd.h>

#include "learn/critic_train.h"
#include "model/checkpoint.h"
#include "near.h"

/* ---- against another implementation ---- */

static void test_critic__the_loss_is_that_of_the_reference(void **state)
{
    (void)state;
    struct golden g;
    size_t n, n_shape, n_batch, size;
    golden_open(&g, "critic");
    const float *opt = golden_find(&g, "options", &n);
    const float *shape = golden_find(&g, "shape", &n_shape);
    const float *rows = golden_find(&g, "batch", &n_batch);
    assert_int_equal(n, 5);
    assert_int_equal(n_shape, 7);
    const struct critic_form form = {(uint32_t)shape[0], (uint32_t)shape[1],
                                     (uint32_t)shape[2]};
    const uint32_t batch = (uint32_t)shape[5], each = (uint32_t)shape[6];
    struct critic_transition at[8] = {0};
    uint32_t pick[8], negative[64];
    assert_int_equal(n_batch, batch * (5 + each));
    for (uint32_t i = 0; i < batch; i++, rows += 5 + each) {
        pick[i] = i;
        at[i].state = (uint32_t)rows[0];
        at[i].next = (uint32_t)rows[1];
        at[i].item = (uint32_t)rows[2];
        at[i].reward[CRITIC_ENGAGEMENT] = rows[3];
        at[i].discount[CRITIC_ENGAGEMENT] = rows[4];
        for (uint32_t j = 0; j < each; j++)
            negative[i * each + j] = (uint32_t)rows[5 + j];
    }
    const struct critic_data d = {
        .inputs = form.inputs,
        .dim = form.dim,
        .n_items = (uint32_t)shape[4],
        .n_states = (size_t)shape[3],
        .state = (float *)(uintptr_t)golden_find(&g, "states", &n),
        .item = (float *)(uintptr_t)golden_find(&g, "items", &n),
        .at = at,
        .n = batch,
        .n_train = batch};
    const struct critic_lesson l = {.form = &form,
                                    .objective = CRITIC_ENGAGEMENT,
                                    .gamma = opt[0],
                                    .scale = opt[1],
                                    .param = golden_find(&g, "param", &size),
                                    .target = golden_find(&g, "target", &n)};
    const struct critic_options o = {.expectile = opt[2],
                                     .conservative = opt[3],
                                     .negative_weight = opt[4],
                                     .negatives = each};
    const struct critic_batch b = {
        .data = &d, .n = batch, .pick = pick, .negative = negative};
    assert_int_equal(size, critic_size(&form));
    EACH_LEVEL(level)
    {
        float *grad = calloc(size, sizeof *grad);
        struct critic_work *w = critic_work_new(&form, batch, each);
        const double loss = critic_loss(w, &l, &b, &o, grad);
        assert_near((double)golden_find(&g, "loss", &n)[0], loss, 1e-5);
        const float *expected = golden_find(&g, "grad", &n);
        for (size_t i = 0; i < size; i++)
            assert_near((double)expected[i], (double)grad[i], 2e-5);
        critic_work_free(w);
        free(grad);
    }
    golden_close(&g);
}

/* ---- small worlds of one-hot states and items ---- */

enum { CHAIN = 5, ACTIONS = 3, EACH = 40 };

/* Action 0 goes right, 1 stays, 2 goes back to the start; the last state's action 0 is
   worth 1 and starts again. Action 1 earns a little. */
static uint32_t step_of(uint32_t s, uint32_t a)
{
    return a == 0 ? (s + 1) % CHAIN : a == 1 ? s : 0;
}

static float reward_of_step(uint32_t s, uint32_t a)
{
    return a == 0 ? (s == CHAIN - 1 ? 1.0F : 0.0F) : a == 1 ? 0.05F : 0.0F;
}

/* Every choice in every state; how often is `count[action]`. */
static struct critic_data chain_data(float gamma, const uint32_t count[ACTIONS])
{
    struct critic_data d = {.inputs = CHAIN + 1,
                            .dim = ACTIONS,
                            .n_items = ACTIONS,
                            .n_states = CHAIN,
                            .state = calloc(CHAIN * (CHAIN + 1), sizeof(float)),
                            .item = calloc(ACTIONS * ACTIONS, sizeof(float)),
                            .at = calloc(CHAIN * ACTIONS * EACH, sizeof *d.at)};
    for (uint32_t s = 0; s < CHAIN; s++)
        d.state[s * (CHAIN + 1) + s] = 1;
    for (uint32_t a = 0; a < ACTIONS; a++)
        d.item[a * ACTIONS + a] = 1;
    for (uint32_t s = 0; s < CHAIN; s++)
        for (uint32_t a = 0; a < ACTIONS; a++)
            for (uint32_t i = 0; i < count[a]; i++) {
                struct critic_transition *t = &d.at[d.n++];
                t->state = s;
                t->item = a;
                t->next = step_of(s, a);
                for (int o = 0; o < CRITIC_OBJECTIVES; o++) {
                    t->reward[o] = reward_of_step(s, a);
                    t->discount[o] = gamma;
                }
            }
    d.n_train = d.n;
    return d;
}

/* The tau-expectile of q under the weights: where tau sum w (q - e)+ = (1 - tau) sum w
   (e - q)+. tau = 1: the maximum. */
static double expectile(const double *q, const uint32_t *w, double tau)
{
    double low = q[0], high = q[0];
    for (int a = 1; a < ACTIONS; a++) {
        low = fmin(low, q[a]);
        high = fmax(high, q[a]);
    }
    if (tau >= 1)
        return high;
    for (int i = 0; i < 80; i++) {
        const double e = 0.5 * (low + high);
        double up = 0, down = 0;
        for (int a = 0; a < ACTIONS; a++) {
            up += w[a] * fmax(0, q[a] - e);
            down += w[a] * fmax(0, e - q[a]);
        }
        if (tau * up > (1 - tau) * down)
            low = e;
        else
            high = e;
    }
    return low;
}

/* Q(s, a) = r + gamma V(s'), V the expectile of what is chosen: by iteration. */
static void solve(double gamma, const uint32_t *count, double tau,
                  double q[CHAIN][ACTIONS])
{
    double v[CHAIN] = {0};
    for (int i = 0; i < 2000; i++) {
        for (uint32_t s = 0; s < CHAIN; s++)
            for (uint32_t a = 0; a < ACTIONS; a++)
                q[s][a] = (double)reward_of_step(s, a) + gamma * v[step_of(s, a)];
        for (uint32_t s = 0; s < CHAIN; s++)
            v[s] = expectile(q[s], count, tau);
    }
}

/* Learns the chain; the minimum of the twins into q. */
static void learn_chain(const struct critic_data *d, float gamma, float tau,
                        uint32_t steps, double q[CHAIN][ACTIONS])
{
    const struct critic_form form = {.dim = ACTIONS, .inputs = CHAIN + 1, .hidden = 0};
    struct critic *c = critic_new(&form);
    struct critic_head *head = &c->head[CRITIC_PURCHASE];
    struct critic_learner l;
    struct critic_train_options o = {.loss = {.expectile = tau},
                                     .rate = 0.02F,
                                     .polyak = 0.02F,
                                     .batch = 64,
                                     .seed = 3};
    head->why = CRITIC_GIVEN;
    head->gamma = gamma;
    critic_head_initialise(head, &form, d, CRITIC_PURCHASE, 3);
    head->scale = 0.5F;
    assert_int_equal(critic_learner_init(&l, &form, CRITIC_PURCHASE, head, &o), 0);
    for (uint32_t i = 0; i < steps; i++)
        critic_learner_step(&l, d, 1 - (float)i / (float)steps);
    critic_learner_release(&l);
    const float *item[ACTIONS];
    float out[CRITIC_OBJECTIVES * ACTIONS];
    for (uint32_t a = 0; a < ACTIONS; a++)
        item[a] = d->item + a * ACTIONS;
    for (uint32_t s = 0; s < CHAIN; s++) {
        assert_int_equal(critic_values(c, d->state + s * d->inputs, item, ACTIONS, out),
                         0);
        for (uint32_t a = 0; a < ACTIONS; a++) {
            q[s][a] = (double)out[a];
            assert_true(isnan(out[ACTIONS + a]));
        }
    }
    critic_free(c);
}

static void chain_free(struct critic_data *d)
{
    free(d->state);
    free(d->item);
    free(d->at);
}

static void check_chain(float tau, uint32_t steps, double tau_solved, double within)
{
    static const uint32_t count[ACTIONS] = {10, 20, 10};
    const float gamma = 0.8F;
    struct critic_data d = chain_data(gamma, count);
    double q[CHAIN][ACTIONS], expected[CHAIN][ACTIONS];
    learn_chain(&d, gamma, tau, steps, q);
    solve((double)gamma, count, tau_solved, expected);
    for (int s = 0; s < CHAIN; s++)
        for (int a = 0; a < ACTIONS; a++)
            assert_near(expected[s][a], q[s][a], within);
    chain_free(&d);
}

/* SARSA: the values of what is done. */
static void test_critic__at_one_half_it_is_the_value_of_what_is_done(void **state)
{
    (void)state;
    check_chain(0.5F, 6000, 0.5, 0.004);
}

static void test_critic__between_it_is_the_expectile(void **state)
{
    (void)state;
    check_chain(0.9F, 8000, 0.9, 0.006);
}

/* Q(s, a) = r + gamma max Q(s', a'), by dynamic programming. */
static void test_critic__towards_one_it_is_the_fixed_point_of_q_learning(void **state)
{
    (void)state;
    check_chain(0.999F, 16000, 1, 0.02);
}

/* With gamma .8: the chain from its start is worth .8^4 / (1 - .8^5); so the two solutions
   that are told apart here are not the same. */
static void test_critic__the_two_fixed_points_differ(void **state)
{
    (void)state;
    static const uint32_t count[ACTIONS] = {10, 20, 10};
    double done[CHAIN][ACTIONS], best[CHAIN][ACTIONS];
    solve(0.8, count, 0.5, done);
    solve(0.8, count, 1, best);
    assert_near(pow(0.8, 4) / (1 - pow(0.8, 5)), best[0][0], 1e-9);
    for (int s = 0; s < CHAIN; s++)
        assert_true(best[s][0] - done[s][0] > 0.1);
}

/* ---- training as a whole ---- */

/* Users who buy and users who look, told apart by their states; what they do next. */
static struct critic_data shop_data(uint32_t users)
{
    enum { STEPS = 12, ITEMS = 8 };
    struct critic_form form = critic_form_of(ITEMS);
    struct critic_data d = {.inputs = form.inputs,
                            .dim = ITEMS,
                            .n_items = ITEMS,
                            .n_states = (size_t)users * STEPS,
                            .state = calloc((size_t)users * STEPS * form.inputs, 4),
                            .item = calloc(ITEMS * ITEMS, sizeof(float)),
                            .at = calloc((size_t)users * STEPS, sizeof *d.at)};
    struct rng rng;
    rng_init(&rng, 11, 0);
    for (uint32_t i = 0; i < ITEMS; i++)
        d.item[i * ITEMS + i] = 1;
    for (int held = 0; held < 2; held++) {
        for (uint32_t u = 0; u < users; u++) {
            if (critic_held_out(u) != (held == 1))
                continue;
            const bool buys = u % 2;
            for (uint32_t s = 0; s < STEPS; s++) {
                const uint32_t at = u * STEPS + s;
                float *x = d.state + (size_t)at * form.inputs;
                x[buys] = 1;
                x[form.inputs - 1] = 1;
                struct critic_transition *t = &d.at[d.n++];
                *t = (struct critic_transition){.state = at,
                                                .next = s + 1 < STEPS ? at + 1 : at,
                                                .item = rng_below(&rng, ITEMS),
                                                .user = u};
                const float earned = buys && rng_below(&rng, 2) ? 1.0F : 0.0F;
                t->reward[CRITIC_PURCHASE] = earned;
                t->discount[CRITIC_PURCHASE] = s + 1 < STEPS ? 0.95F : 0;
            }
            float after = 0;
            for (uint32_t s = STEPS; s > 0; s--) {
                struct critic_transition *t = &d.at[d.n - STEPS + s - 1];
                after = t->reward[CRITIC_PURCHASE] + 0.95F * after;
                t->after[CRITIC_PURCHASE] = after;
            }
        }
        if (!held)
            d.n_train = d.n;
    }
    return d;
}

static struct critic *train_shop(const struct critic_data *d, uint32_t threads,
                                 uint32_t steps)
{
    struct critic_train_options o = critic_train_defaults(d->n_train);
    struct critic *c = NULL;
    struct pool *pool = pool_new(threads);
    o.steps = steps;
    assert_int_equal(critic_train(&c, d, &o, pool, NULL), PENCHANT_OK);
    pool_free(pool);
    return c;
}

static void test_critic__what_is_learned_holds_for_other_users(void **state)
{
    (void)state;
    struct critic_data d = shop_data(600);
    struct critic *c = train_shop(&d, 2, 1500);
    const struct critic_head *head = &c->head[CRITIC_PURCHASE];
    const struct critic_figures *f = &head->figures;
    assert_int_equal(head->why, CRITIC_GIVEN);
    assert_int_equal(c->head[CRITIC_ENGAGEMENT].why, CRITIC_UNLOGGED);
    assert_true(f->users > 40 && f->n == 12 * f->users);
    assert_true(f->spearman > 0.6F);
    assert_true(f->rmse < 0.8F * f->mean_rmse && f->rmse < 0.8F * f->rate_rmse);
    assert_true(f->gain > 4 * f->gain_error);
    double came = 0; /* of the users held out, and of nobody else */
    for (size_t i = d.n_train; i < d.n; i++)
        came += (double)d.at[i].after[CRITIC_PURCHASE];
    assert_near(came / (double)(d.n - d.n_train), (double)f->mean_return, 1e-5);
    float v[CRITIC_OBJECTIVES];
    size_t buyer = d.n_train;
    while (d.at[buyer].user % 2 == 0)
        buyer++;
    critic_state_values(c, d.state + (size_t)d.at[buyer].state * d.inputs, v);
    assert_true(v[CRITIC_PURCHASE] > 2 && v[CRITIC_PURCHASE] < 6);
    assert_true(isnan(v[CRITIC_ENGAGEMENT]));
    critic_free(c);
    chain_free(&d);
}

static void test_critic__any_number_of_threads_gives_the_same_bits(void **state)
{
    (void)state;
    struct critic_data d = shop_data(400);
    struct critic *a = train_shop(&d, 1, 300), *b = train_shop(&d, 3, 300);
    const size_t bytes = CRITIC_OBJECTIVES * critic_size(&a->form) * sizeof(float);
    assert_memory_equal(a->slab, b->slab, bytes);
    assert_memory_equal(&a->head[0].figures, &b->head[0].figures,
                        sizeof a->head[0].figures);
    critic_free(a);
    critic_free(b);
    chain_free(&d);
}

static void test_critic__little_to_learn_from_is_said(void **state)
{
    (void)state;
    struct critic_data d = shop_data(60);
    struct critic *c = train_shop(&d, 1, 300);
    for (int o = 0; o < CRITIC_OBJECTIVES; o++) {
        assert_int_equal(c->head[o].why, CRITIC_TOO_FEW);
        assert_non_null(critic_reason(c->head[o].why));
    }
    critic_free(c);
    chain_free(&d);
}

static int refuse(void *cookie, const char *what, uint64_t done, uint64_t total,
                  const char *detail)
{
    (void)detail;
    assert_string_equal(what, "values");
    assert_true(done <= total);
    return ++*(int *)cookie == 2;
}

static void test_critic__it_stops_when_asked(void **state)
{
    (void)state;
    struct critic_data d = shop_data(400);
    struct critic_train_options o = critic_train_defaults(d.n_train);
    struct critic *c = NULL;
    int asked = 0;
    struct pool *pool = pool_new(1);
    o.progress = refuse;
    o.cookie = &asked;
    assert_int_equal(critic_train(&c, &d, &o, pool, NULL), PENCHANT_EINTERRUPTED);
    assert_null(c);
    assert_int_equal(asked, 2);
    pool_free(pool);
    chain_free(&d);
}

static void test_critic__rank_correlation_shares_ranks_between_equals(void **state)
{
    (void)state;
    const float a[] = {1, 2, 2, 3}, b[] = {10, 30, 20, 40}, flat[] = {1, 1, 1, 1};
    double r;
    assert_int_equal(critic_spearman(a, b, 4, &r), 0);
    assert_near(4.5 / sqrt(4.5 * 5), r, 1e-12); /* ranks 1 2.5 2.5 4 and 1 3 2 4 */
    assert_int_equal(critic_spearman(a, flat, 4, &r), 0);
    assert_true(isnan(r));
}

/* ---- facts ---- */

static void test_critic__facts_know_kinds_visits_and_now(void **state)
{
    (void)state;
    enum { VIEW = 1, CART = 4 }; /* behaviour/event.h */
    const int64_t minute = 60000000;
    const uint8_t type[] = {VIEW, VIEW, CART};
    const int64_t ts[] = {0, 100 * minute, 101 * minute};
    float f[CRITIC_FACTS], g[CRITIC_FACTS];
    critic_facts(type, ts, 3, 3, 102 * minute, true, f);
    assert_near(1 / (1 + 0.8 + 0.64), (double)f[2], 1e-6); /* of carts, near */
    assert_near(1, (double)(f[0] + f[1] + f[2] + f[3] + f[4]), 1e-6);
    assert_near(1, (double)(f[5] + f[6] + f[7] + f[8] + f[9]), 1e-6);
    assert_near(log1p(2) / log1p(50), (double)f[12], 1e-6); /* two events of this visit */
    critic_facts(type, ts, 3, 3, 200 * minute, true, g);
    assert_true(g[12] == 0 && g[11] > f[11]); /* gone for long */
    critic_facts(type, ts, 3, 3, 200 * minute, false, g);
    assert_true(g[11] == 0);
    assert_near(log1p(3) / log1p(50), (double)g[12], 1e-6);
    uint8_t many[CRITIC_LOOK_BACK + 9] = {0};
    int64_t when[CRITIC_LOOK_BACK + 9] = {0};
    memset(many, CART, 9);
    memset(many + 9, VIEW, CRITIC_LOOK_BACK);
    critic_facts(many, when, CRITIC_LOOK_BACK + 9, 700, 0, true, f);
    critic_facts(many + 9, when + 9, CRITIC_LOOK_BACK, 700, 0, true, g);
    assert_memory_equal(f, g, sizeof f); /* what is older does not count */
}

/* ---- keeping ---- */

static struct model *small_model(uint32_t dim)
{
    const struct model_config c = {
        .dim = dim, .blocks = 1, .heads = 1, .max_length = 4, .n_items = 3};
    struct model *m = NULL;
    assert_int_equal(model_new(&m, &c, NULL, NULL, NULL), PENCHANT_OK);
    model_initialise(m, 1);
    return m;
}

static void save(const char *path, const struct critic *c, size_t most)
{
    struct critic_kept kept;
    struct checkpoint_extra extra[CRITIC_EXTRAS];
    struct model *m = small_model(8);
    const size_t n = critic_extras(c, &kept, extra);
    assert_int_equal(checkpoint_save(path, m, NULL, 0, extra, n < most ? n : most, NULL),
                     PENCHANT_OK);
    model_free(m);
}

static void test_critic__a_checkpoint_brings_it_back(void **state)
{
    (void)state;
    char path[] = "/tmp/penchant-critic-XXXXXX";
    close(mkstemp(path));
    struct critic_data d = shop_data(400);
    struct critic *c = train_shop(&d, 2, 100), *back = NULL;
    save(path, c, CRITIC_EXTRAS);
    assert_int_equal(critic_load(&back, path, 8, NULL), PENCHANT_OK);
    assert_non_null(back);
    for (int o = 0; o < CRITIC_OBJECTIVES; o++) {
        assert_int_equal(back->head[o].why, c->head[o].why);
        assert_true(back->head[o].gamma == c->head[o].gamma);
        assert_true(back->head[o].scale == c->head[o].scale);
    }
    assert_memory_equal(&back->head[0].figures, &c->head[0].figures,
                        sizeof c->head[0].figures);
    assert_memory_equal(back->head[0].param, c->head[0].param,
                        critic_size(&c->form) * sizeof(float));
    critic_free(back);

    assert_int_equal(critic_load(&back, path, 12, NULL), PENCHANT_OK);
    assert_null(back); /* of another width */
    save(path, c, 2);
    assert_int_equal(critic_load(&back, path, 8, NULL), PENCHANT_OK);
    assert_null(back); /* a tensor is missing */
    save(path, NULL, 0);
    assert_int_equal(critic_load(&back, path, 8, NULL), PENCHANT_OK);
    assert_null(back);
    c->head[0].scale = -1;
    save(path, c, CRITIC_EXTRAS);
    struct penchant_error err = {0};
    assert_int_equal(critic_load(&back, path, 8, &err), PENCHANT_ECORRUPT);
    assert_non_null(strstr(err.text, "values"));
    assert_null(back);
    unlink(path);
    critic_free(c);
    chain_free(&d);
}

static void test_critic__an_item_without_a_vector_has_no_value(void **state)
{
    (void)state;
    struct critic_data d = shop_data(400);
    struct critic *c = train_shop(&d, 1, 100);
    float longer[8] = {0}, out[3 * 3];
    longer[2] = 7;
    const float *item[] = {d.item + 2 * 8, NULL, longer};
    assert_int_equal(critic_values(c, d.state, item, 3, out), PENCHANT_OK);
    assert_true(isfinite(out[0]) && isnan(out[1]));
    assert_near((double)out[0], (double)out[2], 1e-5); /* its length does not count */
    critic_free(c);
    chain_free(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_critic__the_loss_is_that_of_the_reference,
                                  fixture_teardown),
        cmocka_unit_test(test_critic__at_one_half_it_is_the_value_of_what_is_done),
        cmocka_unit_test(test_critic__between_it_is_the_expectile),
        cmocka_unit_test(test_critic__towards_one_it_is_the_fixed_point_of_q_learning),
        cmocka_unit_test(test_critic__the_two_fixed_points_differ),
        cmocka_unit_test(test_critic__what_is_learned_holds_for_other_users),
        cmocka_unit_test(test_critic__any_number_of_threads_gives_the_same_bits),
        cmocka_unit_test(test_critic__little_to_learn_from_is_said),
        cmocka_unit_test(test_critic__it_stops_when_asked),
        cmocka_unit_test(test_critic__rank_correlation_shares_ranks_between_equals),
        cmocka_unit_test(test_critic__facts_know_kinds_visits_and_now),
        cmocka_unit_test(test_critic__a_checkpoint_brings_it_back),
        cmocka_unit_test(test_critic__an_item_without_a_vector_has_no_value),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
