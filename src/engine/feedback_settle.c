/* SPDX-License-Identifier: Apache-2.0 */
/* Telling whoever watches what became of places, event by event. */
#include "engine/feedback_rows.h"

void feedback_watch(struct feedback *f, feedback_told_fn *fn, void *cookie)
{
    f->told = fn;
    f->cookie = cookie;
}

static void tell(struct feedback *f, const struct shown *s, uint32_t position,
                 enum feedback_what what, double seen)
{
    const struct feedback_told t = {.slate = s->seq,
                                    .position = position,
                                    .user = s->user,
                                    .item = feedback_slot_of(f, s, position)->item,
                                    .what = what,
                                    .seen = seen};
    if (f->told && t.item != NAMES_NONE && f->told(f->cookie, &t))
        f->told_status = PENCHANT_ENOMEM;
}

/* Whether one of the rules earned something. */
static bool earned_any(const struct feedback *f, uint32_t rules)
{
    for (uint32_t i = 0; i < f->rewards.n; i++)
        if (rules >> i & 1 && f->rewards.rule[i].reward > 0)
            return true;
    return false;
}

/* What has no rule yet was passed over. */
static void settle(struct feedback *f, struct shown *s)
{
    if (s->settled)
        return;
    s->settled = true;
    for (uint32_t j = 0; j < s->n; j++) {
        const bool open = (feedback_slot_of(f, s, j)->rules & ~FEEDBACK_SEEN) == 0;
        const double seen = open ? feedback_examined(f, s, j) : 0;
        if (seen > 0)
            tell(f, s, j, FEEDBACK_TOLD_IGNORED, seen);
    }
}

void feedback_tell_credit(struct feedback *f, struct shown *s, const struct slot *slot,
                          uint32_t before, const struct event *e, double earned)
{
    uint32_t position = 0;
    if (!f->told)
        return;
    while (feedback_slot_of(f, s, position) != slot)
        position++;
    if (earned < 0)
        tell(f, s, position, FEEDBACK_TOLD_REFUSED, 1);
    else if (earned > 0 && !earned_any(f, before))
        tell(f, s, position, FEEDBACK_TOLD_TAKEN, 1);
    if (earned > 0 && e->type == EVENT_PURCHASE)
        tell(f, s, position, FEEDBACK_TOLD_BOUGHT, 1);
    if (earned > 0)
        settle(f, s);
}

/* The user's lists that they have gone on after, new to old until one is settled. */
static void settle_user(struct feedback *f, const struct event *e)
{
    struct shown *s = feedback_newest(f, e->user);
    for (int looked = 0; s && looked < FEEDBACK_LOOKED && !s->settled; looked++) {
        if (e->ts_us >= s->ts_us - FEEDBACK_SLACK_US)
            settle(f, s);
        s = feedback_older(f, s);
    }
}

void feedback_tell_ignored(struct feedback *f, const struct event *e)
{
    if (!f->told)
        return;
    if (e->type != EVENT_IMPRESSION)
        settle_user(f, e);
    if (f->passed + 1 < f->first)
        f->passed = f->first - 1;
    for (; f->passed < f->admitted; f->passed++) {
        struct shown *s = feedback_shown(f, f->passed + 1);
        if (!feedback_passed(s, e->ts_us, f->rewards.ignored.window_us))
            return;
        settle(f, s);
    }
}
