/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/agent.h"

#include "base/json_writer.h"
#include "base/status.h"
#include "lab/agent_state.h"
#include "server/json_input.h"

struct agent *agent_new(const struct actor_ops *ops, uint64_t seed, uint32_t slate)
{
    struct agent *a = calloc(1, sizeof(*a));
    if (!a)
        return NULL;
    a->ops = ops;
    a->seed = seed;
    a->slate = a->catalog.slate = slate;
    names_init(&a->users);
    a->open = calloc(AGENT_MOST_OPEN, sizeof(*a->open));
    if (!a->open) {
        agent_free(a);
        return NULL;
    }
    return a;
}

void agent_free(struct agent *a)
{
    if (!a)
        return;
    if (a->state)
        a->ops->destroy(a->state);
    names_release(&a->users);
    free(a->features);
    free(a->open);
    free(a->row);
    free(a);
}

static int need_actor(struct agent *a, struct penchant_error *err)
{
    if (!a->state)
        a->state = a->ops->create(a->seed, &a->catalog);
    return a->state ? 0 : error_memory(err);
}

/* A new catalogue is a new world: everything begins anew, but for who is who. */
static int do_catalog(struct agent *a, const json_t *line, struct penchant_error *err)
{
    struct actor_catalog c = {0};
    const json_t *rows = json_object_get(line, "features");
    const bool featured = rows && !json_is_null(rows);
    uint32_t n_rows = 0;
    if (!json_object_get(line, "n"))
        return error_set(err, PENCHANT_EINVALID, "n: is missing");
    int status = agent_read_count(line, "n", 0, AGENT_MOST_ITEMS, 0, &c.n, err);
    if (!status)
        status = agent_read_count(line, "dim", 0, AGENT_MOST_DIM, 0, &c.dim, err);
    if (!status)
        status =
            agent_read_count(line, "slate", 1, ACTOR_MOST_SLATE, a->slate, &c.slate, err);
    if (!status && featured)
        status = agent_read_rows(a, rows, "features", &n_rows, &c.dim, err);
    if (status)
        return status;
    if (featured && n_rows != c.n)
        return error_set(err, PENCHANT_EINVALID, "features: has %u rows for %u items",
                         n_rows, c.n);
    float *features = NULL;
    if (featured) {
        const size_t bytes = (size_t)c.n * c.dim * sizeof(*features);
        features = malloc(bytes);
        if (!features)
            return error_memory(err);
        memcpy(features, a->row, bytes);
    }
    if (a->state)
        a->ops->destroy(a->state);
    a->state = NULL;
    free(a->features);
    a->features = features;
    a->catalog = c;
    a->catalog.features = features;
    a->candidate_dim = c.n ? 0 : c.dim;
    a->n_context = 0;
    memset(a->open, 0, AGENT_MOST_OPEN * sizeof(*a->open));
    return 0;
}

static int do_reset(struct agent *a, const json_t *line, struct penchant_error *err)
{
    uint32_t user;
    int status = agent_read_user(a, line, &user, err);
    if (!status)
        status = need_actor(a, err);
    if (!status)
        a->ops->reset(a->state, user);
    return status;
}

static int do_event(struct agent *a, const json_t *line, struct penchant_error *err)
{
    struct actor_event e = {.type = json_string_value(json_object_get(line, "type"))};
    uint32_t user;
    if (!e.type)
        return error_set(err, PENCHANT_EINVALID, "type: needs a text");
    if (!json_object_get(line, "item") || !a->catalog.n)
        return error_set(err, PENCHANT_EINVALID, "item: needs an item of the catalogue");
    int status = agent_read_count(line, "item", 0, a->catalog.n - 1, 0, &e.item, err);
    if (!status)
        status = agent_read_ts(a, line, &e.ts, err);
    if (!status)
        status = agent_read_user(a, line, &user, err);
    if (!status)
        status = need_actor(a, err);
    if (status)
        return status;
    a->last_ts = e.ts;
    a->ops->event(a->state, user, &e);
    return 0;
}

static int do_impression(struct agent *a, const json_t *line, struct penchant_error *err)
{
    uint32_t item[ACTOR_MOST_SLATE], n, n_rewards, user;
    float reward[ACTOR_MOST_SLATE];
    int status = agent_read_items(a, line, item, &n, err);
    if (!status)
        status = agent_read_rewards(line, reward, &n_rewards, err);
    if (!status && n != n_rewards)
        status = error_set(err, PENCHANT_EINVALID, "reward: has %u numbers for %u items",
                           n_rewards, n);
    if (!status)
        status = agent_read_user(a, line, &user, err);
    if (!status)
        status = need_actor(a, err);
    if (!status)
        a->ops->impression(a->state, user, item, reward, n);
    return status;
}

/* Candidates first, the context behind them, both in the line's buffer. */
static int read_moment(struct agent *a, const json_t *line, struct actor_request *r,
                       struct penchant_error *err)
{
    const json_t *rows = json_object_get(line, "candidates");
    const json_t *context = json_object_get(line, "context");
    size_t at = 0;
    if (rows && !json_is_null(rows)) {
        uint32_t dim = a->candidate_dim;
        const int status =
            agent_read_rows(a, rows, "candidates", &r->n_candidates, &dim, err);
        if (status)
            return status;
        r->candidate_dim = dim;
        at = (size_t)r->n_candidates * dim;
    }
    if (context && !json_is_null(context)) {
        const size_t n = json_array_size(context);
        if (!json_is_array(context) || !n || n > AGENT_MOST_DIM ||
            (a->n_context && a->n_context != n))
            return error_set(err, PENCHANT_EINVALID,
                             "context: needs an array of numbers, always as many");
        const int status = agent_read_floats(a, context, "context", at, err);
        if (status)
            return status;
        r->n_context = (uint32_t)n;
    }
    r->candidates = r->n_candidates ? a->row : NULL;
    r->context = r->n_context ? a->row + at : NULL;
    return 0;
}

