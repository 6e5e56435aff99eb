/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers and truths as files write them, whatever the process's locale is. */
#ifndef BEHAVIOUR_NUMBERS_H
#define BEHAVIOUR_NUMBERS_H

#include <stdbool.h>

/*
 * A decimal number, correctly rounded. "nan", "null" and "none" (in any case) give NaN,
 * "not given". NULL on success, else the reason.
 */
const char *number_parse(const char *text, double *v);

/* The same; a currency may stand behind it ("12.50 USD"). */
const char *number_parse_price(const char *text, double *v);

/* "true", "1", "yes", "y", "in_stock", "available", .. and their opposites. */
const char *number_parse_bool(const char *text, bool *v);

/* The shortest text that reads back as the same double; "" for NaN. */
enum { NUMBER_TEXT = 32 };
void number_format(double v, char text[NUMBER_TEXT]);

#endif
