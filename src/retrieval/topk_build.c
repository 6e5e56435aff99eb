/* SPDX-License-Identifier: Apache-2.0 */
/* Building an index: clusters, rotation, cells and their codes. See index.h. */
#include "retrieval/index.h"

#include "retrieval/rotation.h"

#include <float.h>
#include <math.h>
#include <sys/mman.h>

#define ROTATION_MAX_DIM 256    /* above, Jacobi would take longer than it saves */
#define MOMENT_ROWS      32768u /* residuals that the rotation is made from */
#define STEP_EVERY       4u
#define HUGE_PAGE        ((size_t)2 << 20)
#define SPREAD_LEAST     (1.0 / 64)

struct builder {
    struct topk_index *index;
    const struct scan_kernels *scan;
    struct clusters clusters;
    double *residual; /* (dim) */
    float *scaled;    /* (dim) */
    float *rotated;   /* (CELL_ROWS, width) */
    struct place {
        double norm;
        uint32_t row;
    } * place;         /* (the largest cluster) */
    double step_ratio; /* of the step to the standard deviation of p / spread */
    uint32_t cells_coded;
    double rotated_error; /* of a rotated residual whose length is below 2 */
};

/* r = e - c in double; returns its length. */
static double residual(struct builder *b, uint32_t row, uint32_t cluster)
{
    const uint32_t dim = b->index->dim;
    const float *e = b->index->rows + (size_t)row * dim,
                *c = b->clusters.centre + (size_t)cluster * dim;
    double squares = 0;
    for (uint32_t i = 0; i < dim; i++) {
        b->residual[i] = (double)e[i] - (double)c[i];
        squares += b->residual[i] * b->residual[i];
    }
    return sqrt(squares);
}

