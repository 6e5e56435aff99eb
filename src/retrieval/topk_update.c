/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of an index with some rows changed. */
#include "retrieval/topk_code.h"

#define FAR   2.0 /* radii of its cell */
#define OFTEN 4   /* changes of a row, on average, until all are coded anew */

static void *copy(const void *from, size_t bytes)
{
    void *to = malloc(bytes + 1);
    return to ? memcpy(to, from, bytes) : NULL;
}

/* Everything of `from` but its rows. */
static int copy_index(struct topk_index *to, const struct topk_index *from)
{
    const size_t dim = from->dim, width = from->width;
    const struct cell *last = from->cells ? &from->cell[from->cells - 1] : NULL;
    const size_t slots = last ? last->slot + last->groups * SCAN_GROUP : 0;
    const size_t bytes = slots / SCAN_GROUP * from->chunks * SCAN_LINE;
    *to = *from;
    to->rotation =
        from->rotation ? copy(from->rotation, sizeof(float) * dim * width) : NULL;
    to->spread = copy(from->spread, sizeof(float) * width);
    to->centre = copy(from->centre, sizeof(float) * from->clusters * dim);
    to->centre_norm = copy(from->centre_norm, sizeof(double) * from->clusters);
    to->cell = copy(from->cell, sizeof(*from->cell) * from->cells);
    to->row_of = copy(from->row_of, sizeof(*from->row_of) * slots);
    to->codes = coder_new_codes(bytes);
    if (to->codes)
        memcpy(to->codes, from->codes, bytes);
    return (to->rotation || !from->rotation) && to->spread && to->centre &&
                   to->centre_norm && to->cell && to->row_of && to->codes
               ? PENCHANT_OK
               : PENCHANT_ENOMEM;
}

/* Whether the cell's step can code row r as it is now: there is none where all rows were
   the same, and it is nothing to a row that has gone far. */
static bool takes(struct coder *b, const struct cell *cell, uint32_t r)
{
    const double norm =
        coder_residual(b, b->index->row_of[cell->slot + r], cell->cluster);
    return cell->step > 0 && norm <= FAR * (double)cell->radius * cell->step;
}

/* All rows of a cell, with a step of their own. */
static void make_anew(struct coder *b, struct cell *cell)
{
    struct place place[CELL_ROWS];
    uint32_t rows = 0;
    for (; rows < cell->groups * SCAN_GROUP; rows++) {
        const uint32_t row = b->index->row_of[cell->slot + rows];
        if (row == NO_ROW)
            break;
        uint32_t at = rows;
        const double norm = coder_residual(b, row, cell->cluster);
        for (; at > 0 && place[at - 1].norm > norm; at--)
            place[at] = place[at - 1];
        place[at] = (struct place){norm, row};
    }
    coder_make_cell(b, cell, place, rows);
}

static bool is_changed(const uint64_t *changed, uint32_t row)
{
    return row != NO_ROW && (changed[row / 64] >> (row % 64) & 1);
}

static void change_cells(struct coder *b, const uint64_t *changed)
{
    struct topk_index *index = b->index;
    for (uint32_t c = 0; c < index->cells; c++) {
        struct cell *cell = &index->cell[c];
        for (uint32_t r = 0; r < cell->groups * SCAN_GROUP; r++) {
            if (!is_changed(changed, index->row_of[cell->slot + r]))
                continue;
            if (takes(b, cell, r)) {
                coder_put_row(b, cell, r);
                continue;
            }
            make_anew(b, cell); /* with all its changed rows */
            break;
        }
    }
}

static int change(struct topk_index *index, const uint32_t *changed, uint32_t n)
{
    struct coder b;
    uint64_t *bits = calloc(index->n / 64 + 1, sizeof(*bits));
    int status = coder_init(&b, index, index->centre);
    if (!bits)
        status = PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < n && !status; i++)
        bits[changed[i] / 64] |= UINT64_C(1) << changed[i] % 64;
    if (!status)
        change_cells(&b, bits);
    coder_release(&b);
    free(bits);
    return status;
}

int topk_index_update(struct topk_index **out, const struct topk_index *from,
                      const float *rows, const uint32_t *changed, uint32_t n_changed,
                      struct penchant_error *err)
{
    *out = NULL;
    if (from->updated + n_changed > OFTEN * (uint64_t)from->n)
        return topk_index_new(out, rows, from->n, from->dim, err);
    for (uint32_t i = 0; i < n_changed; i++)
        if (!all_finite(rows + (size_t)changed[i] * from->dim, from->dim))
            return error_field(err, PENCHANT_EINVALID, changed[i], "rows",
                               "row %u holds a NaN or an infinity", changed[i]);
    struct topk_index *index = malloc(sizeof(*index));
    if (!index)
        return error_memory(err);
    int status = copy_index(index, from);
    index->rows = rows;
    index->updated += n_changed;
    if (!status)
        status = change(index, changed, n_changed);
    if (status) {
        topk_index_free(index);
        return error_memory(err);
    }
    *out = index;
    return PENCHANT_OK;
}
