/* SPDX-License-Identifier: Apache-2.0 */
/* What the prequential protocol found, as JSON and as a table with a picture of time. */
#include <math.h>

#include "lab/benchmark.h"
#include "lab/report_json.h"

static void json_live_over(struct json_writer *w, const struct metrics *live,
                           const struct metrics *frozen)
{
    const double base = metrics_ndcg(frozen, 10).value;
    const struct penchant_metric d = metrics_difference(live, frozen, METRICS_NDCG, 10);
    json_begin_object(w);
    report_json_metric(w, "ndcg@10", d);
    report_json_metric(w, "hr@10", metrics_difference(live, frozen, METRICS_HR, 10));
    report_json_metric(w, "mrr@20", metrics_difference(live, frozen, METRICS_MRR, 20));
    json_key_double(w, "ndcg@10_relative", base > 0 ? d.value / base : NAN, 6);
    json_end_object(w);
}

static void json_parts(struct json_writer *w, const struct prequential_scores *s)
{
    json_key(w, "ndcg@10_by_part");
    json_begin_array(w);
    for (int i = 0; i < PREQUENTIAL_PARTS; i++) {
        json_begin_object(w);
        for (int shop = 0; shop < SHOPS; shop++)
            report_json_metric(w, prequential_names[shop],
                               metrics_ndcg(&s->part[i][shop], 10));
        json_end_object(w);
    }
    json_end_array(w);
}

void prequential_json(struct buf *out, const struct benchmark *b)
{
    const struct prequential_scores *s = &b->through_time;
    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    json_key_string(&w, "protocol", b->protocol);
    json_key_double(&w, "test_share", b->how.test_share, 6);
    json_key_uint(&w, "events", s->events);
    json_key_uint(&w, "cases", s->cases);
    json_key_uint(&w, "new_users", s->new_users);
    json_key_uint(&w, "unknown_targets", s->unknown_targets);
    for (int shop = 0; shop < SHOPS; shop++)
        report_json_quality(&w, prequential_names[shop], &s->shop[shop]);
    json_key(&w, "live_over_frozen_counts");
    json_live_over(&w, &s->shop[SHOP_LIVE], &s->shop[SHOP_FROZEN_COUNTS]);
    json_key(&w, "live_over_frozen_state");
    json_live_over(&w, &s->shop[SHOP_LIVE], &s->shop[SHOP_FROZEN_STATE]);
    json_parts(&w, s);
    benchmark_json_training(&w, b);
    json_key_string(&w, "sources", b->sources);
    json_key_uint(&w, "seed", b->how.seed);
    json_key_uint(&w, "threads", b->learn.threads);
    json_end_object(&w);
}

static void text_over(struct buf *out, const struct metrics *live,
                      const struct metrics *frozen, const char *name)
{
    const double base = metrics_ndcg(frozen, 10).value;
    const struct penchant_metric d = metrics_difference(live, frozen, METRICS_NDCG, 10);
    buf_printf(out, "\nlive over %s: NDCG@10 %+.4f [%+.4f, %+.4f]", name, d.value, d.low,
               d.high);
    if (base > 0)
        buf_printf(out, ", %+.1f %%", 100 * d.value / base);
}

/* A bar of the share v of `top`, 30 wide. */
static void text_bar(struct buf *out, double v, double top)
{
    const int n = top > 0 ? (int)(30 * v / top + 0.5) : 0;
    for (int i = 0; i < n; i++)
        buf_puts(out, "#");
}

void prequential_text(struct buf *out, const struct benchmark *b)
{
    const struct prequential_scores *s = &b->through_time;
    double top = 0;
    buf_printf(out,
               "prequential: %zu events after the split, all learned from, %zu of them "
               "predicted first",
               s->events, s->cases);
    buf_printf(out,
               "\n%zu of the cases by users who are new since, %zu of items that "
               "nobody had named\n",
               s->new_users, s->unknown_targets);
    buf_printf(out, "%-14s %-22s %-22s %-22s %s", "", "HR@10", "NDCG@10", "HR@20",
               "MRR@20");
    for (int shop = 0; shop < SHOPS; shop++)
        benchmark_text_row(out, prequential_names[shop], &s->shop[shop]);
    for (int shop = SHOP_FROZEN_COUNTS; shop < SHOPS; shop++)
        text_over(out, &s->shop[SHOP_LIVE], &s->shop[shop], prequential_names[shop]);
    for (int i = 0; i < PREQUENTIAL_PARTS; i++)
        for (int shop = 0; shop < SHOPS; shop++)
            top = fmax(top, metrics_ndcg(&s->part[i][shop], 10).value);
    buf_puts(out, "\nNDCG@10 from the split (top) to the end of the log (bottom)");
    for (int i = 0; i < PREQUENTIAL_PARTS; i++)
        for (int shop = 0; shop < SHOPS; shop++) {
            const double v = metrics_ndcg(&s->part[i][shop], 10).value;
            buf_printf(out, "\n%3d %% %-14s %.4f ", 10 * i, prequential_names[shop], v);
            text_bar(out, v, top);
        }
    buf_puts(out, "\n95 % intervals; equal scores rank against the model");
}
