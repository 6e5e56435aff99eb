/* SPDX-License-Identifier: Apache-2.0 */
/* penchant_get_outlook: the model's outlook on a user's state. */
#include <math.h>
#include <string.h>

#include "behaviour/check.h"
#include "engine/snapshot.h"

_Static_assert((int)PENCHANT_NEXT_N == (int)OUTLOOK_NEXT &&
                   (int)PENCHANT_WEEK_N == (int)OUTLOOK_OUTPUTS - (int)OUTLOOK_NEXT,
               "the outlook is told as it is computed");

/* A copy of a user's newest events, so that their shard is not held for long. */
struct recent {
    uint32_t item[OUTLOOK_EVENTS];
    uint8_t type[OUTLOOK_EVENTS];
    int64_t ts_us[OUTLOOK_EVENTS];
};

/* p->lock is held. What is not known stays empty. */
static void copy_state(struct penchant *p, uint32_t user, struct recent *r,
                       struct outlook_state *s)
{
    const struct user_state *u =
        user == NAMES_NONE ? NULL : user_states_lock(p->states, user);
    if (!u)
        return;
    const uint32_t n = u->n_recent < OUTLOOK_EVENTS ? u->n_recent : OUTLOOK_EVENTS;
    const uint32_t from = u->n_recent - n;
    if (n) {
        memcpy(r->item, u->recent + from, n * sizeof(*r->item));
        memcpy(r->type, u->recent_type + from, n);
        memcpy(r->ts_us, u->recent_us + from, n * sizeof(*r->ts_us));
        s->n = n;
        s->total = u->wanted;
        s->first_us = u->wanted == u->n_recent ? u->recent_us[0] : u->first_us;
    }
    user_states_unlock(p->states, user);
}

static void tell(const struct outlook_model *m, const double p[OUTLOOK_OUTPUTS],
                 struct penchant_outlook *out)
{
    for (int o = 0; o < OUTLOOK_OUTPUTS; o++) {
        struct penchant_chance *c =
            o < OUTLOOK_NEXT ? &out->next[o] : &out->week[o - OUTLOOK_NEXT];
        c->probability = p[o];
        c->reason = outlook_reason(m->why[o]);
    }
}

/* p->lock is held; m is what can be told of anybody. */
static void predict(struct penchant *p, const struct outlook_model *m,
                    const char *user_id, struct penchant_outlook *out)
{
    struct recent r;
    double chance[OUTLOOK_OUTPUTS];
    struct outlook_state s = {.item = r.item,
                              .type = r.type,
                              .ts_us = r.ts_us,
                              .now_us = out->now_us,
                              .catalog = &p->catalog};
    copy_state(p, names_find(&p->users, user_id, strlen(user_id)), &r, &s);
    out->known = s.n > 0;
    outlook_predict(m, &s, chance);
    tell(m, chance, out);
}

int penchant_get_outlook(struct penchant *p, const char *user_id, int64_t now_us,
                         struct penchant_outlook *out, struct penchant_error *err)
{
    struct outlook_model none;
    *out = (struct penchant_outlook){.now_us = now_us ? now_us : engine_now(p)};
    if (!user_id)
        return error_field(err, PENCHANT_EINVALID, 0, "user_id", "user_id is required");
    const int status = check_id(user_id, 0, "user_id", err);
    if (status != PENCHANT_OK)
        return status;
    struct snapshot *s = engine_snapshot_acquire(p);
    pthread_rwlock_rdlock(&p->lock);
    if (!p->has_clock)
        out->now_us = 0;
    outlook_none(&none, p->has_clock ? OUTLOOK_UNTRAINED : OUTLOOK_CLOCKLESS);
    predict(p, s && p->has_clock ? &s->outlook : &none, user_id, out);
    pthread_rwlock_unlock(&p->lock);
    engine_snapshot_release(p, s);
    return PENCHANT_OK;
}
