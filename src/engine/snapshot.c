/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loading models and handing them over. A damaged file is told in the log once, and the
 * old model stays in use.
 */
#include "engine/snapshot.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/rng.h"
#include "engine/shop_content.h"
#include "engine/shop_segments.h"
#include "interest/interests.h"
#include "model/checkpoint.h"
#include "model/content.h"

/* ---- one snapshot ---- */

static void snapshot_free(struct snapshot *s)
{
    if (!s)
        return;
    topk_index_free(s->index);
    encoder_free(s->encoder);
    if (!s->champion) {
        names_release(&s->attributes);
        critic_free(s->critic);
    }
    model_free(s->model);
    free(s->item_vectors);
    free(s->middle);
    free(s);
}

/* Every model that is served has one: without it the sources cannot be weighed. */
static int read_blend(struct snapshot *s, const char *path, struct penchant_error *err)
{
    const int rc = blend_load(&s->blend, path, err);
    if (rc != PENCHANT_ENOTFOUND)
        return rc;
    return error_set(err, PENCHANT_EVERSION,
                     "%s: its blend is missing or of another version; train anew", path);
}

static int read_notes(struct snapshot *s, const char *path, struct penchant_error *err)
{
    char text[512];
    int rc = read_blend(s, path, err);
    if (!rc)
        rc = checkpoint_note(path, NOTE_PRESET, s->preset, sizeof s->preset, err);
    if (!rc)
        rc = checkpoint_note(path, NOTE_NDCG, text, sizeof text, err);
    if (rc)
        return rc;
    s->ndcg10 = strtod(text, NULL);
    rc = checkpoint_note(path, NOTE_TRAINED_US, text, sizeof text, err);
    if (rc)
        return rc;
    s->trained_us = strtoll(text, NULL, 10);
    rc = checkpoint_note(path, NOTE_TRAINED_SEQ, text, sizeof text, err);
    s->trained_seq = strtoull(text, NULL, 10);
    return rc;
}

/* By which an item that comes later finds what the model has learned of its attributes. */
static int name_attributes(struct snapshot *s)
{
    const struct model *m = s->model;
    for (uint32_t i = 0; m->attribute_name && i < m->config.n_attributes; i++) {
        const char *name = m->attribute_name[i];
        const uint32_t at = *name ? names_add(&s->attributes, name, strlen(name))
                                  : names_skip(&s->attributes);
        if (at == NAMES_NONE)
            return PENCHANT_ENOMEM;
    }
    return PENCHANT_OK;
}

static int snapshot_load(struct snapshot **out, const char *path,
                         struct penchant_error *err)
{
    struct snapshot *s = calloc(1, sizeof *s);
    *out = NULL;
    if (!s)
        return error_memory(err);
    int rc = checkpoint_load(&s->model, path, err);
    if (!rc)
        rc = read_notes(s, path, err);
    if (!rc)
        rc = outlook_load(&s->outlook, path, err);
    if (!rc)
        rc = critic_load(&s->critic, path, s->model->config.dim, err);
    if (!rc)
        rc = encoder_new(&s->encoder, s->model, err);
    if (!rc && name_attributes(s))
        rc = error_memory(err);
    if (rc)
        goto out;
    s->n_items = s->model->config.n_items;
    s->dim = s->model->config.dim;
    s->item_vectors = malloc((size_t)s->n_items * s->dim * sizeof *s->item_vectors);
    s->middle = malloc(s->dim * sizeof *s->middle);
    if (!s->item_vectors || !s->middle) {
        rc = error_memory(err);
        goto out;
    }
    model_item_vectors(s->model, s->item_vectors);
    interest_middle(s->item_vectors, s->n_items, s->dim, s->middle);
    rc = topk_index_new(&s->index, s->item_vectors, s->n_items, s->dim, err);
out:
    if (rc) {
        snapshot_free(s);
        return rc;
    }
    *out = s;
    return PENCHANT_OK;
}

/* ---- handing over ---- */

