/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant_recommend, _similar, _popular: from a request to a list. Whom it is for is in
 * want.c, what is shown in shortlist.c; here the request is checked, the list is made out
 * and logged.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/timing.h"
#include "behaviour/check.h"
#include "engine/apprentice.h"
#include "engine/dials.h"
#include "engine/draw.h"
#include "engine/experiments.h"
#include "engine/explain.h"
#include "engine/shop_content.h"
#include "engine/shortlist.h"
#include "engine/want.h"
#include "engine/want_words.h"
#include "evidence/sums.h"
#include "retrieval/best.h"

enum { MOST_EXCLUDED = 100000 };

/* Scales of what speaks for an item that goes with another one. */
#define SIMILAR_VECTOR     2.0F
#define SIMILAR_CONTENT    0.25F /* of content's score, which is larger than a cosine */
#define SIMILAR_CATEGORY   1.0F
#define SIMILAR_POPULARITY 0.05F

void penchant_request_default(struct penchant_request *r)
{
    *r = (struct penchant_request){.k = 10,
                                   .sources = "all",
                                   .adapt = true,
                                   .explore = NAN,
                                   .temperature = NAN,
                                   .kappa = NAN,
                                   .epsilon = NAN,
                                   .balance = {NAN, NAN, NAN, NAN, NAN, NAN, NAN}};
}

/* ---- making a list out ---- */

/* One block: the list, its items, their evidence if x is not NULL, their ids. */
static int list_new(struct penchant_list **out, const struct penchant *p,
                    const struct topk_hit *hit, size_t n, const struct explanation *x,
                    struct penchant_error *err)
{
    const size_t each = x ? x->n_sources : 0;
    size_t bytes = sizeof(struct penchant_list) + n * sizeof(struct penchant_scored) +
                   n * each * sizeof(struct penchant_evidence);
    for (size_t i = 0; i < n; i++)
        bytes += strlen(names_text(&p->catalog.ids, hit[i].row)) + 1;
    struct penchant_list *list = calloc(1, bytes);
    if (!list)
        return error_memory(err);
    list->n = n;
    list->items = (struct penchant_scored *)(list + 1);
    struct penchant_evidence *evidence = (struct penchant_evidence *)(list->items + n);
    char *text = (char *)(evidence + n * each);
    if (n * each > 0)
        memcpy(evidence, x->evidence, n * each * sizeof *evidence);
    for (size_t i = 0; i < n; i++) {
        const char *id = names_text(&p->catalog.ids, hit[i].row);
        const size_t len = strlen(id) + 1;
        memcpy(text, id, len);
        list->items[i] =
            (struct penchant_scored){.item_id = text,
                                     .score = hit[i].score,
                                     .propensity = 1,
                                     .probability = x ? x->probability[i] : 0,
                                     .n_evidence = each,
                                     .evidence = each ? evidence + i * each : NULL};
        for (size_t v = 0; v < PENCHANT_VALUES; v++)
            list->items[i].value[v] = x ? (double)x->value[v * n + i] : (double)NAN;
        text += len;
    }
    *out = list;
    return PENCHANT_OK;
}

void penchant_list_free(struct penchant_list *list)
{
    if (list)
        free(list->assigned);
    free(list);
}

/* 32 hexadecimal digits that nobody can guess; "" when the system has none to give. */
static void make_id(char id[PENCHANT_RECOMMENDATION_ID + 1])
{
    static const char digit[] = "0123456789abcdef";
    unsigned char bytes[PENCHANT_RECOMMENDATION_ID / 2];
    ssize_t got;
    do
        got = getrandom(bytes, sizeof bytes, 0);
    while (got < 0 && errno == EINTR);
    id[0] = '\0';
    if (got != (ssize_t)sizeof bytes)
        return;
    for (size_t i = 0; i < sizeof bytes; i++) {
        id[2 * i] = digit[bytes[i] >> 4];
        id[2 * i + 1] = digit[bytes[i] & 15];
    }
    id[PENCHANT_RECOMMENDATION_ID] = '\0';
}

/* Under a new id, which the list then has, unless it cannot be logged; at the time of day
   even where the log ends long before, as it is shown now. */
static void submit(struct penchant *p, struct penchant_list *list,
                   struct store_slate slate)
{
    make_id(list->recommendation_id);
    slate.id = list->recommendation_id;
    slate.ts_us = timing_now_us();
    if (!list->recommendation_id[0] || !engine_submit_slate(p, &slate))
        list->recommendation_id[0] = 0;
}

