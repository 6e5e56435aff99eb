/* SPDX-License-Identifier: Apache-2.0 */
/* The picture of a simulation: reward by the turn of an episode, and by episode. */
#include <math.h>
#include <stdlib.h>

#include "lab/simulate_report.h"
#include "lab/svg_plot.h"

typedef double mean_fn(const struct simulation *s, uint32_t policy, uint32_t from,
                       uint32_t to);

/* One panel's values: x, then the lines. */
struct panel {
    double *value; /* (1 + policies, n) */
    struct svg_line line[SIMULATE_MOST_POLICIES];
    uint32_t n;
};

static bool fill(struct panel *p, const struct simulation *s, uint32_t length,
                 mean_fn *mean)
{
    const uint32_t stride = (length + SIMULATE_POINTS - 1) / SIMULATE_POINTS;
    p->n = stride ? (length + stride - 1) / stride : 0;
    p->value = malloc((1 + (size_t)s->options.n_policies) * p->n * sizeof(*p->value) + 1);
    if (!p->value)
        return false;
    for (uint32_t i = 0; i < p->n; i++)
        p->value[i] = i * stride + (stride - 1) / 2.0;
    for (uint32_t l = 0; l < s->options.n_policies; l++) {
        double *y = p->value + (1 + (size_t)l) * p->n;
        for (uint32_t i = 0; i < p->n; i++)
            y[i] = mean(s, l, i * stride, (i + 1) * stride);
        p->line[l] = (struct svg_line){.name = s->options.policy[l].name, .y = y};
    }
    return true;
}

static struct svg_panel drawn(const struct panel *p, const struct simulation *s)
{
    return (struct svg_panel){.y_name = "reward",
                              .x = p->value,
                              .n = p->n,
                              .line = p->line,
                              .n_lines = s->options.n_policies,
                              .mark = NAN};
}

void simulate_plot(struct buf *out, const struct simulation *s)
{
    struct panel turn = {0}, episode = {0};
    struct svg_panel panel[2];
    uint32_t n = 0;
    const uint32_t turns = simulation_turns(s);
    if (!fill(&turn, s, turns, simulation_turns_mean) ||
        !fill(&episode, s, s->options.episodes, simulation_episodes_mean)) {
        out->failed = true;
        free(turn.value);
        return;
    }
    if (turns > 1) {
        panel[n] = drawn(&turn, s);
        panel[n].title = "reward of a turn, mean over users and seeds";
        panel[n].x_name = "turn of the episode";
        if (simulation_has_switch(s))
            panel[n].mark = simulation_switch_turn(s);
        n++;
    }
    if (s->options.episodes > 1) {
        panel[n] = drawn(&episode, s);
        panel[n].title = "reward of an episode, mean over seeds";
        panel[n].x_name = "episode";
        n++;
    }
    svg_plot(out, s->options.world->name, panel, n);
    free(turn.value);
    free(episode.value);
}
