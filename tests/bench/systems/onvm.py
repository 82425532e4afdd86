# SPDX-License-Identifier: BSD-3-Clause
"""Our chain: a data plane with one null port, and NFs that swap MAC addresses."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.bench import processes
from tests.bench.sampling import Count
from tests.bench.setting import Placement, run_directory
from tests.dataplane.plane import Plane

PORT = "null"
SWAP = {"swap_mac": True}


class OnvmChain:
    """A chain of NFs that receives without end from a null port and sends to it."""

    name = "onvm"

    def __init__(self, plane: Plane, nfs: Sequence[str]) -> None:
        self.plane = plane
        self._port = plane.request("port.add", name=PORT, kind="null", size=64)["id"]
        self._node = plane.counters().counters
        self._nfs = [
            (plane.nfs[nf].pid, plane.loop.run_until_complete(plane.control.nf_counters(nf)))
            for nf in nfs
        ]

    @property
    def pids(self) -> list[int]:
        """All its processes, the data plane last."""
        return [*(pid for pid, _ in self._nfs), self.plane.process.pid]

    def count(self) -> Count:
        """See sampling.System."""
        return Count(
            packets=self._node.port[self._port].tx.packets,
            io_cpu=processes.cpu_nanoseconds(self.plane.process.pid),
            nf_cpu=sum(processes.cpu_nanoseconds(pid) for pid, _ in self._nfs),
            handled=sum(region.counters.rx.packets for _, region in self._nfs),
        )

    def pause(self) -> None:
        """See sampling.System."""
        processes.pause(self.pids)

    def resume(self) -> None:
        """See sampling.System."""
        processes.resume(self.pids)


@contextmanager
def running_plane(*options: str) -> Iterator[Plane]:
    """A data plane that ends with the block, also from a pause."""
    with run_directory() as directory:
        plane = Plane(directory, *options)
        try:
            yield plane
        finally:
            processes.resume([plane.process.pid])
            plane.close()


def start_nf(plane: Plane, name: str, service: str, cpu: int, **wishes: Any) -> None:
    """Starts one MAC-swapping NF on a CPU."""
    process = plane.start_nf(name, "forward", service, parameters=SWAP, **wishes)
    processes.pin(process.pid, cpu)


@contextmanager
def onvm_chain(placement: Placement) -> Iterator[OnvmChain]:
    """A paused chain with one NF for each of the placement's CPUs."""
    names = [f"nf{i}" for i in range(len(placement.nfs))]
    with running_plane("--core", str(placement.io)) as plane:
        for name, cpu in zip(names, placement.nfs, strict=True):
            start_nf(plane, name, name, cpu, dedicated=placement.own)
        chain = OnvmChain(plane, names)
        plane.plan([{"id": 1, "name": "bench", "path": names, "egress": PORT}], default_chain=1)
        chain.pause()
        yield chain
