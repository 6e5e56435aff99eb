/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The cases that a blend is fitted on: what every source said of the candidates, and
 * which of them came. What the user may not be shown (items seen before, where the
 * protocol says so) is left out by whoever adds the case.
 *
 * A case whose target is no candidate is a miss under every blend and is only counted.
 * Memory: 4 (EVIDENCE_SOURCES + 1) bytes for each candidate of the others, of which
 * BLEND_MOST_ROWS are kept in all (cases past that are left out).
 *
 * Not thread-safe; nothing here depends on anything but its arguments.
 */
#ifndef EVIDENCE_BLEND_CASES_H
#define EVIDENCE_BLEND_CASES_H

#include "evidence/blend.h"

enum {
    BLEND_MOST_CANDIDATES = 1 << 16, /* of one case */
    BLEND_MOST_ROWS = 5000000        /* of all cases */
};

/* What a case serves; see learn/held_out.h for who decides. */
enum {
    BLEND_WEIGHS = 1, /* fits weights; else it chooses between weightings */
    BLEND_ODD = 2     /* its fold, for those who fit on one and report on the other */
};

struct blend_case {
    uint64_t begin; /* its first row */
    uint32_t n, target;
    uint8_t flags;
    float context[BLEND_CONTEXTS];
};

struct blend_cases {
    uint64_t n[4];        /* cases by their flags, misses included */
    struct blend_case *c; /* (n_kept) those whose target is a candidate */
    uint64_t n_kept;
    /* private */
    float *value; /* a case's rows: (EVIDENCE_SOURCES + 1, n), the last is novelty */
    uint64_t n_rows, cap_rows, cap_kept;
};

void blend_cases_init(struct blend_cases *c);
void blend_cases_release(struct blend_cases *c);

/*
 * Adds one case: value (EVIDENCE_SOURCES + 1, n) holds the sources' scores and then the
 * candidates' novelty; candidate `target` came; target >= n: it is not among them.
 * PENCHANT_ENOMEM, or PENCHANT_ELIMIT past the maximum.
 */
int blend_cases_add(struct blend_cases *c, const float context[BLEND_CONTEXTS],
                    const float *value, uint32_t n, uint32_t target, uint8_t flags);

/*
 * Adds the case "query q was followed by item `target`": the candidates are the union of
 * every source's k_each best (q->skip excluded), scored by every source of `mask`.
 */
int blend_cases_add_query(struct blend_cases *c, struct evidence *e, uint32_t mask,
                          const struct evidence_query *q, uint32_t k_each,
                          uint32_t target, uint8_t flags);

/* The scores of case i in source s, or with s = EVIDENCE_SOURCES their novelty: (n). */
const float *blend_case_row(const struct blend_cases *c, const struct blend_case *one,
                            int s);

#endif
