/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames in, flow keys out. */
#include "dataplane/parse.h"

#include <arpa/inet.h>

#include "frames.h"

#define MALFORMED NULL

static const struct {
    const char *what, *frame, *key;
} cases[] = {
    {"TCP over IPv4", MACS IPV4("0028", "0000", "06") TCP, "4 198.18.0.1 198.18.0.2 6 1000 80"},
    {"padding is not payload", MACS IPV4("0028", "4000", "06") TCP "000000000000",
     "4 198.18.0.1 198.18.0.2 6 1000 80"},
    {"UDP over IPv4", MACS IPV4("001c", "0000", "11") UDP("0008"),
     "4 198.18.0.1 198.18.0.2 17 1000 80"},
    {"SCTP", MACS IPV4("0020", "0000", "84") SCTP, "4 198.18.0.1 198.18.0.2 132 1000 80"},
    {"GRE has no ports", MACS IPV4("0018", "0000", "2f") "0000 0800",
     "4 198.18.0.1 198.18.0.2 47"},
    {"IPv4 options are skipped",
     MACS "0800 4600 0020 0001 0000 40 11 0000 c6120001 c6120002 01010101" UDP("0008"),
     "4 198.18.0.1 198.18.0.2 17 1000 80"},
    {"the first fragment has no ports", MACS IPV4("0028", "2000", "06") TCP,
     "4 198.18.0.1 198.18.0.2 6"},
    {"nor has a later one", MACS IPV4("0018", "0064", "06") "03e80050",
     "4 198.18.0.1 198.18.0.2 6"},
    {"one VLAN tag", MACS VLAN5 IPV4("001c", "0000", "11") UDP("0008"),
     "4 198.18.0.1 198.18.0.2 17 1000 80 vlan 5"},
    {"two VLAN tags", MACS SERVICE_VLAN9 VLAN5 IPV4("001c", "0000", "11") UDP("0008"),
     "4 198.18.0.1 198.18.0.2 17 1000 80 vlan 9.5"},
    {"a third tag is payload", MACS VLAN5 VLAN5 VLAN5 IPV4("001c", "0000", "11") UDP("0008"),
     "L2 020000000001 020000000002 8100 vlan 5.5"},
    {"an echo request has its identifier", MACS IPV4("001c", "0000", "01") "0800 0000 1234 0001",
     "4 198.18.0.1 198.18.0.2 1 id 4660"},
    {"and so has its reply", MACS IPV4("001c", "0000", "01") "0000 0000 1234 0001",
     "4 198.18.0.1 198.18.0.2 1 id 4660"},
    {"an ICMP error has the reversed flow that it quotes",
     MACS IPV4("0038", "0000", "01") "0303 0000 00000000" IPV4_BACK("0064", "11") UDP("0050"),
     "4 198.18.0.1 198.18.0.2 17 80 1000 quoted"},
    {"also of an echo",
     MACS IPV4("0038", "0000", "01") "0b00 0000 00000000" IPV4_BACK("0064", "01")
     "0800 0000 1234 0001",
     "4 198.18.0.1 198.18.0.2 1 id 4660 quoted"},
    {"a quote without ports has addresses only",
     MACS IPV4("0030", "0000", "01") "0303 0000 00000000" IPV4_BACK("0064", "06"),
     "4 198.18.0.1 198.18.0.2 6 quoted"},
    {"an error with a bad quote is for itself",
     MACS IPV4("0020", "0000", "01") "0303 0000 00000000 45000000", "4 198.18.0.1 198.18.0.2 1"},
    {"TCP over IPv6", MACS IPV6("0014", "06") TCP, "6 2001:db8::1 2001:db8::2 6 1000 80"},
    {"behind hop-by-hop, routing and destination options",
     MACS IPV6("0020", "00") "2b00000000000000 3c00000000000000 1100000000000000" UDP("0008"),
     "6 2001:db8::1 2001:db8::2 17 1000 80"},
    {"behind an authentication header",
     MACS IPV6("0018", "33") "1102000000000000 0000000000000000" UDP("0008"),
     "6 2001:db8::1 2001:db8::2 17 1000 80"},
    {"an atomic fragment is a packet", MACS IPV6("0010", "2c") "1100 0000 00000001" UDP("0008"),
     "6 2001:db8::1 2001:db8::2 17 1000 80"},
    {"the first IPv6 fragment", MACS IPV6("0010", "2c") "1100 0001 00000001" UDP("0008"),
     "6 2001:db8::1 2001:db8::2 17"},
    {"a later IPv6 fragment", MACS IPV6("000c", "2c") "1100 0008 00000001 00000000",
     "6 2001:db8::1 2001:db8::2 17"},
    {"no next header", MACS IPV6("0000", "3b"), "6 2001:db8::1 2001:db8::2 59"},
    {"ESP hides the rest", MACS IPV6("0008", "32") "0000000100000001",
     "6 2001:db8::1 2001:db8::2 50"},
    {"an ICMPv6 echo", MACS IPV6("0008", "3a") "8000 0000 1234 0001",
     "6 2001:db8::1 2001:db8::2 58 id 4660"},
    {"an ICMPv6 error",
     MACS IPV6("0038", "3a") "0200 0000 00000500" IPV6_BACK("0514", "06") PORTS_BACK "00000000",
     "6 2001:db8::1 2001:db8::2 6 1000 80 quoted"},
    {"ARP", MACS "0806 0001 0800 0604 0001", "L2 020000000001 020000000002 0806"},
    {"an 802.3 length is no ethertype", MACS "0026 aaaa03", "L2 020000000001 020000000002 0000"},

    {"no whole Ethernet header", MACS "08", MALFORMED},
    {"half a VLAN tag", MACS "8100 00", MALFORMED},
    {"half an IPv4 header", MACS "0800 4500 0014 0001", MALFORMED},
    {"IPv4 of version 5",
     MACS "0800 5500 001c 0001 0000 40 11 0000 c6120001 c6120002" UDP("0008"), MALFORMED},
    {"an IPv4 header of 16 bytes",
     MACS "0800 4400 001c 0001 0000 40 11 0000 c6120001 c6120002" UDP("0008"), MALFORMED},
    {"an IPv4 header longer than the packet",
     MACS "0800 4f00 001c 0001 0000 40 11 0000 c6120001 c6120002" UDP("0008"), MALFORMED},
    {"an IPv4 length beyond the frame", MACS IPV4("001d", "0000", "11") UDP("0008"), MALFORMED},
    {"an IPv4 length within the header", MACS IPV4("0013", "0000", "11") UDP("0008"), MALFORMED},
    {"half a TCP header", MACS IPV4("0020", "0000", "06") PORTS "00000000 00000000", MALFORMED},
    {"a TCP header of 16 bytes",
     MACS IPV4("0028", "0000", "06") PORTS "00000001 00000000 4010 ffff 0000 0000", MALFORMED},
    {"TCP options beyond the packet",
     MACS IPV4("0028", "0000", "06") PORTS "00000001 00000000 6010 ffff 0000 0000", MALFORMED},
    {"a UDP length beyond the packet", MACS IPV4("001c", "0000", "11") UDP("0009"), MALFORMED},
    {"a UDP length within the header", MACS IPV4("001c", "0000", "11") UDP("0007"), MALFORMED},
    {"half an ICMP header", MACS IPV4("0018", "0000", "01") "08000000", MALFORMED},
    {"half an IPv6 header", MACS "86dd 60000000 0000 3b40", MALFORMED},
    {"an IPv6 length beyond the frame", MACS IPV6("0009", "11") UDP("0008"), MALFORMED},
    {"an extension beyond the packet", MACS IPV6("0008", "3c") "1101000000000000", MALFORMED},
    {"an endless chain of extensions",
     MACS IPV6("0050", "3c") "3c00000000000000 3c00000000000000 3c00000000000000"
     "3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000 3c00000000000000"
     "1100000000000000" UDP("0008"), MALFORMED},
    {"nothing at all", "", MALFORMED},
};

