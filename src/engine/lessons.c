/* SPDX-License-Identifier: Apache-2.0 */
/* Reading a log for learning, holding out, and asking. */
#include "engine/lessons.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "learn/held_out.h"

enum { LEAST_EVENTS = 3 };

#define LEAST_REPEATS 0.005 /* of the last events: fewer are taken for noise */

/* ---- reading the store ---- */

struct reading {
    struct lessons *l;
    struct history_builder builder;
    uint32_t n_users;
    uint64_t last_seq;
    bool hides;
    uint32_t *taken; /* (n_users) how many of a user's events were observed */
    struct penchant_error *err;
};

static int read_user(void *cookie, uint32_t id, const char *name)
{
    struct reading *r = cookie;
    (void)name;
    r->n_users = id + 1;
    return PENCHANT_OK;
}

static int read_item(void *cookie, uint32_t id, const struct store_item *row)
{
    struct reading *r = cookie;
    struct catalog *c = &r->l->catalog;
    const struct penchant_item item = engine_item_of_row(row);
    const uint32_t number = catalog_intern(c, row->item_id);
    if (number == NAMES_NONE || catalog_put(c, number, &item))
        return error_memory(r->err);
    return number == id ? PENCHANT_OK
                        : error_set(r->err, PENCHANT_ECORRUPT, "item %u cannot be", id);
}

static int read_type(void *cookie, uint32_t id, const char *name)
{
    struct reading *r = cookie;
    value_log_type(&r->l->values, id, name);
    return PENCHANT_OK;
}

static int read_event(void *cookie, const struct event *e)
{
    struct reading *r = cookie;
    if (e->seq > r->last_seq)
        return PENCHANT_OK;
    r->l->last_seq = e->seq;
    if (value_log_observe(&r->l->values, e))
        return error_memory(r->err);
    if (e->item == NAMES_NONE || event_dislikes(e->type, e->value))
        return PENCHANT_OK;
    return history_builder_add(&r->builder, e->user, e->item, e->type, e->ts_us)
               ? error_memory(r->err)
               : PENCHANT_OK;
}

/* The log tells whose turn it is; what that user did next is in the history, where
   refunds have been settled. So the counts see events in the order of the log. */
static int observe_event(void *cookie, const struct event *e)
{
    struct reading *r = cookie;
    struct lessons *l = r->l;
    const struct history *h = &l->history;
    if (e->seq > r->last_seq || e->item == NAMES_NONE || !event_wanted(e->type, e->value))
        return PENCHANT_OK;
    const uint64_t start = h->start[e->user], at = start + r->taken[e->user];
    if (at >= l->train_end[e->user])
        return PENCHANT_OK;
    r->taken[e->user]++;
    const uint64_t n = at - start < ENGINE_RECENT ? at - start : ENGINE_RECENT;
    struct held_out_recent room;
    struct evidence_event seen = {.user = e->user,
                                  .item = h->item[at],
                                  .type = h->type[at],
                                  .ts_us = h->ts_us[at],
                                  .recent = h->item + at - n,
                                  .recent_us = h->ts_us + at - n,
                                  .recent_type = h->type + at - n,
                                  .n_recent = (uint32_t)n};
    if (l->hides && !held_out_observes(&seen, &room))
        return PENCHANT_OK;
    return evidence_observe(&l->evidence, &seen) ? error_memory(r->err) : PENCHANT_OK;
}

/* ---- holding out ---- */

static bool is_long_enough(const struct history *h, uint32_t user)
{
    return h->start[user + 1] - h->start[user] >= LEAST_EVENTS;
}

/* Whether the last event of a user is of an item that they had before. */
static bool ends_in_repeat(const struct history *h, uint32_t user)
{
    const uint64_t end = h->start[user + 1];
    uint64_t i = h->start[user];
    while (i + 1 < end && h->item[i] != h->item[end - 1])
        i++;
    return i + 1 < end;
}

/* Whether the last event of a user can be held out. */
static bool eligible(const struct lessons *l, uint32_t user)
{
    return is_long_enough(&l->history, user) &&
           (l->repeats || !ends_in_repeat(&l->history, user));
}

static bool has_repeats(const struct history *h)
{
    uint64_t n = 0, repeats = 0;
    for (uint32_t u = 0; u < h->n_users; u++) {
        n += is_long_enough(h, u);
        repeats += is_long_enough(h, u) && ends_in_repeat(h, u);
    }
    return (double)repeats >= LEAST_REPEATS * (double)n && repeats > 0;
}

