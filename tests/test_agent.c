/* SPDX-License-Identifier: Apache-2.0 */
/* The protocol of `penchant agent`, with an actor that notes what it is told; and the engine
   as an actor where what is right is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/rng.h"
#include "lab/agent.h"
#include "near.h"

/* ---- an actor that notes ----------------------------------------------------------- */

struct note {
    uint64_t seed, id;
    uint32_t created, destroyed, resets, events, impressions, asked, fed, user, k, item;
    uint32_t n_candidates, dim, n_context, n, slate;
    float last, reward[ACTOR_MOST_SLATE];
    double ts;
    bool done;
    char type[32];
};
static struct note note;

static void *note_create(uint64_t seed, const struct actor_catalog *c)
{
    note.created++;
    note.seed = seed;
    note.n = c->n;
    note.slate = c->slate;
    note.last = c->features ? c->features[(size_t)c->n * c->dim - 1] : -1;
    return &note;
}

static void note_destroy(void *state)
{
    ((struct note *)state)->destroyed++;
}

static void note_reset(void *state, uint32_t user)
{
    (void)state;
    note.resets++;
    note.user = user;
}

static void note_event(void *state, uint32_t user, const struct actor_event *e)
{
    (void)state;
    note.events++;
    note.user = user;
    note.item = e->item;
    note.ts = e->ts;
    snprintf(note.type, sizeof(note.type), "%s", e->type);
}

static void note_impression(void *state, uint32_t user, const uint32_t *item,
                            const float *reward, uint32_t n)
{
    (void)state;
    note.impressions++;
    note.user = user;
    note.item = item[n - 1];
    note.last = reward[n - 1];
}

static void note_recommend(void *state, const struct actor_request *r, uint32_t *item,
                           double *p)
{
    (void)state;
    note.asked++;
    note.id = r->id;
    note.user = r->user;
    note.k = r->k;
    note.n_candidates = r->n_candidates;
    note.dim = r->candidate_dim;
    note.n_context = r->n_context;
    note.last = r->n_context ? r->context[r->n_context - 1] : -1;
    note.ts = r->ts;
    for (uint32_t j = 0; j < r->k; j++) {
        item[j] = r->k - 1 - j;
        p[j] = 1. / (1 + j);
    }
}

static void note_feedback(void *state, uint64_t id, uint32_t user, const float *reward,
                          uint32_t k, bool done)
{
    (void)state;
    note.fed++;
    note.id = id;
    note.user = user;
    note.k = k;
    note.done = done;
    memcpy(note.reward, reward, k * sizeof(*reward));
}

static const struct actor_ops noter = {.name = "noter",
                                       .create = note_create,
                                       .destroy = note_destroy,
                                       .reset = note_reset,
                                       .event = note_event,
                                       .impression = note_impression,
                                       .recommend = note_recommend,
                                       .feedback = note_feedback};

struct talk {
    struct agent *a;
    struct buf answer;
    struct penchant_error err;
    bool end;
};

static void begin(struct talk *t, const struct actor_ops *ops)
{
    memset(&note, 0, sizeof(note));
    memset(t, 0, sizeof(*t));
    buf_init(&t->answer, 1 << 16);
    t->a = agent_new(ops, 7, 3);
    assert_non_null(t->a);
}

static void finish(struct talk *t)
{
    agent_free(t->a);
    buf_release(&t->answer);
}

static int say(struct talk *t, const char *line)
{
    t->err = (struct penchant_error){0};
    buf_clear(&t->answer);
    return agent_line(t->a, line, strlen(line), &t->answer, &t->end, &t->err);
}

static void good(struct talk *t, const char *line, const char *answer)
{
    if (say(t, line))
        fail_msg("%s: %s", line, t->err.text);
    assert_string_equal(t->answer.data, answer);
}

static void bad(struct talk *t, const char *line, const char *why)
{
    assert_int_equal(say(t, line), PENCHANT_EINVALID);
    if (strncmp(t->err.text, why, strlen(why)) != 0)
        fail_msg("%s: says '%s' and not '%s'", line, t->err.text, why);
    assert_int_equal(t->answer.len, 0);
}

