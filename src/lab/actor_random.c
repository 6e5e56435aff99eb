/* SPDX-License-Identifier: Apache-2.0 */
/* Lists drawn uniformly without replacement; learns nothing. */
#include <stdlib.h>

#include "base/rng.h"
#include "lab/actor.h"

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

/* Draws again what is in the list already: every list is as likely. */
static void random_recommend(void *state, const struct actor_request *r, uint32_t *item,
                             double *p)
{
    struct random_actor *a = state;
    const uint32_t n = r->candidates ? r->n_candidates : a->n;
    for (uint32_t i = 0; i < r->k; i++) {
        bool taken;
        do {
            item[i] = rng_below(&a->rng, n);
            taken = false;
            for (uint32_t j = 0; j < i; j++)
                taken |= item[j] == item[i];
        } while (taken);
        p[i] = 1.0 / (double)(n - i);
    }
}

const struct actor_ops actor_random = {
    .name = "random",
    .help = "uniformly drawn lists",
    .create = random_create,
    .destroy = free,
    .recommend = random_recommend,
};
