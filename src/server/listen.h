/* SPDX-License-Identifier: Apache-2.0 */
/* The listening socket, and whether other machines can reach it. */
#ifndef SERVER_LISTEN_H
#define SERVER_LISTEN_H

#include <netinet/in.h>
#include <stdbool.h>

#include "base/status.h"

/* "127.0.0.1:7700", "[::1]:0", "localhost:7700", ":7700" (every address). */
int listen_parse(const char *text, struct sockaddr_storage *out, socklen_t *len,
                 struct penchant_error *err);

/* 127.0.0.0/8, ::1, and the former mapped into IPv6. */
bool listen_is_loopback(const struct sockaddr_storage *a);

/* Binds and listens, non-blocking; *port is what the system gave. The caller closes *fd. */
int listen_open(const struct sockaddr_storage *a, socklen_t len, int *fd, uint16_t *port,
                struct penchant_error *err);

#endif
