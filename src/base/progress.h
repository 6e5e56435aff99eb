/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Progress of long work on standard error: a bar with rate and time left on a terminal, one
 * line about every two seconds elsewhere, nothing when quiet. Its function fits
 * penchant_progress_fn with the struct as cookie.
 */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>

struct progress {
    bool quiet, terminal;
    volatile sig_atomic_t *stop; /* when it becomes non-zero the work is asked to stop */
    int64_t began_ns, shown_ns;
    char what[32]; /* the phase being shown */
};

void progress_init(struct progress *p, bool quiet, volatile sig_atomic_t *stop);
int progress_show(void *progress, const char *what, uint64_t done, uint64_t total,
                  const char *detail);
void progress_end(struct progress *p); /* leaves the terminal's cursor on a fresh line */

#endif
