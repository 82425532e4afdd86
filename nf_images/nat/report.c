/* SPDX-License-Identifier: BSD-3-Clause */
#include "report.h"

#include <arpa/inet.h>

#include "nf/parameters.h"

#define TOP_MAX 262144

static const char *const protocol_names[] = {
    [MAPPED_TCP] = "tcp", [MAPPED_UDP] = "udp", [MAPPED_ICMP] = "icmp"};

static json_t *
describe_address(uint32_t address)
{
    char text[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &address, text, sizeof(text));
    return json_string(text);
}

static json_t *
describe_translation(const struct nat *nat, const struct translation *translation, uint64_t end)
{
    const struct inside_end *inside = &translation->inside;

    return json_pack("{s:s, s:o, s:i, s:o, s:i, s:I, s:I, s:I, s:I, s:f}", "protocol",
                     protocol_names[inside->protocol], "inside", describe_address(inside->address),
                     "inside_port", inside->port, "public",
                     describe_address(nat->translations.public[translation->public]),
                     "public_port", translation->port, "packets_out",
                     (json_int_t)translation->packets[OUTBOUND], "packets_in",
                     (json_int_t)translation->packets[INBOUND], "bytes_out",
                     (json_int_t)translation->bytes[OUTBOUND], "bytes_in",
                     (json_int_t)translation->bytes[INBOUND], "expires_in",
                     (double)(end - nat->now) / 1e9);
}

static json_t *
answer_translations(const struct nat *nat, json_t *request, struct onvm_failure *failure)
{
    const struct translations *all = &nat->translations;
    const char *query;
    uint64_t top = 1000;
    const struct onvm_parameter known[] = {
        {"query", ONVM_TEXT, .text = &query},
        {"top", ONVM_NUMBER, .number = &top, .least = 1, .most = TOP_MAX},
        {0},
    };
    json_t *list;

    if (!onvm_read_object(request, "", known, failure))
        return NULL;
    list = json_array();
    for (uint32_t i = 0; i < all->table.capacity && json_array_size(list) < top; i++) {
        const struct translation *translation = onvm_table_at(&all->table, i);

        if (translation && nat->now <= translation_end(all, translation))
            json_array_append_new(list, describe_translation(nat, translation,
                                                             translation_end(all, translation)));
    }
    return json_pack("{s:o}", "translations", list);
}

static json_t *
answer_summary(const struct nat *nat)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "translations",
                     (json_int_t)nat->translations.table.used, "max_entries",
                     (json_int_t)nat->translations.table.capacity, "no_mapping",
                     (json_int_t)nat->no_mapping, "table_full", (json_int_t)nat->table_full,
                     "unsupported", (json_int_t)nat->unsupported, "arp_answers",
                     (json_int_t)nat->arp_answers);
}

json_t *
report_answer(const struct nat *nat, json_t *request, struct onvm_failure *failure)
{
    if (onvm_is_query(request, "translations"))
        return answer_translations(nat, request, failure);
    if (onvm_is_query(request, "summary"))
        return answer_summary(nat);
    onvm_fail(failure, "nat answers the queries translations and summary only");
    return NULL;
}
