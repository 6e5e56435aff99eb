/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant bench evidence: CPU time of one event into all counting sources, and of one
 * request to each of them (its candidates, and its scores of everybody's candidates).
 *
 * Shoppers come for a session and go, each with a liking for a stretch of the catalogue, popular
 * items more often, and a habit of coming back to what they had.
 */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/timing.h"
#include "behaviour/event.h"
#include "cli/cli.h"
#include "evidence/evidence.h"
#include "lab/bench.h"

static const char COMMAND[] = "bench evidence";

enum {
    RECENT = 64,
    EACH = 100,    /* candidates */
    STRETCH = 300, /* items that one shopper likes */
    PRESENT = 64,  /* shoppers at a time */
    VISIT = 8,     /* events, in the mean */
    REQUESTS_MAX = 100000
};

static const uint32_t COUNTING = 1U << EVIDENCE_COVISITATION | 1U << EVIDENCE_NEIGHBOURS |
                                 1U << EVIDENCE_REPEAT | 1U << EVIDENCE_POPULARITY;

struct shopper {
    uint32_t item[RECENT], n;
    int64_t us[RECENT];
    uint8_t type[RECENT];
};

struct evidence_bench {
    uint32_t items, users, events, requests;
    struct evidence evidence;
    struct shopper *shopper; /* (users) */
    double *request_us;      /* (requests) */
    double source_us[EVIDENCE_SOURCES], event_us;
    struct rng rng;
};

static double cpu_us(int64_t began_ns)
{
    return (double)(timing_thread_cpu_ns() - began_ns) / 1e3;
}

static uint32_t pick(struct evidence_bench *b, uint32_t user)
{
    const struct shopper *s = &b->shopper[user];
    if (s->n > 0 && rng_below(&b->rng, 5) == 0)
        return s->item[s->n - 1 - rng_below(&b->rng, s->n)];
    /* the square of a uniform number prefers the beginning of the stretch */
    const uint32_t far = rng_below(&b->rng, STRETCH);
    const uint32_t home = (uint32_t)(rng_mix(user) % b->items);
    return (home / STRETCH * STRETCH + far * far / STRETCH) % b->items;
}

static void remember(struct shopper *s, const struct evidence_event *e)
{
    if (s->n == RECENT) {
        memmove(s->item, s->item + 1, (RECENT - 1) * sizeof(*s->item));
        memmove(s->us, s->us + 1, (RECENT - 1) * sizeof(*s->us));
        memmove(s->type, s->type + 1, RECENT - 1);
        s->n--;
    }
    s->item[s->n] = e->item;
    s->us[s->n] = e->ts_us;
    s->type[s->n++] = (uint8_t)e->type;
}

static int observe(struct evidence_bench *b)
{
    int64_t spent_ns = 0;
    uint32_t present[PRESENT] = {0};
    for (uint32_t i = 0; i < b->events; i++) {
        uint32_t *who = &present[rng_below(&b->rng, PRESENT)];
        if (i < PRESENT || rng_below(&b->rng, VISIT) == 0)
            *who = rng_below(&b->rng, b->users);
        const uint32_t user = *who;
        struct shopper *s = &b->shopper[user];
        const struct evidence_event e = {
            .user = user,
            .item = pick(b, user),
            .type = rng_below(&b->rng, 10) ? EVENT_VIEW : EVENT_PURCHASE,
            .ts_us = INT64_C(1700000000000000) + i * INT64_C(2000000),
            .recent = s->item,
            .recent_us = s->us,
            .recent_type = s->type,
            .n_recent = s->n,
        };
        const int64_t began = timing_thread_cpu_ns();
        if (evidence_observe(&b->evidence, &e))
            return PENCHANT_ENOMEM;
        spent_ns += timing_thread_cpu_ns() - began;
        remember(s, &e);
    }
    b->event_us = (double)spent_ns / 1e3 / b->events;
    return 0;
}

/* One request; adds what each source took. */
static double ask(struct evidence_bench *b, const struct evidence_query *q)
{
    uint32_t item[EVIDENCE_SOURCES * EACH];
    float score[EVIDENCE_SOURCES * EACH];
    double total = 0;
    const size_t n = evidence_candidates(&b->evidence, COUNTING, q, EACH, item);
    for (uint32_t s = 0; s < EVIDENCE_SOURCES; s++) {
        if (!(COUNTING >> s & 1))
            continue;
        uint32_t own[EACH];
        const int64_t began = timing_thread_cpu_ns();
        evidence_sources[s]->candidates(b->evidence.state[s], q, EACH, own);
        evidence_sources[s]->score(b->evidence.state[s], q, item, n, score);
        const double us = cpu_us(began);
        b->source_us[s] += us / b->requests;
        total += us;
    }
    return total;
}

static void ask_all(struct evidence_bench *b)
{
    for (uint32_t i = 0; i < b->requests; i++) {
        const uint32_t user = rng_below(&b->rng, b->users);
        const struct shopper *s = &b->shopper[user];
        const struct evidence_query q = {
            .user = user,
            .recent = s->item,
            .recent_us = s->us,
            .recent_type = s->type,
            .n_recent = s->n,
            .now_us = INT64_C(1700000000000000) + b->events * INT64_C(2000000),
            .n_items = b->items,
        };
        b->request_us[i] = ask(b, &q);
    }
}

static int run(struct evidence_bench *b, struct penchant_error *err)
{
    const struct evidence_options o = {.has_clock = true,
                                       .half_life_days = EVIDENCE_HALF_LIFE_DAYS};
    rng_init(&b->rng, 1, 0);
    b->shopper = calloc(b->users, sizeof(*b->shopper));
    b->request_us = calloc(b->requests, sizeof(*b->request_us));
    if (evidence_init(&b->evidence, &o))
        return error_memory(err);
    if (!b->shopper || !b->request_us || observe(b))
        return error_memory(err);
    ask_all(b);
    return PENCHANT_OK;
}

int bench_evidence(int argc, char **argv)
{
    struct evidence_bench b = {
        .items = 100000, .users = 50000, .events = 1000000, .requests = 5000};
    struct penchant_error err = {0};
    const char *csv = NULL;
    bool json = false;
    const struct cli_option options[] = {
        {"items", 0, CLI_U32, &b.items, "N", NULL, STRETCH, 1e7, "items"},
        {"users", 0, CLI_U32, &b.users, "N", NULL, 1, 1e7, "shoppers"},
        {"events", 0, CLI_U32, &b.events, "N", NULL, 10, 1e8, "that are observed"},
        {"requests", 0, CLI_U32, &b.requests, "N", NULL, 10, REQUESTS_MAX, "after them"},
        CLI_JSON(&json),
        BENCH_CSV(&csv),
    };
    const struct cli_spec spec = {
        COMMAND, "one event into all counting sources, and one request to them",
        "CPU time, one thread.", options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    status = CLI_OK;
    if (run(&b, &err)) {
        status = cli_fail_error(COMMAND, &err);
    } else {
        const struct bench_figure figure[] = {
            {"event_mean_us", b.event_us},
            {"request_p50_us", bench_quantile(b.request_us, b.requests, 0.5)},
            {"request_p99_us", bench_quantile(b.request_us, b.requests, 0.99)},
            {"covisitation_mean_us", b.source_us[EVIDENCE_COVISITATION]},
            {"neighbours_mean_us", b.source_us[EVIDENCE_NEIGHBOURS]},
            {"repeat_mean_us", b.source_us[EVIDENCE_REPEAT]},
            {"popularity_mean_us", b.source_us[EVIDENCE_POPULARITY]},
        };
        status = bench_print(argc, argv, figure, sizeof(figure) / sizeof(figure[0]), json,
                             csv);
    }
    evidence_release(&b.evidence);
    free(b.shopper);
    free(b.request_us);
    return status;
}
