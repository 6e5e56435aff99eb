/* SPDX-License-Identifier: Apache-2.0 */
/* The shoppers as penchant.h shows them, and their erasure. */
#include <stdlib.h>
#include <string.h>

#include "engine/engine.h"
#include "engine/adapt.h"
#include "engine/feedback.h"
#include "engine/shop_balance.h"
#include "engine/shop_segments.h"

enum { SHOWN_EVENTS = 50 };

int engine_find_user(const struct penchant *p, const char *user_id, uint32_t *user,
                     struct penchant_error *err)
{
    if (!user_id)
        return error_field(err, PENCHANT_EINVALID, 0, "user_id", "user_id is required");
    *user = names_find(&p->users, user_id, strlen(user_id));
    return *user != NAMES_NONE ? PENCHANT_OK
                               : error_field(err, PENCHANT_ENOTFOUND, 0, "user_id",
                                             "there is no user %s", user_id);
}

/* One block: the struct, its events, and the id's text. Under p->lock and the shard's;
   u may be NULL. */
static struct penchant_user *copy_user(const struct penchant *p, uint32_t user,
                                       const struct user_state *u)
{
    const char *id = names_text(&p->users, user);
    const uint32_t held = u ? u->n_recent : 0;
    const uint32_t n = held < SHOWN_EVENTS ? held : SHOWN_EVENTS;
    struct penchant_user *out =
        malloc(sizeof(*out) + n * sizeof(*out->recent) + strlen(id) + 1);
    if (!out)
        return NULL;
    *out = (struct penchant_user){
        .n_recent = n, .recent = (struct penchant_event *)(out + 1), .segment = -1};
    char *text = (char *)(out->recent + n);
    memcpy(text, id, strlen(id) + 1);
    out->user_id = text;
    if (!u)
        return out;
    out->events = u->events;
    out->first_us = u->first_us;
    out->last_us = u->last_us;
    for (uint32_t i = 0; i < n; i++) {
        const uint32_t at = held - n + i;
        penchant_event_default(&out->recent[i]);
        out->recent[i].user_id = text;
        out->recent[i].item_id = names_text(&p->catalog.ids, u->recent[at]);
        out->recent[i].event = names_text(&p->types, u->recent_type[at]);
        out->recent[i].timestamp_us = u->recent_us[at];
    }
    return out;
}

int penchant_get_user(struct penchant *p, const char *user_id, struct penchant_user **out,
                      struct penchant_error *err)
{
    *out = NULL;
    uint32_t user = NAMES_NONE;
    pthread_rwlock_rdlock(&p->lock);
    int status = engine_find_user(p, user_id, &user, err);
    if (status == PENCHANT_OK) {
        const struct user_state *u = user_states_lock(p->states, user);
        *out = copy_user(p, user, u);
        if (u)
            user_states_unlock(p->states, user);
        status = *out ? PENCHANT_OK : error_memory(err);
        const uint8_t segment = engine_segment_of(p, user);
        if (*out && segment != SEGMENT_NONE)
            (*out)->segment = segment;
    }
    pthread_rwlock_unlock(&p->lock);
    return status;
}

void penchant_user_free(struct penchant_user *user)
{
    free(user);
}

/* What the counts of evidence learned from the user stays in them, without any name,
   until the shop is opened anew. */
struct erasure {
    struct work work;
    const char *user_id;
};

static int erase_alone(struct penchant *p, struct work *w, struct penchant_error *err)
{
    uint32_t user = NAMES_NONE;
    int status = engine_find_user(p, ((const struct erasure *)w)->user_id, &user, err);
    if (status != PENCHANT_OK)
        return status;
    status = p->store->ops->erase_users(p->store, &user, 1, err);
    struct store_counts counts;
    if (status == PENCHANT_OK)
        status = p->store->ops->counts(p->store, &counts, err);
    if (status != PENCHANT_OK)
        return status;
    pthread_rwlock_wrlock(&p->lock);
    names_erase(&p->users, user);
    pthread_rwlock_unlock(&p->lock);
    writer_drop_slates(p, user); /* now that nobody can find the user any more */
    user_states_erase(p->states, user);
    engine_segments_erase(p, user);
    feedback_erase_user(p->feedback, user);
    shop_balance_erase_user(p->balance, user);
    if (p->adapt)
        adapt_erase_user(p->adapt, user);
    p->events = counts.events;
    p->slates = counts.slates;
    return PENCHANT_OK;
}

int penchant_delete_user(struct penchant *p, const char *user_id,
                         struct penchant_error *err)
{
    struct erasure me = {.work = {.alone = erase_alone}, .user_id = user_id};
    return writer_run(p, &me.work, err);
}
