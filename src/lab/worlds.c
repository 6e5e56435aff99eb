/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "lab/world.h"

/* clang-format off */
#define WORLDS(X) \
    X(world_slates) \
    X(world_slates_switch) \
    X(world_organic) \
    X(world_switch) \
    X(world_evolution) \
    X(world_bandit) \
    X(world_bandit_drift) \
    X(world_bandit_waves) \
    X(world_bandit_waves_drift) \
    X(world_catalogue) \
    /* one a line */
/* clang-format on */

#define DECLARE(w) extern const struct world_ops w;
WORLDS(DECLARE)

#define ENTRY(w) &w,
const struct world_ops *const worlds[] = {WORLDS(ENTRY) NULL};

const struct world_ops *world_find(const char *name)
{
    for (const struct world_ops *const *w = worlds; *w; w++)
        if (strcmp((*w)->name, name) == 0)
            return *w;
    return NULL;
}
