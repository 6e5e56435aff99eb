/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The incremental encoder against its promise: however the events came in, and whenever a
 * state was made anew, a query has the bits of one whole pass of the network over the
 * window. Both presets' forms, every switch, heads, gaps, and windows longer and shorter
 * than a block of attention rows.
 */
#include "model/encoder.h"

#include "base/rng.h"
#include "model_fixture.h"

enum { N_ITEMS = 23, N_TYPES = 3, MAX_DIM = 24, MAX_EVENTS = 160 };

static const struct shape {
    const char *name;
    struct model_config config;
} shapes[] = {
    {"sasrec",
     {.dim = 16,
      .blocks = 2,
      .heads = 1,
      .max_length = 8,
      .ffn_dim = 16,
      .position = true}},
    {"sasrec, 2 heads, types",
     {.dim = 20,
      .blocks = 2,
      .heads = 2,
      .max_length = 7,
      .ffn_dim = 36,
      .position = true,
      .n_types = N_TYPES}},
    {"sasrec, long, cosine, attributes",
     {.dim = 16,
      .blocks = 1,
      .heads = 4,
      .max_length = 50,
      .ffn_dim = 24,
      .position = true,
      .normalise = true,
      .temperature = 0.1f,
      .n_attributes = 4}},
    {"hstu",
     {.dim = 24,
      .blocks = 2,
      .heads = 1,
      .max_length = 9,
      .attention = MODEL_SILU,
      .gated = true,
      .bias_position = true,
      .bias_time = true,
      .gap = true}},
    {"hstu, long, 3 heads, types, attributes",
     {.dim = 24,
      .blocks = 2,
      .heads = 3,
      .max_length = 49,
      .attention = MODEL_SILU,
      .gated = true,
      .bias_position = true,
      .bias_time = true,
      .gap = true,
      .n_types = N_TYPES,
      .n_attributes = 4}},
    {"gated softmax, everything",
     {.dim = 18,
      .blocks = 3,
      .heads = 2,
      .max_length = 5,
      .ffn_dim = 10,
      .gated = true,
      .bias_position = true,
      .bias_time = true,
      .position = true,
      .gap = true,
      .normalise = true,
      .temperature = 0.05f,
      .n_types = N_TYPES}},
    {"the shortest window", {.dim = 8, .blocks = 1, .heads = 1, .max_length = 2}},
};
enum { N_SHAPES = sizeof(shapes) / sizeof(shapes[0]) };

/* ---- a model and a history ----------------------------------------------------- */

/* Every parameter counts: biases and norms are as random as the rest. */
static struct model *make_model(const struct shape *shape)
{
    struct model_config c = shape->config;
    uint32_t start[N_ITEMS + 1] = {0}, attr[2 * N_ITEMS];
    struct model *m;
    struct rng rng;
    c.n_items = N_ITEMS;
    for (uint32_t i = 0; i < N_ITEMS; i++) {
        start[i + 1] = start[i];
        for (uint32_t a = 0; a < i % 3; a++)
            attr[start[i + 1]++] = (i + a) % 4;
    }
    assert_int_equal(model_new(&m, &c, c.n_attributes ? start : NULL, attr, NULL),
                     PENCHANT_OK);
    rng_init(&rng, 5, 1);
    for (size_t i = 0; i < m->n_params; i++)
        m->param[i] = 0.3f * rng_normal(&rng);
    return m;
}

struct log {
    uint32_t item[MAX_EVENTS];
    uint8_t type[MAX_EVENTS];
    int64_t ts_us[MAX_EVENTS];
};