static int hold_out(struct lessons *l)
{
    const struct history *h = &l->history;
    uint64_t n = 0;
    l->repeats = has_repeats(h);
    for (uint32_t u = 0; u < h->n_users; u++)
        n += eligible(l, u);
    const uint64_t bar = n > LESSONS_CASES ? UINT64_MAX / n * LESSONS_CASES : UINT64_MAX;
    const size_t room = n + 1;
    l->train_end = malloc((h->n_users + (size_t)1) * sizeof *l->train_end);
    l->at = malloc(room * sizeof *l->at);
    l->user = malloc(room * sizeof *l->user);
    if (!l->train_end || !l->at || !l->user)
        return PENCHANT_ENOMEM;
    for (uint32_t u = 0; u < h->n_users; u++) {
        l->train_end[u] = h->start[u + 1];
        if (rng_mix(u) > bar || l->n_cases == LESSONS_CASES || !eligible(l, u))
            continue;
        l->train_end[u]--;
        l->user[l->n_cases] = u;
        l->at[l->n_cases++] = l->train_end[u];
    }
    return PENCHANT_OK;
}

/* ---- what the model sees of items and events ---- */

/* Whether any item can be told from others before an event names it. */
static bool items_speak(const struct lessons *l)
{
    bool speak = l->attr_start || l->modalities;
    for (uint32_t i = 0; i < l->catalog.ids.n && !speak; i++)
        speak = l->catalog.item[i].title && l->catalog.item[i].title[0];
    return speak;
}

static int list_attributes(struct lessons *l)
{
    const struct catalog *c = &l->catalog;
    size_t n = 0;
    for (uint32_t i = 0; i < c->ids.n; i++)
        n += c->item[i].n_attributes;
    if (n == 0 || n > UINT32_MAX)
        return PENCHANT_OK; /* none to learn from */
    l->attr_start = malloc((c->ids.n + (size_t)1) * sizeof *l->attr_start);
    l->attr = malloc(n * sizeof *l->attr);
    l->attribute_name = malloc(c->attributes.n * sizeof *l->attribute_name);
    if (!l->attr_start || !l->attr || !l->attribute_name)
        return PENCHANT_ENOMEM;
    uint32_t at = 0;
    for (uint32_t i = 0; i < c->ids.n; i++) {
        l->attr_start[i] = at;
        memcpy(l->attr + at, c->item[i].attribute,
               c->item[i].n_attributes * sizeof *l->attr);
        at += c->item[i].n_attributes;
    }
    l->attr_start[c->ids.n] = at;
    for (uint32_t i = 0; i < c->attributes.n; i++)
        l->attribute_name[i] = (char *)names_text(&c->attributes, i);
    return PENCHANT_OK;
}

/* One type for everything tells nothing: then the model has no types. */
static uint32_t count_types(const struct history *h)
{
    uint32_t highest = 0, lowest = UINT32_MAX;
    for (uint64_t i = 0; i < h->n; i++) {
        highest = h->type[i] > highest ? h->type[i] : highest;
        lowest = h->type[i] < lowest ? h->type[i] : lowest;
    }
    return lowest < highest ? highest + 1 : 0;
}

/* ---- life ---- */

static int read_log(struct reading *r, struct store *store)
{
    const struct store_backend *ops = store->ops;
    struct lessons *l = r->l;
    struct history *h = &l->history;
    char clock[8];
    int rc = ops->scan_users(store, read_user, r, r->err);
    if (!rc)
        rc = ops->scan_items(store, read_item, r, r->err);
    if (!rc)
        rc = ops->scan_types(store, read_type, r, r->err);
    if (!rc)
        rc = modalities_read(&l->modalities, store, l->catalog.ids.n, r->err);
    if (!rc)
        rc = ops->scan_events(store, 0, read_event, r, r->err);
    if (!rc)
        rc = history_builder_finish(&r->builder, r->n_users, l->catalog.ids.n, h, r->err);
    if (!rc)
        rc = ops->get_fact(store, "clock", clock, sizeof clock, r->err);
    if (rc)
        return rc;
    h->has_clock = h->has_clock && strcmp(clock, "0") != 0;
    const struct evidence_options o = {.has_clock = h->has_clock,
                                       .half_life_days = EVIDENCE_HALF_LIFE_DAYS};
    r->taken = calloc(r->n_users + (size_t)1, sizeof *r->taken);
    if (!r->taken || evidence_init(&l->evidence, &o) || hold_out(l) || list_attributes(l))
        return error_memory(r->err);
    l->n_types = count_types(h);
    l->hides = r->hides && items_speak(l);
    return ops->scan_events(store, 0, observe_event, r, r->err);
}

static int read_all(struct lessons *l, struct store *store, uint64_t last_seq,
                    const struct rewards *rewards, struct penchant_error *err)
{
    struct penchant_error detail = {0};
    struct reading r = {.l = l,
                        .last_seq = last_seq,
                        .hides = rewards != NULL,
                        .err = err ? err : &detail};
    *l = (struct lessons){0};
    catalog_init(&l->catalog);
    value_log_init(&l->values, rewards);
    history_builder_init(&r.builder);
    const int rc = read_log(&r, store);
    history_builder_release(&r.builder);
    free(r.taken);
    if (rc)
        lessons_release(l);
    return rc;
}

int lessons_read(struct lessons *l, struct store *store, uint64_t last_seq,
                 struct penchant_error *err)
{
    return read_all(l, store, last_seq, NULL, err);
}

