/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hidden seeds: of the users who have bought of a category (without purchases: wanted),
 * a fifth is hidden among all others, and a look-alike search that does not see what made
 * them seeds ranks them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/utf8.h"
#include "engine/segments_report.h"
#include "interest/lookalike.h"

enum { LEAST_SEEDS = 50, HIDE_ONE_OF = 5, FIT_SEEDS = 3000, FIT_BACKGROUND = 6000 };
#define LEAST_SHARE 0.01
#define MOST_SHARE  0.2
#define ACTIVITY    0.3F

static const char category[] = "category:"; /* how such an attribute begins */

/* What makes a seed: an attribute or, without categories, an item. */
struct target {
    bool is_item;
    uint32_t number;
    uint64_t seeds;
};

struct seeds {
    const struct segments_report *r;
    struct segments_points points; /* its users */
    bool purchases;                /* whether only purchases make a seed */
    struct target target[PENCHANT_SEGMENT_AUDIENCES];
    uint32_t n_targets;
    /* of one target */
    uint32_t d, n; /* features; users of whom something is known */
    float *row;    /* (n, d) */
    uint8_t *kind; /* (n) SEED, HIDDEN or OTHER */
};

enum { OTHER, SEED, HIDDEN };

/* ---- who is a seed ---- */

static bool fits(const struct lessons *l, const struct target *t, uint32_t item)
{
    return t->is_item ? item == t->number
                      : catalog_has_attribute(&l->catalog, item, t->number);
}

struct skipping {
    const struct lessons *l;
    const struct target *target;
};

static bool skip(const void *cookie, uint32_t item)
{
    const struct skipping *s = cookie;
    return fits(s->l, s->target, item);
}

static bool makes_seed(const struct seeds *s, uint64_t at)
{
    return !s->purchases || s->r->lessons->history.type[at] == EVENT_PURCHASE;
}

/* Counts users by attribute or by item; *n of them. */
static uint32_t *count_users(const struct seeds *s, bool items, uint32_t *n)
{
    const struct lessons *l = s->r->lessons;
    const struct history *h = &l->history;
    *n = items ? h->n_items : l->catalog.attributes.n;
    uint32_t *count = calloc(*n + (size_t)1, sizeof *count);
    uint32_t *last = calloc(*n + (size_t)1, sizeof *last); /* the user + 1 counted last */
    for (uint32_t u = 0; count && last && u < s->points.data.n_users; u++)
        for (uint64_t i = s->points.start[u]; i < s->points.end[u]; i++) {
            const struct catalog_item *of = &l->catalog.item[h->item[i]];
            const uint32_t things = items ? 1 : of->n_attributes;
            for (uint32_t j = 0; makes_seed(s, i) && j < things; j++) {
                const uint32_t what = items ? h->item[i] : of->attribute[j];
                count[what] += last[what] != u + 1;
                last[what] = u + 1;
            }
        }
    if (!last) {
        free(count);
        count = NULL;
    }
    free(last);
    return count;
}

/* The largest that are neither rare nor nearly everybody's. */
static int find_targets(struct seeds *s, bool items)
{
    uint32_t n;
    uint32_t *count = count_users(s, items, &n);
    if (!count)
        return PENCHANT_ENOMEM;
    const double users = s->points.data.n_users;
    for (uint32_t i = 0; i < n; i++) {
        const char *name = items ? "" : names_text(&s->r->lessons->catalog.attributes, i);
        if (count[i] < LEAST_SEEDS || count[i] < LEAST_SHARE * users ||
            count[i] > MOST_SHARE * users ||
            (!items && strncmp(name, category, strlen(category)) != 0))
            continue;
        uint32_t at = s->n_targets;
        while (at && s->target[at - 1].seeds < count[i])
            at--;
        if (at == PENCHANT_SEGMENT_AUDIENCES)
            continue;
        s->n_targets += s->n_targets < PENCHANT_SEGMENT_AUDIENCES;
        memmove(s->target + at + 1, s->target + at,
                (s->n_targets - 1 - at) * sizeof *s->target);
        s->target[at] = (struct target){items, i, count[i]};
    }
    free(count);
    return PENCHANT_OK;
}

