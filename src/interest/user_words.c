/* SPDX-License-Identifier: Apache-2.0 */
#include "interest/user_words.h"

#include <string.h>

#include "base/utf8.h"

static const char *words_of(const struct event *e)
{
    if (e->type == EVENT_SEARCH)
        return e->query;
    return e->type == EVENT_REVIEW ? e->text : NULL;
}

bool user_words_has(const struct event *e)
{
    const char *words = words_of(e);
    return words && *words;
}

/* Puts it at its place in time; the oldest goes when there are too many. */
static void insert(struct user_said *said, uint32_t *n, const struct event *e,
                   uint32_t since)
{
    uint32_t at = *n;
    while (at && said[at - 1].ts_us > e->ts_us)
        at--;
    if (*n == USER_WORDS_EACH) {
        if (!at--)
            return; /* older than all that are kept */
        memmove(said, said + 1, at * sizeof(*said));
    } else {
        memmove(said + at + 1, said + at, (*n - at) * sizeof(*said));
        ++*n;
    }
    const size_t len = utf8_cut(words_of(e), USER_WORDS_BYTES);
    said[at] = (struct user_said){.ts_us = e->ts_us, .since = since, .liking = 1};
    if (e->type == EVENT_REVIEW)
        said[at].liking = event_liking(e->type, e->value);
    memcpy(said[at].text, words_of(e), len);
}

void user_words_add(struct user_words *w, const struct event *e, uint32_t since)
{
    if (!user_words_has(e))
        return;
    if (e->type == EVENT_SEARCH)
        insert(w->query, &w->n_queries, e, since);
    else
        insert(w->text, &w->n_texts, e, since);
}

void user_words_pass(struct user_words *w, int64_t ts_us)
{
    for (uint32_t i = 0; i < w->n_queries; i++)
        w->query[i].since += w->query[i].ts_us <= ts_us;
    for (uint32_t i = 0; i < w->n_texts; i++)
        w->text[i].since += w->text[i].ts_us <= ts_us;
}
