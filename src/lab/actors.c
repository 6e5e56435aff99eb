/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lab/actor.h"

/* clang-format off */
#define ACTORS(X) \
    X(actor_random) \
    X(actor_popularity_frozen) \
    X(actor_popularity_decayed) \
    X(actor_linear_ts) \
    X(actor_linear_ts_forget) \
    X(actor_linear_ts_cap) \
    X(actor_linear_ts_forget_cap) \
    X(actor_linear_ucb) \
    X(actor_linear_ucb_forget) \
    X(actor_counts) \
    X(actor_user_counts) \
    X(actor_user_counts_decayed) \
    X(actor_myopic) \
    X(actor_linucb) \
    X(actor_linucb_forgetting) \
    X(actor_engine) \
    X(actor_engine_no_values) \
    X(actor_engine_no_null) \
    X(actor_engine_no_exploration) \
    X(actor_engine_frozen) \
    /* one a line */
/* clang-format on */

#define DECLARE(a) extern const struct actor_ops a;
ACTORS(DECLARE)

#define ENTRY(a) &a,
const struct actor_ops *const actors[] = {ACTORS(ENTRY) NULL};

const struct actor_ops *actor_find(const char *name)
{
    for (const struct actor_ops *const *a = actors; *a; a++)
        if (strcmp((*a)->name, name) == 0)
            return *a;
    return NULL;
}