struct snapshot *engine_snapshot_acquire(struct penchant *p)
{
    pthread_mutex_lock(&p->snapshot_lock);
    struct snapshot *s = p->snapshot;
    if (s)
        s->users++;
    pthread_mutex_unlock(&p->snapshot_lock);
    return s;
}

struct snapshot *engine_snapshot_share(struct penchant *p, struct snapshot *s)
{
    pthread_mutex_lock(&p->snapshot_lock);
    s->users++;
    pthread_mutex_unlock(&p->snapshot_lock);
    return s;
}

void engine_snapshot_release(struct penchant *p, struct snapshot *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&p->snapshot_lock);
    const bool last = --s->users == 0;
    pthread_mutex_unlock(&p->snapshot_lock);
    if (!last)
        return;
    struct snapshot *champion = s->champion;
    snapshot_free(s);
    engine_snapshot_release(p, champion); /* which has none itself */
}

/* Puts `s` (or nothing) in the place of the present one. */
static void replace(struct penchant *p, struct snapshot *s)
{
    pthread_mutex_lock(&p->snapshot_lock);
    struct snapshot *old = p->snapshot;
    if (s) {
        s->users = 1;
        s->version = ++p->snapshots;
        s->base = s->base ? s->base : s->version;
    }
    p->snapshot = s;
    pthread_mutex_unlock(&p->snapshot_lock);
    engine_snapshot_release(p, old);
}

uint64_t engine_snapshot_states(const struct snapshot *s, uint32_t user, uint32_t epoch)
{
    const uint64_t age = (s->published + user % SNAPSHOT_STATES) / SNAPSHOT_STATES;
    return rng_mix(rng_mix(rng_mix(s->base) ^ ((uint64_t)s->era << 32 | epoch)) ^ age);
}

/* ---- what was learned since ---- */

/* The vectors of the model's items, of which only `rows` differ from those of `from`. */
static int change_vectors(struct snapshot *s, const struct snapshot *from,
                          const struct snapshot_change *change,
                          struct penchant_error *err)
{
    const size_t d = s->dim, bytes = s->n_items * d * sizeof *s->item_vectors;
    s->item_vectors = malloc(bytes);
    s->middle = malloc(d * sizeof *s->middle);
    if (!s->item_vectors || !s->middle)
        return error_memory(err);
    memcpy(s->item_vectors, from->item_vectors, bytes);
    const uint32_t n = change->rolled_back ? 0 : change->n; /* those are the champion's */
    for (uint32_t i = 0; i < n; i++) {
        float *row = s->item_vectors + change->rows[i] * d;
        model_item_vector(s->model, change->rows[i], row);
        model_scale_scored(s->model, row);
    }
    interest_middle(s->item_vectors, s->n_items, s->dim, s->middle);
    return topk_index_update(&s->index, from->index, s->item_vectors, change->rows, n,
                             err);
}

/* `from` is the snapshot that the vectors are taken from. */
static int make_changed(struct snapshot **out, struct penchant *p,
                        const struct snapshot *from, const struct snapshot_change *change,
                        struct penchant_error *err)
{
    struct snapshot *c = change->champion;
    struct snapshot *s = calloc(1, sizeof *s);
    *out = s;
    if (!s)
        return error_memory(err);
    s->users = 1;
    s->champion = engine_snapshot_share(p, c);
    s->attributes = c->attributes;
    s->critic = c->critic;
    s->blend = c->blend;
    s->outlook = c->outlook;
    s->trained_seq = c->trained_seq;
    s->trained_us = c->trained_us;
    s->ndcg10 = c->ndcg10;
    memcpy(s->preset, c->preset, sizeof s->preset);
    s->n_items = c->n_items;
    s->dim = c->dim;
    s->base = c->base;
    s->model = model_clone(change->model);
    if (!s->model)
        return error_memory(err);
    const int rc = encoder_new(&s->encoder, s->model, err);
    return rc ? rc : change_vectors(s, from, change, err);
}

