/* SPDX-License-Identifier: BSD-3-Clause */
#include "ledger.h"

#include <stdlib.h>

bool
ledger_open(struct ledger *ledger, uint32_t first, uint32_t count, struct failure *failure)
{
    *ledger = (struct ledger){.first = first, .count = count};
    ledger->entry = calloc(count, sizeof(ledger->entry[0]));
    if (ledger->entry == NULL)
        return fail(failure, "out of memory for the ledger of %u buffers", count);
    return true;
}

void
ledger_close(struct ledger *ledger)
{
    free(ledger->entry);
    *ledger = (struct ledger){0};
}
