/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CSV as RFC 4180 has it: quotes only around whole fields, doubled inside; delimiters and
 * line ends inside quotes belong to the field. A quote inside an unquoted field is
 * itself.
 */
#ifndef BEHAVIOUR_CSV_H
#define BEHAVIOUR_CSV_H

#include <stddef.h>

enum { CSV_MAX_FIELDS = 1024 };

/*
 * The length of the record that begins at text, without its '\n'. n when the record takes
 * all n bytes and its quotes are closed; more than n when a quote is still open there.
 * Where text follows a closed quote it was none, and the record is the first line alone.
 */
size_t csv_record_length(const char *text, size_t n, char delimiter);

/*
 * Splits a record in place: field[i] are its fields, NUL-terminated and unquoted. The
 * number of fields, or 0 with the reason in *problem. text[len] must be writable.
 */
size_t csv_split(char *text, size_t len, char delimiter, char *field[CSV_MAX_FIELDS],
                 const char **problem);

/* The delimiter of a header line: ',' if it has one, else '\t' or ';' if it has one. */
char csv_delimiter(const char *header);

#endif
