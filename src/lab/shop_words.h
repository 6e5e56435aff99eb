/* SPDX-License-Identifier: Apache-2.0 */
/* The words of the made-up shop (shop_world.h): constant tables, nothing else. */
#ifndef LAB_SHOP_WORDS_H
#define LAB_SHOP_WORDS_H

#include <stdbool.h>

enum { SHOP_CATEGORIES = 40, SHOP_BRANDS = 32, SHOP_STYLES = 12, SHOP_NOUNS = 3 };

struct shop_words_pair {
    const char *en, *zh;
};

struct shop_words_category {
    const char *path;       /* "kitchen/tea": department, then shelf */
    const char *complement; /* the path of what is bought beside it */
    double price;           /* the median */
    bool used_up;           /* bought again and again */
    struct shop_words_pair noun[SHOP_NOUNS];
};

struct shop_words_brand {
    struct shop_words_pair name;
    double level; /* its prices over the category's */
};

extern const struct shop_words_category shop_categories[SHOP_CATEGORIES];
extern const struct shop_words_brand shop_brands[SHOP_BRANDS];
extern const struct shop_words_pair shop_styles[SHOP_STYLES];

#endif
