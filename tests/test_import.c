/* SPDX-License-Identifier: Apache-2.0 */
#include "behaviour/import.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include <cmocka.h>

#include "base/rng.h"
#include "behaviour/numbers.h"
#include "behaviour/reader.h"
#include "import_rows.h"

#define CORPUS "tests/data/import"

/* Imports a text as an event file (or item file), which must go well but for `errors`. */
static void read_text(struct rows *r, const char *text, bool items, const char *map,
                      uint64_t errors)
{
    const char *path = rows_text_file(text);
    const int rc = rows_read_with(r, items ? NULL : path, items ? path : NULL, map, 100);
    if (rc != 0)
        print_message("%s\n", r->err.text);
    assert_int_equal(rc, 0);
    if (r->report.errors != errors)
        print_message("%s", r->complaints.data);
    assert_int_equal(r->report.errors, errors);
    unlink(path);
}

static void expect_events(const char *text, const char *rows)
{
    struct rows r = {0};
    read_text(&r, text, false, NULL, 0);
    assert_string_equal(r.text.data, rows);
    rows_release(&r);
}

static void expect_items(const char *text, const char *rows)
{
    struct rows r = {0};
    read_text(&r, text, true, NULL, 0);
    assert_string_equal(r.text.data, rows);
    rows_release(&r);
}

static void test_import__texts_of_reviews_are_read(void **state)
{
    (void)state;
    expect_events("reviewerID,asin,overall,reviewText,unixReviewTime\n"
                  "u1,i1,4,\"good, 很好\",1600000000\nu2,i1,1,,1600000001\n",
                  "u1 i1 review 1600000000000000 4 - - - - - - good, 很好\n"
                  "u2 i1 review 1600000001000000 1 - - - - - -\n");
    /* What is called a text elsewhere and is none is passed over. */
    expect_events(
        "{\"user\":\"u\",\"item\":\"i\",\"rating\":2,\"text\":\"bad\",\"ts\":5}\n"
        "{\"user\":\"u\",\"item\":\"i\",\"rating\":2,\"text\":{\"a\":1},\"ts\":5}\n"
        "{\"user\":\"u\",\"item\":\"i\",\"rating\":2,\"comment\":true,\"ts\":5}\n",
        "u i review 5000000 2 - - - - - - bad\n"
        "u i review 5000000 2 - - - - - -\n"
        "u i review 5000000 2 - - - - - -\n");
}

static void test_import__our_own_columns_are_read(void **state)
{
    (void)state;
    expect_events("user_id,item_id,event,timestamp,value,quantity,session_id,"
                  "recommendation_id,event_id,query,placement\n"
                  "u1,i1,purchase,1600000000,9.5,2,s1,r1,e1,red shoes,home\n"
                  "u2,,search,1600000001,,,,,,\"a, b\",\n",
                  "u1 i1 purchase 1600000000000000 9.5 2 s1 r1 e1 red shoes home\n"
                  "u2 - search 1600000001000000 - - - - - a, b -\n");
    expect_items("item_id,title,category,brand,price,available\n"
                 "i1,Shoe,a|b,acme,9.5,true\n"
                 "i2,,,,,\n"
                 "i3,\"Hat, \"\"red\"\"\",c,,12.50 USD,out_of_stock\n",
                 "i1 Shoe a|b acme 9.5 yes\n"
                 "i2 - - - - yes\n"
                 "i3 Hat, \"red\" c - 12.5 no\n");
}

