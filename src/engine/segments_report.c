/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/segments_report.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "engine/shop_segments.h"
#include "evaluate/metrics.h"
#include "evaluate/partition.h"
#include "learn/held_out.h"

enum { LIST = 20, REPORT_THREADS = 2, REPORT_SEED = 1 };

/* ---- held-out events ---- */

struct ranking {
    const struct segments_data *d;
    double *own;     /* (n_items) of one segment, of the shop at first */
    double *all;     /* (n_items) shares of the shop */
    double *score;   /* (n_items) */
    uint32_t *order; /* (n_items) by score */
    uint32_t *seen;  /* (n_items) the case + 1 whose user had the item */
};

static int by_score(const void *pa, const void *pb, void *arg)
{
    const uint32_t a = *(const uint32_t *)pa, b = *(const uint32_t *)pb;
    const double *score = arg;
    if (score[a] != score[b])
        return score[a] > score[b] ? -1 : 1;
    return a < b ? -1 : 1;
}

static double add_user(const struct segments_data *d, uint32_t u, double *of)
{
    uint64_t i = d->start[u];
    if (d->end[u] - i > SEGMENTS_WINDOW)
        i = d->end[u] - SEGMENTS_WINDOW;
    const double n = (double)(d->end[u] - i);
    for (; i < d->end[u]; i++)
        of[d->item[i]] += 1;
    return n;
}

static void sort_items(struct ranking *r)
{
    for (uint32_t i = 0; i < r->d->n_items; i++)
        r->order[i] = i;
    qsort_r(r->order, r->d->n_items, sizeof *r->order, by_score, r->score);
}

/* How many items that the user had not come before the held-out one, up to LIST. */
static uint32_t rank_of(const struct ranking *r, size_t c)
{
    const struct segments_data *d = r->d;
    const uint32_t u = d->case_user[c];
    uint32_t rank = 0;
    for (uint64_t i = d->start[u]; i < d->end[u]; i++)
        r->seen[d->item[i]] = (uint32_t)c + 1;
    for (uint32_t i = 0; i < d->n_items && rank < LIST; i++) {
        if (r->order[i] == d->case_item[c])
            return rank;
        rank += r->seen[r->order[i]] != (uint32_t)c + 1;
    }
    return METRICS_MISS;
}

/* The ranks by the shop's popularity, and its shares. */
static void rank_by_shop(struct ranking *r, uint32_t *rank)
{
    const struct segments_data *d = r->d;
    double total = 0;
    for (uint32_t u = 0; u < d->n_users; u++)
        total += add_user(d, u, r->own);
    for (uint32_t i = 0; i < d->n_items; i++) {
        r->all[i] = (r->own[i] + 0.5) / (total + 0.5 * d->n_items);
        r->score[i] = r->all[i];
    }
    sort_items(r);
    for (size_t c = 0; c < d->n_cases; c++)
        rank[c] = rank_of(r, c);
}

/* The ranks of one segment's cases by its own popularity. */
static void rank_by_segment(struct ranking *r, const uint8_t *segment, uint32_t which,
                            double prior, uint32_t *rank)
{
    const struct segments_data *d = r->d;
    double n = 0;
    memset(r->own, 0, d->n_items * sizeof *r->own);
    memset(r->seen, 0, d->n_items * sizeof *r->seen);
    for (uint32_t u = 0; u < d->n_users; u++)
        if (segment[u] == which)
            n += add_user(d, u, r->own);
    for (uint32_t i = 0; i < d->n_items; i++)
        r->score[i] = (r->own[i] + prior * r->all[i]) / (n + prior);
    sort_items(r);
    for (size_t c = 0; c < d->n_cases; c++)
        if (segment[d->case_user[c]] == which)
            rank[c] = rank_of(r, c);
}

static int compare_ranks(const struct segments_report *r, const uint32_t *by_shop,
                         const uint32_t *by_segment, size_t n)
{
    struct metrics a, b;
    int rc = PENCHANT_OK;
    metrics_init(&a);
    metrics_init(&b);
    for (size_t c = 0; !rc && c < n; c++) {
        rc = metrics_add(&a, by_segment[c]);
        if (!rc)
            rc = metrics_add(&b, by_shop[c]);
    }
    if (!rc) {
        r->out->hr20_segment = metrics_hr(&a, LIST);
        r->out->hr20_shop = metrics_hr(&b, LIST);
        r->out->hr20_difference = metrics_difference(&a, &b, METRICS_HR, LIST);
    }
    metrics_release(&a);
    metrics_release(&b);
    return rc;
}

/* Users without a segment go by the shop's popularity. */
static int report_hits(const struct segments_report *r, const struct segments_data *d,
                       const uint8_t *segment, uint32_t n)
{
    const size_t items = d->n_items + (size_t)1;
    struct ranking k = {.d = d,
                        .own = calloc(items, sizeof *k.own),
                        .all = calloc(items, sizeof *k.all),
                        .score = calloc(items, sizeof *k.score),
                        .order = calloc(items, sizeof *k.order),
                        .seen = calloc(items, sizeof *k.seen)};
    uint32_t *by_shop = malloc((d->n_cases + 1) * sizeof *by_shop);
    uint32_t *by_segment = malloc((d->n_cases + 1) * sizeof *by_segment);
    int rc = k.own && k.all && k.score && k.order && k.seen && by_shop && by_segment
                 ? PENCHANT_OK
                 : PENCHANT_ENOMEM;
    if (!rc) {
        rank_by_shop(&k, by_shop);
        memcpy(by_segment, by_shop, d->n_cases * sizeof *by_segment);
        for (uint32_t s = 0; s < n; s++)
            rank_by_segment(&k, segment, s, r->prior, by_segment);
        rc = compare_ranks(r, by_shop, by_segment, d->n_cases);
    }
    free(k.own);
    free(k.all);
    free(k.score);
    free(k.order);
    free(k.seen);
    free(by_shop);
    free(by_segment);
    return rc;
}