/* Second moments of residuals, each cluster's in units of its own size: (dim, dim). */
static void moments(struct builder *b, double *moment)
{
    const uint32_t dim = b->index->dim, n = b->index->n;
    const uint32_t every = n / MOMENT_ROWS + 1;
    memset(moment, 0, sizeof(double) * dim * dim);
    for (uint32_t c = 0, seen = 0; c < b->clusters.n; c++) {
        for (uint32_t at = b->clusters.begin[c]; at < b->clusters.begin[c + 1]; at++) {
            if (seen++ % every)
                continue;
            const double norm = residual(b, b->clusters.order[at], c);
            for (uint32_t i = 0; norm > 0 && i < dim; i++) {
                const double x = b->residual[i] / norm;
                double *out = moment + (size_t)i * dim;
                for (uint32_t j = 0; j < dim; j++)
                    out[j] += x * (b->residual[j] / norm);
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
    struct topk_index *index = b->index;
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
        b->rotated_error = 2 * 1.1 * sqrt(dim) * (dim + 1) * 0x1p-24;
    }
    if (status == PENCHANT_OK)
        choose_stages(index, energy);
    index->skew += dim * sqrt(dim) * DBL_EPSILON;
    index->grain = (dim + 32.0) * DBL_EPSILON;
    b->rotated_error += 0x1p-22; /* making it a float: 2 * 2^-24, and some */
    free(moment);
    free(energy);
    return status;
}

/* Puts the code of one rotated residual into its place in the cell's codes. */
static void put_code(const struct topk_index *index, const struct cell *cell, uint32_t r,
                     uint32_t i, uint32_t code)
{
    const uint32_t group = r / SCAN_GROUP, chunk = i / SCAN_CHUNK, j = i % SCAN_CHUNK;
    uint32_t stage = 0, begin = 0;
    while (chunk >= index->stage_end[stage])
        begin = index->stage_end[stage++];
    const size_t size = index->stage_end[stage] - begin;
    const size_t line = (size_t)cell->slot / SCAN_GROUP * index->chunks +
                        (size_t)begin * cell->groups + group * size + (chunk - begin);
    uint8_t *byte =
        &index->codes[line * SCAN_LINE + 4 * (size_t)(r % SCAN_GROUP) + j % 4];
    *byte = (uint8_t)(j < 4 ? (*byte & 0xF0) | code : (*byte & 0x0F) | code << 4);
}

/* The mean square of p / spread over all rows of a cell. */
static double mean_square(const struct builder *b, uint32_t rows)
{
    const struct topk_index *index = b->index;
    double sum = 0;
    for (uint32_t r = 0; r < rows; r++) {
        const float *p = b->rotated + (size_t)r * index->width;
        for (uint32_t i = 0; i < index->dim; i++) {
            const double u = (double)p[i] / (double)index->spread[i];
            sum += u * u;
        }
    }
    return sum / ((double)rows * index->dim);
}

static double code_of(double u)
{
    const double shifted = u + 8;
    return shifted < 0 ? 0 : shifted > 15 ? 15 : (double)(int)shifted;
}

/* The squared distances of row r to its codes, first stages of it, and of what they
 * leave. */
struct loss {
    double err[STAGES], tail[STAGES];
};

static struct loss loss_of(const struct builder *b, uint32_t r, double step)
{
    const struct topk_index *index = b->index;
    const float *p = b->rotated + (size_t)r * index->width;
    struct loss loss = {0};
    double err = 0, energy = 0;
    for (uint32_t t = 0, i = 0; t < index->stages; t++) {
        for (; i < index->stage_end[t] * SCAN_CHUNK && i < index->dim; i++) {
            const double unit = step * (double)index->spread[i], x = (double)p[i],
                         off = x - (code_of(x / unit) - 7.5) * unit;
            err += off * off;
            energy += x * x;
        }
        loss.err[t] = err;
        loss.tail[t] = energy;
    }
    for (uint32_t t = 0; t < index->stages; t++)
        loss.tail[t] = fmax(0, energy - loss.tail[t]) + energy * 1e-12;
    return loss;
}

/*
 * The step, in scaled units, that makes the largest error of a cell smallest. How many
 * standard deviations that is differs little between cells: one in STEP_EVERY tries.
 */
static double choose_step(struct builder *b, uint32_t rows)
{
    const double sigma = sqrt(mean_square(b, rows));
    double least = INFINITY;
    for (uint32_t i = 0; i < 7 && b->cells_coded % STEP_EVERY == 0; i++) {
        const double ratio = 0.30 + 0.05 * i;
        double most = 0;
        for (uint32_t r = 0; r < rows; r++)
            most = fmax(most, loss_of(b, r, ratio * sigma).err[b->index->stages - 1]);
        if (most < least) {
            least = most;
            b->step_ratio = ratio;
        }
    }
    b->cells_coded++;
    return b->step_ratio * sigma;
}

/* Codes the rotated rows of a cell and sets its bounds. */
static void encode(const struct builder *b, struct cell *cell, uint32_t rows, double step)
{
    const struct topk_index *index = b->index;
    struct loss most = {0};
    for (uint32_t r = 0; r < rows; r++) {
        const float *p = b->rotated + (size_t)r * index->width;
        const struct loss loss = loss_of(b, r, step);
        for (uint32_t t = 0; t < index->stages; t++) {
            most.err[t] = fmax(most.err[t], loss.err[t]);
            most.tail[t] = fmax(most.tail[t], loss.tail[t]);
        }
        for (uint32_t i = 0; i < index->dim; i++)
            put_code(index, cell, r, i,
                     (uint32_t)code_of((double)p[i] / (step * (double)index->spread[i])));
    }
    const double up = (1 + 1e-6) / step;
    for (uint32_t t = 0; t < index->stages; t++) {
        cell->err[t] = (float)((sqrt(most.err[t]) + b->rotated_error) * up);
        cell->tail[t] = (float)((sqrt(most.tail[t]) + b->rotated_error) * up);
    }
}

/* Makes one cell of place[0 .. rows), ordered by length. */
static void make_cell(struct builder *b, struct cell *cell, const struct place *place,
                      uint32_t rows)
{
    struct topk_index *index = b->index;
    const uint32_t dim = index->dim, width = index->width;
    const double radius = place[rows - 1].norm;
    for (uint32_t r = 0; r < cell->groups * SCAN_GROUP; r++)
        index->row_of[cell->slot + r] = r < rows ? place[r].row : NO_ROW;
    if (radius == 0)
        return;
    const double scale = ldexp(1, -ilogb(radius)); /* the longest comes into [1, 2) */
    for (uint32_t r = 0; r < rows; r++) {
        float *p = b->rotated + (size_t)r * width;
        residual(b, place[r].row, cell->cluster);
        for (uint32_t i = 0; i < dim; i++)
            b->scaled[i] = (float)(b->residual[i] * scale);
        if (index->rotation)
            b->scan->project(p, b->scaled, index->rotation, dim, width);
        else
            memcpy(p, b->scaled, sizeof(float) * dim);
    }
    const double step = choose_step(b, rows);
    encode(b, cell, rows, step);
    cell->step = step / scale;
    cell->radius = (float)(radius / cell->step * (1 + 1e-6));
}

static int by_norm(const void *x, const void *y)
{
    const struct place *a = x, *b = y;
    if (a->norm != b->norm)
        return a->norm < b->norm ? -1 : 1;
    return a->row < b->row ? -1 : a->row > b->row;
}

/*
 * Codes fill whole huge pages where the system has them, because a search that goes
 * through megabytes would otherwise miss the address cache on every fourth kilobyte.
 */
static uint8_t *new_codes(size_t bytes)
{
    const size_t size = (bytes / HUGE_PAGE + 1) * HUGE_PAGE;
    if (bytes < HUGE_PAGE)
        return aligned_alloc(SCAN_LINE, bytes + SCAN_LINE);
    uint8_t *codes = aligned_alloc(HUGE_PAGE, size);
    if (codes)
        madvise(codes, size, MADV_HUGEPAGE);
    return codes;
}

/* Plans the cells of every cluster: how many rows and slots; then the memory for them. */
static int plan_cells(struct builder *b, size_t *slots)
{
    struct topk_index *index = b->index;
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
    index->codes = new_codes(bytes);
    b->place = malloc(sizeof(*b->place) * (largest + 1));
    if (!index->cell || !index->row_of || !index->codes || !b->place)
        return PENCHANT_ENOMEM;
    memset(index->codes, 0x87,
           bytes); /* so that places without a row look like the centre */
    return PENCHANT_OK;
}

static int make_cells(struct builder *b)
{
    struct topk_index *index = b->index;
    const uint32_t *begin = b->clusters.begin;
    size_t slots;
    const int status = plan_cells(b, &slots);
    uint32_t slot = 0;
    for (uint32_t c = 0; status == PENCHANT_OK && c < b->clusters.n; c++) {
        const uint32_t rows = begin[c + 1] - begin[c];
        for (uint32_t r = 0; r < rows; r++) {
            b->place[r].row = b->clusters.order[begin[c] + r];
            b->place[r].norm = residual(b, b->place[r].row, c);
        }
        qsort(b->place, rows, sizeof(*b->place), by_norm);
        for (uint32_t r = 0; r < rows; r += CELL_ROWS) {
            const uint32_t size = rows - r < CELL_ROWS ? rows - r : CELL_ROWS;
            struct cell *cell = &index->cell[index->cells++];
            cell->cluster = c;
            cell->slot = slot;
            cell->groups = (size + SCAN_GROUP - 1) / SCAN_GROUP;
            make_cell(b, cell, b->place + r, size);
            slot += cell->groups * SCAN_GROUP;
        }
    }
    return status;
}

static int take_centres(struct builder *b)
{
    struct topk_index *index = b->index;
    index->clusters = b->clusters.n;
    index->centre = b->clusters.centre;
    b->clusters.centre = NULL;
    index->centre_norm = malloc(sizeof(double) * ((size_t)index->clusters + 1));
    if (!index->centre_norm)
        return PENCHANT_ENOMEM;
    for (uint32_t c = 0; c < index->clusters; c++) {
        const float *e = index->centre + (size_t)c * index->dim;
        index->centre_norm[c] =
            sqrt(b->scan->exact(e, e, index->dim)) * (1 + index->grain);
    }
    return PENCHANT_OK;
}

static int build(struct topk_index *index)
{
    struct builder b = {.index = index, .scan = scan_kernels()};
    const size_t width = index->width;
    int status = clusters_init(&b.clusters, index->rows, index->n, index->dim);
    if (status)
        return status;
    index->spread = malloc(sizeof(float) * (width + 1));
    b.residual = malloc(sizeof(double) * (width + 1));
    b.scaled = malloc(sizeof(float) * (width + 1));
    b.rotated = malloc(sizeof(float) * (width * CELL_ROWS + 1));
    status = PENCHANT_ENOMEM;
    if (index->spread && b.residual && b.scaled && b.rotated)
        status = make_rotation(&b);
    if (status == PENCHANT_OK)
        status = make_cells(&b);
    if (status == PENCHANT_OK)
        status = take_centres(&b);
    clusters_release(&b.clusters);
    free(b.residual);
    free(b.scaled);
    free(b.rotated);
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
