/* SPDX-License-Identifier: BSD-3-Clause */
#include "control.h"

#include "../protocol/channel.h"
#include "../protocol/session.h"
#include "../protocol/text.h"

int
onvm_control_connect(const char *path)
{
    int fd = onvm_channel_connect(path, SOCK_NONBLOCK);

    return fd >= 0 ? fd : -errno;
}

int
onvm_control_send(int socket, uint32_t number, const char *text, size_t length)
{
    struct onvm_control_message message = {ONVM_CONTROL_MAGIC, number, (uint32_t)length};

    if (length > ONVM_TEXT_MAX)
        return -EMSGSIZE;
    int memfd = onvm_text_create(text, length);
    if (memfd < 0)
        return -errno;
    int error = onvm_channel_send(socket, &message, sizeof(message), &memfd, 1) ? 0 : errno;
    close(memfd);
    return -error;
}

/* Takes a message apart; what it does not hand over stays in `fds`. */
static int
unpack(const struct onvm_control_message *message, size_t size, struct onvm_fds *fds,
       struct onvm_control_received *received)
{
    if (size != sizeof(*message) || message->magic != ONVM_CONTROL_MAGIC || fds->count == 0 ||
        fds->count > 2)
        return -EPROTO;
    char *text = onvm_text_read(fds->fd[0], message->length, ONVM_TEXT_MAX);
    if (text == NULL)
        return -EPROTO;
    *received = (struct onvm_control_received){
        .number = message->number,
        .length = message->length,
        .text = text,
        .fd = onvm_fds_take(fds, 1),
    };
    return 0;
}

int
onvm_control_receive(int socket, struct onvm_control_received *received)
{
    struct onvm_control_message message;
    struct onvm_fds fds;
    ssize_t size = onvm_channel_receive(socket, &message, sizeof(message), &fds, 0);

    if (size < 0)
        return errno == EMSGSIZE ? -EPROTO : -errno;
    if (size == 0 && fds.count == 0)
        return -ECONNRESET;
    int result = unpack(&message, (size_t)size, &fds, received);
    onvm_fds_close(&fds);
    return result;
}

void
onvm_control_release(struct onvm_control_received *received)
{
    free(received->text);
    if (received->fd >= 0)
        close(received->fd);
    *received = (struct onvm_control_received){.fd = -1};
}
