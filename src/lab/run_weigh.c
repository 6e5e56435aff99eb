/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The weights that the validation cases ask for. Where items say something of themselves,
 * these are put as if a part of the items were new (learn/held_out.h), as the engine does.
 */
#include <stdlib.h>

#include "lab/protocol_run.h"
#include "learn/held_out.h"
#include "model/item_content.h"

static int collect(struct run *r, struct blend_cases *fit)
{
    const struct history *h = &r->p->data->history;
    struct bench *b = &r->bench[0];
    int status = PENCHANT_OK;
    for (size_t c = 0; c < r->cases->n && !status; c++) {
        const uint32_t user = r->cases->user[c];
        if (h->item[r->cases->at[c]] >= r->p->n_warm) /* hidden: chosen by nobody */
            continue;
        struct evidence_query q = run_put_case(r, b, c);
        if (q.n_items > r->p->n_warm) /* nor can hidden ones have been passed over */
            q.n_items = r->p->n_warm;
        const int flags =
            (held_out_weighs(user) ? BLEND_WEIGHS : 0) | (user % 2 ? BLEND_ODD : 0);
        status = blend_cases_add_query(fit, &r->evidence, r->o->mask, &q, FIT_CANDIDATES,
                                       h->item[r->cases->at[c]], (uint8_t)flags);
        run_forget_case(b);
    }
    return status;
}

/* A report on the cases themselves takes, for each fold, what the other one asks for. */
static int fit(struct run *r, struct blend *out, struct blend_report *report,
               struct penchant_error *err)
{
    struct blend_cases cases;
    struct blend_report unread;
    blend_cases_init(&cases);
    int status = collect(r, &cases);
    if (!status)
        status = blend_fit(out, &cases, r->o->mask, BLEND_ALL, r->pool, report);
    r->blend[0] = r->blend[1] = *out;
    if (!status && r->p->o.report == STAGE_VALIDATION) {
        status =
            blend_fit(&r->blend[0], &cases, r->o->mask, BLEND_ODDS, r->pool, &unread);
        if (!status)
            status =
                blend_fit(&r->blend[1], &cases, r->o->mask, BLEND_EVEN, r->pool, &unread);
    }
    blend_cases_release(&cases);
    return status ? error_set(err, status, "the blend cannot be fitted: %s",
                              penchant_status_text(status))
                  : PENCHANT_OK;
}

static int index_items(struct run *r, struct penchant_error *err)
{
    const struct model_config *c = &r->model->config;
    const uint32_t n = r->known < c->n_items ? r->known : c->n_items;
    return topk_index_new(&r->index, r->item_vectors, n, c->dim, err);
}

static int fit_blend(struct run *r, struct blend *out, struct blend_report *report,
                     struct penchant_error *err)
{
    const struct model *m = r->model;
    struct places cases;
    if ((r->o->mask & (r->o->mask - 1)) == 0) {
        struct evidence_weights one;
        for (uint32_t s = 0; s < EVIDENCE_SOURCES; s++)
            one.w[s] = (float)(r->o->mask >> s & 1);
        blend_constant(out, &one);
        *report = (struct blend_report){.is_single = true, .temperature = 1};
        r->blend[0] = r->blend[1] = *out;
        return PENCHANT_OK;
    }
    int status = protocol_cases(r->p, STAGE_VALIDATION, &cases, err);
    if (status)
        return status;
    places_thin(&cases, FIT_CASES);
    status = run_begin_cases(r, &cases, STAGE_VALIDATION, err);
    if (!status)
        status = m ? index_items(r, err) : PENCHANT_OK;
    if (!status)
        status = fit(r, out, report, err);
    topk_index_free(r->index);
    r->index = NULL;
    r->cases = NULL;
    places_release(&cases);
    return status;
}

/* ---- as if a part of the items were new ---- */

/* The model's vectors, with the part that is taken for new standing on content alone. */
static void hide_vectors(struct run *r)
{
    const struct model *m = r->model;
    for (uint32_t i = 0; m && i < m->config.n_items; i++)
        if (held_out_is_new(i))
            item_content_unseen(m, i, r->item_vectors + (size_t)i * m->config.dim);
}

static int observe_hiding(struct run *r, struct penchant_error *err)
{
    struct places order;
    struct held_out_recent room;
    int status = protocol_order(r->p, STAGE_FIT, &order, err);
    for (size_t i = 0; !status && i < order.n; i++) {
        struct evidence_event e = run_event(r, order.at[i], order.user[i]);
        if (held_out_observes(&e, &room) && evidence_observe(&r->evidence, &e))
            status = error_memory(err);
    }
    places_release(&order);
    return status;
}

int run_fit_blend(struct run *r, struct blend *out, struct blend_report *report,
                  struct penchant_error *err)
{
    if (!r->content.n)
        return fit_blend(r, out, report, err);
    const struct evidence seen = r->evidence;
    int status = run_evidence_init(r, err);
    if (!status)
        status = observe_hiding(r, err);
    if (!status) {
        hide_vectors(r);
        status = fit_blend(r, out, report, err);
        if (r->model)
            model_item_vectors(r->model, r->item_vectors);
    }
    evidence_release(&r->evidence);
    r->evidence = seen;
    return status;
}
