/* SPDX-License-Identifier: Apache-2.0 */
/* penchant segments: the groups of a shop's users, one of them in full. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_writer.h"
#include "cli/cli.h"
#include "server/segments_json.h"

enum { BAR = 24, LIST_ITEMS = 3, ANSWER_MAX = 16 << 20 };

/* ---- for people ---- */

/* `share` of `width` columns, in eighths of a block. */
static void bar(struct buf *b, double share, int width)
{
    static const char *const part[] = {"",       "\u258f", "\u258e", "\u258d",
                                       "\u258c", "\u258b", "\u258a", "\u2589"};
    const int eighths = (int)lround(fmin(fmax(share, 0), 1) * width * 8);
    for (int i = 0; i < eighths / 8; i++)
        buf_puts(b, "\u2588");
    buf_puts(b, part[eighths % 8]);
    for (int i = (eighths + 7) / 8; i < width; i++)
        buf_putc(b, ' ');
}

static void rfm_text(struct buf *b, const struct penchant_segment *s, bool purchases)
{
    if (!isnan(s->recency_days))
        buf_printf(b, "last %.3g days ago, ", s->recency_days);
    buf_printf(b, "%.3g %s, spent %.4g", s->frequency, purchases ? "purchases" : "events",
               s->monetary);
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
        bar(b, all->n ? s->share / order[0]->share : 0, BAR);
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
        bar(b, s->stage_share[i], BAR);
        buf_printf(b, " %5.1f %%", 100 * s->stage_share[i]);
    }
    for (size_t i = 0; i < s->n_traits; i++) {
        buf_printf(b, "\n%-9s ", s->traits[i].kind);
        bar(b, s->traits[i].share, BAR);
        buf_printf(b, " %5.1f %%  %5.1fx  %s", 100 * s->traits[i].share,
                   s->traits[i].lift, s->traits[i].name);
    }
    buf_printf(b, "%s", s->n_items ? "\nwanted more than by others:" : "");
    items_text(b, shop, s, "\n  ");
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

int cmd_segments(int argc, char **argv)
{
    const char *dir = CLI_DEFAULT_DIR;
    uint32_t segment = UINT32_MAX, k = 0;
    bool json = false;
    const struct cli_option options[] = {
        CLI_DIR(&dir),
        {"segment", 0, CLI_U32, &segment, "N", "all", 0, PENCHANT_MAX_SEGMENTS - 1,
         "this one in full"},
        {"k", 'k', CLI_U32, &k, "K", "10; of all segments 3 each", 1, PENCHANT_MAX_K,
         "how many items"},
        CLI_JSON(&json),
    };
    const struct cli_spec spec = {
        "segments", "groups of users who want alike things",
        "Their size, what they want more than others, and how lately, how often and for\n"
        "how much they buy (medians). Training finds them; every event keeps them up.",
        options, sizeof(options) / sizeof(options[0])};
    int status = cli_parse(&spec, argc, argv);
    if (status != CLI_CONTINUE)
        return status;
    struct penchant *shop = NULL;
    struct penchant_error err = {0};
    if (cli_open_shop(&shop, "segments", dir, CLI_OPEN_READ))
        return CLI_FAILED;
    struct buf b;
    buf_init(&b, ANSWER_MAX);
    const int rc = segment == UINT32_MAX ? show_all(&b, shop, k, json, &err)
                                         : show_one(&b, shop, segment, k, json, &err);
    status = rc ? cli_fail_error("segments", &err) : cli_print("segments", &b);
    buf_release(&b);
    penchant_close(&shop);
    return status;
}
