/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What penchant_evaluate_segments() is made of. Everything is found again from the log,
 * so that nothing that is asked for was seen before: held-out events (segments_report.c),
 * the users' other halves (there too), the next day (segments_days.c), hidden seeds
 * (segments_seeds.c).
 */
#ifndef ENGINE_SEGMENTS_REPORT_H
#define ENGINE_SEGMENTS_REPORT_H

#include "engine/segments_train.h"

struct segments_report {
    const struct lessons *lessons;
    const struct segment_space *space;
    uint32_t n; /* segments */
    double prior;
    uint64_t seed;
    struct pool *pool;
    struct penchant_segments_quality *out;
};

/* Each 0 or PENCHANT_ENOMEM. */
int segments_report_days(const struct segments_report *r);
int segments_report_seeds(const struct segments_report *r);

#endif
