/* SPDX-License-Identifier: Apache-2.0 */
/* The rows of a `struct penchant_train_options *o`, for `train` and for `benchmark`. */
#ifndef CLI_TRAIN_OPTIONS_H
#define CLI_TRAIN_OPTIONS_H

#include "cli/cli.h"

/* clang-format off */
#define CLI_TRAIN_ROWS(o)                                                                      \
    {"minutes", 0, CLI_DOUBLE, &(o)->minutes, "M", "until it stops improving", 0, 1e6,         \
     "bound on training"},                                                                     \
    {"preset", 0, CLI_STRING, &(o)->preset, "P", NULL, 0, 0, "auto, gated, hstu or sasrec"},          \
    {"loss", 0, CLI_STRING, &(o)->loss, "L", "by the preset", 0, 0, "full, sampled or gbce"},  \
    {"content", 0, CLI_STRING, &(o)->content, "C", NULL, 0, 0,                                 \
     "auto, on or off: item vectors stand on titles, attributes, imported vectors"},          \
    {"dim", 0, CLI_U32, &(o)->dim, "N", "by the preset", 0, 4096, "width of the model"},       \
    {"blocks", 0, CLI_U32, &(o)->blocks, "N", "by the preset", 0, 16, "blocks"},               \
    {"heads", 0, CLI_U32, &(o)->heads, "N", "by the preset", 0, 64, "attention heads"},        \
    {"negatives", 0, CLI_U32, &(o)->negatives, "N", "by the preset", 0, 1e6,                   \
     "sampled per step"},                                                                      \
    {"max-length", 0, CLI_U32, &(o)->max_length, "N", "by the preset", 0, 8192,                \
     "events that the model looks back"},                                                      \
    {"dropout", 0, CLI_DOUBLE, &(o)->dropout, "X", "by the preset", 0, 0.95, "dropout"},       \
    {"learning-rate", 0, CLI_DOUBLE, &(o)->learning_rate, "X", "by the preset", 0, 1,          \
     "AdamW step"},                                                                            \
    {"weight-decay", 0, CLI_DOUBLE, &(o)->weight_decay, "X", "by the preset", 0, 10,           \
     "AdamW decay"},                                                                           \
    {"epochs", 0, CLI_U32, &(o)->max_epochs, "N", "until it stops improving", 0, 1e6,          \
     "passes over the data"},                                                                  \
    {"batch-tokens", 0, CLI_U32, &(o)->batch_tokens, "N", "by the preset", 0, 1e6,             \
     "positions in a batch"},                                                                  \
    {"seed", 0, CLI_U64, &(o)->seed, "S", NULL, 0, 0, "of everything random"},                 \
    {"threads", 0, CLI_U32, &(o)->threads, "N", NULL, 1, 256, "threads"}
/* clang-format on */

#endif
