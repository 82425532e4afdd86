# SPDX-License-Identifier: BSD-3-Clause
"""NFs that break the protocol on purpose: the data plane lives, counts, and leaks nothing."""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from onvm_runtime.control import ABI
from onvm_runtime.telemetry.drop_reasons import DROP_REASONS
from tests.dataplane.plane import HOSTILE, Plane, eventually
from tests.dataplane.test_crash import load, offer, settle
from tests.dataplane.test_path import sent_by

FAULTS = [r.number for r in DROP_REASONS if r.who == "fault"]


def start_hostile(plane: Plane, *arguments: str) -> subprocess.Popen[bytes]:
    """Puts the hostile NF between two honest ones, with a second chain beside it."""
    plane.start_nf("before-1", service="before")
    plane.start_nf("after-1", service="after")
    plane.expect("bad-1", "bad")
    process = plane.run_nf("bad-1", HOSTILE, *arguments)
    if arguments[-1] not in ("exit", "stall"):
        eventually(lambda: plane.nf_state("bad-1") == "running", "the hostile NF is let in")
    return process


def said_done(plane: Plane) -> bool:
    """Whether the hostile NF has done its work."""
    return "done" in (plane.run_dir / "bad-1.log").read_text()


def end_hostile(plane: Plane) -> None:
    """Kills it and asserts that no buffer was lost and that traffic goes on without it."""
    plane.kill_nf("bad-1")
    plane.plan([{"id": 9, "name": "honest", "path": ["before", "after"], "egress": "out"}],
               [{"chain": 9, "priority": 0, "port": "in"}])
    before = sent_by(plane)
    eventually(
        lambda: sent_by(plane) > before,
        lambda: f"honest NFs carry on: {plane.request('status')}",
    )
    settle(plane)


@pytest.mark.parametrize("seed", ["1", "2"])
def test_a_million_random_descriptors_are_counted_and_leak_nothing(
    plane: Plane, seed: str
) -> None:
    start_hostile(plane, "--seed", seed, "random=1000000")
    offer(plane, ["before", "bad", "after"])
    eventually(lambda: said_done(plane), "a million descriptors were posted", 60)

    counters = plane.counters()
    refused = sum(counters.dropped[reason] for reason in FAULTS)
    faults = sum(nf.faults for nf in counters.nf)
    assert refused > 100000
    met = [reason for reason in FAULTS if counters.dropped[reason] > 0]
    assert len(met) >= 3, "wild indices, stale copies and doubles at the least"
    assert faults <= refused
    end_hostile(plane)


@pytest.mark.parametrize("mode", ["swallow", "hoard", "scribble"])
def test_bad_manners_cost_only_their_own_chain(plane: Plane, mode: str) -> None:
    start_hostile(plane, mode)
    offer(plane, ["before", "bad", "after"])
    time.sleep(1)
    end_hostile(plane)


def test_nf_that_exits_at_once_is_noticed(plane: Plane) -> None:
    process = start_hostile(plane, "exit")
    assert process.wait(10) == 1
    eventually(lambda: plane.nf_state("bad-1") == "expected", "its place is free again")
    load(plane, ["before", "after"])
    settle(plane)


def test_nf_that_reads_no_message_gets_no_packet(plane: Plane) -> None:
    """It never answers CONFIGURE, so no route ever leads to it."""
    start_hostile(plane, "stall")
    load(plane, ["before", "bad", "after"][:1])
    assert plane.nf_state("bad-1") in ("expected", "attached")
    settle(plane)


def connect(plane: Plane, name: str) -> socket.socket:
    """A raw connection to an NF's socket."""
    plane.expect(name)
    raw = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    raw.connect(str(plane.run_dir / "nf" / name / "nf.sock"))
    raw.settimeout(5)
    return raw


def hello(abi: int) -> bytes:
    """HELLO of session.h."""
    return struct.pack("=IIII32s", 1, 0, 0x6F6E766D, abi, b"odd")


def test_other_version_is_refused_with_both_named(plane: Plane) -> None:
    raw = connect(plane, "old-1")
    raw.send(hello(99))
    kind, _, abi = struct.unpack_from("=III", reply := raw.recv(4096))
    assert (kind, abi) == (65, ABI)
    assert b"ABI version 99" in reply
    assert f"version {ABI}".encode() in reply
    assert raw.recv(4096) == b"", "and the session is closed"


MESSAGES = [
    (b"", "nothing but an end"),
    (b"\x01", "a fragment of a header"),
    (struct.pack("=II", 1, 0), "HELLO without its body"),
    (struct.pack("=II", 2, 0) + bytes(8), "CONFIGURED before HELLO"),
    (struct.pack("=IIII", 3, 0, 0, 0), "an acknowledgement before HELLO"),
    (os.urandom(48), "noise of HELLO's length"),
    (bytes(4096), "a message that is too long"),
]


@pytest.mark.parametrize(("message", "sentence"), MESSAGES, ids=[s for _, s in MESSAGES])
def test_nonsense_ends_the_session_and_nothing_else(
    plane: Plane, message: bytes, sentence: str
) -> None:
    raw = connect(plane, "odd-1")
    raw.send(message) if message else raw.shutdown(socket.SHUT_WR)
    received = raw.recv(4096)
    assert received == b"" or received[:4] == struct.pack("=I", 65), sentence
    raw.close()
    eventually(lambda: plane.nf_state("odd-1") == "expected", "the place is free again")


def test_second_hello_ends_the_session(plane: Plane) -> None:
    raw = connect(plane, "odd-1")
    raw.send(hello(ABI))
    raw.send(hello(ABI))
    eventually(lambda: plane.nf_state("odd-1") == "expected", "it was thrown out")
    raw.close()


def test_silent_connection_keeps_nobody_from_removing_the_nf(plane: Plane) -> None:
    raw = connect(plane, "odd-1")
    plane.expect("odd-1", parameters={"changed": True})
    plane.request("nf.forget", name="odd-1")
    assert raw.recv(4096) == b""
    assert plane.nf_state("odd-1") == ""


def open_descriptors(plane: Plane) -> int:
    """File descriptors of the daemon."""
    return len(list(Path(f"/proc/{plane.process.pid}/fd").iterdir()))


def test_descriptors_sent_along_are_closed(plane: Plane) -> None:
    before = open_descriptors(plane)
    for _ in range(20):
        raw = connect(plane, "odd-1")
        pipe = os.pipe()
        socket.send_fds(raw, [b"x" * 16], list(pipe))
        raw.close()
        for fd in pipe:
            os.close(fd)
    plane.request("nf.forget", name="odd-1")
    eventually(lambda: open_descriptors(plane) <= before, "all are closed")


def test_regions_cannot_shrink_under_the_others(plane: Plane) -> None:
    raw = connect(plane, "odd-1")
    raw.send(hello(ABI))
    _, fds, _, _ = socket.recv_fds(raw, 4096, 5)
    for fd in fds:
        seals = fcntl.fcntl(fd, fcntl.F_GET_SEALS)
        assert seals & fcntl.F_SEAL_SHRINK
        with pytest.raises(PermissionError):
            os.ftruncate(fd, 0)
        os.close(fd)
    raw.close()