int lessons_read_to_weigh(struct lessons *l, struct store *store,
                          const struct rewards *rewards, struct penchant_error *err)
{
    return read_all(l, store, UINT64_MAX, rewards, err);
}

static int describe_items(struct lessons *l, const struct content_text *text,
                          struct pool *pool, struct penchant_error *err)
{
    const struct modalities *m = l->modalities;
    const uint32_t n = l->catalog.ids.n;
    int rc = l->space ? PENCHANT_OK : describe_fit(&l->space, text, n, m, pool, err);
    if (rc || !l->space)
        return rc;
    const uint32_t dim = content_dim(l->space);
    l->content = malloc((n + (size_t)1) * dim * sizeof *l->content);
    if (!l->content)
        return error_memory(err);
    for (uint32_t i = 0; i < n; i++)
        describe_item(l->space, &text[i], m, i, l->content + (size_t)i * dim);
    rc = topk_index_new(&l->content_index, l->content, n, dim, err);
    l->view = (struct evidence_content){.vectors = l->content,
                                        .index = l->content_index,
                                        .n = n,
                                        .n_indexed = n,
                                        .dim = dim};
    return rc;
}

int lessons_describe(struct lessons *l, const char *path, uint32_t threads,
                     struct penchant_error *err)
{
    const uint32_t n = l->catalog.ids.n;
    int rc = path ? content_load(&l->space, path, err) : PENCHANT_OK;
    if (rc || !n)
        return rc;
    struct content_text *text = malloc(n * sizeof *text);
    struct pool *pool = pool_new(threads);
    for (uint32_t i = 0; text && i < n; i++)
        text[i] = describe_text(&l->catalog.item[i]);
    rc = text && pool ? describe_items(l, text, pool, err) : error_memory(err);
    pool_free(pool);
    free(text);
    return rc;
}

void lessons_release(struct lessons *l)
{
    content_free(l->space);
    topk_index_free(l->content_index);
    free(l->content);
    evidence_release(&l->evidence);
    modalities_release(l->modalities);
    value_log_release(&l->values);
    history_release(&l->history);
    catalog_release(&l->catalog);
    free(l->train_end);
    free(l->at);
    free(l->user);
    free(l->attr_start);
    free(l->attr);
    free(l->attribute_name);
    *l = (struct lessons){0};
}

struct train_data lessons_data(const struct lessons *l)
{
    return (struct train_data){
        .history = &l->history,
        .train_end = l->train_end,
        .exclude_seen = !l->repeats,
        .attr_start = l->attr_start,
        .attr = l->attr,
        .n_attributes = l->attr_start ? l->catalog.attributes.n : 0,
        .n_types = l->n_types,
        .attribute_name = l->attribute_name,
        .content = l->content,
        .content_dim = l->view.dim,
    };
}

/* ---- the exam ---- */

int exam_init(struct exam *x, const struct lessons *l, const struct snapshot *s,
              uint32_t threads, struct penchant_error *err)
{
    *x = (struct exam){.l = l, .s = s};
    struct pool *pool = pool_new(threads);
    x->vectors = calloc(l->n_cases + 1, s->dim * sizeof *x->vectors);
    int rc = pool && x->vectors ? PENCHANT_OK : PENCHANT_ENOMEM;
    if (!rc)
        rc = train_vectors(s->model, &l->history, l->at, l->n_cases, pool, x->vectors);
    pool_free(pool);
    if (rc)
        exam_release(x);
    return rc ? error_memory(err) : PENCHANT_OK;
}

void exam_release(struct exam *x)
{
    free(x->vectors);
    *x = (struct exam){0};
}

struct evidence_query exam_question(const struct exam *x, size_t c, uint64_t *skip)
{
    const struct history *h = &x->l->history;
    const uint64_t start = h->start[x->l->user[c]], at = x->l->at[c];
    const uint64_t n = at - start < ENGINE_RECENT ? at - start : ENGINE_RECENT;
    for (uint64_t i = start; i < at && !x->l->repeats; i++)
        skip[h->item[i] / 64] |= 1ULL << (h->item[i] % 64);
    return (struct evidence_query){
        .user = x->l->user[c],
        .recent = h->item + at - n,
        .recent_type = h->type + at - n,
        .recent_us = h->ts_us + at - n,
        .n_recent = (uint32_t)n,
        .now_us = h->ts_us[at],
        .vector = x->vectors + c * x->s->dim,
        .item_vectors = x->s->item_vectors,
        .index = x->s->index,
        .dim = x->s->dim,
        .n_indexed = x->s->n_items,
        .content = x->l->view.n ? &x->l->view : NULL,
        .skip = x->l->repeats ? NULL : skip,
        .n_items = h->n_items,
    };
}

void exam_forget(const struct exam *x, size_t c, uint64_t *skip)
{
    const struct history *h = &x->l->history;
    for (uint64_t i = h->start[x->l->user[c]]; i < x->l->at[c]; i++)
        skip[h->item[i] / 64] = 0;
}

uint32_t exam_answer(const struct exam *x, size_t c)
{
    return x->l->history.item[x->l->at[c]];
}
