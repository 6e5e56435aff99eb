/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The writer under many hands, and under kill -9: every event that was acknowledged is in
 * the log exactly once, and had reached the user's state before it was acknowledged.
 */
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "engine/engine.h"
#include "shop_fixture.h"

static struct penchant_event view(const char *user, const char *item)
{
    struct penchant_event e;
    penchant_event_default(&e);
    e.user_id = user;
    e.item_id = item;
    e.event = "view";
    return e;
}

/* ---- many hands ---- */

enum { HANDS = 4, CALLS = 150, PER_CALL = 3 };

struct hand {
    struct penchant *p;
    char user[16];
    pthread_mutex_t lock;
    pthread_cond_t wake;
    int done, failed, behind;
    uint64_t last_seq;
};

/* On the writer: the user's state must have the events by now. */
static void acknowledged(void *cookie, int status, const struct penchant_accepted *out)
{
    struct hand *h = cookie;
    struct penchant_user *u = NULL;
    pthread_mutex_lock(&h->lock);
    h->done++;
    h->failed += status != PENCHANT_OK || out->accepted != PER_CALL ||
                 out->last_seq <= h->last_seq;
    h->last_seq = out->last_seq;
    if (penchant_get_user(h->p, h->user, &u, NULL) != PENCHANT_OK ||
        u->events < (uint64_t)h->done * PER_CALL)
        h->behind++;
    penchant_user_free(u);
    pthread_cond_signal(&h->wake);
    pthread_mutex_unlock(&h->lock);
}

static void *submit(void *arg)
{
    struct hand *h = arg;
    struct penchant_error mine;
    for (int i = 0; i < CALLS; i++) {
        struct penchant_event e[PER_CALL];
        char item[PER_CALL][24];
        for (int k = 0; k < PER_CALL; k++) {
            snprintf(item[k], sizeof(item[k]), "i%d", i * PER_CALL + k);
            e[k] = view(h->user, item[k]);
            e[k].timestamp_us = 1 + i; /* the order of the log decides */
        }
        if (penchant_submit_events(h->p, e, PER_CALL, acknowledged, h, &mine) != 0)
            h->failed++;
        memset(item, 0, sizeof(item)); /* it was copied */
    }
    return NULL;
}

struct log_check {
    struct penchant *p;
    int next[HANDS];
    uint64_t n;
};

static int check_order(void *cookie, const struct event *e)
{
    struct log_check *c = cookie;
    char want[24];
    const int hand = names_text(&c->p->users, e->user)[1] - '0';
    snprintf(want, sizeof(want), "i%d", c->next[hand]++);
    assert_string_equal(names_text(&c->p->catalog.ids, e->item), want);
    assert_int_equal(e->seq, ++c->n);
    return 0;
}

static int check_log(struct penchant *p, void *arg, struct penchant_error *e)
{
    return p->store->ops->scan_events(p->store, 0, check_order, arg, e);
}

static void test_writer__many_hands_are_written_in_order(void **state)
{
    struct shop *s = *state;
    struct hand hand[HANDS];
    pthread_t thread[HANDS];
    for (int i = 0; i < HANDS; i++) {
        hand[i] = (struct hand){.p = s->p};
        snprintf(hand[i].user, sizeof(hand[i].user), "u%d", i);
        pthread_mutex_init(&hand[i].lock, NULL);
        pthread_cond_init(&hand[i].wake, NULL);
        assert_int_equal(pthread_create(&thread[i], NULL, submit, &hand[i]), 0);
    }
    for (int i = 0; i < HANDS; i++) {
        pthread_join(thread[i], NULL);
        pthread_mutex_lock(&hand[i].lock);
        while (hand[i].done < CALLS)
            pthread_cond_wait(&hand[i].wake, &hand[i].lock);
        pthread_mutex_unlock(&hand[i].lock);
        assert_int_equal(hand[i].done, CALLS);
        assert_int_equal(hand[i].failed, 0);
        assert_int_equal(hand[i].behind, 0);
    }
    struct log_check c = {.p = s->p};
    assert_int_equal(engine_with_store(s->p, check_log, &c, &err), PENCHANT_OK);
    assert_int_equal(c.n, HANDS * CALLS * PER_CALL);
    struct penchant_status_report r;
    assert_int_equal(penchant_status(s->p, &r, &err), PENCHANT_OK);
    assert_true(r.commits < HANDS * CALLS); /* groups, not one commit each */
}

