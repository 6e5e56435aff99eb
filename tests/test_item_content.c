/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Item vectors on frozen content: the map, gradients, the bound, what is never seen, and
 * that the encoder, the checkpoint and a new item agree on them.
 */
#include "model_fixture.h"

#include <unistd.h>

#include "behaviour/event.h"
#include "learn/optimiser.h"
#include "learn/train.h"
#include "learn/validate.h"
#include "model/checkpoint.h"
#include "model/encoder.h"
#include "model/item_content.h"

enum { N_ITEMS = 30, N_ATTRIBUTES = 4, N_EVENTS = 24 };

/* Content for all items but those of a multiple of 7. */
static float *make_content(uint32_t n, uint32_t space, uint32_t rank)
{
    struct rng rng;
    float *z = calloc((size_t)n * space, sizeof(*z)),
          *basis = malloc((size_t)rank * space * sizeof(*basis));
    assert_true(z && basis);
    rng_init(&rng, 11, space);
    for (uint32_t i = 0; i < rank * space; i++)
        basis[i] = rng_normal(&rng);
    for (uint32_t i = 0; i < n; i++) {
        float *row = z + (size_t)i * space;
        for (uint32_t j = 0; j < rank && i % 7; j++)
            kernels_get()->add_scaled(row, basis + (size_t)j * space, rng_normal(&rng),
                                      space);
        kernels_get()->scale(row, i % 7 ? model_unit_scale(row, space) : 0, space);
    }
    free(basis);
    return z;
}

static struct model *make_model(uint32_t space, bool attributes, bool normalise,
                                const float *z)
{
    const struct model_config c = {.dim = 16,
                                   .blocks = 2,
                                   .heads = 2,
                                   .max_length = 12,
                                   .ffn_dim = 8,
                                   .gated = true,
                                   .position = true,
                                   .gap = true,
                                   .normalise = normalise,
                                   .temperature = 0.2f,
                                   .n_items = N_ITEMS,
                                   .n_attributes = attributes ? N_ATTRIBUTES : 0,
                                   .content = space};
    uint32_t start[N_ITEMS + 1] = {0}, attr[N_ITEMS];
    struct model *m;
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        attr[start[i]] = i % N_ATTRIBUTES;
        start[i + 1] = start[i] + (i % 3 > 0);
    }
    assert_int_equal(model_new(&m, &c, attributes ? start : NULL, attr, NULL), 0);
    if (space)
        assert_int_equal(item_content_fit(m, z, NULL), PENCHANT_OK);
    model_initialise(m, 3);
    return m;
}

static double dot(const float *a, const float *b, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)a[i] * (double)b[i];
    return sum;
}

/* ---- the map -------------------------------------------------------------------- */

/* Wider than the space, or narrower with no more directions than fit: angles are kept. */
static void test_item_content__the_map_keeps_angles(void **state)
{
    (void)state;
    const struct {
        uint32_t space, rank;
    } way[] = {{5, 5}, {16, 16}, {40, 9}, {300, 16}};
    for (size_t w = 0; w < sizeof(way) / sizeof(way[0]); w++) {
        const uint32_t space = way[w].space;
        float *z = make_content(N_ITEMS, space, way[w].rank);
        struct model *m = make_model(space, false, false, z);
        for (uint32_t i = 0; i < N_ITEMS; i++) {
            const float *a = m->content + i * 16, *za = z + (size_t)i * space;
            assert_int_equal(item_content_has(m, i), i % 7 > 0);
            assert_true(fabs(dot(a, a, 16) - (i % 7 > 0)) < 1e-5);
            for (uint32_t j = 0; j < i; j++)
                assert_true(fabs(dot(a, m->content + j * 16, 16) -
                                 dot(za, z + (size_t)j * space, space)) < 2e-3);
        }
        model_free(m);
        free(z);
    }
}

