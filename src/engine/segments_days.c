/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Segments over the last days of a log: found before them, then kept up event by event as
 * an open shop does, and found anew every day.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/segments_report.h"
#include "evaluate/partition.h"

#define DAY_US INT64_C(86400000000)

struct happened {
    int64_t ts_us;
    uint64_t at; /* in the history */
    uint32_t row;
};

struct days {
    const struct segments_report *r;
    struct segments_points points; /* its users; vectors are made by time */
    float *vector;                 /* (n, dim) */
    uint64_t *end;                 /* (n) what has happened of a user's history */
    struct segments live;
    uint8_t *label, *label_before; /* (n) as they are kept up */
    uint8_t *plain, *plain_before; /* (n) the nearest at once */
    uint8_t *refit, *refit_before; /* (n) found anew */
    bool *active;                  /* (n) */
    struct happened *event;        /* (n_events) after the beginning */
    size_t n_events;
};

static int by_time(const void *pa, const void *pb)
{
    const struct happened *a = pa, *b = pb;
    if (a->ts_us != b->ts_us)
        return a->ts_us < b->ts_us ? -1 : 1;
    if (a->row != b->row)
        return a->row < b->row ? -1 : 1;
    return (a->at > b->at) - (a->at < b->at);
}

static bool vector_of(const struct days *d, uint32_t row, float *out)
{
    const struct history *h = &d->r->lessons->history;
    const uint64_t start = d->points.start[row], end = d->end[row];
    const uint64_t from = end - start > SEGMENTS_WINDOW ? end - SEGMENTS_WINDOW : start;
    return segment_user_vector(d->r->space, h->item + from, h->type + from,
                               (uint32_t)(end - from), NULL, NULL, out);
}

static int days_init(struct days *d, const struct segments_report *r)
{
    *d = (struct days){.r = r};
    if (segments_points_init(&d->points, r->lessons, r->space, false, NULL, NULL))
        return PENCHANT_ENOMEM;
    const size_t n = d->points.data.n_users + (size_t)1;
    d->vector = malloc(n * r->space->dim * sizeof *d->vector);
    d->end = malloc(n * sizeof *d->end);
    d->label = malloc(n);
    d->label_before = malloc(n);
    d->plain = malloc(n);
    d->plain_before = malloc(n);
    d->refit = malloc(n);
    d->refit_before = malloc(n);
    d->active = calloc(n, sizeof *d->active);
    d->event = malloc((r->lessons->history.n + 1) * sizeof *d->event);
    return d->vector && d->end && d->label && d->label_before && d->plain &&
                   d->plain_before && d->refit && d->refit_before && d->active && d->event
               ? PENCHANT_OK
               : PENCHANT_ENOMEM;
}

static void days_release(struct days *d)
{
    segments_points_release(&d->points);
    segments_release(&d->live);
    free(d->vector);
    free(d->end);
    free(d->label);
    free(d->label_before);
    free(d->plain);
    free(d->plain_before);
    free(d->refit);
    free(d->refit_before);
    free(d->active);
    free(d->event);
}

/* What comes after `from` is to happen. */
static void begin_at(struct days *d, int64_t from)
{
    const struct history *h = &d->r->lessons->history;
    for (uint32_t row = 0; row < d->points.data.n_users; row++) {
        uint64_t at = d->points.start[row];
        while (at < d->points.end[row] && h->ts_us[at] <= from)
            at++;
        d->end[row] = at;
        for (; at < d->points.end[row]; at++)
            d->event[d->n_events++] = (struct happened){h->ts_us[at], at, row};
    }
    qsort(d->event, d->n_events, sizeof *d->event, by_time);
}

/* Finds segments among the users as they are now; *found may have none. */
static int find_now(struct days *d, struct segments_found *found)
{
    const uint32_t n = d->points.data.n_users;
    for (uint32_t row = 0; row < n; row++)
        vector_of(d, row, d->vector + (size_t)row * d->r->space->dim);
    struct segments_data data = d->points.data;
    data.vector = d->vector;
    int rc = segments_find(found, &data, d->r->n, d->r->seed, d->r->pool);
    memset(d->refit, SEGMENT_NONE, n);
    if (!rc && found->n)
        rc = segments_assign(found, &data, d->r->pool, d->refit);
    return rc;
}

