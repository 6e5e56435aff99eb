/* SPDX-License-Identifier: Apache-2.0 */
/* The cold-items protocol: which items nobody has seen, and a log without them. */
#include "lab/protocol_cold.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"

/* Decided by the item's name and the seed, so that the order of a file says nothing. */
static bool is_cold(const struct protocol *p, uint32_t item)
{
    const char *name = names_text(&p->data->catalog.ids, item);
    const uint64_t mixed = rng_mix(hash_bytes(name, strlen(name)) ^ rng_mix(p->o.seed));
    return (double)(mixed >> 11) * 0x1p-53 < p->o.cold_share;
}

/* Numbers the warm items first. The stages of numbering are not those of the events. */
static int number(struct protocol *p, struct penchant_error *err)
{
    const struct history *h = &p->data->history;
    uint8_t *stage = malloc(h->n);
    if (!stage)
        return error_memory(err);
    for (uint64_t i = 0; i < h->n; i++)
        stage[i] = is_cold(p, h->item[i]) ? DATASET_STAGES - 1 : 0;
    const int status = dataset_number(p->data, stage, p->o.seed, err);
    free(stage);
    p->n_warm = p->data->n_items[0];
    return status;
}

int protocol_number_cold(struct protocol *p, struct penchant_error *err)
{
    int status = number(p, err);
    if (status)
        return status;
    const struct history *h = &p->data->history;
    const uint64_t n = h->n;
    bool *keep = malloc(n * sizeof(*keep));
    if (!keep)
        return error_memory(err);
    uint64_t kept = 0, cold = 0;
    for (uint64_t i = 0; i < n; i++) {
        const bool reported = p->stage[i] == p->o.report;
        cold += reported && h->item[i] >= p->n_warm;
        keep[i] = reported || h->item[i] < p->n_warm;
        if (keep[i])
            p->stage[kept++] = p->stage[i];
    }
    dataset_keep(p->data, keep);
    free(keep);
    if (!cold || p->n_warm < 2)
        return error_set(err, PENCHANT_EINVALID,
                         "no case to be predicted is of a hidden item, or all items are "
                         "hidden, at a cold share of %g",
                         p->o.cold_share);
    return PENCHANT_OK;
}
