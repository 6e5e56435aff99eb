/* SPDX-License-Identifier: Apache-2.0 */
/* Off-policy evaluation against figures of the Open Bandit Pipeline, against formulas
   written out, and against made-up worlds whose truth is known. */
#include "evaluate/ope.h"

#include <jansson.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "lab/ope_rows.h"
#include "near.h"

static const struct penchant_ope_estimate *get(const struct penchant_ope *o,
                                               const char *name)
{
    for (size_t i = 0; i < o->n_estimates; i++)
        if (strcmp(o->estimate[i].name, name) == 0)
            return &o->estimate[i];
    fail_msg("no estimate is called %s", name);
    return NULL;
}

static double value(const struct penchant_ope *o, const char *name)
{
    const struct penchant_ope_estimate *e = get(o, name);
    assert_null(e->reason);
    return e->value;
}

/* ---- formulas ------------------------------------------------------------------- */

enum { ROWS = 3000 };
struct arrays {
    double reward[ROWS], propensity[ROWS], target[ROWS], quality[ROWS], direct[ROWS],
        mrdr_quality[ROWS], mrdr_direct[ROWS], group_weight[ROWS];
    uint32_t cluster[ROWS];
};

static struct ope_log log_of(const struct arrays *a, size_t n)
{
    return (struct ope_log){.n = n,
                            .reward = a->reward,
                            .propensity = a->propensity,
                            .target = a->target,
                            .quality = a->quality,
                            .direct = a->direct,
                            .mrdr_quality = a->mrdr_quality,
                            .mrdr_direct = a->mrdr_direct,
                            .group_weight = a->group_weight};
}

/* Numbers without any meaning, which is all that formulas need. */
static struct arrays *noise(uint64_t seed)
{
    struct arrays *a = calloc(1, sizeof(*a));
    struct rng r;
    rng_init(&r, seed, 0);
    for (size_t i = 0; i < ROWS; i++) {
        a->reward[i] = rng_double(&r) < 0.2 ? 1 + rng_double(&r) : 0;
        a->propensity[i] = 0.02 + 0.5 * rng_double(&r);
        a->target[i] = rng_double(&r) < 0.1 ? 0 : rng_double(&r) * rng_double(&r);
        a->quality[i] = 0.4 * rng_double(&r);
        a->direct[i] = 0.4 * rng_double(&r);
        a->mrdr_quality[i] = 0.4 * rng_double(&r);
        a->mrdr_direct[i] = 0.4 * rng_double(&r);
        a->group_weight[i] = 2 * rng_double(&r);
        a->cluster[i] = (uint32_t)i / 3;
    }
    return a;
}

/* Each formula by itself, summed from the end and in long double. */
static void check_formulas(const struct arrays *a, size_t n, const struct ope_options *o,
                           const struct penchant_ope *got)
{
    long double ips = 0, cips = 0, dm = 0, rest = 0, switched = 0, dros = 0, mrdr = 0,
                mips = 0, w_sum = 0, w_squares = 0, most = 0, cut = 0;
    for (size_t i = n; i-- > 0;) {
        const long double w = (long double)a->target[i] / a->propensity[i],
                          r = a->reward[i], left = r - (long double)a->quality[i];
        ips += w * r;
        cips += (w < o->clip ? w : (long double)o->clip) * r;
        dm += a->direct[i];
        rest += w * left;
        switched += w <= o->tau ? w * left : 0;
        dros += o->lambda * w / (w * w + o->lambda) * left;
        mrdr += a->mrdr_direct[i] + w * (r - a->mrdr_quality[i]);
        mips += a->group_weight[i] * r;
        w_sum += w;
        w_squares += w * w;
        most = w > most ? w : most;
        cut += w > o->clip;
    }
    const long double m = (long double)n;
    assert_near(value(got, "ips"), (double)(ips / m), 1e-12);
    assert_near(value(got, "cips"), (double)(cips / m), 1e-12);
    assert_near(value(got, "snips"), (double)(ips / w_sum), 1e-12);
    assert_near(value(got, "dm"), (double)(dm / m), 1e-12);
    assert_near(value(got, "dr"), (double)((dm + rest) / m), 1e-12);
    assert_near(value(got, "sndr"), (double)(dm / m + rest / w_sum), 1e-12);
    assert_near(value(got, "switch-dr"), (double)((dm + switched) / m), 1e-12);
    assert_near(value(got, "dros"), (double)((dm + dros) / m), 1e-12);
    assert_near(value(got, "mrdr"), (double)(mrdr / m), 1e-12);
    assert_near(value(got, "mips"), (double)(mips / m), 1e-12);
    const struct penchant_ope_estimate *e = get(got, "ips");
    assert_near(e->ess, (double)(w_sum * w_sum / w_squares), 1e-8);
    assert_near(e->mean_weight, (double)(w_sum / m), 1e-12);
    assert_near(e->max_weight, (double)most, 1e-12);
    assert_near(get(got, "cips")->clipped, (double)(cut / m), 1e-12);
    assert_near(get(got, "cips")->max_weight, fmin((double)most, o->clip), 1e-12);
}

