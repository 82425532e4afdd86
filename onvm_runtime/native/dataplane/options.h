/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemon's command line; everything else comes over the control channel. */
#ifndef ONVM_DATAPLANE_OPTIONS_H
#define ONVM_DATAPLANE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "../protocol/abi.h"
#include "failure.h"

#define OPTIONS_MAX_PCI 32

enum hugepages {
    HUGEPAGES_AUTO,
    HUGEPAGES_REQUIRED,
    HUGEPAGES_OFF,
};

struct options {
    const char *run_dir;
    const char *topology; /* a tree like /sys */
    unsigned workers;
    unsigned core[ONVM_MAX_WORKERS]; /* CPU of each worker */
    uint32_t buffers;
    uint32_t buffer_size;
    uint32_t flows;
    enum hugepages hugepages;
    bool poll;
    unsigned pci_count;
    const char *pci[OPTIONS_MAX_PCI];
};

/* What main does after reading the command line. */
enum options_result {
    OPTIONS_RUN,
    OPTIONS_DONE,  /* --help or --version was answered */
    OPTIONS_WRONG, /* failure says what */
};

enum options_result options_parse(struct options *options, int argc, char **argv,
                                  struct failure *failure);

#endif
