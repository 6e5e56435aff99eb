/* SPDX-License-Identifier: Apache-2.0 */
/* Segments, look-alikes, RFM and the agreement of groupings, each by itself. Segments of
   an open shop: test_shop_segments.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "behaviour/event.h"
#include "evaluate/partition.h"
#include "interest/lookalike.h"
#include "interest/rfm.h"
#include "interest/segments_fit.h"

enum { DIM = 16, GROUPS = 4, PER_GROUP = 100, USERS = GROUPS * PER_GROUP };
#define near(a, b) assert_true(fabs((double)(a) - (double)(b)) < 1e-5)

static struct penchant_error err;

/* ---- user vectors ---- */

static void test_segments__a_user_vector_is_the_decayed_mean_of_directions(void **state)
{
    (void)state;
    /* lengths differ and must not matter; item 3 is zero */
    static const float vectors[] = {2, 0, 0, 5, 3, 4, 0, 0};
    struct segment_space s;
    float z[2];
    assert_int_equal(segment_space_init(&s, vectors, 4, 2, &err), PENCHANT_OK);

    assert_true(segment_user_vector(&s, (uint32_t[]){2}, (uint8_t[]){EVENT_VIEW}, 1, NULL,
                                    NULL, z));
    near(z[0], 0.6);
    near(z[1], 0.8);

    /* the newest is item 1, bought: weight 3; the other is one event older */
    assert_true(segment_user_vector(&s, (uint32_t[]){0, 1},
                                    (uint8_t[]){EVENT_VIEW, EVENT_PURCHASE}, 2, NULL,
                                    NULL, z));
    const double older = exp2(-1.0 / SEGMENTS_HALF_LIFE);
    near(z[0], older / hypot(older, 3));
    near(z[1], 3 / hypot(older, 3));

    /* nothing is known of item 3, nor of one that came later */
    assert_false(segment_user_vector(
        &s, (uint32_t[]){3, 9}, (uint8_t[]){EVENT_VIEW, EVENT_VIEW}, 2, NULL, NULL, z));
    near(z[0], 0);
    near(z[1], 0);
    assert_false(segment_user_vector(&s, NULL, NULL, 0, NULL, NULL, z));
    segment_space_release(&s);
}

static void test_segments__the_mean_direction_is_taken_off(void **state)
{
    (void)state;
    static const float vectors[] = {3, 0, 0, 2};
    struct segment_space s;
    float z[2];
    assert_int_equal(segment_space_init(&s, vectors, 2, 2, &err), PENCHANT_OK);
    segment_space_centre(&s, (float[]){3, 1}); /* (3/4, 1/4) */
    near(s.mean[0], 0.75);
    near(s.mean[1], 0.25);
    assert_true(segment_user_vector(&s, (uint32_t[]){0, 0, 0}, (uint8_t[]){1, 1, 1}, 3,
                                    NULL, NULL, z));
    near(z[0], sqrt(0.5)); /* (1/4, -1/4), scaled */
    near(z[1], -sqrt(0.5));
    segment_space_release(&s);
}

static bool is_item_1(const void *cookie, uint32_t item)
{
    return cookie && item == 1;
}

static void test_segments__only_the_window_counts_and_items_can_be_left_out(void **state)
{
    (void)state;
    static const float vectors[] = {1, 0, 0, 1};
    enum { N = SEGMENTS_WINDOW + 1 };
    uint32_t item[N];
    uint8_t type[N];
    struct segment_space s;
    float z[2];
    assert_int_equal(segment_space_init(&s, vectors, 2, 2, &err), PENCHANT_OK);
    for (int i = 0; i < N; i++) {
        item[i] = i > 0;
        type[i] = EVENT_VIEW;
    }
    assert_true(segment_user_vector(&s, item, type, N, NULL, NULL, z));
    near(z[0], 0); /* the oldest is one too old */
    assert_true(segment_user_vector(&s, item, type, N - 1, NULL, NULL, z));
    assert_true(z[0] > 0);
    assert_true(segment_user_vector(&s, item, type, N - 1, is_item_1, "", z));
    near(z[0], 1);
    segment_space_release(&s);
}

static void test_segments__too_wide_vectors_are_refused(void **state)
{
    (void)state;
    struct segment_space s;
    assert_int_equal(segment_space_init(&s, NULL, 0, SEGMENTS_MAX_DIM + 1, &err),
                     PENCHANT_ELIMIT);
    assert_int_equal(segment_space_init(&s, NULL, 0, 0, &err), PENCHANT_ELIMIT);
}

