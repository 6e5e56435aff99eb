/* SPDX-License-Identifier: Apache-2.0 */
/* Messages, opening a shop, printing lists, stopping on a signal. Options: options.c. */
#include "cli/cli.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/json_writer.h"
#include "server/explanation_json.h"

int cli_fail(int status, const char *command, const char *format, ...)
{
    va_list args;
    fflush(stdout);
    fprintf(stderr, "penchant: %s: ", command);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    return status;
}

int cli_fail_error(const char *command, const struct penchant_error *err)
{
    return cli_fail(CLI_FAILED, command, "%s",
                    err->text[0] ? err->text : penchant_status_text(err->status));
}

/* Levenshtein's distance, for words shorter than 32 bytes. */
static size_t distance(const char *a, const char *b)
{
    size_t row[32];
    const size_t na = strlen(a), nb = strlen(b);
    if (na >= 32 || nb >= 32)
        return SIZE_MAX;
    for (size_t j = 0; j <= nb; j++)
        row[j] = j;
    for (size_t i = 1; i <= na; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            const size_t change = diagonal + (a[i - 1] != b[j - 1]);
            const size_t insert = row[j - 1] + 1, delete = row[j] + 1;
            diagonal = row[j];
            row[j] = change < insert ? change : insert;
            if (delete < row[j])
                row[j] = delete;
        }
    }
    return row[nb];
}

