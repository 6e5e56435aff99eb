/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The critics that training leaves beside the model (learn/critic.h), learned last, on the
 * states of the model that is served. They change nothing of it. With `minutes` given they
 * take at most VALUES_SHARE of them on top, else as many steps as the log asks for.
 */
#ifndef ENGINE_VALUES_TRAIN_H
#define ENGINE_VALUES_TRAIN_H

#include "engine/lessons.h"
#include "learn/critic_train.h"

#define VALUES_SHARE 0.1

/* Whether the option "auto", "on" or "off" (NULL: auto) asks for values of this log.
   PENCHANT_EINVALID for another word. */
int values_wanted(bool *out, const char *option, const struct lessons *l,
                  struct penchant_error *err);

/*
 * *out is the caller's. It stays NULL, and *stopped is set, when progress asked to stop;
 * then nothing is kept of it.
 */
int values_train(struct critic **out, bool *stopped, const struct lessons *l,
                 const struct model *m, const struct penchant_train_options *o,
                 uint64_t seed, struct penchant_error *err);

/* What a critic's figures say, PENCHANT_VALUES entries; c NULL: not trained. */
void values_quality(const struct critic *c, struct penchant_value_quality *out);

#endif
