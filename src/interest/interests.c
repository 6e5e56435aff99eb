/* SPDX-License-Identifier: Apache-2.0 */
/* Weighing a user's events, and comparing the present with the past. */
#include "interest/interests.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "behaviour/event.h"
#include "interest/interest_work.h"

#define DAY_US         86400e6
#define FRESH_DAYS     7.0
#define FRESH_EVENTS   32.0
#define LASTING_DAYS   90.0
#define LASTING_EVENTS 256.0
#define SUPPOSED_PAST  1.0 /* views */

/* ---- sums of items ---- */

void interest_sum_add(const struct interest_work *w, struct interest_sum *s, uint32_t i,
                      double weight)
{
    if (w->dim)
        w->k->add_scaled(s->vector, w->vector + (size_t)i * w->dim, (float)weight,
                         w->dim);
    for (uint32_t j = w->start[i]; w->length[i] > 0 && j < w->start[i + 1]; j++)
        s->category[w->local[j]] += weight * w->telling[w->local[j]] / w->length[i];
    s->mass += weight;
}

/* The mean of the cosines that are known; NaN without any. */
static double mean_known(double a, double b)
{
    return isnan(a) ? b : isnan(b) ? a : 0.5 * (a + b);
}

static double cosine(double dot, double aa, double bb)
{
    return aa > 0 && bb > 0 ? dot / sqrt(aa * bb) : NAN;
}

static double dot(const struct interest_work *w, const float *a, const float *b)
{
    return w->dim ? (double)w->k->dot(a, b, w->dim) : 0;
}

static double dot_categories(const struct interest_work *w, const double *a,
                             const double *b)
{
    double sum = 0;
    for (uint32_t i = 0; i < w->n_attributes; i++)
        sum += a[i] * b[i];
    return sum;
}

double interest_near(const struct interest_work *w, const struct interest_sum *a,
                     const struct interest_sum *b)
{
    return mean_known(cosine(dot(w, a->vector, b->vector), dot(w, a->vector, a->vector),
                             dot(w, b->vector, b->vector)),
                      cosine(dot_categories(w, a->category, b->category),
                             dot_categories(w, a->category, a->category),
                             dot_categories(w, b->category, b->category)));
}

double interest_near_event(const struct interest_work *w, const struct interest_sum *s,
                           uint32_t i)
{
    const float *v = w->vector + (size_t)i * w->dim;
    double sum = 0;
    for (uint32_t j = w->start[i]; w->length[i] > 0 && j < w->start[i + 1]; j++)
        sum += s->category[w->local[j]] * w->telling[w->local[j]];
    return mean_known(
        cosine(dot(w, s->vector, v), dot(w, s->vector, s->vector), dot(w, v, v)),
        cosine(sum, dot_categories(w, s->category, s->category),
               w->length[i] * w->length[i]));
}

/* ---- drift ---- */

static int sum_new(const struct interest_work *w, struct interest_sum *s)
{
    *s = (struct interest_sum){
        .vector = calloc(w->dim + (size_t)1, sizeof(*s->vector)),
        .category = calloc(w->n_attributes + (size_t)1, sizeof(*s->category))};
    return s->vector && s->category ? PENCHANT_OK : PENCHANT_ENOMEM;
}

static void sum_free(struct interest_sum *s)
{
    free(s->vector);
    free(s->category);
}

static int find_drift(const struct interest_work *w, double *drift)
{
    struct interest_sum now, past = {0};
    int rc = sum_new(w, &now);
    if (!rc)
        rc = sum_new(w, &past);
    for (uint32_t i = 0; !rc && i < w->n; i++) {
        interest_sum_add(w, &now, i, w->fresh[i]);
        interest_sum_add(w, &past, i, w->lasting[i] - w->fresh[i]);
    }
    *drift = NAN;
    if (!rc && now.mass > 0) {
        for (uint32_t j = 0; j < w->dim; j++)
            past.vector[j] += (float)(SUPPOSED_PAST * (double)now.vector[j] / now.mass);
        for (uint32_t j = 0; j < w->n_attributes; j++)
            past.category[j] += SUPPOSED_PAST * now.category[j] / now.mass;
        const double near = interest_near(w, &now, &past);
        *drift = isnan(near) ? NAN : 1 - fmin(1, fmax(0, near));
    }
    sum_free(&now);
    sum_free(&past);
    return rc;
}

/* ---- what counts how much ---- */

