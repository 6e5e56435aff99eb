/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/ope_judge.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- input ---------------------------------------------------------------------- */

int ope_check(const double *x, size_t n, struct ope_range range, const char *field,
              struct penchant_error *err)
{
    if (!x)
        return PENCHANT_OK;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(x[i]))
            return error_field(err, PENCHANT_EINVALID, i, field, "%s is not a number",
                               field);
        if (x[i] < range.low || x[i] > range.high || (range.above && x[i] <= range.low))
            return error_field(
                err, PENCHANT_EINVALID, i, field, "%s is %g, which is no probability%s",
                field, x[i],
                range.above && x[i] == range.low ? " of something that was chosen" : "");
    }
    return PENCHANT_OK;
}

int ope_check_options(const struct ope_options *o, struct penchant_error *err)
{
    if (!(o->clip > 0 && o->tau > 0 && o->lambda > 0) || !isfinite(o->lambda))
        return error_set(err, PENCHANT_EINVALID,
                         "clip, tau and lambda are numbers above 0");
    if (o->draws < 2 || o->draws > 1000000)
        return error_set(err, PENCHANT_EINVALID, "draws is from 2 to 1000000");
    return PENCHANT_OK;
}

/* ---- doubt ---------------------------------------------------------------------- */

/* Appends a sentence to a text of `size` bytes; what does not fit is cut. */
static void say(char *text, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(char *text, size_t size, const char *format, ...)
{
    size_t len = strlen(text);
    if (len && len + 2 < size) {
        text[len++] = ' ';
        text[len] = 0;
    }
    va_list args;
    va_start(args, format);
    vsnprintf(text + len, size - len, format, args);
    va_end(args);
}

/* What is wrong whatever the interval says. Returns whether something is. */
static bool doubt_weights(struct penchant_ope_estimate *e, const struct ope_weights *w,
                          const struct penchant_ope *out)
{
    if (e->ess < OPE_ESS_LEAST)
        say(e->doubt, sizeof(e->doubt),
            "The %llu %s are worth only %.1f that the target had chosen itself; "
            "%.0f are the least.",
            (unsigned long long)out->n, out->slots > out->n ? "slates" : "rows", e->ess,
            OPE_ESS_LEAST);
    const double n = (double)w->n, mean = w->sum / n;
    const double spread = sqrt(fmax(0, w->squares / n - mean * mean) / n);
    const bool off = fabs(mean - 1) > OPE_MEAN_OFF && fabs(mean - 1) > 4 * spread;
    if (off && mean < 1)
        say(e->doubt, sizeof(e->doubt),
            "The weights' mean is %.2f and not 1: about %.0f %% of what the target would "
            "choose is never chosen in the log, which says nothing of it.",
            mean, 100 * (1 - mean));
    else if (off)
        say(e->doubt, sizeof(e->doubt),
            "The weights' mean is %.2f and not 1: the propensities or the target's "
            "probabilities are not those that were in force.",
            mean);
    return off || e->ess < OPE_ESS_LEAST;
}

static bool spread_is_doubtful(const struct penchant_ope_estimate *e)
{
    if (isnan(e->low))
        return true;
    const double near = fmin(fabs(e->low), fabs(e->high)),
                 far = fmax(fabs(e->low), fabs(e->high));
    return e->low * e->high <= 0 || far > OPE_FACTOR_MOST * near;
}

static void doubt_interval(struct penchant_ope_estimate *e)
{
    if (!spread_is_doubtful(e))
        return;
    if (isnan(e->low))
        say(e->doubt, sizeof(e->doubt),
            "There is no interval: nothing independent to draw from.");
    else if (e->low * e->high <= 0)
        say(e->doubt, sizeof(e->doubt), "The 95 %% interval from %.3g to %.3g holds 0.",
            e->low, e->high);
    else
        say(e->doubt, sizeof(e->doubt), "The 95 %% interval spans a factor of %.1f.",
            fmax(e->high / e->low, e->low / e->high));
}

/* Returns whether the interval can be trusted, however wide it is. */
static bool doubt(struct penchant_ope_estimate *e, const struct ope_row *row,
                  const struct penchant_ope *out)
{
    bool sound = !(row->uncut && doubt_weights(e, row->uncut, out));
    if (out->rewarded < OPE_REWARDED_LEAST) {
        say(e->doubt, sizeof(e->doubt), "Only %llu of %llu %s have a reward.",
            (unsigned long long)out->rewarded, (unsigned long long)out->n,
            out->slots > out->n ? "slates" : "rows");
        sound = false;
    }
    doubt_interval(e);
    return sound && !isnan(e->low);
}

/* ---- estimates ------------------------------------------------------------------ */

static void fill_weights(struct penchant_ope_estimate *e, const struct ope_weights *w,
                         const struct penchant_ope *out)
{
    e->ess = e->mean_weight = e->max_weight = e->clipped = NAN;
    if (!w)
        return;
    const double n = (double)w->n;
    e->ess = w->squares > 0 ? w->sum * w->sum / w->squares * ((double)out->n / n) : 0;
    e->mean_weight = w->sum / n;
    e->max_weight = w->most;
    e->clipped = (double)w->cut / n;
}

/* Returns whether the estimate is given and its interval can be trusted. */
static bool fill(struct penchant_ope_estimate *e, const struct ope_row *row,
                 const struct sums *s, const struct sums_interval *i,
                 const struct penchant_ope *out)
{
    *e = (struct penchant_ope_estimate){.reason = row->reason};
    snprintf(e->name, sizeof(e->name), "%s", row->name);
    if (row->reason) {
        e->value = e->low = e->high = e->gain = e->gain_low = e->gain_high = NAN;
        fill_weights(e, NULL, out);
        return false;
    }
    e->value = sums_value(&row->form, s->total);
    e->low = i->low;
    e->high = i->high;
    e->gain = e->value - out->logged;
    e->gain_low = i->gain_low;
    e->gain_high = i->gain_high;
    fill_weights(e, row->weights, out);
    return doubt(e, row, out);
}

/* ---- the answer ----------------------------------------------------------------- */

static const struct penchant_ope_estimate *find(const struct penchant_ope *out,
                                                const char *name)
{
    for (size_t i = 0; i < out->n_estimates; i++)
        if (!out->estimate[i].reason && strcmp(out->estimate[i].name, name) == 0)
            return &out->estimate[i];
    return NULL;
}

static const struct penchant_ope_estimate *choose(const struct penchant_ope *out,
                                                  const char *const *prefer)
{
    const struct penchant_ope_estimate *first = NULL;
    for (; *prefer; prefer++) {
        const struct penchant_ope_estimate *e = find(out, *prefer);
        if (e && e->ess >= OPE_ESS_LEAST)
            return e;
        if (!first)
            first = e;
    }
    return first;
}

static void answer(struct penchant_ope *out, const struct penchant_ope_estimate *e,
                   bool sound)
{
    const char *unit = out->slots > out->n ? "slate" : "row";
    snprintf(out->chosen, sizeof(out->chosen), "%s", e->name);
    out->answered = !e->doubt[0];
    if (!out->answered)
        snprintf(out->answer, sizeof(out->answer), "The data cannot answer (%s). %s",
                 e->name, e->doubt);
    else
        snprintf(out->answer, sizeof(out->answer),
                 "The target would earn %.4g a %s [%.4g, %.4g] (%s); %.4g was earned.",
                 e->value, unit, e->low, e->high, e->name, out->logged);
    /* What is paired may be told apart although each alone is not known well. */
    if (!sound)
        return;
    if (e->gain_low > 0 || e->gain_high < 0)
        say(out->answer, sizeof(out->answer),
            "It is %s than what was logged, by %.3g [%.3g, %.3g].",
            e->gain_low > 0 ? "better" : "worse", fabs(e->gain),
            e->gain_low > 0 ? e->gain_low : -e->gain_high,
            e->gain_low > 0 ? e->gain_high : -e->gain_low);
    else
        say(out->answer, sizeof(out->answer),
            "No difference from what was logged can be told: %+.3g [%+.3g, %+.3g].",
            e->gain, e->gain_low, e->gain_high);
}

int ope_judge(const struct sums *s, const struct ope_row *row, size_t n,
              const char *const *prefer, const struct ope_options *o,
              struct penchant_ope *out, struct penchant_error *err)
{
    /* The logged reward is one more estimate; those not given are not drawn. */
    struct sums_form *form = calloc(PENCHANT_OPE_ESTIMATES + 1, sizeof(*form));
    struct sums_interval interval[PENCHANT_OPE_ESTIMATES + 1];
    if (!form)
        return error_memory(err);
    form[0] = (struct sums_form){1, {{SUMS_REWARD, SUMS_ONE}}};
    size_t n_forms = 1;
    for (size_t i = 0; i < n; i++)
        if (!row[i].reason)
            form[n_forms++] = row[i].form;
    const int status = sums_bootstrap(s, form, n_forms, o->draws, o->seed, interval, err);
    out->logged = sums_value(&form[0], s->total);
    free(form);
    if (status)
        return status;
    out->clusters = s->n_clusters;
    out->logged_low = interval[0].low;
    out->logged_high = interval[0].high;
    out->n_estimates = n;
    bool sound[PENCHANT_OPE_ESTIMATES];
    for (size_t i = 0, f = 1; i < n; i++)
        sound[i] =
            fill(&out->estimate[i], &row[i], s, &interval[row[i].reason ? 0 : f++], out);
    const struct penchant_ope_estimate *chosen = choose(out, prefer);
    answer(out, chosen, sound[chosen - out->estimate]);
    return PENCHANT_OK;
}
