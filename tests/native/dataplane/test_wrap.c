/* SPDX-License-Identifier: BSD-3-Clause */
/* What is put around a frame between nodes, byte by byte, and what is taken for it. */
#include "dataplane/wrap.h"

#include <string.h>

#include "../check.h"
#include "dataplane/arp.h"
#include "dataplane/bytes.h"

#define INNER 60
#define ROOM 256

static const struct wrap ends[] = {
    [WRAP_NSH] = {WRAP_NSH, {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, 0, 0, 0},
    [WRAP_VXLAN_GPE] = {WRAP_VXLAN_GPE, {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, 0xc6120001,
                        0xc6120002, 77},
    [WRAP_VLAN] = {WRAP_VLAN, {2, 0, 0, 0, 0, 1}, {2, 0, 0, 0, 0, 2}, 0, 0, 0},
};

/* The same link seen from its other end. */
static struct wrap
other_end(const struct wrap *wrap)
{
    struct wrap other = *wrap;

    memcpy(other.own_mac, wrap->next_mac, 6);
    memcpy(other.next_mac, wrap->own_mac, 6);
    other.own_address = wrap->peer_address;
    other.peer_address = wrap->own_address;
    return other;
}

static const struct nsh tag = {.path_id = 0xabc, .index = 254, .ttl = 63, .flow = 0x12345678};

static void
fill(uint8_t *frame)
{
    for (unsigned i = 0; i < INNER; i++)
        frame[i] = (uint8_t)(i * 7 + 1);
}

static uint8_t *
wrapped(const struct wrap *wrap, uint8_t *room)
{
    uint8_t *inner = room + 128, *outer = inner - wrap_size(wrap->kind);

    fill(inner);
    wrap_write(wrap, &tag, INNER, outer);
    return outer;
}

static void
check_there_and_back(enum wrap_kind kind)
{
    struct wrap other = other_end(&ends[kind]);
    uint8_t room[ROOM], expected[INNER], *outer = wrapped(&ends[kind], room);
    struct nsh found;

    fill(expected);
    CHECK(wrap_read(&other, outer, INNER + wrap_size(kind), &found) == WRAP_PACKET,
          "kind %d: is not taken for a packet of the link", kind);
    CHECK(found.path_id == tag.path_id, "kind %d: path id %u", kind, found.path_id);
    if (kind != WRAP_VLAN)
        CHECK(found.index == 254 && found.ttl == 63 && found.flow == tag.flow,
              "kind %d: index %u, ttl %u, flow %x", kind, found.index, found.ttl, found.flow);
    wrap_strip(&other, outer);
    CHECK(memcmp(outer + wrap_size(kind), expected, INNER) == 0, "kind %d: another frame", kind);
}

static void
check_probe(enum wrap_kind kind)
{
    struct wrap other = other_end(&ends[kind]);
    uint8_t frame[ROOM] = {0};
    struct nsh found;

    wrap_write_probe(&ends[kind], 32, frame);
    CHECK(wrap_read(&other, frame, wrap_probe_size(kind) + 32, &found) == WRAP_PROBE,
          "kind %d: its probe is not known", kind);
}

/* RFC 8300, figures 2 and 3, and the numbers of section 9. */
static void
check_nsh_bytes(void)
{
    static const uint8_t expected[] = {0x0f, 0xc6, 0x01, 0x03, 0x00, 0x0a, 0xbc, 0xfe};
    uint8_t room[ROOM], *outer = wrapped(&ends[WRAP_NSH], room);

    CHECK(load16(outer + 12) == 0x894f, "ethertype %04x", load16(outer + 12));
    CHECK(memcmp(outer + 14, expected, sizeof(expected)) == 0, "other header bytes");
}

/* RFC 8300, section 2.2: {time to live as it came, what is left of it} */
static const uint8_t times[][2] = {{63, 62}, {62, 61}, {2, 1}, {1, 0}, {0, 63}};

static void
check_time_to_live(void)
{
    for (unsigned i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
        struct nsh sent = {.path_id = 1, .ttl = times[i][0]}, found = {0};
        uint8_t bytes[NSH_SIZE];

        nsh_write(bytes, &sent);
        CHECK(nsh_read(bytes, NSH_SIZE, &found) && found.ttl == times[i][0],
              "ttl %u is read as %u", times[i][0], found.ttl);
        CHECK(nsh_time_left(found.ttl) == times[i][1], "ttl %u leaves %u", times[i][0],
              nsh_time_left(found.ttl));
    }
}

static void
check_routed_bytes(void)
{
    uint8_t room[ROOM], *outer = wrapped(&ends[WRAP_VXLAN_GPE], room), *ip = outer + 14;
    uint32_t sum = 0;

    for (unsigned i = 0; i < 20; i += 2)
        sum += load16(ip + i);
    CHECK((sum & 0xffff) + (sum >> 16) == 0xffff, "the IPv4 checksum is wrong");
    CHECK(load16(ip + 2) == 20 + 8 + 8 + NSH_SIZE + INNER, "total length %u", load16(ip + 2));
    CHECK(load16(ip + 22) == 4790, "UDP port %u", load16(ip + 22));
    CHECK(load16(ip + 24) == 8 + 8 + NSH_SIZE + INNER, "UDP length %u", load16(ip + 24));
    CHECK(ip[28] == 0x0c && ip[31] == 4 && load32(ip + 32) == 77u << 8, "VXLAN-GPE header");
}

/* {kind, byte that is changed, its new value, what it is} */
static const struct {
    enum wrap_kind kind;
    unsigned at;
    uint8_t value;
    const char *what;
} foreign[] = {
    {WRAP_NSH, 12, 0x08, "another ethertype"},
    {WRAP_NSH, 14, 0x4f, "NSH of another version"},
    {WRAP_NSH, 15, 0xc2, "NSH of another length"},
    {WRAP_NSH, 16, 0x02, "NSH with metadata type 2"},
    {WRAP_NSH, 17, 0x01, "NSH around IPv4"},
    {WRAP_VXLAN_GPE, 14, 0x46, "IPv4 with options"},
    {WRAP_VXLAN_GPE, 20, 0x20, "a fragment"},
    {WRAP_VXLAN_GPE, 23, 6, "TCP"},
    {WRAP_VXLAN_GPE, 29, 9, "from somebody else"},
    {WRAP_VXLAN_GPE, 33, 9, "to somebody else"},
    {WRAP_VXLAN_GPE, 37, 1, "to another port"},
    {WRAP_VXLAN_GPE, 42, 0x08, "VXLAN without a next protocol"},
    {WRAP_VXLAN_GPE, 45, 3, "Ethernet without NSH"},
    {WRAP_VXLAN_GPE, 48, 78, "another network"},
    {WRAP_VLAN, 12, 0x88, "another tag"},
};

static void
check_foreign(void)
{
    for (unsigned i = 0; i < sizeof(foreign) / sizeof(foreign[0]); i++) {
        enum wrap_kind kind = foreign[i].kind;
        struct wrap other = other_end(&ends[kind]);
        uint8_t room[ROOM], *outer = wrapped(&ends[kind], room);
        struct nsh found;

        outer[foreign[i].at] = foreign[i].value;
        CHECK(wrap_read(&other, outer, INNER + wrap_size(kind), &found) == WRAP_FOREIGN,
              "kind %d: %s is taken for a packet of the link", kind, foreign[i].what);
    }
}

/* Frames of every length, in memory that ends with them, so that a sanitizer sees more. */
static void
check_short(enum wrap_kind kind)
{
    struct wrap other = other_end(&ends[kind]);
    uint8_t room[ROOM], *outer = wrapped(&ends[kind], room);

    for (uint32_t length = 0; length < wrap_size(kind); length++) {
        uint8_t *cut = malloc(length > 0 ? length : 1);
        struct nsh found;

        memcpy(cut, outer, length);
        CHECK(wrap_read(&other, cut, length, &found) == WRAP_FOREIGN || kind == WRAP_VLAN,
              "kind %d: %u bytes are taken for a packet", kind, length);
        free(cut);
    }
}

static void
check_arp(void)
{
    struct arp asked = {true, {2, 0, 0, 0, 0, 1}, 0xc6120001, 0xc6120002}, found;
    uint8_t frame[ARP_FRAME];

    arp_write(frame, &asked, NULL);
    CHECK(frame[0] == 0xff && arp_read(frame, ARP_FRAME, &found), "a request is not read");
    CHECK(found.request && found.sender == asked.sender && found.target == asked.target,
          "other addresses");
    CHECK(!arp_read(frame, ARP_FRAME - 1, &found), "a short one is read");
    asked.request = false;
    arp_write(frame, &asked, ends[0].next_mac);
    CHECK(memcmp(frame, ends[0].next_mac, 6) == 0 && arp_read(frame, ARP_FRAME, &found) &&
          !found.request, "a reply is not read");
}

int
main(void)
{
    for (enum wrap_kind kind = WRAP_NSH; kind <= WRAP_VLAN; kind++) {
        check_there_and_back(kind);
        check_probe(kind);
        check_short(kind);
    }
    check_nsh_bytes();
    check_time_to_live();
    check_routed_bytes();
    check_foreign();
    check_arp();
    return check_result();
}
