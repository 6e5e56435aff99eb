/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/online.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "learn/loss.h"
#include "learn/optimiser.h"
#include "model/network.h"

enum { POSITIONS = ONLINE_FRESH * ONLINE_LENGTH, STREAM = 0x0A11 };
#define SLOWEST (1.0f / 64)

/* A set of items that remembers the order in which they came. */
struct row_set {
    uint32_t *row, n;
    bool *in; /* (n_items) */
};

/* One of the two models with its tables of negatives. */
struct side {
    struct loss_tables tables;
    struct gradient gradient;
};

struct online {
    struct online_options options;
    const struct model *champion;
    struct model *model;
    struct pool *pool;
    struct optimiser optimiser;
    struct network *net;
    struct batch batch;
    struct loss_scratch scratch;
    struct side own, other;
    float *dh; /* (POSITIONS, d) */
    struct online_replay replay;
    struct online_window *fresh; /* (ONLINE_FRESH) oldest first */
    uint32_t n_fresh;
    struct row_set changed; /* since the last publication */
    struct row_set ever;    /* since the champion */
    struct row_set seen;    /* with content: items that may be negatives (loss.h) */
    double weight, loss, other_loss; /* averages, as sums */
    double excess;                   /* of the guard, in nats */
    double clean; /* events since the last roll-back, or since the rate rose */
    struct online_report report;
};

void online_options_default(struct online_options *o)
{
    *o = (struct online_options){
        .rate = 5e-4f, .negatives = 256, .tolerance = 0.02, .horizon = 1500, .seed = 1};
}

/* ---- sets of rows ---------------------------------------------------------------- */

static int row_set_init(struct row_set *s, uint32_t n_items)
{
    s->row = malloc(n_items * sizeof(*s->row));
    s->in = calloc(n_items, sizeof(*s->in));
    return s->row && s->in ? PENCHANT_OK : PENCHANT_ENOMEM;
}

static void row_set_release(struct row_set *s)
{
    free(s->row);
    free(s->in);
}

static void row_set_add(struct row_set *s, uint32_t row)
{
    if (s->in[row])
        return;
    s->in[row] = true;
    s->row[s->n++] = row;
}

static void row_set_clear(struct row_set *s)
{
    for (uint32_t i = 0; i < s->n; i++)
        s->in[s->row[i]] = false;
    s->n = 0;
}

/* ---- life ------------------------------------------------------------------------ */

