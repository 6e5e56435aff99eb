/* SPDX-License-Identifier: Apache-2.0 */
/* The features of a moment, and probabilities from them. */
#include "interest/outlook.h"

#include <math.h>
#include <string.h>

#include "behaviour/event.h"
#include "kernels/kernels.h"

#define SECOND_US  1e6
#define VISIT_S    ((double)EVENT_SESSION_GAP_US / SECOND_US)
#define DAY_S      86400.0
#define WEEK_S     (7 * DAY_S)
#define LONG_AGO_S (400 * DAY_S)
#define CLIPPED    6.0F

const char *const outlook_names[OUTLOOK_OUTPUTS] = {
    "next.view", "next.cart", "next.purchase", "next.other",   "next.leave",
    "week.view", "week.cart", "week.purchase", "week.nothing",
};

const char *outlook_reason(enum outlook_why why)
{
    static const char *const reason[OUTLOOK_WHYS] = {
        NULL,
        "no model has been trained that can tell",
        "the log has no clock: its times only mean order",
        "the shop has logged no such event",
        "the log holds too few such moments to learn from",
        "the log does not reach far enough back to learn from",
    };
    return (int)why >= 0 && why < OUTLOOK_WHYS ? reason[why] : reason[OUTLOOK_UNTRAINED];
}

void outlook_none(struct outlook_model *m, enum outlook_why why)
{
    *m = (struct outlook_model){0};
    memset(m->why, (int)why, sizeof(m->why));
}

/* ---- features ---- */

enum { KINDS = 4, RECENCY_KNOTS = 12, HALF_LIVES = 4 };

enum kind { VIEW, CART, PURCHASE, OTHER };

static enum kind kind_of(uint8_t type)
{
    return type == EVENT_VIEW       ? VIEW
           : type == EVENT_CART     ? CART
           : type == EVENT_PURCHASE ? PURCHASE
                                    : OTHER;
}

/* Where the next feature goes. */
struct writer {
    float *at;
};

static void put(struct writer *w, double x)
{
    *w->at++ = (float)x;
}

/* Seconds from event i to now, at least 1. */
static double age(const struct outlook_state *s, uint32_t i)
{
    return fmax(1, (double)(s->now_us - s->ts_us[i]) / SECOND_US);
}

/* Piecewise linear in log(recency): how near it is to each of the knots. */
static void put_recency(struct writer *w, double recency)
{
    static const double knot[RECENCY_KNOTS] = {
        1,     30,        120,       600,        VISIT_S,    4 * VISIT_S,
        DAY_S, 3 * DAY_S, 7 * DAY_S, 14 * DAY_S, 30 * DAY_S, 90 * DAY_S};
    int i = 0;
    while (i < RECENCY_KNOTS - 1 && recency >= knot[i + 1])
        i++;
    const double part =
        i == RECENCY_KNOTS - 1 ? 0 : log(recency / knot[i]) / log(knot[i + 1] / knot[i]);
    for (int j = 0; j < RECENCY_KNOTS; j++)
        put(w, j == i ? 1 - part : j == i + 1 ? part : 0);
}

/* Log recency of views, carts and purchases and whether there ever was one, then decayed
   counts of every kind. */
static void put_types(struct writer *w, const struct outlook_state *s)
{
    static const double half_life[HALF_LIVES] = {VISIT_S / 2, DAY_S, WEEK_S, 30 * DAY_S};
    double last[KINDS], count[KINDS][HALF_LIVES] = {{0}};
    for (int k = 0; k < KINDS; k++)
        last[k] = LONG_AGO_S;
    for (uint32_t i = 0; i < s->n; i++) {
        const enum kind k = kind_of(s->type[i]);
        const double a = age(s, i);
        last[k] = fmin(a, LONG_AGO_S);
        for (int h = 0; h < HALF_LIVES && a < LONG_AGO_S; h++)
            count[k][h] += exp2(-a / half_life[h]);
    }
    for (int k = 0; k < OTHER; k++) {
        put(w, log(last[k]));
        put(w, last[k] < LONG_AGO_S);
    }
    for (int k = 0; k < KINDS; k++)
        for (int h = 0; h < HALF_LIVES; h++)
            put(w, log1p(count[k][h]));
}

static bool seen_before(const struct outlook_state *s, uint32_t i)
{
    for (uint32_t j = 0; j < i; j++)
        if (s->item[j] == s->item[i])
            return true;
    return false;
}