/* Too many directions: the strong ones stay. */
static void test_item_content__a_narrow_map_keeps_what_is_strong(void **state)
{
    (void)state;
    enum { SPACE = 64, STRONG = 8 };
    struct rng rng;
    static float z[N_ITEMS * SPACE];
    rng_init(&rng, 5, 1);
    for (uint32_t i = 0; i < N_ITEMS * SPACE; i++)
        z[i] = rng_normal(&rng) * (i % SPACE >= SPACE - STRONG ? 1.0f : 0.05f);
    struct model *m = make_model(SPACE, false, false, z);
    for (uint32_t j = 0; j < SPACE; j++) {
        const double kept = dot(m->content_map + j * 16, m->content_map + j * 16, 16);
        assert_true(j >= SPACE - STRONG ? kept > 0.97 : kept < 0.6);
    }
    model_free(m);
}

static void test_item_content__items_with_content_begin_on_it(void **state)
{
    (void)state;
    float e[16], *z = make_content(N_ITEMS, 9, 9);
    struct model *m = make_model(9, false, false, z), *again = model_clone(m);
    assert_non_null(again);
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        model_item_vector(m, i, e);
        const float *c = m->content + i * 16;
        if (i % 7)
            assert_memory_equal(e, c, sizeof(e));
        else
            assert_true(dot(e, e, 16) > 0.001 && dot(c, c, 16) == 0);
        model_item_vector(again, i, m->content + i * 16); /* the copy has its own */
        assert_memory_equal(m->content + i * 16, e, sizeof(e));
    }
    model_free(again);
    model_free(m);
    free(z);
}

/* ---- learning ------------------------------------------------------------------- */

static void make_batch(struct batch *b)
{
    struct rng rng;
    rng_init(&rng, 6, 1);
    assert_int_equal(batch_init(b, N_EVENTS, 2), 0);
    b->n = N_EVENTS;
    b->n_sequences = 2;
    b->start[1] = 12;
    b->start[2] = 24;
    for (uint32_t i = 0; i < N_EVENTS; i++) {
        b->item[i] = rng_below(&rng, 20); /* items from 20 on are never seen */
        b->target[i] = i % 5 == 4 ? NAMES_NONE : rng_below(&rng, 20);
        b->type[i] = 0;
        b->time[i] = (float)(i % 12) * 3;
        b->target_time[i] = b->time[i] + 3;
    }
}

/* The step's items are the seen ones. */
static void sort_out(struct step *s, uint32_t *seen)
{
    uint32_t first = 0, end = N_ITEMS;
    bool met[N_ITEMS] = {false};
    for (uint32_t i = 0; i < N_EVENTS; i++) {
        met[s->b->item[i]] = true;
        if (s->b->target[i] != NAMES_NONE)
            met[s->b->target[i]] = true;
    }
    for (uint32_t i = 0; i < N_ITEMS; i++)
        seen[met[i] ? first++ : --end] = i;
    s->tables.seen = seen;
    s->tables.n_seen = first;
    s->tables.unseen = seen + first;
    s->tables.n_unseen = N_ITEMS - first;
    assert_true(s->tables.n_unseen >= 10);
}

static double whole_step(void *arg)
{
    return step_run(arg);
}

struct whole {
    struct slope slope;
    const struct model *m;
    const float *grad;
};

static int whole_tensor(void *arg, const struct model_tensor *t)
{
    struct whole *w = arg;
    slope_check(&w->slope, t->name, w->m->param + t->offset, w->grad + t->offset,
                (size_t)t->rows * t->cols);
    return 0;
}

