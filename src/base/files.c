/* SPDX-License-Identifier: Apache-2.0 */
#include "base/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

int files_make_dir(const char *path, struct penchant_error *err)
{
    char part[PATH_BYTES];
    const size_t n = strlen(path);
    if (n == 0 || n >= sizeof(part))
        return error_set(err, PENCHANT_EINVALID, "a folder's name of %zu bytes", n);
    memcpy(part, path, n + 1);
    for (size_t i = 1; i <= n; i++) {
        if (part[i] != '/' && part[i] != 0)
            continue;
        const char keep = part[i];
        part[i] = 0;
        if (mkdir(part, 0777) != 0 && errno != EEXIST)
            return error_set(err, PENCHANT_EIO, "cannot make the folder %s: %s", part,
                             strerror(errno));
        part[i] = keep;
    }
    return PENCHANT_OK;
}

int files_write_all(int fd, const void *bytes, size_t n)
{
    const char *at = bytes;
    while (n) {
        const ssize_t done = write(fd, at, n);
        if (done < 0 && errno == EINTR)
            continue;
        if (done < 0)
            return -1;
        at += done;
        n -= (size_t)done;
    }
    return 0;
}

static int sync_dir_of(const char *path)
{
    char dir[PATH_BYTES];
    const char *slash = strrchr(path, '/');
    const int n = slash
                      ? snprintf(dir, sizeof(dir), "%.*s", (int)(slash - path + 1), path)
                      : snprintf(dir, sizeof(dir), ".");
    if (n < 0 || (size_t)n >= sizeof(dir))
        return -1;
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    const int result = fsync(fd);
    close(fd);
    return result;
}

int files_replace(const char *path, int (*write)(void *arg, int fd), void *arg,
                  struct penchant_error *err)
{
    char beside[PATH_BYTES];
    const int n = snprintf(beside, sizeof(beside), "%s.%ld.tmp", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof(beside))
        return error_set(err, PENCHANT_EINVALID, "the path %s is too long", path);
    const int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (fd < 0)
        return error_set(err, PENCHANT_EIO, "cannot write %s: %s", beside,
                         strerror(errno));
    int result = write(arg, fd);
    if (result == 0)
        result = fsync(fd);
    const int failure = errno;
    if (close(fd) != 0 || result != 0 || rename(beside, path) != 0 ||
        sync_dir_of(path) != 0) {
        error_set(err, PENCHANT_EIO, "cannot write %s: %s", path,
                  strerror(result != 0 ? failure : errno));
        unlink(beside);
        return PENCHANT_EIO;
    }
    return PENCHANT_OK;
}

int files_lock(const char *path, int *fd, struct penchant_error *err)
{
    *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    if (*fd < 0)
        return error_set(err, PENCHANT_EIO, "cannot open %s: %s", path, strerror(errno));
    if (flock(*fd, LOCK_EX | LOCK_NB) == 0)
        return PENCHANT_OK;
    close(*fd);
    *fd = -1;
    return error_set(err, PENCHANT_ELOCKED, "%s is held by another process", path);
}

void files_unlock(int fd)
{
    if (fd >= 0)
        close(fd);
}
