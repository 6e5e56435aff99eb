/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Lists that were shown and what became of them, as penchant.h shows them: the row of the
 * store beside what the joiner knows. One list comes from the shop's own joiner; the whole
 * log goes through another one, which has room for more (70 MB at the most).
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/timing.h"
#include "engine/engine.h"
#include "engine/feedback.h"

enum { READ_SLATES = 1 << 17, READ_SLOTS = 1 << 21, STOP = 1 };

/* ---- one list ---- */

static const char *item_id(const struct penchant *p, uint32_t item)
{
    return item < p->catalog.ids.n ? names_text(&p->catalog.ids, item) : "";
}

static const char *outcome_name(const struct penchant *p, int outcome)
{
    if (outcome == FEEDBACK_OPEN)
        return NULL;
    if (outcome < 0)
        return outcome == FEEDBACK_IGNORED ? "ignored" : "unseen";
    return p->config.rewards.rule[outcome].event;
}

static double fill_items(const struct penchant *p, const struct feedback_list *list,
                         struct penchant_shown *out)
{
    double all = 0;
    for (uint32_t j = 0; j < list->n; j++) {
        const struct feedback_slot *slot = &list->slot[j];
        out[j] = (struct penchant_shown){.item_id = item_id(p, slot->item),
                                         .propensity = slot->propensity,
                                         .outcome = outcome_name(p, slot->outcome)};
        for (int g = 0; g < REWARD_GROUPS; g++) {
            out[j].rewards[g] = slot->reward[g];
            out[j].reward += slot->reward[g];
        }
        all += out[j].reward;
    }
    return all;
}

static void fill_choice(const struct penchant *p, const struct store_choice *c,
                        struct penchant_slate *out, struct penchant_candidate *candidates)
{
    out->drawn = c->share > 0;
    out->shop = !out->drawn;
    out->share = c->share;
    out->temperature = c->temperature;
    out->kappa = c->kappa;
    out->epsilon = c->epsilon;
    out->log_normaliser = c->log_normaliser;
    out->pool = c->pool;
    out->n_candidates = c->n;
    out->candidates = candidates;
    for (uint32_t i = 0; i < c->n; i++)
        candidates[i] = (struct penchant_candidate){
            .item_id = item_id(p, c->item[i]),
            .score = (double)c->score[i],
            .uncertainty = c->uncertainty ? (double)c->uncertainty[i] : 0};
}

/* Copies a text to *at, which moves on; NULL stays NULL. */
static const char *copy_text(char **at, const char *text)
{
    if (!text)
        return NULL;
    const size_t n = strlen(text) + 1;
    memcpy(*at, text, n);
    *at += n;
    return *at - n;
}

/* The row and what became of it, in one block; NULL: no memory. The names of items and
   users are the shop's. */
static struct penchant_slate *slate_new(const struct penchant *p,
                                        const struct store_slate *row,
                                        const struct feedback_list *list)
{
    const size_t candidates = row->choice ? row->choice->n : 0;
    const size_t texts =
        strlen(row->id) + 1 + (row->placement ? strlen(row->placement) + 1 : 0);
    struct penchant_slate *out =
        calloc(1, sizeof *out + list->n * sizeof(struct penchant_shown) +
                      candidates * sizeof(struct penchant_candidate) + texts);
    if (!out)
        return NULL;
    struct penchant_shown *items = (struct penchant_shown *)(out + 1);
    struct penchant_candidate *c = (struct penchant_candidate *)(items + list->n);
    char *text = (char *)(c + candidates);
    out->recommendation_id = copy_text(&text, row->id);
    out->placement = copy_text(&text, row->placement);
    out->user_id = row->user < p->users.n ? names_text(&p->users, row->user) : NULL;
    out->timestamp_us = row->ts_us;
    out->model_version = row->model_version;
    out->leave = list->leave;
    out->open = list->open;
    out->n = list->n;
    out->items = items;
    out->reward = fill_items(p, list, items) + list->leave;
    if (row->choice)
        fill_choice(p, row->choice, out, c);
    return out;
}

void penchant_slate_free(struct penchant_slate *slate)
{
    free(slate);
}

/* ---- by its id ---- */

struct getting {
    struct penchant *p;
    const char *id;
    struct feedback_list *list;
    struct penchant_slate *out;
    int status;
};

static int take_row(void *cookie, const struct store_slate *row)
{
    struct getting *g = cookie;
    if (row->seq == g->list->seq && !strcmp(row->id, g->id)) {
        g->out = slate_new(g->p, row, g->list);
        g->status = g->out ? PENCHANT_OK : PENCHANT_ENOMEM;
    }
    return STOP;
}

static int get_row(struct penchant *p, void *arg, struct penchant_error *err)
{
    struct getting *g = arg;
    g->status = PENCHANT_ENOTFOUND;
    const int rc =
        p->store->ops->scan_slates(p->store, g->list->seq - 1, take_row, g, err);
    if (rc < 0)
        return rc;
    return g->status == PENCHANT_ENOMEM ? error_memory(err) : PENCHANT_OK;
}

static int write_nothing(struct penchant *p, struct transaction *t, struct work *w,
                         bool *rejected, struct penchant_error *err)
{
    (void)p, (void)t, (void)w, (void)rejected, (void)err;
    return PENCHANT_OK;
}

/* A list that was just given away may wait for its commit: a group of works takes it
   along. */
