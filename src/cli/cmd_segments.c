/* SPDX-License-Identifier: Apache-2.0 */
/* penchant segments: the groups of a shop's users, one of them in full. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "cli/cli.h"
#include "cli/segments_report_text.h"
#include "server/segments_json.h"

enum { LIST_ITEMS = 3, ANSWER_MAX = 16 << 20 };

/* ---- for people ---- */

static void rfm_text(struct buf *b, const struct penchant_segment *s, bool purchases)
{
    if (!isnan(s->recency_days))
        buf_printf(b, "last %.3g days ago, ", s->recency_days);
    buf_printf(b, "%.3g %s%s, spent %.4g", s->frequency, purchases ? "purchase" : "event",
               s->frequency == 1 ? "" : "s", s->monetary);
    if (s->stage[0])
        buf_printf(b, "; mostly %s", s->stage);
}

static void items_text(struct buf *b, struct penchant *shop,
                       const struct penchant_segment *s, const char *before)
{
    for (size_t i = 0; i < s->n_items; i++) {
        struct penchant_item *item = NULL;
        const char *title = NULL;
        if (penchant_get_item(shop, s->items[i].item_id, &item, NULL) == PENCHANT_OK)
            title = item->title;
        buf_printf(b, "%s%-16s %5.1fx  %s", before, s->items[i].item_id, s->items[i].lift,
                   title ? title : "");
        penchant_item_free(item);
    }
}

static int by_size(const void *pa, const void *pb)
{
    const struct penchant_segment *a = *(const struct penchant_segment *const *)pa;
    const struct penchant_segment *b = *(const struct penchant_segment *const *)pb;
    if (a->users != b->users)
        return a->users < b->users ? 1 : -1;
    return a->segment < b->segment ? -1 : 1;
}

static void segments_text(struct buf *b, struct penchant *shop,
                          const struct penchant_segments *all)
{
    const struct penchant_segment *order[PENCHANT_MAX_SEGMENTS];
    for (size_t i = 0; i < all->n; i++)
        order[i] = &all->segment[i];
    qsort(order, all->n, sizeof order[0], by_size);
    buf_printf(b, "%llu users in %zu segments", (unsigned long long)all->users, all->n);
    if (all->outside)
        buf_printf(b, ", %llu in none", (unsigned long long)all->outside);
    for (size_t i = 0; i < all->n; i++) {
        const struct penchant_segment *s = order[i];
        buf_printf(b, "\n\n%3u  ", s->segment);
        cli_bar(b, all->n ? s->share / order[0]->share : 0);
        buf_printf(b, " %5.1f %%  %s\n     ", 100 * s->share, s->name);
        rfm_text(b, s, all->purchases);
        items_text(b, shop, s, "\n     ");
    }
}

static void segment_text(struct buf *b, struct penchant *shop,
                         const struct penchant_segment *s)
{
    static const char *const stage[4] = {"new", "active", "at risk", "lapsed"};
    buf_printf(b, "segment %u: %s\n%llu users, %.1f %%\n", s->segment, s->name,
               (unsigned long long)s->users, 100 * s->share);
    if (!isnan(s->recency_days))
        buf_printf(b, "recency   %-10.3g days   score %u\n", s->recency_days,
                   s->recency_score);
    buf_printf(b, "frequency %-10.3g        score %u\nmonetary  %-10.4g        score %u",
               s->frequency, s->frequency_score, s->monetary, s->monetary_score);
    for (int i = 0; s->stage[0] && i < 4; i++) {
        buf_printf(b, "\n%-9s ", stage[i]);
        cli_bar(b, s->stage_share[i]);
        buf_printf(b, " %5.1f %%", 100 * s->stage_share[i]);
    }
    for (size_t i = 0; i < s->n_traits; i++) {
        buf_printf(b, "\n%-9s ", s->traits[i].kind);
        cli_bar(b, s->traits[i].share);
        buf_printf(b, " %5.1f %%  %5.1fx  %s", 100 * s->traits[i].share,
                   s->traits[i].lift, s->traits[i].name);
    }
    buf_printf(b, "%s", s->n_items ? "\nwanted more than by others:" : "");
    items_text(b, shop, s, "\n  ");
}

