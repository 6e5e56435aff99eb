/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/balance.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What a target may be. */
static const struct {
    const char *name;
    double low, high;
} rows[PENCHANT_BALANCES] = {
    [PENCHANT_BALANCE_ENGAGEMENT] = {"engagement", 0, 1000},
    [PENCHANT_BALANCE_VALUE] = {"value", 0, 1000},
    [PENCHANT_BALANCE_DIVERSITY] = {"diversity", 0, 1},
    [PENCHANT_BALANCE_NOVELTY] = {"novelty", 0, 1},
    [PENCHANT_BALANCE_CATEGORIES] = {"categories", 0, 1},
    [PENCHANT_BALANCE_COVERAGE] = {"coverage", 0, 1},
    [PENCHANT_BALANCE_REVENUE] = {"revenue", 0, 1e12},
    [PENCHANT_BALANCE_EXPLORE] = {"explore", 0, 1},
};

void balance_init(struct balance *b)
{
    *b = (struct balance){0};
    for (int m = 0; m < PENCHANT_BALANCES; m++)
        b->target[m] = NAN;
}

const char *balance_name(enum penchant_balance m)
{
    return m < PENCHANT_BALANCES ? rows[m].name : "";
}

enum penchant_balance balance_find(const char *name)
{
    int m = 0;
    while (m < PENCHANT_BALANCES && strcmp(rows[m].name, name) != 0)
        m++;
    return (enum penchant_balance)m;
}

int balance_check(enum penchant_balance m, double target, struct penchant_error *err)
{
    if (isnan(target) || (target >= rows[m].low && target <= rows[m].high))
        return PENCHANT_OK;
    return error_field(err, PENCHANT_EINVALID, 0, rows[m].name,
                       "the target of %s must be between %g and %g", rows[m].name,
                       rows[m].low, rows[m].high);
}

int balance_aim(struct balance *b, enum penchant_balance m, double target,
                struct penchant_error *err)
{
    const int status = balance_check(m, target, err);
    if (status != PENCHANT_OK)
        return status;
    b->target[m] = target;
    if (isnan(target))
        b->lambda[m] = 0;
    return PENCHANT_OK;
}

static double mean_of(const struct balance_mean *m)
{
    return m->weight > 0 ? m->sum / m->weight : (double)NAN;
}

static void fade(struct balance_mean *m, double measured, uint32_t n, double horizon)
{
    const double keep = pow(1 - 1 / horizon, (double)n);
    const bool told = isfinite(measured);
    m->sum = keep * m->sum + (told ? (double)n * measured : 0);
    m->weight = keep * m->weight + (told ? (double)n : 0);
}

double balance_realised(const struct balance *b, enum penchant_balance m)
{
    return mean_of(&b->far[m]);
}

static void ascend(struct balance *b)
{
    for (int m = 0; m < PENCHANT_BALANCES; m++) {
        const double realised = mean_of(&b->near[m]);
        if (isnan(b->target[m]) || isnan(realised))
            continue;
        const double scale = b->target[m] != 0 ? fabs(b->target[m]) : 1;
        const double lambda =
            b->lambda[m] + BALANCE_RATE * (b->target[m] - realised) / scale;
        b->lambda[m] = fmin(fmax(lambda, 0), BALANCE_MOST);
    }
    b->updates++;
}

void balance_shown(struct balance *b, const double measured[PENCHANT_BALANCES],
                   uint32_t n)
{
    for (int m = 0; m < PENCHANT_BALANCES; m++) {
        fade(&b->near[m], measured[m], n, BALANCE_EVERY);
        fade(&b->far[m], measured[m], n, BALANCE_HORIZON);
    }
    b->impressions += n;
    b->since += n;
    if (b->since < BALANCE_EVERY)
        return;
    b->since %= BALANCE_EVERY;
    ascend(b);
}

void balance_earned(struct balance *b, enum penchant_balance m, double amount)
{
    if (!isfinite(amount))
        return;
    b->near[m].sum += amount;
    b->far[m].sum += amount;
}

/* ---- as text ---- */

void balance_save(const struct balance *b, char text[BALANCE_TEXT])
{
    int at = snprintf(text, BALANCE_TEXT, "1 %" PRIu64 " %" PRIu64 " %" PRIu32,
                      b->impressions, b->updates, b->since);
    for (int m = 0; m < PENCHANT_BALANCES && at < BALANCE_TEXT; m++)
        at += snprintf(text + at, (size_t)(BALANCE_TEXT - at), " %a %a %a %a %a %a",
                       b->target[m], b->lambda[m], b->near[m].sum, b->near[m].weight,
                       b->far[m].sum, b->far[m].weight);
}

static bool is_sound(const struct balance_mean *m)
{
    return isfinite(m->sum) && m->weight >= 0 && isfinite(m->weight);
}

int balance_load(struct balance *b, const char *text, struct penchant_error *err)
{
    struct balance x;
    int at = 0;
    balance_init(&x);
    bool good = sscanf(text, "1 %" SCNu64 " %" SCNu64 " %" SCNu32 "%n", &x.impressions,
                       &x.updates, &x.since, &at) == 3 &&
                x.since < BALANCE_EVERY;
    for (int m = 0; good && m < PENCHANT_BALANCES; m++) {
        int more = 0;
        good =
            sscanf(text + at, " %la %la %la %la %la %la%n", &x.target[m], &x.lambda[m],
                   &x.near[m].sum, &x.near[m].weight, &x.far[m].sum, &x.far[m].weight,
                   &more) == 6 &&
            balance_check((enum penchant_balance)m, x.target[m], NULL) == PENCHANT_OK &&
            x.lambda[m] >= 0 && x.lambda[m] <= BALANCE_MOST && is_sound(&x.near[m]) &&
            is_sound(&x.far[m]);
        at += more;
    }
    if (!good || text[at])
        return error_set(err, PENCHANT_ECORRUPT,
                         "the state of the balance cannot be read");
    *b = x;
    return PENCHANT_OK;
}