static void check_slopes(enum train_loss loss, bool normalise)
{
    float *z = make_content(N_ITEMS, 9, 9);
    struct model *m = make_model(9, true, normalise, z);
    uint32_t seen[N_ITEMS];
    struct batch b;
    struct step s;
    struct rng rng;
    rng_init(&rng, 9, 1);
    for (size_t i = 0; i < m->n_params; i++)
        m->param[i] += 0.1f * rng_normal(&rng);
    make_batch(&b);
    step_init(&s, m, &b, loss, 13, false);
    sort_out(&s, seen);
    step_run(&s);
    float *grad = malloc(m->n_params * sizeof(*grad));
    assert_non_null(grad);
    memcpy(grad, s.gradient.dense, m->item.offset * sizeof(*grad));
    step_gradient(&s, &m->item, grad + m->item.offset);
    for (uint32_t i = 0; i < s.tables.n_unseen; i++)
        for (uint32_t j = 0; j < 16; j++)
            assert_true(grad[m->item.offset + s.tables.unseen[i] * 16 + j] == 0);
    struct whole w = {.slope = {.where = "content", .loss = whole_step, .arg = &s},
                      .m = m,
                      .grad = grad};
    rng_init(&w.slope.rng, 2, 1);
    model_each_tensor(m, whole_tensor, &w);
    free(grad);
    step_release(&s);
    batch_release(&b);
    model_free(m);
    free(z);
}

static void test_item_content__gradients_are_finite_differences(void **state)
{
    (void)state;
    EACH_LEVEL(level)
    {
        check_slopes(TRAIN_FULL, false);
        check_slopes(TRAIN_FULL, true);
        check_slopes(TRAIN_SAMPLED, false);
        check_slopes(TRAIN_SAMPLED, true);
        check_slopes(TRAIN_GBCE, false);
    }
}

/* Far steps end on the bound where there is content, and nowhere else. */
static void test_item_content__steps_stay_inside_the_bound(void **state)
{
    (void)state;
    for (int sampled = 0; sampled < 2; sampled++) {
        float *z = make_content(N_ITEMS, 9, 9);
        struct model *m = make_model(9, false, false, z);
        uint32_t seen[N_ITEMS], on_it = 0;
        struct optimiser o;
        struct batch b;
        struct step s;
        make_batch(&b);
        step_init(&s, m, &b, sampled ? TRAIN_SAMPLED : TRAIN_FULL, 13, false);
        sort_out(&s, seen);
        assert_int_equal(optimiser_init(&o, m, 0), PENCHANT_OK);
        for (int i = 0; i < 5; i++) {
            step_run(&s);
            optimiser_update(&o, m, &s.gradient, 0.5f, s.pool);
        }
        for (uint32_t i = 0; i < s.tables.n_seen; i++) {
            const float *d = model_at(m, &m->item) + s.tables.seen[i] * 16;
            const double length = sqrt(dot(d, d, 16));
            if (s.tables.seen[i] % 7 == 0)
                continue;
            assert_true(length <= (double)MODEL_DELTA + 1e-5);
            on_it += length > (double)MODEL_DELTA - 1e-4;
        }
        assert_true(on_it > 5);
        assert_true(dot(model_at(m, &m->item), model_at(m, &m->item), 16) > 1);
        for (uint32_t i = 0; i < s.tables.n_unseen; i++)
            if (s.tables.unseen[i] % 7) {
                const float *d = model_at(m, &m->item) + s.tables.unseen[i] * 16;
                assert_true(dot(d, d, 16) == 0);
            }
        optimiser_release(&o);
        step_release(&s);
        batch_release(&b);
        model_free(m);
        free(z);
    }
}

/* ---- a shop whose unseen items are known by content alone ------------------------ */

enum { CIRCLE = 10, SHOP = 50, USERS = 150, WALK = 8, SPACE = 12 };

struct shop {
    struct history h;
    uint64_t train_end[USERS];
    float z[SHOP * SPACE];
    struct train_data data;
};

/* Users walk round the circle of their group, and an item says which group and where it
   is; the last of a circle occurs only as what is held out. */
