/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant_get_experiment_result: the lists of the log, each put to its user's arm, which
 * the hash tells again, and summed by user; evaluate/sequential.h compares. Memory: 40
 * bytes a user and their ids.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/experiments.h"
#include "evaluate/sequential.h"

/* What one user's lists came to. */
struct tally {
    int arm;
    double lists, rewards;
    /* Of places in lists of the shop: whether the engine would have shown it too. */
    double places[2], place_rewards[2];
};

struct summing {
    struct penchant_experiment *e; /* ours */
    struct penchant_experiment_result *out;
    struct names users;
    struct tally *tally; /* (users.n) */
    struct penchant_error *err;
};

static struct tally *tally_of(struct summing *s, const char *user)
{
    const uint32_t known = s->users.n, id = names_add(&s->users, user, strlen(user));
    if (id == NAMES_NONE)
        return NULL;
    if (id >= known && (id & (id - 1)) == 0) {
        struct tally *more = realloc(s->tally, (id ? 2 * (size_t)id : 1) * sizeof(*more));
        if (!more)
            return NULL;
        s->tally = more;
    }
    if (id >= known)
        s->tally[id] = (struct tally){.arm = experiment_arm(s->e, user)};
    return &s->tally[id];
}

static bool is_of(const struct penchant_experiment *e, const struct penchant_slate *l)
{
    return l->user_id && *l->user_id && l->n > 0 && l->timestamp_us >= e->started_us &&
           (e->running || l->timestamp_us < e->stopped_us);
}

/* Whether the engine's own list holds the item. */
static bool agrees(const struct penchant_slate *l, const char *item)
{
    for (size_t i = 0; i < l->n_candidates; i++)
        if (strcmp(l->candidates[i].item_id, item) == 0)
            return true;
    return false;
}

static void add_places(struct tally *t, struct penchant_arm_result *to,
                       const struct penchant_slate *l)
{
    for (size_t j = 0; j < l->n; j++) {
        const bool agreed = agrees(l, l->items[j].item_id);
        t->places[agreed]++;
        t->place_rewards[agreed] += l->items[j].reward;
        to->agreed_places += agreed;
        to->other_places += !agreed;
    }
}

static int add_list(void *cookie, const struct penchant_slate *l)
{
    struct summing *s = cookie;
    if (!is_of(s->e, l))
        return PENCHANT_OK;
    struct tally *t = tally_of(s, l->user_id);
    if (!t)
        return error_memory(s->err);
    if (t->arm < 0)
        return PENCHANT_OK;
    bool known = true, clicked = false;
    for (size_t j = 0; j < l->n; j++) {
        known &= l->items[j].outcome != NULL;
        clicked |= l->items[j].outcome && strcmp(l->items[j].outcome, "ignored") != 0;
    }
    if (!known) {
        s->out->open++;
        return PENCHANT_OK;
    }
    t->lists++;
    t->rewards += l->reward;
    s->out->arm[t->arm].lists++;
    s->out->arm[t->arm].clicked += clicked;
    if (l->shop)
        add_places(t, &s->out->arm[t->arm], l);
    return PENCHANT_OK;
}

static struct penchant_always always(const struct sequential_answer *a)
{
    return (struct penchant_always){a->value, a->low, a->high, a->p};
}

/* Which arm is known to be better or worse than the first, if any. */
static void answer(const struct penchant_experiment *e,
                   struct penchant_experiment_result *out)
{
    size_t n = 0;
    out->answer[0] = 0;
    for (size_t i = 1; i < e->n_arms; i++) {
        const struct penchant_always *g = &out->arm[i].gain;
        if (n >= sizeof(out->answer) || !(g->low > 0 || g->high < 0))
            continue;
        n += (size_t)snprintf(out->answer + n, sizeof(out->answer) - n,
                              "%s%s earns %s than %s: %+.3g a list [%+.3g, %+.3g].",
                              n ? " " : "", e->arm[i].name, g->low > 0 ? "more" : "less",
                              e->arm[0].name, g->value, g->low, g->high);
    }
    if (!n)
        snprintf(out->answer, sizeof(out->answer),
                 "No difference can be told yet; it may be looked at at any time.");
}

/* What an arm's lists of the shop say of the engine's. */
static void compare_places(const struct summing *s, int arm,
                           const struct sequential_options *o)
{
    struct sequential_arm part[2] = {{0}};
    struct penchant_arm_result *to = &s->out->arm[arm];
    for (uint32_t u = 0; u < s->users.n; u++)
        for (int agreed = 0; agreed < 2; agreed++)
            if (s->tally[u].arm == arm && s->tally[u].places[agreed] > 0)
                sequential_add(&part[agreed], s->tally[u].place_rewards[agreed],
                               s->tally[u].places[agreed]);
    const struct sequential_answer agreed = sequential_of(&part[1], o),
                                   others = sequential_of(&part[0], o),
                                   gain = sequential_difference(&part[0], &part[1], o);
    to->agreed = always(&agreed);
    to->others = always(&others);
    to->agreed_gain = always(&gain);
}

static void compare(const struct summing *s)
{
    struct sequential_arm arm[PENCHANT_MAX_ARMS] = {{0}};
    struct sequential_options o, each;
    sequential_options_default(&o);
    each = o;
    each.alpha = o.alpha / (double)(s->e->n_arms - 1); /* Bonferroni */
    for (uint32_t u = 0; u < s->users.n; u++)
        if (s->tally[u].arm >= 0 && s->tally[u].lists > 0)
            sequential_add(&arm[s->tally[u].arm], s->tally[u].rewards, s->tally[u].lists);
    for (size_t i = 0; i < s->e->n_arms; i++) {
        struct penchant_arm_result *to = &s->out->arm[i];
        const struct sequential_answer reward = sequential_of(&arm[i], &o),
                                       gain =
                                           sequential_difference(&arm[0], &arm[i], &each);
        to->users = arm[i].users;
        to->reward = always(&reward);
        compare_places(s, (int)i, &o);
        to->gain = i ? always(&gain) : (struct penchant_always){NAN, NAN, NAN, NAN};
    }
    answer(s->e, s->out);
}

int penchant_get_experiment_result(struct penchant *p, const char *name,
                                   struct penchant_experiment_result *out,
                                   struct penchant_error *err)
{
    struct summing s = {.out = out, .err = err};
    *out = (struct penchant_experiment_result){0};
    int status = experiments_copy(p, name, &s.e, err);
    if (status)
        return status;
    names_init(&s.users);
    status = penchant_read_slates(p, add_list, &s, err);
    if (!status)
        compare(&s);
    free(s.tally);
    names_release(&s.users);
    free(s.e);
    return status;
}
