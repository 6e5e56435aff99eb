/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rows put into clusters of some hundreds by k-means in two or three levels (each level
 * up to 64 ways, Lloyd's iterations on a sample, then one pass over all). The result only
 * changes how fast a search is, never its answer. The same rows give the same clusters on
 * the same instruction set.
 */
#ifndef RETRIEVAL_CLUSTER_H
#define RETRIEVAL_CLUSTER_H

#include <stdint.h>

struct clusters {
    uint32_t n;
    uint32_t *order; /* the rows, cluster by cluster, ascending within a cluster */
    uint32_t *begin; /* (n + 1) where a cluster's rows begin in `order` */
    float *centre;   /* (n, dim) mean of its rows, rounded to float */
};

/* rows (n, dim), finite. 0, or PENCHANT_ENOMEM with nothing to release. */
int clusters_init(struct clusters *c, const float *rows, uint32_t n, uint32_t dim);
void clusters_release(struct clusters *c);

#endif
