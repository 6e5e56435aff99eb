/* SPDX-License-Identifier: Apache-2.0 */
#include "interest/user_likes.h"

#include <stdlib.h>
#include <string.h>

#include "base/status.h"

void user_likes_init(struct user_likes *l)
{
    *l = (struct user_likes){0};
}

void user_likes_release(struct user_likes *l)
{
    free(l->disliked);
    user_likes_init(l);
}

int user_likes_copy(struct user_likes *to, const struct user_likes *from)
{
    user_likes_init(to);
    if (!from->n)
        return PENCHANT_OK;
    to->disliked = malloc(from->n * sizeof(*to->disliked));
    if (!to->disliked)
        return PENCHANT_ENOMEM;
    memcpy(to->disliked, from->disliked, from->n * sizeof(*to->disliked));
    to->n = to->cap = from->n;
    return PENCHANT_OK;
}

const struct user_dislike *user_likes_find(const struct user_likes *l, uint32_t item)
{
    for (uint32_t i = 0; i < l->n; i++)
        if (l->disliked[i].item == item)
            return &l->disliked[i];
    return NULL;
}

static void remove_at(struct user_likes *l, uint32_t at)
{
    l->n--;
    memmove(l->disliked + at, l->disliked + at + 1, (l->n - at) * sizeof(*l->disliked));
}

static int make_room(struct user_likes *l)
{
    if (l->n == USER_LIKES_MAX)
        remove_at(l, 0);
    if (l->n < l->cap)
        return PENCHANT_OK;
    const uint32_t cap = l->cap ? 2 * l->cap : 2;
    struct user_dislike *grown = realloc(l->disliked, cap * sizeof(*grown));
    if (!grown)
        return PENCHANT_ENOMEM;
    l->disliked = grown;
    l->cap = cap;
    return PENCHANT_OK;
}

int user_likes_add(struct user_likes *l, uint32_t item, int64_t ts_us, float liking)
{
    const struct user_dislike *old = user_likes_find(l, item);
    if (old && old->ts_us > ts_us)
        return PENCHANT_OK;
    if (old)
        remove_at(l, (uint32_t)(old - l->disliked));
    if (l->n == USER_LIKES_MAX && ts_us < l->disliked[0].ts_us)
        return PENCHANT_OK; /* older than all that are kept */
    if (make_room(l) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    uint32_t at = l->n;
    while (at && l->disliked[at - 1].ts_us > ts_us)
        at--;
    memmove(l->disliked + at + 1, l->disliked + at, (l->n - at) * sizeof(*l->disliked));
    l->disliked[at] = (struct user_dislike){ts_us, item, liking};
    l->n++;
    return PENCHANT_OK;
}

bool user_likes_take_back(struct user_likes *l, uint32_t item, int64_t ts_us)
{
    const struct user_dislike *old = user_likes_find(l, item);
    if (!old || old->ts_us > ts_us)
        return false;
    remove_at(l, (uint32_t)(old - l->disliked));
    return true;
}