/* ---- live segments ---- */

static const float two_centres[] = {1, 0, 0, 1}, two_updates[] = {10, 10};

static struct segments two_segments(void)
{
    struct segments s;
    assert_int_equal(segments_init(&s, two_centres, two_updates, 2, 2, &err),
                     PENCHANT_OK);
    return s;
}

static void at_angle(float z[2], double degrees)
{
    z[0] = (float)cos(degrees * M_PI / 180);
    z[1] = (float)sin(degrees * M_PI / 180);
}

static void test_segments__flicker_moves_nobody(void **state)
{
    (void)state;
    struct segments s = two_segments();
    float a[2], b[2];
    at_angle(a, 0);
    at_angle(b, 90);
    assert_int_equal(segments_of(&s, 7), SEGMENT_NONE);
    assert_int_equal(segments_update(&s, 7, a), 0);
    assert_int_equal(segments_of(&s, 7), 0);
    for (int i = 0; i < 20; i++) { /* never twice in a row */
        assert_int_equal(segments_update(&s, 7, i % 2 ? a : b), 0);
        assert_int_equal(segments_of(&s, 7), 0);
    }
    assert_int_equal(s.changes, 0);
    assert_int_equal(segments_update(&s, 7, b), 0);
    assert_int_equal(segments_of(&s, 7), 0);
    assert_int_equal(segments_update(&s, 7, b), 0);
    assert_int_equal(segments_of(&s, 7), 1);
    assert_int_equal(s.changes, 1);
    assert_int_equal(s.size[0], 0);
    assert_int_equal(s.size[1], 1);
    segments_release(&s);
}

static void test_segments__a_small_gain_moves_nobody(void **state)
{
    (void)state;
    struct segments s = two_segments();
    float z[2];
    at_angle(z, 44);
    assert_int_equal(segments_place(&s, 0, z), 0);
    assert_int_equal(segments_of(&s, 0), 0);
    s.updates[0] = 1e9; /* the centre does not come along */
    at_angle(z, 46);    /* nearer to the other one, but only just */
    for (int i = 0; i < 5; i++)
        assert_int_equal(segments_update(&s, 0, z), 0);
    assert_int_equal(segments_of(&s, 0), 0);
    segments_release(&s);
}

static void test_segments__two_others_in_turn_are_no_streak(void **state)
{
    (void)state;
    static const float centres[] = {1, 0, 0, 0, 1, 0, 0, 0, 1}, updates[] = {5, 5, 5};
    struct segments s;
    assert_int_equal(segments_init(&s, centres, updates, 3, 3, &err), PENCHANT_OK);
    static const float first[] = {1, 0, 0}, b[] = {0, 1, 0}, c[] = {0, 0, 1};
    assert_int_equal(segments_place(&s, 0, first), 0);
    assert_int_equal(segments_update(&s, 0, b), 0);
    assert_int_equal(segments_update(&s, 0, c), 0);
    assert_int_equal(segments_update(&s, 0, b), 0);
    assert_int_equal(segments_of(&s, 0), 0);
    segments_release(&s);
}

static void
test_segments__a_centre_moves_by_one_in_n_and_no_slower_than_the_floor(void **state)
{
    (void)state;
    struct segments s = two_segments();
    float z[2];
    at_angle(z, 30);
    assert_int_equal(segments_place(&s, 0, z), 0);
    near(s.centre[0], 1); /* placing moves nothing */
    assert_int_equal(segments_update(&s, 0, z), 0);
    const double x = 10.0 / 11 + cos(M_PI / 6) / 11, y = sin(M_PI / 6) / 11;
    near(s.centre[0], x / hypot(x, y));
    near(s.centre[1], y / hypot(x, y));
    assert_true(s.updates[0] == 11);
    near(s.centre[2], 0); /* the other one stays */

    s.updates[0] = 1e12;
    s.centre[0] = 1;
    s.centre[1] = 0;
    assert_int_equal(segments_update(&s, 0, z), 0);
    assert_true(s.centre[1] > 0.4F * (float)SEGMENTS_RATE_FLOOR);
    segments_release(&s);
}

