/* SPDX-License-Identifier: Apache-2.0 */
/* Building an index: clusters, rotation, cells and their codes. See index.h. */
#include "retrieval/topk_code.h"

#include "retrieval/rotation.h"

#include <float.h>
#include <math.h>

#define ROTATION_MAX_DIM 256    /* above, Jacobi would take longer than it saves */
#define MOMENT_ROWS      32768u /* residuals that the rotation is made from */
#define SPREAD_LEAST     (1.0 / 64)

struct builder {
    struct coder coder;
    struct clusters clusters;
    struct place *place; /* (the largest cluster) */
};

/* Second moments of residuals, each cluster's in units of its own size: (dim, dim). */
static void moments(struct builder *b, double *moment)
{
    const uint32_t dim = b->coder.index->dim, n = b->coder.index->n;
    const uint32_t every = n / MOMENT_ROWS + 1;
    memset(moment, 0, sizeof(double) * dim * dim);
    for (uint32_t c = 0, seen = 0; c < b->clusters.n; c++) {
        for (uint32_t at = b->clusters.begin[c]; at < b->clusters.begin[c + 1]; at++) {
            if (seen++ % every)
                continue;
            const double norm = coder_residual(&b->coder, b->clusters.order[at], c);
            for (uint32_t i = 0; norm > 0 && i < dim; i++) {
                const double x = b->coder.residual[i] / norm;
                double *out = moment + (size_t)i * dim;
                for (uint32_t j = 0; j < dim; j++)
                    out[j] += x * (b->coder.residual[j] / norm);
            }
        }
    }
}

/*
 * A stage ends where `share` of the energy lies before it, if that is early enough to be
 * worth a look at the bounds: at most `part` of the dimensions.
 */
static void choose_stages(struct topk_index *index, const double *energy)
{
    static const struct {
        double share, part;
    } wanted[STAGES - 1] = {{0.55, 0.35}, {0.8, 0.6}};
    double total = 0;
    for (uint32_t i = 0; i < index->dim; i++)
        total += energy[i];
    for (uint32_t w = 0; w < STAGES - 1; w++) {
        double sum = 0;
        uint32_t end = 0;
        for (uint32_t i = 0; i < index->dim && sum < wanted[w].share * total; i++) {
            sum += energy[i];
            end = i / SCAN_CHUNK + 1;
        }
        if (end > (index->stages ? index->stage_end[index->stages - 1] : 0) &&
            end <= wanted[w].part * index->chunks)
            index->stage_end[index->stages++] = end;
    }
    index->stage_end[index->stages++] = index->chunks;
}

static int make_rotation(struct builder *b)
{
    struct topk_index *index = b->coder.index;
    const uint32_t dim = index->dim, width = index->width;
    double *moment = NULL, *energy = calloc((size_t)dim + 1, sizeof(*energy));
    int status = energy ? PENCHANT_OK : PENCHANT_ENOMEM;
    for (uint32_t i = 0; i < width; i++)
        index->spread[i] = 1;
    if (status == PENCHANT_OK && dim > 0 && dim <= ROTATION_MAX_DIM) {
        moment = malloc(sizeof(double) * dim * dim);
        index->rotation = malloc(sizeof(float) * dim * width);
        status = PENCHANT_ENOMEM;
        if (moment && index->rotation) {
            moments(b, moment);
            status = rotation_make(index->rotation, energy, moment, dim, width);
        }
        for (uint32_t i = 0; i < dim && status == PENCHANT_OK && energy[0] > 0; i++)
            index->spread[i] =
                (float)fmax(SPREAD_LEAST, sqrt(fmax(0, energy[i]) / energy[0]));
        if (status == PENCHANT_OK)
            index->skew = rotation_error(index->rotation, dim, width);
        /* V times it: dim sums, each with at most dim + 1 roundings of 2^-24. */
        index->rotated_error = 2 * 1.1 * sqrt(dim) * (dim + 1) * 0x1p-24;
    }
    if (status == PENCHANT_OK)
        choose_stages(index, energy);
    index->skew += dim * sqrt(dim) * DBL_EPSILON;
    index->grain = (dim + 32.0) * DBL_EPSILON;
    index->rotated_error += 0x1p-22; /* making it a float: 2 * 2^-24, and some */
    free(moment);
    free(energy);
    return status;
}

