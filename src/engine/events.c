/* SPDX-License-Identifier: Apache-2.0 */
/* Events from callers: checked and copied here, numbered and appended on the writer. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/timing.h"
#include "behaviour/extra.h"
#include "engine/adapt.h"
#include "engine/engine.h"
#include "engine/online_learner.h"

void penchant_event_default(struct penchant_event *e)
{
    *e = (struct penchant_event){.value = __builtin_nan(""),
                                 .quantity = __builtin_nan("")};
}

int penchant_check_event(const struct penchant_event *e, struct penchant_error *err)
{
    return event_check(e, 0, err);
}

/* ---- numbering, on the writer ---- */

int engine_number_event(struct penchant *p, struct transaction *t,
                        const struct penchant_event *e, struct event *out, bool *seen,
                        struct penchant_error *err)
{
    *seen = false;
    if (e->event_id) {
        const uint64_t hash = hash_bytes(e->event_id, strlen(e->event_id));
        const int status = p->store->ops->add_event_id(p->store, hash, seen, err);
        if (status != PENCHANT_OK || *seen)
            return status;
    }
    struct penchant_error why = {0};
    *out = (struct event){.ts_us = e->timestamp_us,
                          .item = NAMES_NONE,
                          .value = e->value,
                          .quantity = e->quantity,
                          .session = e->session_id,
                          .recommendation = e->recommendation_id};
    const char *user = e->user_id ? e->user_id : e->session_id;
    out->user = newcomers_user(t->newcomers, p, user, &why);
    out->type = newcomers_type(t->newcomers, p, e->event, &why);
    if (e->item_id)
        out->item = newcomers_item(t->newcomers, p, e->item_id, &why);
    if (why.status != PENCHANT_OK)
        return error_field(err, why.status, 0, why.field, "%s", why.text);
    out->query = e->query;
    out->text = e->text;
    return extra_write(&t->extra, e, &out->extra, err);
}

int engine_append_event(struct penchant *p, struct transaction *t, struct event *e,
                        struct penchant_error *err)
{
    e->seq = t->last_seq + 1;
    const int status = p->store->ops->append_event(p->store, e, err);
    if (status == PENCHANT_OK)
        t->last_seq = e->seq;
    return status;
}

/* ---- submissions ---- */

/* One call's events, copied; one block with all their texts. */
struct submission {
    struct work work;
    penchant_added_fn *done;
    void *cookie;
    size_t n;
    struct penchant_event *event; /* (n) */
    struct event *numbered;       /* (accepted.accepted); of the texts query, text and
                                     recommendation alone */
    struct penchant_accepted accepted;
    int64_t submitted_ns;
    char *texts;
};

static const size_t text_fields[] = {
    offsetof(struct penchant_event, user_id),
    offsetof(struct penchant_event, item_id),
    offsetof(struct penchant_event, event),
    offsetof(struct penchant_event, session_id),
    offsetof(struct penchant_event, recommendation_id),
    offsetof(struct penchant_event, event_id),
    offsetof(struct penchant_event, query),
    offsetof(struct penchant_event, placement),
    offsetof(struct penchant_event, text),
};
enum { TEXT_FIELDS = sizeof(text_fields) / sizeof(*text_fields) };

static const char **text_of(const struct penchant_event *e, size_t field)
{
    return (const char **)(uintptr_t)((const char *)e + text_fields[field]);
}

static size_t texts_bytes(const struct penchant_event *e, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t f = 0; f < TEXT_FIELDS; f++)
            bytes += *text_of(&e[i], f) ? strlen(*text_of(&e[i], f)) + 1 : 0;
    return bytes;
}

static void free_submission(struct submission *s)
{
    if (!s)
        return;
    free(s->event);
    free(s->numbered);
    free(s->texts);
    free(s);
}

static struct submission *copy_events(const struct penchant_event *e, size_t n)
{
    struct submission *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->n = n;
    s->event = calloc(n ? n : 1, sizeof(*s->event));
    s->numbered = calloc(n ? n : 1, sizeof(*s->numbered));
    s->texts = malloc(texts_bytes(e, n) + 1);
    if (!s->event || !s->numbered || !s->texts) {
        free_submission(s);
        return NULL;
    }
    char *at = s->texts;
    const int64_t now = timing_now_us();
    for (size_t i = 0; i < n; i++) {
        s->event[i] = e[i];
        if (!e[i].timestamp_us)
            s->event[i].timestamp_us = now;
        for (size_t f = 0; f < TEXT_FIELDS; f++) {
            const char *text = *text_of(&e[i], f);
            if (!text)
                continue;
            const size_t len = strlen(text) + 1;
            memcpy(at, text, len);
            *text_of(&s->event[i], f) = at;
            at += len;
        }
    }
    return s;
}

