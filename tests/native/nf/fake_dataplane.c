/* SPDX-License-Identifier: BSD-3-Clause */
#include "fake_dataplane.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../check.h"
#include "protocol/channel.h"
#include "protocol/text.h"

static struct fake_memory
make_memory(size_t size)
{
    struct fake_memory memory = {.size = size};

    memory.fd = memfd_create("fake", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    REQUIRE(memory.fd >= 0 && ftruncate(memory.fd, (off_t)size) == 0, "memfd of %zu bytes", size);
    fcntl(memory.fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW);
    memory.base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.fd, 0);
    REQUIRE(memory.base != MAP_FAILED, "mmap of %zu bytes", size);
    return memory;
}

static void
drop_memory(struct fake_memory *memory)
{
    munmap(memory->base, memory->size);
    close(memory->fd);
}

static void
listen_at(struct fake_dataplane *fake)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    strcpy(fake->directory, "/tmp/onvm-fake-XXXXXX");
    REQUIRE(mkdtemp(fake->directory), "mkdtemp");
    snprintf(fake->path, sizeof(fake->path), "%s/%s", fake->directory, ONVM_SESSION_SOCKET);
    strcpy(address.sun_path, fake->path);
    fake->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    REQUIRE(bind(fake->listener, (struct sockaddr *)&address, sizeof(address)) == 0, "bind");
    REQUIRE(listen(fake->listener, 1) == 0, "listen");
}

static void
make_shared(struct fake_dataplane *fake)
{
    for (uint32_t worker = 0; worker < fake->workers; worker++)
        fake->slice[worker] = make_memory((size_t)FAKE_BUFFERS * FAKE_STRIDE);
    fake->routes = make_memory(sizeof(struct onvm_routes));
    fake->counters = make_memory(sizeof(struct onvm_nf_counters));
    fake->latency = make_memory(sizeof(struct onvm_nf_latency));
    fake->nf_doorbell = make_memory(sizeof(struct onvm_doorbell));
    fake->worker_doorbell = make_memory(sizeof(struct onvm_doorbell));
    fake->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
}

static void
drop_shared(struct fake_dataplane *fake)
{
    drop_memory(&fake->routes);
    drop_memory(&fake->counters);
    drop_memory(&fake->latency);
    if (fake->shares)
        return;
    for (uint32_t worker = 0; worker < fake->workers; worker++)
        drop_memory(&fake->slice[worker]);
    drop_memory(&fake->nf_doorbell);
    drop_memory(&fake->worker_doorbell);
    close(fake->eventfd);
}

void
fake_start(struct fake_dataplane *fake, uint32_t workers)
{
    *fake = (struct fake_dataplane){.workers = workers};
    fake->session = -1;
    listen_at(fake);
    make_shared(fake);
}

void
fake_start_beside(struct fake_dataplane *fake, const struct fake_dataplane *other)
{
    *fake = (struct fake_dataplane){.session = -1, .shares = true, .workers = other->workers};
    listen_at(fake);
    memcpy(fake->slice, other->slice, sizeof(fake->slice));
    fake->nf_doorbell = other->nf_doorbell;
    fake->worker_doorbell = other->worker_doorbell;
    fake->eventfd = other->eventfd;
    fake->routes = make_memory(sizeof(struct onvm_routes));
    fake->counters = make_memory(sizeof(struct onvm_nf_counters));
    fake->latency = make_memory(sizeof(struct onvm_nf_latency));
}

