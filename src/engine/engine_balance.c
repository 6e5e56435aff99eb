/* SPDX-License-Identifier: Apache-2.0 */
/* penchant_get_balance, penchant_set_balance: targets and what lists come to. */
#include <math.h>

#include "engine/shop_balance.h"

enum penchant_balance penchant_balance_find(const char *name)
{
    return balance_find(name);
}

int penchant_get_balance(struct penchant *p, struct penchant_balance_report *out,
                         struct penchant_error *err)
{
    (void)err;
    const struct balance b = shop_balance_state(p->balance);
    *out = (struct penchant_balance_report){.impressions = b.impressions,
                                            .updates = b.updates};
    for (int m = 0; m < PENCHANT_BALANCES; m++)
        out->measure[m] = (struct penchant_balanced){
            .name = balance_name((enum penchant_balance)m),
            .target = b.target[m],
            .realised = balance_realised(&b, (enum penchant_balance)m),
            .multiplier = b.lambda[m]};
    return PENCHANT_OK;
}

struct aiming {
    struct work work;
    uint32_t which;
    const double *target;
};

static int check(const struct penchant *p, const struct aiming *a,
                 struct penchant_error *err)
{
    int status = PENCHANT_OK;
    if (a->which >> PENCHANT_BALANCES)
        return error_field(err, PENCHANT_EINVALID, 0, "which",
                           "there is no such measure");
    for (int m = 0; m < PENCHANT_BALANCES && status == PENCHANT_OK; m++) {
        const enum penchant_balance which = (enum penchant_balance)m;
        if (!(a->which >> m & 1))
            continue;
        if (shop_balance_is_fixed(p->balance, which))
            return error_field(err, PENCHANT_EINVALID, 0, balance_name(which),
                               "the target of %s is set in penchant.conf",
                               balance_name(which));
        status = balance_check(which, a->target[m], err);
    }
    return status;
}

/* Alone, since what it writes must be what the shop has in memory. */
static int aim_alone(struct penchant *p, struct work *w, struct penchant_error *err)
{
    const struct aiming *a = (const struct aiming *)w;
    struct balance b = shop_balance_state(p->balance);
    char text[SHOP_BALANCE_TEXT];
    for (int m = 0; m < PENCHANT_BALANCES; m++)
        if (a->which >> m & 1)
            balance_aim(&b, (enum penchant_balance)m, a->target[m], NULL);
    shop_balance_text(p->balance, &b, text);
    int status = writer_begin(p, err);
    if (status != PENCHANT_OK)
        return status;
    status = p->store->ops->put_fact(p->store, "balance", text, err);
    if (status != PENCHANT_OK) {
        writer_rollback(p);
        return status;
    }
    status = writer_commit(p, err);
    if (status == PENCHANT_OK)
        shop_balance_take(p->balance, &b);
    return status;
}

int penchant_set_balance(struct penchant *p, uint32_t which,
                         const double target[PENCHANT_BALANCES],
                         struct penchant_error *err)
{
    struct aiming a = {.work = {.alone = aim_alone}, .which = which, .target = target};
    const int status = check(p, &a, err);
    return status == PENCHANT_OK ? writer_run(p, &a.work, err) : status;
}