/* ---- one audience ---- */

static bool is_seed(const struct seeds *s, const struct target *t, uint32_t u)
{
    for (uint64_t i = s->points.start[u]; i < s->points.end[u]; i++)
        if (makes_seed(s, i) && fits(s->r->lessons, t, s->r->lessons->history.item[i]))
            return true;
    return false;
}

/* The rows of those of whom something is known without the target's items. */
static void make_rows(struct seeds *s, const struct target *t)
{
    const struct lessons *l = s->r->lessons;
    const struct history *h = &l->history;
    const struct skipping without = {l, t};
    double sum = 0, square = 0;
    s->n = 0;
    for (uint32_t u = 0; u < s->points.data.n_users; u++) {
        float *row = s->row + (size_t)s->n * s->d;
        const uint64_t start = s->points.start[u];
        const uint32_t n = (uint32_t)(s->points.end[u] - start);
        uint32_t others = 0;
        if (!segment_user_vector(s->r->space, h->item + start, h->type + start, n, skip,
                                 &without, row))
            continue;
        for (uint32_t i = 0; i < n; i++)
            others += !skip(&without, h->item[start + i]);
        const double activity = log1p(others);
        row[s->d - 2] = (float)activity;
        row[s->d - 1] = 1;
        sum += activity;
        square += activity * activity;
        s->kind[s->n] = OTHER;
        if (is_seed(s, t, u))
            s->kind[s->n] =
                rng_mix(s->points.user[u] ^ 0x51edULL) % HIDE_ONE_OF ? SEED : HIDDEN;
        s->n++;
    }
    const double mean = s->n ? sum / s->n : 0;
    const double variance = s->n ? square / s->n - mean * mean : 0;
    const float scale = variance > 1e-9 ? ACTIVITY / (float)sqrt(variance) : 0;
    for (uint32_t i = 0; i < s->n; i++)
        s->row[(size_t)i * s->d + s->d - 2] =
            (s->row[(size_t)i * s->d + s->d - 2] - (float)mean) * scale;
}

/* A sample of the seeds against one of all others, the hidden among them. */
static int fit(const struct seeds *s, struct lookalike *like)
{
    uint32_t count[2] = {0}, n = 0;
    for (uint32_t i = 0; i < s->n; i++)
        count[s->kind[i] == SEED]++;
    float *row = malloc(((size_t)s->n + 1) * s->d * sizeof *row);
    uint8_t *label = malloc(s->n + (size_t)1);
    int rc = row && label ? PENCHANT_OK : PENCHANT_ENOMEM;
    for (uint32_t i = 0; !rc && i < s->n; i++) {
        const bool seed = s->kind[i] == SEED;
        const uint32_t most = seed ? FIT_SEEDS : FIT_BACKGROUND;
        if (count[seed] > most && rng_mix(i) > UINT64_MAX / count[seed] * most)
            continue;
        memcpy(row + (size_t)n * s->d, s->row + (size_t)i * s->d, s->d * sizeof *row);
        label[n++] = seed;
    }
    if (!rc)
        rc = lookalike_fit(like, row, label, n, s->d);
    free(row);
    free(label);
    return rc;
}

struct scored {
    double score;
    uint32_t row;
    bool hidden;
};

static int by_score(const void *pa, const void *pb)
{
    const struct scored *a = pa, *b = pb;
    if (a->score != b->score)
        return a->score > b->score ? -1 : 1;
    return a->row < b->row ? -1 : 1;
}

