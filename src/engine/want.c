/* SPDX-License-Identifier: Apache-2.0 */
/* Collecting what a request knows of its user, and encoding it. */
#include "engine/want.h"

#include <stdlib.h>
#include <string.h>

#include "engine/shop_content.h"

/* ---- encoding ---- */

/* Shows events [from, w->total) to an encoder state. The model's table of types may be
   older than the newest type of the shop, or have none; counting goes by the true ones. */
static void append(const struct want *w, const struct snapshot *s,
                   struct encoder_state *state, uint64_t from)
{
    const uint32_t at = w->n - (uint32_t)(w->total - from);
    uint8_t type[2 * ENGINE_RECENT];
    for (uint32_t i = at; i < w->n; i++)
        type[i - at] =
            w->type[i] < s->model->config.n_types ? w->type[i] : (uint8_t)EVENT_VIEW;
    encoder_append_new(s->encoder, state, w->item + at, type, w->ts_us + at,
                       w->fresh ? w->fresh + at : NULL, w->n - at);
}

static void query(struct want *w, const struct snapshot *s, struct encoder_state *state,
                  int64_t now_us)
{
    if (encoder_query(s->encoder, state, now_us, w->vector) != 0) {
        free(w->vector);
        w->vector = NULL;
    }
}

/* Whether the events from number `from` on are of an item that came after the model. */
static bool brings_new(const struct want *w, uint64_t from)
{
    for (uint64_t i = w->n - (w->total - from); w->fresh && i < w->n; i++)
        if (w->fresh[i])
            return true;
    return false;
}

/* The shard is locked. Whether the cached state could be used. */
static bool encode_cached(struct want *w, struct penchant *p, const struct snapshot *s,
                          const struct user_state *u, int64_t now_us)
{
    const struct user_encoder *c = u->encoder;
    if (!c || c->version != w->version)
        return false;
    struct encoder_state *state = c->state;
    if (w->total - c->events > w->n ||
        (brings_new(w, c->events) && !encoder_state_knows_new(state)))
        return false; /* it is made anew with all that it needs */
    append(w, s, state, c->events);
    query(w, s, state, now_us);
    user_states_cache_used(p->states, w->user, w->total);
    return true;
}

/* No lock is held: a whole window takes milliseconds. */
static int encode_anew(struct want *w, struct penchant *p, const struct snapshot *s,
                       int64_t now_us, struct penchant_error *err)
{
    uint64_t first = encoder_window_start(s->encoder, w->total);
    if (w->total - first > w->n) /* a model that looks further back than is kept */
        first = w->total - w->n;
    struct encoder_state *state = encoder_state_new(s->encoder, first);
    if (!state)
        return error_memory(err);
    append(w, s, state, first);
    query(w, s, state, now_us);
    struct user_state *u = w->stored ? user_states_lock(p->states, w->user) : NULL;
    if (u) {
        if (u->wanted == w->total &&
            user_states_cache(p->states, w->user, state, w->version, w->total,
                              encoder_state_bytes(s->encoder, state)))
            state = NULL;
        user_states_unlock(p->states, w->user);
    }
    encoder_state_free(state);
    return PENCHANT_OK;
}

/* ---- collecting ---- */

static int make_room(struct want *w, uint32_t n)
{
    w->item = malloc((n + 1) * sizeof *w->item);
    w->type = malloc((n + 1) * sizeof *w->type);
    w->ts_us = malloc((n + 1) * sizeof *w->ts_us);
    w->liking = malloc((n + 1) * sizeof *w->liking);
    return w->item && w->type && w->ts_us && w->liking ? PENCHANT_OK : PENCHANT_ENOMEM;
}

