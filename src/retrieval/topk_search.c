/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Searching an index. Cells whose bound is below the k-th best score are passed over; in
 * the others the codes are scanned stage by stage, and rows that still may be in the
 * answer are scored exactly. A first threshold comes from the most promising cells. See
 * index.h.
 */
#include "retrieval/index.h"

#include "retrieval/best.h"

#define PENDING     32u /* rows that are fetched from memory together */
#define SEED_SHARE  32u /* one in so many cells is looked at first */
#define SEED_CELLS  8u  /* but at least so many */
#define SHIFT_LIMIT 7u  /* keeps sums of SCAN_MAX_CHUNKS chunks in 32 bits */

struct stage {
    struct scan_part part;
    double unit;   /* a sum of 1 is worth unit * step */
    double offset; /* 7.5 times the sum of the query's integers, in the same units */
    double on_err, on_tail, on_radius; /* what a cell's bounds are multiplied by */
};

struct search {
    const struct topk_index *index;
    const struct scan_kernels *scan;
    const float *query;
    const uint64_t *skip;
    double norm; /* of the query, rounded up */
    struct stage stage[STAGES];
    double *w;     /* (width) the rotated query */
    int8_t *bytes; /* (chunks * SCAN_CHUNK) the same as integers */
    double *base;  /* (clusters) q.c, rounded up */
    double *above; /* (cells) no row of the cell has a higher score */
    struct best best;
    double floor;                        /* k rows are known to score at least this */
    uint32_t pending[PENDING], pendings; /* slots */
    int32_t sums[CELL_ROWS];
};

/* Rows below it need not be looked at; those at it may win by their number. */
static double threshold(const struct search *s)
{
    if (s->best.n == s->best.k && s->best.hit[0].score > s->floor)
        return s->best.hit[0].score;
    return s->floor;
}

static void rotate(struct search *s)
{
    const struct topk_index *index = s->index;
    for (uint32_t j = 0; j < index->width; j++)
        s->w[j] = index->rotation || j >= index->dim ? 0 : (double)s->query[j];
    for (uint32_t i = 0; index->rotation && i < index->dim; i++) {
        const float *row = index->rotation + (size_t)i * index->width;
        const double q = (double)s->query[i];
        for (uint32_t j = 0; j < index->width; j++)
            s->w[j] += q * (double)row[j];
    }
}

static double greatest(const struct search *s, uint32_t from)
{
    double most = 0;
    for (uint32_t i = from; i < s->index->dim; i++)
        most = fmax(most, fabs(s->w[i]) * (double)s->index->spread[i]);
    return most;
}

/*
 * The query as integers. Later stages, where it is smaller, get finer units: half as
 * large for every shift of the sums.
 */
static void prepare(struct search *s)
{
    const struct topk_index *index = s->index;
    const double up = 1 + 1e-9, most = greatest(s, 0);
    double unit = most > 0 ? most / 127 : 1, offset = 0, off = 0, head = 0, all = 0;
    uint32_t shifts = 0;
    for (uint32_t i = 0; i < index->dim; i++)
        all += s->w[i] * s->w[i];
    memset(s->bytes, 0, (size_t)index->chunks * SCAN_CHUNK);
    for (uint32_t t = 0, begin = 0; t < index->stages; begin = index->stage_end[t++]) {
        struct stage *stage = &s->stage[t];
        uint32_t shift = 0;
        const double rest = greatest(s, begin * SCAN_CHUNK);
        for (; shifts < SHIFT_LIMIT && rest <= 63 * unit; shifts++, shift++) {
            unit /= 2;
            offset *= 2;
        }
        const uint32_t end = index->stage_end[t] * SCAN_CHUNK;
        for (uint32_t i = begin * SCAN_CHUNK; i < end && i < index->dim; i++) {
            const double spread = (double)index->spread[i];
            const double x = fmin(fmax(rint(s->w[i] * spread / unit), -127), 127),
                         d = s->w[i] - x * unit / spread;
            s->bytes[i] = (int8_t)x;
            offset += 7.5 * x;
            off += d * d;
            head += s->w[i] * s->w[i];
        }
        stage->part = (struct scan_part){
            .query = s->bytes + (size_t)begin * SCAN_CHUNK,
            .chunks = index->stage_end[t] - begin,
            .shift = t == 0 ? SCAN_FORGET : shift,
        };
        stage->unit = unit;
        stage->offset = offset;
        stage->on_err = (sqrt(head) + sqrt(off)) * up;
        stage->on_tail = sqrt(fmax(0, all - head) + all * 1e-12) * up;
        stage->on_radius = (sqrt(off) + s->norm * index->skew) * up;
    }
}

