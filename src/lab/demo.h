/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of `penchant demo` share: demo.c tells the story, demo_shop.c makes and
   teaches the shop, demo_live.c lets shoppers go on shopping. */
#ifndef LAB_DEMO_H
#define LAB_DEMO_H

#include "base/progress.h"
#include "lab/shop_world.h"
#include "lab/temp_dir.h"
#include "penchant.h"

struct demo {
    uint32_t seconds; /* of the whole demo; 0: until Ctrl-C */
    const char *listen;
    uint64_t seed;
    bool quiet, insecure;
    int64_t began_ns;
    char dir[TEMP_DIR_SIZE]; /* temporary; holds the shop and the two CSV files */
    struct shop_world *world;
    struct progress progress;
};

/* Writes the past as events.csv and items.csv and imports them into demo->dir/shop. */
int demo_make_shop(struct demo *demo, struct penchant **shop, struct penchant_error *err);

/* Trains for a bounded time, and prints the table of quality. */
int demo_learn(struct demo *demo, struct penchant *shop, struct penchant_error *err);

/* Prints how much a search and the stars of reviews help, by the shop's own truth. */
int demo_words(struct demo *demo, struct penchant *shop, struct penchant_error *err);

/*
 * Shoppers shop at a few dozen events a second until demo->seconds or a stop. Half of
 * them see the engine's lists, half what is popular; both click rates are shown on stderr
 * and printed at the end.
 */
int demo_live(struct demo *demo, struct penchant *shop, struct penchant_error *err);

#endif
