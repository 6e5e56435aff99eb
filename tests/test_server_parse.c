/* SPDX-License-Identifier: Apache-2.0 */
/* What the server does with bytes from outside: URLs, JSON, events, a corpus of nasty
 * bodies. */
#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server/json_input.h"
#include "server/parse_event.h"
#include "server/routes.h"
#include "server/server_state.h"
#include "server/url.h"

/* ---- times --------------------------------------------------------------------- */

static int64_t time_of(const char *json)
{
    int64_t us = -1;
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
    assert_non_null(value);
    if (parse_timestamp(value, &us, NULL))
        us = -1;
    json_decref(value);
    return us;
}

static void test_server_parse__timestamps_are_told_apart_by_size(void **state)
{
    (void)state;
    const int64_t us = 1714564800123456;
    assert_int_equal(time_of("1714564800123456"), us);
    assert_int_equal(time_of("1714564800123"), us / 1000 * 1000);
    assert_int_equal(time_of("1714564800"), us / 1000000 * 1000000);
    assert_int_equal(time_of("1714564800.5"), 1714564800500000);
    assert_int_equal(time_of("1714564800123.25"), 1714564800123250);
    assert_int_equal(time_of("1"), 1000000);
    assert_int_equal(time_of("99999999999"), 99999999999000000);
    assert_int_equal(time_of("100000000000"), 100000000000000);
    assert_int_equal(time_of("99999999999999"), 99999999999999000);
    assert_int_equal(time_of("100000000000000"), 100000000000000);
    assert_int_equal(time_of("99999999999999999"), 99999999999999999);
    assert_int_equal(time_of("100000000000000000"), 100000000000000);
    assert_int_equal(time_of("1714564800123456789"), us);
    assert_int_equal(time_of("1714564800123456000.0"), us);
    assert_int_equal(time_of("0"), -1);
    assert_int_equal(time_of("-1"), -1);
    assert_int_equal(time_of("-9223372036854775808"), -1);
    assert_int_equal(time_of("-0.5"), -1);
    assert_int_equal(time_of("1e300"), -1);
    assert_int_equal(time_of("true"), -1);
    assert_int_equal(time_of("[]"), -1);
}

static void test_server_parse__dates_are_read_as_import_reads_them(void **state)
{
    (void)state;
    const int64_t us = 1714564800000000;
    assert_int_equal(time_of("\"2024-05-01T12:00:00Z\""), us);
    assert_int_equal(time_of("\"2024-05-01 14:00:00.5+02:00\""), us + 500000);
    assert_int_equal(time_of("\"2024-05-01 12:00:00\""), us);
    assert_int_equal(time_of("\"2024-05-01\""), us - INT64_C(43200000000));
    assert_int_equal(time_of("\"1714564800123\""), us + 123000);
    assert_int_equal(time_of("\"9999-12-31T23:59:59Z\""), 253402300799000000);
    assert_int_equal(time_of("\"2023-02-29T12:00:00Z\""), -1);
    assert_int_equal(time_of("\"2024-05-01T12:00:00Zx\""), -1);
    assert_int_equal(time_of("\"1969-12-31T23:59:59Z\""), -1);
    assert_int_equal(time_of("\"1970-01-01T00:00:00Z\""), -1);
    assert_int_equal(time_of("\"yesterday\""), -1);
    assert_int_equal(time_of("\"\""), -1);
}

/* ---- events and items ---------------------------------------------------------- */

static void test_server_parse__event_fields_arrive(void **state)
{
    (void)state;
    static const char text[] =
        "{\"user_id\":\"u\",\"session_id\":\"s\",\"item_id\":\"i\",\"event\":\"cart\","
        "\"timestamp\":5,\"value\":2.5,\"quantity\":3,\"query\":\"q\",\"event_id\":\"e\","
        "\"recommendation_id\":\"r\",\"placement\":null,\"text\":\"fine\"}";
    struct penchant_event e;
    struct penchant_error err = {0};
    json_t *json = json_loads(text, 0, NULL);
    assert_int_equal(parse_event(json, &e, &err), PENCHANT_OK);
    assert_string_equal(e.user_id, "u");
    assert_string_equal(e.session_id, "s");
    assert_string_equal(e.item_id, "i");
    assert_string_equal(e.event, "cart");
    assert_int_equal(e.timestamp_us, 5000000);
    assert_true(e.value == 2.5 && e.quantity == 3);
    assert_string_equal(e.query, "q");
    assert_string_equal(e.event_id, "e");
    assert_string_equal(e.recommendation_id, "r");
    assert_string_equal(e.text, "fine");
    assert_null(e.placement);
    json_decref(json);
}

