/* SPDX-License-Identifier: Apache-2.0 */
/* The network against numbers from PyTorch, finite differences and its own symmetries. */
#include "model_fixture.h"

/* A golden model and its batch, with scratch for it. */
struct world {
    struct golden g;
    struct model *m;
    struct batch b;
    struct network *net;
    struct network_pass pass;
};

static void world_init(struct world *w, const char *name)
{
    golden_open(&w->g, name);
    w->m = golden_model(&w->g);
    golden_batch(&w->g, &w->b);
    w->net = network_new(w->m, w->b.cap);
    assert_non_null(w->net);
    w->pass = (struct network_pass){.model = w->m, .batch = &w->b};
}

static void world_release(struct world *w)
{
    network_free(w->net);
    batch_release(&w->b);
    model_free(w->m);
    golden_close(&w->g);
}

/* A copy of what the network answers; the caller's to free. */
static float *outputs(struct world *w, size_t *n)
{
    *n = (size_t)w->b.n * w->m->config.dim;
    float *copy = malloc(*n * sizeof(*copy));
    assert_non_null(copy);
    memcpy(copy, network_forward(w->net, &w->pass), *n * sizeof(*copy));
    return copy;
}

static void test_network__outputs_are_those_of_pytorch(void **state)
{
    (void)state;
    EACH_LEVEL(level)
    for (size_t i = 0; i < GOLDEN_FILES; i++) {
        struct world w;
        world_init(&w, golden_names[i]);
        size_t n;
        float *h = outputs(&w, &n);
        fixture_close(w.g.name, "h", h, golden_get(&w.g, "h", "", n), n, 1e-4);
        free(h);
        world_release(&w);
    }
}

static void
test_network__a_sequence_alone_gives_the_bits_it_gives_in_a_batch(void **state)
{
    (void)state;
    EACH_LEVEL(level)
    for (size_t i = 0; i < GOLDEN_FILES; i++) {
        struct world w;
        world_init(&w, golden_names[i]);
        size_t n;
        float *h = outputs(&w, &n);
        const size_t d = w.m->config.dim;
        for (uint32_t s = 0; s < w.b.n_sequences; s++) {
            const uint32_t first = w.b.start[s];
            uint32_t start[] = {0, w.b.start[s + 1] - first};
            const struct batch alone = {.n = start[1],
                                        .n_sequences = 1,
                                        .start = start,
                                        .item = w.b.item + first,
                                        .type = w.b.type + first,
                                        .time = w.b.time + first,
                                        .target_time = w.b.target_time + first};
            const struct network_pass p = {.model = w.m, .batch = &alone};
            assert_memory_equal(network_forward(w.net, &p), h + first * d,
                                alone.n * d * sizeof(*h));
        }
        free(h);
        world_release(&w);
    }
}

static void test_network__the_future_does_not_reach_the_past(void **state)
{
    (void)state;
    EACH_LEVEL(level)
    for (size_t i = 0; i < GOLDEN_FILES; i++) {
        struct world w;
        world_init(&w, golden_names[i]);
        size_t n;
        const size_t d = w.m->config.dim;
        float *before = outputs(&w, &n);
        const uint32_t last = w.b.n - 1, first = w.b.start[w.b.n_sequences - 1];
        for (uint32_t t = last; t > first; t--) {
            w.b.item[t] = (w.b.item[t] + 7) % w.m->config.n_items;
            w.b.time[t] += 4000;
            w.b.target_time[t] += 9000;
            float *after = outputs(&w, &n);
            assert_memory_equal(before, after, t * d * sizeof(*after));
            assert_memory_not_equal(before + t * d, after + t * d, d * sizeof(*after));
            free(after);
        }
        free(before);
        world_release(&w);
    }
}

