/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A shop of products and users with latent vectors, as in RecoGym (Rohde, Bonner, Dunlop,
 * Vasile and Karatzoglou 2018, arXiv 1808.00720; reco-gym's environment 1). Products have
 * Gamma (P, K) and mu (P), standard normal and normal with deviation mu_sd; a user has
 * omega (K), normal with omega_sd, which takes a normal step of walk_sd before every view
 * but a session's first. A user views product p on their own with softmax(Gamma omega +
 * mu)[p], and clicks an ad for it with squash(beta omega + mu_ad)[p],
 *
 *     squash(x) = s(5 s(2 s(0.3 x) - 2) - 6),   s(x) = 1 / (1 + exp(-x)),
 *
 * between 0.4 and 2.9 %. beta and mu_ad are Gamma and mu with `flips` pairs exchanged, the
 * pairs of the largest inner products first and each product at most once: of two alike
 * products the one that is looked at is then not the one whose ads are clicked.
 *
 * Who is on the move is struct latent_user (lab/latent_user.h).
 *
 * All luck is drawn from (seed, episode, step) and never from what was shown, so that the
 * same people meet every policy with the same luck. Memory: P (2 K + 4) floats, and P^2 / 2
 * pairs of 16 bytes while the flips are chosen. Not thread-safe.
 */
#ifndef LAB_LATENT_SHOP_H
#define LAB_LATENT_SHOP_H

#include <stdint.h>

enum { LATENT_SHOP_MOST_FACTORS = 16 };

struct latent_shop_options {
    uint32_t products, factors, flips;
    double mu_sd, omega_sd, walk_sd;
};

struct latent_shop {
    struct latent_shop_options o;
    uint64_t seed;
    float *gamma, *beta; /* (P, K) */
    float *mu, *mu_ad;   /* (P) */
    double *weight;      /* (P) scratch */
};

/* The luck of one step: uniform in [0, 1) but for `normal`. */
struct latent_luck {
    double state, view, click;
    double normal[LATENT_SHOP_MOST_FACTORS];
};

/* 0 or PENCHANT_ENOMEM. */
int latent_shop_init(struct latent_shop *s, const struct latent_shop_options *o,
                     uint64_t seed);
void latent_shop_release(struct latent_shop *s); /* all zero is fine */

void latent_shop_luck(const struct latent_shop *s, uint32_t episode, uint32_t step,
                      struct latent_luck *out);

/* A user's interests from a step's luck, and one step of their walk. */
void latent_shop_draw(const struct latent_shop *s, const struct latent_luck *luck,
                      double *omega);
void latent_shop_walk(const struct latent_shop *s, const struct latent_luck *luck,
                      double *omega);

/* The product that is viewed at luck u. */
uint32_t latent_shop_view(struct latent_shop *s, const double *omega, double u);

double latent_shop_click(const struct latent_shop *s, const double *omega, uint32_t item);

/* The k products that are clicked most, best first, ties to the smaller number; k is at
   most ACTOR_MOST_SLATE. */
void latent_shop_best(struct latent_shop *s, const double *omega, uint32_t *item,
                      uint32_t k);

#endif
