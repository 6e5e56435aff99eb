/* SPDX-License-Identifier: Apache-2.0 */
/* The context of a query, and scores in it. Keeping blends is in blend_keep.c. */
#include "evidence/blend.h"

#include <math.h>
#include <string.h>

#include "behaviour/event.h"
#include "evidence/counts.h"

/* Of a history that is looked at for repeats, which costs the square of it. */
enum { LOOK_BACK = 64 };

#define LEAST_POPULARITY 1e-3F
#define MOST_SPREADS     3.0F /* further off the average than this is not believed */
#define US_PER_HOUR      3.6e9

/* ---- blends that nobody fitted ---- */

void blend_constant(struct blend *b, const struct evidence_weights *w)
{
    *b = (struct blend){.frame.covered = 1.0F};
    for (int s = 0; s < EVIDENCE_SOURCES; s++) {
        b->part[s].scale = 1.0F;
        b->part[s].w[0][0] = w->w[s];
    }
}

void blend_default(struct blend *b)
{
    struct evidence_weights w = {.w = {[EVIDENCE_COVISITATION] = 1.0F,
                                       [EVIDENCE_NEIGHBOURS] = 0.2F,
                                       [EVIDENCE_REPEAT] = 0.05F,
                                       [EVIDENCE_POPULARITY] = 0.05F}};
    for (int s = 0; s < EVIDENCE_SOURCES; s++)
        if (w.w[s] == 0)
            w.w[s] = evidence_sources[s]->unfitted;
    blend_constant(b, &w);
}

void blend_summary(const struct blend *b, struct evidence_weights *out)
{
    for (int s = 0; s < EVIDENCE_SOURCES; s++)
        out->w[s] = b->part[s].w[0][0] / b->part[s].scale;
}

static void speak_plainly(struct blend_terms *t, int s, float w)
{
    t->term[s] = (struct blend_term){.by = 1.0F, .w = {w}};
    t->mask |= 1U << s;
}

void blend_plain(const struct evidence_weights *w, struct blend_terms *out)
{
    *out = (struct blend_terms){.covered = 1.0F};
    for (int s = 0; s < EVIDENCE_SOURCES; s++)
        if (w->w[s] != 0)
            speak_plainly(out, s, w->w[s]);
}

/* ---- the context ---- */

/* How many of the newest events are of one session: no pause between them is long. */
static uint32_t session_length(const struct evidence_query *q)
{
    uint32_t n = q->n_recent > 0;
    while (n > 0 && n < q->n_recent) {
        const uint32_t i = q->n_recent - n;
        if (q->recent_us && q->recent_us[i] - q->recent_us[i - 1] > EVENT_SESSION_GAP_US)
            break;
        n++;
    }
    return n;
}

/* The share of the newest events whose item came again later among them; *newest:
   whether the newest item had come before. */
static float repeats(const struct evidence_query *q, bool *newest)
{
    const uint32_t n = q->n_recent < LOOK_BACK ? q->n_recent : LOOK_BACK;
    const uint32_t *item = q->recent + (q->n_recent - n);
    uint32_t again = 0;
    *newest = false;
    for (uint32_t i = 0; i + 1 < n; i++) {
        uint32_t j = i + 1;
        while (j < n && item[j] != item[i])
            j++;
        again += j < n;
        *newest |= item[i] == item[n - 1];
    }
    return n ? (float)again / (float)n : 0.0F;
}

/* log(1 + events) of the item that is `back` events before the newest one. */
static float known_events(struct evidence *e, const struct evidence_query *q,
                          uint32_t back)
{
    float novelty = 1.0F;
    if (back < q->n_recent)
        counts_novelty(e->counts, &q->recent[q->n_recent - 1 - back], 1, &novelty);
    return -logf(novelty);
}

