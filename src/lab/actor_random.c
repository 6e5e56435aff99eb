/* SPDX-License-Identifier: Apache-2.0 */
/* Lists drawn uniformly without replacement; learns nothing. */
#include <stdlib.h>

#include "lab/slate_tools.h"

enum { STREAM_LISTS = 0x4A5D };

struct random_actor {
    struct rng rng;
    uint32_t n; /* items of the catalogue */
};

static void *random_create(uint64_t seed, const struct actor_catalog *c)
{
    struct random_actor *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->n = c->n;
    rng_init(&a->rng, seed, STREAM_LISTS);
    return a;
}

static void random_recommend(void *state, const struct actor_request *r, uint32_t *item,
                             double *p)
{
    struct random_actor *a = state;
    slate_random(r->candidates ? r->n_candidates : a->n, &a->rng, r->k, item, p);
}

const struct actor_ops actor_random = {
    .name = "random",
    .help = "uniformly drawn lists",
    .create = random_create,
    .destroy = free,
    .recommend = random_recommend,
};