static int settle_first(struct days *d, const struct segments_found *found)
{
    const uint32_t n = d->points.data.n_users, dim = d->r->space->dim;
    int rc = segments_init(&d->live, found->centre, found->updates, found->n, dim, NULL);
    for (uint32_t row = 0; !rc && row < n; row++)
        if (d->refit[row] != SEGMENT_NONE)
            rc = segments_place(&d->live, row, d->vector + (size_t)row * dim);
    memcpy(d->label_before, d->refit, n);
    memcpy(d->plain, d->refit, n);
    memcpy(d->plain_before, d->refit, n);
    memcpy(d->refit_before, d->refit, n);
    return rc ? PENCHANT_ENOMEM : PENCHANT_OK;
}

/* The events up to a moment, as an open shop takes them. */
static int live_through(struct days *d, size_t *at, int64_t until)
{
    float z[SEGMENTS_MAX_DIM], cosine;
    int rc = PENCHANT_OK;
    for (; !rc && *at < d->n_events && d->event[*at].ts_us <= until; ++*at) {
        const uint32_t row = d->event[*at].row;
        d->end[row] = d->event[*at].at + 1;
        if (!vector_of(d, row, z))
            continue;
        rc = segments_update(&d->live, row, z);
        d->plain[row] = (uint8_t)segments_nearest(&d->live, z, &cosine);
        d->active[row] = true;
    }
    return rc;
}

/* The share of the active users whose labels differ; those without one before are new. */
static double moved(const struct days *d, const uint8_t *now, const uint8_t *before)
{
    uint64_t n = 0, changed = 0;
    for (uint32_t row = 0; row < d->points.data.n_users; row++) {
        if (!d->active[row] || before[row] == SEGMENT_NONE)
            continue;
        n++;
        changed += now[row] != before[row];
    }
    return n ? (double)changed / (double)n : 0;
}

static int measure(struct days *d, struct penchant_segment_day *out)
{
    struct partition_agreement kept, refit;
    const uint32_t n = d->points.data.n_users;
    for (uint32_t row = 0; row < n; row++) {
        d->label[row] = segments_of(&d->live, row);
        out->active += d->active[row];
    }
    int rc = partition_compare(&kept, d->label, d->label_before, n);
    if (!rc)
        rc = partition_compare(&refit, d->refit, d->refit_before, n);
    if (rc)
        return rc;
    out->rand_index = kept.rand_index;
    out->moved = kept.changed;
    out->refit_rand = refit.rand_index;
    out->moved_active = moved(d, d->label, d->label_before);
    out->moved_plain = moved(d, d->plain, d->plain_before);
    memcpy(d->label_before, d->label, n);
    memcpy(d->plain_before, d->plain, n);
    memcpy(d->refit_before, d->refit, n);
    memset(d->active, 0, n * sizeof *d->active);
    return PENCHANT_OK;
}

static int live(struct days *d, int64_t from)
{
    struct segments_found found;
    size_t at = 0;
    begin_at(d, from);
    int rc = find_now(d, &found);
    const bool any = !rc && found.n;
    if (any)
        rc = settle_first(d, &found);
    free(found.centre);
    for (int day = 0; any && !rc && day < PENCHANT_SEGMENT_DAYS; day++) {
        struct penchant_segment_day *out = &d->r->out->day[day];
        out->end_us = from + (day + 1) * DAY_US;
        rc = live_through(d, &at, out->end_us);
        if (!rc)
            rc = find_now(d, &found);
        if (!rc)
            rc = measure(d, out);
        free(found.centre);
        d->r->out->n_days = (size_t)day + 1;
    }
    return rc;
}

int segments_report_days(const struct segments_report *r)
{
    const struct history *h = &r->lessons->history;
    int64_t first = INT64_MAX, last = INT64_MIN;
    for (uint64_t i = 0; i < h->n; i++) {
        first = h->ts_us[i] < first ? h->ts_us[i] : first;
        last = h->ts_us[i] > last ? h->ts_us[i] : last;
    }
    const int64_t from = h->n ? last - PENCHANT_SEGMENT_DAYS * DAY_US : 0;
    if (!h->has_clock || !h->n || first >= from)
        return PENCHANT_OK;
    struct days d;
    int rc = days_init(&d, r);
    if (!rc)
        rc = live(&d, from);
    days_release(&d);
    return rc;
}