/* Numbers the types first: there may be too many of them, and then the submission is
   refused before anything of it is written. */
static int check_types(struct penchant *p, struct transaction *t, struct submission *s,
                       bool *rejected, struct penchant_error *err)
{
    for (size_t i = 0; i < s->n; i++) {
        if (newcomers_type(t->newcomers, p, s->event[i].event, err) != NAMES_NONE)
            continue;
        *rejected = err->status == PENCHANT_EINVALID;
        err->index = i;
        return err->status;
    }
    return PENCHANT_OK;
}

static int write_events(struct penchant *p, struct transaction *t, struct work *w,
                        bool *rejected, struct penchant_error *err)
{
    struct submission *s = (struct submission *)w;
    int status = check_types(p, t, s, rejected, err);
    if (status == PENCHANT_OK && !p->live && s->n)
        status = p->store->ops->put_fact(p->store, "live", "1", err);
    for (size_t i = 0; i < s->n && status == PENCHANT_OK; i++) {
        struct event *e = &s->numbered[s->accepted.accepted];
        bool seen;
        status = engine_number_event(p, t, &s->event[i], e, &seen, err);
        if (status == PENCHANT_OK && !seen)
            status = engine_append_event(p, t, e, err);
        s->accepted.accepted += !seen;
        s->accepted.duplicates += seen;
        e->session = e->extra = NULL; /* the other texts live in the submission */
    }
    s->accepted.last_seq = t->last_seq;
    return status;
}

static int apply_events(struct penchant *p, struct work *w)
{
    const struct submission *s = (const struct submission *)w;
    int status = PENCHANT_OK;
    const uint64_t settled = p->adapt ? adapt_settled(p->adapt) : 0;
    if (s->n)
        p->live = true;
    for (size_t i = 0; i < s->accepted.accepted && status == PENCHANT_OK; i++)
        if ((status = engine_apply(p, &s->numbered[i])) == PENCHANT_OK)
            online_learner_take(p, &s->numbered[i]);
    const int64_t now = timing_steady_ns();
    for (size_t i = 0; i < s->accepted.accepted && status == PENCHANT_OK; i++)
        delays_add(&p->to_list, now - s->submitted_ns);
    if (p->adapt && adapt_settled(p->adapt) != settled)
        delays_add(&p->to_layer, now - s->submitted_ns);
    return status;
}

static void done_events(struct work *w, int status, const struct penchant_error *err)
{
    struct submission *s = (struct submission *)w;
    (void)err;
    if (status != PENCHANT_OK)
        s->accepted = (struct penchant_accepted){0};
    if (s->done)
        s->done(s->cookie, status, &s->accepted);
    free_submission(s);
}

/* Checks and copies; NULL with *status and err filled. */
static struct submission *prepare(const struct penchant_event *e, size_t n, int *status,
                                  struct penchant_error *err)
{
    *status = PENCHANT_OK;
    for (size_t i = 0; i < n && *status == PENCHANT_OK; i++)
        *status = event_check(&e[i], i, err);
    if (*status != PENCHANT_OK)
        return NULL;
    struct submission *s = copy_events(e, n);
    if (!s) {
        *status = error_memory(err);
        return NULL;
    }
    s->submitted_ns = timing_steady_ns();
    s->work.n_events = n;
    s->work.write = write_events;
    s->work.apply = apply_events;
    return s;
}

int penchant_submit_events(struct penchant *p, const struct penchant_event *e, size_t n,
                           penchant_added_fn *done, void *cookie,
                           struct penchant_error *err)
{
    int status;
    struct submission *s = prepare(e, n, &status, err);
    if (!s)
        return status;
    s->done = done;
    s->cookie = cookie;
    s->work.done = done_events;
    status = writer_submit(p, &s->work, err);
    if (status != PENCHANT_OK)
        free_submission(s);
    return status;
}

int penchant_add_events(struct penchant *p, const struct penchant_event *e, size_t n,
                        struct penchant_accepted *out, struct penchant_error *err)
{
    int status;
    struct submission *s = prepare(e, n, &status, err);
    if (!s)
        return status;
    status = writer_run(p, &s->work, err);
    if (out)
        *out = status == PENCHANT_OK ? s->accepted : (struct penchant_accepted){0};
    free_submission(s);
    return status;
}
