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
    uint32_t further; /* descriptors in burst.further */
    uint8_t region[2 * ONVM_BURST][HARNESS_STRIDE]; /* first segments, then the others */
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
    harness->burst.base = harness->region[0];
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

static struct onvm_descriptor
fill(struct harness *harness, uint32_t buffer, const uint8_t *bytes, size_t length)
{
    memcpy(harness->region[buffer] + HARNESS_HEADROOM, bytes, length);
    return (struct onvm_descriptor){
        .buffer = onvm_buffer(buffer, 0),
        .offset = HARNESS_HEADROOM,
        .length = (uint16_t)length,
    };
}

/* Puts what is behind the first segment of packet `i`; false: there is no room for it. */
static bool
put_further(struct harness *harness, uint32_t i, const uint8_t *bytes, size_t length,
            size_t segment)
{
    struct onvm_burst *burst = &harness->burst;
    size_t count = (length + segment - 1) / segment;

    if (count >= ONVM_MAX_SEGMENTS || harness->further + count > ONVM_BURST)
        return false;
    burst->run[i] = (struct onvm_run){.length = (uint16_t)length,
                                      .first = (uint8_t)harness->further,
                                      .count = (uint8_t)count};
    for (size_t part; length > 0; bytes += part, length -= part) {
        part = length < segment ? length : segment;
        burst->further[harness->further] =
            fill(harness, ONVM_BURST + harness->further, bytes, part);
        harness->further++;
    }
    return true;
}

bool
harness_put(struct harness *harness, const uint8_t *frame, size_t length, size_t segment,
            unsigned port, uint32_t flow)
{
    struct onvm_burst *burst = &harness->burst;
    size_t first = length < segment ? length : segment;
    uint32_t i = burst->count;

    if (i == ONVM_BURST || length < ONVM_FRAME_MIN || segment < ONVM_FRAME_MIN ||
        segment > HARNESS_ROOM)
        return false;
    if (first < length && !put_further(harness, i, frame + first, length - first, segment))
        return false;
    burst->descriptor[i] = fill(harness, i, frame, first);
    burst->descriptor[i].flow = flow;
    burst->descriptor[i].path = onvm_path(1, port);
    burst->descriptor[i].flags = first < length ? ONVM_FLAG_SEGMENT : 0;
    burst->data[i] = harness->region[i] + HARNESS_HEADROOM;
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

uint16_t
harness_get(const struct harness *harness, uint32_t i, uint8_t *verdict, uint8_t *argument)
{
    const struct onvm_burst *burst = &harness->burst;

    *verdict = burst->verdict[i];
    *argument = burst->argument[i];
    return onvm_packet_length(burst, i);
}

void
harness_copy(const struct harness *harness, uint32_t i, uint8_t *frame)
{
    for (uint32_t k = 0; k < onvm_packet_segments(&harness->burst, i); k++) {
        uint16_t length;
        const uint8_t *bytes = onvm_packet_segment(&harness->burst, i, k, &length);

        memcpy(frame, bytes, length);
        frame += length;
    }
}

void
harness_clear(struct harness *harness)
{
    harness->burst.count = 0;
    harness->further = 0;
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