static void weigh(struct interest_work *w)
{
    const struct interests_input *in = w->in;
    const float *liking = in->liking ? in->liking + (in->n - w->n) : NULL;
    for (uint32_t i = 0; i < w->n; i++) {
        const double later = w->n - 1 - i;
        const double days =
            in->has_clock ? fmax(0, (double)(in->now_us - w->ts_us[i]) / DAY_US) : 0;
        const double weight = (double)event_type_weight(w->type[i]) *
                              (liking ? fmax(0, (double)liking[i]) : 1);
        w->fresh[i] = weight * exp2(-days / FRESH_DAYS - later / FRESH_EVENTS);
        w->lasting[i] = weight * exp2(-days / LASTING_DAYS - later / LASTING_EVENTS);
    }
}

/* ---- what is known of the items ---- */

void interest_middle(const float *vectors, uint32_t n, uint32_t dim, float *middle)
{
    const struct kernels *k = kernels_get();
    memset(middle, 0, dim * sizeof(*middle));
    for (uint32_t i = 0; i < n; i++) {
        const float *v = vectors + (size_t)i * dim;
        const float square = k->dot(v, v, dim);
        if (square > 0)
            k->add_scaled(middle, v, 1 / (sqrtf(square) * (float)n), dim);
    }
}

static void settle_vector(struct interest_work *w, uint32_t i)
{
    const struct interest_vectors *from = w->in->vectors;
    float *v = w->vector + (size_t)i * w->dim;
    if (w->item[i] >= from->n)
        return;
    const float *raw = from->vectors + (size_t)w->item[i] * w->dim;
    const float square = w->k->dot(raw, raw, w->dim);
    if (!(square > 0))
        return;
    memcpy(v, raw, w->dim * sizeof(*v));
    w->k->scale(v, 1 / sqrtf(square), w->dim);
    w->k->add_scaled(v, from->middle, -1, w->dim);
    const float left = w->k->dot(v, v, w->dim);
    if (left > 1e-6F) /* else all items look one way, and the rest is rounding */
        w->k->scale(v, 1 / sqrtf(left), w->dim);
    else
        memset(v, 0, w->dim * sizeof(*v));
}

enum { BUCKETS = 16384 }; /* more than INTERESTS_EVENTS * CATALOG_MAX_ATTRIBUTES */
_Static_assert((int)BUCKETS > (int)INTERESTS_EVENTS * (int)CATALOG_MAX_ATTRIBUTES,
               "a table that fills up");

/* The local number of an attribute; `table` maps by open addressing, 0 is empty. */
static uint32_t number_attribute(struct interest_work *w, uint16_t *table,
                                 uint32_t attribute)
{
    uint32_t at = attribute * 2654435761U % BUCKETS;
    while (table[at] && w->attribute[table[at] - 1] != attribute)
        at = (at + 1) % BUCKETS;
    if (!table[at]) {
        const struct catalog *c = w->in->catalog;
        const bool category = names_text(&c->attributes, attribute)[0] == 'c';
        w->attribute[w->n_attributes] = attribute;
        w->telling[w->n_attributes] =
            category ? log1p(1 / catalog_attribute_share(c, attribute)) : 0;
        table[at] = (uint16_t)++w->n_attributes;
    }
    return table[at] - 1U;
}

static void settle_attributes(struct interest_work *w, uint16_t *table)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->n; i++) {
        const struct catalog_item *it = &w->in->catalog->item[w->item[i]];
        double square = 0;
        w->start[i] = n;
        for (uint32_t j = 0; j < it->n_attributes; j++) {
            w->local[n] = number_attribute(w, table, it->attribute[j]);
            square += w->telling[w->local[n]] * w->telling[w->local[n]];
            n++;
        }
        w->length[i] = sqrt(square);
    }
    w->start[w->n] = n;
}

/* ---- orders ---- */

static int by_item(const void *pa, const void *pb, void *context)
{
    const struct interest_work *w = context;
    const uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    if (w->item[a] != w->item[b])
        return w->item[a] < w->item[b] ? -1 : 1;
    return a < b ? -1 : a > b;
}

static double price_of(const struct interest_work *w, uint32_t i)
{
    return w->in->catalog->item[w->item[i]].price;
}

static int by_price(const void *pa, const void *pb, void *context)
{
    const uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    const double x = price_of(context, a), y = price_of(context, b);
    if (x != y)
        return x < y ? -1 : 1;
    return a < b ? -1 : a > b;
}

static void settle_orders(struct interest_work *w)
{
    uint32_t *priced = w->order + w->n;
    for (uint32_t i = 0; i < w->n; i++) {
        w->order[i] = i;
        if (!isnan(price_of(w, i)))
            priced[w->n_priced++] = i;
    }
    qsort_r(w->order, w->n, sizeof(*w->order), by_item, w);
    qsort_r(priced, w->n_priced, sizeof(*priced), by_price, w);
}

/* ---- life ---- */

static void work_free(struct interest_work *w)
{
    free(w->fresh);
    free(w->lasting);
    free(w->vector);
    free(w->attribute);
    free(w->telling);
    free(w->start);
    free(w->local);
    free(w->length);
    free(w->slot);
    free(w->order);
}

