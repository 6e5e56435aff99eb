/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/reader.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "behaviour/csv.h"

enum { IN_SIZE = 1 << 18, FILL_SIZE = 1 << 18, WINDOW = READER_LINE_MAX + FILL_SIZE };

enum packing { PLAIN, GZIP, ZSTD };

struct reader {
    const char *path; /* the caller's, for messages */
    int fd;
    enum packing packing;
    z_stream gzip;
    ZSTD_DStream *zstd;
    bool in_frame; /* compressed data that has begun has not ended yet */
    uint64_t done, total, line;

    unsigned char *in; /* (IN_SIZE) as in the file; [in_at, in_end) is not used yet */
    size_t in_at, in_end;
    char *text; /* (WINDOW + 1) the text; [begin, end) is not used yet */
    size_t begin, end;
    bool in_eof, eof; /* of the file; of the text */
};

static int fail_damaged(const struct reader *r, const char *what,
                        struct penchant_error *err)
{
    return error_set(err, PENCHANT_EINVALID, "%s: the compressed data is %s", r->path,
                     what);
}

/* Reads more of the file when all of it that was read is used up. */
static int fill_in(struct reader *r, struct penchant_error *err)
{
    if (r->in_at < r->in_end || r->in_eof)
        return PENCHANT_OK;
    ssize_t n;
    do
        n = read(r->fd, r->in, IN_SIZE);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return error_set(err, PENCHANT_EIO, "%s: %s", r->path, strerror(errno));
    r->in_at = 0;
    r->in_end = (size_t)n;
    r->in_eof = n == 0;
    r->done += (uint64_t)n;
    return PENCHANT_OK;
}

static int step_plain(struct reader *r, char *out, size_t cap, size_t *n)
{
    const size_t have = r->in_end - r->in_at;
    *n = have < cap ? have : cap;
    memcpy(out, r->in + r->in_at, *n);
    r->in_at += *n;
    return PENCHANT_OK;
}

static int step_gzip(struct reader *r, char *out, size_t cap, size_t *n,
                     struct penchant_error *err)
{
    if (!r->in_frame && inflateReset(&r->gzip) != Z_OK) /* files may be concatenated */
        return error_memory(err);
    r->in_frame = true;
    r->gzip.next_in = r->in + r->in_at;
    r->gzip.avail_in = (uInt)(r->in_end - r->in_at);
    r->gzip.next_out = (unsigned char *)out;
    r->gzip.avail_out = (uInt)cap;
    const int rc = inflate(&r->gzip, Z_NO_FLUSH);
    r->in_at = r->in_end - r->gzip.avail_in;
    *n = cap - r->gzip.avail_out;
    if (rc == Z_MEM_ERROR)
        return error_memory(err);
    if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR)
        return fail_damaged(r, "damaged", err);
    r->in_frame = rc != Z_STREAM_END;
    return PENCHANT_OK;
}

static int step_zstd(struct reader *r, char *out, size_t cap, size_t *n,
                     struct penchant_error *err)
{
    ZSTD_inBuffer in = {r->in, r->in_end, r->in_at};
    ZSTD_outBuffer to = {out, cap, 0};
    const size_t rc = ZSTD_decompressStream(r->zstd, &to, &in);
    r->in_at = in.pos;
    *n = to.pos;
    if (ZSTD_isError(rc))
        return fail_damaged(r, ZSTD_getErrorName(rc), err);
    r->in_frame = rc != 0;
    return PENCHANT_OK;
}

/* Adds text to the window; at least one byte, or eof. */
static int fill(struct reader *r, struct penchant_error *err)
{
    memmove(r->text, r->text + r->begin, r->end - r->begin);
    r->end -= r->begin;
    r->begin = 0;
    for (size_t n = 0; !n && !r->eof; r->end += n) {
        char *out = r->text + r->end;
        const size_t cap = WINDOW - r->end;
        int rc = fill_in(r, err);
        if (rc == 0 && r->in_at == r->in_end && !r->in_frame) {
            r->eof = true;
            break;
        }
        if (rc == 0)
            rc = r->packing == GZIP   ? step_gzip(r, out, cap, &n, err)
                 : r->packing == ZSTD ? step_zstd(r, out, cap, &n, err)
                                      : step_plain(r, out, cap, &n);
        if (rc != 0)
            return rc;
        if (!n && r->in_eof && r->in_frame)
            return fail_damaged(r, "cut short", err);
    }
    return PENCHANT_OK;
}

