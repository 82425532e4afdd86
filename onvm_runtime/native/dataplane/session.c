/* SPDX-License-Identifier: BSD-3-Clause */
#include "session.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../protocol/channel.h"
#include "../protocol/text.h"
#include "control.h"
#include "listener.h"
#include "memory.h"
#include "plan.h"
#include "question.h"
#include "wiring.h"

/* An NF on a core of its own may spin; one that shares a core must give way at once. */
#define SPIN_DEDICATED 4096
#define SPIN_SHARED 16
#define YIELD_DEDICATED 64
#define YIELD_SHARED 4

#define PATH_SIZE 256
#define REASON_MAX 1024 /* bytes of an NF's own words that are passed on */

/*
 * Tells an NF something.  One that does not read its messages (the socket's buffer
 * holds hundreds) cannot be told to leave an edge either, so its session ends.
 */
static void
tell(struct nf *nf, const void *message, size_t size, const int *fds, unsigned count)
{
    struct onvm_doorbell *doorbell = nf->doorbell.base;

    if (nf->state == NF_EXPECTED) /* nobody is attached, though somebody may be connected */
        return;
    if (!onvm_channel_send(nf->session.fd, message, size, fds, count)) {
        shutdown(nf->session.fd, SHUT_RDWR); /* the event loop ends the session */
        return;
    }
    __atomic_store_n(&doorbell->mail, 1, __ATOMIC_RELEASE);
    onvm_doorbell_ring(doorbell, -1);
}

void
session_open_edge(struct nf *nf, enum onvm_edge_role role, uint16_t slot, const struct link *link)
{
    struct onvm_edge_message message = {{ONVM_EDGE_OPEN, 0}, role, slot};
    int fds[] = {link->edge.fd, link->to->doorbell.fd};

    tell(nf, &message, sizeof(message), fds, role == ONVM_EDGE_OUT ? 2 : 1);
}

void
session_close_edge(struct nf *nf, enum onvm_edge_role role, uint16_t slot)
{
    struct onvm_edge_message message = {{ONVM_EDGE_CLOSE, 0}, role, slot};

    tell(nf, &message, sizeof(message), NULL, 0);
}

void
session_stop(struct nf *nf)
{
    struct onvm_message message = {ONVM_STOP, 0};

    tell(nf, &message, sizeof(message), NULL, 0);
}

static void
tell_text(struct nf *nf, uint32_t type, uint32_t request, const char *text)
{
    size_t length = strlen(text);
    struct onvm_text message = {{type, request}, (uint32_t)length};
    int fd = onvm_text_create(text, length);

    if (fd < 0) {
        if (nf->session.fd >= 0)
            shutdown(nf->session.fd, SHUT_RDWR);
        return;
    }
    tell(nf, &message, sizeof(message), &fd, 1);
    close(fd);
}

bool
session_query(struct nf *nf, uint32_t request, const char *text)
{
    if (nf->state != NF_RUNNING)
        return false;
    tell_text(nf, ONVM_QUERY, request, text);
    return true;
}

static json_t *
port_numbers(const struct node *node)
{
    json_t *ports = json_object();

    for (unsigned i = 0; i < ONVM_MAX_PORTS; i++)
        if (node->port[i] != NULL)
            json_object_set_new(ports, node->port[i]->name, json_integer(i));
    return ports;
}

static json_t *
branch_numbers(const struct service *service)
{
    json_t *branches = json_object();
    json_t *name;
    size_t i;

    json_array_foreach(service->branches, i, name)
        json_object_set_new(branches, json_string_value(name), json_integer((json_int_t)i));
    return branches;
}

void
session_configure(struct nf *nf)
{
    const struct service *service = &nf->node->service[nf->service];
    json_t *configuration = json_pack("{s:O, s:o, s:o, s:s}", "parameters", nf->parameters,
                                      "ports", port_numbers(nf->node), "branches",
                                      branch_numbers(service), "service", service->name);
    char *text = configuration != NULL ? json_dumps(configuration, JSON_COMPACT) : NULL;

    if (text != NULL)
        tell_text(nf, ONVM_CONFIGURE, 0, text);
    free(text);
    json_decref(configuration);
}

static void
refuse(int fd, const char *reason)
{
    struct onvm_refused message = {{ONVM_REFUSED, 0}, ONVM_ABI_VERSION, ""};

    snprintf(message.reason, sizeof(message.reason), "%.200s", reason);
    onvm_channel_send(fd, &message, sizeof(message), NULL, 0);
}

