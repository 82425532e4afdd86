/* SPDX-License-Identifier: BSD-3-Clause */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../protocol/channel.h"
#include "../protocol/text.h"

static void
say(const struct session *session, const char *text)
{
    fprintf(stderr, "%s: %s\n", session->module->name, text);
}

/* Ends a session in which the data plane broke the protocol. */
static void
break_off(struct session *session, const char *reason)
{
    say(session, reason);
    session->end = SESSION_LOST;
}

static void
answer(struct session *session, uint32_t type, uint32_t request, bool well, const char *text)
{
    size_t length = text ? strlen(text) : 0;
    int fd = length > 0 ? onvm_text_create(text, length) : -1;
    struct onvm_answer message = {
        .header = {.type = type, .request = request},
        .status = well ? 0 : 1,
        .length = fd >= 0 ? (uint32_t)length : 0,
    };

    if (!onvm_channel_send(session->socket, &message, sizeof(message), &fd, fd >= 0))
        session->end = SESSION_LOST;
    if (fd >= 0)
        close(fd);
}

static json_t *
parse(const char *text, size_t length, struct onvm_failure *failure)
{
    json_error_t error;
    json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);

    if (!value)
        onvm_fail(failure, "the text is not JSON: %s (line %d)", error.text, error.line);
    else if (!json_is_object(value))
        onvm_fail(failure, "the text is not a JSON object");
    else
        return value;
    json_decref(value);
    return NULL;
}

/* The object in a message's text; NULL with a failure. */
static json_t *
read_object(const struct envelope *message, struct onvm_failure *failure)
{
    uint32_t length = message->text.length;
    char *text = onvm_text_read(message->fds.fd[0], length, ONVM_TEXT_MAX);
    json_t *object = NULL;

    if (text)
        object = parse(text, length, failure);
    else
        onvm_fail(failure, "the text of %u bytes (%u at the most) could not be read", length,
                  ONVM_TEXT_MAX);
    free(text);
    return object;
}

static bool
configure(struct session *session, const struct envelope *message, struct onvm_failure *failure)
{
    json_t *configuration = read_object(message, failure);
    bool well = configuration != NULL;

    if (well && session->module->configure)
        well = session->module->configure(session->state, configuration, failure);
    json_decref(configuration);
    return well;
}

static void
follow_configure(struct session *session, const struct envelope *message)
{
    struct onvm_failure failure = {.text = ""};
    bool well = configure(session, message, &failure);

    if (well)
        session->configured = true;
    else
        say(session, failure.text);
    answer(session, ONVM_CONFIGURED, message->header.request, well, well ? NULL : failure.text);
}

/* The reply as text, to be freed; NULL with a failure. */
static char *
ask(struct session *session, const struct envelope *message, struct onvm_failure *failure)
{
    json_t *request = read_object(message, failure);
    json_t *reply = NULL;
    char *text = NULL;

    if (request && !session->module->query)
        onvm_fail(failure, "the NF %s answers no queries", session->module->name);
    else if (request)
        reply = session->module->query(session->state, request, failure);
    if (reply) {
        text = json_dumps(reply, JSON_COMPACT);
        if (!text)
            onvm_fail(failure, "no memory for the reply");
    }
    json_decref(reply);
    json_decref(request);
    return text;
}

static void
follow_query(struct session *session, const struct envelope *message)
{
    struct onvm_failure failure = {.text = ""};
    char *reply = ask(session, message, &failure);

    answer(session, ONVM_REPLY, message->header.request, reply, reply ? reply : failure.text);
    free(reply);
}

static void
follow_edge(struct session *session, struct envelope *message)
{
    struct onvm_edge_message acknowledgement = message->edge;
    struct onvm_failure failure = {.text = ""};
    bool well = message->header.type == ONVM_EDGE_OPEN
                    ? attachment_open_edge(&session->attachment, message, &failure)
                    : attachment_close_edge(&session->attachment, &message->edge, &failure);

    if (!well) {
        break_off(session, failure.text);
        return;
    }
    acknowledgement.header.type = ONVM_EDGE_ACK;
    if (!onvm_channel_send(session->socket, &acknowledgement, sizeof(acknowledgement), NULL, 0))
        session->end = SESSION_LOST;
}