/* Best first: where the hidden ones stand. */
static void judge(const struct scored *list, uint32_t n, uint32_t hidden,
                  struct penchant_segment_audience *out)
{
    static const double share[3] = {0.01, 0.05, 0.1};
    uint32_t found = 0, edge[3];
    double before = 0; /* pairs of a hidden one and another one behind it */
    for (int k = 0; k < 3; k++)
        edge[k] = (uint32_t)ceil(share[k] * n);
    for (uint32_t i = 0; i < n; i++) {
        found += list[i].hidden;
        before += list[i].hidden ? 0 : found;
        if (i + 1 == hidden)
            out->recall = (double)found / hidden;
        for (int k = 0; k < 3; k++)
            if (i + 1 == edge[k])
                out->lift[k] = (double)found / hidden / ((double)edge[k] / n);
    }
    out->hidden = hidden;
    out->ranked = n;
    out->auc = n > hidden ? before / hidden / (n - hidden) : 0;
}

static int rank(const struct seeds *s, const struct lookalike *like,
                struct penchant_segment_audience *out)
{
    struct scored *list = malloc((s->n + (size_t)1) * sizeof *list);
    uint32_t n = 0, hidden = 0;
    if (!list)
        return PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < s->n; i++) {
        out->seeds += s->kind[i] == SEED;
        if (s->kind[i] == SEED)
            continue;
        hidden += s->kind[i] == HIDDEN;
        list[n++] = (struct scored){lookalike_score(like, s->row + (size_t)i * s->d), i,
                                    s->kind[i] == HIDDEN};
    }
    qsort(list, n, sizeof *list, by_score);
    if (hidden)
        judge(list, n, hidden, out);
    free(list);
    return PENCHANT_OK;
}

static void name_target(const struct lessons *l, const struct target *t,
                        struct penchant_segment_audience *out)
{
    const char *name =
        t->is_item ? names_text(&l->catalog.ids, t->number)
                   : names_text(&l->catalog.attributes, t->number) + strlen(category);
    memcpy(out->name, name, utf8_cut(name, sizeof out->name - 1));
}

static int report_one(struct seeds *s, const struct target *t)
{
    struct penchant_segment_audience *out = &s->r->out->audience[s->r->out->n_audiences];
    struct lookalike like = {0};
    uint32_t count[3] = {0};
    make_rows(s, t);
    for (uint32_t i = 0; i < s->n; i++)
        count[s->kind[i]]++;
    if (!count[SEED] || !count[HIDDEN] || !count[OTHER])
        return PENCHANT_OK;
    int rc = fit(s, &like);
    if (!rc)
        rc = rank(s, &like, out);
    if (!rc) {
        name_target(s->r->lessons, t, out);
        s->r->out->n_audiences++;
    }
    lookalike_release(&like);
    return rc;
}

static int report_all(struct seeds *s)
{
    const struct history *h = &s->r->lessons->history;
    for (uint64_t i = 0; i < h->n; i++)
        s->purchases = s->purchases || h->type[i] == EVENT_PURCHASE;
    s->d = s->r->space->dim + 2;
    s->row = malloc(((size_t)s->points.data.n_users + 1) * s->d * sizeof *s->row);
    s->kind = malloc(s->points.data.n_users + (size_t)1);
    int rc = s->row && s->kind ? find_targets(s, false) : PENCHANT_ENOMEM;
    if (!rc && s->n_targets == 0)
        rc = find_targets(s, true);
    for (uint32_t i = 0; !rc && i < s->n_targets; i++)
        rc = report_one(s, &s->target[i]);
    free(s->row);
    free(s->kind);
    return rc;
}

int segments_report_seeds(const struct segments_report *r)
{
    struct seeds s = {.r = r};
    int rc = PENCHANT_ENOMEM;
    if (segments_points_init(&s.points, r->lessons, r->space, false, NULL, NULL) ==
        PENCHANT_OK) {
        rc = report_all(&s);
        segments_points_release(&s.points);
    }
    return rc;
}
