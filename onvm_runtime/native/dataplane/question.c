/* SPDX-License-Identifier: BSD-3-Clause */
#include "question.h"

#include <stdlib.h>
#include <string.h>

#include "../protocol/text.h"
#include "control.h"
#include "session.h"

#define ANSWER_MS 5000
#define ANSWER_MAX (16u << 20)

struct question {
    struct question *next;
    struct nf *nf;
    struct asker asker;
    uint32_t number; /* in the session */
    uint64_t answer_by;
};

static struct question *
remember(struct node *node, struct nf *nf, struct asker asker)
{
    static uint32_t last_number;
    struct question *question = calloc(1, sizeof(*question));

    if (question == NULL)
        return NULL;
    *question = (struct question){.next = node->questions,
                                  .nf = nf,
                                  .asker = asker,
                                  .number = ++last_number,
                                  .answer_by = node_clock() + ANSWER_MS};
    node->questions = question;
    return question;
}

static void
settle(struct node *node, struct question *settled)
{
    struct question **place = &node->questions;

    while (*place != settled)
        place = &(*place)->next;
    *place = settled->next;
    free(settled);
}

static bool
pass_on(struct nf *nf, json_t *text, struct asker asker, struct failure *failure)
{
    struct question *question;
    char *words;

    if (nf->state != NF_RUNNING)
        return fail(failure, "NF %s is not running", nf->name);
    question = remember(nf->node, nf, asker);
    words = json_dumps(text, JSON_COMPACT | JSON_ENCODE_ANY);
    if (question == NULL || words == NULL)
        return fail(failure, "out of memory for a question to NF %s", nf->name);
    session_query(nf, question->number, words);
    free(words);
    return true;
}

bool
question_ask(struct node *node, json_t *request, struct asker asker, struct failure *failure)
{
    const char *op, *name;
    json_error_t error;
    json_t *text;
    struct nf *nf;

    if (json_unpack_ex(request, &error, JSON_STRICT, "{s:s, s:s, s:o}", "op", &op, "name", &name,
                       "request", &text) != 0)
        return fail(failure, "nf.query: %s", error.text);
    nf = node_nf(node, name);
    if (nf == NULL)
        return fail(failure, "there is no NF %s", name);
    return pass_on(nf, text, asker, failure);
}

static json_t *
read_answer(const struct onvm_answer *answer, const struct onvm_fds *fds)
{
    char *text = fds->count == 1 ? onvm_text_read(fds->fd[0], answer->length, ANSWER_MAX) : NULL;
    json_t *json = NULL;

    if (text != NULL && answer->status == 0)
        json = json_loadb(text, answer->length, JSON_DECODE_ANY, NULL);
    else if (text != NULL)
        json = json_string(text);
    free(text);
    return json;
}

static void
relay(struct nf *nf, const struct question *question, const struct onvm_answer *answer,
      json_t *reply)
{
    char error[512];

    if (answer->status == 0 && reply != NULL) {
        control_answer(nf->node, question->asker, json_pack("{s:O}", "reply", reply), -1);
        return;
    }
    snprintf(error, sizeof(error), "NF %s: %.400s", nf->name,
             reply != NULL ? json_string_value(reply) : "its answer cannot be read");
    control_refuse(nf->node, question->asker, error);
}

void
question_answer(struct nf *nf, const struct onvm_answer *answer, const struct onvm_fds *fds)
{
    for (struct question *q = nf->node->questions; q != NULL; q = q->next) {
        if (q->nf != nf || q->number != answer->header.request)
            continue;
        json_t *reply = read_answer(answer, fds);
        relay(nf, q, answer, reply);
        json_decref(reply);
        settle(nf->node, q);
        return;
    }
}

static void
give_up(struct question *question, const char *why)
{
    char error[128];

    snprintf(error, sizeof(error), "NF %s %s", question->nf->name, why);
    control_refuse(question->nf->node, question->asker, error);
    settle(question->nf->node, question);
}

void
question_forget_nf(struct nf *nf)
{
    struct question *next;

    for (struct question *q = nf->node->questions; q != NULL; q = next) {
        next = q->next;
        if (q->nf == nf)
            give_up(q, "ended before it answered");
    }
}

void
question_expire(struct node *node)
{
    struct question *next;

    for (struct question *q = node->questions; q != NULL; q = next) {
        next = q->next;
        if (node_clock() >= q->answer_by)
            give_up(q, "did not answer within 5 seconds");
    }
}
