/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/online_learner.h"

#include <errno.h>
#include <math.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/timing.h"
#include "engine/delays.h"
#include "engine/snapshot.h"
#include "learn/online.h"

enum {
    EVENTS = ONLINE_LENGTH + 1,
    LEARNED = 4096, /* times kept until they are published */
    PRIORITY = 10   /* nice */
};
#define MS              INT64_C(1000000)
#define WAIT_NS         (250 * MS)
#define PUBLISH_NS      (1000 * MS)
#define PUBLISH_EACH    10 /* times what the last one took */
#define LONGEST_REST_NS (1000 * MS)
#define ANCHOR_SEED     0xA11C0

/* The newest events of a user, as they were when the last of them had been committed. */
struct waiting {
    int64_t since_ns;
    uint32_t n;
    uint32_t item[EVENTS];
    uint8_t type[EVENTS];
    int64_t ts_us[EVENTS];
};

struct online_learner {
    pthread_t thread;
    bool running;

    /*
     * A ring with one writer and one reader and without a lock: a thread of low priority
     * that held one could keep the writer waiting for as long as others keep it from
     * running. `put` and `got` count up; the writer owns the places from `put` on.
     */
    struct waiting *queue; /* (LEARNER_QUEUE) */
    _Atomic uint64_t put, got, dropped;
    sem_t wake; /* a step's events are there, or it is to stop */
    atomic_bool stopping;

    pthread_mutex_t lock;          /* of what is told, */
    struct penchant_learning told; /* without the delays; not the writer's */

    /* The thread's own. */
    struct snapshot *champion; /* NULL: there is no model */
    struct online *online;
    int64_t fresh_ns[ONLINE_FRESH];
    int64_t learned_ns[LEARNED];
    uint32_t n_learned; /* may pass LEARNED: those are not timed */
    bool learned;       /* since the last publication */
    int64_t published_ns, cost_ns;

    struct delays to_network;
};

/* ---- the writer's side ----------------------------------------------------------- */

static void copy_window(struct waiting *w, const struct user_state *u)
{
    const uint32_t n = u->n_recent < EVENTS ? u->n_recent : EVENTS;
    const uint32_t from = u->n_recent - n;
    w->n = n;
    memcpy(w->item, u->recent + from, n * sizeof *w->item);
    memcpy(w->type, u->recent_type + from, n * sizeof *w->type);
    memcpy(w->ts_us, u->recent_us + from, n * sizeof *w->ts_us);
}

void online_learner_take(struct penchant *p, const struct event *e)
{
    struct online_learner *l = p->learner;
    if (!l || e->item == NAMES_NONE || !event_wanted(e->type, e->value))
        return;
    const struct user_state *u = user_states_peek(p->states, e->user);
    const uint32_t last = u ? u->n_recent - 1 : 0;
    if (!u || u->n_recent < 2 || u->recent[last] != e->item ||
        u->recent_us[last] != e->ts_us)
        return; /* it does not come last, and so tells nothing of what comes next */
    const uint64_t put = atomic_load_explicit(&l->put, memory_order_relaxed);
    const uint64_t n = put - atomic_load_explicit(&l->got, memory_order_acquire);
    if (n == LEARNER_QUEUE) {
        atomic_fetch_add_explicit(&l->dropped, 1, memory_order_relaxed);
        return;
    }
    struct waiting *w = &l->queue[put % LEARNER_QUEUE];
    copy_window(w, u);
    w->since_ns = timing_steady_ns();
    atomic_store_explicit(&l->put, put + 1, memory_order_release);
    if (n + 1 == LEARNER_STEP_EVENTS)
        sem_post(&l->wake);
}

/* ---- windows --------------------------------------------------------------------- */

/* The events of `w` that the model knows, the newest it looks back on. False: the newest
   is not known, or there are less than two. */
