/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/slate.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"
#include "retrieval/best.h"

/* Dinkelbach's values rise until rounding stops them; this only ends what cannot end. */
enum { MOST_STEPS = 100 };

double slate_value(const struct slate_candidates *c, const uint32_t *slot, uint32_t k)
{
    double above = c->null_attraction * c->null_value, below = c->null_attraction;
    for (uint32_t j = 0; j < k; j++) {
        const double e = c->examination ? c->examination[j] : 1;
        const double v = e * c->attraction[slot[j]];
        above += v * c->value[slot[j]];
        below += v;
    }
    return below > 0 ? above / below : c->null_value;
}

/* The work of one call. */
struct chooser {
    const struct slate_candidates *c;
    uint32_t k;
    struct topk_hit *position; /* (k) rows are positions, the best examined first */
    struct topk_hit *hit;      /* (k) */
    uint32_t *trial;           /* (k) */
};

/* The list for which numerator less lambda times denominator is greatest: the sum of
   products of two rows of numbers is greatest when both are in the same order. */
static void choose_for(struct chooser *s, double lambda)
{
    struct best best = {.hit = s->hit, .k = s->k};
    for (uint32_t i = 0; i < s->c->n; i++)
        best_offer(&best, s->c->attraction[i] * (s->c->value[i] - lambda), i);
    best_sort(&best);
    for (uint32_t j = 0; j < s->k; j++)
        s->trial[s->position[j].row] = s->hit[j].row;
}

static void order_positions(struct chooser *s)
{
    struct best best = {.hit = s->position, .k = s->k};
    for (uint32_t j = 0; j < s->k; j++)
        best_offer(&best, s->c->examination ? s->c->examination[j] : 1, j);
    best_sort(&best);
}

static struct slate_best climb(struct chooser *s, uint32_t *slot)
{
    struct slate_best found = {.value = s->c->null_value};
    for (double lambda = found.value; found.steps < MOST_STEPS;) {
        choose_for(s, lambda);
        const double value = slate_value(s->c, s->trial, s->k);
        if (found.steps > 0 && !(value > found.value))
            break;
        found.value = lambda = value;
        found.steps++;
        memcpy(slot, s->trial, s->k * sizeof *slot);
    }
    return found;
}

int slate_choose(const struct slate_candidates *c, uint32_t k, uint32_t *slot,
                 struct slate_best *out)
{
    struct chooser s = {.c = c, .k = k < c->n ? k : c->n};
    struct slate_best found = {.value = c->null_value};
    if (s.k > 0) {
        s.position = malloc(2 * (size_t)s.k * sizeof *s.position);
        s.trial = malloc(s.k * sizeof *s.trial);
        if (!s.position || !s.trial) {
            free(s.position);
            free(s.trial);
            return PENCHANT_ENOMEM;
        }
        s.hit = s.position + s.k;
        order_positions(&s);
        found = climb(&s, slot);
        free(s.position);
        free(s.trial);
    }
    if (out)
        *out = found;
    return PENCHANT_OK;
}