int engine_snapshot_publish(struct penchant *p, const struct snapshot_change *change,
                            struct penchant_error *err)
{
    struct snapshot *present = engine_snapshot_acquire(p), *s = NULL;
    int rc = present && present->base == change->champion->base ? PENCHANT_OK
                                                                : PENCHANT_ENOMODEL;
    if (!rc)
        rc = make_changed(&s, p, change->rolled_back ? change->champion : present, change,
                          err);
    if (!rc) {
        s->published = present->published + 1;
        s->era = present->era + change->rolled_back;
        pthread_mutex_lock(&p->refresh_lock); /* nobody picks a model up meanwhile */
        if (p->snapshot == present)
            replace(p, s);
        else
            rc = PENCHANT_ENOMODEL;
        pthread_mutex_unlock(&p->refresh_lock);
    }
    engine_snapshot_release(p, present);
    if (rc)
        engine_snapshot_release(p, s);
    return rc;
}

/* A number that changes whenever the file does; 0 when there is none. */
static uint64_t file_identity(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return 0;
    const int64_t what[] = {(int64_t)st.st_dev, (int64_t)st.st_ino, st.st_size,
                            st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
    return hash_bytes(what, sizeof what) | 1;
}

/* The identity is taken before the file is read: one that is replaced meanwhile is read
   again the next time. */
static void pick_up(struct penchant *p)
{
    char path[ENGINE_PATH_MAX];
    struct penchant_error err = {0};
    struct content_space *space = NULL;
    struct snapshot *s = NULL;
    if (!p->dir || engine_path(p, SNAPSHOT_FILE, path, &err))
        return;
    const uint64_t identity = file_identity(path);
    if (identity == 0 || identity == p->model_tried)
        return;
    p->model_tried = identity;
    int rc = snapshot_load(&s, path, &err);
    if (!rc)
        rc = content_load(&space, path, &err);
    if (!rc)
        rc = shop_content_renew(p, space, s, replace, &err);
    if (rc && (!s || s->version == 0))
        snapshot_free(s);
    if (rc) {
        engine_log(p, PENCHANT_WARN, "model_refused path=%s reason=\"%s\"", path,
                   err.text);
        return;
    }
    s = engine_snapshot_acquire(p);
    engine_log(p, PENCHANT_INFO, "model_loaded preset=%s dim=%u items=%u ndcg10=%.4f",
               s->preset, s->dim, s->n_items, s->ndcg10);
    engine_snapshot_release(p, s);
    user_states_cache_clear(p->states); /* made with the model before */
    engine_segments_load(p, path);
}

int engine_snapshot_judged(struct penchant *p, const struct snapshot *present,
                           struct snapshot **out, struct penchant_error *err)
{
    char path[ENGINE_PATH_MAX];
    *out = NULL;
    if (!p->dir)
        return PENCHANT_OK;
    int rc = engine_path(p, SNAPSHOT_JUDGED, path, err);
    if (!rc)
        rc = snapshot_load(out, path, err);
    if (rc == PENCHANT_ENOTFOUND)
        return PENCHANT_OK;
    if (rc)
        return rc;
    (*out)->users = 1;
    if ((*out)->trained_us == present->trained_us)
        return PENCHANT_OK;
    engine_snapshot_release(p, *out); /* of another training */
    *out = NULL;
    return PENCHANT_OK;
}

void engine_snapshot_refresh(struct penchant *p)
{
    pthread_mutex_lock(&p->refresh_lock);
    pick_up(p);
    pthread_mutex_unlock(&p->refresh_lock);
}

void engine_snapshot_close(struct penchant *p)
{
    replace(p, NULL);
}

void engine_snapshot_status(struct penchant *p, struct penchant_status_report *out)
{
    struct snapshot *s = engine_snapshot_acquire(p);
    out->has_model = s != NULL;
    if (s) {
        memcpy(out->preset, s->preset, sizeof out->preset);
        out->dim = s->dim;
        out->blocks = s->model->config.blocks;
        out->model_version = s->version;
        out->model_trained_us = s->trained_us;
        out->model_ndcg10 = s->ndcg10;
    }
    engine_snapshot_release(p, s);
}
