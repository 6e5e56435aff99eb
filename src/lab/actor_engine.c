/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/actor_engine.h"

#include <math.h>

enum { SPREAD_EVERY = 256 };
static const float VIEW_KEEP = .99f, VIEW_KEEP_LATE = .8f;

/* ---- life -------------------------------------------------------------------------- */

static void engine_destroy(void *state)
{
    struct engine *e = state;
    if (!e)
        return;
    for (uint32_t i = 0; i < e->n_users; i++) {
        if (e->user[i] && e->user[i]->has_taste)
            taste_release(&e->user[i]->taste);
        free(e->user[i]);
    }
    for (uint32_t i = 0; e->arm && i < e->c.n; i++)
        if (e->arm[i].o.dim)
            last_layer_release(&e->arm[i]);
    for (uint32_t i = 0; i < ENGINE_OPEN; i++)
        free(e->open[i].slot);
    if (e->has_taste)
        taste_population_release(&e->taste);
    if (e->has_organic)
        organic_release(&e->organic);
    last_layer_release(&e->layer);
    critic_online_release(&e->soon);
    critic_online_release(&e->lasting);
    free(e->user);
    free(e->alive);
    free(e->x);
    free(e->group);
    free(e->clicks);
    free(e->shows);
    free(e->late_clicks);
    free(e->late_shows);
    free(e->pair_clicks);
    free(e->pair_shows);
    free(e->arm);
    free(e->projection);
    free(e->judged);
    free(e->sd);
    free(e->gain);
    free(e->left);
    free(e);
}

static bool make_items(struct engine *e)
{
    const uint32_t n = e->c.n;
    const size_t pairs = n <= ENGINE_MOST_PAIRED ? (size_t)n * n : 0;
    e->group = calloc(n + 1, sizeof(*e->group));
    e->clicks = calloc(n + 1, sizeof(float));
    e->shows = calloc(n + 1, sizeof(float));
    e->late_clicks = calloc(n + 1, sizeof(float));
    e->late_shows = calloc(n + 1, sizeof(float));
    if (pairs) {
        e->pair_clicks = calloc(pairs, sizeof(float));
        e->pair_shows = calloc(pairs, sizeof(float));
    }
    if (n <= ENGINE_MOST_ARMS)
        e->arm = calloc(n + 1, sizeof(*e->arm));
    return e->group && e->clicks && e->shows && e->late_clicks && e->late_shows &&
           (!pairs || (e->pair_clicks && e->pair_shows)) &&
           (n > ENGINE_MOST_ARMS || e->arm);
}

static bool make_catalog(struct engine *e)
{
    struct engine_slot s;
    double sd;
    if (!e->c.features)
        return true;
    if (!engine_learn_shape(e, e->c.features, e->c.n, e->c.dim))
        return false;
    const size_t d = e->taste.dim + 1;
    float *x = malloc(e->c.n * d * sizeof(*x));
    struct engine_user nobody = {.last = UINT32_MAX};
    if (!x)
        return false;
    for (uint32_t i = 0; i < e->c.n; i++) {
        engine_judge(e,
                     &(struct engine_asked){
                         .user = &nobody, .candidates = e->c.features, .dim = e->c.dim},
                     i, &s, &sd);
        memcpy(x + i * d, s.x, d * sizeof(*x));
        e->group[i] = s.group;
    }
    e->x = x;
    return true;
}

static bool make_learners(struct engine *e)
{
    double trust[ENGINE_FEATURES] = {0};
    trust[F_RATE] = trust[F_TASTE] = trust[F_ARM] = 1;
    trust[F_RATE_LATE] = trust[F_PAIR] = .5;
    trust[F_VIEWED] = trust[F_ORGANIC] = .2;
    trust[F_VIEWED_LATE] = .5;
    const struct last_layer_options layer = {.dim = ENGINE_FEATURES,
                                             .logistic = true,
                                             .prior_sd = .3,
                                             .slow = .99995,
                                             .fast = .998,
                                             .prior_mean = trust};
    const struct critic_online_options soon = {.dim = SATURATION_SOON,
                                               .gamma = .95,
                                               .lambda = .5,
                                               .least_window = 2000,
                                               .most_window = 2000,
                                               .regularisation = 15};
    const struct critic_online_options lasting = {.dim = SATURATION_LASTING,
                                                  .gamma = .98,
                                                  .lambda = .9,
                                                  .least_window = 10000,
                                                  .most_window = 10000,
                                                  .regularisation = 1};
    return last_layer_init(&e->layer, &layer) == 0 &&
           critic_online_init(&e->soon, &soon) == 0 &&
           critic_online_init(&e->lasting, &lasting) == 0;
}

