/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as the body of a request: events, one or many, and items. What the parsers
   take must also be valid to the engine, or be refused with a reason. */
#include <stdlib.h>

#include "base/status.h"
#include "server/json_input.h"
#include "server/parse_event.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool it_holds)
{
    if (!it_holds)
        abort();
}

static void try_value(const json_t *json)
{
    struct penchant_error err = {0};
    struct penchant_event e;
    struct penchant_item item;
    int rc = parse_event(json, &e, &err);
    need(rc == PENCHANT_OK || (rc == PENCHANT_EINVALID && err.text[0]));
    if (rc == PENCHANT_OK) {
        err = (struct penchant_error){0};
        rc = penchant_check_event(&e, &err);
        need(rc == PENCHANT_OK || (rc == PENCHANT_EINVALID && err.text[0]));
    }
    err = (struct penchant_error){0};
    rc = parse_item(json, "id", &item, &err);
    need(rc == PENCHANT_OK || (rc == PENCHANT_EINVALID && err.text[0]));
}

static void try_text(const char *text, size_t n)
{
    char why[JSON_INPUT_WHY] = "";
    json_t *json = json_input_load(text, n, why);
    need(json || why[0]);
    if (!json)
        return;
    try_value(json);
    for (size_t i = 0; i < json_array_size(json); i++)
        try_value(json_array_get(json, i));
    json_decref(json);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data, *start;
    size_t at = 0, line = 0, length;
    try_text(text, size);
    if (json_input_is_lines(text, size))
        while (json_input_next_line(text, size, &at, &line, &start, &length))
            try_text(start, length);
    return 0;
}
