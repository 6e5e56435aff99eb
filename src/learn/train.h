/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Training of the sequence model on histories. Knows no files: the engine and the lab
 * bring the histories and keep the result. The same data, options, seed and thread count
 * give the same parameters bit for bit (on one instruction set; time-bound runs may end
 * elsewhere).
 */
#ifndef LEARN_TRAIN_H
#define LEARN_TRAIN_H

#include "base/pool.h"
#include "behaviour/history.h"
#include "model/model.h"

enum train_loss { TRAIN_FULL, TRAIN_SAMPLED, TRAIN_GBCE };

/*
 * What is learned from. User u's events [start[u], train_end[u]) are trained on; the
 * events [train_end[u], start[u + 1]) are validation targets, each predicted from all
 * before it. A user whose train_end is their start is for validation only.
 */
struct train_data {
    const struct history *history;
    const uint64_t *train_end;  /* (n_users) */
    bool exclude_seen;          /* validation ranks only items not seen before */
    const uint32_t *attr_start; /* (n_items + 1), or NULL: no attributes */
    const uint32_t *attr;
    uint32_t n_attributes, n_types;
    char *const *attribute_name; /* (n_attributes) copied into the model, or NULL */
    const float *content;        /* (n_items, content_dim) model/content.h; NULL: none */
    uint32_t content_dim;
};

struct train_options {
    struct model_config model; /* n_* are filled from the data */
    char preset[16];
    enum train_loss loss;
    uint32_t negatives;
    float dropout, learning_rate, weight_decay;
    uint32_t warmup_steps, batch_tokens;
    double minutes;      /* 0: no bound */
    uint32_t max_epochs; /* 0: no bound */
    uint32_t patience;   /* validations without a better one before it stops */
    uint64_t seed;
    uint32_t threads;
    bool bf16; /* logits in bfloat16 where the processor has it */
    penchant_progress_fn *progress;
    void *cookie;
    /* Called with every best model so far, for checkpoints; may be NULL. */
    int (*on_best)(void *cookie, const struct model *m,
                   const struct penchant_train_report *report);
    const struct model *resume_from; /* start from these parameters, or NULL */
    const char *what;                /* how progress calls it; NULL: "train" */
    /* `auto`: several recipes are tried on a share of the time, the one that is best on
       validation goes on (race.c). Borrowed: what the user asked for. */
    const struct penchant_train_options *race;
    bool content_open; /* it is for the race to find out whether items stand on content */
    bool everything; /* train_everything() is to follow: leave it a part of the minutes */
    /* train_run() writes the options of the run that made *best here; may be NULL. Its
       borrowed members are those of these options. */
    struct train_options *chosen;
};

/*
 * Fills options from what a user asked for (see train_presets.c); *o must live as long as
 * *out. PENCHANT_EINVALID names the option that makes no sense.
 */
int train_options_from(struct train_options *out, const struct penchant_train_options *o,
                       const struct train_data *data, struct penchant_error *err);

/*
 * Trains until validation NDCG@10 stops improving, time or epochs run out, or progress
 * asks to stop. *best is the best model on validation, the caller's to free.
 */
int train_run(struct model **best, const struct train_data *data,
              const struct train_options *o, struct penchant_train_report *report,
              struct penchant_error *err);

/*
 * After everything has been chosen: goes on from `from` over all events, the held-out
 * ones too, for a part of the epochs that led to it at a falling rate. `o` are the options
 * that made it (train_options.chosen), *report what train_run() said; its seconds grow.
 * *out is the caller's to free; nothing is judged.
 */
int train_everything(struct model **out, const struct model *from,
                     const struct train_data *data, const struct train_options *o,
                     struct penchant_train_report *report, struct penchant_error *err);

/*
 * Query vectors of many prefixes at once, for evaluation: case c predicts the event
 * `at[c]` of the history from the user's events before it, at that event's time. The
 * history may hold items that the model does not know (numbered from its n_items on):
 * they are passed over. out is (n_cases, dim); a case without a known item before it gets
 * zeros.
 */
int train_vectors(const struct model *m, const struct history *h, const uint64_t *at,
                  size_t n_cases, struct pool *pool, float *out);

#endif