/* What was shown to whom goes to the log; a read-only shop has none. */
static int log_slate(struct penchant *p, struct penchant_list *list,
                     const struct topk_hit *hit, uint32_t user, const char *placement,
                     uint64_t version, const struct draw *drawn,
                     const struct adapt_view *view, struct penchant_error *err)
{
    p->requests++;
    list->drawn = drawn && drawn->propensity;
    for (size_t i = 0; list->drawn && i < list->n; i++)
        list->items[i].propensity = (double)drawn->propensity[i];
    if (p->read_only || list->n == 0)
        return PENCHANT_OK;
    uint32_t *item = malloc(list->n * sizeof *item), n_features = 0;
    float *features = view ? adapt_view_features(view, hit, list->n, &n_features) : NULL;
    if (!item || (view && !features)) {
        free(item);
        free(features);
        return error_memory(err);
    }
    for (size_t i = 0; i < list->n; i++)
        item[i] = hit[i].row;
    const struct store_slate slate = {.user = user,
                                      .n = (uint32_t)list->n,
                                      .items = item,
                                      .model_version = version,
                                      .placement = placement,
                                      .propensities =
                                          list->drawn ? drawn->propensity : NULL,
                                      .choice = list->drawn ? &drawn->choice : NULL,
                                      .features = features,
                                      .n_features = n_features};
    submit(p, list, slate);
    free(item);
    free(features);
    return PENCHANT_OK;
}

/* What the shop shows by itself goes to the log in place of ours. */
static int log_shown(struct penchant *p, struct penchant_list *list,
                     const struct topk_hit *hit, const struct penchant_request *r,
                     uint32_t user, uint64_t version, struct penchant_error *err)
{
    struct apprentice a;
    p->requests++;
    const int status = apprentice_init(&a, p, r, hit, list->n, err);
    if (status)
        return status;
    a.slate.user = user;
    a.slate.model_version = version;
    a.slate.placement = r->placement;
    if (!p->read_only)
        submit(p, list, a.slate);
    apprentice_release(&a);
    return PENCHANT_OK;
}

/* A list that could not be finished is not given away. */
static int give(int rc, struct penchant_list **out)
{
    if (rc) {
        penchant_list_free(*out);
        *out = NULL;
    }
    return rc;
}

static int check_k(size_t k, struct penchant_error *err)
{
    if (k >= 1 && k <= PENCHANT_MAX_K)
        return PENCHANT_OK;
    return error_field(err, PENCHANT_EINVALID, 0, "k", "k must be between 1 and %d",
                       PENCHANT_MAX_K);
}

/* A category of the request; NULL and "" mean any. */
static void filter_category(struct shortlist_filter *f, const struct penchant *p,
                            const char *category)
{
    f->in_category = category && *category;
    if (f->in_category)
        f->category = catalog_category(&p->catalog, category);
}

/* ---- recommend ---- */

static int check_request(const struct penchant_request *r, uint32_t *mask,
                         struct penchant_error *err)
{
    int rc = check_k(r->k, err);
    if (!rc)
        rc = check_id(r->user_id, 0, "user_id", err);
    if (!rc)
        rc = check_text(r->category, 0, "category", err);
    if (!rc)
        rc = check_text(r->placement, 0, "placement", err);
    if (!rc)
        rc = check_text(r->query, 0, "query", err);
    if (!rc && r->n_exclude > MOST_EXCLUDED)
        rc = error_field(err, PENCHANT_ELIMIT, 0, "exclude", "at most %d items",
                         MOST_EXCLUDED);
    for (size_t i = 0; !rc && i < r->n_exclude; i++)
        if (!r->exclude[i])
            rc = error_field(err, PENCHANT_EINVALID, i, "exclude",
                             "an item_id is missing");
    return rc ? rc : evidence_parse(r->sources ? r->sources : "all", mask, err);
}

