/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/simulate.h"

#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"
#include "base/status.h"
#include "base/timing.h"

static const char ORACLE[] = "oracle";

/* All runs of a simulation; failures are kept a run, so that the first is reported whatever
   the threads did. */
struct work {
    struct simulation *s;
    int *status;
    struct penchant_error *err; /* (runs) */
    atomic_uint_fast64_t done;  /* episodes */
    atomic_bool stop;
};

/* One run while it goes. */
struct loop {
    struct work *work;
    struct simulate_run *run;
    const struct world_ops *world;
    const struct actor_ops *actor; /* NULL: the oracle */
    void *people, *mind;
    struct actor_catalog catalog;
    uint32_t episode, user, index;
    uint32_t turn, since; /* of the episode; since its switch */
    uint32_t *shown_at; /* (most items) the request at which an item was last in a list */
    uint32_t n_shown_at;
    uint64_t next_id;
    struct penchant_error *err;
};

bool simulate_policy_find(struct simulate_policy *out, const struct world_ops *w,
                          const char *name)
{
    *out = (struct simulate_policy){.name = name};
    if (strcmp(name, ORACLE) == 0)
        return w->oracle != NULL;
    out->actor = actor_find(name);
    return out->actor != NULL;
}

/* ---- one turn ------------------------------------------------------------------- */

/* A list with an item twice or of no item would make every figure after it worthless. */
static int check_list(struct loop *l, const struct actor_request *r, const uint32_t *item)
{
    const uint32_t n = r->candidates ? r->n_candidates : l->catalog.n;
    if (n > l->n_shown_at) {
        uint32_t *more = realloc(l->shown_at, n * sizeof(*more));
        if (!more)
            return error_memory(l->err);
        memset(more + l->n_shown_at, 0, (n - l->n_shown_at) * sizeof(*more));
        l->shown_at = more;
        l->n_shown_at = n;
    }
    const uint32_t stamp = (uint32_t)r->id;
    for (uint32_t i = 0; i < r->k; i++) {
        if (item[i] >= n)
            return error_set(l->err, PENCHANT_EINVALID,
                             "%s answered item %u of %u in episode %u of %s",
                             l->actor ? l->actor->name : ORACLE, item[i], n, l->episode,
                             l->world->name);
        if (l->shown_at[item[i]] == stamp)
            return error_set(l->err, PENCHANT_EINVALID,
                             "%s answered item %u twice in a list of episode %u of %s",
                             l->actor ? l->actor->name : ORACLE, item[i], l->episode,
                             l->world->name);
        l->shown_at[item[i]] = stamp;
    }
    return PENCHANT_OK;
}

static int curve_add(struct simulate_curve *c, uint32_t turn, double reward)
{
    if (turn >= SIMULATE_MOST_TURNS)
        return PENCHANT_OK;
    if (turn >= c->cap) {
        const uint32_t cap = turn < 64 ? 128 : 2 * turn;
        double *sums = realloc(c->reward, cap * sizeof(*sums));
        if (!sums)
            return PENCHANT_ENOMEM;
        c->reward = sums;
        uint32_t *counts = realloc(c->episodes, cap * sizeof(*counts));
        if (!counts)
            return PENCHANT_ENOMEM;
        c->episodes = counts;
        c->cap = cap;
    }
    for (; c->n <= turn; c->n++) {
        c->reward[c->n] = 0;
        c->episodes[c->n] = 0;
    }
    c->reward[turn] += reward;
    c->episodes[turn]++;
    return PENCHANT_OK;
}

static int count(struct loop *l, uint32_t part, double reward)
{
    struct simulate_run *run = l->run;
    const size_t first = (size_t)l->episode * l->work->s->parts;
    run->reward[first + part] += reward;
    run->turns[first + part]++;
    run->decisions++;
    int status = curve_add(&run->turn, l->turn, reward);
    if (!status && part == 0)
        status = curve_add(&run->before, l->turn, reward);
    if (!status && part && run->turns[first])
        status = curve_add(&run->since, l->since++, reward);
    return status ? error_memory(l->err) : PENCHANT_OK;
}

static void decide(struct loop *l, const struct actor_request *r, uint32_t *item)
{
    double p[ACTOR_MOST_SLATE];
    if (l->actor)
        l->actor->recommend(l->mind, r, item, p);
    else
        l->world->oracle(l->people, item, r->k);
}

static void tell(struct loop *l, const struct world_turn *t)
{
    for (uint32_t i = 0; l->actor && l->actor->event && i < t->n_events; i++)
        l->actor->event(l->mind, l->user, &t->event[i]);
}

/* *over: the episode has come to its end. */
static int one_turn(struct loop *l, bool *over)
{
    uint32_t item[ACTOR_MOST_SLATE];
    float reward[ACTOR_MOST_SLATE] = {0};
    struct world_turn t = {0};
    l->world->turn(l->people, &t);
    int64_t began = timing_steady_ns();
    tell(l, &t);
    *over = t.over;
    if (t.over)
        return PENCHANT_OK;
    t.request.id = ++l->next_id;
    decide(l, &t.request, item);
    int64_t spent = timing_steady_ns() - began;
    const int status = check_list(l, &t.request, item);
    if (status)
        return status;
    *over = l->world->act(l->people, item, t.request.k, reward);
    began = timing_steady_ns();
    if (l->actor && l->actor->feedback)
        l->actor->feedback(l->mind, t.request.id, l->user, reward, t.request.k, *over);
    spent += timing_steady_ns() - began;

    double sum = 0;
    for (uint32_t i = 0; i < t.request.k; i++)
        sum += (double)reward[i];
    l->run->deciding_s += (double)spent * 1e-9;
    return count(l, t.part, sum);
}

/* ---- one run -------------------------------------------------------------------- */

