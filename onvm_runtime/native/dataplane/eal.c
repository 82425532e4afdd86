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
    uint64_t slice = (uint64_t)(options->buffers / options->workers) * options->buffer_size;

    return (unsigned)((slice + HUGE_PAGE - 1) / HUGE_PAGE * options->workers +
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
    char lcores[16 + 16 * ONVM_MAX_WORKERS];
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
check_cores(const struct options *options, cpu_set_t *allowed, struct failure *failure)
{
    CPU_ZERO(allowed);
    sched_getaffinity(0, sizeof(*allowed), allowed);
    for (unsigned i = 0; i < options->workers; i++)
        if (options->core[i] >= CPU_SETSIZE || !CPU_ISSET(options->core[i], allowed))
            return fail(failure,
                        "CPU %u is not among those that this process may use; choose other --cores",
                        options->core[i]);
    return true;
}

/* lcore 0 is the control thread, the workers follow; these ids are ours, not CPU numbers. */
static void
add_lcores(struct arguments *arguments, const struct options *options)
{
    char *text = arguments->lcores;
    size_t size = sizeof(arguments->lcores);
    int length = snprintf(text, size, "--lcores=0@%u", options->core[0]);

    for (unsigned i = 0; i < options->workers; i++)
        length += snprintf(text + length, size - (size_t)length, ",%u@%u", EAL_WORKER + i,
                           options->core[i]);
    add(arguments, text);
}

static void
build_arguments(struct arguments *arguments, const struct options *options, bool hugepages)
{
    *arguments = (struct arguments){0};
    add(arguments, "onvm-dataplane");
    add(arguments, "--no-telemetry");
    add(arguments, "--log-level=lib.*:error");
    add_lcores(arguments, options);
    add_memory(arguments, options, hugepages);
    add_devices(arguments, options);
}

bool
eal_start(const struct options *options, bool *hugepages, struct failure *failure)
{
    struct arguments arguments;
    cpu_set_t allowed;

    if (!check_cores(options, &allowed, failure) || !choose_pages(options, hugepages, failure))
        return false;
    build_arguments(&arguments, options, *hugepages);
    if (rte_eal_init(arguments.count, arguments.word) < 0)
        return fail(failure, "DPDK does not start: %s; its own messages are above",
                    rte_strerror(rte_errno));
    sched_setaffinity(0, sizeof(allowed), &allowed); /* the EAL pinned this thread to a core */
    return true;
}
