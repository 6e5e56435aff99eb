/* SPDX-License-Identifier: Apache-2.0 */
/* States and transitions of a log: histories in windows through the frozen model. */
#include <stdlib.h>
#include <string.h>

#include "behaviour/history.h"
#include "learn/critic_train.h"
#include "learn/windows.h"
#include "model/network.h"

#define RATE_DECAY 0.9F /* of the recent mean reward, an event */

/* The tokens [first, first + n) of a user whose events are [start, end): states number
   `state` and on. Windows overlap by one token, whose state is the earlier window's. */
struct stretch {
    uint64_t first, start;
    uint32_t n;
    size_t state;
};

/* A choice in the state after event `token`. */
struct step {
    uint64_t token;
    const float *reward; /* (CRITIC_OBJECTIVES) */
    uint32_t item;
    uint8_t ends;
};

struct making {
    struct critic_data *d;
    const struct model *m;
    const struct critic_log *log;
    struct critic_form form;
    const float *vectors; /* (n_items, model dim) raw */
    float *made;
    struct stretch *stretch;
    size_t n_stretches, cap_stretches, cap;
    struct step *step; /* of the user whose turn it is */
    size_t n_steps, cap_steps;
    uint32_t threads;
    struct network **net; /* (threads) */
    struct batch *batch;  /* (threads) */
};

/* ---- whose events are taken ---- */

/* The first of the events of a user that count. */
static uint64_t first_of(const struct history *h, uint32_t user)
{
    const uint64_t n = h->start[user + 1] - h->start[user];
    return h->start[user + 1] - (n < CRITIC_USER_EVENTS ? n : CRITIC_USER_EVENTS);
}

/* How many states of a user there are: one before every event but the first. */
static uint64_t states_of(const struct history *h, uint32_t user)
{
    const uint64_t n = h->start[user + 1] - first_of(h, user);
    return n ? n - 1 : 0;
}

static size_t most_states(const struct making *k)
{
    const size_t room = CRITIC_STATE_BYTES / (k->form.inputs * sizeof(float));
    return room < CRITIC_MOST_TRANSITIONS ? room : CRITIC_MOST_TRANSITIONS;
}

/* Below which hash a user is drawn, so that all states have room. */
static uint64_t bar_of(const struct making *k)
{
    const struct history *h = k->log->history;
    uint64_t sum = 0;
    for (uint32_t u = 0; u < h->n_users; u++)
        sum += states_of(h, u);
    /* A window more costs a state more; a tenth is left for chance. */
    const double share = 0.9 * (double)most_states(k) / (double)(sum ? sum : 1);
    return share < 0.9 ? (uint64_t)(share * 0x1p64) : UINT64_MAX;
}

static bool is_drawn(uint32_t user, uint64_t bar)
{
    return rng_mix(0x3c6ef372ULL ^ ((uint64_t)user << 12)) <= bar;
}

/* ---- one user ---- */

static int add_stretch(struct making *k, const struct stretch *s)
{
    if (k->n_stretches == k->cap_stretches) {
        const size_t cap = k->cap_stretches ? 2 * k->cap_stretches : 1024;
        struct stretch *grown = realloc(k->stretch, cap * sizeof *grown);
        if (!grown)
            return PENCHANT_ENOMEM;
        k->stretch = grown;
        k->cap_stretches = cap;
    }
    k->stretch[k->n_stretches++] = *s;
    k->d->n_states += s->n;
    return PENCHANT_OK;
}

static struct critic_transition *add(struct making *k)
{
    struct critic_data *d = k->d;
    if (d->n == k->cap) {
        const size_t cap = k->cap ? 2 * k->cap : 4096;
        struct critic_transition *grown = realloc(d->at, cap * sizeof *grown);
        if (!grown)
            return NULL;
        d->at = grown;
        k->cap = cap;
    }
    return &d->at[d->n++];
}

/* ---- one user's path ---- */

static int add_step(struct making *k, const struct step *s)
{
    if (k->n_steps == k->cap_steps) {
        const size_t cap = k->cap_steps ? 2 * k->cap_steps : 256;
        struct step *grown = realloc(k->step, cap * sizeof *grown);
        if (!grown)
            return PENCHANT_ENOMEM;
        k->step = grown;
        k->cap_steps = cap;
    }
    k->step[k->n_steps++] = *s;
    return PENCHANT_OK;
}

