/* SPDX-License-Identifier: BSD-3-Clause */
/* How an NF program ends; docs/nf.md shows this table to users. */
#ifndef ONVM_NF_EXIT_CODE_H
#define ONVM_NF_EXIT_CODE_H

enum exit_code {
    EXIT_CODE_STOPPED = 0,  /* told to stop, by the data plane or by a signal */
    EXIT_CODE_USAGE = 64,   /* ONVM_SOCKET(S) is not set or wrong, or there were arguments */
    EXIT_CODE_SETUP = 71,   /* the module could not be set up */
    EXIT_CODE_REFUSED = 76, /* the data plane refused it: protocol version, or a second NF */
};

#endif
