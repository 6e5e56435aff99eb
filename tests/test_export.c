/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/export.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "import_rows.h"

/* Export as an import's sink: shown the rows once for the shape, once for the writing. */
struct copy {
    struct export_shape shape;
    struct exporter exporter;
    bool writing;
};

static int copy_event(void *cookie, const struct penchant_event *e,
                      struct penchant_error *err)
{
    struct copy *c = cookie;
    if (c->writing)
        return exporter_event(&c->exporter, e, err);
    export_shape_event(&c->shape, e);
    return 0;
}

static int copy_item(void *cookie, const struct penchant_item *item,
                     struct penchant_error *err)
{
    struct copy *c = cookie;
    if (c->writing)
        return exporter_item(&c->exporter, item, err);
    export_shape_item(&c->shape, item);
    return 0;
}

/* Imports the file at `path` and exports its rows; what was written is in *out. */
static void export_again(const char *path, enum columns_kind kind, struct buf *out)
{
    struct copy c = {0};
    const struct import_sink sink = {copy_event, copy_item, &c};
    const struct penchant_import_options o = {.events = kind ? NULL : path,
                                              .items = kind ? path : NULL};
    struct penchant_import_report report;
    char name[] = "/tmp/penchant-export-XXXXXX", block[4096];
    const int fd = mkstemp(name);
    assert_true(fd >= 0);
    unlink(name);
    export_shape_init(&c.shape, kind);
    assert_int_equal(import_read(&o, &sink, &report, NULL), 0);
    c.writing = true;
    assert_int_equal(exporter_init(&c.exporter, fd, &c.shape, NULL), 0);
    assert_int_equal(import_read(&o, &sink, &report, NULL), 0);
    assert_int_equal(exporter_finish(&c.exporter, NULL), 0);
    exporter_release(&c.exporter);
    buf_init(out, 1 << 28);
    assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
    for (ssize_t n; (n = read(fd, block, sizeof(block))) > 0;)
        buf_add(out, block, (size_t)n);
    close(fd);
}

/* Import, export and import again give the same rows; `want` (or NULL) is the file
 * between. */
static void round_trip(const char *text, enum columns_kind kind, const char *want)
{
    struct rows before = {0}, after = {0};
    struct buf out;
    const char *path = rows_text_file(text);
    export_again(path, kind, &out);
    assert_int_equal(
        rows_read_with(&before, kind ? NULL : path, kind ? path : NULL, NULL, 0), 0);
    unlink(path);
    if (want)
        assert_string_equal(out.data, want);
    path = rows_text_file(out.data);
    assert_int_equal(
        rows_read_with(&after, kind ? NULL : path, kind ? path : NULL, NULL, 0), 0);
    unlink(path);
    assert_string_equal(after.text.data, before.text.data);
    assert_true(before.text.len > 0);
    rows_release(&before);
    rows_release(&after);
    buf_release(&out);
}

static void test_export__files_come_back_in_their_shape(void **state)
{
    (void)state;
    static const char *const same[] = {
        "user_id,item_id,event,timestamp\n1,2,view,1\n1,3,view,2\n",
        "user_id,item_id,event,timestamp\n1,2,view,0\n1,3,view,0\n",
        "user_id,item_id,event,timestamp,value\n1,2,review,881250949,3\n"
        "1,2,view,881250950,\n",
        "user_id,item_id,event,timestamp,value,quantity\n13085,85048,purchase,1259653500,"
        "6.95,12\n",
        "user_id,item_id,event,timestamp,session_id\n273220,159865,view,1519862406,42\n",
        "user_id,item_id,event,timestamp\n1,2,view,1433221332117\n1,2,cart,"
        "1433221332000\n",
        "user_id,item_id,event,timestamp\n1,2,view,1433221332117001\n",
        "user_id,item_id,event,timestamp,recommendation_id,query,placement\n"
        "1,,search,5,,\"red, \"\"shoes\"\"\nand 红色\",\n1,2,impression,6,r1,,home\n",
        "user_id,item_id,event,timestamp,value,text\n1,2,review,5,4,\"good, 很好\"\n",
    };
    for (size_t i = 0; i < sizeof(same) / sizeof(*same); i++)
        round_trip(same[i], COLUMNS_EVENTS, same[i]);
    static const char *const items[] = {
        "item_id,title,category\n1,\"Candle, \"\"red\"\"\",Adventure|Children's\n2,鞋,\n",
        "item_id\n1\n2\n",
        "item_id,title,category,brand,price,available\n1,a,b,c,0.1,true\n2,,,,,false\n",
        "item_id,price\n1,6.95\n2,1e-07\n3,123456789.123\n4,\n",
    };
    for (size_t i = 0; i < sizeof(items) / sizeof(*items); i++)
        round_trip(items[i], COLUMNS_ITEMS, items[i]);
}

static void test_export__visitors_known_by_session_stay_anonymous(void **state)
{
    (void)state;
    round_trip("session_id,item_id,timestamp\ns1,5,1\ns1,6,2\n", COLUMNS_EVENTS,
               "item_id,event,timestamp,session_id\n5,view,1,s1\n6,view,2,s1\n");
    round_trip(
        "user_id,item_id,timestamp,session_id\nu,5,1,s1\n,6,2,s2\n", COLUMNS_EVENTS,
        "user_id,item_id,event,timestamp,session_id\nu,5,view,1,s1\n,6,view,2,s2\n");
    /* A user who is called like the session is a user nevertheless. */
    round_trip("user_id,item_id,event,timestamp,session_id\ns1,5,view,1,s1\n",
               COLUMNS_EVENTS,
               "user_id,item_id,event,timestamp,session_id\ns1,5,view,1,s1\n");
}

