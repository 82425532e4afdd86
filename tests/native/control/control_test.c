/* SPDX-License-Identifier: BSD-3-Clause */
/* The control client against a peer that may send anything: nothing is believed, nothing leaks. */
#include <dirent.h>
#include <string.h>

#include "../check.h"
#include "control/control.h"
#include "protocol/channel.h"
#include "protocol/session.h"
#include "protocol/text.h"

static unsigned
open_descriptors(void)
{
    DIR *directory = opendir("/proc/self/fd");
    unsigned count = 0;

    while (readdir(directory) != NULL)
        count++;
    closedir(directory);
    return count;
}

struct message {
    const char *what;
    struct onvm_control_message header;
    size_t size;
    unsigned fds;
    int expected;
};

#define WHOLE sizeof(struct onvm_control_message)

static const struct message messages[] = {
    {"an answer", {ONVM_CONTROL_MAGIC, 7, 2}, WHOLE, 1, 0},
    {"an answer with a region", {ONVM_CONTROL_MAGIC, 7, 2}, WHOLE, 2, 0},
    {"an empty text", {ONVM_CONTROL_MAGIC, 7, 0}, WHOLE, 1, 0},
    {"no text", {ONVM_CONTROL_MAGIC, 7, 2}, WHOLE, 0, -EPROTO},
    {"three descriptors", {ONVM_CONTROL_MAGIC, 7, 2}, WHOLE, 3, -EPROTO},
    {"another magic", {ONVM_CONTROL_MAGIC + 1, 7, 2}, WHOLE, 1, -EPROTO},
    {"a short header", {ONVM_CONTROL_MAGIC, 7, 2}, WHOLE - 1, 1, -EPROTO},
    {"less text than announced", {ONVM_CONTROL_MAGIC, 7, 3}, WHOLE, 1, -EPROTO},
    {"more text than anybody sends", {ONVM_CONTROL_MAGIC, 7, ONVM_TEXT_MAX + 1}, WHOLE, 1, -EPROTO},
    {"the largest number there is", {ONVM_CONTROL_MAGIC, 7, UINT32_MAX}, WHOLE, 1, -EPROTO},
};

static void
test_message(const int *pair, const struct message *message)
{
    int texts[3] = {onvm_text_create("{}", 2), onvm_text_create("{}", 2), onvm_text_create("{}", 2)};
    struct onvm_control_received received = {.fd = -1};
    unsigned before = open_descriptors();
    int result;

    onvm_channel_send(pair[0], &message->header, message->size, texts, message->fds);
    result = onvm_control_receive(pair[1], &received);
    CHECK(result == message->expected, "%s: %d", message->what, result);
    if (result == 0) {
        CHECK(received.number == 7, "%s", message->what);
        CHECK(strlen(received.text) == message->header.length, "%s", message->what);
        CHECK((received.fd >= 0) == (message->fds == 2), "%s", message->what);
    }
    onvm_control_release(&received);
    CHECK(open_descriptors() == before, "%s leaves a descriptor", message->what);
    for (unsigned i = 0; i < 3; i++)
        close(texts[i]);
}

static void
test_messages(void)
{
    int pair[2];

    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0, "%m");
    for (size_t i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
        test_message(pair, &messages[i]);
    struct onvm_control_received received;
    CHECK(onvm_control_receive(pair[1], &received) == -EAGAIN, "nothing was sent");
    close(pair[0]);
    CHECK(onvm_control_receive(pair[1], &received) == -ECONNRESET, "the peer closed");
    close(pair[1]);
}

static void
test_sending(void)
{
    struct onvm_control_received received = {.fd = -1};
    unsigned before = open_descriptors(), sent = 0;
    int pair[2], result;

    REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) == 0, "%m");
    CHECK(onvm_control_send(pair[0], 3, "{\"op\": 1}", 9) == 0, "a request");
    CHECK(onvm_control_receive(pair[1], &received) == 0, "arrives");
    CHECK(received.number == 3 && strcmp(received.text, "{\"op\": 1}") == 0, "%s", received.text);
    onvm_control_release(&received);
    while ((result = onvm_control_send(pair[0], 4, "{}", 2)) == 0 && sent < 100000)
        sent++;
    CHECK(result == -EAGAIN, "a peer that does not read: %d after %u", result, sent);
    CHECK(onvm_control_send(pair[0], 5, "", (size_t)ONVM_TEXT_MAX + 1) == -EMSGSIZE, "too long");
    close(pair[0]);
    close(pair[1]);
    CHECK(open_descriptors() == before, "sending leaves no descriptor");
}

struct region {
    const char *what;
    uint64_t magic;
    uint32_t abi;
    off_t size;
    int seals;
    int error; /* 0: it is mapped */
};

#define NODE ((off_t)sizeof(struct onvm_node_counters))

static const struct region regions[] = {
    {"counters", ONVM_COUNTERS_MAGIC, ONVM_ABI_VERSION, NODE, F_SEAL_SHRINK, 0},
    {"more than counters", ONVM_COUNTERS_MAGIC, ONVM_ABI_VERSION, NODE + 1, F_SEAL_SHRINK, 0},
    {"less than counters", ONVM_COUNTERS_MAGIC, ONVM_ABI_VERSION, NODE - 1, F_SEAL_SHRINK, EBADMSG},
    {"what could shrink", ONVM_COUNTERS_MAGIC, ONVM_ABI_VERSION, NODE, F_SEAL_GROW, EBADMSG},
    {"nothing", ONVM_COUNTERS_MAGIC, ONVM_ABI_VERSION, 16, F_SEAL_SHRINK, EBADMSG},
    {"something else", 1, ONVM_ABI_VERSION, NODE, F_SEAL_SHRINK, EPROTO},
    {"another ABI", ONVM_COUNTERS_MAGIC, ONVM_ABI_VERSION + 1, NODE, F_SEAL_SHRINK, EPROTONOSUPPORT},
};

static void
test_region(const struct region *region)
{
    int fd = memfd_create("region", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    const struct onvm_node_counters *mapped;

    REQUIRE(fd >= 0 && ftruncate(fd, region->size) == 0, "%m");
    REQUIRE(pwrite(fd, &region->magic, sizeof(region->magic), 0) > 0, "%m");
    REQUIRE(pwrite(fd, &region->abi, sizeof(region->abi), sizeof(region->magic)) > 0, "%m");
    fcntl(fd, F_ADD_SEALS, region->seals);
    errno = 0;
    mapped = onvm_control_map_node(fd);
    CHECK((mapped != NULL) == (region->error == 0), "%s", region->what);
    CHECK(mapped != NULL || errno == region->error, "%s: %m", region->what);
    if (mapped != NULL)
        onvm_control_unmap_node(mapped);
    close(fd);
}

int
main(void)
{
    test_messages();
    test_sending();
    for (size_t i = 0; i < sizeof(regions) / sizeof(regions[0]); i++)
        test_region(&regions[i]);
    CHECK(onvm_control_map_nf(-1) == NULL && errno == EBADMSG, "no descriptor is no region");
    CHECK(onvm_control_connect("/nonexistent/control.sock") == -ENOENT, "nobody listens");
    return check_result();
}