/* Bounds on whole clusters and cells. */
static void bound_cells(struct search *s)
{
    const struct topk_index *index = s->index;
    const double grain = s->norm * index->grain;
    for (uint32_t c = 0; c < index->clusters; c++)
        s->base[c] =
            s->scan->exact(s->query, index->centre + (size_t)c * index->dim, index->dim) +
            2 * grain * index->centre_norm[c];
    const double reach = s->norm * (1 + 1e-6) + grain;
    for (uint32_t i = 0; i < index->cells; i++) {
        const struct cell *cell = &index->cell[i];
        s->above[i] = s->base[cell->cluster] + reach * (double)cell->radius * cell->step;
    }
}

/*
 * The least sum that lets a row of the cell reach `score`; as if the codes were without
 * error when `certain` is false. INT32_MAX: no sum does.
 */
static int32_t least_sum(const struct search *s, const struct cell *cell, uint32_t t,
                         double score, bool certain)
{
    const struct stage *stage = &s->stage[t];
    double need = (score - s->base[cell->cluster]) / cell->step;
    if (certain)
        need -= stage->on_err * (double)cell->err[t] +
                stage->on_tail * (double)cell->tail[t] +
                stage->on_radius * (double)cell->radius;
    const double sum = need / stage->unit + stage->offset;
    if (!(sum > -2e9))
        return INT32_MIN;
    return sum > 2e9 ? INT32_MAX
                     : (int32_t)floor(sum) - 1; /* -1 covers this arithmetic */
}

/* Fetches and scores the pending rows. */
static void score_pending(struct search *s)
{
    const struct topk_index *index = s->index;
    uint32_t row[PENDING], rows = 0;
    for (uint32_t i = 0; i < s->pendings; i++) {
        const uint32_t r = index->row_of[s->pending[i]];
        if (r == NO_ROW || topk_skips(s->skip, r))
            continue;
        const char *bytes = (const char *)(index->rows + (size_t)r * index->dim);
        for (uint32_t at = 0; at < 4 * index->dim; at += SCAN_LINE)
            __builtin_prefetch(bytes + at);
        row[rows++] = r;
    }
    for (uint32_t i = 0; i < rows; i++)
        best_offer(&s->best,
                   s->scan->exact(s->query, index->rows + (size_t)row[i] * index->dim,
                                  index->dim),
                   row[i]);
    s->pendings = 0;
}

static void add_pending(struct search *s, uint32_t slot)
{
    __builtin_prefetch(&s->index->row_of[slot]);
    s->pending[s->pendings++] = slot;
    if (s->pendings == PENDING)
        score_pending(s);
}

/* A cell of equal rows: one score for all, and the first rows win. */
static void scan_same(struct search *s, const struct cell *cell)
{
    const struct topk_index *index = s->index;
    const uint32_t *row = index->row_of + cell->slot;
    const double score =
        s->scan->exact(s->query, index->rows + (size_t)row[0] * index->dim, index->dim);
    for (uint32_t r = 0; r < cell->groups * SCAN_GROUP && row[r] != NO_ROW; r++) {
        if (s->best.n == s->best.k && !best_before(score, row[r], &s->best.hit[0]))
            break;
        if (!topk_skips(s->skip, row[r]))
            best_offer(&s->best, score, row[r]);
    }
}

static const uint8_t *codes_of(const struct topk_index *index, const struct cell *cell)
{
    return index->codes + (size_t)cell->slot / SCAN_GROUP * index->chunks * SCAN_LINE;
}

static uint64_t groups_of(const struct cell *cell)
{
    return ((uint64_t)1 << cell->groups) - 1;
}

static void scan_cell(struct search *s, const struct cell *cell)
{
    const struct topk_index *index = s->index;
    const uint8_t *codes = codes_of(index, cell);
    uint64_t groups = groups_of(cell);
    int32_t least = INT32_MIN;
    for (uint32_t t = 0; t < index->stages; t++) {
        const struct scan_part *part = &s->stage[t].part;
        least = least_sum(s, cell, t, threshold(s), true);
        groups = s->scan->codes(s->sums, codes, part, groups, least);
        if (!groups)
            return;
        codes += (size_t)cell->groups * part->chunks * SCAN_LINE;
    }
    for (; groups; groups &= groups - 1) {
        const uint32_t first = (uint32_t)__builtin_ctzll(groups) * SCAN_GROUP;
        for (uint32_t r = first; r < first + SCAN_GROUP; r++)
            if (s->sums[r] >= least)
                add_pending(s, cell->slot + r);
    }
}

static void guess_row(const struct search *s, uint32_t slot, double score,
                      struct best *guess)
{
    const uint32_t row = s->index->row_of[slot];
    if (row != NO_ROW && !topk_skips(s->skip, row))
        best_offer(guess, score, row);
}

