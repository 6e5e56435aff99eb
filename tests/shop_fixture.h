/* SPDX-License-Identifier: Apache-2.0 */
/* An open shop in a temporary folder of its own, for tests through penchant.h. */
#ifndef TESTS_SHOP_FIXTURE_H
#define TESTS_SHOP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "penchant.h"

static struct penchant_error err; /* of the last call under ok() */

#define ok(call)                                                                         \
    do {                                                                                 \
        if ((call) != PENCHANT_OK)                                                       \
            fail_msg("%s: %s", #call, err.text);                                         \
    } while (0)

struct shop {
    char dir[64];
    struct penchant *p;
};

static struct penchant *open_shop(const struct shop *s, bool read_only)
{
    struct penchant_options o;
    struct penchant *p = NULL;
    penchant_options_default(&o);
    o.dir = s->dir;
    o.read_only = read_only;
    ok(penchant_open(&p, &o, &err));
    return p;
}

/* For cmocka: *state becomes a struct shop, open for writing and empty. */
static int shop_set_up(void **state)
{
    struct shop *s = calloc(1, sizeof(*s));
    snprintf(s->dir, sizeof(s->dir), "/tmp/penchant-shop-XXXXXX");
    if (!mkdtemp(s->dir))
        return -1;
    s->p = open_shop(s, false);
    *state = s;
    return 0;
}

static int shop_tear_down(void **state)
{
    struct shop *s = *state;
    char command[128];
    penchant_close(&s->p);
    snprintf(command, sizeof(command), "rm -r '%s'", s->dir);
    const int rc = system(command);
    free(s);
    return rc;
}

#endif
