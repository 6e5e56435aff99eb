/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Slates with boredom, after SARDINE (Deffayet, Thonet, Hwang, Lehoux, Renders, de Rijke:
 * "SARDINE: A Simulator for Automated Recommendation in Dynamic and Interactive
 * Environments", 2024), its task of top-k slates with boredom.
 *
 * A user is one episode of 100 steps, a slate of ten items each. Items and users are
 * unit vectors over ten topics of which few are not zero. An item attracts by a logistic of
 * its inner product with the user, position i is examined with probability .85^i, and a
 * click needs both. An item's topic is its largest component. When five of the last ten
 * clicks, those of the last five steps, are of one topic, the user is bored of it; as long
 * as they are bored of anything, which is five steps, nothing attracts them ("churn and
 * return" in the paper, "user_car" in its code). The reward is the click.
 *
 * World "slates-switch": after half of the steps the user's interests are drawn anew.
 *
 * Every constant is of the paper's code ("SlateTopK-Bored"); none had to be set to earn what
 * is earned there. What differs: the items' vectors, a file there, are drawn here for every
 * seed as its code draws new ones, and the list that a user is shown before the first step,
 * at random and without reward, is left out.
 *
 * Memory: 40 kB of items.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "lab/luck.h"
#include "lab/world.h"

/* All of the paper, but for USUAL_USERS. */
enum {
    ITEMS = 1000,
    TOPICS = 10,
    SLATE = 10,
    STEPS = 100,
    RECENT = 10,   /* clicks that are remembered .. */
    WINDOW = 5,    /* .. for so many steps, and how long boredom lasts */
    THRESHOLD = 5, /* clicks of one topic among them that bore */
    USUAL_USERS = 80,
};
static const double SLOPE = 100, OFFSET = 0.65, EXAMINED = 0.85;

enum stream { STREAM_ITEMS = 0x51A7E5, STREAM_USERS, STREAM_CLICKS };

struct slates {
    uint64_t seed;
    bool switches;
    float item[ITEMS * TOPICS]; /* (ITEMS, TOPICS) unit rows */
    uint8_t topic[ITEMS];
    /* The user of this episode. */
    uint32_t episode, step;
    double user[TOPICS];      /* what they like when bored of nothing */
    uint8_t bored[TOPICS];    /* steps left */
    uint8_t recent[RECENT];   /* topics of the last clicks, oldest first */
    uint32_t at_step[RECENT]; /* when they were */
    uint32_t n_recent;
    double attraction[ITEMS]; /* of this step */
};

/* ---- who there is ---------------------------------------------------------------- */

/* `of_topics` of the components are uniform, the others zero; unit length. */
static void draw_vector(struct rng *r, uint32_t of_topics, double *v)
{
    uint32_t order[TOPICS];
    double squares = 0;
    for (uint32_t t = 0; t < TOPICS; t++) {
        order[t] = t;
        v[t] = 0;
    }
    rng_shuffle(r, order, TOPICS);
    for (uint32_t i = 0; i < of_topics; i++) {
        v[order[i]] = 1 - rng_double(r); /* never zero */
        squares += v[order[i]] * v[order[i]];
    }
    for (uint32_t t = 0; t < TOPICS; t++)
        v[t] /= sqrt(squares);
}

static void draw_items(struct slates *s)
{
    struct rng r;
    rng_init(&r, s->seed, STREAM_ITEMS);
    for (uint32_t i = 0; i < ITEMS; i++) {
        double v[TOPICS];
        uint8_t main = 0;
        draw_vector(&r, 2 + rng_below(&r, 2), v);
        for (uint8_t t = 0; t < TOPICS; t++) {
            s->item[i * TOPICS + t] = (float)v[t];
            if (v[t] > v[main])
                main = t;
        }
        s->topic[i] = main;
    }
}

/* Three to five topics, as often as a coin of chance .4 a topic gives these numbers. */
static void draw_user(struct slates *s, uint32_t which)
{
    struct rng r;
    rng_init(&r, s->seed, rng_mix(STREAM_USERS + 2 * (uint64_t)s->episode + which));
    const double u = rng_double(&r) * (0.21499 + 0.25082 + 0.20066);
    draw_vector(&r, u < 0.21499 ? 3 : u < 0.21499 + 0.25082 ? 4 : 5, s->user);
}

/* ---- a step ---------------------------------------------------------------------- */

static bool is_bored(const struct slates *s)
{
    for (uint32_t t = 0; t < TOPICS; t++)
        if (s->bored[t])
            return true;
    return false;
}

static void find_attraction(struct slates *s)
{
    const bool bored = is_bored(s);
    for (uint32_t i = 0; i < ITEMS; i++) {
        double score = 0;
        for (uint32_t t = 0; t < TOPICS && !bored; t++)
            score += (double)s->item[i * TOPICS + t] * s->user[t];
        s->attraction[i] = luck_logistic(SLOPE * (score - OFFSET));
    }
}

static void remember(struct slates *s, uint8_t topic)
{
    if (s->n_recent == RECENT) {
        memmove(s->recent, s->recent + 1, RECENT - 1);
        memmove(s->at_step, s->at_step + 1, (RECENT - 1) * sizeof(s->at_step[0]));
        s->n_recent--;
    }
    s->recent[s->n_recent] = topic;
    s->at_step[s->n_recent++] = s->step;
}

static void forget(struct slates *s, uint32_t n)
{
    memmove(s->recent, s->recent + n, s->n_recent - n);
    memmove(s->at_step, s->at_step + n, (s->n_recent - n) * sizeof(s->at_step[0]));
    s->n_recent -= n;
}

static void count_recent(const struct slates *s, uint32_t *count)
{
    memset(count, 0, TOPICS * sizeof(*count));
    for (uint32_t i = 0; i < s->n_recent; i++)
        count[s->recent[i]]++;
}

static void next_step(struct slates *s)
{
    uint32_t old = 0, count[TOPICS];
    s->step++;
    while (old < s->n_recent && s->at_step[old] + WINDOW < s->step)
        old++;
    forget(s, old);
    count_recent(s, count);
    for (uint32_t t = 0; t < TOPICS; t++) {
        if (s->bored[t])
            s->bored[t]--;
        if (!s->bored[t] && count[t] >= THRESHOLD)
            s->bored[t] = WINDOW;
    }
    if (s->switches && s->step == STEPS / 2)
        draw_user(s, 1);
    find_attraction(s);
}

static bool slates_act(void *state, const uint32_t *item, uint32_t k, float *reward)
{
    struct slates *s = state;
    double examined = 1;
    for (uint32_t i = 0; i < k; i++, examined *= EXAMINED) {
        reward[i] = luck_of_item(s->seed, STREAM_CLICKS, s->episode, s->step, item[i]) <
                    s->attraction[item[i]] * examined;
        if (reward[i] > 0)
            remember(s, s->topic[item[i]]);
    }
    next_step(s);
    return s->step >= STEPS;
}

/* ---- who knows everything --------------------------------------------------------- */

/*
 * The most attractive items by topic, as long as the clicks that are remembered and the
 * places of this list together stay below the threshold, so that no luck bores the user;
 * then the rest. Careful: older clicks fall out of the memory as new ones come, and who
 * reckons with that earns about 490.
 */
static void slates_oracle(void *state, uint32_t *item, uint32_t k)
{
    const struct slates *s = state;
    uint32_t count[TOPICS];
    bool taken[ITEMS] = {false};
    count_recent(s, count);
    for (uint32_t place = 0; place < k; place++) {
        uint32_t best = ITEMS;
        double best_score = -2;
        for (uint32_t i = 0; i < ITEMS; i++) {
            /* What may not be clicked again goes last, the least attractive first. */
            const bool bores = count[s->topic[i]] + 1 >= THRESHOLD;
            const double score = bores ? -s->attraction[i] : s->attraction[i];
            if (!taken[i] && score > best_score) {
                best = i;
                best_score = score;
            }
        }
        item[place] = best;
        taken[best] = true;
        count[s->topic[best]]++;
    }
}

/* ---- the rest of a world --------------------------------------------------------- */

static struct slates *create(uint64_t seed, bool switches)
{
    struct slates *s = calloc(1, sizeof(*s));
    if (!s)
        return NULL;
    s->seed = seed;
    s->switches = switches;
    draw_items(s);
    return s;
}

static void *slates_create(uint64_t seed)
{
    return create(seed, false);
}

static void *switch_create(uint64_t seed)
{
    return create(seed, true);
}

static void slates_catalog(void *state, struct actor_catalog *out)
{
    const struct slates *s = state;
    *out = (struct actor_catalog){
        .n = ITEMS, .dim = TOPICS, .features = s->item, .slate = SLATE};
}

static uint32_t slates_begin(void *state, uint32_t episode)
{
    struct slates *s = state;
    s->episode = episode;
    s->step = 0;
    s->n_recent = 0;
    memset(s->bored, 0, sizeof(s->bored));
    draw_user(s, 0);
    find_attraction(s);
    return episode;
}

static void slates_turn(void *state, struct world_turn *out)
{
    const struct slates *s = state;
    *out = (struct world_turn){
        .request = {.user = s->episode, .k = SLATE, .ts = s->step},
        .over = s->step >= STEPS,
        .part = s->switches && s->step >= STEPS / 2,
    };
}

const struct world_ops world_slates = {
    .name = "slates",
    .help = "slates of ten, clicks, boredom of a topic clicked too often (SARDINE)",
    .episodes = USUAL_USERS,
    .create = slates_create,
    .destroy = free,
    .catalog = slates_catalog,
    .begin = slates_begin,
    .turn = slates_turn,
    .act = slates_act,
    .oracle = slates_oracle,
};

const struct world_ops world_slates_switch = {
    .name = "slates-switch",
    .help = "the same; half-way the user's interests are drawn anew",
    .episodes = USUAL_USERS,
    .parts = {"before", "after"},
    .create = switch_create,
    .destroy = free,
    .catalog = slates_catalog,
    .begin = slates_begin,
    .turn = slates_turn,
    .act = slates_act,
    .oracle = slates_oracle,
};
