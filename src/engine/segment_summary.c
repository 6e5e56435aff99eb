/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant_segments: what the segments want more than the shop, by category, brand, price
 * and item, and how their users shop.
 *
 * With p the shop's share of a trait and q the segment's (drawn towards p as if it had
 * wanted so many events more in the shop's proportions as training found to predict
 * best), a trait's strength is q ln(q / p): its part of the divergence of the segment
 * from the shop, so that neither what everybody wants nor what hardly anybody wants comes
 * first. Its lift is q / p.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "engine/segment_census.h"
#include "interest/segments_fit.h"
#include "retrieval/best.h"

enum { TRAIT_KINDS = 3, TRAITS_EACH = 3, PRICE_TEXT = 32 };
#define LEAST_LIFT  1.2
#define LEAST_SHARE 0.02

static const struct kind {
    const char *name, *prefix;
    uint32_t most; /* shown of it */
} kinds[TRAIT_KINDS] = {{"category", "category:", TRAITS_EACH},
                        {"brand", "brand:", 2},
                        {"price", "price:", 1}};

/* Room for one segment's sums. */
struct sums {
    double *own;           /* (n_items) */
    double *trait, *all;   /* (n_attributes) of the segment, of the shop */
    uint32_t n_attributes; /* those that come in meanwhile are left out */
};

static int sums_init(struct sums *s, const struct census *c, const struct catalog *cat)
{
    const size_t n = cat->attributes.n + (size_t)1;
    s->n_attributes = cat->attributes.n;
    s->own = calloc(c->n_items + (size_t)1, sizeof *s->own);
    s->trait = calloc(n, sizeof *s->trait);
    s->all = calloc(n, sizeof *s->all);
    return s->own && s->trait && s->all ? PENCHANT_OK : PENCHANT_ENOMEM;
}

static void sums_release(struct sums *s)
{
    free(s->own);
    free(s->trait);
    free(s->all);
}

static void sum_attributes(const struct census *c, const struct catalog *cat,
                           const struct sums *s, const double *item, double *of)
{
    memset(of, 0, s->n_attributes * sizeof *of);
    for (uint32_t i = 0; i < c->n_items; i++)
        for (uint32_t j = 0; item[i] > 0 && j < cat->item[i].n_attributes; j++)
            if (cat->item[i].attribute[j] < s->n_attributes)
                of[cat->item[i].attribute[j]] += item[i];
}

/* The share of a thing in the segment and its lift, from what the segment and the shop
   wanted of it. */
static double strength(const struct census *c, double own, struct census_sum total,
                       double all, double *share, double *lift)
{
    const double p = c->total.weight > 0 ? all / c->total.weight : 0;
    *share = total.weight > 0 ? own / total.weight : 0;
    const double q = (total.events * *share + c->prior * p) / (total.events + c->prior);
    *lift = p > 0 ? q / p : 1;
    return q > 0 && p > 0 ? q * log(q / p) : 0;
}

/* ---- traits ---- */

/* A price bucket is half an octave: 2^(b / 2) to 2^((b + 1) / 2). */
static void price_text(char out[PRICE_TEXT], const char *bucket)
{
    const double b = strtod(bucket, NULL);
    snprintf(out, PRICE_TEXT, "%.4g-%.4g", exp2(b / 2), exp2((b + 1) / 2));
}

struct ranked {
    double strength, share, lift;
    uint32_t attribute;
};

/* The strongest attributes of one kind, best first; ties go by number. */
static uint32_t rank_kind(const struct census *c, const struct catalog *cat,
                          const struct sums *s, struct census_sum total,
                          const struct kind *kind, struct ranked out[TRAITS_EACH])
{
    uint32_t n = 0;
    for (uint32_t a = 0; a < s->n_attributes; a++) {
        struct ranked r = {.attribute = a};
        if (!(s->trait[a] > 0) || strncmp(names_text(&cat->attributes, a), kind->prefix,
                                          strlen(kind->prefix)) != 0)
            continue;
        r.strength = strength(c, s->trait[a], total, s->all[a], &r.share, &r.lift);
        if (r.lift < LEAST_LIFT || r.share < LEAST_SHARE)
            continue;
        uint32_t at = n;
        while (at && out[at - 1].strength < r.strength)
            at--;
        if (at >= kind->most)
            continue;
        n += n < kind->most;
        memmove(out + at + 1, out + at, (n - 1 - at) * sizeof *out);
        out[at] = r;
    }
    return n;
}