static size_t first_aside(const struct critic_log *log, uint64_t first)
{
    size_t low = 0, high = log->n_asides;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (log->aside[middle].after < first)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Every choice of a user in order: what was said no to after event t, then event t + 1. */
static int walk(struct making *k, uint64_t first, uint64_t end)
{
    const struct critic_log *log = k->log;
    size_t a = first_aside(log, first);
    int rc = PENCHANT_OK;
    k->n_steps = 0;
    for (uint64_t t = first; !rc && t + 1 < end; t++) {
        for (; !rc && a < log->n_asides && log->aside[a].after == t; a++) {
            const struct step no = {
                .token = t, .item = log->aside[a].item, .reward = log->aside[a].reward};
            rc = add_step(k, &no);
        }
        const struct step yes = {.token = t,
                                 .item = log->history->item[t + 1],
                                 .reward = log->reward + (t + 1) * CRITIC_OBJECTIVES,
                                 .ends = log->ends[t + 1]};
        rc = rc ? rc : add_step(k, &yes);
    }
    return rc;
}

/* The next rewards from step i on, up to CRITIC_AHEAD and to the window's last token. */
static void look_ahead(const struct making *k, size_t i, const struct stretch *s,
                       struct critic_transition *out)
{
    const uint64_t last = s->first + s->n - 1;
    size_t to = i + 1;
    while (to < k->n_steps && to < i + CRITIC_AHEAD && k->step[to].token <= last)
        to++;
    if (to < k->n_steps && k->step[to].token > last)
        to--; /* the state that it would lead to is the next window's */
    const bool leads = to < k->n_steps && to > i;
    out->next =
        leads ? (uint32_t)(s->state + (k->step[to].token - s->first)) : out->state;
    for (int o = 0; o < CRITIC_OBJECTIVES; o++) {
        float discount = 1, sum = 0;
        for (size_t j = i; j < (to > i ? to : i + 1) && discount > 0; j++) {
            sum += discount * k->step[j].reward[o];
            discount *= k->step[j].ends >> o & 1 ? 0 : critic_discounts[o];
        }
        out->reward[o] = sum;
        out->discount[o] = leads ? discount : 0;
    }
}

/* The transitions of one window from step *at on; `after` and `rate` come later. The steps
   of its last token are the next window's, if there is one. */
static int add_window(struct making *k, const struct stretch *s, uint32_t user,
                      uint64_t end, size_t *at)
{
    const uint64_t last = s->first + s->n - 1;
    const uint64_t until = last + 2 < end ? last : last + 1;
    for (; *at < k->n_steps && k->step[*at].token < until; (*at)++) {
        struct critic_transition *x = add(k);
        if (!x)
            return PENCHANT_ENOMEM;
        *x = (struct critic_transition){
            .state = (uint32_t)(s->state + (k->step[*at].token - s->first)),
            .item = k->step[*at].item,
            .user = user};
        look_ahead(k, *at, s, x);
    }
    return PENCHANT_OK;
}

/* What came after each of a user's transitions from `from` on, which are the steps, and the
   rate of what was before; `first` is the event before them all. */
static void look_back(struct making *k, size_t from, uint64_t first)
{
    struct critic_transition *at = k->d->at + from;
    for (int o = 0; o < CRITIC_OBJECTIVES; o++) {
        float sum = k->log->reward[first * CRITIC_OBJECTIVES + (uint64_t)o], weight = 1;
        double after = 0;
        for (size_t i = 0; i < k->n_steps; i++) {
            at[i].rate[o] = sum / weight;
            sum = RATE_DECAY * sum + k->step[i].reward[o];
            weight = RATE_DECAY * weight + 1;
        }
        for (size_t i = k->n_steps; i > 0; i--) {
            const struct step *s = &k->step[i - 1];
            after = (double)s->reward[o] +
                    (s->ends >> o & 1 ? 0 : (double)critic_discounts[o] * after);
            at[i - 1].after[o] = (float)after;
        }
    }
}

static int add_user(struct making *k, uint32_t user)
{
    const struct history *h = k->log->history;
    const uint64_t first = first_of(h, user), end = h->start[user + 1];
    const uint32_t most = k->m->config.max_length;
    const size_t from = k->d->n;
    size_t step = 0;
    if (most < 2)
        return PENCHANT_OK; /* a window without a state to go to */
    int rc = walk(k, first, end);
    for (uint64_t at = first; !rc && at + 1 < end; at += most - 1) {
        const uint64_t left = end - 1 - at;
        if (at > first && left == 1)
            break; /* its only token is the last one of the window before */
        const struct stretch s = {.first = at,
                                  .start = h->start[user],
                                  .n = left < most ? (uint32_t)left : most,
                                  .state = k->d->n_states};
        rc = add_stretch(k, &s);
        if (!rc)
            rc = add_window(k, &s, user, end, &step);
    }
    if (!rc)
        look_back(k, from, first);
    return rc;
}

/* Those learned from, then those held out. */
static int plan(struct making *k)
{
    const struct history *h = k->log->history;
    const uint64_t bar = bar_of(k);
    const size_t most = most_states(k);
    for (int held = 0; held < 2; held++) {
        for (uint32_t u = 0; u < h->n_users; u++) {
            if (critic_held_out(u) != (held == 1) || !is_drawn(u, bar) ||
                !states_of(h, u) || k->d->n_states + states_of(h, u) > most)
                continue;
            if (add_user(k, u))
                return PENCHANT_ENOMEM;
        }
        if (!held)
            k->d->n_train = k->d->n;
    }
    return PENCHANT_OK;
}

/* ---- states ---- */

/* Facts and h of the tokens of one stretch. */
static void put_states(const struct making *k, const struct stretch *s, const float *h)
{
    const struct history *log = k->log->history;
    for (uint32_t i = 0; i < s->n; i++) {
        const uint64_t at = s->first + i;
        const uint64_t n = at + 1 - s->start;
        const uint64_t seen = n < CRITIC_LOOK_BACK ? n : CRITIC_LOOK_BACK;
        float facts[CRITIC_FACTS];
        critic_facts(log->type + at + 1 - seen, log->ts_us + at + 1 - seen, seen, n,
                     log->ts_us[at + 1], log->has_clock, facts);
        critic_input(&k->form, h + (size_t)i * k->m->config.dim, facts,
                     k->d->state + (s->state + i) * k->form.inputs);
    }
}

static void flush(struct making *k, uint32_t thread, size_t from, size_t to)
{
    struct batch *b = &k->batch[thread];
    const struct network_pass p = {.model = k->m, .batch = b, .vectors = k->vectors};
    if (!b->n)
        return;
    const float *h = network_forward(k->net[thread], &p);
    for (size_t i = from; i < to; i++) {
        put_states(k, &k->stretch[i], h);
        h += (size_t)k->stretch[i].n * k->m->config.dim;
    }
    batch_clear(b);
}

static void make_states(void *arg, uint32_t thread)
{
    struct making *k = arg;
    struct batch *b = &k->batch[thread];
    const size_t first = k->n_stretches * thread / k->threads;
    const size_t end = k->n_stretches * (thread + 1) / k->threads;
    size_t from = first;
    batch_clear(b);
    for (size_t i = first; i < end; i++) {
        const struct stretch *s = &k->stretch[i];
        if (b->n + s->n > b->cap || b->n_sequences == b->cap_sequences) {
            flush(k, thread, from, i);
            from = i;
        }
        const struct window w = {.first = s->first, .n = s->n};
        windows_fill(b, k->log->history, &w);
    }
    flush(k, thread, from, end);
}

static int prepare(struct making *k)
{
    const struct model_config *c = &k->m->config;
    const uint32_t cap = c->max_length > 1024 ? c->max_length : 1024;
    k->net = calloc(k->threads, sizeof *k->net);
    k->batch = calloc(k->threads, sizeof *k->batch);
    if (!k->net || !k->batch)
        return PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < k->threads; i++) {
        k->net[i] = network_new(k->m, cap);
        if (!k->net[i] || batch_init(&k->batch[i], cap, cap) != PENCHANT_OK)
            return PENCHANT_ENOMEM;
    }
    k->vectors = model_at(k->m, &k->m->item);
    if (!model_items_plain(k->m)) {
        k->vectors = k->made = malloc((size_t)c->n_items * c->dim * sizeof *k->made);
        for (uint32_t i = 0; k->made && i < c->n_items; i++)
            model_item_vector(k->m, i, k->made + (size_t)i * c->dim);
    }
    k->d->state = malloc((k->d->n_states + 1) * k->form.inputs * sizeof *k->d->state);
    k->d->item = malloc((size_t)c->n_items * c->dim * sizeof *k->d->item);
    return k->vectors && k->d->state && k->d->item ? PENCHANT_OK : PENCHANT_ENOMEM;
}

