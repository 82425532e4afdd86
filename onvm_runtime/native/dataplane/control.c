/* SPDX-License-Identifier: BSD-3-Clause */
#include "control.h"

#include <errno.h>
#include <rte_log.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../protocol/channel.h"
#include "../protocol/control.h"
#include "../protocol/text.h"
#include "listener.h"
#include "operations.h"

#define REQUEST_MAX (64u << 20)
#define PATH_SIZE 256

struct connection {
    struct connection *next;
    struct node *node;
    struct watch watch;
    uint64_t id;
    bool events;
};

struct control {
    struct node *node;
    struct watch listener;
    struct connection *connections;
    uint64_t last_id;
    char path[PATH_SIZE];
};

static struct connection *
find_connection(const struct node *node, uint64_t id)
{
    struct connection *connection = node->control->connections;

    while (connection != NULL && connection->id != id)
        connection = connection->next;
    return connection;
}

/* A manager that does not read what it is sent is cut off; it will come back. */
static void
send_text(struct connection *connection, uint32_t number, const char *text, int fd)
{
    size_t length = strlen(text);
    struct onvm_control_message message = {ONVM_CONTROL_MAGIC, number, (uint32_t)length};
    int fds[] = {onvm_text_create(text, length), fd};

    if (fds[0] < 0 || !onvm_channel_send(connection->watch.fd, &message, sizeof(message), fds,
                                         fd >= 0 ? 2 : 1))
        shutdown(connection->watch.fd, SHUT_RDWR);
    if (fds[0] >= 0)
        close(fds[0]);
}

static void
send_json(struct connection *connection, uint32_t number, json_t *json, int fd)
{
    char *text = json_dumps(json, JSON_COMPACT);

    if (text != NULL)
        send_text(connection, number, text, fd);
    else
        shutdown(connection->watch.fd, SHUT_RDWR);
    free(text);
}

void
control_answer(struct node *node, struct asker asker, json_t *answer, int fd)
{
    struct connection *connection = find_connection(node, asker.connection);

    json_object_set_new(answer, "ok", json_true());
    if (connection != NULL)
        send_json(connection, asker.number, answer, fd);
    json_decref(answer);
}

void
control_refuse(struct node *node, struct asker asker, const char *error)
{
    struct connection *connection = find_connection(node, asker.connection);
    json_t *answer = json_pack("{s:b, s:s}", "ok", 0, "error", error);

    if (answer == NULL) /* the sentence quotes something that is not UTF-8 */
        answer = json_pack("{s:b, s:s}", "ok", 0, "error", "a name in the request is not UTF-8");
    if (connection != NULL)
        send_json(connection, asker.number, answer, -1);
    json_decref(answer);
}

static void
announce(struct node *node, json_t *event)
{
    for (struct connection *c = node->control->connections; c != NULL; c = c->next)
        if (c->events)
            send_json(c, 0, event, -1);
    json_decref(event);
}

void
control_announce_nf(const struct nf *nf, const char *state, const char *reason)
{
    json_t *event = json_pack("{s:s, s:s, s:s, s:i}", "event", "nf", "name", nf->name, "state",
                              state, "pid", (int)nf->pid);

    if (reason != NULL)
        json_object_set_new(event, "reason", json_string(reason));
    announce(nf->node, event);
}

void
control_announce_chain(struct node *node, uint16_t id, const char *state)
{
    announce(node, json_pack("{s:s, s:i, s:s}", "event", "chain", "id", (int)id, "state", state));
}

void
control_announce_port(struct node *node, const char *name, bool up)
{
    announce(node, json_pack("{s:s, s:s, s:b}", "event", "port", "name", name, "up", (int)up));
}

void
control_announce_link(struct node *node, const char *name, bool up)
{
    announce(node, json_pack("{s:s, s:s, s:b}", "event", "link", "name", name, "up", (int)up));
}