static void test_server_parse__absent_numbers_are_nan(void **state)
{
    (void)state;
    struct penchant_event e;
    json_t *json = json_loads("{\"value\":null}", 0, NULL);
    assert_int_equal(parse_event(json, &e, NULL), PENCHANT_OK);
    assert_true(isnan(e.value) && isnan(e.quantity));
    assert_int_equal(e.timestamp_us, 0);
    json_decref(json);
}

static void test_server_parse__faults_name_their_field(void **state)
{
    (void)state;
    static const struct {
        const char *text, *field;
    } cases[] = {
        {"{\"usr_id\":\"u\"}", "usr_id"},    {"{\"user_id\":1}", "user_id"},
        {"{\"item_id\":[]}", "item_id"},     {"{\"event\":true}", "event"},
        {"{\"value\":\"3\"}", "value"},      {"{\"quantity\":{}}", "quantity"},
        {"{\"timestamp\":[]}", "timestamp"}, {"{\"timestamp\":\"x\"}", "timestamp"},
        {"{\"query\":1.5}", "query"},        {"[]", ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct penchant_event e;
        struct penchant_error err = {0};
        json_t *json = json_loads(cases[i].text, 0, NULL);
        assert_int_equal(parse_event(json, &e, &err), PENCHANT_EINVALID);
        assert_string_equal(err.field, cases[i].field);
        assert_true(strlen(err.text) > 10);
        json_decref(json);
    }
}

static int item_of(const char *text, struct penchant_item *item, json_t **keep,
                   struct penchant_error *err)
{
    *keep = json_loads(text, 0, NULL);
    assert_non_null(*keep);
    return parse_item(*keep, "i", item, err);
}

static void test_server_parse__items(void **state)
{
    (void)state;
    struct penchant_item item;
    struct penchant_error err = {0};
    json_t *keep;
    assert_int_equal(item_of("{\"title\":\"T\",\"category\":\"a|b\",\"brand\":\"B\","
                             "\"price\":3,\"available\":false,\"item_id\":\"i\"}",
                             &item, &keep, &err),
                     PENCHANT_OK);
    assert_string_equal(item.item_id, "i");
    assert_string_equal(item.title, "T");
    assert_string_equal(item.category, "a|b");
    assert_string_equal(item.brand, "B");
    assert_true(item.price == 3 && !item.available);
    json_decref(keep);

    assert_int_equal(item_of("{}", &item, &keep, &err), PENCHANT_OK);
    assert_true(item.available && isnan(item.price) && !item.title);
    json_decref(keep);

    static const char *const bad[][2] = {
        {"{\"item_id\":\"j\"}", "item_id"}, {"{\"price\":\"3\"}", "price"},
        {"{\"available\":1}", "available"}, {"{\"titel\":\"x\"}", "titel"},
        {"{\"title\":7}", "title"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(item_of(bad[i][0], &item, &keep, &err), PENCHANT_EINVALID);
        assert_string_equal(err.field, bad[i][1]);
        json_decref(keep);
    }
}

/* ---- JSON ---------------------------------------------------------------------- */

static void test_server_parse__depth_is_bounded(void **state)
{
    (void)state;
    char why[JSON_INPUT_WHY], text[128];
    for (size_t depth = JSON_INPUT_DEPTH - 1; depth <= JSON_INPUT_DEPTH + 1; depth++) {
        memset(text, '[', depth);
        memset(text + depth, ']', depth);
        json_t *json = json_input_load(text, depth * 2, why);
        assert_int_equal(json != NULL, depth <= JSON_INPUT_DEPTH);
        json_decref(json);
    }
    assert_non_null(strstr(why, "deeper than 32"));
}

static void test_server_parse__lines_are_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool lines;
    } cases[] = {
        {"{}\n{}", true},
        {"{}\r\n\r\n {}", true},
        {"{}", false},
        {"{}\n", false},
        {"{\n}\n", false},
        {"[{}\n,{}]", false},
        {"{}{}", false},
        {"{} {}", false},
        {"{\"a\":\"}\\\"\n\"}", false},
        {"{\n}\n{\n}", true},
        {"", false},
        {"\n\n{}", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
        if (json_input_is_lines(cases[i].text, strlen(cases[i].text)) != cases[i].lines)
            fail_msg("%s", cases[i].text);
}

static void test_server_parse__lines_are_counted(void **state)
{
    (void)state;
    static const char text[] = "a\r\n\n  \nbb\nc";
    size_t at = 0, line = 0, length;
    const char *start;
    assert_true(
        json_input_next_line(text, sizeof(text) - 1, &at, &line, &start, &length));
    assert_true(line == 1 && length == 1 && *start == 'a');
    assert_true(
        json_input_next_line(text, sizeof(text) - 1, &at, &line, &start, &length));
    assert_true(line == 4 && length == 2 && *start == 'b');
    assert_true(
        json_input_next_line(text, sizeof(text) - 1, &at, &line, &start, &length));
    assert_true(line == 5 && length == 1 && *start == 'c');
    assert_false(
        json_input_next_line(text, sizeof(text) - 1, &at, &line, &start, &length));
}

/* ---- URLs ---------------------------------------------------------------------- */

static void test_server_parse__urls_are_split_then_decoded(void **state)
{
    (void)state;
    struct url u = {0};
    assert_int_equal(
        url_parse(&u, "/v1/items/a%2Fb%3F%e4%b8%ad+/similar?k=5&x=a+b%2B&e=&f", NULL),
        PENCHANT_OK);
    assert_int_equal(u.n_segments, 4);
    assert_string_equal(u.segment[2], "a/b?\xe4\xb8\xad+");
    assert_int_equal(u.n_params, 4);
    assert_string_equal(u.param[0].name, "k");
    assert_string_equal(u.param[0].value, "5");
    assert_string_equal(u.param[1].value, "a b+");
    assert_string_equal(u.param[2].value, "");
    assert_string_equal(u.param[3].name, "f");
    assert_string_equal(u.param[3].value, "");
    assert_true(url_fits(&u, "/v1/items/{item_id}/similar"));
    assert_false(url_fits(&u, "/v1/items/{item_id}"));
    url_release(&u);
}

static void test_server_parse__broken_urls_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "/%",
        "/%4",
        "/%zz",
        "/a%00b",
        "/%ff",
        "/%c0%af",
        "/?a=%",
        "/?%=1",
        "/?a=%00",
        "/?a=%ed%a0%80",
        "*",
        "",
        "/1/2/3/4/5/6/7/8/9",
    };
    struct penchant_error err;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct url u = {0};
        if (url_parse(&u, bad[i], &err) != PENCHANT_EINVALID)
            fail_msg("%s was taken", bad[i]);
        url_release(&u);
    }
    char many[2 + 3 * (URL_MAX_PARAMS + 1)] = "/?";
    for (size_t i = 0; i <= URL_MAX_PARAMS; i++)
        memcpy(many + 2 + 3 * i, "a=&", 3);
    struct url u = {0};
    many[sizeof(many) - 1] = 0;
    assert_int_equal(url_parse(&u, many, &err), PENCHANT_EINVALID);
    url_release(&u);
    many[2 + 3 * URL_MAX_PARAMS - 1] = 0;
    assert_int_equal(url_parse(&u, many, &err), PENCHANT_OK);
    assert_int_equal(u.n_params, URL_MAX_PARAMS);
    url_release(&u);
}

