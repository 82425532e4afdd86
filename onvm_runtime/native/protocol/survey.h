/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A survey: what is true of the descriptors of a burst together.
 *
 * Whoever takes a burst from an edge asks this while copying it, without a branch.  Most
 * bursts are in order and go one way, and then nothing else is asked of a single one.
 */
#ifndef ONVM_PROTOCOL_SURVEY_H
#define ONVM_PROTOCOL_SURVEY_H

#include "histogram.h"

struct onvm_survey {
    uint64_t first;   /* the way of the first descriptor */
    uint64_t differs; /* the bits of the way in which others differ from it */
    uint32_t room;    /* of a buffer behind its stamps */
    uint32_t least;   /* bytes of a frame */
    uint32_t fault;   /* its highest bit: a frame is not within its buffer, or too short */
};

static inline struct onvm_survey
onvm_survey_open(struct onvm_words first, uint32_t stride, uint32_t least)
{
    return (struct onvm_survey){
        .first = first.way, .room = stride - ONVM_STAMPS_SIZE, .least = least};
}

/* As onvm_frame_within says: what is too small underflows. */
static inline void
onvm_survey_add(struct onvm_survey *survey, struct onvm_words words)
{
    uint32_t length = words.place >> 48;
    uint32_t end = (uint16_t)((words.place >> 32) - ONVM_STAMPS_SIZE) + length;

    survey->differs |= words.way ^ survey->first;
    survey->fault |= (survey->room - end) | (length - survey->least);
}

/* The flags of all descriptors. */
static inline uint8_t
onvm_survey_flags(const struct onvm_survey *survey)
{
    return (uint8_t)((survey->first | survey->differs) >> 56);
}

static inline bool
onvm_survey_is_in_bounds(const struct onvm_survey *survey)
{
    return survey->fault >> 31 == 0;
}

#endif
