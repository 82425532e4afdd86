# SPDX-License-Identifier: BSD-3-Clause
"""The façade of the control channel, against a stand-in for the data plane."""

from __future__ import annotations

import asyncio
import fcntl
import os
import struct
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from onvm_runtime._control import ffi, lib
from onvm_runtime.control import Control, DataplaneError, Region, client

MAGIC = lib.ONVM_CONTROL_MAGIC


def open_fds() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def memfd(content: bytes, seals: int = fcntl.F_SEAL_SHRINK) -> int:
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.write(fd, content)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


@pytest.fixture
async def control(stand_in: Any) -> AsyncIterator[Control]:
    connected = await Control.connect(str(stand_in.path))
    yield connected
    connected.close()


async def test_hello_says_who_answers(control: Control) -> None:
    assert control.identity["pid"] == os.getpid()


async def test_nobody_listens(tmp_path: Path) -> None:
    with pytest.raises(DataplaneError, match="onvm-dataplane does not run"):
        await Control.connect(str(tmp_path / "control.sock"))


async def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    with pytest.raises(DataplaneError, match="name too long"):
        await Control.connect(str(tmp_path / ("x" * 200)))


async def test_another_abi_is_refused_with_both_versions(
    stand_in: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "ABI", 9)
    with pytest.raises(DataplaneError, match=f"ABI 9, this data plane {lib.ONVM_ABI_VERSION}"):
        await Control.connect(str(stand_in.path))


async def test_a_refusal_is_the_data_planes_sentence(stand_in: Any, control: Control) -> None:
    stand_in.refuse["port.add"] = "port client: no interface onvm-client"
    with pytest.raises(DataplaneError, match="no interface onvm-client"):
        await control.request("port.add", name="client", kind="null")


async def test_answers_find_their_requests_in_any_order(control: Control) -> None:
    silent = asyncio.create_task(control.request("silence"))
    answers = await asyncio.gather(*(control.request("status") for _ in range(50)))
    assert all("ports" in answer for answer in answers)
    silent.cancel()


async def test_events_come_in_order_and_end_with_the_channel(
    stand_in: Any, control: Control
) -> None:
    await control.request("events")
    for n in range(3):
        stand_in.event(event="chain", id=n, state="drained")
    stand_in.stop()
    assert [event["id"] async for event in control.events()] == [0, 1, 2]
    assert control.closed


async def test_who_waits_when_the_data_plane_dies_is_told(stand_in: Any, control: Control) -> None:
    waiting = asyncio.create_task(control.request("silence"))
    await asyncio.sleep(0.01)
    stand_in.stop()
    with pytest.raises(DataplaneError, match="closed the control channel"):
        await waiting
    with pytest.raises(DataplaneError, match="closed the control channel"):
        await control.request("status")


async def test_silence_is_an_error(control: Control, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.01)
    with pytest.raises(DataplaneError, match="did not answer silence"):
        await control.request("silence")


def header(magic: int = MAGIC, length: int = 2) -> bytes:
    return struct.pack("=III", magic, 0, length)


@pytest.mark.parametrize(
    ("sent", "texts", "why"),
    [
        (header(), [], "no text"),
        (header(magic=MAGIC + 1), [b"{}"], "another magic"),
        (header()[:-4], [b"{}"], "a short header"),
        (header() + bytes(4), [b"{}"], "a long header"),
        (header(length=3), [b"{}"], "less text than announced"),
        (header(length=2**32 - 1), [b"{}"], "an impossible length"),
        (header(), [b"[]"], "no object"),
        (header(), [b"{x"], "no JSON"),
        (header(), [b"{}"] * 3, "three descriptors"),
        (header(), [b"{}"] * 13, "more descriptors than a message may have"),
    ],
)
async def test_nonsense_closes_the_channel(
    stand_in: Any, control: Control, sent: bytes, texts: list[bytes], why: str
) -> None:
    await control.request("status")
    before = open_fds()
    stand_in.send_raw(sent, [memfd(text) for text in texts])
    await asyncio.sleep(0.01)
    assert control.closed, why
    assert open_fds() == before - 2, "the two ends of the channel are gone, nothing else is"


async def test_a_hundred_answers_with_counters_leave_no_descriptor(control: Control) -> None:
    await control.node_counters()
    before = open_fds()
    for _ in range(100):
        await control.node_counters()
    assert open_fds() == before


async def test_counters_are_read_through_the_map(stand_in: Any, control: Control) -> None:
    stand_in.node.worker[1].port[3].rx.packets = 7
    region = await control.node_counters()
    assert region.counters.worker[1].port[3].rx.packets == 7


def region(**fields: int) -> bytes:
    node = ffi.new("struct onvm_node_counters *")
    node.magic, node.abi = lib.ONVM_COUNTERS_MAGIC, lib.ONVM_ABI_VERSION
    for name, value in fields.items():
        setattr(node, name, value)
    return bytes(ffi.buffer(node))


@pytest.mark.parametrize(
    ("content", "seals", "message"),
    [
        (region()[:-1], fcntl.F_SEAL_SHRINK, "too small"),
        (region(), fcntl.F_SEAL_GROW, "could shrink"),
        (region(magic=1), fcntl.F_SEAL_SHRINK, "holds something else"),
        (region(abi=99), fcntl.F_SEAL_SHRINK, f"ABI is not {lib.ONVM_ABI_VERSION}"),
    ],
)
def test_a_region_that_cannot_be_trusted_is_refused(
    content: bytes, seals: int, message: str
) -> None:
    before = open_fds()
    with pytest.raises(DataplaneError, match=message):
        Region(memfd(content, seals), "node")
    assert open_fds() == before
