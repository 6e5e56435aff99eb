/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/columns.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/utf8.h"

static const struct {
    const char *name;
    bool in[2]; /* by enum columns_kind */
} ours[COLUMNS] = {
#define X(id, name, in_events, in_items) [COLUMN_##id] = {name, {in_events, in_items}},
    COLUMN_MAP(X)
#undef X
};

/* Usual names, the most certain first, each between spaces, without case and separators. */
static const char *const usual[COLUMNS] = {
    [COLUMN_USER_ID] = " userid user uid visitorid visitor customerid customer shopperid "
                       "memberid accountid buyerid reviewerid fullvisitorid userpseudoid "
                       "clientid anonymousid deviceid ",
    [COLUMN_ITEM_ID] =
        " itemid item productid product sku skuid movieid asin goodsid "
        "articleid stockcode contentid videoid newsid bookid isbn artistid "
        "iid pid ",
    [COLUMN_EVENT] = " event eventname eventtype behaviortype behaviourtype behavior "
                     "behaviour action actiontype interaction interactiontype "
                     "feedbacktype type ",
    [COLUMN_TIMESTAMP] = " timestamp ts timestampus timestampms timestampmicros "
                         "eventtimestamp eventtime time datetime date unixtime "
                         "unixreviewtime actiontime createdat sentat invoicedate ",
    [COLUMN_VALUE] = " value eventvalue price revenue rating stars overall score amount "
                     "unitprice ",
    [COLUMN_QUANTITY] = " quantity qty itemquantity count ",
    [COLUMN_SESSION_ID] = " sessionid session gasessionid visitid sessid sid ",
    [COLUMN_RECOMMENDATION_ID] = " recommendationid recommid attributiontoken ",
    [COLUMN_EVENT_ID] = " eventid messageid ",
    [COLUMN_QUERY] = " query searchterm searchquery keyword keywords ",
    [COLUMN_PLACEMENT] = " placement placementid ",
    [COLUMN_TEXT] = " text reviewtext reviewbody reviewcontent reviewcomment comment "
                    "comments ",
    [COLUMN_TITLE] =
        " title name itemname productname itemtitle producttitle description ",
    [COLUMN_CATEGORY] = " category categories itemcategory categoryid genres genre "
                        "producttype googleproductcategory categorycode ",
    [COLUMN_BRAND] = " brand itembrand productbrand manufacturer vendor ",
    [COLUMN_PRICE] = " price itemprice unitprice listprice ",
    [COLUMN_AVAILABLE] = " available availability instock isavailable ",
};

static const char rating_names[] = " rating stars overall score ";

const char *column_name(enum column c)
{
    return ours[c].name;
}

/* Puts a name between spaces, as the lists have them; false when it is too long. */
static bool normalise(char out[COLUMN_NAME_MAX + 3], const char *name)
{
    size_t n = 0;
    out[n++] = ' ';
    for (const char *c = name; *c; c++) {
        if (*c == '_' || *c == '-' || *c == ' ' || *c == '.')
            continue;
        if (n > COLUMN_NAME_MAX)
            return false;
        out[n++] = (char)(*c >= 'A' && *c <= 'Z' ? *c - 'A' + 'a' : *c);
    }
    out[n] = ' ';
    out[n + 1] = 0;
    return n > 1;
}

bool column_is_rating(const char *name)
{
    char plain[COLUMN_NAME_MAX + 3];
    return normalise(plain, name) && strstr(rating_names, plain);
}

static enum column find_ours(const char *name, size_t len)
{
    for (int c = 0; c < COLUMNS; c++)
        if (strlen(ours[c].name) == len && memcmp(ours[c].name, name, len) == 0)
            return (enum column)c;
    return COLUMN_NONE;
}

int column_map_parse(struct column_map *m, const char *text, struct penchant_error *err)
{
    *m = (struct column_map){0};
    for (const char *at = text; at && *at;) {
        const size_t len = strcspn(at, ","), name = strcspn(at, "=,");
        const char *theirs = at + name + 1;
        const size_t n = len > name ? len - name - 1 : 0;
        if (!name || !n || n > COLUMN_NAME_MAX)
            return error_field(err, PENCHANT_EINVALID, 0, "map",
                               "map: \"%.*s\" is not ours=theirs", (int)len, at);
        const enum column c = find_ours(at, name);
        if (c == COLUMN_NONE)
            return error_field(err, PENCHANT_EINVALID, 0, "map",
                               "map: there is no field \"%.*s\"", (int)name, at);
        for (uint32_t i = 0; i < m->n; i++)
            if (m->entry[i].ours == c)
                return error_field(err, PENCHANT_EINVALID, 0, "map",
                                   "map: %s is given twice", ours[c].name);
        m->entry[m->n].ours = c;
        memcpy(m->entry[m->n].theirs, theirs, n);
        m->n++;
        at += at[len] ? len + 1 : len;
    }
    return PENCHANT_OK;
}

