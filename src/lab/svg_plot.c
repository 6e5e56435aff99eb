/* SPDX-License-Identifier: Apache-2.0 */
#include "lab/svg_plot.h"

#include <math.h>
#include <stdio.h>

enum {
    WIDTH = 860,
    HEIGHT = 340, /* of a panel */
    HEAD = 40,    /* the title above all */
    LEFT = 64,
    RIGHT = 190, /* the names of the lines */
    TOP = 30,
    BOTTOM = 48,
};

/* Colours that stay apart for the colour-blind (Okabe and Ito 2008), then dashed again. */
enum { COLOURS = 8 };
static const char *const colour[COLOURS] = {"#000000", "#E69F00", "#0072B2", "#009E73",
                                            "#D55E00", "#CC79A7", "#56B4E9", "#8B7D00"};

/* Where a panel's values come to lie. */
struct frame {
    double x0, x1, y0, y1; /* values */
    double top;            /* of the panel, in pixels */
};

static double at_x(const struct frame *f, double x)
{
    return LEFT + (x - f->x0) / (f->x1 - f->x0) * (WIDTH - LEFT - RIGHT);
}

static double at_y(const struct frame *f, double y)
{
    return f->top + HEIGHT - BOTTOM -
           (y - f->y0) / (f->y1 - f->y0) * (HEIGHT - TOP - BOTTOM);
}

static void text(struct buf *out, double x, double y, const char *anchor, const char *s)
{
    buf_printf(out, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">", x, y, anchor);
    for (; *s; s++)
        if (*s == '<')
            buf_puts(out, "&lt;");
        else if (*s == '&')
            buf_puts(out, "&amp;");
        else
            buf_putc(out, *s);
    buf_puts(out, "</text>\n");
}

static void segment(struct buf *out, double x0, double y0, double x1, double y1,
                    const char *stroke, const char *dashes)
{
    buf_printf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"",
               x0, y0, x1, y1, stroke);
    if (dashes)
        buf_printf(out, " stroke-dasharray=\"%s\"", dashes);
    buf_puts(out, "/>\n");
}

/* Lines past the last colour begin with the first again, dashed. */
static const char *dashes_of(uint32_t line)
{
    return line >= COLOURS ? "6 3" : NULL;
}

/* A step of 1, 2 or 5 times a power of ten that makes four to ten of them. */
static double tick(double span)
{
    const double unit = pow(10, floor(log10(span / 4)));
    const double steps = span / 4 / unit;
    return unit * (steps >= 5 ? 5 : steps >= 2 ? 2 : 1);
}

static void find_frame(struct frame *f, const struct svg_panel *p)
{
    f->x0 = p->n ? p->x[0] : 0;
    f->x1 = p->n ? p->x[p->n - 1] : 1;
    f->y0 = f->y1 = 0;
    for (uint32_t l = 0; l < p->n_lines; l++)
        for (uint32_t i = 0; i < p->n; i++) {
            f->y0 = fmin(f->y0, p->line[l].y[i]); /* a NaN is passed over */
            f->y1 = fmax(f->y1, p->line[l].y[i]);
        }
    if (f->x1 <= f->x0)
        f->x1 = f->x0 + 1;
    if (f->y1 <= f->y0)
        f->y1 = f->y0 + 1;
    f->y1 += 0.05 * (f->y1 - f->y0);
}

static void draw_axes(struct buf *out, const struct frame *f, const struct svg_panel *p)
{
    const double step_x = tick(f->x1 - f->x0), step_y = tick(f->y1 - f->y0);
    char number[32];
    for (double x = ceil(f->x0 / step_x) * step_x; x <= f->x1; x += step_x) {
        snprintf(number, sizeof(number), "%g", x);
        segment(out, at_x(f, x), at_y(f, f->y0), at_x(f, x), at_y(f, f->y0) + 4, "#444",
                NULL);
        text(out, at_x(f, x), at_y(f, f->y0) + 18, "middle", number);
    }
    for (double y = ceil(f->y0 / step_y) * step_y; y <= f->y1; y += step_y) {
        snprintf(number, sizeof(number), "%g", fabs(y) < step_y / 2 ? 0 : y);
        segment(out, at_x(f, f->x0), at_y(f, y), at_x(f, f->x1), at_y(f, y), "#ddd",
                NULL);
        text(out, at_x(f, f->x0) - 6, at_y(f, y) + 4, "end", number);
    }
    segment(out, LEFT, at_y(f, f->y0), WIDTH - RIGHT, at_y(f, f->y0), "#444", NULL);
    segment(out, LEFT, at_y(f, f->y0), LEFT, f->top + TOP, "#444", NULL);
    text(out, (LEFT + WIDTH - RIGHT) / 2.0, f->top + HEIGHT - 10, "middle", p->x_name);
    text(out, LEFT - 50, f->top + TOP - 12, "start", p->y_name);
    text(out, (LEFT + WIDTH - RIGHT) / 2.0, f->top + TOP - 12, "middle", p->title);
}

static void draw_line(struct buf *out, const struct frame *f, const struct svg_panel *p,
                      uint32_t l)
{
    bool open = false;
    buf_printf(out, "<path fill=\"none\" stroke-width=\"1.6\" stroke=\"%s\"",
               colour[l % COLOURS]);
    if (dashes_of(l))
        buf_printf(out, " stroke-dasharray=\"%s\"", dashes_of(l));
    buf_puts(out, " d=\"");
    for (uint32_t i = 0; i < p->n; i++) {
        const double y = p->line[l].y[i];
        if (!isnan(y))
            buf_printf(out, "%c%.1f %.1f", open ? 'L' : 'M', at_x(f, p->x[i]),
                       at_y(f, y));
        open = !isnan(y);
    }
    buf_puts(out, "\"/>\n");
    const double y = f->top + TOP + 8 + 16 * l;
    segment(out, WIDTH - RIGHT + 12, y, WIDTH - RIGHT + 34, y, colour[l % COLOURS],
            dashes_of(l));
    text(out, WIDTH - RIGHT + 40, y + 4, "start", p->line[l].name);
}

void svg_plot(struct buf *out, const char *title, const struct svg_panel *panel,
              uint32_t n_panels)
{
    const uint32_t height = HEAD + n_panels * HEIGHT;
    buf_printf(out,
               "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%u\" "
               "viewBox=\"0 0 %d %u\" font-family=\"sans-serif\" font-size=\"12\">\n"
               "<rect width=\"%d\" height=\"%u\" fill=\"#fff\"/>\n",
               WIDTH, height, WIDTH, height, WIDTH, height);
    text(out, WIDTH / 2.0, 24, "middle", title);
    for (uint32_t i = 0; i < n_panels; i++) {
        struct frame f = {.top = HEAD + i * HEIGHT};
        find_frame(&f, &panel[i]);
        draw_axes(out, &f, &panel[i]);
        if (!isnan(panel[i].mark))
            segment(out, at_x(&f, panel[i].mark), at_y(&f, f.y0), at_x(&f, panel[i].mark),
                    f.top + TOP, "#a00", "4 4");
        for (uint32_t l = 0; l < panel[i].n_lines; l++)
            draw_line(out, &f, &panel[i], l);
    }
    buf_puts(out, "</svg>\n");
}