static void test_ope__estimates_are_those_of_the_formulas(void **state)
{
    (void)state;
    struct ope_options o;
    struct penchant_ope got;
    ope_options_default(&o);
    o.clip = 5;
    o.tau = 3;
    o.draws = 10;
    for (uint64_t seed = 1; seed < 6; seed++) {
        struct arrays *a = noise(seed);
        const struct ope_log l = log_of(a, ROWS - 7 * seed);
        assert_int_equal(ope_run(&l, &o, &got, NULL), 0);
        check_formulas(a, l.n, &o, &got);
        free(a);
    }
}

/* w is 2, .5, 0 and 4, worked out by hand. */
static void test_ope__four_rows_by_hand(void **state)
{
    (void)state;
    const double reward[] = {1, 0, 1, 1}, propensity[] = {.25, .5, .5, .125},
                 target[] = {.5, .25, 0, .5}, quality[] = {.5, .5, .5, .25},
                 direct[] = {.5, .25, .75, .5};
    const struct ope_log l = {.n = 4,
                              .reward = reward,
                              .propensity = propensity,
                              .target = target,
                              .quality = quality,
                              .direct = direct};
    struct ope_options o;
    struct penchant_ope got;
    ope_options_default(&o);
    o.clip = 3;
    o.tau = 2;
    o.lambda = 4;
    assert_int_equal(ope_run(&l, &o, &got, NULL), 0);
    assert_near(value(&got, "ips"), 1.5, 1e-15);
    assert_near(value(&got, "cips"), 1.25, 1e-15);
    assert_near(value(&got, "snips"), 6 / 6.5, 1e-15);
    assert_near(value(&got, "dm"), .5, 1e-15);
    assert_near(value(&got, "dr"), .5 + (1 - .25 + 3) / 4, 1e-15);
    assert_near(value(&got, "sndr"), .5 + 3.75 / 6.5, 1e-15);
    assert_near(value(&got, "switch-dr"), .5 + .75 / 4, 1e-15);
    assert_near(value(&got, "dros"), .5 + (.5 - 2 / 4.25 * .5 + .8 * .75) / 4, 1e-15);
    assert_near(got.logged, .75, 1e-15);
    assert_near(get(&got, "ips")->gain, .75, 1e-15);
    assert_near(get(&got, "ips")->ess, 6.5 * 6.5 / 20.25, 1e-12);
    assert_non_null(get(&got, "mrdr")->reason);
    assert_non_null(get(&got, "mips")->reason);
    assert_true(isnan(get(&got, "mips")->value));
}

/* ---- the Open Bandit Pipeline's figures ------------------------------------------- */

static const struct {
    const char *theirs, *ours;
} FIGURES[] = {
    {"ips", "ips"},   {"snips", "snips"},        {"dm", "dm"},      {"dr", "dr"},
    {"sndr", "sndr"}, {"switch10", "switch-dr"}, {"cips5", "cips"}, {"dros100", "dros"},
};

