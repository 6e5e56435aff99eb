/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/ope_report.h"

#include <math.h>

/* A number in 9 columns; "-" for none. */
static void cell(struct buf *out, double v)
{
    if (isnan(v))
        buf_printf(out, " %9s", "-");
    else
        buf_printf(out, " %9.4g", v);
}

static void text_estimate(struct buf *out, const struct penchant_ope_estimate *e)
{
    buf_printf(out, "\n  %-10s", e->name);
    if (e->reason) {
        buf_printf(out, "         - %s", e->reason);
        return;
    }
    cell(out, e->value);
    cell(out, e->low);
    cell(out, e->high);
    cell(out, e->gain);
    cell(out, e->gain_low);
    cell(out, e->gain_high);
    cell(out, e->ess);
    cell(out, e->mean_weight);
    cell(out, e->max_weight);
    cell(out, 100 * e->clipped);
}

void ope_report_text(struct buf *out, const struct penchant_ope *o)
{
    const bool slates = o->slots > o->n;
    buf_printf(out, "%llu %s", (unsigned long long)o->n, slates ? "slates" : "rows");
    if (slates)
        buf_printf(out, " of %llu slots", (unsigned long long)o->slots);
    if (o->clusters < o->n)
        buf_printf(out, ", %llu users", (unsigned long long)o->clusters);
    buf_printf(out, ", %llu with a reward; logged %.4g [%.4g, %.4g]",
               (unsigned long long)o->rewarded, o->logged, o->logged_low, o->logged_high);
    buf_printf(out, "\n  %-10s %9s %9s %9s %9s %9s %9s %9s %9s %9s %9s", "", "value",
               "low", "high", "gain", "low", "high", "ESS", "mean w", "max w", "cut %");
    for (size_t i = 0; i < o->n_estimates; i++)
        text_estimate(out, &o->estimate[i]);
    buf_printf(out, "\n%s", o->answer);
}
