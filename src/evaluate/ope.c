/* SPDX-License-Identifier: Apache-2.0 */
/* Estimators of rows with one action each; ope_slate.c has those of slates. */
#include "evaluate/ope.h"

#include <math.h>

#include "evaluate/ope_judge.h"

static const char NO_QUALITY[] = "it needs a model of the reward: quality and direct";
static const char NO_MRDR[] =
    "it needs a model of the reward that is fitted for it, for which the target's "
    "probabilities of all actions must be known";
static const char NO_GROUPS[] = "it needs the actions' groups";

void ope_options_default(struct ope_options *o)
{
    *o = (struct ope_options){
        .clip = 10, .tau = 10, .lambda = 100, .draws = 1000, .seed = 1};
}

/* Columns of the sums. */
enum {
    W = SUMS_OWN, /* w */
    W_R,          /* w r */
    CUT_R,        /* min(w, clip) r */
    DIRECT,       /* dm */
    W_REST,       /* w (r - q) */
    SWITCH_REST,  /* [w <= tau] w (r - q) */
    SHRUNK_REST,  /* lambda w / (w^2 + lambda) (r - q) */
    MRDR_DIRECT,
    MRDR_REST,
    GROUP_R, /* w(e) r */
    COLUMNS
};

struct weights {
    struct ope_weights plain, cut, switched, shrunk, group;
};

static void add_row(struct sums *s, struct weights *ws, const struct ope_log *l,
                    const struct ope_options *o, size_t i)
{
    double *g = sums_group_of(s, l->cluster, i);
    const double r = l->reward[i], w = l->target[i] / l->propensity[i];
    const double cut = fmin(w, o->clip), switched = w <= o->tau ? w : 0,
                 shrunk = o->lambda * w / (w * w + o->lambda);
    ope_weights_add(&ws->plain, w, false);
    ope_weights_add(&ws->cut, cut, w > o->clip);
    ope_weights_add(&ws->switched, switched, w > o->tau);
    ope_weights_add(&ws->shrunk, shrunk, false);
    sums_add(s, g, SUMS_ONE, 1);
    sums_add(s, g, SUMS_REWARD, r);
    sums_add(s, g, W, w);
    sums_add(s, g, W_R, w * r);
    sums_add(s, g, CUT_R, cut * r);
    if (l->quality) {
        const double rest = r - l->quality[i];
        sums_add(s, g, DIRECT, l->direct[i]);
        sums_add(s, g, W_REST, w * rest);
        sums_add(s, g, SWITCH_REST, switched * rest);
        sums_add(s, g, SHRUNK_REST, shrunk * rest);
    }
    if (l->mrdr_quality) {
        sums_add(s, g, MRDR_DIRECT, l->mrdr_direct[i]);
        sums_add(s, g, MRDR_REST, w * (r - l->mrdr_quality[i]));
    }
    if (l->group_weight) {
        ope_weights_add(&ws->group, l->group_weight[i], false);
        sums_add(s, g, GROUP_R, l->group_weight[i] * r);
    }
}

static int check(const struct ope_log *l, const struct ope_options *o,
                 struct penchant_error *err)
{
    const struct ope_range chosen = {0, 1, true}, chance = {0, 1, false},
                           ratio = {0, INFINITY, false},
                           any = {-INFINITY, INFINITY, false};
    const struct {
        const double *x;
        struct ope_range range;
        const char *field;
    } columns[] = {
        {l->reward, any, "reward"},           {l->propensity, chosen, "propensity"},
        {l->target, chance, "target"},        {l->quality, any, "quality"},
        {l->direct, any, "direct"},           {l->mrdr_quality, any, "mrdr quality"},
        {l->mrdr_direct, any, "mrdr direct"}, {l->group_weight, ratio, "group weight"},
    };
    if (!l->n)
        return error_set(err, PENCHANT_EINVALID, "the log has no rows");
    int status = ope_check_options(o, err);
    for (size_t i = 0; !status && i < sizeof(columns) / sizeof(columns[0]); i++)
        status = ope_check(columns[i].x, l->n, columns[i].range, columns[i].field, err);
    return status;
}

int ope_run(const struct ope_log *l, const struct ope_options *o,
            struct penchant_ope *out, struct penchant_error *err)
{
    static const char *const prefer[] = {"dr", "snips", "mips", NULL};
    struct weights ws = {0};
    struct sums s;
    *out = (struct penchant_ope){.n = l->n, .slots = l->n};
    int status = check(l, o, err);
    if (status || (status = sums_init(&s, l->n, l->cluster, COLUMNS, err)))
        return status;
    for (size_t i = 0; i < l->n; i++) {
        add_row(&s, &ws, l, o, i);
        out->rewarded += l->reward[i] != 0;
    }
    const char *q = l->quality ? NULL : NO_QUALITY, *m = l->mrdr_quality ? NULL : NO_MRDR,
               *e = l->group_weight ? NULL : NO_GROUPS;
    const struct ope_weights *w = &ws.plain;
    const struct ope_row row[] = {
        {"ips", NULL, {1, {{W_R, SUMS_ONE}}}, w, w},
        {"cips", NULL, {1, {{CUT_R, SUMS_ONE}}}, &ws.cut, w},
        {"snips", NULL, {1, {{W_R, W}}}, w, w},
        {"dm", q, {1, {{DIRECT, SUMS_ONE}}}, NULL, NULL},
        {"dr", q, {2, {{DIRECT, SUMS_ONE}, {W_REST, SUMS_ONE}}}, w, w},
        {"sndr", q, {2, {{DIRECT, SUMS_ONE}, {W_REST, W}}}, w, w},
        {"switch-dr",
         q,
         {2, {{DIRECT, SUMS_ONE}, {SWITCH_REST, SUMS_ONE}}},
         &ws.switched,
         w},
        {"dros", q, {2, {{DIRECT, SUMS_ONE}, {SHRUNK_REST, SUMS_ONE}}}, &ws.shrunk, w},
        {"mrdr", m, {2, {{MRDR_DIRECT, SUMS_ONE}, {MRDR_REST, SUMS_ONE}}}, w, w},
        {"mips", e, {1, {{GROUP_R, SUMS_ONE}}}, &ws.group, &ws.group},
    };
    status = ope_judge(&s, row, sizeof(row) / sizeof(row[0]), prefer, o, out, err);
    sums_release(&s);
    return status;
}
