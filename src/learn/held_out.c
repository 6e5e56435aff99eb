/* SPDX-License-Identifier: Apache-2.0 */
#include "learn/held_out.h"

bool held_out_observes(struct evidence_event *e, struct held_out_recent *room)
{
    uint32_t n = 0;
    if (held_out_is_new(e->item))
        return false;
    const uint32_t from =
        e->n_recent > HELD_OUT_RECENT ? e->n_recent - HELD_OUT_RECENT : 0;
    for (uint32_t i = from; i < e->n_recent; i++) {
        if (held_out_is_new(e->recent[i]))
            continue;
        room->item[n] = e->recent[i];
        room->us[n] = e->recent_us ? e->recent_us[i] : 0;
        room->type[n++] = e->recent_type ? e->recent_type[i] : 0;
    }
    e->recent = room->item;
    e->recent_us = e->recent_us ? room->us : NULL;
    e->recent_type = e->recent_type ? room->type : NULL;
    e->n_recent = n;
    return true;
}
