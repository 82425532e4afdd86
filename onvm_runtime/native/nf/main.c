/* SPDX-License-Identifier: BSD-3-Clause */
/* The program around a module: attach, run, attach again, until told to stop. */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "exit_code.h"
#include "loop.h"
#include "nf.h"
#include "session.h"

#define RETRY 20000000 /* nanoseconds between attempts to attach */

static volatile sig_atomic_t stop;

static void
on_signal(int number)
{
    (void)number;
    stop = 1;
}

/* Without SA_RESTART, so that a signal ends every wait. */
static void
catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};

    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static void
pause_before_retry(void)
{
    struct timespec pause = {.tv_sec = 0, .tv_nsec = RETRY};

    nanosleep(&pause, NULL);
}

/* One life of the data plane, if it is there. */
static enum session_end
attach_and_run(struct session *session, const char *path)
{
    enum session_end end = session_attach(session, path);

    if (end != SESSION_RUNNING)
        return end;
    loop_run(session, &stop);
    session_detach(session);
    return session->end;
}

static enum exit_code
serve(struct session *session, const char *path)
{
    while (!stop) {
        enum session_end end = attach_and_run(session, path);

        if (end == SESSION_STOPPED)
            break;
        if (end == SESSION_REFUSED)
            return EXIT_CODE_REFUSED;
        if (!stop)
            pause_before_retry();
    }
    return EXIT_CODE_STOPPED;
}

static void *
set_up(const struct onvm_module *module)
{
    struct onvm_failure failure = {.text = "no memory for the module's state"};
    void *state = calloc(1, module->state_size + 1);

    if (state && (!module->setup || module->setup(state, &failure)))
        return state;
    fprintf(stderr, "%s: %s\n", module->name, failure.text);
    free(state);
    return NULL;
}

static int
usage(const char *program)
{
    fprintf(stderr,
            "%s: %s\n"
            "Set ONVM_SOCKET to the socket that the data plane made for this NF; there are no "
            "arguments.\n",
            program, onvm_module.summary);
    return EXIT_CODE_USAGE;
}

int
main(int argc, char **argv)
{
    static struct session session = {.module = &onvm_module, .socket = -1};
    const char *path = getenv("ONVM_SOCKET");
    enum exit_code code;

    if (argc > 1 || !path)
        return usage(argv[0]);
    catch_signals();
    session.state = set_up(&onvm_module);
    if (!session.state)
        return EXIT_CODE_SETUP;
    code = serve(&session, path);
    if (onvm_module.stop)
        onvm_module.stop(session.state);
    free(session.state);
    return code;
}
