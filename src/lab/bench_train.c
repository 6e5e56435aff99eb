/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant bench train: target positions per second of training, beside
 *   a peer    a script that trains the same shape and prints a JSON line with
 *             "tokens_per_s_median", run in alternation (--peer)
 *   the peak  what matrix products of this machine reach in float and bfloat16
 *   a large catalogue  with --catalogue N: the time of a step under sampled softmax with
 * N items over that with 20,000
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/progress.h"
#include "base/rng.h"
#include "base/timing.h"
#include "behaviour/event.h"
#include "cli/cli.h"
#include "kernels/kernels.h"
#include "lab/bench.h"
#include "lab/dataset.h"
#include "learn/train.h"

static const char COMMAND[] = "bench train";

enum { MAX_ROUNDS = 51, FEW_ITEMS = 20000 };

struct train_bench {
    const char *events, *peer;
    struct penchant_train_options o;
    uint32_t rounds, catalogue;
    double seconds;     /* of training a round */
    struct history log; /* what is trained on */
    uint64_t *train_end;
    double flops_a_token; /* multiplications and additions, forward and backward */
};

/* ---- logs ---------------------------------------------------------------------- */

/* Users with histories of random items, frequent ones more often. */
static int make_log(struct history *h, uint32_t users, uint32_t length, uint32_t items,
                    struct penchant_error *err)
{
    struct history_builder b;
    struct rng rng;
    int status = PENCHANT_OK;
    history_builder_init(&b);
    rng_init(&rng, 1, 7);
    for (uint32_t u = 0; u < users && status == PENCHANT_OK; u++) {
        const uint32_t n = length / 2 + rng_below(&rng, length);
        for (uint32_t i = 0; i < n && status == PENCHANT_OK; i++) {
            const double share = rng_double(&rng) * rng_double(&rng);
            status =
                history_builder_add(&b, u, (uint32_t)(share * items), EVENT_VIEW, i + 1);
        }
    }
    if (status == PENCHANT_OK)
        status = history_builder_finish(&b, users, items, h, err);
    history_builder_release(&b);
    return status;
}

static int read_log(struct train_bench *b, struct penchant_error *err)
{
    if (!b->events)
        return make_log(&b->log, 6040, 165, 3416, err);
    struct dataset d;
    const struct dataset_options o = {.events = {b->events}};
    int status = dataset_read(&d, &o, err);
    if (status != PENCHANT_OK)
        return status;
    b->log = d.history; /* taken over: an empty one is released in its place */
    d.history = (struct history){0};
    dataset_release(&d);
    return PENCHANT_OK;
}

/* Everything but the last two of each user, as leave-one-out trains. */
static uint64_t *all_but_two(const struct history *h)
{
    uint64_t *end = malloc((h->n_users + (size_t)1) * sizeof(*end));
    for (uint32_t u = 0; end && u < h->n_users; u++) {
        const uint64_t n = h->start[u + 1] - h->start[u];
        end[u] = h->start[u + 1] - (n > 2 ? 2 : 0);
    }
    return end;
}

/* ---- ours ---------------------------------------------------------------------- */

struct run {
    double tokens_per_s, step_ms;
};

static int run_ours(const struct train_bench *b, const struct history *h,
                    const uint64_t *train_end, struct run *out,
                    struct penchant_error *err)
{
    const struct train_data data = {.history = h, .train_end = train_end};
    struct penchant_train_options asked = b->o;
    struct penchant_train_report report;
    struct train_options o;
    struct model *m = NULL;
    asked.minutes = b->seconds / 60;
    int status = train_options_from(&o, &asked, &data, err);
    if (status == PENCHANT_OK)
        status = train_run(&m, &data, &o, &report, err);
    model_free(m);
    if (status == PENCHANT_OK)
        *out = (struct run){
            .tokens_per_s = report.tokens_per_s,
            .step_ms =
                1000 * (double)report.tokens / report.tokens_per_s / (double)report.steps,
        };
    return status;
}

/* Products and sums of one token on the way there and three times that with the way back:
   projections, feed-forward, attention over half a window, scores. */
static double flops_a_token(const struct train_bench *b, const struct train_options *o)
{
    const struct model_config *c = &o->model;
    const double d = c->dim, length = (double)b->log.n / b->log.n_users;
    const double window = length < c->max_length ? length : c->max_length;
    const double block = (c->gated ? 5 : 4) * d * d + 2.0 * c->ffn_dim * d + window * d;
    const double scores = o->loss == TRAIN_FULL ? c->n_items : o->negatives;
    return 6 * (c->blocks * block + scores * d);
}

/* ---- the peer and the peak ----------------------------------------------------- */

