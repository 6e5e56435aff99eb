/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant_evaluate_policy: the shop's drawn lists as a log for evaluate/ope.h.
 *
 * A list's candidates are the best ones and those that were shown; the others, of whom the
 * log knows how many they were and by log_normaliser what they weighed together, stand in
 * as equals of that weight (what it takes beyond the score of the last that is known, they
 * owe to uncertainty). So propensities under the options of the log come out as
 * logged, and under others nearly. The model of the reward for cascade-DR is fitted from
 * the lists (ope_fit.h): a slot's reward by its position and by where its item stands in
 * the ranking. What is earned by the list as a whole (leaving) counts for its last slot.
 *
 * Memory: some 150 bytes a place of a list.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/draw.h"
#include "engine/engine.h"
#include "evaluate/ope.h"
#include "evaluate/ope_fit.h"
#include "policy/explore.h"

enum { MOST_SLOTS = 1 << 21, RANKS = 12, POSITIONS = 3 };

void penchant_ope_options_default(struct penchant_ope_options *o)
{
    struct ope_options how;
    ope_options_default(&how);
    *o = (struct penchant_ope_options){
        .temperature = 0.25, .draws = how.draws, .seed = how.seed};
}

struct gathering {
    struct explore_options target;
    const struct penchant_ope_options *o;
    struct penchant_error *err;
    struct names users;
    uint32_t clusters;    /* users and visitors so far */
    uint32_t *cluster_of; /* (users.n) */
    size_t n, cap;        /* slates */
    size_t *start;
    uint32_t *cluster;
    size_t slots, slots_cap;
    double *reward, *propensity, *target_p, *quality, *direct;
    double *policy;   /* (slots, RANKS) the target's chances of ranks */
    double *position; /* (slots, POSITIONS) */
    uint32_t *rank, *slot_cluster;
};

/* ---- room ---- */

#define GROW(ok, array, n)                                                               \
    do {                                                                                 \
        void *more = (ok) ? realloc((array), (n) * sizeof(*(array))) : NULL;             \
        if (more)                                                                        \
            (array) = more;                                                              \
        (ok) = more != NULL;                                                             \
    } while (0)

static int make_room(struct gathering *g, size_t k)
{
    if (g->slots + k > MOST_SLOTS)
        return error_field(g->err, PENCHANT_ELIMIT, 0, "since",
                           "more than %d places of lists: take later ones", MOST_SLOTS);
    bool ok = true;
    if (g->n + 2 > g->cap) {
        g->cap = 2 * g->cap + 256;
        GROW(ok, g->start, g->cap);
        GROW(ok, g->cluster, g->cap);
    }
    if (g->slots + k > g->slots_cap) {
        g->slots_cap = 2 * (g->slots + k) + 1024;
        GROW(ok, g->reward, g->slots_cap);
        GROW(ok, g->propensity, g->slots_cap);
        GROW(ok, g->target_p, g->slots_cap);
        GROW(ok, g->policy, g->slots_cap * RANKS);
        GROW(ok, g->position, g->slots_cap * POSITIONS);
        GROW(ok, g->rank, g->slots_cap);
        GROW(ok, g->slot_cluster, g->slots_cap);
    }
    return ok ? PENCHANT_OK : error_memory(g->err);
}

static void release(struct gathering *g)
{
    void *const all[] = {g->cluster_of, g->start,    g->cluster, g->reward,
                         g->propensity, g->target_p, g->quality, g->direct,
                         g->policy,     g->position, g->rank,    g->slot_cluster};
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
        free(all[i]);
    names_release(&g->users);
}

/* ---- one list ---- */

/* Ranks 0, 1, 2, 3, 4-5, 6-7, 8-11, 12-15, 16-23, 24-31, 32-47, 48-. */
static uint32_t rank_bucket(size_t rank)
{
    static const size_t from[RANKS] = {0, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48};
    uint32_t b = RANKS - 1;
    while (from[b] > rank)
        b--;
    return b;
}

/* The candidates as they were, with stand-ins for those that the log did not keep. */
struct pool {
    uint32_t n;
    double *score, *unsure; /* (n) */
    uint32_t *slot;         /* (k) where the shown ones stand */
    double *p, *all;        /* (k) and (k, n) */
    void *block;
};

/* A candidate of which the log knows that it is none of the DRAW_KEPT best, and what all
   like it weigh. */
