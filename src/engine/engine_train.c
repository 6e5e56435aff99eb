/* SPDX-License-Identifier: Apache-2.0 */
/*
 * penchant_train: reads the log beside whoever has the shop open, trains, weights the
 * sources on the held-out events, learns those too, and leaves
 * DIR/model/model.safetensors. Beside it DIR/model/judged.safetensors keeps the model as
 * it was before that last lesson, for penchant_evaluate(). The best model so far stands
 * in DIR/model/best.safetensors until then, so that a run that is cut off can be resumed.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/files.h"
#include "base/timing.h"
#include "engine/engine_config.h"
#include "engine/lessons.h"
#include "engine/resume.h"
#include "engine/segments_train.h"
#include "engine/values_train.h"
#include "evidence/blend_fit.h"
#include "learn/held_out.h"
#include "learn/outlook_fit.h"
#include "model/checkpoint.h"
#include "model/item_content.h"

enum { FIT_EACH = 64 }; /* candidates of every source in a case */

#define BEST_FILE SNAPSHOT_DIR "/best.safetensors"

struct training {
    const struct penchant_train_options *o;
    struct penchant_train_report *report;
    struct lessons lessons;
    struct model *resumed;
    struct outlook_model outlook;
    struct segments_trained segments;
    bool wants_values;
    struct critic *critic; /* NULL: none */
    int64_t trained_us;    /* notes both models as one training's */
    char model_path[ENGINE_PATH_MAX], best_path[ENGINE_PATH_MAX];
    char judged_path[ENGINE_PATH_MAX];
    struct penchant_error *err;
};

void penchant_train_options_default(struct penchant_train_options *o)
{
    *o = (struct penchant_train_options){
        .preset = "auto",
        .content = "auto",
        .values = "auto",
        .dropout = -1,
        .learning_rate = -1,
        .weight_decay = -1,
        .seed = 1,
        .threads = 2,
    };
}

/* ---- checkpoints ---- */

enum { MOST_NOTES = 14 + EVIDENCE_SOURCES, NOTE_TEXT = 320 };

struct notes {
    struct checkpoint_note note[MOST_NOTES];
    char name[MOST_NOTES][32], text[MOST_NOTES][NOTE_TEXT];
    size_t n;
};

__attribute__((format(printf, 3, 4))) static void
add_note(struct notes *n, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    snprintf(n->name[n->n], sizeof n->name[0], "%s", name);
    vsnprintf(n->text[n->n], sizeof n->text[0], format, args);
    va_end(args);
    n->note[n->n] = (struct checkpoint_note){n->name[n->n], n->text[n->n]};
    n->n++;
}

static void note_training(struct notes *n, const struct training *t)
{
    const struct penchant_train_report *r = t->report;
    add_note(n, NOTE_PRESET, "%s", r->preset);
    add_note(n, NOTE_LOSS, "%s", r->loss);
    add_note(n, NOTE_DROPOUT, "%.9g", r->dropout);
    add_note(n, NOTE_DECAY, "%.9g", r->weight_decay);
    if (r->negatives)
        add_note(n, NOTE_NEGATIVES, "%u", r->negatives);
    add_note(n, NOTE_SEED, "%llu", (unsigned long long)r->seed);
    add_note(n, NOTE_TRAINED_US, "%lld", (long long)t->trained_us);
    add_note(n, NOTE_TRAINED_SEQ, "%llu", (unsigned long long)t->lessons.last_seq);
}

/* The space that the items' content is in. */
static size_t space_extras(const struct training *t, struct checkpoint_extra *extra)
{
    return t->lessons.space ? content_extras(t->lessons.space, extra) : 0;
}

/* Every best model so far; a later --resume starts from it. */
static int keep_best(void *cookie, const struct model *m,
                     const struct penchant_train_report *report)
{
    struct training *t = cookie;
    struct notes n = {.n = 0};
    if (report != t->report)
        *t->report = *report;
    t->trained_us = timing_now_us();
    note_training(&n, t);
    struct checkpoint_extra extra[CONTENT_EXTRAS];
    const size_t n_extras = space_extras(t, extra);
    return checkpoint_save(t->best_path, m, n.note, n.n, extra, n_extras, t->err);
}