static void test_server_parse__absolute_urls_lose_their_host(void **state)
{
    (void)state;
    struct url u = {0};
    assert_int_equal(url_parse(&u, "http://shop.example:80/v1/popular?k=1", NULL),
                     PENCHANT_OK);
    assert_true(url_fits(&u, "/v1/popular"));
    url_release(&u);
    assert_int_equal(url_parse(&u, "http://shop.example", NULL), PENCHANT_OK);
    assert_true(url_fits(&u, "/"));
    url_release(&u);
}

/* ---- whole bodies -------------------------------------------------------------- */

/* A server that is closing: a good body gets as far as 503, and no shop is needed. */
static struct server closing = {.lock = PTHREAD_MUTEX_INITIALIZER,
                                .changed = PTHREAD_COND_INITIALIZER,
                                .closed = true};

static struct request *post(const char *target, const char *body, size_t n)
{
    struct request *r = request_new(&closing, target);
    assert_non_null(r);
    buf_add(&r->body, body, n);
    return r;
}

/* 400_*, 422_*: the status in the name; ok_*: taken. Empty arrays need no commit. */
static void check_file(const char *name)
{
    static char bytes[REQUEST_MAX_BODY];
    char path[512];
    snprintf(path, sizeof(path), "tests/data/http/%s", name);
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    const size_t n = fread(bytes, 1, sizeof(bytes), f);
    fclose(f);
    unsigned want = (unsigned)strtoul(name, NULL, 10);
    if (!want)
        want = strcmp(name, "ok_empty_array.json") ? 503 : 200;
    struct request *r = post("/v1/events", bytes, n);
    route_add_events(r);
    if (r->status != want)
        fail_msg("%s: %u %s", name, r->status, r->answer.data);
    json_t *answer =
        json_loadb(r->answer.data, r->answer.len, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(answer);
    if (want != 200) {
        assert_string_equal(r->content_type, "application/problem+json");
        assert_int_equal(json_integer_value(json_object_get(answer, "status")), want);
        assert_true(strlen(json_string_value(json_object_get(answer, "detail"))) > 10);
    }
    if (want == 422)
        assert_int_equal(json_array_size(json_object_get(answer, "errors")), 1);
    json_decref(answer);
    request_free(r);
}

static void test_server_parse__the_corpus_is_judged_rightly(void **state)
{
    (void)state;
    size_t n = 0;
    DIR *dir = opendir("tests/data/http");
    assert_non_null(dir);
    for (struct dirent *d; (d = readdir(dir));)
        if (d->d_name[0] != '.') {
            check_file(d->d_name);
            n++;
        }
    closedir(dir);
    assert_true(n > 60);
}

/* Every way to cut a good body short, and every byte of it changed, is answered in
   peace. */
static void test_server_parse__mutilated_bodies_are_answered(void **state)
{
    (void)state;
    static const char good[] =
        "[{\"user_id\":\"\\u00e9\",\"item_id\":\"i\",\"event\":\"view\","
        "\"timestamp\":\"2024-05-01T12:00:00.5+02:00\",\"value\":1.5e3}]";
    char body[sizeof(good)];
    const size_t n = sizeof(good) - 1;
    for (size_t i = 0; i < n; i++) {
        struct request *r = post("/v1/events", good, i);
        route_add_events(r);
        assert_int_equal(r->status, 400);
        request_free(r);
        for (unsigned bit = 0; bit < 8; bit++) {
            memcpy(body, good, n);
            body[i] = (char)(body[i] ^ (1 << bit));
            r = post("/v1/events", body, n);
            route_add_events(r);
            assert_true(r->status == 400 || r->status == 422 || r->status == 503);
            request_free(r);
        }
    }
}

static void test_server_parse__faults_are_listed_up_to_a_hundred(void **state)
{
    (void)state;
    struct buf body;
    buf_init(&body, REQUEST_MAX_BODY);
    for (size_t i = 0; i < 150; i++)
        buf_puts(&body, "{\"user_id\":1}\n");
    struct request *r = post("/v1/events", body.data, body.len);
    route_add_events(r);
    json_t *answer = json_loadb(r->answer.data, r->answer.len, 0, NULL);
    const json_t *errors = json_object_get(answer, "errors");
    assert_int_equal(r->status, 422);
    assert_int_equal(json_array_size(errors), REQUEST_MAX_PROBLEMS);
    const json_t *last = json_array_get(errors, REQUEST_MAX_PROBLEMS - 1);
    assert_int_equal(json_integer_value(json_object_get(last, "index")), 99);
    assert_int_equal(json_integer_value(json_object_get(last, "line")), 100);
    assert_string_equal(json_string_value(json_object_get(last, "field")), "user_id");
    assert_non_null(strstr(json_string_value(json_object_get(answer, "detail")), "150"));
    json_decref(answer);
    request_free(r);
    buf_release(&body);
}

static unsigned status_of_n_events(size_t n, bool lines)
{
    struct buf body;
    buf_init(&body, REQUEST_MAX_BODY);
    buf_puts(&body, lines ? "" : "[");
    for (size_t i = 0; i < n; i++) {
        buf_puts(&body, !i ? "" : lines ? "\n" : ",");
        buf_puts(&body, "{\"user_id\":\"u\",\"item_id\":\"i\",\"event\":\"view\"}");
    }
    buf_puts(&body, lines ? "" : "]");
    assert_false(body.failed);
    struct request *r = post("/v1/events", body.data, body.len);
    route_add_events(r);
    const unsigned status = r->status;
    request_free(r);
    buf_release(&body);
    return status;
}

static void test_server_parse__at_most_ten_thousand_events(void **state)
{
    (void)state;
    assert_int_equal(status_of_n_events(10000, false), 503);
    assert_int_equal(status_of_n_events(10001, false), 413);
    assert_int_equal(status_of_n_events(10000, true), 503);
    assert_int_equal(status_of_n_events(10001, true), 413);
}

static void test_server_parse__bad_requests_for_lists(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        unsigned status;
        const char *field;
    } cases[] = {
        {"", 400, NULL},
        {"[]", 422, ""},
        {"{\"k\":0}", 422, "k"},
        {"{\"k\":-1}", 422, "k"},
        {"{\"k\":1001}", 422, "k"},
        {"{\"k\":\"ten\"}", 422, "k"},
        {"{\"k\":2.5}", 422, "k"},
        {"{\"exclude\":\"a\"}", 422, "exclude"},
        {"{\"exclude\":[\"a\",1]}", 422, "exclude"},
        {"{\"exclude\":[\"a\"],\"kk\":1}", 422, "kk"},
        {"{\"exclude_purchased\":\"yes\"}", 422, "exclude_purchased"},
        {"{\"events\":{}}", 422, "events"},
        {"{\"events\":[{\"item_id\":\"a\",\"event\":\"view\"},{\"item_id\":3}]}", 422,
         "item_id"},
        {"{\"user_id\":[]}", 422, "user_id"},
        {"{\"category\":1}", 422, "category"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct request *r = post("/v1/recommend", cases[i].body, strlen(cases[i].body));
        route_recommend_post(r);
        if (r->status != cases[i].status)
            fail_msg("%s: %u", cases[i].body, r->status);
        json_t *answer = json_loadb(r->answer.data, r->answer.len, 0, NULL);
        const json_t *fault = json_array_get(json_object_get(answer, "errors"), 0);
        if (cases[i].field)
            assert_string_equal(json_string_value(json_object_get(fault, "field")),
                                cases[i].field);
        if (cases[i].field && !strcmp(cases[i].field, "item_id"))
            assert_int_equal(json_integer_value(json_object_get(fault, "index")), 1);
        json_decref(answer);
        request_free(r);
    }
}

static void test_server_parse__bad_query_parameters(void **state)
{
    (void)state;
    static const char *const bad[][2] = {
        {"/v1/recommend?k=0", "k"},
        {"/v1/recommend?k=-1", "k"},
        {"/v1/recommend?k=+5", "k"},
        {"/v1/recommend?k=1001", "k"},
        {"/v1/recommend?k=ten", "k"},
        {"/v1/recommend?k=", "k"},
        {"/v1/recommend?k=5x", "k"},
        {"/v1/recommend?k=99999999999999999999", "k"},
        {"/v1/recommend?user_id=a&user_id=b", "user_id"},
        {"/v1/recommend?user=a", "user"},
        {"/v1/recommend?exclude_purchased=maybe", "exclude_purchased"},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct request *r = post(bad[i][0], "", 0);
        route_recommend_get(r);
        if (r->status != 400)
            fail_msg("%s: %u", bad[i][0], r->status);
        json_t *answer = json_loadb(r->answer.data, r->answer.len, 0, NULL);
        const json_t *fault = json_array_get(json_object_get(answer, "errors"), 0);
        assert_string_equal(json_string_value(json_object_get(fault, "field")),
                            bad[i][1]);
        json_decref(answer);
        request_free(r);
    }
    struct request *r = post("/v1/popular?k=1&k=1", "", 0);
    route_popular(r);
    assert_int_equal(r->status, 400);
    request_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_parse__timestamps_are_told_apart_by_size),
        cmocka_unit_test(test_server_parse__dates_are_read_as_import_reads_them),
        cmocka_unit_test(test_server_parse__event_fields_arrive),
        cmocka_unit_test(test_server_parse__absent_numbers_are_nan),
        cmocka_unit_test(test_server_parse__faults_name_their_field),
        cmocka_unit_test(test_server_parse__items),
        cmocka_unit_test(test_server_parse__depth_is_bounded),
        cmocka_unit_test(test_server_parse__lines_are_recognised),
        cmocka_unit_test(test_server_parse__lines_are_counted),
        cmocka_unit_test(test_server_parse__urls_are_split_then_decoded),
        cmocka_unit_test(test_server_parse__broken_urls_are_refused),
        cmocka_unit_test(test_server_parse__absolute_urls_lose_their_host),
        cmocka_unit_test(test_server_parse__the_corpus_is_judged_rightly),
        cmocka_unit_test(test_server_parse__mutilated_bodies_are_answered),
        cmocka_unit_test(test_server_parse__faults_are_listed_up_to_a_hundred),
        cmocka_unit_test(test_server_parse__at_most_ten_thousand_events),
        cmocka_unit_test(test_server_parse__bad_requests_for_lists),
        cmocka_unit_test(test_server_parse__bad_query_parameters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
