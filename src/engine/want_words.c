/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/want_words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/kernels.h"

static float fade(const struct user_said *said, float per_event, double age, double half)
{
    const double halves = age > 0 ? age / half : 0;
    return (float)(pow((double)per_event, said->since) * exp2(-halves));
}

float want_words_fade(const struct user_said *query, int64_t now_us, bool has_clock)
{
    const double age = has_clock ? (double)(now_us - query->ts_us - QUERY_FULL_US) : 0;
    const float left = fade(query, QUERY_PER_EVENT, age, (double)QUERY_HALF_US);
    return left < QUERY_LEAST ? 0 : left;
}

/* Brings x to length 1; false when it has none. */
static bool normalise(float *x, uint32_t dim)
{
    double square = 0;
    for (uint32_t i = 0; i < dim; i++)
        square += (double)x[i] * (double)x[i];
    const double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (uint32_t i = 0; i < dim; i++)
        x[i] = (float)((double)x[i] * scale);
    return square > 0;
}

/* Room for the searches' sum, for one of them, and for the texts of reviews. */
static int make_room(struct want_words *w, uint32_t dim)
{
    w->vectors = calloc(2 + USER_WORDS_EACH, dim * sizeof *w->vectors);
    return w->vectors ? PENCHANT_OK : PENCHANT_ENOMEM;
}

static void add_queries(struct want_words *w, const struct user_words *words,
                        const struct content_space *space, int64_t now_us, bool has_clock)
{
    const uint32_t dim = space ? content_dim(space) : 0;
    float *sum = w->vectors, *one = sum + dim, half = 1;
    bool any = false;
    for (uint32_t i = words->n_queries; i-- > 0; half /= 2) {
        const struct user_said *said = &words->query[i];
        const float weight = half * want_words_fade(said, now_us, has_clock);
        if (weight <= 0)
            continue;
        if (weight > w->asked_weight) {
            w->asked_weight = weight;
            w->asked_text = said->text;
        }
        if (!space || !content_words(space, said->text, one))
            continue;
        kernels_get()->add_scaled(sum, one, weight, dim);
        any = true;
    }
    w->asked = any && normalise(sum, dim) ? sum : NULL;
}

static void add_texts(struct want_words *w, const struct user_words *words,
                      const struct content_space *space, int64_t now_us, bool has_clock)
{
    const uint32_t dim = content_dim(space);
    float *told = w->vectors + 2 * (size_t)dim;
    w->told = told;
    for (uint32_t i = 0; i < words->n_texts; i++) {
        const struct user_said *said = &words->text[i];
        const double age = has_clock ? (double)(now_us - said->ts_us) : 0;
        const float liking =
            said->liking * fade(said, TEXT_PER_EVENT, age, (double)TEXT_HALF_US);
        if (liking == 0 || !content_words(space, said->text, told + w->n_told * dim))
            continue;
        w->told_liking[w->n_told++] = liking;
    }
}

int want_words_init(struct want_words *w, const struct user_words *words,
                    const struct content_space *space, int64_t now_us, bool has_clock)
{
    *w = (struct want_words){0};
    if (!words->n_queries && !words->n_texts)
        return PENCHANT_OK;
    if (space && make_room(w, content_dim(space)) != PENCHANT_OK)
        return PENCHANT_ENOMEM;
    add_queries(w, words, space, now_us, has_clock);
    if (space)
        add_texts(w, words, space, now_us, has_clock);
    return PENCHANT_OK;
}

void want_words_release(struct want_words *w)
{
    free(w->vectors);
    *w = (struct want_words){0};
}

void want_words_ask(const struct want_words *w, struct evidence_query *q)
{
    q->asked = w->asked;
    q->asked_text = w->asked_text;
    q->asked_weight = w->asked_weight;
    q->told = w->told;
    q->told_liking = w->told_liking;
    q->n_told = w->n_told;
}
