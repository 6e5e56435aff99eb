/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Counters of the HTTP side, and everything in the text format of Prometheus 0.0.4.
 * Counting is a few relaxed atomic additions; from any thread.
 */
#ifndef SERVER_HTTP_METRICS_H
#define SERVER_HTTP_METRICS_H

#include <stdatomic.h>
#include <stdint.h>

#include "base/buf.h"
#include "penchant.h"

enum { HTTP_METRICS_ROUTES = 32, HTTP_METRICS_STATUSES = 16, HTTP_METRICS_BUCKETS = 16 };

struct http_metrics_route {
    atomic_uint_fast64_t by_status[HTTP_METRICS_STATUSES];
    atomic_uint_fast64_t
        by_latency[HTTP_METRICS_BUCKETS]; /* not cumulative; the last: longer */
    atomic_uint_fast64_t total_ns;
};

struct http_metrics {
    struct http_metrics_route
        route[HTTP_METRICS_ROUTES]; /* by place in the table of routes */
    atomic_uint_fast64_t events_accepted, events_duplicate;
};

/* One answered request. A status that is not in the list of the .c file counts as 500. */
void http_metrics_count(struct http_metrics *m, size_t route, unsigned status,
                        int64_t ns);

/* Events that a commit took, and those whose event_id had been seen. */
void http_metrics_events(struct http_metrics *m, uint64_t accepted, uint64_t duplicates);

struct http_metrics_label {
    const char *method, *route; /* as labels; escaped by the writer */
};

/* Writes all metrics; label[n] names the rows of m->route. */
void http_metrics_write(struct http_metrics *m, const struct http_metrics_label *label,
                        size_t n, const struct penchant_status_report *shop,
                        const struct penchant_learning *learning,
                        const struct penchant_adaptation *adaptation, struct buf *out);

#endif
