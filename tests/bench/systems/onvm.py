# SPDX-License-Identifier: BSD-3-Clause
"""Ours: a data plane, and NFs that swap MAC addresses."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.bench import processes
from tests.bench.processes import wait_for
from tests.bench.sampling import Count
from tests.bench.setting import Placement, run_directory
from tests.dataplane.plane import Plane, nf_program

PORT = "null"
BUFFERS = 16384  # of a worker, as a node has them by default
SWAP = {"swap_mac": True}


class OnvmChain:
    """NFs through which packets pass without end, and the port by which they leave."""

    def __init__(self, plane: Plane, nfs: Sequence[str], egress: int, name: str) -> None:
        self.name = name
        self.plane = plane
        self._egress = egress
        self._node = plane.counters()
        self._nfs = [
            (plane.nfs[nf].pid, plane.loop.run_until_complete(plane.control.nf_counters(nf)))
            for nf in nfs
        ]

    @property
    def nf_pids(self) -> list[int]:
        """The NFs' processes; fused NFs share one."""
        return list(dict.fromkeys(pid for pid, _ in self._nfs))

    @property
    def pids(self) -> list[int]:
        """All its processes, the data plane last."""
        return [*self.nf_pids, self.plane.process.pid]

    def count(self) -> Count:
        """See sampling.System."""
        return Count(
            packets=self._node.port[self._egress].tx.packets,
            io_cpu=processes.cpu_nanoseconds(self.plane.process.pid),
            nf_cpu=sum(map(processes.cpu_nanoseconds, self.nf_pids)),
            handled=sum(region.counters.rx.packets for _, region in self._nfs),
        )

    def pause(self) -> None:
        """See sampling.System."""
        processes.pause(self.pids)

    def resume(self) -> None:
        """See sampling.System."""
        processes.resume(self.pids)


@contextmanager
def running_plane(*cores: int) -> Iterator[Plane]:
    """A data plane with a worker on each core; it ends with the block, also from a pause."""
    workers, buffers = ",".join(map(str, cores)), str(BUFFERS * len(cores))
    options = ("--cores", workers, "--buffers", buffers, "--hugepages", "required")
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


def add_null_port(plane: Plane) -> int:
    """Adds the port PORT; returns its id."""
    return int(plane.request("port.add", name=PORT, kind="null", size=64)["id"])


@contextmanager
def onvm_chain(placement: Placement) -> Iterator[OnvmChain]:
    """A paused chain with one NF for each of the placement's CPUs."""
    names = [f"nf{i}" for i in range(len(placement.nfs))]
    with running_plane(placement.io) as plane:
        for name, cpu in zip(names, placement.nfs, strict=True):
            start_nf(plane, name, name, cpu, dedicated=placement.own)
        yield paused_chain(plane, names, "onvm")


@contextmanager
def fused_chain(placement: Placement) -> Iterator[OnvmChain]:
    """The same with all NFs in one process, on the first of the placement's CPUs."""
    names = [f"nf{i}" for i in range(len(placement.nfs))]
    with running_plane(placement.io) as plane:
        for name in names:
            plane.expect(name, parameters=SWAP, group="fused")
        start_fused(plane, names, placement.nfs[0])
        yield paused_chain(plane, names, "fused")


def start_fused(plane: Plane, names: Sequence[str], cpu: int) -> None:
    """Starts one process of expected NFs on a CPU, and waits until all of them run."""
    sockets = " ".join(f"forward={plane.run_dir}/nf/{name}/nf.sock" for name in names)
    with (plane.run_dir / "fused.log").open("wb") as log:
        process = subprocess.Popen(
            [nf_program("fused")], env={"ONVM_SOCKETS": sockets}, stdout=log, stderr=log
        )
    plane.nfs |= dict.fromkeys(names, process)
    processes.pin(process.pid, cpu)
    wait_for(lambda: all(plane.nf_state(n) == "running" for n in names), "the fused NFs run")


def paused_chain(plane: Plane, names: Sequence[str], title: str) -> OnvmChain:
    """The chain through these services, in this order, between null ports."""
    chain = OnvmChain(plane, names, add_null_port(plane), title)
    plane.plan([{"id": 1, "name": "bench", "path": names, "egress": PORT}], default_chain=1)
    chain.pause()
    return chain