static void
refuse_version(struct nf *nf, uint32_t abi)
{
    char reason[212];

    snprintf(reason, sizeof(reason),
             "the NF speaks ABI version %u, the data plane version %u: rebuild the NF's image", abi,
             ONVM_ABI_VERSION);
    refuse(nf->session.fd, reason);
    control_announce_nf(nf, "refused", reason);
}

static void
welcome(struct nf *nf)
{
    const struct region *region = &nf->node->region;
    struct onvm_welcome message = {
        .header = {ONVM_WELCOME, 0},
        .abi = ONVM_ABI_VERSION,
        .nf = nf->id,
        .workers = nf->node->workers,
        .slice_shift = region->slice_shift,
        .slice_buffers = region->slice_indices,
        .stride = region->layout.stride,
        .spin = nf->dedicated ? SPIN_DEDICATED : SPIN_SHARED,
        .yield = nf->dedicated ? YIELD_DEDICATED : YIELD_SHARED,
    };
    int fds[ONVM_CHANNEL_FDS] = {nf->doorbell.fd, nf->routes.fd, nf->counters.fd, nf->latency.fd};

    for (unsigned i = 0; i < nf->node->workers; i++)
        fds[4 + i] = region->slice[i].fd;
    snprintf(message.name, sizeof(message.name), "%s", nf->name);
    tell(nf, &message, sizeof(message), fds, 4 + nf->node->workers);
}

static void
give_home_edge(struct nf *nf, unsigned number)
{
    struct onvm_edge_message message = {{ONVM_EDGE_OPEN, 0}, ONVM_EDGE_HOME, number};
    const struct worker *worker = &nf->node->worker[number];
    int fds[] = {nf->home[number].fd, worker->doorbell_memory.fd, worker->eventfd};

    tell(nf, &message, sizeof(message), fds, 3);
}

static void
greet(struct nf *nf, const struct onvm_hello *hello)
{
    struct failure failure;

    if (hello->magic != ONVM_SESSION_MAGIC || hello->abi != ONVM_ABI_VERSION) {
        refuse_version(nf, hello->magic == ONVM_SESSION_MAGIC ? hello->abi : 0);
        session_end(nf, NULL);
        return;
    }
    memcpy(nf->module, hello->module, sizeof(nf->module));
    nf->module[sizeof(nf->module) - 1] = '\0';
    if (!memory_open(nf, &failure)) {
        refuse(nf->session.fd, failure.text);
        control_announce_nf(nf, "refused", failure.text);
        session_end(nf, NULL);
        return;
    }
    nf->state = NF_ATTACHED;
    welcome(nf);
    for (unsigned i = 0; i < nf->node->workers; i++)
        give_home_edge(nf, i);
    session_configure(nf);
    control_announce_nf(nf, "attached", NULL);
}

/* The NF's own words, for the user: printable and short, whatever it sent. */
static void
read_reason(const struct onvm_answer *answer, const struct onvm_fds *fds, char *reason, size_t size)
{
    char *text = fds->count == 1 ? onvm_text_read(fds->fd[0], answer->length, REASON_MAX) : NULL;

    snprintf(reason, size, "%s", text != NULL ? text : "it gave no reason");
    for (char *c = reason; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || *c == 0x7f)
            *c = ' ';
    free(text);
}

static void
configured(struct nf *nf, const struct onvm_answer *answer, const struct onvm_fds *fds)
{
    char reason[REASON_MAX];

    if (answer->status == 0) {
        if (nf->state == NF_RUNNING)
            return;
        nf->state = NF_RUNNING;
        wiring_refresh(nf->node);
        control_announce_nf(nf, "running", NULL);
        return;
    }
    read_reason(answer, fds, reason, sizeof(reason));
    if (nf->state != NF_RUNNING)
        nf->state = NF_FAILED;
    control_announce_nf(nf, "failed", reason);
}

static void
edge_acknowledged(struct nf *nf, const struct onvm_edge_message *message)
{
    if (message->role == ONVM_EDGE_HOME)
        return;
    if (link_acknowledge(nf->node, nf, message->role, message->slot))
        nf->node->wiring_stale = true;
}

