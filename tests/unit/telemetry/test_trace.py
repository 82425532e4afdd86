# SPDX-License-Identifier: BSD-3-Clause
"""Records of a packet put together, and frames in words."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from onvm_runtime._control import ffi, lib
from onvm_runtime.telemetry import trace
from onvm_runtime.telemetry.headers import describe

ETHERNET = bytes.fromhex("020000000002 020000000001".replace(" ", ""))
IPV4 = "4500001c 0000 0000 40 11 0000 c6120001 c6120002".replace(" ", "")
IPV6 = "60000000 0008 06 40" + "20010db8" + "00" * 11 + "01" + "20010db8" + "00" * 11 + "02"

FRAMES = [
    ("0800" + IPV4 + "9c400050", "udp 198.18.0.1:40000 > 198.18.0.2:80"),
    ("8100000a 0800" + IPV4 + "9c400050", "udp 198.18.0.1:40000 > 198.18.0.2:80"),
    ("0800" + IPV4.replace("00000000401", "00002000401", 1), "udp 198.18.0.1 > 198.18.0.2"),
    ("86dd" + IPV6 + "9c400050", "tcp [2001:db8::1]:40000 > [2001:db8::2]:80"),
    ("88b5", "02:00:00:00:00:01 > 02:00:00:00:00:02 type 0x88b5"),
    ("0800" + IPV4[:20], "02:00:00:00:00:01 > 02:00:00:00:00:02 type 0x0800"),
]


@pytest.mark.parametrize(("rest", "words"), FRAMES, ids=[words for _, words in FRAMES])
def test_a_frame_in_words(rest: str, words: str) -> None:
    assert describe(ETHERNET + bytes.fromhex(rest.replace(" ", ""))) == words


def test_a_frame_that_is_cut_off_is_described_as_far_as_it_goes() -> None:
    frame = ETHERNET + bytes.fromhex("0800" + IPV4 + "9c400050")
    assert all(describe(frame[:length]) for length in range(len(frame)))


def ring(*records: dict[str, Any]) -> Any:
    """A ring with these records."""
    made = ffi.new("struct onvm_trace *")
    for record in records:
        place = made.record[made.written % lib.ONVM_TRACE_RECORDS]
        for name, value in record.items():
            setattr(place, name, value)
        made.written += 1
    return made


def regions(worker: Any, nf: Any) -> tuple[Any, dict[str, Any]]:
    counters = SimpleNamespace(workers=1, worker=[SimpleNamespace(trace=worker)])
    return (
        SimpleNamespace(counters=counters),
        {"nf-1": SimpleNamespace(counters=SimpleNamespace(trace=nf))},
    )


def entered(at: int, buffer: int, number: int) -> dict[str, Any]:
    return {"at": at, "buffer": buffer, "id": number, "kind": lib.ONVM_TRACE_ENTERED}


def test_records_of_a_buffer_are_told_apart_by_time() -> None:
    worker = ring(
        entered(10, 5, 1),
        {"at": 30, "buffer": 5 | 1 << 24, "kind": lib.ONVM_TRACE_ENDED, "verdict": 1},
        {"at": 35, "buffer": 5, "kind": lib.ONVM_TRACE_ENDED, "verdict": 0, "argument": 7},
        entered(40, 5, 2),
    )
    nf = ring(
        {"at": 5, "buffer": 5, "kind": lib.ONVM_TRACE_HANDLED},
        {"at": 20, "buffer": 5 | 1 << 24, "kind": lib.ONVM_TRACE_HANDLED, "took": 3},
        {"at": 50, "buffer": 5 | 2 << 24, "kind": lib.ONVM_TRACE_HANDLED},
        {"at": 60, "buffer": 5, "kind": lib.ONVM_TRACE_ENDED},
    )
    first, second = trace.take(*regions(worker, nf))
    assert (first.entered.id, second.entered.id) == (1, 2)
    assert [(hop.nf, hop.at, hop.took) for hop in first.handled] == [("nf-1", 20, 3)]
    assert first.ended is not None
    assert first.ended.argument == 7, "the last word counts"
    assert [hop.at for hop in second.handled] == [50]
    assert second.ended is None, "an NF cannot say that a packet ended"


def test_a_ring_keeps_the_last_records() -> None:
    size = lib.ONVM_TRACE_RECORDS
    worker = ring(*(entered(n, n, n) for n in range(1, size + 11)))
    taken = trace.take(*regions(worker, ring()))
    assert [one.entered.id for one in taken] == list(range(12, size + 11))