/* Bytes of a message of this type; 0 where the data plane sends no such message. */
static size_t
size_of(uint32_t type)
{
    switch (type) {
    case ONVM_WELCOME: return sizeof(struct onvm_welcome);
    case ONVM_REFUSED: return sizeof(struct onvm_refused);
    case ONVM_CONFIGURE:
    case ONVM_QUERY: return sizeof(struct onvm_text);
    case ONVM_EDGE_OPEN:
    case ONVM_EDGE_CLOSE: return sizeof(struct onvm_edge_message);
    case ONVM_STOP: return sizeof(struct onvm_message);
    default: return 0;
    }
}

static bool
is_whole(const struct envelope *message)
{
    size_t size;

    if (message->length < sizeof(message->header))
        return false;
    size = size_of(message->header.type);
    return size > 0 && message->length >= size;
}

static void
follow(struct session *session, struct envelope *message)
{
    if (!is_whole(message)) {
        break_off(session, "the data plane sent a message that is unknown or too short");
        return;
    }
    switch (message->header.type) {
    case ONVM_CONFIGURE: follow_configure(session, message); break;
    case ONVM_QUERY: follow_query(session, message); break;
    case ONVM_EDGE_OPEN:
    case ONVM_EDGE_CLOSE: follow_edge(session, message); break;
    case ONVM_STOP: session->end = SESSION_STOPPED; break;
    default: break_off(session, "the data plane sent a second welcome"); break;
    }
}

/* Receives a message; false: there is none, or the data plane has gone. */
static bool
receive(struct session *session, struct envelope *message, int flags)
{
    ssize_t length = onvm_channel_receive(session->socket, message,
                                          offsetof(struct envelope, length), &message->fds, flags);

    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (length <= 0) {
        onvm_fds_close(&message->fds);
        session->end = SESSION_LOST;
        return false;
    }
    message->length = (size_t)length;
    return true;
}

void
session_follow(struct session *session)
{
    struct envelope message;

    while (session->end == SESSION_RUNNING && receive(session, &message, MSG_DONTWAIT)) {
        follow(session, &message);
        onvm_fds_close(&message.fds);
    }
}

static bool
introduce(const struct session *session)
{
    struct onvm_hello hello = {
        .header = {.type = ONVM_HELLO},
        .magic = ONVM_SESSION_MAGIC,
        .abi = ONVM_ABI_VERSION,
    };

    snprintf(hello.module, sizeof(hello.module), "%s", session->module->name);
    return onvm_channel_send(session->socket, &hello, sizeof(hello), NULL, 0);
}

static enum session_end
follow_refused(const struct session *session, const struct onvm_refused *refused)
{
    fprintf(stderr, "%s: refused by the data plane: %.*s (protocol version there %u, here %u)\n",
            session->module->name, (int)sizeof(refused->reason), refused->reason, refused->abi,
            ONVM_ABI_VERSION);
    return SESSION_REFUSED;
}

static enum session_end
follow_first(struct session *session, const struct envelope *message)
{
    struct onvm_failure failure = {.text = ""};

    if (is_whole(message) && message->header.type == ONVM_REFUSED)
        return follow_refused(session, &message->refused);
    if (!is_whole(message) || message->header.type != ONVM_WELCOME) {
        say(session, "the data plane answered HELLO with something else than WELCOME");
        return SESSION_LOST;
    }
    if (!attachment_open(&session->attachment, message, &failure)) {
        say(session, failure.text);
        return SESSION_LOST;
    }
    fprintf(stderr, "%s: attached as %s\n", session->module->name,
            session->attachment.welcome.name);
    return SESSION_RUNNING;
}

static enum session_end
shake_hands(struct session *session)
{
    struct envelope message;
    enum session_end end;

    if (!introduce(session) || !receive(session, &message, 0))
        return SESSION_LOST;
    end = follow_first(session, &message);
    onvm_fds_close(&message.fds);
    return end;
}

enum session_end
session_attach(struct session *session, const char *path)
{
    session->socket = onvm_channel_connect(path, 0);
    if (session->socket < 0)
        return session->end = SESSION_LOST;
    session->end = shake_hands(session);
    if (session->end != SESSION_RUNNING) {
        close(session->socket);
        session->socket = -1;
    }
    return session->end;
}

void
session_detach(struct session *session)
{
    close(session->socket);
    session->socket = -1;
    attachment_close(&session->attachment);
}