/* ---- a queue with a limit, a rejected work, the end ---- */

struct gate {
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool entered, open;
};

static int wait_at(struct penchant *p, void *arg, struct penchant_error *e)
{
    struct gate *g = arg;
    (void)p, (void)e;
    pthread_mutex_lock(&g->lock);
    g->entered = true;
    pthread_cond_broadcast(&g->wake);
    while (!g->open)
        pthread_cond_wait(&g->wake, &g->lock);
    pthread_mutex_unlock(&g->lock);
    return PENCHANT_OK;
}

struct held {
    struct penchant *p;
    struct gate gate;
    pthread_t thread;
};

static void *hold_writer(void *arg)
{
    struct held *h = arg;
    struct penchant_error mine;
    engine_with_store(h->p, wait_at, &h->gate, &mine);
    return NULL;
}

/* Keeps the writer busy until release_writer(). */
static void hold(struct held *h, struct penchant *p)
{
    *h = (struct held){.p = p};
    pthread_mutex_init(&h->gate.lock, NULL);
    pthread_cond_init(&h->gate.wake, NULL);
    assert_int_equal(pthread_create(&h->thread, NULL, hold_writer, h), 0);
    pthread_mutex_lock(&h->gate.lock);
    while (!h->gate.entered)
        pthread_cond_wait(&h->gate.wake, &h->gate.lock);
    pthread_mutex_unlock(&h->gate.lock);
}

static void release_writer(struct held *h)
{
    pthread_mutex_lock(&h->gate.lock);
    h->gate.open = true;
    pthread_cond_broadcast(&h->gate.wake);
    pthread_mutex_unlock(&h->gate.lock);
    pthread_join(h->thread, NULL);
}

struct tally {
    _Atomic int ok, invalid, other;
};

static void count_status(void *cookie, int status, const struct penchant_accepted *out)
{
    struct tally *t = cookie;
    (void)out;
    t->ok += status == PENCHANT_OK;
    t->invalid += status == PENCHANT_EINVALID;
    t->other += status != PENCHANT_OK && status != PENCHANT_EINVALID;
}

static void test_writer__a_full_queue_refuses_and_closing_drains_it(void **state)
{
    struct shop *s = *state;
    struct held h;
    struct tally t = {0};
    struct penchant_event e[1000];
    int taken = 0, status = PENCHANT_OK;
    for (int i = 0; i < 1000; i++)
        e[i] = view("ann", "a");
    hold(&h, s->p);
    while (status == PENCHANT_OK && taken < 2 * ENGINE_QUEUE_EVENTS / 1000)
        taken +=
            (status = penchant_submit_events(s->p, e, 1000, count_status, &t, &err)) == 0;
    const int early = t.ok;
    release_writer(&h);
    penchant_close(&s->p);
    s->p = open_shop(s, false);
    assert_int_equal(status, PENCHANT_ELIMIT);
    assert_int_equal(taken, ENGINE_QUEUE_EVENTS / 1000);
    assert_int_equal(early, 0); /* nothing is told before it is on disk */
    assert_int_equal(t.ok, taken);
    struct penchant_user *u;
    assert_int_equal(penchant_get_user(s->p, "ann", &u, &err), PENCHANT_OK);
    assert_int_equal(u->events, ENGINE_QUEUE_EVENTS);
    penchant_user_free(u);
}

