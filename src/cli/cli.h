/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the program's commands share: the table of commands, options as rows of a table
 * from which --help is printed, messages, exit codes, opening a shop, stopping on a
 * signal. A command is one function in one file. stdout is the result, stderr the
 * chatter.
 *
 * The program is single-threaded here; commands that start threads say so.
 */
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/json_writer.h"
#include "penchant.h"

enum cli_exit { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2 };

/* ---- commands ------------------------------------------------------------------ */

struct cli_command {
    const char *name, *help;
    int (*run)(int argc, char **argv); /* argv[0] is the command; returns enum cli_exit */
};

extern const struct cli_command cli_commands[]; /* ends with name NULL */

int cmd_import(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_train(int argc, char **argv);
int cmd_evaluate(int argc, char **argv);
int cmd_recommend(int argc, char **argv);
int cmd_similar(int argc, char **argv);
int cmd_interests(int argc, char **argv);
int cmd_next(int argc, char **argv);
int cmd_segments(int argc, char **argv);
int cmd_balance(int argc, char **argv);
int cmd_status(int argc, char **argv);
int cmd_serve(int argc, char **argv);

/* ---- options ------------------------------------------------------------------- */

enum cli_type { CLI_FLAG, CLI_STRING, CLI_U32, CLI_U64, CLI_DOUBLE };

/* One option. What *value holds before parsing is the default that --help shows. */
struct cli_option {
    const char *name; /* "events" is given as --events F or --events=F */
    char letter;      /* 'd' is given as -d DIR or -dDIR; 0: none */
    enum cli_type type;
    void *value;          /* bool, const char *, uint32_t, uint64_t or double */
    const char *argument; /* how --help names what follows; NULL for a flag */
    const char *fallback; /* shown as the default instead of *value; NULL: show *value */
    double low, high;     /* for numbers: what is allowed; both 0: anything that fits */
    const char *help;
};

/* clang-format off */
#define CLI_DIR(p)   {"dir", 'd', CLI_STRING, (p), "DIR", NULL, 0, 0, "the shop's folder"}
#define CLI_JSON(p)  {"json", 0, CLI_FLAG, (p), NULL, NULL, 0, 0, "print one JSON object"}
#define CLI_QUIET(p) {"quiet", 'q', CLI_FLAG, (p), NULL, NULL, 0, 0, "no progress, no notes"}
#define CLI_K(p)     {"k", 'k', CLI_U32, (p), "K", NULL, 1, PENCHANT_MAX_K, "how many items"}
/* clang-format on */
#define CLI_DEFAULT_DIR "penchant-data"

struct cli_spec {
    const char *command; /* as in messages: "import", "bench topk" */
    const char *help;    /* one line */
    const char *details; /* further lines for --help, or NULL */
    const struct cli_option *options;
    size_t n_options;
};

enum { CLI_CONTINUE = -1 };

/*
 * Reads argv[1..] into the options' values; strings point into argv. Returns
 * CLI_CONTINUE, or the exit status when --help was printed or a message about wrong
 * usage.
 */
int cli_parse(const struct cli_spec *spec, int argc, char **argv);

/* Splits at commas, in place of a copy that *copy owns (free it). *n parts; NULL: memory.
 */
const char **cli_split(const char *list, size_t *n, char **copy);

/* Whether text is "NAME=NUMBER" with that name; the number into *value. */
bool cli_assignment(const char *text, const char *name, double *value);

/* ---- messages ------------------------------------------------------------------ */

/* Prints `penchant: COMMAND: text` to stderr and returns `status`, an exit status. */
int cli_fail(int status, const char *command, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for what the library reported; answers CLI_FAILED. */
int cli_fail_error(const char *command, const struct penchant_error *err);

/* The entry of `names` (n of them) nearest to `word`, or NULL when none is near. */
const char *cli_nearest(const char *word, const char *const *names, size_t n);

/* Writes the buffer and a line feed to stdout; CLI_FAILED when that fails. */
int cli_print(const char *command, struct buf *text);

/* "2026-03-01T12:00:00Z"; "-" for 0. The text lives in `out`. */
enum { CLI_TIME_SIZE = 32 };
const char *cli_time(int64_t us, char out[CLI_TIME_SIZE]);

/* ---- shops --------------------------------------------------------------------- */

enum cli_open {
    CLI_OPEN_READ,         /* beside whoever writes, never for writing */
    CLI_OPEN_ANY,          /* for writing; read only when another process writes */
    CLI_OPEN_CREATE,       /* for writing, made when missing */
    CLI_OPEN_CREATE_LEARN, /* the same, and its model learns on */
    CLI_OPEN_MEMORY,       /* an empty one that is kept nowhere; `dir` is not looked at */
};

/* Opens, with log lines from warnings up on stderr. On failure the message is printed. */
int cli_open_shop(struct penchant **out, const char *command, const char *dir,
                  enum cli_open how);

/* A penchant_log_fn that prints lines of the level *cookie (an int) and above to stderr. */
void cli_log(void *cookie, int level, const char *line);

/* Prints a list as a table or JSON with the items' titles; frees nothing. */
int cli_print_list(const char *command, struct penchant *p,
                   const struct penchant_list *list, bool json);

/* Appends a table of what penchant_evaluate found, without a last line feed. */
void cli_print_quality(struct buf *b, const struct penchant_evaluation *e);

/* What is said of values, in `train` and `evaluate`: lines after what is there, or an object
   "values". */
void cli_print_values(struct buf *b, const struct penchant_value_quality *value);
void cli_values_json(struct json_writer *w, const struct penchant_value_quality *value);

/* Its value and interval as an object. */
void cli_metric_json(struct json_writer *w, const char *key,
                     const struct penchant_metric *m);

/* Appends `share` of 0 to 1 as a bar of CLI_BAR characters, filled up with blanks. */
enum { CLI_BAR = 20 };
void cli_bar(struct buf *b, double share);

/* ---- signals ------------------------------------------------------------------- */

/* Non-zero after SIGINT or SIGTERM, once cli_catch_stop() was called; a second signal
 * kills. */
extern volatile sig_atomic_t cli_stop;
void cli_catch_stop(void);

#endif