static bool make_window(const struct penchant *p, const struct online_learner *l,
                        const struct waiting *w, struct online_window *out)
{
    const struct model_config *c = &l->champion->model->config;
    const uint32_t most = c->max_length + 1 < EVENTS ? c->max_length + 1 : EVENTS;
    uint32_t from = w->n, n = 0;
    if (w->n < 2 || w->item[w->n - 1] >= c->n_items)
        return false;
    while (from > 0 && n < most)
        n += w->item[--from] < c->n_items;
    out->n = 0;
    int64_t zero = 0;
    for (uint32_t i = from; i < w->n; i++) {
        if (w->item[i] >= c->n_items)
            continue;
        if (out->n == 0)
            zero = w->ts_us[i];
        out->item[out->n] = w->item[i];
        out->type[out->n] = w->type[i] < c->n_types ? w->type[i] : (uint8_t)EVENT_VIEW;
        out->time[out->n++] =
            p->has_clock ? (float)((double)(w->ts_us[i] - zero) * 1e-6) : 0;
    }
    return out->n >= 2;
}

static void seed_user(struct penchant *p, struct online_learner *l, uint32_t user)
{
    struct waiting w = {.n = 0};
    struct online_window window;
    const struct user_state *u = user_states_lock(p->states, user);
    if (!u)
        return;
    copy_window(&w, u);
    user_states_unlock(p->states, user);
    if (make_window(p, l, &w, &window))
        online_seed(l->online, &window);
}

/* The newest events of some users are what must not be forgotten. */
static void seed(struct penchant *p, struct online_learner *l)
{
    struct rng rng;
    rng_init(&rng, ANCHOR_SEED, 0);
    pthread_rwlock_rdlock(&p->lock);
    const uint32_t n = p->users.n;
    pthread_rwlock_unlock(&p->lock);
    for (uint32_t i = 0; i < ONLINE_ANCHORS && i < n; i++)
        seed_user(p, l, n <= ONLINE_ANCHORS ? i : rng_below(&rng, n));
}

/* ---- the champion ---------------------------------------------------------------- */

static void tell(struct online_learner *l)
{
    struct online_report r;
    online_report(l->online, &r);
    pthread_mutex_lock(&l->lock);
    struct penchant_learning *t = &l->told;
    t->active = true;
    t->loss = r.loss;
    t->champion_loss = r.champion_loss;
    t->rate = (double)r.rate;
    pthread_mutex_unlock(&l->lock);
}

static void part(struct penchant *p, struct online_learner *l)
{
    online_free(l->online);
    engine_snapshot_release(p, l->champion);
    l->online = NULL;
    l->champion = NULL;
    l->learned = false;
    l->n_learned = 0;
    pthread_mutex_lock(&l->lock);
    l->told.active = false;
    l->told.loss = l->told.champion_loss = (double)NAN;
    pthread_mutex_unlock(&l->lock);
}

/* Begins anew when the shop has picked up another model. Whether there is one to learn. */
static bool meet_champion(struct penchant *p, struct online_learner *l)
{
    struct snapshot *s = engine_snapshot_acquire(p);
    struct online_options o;
    struct penchant_error err = {0};
    if (s && l->champion && s->base == l->champion->base) {
        engine_snapshot_release(p, s);
        return true;
    }
    part(p, l);
    if (!s)
        return false;
    l->champion = s; /* as it was read: only this thread publishes others */
    online_options_default(&o);
    o.negatives = o.negatives < s->n_items ? o.negatives : s->n_items;
    if (online_new(&l->online, s->model, &o, &err) != PENCHANT_OK) {
        engine_log(p, PENCHANT_WARN, "learning_failed reason=\"%s\"", err.text);
        part(p, l);
        return false;
    }
    seed(p, l);
    tell(l);
    engine_log(p, PENCHANT_INFO, "learning model_version=%llu",
               (unsigned long long)s->base);
    return true;
}

/* ---- steps ----------------------------------------------------------------------- */

/* Sleeps until it is woken or so long has passed. False: the shop closes. */
static bool sleep_for(struct online_learner *l, int64_t ns)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (until.tv_nsec + ns) / 1000000000;
    until.tv_nsec = (until.tv_nsec + ns) % 1000000000;
    while (sem_clockwait(&l->wake, CLOCK_MONOTONIC, &until) != 0 && errno == EINTR)
        ;
    return !l->stopping;
}