static void check_campaign(const char *dir, const char *campaign, const json_t *expected)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/ope/%s_log.csv", dir, campaign);
    const struct ope_columns c = {.number = {[OPE_REWARD] = "reward",
                                             [OPE_PROPENSITY] = "pscore",
                                             [OPE_TARGET] = "pi_e",
                                             [OPE_QUALITY] = "q_logged",
                                             [OPE_DIRECT] = "dm"},
                                  .text = {[OPE_ACTION] = "action"}};
    struct penchant_error err = {0};
    struct ope_rows rows;
    struct ope_options o;
    struct penchant_ope got;
    ope_options_default(&o);
    o.clip = 5;
    if (ope_rows_read(&rows, path, &c, &err) || ope_rows_run(&rows, &o, &got, &err))
        fail_msg("%s: %s", path, err.text);
    for (size_t i = 0; i < sizeof(FIGURES) / sizeof(FIGURES[0]); i++)
        assert_near(value(&got, FIGURES[i].ours),
                    json_real_value(json_object_get(expected, FIGURES[i].theirs)), 1e-9);
    assert_near(get(&got, "ips")->ess, json_real_value(json_object_get(expected, "ess")),
                1e-9);
    ope_rows_release(&rows);
}

static void test_ope__the_open_bandit_figures_come_out(void **state)
{
    (void)state;
    char path[512];
    const char *data = getenv("PENCHANT_DATA"), *dir = "../shared/golden";
    char beside[400];
    if (data) {
        snprintf(beside, sizeof(beside), "%s/../golden", data);
        dir = beside;
    }
    snprintf(path, sizeof(path), "%s/ope/obd_expected.json", dir);
    if (access(path, R_OK) != 0) {
        print_message("SKIP the Open Bandit figures: %s is not there\n", path);
        return;
    }
    json_t *expected = json_load_file(path, 0, NULL);
    assert_non_null(expected);
    check_campaign(dir, "men", json_object_get(expected, "men"));
    check_campaign(dir, "women", json_object_get(expected, "women"));
    json_decref(expected);
}

/* ---- worlds whose truth is known -------------------------------------------------- */

enum { CONTEXTS = 3, ACTIONS = 6, GROUPS = 2, LOGS = 200, LOG_ROWS = 800 };

/* Chances of a reward go by the action's group and the context alone, so that MIPS holds.
 */
static double chance(size_t x, size_t a)
{
    return 0.1 + 0.12 * (double)x + (a % GROUPS ? 0.25 : 0.05 * (double)x);
}

static double logging(size_t x, size_t a)
{
    static const double p[ACTIONS] = {.3, .25, .15, .12, .1, .08};
    return p[(a + x) % ACTIONS];
}

static double wanted(size_t x, size_t a)
{
    static const double p[ACTIONS] = {.05, .05, .1, .1, .3, .4};
    return p[(a + 2 * x) % ACTIONS];
}

static double truth(void)
{
    double v = 0;
    for (size_t x = 0; x < CONTEXTS; x++)
        for (size_t a = 0; a < ACTIONS; a++)
            v += wanted(x, a) * chance(x, a) / CONTEXTS;
    return v;
}

static double group_weight(size_t x, size_t e)
{
    double up = 0, down = 0;
    for (size_t a = e; a < ACTIONS; a += GROUPS) {
        up += wanted(x, a);
        down += logging(x, a);
    }
    return up / down;
}

static size_t draw(struct rng *r, const double *p, size_t n)
{
    double left = rng_double(r);
    for (size_t a = 0; a + 1 < n; a++)
        if ((left -= p[a]) < 0)
            return a;
    return n - 1;
}

/* A model of the reward that is wrong on purpose. */
static double guess(size_t x, size_t a)
{
    return 0.3 - 0.02 * (double)a + 0.05 * (double)x;
}

static void live(struct arrays *a, size_t n, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed, 1);
    for (size_t i = 0; i < n; i++) {
        double p[ACTIONS], dm = 0;
        const size_t x = rng_below(&r, CONTEXTS);
        for (size_t k = 0; k < ACTIONS; k++) {
            p[k] = logging(x, k);
            dm += wanted(x, k) * guess(x, k);
        }
        const size_t k = draw(&r, p, ACTIONS);
        a->reward[i] = rng_double(&r) < chance(x, k);
        a->propensity[i] = p[k];
        a->target[i] = wanted(x, k);
        a->quality[i] = a->mrdr_quality[i] = guess(x, k);
        a->direct[i] = a->mrdr_direct[i] = dm;
        a->group_weight[i] = group_weight(x, k % GROUPS);
        a->cluster[i] = (uint32_t)i;
    }
}

