/* SPDX-License-Identifier: Apache-2.0 */
#include "server/segments_json.h"

static void traits_json(struct json_writer *w, const struct penchant_segment *s)
{
    json_key(w, "traits");
    json_begin_array(w);
    for (size_t i = 0; i < s->n_traits; i++) {
        json_begin_object(w);
        json_key_string(w, "kind", s->traits[i].kind);
        json_key_string(w, "name", s->traits[i].name);
        json_key_double(w, "share", s->traits[i].share, 6);
        json_key_double(w, "lift", s->traits[i].lift, 6);
        json_end_object(w);
    }
    json_end_array(w);
}

static void items_json(struct json_writer *w, const struct penchant_segment *s)
{
    json_key(w, "items");
    json_begin_array(w);
    for (size_t i = 0; i < s->n_items; i++) {
        json_begin_object(w);
        json_key_string(w, "item_id", s->items[i].item_id);
        json_key_double(w, "share", s->items[i].share, 6);
        json_key_double(w, "lift", s->items[i].lift, 6);
        json_end_object(w);
    }
    json_end_array(w);
}

void segment_json(struct json_writer *w, const struct penchant_segment *s)
{
    static const char *const stage[4] = {"new", "active", "at_risk", "lapsed"};
    json_begin_object(w);
    json_key_uint(w, "segment", s->segment);
    json_key_string(w, "name", s->name);
    json_key_uint(w, "users", s->users);
    json_key_double(w, "share", s->share, 6);
    json_key_double(w, "recency_days", s->recency_days, 6);
    json_key_double(w, "frequency", s->frequency, 6);
    json_key_double(w, "monetary", s->monetary, 8);
    json_key_uint(w, "recency_score", s->recency_score);
    json_key_uint(w, "frequency_score", s->frequency_score);
    json_key_uint(w, "monetary_score", s->monetary_score);
    json_key_string(w, "stage", s->stage);
    json_key(w, "stages");
    json_begin_object(w);
    for (int i = 0; i < 4; i++)
        json_key_double(w, stage[i], s->stage_share[i], 6);
    json_end_object(w);
    traits_json(w, s);
    items_json(w, s);
    json_end_object(w);
}

void segments_json(struct json_writer *w, const struct penchant_segments *all)
{
    json_begin_object(w);
    json_key_uint(w, "users", all->users);
    json_key_uint(w, "outside", all->outside);
    json_key_uint(w, "changes", all->changes);
    json_key_string(w, "frequency_of", all->purchases ? "purchases" : "events");
    json_key(w, "choices");
    json_begin_array(w);
    for (size_t i = 0; i < all->n_choices; i++) {
        json_begin_object(w);
        json_key_uint(w, "segments", all->choice[i].segments);
        json_key_double(w, "gain", all->choice[i].gain, 6);
        json_key_double(w, "error", all->choice[i].error, 6);
        json_end_object(w);
    }
    json_end_array(w);
    json_key(w, "segments");
    json_begin_array(w);
    for (size_t i = 0; i < all->n; i++)
        segment_json(w, &all->segment[i]);
    json_end_array(w);
    json_end_object(w);
}

void audience_json(struct json_writer *w, const struct penchant_audience *a)
{
    json_begin_object(w);
    json_key_uint(w, "seeds", a->seeds);
    json_key_uint(w, "unknown", a->unknown);
    json_key_uint(w, "blank", a->blank);
    json_key(w, "users");
    json_begin_array(w);
    for (size_t i = 0; i < a->n; i++) {
        json_begin_object(w);
        json_key_string(w, "user_id", a->users[i].user_id);
        json_key_double(w, "score", a->users[i].score, 6);
        json_key_int_if(w, "segment", a->users[i].segment >= 0, a->users[i].segment);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}