void blend_context(struct evidence *e, const struct evidence_query *q,
                   float out[BLEND_CONTEXTS])
{
    const uint32_t n = q->n_recent;
    const uint8_t type = n && q->recent_type ? q->recent_type[n - 1] : EVENT_VIEW;
    double hours = 0;
    bool newest_again = false;
    if (n && q->recent_us && q->now_us > q->recent_us[n - 1])
        hours = (double)(q->now_us - q->recent_us[n - 1]) / US_PER_HOUR;
    const float share = n ? repeats(q, &newest_again) : 0.0F;
    const float context[BLEND_CONTEXTS] = {
        1.0F,
        log1pf((float)n),
        log1pf((float)session_length(q)),
        log1pf((float)hours),
        share,
        newest_again ? 1.0F : 0.0F,
        type == EVENT_PURCHASE ? 1.0F : 0.0F,
        type == EVENT_CART || type == EVENT_WISH ? 1.0F : 0.0F,
        known_events(e, q, 0),
        known_events(e, q, 1),
        n > 1 ? 1.0F : 0.0F,
        q->asked_weight,
    };
    memcpy(out, context, sizeof context);
}

/* ---- weights in a context ---- */

void blend_scale_context(const struct blend_frame *f, const float context[BLEND_CONTEXTS],
                         float out[BLEND_CONTEXTS])
{
    out[0] = 1.0F;
    for (int j = 1; j < BLEND_CONTEXTS; j++) {
        const float z =
            f->spread[j] > 0 ? (context[j] - f->mean[j]) / f->spread[j] : 0.0F;
        out[j] = fminf(fmaxf(z, -MOST_SPREADS), MOST_SPREADS);
    }
}

static float weight(const float *w, const float *context)
{
    float sum = 0.0F;
    for (int j = 0; j < BLEND_CONTEXTS; j++)
        sum += w[j] * context[j];
    return sum;
}

void blend_at(const struct blend *b, const float context[BLEND_CONTEXTS], uint32_t mask,
              struct blend_terms *out)
{
    float x[BLEND_CONTEXTS];
    blend_scale_context(&b->frame, context, x);
    *out = (struct blend_terms){.mask = mask, .covered = b->frame.covered};
    for (int s = 0; s < EVIDENCE_SOURCES; s++) {
        const struct blend_part *p = &b->part[s];
        struct blend_term *t = &out->term[s];
        if (!(mask >> s & 1))
            continue;
        t->centre = p->centre;
        t->by = 1.0F / p->scale;
        memcpy(t->knot, p->knot, sizeof t->knot);
        for (int k = 0; k < BLEND_BASES - 1; k++)
            t->w[k] = weight(p->w[k], x);
        const float new_item = weight(p->w[BLEND_BASES - 1], x);
        if (s == EVIDENCE_POPULARITY)
            t->new_only = new_item;
        else
            t->new_line = new_item;
    }
}

/* Whether a source has anything to go by. */
static bool speaks(int s, const struct evidence_query *q)
{
    if (s == EVIDENCE_SEQUENCE)
        return q->vector != NULL;
    if (s == EVIDENCE_SEARCH)
        return q->content && q->asked_weight > 0;
    if (s == EVIDENCE_CONTENT)
        return q->content && (q->n_recent > 0 || q->n_told > 0 || q->n_disliked > 0);
    return s == EVIDENCE_POPULARITY || q->n_recent > 0;
}

static bool is_silent(const struct blend_term *t)
{
    bool silent = t->new_line == 0 && t->new_only == 0;
    for (int k = 0; k < BLEND_BASES - 1; k++)
        silent = silent && t->w[k] == 0;
    return silent;
}

/* Whether a higher score speaks against an item wherever it stands. */
static bool is_negative(const struct blend_term *t)
{
    float slope = t->w[0], most = slope;
    for (int k = 1; k < BLEND_BASES - 1; k++) {
        slope += t->w[k];
        most = fmaxf(most, slope);
    }
    return most < 0;
}

