/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dials.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "engine/shop_balance.h"
#include "engine/shop_content.h"
#include "engine/values.h"
#include "interest/leaning.h"
#include "kernels/kernels.h"

/* A dial of 1 in units of the scores. */
#define FULL BALANCE_MOST

/* ---- what is wanted ---- */

static int check(const struct penchant_dials *b, struct penchant_error *err)
{
    const struct {
        const char *name;
        double value;
    } rows[] = {
        {"relevance", b->relevance}, {"value", b->value},     {"diversity", b->diversity},
        {"novelty", b->novelty},     {"revenue", b->revenue}, {"explore", b->explore},
        {"long_term", b->long_term},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (!isnan(rows[i].value) && !(rows[i].value >= 0 && rows[i].value <= 1))
            return error_field(err, PENCHANT_EINVALID, 0, rows[i].name,
                               "balance: %s must be between 0 and 1", rows[i].name);
    return PENCHANT_OK;
}

static double weight(double dial, double lambda)
{
    return isnan(dial) ? lambda : FULL * dial;
}

int dials_init(struct dials *d, struct penchant *p, const struct penchant_request *r,
               struct penchant_error *err)
{
    const struct penchant_dials *b = &r->balance;
    double lambda[PENCHANT_BALANCES];
    const int status = check(b, err);
    if (status != PENCHANT_OK)
        return status;
    shop_balance_lambda(p->balance, lambda);
    const double relevance = 1 + lambda[PENCHANT_BALANCE_ENGAGEMENT];
    *d = (struct dials){
        .relevance = isnan(b->relevance) ? relevance : b->relevance,
        .value = weight(b->value, lambda[PENCHANT_BALANCE_VALUE]),
        .revenue = weight(b->revenue, lambda[PENCHANT_BALANCE_REVENUE]),
        .novelty = weight(b->novelty, lambda[PENCHANT_BALANCE_NOVELTY]),
        .categories = weight(b->novelty, lambda[PENCHANT_BALANCE_CATEGORIES]),
        .coverage = lambda[PENCHANT_BALANCE_COVERAGE],
        .diversity = weight(b->diversity, lambda[PENCHANT_BALANCE_DIVERSITY]),
        .long_term = b->long_term,
        .explore = b->explore,
    };
    if (isnan(d->explore) && lambda[PENCHANT_BALANCE_EXPLORE] > 0)
        d->explore =
            fmin(1, p->config.explore.share + lambda[PENCHANT_BALANCE_EXPLORE] / FULL);
    /* A relevance above 1 alone changes no order, only how much of the rest there is. */
    d->active = d->value > 0 || d->revenue > 0 || d->novelty > 0 || d->categories > 0 ||
                d->coverage > 0 || d->diversity > 0 || !isnan(d->long_term) ||
                (!isnan(b->relevance) && b->relevance < 1);
    return PENCHANT_OK;
}

void dials_release(struct dials *d)
{
    free(d->plain);
    free(d->made);
    d->plain = NULL;
    d->made = NULL;
}

uint32_t dials_pool(const struct dials *d, uint32_t pool, size_t k)
{
    const uint32_t most = 2 * k > DIALS_POOL ? (uint32_t)(2 * k) : DIALS_POOL;
    return d->active && most > pool ? most : pool;
}

uint32_t dials_enough(const struct dials *d, size_t k)
{
    return d->active ? dials_pool(d, 0, k) : (uint32_t)k;
}

/* ---- what speaks for an item ---- */

struct ranking {
    const struct dials *d;
    struct penchant *p;
    const struct snapshot *s;
    const struct want *w;
    struct topk_hit *hit; /* (n) */
    double *term, *gain;  /* (n) one term; all so far */
    size_t n;
};

/* From the least to the largest as 0 to 1, unknown ones at the mean; false: nothing is
   known, or all is the same. */
static bool spread(double *x, size_t n)
{
    double low = INFINITY, high = -INFINITY, sum = 0;
    size_t known = 0;
    for (size_t i = 0; i < n; i++) {
        if (isnan(x[i]))
            continue;
        low = fmin(low, x[i]);
        high = fmax(high, x[i]);
        sum += x[i];
        known++;
    }
    if (known == 0 || !(high > low))
        return false;
    for (size_t i = 0; i < n; i++)
        x[i] = ((isnan(x[i]) ? sum / (double)known : x[i]) - low) / (high - low);
    return true;
}

static void add(struct ranking *k, double by)
{
    for (size_t i = 0; i < k->n; i++)
        k->gain[i] += by * k->term[i];
}

static int add_value(struct ranking *k, struct dials *d, const struct evidence_query *q)
{
    uint32_t *item = malloc(k->n * sizeof *item);
    float *value = malloc(k->n * PENCHANT_VALUES * sizeof *value);
    int status = item && value ? PENCHANT_OK : PENCHANT_ENOMEM;
    for (size_t i = 0; !status && i < k->n; i++)
        item[i] = k->hit[i].row;
    if (!status)
        status = engine_values(k->p, k->s, k->w, q, item, k->n, value);
    bool known = false;
    for (size_t i = 0; !status && i < k->n; i++) {
        k->term[i] = (double)value[PENCHANT_VALUE_PURCHASE * k->n + i];
        known = known || !isnan(k->term[i]);
    }
    if (!status && !known)
        d->warning = "value: there are no values of purchases for this user, so it was "
                     "left out";
    else if (!status && spread(k->term, k->n))
        add(k, d->value);
    free(item);
    free(value);
    return status;
}

static void add_revenue(struct ranking *k, struct dials *d)
{
    bool known = false;
    for (size_t i = 0; i < k->n; i++) {
        const double price = k->p->catalog.item[k->hit[i].row].price;
        k->term[i] = price >= 0 ? log1p(price) : (double)NAN;
        known = known || !isnan(k->term[i]);
    }
    if (!known)
        d->warning = "revenue: no candidate has a price, so it was left out";
    else if (spread(k->term, k->n))
        add(k, d->revenue);
}

static void add_novelty(struct ranking *k)
{
    for (size_t i = 0; i < k->n; i++)
        k->term[i] = shop_balance_novelty(&k->p->catalog, k->hit[i].row);
    add(k, k->d->novelty);
}

static void add_coverage(struct ranking *k)
{
    for (size_t i = 0; i < k->n; i++)
        k->term[i] =
            1 / (1 + (double)shop_balance_shown_lately(k->p->balance, k->hit[i].row));
    add(k, k->d->coverage);
}

static void add_categories(struct ranking *k)
{
    for (size_t i = 0; i < k->n; i++) {
        const double fresh =
            shop_balance_new_category(&k->p->catalog, k->w->item, k->w->n, k->hit[i].row);
        k->term[i] = isnan(fresh) ? 0 : fresh;
    }
    add(k, k->d->categories);
}

static void add_leaning(struct ranking *k, struct dials *d)
{
    const struct leaning_events e = {.item = k->w->item,
                                     .type = k->w->type,
                                     .ts_us = k->w->ts_us,
                                     .liking = k->w->liking,
                                     .n = k->w->n};
    struct leaning l;
    bool known = false;
    leaning_find(&e, &k->p->catalog, &l);
    for (size_t i = 0; i < k->n; i++) {
        const uint32_t item = k->hit[i].row;
        const double lasting = leaning_near(&l, &k->p->catalog, LEANING_LASTING, item);
        const double now = leaning_near(&l, &k->p->catalog, LEANING_PRESENT, item);
        known = known || !isnan(lasting) || !isnan(now);
        k->term[i] = d->long_term * (isnan(lasting) ? 0 : lasting) +
                     (1 - d->long_term) * (isnan(now) ? 0 : now);
    }
    if (!known)
        d->warning = "long_term: no categories are known of what this user wanted, so it "
                     "was left out";
    add(k, FULL);
}

/* ---- how alike two items are ---- */

double dials_common(const struct catalog *c, uint32_t a, uint32_t b)
{
    const struct catalog_item *x = &c->item[a], *y = &c->item[b];
    uint32_t common = 0, of_x = 0, of_y = 0;
    for (uint32_t j = 0; j < y->n_attributes; j++)
        of_y += leaning_is_category(c, y->attribute[j]);
    for (uint32_t i = 0; i < x->n_attributes; i++) {
        if (!leaning_is_category(c, x->attribute[i]))
            continue;
        of_x++;
        common += catalog_has_attribute(c, b, x->attribute[i]);
    }
    return of_x && of_y ? (double)common / (of_x + of_y - common) : (double)NAN;
}

static const float *row_of(const struct ranking *k, uint32_t item)
{
    return item < k->s->n_items ? k->s->item_vectors + (size_t)item * k->s->dim : NULL;
}

static double cosine(const struct ranking *k, uint32_t a, uint32_t b)
{
    const struct kernels *ker = kernels_get();
    const float *x = k->s ? row_of(k, a) : NULL, *y = k->s ? row_of(k, b) : NULL;
    if (!x || !y)
        return NAN;
    const double xx = (double)ker->dot(x, x, k->s->dim),
                 yy = (double)ker->dot(y, y, k->s->dim);
    return xx > 0 && yy > 0 ? (double)ker->dot(x, y, k->s->dim) / sqrt(xx * yy)
                            : (double)NAN;
}

static double alike(const struct ranking *k, uint32_t a, uint32_t b)
{
    const double common = dials_common(&k->p->catalog, a, b);
    const double near = fmax(0, cosine(k, a, b)); /* fmax drops a NaN */
    const bool no_vectors = isnan(cosine(k, a, b));
    if (isnan(common))
        return near;
    return no_vectors ? common : 0.5 * (common + near);
}

/* ---- the order ---- */

static int best_first(const void *a, const void *b)
{
    const struct topk_hit *x = a, *y = b;
    if (x->score != y->score)
        return x->score > y->score ? -1 : 1;
    return x->row < y->row ? -1 : x->row > y->row;
}

static int by_row(const void *a, const void *b)
{
    const struct topk_hit *x = a, *y = b;
    return x->row < y->row ? -1 : x->row > y->row;
}

/* Place by place the best of those that are left, each less what it has in common with
   the likest above. term[] holds that likeness. */
static void diversify(struct ranking *k, size_t length)
{
    for (size_t i = 0; i < k->n; i++)
        k->term[i] = 0;
    for (size_t j = 0; j < length; j++) {
        size_t best = j;
        for (size_t i = j; i < k->n; i++) {
            const double s = k->hit[i].score - k->d->diversity * k->term[i];
            const double b = k->hit[best].score - k->d->diversity * k->term[best];
            if (s > b || (s == b && k->hit[i].row < k->hit[best].row))
                best = i;
        }
        struct topk_hit chosen = k->hit[best];
        chosen.score -= k->d->diversity * k->term[best];
        memmove(k->hit + j + 1, k->hit + j, (best - j) * sizeof *k->hit);
        memmove(k->term + j + 1, k->term + j, (best - j) * sizeof *k->term);
        k->hit[j] = chosen;
        for (size_t i = j + 1; i < k->n; i++)
            k->term[i] = fmax(k->term[i], alike(k, chosen.row, k->hit[i].row));
    }
    for (size_t i = length; i < k->n; i++)
        k->hit[i].score -= k->d->diversity * k->term[i];
    qsort(k->hit + length, k->n - length, sizeof *k->hit, best_first);
}

static int add_all(struct ranking *k, struct dials *d, const struct evidence_query *q)
{
    int status = PENCHANT_OK;
    for (size_t i = 0; i < k->n; i++)
        k->gain[i] = d->relevance * k->hit[i].score;
    if (d->revenue > 0)
        add_revenue(k, d);
    if (d->novelty > 0)
        add_novelty(k);
    if (d->coverage > 0)
        add_coverage(k);
    if (d->categories > 0)
        add_categories(k);
    if (!isnan(d->long_term))
        add_leaning(k, d);
    if (d->value > 0)
        status = add_value(k, d, q);
    for (size_t i = 0; i < k->n; i++)
        k->hit[i].score = k->gain[i];
    return status;
}

int64_t dials_rank(struct dials *d, struct penchant *p, const struct snapshot *s,
                   const struct want *w, const struct evidence_query *q,
                   struct topk_hit *hit, size_t n, size_t length)
{
    if (!d->active || n == 0)
        return (int64_t)n;
    struct ranking k = {.d = d, .p = p, .s = s, .w = w, .hit = hit, .n = n};
    k.term = malloc(2 * n * sizeof *k.term);
    d->made = malloc(n * sizeof *d->made);
    struct topk_hit *plain = malloc(n * sizeof *plain);
    int64_t status = k.term && d->made && plain ? PENCHANT_OK : PENCHANT_ENOMEM;
    if (status != PENCHANT_OK) {
        free(plain);
    } else {
        d->plain = plain;
        k.gain = k.term + n;
        d->n = (uint32_t)n;
        memcpy(d->plain, hit, n * sizeof *hit);
        qsort(d->plain, n, sizeof *d->plain, by_row);
        status = add_all(&k, d, q);
        qsort(hit, n, sizeof *hit, best_first);
        if (d->diversity > 0)
            diversify(&k, length < n ? length : n);
    }
    free(k.term);
    return status == PENCHANT_OK ? (int64_t)n : status;
}

void dials_set_apart(struct dials *d, struct topk_hit *hit, size_t n)
{
    for (size_t i = 0; d->plain && i < n; i++) {
        const struct topk_hit *own =
            bsearch(&hit[i], d->plain, d->n, sizeof *hit, by_row);
        d->made[i] = hit[i].score;
        hit[i].score = own->score;
    }
}

void dials_tell(const struct dials *d, struct penchant_list *list)
{
    list->warning = d->warning;
    for (size_t i = 0; d->plain && i < list->n; i++) {
        list->items[i].balance = d->made[i] - list->items[i].score;
        list->items[i].score = d->made[i];
    }
}