/* ---- look-alikes ---- */

struct seeds {
    char **id; /* (n) */
    size_t n;
};

static void seeds_release(struct seeds *s)
{
    for (size_t i = 0; i < s->n; i++)
        free(s->id[i]);
    free(s->id);
}

/* One user id a line; blank lines are passed over. An exit status, CLI_OK when read. */
static int seeds_read(struct seeds *s, FILE *f, const char *path)
{
    char *line = NULL;
    size_t size = 0;
    ssize_t n;
    s->id = calloc(PENCHANT_MAX_SEEDS, sizeof *s->id);
    int status = s->id ? CLI_OK : cli_fail(CLI_FAILED, "segments", "out of memory");
    while (status == CLI_OK && (n = getline(&line, &size, f)) >= 0) {
        while (n && (line[n - 1] == '\n' || line[n - 1] == '\r'))
            line[--n] = 0;
        if (n == 0)
            continue;
        if (s->n == PENCHANT_MAX_SEEDS)
            status = cli_fail(CLI_FAILED, "segments", "%s has more than %d users", path,
                              PENCHANT_MAX_SEEDS);
        else if ((s->id[s->n] = strdup(line)) != NULL)
            s->n++;
        else
            status = cli_fail(CLI_FAILED, "segments", "out of memory");
    }
    if (status == CLI_OK && ferror(f))
        status = cli_fail(CLI_FAILED, "segments", "%s: %s", path, strerror(errno));
    if (status == CLI_OK && s->n == 0)
        status = cli_fail(CLI_FAILED, "segments", "%s names no user", path);
    free(line);
    return status;
}

static int seeds_open(struct seeds *s, const char *path)
{
    const bool standard = strcmp(path, "-") == 0;
    FILE *f = standard ? stdin : fopen(path, "r");
    if (!f)
        return cli_fail(CLI_FAILED, "segments", "%s: %s", path, strerror(errno));
    const int status = seeds_read(s, f, path);
    if (!standard)
        fclose(f);
    return status;
}

static void audience_text(struct buf *b, const struct penchant_audience *a)
{
    buf_printf(b, "%zu users like the %zu given", a->n, a->seeds);
    if (a->unknown)
        buf_printf(b, "; %zu more: there is no such user", a->unknown);
    if (a->blank)
        buf_printf(b, "; %zu more: nothing is known of them", a->blank);
    for (size_t i = 0; i < a->n; i++) {
        buf_printf(b, "\n  %.3f  ", a->users[i].score);
        cli_bar(b, a->users[i].score);
        buf_printf(b, "  %-20s", a->users[i].user_id);
        if (a->users[i].segment >= 0)
            buf_printf(b, " segment %d", a->users[i].segment);
    }
}

static int show_audience(struct buf *b, struct penchant *shop, const struct seeds *seeds,
                         uint32_t k, double threshold, bool json,
                         struct penchant_error *err)
{
    struct penchant_audience *a = NULL;
    struct penchant_audience_options o;
    penchant_audience_options_default(&o);
    o.seeds = (const char *const *)seeds->id;
    o.n_seeds = seeds->n;
    o.k = k ? k : o.k;
    o.threshold = threshold;
    const int rc = penchant_lookalike(shop, &o, &a, err);
    if (rc)
        return rc;
    if (json) {
        struct json_writer w;
        json_init(&w, b);
        audience_json(&w, a);
    } else {
        audience_text(b, a);
    }
    penchant_audience_free(a);
    return PENCHANT_OK;
}

/* ---- the command ---- */

static int show_all(struct buf *b, struct penchant *shop, uint32_t k, bool json,
                    struct penchant_error *err)
{
    struct penchant_segments *all = NULL;
    const int rc = penchant_segments(shop, k ? k : LIST_ITEMS, &all, err);
    if (rc)
        return rc;
    if (json) {
        struct json_writer w;
        json_init(&w, b);
        segments_json(&w, all);
    } else {
        segments_text(b, shop, all);
    }
    penchant_segments_free(all);
    return PENCHANT_OK;
}

