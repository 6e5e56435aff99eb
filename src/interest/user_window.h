/* SPDX-License-Identifier: Apache-2.0 */
/* The memory of a state's recent events; for user_state.c alone. */
#ifndef INTEREST_USER_WINDOW_H
#define INTEREST_USER_WINDOW_H

#include "interest/user_state.h"

/* Puts an event at place `at`; the oldest leaves when there are more than `most`. 0 or
   PENCHANT_ENOMEM. */
int user_window_insert(struct user_state *u, uint32_t most, uint32_t at,
                       const struct event *e, float liking);
void user_window_remove(struct user_state *u, uint32_t at);
void user_window_release(struct user_state *u);

#endif
