/* SPDX-License-Identifier: BSD-3-Clause */
#include "group.h"

#include <stdlib.h>

bool
group_add(struct group *group, const struct onvm_module *module, const char *path,
          struct onvm_failure *failure)
{
    struct member *member = &group->member[group->count];
    void *state;

    if (group->count == GROUP_MAX)
        return onvm_fail(failure, "more than %d NFs in one process", GROUP_MAX);
    state = calloc(1, module->state_size + 1);
    if (!state)
        return onvm_fail(failure, "no memory for the module's state");
    if (module->setup && !module->setup(state, failure)) {
        free(state);
        return false;
    }
    member->session = (struct session){.module = module, .state = state, .socket = -1};
    member->path = path;
    group->count++;
    return true;
}

static bool
same_memory(const struct mapping *a, const struct mapping *b)
{
    return a->base && b->base && a->device == b->device && a->inode == b->inode;
}

/* Whether a burst of `from` can be handled by `to` as it is: both see the same packets. */
static bool
share_packets(const struct member *from, const struct member *to)
{
    return same_memory(&from->session.attachment.region, &to->session.attachment.region) &&
           from->session.attachment.welcome.stride == to->session.attachment.welcome.stride;
}

/* The member's input edge that is the output's other end; NULL: none is. */
static const struct input *
other_end(const struct member *member, const struct output *output)
{
    const struct attachment *attachment = &member->session.attachment;

    for (uint16_t i = 0; i < attachment->inputs; i++) {
        const struct input *input = &attachment->input[attachment->input_slot[i]];
        if (same_memory(&input->edge, &output->edge))
            return input;
    }
    return NULL;
}

static void
link_output(struct group *group, const struct member *from, struct output *output)
{
    output->peer = NULL;
    for (unsigned i = 0; i < group->count && !output->peer; i++) {
        struct member *to = &group->member[i];
        if (to == from || !share_packets(from, to))
            continue;
        output->peer_input = other_end(to, output);
        output->peer = output->peer_input ? to : NULL;
    }
}

static void
link_outputs(struct group *group, struct member *member)
{
    struct attachment *attachment = &member->session.attachment;

    for (unsigned slot = 0; slot < ONVM_MAX_EDGES; slot++)
        if (output_is_open(&attachment->output[slot]))
            link_output(group, member, &attachment->output[slot]);
}

static bool
rings_already(const struct group *group, unsigned members, const struct mapping *doorbell)
{
    for (unsigned i = 0; i < members; i++)
        if (same_memory(&group->member[i].session.attachment.doorbell, doorbell))
            return true;
    return false;
}

static void
find_bells(struct group *group)
{
    group->bells = 0;
    for (unsigned i = 0; i < group->count; i++) {
        const struct attachment *attachment = &group->member[i].session.attachment;
        if (attachment->doorbell.base && !rings_already(group, i, &attachment->doorbell))
            group->bell[group->bells++] = attachment_doorbell(attachment);
    }
}

/* After edges or sessions came or went, and before another packet moves. */
static void
link_members(struct group *group)
{
    find_bells(group);
    for (unsigned i = 0; i < group->count; i++)
        link_outputs(group, &group->member[i]);
}

static void
retire(struct member *member)
{
    if (member->session.module->stop)
        member->session.module->stop(member->session.state);
    free(member->session.state);
    member->session.state = NULL;
    member->stopped = true;
}

/* Takes the consequences when a member's session has ended. */
static void
settle(struct member *member)
{
    if (member->session.end == SESSION_RUNNING || !member_is_attached(member))
        return;
    session_detach(&member->session);
    if (member->session.end == SESSION_STOPPED)
        retire(member);
}

static bool
is_away(const struct member *member)
{
    return !member->stopped && !member_is_attached(member);
}

void
group_attach(struct group *group)
{
    bool changed = false;

    for (unsigned i = 0; i < group->count; i++)
        if (is_away(&group->member[i]))
            changed |= session_attach(&group->member[i].session, group->member[i].path) ==
                       SESSION_RUNNING;
    if (changed)
        link_members(group);
}

void
group_follow(struct group *group)
{
    for (unsigned i = 0; i < group->count; i++) {
        if (!member_is_attached(&group->member[i]))
            continue;
        session_follow(&group->member[i].session);
        settle(&group->member[i]);
    }
    link_members(group);
}

bool
group_is_over(const struct group *group, enum exit_code *code)
{
    unsigned stopped = 0;

    for (unsigned i = 0; i < group->count; i++) {
        if (group->member[i].session.end == SESSION_REFUSED) {
            *code = EXIT_CODE_REFUSED;
            return true;
        }
        stopped += group->member[i].stopped;
    }
    *code = EXIT_CODE_STOPPED;
    return stopped == group->count;
}

bool
group_is_incomplete(const struct group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        if (is_away(&group->member[i]))
            return true;
    return false;
}

void
group_end(struct group *group)
{
    for (unsigned i = 0; i < group->count; i++)
        if (member_is_attached(&group->member[i]))
            session_detach(&group->member[i].session);
    for (unsigned i = 0; i < group->count; i++)
        if (!group->member[i].stopped)
            retire(&group->member[i]);
}