static int run_peer(const struct train_bench *b, const struct train_options *o,
                    uint32_t threads, double *tokens_per_s)
{
    static const char *const loss[] = {"full", "full", "gbce"};
    char command[2048], line[4096] = "";
    snprintf(command, sizeof(command),
             "/usr/bin/python3 '%s' '%s' --dim %u --blocks %u --length %u --loss %s "
             "--negatives %u --threads %u",
             b->peer, b->events, o->model.dim, o->model.blocks, o->model.max_length,
             loss[o->loss], o->negatives, threads);
    FILE *p = popen(command, "r");
    if (!p)
        return -1;
    if (!fgets(line, sizeof(line), p))
        line[0] = 0;
    const char *at = strstr(line, "\"tokens_per_s_median\": ");
    *tokens_per_s = at ? strtod(at + 23, NULL) : 0;
    return pclose(p) == 0 && *tokens_per_s > 0 ? 0 : -1;
}

/* GFLOP/s of one thread on a product that stays in the first-level cache. */
static double peak_float(void)
{
    static float a[96 * 64], b[64 * 64], c[96 * 64];
    const struct gemm g = {.m = 96,
                           .n = 64,
                           .k = 64,
                           .a = a,
                           .a_row = 64,
                           .a_col = 1,
                           .b = b,
                           .ldb = 64,
                           .c = c,
                           .ldc = 64};
    double best = 0;
    for (int round = 0; round < 20; round++) {
        const int64_t began = timing_steady_ns();
        for (int i = 0; i < 2000; i++)
            kernels_get()->gemm(&g);
        const double ns = (double)(timing_steady_ns() - began);
        best = fmax(best, 2000.0 * 2 * 96 * 64 * 64 / ns);
    }
    return best;
}

static double peak_bf16(void)
{
    static uint32_t a[96 * 64], b[64 * 64];
    static float c[96 * 64];
    const struct kernels_bf16 *k = kernels_bf16_get();
    const struct gemm_pairs g = {.m = 96,
                                 .n = 64,
                                 .k = 64,
                                 .a = a,
                                 .a_row = 64,
                                 .a_col = 1,
                                 .b = b,
                                 .ldb = 64,
                                 .c = c,
                                 .ldc = 64};
    double best = 0;
    for (int round = 0; k && round < 20; round++) {
        const int64_t began = timing_steady_ns();
        for (int i = 0; i < 2000; i++)
            k->gemm(&g);
        const double ns = (double)(timing_steady_ns() - began);
        best = fmax(best, 2000.0 * 4 * 96 * 64 * 64 / ns);
    }
    return best;
}

/* ---- the command --------------------------------------------------------------- */

static int against_peer(struct train_bench *b, int argc, char **argv, bool json,
                        const char *csv, struct penchant_error *err)
{
    double ours[MAX_ROUNDS], peer[MAX_ROUNDS], ratio[MAX_ROUNDS], one = 0, two = 0;
    const struct train_data data = {.history = &b->log, .train_end = b->train_end};
    struct train_options o;
    struct rusage usage;
    int status = train_options_from(&o, &b->o, &data, err);
    if (status != PENCHANT_OK)
        return status;
    if (b->peer && (run_peer(b, &o, 1, &one) != 0 || run_peer(b, &o, 2, &two) != 0))
        return error_set(err, PENCHANT_EIO, "the peer %s failed", b->peer);
    for (uint32_t i = 0; i < b->rounds; i++) {
        struct run run;
        status = run_ours(b, &b->log, b->train_end, &run, err);
        if (status != PENCHANT_OK)
            return status;
        ours[i] = run.tokens_per_s;
        peer[i] = NAN;
        if (b->peer && run_peer(b, &o, one > two ? 1 : 2, &peer[i]) != 0)
            return error_set(err, PENCHANT_EIO, "the peer %s failed", b->peer);
        ratio[i] = ours[i] / peer[i];
        fprintf(stderr, "round %u: %.0f tokens/s, peer %.0f, ratio %.1f\n", i + 1,
                ours[i], peer[i], ratio[i]);
    }
    getrusage(RUSAGE_SELF, &usage);
    const double median = bench_quantile(ours, b->rounds, 0.5);
    const double gflops = median * flops_a_token(b, &o) * 1e-9;
    const double threads = o.threads, float_peak = peak_float() * threads;
    const double bf16_peak = peak_bf16() * threads;
    const struct bench_figure figure[] = {
        {"tokens_per_s", median},
        {"peer_tokens_per_s", b->peer ? bench_quantile(peer, b->rounds, 0.5) : NAN},
        {"peer_threads", b->peer ? (one > two ? 1 : 2) : NAN},
        {"ratio", b->peer ? bench_quantile(ratio, b->rounds, 0.5) : NAN},
        {"rounds", b->rounds},
        {"peak_mb", (double)usage.ru_maxrss / 1024},
        {"gflops", gflops},
        {"share_of_float_peak", gflops / float_peak},
        {"share_of_bf16_peak", bf16_peak > 0 ? gflops / bf16_peak : NAN},
    };
    return bench_print(argc, argv, figure, sizeof(figure) / sizeof(figure[0]), json, csv);
}