static void test_segments__a_replay_gives_the_same_bits(void **state)
{
    (void)state;
    struct segments a = two_segments(), b = two_segments();
    struct rng rng;
    for (int twice = 0; twice < 2; twice++) {
        rng_init(&rng, 5, 0);
        for (int i = 0; i < 1000; i++) {
            float z[2];
            const uint32_t user = rng_below(&rng, 50);
            at_angle(z, 90 * rng_double(&rng));
            assert_int_equal(segments_update(twice ? &b : &a, user, z), 0);
        }
    }
    assert_memory_equal(a.centre, b.centre, 4 * sizeof(float));
    assert_int_equal(a.changes, b.changes);
    assert_true(a.changes > 0);
    for (uint32_t u = 0; u < 50; u++)
        assert_int_equal(segments_of(&a, u), segments_of(&b, u));
    segments_release(&a);
    segments_release(&b);
}

static void test_segments__an_erased_user_is_in_none(void **state)
{
    (void)state;
    struct segments s = two_segments();
    float z[2];
    at_angle(z, 80);
    assert_int_equal(segments_place(&s, 100, z), 0);
    assert_int_equal(s.size[1], 1);
    segments_erase(&s, 100);
    segments_erase(&s, 100);
    segments_erase(&s, 5000); /* never seen */
    assert_int_equal(segments_of(&s, 100), SEGMENT_NONE);
    assert_int_equal(s.size[1], 0);
    segments_release(&s);
}

static void test_segments__damaged_centres_are_refused(void **state)
{
    (void)state;
    struct segments s;
    static const float zero[] = {1, 0, 0, 0}, not_a_number[] = {1, 0, NAN, 1};
    static const float negative[] = {1, -1};
    assert_int_equal(segments_init(&s, zero, two_updates, 2, 2, &err), PENCHANT_ECORRUPT);
    assert_int_equal(segments_init(&s, not_a_number, two_updates, 2, 2, &err),
                     PENCHANT_ECORRUPT);
    assert_int_equal(segments_init(&s, two_centres, negative, 2, 2, &err),
                     PENCHANT_ECORRUPT);
    assert_int_equal(segments_init(&s, two_centres, two_updates, 0, 2, &err),
                     PENCHANT_ECORRUPT);
    assert_int_equal(
        segments_init(&s, two_centres, two_updates, SEGMENTS_MAX + 1, 2, &err),
        PENCHANT_ECORRUPT);
}

/* ---- finding them ---- */

struct planted {
    float vector[USERS][DIM];
    uint8_t truth[USERS];
    struct segments_data data;
};

/* Groups around random directions; every tenth user has no vector. */
static struct planted *plant(float noise)
{
    struct planted *p = calloc(1, sizeof *p);
    struct rng rng;
    float centre[GROUPS][DIM];
    rng_init(&rng, 9, 0);
    for (int g = 0; g < GROUPS; g++)
        for (int j = 0; j < DIM; j++)
            centre[g][j] = rng_normal(&rng);
    for (uint32_t u = 0; u < USERS; u++) {
        float square = 0;
        p->truth[u] = (uint8_t)(u * 7 % GROUPS);
        for (int j = 0; j < DIM; j++) {
            p->vector[u][j] = centre[p->truth[u]][j] + noise * rng_normal(&rng);
            square += p->vector[u][j] * p->vector[u][j];
        }
        for (int j = 0; j < DIM; j++)
            p->vector[u][j] *= u % 10 == 3 ? 0 : 1 / sqrtf(square);
        p->truth[u] = u % 10 == 3 ? PARTITION_NONE : p->truth[u];
    }
    p->data =
        (struct segments_data){.vector = &p->vector[0][0], .n_users = USERS, .dim = DIM};
    return p;
}

static void test_segments__planted_groups_are_found(void **state)
{
    (void)state;
    struct planted *p = plant(0.3F);
    struct pool *pool = pool_new(2);
    struct segments_found f;
    struct partition_agreement agree;
    uint8_t segment[USERS];
    float users = 0;
    assert_int_equal(segments_find(&f, &p->data, GROUPS, 1, pool), PENCHANT_OK);
    assert_int_equal(f.n, GROUPS);
    assert_int_equal(segments_assign(&f, &p->data, pool, segment), PENCHANT_OK);
    assert_int_equal(partition_compare(&agree, segment, p->truth, USERS), PENCHANT_OK);
    near(agree.rand_index, 1);
    near(agree.information, 1);
    assert_int_equal(agree.n, USERS * 9 / 10);
    for (uint32_t k = 0; k < f.n; k++)
        users += f.updates[k];
    near(users, USERS * 9 / 10);
    for (uint32_t u = 0; u < USERS; u++)
        assert_int_equal(segment[u] == SEGMENT_NONE, u % 10 == 3);
    assert_true(f.cohesion > 0.9);
    free(f.centre);
    pool_free(pool);
    free(p);
}

