/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/online_replay.h"

#include <stdlib.h>
#include <string.h>

#include "base/names.h"
#include "base/status.h"

int online_replay_init(struct online_replay *r, uint32_t n_items)
{
    *r = (struct online_replay){.n_items = n_items};
    r->anchor = malloc(ONLINE_ANCHORS * sizeof(*r->anchor));
    r->recent = malloc(ONLINE_RECENT * sizeof(*r->recent));
    r->drawn = malloc(ONLINE_DRAWN * sizeof(*r->drawn));
    r->count = calloc(n_items, sizeof(*r->count));
    r->frequency = calloc(n_items, sizeof(*r->frequency));
    if (r->anchor && r->recent && r->drawn && r->count && r->frequency)
        return PENCHANT_OK;
    online_replay_release(r);
    return PENCHANT_ENOMEM;
}

void online_replay_release(struct online_replay *r)
{
    free(r->anchor);
    free(r->recent);
    free(r->drawn);
    free(r->count);
    free(r->frequency);
    *r = (struct online_replay){0};
}

void online_replay_count(struct online_replay *r, uint32_t item)
{
    if (r->n_drawn == ONLINE_DRAWN) {
        const uint32_t gone = r->drawn[r->next_drawn];
        r->frequency[gone] = 0; /* unless it stands there again */
        r->count[gone]--;
    } else {
        r->n_drawn++;
    }
    r->drawn[r->next_drawn] = item;
    r->count[item]++;
    r->next_drawn = (r->next_drawn + 1) % ONLINE_DRAWN;
}

void online_replay_anchor(struct online_replay *r, const struct online_window *w)
{
    if (r->n_anchors == ONLINE_ANCHORS)
        return;
    r->anchor[r->n_anchors++] = *w;
    for (uint32_t i = 0; i < w->n; i++)
        online_replay_count(r, w->item[i]);
}

void online_replay_add(struct online_replay *r, const struct online_window *w)
{
    r->recent[r->next_recent] = *w;
    r->next_recent = (r->next_recent + 1) % ONLINE_RECENT;
    r->n_recent += r->n_recent < ONLINE_RECENT;
}

void online_replay_forget(struct online_replay *r)
{
    r->n_recent = r->next_recent = 0;
}

const struct online_window *online_replay_draw(const struct online_replay *r, uint32_t i,
                                               struct rng *rng)
{
    const bool old = r->n_anchors && (i % 2 == 0 || !r->n_recent);
    if (old)
        return &r->anchor[rng_below(rng, r->n_anchors)];
    return r->n_recent ? &r->recent[rng_below(rng, r->n_recent)] : NULL;
}

void online_replay_frequencies(struct online_replay *r)
{
    for (uint32_t i = 0; i < r->n_drawn; i++) {
        const uint32_t item = r->drawn[i];
        r->frequency[item] = (float)r->count[item] / (float)r->n_drawn;
    }
}

void online_window_fill(struct batch *b, const struct online_window *w, bool last)
{
    if (b->n_sequences == 0)
        b->start[0] = 0;
    for (uint32_t i = 0; i + 1 < w->n; i++) {
        const uint32_t t = b->n++;
        b->item[t] = w->item[i];
        b->type[t] = w->type[i];
        b->time[t] = w->time[i];
        b->target_time[t] = w->time[i + 1];
        b->target[t] = !last || i + 2 == w->n ? w->item[i + 1] : NAMES_NONE;
    }
    b->start[++b->n_sequences] = b->n;
}