/* Offers the rows of a cell with the scores that their codes say. */
static void guess_cell(struct search *s, const struct cell *cell, struct best *guess)
{
    const struct topk_index *index = s->index;
    const uint32_t last = index->stages - 1;
    const double base = s->base[cell->cluster], unit = cell->step * s->stage[last].unit,
                 least = guess->n == guess->k ? guess->hit[0].score : -INFINITY;
    if (cell->step == 0) {
        for (uint32_t r = 0; r < cell->groups * SCAN_GROUP && base >= least; r++)
            guess_row(s, cell->slot + r, base, guess);
        return;
    }
    const uint8_t *codes = codes_of(index, cell);
    const int32_t sum = least_sum(s, cell, last, least, false);
    uint64_t groups = groups_of(cell);
    for (uint32_t t = 0; t < index->stages; t++) {
        const struct scan_part *part = &s->stage[t].part;
        groups =
            s->scan->codes(s->sums, codes, part, groups, t == last ? sum : INT32_MIN);
        codes += (size_t)cell->groups * part->chunks * SCAN_LINE;
    }
    for (; groups; groups &= groups - 1) {
        const uint32_t first = (uint32_t)__builtin_ctzll(groups) * SCAN_GROUP;
        for (uint32_t r = first; r < first + SCAN_GROUP; r++)
            if (s->sums[r] >= sum)
                guess_row(s, cell->slot + r,
                          base + unit * (s->sums[r] - s->stage[last].offset), guess);
    }
}

/* The first cell from i on that can hold a hit; its codes are on their way when it is
 * due. */
static uint32_t next_cell(const struct search *s, uint32_t i)
{
    const struct topk_index *index = s->index;
    const double least = threshold(s);
    while (i < index->cells && s->above[i] < least)
        i++;
    if (i < index->cells) {
        const uint8_t *codes = codes_of(index, &index->cell[i]);
        const size_t lines = (size_t)index->cell[i].groups * s->stage[0].part.chunks;
        for (size_t line = 0; line < lines; line++)
            __builtin_prefetch(codes + line * SCAN_LINE);
    }
    return i;
}

/*
 * A first threshold: of the cells with the highest bounds the k rows with the best codes,
 * scored exactly. `out` is used on the way, `cells` (count) as well.
 */
static void find_floor(struct search *s, struct topk_hit *cells, uint32_t count)
{
    const struct topk_index *index = s->index;
    struct best first = {.hit = cells, .k = count};
    struct best guess = {.hit = s->best.hit, .k = s->best.k};
    for (uint32_t i = 0; i < index->cells; i++)
        best_offer(&first, s->above[i], i);
    best_sort(&first); /* the bar rises early, and most of the others' rows stay below */
    for (uint32_t i = 0; i < first.n; i++)
        guess_cell(s, &index->cell[first.hit[i].row], &guess);
    if (guess.n < guess.k)
        return;
    double least = INFINITY;
    for (uint32_t i = 0; i < guess.n; i++)
        least = fmin(least,
                     s->scan->exact(s->query,
                                    index->rows + (size_t)guess.hit[i].row * index->dim,
                                    index->dim));
    s->floor = least;
}

/* Every score is +0: the first k rows. */
static int64_t first_rows(const struct topk_index *index, uint32_t k,
                          const uint64_t *skip, struct topk_hit *out)
{
    uint32_t n = 0;
    for (uint32_t row = 0; row < index->n && n < k; row++)
        if (!topk_skips(skip, row))
            out[n++] = (struct topk_hit){.score = 0, .row = row};
    return n;
}

int64_t topk_search(const struct topk_index *index, const float *query, uint32_t k,
                    const uint64_t *skip, struct topk_hit *out)
{
    if (!all_finite(query, index->dim))
        return PENCHANT_EINVALID;
    struct search s = {
        .index = index, .scan = scan_kernels(), .query = query, .skip = skip};
    s.norm = sqrt(s.scan->exact(query, query, index->dim)) * (1 + index->grain);
    if (k == 0 || s.norm == 0)
        return first_rows(index, k, skip, out);

    /* Seeds pay when they are few among all. */
    uint64_t seeds = index->cells / SEED_SHARE + 8 * (uint64_t)k / CELL_ROWS + SEED_CELLS;
    if (seeds > index->cells / 2)
        seeds = 0;
    const size_t doubles = (size_t)index->width + index->clusters + index->cells,
                 bytes = doubles * sizeof(double) + seeds * sizeof(struct topk_hit) +
                         index->width;
    char *memory = malloc(bytes);
    if (!memory)
        return PENCHANT_ENOMEM;
    s.w = (double *)memory;
    s.base = s.w + index->width;
    s.above = s.base + index->clusters;
    struct topk_hit *first = (struct topk_hit *)(s.above + index->cells);
    s.bytes = (int8_t *)(first + seeds);
    s.best = (struct best){.hit = out, .k = k};
    s.floor = -INFINITY;

    rotate(&s);
    prepare(&s);
    bound_cells(&s);
    if (seeds > 0)
        find_floor(&s, first, (uint32_t)seeds);
    for (uint32_t i = next_cell(&s, 0); i < index->cells;) {
        const struct cell *cell = &index->cell[i];
        i = next_cell(&s, i + 1);
        if (cell->step > 0)
            scan_cell(&s, cell);
        else
            scan_same(&s, cell);
    }
    score_pending(&s);
    best_sort(&s.best);
    free(memory);
    return s.best.n;
}
