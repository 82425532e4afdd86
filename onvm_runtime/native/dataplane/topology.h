/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Which socket (NUMA node) CPUs and devices are on, as a tree like /sys says it
 * (Documentation/ABI/stable/sysfs-devices-node and sysfs-bus-pci in the kernel).
 * Functions of that tree alone: another one can be put in its place.
 */
#ifndef ONVM_DATAPLANE_TOPOLOGY_H
#define ONVM_DATAPLANE_TOPOLOGY_H

#define TOPOLOGY_ROOT "/sys"
#define TOPOLOGY_UNKNOWN (-1)

/* Sockets of the machine; 1 where the tree does not say. */
unsigned topology_sockets(const char *root);

/* A socket, or TOPOLOGY_UNKNOWN: there is no such thing, or it is on none in particular. */
int topology_of_cpu(const char *root, unsigned cpu);
int topology_of_pci(const char *root, const char *address); /* "0000:01:00.0" or "01:00.0" */
int topology_of_interface(const char *root, const char *name);

#endif
