/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of the HTTP side, and everything in the text format of Prometheus 0.0.4.
 * Counting is a few relaxed atomic additions; from any thread.
 */
#ifndef SERVER_METRICS_H
#define SERVER_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "penchant.h"

enum { METRICS_ROUTES = 32, METRICS_STATUSES = 16, METRICS_BUCKETS = 16 };

struct metrics_route {
    atomic_uint_fast64_t by_status[METRICS_STATUSES];
    atomic_uint_fast64_t
        by_latency[METRICS_BUCKETS]; /* not cumulative; the last: longer */
    atomic_uint_fast64_t total_ns;
};

struct metrics {
    struct metrics_route route[METRICS_ROUTES]; /* by place in the table of routes */
    atomic_uint_fast64_t events_accepted, events_duplicate;
};

/* One answered request. A status that is not in the list of the .c file counts as 500. */
void metrics_count(struct metrics *m, size_t route, unsigned status, int64_t ns);

/* Events that a commit took, and those whose event_id had been seen. */
void metrics_events(struct metrics *m, uint64_t accepted, uint64_t duplicates);

struct metrics_label {
    const char *method, *route; /* as labels; escaped by the writer */
};

/* Writes all metrics; label[n] names the rows of m->route. */
void metrics_write(struct metrics *m, const struct metrics_label *label, size_t n,
                   const struct penchant_status_report *shop, struct buf *out);

/* A label's value with the escapes of the format. */
void metrics_escape(struct buf *out, const char *value);

#endif