static void test_import__the_columns_of_known_logs_are_understood(void **state)
{
    (void)state;
    /* RetailRocket */
    expect_events("timestamp,visitorid,event,itemid,transactionid\n"
                  "1433221332117,257597,view,355908,\n"
                  "1433224214164,992329,addtocart,248676,\n"
                  "1433222276276,599528,transaction,356475,4000\n",
                  "257597 355908 view 1433221332117000 - - - - - - -\n"
                  "992329 248676 cart 1433224214164000 - - - - - - -\n"
                  "599528 356475 purchase 1433222276276000 - - - - - - -\n");
    /* Taobao, with a header */
    expect_events("user_id,item_id,category_id,behavior_type,timestamp\n"
                  "1,2268318,2520377,pv,1511544070\n1,2,3,buy,1511544071\n"
                  "1,2,3,fav,1511544072\n",
                  "1 2268318 view 1511544070000000 - - - - - - -\n"
                  "1 2 purchase 1511544071000000 - - - - - - -\n"
                  "1 2 wish 1511544072000000 - - - - - - -\n");
    /* MovieLens */
    expect_events("userId,movieId,rating,timestamp\n1,296,5.0,1147880044\n",
                  "1 296 review 1147880044000000 5 - - - - - -\n");
    expect_items("movieId,title,genres\n1,Toy Story (1995),Adventure|Comedy\n",
                 "1 Toy Story (1995) Adventure|Comedy - - yes\n");
    /* sessions: who it was is not known */
    expect_events("session_id,item_id,timestamp\ns0,12,1\ns0,13,2\n",
                  "- 12 view 1000000 - - s0 - - - -\n- 13 view 2000000 - - s0 - - - -\n");
    /* a flat Google Analytics table: the user id is often empty */
    expect_events(
        "event_name,event_timestamp,user_pseudo_id,user_id,item_id,price,quantity\n"
        "add_to_cart,1600000000123456,p1,,i1,3.5,1\n"
        "view_item,1600000000123457,p1,u1,i1,,\n",
        "p1 i1 cart 1600000000123456 3.5 1 - - - - -\n"
        "u1 i1 view 1600000000123457 - - - - - - -\n");
    expect_items("id,name,item_brand,google_product_category,price,availability\n"
                 "SKU,Lamp,acme,Home > Light,5,in stock\n",
                 "SKU Lamp Home > Light acme 5 yes\n");
}

static void test_import__csv_is_read_as_rfc_4180_says(void **state)
{
    (void)state;
    const char *rows = "u,1 i\"1 view 5000000 - - - - - - -\n"
                       "u\n2 i2 view 6000000 - - - - - - -\n";
    struct rows r = {0};
    /* A line end is no part of an id, and says so. */
    read_text(&r,
              "user_id,item_id,timestamp\r\n\"u,1\",\"i\"\"1\",5\r\n\"u\n2\",i2,6\r\n",
              false, NULL, 1);
    assert_memory_equal(r.text.data, rows, r.text.len);
    assert_non_null(
        strstr(r.complaints.data, ":3: user_id: contains a control character"));
    rows_release(&r);
    expect_events("\xEF\xBB\xBFuser_id;item_id;timestamp\n\n1;2;3",
                  "1 2 view 3000000 - - - - - - -\n");
    expect_events("user_id\titem_id\ttimestamp\n1\ta,b\t3\n",
                  "1 a,b view 3000000 - - - - - - -\n");
    expect_events("user_id,item_id,timestamp\n1,5\" disc,3\n",
                  "1 5\" disc view 3000000 - - - - - - -\n");
    expect_items("item_id,title\n1,\"two\nlines\"\n2,\"\"\"\"\n3,红色鞋\n",
                 "1 two\nlines - - - yes\n2 \" - - - yes\n3 红色鞋 - - - yes\n");
}

static void test_import__line_numbers_count_lines_inside_quotes(void **state)
{
    (void)state;
    struct rows r = {0};
    read_text(&r, "item_id,title,price\n1,\"a\nb\nc\",2\n2,x,-1\n3,\"\n\",oops\n", true,
              NULL, 2);
    assert_non_null(strstr(r.complaints.data, ":5: price: is negative\n"));
    assert_non_null(strstr(r.complaints.data, ":6: price: is not a number\n"));
    rows_release(&r);
}

static void test_import__an_open_quote_costs_one_line(void **state)
{
    (void)state;
    struct rows r = {0};
    read_text(&r, "user_id,item_id,timestamp\n1,\"2,3\n4,5,6\n7,8,9\n", false, NULL, 1);
    assert_string_equal(r.text.data, "4 5 view 6000000 - - - - - - -\n"
                                     "7 8 view 9000000 - - - - - - -\n");
    assert_non_null(strstr(r.complaints.data, ":2: line: a quoted field is not closed"));
    rows_release(&r);
}

static void test_import__json_lines_are_read(void **state)
{
    (void)state;
    expect_events("{\"user_id\":7,\"item_id\":\"i1\",\"event\":\"view\",\"timestamp\":"
                  "1600000000.25,\"value\":1.5,\"extra\":{\"a\":[1]},\"query\":\"\"}\n"
                  "\n"
                  "{\"userId\":\"u\",\"sku\":9007199254740993,\"action\":\"AddToCart\","
                  "\"time\":\"2020-09-13T12:26:40Z\",\"value\":null,\"qty\":\"3\"}\r\n",
                  "7 i1 view 1600000000250000 1.5 - - - - - -\n"
                  "u 9007199254740993 cart 1600000000000000 - 3 - - - - -\n");
    expect_items(
        "{\"item_id\":\"a\",\"title\":\"\\u7ea2\\\"\",\"category\":[\"x\",\"y\"],"
        "\"price\":2,\"available\":false}\n{\"id\":3,\"name\":\"n\"}",
        "a 红\" x|y - 2 no\n3 n - - - yes\n");
    expect_events(
        "{\"user\":{\"x\":1},\"uid\":5,\"movieId\":1,\"rating\":4,\"timestamp\":1}\n",
        "5 1 review 1000000 4 - - - - - -\n");
}

