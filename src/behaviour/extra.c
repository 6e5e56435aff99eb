/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/extra.h"

#include <string.h>

#include "base/json_writer.h"
#include "base/utf8.h"
#include "behaviour/event.h"

/* The text as far as it is kept. */
static void write_text(struct json_writer *w, const char *text)
{
    char kept[EVENT_TEXT_MAX + 1];
    const size_t n = utf8_cut(text, EVENT_TEXT_MAX);
    memcpy(kept, text, n);
    kept[n] = 0;
    json_key_string(w, "text", kept);
}

int extra_write(struct buf *out, const struct penchant_event *e, const char **text,
                struct penchant_error *err)
{
    *text = NULL;
    if (!e->query && !e->placement && !e->text && e->user_id)
        return PENCHANT_OK;
    struct json_writer w;
    buf_clear(out);
    json_init(&w, out);
    json_begin_object(&w);
    if (e->query)
        json_key_string(&w, "query", e->query);
    if (e->placement)
        json_key_string(&w, "placement", e->placement);
    if (e->text)
        write_text(&w, e->text);
    if (!e->user_id)
        json_key_bool(&w, "anonymous", true);
    json_end_object(&w);
    *text = out->data;
    return out->failed ? error_memory(err) : PENCHANT_OK;
}

int extra_read(struct extra *x, const char *text, struct penchant_error *err)
{
    *x = (struct extra){0};
    if (!text)
        return PENCHANT_OK;
    x->json = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(x->json)) {
        extra_release(x);
        return error_set(err, PENCHANT_ECORRUPT, "what an event says is damaged");
    }
    x->query = json_string_value(json_object_get(x->json, "query"));
    x->placement = json_string_value(json_object_get(x->json, "placement"));
    x->text = json_string_value(json_object_get(x->json, "text"));
    x->anonymous = json_is_true(json_object_get(x->json, "anonymous"));
    return PENCHANT_OK;
}

void extra_release(struct extra *x)
{
    json_decref(x->json);
    *x = (struct extra){0};
}