static int save(struct training *t, const char *path, const struct model *m,
                const struct blend *b, const struct blend_report *fit)
{
    struct notes n = {.n = 0};
    struct checkpoint_extra extra[BLEND_EXTRAS + SEGMENTS_EXTRAS + OUTLOOK_EXTRAS +
                                  CONTENT_EXTRAS + CRITIC_EXTRAS];
    char name[32];
    note_training(&n, t);
    add_note(&n, NOTE_NDCG, "%.6f", fit->blend.ndcg10);
    for (int s = 0; s < EVIDENCE_SOURCES; s++) {
        snprintf(name, sizeof name, NOTE_NDCG ".%s", evidence_sources[s]->name);
        add_note(&n, name, "%.6f", fit->alone[s].ndcg10);
    }
    struct outlook_kept kept;
    struct critic_kept kept_values;
    size_t n_extras = blend_extras(b, extra);
    n_extras += segments_extras(&t->segments, extra + n_extras);
    n_extras += outlook_extras(&t->outlook, &kept, extra + n_extras);
    n_extras += space_extras(t, extra + n_extras);
    n_extras += critic_extras(t->critic, &kept_values, extra + n_extras);
    return checkpoint_save(path, m, n.note, n.n, extra, n_extras, t->err);
}

/* ---- weights ---- */

static bool go_on(const struct training *t, size_t done, size_t total)
{
    const struct penchant_train_options *o = t->o;
    return done % 256 || t->report->stopped || !o->progress ||
           o->progress(o->cookie, "weigh", done, total, "") == 0;
}

/* The blend that the held-out events ask for; a run that is cut short here goes by
   those that it has come to. */
static int weigh(struct training *t, const struct snapshot *s, struct blend *b,
                 struct blend_report *fit)
{
    struct lessons *l = &t->lessons;
    struct exam exam;
    struct blend_cases cases;
    const uint32_t all = (1U << EVIDENCE_SOURCES) - 1;
    const uint32_t threads = t->o->threads ? t->o->threads : 2;
    int rc = exam_init(&exam, l, s, threads, t->err);
    if (rc)
        return rc;
    struct pool *pool = pool_new(threads);
    uint64_t *skip = calloc(l->history.n_items / 64 + 1, sizeof *skip);
    blend_cases_init(&cases);
    rc = skip && pool ? PENCHANT_OK : error_memory(t->err);
    for (size_t c = 0; !rc && c < l->n_cases && go_on(t, c, l->n_cases); c++) {
        const struct evidence_query q = exam_question(&exam, c, skip);
        if (blend_cases_add_query(&cases, &l->evidence, all, &q, FIT_EACH,
                                  exam_answer(&exam, c),
                                  held_out_weighs(l->user[c]) ? BLEND_WEIGHS : 0))
            rc = error_memory(t->err);
        exam_forget(&exam, c, skip);
    }
    if (!rc && blend_fit(b, &cases, all, BLEND_ALL, pool, fit))
        rc = error_memory(t->err);
    blend_cases_release(&cases);
    pool_free(pool);
    free(skip);
    exam_release(&exam);
    return rc;
}

static int weigh_model(struct training *t, struct model *m, struct blend *b,
                       struct blend_report *fit)
{
    struct snapshot s = {.model = m, .n_items = m->config.n_items, .dim = m->config.dim};
    s.item_vectors = malloc((size_t)s.n_items * s.dim * sizeof *s.item_vectors);
    if (!s.item_vectors)
        return error_memory(t->err);
    model_item_vectors(m, s.item_vectors);
    for (uint32_t i = 0; t->lessons.hides && i < s.n_items; i++)
        if (held_out_is_new(i))
            item_content_unseen(m, i, s.item_vectors + (size_t)i * s.dim);
    int rc = topk_index_new(&s.index, s.item_vectors, s.n_items, s.dim, t->err);
    if (!rc)
        rc = weigh(t, &s, b, fit);
    topk_index_free(s.index);
    free(s.item_vectors);
    return rc;
}

/* The segments stand among the vectors of the model that is served. */
static int find_segments(struct training *t, const struct model *m)
{
    const uint32_t n = m->config.n_items, d = m->config.dim;
    float *vectors = malloc((size_t)n * d * sizeof *vectors);
    if (!vectors)
        return error_memory(t->err);
    model_item_vectors(m, vectors);
    const int rc =
        segments_train(&t->segments, &t->lessons, vectors, n, d, t->report->seed,
                       t->o->threads ? t->o->threads : 2, t->err);
    free(vectors);
    return rc;
}