static void rest(struct online_learner *l, int64_t ns)
{
    const int64_t due =
        timing_steady_ns() + (ns < LONGEST_REST_NS ? ns : LONGEST_REST_NS);
    for (int64_t left = due - timing_steady_ns(); left > 0;
         left = due - timing_steady_ns())
        if (!sleep_for(l, left))
            break;
}

static uint64_t queued(const struct online_learner *l)
{
    return l->put - l->got;
}

/* Waits until a step's events are there, or a while. False: the shop closes. */
static bool wait_for_events(struct online_learner *l)
{
    return queued(l) >= LEARNER_STEP_EVENTS ? !l->stopping : sleep_for(l, WAIT_NS);
}

/* Empties the queue into what learns; without a model that is nothing. */
static void drain(struct penchant *p, struct online_learner *l)
{
    struct online_window window;
    uint64_t unknown = 0, displaced = 0;
    const uint64_t put = atomic_load_explicit(&l->put, memory_order_acquire);
    for (uint64_t at = l->got; at < put; at++) {
        const struct waiting *w = &l->queue[at % LEARNER_QUEUE];
        bool full = false;
        const bool known = l->online && make_window(p, l, w, &window) &&
                           online_feed(l->online, &window, &full);
        unknown += !known;
        displaced += full;
        if (full)
            memmove(l->fresh_ns, l->fresh_ns + 1,
                    (ONLINE_FRESH - 1) * sizeof *l->fresh_ns);
        if (known)
            l->fresh_ns[online_waiting(l->online) - 1] = w->since_ns;
        atomic_store_explicit(&l->got, at + 1, memory_order_release);
    }
    pthread_mutex_lock(&l->lock);
    l->told.unknown += unknown;
    l->told.displaced += displaced;
    pthread_mutex_unlock(&l->lock);
}

static void note_learned(struct online_learner *l, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++, l->n_learned++)
        if (l->n_learned < LEARNED)
            l->learned_ns[l->n_learned] = l->fresh_ns[i];
    l->learned = true;
}

static void warn_of_roll_back(struct penchant *p, const struct online_learner *l)
{
    struct online_report r;
    online_report(l->online, &r);
    engine_log(p, PENCHANT_WARN,
               "learning_rolled_back loss=%.4f champion_loss=%.4f rate=%g", r.rolled_loss,
               r.rolled_champion_loss, (double)r.rate);
}

/* What this thread has used; with others on the machine that is less than has passed. */
static int64_t used_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static enum online_outcome step(struct penchant *p, struct online_learner *l)
{
    enum online_outcome outcome = ONLINE_IDLE;
    struct penchant_error err = {0};
    const int64_t began = used_ns();
    const uint32_t n = online_waiting(l->online);
    if (!n ||
        (n < LEARNER_STEP_EVENTS && timing_steady_ns() - l->fresh_ns[0] < WAIT_NS / 2))
        return ONLINE_IDLE;
    if (online_step(l->online, &outcome, &err) != PENCHANT_OK) {
        engine_log(p, PENCHANT_WARN, "learning_failed reason=\"%s\"", err.text);
        rest(l, LONGEST_REST_NS);
        return ONLINE_IDLE;
    }
    if (outcome == ONLINE_LEARNED)
        note_learned(l, n);
    else
        warn_of_roll_back(p, l);
    tell(l);
    pthread_mutex_lock(&l->lock);
    l->told.steps++;
    l->told.events += outcome == ONLINE_LEARNED ? n : 0;
    l->told.rollbacks += outcome == ONLINE_ROLLED_BACK;
    pthread_mutex_unlock(&l->lock);
    rest(l, (int64_t)((double)(used_ns() - began) * (1 / LEARNER_SHARE - 1)));
    return outcome;
}

/* ---- publishing ------------------------------------------------------------------ */

static bool publication_due(const struct online_learner *l)
{
    const int64_t each = l->cost_ns * PUBLISH_EACH;
    return l->learned && timing_steady_ns() - l->published_ns >=
                             (each > PUBLISH_NS ? each : PUBLISH_NS);
}

