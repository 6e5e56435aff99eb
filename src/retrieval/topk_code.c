/* SPDX-License-Identifier: Apache-2.0 */
/* Codes of rows, cell by cell or one by one. See index.h. */
#include "retrieval/topk_code.h"

#include <sys/mman.h>

#define STEP_EVERY 4u
#define HUGE_PAGE  ((size_t)2 << 20)

int coder_init(struct coder *b, struct topk_index *index, const float *centre)
{
    const size_t width = index->width;
    *b = (struct coder){.index = index, .scan = scan_kernels(), .centre = centre};
    b->residual = malloc(sizeof(double) * (width + 1));
    b->scaled = malloc(sizeof(float) * (width + 1));
    b->rotated = malloc(sizeof(float) * (width * CELL_ROWS + 1));
    return b->residual && b->scaled && b->rotated ? PENCHANT_OK : PENCHANT_ENOMEM;
}

void coder_release(struct coder *b)
{
    free(b->residual);
    free(b->scaled);
    free(b->rotated);
}

/*
 * Codes fill whole huge pages where the system has them, because a search that goes
 * through megabytes would otherwise miss the address cache on every fourth kilobyte.
 */
uint8_t *coder_new_codes(size_t bytes)
{
    const size_t size = (bytes / HUGE_PAGE + 1) * HUGE_PAGE;
    if (bytes < HUGE_PAGE)
        return aligned_alloc(SCAN_LINE, bytes + SCAN_LINE);
    uint8_t *codes = aligned_alloc(HUGE_PAGE, size);
    if (codes)
        madvise(codes, size, MADV_HUGEPAGE);
    return codes;
}

/* r = e - c in double; returns its length. */
double coder_residual(struct coder *b, uint32_t row, uint32_t cluster)
{
    const uint32_t dim = b->index->dim;
    const float *e = b->index->rows + (size_t)row * dim,
                *c = b->centre + (size_t)cluster * dim;
    double squares = 0;
    for (uint32_t i = 0; i < dim; i++) {
        b->residual[i] = (double)e[i] - (double)c[i];
        squares += b->residual[i] * b->residual[i];
    }
    return sqrt(squares);
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
static double mean_square(const struct coder *b, uint32_t rows)
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

static struct loss loss_of(const struct coder *b, uint32_t r, double step)
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
static double choose_step(struct coder *b, uint32_t rows)
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
static void encode(const struct coder *b, struct cell *cell, uint32_t rows, double step)
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
        cell->err[t] = (float)((sqrt(most.err[t]) + index->rotated_error) * up);
        cell->tail[t] = (float)((sqrt(most.tail[t]) + index->rotated_error) * up);
    }
}

/* The residual, times a power of two, as floats in the index's axes. */
static void rotate_residual(struct coder *b, float *p, double scale)
{
    const struct topk_index *index = b->index;
    for (uint32_t i = 0; i < index->dim; i++)
        b->scaled[i] = (float)(b->residual[i] * scale);
    if (index->rotation)
        b->scan->project(p, b->scaled, index->rotation, index->dim, index->width);
    else
        memcpy(p, b->scaled, sizeof(float) * index->dim);
}

/* Makes one cell of place[0 .. rows), ordered by length. */
void coder_make_cell(struct coder *b, struct cell *cell, const struct place *place,
                     uint32_t rows)
{
    struct topk_index *index = b->index;
    const uint32_t width = index->width;
    const double radius = place[rows - 1].norm;
    for (uint32_t r = 0; r < cell->groups * SCAN_GROUP; r++)
        index->row_of[cell->slot + r] = r < rows ? place[r].row : NO_ROW;
    if (radius == 0)
        return;
    const double scale = ldexp(1, -ilogb(radius)); /* the longest comes into [1, 2) */
    for (uint32_t r = 0; r < rows; r++) {
        float *p = b->rotated + (size_t)r * width;
        coder_residual(b, place[r].row, cell->cluster);
        rotate_residual(b, p, scale);
    }
    const double step = choose_step(b, rows);
    encode(b, cell, rows, step);
    cell->step = step / scale;
    cell->radius = (float)(radius / cell->step * (1 + 1e-6));
}

/* The scale brings the row's own residual into [1, 2), where rotated_error holds. */
void coder_put_row(struct coder *b, struct cell *cell, uint32_t r)
{
    struct topk_index *index = b->index;
    const double norm = coder_residual(b, index->row_of[cell->slot + r], cell->cluster);
    const double scale = norm > 0 ? ldexp(1, -ilogb(norm)) : 1;
    const double step = cell->step * scale, up = (1 + 1e-6) / step;
    rotate_residual(b, b->rotated, scale);
    const struct loss loss = loss_of(b, 0, step);
    for (uint32_t t = 0; t < index->stages; t++) {
        const double err = (sqrt(loss.err[t]) + index->rotated_error) * up;
        const double tail = (sqrt(loss.tail[t]) + index->rotated_error) * up;
        cell->err[t] = fmaxf(cell->err[t], (float)err);
        cell->tail[t] = fmaxf(cell->tail[t], (float)tail);
    }
    cell->radius = fmaxf(cell->radius, (float)(norm / cell->step * (1 + 1e-6)));
    for (uint32_t i = 0; i < index->dim; i++)
        put_code(
            index, cell, r, i,
            (uint32_t)code_of((double)b->rotated[i] / (step * (double)index->spread[i])));
}
