/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a log and as a list of items, plain or packed: what reaches the sink is
   valid, and the report adds up. */
#include "fuzz_file.h"

#include "behaviour/catalog.h"
#include "behaviour/event.h"
#include "behaviour/import.h"

static int take_event(void *cookie, const struct penchant_event *e,
                      struct penchant_error *err)
{
    ++*(uint64_t *)cookie;
    if (event_check(e, 0, err) != PENCHANT_OK)
        abort();
    return PENCHANT_OK;
}

static int take_item(void *cookie, const struct penchant_item *item,
                     struct penchant_error *err)
{
    ++*(uint64_t *)cookie;
    if (catalog_check(item, err) != PENCHANT_OK)
        abort();
    return PENCHANT_OK;
}

static void read_as(const char *events, const char *items)
{
    uint64_t taken = 0;
    const struct import_sink sink = {take_event, take_item, &taken};
    const struct penchant_import_options o = {
        .events = events, .items = items, .max_errors = 20};
    struct penchant_import_report report = {0};
    struct penchant_error err = {0};
    const int rc = import_read(&o, &sink, &report, &err);
    if (rc == PENCHANT_OK ? report.events + report.items != taken : !err.text[0])
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_file f = fuzz_file_new(data, size);
    read_as(f.path, NULL);
    read_as(NULL, f.path);
    fuzz_file_free(&f);
    return 0;
}
