/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Plain line charts as SVG: panels one below the other, each with a title, axes with ticks
 * and named lines. No styles, scripts or fonts from outside; opens in any browser.
 */
#ifndef LAB_SVG_PLOT_H
#define LAB_SVG_PLOT_H

#include <stdint.h>

#include "base/buf.h"

enum { SVG_PLOT_MOST_LINES = 16 };

struct svg_line {
    const char *name;
    const double *y; /* (n); NaN: a gap */
};

struct svg_panel {
    const char *title, *x_name, *y_name;
    const double *x; /* (n) ascending, the same for every line */
    uint32_t n;
    const struct svg_line *line; /* (n_lines), at most SVG_PLOT_MOST_LINES */
    uint32_t n_lines;
    double mark; /* a dashed upright line at this x, or NaN */
};

void svg_plot(struct buf *out, const char *title, const struct svg_panel *panel,
              uint32_t n_panels);

#endif