static void
print_addresses(const struct flow_key *key, char *text, size_t size)
{
    char source[INET6_ADDRSTRLEN], destination[INET6_ADDRSTRLEN];
    int family = key->family == FLOW_IPV4 ? AF_INET : AF_INET6;

    inet_ntop(family, key->source, source, sizeof(source));
    inet_ntop(family, key->destination, destination, sizeof(destination));
    snprintf(text, size, "%u %s %s %u", key->family, source, destination, key->protocol);
}

static void
print_ethernet(const struct flow_key *key, char *text, size_t size)
{
    const uint8_t *s = key->source, *d = key->destination;

    snprintf(text, size, "L2 %02x%02x%02x%02x%02x%02x %02x%02x%02x%02x%02x%02x %04x", s[0], s[1],
             s[2], s[3], s[4], s[5], d[0], d[1], d[2], d[3], d[4], d[5], key->source_port);
}

static void
append(char *text, size_t size, const char *format, unsigned first, unsigned second)
{
    size_t used = strlen(text);

    snprintf(text + used, size - used, format, first, second);
}

/* What the table above calls a key. */
static void
print_key(const struct frame_fields *fields, char *text, size_t size)
{
    const struct flow_key *key = &fields->flow;

    if (key->family == FLOW_L2)
        print_ethernet(key, text, size);
    else
        print_addresses(key, text, size);
    if (key->has_ports)
        append(text, size, " %u %u", key->source_port, key->destination_port);
    else if (key->family != FLOW_L2 && key->source_port != 0)
        append(text, size, " id %u", key->source_port, 0);
    if (key->vlan[1] != 0)
        append(text, size, " vlan %u.%u", key->vlan[0], key->vlan[1]);
    else if (key->vlan[0] != 0)
        append(text, size, " vlan %u", key->vlan[0], 0);
    if (fields->quoted)
        append(text, size, " quoted", 0, 0);
}

