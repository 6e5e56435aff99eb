/* SPDX-License-Identifier: Apache-2.0 */
/* What a log tells by itself of what its columns do not hold, and the evaluation. */
#include <math.h>
#include <stdlib.h>

#include "evaluate/ope_fit.h"
#include "lab/ope_rows.h"

static size_t strata(const struct ope_rows *r)
{
    return r->text[OPE_STRATUM] ? r->names[OPE_STRATUM].n : 1;
}

static size_t stratum_of(const struct ope_rows *r, size_t i)
{
    return r->text[OPE_STRATUM] ? r->text[OPE_STRATUM][i] : 0;
}

/* Whether `policy`, NaN where an action was not seen, is a distribution in each stratum;
   makes it add up to exactly 1. */
static bool normalise(double *policy, size_t rows, size_t actions)
{
    for (size_t s = 0; s < rows; s++) {
        double sum = 0, *p = policy + s * actions;
        for (size_t a = 0; a < actions; a++) {
            p[a] = isnan(p[a]) ? 0 : p[a];
            sum += p[a];
        }
        if (fabs(sum - 1) > 0.01)
            return false;
        for (size_t a = 0; a < actions; a++)
            p[a] /= sum;
    }
    return true;
}

/* A target that gives an action the same probability in all its rows (of a position) does
   not look at the context, and the log shows it whole. */
static int find_policy(struct ope_rows *r, struct penchant_error *err)
{
    const size_t rows = strata(r), actions = r->names[OPE_ACTION].n;
    if (r->policy || rows > OPE_CELLS_MAX / actions)
        return PENCHANT_OK;
    double *policy = malloc(rows * actions * sizeof(*policy));
    uint32_t *of = malloc(r->n * sizeof(*of));
    bool constant = policy && of;
    for (size_t i = 0; constant && i < rows * actions; i++)
        policy[i] = NAN;
    for (size_t i = 0; constant && i < r->n; i++) {
        double *p = &policy[stratum_of(r, i) * actions + r->text[OPE_ACTION][i]];
        of[i] = (uint32_t)stratum_of(r, i);
        if (isnan(*p))
            *p = r->number[OPE_TARGET][i];
        constant = fabs(*p - r->number[OPE_TARGET][i]) <= 1e-9;
    }
    if (constant && normalise(policy, rows, actions)) {
        r->policy = policy;
        r->policy_of = of;
        r->n_policies = rows;
        return PENCHANT_OK;
    }
    const bool room = policy && of;
    free(policy);
    free(of);
    return room ? PENCHANT_OK : error_memory(err);
}

static int fit(struct ope_rows *r, enum ope_fit_kind kind, int quality, int direct,
               struct penchant_error *err)
{
    const struct ope_fit_data d = {
        .n = r->n,
        .reward = r->number[OPE_REWARD],
        .propensity = r->number[OPE_PROPENSITY],
        .target = r->number[OPE_TARGET],
        .action = r->text[OPE_ACTION],
        .cluster = r->text[OPE_USER],
        .context = r->context,
        .policy = r->policy,
        .policy_of = r->policy_of,
        .n_policies = r->n_policies,
        .n_actions = r->names[OPE_ACTION].n,
        .n_context = r->n_context,
    };
    if (r->number[quality] || !r->policy)
        return PENCHANT_OK;
    r->number[quality] = malloc(r->n * sizeof(double));
    r->number[direct] = malloc(r->n * sizeof(double));
    if (!r->number[quality] || !r->number[direct])
        return error_memory(err);
    return ope_fit(&d, kind, r->number[quality], r->number[direct], err);
}

static int weigh_groups(struct ope_rows *r, struct penchant_error *err)
{
    const uint32_t *group = r->text[OPE_GROUP];
    const double *up = r->number[OPE_GROUP_TARGET],
                 *down = r->number[OPE_GROUP_PROPENSITY];
    if (!group && !up)
        return PENCHANT_OK;
    const size_t groups = r->names[OPE_GROUP].n, cells = up ? 0 : strata(r) * groups;
    double *sum = calloc(cells + 1, sizeof(*sum)),
           *count = calloc(cells + 1, sizeof(*count));
    r->group_weight = malloc(r->n * sizeof(*r->group_weight));
    const bool room = sum && count && r->group_weight && cells <= OPE_CELLS_MAX;
    for (size_t i = 0; room && !up && i < r->n; i++) {
        sum[stratum_of(r, i) * groups + group[i]] +=
            r->number[OPE_TARGET][i] / r->number[OPE_PROPENSITY][i];
        count[stratum_of(r, i) * groups + group[i]]++;
    }
    for (size_t i = 0; room && i < r->n; i++)
        r->group_weight[i] = up ? up[i] / down[i]
                                : sum[stratum_of(r, i) * groups + group[i]] /
                                      count[stratum_of(r, i) * groups + group[i]];
    free(sum);
    free(count);
    return room ? PENCHANT_OK : error_memory(err);
}

int ope_rows_complete(struct ope_rows *r, struct penchant_error *err)
{
    if (r->start)
        return PENCHANT_OK;
    int status = find_policy(r, err);
    if (!status)
        status = fit(r, OPE_FIT_PLAIN, OPE_QUALITY, OPE_DIRECT, err);
    if (!status)
        status = fit(r, OPE_FIT_MRDR, OPE_MRDR_QUALITY, OPE_MRDR_DIRECT, err);
    return status ? status : weigh_groups(r, err);
}

int ope_rows_run(const struct ope_rows *r, const struct ope_options *o,
                 struct penchant_ope *out, struct penchant_error *err)
{
    const struct ope_log log = {
        .n = r->n,
        .reward = r->number[OPE_REWARD],
        .propensity = r->number[OPE_PROPENSITY],
        .target = r->number[OPE_TARGET],
        .quality = r->number[OPE_QUALITY],
        .direct = r->number[OPE_DIRECT],
        .mrdr_quality = r->number[OPE_MRDR_QUALITY],
        .mrdr_direct = r->number[OPE_MRDR_DIRECT],
        .group_weight = r->group_weight,
        .cluster = r->text[OPE_USER],
    };
    const struct ope_slates slates = {
        .n = r->n_slates,
        .start = r->start,
        .reward = log.reward,
        .propensity = log.propensity,
        .target = log.target,
        .slot_propensity = r->number[OPE_SLOT_PROPENSITY],
        .slot_target = r->number[OPE_SLOT_TARGET],
        .quality = log.quality,
        .direct = log.direct,
        .cluster = r->slate_user,
    };
    struct penchant_error why = {0};
    const int status =
        r->start ? ope_run_slates(&slates, o, out, &why) : ope_run(&log, o, out, &why);
    if (status && why.field[0])
        return error_field(err, status, why.index, why.field, "%s:%llu: %s", r->path,
                           (unsigned long long)r->line[why.index], why.text);
    return status ? error_set(err, status, "%s", why.text) : PENCHANT_OK;
}
