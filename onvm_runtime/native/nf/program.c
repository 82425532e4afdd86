/* SPDX-License-Identifier: BSD-3-Clause */
#include "program.h"

#include <signal.h>

#include "loop.h"

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

enum exit_code
program_run(struct group *group)
{
    enum exit_code code;

    catch_signals();
    code = loop_run(group, &stop);
    group_end(group);
    return code;
}
