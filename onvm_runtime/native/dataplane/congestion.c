/* SPDX-License-Identifier: BSD-3-Clause */
#include "congestion.h"

#include <rte_log.h>
#include <stdlib.h>
#include <string.h>

#include "link.h"

static unsigned
count_links(const struct node *node)
{
    unsigned count = 0;

    for (const struct link *link = node->links; link != NULL; link = link->next)
        count++;
    return count;
}

static bool
has_several(const struct node *node, uint16_t service)
{
    unsigned count = 0;

    for (unsigned i = 0; i < ONVM_MAX_NFS; i++)
        if (node->nf[i] != NULL && node->nf[i]->service == service && node->nf[i]->joined)
            count++;
    return count > 1;
}

static void
list_edges(const struct node *node, struct pressure_edges *edges)
{
    for (const struct link *link = node->links; link != NULL; link = link->next)
        if (link_usable(link) && has_several(node, link->to->service))
            edges->edge[edges->count++] = (struct pressure_edge){
                .edge = link->edge.base,
                .slots = link->slots,
                .nf = link->to_id,
                .service = link->to->service,
            };
}

/* Instances whose edges are looked at no more are not congested, whatever they were. */
static void
exchange(struct worker *worker, void *argument)
{
    struct pressure *pressure = &worker->pressure;

    pressure->edges = argument;
    memset(pressure->stuck, 0, sizeof(pressure->stuck));
    memset(pressure->congested, 0, sizeof(pressure->congested));
}

static bool
same(const struct pressure_edges *a, const struct pressure_edges *b)
{
    return a != NULL && a->count == b->count &&
           memcmp(a->edge, b->edge, a->count * sizeof(a->edge[0])) == 0;
}

void
congestion_watch(struct node *node)
{
    struct pressure_edges *edges =
        calloc(1, sizeof(*edges) + count_links(node) * sizeof(edges->edge[0]));

    if (edges == NULL)
        RTE_LOG(ERR, USER1, "out of memory: slow replicas are not noticed\n");
    else
        list_edges(node, edges);
    if (edges != NULL && same(node->watched, edges)) {
        free(edges);
        return;
    }
    node_call(node, exchange, edges);
    free(node->watched);
    node->watched = edges;
}
