/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One user's history through the model, event by event, for serving. A state keeps the
 * keys and values of the window, so that an event costs one position and a request
 * another (its last position depends on the time of the request). A full window drops its
 * oldest quarter and is encoded anew. Appending one by one and encoding at once give the
 * same bits.
 *
 * A state belongs to one caller at a time; models may be shared. A state is made for one
 * model and is worthless with another.
 */
#ifndef MODEL_ENCODER_H
#define MODEL_ENCODER_H

#include "model/model.h"

struct encoder_state;

/* Ready-made tables of one model for serving; share it between threads, it is read only. */
struct encoder;

int encoder_new(struct encoder **out, const struct model *m, struct penchant_error *err);
void encoder_free(struct encoder *e);

/*
 * Where the window begins for a user who has had `events` events: the number of its first
 * event, counted from 0. It depends on the count alone, so that a state made anew from
 * there (after a restart, say) is the state that went on all the time, bit for bit.
 */
uint64_t encoder_window_start(const struct encoder *e, uint64_t events);

/* An empty state whose first event will be the user's number `first`; NULL: no memory. */
struct encoder_state *encoder_state_new(const struct encoder *e, uint64_t first);
void encoder_state_free(struct encoder_state *s);
size_t encoder_state_bytes(const struct encoder *e, const struct encoder_state *s);

/* The number of the event that it takes next: `first` and all that were appended. */
uint64_t encoder_state_events(const struct encoder_state *s);

/* Takes events in, oldest first. An item past n_items is skipped but counted. */
void encoder_append(const struct encoder *e, struct encoder_state *s,
                    const uint32_t *item, const uint8_t *type, const int64_t *ts_us,
                    size_t n);

/*
 * The same where items that came after the model have a vector: vector[i] (dim,
 * unnormalised, item_content_new_item()) of an item past n_items, or NULL. It is copied.
 * Without memory for the first of them it is skipped. NULL: none has.
 */
void encoder_append_new(const struct encoder *e, struct encoder_state *s,
                        const uint32_t *item, const uint8_t *type, const int64_t *ts_us,
                        const float *const *vector, size_t n);

/* Whether such an item has come already, so that there is memory for more. */
bool encoder_state_knows_new(const struct encoder_state *s);

/* The query vector (dim) for a request at now_us; 0, or -1 while no known item went in. */
int encoder_query(const struct encoder *e, struct encoder_state *s, int64_t now_us,
                  float *vector);

#endif