static void test_writer__a_list_that_cannot_be_logged_has_no_id(void **state)
{
    struct shop *s = *state;
    struct held h;
    const uint32_t item = 0;
    const struct store_slate slate = {.id = "rid", .ts_us = 1, .n = 1, .items = &item};
    struct penchant_request r;
    struct penchant_list *list;
    struct penchant_event e = view("ann", "a");
    penchant_request_default(&r);
    assert_int_equal(penchant_add_events(s->p, &e, 1, NULL, &err), PENCHANT_OK);
    hold(&h, s->p); /* what is asserted waits until it is let go, or closing would hang */
    int taken = 0;
    for (int i = 0; i < ENGINE_QUEUE_SLATES; i++)
        taken += engine_submit_slate(s->p, &slate);
    const bool one_more = engine_submit_slate(s->p, &slate);
    const int answered = penchant_recommend(s->p, &r, &list, &err);
    release_writer(&h);
    assert_int_equal(taken, ENGINE_QUEUE_SLATES);
    assert_false(one_more);
    assert_int_equal(answered, PENCHANT_OK);
    assert_int_equal(list->n, 1);
    assert_string_equal(list->recommendation_id, "");
    penchant_list_free(list);
    penchant_close(&s->p);
    s->p = open_shop(s, false);
    struct penchant_status_report status;
    assert_int_equal(penchant_status(s->p, &status, NULL), PENCHANT_OK);
    assert_int_equal(status.slates, ENGINE_QUEUE_SLATES);
}

static void test_writer__a_rejected_work_does_not_harm_its_group(void **state)
{
    struct shop *s = *state;
    struct held h;
    struct tally t = {0};
    char name[16];
    struct penchant_event e = view("ann", "a");
    hold(&h, s->p); /* so that all of it becomes one group */
    int submitted = 0;
    for (int i = 0; i < EVENT_MAX_TYPES; i++) {
        snprintf(name, sizeof(name), "own-%d", i);
        e.event = name;
        submitted += penchant_submit_events(s->p, &e, 1, count_status, &t, &err) == 0;
    }
    e.event = "view";
    submitted += penchant_submit_events(s->p, &e, 1, count_status, &t, &err) == 0;
    release_writer(&h);
    assert_int_equal(submitted, EVENT_MAX_TYPES + 1);
    penchant_close(&s->p);
    assert_int_equal(t.ok, EVENT_MAX_TYPES - EVENT_KNOWN_TYPES + 1);
    assert_int_equal(t.invalid, EVENT_KNOWN_TYPES);
    assert_int_equal(t.other, 0);
    s->p = open_shop(s, false);
    struct penchant_user *u;
    assert_int_equal(penchant_get_user(s->p, "ann", &u, &err), PENCHANT_OK);
    assert_int_equal(u->events, t.ok);
    penchant_user_free(u);
}

/* ---- a process that dies while it takes events ---- */

/* What the child has been told, by event number; written by its writer's callback. */
struct told {
    _Atomic uint32_t next;              /* numbers given out */
    _Atomic unsigned char ack[1 << 20]; /* 1: acknowledged */
};

struct sent {
    struct told *told;
    uint32_t first, n;
};

static void mark(void *cookie, int status, const struct penchant_accepted *out)
{
    struct sent *sent = cookie;
    (void)out;
    if (status == PENCHANT_OK)
        for (uint32_t i = 0; i < sent->n; i++)
            sent->told->ack[sent->first + i] = 1;
    free(sent);
}

/* Submits events named by their number from one of the child's threads, until a
   submission fails. */
struct child_hand {
    struct penchant *p;
    struct told *told;
    uint64_t seed;
};

static void *submit_numbers(void *arg)
{
    struct child_hand *h = arg;
    struct penchant_error mine;
    struct rng r;
    rng_init(&r, h->seed, 1);
    for (;;) {
        struct penchant_event e[8];
        char user[8][16], item[8][16];
        struct sent *sent = malloc(sizeof(*sent));
        const uint32_t n = 1 + rng_below(&r, 8);
        *sent = (struct sent){h->told, atomic_fetch_add(&h->told->next, n), n};
        for (uint32_t i = 0; i < n; i++) {
            snprintf(user[i], sizeof(user[i]), "u%u", rng_below(&r, 500));
            snprintf(item[i], sizeof(item[i]), "n%u", sent->first + i);
            e[i] = view(user[i], item[i]);
        }
        if (sent->first + n > sizeof(h->told->ack) - 64 ||
            penchant_submit_events(h->p, e, n, mark, sent, &mine) != PENCHANT_OK)
            return NULL;
        usleep(rng_below(&r, 200));
    }
}

