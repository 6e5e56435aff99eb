/* SPDX-License-Identifier: Apache-2.0 */
/* The table of stores. */
#include "store/store.h"

#include <string.h>

static const struct store_backend *const backends[] = {&store_sqlite, &store_memory};

const struct store_backend *store_backend_find(const char *name)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(*backends); i++)
        if (strcmp(backends[i]->name, name) == 0)
            return backends[i];
    return NULL;
}