static void test_export__times_keep_their_meaning_in_every_mixture(void **state)
{
    (void)state;
    /* 1973 in milliseconds would be read as seconds, so it is not written so. */
    round_trip("user_id,item_id,timestamp\nu,i,5.25\nu,i,1600000000\n", COLUMNS_EVENTS,
               "user_id,item_id,event,timestamp\nu,i,view,1970-01-01T00:00:05.250000Z\n"
               "u,i,view,2020-09-13T12:26:40.000000Z\n");
    round_trip("user_id,item_id,timestamp\nu,i,9999-12-31\nu,i,0\n", COLUMNS_EVENTS,
               NULL);
    round_trip("user_id,item_id,timestamp\nu,i,1600000000.5\nu,i,1600000000\n",
               COLUMNS_EVENTS,
               "user_id,item_id,event,timestamp\nu,i,view,1600000000500\n"
               "u,i,view,1600000000000\n");
    struct rng rng;
    rng_init(&rng, 6, 0);
    for (int i = 0; i < 100; i++) {
        static const char *const bits[] = {"%llu", "%llu.5", "%llu000.25", "%llu123456"};
        struct buf text;
        buf_init(&text, 1 << 16);
        buf_puts(&text, "user_id,item_id,timestamp\n");
        for (int k = 0; k < 3; k++) {
            char format[64];
            snprintf(format, sizeof(format), "u,i,%s\n", bits[rng_below(&rng, 4)]);
            const unsigned long long seconds =
                rng_u64(&rng) >> (33 + rng_below(&rng, 30));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            buf_printf(&text, format, seconds);
#pragma GCC diagnostic pop
        }
        round_trip(text.data, COLUMNS_EVENTS, NULL);
        buf_release(&text);
    }
}

/* Texts of all that CSV and UTF-8 can make difficult. */
static void add_text(struct buf *b, struct rng *rng, bool line_ends)
{
    static const char *const piece[] = {"a", "\"\"", ",",  ";",  "红",  "é",
                                        " ", "|",    "'",  "{",  "\\",  "\t",
                                        "0", "=1",   "\n", "\r", "\r\n"};
    buf_putc(b, '"');
    buf_putc(b, 'x');
    for (uint32_t n = rng_below(rng, 12); n; n--)
        buf_puts(b, piece[rng_below(rng, line_ends ? 17 : 11)]);
    buf_putc(b, '"');
}

static void test_export__random_tables_survive_the_round_trip(void **state)
{
    (void)state;
    struct rng rng;
    rng_init(&rng, 5, 0);
    for (int i = 0; i < 40; i++) {
        struct buf events, items;
        buf_init(&events, 1 << 20);
        buf_init(&items, 1 << 20);
        buf_puts(&events, "user_id,item_id,timestamp,value,quantity,query,placement\n");
        buf_puts(&items, "item_id,title,category,brand,price,available\n");
        for (int k = 0; k < 50; k++) {
            add_text(&events, &rng, false);
            buf_putc(&events, ',');
            add_text(&events, &rng, false);
            buf_printf(&events, ",%u,%.*g,", rng_below(&rng, 1u << 31),
                       1 + (int)rng_below(&rng, 17), (rng_double(&rng) - 0.5) * 1e5);
            buf_puts(&events, rng_below(&rng, 2) ? "3," : ",");
            add_text(&events, &rng, true);
            buf_putc(&events, ',');
            add_text(&events, &rng, true);
            buf_putc(&events, '\n');
            add_text(&items, &rng, false);
            for (int f = 0; f < 3; f++) {
                buf_putc(&items, ',');
                add_text(&items, &rng, true);
            }
            buf_printf(&items, ",%.*g,%s\n", 1 + (int)rng_below(&rng, 17),
                       rng_double(&rng) * 1e3, rng_below(&rng, 2) ? "yes" : "");
        }
        round_trip(events.data, COLUMNS_EVENTS, NULL);
        round_trip(items.data, COLUMNS_ITEMS, NULL);
        buf_release(&events);
        buf_release(&items);
    }
}

static void test_export__much_more_than_the_buffer_is_written_whole(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 1 << 24);
    buf_puts(&text, "user_id,item_id,event,timestamp\n");
    for (int i = 0; i < 30000; i++)
        buf_printf(&text, "u%d,i%d,view,%d\n", i % 7, i, 1600000000 + i);
    round_trip(text.data, COLUMNS_EVENTS, text.data);
    buf_release(&text);
}

static void test_export__a_full_disk_is_an_error(void **state)
{
    (void)state;
    const int fd = open("/dev/full", O_WRONLY);
    if (fd < 0) {
        printf("SKIP /dev/full is not there\n");
        return;
    }
    struct export_shape shape;
    struct exporter x;
    struct penchant_error err = {0};
    export_shape_init(&shape, COLUMNS_EVENTS);
    assert_int_equal(exporter_init(&x, fd, &shape, &err), 0);
    assert_int_equal(exporter_finish(&x, &err), PENCHANT_EIO);
    assert_true(err.text[0]);
    const struct penchant_event e = {
        .user_id = "u", .item_id = "i", .event = "view", .value = NAN, .quantity = NAN};
    int rc = 0;
    for (int i = 0; i < 100000 && rc == 0; i++)
        rc = exporter_event(&x, &e, &err);
    assert_int_equal(rc, PENCHANT_EIO);
    exporter_release(&x);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_export__files_come_back_in_their_shape),
        cmocka_unit_test(test_export__visitors_known_by_session_stay_anonymous),
        cmocka_unit_test(test_export__times_keep_their_meaning_in_every_mixture),
        cmocka_unit_test(test_export__random_tables_survive_the_round_trip),
        cmocka_unit_test(test_export__much_more_than_the_buffer_is_written_whole),
        cmocka_unit_test(test_export__a_full_disk_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
