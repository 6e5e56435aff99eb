/* SPDX-License-Identifier: Apache-2.0 */
/* How many segments: what each number of them gains in predicting held-out items. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "interest/segments_fit.h"

static const uint32_t tried[] = {2, 3, 4, 6, 8, 12, 16, 24, 32, 48, SEGMENTS_MAX};
enum { TRIED = sizeof tried / sizeof tried[0] };
_Static_assert(TRIED + 1 <= SEGMENTS_MAX_CHOICES, "room for the choices");

const double segments_priors[SEGMENTS_PRIORS] = {100, 300, 1000, 3000, 10000, 30000};

/* ---- counting ---- */

/* The newest events of user u, as a range of d->item. */
static uint64_t newest(const struct segments_data *d, uint32_t u)
{
    const uint64_t n = d->end[u] - d->start[u];
    return n > SEGMENTS_WINDOW ? d->end[u] - SEGMENTS_WINDOW : d->start[u];
}

static double count(const struct segments_data *d, uint32_t u, double *of)
{
    for (uint64_t i = newest(d, u); i < d->end[u]; i++)
        of[d->item[i]] += 1;
    return (double)(d->end[u] - newest(d, u));
}

/* Numbers of users or cases, ordered by segment: those of s are [begin[s], begin[s+1]). */
struct grouped {
    uint32_t *number, *begin;
};

/* user NULL: number i is user i. */
static int group(struct grouped *g, const uint8_t *segment, uint32_t n,
                 const uint32_t *user, size_t size)
{
    g->number = malloc((size + 1) * sizeof *g->number);
    g->begin = calloc(n + (size_t)2, sizeof *g->begin);
    if (!g->number || !g->begin)
        return PENCHANT_ENOMEM;
    for (size_t i = 0; i < size; i++) {
        const uint8_t s = segment[user ? user[i] : i];
        if (s < n)
            g->begin[s + 2]++;
    }
    for (uint32_t s = 2; s < n + 2; s++)
        g->begin[s] += g->begin[s - 1];
    for (size_t i = 0; i < size; i++) {
        const uint8_t s = segment[user ? user[i] : i];
        if (s < n)
            g->number[g->begin[s + 1]++] = (uint32_t)i;
    }
    return PENCHANT_OK;
}

static void grouped_release(struct grouped *g)
{
    free(g->number);
    free(g->begin);
}

/* Sums over all users, and the room for one segment's. */
struct counts {
    double *all, total, prior;
    double *own;    /* (n_items) zero between segments */
    uint32_t *seen; /* (n_items) the case + 1 whose user had the item last */
};

/* The shop's share of an item, and a segment's that wanted n things. */
static double share(const struct segments_data *d, const struct counts *s, uint32_t item)
{
    return (s->all[item] + 0.5) / (s->total + 0.5 * d->n_items);
}

static double share_in(const struct counts *s, double n, uint32_t item, double p)
{
    return (s->own[item] + s->prior * p) / (n + s->prior);
}

/* Both are divided by what is left of them without the items that the user had before. */
static double gain_of_case(const struct segments_data *d, const struct counts *s,
                           double n, size_t c)
{
    const uint32_t u = d->case_user[c], item = d->case_item[c];
    double left_p = 1, left_q = 1;
    for (uint64_t i = d->start[u]; i < d->end[u]; i++) {
        const uint32_t had = d->item[i];
        if (had == item || s->seen[had] == (uint32_t)c + 1)
            continue;
        s->seen[had] = (uint32_t)c + 1;
        const double p = share(d, s, had);
        left_p -= p;
        left_q -= share_in(s, n, had, p);
    }
    const double p = share(d, s, item), q = share_in(s, n, item, p);
    return log(q / fmax(left_q, q)) - log(p / fmax(left_p, p));
}

static void gain_of_one(const struct segments_data *d, const struct grouped *users,
                        const struct grouped *cases, uint32_t segment, struct counts *s,
                        const double *prior, uint32_t n_priors, double *each)
{
    double n = 0;
    for (uint32_t i = users->begin[segment]; i < users->begin[segment + 1]; i++)
        n += count(d, users->number[i], s->own);
    for (uint32_t a = 0; a < n_priors; a++) {
        s->prior = prior[a];
        memset(s->seen, 0, d->n_items * sizeof *s->seen);
        for (uint32_t i = cases->begin[segment]; i < cases->begin[segment + 1]; i++)
            each[a * d->n_cases + cases->number[i]] =
                gain_of_case(d, s, n, cases->number[i]);
    }
    for (uint32_t i = users->begin[segment]; i < users->begin[segment + 1]; i++)
        for (uint64_t j = newest(d, users->number[i]); j < d->end[users->number[i]]; j++)
            s->own[d->item[j]] = 0;
}