/* p->lock is held. disliked_too: nor what the user said no to. */
static int request_filter(struct shortlist_filter *f, const struct penchant *p,
                          const struct penchant_request *r, const struct want *w,
                          bool disliked_too)
{
    const size_t bought = r->exclude_purchased ? w->n_purchased : 0;
    if (shortlist_filter_init(f, r->n_exclude + bought + w->likes.n))
        return PENCHANT_ENOMEM;
    filter_category(f, p, r->category);
    for (size_t i = 0; i < r->n_exclude; i++) {
        const char *id = r->exclude[i];
        const uint32_t item = names_find(&p->catalog.ids, id, strlen(id));
        if (item != NAMES_NONE)
            shortlist_filter_exclude(f, item);
    }
    for (size_t i = 0; i < bought; i++)
        shortlist_filter_exclude(f, w->purchased[i]);
    for (uint32_t i = 0; disliked_too && i < w->likes.n; i++)
        shortlist_filter_exclude(f, w->likes.disliked[i].item);
    return PENCHANT_OK;
}

/* What the user said no to is only shown when there is nothing else. p->lock is held. */
static int64_t choose_items(struct penchant *p, const struct penchant_request *r,
                            const struct want *w, struct evidence_query *q,
                            const struct blend_terms *terms, struct shortlist_best *best)
{
    int64_t n = 0;
    for (int without = w->likes.n > 0; n == 0 && without >= 0; without--) {
        struct shortlist_filter filter = {0};
        n = request_filter(&filter, p, r, w, without) == PENCHANT_OK
                ? shortlist(p, q, terms, &filter, best)
                : PENCHANT_ENOMEM;
        shortlist_filter_release(&filter);
    }
    return n;
}

enum { USUAL_PRICES = 20 };

/* The mean log price of the newest items, NaN without any. p->lock is held. */
static double usual_log_price(const struct penchant *p, const struct want *w)
{
    double sum = 0;
    uint32_t n = 0;
    for (uint32_t i = w->n; i > 0 && n < USUAL_PRICES; i--) {
        const double price = p->catalog.item[w->item[i - 1]].price;
        if (price > 0) {
            sum += log(price);
            n++;
        }
    }
    return n ? sum / n : (double)NAN;
}

/* What feedback says of the candidates, in a shop that learns from it. */
static struct adapt_view *view_of(struct adapt_view *view, const struct penchant *p,
                                  const struct penchant_request *r, const struct want *w)
{
    *view = (struct adapt_view){.adapt = p->adapt, .correct = r->adapt, .user = w->user};
    if (!p->adapt)
        return NULL;
    view->log_price = usual_log_price(p, w);
    view->recent = w->item;
    view->n_recent = w->n;
    return view;
}

/* The list of a user whose wants are known. */
static int choose(struct penchant *p, const struct snapshot *s,
                  const struct penchant_request *r, const struct want *w, uint32_t mask,
                  struct draw *draw, struct dials *dials, int64_t now_us,
                  struct penchant_list **out, struct penchant_error *err)
{
    struct blend_terms terms;
    struct explanation why = {0};
    struct evidence_sums sums = {0};
    struct adapt_view view = {0};
    const uint32_t pool = dials_pool(dials, draw_pool(draw, r->k), r->k);
    struct topk_hit *hit = malloc(pool * sizeof *hit);
    struct shortlist_best best = {
        .hit = hit, .k = pool, .enough = dials_enough(dials, r->k)};
    struct evidence_query q = {.user = w->user,
                               .recent = w->item,
                               .recent_type = w->type,
                               .recent_us = w->ts_us,
                               .recent_liking = w->liking,
                               .n_recent = w->n,
                               .disliked = w->disliked,
                               .n_disliked = w->likes.n,
                               .now_us = now_us,
                               .vector = w->vector,
                               .sums = &sums};
    struct want_words words;
    int64_t n = PENCHANT_ENOMEM;
    pthread_rwlock_rdlock(&p->lock);
    shortlist_query(&q, p, s);
    const struct content_space *space = q.content ? shop_content_space(p) : NULL;
    if (!want_words_init(&words, &w->words, space, now_us, p->has_clock) && hit) {
        want_words_ask(&words, &q);
        best.view = view_of(&view, p, r, w);
        shortlist_balance(p, s, mask, &q, &terms);
        n = choose_items(p, r, w, &q, &terms, &best);
        n = n > 0 ? dials_rank(dials, p, s, w, &q, hit, (size_t)n, r->k) : n;
        n = n > 0 ? draw_list(draw, p, best.view, hit, (size_t)n, r->k) : n;
    }
    dials_set_apart(dials, hit, n > 0 ? (size_t)n : 0);
    if (n > 0 && r->explain &&
        explanation_init(&why, p, s, w, &q, &terms, &best, (size_t)n))
        n = PENCHANT_ENOMEM;
    int rc = n < 0 ? error_memory(err)
                   : list_new(out, p, hit, (size_t)n, why.evidence ? &why : NULL, err);
    pthread_rwlock_unlock(&p->lock);
    if (!rc)
        dials_tell(dials, *out);
    explanation_release(&why);
    const uint64_t version = s ? s->version : 0;
    if (!rc && r->n_shown)
        rc = log_shown(p, *out, hit, r, w->user, version, err);
    else if (!rc)
        rc = log_slate(p, *out, hit, w->user, r->placement, version, draw,
                       n > 0 ? best.view : NULL, err);
    adapt_view_release(&view);
    evidence_sums_release(&sums);
    want_words_release(&words);
    free(hit);
    return rc;
}