static struct penchant_candidate stand_in(const struct penchant_slate *s)
{
    const size_t best = s->n_candidates < DRAW_KEPT ? s->n_candidates : DRAW_KEPT;
    struct penchant_candidate c = {.score = s->candidates[best - 1].score};
    double kept = 0;
    if (!(s->temperature > 0))
        return c;
    for (size_t i = 0; i < s->n_candidates; i++)
        kept += exp(s->candidates[i].score / s->temperature +
                    s->kappa * s->candidates[i].uncertainty - s->log_normaliser);
    const double others = (double)(s->pool - s->n_candidates);
    const double logit = s->log_normaliser + log(fmax(1 - kept, 1e-12) / others);
    /* As good as it can be, and as unsure as it then must have been. */
    const double over = logit - c.score / s->temperature;
    if (over > 0 && s->kappa > 0)
        c.uncertainty = over / s->kappa;
    else
        c.score = fmin(c.score, s->temperature * logit);
    return c;
}

static int find_shown(const struct penchant_slate *s, struct pool *pool)
{
    for (size_t j = 0; j < s->n; j++) {
        size_t i = 0;
        while (i < s->n_candidates &&
               strcmp(s->candidates[i].item_id, s->items[j].item_id) != 0)
            i++;
        if (i == s->n_candidates)
            return PENCHANT_ECORRUPT;
        pool->slot[j] = (uint32_t)i;
    }
    return PENCHANT_OK;
}

static int pool_init(struct pool *pool, const struct penchant_slate *s)
{
    const size_t n = s->pool > s->n_candidates ? s->pool : s->n_candidates, k = s->n;
    *pool = (struct pool){.n = (uint32_t)n};
    pool->block = malloc((2 * n + k + k * n) * sizeof(double) + k * sizeof(uint32_t));
    if (!pool->block)
        return PENCHANT_ENOMEM;
    pool->score = pool->block;
    pool->unsure = pool->score + n;
    pool->p = pool->unsure + n;
    pool->all = pool->p + k;
    pool->slot = (uint32_t *)(pool->all + k * n);
    for (size_t i = 0; i < s->n_candidates; i++) {
        pool->score[i] = s->candidates[i].score;
        pool->unsure[i] = s->candidates[i].uncertainty;
    }
    if (n > s->n_candidates) {
        const struct penchant_candidate other = stand_in(s);
        for (size_t i = s->n_candidates; i < n; i++) {
            pool->score[i] = other.score;
            pool->unsure[i] = other.uncertainty;
        }
    }
    return find_shown(s, pool);
}

/* A user's number; a visitor that nobody knows is one of their own. NAMES_NONE: no
   memory. */
static uint32_t cluster_of(struct gathering *g, const char *user)
{
    if (!user || !*user)
        return g->clusters++;
    const uint32_t known = g->users.n, id = names_add(&g->users, user, strlen(user));
    if (id == NAMES_NONE || id < known)
        return id == NAMES_NONE ? id : g->cluster_of[id];
    bool ok = true;
    if ((id & (id - 1)) == 0)
        GROW(ok, g->cluster_of, id ? 2 * (size_t)id : 1);
    if (!ok)
        return NAMES_NONE;
    return g->cluster_of[id] = g->clusters++;
}

static void add_slots(struct gathering *g, const struct penchant_slate *s,
                      const struct pool *pool, uint32_t cluster)
{
    g->start[g->n] = g->slots;
    g->cluster[g->n++] = cluster;
    for (size_t j = 0; j < s->n; j++) {
        const size_t at = g->slots++;
        double *policy = g->policy + at * RANKS, *position = g->position + at * POSITIONS;
        g->reward[at] = s->items[j].reward + (j + 1 == s->n ? s->leave : 0);
        g->propensity[at] = fmin(1, s->items[j].propensity);
        g->target_p[at] = fmin(1, fmax(0, pool->p[j]));
        g->rank[at] = rank_bucket(pool->slot[j]);
        g->slot_cluster[at] = cluster;
        memset(policy, 0, RANKS * sizeof(*policy));
        for (uint32_t i = 0; i < pool->n; i++)
            policy[rank_bucket(i)] += pool->all[j * pool->n + i];
        position[0] = 1 / (double)(1 + j);
        position[1] = j == 0;
        position[2] = j + 1 == s->n;
    }
    g->start[g->n] = g->slots;
}

