/* SPDX-License-Identifier: Apache-2.0 */
/* Between ope_rows.c, which reads, and ope_slates.c, which sorts; private to them. */
#ifndef LAB_OPE_ROWS_WORK_H
#define LAB_OPE_ROWS_WORK_H

#include "lab/ope_rows.h"

/* Puts the rows in the order of slates and positions, and finds where slates begin. */
int ope_rows_sort(struct ope_rows *r, struct penchant_error *err);

#endif
