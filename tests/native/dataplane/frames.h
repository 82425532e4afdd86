/* SPDX-License-Identifier: BSD-3-Clause */
/* Frames for tests, written as hexadecimal text; spaces are ignored. */
#ifndef TESTS_NATIVE_FRAMES_H
#define TESTS_NATIVE_FRAMES_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../check.h"

#define MACS "020000000002 020000000001 "
#define VLAN5 "8100 6005 " /* priority 3 */
#define VLAN7 "8100 0007 "
#define SERVICE_VLAN9 "88a8 0009 "

/* From 198.18.0.1 to 198.18.0.2.  total, fragment: 4 digits; protocol: 2 digits. */
#define IPV4(total, fragment, protocol) \
    "0800 4500 " total " 0001 " fragment " 40 " protocol " 0000 c6120001 c6120002 "
#define IPV4_BACK(total, protocol) \
    "4500 " total " 0001 0000 40 " protocol " 0000 c6120002 c6120001 "

/* From 2001:db8::1 to 2001:db8::2.  payload: 4 digits; next: 2 digits. */
#define DB8_1 "20010db8000000000000000000000001 "
#define DB8_2 "20010db8000000000000000000000002 "
#define IPV6(payload, next) "86dd 60000000 " payload " " next " 40 " DB8_1 DB8_2
#define IPV6_BACK(payload, next) "60000000 " payload " " next " 40 " DB8_2 DB8_1

/* Ports 1000 and 80. */
#define PORTS "03e8 0050 "
#define PORTS_BACK "0050 03e8 "
#define TCP PORTS "00000001 00000000 5010 ffff 0000 0000 "
#define UDP(length) PORTS length " 0000 "
#define SCTP PORTS "00000000 00000000 "

/* Bytes of the text in a block of exactly that size, so that ASan sees a read beyond. */
static inline uint8_t *
frame_read(const char *text, uint32_t *length)
{
    uint8_t *frame = malloc(strlen(text) / 2 + 1), *exact;
    unsigned byte;
    int used;

    for (*length = 0; sscanf(text, " %2x%n", &byte, &used) == 1; text += used)
        frame[(*length)++] = (uint8_t)byte;
    REQUIRE(text[strspn(text, " ")] == '\0', "this is no hexadecimal text: \"%s\"", text);
    exact = malloc(*length);
    memcpy(exact, frame, *length);
    free(frame);
    return exact;
}

#endif
