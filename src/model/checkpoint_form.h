/* SPDX-License-Identifier: Apache-2.0 */
/* What checkpoint.c reads and checkpoint_save.c writes: names and limits. For them alone. */
#ifndef MODEL_CHECKPOINT_FORM_H
#define MODEL_CHECKPOINT_FORM_H

/* The format's own limit on the header is 100 MB. */
enum { CHECKPOINT_MAX_HEADER = 100 * 1000 * 1000, CHECKPOINT_MAX_NAME = 64 };

#define CHECKPOINT_VERSION "1"

/* The configuration as rows: name in the metadata, member, kind. */
#define CHECKPOINT_CONFIG_MAP(X)                                                         \
    X(dim)                                                                               \
    X(blocks)                                                                            \
    X(heads)                                                                             \
    X(max_length)                                                                        \
    X(ffn_dim)                                                                           \
    X(attention)                                                                         \
    X(gated)                                                                             \
    X(bias_position)                                                                     \
    X(bias_time)                                                                         \
    X(position)                                                                          \
    X(gap)                                                                               \
    X(normalise)                                                                         \
    X(n_items)                                                                           \
    X(n_attributes)                                                                      \
    X(n_types)

/* The attributes of the items are tables of whole numbers; kept as their own tensors. */
#define CHECKPOINT_START     "item_attribute_start"
#define CHECKPOINT_ATTRIBUTE "item_attribute"

/* What the items say (item_content.h); only models with content have them. */
#define CHECKPOINT_CONTENT     "item_content"
#define CHECKPOINT_CONTENT_MAP "content_map"

#endif