/* On the states of the model that is served. A run that was stopped has none. */
static int learn_values(struct training *t, const struct model *m)
{
    const int64_t start = timing_steady_ns();
    bool stopped = false;
    if (!t->wants_values || t->report->stopped)
        return PENCHANT_OK;
    const int rc =
        values_train(&t->critic, &stopped, &t->lessons, m, t->o, t->report->seed, t->err);
    t->report->value_seconds = (double)(timing_steady_ns() - start) * 1e-9;
    t->report->stopped = stopped;
    return rc;
}

/* ---- training ---- */

/* The weights are fitted on events that the model has not seen; then it learns those too.
   A run that was stopped is served as it is. */
static int finish(struct training *t, struct model *best, const struct train_data *data,
                  const struct train_options *chosen)
{
    struct blend b;
    struct blend_report fit;
    struct model *all = NULL;
    t->trained_us = timing_now_us();
    int rc = outlook_fit(&t->outlook, &t->lessons.history, &t->lessons.catalog,
                         t->report->seed)
                 ? error_memory(t->err)
                 : weigh_model(t, best, &b, &fit);
    if (!rc && !t->report->stopped) {
        rc = save(t, t->judged_path, best, &b, &fit);
        if (!rc)
            rc = train_everything(&all, best, data, chosen, t->report, t->err);
    }
    if (!rc)
        rc = find_segments(t, all ? all : best);
    if (!rc)
        rc = learn_values(t, all ? all : best);
    if (!rc)
        rc = save(t, t->model_path, all ? all : best, &b, &fit);
    if (!rc) {
        unlink(t->best_path);
        if (!all)
            unlink(t->judged_path); /* of an earlier training */
    }
    model_free(all);
    return rc;
}

static int make_paths(struct training *t)
{
    char dir[ENGINE_PATH_MAX];
    const struct {
        char *out;
        const char *name;
    } path[] = {
        {dir, SNAPSHOT_DIR},
        {t->model_path, SNAPSHOT_FILE},
        {t->judged_path, SNAPSHOT_JUDGED},
        {t->best_path, BEST_FILE},
    };
    for (size_t i = 0; i < sizeof path / sizeof *path; i++) {
        const int n =
            snprintf(path[i].out, ENGINE_PATH_MAX, "%s/%s", t->o->dir, path[i].name);
        if (n < 0 || n >= ENGINE_PATH_MAX)
            return error_field(t->err, PENCHANT_EINVALID, 0, "dir",
                               "the folder's name is too long");
    }
    return files_make_dir(dir, t->err);
}

/* Reads in one consistent view, whatever is written meanwhile. */
static int read_shop(struct training *t)
{
    char path[ENGINE_PATH_MAX], conf[ENGINE_PATH_MAX];
    struct store *store = NULL;
    struct engine_config config;
    const int n = snprintf(path, sizeof path, "%s/shop.db", t->o->dir);
    if (n < 0 || n >= (int)sizeof path ||
        snprintf(conf, sizeof conf, "%s/penchant.conf", t->o->dir) >= (int)sizeof conf)
        return error_field(t->err, PENCHANT_EINVALID, 0, "dir",
                           "the folder's name is too long");
    engine_config_default(&config);
    int rc = engine_config_read(&config, conf, t->err);
    if (rc)
        return rc;
    const struct store_options so = {.path = path, .read_only = true};
    rc = store_sqlite.open(&store, &so, t->err);
    if (rc)
        return rc;
    rc = store_sqlite.begin(store, t->err);
    if (!rc) {
        rc = lessons_read_to_weigh(&t->lessons, store, &config.rewards, t->err);
        store_sqlite.rollback(store);
    }
    store_sqlite.close(store);
    return rc;
}

/* Copies the note, if there is one, for an option that the user left open. */
static int recall(const char *path, const char *name, char text[NOTE_TEXT],
                  const char **option, struct penchant_error *err)
{
    const int rc = checkpoint_note(path, name, text, NOTE_TEXT, err);
    if (!rc && !*option && text[0])
        *option = text;
    return rc;
}

/* The options of the run that wrote the checkpoint, but for what the user says now. The
   model's form is the checkpoint's in any case. */
