/* SPDX-License-Identifier: Apache-2.0 */
#include "evaluate/sequential.h"

#include <math.h>

void sequential_options_default(struct sequential_options *o)
{
    *o = (struct sequential_options){
        .alpha = 0.05, .tight_users = 2000, .least_users = 50};
}

void sequential_add(struct sequential_arm *a, double rewards, double trials)
{
    a->users++;
    a->trials += trials;
    a->rewards += rewards;
    a->reward_squares += rewards * rewards;
    a->products += rewards * trials;
    a->trial_squares += trials * trials;
}

/* What an arm earns per trial, and the variance of that. */
struct figure {
    double value, variance;
    bool known;
};

static struct figure figure_of(const struct sequential_arm *a,
                               const struct sequential_options *o)
{
    if (a->users < o->least_users || a->users < 2 || !(a->trials > 0))
        return (struct figure){NAN, NAN, false};
    const double n = (double)a->users, value = a->rewards / a->trials;
    const double spread =
        a->reward_squares - 2 * value * a->products + value * value * a->trial_squares;
    return (struct figure){value, n / (n - 1) * fmax(spread, 0) / (a->trials * a->trials),
                           true};
}

/* The mixture's variance that makes the interval narrowest at so many users, nearly
   (Howard et al. 2021, section 3.5). */
static double mixture(const struct sequential_options *o)
{
    const double l = -2 * log(o->alpha);
    return (l + log(l) + 1) / fmax(o->tight_users, 1);
}

static struct sequential_answer answer(double value, double variance, double users,
                                       const struct sequential_options *o)
{
    const double s = users * mixture(o);
    if (!(variance > 0))
        return (struct sequential_answer){false, NAN, NAN, NAN, NAN};
    const double half = sqrt(variance * 2 * (s + 1) / s * log(sqrt(s + 1) / o->alpha));
    const double evidence = s * value * value / variance / (2 * (s + 1)) - 0.5 * log1p(s);
    return (struct sequential_answer){true, value, value - half, value + half,
                                      evidence > 0 ? exp(-evidence) : 1};
}

struct sequential_answer sequential_of(const struct sequential_arm *a,
                                       const struct sequential_options *o)
{
    const struct figure f = figure_of(a, o);
    return answer(f.value, f.known ? f.variance : 0, (double)a->users, o);
}

struct sequential_answer sequential_difference(const struct sequential_arm *a,
                                               const struct sequential_arm *b,
                                               const struct sequential_options *o)
{
    const struct figure x = figure_of(a, o), y = figure_of(b, o);
    const double variance = x.known && y.known ? x.variance + y.variance : 0;
    return answer(y.value - x.value, variance, (double)(a->users + b->users), o);
}
