/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/experiments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/timing.h"
#include "base/hash.h"
#include "base/rng.h"

enum { NAMES_SIZE = PENCHANT_MAX_EXPERIMENTS * (PENCHANT_EXPERIMENT_NAME + 1) + 1 };
enum { TEXT_SIZE = 1 << 14 }; /* of one experiment in the store */

void penchant_arm_default(struct penchant_arm *arm)
{
    *arm = (struct penchant_arm){
        .explore = NAN, .temperature = NAN, .kappa = NAN, .epsilon = NAN};
}

/* ---- the table ---- */

struct experiments *experiments_new(void)
{
    struct experiments *e = calloc(1, sizeof(*e));
    if (e)
        pthread_rwlock_init(&e->lock, NULL);
    return e;
}

void experiments_free(struct experiments *e)
{
    if (!e)
        return;
    for (size_t i = 0; i < e->n; i++)
        free(e->one[i]);
    pthread_rwlock_destroy(&e->lock);
    free(e);
}

/* The first place whose name is not before this one. */
static size_t place_of(const struct experiments *e, const char *name)
{
    size_t i = 0;
    while (i < e->n && strcmp(e->one[i]->name, name) < 0)
        i++;
    return i;
}

static struct penchant_experiment *find(const struct experiments *e, const char *name)
{
    const size_t i = place_of(e, name);
    return i < e->n && strcmp(e->one[i]->name, name) == 0 ? e->one[i] : NULL;
}

/* Puts it in the place of one of its name, or among the others; the table owns it. */
static void put(struct experiments *e, struct penchant_experiment *one)
{
    const size_t i = place_of(e, one->name);
    if (i < e->n && strcmp(e->one[i]->name, one->name) == 0) {
        free(e->one[i]);
        e->one[i] = one;
        return;
    }
    memmove(&e->one[i + 1], &e->one[i], (e->n - i) * sizeof(e->one[0]));
    e->one[i] = one;
    e->n++;
}

static void drop(struct experiments *e, const char *name)
{
    const size_t i = place_of(e, name);
    free(e->one[i]);
    e->n--;
    memmove(&e->one[i], &e->one[i + 1], (e->n - i) * sizeof(e->one[0]));
}

/* ---- the store ---- */

/* Whether a fact's name for that experiment fits. */
static void fact_name(const char *name, char out[PENCHANT_EXPERIMENT_NAME + 16])
{
    snprintf(out, PENCHANT_EXPERIMENT_NAME + 16, "experiment.%s", name);
}

static int read_one(struct penchant *p, const char *name, char *text,
                    struct penchant_error *err)
{
    char fact[PENCHANT_EXPERIMENT_NAME + 16];
    struct penchant_experiment *one;
    fact_name(name, fact);
    int status = p->store->ops->get_fact(p->store, fact, text, TEXT_SIZE, err);
    if (!status)
        status = experiment_read(text, &one, err);
    if (!status)
        put(p->experiments, one);
    return status;
}

int experiments_read(struct penchant *p, struct penchant_error *err)
{
    char *names = malloc(NAMES_SIZE + TEXT_SIZE), *rest = NULL;
    if (!names)
        return error_memory(err);
    int status = p->store->ops->get_fact(p->store, "experiments", names, NAMES_SIZE, err);
    for (char *name = status ? NULL : strtok_r(names, ",", &rest);
         !status && name && p->experiments->n < PENCHANT_MAX_EXPERIMENTS;
         name = strtok_r(NULL, ",", &rest))
        status = read_one(p, name, names + NAMES_SIZE, err);
    free(names);
    return status;
}

/* The names of all that will be there once `added` (or NULL) came and `gone` went. */
static void list_names(const struct experiments *e, const char *added, const char *gone,
                       char out[NAMES_SIZE])
{
    size_t n = 0;
    out[0] = 0;
    for (size_t i = 0; i < e->n; i++)
        if (!gone || strcmp(e->one[i]->name, gone) != 0)
            n += (size_t)snprintf(out + n, NAMES_SIZE - n, "%s%s", n ? "," : "",
                                  e->one[i]->name);
    if (added)
        snprintf(out + n, NAMES_SIZE - n, "%s%s", n ? "," : "", added);
}

/* ---- changes: works of the writer, alone, since they go by what is in the table ---- */

struct change {
    struct work work;
    const char *name;
    const struct penchant_experiment *start; /* NULL: stop or delete */
    bool stop;
};

