/* SPDX-License-Identifier: Apache-2.0 */
/* How the learning from feedback is doing, in numbers. */
#include <math.h>

#include "engine/adapt.h"
#include "engine/engine.h"

int penchant_get_adaptation(struct penchant *p, struct penchant_adaptation *out,
                            struct penchant_error *err)
{
    (void)err;
    *out = (struct penchant_adaptation){.share_fast = (double)NAN};
    if (p->adapt)
        adapt_read(p->adapt, out);
    delays_read(&p->to_layer, &out->to_layer);
    return PENCHANT_OK;
}