/* Carts that no purchase of the item followed. */
static void put_pending(struct writer *w, const struct outlook_state *s, uint32_t visit)
{
    uint32_t week = 0, now = 0;
    for (uint32_t i = 0; i < s->n; i++) {
        bool open = s->type[i] == EVENT_CART && age(s, i) < WEEK_S;
        for (uint32_t j = i + 1; open && j < s->n; j++)
            open = s->item[j] != s->item[i] ||
                   (s->type[j] != EVENT_PURCHASE && s->type[j] != EVENT_CART);
        week += open;
        now += open && i >= visit;
    }
    put(w, log1p(week));
    put(w, log1p(now));
}

/* The present visit: events [visit, n), none when it is over. */
static void put_visit(struct writer *w, const struct outlook_state *s, uint32_t visit)
{
    const uint32_t n = s->n - visit;
    uint32_t items = 0;
    const double took =
        n ? (double)(s->ts_us[s->n - 1] - s->ts_us[visit]) / SECOND_US : 0;
    for (uint32_t i = visit; i < s->n; i++)
        items += !seen_before(s, i);
    put(w, n > 0);
    put(w, log1p(n));
    put(w, log1p(took));
    put(w, n > 1 ? log1p(took / (n - 1)) : 0);
    put(w, n ? items / (double)n : 0);
    put(w, s->n > 1 ? log1p((double)(s->ts_us[s->n - 1] - s->ts_us[s->n - 2]) / SECOND_US)
                    : 0);
    put_pending(w, s, visit);
}

/* The last two types, and whether things are looked at again. */
static void put_last(struct writer *w, const struct outlook_state *s)
{
    const uint32_t from = s->n > 20 ? s->n - 20 : 0;
    uint32_t repeats = 0;
    for (uint32_t back = 1; back <= 2; back++)
        for (int k = 0; k < KINDS; k++)
            put(w, s->n >= back && (int)kind_of(s->type[s->n - back]) == k);
    for (uint32_t i = from; i < s->n; i++)
        repeats += seen_before(s, i);
    put(w, repeats / (double)(s->n - from));
    put(w, seen_before(s, s->n - 1));
}

/* The hour and the day of the week (UTC), smooth. */
static void put_calendar(struct writer *w, const struct outlook_state *s)
{
    const double days = (double)s->now_us / SECOND_US / DAY_S;
    const double hour = 2 * M_PI * (days - floor(days));
    const double week = 2 * M_PI * (days / 7 - floor(days / 7));
    const int day = (int)(((int64_t)floor(days) % 7 + 7) % 7); /* 0: Thursday */
    put(w, sin(hour));
    put(w, cos(hour));
    put(w, sin(2 * hour));
    put(w, cos(2 * hour));
    put(w, sin(week));
    put(w, cos(week));
    put(w, day == 2 || day == 3);
}

/* How long, how often, and whether it is time to come again. */
static void put_habits(struct writer *w, const struct outlook_state *s)
{
    uint32_t visits = 1;
    double between = 0;
    for (uint32_t i = 1; i < s->n; i++) {
        const double gap = (double)(s->ts_us[i] - s->ts_us[i - 1]) / SECOND_US;
        if (gap >= VISIT_S) {
            visits++;
            between += gap;
        }
    }
    const double tenure = fmax(0, (double)(s->now_us - s->first_us) / SECOND_US / DAY_S);
    const double gap = visits > 1 ? between / (visits - 1) : 30 * DAY_S;
    put(w, log1p(tenure));
    put(w, log1p((double)s->total));
    put(w, log1p(visits));
    put(w, visits > 1);
    put(w, log(gap));
    put(w, fmin(5, fmax(-5, log(age(s, s->n - 1) / gap))));
}

/* The mean log price of the newest items that have one. */
static void put_prices(struct writer *w, const struct outlook_state *s)
{
    uint32_t n = 0;
    double sum = 0;
    for (uint32_t i = s->n; s->catalog && i-- > 0 && n < 20;) {
        const double price = s->catalog->item[s->item[i]].price;
        if (!(price > 0))
            continue;
        sum += log(price);
        n++;
    }
    put(w, n ? sum / n : 0);
    put(w, n > 0);
}

enum {
    WRITTEN =
        RECENCY_KNOTS + 2 * OTHER + KINDS * HALF_LIVES + 8 + 2 * KINDS + 2 + 7 + 6 + 2
};
_Static_assert((int)WRITTEN == (int)OUTLOOK_FEATURES, "a place for every feature");