/* Reads the first bytes and finds out what they are. */
static int begin(struct reader *r, struct penchant_error *err)
{
    const int rc = fill_in(r, err);
    if (rc != 0)
        return rc;
    const unsigned char *b = r->in;
    if (r->in_end >= 2 && b[0] == 0x1F && b[1] == 0x8B) {
        r->packing = GZIP;
        if (inflateInit2(&r->gzip, 16 + MAX_WBITS) != Z_OK)
            return error_memory(err);
    } else if (r->in_end >= 4 && memcmp(b, "\x28\xB5\x2F\xFD", 4) == 0) {
        r->packing = ZSTD;
        r->zstd = ZSTD_createDStream();
        if (!r->zstd)
            return error_memory(err);
    }
    while (r->end < 3 && !r->eof) {
        const int more = fill(r, err);
        if (more != 0)
            return more;
    }
    if (r->end >= 3 && memcmp(r->text, "\xEF\xBB\xBF", 3) == 0)
        r->begin = 3;
    if (r->end >= 2 &&
        (memcmp(r->text, "\xFF\xFE", 2) == 0 || memcmp(r->text, "\xFE\xFF", 2) == 0))
        return error_set(err, PENCHANT_EINVALID, "%s is UTF-16; UTF-8 is needed",
                         r->path);
    return PENCHANT_OK;
}

int reader_open(struct reader **out, const char *path, struct penchant_error *err)
{
    int rc;
    struct stat st;
    *out = NULL;
    struct reader *r = calloc(1, sizeof(*r));
    if (!r)
        return error_memory(err);
    r->path = path;
    r->fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    r->in = malloc(IN_SIZE);
    r->text = malloc(WINDOW + 1);
    if (!r->in || !r->text)
        rc = error_memory(err);
    else if (r->fd < 0 || fstat(r->fd, &st) != 0)
        rc = error_set(err, errno == ENOENT ? PENCHANT_ENOTFOUND : PENCHANT_EIO, "%s: %s",
                       path, strerror(errno));
    else
        rc = begin(r, err);
    if (rc != 0) {
        reader_close(r);
        return rc;
    }
    r->total = S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
    *out = r;
    return PENCHANT_OK;
}

void reader_close(struct reader *r)
{
    if (!r)
        return;
    if (r->fd > STDIN_FILENO)
        close(r->fd);
    if (r->packing == GZIP)
        inflateEnd(&r->gzip);
    ZSTD_freeDStream(r->zstd);
    free(r->in);
    free(r->text);
    free(r);
}

int reader_peek(struct reader *r, char *byte, struct penchant_error *err)
{
    *byte = 0;
    for (size_t at = r->begin;;) {
        while (at < r->end && strchr(" \t\r\n", r->text[at]) && r->text[at])
            at++;
        if (at < r->end) {
            *byte = r->text[at];
            return PENCHANT_OK;
        }
        if (r->eof || r->end - r->begin > READER_LINE_MAX)
            return PENCHANT_OK;
        at -= r->begin;
        const int rc = fill(r, err);
        if (rc != 0)
            return rc;
    }
}

/* Hands out [begin, begin + len) as a line and moves on past it and its end. */
static int take(struct reader *r, size_t len, bool ended, struct reader_line *line)
{
    char *text = r->text + r->begin;
    line->text = text;
    line->number = r->line + 1;
    r->begin += len + ended;
    r->line++;
    for (char *at = text; (at = memchr(at, '\n', (size_t)(text + len - at))); at++)
        r->line++;
    if (len && text[len - 1] == '\r')
        len--;
    text[len] = 0; /* the line's end, or the window's spare byte */
    line->len = len;
    return 1;
}

/* Skips what is left of a line that is longer than the window. */
static int skip_long(struct reader *r, struct reader_line *line,
                     struct penchant_error *err)
{
    *line = (struct reader_line){
        .text = r->text, .number = ++r->line, .problem = "the line is longer than 1 MiB"};
    for (;;) {
        char *nl = memchr(r->text + r->begin, '\n', r->end - r->begin);
        if (nl) {
            r->begin = (size_t)(nl - r->text) + 1;
            break;
        }
        r->begin = r->end;
        if (r->eof)
            break;
        const int rc = fill(r, err);
        if (rc != 0)
            return rc;
    }
    r->text[WINDOW] = 0;
    line->text = r->text + WINDOW;
    return 1;
}

int reader_next(struct reader *r, char delimiter, struct reader_line *line,
                struct penchant_error *err)
{
    line->problem = NULL;
    for (;;) {
        char *text = r->text + r->begin;
        const size_t n = r->end - r->begin;
        char *nl = memchr(text, '\n', n);
        const size_t first =
            nl ? (size_t)(nl - text) : n; /* the first line as it stands */
        size_t len = first;
        if (delimiter && memchr(text, '"', first))
            len = csv_record_length(text, n, delimiter);
        if (len < n && len <= READER_LINE_MAX)
            return take(r, len, true, line);
        if (r->eof && len == n && n <= READER_LINE_MAX)
            return n ? take(r, n, false, line) : 0;
        if (r->eof || n > READER_LINE_MAX) {
            if (first > READER_LINE_MAX)
                return skip_long(r, line, err);
            /* No end within reach: only the line with the open quote is lost. */
            line->problem = "a quoted field is not closed within 1 MiB";
            return take(r, first, first < n, line);
        }
        const int rc = fill(r, err);
        if (rc != 0)
            return rc;
    }
}

uint64_t reader_done(const struct reader *r)
{
    return r->done;
}

uint64_t reader_total(const struct reader *r)
{
    return r->total;
}
