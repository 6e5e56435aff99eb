/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which items a shopper said no to: dislike events and reviews of 1 to 2 (event_dislikes()).
 * A purchase, a place in the cart or on the wish list or a review above 2, made after it by
 * the clock, takes it back. In the order of the times, equal times in that of the log; the
 * newest USER_LIKES_MAX are kept, 16 bytes each.
 */
#ifndef INTEREST_USER_LIKES_H
#define INTEREST_USER_LIKES_H

#include <stdbool.h>
#include <stdint.h>

enum { USER_LIKES_MAX = 256 };

struct user_dislike {
    int64_t ts_us;
    uint32_t item;
    float liking; /* as event_liking() has it, below 0 */
};

struct user_likes {
    struct user_dislike *disliked; /* (n) */
    uint32_t n, cap;
};

void user_likes_init(struct user_likes *l);
void user_likes_release(struct user_likes *l);

/* Makes an empty `to` the same as `from`. 0 or PENCHANT_ENOMEM. */
int user_likes_copy(struct user_likes *to, const struct user_likes *from);

/* Adds one, or renews the one that is there. 0 or PENCHANT_ENOMEM. */
int user_likes_add(struct user_likes *l, uint32_t item, int64_t ts_us, float liking);

/* Takes the item's dislike out unless it is newer than ts_us; whether there was one. */
bool user_likes_take_back(struct user_likes *l, uint32_t item, int64_t ts_us);

/* The item's dislike, or NULL. */
const struct user_dislike *user_likes_find(const struct user_likes *l, uint32_t item);

#endif