static int show_one(struct buf *b, struct penchant *shop, uint32_t segment, uint32_t k,
                    bool json, struct penchant_error *err)
{
    struct penchant_segment *one = NULL;
    const int rc = penchant_get_segment(shop, segment, k ? k : 10, &one, err);
    if (rc)
        return rc;
    if (json) {
        struct json_writer w;
        json_init(&w, b);
        segment_json(&w, one);
    } else {
        segment_text(b, shop, one);
    }
    penchant_segment_free(one);
    return PENCHANT_OK;
}

static int show_report(struct buf *b, struct penchant *shop, bool json,
                       struct penchant_error *err)
{
    struct penchant_segments_quality q;
    const int rc = penchant_evaluate_segments(shop, &q, err);
    if (rc)
        return rc;
    if (json) {
        struct json_writer w;
        json_init(&w, b);
        segments_report_json(&w, &q);
    } else {
        segments_report_text(b, &q);
    }
    return PENCHANT_OK;
}

struct asked {
    const char *dir, *lookalike;
    uint32_t segment, k;
    double threshold;
    bool report, json;
};

static int answer(const struct asked *a, struct penchant *shop, struct buf *b)
{
    struct penchant_error err = {0};
    struct seeds seeds = {0};
    int rc = PENCHANT_OK;
    if (a->lookalike) {
        const int status = seeds_open(&seeds, a->lookalike);
        if (status == CLI_OK)
            rc = show_audience(b, shop, &seeds, a->k, a->threshold, a->json, &err);
        seeds_release(&seeds);
        if (status != CLI_OK)
            return status;
    } else if (a->report) {
        rc = show_report(b, shop, a->json, &err);
    } else if (a->segment != UINT32_MAX) {
        rc = show_one(b, shop, a->segment, a->k, a->json, &err);
    } else {
        rc = show_all(b, shop, a->k, a->json, &err);
    }
    return rc ? cli_fail_error("segments", &err) : cli_print("segments", b);
}

int cmd_segments(int argc, char **argv)
{
    struct asked a = {.dir = CLI_DEFAULT_DIR, .segment = UINT32_MAX};
    const struct cli_option options[] = {
        CLI_DIR(&a.dir),
        {"segment", 0, CLI_U32, &a.segment, "N", "all", 0, PENCHANT_MAX_SEGMENTS - 1,
         "this one in full"},
        {"lookalike", 0, CLI_STRING, &a.lookalike, "FILE", NULL, 0, 0,
         "users like those in FILE, one id a line; - reads stdin"},
        {"k", 'k', CLI_U32, &a.k, "K", "3 of each segment, 10 of one, 100 users", 1,
         PENCHANT_MAX_AUDIENCE, "how many items, or users"},
        {"threshold", 0, CLI_DOUBLE, &a.threshold, "S", NULL, 0, 1,
         "of --lookalike: only users with this score"},
        {"report", 0, CLI_FLAG, &a.report, NULL, NULL, 0, 0,
         "how good the segments are; see docs/evaluation.md"},
        CLI_JSON(&a.json),
    };
    const struct cli_spec spec = {
        "segments", "groups of users who want alike things",
        "Their size, what they want more than others, and how lately, how often and for\n"
        "how much they buy (medians). Training finds them; every event keeps them up.",
        options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    if (!!a.lookalike + (a.segment != UINT32_MAX) + a.report > 1)
        return cli_fail(CLI_USAGE, "segments",
                        "give one of --segment, --lookalike and --report");
    if (a.threshold > 0 && !a.lookalike)
        return cli_fail(CLI_USAGE, "segments", "--threshold goes with --lookalike");
    struct penchant *shop = NULL;
    if (cli_open_shop(&shop, "segments", a.dir, CLI_OPEN_READ))
        return CLI_FAILED;
    struct buf b;
    buf_init(&b, ANSWER_MAX);
    status = answer(&a, shop, &b);
    buf_release(&b);
    penchant_close(&shop);
    return status;
}
