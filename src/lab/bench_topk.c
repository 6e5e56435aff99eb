/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Exact top-k against its peers, in alternation and on one thread: a vectorised fp32 scan
 * of our own, and OpenBLAS sgemv with selection (opened at run time, never linked). Every
 * answer of ours is compared with the definition, topk_scan.
 */
#include "lab/bench.h"

#include "base/json_writer.h"
#include "base/timing.h"
#include "kernels/cpu.h"
#include "lab/bench_fp32.h"
#include "lab/bench_vectors.h"
#include "retrieval/topk.h"

#include <dlfcn.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <unistd.h>

enum { MAX_ROUNDS = 101, MAX_QUERIES = 64, MAX_K = 1000 };

struct settings {
    uint32_t rows, dim, k, rounds, queries; /* rows 0: both 100,000 and 1,000,000 */
    const char *only, *csv;
    bool json;
};

struct result {
    const char *name, *peer;
    uint32_t rows;
    double ours_ms, peer_ms, fp32_ms, sgemv_ms, ratio, build_ms;
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

static int compare_doubles(const void *x, const void *y)
{
    const double a = *(const double *)x, b = *(const double *)y;
    return (a > b) - (a < b);
}

static double median(double *x, uint32_t n)
{
    qsort(x, n, sizeof(*x), compare_doubles);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
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
    ms[2] = peers->sgemv ? since_ms(began) / set->queries : INFINITY;
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
    out->ours_ms = median(times[0], set->rounds);
    out->fp32_ms = median(times[1], set->rounds);
    out->sgemv_ms = median(times[2], set->rounds);
    out->peer = out->fp32_ms <= out->sgemv_ms ? "fp32-scan" : "openblas-sgemv";
    out->peer_ms = fmin(out->fp32_ms, out->sgemv_ms);
    out->ratio = median(ratio, set->rounds);
}

static bool run_case(const char *name, uint32_t n, const struct settings *set,
                     struct result *out)
{
    struct bench_vectors d;
    struct peers peers = {0};
    struct topk_index *index = NULL;
    struct penchant_error err;
    *out = (struct result){.name = name, .rows = n};
    bool ok = bench_vectors_init(&d, name, n, set->dim, set->queries);
    if (!ok) {
        fprintf(stderr, "bench topk: out of memory\n");
        goto out;
    }
    const int64_t began = timing_steady_ns();
    ok = topk_index_new(&index, d.rows, n, set->dim, &err) == PENCHANT_OK;
    if (!ok) {
        fprintf(stderr, "bench topk: %s\n", err.text);
        goto out;
    }
    out->build_ms = since_ms(began);
    open_peers(&peers, n);
    out->same = check_answers(index, &d, set);
    measure(index, &d, &peers, set, out);
out:
    close_peers(&peers);
    topk_index_free(index);
    bench_vectors_release(&d);
    return ok;
}

/* ---- reporting ----------------------------------------------------------------- */

static void print_text(const struct result *r)
{
    printf("%-15s %9u %10.3f %10.3f %10.3f %8.1f  %-4s %9.0f\n", r->name, r->rows,
           r->ours_ms, r->fp32_ms, r->sgemv_ms, r->ratio, r->same ? "yes" : "NO",
           r->build_ms);
    fflush(stdout);
}

static void add_json(struct json_writer *w, const struct result *r)
{
    json_begin_object(w);
    json_key_string(w, "case", r->name);
    json_key_uint(w, "rows", r->rows);
    json_key_double(w, "ours_ms", r->ours_ms, 4);
    json_key_double(w, "fp32_scan_ms", r->fp32_ms, 4);
    json_key_double(w, "openblas_sgemv_ms", r->sgemv_ms, 4);
    json_key_string(w, "peer", r->peer);
    json_key_double(w, "ratio", r->ratio, 4);
    json_key_bool(w, "same_ids", r->same);
    json_key_double(w, "build_ms", r->build_ms, 4);
    json_end_object(w);
}

/* The first line of a command's output or of a file's line that begins with `key`. */
static void first_line(FILE *f, const char *key, char *out, size_t size)
{
    char line[256];
    snprintf(out, size, "unknown");
    while (f && fgets(line, sizeof(line), f)) {
        if (strncmp(line, key, strlen(key)) != 0)
            continue;
        const char *value = *key ? strchr(line, ':') : NULL;
        value = value ? value + 1 : line;
        value += strspn(value, " \t");
        snprintf(out, size, "%.*s", (int)strcspn(value, "\n,"), value);
        break;
    }
}

static bool append_csv(const char *path, const struct result *r,
                       const struct settings *set)
{
    char commit[64], cpu[128], date[32];
    FILE *f = popen("git rev-parse --short HEAD 2>/dev/null", "r");
    first_line(f, "", commit, sizeof(commit));
    if (f)
        pclose(f);
    f = fopen("/proc/cpuinfo", "re");
    first_line(f, "model name", cpu, sizeof(cpu));
    if (f)
        fclose(f);
    const time_t now = time(NULL);
    struct tm tm;
    strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&now, &tm));
    f = fopen(path, "ae");
    if (!f)
        return false;
    fseek(f, 0, SEEK_END);
    if (ftell(f) == 0)
        fprintf(f, "commit,date,cpu,bench,case,ours_ms,peer,peer_ms,ratio,rounds\n");
    fprintf(f, "%s,%s,%s %s,topk,%s %ux%u top-%u,%.4f,%s,%.4f,%.2f,%u\n", commit, date,
            cpu, cpu_level_name(cpu_level()), r->name, r->rows, set->dim, set->k,
            r->ours_ms, r->peer, r->peer_ms, r->ratio, set->rounds);
    return fclose(f) == 0;
}

