/* SPDX-License-Identifier: Apache-2.0 */
/* Rows in the order of their slates and positions. */
#include <stdlib.h>
#include <string.h>

#include "lab/ope_rows_work.h"

/* What a row is sorted by, and where it stood. */
struct place {
    uint32_t slate;
    double position;
    size_t row;
};

static int by_place(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    if (x->slate != y->slate)
        return x->slate < y->slate ? -1 : 1;
    if (x->position < y->position || x->position > y->position)
        return x->position < y->position ? -1 : 1;
    return (x->row > y->row) - (x->row < y->row);
}

/* A copy in the new order, in place of the array; NULL is left alone. */
#define PERMUTE(ok, array, p, n)                                                         \
    do {                                                                                 \
        void *copy =                                                                     \
            (ok) && (array) ? sorted((array), sizeof(*(array)), (p), (n)) : NULL;        \
        (ok) = (ok) && (copy || !(array));                                               \
        if (copy) {                                                                      \
            free(array);                                                                 \
            (array) = copy;                                                              \
        }                                                                                \
    } while (0)

static void *sorted(const void *array, size_t size, const struct place *p, size_t n)
{
    char *copy = malloc(n * size);
    for (size_t i = 0; copy && i < n; i++)
        memcpy(copy + i * size, (const char *)array + p[i].row * size, size);
    return copy;
}

static bool permute_all(struct ope_rows *r, const struct place *p)
{
    bool ok = true;
    PERMUTE(ok, r->line, p, r->n);
    for (int k = 0; k < OPE_NUMBERS; k++)
        PERMUTE(ok, r->number[k], p, r->n);
    for (int k = 0; k < OPE_TEXTS; k++)
        PERMUTE(ok, r->text[k], p, r->n);
    return ok;
}

static int fail(const struct ope_rows *r, size_t row, const char *field,
                const char *reason, struct penchant_error *err)
{
    return error_field(err, PENCHANT_EINVALID, row, field, "%s:%llu: %s: %s", r->path,
                       (unsigned long long)r->line[row], field, reason);
}

static int find_slates(struct ope_rows *r, struct penchant_error *err)
{
    const uint32_t *slate = r->text[OPE_SLATE], *user = r->text[OPE_USER];
    const double *position = r->number[OPE_POSITION];
    const size_t slates = r->names[OPE_SLATE].n;
    r->start = malloc((slates + 1) * sizeof(*r->start));
    r->slate_user = user ? malloc(slates * sizeof(*r->slate_user)) : NULL;
    if (!r->start || (user && !r->slate_user))
        return error_memory(err);
    for (size_t i = 0; i < r->n; i++) {
        if (i && slate[i] == slate[i - 1]) {
            if (position[i] <= position[i - 1])
                return fail(r, i, "position", "stands in this slate already", err);
            if (user && user[i] != user[i - 1])
                return fail(r, i, "user", "is not that of the rest of the slate", err);
            continue;
        }
        if (user)
            r->slate_user[r->n_slates] = user[i];
        r->start[r->n_slates++] = i;
    }
    r->start[r->n_slates] = r->n;
    return PENCHANT_OK;
}

int ope_rows_sort(struct ope_rows *r, struct penchant_error *err)
{
    struct place *p = malloc(r->n * sizeof(*p));
    if (!p)
        return error_memory(err);
    for (size_t i = 0; i < r->n; i++)
        p[i] = (struct place){r->text[OPE_SLATE][i], r->number[OPE_POSITION][i], i};
    qsort(p, r->n, sizeof(*p), by_place);
    const bool ok = permute_all(r, p);
    free(p);
    return ok ? find_slates(r, err) : error_memory(err);
}