static void test_import__the_first_good_line_tells_whether_events_are_named(void **state)
{
    (void)state;
    struct rows r = {0};
    read_text(&r,
              "{oops\n{\"uid\":5,\"sku\":1,\"stars\":4,\"ts\":1}\n"
              "{\"uid\":5,\"sku\":2,\"ts\":1,\"event\":\"cart\"}\n",
              false, NULL, 1);
    assert_string_equal(r.text.data, "5 1 review 1000000 4 - - - - - -\n"
                                     "5 2 cart 1000000 - - - - - - -\n");
    rows_release(&r);
}

static void test_import__an_analytics_line_gives_one_event_an_item(void **state)
{
    (void)state;
    expect_events(
        "{\"event_name\":\"purchase\",\"event_timestamp\":\"1600000000123456\","
        "\"user_pseudo_id\":\"p.1\",\"user_id\":null,\"event_id\":\"e\",\"value\":30,"
        "\"event_params\":[{\"key\":\"ga_session_id\",\"value\":{\"string_value\":null,"
        "\"int_value\":\"77\"}}],\"items\":[{\"item_id\":\"a\",\"item_name\":\"A\","
        "\"price\":10.0,\"quantity\":1},{\"item_id\":\"b\",\"quantity\":4}]}"
        "\n"
        "{\"event_name\":\"page_view\",\"event_timestamp\":1600000000123457,"
        "\"user_pseudo_id\":\"p.1\",\"event_params\":[],\"items\":[]}\n"
        "{\"event_name\":\"view_search_results\",\"event_timestamp\":1600000000123458,"
        "\"user_pseudo_id\":\"p.1\",\"event_params\":[{\"key\":\"search_term\",\"value\":"
        "{\"string_value\":\"red\"}}]}\n",
        "p.1 a purchase 1600000000123456 10 1 77 - e#0 - -\n"
        "p.1 b purchase 1600000000123456 - 4 77 - e#1 - -\n"
        "p.1 - search 1600000000123458 - - - - - red -\n");
}

static void test_import__bad_lines_are_reported_and_skipped(void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        {",i,view,1,", "user_id: a user_id or a session_id is required"},
        {"u,,view,1,", "item_id: is required unless the event is a search"},
        {"u,i,,1,", "event: is required"},
        {"u,i,bad name!,1,", "event: is not a name of 1-64 characters [a-z0-9_.-]"},
        {"u,i,view,,", "timestamp: is missing"},
        {"u,i,view,-5,", "timestamp: is negative"},
        {"u,i,view,soon,", "timestamp: is neither a number nor a date"},
        {"u,i,view,2021-02-29,", "timestamp: is a day that the calendar does not have"},
        {"u,i,view,99999999999999999999,", "timestamp: is out of range"},
        {"u,i,view,1,abc", "value: is not a number"},
        {"u,i,view,1,1e999", "value: is out of range"},
        {"u,i,view,1,0x10", "value: is not a number"},
        {"u,i,view,1", "line: has 4 fields, the header has 5"},
        {"u,i,view,1,2,3", "line: has 6 fields, the header has 5"},
        {"u\xFF,i,view,1,", "user_id: is not well-formed UTF-8"},
        {"u,i\x01,view,1,", "item_id: contains a control character"},
        {"\"u\"x,i,view,1,", "line: text follows a closed quote"},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        char text[512];
        struct rows r = {0};
        snprintf(text, sizeof(text),
                 "user_id,item_id,event,timestamp,value\nu,i,view,1,\n%s\nu,i,view,2,\n",
                 lines[i][0]);
        read_text(&r, text, false, NULL, 1);
        assert_int_equal(r.report.lines, 3);
        assert_int_equal(r.report.events, 2);
        const char *second = strchr(r.complaints.data, ':');
        assert_memory_equal(second, ":3: ", 4);
        char want[256];
        snprintf(want, sizeof(want), "%s\n", lines[i][1]);
        assert_string_equal(second + 4, want);
        rows_release(&r);
    }
}

