/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a penchant.conf: what is taken is sound, refusals say where and why. */
#include "fuzz_file.h"

#include <math.h>
#include <string.h>

#include "engine/engine_config.h"

static void check(const struct engine_config *c)
{
    const struct rewards *r = &c->rewards;
    if (r->n > REWARD_MOST_RULES || explore_check(&c->explore, NULL))
        abort();
    for (uint32_t i = 0; i < r->n; i++)
        if (!isfinite(r->rule[i].reward) || r->rule[i].window_us < 0 ||
            rewards_find(r, r->rule[i].event) != (int)i)
            abort();
    if (!(reward_examined(r, 3) > 0 && reward_examined(r, 3) <= 1))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_file f = fuzz_file_new(data, size);
    struct engine_config c;
    struct penchant_error err = {0};
    engine_config_default(&c);
    const int status = engine_config_read(&c, f.path, &err);
    if (status != PENCHANT_OK &&
        (strncmp(err.text, f.path, strlen(f.path)) != 0 || err.status != status))
        abort();
    check(&c);
    fuzz_file_free(&f);
    return 0;
}
