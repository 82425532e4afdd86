/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Reading a module's parameters and queries: a table says which keys there are and where
 * their values go.  Every failure is a sentence that names the key.
 */
#ifndef ONVM_NF_PARAMETERS_H
#define ONVM_NF_PARAMETERS_H

#include "nf.h"

enum onvm_parameter_kind {
    ONVM_BOOLEAN = 1,
    ONVM_NUMBER, /* a whole number, least to most */
    ONVM_TEXT,
    ONVM_LIST,
    ONVM_ANYTHING, /* of several forms: the module looks itself */
};

/* One key.  Where it is missing, the value keeps what it held before. */
struct onvm_parameter {
    const char *key;
    enum onvm_parameter_kind kind;
    union {
        bool *boolean;
        uint64_t *number;
        const char **text; /* lives as long as the JSON value */
        json_t **value;    /* borrowed */
    };
    uint64_t least, most;
};

/*
 * Reads an object by a table that ends with a key of NULL.  `where` names the
 * object in sentences: "rules[3]", or "" for the parameters themselves.
 */
bool onvm_read_object(json_t *object, const char *where, const struct onvm_parameter *table,
                      struct onvm_failure *failure);

/* Reads "parameters" of a configuration. */
bool onvm_read_parameters(json_t *configuration, const struct onvm_parameter *table,
                          struct onvm_failure *failure);

/* The id of a port of this node, for OUT verdicts. */
bool onvm_read_port(json_t *configuration, const char *name, uint8_t *id,
                    struct onvm_failure *failure);

/* The index of a branch of this NF's service, for TO verdicts. */
bool onvm_read_branch(json_t *configuration, const char *name, uint8_t *index,
                      struct onvm_failure *failure);

/* Whether a request is the query of this name. */
bool onvm_is_query(const json_t *request, const char *name);

#endif
