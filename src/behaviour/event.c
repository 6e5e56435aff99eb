/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/event.h"

#include <ctype.h>
#include <string.h>

#include "base/timestamps.h"
#include "behaviour/check.h"

static const char *const type_name[EVENT_KNOWN_TYPES] = {
#define X(id, name, wanted) name,
    EVENT_TYPE_MAP(X)
#undef X
};

static const bool type_wanted[EVENT_KNOWN_TYPES] = {
#define X(id, name, wanted) wanted,
    EVENT_TYPE_MAP(X)
#undef X
};

int event_types_init(struct names *types)
{
    names_init(types);
    for (uint32_t i = 0; i < EVENT_KNOWN_TYPES; i++) {
        if (names_add(types, type_name[i], strlen(type_name[i])) != i) {
            names_release(types);
            return -1;
        }
    }
    return 0;
}

bool event_type_wanted(uint32_t type)
{
    return type >= EVENT_KNOWN_TYPES || type_wanted[type];
}

float event_type_weight(uint32_t type)
{
    if (type == EVENT_PURCHASE)
        return 3.0F;
    return type == EVENT_CART || type == EVENT_WISH ? 2.0F : 1.0F;
}

static bool is_rated(uint32_t type, double value)
{
    return type == EVENT_REVIEW && value >= 1 && value <= 5;
}

float event_liking(uint32_t type, double value)
{
    if (type == EVENT_DISLIKE)
        return -1;
    return is_rated(type, value) ? (float)((value - 3) / 2) : 1;
}

bool event_judges(uint32_t type, double value)
{
    return type == EVENT_DISLIKE || is_rated(type, value);
}

bool event_dislikes(uint32_t type, double value)
{
    return type == EVENT_DISLIKE || (is_rated(type, value) && value <= 2);
}

bool event_wanted(uint32_t type, double value)
{
    return event_type_wanted(type) && !event_dislikes(type, value);
}

bool event_takes_back(uint32_t type, double value)
{
    return type == EVENT_PURCHASE || type == EVENT_CART || type == EVENT_WISH ||
           (is_rated(type, value) && value > 2);
}

/* Spellings are compared in lower case and without '_', '-', ' ' and '.'. */
static const struct {
    const char *theirs;
    enum event_type ours;
} foreign[] = {
    /* Google Analytics 4 */
    {"viewitem", EVENT_VIEW},
    {"selectitem", EVENT_VIEW},
    {"viewitemlist", EVENT_IMPRESSION},
    {"viewpromotion", EVENT_IMPRESSION},
    {"viewsearchresults", EVENT_SEARCH},
    {"addtowishlist", EVENT_WISH},
    {"addtocart", EVENT_CART}, /* Google retail and RetailRocket too */
    {"removefromcart", EVENT_UNCART},
    /* Google retail */
    {"detailpageview", EVENT_VIEW},
    {"purchasecomplete", EVENT_PURCHASE},
    /* RetailRocket */
    {"transaction", EVENT_PURCHASE},
    /* Taobao */
    {"pv", EVENT_VIEW},
    {"fav", EVENT_WISH},
    {"buy", EVENT_PURCHASE},
    /* Recombee */
    {"detailviews", EVENT_VIEW},
    {"bookmarks", EVENT_WISH},
    {"cartadditions", EVENT_CART},
    {"purchases", EVENT_PURCHASE},
    {"ratings", EVENT_REVIEW},
    /* what shops and data sets call them otherwise */
    {"click", EVENT_VIEW},
    {"clicks", EVENT_VIEW},
    {"detailview", EVENT_VIEW},
    {"productview", EVENT_VIEW},
    {"exposure", EVENT_IMPRESSION},
    {"favorite", EVENT_WISH},
    {"favourite", EVENT_WISH},
    {"wishlist", EVENT_WISH},
    {"order", EVENT_PURCHASE},
    {"orders", EVENT_PURCHASE},
    {"rating", EVENT_REVIEW},
    {"rate", EVENT_REVIEW},
};

const char *event_name_canonical(const char *name)
{
    char plain[EVENT_NAME_MAX + 1];
    size_t n = 0;
    for (const char *c = name; *c; c++) {
        if (strchr("_- .", *c))
            continue;
        if (n == EVENT_NAME_MAX)
            return NULL;
        plain[n++] = (char)tolower((unsigned char)*c);
    }
    plain[n] = 0;
    for (size_t i = 0; i < EVENT_KNOWN_TYPES; i++)
        if (strcmp(plain, type_name[i]) == 0)
            return type_name[i];
    for (size_t i = 0; i < sizeof(foreign) / sizeof(*foreign); i++)
        if (strcmp(plain, foreign[i].theirs) == 0)
            return type_name[foreign[i].ours];
    return NULL;
}

static bool name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '.' ||
           c == '-';
}

static int check_name(const char *name, size_t index, struct penchant_error *err)
{
    if (!name || !*name)
        return error_field(err, PENCHANT_EINVALID, index, "event", "event is required");
    size_t n = 0;
    while (n <= EVENT_NAME_MAX && name_char(name[n]))
        n++;
    if (n > EVENT_NAME_MAX || name[n])
        return error_field(err, PENCHANT_EINVALID, index, "event",
                           "event is not a name of 1-%d characters [a-z0-9_.-]",
                           EVENT_NAME_MAX);
    return PENCHANT_OK;
}

int event_check(const struct penchant_event *e, size_t index, struct penchant_error *err)
{
    int rc;
    if (!e->user_id && !e->session_id)
        return error_field(err, PENCHANT_EINVALID, index, "user_id",
                           "a user_id or a session_id is required");
    if ((rc = check_id(e->user_id, index, "user_id", err)) != 0 ||
        (rc = check_id(e->session_id, index, "session_id", err)) != 0 ||
        (rc = check_name(e->event, index, err)) != 0)
        return rc;
    if (!e->item_id && strcmp(e->event, type_name[EVENT_SEARCH]) != 0)
        return error_field(err, PENCHANT_EINVALID, index, "item_id",
                           "item_id is required unless the event is a search");
    if (e->timestamp_us < 0 || e->timestamp_us > TIMESTAMP_MAX_US)
        return error_field(err, PENCHANT_EINVALID, index, "timestamp",
                           "timestamp is not between the years 1970 and 9999");
    if ((rc = check_id(e->item_id, index, "item_id", err)) != 0 ||
        (rc = check_number(e->value, index, "value", err)) != 0 ||
        (rc = check_number(e->quantity, index, "quantity", err)) != 0 ||
        (rc = check_id(e->recommendation_id, index, "recommendation_id", err)) != 0 ||
        (rc = check_id(e->event_id, index, "event_id", err)) != 0 ||
        (rc = check_text(e->query, index, "query", err)) != 0 ||
        (rc = check_long_text(e->text, index, "text", err)) != 0)
        return rc;
    return check_text(e->placement, index, "placement", err);
}
