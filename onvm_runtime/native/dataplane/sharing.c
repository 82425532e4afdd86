/* SPDX-License-Identifier: BSD-3-Clause */
#include "sharing.h"

#include <sched.h>

#include "node.h"

static void
cpus_of_workers(const struct node *node, cpu_set_t *cpus)
{
    CPU_ZERO(cpus);
    for (unsigned i = 0; i < node->workers; i++)
        CPU_SET(node->options.core[i], cpus);
}

/* Adds the CPUs of an NF to `shared` if they are all workers': else it has somewhere else to run. */
static void
add_cpus(const struct nf *nf, const cpu_set_t *workers, cpu_set_t *shared)
{
    cpu_set_t cpus, common;

    if (nf->pid == 0 || sched_getaffinity(nf->pid, sizeof(cpus), &cpus) != 0)
        return;
    CPU_AND(&common, &cpus, workers);
    if (CPU_EQUAL(&common, &cpus))
        CPU_OR(shared, shared, &cpus);
}

void
sharing_look(struct node *node)
{
    cpu_set_t workers, shared;

    cpus_of_workers(node, &workers);
    CPU_ZERO(&shared);
    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (node->nf[i] != NULL)
            add_cpus(node->nf[i], &workers, &shared);
    for (unsigned i = 0; i < node->workers; i++)
        __atomic_store_n(&node->worker[i].shares_cpu,
                         CPU_ISSET(node->options.core[i], &shared) != 0, __ATOMIC_RELAXED);
}
