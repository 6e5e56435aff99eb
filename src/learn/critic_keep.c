/* SPDX-License-Identifier: Apache-2.0 */
/* A critic in a checkpoint. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn/critic.h"

#define FACTS "critic.facts"

_Static_assert(sizeof(struct critic_figures) == CRITIC_FIGURES * sizeof(float),
               "figures are a row of floats");

/* The two tensors of a head. */
static void describe(const struct critic *c, int o, struct checkpoint_extra extra[2])
{
    const struct critic_form *f = &c->form;
    const float *param = c->head[o].param;
    extra[0] = (struct checkpoint_extra){
        .rows = f->inputs, .cols = (uint32_t)critic_width(f), .data = param};
    extra[1] = (struct checkpoint_extra){
        .rows = 3, .cols = f->inputs + f->hidden, .data = param + critic_heads_at(f)};
    snprintf(extra[0].name, sizeof extra[0].name, "critic.%s.affine", critic_names[o]);
    snprintf(extra[1].name, sizeof extra[1].name, "critic.%s.heads", critic_names[o]);
}

size_t critic_extras(const struct critic *c, struct critic_kept *kept,
                     struct checkpoint_extra *extra)
{
    size_t n = 1;
    if (!c)
        return 0;
    for (int o = 0; o < CRITIC_OBJECTIVES; o++) {
        const struct critic_head *head = &c->head[o];
        float *row = kept->facts[o];
        row[0] = (float)head->why;
        row[1] = head->gamma;
        row[2] = head->scale;
        memcpy(row + 3, &head->figures, sizeof head->figures);
        if (head->why != CRITIC_GIVEN)
            continue;
        describe(c, o, extra + n);
        n += 2;
    }
    extra[0] = (struct checkpoint_extra){.name = FACTS,
                                         .rows = CRITIC_OBJECTIVES,
                                         .cols = CRITIC_KEPT,
                                         .data = kept->facts[0]};
    return n;
}

/* False: these facts cannot be. */
static bool take_facts(struct critic *c, const float *facts)
{
    for (int o = 0; o < CRITIC_OBJECTIVES; o++) {
        const float *row = facts + (size_t)o * CRITIC_KEPT;
        struct critic_head *head = &c->head[o];
        if (!(row[0] >= 0 && row[0] < CRITIC_WHYS && row[1] > 0 && row[1] < 1 &&
              row[2] > 0))
            return false;
        head->why = (enum critic_why)row[0];
        head->gamma = row[1];
        head->scale = row[2];
        memcpy(&head->figures, row + 3, sizeof head->figures);
    }
    return true;
}

/* One tensor of a head into its place; *whole: it is there in the right form. */
static int take_tensor(const struct checkpoint_extra *form, const char *path, bool *whole,
                       struct penchant_error *err)
{
    float *data = NULL, *to = (float *)(uintptr_t)form->data;
    uint32_t rows = 0, cols = 0;
    const int rc = checkpoint_extra(path, form->name, &data, &rows, &cols, err);
    *whole = !rc && rows == form->rows && cols == form->cols;
    if (*whole)
        memcpy(to, data, (size_t)rows * cols * sizeof *data);
    free(data);
    return rc == PENCHANT_ENOTFOUND ? PENCHANT_OK : rc;
}

static int take_heads(struct critic *c, const char *path, bool *whole,
                      struct penchant_error *err)
{
    int rc = PENCHANT_OK;
    for (int o = 0; o < CRITIC_OBJECTIVES; o++) {
        struct checkpoint_extra form[2];
        describe(c, o, form);
        for (int i = 0; !rc && *whole && c->head[o].why == CRITIC_GIVEN && i < 2; i++)
            rc = take_tensor(&form[i], path, whole, err);
    }
    return rc;
}

int critic_load(struct critic **out, const char *path, uint32_t dim,
                struct penchant_error *err)
{
    const struct critic_form form = critic_form_of(dim);
    float *facts = NULL;
    uint32_t rows = 0, cols = 0;
    bool whole = true;
    *out = NULL;
    int rc = checkpoint_extra(path, FACTS, &facts, &rows, &cols, err);
    if (rc || rows != CRITIC_OBJECTIVES || cols != CRITIC_KEPT) {
        free(facts);
        return rc == PENCHANT_ENOTFOUND ? PENCHANT_OK : rc;
    }
    struct critic *c = critic_new(&form);
    if (!c)
        rc = error_memory(err);
    else if (!take_facts(c, facts))
        rc = error_set(err, PENCHANT_ECORRUPT, "%s: its values cannot be", path);
    else
        rc = take_heads(c, path, &whole, err);
    free(facts);
    if (rc || !whole)
        critic_free(c);
    else
        *out = c;
    return rc;
}
