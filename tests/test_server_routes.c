/* SPDX-License-Identifier: Apache-2.0 */
/* The table of routes against docs/openapi.json, metrics text, where the server may
 * listen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <math.h>

#include "server/listen.h"
#include "server/http_metrics.h"
#include "server/openapi_text.h"
#include "server/routes.h"
#include "server/server.h"

/* ---- routing ------------------------------------------------------------------- */

static const struct route *find(const char *method, const char *target, char allow[64])
{
    struct url u = {0};
    assert_int_equal(url_parse(&u, target, NULL), PENCHANT_OK);
    const struct route *route = routes_find(&u, method, allow);
    url_release(&u);
    return route;
}

static void test_server_routes__each_row_is_found(void **state)
{
    (void)state;
    char allow[64];
    for (size_t i = 0; i < routes_n; i++)
        assert_ptr_equal(find(routes[i].method, routes[i].pattern, allow), &routes[i]);
    assert_ptr_equal(find("HEAD", "/v1/popular", allow),
                     find("GET", "/v1/popular", allow));
}

static void test_server_routes__other_paths_are_not_found(void **state)
{
    (void)state;
    static const char *const none[] = {"/",
                                       "/v1",
                                       "/v1/",
                                       "/v1/items",
                                       "/v1/items/",
                                       "/v1/items/a/",
                                       "/v1/items//similar",
                                       "/v1/items/a/b",
                                       "/V1/events",
                                       "/v1/events/",
                                       "/v1/eventsx",
                                       "//v1/events",
                                       "/v1%2Fevents"};
    char allow[64];
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_null(find("GET", none[i], allow));
        assert_string_equal(allow, "");
    }
}

static void test_server_routes__other_methods_are_told_which(void **state)
{
    (void)state;
    char allow[64];
    assert_null(find("GET", "/v1/events", allow));
    assert_string_equal(allow, "POST");
    assert_null(find("POST", "/v1/items/a", allow));
    assert_string_equal(allow, "GET, HEAD, PUT, DELETE");
    assert_null(find("get", "/healthz", allow));
    assert_string_equal(allow, "GET, HEAD");
}

static void test_server_routes__only_health_and_description_are_open(void **state)
{
    (void)state;
    for (size_t i = 0; i < routes_n; i++) {
        const char *p = routes[i].pattern;
        const bool open = !strcmp(p, "/healthz") || !strcmp(p, "/readyz") ||
                          !strcmp(p, "/openapi.json");
        assert_int_equal(routes[i].open, open);
    }
}

/* ---- description --------------------------------------------------------------- */

static void test_server_routes__openapi_and_the_table_agree(void **state)
{
    (void)state;
    json_error_t error;
    json_t *doc =
        json_loadb(openapi_text, openapi_text_size(), JSON_REJECT_DUPLICATES, &error);
    assert_non_null(doc);
    const json_t *paths = json_object_get(doc, "paths");
    size_t described = 0;
    const char *path, *method;
    json_t *methods, *operation;
    json_object_foreach((json_t *)(uintptr_t)paths, path, methods)
    {
        json_object_foreach(methods, method, operation)
        {
            size_t i = 0;
            while (i < routes_n && (strcmp(routes[i].pattern, path) != 0 ||
                                    strcasecmp(routes[i].method, method) != 0))
                i++;
            if (i == routes_n)
                fail_msg("no route for %s %s", method, path);
            const json_t *security = json_object_get(operation, "security");
            assert_int_equal(routes[i].open, security && json_array_size(security) == 0);
            described++;
        }
    }
    assert_int_equal(described, routes_n);
    json_decref(doc);
}

static void test_server_routes__the_embedded_description_is_the_file(void **state)
{
    (void)state;
    FILE *f = fopen("docs/openapi.json", "rb");
    assert_non_null(f);
    char *text = malloc(openapi_text_size() + 1);
    const size_t n = fread(text, 1, openapi_text_size() + 1, f);
    fclose(f);
    assert_int_equal(n, openapi_text_size());
    assert_memory_equal(text, openapi_text, n);
    free(text);
}

/* ---- metrics ------------------------------------------------------------------- */