static void test_import__bad_json_is_reported_with_its_field(void **state)
{
    (void)state;
    static const char *const lines[][2] = {
        {"{\"user_id\":\"u\",\"user_id\":\"v\"}", ":2: line: duplicate object key"},
        {"{\"user_id\":", ":2: line: "},
        {"[1]", ":2: line: is not a JSON object"},
        {"{\"user_id\":true}", ":2: user_id: must be a string or a whole number"},
        {"{\"user_id\":1.5}", ":2: user_id: must be a string or a whole number"},
        {"{\"user_id\":{}}", ":2: user_id: must be a string or a whole number"},
        {"{\"user_id\":\"u\",\"item_id\":1,\"event\":\"view\",\"timestamp\":1,\"value\":"
         "\"x\"}",
         ":2: value: is not a number"},
        {"{\"user_id\":\"u\",\"item_id\":1,\"event\":\"view\",\"timestamp\":[]}",
         ":2: timestamp: must be a string or a number"},
        {"{\"user_id\":\"u\",\"items\":[3],\"event\":\"view\",\"timestamp\":1}",
         ":2: items: item 1 is not a JSON object"},
        {"{\"user_id\":\"u\",\"item_id\":1,\"timestamp\":1}", ":2: event: is required"},
        {"{\"user_id\":\"\xFF\"}", ":2: line: "},
        {"{\"user_id\":\"a\\u0000b\"}", ":2: line: "},
        {"{\"user_id\":1e999}", ":2: line: "},
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        char text[512];
        struct rows r = {0};
        snprintf(
            text, sizeof(text),
            "{\"user_id\":\"u\",\"item_id\":1,\"event\":\"view\",\"timestamp\":1}\n%s\n",
            lines[i][0]);
        read_text(&r, text, false, NULL, 1);
        assert_int_equal(r.report.events, 1);
        if (!strstr(r.complaints.data, lines[i][1]))
            fail_msg("%s: %s", lines[i][0], r.complaints.data);
        rows_release(&r);
    }
}

static void test_import__deep_nesting_is_refused(void **state)
{
    (void)state;
    static char text[200000];
    memset(text, '[', sizeof(text) - 1);
    memcpy(text, "{\"a\":", 5);
    struct rows r = {0};
    read_text(&r, text, false, NULL, 1);
    assert_int_equal(r.report.events, 0);
    rows_release(&r);
}

static void test_import__past_max_errors_it_ends(void **state)
{
    (void)state;
    const char *text = "user_id,item_id,timestamp\n1,,1\n1,,2\n1,1,3\n1,,4\n1,1,5\n";
    const char *path = rows_text_file(text);
    struct rows r = {0};
    assert_int_equal(rows_read_with(&r, path, NULL, NULL, 3), 0);
    assert_int_equal(r.report.errors, 3);
    rows_release(&r);
    assert_int_equal(rows_read_with(&r, path, NULL, NULL, 2), PENCHANT_ELIMIT);
    assert_int_equal(r.report.errors, 3);
    assert_int_equal(r.report.events, 1);
    assert_non_null(strstr(r.err.text, "more than 2 bad lines"));
    assert_non_null(strstr(r.err.text, ":5: item_id: "));
    rows_release(&r);
    assert_int_equal(rows_read_with(&r, path, NULL, NULL, 0), PENCHANT_ELIMIT);
    rows_release(&r);
    unlink(path);
}

static void fails(const char *text, const char *map, bool items, const char *reason)
{
    struct rows r = {0};
    const char *path = rows_text_file(text);
    assert_int_equal(
        rows_read_with(&r, items ? NULL : path, items ? path : NULL, map, 100),
        PENCHANT_EINVALID);
    if (!strstr(r.err.text, reason))
        fail_msg("\"%s\" does not say \"%s\"", r.err.text, reason);
    assert_int_equal(r.report.events + r.report.items, 0);
    rows_release(&r);
    unlink(path);
}

static void test_import__missing_columns_are_one_clear_error(void **state)
{
    (void)state;
    fails("user_id,event,timestamp\n", NULL, false, "no column for item_id");
    fails("item_id,event,timestamp\n", NULL, false,
          "no column for user_id or session_id");
    fails("1,2,view,5\n", NULL, false, "is the first line a header?");
    fails("user_id,item_id,what\n", NULL, false, "the header has user_id, item_id, what");
    fails("user_id,\x1b[2J,\xff\xe9\x9e\x8b\n", NULL, false,
          "the header has user_id, ?[2J, ?\xe9\x9e\x8b");
    fails("title,category\n", NULL, true, "no column for item_id");
    fails("user_id,item_id,item_id,timestamp\n", NULL, false, "\"item_id\" twice");
    fails("", NULL, false, "empty");
    fails("\n\n", NULL, false, "empty");
    fails("[{\"user_id\":1}]", NULL, false, "one object a line");
    fails("\xFF\xFEu\0s\0", NULL, false, "UTF-16");
}