/* Gaps from none to months; with `strange` also items and types that nobody knows. */
static void make_log(struct log *log, uint64_t seed, bool strange)
{
    static const int64_t gap_us[] = {
        0, 1, 900000, 3000000, 60000000LL, 3600000000LL, 86400000000LL, 5000000000000LL};
    int64_t now = 1700000000000000LL;
    struct rng rng;
    rng_init(&rng, seed, 1);
    for (uint32_t i = 0; i < MAX_EVENTS; i++) {
        now += gap_us[rng_below(&rng, 8)];
        log->item[i] = rng_below(&rng, N_ITEMS);
        log->type[i] = (uint8_t)rng_below(&rng, N_TYPES);
        log->ts_us[i] = now;
        if (strange && rng_below(&rng, 4) == 0)
            log->item[i] = rng_below(&rng, 2) ? N_ITEMS : NAMES_NONE;
        if (strange && rng_below(&rng, 4) == 0)
            log->type[i] = rng_below(&rng, 2) ? N_TYPES : 255;
    }
}

static void append(const struct encoder *e, struct encoder_state *s,
                   const struct log *log, uint64_t from, uint64_t to)
{
    encoder_append(e, s, log->item + from, log->type + from, log->ts_us + from,
                   (size_t)(to - from));
}

/* The query after `events` events of a state made anew for it; false: there is none. */
static bool query_anew(const struct encoder *e, const struct log *log, uint64_t events,
                       int64_t now_us, float *out)
{
    const uint64_t first = encoder_window_start(e, events);
    struct encoder_state *s = encoder_state_new(e, first);
    assert_non_null(s);
    append(e, s, log, first, events);
    assert_int_equal(encoder_state_events(s), events);
    const bool known = encoder_query(e, s, now_us, out) == 0;
    encoder_state_free(s);
    return known;
}

/* The same from the network: one sequence of the window's known events. */
static bool query_network(const struct encoder *e, const struct model *m,
                          struct network *net, const struct log *log, uint64_t events,
                          int64_t now_us, float *out)
{
    struct batch b;
    int64_t zero = 0;
    assert_int_equal(batch_init(&b, m->config.max_length, 1), PENCHANT_OK);
    for (uint64_t i = encoder_window_start(e, events); i < events; i++) {
        if (log->item[i] >= N_ITEMS)
            continue;
        zero = b.n ? zero : log->ts_us[i];
        b.item[b.n] = log->item[i];
        b.type[b.n] = log->type[i];
        b.target[b.n] = NAMES_NONE;
        b.time[b.n++] = (float)((double)(log->ts_us[i] - zero) * 1e-6);
    }
    for (uint32_t t = 0; t < b.n; t++)
        b.target_time[t] =
            t + 1 < b.n ? b.time[t + 1] : (float)((double)(now_us - zero) * 1e-6);
    const uint32_t n = b.n;
    b.start[1] = n;
    b.n_sequences = 1;
    if (n) {
        const size_t d = m->config.dim;
        const struct network_pass p = {.model = m, .batch = &b};
        memcpy(out, network_forward(net, &p) + (n - 1) * d, d * sizeof(*out));
        if (m->config.normalise)
            kernels_get()->scale(out, model_unit_scale(out, d), d);
    }
    batch_release(&b);
    return n > 0;
}

static void same_bits(const struct shape *shape, const char *what, uint64_t events,
                      const float *got, const float *want)
{
    if (memcmp(got, want, shape->config.dim * sizeof(float)) != 0)
        fail_msg("%s, %s: %s differs after %u events", shape->name,
                 cpu_level_name(cpu_level()), what, (unsigned)events);
    for (uint32_t i = 0; i < shape->config.dim; i++)
        assert_true(isfinite(got[i]));
}

/* A model of the shape and an encoder of it. */
struct subject {
    struct model *m;
    struct encoder *e;
};

static struct subject subject_of(const struct shape *shape)
{
    struct subject s = {.m = make_model(shape)};
    assert_int_equal(encoder_new(&s.e, s.m, NULL), PENCHANT_OK);
    return s;
}

static void subject_release(struct subject *s)
{
    encoder_free(s->e);
    model_free(s->m);
}

/* ---- tests --------------------------------------------------------------------- */

