/* SPDX-License-Identifier: Apache-2.0 */
/* Estimators of slates. Kiyohara et al. 2022 is "Doubly Robust Off-Policy Evaluation for
   Ranking Policies under the Cascade Behavior Model". */
#include <math.h>

#include "evaluate/ope.h"
#include "evaluate/ope_judge.h"

static const char NO_QUALITY[] = "it needs a model of the reward: quality and direct";

/* Columns of the sums; two more for every position. */
enum {
    ALL_R = SUMS_OWN, /* W_K sum_k r_k */
    SLOT_R,           /* sum_k w_k r_k */
    PREFIX_R,         /* sum_k W_k r_k */
    CASCADE,          /* sum_k W_k (r_k - q_k) + W_k-1 dm_k */
    POSITIONS         /* W_k r_k and W_k of k = 0 .. */
};

struct weights {
    struct ope_weights all, slot, prefix;
};

/* Each slot's ratio, as IIPS sees it. */
static double slot_ratio(const struct ope_slates *l, size_t j)
{
    return l->slot_target ? l->slot_target[j] / l->slot_propensity[j]
                          : l->target[j] / l->propensity[j];
}

static bool add_slate(struct sums *s, struct weights *ws, const struct ope_slates *l,
                      size_t i, size_t depth)
{
    const size_t from = l->start[i], k_n = l->start[i + 1] - from;
    double *g = sums_group_of(s, l->cluster, i);
    double prefix = 1, reward = 0;
    bool rewarded = false;
    for (size_t k = 0; k < depth; k++) {
        const size_t j = from + k;
        if (k >= k_n) {
            sums_add(s, g, POSITIONS + 2 * k + 1, prefix);
            continue;
        }
        const double r = l->reward[j], before = prefix, slot = slot_ratio(l, j);
        prefix *= l->target[j] / l->propensity[j];
        ope_weights_add(&ws->slot, slot, false);
        ope_weights_add(&ws->prefix, prefix, false);
        sums_add(s, g, SLOT_R, slot * r);
        sums_add(s, g, PREFIX_R, prefix * r);
        if (l->quality)
            sums_add(s, g, CASCADE, prefix * (r - l->quality[j]) + before * l->direct[j]);
        sums_add(s, g, POSITIONS + 2 * k, prefix * r);
        sums_add(s, g, POSITIONS + 2 * k + 1, prefix);
        reward += r;
        rewarded |= r != 0;
    }
    ope_weights_add(&ws->all, prefix, false);
    sums_add(s, g, SUMS_ONE, 1);
    sums_add(s, g, SUMS_REWARD, reward);
    sums_add(s, g, ALL_R, prefix * reward);
    return rewarded;
}

static int check(const struct ope_slates *l, const struct ope_options *o, size_t *depth,
                 struct penchant_error *err)
{
    const struct ope_range chosen = {0, 1, true}, chance = {0, 1, false},
                           any = {-INFINITY, INFINITY, false};
    const struct {
        const double *x;
        struct ope_range range;
        const char *field;
    } columns[] = {
        {l->reward, any, "reward"},
        {l->propensity, chosen, "propensity"},
        {l->target, chance, "target"},
        {l->slot_propensity, chosen, "slot propensity"},
        {l->slot_target, chance, "slot target"},
        {l->quality, any, "quality"},
        {l->direct, any, "direct"},
    };
    if (!l->n)
        return error_set(err, PENCHANT_EINVALID, "the log has no slates");
    *depth = 0;
    for (size_t i = 0; i < l->n; i++) {
        const size_t k = l->start[i + 1] - l->start[i];
        if (k < 1 || k > OPE_SLOTS_MAX)
            return error_field(err, PENCHANT_ELIMIT, l->start[i], "slate",
                               "a slate has %zu slots; 1 to %d are allowed", k,
                               OPE_SLOTS_MAX);
        *depth = k > *depth ? k : *depth;
    }
    int status = ope_check_options(o, err);
    for (size_t i = 0; !status && i < sizeof(columns) / sizeof(columns[0]); i++)
        status = ope_check(columns[i].x, l->start[l->n], columns[i].range,
                           columns[i].field, err);
    return status;
}

/* The sum over positions of self-normalised means. */
static struct sums_form by_position(size_t depth)
{
    struct sums_form f = {.n_terms = depth};
    for (size_t k = 0; k < depth; k++) {
        f.term[k].above = (uint16_t)(POSITIONS + 2 * k);
        f.term[k].below = (uint16_t)(POSITIONS + 2 * k + 1);
    }
    return f;
}

int ope_run_slates(const struct ope_slates *l, const struct ope_options *o,
                   struct penchant_ope *out, struct penchant_error *err)
{
    static const char *const prefer[] = {"cascade-dr", "snrips", NULL};
    struct weights ws = {0};
    struct sums s;
    size_t depth = 0;
    *out = (struct penchant_ope){.n = l->n, .slots = l->n ? l->start[l->n] : 0};
    int status = check(l, o, &depth, err);
    if (status || (status = sums_init(&s, l->n, l->cluster, POSITIONS + 2 * depth, err)))
        return status;
    for (size_t i = 0; i < l->n; i++)
        out->rewarded += add_slate(&s, &ws, l, i, depth);
    const struct ope_weights *w = &ws.prefix;
    const struct ope_row row[] = {
        {"sips", NULL, {1, {{ALL_R, SUMS_ONE}}}, &ws.all, &ws.all},
        {"iips", NULL, {1, {{SLOT_R, SUMS_ONE}}}, &ws.slot, &ws.slot},
        {"rips", NULL, {1, {{PREFIX_R, SUMS_ONE}}}, w, w},
        {"snrips", NULL, by_position(depth), w, w},
        {"cascade-dr", l->quality ? NULL : NO_QUALITY, {1, {{CASCADE, SUMS_ONE}}}, w, w},
    };
    status = ope_judge(&s, row, sizeof(row) / sizeof(row[0]), prefer, o, out, err);
    sums_release(&s);
    return status;
}