static void test_import__the_map_overrides_and_is_checked(void **state)
{
    (void)state;
    struct rows r = {0};
    const char *text = "id,user_id,who,what,when,price\n9,u,w,i,5,3\n8,u,,i,5,3\n";
    read_text(&r, text, false, "user_id=who,item_id=what,timestamp=when,value=id", 1);
    assert_string_equal(r.text.data, "w i view 5000000 9 - - - - - -\n");
    rows_release(&r);
    fails(text, "user=who", false, "there is no field \"user\"");
    fails(text, "user_id=who,item_id=what,timestamp=date", false,
          "no column for timestamp");
    fails(text, "item_id=what,timestamp=when,query=words", false,
          "no file has a column \"words\" (for query)");
    fails(text, "user_id", false, "is not ours=theirs");
    fails(text, "user_id=", false, "is not ours=theirs");
    fails(text, "user_id=who,user_id=id", false, "given twice");
    read_text(&r, "{\"w.x\":\"u\",\"item_id\":1,\"timestamp\":2,\"user_id\":\"no\"}\n",
              false, "user_id=w.x", 0);
    assert_string_equal(r.text.data, "u 1 view 2000000 - - - - - - -\n");
    rows_release(&r);
    const char *path = rows_text_file("{\"user_id\":1,\"item_id\":1,\"timestamp\":1}\n");
    assert_int_equal(rows_read_with(&r, path, NULL, "value=worth", 100),
                     PENCHANT_EINVALID);
    assert_non_null(strstr(r.err.text, "\"worth\""));
    rows_release(&r);
    unlink(path);
}

static void test_import__items_come_before_events_and_share_the_map(void **state)
{
    (void)state;
    char items[64];
    struct rows r = {0};
    const char *path = rows_text_file("code,title\n1,a\n1,b\n");
    snprintf(items, sizeof(items), "%s", path);
    path = rows_text_file("user_id,item_id,timestamp\nu,1,5\n");
    assert_int_equal(rows_read_with(&r, path, items, "item_id=code", 0), 0);
    assert_string_equal(r.text.data, "1 a - - - yes\n1 b - - - yes\n"
                                     "u 1 view 5000000 - - - - - - -\n");
    assert_int_equal(r.report.items, 2);
    assert_int_equal(r.report.events, 1);
    assert_int_equal(r.report.lines, 3);
    rows_release(&r);
    unlink(path);
    unlink(items);
}

static void test_import__a_clock_is_told_from_positions(void **state)
{
    (void)state;
    static const struct {
        const char *a, *b;
        bool clock;
    } cases[] = {{"1600000000", "1600000001", true},
                 {"1", "2", false},
                 {"0", "0", false},
                 {"1600000000", "1600000000", false},
                 {"5", "1600000000", true},
                 {"631152000", "5", true},
                 {"631151999", "5", false}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[128];
        struct rows r = {0};
        snprintf(text, sizeof(text), "user_id,item_id,timestamp\nu,i,%s\nu,i,%s\n",
                 cases[i].a, cases[i].b);
        read_text(&r, text, false, NULL, 0);
        assert_int_equal(r.report.has_clock, cases[i].clock);
        rows_release(&r);
    }
}

static void test_import__the_sink_can_stop_it(void **state)
{
    (void)state;
    const char *text = "user_id,item_id,timestamp\n1,1,1\n1,1,2\n1,1,3\n";
    const char *path = rows_text_file(text);
    struct rows r = {.stop_after = 2};
    assert_int_equal(rows_read_with(&r, path, NULL, NULL, 100), PENCHANT_EIO);
    assert_string_equal(r.err.text, "the disk is full");
    assert_int_equal(r.report.events, 2);
    rows_release(&r);
    unlink(path);
    assert_int_equal(rows_read_with(&r, "/nowhere/at/all.csv", NULL, NULL, 100),
                     PENCHANT_ENOTFOUND);
    assert_non_null(strstr(r.err.text, "/nowhere/at/all.csv"));
    rows_release(&r);
}

static int stop(void *cookie, const char *what, uint64_t done, uint64_t total,
                const char *detail)
{
    (void)cookie, (void)what, (void)detail;
    assert_true(done <= total);
    return 1;
}