struct spread {
    double sum, squares;
    size_t n, covered;
};

static void spread_add(struct spread *s, const struct penchant_ope_estimate *e, double at)
{
    s->sum += e->value;
    s->squares += e->value * e->value;
    s->covered += e->low <= at && at <= e->high;
    s->n++;
}

/* How many standard errors the mean is away from the truth. */
static double errors_off(const struct spread *s, double at)
{
    const double n = (double)s->n, mean = s->sum / n;
    return (mean - at) / sqrt((s->squares / n - mean * mean) / (n - 1));
}

static void test_ope__unbiased_ones_find_the_truth_and_intervals_hold_it(void **state)
{
    (void)state;
    static const char *const unbiased[] = {"ips", "dr", "mrdr", "mips"};
    struct spread of[4] = {{0}}, snips = {0}, cips = {0}, dm = {0};
    struct arrays *a = calloc(1, sizeof(*a));
    struct ope_options o;
    struct penchant_ope got;
    ope_options_default(&o);
    o.clip = 1.5;
    o.draws = 400;
    const double at = truth();
    for (uint64_t i = 0; i < LOGS; i++) {
        live(a, LOG_ROWS, 100 + i);
        const struct ope_log l = log_of(a, LOG_ROWS);
        o.seed = i;
        assert_int_equal(ope_run(&l, &o, &got, NULL), 0);
        for (size_t k = 0; k < 4; k++)
            spread_add(&of[k], get(&got, unbiased[k]), at);
        spread_add(&snips, get(&got, "snips"), at);
        spread_add(&cips, get(&got, "cips"), at);
        spread_add(&dm, get(&got, "dm"), at);
    }
    for (size_t k = 0; k < 4; k++) {
        if (fabs(errors_off(&of[k], at)) > 3)
            fail_msg("%s is %g standard errors off", unbiased[k], errors_off(&of[k], at));
        assert_in_range(of[k].covered, LOGS * 90 / 100, LOGS * 99 / 100);
    }
    assert_in_range(snips.covered, LOGS * 90 / 100, LOGS * 99 / 100);
    /* The two with a bias show that the figures above can fail. */
    assert_true(errors_off(&cips, at) < -10);
    assert_true(fabs(errors_off(&dm, at)) > 10);
    free(a);
}

/* Slates of SLOTS of SHOP items, drawn without replacement; a slot's reward depends on the
   slot before it. */
enum { SLOTS = 3, SHOP = 5, SLATES = 400 };

static void slot_policy(const double *taste, const unsigned *before, size_t k, double *p)
{
    double sum = 0;
    for (unsigned i = 0; i < SHOP; i++) {
        p[i] = taste[i];
        for (size_t j = 0; j < k; j++)
            if (before[j] == i)
                p[i] = 0;
        sum += p[i];
    }
    for (unsigned i = 0; i < SHOP; i++)
        p[i] /= sum;
}

static const double LOGGED_TASTE[SHOP] = {3, 2.5, 2, 1.5, 1},
                    WANTED_TASTE[SHOP] = {1, 1.5, 1.5, 2.5, 3};

static double slot_chance(const unsigned *slate, size_t k)
{
    double c = 0.15 + 0.08 * slate[k];
    if (k && (slate[k] + slate[k - 1]) % 2)
        c *= 0.3;
    return c;
}

static double slate_truth(unsigned *slate, size_t k, double chance_so_far)
{
    double p[SHOP], v = 0;
    if (k == SLOTS)
        return 0;
    slot_policy(WANTED_TASTE, slate, k, p);
    for (unsigned i = 0; i < SHOP; i++)
        if (p[i] > 0) {
            slate[k] = i;
            v += chance_so_far * p[i] * slot_chance(slate, k) +
                 slate_truth(slate, k + 1, chance_so_far * p[i]);
        }
    return v;
}