static void shop_init(struct shop *s)
{
    struct history_builder b;
    history_builder_init(&b);
    for (uint32_t u = 0; u < USERS; u++) {
        const uint32_t group = u % (SHOP / CIRCLE), last = u % 2 ? 4 : CIRCLE - 1;
        for (uint32_t i = 0; i < WALK; i++) {
            const uint32_t at = (last + CIRCLE - WALK + 1 + i) % CIRCLE;
            assert_int_equal(
                history_builder_add(&b, u, group * CIRCLE + at, EVENT_VIEW, i + 1), 0);
        }
    }
    assert_int_equal(history_builder_finish(&b, USERS, SHOP, &s->h, NULL), 0);
    history_builder_release(&b);
    /* Odd users walk over the end of the circle: that event is left out of theirs. */
    for (uint64_t e = 0; e < s->h.n; e++)
        if (s->h.item[e] % CIRCLE == CIRCLE - 1 && e % WALK != WALK - 1)
            s->h.item[e] -= 1;
    for (uint32_t u = 0; u < USERS; u++)
        s->train_end[u] = s->h.start[u + 1] - 1;
    for (uint32_t i = 0; i < SHOP; i++) {
        float *z = s->z + i * SPACE;
        const double turn = 2 * M_PI * (i % CIRCLE) / CIRCLE;
        memset(z, 0, SPACE * sizeof(*z));
        z[i / CIRCLE] = 0.8f;
        z[10] = 0.6f * (float)cos(turn);
        z[11] = 0.6f * (float)sin(turn);
    }
    s->data = (struct train_data){.history = &s->h,
                                  .train_end = s->train_end,
                                  .content = s->z,
                                  .content_dim = SPACE};
}

static struct model *train_shop(const struct shop *s, const char *preset,
                                const char *content, const char *loss, uint32_t threads,
                                struct penchant_train_report *report)
{
    const struct penchant_train_options asked = {.preset = preset,
                                                 .content = content,
                                                 .loss = loss,
                                                 .dim = 16,
                                                 .blocks = 1,
                                                 .heads = 2,
                                                 .negatives = 20,
                                                 .max_length = 10,
                                                 .dropout = 0.1,
                                                 .learning_rate = 0.01,
                                                 .weight_decay = -1,
                                                 .max_epochs = 14,
                                                 .batch_tokens = 64,
                                                 .seed = 1,
                                                 .threads = threads};
    struct train_options o;
    struct model *m;
    struct penchant_error err;
    assert_int_equal(train_options_from(&o, &asked, &s->data, &err), PENCHANT_OK);
    o.warmup_steps = 10;
    assert_int_equal(train_run(&m, &s->data, &o, report, &err), PENCHANT_OK);
    return m;
}

/* The mean rank of the unseen item that the even users came to. */
static double rank_of_unseen(const struct shop *s, const struct model *m)
{
    struct pool *pool = pool_new(1);
    float query[16], vectors[SHOP * 16];
    double sum = 0;
    assert_non_null(pool);
    model_item_vectors(m, vectors);
    for (uint32_t u = 0; u < USERS; u += 2) {
        const uint64_t at = s->train_end[u];
        const float *own = vectors + s->h.item[at] * 16;
        assert_int_equal(train_vectors(m, &s->h, &at, 1, pool, query), PENCHANT_OK);
        for (uint32_t i = 0; i < SHOP; i++)
            sum += i != s->h.item[at] &&
                   dot(query, vectors + i * 16, 16) >= dot(query, own, 16);
    }
    pool_free(pool);
    return sum / (USERS / 2);
}

static void test_item_content__unseen_items_are_found_by_content(void **state)
{
    (void)state;
    static struct shop s;
    struct penchant_train_report report;
    shop_init(&s);
    static const char *const loss[] = {"full", "sampled"};
    for (int i = 0; i < 2; i++) {
        struct model *with = train_shop(&s, "sasrec", "on", loss[i], 1, &report);
        struct model *without = train_shop(&s, "sasrec", "off", loss[i], 1, &report);
        const double near = rank_of_unseen(&s, with), far = rank_of_unseen(&s, without);
        if (!(near < 6 && near < far / 2))
            fail_msg("%s: rank %.1f with content, %.1f without", loss[i], near, far);
        model_free(with);
        model_free(without);
    }
    history_release(&s.h);
}