void outlook_features(const struct outlook_state *whole, float feature[OUTLOOK_FEATURES])
{
    struct outlook_state s = *whole;
    struct writer w = {feature};
    if (s.n > OUTLOOK_EVENTS) {
        s.item += s.n - OUTLOOK_EVENTS;
        s.type += s.n - OUTLOOK_EVENTS;
        s.ts_us += s.n - OUTLOOK_EVENTS;
        s.n = OUTLOOK_EVENTS;
    }
    uint32_t visit = s.n;
    double since = age(&s, s.n - 1);
    while (visit && since < VISIT_S) {
        visit--;
        if (visit)
            since = (double)(s.ts_us[visit] - s.ts_us[visit - 1]) / SECOND_US;
    }
    memset(feature, 0, OUTLOOK_FEATURES * sizeof(*feature));
    put_recency(&w, age(&s, s.n - 1));
    put_types(&w, &s);
    put_visit(&w, &s, visit);
    put_last(&w, &s);
    put_calendar(&w, &s);
    put_habits(&w, &s);
    put_prices(&w, &s);
}

bool outlook_visiting(const struct outlook_state *s)
{
    return s->n && age(s, s->n - 1) < VISIT_S;
}

void outlook_row(const struct outlook_model *m, const float feature[OUTLOOK_FEATURES],
                 bool visiting, float row[OUTLOOK_ROW])
{
    float *again = row + 1 + OUTLOOK_FEATURES;
    row[0] = 1;
    again[0] = visiting;
    for (int j = 0; j < OUTLOOK_FEATURES; j++) {
        const float x = (feature[j] - m->mean[j]) * m->scale[j];
        row[1 + j] = x > CLIPPED ? CLIPPED : x < -CLIPPED ? -CLIPPED : x;
        again[1 + j] = visiting ? row[1 + j] : 0;
    }
}

/* ---- probabilities ---- */

void outlook_raw(const struct outlook_model *m, const float row[OUTLOOK_ROW],
                 double p[OUTLOOK_OUTPUTS])
{
    const struct kernels *k = kernels_get();
    double top = -INFINITY, sum = 0;
    for (int o = 0; o < OUTLOOK_OUTPUTS; o++) {
        p[o] = m->why[o] ? -INFINITY : (double)k->dot(m->weight[o], row, OUTLOOK_ROW);
        if (o < OUTLOOK_NEXT)
            top = fmax(top, p[o]);
    }
    for (int o = 0; o < OUTLOOK_NEXT; o++)
        sum += p[o] = m->why[o] ? 0 : exp(p[o] - top);
    for (int o = 0; o < OUTLOOK_OUTPUTS; o++)
        p[o] = o < OUTLOOK_NEXT ? (sum > 0 ? p[o] / sum : 0) : 1 / (1 + exp(-p[o]));
}

float outlook_curve_at(const struct outlook_curve *c, double x)
{
    uint32_t low = 0, high = c->n;
    while (low < high) { /* the first knot past x */
        const uint32_t middle = (low + high) / 2;
        if ((double)c->x[middle] > x)
            high = middle;
        else
            low = middle + 1;
    }
    if (low == 0 || low == c->n)
        return c->n ? c->y[low ? low - 1 : 0] : (float)x;
    const double from = (double)c->x[low - 1], to = (double)c->x[low];
    const double part = (x - from) / (to - from);
    return (float)((1 - part) * (double)c->y[low - 1] + part * (double)c->y[low]);
}

void outlook_calibrate(const struct outlook_model *m, double p[OUTLOOK_OUTPUTS])
{
    double sum = 0, most = 0;
    for (int o = 0; o < OUTLOOK_OUTPUTS; o++) {
        p[o] = m->why[o] ? (double)NAN : (double)outlook_curve_at(&m->curve[o], p[o]);
        if (o < OUTLOOK_NEXT)
            sum += m->why[o] ? 0 : p[o];
        else if (o < OUTLOOK_WEEK_NOTHING && !m->why[o])
            most = fmax(most, p[o]);
    }
    for (int o = 0; o < OUTLOOK_NEXT; o++)
        p[o] /= sum;
    if (!m->why[OUTLOOK_WEEK_NOTHING]) /* what is something is not nothing */
        p[OUTLOOK_WEEK_NOTHING] = fmin(p[OUTLOOK_WEEK_NOTHING], 1 - most);
}

void outlook_predict(const struct outlook_model *m, const struct outlook_state *s,
                     double p[OUTLOOK_OUTPUTS])
{
    float feature[OUTLOOK_FEATURES], row[OUTLOOK_ROW];
    if (!s->n) {
        for (int o = 0; o < OUTLOOK_OUTPUTS; o++)
            p[o] = m->why[o] ? (double)NAN : (double)m->newcomer[o];
        return;
    }
    outlook_features(s, feature);
    outlook_row(m, feature, outlook_visiting(s), row);
    outlook_raw(m, row, p);
    outlook_calibrate(m, p);
}
