/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/export.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/files.h"
#include "behaviour/numbers.h"

enum { FLUSH_AT = 1 << 16, ROW_MAX = 1 << 20 };

static bool given(const char *s)
{
    return s && *s;
}

void export_shape_init(struct export_shape *s, enum columns_kind kind)
{
    *s = (struct export_shape){.kind = kind};
    s->used[COLUMN_ITEM_ID] = true;
    if (kind == COLUMNS_ITEMS)
        return;
    s->used[COLUMN_EVENT] = s->used[COLUMN_TIMESTAMP] = true;
    for (int i = 0; i < TIMESTAMP_UNITS; i++)
        s->unit[i] = true;
}

void export_shape_event(struct export_shape *s, const struct penchant_event *e)
{
    s->used[COLUMN_USER_ID] |= given(e->user_id);
    s->used[COLUMN_VALUE] |= !isnan(e->value);
    s->used[COLUMN_QUANTITY] |= !isnan(e->quantity);
    s->used[COLUMN_SESSION_ID] |= given(e->session_id);
    s->used[COLUMN_RECOMMENDATION_ID] |= given(e->recommendation_id);
    s->used[COLUMN_QUERY] |= given(e->query);
    s->used[COLUMN_PLACEMENT] |= given(e->placement);
    s->used[COLUMN_TEXT] |= given(e->text);
    for (int i = 0; i < TIMESTAMP_UNITS; i++) {
        const struct timestamp_unit *u = &timestamp_units[i];
        const int64_t n = e->timestamp_us / u->us;
        s->unit[i] &= n * u->us == e->timestamp_us && n >= u->min && n < u->most;
    }
}

void export_shape_item(struct export_shape *s, const struct penchant_item *item)
{
    s->used[COLUMN_TITLE] |= given(item->title);
    s->used[COLUMN_CATEGORY] |= given(item->category);
    s->used[COLUMN_BRAND] |= given(item->brand);
    s->used[COLUMN_PRICE] |= !isnan(item->price);
    s->used[COLUMN_AVAILABLE] |= !item->available;
}

/* The order of columns; both kinds in one list. */
static const enum column order[COLUMNS] = {
    COLUMN_USER_ID,   COLUMN_ITEM_ID,  COLUMN_EVENT,      COLUMN_TIMESTAMP,
    COLUMN_VALUE,     COLUMN_QUANTITY, COLUMN_SESSION_ID, COLUMN_RECOMMENDATION_ID,
    COLUMN_EVENT_ID,  COLUMN_QUERY,    COLUMN_PLACEMENT,  COLUMN_TEXT,
    COLUMN_TITLE,     COLUMN_CATEGORY, COLUMN_BRAND,      COLUMN_PRICE,
    COLUMN_AVAILABLE,
};

static void add_field(struct buf *out, const char *s)
{
    if (!s)
        return;
    if (!s[strcspn(s, ",\"\r\n")]) {
        buf_puts(out, s);
        return;
    }
    buf_putc(out, '"');
    for (;;) {
        const size_t n = strcspn(s, "\"");
        buf_add(out, s, n);
        if (!s[n])
            break;
        buf_puts(out, "\"\"");
        s += n + 1;
    }
    buf_putc(out, '"');
}

/* Writes the used ones of a row's values, and the buffer when it has become long. */
static int add_row(struct exporter *x, const char *const value[COLUMNS],
                   struct penchant_error *err)
{
    bool first = true;
    for (int i = 0; i < COLUMNS; i++) {
        if (!x->shape.used[order[i]])
            continue;
        if (!first)
            buf_putc(&x->out, ',');
        first = false;
        add_field(&x->out, value[order[i]]);
    }
    buf_putc(&x->out, '\n');
    if (x->out.failed)
        return error_memory(err);
    return x->out.len < FLUSH_AT ? PENCHANT_OK : exporter_finish(x, err);
}

int exporter_finish(struct exporter *x, struct penchant_error *err)
{
    if (files_write_all(x->fd, x->out.data, x->out.len) != 0)
        return error_set(err, PENCHANT_EIO, "the export cannot be written: %s",
                         strerror(errno));
    buf_clear(&x->out);
    return PENCHANT_OK;
}

int exporter_init(struct exporter *x, int fd, const struct export_shape *shape,
                  struct penchant_error *err)
{
    const char *header[COLUMNS];
    *x = (struct exporter){.shape = *shape, .fd = fd};
    buf_init(&x->out, FLUSH_AT + ROW_MAX);
    for (int c = 0; c < COLUMNS; c++)
        header[c] = column_name((enum column)c);
    return add_row(x, header, err);
}

void exporter_release(struct exporter *x)
{
    buf_release(&x->out);
}

static void format_time(const struct export_shape *s, int64_t us,
                        char text[TIMESTAMP_TEXT])
{
    for (int i = 0; i < TIMESTAMP_UNITS; i++) {
        if (s->unit[i]) {
            snprintf(text, TIMESTAMP_TEXT, "%lld",
                     (long long)(us / timestamp_units[i].us));
            return;
        }
    }
    timestamp_format(us, text);
}

int exporter_event(struct exporter *x, const struct penchant_event *e,
                   struct penchant_error *err)
{
    char time[TIMESTAMP_TEXT], value[NUMBER_TEXT], quantity[NUMBER_TEXT];
    format_time(&x->shape, e->timestamp_us, time);
    number_format(e->value, value);
    number_format(e->quantity, quantity);
    const char *const row[COLUMNS] = {
        [COLUMN_USER_ID] = e->user_id,
        [COLUMN_ITEM_ID] = e->item_id,
        [COLUMN_EVENT] = e->event,
        [COLUMN_TIMESTAMP] = time,
        [COLUMN_VALUE] = value,
        [COLUMN_QUANTITY] = quantity,
        [COLUMN_SESSION_ID] = e->session_id,
        [COLUMN_RECOMMENDATION_ID] = e->recommendation_id,
        [COLUMN_QUERY] = e->query,
        [COLUMN_PLACEMENT] = e->placement,
        [COLUMN_TEXT] = e->text,
    };
    return add_row(x, row, err);
}

int exporter_item(struct exporter *x, const struct penchant_item *item,
                  struct penchant_error *err)
{
    char price[NUMBER_TEXT];
    number_format(item->price, price);
    const char *const row[COLUMNS] = {
        [COLUMN_ITEM_ID] = item->item_id,
        [COLUMN_TITLE] = item->title,
        [COLUMN_CATEGORY] = item->category,
        [COLUMN_BRAND] = item->brand,
        [COLUMN_PRICE] = price,
        [COLUMN_AVAILABLE] = item->available ? "true" : "false",
    };
    return add_row(x, row, err);
}