static void test_item_content__the_same_run_gives_the_same_bits(void **state)
{
    (void)state;
    static struct shop s;
    struct penchant_train_report report;
    shop_init(&s);
    struct model *a = train_shop(&s, "gated", "on", "full", 2, &report);
    struct model *b = train_shop(&s, "gated", "on", "full", 2, &report);
    assert_memory_equal(a->param, b->param, a->n_params * sizeof(float));
    assert_memory_equal(a->content, b->content, SHOP * 16 * sizeof(float));
    model_free(a);
    model_free(b);
    history_release(&s.h);
}

/* Half of the held-out items are unseen: validation cannot but choose content. */
static void test_item_content__auto_is_decided_by_validation(void **state)
{
    (void)state;
    static struct shop s;
    struct penchant_train_report report;
    struct penchant_error err = {0};
    struct train_options o;
    shop_init(&s);
    struct model *m = train_shop(&s, "auto", "auto", "full", 1, &report);
    assert_int_equal(m->config.content, SPACE);
    model_free(m);
    m = train_shop(&s, "auto", "off", "full", 1, &report);
    assert_int_equal(m->config.content, 0);
    model_free(m);
    /* Content that misleads: every item says the same. */
    for (uint32_t i = 0; i < SHOP * SPACE; i++)
        s.z[i] = i % SPACE == 0;
    for (uint32_t u = 0; u < USERS; u += 2)
        s.h.item[s.train_end[u]] -= 1;
    m = train_shop(&s, "auto", "auto", "full", 1, &report);
    assert_int_equal(m->config.content, 0);
    model_free(m);
    const struct penchant_train_options odd = {
        .content = "perhaps", .dropout = -1, .learning_rate = -1, .weight_decay = -1};
    assert_int_equal(train_options_from(&o, &odd, &s.data, &err), PENCHANT_EINVALID);
    assert_string_equal(err.field, "content");
    history_release(&s.h);
}

/* ---- the same everywhere --------------------------------------------------------- */

/* An item that came later has the vector it would have in the model with d = 0, and the
   encoder makes of it what it would. */
static void test_item_content__a_new_item_is_one_of_the_model(void **state)
{
    (void)state;
    for (int normalise = 0; normalise < 2; normalise++) {
        float *z = make_content(N_ITEMS, 9, 9),
              *vectors = malloc(N_ITEMS * 16 * sizeof(float));
        float token[N_ITEMS][16], scored[16];
        struct model *m = make_model(9, true, normalise, z);
        const float *given[N_EVENTS];
        uint32_t item[N_EVENTS];
        uint8_t type[N_EVENTS] = {0};
        int64_t ts_us[N_EVENTS];
        struct encoder *e;
        model_item_vectors(m, vectors);
        for (uint32_t i = 20; i < N_ITEMS; i++) {
            const uint32_t first = m->attr_start[i], n = m->attr_start[i + 1] - first;
            assert_int_equal(
                item_content_new_item(m, z + i * 9, m->attr + first, n, token[i], scored),
                i % 7 > 0);
            if (i % 7)
                assert_memory_equal(scored, vectors + i * 16, sizeof(scored));
        }
        for (uint32_t i = 0; i < N_EVENTS; i++) {
            item[i] = i * 11 % N_ITEMS; /* of those without content only old ones */
            item[i] -= item[i] == 21 || item[i] == 28;
            given[i] = item[i] >= 20 ? token[item[i]] : NULL;
            ts_us[i] = (int64_t)i * 5000000;
        }
        assert_int_equal(encoder_new(&e, m, NULL), PENCHANT_OK);
        float whole[16], parts[16];
        struct encoder_state *s = encoder_state_new(e, 0);
        encoder_append(e, s, item, type, ts_us, N_EVENTS);
        assert_false(encoder_state_knows_new(s));
        assert_int_equal(encoder_query(e, s, ts_us[N_EVENTS - 1], whole), 0);
        const size_t bytes = encoder_state_bytes(e, s);
        encoder_state_free(s);
        encoder_free(e);
        m->config.n_items = 20; /* as if the rest had come later */
        assert_int_equal(encoder_new(&e, m, NULL), PENCHANT_OK);
        s = encoder_state_new(e, 0);
        for (uint32_t i = 0; i < N_EVENTS; i++)
            encoder_append_new(e, s, item + i, type + i, ts_us + i, given + i, 1);
        assert_true(encoder_state_knows_new(s));
        assert_true(encoder_state_bytes(e, s) >= bytes + 12 * 16 * sizeof(float));
        assert_int_equal(encoder_query(e, s, ts_us[N_EVENTS - 1], parts), 0);
        assert_memory_equal(whole, parts, sizeof(whole));
        encoder_state_free(s);
        s = encoder_state_new(e, 0); /* without the vectors it is another query */
        encoder_append(e, s, item, type, ts_us, N_EVENTS);
        assert_int_equal(encoder_query(e, s, ts_us[N_EVENTS - 1], parts), 0);
        assert_memory_not_equal(whole, parts, sizeof(whole));
        encoder_state_free(s);
        encoder_free(e);
        m->config.n_items = N_ITEMS;
        model_free(m);
        free(vectors);
        free(z);
    }
}