static void test_import__progress_can_interrupt_it(void **state)
{
    (void)state;
    const char *path = rows_text_file("user_id,item_id,timestamp\n1,1,1\n");
    const struct import_sink sink = {rows_event, rows_item, NULL};
    const struct penchant_import_options o = {.events = path, .progress = stop};
    struct penchant_import_report report;
    assert_int_equal(import_read(&o, &sink, &report, NULL), PENCHANT_EINTERRUPTED);
    unlink(path);
}

/* A log of n lines whose rows are known. */
static void make_log(struct buf *b, int n)
{
    buf_puts(b, "user_id,item_id,event,timestamp\n");
    for (int i = 0; i < n; i++)
        buf_printf(b, "user%d,\"item %d\",view,%d\n", i % 97, i, 1600000000 + i);
}

static void same_rows(const struct rows *want, const void *bytes, size_t n)
{
    struct rows r = {0};
    const char *path = rows_file(bytes, n);
    assert_int_equal(rows_read_with(&r, path, NULL, NULL, 0), 0);
    assert_int_equal(r.text.len, want->text.len);
    assert_memory_equal(r.text.data, want->text.data, r.text.len);
    rows_release(&r);
    unlink(path);
}

static size_t gzip(const void *in, size_t n, unsigned char *out, size_t cap)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)in;
    z.avail_in = (unsigned)n;
    z.next_out = out;
    z.avail_out = (unsigned)cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return z.total_out;
}

static void test_import__compressed_files_give_the_same_rows(void **state)
{
    (void)state;
    struct buf log;
    struct rows want = {0};
    buf_init(&log, 1 << 26);
    make_log(&log, 60000); /* several windows */
    read_text(&want, log.data, false, NULL, 0);
    assert_int_equal(want.report.events, 60000);
    const size_t cap = log.len + 1000;
    unsigned char *packed = malloc(cap);
    assert_non_null(packed);
    size_t n = gzip(log.data, log.len, packed, cap);
    same_rows(&want, packed, n);
    /* two members, one behind the other, cut in the middle of a line */
    n = gzip(log.data, log.len / 2, packed, cap);
    n += gzip(log.data + log.len / 2, log.len - log.len / 2, packed + n, cap - n);
    same_rows(&want, packed, n);
    n = ZSTD_compress(packed, cap, log.data, log.len / 3, 1);
    assert_false(ZSTD_isError(n));
    n += ZSTD_compress(packed + n, cap - n, log.data + log.len / 3, log.len - log.len / 3,
                       1);
    same_rows(&want, packed, n);
    free(packed);
    rows_release(&want);
    buf_release(&log);
}

static void test_import__damaged_compressed_files_are_refused(void **state)
{
    (void)state;
    struct buf log;
    unsigned char packed[65536];
    buf_init(&log, 1 << 26);
    make_log(&log, 2000);
    for (int zstd = 0; zstd < 2; zstd++) {
        const size_t n = zstd
                             ? ZSTD_compress(packed, sizeof(packed), log.data, log.len, 1)
                             : gzip(log.data, log.len, packed, sizeof(packed));
        for (int cut = 0; cut < 2; cut++) {
            if (!cut)
                packed[n / 2] ^= 0x55;
            struct rows r = {0};
            const char *path = rows_file(packed, cut ? n / 2 : n);
            const int rc = rows_read_with(&r, path, NULL, NULL, 1 << 20);
            if (cut || !zstd) { /* zstd -1 has no checksum: a changed byte may be text */
                assert_int_equal(rc, PENCHANT_EINVALID);
                assert_non_null(strstr(r.err.text, "compressed data"));
            }
            rows_release(&r);
            unlink(path);
        }
    }
    buf_release(&log);
}

static void test_import__long_lines_are_skipped(void **state)
{
    (void)state;
    const size_t sizes[] = {READER_LINE_MAX - 10, READER_LINE_MAX + 1,
                            3 * READER_LINE_MAX};
    for (size_t i = 0; i < 3; i++) {
        struct buf text;
        buf_init(&text, 1 << 26);
        buf_puts(&text, "user_id,item_id,timestamp\n1,");
        for (size_t n = 0; n < sizes[i] / 8; n++)
            buf_puts(&text, "longlong");
        buf_puts(&text, ",3\n1,2,4\n");
        struct rows r = {0};
        read_text(&r, text.data, false, NULL, 1);
        assert_string_equal(r.text.data, "1 2 view 4000000 - - - - - - -\n");
        assert_non_null(
            strstr(r.complaints.data, i ? ":2: line: the line is longer than 1 MiB"
                                        : ":2: item_id: is longer than 256"));
        rows_release(&r);
        buf_release(&text);
    }
}