static void test_segments__the_number_of_threads_changes_no_bit(void **state)
{
    (void)state;
    struct planted *p = plant(1.5F);
    struct segments_found f[2];
    for (uint32_t i = 0; i < 2; i++) {
        struct pool *pool = pool_new(1 + 2 * i);
        assert_int_equal(segments_find(&f[i], &p->data, 6, 3, pool), PENCHANT_OK);
        pool_free(pool);
    }
    assert_int_equal(f[0].n, 6);
    assert_int_equal(f[1].n, 6);
    assert_memory_equal(f[0].centre, f[1].centre, 6 * DIM * sizeof(float));
    free(f[0].centre);
    free(f[1].centre);
    free(p);
}

static void test_segments__no_more_come_out_than_users_differ(void **state)
{
    (void)state;
    static const float vector[] = {1, 0, 0, 1, 1, 0, 0, 1, 0, 0};
    struct segments_data d = {.vector = vector, .n_users = 5, .dim = 2};
    struct pool *pool = pool_new(1);
    struct segments_found f;
    assert_int_equal(segments_find(&f, &d, 4, 1, pool), PENCHANT_OK);
    assert_int_equal(f.n, 2);
    near(f.updates[0], 2);
    near(f.updates[1], 2);
    free(f.centre);
    d.vector = vector + 8; /* a user of whom nothing is known */
    d.n_users = 1;
    assert_int_equal(segments_find(&f, &d, 4, 1, pool), PENCHANT_OK);
    assert_int_equal(f.n, 0);
    assert_null(f.centre);
    d.n_users = 0;
    assert_int_equal(segments_find(&f, &d, 4, 1, pool), PENCHANT_OK);
    assert_int_equal(f.n, 0);
    pool_free(pool);
}

/* ---- how many ---- */

enum { ITEMS = GROUPS * 50, EVENTS = 10 };

struct wants {
    uint64_t start[USERS], end[USERS];
    uint32_t item[USERS * (EVENTS + 1)], case_user[USERS], case_item[USERS];
};

/* Users want items of their group; with `alike` of any group. The last event is held
   out. */
static struct wants *wants(struct planted *p, bool alike)
{
    struct wants *w = calloc(1, sizeof *w);
    struct rng rng;
    rng_init(&rng, 4, 0);
    uint32_t at = 0;
    for (uint32_t u = 0; u < USERS; u++) {
        const uint32_t group = alike ? 0 : u * 7 % GROUPS;
        const uint32_t range = alike ? ITEMS : ITEMS / GROUPS;
        w->start[u] = at;
        for (int i = 0; i <= EVENTS; i++)
            w->item[at++] = group * (ITEMS / GROUPS) + rng_below(&rng, range);
        w->end[u] = at - 1;
        w->case_user[u] = u;
        w->case_item[u] = w->item[at - 1];
    }
    p->data.start = w->start;
    p->data.end = w->end;
    p->data.item = w->item;
    p->data.n_items = ITEMS;
    p->data.case_user = w->case_user;
    p->data.case_item = w->case_item;
    p->data.n_cases = USERS;
    return w;
}

static void choose(struct planted *p, struct segments_choice *choice, uint32_t *n,
                   uint32_t *best)
{
    struct pool *pool = pool_new(2);
    assert_int_equal(segments_choose(&p->data, 1, pool, choice, n, best), PENCHANT_OK);
    pool_free(pool);
}

static void test_segments__as_many_as_predict_held_out_events(void **state)
{
    (void)state;
    struct planted *p = plant(0.3F);
    struct wants *w = wants(p, false);
    struct segments_choice choice[SEGMENTS_MAX_CHOICES];
    uint32_t n, best;
    choose(p, choice, &n, &best);
    assert_int_equal(best, GROUPS);
    assert_int_equal(choice[0].n, 1);
    near(choice[0].gain, 0);
    for (uint32_t i = 0; i < n; i++) {
        assert_true(choice[i].n * SEGMENTS_LEAST_USERS <= USERS);
        if (choice[i].n == GROUPS) /* nine in ten are known, and then one group of four */
            assert_true(choice[i].gain > 0.8 * 0.9 * log(GROUPS) &&
                        choice[i].gain < 1.05 * log(GROUPS));
    }
    free(w);
    free(p);
}

