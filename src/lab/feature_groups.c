/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/feature_groups.h"

#include <math.h>
#include <stdlib.h>

#include "base/pool.h"
#include "interest/segments_fit.h"

/* Rows of length one, or zero. */
static float *unit_rows(const struct actor_catalog *c)
{
    const size_t cells = (size_t)c->n * c->dim;
    float *row = malloc(cells * sizeof(*row));
    for (size_t i = 0; row && i < c->n; i++) {
        const float *x = c->features + i * c->dim;
        double squares = 0;
        for (size_t j = 0; j < c->dim; j++)
            squares += (double)x[j] * (double)x[j];
        for (size_t j = 0; j < c->dim; j++)
            row[i * c->dim + j] = squares > 0 ? (float)((double)x[j] / sqrt(squares)) : 0;
    }
    return row;
}

static bool by_clusters(const struct actor_catalog *c, uint64_t seed, uint8_t *out)
{
    const uint32_t wanted = c->dim < FEATURE_GROUPS_MOST ? c->dim : FEATURE_GROUPS_MOST;
    struct segments_found found = {0};
    struct segments_data data = {.n_users = c->n, .dim = c->dim};
    struct pool *pool = pool_new(1);
    float *row = unit_rows(c);
    data.vector = row;
    bool fine = pool && row && !segments_find(&found, &data, wanted, seed, pool);
    if (fine && found.n) {
        fine = !segments_assign(&found, &data, pool, out);
        for (uint32_t i = 0; fine && i < c->n; i++)
            if (out[i] == SEGMENT_NONE)
                out[i] = (uint8_t)found.n; /* those without a vector are one more */
    }
    free(found.centre);
    free(row);
    pool_free(pool);
    return fine;
}

static bool are_shares(const struct actor_catalog *c)
{
    const size_t cells = (size_t)c->n * c->dim;
    for (size_t i = 0; i < cells; i++)
        if (c->features[i] < 0)
            return false;
    return c->dim <= FEATURE_GROUPS_MOST;
}

static void by_largest(const struct actor_catalog *c, uint8_t *out)
{
    for (size_t i = 0; i < c->n; i++)
        for (uint8_t j = 0; j < c->dim; j++)
            if (c->features[i * c->dim + j] > c->features[i * c->dim + out[i]])
                out[i] = j;
}

uint8_t *feature_groups_find(const struct actor_catalog *c, uint64_t seed)
{
    uint8_t *out = calloc(c->n ? c->n : 1, 1);
    if (!out || !c->features || !c->n || !c->dim)
        return out;
    if (are_shares(c)) {
        by_largest(c, out);
    } else if (!by_clusters(c, seed, out)) {
        free(out);
        return NULL;
    }
    return out;
}

void feature_groups_best(double *score, uint32_t n, const uint8_t *group_of,
                         uint32_t most, uint32_t k, uint32_t *item)
{
    uint32_t count[UINT8_MAX + 1] = {0};
    for (uint32_t i = 0; i < k; i++) {
        uint32_t best = n, any = n;
        for (uint32_t j = 0; j < n; j++) {
            if (score[j] == -INFINITY)
                continue;
            if (any == n || score[j] > score[any])
                any = j;
            if (group_of && count[group_of[j]] >= most)
                continue;
            if (best == n || score[j] > score[best])
                best = j;
        }
        item[i] = best < n ? best : any;
        score[item[i]] = -INFINITY;
        if (group_of)
            count[group_of[item[i]]]++;
    }
}