static int one_episode(struct loop *l)
{
    bool over = false;
    l->user = l->world->begin(l->people, l->episode);
    if (l->actor && l->actor->reset)
        l->actor->reset(l->mind, l->user);
    l->since = 0;
    for (l->turn = 0; !over; l->turn++) {
        const int status = one_turn(l, &over);
        if (status)
            return status;
    }
    return PENCHANT_OK;
}

/* Says how far all runs are; only the calling thread may ask the caller's function. */
static void say_progress(struct loop *l)
{
    struct work *w = l->work;
    const struct simulate_options *o = &w->s->options;
    const uint64_t total = (uint64_t)o->n_policies * o->seeds * o->episodes;
    const uint64_t done = atomic_fetch_add(&w->done, 1) + 1;
    const uint32_t threads = o->threads ? o->threads : 1;
    if (o->progress && l->index % threads == 0 &&
        o->progress(o->cookie, "simulating", done, total,
                    o->policy[l->index / o->seeds].name))
        atomic_store(&w->stop, true);
}

static int run_loop(struct loop *l)
{
    const uint32_t episodes = l->work->s->options.episodes;
    for (l->episode = 0; l->episode < episodes; l->episode++) {
        if (atomic_load(&l->work->stop))
            return error_set(l->err, PENCHANT_EINTERRUPTED, "stopped");
        const int status = one_episode(l);
        if (status)
            return status;
        say_progress(l);
    }
    return PENCHANT_OK;
}

static int open_loop(struct loop *l, uint64_t seed)
{
    l->people = l->world->create(seed);
    if (!l->people)
        return error_memory(l->err);
    l->world->catalog(l->people, &l->catalog);
    if (l->actor)
        l->mind = l->actor->create(seed, &l->catalog);
    return l->actor && !l->mind ? error_memory(l->err) : PENCHANT_OK;
}

static void one_run(void *arg, uint32_t i)
{
    struct work *w = arg;
    const struct simulate_options *o = &w->s->options;
    struct loop l = {.work = w,
                     .run = &w->s->run[i],
                     .world = o->world,
                     .actor = o->policy[i / o->seeds].actor,
                     .index = i,
                     .err = &w->err[i]};
    int status = open_loop(&l, o->seed + i % o->seeds);
    if (!status)
        status = run_loop(&l);
    if (status)
        atomic_store(&w->stop, true);
    w->status[i] = status;
    if (l.mind)
        l.actor->destroy(l.mind);
    if (l.people)
        l.world->destroy(l.people);
    free(l.shown_at);
}

/* ---- all of them ---------------------------------------------------------------- */

static uint32_t count_parts(const struct world_ops *w)
{
    uint32_t n = 0;
    while (n < WORLD_MOST_PARTS && w->parts[n])
        n++;
    return n ? n : 1;
}

static int make_runs(struct simulation *s, struct penchant_error *err)
{
    const struct simulate_options *o = &s->options;
    const uint32_t runs = o->n_policies * o->seeds;
    const size_t cells = (size_t)o->episodes * s->parts;
    if (!runs || !cells || cells > SIMULATE_MOST_CELLS / runs)
        return error_set(err, PENCHANT_EINVALID,
                         "%u policies x %u seeds x %u episodes x %u parts are too many",
                         o->n_policies, o->seeds, o->episodes, s->parts);
    s->run = calloc(runs, sizeof(*s->run));
    if (!s->run)
        return error_memory(err);
    for (uint32_t i = 0; i < runs; i++) {
        s->run[i].reward = calloc(cells, sizeof(double));
        s->run[i].turns = calloc(cells, sizeof(uint32_t));
        if (!s->run[i].reward || !s->run[i].turns)
            return error_memory(err);
    }
    return PENCHANT_OK;
}

/* A failure of its own goes before "stopped", which is what it made of the others. */
static int first_failure(const struct work *w, uint32_t runs, struct penchant_error *err)
{
    int status = PENCHANT_OK;
    for (uint32_t i = 0; i < runs; i++)
        if (w->status[i] && (!status || status == PENCHANT_EINTERRUPTED)) {
            status = w->status[i];
            if (err)
                *err = w->err[i];
        }
    return status;
}

static int work(struct simulation *s, struct penchant_error *err)
{
    const uint32_t runs = s->options.n_policies * s->options.seeds;
    struct work w = {.s = s};
    struct pool *pool = pool_new(s->options.threads ? s->options.threads : 1);
    w.status = calloc(runs, sizeof(*w.status));
    w.err = calloc(runs, sizeof(*w.err));
    int status = PENCHANT_OK;
    if (!pool || !w.status || !w.err) {
        status = error_memory(err);
    } else {
        pool_run(pool, one_run, &w, runs);
        status = first_failure(&w, runs, err);
    }
    pool_free(pool);
    free(w.status);
    free(w.err);
    return status;
}

int simulate(struct simulation *out, const struct simulate_options *o,
             struct penchant_error *err)
{
    *out = (struct simulation){.options = *o, .parts = count_parts(o->world)};
    if (!out->options.episodes)
        out->options.episodes = o->world->episodes;
    int status = make_runs(out, err);
    if (!status)
        status = work(out, err);
    if (status)
        simulation_release(out);
    return status;
}

static void curve_release(struct simulate_curve *c)
{
    free(c->reward);
    free(c->episodes);
}

void simulation_release(struct simulation *s)
{
    const uint32_t runs = s->options.n_policies * s->options.seeds;
    for (uint32_t i = 0; s->run && i < runs; i++) {
        free(s->run[i].reward);
        free(s->run[i].turns);
        curve_release(&s->run[i].turn);
        curve_release(&s->run[i].before);
        curve_release(&s->run[i].since);
    }
    free(s->run);
    *s = (struct simulation){0};
}