static bool is_wanted(const struct gathering *g, const struct penchant_slate *s)
{
    if (!s->drawn || s->n == 0 || s->n > OPE_SLOTS_MAX ||
        s->timestamp_us < g->o->since_us)
        return false;
    if (g->o->placement && (!s->placement || strcmp(s->placement, g->o->placement) != 0))
        return false;
    for (size_t j = 0; j < s->n; j++)
        if (!s->items[j].outcome || !(s->items[j].propensity > 0))
            return false;
    return true;
}

static int take_slate(void *cookie, const struct penchant_slate *s)
{
    struct gathering *g = cookie;
    struct pool pool;
    if (!is_wanted(g, s))
        return PENCHANT_OK;
    int status = make_room(g, s->n);
    if (status)
        return status;
    const uint32_t cluster = cluster_of(g, s->user_id);
    status = cluster == NAMES_NONE ? PENCHANT_ENOMEM : pool_init(&pool, s);
    if (!status) {
        const struct explore_candidates c = {
            .score = pool.score, .uncertainty = pool.unsure, .n = pool.n};
        status = explore_distributions(&g->target, &c, pool.slot, (uint32_t)s->n, pool.p,
                                       pool.all);
    }
    if (!status)
        add_slots(g, s, &pool, cluster);
    if (cluster != NAMES_NONE)
        free(pool.block);
    /* An item that was erased since is in no list any more: the list is left out. */
    if (status == PENCHANT_ECORRUPT)
        return PENCHANT_OK;
    return status ? error_memory(g->err) : PENCHANT_OK;
}

/* ---- all ---- */

/* Chances of slots that the target cannot come to are 0: any distribution will do. */
static void complete_policy(struct gathering *g)
{
    for (size_t i = 0; i < g->slots; i++) {
        double sum = 0, *p = g->policy + i * RANKS;
        for (int b = 0; b < RANKS; b++)
            sum += p[b];
        for (int b = 0; b < RANKS; b++)
            p[b] = sum > 0 ? p[b] / sum : b == 0;
    }
}

static int fit(struct gathering *g)
{
    const struct ope_fit_data d = {.n = g->slots,
                                   .reward = g->reward,
                                   .propensity = g->propensity,
                                   .target = g->target_p,
                                   .action = g->rank,
                                   .cluster = g->slot_cluster,
                                   .context = g->position,
                                   .policy = g->policy,
                                   .n_policies = g->slots,
                                   .n_actions = RANKS,
                                   .n_context = POSITIONS};
    complete_policy(g);
    g->quality = malloc(g->slots * sizeof(double));
    g->direct = malloc(g->slots * sizeof(double));
    if (!g->quality || !g->direct)
        return error_memory(g->err);
    return ope_fit(&d, OPE_FIT_PLAIN, g->quality, g->direct, g->err);
}

static int judge(struct gathering *g, struct penchant_ope *out)
{
    struct ope_options how;
    ope_options_default(&how);
    how.draws = g->o->draws;
    how.seed = g->o->seed;
    const struct ope_slates l = {.n = g->n,
                                 .start = g->start,
                                 .reward = g->reward,
                                 .propensity = g->propensity,
                                 .target = g->target_p,
                                 .quality = g->quality,
                                 .direct = g->direct,
                                 .cluster = g->cluster};
    return ope_run_slates(&l, &how, out, g->err);
}

int penchant_evaluate_policy(struct penchant *p, const struct penchant_ope_options *o,
                             struct penchant_ope *out, struct penchant_error *err)
{
    struct penchant_error own = {0};
    struct gathering g = {.o = o,
                          .err = err ? err : &own,
                          .target = {.share = o->explore,
                                     .temperature = o->temperature,
                                     .kappa = o->kappa,
                                     .epsilon = o->epsilon}};
    *out = (struct penchant_ope){0};
    int status = explore_check(&g.target, err);
    if (status)
        return status;
    names_init(&g.users);
    status = penchant_read_slates(p, take_slate, &g, err);
    if (!status && !g.n)
        status = error_set(err, PENCHANT_ENOTFOUND,
                           "no list was drawn (explore above 0) whose outcome is known");
    if (!status)
        status = fit(&g);
    if (!status)
        status = judge(&g, out);
    release(&g);
    return status;
}