static void *create(uint64_t seed, const struct actor_catalog *c,
                    const struct engine_options *o)
{
    struct engine *e = calloc(1, sizeof(*e));
    if (!e)
        return NULL;
    e->o = *o;
    e->c = *c;
    e->window = (struct saturation_window){.clicks = 10, .slates = 5};
    e->rate_prior = 20;
    rng_init(&e->rng, seed, 0xE9619E);
    presence_init(&e->presence);
    e->alive = calloc(ENGINE_MOST_USERS, sizeof(*e->alive));
    e->has_organic = c->n > 0 && organic_init(&e->organic, c->n, seed) == 0;
    if (!e->alive || (c->n && !e->has_organic) || !make_learners(e) || !make_items(e) ||
        !make_catalog(e)) {
        engine_destroy(e);
        return NULL;
    }
    return e;
}

/* ---- people ------------------------------------------------------------------------ */

static void forget_user(struct engine *e, uint32_t number)
{
    struct engine_user *u = e->user[number];
    if (!u)
        return;
    if (u->has_taste)
        taste_release(&u->taste);
    free(u);
    e->user[number] = NULL;
}

static struct engine_user *user_of(struct engine *e, uint32_t number)
{
    if (number >= e->n_users) {
        const uint32_t n = number + number / 2 + 64;
        struct engine_user **all = realloc(e->user, n * sizeof(struct engine_user *));
        if (!all)
            return NULL;
        memset(all + e->n_users, 0, (n - e->n_users) * sizeof(struct engine_user *));
        e->user = all;
        e->n_users = n;
    }
    struct engine_user *u = e->user[number];
    if (!u) {
        u = calloc(1, sizeof(*u));
        if (!u)
            return NULL;
        if (e->n_alive == ENGINE_MOST_USERS)
            forget_user(e, e->alive[e->alive_at]);
        else
            e->n_alive++;
        e->alive[e->alive_at] = number;
        e->alive_at = (e->alive_at + 1) % ENGINE_MOST_USERS;
        u->number = number;
        u->last = UINT32_MAX;
        e->user[number] = u;
    }
    if (e->has_taste && !u->has_taste) {
        u->has_taste = taste_init(&u->taste, &e->taste) == 0;
        if (!u->has_taste)
            taste_release(&u->taste);
    }
    return u;
}

static void close_session(struct engine *e, struct engine_user *u)
{
    if (u->has_taste) {
        taste_close(&e->taste, &u->taste);
        taste_fade(&u->taste);
    }
    memset(u->soon_trace, 0, sizeof(u->soon_trace));
    memset(u->lasting_trace, 0, sizeof(u->lasting_trace));
    u->had = (struct saturation){0};
    u->presence = (struct presence_user){0};
}

static void engine_reset(void *state, uint32_t user)
{
    struct engine *e = state;
    struct engine_user *u = user_of(e, user);
    if (u)
        close_session(e, u);
}

static void engine_event(void *state, uint32_t user, const struct actor_event *event)
{
    struct engine *e = state;
    struct engine_user *u = user_of(e, user);
    if (!u || event->item >= e->c.n)
        return;
    struct engine_views *v = &u->views;
    uint32_t at, least = 0;
    for (at = 0; at < v->n && v->item[at] != event->item; at++)
        if (v->slow[at] < v->slow[least])
            least = at;
    if (at == v->n) {
        at = v->n < ENGINE_VIEWS ? v->n++ : least;
        v->item[at] = event->item;
        v->slow[at] = v->late[at] = 0;
    }
    for (uint32_t i = 0; i < v->n; i++) {
        v->slow[i] *= VIEW_KEEP;
        v->late[i] *= VIEW_KEEP_LATE;
    }
    v->slow[at] += 1;
    v->late[at] += 1;
    u->last = event->item;
    organic_view(&e->organic, &u->organic, event->item);
}

/* ---- lists ------------------------------------------------------------------------- */

