/* SPDX-License-Identifier: BSD-3-Clause */
/* The ledgers of two workers: each knows the buffers of its own slice, and only them. */
#include "../check.h"
#include "dataplane/ledger.h"

#define FIRST 64 /* buffer of the second slice */
#define COUNT 8

static void
check_refused(struct ledger *ledger, uint32_t buffer, enum onvm_drop_reason wanted)
{
    enum onvm_drop_reason reason = ONVM_DROP_REASON_COUNT;

    CHECK(ledger_take_back(ledger, buffer, &reason) == NULL && reason == wanted,
          "buffer %x: reason %u, not %u", buffer, reason, wanted);
}

int
main(void)
{
    struct ledger one, two;
    const struct ledger_entry *entry;
    struct failure failure;
    enum onvm_drop_reason reason;
    uint32_t buffer;

    REQUIRE(ledger_open(&one, 0, COUNT, &failure) && ledger_open(&two, FIRST, COUNT, &failure),
            "%s", failure.text);
    buffer = ledger_hand_out(&two, FIRST + COUNT - 1, (struct ledger_life){5, 62, 100});
    CHECK(onvm_buffer_index(buffer) == FIRST + COUNT - 1 && two.out == 1, "its last buffer");
    check_refused(&one, buffer, ONVM_DROP_bad_index);
    check_refused(&two, onvm_buffer(0, 1), ONVM_DROP_bad_index);
    check_refused(&two, onvm_buffer(FIRST + COUNT, 1), ONVM_DROP_bad_index);
    check_refused(&two, onvm_buffer(FIRST, 1), ONVM_DROP_bad_owner);
    check_refused(&two, buffer ^ 1u << 24, ONVM_DROP_bad_generation);
    entry = ledger_take_back(&two, buffer, &reason);
    CHECK(entry != NULL && two.out == 0, "its own comes home");
    CHECK(entry != NULL && entry->chain == 5 && entry->ttl == 62, "with what it went out");
    check_refused(&two, buffer, ONVM_DROP_bad_owner);
    ledger_close(&one);
    ledger_close(&two);
    return check_result();
}