/* The user's shard is locked. */
static int copy_state(struct want *w, const struct user_state *u, uint32_t extra)
{
    const uint32_t n = u->n_recent;
    w->purchased = malloc((u->n_purchased + 1) * sizeof *w->purchased);
    if (make_room(w, n + extra) || !w->purchased || user_likes_copy(&w->likes, &u->likes))
        return PENCHANT_ENOMEM;
    if (u->words)
        w->words = *u->words;
    if (n) {
        memcpy(w->item, u->recent, n * sizeof *w->item);
        memcpy(w->type, u->recent_type, n * sizeof *w->type);
        memcpy(w->ts_us, u->recent_us, n * sizeof *w->ts_us);
        memcpy(w->liking, u->recent_liking, n * sizeof *w->liking);
    }
    w->n = n;
    w->total = u->wanted;
    for (uint32_t i = 0; i < u->n_purchased; i++)
        w->purchased[w->n_purchased++] = u->purchased[i].item;
    return PENCHANT_OK;
}

/* What a session event says of its item holds for all that was done with it. */
static int judge(struct want *w, const struct event *e)
{
    const bool rated = event_judges(e->type, e->value);
    if (event_dislikes(e->type, e->value) &&
        user_likes_add(&w->likes, e->item, e->ts_us, event_liking(e->type, e->value)))
        return PENCHANT_ENOMEM;
    const bool back = event_takes_back(e->type, e->value) &&
                      user_likes_take_back(&w->likes, e->item, e->ts_us);
    for (uint32_t i = 0; (rated || back) && i < w->n; i++)
        if (w->item[i] == e->item)
            w->liking[i] = event_liking(e->type, e->value);
    return PENCHANT_OK;
}

/* What the user thinks of the item of an event that does not say it. */
static float liking_of(const struct want *w, const struct event *e)
{
    const struct user_dislike *no = user_likes_find(&w->likes, e->item);
    if (event_judges(e->type, e->value) || no)
        return no ? no->liking : event_liking(e->type, e->value);
    for (uint32_t i = w->n; i-- > 0;)
        if (w->item[i] == e->item)
            return w->liking[i];
    return 1;
}

static void take_wanted(struct want *w, const struct event *e)
{
    const float liking = liking_of(w, e);
    w->item[w->n] = e->item;
    w->type[w->n] = (uint8_t)e->type;
    w->ts_us[w->n] = e->ts_us;
    w->liking[w->n++] = liking;
    w->total++;
    w->stored = false;
    if (e->type == EVENT_PURCHASE)
        w->purchased[w->n_purchased++] = e->item;
    user_words_pass(&w->words, e->ts_us);
}

/* One event of the session; p->lock is held. Those that say nothing of a known item and
   nothing in words are passed over. */
static int add_session_event(struct want *w, const struct penchant *p,
                             const struct penchant_request *r, size_t i, int64_t now_us,
                             struct penchant_error *err)
{
    struct penchant_event from = r->events[i];
    if (!from.user_id && !from.session_id)
        from.session_id = "request"; /* whose it is, is known */
    const int rc = event_check(&from, i, err);
    if (rc)
        return rc;
    const char *name = event_name_canonical(from.event);
    name = name ? name : from.event;
    struct event e = {.ts_us = from.timestamp_us ? from.timestamp_us : now_us,
                      .item = NAMES_NONE,
                      .type = names_find(&p->types, name, strlen(name)),
                      .value = from.value,
                      .query = from.query,
                      .text = from.text};
    if (e.type == NAMES_NONE)
        e.type = EVENT_VIEW; /* a name that this shop has not seen yet */
    user_words_add(&w->words, &e, 0);
    if (from.item_id)
        e.item = names_find(&p->catalog.ids, from.item_id, strlen(from.item_id));
    if (e.item == NAMES_NONE)
        return PENCHANT_OK;
    if (judge(w, &e))
        return error_memory(err);
    if (event_wanted(e.type, e.value))
        take_wanted(w, &e);
    return PENCHANT_OK;
}

static int add_session(struct want *w, const struct penchant *p,
                       const struct penchant_request *r, size_t first, int64_t now_us,
                       struct penchant_error *err)
{
    const size_t n = r->n_events - first;
    if (n == 0)
        return PENCHANT_OK;
    uint32_t *purchased =
        reallocarray(w->purchased, w->n_purchased + n, sizeof *purchased);
    if (!purchased)
        return error_memory(err);
    w->purchased = purchased;
    for (size_t i = first; i < r->n_events; i++) {
        const int rc = add_session_event(w, p, r, i, now_us, err);
        if (rc)
            return rc;
    }
    return PENCHANT_OK;
}