static void test_network__given_item_vectors_change_nothing(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, "rich");
    size_t n;
    float *made = outputs(&w, &n);
    const size_t d = w.m->config.dim;
    float *vectors = malloc(w.m->config.n_items * d * sizeof(*vectors));
    assert_non_null(vectors);
    for (uint32_t i = 0; i < w.m->config.n_items; i++)
        model_item_vector(w.m, i, vectors + i * d);
    w.pass.vectors = vectors;
    float *given = outputs(&w, &n);
    assert_memory_equal(made, given, n * sizeof(*made));
    free(vectors);
    free(made);
    free(given);
    world_release(&w);
}

static void test_network__dropout_follows_its_seed(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_FILES; i++) {
        struct world w;
        world_init(&w, golden_names[i]);
        size_t n;
        float *plain = outputs(&w, &n);
        w.pass.dropout = 0.3f;
        w.pass.seed = 5;
        float *a = outputs(&w, &n), *b = outputs(&w, &n);
        w.pass.seed = 6;
        float *c = outputs(&w, &n);
        assert_memory_equal(a, b, n * sizeof(*a));
        assert_memory_not_equal(a, c, n * sizeof(*a));
        assert_memory_not_equal(a, plain, n * sizeof(*a));
        free(plain);
        free(a);
        free(b);
        free(c);
        world_release(&w);
    }
}

/* Keys by the formula LN(x) W_in, from the embedded tokens that dropping no block gives. */
static void test_network__memory_shows_keys_and_values(void **state)
{
    (void)state;
    const char *const names[] = {"cosine", "hstu"};
    for (size_t i = 0; i < 2; i++) {
        struct world w;
        world_init(&w, names[i]);
        const struct model_config *c = &w.m->config;
        const size_t d = c->dim, wide = (c->gated ? 4 : 3) * d, t = w.b.start[2];
        network_forward(w.net, &w.pass);
        const struct network_memory memory = network_memory(w.net, w.m, 0);
        float x[64], y[64], stat[2];
        model_item_vector(w.m, w.b.item[t], x);
        for (size_t j = 0; j < d; j++)
            x[j] = x[j] * sqrtf((float)d) + model_at(w.m, &w.m->gap)[j] +
                   model_at(w.m, &w.m->position)[j] +
                   (c->n_types ? model_at(w.m, &w.m->type)[w.b.type[t] * d + j] : 0);
        kernels_get()->norm_forward(y, stat, x, model_at(w.m, &w.m->block[0].norm1), 1,
                                    d);
        const float *in = model_at(w.m, &w.m->block[0].in);
        for (size_t j = 0; j < d; j++) {
            double key = 0, value = 0;
            for (size_t k = 0; k < d; k++) {
                key += (double)y[k] * (double)in[k * wide + wide - d + j];
                value += (double)y[k] * (double)in[k * wide + wide - 3 * d + j];
            }
            if (c->gated) {
                key /= 1 + exp(-key);
                value /= 1 + exp(-value);
            }
            const size_t at = t * memory.stride + j;
            assert_true(fabs((double)memory.key[at] - key) < 1e-4);
            assert_true(fabs((double)memory.value[at] - value) < 1e-4);
        }
        world_release(&w);
    }
}

/* ---- gradients: the loss is a fixed random weighting of the output rows -------- */

struct weighing {
    struct world w;
    float *weight; /* (n, d) */
    float *vectors;
    float *grad, *dh;
    struct slope slope;
};

static double weigh(void *arg)
{
    struct weighing *g = arg;
    const float *h = network_forward(g->w.net, &g->w.pass);
    double sum = 0;
    for (size_t i = 0; i < (size_t)g->w.b.n * g->w.m->config.dim; i++)
        sum += (double)g->weight[i] * (double)h[i];
    return sum;
}

static int weigh_tensor(void *arg, const struct model_tensor *t)
{
    struct weighing *g = arg;
    const struct model *m = g->w.m;
    if (t != &m->item && t != &m->attribute)
        slope_check(&g->slope, t->name, m->param + t->offset, g->grad + t->offset,
                    (size_t)t->rows * t->cols);
    return 0;
}