/* Handles one message; false: it breaks the protocol. */
static bool
handle(struct nf *nf, const void *message, size_t length, const struct onvm_fds *fds)
{
    const struct onvm_message *header = message;
    bool greeted = nf->state != NF_EXPECTED;

    if (length == sizeof(struct onvm_hello) && header->type == ONVM_HELLO && !greeted)
        greet(nf, message);
    else if (length == sizeof(struct onvm_answer) && header->type == ONVM_CONFIGURED && greeted)
        configured(nf, message, fds);
    else if (length == sizeof(struct onvm_answer) && header->type == ONVM_REPLY && greeted)
        question_answer(nf, message, fds);
    else if (length == sizeof(struct onvm_edge_message) && header->type == ONVM_EDGE_ACK && greeted)
        edge_acknowledged(nf, message);
    else
        return false;
    return true;
}

static void
session_ready(struct watch *watch)
{
    struct nf *nf = watch_owner(watch, struct nf, session);
    union {
        struct onvm_message header;
        struct onvm_hello hello;
        struct onvm_answer answer;
        struct onvm_edge_message edge;
    } message;
    struct onvm_fds fds;
    ssize_t length =
        onvm_channel_receive(nf->session.fd, &message, sizeof(message), &fds, MSG_DONTWAIT);

    if (length < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (length <= 0)
        session_end(nf, length == 0 ? "its socket closed" : "its socket failed");
    else if ((size_t)length < sizeof(message.header) || !handle(nf, &message, (size_t)length, &fds))
        session_end(nf, "it broke the session protocol");
    onvm_fds_close(&fds);
}

static pid_t
peer_pid(int fd)
{
    struct ucred peer = {0};
    socklen_t size = sizeof(peer);

    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
    return peer.pid;
}

static void
listener_ready(struct watch *watch)
{
    struct nf *nf = watch_owner(watch, struct nf, listener);
    struct failure failure;
    int fd = accept4(nf->listener.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    if (nf->session.fd >= 0 || nf->leaving) {
        refuse(fd, nf->leaving ? "this NF is being removed"
                               : "another process is attached as this NF");
        close(fd);
        return;
    }
    nf->session = (struct watch){.fd = fd, .ready = session_ready};
    nf->pid = peer_pid(fd);
    if (!loop_add(&nf->node->loop, &nf->session, &failure)) {
        close(fd);
        nf->session.fd = -1;
    }
}

/* The NF's directory, of which its socket is all. */
static void
directory_path(const struct nf *nf, char *path, size_t size)
{
    snprintf(path, size, "%s/nf/%s", nf->node->options.run_dir, nf->name);
}

static bool
make_directory(const struct nf *nf, uid_t uid, gid_t gid, struct failure *failure)
{
    char path[PATH_SIZE];

    directory_path(nf, path, sizeof(path));
    if ((mkdir(path, 0700) != 0 && errno != EEXIST) || chown(path, uid, gid) != 0)
        return fail(failure, "cannot make %s for NF %s: %s", path, nf->name, strerror(errno));
    return true;
}

void
session_socket_path(const struct nf *nf, char *path, size_t size)
{
    snprintf(path, size, "%s/nf/%s/%s", nf->node->options.run_dir, nf->name, ONVM_SESSION_SOCKET);
}

bool
session_listen(struct nf *nf, uid_t uid, gid_t gid, struct failure *failure)
{
    char path[PATH_SIZE];

    if (!make_directory(nf, uid, gid, failure))
        return false;
    session_socket_path(nf, path, sizeof(path));
    nf->listener = (struct watch){.fd = listener_open(path, uid, gid, failure),
                                  .ready = listener_ready};
    return nf->listener.fd >= 0 && loop_add(&nf->node->loop, &nf->listener, failure);
}

void
session_unlisten(struct nf *nf)
{
    char path[PATH_SIZE];

    loop_remove(&nf->node->loop, &nf->listener);
    session_socket_path(nf, path, sizeof(path));
    unlink(path);
}

void
session_remove_directory(const struct nf *nf)
{
    char path[PATH_SIZE];

    directory_path(nf, path, sizeof(path));
    rmdir(path);
}

void
session_end(struct nf *nf, const char *reason)
{
    if (nf->session.fd < 0)
        return;
    loop_remove(&nf->node->loop, &nf->session);
    if (nf->state != NF_EXPECTED) {
        nf->state = NF_EXPECTED;
        question_forget_nf(nf);
        link_forget_nf(nf->node, nf);
        wiring_refresh(nf->node);
        memory_close(nf);
        control_announce_nf(nf, "detached", reason);
    }
    nf->pid = 0;
}