static int work_new(struct interest_work *w, const struct interests_input *in)
{
    const uint32_t n = in->n < INTERESTS_EVENTS ? in->n : INTERESTS_EVENTS;
    const uint32_t skipped = in->n - n;
    size_t attributes = 1;
    *w = (struct interest_work){.in = in,
                                .k = kernels_get(),
                                .n = n,
                                .dim = in->vectors ? in->vectors->dim : 0,
                                .item = in->item + skipped,
                                .type = in->type + skipped,
                                .ts_us = in->ts_us + skipped};
    for (uint32_t i = 0; i < n; i++)
        attributes += in->catalog->item[w->item[i]].n_attributes;
    w->fresh = calloc(n + (size_t)1, sizeof(*w->fresh));
    w->lasting = calloc(n + (size_t)1, sizeof(*w->lasting));
    w->vector = calloc((size_t)n * w->dim + 1, sizeof(*w->vector));
    w->attribute = calloc(attributes, sizeof(*w->attribute));
    w->telling = calloc(attributes, sizeof(*w->telling));
    w->start = calloc(n + (size_t)1, sizeof(*w->start));
    w->local = calloc(attributes, sizeof(*w->local));
    w->length = calloc(n + (size_t)1, sizeof(*w->length));
    w->slot = calloc(n + (size_t)1, sizeof(*w->slot));
    w->order = calloc(2 * (size_t)n + 1, sizeof(*w->order));
    uint16_t *table = calloc(BUCKETS, sizeof(*table));
    const bool whole = w->fresh && w->lasting && w->vector && w->attribute &&
                       w->telling && w->start && w->local && w->length && w->slot &&
                       w->order && table;
    if (whole) {
        weigh(w);
        settle_attributes(w, table);
        for (uint32_t i = 0; w->dim && i < n; i++)
            settle_vector(w, i);
        settle_orders(w);
    }
    free(table);
    return whole ? PENCHANT_OK : PENCHANT_ENOMEM;
}

/* ---- all of it ---- */

/* The heaviest first; they are few. Equal ones stay in their order. */
static void sort_short(struct interests *out)
{
    for (uint32_t i = 1; i < out->n_short; i++) {
        const struct interest x = out->short_term[i];
        uint32_t at = i;
        for (; at && out->short_term[at - 1].weight < x.weight; at--)
            out->short_term[at] = out->short_term[at - 1];
        out->short_term[at] = x;
    }
}

static int tell_short(const struct interest_work *w, uint32_t n_slots, double all,
                      double *weight, struct interests *out)
{
    int rc = PENCHANT_OK;
    out->long_term.weight = 1;
    for (uint32_t s = 0; !rc && s < n_slots; s++) {
        double mass = 0;
        uint32_t events = 0;
        for (uint32_t i = 0; i < w->n; i++) {
            const bool here = w->slot[i] == (int8_t)s;
            mass += weight[i] = here ? w->fresh[i] : 0;
            events += here;
        }
        const bool newest = w->slot[w->n - 1] == (int8_t)s;
        if (!(mass >= INTERESTS_LEAST * all) || (events < 2 && !newest))
            continue;
        struct interest *x = &out->short_term[out->n_short++];
        rc = interest_tell(w, weight, x);
        x->weight = mass / all;
        out->long_term.weight -= x->weight;
    }
    out->long_term.weight = fmax(0, out->long_term.weight);
    sort_short(out);
    return rc;
}

static int tell_all(struct interest_work *w, struct interests *out)
{
    uint32_t n_slots = 0;
    double all = 0;
    for (uint32_t i = 0; i < w->n; i++)
        all += w->lasting[i];
    if (!(all > 0)) /* nothing that the user ever liked, or too long ago to be told */
        return PENCHANT_OK;
    double *weight = malloc(w->n * sizeof(*weight));
    int rc = weight ? interest_cluster(w, &n_slots) : PENCHANT_ENOMEM;
    if (!rc)
        rc = tell_short(w, n_slots, all, weight, out);
    const double kept = out->long_term.weight;
    if (!rc)
        rc = interest_tell(w, w->lasting, &out->long_term);
    out->long_term.weight = kept;
    if (!rc)
        rc = find_drift(w, &out->drift);
    if (!rc)
        rc = interest_saturate(w, out);
    free(weight);
    return rc;
}

int interests_find(const struct interests_input *in, struct interests *out)
{
    struct interest_work w;
    *out = (struct interests){.drift = NAN};
    out->long_term.price_low = out->long_term.price_high = NAN;
    int rc = work_new(&w, in);
    if (!rc)
        rc = tell_all(&w, out);
    work_free(&w);
    return rc;
}
