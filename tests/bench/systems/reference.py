# SPDX-License-Identifier: BSD-3-Clause
"""The reference chain: openNetVM's design, bare (see reference/reference.h)."""

from __future__ import annotations

import mmap
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tests.bench import processes
from tests.bench.failure import BenchError
from tests.bench.processes import wait_for
from tests.bench.programs import program
from tests.bench.sampling import Count
from tests.bench.setting import Placement, run_directory

BUFFERS = 4095
SLOTS = 4096  # of each ring: the whole pool fits into any, so that nothing is lost on the way
MEMORY = "32"  # MB; all of it is taken at the start, for NFs that attach would wait for growth
COUNTERS = struct.Struct("QQQ")  # struct reference_counters: ready, packets, dropped


class Member:
    """One process of the reference chain."""

    def __init__(self, program: Path, arguments: list[str], file: Path, *own: str) -> None:
        self._log = file.with_suffix(".log")
        self._file = file
        file.unlink(missing_ok=True)  # of one that had the place before
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [program, *arguments, "--", file, *own], stdout=log, stderr=log
            )
        self.pid = self._process.pid
        self._counters: mmap.mmap | None = None

    def wait(self, interval: float = 0.01) -> None:
        """Waits until it is in its loop, looking every `interval` seconds.

        Raises BenchError when it ends instead.
        """
        wait_for(self._is_ready, f"{self._file.name} of the reference chain runs", interval)

    def packets(self) -> int:
        """Packets that it has sent or handled."""
        assert self._counters is not None
        return int(COUNTERS.unpack_from(self._counters)[1])

    def end(self) -> None:
        """Ends it at once; the harness removes what it leaves."""
        self._process.kill()
        self._process.wait()

    def _is_ready(self) -> bool:
        if self._process.poll() is not None:
            raise BenchError(f"the reference chain does not start: {self._said()}")
        if self._counters is None and self._file.exists() and self._file.stat().st_size:
            with self._file.open("rb") as file:
                self._counters = mmap.mmap(file.fileno(), COUNTERS.size, prot=mmap.PROT_READ)
        return self._counters is not None and COUNTERS.unpack_from(self._counters)[0] == 1

    def _said(self) -> str:
        return self._log.read_text(errors="replace").strip()


class ReferenceChain:
    """A manager and its NFs."""

    name = "reference"

    def __init__(self, build: Path, directory: Path, eal: list[str], placement: Placement) -> None:
        self._build, self._directory, self._eal = build, directory, eal
        self._placement = placement
        self.nfs: list[Member] = []
        self.manager = Member(
            program(build, "reference/reference_manager"),
            [*eal, f"--lcores=0@{placement.io}", "-m", MEMORY, "--socket-limit", MEMORY,
             "--vdev=net_null0,size=64"],
            directory / "manager",
            str(len(placement.nfs)), str(BUFFERS), str(SLOTS),
        )  # fmt: skip

    def start_nf(self, number: int) -> Member:
        """Starts the NF of one place, from 0; its lcore id is like no other's."""
        nf = Member(
            program(self._build, "reference/reference_nf"),
            [*self._eal, "--proc-type=secondary",
             f"--lcores={number + 1}@{self._placement.nfs[number]}"],
            self._directory / f"nf{number}",
            str(number),
        )  # fmt: skip
        self.nfs.append(nf)
        return nf

    def end(self) -> None:
        """Ends all its processes at once."""
        for member in [*self.nfs, self.manager]:
            member.end()

    def count(self) -> Count:
        """See sampling.System."""
        return Count(
            packets=self.manager.packets(),
            io_cpu=processes.cpu_nanoseconds(self.manager.pid),
            nf_cpu=sum(processes.cpu_nanoseconds(nf.pid) for nf in self.nfs),
            handled=sum(nf.packets() for nf in self.nfs),
        )

    def pause(self) -> None:
        """See sampling.System."""
        processes.pause(self._pids())

    def resume(self) -> None:
        """See sampling.System."""
        processes.resume(self._pids())

    def _pids(self) -> list[int]:
        return [*(nf.pid for nf in self.nfs), self.manager.pid]


@contextmanager
def reference_chain(build: Path, placement: Placement) -> Iterator[ReferenceChain]:
    """A paused reference chain with one NF for each of the placement's CPUs."""
    with reference_manager(build, placement) as chain:
        for number in range(len(placement.nfs)):
            chain.start_nf(number)
        for nf in chain.nfs:
            nf.wait()
        chain.pause()
        yield chain


@contextmanager
def reference_manager(build: Path, placement: Placement) -> Iterator[ReferenceChain]:
    """A reference chain that runs, with no NF yet; whatever is started in it ends with it."""
    with ExitStack() as stack:
        directory = stack.enter_context(run_directory())
        eal = [
            "--no-pci",
            f"--huge-dir={stack.enter_context(huge_pages(directory))}",
            f"--file-prefix={stack.enter_context(_file_prefix())}",
        ]
        chain = ReferenceChain(build, directory, eal, placement)
        stack.callback(chain.end)
        chain.manager.wait()
        yield chain


@contextmanager
def huge_pages(directory: Path) -> Iterator[Path]:
    """A hugetlbfs of our own, since secondaries need files to map; gone with the block."""
    mount = directory / "huge"
    mount.mkdir()
    command = ["mount", "-t", "hugetlbfs", "onvm-bench", str(mount)]
    try:  # also while it is being mounted: an interrupt may come between that and the next line
        done = subprocess.run(command, check=False, capture_output=True, text=True)
        if done.returncode != 0:
            raise BenchError(f"cannot mount huge pages: {done.stderr.strip()}")
        yield mount
    finally:
        subprocess.run(["umount", "--lazy", mount], check=False, capture_output=True)


@contextmanager
def _file_prefix() -> Iterator[str]:
    """A name for DPDK's files in its runtime directory, which go with the block."""
    name = f"onvm-bench-{os.getpid()}"
    try:
        yield name
    finally:
        shutil.rmtree(Path("/var/run/dpdk", name), ignore_errors=True)