/* ---- the protocol ------------------------------------------------------------------ */

static void test_agent__every_operation_reaches_the_actor(void **state)
{
    (void)state;
    struct talk t;
    begin(&t, &noter);
    good(&t,
         "{\"op\":\"catalog\",\"n\":3,\"dim\":2,\"features\":[[1,2],[3,4],[5,6.5]],"
         "\"slate\":2}",
         "");
    assert_int_equal(note.created, 0); /* not before it is needed */
    good(&t, "{\"op\":\"reset\",\"user\":\"u7\"}", "");
    assert_int_equal(note.created, 1);
    assert_int_equal(note.seed, 7);
    assert_int_equal(note.n, 3);
    assert_int_equal(note.slate, 2);
    assert_true(note.last == 6.5f);
    assert_int_equal(note.resets, 1);
    good(&t, "{\"op\":\"event\",\"user\":\"u8\",\"type\":\"view\",\"item\":2,\"ts\":3.5}",
         "");
    assert_int_equal(note.user, 1);
    assert_int_equal(note.item, 2);
    assert_string_equal(note.type, "view");
    good(&t, "{\"op\":\"impression\",\"user\":\"u7\",\"items\":[0,1],\"reward\":[0,2]}",
         "");
    assert_int_equal(note.user, 0);
    assert_int_equal(note.item, 1);
    assert_true(note.last == 2);
    good(&t, "{\"op\":\"recommend\",\"id\":9,\"user\":\"u7\"}",
         "{\"id\":9,\"items\":[1,0],\"p\":[1,0.5]}\n");
    assert_near(note.ts, 3.5, 0); /* the time of what came before */
    good(&t, "{\"op\":\"feedback\",\"id\":9,\"reward\":[0,4],\"done\":true}", "");
    assert_int_equal(note.fed, 1);
    assert_int_equal(note.id, 1);
    assert_true(note.done && note.reward[1] == 4);
    assert_false(t.end);
    good(&t, "{\"op\":\"end\"}", "");
    assert_true(t.end);
    finish(&t);
    assert_int_equal(note.destroyed, 1);
}

static void test_agent__candidates_do_without_a_catalogue(void **state)
{
    (void)state;
    struct talk t;
    begin(&t, &noter);
    bad(&t, "{\"op\":\"recommend\",\"id\":1,\"user\":\"a\"}", "candidates:");
    good(&t,
         "{\"op\":\"recommend\",\"id\":\"x\\\"y\",\"user\":\"a\",\"k\":5,\"ts\":4,"
         "\"candidates\":[[1,0],[0,1]],\"context\":[7,8,9]}",
         "{\"id\":\"x\\\"y\",\"items\":[1,0],\"p\":[1,0.5]}\n");
    assert_int_equal(note.n_candidates, 2);
    assert_int_equal(note.dim, 2);
    assert_int_equal(note.n_context, 3);
    assert_true(note.last == 9);
    /* Their shape holds from then on. */
    bad(&t, "{\"op\":\"recommend\",\"id\":2,\"user\":\"a\",\"candidates\":[[1,0,0]]}",
        "candidates[0]:");
    bad(&t,
        "{\"op\":\"recommend\",\"id\":2,\"user\":\"a\",\"candidates\":[[1,0]],"
        "\"context\":[7]}",
        "context:");
    finish(&t);
}

