/* SPDX-License-Identifier: Apache-2.0 */
/* A shop in a few calls: events in, a list out, another event, another list.
   gcc shop.c $(pkg-config --cflags --libs penchant) -o shop && ./shop DIR */
#include <penchant.h>
#include <stdio.h>

static int print_list(struct penchant *shop, const char *user, struct penchant_error *err)
{
    struct penchant_request request;
    struct penchant_list *list;
    penchant_request_default(&request);
    request.user_id = user;
    request.k = 3;
    const int failed = penchant_recommend(shop, &request, &list, err);
    if (failed)
        return failed;
    printf("for %s:", user);
    for (size_t i = 0; i < list->n; i++)
        printf(" %s", list->items[i].item_id);
    printf("\n");
    penchant_list_free(list);
    return 0;
}

int main(int argc, char **argv)
{
    static const char *const seen[][2] = {{"ann", "tea"}, {"ann", "pot"},
                                          {"bob", "tea"}, {"bob", "pot"},
                                          {"cem", "rug"}, {"cem", "lamp"}};
    struct penchant_options options;
    struct penchant_event event;
    struct penchant_error err;
    struct penchant *shop;
    penchant_options_default(&options);
    options.dir = argc > 1 ? argv[1] : "penchant-data";
    int failed = penchant_open(&shop, &options, &err);
    penchant_event_default(&event);
    event.event = "view";
    for (size_t i = 0; i < 6 && !failed; i++) {
        event.user_id = seen[i][0];
        event.item_id = seen[i][1];
        failed = penchant_add_events(shop, &event, 1, NULL, &err);
    }
    event.user_id = "dee"; /* is new, and looks at a rug */
    event.item_id = "rug";
    failed = failed || print_list(shop, "dee", &err) ||
             penchant_add_events(shop, &event, 1, NULL, &err) ||
             print_list(shop, "dee", &err);
    penchant_close(&shop);
    if (failed)
        fprintf(stderr, "shop: %s\n", err.text);
    return failed ? 1 : 0;
}
