/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the tests of the model and its learning share: the golden numbers that
 * tests/reference/make_model_golden.py wrote, one training step by hand, and the walk
 * over the instruction sets. Failures are cmocka assertions.
 */
#ifndef TESTS_MODEL_FIXTURE_H
#define TESTS_MODEL_FIXTURE_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/names.h"
#include "kernels/cpu.h"
#include "learn/loss.h"
#include "model/network.h"

static const char *const golden_names[] = {"sasrec", "hstu", "cosine", "rich", "biased"};
enum { GOLDEN_FILES = sizeof(golden_names) / sizeof(golden_names[0]) };

/* Runs the body at every level this processor has, lowest first. */
#define EACH_LEVEL(level)                                                                \
    for (enum cpu_level level##_best = fixture_best_level(), level = CPU_PLAIN;          \
         level <= level##_best && (cpu_limit(level), true); level++)

static inline enum cpu_level fixture_best_level(void)
{
    cpu_limit(CPU_AVX512_ALL);
    return cpu_level();
}

static inline int fixture_teardown(void **state)
{
    (void)state;
    cpu_limit(CPU_AVX512_ALL);
    return 0;
}

/* ---- golden files -------------------------------------------------------------- */

struct golden {
    const char *name;
    unsigned char *bytes;
    size_t size;
};

static inline void golden_open(struct golden *g, const char *name)
{
    char path[96];
    snprintf(path, sizeof(path), "tests/data/model_golden_%s.bin", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    *g = (struct golden){.name = name, .bytes = malloc(1 << 20)};
    assert_non_null(g->bytes);
    g->size = fread(g->bytes, 1, 1 << 20, f);
    assert_in_range(g->size, 1, (1 << 20) - 1);
    fclose(f);
}

static inline void golden_close(struct golden *g)
{
    free(g->bytes);
    *g = (struct golden){0};
}

/* The floats of a record and their number; NULL when there is none. */
static inline const float *golden_find(const struct golden *g, const char *name,
                                       size_t *n)
{
    for (size_t at = 0; at + 48 <= g->size;) {
        uint32_t shape[2];
        memcpy(shape, g->bytes + at + 40, sizeof(shape));
        *n = (size_t)shape[0] * shape[1];
        if (strncmp((const char *)g->bytes + at, name, 40) == 0)
            return (const float *)(const void *)(g->bytes + at + 48);
        at += 48 + *n * sizeof(float);
    }
    *n = 0;
    return NULL;
}

/* The record prefix + name, which must be there and have n floats. */
static inline const float *golden_get(const struct golden *g, const char *prefix,
                                      const char *name, size_t n)
{
    char full[80];
    size_t found;
    snprintf(full, sizeof(full), "%s%s", prefix, name);
    const float *x = golden_find(g, full, &found);
    if (!x || found != n)
        fail_msg("%s: %s has %zu numbers, not %zu", g->name, full, found, n);
    return x;
}

struct golden_copy {
    const struct golden *g;
    const char *prefix;
    struct model *m;
};

static inline int golden_copy_tensor(void *arg, const struct model_tensor *t)
{
    const struct golden_copy *c = arg;
    const size_t n = (size_t)t->rows * t->cols;
    memcpy(c->m->param + t->offset, golden_get(c->g, c->prefix, t->name, n),
           n * sizeof(float));
    return 0;
}

/* A new model with the parameters `prefix`NAME of the file. */
static inline struct model *golden_model(const struct golden *g)
{
    const float *c = golden_get(g, "config", "", 16);
    const struct model_config config = {
        .dim = (uint32_t)c[0],
        .blocks = (uint32_t)c[1],
        .heads = (uint32_t)c[2],
        .max_length = (uint32_t)c[3],
        .ffn_dim = (uint32_t)c[4],
        .attention = c[5] > 0 ? MODEL_SILU : MODEL_SOFTMAX,
        .gated = c[6] > 0,
        .bias_position = c[7] > 0,
        .bias_time = c[8] > 0,
        .position = c[9] > 0,
        .gap = c[10] > 0,
        .normalise = c[11] > 0,
        .temperature = c[12],
        .n_items = (uint32_t)c[13],
        .n_attributes = (uint32_t)c[14],
        .n_types = (uint32_t)c[15],
    };
    uint32_t start[64] = {0}, attr[256];
    if (config.n_attributes) {
        size_t total;
        const float *count = golden_get(g, "attributes.count", "", config.n_items);
        const float *id = golden_find(g, "attributes", &total);
        for (uint32_t i = 0; i < config.n_items; i++)
            start[i + 1] = start[i] + (uint32_t)count[i];
        assert_int_equal(start[config.n_items], total);
        for (size_t i = 0; i < total; i++)
            attr[i] = (uint32_t)id[i];
    }
    struct model *m;
    assert_int_equal(
        model_new(&m, &config, config.n_attributes ? start : NULL, attr, NULL),
        PENCHANT_OK);
    model_each_tensor(m, golden_copy_tensor,
                      &(struct golden_copy){.g = g, .prefix = "param.", .m = m});
    return m;
}

static inline void golden_batch(const struct golden *g, struct batch *b)
{
    size_t sequences, n;
    const float *length = golden_find(g, "lengths", &sequences);
    const float *item = golden_find(g, "batch.item", &n);
    const float *target = golden_get(g, "batch.", "target", n);
    const float *type = golden_get(g, "batch.", "type", n);
    assert_int_equal(batch_init(b, (uint32_t)n, (uint32_t)sequences), PENCHANT_OK);
    for (size_t s = 0; s < sequences; s++)
        b->start[s + 1] = b->start[s] + (uint32_t)length[s];
    b->n_sequences = (uint32_t)sequences;
    b->n = (uint32_t)n;
    assert_int_equal(b->start[sequences], n);
    for (size_t i = 0; i < n; i++) {
        b->item[i] = (uint32_t)item[i];
        b->target[i] = target[i] < 0 ? NAMES_NONE : (uint32_t)target[i];
        b->type[i] = (uint8_t)type[i];
    }
    memcpy(b->time, golden_get(g, "batch.", "time", n), n * sizeof(float));
    memcpy(b->target_time, golden_get(g, "batch.", "target_time", n), n * sizeof(float));
}

/* The largest difference of got from want, as a share of the largest number in want. */
static inline double fixture_distance(const float *got, const float *want, size_t n)
{
    double most = 0, largest = 1e-30;
    for (size_t i = 0; i < n; i++) {
        const double off = fabs((double)got[i] - (double)want[i]);
        most = off <= most ? most : off; /* a NaN wins */
        largest = fmax(largest, fabs((double)want[i]));
    }
    return most / largest;
}

static inline void fixture_close(const char *where, const char *what, const float *got,
                                 const float *want, size_t n, double tolerance)
{
    const double off = fixture_distance(got, want, n);
    if (!(off <= tolerance))
        fail_msg("%s, %s: %s is off by %.3g of its largest, more than %.3g", where,
                 cpu_level_name(cpu_level()), what, off, tolerance);
}

static inline void fixture_near(const char *what, double got, double want,
                                double relative)
{
    if (!(fabs(got - want) <= relative * fabs(want)))
        fail_msg("%s is %.9g, not %.9g", what, got, want);
}

/* ---- a training step by hand --------------------------------------------------- */

struct step {
    struct model *m;
    const struct batch *b;
    struct pool *pool;
    struct network *net;
    struct loss_tables tables;
    struct loss_scratch scratch;
    struct gradient gradient;
    float *dh;
    uint32_t *events; /* the batch's items: draws by frequency */
    float *frequency;
    uint64_t seed; /* of the negatives */
    float dropout;
    uint32_t dropout_seed;
};

static inline void step_init(struct step *s, struct model *m, const struct batch *b,
                             enum train_loss loss, uint32_t negatives, bool bf16)
{
    const struct train_options o = {.loss = loss, .negatives = negatives, .bf16 = bf16};
    *s = (struct step){.m = m, .b = b, .seed = 1, .dropout_seed = 77};
    s->pool = pool_new(1);
    s->net = network_new(m, b->cap);
    s->dh = malloc((size_t)b->n * m->config.dim * sizeof(float));
    s->events = malloc(b->n * sizeof(*s->events));
    s->frequency = calloc(m->config.n_items, sizeof(*s->frequency));
    assert_true(s->pool && s->net && s->dh && s->events && s->frequency);
    assert_int_equal(loss_tables_init(&s->tables, m, &o), PENCHANT_OK);
    assert_int_equal(loss_scratch_init(&s->scratch, &s->tables), PENCHANT_OK);
    assert_int_equal(gradient_init(&s->gradient, m, loss != TRAIN_SAMPLED), PENCHANT_OK);
    for (uint32_t i = 0; i < b->n; i++) {
        s->events[i] = b->item[i];
        s->frequency[b->item[i]] += 1.0f / (float)b->n;
    }
    s->tables.events = s->events;
    s->tables.n_events = b->n;
    s->tables.frequency = s->frequency;
}

static inline void step_release(struct step *s)
{
    gradient_release(&s->gradient);
    loss_scratch_release(&s->scratch);
    loss_tables_release(&s->tables);
    network_free(s->net);
    pool_free(s->pool);
    free(s->dh);
    free(s->events);
    free(s->frequency);
}

static inline uint32_t step_targets(const struct step *s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->b->n; i++)
        n += s->b->target[i] != NAMES_NONE;
    return n;
}

/* Forward, loss and backward; the mean loss. gradient holds the finished gradient. */
static inline double step_run(struct step *s)
{
    const size_t d = s->m->config.dim;
    struct rng rng;
    rng_init(&rng, s->seed, 1);
    loss_tables_update(&s->tables, s->pool);
    gradient_clear(&s->gradient);
    const struct network_pass p = {.model = s->m,
                                   .batch = s->b,
                                   .vectors = loss_token_vectors(&s->tables),
                                   .dropout = s->dropout,
                                   .seed = s->dropout_seed};
    const struct loss_rows rows = {.h = network_forward(s->net, &p),
                                   .target = s->b->target,
                                   .n = s->b->n,
                                   .weight = 1.0f / (float)step_targets(s),
                                   .rng = &rng};
    loss_run(&s->tables, &s->scratch, &rows, s->dh, &s->gradient);
    network_backward(s->net, &p, s->dh, s->gradient.dense);
    for (uint32_t i = 0; i < s->b->n; i++)
        s->gradient.k->add(gradient_row(&s->gradient, s->b->item[i]), s->dh + i * d, d);
    gradient_finish(&s->gradient, s->m);
    assert_false(s->gradient.failed);
    assert_int_equal(s->gradient.targets, step_targets(s));
    return s->gradient.loss / (double)s->gradient.targets;
}

/* The finished gradient of a tensor into out (rows, cols), also when only rows are kept. */
static inline void step_gradient(const struct step *s, const struct model_tensor *t,
                                 float *out)
{
    const struct gradient *g = &s->gradient;
    const size_t n = (size_t)t->rows * t->cols;
    if (t != &s->m->item) {
        memcpy(out, g->dense + t->offset, n * sizeof(*out));
        return;
    }
    if (g->item) {
        memcpy(out, g->item, n * sizeof(*out));
        return;
    }
    memset(out, 0, n * sizeof(*out));
    for (uint32_t i = 0; i < g->n_rows; i++)
        memcpy(out + (size_t)g->row[i] * t->cols, g->value + (size_t)i * t->cols,
               t->cols * sizeof(*out));
}

/* ---- finite differences -------------------------------------------------------- */

/* Compares the derivative along a direction with gradient . direction. */
struct slope {
    const char *where;
    double (*loss)(void *arg);
    void *arg;
    struct rng rng;
};

/*
 * x (n) are variables of loss(arg), gradient (n) what the code says. The direction is the
 * gradient's own with as much noise of the same length, so that neither a wrong size nor
 * a wrong direction hides; the step moves the loss by about a thousandth.
 */
static inline void slope_check(struct slope *s, const char *what, float *x,
                               const float *gradient, size_t n)
{
    float *v = malloc(n * sizeof(*v)), *keep = malloc(n * sizeof(*keep));
    assert_true(v && keep);
    memcpy(keep, x, n * sizeof(*x));
    double size = 0, noise = 0, expected = 0;
    for (size_t i = 0; i < n; i++) {
        v[i] = rng_normal(&s->rng);
        size += (double)gradient[i] * (double)gradient[i];
        noise += (double)v[i] * (double)v[i];
    }
    size = sqrt(size);
    noise = sqrt(noise);
    for (size_t i = 0; i < n; i++) {
        v[i] = (float)((double)gradient[i] / (size + 1e-30) + (double)v[i] / noise);
        expected += (double)gradient[i] * (double)v[i];
    }
    const double eps = fmin(0.001 / (size + 1e-30), 0.02 * sqrt((double)n));
    double loss[2];
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < n; i++)
            x[i] = (float)((double)keep[i] + (side ? eps : -eps) * (double)v[i]);
        loss[side] = s->loss(s->arg);
    }
    memcpy(x, keep, n * sizeof(*x));
    const double measured = (loss[1] - loss[0]) / (2 * eps);
    const double rounding = 2e-6 * (1 + fabs(loss[0])) / eps;
    if (!(fabs(measured - expected) <= 0.03 * fabs(expected) + rounding))
        fail_msg("%s, %s: %s falls by %.6g, its gradient says %.6g", s->where,
                 cpu_level_name(cpu_level()), what, measured, expected);
    free(v);
    free(keep);
}

#endif
