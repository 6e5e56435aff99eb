/* SPDX-License-Identifier: Apache-2.0 */
#include "server/http_metrics.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

static const unsigned statuses[HTTP_METRICS_STATUSES] = {200, 201, 204, 400, 401, 404,
                                                         405, 413, 422, 500, 503};

/* Upper bounds in microseconds; what is above the last one has no bound. */
static const int64_t bounds_us[HTTP_METRICS_BUCKETS - 1] = {
    50,    100,   250,    500,    1000,   2500,    5000,   10000,
    25000, 50000, 100000, 250000, 500000, 1000000, 5000000};

static uint64_t get(atomic_uint_fast64_t *counter)
{
    return atomic_load_explicit(counter, memory_order_relaxed);
}

static void add(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void http_metrics_count(struct http_metrics *m, size_t route, unsigned status, int64_t ns)
{
    struct http_metrics_route *r = &m->route[route];
    size_t s = 0, b = 0;
    while (s < HTTP_METRICS_STATUSES && statuses[s] != status)
        s++;
    if (s == HTTP_METRICS_STATUSES)
        for (s = 0; statuses[s] != 500; s++)
            continue;
    while (b < HTTP_METRICS_BUCKETS - 1 && ns > bounds_us[b] * 1000)
        b++;
    add(&r->by_status[s], 1);
    add(&r->by_latency[b], 1);
    add(&r->total_ns, (uint64_t)ns);
}

void http_metrics_events(struct http_metrics *m, uint64_t accepted, uint64_t duplicates)
{
    add(&m->events_accepted, accepted);
    add(&m->events_duplicate, duplicates);
}

/* A label's value with the escapes of the format. */
static void escaped(struct buf *out, const char *value)
{
    for (const char *c = value; *c; c++) {
        if (*c == '\n')
            buf_puts(out, "\\n");
        else if (*c == '"' || *c == '\\')
            buf_printf(out, "\\%c", *c);
        else
            buf_putc(out, *c);
    }
}

static void head(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void labels(struct buf *out, const char *name,
                   const struct http_metrics_label *label)
{
    buf_printf(out, "%s{method=\"", name);
    escaped(out, label->method);
    buf_puts(out, "\",route=\"");
    escaped(out, label->route);
    buf_putc(out, '"');
}

static void one(struct buf *out, const char *name, const char *type, const char *help,
                uint64_t value)
{
    head(out, name, type, help);
    buf_printf(out, "%s %" PRIu64 "\n", name, value);
}

static void write_requests(struct http_metrics *m, const struct http_metrics_label *label,
                           size_t n, struct buf *out)
{
    static const char name[] = "penchant_http_requests_total";
    head(out, name, "counter", "Requests answered, by route and status.");
    for (size_t i = 0; i < n; i++)
        for (size_t s = 0; s < HTTP_METRICS_STATUSES && statuses[s]; s++) {
            const uint64_t count = get(&m->route[i].by_status[s]);
            if (!count)
                continue;
            labels(out, name, &label[i]);
            buf_printf(out, ",status=\"%u\"} %" PRIu64 "\n", statuses[s], count);
        }
}

static void write_latency(struct http_metrics *m, const struct http_metrics_label *label,
                          size_t n, struct buf *out)
{
    static const char name[] = "penchant_http_request_seconds";
    head(out, name, "histogram", "Seconds from the request line to the answer.");
    for (size_t i = 0; i < n; i++) {
        uint64_t count = 0;
        for (size_t b = 0; b < HTTP_METRICS_BUCKETS; b++) {
            count += get(&m->route[i].by_latency[b]);
            labels(out, "penchant_http_request_seconds_bucket", &label[i]);
            if (b < HTTP_METRICS_BUCKETS - 1)
                buf_printf(out, ",le=\"%g\"} %" PRIu64 "\n", (double)bounds_us[b] / 1e6,
                           count);
            else
                buf_printf(out, ",le=\"+Inf\"} %" PRIu64 "\n", count);
        }
        labels(out, "penchant_http_request_seconds_sum", &label[i]);
        buf_printf(out, "} %.9g\n", (double)get(&m->route[i].total_ns) / 1e9);
        labels(out, "penchant_http_request_seconds_count", &label[i]);
        buf_printf(out, "} %" PRIu64 "\n", count);
    }
}

static void write_delays(const struct penchant_delays *d, const char *name,
                         const char *help, struct buf *out)
{
    uint64_t count = 0;
    head(out, name, "histogram", help);
    for (size_t i = 0; i < PENCHANT_DELAYS; i++) {
        count += d->bucket[i];
        if (i + 1 < PENCHANT_DELAYS)
            buf_printf(out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name,
                       penchant_delay_bound(i), count);
        else
            buf_printf(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, count);
    }
    buf_printf(out, "%s_sum %.9g\n%s_count %" PRIu64 "\n", name, d->seconds, name, count);
}

static void one_number(struct buf *out, const char *name, const char *help, double value)
{
    head(out, name, "gauge", help);
    if (isnan(value))
        buf_printf(out, "%s NaN\n", name);
    else
        buf_printf(out, "%s %.9g\n", name, value);
}

/* What a shop without a learner does not have is left out. */
static void write_learning(const struct penchant_learning *l, struct buf *out)
{
    write_delays(&l->to_list, "penchant_event_to_list_seconds",
                 "Seconds from taking an event to its being in the user's next list.",
                 out);
    if (!l->on)
        return;
    write_delays(&l->to_network, "penchant_event_to_network_seconds",
                 "Seconds from an event's commit to a model in use that has learned it.",
                 out);
    one(out, "penchant_learning_events_total", "counter", "Events learned as they came.",
        l->events);
    one(out, "penchant_learning_displaced_total", "counter",
        "Events left to the replay because more came than could be learned.",
        l->displaced);
    one(out, "penchant_learning_unknown_total", "counter",
        "Events of items that the model does not know, or the first of a user.",
        l->unknown);
    one(out, "penchant_learning_dropped_total", "counter",
        "Events that found the learner's queue full.", l->dropped);
    one(out, "penchant_learning_steps_total", "counter", "Steps of learning.", l->steps);
    one(out, "penchant_learning_publications_total", "counter",
        "Models taken into use that had learned on.", l->publications);
    one(out, "penchant_learning_rollbacks_total", "counter",
        "Times that the learned was taken back.", l->rollbacks);
    one_number(out, "penchant_learning_loss",
               "Nats an event before learning it, of the model that learns.", l->loss);
    one_number(out, "penchant_learning_champion_loss",
               "Nats of the same events, of the model as trained.", l->champion_loss);
    one_number(out, "penchant_learning_publish_seconds",
               "Seconds that the last publication took.", l->publish_seconds);
}

/* What a shop that does not learn from feedback does not have is left out. */
static void write_adaptation(const struct penchant_adaptation *a, struct buf *out)
{
    if (!a->on)
        return;
    write_delays(&a->to_layer, "penchant_event_to_layer_seconds",
                 "Seconds from taking an event that settled places of lists to the layer "
                 "that learned it.",
                 out);
    one(out, "penchant_adapt_settled_total", "counter",
        "Outcomes of places of lists that were learned from, of the whole log.",
        a->settled);
    one(out, "penchant_adapt_changes_total", "counter",
        "Times that the world was found to have changed.", a->changes);
    one_number(out, "penchant_adapt_share_fast",
               "How much the layer that forgets fast counts, 0 to 1.", a->share_fast);
}

/* Resident bytes of this process, 0 when /proc does not say. */
static uint64_t resident_bytes(void)
{
    uint64_t size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (!f)
        return 0;
    if (fscanf(f, "%" SCNu64 " %" SCNu64, &size, &resident) != 2)
        resident = 0;
    fclose(f);
    return resident * (uint64_t)sysconf(_SC_PAGESIZE);
}

void http_metrics_write(struct http_metrics *m, const struct http_metrics_label *label,
                        size_t n, const struct penchant_status_report *shop,
                        const struct penchant_learning *learning,
                        const struct penchant_adaptation *adaptation, struct buf *out)
{
    write_requests(m, label, n, out);
    write_latency(m, label, n, out);
    one(out, "penchant_events_accepted_total", "counter",
        "Events taken over HTTP and on disk.", get(&m->events_accepted));
    one(out, "penchant_events_duplicate_total", "counter",
        "Events refused because their event_id had been seen.",
        get(&m->events_duplicate));
    one(out, "penchant_commits_total", "counter", "Groups of changes made durable.",
        shop->commits);
    one(out, "penchant_lists_total", "counter", "Lists made.", shop->requests);
    one(out, "penchant_events", "gauge", "Events in the log.", shop->events);
    one(out, "penchant_users", "gauge", "Users known.", shop->users);
    one(out, "penchant_items", "gauge", "Items known.", shop->items);
    one(out, "penchant_slates", "gauge", "Lists logged.", shop->slates);
    one(out, "penchant_model_version", "gauge", "Counts up with every model; 0: none.",
        shop->has_model ? shop->model_version : 0);
    one(out, "penchant_states_cached", "gauge", "Users whose encoder state is in memory.",
        shop->states_cached);
    one(out, "penchant_state_bytes", "gauge", "Bytes of those states.",
        shop->state_bytes);
    one(out, "penchant_disk_bytes", "gauge", "Bytes of the shop on disk.",
        shop->disk_bytes);
    write_learning(learning, out);
    write_adaptation(adaptation, out);
    one(out, "process_resident_memory_bytes", "gauge", "Resident memory.",
        resident_bytes());
}