/*
 * Copies the vectors of items that came after the model; p->lock is held. They are those of
 * now: an encoder state that was made with others is not used, see w->version.
 */
static int take_fresh(struct want *w, const struct penchant *p, const struct snapshot *s)
{
    const size_t d = s->dim;
    size_t n = 0;
    w->version = engine_snapshot_states(s, w->user, shop_content_epoch(p));
    for (uint32_t i = 0; i < w->n; i++)
        n += shop_content_token(p, s, w->item[i]) != NULL;
    free(w->fresh);
    free(w->fresh_rows);
    w->fresh = NULL;
    w->fresh_rows = NULL;
    if (!n)
        return PENCHANT_OK;
    w->fresh = calloc(w->n, sizeof *w->fresh);
    w->fresh_rows = malloc(n * d * sizeof *w->fresh_rows);
    if (!w->fresh || !w->fresh_rows)
        return PENCHANT_ENOMEM;
    float *row = w->fresh_rows;
    for (uint32_t i = 0; i < w->n; i++) {
        const float *token = shop_content_token(p, s, w->item[i]);
        if (!token)
            continue;
        w->fresh[i] = memcpy(row, token, d * sizeof *row);
        row += d;
    }
    return PENCHANT_OK;
}

static int collect(struct want *w, struct penchant *p, const struct snapshot *s,
                   const struct penchant_request *r, int64_t now_us, bool *encoded,
                   struct penchant_error *err)
{
    const size_t first = r->n_events > ENGINE_RECENT ? r->n_events - ENGINE_RECENT : 0;
    const uint32_t extra = (uint32_t)(r->n_events - first);
    if (r->user_id)
        w->user = names_find(&p->users, r->user_id, strlen(r->user_id));
    struct user_state *u = NULL;
    if (w->user != NAMES_NONE)
        u = user_states_lock(p->states, w->user);
    int rc = u ? copy_state(w, u, extra) : make_room(w, extra);
    if (!rc && u && s && extra == 0)
        rc = take_fresh(w, p, s);
    if (!rc && u && s && extra == 0)
        *encoded = encode_cached(w, p, s, u, now_us);
    if (u)
        user_states_unlock(p->states, w->user);
    if (rc)
        return error_memory(err);
    w->stored = u != NULL;
    rc = add_session(w, p, r, first, now_us, err);
    if (!rc && s && !*encoded && take_fresh(w, p, s))
        rc = error_memory(err);
    const struct event asks = {
        .ts_us = now_us, .type = EVENT_SEARCH, .item = NAMES_NONE, .query = r->query};
    user_words_add(&w->words, &asks, 0);
    return rc;
}

static int list_disliked(struct want *w)
{
    w->disliked = malloc((w->likes.n + 1) * sizeof *w->disliked);
    for (uint32_t i = 0; w->disliked && i < w->likes.n; i++)
        w->disliked[i] = w->likes.disliked[i].item;
    return w->disliked ? PENCHANT_OK : PENCHANT_ENOMEM;
}

int want_init(struct want *w, struct penchant *p, const struct snapshot *s,
              const struct penchant_request *r, int64_t now_us,
              struct penchant_error *err)
{
    *w = (struct want){.user = NAMES_NONE};
    bool encoded = false;
    if (s) {
        w->vector = malloc(s->dim * sizeof *w->vector);
        if (!w->vector)
            return error_memory(err);
    }
    pthread_rwlock_rdlock(&p->lock);
    int rc = collect(w, p, s, r, now_us, &encoded, err);
    pthread_rwlock_unlock(&p->lock);
    if (!rc && s && !encoded)
        rc = encode_anew(w, p, s, now_us, err);
    if (!rc && list_disliked(w))
        rc = error_memory(err);
    if (rc)
        want_release(w);
    return rc;
}

void want_release(struct want *w)
{
    free(w->item);
    free(w->type);
    free(w->ts_us);
    free(w->liking);
    free(w->fresh);
    free(w->fresh_rows);
    free(w->purchased);
    user_likes_release(&w->likes);
    free(w->disliked);
    free(w->vector);
    *w = (struct want){.user = NAMES_NONE};
}
