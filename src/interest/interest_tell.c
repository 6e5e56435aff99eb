/* SPDX-License-Identifier: Apache-2.0 */
/* What an interest is about: categories, brands, prices, items, times. */
#include <math.h>
#include <stdlib.h>

#include "interest/interest_work.h"

/* ---- categories and brands ---- */

/* How much a share tells: its part of the divergence from the shop's shares. */
static double tells(const struct interest_share *s)
{
    return s->share * log(s->lift);
}

/* Puts x in its place among the best `most`; equal ones stay in their order. */
static void insert(struct interest_share *best, uint32_t *n, uint32_t most,
                   const struct interest_share *x)
{
    uint32_t at = *n;
    if (at < most)
        ++*n;
    else if (tells(&best[--at]) >= tells(x))
        return;
    for (; at && tells(&best[at - 1]) < tells(x); at--)
        best[at] = best[at - 1];
    best[at] = *x;
}

static int tell_shares(const struct interest_work *w, const double *weight, double all,
                       struct interest *out)
{
    const struct catalog *c = w->in->catalog;
    double *sum = calloc(w->n_attributes + (size_t)1, sizeof(*sum));
    if (!sum)
        return PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < w->n; i++)
        for (uint32_t j = w->start[i]; weight[i] > 0 && j < w->start[i + 1]; j++)
            sum[w->local[j]] += weight[i];
    for (uint32_t j = 0; j < w->n_attributes; j++) {
        const char kind = names_text(&c->attributes, w->attribute[j])[0];
        if (!(sum[j] > 0))
            continue;
        struct interest_share x = {.attribute = w->attribute[j],
                                   .share = fmin(1, sum[j] / all)};
        x.lift = x.share / catalog_attribute_share(c, w->attribute[j]);
        if (kind == 'c')
            insert(out->category, &out->n_categories, INTERESTS_CATEGORIES, &x);
        else if (kind == 'b')
            insert(out->brand, &out->n_brands, INTERESTS_BRANDS, &x);
    }
    free(sum);
    return PENCHANT_OK;
}

/* ---- prices ---- */

/* The price below which `share` of the weight lies. */
static double quantile(const struct interest_work *w, const double *weight, double share,
                       double all)
{
    const uint32_t *priced = w->order + w->n;
    double reached = 0, price = NAN;
    for (uint32_t i = 0; i < w->n_priced; i++) {
        const uint32_t e = priced[i];
        if (!(weight[e] > 0))
            continue;
        reached += weight[e];
        price = w->in->catalog->item[w->item[e]].price;
        if (reached >= share * all)
            break;
    }
    return price;
}

static void tell_prices(const struct interest_work *w, const double *weight,
                        struct interest *out)
{
    const uint32_t *priced = w->order + w->n;
    double all = 0;
    for (uint32_t i = 0; i < w->n_priced; i++)
        all += weight[priced[i]];
    out->price_low = all > 0 ? quantile(w, weight, 0.1, all) : NAN;
    out->price_high = all > 0 ? quantile(w, weight, 0.9, all) : NAN;
}

/* ---- items ---- */

/* Those of most weight that are still in the catalogue; equal ones by number. */
static void tell_items(const struct interest_work *w, const double *weight,
                       struct interest *out)
{
    double best[INTERESTS_ITEMS];
    for (uint32_t i = 0; i < w->n;) {
        const uint32_t item = w->item[w->order[i]];
        double sum = 0;
        for (; i < w->n && w->item[w->order[i]] == item; i++)
            sum += weight[w->order[i]];
        if (!(sum > 0) || w->in->catalog->item[item].deleted)
            continue;
        uint32_t at = out->n_items;
        if (at < INTERESTS_ITEMS)
            out->n_items++;
        else if (best[--at] >= sum)
            continue;
        for (; at && best[at - 1] < sum; at--) {
            best[at] = best[at - 1];
            out->item[at] = out->item[at - 1];
        }
        best[at] = sum;
        out->item[at] = item;
    }
}

int interest_tell(const struct interest_work *w, const double *weight,
                  struct interest *out)
{
    double all = 0;
    *out = (struct interest){0};
    for (uint32_t i = 0; i < w->n; i++) {
        if (!(weight[i] > 0))
            continue;
        if (!out->events++)
            out->first_us = w->ts_us[i];
        out->last_us = w->ts_us[i];
        all += weight[i];
    }
    tell_prices(w, weight, out);
    tell_items(w, weight, out);
    return tell_shares(w, weight, all, out);
}
