/* SPDX-License-Identifier: Apache-2.0 */
#include "evidence/blend_cases.h"

#include <stdlib.h>
#include <string.h>

#include "evidence/counts.h"

enum { WIDTH = EVIDENCE_SOURCES + 1 };

void blend_cases_init(struct blend_cases *c)
{
    *c = (struct blend_cases){0};
}

void blend_cases_release(struct blend_cases *c)
{
    free(c->c);
    free(c->value);
    *c = (struct blend_cases){0};
}

static int make_room(struct blend_cases *c, uint64_t n)
{
    if (c->n_kept == c->cap_kept) {
        const uint64_t cap = c->cap_kept ? 2 * c->cap_kept : 256;
        struct blend_case *grown = reallocarray(c->c, cap, sizeof *grown);
        if (!grown)
            return PENCHANT_ENOMEM;
        c->c = grown;
        c->cap_kept = cap;
    }
    if (c->n_rows + n > c->cap_rows) {
        const uint64_t cap = c->cap_rows + c->cap_rows / 2 + n;
        float *value = reallocarray(c->value, cap, WIDTH * sizeof *value);
        if (!value)
            return PENCHANT_ENOMEM;
        c->value = value;
        c->cap_rows = cap;
    }
    return PENCHANT_OK;
}

int blend_cases_add(struct blend_cases *c, const float context[BLEND_CONTEXTS],
                    const float *value, uint32_t n, uint32_t target, uint8_t flags)
{
    if (n > BLEND_MOST_CANDIDATES)
        return PENCHANT_ELIMIT;
    if (c->n_rows + n > BLEND_MOST_ROWS)
        return PENCHANT_OK;
    if (target < n) {
        const int rc = make_room(c, n);
        if (rc)
            return rc;
        struct blend_case *one = &c->c[c->n_kept++];
        *one = (struct blend_case){
            .begin = c->n_rows, .n = n, .target = target, .flags = flags};
        memcpy(one->context, context, sizeof one->context);
        memcpy(c->value + c->n_rows * WIDTH, value, (size_t)n * WIDTH * sizeof *value);
        c->n_rows += n;
    }
    c->n[flags & 3]++;
    return PENCHANT_OK;
}

/* ---- cases from queries ---- */

int blend_cases_add_query(struct blend_cases *c, struct evidence *e, uint32_t mask,
                          const struct evidence_query *q, uint32_t k_each,
                          uint32_t target, uint8_t flags)
{
    float context[BLEND_CONTEXTS];
    if (k_each == 0 || k_each > BLEND_MOST_CANDIDATES / EVIDENCE_SOURCES)
        return PENCHANT_ELIMIT;
    const size_t room = (size_t)EVIDENCE_SOURCES * k_each;
    int rc = PENCHANT_ENOMEM;
    uint32_t *item = malloc(room * sizeof *item);
    float *value = calloc(room, WIDTH * sizeof *value);
    if (!item || !value)
        goto out;
    const uint32_t n = (uint32_t)evidence_candidates(e, mask, q, k_each, item);
    uint32_t at = 0;
    while (at < n && item[at] != target)
        at++;
    if (at < n) {
        for (uint32_t s = 0; s < EVIDENCE_SOURCES; s++)
            if (mask >> s & 1)
                evidence_sources[s]->score(e->state[s], q, item, n,
                                           value + (size_t)s * n);
        counts_novelty(e->counts, item, n, value + (size_t)EVIDENCE_SOURCES * n);
        blend_context(e, q, context);
    } else {
        memset(context, 0, sizeof context);
    }
    rc = blend_cases_add(c, context, value, n, at, flags);
out:
    free(item);
    free(value);
    return rc;
}

const float *blend_case_row(const struct blend_cases *c, const struct blend_case *one,
                            int s)
{
    return c->value + one->begin * WIDTH + (size_t)s * one->n;
}