static void test_segments__one_when_segments_predict_nothing(void **state)
{
    (void)state;
    struct planted *p = plant(0.3F);
    struct wants *w = wants(p, true);
    struct segments_choice choice[SEGMENTS_MAX_CHOICES];
    uint32_t n, best;
    choose(p, choice, &n, &best);
    assert_int_equal(best, 1);
    p->data.n_cases = 0;
    choose(p, choice, &n, &best);
    assert_int_equal(best, 1);
    assert_int_equal(n, 1);
    free(w);
    free(p);
}

static void test_segments__the_gain_by_hand(void **state)
{
    (void)state;
    /* Two users in two segments, three items; a third is in none. */
    static const uint32_t item[] = {0, 0, 1, 2, 2, 2}, who[] = {0, 2}, what[] = {1, 0};
    static const uint64_t start[] = {0, 2, 4}, end[] = {2, 4, 6};
    static const uint8_t segment[] = {0, 1, SEGMENT_NONE};
    const struct segments_data d = {.n_users = 3,
                                    .start = start,
                                    .end = end,
                                    .item = item,
                                    .n_items = 3,
                                    .case_user = who,
                                    .case_item = what,
                                    .n_cases = 2};
    const double prior = 10;
    double each[2];
    assert_int_equal(segments_gain(&d, segment, 2, &prior, 1, each), PENCHANT_OK);
    /* p = (2.5, 1.5, 3.5) / 7.5; segment 0 wanted item 0 twice, which its user had */
    const double p0 = 2.5 / 7.5, p1 = 1.5 / 7.5;
    const double q0 = (2 + 10 * p0) / 12, q1 = 10 * p1 / 12;
    near(each[0], log(q1 / (1 - q0)) - log(p1 / (1 - p0)));
    near(each[1], 0);
}

/* ---- agreement ---- */

static void test_segments__agreement_by_hand(void **state)
{
    (void)state;
    static const uint8_t a[] = {0, 0, 0, 1, 1, 1, 9}, b[] = {0, 0, 1, 1, 2, 2, 255};
    static const uint8_t renamed[] = {5, 5, 5, 2, 2, 2, 2};
    static const uint8_t crossed[] = {0, 1, 0, 1}, straight[] = {0, 0, 1, 1};
    struct partition_agreement g;
    assert_int_equal(partition_compare(&g, a, b, 7), PENCHANT_OK);
    assert_int_equal(g.n, 6);
    near(g.rand_index, (2 - 1.2) / (4.5 - 1.2));
    /* H(a) = ln 2, H(b) = ln 3, H(a | b) = ln 2 / 3 */
    near(g.information, (log(2) - log(2) / 3) / sqrt(log(2) * log(3)));
    near(g.changed, 3.0 / 6);
    assert_int_equal(partition_compare(&g, a, renamed, 6), PENCHANT_OK);
    near(g.rand_index, 1);
    near(g.information, 1);
    near(g.changed, 1);
    assert_int_equal(partition_compare(&g, straight, crossed, 4), PENCHANT_OK);
    near(g.rand_index, (0 - 2.0 / 3) / (2 - 2.0 / 3));
    near(g.information, 0);
    assert_int_equal(partition_compare(&g, a, a, 0), PENCHANT_OK);
    assert_int_equal(g.n, 0);
}

/* ---- recency, frequency, money ---- */

static void test_segments__fifths_and_stages(void **state)
{
    (void)state;
    struct rfm user[10];
    struct rfm_scale s;
    for (int i = 0; i < 10; i++)
        user[i] = (struct rfm){{i, 10 * i, 100, 20 + i}};
    assert_int_equal(rfm_scale_init(&s, user, 10), PENCHANT_OK);
    for (int i = 0; i < 10; i++) {
        assert_int_equal(rfm_score(&s, RFM_RECENCY, i), 5 - i / 2);
        assert_int_equal(rfm_score(&s, RFM_FREQUENCY, 10 * i), 1 + i / 2);
        assert_int_equal(rfm_score(&s, RFM_MONETARY, 100), 5);
    }
    assert_int_equal(rfm_stage(&s, &user[0]), RFM_NEW);
    assert_int_equal(rfm_stage(&s, &user[3]), RFM_ACTIVE);
    assert_int_equal(rfm_stage(&s, &user[6]), RFM_AT_RISK);
    assert_int_equal(rfm_stage(&s, &user[9]), RFM_LAPSED);
    assert_string_equal(rfm_stage_names[RFM_AT_RISK], "at risk");
    double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 2};
    near(rfm_median(odd, 3), 2);
    near(rfm_median(even, 4), 2.5);
    near(rfm_median(odd, 0), 0);
    assert_int_equal(rfm_scale_init(&s, NULL, 0), PENCHANT_OK);
}