/* One state goes on all the time and is asked after every event. */
static void walk(const struct shape *shape, const struct log *log)
{
    struct subject x = subject_of(shape);
    struct network *net = network_new(x.m, x.m->config.max_length);
    float went_on[MAX_DIM], anew[MAX_DIM], whole[MAX_DIM];
    struct encoder_state *s = encoder_state_new(x.e, 0);
    assert_true(net && s);
    for (uint64_t n = 1; n <= MAX_EVENTS; n++) {
        append(x.e, s, log, n - 1, n);
        const int64_t now = log->ts_us[n - 1] + 7000000 * (int64_t)(n % 5);
        const bool known = encoder_query(x.e, s, now, went_on) == 0;
        assert_int_equal(query_anew(x.e, log, n, now, anew), known);
        assert_int_equal(query_network(x.e, x.m, net, log, n, now, whole), known);
        if (!known)
            continue;
        same_bits(shape, "a state made anew", n, anew, went_on);
        same_bits(shape, "a pass of the network", n, whole, went_on);
    }
    assert_int_equal(encoder_state_events(s), MAX_EVENTS);
    encoder_state_free(s);
    network_free(net);
    subject_release(&x);
}

static void test_encoder__event_by_event_has_the_bits_of_a_whole_pass(void **state)
{
    struct log log;
    (void)state;
    make_log(&log, 1, false);
    EACH_LEVEL(level)
    for (size_t i = 0; i < N_SHAPES; i++)
        walk(&shapes[i], &log);
}

static void test_encoder__unknown_items_and_types_are_passed_over(void **state)
{
    struct log log;
    (void)state;
    make_log(&log, 2, true);
    for (size_t i = 0; i < N_SHAPES; i++)
        walk(&shapes[i], &log);
}

static void test_encoder__events_may_come_in_any_portions(void **state)
{
    struct log log;
    struct rng rng;
    (void)state;
    make_log(&log, 3, true);
    rng_init(&rng, 9, 1);
    for (size_t i = 0; i < N_SHAPES; i++) {
        struct subject x = subject_of(&shapes[i]);
        float want[MAX_DIM], got[MAX_DIM];
        assert_true(query_anew(x.e, &log, MAX_EVENTS, log.ts_us[MAX_EVENTS - 1], want));
        for (uint32_t trial = 0; trial < 8; trial++) {
            struct encoder_state *s = encoder_state_new(x.e, 0);
            assert_non_null(s);
            for (uint64_t at = 0, to; at < MAX_EVENTS; at = to) {
                to = at + rng_below(&rng, trial * 20 + 2);
                to = to < MAX_EVENTS ? to : MAX_EVENTS;
                append(x.e, s, &log, at, to);
                if (rng_below(&rng, 2)) /* asking leaves no trace */
                    encoder_query(x.e, s, log.ts_us[at] + 99, got);
            }
            assert_int_equal(encoder_query(x.e, s, log.ts_us[MAX_EVENTS - 1], got), 0);
            same_bits(&shapes[i], "portions", MAX_EVENTS, got, want);
            encoder_state_free(s);
        }
        subject_release(&x);
    }
}

/* Told from the definition: a window that is full gives up its oldest quarter. */
static void test_encoder__a_full_window_drops_its_oldest_quarter(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_SHAPES; i++) {
        struct subject x = subject_of(&shapes[i]);
        const uint64_t length = x.m->config.max_length, quarter = (length + 3) / 4;
        uint64_t first = 0;
        assert_int_equal(encoder_window_start(x.e, 0), 0);
        for (uint64_t events = 1; events < 5 * length + 3; events++) {
            if (events - 1 - first == length)
                first += quarter;
            assert_int_equal(encoder_window_start(x.e, events), first);
        }
        subject_release(&x);
    }
}

