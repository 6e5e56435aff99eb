/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's shop: its past as files, imported and learned as a user's own would be. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/timing.h"
#include "cli/cli.h"
#include "lab/demo.h"
#include "lab/shop_words.h"
#include "lab/words_trial.h"

enum { PATH_SIZE = 160 };

static void on_complaint(void *cookie, const char *line)
{
    progress_end(cookie);
    fprintf(stderr, "%s\n", line);
}

static int import(struct demo *demo, struct penchant *shop, const char *events,
                  const char *items, struct penchant_error *err)
{
    struct penchant_import_options o;
    struct penchant_import_report r = {0};
    penchant_import_options_default(&o);
    o.events = events;
    o.items = items;
    o.progress = progress_show;
    o.complain = on_complaint;
    o.cookie = &demo->progress;
    const int status = penchant_import(shop, &o, &r, err);
    progress_end(&demo->progress);
    if (status)
        return status;
    printf(
        "A shop of %u items on %d shelves, with %u shoppers' last %u days: %llu events,\n"
        "written as CSV and imported in %.1f s (seed %llu).\n\n",
        demo->world->n_items, SHOP_CATEGORIES, demo->world->options.shoppers,
        demo->world->options.days, (unsigned long long)r.events, r.seconds,
        (unsigned long long)demo->seed);
    fflush(stdout);
    return PENCHANT_OK;
}

int demo_make_shop(struct demo *demo, struct penchant **shop, struct penchant_error *err)
{
    static int level = PENCHANT_WARN;
    char events[PATH_SIZE], items[PATH_SIZE], dir[PATH_SIZE];
    struct shop_act *act = NULL;
    size_t n = 0;
    snprintf(events, sizeof(events), "%s/events.csv", demo->dir);
    snprintf(items, sizeof(items), "%s/items.csv", demo->dir);
    snprintf(dir, sizeof(dir), "%s/shop", demo->dir);
    struct penchant_options o;
    penchant_options_default(&o);
    o.dir = dir;
    o.log = cli_log;
    o.log_cookie = &level;
    int status = shop_world_past(demo->world, &act, &n, err);
    if (status == PENCHANT_OK)
        status = shop_world_write_items(demo->world, items, err);
    if (status == PENCHANT_OK)
        status = shop_world_write_events(demo->world, act, n, events, err);
    if (status == PENCHANT_OK)
        status = penchant_open(shop, &o, err);
    if (status == PENCHANT_OK)
        status = import(demo, *shop, events, items, err);
    free(act);
    return status;
}

/* A third of the demo, at most 45 s, is enough to be ahead of counting. */
static double training_minutes(const struct demo *demo)
{
    const double most = demo->seconds ? fmin(45, demo->seconds / 3.0) : 45;
    return most / 60;
}

/* The open shop looks for a new model about once a second. */
static int wait_for_model(struct penchant *shop, struct penchant_error *err)
{
    const struct timespec pause = {.tv_nsec = 50000000};
    struct penchant_status_report r = {0};
    for (int i = 0; i < 200; i++) {
        const int status = penchant_status(shop, &r, err);
        if (status || r.has_model)
            return status;
        nanosleep(&pause, NULL);
    }
    return error_set(err, PENCHANT_ENOMODEL, "the shop did not pick its model up");
}

int demo_words(struct demo *demo, struct penchant *shop, struct penchant_error *err)
{
    enum { SHOPPERS = 300 };
    struct words_trials t;
    struct buf b;
    const int status =
        words_trial_run(demo->world, shop, SHOPPERS, "all", demo->seed, &t, err);
    if (status)
        return status;
    buf_init(&b, 1 << 16);
    buf_puts(&b, "\n");
    words_trial_print(&b, &t);
    const int printed = cli_print("demo", &b);
    buf_release(&b);
    return printed ? error_set(err, PENCHANT_EIO, "standard output cannot be written")
                   : PENCHANT_OK;
}

int demo_learn(struct demo *demo, struct penchant *shop, struct penchant_error *err)
{
    char dir[PATH_SIZE];
    struct penchant_train_options o;
    struct penchant_train_report r = {0};
    struct penchant_evaluation e = {0};
    snprintf(dir, sizeof(dir), "%s/shop", demo->dir);
    penchant_train_options_default(&o);
    o.dir = dir;
    o.minutes = training_minutes(demo);
    o.dim = 64; /* a small shop learns sooner in a small model */
    o.seed = demo->seed;
    o.progress = progress_show;
    o.cookie = &demo->progress;
    int status = penchant_train(&o, &r, err);
    progress_end(&demo->progress);
    if (status == PENCHANT_OK)
        status = wait_for_model(shop, err);
    if (status == PENCHANT_OK)
        status = penchant_evaluate(shop, NULL, &e, err);
    if (status)
        return status;
    struct buf b;
    buf_init(&b, 1 << 16);
    buf_printf(&b, "Trained for %.0f s (%s, dim %u, %u epochs, %.0f positions/s):\n\n",
               r.seconds, r.preset, r.dim, r.epochs, r.tokens_per_s);
    cli_print_quality(&b, &e);
    const int printed = cli_print("demo", &b);
    buf_release(&b);
    return printed ? error_set(err, PENCHANT_EIO, "standard output cannot be written")
                   : PENCHANT_OK;
}