void
fake_run_fused(struct fake_dataplane *fakes, unsigned count, const char *program,
               const char *module)
{
    char sockets[1024] = "";

    fakes[0].nf = fork();
    REQUIRE(fakes[0].nf >= 0, "fork");
    if (fakes[0].nf > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (unsigned i = 0; i < count; i++) {
        size_t used = strlen(sockets);
        snprintf(sockets + used, sizeof(sockets) - used, "%s=%s ", module, fakes[i].path);
    }
    setenv("ONVM_SOCKETS", sockets, 1);
    execl(program, program, (char *)NULL);
    _exit(127);
}

void
fake_run_nf(struct fake_dataplane *fake, const char *program)
{
    fake->nf = fork();
    REQUIRE(fake->nf >= 0, "fork");
    if (fake->nf > 0)
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    setenv("ONVM_SOCKET", fake->path, 1);
    execl(program, program, (char *)NULL);
    _exit(127);
}

void
fake_accept(struct fake_dataplane *fake)
{
    struct timeval patience = {.tv_sec = 5};
    struct onvm_hello hello;

    setsockopt(fake->listener, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    fake->session = accept4(fake->listener, NULL, NULL, SOCK_CLOEXEC);
    REQUIRE(fake->session >= 0, "no NF connected within five seconds");
    setsockopt(fake->session, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    REQUIRE(recv(fake->session, &hello, sizeof(hello), 0) == sizeof(hello), "no whole HELLO");
    REQUIRE(hello.header.type == ONVM_HELLO && hello.magic == ONVM_SESSION_MAGIC, "no HELLO");
    REQUIRE(hello.abi == ONVM_ABI_VERSION, "HELLO with protocol version %u", hello.abi);
}

static void
send_with(struct fake_dataplane *fake, const void *text, size_t length, const int *fds,
          unsigned count)
{
    struct onvm_doorbell *doorbell = fake->nf_doorbell.base;

    REQUIRE(onvm_channel_send(fake->session, text, length, fds, count), "sending a message");
    __atomic_store_n(&doorbell->mail, 1, __ATOMIC_SEQ_CST);
    onvm_doorbell_ring(doorbell, -1);
}

void
fake_send(struct fake_dataplane *fake, const void *message, size_t length)
{
    send_with(fake, message, length, NULL, 0);
}

void
fake_welcome(struct fake_dataplane *fake)
{
    const int fds[] = {fake->nf_doorbell.fd, fake->routes.fd,   fake->counters.fd,
                       fake->latency.fd,     fake->slice[0].fd, fake->slice[1].fd};
    struct onvm_welcome welcome = {
        .header = {.type = ONVM_WELCOME},
        .abi = ONVM_ABI_VERSION,
        .nf = 1,
        .workers = fake->workers,
        .slice_shift = fake->workers == 1 ? 24 : FAKE_SLICE_SHIFT,
        .slice_buffers = FAKE_BUFFERS,
        .stride = FAKE_STRIDE,
        .spin = 64,
        .yield = 32,
        .name = "test-1",
    };

    send_with(fake, &welcome, sizeof(welcome), fds, 4 + fake->workers);
}

void
fake_refuse(struct fake_dataplane *fake, uint32_t abi, const char *reason)
{
    struct onvm_refused refused = {.header = {.type = ONVM_REFUSED}, .abi = abi};

    snprintf(refused.reason, sizeof(refused.reason), "%s", reason);
    fake_send(fake, &refused, sizeof(refused));
}

uint32_t
fake_ask(struct fake_dataplane *fake, uint32_t type, const char *text, char **reply)
{
    struct onvm_text message = {
        .header = {.type = type, .request = ++fake->requests},
        .length = (uint32_t)strlen(text),
    };
    struct onvm_answer answer;
    struct onvm_fds fds;
    int fd = onvm_text_create(text, message.length);

    REQUIRE(fd >= 0, "making a text");
    send_with(fake, &message, sizeof(message), &fd, 1);
    close(fd);
    REQUIRE(onvm_channel_receive(fake->session, &answer, sizeof(answer), &fds, 0) == sizeof(answer),
            "no answer");
    REQUIRE(answer.header.request == fake->requests, "an answer to another request");
    *reply = fds.count > 0 ? onvm_text_read(fds.fd[0], answer.length, ONVM_TEXT_MAX) : NULL;
    REQUIRE(*reply || fds.count == 0, "a text of %u bytes", answer.length);
    onvm_fds_close(&fds);
    return answer.status;
}

/* Sends an edge message and waits until the NF has acknowledged it. */
static void
exchange_edge(struct fake_dataplane *fake, struct onvm_edge_message *message, const int *fds,
              unsigned count)
{
    struct onvm_edge_message answer;

    message->header.request = ++fake->requests;
    send_with(fake, message, sizeof(*message), fds, count);
    REQUIRE(recv(fake->session, &answer, sizeof(answer), 0) == sizeof(answer), "no whole EDGE_ACK");
    REQUIRE(answer.header.type == ONVM_EDGE_ACK && answer.header.request == fake->requests,
          "no EDGE_ACK");
}

void
fake_open_other_end(struct fake_dataplane *fake, struct fake_edge *edge, uint32_t role,
                    uint32_t slot)
{
    struct onvm_edge_message message = {.header = {.type = ONVM_EDGE_OPEN}, .role = role,
                                        .slot = slot};
    const int fds[] = {edge->memory.fd, fake->worker_doorbell.fd, fake->eventfd};

    exchange_edge(fake, &message, fds, role + 1);
}

void
fake_open_edge(struct fake_dataplane *fake, struct fake_edge *edge, uint32_t role, uint32_t slot,
               uint32_t slots)
{
    struct onvm_edge *ring;

    edge->memory = make_memory(onvm_edge_size(slots));
    ring = edge->memory.base;
    ring->magic = ring->slots = 12345; /* as the other end may have spoilt them */
    onvm_producer_open(&edge->producer, ring, slots);
    onvm_consumer_open(&edge->consumer, ring, slots);
    fake_open_other_end(fake, edge, role, slot);
}

void
fake_close_end(struct fake_dataplane *fake, uint32_t role, uint32_t slot)
{
    struct onvm_edge_message message = {.header = {.type = ONVM_EDGE_CLOSE}, .role = role,
                                        .slot = slot};

    exchange_edge(fake, &message, NULL, 0);
}

void
fake_close_edge(struct fake_dataplane *fake, struct fake_edge *edge, uint32_t role, uint32_t slot)
{
    fake_close_end(fake, role, slot);
    drop_memory(&edge->memory);
}

void
fake_hang_up(struct fake_dataplane *fake)
{
    close(fake->session);
    fake->session = -1;
}

static void
nap(void)
{
    struct timespec moment = {.tv_nsec = 1000000};

    nanosleep(&moment, NULL);
}

int
fake_wait_nf(struct fake_dataplane *fake)
{
    int status = 0;

    for (int i = 0; i < 5000; i++, nap()) {
        if (waitpid(fake->nf, &status, WNOHANG) != fake->nf)
            continue;
        fake->nf = 0;
        return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    REQUIRE(false, "the NF did not end within five seconds");
    return -1;
}

void
fake_stop(struct fake_dataplane *fake)
{
    if (fake->nf > 0) {
        kill(fake->nf, SIGKILL);
        fake_wait_nf(fake);
    }
    if (fake->session >= 0)
        close(fake->session);
    close(fake->listener);
    drop_shared(fake);
    unlink(fake->path);
    rmdir(fake->directory);
}

void
fake_post(struct fake_dataplane *fake, struct fake_edge *edge,
          const struct onvm_descriptor *descriptors, uint32_t count)
{
    REQUIRE(onvm_producer_room(&edge->producer, count) == count, "the input edge is full");
    for (uint32_t i = 0; i < count; i++)
        onvm_producer_put(&edge->producer, &descriptors[i]);
    onvm_producer_publish(&edge->producer);
    onvm_doorbell_ring(fake->nf_doorbell.base, -1);
}

uint32_t
fake_take(struct fake_edge *edge, struct onvm_descriptor *descriptors, uint32_t count)
{
    uint32_t ready = 0;

    for (int i = 0; i < 5000; i++, nap()) {
        ready = onvm_consumer_ready(&edge->consumer, count);
        if (ready == count)
            break;
    }
    for (uint32_t i = 0; i < ready; i++)
        onvm_consumer_peek(&edge->consumer, i, &descriptors[i]);
    onvm_consumer_release(&edge->consumer, ready);
    return ready;
}