struct slates {
    size_t start[SLATES + 1];
    double reward[SLATES * SLOTS], propensity[SLATES * SLOTS], target[SLATES * SLOTS],
        quality[SLATES * SLOTS], direct[SLATES * SLOTS];
};

static void live_slates(struct slates *s, uint64_t seed)
{
    struct rng r;
    rng_init(&r, seed, 2);
    for (size_t i = 0; i < SLATES; i++) {
        unsigned slate[SLOTS];
        s->start[i] = i * SLOTS;
        for (size_t k = 0; k < SLOTS; k++) {
            double p[SHOP], q[SHOP], dm = 0;
            const size_t j = i * SLOTS + k;
            slot_policy(LOGGED_TASTE, slate, k, p);
            slot_policy(WANTED_TASTE, slate, k, q);
            for (unsigned b = 0; b < SHOP; b++)
                dm += q[b] * (0.2 + 0.05 * b) * (double)(SLOTS - k);
            slate[k] = (unsigned)draw(&r, p, SHOP);
            s->propensity[j] = p[slate[k]];
            s->target[j] = q[slate[k]];
            s->reward[j] = rng_double(&r) < slot_chance(slate, k);
            s->quality[j] = (0.2 + 0.05 * slate[k]) * (double)(SLOTS - k);
            s->direct[j] = dm;
        }
    }
    s->start[SLATES] = SLATES * SLOTS;
}

static struct ope_slates slates_of(const struct slates *s)
{
    return (struct ope_slates){.n = SLATES,
                               .start = s->start,
                               .reward = s->reward,
                               .propensity = s->propensity,
                               .target = s->target,
                               .quality = s->quality,
                               .direct = s->direct};
}

static void test_ope__slates_find_the_truth_where_slots_interact(void **state)
{
    (void)state;
    static const char *const unbiased[] = {"sips", "rips", "cascade-dr"};
    struct spread of[3] = {{0}}, snrips = {0}, iips = {0};
    struct slates *s = malloc(sizeof(*s));
    struct ope_options o;
    struct penchant_ope got;
    unsigned slate[SLOTS];
    ope_options_default(&o);
    o.draws = 200;
    const double at = slate_truth(slate, 0, 1);
    for (uint64_t i = 0; i < LOGS; i++) {
        live_slates(s, 300 + i);
        const struct ope_slates l = slates_of(s);
        assert_int_equal(ope_run_slates(&l, &o, &got, NULL), 0);
        for (size_t k = 0; k < 3; k++)
            spread_add(&of[k], get(&got, unbiased[k]), at);
        spread_add(&snrips, get(&got, "snrips"), at);
        spread_add(&iips, get(&got, "iips"), at);
    }
    for (size_t k = 0; k < 3; k++) {
        if (fabs(errors_off(&of[k], at)) > 3)
            fail_msg("%s is %g standard errors off", unbiased[k], errors_off(&of[k], at));
        assert_true(of[k].covered >= LOGS * 88 / 100);
    }
    assert_true(snrips.covered >= LOGS * 90 / 100);
    assert_true(fabs(errors_off(&iips, at)) > 5); /* slots are not independent here */
    /* A model of the reward, although a rough one, makes it less wide, as does leaving out
       what later slots are. */
    assert_true(of[2].squares - of[2].sum * of[2].sum / LOGS <
                of[1].squares - of[1].sum * of[1].sum / LOGS);
    assert_true(of[1].squares - of[1].sum * of[1].sum / LOGS <
                of[0].squares - of[0].sum * of[0].sum / LOGS);
    free(s);
}

