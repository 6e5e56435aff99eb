/* SPDX-License-Identifier: Apache-2.0 */
/* The made-up shop as the CSV files that `penchant import` takes. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "lab/shop_words.h"
#include "lab/shop_world.h"

static FILE *create(const char *path, struct penchant_error *err)
{
    FILE *f = fopen(path, "w");
    if (!f)
        error_set(err, PENCHANT_EIO, "%s cannot be written: %s", path, strerror(errno));
    return f;
}

static int finish(FILE *f, const char *path, struct penchant_error *err)
{
    const bool failed = ferror(f);
    if (fclose(f) || failed)
        return error_set(err, PENCHANT_EIO, "%s cannot be written: %s", path,
                         strerror(errno));
    return PENCHANT_OK;
}

int shop_world_write_items(const struct shop_world *w, const char *path,
                           struct penchant_error *err)
{
    FILE *f = create(path, err);
    if (!f)
        return PENCHANT_EIO;
    fputs("item_id,title,category,brand,price\n", f);
    for (uint32_t i = 0; i < w->n_items; i++) {
        const struct shop_item *item = &w->item[i];
        const char *shelf = shop_categories[item->shelf].path;
        fprintf(f, "%s,%s,%.*s|%s,%s,%.2f\n", item->id, item->title,
                (int)strcspn(shelf, "/"), shelf, shelf, shop_brands[item->brand].name.en,
                item->price);
    }
    return finish(f, path, err);
}

int shop_world_write_events(const struct shop_world *w, const struct shop_act *act,
                            size_t n, const char *path, struct penchant_error *err)
{
    FILE *f = create(path, err);
    if (!f)
        return PENCHANT_EIO;
    fputs("user_id,session_id,event,item_id,timestamp,value,query,text\n", f);
    for (size_t i = 0; i < n; i++) {
        const struct shop_act *a = &act[i];
        fprintf(f, "%s,v%u,%s,%s,%lld,", w->shopper[a->shopper].id, a->visit, a->event,
                a->item == SHOP_NO_ITEM ? "" : w->item[a->item].id, (long long)a->ts_us);
        if (!isnan(a->value))
            fprintf(f, "%.2f", a->value);
        fprintf(f, ",%s,%s\n", a->query ? a->query : "", a->text ? a->text : "");
    }
    return finish(f, path, err);
}