static int recommend(struct penchant *p, const struct penchant_request *r,
                     struct penchant_list **out, struct penchant_error *err)
{
    uint32_t mask;
    struct want want;
    struct draw draw;
    struct dials dials;
    int rc = check_request(r, &mask, err);
    if (!rc)
        rc = dials_init(&dials, p, r, err);
    if (!rc)
        rc = draw_init(&draw, p, r, dials.explore, err);
    if (rc)
        return rc;
    struct snapshot *s = engine_snapshot_acquire(p);
    const int64_t now_us = r->now_us ? r->now_us : engine_now(p);
    rc = want_init(&want, p, s, r, now_us, err);
    if (!rc) {
        rc = choose(p, s, r, &want, mask, &draw, &dials, now_us, out, err);
        want_release(&want);
        draw_release(&draw);
        dials_release(&dials);
    }
    engine_snapshot_release(p, s);
    return give(rc, out);
}

int penchant_recommend(struct penchant *p, const struct penchant_request *r,
                       struct penchant_list **out, struct penchant_error *err)
{
    struct assignment a;
    *out = NULL;
    int rc = assignment_init(&a, p, r, err);
    if (r->n_shown) /* ours is not shown: there is nothing to explore */
        a.request.explore = 0;
    if (!rc)
        rc = recommend(p, &a.request, out, err);
    if (!rc)
        assignment_tell(&a, *out);
    assignment_release(&a);
    return rc;
}

/* ---- similar ---- */

/* The item's own vector at length 1, or what the model makes of its content when it came
   later; false when it has none. */
static bool direction(const struct penchant *p, const struct snapshot *s, uint32_t item,
                      float *out)
{
    const float *e = s && item < s->n_items ? s->item_vectors + (size_t)item * s->dim
                                            : shop_content_token(p, s, item);
    if (!e)
        return false;
    double square = 0;
    for (uint32_t i = 0; i < s->dim; i++)
        square += (double)e[i] * (double)e[i];
    for (uint32_t i = 0; i < s->dim; i++)
        out[i] = square > 0 ? (float)((double)e[i] / sqrt(square)) : 0.0F;
    return square > 0;
}

/* Both lists in one, without repeats. Items of both have the same score in each. */
static size_t merge(struct topk_hit *hit, size_t n, const struct topk_hit *more,
                    size_t n_more, size_t k)
{
    struct topk_hit all[PENCHANT_MAX_K];
    struct best best = {.hit = all, .k = (uint32_t)k};
    for (size_t i = 0; i < n; i++)
        best_offer(&best, hit[i].score, hit[i].row);
    for (size_t i = 0; i < n_more; i++) {
        size_t j = 0;
        while (j < n && hit[j].row != more[i].row)
            j++;
        if (j == n)
            best_offer(&best, more[i].score, more[i].row);
    }
    best_sort(&best);
    memcpy(hit, all, best.n * sizeof *hit);
    return best.n;
}

/* p->lock is held. What was visited together and, in the model, looks alike; for an item
   without a vector there, what says alike, and where nothing is said, is of its category. */
