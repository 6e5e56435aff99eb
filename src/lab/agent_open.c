/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"
#include "base/rng.h"
#include "lab/agent_state.h"

enum { WAYS = 8, BUCKETS = AGENT_MOST_OPEN / WAYS };

uint64_t agent_key(const json_t *id)
{
    uint64_t key = 0;
    if (json_is_integer(id))
        key = rng_mix((uint64_t)json_integer_value(id));
    else if (json_is_string(id))
        key = hash_bytes(json_string_value(id), json_string_length(id)) ^ 1;
    else
        return 0;
    return key ? key : 1;
}

static struct agent_open *bucket(struct agent *a, uint64_t key)
{
    return a->open + (key % BUCKETS) * WAYS;
}

void agent_open_add(struct agent *a, uint64_t key, const struct agent_open *o)
{
    struct agent_open *b = bucket(a, key), *place = b;
    for (int i = 0; i < WAYS; i++) {
        if (b[i].key == key || !b[i].key) {
            place = b + i;
            break;
        }
        if (b[i].id < place->id)
            place = b + i;
    }
    *place = *o;
    place->key = key;
}

bool agent_open_take(struct agent *a, uint64_t key, struct agent_open *out)
{
    struct agent_open *b = bucket(a, key);
    for (int i = 0; i < WAYS; i++)
        if (b[i].key == key) {
            *out = b[i];
            b[i] = (struct agent_open){0};
            return true;
        }
    return false;
}
