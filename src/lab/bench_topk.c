/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant bench topk: exact top-k against its peers, in alternation and on one thread: a
 * vectorised fp32 scan of our own, and OpenBLAS sgemv with selection (opened at run time,
 * never linked). Every answer of ours is compared with the definition, topk_scan.
 */
#include "lab/bench.h"

#include <dlfcn.h>
#include <math.h>
#include <stdlib.h>

#include "base/timing.h"
#include "cli/cli.h"
#include "kernels/cpu.h"
#include "lab/bench_fp32.h"
#include "lab/bench_vectors.h"
#include "retrieval/topk.h"

static const char COMMAND[] = "bench topk";
enum { MAX_ROUNDS = 101, MAX_QUERIES = 64, MAX_K = 1000 };

struct settings {
    uint32_t rows, dim, k, rounds, queries;
};

/* Medians for one query. */
struct result {
    double ours_ms, fp32_ms, sgemv_ms; /* NaN: there is no OpenBLAS */
    double ratio;                      /* of the faster peer's time to ours */
    double build_ms;
    bool same;
};

/* ---- the peers ----------------------------------------------------------------- */

struct peers {
    void *library;
    void (*sgemv)(int order, int trans, int m, int n, float alpha, const float *a,
                  int lda, const float *x, int incx, float beta, float *y, int incy);
    float *scores; /* (n) */
};

struct pick {
    float score;
    uint32_t row;
};

/* Keeps the k highest, a heap with the lowest on top. */
static void pick_one(struct pick *heap, uint32_t *n, uint32_t k, float score,
                     uint32_t row)
{
    uint32_t i;
    if (*n < k) {
        for (i = (*n)++; i > 0 && heap[(i - 1) / 2].score > score; i = (i - 1) / 2)
            heap[i] = heap[(i - 1) / 2];
    } else {
        for (i = 0; 2 * i + 1 < k;) {
            uint32_t child = 2 * i + 1;
            child += child + 1 < k && heap[child + 1].score < heap[child].score;
            if (heap[child].score >= score)
                break;
            heap[i] = heap[child];
            i = child;
        }
    }
    heap[i] = (struct pick){score, row};
}

static void fp32_scores(float *out, const float *rows, uint32_t n, uint32_t dim,
                        const float *q)
{
    if (cpu_level() >= CPU_AVX512) {
        bench_fp32_avx512(out, rows, n, dim, q);
        return;
    }
    for (uint32_t r = 0; r < n; r++) {
        const float *e = rows + (size_t)r * dim;
        float lane[16] = {0}, sum = 0;
        uint32_t i = 0;
        for (; dim - i >= 16; i += 16)
            for (uint32_t j = 0; j < 16; j++)
                lane[j] += q[i + j] * e[i + j];
        for (; i < dim; i++)
            sum += q[i] * e[i];
        for (uint32_t j = 0; j < 16; j++)
            sum += lane[j];
        out[r] = sum;
    }
}

/* Blocks of scores stay in the cache, so that the scan reads each row once and writes
 * none. */
static void fp32_search(const struct bench_vectors *d, const float *q, uint32_t k)
{
    enum { BLOCK = 1024 };
    struct pick heap[MAX_K];
    float score[BLOCK];
    uint32_t found = 0;
    for (uint32_t first = 0; first < d->n; first += BLOCK) {
        const uint32_t n = d->n - first < BLOCK ? d->n - first : BLOCK;
        fp32_scores(score, d->rows + (size_t)first * d->dim, n, d->dim, q);
        for (uint32_t r = 0; r < n; r++)
            if (found < k || score[r] > heap[0].score)
                pick_one(heap, &found, k, score[r], first + r);
    }
}

