/* SPDX-License-Identifier: Apache-2.0 */
/* An outlook in a checkpoint. */
#include <stdlib.h>
#include <string.h>

#include "interest/outlook.h"

_Static_assert(sizeof(struct outlook_figures) == OUTLOOK_FIGURES * sizeof(float),
               "figures are a row of floats");

static const struct checkpoint_extra form[OUTLOOK_EXTRAS] = {
    {"outlook.facts", 2, OUTLOOK_OUTPUTS, NULL},
    {"outlook.scale", 2, OUTLOOK_FEATURES, NULL},
    {"outlook.weights", OUTLOOK_OUTPUTS, OUTLOOK_ROW, NULL},
    {"outlook.curves", OUTLOOK_OUTPUTS, OUTLOOK_CURVE_COLS, NULL},
    {"outlook.figures", OUTLOOK_OUTPUTS + 1, OUTLOOK_FIGURES, NULL},
};

_Static_assert(offsetof(struct outlook_model, scale) ==
                   offsetof(struct outlook_model, mean) +
                       OUTLOOK_FEATURES * sizeof(float),
               "mean and scale are two rows");

size_t outlook_extras(const struct outlook_model *m, struct outlook_kept *kept,
                      struct checkpoint_extra *extra)
{
    memset(kept, 0, sizeof(*kept));
    for (int o = 0; o < OUTLOOK_OUTPUTS; o++) {
        float *c = kept->curve[o];
        kept->facts[0][o] = m->why[o];
        kept->facts[1][o] = m->newcomer[o];
        c[0] = (float)m->curve[o].n;
        memcpy(c + 1, m->curve[o].x, sizeof(m->curve[o].x));
        memcpy(c + 1 + OUTLOOK_KNOTS, m->curve[o].y, sizeof(m->curve[o].y));
    }
    memcpy(extra, form, sizeof(form));
    extra[0].data = kept->facts[0];
    extra[1].data = m->mean;
    extra[2].data = m->weight[0];
    extra[3].data = kept->curve[0];
    extra[4].data = &m->figures[0].n;
    return OUTLOOK_EXTRAS;
}

/* Tables of 64 and less from numbers of a file: false when they cannot be. */
static bool take_facts(struct outlook_model *m, const float *facts)
{
    for (int o = 0; o < OUTLOOK_OUTPUTS; o++) {
        const float why = facts[o], newcomer = facts[OUTLOOK_OUTPUTS + o];
        if (!(why >= 0 && why < OUTLOOK_WHYS && newcomer >= 0 && newcomer <= 1))
            return false;
        m->why[o] = (uint8_t)why;
        m->newcomer[o] = newcomer;
    }
    return true;
}

static bool take_curves(struct outlook_model *m, const float *curves)
{
    for (int o = 0; o < OUTLOOK_OUTPUTS; o++) {
        const float *c = curves + (size_t)o * OUTLOOK_CURVE_COLS;
        struct outlook_curve *out = &m->curve[o];
        if (!(c[0] >= 0 && c[0] <= OUTLOOK_KNOTS))
            return false;
        out->n = (uint32_t)c[0];
        memcpy(out->x, c + 1, sizeof(out->x));
        memcpy(out->y, c + 1 + OUTLOOK_KNOTS, sizeof(out->y));
        for (uint32_t i = 0; i < out->n; i++)
            if (!(out->y[i] > 0 && out->y[i] < 1) ||
                (i && !(out->x[i] > out->x[i - 1] && out->y[i] >= out->y[i - 1])))
                return false;
        if (!m->why[o] && !out->n)
            return false;
    }
    return true;
}

static bool take(struct outlook_model *m, float *const data[OUTLOOK_EXTRAS])
{
    memcpy(m->mean, data[1], sizeof(m->mean));
    memcpy(m->scale, data[1] + OUTLOOK_FEATURES, sizeof(m->scale));
    memcpy(m->weight, data[2], sizeof(m->weight));
    memcpy(m->figures, data[4], sizeof(m->figures));
    return take_facts(m, data[0]) && take_curves(m, data[3]);
}

int outlook_load(struct outlook_model *m, const char *path, struct penchant_error *err)
{
    float *data[OUTLOOK_EXTRAS] = {0};
    bool whole = true;
    int rc = PENCHANT_OK;
    outlook_none(m, OUTLOOK_UNTRAINED);
    for (int i = 0; !rc && whole && i < OUTLOOK_EXTRAS; i++) {
        uint32_t rows = 0, cols = 0;
        rc = checkpoint_extra(path, form[i].name, &data[i], &rows, &cols, err);
        whole = !rc && rows == form[i].rows && cols == form[i].cols;
    }
    if (rc == PENCHANT_ENOTFOUND)
        rc = PENCHANT_OK;
    else if (!rc && whole && !take(m, data))
        rc = error_set(err, PENCHANT_ECORRUPT, "%s: its outlook cannot be", path);
    if (rc)
        outlook_none(m, OUTLOOK_UNTRAINED);
    for (int i = 0; i < OUTLOOK_EXTRAS; i++)
        free(data[i]);
    return rc;
}
