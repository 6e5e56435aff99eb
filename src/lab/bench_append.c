/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant bench append: CPU time of one event into a user's encoder state, and of one
 * query, against encoding the whole history anew. Appends go through full windows too, so
 * their mean holds the cost of dropping and encoding again.
 */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/timing.h"
#include "cli/cli.h"
#include "lab/bench.h"
#include "model/encoder.h"

static const char COMMAND[] = "bench append";

struct append_bench {
    uint32_t dim, blocks, heads, history, items, events;
    const char *preset;
    struct model *model;
    struct encoder *encoder;
    struct encoder_state *state;
    uint32_t *item; /* (history + events) */
    uint8_t *type;
    int64_t *ts_us;
    double *append_us, *query_us; /* (events) */
    double anew_us;
    float *vector; /* (dim) */
};

static int make_model(struct append_bench *b, struct penchant_error *err)
{
    struct model_config c = {.dim = b->dim,
                             .blocks = b->blocks,
                             .heads = b->heads,
                             .max_length = b->history,
                             .position = true,
                             .gap = true,
                             .temperature = 1,
                             .n_items = b->items,
                             .n_types = 10};
    if (strcmp(b->preset, "hstu") == 0) {
        c.attention = MODEL_SILU;
        c.gated = c.bias_position = c.bias_time = true;
    } else if (strcmp(b->preset, "sasrec") == 0) {
        c.attention = MODEL_SOFTMAX;
        c.ffn_dim = b->dim;
    } else {
        return error_set(err, PENCHANT_EINVALID, "--preset is sasrec or hstu");
    }
    const int status = model_new(&b->model, &c, NULL, NULL, err);
    if (status)
        return status;
    model_initialise(b->model, 1);
    return encoder_new(&b->encoder, b->model, err);
}

static int make_events(struct append_bench *b, struct penchant_error *err)
{
    const size_t n = (size_t)b->history + b->events;
    struct rng rng;
    b->item = malloc(n * sizeof(*b->item));
    b->type = malloc(n);
    b->ts_us = malloc(n * sizeof(*b->ts_us));
    b->append_us = malloc(b->events * sizeof(double));
    b->query_us = malloc(b->events * sizeof(double));
    b->vector = malloc(b->dim * sizeof(float));
    b->state = encoder_state_new(b->encoder, 0);
    if (!b->item || !b->type || !b->ts_us || !b->append_us || !b->query_us ||
        !b->vector || !b->state)
        return error_memory(err);
    rng_init(&rng, 1, 0);
    for (size_t i = 0; i < n; i++) {
        b->item[i] = rng_below(&rng, b->items);
        b->type[i] = (uint8_t)(1 + rng_below(&rng, 2));
        b->ts_us[i] = (i ? b->ts_us[i - 1] : 1700000000000000) +
                      (int64_t)(rng_double(&rng) * 600e6);
    }
    return PENCHANT_OK;
}

static double cpu_us(int64_t began_ns)
{
    return (double)(timing_thread_cpu_ns() - began_ns) / 1000;
}

/* The median over some times of encoding the first `history` events and asking once. */
static int encode_anew(struct append_bench *b, struct penchant_error *err)
{
    enum { TIMES = 15 };
    double us[TIMES];
    for (int i = 0; i < TIMES; i++) {
        struct encoder_state *s = encoder_state_new(b->encoder, 0);
        if (!s)
            return error_memory(err);
        const int64_t began = timing_thread_cpu_ns();
        encoder_append(b->encoder, s, b->item, b->type, b->ts_us, b->history);
        encoder_query(b->encoder, s, b->ts_us[b->history], b->vector);
        us[i] = cpu_us(began);
        encoder_state_free(s);
    }
    b->anew_us = bench_quantile(us, TIMES, 0.5);
    return PENCHANT_OK;
}

static void append_one_by_one(struct append_bench *b)
{
    encoder_append(b->encoder, b->state, b->item, b->type, b->ts_us, b->history);
    for (uint32_t i = 0; i < b->events; i++) {
        const size_t at = (size_t)b->history + i;
        int64_t began = timing_thread_cpu_ns();
        encoder_append(b->encoder, b->state, b->item + at, b->type + at, b->ts_us + at,
                       1);
        b->append_us[i] = cpu_us(began);
        began = timing_thread_cpu_ns();
        encoder_query(b->encoder, b->state, b->ts_us[at] + 1000000, b->vector);
        b->query_us[i] = cpu_us(began);
    }
}

static void release(struct append_bench *b)
{
    encoder_state_free(b->state);
    encoder_free(b->encoder);
    model_free(b->model);
    free(b->item);
    free(b->type);
    free(b->ts_us);
    free(b->append_us);
    free(b->query_us);
    free(b->vector);
}

static double mean(const double *v, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += v[i];
    return sum / (double)n;
}

int bench_append(int argc, char **argv)
{
    struct append_bench b = {.dim = 64,
                             .blocks = 2,
                             .heads = 1,
                             .history = 200,
                             .items = 20000,
                             .events = 5000,
                             .preset = "hstu"};
    struct penchant_error err = {0};
    const char *csv = NULL;
    bool json = false;
    const struct cli_option options[] = {
        {"preset", 0, CLI_STRING, &b.preset, "P", NULL, 0, 0, "sasrec or hstu"},
        {"dim", 0, CLI_U32, &b.dim, "N", NULL, 8, 1024, "width of the model"},
        {"blocks", 0, CLI_U32, &b.blocks, "N", NULL, 1, MODEL_MAX_BLOCKS, "blocks"},
        {"heads", 0, CLI_U32, &b.heads, "N", NULL, 1, 64, "attention heads"},
        {"history", 0, CLI_U32, &b.history, "N", NULL, 8, 4096,
         "events before, the window"},
        {"items", 0, CLI_U32, &b.items, "N", NULL, 10, 1e7, "items"},
        {"events", 0, CLI_U32, &b.events, "N", NULL, 10, 1e7, "that are appended"},
        CLI_JSON(&json),
        BENCH_CSV(&csv),
    };
    const struct cli_spec spec = {
        COMMAND, "one event into a user's state against encoding anew",
        "CPU time, one thread.", options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    status = CLI_OK;
    if (make_model(&b, &err) || make_events(&b, &err) || encode_anew(&b, &err)) {
        status = cli_fail_error(COMMAND, &err);
    } else {
        append_one_by_one(&b);
        const double append = mean(b.append_us, b.events);
        const double query = mean(b.query_us, b.events);
        const struct bench_figure figure[] = {
            {"append_mean_us", append},
            {"append_p50_us", bench_quantile(b.append_us, b.events, 0.5)},
            {"append_p99_us", bench_quantile(b.append_us, b.events, 0.99)},
            {"query_mean_us", query},
            {"anew_us", b.anew_us},
            {"anew_over_append_and_query", b.anew_us / (append + query)},
        };
        status = bench_print(argc, argv, figure, sizeof(figure) / sizeof(figure[0]), json,
                             csv);
    }
    release(&b);
    return status;
}
