/* SPDX-License-Identifier: BSD-3-Clause */
/* What every NF program does once it knows its modules. */
#ifndef ONVM_NF_PROGRAM_H
#define ONVM_NF_PROGRAM_H

#include "group.h"

/* Runs the members until they are told to stop, by the data plane or by a signal. */
enum exit_code program_run(struct group *group);

#endif
