/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A text as plain letters, so that what looks alike is alike: HTML entities are read,
 * capitals become small (Latin, Greek, Cyrillic, Armenian, full-width), accents and
 * vowel points are taken off, ligatures come apart, digits of other scripts become ASCII,
 * half-width Japanese becomes full-width, and all that is neither letter nor digit becomes
 * one space. What Unicode calls NFKD with marks removed, for the scripts that shops use,
 * without its tables.
 */
#ifndef BEHAVIOUR_TEXT_FOLD_H
#define BEHAVIOUR_TEXT_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The first n bytes of a text into out (n code points at most); spaces stand between
 * words and nowhere else. Broken UTF-8 separates. Returns how many.
 */
size_t text_fold(const char *text, size_t n, uint32_t *out);

/* Whether a folded letter belongs to a script that sets no spaces between words. */
bool text_unspaced(uint32_t letter);

#endif