void blend_for(const struct blend *b, struct evidence *e, const struct evidence_query *q,
               uint32_t mask, struct blend_terms *out)
{
    float context[BLEND_CONTEXTS];
    uint32_t can = 0;
    const uint32_t popularity = 1U << EVIDENCE_POPULARITY;
    for (int s = 0; s < EVIDENCE_SOURCES; s++)
        can |= speaks(s, q) ? 1U << s : 0;
    mask &= can;
    blend_context(e, q, context);
    blend_at(b, context, mask, out);
    bool lacking = false; /* a source that usually speaks beside the others */
    for (int s = 0; s < EVIDENCE_SOURCES; s++) {
        const bool usual = b->part[s].w[0][0] != 0 && evidence_sources[s]->unfitted == 0;
        lacking |= usual && !(mask >> s & 1);
        if (is_silent(&out->term[s]))
            out->mask &= ~(1U << s);
    }
    if (out->mask >> EVIDENCE_CONTENT & 1)
        out->term[EVIDENCE_CONTENT].new_only += BLEND_NEW_FAVOUR;
    for (int s = 0; s < EVIDENCE_SOURCES && lacking; s++)
        if (is_negative(&out->term[s]))
            out->mask &= ~(1U << s);
    const uint32_t plain = out->mask ? 0 : mask & ~popularity;
    for (int s = 0; s < EVIDENCE_SOURCES; s++)
        if (plain >> s & 1)
            speak_plainly(out, s, 1.0F);
    if (mask & ~out->mask & popularity)
        speak_plainly(out, EVIDENCE_POPULARITY, out->mask ? LEAST_POPULARITY : 1.0F);
}

/* ---- scores ---- */

void blend_add(const struct blend_term *t, const float *score, const float *novelty,
               size_t n, float *out)
{
    const struct blend_term w = *t;
    for (size_t i = 0; i < n; i++) {
        const float v = score[i], z = (v - w.centre) * w.by;
        float bent = 0.0F;
        for (int k = 0; k < BLEND_KNOTS; k++)
            bent += w.w[k + 1] * (v > w.knot[k] ? v - w.knot[k] : 0.0F);
        out[i] += w.w[0] * z + w.by * bent + novelty[i] * (w.new_line * z + w.new_only);
    }
}

float blend_slope(const struct blend_term *t, float score, float novelty)
{
    float slope = t->w[0] + novelty * t->new_line;
    for (int k = 0; k < BLEND_KNOTS; k++)
        slope += score > t->knot[k] ? t->w[k + 1] : 0.0F;
    return slope * t->by;
}

void blend_score(const struct blend_terms *t, struct evidence *e,
                 const struct evidence_query *q, const uint32_t *item, size_t n,
                 float *out, float *scratch)
{
    float *novelty = scratch + n;
    memset(out, 0, n * sizeof *out);
    counts_novelty(e->counts, item, n, novelty);
    for (int s = 0; s < EVIDENCE_SOURCES; s++) {
        if (!(t->mask >> s & 1))
            continue;
        evidence_sources[s]->score(e->state[s], q, item, n, scratch);
        blend_add(&t->term[s], scratch, novelty, n, out);
    }
}

void blend_score_parts(const struct blend_terms *t, struct evidence *e,
                       const struct evidence_query *q, const uint32_t *item, size_t n,
                       float *out, float *scratch, float *parts)
{
    memset(parts, 0, EVIDENCE_SOURCES * n * sizeof *parts);
    memset(out, 0, n * sizeof *out);
    counts_novelty(e->counts, item, n, scratch + n);
    for (size_t s = 0; s < EVIDENCE_SOURCES; s++) {
        float *part = parts + s * n;
        if (!(t->mask >> s & 1))
            continue;
        evidence_sources[s]->score(e->state[s], q, item, n, scratch);
        memcpy(part, out, n * sizeof *out);
        blend_add(&t->term[s], scratch, scratch + n, n, out);
        for (size_t i = 0; i < n; i++)
            part[i] = out[i] - part[i];
    }
}