static void test_server_routes__metrics_count_and_cumulate(void **state)
{
    (void)state;
    static struct http_metrics m;
    const struct http_metrics_label label[2] = {{"GET", "/a"}, {"PUT", "/b\"\\\n"}};
    const struct penchant_status_report shop = {.events = 7,
                                                .users = 3,
                                                .items = 2,
                                                .commits = 5,
                                                .has_model = true,
                                                .model_version = 4,
                                                .states_cached = 6};
    struct buf out;
    buf_init(&out, 1 << 20);
    http_metrics_count(&m, 0, 200, 40000);
    http_metrics_count(&m, 0, 200, 60000);
    http_metrics_count(&m, 0, 404, 50000);
    http_metrics_count(&m, 0, 418, 7000000000);
    http_metrics_events(&m, 10, 2);
    struct penchant_learning learning = {.loss = (double)NAN, .rollbacks = 3};
    struct penchant_adaptation adaptation = {
        .settled = 7, .changes = 2, .share_fast = .5};
    http_metrics_write(&m, label, 2, &shop, &learning, &adaptation, &out);
    assert_null(strstr(out.data, "penchant_adapt")); /* it does not learn from feedback */
    assert_null(strstr(out.data, "event_to_layer"));
    assert_null(strstr(out.data, "penchant_learning")); /* there is no learner */
    buf_release(&out);
    buf_init(&out, 1 << 20);
    learning.on = true;
    learning.events = 9;
    learning.to_list = (struct penchant_delays){.n = 3, .seconds = 1.5, .bucket = {1, 2}};
    learning.to_network.bucket[PENCHANT_DELAYS - 1] = 1;
    adaptation.on = true;
    adaptation.to_layer.bucket[0] = adaptation.to_layer.n = 4;
    http_metrics_write(&m, label, 2, &shop, &learning, &adaptation, &out);
    static const char *const lines[] = {
        "penchant_adapt_settled_total 7\n",
        "penchant_adapt_changes_total 2\n",
        "penchant_adapt_share_fast 0.5\n",
        "penchant_event_to_layer_seconds_count 4\n",
        "penchant_http_requests_total{method=\"GET\",route=\"/a\",status=\"200\"} 2\n",
        "penchant_http_requests_total{method=\"GET\",route=\"/a\",status=\"404\"} 1\n",
        "penchant_http_requests_total{method=\"GET\",route=\"/a\",status=\"500\"} 1\n",
        "_bucket{method=\"GET\",route=\"/a\",le=\"5e-05\"} 2\n",
        "_bucket{method=\"GET\",route=\"/a\",le=\"0.0001\"} 3\n",
        "_bucket{method=\"GET\",route=\"/a\",le=\"5\"} 3\n",
        "_bucket{method=\"GET\",route=\"/a\",le=\"+Inf\"} 4\n",
        "_sum{method=\"GET\",route=\"/a\"} 7.00015\n",
        "_count{method=\"GET\",route=\"/a\"} 4\n",
        "_count{method=\"PUT\",route=\"/b\\\"\\\\\\n\"} 0\n",
        "\npenchant_events_accepted_total 10\n",
        "\npenchant_events_duplicate_total 2\n",
        "\npenchant_commits_total 5\n",
        "\npenchant_events 7\n",
        "\npenchant_users 3\n",
        "\npenchant_items 2\n",
        "\npenchant_model_version 4\n",
        "\npenchant_states_cached 6\n",
        "\npenchant_event_to_list_seconds_bucket{le=\"0.001\"} 1\n",
        "\npenchant_event_to_list_seconds_bucket{le=\"0.0025\"} 3\n",
        "\npenchant_event_to_list_seconds_bucket{le=\"+Inf\"} 3\n",
        "\npenchant_event_to_list_seconds_sum 1.5\n",
        "\npenchant_event_to_network_seconds_bucket{le=\"10\"} 0\n",
        "\npenchant_event_to_network_seconds_bucket{le=\"+Inf\"} 1\n",
        "\npenchant_learning_events_total 9\n",
        "\npenchant_learning_rollbacks_total 3\n",
        "\npenchant_learning_loss NaN\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        if (!strstr(out.data, lines[i]))
            fail_msg("%s is missing in\n%s", lines[i], out.data);
    const char *rss = strstr(out.data, "\nprocess_resident_memory_bytes ");
    assert_non_null(rss);
    assert_true(strtoull(strchr(rss, ' '), NULL, 10) > 100000);
    buf_release(&out);
}

/* ---- listening ----------------------------------------------------------------- */

static void test_server_routes__loopback_is_told_from_the_world(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool loopback;
    } cases[] = {
        {"127.0.0.1:0", true},          {"127.9.9.9:1", true},   {"[::1]:7700", true},
        {"[::ffff:127.0.0.1]:1", true}, {"0.0.0.0:7700", false}, {"[::]:0", false},
        {"10.0.0.1:1", false},          {":7700", false},        {"128.0.0.1:1", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sockaddr_storage a;
        socklen_t len;
        struct penchant_error err = {0};
        if (listen_parse(cases[i].text, &a, &len, &err))
            fail_msg("%s: %s", cases[i].text, err.text);
        if (listen_is_loopback(&a) != cases[i].loopback)
            fail_msg("%s", cases[i].text);
    }
    static const char *const bad[] = {"",           "7700",          "127.0.0.1",
                                      "::1:7700",   "1.2.3.4:",      "1.2.3.4:x",
                                      "1.2.3.4:-1", "1.2.3.4:65536", "1.2.3.4:1x",
                                      "1.2.3.4:+1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct sockaddr_storage a;
        socklen_t len;
        struct penchant_error err = {0};
        assert_int_equal(listen_parse(bad[i], &a, &len, &err), PENCHANT_EINVALID);
        assert_string_equal(err.field, "listen");
    }
}

static void test_server_routes__the_world_needs_a_key(void **state)
{
    (void)state;
    struct server *s = NULL;
    struct penchant_error err = {0};
    struct server_options o = {.listen = "0.0.0.0:0"};
    assert_int_equal(server_start(&s, &o, &err), PENCHANT_EINVALID);
    assert_null(s);
    assert_non_null(strstr(err.text, "PENCHANT_API_KEY"));
    o.listen = "127.0.0.1:0";
    o.api_key = "";
    assert_int_equal(server_start(&s, &o, &err), PENCHANT_EINVALID);
    assert_null(s);
}

static void test_server_routes__starts_and_stops(void **state)
{
    (void)state;
    struct server *s = NULL;
    struct penchant_error err = {0};
    const struct server_options o[] = {
        {.listen = "127.0.0.1:0"},
        {.listen = "[::1]:0", .threads = 1},
        {.listen = "0.0.0.0:0", .api_key = "secret"},
        {.listen = "0.0.0.0:0", .insecure = true, .threads = 1000},
    };
    for (size_t i = 0; i < sizeof(o) / sizeof(o[0]); i++) {
        const int status = server_start(&s, &o[i], &err);
        if (status && i == 1) /* a machine without IPv6 */
            continue;
        assert_int_equal(status, PENCHANT_OK);
        assert_true(server_port(s) > 0);
        server_stop(&s);
        assert_null(s);
    }
    server_stop(&s);
}

static void test_server_routes__a_taken_port_is_an_error(void **state)
{
    (void)state;
    struct server *one = NULL, *two = NULL;
    struct penchant_error err = {0};
    char listen[32];
    assert_int_equal(
        server_start(&one, &(struct server_options){.listen = "127.0.0.1:0"}, &err),
        PENCHANT_OK);
    snprintf(listen, sizeof(listen), "127.0.0.1:%u", server_port(one));
    assert_int_equal(server_start(&two, &(struct server_options){.listen = listen}, &err),
                     PENCHANT_EIO);
    assert_null(two);
    server_stop(&one);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_server_routes__each_row_is_found),
        cmocka_unit_test(test_server_routes__other_paths_are_not_found),
        cmocka_unit_test(test_server_routes__other_methods_are_told_which),
        cmocka_unit_test(test_server_routes__only_health_and_description_are_open),
        cmocka_unit_test(test_server_routes__openapi_and_the_table_agree),
        cmocka_unit_test(test_server_routes__the_embedded_description_is_the_file),
        cmocka_unit_test(test_server_routes__metrics_count_and_cumulate),
        cmocka_unit_test(test_server_routes__loopback_is_told_from_the_world),
        cmocka_unit_test(test_server_routes__the_world_needs_a_key),
        cmocka_unit_test(test_server_routes__starts_and_stops),
        cmocka_unit_test(test_server_routes__a_taken_port_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