static int64_t choose_similar(struct penchant *p, const struct snapshot *s, uint32_t item,
                              size_t k, float *vector, struct topk_hit *hit)
{
    struct shortlist_filter filter;
    struct evidence_sums sums = {0};
    struct evidence_query q = {.user = NAMES_NONE,
                               .recent = &item,
                               .n_recent = 1,
                               .by_direction = true,
                               .sums = &sums};
    struct evidence_weights w = {
        .w = {
            [EVIDENCE_COVISITATION] = 1.0F, [EVIDENCE_POPULARITY] = SIMILAR_POPULARITY}};
    struct blend_terms terms;
    struct shortlist_best best = {.hit = hit, .k = (uint32_t)k};
    shortlist_query(&q, p, s);
    if (shortlist_filter_init(&filter, 1))
        return PENCHANT_ENOMEM;
    shortlist_filter_exclude(&filter, item);
    if (direction(p, s, item, vector)) {
        q.vector = vector;
        w.w[EVIDENCE_SEQUENCE] = SIMILAR_VECTOR;
    } else if (shop_content_vector(p, item)) {
        w.w[EVIDENCE_CONTENT] = SIMILAR_CONTENT;
    } else {
        filter.favoured = catalog_kind(&p->catalog, item);
        filter.favour = SIMILAR_CATEGORY;
    }
    blend_plain(&w, &terms);
    int64_t n = shortlist(p, &q, &terms, &filter, &best);
    if (n >= 0 && filter.favoured != NAMES_NONE) {
        struct topk_hit *more = malloc(k * sizeof *more);
        filter.in_category = true;
        filter.category = filter.favoured;
        best.hit = more;
        const int64_t n_more =
            more ? shortlist(p, &q, &terms, &filter, &best) : PENCHANT_ENOMEM;
        n = n_more < 0 ? n_more : (int64_t)merge(hit, (size_t)n, more, (size_t)n_more, k);
        free(more);
    }
    shortlist_filter_release(&filter);
    evidence_sums_release(&sums);
    return n;
}

int penchant_similar(struct penchant *p, const char *item_id, size_t k,
                     struct penchant_list **out, struct penchant_error *err)
{
    *out = NULL;
    int rc = check_k(k, err);
    if (!rc && !item_id)
        rc = error_field(err, PENCHANT_EINVALID, 0, "item_id", "item_id is required");
    if (rc)
        return rc;
    struct snapshot *s = engine_snapshot_acquire(p);
    struct topk_hit *hit = malloc(k * sizeof *hit);
    float *vector = malloc((s ? s->dim : 1) * sizeof *vector);
    pthread_rwlock_rdlock(&p->lock);
    const uint32_t item = names_find(&p->catalog.ids, item_id, strlen(item_id));
    if (item == NAMES_NONE || p->catalog.item[item].deleted) {
        rc = error_field(err, PENCHANT_ENOTFOUND, 0, "item_id",
                         "there is no item \"%.100s\"", item_id);
    } else {
        const int64_t n =
            hit && vector ? choose_similar(p, s, item, k, vector, hit) : PENCHANT_ENOMEM;
        rc = n < 0 ? error_memory(err) : list_new(out, p, hit, (size_t)n, NULL, err);
    }
    pthread_rwlock_unlock(&p->lock);
    if (!rc)
        rc = log_slate(p, *out, hit, NAMES_NONE, "similar", s ? s->version : 0, NULL,
                       NULL, err);
    engine_snapshot_release(p, s);
    free(vector);
    free(hit);
    return give(rc, out);
}

/* ---- popular ---- */

int penchant_popular(struct penchant *p, size_t k, const char *category,
                     struct penchant_list **out, struct penchant_error *err)
{
    struct shortlist_filter filter = {0};
    struct evidence_query q = {.user = NAMES_NONE, .by_count = true};
    const struct evidence_weights w = {.w = {[EVIDENCE_POPULARITY] = 1.0F}};
    *out = NULL;
    int rc = check_k(k, err);
    if (!rc)
        rc = check_text(category, 0, "category", err);
    if (rc)
        return rc;
    struct topk_hit *hit = malloc(k * sizeof *hit);
    if (!hit || shortlist_filter_init(&filter, 0)) {
        free(hit);
        return error_memory(err);
    }
    pthread_rwlock_rdlock(&p->lock);
    shortlist_query(&q, p, NULL);
    filter_category(&filter, p, category);
    struct blend_terms terms;
    struct shortlist_best best = {.hit = hit, .k = (uint32_t)k};
    blend_plain(&w, &terms);
    const int64_t n = shortlist(p, &q, &terms, &filter, &best);
    for (int64_t i = 0; i < n; i++)
        hit[i].score = exp(hit[i].score); /* the item's share of all that happened */
    rc = n < 0 ? error_memory(err) : list_new(out, p, hit, (size_t)n, NULL, err);
    pthread_rwlock_unlock(&p->lock);
    if (!rc)
        rc = log_slate(p, *out, hit, NAMES_NONE, "popular", 0, NULL, NULL, err);
    shortlist_filter_release(&filter);
    free(hit);
    return give(rc, out);
}
