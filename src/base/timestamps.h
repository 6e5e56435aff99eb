/* SPDX-License-Identifier: Apache-2.0 */
/* Times as logs write them. Microseconds since 1970 UTC inside. */
#ifndef BASE_TIMESTAMPS_H
#define BASE_TIMESTAMPS_H

#include <stdbool.h>
#include <stdint.h>

/* The last microsecond of the year 9999. */
#define TIMESTAMP_MAX_US INT64_C(253402300799999999)

/*
 * Numbers are seconds below 1e11, milliseconds below 1e14, microseconds below 1e17 and
 * nanoseconds above (each unit covers 1973 to 5138), with an optional decimal fraction.
 * So 1, 2, .. n are seconds, and order is kept. Else a date, or a date and a time of day:
 * "2024-02-29", "2024-02-29T12:30:00Z", "2024-02-29 12:30:00.123456+02:00", " UTC". A
 * time without a zone is UTC. NULL on success, else the reason.
 */
const char *timestamp_parse(const char *text, int64_t *us);

enum { TIMESTAMP_TEXT = 32 };

/* "2024-02-29T12:30:00.000000Z" for a time between the years 1970 and 9999. */
void timestamp_format(int64_t us, char text[TIMESTAMP_TEXT]);

/* The units a number may be in, and the numbers that are read back as that unit. */
struct timestamp_unit {
    int64_t us;        /* microseconds a unit */
    int64_t min, most; /* numbers in [min, most) */
};

enum { TIMESTAMP_UNITS = 3 }; /* seconds, milliseconds, microseconds */
extern const struct timestamp_unit timestamp_units[TIMESTAMP_UNITS];

#endif