static void publish(struct penchant *p, struct online_learner *l, bool rolled_back)
{
    struct penchant_error err = {0};
    uint32_t n;
    const int64_t began = timing_steady_ns(), began_using = used_ns();
    const uint32_t *rows = online_changed(l->online, &n);
    const struct snapshot_change change = {.champion = l->champion,
                                           .model = online_model(l->online),
                                           .rows = rows,
                                           .n = n,
                                           .rolled_back = rolled_back};
    const int status = engine_snapshot_publish(p, &change, &err);
    const int64_t now = timing_steady_ns();
    l->published_ns = now;
    l->cost_ns = used_ns() - began_using;
    if (status == PENCHANT_ENOMODEL)
        return; /* another model has come, and begins with the next round */
    if (status != PENCHANT_OK) {
        engine_log(p, PENCHANT_WARN, "publication_failed reason=\"%s\"", err.text);
        return;
    }
    online_published(l->online);
    for (uint32_t i = 0; i < l->n_learned && i < LEARNED && !rolled_back; i++)
        delays_add(&l->to_network, now - l->learned_ns[i]);
    l->n_learned = 0;
    l->learned = false;
    pthread_mutex_lock(&l->lock);
    l->told.publications++;
    l->told.publish_seconds = (double)(now - began) * 1e-9;
    pthread_mutex_unlock(&l->lock);
}

/* ---- the thread ------------------------------------------------------------------ */

static void *learn_main(void *arg)
{
    struct penchant *p = arg;
    struct online_learner *l = p->learner;
    setpriority(PRIO_PROCESS, (id_t)gettid(), PRIORITY); /* of this thread alone */
    while (wait_for_events(l)) {
        const bool learns = meet_champion(p, l);
        drain(p, l);
        if (!learns)
            continue;
        if (step(p, l) == ONLINE_ROLLED_BACK)
            publish(p, l, true);
        else if (publication_due(l))
            publish(p, l, false);
    }
    part(p, l);
    return NULL;
}

int online_learner_start(struct penchant *p, struct penchant_error *err)
{
    struct online_learner *l = calloc(1, sizeof *l);
    if (!l)
        return error_memory(err);
    sem_init(&l->wake, 0, 0);
    pthread_mutex_init(&l->lock, NULL);
    l->queue = malloc(LEARNER_QUEUE * sizeof *l->queue);
    l->told.loss = l->told.champion_loss = (double)NAN;
    p->learner = l;
    if (!l->queue) {
        online_learner_free(p);
        return error_memory(err);
    }
    l->running = pthread_create(&l->thread, NULL, learn_main, p) == 0;
    if (l->running)
        return PENCHANT_OK;
    online_learner_free(p);
    return error_set(err, PENCHANT_ENOMEM, "cannot start the learning thread");
}

void online_learner_stop(struct penchant *p)
{
    struct online_learner *l = p->learner;
    if (!l || !l->running)
        return;
    l->stopping = true;
    sem_post(&l->wake);
    pthread_join(l->thread, NULL);
    l->running = false;
}

void online_learner_free(struct penchant *p)
{
    struct online_learner *l = p->learner;
    if (!l)
        return;
    p->learner = NULL;
    sem_destroy(&l->wake);
    pthread_mutex_destroy(&l->lock);
    free(l->queue);
    free(l);
}

int penchant_get_learning(struct penchant *p, struct penchant_learning *out,
                          struct penchant_error *err)
{
    struct online_learner *l = p->learner;
    (void)err;
    *out = (struct penchant_learning){.loss = (double)NAN, .champion_loss = (double)NAN};
    if (l) {
        pthread_mutex_lock(&l->lock);
        *out = l->told;
        pthread_mutex_unlock(&l->lock);
        delays_read(&l->to_network, &out->to_network);
        out->dropped = l->dropped;
        out->on = true;
    }
    delays_read(&p->to_list, &out->to_list);
    return PENCHANT_OK;
}