static int find_list(struct getting *g, struct penchant_error *err)
{
    struct penchant *p = g->p;
    const int64_t now_us = timing_now_us();
    struct work group = {.write = write_nothing};
    if (feedback_find(p->feedback, g->id, now_us, g->list))
        return PENCHANT_OK;
    if (!p->read_only) {
        const int status = writer_run(p, &group, err);
        if (status != PENCHANT_OK)
            return status;
        if (feedback_find(p->feedback, g->id, now_us, g->list))
            return PENCHANT_OK;
    }
    return error_field(err, PENCHANT_ENOTFOUND, 0, "recommendation_id",
                       "there is no list \"%.64s\" among the newest", g->id);
}

int penchant_get_slate(struct penchant *p, const char *recommendation_id,
                       struct penchant_slate **out, struct penchant_error *err)
{
    struct getting g = {.p = p, .id = recommendation_id};
    *out = NULL;
    if (!recommendation_id)
        return error_field(err, PENCHANT_EINVALID, 0, "recommendation_id",
                           "recommendation_id is required");
    g.list = malloc(sizeof *g.list);
    int status = g.list ? find_list(&g, err) : error_memory(err);
    if (status == PENCHANT_OK)
        status = engine_with_store(p, get_row, &g, err);
    if (status == PENCHANT_OK && !g.out)
        status = error_field(err, PENCHANT_ENOTFOUND, 0, "recommendation_id",
                             "there is no list \"%.64s\" any more", recommendation_id);
    free(g.list);
    *out = g.out;
    return status;
}

/* ---- the whole log ---- */

struct reading {
    struct penchant *p;
    penchant_slate_fn *fn;
    void *cookie;
    struct feedback *feedback;
    struct feedback_list *list;      /* that is told */
    uint64_t last_slate, last_event; /* further ones came after the shop's names */
    bool more;                       /* there is a slate to look at: */
    uint64_t seq;                    /* its number */
    uint64_t after_event;            /* it stands after this event */
    uint32_t n;                      /* and has so many places */
    uint64_t event;                  /* the last that was taken in */
    int status, answer; /* what a scan's callback failed with, what fn said */
    struct penchant_error *err;
};

static int look_at_slate(void *cookie, const struct store_slate *row)
{
    struct reading *r = cookie;
    r->more = row->seq <= r->last_slate;
    r->seq = row->seq;
    r->after_event = row->after_event;
    r->n = row->n;
    return STOP;
}

static int add_slate(void *cookie, const struct store_slate *row)
{
    struct reading *r = cookie;
    r->status = feedback_slate(r->feedback, row);
    return STOP;
}

static int add_event(void *cookie, const struct event *e)
{
    struct reading *r = cookie;
    if (e->seq > (r->more ? r->after_event : r->last_event))
        return STOP;
    r->event = e->seq;
    if (e->type >= r->p->types.n)
        return error_set(r->err, PENCHANT_ECORRUPT, "event %llu cannot be",
                         (unsigned long long)e->seq);
    return feedback_event(r->feedback, e, names_text(&r->p->types, e->type))
               ? error_memory(r->err)
               : PENCHANT_OK;
}

static int tell_row(void *cookie, const struct store_slate *row)
{
    struct reading *r = cookie;
    struct penchant_slate *slate = slate_new(r->p, row, r->list);
    r->status = slate ? PENCHANT_OK : PENCHANT_ENOMEM;
    r->answer = slate ? r->fn(r->cookie, slate) : 0;
    free(slate);
    return STOP;
}

/* The row of slate `seq`, to `fn`; what it said is in r->status and r->answer. */
static int with_row(struct reading *r, uint64_t seq, store_slate_fn *fn)
{
    struct store *store = r->p->store;
    r->status = PENCHANT_OK;
    const int rc = store->ops->scan_slates(store, seq - 1, fn, r, r->err);
    if (rc < 0)
        return rc;
    return r->status ? error_memory(r->err) : r->answer;
}

/* Tells the oldest lists until the next one fits; without a next one, all. */
static int tell(struct reading *r)
{
    int status = PENCHANT_OK;
    while (status == PENCHANT_OK && !(r->more && feedback_has_room(r->feedback, r->n)) &&
           feedback_oldest(r->feedback, timing_now_us(), r->list)) {
        status = with_row(r, r->list->seq, tell_row);
        feedback_drop_oldest(r->feedback);
    }
    return status;
}

/* The next slate, after the events that stand before it; r->more: whether there is one. */
static int step(struct reading *r)
{
    struct store *store = r->p->store;
    const uint64_t after = r->seq;
    r->more = false;
    int status = store->ops->scan_slates(store, after, look_at_slate, r, r->err);
    if (status >= 0)
        status = store->ops->scan_events(store, r->event, add_event, r, r->err);
    if (status < 0)
        return status;
    status = tell(r);
    if (status == PENCHANT_OK && r->more)
        status = with_row(r, r->seq, add_slate);
    return status;
}

static int read_alone(struct penchant *p, void *arg, struct penchant_error *err)
{
    struct reading *r = arg;
    int status = PENCHANT_OK;
    r->err = err;
    r->last_slate = p->last_slate;
    r->last_event = p->last_seq;
    while (status == PENCHANT_OK) {
        status = step(r);
        if (!r->more)
            break;
    }
    return status;
}

int penchant_read_slates(struct penchant *p, penchant_slate_fn *fn, void *cookie,
                         struct penchant_error *err)
{
    struct reading r = {.p = p, .fn = fn, .cookie = cookie};
    r.feedback = feedback_new(&p->config.rewards, READ_SLATES, READ_SLOTS);
    r.list = malloc(sizeof *r.list);
    const int status = r.feedback && r.list ? engine_with_store(p, read_alone, &r, err)
                                            : error_memory(err);
    feedback_free(r.feedback);
    free(r.list);
    return status;
}
