/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The protocol of `penchant agent` (docs/agent.md): JSON lines in, answers out, an actor
 * (lab/actor.h) behind. A line is judged whole before the actor sees it: a bad one changes
 * nothing. Users are numbered as they appear.
 *
 * Memory: the catalogue, 64 bytes and the name of each user, and the last
 * AGENT_MOST_OPEN recommendations whose feedback may still come. Not thread-safe.
 */
#ifndef LAB_AGENT_H
#define LAB_AGENT_H

#include "base/buf.h"
#include "lab/actor.h"
#include "penchant.h"

enum {
    AGENT_MOST_ITEMS = 1000000,
    AGENT_MOST_DIM = 1024,
    AGENT_MOST_OPEN = 65536,
    AGENT_MOST_LINE = 256 << 20
};

struct agent;

/* `slate`: items a list has where the stream does not say. NULL: no memory. */
struct agent *agent_new(const struct actor_ops *ops, uint64_t seed, uint32_t slate);
void agent_free(struct agent *a);

/*
 * Takes one line of n bytes. The answer, if it has one, is appended to *answer with its
 * line feed. PENCHANT_EINVALID with the reason for a bad line, PENCHANT_ENOMEM; *end when
 * the stream says so.
 */
int agent_line(struct agent *a, const char *line, size_t n, struct buf *answer, bool *end,
               struct penchant_error *err);

#endif