/* Writes both facts; text NULL removes the experiment. */
static int commit(struct penchant *p, const struct change *c, const char *text,
                  struct penchant_error *err)
{
    char fact[PENCHANT_EXPERIMENT_NAME + 16], names[NAMES_SIZE];
    const struct store_backend *ops = p->store->ops;
    fact_name(c->name, fact);
    list_names(p->experiments, c->start ? c->name : NULL, text ? NULL : c->name, names);
    int status = writer_begin(p, err);
    if (status)
        return status;
    if (!(status = ops->put_fact(p->store, fact, text, err)))
        status = ops->put_fact(p->store, "experiments", names, err);
    if (!status)
        return writer_commit(p, err);
    writer_rollback(p);
    return status;
}

static int unknown(const char *name, struct penchant_error *err)
{
    return error_field(err, PENCHANT_ENOTFOUND, 0, "name", "there is no experiment %.64s",
                       name ? name : "");
}

/* What the experiment will be: *out is a new block, NULL when it goes. */
static int next(struct penchant *p, const struct change *c,
                struct penchant_experiment **out, struct penchant_error *err)
{
    const struct penchant_experiment *old = find(p->experiments, c->name);
    *out = NULL;
    if (c->start && old)
        return error_field(err, PENCHANT_EINVALID, 0, "name",
                           "there is an experiment %s already", c->name);
    if (c->start && p->experiments->n == PENCHANT_MAX_EXPERIMENTS)
        return error_set(err, PENCHANT_ELIMIT, "there are %d experiments already",
                         PENCHANT_MAX_EXPERIMENTS);
    if (!c->start && !old)
        return unknown(c->name, err);
    if (!c->start && !c->stop)
        return PENCHANT_OK;
    struct penchant_experiment *e = experiment_copy(c->start ? c->start : old);
    if (!e)
        return error_memory(err);
    if (c->start) {
        e->running = true;
        e->started_us = timing_now_us();
        e->stopped_us = 0;
    } else if (e->running) {
        e->running = false;
        e->stopped_us = timing_now_us();
    }
    *out = e;
    return PENCHANT_OK;
}

static int change_alone(struct penchant *p, struct work *w, struct penchant_error *err)
{
    const struct change *c = (const struct change *)w;
    struct penchant_experiment *e;
    char *text = NULL;
    int status = next(p, c, &e, err);
    if (!status && e)
        status = experiment_write(e, &text, err);
    if (!status)
        status = commit(p, c, text, err);
    free(text);
    if (status) {
        free(e);
        return status;
    }
    pthread_rwlock_wrlock(&p->experiments->lock);
    if (e)
        put(p->experiments, e);
    else
        drop(p->experiments, c->name);
    pthread_rwlock_unlock(&p->experiments->lock);
    return PENCHANT_OK;
}

static int change(struct penchant *p, struct change *c, struct penchant_error *err)
{
    if (!c->name)
        return error_field(err, PENCHANT_EINVALID, 0, "name", "name is required");
    c->work.alone = change_alone;
    return writer_run(p, &c->work, err);
}

int penchant_start_experiment(struct penchant *p, const struct penchant_experiment *e,
                              struct penchant_error *err)
{
    const int status = experiment_check(e, err);
    struct change c = {.name = e->name, .start = e};
    return status ? status : change(p, &c, err);
}

int penchant_stop_experiment(struct penchant *p, const char *name,
                             struct penchant_error *err)
{
    struct change c = {.name = name, .stop = true};
    return change(p, &c, err);
}

int penchant_delete_experiment(struct penchant *p, const char *name,
                               struct penchant_error *err)
{
    struct change c = {.name = name};
    return change(p, &c, err);
}

/* ---- reading ---- */

int penchant_get_experiments(struct penchant *p, struct penchant_experiments **out,
                             struct penchant_error *err)
{
    struct experiments *e = p->experiments;
    struct penchant_experiment **copy;
    int status = PENCHANT_OK;
    pthread_rwlock_rdlock(&e->lock);
    *out = calloc(1, sizeof(**out) + e->n * (sizeof(**copy) + sizeof(*copy)));
    if (*out) {
        struct penchant_experiment *flat = (struct penchant_experiment *)(*out + 1);
        copy = (struct penchant_experiment **)(flat + e->n);
        (*out)->experiment = flat;
        for (size_t i = 0; i < e->n && !status; i++) {
            copy[i] = experiment_copy(e->one[i]);
            status = copy[i] ? PENCHANT_OK : PENCHANT_ENOMEM;
            if (!status)
                flat[i] = *copy[i];
        }
        (*out)->n = e->n;
    } else {
        status = PENCHANT_ENOMEM;
    }
    pthread_rwlock_unlock(&e->lock);
    if (!status)
        return PENCHANT_OK;
    penchant_experiments_free(*out);
    *out = NULL;
    return error_memory(err);
}