static int find_traits(struct penchant_segment *out, const struct census *c,
                       const struct catalog *cat, const struct sums *s,
                       struct census_sum total)
{
    const size_t room = (size_t)TRAIT_KINDS * TRAITS_EACH;
    out->traits = malloc(room * (sizeof *out->traits + PRICE_TEXT));
    if (!out->traits)
        return PENCHANT_ENOMEM;
    char(*price)[PRICE_TEXT] = (char(*)[PRICE_TEXT])(out->traits + room);
    for (int k = 0; k < TRAIT_KINDS; k++) {
        struct ranked best[TRAITS_EACH];
        const uint32_t n = rank_kind(c, cat, s, total, &kinds[k], best);
        for (uint32_t i = 0; i < n; i++) {
            const char *name =
                names_text(&cat->attributes, best[i].attribute) + strlen(kinds[k].prefix);
            if (strcmp(kinds[k].name, "price") == 0) {
                price_text(price[i], name);
                name = price[i];
            }
            out->traits[out->n_traits++] =
                (struct penchant_trait){kinds[k].name, name, best[i].share, best[i].lift};
        }
    }
    return PENCHANT_OK;
}

/* Appends as much of `text` as fits, whole characters only. */
static void append_text(char *out, size_t size, const char *text)
{
    const size_t at = strlen(out), n = utf8_cut(text, size - at - 1);
    memcpy(out + at, text, n);
    out[at + n] = 0;
}

/* "coffee & tea, acme, 22.63-32": two categories, a brand and a price. Where items have
   neither category nor brand, what the segment wants most stands for them. */
static void make_name(struct penchant_segment *s, const struct catalog *cat, uint32_t top)
{
    const char *last = "";
    const bool plain = s->n_traits == 0 || strcmp(s->traits[0].kind, "price") == 0;
    if (plain && top != NAMES_NONE && cat->item[top].title)
        append_text(s->name, sizeof s->name, cat->item[top].title);
    for (size_t i = 0; i < s->n_traits; i++) {
        const bool again = strcmp(s->traits[i].kind, last) == 0;
        if (again && (i != 1 || strcmp(last, "category") != 0))
            continue;
        last = s->traits[i].kind;
        append_text(s->name, sizeof s->name, again ? " & " : s->name[0] ? ", " : "");
        append_text(s->name, sizeof s->name, s->traits[i].name);
    }
    if (!s->name[0])
        snprintf(s->name, sizeof s->name, "segment %u", s->segment);
}

/* ---- items ---- */

static int find_items(struct penchant_segment *out, const struct census *c,
                      const struct catalog *cat, const struct sums *s,
                      struct census_sum total, size_t k, uint32_t *top)
{
    double share, lift;
    struct best best = {.k = (uint32_t)(k < c->n_items ? k : c->n_items)};
    best.k += best.k == 0; /* one, for the name */
    *top = NAMES_NONE;
    best.hit = malloc(best.k * sizeof *best.hit);
    out->items = malloc(best.k * sizeof *out->items);
    if (!best.hit || !out->items) {
        free(best.hit);
        return PENCHANT_ENOMEM;
    }
    for (uint32_t i = 0; i < c->n_items; i++) {
        if (!(s->own[i] > 0) || !catalog_listable(cat, i))
            continue;
        const double how = strength(c, s->own[i], total, c->wanted[i], &share, &lift);
        if (lift > 1)
            best_offer(&best, how, i);
    }
    best_sort(&best);
    if (best.n)
        *top = best.hit[0].row;
    for (uint32_t i = 0; i < best.n && i < k; i++) {
        const uint32_t item = best.hit[i].row;
        strength(c, s->own[item], total, c->wanted[item], &share, &lift);
        out->items[out->n_items++] =
            (struct penchant_segment_item){names_text(&cat->ids, item), share, lift};
    }
    free(best.hit);
    return PENCHANT_OK;
}

/* ---- recency, frequency, money ---- */

static double median_of(const struct census *c, uint32_t from, uint32_t to,
                        enum rfm_quantity q, double *room)
{
    for (uint32_t i = from; i < to; i++)
        room[i - from] = c->rfm[i].value[q];
    return rfm_median(room, to - from);
}

static int find_rfm(struct penchant_segment *out, const struct census *c, bool has_clock)
{
    const uint32_t from = c->begin[out->segment], to = c->begin[out->segment + 1];
    double *room = malloc((to - from + (size_t)1) * sizeof *room);
    if (!room)
        return PENCHANT_ENOMEM;
    out->frequency = median_of(c, from, to, RFM_FREQUENCY, room);
    out->monetary = median_of(c, from, to, RFM_MONETARY, room);
    out->recency_days = median_of(c, from, to, RFM_RECENCY, room);
    free(room);
    out->frequency_score = rfm_score(&c->scale, RFM_FREQUENCY, out->frequency);
    out->monetary_score = rfm_score(&c->scale, RFM_MONETARY, out->monetary);
    out->stage = "";
    if (!has_clock)
        out->recency_days = NAN;
    if (!has_clock || from == to)
        return PENCHANT_OK;
    out->recency_score = rfm_score(&c->scale, RFM_RECENCY, out->recency_days);
    for (uint32_t i = from; i < to; i++)
        out->stage_share[rfm_stage(&c->scale, &c->rfm[i])] += 1.0 / (to - from);
    int most = 0;
    for (int i = 1; i < RFM_STAGES; i++)
        if (out->stage_share[i] > out->stage_share[most])
            most = i;
    out->stage = rfm_stage_names[most];
    return PENCHANT_OK;
}