static void test_import__numbers_are_rounded_correctly(void **state)
{
    (void)state;
    static const char *const good[] = {"0",
                                       "1",
                                       "-1",
                                       "+2",
                                       "0.1",
                                       "123456.789",
                                       "1e5",
                                       "999999999999999",
                                       "0.30000000000000004",
                                       "1e-7",
                                       "123456789012345678901",
                                       "5e-324",
                                       "-0.0",
                                       "3."};
    static const char *const bad[] = {"",    "x",   "1x",  "0x10",    "1e999",
                                      "inf", "--1", ".",   "1,5",     "e",
                                      "1e",  " 1",  "- 1", "infinity"};
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        double v = 99;
        const char *reason = number_parse(good[i], &v);
        if (reason || v != strtod(good[i], NULL))
            fail_msg("%s: %s, %.17g", good[i], reason, v);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        double v = 99;
        if (!number_parse(bad[i], &v))
            fail_msg("\"%s\" was taken for %.17g", bad[i], v);
    }
    double v = 0;
    assert_null(number_parse("NaN", &v));
    assert_true(isnan(v));
    struct rng rng;
    rng_init(&rng, 2, 0);
    for (int i = 0; i < 20000; i++) {
        char text[64];
        double back;
        snprintf(text, sizeof(text), "%.*f", (int)rng_below(&rng, 12),
                 (rng_double(&rng) - 0.5) * 1e6);
        assert_null(number_parse(text, &v));
        assert_true(v == strtod(text, NULL));
        number_format(v, text);
        assert_null(number_parse(text, &back));
        assert_true(back == v);
    }
    assert_null(number_parse_price("12.50 EUR", &v));
    assert_true(v == 12.5);
    assert_non_null(number_parse_price("12.50 euros", &v));
    assert_non_null(number_parse_price(" USD", &v));
}

/* One corpus file: "items.*" is an item list, everything else a log. */
static int read_corpus_file(const char *name, const char *path, struct rows *r)
{
    const bool items = strncmp(name, "items", 5) == 0;
    return rows_read_with(r, items ? NULL : path, items ? path : NULL, NULL, 5);
}

/* expected.txt: name, status, lines, rows, errors. */
static void test_import__the_corpus_gives_what_it_says(void **state)
{
    (void)state;
    FILE *f = fopen(CORPUS "/expected.txt", "r");
    assert_non_null(f);
    char name[64], status[32], path[160];
    unsigned long long lines, rows, errors;
    int n = 0;
    while (fscanf(f, "%63s %31s %llu %llu %llu", name, status, &lines, &rows, &errors) ==
           5) {
        struct rows r = {0};
        snprintf(path, sizeof(path), CORPUS "/%s", name);
        const int rc = read_corpus_file(name, path, &r);
        if (strcmp(penchant_status_name(rc), status) != 0 || r.report.lines != lines ||
            r.report.events + r.report.items != rows || r.report.errors != errors)
            fail_msg("%s %s %llu %llu %llu\n%s%s", name, penchant_status_name(rc),
                     (unsigned long long)r.report.lines,
                     (unsigned long long)(r.report.events + r.report.items),
                     (unsigned long long)r.report.errors, r.complaints.data, r.err.text);
        rows_release(&r);
        n++;
    }
    fclose(f);
    DIR *d = opendir(CORPUS);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));)
        n -= e->d_name[0] != '.' && strcmp(e->d_name, "expected.txt") != 0;
    closedir(d);
    assert_int_equal(n, 0); /* no file is left out */
}

/* Changes some bytes, cuts, doubles. */
static size_t mutate(unsigned char *b, size_t n, size_t cap, struct rng *rng)
{
    static const char nasty[] = "\"\"\n\r,;\t{}[]:\\\0\xFF\xC2\xED-+.eE09";
    for (uint32_t k = 1 + rng_below(rng, 4); k && n; k--) {
        const uint32_t at = rng_below(rng, (uint32_t)n);
        switch (rng_below(rng, 4)) {
        case 0:
            b[at] = (unsigned char)nasty[rng_below(rng, sizeof(nasty) - 1)];
            break;
        case 1:
            b[at] = (unsigned char)rng_below(rng, 256);
            break;
        case 2:
            n = rng_below(rng, 8) ? n : at;
            break;
        default: {
            const size_t len = n - at < 40 ? n - at : 40;
            if (n + len > cap)
                break;
            memmove(b + at + len, b + at, n - at);
            n += len;
        }
        }
    }
    return n;
}

