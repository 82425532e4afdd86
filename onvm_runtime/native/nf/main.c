/* SPDX-License-Identifier: BSD-3-Clause */
/* The program around one module. */
#include <stdio.h>
#include <stdlib.h>

#include "program.h"

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
    static struct group group;
    struct onvm_failure failure;
    const char *path = getenv("ONVM_SOCKET");

    if (argc > 1 || !path)
        return usage(argv[0]);
    if (group_add(&group, &onvm_module, path, &failure))
        return program_run(&group);
    fprintf(stderr, "%s: %s\n", onvm_module.name, failure.text);
    return EXIT_CODE_SETUP;
}
