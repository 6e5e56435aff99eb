/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The header of a NumPy file (.npy, versions 1 to 3): magic, length, and a Python dictionary
 * with the type, the order and the shape of the numbers that follow.
 */
#ifndef BEHAVIOUR_NPY_H
#define BEHAVIOUR_NPY_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"
#include "behaviour/floats.h"

#define NPY_MAGIC "\x93NUMPY"

enum { NPY_MAGIC_BYTES = 6, NPY_HEADER_MAX = 1 << 16 };

struct npy {
    enum floats_kind kind;
    uint64_t rows, cols;
    uint64_t data_at; /* where the numbers begin in the file */
};

/*
 * Reads the header from the first n bytes of a file (NPY_HEADER_MAX, or all of a shorter
 * one). Only tables of floating point numbers in C order are taken: PENCHANT_EINVALID says
 * what is in the way, and at which byte.
 */
int npy_parse(struct npy *out, const unsigned char *bytes, size_t n,
              struct penchant_error *err);

#endif