static void remember_list(struct engine *e, struct engine_user *u, struct engine_open *o,
                          uint64_t id, const uint32_t *item, uint32_t k)
{
    struct engine_slot *slot = realloc(o->slot, k * sizeof(*slot));
    o->id = 0;
    if (!slot)
        return;
    o->slot = slot;
    o->id = id;
    o->user = u->number;
    o->k = k;
    o->last = u->last;
    saturation_soon(&u->had, &e->window, u->presence.away, o->soon);
    saturation_lasting(&u->had, o->lasting);
    for (uint32_t j = 0; j < k; j++) {
        slot[j] = e->judged[item[j]];
        slot[j].looked = engine_looked(e, j);
    }
}

/* Without memory: the first ones. */
static void any_list(uint32_t k, uint32_t *item, double *p)
{
    for (uint32_t j = 0; j < k; j++) {
        item[j] = j;
        p[j] = 1;
    }
}

static void engine_recommend(void *state, const struct actor_request *r, uint32_t *item,
                             double *p)
{
    struct engine *e = state;
    const uint32_t n = r->candidates ? r->n_candidates : e->c.n;
    struct engine_open *o = &e->open[r->id % ENGINE_OPEN];
    e->has_context = e->has_context || r->context;
    if (r->candidates && !e->scale)
        engine_learn_shape(e, r->candidates, n, r->candidate_dim);
    struct engine_user *u = user_of(e, r->user);
    if (!u || !engine_room(e, n)) {
        any_list(r->k, item, p);
        return;
    }
    engine_moment(e, u, r->context, r->n_context, o->arm);
    const struct engine_asked asked = {.user = u,
                                       .candidates = r->candidates,
                                       .context = r->context,
                                       .n_context = r->n_context,
                                       .dim = r->candidate_dim,
                                       .arm = o->arm};
    for (uint32_t i = 0; i < n; i++)
        engine_judge(e, &asked, i, &e->judged[i], &e->sd[i]);
    engine_list(e, u, n, r->k, item, p);
    remember_list(e, u, o, r->id, item, r->k);
    if (++e->lists % SPREAD_EVERY == 0)
        engine_learn_spread(e);
}

static void engine_feedback(void *state, uint64_t id, uint32_t user, const float *reward,
                            uint32_t k, bool done)
{
    struct engine *e = state;
    struct engine_open *o = &e->open[id % ENGINE_OPEN];
    struct engine_user *u = user_of(e, user);
    if (!u || o->id != id || o->k != k || o->user != user)
        return;
    engine_learn(e, u, o, reward, done, true);
    o->id = 0;
    if (done)
        close_session(e, u);
}

static void engine_impression(void *state, uint32_t user, const uint32_t *item,
                              const float *reward, uint32_t n)
{
    struct engine *e = state;
    struct engine_user *u = user_of(e, user);
    struct engine_open o = {0};
    uint32_t place[ACTOR_MOST_SLATE];
    if (!u || !engine_room(e, n) || !n)
        return;
    engine_moment(e, u, NULL, 0, o.arm);
    const struct engine_asked asked = {.user = u, .arm = o.arm};
    for (uint32_t j = 0; j < n; j++) {
        engine_judge(e, &asked, item[j], &e->judged[j], &e->sd[j]);
        place[j] = j;
    }
    remember_list(e, u, &o, 1, place, n);
    if (o.id)
        engine_learn(e, u, &o, reward, false, false);
    free(o.slot);
}

/* ---- the engine and its ablations -------------------------------------------------- */

#define ENGINE(name_, symbol, help_, ...)                                                \
    static void *create_##symbol(uint64_t seed, const struct actor_catalog *c)           \
    {                                                                                    \
        return create(seed, c, &(struct engine_options){__VA_ARGS__});                   \
    }                                                                                    \
    const struct actor_ops actor_##symbol = {                                            \
        .name = name_,                                                                   \
        .help = help_,                                                                   \
        .create = create_##symbol,                                                       \
        .destroy = engine_destroy,                                                       \
        .reset = engine_reset,                                                           \
        .event = engine_event,                                                           \
        .impression = engine_impression,                                                 \
        .recommend = engine_recommend,                                                   \
        .feedback = engine_feedback,                                                     \
    }

ENGINE("engine", engine, "the engine", 0);
ENGINE("engine-no-values", engine_no_values, "without values", .no_values = true);
ENGINE("engine-no-null", engine_no_null, "without a value of no click", .no_null = true);
ENGINE("engine-no-exploration", engine_no_exploration, "without exploration",
       .no_exploration = true);
ENGINE("engine-frozen", engine_frozen, "learns from its first 1,000 lists alone",
       .frozen_after = 1000);