/* What is in the window counts, every event of it; what has left it does not. */
static void test_encoder__a_query_is_made_of_its_window(void **state)
{
    const struct shape *shape = &shapes[3];
    struct log log, other;
    (void)state;
    make_log(&log, 4, false);
    struct subject x = subject_of(shape);
    for (uint64_t n = 1; n <= 30; n++) {
        const uint64_t first = encoder_window_start(x.e, n);
        float want[MAX_DIM], got[MAX_DIM];
        assert_true(query_anew(x.e, &log, n, log.ts_us[n - 1], want));
        for (uint64_t i = 0; i < n; i++) {
            struct encoder_state *s = encoder_state_new(x.e, 0);
            assert_non_null(s);
            other = log;
            other.item[i] = (log.item[i] + 1) % N_ITEMS;
            append(x.e, s, &other, 0, n);
            assert_int_equal(encoder_query(x.e, s, log.ts_us[n - 1], got), 0);
            assert_int_equal(memcmp(got, want, sizeof(float) * x.m->config.dim) == 0,
                             i < first);
            encoder_state_free(s);
        }
    }
    subject_release(&x);
}

static void test_encoder__the_time_of_the_request_counts_where_it_should(void **state)
{
    struct log log;
    (void)state;
    make_log(&log, 6, false);
    for (size_t i = 0; i < N_SHAPES; i++) {
        struct subject x = subject_of(&shapes[i]);
        float soon[MAX_DIM], late[MAX_DIM];
        assert_true(query_anew(x.e, &log, 12, log.ts_us[11] + 2000000, soon));
        assert_true(query_anew(x.e, &log, 12, log.ts_us[11] + 90000000000, late));
        assert_int_equal(memcmp(soon, late, sizeof(float) * x.m->config.dim) != 0,
                         x.m->config.bias_time);
        subject_release(&x);
    }
}

static void test_encoder__without_a_known_item_there_is_no_query(void **state)
{
    const uint32_t unknown[2] = {N_ITEMS, NAMES_NONE}, known = 3;
    const uint8_t type[2] = {0, 200};
    const int64_t ts_us[2] = {1700000000000000, 1700000001000000};
    float got[MAX_DIM];
    (void)state;
    for (size_t i = 0; i < N_SHAPES; i++) {
        struct subject x = subject_of(&shapes[i]);
        struct encoder_state *s = encoder_state_new(x.e, 40);
        assert_non_null(s);
        assert_true(encoder_state_bytes(x.e, s) >= sizeof(float) * 2 * x.m->config.dim *
                                                       x.m->config.blocks *
                                                       x.m->config.max_length);
        assert_int_equal(encoder_state_events(s), 40);
        assert_int_equal(encoder_query(x.e, s, ts_us[1], got), -1);
        for (uint32_t k = 0; k < 2 * x.m->config.max_length + 3; k++)
            encoder_append(x.e, s, unknown, type, ts_us, 2);
        assert_int_equal(encoder_state_events(s), 40 + 4 * x.m->config.max_length + 6);
        assert_int_equal(encoder_query(x.e, s, ts_us[1], got), -1);
        encoder_append(x.e, s, &known, type, ts_us, 1);
        assert_int_equal(encoder_query(x.e, s, ts_us[1], got), 0);
        encoder_state_free(s);
        subject_release(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encoder__event_by_event_has_the_bits_of_a_whole_pass),
        cmocka_unit_test(test_encoder__unknown_items_and_types_are_passed_over),
        cmocka_unit_test(test_encoder__events_may_come_in_any_portions),
        cmocka_unit_test(test_encoder__a_full_window_drops_its_oldest_quarter),
        cmocka_unit_test(test_encoder__a_query_is_made_of_its_window),
        cmocka_unit_test(test_encoder__the_time_of_the_request_counts_where_it_should),
        cmocka_unit_test(test_encoder__without_a_known_item_there_is_no_query),
    };
    return cmocka_run_group_tests(tests, NULL, fixture_teardown);
}
