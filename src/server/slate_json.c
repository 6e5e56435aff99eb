/* SPDX-License-Identifier: Apache-2.0 */
#include "server/slate_json.h"

/* Rewards, scores and propensities are kept in single precision: 9 digits are exact, 7 are
   what was meant. */
enum { EXACT_DIGITS = 9, REWARD_DIGITS = 7, OPTION_DIGITS = 15 };

static void write_item(struct json_writer *w, const struct penchant_shown *item)
{
    static const char *const group[PENCHANT_REWARD_GROUPS] = {"purchase", "engagement",
                                                              "staying"};
    json_begin_object(w);
    json_key_string(w, "item_id", item->item_id);
    json_key_double(w, "propensity", item->propensity, EXACT_DIGITS);
    json_key_double(w, "reward", item->reward, REWARD_DIGITS);
    for (int g = 0; g < PENCHANT_REWARD_GROUPS; g++)
        if (item->rewards[g] != 0)
            json_key_double(w, group[g], item->rewards[g], REWARD_DIGITS);
    json_key_string(w, "outcome", item->outcome);
    json_end_object(w);
}

static void write_choice(struct json_writer *w, const struct penchant_slate *s)
{
    json_key(w, "explored");
    json_begin_object(w);
    json_key_double(w, "share", s->share, OPTION_DIGITS);
    json_key_double(w, "temperature", s->temperature, OPTION_DIGITS);
    json_key_double(w, "kappa", s->kappa, OPTION_DIGITS);
    json_key_double(w, "epsilon", s->epsilon, OPTION_DIGITS);
    json_key_uint(w, "pool", s->pool);
    json_key_double(w, "log_normaliser", s->log_normaliser, OPTION_DIGITS);
    json_key(w, "candidates");
    json_begin_array(w);
    for (size_t i = 0; i < s->n_candidates; i++) {
        json_begin_object(w);
        json_key_string(w, "item_id", s->candidates[i].item_id);
        json_key_double(w, "score", s->candidates[i].score, EXACT_DIGITS);
        if (s->kappa > 0)
            json_key_double(w, "uncertainty", s->candidates[i].uncertainty, EXACT_DIGITS);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

void slate_json(struct json_writer *w, const struct penchant_slate *s)
{
    json_begin_object(w);
    json_key_string(w, "recommendation_id", s->recommendation_id);
    json_key_string(w, "user_id", s->user_id);
    json_key_int(w, "timestamp", s->timestamp_us);
    json_key_string(w, "placement", s->placement);
    json_key_uint(w, "model_version", s->model_version);
    json_key_double(w, "reward", s->reward, REWARD_DIGITS);
    json_key_double(w, "leave", s->leave, REWARD_DIGITS);
    json_key_bool(w, "open", s->open);
    json_key(w, "items");
    json_begin_array(w);
    for (size_t i = 0; i < s->n; i++)
        write_item(w, &s->items[i]);
    json_end_array(w);
    if (s->drawn)
        write_choice(w, s);
    json_end_object(w);
}
