/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/values.h"

#include <math.h>
#include <stdlib.h>

#include "engine/shop_content.h"
#include "learn/critic.h"

int engine_values(const struct penchant *p, const struct snapshot *s,
                  const struct want *w, const struct evidence_query *q,
                  const uint32_t *item, size_t n, float *out)
{
    float facts[CRITIC_FACTS];
    for (size_t i = 0; i < n * CRITIC_OBJECTIVES; i++)
        out[i] = NAN;
    if (!s || !s->critic || !q->vector || !w->n)
        return PENCHANT_OK;
    const float **vector = malloc((n + 1) * sizeof *vector);
    float *x = malloc(s->critic->form.inputs * sizeof *x);
    int rc = vector && x ? PENCHANT_OK : PENCHANT_ENOMEM;
    if (!rc) {
        for (size_t i = 0; i < n; i++)
            vector[i] = item[i] < s->n_items ? s->item_vectors + (size_t)item[i] * s->dim
                                             : shop_content_token(p, s, item[i]);
        critic_facts(w->type, w->ts_us, w->n, w->total, q->now_us, p->has_clock, facts);
        critic_input(&s->critic->form, q->vector, facts, x);
        rc = critic_values(s->critic, x, vector, n, out);
    }
    free(vector);
    free(x);
    return rc;
}
