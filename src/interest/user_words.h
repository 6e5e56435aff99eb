/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a shopper wrote: the newest searches and the newest texts of reviews, in the order
 * of their times (equal times in that of the log). At most USER_WORDS_EACH of each, cut to
 * USER_WORDS_BYTES at a whole character: 2.2 KiB a shopper who writes, nothing for others.
 */
#ifndef INTEREST_USER_WORDS_H
#define INTEREST_USER_WORDS_H

#include <stdint.h>

#include "behaviour/event.h"

enum { USER_WORDS_EACH = 4, USER_WORDS_BYTES = 256 };

struct user_said {
    int64_t ts_us;
    uint32_t since; /* wanted events after it */
    float liking;   /* of a review, event_liking(); 1 of a search */
    char text[USER_WORDS_BYTES + 1];
};

struct user_words {
    uint32_t n_queries, n_texts;
    struct user_said query[USER_WORDS_EACH], text[USER_WORDS_EACH];
};

/* Whether an event says anything in words: a search's query, a review's text. */
bool user_words_has(const struct event *e);

/* Takes them in; `since` wanted events of the user are later than this one. */
void user_words_add(struct user_words *w, const struct event *e, uint32_t since);

/* Counts a wanted event with this time for those that it comes after. */
void user_words_pass(struct user_words *w, int64_t ts_us);

#endif
