/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/draw.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

int draw_init(struct draw *d, const struct penchant *p, const struct penchant_request *r,
              double dial, struct penchant_error *err)
{
    const struct explore_options *set = &p->config.explore;
    const double share = isnan(dial) ? set->share : dial;
    *d = (struct draw){
        .options = {.share = isnan(r->explore) ? share : r->explore,
                    .temperature =
                        isnan(r->temperature) ? set->temperature : r->temperature,
                    .kappa = isnan(r->kappa) ? set->kappa : r->kappa,
                    .epsilon = isnan(r->epsilon) ? set->epsilon : r->epsilon},
        .seed = r->seed};
    return explore_check(&d->options, err);
}

void draw_release(struct draw *d)
{
    free(d->block);
    d->block = NULL;
    d->propensity = NULL;
}

static bool is_on(const struct draw *d)
{
    return d->options.share > 0;
}

uint32_t draw_pool(const struct draw *d, size_t k)
{
    if (!is_on(d))
        return (uint32_t)k;
    return 2 * k > DRAW_POOL ? (uint32_t)(2 * k) : DRAW_POOL;
}

/* Without a seed of the request one that nobody can guess; 0 where the system has none. */
static uint64_t seed_of(const struct draw *d)
{
    uint64_t seed = d->seed;
    if (seed == 0 && getrandom(&seed, sizeof seed, 0) != sizeof seed)
        seed = 0;
    return seed;
}

/* Everything that a draw needs, in one block. */
struct drawing {
    struct topk_hit *list;       /* (k) */
    double *score, *unsure, *p;  /* (n), (n), (k) */
    uint32_t *slot, *item;       /* (k), (kept) */
    float *propensity, *kept[2]; /* (k), (kept) scores and uncertainties */
    bool *shown;                 /* (n) */
};

static void *carve(char **at, size_t n, size_t size)
{
    void *here = *at;
    *at += n * size;
    return here;
}

static bool make_room(struct draw *d, struct drawing *w, size_t n, size_t k)
{
    const size_t kept = DRAW_KEPT + k;
    d->block =
        malloc(k * (sizeof *w->list + sizeof *w->p + 2 * sizeof(float)) +
               n * (2 * sizeof *w->score + sizeof *w->shown) + kept * 3 * sizeof(float));
    char *at = d->block;
    if (!at)
        return false;
    w->list = carve(&at, k, sizeof *w->list);
    w->score = carve(&at, n, sizeof *w->score);
    w->unsure = carve(&at, n, sizeof *w->unsure);
    w->p = carve(&at, k, sizeof *w->p);
    w->slot = carve(&at, k, sizeof *w->slot);
    w->propensity = carve(&at, k, sizeof *w->propensity);
    w->item = carve(&at, kept, sizeof *w->item);
    w->kept[0] = carve(&at, kept, sizeof *w->kept[0]);
    w->kept[1] = carve(&at, kept, sizeof *w->kept[1]);
    w->shown = carve(&at, n, sizeof *w->shown);
    return true;
}

/* What the log keeps of the candidates. */
static void keep(struct draw *d, const struct drawing *w, const struct topk_hit *hit,
                 const struct explore_candidates *c)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < c->n; i++) {
        if (i >= DRAW_KEPT && !w->shown[i])
            continue;
        w->item[kept] = hit[i].row;
        w->kept[0][kept] = (float)c->score[i];
        w->kept[1][kept++] = c->uncertainty ? (float)c->uncertainty[i] : 0;
    }
    d->choice = (struct store_choice){
        .share = d->options.share,
        .temperature = d->options.temperature,
        .kappa = d->options.kappa,
        .epsilon = d->options.epsilon,
        .log_normaliser = explore_log_normaliser(&d->options, c),
        .pool = c->n,
        .n = kept,
        .item = w->item,
        .score = w->kept[0],
        .uncertainty = c->uncertainty ? w->kept[1] : NULL,
    };
}

/* As the log keeps it, so that what is told of it later is what was done. */
static double uncertainty_of(const struct penchant *p, uint32_t item)
{
    return (float)(1 / sqrt(1 + (double)p->catalog.item[item].events));
}

int64_t draw_list(struct draw *d, const struct penchant *p, const struct adapt_view *view,
                  struct topk_hit *hit, size_t n, size_t k)
{
    struct drawing w;
    struct rng r;
    const size_t length = k < n ? k : n;
    if (!is_on(d) || n == 0)
        return (int64_t)length;
    if (!make_room(d, &w, n, length))
        return PENCHANT_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        w.score[i] = hit[i].score;
        w.unsure[i] = uncertainty_of(p, hit[i].row);
        w.shown[i] = false;
    }
    if (view && view->correct && d->options.kappa > 0)
        adapt_view_unsure(view, hit, n, w.unsure);
    const struct explore_candidates c = {.score = w.score,
                                         .uncertainty =
                                             d->options.kappa > 0 ? w.unsure : NULL,
                                         .n = (uint32_t)n};
    rng_init(&r, seed_of(d), 0);
    if (explore_draw(&d->options, &c, (uint32_t)length, &r, w.slot, w.p))
        return PENCHANT_ENOMEM;
    for (size_t j = 0; j < length; j++) {
        w.list[j] = hit[w.slot[j]];
        w.propensity[j] = (float)w.p[j];
        w.shown[w.slot[j]] = true;
    }
    keep(d, &w, hit, &c);
    memcpy(hit, w.list, length * sizeof *hit);
    d->propensity = w.propensity;
    return (int64_t)length;
}