/* Whatever the bytes are: a status, and only good events (rows_event checks each). */
static void test_import__mutated_files_never_do_harm(void **state)
{
    (void)state;
    static unsigned char original[1 << 16], bytes[1 << 16];
    struct rng rng;
    rng_init(&rng, 4, 0);
    DIR *d = opendir(CORPUS);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d));) {
        char path[400];
        snprintf(path, sizeof(path), CORPUS "/%s", e->d_name);
        FILE *f = e->d_name[0] == '.' ? NULL : fopen(path, "rb");
        if (!f)
            continue;
        const size_t n = fread(original, 1, sizeof(original), f);
        fclose(f);
        for (int i = 0; i < 60; i++) {
            struct rows r = {0};
            memcpy(bytes, original, n);
            const size_t len = mutate(bytes, n, sizeof(bytes), &rng);
            const char *mutant = rows_file(bytes, len);
            const int rc = read_corpus_file(e->d_name, mutant, &r);
            assert_true(rc == 0 || rc == PENCHANT_EINVALID || rc == PENCHANT_ELIMIT);
            assert_true(rc == 0 || r.err.text[0]);
            rows_release(&r);
            unlink(mutant);
        }
    }
    closedir(d);
}

/* The real logs, where they are at hand. */
static void test_import__real_logs_are_read_whole(void **state)
{
    (void)state;
    static const struct {
        const char *events, *items;
        uint64_t n_events, n_items;
        bool clock;
    } logs[] = {
        {"ml-1m/events.csv", "ml-1m/items.csv", 999611, 3416, false},
        {"online-retail/events.csv", "online-retail/items.csv", 417534, 4031, true},
        {"beauty/events.csv", "beauty/items.csv", 198502, 12101, false},
        {"taobao/events.csv", "taobao/items.csv", 84475, 55368, true},
        {"lastfm-social/events.csv", NULL, 92834, 0, false},
        {"retailrocket/train.csv", NULL, 685984, 0, false}};
    const char *data = getenv("PENCHANT_DATA");
    data = data ? data : "../shared/data";
    for (size_t i = 0; i < sizeof(logs) / sizeof(*logs); i++) {
        char events[512], items[512];
        snprintf(events, sizeof(events), "%s/%s", data, logs[i].events);
        snprintf(items, sizeof(items), "%s/%s", data, logs[i].items ? logs[i].items : "");
        if (access(events, R_OK) != 0) {
            printf("SKIP %s is not there\n", events);
            continue;
        }
        struct rows r = {0};
        assert_int_equal(
            rows_read_with(&r, events, logs[i].items ? items : NULL, NULL, 0), 0);
        assert_int_equal(r.report.events, logs[i].n_events);
        assert_int_equal(r.report.items, logs[i].n_items);
        assert_int_equal(r.report.has_clock, logs[i].clock);
        rows_release(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_import__our_own_columns_are_read),
        cmocka_unit_test(test_import__texts_of_reviews_are_read),
        cmocka_unit_test(test_import__the_columns_of_known_logs_are_understood),
        cmocka_unit_test(test_import__csv_is_read_as_rfc_4180_says),
        cmocka_unit_test(test_import__line_numbers_count_lines_inside_quotes),
        cmocka_unit_test(test_import__an_open_quote_costs_one_line),
        cmocka_unit_test(test_import__json_lines_are_read),
        cmocka_unit_test(test_import__the_first_good_line_tells_whether_events_are_named),
        cmocka_unit_test(test_import__an_analytics_line_gives_one_event_an_item),
        cmocka_unit_test(test_import__bad_lines_are_reported_and_skipped),
        cmocka_unit_test(test_import__bad_json_is_reported_with_its_field),
        cmocka_unit_test(test_import__deep_nesting_is_refused),
        cmocka_unit_test(test_import__past_max_errors_it_ends),
        cmocka_unit_test(test_import__missing_columns_are_one_clear_error),
        cmocka_unit_test(test_import__the_map_overrides_and_is_checked),
        cmocka_unit_test(test_import__items_come_before_events_and_share_the_map),
        cmocka_unit_test(test_import__a_clock_is_told_from_positions),
        cmocka_unit_test(test_import__the_sink_can_stop_it),
        cmocka_unit_test(test_import__progress_can_interrupt_it),
        cmocka_unit_test(test_import__compressed_files_give_the_same_rows),
        cmocka_unit_test(test_import__damaged_compressed_files_are_refused),
        cmocka_unit_test(test_import__long_lines_are_skipped),
        cmocka_unit_test(test_import__numbers_are_rounded_correctly),
        cmocka_unit_test(test_import__the_corpus_gives_what_it_says),
        cmocka_unit_test(test_import__mutated_files_never_do_harm),
        cmocka_unit_test(test_import__real_logs_are_read_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
