/* SPDX-License-Identifier: BSD-3-Clause */
#include "eal.h"

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#define HUGE_PAGE (2ull << 20)
#define FREE_PAGES "/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages"

/* Beside the packet region: mbuf headers, devices' queues, tables. */
#define OWN_MEMORY (96ull << 20)
#define OWN_BYTES_PER_BUFFER 256
#define MAX_ARGUMENTS (24 + 2 * OPTIONS_MAX_PCI)

static uint64_t
own_memory(const struct options *options)
{
    return OWN_MEMORY + (uint64_t)options->buffers * OWN_BYTES_PER_BUFFER;
}

static unsigned
pages_needed(const struct options *options)
{
    uint64_t region = (uint64_t)options->buffers * options->buffer_size;

    return (unsigned)((region + HUGE_PAGE - 1) / HUGE_PAGE +
                      (own_memory(options) + HUGE_PAGE - 1) / HUGE_PAGE);
}

static unsigned
pages_free(void)
{
    unsigned pages = 0;
    FILE *file = fopen(FREE_PAGES, "re");

    if (file == NULL)
        return 0;
    if (fscanf(file, "%u", &pages) != 1)
        pages = 0;
    fclose(file);
    return pages;
}

static bool
choose_pages(const struct options *options, bool *hugepages, struct failure *failure)
{
    unsigned needed = pages_needed(options), available = pages_free();

    *hugepages = options->hugepages != HUGEPAGES_OFF && available >= needed;
    if (options->hugepages == HUGEPAGES_REQUIRED && !*hugepages)
        return fail(failure,
                    "%u huge pages of 2 MB are needed and %u are free: reserve more "
                    "(echo N > /proc/sys/vm/nr_hugepages), configure fewer buffers, or allow "
                    "ordinary pages (--hugepages auto)",
                    needed, available);
    if (!*hugepages && options->pci_count > 0)
        return fail(failure,
                    "PCI ports need huge pages: %u of 2 MB are needed and %u are free", needed,
                    available);
    if (!*hugepages && options->hugepages == HUGEPAGES_AUTO)
        fprintf(stderr,
                "onvm-dataplane: %u huge pages of 2 MB are needed and %u are free: running on "
                "ordinary pages, which is slower\n",
                needed, available);
    return true;
}

struct arguments {
    int count;
    char *word[MAX_ARGUMENTS];
    char lcores[64];
    char memory[16];
};

static void
add(struct arguments *arguments, const char *word)
{
    arguments->word[arguments->count++] = (char *)(uintptr_t)word;
}

static void
add_memory(struct arguments *arguments, const struct options *options, bool hugepages)
{
    if (hugepages) {
        add(arguments, "--in-memory");
        return;
    }
    snprintf(arguments->memory, sizeof(arguments->memory), "%u",
             (unsigned)(own_memory(options) >> 20));
    add(arguments, "--no-shconf"); /* --in-memory does not go with --no-huge */
    add(arguments, "--no-huge");
    add(arguments, "-m");
    add(arguments, arguments->memory);
}

static void
add_devices(struct arguments *arguments, const struct options *options)
{
    if (options->pci_count == 0) {
        add(arguments, "--no-pci");
        add(arguments, "--iova-mode=va");
    }
    for (unsigned i = 0; i < options->pci_count; i++) {
        add(arguments, "-a");
        add(arguments, options->pci[i]);
    }
}

static bool
check_core(const struct options *options, cpu_set_t *allowed, struct failure *failure)
{
    CPU_ZERO(allowed);
    sched_getaffinity(0, sizeof(*allowed), allowed);
    if (options->core < CPU_SETSIZE && CPU_ISSET(options->core, allowed))
        return true;
    return fail(failure,
                "CPU %u is not among those that this process may use; choose another --core",
                options->core);
}

/* lcore 0 is the control thread, EAL_WORKER the worker; both ids are ours, not CPU numbers. */
static void
build_arguments(struct arguments *arguments, const struct options *options, bool hugepages)
{
    *arguments = (struct arguments){0};
    snprintf(arguments->lcores, sizeof(arguments->lcores), "--lcores=0@%u,%d@%u", options->core,
             EAL_WORKER, options->core);
    add(arguments, "onvm-dataplane");
    add(arguments, "--no-telemetry");
    add(arguments, "--log-level=lib.*:error");
    add(arguments, arguments->lcores);
    add_memory(arguments, options, hugepages);
    add_devices(arguments, options);
}

bool
eal_start(const struct options *options, bool *hugepages, struct failure *failure)
{
    struct arguments arguments;
    cpu_set_t allowed;

    if (!check_core(options, &allowed, failure) || !choose_pages(options, hugepages, failure))
        return false;
    build_arguments(&arguments, options, *hugepages);
    if (rte_eal_init(arguments.count, arguments.word) < 0)
        return fail(failure, "DPDK does not start: %s; its own messages are above",
                    rte_strerror(rte_errno));
    sched_setaffinity(0, sizeof(allowed), &allowed); /* the EAL pinned this thread to the core */
    return true;
}
