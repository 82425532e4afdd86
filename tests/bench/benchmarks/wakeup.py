# SPDX-License-Identifier: BSD-3-Clause
"""Latency of single frames through wired ports: through sleepers, and right after another."""

from __future__ import annotations

import socket
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from tests.bench.failure import BenchError
from tests.bench.figure import Baseline, Figure, Finding, Target
from tests.bench.registry import benchmark
from tests.bench.setting import Setting
from tests.bench.systems.onvm import running_plane, start_nf
from tests.dataplane.namespaces import Namespace, join
from tests.dataplane.plane import Plane

NFS = 3
IDLE = 0.003  # seconds between two frames, after which everybody sleeps
FRAMES = 100  # frames of each kind in a sample
ETH_P_ALL = 3
# UDP from 198.18.0.1 to 198.18.0.2; the destination port says which chain it takes.
FRAME = bytes.fromhex(
    "020000000002 020000000001 0800 4500 002e 0001 0000 40 11 0000 c6120001 c6120002 03e8 0000 "
    "001a 0000"
) + bytes(18)
PORT_AT = 36  # of the UDP destination port in a frame
DIRECT, THROUGH_NFS = 1, 2  # chain ids, and UDP ports


@dataclass(frozen=True)
class Wire:
    """The far ends of a plane's two ports, `left` and `right`."""

    left: socket.socket
    right: socket.socket

    def pass_frame(self, udp_port: int) -> float:
        """Microseconds from sending a frame at the left to its arrival at the right."""
        frame = FRAME[:PORT_AT] + udp_port.to_bytes(2, "big") + FRAME[PORT_AT + 2 :]
        start = time.perf_counter_ns()
        self.left.send(frame)
        while self.right.recv(2048)[PORT_AT : PORT_AT + 2] != frame[PORT_AT : PORT_AT + 2]:
            pass  # the kernel's own traffic
        return (time.perf_counter_ns() - start) / 1e3


@benchmark("wakeup", "Latency of a frame through two veth ports, sockets at both ends")
def wakeup(setting: Setting) -> Iterator[Finding]:
    """Three NFs beside none: the difference is theirs, the rest the kernel's and the sockets'."""
    with start_wired_chain(setting) as (_, wire):
        yield from _latency(wire, setting, "idle", "after idle", IDLE)
        yield from _latency(wire, setting, "busy", "one right after another", 0.0)


@contextmanager
def start_wired_chain(setting: Setting) -> Iterator[tuple[Plane, Wire]]:
    """A wired data plane with the chains DIRECT and THROUGH_NFS."""
    placement = setting.place(NFS)
    with wired_plane(placement.io) as (plane, wire):
        for i, cpu in enumerate(placement.nfs):
            start_nf(plane, f"nf{i}", f"nf{i}", cpu)
        _plan(plane)
        yield plane, wire


def _plan(plane: Plane) -> None:
    path = [f"nf{i}" for i in range(NFS)]
    chains = [(DIRECT, "direct", []), (THROUGH_NFS, "nfs", path)]
    plane.plan(
        [{"id": i, "name": name, "path": path, "egress": "right"} for i, name, path in chains],
        [{"chain": i, "priority": 1, "protocol": 17, "dst_ports": [i, i]} for i, _, _ in chains],
    )


def _latency(wire: Wire, setting: Setting, kind: str, title: str, gap: float) -> Iterator[Figure]:
    """A sample is the median, or the 99th percentile, of FRAMES frames."""
    _turns(wire, gap)
    samples = [_turns(wire, gap) for _ in range(setting.repeat)]
    for name, of, target in (
        ("median", statistics.median, None),
        ("p99", _percentile_99, Target("value", "<=", 1000) if kind == "idle" else None),
    ):
        direct, nfs = (tuple(of(s[chain]) for s in samples) for chain in (DIRECT, THROUGH_NFS))
        yield Figure(
            f"wakeup.{kind}.{name}",
            f"{NFS} NFs, {title}, {name}",
            "us",
            nfs,
            Baseline("no NF", direct),
            target,
        )


def _percentile_99(times: Sequence[float]) -> float:
    return statistics.quantiles(times, n=100)[-1]


def _turns(wire: Wire, gap: float) -> dict[int, list[float]]:
    """Microseconds of frames by the chain that they took, in turn."""
    found: dict[int, list[float]] = {DIRECT: [], THROUGH_NFS: []}
    for _ in range(FRAMES):
        for chain, times in found.items():
            time.sleep(gap)
            times.append(wire.pass_frame(chain))
    return found


@contextmanager
def wired_plane(core: int) -> Iterator[tuple[Plane, Wire]]:
    """A data plane with veth ports `left` and `right`, and sockets at their far ends."""
    with ExitStack() as stack:
        inside, outside = (stack.enter_context(_namespace(role)) for role in ("in", "out"))
        for name in ("left", "right"):
            join(inside, name, outside, name)
            for namespace in (inside, outside):
                namespace.sysctl(f"net.ipv6.conf.{name}.disable_ipv6", "1")
        plane = stack.enter_context(running_plane(core))
        for name in ("left", "right"):
            plane.request(
                "port.add", name=name, kind="af_packet", interface=name, netns=inside.name
            )
        yield plane, Wire(*(stack.enter_context(_socket(outside, n)) for n in ("left", "right")))


@contextmanager
def _namespace(role: str) -> Iterator[Namespace]:
    namespace = Namespace(f"bench-{role}")
    try:
        yield namespace
    finally:
        namespace.close()


def _socket(namespace: Namespace, interface: str) -> socket.socket:
    try:
        made = namespace.socket(socket.AF_PACKET, socket.SOCK_RAW)
    except OSError as error:
        raise BenchError(f"cannot open a packet socket: {error}") from error
    made.bind((interface, ETH_P_ALL))
    return made
