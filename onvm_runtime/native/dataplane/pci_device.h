/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel says of a PCI device. */
#ifndef ONVM_DATAPLANE_PCI_DEVICE_H
#define ONVM_DATAPLANE_PCI_DEVICE_H

#include <stdbool.h>

/*
 * Whether each queue of the device can have an interrupt of its own: it has MSI-X (PCI
 * Local Bus Specification 3.0, 6.8.2), and vfio-pci, which hands them on.
 */
bool pci_has_queue_interrupts(const char *address);

#endif
