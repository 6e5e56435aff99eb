/* SPDX-License-Identifier: Apache-2.0 */
#include "server/interests_json.h"

#include <math.h>

enum { DIGITS = 6, PRICE_DIGITS = 15 };

static void write_shares(struct json_writer *w, const char *key, const char *name,
                         const struct penchant_share *s, size_t n)
{
    json_key(w, key);
    json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        json_begin_object(w);
        json_key_string(w, name, s[i].name);
        json_key_double(w, "share", s[i].share, DIGITS);
        json_key_double(w, "lift", s[i].lift, DIGITS);
        json_end_object(w);
    }
    json_end_array(w);
}

static void write_price(struct json_writer *w, const struct penchant_interest *x)
{
    json_key(w, "price");
    if (isnan(x->price_low)) {
        json_text(w, NULL);
        return;
    }
    json_begin_object(w);
    json_key_double(w, "low", x->price_low, PRICE_DIGITS);
    json_key_double(w, "high", x->price_high, PRICE_DIGITS);
    json_end_object(w);
}

static void write_interest(struct json_writer *w, const struct penchant_interest *x)
{
    json_begin_object(w);
    json_key_double(w, "weight", x->weight, DIGITS);
    json_key_uint(w, "events", x->events);
    json_key_int_if(w, "first_timestamp", x->first_us != 0, x->first_us);
    json_key_int_if(w, "last_timestamp", x->last_us != 0, x->last_us);
    write_shares(w, "categories", "category", x->categories, x->n_categories);
    write_shares(w, "brands", "brand", x->brands, x->n_brands);
    write_price(w, x);
    json_key(w, "items");
    json_begin_array(w);
    for (size_t i = 0; i < x->n_items; i++) {
        json_begin_object(w);
        json_key_string(w, "item_id", x->items[i]);
        json_key_string(w, "title", x->titles[i]);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

void interests_json(struct json_writer *w, const struct penchant_interests *x)
{
    json_begin_object(w);
    json_key_string(w, "user_id", x->user_id);
    json_key_int_if(w, "timestamp", x->now_us != 0, x->now_us);
    json_key_double(w, "drift", x->drift, DIGITS);
    json_key(w, "long_term");
    write_interest(w, &x->long_term);
    json_key(w, "short_term");
    json_begin_array(w);
    for (size_t i = 0; i < x->n_short; i++)
        write_interest(w, &x->short_term[i]);
    json_end_array(w);
    json_key(w, "saturation");
    json_begin_array(w);
    for (size_t i = 0; i < x->n_saturated; i++) {
        json_begin_object(w);
        json_key_string(w, "category", x->saturated[i].category);
        json_key_double(w, "saturation", x->saturated[i].saturation, DIGITS);
        json_key_double(w, "lately", x->saturated[i].lately, DIGITS);
        json_key_double(w, "usual", x->saturated[i].usual, DIGITS);
        json_end_object(w);
    }
    json_end_array(w);
    json_end_object(w);
}

/* ---- the outlook ---- */

static const char *const next_name[PENCHANT_NEXT_N] = {"view", "cart", "purchase",
                                                       "other", "leave"};
static const char *const week_name[PENCHANT_WEEK_N] = {"view", "cart", "purchase",
                                                       "nothing"};

static void write_chances(struct json_writer *w, const char *key,
                          const struct penchant_chance *c, const char *const *name, int n)
{
    json_key(w, key);
    json_begin_object(w);
    for (int i = 0; i < n; i++)
        json_key_double(w, name[i], c[i].probability, DIGITS);
    json_end_object(w);
}

static void write_reasons(struct json_writer *w, const char *of,
                          const struct penchant_chance *c, const char *const *name, int n)
{
    for (int i = 0; i < n; i++) {
        if (!c[i].reason)
            continue;
        json_begin_object(w);
        json_key_string(w, "of", of);
        json_key_string(w, "outcome", name[i]);
        json_key_string(w, "reason", c[i].reason);
        json_end_object(w);
    }
}

void outlook_json(struct json_writer *w, const char *user_id,
                  const struct penchant_outlook *x)
{
    json_begin_object(w);
    json_key_string(w, "user_id", user_id);
    json_key_bool(w, "known", x->known);
    json_key_int_if(w, "timestamp", x->now_us != 0, x->now_us);
    write_chances(w, "next", x->next, next_name, PENCHANT_NEXT_N);
    write_chances(w, "within_7_days", x->week, week_name, PENCHANT_WEEK_N);
    json_key(w, "missing");
    json_begin_array(w);
    write_reasons(w, "next", x->next, next_name, PENCHANT_NEXT_N);
    write_reasons(w, "within_7_days", x->week, week_name, PENCHANT_WEEK_N);
    json_end_array(w);
    json_end_object(w);
}
