/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The luck of simulated people: a random stream for what happens to one episode at one
 * step, however many draws were made elsewhere. Worlds take all that is random from here,
 * which is what makes their random numbers common to all actors (lab/world.h). What exists
 * before anybody comes (items, products) is drawn from streams of the seed, and
 * latent_shop_luck() deals a step of its people all their numbers at once.
 */
#ifndef LAB_LUCK_H
#define LAB_LUCK_H

#include "base/rng.h"

/* `what` tells the kinds of luck of a world apart. */
void luck_init(struct rng *r, uint64_t seed, uint32_t what, uint32_t episode,
               uint32_t step);

/* Uniform in [0, 1): the luck of one item at one step, where a stream would have to draw
   that of all the others too. */
double luck_of_item(uint64_t seed, uint64_t what, uint32_t episode, uint32_t step,
                    uint32_t item);

/* Exponential with mean 1, above 0. The least of clocks divided by weights is alternative i
   with a chance in proportion to its weight, so a choice among alternatives stays the same
   when others than the chosen one are exchanged. */
double luck_clock(struct rng *r);

/* 1 / (1 + exp(-x)) */
double luck_logistic(double x);

#endif