/* ---- the whole ---- */

static void clear_segment(struct penchant_segment *s)
{
    free(s->traits);
    free(s->items);
}

static int describe(struct penchant_segment *out, const struct census *c,
                    struct penchant *p, struct sums *s, uint32_t segment, size_t k)
{
    const uint32_t from = c->begin[segment], to = c->begin[segment + 1];
    struct census_sum total = {0};
    uint32_t top = NAMES_NONE;
    *out = (struct penchant_segment){.segment = segment,
                                     .users = to - from,
                                     .share = c->n ? (double)(to - from) / c->n : 0};
    memset(s->own, 0, c->n_items * sizeof *s->own);
    for (uint32_t i = from; i < to; i++) {
        census_breathe(p, i);
        census_add_wanted(c, p, c->user[i], s->own, &total);
    }
    sum_attributes(c, &p->catalog, s, s->own, s->trait);
    sum_attributes(c, &p->catalog, s, c->wanted, s->all);
    int rc = find_rfm(out, c, p->has_clock);
    if (!rc)
        rc = find_traits(out, c, &p->catalog, s, total);
    if (!rc)
        rc = find_items(out, c, &p->catalog, s, total, k, &top);
    make_name(out, &p->catalog, top);
    return rc;
}

static int check_k(size_t k, struct penchant_error *err)
{
    return k <= PENCHANT_MAX_K ? PENCHANT_OK
                               : error_field(err, PENCHANT_EINVALID, 0, "k",
                                             "k must be from 0 to %d", PENCHANT_MAX_K);
}

/* Under p->lock. */
static int describe_all(struct penchant_segments *out, const struct census *c,
                        struct penchant *p, size_t k)
{
    struct sums s = {0};
    out->users = c->n;
    out->outside = c->outside;
    out->changes = c->changes;
    out->purchases = c->purchases;
    out->segment = calloc(c->n_segments + (size_t)1, sizeof *out->segment);
    out->choice = malloc((c->n_choices + (size_t)1) * sizeof *out->choice);
    int rc =
        out->segment && out->choice ? sums_init(&s, c, &p->catalog) : PENCHANT_ENOMEM;
    for (uint32_t i = 0; !rc && i < c->n_choices; i++) {
        const float *from = c->choices + 4 * (size_t)i;
        out->choice[out->n_choices++] = (struct penchant_segments_choice){
            (uint32_t)from[0], (double)from[1], (double)from[2]};
    }
    for (; !rc && out->n < c->n_segments; out->n++)
        rc = describe(&out->segment[out->n], c, p, &s, (uint32_t)out->n, k);
    sums_release(&s);
    return rc;
}

int penchant_segments(struct penchant *p, size_t k, struct penchant_segments **out,
                      struct penchant_error *err)
{
    struct census c;
    *out = NULL;
    int rc = check_k(k, err);
    if (rc)
        return rc;
    struct penchant_segments *all = calloc(1, sizeof *all);
    if (!all)
        return error_memory(err);
    pthread_rwlock_rdlock(&p->lock);
    rc = census_take(&c, p, err);
    if (!rc && describe_all(all, &c, p, k))
        rc = error_memory(err);
    pthread_rwlock_unlock(&p->lock);
    census_release(&c);
    if (rc)
        penchant_segments_free(all);
    else
        *out = all;
    return rc;
}

void penchant_segments_free(struct penchant_segments *segments)
{
    for (size_t i = 0; segments && i < segments->n; i++)
        clear_segment(&segments->segment[i]);
    if (segments) {
        free(segments->segment);
        free(segments->choice);
    }
    free(segments);
}

/* Under p->lock. */
static int describe_one(struct penchant_segment *out, struct penchant *p,
                        uint32_t segment, size_t k, struct penchant_error *err)
{
    struct census c;
    struct sums s = {0};
    int rc = census_take(&c, p, err);
    if (!rc && segment >= c.n_segments)
        rc = error_field(err, PENCHANT_ENOTFOUND, 0, "segment",
                         "there is no segment %u: they are numbered 0 to %u", segment,
                         c.n_segments - 1);
    if (!rc && (sums_init(&s, &c, &p->catalog) || describe(out, &c, p, &s, segment, k)))
        rc = error_memory(err);
    sums_release(&s);
    census_release(&c);
    return rc;
}

int penchant_get_segment(struct penchant *p, uint32_t segment, size_t k,
                         struct penchant_segment **out, struct penchant_error *err)
{
    *out = NULL;
    int rc = check_k(k, err);
    if (rc)
        return rc;
    struct penchant_segment *one = calloc(1, sizeof *one);
    if (!one)
        return error_memory(err);
    pthread_rwlock_rdlock(&p->lock);
    rc = describe_one(one, p, segment, k, err);
    pthread_rwlock_unlock(&p->lock);
    if (rc)
        penchant_segment_free(one);
    else
        *out = one;
    return rc;
}

void penchant_segment_free(struct penchant_segment *segment)
{
    if (segment)
        clear_segment(segment);
    free(segment);
}