int column_map_check_seen(const struct column_map *m, struct penchant_error *err)
{
    for (uint32_t i = 0; i < m->n; i++)
        if (!m->entry[i].seen)
            return error_field(err, PENCHANT_EINVALID, 0, "map",
                               "map: no file has a column \"%s\" (for %s)",
                               m->entry[i].theirs, ours[m->entry[i].ours].name);
    return PENCHANT_OK;
}

struct column_match columns_find(struct column_map *m, enum columns_kind kind,
                                 const char *name)
{
    const struct column_match none = {COLUMN_NONE, UINT32_MAX};
    for (uint32_t i = 0; i < m->n; i++) {
        if (ours[m->entry[i].ours].in[kind] && strcmp(m->entry[i].theirs, name) == 0) {
            m->entry[i].seen = true;
            return (struct column_match){m->entry[i].ours, 0};
        }
    }
    char plain[COLUMN_NAME_MAX + 3];
    if (!normalise(plain, name))
        return none;
    if (kind == COLUMNS_ITEMS &&
        strcmp(plain, " id ") == 0) /* of a log it is the line's */
        return (struct column_match){COLUMN_ITEM_ID, UINT32_MAX};
    for (int c = 0; c < COLUMNS; c++) {
        const char *at = ours[c].in[kind] ? strstr(usual[c], plain) : NULL;
        if (at)
            return (struct column_match){(enum column)c, (uint32_t)(at - usual[c]) + 1};
    }
    return none;
}

/* Files a field under its column, by rank. */
static int add_choice(struct columns *c, struct column_match match, uint32_t field,
                      const char *name, struct penchant_error *err)
{
    uint32_t *const fields = c->field[match.column], *const ranks = c->rank[match.column];
    uint32_t *const n = &c->n[match.column], at = 0;
    while (at < *n && ranks[at] < match.rank)
        at++;
    if (at < *n && ranks[at] == match.rank)
        return error_field(err, PENCHANT_EINVALID, 0, ours[match.column].name,
                           "the header has \"%s\" twice", name);
    if (at == COLUMN_CHOICES)
        return PENCHANT_OK;
    if (*n < COLUMN_CHOICES)
        (*n)++;
    for (uint32_t i = *n - 1; i > at; i--) {
        fields[i] = fields[i - 1];
        ranks[i] = ranks[i - 1];
    }
    fields[at] = field;
    ranks[at] = match.rank;
    return PENCHANT_OK;
}

/* Names as a message may show them: any bytes can stand in a file. */
static void add_shown(struct buf *out, const char *name)
{
    for (size_t len = strlen(name); len;) {
        const size_t n = utf8_char(name, len);
        if (n && (unsigned char)*name >= ' ' && *name != 0x7F)
            buf_add(out, name, n);
        else
            buf_putc(out, '?');
        name += n ? n : 1;
        len -= n ? n : 1;
    }
}

static int fail_missing(enum column c, char *const *header, size_t n,
                        struct penchant_error *err)
{
    struct buf have;
    bool data = false; /* names hardly begin with a digit */
    buf_init(&have, 100);
    for (size_t i = 0; i < n && !have.failed; i++) {
        data = data || (header[i][0] >= '0' && header[i][0] <= '9');
        buf_puts(&have, i ? ", " : "");
        add_shown(&have, header[i]);
    }
    const int rc = error_field(err, PENCHANT_EINVALID, 0, ours[c].name,
                               "no column for %s%s (looked for%s); the header has %s%s%s",
                               ours[c].name, c == COLUMN_USER_ID ? " or session_id" : "",
                               usual[c], have.data, have.failed ? ", .." : "",
                               data ? "; is the first line a header?" : "");
    buf_release(&have);
    return rc;
}

int columns_match(struct columns *c, struct column_map *m, enum columns_kind kind,
                  char *const *header, size_t n, struct penchant_error *err)
{
    *c = (struct columns){.n_fields = n};
    for (size_t i = 0; i < n; i++) {
        const struct column_match match = columns_find(m, kind, header[i]);
        if (match.column == COLUMN_NONE)
            continue;
        const int rc = add_choice(c, match, (uint32_t)i, header[i], err);
        if (rc != 0)
            return rc;
    }
    for (int f = 0; f < COLUMNS; f++)
        if (c->n[f] && c->rank[f][0] == 0)
            c->n[f] = 1; /* --map leaves nothing to chance */
    c->ratings =
        c->n[COLUMN_VALUE] && column_is_rating(header[c->field[COLUMN_VALUE][0]]);
    if (!c->n[COLUMN_ITEM_ID])
        return fail_missing(COLUMN_ITEM_ID, header, n, err);
    if (kind == COLUMNS_ITEMS)
        return PENCHANT_OK;
    if (!c->n[COLUMN_USER_ID] && !c->n[COLUMN_SESSION_ID])
        return fail_missing(COLUMN_USER_ID, header, n, err);
    if (!c->n[COLUMN_TIMESTAMP])
        return fail_missing(COLUMN_TIMESTAMP, header, n, err);
    return PENCHANT_OK;
}
