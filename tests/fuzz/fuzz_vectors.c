/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a file of vectors: what reaches the sink is valid, refusals say why. */
#include "fuzz_file.h"

#include <math.h>

#include "behaviour/check.h"
#include "behaviour/vectors_file.h"

struct taken {
    uint64_t n;
    uint32_t dim;
};

static int take_dim(void *cookie, uint32_t dim, struct penchant_error *err)
{
    struct taken *t = cookie;
    (void)err;
    if (t->dim || dim < 1 || dim > VECTORS_MAX_DIM)
        abort();
    t->dim = dim;
    return PENCHANT_OK;
}

static int take_vector(void *cookie, const char *item_id, const float *v,
                       struct penchant_error *err)
{
    struct taken *t = cookie;
    if (!t->dim || !item_id || check_id(item_id, 0, "item_id", err) != PENCHANT_OK)
        abort();
    for (uint32_t i = 0; i < t->dim; i++)
        if (!isfinite(v[i]))
            abort();
    t->n++;
    return PENCHANT_OK;
}

/* A table needs ids for its rows; a file that names its items must have none. */
static void read_with(const char *path, const char *ids)
{
    struct taken taken = {0};
    uint64_t n;
    const struct vectors_files files = {.vectors = path, .ids = ids};
    const struct vectors_sink sink = {take_dim, take_vector, &taken};
    struct penchant_error err = {0};
    const int rc = vectors_read(&files, &sink, &n, &err);
    if (n != taken.n || (rc == PENCHANT_OK ? !n : !err.text[0]))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t ids[] = "a\nb\nc\n";
    struct fuzz_file f = fuzz_file_new(data, size);
    struct fuzz_file rows = fuzz_file_new(ids, sizeof(ids) - 1);
    read_with(f.path, rows.path);
    read_with(f.path, NULL);
    fuzz_file_free(&rows);
    fuzz_file_free(&f);
    return 0;
}
