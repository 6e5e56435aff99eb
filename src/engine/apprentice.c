/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/apprentice.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int number_of(struct penchant *p, const struct penchant_request *r, size_t i,
                     uint32_t *item, struct penchant_error *err)
{
    const char *id = r->shown[i];
    if (!id)
        return error_field(err, PENCHANT_EINVALID, i, "shown", "an item_id is missing");
    item[i] = names_find(&p->catalog.ids, id, strlen(id));
    if (item[i] == NAMES_NONE)
        return error_field(err, PENCHANT_EINVALID, i, "shown", "there is no item %.128s",
                           id);
    for (size_t j = 0; j < i; j++)
        if (item[j] == item[i])
            return error_field(err, PENCHANT_EINVALID, i, "shown",
                               "%.128s is shown twice", id);
    return PENCHANT_OK;
}

static int number_all(struct penchant *p, const struct penchant_request *r,
                      uint32_t *item, struct penchant_error *err)
{
    int status = PENCHANT_OK;
    pthread_rwlock_rdlock(&p->lock);
    for (size_t i = 0; i < r->n_shown && !status; i++)
        status = number_of(p, r, i, item, err);
    pthread_rwlock_unlock(&p->lock);
    return status;
}

int apprentice_init(struct apprentice *a, struct penchant *p,
                    const struct penchant_request *r, const struct topk_hit *hit,
                    size_t n, struct penchant_error *err)
{
    *a = (struct apprentice){0};
    if (r->n_shown > PENCHANT_MAX_K)
        return error_field(err, PENCHANT_ELIMIT, 0, "shown", "at most %d items",
                           PENCHANT_MAX_K);
    a->block = malloc((r->n_shown + n) * (sizeof(uint32_t) + sizeof(float)));
    if (!a->block)
        return error_memory(err);
    uint32_t *shown = a->block, *ours = shown + r->n_shown;
    float *score = (float *)(ours + n), *certain = score + n;
    const int status = number_all(p, r, shown, err);
    if (status) {
        apprentice_release(a);
        return status;
    }
    for (size_t i = 0; i < n; i++) {
        ours[i] = hit[i].row;
        score[i] = (float)hit[i].score;
    }
    for (size_t i = 0; i < r->n_shown; i++)
        certain[i] = 1;
    a->choice = (struct store_choice){.log_normaliser = NAN,
                                      .pool = (uint32_t)n,
                                      .n = (uint32_t)n,
                                      .item = ours,
                                      .score = score};
    a->slate = (struct store_slate){.n = (uint32_t)r->n_shown,
                                    .items = shown,
                                    .propensities = certain,
                                    .choice = n ? &a->choice : NULL};
    return PENCHANT_OK;
}

void apprentice_release(struct apprentice *a)
{
    free(a->block);
    a->block = NULL;
}
