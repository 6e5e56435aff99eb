/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/shop_segments.h"

#include <stdlib.h>
#include <string.h>

#include "engine/segments_train.h"

/* ---- from a checkpoint ---- */

static void shop_segments_free(struct penchant *p, struct shop_segments *s)
{
    if (!s)
        return;
    engine_snapshot_release(p, s->snapshot);
    segments_release(&s->live);
    segment_space_release(&s->space);
    free(s->choices);
    free(s->vector);
    free(s);
}

/* A matrix with that many columns; *rows is its number of them. */
static int read_extra(const char *path, const char *name, uint32_t cols, float **data,
                      uint32_t *rows, struct penchant_error *err)
{
    uint32_t found = 0;
    int rc = checkpoint_extra(path, name, data, rows, &found, err);
    if (!rc && found != cols)
        rc = error_set(err, PENCHANT_ECORRUPT, "%s: %s has %u columns, not %u", path,
                       name, found, cols);
    return rc;
}

/* That of the largest number tried that is not above the one in use. */
static double prior_of(const struct shop_segments *s)
{
    double prior = segments_priors[0];
    for (uint32_t i = 0; i < s->n_choices; i++) {
        const float *c = s->choices + 4 * (size_t)i;
        if (c[0] <= (float)s->live.n && c[3] > 0)
            prior = (double)c[3];
    }
    return prior;
}

static int read_segments(struct shop_segments *s, const char *path,
                         struct penchant_error *err)
{
    const struct snapshot *m = s->snapshot;
    float *centre = NULL, *updates = NULL, *mean = NULL;
    uint32_t n = 0, rows = 0;
    int rc = segment_space_init(&s->space, m->item_vectors, m->n_items, m->dim, err);
    if (!rc)
        rc = read_extra(path, EXTRA_SEGMENT_CENTRES, m->dim, &centre, &n, err);
    if (!rc)
        rc = read_extra(path, EXTRA_SEGMENT_UPDATES, n, &updates, &rows, err);
    if (!rc)
        rc = read_extra(path, EXTRA_SEGMENT_MEAN, m->dim, &mean, &rows, err);
    if (!rc)
        rc = read_extra(path, EXTRA_SEGMENT_CHOICES, 4, &s->choices, &s->n_choices, err);
    if (!rc)
        rc = segments_init(&s->live, centre, updates, n, m->dim, err);
    if (!rc)
        s->prior = prior_of(s);
    if (!rc)
        memcpy(s->space.mean, mean, m->dim * sizeof *mean);
    free(centre);
    free(updates);
    free(mean);
    return rc;
}

/* *out NULL and no failure: the model has none. */
static int load(struct shop_segments **out, struct penchant *p, const char *path,
                struct penchant_error *err)
{
    struct shop_segments *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return error_memory(err);
    s->snapshot = engine_snapshot_acquire(p);
    s->vector = s->snapshot ? malloc(s->snapshot->dim * sizeof *s->vector) : NULL;
    int rc = s->vector ? read_segments(s, path, err) : error_memory(err);
    if (rc) {
        shop_segments_free(p, s);
        return rc == PENCHANT_ENOTFOUND ? PENCHANT_OK : rc;
    }
    *out = s;
    return PENCHANT_OK;
}

/* ---- one user ---- */

static bool vector_of(const struct shop_segments *s, const struct user_state *u)
{
    return u && segment_user_vector(&s->space, u->recent, u->recent_type, u->n_recent,
                                    NULL, NULL, s->vector);
}

static int place_all(struct shop_segments *s, const struct user_states *states,
                     uint32_t n_users)
{
    int rc = PENCHANT_OK;
    for (uint32_t u = 0; !rc && u < n_users; u++)
        if (vector_of(s, user_states_peek(states, u)))
            rc = segments_place(&s->live, u, s->vector);
    return rc;
}

static int take(struct shop_segments *s, const struct user_state *u,
                const struct event *e)
{
    if (e->item >= s->space.n_items || !event_type_wanted(e->type) ||
        !(s->space.scale[e->item] > 0) || !vector_of(s, u))
        return PENCHANT_OK;
    return segments_update(&s->live, e->user, s->vector);
}

/* ---- catching up with the log ---- */

struct catching_up {
    struct penchant *p;
    struct shop_segments *s;
    struct user_states *past; /* the users as of `seq` */
    uint32_t n_users;
    uint64_t seq, last_seq; /* where it is, and where it stops */
    bool placed;
};

static int catch_event(void *cookie, const struct event *e)
{
    struct catching_up *c = cookie;
    if (c->p->stopping)
        return PENCHANT_ECLOSED;
    if (e->seq > c->last_seq)
        return PENCHANT_OK;
    int rc = PENCHANT_OK;
    if (!c->placed && e->seq > c->s->snapshot->trained_seq) {
        rc = place_all(c->s, c->past, c->n_users);
        c->placed = true;
    }
    if (!rc)
        rc = user_states_apply(c->past, e, NULL);
    if (!rc && c->placed)
        rc = take(c->s, user_states_peek(c->past, e->user), e);
    c->n_users = e->user >= c->n_users ? e->user + 1 : c->n_users;
    c->seq = e->seq;
    return rc;
}

