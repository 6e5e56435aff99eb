/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a checkpoint: a model that can be used, or a reason why there is none. */
#include "fuzz_file.h"

#include "model/checkpoint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_file f = fuzz_file_new(data, size);
    struct penchant_error err = {0};
    struct model *m = NULL;
    char note[64];
    const int rc = checkpoint_load(&m, f.path, &err);
    if ((rc == PENCHANT_OK) != (m != NULL) || (rc != PENCHANT_OK && !err.text[0]))
        abort();
    if (m) {
        volatile float sum = 0;
        for (size_t i = 0; i < m->n_params; i++)
            sum += m->param[i];
        checkpoint_note(f.path, "preset", note, sizeof(note), &err);
        model_free(m);
    }
    fuzz_file_free(&f);
    return 0;
}
