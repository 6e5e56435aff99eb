/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/windows.h"

#include <stdlib.h>
#include <string.h>

#include "base/names.h"

void windows_init(struct windows *w)
{
    *w = (struct windows){0};
}

void windows_release(struct windows *w)
{
    free(w->window);
    windows_init(w);
}

int windows_copy(struct windows *out, const struct windows *w)
{
    windows_init(out);
    if (!w->n)
        return PENCHANT_OK;
    out->window = malloc(w->n * sizeof(*out->window));
    if (!out->window)
        return PENCHANT_ENOMEM;
    memcpy(out->window, w->window, w->n * sizeof(*out->window));
    out->n = out->cap = w->n;
    return PENCHANT_OK;
}

static int add(struct windows *w, uint64_t first, uint32_t n)
{
    if (w->n == w->cap) {
        const uint32_t cap = w->cap ? 2 * w->cap : 1024;
        struct window *window = realloc(w->window, cap * sizeof(*window));
        if (!window)
            return PENCHANT_ENOMEM;
        w->window = window;
        w->cap = cap;
    }
    w->window[w->n++] = (struct window){.first = first, .n = n};
    return PENCHANT_OK;
}

/* The last window ends at the end, up to a random part of a window is cut off first, so
   that the cuts fall elsewhere in every epoch. */
static int cut(struct windows *w, uint64_t start, uint64_t end, uint32_t max_length,
               struct rng *rng)
{
    bool first = true;
    while (end - start >= 2) {
        const uint64_t tokens = end - start - 1;
        uint32_t n = tokens < max_length ? (uint32_t)tokens : max_length;
        if (first && tokens > max_length && rng_below(rng, 2))
            n = max_length / 2 + rng_below(rng, max_length / 2);
        first = false;
        if (add(w, end - 1 - n, n) != PENCHANT_OK)
            return PENCHANT_ENOMEM;
        end -= n;
    }
    return PENCHANT_OK;
}

int windows_plan(struct windows *w, const struct train_data *data, uint32_t max_length,
                 struct rng *rng)
{
    const struct history *h = data->history;
    w->n = 0;
    for (uint32_t u = 0; u < h->n_users; u++)
        if (cut(w, h->start[u], data->train_end[u], max_length, rng) != PENCHANT_OK)
            return PENCHANT_ENOMEM;
    for (uint32_t i = w->n; i > 1; i--) {
        const uint32_t j = rng_below(rng, i);
        const struct window keep = w->window[i - 1];
        w->window[i - 1] = w->window[j];
        w->window[j] = keep;
    }
    return PENCHANT_OK;
}

static float seconds(const struct history *h, uint64_t from, uint64_t to)
{
    return h->has_clock ? (float)((double)(h->ts_us[to] - h->ts_us[from]) * 1e-6) : 0.0f;
}

/* Appends the event `at` of a sequence that began at `zero`; `next` gives the time of what
   is to be predicted. */
static void push(struct batch *b, const struct history *h, uint64_t zero, uint64_t at,
                 uint64_t next)
{
    const uint32_t t = b->n++;
    b->item[t] = h->item[at];
    b->type[t] = h->type[at];
    b->target[t] = NAMES_NONE;
    b->time[t] = seconds(h, zero, at);
    b->target_time[t] = seconds(h, zero, next);
}

static void close_sequence(struct batch *b)
{
    if (b->n_sequences == 0)
        b->start[0] = 0;
    b->start[++b->n_sequences] = b->n;
}

void windows_fill(struct batch *b, const struct history *h, const struct window *w)
{
    for (uint64_t at = w->first; at < w->first + w->n; at++) {
        push(b, h, w->first, at, at + 1);
        b->target[b->n - 1] = h->item[at + 1];
    }
    close_sequence(b);
}

uint32_t windows_fill_prefix(struct batch *b, const struct history *h, uint64_t first,
                             uint64_t end, uint32_t known)
{
    const uint32_t before = b->n;
    uint64_t zero, at, next;
    for (zero = first; zero < end && h->item[zero] >= known;)
        zero++;
    for (at = zero; at < end; at = next) {
        for (next = at + 1; next < end && h->item[next] >= known;)
            next++;
        push(b, h, zero, at, next);
    }
    if (b->n > before)
        close_sequence(b);
    return b->n - before;
}
