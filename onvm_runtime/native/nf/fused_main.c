/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The program around all modules of nf_images/: it runs those that ONVM_SOCKETS
 * names, in one process.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

/* Every module in this program, closed by NULL; made by the build. */
extern const struct onvm_module *const onvm_modules[];

static int
usage(const char *program)
{
    fprintf(stderr,
            "%s: runs several NFs in one process\n"
            "Set ONVM_SOCKETS to NF=SOCKET for each, separated by spaces, with the sockets that "
            "the data plane made for them; there are no arguments.\nNFs:",
            program);
    for (const struct onvm_module *const *module = onvm_modules; *module; module++)
        fprintf(stderr, " %s", (*module)->name);
    fprintf(stderr, "\n");
    return EXIT_CODE_USAGE;
}

static const struct onvm_module *
find_module(const char *name)
{
    for (const struct onvm_module *const *module = onvm_modules; *module; module++)
        if (strcmp((*module)->name, name) == 0)
            return *module;
    return NULL;
}

/* Adds the NF that "NF=SOCKET" names; the text is cut in two and kept. */
static enum exit_code
add(struct group *group, char *word)
{
    struct onvm_failure failure;
    char *path = strchr(word, '=');
    const struct onvm_module *module;

    if (path)
        *path++ = '\0';
    module = find_module(word);
    if (!path || !module) {
        fprintf(stderr, "'%s': %s\n", word, path ? "this program has no such NF" : "no socket");
        return EXIT_CODE_USAGE;
    }
    if (group_add(group, module, path, &failure))
        return EXIT_CODE_STOPPED;
    fprintf(stderr, "%s: %s\n", word, failure.text);
    return EXIT_CODE_SETUP;
}

int
main(int argc, char **argv)
{
    static struct group group;
    const char *given = getenv("ONVM_SOCKETS");
    char *sockets;

    if (argc > 1 || !given)
        return usage(argv[0]);
    /* A copy: by its environment the process is known to whoever started it. */
    sockets = strdup(given);
    if (!sockets)
        return EXIT_CODE_SETUP;
    for (char *word = strtok(sockets, " "); word; word = strtok(NULL, " ")) {
        enum exit_code code = add(&group, word);
        if (code != EXIT_CODE_STOPPED)
            return code == EXIT_CODE_USAGE ? usage(argv[0]) : (int)code;
    }
    return group.count > 0 ? (int)program_run(&group) : usage(argv[0]);
}
