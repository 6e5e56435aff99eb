/* SPDX-License-Identifier: Apache-2.0 */
#include "base/progress.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/timing.h"

enum { BAR_WIDTH = 28 };

void progress_init(struct progress *p, bool quiet, volatile sig_atomic_t *stop)
{
    *p = (struct progress){
        .quiet = quiet, .stop = stop, .terminal = isatty(STDERR_FILENO)};
}

static void new_phase(struct progress *p, const char *what, int64_t now)
{
    progress_end(p);
    snprintf(p->what, sizeof(p->what), "%s", what);
    p->began_ns = now;
    p->shown_ns = 0;
}

static void show_bar(const struct progress *p, uint64_t done, uint64_t total,
                     const char *detail, double seconds)
{
    char bar[BAR_WIDTH + 1];
    const double share = total ? (double)done / (double)total : 0;
    const int filled = (int)(share * BAR_WIDTH);
    for (int i = 0; i < BAR_WIDTH; i++)
        bar[i] = i < filled ? '#' : '.';
    bar[BAR_WIDTH] = 0;
    if (total)
        fprintf(stderr, "\r%-12s [%s] %3.0f%% ", p->what, bar, 100 * share);
    else
        fprintf(stderr, "\r%-12s %llu ", p->what, (unsigned long long)done);
    if (total && share > 0.02 && share < 1)
        fprintf(stderr, "%.0fs left ", seconds * (1 - share) / share);
    fprintf(stderr, "%s\x1b[K", detail ? detail : "");
    fflush(stderr);
}

int progress_show(void *cookie, const char *what, uint64_t done, uint64_t total,
                  const char *detail)
{
    struct progress *p = cookie;
    const int64_t now = timing_steady_ns();
    if (strncmp(p->what, what, sizeof(p->what) - 1) != 0)
        new_phase(p, what, now);
    const int64_t pause = p->terminal ? 100000000 : 2000000000;
    const bool last = total && done >= total;
    if (!p->quiet && (last || now - p->shown_ns >= pause)) {
        const double seconds = (double)(now - p->began_ns) * 1e-9;
        p->shown_ns = now;
        if (p->terminal)
            show_bar(p, done, total, detail, seconds);
        else if (total)
            fprintf(stderr, "%s: %.0f%% %s\n", what, 100.0 * (double)done / (double)total,
                    detail ? detail : "");
        else
            fprintf(stderr, "%s: %llu %s\n", what, (unsigned long long)done,
                    detail ? detail : "");
    }
    return p->stop && *p->stop;
}

void progress_end(struct progress *p)
{
    if (p->terminal && !p->quiet && p->shown_ns)
        fputc('\n', stderr);
    p->shown_ns = 0;
    p->what[0] = 0;
}
