/* SPDX-License-Identifier: Apache-2.0 */
#include "server/listen.h"

#include <errno.h>
#include <netdb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BACKLOG = 1024 };

static int bad_address(const char *text, const char *why, struct penchant_error *err)
{
    return error_field(err, PENCHANT_EINVALID, 0, "listen",
                       "cannot listen on \"%.100s\": %s", text, why);
}

/* Splits HOST:PORT or [HOST]:PORT into host[n]; the port, or NULL. */
static const char *split(const char *text, char *host, size_t n)
{
    const char *colon = strrchr(text, ':');
    if (!colon)
        return NULL;
    size_t len = (size_t)(colon - text);
    if (len >= 2 && text[0] == '[' && text[len - 1] == ']') {
        text++;
        len -= 2;
    } else if (memchr(text, ':', len)) {
        return NULL; /* an IPv6 address needs its brackets */
    }
    if (len >= n)
        return NULL;
    memcpy(host, text, len);
    host[len] = 0;
    return colon + 1;
}

int listen_parse(const char *text, struct sockaddr_storage *out, socklen_t *len,
                 struct penchant_error *err)
{
    char host[256];
    const char *port = split(text, host, sizeof(host));
    if (!port)
        return bad_address(text, "not ADDRESS:PORT or [ADDRESS]:PORT", err);
    char *end;
    errno = 0;
    const long number = strtol(port, &end, 10);
    if (*port < '0' || *port > '9' || *end || errno || number > UINT16_MAX)
        return bad_address(text, "the port must be a number from 0 to 65535", err);
    const struct addrinfo hints = {.ai_flags = AI_PASSIVE | AI_NUMERICSERV,
                                   .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const int rc = getaddrinfo(*host ? host : NULL, port, &hints, &found);
    if (rc)
        return bad_address(text, gai_strerror(rc), err);
    memcpy(out, found->ai_addr, found->ai_addrlen);
    *len = found->ai_addrlen;
    freeaddrinfo(found);
    return PENCHANT_OK;
}

bool listen_is_loopback(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)a;
        return ntohl(in->sin_addr.s_addr) >> 24 == 127;
    }
    if (a->ss_family == AF_INET6) {
        const struct in6_addr *in6 =
            &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;
        return IN6_IS_ADDR_LOOPBACK(in6) ||
               (IN6_IS_ADDR_V4MAPPED(in6) && in6->s6_addr[12] == 127);
    }
    return false;
}

static uint16_t bound_port(int fd)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof(a);
    if (getsockname(fd, (struct sockaddr *)&a, &len))
        return 0;
    return ntohs(a.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)(void *)&a)->sin6_port
                                         : ((struct sockaddr_in *)(void *)&a)->sin_port);
}

int listen_open(const struct sockaddr_storage *a, socklen_t len, int *fd, uint16_t *port,
                struct penchant_error *err)
{
    const int on = 1;
    const int s = socket(a->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (s < 0)
        return error_set(err, PENCHANT_EIO, "no socket: %s", strerror(errno));
    if (setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        bind(s, (const struct sockaddr *)a, len) || listen(s, BACKLOG)) {
        const int why = errno;
        close(s);
        return error_field(err, PENCHANT_EIO, 0, "listen", "cannot listen: %s",
                           strerror(why));
    }
    *port = bound_port(s);
    *fd = s;
    return PENCHANT_OK;
}
