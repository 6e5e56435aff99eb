/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/protocol.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "lab/protocol_cold.h"

static const char *const names[] = {"leave-one-out", "sessions", "temporal",
                                    "prequential", "cold-items"};

int protocol_parse(const char *name, enum protocol_kind *kind, struct penchant_error *err)
{
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcmp(name, names[i]) == 0) {
            *kind = (enum protocol_kind)i;
            return PENCHANT_OK;
        }
    return error_field(
        err, PENCHANT_EINVALID, 0, "protocol",
        "no protocol is called \"%s\"; there are leave-one-out, sessions, temporal, "
        "prequential and cold-items",
        name);
}

const char *protocol_name(enum protocol_kind kind)
{
    return names[kind];
}

/* ---- stages --------------------------------------------------------------------- */

static void stage_leave_one_out(const struct history *h, uint8_t *stage)
{
    for (uint32_t u = 0; u < h->n_users; u++) {
        const uint64_t end = h->start[u + 1];
        if (end - h->start[u] < 3)
            continue;
        stage[end - 1] = STAGE_TEST;
        stage[end - 2] = STAGE_VALIDATION;
    }
}

static void stage_users(const struct history *h, uint32_t from, uint32_t to, uint8_t what,
                        uint8_t *stage)
{
    memset(stage + h->start[from], what, h->start[to] - h->start[from]);
}

static int stage_sessions(const struct dataset *d, uint8_t *stage,
                          struct penchant_error *err)
{
    const uint32_t n = d->n_first, held_out = (n + 9) / 10;
    if (n < 2)
        return error_set(err, PENCHANT_EINVALID,
                         "the sessions protocol needs at least two training sessions");
    stage_users(&d->history, n - held_out, n, STAGE_VALIDATION, stage);
    stage_users(&d->history, n, d->history.n_users, STAGE_TEST, stage);
    return PENCHANT_OK;
}

