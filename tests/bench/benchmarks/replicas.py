# SPDX-License-Identifier: BSD-3-Clause
"""Replicas of one service on the same cores: what it costs to spread flows over them."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.bench.figure import Baseline, Figure, Finding
from tests.bench.registry import benchmark
from tests.bench.sampling import interleave
from tests.bench.setting import Setting
from tests.bench.systems.onvm import PORT, OnvmChain, add_null_port, running_plane, start_nf

COUNT = 4
FLOWS = 1000
PCAP_HEADER = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1)  # of Ethernet
ETHERNET_IPV4_UDP = bytes.fromhex(
    "020000000002 020000000001 0800 4500 002e 0001 0000 40 11 0000 c6120001 c6120002"
)


@benchmark("replicas", f"Replicas of a service: {FLOWS:,} flows from a looping capture")
def replicas(setting: Setting) -> Iterator[Finding]:
    """Several replicas beside one; the capture is copied, so rates are lower than from null."""
    with _replicas(setting, 1) as one, _replicas(setting, COUNT) as several:
        found = interleave([one, several], setting.repeat, setting.seconds)
    rates = {name: tuple(s.mpps for s in samples) for name, samples in found.items()}
    yield Figure(
        f"replicas.{COUNT}.throughput",
        f"{several.name}, throughput",
        "Mpps",
        rates[several.name],
        Baseline(one.name, rates[one.name]),
    )


@contextmanager
def _replicas(setting: Setting, count: int) -> Iterator[OnvmChain]:
    placement = setting.place(count)
    names = [f"nf{i}" for i in range(count)]
    with running_plane(placement.io) as plane:
        for name, cpu in zip(names, placement.nfs, strict=True):
            start_nf(plane, name, "service", cpu, dedicated=placement.own)
        name = f"{count} replica{'s' if count > 1 else ''}"
        chain = OnvmChain(plane, names, add_null_port(plane), name)
        capture = plane.run_dir / "flows.pcap"
        write_flows(capture, FLOWS)
        plane.plan(
            [{"id": 1, "name": "bench", "path": ["service"], "egress": PORT}],
            [{"chain": 1, "priority": 1, "ethertype": 0x0800}],
        )
        plane.request("port.add", name="flows", kind="pcap", receive=str(capture), loop=True)
        chain.pause()
        yield chain


def write_flows(path: Path, flows: int) -> None:
    """A capture with one frame of 60 bytes of each flow; they differ in the source port."""
    with path.open("wb") as file:
        file.write(PCAP_HEADER)
        for i in range(flows):
            udp = struct.pack(">HHHH", 1024 + i, 80, 26, 0)
            frame = (ETHERNET_IPV4_UDP + udp).ljust(60, b"\0")
            file.write(struct.pack("<IIII", 0, 0, len(frame), len(frame)) + frame)
