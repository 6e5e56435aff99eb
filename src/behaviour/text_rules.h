/* SPDX-License-Identifier: Apache-2.0 */
/* The table of text_fold(): which code points become what. */
#ifndef BEHAVIOUR_TEXT_RULES_H
#define BEHAVIOUR_TEXT_RULES_H

#include <stddef.h>
#include <stdint.h>

/* What becomes of the code points of a range. */
struct text_rule {
    uint32_t first, last;
    const char *letters; /* each becomes these; "" vanishes, " " separates; NULL: shift */
    int32_t shift;       /* is added to those of the range that `which` says */
    uint8_t which;
};

enum { TEXT_RULE_ALL, TEXT_RULE_EVEN, TEXT_RULE_ODD };

/* Ascending, without overlaps; a code point in no rule is a letter that stays as it is.
   Accented letters become their bases, capital and small alike. */
extern const struct text_rule text_rules[];
extern const size_t text_n_rules;

#endif
