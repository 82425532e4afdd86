/* SPDX-License-Identifier: BSD-3-Clause */
#include "topology.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PATH_SIZE 512

/* The number behind "node" in a name; TOPOLOGY_UNKNOWN: it has none. */
static int
node_number(const char *name)
{
    char *end;
    long number;

    if (strncmp(name, "node", 4) != 0)
        return TOPOLOGY_UNKNOWN;
    number = strtol(name + 4, &end, 10);
    return end != name + 4 && *end == '\0' ? (int)number : TOPOLOGY_UNKNOWN;
}

/* How many nodes a folder names, and the last of them. */
static unsigned
list_nodes(const char *path, int *last)
{
    DIR *directory = opendir(path);
    unsigned count = 0;

    *last = TOPOLOGY_UNKNOWN;
    if (directory == NULL)
        return 0;
    for (const struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        int node = node_number(entry->d_name);
        if (node == TOPOLOGY_UNKNOWN)
            continue;
        *last = node;
        count++;
    }
    closedir(directory);
    return count;
}

unsigned
topology_sockets(const char *root)
{
    char path[PATH_SIZE];
    unsigned count;
    int last;

    snprintf(path, sizeof(path), "%s/devices/system/node", root);
    count = list_nodes(path, &last);
    return count > 0 ? count : 1;
}

int
topology_of_cpu(const char *root, unsigned cpu)
{
    char path[PATH_SIZE];
    int node;

    snprintf(path, sizeof(path), "%s/devices/system/cpu/cpu%u", root, cpu);
    list_nodes(path, &node);
    return node;
}

/* The number in a file; TOPOLOGY_UNKNOWN where there is none, or a negative one. */
static int
read_node(const char *path)
{
    FILE *file = fopen(path, "re");
    int node = TOPOLOGY_UNKNOWN;

    if (file == NULL)
        return TOPOLOGY_UNKNOWN;
    if (fscanf(file, "%d", &node) != 1 || node < 0)
        node = TOPOLOGY_UNKNOWN;
    fclose(file);
    return node;
}

int
topology_of_pci(const char *root, const char *address)
{
    const char *domain = strlen(address) < strlen("0000:00:00.0") ? "0000:" : "";
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/bus/pci/devices/%s%s/numa_node", root, domain, address);
    return read_node(path);
}

int
topology_of_interface(const char *root, const char *name)
{
    char path[PATH_SIZE];

    snprintf(path, sizeof(path), "%s/class/net/%s/device/numa_node", root, name);
    return read_node(path);
}
