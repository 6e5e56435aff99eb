/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A list that the shop shows by itself, as the store keeps it: its items, chosen with
 * certainty, and as a choice of share 0 the list that the engine would have shown, so that
 * later both can be held against what happened.
 */
#ifndef ENGINE_APPRENTICE_H
#define ENGINE_APPRENTICE_H

#include "engine/engine.h"
#include "retrieval/topk.h"

struct apprentice {
    struct store_slate slate; /* without id, time, user and placement */
    struct store_choice choice;
    void *block;
};

/* `hit` are the engine's n items, best first. PENCHANT_EINVALID names an item that is not
   known or stands twice. Takes p->lock for reading. */
int apprentice_init(struct apprentice *a, struct penchant *p,
                    const struct penchant_request *r, const struct topk_hit *hit,
                    size_t n, struct penchant_error *err);
void apprentice_release(struct apprentice *a);

#endif
