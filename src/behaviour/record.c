/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/record.h"

#include <ctype.h>
#include <math.h>
#include <string.h>

#include "base/timestamps.h"
#include "behaviour/catalog.h"
#include "behaviour/numbers.h"

static int refuse(enum column c, const char *reason, struct penchant_error *err)
{
    return error_field(err, PENCHANT_EINVALID, 0, column_name(c), "%s %s", column_name(c),
                       reason);
}

/* Our spelling of an event's name: a known event, or the name in lower case. */
static void spell(const char *theirs, char ours[EVENT_NAME_MAX + 1])
{
    const char *known = event_name_canonical(theirs);
    const char *from = known ? known : theirs;
    size_t n = 0;
    for (; from[n] && n < EVENT_NAME_MAX; n++)
        ours[n] = (char)(from[n] == ' ' ? '_' : tolower((unsigned char)from[n]));
    ours[n] = 0;
}

static const char *event_name(const char *theirs, struct record_rules *rules)
{
    for (uint32_t i = 0; i < rules->n_names; i++)
        if (strcmp(rules->name[i].theirs, theirs) == 0)
            return rules->name[i].ours;
    const size_t len = strnlen(theirs, EVENT_NAME_MAX + 1);
    if (len > EVENT_NAME_MAX)
        return theirs; /* and event_check refuses it */
    if (rules->n_names == RECORD_EVENT_NAMES) {
        spell(theirs, rules->spelled);
        return rules->spelled;
    }
    const uint32_t i = rules->n_names++;
    memcpy(rules->name[i].theirs, theirs, len + 1);
    spell(theirs, rules->name[i].ours);
    return rules->name[i].ours;
}

static int number(const struct record *r, enum column c, double *v,
                  const char *(*parse)(const char *, double *),
                  struct penchant_error *err)
{
    *v = NAN;
    const char *reason = r->value[c] ? parse(r->value[c], v) : NULL;
    return reason ? refuse(c, reason, err) : PENCHANT_OK;
}

int record_event(const struct record *r, struct record_rules *rules,
                 struct penchant_event *e, struct penchant_error *err)
{
    const char *const *v = r->value, *reason = NULL;
    int rc;
    e->user_id = v[COLUMN_USER_ID];
    e->item_id = v[COLUMN_ITEM_ID];
    e->event = v[COLUMN_EVENT] ? event_name(v[COLUMN_EVENT], rules) : rules->event;
    e->session_id = v[COLUMN_SESSION_ID];
    e->recommendation_id = v[COLUMN_RECOMMENDATION_ID];
    e->event_id = v[COLUMN_EVENT_ID];
    e->query = v[COLUMN_QUERY];
    e->placement = v[COLUMN_PLACEMENT];
    e->text = v[COLUMN_TEXT];
    if (!v[COLUMN_TIMESTAMP])
        return refuse(COLUMN_TIMESTAMP, "is missing", err);
    if ((reason = timestamp_parse(v[COLUMN_TIMESTAMP], &e->timestamp_us)) != NULL)
        return refuse(COLUMN_TIMESTAMP, reason, err);
    if ((rc = number(r, COLUMN_VALUE, &e->value, number_parse_price, err)) != 0 ||
        (rc = number(r, COLUMN_QUANTITY, &e->quantity, number_parse, err)) != 0)
        return rc;
    return event_check(e, 0, err);
}

int record_item(const struct record *r, struct penchant_item *item,
                struct penchant_error *err)
{
    const char *const *v = r->value;
    *item = (struct penchant_item){.item_id = v[COLUMN_ITEM_ID],
                                   .title = v[COLUMN_TITLE],
                                   .category = v[COLUMN_CATEGORY],
                                   .brand = v[COLUMN_BRAND],
                                   .available = true};
    const int rc = number(r, COLUMN_PRICE, &item->price, number_parse_price, err);
    if (rc != 0)
        return rc;
    const char *available = v[COLUMN_AVAILABLE];
    const char *reason =
        available ? number_parse_bool(available, &item->available) : NULL;
    return reason ? refuse(COLUMN_AVAILABLE, reason, err) : catalog_check(item, err);
}
