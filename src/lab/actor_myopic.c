/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Actor "myopic": shows what is most likely to be clicked now, and looks no further. A
 * logistic model of a click with the products of the item's features f and the context c,
 *     logit = b + sum_i f_i (w_i0 + sum_j w_ij c_j),
 * is learned from every place that was shown, clicked (reward > 0) or not, by AdaGrad (Duchi
 * et al. 2011). Without features an item is its number. Greedy: it explores nothing, and the
 * seed plays no part.
 *
 * Memory: two floats a weight, features (or items) times one more than the context's
 * numbers, and never more than 2^22 weights: a context that does not fit is not looked at.
 */
#include <math.h>
#include <stdlib.h>

#include "lab/luck.h"
#include "lab/slate_tools.h"

enum { MOST_WEIGHTS = 1 << 22 };

static const double RATE = 0.1;

struct myopic {
    struct actor_catalog catalog;
    struct slate_memory memory;
    uint32_t rows, n_context; /* known from the first request on */
    double bias, bias_squares;
    float *weight;  /* (rows, 1 + n_context) */
    float *squares; /* the same; sums of squared gradients */
    double *score;  /* (scores) */
    uint32_t scores;
};

static void *myopic_create(uint64_t seed, const struct actor_catalog *c)
{
    struct myopic *m = calloc(1, sizeof(*m));
    (void)seed;
    if (m)
        m->catalog = *c;
    return m;
}

static void myopic_destroy(void *state)
{
    struct myopic *m = state;
    slate_memory_release(&m->memory);
    free(m->weight);
    free(m->squares);
    free(m->score);
    free(m);
}

/* Makes the weights at the first request; false: no memory, a catalogue too large, or a
   request of another form than the first. */
static bool prepare(struct myopic *m, const struct actor_request *r)
{
    uint32_t dim;
    if (!slate_room(&m->score, &m->scores, slate_choices(&m->catalog, r)))
        return false;
    slate_features(&m->catalog, r, 0, &dim);
    if (m->weight) /* later requests are of the form of the first */
        return m->squares && m->rows == (dim ? dim : m->catalog.n) &&
               (!m->n_context || (r->context && r->n_context == m->n_context));
    m->rows = dim ? dim : m->catalog.n;
    m->n_context = r->context ? r->n_context : 0;
    if ((uint64_t)m->rows * (1 + (uint64_t)m->n_context) > MOST_WEIGHTS)
        m->n_context = 0;
    if (m->rows > MOST_WEIGHTS)
        return false;
    const size_t weights = (size_t)m->rows * (1 + m->n_context);
    m->weight = calloc(weights, sizeof(float));
    m->squares = calloc(weights, sizeof(float));
    return m->weight && m->squares;
}

static double row_value(const struct myopic *m, uint32_t row, const float *context)
{
    const float *w = m->weight + (size_t)row * (1 + m->n_context);
    double sum = (double)w[0];
    for (uint32_t j = 0; j < m->n_context; j++)
        sum += (double)w[1 + j] * (double)context[j];
    return sum;
}

static double logit(const struct myopic *m, uint32_t item, const float *features,
                    const float *context)
{
    double sum = m->bias;
    if (!features)
        return sum + row_value(m, item, context);
    for (uint32_t i = 0; i < m->rows; i++)
        if (features[i] != 0)
            sum += (double)features[i] * row_value(m, i, context);
    return sum;
}

static void descend(float *w, float *squares, double gradient)
{
    *squares += (float)(gradient * gradient);
    if (*squares > 0)
        *w -= (float)(RATE * gradient / sqrt((double)*squares));
}

static void row_learn(struct myopic *m, uint32_t row, const float *context, double error)
{
    const size_t at = (size_t)row * (1 + m->n_context);
    descend(m->weight + at, m->squares + at, error);
    for (uint32_t j = 0; j < m->n_context; j++)
        descend(m->weight + at + 1 + j, m->squares + at + 1 + j,
                error * (double)context[j]);
}

static void learn(struct myopic *m, uint32_t item, const float *features,
                  const float *context, bool clicked)
{
    const double error =
        luck_logistic(logit(m, item, features, context)) - (clicked ? 1 : 0);
    m->bias_squares += error * error;
    m->bias -= RATE * error / sqrt(m->bias_squares);
    if (!features)
        row_learn(m, item, context, error);
    for (uint32_t i = 0; features && i < m->rows; i++)
        if (features[i] != 0)
            row_learn(m, i, context, error * (double)features[i]);
}

static void myopic_recommend(void *state, const struct actor_request *r, uint32_t *item,
                             double *p)
{
    struct myopic *m = state;
    const bool able = prepare(m, r);
    for (uint32_t i = 0; i < r->k; i++) {
        item[i] = i;
        p[i] = 1;
    }
    if (!able)
        return;
    const uint32_t n = slate_choices(&m->catalog, r);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t dim;
        const float *f = slate_features(&m->catalog, r, i, &dim);
        m->score[i] = logit(m, i, f, r->context);
    }
    slate_best(m->score, n, r->k, item);
    slate_keep(&m->memory, &m->catalog, r, item, 0);
}

static void myopic_feedback(void *state, uint64_t id, uint32_t user, const float *reward,
                            uint32_t k, bool done)
{
    struct myopic *m = state;
    const struct slate *s = slate_take(&m->memory, id, user);
    (void)done;
    for (uint32_t i = 0; s && i < s->k && i < k; i++)
        learn(m, s->item[i], s->dim ? s->features + (size_t)i * s->dim : NULL, s->context,
              reward[i] > 0);
}

const struct actor_ops actor_myopic = {
    .name = "myopic",
    .help = "a logistic model of the click, greedy",
    .create = myopic_create,
    .destroy = myopic_destroy,
    .recommend = myopic_recommend,
    .feedback = myopic_feedback,
};