static void
check_case(const char *what, const char *hex, const char *expected)
{
    struct frame_fields fields;
    char text[256] = "";
    uint32_t length;
    uint8_t *frame = frame_read(hex, &length);
    bool parsed = frame_parse(frame, length, length, 3, &fields);

    if (CHECK(parsed == (expected != MALFORMED), "%s: parsed %d", what, parsed) && parsed) {
        print_key(&fields, text, sizeof(text));
        CHECK(strcmp(text, expected) == 0, "%s: \"%s\", not \"%s\"", what, text, expected);
        CHECK(fields.flow.port == 3, "%s: the port is %u", what, fields.flow.port);
    }
    free(frame);
}

/* However much of a frame is missing, nothing behind its end is read (ASan watches). */
static void
check_truncated(const char *hex)
{
    struct frame_fields fields;
    uint32_t length;
    uint8_t *frame = frame_read(hex, &length);

    for (uint32_t shorter = 0; shorter < length; shorter++) {
        uint8_t *part = malloc(shorter + 1);

        memcpy(part + 1, frame, shorter);
        CHECK(!frame_parse(part + 1, shorter, shorter, 0, &fields) || shorter >= FRAME_HEADER,
              "%u bytes cannot be a frame", shorter);
        free(part);
    }
    free(frame);
}

/* Wherever the first segment ends: the whole frame's fields, or malformed (ASan watches). */
static void
check_segmented(const char *what, const char *hex)
{
    struct frame_fields whole, fields;
    uint32_t length;
    uint8_t *frame = frame_read(hex, &length);
    bool good = frame_parse(frame, length, length, 0, &whole);

    for (uint32_t present = 0; present < length; present++) {
        uint8_t *part = malloc(present + 1);
        bool parsed;

        memcpy(part + 1, frame, present);
        parsed = frame_parse(part + 1, present, length, 0, &fields);
        CHECK(!parsed || good, "%s: good with %u bytes, and malformed as a whole", what, present);
        CHECK(!parsed || whole.quoted || /* a quote may end early */
                  memcmp(&fields, &whole, sizeof(fields)) == 0,
              "%s: another flow with %u bytes", what, present);
        free(part);
    }
    free(frame);
}

static void
check_headers_are_enough(void)
{
    struct frame_fields fields;
    uint32_t length;
    uint8_t *frame = frame_read(MACS IPV4("2328", "0000", "11") UDP("2314"), &length);

    CHECK(frame_parse(frame, 42, 14 + 9000, 0, &fields), "a jumbo frame with its headers here");
    CHECK(!frame_parse(frame, 41, 14 + 9000, 0, &fields), "less than its headers");
    CHECK(!frame_parse(frame, 42, 14 + 8999, 0, &fields), "an IP packet beyond the frame");
    free(frame);
}

static void
check_reverse(void)
{
    struct frame_fields forward, backward;
    struct flow_key reverse;
    uint32_t length;
    uint8_t *there = frame_read(MACS IPV4("001c", "0000", "11") UDP("0008"), &length);
    uint8_t *back = frame_read(MACS "0800" IPV4_BACK("001c", "11") PORTS_BACK "0008 0000", &length);

    REQUIRE(frame_parse(there, length, length, 0, &forward) &&
                frame_parse(back, length, length, 0, &backward),
            "both frames are good");
    reverse = flow_key_reverse(&forward.flow);
    CHECK(memcmp(&reverse, &backward.flow, sizeof(reverse)) == 0, "the answer has another key");
    free(there);
    free(back);
}

int
main(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_case(cases[i].what, cases[i].frame, cases[i].key);
        check_truncated(cases[i].frame);
        check_segmented(cases[i].what, cases[i].frame);
    }
    check_headers_are_enough();
    check_reverse();
    return check_result();
}