static int report_gain(const struct segments_report *r, const struct segments_data *d,
                       const uint8_t *segment, uint32_t n)
{
    double *each = malloc((d->n_cases + 1) * sizeof *each), sum = 0, square = 0;
    int rc = each ? segments_gain(d, segment, n, &r->prior, 1, each) : PENCHANT_ENOMEM;
    for (size_t c = 0; !rc && c < d->n_cases; c++) {
        sum += each[c];
        square += each[c] * each[c];
    }
    if (!rc && d->n_cases > 1) {
        const double cases = (double)d->n_cases;
        r->out->gain = sum / cases;
        r->out->gain_error =
            sqrt(fmax(0, square / cases - r->out->gain * r->out->gain) / (cases - 1));
    }
    free(each);
    return rc;
}

/* ---- two halves ---- */

/* The segments of all users as one half of them, by a hash, finds them. */
static int by_half(const struct segments_report *r, const struct segments_points *p,
                   bool other, uint8_t *segment)
{
    struct segments_data half = p->data;
    struct segments_found found;
    float *vector = malloc(((size_t)half.n_users + 1) * half.dim * sizeof *vector);
    if (!vector)
        return PENCHANT_ENOMEM;
    half.n_users = 0;
    for (uint32_t u = 0; u < p->data.n_users; u++)
        if ((rng_mix(p->user[u] ^ 0x4a1fULL) >> 63) == other)
            memcpy(vector + (size_t)half.n_users++ * half.dim,
                   p->data.vector + (size_t)u * half.dim, half.dim * sizeof *vector);
    half.vector = vector;
    int rc = segments_find(&found, &half, r->n, r->seed, r->pool);
    if (!rc && found.n)
        rc = segments_assign(&found, &p->data, r->pool, segment);
    else
        memset(segment, SEGMENT_NONE, p->data.n_users);
    free(found.centre);
    free(vector);
    return rc;
}

static int report_halves(const struct segments_report *r,
                         const struct segments_points *points)
{
    struct partition_agreement agree = {0};
    uint8_t *a = malloc(points->data.n_users + (size_t)1);
    uint8_t *b = malloc(points->data.n_users + (size_t)1);
    int rc = a && b ? PENCHANT_OK : PENCHANT_ENOMEM;
    if (!rc)
        rc = by_half(r, points, false, a);
    if (!rc)
        rc = by_half(r, points, true, b);
    if (!rc)
        rc = partition_compare(&agree, a, b, points->data.n_users);
    r->out->halves_rand = agree.rand_index;
    r->out->halves_information = agree.information;
    free(a);
    free(b);
    return rc;
}

/* ---- the whole ---- */

static int report_held_out(const struct segments_report *r, struct penchant_error *err)
{
    struct segments_points points;
    struct segments_found found = {0};
    int rc =
        segments_points_init(&points, r->lessons, r->space, true, held_out_weighs, err);
    if (rc)
        return rc;
    const struct segments_data *d = &points.data;
    uint8_t *segment = malloc(d->n_users + (size_t)1);
    rc = segment ? segments_find(&found, d, r->n, r->seed, r->pool) : PENCHANT_ENOMEM;
    r->out->users = d->n_users;
    r->out->cases = d->n_cases;
    if (!rc && found.n) {
        rc = segments_assign(&found, d, r->pool, segment);
        if (!rc)
            rc = report_gain(r, d, segment, found.n);
        if (!rc)
            rc = report_hits(r, d, segment, found.n);
        if (!rc)
            rc = report_halves(r, &points);
    }
    free(found.centre);
    free(segment);
    segments_points_release(&points);
    return rc ? error_memory(err) : PENCHANT_OK;
}

struct reading {
    struct lessons lessons;
    uint64_t last_seq;
};

static int read_log(struct penchant *p, void *arg, struct penchant_error *err)
{
    struct reading *r = arg;
    return lessons_read(&r->lessons, p->store, r->last_seq, err);
}

static int report(struct segments_report *r, struct penchant_error *err)
{
    r->pool = pool_new(REPORT_THREADS);
    int rc = r->pool ? report_held_out(r, err) : error_memory(err);
    if (!rc && (segments_report_days(r) || segments_report_seeds(r)))
        rc = error_memory(err);
    pool_free(r->pool);
    return rc;
}

int penchant_evaluate_segments(struct penchant *p, struct penchant_segments_quality *out,
                               struct penchant_error *err)
{
    struct reading log = {.last_seq = 0};
    struct segment_space space;
    struct snapshot *snapshot;
    *out = (struct penchant_segments_quality){0};
    int rc = engine_segments_space(p, &space, &snapshot, err);
    if (rc)
        return rc;
    pthread_rwlock_rdlock(&p->segments_lock);
    struct segments_report r = {.lessons = &log.lessons,
                                .space = &space,
                                .n = p->segments ? p->segments->live.n : 0,
                                .prior = p->segments ? p->segments->prior : 1,
                                .seed = REPORT_SEED,
                                .out = out};
    pthread_rwlock_unlock(&p->segments_lock);
    out->segments = r.n;
    log.last_seq = snapshot->trained_seq;
    rc = engine_with_store(p, read_log, &log, err);
    if (!rc)
        rc = report(&r, err);
    lessons_release(&log.lessons);
    segment_space_release(&space);
    engine_snapshot_release(p, snapshot);
    return rc;
}