static void test_agent__feedback_is_joined_by_id(void **state)
{
    (void)state;
    struct talk t;
    begin(&t, &noter);
    good(&t, "{\"op\":\"catalog\",\"n\":10,\"dim\":0,\"features\":null}", "");
    assert_int_equal(say(&t, "{\"op\":\"recommend\",\"id\":5,\"user\":\"a\"}"), 0);
    assert_int_equal(
        say(&t, "{\"op\":\"recommend\",\"id\":\"5\",\"user\":\"b\",\"k\":2}"), 0);
    good(&t, "{\"op\":\"feedback\",\"id\":5,\"reward\":[1]}", "");
    assert_int_equal(note.user, 0);
    assert_int_equal(note.k, 3); /* what is missing earned nothing */
    assert_true(note.reward[0] == 1 && note.reward[1] == 0 && note.reward[2] == 0);
    bad(&t, "{\"op\":\"feedback\",\"id\":5,\"reward\":[1]}", "id: no recommendation");
    bad(&t, "{\"op\":\"feedback\",\"id\":\"5\",\"reward\":[1,0,0]}", "reward: has 3");
    good(&t, "{\"op\":\"feedback\",\"id\":\"5\",\"reward\":[1,0]}", "");
    assert_int_equal(note.user, 1);
    assert_int_equal(note.id, 2);
    assert_int_equal(note.fed, 2);
    /* The oldest of very many are forgotten, and no more memory is taken. */
    char line[96];
    for (int i = 0; i < 3 * AGENT_MOST_OPEN; i++) {
        snprintf(line, sizeof(line), "{\"op\":\"recommend\",\"id\":%d,\"user\":\"a\"}",
                 1000 + i);
        assert_int_equal(say(&t, line), 0);
    }
    bad(&t, "{\"op\":\"feedback\",\"id\":1000,\"reward\":[]}", "id:");
    good(&t, line, t.answer.data);
    snprintf(line, sizeof(line), "{\"op\":\"feedback\",\"id\":%d,\"reward\":[]}",
             1000 + 3 * AGENT_MOST_OPEN - 1);
    good(&t, line, "");
    finish(&t);
}

static void test_agent__bad_lines_change_nothing(void **state)
{
    (void)state;
    struct talk t;
    begin(&t, &noter);
    good(&t, "{\"op\":\"catalog\",\"n\":4,\"dim\":1,\"features\":null}", "");
    good(&t, "{\"op\":\"reset\",\"user\":\"a\"}", "");
    const struct note before = note;
    bad(&t, "{\"op\":\"catalog\",\"n\":-1}", "n:");
    bad(&t, "{\"op\":\"catalog\",\"n\":2,\"features\":[[1],[2,3]]}", "features[1]:");
    bad(&t, "{\"op\":\"catalog\",\"n\":2,\"features\":[[1],[\"a\"]]}", "features:");
    bad(&t, "{\"op\":\"catalog\",\"n\":2,\"slate\":101}", "slate:");
    bad(&t, "{\"op\":\"event\",\"user\":\"b\",\"type\":\"view\",\"item\":4}", "item:");
    bad(&t, "{\"op\":\"event\",\"user\":7,\"type\":\"view\",\"item\":1}", "user:");
    bad(&t, "{\"op\":\"impression\",\"user\":\"b\",\"items\":[1,2],\"reward\":[1]}",
        "reward:");
    bad(&t, "{\"op\":\"impression\",\"user\":\"b\",\"items\":[1],\"reward\":[1e10]}",
        "reward[0]:");
    bad(&t, "{\"op\":\"recommend\",\"id\":1.5,\"user\":\"b\"}", "id:");
    bad(&t, "{\"op\":\"recommend\",\"id\":1,\"id\":2,\"user\":\"b\"}", "");
    bad(&t, "{\"op\":\"recommend\",\"id\":1,\"user\":\"b\",\"k\":2.5}", "k:");
    bad(&t, "{\"op\":\"feedback\",\"id\":1,\"reward\":[0],\"done\":1}", "done:");
    bad(&t, "nonsense", "");
    assert_memory_equal(&note, &before, sizeof(note));
    /* The catalogue is the one from before. */
    good(&t, "{\"op\":\"event\",\"user\":\"a\",\"type\":\"view\",\"item\":3}", "");
    assert_int_equal(note.created, 1);
    finish(&t);
}

