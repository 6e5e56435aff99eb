/* SPDX-License-Identifier: Apache-2.0 */
/* The protocols on logs made by hand, whose answers are known, and on generated ones. */
#include "lab/protocol_score.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/rng.h"

enum { COUNTING = 1 << EVIDENCE_COVISITATION | 1 << EVIDENCE_POPULARITY };

/* ---- helpers -------------------------------------------------------------------- */

/* A log in a temporary file. */
struct file {
    char path[64];
};

static void write_file(struct file *f, const char *text)
{
    snprintf(f->path, sizeof(f->path), "/tmp/penchant-protocols-XXXXXX");
    const int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

struct experiment {
    struct file events, second, items;
    struct dataset data;
    struct protocol split;
    struct protocol_scores scores;
};

static const struct protocol_options leave_one_out = {
    .kind = PROTOCOL_LEAVE_ONE_OUT, .report = STAGE_TEST, .min_prefix = 1, .seed = 1};
static const struct protocol_options sessions = {
    .kind = PROTOCOL_SESSIONS, .report = STAGE_TEST, .min_prefix = 1, .seed = 1};
static const struct protocol_options temporal = {
    .kind = PROTOCOL_TEMPORAL, .report = STAGE_TEST, .test_share = 0.2, .seed = 1};

static int try_split(struct experiment *x, const char *events, const char *second,
                     const char *items, const struct protocol_options *o,
                     struct penchant_error *err)
{
    memset(x, 0, sizeof(*x));
    write_file(&x->events, events);
    if (second)
        write_file(&x->second, second);
    if (items)
        write_file(&x->items, items);
    const struct dataset_options d = {
        .events = {x->events.path, second ? x->second.path : NULL},
        .items = items ? x->items.path : NULL,
        .by_session = o->kind == PROTOCOL_SESSIONS,
    };
    const int status = dataset_read(&x->data, &d, err);
    return status ? status : protocol_init(&x->split, &x->data, o, err);
}

static void split(struct experiment *x, const char *events, const char *second,
                  const char *items, const struct protocol_options *o)
{
    struct penchant_error err = {0};
    if (try_split(x, events, second, items, o, &err))
        fail_msg("%s", err.text);
}

static void score(struct experiment *x, uint32_t mask)
{
    struct penchant_error err = {0};
    const struct score_options o = {.mask = mask, .threads = 2};
    if (protocol_score(&x->scores, &x->split, &o, &err))
        fail_msg("%s", err.text);
}

static void experiment_release(struct experiment *x)
{
    protocol_scores_release(&x->scores);
    protocol_release(&x->split);
    dataset_release(&x->data);
    unlink(x->events.path);
    if (x->second.path[0])
        unlink(x->second.path);
    if (x->items.path[0])
        unlink(x->items.path);
}

static void assert_value(struct penchant_metric m, double value)
{
    if (!(fabs(m.value - value) < 1e-9))
        fail_msg("%.12g is not %.12g", m.value, value);
}

/* The category of an item says what the file called it. */
static const char *item_name(const struct dataset *d, uint32_t item)
{
    assert_int_equal(d->attr_start[item + 1] - d->attr_start[item], 1);
    return strchr(d->attribute_name[d->attr[d->attr_start[item]]], ':') + 1;
}

/* What the users' history holds, "abc|de|..", and in which stages, "001|00|..". */
static void spell(const struct experiment *x, char *names, char *stages)
{
    const struct history *h = &x->data.history;
    for (uint32_t u = 0; u < h->n_users; u++) {
        for (uint64_t i = h->start[u]; i < h->start[u + 1]; i++) {
            *names++ = item_name(&x->data, h->item[i])[0];
            *stages++ = (char)('0' + x->split.stage[i]);
        }
        *names++ = *stages++ = '|';
    }
    *names = *stages = 0;
}

static void spell_places(const struct experiment *x, const struct places *p, char *out)
{
    for (size_t i = 0; i < p->n; i++)
        *out++ = item_name(&x->data, x->data.history.item[p->at[i]])[0];
    *out = 0;
}

static void cases_of(const struct experiment *x, enum protocol_stage stage, char *out)
{
    struct places p;
    assert_int_equal(protocol_cases(&x->split, stage, &p, NULL), 0);
    spell_places(x, &p, out);
    places_release(&p);
}

#define ITEMS "item_id,title,category\na,,a\nb,,b\nc,,c\nd,,d\ne,,e\nf,,f\ng,,g\nz,,z\n"

/* ---- leave-one-out -------------------------------------------------------------- */

static const char short_log[] = "user_id,item_id,event,timestamp\n"
                                "u1,a,view,1\nu1,b,view,2\nu1,c,view,3\nu1,d,view,4\n"
                                "u2,a,view,1\nu2,e,view,2\n"
                                "u3,d,view,1\nu3,b,view,2\nu3,f,view,3\n";

static void test_protocols__leave_one_out_holds_out_the_last_two(void **state)
{
    (void)state;
    struct experiment x;
    char names[32], stages[32], cases[32];
    split(&x, short_log, NULL, ITEMS, &leave_one_out);
    spell(&x, names, stages);
    assert_string_equal(names, "abcd|ae|dbf|");
    assert_string_equal(stages, "0012|00|012|");
    cases_of(&x, STAGE_TEST, cases);
    assert_string_equal(cases, "df");
    cases_of(&x, STAGE_VALIDATION, cases);
    assert_string_equal(cases, "cb");
    assert_int_equal(x.data.history.n_items, 6); /* g and z are in no event */
    assert_int_equal(protocol_known(&x.split, STAGE_TEST), 6);
    assert_false(x.data.history.has_clock);
    experiment_release(&x);
}

static void test_protocols__training_sees_no_test_event(void **state)
{
    (void)state;
    struct experiment x;
    struct history h;
    uint64_t *train_end;
    split(&x, short_log, NULL, ITEMS, &leave_one_out);
    assert_int_equal(protocol_training(&x.split, &h, &train_end, NULL), 0);
    const uint64_t start[] = {0, 3, 5, 7}, end[] = {2, 5, 6};
    assert_int_equal(h.n_users, 3);
    assert_int_equal(h.n, 7);
    assert_memory_equal(h.start, start, sizeof(start));
    assert_memory_equal(train_end, end, sizeof(end));
    char items[8] = {0};
    for (int i = 0; i < 7; i++)
        items[i] = item_name(&x.data, h.item[i])[0];
    assert_string_equal(items, "abcaedb");
    history_release(&h);
    free(train_end);
    experiment_release(&x);
}

static void test_protocols__equal_times_keep_the_files_order(void **state)
{
    (void)state;
    struct experiment x;
    char names[32], stages[32];
    split(&x,
          "user_id,item_id,event,timestamp\n"
          "u1,c,view,1500000000\nu1,a,view,1400000000\nu1,d,view,1500000000\n"
          "u1,b,view,1500000000\nu2,e,view,1500000001\n",
          NULL, ITEMS, &leave_one_out);
    spell(&x, names, stages);
    assert_string_equal(names, "acdb|e|");
    assert_string_equal(stages, "0012|0|");
    assert_true(x.data.history.has_clock);
    experiment_release(&x);
}

static void test_protocols__targets_seen_before_are_misses(void **state)
{
    (void)state;
    struct experiment x;
    split(&x,
          "user_id,item_id,event,timestamp\n"
          "u1,a,view,1\nu1,b,view,2\nu1,c,view,3\nu1,a,view,4\n"
          "u2,b,view,1\nu2,c,view,2\nu2,d,view,3\nu2,e,view,4\n",
          NULL, NULL, &leave_one_out);
    score(&x, COUNTING);
    assert_int_equal(x.scores.cases, 2);
    assert_int_equal(x.scores.seen_targets, 1);
    assert_true(x.scores.sum.rank[0] == METRICS_MISS);
    assert_true(x.scores.alone[EVIDENCE_POPULARITY].rank[0] == METRICS_MISS);
    /* Of five items three are excluded; a is more popular than the target. */
    assert_int_equal(x.scores.alone[EVIDENCE_POPULARITY].rank[1], 1);
    experiment_release(&x);
}

/* Users walk around a ring of 16 items, each `length` steps from a random place. */
static void ring_log(struct buf *b, uint32_t users, uint32_t length, uint64_t seed)
{
    struct rng rng;
    rng_init(&rng, seed, 0);
    buf_init(b, 1 << 22);
    buf_puts(b, "user_id,item_id,event,timestamp\n");
    for (uint32_t u = 0; u < users; u++) {
        const uint32_t from = rng_below(&rng, 16);
        for (uint32_t i = 0; i < length; i++)
            buf_printf(b, "u%u,i%u,view,%u\n", u, (from + i) % 16, i + 1);
    }
    assert_false(b->failed);
}

static void test_protocols__covisitation_foresees_a_ring(void **state)
{
    (void)state;
    struct buf log;
    struct experiment x;
    ring_log(&log, 200, 8, 5);
    split(&x, log.data, NULL, NULL, &leave_one_out);
    score(&x, COUNTING);
    assert_int_equal(x.scores.cases, 200);
    assert_value(metrics_ndcg(&x.scores.alone[EVIDENCE_COVISITATION], 10), 1);
    assert_value(metrics_ndcg(&x.scores.sum, 10), 1);
    assert_true(metrics_ndcg(&x.scores.alone[EVIDENCE_POPULARITY], 10).value < 0.7);
    assert_int_equal(protocol_scores_best(&x.scores, COUNTING, METRICS_NDCG, 10),
                     EVIDENCE_COVISITATION);
    experiment_release(&x);
    buf_release(&log);
}

/* What the next item is can only be known from the event before the target, so a case
   whose state lacks the validation event fails. */
static void test_protocols__the_state_sees_the_validation_event(void **state)
{
    (void)state;
    struct buf log;
    struct experiment x;
    struct rng rng;
    rng_init(&rng, 9, 0);
    buf_init(&log, 1 << 20);
    buf_puts(&log, "user_id,item_id,event,timestamp\n");
    for (int u = 0; u < 300; u++) {
        const uint32_t pair = rng_below(&rng, 8), lure = rng_below(&rng, 8);
        buf_printf(&log, "u%d,lure%u,view,1\nu%d,first%u,view,2\nu%d,then%u,view,3\n", u,
                   lure, u, pair, u, pair);
        for (int i = 0; i < 3; i++) /* who shows what follows what, being no case */
            buf_printf(&log, "v%d.%d,first%u,view,1\nv%d.%d,then%u,view,2\n", u, i, pair,
                       u, i, pair);
    }
    split(&x, log.data, NULL, NULL, &leave_one_out);
    score(&x, COUNTING);
    assert_int_equal(x.scores.cases, 300);
    assert_value(metrics_hr(&x.scores.alone[EVIDENCE_COVISITATION], 5), 1);
    assert_true(metrics_ndcg(&x.scores.alone[EVIDENCE_COVISITATION], 5).value > 0.95);
    experiment_release(&x);
    buf_release(&log);
}

/* ---- sessions ------------------------------------------------------------------- */

static const char train_sessions[] = "session_id,item_id,timestamp\n"
                                     "s0,a,1\ns0,a,2\ns0,a,3\n"
                                     "s1,b,1\ns1,b,2\n"
                                     "s2,c,1\n";

static void test_protocols__every_position_of_a_session_is_a_case(void **state)
{
    (void)state;
    struct experiment x;
    char names[32], stages[32], cases[32];
    struct protocol_options o = sessions;
    const char test[] = "session_id,item_id,timestamp\n"
                        "s0,b,1\ns0,c,2\ns0,z,3\ns0,c,4\nt1,a,1\n";
    split(&x, train_sessions, test, ITEMS, &o);
    spell(&x, names, stages);
    /* A session of the second file is another one, whatever its name. */
    assert_string_equal(names, "aaa|bb|c|bczc|a|");
    assert_string_equal(stages, "000|00|1|2222|2|");
    cases_of(&x, STAGE_TEST, cases);
    assert_string_equal(cases, "czc");
    assert_int_equal(protocol_known(&x.split, STAGE_VALIDATION), 2);
    assert_int_equal(protocol_known(&x.split, STAGE_TEST), 3);
    score(&x, COUNTING);
    assert_int_equal(x.scores.cases, 3);
    assert_int_equal(x.scores.unknown_targets, 1);
    /* c is the least popular of three; z is unknown. Nothing seen is excluded. */
    const struct metrics *popularity = &x.scores.alone[EVIDENCE_POPULARITY];
    assert_int_equal(popularity->rank[0], 2);
    assert_true(popularity->rank[1] == METRICS_MISS);
    assert_int_equal(popularity->rank[2], 2);
    assert_true(popularity->again[1] && popularity->again[2]);
    experiment_release(&x);

    o.min_prefix = 3;
    split(&x, train_sessions, test, ITEMS, &o);
    cases_of(&x, STAGE_TEST, cases);
    assert_string_equal(cases, "c");
    experiment_release(&x);
}

static void test_protocols__unknown_items_before_a_case_are_skipped(void **state)
{
    (void)state;
    struct experiment x;
    struct buf test;
    buf_init(&test, 1 << 16);
    buf_puts(&test, "session_id,item_id,timestamp\n"
                    "t0,a,1\nt0,z,2\nt1,z,1\nt1,b,2\nt2,a,1\nt2,b,2\nt3,a,1\n");
    for (int i = 2; i < 40; i++) /* more than anyone looks back */
        buf_printf(&test, "t3,z%d,%d\n", i, i);
    buf_puts(&test, "t3,b,40\n");
    split(&x,
          "session_id,item_id,timestamp\n"
          "s0,a,1\ns0,b,2\ns1,c,1\ns1,b,2\ns1,d,3\ns2,c,1\n",
          test.data, NULL, &sessions);
    score(&x, 1 << EVIDENCE_COVISITATION);
    const struct metrics *m = &x.scores.alone[EVIDENCE_COVISITATION];
    assert_int_equal(m->n, 42);
    assert_int_equal(x.scores.unknown_targets, 39);
    assert_true(m->rank[0] == METRICS_MISS);
    assert_int_equal(m->rank[1], 3);  /* nothing known: four equal scores */
    assert_int_equal(m->rank[2], 0);  /* a leads to b */
    assert_int_equal(m->rank[41], 0); /* across what is unknown, too */
    experiment_release(&x);
    buf_release(&test);
}

/* Counts say whether a stage was observed: a leads until the validation session's b. */
static void
test_protocols__the_test_counts_validation_and_validation_does_not(void **state)
{
    (void)state;
    struct experiment x;
    struct buf log;
    struct protocol_options o = sessions;
    buf_init(&log, 1 << 16);
    buf_puts(&log, "session_id,item_id,timestamp\ns0,b,1\n");
    for (int s = 0; s < 9; s++)
        buf_printf(&log, "s%d,a,%d\n", s, 2);
    for (int i = 1; i <= 12; i++)
        buf_printf(&log, "s9,b,%d\n", i);
    const char test[] = "session_id,item_id,timestamp\nt0,a,1\nt0,b,2\n";
    split(&x, log.data, test, NULL, &o);
    score(&x, COUNTING);
    assert_int_equal(x.scores.cases, 1);
    assert_int_equal(x.scores.alone[EVIDENCE_POPULARITY].rank[0], 0);
    experiment_release(&x);
    o.report = STAGE_VALIDATION;
    split(&x, log.data, test, NULL, &o);
    score(&x, COUNTING);
    assert_int_equal(x.scores.cases, 11);
    for (int c = 0; c < 11; c++)
        assert_int_equal(x.scores.alone[EVIDENCE_POPULARITY].rank[c], 1);
    experiment_release(&x);
    buf_release(&log);
}

static void test_protocols__validation_sessions_are_the_last_tenth(void **state)
{
    (void)state;
    struct experiment x;
    struct buf log;
    struct places cases;
    struct protocol_options o = sessions;
    o.report = STAGE_VALIDATION;
    buf_init(&log, 1 << 16);
    buf_puts(&log, "session_id,item_id,timestamp\n");
    for (int s = 0; s < 50; s++)
        buf_printf(&log, "s%d,a,1\ns%d,b,2\ns%d,c,3\n", s, s, s);
    split(&x, log.data, train_sessions, NULL, &o);
    assert_int_equal(protocol_cases(&x.split, STAGE_VALIDATION, &cases, NULL), 0);
    assert_int_equal(cases.n, 10); /* two of each of five sessions */
    assert_int_equal(cases.user[0], 45);
    assert_int_equal(cases.user[9], 49);
    places_release(&cases);
    experiment_release(&x);
    buf_release(&log);
}

static void test_protocols__a_report_needs_cases(void **state)
{
    (void)state;
    struct experiment x;
    struct penchant_error err = {0};
    assert_int_equal(try_split(&x, train_sessions, NULL, NULL, &sessions, &err),
                     PENCHANT_EINVALID);
    assert_non_null(strstr(err.text, "nothing to predict"));
    experiment_release(&x);
    assert_int_equal(try_split(&x,
                               "user_id,item_id,event,timestamp\n"
                               "u1,a,view,1\nu1,b,view,2\nu2,a,view,1\n",
                               NULL, NULL, &leave_one_out, &err),
                     PENCHANT_EINVALID);
    assert_non_null(strstr(err.text, "nothing to predict"));
    experiment_release(&x);
}

/* ---- temporal ------------------------------------------------------------------- */

static void test_protocols__temporal_cuts_at_one_moment(void **state)
{
    (void)state;
    struct experiment x;
    char names[32], stages[32], cases[32];
    struct protocol_options o = temporal;
    o.test_share = 0.4;
    split(&x,
          "user_id,item_id,event,timestamp\n"
          "u1,a,view,1500000001\nu1,b,view,1500000004\nu1,c,view,1500000008\n"
          "u1,d,view,1500000009\n"
          "u2,e,view,1500000002\nu2,f,view,1500000005\nu2,a,view,1500000006\n"
          "u3,b,view,1500000003\nu3,b,view,1500000007\n"
          "u4,a,view,1500000010\nu4,b,view,1500000010\n",
          NULL, ITEMS, &o);
    spell(&x, names, stages);
    assert_string_equal(names, "abcd|efa|bb|ab|");
    assert_string_equal(stages, "0022|011|01|22|");
    cases_of(&x, STAGE_TEST, cases);
    assert_string_equal(cases, "cd"); /* u4 has no past */
    cases_of(&x, STAGE_VALIDATION, cases);
    assert_string_equal(cases, "fab");
    score(&x, COUNTING);
    assert_int_equal(x.scores.unknown_targets, 2);
    experiment_release(&x);
}

static void test_protocols__temporal_is_refused_without_a_clock(void **state)
{
    (void)state;
    struct experiment x;
    struct penchant_error err = {0};
    assert_int_equal(try_split(&x, short_log, NULL, NULL, &temporal, &err),
                     PENCHANT_EINVALID);
    assert_non_null(strstr(err.text, "clock"));
    experiment_release(&x);
}

static void test_protocols__temporal_needs_different_times(void **state)
{
    (void)state;
    struct experiment x;
    struct penchant_error err = {0};
    assert_int_equal(try_split(&x,
                               "user_id,item_id,event,timestamp\n"
                               "u1,a,view,1500000001\nu2,b,view,1500000002\n"
                               "u3,b,view,1500000002\nu4,b,view,1500000002\n",
                               NULL, NULL, &temporal, &err),
                     PENCHANT_EINVALID);
    assert_non_null(strstr(err.text, "different times"));
    experiment_release(&x);
}

/* ---- what holds for all --------------------------------------------------------- */

/* Both runs put the same cases and gave them the same ranks under the same weights. */
static void assert_same(const struct experiment *a, const struct experiment *b)
{
    assert_int_equal(a->scores.cases, b->scores.cases);
    assert_true(a->scores.cases > 0);
    assert_int_equal(a->data.history.n, b->data.history.n);
    assert_int_equal(a->data.history.n_items, b->data.history.n_items);
    assert_int_equal(a->scores.unknown_targets, b->scores.unknown_targets);
    assert_int_equal(a->scores.seen_targets, b->scores.seen_targets);
    assert_memory_equal(&a->scores.blend, &b->scores.blend, sizeof(a->scores.blend));
    assert_memory_equal(a->scores.sum.rank, b->scores.sum.rank,
                        a->scores.cases * sizeof(uint32_t));
    assert_int_equal(a->scores.scored, b->scores.scored);
    for (int s = 0; s < EVIDENCE_SOURCES; s++)
        if (a->scores.scored >> s & 1)
            assert_memory_equal(a->scores.alone[s].rank, b->scores.alone[s].rank,
                                a->scores.cases * sizeof(uint32_t));
}

static void compare(const char *events_a, const char *second_a, const char *events_b,
                    const char *second_b, const struct protocol_options *o, bool same)
{
    struct experiment a, b;
    split(&a, events_a, second_a, NULL, o);
    split(&b, events_b, second_b, NULL, o);
    score(&a, COUNTING);
    score(&b, COUNTING);
    if (same)
        assert_same(&a, &b);
    else
        assert_memory_not_equal(a.scores.sum.rank, b.scores.sum.rank,
                                a.scores.cases * sizeof(uint32_t));
    experiment_release(&a);
    experiment_release(&b);
}

/* How to write the log of skewed_log(). */
struct skew {
    bool clock;        /* real times, not positions */
    const char *names; /* goes before every id; NULL: nothing */
    const char *last;  /* goes before the last item of every user */
    const char *late;  /* goes before the items of events from `from` on */
    uint64_t from;
};

/* A log of 60 users with skewed tastes. */
static void skewed_log(struct buf *b, const struct skew *how)
{
    struct rng rng;
    const char *names = how->names ? how->names : "";
    rng_init(&rng, 21, 0);
    buf_init(b, 1 << 20);
    buf_puts(b, "user_id,item_id,event,timestamp\n");
    for (uint32_t u = 0; u < 60; u++) {
        const uint32_t n = 4 + rng_below(&rng, 12), taste = rng_below(&rng, 5);
        for (uint32_t i = 0; i < n; i++) {
            const uint32_t item = 8 * (rng_below(&rng, 3) ? taste : rng_below(&rng, 5)) +
                                  rng_below(&rng, 2 + rng_below(&rng, 7));
            const uint64_t when = how->clock ? 1500000000 + 86400ULL * i + u : i + 1;
            const char *other = how->last && i == n - 1          ? how->last
                                : how->late && when >= how->from ? how->late
                                                                 : "";
            buf_printf(b, "%su%u,%s%si%u,view,%llu\n", names, u, names, other, item,
                       (unsigned long long)when);
        }
    }
    assert_false(b->failed);
}

static void test_protocols__validation_never_sees_the_last_events(void **state)
{
    (void)state;
    struct buf log, other;
    struct protocol_options o = leave_one_out;
    skewed_log(&log, &(struct skew){0});
    skewed_log(&other, &(struct skew){.last = "new"});
    o.report = STAGE_VALIDATION;
    compare(log.data, NULL, other.data, NULL, &o, true);
    o.report = STAGE_TEST;
    compare(log.data, NULL, other.data, NULL, &o, false);
    buf_release(&log);
    buf_release(&other);
}

/* Neither does it learn from them that the log has a clock, or types of events. */
static void test_protocols__validation_concludes_nothing_from_the_test(void **state)
{
    (void)state;
    struct experiment x;
    struct buf log;
    struct protocol_options o = leave_one_out;
    buf_init(&log, 1 << 16);
    buf_puts(&log, "user_id,item_id,event,timestamp\n");
    for (int u = 0; u < 20; u++)
        buf_printf(&log, "u%d,a,view,1\nu%d,b,view,2\nu%d,c,view,3\nu%d,d,purchase,%d\n",
                   u, u, u, u, 1700000000 + 1000 * u);
    split(&x, log.data, NULL, NULL, &o);
    assert_true(x.data.history.has_clock && x.data.n_types > 0);
    experiment_release(&x);
    o.report = STAGE_VALIDATION;
    split(&x, log.data, NULL, NULL, &o);
    assert_true(!x.data.history.has_clock && x.data.n_types == 0);
    assert_int_equal(x.data.history.n_items, 3);
    experiment_release(&x);
    buf_release(&log);
}

static void test_protocols__validation_never_sees_the_test_sessions(void **state)
{
    (void)state;
    struct buf log, second, other;
    struct protocol_options o = sessions;
    skewed_log(&log, &(struct skew){0});
    ring_log(&second, 20, 5, 1);
    ring_log(&other, 20, 5, 2);
    o.report = STAGE_VALIDATION;
    compare(log.data, second.data, log.data, other.data, &o, true);
    o.report = STAGE_TEST;
    compare(log.data, second.data, log.data, other.data, &o, false);
    buf_release(&log);
    buf_release(&second);
    buf_release(&other);
}

static void test_protocols__validation_never_sees_what_comes_after_the_cut(void **state)
{
    (void)state;
    struct buf log, other;
    struct experiment x;
    struct protocol_options o = temporal;
    skewed_log(&log, &(struct skew){.clock = true});
    split(&x, log.data, NULL, NULL, &o);
    int64_t cut = INT64_MAX;
    for (uint64_t i = 0; i < x.data.history.n; i++)
        if (x.split.stage[i] == STAGE_TEST && x.data.history.ts_us[i] < cut)
            cut = x.data.history.ts_us[i];
    experiment_release(&x);
    skewed_log(
        &other,
        &(struct skew){.clock = true, .late = "new", .from = (uint64_t)cut / 1000000});
    o.report = STAGE_VALIDATION;
    compare(log.data, NULL, other.data, NULL, &o, true);
    o.report = STAGE_TEST;
    compare(log.data, NULL, other.data, NULL, &o, false);
    buf_release(&log);
    buf_release(&other);
}

static void test_protocols__names_carry_no_meaning(void **state)
{
    (void)state;
    struct buf log, other;
    skewed_log(&log, &(struct skew){.clock = true});
    skewed_log(&other, &(struct skew){.clock = true, .names = "x9-"});
    compare(log.data, NULL, other.data, NULL, &leave_one_out, true);
    compare(log.data, NULL, other.data, NULL, &temporal, true);
    compare(log.data, log.data, other.data, other.data, &sessions, true);
    buf_release(&log);
    buf_release(&other);
}

/* Users' blocks in the reverse order: counts are the same, and nearly so the answers. */
static void test_protocols__the_order_of_users_carries_no_meaning(void **state)
{
    (void)state;
    struct buf log, reversed;
    struct experiment a, b;
    skewed_log(&log, &(struct skew){0});
    buf_init(&reversed, 1 << 20);
    buf_puts(&reversed, "user_id,item_id,event,timestamp\n");
    for (int u = 59; u >= 0; u--) {
        char name[16];
        const int len = snprintf(name, sizeof(name), "\nu%d,", u);
        for (const char *at = log.data; (at = strstr(at, name)); at += len)
            buf_add(&reversed, at + 1, strcspn(at + 1, "\n") + 1);
    }
    assert_int_equal(log.len, reversed.len);
    split(&a, log.data, NULL, NULL, &leave_one_out);
    split(&b, reversed.data, NULL, NULL, &leave_one_out);
    score(&a, COUNTING);
    score(&b, COUNTING);
    for (uint32_t at = 1; at <= 20; at++)
        assert_value(metrics_ndcg(&a.scores.alone[EVIDENCE_POPULARITY], at),
                     metrics_ndcg(&b.scores.alone[EVIDENCE_POPULARITY], at).value);
    assert_true(fabs(metrics_ndcg(&a.scores.alone[EVIDENCE_COVISITATION], 10).value -
                     metrics_ndcg(&b.scores.alone[EVIDENCE_COVISITATION], 10).value) <
                0.02);
    experiment_release(&a);
    experiment_release(&b);
    buf_release(&log);
    buf_release(&reversed);
}

static void test_protocols__items_are_numbered_by_chance(void **state)
{
    (void)state;
    struct buf log;
    struct experiment a, b;
    struct protocol_options o = leave_one_out;
    ring_log(&log, 50, 8, 3);
    split(&a, log.data, NULL, NULL, &o);
    o.seed = 2;
    split(&b, log.data, NULL, NULL, &o);
    assert_int_equal(a.data.history.n_items, 16);
    assert_memory_not_equal(a.data.history.item, b.data.history.item, 64);
    uint32_t in_order = 0;
    for (uint64_t i = 1; i < 16; i++)
        in_order += a.data.history.item[i] == a.data.history.item[i - 1] + 1;
    assert_true(in_order < 8);
    experiment_release(&a);
    experiment_release(&b);
    buf_release(&log);
}

static void test_protocols__without_a_clock_users_are_counted_side_by_side(void **state)
{
    (void)state;
    struct experiment x;
    struct buf log;
    struct places order;
    buf_init(&log, 1 << 16);
    buf_puts(&log, "user_id,item_id,event,timestamp\n");
    for (int i = 0; i < 102; i++)
        buf_printf(&log, "long,i%d,view,%d\n", i, i + 1);
    for (int i = 0; i < 4; i++)
        buf_printf(&log, "short,i%d,view,%d\n", i, i + 1);
    split(&x, log.data, NULL, NULL, &leave_one_out);
    assert_int_equal(protocol_order(&x.split, STAGE_FIT, &order, NULL), 0);
    assert_int_equal(order.n, 102);
    size_t place[2], n = 0;
    for (size_t i = 0; i < order.n; i++) {
        if (order.user[i] == 1)
            place[n++] = i;
        if (i && order.user[i] == order.user[i - 1])
            assert_true(order.at[i] > order.at[i - 1]);
    }
    assert_int_equal(n, 2);
    assert_in_range(place[0], 24, 26); /* a quarter and three quarters of the way */
    assert_in_range(place[1], 75, 77);
    places_release(&order);
    experiment_release(&x);
    buf_release(&log);
}

static void test_protocols__with_a_clock_events_are_counted_in_time(void **state)
{
    (void)state;
    struct experiment x;
    struct buf log;
    struct places order;
    skewed_log(&log, &(struct skew){.clock = true});
    split(&x, log.data, NULL, NULL, &leave_one_out);
    assert_int_equal(protocol_order(&x.split, STAGE_FIT, &order, NULL), 0);
    for (size_t i = 1; i < order.n; i++)
        assert_true(x.data.history.ts_us[order.at[i - 1]] <=
                    x.data.history.ts_us[order.at[i]]);
    places_release(&order);
    experiment_release(&x);
    buf_release(&log);
}

/* Views of further users, who are no cases, having at most two. */
static void also(struct buf *log, uint32_t users, const char *first, uint32_t a,
                 const char *then, uint32_t b)
{
    static uint32_t user;
    for (uint32_t i = 0; i < users; i++, user++) {
        buf_printf(log, "also%u,%s%u,view,1\n", user, first, a);
        if (then)
            buf_printf(log, "also%u,%s%u,view,2\n", user, then, b);
    }
}

/*
 * Even users go to what is popular, from items that others leave for elsewhere; odd users
 * follow the others through rare items. Popularity alone is perfect for the even ones and
 * co-visitation alone for the odd ones, so under the weights of the other half each must
 * be ranked no better than by the wrong source and its ties.
 */
static void test_protocols__validation_weights_come_from_the_other_half(void **state)
{
    (void)state;
    struct buf log;
    struct experiment x;
    struct protocol_options o = leave_one_out;
    buf_init(&log, 1 << 20);
    buf_puts(&log, "user_id,item_id,event,timestamp\n");
    for (uint32_t u = 0; u < 100; u++)
        if (u % 2)
            buf_printf(&log, "u%u,from%u,view,1\nu%u,to%u,view,2\nu%u,end,view,3\n", u,
                       u % 8, u, u % 8, u);
        else
            buf_printf(&log, "u%u,lure%u,view,1\nu%u,top0,view,2\nu%u,end,view,3\n", u,
                       u % 8, u, u);
    also(&log, 300, "top", 0, NULL, 0);
    for (uint32_t i = 0; i < 8; i++) {
        also(&log, 9, "from", i, "to", i);
        also(&log, 20, "lure", i, "away", i);
    }
    o.report = STAGE_VALIDATION;
    split(&x, log.data, NULL, NULL, &o);
    score(&x, COUNTING);
    const uint32_t *together = x.scores.sum.rank;
    const uint32_t *covisitation = x.scores.alone[EVIDENCE_COVISITATION].rank;
    const uint32_t *popularity = x.scores.alone[EVIDENCE_POPULARITY].rank;
    assert_int_equal(x.scores.cases, 100);
    for (size_t c = 0; c < 100; c++) {
        assert_int_equal(c % 2 ? covisitation[c] : popularity[c], 0);
        assert_int_not_equal(c % 2 ? popularity[c] : covisitation[c], 0);
        /* Ties of the wrong source may be broken by the other one. */
        assert_in_range(together[c], 1, c % 2 ? popularity[c] : covisitation[c]);
    }
    experiment_release(&x);
    buf_release(&log);
}

/* ---- content --------------------------------------------------------------------- */

enum { KIND_ITEMS = 12 };

static void title_items(struct buf *items, const char *late_title)
{
    static const char *const kind[] = {"green tea leaves", "running shoes light"};
    buf_puts(items, "item_id,title,category\n");
    for (int i = 0; i < 2 * KIND_ITEMS; i++)
        buf_printf(items, "i%d,%s no%d,c%d|k%d\n", i, kind[i % 2], i, i % 5, i % 2);
    buf_printf(items, "late,%s,\n", late_title);
}

/* Users keep to one kind of item, whose titles share words; co-visits tell nothing. */
static void kind_log(struct buf *log, uint32_t users, bool late)
{
    struct rng rng;
    rng_init(&rng, 17, 0);
    buf_puts(log, "user_id,item_id,event,timestamp\n");
    for (uint32_t u = 0; u < users; u++) {
        uint32_t order[KIND_ITEMS];
        for (uint32_t i = 0; i < KIND_ITEMS; i++)
            order[i] = 2 * i + u % 2;
        rng_shuffle(&rng, order, KIND_ITEMS);
        for (uint32_t i = 0; i < 5; i++)
            buf_printf(log, "u%u,i%u,view,%u\n", u, order[i],
                       1700000000 + 100000 * i + u);
        if (late && u % 2)
            buf_printf(log, "u%u,late,view,%u\n", u, 1700000000 + 900000 + u);
    }
}

static void describe(struct experiment *x)
{
    struct pool *pool = pool_new(2);
    struct penchant_error err;
    assert_int_equal(dataset_describe(&x->data, protocol_learned(&x->split), pool, &err),
                     PENCHANT_OK);
    pool_free(pool);
}

static void test_protocols__content_finds_what_says_the_same(void **state)
{
    (void)state;
    struct buf log, items;
    struct experiment x;
    buf_init(&log, 1 << 20);
    buf_init(&items, 1 << 16);
    kind_log(&log, 60, false);
    title_items(&items, "nobody wants it");
    split(&x, log.data, NULL, items.data, &leave_one_out);
    describe(&x);
    score(&x, 1U << EVIDENCE_CONTENT);
    /* Four items are seen, eight of the kind are left: all of them among the first ten. */
    assert_value(metrics_of(&x.scores.alone[EVIDENCE_CONTENT], METRICS_HR, 10), 1);
    experiment_release(&x);
    split(&x, log.data, NULL, NULL, &leave_one_out);
    describe(&x); /* nothing is said of any item: equal scores are misses */
    score(&x, 1U << EVIDENCE_CONTENT);
    assert_value(metrics_of(&x.scores.alone[EVIDENCE_CONTENT], METRICS_HR, 10), 0);
    experiment_release(&x);
    buf_release(&log);
    buf_release(&items);
}

/* What comes with the test may be described in the space, but does not shape it. */
static void test_protocols__the_content_space_knows_only_what_was_learned(void **state)
{
    (void)state;
    struct buf log, items[2];
    struct experiment x[2];
    buf_init(&log, 1 << 20);
    kind_log(&log, 60, true);
    for (int i = 0; i < 2; i++) {
        buf_init(&items[i], 1 << 16);
        title_items(&items[i], i ? "green tea shoes" : "light leaves no3 no4");
        split(&x[i], log.data, NULL, items[i].data, &temporal);
        describe(&x[i]);
        assert_int_equal(x[i].data.n_items[STAGE_TEST], 2 * KIND_ITEMS + 1);
    }
    const uint32_t n = x[0].data.n_items[STAGE_FIT], dim = x[0].data.content_dim;
    assert_in_range(n, 2, 2 * KIND_ITEMS);
    assert_int_equal(dim, x[1].data.content_dim);
    assert_memory_equal(x[0].data.content, x[1].data.content,
                        (size_t)n * dim * sizeof(float));
    const size_t late = (size_t)2 * KIND_ITEMS * dim;
    assert_memory_not_equal(x[0].data.content + late, x[1].data.content + late,
                            dim * sizeof(float));
    for (int i = 0; i < 2; i++) {
        experiment_release(&x[i]);
        buf_release(&items[i]);
    }
    buf_release(&log);
}

/* ---- cold-items ------------------------------------------------------------------ */

static const struct protocol_options cold_items = {.kind = PROTOCOL_COLD_ITEMS,
                                                   .report = STAGE_VALIDATION,
                                                   .min_prefix = 1,
                                                   .cold_share = 0.3,
                                                   .seed = 1};

/* Of hidden items only the reported events are left, and training has none at all. */
static void test_protocols__hidden_items_are_in_no_lesson(void **state)
{
    (void)state;
    struct buf log, items;
    struct experiment x;
    struct history h;
    uint64_t *train_end = NULL;
    buf_init(&log, 1 << 20);
    buf_init(&items, 1 << 16);
    kind_log(&log, 60, false);
    title_items(&items, "nobody wants it");
    split(&x, log.data, NULL, items.data, &cold_items);
    const struct history *all = &x.data.history;
    size_t hidden = 0;
    for (uint64_t i = 0; i < all->n; i++) {
        hidden += all->item[i] >= x.split.n_warm;
        assert_true(all->item[i] < x.split.n_warm ||
                    x.split.stage[i] == STAGE_VALIDATION);
    }
    assert_true(hidden > 0 && x.split.n_warm < all->n_items);
    assert_int_equal(protocol_learned(&x.split), x.split.n_warm);
    assert_int_equal(protocol_training(&x.split, &h, &train_end, NULL), 0);
    for (uint32_t u = 0; u < h.n_users; u++)
        for (uint64_t i = h.start[u]; i < h.start[u + 1]; i++)
            assert_true(h.item[i] < x.split.n_warm);
    history_release(&h);
    free(train_end);
    experiment_release(&x);
    buf_release(&log);
    buf_release(&items);
}

/* A bit for each hidden item, by the number in its name. */
static uint32_t hidden_names(const char *events, double share, uint64_t seed)
{
    struct experiment x;
    struct protocol_options o = cold_items;
    uint32_t names = 0;
    o.cold_share = share;
    o.seed = seed;
    split(&x, events, NULL, NULL, &o);
    for (uint32_t i = x.split.n_warm; i < x.data.history.n_items; i++)
        names |= 1U << strtoul(names_text(&x.data.catalog.ids, x.data.catalog_of[i]) + 1,
                               NULL, 10);
    experiment_release(&x);
    return names;
}

/* The log's lines from the last to the first, with another first letter of all items. */
static void turn_around(struct buf *out, const struct buf *log, char letter)
{
    const char *header_end = strchr(log->data, '\n'), *end = log->data + log->len - 1;
    buf_printf(out, "%.*s\n", (int)(header_end - log->data), log->data);
    while (end > header_end) {
        const char *line = end;
        while (line[-1] != '\n')
            line--;
        const int user = (int)(strchr(line, ',') - line);
        buf_printf(out, "%.*s,%c%.*s\n", user, line, letter, (int)(end - line) - user - 2,
                   line + user + 2);
        end = line - 1;
    }
}

/* What is hidden goes by name and seed, not by where the file has it; more of it takes
   nothing back. */
static void test_protocols__names_and_the_seed_hide_items(void **state)
{
    (void)state;
    struct buf log, same, renamed;
    buf_init(&log, 1 << 20);
    buf_init(&same, 1 << 20);
    buf_init(&renamed, 1 << 20);
    kind_log(&log, 60, false);
    turn_around(&same, &log, 'i');
    turn_around(&renamed, &log, 'j');
    assert_int_equal(same.len, log.len);
    const uint32_t hidden = hidden_names(log.data, 0.3, 1);
    assert_in_range(__builtin_popcount(hidden), 3, 12);
    assert_int_equal(hidden_names(same.data, 0.3, 1), hidden);
    assert_int_not_equal(hidden_names(renamed.data, 0.3, 1), hidden);
    assert_int_not_equal(hidden_names(log.data, 0.3, 2), hidden);
    const uint32_t more = hidden_names(log.data, 0.6, 1);
    assert_int_equal(more & hidden, hidden);
    assert_true(__builtin_popcount(more) > __builtin_popcount(hidden));
    buf_release(&log);
    buf_release(&same);
    buf_release(&renamed);
}

/* Counting never finds a hidden item, content does; the two parts are the whole. */
static void test_protocols__content_finds_hidden_items(void **state)
{
    (void)state;
    struct buf log, items;
    struct experiment x;
    buf_init(&log, 1 << 20);
    buf_init(&items, 1 << 16);
    kind_log(&log, 60, false);
    title_items(&items, "nobody wants it");
    split(&x, log.data, NULL, items.data, &cold_items);
    describe(&x);
    score(&x, COUNTING | 1U << EVIDENCE_CONTENT);
    const struct metrics *cold = x.scores.cold, *warm = x.scores.warm;
    const int sum = EVIDENCE_SOURCES;
    assert_int_equal(cold[sum].n + warm[sum].n, x.scores.cases);
    assert_true(cold[sum].n > 5 && warm[sum].n > 5);
    assert_value(metrics_of(&cold[EVIDENCE_COVISITATION], METRICS_HR, 10), 0);
    assert_true(metrics_of(&cold[EVIDENCE_CONTENT], METRICS_HR, 10).value > 0.9);
    const double n = (double)x.scores.cases;
    assert_value(metrics_of(&x.scores.sum, METRICS_HR, 10),
                 (metrics_of(&cold[sum], METRICS_HR, 10).value * (double)cold[sum].n +
                  metrics_of(&warm[sum], METRICS_HR, 10).value * (double)warm[sum].n) /
                     n);
    experiment_release(&x);
    buf_release(&log);
    buf_release(&items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protocols__leave_one_out_holds_out_the_last_two),
        cmocka_unit_test(test_protocols__training_sees_no_test_event),
        cmocka_unit_test(test_protocols__equal_times_keep_the_files_order),
        cmocka_unit_test(test_protocols__targets_seen_before_are_misses),
        cmocka_unit_test(test_protocols__covisitation_foresees_a_ring),
        cmocka_unit_test(test_protocols__the_state_sees_the_validation_event),
        cmocka_unit_test(test_protocols__every_position_of_a_session_is_a_case),
        cmocka_unit_test(test_protocols__unknown_items_before_a_case_are_skipped),
        cmocka_unit_test(
            test_protocols__the_test_counts_validation_and_validation_does_not),
        cmocka_unit_test(test_protocols__validation_sessions_are_the_last_tenth),
        cmocka_unit_test(test_protocols__a_report_needs_cases),
        cmocka_unit_test(test_protocols__temporal_cuts_at_one_moment),
        cmocka_unit_test(test_protocols__temporal_is_refused_without_a_clock),
        cmocka_unit_test(test_protocols__temporal_needs_different_times),
        cmocka_unit_test(test_protocols__validation_never_sees_the_last_events),
        cmocka_unit_test(test_protocols__validation_concludes_nothing_from_the_test),
        cmocka_unit_test(test_protocols__validation_never_sees_the_test_sessions),
        cmocka_unit_test(test_protocols__validation_never_sees_what_comes_after_the_cut),
        cmocka_unit_test(test_protocols__names_carry_no_meaning),
        cmocka_unit_test(test_protocols__the_order_of_users_carries_no_meaning),
        cmocka_unit_test(test_protocols__items_are_numbered_by_chance),
        cmocka_unit_test(test_protocols__without_a_clock_users_are_counted_side_by_side),
        cmocka_unit_test(test_protocols__with_a_clock_events_are_counted_in_time),
        cmocka_unit_test(test_protocols__validation_weights_come_from_the_other_half),
        cmocka_unit_test(test_protocols__content_finds_what_says_the_same),
        cmocka_unit_test(test_protocols__the_content_space_knows_only_what_was_learned),
        cmocka_unit_test(test_protocols__hidden_items_are_in_no_lesson),
        cmocka_unit_test(test_protocols__names_and_the_seed_hide_items),
        cmocka_unit_test(test_protocols__content_finds_hidden_items),
    };
    return cmocka_run_group_tests_name("protocols", tests, NULL, NULL);
}