static int recall_options(const struct training *t, const char *path,
                          const struct train_data *data, struct train_options *options)
{
    char preset[NOTE_TEXT], loss[NOTE_TEXT], dropout[NOTE_TEXT];
    char decay[NOTE_TEXT], negatives[NOTE_TEXT];
    struct penchant_train_options asked = *t->o;
    const char *rate = NULL, *shrink = NULL, *drawn = NULL;
    asked.preset = NULL;
    int rc = recall(path, NOTE_PRESET, preset, &asked.preset, t->err);
    if (!rc)
        rc = recall(path, NOTE_LOSS, loss, &asked.loss, t->err);
    if (!rc)
        rc = recall(path, NOTE_DROPOUT, dropout, &rate, t->err);
    if (!rc)
        rc = recall(path, NOTE_DECAY, decay, &shrink, t->err);
    if (!rc)
        rc = recall(path, NOTE_NEGATIVES, negatives, &drawn, t->err);
    if (rc)
        return rc;
    if (rate && asked.dropout < 0)
        asked.dropout = strtod(rate, NULL);
    if (shrink && asked.weight_decay < 0)
        asked.weight_decay = strtod(shrink, NULL);
    if (drawn && !asked.negatives)
        asked.negatives = (uint32_t)strtoul(drawn, NULL, 10);
    rc = train_options_from(options, &asked, data, t->err);
    options->model = t->resumed->config;
    options->resume_from = t->resumed;
    options->race = NULL;
    return rc;
}

/* From the last checkpoint: the best of a run that was cut off, else the finished one, if
   possible as it was before it learned the events that are to judge it. */
static int resume(struct training *t, const struct train_data *data,
                  struct train_options *options)
{
    const char *const path[] = {t->best_path, t->judged_path, t->model_path};
    int rc = PENCHANT_ENOTFOUND;
    size_t i;
    for (i = 0; i < 3 && rc == PENCHANT_ENOTFOUND; i++)
        rc = resume_model(&t->resumed, path[i], data, t->o->seed, t->err);
    if (rc == PENCHANT_ENOTFOUND)
        return error_set(t->err, PENCHANT_ENOTFOUND,
                         "there is no checkpoint to go on from");
    return rc ? rc : recall_options(t, path[i - 1], data, options);
}

static int show(void *cookie, const char *what, uint64_t done, uint64_t total,
                const char *detail)
{
    const struct training *t = cookie;
    return t->o->progress(t->o->cookie, what, done, total, detail);
}

/* What the items say, for a run that goes on in the space that it began with. */
static int describe(struct training *t)
{
    const char *path = NULL;
    if (t->o->resume)
        path = access(t->best_path, F_OK) == 0 ? t->best_path : t->model_path;
    if (path && access(path, F_OK) != 0)
        path = NULL; /* resume() says so */
    return lessons_describe(&t->lessons, path, t->o->threads ? t->o->threads : 2, t->err);
}

static int train(struct training *t)
{
    struct train_options options, chosen;
    struct model *best = NULL;
    int rc = describe(t);
    if (rc)
        return rc;
    const struct train_data data = lessons_data(&t->lessons);
    rc = t->o->resume ? resume(t, &data, &options)
                      : train_options_from(&options, t->o, &data, t->err);
    if (rc)
        return rc;
    rc = values_wanted(&t->wants_values, t->o->values, &t->lessons, t->err);
    if (rc)
        return rc;
    options.on_best = keep_best;
    options.everything = true;
    options.chosen = &chosen;
    options.progress = t->o->progress ? show : NULL;
    options.cookie = t;
    rc = train_run(&best, &data, &options, t->report, t->err);
    if (!rc)
        rc = finish(t, best, &data, &chosen);
    model_free(best);
    return rc;
}

int penchant_train(const struct penchant_train_options *o,
                   struct penchant_train_report *out, struct penchant_error *err)
{
    struct penchant_train_report unwanted;
    struct penchant_error detail = {0};
    struct training *t = calloc(1, sizeof *t);
    if (!t)
        return error_memory(err);
    t->o = o;
    t->report = out ? out : &unwanted;
    t->err = err ? err : &detail;
    *t->report = (struct penchant_train_report){0};
    int rc = o->dir ? read_shop(t)
                    : error_field(err, PENCHANT_EINVALID, 0, "dir", "dir is required");
    if (!rc)
        rc = make_paths(t);
    if (!rc && t->lessons.history.n == 0)
        rc = error_set(err, PENCHANT_EINVALID, "the shop has no events to learn from");
    if (!rc)
        rc = train(t);
    model_free(t->resumed);
    if (!rc)
        values_quality(t->critic, t->report->value);
    critic_free(t->critic);
    segments_trained_release(&t->segments);
    lessons_release(&t->lessons);
    free(t);
    return rc;
}