static void test_agent__a_second_catalogue_is_a_new_world(void **state)
{
    (void)state;
    struct talk t;
    begin(&t, &noter);
    good(&t, "{\"op\":\"catalog\",\"n\":4}", "");
    assert_int_equal(say(&t, "{\"op\":\"recommend\",\"id\":1,\"user\":\"a\"}"), 0);
    good(&t, "{\"op\":\"catalog\",\"n\":2}", "");
    assert_int_equal(note.destroyed, 1);
    bad(&t, "{\"op\":\"feedback\",\"id\":1,\"reward\":[0]}", "id:");
    good(&t, "{\"op\":\"reset\",\"user\":\"a\"}", "");
    assert_int_equal(note.created, 2);
    assert_int_equal(note.n, 2);
    finish(&t);
}

/* ---- the engine behind it ---------------------------------------------------------- */

/* Plays `steps` lists of k in a small world; returns what was clicked in the last half. */
static double play(const char *policy, uint64_t seed, uint32_t steps, uint32_t k,
                   double (*chance)(uint32_t item, double x), double *product)
{
    enum { N = 12 };
    const struct actor_ops *ops = actor_find(policy);
    const struct actor_catalog c = {.n = N, .slate = k};
    void *engine = ops->create(seed, &c);
    struct rng r;
    double clicks = 0;
    rng_init(&r, 99, 0);
    *product = 0;
    ops->reset(engine, 0);
    for (uint32_t s = 0; s < steps; s++) {
        const float x[] = {rng_normal(&r)};
        const struct actor_request q = {
            .id = s + 1, .user = 0, .k = k, .context = x, .n_context = 1, .ts = s};
        uint32_t item[ACTOR_MOST_SLATE];
        double p[ACTOR_MOST_SLATE];
        float reward[ACTOR_MOST_SLATE];
        ops->recommend(engine, &q, item, p);
        for (uint32_t j = 0; j < k; j++) {
            assert_true(item[j] < N && p[j] > 0 && p[j] <= 1);
            for (uint32_t i = 0; i < j; i++)
                assert_int_not_equal(item[i], item[j]);
            reward[j] = rng_double(&r) < chance(item[j], (double)x[0]) ? 1 : 0;
            clicks += s >= steps / 2 ? (double)reward[j] : 0;
            *product += log(p[j]) * (s + 1);
        }
        ops->feedback(engine, s + 1, 0, reward, k, false);
    }
    ops->destroy(engine);
    return clicks / (steps - steps / 2) / k;
}

static double by_context(uint32_t item, double x)
{
    return item == 3 ? (x > 0 ? .9 : .1) : item == 5 ? (x > 0 ? .1 : .9) : .2;
}

static void test_actor_engine__finds_what_the_moment_asks_for(void **state)
{
    (void)state;
    double product, again, other;
    const double rate = play("engine", 1, 3000, 1, by_context, &product);
    assert_true(rate > .75); /* either arm alone gets .5, the best one .9 */
    assert_near(play("engine", 1, 3000, 1, by_context, &again), rate, 0);
    assert_true(product == again); /* bit for bit */
    play("engine", 2, 3000, 1, by_context, &other);
    assert_true(product != other);
    /* What is no longer learned stays as it was after the first lists. */
    assert_true(play("engine-no-exploration", 1, 3000, 1, by_context, &product) > .5);
    assert_near(product, 0, 0); /* nothing was drawn */
}

static double never(uint32_t item, double x)
{
    (void)item;
    (void)x;
    return 0;
}

static void test_actor_engine__nothing_ever_clicked_leaves_it_sane(void **state)
{
    (void)state;
    double product;
    assert_near(play("engine", 1, 2000, 4, never, &product), 0, 0);
    assert_true(isfinite(product));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agent__every_operation_reaches_the_actor),
        cmocka_unit_test(test_agent__candidates_do_without_a_catalogue),
        cmocka_unit_test(test_agent__feedback_is_joined_by_id),
        cmocka_unit_test(test_agent__bad_lines_change_nothing),
        cmocka_unit_test(test_agent__a_second_catalogue_is_a_new_world),
        cmocka_unit_test(test_actor_engine__finds_what_the_moment_asks_for),
        cmocka_unit_test(test_actor_engine__nothing_ever_clicked_leaves_it_sane),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
