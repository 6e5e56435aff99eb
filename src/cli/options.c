/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a command line into the values of an option table, and prints that table. */
#include "cli/cli.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the option holds as text, or NULL when there is no default worth showing. */
static const char *shown_default(const struct cli_option *o, char text[32])
{
    if (o->fallback)
        return o->fallback;
    switch (o->type) {
    case CLI_FLAG:
        return NULL;
    case CLI_STRING:
        return *(const char **)o->value;
    case CLI_U32:
        snprintf(text, 32, "%u", *(uint32_t *)o->value);
        return text;
    case CLI_U64:
        snprintf(text, 32, "%llu", (unsigned long long)*(uint64_t *)o->value);
        return text;
    case CLI_DOUBLE:
        snprintf(text, 32, "%g", *(double *)o->value);
        return text;
    }
    return NULL;
}

static void print_help(const struct cli_spec *spec)
{
    printf("penchant %s: %s\n\nusage: penchant %s [OPTIONS]\n", spec->command, spec->help,
           spec->command);
    if (spec->details)
        printf("\n%s\n", spec->details);
    if (spec->n_options)
        putchar('\n');
    for (size_t i = 0; i < spec->n_options; i++) {
        const struct cli_option *o = &spec->options[i];
        char left[48], text[32];
        snprintf(left, sizeof(left), "%c%c%s--%s%s%s", o->letter ? '-' : ' ',
                 o->letter ? o->letter : ' ', o->letter ? ", " : "  ", o->name,
                 o->argument ? " " : "", o->argument ? o->argument : "");
        const char *fallback = shown_default(o, text);
        printf("  %-26s %s", left, o->help);
        if (fallback && fallback[0])
            printf(" (default %s)", fallback);
        putchar('\n');
    }
}

static const struct cli_option *find_name(const struct cli_spec *spec, const char *name,
                                          size_t len)
{
    for (size_t i = 0; i < spec->n_options; i++)
        if (strlen(spec->options[i].name) == len &&
            memcmp(spec->options[i].name, name, len) == 0)
            return &spec->options[i];
    return NULL;
}

static const struct cli_option *find_letter(const struct cli_spec *spec, char letter)
{
    for (size_t i = 0; i < spec->n_options; i++)
        if (spec->options[i].letter == letter)
            return &spec->options[i];
    return NULL;
}

static int bad_number(const struct cli_spec *spec, const struct cli_option *o,
                      const char *text)
{
    const char *kind = o->type == CLI_DOUBLE ? "number" : "whole number";
    if (o->low < o->high)
        return cli_fail(CLI_USAGE, spec->command,
                        "--%s takes a %s from %g to %g, not \"%s\"", o->name, kind,
                        o->low, o->high, text);
    return cli_fail(CLI_USAGE, spec->command, "--%s takes a %s, not \"%s\"", o->name,
                    kind, text);
}

static bool in_range(const struct cli_option *o, double v)
{
    return !(o->low < o->high) || (v >= o->low && v <= o->high);
}

static int set_number(const struct cli_spec *spec, const struct cli_option *o,
                      const char *text)
{
    char *end = NULL;
    errno = 0;
    if (o->type == CLI_DOUBLE) {
        const double v = strtod(text, &end);
        if (end == text || *end || errno || !isfinite(v) || !in_range(o, v))
            return bad_number(spec, o, text);
        *(double *)o->value = v;
        return CLI_CONTINUE;
    }
    const unsigned long long v = strtoull(text, &end, 10);
    const unsigned long long max = o->type == CLI_U32 ? UINT32_MAX : UINT64_MAX;
    if (text[0] < '0' || text[0] > '9' || *end || errno || v > max ||
        !in_range(o, (double)v))
        return bad_number(spec, o, text);
    if (o->type == CLI_U32)
        *(uint32_t *)o->value = (uint32_t)v;
    else
        *(uint64_t *)o->value = v;
    return CLI_CONTINUE;
}

static int set(const struct cli_spec *spec, const struct cli_option *o, const char *text)
{
    if (o->type == CLI_FLAG) {
        *(bool *)o->value = true;
        return CLI_CONTINUE;
    }
    if (o->type == CLI_STRING) {
        *(const char **)o->value = text;
        return CLI_CONTINUE;
    }
    return set_number(spec, o, text);
}

static int unknown(const struct cli_spec *spec, const char *arg, size_t len)
{
    enum { MOST = 64 };
    const char *names[MOST];
    char word[64];
    size_t n = 0;
    for (size_t i = 0; i < spec->n_options && n < MOST; i++)
        names[n++] = spec->options[i].name;
    snprintf(word, sizeof(word), "%.*s", (int)(len < 63 ? len : 63), arg + 2);
    const char *near = strncmp(arg, "--", 2) == 0 ? cli_nearest(word, names, n) : NULL;
    if (near)
        return cli_fail(CLI_USAGE, spec->command, "unknown option %s; did you mean --%s?",
                        arg, near);
    return cli_fail(CLI_USAGE, spec->command, "unknown option %s; see penchant %s --help",
                    arg, spec->command);
}

/* Handles argv[*i]; moves *i past a separate argument. */
static int parse_one(const struct cli_spec *spec, int argc, char **argv, int *i)
{
    const char *arg = argv[*i];
    const char *value = NULL;
    const struct cli_option *o = NULL;
    size_t len = 0;
    if (arg[0] != '-' || arg[1] == 0)
        return cli_fail(CLI_USAGE, spec->command,
                        "unexpected \"%s\"; see penchant %s --help", arg, spec->command);
    if (arg[1] == '-') {
        len = strcspn(arg + 2, "=");
        o = find_name(spec, arg + 2, len);
        value = arg[2 + len] == '=' ? arg + 2 + len + 1 : NULL;
    } else {
        o = find_letter(spec, arg[1]);
        value = arg[2] ? arg + 2 : NULL;
    }
    if (!o)
        return unknown(spec, arg, len);
    if (!o->argument && value)
        return cli_fail(CLI_USAGE, spec->command, "--%s takes no value", o->name);
    if (o->argument && !value) {
        if (*i + 1 >= argc)
            return cli_fail(CLI_USAGE, spec->command, "--%s needs %s", o->name,
                            o->argument);
        value = argv[++*i];
    }
    return set(spec, o, value);
}

int cli_parse(const struct cli_spec *spec, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help(spec);
            return CLI_OK;
        }
        const int status = parse_one(spec, argc, argv, &i);
        if (status != CLI_CONTINUE)
            return status;
    }
    return CLI_CONTINUE;
}

const char **cli_split(const char *list, size_t *n, char **copy)
{
    size_t parts = 1;
    for (const char *c = list; *c; c++)
        parts += *c == ',';
    const char **out = calloc(parts, sizeof(*out));
    *copy = strdup(list);
    *n = 0;
    if (!out || !*copy) {
        free(out);
        free(*copy);
        *copy = NULL;
        return NULL;
    }
    char *rest = *copy;
    for (char *part; (part = strsep(&rest, ","));)
        if (part[0])
            out[(*n)++] = part;
    return out;
}