static int against_catalogue(struct train_bench *b, int argc, char **argv, bool json,
                             const char *csv, struct penchant_error *err)
{
    struct history few = {0}, many = {0};
    double few_ms[MAX_ROUNDS], many_ms[MAX_ROUNDS], ratio[MAX_ROUNDS];
    uint64_t *few_end = NULL, *many_end = NULL;
    int status = make_log(&few, 20000, 60, FEW_ITEMS, err);
    if (status == PENCHANT_OK)
        status = make_log(&many, 20000, 60, b->catalogue, err);
    few_end = status == PENCHANT_OK ? all_but_two(&few) : NULL;
    many_end = status == PENCHANT_OK ? all_but_two(&many) : NULL;
    if (status == PENCHANT_OK && (!few_end || !many_end))
        status = error_memory(err);
    b->o.loss = "sampled";
    for (uint32_t i = 0; i < b->rounds && status == PENCHANT_OK; i++) {
        struct run a = {0}, z = {0};
        status = run_ours(b, &few, few_end, &a, err);
        if (status == PENCHANT_OK)
            status = run_ours(b, &many, many_end, &z, err);
        few_ms[i] = a.step_ms;
        many_ms[i] = z.step_ms;
        ratio[i] = z.step_ms / a.step_ms;
        fprintf(stderr, "round %u: %.1f ms a step, %.1f ms, ratio %.2f\n", i + 1,
                a.step_ms, z.step_ms, ratio[i]);
    }
    if (status == PENCHANT_OK) {
        const struct bench_figure figure[] = {
            {"few_items", FEW_ITEMS},
            {"many_items", b->catalogue},
            {"few_step_ms", bench_quantile(few_ms, b->rounds, 0.5)},
            {"many_step_ms", bench_quantile(many_ms, b->rounds, 0.5)},
            {"ratio", bench_quantile(ratio, b->rounds, 0.5)},
            {"rounds", b->rounds},
        };
        status = bench_print(argc, argv, figure, sizeof(figure) / sizeof(figure[0]), json,
                             csv);
    }
    history_release(&few);
    history_release(&many);
    free(few_end);
    free(many_end);
    return status;
}

int bench_train(int argc, char **argv)
{
    struct train_bench b = {.rounds = 5, .seconds = 5};
    struct penchant_error err = {0};
    const char *csv = NULL;
    bool json = false;
    penchant_train_options_default(&b.o);
    b.o.preset = "sasrec";
    b.o.loss = "full";
    b.o.dim = 64;
    b.o.blocks = 2;
    b.o.heads = 1;
    b.o.negatives = 256;
    b.o.max_length = 200;
    const struct cli_option options[] = {
        {"events", 0, CLI_STRING, &b.events, "F", "made up", 0, 0, "the log to train on"},
        {"peer", 0, CLI_STRING, &b.peer, "SCRIPT", "none", 0, 0,
         "a Python script to measure against; needs --events"},
        {"catalogue", 0, CLI_U32, &b.catalogue, "N", "off", 0, 1e8,
         "instead: a step with N items over one with 20,000"},
        {"preset", 0, CLI_STRING, &b.o.preset, "P", NULL, 0, 0, "gated, hstu or sasrec"},
        {"loss", 0, CLI_STRING, &b.o.loss, "L", NULL, 0, 0, "full, sampled or gbce"},
        {"dim", 0, CLI_U32, &b.o.dim, "N", NULL, 4, 1024, "width of the model"},
        {"blocks", 0, CLI_U32, &b.o.blocks, "N", NULL, 1, MODEL_MAX_BLOCKS, "blocks"},
        {"heads", 0, CLI_U32, &b.o.heads, "N", NULL, 1, 64, "attention heads"},
        {"negatives", 0, CLI_U32, &b.o.negatives, "N", NULL, 1, 65536, "drawn items"},
        {"max-length", 0, CLI_U32, &b.o.max_length, "N", NULL, 2, 4096, "the window"},
        {"threads", 0, CLI_U32, &b.o.threads, "N", NULL, 1, 256, "threads"},
        {"rounds", 0, CLI_U32, &b.rounds, "N", NULL, 1, MAX_ROUNDS,
         "rounds; medians count"},
        {"seconds", 0, CLI_DOUBLE, &b.seconds, "S", NULL, 0.1, 3600,
         "of training a round"},
        CLI_JSON(&json),
        BENCH_CSV(&csv),
    };
    const struct cli_spec spec = {
        COMMAND, "training steps: positions per second, large catalogues",
        "Positions are targets in the loss; batch making is included.", options,
        sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    if (b.peer && !b.events)
        return cli_fail(CLI_USAGE, COMMAND, "--peer needs --events, which both train on");
    if (b.catalogue) {
        status = against_catalogue(&b, argc, argv, json, csv, &err);
    } else {
        status = read_log(&b, &err);
        b.train_end = status == PENCHANT_OK ? all_but_two(&b.log) : NULL;
        if (status == PENCHANT_OK)
            status = b.train_end ? against_peer(&b, argc, argv, json, csv, &err)
                                 : error_memory(&err);
        history_release(&b.log);
        free(b.train_end);
    }
    return status < 0 ? cli_fail_error(COMMAND, &err) : status;
}