/* Most of the log, beside the writer, by another connection to the store. If that cannot
   be read, the writer reads what is missing; else 0, PENCHANT_ENOMEM or _ECLOSED. */
static int read_beside(struct catching_up *c)
{
    char path[ENGINE_PATH_MAX];
    struct penchant_error err = {0};
    struct store *store = NULL;
    if (engine_path(c->p, "shop.db", path, &err))
        return PENCHANT_OK;
    const struct store_options o = {.path = path, .read_only = true};
    if (store_sqlite.open(&store, &o, &err))
        return PENCHANT_OK;
    int rc = store_sqlite.begin(store, &err);
    if (rc == PENCHANT_OK) {
        rc = store_sqlite.scan_events(store, c->seq, catch_event, c, &err);
        store_sqlite.rollback(store);
    }
    store_sqlite.close(store);
    return rc == PENCHANT_ENOMEM || rc == PENCHANT_ECLOSED ? rc : PENCHANT_OK;
}

/* Users who were erased meanwhile are in nobody's log any more. */
static void forget_erased(const struct catching_up *c)
{
    for (uint32_t u = 0; u < c->n_users; u++)
        if (!user_states_peek(c->p->states, u))
            segments_erase(&c->s->live, u);
}

static void put_in_place(struct penchant *p, struct shop_segments *s)
{
    pthread_rwlock_wrlock(&p->segments_lock);
    struct shop_segments *old = p->segments;
    p->segments = s;
    pthread_rwlock_unlock(&p->segments_lock);
    shop_segments_free(p, old);
}

/* With the store to itself: the rest of the log, and from now on event by event. */
static int finish(struct penchant *p, void *arg, struct penchant_error *err)
{
    struct catching_up *c = arg;
    c->last_seq = p->last_seq;
    int rc = PENCHANT_OK;
    if (p->last_seq <= c->s->snapshot->trained_seq) { /* nothing has come since */
        rc = place_all(c->s, p->states, p->users.n);
    } else {
        rc = p->store->ops->scan_events(p->store, c->seq, catch_event, c, err);
        if (!rc && !c->placed)
            rc = place_all(c->s, c->past, c->n_users);
        forget_erased(c);
    }
    if (rc)
        return rc == PENCHANT_ENOMEM ? error_memory(err) : rc;
    put_in_place(p, c->s);
    c->s = NULL;
    return PENCHANT_OK;
}

void engine_segments_load(struct penchant *p, const char *path)
{
    struct penchant_error err = {0};
    struct catching_up c = {.p = p, .last_seq = p->last_seq};
    int rc = load(&c.s, p, path, &err);
    if (!rc && !c.s) {
        put_in_place(p, NULL);
        return;
    }
    if (!rc) {
        c.past = user_states_new(ENGINE_RECENT, 0, NULL);
        rc = c.past ? PENCHANT_OK : error_memory(&err);
    }
    if (!rc && p->writer && p->last_seq > c.s->snapshot->trained_seq)
        rc = read_beside(&c);
    if (!rc)
        rc = engine_with_store(p, finish, &c, &err);
    if (rc && rc != PENCHANT_ECLOSED)
        engine_log(p, PENCHANT_WARN, "segments_refused path=%s reason=\"%s\"", path,
                   err.text);
    shop_segments_free(p, c.s);
    user_states_free(c.past);
}

/* ---- live ---- */

int engine_segments_apply(struct penchant *p, const struct event *e)
{
    pthread_rwlock_wrlock(&p->segments_lock);
    const int rc = p->segments
                       ? take(p->segments, user_states_peek(p->states, e->user), e)
                       : PENCHANT_OK;
    pthread_rwlock_unlock(&p->segments_lock);
    return rc;
}

void engine_segments_erase(struct penchant *p, uint32_t user)
{
    pthread_rwlock_wrlock(&p->segments_lock);
    if (p->segments)
        segments_erase(&p->segments->live, user);
    pthread_rwlock_unlock(&p->segments_lock);
}

void engine_segments_close(struct penchant *p)
{
    put_in_place(p, NULL);
}

int engine_segments_space(struct penchant *p, struct segment_space *space,
                          struct snapshot **snapshot, struct penchant_error *err)
{
    *space = (struct segment_space){0};
    *snapshot = NULL;
    pthread_rwlock_rdlock(&p->segments_lock);
    const struct shop_segments *s = p->segments;
    int rc = s ? segment_space_copy(space, &s->space, err)
               : error_set(err, PENCHANT_ENOMODEL,
                           "there are no segments: no model has been trained");
    if (!rc)
        *snapshot = engine_snapshot_share(p, s->snapshot);
    pthread_rwlock_unlock(&p->segments_lock);
    return rc;
}

uint8_t engine_segment_of(struct penchant *p, uint32_t user)
{
    pthread_rwlock_rdlock(&p->segments_lock);
    const uint8_t segment =
        p->segments ? segments_of(&p->segments->live, user) : SEGMENT_NONE;
    pthread_rwlock_unlock(&p->segments_lock);
    return segment;
}
