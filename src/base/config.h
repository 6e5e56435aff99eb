/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Reading a configuration file: `[section]` lines and `name = value` rows, comments from
 * `#` or `;` at the start of a line on (inih). What a row means is its reader's business;
 * every failure is told with the file's name and the line.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include <stdbool.h>

#include "base/status.h"

/* 0, or a status with err filled, which ends the reading. */
typedef int config_row_fn(void *cookie, const char *section, const char *name,
                          const char *value, struct penchant_error *err);

/* Calls fn for every row. A missing file has no rows. Lines of up to 190 bytes, without NULs. */
int config_read(const char *path, config_row_fn *fn, void *cookie,
                struct penchant_error *err);

/* A whole finite number; false else. */
bool config_number(const char *text, double *out);

/* A time such as "30m": a number and s, m, h or d, in microseconds; false else. */
bool config_duration(const char *text, int64_t *out_us);

#endif