static void check_slopes(const char *name, float dropout)
{
    struct weighing g = {0};
    world_init(&g.w, name);
    const struct model *m = g.w.m;
    const size_t d = m->config.dim, n = g.w.b.n * d, items = m->config.n_items;
    g.slope = (struct slope){.where = name, .loss = weigh, .arg = &g};
    rng_init(&g.slope.rng, 3, 1);
    g.weight = malloc(n * sizeof(float));
    g.dh = malloc(n * sizeof(float));
    g.vectors = malloc(items * d * sizeof(float));
    g.grad = calloc(m->n_params, sizeof(float));
    float *by_item = calloc(items * d, sizeof(float));
    assert_true(g.weight && g.dh && g.vectors && g.grad && by_item);
    for (size_t i = 0; i < n; i++)
        g.weight[i] = rng_normal(&g.slope.rng) / (float)g.w.b.n;
    for (uint32_t i = 0; i < items; i++)
        model_item_vector(m, i, g.vectors + i * d);
    g.w.pass.vectors = g.vectors;
    g.w.pass.dropout = dropout;
    g.w.pass.seed = 11;
    weigh(&g);
    memcpy(g.dh, g.weight, n * sizeof(float));
    network_backward(g.w.net, &g.w.pass, g.dh, g.grad);
    for (uint32_t t = 0; t < g.w.b.n; t++)
        for (size_t j = 0; j < d; j++)
            by_item[g.w.b.item[t] * d + j] += g.dh[t * d + j];
    model_each_tensor(m, weigh_tensor, &g);
    slope_check(&g.slope, "item vectors", g.vectors, by_item, items * d);
    free(g.weight);
    free(g.dh);
    free(g.vectors);
    free(g.grad);
    free(by_item);
    world_release(&g.w);
}

static void test_network__gradients_are_finite_differences(void **state)
{
    (void)state;
    EACH_LEVEL(level)
    for (size_t i = 0; i < GOLDEN_FILES; i++)
        check_slopes(golden_names[i], 0);
}

static void test_network__dropout_drops_the_same_on_the_way_back(void **state)
{
    (void)state;
    EACH_LEVEL(level)
    for (size_t i = 0; i < GOLDEN_FILES; i++)
        check_slopes(golden_names[i], 0.3f);
}

/* What backward adds to must be added to, not overwritten. */
static void test_network__gradients_add_up(void **state)
{
    (void)state;
    for (size_t i = 0; i < GOLDEN_FILES; i++) {
        struct world w;
        world_init(&w, golden_names[i]);
        const size_t n = (size_t)w.b.n * w.m->config.dim, dense = w.m->item.offset;
        float *dh = malloc(n * sizeof(*dh)), *once = calloc(dense, sizeof(*once)),
              *twice = calloc(dense, sizeof(*twice));
        assert_true(dh && once && twice);
        for (int round = 0; round < 3; round++) {
            for (size_t k = 0; k < n; k++)
                dh[k] = (float)(k % 7) - 3;
            network_forward(w.net, &w.pass);
            network_backward(w.net, &w.pass, dh, round ? twice : once);
        }
        for (size_t k = 0; k < dense; k++)
            once[k] *= 2;
        fixture_close(w.g.name, "the sum of two", twice, once, dense, 1e-5);
        free(dh);
        free(once);
        free(twice);
        world_release(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_network__outputs_are_those_of_pytorch,
                                  fixture_teardown),
        cmocka_unit_test_teardown(
            test_network__a_sequence_alone_gives_the_bits_it_gives_in_a_batch,
            fixture_teardown),
        cmocka_unit_test_teardown(test_network__the_future_does_not_reach_the_past,
                                  fixture_teardown),
        cmocka_unit_test(test_network__given_item_vectors_change_nothing),
        cmocka_unit_test(test_network__dropout_follows_its_seed),
        cmocka_unit_test(test_network__memory_shows_keys_and_values),
        cmocka_unit_test_teardown(test_network__gradients_are_finite_differences,
                                  fixture_teardown),
        cmocka_unit_test_teardown(test_network__dropout_drops_the_same_on_the_way_back,
                                  fixture_teardown),
        cmocka_unit_test(test_network__gradients_add_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