static void write_id(struct json_writer *w, const json_t *id)
{
    json_key(w, "id");
    if (json_is_integer(id))
        json_int(w, json_integer_value(id));
    else
        json_text(w, json_string_value(id));
}

static int answer_with(struct buf *out, const json_t *id, const uint32_t *item,
                       const double *p, uint32_t k, struct penchant_error *err)
{
    struct json_writer w;
    json_init(&w, out);
    json_begin_object(&w);
    write_id(&w, id);
    json_key(&w, "items");
    json_begin_array(&w);
    for (uint32_t i = 0; i < k; i++)
        json_uint(&w, item[i]);
    json_end_array(&w);
    json_key(&w, "p");
    json_begin_array(&w);
    for (uint32_t i = 0; i < k; i++)
        json_double(&w, p[i], 17);
    json_end_array(&w);
    json_end_object(&w);
    buf_putc(out, '\n');
    return out->failed ? error_memory(err) : 0;
}

static int do_recommend(struct agent *a, const json_t *line, struct buf *answer,
                        struct penchant_error *err)
{
    struct actor_request r = {0};
    uint32_t item[ACTOR_MOST_SLATE];
    double p[ACTOR_MOST_SLATE];
    const json_t *id = json_object_get(line, "id");
    const uint64_t key = agent_key(id);
    if (!key)
        return error_set(err, PENCHANT_EINVALID, "id: needs a whole number or a text");
    int status =
        agent_read_count(line, "k", 1, ACTOR_MOST_SLATE, a->catalog.slate, &r.k, err);
    if (!status)
        status = agent_read_ts(a, line, &r.ts, err);
    if (!status)
        status = read_moment(a, line, &r, err);
    if (!status && !r.n_candidates && !a->catalog.n)
        status = error_set(err, PENCHANT_EINVALID,
                           "candidates: are needed without a catalogue");
    if (!status)
        status = agent_read_user(a, line, &r.user, err);
    if (!status)
        status = need_actor(a, err);
    if (status)
        return status;
    const uint32_t n = r.n_candidates ? r.n_candidates : a->catalog.n;
    if (r.n_candidates)
        a->candidate_dim = r.candidate_dim;
    if (r.n_context)
        a->n_context = r.n_context;
    r.k = r.k < n ? r.k : n;
    r.id = ++a->next_id;
    a->last_ts = r.ts;
    a->ops->recommend(a->state, &r, item, p);
    agent_open_add(a, key, &(struct agent_open){.id = r.id, .user = r.user, .k = r.k});
    return answer_with(answer, id, item, p, r.k, err);
}

static int do_feedback(struct agent *a, const json_t *line, struct penchant_error *err)
{
    const uint64_t key = agent_key(json_object_get(line, "id"));
    const json_t *done = json_object_get(line, "done");
    float reward[ACTOR_MOST_SLATE] = {0};
    struct agent_open o;
    uint32_t n;
    if (!key)
        return error_set(err, PENCHANT_EINVALID, "id: needs a whole number or a text");
    if (done && !json_is_boolean(done) && !json_is_null(done))
        return error_set(err, PENCHANT_EINVALID, "done: needs true or false");
    const int status = agent_read_rewards(line, reward, &n, err);
    if (status)
        return status;
    if (!agent_open_take(a, key, &o))
        return error_set(err, PENCHANT_EINVALID,
                         "id: no recommendation of that id waits for feedback");
    if (n > o.k) {
        agent_open_add(a, key, &o);
        return error_set(err, PENCHANT_EINVALID, "reward: has %u numbers for %u items", n,
                         o.k);
    }
    a->ops->feedback(a->state, o.id, o.user, reward, o.k, json_is_true(done));
    return 0;
}

int agent_line(struct agent *a, const char *text, size_t n, struct buf *answer, bool *end,
               struct penchant_error *err)
{
    char why[JSON_INPUT_WHY];
    *end = false;
    json_t *line = json_input_load(text, n, why);
    if (!line)
        return error_set(err, PENCHANT_EINVALID, "%s", why);
    const char *op = json_string_value(json_object_get(line, "op"));
    int status = 0;
    if (!op)
        status = error_set(err, PENCHANT_EINVALID, "op: is missing");
    else if (strcmp(op, "recommend") == 0)
        status = do_recommend(a, line, answer, err);
    else if (strcmp(op, "feedback") == 0)
        status = do_feedback(a, line, err);
    else if (strcmp(op, "event") == 0)
        status = do_event(a, line, err);
    else if (strcmp(op, "impression") == 0)
        status = do_impression(a, line, err);
    else if (strcmp(op, "reset") == 0)
        status = do_reset(a, line, err);
    else if (strcmp(op, "catalog") == 0)
        status = do_catalog(a, line, err);
    else if (strcmp(op, "end") == 0)
        *end = true;
    else
        status = error_set(err, PENCHANT_EINVALID, "op: %.40s is none", op);
    json_decref(line);
    return status;
}