int segments_gain(const struct segments_data *d, const uint8_t *segment, uint32_t n,
                  const double *prior, uint32_t n_priors, double *each)
{
    struct grouped users = {0}, cases = {0};
    const size_t items = d->n_items + (size_t)1;
    struct counts s = {.all = calloc(items, sizeof *s.all),
                       .own = calloc(items, sizeof *s.own),
                       .seen = calloc(items, sizeof *s.seen)};
    int status = s.all && s.own && s.seen ? PENCHANT_OK : PENCHANT_ENOMEM;
    memset(each, 0, n_priors * d->n_cases * sizeof *each);
    if (status == PENCHANT_OK)
        status = group(&users, segment, n, NULL, d->n_users);
    if (status == PENCHANT_OK)
        status = group(&cases, segment, n, d->case_user, d->n_cases);
    for (uint32_t u = 0; status == PENCHANT_OK && u < d->n_users; u++)
        s.total += count(d, u, s.all);
    for (uint32_t i = 0; status == PENCHANT_OK && i < n; i++)
        gain_of_one(d, &users, &cases, i, &s, prior, n_priors, each);
    grouped_release(&users);
    grouped_release(&cases);
    free(s.all);
    free(s.own);
    free(s.seen);
    return status;
}

/* ---- choosing ---- */

/* Mean of a - b (b may be NULL) and its standard error. */
static double mean_gain(const double *a, const double *b, size_t n, double *error)
{
    double sum = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        const double x = a[i] - (b ? b[i] : 0);
        sum += x;
        square += x * x;
    }
    const double mean = n ? sum / (double)n : 0;
    *error =
        n > 1 ? sqrt(fmax(0, square / (double)n - mean * mean) / (double)(n - 1)) : 0;
    return mean;
}

/* The smallest number within a standard error of the best. */
static uint32_t smallest_good(const struct segments_choice *c, uint32_t n,
                              const double *each, size_t n_cases)
{
    uint32_t best = 0;
    double error;
    for (uint32_t i = 1; i < n; i++)
        if (c[i].gain > c[best].gain)
            best = i;
    for (uint32_t i = 0; i < best; i++) {
        const double behind =
            mean_gain(each + best * n_cases, each + i * n_cases, n_cases, &error);
        if (behind <= error)
            return c[i].n;
    }
    return c[best].n;
}

/* The gains of the best prior into each (n_cases); `room` is for all priors'. */
static void take_best(const struct segments_data *d, const double *room, double *each,
                      struct segments_choice *c)
{
    c->gain = -INFINITY;
    for (uint32_t a = 0; a < SEGMENTS_PRIORS; a++) {
        double error;
        const double *of = room + a * d->n_cases;
        const double gain = mean_gain(of, NULL, d->n_cases, &error);
        if (!(gain > c->gain))
            continue;
        c->gain = gain;
        c->error = error;
        c->prior = segments_priors[a];
        memcpy(each, of, d->n_cases * sizeof *each);
    }
}

static int try_number(const struct segments_data *d, struct segments_choice *c,
                      uint64_t seed, struct pool *pool, uint8_t *segment, double *room,
                      double *each)
{
    struct segments_found found;
    int status = segments_find(&found, d, c->n, seed, pool);
    if (status == PENCHANT_OK && found.n)
        status = segments_assign(&found, d, pool, segment);
    if (status == PENCHANT_OK && found.n)
        status =
            segments_gain(d, segment, found.n, segments_priors, SEGMENTS_PRIORS, room);
    if (status == PENCHANT_OK && found.n)
        take_best(d, room, each, c);
    free(found.centre);
    return status;
}

int segments_choose(const struct segments_data *d, uint64_t seed, struct pool *pool,
                    struct segments_choice choice[SEGMENTS_MAX_CHOICES],
                    uint32_t *n_choices, uint32_t *best)
{
    double *each = calloc((d->n_cases + 1) * SEGMENTS_MAX_CHOICES, sizeof *each);
    double *room = malloc((d->n_cases + 1) * SEGMENTS_PRIORS * sizeof *room);
    uint8_t *segment = malloc(d->n_users + (size_t)1);
    int status = each && room && segment ? PENCHANT_OK : PENCHANT_ENOMEM;
    uint32_t n = 1;
    choice[0] = (struct segments_choice){.n = 1, .prior = segments_priors[0]};
    for (uint32_t i = 0; status == PENCHANT_OK && d->n_cases && i < TRIED &&
                         tried[i] * SEGMENTS_LEAST_USERS <= d->n_users;
         i++, n++) {
        choice[n] = (struct segments_choice){.n = tried[i]};
        status =
            try_number(d, &choice[n], seed, pool, segment, room, each + n * d->n_cases);
    }
    if (status == PENCHANT_OK) {
        *n_choices = n;
        *best = smallest_good(choice, n, each, d->n_cases);
    }
    free(each);
    free(room);
    free(segment);
    return status;
}