static void run_child(const struct shop *s, struct told *told, uint64_t seed)
{
    struct penchant *p = open_shop(s, false);
    pthread_t thread[2];
    struct child_hand hand[2] = {{p, told, seed}, {p, told, seed + 1000}};
    for (int i = 0; i < 2; i++)
        pthread_create(&thread[i], NULL, submit_numbers, &hand[i]);
    for (int i = 0; i < 2; i++)
        pthread_join(thread[i], NULL);
    penchant_close(&p);
    _exit(0);
}

/* Every event of the log once, every acknowledged one among them. */
static void check_told(struct penchant *p, const struct told *told)
{
    uint64_t missing = 0, doubled = 0, stored = 0;
    for (uint32_t i = 0; i < told->next; i++) {
        char name[16];
        const int len = snprintf(name, sizeof(name), "n%u", i);
        const uint32_t item = names_find(&p->catalog.ids, name, (size_t)len);
        const uint64_t n = item == NAMES_NONE ? 0 : p->catalog.item[item].events;
        stored += n;
        doubled += n > 1;
        missing += told->ack[i] && n == 0;
    }
    assert_int_equal(missing, 0);
    assert_int_equal(doubled, 0);
    assert_int_equal(stored, p->events);
}

static void test_writer__kill_loses_and_doubles_nothing(void **state)
{
    struct shop *s = *state;
    const int rounds = getenv("LONG") ? 100 : 10;
    struct rng r;
    rng_init(&r, 11, 0);
    struct told *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(told != MAP_FAILED);
    penchant_close(&s->p);
    for (int i = 0; i < rounds; i++) {
        const uint32_t before = told->next;
        const pid_t child = fork();
        if (child == 0)
            run_child(s, told, (uint64_t)i);
        for (int k = 0; k < 20000 && !told->ack[before]; k++)
            usleep(500);
        usleep(rng_below(&r, 40000));
        kill(child, SIGKILL);
        assert_int_equal(waitpid(child, NULL, 0), child);
        assert_true(told->ack[before]); /* it had begun to work */
        s->p = open_shop(s, false);
        check_told(s->p, told);
        penchant_close(&s->p);
    }
    s->p = open_shop(s, false);
    munmap(told, sizeof(*told));
}

static void test_writer__a_full_disk_fails_what_it_cannot_keep(void **state)
{
    struct shop *s = *state;
    struct told *told = mmap(NULL, sizeof(*told), PROT_READ | PROT_WRITE,
                             MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(told != MAP_FAILED);
    penchant_close(&s->p);
    const pid_t child = fork();
    if (child == 0) {
        const struct rlimit limit = {400000, 400000};
        signal(SIGXFSZ, SIG_IGN);
        setrlimit(RLIMIT_FSIZE, &limit);
        struct penchant *p = open_shop(s, false);
        struct penchant_event e = view("ann", "n0");
        int failures = 0;
        for (uint32_t i = 0; i < 100000 && failures < 3; i++) {
            char item[16];
            snprintf(item, sizeof(item), "n%u", i);
            e.item_id = item;
            told->next = i + 1;
            const int status = penchant_add_events(p, &e, 1, NULL, &err);
            if (status == PENCHANT_OK && failures)
                _exit(2); /* after a failed write nothing may be taken */
            told->ack[i] = status == PENCHANT_OK;
            failures += status != PENCHANT_OK;
        }
        struct penchant_user
            *u; /* reading goes on, and what failed is not in the state */
        if (failures < 3 || penchant_get_user(p, "ann", &u, &err) != PENCHANT_OK ||
            u->events != told->next - 3)
            _exit(3);
        penchant_user_free(u);
        penchant_close(&p);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    s->p = open_shop(s, false);
    check_told(s->p, told);
    assert_int_equal(s->p->events, told->next - 3);
    munmap(told, sizeof(*told));
}

#define TEST(test) cmocka_unit_test_setup_teardown(test, shop_set_up, shop_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_writer__many_hands_are_written_in_order),
        TEST(test_writer__a_full_queue_refuses_and_closing_drains_it),
        TEST(test_writer__a_list_that_cannot_be_logged_has_no_id),
        TEST(test_writer__a_rejected_work_does_not_harm_its_group),
        TEST(test_writer__kill_loses_and_doubles_nothing),
        TEST(test_writer__a_full_disk_fails_what_it_cannot_keep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