/* Slates of one and of two slots; W is 2 | 2, 1 | .5, 1.5 */
static void test_ope__slates_by_hand(void **state)
{
    (void)state;
    const size_t start[] = {0, 1, 3, 5};
    const double reward[] = {1, 0, 1, 1, 0}, propensity[] = {.25, .25, .5, .5, .25},
                 target[] = {.5, .5, .25, .25, .75}, quality[] = {1, .5, .5, .25, .25},
                 direct[] = {.5, .5, .25, .5, 1};
    struct ope_slates l = {.n = 3,
                           .start = start,
                           .reward = reward,
                           .propensity = propensity,
                           .target = target};
    struct ope_options o;
    struct penchant_ope got;
    ope_options_default(&o);
    assert_int_equal(ope_run_slates(&l, &o, &got, NULL), 0);
    assert_int_equal(got.slots, 5);
    assert_near(got.logged, 1, 1e-15);
    assert_near(value(&got, "sips"), (2 + 1 + 1.5) / 3, 1e-15);
    assert_near(value(&got, "iips"), (2 + .5 + .5) / 3, 1e-15);
    assert_near(value(&got, "rips"), (2 + 1 + .5) / 3, 1e-15);
    assert_near(value(&got, "snrips"), 2.5 / 4.5 + 1 / 4.5, 1e-15);
    assert_non_null(get(&got, "cascade-dr")->reason);
    l.quality = quality;
    l.direct = direct;
    assert_int_equal(ope_run_slates(&l, &o, &got, NULL), 0);
    assert_near(value(&got, "cascade-dr"),
                (.5 + (.5 - 1 + 2 * .25 + .5) + (.5 + .5 * .75 + .5 * 1 - 1.5 * .25)) / 3,
                1e-15);
    /* IIPS goes by the slots' own probabilities where they are given. */
    const double slot_target[] = {1, 1, 1, 0, 0}, slot_propensity[] = {1, 1, .5, 1, 1};
    l.slot_target = slot_target;
    l.slot_propensity = slot_propensity;
    assert_int_equal(ope_run_slates(&l, &o, &got, NULL), 0);
    assert_near(value(&got, "iips"), (1 + 2) / 3.0, 1e-15);
}

/* ---- intervals -------------------------------------------------------------------- */

static void test_ope__same_seed_gives_the_same_bits(void **state)
{
    (void)state;
    struct arrays *a = noise(1);
    const struct ope_log l = log_of(a, ROWS);
    struct ope_options o;
    struct penchant_ope one, two;
    ope_options_default(&o);
    assert_int_equal(ope_run(&l, &o, &one, NULL), 0);
    assert_int_equal(ope_run(&l, &o, &two, NULL), 0);
    assert_memory_equal(&one, &two, sizeof(one));
    o.seed = 2;
    assert_int_equal(ope_run(&l, &o, &two, NULL), 0);
    assert_true(value(&one, "ips") == value(&two, "ips"));
    assert_true(get(&one, "ips")->low != get(&two, "ips")->low);
    free(a);
}

/* Every row ten times says nothing new, once it is told that they belong together. */
static void test_ope__rows_of_one_user_are_resampled_together(void **state)
{
    (void)state;
    enum { PLAIN = ROWS / 10 };
    struct arrays *a = noise(3);
    struct ope_log l = log_of(a, PLAIN);
    struct ope_options o;
    struct penchant_ope once, ten, together;
    ope_options_default(&o);
    assert_int_equal(ope_run(&l, &o, &once, NULL), 0);
    for (size_t i = PLAIN; i < ROWS; i++) {
        a->reward[i] = a->reward[i % PLAIN];
        a->propensity[i] = a->propensity[i % PLAIN];
        a->target[i] = a->target[i % PLAIN];
    }
    for (size_t i = 0; i < ROWS; i++)
        a->cluster[i] = (uint32_t)(i % PLAIN);
    l.n = ROWS;
    assert_int_equal(ope_run(&l, &o, &ten, NULL), 0);
    l.cluster = a->cluster;
    assert_int_equal(ope_run(&l, &o, &together, NULL), 0);
    assert_int_equal(together.clusters, PLAIN);
    const struct penchant_ope_estimate *e = get(&once, "ips"), *t = get(&ten, "ips"),
                                       *g = get(&together, "ips");
    assert_near(g->low, e->low, 1e-9);
    assert_near(g->high, e->high, 1e-9);
    assert_true(t->high - t->low < 0.5 * (e->high - e->low));
    free(a);
}