static int side_init(struct side *s, const struct model *m, const struct online *o)
{
    const struct train_options t = {.loss = TRAIN_SAMPLED,
                                    .negatives = o->options.negatives};
    if (loss_tables_init(&s->tables, m, &t) != PENCHANT_OK ||
        gradient_init(&s->gradient, m, false) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    s->tables.events = o->replay.drawn;
    s->tables.frequency = o->replay.frequency;
    return PENCHANT_OK;
}

/* What training has seen has left the place where its content put it. */
static int find_seen(struct online *o)
{
    const struct model *m = o->champion;
    const size_t d = m->config.dim;
    const float *row = model_at(m, &m->item);
    if (!m->content)
        return PENCHANT_OK;
    if (row_set_init(&o->seen, m->config.n_items) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < m->config.n_items; i++)
        for (size_t j = 0; j < d && !o->seen.in[i]; j++)
            if (row[i * d + j] != 0)
                row_set_add(&o->seen, i);
    return PENCHANT_OK;
}

static int allocate(struct online *o)
{
    const struct model_config *c = &o->champion->config;
    o->model = model_clone(o->champion);
    o->pool = pool_new(1);
    o->fresh = malloc(ONLINE_FRESH * sizeof(*o->fresh));
    o->dh = malloc((size_t)POSITIONS * c->dim * sizeof(*o->dh));
    if (!o->model || !o->pool || !o->fresh || !o->dh ||
        online_replay_init(&o->replay, c->n_items) ||
        optimiser_init(&o->optimiser, o->model, 0) ||
        batch_init(&o->batch, POSITIONS, ONLINE_FRESH) ||
        row_set_init(&o->changed, c->n_items) || row_set_init(&o->ever, c->n_items) ||
        side_init(&o->own, o->model, o) || side_init(&o->other, o->champion, o) ||
        loss_scratch_init(&o->scratch, &o->own.tables) || find_seen(o))
        return PENCHANT_ENOMEM;
    o->net = network_new(o->model, POSITIONS);
    return o->net ? PENCHANT_OK : PENCHANT_ENOMEM;
}

int online_new(struct online **out, const struct model *champion,
               const struct online_options *options, struct penchant_error *err)
{
    struct online *o = calloc(1, sizeof(*o));
    *out = NULL;
    if (!o)
        return error_memory(err);
    o->options = *options;
    o->champion = champion;
    o->report.rate = options->rate;
    if (allocate(o) != PENCHANT_OK) {
        online_free(o);
        return error_memory(err);
    }
    *out = o;
    return PENCHANT_OK;
}

void online_free(struct online *o)
{
    if (!o)
        return;
    model_free(o->model);
    pool_free(o->pool);
    optimiser_release(&o->optimiser);
    network_free(o->net);
    batch_release(&o->batch);
    loss_scratch_release(&o->scratch);
    loss_tables_release(&o->own.tables);
    loss_tables_release(&o->other.tables);
    gradient_release(&o->own.gradient);
    gradient_release(&o->other.gradient);
    online_replay_release(&o->replay);
    row_set_release(&o->changed);
    row_set_release(&o->ever);
    row_set_release(&o->seen);
    free(o->fresh);
    free(o->dh);
    free(o);
}

/* ---- what comes in --------------------------------------------------------------- */

static bool knows(const struct online *o, const struct online_window *w)
{
    const struct model_config *c = &o->model->config;
    if (w->n < 2 || w->n > ONLINE_LENGTH + 1 || w->n > c->max_length + 1)
        return false;
    for (uint32_t i = 0; i < w->n; i++)
        if (w->item[i] >= c->n_items || (c->n_types && w->type[i] >= c->n_types))
            return false;
    return true;
}

static void take_note(struct online *o, const struct online_window *w)
{
    for (uint32_t i = 0; o->seen.in && i < w->n; i++)
        row_set_add(&o->seen, w->item[i]);
}

void online_seed(struct online *o, const struct online_window *w)
{
    if (!knows(o, w))
        return;
    take_note(o, w);
    online_replay_anchor(&o->replay, w);
}

bool online_feed(struct online *o, const struct online_window *w, bool *displaced)
{
    const bool full = o->n_fresh == ONLINE_FRESH, known = knows(o, w);
    if (displaced)
        *displaced = full && known;
    if (!known)
        return false;
    take_note(o, w);
    if (full) {
        online_replay_add(&o->replay, &o->fresh[0]);
        memmove(o->fresh, o->fresh + 1, (ONLINE_FRESH - 1) * sizeof(*o->fresh));
        o->n_fresh--;
        o->report.displaced++;
    }
    o->fresh[o->n_fresh++] = *w;
    online_replay_count(&o->replay, w->item[w->n - 1]);
    return true;
}

uint32_t online_waiting(const struct online *o)
{
    return o->n_fresh;
}

/* ---- one pass -------------------------------------------------------------------- */

static void renew_negatives(struct online *o, struct side *s)
{
    s->tables.n_events = o->replay.n_drawn;
    if (o->seen.in) {
        s->tables.seen = o->seen.row;
        s->tables.n_seen = o->seen.n;
    }
}

/*
 * The batch through one model: the mean loss of its targets, and with a weight (shared by
 * the targets) its gradient. The negatives follow from the step and `stream`, so that both
 * models are asked the same.
 */
static double pass(struct online *o, const struct model *m, struct side *s, float weight,
                   uint64_t stream)
{
    struct rng rng;
    struct gradient *g = &s->gradient;
    const double before = g->loss;
    const uint64_t targets = g->targets;
    const size_t d = m->config.dim;
    uint32_t n = 0;
    for (uint32_t t = 0; t < o->batch.n; t++)
        n += o->batch.target[t] != NAMES_NONE;
    rng_init(&rng, o->options.seed, STREAM + 2 * o->report.steps + stream);
    const struct network_pass p = {
        .model = m, .batch = &o->batch, .vectors = loss_token_vectors(&s->tables)};
    const struct loss_rows rows = {.h = network_forward(o->net, &p),
                                   .target = o->batch.target,
                                   .n = o->batch.n,
                                   .weight = weight / (float)n,
                                   .rng = &rng};
    loss_run(&s->tables, &o->scratch, &rows, o->dh, g);
    if (m == o->model) {
        network_backward(o->net, &p, o->dh, g->dense);
        for (uint32_t t = 0; t < o->batch.n; t++)
            g->k->add(gradient_row(g, o->batch.item[t]), o->dh + t * d, d);
    }
    return (g->loss - before) / (double)(g->targets - targets);
}

static void fill_fresh(struct online *o)
{
    batch_clear(&o->batch);
    for (uint32_t i = 0; i < o->n_fresh; i++)
        online_window_fill(&o->batch, &o->fresh[i], true);
}

/* Whether there was anything to draw. */
static bool fill_replayed(struct online *o)
{
    struct rng rng;
    rng_init(&rng, o->options.seed ^ STREAM, o->report.steps);
    batch_clear(&o->batch);
    for (uint32_t i = 0; i < ONLINE_FRESH; i++) {
        const struct online_window *w = online_replay_draw(&o->replay, i, &rng);
        if (!w)
            return false;
        online_window_fill(&o->batch, w, false);
        o->report.replayed++;
    }
    return true;
}

/* ---- the guard ------------------------------------------------------------------- */

static void judge(struct online *o, double loss, double other, uint32_t events)
{
    const double keep = exp(-(double)events / o->options.horizon);
    o->weight = o->weight * keep + events;
    o->loss = o->loss * keep + loss * events;
    o->other_loss = o->other_loss * keep + other * events;
    o->excess = fmax(0, o->excess * keep + (loss - other) * events);
    o->clean += events;
}

static bool worse(const struct online *o)
{
    const double usual = o->other_loss / o->weight;
    return !isfinite(o->loss) ||
           o->excess > o->options.tolerance * usual * o->options.horizon;
}

static void forget_losses(struct online *o)
{
    o->weight = o->loss = o->other_loss = o->excess = o->clean = 0;
}

static void roll_back(struct online *o)
{
    const size_t bytes = o->model->n_params * sizeof(float);
    memcpy(o->model->param, o->champion->param, bytes);
    memset(o->optimiser.mean, 0, bytes);
    memset(o->optimiser.square, 0, bytes);
    o->optimiser.step = 0;
    o->report.rolled_loss = o->loss / o->weight;
    o->report.rolled_champion_loss = o->other_loss / o->weight;
    online_replay_forget(&o->replay);
    forget_losses(o);
    o->n_fresh = 0;
    o->report.rate = fmaxf(o->report.rate / 2, o->options.rate * SLOWEST);
    o->report.rollbacks++;
    for (uint32_t i = 0; i < o->ever.n; i++)
        row_set_add(&o->changed, o->ever.row[i]);
    row_set_clear(&o->ever);
}

static void win_back(struct online *o)
{
    if (o->report.rate >= o->options.rate || o->clean < o->options.horizon)
        return;
    o->report.rate = fminf(2 * o->report.rate, o->options.rate);
    o->clean = 0;
}

/* ---- a step ---------------------------------------------------------------------- */

static void learn(struct online *o)
{
    struct gradient *g = &o->own.gradient;
    optimiser_update(&o->optimiser, o->model, g, o->report.rate, o->pool);
    for (uint32_t i = 0; i < g->n_rows; i++) {
        row_set_add(&o->changed, g->row[i]);
        row_set_add(&o->ever, g->row[i]);
    }
    for (uint32_t i = 0; i < o->n_fresh; i++)
        online_replay_add(&o->replay, &o->fresh[i]);
    o->report.fresh += o->n_fresh;
    o->n_fresh = 0;
}

int online_step(struct online *o, enum online_outcome *outcome,
                struct penchant_error *err)
{
    struct gradient *g = &o->own.gradient;
    *outcome = ONLINE_IDLE;
    if (!o->n_fresh)
        return PENCHANT_OK;
    online_replay_frequencies(&o->replay);
    renew_negatives(o, &o->own);
    renew_negatives(o, &o->other);
    gradient_clear(g);
    gradient_clear(&o->other.gradient);
    fill_fresh(o);
    const double other = pass(o, o->champion, &o->other, 1, 0);
    const double loss = pass(o, o->model, &o->own, 0.5f, 0);
    judge(o, loss, other, o->n_fresh);
    if (worse(o)) {
        roll_back(o);
        *outcome = ONLINE_ROLLED_BACK;
    } else {
        if (fill_replayed(o))
            pass(o, o->model, &o->own, 0.5f, 1);
        if (g->failed)
            return error_memory(err);
        learn(o);
        win_back(o);
        *outcome = ONLINE_LEARNED;
    }
    o->report.steps++;
    return PENCHANT_OK;
}

/* ---- what came of it ------------------------------------------------------------- */

void online_report(const struct online *o, struct online_report *out)
{
    *out = o->report;
    out->loss = o->weight > 0 ? o->loss / o->weight : (double)NAN;
    out->champion_loss = o->weight > 0 ? o->other_loss / o->weight : (double)NAN;
}

const struct model *online_model(const struct online *o)
{
    return o->model;
}

const uint32_t *online_changed(const struct online *o, uint32_t *n)
{
    *n = o->changed.n;
    return o->changed.row;
}

void online_published(struct online *o)
{
    row_set_clear(&o->changed);
}