static void
drop_connection(struct connection *gone)
{
    struct connection **place = &gone->node->control->connections;

    while (*place != gone)
        place = &(*place)->next;
    *place = gone->next;
    loop_remove(&gone->node->loop, &gone->watch);
    free(gone);
}

/* The request's text as JSON; NULL with a sentence for the asker. */
static json_t *
read_request(const struct onvm_control_message *message, const struct onvm_fds *fds,
             struct failure *failure)
{
    json_error_t error;
    json_t *request;
    char *text = fds->count == 1 ? onvm_text_read(fds->fd[0], message->length, REQUEST_MAX) : NULL;

    if (text == NULL) {
        fail(failure, "the request's text cannot be read");
        return NULL;
    }
    request = json_loadb(text, message->length, JSON_REJECT_DUPLICATES, &error);
    free(text);
    if (request == NULL)
        fail(failure, "the request is not JSON: %s", error.text);
    return request;
}

static void
serve(struct connection *connection, const struct onvm_control_message *message,
      const struct onvm_fds *fds)
{
    struct asker asker = {connection->id, message->number};
    struct failure failure;
    json_t *request = read_request(message, fds, &failure);

    if (request == NULL)
        control_refuse(connection->node, asker, failure.text);
    else
        operations_serve(connection->node, request, asker, &connection->events);
    json_decref(request);
}

static void
connection_ready(struct watch *watch)
{
    struct connection *connection = watch_owner(watch, struct connection, watch);
    struct onvm_control_message message;
    struct onvm_fds fds;
    ssize_t length =
        onvm_channel_receive(watch->fd, &message, sizeof(message), &fds, MSG_DONTWAIT);

    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length == (ssize_t)sizeof(message) && message.magic == ONVM_CONTROL_MAGIC)
        serve(connection, &message, &fds);
    else
        drop_connection(connection);
    onvm_fds_close(&fds);
}

static void
listener_ready(struct watch *watch)
{
    struct control *control = watch_owner(watch, struct control, listener);
    struct connection *connection = calloc(1, sizeof(*connection));
    struct failure failure;
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0 || connection == NULL) {
        free(connection);
        return;
    }
    connection->node = control->node;
    connection->watch = (struct watch){.fd = fd, .ready = connection_ready};
    connection->id = ++control->last_id;
    if (!loop_add(&control->node->loop, &connection->watch, &failure)) {
        RTE_LOG(ERR, USER1, "%s\n", failure.text);
        close(fd);
        free(connection);
        return;
    }
    connection->next = control->connections;
    control->connections = connection;
}

static bool
make_directories(const char *run_dir, struct failure *failure)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/nf", run_dir);
    if ((mkdir(run_dir, 0755) != 0 && errno != EEXIST) ||
        (mkdir(path, 0711) != 0 && errno != EEXIST))
        return fail(failure, "cannot make %s: %s", path, strerror(errno));
    return true;
}

bool
control_open(struct node *node, struct failure *failure)
{
    struct control *control = calloc(1, sizeof(*control));

    if (control == NULL)
        return fail(failure, "out of memory for the control channel");
    node->control = control;
    control->node = node;
    control->listener = (struct watch){.fd = -1, .ready = listener_ready};
    if (!make_directories(node->options.run_dir, failure))
        return false;
    snprintf(control->path, sizeof(control->path), "%s/%s", node->options.run_dir,
             ONVM_CONTROL_SOCKET);
    if (listener_answers(control->path))
        return fail(failure, "another data plane runs at %s; stop it, or use another --run-dir",
                    control->path);
    control->listener.fd = listener_open(control->path, geteuid(), getegid(), failure);
    return control->listener.fd >= 0 && loop_add(&node->loop, &control->listener, failure);
}

void
control_close(struct node *node)
{
    struct control *control = node->control;

    if (control == NULL)
        return;
    while (control->connections != NULL)
        drop_connection(control->connections);
    if (control->listener.fd >= 0)
        unlink(control->path);
    loop_remove(&node->loop, &control->listener);
    free(control);
    node->control = NULL;
}