static int by_norm(const void *x, const void *y)
{
    const struct place *a = x, *b = y;
    if (a->norm != b->norm)
        return a->norm < b->norm ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/* Plans the cells of every cluster: how many rows and slots; then the memory for them. */
static int plan_cells(struct builder *b, size_t *slots)
{
    struct topk_index *index = b->coder.index;
    const uint32_t *begin = b->clusters.begin;
    size_t cells = 0, largest = 0;
    *slots = 0;
    for (uint32_t c = 0; c < b->clusters.n; c++) {
        const size_t rows = begin[c + 1] - begin[c];
        cells += (rows + CELL_ROWS - 1) / CELL_ROWS;
        *slots += (rows + SCAN_GROUP - 1) / SCAN_GROUP * SCAN_GROUP;
        largest = rows > largest ? rows : largest;
    }
    const size_t bytes = *slots / SCAN_GROUP * index->chunks * SCAN_LINE;
    if (*slots > UINT32_MAX)
        return PENCHANT_ELIMIT;
    index->cell = calloc(cells + 1, sizeof(*index->cell));
    index->row_of = malloc(sizeof(*index->row_of) * (*slots + 1));
    index->codes = coder_new_codes(bytes);
    b->place = malloc(sizeof(*b->place) * (largest + 1));
    if (!index->cell || !index->row_of || !index->codes || !b->place)
        return PENCHANT_ENOMEM;
    memset(index->codes, 0x87,
           bytes); /* so that places without a row look like the centre */
    return PENCHANT_OK;
}

static int make_cells(struct builder *b)
{
    struct topk_index *index = b->coder.index;
    const uint32_t *begin = b->clusters.begin;
    size_t slots;
    const int status = plan_cells(b, &slots);
    uint32_t slot = 0;
    for (uint32_t c = 0; status == PENCHANT_OK && c < b->clusters.n; c++) {
        const uint32_t rows = begin[c + 1] - begin[c];
        for (uint32_t r = 0; r < rows; r++) {
            b->place[r].row = b->clusters.order[begin[c] + r];
            b->place[r].norm = coder_residual(&b->coder, b->place[r].row, c);
        }
        qsort(b->place, rows, sizeof(*b->place), by_norm);
        for (uint32_t r = 0; r < rows; r += CELL_ROWS) {
            const uint32_t size = rows - r < CELL_ROWS ? rows - r : CELL_ROWS;
            struct cell *cell = &index->cell[index->cells++];
            cell->cluster = c;
            cell->slot = slot;
            cell->groups = (size + SCAN_GROUP - 1) / SCAN_GROUP;
            coder_make_cell(&b->coder, cell, b->place + r, size);
            slot += cell->groups * SCAN_GROUP;
        }
    }
    return status;
}

static int take_centres(struct builder *b)
{
    struct topk_index *index = b->coder.index;
    index->clusters = b->clusters.n;
    index->centre = b->clusters.centre;
    b->clusters.centre = NULL;
    index->centre_norm = malloc(sizeof(double) * ((size_t)index->clusters + 1));
    if (!index->centre_norm)
        return PENCHANT_ENOMEM;
    for (uint32_t c = 0; c < index->clusters; c++) {
        const float *e = index->centre + (size_t)c * index->dim;
        index->centre_norm[c] =
            sqrt(b->coder.scan->exact(e, e, index->dim)) * (1 + index->grain);
    }
    return PENCHANT_OK;
}

static int build(struct topk_index *index)
{
    struct builder b = {.place = NULL};
    const size_t width = index->width;
    int status = clusters_init(&b.clusters, index->rows, index->n, index->dim);
    if (status)
        return status;
    index->spread = malloc(sizeof(float) * (width + 1));
    status = coder_init(&b.coder, index, b.clusters.centre);
    if (!index->spread)
        status = PENCHANT_ENOMEM;
    if (status == PENCHANT_OK)
        status = make_rotation(&b);
    if (status == PENCHANT_OK)
        status = make_cells(&b);
    if (status == PENCHANT_OK)
        status = take_centres(&b);
    clusters_release(&b.clusters);
    coder_release(&b.coder);
    free(b.place);
    return status;
}

int topk_index_new(struct topk_index **out, const float *rows, uint32_t n, uint32_t dim,
                   struct penchant_error *err)
{
    *out = NULL;
    if (dim > TOPK_MAX_DIM)
        return error_set(err, PENCHANT_ELIMIT,
                         "rows of %u dimensions; at most %d are allowed", dim,
                         TOPK_MAX_DIM);
    for (uint32_t row = 0; row < n; row++)
        if (!all_finite(rows + (size_t)row * dim, dim))
            return error_field(err, PENCHANT_EINVALID, row, "rows",
                               "row %u holds a NaN or an infinity", row);
    struct topk_index *index = calloc(1, sizeof(*index));
    if (!index)
        return error_memory(err);
    index->rows = rows;
    index->n = n;
    index->dim = dim;
    index->chunks = (dim + SCAN_CHUNK - 1) / SCAN_CHUNK;
    index->width = (dim + 15) / 16 * 16;
    const int status = build(index);
    if (status) {
        topk_index_free(index);
        return error_set(err, status, "no index of %u rows: %s", n,
                         penchant_status_text(status));
    }
    *out = index;
    return PENCHANT_OK;
}

void topk_index_free(struct topk_index *index)
{
    if (!index)
        return;
    free(index->rotation);
    free(index->spread);
    free(index->centre);
    free(index->centre_norm);
    free(index->cell);
    free(index->row_of);
    free(index->codes);
    free(index);
}
