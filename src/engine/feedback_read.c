/* SPDX-License-Identifier: Apache-2.0 */
/* What the slots of a list have come to. */
#include "engine/feedback_rows.h"

/* Whether `window` has passed since the list. */
bool feedback_passed(const struct shown *s, int64_t now_us, int64_t window_us)
{
    return now_us > s->ts_us && now_us - s->ts_us >= window_us;
}

/* The credited rule that is worth most. */
static int outcome_of(const struct feedback *f, const struct slot *slot)
{
    int best = FEEDBACK_OPEN;
    for (uint32_t i = 0; i < f->rewards.n; i++)
        if (slot->rules >> i & 1 &&
            (best < 0 || f->rewards.rule[i].reward >= f->rewards.rule[best].reward))
            best = (int)i;
    return best;
}

/* The chance that a place was looked at. */
double feedback_examined(const struct feedback *f, const struct shown *s,
                         uint32_t position)
{
    if (!s->reported)
        return reward_examined(&f->rewards, position);
    return feedback_slot_of(f, s, position)->rules & FEEDBACK_SEEN ? 1 : 0;
}

static void read_slot(const struct feedback *f, const struct shown *s, uint32_t position,
                      bool decided, struct feedback_slot *out)
{
    const struct slot *slot = feedback_slot_of(f, s, position);
    const struct reward_rule *ignored = &f->rewards.ignored;
    *out = (struct feedback_slot){.item = slot->item,
                                  .propensity = (double)slot->propensity,
                                  .outcome = outcome_of(f, slot)};
    for (int g = 0; g < REWARD_GROUPS; g++)
        out->reward[g] = (double)slot->earned[g];
    if (out->outcome != FEEDBACK_OPEN || !decided)
        return;
    const double chance = feedback_examined(f, s, position);
    out->outcome = chance > 0 ? FEEDBACK_IGNORED : FEEDBACK_UNSEEN;
    out->reward[ignored->group] += ignored->reward * chance;
}

/* Nothing was clicked, and what came next came too late to be of the same visit. */
static bool has_left(const struct feedback *f, const struct shown *s, int64_t now_us)
{
    const int64_t window_us = f->rewards.leave.window_us;
    if (s->clicked || s->user == NAMES_NONE)
        return false;
    return s->next_us == INT64_MIN ? feedback_passed(s, now_us, window_us)
                                   : s->next_us - s->ts_us >= window_us;
}

static void read_list(const struct feedback *f, const struct shown *s, int64_t now_us,
                      struct feedback_list *out)
{
    const bool decided = s->clicked || s->next_us != INT64_MIN ||
                         feedback_passed(s, now_us, f->rewards.ignored.window_us);
    out->seq = s->seq;
    out->ts_us = s->ts_us;
    out->user = s->user;
    out->n = s->n;
    out->open = !feedback_passed(s, now_us, rewards_window_us(&f->rewards));
    out->leave = has_left(f, s, now_us) ? f->rewards.leave.reward : 0;
    for (uint32_t j = 0; j < s->n; j++)
        read_slot(f, s, j, decided, &out->slot[j]);
}

bool feedback_find(struct feedback *f, const char *id, int64_t now_us,
                   struct feedback_list *out)
{
    pthread_mutex_lock(&f->lock);
    const struct shown *s = feedback_by_id(f, id, UINT64_MAX);
    if (s)
        read_list(f, s, now_us, out);
    pthread_mutex_unlock(&f->lock);
    return s != NULL;
}

bool feedback_oldest(struct feedback *f, int64_t now_us, struct feedback_list *out)
{
    pthread_mutex_lock(&f->lock);
    const bool any = f->first < f->next;
    if (any)
        read_list(f, feedback_shown(f, f->first), now_us, out);
    pthread_mutex_unlock(&f->lock);
    return any;
}
