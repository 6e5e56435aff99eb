/* SPDX-License-Identifier: Apache-2.0 */
#include "policy/saturation.h"

#include <string.h>

const double SATURATION_UNIT = 1. / 50, SATURATION_GROUP_UNIT = 1. / 10;

static void remember(struct saturation *s, uint8_t group)
{
    if (s->n_recent == SATURATION_RECENT) {
        memmove(s->group, s->group + 1, SATURATION_RECENT - 1);
        memmove(s->at, s->at + 1, (SATURATION_RECENT - 1) * sizeof(s->at[0]));
        s->n_recent--;
    }
    s->group[s->n_recent] = group;
    s->at[s->n_recent++] = s->steps;
}

void saturation_slate(struct saturation *s, const uint8_t *clicked, uint32_t n)
{
    s->steps++;
    s->clicks += n;
    s->nulls += !n;
    for (uint32_t i = 0; i < n; i++) {
        const uint8_t g = clicked[i] % SATURATION_GROUPS;
        s->by_group[g]++;
        remember(s, g);
    }
}

void saturation_counts(const struct saturation *s, const struct saturation_window *w,
                       uint32_t count[SATURATION_GROUPS])
{
    memset(count, 0, SATURATION_GROUPS * sizeof(*count));
    const uint32_t from = s->n_recent > w->clicks ? s->n_recent - w->clicks : 0;
    for (uint32_t i = from; i < s->n_recent; i++)
        if (s->at[i] + w->slates > s->steps)
            count[s->group[i]]++;
}

uint32_t saturation_at_count(uint32_t count)
{
    const uint32_t c = count < SATURATION_COUNTS ? count : SATURATION_COUNTS;
    return SATURATION_AT_AWAY + c;
}

uint32_t saturation_at_group(uint32_t group)
{
    return SATURATION_AT_OWN + group;
}

static void common(const struct saturation *s, double *phi)
{
    phi[0] = 1;
    phi[SATURATION_AT_STEPS] = s->steps * SATURATION_UNIT;
    phi[SATURATION_AT_NULLS] = s->nulls * SATURATION_UNIT;
    phi[SATURATION_AT_CLICKS] = s->clicks * SATURATION_UNIT;
}

void saturation_soon(const struct saturation *s, const struct saturation_window *w,
                     double away, double phi[SATURATION_SOON])
{
    uint32_t count[SATURATION_GROUPS];
    memset(phi, 0, SATURATION_SOON * sizeof(*phi));
    common(s, phi);
    phi[SATURATION_AT_AWAY] = away;
    saturation_counts(s, w, count);
    for (uint32_t g = 0; g < SATURATION_GROUPS; g++)
        for (uint32_t c = 1; c <= count[g] && c <= SATURATION_COUNTS; c++)
            phi[saturation_at_count(c)] += 1;
}

void saturation_lasting(const struct saturation *s, double phi[SATURATION_LASTING])
{
    common(s, phi);
    for (uint32_t g = 0; g < SATURATION_GROUPS; g++)
        phi[saturation_at_group(g)] = s->by_group[g] * SATURATION_GROUP_UNIT;
}
