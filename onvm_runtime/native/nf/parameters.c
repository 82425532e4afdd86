/* SPDX-License-Identifier: BSD-3-Clause */
#include "parameters.h"

#include <inttypes.h>
#include <string.h>

static const struct onvm_parameter *
find(const struct onvm_parameter *table, const char *key)
{
    for (; table->key; table++)
        if (strcmp(table->key, key) == 0)
            return table;
    return NULL;
}

static bool
refuse(const char *where, const char *key, const char *wanted, struct onvm_failure *failure)
{
    return onvm_fail(failure, "%s%s%s must be %s", where, *where ? "." : "", key, wanted);
}

static bool
read_number(const struct onvm_parameter *parameter, const json_t *value, const char *where,
            struct onvm_failure *failure)
{
    json_int_t number = json_integer_value(value);
    char wanted[80];

    if (json_is_integer(value) && number >= 0 && (uint64_t)number >= parameter->least &&
        (uint64_t)number <= parameter->most) {
        *parameter->number = (uint64_t)number;
        return true;
    }
    snprintf(wanted, sizeof(wanted), "a whole number from %" PRIu64 " to %" PRIu64,
             parameter->least, parameter->most);
    return refuse(where, parameter->key, wanted, failure);
}

static bool
read_value(const struct onvm_parameter *parameter, json_t *value, const char *where,
           struct onvm_failure *failure)
{
    switch (parameter->kind) {
    case ONVM_BOOLEAN:
        if (!json_is_boolean(value))
            return refuse(where, parameter->key, "true or false", failure);
        *parameter->boolean = json_is_true(value);
        return true;
    case ONVM_NUMBER:
        return read_number(parameter, value, where, failure);
    case ONVM_TEXT:
        if (!json_is_string(value))
            return refuse(where, parameter->key, "a text", failure);
        *parameter->text = json_string_value(value);
        return true;
    case ONVM_LIST:
        if (!json_is_array(value))
            return refuse(where, parameter->key, "a list", failure);
        *parameter->value = value;
        return true;
    case ONVM_ANYTHING:
        *parameter->value = value;
        return true;
    }
    return false;
}

bool
onvm_read_object(json_t *object, const char *where, const struct onvm_parameter *table,
                 struct onvm_failure *failure)
{
    const char *key;
    json_t *value;

    if (!json_is_object(object))
        return onvm_fail(failure, "%s must be a mapping", *where ? where : "parameters");
    json_object_foreach(object, key, value)
    {
        const struct onvm_parameter *parameter = find(table, key);

        if (!parameter)
            return onvm_fail(failure, "%s%s%s is not a known key", where, *where ? "." : "", key);
        if (!read_value(parameter, value, where, failure))
            return false;
    }
    return true;
}

bool
onvm_read_parameters(json_t *configuration, const struct onvm_parameter *table,
                     struct onvm_failure *failure)
{
    json_t *parameters = json_object_get(configuration, "parameters");

    return !parameters || onvm_read_object(parameters, "", table, failure);
}

static bool
read_index(json_t *configuration, const char *map, const char *name, json_int_t limit,
           uint8_t *index)
{
    const json_t *value = json_object_get(json_object_get(configuration, map), name);
    json_int_t number = json_integer_value(value);

    if (!json_is_integer(value) || number < 0 || number >= limit)
        return false;
    *index = (uint8_t)number;
    return true;
}

bool
onvm_read_port(json_t *configuration, const char *name, uint8_t *id, struct onvm_failure *failure)
{
    return read_index(configuration, "ports", name, ONVM_MAX_PORTS, id) ||
           onvm_fail(failure, "there is no port %s on this node", name);
}

bool
onvm_read_branch(json_t *configuration, const char *name, uint8_t *index,
                 struct onvm_failure *failure)
{
    return read_index(configuration, "branches", name, ONVM_MAX_BRANCHES, index) ||
           onvm_fail(failure, "the service %s is not among those that this one may name in `to`",
                     name);
}

bool
onvm_is_query(const json_t *request, const char *name)
{
    const char *query = json_string_value(json_object_get(request, "query"));

    return query && strcmp(query, name) == 0;
}
