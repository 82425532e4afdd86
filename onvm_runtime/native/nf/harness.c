/* SPDX-License-Identifier: BSD-3-Clause */
#include "harness.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

struct harness {
    void *library;
    const struct onvm_module *module;
    void *state;
    struct onvm_burst burst;
    uint8_t region[ONVM_BURST][HARNESS_STRIDE];
};

static bool
find_module(struct harness *harness, const char *path, struct onvm_failure *failure)
{
    harness->library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    if (!harness->library)
        return onvm_fail(failure, "%s", dlerror());
    harness->module = dlsym(harness->library, "onvm_module");
    if (!harness->module)
        return onvm_fail(failure, "%s holds no NF module", path);
    if (harness->module->abi != ONVM_ABI_VERSION)
        return onvm_fail(failure, "%s has protocol version %u, the harness %u", path,
                         harness->module->abi, ONVM_ABI_VERSION);
    return true;
}

static bool
set_up(struct harness *harness, struct onvm_failure *failure)
{
    harness->state = calloc(1, harness->module->state_size + 1);
    if (!harness->state)
        return onvm_fail(failure, "no memory for the module's state");
    return !harness->module->setup || harness->module->setup(harness->state, failure);
}

struct harness *
harness_open(const char *path, struct onvm_failure *failure)
{
    struct harness *harness = calloc(1, sizeof(*harness));

    if (!harness) {
        onvm_fail(failure, "no memory for the harness");
        return NULL;
    }
    harness->burst.stride = HARNESS_STRIDE;
    if (find_module(harness, path, failure) && set_up(harness, failure))
        return harness;
    if (harness->library)
        dlclose(harness->library);
    free(harness->state);
    free(harness);
    return NULL;
}

void
harness_close(struct harness *harness)
{
    if (harness->module->stop)
        harness->module->stop(harness->state);
    dlclose(harness->library);
    free(harness->state);
    free(harness);
}

const char *
harness_name(const struct harness *harness)
{
    return harness->module->name;
}

static json_t *
load_object(const char *text, struct onvm_failure *failure)
{
    json_error_t error;
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &error);

    if (!value)
        onvm_fail(failure, "the text is not JSON: %s", error.text);
    return value;
}

bool
harness_configure(struct harness *harness, const char *text, struct onvm_failure *failure)
{
    json_t *configuration = load_object(text, failure);
    bool well = configuration != NULL;

    if (well && harness->module->configure)
        well = harness->module->configure(harness->state, configuration, failure);
    json_decref(configuration);
    return well;
}

bool
harness_put(struct harness *harness, const uint8_t *frame, size_t length, unsigned port,
            uint32_t flow)
{
    struct onvm_burst *burst = &harness->burst;
    uint32_t i = burst->count;

    if (i == ONVM_BURST || length < ONVM_FRAME_MIN || length > HARNESS_STRIDE - HARNESS_HEADROOM)
        return false;
    burst->descriptor[i] = (struct onvm_descriptor){
        .buffer = onvm_buffer(i, 0),
        .offset = HARNESS_HEADROOM,
        .length = (uint16_t)length,
        .flow = flow,
        .path = onvm_path(1, port),
    };
    burst->data[i] = harness->region[i] + HARNESS_HEADROOM;
    memcpy(burst->data[i], frame, length);
    burst->count++;
    return true;
}

void
harness_run(struct harness *harness, uint64_t now)
{
    struct onvm_burst *burst = &harness->burst;

    memset(burst->verdict, ONVM_VERDICT_NEXT, sizeof(burst->verdict));
    memset(burst->argument, 0, sizeof(burst->argument));
    burst->now = now;
    harness->module->handler(burst, harness->state);
}

const uint8_t *
harness_get(const struct harness *harness, uint32_t i, uint16_t *length, uint8_t *verdict,
            uint8_t *argument)
{
    const struct onvm_burst *burst = &harness->burst;

    *length = onvm_packet_length(burst, i);
    *verdict = burst->verdict[i];
    *argument = burst->argument[i];
    return burst->data[i];
}

void
harness_clear(struct harness *harness)
{
    harness->burst.count = 0;
}

void
harness_tick(struct harness *harness, uint64_t now)
{
    if (harness->module->timer)
        harness->module->timer(harness->state, now);
}

char *
harness_query(struct harness *harness, const char *text, struct onvm_failure *failure)
{
    json_t *request = load_object(text, failure);
    json_t *reply = NULL;
    char *answer = NULL;

    if (request && !harness->module->query)
        onvm_fail(failure, "the NF %s answers no queries", harness->module->name);
    else if (request)
        reply = harness->module->query(harness->state, request, failure);
    if (reply)
        answer = json_dumps(reply, JSON_COMPACT);
    json_decref(reply);
    json_decref(request);
    return answer;
}