/* Beyond SUMS_GROUPS rows bundles are drawn; a mean's interval is as wide as ever. */
static void test_ope__bundles_are_as_wide_as_rows(void **state)
{
    (void)state;
    enum { MANY = 60000 };
    double *reward = malloc(MANY * sizeof(double)), *one = malloc(MANY * sizeof(double));
    struct rng r;
    struct ope_options o;
    struct penchant_ope got;
    rng_init(&r, 5, 0);
    for (size_t i = 0; i < MANY; i++) {
        reward[i] = rng_double(&r) < 0.3;
        one[i] = 1;
    }
    const struct ope_log l = {
        .n = MANY, .reward = reward, .propensity = one, .target = one};
    ope_options_default(&o);
    assert_int_equal(ope_run(&l, &o, &got, NULL), 0);
    const double wide = 2 * 1.96 * sqrt(0.3 * 0.7 / MANY);
    assert_near(got.logged_high - got.logged_low, wide, 0.1 * wide);
    assert_near(get(&got, "ips")->gain_high - get(&got, "ips")->gain_low, 0, 1e-12);
    free(reward);
    free(one);
}

/* ---- when the data cannot answer -------------------------------------------------- */

static void test_ope__a_good_log_is_answered_and_a_difference_told(void **state)
{
    (void)state;
    struct arrays *a = calloc(1, sizeof(*a));
    struct ope_options o;
    struct penchant_ope got;
    ope_options_default(&o);
    live(a, ROWS, 9);
    struct ope_log l = log_of(a, ROWS);
    assert_int_equal(ope_run(&l, &o, &got, NULL), 0);
    assert_true(got.answered);
    assert_string_equal(got.chosen, "dr");
    assert_string_equal(get(&got, "dr")->doubt, "");
    assert_non_null(strstr(got.answer, "would earn"));
    l.quality = l.direct = NULL;
    assert_int_equal(ope_run(&l, &o, &got, NULL), 0);
    assert_string_equal(got.chosen, "snips");
    /* A target that likes what is rewarded. */
    for (size_t i = 0; i < ROWS; i++)
        a->target[i] = a->propensity[i] * (a->reward[i] > 0 ? 1.5 : 0.7);
    assert_int_equal(ope_run(&l, &o, &got, NULL), 0);
    assert_non_null(strstr(got.answer, "better"));
    free(a);
}

static void expect_doubt(const struct ope_log *l, const char *words)
{
    struct ope_options o;
    struct penchant_ope got;
    ope_options_default(&o);
    assert_int_equal(ope_run(l, &o, &got, NULL), 0);
    assert_false(got.answered);
    if (!strstr(got.answer, words) || strncmp(got.answer, "The data cannot", 15) != 0)
        fail_msg("\"%s\" does not say \"%s\"", got.answer, words);
}

static void test_ope__it_says_why_the_data_cannot_answer(void **state)
{
    (void)state;
    struct arrays *a = calloc(1, sizeof(*a));
    struct ope_log l = log_of(a, ROWS);
    l.quality = l.direct = l.mrdr_quality = l.mrdr_direct = l.group_weight = NULL;
    live(a, ROWS, 11);
    for (size_t i = 0; i < ROWS; i++)
        a->target[i] *= 0.6;
    expect_doubt(&l, "of what the target would choose is never chosen");
    live(a, ROWS, 11);
    for (size_t i = 0; i < ROWS; i++)
        a->propensity[i] *= 0.6;
    expect_doubt(&l, "not those that were in force");
    live(a, ROWS, 11);
    for (size_t i = 0; i < ROWS; i++)
        a->reward[i] *= i < 50;
    expect_doubt(&l, "have a reward");
    live(a, ROWS, 11);
    l.n = 60;
    expect_doubt(&l, "rows are worth only");
    l.n = ROWS;
    for (size_t i = 0; i < ROWS; i++) /* one in fifty counts, for fifty */
        a->target[i] = i % 50 ? 0 : fmin(1, a->propensity[i] *= 0.02) * 50;
    expect_doubt(&l, "rows are worth only");
    live(a, ROWS, 11);
    for (size_t i = 0; i < ROWS; i++)
        a->reward[i] = a->reward[i] > 0 && i % 25 == 0;
    expect_doubt(&l, "spans a factor");
    for (size_t i = 0; i < ROWS; i++)
        a->reward[i] = i % 2 ? 1 : -1;
    expect_doubt(&l, "holds 0");
    free(a);
}