static void sgemv_search(const struct peers *p, const struct bench_vectors *d,
                         const float *q, uint32_t k)
{
    enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111 };
    struct pick heap[MAX_K];
    uint32_t found = 0;
    p->sgemv(ROW_MAJOR, NO_TRANSPOSE, (int)d->n, (int)d->dim, 1, d->rows, (int)d->dim, q,
             1, 0, p->scores, 1);
    for (uint32_t r = 0; r < d->n; r++)
        if (found < k || p->scores[r] > heap[0].score)
            pick_one(heap, &found, k, p->scores[r], r);
}

/* Without OpenBLAS the fp32 scan is the only peer. */
static void open_peers(struct peers *p, uint32_t n)
{
    *p = (struct peers){.scores = malloc(sizeof(float) * n)};
    p->library = dlopen("libopenblas.so.0", RTLD_NOW | RTLD_LOCAL);
    if (!p->library || !p->scores)
        return;
    void (*threads)(int) = NULL;
    *(void **)&p->sgemv = dlsym(p->library, "cblas_sgemv");
    *(void **)&threads = dlsym(p->library, "openblas_set_num_threads");
    if (threads)
        threads(1);
}

static void close_peers(struct peers *p)
{
    free(p->scores);
    if (p->library)
        dlclose(p->library);
}

/* ---- measuring ----------------------------------------------------------------- */

static double since_ms(int64_t began)
{
    return (double)(timing_steady_ns() - began) / 1e6;
}

static bool same_hits(const struct topk_hit *a, const struct topk_hit *b, uint32_t k)
{
    for (uint32_t i = 0; i < k; i++)
        if (a[i].row != b[i].row || a[i].score != b[i].score)
            return false;
    return true;
}

static bool check_answers(const struct topk_index *index, const struct bench_vectors *d,
                          const struct settings *set)
{
    struct topk_hit ours[MAX_K], truth[MAX_K];
    for (uint32_t i = 0; i < set->queries; i++) {
        const float *q = d->queries + (size_t)i * d->dim;
        const int64_t n = topk_search(index, q, set->k, NULL, ours);
        if (n != topk_scan(d->rows, d->n, d->dim, q, set->k, NULL, truth) || n < 0 ||
            !same_hits(ours, truth, (uint32_t)n))
            return false;
    }
    return true;
}

/* One round: all queries with each of the three; times in ms for one query. */
static void one_round(const struct topk_index *index, const struct bench_vectors *d,
                      const struct peers *peers, const struct settings *set, double ms[3])
{
    struct topk_hit hits[MAX_K];
    int64_t began = timing_steady_ns();
    for (uint32_t i = 0; i < set->queries; i++)
        topk_search(index, d->queries + (size_t)i * d->dim, set->k, NULL, hits);
    ms[0] = since_ms(began) / set->queries;
    began = timing_steady_ns();
    for (uint32_t i = 0; i < set->queries; i++)
        fp32_search(d, d->queries + (size_t)i * d->dim, set->k);
    ms[1] = since_ms(began) / set->queries;
    began = timing_steady_ns();
    for (uint32_t i = 0; peers->sgemv && i < set->queries; i++)
        sgemv_search(peers, d, d->queries + (size_t)i * d->dim, set->k);
    ms[2] = peers->sgemv ? since_ms(began) / set->queries : NAN;
}

static void measure(const struct topk_index *index, const struct bench_vectors *d,
                    const struct peers *peers, const struct settings *set,
                    struct result *out)
{
    double times[3][MAX_ROUNDS], ratio[MAX_ROUNDS], ms[3];
    one_round(index, d, peers, set, ms); /* to warm up */
    for (uint32_t r = 0; r < set->rounds; r++) {
        one_round(index, d, peers, set, ms);
        for (uint32_t j = 0; j < 3; j++)
            times[j][r] = ms[j];
        ratio[r] = fmin(ms[1], ms[2]) / ms[0];
    }
    out->ours_ms = bench_quantile(times[0], set->rounds, 0.5);
    out->fp32_ms = bench_quantile(times[1], set->rounds, 0.5);
    out->sgemv_ms = bench_quantile(times[2], set->rounds, 0.5);
    out->ratio = bench_quantile(ratio, set->rounds, 0.5);
}

