/* SPDX-License-Identifier: Apache-2.0 */
/* Going on from a checkpoint when the shop has grown since: parameters by name. */
#ifndef ENGINE_RESUME_H
#define ENGINE_RESUME_H

#include "learn/train.h"

/*
 * A model for today's items, attributes and types with the checkpoint's configuration,
 * its parameters where there are any, and fresh ones (by `seed`) where there are none.
 * Items and types keep their rows; attributes are found by name. *out is the caller's.
 */
int resume_model(struct model **out, const char *path, const struct train_data *data,
                 uint64_t seed, struct penchant_error *err);

#endif