static void test_ope__groups_answer_where_rows_are_too_few(void **state)
{
    (void)state;
    struct arrays *a = calloc(1, sizeof(*a));
    struct ope_options o;
    struct penchant_ope got;
    ope_options_default(&o);
    live(a, ROWS, 12);
    struct ope_log l = log_of(a, ROWS);
    l.quality = l.direct = NULL;
    for (size_t i = 0; i < ROWS; i++) {
        a->target[i] = i % 50 ? 0 : 1;
        a->propensity[i] = i % 50 ? 1 : 0.02;
    }
    assert_int_equal(ope_run(&l, &o, &got, NULL), 0);
    assert_true(get(&got, "snips")->ess < 100);
    assert_string_equal(got.chosen, "mips");
    free(a);
}

static void test_ope__bad_rows_are_named(void **state)
{
    (void)state;
    struct arrays *a = noise(1);
    const struct ope_log l = log_of(a, ROWS);
    struct ope_options o;
    struct penchant_ope got;
    struct penchant_error err = {0};
    ope_options_default(&o);
    a->propensity[17] = 0;
    assert_int_equal(ope_run(&l, &o, &got, &err), PENCHANT_EINVALID);
    assert_int_equal(err.index, 17);
    assert_string_equal(err.field, "propensity");
    a->propensity[17] = 0.5;
    a->target[18] = 1.5;
    assert_int_equal(ope_run(&l, &o, &got, &err), PENCHANT_EINVALID);
    assert_int_equal(err.index, 18);
    a->target[18] = 0.5;
    a->reward[19] = NAN;
    assert_int_equal(ope_run(&l, &o, &got, &err), PENCHANT_EINVALID);
    assert_int_equal(err.index, 19);
    a->reward[19] = 0;
    o.clip = 0;
    assert_int_equal(ope_run(&l, &o, &got, &err), PENCHANT_EINVALID);
    ope_options_default(&o);
    const struct ope_log none = {.n = 0};
    assert_int_equal(ope_run(&none, &o, &got, &err), PENCHANT_EINVALID);
    free(a);
}

static void test_ope__slates_that_are_too_long_are_refused(void **state)
{
    (void)state;
    const size_t start[] = {0, OPE_SLOTS_MAX, 2 * OPE_SLOTS_MAX + 1};
    double one[2 * OPE_SLOTS_MAX + 1];
    for (size_t i = 0; i < sizeof(one) / sizeof(one[0]); i++)
        one[i] = 1;
    struct ope_slates l = {
        .n = 2, .start = start, .reward = one, .propensity = one, .target = one};
    struct ope_options o;
    struct penchant_ope got;
    struct penchant_error err = {0};
    ope_options_default(&o);
    assert_int_equal(ope_run_slates(&l, &o, &got, &err), PENCHANT_ELIMIT);
    assert_int_equal(err.index, OPE_SLOTS_MAX);
    l.n = 1;
    assert_int_equal(ope_run_slates(&l, &o, &got, &err), 0);
    assert_near(value(&got, "snrips"), OPE_SLOTS_MAX, 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ope__estimates_are_those_of_the_formulas),
        cmocka_unit_test(test_ope__four_rows_by_hand),
        cmocka_unit_test(test_ope__the_open_bandit_figures_come_out),
        cmocka_unit_test(test_ope__unbiased_ones_find_the_truth_and_intervals_hold_it),
        cmocka_unit_test(test_ope__slates_find_the_truth_where_slots_interact),
        cmocka_unit_test(test_ope__slates_by_hand),
        cmocka_unit_test(test_ope__same_seed_gives_the_same_bits),
        cmocka_unit_test(test_ope__rows_of_one_user_are_resampled_together),
        cmocka_unit_test(test_ope__bundles_are_as_wide_as_rows),
        cmocka_unit_test(test_ope__a_good_log_is_answered_and_a_difference_told),
        cmocka_unit_test(test_ope__it_says_why_the_data_cannot_answer),
        cmocka_unit_test(test_ope__groups_answer_where_rows_are_too_few),
        cmocka_unit_test(test_ope__bad_rows_are_named),
        cmocka_unit_test(test_ope__slates_that_are_too_long_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