static int compare_times(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The moment from which on about this share of the sorted times lies. */
static int64_t cut(const int64_t *times, uint64_t n, double share)
{
    const uint64_t before = (uint64_t)((double)n * (1 - share) + 0.5);
    return times[before < n ? before : n - 1];
}

static int stage_temporal(const struct history *h, double share, uint8_t *stage,
                          struct penchant_error *err)
{
    if (!h->has_clock)
        return error_set(
            err, PENCHANT_EINVALID,
            "this protocol needs a clock: the timestamps of these events are positions "
            "or constant and only mean order");
    int64_t *times = malloc(h->n * sizeof(*times));
    if (!times)
        return error_memory(err);
    memcpy(times, h->ts_us, h->n * sizeof(*times));
    qsort(times, h->n, sizeof(*times), compare_times);
    const int64_t test = cut(times, h->n, share);
    uint64_t rest = 0;
    while (times[rest] < test)
        rest++;
    const int64_t validation = rest ? cut(times, rest, share) : test;
    const int64_t first = times[0];
    free(times);
    if (validation == first || test == validation)
        return error_set(
            err, PENCHANT_EINVALID,
            "too few different times to split the events at a test share of %g", share);
    for (uint64_t i = 0; i < h->n; i++)
        stage[i] = h->ts_us[i] >= test         ? STAGE_TEST
                   : h->ts_us[i] >= validation ? STAGE_VALIDATION
                                               : STAGE_FIT;
    return PENCHANT_OK;
}

static int assign_stages(struct protocol *p, struct penchant_error *err)
{
    const struct history *h = &p->data->history;
    p->stage = calloc(h->n, sizeof(*p->stage));
    if (!p->stage)
        return error_memory(err);
    switch (p->o.kind) {
    case PROTOCOL_LEAVE_ONE_OUT:
    case PROTOCOL_COLD_ITEMS:
        stage_leave_one_out(h, p->stage);
        return PENCHANT_OK;
    case PROTOCOL_SESSIONS:
        return stage_sessions(p->data, p->stage, err);
    case PROTOCOL_TEMPORAL:
    case PROTOCOL_PREQUENTIAL:
        return stage_temporal(h, p->o.test_share, p->stage, err);
    }
    return error_set(err, PENCHANT_EINVALID, "unknown protocol");
}

/* A report needs something to report. */
static int check_cases(const struct protocol *p, struct penchant_error *err)
{
    struct places cases;
    int status = protocol_cases(p, p->o.report, &cases, err);
    if (!status && !cases.n)
        status = error_set(err, PENCHANT_EINVALID,
                           "%s finds nothing to predict: no history is long enough",
                           protocol_name(p->o.kind));
    places_release(&cases);
    return status;
}

/* After this nothing of the test can reach the report. */
static int forget_test(struct protocol *p, struct penchant_error *err)
{
    const uint64_t n = p->data->history.n;
    bool *keep = malloc(n * sizeof(*keep));
    if (!keep)
        return error_memory(err);
    uint64_t kept = 0;
    for (uint64_t i = 0; i < n; i++) {
        keep[i] = p->stage[i] != STAGE_TEST;
        if (keep[i])
            p->stage[kept++] = p->stage[i];
    }
    dataset_keep(p->data, keep);
    free(keep);
    return PENCHANT_OK;
}

/* Whether a list holds only what is new to the user, out of all items there are. */
static bool ranks_new_only(enum protocol_kind kind)
{
    return kind == PROTOCOL_LEAVE_ONE_OUT || kind == PROTOCOL_COLD_ITEMS;
}

int protocol_init(struct protocol *p, struct dataset *d, const struct protocol_options *o,
                  struct penchant_error *err)
{
    *p = (struct protocol){.o = *o, .data = d, .exclude_seen = ranks_new_only(o->kind)};
    int status = assign_stages(p, err);
    if (!status)
        status = check_cases(p, err);
    if (!status && o->report != STAGE_TEST)
        status = forget_test(p, err);
    if (!status && o->kind == PROTOCOL_COLD_ITEMS) {
        status = protocol_number_cold(p, err);
    } else if (!status) {
        status = dataset_number(d, p->stage, o->seed, err);
        p->n_warm = d->history.n_items;
    }
    if (status)
        protocol_release(p);
    return status;
}

void protocol_release(struct protocol *p)
{
    free(p->stage);
    *p = (struct protocol){0};
}

uint32_t protocol_known(const struct protocol *p, enum protocol_stage stage)
{
    if (ranks_new_only(p->o.kind))
        return p->data->history.n_items;
    return p->data->n_items[stage - 1];
}

uint32_t protocol_learned(const struct protocol *p)
{
    const uint32_t known = protocol_known(p, STAGE_TEST);
    return known < p->n_warm ? known : p->n_warm;
}

/* ---- places --------------------------------------------------------------------- */

void places_release(struct places *p)
{
    free(p->at);
    free(p->user);
    *p = (struct places){0};
}

/* Room for every event of the stage. */
static int places_init(struct places *out, const struct protocol *p,
                       enum protocol_stage stage, struct penchant_error *err)
{
    size_t n = 0;
    for (uint64_t i = 0; i < p->data->history.n; i++)
        n += p->stage[i] == stage;
    *out = (struct places){.at = malloc((n + 1) * sizeof(*out->at)),
                           .user = malloc((n + 1) * sizeof(*out->user))};
    if (out->at && out->user)
        return PENCHANT_OK;
    places_release(out);
    return error_memory(err);
}

static void places_add(struct places *out, uint64_t at, uint32_t user)
{
    out->at[out->n] = at;
    out->user[out->n++] = user;
}

/* Whether event i of a user whose first one is `first` is to be predicted. */
static bool is_case(const struct protocol *p, uint64_t first, uint64_t i)
{
    switch (p->o.kind) {
    case PROTOCOL_LEAVE_ONE_OUT:
    case PROTOCOL_COLD_ITEMS:
        return true;
    case PROTOCOL_SESSIONS:
        return i - first >= p->o.min_prefix;
    case PROTOCOL_TEMPORAL:
    case PROTOCOL_PREQUENTIAL:
        return p->stage[first] < p->stage[i]; /* the user has a past */
    }
    return false;
}

int protocol_cases(const struct protocol *p, enum protocol_stage stage,
                   struct places *out, struct penchant_error *err)
{
    const struct history *h = &p->data->history;
    const int status = places_init(out, p, stage, err);
    if (status)
        return status;
    for (uint32_t u = 0; u < h->n_users; u++)
        for (uint64_t i = h->start[u]; i < h->start[u + 1]; i++)
            if (p->stage[i] == stage && is_case(p, h->start[u], i))
                places_add(out, i, u);
    return PENCHANT_OK;
}

struct turn {
    int64_t key;
    uint64_t tie, at;
    uint32_t user;
};

static int compare_turns(const void *a, const void *b)
{
    const struct turn *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    if (x->tie != y->tie)
        return x->tie < y->tie ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

/* The stage's events of one user, which are n and begin at `from`. Equal keys go by a
   hash of the user, so that the order of users in the file says nothing. */
static void take_turns(const struct protocol *p, uint32_t user, uint64_t from, uint64_t n,
                       struct turn *turn)
{
    const struct history *h = &p->data->history;
    for (uint64_t i = 0; i < n; i++) {
        turn[i] = (struct turn){.at = from + i, .user = user};
        if (h->has_clock)
            turn[i].key = h->ts_us[from + i];
        else if (p->o.kind != PROTOCOL_SESSIONS)
            turn[i].key = (int64_t)(((double)i + 0.5) / (double)n * 0x1p52);
        if (p->o.kind != PROTOCOL_SESSIONS)
            turn[i].tie = rng_mix(p->o.seed ^ ((uint64_t)user << 32));
    }
}

int protocol_order(const struct protocol *p, enum protocol_stage stage,
                   struct places *out, struct penchant_error *err)
{
    const struct history *h = &p->data->history;
    int status = places_init(out, p, stage, err);
    if (status)
        return status;
    struct turn *turn = malloc((h->n + 1) * sizeof(*turn));
    if (!turn) {
        places_release(out);
        return error_memory(err);
    }
    size_t n = 0;
    for (uint32_t u = 0; u < h->n_users; u++) {
        uint64_t from = h->start[u], to;
        while (from < h->start[u + 1] && p->stage[from] != stage)
            from++;
        for (to = from; to < h->start[u + 1] && p->stage[to] == stage;)
            to++;
        take_turns(p, u, from, to - from, turn + n);
        n += to - from;
    }
    qsort(turn, n, sizeof(*turn), compare_turns);
    for (size_t i = 0; i < n; i++)
        places_add(out, turn[i].at, turn[i].user);
    free(turn);
    return PENCHANT_OK;
}

/* ---- training ------------------------------------------------------------------- */

static void copy_events(const struct protocol *p, struct history *h, uint64_t *train_end)
{
    const struct history *from = &p->data->history;
    uint32_t users = 0;
    for (uint32_t u = 0; u < from->n_users; u++) {
        h->start[u] = train_end[u] = h->n;
        for (uint64_t i = from->start[u]; i < from->start[u + 1]; i++) {
            if (p->stage[i] == STAGE_TEST)
                break;
            if (from->item[i] >= p->n_warm)
                continue;
            h->item[h->n] = from->item[i];
            h->type[h->n] = from->type[i];
            h->ts_us[h->n++] = from->ts_us[i];
            train_end[u] += p->stage[i] == STAGE_FIT;
            users = u + 1;
        }
        h->start[u + 1] = h->n;
    }
    h->n_users = users;
}

int protocol_training(const struct protocol *p, struct history *h, uint64_t **train_end,
                      struct penchant_error *err)
{
    const struct history *from = &p->data->history;
    *h = (struct history){.n_items = protocol_learned(p), .has_clock = from->has_clock};
    h->start = calloc((size_t)from->n_users + 1, sizeof(*h->start));
    h->item = malloc(from->n * sizeof(*h->item));
    h->type = malloc(from->n * sizeof(*h->type));
    h->ts_us = malloc(from->n * sizeof(*h->ts_us));
    *train_end = calloc((size_t)from->n_users + 1, sizeof(**train_end));
    if (h->start && h->item && h->type && h->ts_us && *train_end) {
        copy_events(p, h, *train_end);
        return PENCHANT_OK;
    }
    history_release(h);
    free(*train_end);
    *train_end = NULL;
    return error_memory(err);
}
