/* SPDX-License-Identifier: Apache-2.0 */
/* From the store into memory: names, catalogue, and the log, event by event. */
#include <string.h>

#include "behaviour/extra.h"
#include "engine/adapt.h"
#include "engine/engine.h"
#include "engine/experiments.h"
#include "engine/feedback.h"
#include "engine/shop_balance.h"
#include "engine/shop_segments.h"

/* ---- one event ---- */

static int observe(struct penchant *p, const struct event *e)
{
    const struct user_state *u = user_states_peek(p->states, e->user);
    const struct evidence_event seen = {
        .user = e->user,
        .item = e->item,
        .type = e->type,
        .ts_us = e->ts_us,
        .recent = u ? u->recent : NULL,
        .recent_us = u ? u->recent_us : NULL,
        .recent_type = u ? u->recent_type : NULL,
        .n_recent = user_state_position(u, e->ts_us),
    };
    return evidence_observe(&p->evidence, &seen);
}

int engine_apply(struct penchant *p, const struct event *e)
{
    if (shop_balance_admit(p, e->seq) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    if (e->item != NAMES_NONE) {
        catalog_count(&p->catalog, e->item);
        if (event_wanted(e->type, e->value) && observe(p, e) != PENCHANT_OK)
            return PENCHANT_ENOMEM;
    }
    bool cancelled;
    int status = user_states_apply(p->states, e, &cancelled);
    if (status == PENCHANT_OK)
        status = engine_segments_apply(p, e);
    if (status == PENCHANT_OK)
        status = feedback_event(p->feedback, e, names_text(&p->types, e->type));
    if (status == PENCHANT_OK)
        shop_balance_event(p, e);
    if (e->ts_us < p->first_us)
        p->first_us = e->ts_us;
    if (e->ts_us > p->last_us)
        p->last_us = e->ts_us;
    p->cancelled += cancelled;
    p->events++;
    return status;
}

int engine_take_slate(struct penchant *p, const struct store_slate *s)
{
    int status = feedback_slate(p->feedback, s);
    if (status == PENCHANT_OK)
        status = shop_balance_slate(p->balance, s);
    return status == PENCHANT_OK && p->adapt ? adapt_slate(p->adapt, s) : status;
}

/* ---- replay ---- */

struct replay {
    struct penchant *p;
    struct penchant_error *err;
    /* Lists between the events, where all count and not the newest alone: */
    bool lists_too;
    uint64_t slate;       /* the last that was taken */
    uint64_t next_behind; /* the next one stands behind this event; none: UINT64_MAX */
    uint64_t event;       /* the one that is to follow */
};

static int bad_name(const struct replay *r, const char *what, uint32_t id)
{
    return error_set(r->err, PENCHANT_ECORRUPT, "%s %u cannot be", what, id);
}

static int replay_user(void *cookie, uint32_t id, const char *name)
{
    const struct replay *r = cookie;
    struct names *users = &r->p->users;
    if (id != users->n)
        return bad_name(r, "user", id);
    const uint32_t added =
        *name ? names_add(users, name, strlen(name)) : names_skip(users);
    if (added == NAMES_NONE)
        return error_memory(r->err);
    return added == id ? PENCHANT_OK : bad_name(r, "user", id);
}

static int replay_type(void *cookie, uint32_t id, const char *name)
{
    const struct replay *r = cookie;
    const uint32_t added = names_add(&r->p->types, name, strlen(name));
    return added == id && id < EVENT_MAX_TYPES ? PENCHANT_OK
                                               : bad_name(r, "event type", id);
}

static int replay_item(void *cookie, uint32_t id, const struct store_item *row)
{
    const struct replay *r = cookie;
    struct catalog *c = &r->p->catalog;
    if (id != c->ids.n || !*row->item_id)
        return bad_name(r, "item", id);
    const uint32_t number = catalog_intern(c, row->item_id);
    if (number == NAMES_NONE)
        return error_memory(r->err);
    if (number != id)
        return bad_name(r, "item", id);
    const struct penchant_item item = engine_item_of_row(row);
    if (catalog_put(c, id, &item) != PENCHANT_OK)
        return error_memory(r->err);
    if (row->deleted)
        catalog_delete(c, id);
    return PENCHANT_OK;
}

/* An event whose words are part of its user's state. */
static int replay_words(const struct replay *r, const struct event *row)
{
    struct extra extra;
    struct event e = *row;
    int status = extra_read(&extra, row->extra, r->err);
    if (status != PENCHANT_OK)
        return status;
    e.query = extra.query;
    e.text = extra.text;
    if (engine_apply(r->p, &e) != PENCHANT_OK)
        status = error_memory(r->err);
    extra_release(&extra);
    return status;
}

static int replay_slate(void *cookie, const struct store_slate *s)
{
    const struct replay *r = cookie;
    return engine_take_slate(r->p, s) ? error_memory(r->err) : PENCHANT_OK;
}

/* The newest lists; they wait in the joiner for the events that follow them. */
static int replay_slates(struct replay *r)
{
    struct store *store = r->p->store;
    struct store_counts counts;
    const int status = store->ops->counts(store, &counts, r->err);
    if (status != PENCHANT_OK)
        return status;
    const uint64_t n = counts.last_slate;
    return store->ops->scan_slates(store, n > FEEDBACK_SLATES ? n - FEEDBACK_SLATES : 0,
                                   replay_slate, r, r->err);
}

enum { STOP = 1 };

static int replay_slate_before(void *cookie, const struct store_slate *s)
{
    struct replay *r = cookie;
    r->next_behind = s->after_event;
    if (s->after_event >= r->event)
        return STOP;
    r->slate = s->seq;
    r->next_behind = UINT64_MAX;
    return engine_take_slate(r->p, s) ? error_memory(r->err) : PENCHANT_OK;
}

/* The lists that stand before event `seq`. */
static int replay_slates_before(struct replay *r, uint64_t seq)
{
    struct store *store = r->p->store;
    if (!r->lists_too || r->next_behind >= seq)
        return PENCHANT_OK;
    r->event = seq;
    const int status =
        store->ops->scan_slates(store, r->slate, replay_slate_before, r, r->err);
    return status < 0 ? status : PENCHANT_OK;
}

static int replay_event(void *cookie, const struct event *e)
{
    struct replay *r = cookie;
    struct penchant *p = r->p;
    if (p->stopping)
        return PENCHANT_ECLOSED;
    const int status = replay_slates_before(r, e->seq);
    if (status != PENCHANT_OK)
        return status;
    if (e->user >= p->users.n || e->type >= p->types.n ||
        (e->item != NAMES_NONE && e->item >= p->catalog.ids.n))
        return error_set(r->err, PENCHANT_ECORRUPT, "event %llu names what is not there",
                         (unsigned long long)e->seq);
    if (e->extra && (e->type == EVENT_SEARCH || e->type == EVENT_REVIEW))
        return replay_words(r, e);
    return engine_apply(p, e) == PENCHANT_OK ? PENCHANT_OK : error_memory(r->err);
}

int engine_replay_events(struct penchant *p, uint64_t after_seq,
                         struct penchant_error *err)
{
    struct replay r = {.p = p, .err = err};
    return p->store->ops->scan_events(p->store, after_seq, replay_event, &r, err);
}

/* Lists and events. A layer learns from all lists of the log, the joiner knows only the
   newest: those are then enough. */
static int replay_log(struct replay *r)
{
    struct store *store = r->p->store;
    if (!r->p->adapt) {
        const int status = replay_slates(r);
        return status ? status
                      : store->ops->scan_events(store, 0, replay_event, r, r->err);
    }
    r->lists_too = true;
    const int status = store->ops->scan_events(store, 0, replay_event, r, r->err);
    return status ? status : replay_slates_before(r, UINT64_MAX);
}

static int init_evidence(struct penchant *p, struct penchant_error *err)
{
    const struct evidence_options o = {.has_clock = p->has_clock,
                                       .half_life_days = EVIDENCE_HALF_LIFE_DAYS};
    return evidence_init(&p->evidence, &o) == PENCHANT_OK ? PENCHANT_OK
                                                          : error_memory(err);
}

int engine_set_clock(struct penchant *p, bool has_clock, struct penchant_error *err)
{
    int status = PENCHANT_OK;
    pthread_rwlock_wrlock(&p->lock);
    if (p->has_clock != has_clock) {
        p->has_clock = has_clock;
        evidence_release(&p->evidence);
        status = init_evidence(p, err);
    }
    pthread_rwlock_unlock(&p->lock);
    return status;
}

static int replay_all(struct penchant *p, struct penchant_error *err)
{
    const struct store_backend *ops = p->store->ops;
    struct replay r = {.p = p, .err = err};
    struct store_counts counts;
    char clock[8], live[8];
    int status = ops->get_fact(p->store, "clock", clock, sizeof(clock), err);
    if (status == PENCHANT_OK)
        status = ops->get_fact(p->store, "live", live, sizeof(live), err);
    if (status != PENCHANT_OK)
        return status;
    p->has_clock = strcmp(clock, "0") != 0;
    p->live = strcmp(live, "1") == 0;
    if ((status = init_evidence(p, err)) != PENCHANT_OK ||
        (status = ops->scan_users(p->store, replay_user, &r, err)) != PENCHANT_OK ||
        (status = ops->scan_types(p->store, replay_type, &r, err)) != PENCHANT_OK ||
        (status = ops->scan_items(p->store, replay_item, &r, err)) != PENCHANT_OK ||
        (status = engine_read_vectors(p, err)) != PENCHANT_OK ||
        (status = experiments_read(p, err)) != PENCHANT_OK ||
        (status = shop_balance_read(p, err)) != PENCHANT_OK ||
        (status = replay_log(&r)) != PENCHANT_OK ||
        (status = ops->counts(p->store, &counts, err)) != PENCHANT_OK)
        return status;
    p->last_seq = counts.last_seq;
    p->slates = counts.slates;
    p->last_slate = counts.last_slate;
    return PENCHANT_OK;
}

/* The names of the known event types stand in the store too, for its readers. */
static int write_types(struct penchant *p, struct penchant_error *err)
{
    const struct store_backend *ops = p->store->ops;
    char made[8];
    int status = ops->get_fact(p->store, "types", made, sizeof(made), err);
    if (status != PENCHANT_OK || made[0])
        return status;
    if ((status = ops->begin(p->store, err)) != PENCHANT_OK)
        return status;
    for (uint32_t i = 0; i < p->types.n && status == PENCHANT_OK; i++)
        status = ops->add_type(p->store, i, names_text(&p->types, i), err);
    if (status == PENCHANT_OK)
        status = ops->put_fact(p->store, "types", "1", err);
    if (status == PENCHANT_OK)
        return ops->commit(p->store, err);
    ops->rollback(p->store);
    return status;
}

int engine_load(struct penchant *p, struct penchant_error *err)
{
    if (!p->read_only)
        return write_types(p, err) == PENCHANT_OK ? replay_all(p, err) : err->status;
    int status = p->store->ops->begin(p->store, err); /* one consistent view */
    if (status == PENCHANT_OK)
        status = replay_all(p, err);
    p->store->ops->rollback(p->store);
    return status;
}
