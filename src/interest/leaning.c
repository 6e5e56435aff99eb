/* SPDX-License-Identifier: Apache-2.0 */
#include "interest/leaning.h"

#include <math.h>
#include <string.h>

#include "behaviour/event.h"

#define PRESENT_EVENTS 4.0
#define LASTING_EVENTS 64.0

bool leaning_is_category(const struct catalog *c, uint32_t attribute)
{
    static const char kind[] = "category:";
    return strncmp(names_text(&c->attributes, attribute), kind, sizeof kind - 1) == 0;
}

double leaning_weight(enum leaning_side side, uint32_t back)
{
    const double present = exp2(-(double)back / PRESENT_EVENTS);
    return side == LEANING_PRESENT ? present
                                   : exp2(-(double)back / LASTING_EVENTS) - present;
}

static double telling(const struct catalog *c, uint32_t attribute)
{
    return log1p(1 / catalog_attribute_share(c, attribute));
}

/* The place of a category; LEANING_ATTRIBUTES when it is not there and none is left. */
static uint32_t place_of(struct leaning *l, uint32_t attribute, bool add)
{
    uint32_t i = 0;
    while (i < l->n && l->attribute[i] != attribute)
        i++;
    if (i < l->n)
        return i;
    if (!add || l->n == LEANING_ATTRIBUTES)
        return LEANING_ATTRIBUTES;
    l->attribute[l->n] = attribute;
    for (int s = 0; s < LEANING_SIDES; s++)
        l->weight[s][l->n] = 0;
    return l->n++;
}

/* The length of an item's categories; 0 without any. */
static double item_length(const struct catalog *c, uint32_t item)
{
    const struct catalog_item *it = &c->item[item];
    double square = 0;
    for (uint32_t j = 0; j < it->n_attributes; j++) {
        const double t =
            leaning_is_category(c, it->attribute[j]) ? telling(c, it->attribute[j]) : 0;
        square += t * t;
    }
    return sqrt(square);
}

static void add_event(struct leaning *l, const struct catalog *c, uint32_t item,
                      double weight, uint32_t back)
{
    const struct catalog_item *it = &c->item[item];
    const double length = item_length(c, item);
    for (uint32_t j = 0; length > 0 && j < it->n_attributes; j++) {
        if (!leaning_is_category(c, it->attribute[j]))
            continue;
        const uint32_t at = place_of(l, it->attribute[j], true);
        for (int s = 0; s < LEANING_SIDES && at < LEANING_ATTRIBUTES; s++)
            l->weight[s][at] += weight * leaning_weight((enum leaning_side)s, back) *
                                telling(c, it->attribute[j]) / length;
    }
}

void leaning_find(const struct leaning_events *e, const struct catalog *c,
                  struct leaning *out)
{
    out->n = 0;
    for (uint32_t back = 0; back < e->n && back < LEANING_EVENTS; back++) {
        const uint32_t i = e->n - 1 - back;
        const double liking = e->liking ? fmax(0, (double)e->liking[i]) : 1;
        if (liking > 0 && e->item[i] < c->ids.n)
            add_event(out, c, e->item[i], liking * (double)event_type_weight(e->type[i]),
                      back);
    }
    for (int s = 0; s < LEANING_SIDES; s++) {
        double square = 0;
        for (uint32_t i = 0; i < out->n; i++)
            square += out->weight[s][i] * out->weight[s][i];
        out->length[s] = sqrt(square);
    }
}

double leaning_near(const struct leaning *l, const struct catalog *c,
                    enum leaning_side side, uint32_t item)
{
    const struct catalog_item *it = &c->item[item];
    const double length = item_length(c, item) * l->length[side];
    double dot = 0;
    if (!(length > 0))
        return NAN;
    for (uint32_t j = 0; j < it->n_attributes; j++) {
        uint32_t at = 0;
        while (at < l->n && l->attribute[at] != it->attribute[j])
            at++;
        if (at < l->n)
            dot += l->weight[side][at] * telling(c, it->attribute[j]);
    }
    return dot / length;
}