static const char usage[] =
    "usage: penchant bench topk [--rows N] [--dim 64] [--k 20] [--rounds 7] [--queries "
    "8]\n"
    "           [--case random|trained-like|near-duplicate] [--json] [--csv FILE]\n"
    "Exact top-k on one thread against an fp32 scan and OpenBLAS sgemv with selection.\n";

/* A number in [1, most], or 0. */
static uint32_t number(const char *text, uint32_t most)
{
    char *end;
    const unsigned long x = strtoul(text, &end, 10);
    return *end || x > most ? 0 : (uint32_t)x;
}

static bool parse(struct settings *set, int argc, char **argv)
{
    static const struct option options[] = {
        {"rows", 1, 0, 'n'},    {"dim", 1, 0, 'd'},  {"k", 1, 0, 'k'},
        {"rounds", 1, 0, 'r'},  {"case", 1, 0, 'c'}, {"json", 0, 0, 'j'},
        {"queries", 1, 0, 'q'}, {"csv", 1, 0, 'f'},  {0}};
    optind = 0;
    for (int c; (c = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        uint32_t *out = NULL, most = 0;
        switch (c) {
        case 'n':
            out = &set->rows, most = 16000000;
            break;
        case 'd':
            out = &set->dim, most = TOPK_MAX_DIM;
            break;
        case 'k':
            out = &set->k, most = MAX_K;
            break;
        case 'r':
            out = &set->rounds, most = MAX_ROUNDS;
            break;
        case 'q':
            out = &set->queries, most = MAX_QUERIES;
            break;
        case 'c':
            set->only = optarg;
            break;
        case 'j':
            set->json = true;
            break;
        case 'f':
            set->csv = optarg;
            break;
        default:
            return false;
        }
        if (out && (*out = number(optarg, most)) == 0)
            return false;
    }
    return optind == argc;
}

int bench_topk(int argc, char **argv)
{
    static const char *const cases[] = {"random", "trained-like", "near-duplicate"};
    static const uint32_t sizes[] = {1000000, 100000};
    struct settings set = {.dim = 64, .k = 20, .rounds = 7, .queries = 8};
    struct buf out;
    struct json_writer w;
    bool ok = parse(&set, argc, argv);
    if (!ok) {
        fputs(usage, stderr);
        return 2;
    }
    buf_init(&out, 1 << 20);
    json_init(&w, &out);
    json_begin_array(&w);
    if (!set.json)
        printf("%-15s %9s %10s %10s %10s %8s  %-4s %9s\n", "case", "rows", "ours ms",
               "fp32 ms", "sgemv ms", "ratio", "same", "build ms");
    for (uint32_t s = 0; s < (set.rows ? 1 : 2); s++) {
        for (uint32_t c = 0; c < 3; c++) {
            struct result r;
            if (set.only && strcmp(set.only, cases[c]) != 0)
                continue;
            if (!run_case(cases[c], set.rows ? set.rows : sizes[s], &set, &r)) {
                ok = false;
                continue;
            }
            ok = ok && r.same;
            if (set.json)
                add_json(&w, &r);
            else
                print_text(&r);
            if (set.csv && !append_csv(set.csv, &r, &set)) {
                fprintf(stderr, "bench topk: %s: %s\n", set.csv, strerror(errno));
                ok = false;
            }
        }
    }
    json_end_array(&w);
    if (set.json)
        puts(out.data);
    buf_release(&out);
    return ok ? 0 : 1;
}
