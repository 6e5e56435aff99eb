/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `penchant benchmark` was asked and what it found: benchmark.c does the work,
 * benchmark_report.c, cold_report.c and prequential_report.c print it.
 */
#ifndef LAB_BENCHMARK_H
#define LAB_BENCHMARK_H

#include "base/buf.h"
#include "base/json_writer.h"
#include "base/progress.h"
#include "lab/prequential.h"
#include "lab/protocol_score.h"

struct benchmark {
    /* as asked */
    const char *protocol, *events, *train, *test, *items, *map, *sources, *report;
    struct protocol_options how;
    struct penchant_train_options learn;
    bool json, quiet;
    uint32_t mask;
    /* as found */
    struct progress progress;
    struct dataset data;
    struct protocol split;
    struct model *model, *served; /* before and after the lesson on everything */
    struct penchant_train_report trained;
    struct protocol_scores scores;
    struct prequential_scores through_time; /* prequential alone */
    struct protocol_scores without;         /* content; cold-items alone */
    long peak_kb;                           /* of the process when training ended */
};

/* The whole report: one JSON object, or a table for people. */
void benchmark_json(struct buf *out, const struct benchmark *b);
void benchmark_text(struct buf *out, const struct benchmark *b);

/* The part of it that is the cold-items protocol's own: the members "hidden_items", "cold"
   and "warm" of an object that is begun; lines. */
void cold_report_json(struct json_writer *w, const struct benchmark *b);
void cold_report_text(struct buf *out, const struct benchmark *b);

/* The same of the prequential protocol. */
void prequential_json(struct buf *out, const struct benchmark *b);
void prequential_text(struct buf *out, const struct benchmark *b);

/* Parts of both: members about the training, of an object that is begun; a row of
   HR@10, NDCG@10, HR@20 and MRR@20 with intervals. */
void benchmark_json_training(struct json_writer *w, const struct benchmark *b);
void benchmark_text_row(struct buf *out, const char *name, const struct metrics *m);

#endif