static int run_case(const char *name, const struct settings *set, struct result *out,
                    struct penchant_error *err)
{
    struct bench_vectors d;
    struct peers peers = {0};
    struct topk_index *index = NULL;
    *out = (struct result){0};
    int status = bench_vectors_init(&d, name, set->rows, set->dim, set->queries)
                     ? PENCHANT_OK
                     : error_memory(err);
    const int64_t began = timing_steady_ns();
    if (!status)
        status = topk_index_new(&index, d.rows, set->rows, set->dim, err);
    if (!status) {
        out->build_ms = since_ms(began);
        open_peers(&peers, set->rows);
        out->same = check_answers(index, &d, set);
        measure(index, &d, &peers, set, out);
    }
    close_peers(&peers);
    topk_index_free(index);
    bench_vectors_release(&d);
    return status;
}

/* ---- the whole ----------------------------------------------------------------- */

enum { CASES = 3 };
static const char *const cases[CASES] = {"random", "trained-like", "near-duplicate"};

static int report(int argc, char **argv, const struct result r[CASES], bool json,
                  const char *csv)
{
    const bool same = r[0].same && r[1].same && r[2].same;
    const struct bench_figure figure[] = {
        {"random_ours_ms", r[0].ours_ms},
        {"random_fp32_scan_ms", r[0].fp32_ms},
        {"random_openblas_ms", r[0].sgemv_ms},
        {"random_ratio", r[0].ratio},
        {"random_build_ms", r[0].build_ms},
        {"trained_ours_ms", r[1].ours_ms},
        {"trained_fp32_scan_ms", r[1].fp32_ms},
        {"trained_openblas_ms", r[1].sgemv_ms},
        {"trained_ratio", r[1].ratio},
        {"trained_build_ms", r[1].build_ms},
        {"duplicate_ours_ms", r[2].ours_ms},
        {"duplicate_fp32_scan_ms", r[2].fp32_ms},
        {"duplicate_openblas_ms", r[2].sgemv_ms},
        {"duplicate_ratio", r[2].ratio},
        {"duplicate_build_ms", r[2].build_ms},
        {"same_ids", same},
    };
    const int status =
        bench_print(argc, argv, figure, sizeof(figure) / sizeof(figure[0]), json, csv);
    return same ? status
                : cli_fail(CLI_FAILED, COMMAND, "an answer is not that of the full scan");
}

int bench_topk(int argc, char **argv)
{
    struct settings set = {
        .rows = 1000000, .dim = 64, .k = 20, .rounds = 7, .queries = 8};
    struct result result[CASES];
    struct penchant_error err = {0};
    const char *csv = NULL;
    bool json = false;
    const struct cli_option options[] = {
        {"rows", 0, CLI_U32, &set.rows, "N", NULL, 1, 16e6, "items"},
        {"dim", 0, CLI_U32, &set.dim, "N", NULL, 1, TOPK_MAX_DIM, "width of a row"},
        {"k", 'k', CLI_U32, &set.k, "K", NULL, 1, MAX_K, "how many are asked for"},
        {"queries", 0, CLI_U32, &set.queries, "N", NULL, 1, MAX_QUERIES, "in a round"},
        {"rounds", 0, CLI_U32, &set.rounds, "N", NULL, 1, MAX_ROUNDS,
         "the median counts"},
        CLI_JSON(&json),
        BENCH_CSV(&csv),
    };
    const struct cli_spec spec = {
        COMMAND, "exact top-k against a vectorised fp32 scan and OpenBLAS sgemv",
        "One thread; random, trained-like and nearly equal rows. The ratio is over the\n"
        "faster of the peers; every answer is compared with a full scan.",
        options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    for (int c = 0; c < CASES; c++)
        if (run_case(cases[c], &set, &result[c], &err))
            return cli_fail_error(COMMAND, &err);
    return report(argc, argv, result, json, csv);
}