const char *cli_nearest(const char *word, const char *const *names, size_t n)
{
    const char *best = NULL;
    size_t least = strlen(word) / 3 + 2;
    for (size_t i = 0; i < n; i++) {
        const size_t d = distance(word, names[i]);
        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}

int cli_print(const char *command, struct buf *text)
{
    if (text->failed)
        return cli_fail(CLI_FAILED, command, "out of memory");
    buf_putc(text, '\n');
    if (fwrite(text->data, 1, text->len, stdout) != text->len || fflush(stdout) != 0)
        return cli_fail(CLI_FAILED, command, "standard output cannot be written");
    return CLI_OK;
}

const char *cli_time(int64_t us, char out[CLI_TIME_SIZE])
{
    const time_t seconds = (time_t)(us / 1000000);
    struct tm tm;
    if (us == 0 || !gmtime_r(&seconds, &tm))
        snprintf(out, CLI_TIME_SIZE, "-");
    else
        strftime(out, CLI_TIME_SIZE, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return out;
}

void cli_log(void *cookie, int level, const char *line)
{
    static const char *const name[] = {"debug", "info", "warn", "error"};
    if (level >= *(const int *)cookie)
        fprintf(stderr, "%s %s\n", name[level & 3], line);
}

int cli_open_shop(struct penchant **out, const char *command, const char *dir,
                  enum cli_open how)
{
    static int level = PENCHANT_WARN;
    struct penchant_options o;
    struct penchant_error err = {0};
    penchant_options_default(&o);
    o.dir = how == CLI_OPEN_MEMORY ? NULL : dir;
    o.store = how == CLI_OPEN_MEMORY ? "memory" : o.store;
    o.create = how == CLI_OPEN_CREATE || how == CLI_OPEN_CREATE_LEARN;
    o.learn = how == CLI_OPEN_CREATE_LEARN;
    o.read_only = how == CLI_OPEN_READ;
    o.log = cli_log;
    o.log_cookie = &level;
    int status = penchant_open(out, &o, &err);
    if (status == PENCHANT_ELOCKED && how == CLI_OPEN_ANY) {
        o.read_only = true;
        status = penchant_open(out, &o, &err);
    }
    return status ? cli_fail_error(command, &err) : CLI_OK;
}

/* "       12.3 %: sequence +2.310, covisitation -0.120" */
static void evidence_text(struct buf *b, const struct penchant_scored *item)
{
    buf_printf(b, "\n     %.2g %%:", 100 * item->probability);
    for (size_t i = 0; i < item->n_evidence; i++)
        buf_printf(b, "%s %s %+.3f", i ? "," : "", item->evidence[i].source,
                   item->evidence[i].contribution);
    if (item->balance != 0)
        buf_printf(b, ", balance %+.3f", item->balance);
}

static void list_json(struct buf *b, struct penchant *p, const struct penchant_list *list)
{
    struct json_writer w;
    json_init(&w, b);
    json_begin_object(&w);
    json_key_string(&w, "recommendation_id",
                    list->recommendation_id[0] ? list->recommendation_id : NULL);
    json_key(&w, "items");
    json_begin_array(&w);
    for (size_t i = 0; i < list->n; i++) {
        struct penchant_item *item = NULL;
        json_begin_object(&w);
        json_key_string(&w, "item_id", list->items[i].item_id);
        json_key_double(&w, "score", list->items[i].score, 9);
        if (list->drawn)
            json_key_double(&w, "propensity", list->items[i].propensity, 9);
        if (penchant_get_item(p, list->items[i].item_id, &item, NULL) == 0 && item->title)
            json_key_string(&w, "title", item->title);
        penchant_item_free(item);
        if (list->items[i].evidence)
            explanation_json(&w, &list->items[i]);
        json_end_object(&w);
    }
    json_end_array(&w);
    if (list->warning)
        json_key_string(&w, "warning", list->warning);
    json_end_object(&w);
}

static void list_table(struct buf *b, struct penchant *p,
                       const struct penchant_list *list)
{
    buf_printf(b, "%-4s %-20s %10s  %s", "", "item_id", "score", "title");
    for (size_t i = 0; i < list->n; i++) {
        struct penchant_item *item = NULL;
        const int known = penchant_get_item(p, list->items[i].item_id, &item, NULL);
        buf_printf(b, "\n%3zu. %-20s %10.4f  %s", i + 1, list->items[i].item_id,
                   list->items[i].score, known == 0 && item->title ? item->title : "");
        if (known == 0 && !isnan(item->price))
            buf_printf(b, "  (%.2f)", item->price);
        penchant_item_free(item);
        if (list->items[i].evidence)
            evidence_text(b, &list->items[i]);
    }
}

int cli_print_list(const char *command, struct penchant *p,
                   const struct penchant_list *list, bool json)
{
    struct buf b;
    buf_init(&b, (size_t)16 << 20);
    if (json)
        list_json(&b, p, list);
    else
        list_table(&b, p, list);
    if (!json && !list->n)
        fprintf(stderr, "penchant: %s: there is no item to show\n", command);
    if (list->warning)
        fprintf(stderr, "penchant: %s: %s\n", command, list->warning);
    const int status = cli_print(command, &b);
    buf_release(&b);
    return status;
}

bool cli_assignment(const char *text, const char *name, double *value)
{
    const size_t n = strlen(name);
    char *end;
    if (strncmp(text, name, n) != 0 || text[n] != '=')
        return false;
    const double x = strtod(text + n + 1, &end);
    if (end == text + n + 1 || *end || !isfinite(x))
        return false;
    *value = x;
    return true;
}

void cli_metric_json(struct json_writer *w, const char *key,
                     const struct penchant_metric *m)
{
    json_key(w, key);
    json_begin_object(w);
    json_key_double(w, "value", m->value, 6);
    json_key_double(w, "low", m->low, 6);
    json_key_double(w, "high", m->high, 6);
    json_end_object(w);
}

void cli_bar(struct buf *b, double share)
{
    static const char *const part[] = {"", "▏", "▎", "▍", "▌", "▋", "▊", "▉"};
    const int eighths = (int)lround(fmin(1, fmax(0, share)) * CLI_BAR * 8);
    for (int i = 0; i < eighths / 8; i++)
        buf_puts(b, "█");
    buf_puts(b, part[eighths % 8]);
    for (int i = (eighths + 7) / 8; i < CLI_BAR; i++)
        buf_puts(b, " ");
}

volatile sig_atomic_t cli_stop;

static void on_stop(int number)
{
    cli_stop = number;
}

void cli_catch_stop(void)
{
    struct sigaction a = {.sa_handler = on_stop,
                          .sa_flags = SA_RESTART | (int)SA_RESETHAND};
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}