void penchant_experiments_free(struct penchant_experiments *experiments)
{
    if (!experiments)
        return;
    struct penchant_experiment **copy =
        (struct penchant_experiment **)(experiments->experiment + experiments->n);
    for (size_t i = 0; i < experiments->n; i++)
        free(copy[i]);
    free(experiments);
}

int experiments_copy(struct penchant *p, const char *name,
                     struct penchant_experiment **out, struct penchant_error *err)
{
    pthread_rwlock_rdlock(&p->experiments->lock);
    const struct penchant_experiment *e = name ? find(p->experiments, name) : NULL;
    *out = e ? experiment_copy(e) : NULL;
    const bool there = e != NULL;
    pthread_rwlock_unlock(&p->experiments->lock);
    if (!there)
        return unknown(name, err);
    return *out ? PENCHANT_OK : error_memory(err);
}

/* ---- assigning ---- */

int experiment_arm(const struct penchant_experiment *e, const char *user_id)
{
    const uint64_t of_name = hash_bytes(e->name, strlen(e->name)),
                   of_user = hash_bytes(user_id, strlen(user_id));
    double at = (double)(rng_mix(of_name ^ rng_mix(of_user)) >> 11) * 0x1p-53;
    for (size_t i = 0; i < e->n_arms; i++)
        if ((at -= e->arm[i].share) < 0)
            return (int)i;
    return -1;
}

static void fill(double *asked, double arm)
{
    if (isnan(*asked))
        *asked = arm;
}

/* What an arm says where the request left it open. */
static void apply_arm(struct assignment *a, const struct penchant_arm *arm)
{
    struct penchant_request *r = &a->request;
    fill(&r->explore, arm->explore);
    fill(&r->temperature, arm->temperature);
    fill(&r->kappa, arm->kappa);
    fill(&r->epsilon, arm->epsilon);
    if (!arm->sources || (r->sources && strcmp(r->sources, "all") != 0))
        return;
    snprintf(a->sources, sizeof(a->sources), "%s", arm->sources);
    r->sources = a->sources;
}

/* The experiments that the user is in, with room for the texts of the answer. */
static int assign(struct assignment *a, const struct experiments *e)
{
    size_t n = 0, bytes = 0;
    int arm[PENCHANT_MAX_EXPERIMENTS];
    for (size_t i = 0; i < e->n; i++) {
        const struct penchant_experiment *one = e->one[i];
        arm[i] = one->running ? experiment_arm(one, a->request.user_id) : -1;
        if (arm[i] < 0)
            continue;
        n++;
        bytes += strlen(one->name) + strlen(one->arm[arm[i]].name) + 2;
    }
    if (!n)
        return PENCHANT_OK;
    a->assigned = malloc(n * sizeof(*a->assigned) + bytes);
    if (!a->assigned)
        return PENCHANT_ENOMEM;
    char *at = (char *)(a->assigned + n);
    for (size_t i = 0; i < e->n; i++) {
        if (arm[i] < 0)
            continue;
        const struct penchant_arm *mine = &e->one[i]->arm[arm[i]];
        struct penchant_assigned *to = &a->assigned[a->n++];
        *to = (struct penchant_assigned){.experiment = at, .shop = mine->shop};
        at = stpcpy(at, e->one[i]->name) + 1;
        to->arm = at;
        at = stpcpy(at, mine->name) + 1;
        apply_arm(a, mine);
    }
    return PENCHANT_OK;
}

int assignment_init(struct assignment *a, struct penchant *p,
                    const struct penchant_request *r, struct penchant_error *err)
{
    *a = (struct assignment){.request = *r};
    if (!r->user_id)
        return PENCHANT_OK;
    pthread_rwlock_rdlock(&p->experiments->lock);
    const int status = assign(a, p->experiments);
    pthread_rwlock_unlock(&p->experiments->lock);
    return status ? error_memory(err) : PENCHANT_OK;
}

void assignment_release(struct assignment *a)
{
    free(a->assigned);
}

void assignment_tell(struct assignment *a, struct penchant_list *list)
{
    list->n_assigned = a->n;
    list->assigned = a->assigned;
    a->assigned = NULL;
}