/* ---- look-alikes ---- */

static void test_segments__lookalike_finds_the_planted_audience(void **state)
{
    (void)state;
    struct planted *p = plant(0.6F);
    enum { D = DIM + 1 };
    float(*row)[D] = calloc(USERS, sizeof *row);
    uint8_t seed[USERS] = {0};
    struct lookalike like, again;
    uint32_t given = 0, hidden = 0, wrong = 0;
    for (uint32_t u = 0; u < USERS; u++) {
        memcpy(row[u], p->vector[u], sizeof p->vector[u]);
        row[u][DIM] = 1;
        if (p->truth[u] == 2 && given < 20) {
            seed[u] = 1;
            given++;
        }
    }
    assert_int_equal(lookalike_fit(&like, &row[0][0], seed, USERS, D), PENCHANT_OK);
    assert_int_equal(lookalike_fit(&again, &row[0][0], seed, USERS, D), PENCHANT_OK);
    assert_memory_equal(like.w, again.w, D * sizeof(float));
    for (uint32_t u = 0; u < USERS; u++) {
        const double score = lookalike_score(&like, row[u]);
        assert_true(score > 0 && score < 1);
        if (seed[u] || p->truth[u] == PARTITION_NONE)
            continue;
        hidden += p->truth[u] == 2;
        wrong += (p->truth[u] == 2) != (score > 0.5);
    }
    assert_true(hidden > 50);
    assert_true(wrong <= 10); /* of 340 */
    lookalike_release(&like);
    lookalike_release(&again);
    free(row);
    free(p);
}

static void test_segments__lookalike_minimises_its_loss(void **state)
{
    (void)state;
    /* One feature and the constant; what the derivative of the loss must be zero at. */
    static const float row[] = {1, 1, 2, 1, 3, 1, 0, 1, 1, 1, -1, 1, 2, 1, -2, 1};
    static const uint8_t seed[] = {1, 1, 1, 0, 0, 0, 0, 0};
    struct lookalike l;
    double slope = 0, constant = 0;
    assert_int_equal(lookalike_fit(&l, row, seed, 8, 2), PENCHANT_OK);
    for (int i = 0; i < 8; i++) {
        const double miss = (seed[i] ? 1 : 3.0 / 5) *
                            (seed[i] - lookalike_score(&l, row + 2 * (size_t)i));
        slope += miss * (double)row[2 * i];
        constant += miss;
    }
    assert_true(fabs(slope - l.strength * (double)l.w[0]) < 1e-3);
    assert_true(fabs(constant) < 1e-3);
    assert_true(l.w[0] > 0);
    lookalike_release(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_segments__a_user_vector_is_the_decayed_mean_of_directions),
        cmocka_unit_test(test_segments__the_mean_direction_is_taken_off),
        cmocka_unit_test(test_segments__only_the_window_counts_and_items_can_be_left_out),
        cmocka_unit_test(test_segments__too_wide_vectors_are_refused),
        cmocka_unit_test(test_segments__flicker_moves_nobody),
        cmocka_unit_test(test_segments__a_small_gain_moves_nobody),
        cmocka_unit_test(test_segments__two_others_in_turn_are_no_streak),
        cmocka_unit_test(
            test_segments__a_centre_moves_by_one_in_n_and_no_slower_than_the_floor),
        cmocka_unit_test(test_segments__a_replay_gives_the_same_bits),
        cmocka_unit_test(test_segments__an_erased_user_is_in_none),
        cmocka_unit_test(test_segments__damaged_centres_are_refused),
        cmocka_unit_test(test_segments__planted_groups_are_found),
        cmocka_unit_test(test_segments__the_number_of_threads_changes_no_bit),
        cmocka_unit_test(test_segments__no_more_come_out_than_users_differ),
        cmocka_unit_test(test_segments__as_many_as_predict_held_out_events),
        cmocka_unit_test(test_segments__one_when_segments_predict_nothing),
        cmocka_unit_test(test_segments__the_gain_by_hand),
        cmocka_unit_test(test_segments__agreement_by_hand),
        cmocka_unit_test(test_segments__fifths_and_stages),
        cmocka_unit_test(test_segments__lookalike_finds_the_planted_audience),
        cmocka_unit_test(test_segments__lookalike_minimises_its_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
