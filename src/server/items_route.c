/* SPDX-License-Identifier: Apache-2.0 */
/* /v1/items/{item_id}: the catalogue, one item at a time. */
#include "server/parse_event.h"
#include "server/routes.h"
#include "server/server_state.h"

enum { PRICE_DIGITS = 12 };

static void answer_item(struct request *r, unsigned status,
                        const struct penchant_item *item)
{
    struct json_writer w = request_json(r, status);
    json_begin_object(&w);
    json_key_string(&w, "item_id", item->item_id);
    json_key_string(&w, "title", item->title);
    json_key_string(&w, "category", item->category);
    json_key_string(&w, "brand", item->brand);
    json_key_double(&w, "price", item->price, PRICE_DIGITS);
    json_key_bool(&w, "available", item->available);
    json_key_uint(&w, "events", item->events);
    json_end_object(&w);
}

/* Answers what the shop holds of an item now. */
static void answer_stored(struct request *r, unsigned status, const char *item_id)
{
    struct penchant_item *item = NULL;
    struct penchant_error err = {0};
    if (penchant_get_item(r->server->shop, item_id, &item, &err)) {
        request_failed(r, &err);
        return;
    }
    answer_item(r, status, item);
    penchant_item_free(item);
}

void route_get_item(struct request *r)
{
    if (request_no_params(r))
        answer_stored(r, 200, r->url.segment[2]);
}

void route_put_item(struct request *r)
{
    struct penchant_item item;
    struct penchant_error err = {0};
    bool created = false;
    if (!request_no_params(r))
        return;
    json_t *json = request_object(r);
    if (!json)
        return;
    if (parse_item(json, r->url.segment[2], &item, &err) ||
        penchant_put_item(r->server->shop, &item, &created, &err))
        request_failed(r, &err);
    else
        answer_stored(r, created ? 201 : 200, item.item_id);
    json_decref(json);
}

void route_delete_item(struct request *r)
{
    struct penchant_error err = {0};
    if (!request_no_params(r))
        return;
    if (penchant_delete_item(r->server->shop, r->url.segment[2], &err))
        request_failed(r, &err);
    else
        r->status = 204;
}
