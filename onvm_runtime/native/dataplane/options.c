/* SPDX-License-Identifier: BSD-3-Clause */
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <rte_version.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../protocol/abi.h"
#include "topology.h"
#include "version.h"

#define BUFFERS_MIN 1024 /* of a worker */

static const char usage[] =
    "usage: onvm-dataplane [options]\n"
    "  --run-dir DIR         where control.sock and nf/ are made (/run/onvm)\n"
    "  --cores LIST          CPUs of the workers, one worker each, as in 0,2,3 (0)\n"
    "  --buffers N           packet buffers of all workers, 1024 to 4194304 (16384)\n"
    "  --buffer-size BYTES   from one buffer to the next, a multiple of 64 (2304)\n"
    "  --flows N             entries of each worker's flow table (65536)\n"
    "  --hugepages MODE      auto, required or off (auto)\n"
    "  --idle MODE           sleep: wait for work; poll: keep the core busy (sleep)\n"
    "  --pci ADDRESS         let DPDK use this device; may be repeated\n"
    "  --topology DIR        where to read which socket CPUs and devices are on (/sys)\n"
    "  --version, --help\n";

enum option_code {
    RUN_DIR = 256,
    CORES,
    BUFFERS,
    BUFFER_SIZE,
    FLOWS,
    HUGEPAGES,
    IDLE,
    PCI,
    TOPOLOGY,
    VERSION,
    HELP,
};

static const struct option long_options[] = {
    {"run-dir", required_argument, NULL, RUN_DIR},
    {"cores", required_argument, NULL, CORES},
    {"buffers", required_argument, NULL, BUFFERS},
    {"buffer-size", required_argument, NULL, BUFFER_SIZE},
    {"flows", required_argument, NULL, FLOWS},
    {"hugepages", required_argument, NULL, HUGEPAGES},
    {"idle", required_argument, NULL, IDLE},
    {"pci", required_argument, NULL, PCI},
    {"topology", required_argument, NULL, TOPOLOGY},
    {"version", no_argument, NULL, VERSION},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static bool
read_number(const char *name, const char *text, uint32_t low, uint32_t high, uint32_t *number,
            struct failure *failure)
{
    char *end;
    unsigned long value;

    errno = 0;
    value = strtoul(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || value < low || value > high)
        return fail(failure, "--%s must be a number from %u to %u, not '%s'", name, low, high,
                    text);
    *number = (uint32_t)value;
    return true;
}

/* The place of `text` among `words`; -1 with the failure set. */
static int
read_word(const char *name, const char *text, const char *const *words, struct failure *failure)
{
    for (int i = 0; words[i] != NULL; i++)
        if (strcmp(text, words[i]) == 0)
            return i;
    fail(failure, "--%s does not know '%s'; see --help", name, text);
    return -1;
}

static bool
read_buffer_size(struct options *options, const char *text, struct failure *failure)
{
    if (!read_number("buffer-size", text, 512, 65472, &options->buffer_size, failure))
        return false;
    if (options->buffer_size % 64 != 0)
        return fail(failure, "--buffer-size must be a multiple of 64, not %s", text);
    return true;
}

static bool
add_core(struct options *options, unsigned core, struct failure *failure)
{
    for (unsigned i = 0; i < options->workers; i++)
        if (options->core[i] == core)
            return fail(failure, "--cores names CPU %u twice; a worker needs one of its own", core);
    if (options->workers == ONVM_MAX_WORKERS)
        return fail(failure, "--cores names more than %d CPUs", ONVM_MAX_WORKERS);
    options->core[options->workers++] = core;
    return true;
}

static bool
read_cores(struct options *options, const char *text, struct failure *failure)
{
    const char *place = text;
    char *end;

    options->workers = 0;
    do {
        unsigned long core = strtoul(place, &end, 10);
        if (*place < '0' || *place > '9' || core > 1023 || (*end != ',' && *end != '\0'))
            return fail(failure, "--cores must be numbers of CPUs with commas between, not '%s'",
                        text);
        if (!add_core(options, (unsigned)core, failure))
            return false;
        place = end + 1;
    } while (*end == ',');
    return true;
}

static bool
check_buffers(const struct options *options, struct failure *failure)
{
    if (options->buffers / options->workers >= BUFFERS_MIN)
        return true;
    return fail(failure, "--buffers %u are too few for %u workers: each needs %d or more",
                options->buffers, options->workers, BUFFERS_MIN);
}

static bool
add_pci(struct options *options, const char *address, struct failure *failure)
{
    if (options->pci_count == OPTIONS_MAX_PCI)
        return fail(failure, "more than %d --pci devices", OPTIONS_MAX_PCI);
    options->pci[options->pci_count++] = address;
    return true;
}

static bool
apply(struct options *options, int code, const char *text, struct failure *failure)
{
    static const char *const hugepages[] = {"auto", "required", "off", NULL};
    static const char *const idle[] = {"sleep", "poll", NULL};
    int word;

    switch (code) {
    case RUN_DIR:
        options->run_dir = text;
        return true;
    case CORES:
        return read_cores(options, text, failure);
    case BUFFERS:
        return read_number("buffers", text, BUFFERS_MIN, 4194304, &options->buffers, failure);
    case BUFFER_SIZE:
        return read_buffer_size(options, text, failure);
    case FLOWS:
        return read_number("flows", text, 1024, 1u << 26, &options->flows, failure);
    case HUGEPAGES:
        word = read_word("hugepages", text, hugepages, failure);
        options->hugepages = (enum hugepages)word;
        return word >= 0;
    case IDLE:
        word = read_word("idle", text, idle, failure);
        options->poll = word == 1;
        return word >= 0;
    case TOPOLOGY:
        options->topology = text;
        return true;
    case PCI:
        return add_pci(options, text, failure);
    default:
        return fail(failure, "unknown option or missing value; see --help");
    }
}

static enum options_result
answer(int code)
{
    if (code == HELP)
        fputs(usage, stdout);
    else
        printf("onvm-dataplane %s, ABI %u, %s\n", ONVM_VERSION, ONVM_ABI_VERSION, rte_version());
    return OPTIONS_DONE;
}

enum options_result
options_parse(struct options *options, int argc, char **argv, struct failure *failure)
{
    int code;

    *options = (struct options){
        .run_dir = "/run/onvm", .topology = TOPOLOGY_ROOT, .workers = 1, .buffers = 16384, .buffer_size = 2304, .flows = 65536};
    opterr = 0;
    while ((code = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
        if (code == HELP || code == VERSION)
            return answer(code);
        if (!apply(options, code, optarg, failure))
            return OPTIONS_WRONG;
    }
    if (optind < argc) {
        fail(failure, "unexpected argument '%s'; see --help", argv[optind]);
        return OPTIONS_WRONG;
    }
    return check_buffers(options, failure) ? OPTIONS_RUN : OPTIONS_WRONG;
}