static void make_items(const struct making *k)
{
    const size_t d = k->form.dim;
    memcpy(k->d->item, k->vectors, k->d->n_items * d * sizeof *k->d->item);
    for (uint32_t i = 0; i < k->d->n_items; i++) {
        float *e = k->d->item + (size_t)i * d;
        kernels_get()->scale(e, model_unit_scale(e, d), d);
    }
}

int critic_data_make(struct critic_data *d, const struct model *m,
                     const struct critic_log *log, struct pool *pool,
                     struct penchant_error *err)
{
    struct making k = {.d = d,
                       .m = m,
                       .log = log,
                       .form = critic_form_of(m->config.dim),
                       .threads = pool_threads(pool)};
    *d = (struct critic_data){
        .inputs = k.form.inputs, .dim = k.form.dim, .n_items = m->config.n_items};
    const int rc = plan(&k) || prepare(&k) ? error_memory(err) : PENCHANT_OK;
    if (!rc) {
        make_items(&k);
        pool_run(pool, make_states, &k, k.threads);
    }
    for (uint32_t i = 0; k.net && k.batch && i < k.threads; i++) {
        network_free(k.net[i]);
        batch_release(&k.batch[i]);
    }
    free(k.net);
    free(k.batch);
    free(k.made);
    free(k.stretch);
    free(k.step);
    if (rc)
        critic_data_release(d);
    return rc;
}

void critic_data_release(struct critic_data *d)
{
    free(d->state);
    free(d->item);
    free(d->at);
    *d = (struct critic_data){0};
}