static void test_item_content__a_checkpoint_keeps_it(void **state)
{
    (void)state;
    static const char path[] = "test_item_content.safetensors";
    for (int narrow = 0; narrow < 2; narrow++) {
        const uint32_t space = narrow ? 33 : 9;
        float *z = make_content(N_ITEMS, space, 9), c[16];
        struct model *m = make_model(space, true, true, z), *back = NULL;
        assert_int_equal(checkpoint_save(path, m, NULL, 0, NULL, 0, NULL), PENCHANT_OK);
        assert_int_equal(checkpoint_load(&back, path, NULL), PENCHANT_OK);
        assert_int_equal(back->config.content, space);
        assert_memory_equal(back->content, m->content, N_ITEMS * 16 * sizeof(float));
        assert_memory_equal(back->param, m->param, m->n_params * sizeof(float));
        assert_true(item_content_vector(back, z + space, c));
        assert_memory_equal(c, m->content + 16, sizeof(c));
        model_free(back);
        model_free(m);
        free(z);
    }
    unlink(path);
}

/* A file that lost the map, or claims another form of it, is damaged. */
static void test_item_content__a_damaged_checkpoint_is_refused(void **state)
{
    (void)state;
    static const char path[] = "test_item_content.safetensors";
    static const char *const name[] = {"content_map", "item_content"};
    float *z = make_content(N_ITEMS, 9, 9);
    struct model *m = make_model(9, false, false, z), *back = NULL;
    for (int i = 0; i < 2; i++) {
        static char bytes[1 << 16];
        struct penchant_error err = {0};
        assert_int_equal(checkpoint_save(path, m, NULL, 0, NULL, 0, NULL), PENCHANT_OK);
        FILE *f = fopen(path, "r+b");
        assert_non_null(f);
        const size_t n = fread(bytes, 1, sizeof(bytes), f);
        char *at = memmem(bytes, n, name[i], strlen(name[i]));
        assert_non_null(at);
        at[0] = 'X';
        rewind(f);
        assert_int_equal(fwrite(bytes, 1, n, f), n);
        fclose(f);
        assert_int_equal(checkpoint_load(&back, path, &err), PENCHANT_ECORRUPT);
        assert_null(back);
    }
    unlink(path);
    model_free(m);
    free(z);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(test_item_content__##name, fixture_teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_map_keeps_angles),
        TEST(a_narrow_map_keeps_what_is_strong),
        TEST(items_with_content_begin_on_it),
        TEST(gradients_are_finite_differences),
        TEST(steps_stay_inside_the_bound),
        TEST(unseen_items_are_found_by_content),
        TEST(the_same_run_gives_the_same_bits),
        TEST(auto_is_decided_by_validation),
        TEST(a_new_item_is_one_of_the_model),
        TEST(a_checkpoint_keeps_it),
        TEST(a_damaged_checkpoint_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
